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

static SimEvent *next_event(Sim *sim)
{
    SimEvent *first = NULL;
    for (guint i = 0; i < sim->events->len; i++) {
        SimEvent *event = sim->events->pdata[i];
        if (first == NULL || event->at < first->at ||
            (event->at == first->at && event->serial < first->serial))
            first = event;
    }
    return first;
}

gboolean host_sim_run(Host *host, gint64 until_us)
{
    Sim *sim = sim_of(host);
    SimEvent *event;
    while (!sim->dead && (event = next_event(sim)) != NULL) {
        if (until_us >= 0 && event->at > until_us)
            break;
        sim->now = MAX(sim->now, event->at);
        guint index;
        g_ptr_array_find(sim->events, event, &index);
        g_ptr_array_steal_index_fast(sim->events, index);
        event->run(sim, event->data);
        sim_event_free(event);
    }
    if (until_us > sim->now && !sim->dead)
        sim->now = until_us;
    return !sim->dead;
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
}

guint host_sim_calls(Host *host)
{
    return sim_of(host)->calls;
}

const char *host_sim_fault_call(Host *host)
{
    return sim_of(host)->fault_call;
}

SimFault sim_enter(Sim *sim, const char *call)
{
    if (sim->dead || (sim->fault_on != NULL && strcmp(sim->fault_on, call) != 0))
        return SIM_NONE;
    sim->calls++;
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
    for (guint i = 0; i < sim->events->len;) {
        SimEvent *event = sim->events->pdata[i];
        if (event->process)
            g_ptr_array_remove_index(sim->events, i);
        else
            i++;
    }
    g_hash_table_remove_all(sim->timers);
    sim->changed = NULL;
    sim->changing = FALSE;
    sim->dead = FALSE;
}
