/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What domains() says, made into the states of members and groups; and what
 * the daemon does by itself about a domain of its own whose guest has ended.
 */
#include "private.h"

#include <string.h>

/* -- members of defined groups -- */

static gboolean is_building(const MemberNode *member)
{
    const Work *work = member->work;
    return work != NULL && work->steps[work->next].run != NULL &&
           work->steps[work->next].state == MEMBER_STARTING;
}

static MemberState member_state(const MemberNode *member)
{
    const Work *work = member->work;
    if (work != NULL && work->steps[work->next].run != NULL &&
        work->steps[work->next].state != MEMBER_STATE_COUNT)
        return work->steps[work->next].state;

    const HostDomain *domain = &member->domain;
    if (!member_has_domain(member))
        return member->owned && member->owned_domid != HOST_DOMID_NONE ? MEMBER_AWAY
                                                                       : MEMBER_STOPPED;
    if (member_stands_still(member))
        return MEMBER_SUSPENDED;
    if (domain->shutdown)
        return domain->reason == HOST_REASON_CRASH || domain->reason == HOST_REASON_WATCHDOG
                   ? MEMBER_CRASHED
                   : MEMBER_SHUTDOWN;
    const Operation *operation = member->group->operation;
    if (member_is_intended(member) && domain->paused && operation != NULL && !operation->undoing)
        return MEMBER_STARTING; /* built, and not yet let go */
    gboolean by_group = member->group->paused && member->group->engine->facts.has_groups;
    return domain->paused || by_group ? MEMBER_PAUSED : MEMBER_RUNNING;
}

/* Returns whether something changed that people would want to hear of. */
static gboolean member_show(MemberNode *member)
{
    Member *shown = &member->shown;
    const HostDomain *domain = &member->domain;
    gboolean exists = member_has_domain(member);
    MemberState state = member_state(member);
    gboolean ours = exists && (member->owned_domid == domain->domid ||
                               member_is_intended(member)); /* it is being built */
    gboolean changed =
        shown->state != state || shown->domid != domain->domid || shown->ours != ours;

    shown->state = state;
    shown->domid = domain->domid;
    shown->ours = ours;
    shown->memory_kib = exists ? domain->memory_kib : 0;
    shown->cpu_time_us = exists ? domain->cpu_time_us : 0;
    shown->vcpus = exists ? domain->vcpus : 0;
    return changed;
}

/* Whether the group's operation does what is to be done about @member. */
static gboolean operation_acts(const MemberNode *member)
{
    const Operation *operation = member->group->operation;
    if (operation == NULL)
        return FALSE;
    if (operation->undoing)
        return TRUE;
    return member->node != NULL && (member->node->shown.outcome == OUTCOME_PENDING ||
                                    member->node->shown.outcome == OUTCOME_ACTIVE);
}

gboolean action_builds(HostAction action)
{
    return action == HOST_ACTION_RESTART || action == HOST_ACTION_RENAME_RESTART ||
           action == HOST_ACTION_COREDUMP_RESTART || action == HOST_ACTION_SOFT_RESET;
}

HostAction member_action(const MemberNode *member)
{
    HostReason reason = member->domain.reason;
    if (reason == HOST_REASON_SOFT_RESET && member->no_reset_domid == member->domain.domid)
        return HOST_ACTION_RESTART;
    return reason < HOST_REASON_UNKNOWN ? member->shown.config->on[reason] : HOST_ACTION_DESTROY;
}

/* A guest's own end that its operator would want to hear of, whoever looks after the domain. */
static gboolean is_failure(const MemberNode *member)
{
    const HostDomain *domain = &member->domain;
    if (!member_has_domain(member) || !domain->shutdown || operation_acts(member))
        return FALSE;
    return domain->reason == HOST_REASON_CRASH || domain->reason == HOST_REASON_WATCHDOG ||
           (domain->reason == HOST_REASON_POWEROFF && !domain->asked);
}

/* Failures further back than the group file says do not count any more. */
static void count_failure(Group *group)
{
    const DomgrpSettings *settings = group->settings;
    gint64 now = group->engine->host->ops->now(group->engine->host);
    gint64 since = now - (gint64)settings->failure_seconds * G_USEC_PER_SEC;
    while (group->failures->len > 0 && g_array_index(group->failures, gint64, 0) <= since)
        g_array_remove_index(group->failures, 0);
    g_array_append_val(group->failures, now);
    if (group->failures->len > settings->failure_times)
        group->failed = group->doubt = TRUE;
}

/* Somebody else has asked its guest for something. */
static gboolean was_asked(const MemberNode *member)
{
    return member->domain.asked && member->asked_domid != member->domain.domid;
}

/* What the group says of a member that failed, once for each domain. */
static void note_failure(MemberNode *member)
{
    Group *group = member->group;
    member->revive = member->revive && !member_runs(member);
    if (!is_failure(member) || member->failed_domid == member->domain.domid)
        return;
    member->failed_domid = member->domain.domid;
    if (group->failed)
        return; /* an operator is awaited already */
    if (group->settings->on_member_failure == DOMGRP_MEMBER_FAILURE_STOP_GROUP) {
        group->stop_wanted = group->failed = group->doubt = TRUE;
    } else if (group->settings->on_member_failure == DOMGRP_MEMBER_FAILURE_RESTART) {
        count_failure(group);
        member->revive = !member->shown.ours && !action_builds(member_action(member));
    }
}

static gboolean member_apply(MemberNode *member)
{
    guint32 before = member->domain.domid;
    gboolean stood = member_stands_still(member) && before == member->next.domid;
    member->domain = member->next;
    member->next.domid = HOST_DOMID_NONE;
    guint32 domid = member->domain.domid;
    if (!stood) /* what is asked of it while it stands still is not why it does */
        member->still_asked = member_stands_still(member) && was_asked(member);

    if (domid != before && domid != HOST_DOMID_NONE && member->group->in_hypervisor) {
        member_place(member, NULL);
        if (!is_building(member) && domid != member->owned_domid) {
            /* Somebody else created it. What cannot be noted now is noted by the next start. */
            if (member->work == NULL)
                member_store_owner(member, FALSE, HOST_DOMID_NONE, NULL);
            group_publish(member->group);
        }
    }
    gboolean changed = member_show(member);
    note_failure(member);
    return changed;
}

/* -- domains of the default groups -- */

static Group *default_group(Engine *engine, const HostDomain *domain)
{
    if (domain->domid == 0 || domain->group_id == DOMGRP_ID_GROUP0)
        return engine->group0;
    if (!engine->facts.has_groups || domain->group_id == DOMGRP_ID_NULL)
        return engine->null;
    return NULL;
}

static void stranger_take(Engine *engine, const HostDomain *domain)
{
    Group *group = default_group(engine, domain);
    if (group == NULL)
        return;

    gpointer key = GUINT_TO_POINTER(domain->domid);
    MemberNode *member = g_hash_table_lookup(engine->strangers, key);
    if (member == NULL || member->group != group || strcmp(member->shown.uuid, domain->uuid) != 0) {
        member = member_new(group, NULL);
        memcpy(member->shown.uuid, domain->uuid, sizeof member->shown.uuid);
        g_ptr_array_add(group->members, member);
        g_hash_table_insert(engine->strangers, key, member);
    }
    member->next = *domain;
}

static gboolean default_apply(Group *group, gboolean names)
{
    Host *host = group->engine->host;
    gboolean changed = FALSE;
    for (guint i = 0; i < group->members->len;) {
        MemberNode *member = group->members->pdata[i];
        member->domain = member->next;
        member->next.domid = HOST_DOMID_NONE;
        if (!member_has_domain(member)) {
            gpointer key = GUINT_TO_POINTER(member->shown.domid);
            if (g_hash_table_lookup(group->engine->strangers, key) == member)
                g_hash_table_remove(group->engine->strangers, key);
            g_ptr_array_remove_index(group->members, i);
            changed = TRUE;
            continue;
        }
        if (names || member->shown.name == NULL) {
            g_free(member->shown.name);
            member->shown.name = host->ops->domain_name(host, member->domain.domid);
        }
        changed = member_show(member) || changed;
        i++;
    }
    return changed;
}

/* -- all of it -- */

static gboolean group_apply(Group *group)
{
    gboolean changed = FALSE;
    for (guint i = 0; i < group->members->len; i++)
        changed = member_apply(group->members->pdata[i]) || changed;
    return changed;
}

gboolean reality_read(Engine *engine, gboolean names, GError **error)
{
    g_autoptr(GArray) domains = NULL;
    if (!engine->host->ops->domains(engine->host, &domains, error))
        return FALSE;

    for (guint i = 0; i < domains->len; i++) {
        const HostDomain *domain = &g_array_index(domains, HostDomain, i);
        MemberNode *member = g_hash_table_lookup(engine->members, domain->uuid);
        if (domain->dying)
            continue;
        if (member != NULL)
            member->next = *domain; /* of two, the newer: a restart overlaps */
        else
            stranger_take(engine, domain);
    }

    GHashTableIter iter;
    gpointer value;
    g_hash_table_iter_init(&iter, engine->groups);
    while (g_hash_table_iter_next(&iter, NULL, &value)) {
        Group *group = value;
        gboolean changed = group->is_default ? default_apply(group, names) : group_apply(group);
        if (changed || group->told != group_state(group))
            engine_tell_group(group);
    }
    return TRUE;
}

/* -- what the daemon does by itself -- */

static void act_timeout(gpointer data)
{
    MemberNode *member = data;
    member->timer = 0;
    engine_turn(member->group->engine);
}

/* Its domain was being replaced or ended, and nobody is at it any more. */
static gboolean is_open(const MemberNode *member)
{
    return (member_is_intended(member) || member_is_ending(member)) && member->work == NULL &&
           !operation_acts(member);
}

/*
 * What is left of its domain never ran, or does not run any more: it is to be ended. One that
 * stands still because its group is paused did run.
 */
static gboolean is_left_over(const MemberNode *member)
{
    const HostDomain *domain = &member->domain;
    return is_open(member) && member_has_domain(member) &&
           (member_is_intended(member) || domain->domid == member->owned_domid) &&
           (domain->shutdown || (domain->paused && !member->group->paused));
}

/*
 * Nothing is done to the member any more: what is in the journal must be
 * true, whatever failed before. Tried again later if it cannot be written.
 */
static void member_tidy(MemberNode *member)
{
    gboolean open = is_open(member);
    gboolean there = member_is_intended(member) || member->domain.domid == member->owned_domid;
    gboolean owned = open ? there && member_has_domain(member) : member->owned;
    guint32 domid = owned || !open ? member->owned_domid : HOST_DOMID_NONE;
    if (open && owned)
        domid = member->domain.domid;
    if (member->work != NULL || operation_acts(member) || is_left_over(member) ||
        (!open && !member->owner_doubt))
        return;
    if (!member_store_owner(member, owned, domid, NULL))
        engine_retry(member->group->engine);
    member_show(member);
}

/* An undoing that failed in its middle has taken away what a group that is still there has. */
static void group_remake(Group *group)
{
    guint32 id = group->id;
    if (!group_make(group, NULL)) {
        engine_retry(group->engine);
        return;
    }
    group->doubt = group->doubt || group->id != id;
    group_publish(group);
}

/*
 * A member runs, and not from the group's image: the memory in that does not fit the disks any
 * more. What an operation has only built, and holds, does not run.
 */
static void group_note_image(Group *group)
{
    if (!group_has_image(group) || group->operation != NULL)
        return;
    for (guint i = 0; i < group->members->len; i++) {
        const MemberNode *member = group->members->pdata[i];
        if (!member_is_up(member))
            continue;
        group_leave_image(group);
        group->doubt = TRUE;
        return;
    }
}

static void group_tidy(Group *group)
{
    group_note_image(group);
    if (group->defined && !group->is_default && !group->in_hypervisor && group->operation == NULL)
        group_remake(group);
    if (group->pause_doubt && group->operation == NULL) {
        gboolean before = group->paused;
        group->pause_doubt = !group_read_pause(group, NULL);
        if (group->paused != before)
            group->doubt = group->engine->again = TRUE;
        if (group->pause_doubt)
            engine_retry(group->engine);
    }
    if (group->doubt && group->defined && group->operation == NULL && !group_store(group, NULL))
        engine_retry(group->engine);
}

gboolean member_awaits_daemon(const MemberNode *member)
{
    const HostDomain *domain = &member->domain;
    return member_has_domain(member) && domain->shutdown && domain->reason != HOST_REASON_SUSPEND &&
           member->shown.ours && member->kept_domid != domain->domid;
}

/* -- guests that stand still -- */

gboolean member_stands_still(const MemberNode *member)
{
    const HostDomain *domain = &member->domain;
    return member_has_domain(member) && domain->shutdown && domain->reason == HOST_REASON_SUSPEND;
}

static gboolean is_being_saved(const MemberNode *member)
{
    const Operation *operation = member->group->operation;
    return operation != NULL && kinds[operation->kind].writes;
}

/*
 * A guest that we asked to suspend may do so when the operation that wanted it is over: it is to
 * go on then, whenever that is and whichever daemon sees it. What we asked is in the journal until
 * the domain has gone on, or is gone, or somebody else has asked it for something: a guest
 * that a toolstack suspends, as "xl save" does, stands still for that, and is none of ours.
 */
static gboolean is_to_go_on(const MemberNode *member)
{
    return member_stands_still(member) && member->domain.domid == member->suspend_domid &&
           !member->still_asked && !is_being_saved(member);
}

static void member_forget_suspend(MemberNode *member)
{
    gboolean asked = member_stands_still(member) ? member->still_asked : was_asked(member);
    if (member->suspend_domid == HOST_DOMID_NONE || member->work != NULL ||
        is_being_saved(member) || (member->domain.domid == member->suspend_domid && !asked))
        return;
    if (!member_store_no_suspend(member))
        engine_retry(member->group->engine);
}

/* Says whether @member is such a guest; it goes on now, or soon. */
static gboolean member_go_on(MemberNode *member)
{
    Engine *engine = member->group->engine;
    gint64 now = engine->host->ops->now(engine->host);
    if (!is_to_go_on(member))
        return FALSE;
    if (member->work != NULL || member->timer != 0)
        return TRUE;
    if (now < member->hold_us)
        member->timer =
            engine->host->ops->timer_add(engine->host, member->hold_us - now, act_timeout, member);
    else
        work_new(engine, NULL, NULL, member->group, member, steps_go_on);
    return TRUE;
}

/* A failure that xl has cleaned up after, and that our group does not leave at that. */
static gboolean is_to_revive(const MemberNode *member)
{
    return member->revive && !member_has_domain(member) && !member->group->failed &&
           member->group->operation == NULL;
}

/* The same end of a guest, but it is not, or it is, started again. */
static const HostAction actions_without[] = {
    [HOST_ACTION_DESTROY] = HOST_ACTION_DESTROY,
    [HOST_ACTION_RESTART] = HOST_ACTION_DESTROY,
    [HOST_ACTION_RENAME_RESTART] = HOST_ACTION_PRESERVE,
    [HOST_ACTION_PRESERVE] = HOST_ACTION_PRESERVE,
    [HOST_ACTION_COREDUMP_DESTROY] = HOST_ACTION_COREDUMP_DESTROY,
    [HOST_ACTION_COREDUMP_RESTART] = HOST_ACTION_COREDUMP_DESTROY,
    [HOST_ACTION_SOFT_RESET] = HOST_ACTION_DESTROY,
};
static const HostAction actions_with[] = {
    [HOST_ACTION_DESTROY] = HOST_ACTION_RESTART,
    [HOST_ACTION_RESTART] = HOST_ACTION_RESTART,
    [HOST_ACTION_RENAME_RESTART] = HOST_ACTION_RENAME_RESTART,
    [HOST_ACTION_PRESERVE] = HOST_ACTION_RENAME_RESTART,
    [HOST_ACTION_COREDUMP_DESTROY] = HOST_ACTION_COREDUMP_RESTART,
    [HOST_ACTION_COREDUMP_RESTART] = HOST_ACTION_COREDUMP_RESTART,
    [HOST_ACTION_SOFT_RESET] = HOST_ACTION_SOFT_RESET,
};

HostAction action_without_restart(HostAction action)
{
    return actions_without[action];
}

/* What is done about a guest that has ended: as its own configuration says, and its group. */
static HostAction choose_action(const MemberNode *member)
{
    const Group *group = member->group;
    HostAction action = member_action(member);
    if (is_left_over(member) && member->no_reset_domid != member->domain.domid)
        return HOST_ACTION_DESTROY;
    if (group->failed)
        return action_without_restart(action);
    if (is_failure(member) && group->settings->on_member_failure == DOMGRP_MEMBER_FAILURE_RESTART)
        return actions_with[action];
    return action;
}

static const Step *choose_steps(const MemberNode *member, HostAction action)
{
    if (is_left_over(member) && !action_builds(action))
        return steps_end;
    if (action == HOST_ACTION_SOFT_RESET)
        return steps_soft_reset;
    return member_awaits_daemon(member) ? steps_act : steps_restart;
}

static void member_act(MemberNode *member)
{
    Engine *engine = member->group->engine;
    gboolean revive = is_to_revive(member);
    if (member->work != NULL || member->timer != 0 || operation_acts(member) ||
        (!is_left_over(member) && !member_awaits_daemon(member) && !revive))
        return;

    HostAction action = revive ? HOST_ACTION_RESTART : choose_action(member);
    if (action == HOST_ACTION_PRESERVE) {
        member->kept_domid = member->domain.domid;
        engine->again = TRUE;
        return;
    }

    gint64 now = engine->host->ops->now(engine->host);
    gint64 when =
        action_builds(action) ? MAX(member->restart_us, member->hold_us) : member->hold_us;
    if (now < when) {
        member->timer = engine->host->ops->timer_add(engine->host, when - now, act_timeout, member);
        return;
    }
    if (action_builds(action))
        member->restart_us = now + ENGINE_RESTART_US;
    member->revive = FALSE;
    work_new(engine, NULL, NULL, member->group, member, choose_steps(member, action))->action =
        action;
}

/* A member failed, and its group says that none shall run without it. */
static void group_stop(Group *group)
{
    if (!group->stop_wanted || group->operation != NULL || group->paused)
        return;
    if (!group_stopped(group)) {
        OperationRequest request = {.kind = OPERATION_SHUTDOWN, .group = group, .by_itself = TRUE};
        if (!group_store(group, NULL) || operation_new(group->engine, &request, NULL) == NULL) {
            engine_retry(group->engine);
            return;
        }
    }
    group->stop_wanted = FALSE;
}

void reality_act(Engine *engine)
{
    GHashTableIter iter;
    gpointer member;
    gpointer group;
    g_hash_table_iter_init(&iter, engine->members);
    while (g_hash_table_iter_next(&iter, NULL, &member)) {
        if (migration_keeps(((MemberNode *)member)->group))
            continue;
        member_tidy(member);
        member_forget_suspend(member);
        if (!member_go_on(member))
            member_act(member);
    }
    g_hash_table_iter_init(&iter, engine->groups);
    while (g_hash_table_iter_next(&iter, NULL, &group)) {
        if (migration_keeps(group))
            continue;
        group_stop(group);
        group_tidy(group);
    }
}

void member_restart(MemberNode *member)
{
    work_new(member->group->engine, NULL, NULL, member->group, member, steps_restart)->action =
        HOST_ACTION_RESTART;
}
