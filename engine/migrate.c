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
#include "private.h"

#include <errno.h>
#include <fcntl.h>
#include <glib-unix.h>
#include <string.h>
#include <unistd.h>

#define SETTLE_US (5 * G_USEC_PER_SEC) /* for a connection to settle what is open */
#define READY_SECONDS_STILL                                                                        \
    3600 /* for READY, when all memory is sent while members stand still                           \
          */

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
    char *verdict; /* of the other side */
    GError *why;   /* what went wrong with it last */

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

static Links *links_of(const Migration *migration)
{
    return migration->engine->links;
}

static Host *host_of(const Migration *migration)
{
    return migration->engine->host;
}

/* -- what state it is in -- */

static gboolean is_source(const Migration *migration)
{
    return migration->side == MIGRATION_SOURCE_SIDE;
}

/* Of @migration's side, one of MIGRATION_S_ or MIGRATION_D_. */
static guint state_of(const Migration *migration)
{
    if (migration->transaction != NULL)
        return transaction_state(migration->transaction);
    return is_source(migration) ? (guint)MIGRATION_S_HOME : (guint)MIGRATION_D_NONE;
}

static gboolean is_busy(const Migration *migration)
{
    return migration->transaction != NULL && transaction_is_busy(migration->transaction);
}

static gboolean is_connected(const Migration *migration)
{
    return migration->transaction != NULL && transaction_is_connected(migration->transaction);
}

/* The members live as members do. */
static gboolean is_free(const Migration *migration)
{
    guint state = state_of(migration);
    if (migration->acting != MIGRATION_ACTION_NOTHING || migration->is_loaded)
        return FALSE;
    return is_source(migration) ? state == MIGRATION_S_HOME || state == MIGRATION_S_CHECKING ||
                                      state == MIGRATION_S_SENDING || state == MIGRATION_S_ABORTED
                                : state == MIGRATION_D_DONE || state == MIGRATION_D_HOME;
}

/* The group is nowhere on this host. */
static gboolean is_away(MigrationSide side, guint state)
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
    guint state = state_of(migration);
    return is_away(migration->side, state) ||
           (!is_source(migration) && state == MIGRATION_D_RECEIVING);
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
    return group != NULL && group->migration != NULL && is_busy(group->migration);
}

GroupState migration_group_state(const Group *group)
{
    const Migration *migration = group->migration;
    if (migration == NULL || is_free(migration))
        return GROUP_STATE_COUNT;
    guint state = state_of(migration);
    return is_source(migration) && (state == MIGRATION_S_MOVED || state == MIGRATION_S_NONE)
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
    guint state = state_of(migration);
    MigrationSide side = migration->side;
    *ret_migration = (GroupMigration){
        .transaction = migration->uuid,
        .is_source = is_source(migration),
        .peer = migration->peer,
        .state = migration_state_name(side, state),
        .meaning = migration_state_meaning(side, state),
        .entered_us = transaction_record(migration->transaction)->entered_us,
        .connected = is_connected(migration),
        .may_run = migration_step(side, state, MIGRATION_EVENT_RUN_HERE) != NULL,
        .may_discard = migration_step(side, state, MIGRATION_EVENT_DISCARD_HERE) != NULL,
    };
    return TRUE;
}

/* Why it has come to nothing, for its operation. */
static void set_why(Migration *migration, const GError *error)
{
    if (error == NULL)
        return;
    g_clear_error(&migration->why);
    migration->why = g_error_copy(error);
}

/* The same, if it is between this host and the other. */
static void set_why_of_link(Migration *migration, const GError *error)
{
    g_autoptr(GError) why = error != NULL ? g_error_copy(error) : NULL;
    g_prefix_error(&why, "%s: ", migration->peer);
    set_why(migration, why);
}

static GError *why_copy(const Migration *migration)
{
    if (migration->why != NULL)
        return g_error_copy(migration->why);
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

static gboolean has_copy(const Migration *migration, const MemberNode *member)
{
    const JournalCopy *copy = copy_of(migration, member);
    return copy != NULL && member_has_domain(member) && copy->domid == member->domain.domid;
}

static gboolean is_whole(gpointer data)
{
    const Migration *migration = data;
    for (guint i = 0; i < migration->group->members->len; i++)
        if (!has_copy(migration, migration->group->members->pdata[i]))
            return FALSE;
    return TRUE;
}

/* -- the driver's ways to the world -- */

static void begins(gpointer data, const MigrationRow *row)
{
    Migration *migration = data;
    migration->row = row;
}

/* What the members are from the moment that @state is written. */
static void prepare_members(const Migration *migration, const char *state)
{
    gboolean suspends = is_source(migration) && strcmp(state, "SWITCHING") == 0;
    gboolean ours = !is_source(migration) && strcmp(state, "PREPARED") == 0;
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

static void wake_settlings(Engine *engine, const Group *group);

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
    if (is_source(migration) && state == MIGRATION_S_COMMITTED && operation != NULL) {
        operation->committed = TRUE;
        operation->policy = DOMGRP_POLICY_CONTINUE;
    }
    if (is_source(migration) && state == MIGRATION_S_MOVED)
        note_moved(operation);
    if (!is_source(migration) && state == MIGRATION_D_RECEIVING && !group->defined)
        group_define(group);
    if (!is_source(migration) && state == MIGRATION_D_ACTIVATING)
        migration->let = LET_NOT;
    wake_settlings(migration->engine, group);
    engine_tell_group(group);
    engine_soon(migration->engine);
}

static void say_offer(const Migration *migration, const Operation *operation);
static void say_accept(const Migration *migration, guint connection);

static void say(const Migration *migration, guint connection, const char *uuid,
                MigrationMessage message)
{
    MigrationSaid said = {.message = message, .reason = ""};
    g_strlcpy(said.transaction, uuid, sizeof said.transaction);
    if (message == MIGRATION_MESSAGE_GONE && migration->why != NULL)
        said.reason = migration->why->message;
    links_of(migration)->ops->say(links_of(migration), connection, &said);
}

static void send_message(gpointer data, guint connection, const char *uuid,
                         MigrationMessage message)
{
    const Migration *migration = data;
    if (links_of(migration) == NULL)
        return;
    if (message == MIGRATION_MESSAGE_OFFER)
        say_offer(migration, migration->group->operation);
    else if (message == MIGRATION_MESSAGE_ACCEPT)
        say_accept(migration, connection);
    else
        say(migration, connection, uuid, message);
}

static void hang_up(gpointer data, guint connection)
{
    Migration *migration = data;
    if (migration->connection == connection)
        migration->connection = 0;
    if (links_of(migration) != NULL)
        links_of(migration)->ops->hang_up(links_of(migration), connection);
}

static void make_connection(gpointer data)
{
    Migration *migration = data;
    Links *links = links_of(migration);
    if (links != NULL)
        migration->connection = links->ops->connect(links, migration->peer, migration->command);
    else
        transaction_connected(migration->transaction, 0);
}

static guint timer_add(gpointer data, gint64 delay_us, HostTimeout timeout, gpointer timeout_data)
{
    Host *host = host_of(data);
    return host->ops->timer_add(host, delay_us, timeout, timeout_data);
}

static void timer_cancel(gpointer data, guint timer)
{
    Host *host = host_of(data);
    host->ops->timer_cancel(host, timer);
}

static void failed(gpointer data, const GError *error)
{
    Migration *migration = data;
    const EngineListener *listener = migration->engine->listener;
    if (migration->why == NULL)
        set_why(migration, error);
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
                                               .connect = make_connection,
                                               .timer_add = timer_add,
                                               .timer_cancel = timer_cancel,
                                               .failed = failed,
                                               .settled = settled};

/* -- the object -- */

static Migration *migration_new(Group *group, MigrationSide side, const char *uuid,
                                const char *peer, const char *command)
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

static void close_data(Migration *migration)
{
    if (migration->data >= 0)
        close(migration->data);
    migration->data = -1;
}

void migration_free(Migration *migration)
{
    if (migration == NULL)
        return;
    close_data(migration);
    transaction_free(migration->transaction);
    g_hash_table_unref(migration->acted);
    g_free(migration->peer);
    g_free(migration->command);
    g_free(migration->verdict);
    g_clear_error(&migration->why);
    g_free(migration);
}

static void drop(Migration *migration)
{
    migration->group->migration = NULL;
    if (migration->connection != 0 && links_of(migration) != NULL)
        links_of(migration)->ops->hang_up(links_of(migration), migration->connection);
    migration_free(migration);
}

static void make_transaction(Migration *migration, const char *state)
{
    g_autoptr(JournalMigration) record = journal_migration_new();
    const Group *group = migration->group;
    memcpy(record->uuid, migration->uuid, sizeof record->uuid);
    memcpy(record->group_uuid, group->uuid, sizeof record->group_uuid);
    memcpy(record->boot_id, migration->engine->facts.boot_id, sizeof record->boot_id);
    record->side = g_strdup(is_source(migration) ? "source" : "destination");
    record->group_name = g_strdup(group->name);
    record->state = g_strdup(state);
    record->peer = g_strdup(migration->peer);
    record->command = g_strdup(migration->command);
    migration->transaction = transaction_new(&transaction_ops, migration, migration->side, record,
                                             migration->engine->facts.boot_id);
}

/* -- what the sides say to each other about the group -- */

static char *host_text(const Engine *engine)
{
    return g_strdup_printf("%s (domgrp %s, Xen %s)", g_get_host_name(), DOMGRP_VERSION,
                           engine->facts.version);
}

/* The group as an image has it, and its members as they are defined: what starts them next. */
static char *definition_text(const Operation *operation)
{
    g_autoptr(GKeyFile) keys = group_to_keys(operation->group);
    for (guint i = 0; i < operation->members->len; i++) {
        g_autofree char *section = g_strdup_printf("member %u", i);
        g_key_file_set_string(keys, section, "json",
                              node_of(operation, i)->member->shown.config->json);
    }
    return g_key_file_to_data(keys, NULL, NULL);
}

static void say_offer(const Migration *migration, const Operation *operation)
{
    const Engine *engine = migration->engine;
    guint n = operation->members->len;
    g_autofree MigrationMember *members = g_new0(MigrationMember, n);
    g_autofree char *definition = definition_text(operation);
    g_autofree char *host = host_text(engine);
    for (guint i = 0; i < n; i++) {
        const HostConfig *config = node_of(operation, i)->config;
        g_strlcpy(members[i].uuid, config->uuid, sizeof members[i].uuid);
        g_strlcpy(members[i].name, config->name, sizeof members[i].name);
        members[i].memory_kib = config->memory_kib;
    }
    MigrationSaid said = {
        .message = MIGRATION_MESSAGE_OFFER,
        .offer = {.live = operation->options.live,
                  .dry_run = operation->options.dry_run,
                  .needs_groups = engine->facts.has_groups && !operation->options.without_groups,
                  .image_version = engine->facts.image_version,
                  .host = host,
                  .definition = definition,
                  .n_members = n,
                  .members = members}};
    g_strlcpy(said.transaction, migration->uuid, sizeof said.transaction);
    g_strlcpy(said.offer.group_uuid, operation->group->uuid, sizeof said.offer.group_uuid);
    g_strlcpy(said.offer.group_name, operation->group->name, sizeof said.offer.group_name);
    links_of(migration)->ops->say(links_of(migration), migration->connection, &said);
}

static void say_accept(const Migration *migration, guint connection)
{
    Engine *engine = migration->engine;
    HostFacts facts = engine->facts;
    g_autofree char *host = host_text(engine);
    engine->host->ops->facts(engine->host, &facts, NULL);
    g_autofree char *verdict = g_strdup_printf(
        "%s can take %s: %u members, %" G_GUINT64_FORMAT " MiB free before them", g_get_host_name(),
        migration->group->name, migration->group->members->len, facts.memory_free_kib / 1024);
    MigrationSaid said = {.message = MIGRATION_MESSAGE_ACCEPT,
                          .accept = {.has_groups = facts.has_groups,
                                     .image_version = facts.image_version,
                                     .memory_free_kib = facts.memory_free_kib,
                                     .host = host,
                                     .verdict = verdict}};
    g_strlcpy(said.transaction, migration->uuid, sizeof said.transaction);
    links_of(migration)->ops->say(links_of(migration), connection, &said);
}

/* -- an offer -- */

static gboolean check_offer(Engine *engine, const MigrationOffer *offer, GError **error)
{
    if (offer->image_version > engine->facts.image_version) {
        g_set_error(error, DOMGRP_ERROR, DOMGRP_ERROR_PEER_VERSION,
                    "%s would send an image of version %u, but only %u is read here: install one "
                    "domgrp on both hosts",
                    offer->group_name, offer->image_version, engine->facts.image_version);
        return FALSE;
    }
    if (offer->needs_groups && !engine->facts.has_groups) {
        g_set_error(error, DOMGRP_ERROR, DOMGRP_ERROR_NOT_SUPPORTED,
                    "the hypervisor here knows no groups, and %s would not be held together: boot "
                    "the one with groups, or say --without-groups",
                    offer->group_name);
        return FALSE;
    }
    return engine_check_new(engine, offer->group_name, offer->group_uuid, offer->n_members, error);
}

/* The members of the definition, which must be those of the offer. */
static gboolean add_offered(Operation *operation, const MigrationOffer *offer, GKeyFile *keys,
                            GError **error)
{
    Host *host = operation->engine->host;
    for (guint i = 0; i < offer->n_members; i++) {
        const MigrationMember *said = &offer->members[i];
        g_autofree char *section = g_strdup_printf("member %u", i);
        g_autofree char *json = g_key_file_get_string(keys, section, "json", NULL);
        HostConfig *config = NULL;
        if (json == NULL || !host->ops->config_parse(host, json, &config, error)) {
            if (json == NULL)
                g_set_error(error, DOMGRP_ERROR, DOMGRP_ERROR_PEER,
                            "the definition of %s has no configuration of %s", offer->group_name,
                            said->name);
            return FALSE;
        }
        OperationNode *node = operation_add_member(operation, NULL);
        node->config = config;
        node->path = g_strdup(said->name);
        memcpy(node->shown.uuid, config->uuid, sizeof node->shown.uuid);
        memcpy(node->saved_uuid, config->uuid, sizeof node->saved_uuid);
        g_strlcpy(node->shown.name, config->name, sizeof node->shown.name);
        if (strcmp(config->uuid, said->uuid) == 0 && strcmp(config->name, said->name) == 0)
            continue;
        g_set_error(error, DOMGRP_ERROR, DOMGRP_ERROR_PEER,
                    "the definition of %s has other members than its offer", offer->group_name);
        return FALSE;
    }
    return TRUE;
}

static gboolean read_offer(Operation *operation, const MigrationOffer *offer, GError **error)
{
    g_autoptr(GKeyFile) keys = g_key_file_new();
    g_autoptr(GError) why = NULL;
    if (!g_key_file_load_from_data(keys, offer->definition, (gsize)-1, G_KEY_FILE_NONE, &why) ||
        !group_from_keys(operation->group, keys, &why)) {
        g_set_error(error, DOMGRP_ERROR, DOMGRP_ERROR_PEER,
                    "the definition of %s cannot be read: %s", offer->group_name, why->message);
        return FALSE;
    }
    return add_offered(operation, offer, keys, error);
}

static char *short_name(const char *host)
{
    const char *end = strstr(host, " (");
    return *host == '\0' ? g_strdup("another host")
                         : g_strndup(host, end != NULL ? (gsize)(end - host) : strlen(host));
}

/* A RECEIVE checks it as a create checks its files, and then gives it to the driver. */
static gboolean take_offer(Engine *engine, guint connection, const MigrationSaid *said,
                           GError **error)
{
    const MigrationOffer *offer = &said->offer;
    if (!reality_read(engine, FALSE, error) || !check_offer(engine, offer, error))
        return FALSE;
    g_autofree char *peer = short_name(offer->host);
    Group *group = group_new(engine, offer->group_uuid, offer->group_name);
    g_hash_table_insert(engine->groups, group->uuid, group);
    OperationRequest request = {.kind = OPERATION_RECEIVE,
                                .group = group,
                                .options = {.dry_run = offer->dry_run, .peer = peer}};
    Operation *operation = operation_new(engine, &request, error);
    if (operation == NULL) {
        engine_remove_group(group);
        return FALSE;
    }
    Migration *migration =
        migration_new(group, MIGRATION_DESTINATION_SIDE, said->transaction, peer, NULL);
    migration->connection = connection;
    g_autoptr(GError) why = NULL;
    if (!read_offer(operation, offer, &why))
        operation_supersede(operation, g_steal_pointer(&why));
    return TRUE;
}

static void refuse_offer(Engine *engine, guint connection, const char *uuid, const GError *error)
{
    MigrationSaid said = {.message = MIGRATION_MESSAGE_GONE,
                          .reason = error != NULL ? error->message : ""};
    g_strlcpy(said.transaction, uuid, sizeof said.transaction);
    engine->links->ops->say(engine->links, connection, &said);
}

/* Data come as soon as ACCEPT is heard, whatever there is still to do here: they are taken first.
 */
static gboolean take_data(Migration *migration, GError **error)
{
    int pipe[2];
    if (!g_unix_open_pipe(pipe, FD_CLOEXEC, NULL)) {
        g_set_error(error, DOMGRP_ERROR, DOMGRP_ERROR_HOST, "no pipe can be had: %s",
                    g_strerror(errno));
        return FALSE;
    }
    migration->data = pipe[0];
    links_of(migration)->ops->take_data(links_of(migration), migration->connection, pipe[1]);
    return TRUE;
}

/* The checks of a RECEIVE were passed: the row NONE, OFFER; of a dry run, only its answer. */
StepResult migrate_accept(Work *work, GError **error)
{
    Migration *migration = work->group->migration;
    if (work->operation->options.dry_run) {
        say_accept(migration, migration->connection);
        migration->answered = TRUE;
        return STEP_DONE;
    }
    if (migration->transaction == NULL && migration->connection != 0) {
        if (!take_data(migration, error))
            return STEP_FAILED;
        make_transaction(migration, "NONE");
        transaction_connected(migration->transaction, migration->connection);
        transaction_receive(migration->transaction, migration->connection, migration->uuid,
                            MIGRATION_MESSAGE_OFFER);
    }
    if (state_of(migration) == MIGRATION_D_RECEIVING)
        return STEP_DONE;
    if (migration->transaction != NULL && !migration->over)
        return STEP_WATCH;
    g_propagate_error(error, why_copy(migration));
    return STEP_FAILED;
}

/* -- connections -- */

typedef gboolean (*MigrationTest)(const Migration *migration, gconstpointer what);

static Migration *find_migration(const Engine *engine, MigrationTest test, gconstpointer what)
{
    GHashTableIter iter;
    gpointer value;
    g_hash_table_iter_init(&iter, engine->groups);
    while (g_hash_table_iter_next(&iter, NULL, &value)) {
        Migration *migration = ((Group *)value)->migration;
        if (migration != NULL && test(migration, what))
            return migration;
    }
    return NULL;
}

static gboolean has_connection(const Migration *migration, gconstpointer connection)
{
    return migration->connection == *(const guint *)connection;
}

static gboolean is_transaction(const Migration *migration, gconstpointer uuid)
{
    return !is_source(migration) && strcmp(migration->uuid, uuid) == 0;
}

static void on_connected(gpointer data, guint connection, gboolean ours)
{
    Engine *engine = data;
    Migration *migration = find_migration(engine, has_connection, &connection);
    if (migration == NULL || !is_source(migration)) {
        if (ours) /* whoever wanted it is gone */
            engine->links->ops->hang_up(engine->links, connection);
        return;
    }
    if (migration->transaction == NULL) {
        migration->asked = TRUE;
        say_offer(migration, migration->group->operation);
    } else if (!migration->asked) {
        migration->asked = TRUE;
        transaction_migrate(migration->transaction, connection, NULL, NULL);
    } else {
        transaction_connected(migration->transaction, connection);
    }
    engine_turn(engine);
}

/* What the other side says is the reason why it comes to nothing, or that it can take the group. */
static void note_said(Migration *migration, const MigrationSaid *said)
{
    if (said->message == MIGRATION_MESSAGE_ACCEPT) {
        g_free(migration->verdict);
        migration->verdict = g_strdup(said->accept.verdict);
        migration->answered = TRUE;
    } else if (said->message == MIGRATION_MESSAGE_GONE) {
        g_autoptr(GError) error =
            g_error_new(DOMGRP_ERROR, DOMGRP_ERROR_REMOTE, "%s: %s", migration->peer,
                        *said->reason != '\0' ? said->reason : "it refuses");
        set_why(migration, error);
    }
}

/*
 * With @message the group is away, by a row that does nothing to it: what is left of it in the
 * hypervisor and in xenstore goes before that is written, or a daemon that dies then leaves it.
 */
static gboolean ends_here(const Migration *migration, MigrationMessage message)
{
    const MigrationRow *row =
        migration_step(migration->side, state_of(migration), migration_message_event(message));
    return !is_busy(migration) && row != NULL && row->action == MIGRATION_ACTION_NOTHING &&
           is_away(migration->side, row->next) &&
           (!migration->left || migration->group->in_hypervisor);
}

static void hear(Migration *migration, guint connection, const MigrationSaid *said)
{
    if (strcmp(said->transaction, migration->uuid) == 0 && ends_here(migration, said->message)) {
        migration->waits.connection = connection;
        migration->waits.message = said->message;
        return;
    }
    transaction_receive(migration->transaction, connection, said->transaction, said->message);
}

static void watch_copies(Migration *migration);

/*
 * Whether what is held is as it is known to be: nobody may count on a copy that is gone. If that
 * cannot be seen, the other side has to say it again.
 */
static gboolean sees_copies(Migration *migration, guint connection)
{
    if (migration_copies(migration->side, state_of(migration)) != MIGRATION_COPIES_HELD)
        return TRUE;
    if (reality_read(migration->engine, FALSE, NULL)) {
        watch_copies(migration);
        return TRUE;
    }
    links_of(migration)->ops->hang_up(links_of(migration), connection);
    transaction_link_lost(migration->transaction, connection);
    return FALSE;
}

static void source_hears(Migration *migration, guint connection, const MigrationSaid *said)
{
    note_said(migration, said);
    if (migration->transaction != NULL && sees_copies(migration, connection))
        hear(migration, connection, said);
}

static void destination_hears(Migration *migration, guint connection, const MigrationSaid *said)
{
    if (migration->transaction == NULL)
        return; /* its offer is being looked at */
    if (migration->connection != connection) {
        transaction_connected(migration->transaction, connection);
        migration->connection = connection;
    }
    if (said->message == MIGRATION_MESSAGE_END && state_of(migration) == MIGRATION_D_RECEIVING &&
        !migration->built)
        migration->end_came = TRUE;
    else if (sees_copies(migration, connection))
        hear(migration, connection, said);
}

static void on_said(gpointer data, guint connection, const MigrationSaid *said)
{
    Engine *engine = data;
    g_autoptr(GError) error = NULL;
    Migration *migration = find_migration(engine, has_connection, &connection);
    if (migration == NULL || !is_source(migration))
        migration = find_migration(engine, is_transaction, said->transaction);
    if (migration == NULL) {
        if (said->message != MIGRATION_MESSAGE_OFFER ||
            !take_offer(engine, connection, said, &error))
            refuse_offer(engine, connection, said->transaction, error);
    } else if (is_source(migration)) {
        source_hears(migration, connection, said);
    } else {
        destination_hears(migration, connection, said);
    }
    engine_turn(engine);
}

static void on_ended(gpointer data, guint connection, const GError *error)
{
    Engine *engine = data;
    Migration *migration = find_migration(engine, has_connection, &connection);
    if (migration == NULL)
        return;
    gboolean first = is_source(migration) && !migration->asked;
    gboolean was_there = is_connected(migration);
    migration->connection = 0;
    if (migration->why == NULL)
        set_why_of_link(migration, error);
    wake_settlings(engine, migration->group);
    if (migration->transaction != NULL && was_there)
        transaction_link_lost(migration->transaction, connection);
    else if (migration->transaction != NULL && !first)
        transaction_connected(migration->transaction, 0);
    engine_turn(engine);
}

static const LinksEvents links_events = {
    .connected = on_connected, .said = on_said, .ended = on_ended};

void engine_set_links(Engine *engine, Links *links)
{
    engine->links = links;
    links->ops->watch(links, &links_events, engine);
}

/* -- the steps of a MIGRATE -- */

gboolean migration_check_request(const Engine *engine, const Group *group,
                                 const EngineOptions *options, GError **error)
{
    if (engine->links == NULL) {
        g_set_error(error, DOMGRP_ERROR, DOMGRP_ERROR_NOT_SUPPORTED,
                    "this daemon makes no connections to other hosts");
        return FALSE;
    }
    if (options == NULL || options->peer == NULL || *options->peer == '\0') {
        g_set_error(error, DOMGRP_ERROR, DOMGRP_ERROR_VALUE, "%s: to which host is not said",
                    group->name);
        return FALSE;
    }
    if (!engine->facts.has_groups && !options->without_groups) {
        g_set_error(error, DOMGRP_ERROR, DOMGRP_ERROR_NOT_SUPPORTED,
                    "the hypervisor here knows no groups, and copies of %s could not be held: boot "
                    "the one with groups, or say --without-groups",
                    group->name);
        return FALSE;
    }
    return TRUE;
}

static void begin_migration(Operation *operation)
{
    g_autofree char *uuid = g_uuid_string_random();
    Migration *migration = migration_new(operation->group, MIGRATION_SOURCE_SIDE, uuid,
                                         operation->peer, operation->command);
    guint ready_s = operation->options.ready_s;
    if (!operation->options.dry_run) {
        make_transaction(migration, "HOME");
        if (ready_s == 0 && !operation->options.live)
            ready_s = READY_SECONDS_STILL;
        if (ready_s != 0)
            transaction_set_ready_us(migration->transaction, (gint64)ready_s * G_USEC_PER_SEC);
    }
    make_connection(migration);
}

/* A connection, the offer, and what the other side says to it. */
StepResult migrate_offer(Work *work, GError **error)
{
    if (work->group->migration == NULL)
        begin_migration(work->operation);
    Migration *migration = work->group->migration;
    if (migration->transaction == NULL && migration->asked && work->deadline == 0)
        work_set_deadline(work, TRANSACTION_CHECK_US);
    gboolean accepted = migration->transaction == NULL ? migration->answered
                                                       : state_of(migration) == MIGRATION_S_SENDING;
    if (migration->answered && work->operation->verdict == NULL)
        work->operation->verdict = g_strdup(migration->verdict);
    if (accepted)
        return STEP_DONE;
    gboolean waits = migration->transaction == NULL ? migration->why == NULL && !work_late(work)
                     : migration->asked             ? !migration->over
                                                    : migration->connection != 0;
    if (waits)
        return STEP_WATCH;
    g_propagate_error(error, why_copy(migration));
    return STEP_FAILED;
}

static void limit_data(const Migration *migration, guint mib)
{
    links_of(migration)->ops->limit_data(links_of(migration), migration->connection,
                                         (guint64)mib * 1024 * 1024);
}

/* The image goes over the connection as it is written. */
StepResult migrate_stream(Work *work, GError **error)
{
    Migration *migration = work->group->migration;
    int pipe[2];
    if (state_of(migration) != MIGRATION_S_SENDING || migration->connection == 0) {
        g_propagate_error(error, why_copy(migration));
        return STEP_FAILED;
    }
    if (!g_unix_open_pipe(pipe, FD_CLOEXEC, NULL)) {
        g_set_error(error, DOMGRP_ERROR, DOMGRP_ERROR_HOST, "no pipe can be had: %s",
                    g_strerror(errno));
        return STEP_FAILED;
    }
    limit_data(migration, work->operation->options.limit_mib);
    links_of(migration)->ops->send_data(links_of(migration), migration->connection, pipe[0]);
    return image_create_on(work, pipe[1]);
}

/* All was copied that can be while they run: from here on they are asked to suspend. */
StepResult migrate_switch(Work *work, GError **error)
{
    Migration *migration = work->group->migration;
    if (state_of(migration) == MIGRATION_S_SENDING && !is_busy(migration) && !work->tries++)
        transaction_event(migration->transaction, MIGRATION_EVENT_COPIED, NULL, NULL);
    if (state_of(migration) == MIGRATION_S_SWITCHING && !is_busy(migration)) {
        for (guint i = 0; i < work->group->members->len; i++)
            ((MemberNode *)work->group->members->pdata[i])->node->suspended = TRUE;
        if (work->operation->options.live) /* what is left would be sent while nobody runs */
            limit_data(migration, 0);
        return STEP_DONE;
    }
    if (state_of(migration) == MIGRATION_S_SENDING)
        return STEP_WATCH;
    g_propagate_error(error, why_copy(migration));
    return STEP_FAILED;
}

static StepResult fail_doubt(const Migration *migration, GError **error)
{
    const char *name = migration->group->name;
    g_set_error(
        error, DOMGRP_ERROR, DOMGRP_ERROR_LINK,
        "%s was given to %s, which has not said that it runs there (%s): that is settled as "
        "soon as both hosts can talk; \"domgrp migrate --settle %s\" shows how it stands",
        name, migration->peer, migration->why != NULL ? migration->why->message : "no word came",
        name);
    return STEP_FAILED;
}

/* All was sent: what becomes of it is the driver's to say. */
StepResult migrate_await(Work *work, GError **error)
{
    Migration *migration = work->group->migration;
    migration->parked = TRUE;
    if (!migration->sent) {
        migration->sent = TRUE;
        transaction_event(migration->transaction, MIGRATION_EVENT_SENT, NULL, NULL);
    }
    if (migration->over && state_of(migration) == MIGRATION_S_NONE)
        return STEP_DONE;
    if (is_busy(migration))
        return STEP_WATCH;
    switch (state_of(migration)) {
    case MIGRATION_S_SWITCHING:
    case MIGRATION_S_WAITING:
        return STEP_WATCH;
    case MIGRATION_S_COMMITTED:
        return is_connected(migration) ? STEP_WATCH : fail_doubt(migration, error);
    case MIGRATION_S_MOVED:
        return is_connected(migration) ? STEP_WATCH : STEP_DONE;
    case MIGRATION_S_COMMITTED_LOST:
    case MIGRATION_S_CLASH:
        return fail_doubt(migration, error);
    default:
        g_propagate_error(error, why_copy(migration));
        return STEP_FAILED;
    }
}

/* -- the steps of a RECEIVE -- */

static void opened(gpointer data, HostImage *image, const HostImageInfo *info, const GError *error)
{
    Work *work = data;
    Operation *operation = work->operation;
    g_autoptr(GError) other = NULL;
    operation->image = image;
    for (guint i = 0; image != NULL && i < operation->members->len; i++) {
        OperationNode *node = node_of(operation, i);
        const HostConfig *config = host_image_info_find(info, node->shown.uuid);
        if (config != NULL) { /* what its memory belongs to: devices may have come and gone */
            host_config_free(node->config);
            node->config = host_config_copy(config);
        } else if (other == NULL)
            other = g_error_new(DOMGRP_ERROR, DOMGRP_ERROR_PEER,
                                "the image that comes in has no %s", node->shown.name);
    }
    work_called(work, other != NULL ? other : error);
}

StepResult migrate_open(Work *work, GError **error)
{
    Migration *migration = work->group->migration;
    Host *host = host_of(migration);
    if (state_of(migration) != MIGRATION_D_RECEIVING || migration->connection == 0) {
        g_propagate_error(error, why_copy(migration));
        return STEP_FAILED;
    }
    host->ops->image_receive(host, migration->data, work->group->members->len, opened, work);
    migration->data = -1;
    return STEP_CALL;
}

/* Before READY is said: what holds the copies outlives this daemon, and xl cannot undo it. */
static void held(gpointer data, const HostPause *pause, const GError *error)
{
    Work *work = data;
    if (error == NULL)
        work->group->paused = TRUE;
    work_called(work, error);
}

StepResult migrate_hold(Work *work, GError **error)
{
    Host *host = work->engine->host;
    g_autoptr(GArray) domids = group_domids(work->group);
    host->ops->group_pause(host, work->group->id, domids->len, (const guint32 *)domids->data, held,
                           work);
    return STEP_CALL;
}

/* Every copy is complete and held: END may come, or has. */
StepResult migrate_prepared(Work *work, GError **error)
{
    Migration *migration = work->group->migration;
    if (!migration->built) {
        migration->built = TRUE;
        if (migration->end_came)
            transaction_receive(migration->transaction, migration->connection, migration->uuid,
                                MIGRATION_MESSAGE_END);
    }
    if (state_of(migration) == MIGRATION_D_RECEIVING || is_busy(migration))
        return STEP_WATCH;
    if (state_of(migration) != MIGRATION_D_NONE)
        return STEP_DONE;
    g_propagate_error(error, why_copy(migration));
    return STEP_FAILED;
}

/* Without groups what holds the members is their own pause, and each is let run in its turn. */
StepResult migrate_let_go(Work *work, GError **error)
{
    return work->engine->facts.has_groups ? group_step_unpause(work, error) : STEP_DONE;
}

/* From here on what fails with one member does not hold up the others. */
StepResult migrate_go_on(Work *work, GError **error)
{
    work->operation->policy = DOMGRP_POLICY_CONTINUE;
    return STEP_DONE;
}

/* -- undoing a MIGRATE or a RECEIVE: the driver does it -- */

static gboolean is_undecided(const Migration *migration)
{
    guint state = state_of(migration);
    if (migration->transaction == NULL || migration->over)
        return FALSE;
    return is_source(migration) ? state == MIGRATION_S_CHECKING || state == MIGRATION_S_SENDING ||
                                      state == MIGRATION_S_SWITCHING || state == MIGRATION_S_WAITING
                                : state == MIGRATION_D_RECEIVING;
}

static void give_up(Migration *migration, const GError *cause)
{
    gboolean cancelled = domgrp_error_code(cause) == DOMGRP_ERROR_CANCELLED;
    guint state = state_of(migration);
    gboolean cancels = is_source(migration) &&
                       (cancelled || state == MIGRATION_S_CHECKING || state == MIGRATION_S_WAITING);
    if (migration->given_up || !is_undecided(migration))
        return;
    migration->given_up = TRUE;
    if (!is_source(migration))
        set_why(migration, cause);
    transaction_event(migration->transaction,
                      cancels ? MIGRATION_EVENT_CANCEL : MIGRATION_EVENT_FAILED, NULL, NULL);
}

StepResult migrate_give_up(Work *work, GError **error)
{
    Migration *migration = work->group->migration;
    operation_close_image(work->operation);
    if (migration == NULL)
        return STEP_DONE;
    close_data(migration); /* or what comes behind would never be heard */
    migration->parked = TRUE;
    if (migration->acting == MIGRATION_ACTION_NOTHING && !is_busy(migration))
        give_up(migration, work->operation->cause);
    if (is_undecided(migration) || is_busy(migration))
        return STEP_WATCH;
    if (!is_source(migration) || !work->operation->committed)
        return STEP_DONE;
    return fail_doubt(migration, error);
}

/* Its operation has ended, however. */
void migration_operation_ended(Operation *operation)
{
    Migration *migration = operation->group != NULL ? operation->group->migration : NULL;
    if (migration == NULL ||
        (operation->kind != OPERATION_MIGRATE && operation->kind != OPERATION_RECEIVE))
        return;
    migration->parked = FALSE;
    if (migration->transaction != NULL) {
        if (operation->error != NULL && is_undecided(migration))
            give_up(migration, operation->error);
        if (state_of(migration) == MIGRATION_S_HOME && is_source(migration) && !migration->asked)
            migration->over = TRUE; /* no connection was made */
        return;
    }
    if (!is_source(migration) && !migration->answered)
        refuse_offer(migration->engine, migration->connection, migration->uuid, operation->error);
    if (!is_source(migration))
        migration->connection = 0; /* whoever made it ends it */
    drop(migration);
}

/* -- actions -- */

/* After an error it is begun once more, in a while. */
static void acted(Migration *migration, const GError *error)
{
    migration->acting = MIGRATION_ACTION_NOTHING;
    transaction_acted(migration->transaction, error);
}

static void call_ended(gpointer data, const GError *error)
{
    Migration *migration = data;
    migration->calling = FALSE;
    if (error != NULL)
        acted(migration, error);
    engine_turn(migration->engine);
}

/* What a call about one member has done is seen at the next turn. */
static void resumed(gpointer data, const GError *error)
{
    Migration *migration = data;
    MemberNode *member = migration->called;
    const Operation *operation = member->group->operation;
    if (error == NULL) {
        member_store_gone_on(member);
        if (operation != NULL && member->node != NULL)
            operation_note_gone_on(operation, member->node);
    }
    call_ended(migration, error);
}

static void call_about(Migration *migration, MemberNode *member)
{
    migration->calling = TRUE;
    migration->called = member;
    g_hash_table_add(migration->acted, member);
}

static void unpaused(gpointer data, const GError *error)
{
    Migration *migration = data;
    if (error == NULL)
        migration->group->paused = FALSE;
    call_ended(migration, error);
}

/* Without groups a new daemon finds a hold by what the members are. */
static gboolean is_held(const Group *group)
{
    gboolean held = group->paused;
    for (guint i = 0; i < group->members->len && !group->engine->facts.has_groups; i++) {
        const MemberNode *member = group->members->pdata[i];
        held = held || (member_stands_still(member) && member->domain.paused);
    }
    return held;
}

/* The hold, not a pause that an operator has made. */
static gboolean unpause(Migration *migration)
{
    Group *group = migration->group;
    Host *host = host_of(migration);
    if (!is_held(group) || migration->operator_paused)
        return FALSE;
    g_autoptr(GArray) domids = group_domids(group);
    migration->calling = TRUE;
    host->ops->group_unpause(host, group->id, domids->len, (const guint32 *)domids->data, unpaused,
                             migration);
    return TRUE;
}

/* Those that others need go first. */
static MemberNode *next_to_resume(const Migration *migration)
{
    const Group *group = migration->group;
    for (guint round = 0; round < 2; round++)
        for (guint i = 0; i < group->members->len; i++) {
            MemberNode *member = group->members->pdata[i];
            gboolean free = TRUE;
            for (guint k = 0; k < member->needs->len; k++) {
                MemberNode *need = member->needs->pdata[k];
                free = free && !(member_stands_still(need) &&
                                 !g_hash_table_contains(migration->acted, need));
            }
            if ((free || round > 0) && member_stands_still(member) &&
                member->suspend_domid == member->domain.domid &&
                !g_hash_table_contains(migration->acted, member))
                return member;
        }
    return NULL;
}

/* TRUE: there is nothing left to do. */
static gboolean act_resume(Migration *migration)
{
    Host *host = host_of(migration);
    if (migration->stage++ == 0 && unpause(migration))
        return FALSE;
    MemberNode *member = next_to_resume(migration);
    if (member == NULL)
        return TRUE;
    call_about(migration, member);
    host->ops->domain_resume(host, member->domain.domid, member->shown.uuid, resumed, migration);
    return FALSE;
}

static void was_held(gpointer data, const HostPause *pause, const GError *error)
{
    Migration *migration = data;
    if (error == NULL)
        migration->group->paused = TRUE;
    call_ended(migration, error);
}

static gboolean act_hold(Migration *migration)
{
    Host *host = host_of(migration);
    if (migration->stage++ > 0)
        return TRUE;
    g_autoptr(GArray) domids = group_domids(migration->group);
    migration->operator_paused = FALSE;
    migration->calling = TRUE;
    host->ops->group_pause(host, migration->group->id, domids->len, (const guint32 *)domids->data,
                           was_held, migration);
    return FALSE;
}

static gboolean is_to_destroy(const Migration *migration, const MemberNode *member)
{
    if (!member_has_domain(member) || g_hash_table_contains(migration->acted, member))
        return FALSE;
    if (has_copy(migration, member))
        return TRUE;
    return !is_source(migration) && member_is_half_there(member); /* it was being built */
}

static void unpublished(gpointer data, const GError *error)
{
    Migration *migration = data;
    migration->unpublished = error == NULL;
    if (error != NULL && migration->acting == MIGRATION_ACTION_NOTHING)
        engine_retry(migration->engine);
    if (migration->acting != MIGRATION_ACTION_NOTHING) {
        call_ended(migration, error);
        return;
    }
    migration->calling = FALSE;
    engine_turn(migration->engine);
}

/* Takes the group from xenstore and from the hypervisor. FALSE: it is not away yet. */
static gboolean leave(Migration *migration, GError **error)
{
    Group *group = migration->group;
    Host *host = host_of(migration);
    if (group->publisher != NULL || migration->calling)
        return FALSE;
    if (group->in_hypervisor || !migration->unpublished) {
        g_autoptr(GArray) domids = group_domids(group);
        group->in_hypervisor = FALSE;
        migration->unpublished = migration->left = FALSE;
        migration->calling = TRUE;
        host->ops->record_unpublish(host, group->uuid, domids->len, (const guint32 *)domids->data,
                                    unpublished, migration);
        return FALSE;
    }
    migration->left = group_unmake(group, error);
    group->paused = group->paused && !migration->left;
    return migration->left;
}

static gboolean act_leave(Migration *migration)
{
    g_autoptr(GError) error = NULL;
    if (leave(migration, &error))
        return TRUE;
    if (error != NULL)
        acted(migration, error);
    return FALSE;
}

static gboolean act_destroy(Migration *migration)
{
    Host *host = host_of(migration);
    for (guint i = 0; i < migration->group->members->len; i++) {
        MemberNode *member = migration->group->members->pdata[i];
        if (!is_to_destroy(migration, member))
            continue;
        call_about(migration, member);
        host->ops->domain_destroy(host, member->domain.domid, member->shown.uuid, call_ended,
                                  migration);
        return FALSE;
    }
    for (guint i = 0; i < migration->group->members->len; i++) {
        MemberNode *member = migration->group->members->pdata[i];
        member->owned = FALSE;
        member->owned_domid = member->suspend_domid = HOST_DOMID_NONE;
        member->owner_doubt = TRUE;
    }
    if (is_away(migration->side, migration->row->next))
        return act_leave(migration);
    return !unpause(migration); /* it held what is not there any more */
}

static gboolean act_lose(Migration *migration)
{
    const EngineListener *listener = migration->engine->listener;
    g_autoptr(GError) error = NULL;
    if (!act_destroy(migration))
        return FALSE;
    if (listener->migration_failed == NULL)
        return TRUE;
    g_set_error(&error, DOMGRP_ERROR, DOMGRP_ERROR_LOST,
                "the memory of %s was lost with this host during its migration %s %s",
                migration->group->name, is_source(migration) ? "to" : "from", migration->peer);
    listener->migration_failed(migration->engine->listener_data, migration->group, error);
    return TRUE;
}

/* The start is in the journal before what comes of it is noted as of this boot. */
static gboolean start_afresh(Group *group, GError **error)
{
    OperationRequest request = {.kind = OPERATION_START, .group = group, .by_itself = TRUE};
    const Operation *ahead = operation_ahead(group->engine, group, NULL);
    if ((ahead == NULL || ahead->kind != OPERATION_START) &&
        operation_new(group->engine, &request, error) == NULL)
        return FALSE;
    group->boot_start = FALSE;
    group_store(group, NULL); /* else it is tried again */
    return TRUE;
}

static gboolean act_cold_start(Migration *migration)
{
    g_autoptr(GError) error = NULL;
    if (group_make(migration->group, &error) && start_afresh(migration->group, &error))
        return TRUE;
    acted(migration, error);
    return FALSE;
}

static gboolean do_action(Migration *migration)
{
    switch (migration->acting) {
    case MIGRATION_ACTION_RESUME:
        return act_resume(migration);
    case MIGRATION_ACTION_HOLD:
        return act_hold(migration);
    case MIGRATION_ACTION_DESTROY:
        return act_destroy(migration);
    case MIGRATION_ACTION_LOSE:
        return act_lose(migration);
    case MIGRATION_ACTION_COLD_START:
        return act_cold_start(migration);
    default:
        return TRUE; /* STOP_COPYING: the operation is at rest */
    }
}

/* Whether nobody else works on the group; who does is told to stop. */
static gboolean is_at_rest(Migration *migration)
{
    Operation *operation = migration->group->operation;
    for (guint i = 0; i < migration->group->members->len; i++)
        if (((MemberNode *)migration->group->members->pdata[i])->work != NULL && operation == NULL)
            return FALSE;
    if (operation == NULL || migration->parked)
        return TRUE;
    if (migration->acting == MIGRATION_ACTION_RESUME && !kinds[operation->kind].migrates)
        return TRUE; /* of a group that lives here again; it does nothing to who stands still */
    if (!migration->stopping && !operation->undoing && operation->error == NULL) {
        migration->stopping = TRUE;
        operation_cancel(operation, why_copy(migration));
    }
    return FALSE;
}

static void run_action(Migration *migration)
{
    if (migration->acting == MIGRATION_ACTION_NOTHING || migration->calling ||
        !is_at_rest(migration))
        return;
    if (do_action(migration))
        acted(migration, NULL);
}

/* -- a turn -- */

/* A stranger has destroyed a copy that is held. */
static void watch_copies(Migration *migration)
{
    if (!is_busy(migration) &&
        migration_copies(migration->side, state_of(migration)) == MIGRATION_COPIES_HELD &&
        !is_whole(migration))
        transaction_event(migration->transaction, MIGRATION_EVENT_COPY_LOST, NULL, NULL);
}

/* Of what was held, nothing waits to be let run. */
static gboolean all_run(const Migration *migration)
{
    for (guint i = 0; i < migration->group->members->len; i++) {
        const MemberNode *member = migration->group->members->pdata[i];
        if (has_copy(migration, member) && member->domain.paused)
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
    if (is_source(migration) || state_of(migration) != MIGRATION_D_ACTIVATING || is_busy(migration))
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
    if (connection == 0 || !leave(migration, &error)) {
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
    gboolean gone = is_source(migration) ? state_of(migration) == MIGRATION_S_NONE
                                         : state_of(migration) == MIGRATION_D_NONE;
    gboolean working = group->operation != NULL && (group->operation->kind == OPERATION_MIGRATE ||
                                                    group->operation->kind == OPERATION_RECEIVE);
    if (working || migration->calling || (gone && group->operation != NULL))
        return;
    drop(migration);
    if (gone)
        engine_remove_group(group);
}

static void note_bytes(const Migration *migration)
{
    Operation *operation = migration->group->operation;
    guint64 sent, received;
    if (operation == NULL || migration->connection == 0 || links_of(migration) == NULL)
        return;
    links_of(migration)->ops->bytes(links_of(migration), migration->connection, &sent, &received);
    operation->wire_bytes = sent + received;
}

static void run_migration(Migration *migration)
{
    note_bytes(migration);
    if (migration->transaction == NULL)
        return;
    run_action(migration);
    run_leaving(migration);
    watch_copies(migration);
    let_run(migration);
    if (migration->over)
        end_migration(migration);
}

/* The host has booted, and what the group was to wait for is over. */
static void run_boot_start(Group *group)
{
    if (group->boot_start && group->migration == NULL && !start_afresh(group, NULL))
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

/* -- an operator's word -- */

typedef struct {
    Engine *engine;
    char group_uuid[DOMGRP_UUID_TEXT]; /* whose connection it waits for, or "" */
    EngineSettled done;
    gpointer data;
    GError *error;
    guint timer;
} Settling;

static void settling_free(gpointer data)
{
    Settling *settling = data;
    Host *host = settling->engine->host;
    if (settling->timer != 0)
        host->ops->timer_cancel(host, settling->timer);
    g_clear_error(&settling->error);
    g_free(settling);
}

static void tell_settling(gpointer data)
{
    Settling *settling = data;
    settling->timer = 0;
    settling->done(settling->data, settling->error);
    g_ptr_array_remove(settling->engine->settlings, settling);
}

static void answer_later(Settling *settling, gint64 delay_us)
{
    Host *host = settling->engine->host;
    if (settling->timer != 0)
        host->ops->timer_cancel(host, settling->timer);
    settling->timer = host->ops->timer_add(host, delay_us, tell_settling, settling);
}

static void wake_settlings(Engine *engine, const Group *group)
{
    for (guint i = 0; i < engine->settlings->len; i++) {
        Settling *settling = engine->settlings->pdata[i];
        if (strcmp(settling->group_uuid, group->uuid) == 0)
            answer_later(settling, 0);
    }
}

static void word_taken(gpointer data, const GError *error)
{
    Settling *settling = data;
    if (error != NULL)
        settling->error = g_error_copy(error);
    answer_later(settling, 0);
}

static gboolean fail_settled(const Group *group, GError **error)
{
    g_set_error(error, DOMGRP_ERROR, DOMGRP_ERROR_GROUP_STATE,
                "no migration of %s is open: there is nothing to settle", group->name);
    return FALSE;
}

void engine_settle(Engine *engine, const char *name, EngineWord word, EngineSettled done,
                   gpointer data)
{
    Settling *settling = g_new0(Settling, 1);
    *settling = (Settling){.engine = engine, .done = done, .data = data};
    g_ptr_array_add(engine->settlings, settling);
    const Group *group = engine_group_lookup(engine, name, &settling->error);
    Migration *migration = group != NULL ? group->migration : NULL;
    if (group == NULL || migration == NULL || migration->transaction == NULL) {
        if (group != NULL)
            fail_settled(group, &settling->error);
        answer_later(settling, 0);
        return;
    }
    if (word == ENGINE_WORD_NONE) {
        gboolean tries = is_source(migration) && !is_connected(migration);
        memcpy(settling->group_uuid, group->uuid, sizeof settling->group_uuid);
        transaction_try(migration->transaction);
        answer_later(settling, tries ? SETTLE_US : 0);
    } else {
        transaction_event(migration->transaction,
                          word == ENGINE_WORD_RUN_HERE ? MIGRATION_EVENT_RUN_HERE
                                                       : MIGRATION_EVENT_DISCARD_HERE,
                          word_taken, settling);
    }
    engine_turn(engine);
}

GPtrArray *settlings_new(void)
{
    return g_ptr_array_new_with_free_func(settling_free);
}
