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
        if (operation->ended_us == 0 && operation->began &&
            strcmp(operation->group_uuid, group_uuid) == 0)
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
    member->suspend_domid = same_boot ? kept->suspend_domid : HOST_DOMID_NONE;
    if (claim_member(recovery, member)) {
        g_ptr_array_add(group->members, member);
    } else {
        group->changed = TRUE;
        member_free(member);
    }
    return TRUE;
}

static gboolean load_settings(Group *group, const char *text, GError **error)
{
    DomgrpSettings *settings = domgrp_settings_from_text(text != NULL ? text : "", error);
    if (settings == NULL) {
        g_prefix_error(error, "the stored settings of %s: ", group->name);
        return FALSE;
    }
    domgrp_settings_free(group->settings);
    group->settings = settings;
    return TRUE;
}

static gboolean load_group(const Recovery *recovery, const JournalGroup *kept, GError **error)
{
    Engine *engine = recovery->engine;
    Group *group = group_new(engine, kept->uuid, kept->name);
    gboolean same_boot = strcmp(kept->boot_id, engine->facts.boot_id) == 0;
    group->text = g_strdup(kept->text);
    group->failed = kept->failed;
    memcpy(group->image_uuid, kept->image_uuid, sizeof group->image_uuid);
    group->image_path = g_strdup(kept->image_path);
    group->image_old = kept->image_old;
    group->id = kept->id;
    group->defined = TRUE;
    group->paused = same_boot && kept->paused;
    group->changed = !same_boot;
    g_hash_table_insert(engine->groups, group->uuid, group);
    for (guint i = 0; i < kept->members->len; i++)
        if (!load_member(recovery, group, kept->members->pdata[i], same_boot, error))
            return FALSE;
    if (!load_settings(group, kept->settings, error))
        return FALSE;
    /* What is in an image waits for somebody to say whether it is to go on or to start anew. */
    group->boot_start =
        !same_boot && group->settings->starts_on_boot && !group->failed && !group_has_image(group);
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

/* A join that was cut off may have left settings of a member that is gone. */
static gboolean settle_order(Group *group, GError **error)
{
    g_autoptr(GHashTable) names = g_hash_table_new(g_str_hash, g_str_equal);
    g_autoptr(GHashTable) gone = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    for (guint i = 0; i < group->members->len; i++)
        g_hash_table_add(names, ((Member *)group->members->pdata[i])->name);
    for (guint i = 0; i < group->settings->members->len; i++) {
        const DomgrpMemberSettings *member = group->settings->members->pdata[i];
        if (!g_hash_table_contains(names, member->name))
            g_hash_table_add(gone, g_strdup(member->name));
        for (guint k = 0; k < member->needs->len; k++)
            if (!g_hash_table_contains(names, member->needs->pdata[k]))
                g_hash_table_add(gone, g_strdup(member->needs->pdata[k]));
    }
    GHashTableIter iter;
    gpointer name;
    g_hash_table_iter_init(&iter, gone);
    while (g_hash_table_iter_next(&iter, &name, NULL))
        domgrp_settings_remove(group->settings, name);
    group->changed = group->changed || g_hash_table_size(gone) > 0;
    return group_order(group, error);
}

static gboolean settle_group(Group *group, GError **error)
{
    guint32 id = group->id;
    gboolean paused = group->paused;
    if (migration_has_moved(group)) /* what is left of it goes with the migration's restart */
        return settle_order(group, error);
    if (!settle_order(group, error) || !group_make(group, error)) {
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
    /* The boot that is noted is new only when the start that it brings is noted, too. */
    if (group->boot_start)
        group->doubt = TRUE;
    else if (group->changed && !group_store(group, error))
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

static gboolean has_started(const MemberNode *member)
{
    return member_runs(member) && !member_is_ending(member) &&
           !(member_is_intended(member) && member->domain.paused);
}

static gboolean is_concerned(const JournalOperation *record, OperationKind kind,
                             const MemberNode *member)
{
    for (guint i = 0; i < record->members->len; i++) {
        const JournalOperationMember *kept = record->members->pdata[i];
        if (strcmp(kept->uuid, member->shown.uuid) == 0)
            return TRUE;
    }
    return kind == OPERATION_CREATE;
}

/* Every member that the operation was to start has been let run, or was to end has ended. */
static gboolean all_done(const JournalOperation *record, OperationKind kind, const Group *group)
{
    for (guint i = 0; i < group->members->len; i++) {
        const MemberNode *member = group->members->pdata[i];
        gboolean done =
            kind == OPERATION_SHUTDOWN ? !member_has_domain(member) : has_started(member);
        if (is_concerned(record, kind, member) && !done)
            return FALSE;
    }
    return TRUE;
}

static GError *interrupted(const JournalOperation *record, const char *what)
{
    return g_error_new(DOMGRP_ERROR, DOMGRP_ERROR_INTERRUPTED,
                       "%s of %s was interrupted by the end of the daemon%s: see \"domgrp list\" "
                       "for what runs",
                       record->kind, record->group_name, what);
}

static GError *lost(const JournalOperation *record)
{
    return g_error_new(DOMGRP_ERROR, DOMGRP_ERROR_LOST,
                       "%s of %s was lost with the host, which went down meanwhile", record->kind,
                       record->group_name);
}

static gboolean is_committed(const JournalOperation *record)
{
    return g_strcmp0(record->stage, STAGE_COMMITTED) == 0;
}

/*
 * The host went down, and the members' memory with it. A complete image holds it: a save is as
 * good as done then, and the group is not started in its stead. A checkpoint is complete, too, but
 * its group does not go on. What has been written of another image is removed.
 */
static void close_lost_image(Engine *engine, const JournalOperation *record, OperationKind kind,
                             Group *group)
{
    gboolean writes = kinds[kind].writes;
    gboolean forgets = g_strcmp0(record->stage, STAGE_DEFINES) == 0;
    if (group == NULL) {
        operation_close(engine, record, lost(record));
    } else if (writes && is_committed(record)) {
        group->boot_start = group->boot_start && kind == OPERATION_CHECKPOINT;
        operation_resume(engine, record, group, kind == OPERATION_CHECKPOINT ? lost(record) : NULL);
    } else if (writes || forgets) {
        operation_undo(engine, record, group, lost(record));
    } else {
        operation_close(engine, record, lost(record));
    }
}

static void close_lost(Engine *engine, const JournalOperation *record, OperationKind kind,
                       Group *group)
{
    DomgrpPolicy policy = DOMGRP_POLICY_ROLLBACK;
    domgrp_policy_parse(record->policy, &policy, NULL);
    if (kinds[kind].writes || kinds[kind].reads)
        close_lost_image(engine, record, kind, group);
    else if (kind == OPERATION_CREATE && group != NULL && policy == DOMGRP_POLICY_ROLLBACK)
        operation_undo(engine, record, group, lost(record));
    else
        operation_close(engine, record, lost(record));
}

/* What the daemon was to do by itself is not forgotten for not having begun. */
static void settle_queued(Engine *engine, const JournalOperation *record, Group *group)
{
    if (group != NULL && record->by_itself)
        operation_requeue(engine, record, group);
    else
        operation_close(engine, record, interrupted(record, " before it began"));
}

static void close_cut_off(Engine *engine, const JournalOperation *record, OperationKind kind,
                          Group *group)
{
    DomgrpPolicy policy = DOMGRP_POLICY_STOP;
    domgrp_policy_parse(record->policy, &policy, NULL);
    gboolean goes_on = kinds[kind].writes || kinds[kind].reads
                           ? is_committed(record)
                           : policy == DOMGRP_POLICY_CONTINUE || record->by_itself ||
                                 (group != NULL && all_done(record, kind, group));
    if (kinds[kind].was_done != NULL) {
        gboolean done = kinds[kind].was_done(group, record);
        operation_close(engine, record, done ? NULL : interrupted(record, " before it was done"));
    } else if (group == NULL) {
        operation_close(engine, record, interrupted(record, " before anything was changed"));
    } else if ((policy == DOMGRP_POLICY_STOP && !record->undoing) || group->operation != NULL) {
        operation_close(engine, record, interrupted(record, ""));
    } else if (!record->undoing && goes_on) {
        operation_resume(engine, record, group, NULL);
    } else {
        operation_undo(engine, record, group,
                       g_error_new(DOMGRP_ERROR, DOMGRP_ERROR_INTERRUPTED,
                                   "it was interrupted by the end of the daemon"));
    }
}

/* The newest operation of a group is the one that counts: it may have ended an older one. */
static gboolean is_newest(const Recovery *recovery, const JournalOperation *record)
{
    return open_operation(recovery, record->group_uuid) == record;
}

static void settle_operation(const Recovery *recovery, const JournalOperation *record)
{
    Engine *engine = recovery->engine;
    OperationKind kind = operation_kind_lookup(record->kind);
    Group *group = g_hash_table_lookup(engine->groups, record->group_uuid);
    if (record->ended_us == 0 && kind == OPERATION_SHUTDOWN && record->by_itself && group != NULL &&
        !group->failed) {
        group->failed = TRUE; /* it is for that that it is shut down */
        group_store(group, NULL);
    }
    gboolean same_boot = strcmp(record->boot_id, engine->facts.boot_id) == 0;
    if (record->ended_us != 0 || kind == OPERATION_KIND_COUNT)
        operation_new_ended(engine, record);
    else if (kinds[kind].migrates) /* whose driver knows what is to be done */
        operation_close(engine, record, same_boot ? interrupted(record, "") : lost(record));
    else if (record->boot_id[0] != '\0' && !same_boot)
        close_lost(engine, record, kind, group);
    else if (!record->began && record->boot_id[0] != '\0')
        settle_queued(engine, record, group);
    else if (!is_newest(recovery, record))
        operation_close(engine, record, interrupted(record, ""));
    else
        close_cut_off(engine, record, kind, group);
}

/*
 * The daemon was restarting @member by itself: what is left of its domain is no good, unless its
 * guest was let run already.
 */
static void finish_member(const Recovery *recovery, MemberNode *member)
{
    gboolean runs = member_runs(member) && !member->domain.paused;
    if (member_is_intended(member) && !runs && member->group->operation == NULL &&
        member->group->migration == NULL && open_operation(recovery, member->group->uuid) == NULL)
        member_restart(member);
}

/* Nothing starts by itself unless its file asks for it. That it does is noted before the boot. */
static gboolean start_at_boot(Group *group, GError **error)
{
    if (!group->boot_start || group->migration != NULL)
        return TRUE; /* the end of a migration begins it, if the group is here then */
    /* What it notes from now on is of this boot. */
    return group_start_afresh(group, error) && group_store(group, error);
}

static gboolean finish(const Recovery *recovery, GError **error)
{
    for (guint i = recovery->operations->len; i > 0; i--)
        settle_operation(recovery, recovery->operations->pdata[i - 1]);

    GHashTableIter iter;
    gpointer value;
    g_hash_table_iter_init(&iter, recovery->engine->groups);
    while (g_hash_table_iter_next(&iter, NULL, &value))
        if (!start_at_boot(value, error))
            return FALSE;
    g_hash_table_iter_init(&iter, recovery->engine->members);
    while (g_hash_table_iter_next(&iter, NULL, &value))
        finish_member(recovery, value);
    return TRUE;
}

gboolean engine_recover(Engine *engine, GError **error)
{
    Host *host = engine->host;
    Journal *journal = engine->journal;
    g_autoptr(GPtrArray) groups = NULL;
    g_autoptr(GPtrArray) operations = NULL;
    g_autoptr(GPtrArray) migrations = NULL;
    engine->group0 = add_default(engine, DOMGRP_NAME_GROUP0, "00000000-0000-0000-0000-000000000000",
                                 DOMGRP_ID_GROUP0);
    engine->null = add_default(engine, DOMGRP_NAME_NULL, "ffffffff-ffff-ffff-ffff-ffffffffffff",
                               DOMGRP_ID_NULL);
    if (!host->ops->facts(host, &engine->facts, error) ||
        !journal->ops->load(journal, &groups, error) ||
        !journal->ops->operations(journal, ENGINE_MAX_OPERATIONS, &operations, error) ||
        !journal->ops->migrations(journal, &migrations, error))
        return FALSE;

    Recovery recovery = {engine, groups, operations};
    for (guint i = 0; i < groups->len; i++)
        if (!load_group(&recovery, groups->pdata[i], error))
            return FALSE;
    for (guint i = 0; i < migrations->len; i++)
        if (!migration_load(engine, migrations->pdata[i], error))
            return FALSE;
    if (!reality_read(engine, TRUE, error) || !settle_groups(engine, error))
        return FALSE;
    migrations_restart(engine);

    if (!finish(&recovery, error))
        return FALSE;
    host->ops->watch(host, engine_changed, engine);
    engine->retry = host->ops->timer_add(host, 0, engine_timeout, engine);
    engine->live = TRUE;
    return TRUE;
}
