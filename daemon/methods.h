/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The table of the API's methods: the one place that says what there is, what
 * it takes, what it gives and who may call it. docs/api.md is printed from it.
 *
 * Thread safe; no state. Handlers run on the main thread.
 */
#ifndef DAEMON_METHODS_H
#define DAEMON_METHODS_H

#include "api.h"

G_BEGIN_DECLS

typedef enum {
    RIGHT_NONE,    /* anybody, without a session, which is then no parameter */
    RIGHT_READ,    /* whoever may log in */
    RIGHT_OPERATE, /* likewise, and the call is logged */
} Right;

typedef struct {
    const char *name;
    Right right;
    const RpcField *params; /* after the session */
    const char *result;     /* what comes back, for people */
    const char *help;
    /*
     * Returns the result, the caller's; NULL with @error set, or without it
     * if the call waits for events.
     */
    JsonNode *(*handler)(ApiCall *call, Api *api, GError **error);
} Method;

/* The method called @name, or NULL. */
const Method *method_lookup(const char *name);

/* The reference of all methods, Markdown; free with g_free(). */
char *methods_reference(void);

G_END_DECLS

#endif
