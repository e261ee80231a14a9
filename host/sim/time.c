/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Virtual time, and the faults that calls are given. */
#include "private.h"

#include <string.h>

void sim_event_free(SimEvent *event)
{
    if (event->free != NULL)
        event->free(event->data);
    g_free(event);
}

SimEvent *sim_schedule(Sim *sim, gint64 delay_us, SimRun run, gpointer data, GDestroyNotify free,
                       gboolean process)
{
    SimEvent *event = g_new0(SimEvent, 1);
    event->at = sim->now + MAX(delay_us, 0);
    event->serial = sim->serial++;
    event->run = run;
    event->data = data;
    event->free = free;
    event->process = process;
    g_ptr_array_add(sim->events, event);
    return event;
}

void sim_unschedule(Sim *sim, SimEvent *event)
{
    g_ptr_array_remove_fast(sim->events, event);
}

void sim_again(Sim *sim, gint64 delay_us)
{
    SimEvent *event = g_steal_pointer(&sim->current);
    event->at = sim->now + MAX(delay_us, 0);
    event->serial = sim->serial++;
    g_ptr_array_add(sim->events, event);
}

/* NULL if all wait for something else than time. */
static SimEvent *next_event(Sim *sim)
{
    SimEvent *first = NULL;
    for (guint i = 0; i < sim->events->len; i++) {
        SimEvent *event = sim->events->pdata[i];
        if (event->at != SIM_NEVER && (first == NULL || event->at < first->at ||
                                       (event->at == first->at && event->serial < first->serial)))
            first = event;
    }
    return first;
}

/* What has come through pipes. */
static void look(Sim *sim)
{
    sim_pipes_look(sim);
    if (sim->peer != NULL)
        sim_pipes_look(sim->peer);
}

/* The same of @sim and the host that it is joined with; *@ret_of is the one whose it is. */
static SimEvent *next_of_both(Sim *sim, Sim **ret_of)
{
    look(sim);
    SimEvent *first = next_event(sim);
    SimEvent *other = sim->peer != NULL ? next_event(sim->peer) : NULL;
    gboolean later = first != NULL && other != NULL &&
                     (other->at > first->at || (other->at == first->at && sim->number == 0));
    *ret_of = other == NULL || later ? sim : sim->peer;
    return other == NULL || later ? first : other;
}

static void set_now(Sim *sim, gint64 at)
{
    sim->now = MAX(sim->now, at);
    if (sim->peer != NULL)
        sim->peer->now = sim->now;
}

static void late_forget(Sim *sim)
{
    g_clear_pointer(&sim->late, g_ptr_array_unref);
    g_clear_pointer(&sim->late_into, g_ptr_array_unref);
    sim->late_follows = FALSE;
    sim->late_for = NULL;
}

static void late_write(Sim *sim)
{
    if (sim->late != NULL)
        g_ptr_array_extend_and_steal(sim->late_into, g_steal_pointer(&sim->late));
    late_forget(sim);
}

/* A call begins; the one before it, if that was synchronous and failed, has had no effect. */
static void late_follow(Sim *sim, gconstpointer async)
{
    if (sim->late == NULL || sim->dead)
        return;
    if (!sim->late_follows)
        sim->late_for = async;
    else if (sim->late_for == NULL)
        late_write(sim);
    sim->late_follows = sim->late != NULL;
}

void sim_late(Sim *sim, GPtrArray *entries, gpointer entry, GDestroyNotify free)
{
    late_write(sim);
    sim->late = g_ptr_array_new_with_free_func(free);
    g_ptr_array_add(sim->late, entry);
    sim->late_into = g_ptr_array_ref(entries);
}

void sim_finish(Sim *sim, gconstpointer async)
{
    if (sim->late != NULL && sim->late_follows && sim->late_for == async && !sim->dead)
        late_write(sim);
}

/* -- running -- */

static gboolean has_died(const Sim *sim)
{
    return sim->dead || (sim->peer != NULL && sim->peer->dead);
}

static void run_event(Sim *sim, SimEvent *event)
{
    guint index;
    g_ptr_array_find(sim->events, event, &index);
    g_ptr_array_steal_index_fast(sim->events, index);
    sim->current = event;
    event->run(sim, event->data);
    g_clear_pointer(&sim->current, sim_event_free);
}

static void late_write_both(Sim *sim)
{
    late_write(sim);
    if (sim->peer != NULL)
        late_write(sim->peer);
}

gboolean host_sim_run(Host *host, gint64 until_us)
{
    Sim *sim = sim_of(host);
    Sim *of;
    SimEvent *event = NULL;
    while (!has_died(sim) && (event = next_of_both(sim, &of)) != NULL) {
        if (until_us >= 0 && event->at > until_us)
            break;
        set_now(sim, event->at);
        run_event(of, event);
    }
    if (has_died(sim))
        return FALSE;
    if (event == NULL)
        late_write_both(sim);
    set_now(sim, until_us);
    return TRUE;
}

gboolean host_sim_died(Host *host)
{
    return sim_of(host)->dead;
}

gboolean host_sim_run_for(Host *host, gint64 us)
{
    return host_sim_run(host, sim_of(host)->now + us);
}

/* -- faults -- */

void host_sim_fault(Host *host, guint nth, SimFault fault)
{
    host_sim_fault_on(host, NULL, nth, fault);
}

void host_sim_fault_on(Host *host, const char *call, guint nth, SimFault fault)
{
    Sim *sim = sim_of(host);
    g_free(sim->fault_on);
    sim->fault_on = g_strdup(call);
    sim->calls = 0;
    sim->fault_at = nth;
    sim->fault = fault;
    sim->fault_call = NULL;
    host_sim_mutate(host, 0, SIM_NONE);
}

void host_sim_mutate(Host *host, guint nth, SimFault fault)
{
    Sim *sim = sim_of(host);
    sim->mutate_at = nth;
    sim->mutation = fault;
}

guint host_sim_calls(Host *host)
{
    return sim_of(host)->calls;
}

const char *host_sim_lost_write(Host *host)
{
    return sim_of(host)->lost_write;
}

const char *host_sim_fault_call(Host *host)
{
    return sim_of(host)->fault_call;
}

SimFault sim_enter(Sim *sim, const char *call)
{
    return sim_begin(sim, call, NULL);
}

/* It changes nothing: to change places with it changes nothing either. */
static gboolean only_reads(const char *call)
{
    static const char *const reads[] = {"facts",
                                        "domains",
                                        "groups",
                                        "domain_lookup",
                                        "journal_load",
                                        "journal_operations",
                                        "probe",
                                        "image_open",
                                        "image_copy",
                                        "image_receive",
                                        "journal_migrations",
                                        NULL};
    return g_strv_contains(reads, call);
}

SimFault sim_begin(Sim *sim, const char *call, gconstpointer async)
{
    if (!only_reads(call))
        late_follow(sim, async);
    if (sim->dead || (sim->fault_on != NULL && strcmp(sim->fault_on, call) != 0))
        return SIM_NONE;
    sim->calls++;
    if (sim->calls == sim->mutate_at)
        return sim->mutation;
    if (sim->calls != sim->fault_at || sim->fault == SIM_NONE)
        return SIM_NONE;
    sim->fault_call = call;
    return sim->fault;
}

static void set_fault_error(const char *call, GError **error)
{
    gboolean journal = g_str_has_prefix(call, "journal");
    g_set_error(error, DOMGRP_ERROR, journal ? DOMGRP_ERROR_STORE : DOMGRP_ERROR_HOST,
                "%s failed as it was told to", call);
}

gboolean sim_may(Sim *sim, SimFault fault, const char *call, GError **error)
{
    if (!sim->dead && fault != SIM_FAIL_BEFORE && fault != SIM_HANG)
        return TRUE;
    set_fault_error(call, error);
    return FALSE;
}

gboolean sim_leave(Sim *sim, SimFault fault, const char *call, GError **error)
{
    if (fault == SIM_DEATH)
        sim->dead = TRUE;
    sim_finish(sim, NULL);
    if (fault != SIM_DEATH && fault != SIM_FAIL_AFTER)
        return TRUE;
    set_fault_error(call, error);
    return FALSE;
}

static void run_changed(Sim *sim, gpointer data)
{
    sim->changing = FALSE;
    if (sim->changed != NULL)
        sim->changed(sim->changed_data);
}

void sim_changed(Sim *sim)
{
    if (sim->changing || sim->changed == NULL)
        return;
    sim->changing = TRUE;
    sim_schedule(sim, 0, run_changed, NULL, NULL, TRUE);
}

void host_sim_forget(Host *host)
{
    Sim *sim = sim_of(host);
    sim_links_forget(sim, FALSE);
    for (guint i = 0; i < sim->events->len;) {
        SimEvent *event = sim->events->pdata[i];
        if (event->process)
            g_ptr_array_remove_index(sim->events, i);
        else
            i++;
    }
    g_hash_table_remove_all(sim->timers);
    g_hash_table_remove_all(sim->probes);
    late_forget(sim);
    sim_images_forget(sim);
    sim->changed = NULL;
    sim->changing = FALSE;
    sim->dead = FALSE;
}

/* -- the trace -- */

void host_sim_trace(Host *host, SimTrace trace, gpointer data)
{
    sim_of(host)->trace = trace;
    sim_of(host)->trace_data = data;
}

/* @domain runs, and so does another of its UUID. */
static gboolean runs_elsewhere(Sim *sim, const SimDomain *domain)
{
    const SimDomain *other =
        sim->peer != NULL ? sim_domain_by_uuid(sim->peer, domain->config->uuid) : NULL;
    return !sim_domain_paused(sim, domain) && other != NULL && other->began && !other->shutdown &&
           !sim_domain_paused(sim->peer, other);
}

void sim_trace(Sim *sim, SimWhat what, const SimDomain *domain)
{
    SimMoment moment = {.what = what,
                        .name = domain->config->name,
                        .domid = domain->domid,
                        .at_us = sim->now,
                        .by_daemon = sim->acting && what != SIM_READY && what != SIM_ENDED &&
                                     what != SIM_SUSPENDED};
    const char *uuid = domain->config->uuid;
    gboolean from_image = what == SIM_RUNS && domain->restored;
    if (what == SIM_DESTROYED)
        moment.lost = sim_domain_fits(sim, domain) && !sim_memory_is_safe(sim, uuid);
    moment.asked = what == SIM_RESUMED && domain->xl_saves;
    moment.old = (from_image || what == SIM_RESUMED || (what == SIM_UNPAUSED && domain->woken)) &&
                 domain->saved_disks != sim_disks(sim, uuid);
    moment.unmarked = from_image && !sim_image_is_used(sim, domain);
    moment.twice = (what == SIM_RUNS || what == SIM_UNPAUSED || what == SIM_RESUMED) &&
                   runs_elsewhere(sim, domain);
    if (sim->trace != NULL && domain->domid != 0)
        sim->trace(sim->trace_data, &moment);
}

const char *host_sim_what_name(SimWhat what)
{
    static const char *const names[] = {
        [SIM_BUILT] = "built",     [SIM_RUNS] = "runs",         [SIM_READY] = "ready",
        [SIM_ASKED] = "asked",     [SIM_ENDED] = "ended",       [SIM_DESTROYED] = "destroyed",
        [SIM_PAUSED] = "paused",   [SIM_UNPAUSED] = "unpaused", [SIM_SUSPENDED] = "suspended",
        [SIM_RESUMED] = "resumed", [SIM_REMOVED] = "removed",
    };
    return names[what];
}
