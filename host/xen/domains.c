/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Domains and the host as the hypervisor lists them. It is asked by libxc,
 * whose list tells more than libxl's (who is dying) in one hypercall.
 */
#include "private.h"

#include <errno.h>
#include <string.h>

/* Domains per hypercall: a page of them, for which libxencall keeps a buffer; a larger one is
 * mapped and unmapped for each call. */
#define LIST_STEP ((int)(XC_PAGE_SIZE / sizeof(xc_domaininfo_t)))

void uuid_to_text(const xen_domain_handle_t uuid, char ret_text[DOMGRP_UUID_TEXT])
{
    static const char digits[] = "0123456789abcdef";
    char *c = ret_text;

    for (guint i = 0; i < 16; i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10)
            *c++ = '-';
        *c++ = digits[uuid[i] >> 4];
        *c++ = digits[uuid[i] & 15];
    }
    *c = '\0';
}

void uuid_from_text(const char *text, xen_domain_handle_t ret_uuid)
{
    memset(ret_uuid, 0, sizeof(xen_domain_handle_t));
    for (guint i = 0; i < 32 && *text != '\0'; text++) {
        if (*text == '-')
            continue;
        ret_uuid[i / 2] = (uint8_t)(ret_uuid[i / 2] << 4 | g_ascii_xdigit_value(*text));
        i++;
    }
}

/* -- one domain -- */

static HostReason reason_of(uint32_t flags)
{
    switch ((flags >> XEN_DOMINF_shutdownshift) & XEN_DOMINF_shutdownmask) {
    case SHUTDOWN_poweroff:
        return HOST_REASON_POWEROFF;
    case SHUTDOWN_reboot:
        return HOST_REASON_REBOOT;
    case SHUTDOWN_suspend:
        return HOST_REASON_SUSPEND;
    case SHUTDOWN_crash:
        return HOST_REASON_CRASH;
    case SHUTDOWN_watchdog:
        return HOST_REASON_WATCHDOG;
    case SHUTDOWN_soft_reset:
        return HOST_REASON_SOFT_RESET;
    default:
        return HOST_REASON_UNKNOWN;
    }
}

/* The group of @domid; one that went meanwhile is told with the Null-Group, as its last. */
static guint32 group_of(HostXen *host, guint32 domid)
{
    struct xen_domgrpctl_getdomain domain;
    if (host->groups == NULL || xendomgrp_getdomain(host->groups, (domid_t)domid, &domain) != 0)
        return DOMGRP_ID_NULL;
    return domain.id;
}

static HostDomain domain_of(HostXen *host, const xc_domaininfo_t *info)
{
    HostDomain domain = {
        .domid = info->domain,
        .group_id = group_of(host, info->domain),
        .paused = (info->flags & XEN_DOMINF_paused) != 0,
        .shutdown = (info->flags & XEN_DOMINF_shutdown) != 0,
        .dying = (info->flags & XEN_DOMINF_dying) != 0,
        .reason = reason_of(info->flags),
        .memory_kib = info->tot_pages * (XC_PAGE_SIZE / 1024),
        .cpu_time_us = info->cpu_time / 1000,
        .vcpus = info->nr_online_vcpus,
    };
    uuid_to_text(info->handle, domain.uuid);
    return domain;
}

/* -- the list -- */

gboolean domains_list(Host *base, GArray **ret_domains, GError **error)
{
    HostXen *host = host_xen(base);
    g_autofree xc_domaininfo_t *infos = g_new(xc_domaininfo_t, LIST_STEP);
    g_autoptr(GArray) domains = g_array_new(FALSE, FALSE, sizeof(HostDomain));
    guint32 first = 0;
    int n;

    do {
        n = xc_domain_getinfolist(host->xc, first, LIST_STEP, infos);
        if (n < 0) {
            g_set_error(error, DOMGRP_ERROR, DOMGRP_ERROR_HOST, "domains cannot be listed: %s",
                        g_strerror(errno));
            return FALSE;
        }
        for (int i = 0; i < n; i++) {
            HostDomain domain = domain_of(host, &infos[i]);
            asked_look(host, &domain);
            g_array_append_val(domains, domain);
            first = domain.domid + 1;
        }
    } while (n == LIST_STEP);
    asked_sweep(host);
    *ret_domains = g_steal_pointer(&domains);
    return TRUE;
}

gboolean domains_find(HostXen *host, guint32 domid, HostDomain *ret_domain)
{
    xc_domaininfo_t info;
    if (domid >= DOMID_FIRST_RESERVED || xc_domain_getinfolist(host->xc, domid, 1, &info) != 1 ||
        info.domain != domid)
        return FALSE;
    *ret_domain = domain_of(host, &info);
    return TRUE;
}

gboolean domains_is_pv(HostXen *host, guint32 domid)
{
    xc_domaininfo_t info;
    return xc_domain_getinfolist(host->xc, domid, 1, &info) == 1 && info.domain == domid &&
           !(info.flags & XEN_DOMINF_hvm_guest);
}

gboolean domains_check(HostXen *host, guint32 domid, const char *uuid, HostDomain *ret_domain,
                       GError **error)
{
    if (domains_find(host, domid, ret_domain) && strcmp(ret_domain->uuid, uuid) == 0)
        return TRUE;
    g_set_error(error, DOMGRP_ERROR, DOMGRP_ERROR_DOMAIN_UNKNOWN,
                "domain %u with the UUID %s is gone", domid, uuid);
    return FALSE;
}

/* -- names -- */

/* What xl takes @name for: a domid if it is a number, else a name. */
static gboolean name_to_domid(HostXen *host, const char *name, guint32 *ret_domid)
{
    guint64 number;
    uint32_t domid;

    if (name[strspn(name, "0123456789")] == '\0') {
        if (!g_ascii_string_to_unsigned(name, 10, 0, DOMID_FIRST_RESERVED - 1, &number, NULL))
            return FALSE;
        *ret_domid = (guint32)number;
        return TRUE;
    }
    if (libxl_name_to_domid(host->xl->ctx, name, &domid) != 0)
        return FALSE;
    *ret_domid = domid;
    return TRUE;
}

gboolean domains_lookup(Host *base, const char *name, guint32 *ret_domid,
                        char ret_uuid[DOMGRP_UUID_TEXT], GError **error)
{
    HostXen *host = host_xen(base);
    HostDomain domain;
    guint32 domid;

    if (!name_to_domid(host, name, &domid) || !domains_find(host, domid, &domain) || domain.dying) {
        g_set_error(error, DOMGRP_ERROR, DOMGRP_ERROR_DOMAIN_UNKNOWN,
                    "there is no domain \"%s\"; `xl list` shows those there are", name);
        return FALSE;
    }
    *ret_domid = domid;
    memcpy(ret_uuid, domain.uuid, DOMGRP_UUID_TEXT);
    return TRUE;
}

char *domains_name(Host *base, guint32 domid)
{
    char *name = libxl_domid_to_name(host_xen(base)->xl->ctx, domid);
    char *copy = g_strdup(name);
    free(name);
    return copy;
}

/* -- the host -- */

gboolean domains_facts(Host *base, HostFacts *ret_facts, GError **error)
{
    HostXen *host = host_xen(base);
    uint64_t free_kib;
    xc_physinfo_t physical = {0};

    xl_forget(host->xl);
    int rc = libxl_get_free_memory(host->xl->ctx, &free_kib);
    if (rc != 0)
        return xl_fail(host->xl, rc, error, "the free memory of the host cannot be read");
    if (xc_physinfo(host->xc, &physical) != 0) {
        g_set_error(error, DOMGRP_ERROR, DOMGRP_ERROR_HOST, "the host cannot be read: %s",
                    g_strerror(errno));
        return FALSE;
    }
    *ret_facts = host->facts;
    ret_facts->memory_total_kib = physical.total_pages * (XC_PAGE_SIZE / 1024);
    ret_facts->memory_free_kib = free_kib;
    return TRUE;
}
