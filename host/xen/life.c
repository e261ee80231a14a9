/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The life of one domain: building, unpausing, asking it to end, destroying.
 * Each is a job that makes sure, by the UUID, that the domid still means the
 * same domain.
 */
#include "private.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Where xl's monitor puts core dumps. */
#define DUMP_DIRECTORY "/var/lib/xen/dump"

/* What xl holds while it makes room for a domain and builds it. */
#define XL_LOCK "/var/lock/xl"

/* How long a destroyed domain may take to be gone. */
#define GONE_TIMEOUT_US (30 * G_USEC_PER_SEC)

/* -- create -- */

/*
 * Where xl frees memory by shrinking dom0 it holds its lock until its domain
 * is built. A shared lock keeps us from taking that memory, and xl from
 * counting ours, while any number of our own jobs build side by side.
 * Returns the lock's fd, -1 if there is none to have.
 */
static int xl_lock_take(void)
{
    struct flock lock = {.l_type = F_RDLCK, .l_whence = SEEK_SET};
    int fd = open(XL_LOCK, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, S_IRUSR | S_IWUSR);

    while (fd >= 0 && fcntl(fd, F_OFD_SETLKW, &lock) != 0) {
        if (errno == EINTR)
            continue;
        close(fd);
        fd = -1;
    }
    return fd;
}

static void xl_lock_give(int fd)
{
    if (fd >= 0)
        close(fd);
}

/* libxl undoes what it built; this is for what it could not, and for us. */
static void create_undo(Job *job)
{
    HostDomain domain;
    if (job->domid != HOST_DOMID_NONE && domains_find(job->host, job->domid, &domain) &&
        strcmp(domain.uuid, job->uuid) == 0 && !domain.dying)
        libxl_domain_destroy(job->xl->ctx, job->domid, NULL);
}

/* Waits for it: what breaks it off is the end of the pipe. libxl_ao_abort() calls a null pointer
 * where it comes before libxl's helper. */
static int restore_from(Job *job, libxl_domain_config *config, int fd, uint32_t *domid)
{
    libxl_domain_restore_params params;

    libxl_domain_restore_params_init(&params);
    params.stream_version = 2;
    int rc = libxl_domain_create_restore(job->xl->ctx, config, domid, fd, -1, &params, NULL, NULL);
    libxl_domain_restore_params_dispose(&params);
    return rc;
}

static gboolean build(Job *job, libxl_domain_config *config, const Restore *restore, GError **error)
{
    uint32_t domid = INVALID_DOMID;

    uuid_to_text(libxl_uuid_bytearray_const(&config->c_info.uuid), job->uuid);
    int lock = xl_lock_take();
    int rc = restore != NULL ? restore_from(job, config, restore->fd, &domid)
                             : libxl_domain_create_new(job->xl->ctx, config, &domid, NULL, NULL);
    xl_lock_give(lock);
    if (domid != (uint32_t)INVALID_DOMID)
        job->domid = domid;
    if (restore != NULL && !restore->is_good(restore->data, rc == 0, error))
        return FALSE;
    if (rc != 0)
        return xl_fail(job->xl, rc, error, "the domain \"%s\" cannot be %s", config->c_info.name,
                       restore != NULL ? "restored" : "created");
    return record_write_domain(job->host, &job->own.record, job->domid, error);
}

gboolean life_build(Job *job, const Restore *restore, GError **error)
{
    libxl_domain_config config;
    gboolean good = FALSE;

    if (config_load(job->xl, job->text, &config, error)) {
        good = build(job, &config, restore, error);
        libxl_domain_config_dispose(&config);
    }
    if (!good) {
        create_undo(job);
        job->domid = HOST_DOMID_NONE;
    }
    return good;
}

static gboolean create_run(Job *job, GError **error)
{
    return life_build(job, NULL, error);
}

static void create_report(Job *job)
{
    job->callback.created(job->data, job->domid, job->error);
}

void life_create(Host *base, const char *json, const HostRecord *record, HostCreated done,
                 gpointer data)
{
    Job *job = job_new(base, create_run, create_report, data);
    job->callback.created = done;
    job->pool = job->host->builds;
    job->text = g_strdup(json);
    job_set_record(job, record);
    job_start(job);
}

/* -- what is done to a domain that is there -- */

static Job *domain_job(Host *base, guint32 domid, const char *uuid,
                       gboolean (*run)(Job *job, GError **error), HostDone done, gpointer data)
{
    Job *job = job_new(base, run, job_report_done, data);
    job->callback.done = done;
    job_set_domain(job, domid, uuid);
    return job;
}

/* What libxl does beyond the hypercall is for a device model, which a PV domain has none of; its
 * context would cost more than all the rest where guests that boot want the processors. */
static gboolean unpause_by_libxl(Job *job, GError **error)
{
    if (!job_take_xl(job, error))
        return FALSE;
    int rc = libxl_domain_unpause(job->xl->ctx, job->domid, NULL);
    return rc == 0 || xl_fail(job->xl, rc, error, "domain %u cannot be unpaused", job->domid);
}

static gboolean unpause_run(Job *job, GError **error)
{
    HostDomain domain;
    if (!domains_check(job->host, job->domid, job->uuid, &domain, error))
        return FALSE;
    if (!domain.paused)
        return TRUE;
    if (!domains_is_pv(job->host, job->domid))
        return unpause_by_libxl(job, error);
    if (xc_domain_unpause(job->host->xc, job->domid) == 0)
        return TRUE;
    g_set_error(error, DOMGRP_ERROR, DOMGRP_ERROR_HOST, "domain %u cannot be unpaused: %s",
                job->domid, g_strerror(errno));
    return FALSE;
}

void life_unpause(Host *base, guint32 domid, const char *uuid, HostDone done, gpointer data)
{
    Job *job = domain_job(base, domid, uuid, unpause_run, done, data);
    job->without_xl = TRUE;
    job_start(job);
}

static gboolean shutdown_run(Job *job, GError **error)
{
    HostDomain domain;
    gboolean off = job->how == HOST_SHUTDOWN_POWEROFF;
    const char *what = off ? "shut down" : "rebooted";

    if (!domains_check(job->host, job->domid, job->uuid, &domain, error))
        return FALSE;
    int rc = off ? libxl_domain_shutdown(job->xl->ctx, job->domid, NULL)
                 : libxl_domain_reboot(job->xl->ctx, job->domid, NULL);
    if (rc == ERROR_NOPARAVIRT && job->fallback)
        rc = libxl_send_trigger(job->xl->ctx, job->domid,
                                off ? LIBXL_TRIGGER_POWER : LIBXL_TRIGGER_RESET, 0, NULL);
    else if (rc == ERROR_NOPARAVIRT)
        return xl_fail(job->xl, rc, error,
                       "domain %u cannot be asked to be %s, it has no PV drivers; -F asks by ACPI",
                       job->domid, what);
    return rc == 0 || xl_fail(job->xl, rc, error, "domain %u cannot be %s", job->domid, what);
}

void life_shutdown(Host *base, guint32 domid, const char *uuid, HostShutdown how, gboolean fallback,
                   HostDone done, gpointer data)
{
    Job *job = domain_job(base, domid, uuid, shutdown_run, done, data);
    job->how = how;
    job->fallback = fallback;
    job_start(job);
}

/* -- resume -- */

/*
 * The guest is told that its suspending was cancelled, and goes on where it stands. One
 * that does not know this (its kernel has no ELF note SUSPEND_CANCEL) takes itself
 * for restored and loses its devices; libxl knows of no other way here either.
 */
static gboolean resume_run(Job *job, GError **error)
{
    HostDomain domain;

    if (!domains_check(job->host, job->domid, job->uuid, &domain, error))
        return FALSE;
    if (!domain.shutdown || domain.reason != HOST_REASON_SUSPEND)
        return TRUE;
    int rc = libxl_domain_resume(job->xl->ctx, job->domid, 1, NULL);
    return rc == 0 || xl_fail(job->xl, rc, error, "domain %u cannot be resumed", job->domid);
}

void life_resume(Host *base, guint32 domid, const char *uuid, HostDone done, gpointer data)
{
    Job *job = domain_job(base, domid, uuid, resume_run, done, data);
    if (!saving_break(job->host, domid, job))
        job_start(job);
}

/* -- destroy -- */

/* Waits for xenstored's word that domains went until ours has. */
static gboolean wait_gone(Job *job, GError **error)
{
    HostXen *host = job->host;
    gint64 deadline = g_get_monotonic_time() + GONE_TIMEOUT_US;
    HostDomain domain;
    gboolean there, in_time = TRUE;

    g_mutex_lock(&host->lock);
    while (
        (there = domains_find(host, job->domid, &domain) && strcmp(domain.uuid, job->uuid) == 0) &&
        in_time)
        in_time = g_cond_wait_until(&host->domain_gone, &host->lock, deadline);
    g_mutex_unlock(&host->lock);
    if (there)
        g_set_error(error, DOMGRP_ERROR, DOMGRP_ERROR_TIMEOUT,
                    "domain %u was destroyed but is not gone; a backend may hold its memory",
                    job->domid);
    return !there;
}

static gboolean destroy_run(Job *job, GError **error)
{
    HostDomain domain;
    if (!domains_check(job->host, job->domid, job->uuid, &domain, NULL))
        return TRUE;
    int rc = libxl_domain_destroy(job->xl->ctx, job->domid, NULL);
    if (rc != 0 && domains_check(job->host, job->domid, job->uuid, &domain, NULL))
        return xl_fail(job->xl, rc, error, "domain %u cannot be destroyed", job->domid);
    return wait_gone(job, error);
}

void life_destroy(Host *base, guint32 domid, const char *uuid, HostDone done, gpointer data)
{
    job_start(domain_job(base, domid, uuid, destroy_run, done, data));
}

/* -- what is kept of a dead domain -- */

/* libxl frees the name, and the UUID in xenstore only. */
static gboolean preserve_run(Job *job, GError **error)
{
    g_autoptr(GDateTime) now = g_date_time_new_now_utc();
    g_autofree char *suffix = g_date_time_format(now, "-%Y%m%dT%H%M%SZ");
    libxl_domain_config config;
    libxl_uuid uuid;
    HostDomain domain;

    if (!domains_check(job->host, job->domid, job->uuid, &domain, error))
        return FALSE;
    libxl_domain_config_init(&config);
    libxl_uuid_generate(&uuid);
    int rc = libxl_retrieve_domain_configuration(job->xl->ctx, job->domid, &config, NULL);
    if (rc == 0)
        rc = libxl_domain_preserve(job->xl->ctx, job->domid, &config.c_info, suffix, uuid);
    libxl_domain_config_dispose(&config);
    if (rc != 0)
        return xl_fail(job->xl, rc, error, "domain %u cannot be renamed to be kept", job->domid);
    if (xc_domain_sethandle(job->host->xc, job->domid, libxl_uuid_bytearray(&uuid)) == 0)
        return TRUE;
    g_set_error(error, DOMGRP_ERROR, DOMGRP_ERROR_HOST,
                "domain %u is kept, but its UUID cannot be changed: %s", job->domid,
                g_strerror(errno));
    return FALSE;
}

void life_preserve(Host *base, guint32 domid, const char *uuid, HostDone done, gpointer data)
{
    job_start(domain_job(base, domid, uuid, preserve_run, done, data));
}

static gboolean coredump_run(Job *job, GError **error)
{
    HostDomain domain;
    if (!domains_check(job->host, job->domid, job->uuid, &domain, error))
        return FALSE;
    char *name = libxl_domid_to_name(job->xl->ctx, job->domid);
    g_autofree char *plain = g_strdelimit(g_strdup(name != NULL ? name : job->uuid), "/", '_');
    g_autofree char *path = g_build_filename(DUMP_DIRECTORY, plain, NULL);
    free(name);
    g_mkdir_with_parents(DUMP_DIRECTORY, 0700);
    int rc = libxl_domain_core_dump(job->xl->ctx, job->domid, path, NULL);
    return rc == 0 || xl_fail(job->xl, rc, error, "the memory of domain %u cannot be dumped to %s",
                              job->domid, path);
}

void life_coredump(Host *base, guint32 domid, const char *uuid, HostDone done, gpointer data)
{
    job_start(domain_job(base, domid, uuid, coredump_run, done, data));
}

/* -- soft reset -- */

/* Whether libxl can do it; it would end a domain that it cannot reset. */
static gboolean soft_reset_check(Job *job, GError **error)
{
    HostDomain domain;
    if (!domains_check(job->host, job->domid, job->uuid, &domain, error))
        return FALSE;
    if (!domain.shutdown || domain.reason != HOST_REASON_SOFT_RESET)
        g_set_error(error, DOMGRP_ERROR, DOMGRP_ERROR_NOT_SUPPORTED,
                    "domain %u cannot be reset in place: its guest has not asked for it",
                    job->domid);
    else if (domains_is_pv(job->host, job->domid))
        g_set_error(error, DOMGRP_ERROR, DOMGRP_ERROR_NOT_SUPPORTED,
                    "domain %u cannot be reset in place: it is a PV domain; "
                    "on_soft_reset=\"restart\" works for these, too",
                    job->domid);
    else
        return TRUE;
    return FALSE;
}

static gboolean soft_reset_run(Job *job, GError **error)
{
    libxl_domain_config config;

    if (!soft_reset_check(job, error))
        return FALSE;
    libxl_domain_config_init(&config);
    int rc = libxl_domain_config_from_json(job->xl->ctx, &config, job->text);
    if (rc == 0)
        rc = libxl_domain_soft_reset(job->xl->ctx, &config, job->domid, NULL, NULL);
    libxl_domain_config_dispose(&config);
    return rc == 0 || xl_fail(job->xl, rc, error, "domain %u cannot be reset in place", job->domid);
}

static void soft_reset_report(Job *job)
{
    asked_forget(job->host, job->domid);
    job_report_done(job);
}

void life_soft_reset(Host *base, guint32 domid, const char *uuid, const char *json, HostDone done,
                     gpointer data)
{
    Job *job = domain_job(base, domid, uuid, soft_reset_run, done, data);
    job->report = soft_reset_report;
    job->text = g_strdup(json);
    job->pool = job->host->builds;
    job_start(job);
}
