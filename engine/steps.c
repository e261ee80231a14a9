/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The steps that operations are made of: each does one thing to one member
 * or one group and can be run again where it has been run already. Steps on
 * members first, then those on groups.
 */
#include "private.h"

#include <string.h>

static Host *host_of(const Work *work)
{
    return work->engine->host;
}

/* -- bringing a domain up -- */

/*
 * A member that runs has only to be ready. What a daemon before this one left
 * half built is taken away first; what it had let run is taken for ours.
 */
StepResult step_begin(Work *work, GError **error)
{
    MemberNode *member = work->member;
    work->domid = member->domain.domid;
    work->runs = member_is_up(member);
    if (!member_has_domain(member) || work->runs)
        return STEP_DONE;
    return step_destroy(work, error);
}

/* From here until step_own() a domain of the member is one that we build or end. */
StepResult step_intend(Work *work, GError **error)
{
    MemberNode *member = work->member;
    if (work->runs)
        return STEP_DONE;
    if (group_has_image(work->group)) {
        group_leave_image(work->group); /* it does not fit the disks any more, soon */
        if (!group_store(work->group, error))
            return STEP_FAILED;
    }
    return member_store_owner(member, TRUE, HOST_DOMID_NONE, error) ? STEP_DONE : STEP_FAILED;
}

StepResult step_build(Work *work, GError **error)
{
    HostRecord record;
    if (work->runs)
        return STEP_DONE;
    group_record(work->group, &record);
    host_of(work)->ops->domain_create(host_of(work), work->member->shown.config->json, &record,
                                      work_built, work);
    host_record_clear(&record);
    return STEP_CALL;
}

/* A domain runs in its group from its first instruction or not at all. */
StepResult step_place(Work *work, GError **error)
{
    MemberNode *member = work->member;
    if (work->runs)
        return STEP_DONE;
    if (member->domain.domid != work->domid) {
        g_set_error(error, DOMGRP_ERROR, DOMGRP_ERROR_HOST,
                    "its domain %u was gone as soon as it was built", work->domid);
        return STEP_FAILED;
    }
    return member_place(member, error) ? STEP_DONE : STEP_FAILED;
}

/* -- in order -- */

static StepResult fail_need(const Work *work, const MemberNode *need, const char *what,
                            GError **error)
{
    g_set_error(error, DOMGRP_ERROR, DOMGRP_ERROR_PARTLY, "%s, which it needs, %s",
                need->shown.name, what);
    return work->operation->kind == OPERATION_REBOOT ? STEP_FAILED : STEP_SKIPPED;
}

/* The operation's part in @need: DONE if it has none, or is through with it. */
static StepResult check_turn(const Work *work, const MemberNode *need, GError **error)
{
    const OperationNode *node = need->node;
    if (node == NULL)
        return STEP_DONE;
    if (node->shown.outcome == OUTCOME_FAILED)
        return fail_need(work, need, "failed", error);
    if (node->shown.outcome == OUTCOME_NOT_TRIED || node->shown.outcome == OUTCOME_UNDONE)
        return fail_need(work, need, "was not tried", error);
    if (node->passed)
        return STEP_DONE;
    if (need->work != NULL || !(work->operation->halted || node->barred))
        return STEP_WATCH;
    /* Its turn will not come: it is as it was. */
    return member_is_up(need) ? STEP_DONE : fail_need(work, need, "was not tried", error);
}

/* DONE: @need is there; WATCH: not yet. */
static StepResult check_need(const Work *work, const MemberNode *need, GError **error)
{
    if (need->node == NULL && work->operation->kind == OPERATION_REBOOT)
        return STEP_DONE; /* it did not run before either */
    StepResult turn = check_turn(work, need, error);
    if (turn != STEP_DONE)
        return turn;
    gboolean awaits = member_awaits_daemon(need) && !migration_keeps(work->group);
    if (need->work != NULL || need->timer != 0 || awaits)
        return STEP_WATCH; /* it may be restarted */
    if (member_runs(need))
        return STEP_DONE;
    fail_need(work, need, "has ended meanwhile", error);
    return STEP_FAILED;
}

/*
 * A member runs when those that it needs are ready, and those of its tier and
 * the tiers before are built: what can go wrong with them has gone wrong by
 * then, and guests that boot do not slow their building.
 */
StepResult step_wait_needs(Work *work, GError **error)
{
    Operation *operation = work->operation;
    if (work->node == NULL || operation->undoing) /* then the scheduler has seen to it */
        return STEP_DONE;
    operation_built(operation, work->node);
    for (guint i = 0; i < work->member->needs->len; i++) {
        g_autoptr(GError) why = NULL;
        work->waits_for = work->member->needs->pdata[i];
        StepResult result = check_need(work, work->waits_for, &why);
        if (result == STEP_WATCH)
            return result;
        if (result == STEP_DONE || kinds[operation->kind].reads)
            continue; /* what has its memory is not to wait for ever for what has failed */
        g_propagate_error(error, g_steal_pointer(&why));
        return result;
    }
    work->waits_for = NULL;
    if (operation->kind == OPERATION_REBOOT)
        return STEP_DONE;
    if (operation->halted) {
        g_set_error(error, DOMGRP_ERROR, DOMGRP_ERROR_PARTLY,
                    "another member had failed before its turn came");
        return STEP_SKIPPED;
    }
    return work->node->shown.tier <= operation->built_tier ? STEP_DONE : STEP_WATCH;
}

/* Whether @need is down, and not by itself: it was asked, and was not started again since. */
static gboolean was_taken_down(const MemberNode *need)
{
    const OperationNode *node = need->node;
    const HostDomain *domain = &need->domain;
    if (node == NULL || member_runs(need))
        return FALSE;
    return domain->asked ||
           (node->touched && (!member_has_domain(need) || domain->domid == node->domid));
}

/*
 * Undoing a shutdown: the scheduler has seen to the order, but a guest that was asked, and was
 * given up on, by this operation or one before, may end all the same until this one runs. A need
 * that has ended by itself is no reason: if nothing had been shut down, this one would run without
 * it.
 */
StepResult step_check_needs(Work *work, GError **error)
{
    for (guint i = 0; i < work->member->needs->len && !work->runs; i++) {
        const MemberNode *need = work->member->needs->pdata[i];
        if (!was_taken_down(need))
            continue;
        fail_need(work, need, "has ended meanwhile", error);
        return STEP_FAILED;
    }
    return STEP_DONE;
}

/* The member's domain is down: those that it needs may follow. */
StepResult step_release(Work *work, GError **error)
{
    if (work->node != NULL)
        operation_release(work->operation, work->node);
    return STEP_DONE;
}

/* -- letting it run -- */

/* Somebody else's domain of the member runs without us. */
StepResult step_check_built(Work *work, GError **error)
{
    const MemberNode *member = work->member;
    work->runs = work->runs || !member_is_intended(member);
    if (work->runs || member_has_domain(member))
        return STEP_DONE;
    g_set_error(error, DOMGRP_ERROR, DOMGRP_ERROR_HOST,
                "its domain was taken away by another toolstack before it could run");
    return STEP_FAILED;
}

StepResult step_unpause(Work *work, GError **error)
{
    if (work->runs)
        return STEP_DONE;
    host_of(work)->ops->domain_unpause(host_of(work), work->domid, work->member->shown.uuid,
                                       work_done, work);
    return STEP_CALL;
}

/* A domain that a daemon before this one let run is ours, too. */
StepResult step_own(Work *work, GError **error)
{
    MemberNode *member = work->member;
    if (work->runs && !member_is_intended(member))
        return STEP_DONE;
    return member_store_owner(member, TRUE, work->domid, error) ? STEP_DONE : STEP_FAILED;
}

/* -- taking a domain down -- */

/* How long the guest has: as the command says, else as the group file does. */
static guint timeout_of(const Work *work)
{
    const DomgrpMemberSettings *settings = member_settings(work->member);
    if (work->operation->options.timeout_s != 0)
        return work->operation->options.timeout_s;
    return settings != NULL && settings->shutdown_timeout_s != 0 ? settings->shutdown_timeout_s
                                                                 : ENGINE_TIMEOUT_S;
}

/*
 * xl starts a domain of its own again as soon as it has ended: where there is
 * an order to keep it is asked to power off, and is ours from then on.
 */
StepResult step_ask(Work *work, GError **error)
{
    const EngineOptions *options = &work->operation->options;
    MemberNode *member = work->member;
    gboolean reboot = work->operation->kind == OPERATION_REBOOT;
    work_set_deadline(work, (gint64)timeout_of(work) * G_USEC_PER_SEC);
    work->unasked = !member_runs(member) && !member->domain.asked;
    if (!member_runs(member) || member->domain.domid != work->domid)
        return STEP_DONE;

    work->takes_over = reboot && !work->ours && work->node->ordered;
    member->asked_domid = work->domid;
    HostShutdown how = reboot && !work->takes_over ? HOST_SHUTDOWN_REBOOT : HOST_SHUTDOWN_POWEROFF;
    host_of(work)->ops->domain_shutdown(host_of(work), work->domid, member->shown.uuid, how,
                                        options->fallback, work_done, work);
    return STEP_CALL;
}

static StepResult fail_late(const Work *work, const char *what, GError **error)
{
    g_set_error(error, DOMGRP_ERROR, DOMGRP_ERROR_TIMEOUT,
                "%s within %u s and was left as it is: wait for it, or end it with "
                "\"domgrp destroy %s\"",
                what, timeout_of(work), work->group->name);
    return STEP_FAILED;
}

/* The domain that was asked is gone, or its guest has ended. */
static gboolean has_ended(const Work *work)
{
    const HostDomain *domain = &work->member->domain;
    return work->domid == HOST_DOMID_NONE || domain->domid != work->domid ||
           (domain->shutdown && domain->reason != HOST_REASON_SUSPEND);
}

StepResult step_wait_end(Work *work, GError **error)
{
    const DomgrpMemberSettings *settings = member_settings(work->member);
    if (has_ended(work))
        return STEP_DONE;
    work->destroys = work_late(work) && settings != NULL && settings->shutdown_destroys;
    if (work->destroys)
        return STEP_DONE;
    return work_late(work) ? fail_late(work, "it did not shut down", error) : STEP_WATCH;
}

/* What xl's monitor does about a domain of its own is waited for. */
StepResult step_wait_gone(Work *work, GError **error)
{
    if (work->ours || work->destroys)
        return STEP_DONE;
    if (work->domid == HOST_DOMID_NONE || work->member->domain.domid != work->domid)
        return STEP_END;
    if (member_action(work->member) == HOST_ACTION_PRESERVE)
        return STEP_END;
    return work_late(work) ? fail_late(work,
                                       "its domain ended but was not cleaned up by the "
                                       "toolstack that created it",
                                       error)
                           : STEP_WATCH;
}

/* For xl to have cleaned up, then; @work->back: for its new domain. */
StepResult step_wait_back(Work *work, GError **error)
{
    MemberNode *member = work->member;
    gboolean same = member->domain.domid == work->domid;
    work->back = !same && member_runs(member) && !member->domain.paused;
    if (work->back || work->destroys || (work->ours && same) || member_is_intended(member))
        return STEP_DONE;
    if (work->takes_over && !member_has_domain(member))
        return STEP_DONE;
    if (!same && member_runs(member))
        engine_retry(work->engine); /* xl builds it; its last act, unpausing, is no event */
    if (work->ours && !member_has_domain(member)) {
        g_set_error(error, DOMGRP_ERROR, DOMGRP_ERROR_HOST,
                    "its domain %u was taken away by another toolstack while it rebooted",
                    work->domid);
        return STEP_FAILED;
    }
    return work_late(work) ? fail_late(work, "it did not come back", error) : STEP_WATCH;
}

StepResult step_decide(Work *work, GError **error)
{
    if (work->operation != NULL && work->operation->kind == OPERATION_REBOOT &&
        (work->destroys || work->member->domain.domid != work->domid))
        work->action = HOST_ACTION_RESTART;
    else if (work->operation != NULL && work->member->domain.domid == work->domid &&
             work->member->domain.shutdown)
        work->action = member_action(work->member);
    gboolean powered_off = work->member->domain.reason == HOST_REASON_POWEROFF && !work->unasked;
    if (work->operation != NULL && work->operation->kind == OPERATION_SHUTDOWN && !powered_off)
        work->action = action_without_restart(work->action);
    return STEP_DONE;
}

/* A reset takes the group's record from the domain; what cannot be reset is started again. */
static void was_reset(gpointer data, const GError *error)
{
    Work *work = data;
    if (error != NULL)
        work->member->no_reset_domid = work->domid;
    else
        group_publish(work->group);
    work_called(work, error);
}

StepResult step_soft_reset(Work *work, GError **error)
{
    MemberNode *member = work->member;
    host_of(work)->ops->domain_soft_reset(host_of(work), work->domid, member->shown.uuid,
                                          member->shown.config->json, was_reset, work);
    return STEP_CALL;
}

static void dumped(gpointer data, const GError *error)
{
    Work *work = data;
    if (error != NULL && work->engine->listener->member_failed != NULL)
        work->engine->listener->member_failed(work->engine->listener_data, work->group,
                                              &work->member->shown, error);
    work_called(work, NULL); /* without the dump the member goes the same way */
}

StepResult step_coredump(Work *work, GError **error)
{
    if (!member_has_domain(work->member) || (work->action != HOST_ACTION_COREDUMP_DESTROY &&
                                             work->action != HOST_ACTION_COREDUMP_RESTART))
        return STEP_DONE;
    host_of(work)->ops->domain_coredump(host_of(work), work->domid, work->member->shown.uuid,
                                        dumped, work);
    return STEP_CALL;
}

StepResult step_keep(Work *work, GError **error)
{
    if (!member_has_domain(work->member))
        return STEP_DONE;
    if (work->action == HOST_ACTION_PRESERVE) {
        work->member->kept_domid = work->domid;
        return STEP_END;
    }
    if (work->action != HOST_ACTION_RENAME_RESTART)
        return STEP_DONE;
    host_of(work)->ops->domain_preserve(host_of(work), work->domid, work->member->shown.uuid,
                                        work_done, work);
    return STEP_CALL;
}

/* What is not ours, and came after we began, stays. */
StepResult step_end_unless_ours(Work *work, GError **error)
{
    const MemberNode *member = work->member;
    return member_has_domain(member) && !member->owned && !member_is_ending(member) ? STEP_END
                                                                                    : STEP_DONE;
}

/* The domain that was asked has gone, and somebody has started the member again. */
StepResult step_end_if_back(Work *work, GError **error)
{
    const MemberNode *member = work->member;
    return member_has_domain(member) && member->domain.domid != work->domid &&
                   !member_is_intended(member)
               ? STEP_END
               : STEP_DONE;
}

/* The domain that was to go has gone before, and there may be another one by now. */
StepResult step_end_unless_same(Work *work, GError **error)
{
    const MemberNode *member = work->member;
    return work->domid == member->domain.domid || member_is_intended(member) ? STEP_DONE : STEP_END;
}

/* The journal says first whether it goes for good or to be built again. */
StepResult step_destroy(Work *work, GError **error)
{
    MemberNode *member = work->member;
    work->domid = member->domain.domid;
    if (!member_has_domain(member))
        return STEP_DONE;
    gboolean replaced = action_builds(work->action);
    if (member->owned &&
        !member_store_owner(member, replaced, replaced ? HOST_DOMID_NONE : work->domid, error))
        return STEP_FAILED;
    host_of(work)->ops->domain_destroy(host_of(work), work->domid, member->shown.uuid, work_done,
                                       work);
    return STEP_CALL;
}

StepResult step_gone(Work *work, GError **error)
{
    if (work->runs || work->domid == HOST_DOMID_NONE || work->member->domain.domid != work->domid)
        return STEP_DONE;
    g_set_error(error, DOMGRP_ERROR, DOMGRP_ERROR_HOST,
                "its domain %u is still there after it was destroyed", work->domid);
    return STEP_FAILED;
}

StepResult step_disown(Work *work, GError **error)
{
    return member_store_owner(work->member, FALSE, HOST_DOMID_NONE, error) ? STEP_DONE
                                                                           : STEP_FAILED;
}

StepResult step_end_unless_restart(Work *work, GError **error)
{
    if (action_builds(work->action))
        return STEP_DONE;
    return step_disown(work, error) == STEP_DONE ? STEP_END : STEP_FAILED;
}

StepResult step_fail_unless_restart(Work *work, GError **error)
{
    if (action_builds(work->action))
        return STEP_DONE;
    if (step_disown(work, error) == STEP_FAILED)
        return STEP_FAILED;
    g_set_error(error, DOMGRP_ERROR, DOMGRP_ERROR_HOST,
                "it ended, and its configuration does not say that it shall start again: "
                "start it with \"domgrp start %s\"",
                work->group->name);
    return STEP_FAILED;
}

/* -- undoing -- */

/* A guest that cannot be asked is destroyed all the same. */
static void retracted(gpointer data, const GError *error)
{
    Work *work = data;
    work->retracting = error == NULL;
    work_called(work, NULL);
}

/* A member that was ready may have work in hand: it is asked before it is destroyed. */
StepResult step_retract(Work *work, GError **error)
{
    MemberNode *member = work->member;
    const DomgrpMemberSettings *settings = member_settings(member);
    guint seconds = settings != NULL ? settings->shutdown_timeout_s : 0;
    if (!work->node->was_ready || !member_runs(member) || work->group->paused)
        return STEP_DONE;
    work_set_deadline(work,
                      (gint64)(seconds != 0 ? seconds : ENGINE_UNDO_TIMEOUT_S) * G_USEC_PER_SEC);
    work->retracting = TRUE;
    member->asked_domid = work->domid;
    host_of(work)->ops->domain_shutdown(host_of(work), work->domid, member->shown.uuid,
                                        HOST_SHUTDOWN_POWEROFF, FALSE, retracted, work);
    return STEP_CALL;
}

StepResult step_wait_retracted(Work *work, GError **error)
{
    return !work->retracting || has_ended(work) || work_late(work) ? STEP_DONE : STEP_WATCH;
}

/* Undoing a shutdown: a guest that was asked will end, and can only then be started again. */
StepResult step_wait_asked(Work *work, GError **error)
{
    const HostDomain *domain = &work->member->domain;
    if (work->deadline == 0)
        work_set_deadline(work, (gint64)timeout_of(work) * G_USEC_PER_SEC);
    gboolean ours_to_await =
        domain->domid == work->node->domid || domain->domid == work->member->asked_domid;
    return member_runs(work->member) && domain->asked && ours_to_await && !work_late(work)
               ? STEP_WATCH
               : STEP_DONE;
}

/* -- groups -- */

StepResult group_step_pause_store(Work *work, GError **error)
{
    Group *group = work->group;
    work->operation->was_paused = group->paused;
    if (group->paused)
        return STEP_DONE;
    group->paused = TRUE;
    if (group_store(group, error))
        return STEP_DONE;
    group->paused = FALSE;
    return STEP_FAILED;
}

static void paused(gpointer data, const HostPause *pause, const GError *error)
{
    Work *work = data;
    if (pause != NULL)
        work->operation->pause = *pause;
    work_called(work, error);
}

StepResult group_step_pause(Work *work, GError **error)
{
    g_autoptr(GArray) domids = group_domids(work->group);
    host_of(work)->ops->group_pause(host_of(work), work->group->id, domids->len,
                                    (const guint32 *)domids->data, paused, work);
    return STEP_CALL;
}

/* A member that is still there must not run for a destroy that failed. */
StepResult group_step_end_unless_stopped(Work *work, GError **error)
{
    return group_stopped(work->group) ? STEP_DONE : STEP_END;
}

StepResult group_step_unpause(Work *work, GError **error)
{
    if (!work->group->paused)
        return STEP_DONE;
    work->group->pause_doubt = TRUE;
    g_autoptr(GArray) domids = g_array_new(FALSE, FALSE, sizeof(guint32));
    for (guint i = 0; i < work->group->members->len; i++) {
        const MemberNode *member = work->group->members->pdata[i];
        if (member_has_domain(member) && !member_is_half_there(member))
            g_array_append_val(domids, member->domain.domid); /* not one before it is built */
    }
    host_of(work)->ops->group_unpause(host_of(work), work->group->id, domids->len,
                                      (const guint32 *)domids->data, work_done, work);
    return STEP_CALL;
}

/* A pause of a group that was paused already is not taken back. */
StepResult group_step_pause_undo(Work *work, GError **error)
{
    if (work->operation->was_paused)
        return STEP_END;
    work->group->paused = TRUE; /* it may be, in the journal or the hypervisor */
    return group_step_unpause(work, error);
}

StepResult group_step_unpause_store(Work *work, GError **error)
{
    if (!work->group->paused)
        return STEP_DONE;
    work->group->pause_doubt = FALSE;
    work->group->paused = FALSE;
    return group_store(work->group, error) ? STEP_DONE : STEP_FAILED;
}

StepResult group_step_store(Work *work, GError **error)
{
    return group_store(work->group, error) ? STEP_DONE : STEP_FAILED;
}

StepResult group_store_at_last(Work *work)
{
    if (group_store(work->group, NULL))
        return STEP_DONE;
    engine_retry(work->engine);
    return STEP_WATCH;
}

StepResult group_step_make(Work *work, GError **error)
{
    guint32 id = work->group->id;
    if (!group_make(work->group, error))
        return STEP_FAILED;
    return id == work->group->id || group_store(work->group, error) ? STEP_DONE : STEP_FAILED;
}

StepResult group_step_unmake(Work *work, GError **error)
{
    return group_unmake(work->group, error) ? STEP_DONE : STEP_FAILED;
}

StepResult group_step_publish(Work *work, GError **error)
{
    HostRecord record;
    g_autoptr(GArray) domids = group_domids(work->group);
    group_record(work->group, &record);
    host_of(work)->ops->record_publish(host_of(work), &record, domids->len,
                                       (const guint32 *)domids->data, work_done, work);
    host_record_clear(&record);
    return STEP_CALL;
}

StepResult group_step_unpublish(Work *work, GError **error)
{
    Group *group = work->group;
    group->in_hypervisor = FALSE; /* begin no other publishing */
    if (group->publisher != NULL)
        return STEP_WATCH;
    g_autoptr(GArray) domids = group_domids(group);
    host_of(work)->ops->record_unpublish(host_of(work), group->uuid, domids->len,
                                         (const guint32 *)domids->data, work_done, work);
    return STEP_CALL;
}

StepResult group_step_delete(Work *work, GError **error)
{
    Journal *journal = work->engine->journal;
    if (journal->ops->group_delete(journal, work->group->uuid, error))
        return STEP_DONE;
    work->group->doubt = TRUE;
    return STEP_FAILED;
}

StepResult group_step_forget(Work *work, GError **error)
{
    Group *group = work->group;
    work->group = NULL;
    engine_remove_group(group);
    return STEP_DONE;
}
