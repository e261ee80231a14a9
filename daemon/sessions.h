/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Who calls: what the kernel says of the other end of a socket, and the
 * sessions that such callers have opened.
 *
 * A session belongs to the user that opened it and serves nobody else. There
 * are at most SESSIONS_MAX; a new one ends the one that was idle the longest.
 *
 * Main thread only.
 */
#ifndef DAEMON_SESSIONS_H
#define DAEMON_SESSIONS_H

#include <sys/types.h>

#include "domgrp-error.h"

G_BEGIN_DECLS

#define SESSIONS_MAX 256u

typedef struct {
    uid_t uid;
    gid_t gid;
    pid_t pid;
    gboolean allowed; /* may open a session */
} Peer;

/* The gid that stands for "no group". */
#define PEER_NO_GROUP ((gid_t)-1)

/*
 * Whether the caller may use a daemon that runs as @self: root and @self may,
 * and whoever has @group among @peer's gid and the @n_groups of @groups.
 */
gboolean peer_is_allowed(const Peer *peer, const gid_t *groups, guint n_groups, uid_t self,
                         gid_t group);

/* Reads @ret_peer of the connected Unix socket @fd. */
gboolean peer_read(int fd, uid_t self, gid_t group, Peer *ret_peer, GError **error);

typedef struct Sessions Sessions;

Sessions *sessions_new(void);
void sessions_free(Sessions *sessions);

/* The new session's reference, borrowed until it ends. DOMGRP_ERROR_PERMISSION. */
const char *sessions_login(Sessions *sessions, const Peer *peer, GError **error);

/* Whether @session is one of @peer's; marks it as used. DOMGRP_ERROR_SESSION. */
gboolean sessions_check(Sessions *sessions, const char *session, const Peer *peer, GError **error);

/* Ends @session, which was checked. */
void sessions_logout(Sessions *sessions, const char *session);

guint sessions_count(const Sessions *sessions);

G_END_DECLS

#endif
