/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The engine's object: its groups and operations to look at, and what it
 * accepts or refuses at once. How a new one comes to know its groups is in
 * recover.c.
 */
#include "private.h"

#include <string.h>

#define NAME_ROW(enumerator, text) text,
const char *group_state_name(GroupState state)
{
    static const char *const names[] = {GROUP_STATES(NAME_ROW)};
    return names[state];
}

const char *member_state_name(MemberState state)
{
    static const char *const names[] = {MEMBER_STATES(NAME_ROW)};
    return names[state];
}

const char *operation_kind_name(OperationKind kind)
{
    static const char *const names[] = {OPERATION_KINDS(NAME_ROW)};
    return names[kind];
}

const char *outcome_name(Outcome outcome)
{
    static const char *const names[] = {OUTCOMES(NAME_ROW)};
    return names[outcome];
}
#undef NAME_ROW

Outcome outcome_lookup(const char *name)
{
    for (Outcome outcome = 0; outcome < OUTCOME_COUNT; outcome++)
        if (g_strcmp0(outcome_name(outcome), name) == 0)
            return outcome;
    return OUTCOME_PENDING;
}

/* -- the object -- */

Engine *engine_new(Host *host, Journal *journal, const EngineListener *listener, gpointer data,
                   GError **error)
{
    Engine *engine = g_new0(Engine, 1);
    engine->host = host;
    engine->journal = journal;
    engine->listener = listener;
    engine->listener_data = data;
    engine->parallel = ENGINE_PARALLEL;
    engine->groups =
        g_hash_table_new_full(g_str_hash, g_str_equal, NULL, (GDestroyNotify)group_free);
    engine->members = g_hash_table_new(g_str_hash, g_str_equal);
    engine->strangers = g_hash_table_new(NULL, NULL);
    engine->operations = g_ptr_array_new_with_free_func((GDestroyNotify)operation_free);
    engine->works = g_ptr_array_new_with_free_func((GDestroyNotify)work_free);
    engine->settlings = settlings_new();
    if (!engine_recover(engine, error)) {
        engine_free(engine);
        return NULL;
    }
    return engine;
}

/* A restore has a group of its own until it has opened its image. */
static void free_unlisted_groups(Engine *engine)
{
    for (guint i = 0; i < engine->operations->len; i++) {
        Operation *operation = engine->operations->pdata[i];
        Group *group = operation->group;
        if (group != NULL && g_hash_table_lookup(engine->groups, group->uuid) != group)
            group_free(group);
        operation->group = NULL;
    }
}

void engine_free(Engine *engine)
{
    if (engine == NULL)
        return;
    if (engine->retry != 0)
        engine->host->ops->timer_cancel(engine->host, engine->retry);
    if (engine->soon != 0)
        engine->host->ops->timer_cancel(engine->host, engine->soon);
    engine->host->ops->watch(engine->host, NULL, NULL);
    if (engine->links != NULL)
        engine->links->ops->watch(engine->links, NULL, NULL);
    g_ptr_array_unref(engine->settlings);
    g_ptr_array_unref(engine->works);
    free_unlisted_groups(engine);
    g_ptr_array_unref(engine->operations);
    g_hash_table_unref(engine->members);
    g_hash_table_unref(engine->strangers);
    g_hash_table_unref(engine->groups);
    g_free(engine->images);
    g_free(engine);
}

void engine_set_parallel(Engine *engine, guint parallel)
{
    engine->parallel = MAX(parallel, 1);
}

void engine_set_images(Engine *engine, const char *folder)
{
    g_free(engine->images);
    engine->images = g_strdup(folder);
}

void engine_tell_group(Group *group)
{
    const EngineListener *listener = group->engine->listener;
    group->told = group_state(group);
    if (group->engine->live && group->defined && listener->group_changed != NULL)
        listener->group_changed(group->engine->listener_data, group);
}

void engine_tell_operation(Operation *operation)
{
    const EngineListener *listener = operation->engine->listener;
    if (operation->engine->live && listener->operation_changed != NULL)
        listener->operation_changed(operation->engine->listener_data, operation);
}

void engine_remove_group(Group *group)
{
    Engine *engine = group->engine;
    const EngineListener *listener = engine->listener;
    for (guint i = 0; i < group->members->len; i++) {
        MemberNode *member = group->members->pdata[i];
        g_hash_table_remove(engine->members, member->shown.uuid);
    }
    if (group->operation != NULL)
        for (guint i = 0; i < group->operation->members->len; i++)
            ((OperationNode *)group->operation->members->pdata[i])->member = NULL;
    for (guint i = 0; i < engine->operations->len; i++) {
        Operation *operation = engine->operations->pdata[i];
        if (operation->queued && operation->group == group)
            operation->group = NULL; /* it finds out when its turn comes */
        if (operation->queued && operation->other == group)
            operation->other = NULL;
    }
    g_hash_table_steal(engine->groups, group->uuid);
    if (group->defined && listener->group_removed != NULL)
        listener->group_removed(engine->listener_data, group->uuid, group->name);
    group_free(group);
}

/* -- lists and look-ups -- */

static gint compare_groups(gconstpointer a, gconstpointer b)
{
    const Group *first = *(Group *const *)a;
    const Group *second = *(Group *const *)b;
    if (first->is_default != second->is_default)
        return first->is_default ? -1 : 1;
    return strcmp(first->name, second->name);
}

GPtrArray *engine_groups(Engine *engine)
{
    GPtrArray *groups = g_ptr_array_new();
    GHashTableIter iter;
    gpointer value;
    g_hash_table_iter_init(&iter, engine->groups);
    while (g_hash_table_iter_next(&iter, NULL, &value)) {
        Group *group = value;
        if (group->defined)
            g_ptr_array_add(groups, group);
    }
    g_ptr_array_sort(groups, compare_groups);
    return groups;
}

static Group *lookup_name(Engine *engine, const char *name)
{
    GHashTableIter iter;
    gpointer value;
    g_hash_table_iter_init(&iter, engine->groups);
    while (g_hash_table_iter_next(&iter, NULL, &value))
        if (strcmp(((Group *)value)->name, name) == 0)
            return value;
    return NULL;
}

Group *engine_group_lookup(Engine *engine, const char *name_or_uuid, GError **error)
{
    g_autofree char *lower = g_ascii_strdown(name_or_uuid, -1);
    Group *group = g_hash_table_lookup(engine->groups, lower);
    if (group == NULL)
        group = lookup_name(engine, name_or_uuid);
    if (group != NULL && group->defined)
        return group;

    g_autofree char *shown = g_strescape(name_or_uuid, NULL);
    g_set_error(error, DOMGRP_ERROR, DOMGRP_ERROR_GROUP_UNKNOWN,
                "there is no group %.64s: \"domgrp list\" shows those there are", shown);
    return NULL;
}

gboolean engine_refresh(Engine *engine, GError **error)
{
    return reality_read(engine, TRUE, error);
}

GPtrArray *engine_operations(Engine *engine)
{
    GPtrArray *operations = g_ptr_array_new();
    for (guint i = engine->operations->len; i > 0; i--)
        g_ptr_array_add(operations, engine->operations->pdata[i - 1]);
    return operations;
}

Operation *engine_operation_lookup(Engine *engine, const char *uuid, GError **error)
{
    for (guint i = 0; i < engine->operations->len; i++) {
        Operation *operation = engine->operations->pdata[i];
        if (g_ascii_strcasecmp(operation->uuid, uuid) == 0)
            return operation;
    }
    g_autofree char *shown = g_strescape(uuid, NULL);
    g_set_error(error, DOMGRP_ERROR, DOMGRP_ERROR_TASK_UNKNOWN, "there is no task %.64s", shown);
    return NULL;
}

/* -- what is refused at once -- */

static gboolean check_policy(OperationKind kind, const EngineOptions *options, GError **error)
{
    return options == NULL || options->policy == DOMGRP_POLICY_DEFAULT ||
           domgrp_policy_check(kinds[kind].name, options->policy, error);
}

gboolean engine_check_new(Engine *engine, const char *name, const char *uuid, guint n_members,
                          GError **error)
{
    if (!domgrp_name_check("group", name, error))
        return FALSE;
    if (lookup_name(engine, name) != NULL) {
        g_set_error(error, DOMGRP_ERROR, DOMGRP_ERROR_NAME_TAKEN,
                    "there is a group %s already: choose another name or delete that one", name);
        return FALSE;
    }
    const Group *taken = g_hash_table_lookup(engine->groups, uuid);
    if (taken != NULL) {
        g_set_error(error, DOMGRP_ERROR, DOMGRP_ERROR_UUID_TAKEN,
                    "the UUID %s of %s belongs to group %s already", uuid, name, taken->name);
        return FALSE;
    }
    if (n_members == 0) {
        g_set_error(error, DOMGRP_ERROR, DOMGRP_ERROR_VALUE,
                    "%s has no members: list their files in members = [ ... ]", name);
        return FALSE;
    }
    if (n_members > ENGINE_MAX_MEMBERS || g_hash_table_size(engine->groups) >= ENGINE_MAX_GROUPS) {
        g_set_error(error, DOMGRP_ERROR, DOMGRP_ERROR_GROUP_LIMIT,
                    "%s does not fit: a host has at most %d groups of at most %d members", name,
                    ENGINE_MAX_GROUPS, ENGINE_MAX_MEMBERS);
        return FALSE;
    }
    return TRUE;
}

static gboolean check_definition(Engine *engine, const EngineDefinition *definition,
                                 char ret_uuid[DOMGRP_UUID_TEXT], GError **error)
{
    if (definition->uuid == NULL) {
        g_autofree char *uuid = g_uuid_string_random();
        memcpy(ret_uuid, uuid, DOMGRP_UUID_TEXT);
    } else if (!domgrp_uuid_parse(definition->uuid, ret_uuid, error)) {
        g_prefix_error(error, "%s: ", definition->name);
        return FALSE;
    }
    return engine_check_new(engine, definition->name, ret_uuid, definition->n_members, error);
}

/* Until its configuration is read a member is called after its file. */
static void add_file(Operation *operation, const EngineMemberFile *file)
{
    OperationNode *node = operation_add_member(operation, NULL);
    node->path = g_strdup(file->path);
    node->file = g_strdup(file->text);
    g_autofree char *name = g_path_get_basename(file->path);
    if (g_str_has_suffix(name, ".cfg"))
        name[strlen(name) - strlen(".cfg")] = '\0';
    g_strlcpy(node->shown.name, name, sizeof node->shown.name);
}

Operation *engine_create(Engine *engine, const EngineDefinition *definition,
                         const EngineOptions *options, GError **error)
{
    char uuid[DOMGRP_UUID_TEXT];
    if (!check_definition(engine, definition, uuid, error) ||
        !check_policy(OPERATION_CREATE, options, error))
        return NULL;

    Group *group = group_new(engine, uuid, definition->name);
    group->text = g_strdup(definition->text);
    g_hash_table_insert(engine->groups, group->uuid, group);
    if (definition->settings != NULL) {
        domgrp_settings_free(group->settings);
        group->settings = domgrp_settings_copy(definition->settings);
    }
    OperationRequest request = {.kind = OPERATION_CREATE, .group = group};
    if (options != NULL)
        request.options = *options;
    Operation *operation = operation_new(engine, &request, error);
    if (operation == NULL) {
        engine_remove_group(group);
        return NULL;
    }
    operation->directory = g_strdup(definition->directory);
    for (guint i = 0; i < definition->n_members; i++)
        add_file(operation, &definition->members[i]);
    return operation;
}

gboolean engine_fail_busy(const Operation *operation, GError **error)
{
    g_set_error(error, DOMGRP_ERROR, DOMGRP_ERROR_GROUP_BUSY,
                "%s is busy: its %s %s (task %s); wait until it is done, or have --wait do so",
                operation->group_name, kinds[operation->kind].name,
                operation->queued ? "is queued" : "runs", operation->uuid);
    return FALSE;
}

/* Whether one that cannot begin now may wait. */
static gboolean check_queue(Engine *engine, const Operation *ahead, const Group *group,
                            const EngineOptions *options, GError **error)
{
    if (options == NULL || !options->wait)
        return engine_fail_busy(ahead, error);
    guint queued = 0;
    for (guint i = 0; i < engine->operations->len; i++) {
        const Operation *operation = engine->operations->pdata[i];
        queued += operation->queued && operation->group == group;
    }
    if (queued < ENGINE_MAX_QUEUED)
        return TRUE;
    g_set_error(error, DOMGRP_ERROR, DOMGRP_ERROR_GROUP_LIMIT,
                "%d operations wait for %s already: cancel some of them (\"domgrp task list\")",
                ENGINE_MAX_QUEUED, group->name);
    return FALSE;
}

static gboolean check_operate(const Group *group, OperationKind kind, GError **error)
{
    if (!group->is_default)
        return TRUE;
    g_set_error(error, DOMGRP_ERROR, DOMGRP_ERROR_GROUP_DEFAULT,
                "%s is a default group: %s is for groups made by \"domgrp create\"", group->name,
                kinds[kind].name);
    return FALSE;
}

/* Undoing it ends its members and does nothing else. */
static gboolean undoing_only_ends(const Operation *operation)
{
    gboolean forgets = operation->kind == OPERATION_CREATE || operation->defines;
    return kinds[operation->kind].undoing == GROUP_STOPPING && !forgets;
}

/* What runs and only waits for guests makes way for what ends them anyway. */
static gboolean gives_way(const Group *group, OperationKind kind, const EngineOptions *options)
{
    const Operation *running = group->operation;
    if (!kinds[kind].supersedes || running == NULL || !kinds[running->kind].waits ||
        running->error != NULL || (running->undoing && !undoing_only_ends(running)) ||
        (options != NULL && options->dry_run))
        return FALSE;
    for (guint i = 0; i < group->engine->operations->len; i++) {
        const Operation *other = group->engine->operations->pdata[i];
        if (other->queued && other->group == group && kinds[other->kind].supersedes)
            return FALSE;
    }
    return TRUE;
}

/* One image is for one operation at a time: two would write, or use, the same. */
static gboolean check_free(const Engine *engine, const char *path, GError **error)
{
    for (guint i = 0; i < engine->operations->len; i++) {
        const Operation *operation = engine->operations->pdata[i];
        if (operation_is_over(operation) || g_strcmp0(operation->image_path, path) != 0)
            continue;
        g_set_error(error, DOMGRP_ERROR, DOMGRP_ERROR_GROUP_BUSY,
                    "%s is in use by the %s of %s (task %s): wait until it is done", path,
                    kinds[operation->kind].name, operation->group_name, operation->uuid);
        return FALSE;
    }
    return TRUE;
}

/* Whether it is said where the image is, or is to be. */
static gboolean check_image(const Engine *engine, OperationKind kind, const EngineOptions *options,
                            GError **error)
{
    if (kind == OPERATION_SUSPEND && engine->images == NULL) {
        g_set_error(error, DOMGRP_ERROR, DOMGRP_ERROR_NOT_SUPPORTED,
                    "this daemon has no folder for the images of suspended groups");
        return FALSE;
    }
    if (kind != OPERATION_SAVE && kind != OPERATION_CHECKPOINT && kind != OPERATION_RESTORE)
        return TRUE;
    if (options != NULL && options->path != NULL && g_path_is_absolute(options->path))
        return check_free(engine, options->path, error);
    g_set_error(error, DOMGRP_ERROR, DOMGRP_ERROR_VALUE,
                "%s needs the absolute path of an image's file", kinds[kind].name);
    return FALSE;
}

/*
 * Which group it is about is in the image: until that has been opened the operation has a group
 * of its own, which is not in any list.
 */
Operation *engine_restore(Engine *engine, const EngineOptions *options, GError **error)
{
    if (!check_image(engine, OPERATION_RESTORE, options, error) ||
        !check_policy(OPERATION_RESTORE, options, error))
        return NULL;
    g_autofree char *uuid = g_uuid_string_random();
    g_autofree char *name = g_path_get_basename(options->path);
    Group *group = group_new(engine, uuid, name);
    OperationRequest request = {.kind = OPERATION_RESTORE, .group = group, .options = *options};
    Operation *operation = operation_new(engine, &request, error);
    if (operation == NULL)
        group_free(group);
    return operation;
}

Operation *engine_operate(Engine *engine, OperationKind kind, const char *name,
                          const EngineOptions *options, GError **error)
{
    g_return_val_if_fail(
        kind != OPERATION_CREATE && kind != OPERATION_JOIN && kind != OPERATION_RESTORE, NULL);
    Group *group = engine_group_lookup(engine, name, error);
    if (group == NULL || !check_image(engine, kind, options, error) ||
        !reality_read(engine, FALSE, error) || !check_operate(group, kind, error) ||
        !migration_admits(group, kind, error) || !check_policy(kind, options, error))
        return NULL;
    if (kind == OPERATION_MIGRATE && !migration_check_request(engine, group, options, error))
        return NULL;

    const Operation *ahead = operation_ahead(engine, group, NULL);
    Operation *superseded = gives_way(group, kind, options) ? group->operation : NULL;
    if (ahead != NULL && superseded == NULL && !check_queue(engine, ahead, group, options, error))
        return NULL;
    if ((ahead == NULL || superseded != NULL) && kinds[kind].allowed != NULL &&
        !kinds[kind].allowed(group, error))
        return NULL;

    OperationRequest request = {.kind = kind, .group = group};
    if (options != NULL)
        request.options = *options;
    Operation *operation = operation_new(engine, &request, error);
    if (operation != NULL && superseded != NULL)
        operation_supersede(superseded, g_error_new(DOMGRP_ERROR, DOMGRP_ERROR_CANCELLED,
                                                    "%s of %s was cancelled by %s",
                                                    kinds[superseded->kind].name, group->name,
                                                    kinds[kind].name));
    return operation;
}

gboolean engine_cancel(Engine *engine, const char *uuid, GError **error)
{
    Operation *operation = engine_operation_lookup(engine, uuid, error);
    if (operation == NULL)
        return FALSE;
    const char *kind = kinds[operation->kind].name;
    const char *why = NULL;
    if (operation_is_over(operation))
        why = "is over";
    else if (operation->undoing)
        why = "is being undone already";
    else if (operation->error != NULL ||
             (operation->cause != NULL && operation->policy == DOMGRP_POLICY_ROLLBACK))
        why = "is ending already";
    else if (operation->committed && operation->kind == OPERATION_MIGRATE)
        why = "is decided, the group is the other host's, and cannot be cancelled";
    else if (operation->committed || operation->kind == OPERATION_ACTIVATE)
        why = kinds[operation->kind].writes ? "has written its image and cannot be cancelled"
                                            : "has let members run and cannot be cancelled";
    else if (!operation->queued && kinds[operation->kind].plan == NULL)
        why = "takes but a moment and cannot be cancelled";
    if (why != NULL) {
        g_set_error(error, DOMGRP_ERROR, DOMGRP_ERROR_GROUP_STATE, "the %s of %s %s", kind,
                    operation->group_name, why);
        return FALSE;
    }
    GError *cancelled = g_error_new(DOMGRP_ERROR, DOMGRP_ERROR_CANCELLED, "%s of %s was cancelled",
                                    kind, operation->group_name);
    if (operation->queued) {
        operation->error = cancelled;
        operation_end(operation);
    } else {
        operation_cancel(operation, cancelled);
    }
    engine_turn(engine);
    return TRUE;
}

/* The domain that @text names, as domains() lists it. */
static gboolean lookup_domain(Engine *engine, const char *text, HostDomain *ret_domain,
                              GError **error)
{
    Host *host = engine->host;
    char uuid[DOMGRP_UUID_TEXT];
    guint32 domid = HOST_DOMID_NONE;
    if (!domgrp_uuid_parse(text, uuid, NULL) &&
        !host->ops->domain_lookup(host, text, &domid, uuid, error))
        return FALSE;

    g_autoptr(GArray) domains = NULL;
    if (!host->ops->domains(host, &domains, error))
        return FALSE;
    for (guint i = 0; i < domains->len; i++) {
        const HostDomain *domain = &g_array_index(domains, HostDomain, i);
        if (domain->dying ||
            (domid != HOST_DOMID_NONE ? domain->domid != domid : strcmp(domain->uuid, uuid) != 0))
            continue;
        *ret_domain = *domain;
        return TRUE;
    }
    g_autofree char *shown = g_strescape(text, NULL);
    g_set_error(error, DOMGRP_ERROR, DOMGRP_ERROR_DOMAIN_UNKNOWN,
                "no domain %.64s runs: \"xl list\" shows those that do", shown);
    return FALSE;
}

static gboolean check_join(const Group *group, const Group *other, const HostDomain *domain,
                           const char *text, GError **error)
{
    if (domain->domid == 0 || group->id == DOMGRP_ID_GROUP0) {
        g_set_error(error, DOMGRP_ERROR, DOMGRP_ERROR_GROUP_DEFAULT,
                    domain->domid == 0 ? "domain 0 never leaves %s"
                                       : "%s is for privileged domains only",
                    DOMGRP_NAME_GROUP0);
        return FALSE;
    }
    if (group == other || (other == NULL && group->is_default)) {
        g_set_error(error, DOMGRP_ERROR, DOMGRP_ERROR_GROUP_STATE, "%s is in %s already", text,
                    group->name);
        return FALSE;
    }
    if (group_is_suspended(group)) {
        g_set_error(error, DOMGRP_ERROR, DOMGRP_ERROR_GROUP_STATE,
                    "%s is suspended, and what joins it would not be in its image: resume it first",
                    group->name);
        return FALSE;
    }
    if (domain->shutdown) {
        g_set_error(error, DOMGRP_ERROR, DOMGRP_ERROR_GROUP_STATE,
                    "%s has ended (%s): only a running domain can join a group", text,
                    host_reason_name(domain->reason));
        return FALSE;
    }
    if (!group->is_default && group->members->len >= ENGINE_MAX_MEMBERS) {
        g_set_error(error, DOMGRP_ERROR, DOMGRP_ERROR_GROUP_LIMIT,
                    "%s has %d members, which is all that a group can have", group->name,
                    ENGINE_MAX_MEMBERS);
        return FALSE;
    }
    return TRUE;
}

/* The group that the domain of @uuid is to be taken from, if it is one that is kept. */
static Group *group_of_domain(Engine *engine, const char *uuid)
{
    const MemberNode *member = g_hash_table_lookup(engine->members, uuid);
    return member != NULL ? member->group : NULL;
}

Operation *engine_join(Engine *engine, const char *name, const char *text,
                       const EngineOptions *options, GError **error)
{
    HostDomain domain;
    Group *group = engine_group_lookup(engine, name, error);
    if (group == NULL || !check_policy(OPERATION_JOIN, options, error) ||
        !reality_read(engine, FALSE, error) || !lookup_domain(engine, text, &domain, error))
        return NULL;

    Group *other = group_of_domain(engine, domain.uuid);
    if (!check_join(group, other, &domain, text, error) ||
        !migration_admits(group, OPERATION_JOIN, error) ||
        (other != NULL && !migration_admits(other, OPERATION_JOIN, error)))
        return NULL;
    const Operation *ahead = operation_ahead(engine, group, other);
    if (ahead != NULL && !check_queue(engine, ahead, group, options, error))
        return NULL;
    OperationRequest request = {
        .kind = OPERATION_JOIN, .group = group, .other = other, .domain = &domain};
    if (options != NULL)
        request.options = *options;
    return operation_new(engine, &request, error);
}

gboolean engine_admit_join(Operation *operation, GError **error)
{
    HostDomain domain;
    Engine *engine = operation->engine;
    if (!reality_read(engine, FALSE, error) ||
        !lookup_domain(engine, operation->domain_uuid, &domain, error))
        return FALSE;
    operation->other = group_of_domain(engine, domain.uuid);
    operation->domid = domain.domid;
    return check_join(operation->group, operation->other, &domain, operation->domain_uuid, error);
}
