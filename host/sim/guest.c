/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Domains and what their guests do. */
#include "private.h"

#include <string.h>

#define GROUP "domain" /* the only one in a configuration's key file */

/* -- configurations -- */

static const struct {
    const char *name;
    HostAction action;
} actions[] = {
    {"destroy", HOST_ACTION_DESTROY},
    {"restart", HOST_ACTION_RESTART},
    {"rename-restart", HOST_ACTION_RENAME_RESTART},
    {"preserve", HOST_ACTION_PRESERVE},
    {"coredump-destroy", HOST_ACTION_COREDUMP_DESTROY},
    {"coredump-restart", HOST_ACTION_COREDUMP_RESTART},
    {"soft-reset", HOST_ACTION_SOFT_RESET},
};

static char *get_string(GKeyFile *keys, const char *key, const char *otherwise)
{
    char *value = g_key_file_get_string(keys, GROUP, key, NULL);
    if (value == NULL)
        return g_strdup(otherwise);
    size_t length = strlen(value);
    if (length >= 2 && value[0] == '"' && value[length - 1] == '"') {
        value[length - 1] = '\0';
        memmove(value, value + 1, length - 1);
    }
    return value;
}

static double get_number(GKeyFile *keys, const char *key, double otherwise)
{
    return g_key_file_has_key(keys, GROUP, key, NULL)
               ? g_key_file_get_double(keys, GROUP, key, NULL)
               : otherwise;
}

static gboolean get_action(GKeyFile *keys, const char *key, HostAction otherwise,
                           HostAction *ret_action)
{
    g_autofree char *value = get_string(keys, key, NULL);
    *ret_action = otherwise;
    if (value == NULL)
        return TRUE;
    for (guint i = 0; i < G_N_ELEMENTS(actions); i++)
        if (strcmp(value, actions[i].name) == 0) {
            *ret_action = actions[i].action;
            return TRUE;
        }
    return FALSE;
}

static GKeyFile *load_keys(const char *text, GError **error)
{
    g_autoptr(GKeyFile) keys = g_key_file_new();
    g_autofree char *data = g_strconcat("[" GROUP "]\n", text, NULL);
    if (!g_key_file_load_from_data(keys, data, (gsize)-1, G_KEY_FILE_NONE, error))
        return NULL;
    return g_steal_pointer(&keys);
}

static gboolean fill(HostConfig *config, GKeyFile *keys)
{
    config->memory_kib = (guint64)(get_number(keys, "memory", 64) * 1024);
    return get_action(keys, "on_poweroff", HOST_ACTION_DESTROY,
                      &config->on[HOST_REASON_POWEROFF]) &&
           get_action(keys, "on_reboot", HOST_ACTION_RESTART, &config->on[HOST_REASON_REBOOT]) &&
           get_action(keys, "on_crash", HOST_ACTION_DESTROY, &config->on[HOST_REASON_CRASH]) &&
           get_action(keys, "on_watchdog", HOST_ACTION_DESTROY,
                      &config->on[HOST_REASON_WATCHDOG]) &&
           get_action(keys, "on_soft_reset", HOST_ACTION_SOFT_RESET,
                      &config->on[HOST_REASON_SOFT_RESET]);
}

HostConfig *sim_config_parse(Sim *sim, const char *path, const char *text, GError **error)
{
    g_autoptr(GError) why = NULL;
    g_autoptr(HostConfig) config = g_new0(HostConfig, 1);
    g_autoptr(GKeyFile) keys = load_keys(text, &why);
    if (keys != NULL)
        config->name = get_string(keys, "name", NULL);
    if (config->name == NULL || !fill(config, keys)) {
        g_set_error(error, DOMGRP_ERROR, DOMGRP_ERROR_MEMBER_CONFIG, "%s: xl refuses it: %s", path,
                    why != NULL ? why->message : "a value is missing or wrong");
        return NULL;
    }

    g_autofree char *uuid = get_string(keys, "uuid", NULL);
    if (uuid == NULL) {
        uuid = g_strdup_printf("%08x-0000-4000-8000-%012x", sim->number, ++sim->uuids);
        g_key_file_set_string(keys, GROUP, "uuid", uuid);
    }
    if (!domgrp_uuid_parse(uuid, config->uuid, error))
        return NULL;
    g_autofree char *data = g_key_file_to_data(keys, NULL, NULL);
    config->json = g_strdup(data + strlen("[" GROUP "]\n"));
    g_autofree char *disk = get_string(keys, "disk", NULL);
    if (disk != NULL && g_hash_table_contains(sim->absent, disk))
        config->lacks = g_steal_pointer(&disk);
    return g_steal_pointer(&config);
}

/* -- domains -- */

SimGroup *sim_group_by_id(Sim *sim, guint32 id)
{
    for (guint i = 0; i < sim->groups->len; i++) {
        SimGroup *group = sim->groups->pdata[i];
        if (group->id == id)
            return group;
    }
    return NULL;
}

SimDomain *sim_domain_new(Sim *sim, const HostConfig *config)
{
    SimDomain *domain = g_new0(SimDomain, 1);
    gpointer id;
    domain->domid = sim->next_domid++;
    domain->config = host_config_copy(config);
    domain->keys = load_keys(config->json, NULL);
    domain->building = TRUE;
    domain->paused = TRUE;
    domain->halted = TRUE;
    domain->group_id = DOMGRP_ID_NULL;
    if (g_hash_table_lookup_extended(sim->reservations, config->uuid, NULL, &id))
        domain->group_id = GPOINTER_TO_UINT(id);
    sim->memory_free_kib -= config->memory_kib;
    g_ptr_array_add(sim->domains, domain);

    guint created = GPOINTER_TO_UINT(g_hash_table_lookup(sim->created, config->name));
    g_hash_table_insert(sim->created, g_strdup(config->name), GUINT_TO_POINTER(created + 1));
    sim_changed(sim);
    return domain;
}

void sim_domain_free(SimDomain *domain)
{
    host_config_free(domain->config);
    g_key_file_unref(domain->keys);
    g_free(domain);
}

void sim_domain_remove(Sim *sim, SimDomain *domain)
{
    guint32 domid = domain->domid;
    guint index;
    g_ptr_array_find(sim->domains, domain, &index);
    g_ptr_array_steal_index(sim->domains, index);
    sim->memory_free_kib += domain->config->memory_kib;
    sim_trace(sim, SIM_DESTROYED, domain);
    sim_domain_free(domain);
    sim_probes_wake(sim, domid);
    sim_changed(sim);
}

SimDomain *sim_domain_by_id(Sim *sim, guint32 domid)
{
    for (guint i = 0; i < sim->domains->len; i++) {
        SimDomain *domain = sim->domains->pdata[i];
        if (domain->domid == domid)
            return domain;
    }
    return NULL;
}

SimDomain *sim_domain_by_uuid(Sim *sim, const char *uuid)
{
    for (guint i = 0; i < sim->domains->len; i++) {
        SimDomain *domain = sim->domains->pdata[i];
        if (strcmp(domain->config->uuid, uuid) == 0)
            return domain;
    }
    return NULL;
}

SimDomain *sim_domain_by_name(Sim *sim, const char *name)
{
    for (guint i = 0; i < sim->domains->len; i++) {
        SimDomain *domain = sim->domains->pdata[i];
        if (g_strcmp0(domain->config->name, name) == 0)
            return domain;
    }
    return NULL;
}

gboolean sim_domain_flag(const SimDomain *domain, const char *key)
{
    return sim_domain_number(domain, key, 0) != 0;
}

double sim_domain_number(const SimDomain *domain, const char *key, double otherwise)
{
    return get_number(domain->keys, key, otherwise);
}

gboolean sim_domain_suspended(const SimDomain *domain)
{
    return domain->shutdown && domain->reason == HOST_REASON_SUSPEND;
}

gboolean sim_domain_paused(Sim *sim, const SimDomain *domain)
{
    const SimGroup *group = sim_group_by_id(sim, domain->group_id);
    return domain->paused || (group != NULL && group->paused);
}

/* -- guests -- */

/* What is to come of a guest. */
typedef struct {
    guint32 domid;
    guint life;
    HostReason reason;
} Coming;

static SimDomain *coming_domain(Sim *sim, const Coming *coming)
{
    SimDomain *domain = sim_domain_by_id(sim, coming->domid);
    return domain != NULL && domain->life == coming->life ? domain : NULL;
}

static void come_later(Sim *sim, const SimDomain *domain, SimRun run, HostReason reason,
                       double seconds)
{
    Coming *coming = g_new(Coming, 1);
    *coming = (Coming){domain->domid, domain->life, reason};
    sim_schedule(sim, (gint64)(seconds * G_USEC_PER_SEC), run, coming, g_free, FALSE);
}

static void run_ending(Sim *sim, gpointer data)
{
    const Coming *coming = data;
    SimDomain *domain = coming_domain(sim, coming);
    if (domain != NULL)
        sim_domain_end(sim, domain, coming->reason);
}

static void run_ready(Sim *sim, gpointer data)
{
    SimDomain *domain = coming_domain(sim, data);
    if (domain != NULL)
        sim_domain_become_ready(sim, domain);
}

static void end_later(Sim *sim, const SimDomain *domain, HostReason reason, double seconds)
{
    come_later(sim, domain, run_ending, reason, seconds);
}

void sim_domain_end(Sim *sim, SimDomain *domain, HostReason reason)
{
    gboolean suspended = sim_domain_suspended(domain);
    if (reason == HOST_REASON_SUSPEND)
        sim_domain_suspend(sim, domain);
    if (reason == HOST_REASON_SUSPEND || (domain->shutdown && !suspended))
        return;
    if (suspended || sim_domain_paused(sim, domain)) {
        domain->wants_end = TRUE;
        domain->wanted = reason;
        return;
    }
    domain->shutdown = TRUE;
    domain->reason = reason;
    sim_trace(sim, SIM_ENDED, domain);
    sim_probes_wake(sim, domain->domid);
    sim_changed(sim);
    if (domain->monitored)
        sim_monitor(sim, domain);
}

void sim_domain_become_ready(Sim *sim, SimDomain *domain)
{
    gboolean suspended = sim_domain_suspended(domain);
    if (!domain->began || (domain->shutdown && !suspended) || domain->ready)
        return;
    domain->wants_ready = suspended || sim_domain_paused(sim, domain);
    if (domain->wants_ready)
        return;
    domain->ready = TRUE;
    sim_trace(sim, SIM_READY, domain);
    sim_probes_wake(sim, domain->domid);
}

void sim_domain_ask(Sim *sim, SimDomain *domain, HostReason reason)
{
    domain->asked = TRUE;
    sim_trace(sim, SIM_ASKED, domain);
    if (!sim_domain_flag(domain, "ignores"))
        end_later(sim, domain, reason, sim_domain_number(domain, "shutdown_takes", 1));
}

/* What the guest will do of itself. */
static void guest_begin(Sim *sim, SimDomain *domain)
{
    g_autofree char *ends = get_string(domain->keys, "ends", "");
    g_autofree char *ready_after = get_string(domain->keys, "ready_after", "0");
    double seconds = g_ascii_strtod(ready_after, NULL);
    domain->began = TRUE;
    sim_trace(sim, SIM_RUNS, domain);
    sim_disks_move(sim, domain);
    if (seconds > 0)
        come_later(sim, domain, run_ready, HOST_REASON_UNKNOWN, seconds);
    else if (strcmp(ready_after, "never") != 0)
        sim_domain_become_ready(sim, domain);
    for (HostReason reason = 0; reason < HOST_REASON_UNKNOWN; reason++)
        if (strcmp(ends, host_reason_name(reason)) == 0)
            end_later(sim, domain, reason, sim_domain_number(domain, "ends_after", 1));
}

void sim_domain_built(Sim *sim, SimDomain *domain)
{
    domain->building = FALSE;
    sim_trace(sim, SIM_BUILT, domain);
    sim_changed(sim);
}

void sim_domain_reset(Sim *sim, SimDomain *domain, const HostConfig *config)
{
    host_config_free(domain->config);
    g_key_file_unref(domain->keys);
    domain->config = host_config_copy(config);
    domain->keys = load_keys(config->json, NULL);
    domain->life++;
    domain->paused = domain->halted = TRUE;
    domain->began = domain->ready = domain->asked = domain->shutdown = FALSE;
    domain->wants_end = domain->wants_ready = domain->wants_suspend = domain->restored = FALSE;
    domain->record[0] = '\0'; /* libxl makes its directory anew */
    sim_domain_built(sim, domain);
}

void sim_domain_unpause(Sim *sim, SimDomain *domain)
{
    domain->paused = FALSE;
    sim_domains_resume(sim);
}

/* What the guest has not done while it stood still. */
static void guest_go_on(Sim *sim, SimDomain *domain)
{
    if (domain->wants_ready)
        sim_domain_become_ready(sim, domain);
    if (domain->wants_end) {
        domain->wants_end = FALSE;
        end_later(sim, domain, domain->wanted, 0);
    } else if (domain->wants_suspend) {
        sim_domain_suspend(sim, domain);
    }
}

void sim_domain_suspend(Sim *sim, SimDomain *domain)
{
    if (!domain->began || domain->shutdown)
        return;
    domain->wants_suspend = sim_domain_paused(sim, domain);
    if (domain->wants_suspend)
        return;
    domain->shutdown = TRUE;
    domain->reason = HOST_REASON_SUSPEND;
    domain->saved_disks = sim_disks(sim, domain->config->uuid);
    domain->suspends = 0;
    domain->monitored = FALSE; /* xl's monitor takes this for the end of its work */
    sim_trace(sim, SIM_SUSPENDED, domain);
    sim_probes_wake(sim, domain->domid);
    sim_changed(sim);
}

static void run_suspending(Sim *sim, gpointer data)
{
    SimDomain *domain = coming_domain(sim, data);
    if (domain != NULL && domain->suspends > 0)
        sim_domain_suspend(sim, domain);
}

void sim_domain_suspend_later(Sim *sim, SimDomain *domain, double seconds)
{
    domain->suspends++;
    come_later(sim, domain, run_suspending, HOST_REASON_SUSPEND, seconds);
}

void sim_domain_unsuspend(SimDomain *domain)
{
    domain->wants_suspend = FALSE;
    domain->suspends = 0;
}

void sim_domain_wake(Sim *sim, SimDomain *domain)
{
    if (!sim_domain_suspended(domain))
        return;
    domain->shutdown = FALSE;
    sim_trace(sim, SIM_RESUMED, domain);
    domain->asked = FALSE;
    domain->woken = sim_domain_paused(sim, domain);
    if (!domain->woken) {
        sim_disks_move(sim, domain);
        guest_go_on(sim, domain);
    }
    sim_changed(sim);
}

static void domain_resume(Sim *sim, SimDomain *domain)
{
    gboolean halted = sim_domain_paused(sim, domain);
    if (halted == domain->halted)
        return;
    domain->halted = halted;
    if (domain->began && !domain->shutdown)
        sim_trace(sim, halted ? SIM_PAUSED : SIM_UNPAUSED, domain);
    if (!halted && !domain->began)
        guest_begin(sim, domain);
    if (!halted && domain->woken) {
        domain->woken = FALSE;
        sim_disks_move(sim, domain);
    }
    if (!halted)
        guest_go_on(sim, domain);
}

void sim_domains_resume(Sim *sim)
{
    for (guint i = 1; i < sim->domains->len; i++) /* but domain 0 */
        domain_resume(sim, sim->domains->pdata[i]);
}
