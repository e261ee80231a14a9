/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * libdomgrp: domain groups of this host, through its daemon domgrpd(8).
 *
 *     g_autoptr(GError) error = NULL;
 *     g_autoptr(DomgrpConnection) connection = domgrp_connection_open(NULL, &error);
 *     g_autofree char *task = domgrp_group_start(connection, "shop", NULL, &error);
 *     g_autoptr(DomgrpTask) done = domgrp_task_wait(connection, task, NULL, NULL, &error);
 *     if (done->error == NULL)
 *         puts("shop runs");
 *
 * Groups are called by name or by UUID. Functions block until the daemon has
 * answered; operations answer as soon as the daemon has taken them, with the
 * reference of a task that domgrp_task_wait() follows.
 *
 * Errors are DOMGRP_ERROR (domgrp/error.h), one sentence each; every function
 * may fail with DAEMON (it does not run, or broke off), PERMISSION and
 * REQUEST besides what is said at it. A function that fails returns NULL or
 * FALSE and has changed nothing unless it says so.
 *
 * Threads: a connection is used by the thread that opened it and by no other;
 * different threads open connections of their own. Callbacks come on that
 * thread, from inside the function that they were given to, and must not use
 * the connection.
 *
 * What a function returns is the caller's, freed with the matching _free()
 * or g_free(); a callback's arguments are good until it returns. Structs are
 * made by the library alone and may grow at their ends.
 */
#ifndef DOMGRP_DOMGRP_H
#define DOMGRP_DOMGRP_H

#include <domgrp/error.h>
#include <json-glib/json-glib.h>

G_BEGIN_DECLS

#define DOMGRP_SOCKET_PATH "/run/domgrp/domgrpd.sock"

/* -- connections -- */

typedef struct DomgrpConnection DomgrpConnection;

/* Logs in at @socket_path; NULL: DOMGRP_SOCKET_PATH. */
DomgrpConnection *domgrp_connection_open(const char *socket_path, GError **error);

/* Logs out and frees. No-op for NULL. */
void domgrp_connection_close(DomgrpConnection *connection);

/*
 * Calls any @method of the API (docs/api.md) with @params after the session;
 * takes @params, which may be NULL. The result is the caller's.
 */
JsonNode *domgrp_connection_call(DomgrpConnection *connection, const char *method,
                                 JsonArray *params, GError **error);

/* -- groups -- */

typedef struct {
    char *uuid;
    char *name;
    char *state;         /* "stopped", "starting", "running", "paused", "stopping", "suspended",
                            "shutdown", "crashed", "away" */
    gint64 domid;        /* -1 if it has no domain */
    gboolean ours;       /* the daemon created its domain, not xl */
    guint64 memory_kib;  /* that its domain has */
    guint64 cpu_time_us; /* that its domain has used */
    guint64 vcpus;
} DomgrpMember;

/* A migration that is open: one of the two hosts has not heard yet that the other knows its end. */
typedef struct {
    char *transaction;  /* its UUID */
    gboolean is_source; /* whether this host is the one that the group moves from */
    char *peer;         /* the other host; "" if it is not known */
    char *state;        /* "COMMITTED" */
    char *meaning;      /* of that, half a sentence */
    char *entered;      /* when that was written, RFC 3339; "": it was not */
    gboolean connected;
    char *last_error;      /* why there is no connection, as far as is known; "" */
    gboolean may_run_here; /* whether these words may be said of it now */
    gboolean may_discard_here;
} DomgrpMigration;

typedef struct {
    char *uuid;
    char *name;
    guint id;            /* the hypervisor's */
    char *state;         /* "stopped", "starting", "running", "partial", "paused", "stopping",
                            "suspended", "failed", "default" */
    gboolean is_default; /* Group-0 or the Null-Group */
    gboolean paused;
    guint64 memory_kib;
    guint64 cpu_time_us;
    char *current_task; /* "" if no operation runs */
    char **settings;    /* order, probes and policies, a line "key value" each; ends with NULL */
    guint n_members;
    DomgrpMember *members;      /* in the order of the group file */
    JsonNode *record;           /* all of it as the daemon sent it */
    DomgrpMigration *migration; /* NULL: none is open */
} DomgrpGroup;

void domgrp_group_free(DomgrpGroup *group);

/* All groups, an array of DomgrpGroup that frees them: default groups first, then by name. */
GPtrArray *domgrp_group_list(DomgrpConnection *connection, GError **error);

/* GROUP_UNKNOWN. */
DomgrpGroup *domgrp_group_get(DomgrpConnection *connection, const char *group, GError **error);

/* -- operations; each returns the reference of its task -- */

/*
 * How to do it. All zeros, or NULL in its place, is the group's own way. An
 * operation refuses what it cannot do with REQUEST, and an unknown policy
 * with VALUE.
 */
typedef struct {
    const char *on_failure; /* when a member fails: "rollback" (undo all), "continue", "stop";
                               of create, start, shutdown, reboot, destroy */
    gboolean wait;     /* for the operation that runs on the group, instead of GROUP_BUSY; not of
                          create */
    gboolean dry_run;  /* change nothing: the task's plan says what would be done */
    guint timeout_s;   /* for each member to end; of shutdown and reboot */
    gboolean fallback; /* use ACPI where a guest has no PV drivers; likewise */
    gboolean ordered;  /* members stop in reverse order, not all at once; of save, checkpoint and
                          suspend */
    gboolean fast;     /* little time rather than a small image; likewise, and of migrate */
    gboolean live;     /* most of the memory is saved or sent while the group runs; of checkpoint
                          and migrate */
    gboolean disks_reverted; /* the disks are again as they were when the image was made; of
                                restore */
    const char *map;         /* path of a map file, domgrp-map(5), for a copy; of restore */
    const char *command;   /* for sh: reaches the other host in place of ssh, as with xl migrate -s;
                              of migrate */
    guint limit_mib;       /* MiB that are sent per second at most, if it is live until the members
                              are suspended; 0: any; likewise */
    guint ready_timeout_s; /* from the first member's standing still until the other host must be
                              ready; 0: 10, or 3600 if it is not live; likewise */
    gboolean without_groups; /* a hypervisor without groups will do; likewise */
} DomgrpOptions;

/*
 * Reads the group file at @path and the members' files that it names, defines
 * the group and starts it. If anything fails, neither is left behind unless
 * the policy says so. Refused with FILE, SYNTAX, KEY_UNKNOWN, VALUE, NAME,
 * ORDER, MEMBER_DUPLICATE, NAME_TAKEN, UUID_TAKEN, GROUP_LIMIT; the task may
 * fail with more.
 */
char *domgrp_group_create(DomgrpConnection *connection, const char *path,
                          const DomgrpOptions *options, GError **error);

/* All that follow: GROUP_UNKNOWN, GROUP_DEFAULT, GROUP_BUSY, GROUP_STATE. */
char *domgrp_group_start(DomgrpConnection *connection, const char *group,
                         const DomgrpOptions *options, GError **error);
char *domgrp_group_shutdown(DomgrpConnection *connection, const char *group,
                            const DomgrpOptions *options, GError **error);
char *domgrp_group_reboot(DomgrpConnection *connection, const char *group,
                          const DomgrpOptions *options, GError **error);
/* Ends the members' domains without asking them. */
char *domgrp_group_destroy(DomgrpConnection *connection, const char *group,
                           const DomgrpOptions *options, GError **error);
/* Forgets a group that does not run. */
char *domgrp_group_delete(DomgrpConnection *connection, const char *group,
                          const DomgrpOptions *options, GError **error);
char *domgrp_group_pause(DomgrpConnection *connection, const char *group,
                         const DomgrpOptions *options, GError **error);
char *domgrp_group_unpause(DomgrpConnection *connection, const char *group,
                           const DomgrpOptions *options, GError **error);
/* @domain: name, domid or UUID. DOMAIN_UNKNOWN, MEMBER_ELSEWHERE. */
char *domgrp_group_join(DomgrpConnection *connection, const char *group, const char *domain,
                        const DomgrpOptions *options, GError **error);

/*
 * -- images: one file that holds the memory of all members as it was in one moment. A relative
 * @path starts from the caller's directory; the daemon writes and reads the file --
 */

/*
 * Writes the image to @path, where nothing must be, and ends the members' domains once it is
 * there for good. If anything fails before, they run on, and nothing is at @path. Refused with
 * FILE besides; the task may fail with FILE (the disk is full), TIMEOUT (a guest that does not
 * suspend), SNAPSHOT.
 */
char *domgrp_group_save(DomgrpConnection *connection, const char *group, const char *path,
                        const DomgrpOptions *options, GError **error);
/* Likewise, and lets the group run on. */
char *domgrp_group_checkpoint(DomgrpConnection *connection, const char *group, const char *path,
                              const DomgrpOptions *options, GError **error);
/* Likewise into the daemon's own storage, and ends the domains. */
char *domgrp_group_suspend(DomgrpConnection *connection, const char *group,
                           const DomgrpOptions *options, GError **error);
/* Lets a suspended group run on from where it stood. */
char *domgrp_group_resume(DomgrpConnection *connection, const char *group,
                          const DomgrpOptions *options, GError **error);
/*
 * Lets the group in the image at @path run on from where it stood: all of it, or, if building it
 * fails, none. It is defined here, stopped, or not known. Refused with FILE and, for a map, as
 * domgrp_group_create() for a group file; and the task fails, with nothing changed, with IMAGE,
 * IMAGE_VERSION, IMAGE_USED, NAME_TAKEN, UUID_TAKEN, MEMBER_RUNNING, MEMBER_ELSEWHERE, MEMORY.
 */
char *domgrp_group_restore(DomgrpConnection *connection, const char *path,
                           const DomgrpOptions *options, GError **error);

/*
 * -- to other hosts --
 */

/*
 * Moves all members to @peer, a host as ssh knows it, where domgrpd runs, or none. If anything
 * fails before the other host has said that it is ready, the members run on here. Refused with
 * VALUE besides; the task may fail with LINK, PEER, PEER_VERSION, TIMEOUT, or what the other host
 * has against it. A dry run asks the other host, and the task has its verdict.
 */
char *domgrp_group_migrate(DomgrpConnection *connection, const char *group, const char *peer,
                           const DomgrpOptions *options, GError **error);

/* What an operator says of a migration that is open. */
typedef enum {
    DOMGRP_WORD_NONE,         /* nothing: the other host is asked, if it can be reached */
    DOMGRP_WORD_RUN_HERE,     /* the other host is off, and did not run the group: it runs here */
    DOMGRP_WORD_DISCARD_HERE, /* the copies on this host are destroyed */
} DomgrpWord;

/*
 * Returns when @word was taken; with NONE when a connection was tried and what it led to has
 * happened, be the migration settled then or not. GROUP_UNKNOWN; GROUP_STATE if none is open, or
 * the word may not be said of it now. A word that is not true makes two hosts run one group.
 */
gboolean domgrp_group_settle(DomgrpConnection *connection, const char *group, DomgrpWord word,
                             GError **error);

/* -- tasks -- */

typedef struct {
    char *uuid; /* of the member */
    char *name;
    guint tier;       /* of the order, as the task goes: those of tier 1 are first */
    char *outcome;    /* "pending", "active", "done", "undone", "failed", "not-tried" */
    char *doing;      /* what happens now, "" if nothing */
    char *needs;      /* the member that it waits for now, or "" */
    char *ready;      /* its probe, if the task waits for that, or "" */
    char *seen;       /* what its probe saw last while it waits for that, or "" */
    char *error;      /* why it failed, "" if it did not */
    guint64 still_us; /* how long it stood still for an image, in microseconds; 0 if it has not */
} DomgrpTaskMember;

/* What a dry run found that would be done to one member. */
typedef struct {
    guint tier; /* as above; members of one tier are worked on side by side */
    char *member;
    char *uuid;
    char *steps; /* "build and start" */
    char *ready; /* the probe that is then waited for, "" if none */
} DomgrpPlanStep;

/* Over how long the members of a paused group stopped. */
typedef struct {
    gboolean atomic;    /* by one hypercall; FALSE: one domain after the other */
    guint64 request_ns; /* from the first to the last request to stop */
    guint64 stopped_ns; /* from the first request until all stood still */
    guint64 domains;
    guint64 vcpus;
} DomgrpPause;

/* The image that a task works on, which a migration sends; amounts so far, in bytes. */
typedef struct {
    char *path;           /* "" if it works on none, or is a migration */
    guint64 memory_bytes; /* of the members' memory, with all that belongs to it */
    guint64 total_bytes;  /* about what that will come to, 0 if it is not known */
    guint64 file_bytes;   /* of the image */
    guint64 cut_us;       /* from the first member's standing still to the last's, in microseconds;
                             0 until then */
} DomgrpImage;

typedef struct {
    char *uuid;
    char *name; /* "domain_group.start" */
    char *group;
    char *group_name;
    char *created;   /* RFC 3339 */
    char *finished;  /* likewise, "" if it has not ended */
    gboolean queued; /* it waits for another task on its group to end */
    gboolean ended;
    gboolean dry_run;
    gboolean interrupted; /* the daemon was restarted in its middle */
    gboolean by_itself;   /* nobody asked for it: a member failed, or the host has booted */
    char *policy;         /* "rollback", "continue", "stop" */
    double progress;      /* 0 to 1 */
    GError *error;        /* why it failed; NULL while it runs and if it succeeded */
    guint n_members;
    DomgrpTaskMember *members;
    guint n_plan;         /* of a dry run that succeeded; none if one step on the group is all */
    DomgrpPlanStep *plan; /* tier by tier */
    DomgrpPause pause;    /* of a pause that succeeded */
    DomgrpImage image;    /* of save, checkpoint, suspend, resume, restore and migrate */
    JsonNode *record;     /* all of it as the daemon sent it */
    char *peer;           /* the other host of a migration; "" if there is none */
    char *verdict;        /* what that said to a migration, for people; "" */
    guint64 wire_bytes;   /* that have gone to it and come from it */
} DomgrpTask;

void domgrp_task_free(DomgrpTask *task);

/* TASK_UNKNOWN. */
DomgrpTask *domgrp_task_get(DomgrpConnection *connection, const char *task, GError **error);

/* Those that run or wait and the last ones that ended: an array that frees them, newest first. */
GPtrArray *domgrp_task_list(DomgrpConnection *connection, GError **error);

/*
 * Ends a task that waits for another; one that runs does what its policy says
 * of a failure. It ends a little later, with CANCELLED. TASK_UNKNOWN;
 * GROUP_STATE if it is over or cannot be cancelled any more.
 */
gboolean domgrp_task_cancel(DomgrpConnection *connection, const char *task, GError **error);

typedef void (*DomgrpProgress)(const DomgrpTask *task, gpointer data);

/*
 * Waits until @task has ended, however long that takes. @progress may be NULL;
 * it is called at once, whenever the task has come on, and with its end.
 * A task that failed is returned too, with its error in it. TASK_UNKNOWN.
 */
DomgrpTask *domgrp_task_wait(DomgrpConnection *connection, const char *task,
                             DomgrpProgress progress, gpointer data, GError **error);

/* -- events -- */

/*
 * @event is {"id", "timestamp", "class", "operation" ("add", "mod", "del"),
 * "ref", "snapshot"}. With @known the events tell what is there, not what
 * changed; the first of these has @event NULL: what was known before is void.
 * FALSE ends domgrp_event_follow().
 */
typedef gboolean (*DomgrpEvent)(JsonObject *event, gboolean known, gpointer data);

/*
 * Tells @callback what is there of @classes (ends with NULL: "*", "task",
 * "domain_group", "task/REFERENCE"...), then every change, until @callback
 * returns FALSE; that is success.
 */
gboolean domgrp_event_follow(DomgrpConnection *connection, const char *const *classes,
                             DomgrpEvent callback, gpointer data, GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(DomgrpConnection, domgrp_connection_close)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(DomgrpGroup, domgrp_group_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(DomgrpTask, domgrp_task_free)

G_END_DECLS

#endif
