/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Groups, tasks and the host as JSON. */
#include "records.h"

static const char *text_of(const char *text)
{
    return text == NULL ? "" : text;
}

JsonNode *record_node(JsonObject *object)
{
    JsonNode *node = json_node_new(JSON_NODE_OBJECT);
    json_node_take_object(node, object);
    return node;
}

JsonNode *record_string(const char *text)
{
    return json_node_init_string(json_node_alloc(), text);
}

JsonNode *record_array(JsonArray *array)
{
    JsonNode *node = json_node_new(JSON_NODE_ARRAY);
    json_node_take_array(node, array);
    return node;
}

char *record_time(gint64 time_us)
{
    if (time_us == 0)
        return g_strdup("");
    g_autoptr(GDateTime) second = g_date_time_new_from_unix_utc(time_us / G_USEC_PER_SEC);
    g_autoptr(GDateTime) time = g_date_time_add(second, time_us % G_USEC_PER_SEC);
    return g_date_time_format_iso8601(time);
}

static JsonNode *record_of_member(const Member *member)
{
    JsonObject *record = json_object_new();
    json_object_set_string_member(record, "uuid", member->uuid);
    json_object_set_string_member(record, "name_label", member->name);
    json_object_set_string_member(record, "state", member_state_name(member->state));
    json_object_set_int_member(record, "domid",
                               member->domid == HOST_DOMID_NONE ? -1 : (gint64)member->domid);
    json_object_set_boolean_member(record, "ours", member->ours);
    json_object_set_int_member(record, "memory_kib", member->memory_kib);
    json_object_set_int_member(record, "cpu_time_us", member->cpu_time_us);
    json_object_set_int_member(record, "vcpus", member->vcpus);
    return record_node(record);
}

static char *operation_reference(const Operation *operation)
{
    if (operation == NULL)
        return g_strdup("");
    OperationInfo info;
    operation_get_info(operation, &info);
    return g_strdup(info.uuid);
}

/* A line "key value" each; of default groups there is nothing to say. */
static JsonArray *settings_lines(const DomgrpSettings *settings)
{
    JsonArray *lines = json_array_new();
    g_autofree char *text = settings == NULL ? g_strdup("") : domgrp_settings_to_text(settings);
    g_auto(GStrv) each = g_strsplit(text, "\n", -1);
    for (guint i = 0; each[i] != NULL; i++)
        if (*each[i] != '\0')
            json_array_add_string_element(lines, each[i]);
    return lines;
}

/* -- migrations -- */

static const char *const words[] = {
    [ENGINE_WORD_NONE] = "",
    [ENGINE_WORD_RUN_HERE] = "run-here",
    [ENGINE_WORD_DISCARD_HERE] = "discard-here",
};

const char *record_word(EngineWord word)
{
    return words[word];
}

gboolean record_parse_word(const char *text, EngineWord *ret_word, GError **error)
{
    for (guint i = 0; i < G_N_ELEMENTS(words); i++) {
        if (g_str_equal(words[i], text)) {
            *ret_word = i;
            return TRUE;
        }
    }
    g_set_error(error, DOMGRP_ERROR, DOMGRP_ERROR_VALUE,
                "\"%.40s\" is no word about a migration: it is \"\", \"%s\" or \"%s\"", text,
                words[ENGINE_WORD_RUN_HERE], words[ENGINE_WORD_DISCARD_HERE]);
    return FALSE;
}

static JsonArray *migration_words(const GroupMigration *migration)
{
    JsonArray *array = json_array_new();
    if (migration->may_run)
        json_array_add_string_element(array, record_word(ENGINE_WORD_RUN_HERE));
    if (migration->may_discard)
        json_array_add_string_element(array, record_word(ENGINE_WORD_DISCARD_HERE));
    return array;
}

/* Empty if none is open. */
static JsonObject *record_of_migration(const Group *group)
{
    GroupMigration migration;
    JsonObject *record = json_object_new();
    if (!group_get_migration(group, &migration))
        return record;
    g_autofree char *entered = record_time(migration.entered_us);
    json_object_set_string_member(record, "transaction", migration.transaction);
    json_object_set_string_member(record, "side", migration.is_source ? "source" : "destination");
    json_object_set_string_member(record, "peer", text_of(migration.peer));
    json_object_set_string_member(record, "state", migration.state);
    json_object_set_string_member(record, "meaning", migration.meaning);
    json_object_set_string_member(record, "entered", entered);
    json_object_set_boolean_member(record, "connected", migration.connected);
    json_object_set_string_member(record, "last_error", migration.link_error);
    json_object_set_array_member(record, "words", migration_words(&migration));
    return record;
}

/* -- groups and tasks -- */

JsonNode *record_of_group(const Group *group)
{
    GroupInfo info;
    group_get_info(group, &info);
    g_autofree char *task = operation_reference(info.operation);
    JsonArray *members = json_array_new();
    for (guint i = 0; i < info.members->len; i++)
        json_array_add_element(members, record_of_member(info.members->pdata[i]));

    JsonObject *record = json_object_new();
    json_object_set_string_member(record, "uuid", info.uuid);
    json_object_set_string_member(record, "name_label", info.name);
    json_object_set_int_member(record, "id", info.id);
    json_object_set_string_member(record, "state", group_state_name(info.state));
    json_object_set_boolean_member(record, "is_default", info.is_default);
    json_object_set_boolean_member(record, "paused", info.paused);
    json_object_set_int_member(record, "memory_kib", info.memory_kib);
    json_object_set_int_member(record, "cpu_time_us", info.cpu_time_us);
    json_object_set_string_member(record, "current_task", task);
    json_object_set_array_member(record, "settings", settings_lines(info.settings));
    json_object_set_array_member(record, "members", members);
    json_object_set_object_member(record, "migration", record_of_migration(group));
    return record_node(record);
}

static JsonNode *record_of_task_member(const OperationMember *member)
{
    JsonObject *record = json_object_new();
    json_object_set_string_member(record, "uuid", member->uuid);
    json_object_set_string_member(record, "name_label", member->name);
    json_object_set_string_member(record, "outcome", outcome_name(member->outcome));
    json_object_set_int_member(record, "tier", member->tier);
    json_object_set_string_member(record, "doing", text_of(member->doing));
    json_object_set_string_member(record, "ready", text_of(member->ready));
    json_object_set_string_member(record, "seen", text_of(member->probing ? member->seen : NULL));
    json_object_set_string_member(record, "needs", text_of(member->probing ? NULL : member->seen));
    json_object_set_int_member(record, "still_us", member->still_us);
    json_object_set_string_member(record, "error",
                                  member->error == NULL ? "" : member->error->message);
    return record_node(record);
}

static void result_add_pause(JsonObject *result, const HostPause *pause)
{
    json_object_set_boolean_member(result, "atomic", pause->atomic);
    json_object_set_int_member(result, "request_ns", pause->request_ns);
    json_object_set_int_member(result, "stopped_ns", pause->stopped_ns);
    json_object_set_int_member(result, "domains", pause->domains);
    json_object_set_int_member(result, "vcpus", pause->vcpus);
}

static gint compare_tiers(gconstpointer a, gconstpointer b)
{
    const OperationMember *const *first = a, *const *second = b;
    return (*first)->tier < (*second)->tier ? -1 : (*first)->tier > (*second)->tier;
}

/* What would be done to members, in tiers; nothing of what is done to the group as a whole. */
static void result_add_plan(JsonObject *result, const OperationInfo *info)
{
    JsonArray *plan = json_array_new();
    g_autoptr(GPtrArray) members = g_ptr_array_new();
    for (guint i = 0; info->plan != NULL && i < info->members->len; i++)
        g_ptr_array_add(members, info->members->pdata[i]);
    g_ptr_array_sort(members, compare_tiers); /* stable */
    for (guint i = 0; i < members->len; i++) {
        const OperationMember *member = members->pdata[i];
        JsonObject *step = json_object_new();
        json_object_set_int_member(step, "tier", member->tier);
        json_object_set_string_member(step, "member", member->name);
        json_object_set_string_member(step, "uuid", member->uuid);
        json_object_set_string_member(step, "steps", info->plan);
        json_object_set_string_member(step, "ready", text_of(member->ready));
        json_array_add_object_element(plan, step);
    }
    json_object_set_array_member(result, "plan", plan);
    json_object_set_string_member(result, "policy", domgrp_policy_name(info->policy));
}

static JsonObject *task_result(const OperationInfo *info)
{
    JsonObject *result = json_object_new();
    if (info->ended_us == 0 || info->error != NULL)
        return result;
    if (info->dry_run)
        result_add_plan(result, info);
    else if (info->kind == OPERATION_PAUSE)
        result_add_pause(result, &info->pause);
    return result;
}

/* Empty for a task that works on none. That of a migration goes to the other host, and has no path.
 */
static JsonObject *task_image(const OperationInfo *info)
{
    JsonObject *image = json_object_new();
    if (info->image_path == NULL && info->kind != OPERATION_MIGRATE)
        return image;
    json_object_set_string_member(image, "path", text_of(info->image_path));
    json_object_set_int_member(image, "memory_bytes", info->image.memory_bytes);
    json_object_set_int_member(image, "total_bytes", info->image.total_bytes);
    json_object_set_int_member(image, "file_bytes", info->image.file_bytes);
    json_object_set_int_member(image, "cut_us", info->cut_us);
    return image;
}

/* In the Xen API's words; a task that waits for its turn is pending too. */
static const char *task_status(const OperationInfo *info)
{
    if (info->ended_us == 0)
        return "pending";
    if (info->error == NULL)
        return "success";
    return domgrp_error_code(info->error) == DOMGRP_ERROR_CANCELLED ? "cancelled" : "failure";
}

static JsonArray *task_error(const GError *error)
{
    JsonArray *info = json_array_new();
    if (error == NULL)
        return info;
    json_array_add_string_element(info, domgrp_error_name(domgrp_error_code(error)));
    json_array_add_string_element(info, error->message);
    return info;
}

JsonNode *record_of_task(const Operation *operation)
{
    OperationInfo info;
    operation_get_info(operation, &info);
    g_autofree char *label = g_strdup_printf("domain_group.%s", operation_kind_name(info.kind));
    g_autofree char *created = record_time(info.began_us);
    g_autofree char *finished = record_time(info.ended_us);
    JsonArray *members = json_array_new();
    for (guint i = 0; info.members != NULL && i < info.members->len; i++)
        json_array_add_element(members, record_of_task_member(info.members->pdata[i]));

    JsonObject *record = json_object_new();
    json_object_set_string_member(record, "uuid", info.uuid);
    json_object_set_string_member(record, "name_label", label);
    json_object_set_string_member(record, "group", info.group_uuid);
    json_object_set_string_member(record, "group_name", info.group_name);
    json_object_set_string_member(record, "status", task_status(&info));
    json_object_set_boolean_member(record, "queued", info.queued);
    json_object_set_boolean_member(record, "dry_run", info.dry_run);
    json_object_set_boolean_member(record, "interrupted", info.interrupted);
    json_object_set_boolean_member(record, "by_itself", info.by_itself);
    json_object_set_string_member(record, "policy", domgrp_policy_name(info.policy));
    json_object_set_string_member(record, "created", created);
    json_object_set_string_member(record, "finished", finished);
    json_object_set_double_member(record, "progress", info.progress);
    json_object_set_array_member(record, "error_info", task_error(info.error));
    json_object_set_array_member(record, "members", members);
    json_object_set_object_member(record, "image", task_image(&info));
    json_object_set_string_member(record, "peer", text_of(info.peer));
    json_object_set_string_member(record, "verdict", text_of(info.verdict));
    json_object_set_int_member(record, "wire_bytes", info.wire_bytes);
    json_object_set_object_member(record, "result", task_result(&info));
    return record_node(record);
}

JsonNode *record_of_host(const HostFacts *facts)
{
    JsonObject *record = json_object_new();
    json_object_set_string_member(record, "software_version", DOMGRP_VERSION);
    json_object_set_string_member(record, "hypervisor", facts->version);
    json_object_set_boolean_member(record, "has_groups", facts->has_groups);
    json_object_set_string_member(record, "boot_id", facts->boot_id);
    json_object_set_int_member(record, "memory_total_kib", facts->memory_total_kib);
    json_object_set_int_member(record, "memory_free_kib", facts->memory_free_kib);
    return record_node(record);
}
