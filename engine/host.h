/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The seam between the engine and a host: everything that the engine knows
 * of Xen, as one struct of functions. host/xen is a real host, host/sim one
 * in memory with virtual time and a fault to inject at every call.
 *
 * Threads: the engine and its host live on one thread (the main context's).
 * Every function is called there and every callback comes there.
 *
 *  - Synchronous functions take microseconds (a hypercall); they return
 *    TRUE, or FALSE with a DOMGRP_ERROR, and have changed nothing then.
 *  - Asynchronous functions take a callback, never call it before they
 *    return, and call it exactly once. A failed one has changed nothing
 *    that it could undo; what remains shows in domains().
 *
 * A host invents nothing: reality is what domains() and groups() say, and
 * whoever remembers anything else is wrong.
 */
#ifndef DOMGRP_ENGINE_HOST_H
#define DOMGRP_ENGINE_HOST_H

#include "domgrp-error.h"
#include "domgrp-name.h"
#include "domgrp-settings.h"

G_BEGIN_DECLS

typedef struct Host Host;

#define HOST_DOMID_NONE G_MAXUINT32

/* Room for memory sizes is in KiB, times are in microseconds, all monotonic. */
typedef struct {
    char boot_id[DOMGRP_UUID_TEXT]; /* differs after each boot of the host */
    guint64 memory_total_kib;
    guint64 memory_free_kib; /* free for new domains */
    gboolean has_groups;     /* the hypervisor knows groups */
    char version[64];        /* the hypervisor's, for people */
} HostFacts;

/* Why a domain that is shut down is so, from Xen's sched.h. */
typedef enum {
    HOST_REASON_POWEROFF,
    HOST_REASON_REBOOT,
    HOST_REASON_SUSPEND,
    HOST_REASON_CRASH,
    HOST_REASON_WATCHDOG,
    HOST_REASON_SOFT_RESET,
    HOST_REASON_UNKNOWN,
} HostReason;

/* A domain as the hypervisor lists it. */
typedef struct {
    guint32 domid;
    char uuid[DOMGRP_UUID_TEXT];
    guint32 group_id; /* DOMGRP_ID_NULL on a hypervisor without groups */
    gboolean paused;  /* by a toolstack (xl pause) */
    gboolean shutdown;
    gboolean dying;
    gboolean asked;    /* a toolstack has asked its guest to end (xl shutdown, xl reboot) */
    HostReason reason; /* if shutdown */
    guint64 memory_kib;
    guint64 cpu_time_us;
    guint32 vcpus;
} HostDomain;

/* A group as the hypervisor lists it. */
typedef struct {
    guint32 id;
    char uuid[DOMGRP_UUID_TEXT];
    gboolean paused;
    guint64 members;
} HostGroup;

/* What a group pause took, as the hypervisor measured it, in nanoseconds. */
typedef struct {
    gboolean atomic;    /* one hypercall; FALSE: domain by domain */
    guint64 request_ns; /* from the first to the last request to stop */
    guint64 stopped_ns; /* from the first request until all stood still */
    guint32 domains;
    guint32 vcpus;
} HostPause;

/* What xl's monitor would do when a domain ends (xl.cfg(5), on_poweroff...). */
typedef enum {
    HOST_ACTION_DESTROY,
    HOST_ACTION_RESTART,
    HOST_ACTION_RENAME_RESTART,
    HOST_ACTION_PRESERVE,
    HOST_ACTION_COREDUMP_DESTROY,
    HOST_ACTION_COREDUMP_RESTART,
    HOST_ACTION_SOFT_RESET,
} HostAction;

/*
 * A member's configuration: libxl's JSON, complete (UUID and MAC addresses
 * filled in), with the facts that the engine needs read out of it.
 */
typedef struct {
    char *name;
    char uuid[DOMGRP_UUID_TEXT];
    char *json;
    guint64 memory_kib;                 /* what the domain takes from free memory, all told */
    HostAction on[HOST_REASON_UNKNOWN]; /* by HostReason; SUSPEND is unused */
} HostConfig;

void host_config_free(HostConfig *config);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(HostConfig, host_config_free)

/* A group as members and administrators see it in xenstore. */
typedef struct {
    char uuid[DOMGRP_UUID_TEXT];
    guint32 id;
    const char *name;
    guint n_members;
    const char *const *member_names; /* in the order of the group file */
    const char *const *member_uuids;
} HostRecord;

typedef enum { HOST_SHUTDOWN_POWEROFF, HOST_SHUTDOWN_REBOOT } HostShutdown;

/* One look at whether a member is ready. */
typedef struct {
    const DomgrpProbe *probe; /* TCP, XENSTORE or EXEC; copied */
    guint32 domid;
    const char *uuid;
    const char *member; /* names, for a program */
    const char *group;
} HostProbe;

/* @error is NULL on success and belongs to the caller of the callback. */
typedef void (*HostDone)(gpointer data, const GError *error);
/* @domid is HOST_DOMID_NONE on failure. */
typedef void (*HostCreated)(gpointer data, guint32 domid, const GError *error);
/* @config is the callee's to free, NULL on failure. */
typedef void (*HostConfigured)(gpointer data, HostConfig *config, const GError *error);
typedef void (*HostTimeout)(gpointer data);
/* Something about domains may have changed: ask domains(). */
typedef void (*HostChanged)(gpointer data);

typedef struct {
    /* -- reality, synchronous -- */
    gboolean (*facts)(Host *host, HostFacts *ret_facts, GError **error);
    /* All domains by rising domid; an array of HostDomain. */
    gboolean (*domains)(Host *host, GArray **ret_domains, GError **error);
    /* All groups by rising id, default groups too; an array of HostGroup. */
    gboolean (*groups)(Host *host, GArray **ret_groups, GError **error);

    /* -- group objects, synchronous; NOT_SUPPORTED without has_groups -- */
    /* *@id: wanted, or 0 for any; the one given is written back. */
    gboolean (*group_create)(Host *host, const char *uuid, guint32 *id, GError **error);
    gboolean (*group_destroy)(Host *host, guint32 id, GError **error);
    gboolean (*group_join)(Host *host, guint32 id, guint32 domid, const char *uuid, GError **error);
    /* A domain with @uuid shall be born in group @id. Reserving twice in one group is no error. */
    gboolean (*group_reserve)(Host *host, guint32 id, const char *uuid, GError **error);
    gboolean (*group_unreserve)(Host *host, guint32 id, const char *uuid, GError **error);

    /*
     * -- pause; a group of a hypervisor without groups is paused domain by
     * domain (domids and uuids as domains() gave them), and says so --
     */
    void (*group_pause)(Host *host, guint32 id, guint n_domids, const guint32 *domids,
                        void (*done)(gpointer data, const HostPause *pause, const GError *error),
                        gpointer data);
    void (*group_unpause)(Host *host, guint32 id, guint n_domids, const guint32 *domids,
                          HostDone done, gpointer data);

    /* -- configurations, asynchronous -- */
    /* Reads @text, an xl.cfg whose file was @path; relative paths in it are taken from @directory.
     */
    void (*config_read)(Host *host, const char *path, const char *text, const char *directory,
                        HostConfigured done, gpointer data);
    /* The configuration of a running domain, whoever created it. */
    void (*config_retrieve)(Host *host, guint32 domid, HostConfigured done, gpointer data);
    /* The facts of a stored @json, synchronous; free the result with host_config_free(). */
    gboolean (*config_parse)(Host *host, const char *json, HostConfig **ret_config, GError **error);
    /* The domain of @name (xl's name) or domid text; DOMAIN_UNKNOWN if there is none. */
    gboolean (*domain_lookup)(Host *host, const char *name, guint32 *ret_domid,
                              char ret_uuid[DOMGRP_UUID_TEXT], GError **error);
    /* xl's name of @domid, or NULL; free with g_free(). */
    char *(*domain_name)(Host *host, guint32 domid);

    /* -- domains, asynchronous; @uuid guards against a reused domid -- */
    /* Builds the domain, paused, with its devices and with @record in its xenstore directory. */
    void (*domain_create)(Host *host, const char *json, const HostRecord *record, HostCreated done,
                          gpointer data);
    void (*domain_unpause)(Host *host, guint32 domid, const char *uuid, HostDone done,
                           gpointer data);
    /* Asks the guest; it is done when it was asked. @fallback: by ACPI if it has no PV drivers. */
    void (*domain_shutdown)(Host *host, guint32 domid, const char *uuid, HostShutdown how,
                            gboolean fallback, HostDone done, gpointer data);
    /* Done when the domain is gone. No error if it already is. */
    void (*domain_destroy)(Host *host, guint32 domid, const char *uuid, HostDone done,
                           gpointer data);
    /* Frees the name and UUID of a dead domain that is kept (on_crash = preserve, rename-restart).
     */
    void (*domain_preserve)(Host *host, guint32 domid, const char *uuid, HostDone done,
                            gpointer data);
    /* Dumps a dead domain's memory to the host's place for core dumps. */
    void (*domain_coredump)(Host *host, guint32 domid, const char *uuid, HostDone done,
                            gpointer data);

    /*
     * Starts a domain whose guest asked for a soft reset again in place, paused, with @json;
     * its domid stays. NOT_SUPPORTED if it cannot be done; the domain is as it was then.
     */
    void (*domain_soft_reset)(Host *host, guint32 domid, const char *uuid, const char *json,
                              HostDone done, gpointer data);

    /*
     * -- readiness: one attempt, which ends when it is known whether the member is ready, at the
     * latest after @timeout_us. The error says what was seen ("connection refused",
     * "data/ready is \"0\"", "exit status 1: no queue"), cleaned of what a guest could put there.
     * A XENSTORE probe waits for the key all that time; a program that has not ended is killed --
     */
    /* Returns a handle for probe_cancel(), never 0. */
    guint (*probe)(Host *host, const HostProbe *probe, gint64 timeout_us, HostDone done,
                   gpointer data);
    /* Its callback does not come any more; what it began is ended. */
    void (*probe_cancel)(Host *host, guint handle);

    /* -- xenstore records, asynchronous -- */
    /* Writes /domgrp/<uuid> and the directories of the @domids that are its running members. */
    void (*record_publish)(Host *host, const HostRecord *record, guint n_domids,
                           const guint32 *domids, HostDone done, gpointer data);
    /* Removes /domgrp/<uuid> and the group from the directories of @domids. */
    void (*record_unpublish)(Host *host, const char *uuid, guint n_domids, const guint32 *domids,
                             HostDone done, gpointer data);

    /* -- events and time -- */
    void (*watch)(Host *host, HostChanged changed, gpointer data);
    gint64 (*now)(Host *host); /* monotonic, in microseconds */
    /* Calls @timeout once after @delay_us. Returns a handle for timer_cancel(), never 0. */
    guint (*timer_add)(Host *host, gint64 delay_us, HostTimeout timeout, gpointer data);
    void (*timer_cancel)(Host *host, guint timer);

    void (*free)(Host *host);
} HostOps;

/* A host begins with its functions; implementations embed it first. */
struct Host {
    const HostOps *ops;
};

/* The name of @reason as people write it: "poweroff", "crash"... */
const char *host_reason_name(HostReason reason);

G_END_DECLS

#endif
