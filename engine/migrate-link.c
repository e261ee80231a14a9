/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the two sides of a migration say to each other: offers, answers, and the
 * connections that they come by.
 */
#include "migrate.h"

#include <errno.h>
#include <fcntl.h>
#include <glib-unix.h>
#include <string.h>

#include "domgrp-text.h"

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

void migration_say_offer(const Migration *migration, const Operation *operation)
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
    migration_links(migration)->ops->say(migration_links(migration), migration->connection, &said);
}

void migration_say_accept(const Migration *migration, guint connection)
{
    Engine *engine = migration->engine;
    HostFacts facts = engine->facts;
    g_autofree char *host = host_text(engine);
    engine->host->ops->facts(engine->host, &facts, NULL);
    g_autofree char *verdict = g_strdup_printf(
        "it can take %s: %u members, %" G_GUINT64_FORMAT " MiB free before them",
        migration->group->name, migration->group->members->len, facts.memory_free_kib / 1024);
    MigrationSaid said = {.message = MIGRATION_MESSAGE_ACCEPT,
                          .accept = {.has_groups = facts.has_groups,
                                     .image_version = facts.image_version,
                                     .memory_free_kib = facts.memory_free_kib,
                                     .host = host,
                                     .verdict = verdict}};
    g_strlcpy(said.transaction, migration->uuid, sizeof said.transaction);
    migration_links(migration)->ops->say(migration_links(migration), connection, &said);
}

/* -- which migration it is -- */

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
    return !migration_is_source(migration) && strcmp(migration->uuid, uuid) == 0;
}

static gboolean is_ours(const Migration *migration, gconstpointer uuid)
{
    return migration_is_source(migration) && strcmp(migration->uuid, uuid) == 0;
}

/* -- an offer -- */

/* Groups that come in and are not complete. */
static guint count_receives(const Engine *engine)
{
    GHashTableIter iter;
    gpointer value;
    guint n = 0;
    g_hash_table_iter_init(&iter, engine->groups);
    while (g_hash_table_iter_next(&iter, NULL, &value)) {
        const Migration *migration = ((Group *)value)->migration;
        n += migration != NULL && !migration_is_source(migration) &&
             (migration_state(migration) == MIGRATION_D_NONE ||
              migration_state(migration) == MIGRATION_D_RECEIVING);
    }
    return n;
}

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
    if (count_receives(engine) >= ENGINE_MAX_RECEIVES) {
        g_set_error(error, DOMGRP_ERROR, DOMGRP_ERROR_GROUP_LIMIT,
                    "%d groups are coming to this host already: send %s when one of them is there",
                    ENGINE_MAX_RECEIVES, offer->group_name);
        return FALSE;
    }
    return engine_check_new(engine, offer->group_name, offer->group_uuid, offer->n_members, error);
}

/*
 * Whether the members' configurations so far are read in a moment, for the daemon does nothing else
 * meanwhile: as many as a group may have if they are ordinary, a few if they are as large as any.
 */
static gboolean may_read(const MigrationOffer *offer, const char *json, guint64 *effort,
                         GError **error)
{
    const guint64 max = 4 * (guint64)DOMGRP_JSON_VALUES_MAX * DOMGRP_JSON_VALUES_MAX;
    guint64 n = domgrp_text_json_values(json);
    *effort += n * n; /* a frame's length bounds both */
    if (*effort <= max)
        return TRUE;
    g_set_error(error, DOMGRP_ERROR, DOMGRP_ERROR_PEER,
                "the configurations of the members of %s are too large to be read",
                offer->group_name);
    return FALSE;
}

/* The members of the definition, which must be those of the offer. */
static gboolean add_offered(Operation *operation, const MigrationOffer *offer, GKeyFile *keys,
                            GError **error)
{
    Host *host = operation->engine->host;
    guint64 effort = 0;
    for (guint i = 0; i < offer->n_members; i++) {
        const MigrationMember *said = &offer->members[i];
        g_autofree char *section = g_strdup_printf("member %u", i);
        g_autofree char *json = g_key_file_get_string(keys, section, "json", NULL);
        HostConfig *config = NULL;
        if (json == NULL || !may_read(offer, json, &effort, error) ||
            !host->ops->config_parse(host, json, &config, error)) {
            if (json == NULL)
                g_set_error(error, DOMGRP_ERROR, DOMGRP_ERROR_PEER,
                            "the definition of %s has no configuration of %s", offer->group_name,
                            said->name);
            return FALSE;
        }
        OperationNode *node = operation_add_member(operation, NULL);
        node->config = config;
        /* It may have grown since it was defined. */
        config->memory_kib = MAX(config->memory_kib, said->memory_kib);
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
    if (find_migration(engine, is_ours, said->transaction) != NULL) {
        g_set_error(error, DOMGRP_ERROR, DOMGRP_ERROR_PEER,
                    "the transaction of %s is one of a group that moves from here",
                    offer->group_name);
        return FALSE;
    }
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

void migration_refuse_offer(Engine *engine, guint connection, const char *uuid, const GError *error)
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
    migration_links(migration)->ops->take_data(migration_links(migration), migration->connection,
                                               pipe[1]);
    return TRUE;
}

/* The checks of a RECEIVE were passed: the row NONE, OFFER; of a dry run, only its answer. */
StepResult migrate_accept(Work *work, GError **error)
{
    Migration *migration = work->group->migration;
    if (work->operation->options.dry_run) {
        migration_say_accept(migration, migration->connection);
        migration->answered = TRUE;
        return STEP_DONE;
    }
    if (migration->transaction == NULL && migration->connection != 0) {
        if (!take_data(migration, error))
            return STEP_FAILED;
        migration_begin(migration, "NONE");
        transaction_connected(migration->transaction, migration->connection);
        transaction_receive(migration->transaction, migration->connection, migration->uuid,
                            MIGRATION_MESSAGE_OFFER);
    }
    if (migration_state(migration) == MIGRATION_D_RECEIVING)
        return STEP_DONE;
    if (migration->transaction != NULL && !migration->over)
        return STEP_WATCH;
    g_propagate_error(error, migration_why(migration));
    return STEP_FAILED;
}

/* -- connections -- */

static void on_connected(gpointer data, guint connection, gboolean ours)
{
    Engine *engine = data;
    Migration *migration = find_migration(engine, has_connection, &connection);
    if (migration == NULL || !migration_is_source(migration)) {
        if (ours) /* whoever wanted it is gone */
            engine->links->ops->hang_up(engine->links, connection);
        return;
    }
    if (migration->transaction == NULL) {
        migration->asked = TRUE;
        migration_say_offer(migration, migration->group->operation);
    } else if (!migration->asked) {
        migration->asked = TRUE;
        transaction_migrate(migration->transaction, connection, NULL, NULL);
    } else {
        g_clear_error(&migration->link_error);
        settlings_connected(engine, migration->group);
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
        migration_set_why(migration, error);
    }
}

/*
 * With @message the group is away, by a row that does nothing to it: what is left of it in the
 * hypervisor and in xenstore goes before that is written, or a daemon that dies then leaves it.
 */
static gboolean ends_here(const Migration *migration, MigrationMessage message)
{
    const MigrationRow *row = migration_step(migration->side, migration_state(migration),
                                             migration_message_event(message));
    return !migration_is_busy(migration) && row != NULL &&
           row->action == MIGRATION_ACTION_NOTHING &&
           migration_is_away(migration->side, row->next) &&
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

/*
 * Whether what is held is as it is known to be: nobody may count on a copy that is gone. If that
 * cannot be seen, the other side has to say it again.
 */
static gboolean sees_copies(Migration *migration, guint connection)
{
    if (migration_copies(migration->side, migration_state(migration)) != MIGRATION_COPIES_HELD)
        return TRUE;
    if (reality_read(migration->engine, FALSE, NULL)) {
        migration_watch_copies(migration);
        return TRUE;
    }
    migration_links(migration)->ops->hang_up(migration_links(migration), connection);
    transaction_link_lost(migration->transaction, connection);
    return FALSE;
}

static void source_hears(Migration *migration, guint connection, const MigrationSaid *said)
{
    note_said(migration, said);
    if (migration->transaction != NULL && sees_copies(migration, connection))
        hear(migration, connection, said);
}

/* Whoever has no migration here has no use for the connection. */
static void refuse(Engine *engine, guint connection, const char *uuid, const GError *error)
{
    migration_refuse_offer(engine, connection, uuid, error);
    engine->links->ops->hang_up(engine->links, connection);
}

static void destination_hears(Migration *migration, guint connection, const MigrationSaid *said)
{
    if (said->message == MIGRATION_MESSAGE_OFFER && connection != migration->connection) {
        g_autoptr(GError) error =
            g_error_new(DOMGRP_ERROR, DOMGRP_ERROR_PEER, "the transaction of %s was offered before",
                        said->offer.group_name);
        refuse(migration->engine, connection, said->transaction, error);
        return;
    }
    if (migration->transaction == NULL)
        return; /* its offer is being looked at */
    if (migration->connection != connection) {
        transaction_connected(migration->transaction, connection);
        migration->connection = connection;
    }
    if (said->message == MIGRATION_MESSAGE_END &&
        migration_state(migration) == MIGRATION_D_RECEIVING && !migration->built)
        migration->end_came = TRUE;
    else if (sees_copies(migration, connection))
        hear(migration, connection, said);
}

static void on_said(gpointer data, guint connection, const MigrationSaid *said)
{
    Engine *engine = data;
    g_autoptr(GError) error = NULL;
    Migration *migration = find_migration(engine, has_connection, &connection);
    if (migration == NULL || !migration_is_source(migration))
        migration = find_migration(engine, is_transaction, said->transaction);
    if (migration == NULL) {
        if (said->message != MIGRATION_MESSAGE_OFFER ||
            !take_offer(engine, connection, said, &error))
            refuse(engine, connection, said->transaction, error);
    } else if (migration_is_source(migration)) {
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
    gboolean first = migration_is_source(migration) && !migration->asked;
    gboolean was_there = migration_is_connected(migration);
    migration->connection = 0;
    if (migration->why == NULL)
        migration_set_why_of_link(migration, error);
    g_clear_error(&migration->link_error);
    migration->link_error = error != NULL ? g_error_copy(error) : NULL;
    settlings_wake(engine, migration->group);
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
