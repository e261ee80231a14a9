/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What comes by itself: xenstore's word that domains came, ended or went, or
 * that a key was written, and timers. xenstored tells the end of a guest (it shut down, and its
 * domain is still there) by the same watch as a domain that is released.
 */
#include "private.h"

#include <errno.h>
#include <glib-unix.h>

static const char *const watched[] = {"@introduceDomain", "@releaseDomain"};

/* Gives a key's event to whose it is; TRUE if it speaks of domains. */
static gboolean event_take(HostXen *host, const char *token)
{
    if (token[0] == PROBE_TOKEN)
        probe_key_changed(host, token);
    else if (token[0] == ASKED_TOKEN)
        asked_written(host, token);
    return token[0] == EVENTS_TOKEN;
}

static gboolean watch_fired(gint fd, GIOCondition condition, gpointer data)
{
    HostXen *host = data;
    gboolean any = FALSE;
    char **event;

    while ((event = xs_check_watch(host->xs)) != NULL) {
        any |= event_take(host, event[XS_WATCH_TOKEN]);
        free(event);
    }
    if (!any)
        return G_SOURCE_CONTINUE;
    g_mutex_lock(&host->lock);
    g_cond_broadcast(&host->domain_gone);
    g_mutex_unlock(&host->lock);
    probes_domains_changed(host);
    images_domains_changed(host);
    if (host->changed != NULL)
        host->changed(host->changed_data);
    return G_SOURCE_CONTINUE;
}

gboolean events_init(HostXen *host, GError **error)
{
    for (guint i = 0; i < G_N_ELEMENTS(watched); i++) {
        if (!xs_watch(host->xs, watched[i], (const char[]){EVENTS_TOKEN, '\0'})) {
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

/* -- watches of keys: a round trip takes milliseconds, which the main context has not -- */

Job *watch_job(HostXen *host, gboolean (*run)(Job *job, GError **error), void (*report)(Job *job),
               const char *path, const char *token)
{
    Job *job = job_new(&host->host, run, report, NULL);
    job->pool = host->watches;
    job->without_xl = TRUE;
    job->path = g_strdup(path);
    job->text = g_strdup(token);
    return job;
}

gboolean watch_set(Job *job, GError **error)
{
    if (xs_watch(job->host->xs, job->path, job->text))
        return TRUE;
    g_set_error(error, DOMGRP_ERROR, DOMGRP_ERROR_HOST, "xenstore does not watch %s: %s", job->path,
                g_strerror(errno));
    return FALSE;
}

char *watch_read(Job *job, guint *ret_length, GError **error)
{
    char *value = xs_read(job->host->xs, XBT_NULL, job->path, ret_length);
    if (value == NULL && errno != ENOENT)
        g_set_error(error, DOMGRP_ERROR, DOMGRP_ERROR_HOST, "xenstore does not tell %s: %s",
                    job->path, g_strerror(errno));
    return value;
}

static gboolean drop_run(Job *job, GError **error)
{
    xs_unwatch(job->host->xs, job->path, job->text);
    return TRUE;
}

static void drop_report(Job *job)
{
}

void watch_drop(HostXen *host, const char *path, const char *token)
{
    job_start(watch_job(host, drop_run, drop_report, path, token));
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
