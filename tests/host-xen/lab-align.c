/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Saves running domains live, side by side, to nowhere, and lets them go on.
 * Prints when each stood still and how far apart that was: with our save
 * helper, or with libxl's own.
 *
 * Usage: lab-align ours|stock DOMID...
 */
#include "private.h"

#include <fcntl.h>
#include <glib-unix.h>
#include <string.h>
#include <unistd.h>

#define STOCK "/usr/lib/xen-4.17/bin/libxl-save-helper"

typedef struct {
    guint32 domid;
    int fd;          /* libxl's end of the pipe */
    int sink;        /* the other */
    guint64 bytes;   /* that came out */
    gint64 still_us; /* when it was seen to stand still, 0 before */
    gint64 ended_us;
    int rc;
    GThread *saver, *reader;
} Saved;

typedef struct {
    HostXen *host;
    Align *align;
    guint n;
    Saved *saved;
    gint running; /* atomic */
    gint64 began_us;
} Lab;

static Lab lab;

static gpointer reader(gpointer data)
{
    Saved *saved = data;
    g_autofree char *bytes = g_malloc(1 << 20);
    for (ssize_t n; (n = read(saved->sink, bytes, 1 << 20)) > 0;)
        saved->bytes += (guint64)n;
    return NULL;
}

static gboolean on_ended(gpointer data)
{
    Saved *saved = data;
    if (lab.align != NULL)
        align_leave(lab.align, saved->domid);
    g_atomic_int_add(&lab.running, -1);
    return G_SOURCE_REMOVE;
}

static gpointer saver(gpointer data)
{
    Saved *saved = data;
    Xl *xl = xl_new(NULL);
    saved->rc = libxl_domain_suspend(xl->ctx, saved->domid, saved->fd, LIBXL_SUSPEND_LIVE, NULL);
    saved->ended_us = g_get_monotonic_time();
    if (saved->rc != 0)
        g_printerr("domain %u: %s\n", saved->domid, xl->cause);
    close(saved->fd);
    xl_free(xl);
    g_idle_add(on_ended, saved);
    return NULL;
}

/* Until all stand still or have ended, looks every half millisecond. */
static gpointer looker(gpointer data)
{
    guint standing = 0;
    while (standing < lab.n && g_atomic_int_get(&lab.running) > 0) {
        for (guint i = 0; i < lab.n; i++) {
            Saved *saved = &lab.saved[i];
            HostDomain domain;
            if (saved->still_us != 0 || !domains_find(lab.host, saved->domid, &domain) ||
                !domain.shutdown || domain.reason != HOST_REASON_SUSPEND)
                continue;
            saved->still_us = g_get_monotonic_time();
            standing++;
        }
        g_usleep(500);
    }
    return NULL;
}

static void save_all(void)
{
    if (lab.host->align != NULL)
        lab.align = align_new(lab.host->align, &align_limits, NULL, NULL);
    lab.running = (gint)lab.n;
    lab.began_us = g_get_monotonic_time();
    for (guint i = 0; i < lab.n; i++) {
        Saved *saved = &lab.saved[i];
        int ends[2];
        g_assert_true(g_unix_open_pipe(ends, FD_CLOEXEC, NULL));
        if (lab.align != NULL)
            align_add(lab.align, saved->domid);
        saved->sink = ends[0];
        saved->fd = ends[1];
        fcntl(saved->fd, F_SETPIPE_SZ, 1 << 20);
        saved->reader = g_thread_new("reader", reader, saved);
        saved->saver = g_thread_new("saver", saver, saved);
    }
    GThread *looks = g_thread_new("looker", looker, NULL);
    while (g_atomic_int_get(&lab.running) > 0)
        g_main_context_iteration(NULL, TRUE);
    g_thread_join(looks);
    align_free(lab.align);
}

/* The longest time between two that stopped, in microseconds; -1 if not all did. */
static gint64 report(void)
{
    gint64 first = G_MAXINT64, last = 0;
    for (guint i = 0; i < lab.n; i++) {
        Saved *saved = &lab.saved[i];
        g_thread_join(saved->saver);
        g_thread_join(saved->reader);
        g_print("domain %u: stood still after %.3f s, saved after %.3f s, %.1f MiB, result %d\n",
                saved->domid, (double)(saved->still_us - lab.began_us) / 1e6,
                (double)(saved->ended_us - lab.began_us) / 1e6,
                (double)saved->bytes / (1024 * 1024), saved->rc);
        if (saved->rc != 0 || saved->still_us == 0)
            return -1;
        first = MIN(first, saved->still_us);
        last = MAX(last, saved->still_us);
    }
    return last - first;
}

static void resume_all(void)
{
    for (guint i = 0; i < lab.n; i++)
        libxl_domain_resume(lab.host->xl->ctx, lab.saved[i].domid, 1, NULL);
}

int main(int argc, char **argv)
{
    g_autoptr(GError) error = NULL;
    if (argc < 3)
        g_error("usage: %s ours|stock DOMID...", argv[0]);
    if (strcmp(argv[1], "stock") == 0)
        g_setenv("LIBXL_SAVE_HELPER", STOCK, TRUE);
    Host *host = host_xen_new(NULL, &error);
    g_assert_no_error(error);
    lab.host = host_xen(host);
    lab.n = (guint)argc - 2;
    lab.saved = g_new0(Saved, lab.n);
    for (guint i = 0; i < lab.n; i++)
        lab.saved[i].domid = (guint32)g_ascii_strtoull(argv[i + 2], NULL, 10);

    save_all();
    gint64 spread = report();
    resume_all();
    g_print("%s: spread %.3f ms\n", argv[1], (double)spread / 1000);
    host->ops->free(host);
    g_free(lab.saved);
    return spread < 0 ? 1 : 0;
}
