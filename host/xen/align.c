/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The daemon's side of align.h: a socket, its peers, and what each group's helpers are told. */
#include "align.h"
#include "align-wire.h"
#include "domgrp-error.h"

#include <errno.h>
#include <glib-unix.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

/* Connections at once; a helper has one. */
#define PEERS_MAX 1024

const AlignLimits align_limits = {
    .few = 50, /* libxc's own idea of few */
    .rounds = ALIGN_ROUNDS,
    .come_ms = 120 * 1000,
    .converge_ms = 60 * 1000,
};

typedef struct Peer Peer;

typedef struct {
    guint32 domid;
    enum { EXPECTED, SENDING, WAITING, LEFT } state;
    Peer *peer; /* while it is SENDING or WAITING */
    guint32 round;
    guint64 dirty;
    guint64 before; /* dirty, when it was told to send a round the last time */
} Member;

struct Align {
    AlignServer *server;
    AlignLimits limits;
    GPtrArray *members; /* of Member */
    gboolean decided;   /* to stop: that is final */
    gboolean gathered;  /* all have sent all memory once */
    gboolean held;      /* what that event is for is not done yet */
    gboolean ready;     /* no more rounds are sent */
    const AlignEvents *events;
    gpointer data;
    gboolean closing; /* no more rounds */
    GSource *timer;
};

struct Peer {
    AlignServer *server;
    int fd;
    GSource *source;
    Align *align; /* with member: after its hello */
    Member *member;
};

struct AlignServer {
    GMainContext *context;
    char *path;
    int fd;
    GSource *source;
    GPtrArray *peers;
    GPtrArray *aligns;
};

static void source_drop(GSource **source)
{
    if (*source != NULL) {
        g_source_destroy(*source);
        g_source_unref(*source);
        *source = NULL;
    }
}

/* -- what members are told -- */

/* One that does not read ends; that is seen when it is next heard of. */
static void peer_answer(Peer *peer, guint32 round, AlignVerdict verdict)
{
    AlignAnswer answer = {.magic = ALIGN_MAGIC, .round = round, .verdict = verdict};
    if (send(peer->fd, &answer, sizeof(answer), MSG_DONTWAIT | MSG_NOSIGNAL) != sizeof(answer))
        shutdown(peer->fd, SHUT_RDWR);
}

static void member_answer(Member *member, AlignVerdict verdict)
{
    if (verdict == ALIGN_ROUND) {
        member->state = SENDING;
        member->before = member->dirty;
    }
    peer_answer(member->peer, member->round, verdict);
}

static gboolean member_wants_round(const Align *align, const Member *member)
{
    return !align->closing && member->round < align->limits.rounds &&
           member->dirty > align->limits.few && member->dirty < member->before / 4 * 3;
}

static gboolean on_time(gpointer data);

static void align_timer(Align *align, guint ms)
{
    source_drop(&align->timer);
    align->timer = g_timeout_source_new(ms);
    g_source_set_callback(align->timer, on_time, align, NULL);
    g_source_attach(align->timer, align->server->context);
}

/* Whether none is waited for, how many wait, and how many of these want a round. */
static gboolean align_gathered(const Align *align, guint *ret_waiting, guint *ret_wanting)
{
    guint waiting = 0, wanting = 0;
    for (guint i = 0; i < align->members->len; i++) {
        const Member *member = align->members->pdata[i];
        if (member->state == EXPECTED || member->state == SENDING)
            return FALSE;
        waiting += member->state == WAITING;
        wanting += member->state == WAITING && member_wants_round(align, member);
    }
    *ret_waiting = waiting;
    *ret_wanting = wanting;
    return TRUE;
}

static void align_gather(Align *align)
{
    align->gathered = TRUE;
    align->held = align->events->gathered != NULL;
    if (align->held)
        align->events->gathered(align->data);
    else
        align_timer(align, align->limits.converge_ms);
}

static void align_round(Align *align)
{
    for (guint i = 0; i < align->members->len; i++) {
        Member *member = align->members->pdata[i];
        if (member->state == WAITING && member_wants_round(align, member))
            member_answer(member, ALIGN_ROUND);
    }
}

static void align_be_ready(Align *align, gboolean any)
{
    g_debug("all are ready");
    align->ready = TRUE;
    source_drop(&align->timer);
    if (align->events->ready != NULL)
        align->events->ready(align->data);
    else if (any)
        align_stop(align);
}

static void align_decide(Align *align)
{
    guint waiting, wanting;
    if (align->ready || align->decided || !align_gathered(align, &waiting, &wanting))
        return;
    if (!align->gathered && waiting > 0)
        align_gather(align);
    if (align->held)
        return;
    if (wanting > 0)
        align_round(align);
    else
        align_be_ready(align, waiting > 0);
}

static void member_expire(Member *member)
{
    if (member->state == EXPECTED)
        member->state = LEFT;
}

static gboolean on_time(gpointer data)
{
    Align *align = data;
    source_drop(&align->timer);
    align->closing = align->gathered;
    for (guint i = 0; i < align->members->len; i++)
        member_expire(align->members->pdata[i]);
    align_decide(align);
    return G_SOURCE_REMOVE;
}

/* -- what they say -- */

static Member *align_find(const Align *align, guint32 domid)
{
    for (guint i = 0; i < align->members->len; i++)
        if (((Member *)align->members->pdata[i])->domid == domid)
            return align->members->pdata[i];
    return NULL;
}

static void peer_join(Peer *peer, Align *align, Member *member)
{
    g_debug("domain %u: here", member->domid);
    peer->align = align;
    peer->member = member;
    member->peer = peer;
    member->state = SENDING;
    if (!align->gathered && align->timer != NULL)
        align_timer(align, align->limits.come_ms);
    peer_answer(peer, ALIGN_HELLO, ALIGN_WAIT);
}

/* FALSE: it has no more to say here. */
static gboolean peer_hello(Peer *peer, guint32 domid)
{
    for (guint i = 0; i < peer->server->aligns->len; i++) {
        Align *align = peer->server->aligns->pdata[i];
        Member *member = align_find(align, domid);
        if (member != NULL && member->state == EXPECTED) {
            peer_join(peer, align, member);
            return TRUE;
        }
    }
    g_debug("domain %u: not waited for", domid);
    peer_answer(peer, ALIGN_HELLO, ALIGN_STOCK);
    return FALSE;
}

static gboolean peer_report(Peer *peer, const AlignReport *report)
{
    Align *align = peer->align;
    Member *member = peer->member;
    if (report->domid != member->domid || report->round < member->round)
        return FALSE;
    /* It has not seen yet that it is to send a round. */
    if (member->state == SENDING && report->round == member->round)
        return TRUE;
    if (member->state == SENDING)
        g_debug("domain %u: %u rounds, %" G_GUINT64_FORMAT " pages written, %" G_GUINT64_FORMAT
                " dirty",
                report->domid, report->round, report->written, report->dirty);
    member->state = WAITING;
    member->round = report->round;
    member->dirty = report->dirty;
    member_answer(member, align->decided ? ALIGN_STOP : ALIGN_WAIT);
    align_decide(align);
    return TRUE;
}

static gboolean peer_heard(Peer *peer)
{
    AlignReport report;
    ssize_t n = recv(peer->fd, &report, sizeof(report), MSG_DONTWAIT | MSG_TRUNC);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return TRUE;
    if (n != sizeof(report) || report.magic != ALIGN_MAGIC)
        return FALSE;
    if (peer->member == NULL)
        return report.round == ALIGN_HELLO && peer_hello(peer, report.domid);
    return peer_report(peer, &report);
}

static void peer_free(gpointer data)
{
    Peer *peer = data;
    source_drop(&peer->source);
    close(peer->fd);
    g_free(peer);
}

/* Its member goes on without the others, and they without it. */
static void peer_drop(Peer *peer)
{
    Align *align = peer->align;
    if (align != NULL) {
        g_debug("domain %u: gone", peer->member->domid);
        peer->member->state = LEFT;
        peer->member->peer = NULL;
    }
    g_ptr_array_remove_fast(peer->server->peers, peer);
    if (align != NULL)
        align_decide(align);
}

static gboolean on_peer(gint fd, GIOCondition condition, gpointer data)
{
    Peer *peer = data;
    if (peer_heard(peer))
        return G_SOURCE_CONTINUE;
    peer_drop(peer);
    return G_SOURCE_REMOVE;
}

/* -- the socket -- */

/* The parent of process @pid, 0 if it cannot be told. */
static pid_t parent_of(pid_t pid)
{
    g_autofree char *path = g_strdup_printf("/proc/%d/stat", (int)pid);
    g_autofree char *text = NULL;
    int parent = 0;
    if (!g_file_get_contents(path, &text, NULL, NULL))
        return 0;
    const char *name_end = strrchr(text, ')'); /* a name may hold anything */
    if (name_end == NULL || sscanf(name_end, ") %*c %d", &parent) != 1)
        return 0;
    return parent;
}

/* Whether this process started it, as its own user; or is it. */
static gboolean fd_is_ours(int fd)
{
    struct ucred peer;
    socklen_t length = sizeof(peer);
    return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &length) == 0 && peer.uid == geteuid() &&
           (peer.pid == getpid() || parent_of(peer.pid) == getpid());
}

static gboolean on_connection(gint listener, GIOCondition condition, gpointer data)
{
    AlignServer *server = data;
    int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd < 0)
        return G_SOURCE_CONTINUE;
    if (server->peers->len >= PEERS_MAX || !fd_is_ours(fd)) {
        close(fd);
        return G_SOURCE_CONTINUE;
    }
    Peer *peer = g_new0(Peer, 1);
    peer->server = server;
    peer->fd = fd;
    peer->source = g_unix_fd_source_new(fd, G_IO_IN);
    g_source_set_callback(peer->source, G_SOURCE_FUNC(on_peer), peer, NULL);
    g_source_attach(peer->source, server->context);
    g_ptr_array_add(server->peers, peer);
    return G_SOURCE_CONTINUE;
}

static gboolean server_listen(AlignServer *server)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (g_strlcpy(address.sun_path, server->path, sizeof(address.sun_path)) >=
        sizeof(address.sun_path)) {
        errno = ENAMETOOLONG;
        return FALSE;
    }
    unlink(server->path);
    server->fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    return server->fd >= 0 && bind(server->fd, (struct sockaddr *)&address, sizeof(address)) == 0 &&
           chmod(server->path, 0600) == 0 && listen(server->fd, SOMAXCONN) == 0;
}

AlignServer *align_server_new(GMainContext *context, const char *path, GError **error)
{
    AlignServer *server = g_new0(AlignServer, 1);
    server->context = g_main_context_ref(context);
    server->path = g_strdup(path);
    server->peers = g_ptr_array_new_with_free_func(peer_free);
    server->aligns = g_ptr_array_new();
    server->fd = -1;
    if (!server_listen(server)) {
        g_set_error(error, DOMGRP_ERROR, DOMGRP_ERROR_HOST, "no socket can be had at %s: %s", path,
                    g_strerror(errno));
        align_server_free(server);
        return NULL;
    }
    server->source = g_unix_fd_source_new(server->fd, G_IO_IN);
    g_source_set_callback(server->source, G_SOURCE_FUNC(on_connection), server, NULL);
    g_source_attach(server->source, server->context);
    return server;
}

void align_server_free(AlignServer *server)
{
    if (server == NULL)
        return;
    g_assert(server->aligns->len == 0);
    source_drop(&server->source);
    g_ptr_array_unref(server->peers);
    g_ptr_array_unref(server->aligns);
    if (server->fd >= 0) {
        close(server->fd);
        unlink(server->path);
    }
    g_free(server->path);
    g_main_context_unref(server->context);
    g_free(server);
}

/* -- a group -- */

static const AlignEvents no_events;

Align *align_new(AlignServer *server, const AlignLimits *limits, const AlignEvents *events,
                 gpointer data)
{
    Align *align = g_new0(Align, 1);
    align->server = server;
    align->limits = *limits;
    align->events = events != NULL ? events : &no_events;
    align->data = data;
    align->members = g_ptr_array_new_with_free_func(g_free);
    g_ptr_array_add(server->aligns, align);
    return align;
}

void align_add(Align *align, guint32 domid)
{
    Member *member = g_new0(Member, 1);
    g_return_if_fail(!align->decided);
    *member = (Member){.domid = domid, .before = G_MAXUINT64};
    g_ptr_array_add(align->members, member);
    align->ready = FALSE;
    align_timer(align, align->limits.come_ms);
}

void align_proceed(Align *align)
{
    if (!align->held || align->decided)
        return;
    align->held = FALSE;
    align_timer(align, align->limits.converge_ms);
    align_decide(align);
}

gboolean align_ready(const Align *align)
{
    return align->ready;
}

void align_stop(Align *align)
{
    g_debug("all stop");
    align->decided = TRUE;
    source_drop(&align->timer);
    for (guint i = 0; i < align->members->len; i++) {
        Member *member = align->members->pdata[i];
        if (member->state == WAITING)
            member_answer(member, ALIGN_STOP);
    }
}

gboolean align_decided(const Align *align)
{
    return align->decided;
}

void align_leave(Align *align, guint32 domid)
{
    Member *member = align_find(align, domid);
    if (member == NULL || member->state == LEFT)
        return;
    if (member->peer != NULL) {
        peer_drop(member->peer);
        return;
    }
    member->state = LEFT;
    align_decide(align);
}

/* Ends their connections; nothing is decided any more. */
static void align_part(Align *align)
{
    align->decided = TRUE;
    source_drop(&align->timer);
    for (guint i = 0; i < align->members->len; i++) {
        Member *member = align->members->pdata[i];
        if (member->peer != NULL)
            peer_drop(member->peer);
    }
}

void align_free(Align *align)
{
    if (align == NULL)
        return;
    align_part(align);
    g_ptr_array_remove(align->server->aligns, align);
    g_ptr_array_unref(align->members);
    g_free(align);
}
