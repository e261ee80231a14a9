/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Connections to other daemons: the engine's links.h on wire/link.h. Those of
 * ours are made by ssh, or by an operator's command; those of other hosts come
 * to a socket where only root may connect, through "domgrp receive". Whoever
 * does can give this host domains.
 *
 * What others can take is bounded: how many they are, and how long each may be
 * there without having said what it is about. When all places are taken, the one
 * that has done nothing for the longest time, although it was its turn, makes
 * room; as long as all do something, more wait in the kernel's queue. A link holds
 * one message at most, 16 MiB of definition.
 *
 * Main thread only.
 */
#ifndef DAEMON_CONNECTIONS_H
#define DAEMON_CONNECTIONS_H

#include "links.h"

G_BEGIN_DECLS

#define CONNECTIONS_SOCKET "migrate.sock" /* beside the API's */
#define CONNECTIONS_MAX 16u               /* of other hosts */
#define CONNECTIONS_TIMEOUT_MS 30000u     /* for the first message of each */
#define CONNECTIONS_IDLE_MS 10000u        /* in which each may do nothing, however many come ... */
#define CONNECTIONS_IDLE_ABOUT 7u  /* ... so many times longer when it is about a migration */
#define CONNECTIONS_PEER_MAX 1024u /* bytes of a peer's name, and of a command */

typedef struct {
    const char *path;  /* of the socket for other hosts; its folder is made if missing */
    guint connections; /* 0: CONNECTIONS_MAX */
    guint timeout_ms;  /* 0: CONNECTIONS_TIMEOUT_MS */
    guint idle_ms;     /* 0: CONNECTIONS_IDLE_MS */
} ConnectionsOptions;

/* Listens, and takes connections from when they are watched. NULL with VALUE or FILE. */
Links *connections_new(const ConnectionsOptions *options, GError **error);

/*
 * What is run to reach the daemon of @peer, for g_strfreev(): ssh, or @command in its place. As
 * xl's -s, @command is for sh, and if it is "" @peer is. Otherwise @peer is one word, whatever it
 * holds.
 */
char **connections_argv(const char *peer, const char *command);

/* Whether connections_argv() may be called: VALUE if @peer could be an option, say. */
gboolean connections_check(const char *peer, const char *command, GError **error);

G_END_DECLS

#endif
