/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "relay.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#define MOVE_SIZE (1024 * 1024)

struct Relay {
    int from, to;
    GCancellable *cancellable;
    GPollFD cancelled;
    GThread *thread;
    int failed;    /* atomic */
    guint64 bytes; /* atomic */
};

/* Waits until @fd has one of @events, or @watched has failed; 0, or why there is nothing to wait
 * for. */
static int wait_for(const Relay *relay, int fd, short events, int watched)
{
    struct pollfd entries[] = {{.fd = fd, .events = events},
                               {.fd = relay->cancelled.fd, .events = POLLIN},
                               {.fd = watched}};

    while (poll(entries, G_N_ELEMENTS(entries), -1) < 0 && errno == EINTR)
        ;
    if (g_cancellable_is_cancelled(relay->cancellable))
        return ECANCELED;
    return entries[0].revents == 0 && entries[2].revents != 0 ? EPIPE : 0;
}

/* Returns 0 at the end of @from. */
static int move_all(const Relay *relay, guint64 *moved)
{
    for (;;) {
        int failed = wait_for(relay, relay->from, POLLIN, relay->to);
        if (failed == 0)
            failed = wait_for(relay, relay->to, POLLOUT, -1);
        if (failed != 0)
            return failed;
        ssize_t n = splice(relay->from, NULL, relay->to, NULL, MOVE_SIZE,
                           SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
        if (n == 0)
            return 0;
        if (n < 0 && errno != EAGAIN && errno != EINTR)
            return errno;
        if (n > 0)
            __atomic_fetch_add(moved, (guint64)n, __ATOMIC_RELAXED);
    }
}

/* Whoever finds a pipe closed finds out why. */
static gpointer relay_run(gpointer data)
{
    Relay *relay = data;
    int failed = EMFILE;

    if (g_cancellable_make_pollfd(relay->cancellable, &relay->cancelled)) {
        failed = move_all(relay, &relay->bytes);
        g_cancellable_release_fd(relay->cancellable);
    }
    __atomic_store_n(&relay->failed, failed, __ATOMIC_SEQ_CST);
    close(relay->from);
    close(relay->to);
    return NULL;
}

Relay *relay_new(int from, int to, GCancellable *cancellable)
{
    Relay *relay = g_new0(Relay, 1);

    *relay = (Relay){.from = from, .to = to, .cancellable = g_object_ref(cancellable)};
    relay->thread = g_thread_new("domgrp-relay", relay_run, relay);
    return relay;
}

int relay_join(Relay *relay)
{
    if (relay->thread != NULL)
        g_thread_join(g_steal_pointer(&relay->thread));
    return relay_failed(relay);
}

int relay_failed(const Relay *relay)
{
    return __atomic_load_n(&relay->failed, __ATOMIC_SEQ_CST);
}

guint64 relay_bytes(const Relay *relay)
{
    return __atomic_load_n(&relay->bytes, __ATOMIC_RELAXED);
}

void relay_free(Relay *relay)
{
    if (relay == NULL)
        return;
    relay_join(relay);
    g_object_unref(relay->cancellable);
    g_free(relay);
}
