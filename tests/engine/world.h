/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A simulated host with a journal and an engine on it: what the engine's tests live in. */
#ifndef TESTS_ENGINE_WORLD_H
#define TESTS_ENGINE_WORLD_H

#include "checker.h"

G_BEGIN_DECLS

typedef struct {
    Host *host;
    Journal *journal;
    Engine *engine;
    Links *links;                /* to another host, or NULL */
    GHashTable *files;           /* member name to text; a member without one has only a name */
    Operation *last;             /* the operation begun last */
    DomgrpSettings *settings;    /* of the next group that is created; NULL: none */
    EngineOptions options;       /* likewise */
    DomgrpMap *map;              /* of the next restore, or NULL */
    const char *uuid;            /* of the next group that is created; NULL: a new one */
    gboolean stock;              /* the hypervisor does not know groups */
    Checker *checker;            /* judges all that happens */
    char task[DOMGRP_UUID_TEXT]; /* the operation that world_expect() was given last */
    GString *notes;              /* what the listener was told that matters */
} World;

World *world_new(void);
/* From now on there are connections to the host that it is joined with. */
void world_make_links(World *world);
void world_free(World *world);

void world_set_file(World *world, const char *name, const char *text);
/* Begins a create of @group with the members of @names, NULL-terminated. */
Operation *world_create(World *world, const char *group, const char *const *names, GError **error);
/* @operation, which may be NULL, was asked for: if it was accepted its end must come. */
void world_expect(World *world, Operation *operation);
/* The daemon dies and begins again. FALSE: it could not. */
gboolean world_restart(World *world, GError **error);
void world_stop(World *world);
/* Takes groups from the hypervisor, before there are any. */
void world_make_stock(World *world);

/* Non-default groups, a line each: "shop running: db=running web=stopped". Free with g_free(). */
char *world_list(World *world);
/* The last operation: "done", "runs", or "CODE: sentence". Free with g_free(). */
char *world_result(World *world);
/* checker_rest() */
char *world_check(World *world);

G_END_DECLS

#endif
