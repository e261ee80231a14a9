/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * HTTP on a Unix socket: takes "POST /jsonrpc", gives what api.h answers.
 *
 * One request a connection, and bounds on everything a client can take:
 * connections (more wait in the kernel's queue), the size of a request and
 * of all requests together, the time to send one and to take its answer.
 * Whatever a client does costs the client its connection and nobody else
 * anything.
 *
 * Main thread only.
 */
#ifndef DAEMON_SERVER_H
#define DAEMON_SERVER_H

#include "api.h"

G_BEGIN_DECLS

#define SERVER_CONNECTIONS_MAX 128u
#define SERVER_REQUEST_MAX (16u * 1024 * 1024)  /* bytes of a request's body */
#define SERVER_REQUESTS_MAX (64u * 1024 * 1024) /* of all that are being received */
#define SERVER_TIMEOUT_MS 30000u                /* to send a request; to take an answer */

typedef struct {
    const char *path;  /* of the socket; its folder is made if missing */
    gid_t group;       /* whose members may call besides root, or PEER_NO_GROUP */
    guint connections; /* 0: SERVER_CONNECTIONS_MAX */
    guint timeout_ms;  /* 0: SERVER_TIMEOUT_MS */
} ServerOptions;

typedef struct Server Server;

/*
 * Listens at @options->path, in place of whatever socket is there: the caller
 * is the only daemon (lock.h). @api outlives the server.
 */
Server *server_new(Api *api, const ServerOptions *options, GError **error);
/* Ends all connections and removes the socket. */
void server_free(Server *server);

guint server_connections(const Server *server);

G_END_DECLS

#endif
