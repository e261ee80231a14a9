/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The engine: what a group is and does. It owns all groups, their members
 * and the operations that run on them; it reaches a host through host.h and
 * the disk through journal.h, and knows no Xen, no SQL and no sockets.
 *
 * One thread: every function is called on, and every callback comes from,
 * the thread of the host's callbacks. Nothing blocks; whatever waits for a
 * guest is an operation.
 *
 * Reality wins: a group's and a member's state is computed from what
 * host domains() said last, never remembered.
 */
#ifndef DOMGRP_ENGINE_ENGINE_H
#define DOMGRP_ENGINE_ENGINE_H

#include "domgrp-map.h"
#include "host.h"
#include "journal.h"
#include "links.h"

G_BEGIN_DECLS

typedef struct Engine Engine;
typedef struct Group Group;
typedef struct Member Member;
typedef struct Operation Operation;

/* X(enumerator, name): the names are part of the API. */
#define GROUP_STATES(X)                                                                            \
    X(STOPPED, "stopped")     /* no member runs */                                                 \
    X(STARTING, "starting")   /* an operation brings members up */                                 \
    X(STOPPING, "stopping")   /* an operation takes members down */                                \
    X(RUNNING, "running")     /* every member runs */                                              \
    X(PARTIAL, "partial")     /* some members run */                                               \
    X(PAUSED, "paused")       /* the group is paused */                                            \
    X(SUSPENDED, "suspended") /* its members' memory is in the daemon's storage */                 \
    X(FAILED, "failed")       /* its members failed too often: it waits for an operator */         \
    X(IN_DOUBT, "in-doubt")   /* a migration is open, and the other host has to say more */        \
    X(MOVED, "moved")         /* it is another host's, which has to hear that we know */           \
    X(DEFAULT, "default")     /* a default group, which has no state */

#define MEMBER_STATES(X)                                                                           \
    X(STOPPED, "stopped")                                                                          \
    X(STARTING, "starting") /* its domain is being built */                                        \
    X(RUNNING, "running")                                                                          \
    X(PAUSED, "paused")       /* by its group or by a toolstack */                                 \
    X(STOPPING, "stopping")   /* asked to shut down, or being destroyed */                         \
    X(SUSPENDED, "suspended") /* its guest stands still, its domain is still there */              \
    X(SHUTDOWN, "shutdown")   /* its guest has ended, its domain is still there */                 \
    X(CRASHED, "crashed")     /* likewise, by a crash */                                           \
    X(AWAY, "away")           /* a toolstack took its domain away */

#define OPERATION_KINDS(X)                                                                         \
    X(CREATE, "create")                                                                            \
    X(START, "start")                                                                              \
    X(SHUTDOWN, "shutdown")                                                                        \
    X(REBOOT, "reboot")                                                                            \
    X(DESTROY, "destroy")                                                                          \
    X(DELETE, "delete")                                                                            \
    X(PAUSE, "pause")                                                                              \
    X(UNPAUSE, "unpause")                                                                          \
    X(JOIN, "join")                                                                                \
    X(SAVE, "save")       /* into a file; the group is stopped then */                             \
    X(RESTORE, "restore") /* from a file */                                                        \
    X(SUSPEND, "suspend") /* likewise, into and out of the daemon's own storage */                 \
    X(RESUME, "resume")                                                                            \
    X(CHECKPOINT, "checkpoint") /* into a file; the group runs on */                               \
    X(MIGRATE, "migrate")       /* to another host, which has it then */                           \
    X(RECEIVE, "receive")       /* from another host; the members are built, and held */           \
    X(ACTIVATE, "activate")     /* what was received is let run */

/* What became of one member in one operation. */
#define OUTCOMES(X)                                                                                \
    X(PENDING, "pending")                                                                          \
    X(ACTIVE, "active")                                                                            \
    X(DONE, "done")                                                                                \
    X(UNDONE, "undone")                                                                            \
    X(FAILED, "failed")                                                                            \
    X(NOT_TRIED, "not-tried")

#define X(enumerator, name) GROUP_##enumerator,
typedef enum { GROUP_STATES(X) GROUP_STATE_COUNT } GroupState;
#undef X
#define X(enumerator, name) MEMBER_##enumerator,
typedef enum { MEMBER_STATES(X) MEMBER_STATE_COUNT } MemberState;
#undef X
#define X(enumerator, name) OPERATION_##enumerator,
typedef enum { OPERATION_KINDS(X) OPERATION_KIND_COUNT } OperationKind;
#undef X
#define X(enumerator, name) OUTCOME_##enumerator,
typedef enum { OUTCOMES(X) OUTCOME_COUNT } Outcome;
#undef X

const char *group_state_name(GroupState state);
const char *member_state_name(MemberState state);
const char *operation_kind_name(OperationKind kind);
const char *outcome_name(Outcome outcome);

/* -- reading; pointers are borrowed and good until the main loop runs again -- */

struct Member {
    char uuid[DOMGRP_UUID_TEXT];
    char *name;
    MemberState state;
    guint32 domid; /* HOST_DOMID_NONE if it has no domain */
    gboolean ours; /* the daemon, not xl's monitor, acts when its domain ends */
    guint64 memory_kib;
    guint64 cpu_time_us;
    guint32 vcpus;
    HostConfig *config; /* NULL in default groups */
};

typedef struct {
    char uuid[DOMGRP_UUID_TEXT];
    const char *name;
    guint32 id;
    gboolean is_default;
    gboolean paused;
    GroupState state;
    Operation *operation;     /* the one that runs, or NULL */
    const GPtrArray *members; /* of Member */
    const DomgrpSettings *settings;
    guint64 memory_kib; /* of all members that have a domain */
    guint64 cpu_time_us;
    const char *image_uuid; /* the image that holds the state of its members; "": none does */
    const char *image_path; /* of that image if the group is suspended; NULL */
} GroupInfo;

/* A migration of a group that is open: docs/migration.md. */
typedef struct {
    const char *transaction; /* its UUID */
    gboolean is_source;      /* of the two hosts, whether this is the one that it moves from */
    const char *peer;        /* the other */
    const char *state;       /* "PREPARED", of the table */
    const char *meaning;     /* of that, half a sentence */
    gint64 entered_us;       /* wall clock, since 1970, when the state was written; 0: never */
    gboolean connected;
    const char *link_error; /* how the last connection ended, or why there was none; "" */
    gboolean may_run;       /* words that an operator may say of it now */
    gboolean may_discard;
} GroupMigration;

typedef struct {
    char uuid[DOMGRP_UUID_TEXT];
    char name[DOMGRP_NAME_MAX + 1];
    Outcome outcome;
    const char *doing;   /* what happens now: "building", "waiting for the guest"; or NULL */
    const char *seen;    /* what it waits for has come to: the member that it needs, or what its
                          * probe saw last; NULL: nothing yet */
    gboolean probing;    /* it is the probe that seen speaks of */
    guint tier;          /* of the order, the first is 1; as an operation in this direction goes */
    const char *ready;   /* the probe that this operation waits for; NULL: none */
    gint64 still_us;     /* how long it has stood still for an image; 0: it has not */
    const GError *error; /* why it failed, or NULL */
} OperationMember;

typedef struct {
    char uuid[DOMGRP_UUID_TEXT];
    OperationKind kind;
    char group_uuid[DOMGRP_UUID_TEXT];
    const char *group_name;
    gint64 began_us; /* wall clock, since 1970 */
    gint64 ended_us; /* 0 while it runs */
    gboolean queued; /* it waits for another operation on its group to end */
    gboolean dry_run;
    gboolean interrupted; /* the daemon ended in its middle; another one went on, or closed it */
    gboolean by_itself;   /* the daemon began it: at boot, or because a member failed */
    DomgrpPolicy policy;  /* CONTINUE once the image is written, or the first member may run */
    const char *plan;     /* what is done to each member: "build, start"; NULL: to the group */
    double progress;      /* 0 to 1 */
    const GError *error;  /* NULL while it runs and when it succeeded */
    const GPtrArray *members; /* of OperationMember */
    HostPause pause;          /* of PAUSE, once it is done */
    const char *image_path;   /* of what works on an image; NULL */
    HostImageProgress image;  /* likewise */
    const char *peer;         /* the other host of a migration; NULL */
    const char *verdict;      /* of a MIGRATE: what the other host said to it; NULL */
    guint64 wire_bytes;       /* of a MIGRATE: that went over its connection */
    gint64 cut_us; /* of SAVE, SUSPEND, CHECKPOINT: from the first member's standing still to the
                    * last's; 0 until then */
} OperationInfo;

/* -- the engine -- */

/* Tells what changed. @group or @operation is NULL where it does not apply. */
typedef struct {
    void (*group_added)(gpointer data, Group *group);
    void (*group_changed)(gpointer data, Group *group);
    void (*group_removed)(gpointer data, const char *uuid, const char *name);
    void (*operation_changed)(gpointer data, Operation *operation); /* new, progress, ended */
    /* What a member's own end made the daemon do has failed; may be NULL. */
    void (*member_failed)(gpointer data, Group *group, Member *member, const GError *error);
    /* What a migration has to do has failed, and is tried again; or memory was lost; may be NULL.
     */
    void (*migration_failed)(gpointer data, Group *group, const GError *error);
} EngineListener;

/*
 * An engine on @host and @journal, which it borrows; @listener and @data
 * outlive it. Loads the journal, compares it with the host and makes the
 * host's groups, reservations and records what the journal says; groups of
 * the hypervisor that the journal does not know are left alone. @listener is
 * not called before this returns. NULL on error.
 */
Engine *engine_new(Host *host, Journal *journal, const EngineListener *listener, gpointer data,
                   GError **error);
/* Stops no operation and no guest. No callback of the host may come afterwards. */
void engine_free(Engine *engine);

/* Connections to other daemons, borrowed; before the main loop first runs. Without them nothing is
 * migrated. */
void engine_set_links(Engine *engine, Links *links);
/* How many members of one operation are worked on at once; at least 1. */
void engine_set_parallel(Engine *engine, guint parallel);
/* The folder of the images that SUSPEND writes, absolute; without one it is refused. */
void engine_set_images(Engine *engine, const char *folder);

/* All groups, default groups first, then by name; free the array, not the groups. */
GPtrArray *engine_groups(Engine *engine);
Group *engine_group_lookup(Engine *engine, const char *name_or_uuid, GError **error);
/* Asks the host anew, so that memory and CPU time are of now. */
gboolean engine_refresh(Engine *engine, GError **error);
void group_get_info(const Group *group, GroupInfo *ret_info);
/* FALSE if none is open. */
gboolean group_get_migration(const Group *group, GroupMigration *ret_migration);

/* The last operations, newest first, running ones included; bounded. Free the array only. */
GPtrArray *engine_operations(Engine *engine);
Operation *engine_operation_lookup(Engine *engine, const char *uuid, GError **error);
void operation_get_info(const Operation *operation, OperationInfo *ret_info);

/*
 * -- operations: each is refused at once (NULL, nothing changed), or runs and
 * tells the listener; none ends before the function that began it returns.
 * A create checks its members' files while it runs: what it finds wrong with
 * them is its error, with the code of the refusal, and nothing was changed --
 */

typedef struct {
    const char *path; /* of the xl.cfg, for messages and relative paths */
    const char *text;
} EngineMemberFile;

typedef struct {
    const char *name;
    const char *uuid;               /* NULL: a new one */
    const char *text;               /* the group file */
    const char *directory;          /* that xl.cfg's relative paths start from: the caller's */
    const DomgrpSettings *settings; /* copied; NULL: none */
    guint n_members;
    const EngineMemberFile *members;
} EngineDefinition;

typedef struct {
    guint timeout_s;     /* per member, for SHUTDOWN and REBOOT; 0: its own, else 300 s */
    gboolean fallback;   /* ask by ACPI where the guest has no PV drivers */
    DomgrpPolicy policy; /* CREATE, START, SHUTDOWN, REBOOT, DESTROY; DEFAULT: the group's */
    gboolean wait;       /* for the operations that run on the group, instead of being refused */
    gboolean dry_run;    /* check, plan, and change nothing */

    /* -- SAVE, RESTORE, CHECKPOINT, SUSPEND, RESUME -- */
    const char *path;        /* of the image, absolute; SUSPEND and RESUME have their own */
    gboolean ordered;        /* SAVE, SUSPEND, CHECKPOINT: members stop in reverse order */
    gboolean live;           /* CHECKPOINT: most of the memory is saved while the group runs */
    gboolean fast;           /* little time rather than a small image */
    gboolean disks_reverted; /* RESTORE: the disks are as they were when the image was made */
    const DomgrpMap *map;    /* RESTORE: the names of a copy, borrowed for the call; NULL: none */

    /* -- MIGRATE (live and fast, too) -- */
    const char *peer;        /* the other host, as ssh knows it */
    const char *command;     /* what makes the connection, for /bin/sh; NULL: ssh */
    guint limit_mib;         /* MiB of the image that are sent per second at most, if it is live
                              * until the first suspend; 0: any */
    guint ready_s;           /* from the first suspend until the other host must be ready; 0: 10, or
                              * 3600 if it is not live, for all memory is sent in that time */
    gboolean without_groups; /* a hypervisor without groups will do */
} EngineOptions;

/* Defines a group and starts it; if anything fails, neither is left behind. */
Operation *engine_create(Engine *engine, const EngineDefinition *definition,
                         const EngineOptions *options, GError **error);
/* START, SHUTDOWN, REBOOT, DESTROY, DELETE, PAUSE, UNPAUSE, SAVE, SUSPEND, RESUME, CHECKPOINT,
 * MIGRATE. @options may be NULL where neither path nor peer is needed. */
Operation *engine_operate(Engine *engine, OperationKind kind, const char *group,
                          const EngineOptions *options, GError **error);
/*
 * Restores the group in the image at @options->path. It may be defined here, stopped, or unknown;
 * it is refused if it is not the same, if the image is used, or the group has run since, unless
 * @options->disks_reverted. Until the image has been opened the operation is called after its
 * file, and has a group UUID of its own. With a map it makes another group, a copy.
 */
Operation *engine_restore(Engine *engine, const EngineOptions *options, GError **error);
/* Moves the running domain @domain (name, domid or UUID) into @group, for good. */
Operation *engine_join(Engine *engine, const char *group, const char *domain,
                       const EngineOptions *options, GError **error);
/*
 * Cancels the operation @uuid: one that is queued ends; one that runs does
 * what its policy says of a failure, and ends with CANCELLED. GROUP_STATE if
 * it is over, is being undone already, or cannot be cancelled any more.
 */
gboolean engine_cancel(Engine *engine, const char *uuid, GError **error);

/* -- migrations that are open -- */

typedef enum {
    ENGINE_WORD_NONE,         /* only ask for a connection, which may settle it */
    ENGINE_WORD_RUN_HERE,     /* --run-here --peer-is-off */
    ENGINE_WORD_DISCARD_HERE, /* --discard-here */
} EngineWord;

/* @error is NULL when the word was taken. */
typedef void (*EngineSettled)(gpointer data, const GError *error);
/*
 * An operator's word about the migration of @group. @done is called once, later: for NONE when a
 * connection was tried and what it led to has happened; with GROUP_STATE if the word is refused,
 * or no migration is open. It is not called any more after engine_free().
 */
void engine_settle(Engine *engine, const char *group, EngineWord word, EngineSettled done,
                   gpointer data);

G_END_DECLS

#endif
