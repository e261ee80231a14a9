/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The driver of a migration by itself: when it tries again, what it drops,
 * what it refuses and how it says so. What it does with the table is the
 * walk's to say.
 */
#include "sim.h"
#include "transaction.h"

#include <string.h>

#define TRANSACTION "aaaaaaaa-0000-4000-8000-000000000001"
#define ANOTHER "aaaaaaaa-0000-4000-8000-000000000002"
#define BOOT "bbbbbbbb-0000-4000-8000-000000000001"

typedef struct {
    Host *clock;
    Transaction *transaction;
    GString *told; /* what was done to the world, since it was looked at */
    GError *write_error;
    GError *act_error;
    gboolean acts; /* an action ends at once */
    gboolean whole;
} Fixture;

/* -- a world that writes down what it is told -- */

static void tell(Fixture *fixture, const char *format, ...) G_GNUC_PRINTF(2, 3);

static void tell(Fixture *fixture, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    if (fixture->told->len > 0)
        g_string_append(fixture->told, ", ");
    g_string_append_vprintf(fixture->told, format, arguments);
    va_end(arguments);
}

static void begins(gpointer data, const MigrationRow *row)
{
}

static gboolean write_record(gpointer data, JournalMigration *record, GError **error)
{
    Fixture *fixture = data;
    tell(fixture, "write %s", record->state);
    if (fixture->write_error == NULL)
        return TRUE;
    g_propagate_error(error, g_steal_pointer(&fixture->write_error));
    return FALSE;
}

static void act(gpointer data, MigrationAction action)
{
    Fixture *fixture = data;
    g_autoptr(GError) error = g_steal_pointer(&fixture->act_error);
    tell(fixture, "act");
    if (fixture->acts || error != NULL)
        transaction_acted(fixture->transaction, error);
}

static gboolean is_whole(gpointer data)
{
    return ((Fixture *)data)->whole;
}

static void enter(gpointer data, guint state)
{
    tell(data, "enter %u", state);
}

static void send(gpointer data, guint connection, const char *uuid, MigrationMessage message)
{
    tell(data, "say %s%s", migration_event_name(migration_message_event(message)),
         strcmp(uuid, TRANSACTION) == 0 ? "" : " of another");
}

static void hang_up(gpointer data, guint connection)
{
    tell(data, "hang up %u", connection);
}

static void connect(gpointer data)
{
    Fixture *fixture = data;
    tell(fixture, "connect at %d",
         (int)(fixture->clock->ops->now(fixture->clock) / G_USEC_PER_SEC));
}

static guint timer_add(gpointer data, gint64 delay_us, HostTimeout timeout, gpointer timeout_data)
{
    Host *clock = ((Fixture *)data)->clock;
    return clock->ops->timer_add(clock, delay_us, timeout, timeout_data);
}

static void timer_cancel(gpointer data, guint timer)
{
    Host *clock = ((Fixture *)data)->clock;
    clock->ops->timer_cancel(clock, timer);
}

static void failed(gpointer data, const GError *error)
{
    tell(data, "failed: %s", error->message);
}

static void settled(gpointer data)
{
    tell(data, "settled");
}

static const TransactionOps ops = {begins,  write_record, act,       is_whole,     enter,  send,
                                   hang_up, connect,      timer_add, timer_cancel, failed, settled};

static void begin(Fixture *fixture, MigrationSide side, const char *state)
{
    g_autoptr(JournalMigration) record = journal_migration_new();
    memcpy(record->uuid, TRANSACTION, sizeof record->uuid);
    memcpy(record->boot_id, BOOT, sizeof record->boot_id);
    record->group_name = g_strdup("shop");
    record->peer = g_strdup("xen2");
    record->state = g_strdup(state);
    fixture->transaction = transaction_new(&ops, fixture, side, record, BOOT);
}

static void set_up(Fixture *fixture, gconstpointer data)
{
    fixture->clock = host_sim_new();
    fixture->told = g_string_new(NULL);
    fixture->acts = fixture->whole = TRUE;
}

static void tear_down(Fixture *fixture, gconstpointer data)
{
    transaction_free(fixture->transaction);
    fixture->clock->ops->free(fixture->clock);
    g_string_free(fixture->told, TRUE);
}

static void assert_told(Fixture *fixture, const char *expected)
{
    g_assert_cmpstr(fixture->told->str, ==, expected);
    g_string_truncate(fixture->told, 0);
}

static void pass(Fixture *fixture, guint seconds)
{
    g_assert_true(host_sim_run_for(fixture->clock, seconds * G_USEC_PER_SEC));
}

/* The source, as far as it is waiting for READY, on connection 1. */
static void begin_waiting(Fixture *fixture)
{
    begin(fixture, MIGRATION_SOURCE_SIDE, "HOME");
    transaction_migrate(fixture->transaction, 1, NULL, NULL);
    transaction_receive(fixture->transaction, 1, TRANSACTION, MIGRATION_MESSAGE_ACCEPT);
    transaction_event(fixture->transaction, MIGRATION_EVENT_COPIED, NULL, NULL);
    assert_told(fixture, "enter 1, say OFFER, write SENDING, enter 2, write SWITCHING, enter 3");
}

/* -- time -- */

/* Ten seconds from the first suspend, however many of them went before the last. */
static void test_ready_in_time(Fixture *fixture, gconstpointer data)
{
    begin_waiting(fixture);
    pass(fixture, 7);
    transaction_event(fixture->transaction, MIGRATION_EVENT_SENT, NULL, NULL);
    assert_told(fixture, "enter 4, say END");
    pass(fixture, 2);
    assert_told(fixture, "");
    pass(fixture, 1);
    assert_told(fixture, "write ABORTED, act, enter 7, hang up 1");
}

static void test_ready_us(Fixture *fixture, gconstpointer data)
{
    begin(fixture, MIGRATION_SOURCE_SIDE, "SENDING");
    transaction_set_ready_us(fixture->transaction, 30 * G_USEC_PER_SEC);
    transaction_event(fixture->transaction, MIGRATION_EVENT_COPIED, NULL, NULL);
    assert_told(fixture, "write SWITCHING, enter 3");
    pass(fixture, 29);
    assert_told(fixture, "");
    pass(fixture, 1);
    assert_told(fixture, "act, write HOME, enter 0, settled");
}

static void test_check_in_time(Fixture *fixture, gconstpointer data)
{
    begin(fixture, MIGRATION_SOURCE_SIDE, "HOME");
    transaction_migrate(fixture->transaction, 1, NULL, NULL);
    pass(fixture, 60);
    assert_told(fixture, "enter 1, say OFFER, enter 0, hang up 1, settled");
}

static void test_reconnects(Fixture *fixture, gconstpointer data)
{
    static const int seconds[] = {1, 3, 7, 15, 31, 63, 123, 183};
    begin(fixture, MIGRATION_SOURCE_SIDE, "COMMITTED");
    transaction_restart(fixture->transaction);
    assert_told(fixture, "act, enter 5");
    for (guint i = 0; i < G_N_ELEMENTS(seconds); i++) {
        g_autofree char *expected = g_strdup_printf("connect at %d", seconds[i]);
        pass(fixture, (guint)(seconds[i] - (i > 0 ? seconds[i - 1] : 0)));
        assert_told(fixture, expected);
        transaction_connected(fixture->transaction, 0);
    }
    transaction_try(fixture->transaction);
    assert_told(fixture, "connect at 183");
    transaction_connected(fixture->transaction, 7);
    assert_told(fixture, "say COMMIT");
    transaction_receive(fixture->transaction, 7, TRANSACTION, MIGRATION_MESSAGE_DONE);
    transaction_link_lost(fixture->transaction, 7);
    assert_told(fixture, "write MOVED, act, enter 10, say FORGET");
    pass(fixture, 1); /* somebody has answered: soon again */
    assert_told(fixture, "connect at 184");
}

/* -- failures -- */

static GError *no_room(void)
{
    return g_error_new(DOMGRP_ERROR, DOMGRP_ERROR_STORE, "no room");
}

/* Nothing of the row has happened; the record is made sure of, and it begins there again. */
static void test_write_fails(Fixture *fixture, gconstpointer data)
{
    begin(fixture, MIGRATION_DESTINATION_SIDE, "PREPARED");
    transaction_connected(fixture->transaction, 1);
    fixture->write_error = no_room();
    transaction_receive(fixture->transaction, 1, TRANSACTION, MIGRATION_MESSAGE_COMMIT);
    assert_told(fixture, "write ACTIVATING, hang up 1, failed: no room");
    g_assert_true(transaction_is_busy(fixture->transaction));
    fixture->write_error = no_room();
    pass(fixture, 1);
    assert_told(fixture, "write PREPARED, failed: no room");
    pass(fixture, 1);
    assert_told(fixture, "");
    pass(fixture, 1);
    assert_told(fixture, "write PREPARED, act, enter 2");
    g_assert_cmpuint(transaction_state(fixture->transaction), ==, MIGRATION_D_PREPARED);
}

static void test_action_fails(Fixture *fixture, gconstpointer data)
{
    begin(fixture, MIGRATION_DESTINATION_SIDE, "PREPARED");
    transaction_connected(fixture->transaction, 1);
    fixture->act_error = g_error_new(DOMGRP_ERROR, DOMGRP_ERROR_HOST, "it hangs");
    transaction_receive(fixture->transaction, 1, TRANSACTION, MIGRATION_MESSAGE_ABORT);
    assert_told(fixture, "act, failed: it hangs");
    transaction_event(fixture->transaction, MIGRATION_EVENT_DISCARD_HERE, NULL, NULL);
    assert_told(fixture, "");
    pass(fixture, 1);
    assert_told(fixture, "act, write NONE, enter 0, say GONE, settled");
}

/* There is no way back from ACTIVATING. */
static void test_start_fails(Fixture *fixture, gconstpointer data)
{
    begin(fixture, MIGRATION_DESTINATION_SIDE, "ACTIVATING");
    transaction_restart(fixture->transaction);
    transaction_event(fixture->transaction, MIGRATION_EVENT_FAILED, NULL, NULL);
    assert_told(fixture, "enter 3");
    pass(fixture, 1);
    assert_told(fixture, "enter 3");
    transaction_event(fixture->transaction, MIGRATION_EVENT_ALL_RUN, NULL, NULL);
    assert_told(fixture, "write DONE, enter 4");
    pass(fixture, 100);
    assert_told(fixture, "");
}

/* -- what is dropped -- */

static void test_old_connection(Fixture *fixture, gconstpointer data)
{
    begin(fixture, MIGRATION_DESTINATION_SIDE, "PREPARED");
    transaction_connected(fixture->transaction, 1);
    transaction_connected(fixture->transaction, 2);
    assert_told(fixture, "hang up 1");
    transaction_receive(fixture->transaction, 1, TRANSACTION, MIGRATION_MESSAGE_COMMIT);
    transaction_link_lost(fixture->transaction, 1);
    assert_told(fixture, "");
    g_assert_true(transaction_is_connected(fixture->transaction));
    transaction_receive(fixture->transaction, 2, TRANSACTION, MIGRATION_MESSAGE_COMMIT);
    assert_told(fixture, "write ACTIVATING, enter 3");
}

/* What waited when its connection ended is not taken. */
static void test_waiting_message(Fixture *fixture, gconstpointer data)
{
    fixture->acts = FALSE;
    begin(fixture, MIGRATION_DESTINATION_SIDE, "PREPARED");
    transaction_connected(fixture->transaction, 1);
    transaction_restart(fixture->transaction);
    transaction_receive(fixture->transaction, 1, TRANSACTION, MIGRATION_MESSAGE_COMMIT);
    transaction_connected(fixture->transaction, 2);
    assert_told(fixture, "act, hang up 1");
    transaction_acted(fixture->transaction, NULL);
    assert_told(fixture, "enter 2");
}

static void test_another_transaction(Fixture *fixture, gconstpointer data)
{
    begin(fixture, MIGRATION_DESTINATION_SIDE, "PREPARED");
    transaction_connected(fixture->transaction, 1);
    transaction_receive(fixture->transaction, 1, ANOTHER, MIGRATION_MESSAGE_COMMIT);
    assert_told(fixture, "say GONE of another");
    g_clear_pointer(&fixture->transaction, transaction_free);
    begin_waiting(fixture);
    transaction_receive(fixture->transaction, 1, ANOTHER, MIGRATION_MESSAGE_GONE);
    assert_told(fixture, "");
}

/* A broken peer loses the connection, and what it has said changes nothing. */
static void test_unexpected(Fixture *fixture, gconstpointer data)
{
    begin(fixture, MIGRATION_DESTINATION_SIDE, "PREPARED");
    transaction_connected(fixture->transaction, 1);
    transaction_receive(fixture->transaction, 1, TRANSACTION, MIGRATION_MESSAGE_FORGET);
    assert_told(fixture, "hang up 1");
    g_assert_cmpuint(transaction_state(fixture->transaction), ==, MIGRATION_D_PREPARED);
}

static void test_flood(Fixture *fixture, gconstpointer data)
{
    fixture->acts = FALSE;
    begin(fixture, MIGRATION_DESTINATION_SIDE, "PREPARED");
    transaction_restart(fixture->transaction);
    transaction_connected(fixture->transaction, 1);
    for (guint i = 0; i < TRANSACTION_MAX_EVENTS; i++)
        transaction_receive(fixture->transaction, 1, TRANSACTION, MIGRATION_MESSAGE_COMMIT);
    assert_told(fixture, "act");
    transaction_receive(fixture->transaction, 1, TRANSACTION, MIGRATION_MESSAGE_COMMIT);
    assert_told(fixture, "hang up 1");
    transaction_acted(fixture->transaction, NULL);
    assert_told(fixture, "enter 2");
}

/* A copy that is gone is seen before anybody counts on it. */
static void test_copy_lost_first(Fixture *fixture, gconstpointer data)
{
    fixture->acts = FALSE;
    begin(fixture, MIGRATION_DESTINATION_SIDE, "PREPARED");
    transaction_connected(fixture->transaction, 1);
    transaction_restart(fixture->transaction);
    transaction_receive(fixture->transaction, 1, TRANSACTION, MIGRATION_MESSAGE_COMMIT);
    transaction_event(fixture->transaction, MIGRATION_EVENT_COPY_LOST, NULL, NULL);
    fixture->acts = TRUE;
    transaction_acted(fixture->transaction, NULL);
    assert_told(fixture, "act, enter 2, write DISCARDED, act, enter 6, say DISCARDED");
}

static void test_restart_lost(Fixture *fixture, gconstpointer data)
{
    fixture->whole = FALSE;
    begin(fixture, MIGRATION_DESTINATION_SIDE, "PREPARED");
    transaction_restart(fixture->transaction);
    assert_told(fixture, "write DISCARDED, act, enter 6");
}

/* -- refusals -- */

static void note(gpointer data, const GError *error)
{
    Fixture *fixture = data;
    if (error != NULL)
        g_assert_error(error, DOMGRP_ERROR, DOMGRP_ERROR_GROUP_STATE);
    tell(fixture, "%s", error != NULL ? error->message : "done");
}

static void test_refusals(Fixture *fixture, gconstpointer data)
{
    begin(fixture, MIGRATION_DESTINATION_SIDE, "PREPARED");
    transaction_event(fixture->transaction, MIGRATION_EVENT_START, note, fixture);
    assert_told(fixture,
                "shop cannot be started: its migration from xen2 is PREPARED (every copy is "
                "complete and held; in doubt until the source has said more): it is settled as "
                "soon as both hosts can talk; if they never will, say \"domgrp migrate --settle "
                "shop --run-here --peer-is-off\" or \"--discard-here\"");
    transaction_connected(fixture->transaction, 1);
    transaction_event(fixture->transaction, MIGRATION_EVENT_RUN_HERE, note, fixture);
    assert_told(fixture, "shop cannot be told to run here: its migration from xen2 is PREPARED "
                         "(every copy is complete and held; in doubt until the source has said "
                         "more): xen2 is connected, and both sides settle it");
    transaction_link_lost(fixture->transaction, 1);
    transaction_event(fixture->transaction, MIGRATION_EVENT_RUN_HERE, note, fixture);
    assert_told(fixture, "write ACTIVATING, enter 3, done");
}

static void test_refusals_at_source(Fixture *fixture, gconstpointer data)
{
    begin_waiting(fixture);
    transaction_event(fixture->transaction, MIGRATION_EVENT_START, note, fixture);
    assert_told(fixture, "shop cannot be started: its migration to xen2 is SWITCHING (members are "
                         "suspended, in reverse order, and the rest is sent): wait until that has "
                         "ended, or cancel it");
    transaction_event(fixture->transaction, MIGRATION_EVENT_CANCEL, note, fixture);
    assert_told(fixture, "act, write HOME, enter 0, hang up 1, done, settled");
    transaction_event(fixture->transaction, MIGRATION_EVENT_DISCARD_HERE, note, fixture);
    assert_told(fixture, "shop has no copies here that could be discarded: its migration to xen2 "
                         "is HOME (the group is here, and no migration of it is open): nothing of "
                         "it is open any more");
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        void (*run)(Fixture *fixture, gconstpointer data);
    } tests[] = {
        {"/transaction/ready-in-time", test_ready_in_time},
        {"/transaction/ready-us", test_ready_us},
        {"/transaction/check-in-time", test_check_in_time},
        {"/transaction/reconnects", test_reconnects},
        {"/transaction/write-fails", test_write_fails},
        {"/transaction/action-fails", test_action_fails},
        {"/transaction/start-fails", test_start_fails},
        {"/transaction/old-connection", test_old_connection},
        {"/transaction/waiting-message", test_waiting_message},
        {"/transaction/another-transaction", test_another_transaction},
        {"/transaction/unexpected", test_unexpected},
        {"/transaction/flood", test_flood},
        {"/transaction/copy-lost-first", test_copy_lost_first},
        {"/transaction/restart-lost", test_restart_lost},
        {"/transaction/refusals", test_refusals},
        {"/transaction/refusals-at-source", test_refusals_at_source},
    };
    g_test_init(&argc, &argv, NULL);
    for (guint i = 0; i < G_N_ELEMENTS(tests); i++)
        g_test_add(tests[i].name, Fixture, NULL, set_up, tests[i].run, tear_down);
    return g_test_run();
}
