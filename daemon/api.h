/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the daemon does: the engine with its sessions and events, behind
 * requests and answers as bytes. Knows no sockets.
 *
 * Main thread only.
 */
#ifndef DAEMON_API_H
#define DAEMON_API_H

#include "engine.h"
#include "events.h"
#include "rpc.h"
#include "sessions.h"

G_BEGIN_DECLS

typedef struct Api Api;
typedef struct ApiCall ApiCall;

/* Begins an engine on @host and @journal, which outlive the result. NULL on error. */
Api *api_new(Host *host, Journal *journal, GError **error);
/* All calls have been answered or cancelled before. */
void api_free(Api *api);

/* The answer to a call; @answer is the callee's. */
typedef void (*ApiAnswer)(gpointer data, GBytes *answer);

/*
 * Carries out the JSON-RPC request of @length bytes at @text for @peer. Calls
 * @done once: before it returns, and then it returns NULL, or later.
 */
ApiCall *api_call(Api *api, const Peer *peer, const char *text, gsize length, ApiAnswer done,
                  gpointer data);
/* The caller is gone: ends a call that api_call() returned, without an answer. */
void api_call_cancel(ApiCall *call);

/* -- for the methods (methods.c) -- */

Engine *api_engine(Api *api);
Host *api_host(Api *api);
Sessions *api_sessions(Api *api);

const Peer *api_call_peer(const ApiCall *call);
/* The session of the call. */
const char *api_call_session(const ApiCall *call);
/* Parameter @index after the session, NULL if it was left out; the type was checked. */
JsonNode *api_call_param(const ApiCall *call, guint index);
const char *api_call_string(const ApiCall *call, guint index);
/* Answers the call, later, when @word about @group's migration was taken or refused. */
void api_call_settle(ApiCall *call, const char *group, EngineWord word);
/* Answers the call, later, with what event.from has for it. */
gboolean api_call_wait(ApiCall *call, JsonArray *classes, const char *token, double timeout,
                       GError **error);

G_END_DECLS

#endif
