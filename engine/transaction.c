/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The driver of a migration. What it decides is what the table leaves open:
 * which event is next, what of it is stale, and what becomes of a failure.
 *
 * A write that fails counts as the daemon's death: the connection ends, the
 * record is written once more as it was, since the failed write may have
 * gone through, and all begins again from there. An action that fails is
 * done again, and so is the start of members in ACTIVATING: there is no way
 * back from a row.
 */
#include "transaction.h"

#include <string.h>

typedef struct {
    MigrationEvent event;
    guint connection; /* that it came on; 0: it has happened here */
    TransactionDone done;
    gpointer done_data;
} Event;

struct Transaction {
    const TransactionOps *ops;
    gpointer data;
    MigrationSide side;
    char boot_id[DOMGRP_UUID_TEXT];
    gint64 ready_us;

    guint state;
    JournalMigration *record; /* as it was written last */
    guint recorded;           /* its state */
    gboolean doubt;           /* a write has failed: the journal has that or the record */

    GQueue events;           /* of Event, that wait */
    Event *event;            /* that is being taken, or NULL */
    const MigrationRow *row; /* its row, or NULL */
    guint row_connection;    /* the connection at its beginning */
    gboolean broken;         /* to begin again from the record */
    gboolean act_failed;     /* the row's action is to be tried again */
    gboolean running;        /* in run() */
    gboolean settled;        /* to be told */

    guint connection; /* the present one, 0: none */
    gboolean connecting;
    guint deadline;      /* timer of a state that waits for the other side */
    guint again;         /* timer of what has failed */
    gint64 again_us;     /* how long that will be */
    guint reconnect;     /* timer of the next connect() */
    gint64 reconnect_us; /* how long that will be */
};

/* -- the table's words -- */

static const MigrationRow *row_for(const Transaction *transaction, MigrationEvent event)
{
    return migration_step(transaction->side, transaction->state, event);
}

static gboolean is_rest(MigrationSide side, guint state)
{
    return side == MIGRATION_SOURCE_SIDE ? state == MIGRATION_S_HOME || state == MIGRATION_S_NONE
                                         : state == MIGRATION_D_HOME || state == MIGRATION_D_NONE;
}

static gboolean is_restart(MigrationEvent event)
{
    return event == MIGRATION_EVENT_RESTART || event == MIGRATION_EVENT_RESTART_LOST;
}

/* What a daemon that begins from the record has to take first. */
static MigrationEvent restart_event(const Transaction *transaction)
{
    if (strcmp(transaction->record->boot_id, transaction->boot_id) != 0)
        return MIGRATION_EVENT_RESTART_LOST;
    return migration_copies(transaction->side, transaction->recorded) == MIGRATION_COPIES_HELD &&
                   !transaction->ops->is_whole(transaction->data)
               ? MIGRATION_EVENT_RESTART_LOST
               : MIGRATION_EVENT_RESTART;
}

/* -- refusals -- */

static const char *wish(MigrationEvent event)
{
    switch (event) {
    case MIGRATION_EVENT_START:
        return "cannot be started";
    case MIGRATION_EVENT_MIGRATE:
        return "cannot be migrated";
    case MIGRATION_EVENT_RUN_HERE:
        return "cannot be told to run here";
    case MIGRATION_EVENT_DISCARD_HERE:
        return "has no copies here that could be discarded";
    default:
        return "is not in that phase of its migration";
    }
}

static char *way_out(const Transaction *transaction, const MigrationRow *row)
{
    const char *name = transaction->record->group_name;
    gboolean run = row_for(transaction, MIGRATION_EVENT_RUN_HERE) != NULL;
    gboolean discard = row_for(transaction, MIGRATION_EVENT_DISCARD_HERE) != NULL;
    if (row != NULL)
        return g_strdup_printf("%s is connected, and both sides settle it",
                               transaction->record->peer);
    if (is_rest(transaction->side, transaction->state))
        return g_strdup("nothing of it is open any more");
    if (row_for(transaction, MIGRATION_EVENT_CANCEL) != NULL)
        return g_strdup("wait until that has ended, or cancel it");
    if (!run && !discard)
        return g_strdup("it is settled as soon as both hosts can talk");
    return g_strdup_printf("it is settled as soon as both hosts can talk; if they never will, say "
                           "\"domgrp migrate --settle %s %s\"%s",
                           name, run ? "--run-here --peer-is-off" : "--discard-here",
                           run && discard ? " or \"--discard-here\"" : "");
}

/* @row: it is the guard that refuses; NULL: there is none. */
static void refuse(const Transaction *transaction, const char *what, const MigrationRow *row,
                   GError **error)
{
    g_autofree char *out = way_out(transaction, row);
    g_set_error(error, DOMGRP_ERROR, DOMGRP_ERROR_GROUP_STATE,
                "%s %s: its migration %s %s is %s (%s): %s", transaction->record->group_name, what,
                transaction->side == MIGRATION_SOURCE_SIDE ? "to" : "from",
                transaction->record->peer,
                migration_state_name(transaction->side, transaction->state),
                migration_state_meaning(transaction->side, transaction->state), out);
}

/* -- events that wait -- */

static void event_end(Event *event, const GError *error)
{
    if (event->done != NULL)
        event->done(event->done_data, error);
    g_free(event);
}

static Event *event_new(MigrationEvent event, guint connection, TransactionDone done,
                        gpointer done_data)
{
    Event *new = g_new0(Event, 1);
    *new = (Event){event, connection, done, done_data};
    return new;
}

/* -- time -- */

static void cancel(Transaction *transaction, guint *timer)
{
    if (*timer != 0)
        transaction->ops->timer_cancel(transaction->data, *timer);
    *timer = 0;
}

/* Calls @timeout after @delay_us, which grows for the next time. */
static void try_later(Transaction *transaction, guint *timer, gint64 *delay_us, HostTimeout timeout)
{
    cancel(transaction, timer);
    *timer = transaction->ops->timer_add(transaction->data, *delay_us, timeout, transaction);
    *delay_us = MIN(2 * *delay_us, TRANSACTION_TRY_MAX_US);
}

static void run(Transaction *transaction);
static void try_again(gpointer transaction);

static void time_out(gpointer data)
{
    Transaction *transaction = data;
    transaction->deadline = 0;
    transaction_event(transaction, MIGRATION_EVENT_TIMEOUT, NULL, NULL);
}

/* It runs through all states in a row that have a time-out. */
static void set_deadline(Transaction *transaction, guint before)
{
    gboolean had = migration_step(transaction->side, before, MIGRATION_EVENT_TIMEOUT) != NULL;
    gboolean has = row_for(transaction, MIGRATION_EVENT_TIMEOUT) != NULL;
    if (had && has)
        return;
    cancel(transaction, &transaction->deadline);
    if (has)
        transaction->deadline = transaction->ops->timer_add(
            transaction->data,
            transaction->state == MIGRATION_S_CHECKING ? TRANSACTION_CHECK_US
                                                       : transaction->ready_us,
            time_out, transaction);
}

/* -- the connection -- */

/* What has not been read of it is dropped when its turn comes. */
static void hang_up(Transaction *transaction)
{
    guint connection = transaction->connection;
    transaction->connection = 0;
    if (connection != 0)
        transaction->ops->hang_up(transaction->data, connection);
}

static gboolean wants_connection(const Transaction *transaction)
{
    return transaction->connection == 0 && !transaction->connecting && !transaction->broken &&
           transaction->row == NULL && row_for(transaction, MIGRATION_EVENT_CONNECTED) != NULL;
}

static void reconnect(gpointer data)
{
    Transaction *transaction = data;
    transaction->reconnect = 0;
    if (!wants_connection(transaction))
        return;
    transaction->connecting = TRUE;
    transaction->ops->connect(transaction->data);
}

static void send_message(Transaction *transaction, const char *uuid, MigrationMessage message)
{
    if (transaction->connection != 0)
        transaction->ops->send(transaction->data, transaction->connection, uuid, message);
}

/* What the row has to say belongs to the connection with which it began. */
static void say(Transaction *transaction, MigrationMessage message)
{
    if (message == MIGRATION_MESSAGE_SILENCE ||
        transaction->connection != transaction->row_connection)
        return;
    if (message == MIGRATION_MESSAGE_HANG_UP)
        hang_up(transaction);
    else
        send_message(transaction, transaction->record->uuid, message);
}

/* -- one row -- */

static gboolean write_state(Transaction *transaction, guint state, GError **error)
{
    g_autoptr(JournalMigration) record = journal_migration_copy(transaction->record);
    g_free(record->state);
    record->state = g_strdup(migration_state_name(transaction->side, state));
    memcpy(record->boot_id, transaction->boot_id, sizeof record->boot_id);
    record->entered_us = g_get_real_time();
    if (!transaction->ops->write(transaction->data, record, error))
        return FALSE;
    journal_migration_free(transaction->record);
    transaction->record = g_steal_pointer(&record);
    transaction->recorded = state;
    return TRUE;
}

static void end_row(Transaction *transaction, const GError *error)
{
    Event *event = g_steal_pointer(&transaction->event);
    transaction->row = NULL;
    event_end(event, error);
}

/* The journal cannot be written: as if the daemon had died before that. */
static void break_off(Transaction *transaction, const GError *error)
{
    transaction->broken = transaction->doubt = TRUE;
    hang_up(transaction);
    cancel(transaction, &transaction->deadline);
    try_later(transaction, &transaction->again, &transaction->again_us, try_again);
    transaction->ops->failed(transaction->data, error);
    end_row(transaction, error);
}

static gboolean write_row(Transaction *transaction, MigrationWrite when)
{
    g_autoptr(GError) error = NULL;
    if (transaction->row->write != when || write_state(transaction, transaction->row->next, &error))
        return TRUE;
    break_off(transaction, error);
    return FALSE;
}

static void enter(Transaction *transaction, guint state)
{
    guint before = transaction->state;
    transaction->state = state;
    if (state == before && !is_restart(transaction->row->event))
        return;
    cancel(transaction, &transaction->again);
    set_deadline(transaction, before);
    /* At rest again: after a row, or because what would have begun could not be written. */
    transaction->settled = is_rest(transaction->side, state);
    transaction->ops->enter(transaction->data, state);
}

/* After the action. */
static void finish_row(Transaction *transaction)
{
    if (!write_row(transaction, MIGRATION_AFTER))
        return;
    transaction->again_us = TRANSACTION_TRY_US;
    enter(transaction, transaction->row->next);
    say(transaction, transaction->row->message);
    end_row(transaction, NULL);
}

static void begin_row(Transaction *transaction, Event *event, const MigrationRow *row)
{
    transaction->event = event;
    transaction->row = row;
    transaction->row_connection = transaction->connection;
    transaction->act_failed = FALSE;
    transaction->ops->begins(transaction->data, row);
    if (!write_row(transaction, MIGRATION_BEFORE))
        return;
    if (row->action == MIGRATION_ACTION_NOTHING)
        finish_row(transaction);
    else
        transaction->ops->act(transaction->data, row->action);
}

void transaction_acted(Transaction *transaction, const GError *error)
{
    g_assert(transaction->row != NULL);
    transaction->act_failed = error != NULL;
    if (error != NULL) {
        try_later(transaction, &transaction->again, &transaction->again_us, try_again);
        transaction->ops->failed(transaction->data, error);
        return;
    }
    finish_row(transaction);
    run(transaction);
}

/* -- one event -- */

static gboolean is_message(MigrationEvent event)
{
    return event >= MIGRATION_EVENT_OFFER;
}

/* The other side says what it should not: it is broken or hostile, and gets no second chance. */
static void end_connection(Transaction *transaction)
{
    hang_up(transaction);
    g_queue_push_head(&transaction->events, event_new(MIGRATION_EVENT_LINK_LOST, 0, NULL, NULL));
}

static void take_without_row(Transaction *transaction, const Event *event)
{
    if (is_message(event->event) && transaction->side == MIGRATION_DESTINATION_SIDE &&
        is_rest(transaction->side, transaction->state))
        send_message(transaction, transaction->record->uuid, MIGRATION_MESSAGE_GONE);
    else if (is_message(event->event))
        end_connection(transaction);
    else if (event->event == MIGRATION_EVENT_CONNECTED)
        hang_up(transaction);
    else if (event->event == MIGRATION_EVENT_FAILED &&
             row_for(transaction, MIGRATION_EVENT_ALL_RUN) != NULL)
        try_later(transaction, &transaction->again, &transaction->again_us, try_again);
}

/* It came on a connection that is not the present one any more. */
static gboolean is_stale(const Transaction *transaction, const Event *event)
{
    return event->connection != 0 && event->connection != transaction->connection;
}

static void take(Transaction *transaction, Event *event)
{
    g_autoptr(GError) error = NULL;
    const MigrationRow *row = row_for(transaction, event->event);
    if (is_stale(transaction, event)) {
        event_end(event, NULL);
        return;
    }
    if (event->event == MIGRATION_EVENT_LINK_LOST && event->connection != 0)
        transaction->connection = 0;
    if (row == NULL || (row->guard == MIGRATION_ALONE && transaction->connection != 0)) {
        refuse(transaction, wish(event->event), row, &error);
        if (row == NULL)
            take_without_row(transaction, event);
        event_end(event, error);
        return;
    }
    if (is_message(event->event))
        transaction->reconnect_us = TRANSACTION_TRY_US;
    begin_row(transaction, event, row);
}

/* Takes what waits, as far as it can. The transaction may be gone afterwards. */
static void run(Transaction *transaction)
{
    if (transaction->running)
        return;
    transaction->running = TRUE;
    while (transaction->row == NULL && !transaction->broken && transaction->events.length > 0)
        take(transaction, g_queue_pop_head(&transaction->events));
    if (transaction->reconnect == 0 && wants_connection(transaction))
        try_later(transaction, &transaction->reconnect, &transaction->reconnect_us, reconnect);
    transaction->running = FALSE;
    if (transaction->settled && transaction->row == NULL && !transaction->broken) {
        transaction->settled = FALSE;
        transaction->ops->settled(transaction->data);
    }
}

/* From the record, which is first made sure of. */
static void begin_again(Transaction *transaction)
{
    g_autoptr(GError) error = NULL;
    if (transaction->doubt &&
        !transaction->ops->write(transaction->data, transaction->record, &error)) {
        try_later(transaction, &transaction->again, &transaction->again_us, try_again);
        transaction->ops->failed(transaction->data, error);
        return;
    }
    transaction->broken = transaction->doubt = FALSE;
    transaction->state = transaction->recorded;
    g_queue_push_head(&transaction->events, event_new(restart_event(transaction), 0, NULL, NULL));
}

static void try_again(gpointer data)
{
    Transaction *transaction = data;
    transaction->again = 0;
    if (transaction->broken) {
        begin_again(transaction);
    } else if (transaction->row != NULL && transaction->act_failed) {
        transaction->act_failed = FALSE;
        transaction->ops->act(transaction->data, transaction->row->action);
        return;
    } else if (transaction->row == NULL) {
        transaction->ops->enter(transaction->data, transaction->state);
    }
    run(transaction);
}

/* -- what happens -- */

static void push(Transaction *transaction, Event *event)
{
    g_queue_push_tail(&transaction->events, event);
    run(transaction);
}

void transaction_restart(Transaction *transaction)
{
    push(transaction, event_new(restart_event(transaction), 0, NULL, NULL));
}

void transaction_event(Transaction *transaction, MigrationEvent event, TransactionDone done,
                       gpointer done_data)
{
    g_autoptr(GError) error = NULL;
    g_assert(!is_message(event));
    Event *new = event_new(event, 0, done, done_data);
    if (event == MIGRATION_EVENT_COPY_LOST) {
        g_queue_push_head(&transaction->events, new); /* before anybody counts on that copy */
        run(transaction);
        return;
    }
    if (done == NULL || transaction->events.length < TRANSACTION_MAX_EVENTS) {
        push(transaction, new);
        return;
    }
    g_set_error(&error, DOMGRP_ERROR, DOMGRP_ERROR_GROUP_LIMIT,
                "%s: its migration has %u events to take already: try again later",
                transaction->record->group_name, TRANSACTION_MAX_EVENTS);
    event_end(new, error);
}

void transaction_migrate(Transaction *transaction, guint connection, TransactionDone done,
                         gpointer done_data)
{
    transaction->connection = connection;
    push(transaction, event_new(MIGRATION_EVENT_MIGRATE, 0, done, done_data));
}

/* What waits of connections is dropped, and their end waits once, however many there were. */
static void replace_connection(Transaction *transaction)
{
    GList *next;
    for (GList *link = transaction->events.head; link != NULL; link = next) {
        Event *event = link->data;
        next = link->next;
        if (event->connection == 0 && event->event != MIGRATION_EVENT_LINK_LOST)
            continue;
        event_end(event, NULL);
        g_queue_delete_link(&transaction->events, link);
    }
    hang_up(transaction);
    g_queue_push_tail(&transaction->events, event_new(MIGRATION_EVENT_LINK_LOST, 0, NULL, NULL));
}

void transaction_connected(Transaction *transaction, guint connection)
{
    gboolean replaces = transaction->connection != 0 && connection != 0;
    transaction->connecting = FALSE;
    if (replaces)
        replace_connection(transaction);
    if (connection != 0)
        transaction->connection = connection;
    if (connection != 0 && transaction->side == MIGRATION_SOURCE_SIDE)
        g_queue_push_tail(&transaction->events,
                          event_new(MIGRATION_EVENT_CONNECTED, connection, NULL, NULL));
    run(transaction);
}

void transaction_link_lost(Transaction *transaction, guint connection)
{
    push(transaction, event_new(MIGRATION_EVENT_LINK_LOST, connection, NULL, NULL));
}

void transaction_receive(Transaction *transaction, guint connection, const char *uuid,
                         MigrationMessage message)
{
    if (connection == 0 || connection != transaction->connection)
        return;
    if (strcmp(uuid, transaction->record->uuid) != 0) {
        if (transaction->side == MIGRATION_DESTINATION_SIDE)
            send_message(transaction, uuid, MIGRATION_MESSAGE_GONE);
        return;
    }
    if (transaction->events.length >= TRANSACTION_MAX_EVENTS)
        end_connection(transaction);
    else
        g_queue_push_tail(&transaction->events,
                          event_new(migration_message_event(message), connection, NULL, NULL));
    run(transaction);
}

void transaction_try(Transaction *transaction)
{
    if (transaction->reconnect == 0)
        return;
    cancel(transaction, &transaction->reconnect);
    reconnect(transaction);
}

/* -- the object -- */

Transaction *transaction_new(const TransactionOps *ops, gpointer data, MigrationSide side,
                             const JournalMigration *record, const char *boot_id)
{
    Transaction *transaction = g_new0(Transaction, 1);
    transaction->ops = ops;
    transaction->data = data;
    transaction->side = side;
    g_strlcpy(transaction->boot_id, boot_id, sizeof transaction->boot_id);
    transaction->record = journal_migration_copy(record);
    if (!migration_state_from_record(side, record->state, &transaction->recorded))
        g_error("\"%s\" is no state of a migration's record", record->state);
    transaction->state = transaction->recorded;
    transaction->ready_us = TRANSACTION_READY_US;
    transaction->again_us = transaction->reconnect_us = TRANSACTION_TRY_US;
    g_queue_init(&transaction->events);
    return transaction;
}

void transaction_free(Transaction *transaction)
{
    if (transaction == NULL)
        return;
    cancel(transaction, &transaction->deadline);
    cancel(transaction, &transaction->again);
    cancel(transaction, &transaction->reconnect);
    g_queue_clear_full(&transaction->events, g_free);
    g_free(transaction->event);
    journal_migration_free(transaction->record);
    g_free(transaction);
}

void transaction_set_ready_us(Transaction *transaction, gint64 us)
{
    transaction->ready_us = us;
}

void transaction_refuse(const Transaction *transaction, const char *what, GError **error)
{
    refuse(transaction, what, NULL, error);
}

guint transaction_state(const Transaction *transaction)
{
    return transaction->state;
}

gboolean transaction_is_connected(const Transaction *transaction)
{
    return transaction->connection != 0;
}

gboolean transaction_is_connecting(const Transaction *transaction)
{
    return transaction->connecting;
}

gboolean transaction_is_busy(const Transaction *transaction)
{
    return transaction->row != NULL || transaction->broken;
}

const JournalMigration *transaction_record(const Transaction *transaction)
{
    return transaction->record;
}

/* -- its journal -- */

gboolean transaction_store(Journal *journal, const JournalMigration *record,
                           const JournalGroup *group, GError **error)
{
    if (strcmp(record->state, "HOME") == 0)
        return journal->ops->migration_end(journal, record->uuid, group, error);
    if (strcmp(record->state, "NONE") == 0)
        return journal->ops->migration_end(journal, record->uuid, NULL, error);
    return journal->ops->migration_put(journal, record, group, error);
}
