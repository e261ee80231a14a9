/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Looks at whether a guest is ready. A look by TCP or by a program ends at
 * once; one by xenstore waits, and is woken when something becomes of its guest.
 */
#include "private.h"

#include <string.h>

#define CALL "probe"

typedef struct {
    guint handle;
    SimFault fault;
    GError *error; /* known from the beginning */
    DomgrpProbeKind kind;
    char *path;
    guint32 domid;
    char uuid[DOMGRP_UUID_TEXT];
    gint64 deadline;
    gboolean waits; /* for its guest, not for its answer */
    HostDone done;
    gpointer data;
} Probe;

static void probe_free(gpointer data)
{
    Probe *probe = data;
    g_clear_error(&probe->error);
    g_free(probe->path);
    g_free(probe);
}

/* TRUE if it is known how it ends, with or without an error. */
static gboolean look(Sim *sim, const Probe *probe, GError **error)
{
    const SimDomain *domain = sim_domain_by_id(sim, probe->domid);
    gboolean waits = probe->kind == DOMGRP_PROBE_XENSTORE;

    if (domain == NULL || strcmp(domain->config->uuid, probe->uuid) != 0)
        g_set_error(error, DOMGRP_ERROR, DOMGRP_ERROR_DOMAIN_UNKNOWN,
                    "domain %u with the UUID %s is gone", probe->domid, probe->uuid);
    else if (!domain->began || domain->shutdown)
        g_set_error(error, DOMGRP_ERROR, DOMGRP_ERROR_HOST, "domain %u does not run", probe->domid);
    else if (!domain->ready && !waits)
        g_set_error(error, DOMGRP_ERROR, DOMGRP_ERROR_HOST,
                    probe->kind == DOMGRP_PROBE_TCP ? "connection refused"
                                                    : "exit status 1: not yet");
    else if (!domain->ready && sim->now >= probe->deadline)
        g_set_error(error, DOMGRP_ERROR, DOMGRP_ERROR_TIMEOUT, "%s is not there", probe->path);
    else
        return domain->ready;
    return TRUE;
}

static void run_probe(Sim *sim, gpointer data)
{
    Probe *probe = data;
    g_autoptr(GError) error = g_steal_pointer(&probe->error);
    if (error == NULL && !look(sim, probe, &error)) {
        probe->waits = TRUE;
        sim_again(sim, probe->deadline - sim->now);
        return;
    }
    g_hash_table_remove(sim->probes, GUINT_TO_POINTER(probe->handle));
    if (error == NULL)
        sim_leave(sim, probe->fault, CALL, &error);
    sim_finish(sim, probe);
    if (probe->fault != SIM_HANG && !sim->dead)
        probe->done(probe->data, error);
}

guint sim_probe(Host *host, const HostProbe *what, gint64 timeout_us, HostDone done, gpointer data)
{
    Sim *sim = sim_of(host);
    Probe *probe = g_new0(Probe, 1);
    probe->handle = ++sim->next_probe;
    probe->fault = sim_begin(sim, CALL, probe);
    probe->kind = what->probe->kind;
    probe->path = g_strdup(what->probe->path);
    probe->domid = what->domid;
    g_strlcpy(probe->uuid, what->uuid, sizeof probe->uuid);
    probe->deadline = sim->now + timeout_us;
    probe->done = done;
    probe->data = data;
    if (probe->fault != SIM_HANG)
        sim_may(sim, probe->fault, CALL, &probe->error);
    g_hash_table_insert(
        sim->probes, GUINT_TO_POINTER(probe->handle),
        sim_schedule(sim, MIN(SIM_CALL_US, timeout_us), run_probe, probe, probe_free, TRUE));
    return probe->handle;
}

void sim_probe_cancel(Host *host, guint handle)
{
    Sim *sim = sim_of(host);
    SimEvent *event = g_hash_table_lookup(sim->probes, GUINT_TO_POINTER(handle));
    if (event == NULL)
        return;
    g_hash_table_remove(sim->probes, GUINT_TO_POINTER(handle));
    sim_finish(sim, event->data);
    sim_unschedule(sim, event);
}

void sim_probes_wake(Sim *sim, guint32 domid)
{
    GHashTableIter iter;
    gpointer value;
    g_hash_table_iter_init(&iter, sim->probes);
    while (g_hash_table_iter_next(&iter, NULL, &value)) {
        SimEvent *event = value;
        const Probe *probe = event->data;
        if (probe->waits && probe->domid == domid)
            event->at = sim->now;
    }
}
