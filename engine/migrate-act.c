/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The actions of a migration's rows: what a driver does to the members and the
 * group. Each can be done twice.
 */
#include "migrate.h"

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
    Host *host = migration_host(migration);
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
    Host *host = migration_host(migration);
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
    Host *host = migration_host(migration);
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
    if (migration_has_copy(migration, member))
        return TRUE;
    return !migration_is_source(migration) && member_is_half_there(member); /* it was being built */
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

gboolean migration_leave(Migration *migration, GError **error)
{
    Group *group = migration->group;
    Host *host = migration_host(migration);
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
    if (migration_leave(migration, &error))
        return TRUE;
    if (error != NULL)
        acted(migration, error);
    return FALSE;
}

static gboolean act_destroy(Migration *migration)
{
    Host *host = migration_host(migration);
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
    if (migration_is_away(migration->side, migration->row->next))
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
                migration->group->name, migration_is_source(migration) ? "to" : "from",
                migration->peer);
    listener->migration_failed(migration->engine->listener_data, migration->group, error);
    return TRUE;
}

static gboolean act_cold_start(Migration *migration)
{
    g_autoptr(GError) error = NULL;
    if (!group_make(migration->group, &error) || !group_start_afresh(migration->group, &error)) {
        acted(migration, error);
        return FALSE;
    }
    group_store(migration->group, NULL); /* else it is tried again */
    return TRUE;
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
        operation_cancel(operation, migration_why(migration));
    }
    return FALSE;
}

void migration_run_action(Migration *migration)
{
    if (migration->acting == MIGRATION_ACTION_NOTHING || migration->calling ||
        !is_at_rest(migration))
        return;
    if (do_action(migration))
        acted(migration, NULL);
}
