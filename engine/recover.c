/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A new engine: the journal is read, compared with the host, and the host's
 * groups, reservations and records are made what the journal says. What the
 * last daemon left unfinished is closed, ended or undone.
 */
#include "private.h"

#include <string.h>

typedef struct {
    Engine *engine;
    GPtrArray *groups;     /* of JournalGroup */
    GPtrArray *operations; /* of JournalOperation, newest first */
} Recovery;

/* The operation of @group that was open, or NULL. The newest: it may have superseded another. */
static const JournalOperation *open_operation(const Recovery *recovery, const char *group_uuid)
{
    for (guint i = 0; i < recovery->operations->len; i++) {
        const JournalOperation *operation = recovery->operations->pdata[i];
        if (operation->ended_us == 0 && strcmp(operation->group_uuid, group_uuid) == 0)
            return operation;
    }
    return NULL;
}

/* Whether a join was moving a member into @group. */
static gboolean was_joining(const Recovery *recovery, const Group *group)
{
    const JournalOperation *operation = open_operation(recovery, group->uuid);
    return operation != NULL && operation_kind_lookup(operation->kind) == OPERATION_JOIN;
}

/* -- what the journal says -- */

/* A join that was cut off may have left the member in both groups: it is where it went. */
static gboolean claim_member(const Recovery *recovery, MemberNode *member)
{
    GHashTable *members = recovery->engine->members;
    MemberNode *other = g_hash_table_lookup(members, member->shown.uuid);
    if (other == NULL) {
        g_hash_table_insert(members, member->shown.uuid, member);
        return TRUE;
    }
    if (!was_joining(recovery, member->group))
        return FALSE;
    g_hash_table_replace(members, member->shown.uuid, member);
    other->group->changed = TRUE;
    g_ptr_array_remove(other->group->members, other);
    return TRUE;
}

static gboolean load_member(const Recovery *recovery, Group *group, const JournalMember *kept,
                            gboolean same_boot, GError **error)
{
    Host *host = recovery->engine->host;
    g_autoptr(HostConfig) config = NULL;
    if (!host->ops->config_parse(host, kept->json, &config, error)) {
        g_prefix_error(error, "the stored configuration of %s of %s: ", kept->name, group->name);
        return FALSE;
    }
    MemberNode *member = member_new(group, config);
    member->owned = same_boot && kept->ours;
    member->owned_domid = same_boot ? kept->domid : HOST_DOMID_NONE;
    if (claim_member(recovery, member)) {
        g_ptr_array_add(group->members, member);
    } else {
        group->changed = TRUE;
        member_free(member);
    }
    return TRUE;
}

static gboolean load_group(const Recovery *recovery, const JournalGroup *kept, GError **error)
{
    Engine *engine = recovery->engine;
    Group *group = group_new(engine, kept->uuid, kept->name);
    gboolean same_boot = strcmp(kept->boot_id, engine->facts.boot_id) == 0;
    group->text = g_strdup(kept->text);
    group->id = kept->id;
    group->defined = TRUE;
    group->paused = same_boot && kept->paused;
    group->changed = !same_boot;
    g_hash_table_insert(engine->groups, group->uuid, group);
    for (guint i = 0; i < kept->members->len; i++)
        if (!load_member(recovery, group, kept->members->pdata[i], same_boot, error))
            return FALSE;
    return TRUE;
}

static Group *add_default(Engine *engine, const char *name, const char *uuid, guint32 id)
{
    Group *group = group_new(engine, uuid, name);
    group->is_default = TRUE;
    group->defined = TRUE;
    group->id = id;
    g_hash_table_insert(engine->groups, group->uuid, group);
    return group;
}

/* -- compared with the host -- */

static gboolean settle_group(Group *group, GError **error)
{
    guint32 id = group->id;
    gboolean paused = group->paused;
    if (!group_make(group, error)) {
        g_prefix_error(error, "%s: ", group->name);
        return FALSE;
    }
    if (!group_dismiss(group, error) || (group->paused && !group_read_pause(group, error)))
        return FALSE;
    group->changed = group->changed || group->id != id || group->paused != paused;

    for (guint i = 0; i < group->members->len; i++) {
        MemberNode *member = group->members->pdata[i];
        if (!member->owned || member->owned_domid == HOST_DOMID_NONE ||
            !member_has_domain(member) || member->domain.domid == member->owned_domid)
            continue;
        member->owned = FALSE; /* somebody else created it again meanwhile */
        member->owned_domid = HOST_DOMID_NONE;
        group->changed = TRUE;
    }
    if (group->changed && !group_store(group, error))
        return FALSE;
    group->changed = FALSE;
    group_publish(group);
    return TRUE;
}

static gboolean settle_groups(Engine *engine, GError **error)
{
    GHashTableIter iter;
    gpointer value;
    g_hash_table_iter_init(&iter, engine->groups);
    while (g_hash_table_iter_next(&iter, NULL, &value)) {
        Group *group = value;
        if (!group->is_default && !settle_group(group, error))
            return FALSE;
    }
    return TRUE;
}

/* -- what was under way -- */

static gboolean all_ours_run(const Group *group)
{
    for (guint i = 0; i < group->members->len; i++) {
        const MemberNode *member = group->members->pdata[i];
        if (!member->owned || member->owned_domid == HOST_DOMID_NONE)
            return FALSE;
    }
    return TRUE;
}

static void close_operation(Engine *engine, const JournalOperation *record)
{
    Group *group = g_hash_table_lookup(engine->groups, record->group_uuid);
    gboolean create = operation_kind_lookup(record->kind) == OPERATION_CREATE;
    if (record->ended_us != 0) {
        operation_new_ended(engine, record);
    } else if (create && group != NULL && !all_ours_run(group)) {
        operation_new_undo(engine, record, group);
    } else {
        Operation *operation = operation_new_ended(engine, record);
        if (operation != NULL)
            operation_close_interrupted(operation);
    }
}

/* The domain of @member was being replaced: what is left of it is no good. */
static void finish_member(const Recovery *recovery, MemberNode *member)
{
    const JournalOperation *open = open_operation(recovery, member->group->uuid);
    if (!member->owned || member->owned_domid != HOST_DOMID_NONE ||
        member->group->operation != NULL)
        return;
    if (open == NULL || operation_kind_lookup(open->kind) == OPERATION_REBOOT)
        member_restart(member);
    else
        work_new(recovery->engine, NULL, NULL, member->group, member, steps_end);
}

static void finish(const Recovery *recovery)
{
    for (guint i = recovery->operations->len; i > 0; i--)
        close_operation(recovery->engine, recovery->operations->pdata[i - 1]);

    GHashTableIter iter;
    gpointer value;
    g_hash_table_iter_init(&iter, recovery->engine->members);
    while (g_hash_table_iter_next(&iter, NULL, &value))
        finish_member(recovery, value);
}

gboolean engine_recover(Engine *engine, GError **error)
{
    Host *host = engine->host;
    Journal *journal = engine->journal;
    g_autoptr(GPtrArray) groups = NULL;
    g_autoptr(GPtrArray) operations = NULL;
    engine->group0 = add_default(engine, DOMGRP_NAME_GROUP0, "00000000-0000-0000-0000-000000000000",
                                 DOMGRP_ID_GROUP0);
    engine->null = add_default(engine, DOMGRP_NAME_NULL, "ffffffff-ffff-ffff-ffff-ffffffffffff",
                               DOMGRP_ID_NULL);
    if (!host->ops->facts(host, &engine->facts, error) ||
        !journal->ops->load(journal, &groups, error) ||
        !journal->ops->operations(journal, ENGINE_MAX_OPERATIONS, &operations, error))
        return FALSE;

    Recovery recovery = {engine, groups, operations};
    for (guint i = 0; i < groups->len; i++)
        if (!load_group(&recovery, groups->pdata[i], error))
            return FALSE;
    if (!reality_read(engine, TRUE, error) || !settle_groups(engine, error))
        return FALSE;

    finish(&recovery);
    host->ops->watch(host, engine_changed, engine);
    engine->retry = host->ops->timer_add(host, 0, engine_timeout, engine);
    engine->live = TRUE;
    return TRUE;
}
