/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Jobs: one call of the host's interface, run on a thread of the pool with a
 * libxl context that no other job uses meanwhile, and reported on the main
 * context in the order in which jobs end.
 */
#include "private.h"

#include <malloc.h>

/* How long after the last job what jobs took is given back. */
#define REST_US G_USEC_PER_SEC

Job *job_new(Host *host, gboolean (*run)(Job *job, GError **error), void (*report)(Job *job),
             gpointer data)
{
    Job *job = g_new0(Job, 1);
    job->host = host_xen(host);
    job->pool = job->host->pool;
    job->run = run;
    job->report = report;
    job->data = data;
    job->domid = HOST_DOMID_NONE;
    return job;
}

void job_set_domain(Job *job, guint32 domid, const char *uuid)
{
    job->domid = domid;
    g_strlcpy(job->uuid, uuid, sizeof(job->uuid));
}

void job_set_domids(Job *job, guint n, const guint32 *domids)
{
    job->domids = g_array_sized_new(FALSE, FALSE, sizeof(guint32), n);
    if (n > 0)
        g_array_append_vals(job->domids, domids, n);
}

static char **strings_copy(const char *const *strings, guint n)
{
    char **copy = g_new0(char *, n + 1);
    for (guint i = 0; i < n; i++)
        copy[i] = g_strdup(strings[i]);
    return copy;
}

void job_set_record(Job *job, const HostRecord *record)
{
    OwnRecord *own = &job->own;
    own->record = *record;
    own->name = g_strdup(record->name);
    own->member_names = strings_copy(record->member_names, record->n_members);
    own->member_uuids = strings_copy(record->member_uuids, record->n_members);
    own->record.name = own->name;
    own->record.member_names = (const char *const *)own->member_names;
    own->record.member_uuids = (const char *const *)own->member_uuids;
}

static void job_free(Job *job)
{
    g_clear_error(&job->error);
    if (job->data_free != NULL)
        job->data_free(job->data);
    g_free(job->text);
    g_free(job->path);
    g_free(job->directory);
    g_free(job->own.name);
    g_strfreev(job->own.member_names);
    g_strfreev(job->own.member_uuids);
    g_clear_pointer(&job->domids, g_array_unref);
    host_config_free(job->config);
    host_image_info_free(job->info);
    g_free(job->value);
    if (job->image != NULL)
        image_unref(job->image);
    g_free(job);
}

void job_report_done(Job *job)
{
    job->callback.done(job->data, job->error);
}

/* -- on a thread of the pool -- */

gboolean job_take_xl(Job *job, GError **error)
{
    HostXen *host = job->host;

    g_mutex_lock(&host->lock);
    job->xl = g_queue_pop_head(&host->contexts);
    g_mutex_unlock(&host->lock);
    if (job->xl == NULL)
        job->xl = xl_new(error);
    return job->xl != NULL;
}

static void job_run(gpointer item, gpointer unused)
{
    Job *job = item;
    HostXen *host = job->host;

    if (job->without_xl || job_take_xl(job, &job->error))
        job->run(job, &job->error);
    if (job->xl != NULL)
        xl_forget(job->xl);
    g_mutex_lock(&host->lock);
    if (job->xl != NULL)
        g_queue_push_head(&host->contexts, job->xl);
    g_queue_push_tail(&host->done, job);
    g_source_set_ready_time(host->reporter, 0);
    g_mutex_unlock(&host->lock);
}

/* -- on the main context -- */

static gboolean jobs_report(gpointer data)
{
    HostXen *host = data;
    GQueue done;

    g_mutex_lock(&host->lock);
    done = host->done;
    g_queue_init(&host->done);
    g_source_set_ready_time(host->reporter, -1);
    g_mutex_unlock(&host->lock);

    for (Job *job; (job = g_queue_pop_head(&done)) != NULL;) {
        job->report(job);
        job_free(job);
        host->n_jobs--;
    }
    g_source_set_ready_time(host->rest, g_get_monotonic_time() + REST_US);
    return G_SOURCE_CONTINUE;
}

/* A daemon that waits for weeks gives back what its jobs took. Without jobs no other thread is at
 * it. */
static gboolean jobs_rest(gpointer data)
{
    HostXen *host = data;
    g_source_set_ready_time(host->rest, -1);
    if (host->n_jobs > 0)
        return G_SOURCE_CONTINUE;
    g_queue_clear_full(&host->contexts, (GDestroyNotify)xl_free);
    malloc_trim(0);
    return G_SOURCE_CONTINUE;
}

static gboolean source_dispatch(GSource *source, GSourceFunc callback, gpointer data)
{
    return callback(data);
}

static GSourceFuncs source_funcs = {.dispatch = source_dispatch};

GSource *source_new(HostXen *host, GSourceFunc callback, gpointer data)
{
    GSource *source = g_source_new(&source_funcs, sizeof(GSource));
    g_source_set_callback(source, callback, data, NULL);
    g_source_attach(source, host->context);
    return source;
}

void source_free(GSource *source)
{
    g_source_destroy(source);
    g_source_unref(source);
}

void job_start(Job *job)
{
    job->host->n_jobs++;
    /* A thread that cannot be had leaves the job in the queue for the next one that ends. */
    g_thread_pool_push(job->pool, job, NULL);
}

/* -1 @threads: without a bound. */
static GThreadPool *pool_new(gint threads, GError **error)
{
    g_autoptr(GError) local = NULL;
    GThreadPool *pool =
        g_thread_pool_new_full(job_run, NULL, (GDestroyNotify)job_free, threads, FALSE, &local);
    if (pool == NULL)
        g_set_error(error, DOMGRP_ERROR, DOMGRP_ERROR_HOST, "no threads can be had: %s",
                    local->message);
    return pool;
}

gboolean jobs_init(HostXen *host, GError **error)
{
    g_mutex_init(&host->lock);
    g_cond_init(&host->domain_gone);
    g_queue_init(&host->done);
    g_queue_init(&host->contexts);
    host->reporter = source_new(host, jobs_report, host);
    host->rest = source_new(host, jobs_rest, host);
    /* Threads take an arena of malloc each; two are enough for jobs that mostly wait. */
    mallopt(M_ARENA_MAX, 2);

    return (host->builds = pool_new((gint)BUILDS_MAX, error)) != NULL &&
           (host->programs = pool_new(PROGRAMS_MAX, error)) != NULL &&
           (host->saves = pool_new(-1, error)) != NULL &&
           (host->watches = pool_new(1, error)) != NULL &&
           (host->pool = pool_new(JOBS_MAX, error)) != NULL;
}

void jobs_clear(HostXen *host)
{
    GThreadPool *pools[] = {host->saves, host->builds, host->programs, host->watches, host->pool};
    for (guint i = 0; i < G_N_ELEMENTS(pools); i++)
        if (pools[i] != NULL)
            g_thread_pool_free(pools[i], TRUE, TRUE);
    g_queue_clear_full(&host->done, (GDestroyNotify)job_free);
    g_queue_clear_full(&host->contexts, (GDestroyNotify)xl_free);
    source_free(host->reporter);
    source_free(host->rest);
    g_cond_clear(&host->domain_gone);
    g_mutex_clear(&host->lock);
}
