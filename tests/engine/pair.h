/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Two worlds in one virtual time, with connections between their daemons: a
 * group of two members, web after db, that lives on the first and is to move
 * to the second.
 */
#ifndef TESTS_ENGINE_PAIR_H
#define TESTS_ENGINE_PAIR_H

#include "world.h"

G_BEGIN_DECLS

#define SOURCE 0
#define DESTINATION 1

typedef struct {
    World *sides[2];
    guint n;                /* members that are to be created: db, web, and mail if it is 3 */
    gboolean power;         /* a daemon that dies takes its host with it */
    const char *died;       /* the call in which one did; NULL: none has */
    guint second_side;      /* when it has, that of this side dies ... */
    guint second;           /* ... at this call from then on; 0: it does not */
    const char *hit;        /* the call that had the first fault, or NULL */
    const char *second_hit; /* that of the second death, likewise */
    gboolean may_lose;      /* a host that had the only copy of the group has lost its power */
    gboolean given_up[2];   /* somebody has given up the copies of a side */
    gboolean on_boot;       /* the group starts when its host boots ... */
    gboolean booted[2];     /* ... which it has */
    gboolean must_tell;     /* ... in the middle of a migration */
} Pair;

Pair *pair_new(void);
void pair_free(Pair *pair);
/* One more line for the file of @member. */
void pair_set_file(Pair *pair, const char *member, const char *line);
/* Creates the group on the first host; @settings: "KEY VALUE|KEY VALUE...". */
void pair_create(Pair *pair, const char *settings);
/* Begins to migrate it from the side @from; NULL: that was refused. */
Operation *pair_migrate(Pair *pair, guint from, const EngineOptions *options, GError **error);
/* Runs for so long; a daemon that dies is followed by a new one. */
void pair_run_for(Pair *pair, gint64 us);
/* The same until nothing is to come any more, or an hour has passed. */
void pair_rest(Pair *pair);
/* The daemon of @side dies and begins again; or its host does, by power off and on. */
void pair_kill(Pair *pair, guint side);
void pair_power(Pair *pair, guint side);
/* Notes which calls had the faults, before they are taken away: the first was on @side. */
void pair_note_hits(Pair *pair, guint side);
/* Somebody has given the group's memory up. */
void pair_give_up(Pair *pair);
/* What is wrong at rest, or NULL; free with g_free(). */
char *pair_check(Pair *pair);
/* "shop running: db=running web=running / ": what the two hosts have. Free with g_free(). */
char *pair_list(Pair *pair);
/* Where the group is: SOURCE or DESTINATION, or 2 if not exactly one of them knows it. */
guint pair_owner(Pair *pair);

G_END_DECLS

#endif
