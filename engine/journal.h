/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The seam between the engine and what survives a restart: definitions of
 * groups, the history of operations, and open migrations. store/ is it on
 * SQLite; host/sim has one in memory that can fail and forget what was not
 * synced.
 *
 * Every function is synchronous and durable: when it returns TRUE the change
 * is on disk, when it returns FALSE (DOMGRP_ERROR_STORE) nothing changed.
 * Called on the engine's thread only.
 */
#ifndef DOMGRP_ENGINE_JOURNAL_H
#define DOMGRP_ENGINE_JOURNAL_H

#include "domgrp-error.h"
#include "domgrp-name.h"

G_BEGIN_DECLS

typedef struct Journal Journal;

/* A member as it is kept: its identity, its machine and who looks after it. */
typedef struct {
    char uuid[DOMGRP_UUID_TEXT];
    char *name;
    char *json;            /* libxl's configuration, complete */
    gboolean ours;         /* the daemon created its present domain and acts when it ends */
    guint32 domid;         /* the domain that "ours" speaks of, HOST_DOMID_NONE if none */
    guint32 suspend_domid; /* the domain that was asked to suspend for an image which does not hold
                              it yet, and has not gone on since; HOST_DOMID_NONE if none */
} JournalMember;

/* What a member's domain is to the daemon, by itself. */
typedef struct {
    char member_uuid[DOMGRP_UUID_TEXT];
    gboolean ours;
    guint32 domid;
    guint32 suspend_domid;
} JournalOwner;

/* A group as it is kept. */
typedef struct {
    char uuid[DOMGRP_UUID_TEXT];
    char *name;
    guint32 id;      /* the hypervisor's id when it was last seen, 0 if none */
    char *text;      /* the group file as it was given, for people */
    char *settings;  /* domgrp_settings_to_text() of its present members; NULL is "" */
    gboolean paused; /* paused by an operator */
    gboolean failed; /* members failed too often: it waits for an operator */
    char boot_id[DOMGRP_UUID_TEXT];    /* the boot of which ours, domid, id and paused speak */
    char image_uuid[DOMGRP_UUID_TEXT]; /* the image that holds the group's state; "": none does */
    char *image_path;   /* of that image, if it is in the daemon's own storage; NULL */
    gboolean image_old; /* members have run since: the image is only to be discarded */
    GPtrArray *members; /* of JournalMember, in the order of the group file */
} JournalGroup;

/* A member of an operation: which domain it had when that began, and what became of it. */
typedef struct {
    char uuid[DOMGRP_UUID_TEXT];
    char *name;
    guint32 domid; /* HOST_DOMID_NONE if it had none */
    char *outcome; /* "done", "failed"...; NULL until the operation has ended */
    char *error;   /* why it failed, or NULL */
} JournalOperationMember;

/*
 * An operation: what a restart needs to finish or undo it, and the history.
 *
 * One that was kept by a domgrp without policies is read with policy ""
 * (what its kind does by itself: DOMGRP_POLICY_DEFAULT), boot_id "" (not
 * known), options NULL, began TRUE and no members; one by a domgrp without
 * images with image_uuid "", image_path NULL and stage "".
 */
typedef struct {
    char uuid[DOMGRP_UUID_TEXT]; /* the operation's own */
    char group_uuid[DOMGRP_UUID_TEXT];
    char *group_name;
    char boot_id[DOMGRP_UUID_TEXT]; /* of the host when it began */
    char *kind;                     /* "start", "shutdown"... */
    char *policy;                   /* "rollback", "continue", "stop" */
    char *options;      /* the engine's own words for how it was asked for; may be NULL */
    gboolean began;     /* FALSE: it waits for another one to end, and has no members yet */
    gboolean undoing;   /* it has failed, and what it did is being undone */
    gboolean by_itself; /* the daemon began it, not a person */
    char image_uuid[DOMGRP_UUID_TEXT]; /* the image that it works on; "" */
    char *image_path;                  /* where that is; NULL */
    char *stage;         /* the engine's own word for how far that has come; "" or NULL: not far */
    GPtrArray *members;  /* of JournalOperationMember, in the order of the group file */
    gint64 began_us;     /* wall clock, since 1970 */
    gint64 ended_us;     /* 0 while it runs */
    char *error_name;    /* NULL if it succeeded */
    char *error_message; /* likewise */
} JournalOperation;

/* A copy of a member that a migration has to do with. */
typedef struct {
    char member_uuid[DOMGRP_UUID_TEXT];
    guint32 domid; /* HOST_DOMID_NONE: it is still to be built */
} JournalCopy;

/*
 * A migration that is open: one side's record of one transaction, with which a new daemon goes on
 * (docs/migration.md). Of one group there is at most one.
 */
typedef struct {
    char uuid[DOMGRP_UUID_TEXT]; /* the transaction's */
    char *side;                  /* "source" or "destination" */
    char group_uuid[DOMGRP_UUID_TEXT];
    char *group_name;
    char *state;                           /* a migration_state_name() that is written */
    char boot_id[DOMGRP_UUID_TEXT];        /* of the host when that was entered */
    gint64 entered_us;                     /* likewise; wall clock, since 1970 */
    char *peer;                            /* the other host, as the operator gave it */
    char *command;                         /* what makes the connection, as he gave it; NULL: ssh */
    char operation_uuid[DOMGRP_UUID_TEXT]; /* the last that worked on it; "" */
    GArray *copies;                        /* of JournalCopy, in the order of the group file */
} JournalMigration;

JournalMember *journal_member_new(void);
void journal_member_free(JournalMember *member);
JournalGroup *journal_group_new(void);
JournalGroup *journal_group_copy(const JournalGroup *from);
void journal_group_free(JournalGroup *group);
JournalOperationMember *journal_operation_member_new(void);
void journal_operation_member_free(JournalOperationMember *member);
JournalOperation *journal_operation_new(void);
JournalOperation *journal_operation_copy(const JournalOperation *from);
void journal_operation_free(JournalOperation *operation);
JournalMigration *journal_migration_new(void);
JournalMigration *journal_migration_copy(const JournalMigration *from);
void journal_migration_free(JournalMigration *migration);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(JournalMember, journal_member_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(JournalGroup, journal_group_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(JournalOperation, journal_operation_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(JournalMigration, journal_migration_free)

typedef struct {
    /* All groups, an array of JournalGroup that frees its elements. */
    gboolean (*load)(Journal *journal, GPtrArray **ret_groups, GError **error);
    /* Writes @group whole, in place of what was kept under its UUID. */
    gboolean (*group_put)(Journal *journal, const JournalGroup *group, GError **error);
    /* Deleting what is not there is no error. */
    gboolean (*group_delete)(Journal *journal, const char *uuid, GError **error);
    /*
     * Writes @n_owners members' part of one group, all or none: the hot path of start, reboot and
     * destroy. A member that is not there is passed over.
     */
    gboolean (*members_put_owner)(Journal *journal, const char *group_uuid,
                                  const JournalOwner *owners, guint n_owners, GError **error);
    /*
     * Writes an operation whole, in place of what was kept under its UUID; of those that have
     * ended the oldest beyond a bound are dropped.
     */
    gboolean (*operation_put)(Journal *journal, const JournalOperation *operation, GError **error);
    /* The newest @limit operations and all that have not ended, newest first, an array of
     * JournalOperation. */
    gboolean (*operations)(Journal *journal, guint limit, GPtrArray **ret_operations,
                           GError **error);
    /* All open migrations, in the order of their groups' names, an array of JournalMigration that
     * frees its elements. */
    gboolean (*migrations)(Journal *journal, GPtrArray **ret_migrations, GError **error);
    /*
     * Writes @migration whole, in place of what was kept under its UUID, and with it, both or
     * neither, @group as group_put() does; NULL: the group stays as it is.
     */
    gboolean (*migration_put)(Journal *journal, const JournalMigration *migration,
                              const JournalGroup *group, GError **error);
    /*
     * Forgets the migration @uuid, and in the same breath writes its group as @group is; NULL: the
     * group is not here any more, and goes with it. One that is not there is no error, and leaves
     * all groups alone but @group.
     */
    gboolean (*migration_end)(Journal *journal, const char *uuid, const JournalGroup *group,
                              GError **error);
    void (*free)(Journal *journal);
} JournalOps;

struct Journal {
    const JournalOps *ops;
};

G_END_DECLS

#endif
