/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The migration of a group: binds its driver (transaction.h) to the group, to
 * the operations that work for it, to the host and to the connection.
 *
 * A migration is the group's, and outlives its operations: MIGRATE sends the
 * group, RECEIVE builds it, ACTIVATE lets it run. They ask the driver before
 * they go on, and none of them takes back what it did to members: that is an
 * action of a row (act), which begins when the operation has come to rest
 * (parked, or over). Nothing here calls back into the driver from one of
 * its own callbacks: what has to happen is noted, and a turn of the engine does it.
 */
#include "migrate.h"

#include <string.h>
#include <unistd.h>

Links *migration_links(const Migration *migration)
{
    return migration->engine->links;
}

Host *migration_host(const Migration *migration)
{
    return migration->engine->host;
}

/* -- what state it is in -- */

gboolean migration_is_source(const Migration *migration)
{
    return migration->side == MIGRATION_SOURCE_SIDE;
}

guint migration_state(const Migration *migration)
{
    if (migration->transaction != NULL)
        return transaction_state(migration->transaction);
    return migration_is_source(migration) ? (guint)MIGRATION_S_HOME : (guint)MIGRATION_D_NONE;
}

gboolean migration_is_busy(const Migration *migration)
{
    return migration->transaction != NULL && transaction_is_busy(migration->transaction);
}

gboolean migration_is_connected(const Migration *migration)
{
    return migration->transaction != NULL && transaction_is_connected(migration->transaction);
}

/* The members live as members do. */
static gboolean is_free(const Migration *migration)
{
    guint state = migration_state(migration);
    if (migration->acting != MIGRATION_ACTION_NOTHING || migration->is_loaded)
        return FALSE;
    return migration_is_source(migration)
               ? state == MIGRATION_S_HOME || state == MIGRATION_S_CHECKING ||
                     state == MIGRATION_S_SENDING || state == MIGRATION_S_ABORTED
               : state == MIGRATION_D_DONE || state == MIGRATION_D_HOME;
}

gboolean migration_is_away(MigrationSide side, guint state)
{
    return side == MIGRATION_SOURCE_SIDE
               ? state == MIGRATION_S_MOVED || state == MIGRATION_S_NONE
               : state == MIGRATION_D_NONE || state == MIGRATION_D_DISCARDED;
}

gboolean migration_has_moved(const Group *group)
{
    const Migration *migration = group->migration;
    if (migration == NULL)
        return FALSE;
    guint state = migration_state(migration);
    return migration_is_away(migration->side, state) ||
           (!migration_is_source(migration) && state == MIGRATION_D_RECEIVING);
}

gboolean migration_holds(const Group *group)
{
    const Migration *migration = group->migration;
    return migration != NULL && !migration->operator_paused && !is_free(migration);
}

gboolean migration_keeps(const Group *group)
{
    return group->migration != NULL && !is_free(group->migration);
}

gboolean migration_acts(const Group *group)
{
    return group != NULL && group->migration != NULL && migration_is_busy(group->migration);
}

GroupState migration_group_state(const Group *group)
{
    const Migration *migration = group->migration;
    if (migration == NULL || is_free(migration))
        return GROUP_STATE_COUNT;
    guint state = migration_state(migration);
    return migration_is_source(migration) &&
                   (state == MIGRATION_S_MOVED || state == MIGRATION_S_NONE)
               ? GROUP_MOVED
               : GROUP_IN_DOUBT;
}

gboolean migration_admits(const Group *group, OperationKind kind, GError **error)
{
    const Migration *migration = group->migration;
    gboolean ends = kind == OPERATION_MIGRATE || kind == OPERATION_DELETE || kind == OPERATION_JOIN;
    if (migration == NULL || migration->transaction == NULL || kind == OPERATION_RECEIVE ||
        kind == OPERATION_ACTIVATE || (is_free(migration) && !ends))
        return TRUE;
    g_autofree char *what = g_strdup_printf("cannot do its %s now", kinds[kind].name);
    transaction_refuse(migration->transaction, kind == OPERATION_START ? "cannot be started" : what,
                       error);
    return FALSE;
}

gboolean group_get_migration(const Group *group, GroupMigration *ret_migration)
{
    const Migration *migration = group->migration;
    if (migration == NULL || migration->transaction == NULL)
        return FALSE;
    guint state = migration_state(migration);
    MigrationSide side = migration->side;
    *ret_migration = (GroupMigration){
        .transaction = migration->uuid,
        .is_source = migration_is_source(migration),
        .peer = migration->peer,
        .state = migration_state_name(side, state),
        .meaning = migration_state_meaning(side, state),
        .entered_us = transaction_record(migration->transaction)->entered_us,
        .connected = migration_is_connected(migration),
        .link_error = migration->link_error != NULL ? migration->link_error->message : "",
        .may_run = migration_step(side, state, MIGRATION_EVENT_RUN_HERE) != NULL,
        .may_discard = migration_step(side, state, MIGRATION_EVENT_DISCARD_HERE) != NULL,
    };
    return TRUE;
}

void migration_set_why(Migration *migration, const GError *error)
{
    if (error == NULL)
        return;
    g_clear_error(&migration->why);
    migration->why = g_error_copy(error);
}

void migration_set_why_of_link(Migration *migration, const GError *error)
{
    g_autoptr(GError) why = error != NULL ? g_error_copy(error) : NULL;
    g_prefix_error(&why, "%s: ", migration->peer);
    migration_set_why(migration, why);
}

GError *migration_why(const Migration *migration)
{
    if (migration->why != NULL)
        return g_error_copy(migration->why);
    if (migration->row != NULL && migration->row->action == MIGRATION_ACTION_RESUME)
        return g_error_new(DOMGRP_ERROR, DOMGRP_ERROR_TIMEOUT,
                           "%s had not all of it when the members had stood still for as long as "
                           "they may: allow more with --ready-timeout",
                           migration->peer);
    return g_error_new(DOMGRP_ERROR, DOMGRP_ERROR_TIMEOUT, "%s did not answer in time",
                       migration->peer);
}

/* -- copies -- */

static const JournalCopy *copy_of(const Migration *migration, const MemberNode *member)
{
    const GArray *copies = transaction_record(migration->transaction)->copies;
    for (guint i = 0; i < copies->len; i++) {
        const JournalCopy *copy = &g_array_index(copies, JournalCopy, i);
        if (strcmp(copy->member_uuid, member->shown.uuid) == 0)
            return copy;
    }
    return NULL;
}

gboolean migration_has_copy(const Migration *migration, const MemberNode *member)
{
    const JournalCopy *copy = copy_of(migration, member);
    return copy != NULL && member_has_domain(member) && copy->domid == member->domain.domid;
}

static gboolean is_whole(gpointer data)
{
    const Migration *migration = data;
    for (guint i = 0; i < migration->group->members->len; i++)
        if (!migration_has_copy(migration, migration->group->members->pdata[i]))
            return FALSE;
    return TRUE;
}

/* -- the driver's ways to the world -- */

static void begins(gpointer data, const MigrationRow *row)
{
    Migration *migration = data;
    migration->row = row;
    g_clear_error(&migration->failed);
}

/* What the members are from the moment that @state is written. */
static void prepare_members(const Migration *migration, const char *state)
{
    gboolean suspends = migration_is_source(migration) && strcmp(state, "SWITCHING") == 0;
    gboolean ours = !migration_is_source(migration) && strcmp(state, "PREPARED") == 0;
    for (guint i = 0; i < migration->group->members->len; i++) {
        MemberNode *member = migration->group->members->pdata[i];
        if (suspends)
            member->suspend_domid = member->domain.domid;
        if (ours) {
            member->owned = TRUE;
            member->owned_domid = member->domain.domid;
        }
    }
}

static gboolean write_record(gpointer data, JournalMigration *record, GError **error)
{
    Migration *migration = data;
    Group *group = migration->group;
    g_array_set_size(record->copies, 0);
    for (guint i = 0; i < group->members->len; i++) {
        const MemberNode *member = group->members->pdata[i];
        JournalCopy copy = {.domid = member->domain.domid};
        memcpy(copy.member_uuid, member->shown.uuid, sizeof copy.member_uuid);
        g_array_append_val(record->copies, copy);
    }
    if (group->operation != NULL)
        memcpy(record->operation_uuid, group->operation->uuid, sizeof record->operation_uuid);
    prepare_members(migration, record->state);
    g_autoptr(JournalGroup) kept = group_to_journal(group);
    return transaction_store(migration->engine->journal, record, kept, error);
}

static void act(gpointer data, MigrationAction action)
{
    Migration *migration = data;
    migration->acting = action;
    migration->stage = 0;
    migration->stopping = FALSE;
    g_hash_table_remove_all(migration->acted);
    engine_soon(migration->engine);
}

static void note_moved(const Operation *operation)
{
    if (operation == NULL || operation->kind != OPERATION_MIGRATE)
        return;
    for (guint i = 0; i < operation->members->len; i++)
        operation_note_gone_on(operation, node_of(operation, i));
}

static void enter(gpointer data, guint state)
{
    Migration *migration = data;
    Group *group = migration->group;
    Operation *operation = group->operation;
    if (migration_is_source(migration) && state == MIGRATION_S_COMMITTED && operation != NULL) {
        operation->committed = TRUE;
        operation->policy = DOMGRP_POLICY_CONTINUE;
    }
    if (migration_is_source(migration) && state == MIGRATION_S_MOVED)
        note_moved(operation);
    if (!migration_is_source(migration) && state == MIGRATION_D_RECEIVING && !group->defined)
        group_define(group);
    if (!migration_is_source(migration) && state == MIGRATION_D_ACTIVATING)
        migration->let = LET_NOT;
    settlings_wake(migration->engine, group);
    engine_tell_group(group);
    engine_soon(migration->engine);
}

static void say(const Migration *migration, guint connection, const char *uuid,
                MigrationMessage message)
{
    MigrationSaid said = {.message = message, .reason = ""};
    g_strlcpy(said.transaction, uuid, sizeof said.transaction);
    if (message == MIGRATION_MESSAGE_GONE && migration->why != NULL)
        said.reason = migration->why->message;
    migration_links(migration)->ops->say(migration_links(migration), connection, &said);
}

static void send_message(gpointer data, guint connection, const char *uuid,
                         MigrationMessage message)
{
    const Migration *migration = data;
    if (migration_links(migration) == NULL)
        return;
    if (message == MIGRATION_MESSAGE_OFFER)
        migration_say_offer(migration, migration->group->operation);
    else if (message == MIGRATION_MESSAGE_ACCEPT)
        migration_say_accept(migration, connection);
    else
        say(migration, connection, uuid, message);
}

static void hang_up(gpointer data, guint connection)
{
    Migration *migration = data;
    if (migration->connection == connection)
        migration->connection = 0;
    if (migration_links(migration) != NULL)
        migration_links(migration)->ops->hang_up(migration_links(migration), connection);
}

void migration_connect(gpointer data)
{
    Migration *migration = data;
    Links *links = migration_links(migration);
    if (links != NULL)
        migration->connection = links->ops->connect(links, migration->peer, migration->command);
    else
        transaction_connected(migration->transaction, 0);
}

static guint timer_add(gpointer data, gint64 delay_us, HostTimeout timeout, gpointer timeout_data)
{
    Host *host = migration_host(data);
    return host->ops->timer_add(host, delay_us, timeout, timeout_data);
}

static void timer_cancel(gpointer data, guint timer)
{
    Host *host = migration_host(data);
    host->ops->timer_cancel(host, timer);
}

static void failed(gpointer data, const GError *error)
{
    Migration *migration = data;
    const EngineListener *listener = migration->engine->listener;
    if (migration->why == NULL)
        migration_set_why(migration, error);
    g_clear_error(&migration->failed);
    migration->failed = g_error_copy(error);
    if (listener->migration_failed != NULL)
        listener->migration_failed(migration->engine->listener_data, migration->group, error);
    engine_soon(migration->engine);
}

static void settled(gpointer data)
{
    Migration *migration = data;
    migration->over = TRUE;
    engine_soon(migration->engine);
}

static const TransactionOps transaction_ops = {.begins = begins,
                                               .write = write_record,
                                               .act = act,
                                               .is_whole = is_whole,
                                               .enter = enter,
                                               .send = send_message,
                                               .hang_up = hang_up,
                                               .connect = migration_connect,
                                               .timer_add = timer_add,
                                               .timer_cancel = timer_cancel,
                                               .failed = failed,
                                               .settled = settled};

/* -- the object -- */

Migration *migration_new(Group *group, MigrationSide side, const char *uuid, const char *peer,
                         const char *command)
{
    Migration *migration = g_new0(Migration, 1);
    migration->engine = group->engine;
    migration->group = group;
    migration->side = side;
    g_strlcpy(migration->uuid, uuid, sizeof migration->uuid);
    migration->peer = g_strdup(peer);
    migration->command = g_strdup(command);
    migration->acted = g_hash_table_new(NULL, NULL);
    migration->data = -1;
    group->migration = migration;
    return migration;
}

void migration_close_data(Migration *migration)
{
    if (migration->data >= 0)
        close(migration->data);
    migration->data = -1;
}

void migration_free(Migration *migration)
{
    if (migration == NULL)
        return;
    migration_close_data(migration);
    transaction_free(migration->transaction);
    g_hash_table_unref(migration->acted);
    g_free(migration->peer);
    g_free(migration->command);
    g_free(migration->verdict);
    g_clear_error(&migration->why);
    g_clear_error(&migration->failed);
    g_clear_error(&migration->link_error);
    g_free(migration);
}

void migration_drop(Migration *migration)
{
    migration->group->migration = NULL;
    if (migration->connection != 0 && migration_links(migration) != NULL)
        migration_links(migration)->ops->hang_up(migration_links(migration), migration->connection);
    migration_free(migration);
}

void migration_begin(Migration *migration, const char *state)
{
    g_autoptr(JournalMigration) record = journal_migration_new();
    const Group *group = migration->group;
    memcpy(record->uuid, migration->uuid, sizeof record->uuid);
    memcpy(record->group_uuid, group->uuid, sizeof record->group_uuid);
    memcpy(record->boot_id, migration->engine->facts.boot_id, sizeof record->boot_id);
    record->side = g_strdup(migration_is_source(migration) ? "source" : "destination");
    record->group_name = g_strdup(group->name);
    record->state = g_strdup(state);
    record->peer = g_strdup(migration->peer);
    record->command = g_strdup(migration->command);
    migration->transaction = transaction_new(&transaction_ops, migration, migration->side, record,
                                             migration->engine->facts.boot_id);
}

/* -- a turn -- */

/* A stranger has destroyed a copy that is held. */
void migration_watch_copies(Migration *migration)
{
    if (!migration_is_busy(migration) &&
        migration_copies(migration->side, migration_state(migration)) == MIGRATION_COPIES_HELD &&
        !is_whole(migration))
        transaction_event(migration->transaction, MIGRATION_EVENT_COPY_LOST, NULL, NULL);
}

/* Of what was held, nothing waits to be let run. */
static gboolean all_run(const Migration *migration)
{
    for (guint i = 0; i < migration->group->members->len; i++) {
        const MemberNode *member = migration->group->members->pdata[i];
        if (migration_has_copy(migration, member) && member->domain.paused)
            return FALSE;
    }
    return !migration->group->paused;
}

static void let_run(Migration *migration)
{
    Group *group = migration->group;
    g_autoptr(GError) error = NULL;
    OperationRequest request = {
        .kind = OPERATION_ACTIVATE, .group = group, .options = {.peer = migration->peer}};
    if (migration_is_source(migration) || migration_state(migration) != MIGRATION_D_ACTIVATING ||
        migration_is_busy(migration))
        return;
    if (all_run(migration)) {
        transaction_event(migration->transaction, MIGRATION_EVENT_ALL_RUN, NULL, NULL);
    } else if (group->operation == NULL && migration->let != LET_FAILED) {
        gboolean begins =
            migration->let == LET_NOT && operation_new(group->engine, &request, &error) != NULL;
        migration->let = begins ? LET_BEGUN : LET_FAILED;
        if (!begins) /* or it has ended, and something is left to let run */
            transaction_event(migration->transaction, MIGRATION_EVENT_FAILED, NULL, NULL);
    }
}

/* A message waits for the group to be away. */
static void run_leaving(Migration *migration)
{
    guint connection = migration->waits.connection;
    g_autoptr(GError) error = NULL;
    if (connection == 0 || !migration_leave(migration, &error)) {
        if (error != NULL)
            engine_retry(migration->engine);
        return;
    }
    migration->waits.connection = 0;
    transaction_receive(migration->transaction, connection, migration->uuid,
                        migration->waits.message);
}

/* The driver has come to rest: the group is an ordinary one, or is not here any more. */
static void end_migration(Migration *migration)
{
    Group *group = migration->group;
    gboolean gone = migration_is_source(migration) ? migration_state(migration) == MIGRATION_S_NONE
                                                   : migration_state(migration) == MIGRATION_D_NONE;
    gboolean working = group->operation != NULL && (group->operation->kind == OPERATION_MIGRATE ||
                                                    group->operation->kind == OPERATION_RECEIVE);
    if (working || migration->calling || (gone && group->operation != NULL))
        return;
    migration_drop(migration);
    if (gone)
        engine_remove_group(group);
}

static void note_bytes(const Migration *migration)
{
    Operation *operation = migration->group->operation;
    guint64 sent, received;
    if (operation == NULL || migration->connection == 0 || migration_links(migration) == NULL)
        return;
    migration_links(migration)->ops->bytes(migration_links(migration), migration->connection, &sent,
                                           &received);
    operation->wire_bytes = sent + received;
}

static void run_migration(Migration *migration)
{
    note_bytes(migration);
    if (migration->transaction == NULL)
        return;
    migration_run_action(migration);
    run_leaving(migration);
    migration_watch_copies(migration);
    let_run(migration);
    if (migration->over)
        end_migration(migration);
}

/* The host has booted, and what the group was to wait for is over. */
static void run_boot_start(Group *group)
{
    if (!group->boot_start || group->migration != NULL)
        return;
    if (group_start_afresh(group, NULL))
        group_store(group, NULL); /* else it is tried again */
    else
        engine_retry(group->engine);
}

void migrations_run(Engine *engine)
{
    g_autoptr(GPtrArray) groups = g_ptr_array_new();
    GHashTableIter iter;
    gpointer value;
    g_hash_table_iter_init(&iter, engine->groups);
    while (g_hash_table_iter_next(&iter, NULL, &value))
        if (((Group *)value)->migration != NULL)
            g_ptr_array_add(groups, value);
    for (guint i = 0; i < groups->len; i++)
        run_migration(((Group *)groups->pdata[i])->migration);
    g_hash_table_iter_init(&iter, engine->groups);
    while (g_hash_table_iter_next(&iter, NULL, &value))
        run_boot_start(value);
}

/* -- a new daemon -- */

gboolean migration_load(Engine *engine, const JournalMigration *record, GError **error)
{
    Group *group = g_hash_table_lookup(engine->groups, record->group_uuid);
    MigrationSide side =
        strcmp(record->side, "source") == 0 ? MIGRATION_SOURCE_SIDE : MIGRATION_DESTINATION_SIDE;
    guint state;
    if (group == NULL || !migration_state_from_record(side, record->state, &state)) {
        g_set_error(error, DOMGRP_ERROR, DOMGRP_ERROR_STORE,
                    "the stored migration %s of %s speaks of a group or a state that is not known: "
                    "was the database written by a newer domgrp?",
                    record->uuid, record->group_name);
        return FALSE;
    }
    Migration *migration = migration_new(group, side, record->uuid, record->peer, record->command);
    migration->operator_paused = group->paused;
    migration->asked = migration->is_loaded = TRUE;
    migration->transaction =
        transaction_new(&transaction_ops, migration, side, record, engine->facts.boot_id);
    return TRUE;
}

void migrations_restart(Engine *engine)
{
    GHashTableIter iter;
    gpointer value;
    g_hash_table_iter_init(&iter, engine->groups);
    while (g_hash_table_iter_next(&iter, NULL, &value)) {
        const Group *group = value;
        if (group->migration == NULL)
            continue;
        transaction_restart(group->migration->transaction);
        group->migration->is_loaded = FALSE;
    }
}
