/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The host: opening what it is made of, and its table of functions. */
#include "private.h"

#include <errno.h>
#include <signal.h>
#include <string.h>

static void host_xen_free(Host *base)
{
    HostXen *host = host_xen(base);

    probes_clear(host);
    events_clear(host);
    images_cancel(host);
    jobs_clear(host);
    images_clear(host);
    asked_clear(host);
    helper_clear(host);
    xl_free(host->xl);
    if (host->xs != NULL)
        xs_close(host->xs);
    xendomgrp_close(host->groups);
    if (host->xc != NULL)
        xc_interface_close(host->xc);
    g_main_context_unref(host->context);
    g_free(host->spool);
    g_free(host);
}

static const HostOps ops = {
    .facts = domains_facts,
    .domains = domains_list,
    .groups = groups_list,
    .group_create = groups_create,
    .group_destroy = groups_destroy,
    .group_join = groups_join,
    .group_reserve = groups_reserve,
    .group_unreserve = groups_unreserve,
    .group_pause = groups_pause,
    .group_unpause = groups_unpause,
    .config_read = config_read,
    .config_retrieve = config_retrieve,
    .config_parse = config_parse,
    .domain_lookup = domains_lookup,
    .domain_name = domains_name,
    .domain_create = life_create,
    .domain_unpause = life_unpause,
    .domain_shutdown = life_shutdown,
    .domain_destroy = life_destroy,
    .domain_preserve = life_preserve,
    .domain_coredump = life_coredump,
    .domain_soft_reset = life_soft_reset,
    .probe = probe_start,
    .probe_cancel = probe_cancel,
    .image_create = image_create,
    .image_copy = image_copy,
    .image_suspend = image_suspend,
    .image_snapshot = image_snapshot,
    .image_save = image_save,
    .image_finish = image_finish,
    .domain_resume = life_resume,
    .image_open = image_open,
    .image_receive = image_receive,
    .image_restore = image_restore,
    .image_use = image_use,
    .image_progress = image_progress,
    .image_cancel = image_cancel,
    .image_close = image_close,
    .image_remove = image_remove,
    .config_map = config_map,
    .record_publish = record_publish,
    .record_unpublish = record_unpublish,
    .watch = events_watch,
    .now = events_now,
    .timer_add = events_timer_add,
    .timer_cancel = events_timer_cancel,
    .free = host_xen_free,
};

/* -- opening -- */

static gboolean open_fail(GError **error, int errnoval, const char *what)
{
    gboolean denied = errnoval == EACCES || errnoval == EPERM;
    g_set_error(error, DOMGRP_ERROR, denied ? DOMGRP_ERROR_PERMISSION : DOMGRP_ERROR_HOST,
                "%s: %s; run this as root in the control domain of Xen", what,
                g_strerror(errnoval));
    return FALSE;
}

static gboolean groups_open(HostXen *host, GError **error)
{
    int result = xendomgrp_open(&host->groups);
    if (result == 0 || result == -ENOSYS)
        return TRUE;
    if (result == -EACCES) {
        g_set_error(error, DOMGRP_ERROR, DOMGRP_ERROR_NOT_SUPPORTED,
                    "this hypervisor speaks another version of groups than %u; install the "
                    "hypervisor and domgrp of one version",
                    XEN_DOMGRPCTL_VERSION);
        return FALSE;
    }
    return open_fail(error, -result, "the hypervisor does not tell of groups");
}

/* What stays the same until the next boot. */
static gboolean facts_read(HostXen *host, GError **error)
{
    g_autofree char *boot_id = NULL;
    g_autoptr(GError) local = NULL;
    xen_extraversion_t extra = "";

    if (!g_file_get_contents("/proc/sys/kernel/random/boot_id", &boot_id, NULL, &local)) {
        g_set_error(error, DOMGRP_ERROR, DOMGRP_ERROR_HOST, "the boot cannot be identified: %s",
                    local->message);
        return FALSE;
    }
    if (!domgrp_uuid_parse(g_strstrip(boot_id), host->facts.boot_id, error))
        return FALSE;
    int version = xc_version(host->xc, XENVER_version, NULL);
    xc_version(host->xc, XENVER_extraversion, extra);
    g_snprintf(host->facts.version, sizeof(host->facts.version), "Xen %d.%d%s", version >> 16,
               version & 0xffff, extra);
    host->facts.has_groups = host->groups != NULL;
    host->facts.image_version = IMAGE_VERSION;
    return TRUE;
}

static gboolean host_open(HostXen *host, GError **error)
{
    helper_init(host);
    if (!jobs_init(host, error) || (host->xl = xl_new(error)) == NULL)
        return FALSE;
    host->xc = xc_interface_open(&xl_silent, &xl_silent, 0);
    if (host->xc == NULL)
        return open_fail(error, errno, "the hypervisor cannot be reached");
    host->xs = xs_open(0);
    if (host->xs == NULL)
        return open_fail(error, errno, "xenstore cannot be reached");
    return groups_open(host, error) && facts_read(host, error) && events_init(host, error);
}

Host *host_xen_new(GMainContext *context, GError **error)
{
    HostXen *host = g_new0(HostXen, 1);

    signal(SIGPIPE, SIG_IGN);
    host->host.ops = &ops;
    host->probes = g_hash_table_new(NULL, NULL);
    g_queue_init(&host->images);
    host->askeds = g_hash_table_new_full(NULL, NULL, NULL, g_free);
    host->context = g_main_context_ref(context != NULL ? context : g_main_context_default());
    if (host_open(host, error))
        return &host->host;
    host_xen_free(&host->host);
    return NULL;
}

void host_xen_set_spool(Host *base, const char *folder)
{
    HostXen *host = host_xen(base);
    g_free(host->spool);
    host->spool = g_strdup(folder);
}
