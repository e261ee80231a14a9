/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Group objects of the hypervisor, and pausing with or without them. */
#include "private.h"

#include <errno.h>
#include <time.h>

/* -- errors -- */

static DomgrpErrorCode code_of(int result)
{
    switch (-result) {
    case ENOENT:
        return DOMGRP_ERROR_GROUP_UNKNOWN;
    case ESRCH:
        return DOMGRP_ERROR_DOMAIN_UNKNOWN;
    case EROFS:
        return DOMGRP_ERROR_GROUP_DEFAULT;
    case EEXIST:
        return DOMGRP_ERROR_UUID_TAKEN;
    case ENOTEMPTY:
    case EBUSY:
    case EDEADLK:
        return DOMGRP_ERROR_GROUP_STATE;
    case ENOSPC:
        return DOMGRP_ERROR_GROUP_LIMIT;
    case ENOMEM:
        return DOMGRP_ERROR_MEMORY;
    case EPERM:
    case EACCES:
        return DOMGRP_ERROR_PERMISSION;
    case ERANGE:
    case EINVAL:
        return DOMGRP_ERROR_VALUE;
    default:
        return DOMGRP_ERROR_HOST;
    }
}

/* What the hypervisor means by @result, in words; <xen/domgrpctl.h> defines it. */
static const char *reason_of(int result)
{
    switch (-result) {
    case ENOENT:
        return "the hypervisor has no such group";
    case ESRCH:
        return "there is no such domain, or it is being destroyed";
    case EROFS:
        return "a default group does not allow it";
    case EEXIST:
        return "the id or the UUID belongs to another group";
    case ENOTEMPTY:
        return "it has members; take them out first";
    case EBUSY:
        return "domains are reserved for it";
    case EDEADLK:
        return "the control domain cannot pause itself; take it out of the group";
    case ENOSPC:
        return "the hypervisor has no room for more";
    default:
        return g_strerror(-result);
    }
}

static gboolean fail(int result, GError **error, const char *format, ...) G_GNUC_PRINTF(3, 4);

/* TRUE if @result is success; else "what: why". */
static gboolean fail(int result, GError **error, const char *format, ...)
{
    if (result == 0)
        return TRUE;
    va_list args;
    va_start(args, format);
    g_autofree char *what = g_strdup_vprintf(format, args);
    va_end(args);
    g_set_error(error, DOMGRP_ERROR, (int)code_of(result), "%s: %s", what, reason_of(result));
    return FALSE;
}

static gboolean has_groups(const HostXen *host, GError **error)
{
    if (host->groups == NULL)
        g_set_error(error, DOMGRP_ERROR, DOMGRP_ERROR_NOT_SUPPORTED,
                    "this hypervisor knows no groups; boot the one that `make install` installed");
    return host->groups != NULL;
}

/* -- objects -- */

gboolean groups_list(Host *base, GArray **ret_groups, GError **error)
{
    HostXen *host = host_xen(base);
    struct xen_domgrpctl_getinfo info = {0};
    if (!has_groups(host, error))
        return FALSE;

    g_autoptr(GArray) groups = g_array_new(FALSE, FALSE, sizeof(HostGroup));
    for (guint id = 0; id <= XEN_DOMGRP_NULL; id = info.id + 1u) {
        if (!fail(xendomgrp_getinfo(host->groups, (uint16_t)id, &info), error,
                  "groups cannot be listed"))
            return FALSE;
        HostGroup group = {.id = info.id,
                           .paused = (info.flags & XEN_DOMGRP_PAUSED) != 0,
                           .members = info.members};
        uuid_to_text(info.uuid, group.uuid);
        g_array_append_val(groups, group);
    }
    *ret_groups = g_steal_pointer(&groups);
    return TRUE;
}

gboolean groups_create(Host *base, const char *uuid, guint32 *id, GError **error)
{
    HostXen *host = host_xen(base);
    xen_domain_handle_t handle;
    uint16_t wanted = *id != 0 && *id < XEN_DOMGRP_NULL ? (uint16_t)*id : XEN_DOMGRP_ANY;

    uuid_from_text(uuid, handle);
    if (!has_groups(host, error) ||
        !fail(xendomgrp_create(host->groups, handle, XEN_DOMGRP_POLICY_OPEN, &wanted), error,
              "the group %s cannot be made in the hypervisor", uuid))
        return FALSE;
    *id = wanted;
    return TRUE;
}

gboolean groups_destroy(Host *base, guint32 id, GError **error)
{
    HostXen *host = host_xen(base);
    return has_groups(host, error) && fail(xendomgrp_destroy(host->groups, (uint16_t)id), error,
                                           "group %u cannot be removed from the hypervisor", id);
}

gboolean groups_join(Host *base, guint32 id, guint32 domid, const char *uuid, GError **error)
{
    HostXen *host = host_xen(base);
    xen_domain_handle_t handle;

    uuid_from_text(uuid, handle);
    return has_groups(host, error) &&
           fail(xendomgrp_join(host->groups, (uint16_t)id, (domid_t)domid, handle), error,
                "domain %u cannot join group %u", domid, id);
}

gboolean groups_reserve(Host *base, guint32 id, const char *uuid, GError **error)
{
    HostXen *host = host_xen(base);
    xen_domain_handle_t handle;

    uuid_from_text(uuid, handle);
    return has_groups(host, error) &&
           fail(xendomgrp_reserve(host->groups, (uint16_t)id, handle, 0), error,
                "the domain %s cannot be reserved for group %u", uuid, id);
}

gboolean groups_unreserve(Host *base, guint32 id, const char *uuid, GError **error)
{
    HostXen *host = host_xen(base);
    xen_domain_handle_t handle;

    uuid_from_text(uuid, handle);
    return has_groups(host, error) &&
           fail(xendomgrp_unreserve(host->groups, (uint16_t)id, handle), error,
                "the domain %s cannot be released from group %u", uuid, id);
}

/* -- pause: one hypercall, or domain by domain -- */

static gboolean pause_group(Job *job, GError **error)
{
    struct xen_domgrpctl_pause pause;
    if (!fail(xendomgrp_pause(job->host->groups, (uint16_t)job->group_id, &pause), error,
              "group %u cannot be paused", job->group_id))
        return FALSE;
    job->pause = (HostPause){
        .atomic = pause.batches <= 1,
        .request_ns = pause.request_ns,
        .stopped_ns = pause.stopped_ns,
        .domains = pause.domains,
        .vcpus = pause.vcpus,
    };
    return TRUE;
}

static guint64 now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (guint64)now.tv_sec * G_GUINT64_CONSTANT(1000000000) + (guint64)now.tv_nsec;
}

static guint32 vcpus_of(HostXen *host, const GArray *domids)
{
    HostDomain domain;
    guint32 vcpus = 0;
    for (guint i = 0; i < domids->len; i++)
        if (domains_find(host, g_array_index(domids, guint32, i), &domain))
            vcpus += domain.vcpus;
    return vcpus;
}

static gboolean pause_each(Job *job, GError **error)
{
    xc_interface *xc = job->host->xc;
    guint64 began = now_ns(), asked = began;

    for (guint i = 0; i < job->domids->len; i++) {
        guint32 domid = g_array_index(job->domids, guint32, i);
        asked = now_ns();
        if (xc_domain_pause(xc, domid) == 0)
            continue;
        g_set_error(error, DOMGRP_ERROR, DOMGRP_ERROR_HOST, "domain %u cannot be paused: %s", domid,
                    g_strerror(errno));
        while (i-- > 0)
            xc_domain_unpause(xc, g_array_index(job->domids, guint32, i));
        return FALSE;
    }
    job->pause = (HostPause){
        .request_ns = asked - began,
        .stopped_ns = now_ns() - began,
        .domains = job->domids->len,
        .vcpus = vcpus_of(job->host, job->domids),
    };
    return TRUE;
}

static void pause_report(Job *job)
{
    job->callback.paused(job->data, job->error == NULL ? &job->pause : NULL, job->error);
}

void groups_pause(Host *base, guint32 id, guint n_domids, const guint32 *domids,
                  void (*done)(gpointer data, const HostPause *pause, const GError *error),
                  gpointer data)
{
    Job *job = job_new(base, host_xen(base)->groups != NULL ? pause_group : pause_each,
                       pause_report, data);
    job->callback.paused = done;
    job->without_xl = TRUE;
    job->group_id = id;
    job_set_domids(job, n_domids, domids);
    job_start(job);
}

static gboolean unpause_group(Job *job, GError **error)
{
    return fail(xendomgrp_unpause(job->host->groups, (uint16_t)job->group_id), error,
                "group %u cannot be unpaused", job->group_id);
}

/* Tries all, so that one that is gone does not keep the others standing. */
static gboolean unpause_each(Job *job, GError **error)
{
    gboolean good = TRUE;

    for (guint i = 0; i < job->domids->len; i++) {
        guint32 domid = g_array_index(job->domids, guint32, i);
        HostDomain domain;
        if (!domains_find(job->host, domid, &domain) || !domain.paused)
            continue;
        if (xc_domain_unpause(job->host->xc, domid) != 0 && good) {
            g_set_error(error, DOMGRP_ERROR, DOMGRP_ERROR_HOST, "domain %u cannot be unpaused: %s",
                        domid, g_strerror(errno));
            good = FALSE;
        }
    }
    return good;
}

void groups_unpause(Host *base, guint32 id, guint n_domids, const guint32 *domids, HostDone done,
                    gpointer data)
{
    Job *job = job_new(base, host_xen(base)->groups != NULL ? unpause_group : unpause_each,
                       job_report_done, data);
    job->callback.done = done;
    job->without_xl = TRUE;
    job->group_id = id;
    job_set_domids(job, n_domids, domids);
    job_start(job);
}
