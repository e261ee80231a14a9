/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The method table, its handlers and the reference that is printed from it. */
#include "methods.h"

#include <limits.h>
#include <string.h>

#include "connections.h"
#include "group-file.h"
#include "map-file.h"
#include "records.h"

/* -- sessions -- */

static JsonNode *session_login(ApiCall *call, Api *api, GError **error)
{
    const char *session = sessions_login(api_sessions(api), api_call_peer(call), error);
    return session == NULL ? NULL : record_string(session);
}

static JsonNode *session_logout(ApiCall *call, Api *api, GError **error)
{
    JsonNode *result = record_string("");
    sessions_logout(api_sessions(api), api_call_session(call));
    return result;
}

/* -- groups: reading -- */

static JsonNode *group_get_all(ApiCall *call, Api *api, GError **error)
{
    g_autoptr(GPtrArray) groups = engine_groups(api_engine(api));
    JsonArray *references = json_array_new();
    for (guint i = 0; i < groups->len; i++) {
        GroupInfo info;
        group_get_info(groups->pdata[i], &info);
        json_array_add_string_element(references, info.uuid);
    }
    return record_array(references);
}

static JsonNode *group_get_all_records(ApiCall *call, Api *api, GError **error)
{
    if (!engine_refresh(api_engine(api), error))
        return NULL;
    g_autoptr(GPtrArray) groups = engine_groups(api_engine(api));
    JsonObject *records = json_object_new();
    for (guint i = 0; i < groups->len; i++) {
        GroupInfo info;
        group_get_info(groups->pdata[i], &info);
        json_object_set_member(records, info.uuid, record_of_group(groups->pdata[i]));
    }
    return record_node(records);
}

static JsonNode *group_get_record(ApiCall *call, Api *api, GError **error)
{
    if (!engine_refresh(api_engine(api), error))
        return NULL;
    Group *group = engine_group_lookup(api_engine(api), api_call_string(call, 0), error);
    return group == NULL ? NULL : record_of_group(group);
}

static JsonNode *group_get_by_uuid(ApiCall *call, Api *api, GError **error)
{
    char uuid[DOMGRP_UUID_TEXT];
    if (!domgrp_uuid_parse(api_call_string(call, 0), uuid, error))
        return NULL;
    Group *group = engine_group_lookup(api_engine(api), uuid, error);
    return group == NULL ? NULL : record_string(uuid);
}

static JsonNode *group_get_by_name_label(ApiCall *call, Api *api, GError **error)
{
    g_autoptr(GPtrArray) groups = engine_groups(api_engine(api));
    JsonArray *references = json_array_new();
    for (guint i = 0; i < groups->len; i++) {
        GroupInfo info;
        group_get_info(groups->pdata[i], &info);
        if (strcmp(info.name, api_call_string(call, 0)) == 0)
            json_array_add_string_element(references, info.uuid);
    }
    return record_array(references);
}

/* -- groups: operating -- */

static JsonNode *task_reference(Operation *operation)
{
    if (operation == NULL)
        return NULL;
    OperationInfo info;
    operation_get_info(operation, &info);
    return record_string(info.uuid);
}

/* The options that may be parameter @index; what a method does not take was refused before. */
static gboolean options_read(ApiCall *call, guint index, EngineOptions *ret_options, GError **error)
{
    EngineOptions options = {0};
    JsonNode *node = api_call_param(call, index);
    JsonObject *object = node == NULL ? NULL : json_node_get_object(node);
    if (object != NULL) {
        const char *policy = json_object_get_string_member_with_default(object, "on_failure", NULL);
        if (policy != NULL && !domgrp_policy_parse(policy, &options.policy, error))
            return FALSE;
        options.timeout_s = json_object_get_int_member_with_default(object, "timeout", 0);
        options.fallback = json_object_get_boolean_member_with_default(object, "fallback", FALSE);
        options.wait = json_object_get_boolean_member_with_default(object, "wait", FALSE);
        options.dry_run = json_object_get_boolean_member_with_default(object, "dry_run", FALSE);
        options.ordered = json_object_get_boolean_member_with_default(object, "ordered", FALSE);
        options.live = json_object_get_boolean_member_with_default(object, "live", FALSE);
        options.fast = json_object_get_boolean_member_with_default(object, "fast", FALSE);
        options.disks_reverted =
            json_object_get_boolean_member_with_default(object, "disks_reverted", FALSE);
    }
    *ret_options = options;
    return TRUE;
}

/* Likewise, with the path of an image that is parameter @index - 1. */
static gboolean image_options_read(ApiCall *call, guint index, EngineOptions *ret_options,
                                   GError **error)
{
    const char *path = api_call_string(call, index - 1);
    if (!g_path_is_absolute(path) || strlen(path) >= PATH_MAX) {
        g_set_error(error, DOMGRP_ERROR, DOMGRP_ERROR_VALUE,
                    "the path of an image is to be absolute and shorter than %d bytes: %.80s",
                    PATH_MAX, path);
        return FALSE;
    }
    if (!options_read(call, index, ret_options, error))
        return FALSE;
    ret_options->path = path;
    return TRUE;
}

/* A client that read a file otherwise than the daemon does is not believed. */
static gboolean definition_agrees(JsonObject *definition, const GroupFile *file)
{
    JsonArray *members = json_object_get_array_member(definition, "members");
    const char *uuid = json_object_get_string_member_with_default(definition, "uuid", "");
    if (strcmp(json_object_get_string_member(definition, "name_label"), file->name) != 0 ||
        g_ascii_strcasecmp(uuid, file->uuid) != 0 ||
        json_array_get_length(members) != file->n_members)
        return FALSE;
    for (guint i = 0; i < file->n_members; i++) {
        JsonObject *member = json_array_get_object_element(members, i);
        if (strcmp(json_object_get_string_member(member, "path"), file->members[i].path) != 0)
            return FALSE;
    }
    return TRUE;
}

static Operation *definition_create(Api *api, JsonObject *definition, const GroupFile *file,
                                    const EngineOptions *options, GError **error)
{
    JsonArray *members = json_object_get_array_member(definition, "members");
    g_autofree EngineMemberFile *files = g_new0(EngineMemberFile, file->n_members);
    for (guint i = 0; i < file->n_members; i++) {
        JsonObject *member = json_array_get_object_element(members, i);
        files[i].path = json_object_get_string_member(member, "path");
        files[i].text = json_object_get_string_member(member, "text");
    }
    EngineDefinition engine_definition = {
        .name = file->name,
        .uuid = *file->uuid == '\0' ? NULL : file->uuid,
        .text = json_object_get_string_member(definition, "text"),
        .directory = json_object_get_string_member(definition, "directory"),
        .settings = file->settings,
        .n_members = file->n_members,
        .members = files,
    };
    return engine_create(api_engine(api), &engine_definition, options, error);
}

static JsonNode *group_create(ApiCall *call, Api *api, GError **error)
{
    JsonObject *definition = json_node_get_object(api_call_param(call, 0));
    const char *name = json_object_get_string_member(definition, "name_label");
    const char *text = json_object_get_string_member(definition, "text");
    g_autoptr(GroupFile) file = NULL;
    EngineOptions options;
    if (!options_read(call, 1, &options, error) ||
        !group_file_parse(text, strlen(text), name, &file, error))
        return NULL;
    if (!definition_agrees(definition, file)) {
        g_set_error(error, DOMGRP_ERROR, DOMGRP_ERROR_VALUE,
                    "the definition of %.80s does not agree with the text of its group file", name);
        return NULL;
    }
    if (!g_path_is_absolute(json_object_get_string_member(definition, "directory"))) {
        g_set_error(error, DOMGRP_ERROR, DOMGRP_ERROR_VALUE,
                    "the directory of %s is not an absolute path", name);
        return NULL;
    }
    return task_reference(definition_create(api, definition, file, &options, error));
}

static JsonNode *operate(ApiCall *call, Api *api, OperationKind kind, GError **error)
{
    EngineOptions options;
    if (!options_read(call, 1, &options, error))
        return NULL;
    return task_reference(
        engine_operate(api_engine(api), kind, api_call_string(call, 0), &options, error));
}

static JsonNode *group_start(ApiCall *call, Api *api, GError **error)
{
    return operate(call, api, OPERATION_START, error);
}

static JsonNode *group_clean_shutdown(ApiCall *call, Api *api, GError **error)
{
    return operate(call, api, OPERATION_SHUTDOWN, error);
}

static JsonNode *group_clean_reboot(ApiCall *call, Api *api, GError **error)
{
    return operate(call, api, OPERATION_REBOOT, error);
}

static JsonNode *group_hard_shutdown(ApiCall *call, Api *api, GError **error)
{
    return operate(call, api, OPERATION_DESTROY, error);
}

static JsonNode *group_pause(ApiCall *call, Api *api, GError **error)
{
    return operate(call, api, OPERATION_PAUSE, error);
}

static JsonNode *group_unpause(ApiCall *call, Api *api, GError **error)
{
    return operate(call, api, OPERATION_UNPAUSE, error);
}

static JsonNode *group_destroy(ApiCall *call, Api *api, GError **error)
{
    return operate(call, api, OPERATION_DELETE, error);
}

static JsonNode *group_join(ApiCall *call, Api *api, GError **error)
{
    EngineOptions options;
    if (!options_read(call, 2, &options, error))
        return NULL;
    return task_reference(engine_join(api_engine(api), api_call_string(call, 0),
                                      api_call_string(call, 1), &options, error));
}

/* -- groups: images -- */

static JsonNode *operate_image(ApiCall *call, Api *api, OperationKind kind, GError **error)
{
    EngineOptions options;
    if (!image_options_read(call, 2, &options, error))
        return NULL;
    return task_reference(
        engine_operate(api_engine(api), kind, api_call_string(call, 0), &options, error));
}

static JsonNode *group_save(ApiCall *call, Api *api, GError **error)
{
    return operate_image(call, api, OPERATION_SAVE, error);
}

static JsonNode *group_checkpoint(ApiCall *call, Api *api, GError **error)
{
    return operate_image(call, api, OPERATION_CHECKPOINT, error);
}

static JsonNode *group_suspend(ApiCall *call, Api *api, GError **error)
{
    return operate(call, api, OPERATION_SUSPEND, error);
}

static JsonNode *group_resume(ApiCall *call, Api *api, GError **error)
{
    return operate(call, api, OPERATION_RESUME, error);
}

/* The map among the options, which are parameter @index; NULL if there is none. */
static gboolean map_read(ApiCall *call, guint index, DomgrpMap **ret_map, GError **error)
{
    JsonNode *node = api_call_param(call, index);
    const char *text =
        node == NULL
            ? NULL
            : json_object_get_string_member_with_default(json_node_get_object(node), "map", NULL);
    *ret_map = text == NULL ? NULL : map_file_parse(text, strlen(text), "the map", error);
    return text == NULL || *ret_map != NULL;
}

static JsonNode *group_restore(ApiCall *call, Api *api, GError **error)
{
    EngineOptions options;
    g_autoptr(DomgrpMap) map = NULL;
    if (!image_options_read(call, 1, &options, error) || !map_read(call, 1, &map, error))
        return NULL;
    options.map = map;
    return task_reference(engine_restore(api_engine(api), &options, error));
}

/* -- groups: moving -- */

static gboolean migrate_options_read(ApiCall *call, EngineOptions *ret_options, GError **error)
{
    EngineOptions options;
    JsonNode *node = api_call_param(call, 2);
    JsonObject *object = node == NULL ? NULL : json_node_get_object(node);
    if (!options_read(call, 2, &options, error))
        return FALSE;
    options.peer = api_call_string(call, 1);
    if (object != NULL) {
        options.command = json_object_get_string_member_with_default(object, "command", NULL);
        options.limit_mib = json_object_get_int_member_with_default(object, "limit", 0);
        options.ready_s = json_object_get_int_member_with_default(object, "ready_timeout", 0);
        options.without_groups =
            json_object_get_boolean_member_with_default(object, "without_groups", FALSE);
    }
    if (!connections_check(options.peer, options.command, error))
        return FALSE;
    *ret_options = options;
    return TRUE;
}

static JsonNode *group_migrate(ApiCall *call, Api *api, GError **error)
{
    EngineOptions options;
    if (!migrate_options_read(call, &options, error))
        return NULL;
    return task_reference(engine_operate(api_engine(api), OPERATION_MIGRATE,
                                         api_call_string(call, 0), &options, error));
}

static JsonNode *group_settle(ApiCall *call, Api *api, GError **error)
{
    EngineWord word;
    if (!record_parse_word(api_call_string(call, 1), &word, error))
        return NULL;
    if (engine_group_lookup(api_engine(api), api_call_string(call, 0), error) != NULL)
        api_call_settle(call, api_call_string(call, 0), word);
    return NULL;
}

/* -- tasks, events, the host -- */

static JsonNode *task_get_all_records(ApiCall *call, Api *api, GError **error)
{
    g_autoptr(GPtrArray) operations = engine_operations(api_engine(api));
    JsonObject *records = json_object_new();
    for (guint i = 0; i < operations->len; i++) {
        OperationInfo info;
        operation_get_info(operations->pdata[i], &info);
        json_object_set_member(records, info.uuid, record_of_task(operations->pdata[i]));
    }
    return record_node(records);
}

static JsonNode *task_get_record(ApiCall *call, Api *api, GError **error)
{
    Operation *operation =
        engine_operation_lookup(api_engine(api), api_call_string(call, 0), error);
    return operation == NULL ? NULL : record_of_task(operation);
}

static JsonNode *task_cancel(ApiCall *call, Api *api, GError **error)
{
    return engine_cancel(api_engine(api), api_call_string(call, 0), error) ? record_string("")
                                                                           : NULL;
}

static JsonNode *event_from(ApiCall *call, Api *api, GError **error)
{
    api_call_wait(call, json_node_get_array(api_call_param(call, 0)), api_call_string(call, 1),
                  json_node_get_double(api_call_param(call, 2)), error);
    return NULL;
}

static JsonNode *host_get_record(ApiCall *call, Api *api, GError **error)
{
    HostFacts facts;
    Host *host = api_host(api);
    return host->ops->facts(host, &facts, error) ? record_of_host(&facts) : NULL;
}

/* -- parameters -- */

static const RpcField no_params[] = {{NULL}};

static const RpcField login_params[] = {
    {"user", RPC_STRING, .help = "ignored: the kernel says who calls"},
    {"password", RPC_STRING, .help = "ignored"},
    {"version", RPC_STRING, .optional = TRUE, .help = "ignored"},
    {"originator", RPC_STRING, .optional = TRUE, .help = "ignored"},
    {NULL},
};

static const RpcField uuid_params[] = {
    {"uuid", RPC_STRING, .help = "UUID of a group"},
    {NULL},
};

static const RpcField name_params[] = {
    {"name", RPC_STRING, .help = "name of a group"},
    {NULL},
};

static const RpcField member_fields[] = {
    {"path", RPC_STRING, .help = "as the group file writes it"},
    {"text", RPC_STRING, .help = "what is in that xl.cfg(5)"},
    {NULL},
};

static const RpcField definition_fields[] = {
    {"name_label", RPC_STRING, .help = "name of the group"},
    {"uuid", RPC_STRING, .optional = TRUE, .help = "its UUID, if the group file has one"},
    {"text", RPC_STRING, .help = "the group file; it must agree with the other fields"},
    {"directory", RPC_STRING, .help = "absolute; relative paths in the members' files start here"},
    {"members", RPC_OBJECTS, .max = GROUP_FILE_MEMBERS_MAX, .fields = member_fields,
     .help = "in the order of the group file"},
    {NULL},
};

#define ON_FAILURE                                                                                 \
    {                                                                                              \
        "on_failure", RPC_STRING, .optional = TRUE,                                                \
                                  .help = "\"rollback\", \"continue\" or \"stop\" when a member "  \
                                          "fails; none: as the group says"                         \
    }
#define WAIT                                                                                       \
    {                                                                                              \
        "wait", RPC_BOOLEAN,                                                                       \
            .optional = TRUE,                                                                      \
            .help = "wait for the operation that runs on the group, instead of `GROUP_BUSY`"       \
    }
#define DRY_RUN                                                                                    \
    {                                                                                              \
        "dry_run", RPC_BOOLEAN, .optional = TRUE,                                                  \
                                .help = "change nothing: the task's result is what would be done"  \
    }

static const RpcField create_option_fields[] = {ON_FAILURE, DRY_RUN, {NULL}};
static const RpcField operate_option_fields[] = {ON_FAILURE, WAIT, DRY_RUN, {NULL}};
static const RpcField group_option_fields[] = {WAIT, DRY_RUN, {NULL}};

static const RpcField clean_option_fields[] = {
    {"timeout", RPC_INTEGER, .optional = TRUE, .max = 86400,
     .help = "seconds for each member to end; 0 or none: its own, else 300"},
    {"fallback", RPC_BOOLEAN, .optional = TRUE, .help = "use ACPI where a guest has no PV drivers"},
    ON_FAILURE,
    WAIT,
    DRY_RUN,
    {NULL},
};

#define ORDERED                                                                                    \
    {                                                                                              \
        "ordered", RPC_BOOLEAN, .optional = TRUE,                                                  \
                                .help = "members stop in reverse order, not all at once"           \
    }
#define FAST                                                                                       \
    {                                                                                              \
        "fast", RPC_BOOLEAN, .optional = TRUE, .help = "little time rather than a small image"     \
    }

static const RpcField save_option_fields[] = {ORDERED, FAST, WAIT, DRY_RUN, {NULL}};

static const RpcField checkpoint_option_fields[] = {
    {"live", RPC_BOOLEAN, .optional = TRUE,
     .help = "most of the memory is saved while the group runs"},
    ORDERED,
    FAST,
    WAIT,
    DRY_RUN,
    {NULL},
};

static const RpcField restore_option_fields[] = {
    {"disks_reverted", RPC_BOOLEAN, .optional = TRUE,
     .help = "the disks are again as they were when the image was made: it may be used once more"},
    {"map", RPC_STRING, .optional = TRUE,
     .help =
         "text of a map file, domgrp-map(5): what a copy has in place of what the original has"},
    WAIT,
    DRY_RUN,
    {NULL},
};

static const RpcField migrate_option_fields[] = {
    {"live", RPC_BOOLEAN, .optional = TRUE,
     .help = "most of the memory is sent while the group runs"},
    {"fast", RPC_BOOLEAN, .optional = TRUE,
     .help = "compress little, even where the connection is slow"},
    {"command", RPC_STRING, .optional = TRUE,
     .help = "for sh, in place of `ssh`: followed by the host and `domgrp receive`; if it is "
             "\"\", the host is the whole command. Root runs it"},
    {"limit", RPC_INTEGER, .optional = TRUE, .max = 100000,
     .help = "MiB of the image that are sent per second at most, with live until the first "
             "suspend; 0 or none: as many as go"},
    {"ready_timeout", RPC_INTEGER, .optional = TRUE, .max = 86400,
     .help = "seconds from the first suspend until the other host must be ready, else the group "
             "runs on here; 0 or none: 10, or 3600 without live"},
    {"without_groups", RPC_BOOLEAN, .optional = TRUE,
     .help = "a hypervisor without groups will do, which cannot hold a group as one"},
    WAIT,
    DRY_RUN,
    {NULL},
};

#define GROUP                                                                                      \
    {                                                                                              \
        "group", RPC_STRING, .help = "reference or name of a group"                                \
    }
#define PATH                                                                                       \
    {                                                                                              \
        "path", RPC_STRING, .help = "of the image, absolute, on the host"                          \
    }
#define OPTIONS(table)                                                                             \
    {                                                                                              \
        "options", RPC_OBJECT, .optional = TRUE, .fields = table, .help = "how to do it"           \
    }

static const RpcField group_params[] = {GROUP, {NULL}};
static const RpcField group_operate_params[] = {GROUP, OPTIONS(group_option_fields), {NULL}};
static const RpcField operate_params[] = {GROUP, OPTIONS(operate_option_fields), {NULL}};
static const RpcField clean_params[] = {GROUP, OPTIONS(clean_option_fields), {NULL}};

static const RpcField suspend_params[] = {GROUP, OPTIONS(save_option_fields), {NULL}};
static const RpcField save_params[] = {GROUP, PATH, OPTIONS(save_option_fields), {NULL}};
static const RpcField checkpoint_params[] = {
    GROUP, PATH, OPTIONS(checkpoint_option_fields), {NULL}};
static const RpcField restore_params[] = {PATH, OPTIONS(restore_option_fields), {NULL}};

static const RpcField create_params[] = {
    {"definition", RPC_OBJECT, .fields = definition_fields, .help = "what domgrp.cfg(5) says"},
    OPTIONS(create_option_fields),
    {NULL},
};

static const RpcField join_params[] = {
    GROUP,
    {"domain", RPC_STRING, .help = "name, domid or UUID of a running domain"},
    OPTIONS(group_option_fields),
    {NULL},
};

static const RpcField migrate_params[] = {
    GROUP,
    {"peer", RPC_STRING, .help = "the other host, as ssh knows it; no option"},
    OPTIONS(migrate_option_fields),
    {NULL},
};

static const RpcField settle_params[] = {
    GROUP,
    {"word", RPC_STRING,
     .help = "\"\": only ask for a connection, which may settle it; \"run-here\": the other host "
             "is off; \"discard-here\""},
    {NULL},
};

static const RpcField task_params[] = {
    {"task", RPC_STRING, .help = "reference of a task"},
    {NULL},
};

static const RpcField from_params[] = {
    {"classes", RPC_STRINGS, .max = EVENTS_CLASSES_MAX,
     .help = "\"*\", \"domain_group\", \"task\", or one of them and \"/\" and a reference"},
    {"token", RPC_STRING, .help = "\"\" at first, then the one that came with the last events"},
    {"timeout", RPC_NUMBER, .max = EVENTS_TIMEOUT_MAX, .help = "seconds to wait for news"},
    {NULL},
};

/* -- the table -- */

#define TASK "reference of the task"

static const Method methods[] = {
    {"session.login_with_password", RIGHT_NONE, login_params, "reference of the session",
     "Opens a session for the user at the other end of the socket.", session_login},
    {"session.logout", RIGHT_READ, no_params, "\"\"", "Ends the session.", session_logout},

    {"domain_group.get_all", RIGHT_READ, no_params, "list of references",
     "Lists all groups: the default groups first, then by name.", group_get_all},
    {"domain_group.get_all_records", RIGHT_READ, no_params, "map of reference to record",
     "Describes all groups, with memory and CPU time as they are now.", group_get_all_records},
    {"domain_group.get_record", RIGHT_READ, group_params, "record", "Describes one group.",
     group_get_record},
    {"domain_group.get_by_uuid", RIGHT_READ, uuid_params, "reference",
     "Finds the group with a UUID.", group_get_by_uuid},
    {"domain_group.get_by_name_label", RIGHT_READ, name_params, "list of references",
     "Finds groups by name: one or none, for names are unique.", group_get_by_name_label},

    {"Async.domain_group.create", RIGHT_OPERATE, create_params, TASK,
     "Defines a group and starts it; if anything fails, neither is left unless the policy says so.",
     group_create},
    {"Async.domain_group.start", RIGHT_OPERATE, operate_params, TASK,
     "Starts the members that do not run.", group_start},
    {"Async.domain_group.clean_shutdown", RIGHT_OPERATE, clean_params, TASK,
     "Asks the members to shut down and waits until they have.", group_clean_shutdown},
    {"Async.domain_group.clean_reboot", RIGHT_OPERATE, clean_params, TASK,
     "Asks the members to reboot and waits until they run again.", group_clean_reboot},
    {"Async.domain_group.hard_shutdown", RIGHT_OPERATE, operate_params, TASK,
     "Destroys the members' domains; the group stays defined. Cancels what waits for its guests.",
     group_hard_shutdown},
    {"Async.domain_group.pause", RIGHT_OPERATE, group_operate_params, TASK,
     "Stops all members at once; the task's result says over which time.", group_pause},
    {"Async.domain_group.unpause", RIGHT_OPERATE, group_operate_params, TASK,
     "Lets the members of a paused group run.", group_unpause},
    {"Async.domain_group.join", RIGHT_OPERATE, join_params, TASK,
     "Moves a running domain into the group, for good.", group_join},
    {"Async.domain_group.destroy", RIGHT_OPERATE, group_operate_params, TASK,
     "Forgets a group that does not run.", group_destroy},
    {"Async.domain_group.save", RIGHT_OPERATE, save_params, TASK,
     "Writes the memory of all members, as it is in one moment, into one new file, and ends their\n"
     "domains. If anything fails before the file is whole, they run on and there is no file.",
     group_save},
    {"Async.domain_group.checkpoint", RIGHT_OPERATE, checkpoint_params, TASK,
     "Likewise, and lets the group run on.", group_checkpoint},
    {"Async.domain_group.restore", RIGHT_OPERATE, restore_params, TASK,
     "Builds the members of an image, all of them or none, and lets them run on from where they\n"
     "stood. The group is the one that was saved, stopped, or is not known here.",
     group_restore},
    {"Async.domain_group.suspend", RIGHT_OPERATE, suspend_params, TASK,
     "Saves the group into the daemon's own storage.", group_suspend},
    {"Async.domain_group.resume", RIGHT_OPERATE, group_operate_params, TASK,
     "Restores a group that was suspended, and removes its image.", group_resume},

    {"Async.domain_group.migrate", RIGHT_OPERATE, migrate_params, TASK,
     "Moves all members to another host, or none. After a dry run the task's record has what the\n"
     "other host said.",
     group_migrate},
    {"domain_group.settle", RIGHT_OPERATE, settle_params, "\"\"",
     "Says an operator's word about a migration of the group that is open, one of those that its\n"
     "record lists. Returns when it was taken, or, for \"\", when a connection was tried and what "
     "it\n"
     "led to has happened.",
     group_settle},

    {"task.get_all_records", RIGHT_READ, no_params, "map of reference to record",
     "Describes the tasks that run and the last ones that ended.", task_get_all_records},
    {"task.get_record", RIGHT_READ, task_params, "record", "Describes one task.", task_get_record},
    {"task.cancel", RIGHT_OPERATE, task_params, "\"\"",
     "Ends a task that waits for another, or lets one that runs do what its policy says of a\n"
     "failure; it ends a little later, with `CANCELLED`.",
     task_cancel},
    {"event.from", RIGHT_READ, from_params, "{\"events\", \"snapshot\", \"token\"}",
     "Returns what is newer than the token, waiting for it if need be. With \"snapshot\" true the\n"
     "events are all there is and what was known before is void.",
     event_from},
    {"host.get_record", RIGHT_READ, no_params, "record", "Describes the host.", host_get_record},
};

const Method *method_lookup(const char *name)
{
    for (guint i = 0; i < G_N_ELEMENTS(methods); i++)
        if (strcmp(methods[i].name, name) == 0)
            return &methods[i];
    return NULL;
}

/* -- the reference -- */

static void fields_print(GString *text, const RpcField *fields, guint indent)
{
    for (const RpcField *field = fields; field->name != NULL; field++) {
        g_string_append_printf(text, "%*s- `%s`, %s%s: %s", (int)indent, "", field->name,
                               rpc_type_name(field->type), field->optional ? ", optional" : "",
                               field->help);
        if (field->max > 0)
            g_string_append_printf(text, " (at most %.0f)", field->max);
        g_string_append_c(text, '\n');
        if (field->fields != NULL)
            fields_print(text, field->fields, indent + 2);
    }
}

static void method_print(GString *text, const Method *method)
{
    g_string_append_printf(text, "\n### `%s`(%s", method->name,
                           method->right == RIGHT_NONE ? "" : "session");
    for (const RpcField *field = method->params; field->name != NULL; field++)
        g_string_append_printf(text, "%s%s",
                               field == method->params && method->right == RIGHT_NONE ? "" : ", ",
                               field->name);
    g_string_append_printf(text, ")\n\n%s\n\n", method->help);
    fields_print(text, method->params, 0);
    g_string_append_printf(text, "%sResult: %s.\n", method->params->name == NULL ? "" : "\n",
                           method->result);
}

char *methods_reference(void)
{
    GString *text = g_string_new(
        "<!-- SPDX-License-Identifier: LGPL-2.1-or-later -->\n"
        "<!-- Printed by \"domgrpd --methods\"; a test checks it. -->\n"
        "# The API of domgrpd\n\n"
        "JSON-RPC 2.0 over HTTP, `POST /jsonrpc` on the Unix socket `/run/domgrp/domgrpd.sock`; "
        "one\n"
        "request a connection. What records and failures look like is in\n"
        "[architecture.md](architecture.md). For example:\n\n"
        "    curl --unix-socket /run/domgrp/domgrpd.sock http://domgrp/jsonrpc -d \\\n"
        "        '{\"jsonrpc\": \"2.0\", \"id\": 1, \"method\": \"session.login_with_password\", "
        "\"params\": [\"\", \"\"]}'\n\n"
        "## Methods\n");
    for (guint i = 0; i < G_N_ELEMENTS(methods); i++)
        method_print(text, &methods[i]);

    g_string_append(text, "\n## Failures\n\n| name | exit status of domgrp(1) | meaning |\n"
                          "|---|---|---|\n");
    for (int code = 0; code < DOMGRP_ERROR_COUNT; code++)
        g_string_append_printf(text, "| `%s` | %d | %s |\n", domgrp_error_name(code),
                               domgrp_error_exit(code), domgrp_error_meaning(code));
    return g_string_free(text, FALSE);
}
