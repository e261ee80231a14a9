/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Callers and their sessions, the least recently used one first. */
#include "sessions.h"

#include <errno.h>
#include <sys/socket.h>

/* -- peers -- */

gboolean peer_is_allowed(const Peer *peer, const gid_t *groups, guint n_groups, uid_t self,
                         gid_t group)
{
    if (peer->uid == 0 || peer->uid == self)
        return TRUE;
    if (group == PEER_NO_GROUP)
        return FALSE;
    for (guint i = 0; i < n_groups; i++)
        if (groups[i] == group)
            return TRUE;
    return peer->gid == group;
}

gboolean peer_read(int fd, uid_t self, gid_t group, Peer *ret_peer, GError **error)
{
    struct ucred credentials;
    socklen_t size = sizeof(credentials);
    gid_t groups[1024];
    socklen_t groups_size = sizeof(groups);
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &credentials, &size) < 0 ||
        getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups, &groups_size) < 0) {
        g_set_error(error, DOMGRP_ERROR, DOMGRP_ERROR_PERMISSION,
                    "the kernel does not say who calls: %s", g_strerror(errno));
        return FALSE;
    }
    Peer peer = {.uid = credentials.uid, .gid = credentials.gid, .pid = credentials.pid};
    peer.allowed = peer_is_allowed(&peer, groups, groups_size / sizeof(groups[0]), self, group);
    *ret_peer = peer;
    return TRUE;
}

/* -- sessions -- */

typedef struct {
    char *reference;
    uid_t uid;
    GList link; /* in Sessions.used */
} Session;

struct Sessions {
    GHashTable *by_reference; /* owns the sessions */
    GQueue used;              /* of Session, the least recently used first */
};

static void session_free(gpointer data)
{
    Session *session = data;
    g_free(session->reference);
    g_free(session);
}

Sessions *sessions_new(void)
{
    Sessions *sessions = g_new0(Sessions, 1);
    sessions->by_reference = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, session_free);
    g_queue_init(&sessions->used);
    return sessions;
}

void sessions_free(Sessions *sessions)
{
    if (sessions == NULL)
        return;
    g_hash_table_unref(sessions->by_reference);
    g_free(sessions);
}

static void session_end(Sessions *sessions, Session *session)
{
    g_queue_unlink(&sessions->used, &session->link);
    g_hash_table_remove(sessions->by_reference, session->reference);
}

const char *sessions_login(Sessions *sessions, const Peer *peer, GError **error)
{
    if (!peer->allowed) {
        g_set_error(error, DOMGRP_ERROR, DOMGRP_ERROR_PERMISSION,
                    "user %u may not use domgrpd; root and the members of its socket's group may",
                    (guint)peer->uid);
        return NULL;
    }
    if (sessions->used.length >= SESSIONS_MAX)
        session_end(sessions, sessions->used.head->data);

    Session *session = g_new0(Session, 1);
    session->reference = g_uuid_string_random();
    session->uid = peer->uid;
    session->link.data = session;
    g_hash_table_insert(sessions->by_reference, session->reference, session);
    g_queue_push_tail_link(&sessions->used, &session->link);
    return session->reference;
}

gboolean sessions_check(Sessions *sessions, const char *reference, const Peer *peer, GError **error)
{
    Session *session = g_hash_table_lookup(sessions->by_reference, reference);
    if (session == NULL || session->uid != peer->uid) {
        g_set_error(error, DOMGRP_ERROR, DOMGRP_ERROR_SESSION,
                    "the session is unknown or has ended; log in again");
        return FALSE;
    }
    g_queue_unlink(&sessions->used, &session->link);
    g_queue_push_tail_link(&sessions->used, &session->link);
    return TRUE;
}

void sessions_logout(Sessions *sessions, const char *reference)
{
    session_end(sessions, g_hash_table_lookup(sessions->by_reference, reference));
}

guint sessions_count(const Sessions *sessions)
{
    return sessions->used.length;
}
