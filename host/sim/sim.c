/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The functions of host.h on the simulated host. */
#include "private.h"

#include <string.h>

#define FAULTY(call)                                                                               \
    Sim *sim = sim_of(host);                                                                       \
    SimFault fault = sim_enter(sim, call);                                                         \
    const char *call_name = call;                                                                  \
    if (!sim_may(sim, fault, call, error))                                                         \
    return FALSE

#define LEAVE() return sim_leave(sim, fault, call_name, error)

gboolean sim_fail(GError **error, DomgrpErrorCode code, const char *format, ...)
{
    va_list list;
    va_start(list, format);
    if (error != NULL)
        *error = g_error_new_valist(DOMGRP_ERROR, (gint)code, format, list);
    va_end(list);
    return FALSE;
}

/* -- reality -- */

static gboolean sim_facts(Host *host, HostFacts *ret_facts, GError **error)
{
    FAULTY("facts");
    HostFacts facts = {
        .memory_total_kib = sim->memory_total_kib,
        .memory_free_kib = sim->memory_free_kib,
        .has_groups = sim->has_groups,
        .image_version = 1,
        .version = "sim",
    };
    g_snprintf(facts.boot_id, sizeof facts.boot_id, "b%07x-0000-4000-8000-%012x", sim->number,
               sim->boots);
    *ret_facts = facts;
    LEAVE();
}

static gboolean sim_domains(Host *host, GArray **ret_domains, GError **error)
{
    FAULTY("domains");
    if (!sim_leave(sim, fault, call_name, error))
        return FALSE;
    *ret_domains = g_array_new(FALSE, TRUE, sizeof(HostDomain));
    for (guint i = 0; i < sim->domains->len; i++) {
        const SimDomain *from = sim->domains->pdata[i];
        HostDomain domain = {
            .domid = from->domid,
            .group_id = sim->has_groups ? from->group_id : DOMGRP_ID_NULL,
            .paused = from->paused,
            .shutdown = from->shutdown,
            .asked = from->asked,
            .reason = from->reason,
            .memory_kib = from->config->memory_kib,
            .cpu_time_us = (guint64)sim->now,
            .vcpus = 1,
        };
        memcpy(domain.uuid, from->config->uuid, sizeof domain.uuid);
        g_array_append_val(*ret_domains, domain);
    }
    return TRUE;
}

static guint64 count_members(Sim *sim, guint32 id)
{
    guint64 members = 0;
    for (guint i = 0; i < sim->domains->len; i++)
        members += ((SimDomain *)sim->domains->pdata[i])->group_id == id;
    return members;
}

static gint compare_group_ids(gconstpointer a, gconstpointer b)
{
    const HostGroup *first = a;
    const HostGroup *second = b;
    return first->id < second->id ? -1 : first->id > second->id;
}

static gboolean require_groups(Sim *sim, GError **error)
{
    return sim->has_groups || sim_fail(error, DOMGRP_ERROR_NOT_SUPPORTED,
                                       "this hypervisor does not know groups: boot one that does");
}

static gboolean sim_groups(Host *host, GArray **ret_groups, GError **error)
{
    FAULTY("groups");
    if (!require_groups(sim, error) || !sim_leave(sim, fault, call_name, error))
        return FALSE;
    *ret_groups = g_array_new(FALSE, TRUE, sizeof(HostGroup));
    for (guint i = 0; i < sim->groups->len; i++) {
        const SimGroup *from = sim->groups->pdata[i];
        HostGroup group = {from->id, "", from->paused, count_members(sim, from->id)};
        memcpy(group.uuid, from->uuid, sizeof group.uuid);
        g_array_append_val(*ret_groups, group);
    }
    g_array_sort(*ret_groups, compare_group_ids);
    return TRUE;
}

/* -- group objects -- */

static SimGroup *add_group(Sim *sim, guint32 id, const char *uuid)
{
    SimGroup *group = g_new0(SimGroup, 1);
    group->id = id;
    g_strlcpy(group->uuid, uuid, sizeof group->uuid);
    g_ptr_array_add(sim->groups, group);
    return group;
}

static gboolean find_group(Sim *sim, guint32 id, SimGroup **ret_group, GError **error)
{
    if (!require_groups(sim, error))
        return FALSE;
    *ret_group = sim_group_by_id(sim, id);
    return *ret_group != NULL ||
           sim_fail(error, DOMGRP_ERROR_GROUP_UNKNOWN, "no group has id %u", id);
}

static gboolean sim_group_create(Host *host, const char *uuid, guint32 *id, GError **error)
{
    FAULTY("group_create");
    if (!require_groups(sim, error))
        return FALSE;
    for (guint i = 0; i < sim->groups->len; i++)
        if (strcmp(((SimGroup *)sim->groups->pdata[i])->uuid, uuid) == 0)
            return sim_fail(error, DOMGRP_ERROR_UUID_TAKEN, "group %s exists", uuid);
    if (*id != 0 && sim_group_by_id(sim, *id) != NULL)
        return sim_fail(error, DOMGRP_ERROR_HOST, "the group id %u is taken", *id);

    guint32 given = *id;
    while (given == 0) {
        sim->last_group = sim->last_group % (DOMGRP_ID_NULL - 1) + 1;
        given = sim_group_by_id(sim, sim->last_group) == NULL ? sim->last_group : 0;
    }
    add_group(sim, given, uuid);
    if (!sim_leave(sim, fault, call_name, error))
        return FALSE;
    *id = given;
    return TRUE;
}

static gboolean has_reservations(Sim *sim, guint32 id)
{
    GHashTableIter iter;
    gpointer value;
    g_hash_table_iter_init(&iter, sim->reservations);
    while (g_hash_table_iter_next(&iter, NULL, &value))
        if (GPOINTER_TO_UINT(value) == id)
            return TRUE;
    return FALSE;
}

static gboolean sim_group_destroy(Host *host, guint32 id, GError **error)
{
    FAULTY("group_destroy");
    SimGroup *group;
    if (!find_group(sim, id, &group, error))
        return FALSE;
    if (id == DOMGRP_ID_GROUP0 || id == DOMGRP_ID_NULL)
        return sim_fail(error, DOMGRP_ERROR_GROUP_DEFAULT, "group %u is a default group", id);
    if (count_members(sim, id) != 0)
        return sim_fail(error, DOMGRP_ERROR_GROUP_STATE, "group %u has members", id);
    if (has_reservations(sim, id))
        return sim_fail(error, DOMGRP_ERROR_GROUP_STATE, "group %u has reservations", id);
    g_ptr_array_remove(sim->groups, group);
    LEAVE();
}

gboolean sim_find_domain(Sim *sim, guint32 domid, const char *uuid, SimDomain **ret_domain,
                         GError **error)
{
    *ret_domain = sim_domain_by_id(sim, domid);
    if (*ret_domain != NULL && strcmp((*ret_domain)->config->uuid, uuid) == 0)
        return TRUE;
    return sim_fail(error, DOMGRP_ERROR_DOMAIN_UNKNOWN, "there is no domain %u with UUID %s", domid,
                    uuid);
}

static gboolean sim_group_join(Host *host, guint32 id, guint32 domid, const char *uuid,
                               GError **error)
{
    FAULTY("group_join");
    SimGroup *group;
    SimDomain *domain;
    if (!find_group(sim, id, &group, error) || !sim_find_domain(sim, domid, uuid, &domain, error))
        return FALSE;
    if (domid == 0)
        return sim_fail(error, DOMGRP_ERROR_GROUP_DEFAULT, "domain 0 never leaves Group-0");
    domain->group_id = id;
    sim->acting = TRUE;
    sim_domains_resume(sim);
    sim->acting = FALSE;
    LEAVE();
}

static gboolean sim_group_reserve(Host *host, guint32 id, const char *uuid, GError **error)
{
    FAULTY("group_reserve");
    SimGroup *group;
    gpointer other;
    if (!find_group(sim, id, &group, error))
        return FALSE;
    if (id == DOMGRP_ID_NULL)
        return sim_fail(error, DOMGRP_ERROR_GROUP_DEFAULT, "the Null-Group takes no reservations");
    if (g_hash_table_lookup_extended(sim->reservations, uuid, NULL, &other) &&
        GPOINTER_TO_UINT(other) != id)
        return sim_fail(error, DOMGRP_ERROR_MEMBER_ELSEWHERE, "%s is reserved for group %u", uuid,
                        GPOINTER_TO_UINT(other));
    g_hash_table_insert(sim->reservations, g_strdup(uuid), GUINT_TO_POINTER(id));
    LEAVE();
}

static gboolean sim_group_unreserve(Host *host, guint32 id, const char *uuid, GError **error)
{
    FAULTY("group_unreserve");
    SimGroup *group;
    gpointer other;
    if (!find_group(sim, id, &group, error))
        return FALSE;
    if (!g_hash_table_lookup_extended(sim->reservations, uuid, NULL, &other) ||
        GPOINTER_TO_UINT(other) != id)
        return sim_fail(error, DOMGRP_ERROR_DOMAIN_UNKNOWN, "%s is not reserved for group %u", uuid,
                        id);
    g_hash_table_remove(sim->reservations, uuid);
    LEAVE();
}

/* -- asynchronous calls: an effect when they end, then a callback -- */

static void call_free(gpointer data)
{
    SimCall *call = data;
    g_clear_error(&call->error);
    g_clear_pointer(&call->domids, g_array_unref);
    g_free(call->path);
    g_free(call->text);
    g_free(call->record);
    g_free(call->member);
    if (call->file != NULL)
        sim_file_free(call->file);
    if (call->stream != NULL)
        g_string_free(call->stream, TRUE);
    sim_pipe_close(&call->fd);
    host_config_free(call->config);
    g_free(call);
}

void sim_call_run(Sim *sim, gpointer data)
{
    SimCall *call = data;
    if (call->error == NULL && call->waits != NULL && call->waits(call)) {
        sim_again(sim, SIM_NEVER - sim->now);
        return;
    }
    g_autoptr(GError) error = g_steal_pointer(&call->error);
    sim->acting = TRUE;
    if (error == NULL && call->effect(sim, call, &error))
        sim_leave(sim, call->fault, call->name, &error);
    sim->acting = FALSE;
    sim_finish(sim, call);
    if (call->fault != SIM_HANG && !sim->dead)
        call->answer(call, error);
}

SimCall *sim_call_new(Host *host, const char *name, gint64 delay_us, SimEffect effect,
                      void (*answer)(SimCall *, const GError *), SimCallback done, gpointer data)
{
    Sim *sim = sim_of(host);
    SimCall *call = g_new0(SimCall, 1);
    call->sim = sim;
    call->name = name;
    call->fault = sim_begin(sim, name, call);
    call->effect = effect;
    call->answer = answer;
    call->done = done;
    call->data = data;
    call->domid = HOST_DOMID_NONE;
    call->fd = -1;
    if (call->fault == SIM_FAIL_BEFORE)
        sim_may(sim, call->fault, name, &call->error);
    if (sim->dead)
        call->error = g_error_new(DOMGRP_ERROR, DOMGRP_ERROR_HOST, "the process is dead");
    sim_schedule(sim, delay_us, sim_call_run, call, call_free, TRUE);
    return call;
}

void sim_answer_done(SimCall *call, const GError *error)
{
    ((HostDone)call->done)(call->data, error);
}

SimCall *sim_domain_call(Host *host, const char *name, gint64 delay_us, guint32 domid,
                         const char *uuid, SimEffect effect, HostDone done, gpointer data)
{
    SimCall *call =
        sim_call_new(host, name, delay_us, effect, sim_answer_done, (SimCallback)done, data);
    call->domid = domid;
    g_strlcpy(call->uuid, uuid, sizeof call->uuid);
    return call;
}

static GArray *copy_domids(guint n, const guint32 *domids)
{
    GArray *copy = g_array_new(FALSE, FALSE, sizeof(guint32));
    if (n > 0)
        g_array_append_vals(copy, domids, n);
    return copy;
}

/* -- pause -- */

static void pause_each(Sim *sim, const SimCall *call, gboolean paused)
{
    for (guint i = 0; i < call->domids->len; i++) {
        SimDomain *domain = sim_domain_by_id(sim, g_array_index(call->domids, guint32, i));
        if (domain != NULL)
            domain->paused = paused;
    }
}

static gboolean set_paused(Sim *sim, SimCall *call, gboolean paused, GError **error)
{
    SimGroup *group;
    if (!sim->has_groups) {
        pause_each(sim, call, paused);
    } else if (call->id == DOMGRP_ID_GROUP0 || call->id == DOMGRP_ID_NULL) {
        return sim_fail(error, DOMGRP_ERROR_GROUP_DEFAULT, "group %u is a default group", call->id);
    } else {
        if (!find_group(sim, call->id, &group, error))
            return FALSE;
        group->paused = paused;
    }
    sim_domains_resume(sim);
    return TRUE;
}

static gboolean effect_pause(Sim *sim, SimCall *call, GError **error)
{
    guint32 n = sim->has_groups ? (guint32)count_members(sim, call->id) : call->domids->len;
    call->pause = (HostPause){
        .atomic = sim->has_groups, .request_ns = n, .stopped_ns = 2 * n, .domains = n, .vcpus = n};
    return set_paused(sim, call, TRUE, error);
}

static gboolean effect_unpause(Sim *sim, SimCall *call, GError **error)
{
    return set_paused(sim, call, FALSE, error);
}

typedef void (*PauseDone)(gpointer data, const HostPause *pause, const GError *error);

static void answer_pause(SimCall *call, const GError *error)
{
    ((PauseDone)call->done)(call->data, error == NULL ? &call->pause : NULL, error);
}

static void sim_group_pause(Host *host, guint32 id, guint n_domids, const guint32 *domids,
                            PauseDone done, gpointer data)
{
    SimCall *call = sim_call_new(host, "group_pause", SIM_CALL_US, effect_pause, answer_pause,
                                 (SimCallback)done, data);
    call->id = id;
    call->domids = copy_domids(n_domids, domids);
}

static void sim_group_unpause(Host *host, guint32 id, guint n_domids, const guint32 *domids,
                              HostDone done, gpointer data)
{
    SimCall *call = sim_call_new(host, "group_unpause", SIM_CALL_US, effect_unpause,
                                 sim_answer_done, (SimCallback)done, data);
    call->id = id;
    call->domids = copy_domids(n_domids, domids);
}

/* -- configurations -- */

static void answer_config(SimCall *call, const GError *error)
{
    HostConfig *config = error == NULL ? g_steal_pointer(&call->config) : NULL;
    ((HostConfigured)call->done)(call->data, config, error);
}

static gboolean effect_read(Sim *sim, SimCall *call, GError **error)
{
    call->config = sim_config_parse(sim, call->path, call->text, error);
    return call->config != NULL;
}

static void sim_config_read(Host *host, const char *path, const char *text, const char *directory,
                            HostConfigured done, gpointer data)
{
    SimCall *call = sim_call_new(host, "config_read", SIM_CALL_US, effect_read, answer_config,
                                 (SimCallback)done, data);
    call->path = g_strdup(path);
    call->text = g_strdup(text);
}

static gboolean effect_retrieve(Sim *sim, SimCall *call, GError **error)
{
    const SimDomain *domain = sim_domain_by_id(sim, call->domid);
    if (domain == NULL)
        return sim_fail(error, DOMGRP_ERROR_DOMAIN_UNKNOWN, "there is no domain %u", call->domid);
    call->config = sim_config_parse(sim, "xenstore", domain->config->json, error);
    return call->config != NULL;
}

static void sim_config_retrieve(Host *host, guint32 domid, HostConfigured done, gpointer data)
{
    sim_call_new(host, "config_retrieve", SIM_CALL_US, effect_retrieve, answer_config,
                 (SimCallback)done, data)
        ->domid = domid;
}

static gboolean sim_parse(Host *host, const char *json, HostConfig **ret_config, GError **error)
{
    Sim *sim = sim_of(host);
    HostConfig *config = sim_config_parse(sim, "json", json, error);
    if (config == NULL)
        return FALSE;
    *ret_config = config;
    return TRUE;
}

static gboolean sim_domain_lookup(Host *host, const char *name, guint32 *ret_domid,
                                  char ret_uuid[DOMGRP_UUID_TEXT], GError **error)
{
    FAULTY("domain_lookup");
    guint64 domid;
    const SimDomain *domain = sim_domain_by_name(sim, name);
    if (domain == NULL && g_ascii_string_to_unsigned(name, 10, 0, G_MAXUINT32, &domid, NULL))
        domain = sim_domain_by_id(sim, (guint32)domid);
    if (domain == NULL)
        return sim_fail(error, DOMGRP_ERROR_DOMAIN_UNKNOWN, "there is no domain %s", name);
    if (!sim_leave(sim, fault, call_name, error))
        return FALSE;
    *ret_domid = domain->domid;
    memcpy(ret_uuid, domain->config->uuid, DOMGRP_UUID_TEXT);
    return TRUE;
}

static char *sim_domain_name(Host *host, guint32 domid)
{
    const SimDomain *domain = sim_domain_by_id(sim_of(host), domid);
    return domain != NULL ? g_strdup(domain->config->name) : NULL;
}

/* -- domains -- */

static gboolean effect_create(Sim *sim, SimCall *call, GError **error)
{
    SimDomain *domain = sim_domain_by_id(sim, call->domid);
    if (domain == NULL)
        return sim_fail(error, DOMGRP_ERROR_HOST, "domain %u went away while it was built",
                        call->domid);
    if (sim_domain_flag(domain, "build_fails")) {
        sim_domain_remove(sim, domain);
        return sim_fail(error, DOMGRP_ERROR_HOST, "libxl cannot build %s: its kernel is no kernel",
                        call->config->name);
    }
    memcpy(domain->record, call->uuid, sizeof domain->record);
    sim_domain_built(sim, domain);
    return TRUE;
}

void sim_answer_created(SimCall *call, const GError *error)
{
    ((HostCreated)call->done)(call->data, error == NULL ? call->domid : HOST_DOMID_NONE, error);
}

void sim_call_build(SimCall *call, const char *json)
{
    Sim *sim = call->sim;
    if (call->error != NULL)
        return;
    call->config = sim_config_parse(sim, "json", json, &call->error);
    if (call->config == NULL)
        return;
    if (sim_domain_by_name(sim, call->config->name) != NULL)
        sim_fail(&call->error, DOMGRP_ERROR_HOST, "a domain named %s exists", call->config->name);
    else if (call->config->memory_kib > sim->memory_free_kib)
        sim_fail(&call->error, DOMGRP_ERROR_MEMORY, "there is no memory left for %s",
                 call->config->name);
    else
        call->domid = sim_domain_new(sim, call->config)->domid;
}

static void sim_domain_create(Host *host, const char *json, const HostRecord *record,
                              HostCreated done, gpointer data)
{
    SimCall *call = sim_call_new(host, "domain_create", SIM_BUILD_US, effect_create,
                                 sim_answer_created, (SimCallback)done, data);
    memcpy(call->uuid, record->uuid, sizeof call->uuid);
    sim_call_build(call, json);
}

static gboolean effect_domain_unpause(Sim *sim, SimCall *call, GError **error)
{
    SimDomain *domain;
    if (!sim_find_domain(sim, call->domid, call->uuid, &domain, error))
        return FALSE;
    sim_domain_unpause(sim, domain);
    return TRUE;
}

static void sim_unpause(Host *host, guint32 domid, const char *uuid, HostDone done, gpointer data)
{
    sim_domain_call(host, "domain_unpause", SIM_CALL_US, domid, uuid, effect_domain_unpause, done,
                    data);
}

static gboolean effect_shutdown(Sim *sim, SimCall *call, GError **error)
{
    SimDomain *domain;
    if (!sim_find_domain(sim, call->domid, call->uuid, &domain, error))
        return FALSE;
    if (sim_domain_flag(domain, "no_pv") && !call->fallback)
        return sim_fail(error, DOMGRP_ERROR_HOST,
                        "%s has no PV drivers and can only be asked by ACPI: use -F",
                        domain->config->name);
    sim_domain_ask(sim, domain,
                   call->how == HOST_SHUTDOWN_REBOOT ? HOST_REASON_REBOOT : HOST_REASON_POWEROFF);
    return TRUE;
}

static void sim_shutdown(Host *host, guint32 domid, const char *uuid, HostShutdown how,
                         gboolean fallback, HostDone done, gpointer data)
{
    SimCall *call = sim_domain_call(host, "domain_shutdown", SIM_CALL_US, domid, uuid,
                                    effect_shutdown, done, data);
    call->how = how;
    call->fallback = fallback;
}

static gboolean effect_destroy(Sim *sim, SimCall *call, GError **error)
{
    SimDomain *domain;
    if (sim_find_domain(sim, call->domid, call->uuid, &domain, NULL))
        sim_domain_remove(sim, domain);
    return TRUE;
}

static void sim_destroy(Host *host, guint32 domid, const char *uuid, HostDone done, gpointer data)
{
    sim_domain_call(host, "domain_destroy", SIM_DESTROY_US, domid, uuid, effect_destroy, done,
                    data);
}

static gboolean effect_preserve(Sim *sim, SimCall *call, GError **error)
{
    SimDomain *domain;
    if (!sim_find_domain(sim, call->domid, call->uuid, &domain, error))
        return FALSE;
    g_autofree char *name = domain->config->name;
    domain->config->name = g_strdup_printf("%s-kept", name);
    g_snprintf(domain->config->uuid, sizeof domain->config->uuid, "%08x-0000-4000-9000-%012x",
               sim->number, ++sim->uuids);
    sim_changed(sim);
    return TRUE;
}

static void sim_preserve(Host *host, guint32 domid, const char *uuid, HostDone done, gpointer data)
{
    sim_domain_call(host, "domain_preserve", SIM_CALL_US, domid, uuid, effect_preserve, done, data);
}

static gboolean effect_coredump(Sim *sim, SimCall *call, GError **error)
{
    SimDomain *domain;
    return sim_find_domain(sim, call->domid, call->uuid, &domain, error);
}

static void sim_coredump(Host *host, guint32 domid, const char *uuid, HostDone done, gpointer data)
{
    sim_domain_call(host, "domain_coredump", SIM_CALL_US, domid, uuid, effect_coredump, done, data);
}

static gboolean effect_soft_reset(Sim *sim, SimCall *call, GError **error)
{
    SimDomain *domain;
    if (!sim_find_domain(sim, call->domid, call->uuid, &domain, error))
        return FALSE;
    if (!domain->shutdown || domain->reason != HOST_REASON_SOFT_RESET ||
        sim_domain_flag(domain, "no_soft_reset"))
        return sim_fail(error, DOMGRP_ERROR_NOT_SUPPORTED, "%s cannot be started again in place",
                        domain->config->name);
    call->config = sim_config_parse(sim, "json", call->text, error);
    if (call->config == NULL)
        return FALSE;
    sim_domain_reset(sim, domain, call->config);
    return TRUE;
}

static void sim_soft_reset(Host *host, guint32 domid, const char *uuid, const char *json,
                           HostDone done, gpointer data)
{
    SimCall *call = sim_domain_call(host, "domain_soft_reset", SIM_BUILD_US, domid, uuid,
                                    effect_soft_reset, done, data);
    call->text = g_strdup(json);
}

/* -- records -- */

static gboolean effect_publish(Sim *sim, SimCall *call, GError **error)
{
    g_hash_table_insert(sim->records, g_strdup(call->uuid), g_strdup(call->record));
    for (guint i = 0; i < call->domids->len; i++) {
        SimDomain *domain = sim_domain_by_id(sim, g_array_index(call->domids, guint32, i));
        if (domain != NULL)
            memcpy(domain->record, call->uuid, sizeof domain->record);
    }
    return TRUE;
}

static void sim_publish(Host *host, const HostRecord *record, guint n_domids, const guint32 *domids,
                        HostDone done, gpointer data)
{
    SimCall *call = sim_call_new(host, "record_publish", SIM_CALL_US, effect_publish,
                                 sim_answer_done, (SimCallback)done, data);
    GString *text = g_string_new(NULL);
    g_string_append_printf(text, "%s id=%u members:", record->name, record->id);
    for (guint i = 0; i < record->n_members; i++)
        g_string_append_printf(text, " %s", record->member_names[i]);
    call->record = g_string_free(text, FALSE);
    memcpy(call->uuid, record->uuid, sizeof call->uuid);
    call->domids = copy_domids(n_domids, domids);
}

static gboolean effect_unpublish(Sim *sim, SimCall *call, GError **error)
{
    g_hash_table_remove(sim->records, call->uuid);
    for (guint i = 0; i < call->domids->len; i++) {
        SimDomain *domain = sim_domain_by_id(sim, g_array_index(call->domids, guint32, i));
        if (domain != NULL && strcmp(domain->record, call->uuid) == 0)
            domain->record[0] = '\0';
    }
    return TRUE;
}

static void sim_unpublish(Host *host, const char *uuid, guint n_domids, const guint32 *domids,
                          HostDone done, gpointer data)
{
    SimCall *call = sim_call_new(host, "record_unpublish", SIM_CALL_US, effect_unpublish,
                                 sim_answer_done, (SimCallback)done, data);
    g_strlcpy(call->uuid, uuid, sizeof call->uuid);
    call->domids = copy_domids(n_domids, domids);
}

/* -- events and time -- */

static void sim_watch(Host *host, HostChanged changed, gpointer data)
{
    sim_of(host)->changed = changed;
    sim_of(host)->changed_data = data;
}

static gint64 sim_now(Host *host)
{
    return sim_of(host)->now;
}

typedef struct {
    guint handle;
    HostTimeout timeout;
    gpointer data;
} Timer;

static void run_timer(Sim *sim, gpointer data)
{
    const Timer *timer = data;
    g_hash_table_remove(sim->timers, GUINT_TO_POINTER(timer->handle));
    if (!sim->dead)
        timer->timeout(timer->data);
}

static guint sim_timer_add(Host *host, gint64 delay_us, HostTimeout timeout, gpointer data)
{
    Sim *sim = sim_of(host);
    Timer *timer = g_new(Timer, 1);
    *timer = (Timer){++sim->next_timer, timeout, data};
    g_hash_table_insert(sim->timers, GUINT_TO_POINTER(timer->handle),
                        sim_schedule(sim, delay_us, run_timer, timer, g_free, TRUE));
    return timer->handle;
}

static void sim_timer_cancel(Host *host, guint handle)
{
    Sim *sim = sim_of(host);
    SimEvent *event = g_hash_table_lookup(sim->timers, GUINT_TO_POINTER(handle));
    if (event == NULL)
        return;
    g_hash_table_remove(sim->timers, GUINT_TO_POINTER(handle));
    sim_unschedule(sim, event);
}

/* -- the host itself -- */

static void sim_free(Host *host)
{
    Sim *sim = sim_of(host);
    host_sim_forget(host); /* what is late */
    if (sim->peer != NULL)
        sim->peer->peer = NULL;
    g_hash_table_unref(sim->files);
    g_hash_table_unref(sim->unfinished);
    sim_disks_unref(sim->disks);
    g_ptr_array_unref(sim->images);
    g_hash_table_unref(sim->timers);
    g_hash_table_unref(sim->probes);
    g_ptr_array_unref(sim->events);
    g_ptr_array_unref(sim->domains);
    g_ptr_array_unref(sim->groups);
    g_hash_table_unref(sim->reservations);
    g_hash_table_unref(sim->records);
    g_hash_table_unref(sim->created);
    g_hash_table_unref(sim->absent);
    g_free(sim->fault_on);
    g_free(sim);
}

static const HostOps sim_ops = {
    .facts = sim_facts,
    .domains = sim_domains,
    .groups = sim_groups,
    .group_create = sim_group_create,
    .group_destroy = sim_group_destroy,
    .group_join = sim_group_join,
    .group_reserve = sim_group_reserve,
    .group_unreserve = sim_group_unreserve,
    .group_pause = sim_group_pause,
    .group_unpause = sim_group_unpause,
    .config_read = sim_config_read,
    .config_retrieve = sim_config_retrieve,
    .config_parse = sim_parse,
    .domain_lookup = sim_domain_lookup,
    .domain_name = sim_domain_name,
    .domain_create = sim_domain_create,
    .domain_unpause = sim_unpause,
    .domain_shutdown = sim_shutdown,
    .domain_destroy = sim_destroy,
    .domain_preserve = sim_preserve,
    .domain_coredump = sim_coredump,
    .domain_soft_reset = sim_soft_reset,
    .probe = sim_probe,
    .probe_cancel = sim_probe_cancel,
    SIM_IMAGE_OPS,
    .record_publish = sim_publish,
    .record_unpublish = sim_unpublish,
    .watch = sim_watch,
    .now = sim_now,
    .timer_add = sim_timer_add,
    .timer_cancel = sim_timer_cancel,
    .free = sim_free,
};

/* A host that has just booted. */
static void boot(Sim *sim)
{
    static const HostConfig dom0 = {.name = (char *)"Domain-0", .json = (char *)"name = Domain-0"};
    sim->boots++;
    sim->next_domid = 0;
    sim->last_group = 0;
    add_group(sim, DOMGRP_ID_GROUP0, "00000000-0000-0000-0000-000000000000");
    add_group(sim, DOMGRP_ID_NULL, "ffffffff-ffff-ffff-ffff-ffffffffffff");
    SimDomain *domain = sim_domain_new(sim, &dom0);
    g_strlcpy(domain->config->uuid, "00000000-0000-0000-0000-000000000000",
              sizeof domain->config->uuid);
    domain->group_id = DOMGRP_ID_GROUP0;
    domain->building = FALSE;
    domain->paused = FALSE;
}

Host *host_sim_new(void)
{
    Sim *sim = g_new0(Sim, 1);
    sim->host.ops = &sim_ops;
    sim->has_groups = TRUE;
    sim->memory_total_kib = 8 * 1024 * 1024;
    sim->memory_free_kib = 4 * 1024 * 1024;
    sim->events = g_ptr_array_new_with_free_func((GDestroyNotify)sim_event_free);
    sim->timers = g_hash_table_new(NULL, NULL);
    sim->probes = g_hash_table_new(NULL, NULL);
    sim->domains = g_ptr_array_new_with_free_func((GDestroyNotify)sim_domain_free);
    sim->groups = g_ptr_array_new_with_free_func(g_free);
    sim->reservations = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    sim->records = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    sim->created = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    sim->absent = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    sim_images_init(sim);
    boot(sim);
    return &sim->host;
}

void host_sim_set_groups(Host *host, gboolean has_groups)
{
    sim_of(host)->has_groups = has_groups;
}

void host_sim_drop_groups(Host *host)
{
    Sim *sim = sim_of(host);
    for (guint i = sim->groups->len; i > 0; i--) {
        const SimGroup *group = sim->groups->pdata[i - 1];
        if (group->id != DOMGRP_ID_GROUP0 && group->id != DOMGRP_ID_NULL)
            g_ptr_array_remove_index(sim->groups, i - 1);
    }
    for (guint i = 1; i < sim->domains->len; i++)
        ((SimDomain *)sim->domains->pdata[i])->group_id = DOMGRP_ID_NULL;
    g_hash_table_remove_all(sim->reservations);
    sim_domains_resume(sim);
}

void host_sim_set_memory(Host *host, guint64 free_kib)
{
    sim_of(host)->memory_free_kib = free_kib;
}

void host_sim_set_absent(Host *host, const char *path)
{
    g_hash_table_add(sim_of(host)->absent, g_strdup(path));
}

void host_sim_set_next_domid(Host *host, guint32 domid)
{
    sim_of(host)->next_domid = domid;
}

void host_sim_reboot(Host *host)
{
    Sim *sim = sim_of(host);
    sim_links_forget(sim, TRUE);
    host_sim_forget(host);
    g_ptr_array_set_size(sim->events, 0);
    while (sim->domains->len > 0)
        sim_domain_remove(sim, sim->domains->pdata[sim->domains->len - 1]);
    g_ptr_array_set_size(sim->groups, 0);
    g_hash_table_remove_all(sim->reservations);
    g_hash_table_remove_all(sim->records);
    boot(sim);
}

/* -- what is there -- */

static gint compare_lines(gconstpointer a, gconstpointer b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static const char *describe_state(Sim *sim, const SimDomain *domain)
{
    if (domain->building)
        return "half built";
    if (sim_domain_suspended(domain))
        return "suspended";
    if (domain->shutdown)
        return domain->reason == HOST_REASON_CRASH || domain->reason == HOST_REASON_WATCHDOG
                   ? "crashed"
                   : "ended";
    return sim_domain_paused(sim, domain) ? "paused" : "running";
}

static void describe_domains(Sim *sim, GPtrArray *lines)
{
    for (guint i = 0; i < sim->domains->len; i++) {
        const SimDomain *domain = sim->domains->pdata[i];
        if (domain->domid != 0)
            g_ptr_array_add(lines, g_strdup_printf("domain %s group=%u %s", domain->config->name,
                                                   domain->group_id, describe_state(sim, domain)));
    }
}

static void describe_table(GHashTable *table, const char *what, gboolean numbers, GPtrArray *lines)
{
    GHashTableIter iter;
    gpointer key;
    gpointer value;
    g_hash_table_iter_init(&iter, table);
    while (g_hash_table_iter_next(&iter, &key, &value))
        g_ptr_array_add(
            lines, numbers ? g_strdup_printf("%s %s %u", what, (char *)key, GPOINTER_TO_UINT(value))
                           : g_strdup_printf("%s %s %s", what, (char *)key, (char *)value));
}

char *host_sim_describe(Host *host)
{
    Sim *sim = sim_of(host);
    g_autoptr(GPtrArray) lines = g_ptr_array_new_with_free_func(g_free);
    describe_domains(sim, lines);
    for (guint i = 0; i < sim->groups->len; i++) {
        const SimGroup *group = sim->groups->pdata[i];
        if (group->id != DOMGRP_ID_GROUP0 && group->id != DOMGRP_ID_NULL)
            g_ptr_array_add(lines, g_strdup_printf("group %u %s%s", group->id, group->uuid,
                                                   group->paused ? " paused" : ""));
    }
    describe_table(sim->reservations, "reservation", TRUE, lines);
    describe_table(sim->records, "record", FALSE, lines);
    g_ptr_array_sort(lines, compare_lines);
    g_ptr_array_add(lines, NULL);
    return g_strjoinv("\n", (char **)lines->pdata);
}

const char *host_sim_domain_record(Host *host, const char *name)
{
    const SimDomain *domain = sim_domain_by_name(sim_of(host), name);
    return domain != NULL ? domain->record : NULL;
}

guint host_sim_created(Host *host, const char *name)
{
    return GPOINTER_TO_UINT(g_hash_table_lookup(sim_of(host)->created, name));
}

gboolean host_sim_domain_runs(Host *host, const char *name)
{
    const SimDomain *domain = sim_domain_by_name(sim_of(host), name);
    return domain != NULL && domain->began && !domain->shutdown;
}

gboolean host_sim_domain_ready(Host *host, const char *name)
{
    const SimDomain *domain = sim_domain_by_name(sim_of(host), name);
    return domain != NULL && domain->ready && !domain->shutdown;
}
