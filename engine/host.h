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
    guint32 image_version;   /* of images that are written, and the newest that is read */
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
    gboolean asked;    /* somebody other than image_suspend() has asked its guest to end or to
                        * suspend (xl shutdown, xl reboot, xl save), after image_suspend() was last
                        * called on it, if it was; FALSE again when it goes on */
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
    char *lacks; /* a kernel or disk that it names and this host has not, or NULL; not in @json */
    guint64 memory_kib;                 /* what the domain takes from free memory, all told */
    HostAction on[HOST_REASON_UNKNOWN]; /* by HostReason; SUSPEND is unused */
} HostConfig;

void host_config_free(HostConfig *config);
HostConfig *host_config_copy(const HostConfig *config);
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

/*
 * An image: one file that holds a group, its members' configurations and
 * their memory (docs/group-image.md). The handle is the host's; it lives
 * from image_create() or image_open() to image_close().
 */
typedef struct HostImage HostImage;

/* How an image is written. */
typedef struct {
    char uuid[DOMGRP_UUID_TEXT]; /* the image's own: whoever finds the file can tell which it is */
    const char *path;            /* absolute; nothing is there before image_finish(); NULL: none */
    int fd; /* without a path: a pipe that another host reads as it is written; the host's own from
               image_create() on, whatever becomes of that */
    const char *group_uuid;
    const char *group_name;
    const char *text; /* the group, in the engine's own words: what image_open() gives back */
    gboolean fast;    /* little time rather than a small file, or a small stream into a slow pipe */
    guint n_members;
    const HostConfig *const *members; /* in the order of the group file */
} HostImageSpec;

/* What is in an image. */
typedef struct {
    char uuid[DOMGRP_UUID_TEXT];
    char group_uuid[DOMGRP_UUID_TEXT];
    char *group_name;
    char *text;
    gboolean used;    /* its members have run since: its memory is older than their disks */
    GPtrArray *disks; /* of char *: what the snapshot command printed, a line each; may be empty */
    GPtrArray *members; /* of HostConfig, in the order of the group file */
} HostImageInfo;

void host_image_info_free(HostImageInfo *info);
/* The member with that UUID, or NULL; borrowed. */
const HostConfig *host_image_info_find(const HostImageInfo *info, const char *uuid);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(HostImageInfo, host_image_info_free)

/* How far an image has come; all of it grows only. */
typedef struct {
    guint64 memory_bytes; /* of the members' streams, so far */
    guint64 total_bytes;  /* about what they will come to; 0: not known */
    guint64 file_bytes;   /* of the image, so far */
} HostImageProgress;

/* What a copy of a member is to be called, and to have in place of what the original has. */
typedef struct {
    const char *name;
    const char *uuid;
    const char *const *macs;  /* MAC addresses, in the order of its interfaces; NULL at the end;
                                 interfaces that are left get new ones */
    const char *const *disks; /* "OLD=NEW" targets; NULL at the end */
} HostConfigMap;

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
/* @image is the callee's to close, NULL on failure; @info is the caller's, NULL for a new one. */
typedef void (*HostImageOpened)(gpointer data, HostImage *image, const HostImageInfo *info,
                                const GError *error);
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

    /*
     * -- images, asynchronous. Writing one: image_create(), image_copy() for each member if they
     * are to run meanwhile, image_suspend() for each member, image_snapshot() if wanted,
     * image_save() for each member, image_finish(), image_close(). Any of them may fail; then
     * domain_resume() for whatever stands still, and image_close() --
     */
    /* Begins an image beside its path, under no name or one that says it is unfinished. FILE if
     * something is at the path, or it cannot be written there. */
    void (*image_create)(Host *host, const HostImageSpec *spec, HostImageOpened done,
                         gpointer data);
    /*
     * Writes the memory of a member that runs, and what it changes meanwhile; done when that has
     * come as far as it will with all members for which this was called. From then on it waits for
     * image_suspend(), which must be called for the same members.
     */
    void (*image_copy)(Host *host, HostImage *image, guint32 domid, const char *uuid, HostDone done,
                       gpointer data);
    /*
     * Asks the guest of @domid to suspend and begins its stream; done when it stands still and none
     * of its memory is in the image yet. After image_copy() most of it is, and it stands still for
     * the rest. It fails when the guest has not suspended in time; such a guest may still do so
     * later, and domains() shows it then (HOST_REASON_SUSPEND).
     */
    void (*image_suspend)(Host *host, HostImage *image, guint32 domid, const char *uuid,
                          HostDone done, gpointer data);
    /* Runs @command (/bin/sh -c) while the group stands still, with its names in the environment;
     * what it prints is kept in the image, at most 64 KiB. Fails as the command does. */
    void (*image_snapshot)(Host *host, HostImage *image, const char *command, HostDone done,
                           gpointer data);
    /* The rest of what image_suspend() began; done when all of it was given to the file. */
    void (*image_save)(Host *host, HostImage *image, guint32 domid, const char *uuid, HostDone done,
                       gpointer data);
    /* Ends the file, syncs it, gives it its name and syncs that: when it is done, the image is
     * there whatever happens next. After a failure nothing is under the name. Without a path: all
     * of it was given to the pipe, which is closed. */
    void (*image_finish)(Host *host, HostImage *image, HostDone done, gpointer data);
    /* Lets a suspended domain go on from where it stands. No error if it does not stand still. */
    void (*domain_resume)(Host *host, guint32 domid, const char *uuid, HostDone done,
                          gpointer data);

    /*
     * -- Reading one: image_open() or image_receive(), image_restore() for each member, image_use()
     * before the first is let run of one that was opened, image_close() --
     */
    /* Opens the image at @path and checks all that it says of itself but the members' memory. */
    void (*image_open)(Host *host, const char *path, HostImageOpened done, gpointer data);
    /*
     * The same with the image that comes in on the pipe @fd, which the host owns: done as soon as
     * that has said what its @n_members members are. Their memory comes in turns: image_restore()
     * must be called for all of them at once. It fails as soon as more has come than members with
     * @memory_kib together can be.
     */
    void (*image_receive)(Host *host, int fd, guint n_members, guint64 memory_kib,
                          HostImageOpened done, gpointer data);
    /*
     * Builds the member @member_uuid of the image, paused, as domain_create() builds one: with the
     * configuration @json and @record. Done when all of its memory was read and found as it was
     * written; else no domain is left. Of an image that comes in, too, before its end.
     */
    void (*image_restore)(Host *host, HostImage *image, const char *member_uuid, const char *json,
                          const HostRecord *record, HostCreated done, gpointer data);
    /* Marks the image used, durably. No error if it is. */
    void (*image_use)(Host *host, HostImage *image, HostDone done, gpointer data);

    /* How far it has come; synchronous. */
    void (*image_progress)(Host *host, const HostImage *image, HostImageProgress *ret_progress);
    /* Breaks off what runs on the image: those calls end soon, with CANCELLED; synchronous. */
    void (*image_cancel)(Host *host, HostImage *image);
    /* Frees @image and what is unfinished of it; no call on it may be under way; synchronous. */
    void (*image_close)(Host *host, HostImage *image);
    /* Removes the file at @path, durably, if it is the image @image_uuid or is unfinished; no error
     * if there is none or another one. */
    void (*image_remove)(Host *host, const char *path, const char *image_uuid, HostDone done,
                         gpointer data);
    /* @json changed as @map says, synchronous; VALUE if that names what is not there, or leaves a
     * disk that can be written as it is. */
    gboolean (*config_map)(Host *host, const char *json, const HostConfigMap *map,
                           HostConfig **ret_config, GError **error);

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
