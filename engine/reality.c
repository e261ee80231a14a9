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
    gboolean ours = exists && member->owned &&
                    (member->owned_domid == domain->domid ||
                     member->owned_domid == HOST_DOMID_NONE); /* it is being built or ended */
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

static gboolean member_apply(MemberNode *member)
{
    guint32 before = member->domain.domid;
    member->domain = member->next;
    member->next.domid = HOST_DOMID_NONE;
    guint32 domid = member->domain.domid;

    if (domid != before && domid != HOST_DOMID_NONE && member->group->in_hypervisor) {
        member_place(member, NULL);
        if (!is_building(member) && domid != member->owned_domid) {
            /* Somebody else created it. What cannot be noted now is noted by the next start. */
            if (member->work == NULL)
                member_store_owner(member, FALSE, HOST_DOMID_NONE, NULL);
            group_publish(member->group);
        }
    }
    return member_show(member);
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
    return reason < HOST_REASON_UNKNOWN ? member->shown.config->on[reason] : HOST_ACTION_DESTROY;
}

/* Its domain was being replaced or ended, and nobody is at it any more. */
static gboolean is_open(const MemberNode *member)
{
    return member_is_intended(member) && member->work == NULL && !operation_acts(member);
}

/* What is left of its domain never ran, or stands still: it is to be ended. */
static gboolean is_left_over(const MemberNode *member)
{
    return is_open(member) && member_has_domain(member) && member->domain.paused;
}

/*
 * Nothing is done to the member any more: what is in the journal must be
 * true, whatever failed before. Tried again later if it cannot be written.
 */
static void member_tidy(MemberNode *member)
{
    gboolean open = is_open(member);
    gboolean owned = open ? member_has_domain(member) : member->owned;
    guint32 domid = open ? member->domain.domid : member->owned_domid;
    if (member->work != NULL || operation_acts(member) || is_left_over(member) ||
        (!open && !member->owner_doubt))
        return;
    if (!member_store_owner(member, owned, domid, NULL))
        engine_retry(member->group->engine);
    member_show(member);
}

static void group_tidy(Group *group)
{
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

/* Whether its guest has ended and the daemon is who does something about that. */
static gboolean has_ended(const MemberNode *member)
{
    const HostDomain *domain = &member->domain;
    return member_has_domain(member) && domain->shutdown && domain->reason != HOST_REASON_SUSPEND &&
           member->shown.ours && member->kept_domid != domain->domid;
}

static void member_act(MemberNode *member)
{
    Engine *engine = member->group->engine;
    gboolean left_over = is_left_over(member);
    if (member->work != NULL || member->timer != 0 || operation_acts(member) ||
        (!left_over && !has_ended(member)))
        return;

    HostAction action = left_over ? HOST_ACTION_DESTROY : member_action(member);
    if (action == HOST_ACTION_PRESERVE) {
        member->kept_domid = member->domain.domid;
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
    work_new(engine, NULL, NULL, member->group, member, left_over ? steps_end : steps_act)->action =
        action;
}

void reality_act(Engine *engine)
{
    GHashTableIter iter;
    gpointer member;
    gpointer group;
    g_hash_table_iter_init(&iter, engine->members);
    while (g_hash_table_iter_next(&iter, NULL, &member)) {
        member_tidy(member);
        member_act(member);
    }
    g_hash_table_iter_init(&iter, engine->groups);
    while (g_hash_table_iter_next(&iter, NULL, &group))
        group_tidy(group);
}

void member_restart(MemberNode *member)
{
    work_new(member->group->engine, NULL, NULL, member->group, member, steps_restart);
}
