/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What comes by itself: xenstore's word that domains came, ended or went, and
 * timers. xenstored tells the end of a guest (it shut down, and its domain is
 * still there) by the same watch as a domain that is released.
 */
#include "private.h"

#include <errno.h>
#include <glib-unix.h>

static const char *const watched[] = {"@introduceDomain", "@releaseDomain"};

static gboolean watch_fired(gint fd, GIOCondition condition, gpointer data)
{
    HostXen *host = data;
    gboolean any = FALSE;
    char **event;

    while ((event = xs_check_watch(host->xs)) != NULL) {
        any = TRUE;
        free(event);
    }
    if (!any)
        return G_SOURCE_CONTINUE;
    g_mutex_lock(&host->lock);
    g_cond_broadcast(&host->domain_gone);
    g_mutex_unlock(&host->lock);
    if (host->changed != NULL)
        host->changed(host->changed_data);
    return G_SOURCE_CONTINUE;
}

gboolean events_init(HostXen *host, GError **error)
{
    for (guint i = 0; i < G_N_ELEMENTS(watched); i++) {
        if (!xs_watch(host->xs, watched[i], "domgrp")) {
            g_set_error(error, DOMGRP_ERROR, DOMGRP_ERROR_HOST,
                        "xenstore does not tell of domains: %s", g_strerror(errno));
            return FALSE;
        }
    }
    host->watcher = g_unix_fd_source_new(xs_fileno(host->xs), G_IO_IN);
    g_source_set_callback(host->watcher, G_SOURCE_FUNC(watch_fired), host, NULL);
    g_source_attach(host->watcher, host->context);
    return TRUE;
}

void events_clear(HostXen *host)
{
    if (host->watcher == NULL)
        return;
    g_source_destroy(host->watcher);
    g_source_unref(host->watcher);
}

void events_watch(Host *base, HostChanged changed, gpointer data)
{
    HostXen *host = host_xen(base);
    host->changed = changed;
    host->changed_data = data;
}

/* -- time -- */

typedef struct {
    HostTimeout timeout;
    gpointer data;
} Timer;

static gboolean timer_fired(gpointer data)
{
    const Timer *timer = data;
    timer->timeout(timer->data);
    return G_SOURCE_REMOVE;
}

gint64 events_now(Host *base)
{
    return g_get_monotonic_time();
}

guint events_timer_add(Host *base, gint64 delay_us, HostTimeout timeout, gpointer data)
{
    gint64 delay_ms = MIN((MAX(delay_us, 0) + 999) / 1000, (gint64)G_MAXUINT);
    g_autoptr(GSource) source = g_timeout_source_new((guint)delay_ms);
    Timer *timer = g_new(Timer, 1);

    *timer = (Timer){timeout, data};
    g_source_set_callback(source, timer_fired, timer, g_free);
    return g_source_attach(source, host_xen(base)->context);
}

void events_timer_cancel(Host *base, guint timer)
{
    GSource *source = g_main_context_find_source_by_id(host_xen(base)->context, timer);
    if (source != NULL)
        g_source_destroy(source);
}
