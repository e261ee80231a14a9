/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The inside of a migration, for the files that it consists of: migrate.c is
 * the object, its driver's ways to the world, and a turn; migrate-link.c what
 * the sides say; migrate-steps.c the steps of the operations that work for it;
 * migrate-act.c the actions of rows; settle.c an operator's words. Others see
 * what private.h has of it.
 */
#ifndef DOMGRP_ENGINE_MIGRATE_H
#define DOMGRP_ENGINE_MIGRATE_H

#include "private.h"

G_BEGIN_DECLS

struct Migration {
    Engine *engine;
    Group *group;
    MigrationSide side;
    Transaction *transaction; /* NULL: of a dry run, and before an offer is taken */
    char uuid[DOMGRP_UUID_TEXT];
    char *peer;
    char *command;
    guint connection; /* the present one, or one that is being made; 0: none */
    gboolean asked;   /* MIGRATE was given to the driver; in a dry run, the offer was made */
    gboolean answered;
    char *verdict;      /* of the other side */
    GError *why;        /* what went wrong with it last */
    GError *failed;     /* the last write or action of its rows, if that has failed; NULL */
    GError *link_error; /* how the last connection ended, or why there was none; NULL */

    MigrationAction acting;  /* that has not ended yet */
    const MigrationRow *row; /* whose action that is */
    gboolean calling;        /* a call of the host is under way for it */
    MemberNode *called;      /* the member that it is about, if it is about one */
    gboolean stopping;       /* the operation was told to stop for it */
    GHashTable *acted;       /* of MemberNode: the action is done to them */
    guint stage;             /* of an action on the group, how far it is */
    gboolean parked;         /* the operation waits for the driver, and touches nothing */
    gboolean sent;           /* SENT was said */
    int data;                /* at the destination: the image until it is opened; else -1 */
    gboolean given_up;       /* FAILED or CANCEL was said */
    gboolean built;          /* all copies are complete and held */
    gboolean end_came;       /* END waits for that */
    enum { LET_NOT, LET_BEGUN, LET_FAILED } let; /* what became of letting run what was held */
    gboolean operator_paused;                    /* the pause of the group is an operator's */
    gboolean unpublished;                        /* the group's record is not in xenstore */
    gboolean left;                               /* nor is it in the hypervisor */
    struct {
        guint connection; /* 0: none does */
        MigrationMessage message;
    } waits;            /* for the group to leave this host */
    gboolean is_loaded; /* and its restart is still to come */
    gboolean over;      /* the driver has come to rest */
};

/* -- the object (migrate.c) -- */

/* It is the group's from then on. */
Migration *migration_new(Group *group, MigrationSide side, const char *uuid, const char *peer,
                         const char *command);
/* The group has none any more, and its connection ends. */
void migration_drop(Migration *migration);
/* Makes its driver, in @state. */
void migration_begin(Migration *migration, const char *state);
/* Makes a connection to the other side; @data is the Migration. */
void migration_connect(gpointer data);
/* An image that came in and was not opened. */
void migration_close_data(Migration *migration);

Links *migration_links(const Migration *migration);
Host *migration_host(const Migration *migration);
gboolean migration_is_source(const Migration *migration);
/* Of its side, one of MIGRATION_S_ or MIGRATION_D_. */
guint migration_state(const Migration *migration);
gboolean migration_is_busy(const Migration *migration);
gboolean migration_is_connected(const Migration *migration);
/* The group is nowhere on this host in @state of @side. */
gboolean migration_is_away(MigrationSide side, guint state);
/* @member's domain is the one that is on record as its copy. */
gboolean migration_has_copy(const Migration *migration, const MemberNode *member);
/* Looks for held copies that a stranger has destroyed. */
void migration_watch_copies(Migration *migration);

/* Why it has come to nothing, for its operation; NULL: nothing new. */
void migration_set_why(Migration *migration, const GError *error);
/* The same, if it is between this host and the other. */
void migration_set_why_of_link(Migration *migration, const GError *error);
/* Free with g_error_free(). */
GError *migration_why(const Migration *migration);

/* -- what is said (migrate-link.c) -- */

void migration_say_offer(const Migration *migration, const Operation *operation);
void migration_say_accept(const Migration *migration, guint connection);
/* Of an offer that has no Migration, or not yet one with a driver. */
void migration_refuse_offer(Engine *engine, guint connection, const char *uuid,
                            const GError *error);

/* -- the actions of rows (migrate-act.c) -- */

/* The one that is under way goes on, if nobody else works on the group. */
void migration_run_action(Migration *migration);
/* Takes the group from xenstore and from the hypervisor. FALSE without an error: not yet. */
gboolean migration_leave(Migration *migration, GError **error);

/* -- words (settle.c) -- */

/* Whoever waits for something to change of @group is answered. */
void settlings_wake(Engine *engine, const Group *group);
/* They wait a little longer for what the sides say to each other now. */
void settlings_connected(Engine *engine, const Group *group);

G_END_DECLS

#endif
