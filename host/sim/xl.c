/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What others do on the host: xl, its monitor, guests of themselves. */
#include "private.h"

#include <string.h>

/* The domain as xl's build leaves it, paused; NULL if it cannot be built. */
static SimDomain *build(Sim *sim, const char *text)
{
    g_autoptr(HostConfig) config = sim_config_parse(sim, "xl.cfg", text, NULL);
    if (config == NULL || sim_domain_by_name(sim, config->name) != NULL)
        return NULL;
    SimDomain *domain = sim_domain_new(sim, config);
    domain->monitored = TRUE;
    sim_domain_built(sim, domain);
    return domain;
}

gboolean sim_xl_create(Host *host, const char *text, guint32 *ret_domid)
{
    Sim *sim = sim_of(host);
    SimDomain *domain = build(sim, text);
    if (domain == NULL)
        return FALSE;
    sim_domain_unpause(sim, domain);
    if (ret_domid != NULL)
        *ret_domid = domain->domid;
    return TRUE;
}

/* -- the monitor -- */

/* The last thing that xl does, of which nobody is told. */
static void run_unpause(Sim *sim, gpointer domid)
{
    SimDomain *domain = sim_domain_by_id(sim, GPOINTER_TO_UINT(domid));
    if (domain != NULL)
        sim_domain_unpause(sim, domain);
}

static void run_create(Sim *sim, gpointer text)
{
    const SimDomain *domain = build(sim, text);
    if (domain != NULL)
        sim_schedule(sim, SIM_BUILD_US, run_unpause, GUINT_TO_POINTER(domain->domid), NULL, FALSE);
}

static void monitor_act(Sim *sim, gpointer data)
{
    SimDomain *domain = sim_domain_by_id(sim, GPOINTER_TO_UINT(data));
    if (domain == NULL || !domain->shutdown)
        return;
    HostAction action = domain->reason < HOST_REASON_UNKNOWN ? domain->config->on[domain->reason]
                                                             : HOST_ACTION_DESTROY;
    if (action == HOST_ACTION_PRESERVE)
        return;
    if (action != HOST_ACTION_DESTROY && action != HOST_ACTION_COREDUMP_DESTROY)
        sim_schedule(sim, SIM_BUILD_US, run_create, g_strdup(domain->config->json), g_free, FALSE);
    sim_domain_remove(sim, domain);
}

void sim_monitor(Sim *sim, SimDomain *domain)
{
    sim_schedule(sim, SIM_MONITOR_US, monitor_act, GUINT_TO_POINTER(domain->domid), NULL, FALSE);
}

/* -- by hand -- */

gboolean sim_xl_destroy(Host *host, const char *name)
{
    SimDomain *domain = sim_domain_by_name(sim_of(host), name);
    if (domain == NULL)
        return FALSE;
    sim_domain_remove(sim_of(host), domain);
    return TRUE;
}

gboolean sim_xl_shutdown(Host *host, const char *name)
{
    SimDomain *domain = sim_domain_by_name(sim_of(host), name);
    if (domain == NULL)
        return FALSE;
    sim_domain_ask(sim_of(host), domain, HOST_REASON_POWEROFF);
    return TRUE;
}

gboolean sim_xl_reboot(Host *host, const char *name)
{
    SimDomain *domain = sim_domain_by_name(sim_of(host), name);
    if (domain == NULL)
        return FALSE;
    sim_domain_ask(sim_of(host), domain, HOST_REASON_REBOOT);
    return TRUE;
}

gboolean sim_xl_pause(Host *host, const char *name)
{
    SimDomain *domain = sim_domain_by_name(sim_of(host), name);
    if (domain == NULL)
        return FALSE;
    domain->paused = TRUE; /* nobody is told of this on a real host either */
    sim_domains_resume(sim_of(host));
    return TRUE;
}

gboolean sim_xl_unpause(Host *host, const char *name)
{
    SimDomain *domain = sim_domain_by_name(sim_of(host), name);
    if (domain == NULL || domain->building) /* which has nothing to run yet */
        return FALSE;
    sim_domain_unpause(sim_of(host), domain);
    return TRUE;
}

/* xl save has written the file, and ends the domain. */
static void run_saved(Sim *sim, gpointer domid)
{
    SimDomain *domain = sim_domain_by_id(sim, GPOINTER_TO_UINT(domid));
    if (domain != NULL && sim_domain_suspended(domain))
        sim_domain_remove(sim, domain);
    else if (domain != NULL)
        sim_domain_unsuspend(domain);
}

gboolean sim_xl_save(Host *host, const char *name)
{
    Sim *sim = sim_of(host);
    SimDomain *domain = sim_domain_by_name(sim, name);
    if (domain == NULL || !domain->began || domain->shutdown || domain->suspends > 0)
        return FALSE;
    domain->asked = domain->xl_saves = TRUE;
    sim_changed(sim);
    double takes = sim_domain_number(domain, "suspend_takes", 0.5);
    if (!sim_domain_flag(domain, "no_suspend"))
        sim_domain_suspend_later(sim, domain, takes);
    sim_schedule(sim, (gint64)((takes + 2) * G_USEC_PER_SEC), run_saved,
                 GUINT_TO_POINTER(domain->domid), NULL, FALSE);
    return TRUE;
}

gboolean sim_guest_ready(Host *host, const char *name)
{
    SimDomain *domain = sim_domain_by_name(sim_of(host), name);
    if (domain == NULL)
        return FALSE;
    sim_domain_become_ready(sim_of(host), domain);
    return TRUE;
}

gboolean sim_guest_end(Host *host, const char *name, HostReason reason)
{
    SimDomain *domain = sim_domain_by_name(sim_of(host), name);
    if (domain == NULL)
        return FALSE;
    sim_domain_end(sim_of(host), domain, reason);
    return TRUE;
}
