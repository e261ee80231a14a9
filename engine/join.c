/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The steps of a join: a running domain moves into a group, out of another
 * or out of the Null-Group, with its definition. The journal first, then the
 * hypervisor; what a failure leaves is put back.
 */
#include "private.h"

#include <string.h>

static void retrieved(gpointer data, HostConfig *config, const GError *error)
{
    Work *work = data;
    work->operation->config = config;
    work_called(work, error);
}

StepResult join_retrieve(Work *work, GError **error)
{
    Operation *operation = work->operation;
    if (operation->other != NULL || operation->group->is_default)
        return STEP_DONE;
    Host *host = work->engine->host;
    host->ops->config_retrieve(host, operation->domid, retrieved, work);
    return STEP_CALL;
}

StepResult join_republish(Work *work, GError **error)
{
    if (work->operation->other != NULL)
        group_publish(work->operation->other);
    return STEP_DONE;
}

/* The member that moves: @from's, or a new one. NULL on error. */
static MemberNode *take_member(Operation *operation, GError **error)
{
    Engine *engine = operation->engine;
    Group *to = operation->group;
    const HostConfig *config = operation->config;
    if (operation->other != NULL) {
        MemberNode *member = g_hash_table_lookup(engine->members, operation->domain_uuid);
        guint index = 0;
        g_ptr_array_find(operation->other->members, member, &index);
        return g_ptr_array_steal_index(operation->other->members, index);
    }
    if (strcmp(config->uuid, operation->domain_uuid) != 0) {
        g_set_error(error, DOMGRP_ERROR, DOMGRP_ERROR_HOST,
                    "the configuration of domain %u is that of another domain, %s",
                    operation->domid, config->uuid);
        return NULL;
    }
    if (!domgrp_name_check("member", config->name, error) ||
        !engine_check_elsewhere(engine, config, NULL, error))
        return NULL;
    MemberNode *member = member_new(to, config);
    member->domain.domid = operation->domid;
    g_strlcpy(member->domain.uuid, operation->domain_uuid, sizeof member->domain.uuid);
    g_hash_table_insert(engine->members, member->shown.uuid, member);
    return member;
}

/* Gives the member back to where it came from. */
static void return_member(Operation *operation, MemberNode *member, guint index)
{
    if (!operation->group->is_default)
        g_ptr_array_steal_index(operation->group->members, operation->group->members->len - 1);
    if (operation->other != NULL) {
        member->group = operation->other;
        g_hash_table_insert(operation->engine->members, member->shown.uuid, member);
        g_ptr_array_insert(operation->other->members, (gint)index, member);
    } else {
        g_hash_table_remove(operation->engine->members, member->shown.uuid);
        member_free(member);
    }
}

static gboolean store(Operation *operation, GError **error)
{
    return (operation->group->is_default || group_store(operation->group, error)) &&
           (operation->other == NULL || group_store(operation->other, error));
}

static gboolean move(Operation *operation, const MemberNode *member, GError **error)
{
    Host *host = operation->engine->host;
    const char *uuid = member->shown.uuid;
    guint32 to = operation->group->id;
    if (!operation->engine->facts.has_groups)
        return TRUE;
    if (!operation->group->is_default && !host->ops->group_reserve(host, to, uuid, error))
        return FALSE;
    return host->ops->group_join(host, to, operation->domid, uuid, error);
}

/*
 * Before the journal is written: a reservation that is missing is made again
 * from the journal, one that is too many would never be found.
 */
static gboolean unreserve(const Operation *operation, GError **error)
{
    Host *host = operation->engine->host;
    return operation->other == NULL || !operation->engine->facts.has_groups ||
           host->ops->group_unreserve(host, operation->other->id, operation->domain_uuid, error);
}

/* The opposite of unreserve() and move(), however far they came. */
static void move_back(Operation *operation, const MemberNode *member)
{
    Host *host = operation->engine->host;
    const char *uuid = member->shown.uuid;
    guint32 from = operation->other != NULL ? operation->other->id : DOMGRP_ID_NULL;
    if (!operation->engine->facts.has_groups)
        return;
    if (!operation->group->is_default)
        host->ops->group_unreserve(host, operation->group->id, uuid, NULL);
    if (operation->other != NULL)
        host->ops->group_reserve(host, from, uuid, NULL);
    host->ops->group_join(host, from, operation->domid, uuid, NULL);
}

static void forget_definition(Operation *operation, MemberNode *member)
{
    g_hash_table_remove(operation->engine->members, member->shown.uuid);
    member->group = operation->other;
    member_free(member);
}

/* A domain that leaves must not go on naming the group; while it is a member it is named again. */
StepResult join_unpublish(Work *work, GError **error)
{
    Operation *operation = work->operation;
    Host *host = work->engine->host;
    if (!operation->group->is_default)
        return STEP_DONE;
    if (operation->other->publisher != NULL)
        return STEP_WATCH;
    host->ops->record_unpublish(host, operation->other->uuid, 1, &operation->domid, work_done,
                                work);
    return STEP_CALL;
}

/* What @from says of a member that leaves is forgotten; returns what it said before. */
static DomgrpSettings *leave_settings(Group *from, const MemberNode *member)
{
    if (from == NULL)
        return NULL;
    DomgrpSettings *before = domgrp_settings_copy(from->settings);
    domgrp_settings_remove(from->settings, member->shown.name);
    group_order(from, NULL);
    g_ptr_array_set_size(member->needs, 0);
    return before;
}

static void return_settings(Group *from, DomgrpSettings *settings)
{
    if (from == NULL)
        return;
    domgrp_settings_free(from->settings);
    from->settings = settings;
    group_order(from, NULL);
}

StepResult join_commit(Work *work, GError **error)
{
    Operation *operation = work->operation;
    Group *to = operation->group;
    Group *from = operation->other;
    MemberNode *member = g_hash_table_lookup(work->engine->members, operation->domain_uuid);
    guint index = 0;
    if (from != NULL) {
        if (member->work != NULL)
            return STEP_WATCH;
        g_ptr_array_find(from->members, member, &index);
    }

    member = take_member(operation, error);
    if (member == NULL)
        return STEP_FAILED;
    member->group = to;
    if (!to->is_default)
        g_ptr_array_add(to->members, member);
    DomgrpSettings *settings = leave_settings(from, member);
    if (!unreserve(operation, error) || !store(operation, error) ||
        !move(operation, member, error)) {
        move_back(operation, member);
        return_member(operation, member, index);
        return_settings(from, settings);
        store(operation, NULL);
        return STEP_FAILED;
    }
    domgrp_settings_free(settings);

    if (to->is_default)
        forget_definition(operation, member);
    else
        group_publish(to);
    if (from != NULL)
        group_publish(from);
    if (from != NULL)
        engine_tell_group(from);
    engine_tell_group(to);
    return STEP_DONE;
}

static void joined_paused(gpointer work, const HostPause *pause, const GError *error)
{
    work_called(work, error);
}

/* Without the hypervisor's help the domain takes over the group's pause here. */
StepResult join_pause(Work *work, GError **error)
{
    Operation *operation = work->operation;
    Host *host = work->engine->host;
    gboolean was = operation->other != NULL && operation->other->paused;
    gboolean is = operation->group->paused;
    if (work->engine->facts.has_groups || was == is)
        return STEP_DONE;
    if (is)
        host->ops->group_pause(host, operation->group->id, 1, &operation->domid, joined_paused,
                               work);
    else
        host->ops->group_unpause(host, operation->other->id, 1, &operation->domid, work_done, work);
    return STEP_CALL;
}
