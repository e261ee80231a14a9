/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The steps that read an image: it is opened and compared with what is
 * here before anything changes, its members are built with their memory,
 * paused; then it is marked used, the journal says so, and they run. What an
 * image is written with is in image.c.
 */
#include "private.h"

#include <string.h>

#define MARK_TRIES 3

static Host *host_of(const Work *work)
{
    return work->engine->host;
}

/* -- opening -- */

static HostImageInfo *info_copy(const HostImageInfo *from)
{
    HostImageInfo *info = g_memdup2(from, sizeof *from);
    info->group_name = g_strdup(from->group_name);
    info->text = g_strdup(from->text);
    info->disks = g_ptr_array_new_with_free_func(g_free);
    info->members = g_ptr_array_new_with_free_func((GDestroyNotify)host_config_free);
    for (guint i = 0; i < from->disks->len; i++)
        g_ptr_array_add(info->disks, g_strdup(from->disks->pdata[i]));
    for (guint i = 0; i < from->members->len; i++)
        g_ptr_array_add(info->members, host_config_copy(from->members->pdata[i]));
    return info;
}

static void opened(gpointer data, HostImage *image, const HostImageInfo *info, const GError *error)
{
    Work *work = data;
    Operation *operation = work->operation;
    operation->image = image;
    host_image_info_free(g_steal_pointer(&operation->image_info));
    if (image != NULL)
        operation->image_info = info_copy(info);
    work_called(work, error);
}

StepResult image_step_open(Work *work, GError **error)
{
    host_of(work)->ops->image_open(host_of(work), work->operation->image_path, opened, work);
    return STEP_CALL;
}

/* Before the first one runs. */
StepResult image_step_use(Work *work, GError **error)
{
    host_of(work)->ops->image_use(host_of(work), work->operation->image, work_done, work);
    return STEP_CALL;
}

/* -- marking one that was written: the group goes on, and its disks move on with it -- */

static void mark(Work *work);

/* Nobody waits for it, and a person who believes it unused loses data: it is tried again. */
static void marked(gpointer data, const GError *error)
{
    Work *work = data;
    Operation *operation = work->operation;
    Host *host = host_of(work);
    if (operation->image != NULL)
        host->ops->image_close(host, g_steal_pointer(&operation->image));
    if (error != NULL && work->tries < MARK_TRIES)
        mark(work);
    else
        work_called(work, error);
}

static void opened_to_mark(gpointer data, HostImage *image, const HostImageInfo *info,
                           const GError *error)
{
    Work *work = data;
    Host *host = host_of(work);
    work->operation->image = image;
    if (error != NULL)
        marked(work, error);
    else
        host->ops->image_use(host, image, marked, work);
}

static void mark(Work *work)
{
    work->tries++;
    host_of(work)->ops->image_open(host_of(work), work->operation->image_path, opened_to_mark,
                                   work);
}

StepResult image_step_mark_used(Work *work, GError **error)
{
    mark(work);
    return STEP_CALL;
}

/* -- the group that an image holds -- */

static gboolean fail_used(const Operation *operation, const char *what, GError **error)
{
    g_set_error(error, DOMGRP_ERROR, DOMGRP_ERROR_IMAGE_USED,
                "%s holds memory of %s that is older than the disks (%s): put the disks back to "
                "what they were when it was made, then say --disks-reverted",
                operation->image_path, operation->image_info->group_name, what);
    return FALSE;
}

static gboolean check_same_members(const Operation *operation, const Group *group, GError **error)
{
    const HostImageInfo *info = operation->image_info;
    gboolean same = info->members->len == group->members->len;
    for (guint i = 0; i < group->members->len; i++)
        same =
            same && host_image_info_find(info, ((Member *)group->members->pdata[i])->uuid) != NULL;
    if (same)
        return TRUE;
    g_set_error(error, DOMGRP_ERROR, DOMGRP_ERROR_GROUP_STATE,
                "%s has other members than when %s was made: delete it, or restore a copy with a "
                "map",
                group->name, operation->image_path);
    return FALSE;
}

static gboolean check_memory(const Operation *operation, const Group *group, GError **error)
{
    const HostImageInfo *info = operation->image_info;
    return engine_check_memory(operation->engine, group->name, info->members, error);
}

/* Whether the image is the one that holds what @group is now. */
static gboolean check_state(const Operation *operation, const Group *group, GError **error)
{
    if (operation->options.disks_reverted)
        return TRUE;
    if (strcmp(group->image_uuid, operation->image_info->uuid) != 0)
        return fail_used(operation, "the group has run since, or another image was made later",
                         error);
    return !group->image_old || fail_used(operation, "members have run since", error);
}

gboolean group_may_restore(Group *group, GError **error)
{
    const char *why = NULL;
    for (guint i = 0; i < group->members->len; i++) {
        const MemberNode *member = group->members->pdata[i];
        if (member_has_domain(member) || member->work != NULL)
            why = member->shown.name;
    }
    if (why == NULL && !group->paused)
        return TRUE;
    if (why == NULL)
        g_set_error(error, DOMGRP_ERROR, DOMGRP_ERROR_GROUP_STATE,
                    "%s is paused: \"domgrp unpause %s\" first", group->name, group->name);
    else
        g_set_error(error, DOMGRP_ERROR, DOMGRP_ERROR_GROUP_STATE,
                    "%s is not stopped, %s still has a domain: shut it down or destroy it first",
                    group->name, why);
    return FALSE;
}

/* -- a group that is here -- */

/* Its members are built with the configurations of the image; the definition stays. */
static void take_members(Operation *operation, Group *group)
{
    for (guint i = 0; i < group->members->len; i++) {
        MemberNode *member = group->members->pdata[i];
        OperationNode *node =
            member->node != NULL ? member->node : operation_add_member(operation, member);
        memcpy(node->saved_uuid, node->shown.uuid, sizeof node->saved_uuid);
        host_config_free(node->config);
        node->config =
            host_config_copy(host_image_info_find(operation->image_info, node->shown.uuid));
    }
    operation_plan(operation);
}

/* The operation is called after the group that it turned out to be about. */
static void name_operation(Operation *operation)
{
    const Group *group = operation->group;
    memcpy(operation->group_uuid, group->uuid, sizeof operation->group_uuid);
    g_free(operation->group_name);
    operation->group_name = g_strdup(group->name);
}

static void adopt(Work *work, Group *group)
{
    Operation *operation = work->operation;
    if (operation->group == group)
        return;
    group_free(operation->group);
    operation->group = work->group = group;
    name_operation(operation);
    if (operation->options.dry_run)
        return;
    group->operation = operation;
    group_forgive(group);
}

static StepResult check_known(Work *work, Group *group, GError **error)
{
    Operation *operation = work->operation;
    const Operation *ahead = operation_ahead(work->engine, group, NULL);
    if (ahead != NULL && ahead != operation) {
        if (operation->options.wait)
            return STEP_WATCH;
        engine_fail_busy(ahead, error);
        return STEP_FAILED;
    }
    if (!migration_admits(group, operation->kind, error))
        return STEP_FAILED;
    if (operation->kind == OPERATION_RESTORE && !group_not_suspended(group, error))
        return STEP_FAILED;
    if (!group_may_restore(group, error) || !check_same_members(operation, group, error) ||
        !check_state(operation, group, error) ||
        (operation->group != group && !check_memory(operation, group, error)))
        return STEP_FAILED;
    adopt(work, group);
    take_members(operation, group);
    return STEP_DONE;
}

/* -- a group that is not here, or a copy of one -- */

static gboolean fail_text(const Operation *operation, GError **error, const GError *why)
{
    g_set_error(error, DOMGRP_ERROR, DOMGRP_ERROR_IMAGE, "%s: the group in it cannot be read: %s",
                operation->image_path, why->message);
    return FALSE;
}

/* Packed files have no group's text: a group of that name without any settings. */
static gboolean read_text(Operation *operation, GError **error)
{
    const char *text = operation->image_info->text;
    g_autoptr(GKeyFile) keys = g_key_file_new();
    g_autoptr(GError) why = NULL;
    if (text == NULL || *text == '\0')
        return TRUE;
    return (g_key_file_load_from_data(keys, text, (gsize)-1, G_KEY_FILE_NONE, &why) &&
            group_from_keys(operation->group, keys, &why)) ||
           fail_text(operation, error, why);
}

static void set_identity(Operation *operation, const char *uuid, const char *name)
{
    Group *group = operation->group;
    g_strlcpy(group->uuid, uuid, sizeof group->uuid);
    g_free(group->name);
    group->name = g_strdup(name);
    name_operation(operation);
}

static const char *copy_name(gpointer map, const char *name)
{
    const DomgrpMapMember *member = domgrp_map_lookup(map, name);
    return member != NULL && member->name != NULL ? member->name : name;
}

static void copy_settings(Operation *operation)
{
    Group *group = operation->group;
    if (operation->map == NULL)
        return;
    DomgrpSettings *settings = domgrp_settings_rename(group->settings, copy_name, operation->map);
    domgrp_settings_free(group->settings);
    group->settings = settings;
}

static gboolean fail_map(GError **error, const char *member, const char *what)
{
    g_set_error(error, DOMGRP_ERROR, DOMGRP_ERROR_VALUE, "the map %s %s", what, member);
    return FALSE;
}

/* The configuration of a member's copy. NULL on error. */
static HostConfig *copy_config(const Operation *operation, const HostConfig *config, GError **error)
{
    Host *host = operation->engine->host;
    const DomgrpMapMember *member = domgrp_map_lookup(operation->map, config->name);
    HostConfig *copy = NULL;
    if (member == NULL || member->name == NULL) {
        fail_map(error, config->name, "gives no name to the copy of");
        return NULL;
    }
    g_autofree char *uuid = g_uuid_string_random();
    g_autoptr(GPtrArray) macs = g_ptr_array_copy(member->macs, NULL, NULL);
    g_autoptr(GPtrArray) disks = g_ptr_array_copy(member->disks, NULL, NULL);
    g_ptr_array_set_free_func(macs, NULL);
    g_ptr_array_set_free_func(disks, NULL);
    g_ptr_array_add(macs, NULL);
    g_ptr_array_add(disks, NULL);
    HostConfigMap map = {.name = member->name,
                         .uuid = member->uuid[0] != '\0' ? member->uuid : uuid,
                         .macs = (const char *const *)macs->pdata,
                         .disks = (const char *const *)disks->pdata};
    if (!host->ops->config_map(host, config->json, &map, &copy, error))
        g_prefix_error(error, "the copy of %s: ", config->name);
    return copy;
}

static gboolean check_map(const Operation *operation, GError **error)
{
    const DomgrpMap *map = operation->map;
    for (guint i = 0; map != NULL && i < map->members->len; i++) {
        const DomgrpMapMember *member = map->members->pdata[i];
        gboolean found = FALSE;
        for (guint k = 0; k < operation->image_info->members->len; k++) {
            const HostConfig *config = operation->image_info->members->pdata[k];
            found = found || strcmp(config->name, member->member) == 0;
        }
        if (!found)
            return fail_map(error, member->member, "speaks of what is no member:");
    }
    return TRUE;
}

/* So that create's checks see them as they see members that were read from files. */
static gboolean add_nodes(Operation *operation, GError **error)
{
    for (guint i = 0; i < operation->image_info->members->len; i++) {
        const HostConfig *config = operation->image_info->members->pdata[i];
        OperationNode *node = operation_add_member(operation, NULL);
        memcpy(node->saved_uuid, config->uuid, sizeof node->saved_uuid);
        g_strlcpy(node->shown.name, config->name, sizeof node->shown.name);
        node->path = g_strdup(operation->image_path);
        node->config = operation->map != NULL ? copy_config(operation, config, error)
                                              : host_config_copy(config);
        if (node->config == NULL)
            return FALSE;
        memcpy(node->shown.uuid, node->config->uuid, sizeof node->shown.uuid);
        g_strlcpy(node->shown.name, node->config->name, sizeof node->shown.name);
    }
    return TRUE;
}

static gboolean check_new(Work *work, GError **error)
{
    Operation *operation = work->operation;
    const HostImageInfo *info = operation->image_info;
    const DomgrpMap *map = operation->map;
    g_autofree char *random = g_uuid_string_random();
    const char *uuid = map == NULL ? info->group_uuid : map->uuid[0] != '\0' ? map->uuid : random;
    const char *name = map == NULL ? info->group_name : map->name;
    if (name == NULL)
        return fail_map(error, info->group_name, "gives no name to the copy of");
    if (!engine_check_new(work->engine, name, uuid, info->members->len, error) ||
        !check_map(operation, error))
        return FALSE;
    if (info->used && !operation->options.disks_reverted)
        return fail_used(operation, "its members have run since", error);
    set_identity(operation, uuid, name);
    if (!read_text(operation, error) || !add_nodes(operation, error))
        return FALSE;
    copy_settings(operation);
    g_hash_table_insert(work->engine->groups, operation->group->uuid, operation->group);
    return create_check(work, error) == STEP_DONE;
}

static StepResult check_image(Work *work, GError **error)
{
    Operation *operation = work->operation;
    if (operation->kind == OPERATION_RESUME)
        return check_known(work, operation->group, error);
    Group *known = operation->map == NULL ? g_hash_table_lookup(work->engine->groups,
                                                                operation->image_info->group_uuid)
                                          : NULL;
    if (known != NULL && known->defined && !known->is_default)
        return check_known(work, known, error);
    if (!check_new(work, error))
        return STEP_FAILED;
    operation->defines = TRUE;
    return STEP_DONE;
}

StepResult restore_check(Work *work, GError **error)
{
    Operation *operation = work->operation;
    StepResult result = check_image(work, error);
    if (result != STEP_DONE)
        return result;
    memcpy(operation->image_uuid, operation->image_info->uuid, sizeof operation->image_uuid);
    return operation_store(operation, error) ? STEP_DONE : STEP_FAILED;
}

/* -- the definition -- */

StepResult restore_end_unless_defined(Work *work, GError **error)
{
    return work->operation->defines ? STEP_DONE : STEP_END;
}

/* -- members -- */

StepResult step_restore_intend(Work *work, GError **error)
{
    return member_store_owner(work->member, TRUE, HOST_DOMID_NONE, error) ? STEP_DONE : STEP_FAILED;
}

StepResult step_restore(Work *work, GError **error)
{
    HostRecord record;
    const OperationNode *node = work->node;
    group_record(work->group, &record);
    host_of(work)->ops->image_restore(host_of(work), work->operation->image, node->saved_uuid,
                                      node->config->json, &record, work_built, work);
    host_record_clear(&record);
    return STEP_CALL;
}

/* All of them are there, and none has run. */
StepResult restore_check_built(Work *work, GError **error)
{
    for (guint i = 0; i < work->group->members->len; i++) {
        const MemberNode *member = work->group->members->pdata[i];
        if (member_is_intended(member) && member_is_half_there(member))
            continue;
        g_set_error(error, DOMGRP_ERROR, DOMGRP_ERROR_HOST,
                    "%s was taken away, or let run, by another toolstack before all were built",
                    member->shown.name);
        return STEP_FAILED;
    }
    return STEP_DONE;
}

/*
 * The domains that hold the memory are ours from here on, and none of them is built again; the
 * image is the group's state no more.
 */
StepResult restore_settle(Work *work, GError **error)
{
    Group *group = work->group;
    for (guint i = 0; i < group->members->len; i++) {
        MemberNode *member = group->members->pdata[i];
        if (!member_is_intended(member))
            continue;
        member->owned = member_has_domain(member);
        member->owned_domid = member->domain.domid;
    }
    if (group_has_image(group))
        group_leave_image(group);
    return group_store_at_last(work);
}

/* The domain that was built from the image, or nothing: its memory is nowhere else. */
StepResult step_let_run(Work *work, GError **error)
{
    const MemberNode *member = work->member;
    if (!member->owned || member->domain.domid != member->owned_domid ||
        !member_has_domain(member)) {
        g_set_error(error, DOMGRP_ERROR, DOMGRP_ERROR_HOST,
                    "its domain was taken away by another toolstack before it could run");
        return STEP_FAILED;
    }
    work->domid = member->domain.domid;
    if (!member->domain.paused)
        return STEP_DONE;
    host_of(work)->ops->domain_unpause(host_of(work), work->domid, member->shown.uuid, work_done,
                                       work);
    return STEP_CALL;
}
