/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the files of the simulated host share:
 *
 *   time.c     virtual time, faults
 *   guest.c    domains, their guests and configurations
 *   xl.c       what others do on the host
 *   sim.c      the functions of host.h
 *   journal.c  a journal in memory
 */
#ifndef DOMGRP_HOST_SIM_PRIVATE_H
#define DOMGRP_HOST_SIM_PRIVATE_H

#include "sim.h"

#define SIM_BUILD_US (2 * G_USEC_PER_SEC)
#define SIM_DESTROY_US (G_USEC_PER_SEC / 10)
#define SIM_CALL_US (G_USEC_PER_SEC / 100)
#define SIM_MONITOR_US (G_USEC_PER_SEC / 20)

typedef struct Sim Sim;
typedef void (*SimRun)(Sim *sim, gpointer data);

typedef struct {
    gint64 at;
    guint64 serial; /* of two at one time the older comes first */
    SimRun run;
    gpointer data;
    GDestroyNotify free;
    gboolean process; /* it dies with the engine's process */
} SimEvent;

typedef struct {
    guint32 domid;
    HostConfig *config;
    GKeyFile *keys; /* of config->json */
    guint32 group_id;
    gboolean building;
    gboolean began;  /* the guest has begun to run */
    gboolean paused; /* by a toolstack */
    gboolean shutdown;
    HostReason reason;
    gboolean wants_end; /* the guest will end as soon as it is not paused */
    HostReason wanted;
    gboolean monitored;            /* xl looks after it */
    char record[DOMGRP_UUID_TEXT]; /* of the group that its directory names */
} SimDomain;

typedef struct {
    guint32 id;
    char uuid[DOMGRP_UUID_TEXT];
    gboolean paused;
} SimGroup;

struct Sim {
    Host host; /* first */
    gint64 now;
    guint64 serial;
    GPtrArray *events;  /* of SimEvent, unordered */
    GHashTable *timers; /* handle to SimEvent */
    guint next_timer;
    HostChanged changed;
    gpointer changed_data;
    gboolean changing; /* a call of changed is under way */

    gboolean has_groups;
    guint64 memory_total_kib;
    guint64 memory_free_kib;
    guint boots;
    guint uuids; /* invented so far */
    guint32 next_domid;
    guint32 last_group;
    GPtrArray *domains;       /* of SimDomain, by rising domid */
    GPtrArray *groups;        /* of SimGroup */
    GHashTable *reservations; /* domain UUID to group id */
    GHashTable *records;      /* group UUID to text */
    GHashTable *created;      /* name to number */

    guint calls;
    guint fault_at;
    SimFault fault;
    char *fault_on; /* only calls of this function count, or NULL */
    const char *fault_call;
    gboolean dead;
};

/* -- time and faults (time.c) -- */

SimEvent *sim_schedule(Sim *sim, gint64 delay_us, SimRun run, gpointer data, GDestroyNotify free,
                       gboolean process);
void sim_unschedule(Sim *sim, SimEvent *event);
void sim_event_free(SimEvent *event);
/* Counts a call and returns the fault that is on it. */
SimFault sim_enter(Sim *sim, const char *call);
/* FALSE with an error if the call must not do anything. */
gboolean sim_may(Sim *sim, SimFault fault, const char *call, GError **error);
/* What a call that has had its effect returns. */
gboolean sim_leave(Sim *sim, SimFault fault, const char *call, GError **error);
/* Domains have changed: tells who watches, soon. */
void sim_changed(Sim *sim);

/* -- domains (guest.c) -- */

HostConfig *sim_config_parse(Sim *sim, const char *path, const char *text, GError **error);
/* A domain, paused and half built. */
SimDomain *sim_domain_new(Sim *sim, const HostConfig *config);
void sim_domain_free(SimDomain *domain);
void sim_domain_remove(Sim *sim, SimDomain *domain);
SimDomain *sim_domain_by_id(Sim *sim, guint32 domid);
SimDomain *sim_domain_by_name(Sim *sim, const char *name);
gboolean sim_domain_paused(Sim *sim, const SimDomain *domain);
/* Something about pauses changed: guests that wait go on. */
void sim_domains_resume(Sim *sim);
void sim_domain_unpause(Sim *sim, SimDomain *domain);
/* The guest ends, or will when it is not paused. */
void sim_domain_end(Sim *sim, SimDomain *domain, HostReason reason);
/* Asks the guest to end. */
void sim_domain_ask(Sim *sim, SimDomain *domain, HostReason reason);
gboolean sim_domain_flag(const SimDomain *domain, const char *key);
SimGroup *sim_group_by_id(Sim *sim, guint32 id);
/* xl's monitor acts (xl.c). */
void sim_monitor(Sim *sim, SimDomain *domain);

static inline Sim *sim_of(Host *host)
{
    return (Sim *)host;
}

#endif
