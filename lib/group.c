/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Groups: their records, and the operations on them. */
#include "private.h"

#include <string.h>

#include "group-file.h"
#include "map-file.h"

/* -- records -- */

static void member_read(JsonObject *record, DomgrpMember *ret_member)
{
    *ret_member = (DomgrpMember){
        .uuid = record_text(record, "uuid"),
        .name = record_text(record, "name_label"),
        .state = record_text(record, "state"),
        .domid = record_int(record, "domid"),
        .ours = record_flag(record, "ours"),
        .memory_kib = record_int(record, "memory_kib"),
        .cpu_time_us = record_int(record, "cpu_time_us"),
        .vcpus = record_int(record, "vcpus"),
    };
}

/* NULL for one that is empty, or missing. */
static DomgrpMigration *migration_of_record(JsonObject *record)
{
    if (record == NULL || json_object_get_size(record) == 0)
        return NULL;
    g_auto(GStrv) words = record_texts(record_array(record, "words"));
    g_autofree char *side = record_text(record, "side");
    DomgrpMigration *migration = g_new0(DomgrpMigration, 1);
    *migration = (DomgrpMigration){
        .transaction = record_text(record, "transaction"),
        .is_source = g_str_equal(side, "source"),
        .peer = record_text(record, "peer"),
        .state = record_text(record, "state"),
        .meaning = record_text(record, "meaning"),
        .entered = record_text(record, "entered"),
        .connected = record_flag(record, "connected"),
        .last_error = record_text(record, "last_error"),
        .may_run_here = g_strv_contains((const char *const *)words, "run-here"),
        .may_discard_here = g_strv_contains((const char *const *)words, "discard-here"),
    };
    return migration;
}

static void migration_free(DomgrpMigration *migration)
{
    if (migration == NULL)
        return;
    g_free(migration->transaction);
    g_free(migration->peer);
    g_free(migration->state);
    g_free(migration->meaning);
    g_free(migration->entered);
    g_free(migration->last_error);
    g_free(migration);
}

/* Takes @node, an object. */
static DomgrpGroup *group_of_record(JsonNode *node)
{
    JsonObject *record = json_node_get_object(node);
    g_autoptr(GPtrArray) members = record_objects(record_array(record, "members"));
    DomgrpGroup *group = g_new0(DomgrpGroup, 1);
    *group = (DomgrpGroup){
        .uuid = record_text(record, "uuid"),
        .name = record_text(record, "name_label"),
        .id = record_int(record, "id"),
        .state = record_text(record, "state"),
        .is_default = record_flag(record, "is_default"),
        .paused = record_flag(record, "paused"),
        .memory_kib = record_int(record, "memory_kib"),
        .cpu_time_us = record_int(record, "cpu_time_us"),
        .current_task = record_text(record, "current_task"),
        .settings = record_texts(record_array(record, "settings")),
        .n_members = members->len,
        .members = g_new0(DomgrpMember, members->len),
        .record = node,
        .migration = migration_of_record(record_object(record, "migration")),
    };
    for (guint i = 0; i < members->len; i++)
        member_read(members->pdata[i], &group->members[i]);
    return group;
}

void domgrp_group_free(DomgrpGroup *group)
{
    if (group == NULL)
        return;
    for (guint i = 0; i < group->n_members; i++) {
        g_free(group->members[i].uuid);
        g_free(group->members[i].name);
        g_free(group->members[i].state);
    }
    g_free(group->members);
    g_free(group->uuid);
    g_free(group->name);
    g_free(group->state);
    g_free(group->current_task);
    g_strfreev(group->settings);
    migration_free(group->migration);
    json_node_unref(group->record);
    g_free(group);
}

GPtrArray *domgrp_group_list(DomgrpConnection *connection, GError **error)
{
    const char *method = "domain_group.get_all_records";
    g_autoptr(JsonNode) result = domgrp_connection_call(connection, method, NULL, error);
    if (result == NULL || !record_check(result, method, error))
        return NULL;
    return record_map(json_node_get_object(result), (RecordRead)group_of_record,
                      (GDestroyNotify)domgrp_group_free);
}

static JsonArray *params_new(const char *first)
{
    JsonArray *params = json_array_new();
    json_array_add_string_element(params, first);
    return params;
}

DomgrpGroup *domgrp_group_get(DomgrpConnection *connection, const char *group, GError **error)
{
    const char *method = "domain_group.get_record";
    g_autoptr(JsonNode) result =
        domgrp_connection_call(connection, method, params_new(group), error);
    if (result == NULL || !record_check(result, method, error))
        return NULL;
    return group_of_record(g_steal_pointer(&result));
}

/* -- operations -- */

/* What is set and nothing else, so that an operation refuses what it does not know. */
static JsonObject *options_to_json(const DomgrpOptions *options)
{
    JsonObject *object = json_object_new();
    if (options->on_failure != NULL)
        json_object_set_string_member(object, "on_failure", options->on_failure);
    if (options->wait)
        json_object_set_boolean_member(object, "wait", TRUE);
    if (options->dry_run)
        json_object_set_boolean_member(object, "dry_run", TRUE);
    if (options->timeout_s != 0)
        json_object_set_int_member(object, "timeout", options->timeout_s);
    if (options->fallback)
        json_object_set_boolean_member(object, "fallback", TRUE);
    if (options->ordered)
        json_object_set_boolean_member(object, "ordered", TRUE);
    if (options->fast)
        json_object_set_boolean_member(object, "fast", TRUE);
    if (options->live)
        json_object_set_boolean_member(object, "live", TRUE);
    if (options->disks_reverted)
        json_object_set_boolean_member(object, "disks_reverted", TRUE);
    if (options->command != NULL)
        json_object_set_string_member(object, "command", options->command);
    if (options->limit_mib != 0)
        json_object_set_int_member(object, "limit", options->limit_mib);
    if (options->ready_timeout_s != 0)
        json_object_set_int_member(object, "ready_timeout", options->ready_timeout_s);
    if (options->without_groups)
        json_object_set_boolean_member(object, "without_groups", TRUE);
    return object;
}

/* Takes @params. */
static char *operate_with(DomgrpConnection *connection, const char *method, JsonArray *params,
                          GError **error)
{
    g_autoptr(JsonNode) result = domgrp_connection_call(connection, method, params, error);
    if (result == NULL)
        return NULL;
    if (!JSON_NODE_HOLDS_VALUE(result) || json_node_get_value_type(result) != G_TYPE_STRING) {
        g_set_error(error, DOMGRP_ERROR, DOMGRP_ERROR_DAEMON,
                    "domgrpd answered %s without a task; is it of another version?", method);
        return NULL;
    }
    return json_node_dup_string(result);
}

/* Takes @params. */
static char *operate(DomgrpConnection *connection, const char *method, JsonArray *params,
                     const DomgrpOptions *options, GError **error)
{
    if (options != NULL)
        json_array_add_object_element(params, options_to_json(options));
    return operate_with(connection, method, params, error);
}

static JsonObject *definition_of_file(const GroupFile *file)
{
    JsonArray *members = json_array_new();
    for (guint i = 0; i < file->n_members; i++) {
        JsonObject *member = json_object_new();
        json_object_set_string_member(member, "path", file->members[i].path);
        json_object_set_string_member(member, "text", file->members[i].text);
        json_array_add_object_element(members, member);
    }
    JsonObject *definition = json_object_new();
    json_object_set_string_member(definition, "name_label", file->name);
    if (*file->uuid != '\0')
        json_object_set_string_member(definition, "uuid", file->uuid);
    json_object_set_string_member(definition, "text", file->text);
    json_object_set_string_member(definition, "directory", file->directory);
    json_object_set_array_member(definition, "members", members);
    return definition;
}

char *domgrp_group_create(DomgrpConnection *connection, const char *path,
                          const DomgrpOptions *options, GError **error)
{
    g_autoptr(GroupFile) file = NULL;
    if (!group_file_load(path, &file, error))
        return NULL;
    JsonArray *params = json_array_new();
    json_array_add_object_element(params, definition_of_file(file));
    return operate(connection, "Async.domain_group.create", params, options, error);
}

char *domgrp_group_start(DomgrpConnection *connection, const char *group,
                         const DomgrpOptions *options, GError **error)
{
    return operate(connection, "Async.domain_group.start", params_new(group), options, error);
}

char *domgrp_group_shutdown(DomgrpConnection *connection, const char *group,
                            const DomgrpOptions *options, GError **error)
{
    return operate(connection, "Async.domain_group.clean_shutdown", params_new(group), options,
                   error);
}

char *domgrp_group_reboot(DomgrpConnection *connection, const char *group,
                          const DomgrpOptions *options, GError **error)
{
    return operate(connection, "Async.domain_group.clean_reboot", params_new(group), options,
                   error);
}

char *domgrp_group_destroy(DomgrpConnection *connection, const char *group,
                           const DomgrpOptions *options, GError **error)
{
    return operate(connection, "Async.domain_group.hard_shutdown", params_new(group), options,
                   error);
}

char *domgrp_group_delete(DomgrpConnection *connection, const char *group,
                          const DomgrpOptions *options, GError **error)
{
    return operate(connection, "Async.domain_group.destroy", params_new(group), options, error);
}

char *domgrp_group_pause(DomgrpConnection *connection, const char *group,
                         const DomgrpOptions *options, GError **error)
{
    return operate(connection, "Async.domain_group.pause", params_new(group), options, error);
}

char *domgrp_group_unpause(DomgrpConnection *connection, const char *group,
                           const DomgrpOptions *options, GError **error)
{
    return operate(connection, "Async.domain_group.unpause", params_new(group), options, error);
}

char *domgrp_group_join(DomgrpConnection *connection, const char *group, const char *domain,
                        const DomgrpOptions *options, GError **error)
{
    JsonArray *params = params_new(group);
    json_array_add_string_element(params, domain);
    return operate(connection, "Async.domain_group.join", params, options, error);
}

/* -- images -- */

static void path_add(JsonArray *params, const char *path)
{
    g_autofree char *absolute = g_canonicalize_filename(path, NULL);
    json_array_add_string_element(params, absolute);
}

/* JSON is text; and so is what a person can be told of. */
static gboolean path_check(const char *path, GError **error)
{
    if (*path != '\0' && g_utf8_validate(path, -1, NULL))
        return TRUE;
    g_set_error(error, DOMGRP_ERROR, DOMGRP_ERROR_VALUE,
                "the path of an image is to be text in UTF-8, and not empty");
    return FALSE;
}

static char *operate_image(DomgrpConnection *connection, const char *method, const char *group,
                           const char *path, const DomgrpOptions *options, GError **error)
{
    if (!path_check(path, error))
        return NULL;
    JsonArray *params = params_new(group);
    path_add(params, path);
    return operate(connection, method, params, options, error);
}

char *domgrp_group_save(DomgrpConnection *connection, const char *group, const char *path,
                        const DomgrpOptions *options, GError **error)
{
    return operate_image(connection, "Async.domain_group.save", group, path, options, error);
}

char *domgrp_group_checkpoint(DomgrpConnection *connection, const char *group, const char *path,
                              const DomgrpOptions *options, GError **error)
{
    return operate_image(connection, "Async.domain_group.checkpoint", group, path, options, error);
}

char *domgrp_group_suspend(DomgrpConnection *connection, const char *group,
                           const DomgrpOptions *options, GError **error)
{
    return operate(connection, "Async.domain_group.suspend", params_new(group), options, error);
}

char *domgrp_group_resume(DomgrpConnection *connection, const char *group,
                          const DomgrpOptions *options, GError **error)
{
    return operate(connection, "Async.domain_group.resume", params_new(group), options, error);
}

/* The daemon reads the text again; what is wrong with it is said here with file and line. */
static gboolean map_load(const char *path, char **ret_text, GError **error)
{
    g_autofree char *text = NULL;
    if (!group_file_read(path, CFG_TEXT_MAX, &text, error))
        return FALSE;
    g_autoptr(DomgrpMap) map = map_file_parse(text, strlen(text), path, error);
    if (map == NULL)
        return FALSE;
    *ret_text = g_steal_pointer(&text);
    return TRUE;
}

char *domgrp_group_restore(DomgrpConnection *connection, const char *path,
                           const DomgrpOptions *options, GError **error)
{
    g_autofree char *map = NULL;
    if (!path_check(path, error) ||
        (options != NULL && options->map != NULL && !map_load(options->map, &map, error)))
        return NULL;
    JsonArray *params = json_array_new();
    JsonObject *how = options == NULL ? json_object_new() : options_to_json(options);
    path_add(params, path);
    if (map != NULL)
        json_object_set_string_member(how, "map", map);
    json_array_add_object_element(params, how);
    return operate_with(connection, "Async.domain_group.restore", params, error);
}

/* -- to other hosts -- */

char *domgrp_group_migrate(DomgrpConnection *connection, const char *group, const char *peer,
                           const DomgrpOptions *options, GError **error)
{
    const char *command = options == NULL ? NULL : options->command;
    if (!g_utf8_validate(peer, -1, NULL) ||
        (command != NULL && !g_utf8_validate(command, -1, NULL))) {
        g_set_error(error, DOMGRP_ERROR, DOMGRP_ERROR_VALUE,
                    "a host, and the command that reaches it, is to be text in UTF-8");
        return NULL;
    }
    JsonArray *params = params_new(group);
    json_array_add_string_element(params, peer);
    return operate(connection, "Async.domain_group.migrate", params, options, error);
}

gboolean domgrp_group_settle(DomgrpConnection *connection, const char *group, DomgrpWord word,
                             GError **error)
{
    JsonArray *params = params_new(group);
    json_array_add_string_element(params, word == DOMGRP_WORD_RUN_HERE       ? "run-here"
                                          : word == DOMGRP_WORD_DISCARD_HERE ? "discard-here"
                                                                             : "");
    g_autoptr(JsonNode) result =
        domgrp_connection_call(connection, "domain_group.settle", params, error);
    return result != NULL;
}
