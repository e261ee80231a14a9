/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One side of one migration: takes events one at a time and does the row of
 * engine/migration-table.h that is for each, as a whole and in its order. It
 * owns state, record, time-out, reconnection and tries; what a row does to
 * the world goes through TransactionOps, so that it knows neither sockets
 * nor SQL nor domains. docs/migration.md tells the protocol.
 *
 * Single-threaded. Every function may be called in any callback but
 * transaction_free(), which may be called in settled() only; an event that
 * comes while a row is being done waits for its end.
 */
#ifndef DOMGRP_ENGINE_TRANSACTION_H
#define DOMGRP_ENGINE_TRANSACTION_H

#include "host.h"
#include "journal.h"
#include "migration.h"

G_BEGIN_DECLS

#define TRANSACTION_READY_US (10 * G_USEC_PER_SEC)   /* from the first suspend until READY */
#define TRANSACTION_CHECK_US (60 * G_USEC_PER_SEC)   /* from OFFER until its answer */
#define TRANSACTION_TRY_US G_USEC_PER_SEC            /* until what failed is tried again... */
#define TRANSACTION_TRY_MAX_US (60 * G_USEC_PER_SEC) /* ... doubled each time, up to this */
#define TRANSACTION_MAX_EVENTS 32                    /* that wait; one more message hangs up */

typedef struct Transaction Transaction;

/* What became of an event: NULL, or why it was refused or could not be written. */
typedef void (*TransactionDone)(gpointer data, const GError *error);

typedef struct {
    /* @row is about to be done: for a log. */
    void (*begins)(gpointer data, const MigrationRow *row);
    /*
     * Makes @record durable, whole; transaction_store() is that on a journal. It may fill in the
     * copies. A failure is taken to have left the journal either way.
     */
    gboolean (*write)(gpointer data, JournalMigration *record, GError **error);
    /* Begins @action, which may have been begun before; ends in transaction_acted(). */
    void (*act)(gpointer data, MigrationAction action);
    /* Whether every copy of the group is there. */
    gboolean (*is_whole)(gpointer data);
    /*
     * @state was entered, or is to be done again: ends what took long in the state before, and
     * begins what does in this one. It ends in COPIED, SENT, ALL_RUN or FAILED.
     */
    void (*enter)(gpointer data, guint state);
    /* Puts @message about the transaction @uuid on @connection; it may get lost. */
    void (*send)(gpointer data, guint connection, const char *uuid, MigrationMessage message);
    void (*hang_up)(gpointer data, guint connection);
    /* Makes a connection to the other side; ends in transaction_connected(). */
    void (*connect)(gpointer data);
    guint (*timer_add)(gpointer data, gint64 delay_us, HostTimeout timeout, gpointer timeout_data);
    void (*timer_cancel)(gpointer data, guint timer);
    /* A write or an action has failed, and is tried again in a while. */
    void (*failed)(gpointer data, const GError *error);
    /* Nothing is open any more: the group is here (HOME) or is not (NONE). */
    void (*settled)(gpointer data);
} TransactionOps;

/*
 * @record is copied: its state says where to begin, HOME or NONE where there is none in the
 * journal yet. @ops and @data must outlive the transaction. @boot_id is the host's present one.
 */
Transaction *transaction_new(const TransactionOps *ops, gpointer data, MigrationSide side,
                             const JournalMigration *record, const char *boot_id);
/* Forgets all: nothing is written, no callback is called any more, events are not answered. */
void transaction_free(Transaction *transaction);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Transaction, transaction_free)

/* A microsecond count in place of TRANSACTION_READY_US; from the next suspend on. */
void transaction_set_ready_us(Transaction *transaction, gint64 us);

/* A new daemon has read the record and looked at its host: the first event after a restart. */
void transaction_restart(Transaction *transaction);
/*
 * Something has happened here. @done, which may be NULL, is called when its row was done, or with
 * DOMGRP_ERROR_GROUP_STATE if there is none.
 */
void transaction_event(Transaction *transaction, MigrationEvent event, TransactionDone done,
                       gpointer done_data);
/* MIGRATE: the operator wants it, and @connection was made for it. */
void transaction_migrate(Transaction *transaction, guint connection, TransactionDone done,
                         gpointer done_data);
/*
 * There is a connection, whose number must be higher than any before; the one before ends. At the
 * source it is connect()'s result, and 0 if that has failed.
 */
void transaction_connected(Transaction *transaction, guint connection);
/* It has ended, or was silent for too long. One that is not the present one does nothing. */
void transaction_link_lost(Transaction *transaction, guint connection);
/*
 * @message about the transaction @uuid has come. An OFFER that the host cannot take is not given
 * to it, but answered with GONE.
 */
void transaction_receive(Transaction *transaction, guint connection, const char *uuid,
                         MigrationMessage message);
/* The action has ended; with @error it is tried again in a while. */
void transaction_acted(Transaction *transaction, const GError *error);
/* An operator asks: a connection is tried at once, if one is wanted. */
void transaction_try(Transaction *transaction);

/* What is refused for the state that it is in: "shop @what: its migration to h2 is ...". */
void transaction_refuse(const Transaction *transaction, const char *what, GError **error);
guint transaction_state(const Transaction *transaction);
gboolean transaction_is_connected(const Transaction *transaction);
/* connect() was called, and has not ended. */
gboolean transaction_is_connecting(const Transaction *transaction);
/* A row is being done, or is to be when the journal can be written. */
gboolean transaction_is_busy(const Transaction *transaction);
/* As it was written last; borrowed until the next write. */
const JournalMigration *transaction_record(const Transaction *transaction);

/*
 * Writes @record as its state demands: HOME and NONE end the migration, with @group as what is here
 * or with the group gone; else it is put, with @group if that is not NULL.
 */
gboolean transaction_store(Journal *journal, const JournalMigration *record,
                           const JournalGroup *group, GError **error);

G_END_DECLS

#endif
