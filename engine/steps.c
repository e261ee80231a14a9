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

/* It may have been restarted while this waited for its turn. */
StepResult step_end_if_running(Work *work, GError **error)
{
    return member_has_domain(work->member) ? STEP_END : STEP_DONE;
}

/* From here until step_own() a domain of the member is one that we build or end. */
StepResult step_intend(Work *work, GError **error)
{
    MemberNode *member = work->member;
    if (!member_store_owner(member, TRUE, HOST_DOMID_NONE, error))
        return STEP_FAILED;
    return STEP_DONE;
}

static void built(gpointer data, guint32 domid, const GError *error)
{
    Work *work = data;
    work->domid = domid;
    work_called(work, error);
}

StepResult step_build(Work *work, GError **error)
{
    HostRecord record;
    group_record(work->group, &record);
    host_of(work)->ops->domain_create(host_of(work), work->member->shown.config->json, &record,
                                      built, work);
    host_record_clear(&record);
    return STEP_CALL;
}

/* A domain runs in its group from its first instruction or not at all. */
StepResult step_place(Work *work, GError **error)
{
    MemberNode *member = work->member;
    if (member->domain.domid != work->domid) {
        g_set_error(error, DOMGRP_ERROR, DOMGRP_ERROR_HOST,
                    "its domain %u was gone as soon as it was built", work->domid);
        return STEP_FAILED;
    }
    return member_place(member, error) ? STEP_DONE : STEP_FAILED;
}

/* Somebody else's domain of the member runs without us. */
StepResult step_end_unless_built(Work *work, GError **error)
{
    const MemberNode *member = work->member;
    if (!member_is_intended(member))
        return STEP_END;
    if (member_has_domain(member))
        return STEP_DONE;
    g_set_error(error, DOMGRP_ERROR, DOMGRP_ERROR_HOST,
                "its domain was taken away by another toolstack before it could run");
    return STEP_FAILED;
}

StepResult step_unpause(Work *work, GError **error)
{
    host_of(work)->ops->domain_unpause(host_of(work), work->domid, work->member->shown.uuid,
                                       work_done, work);
    return STEP_CALL;
}

StepResult step_own(Work *work, GError **error)
{
    return member_store_owner(work->member, TRUE, work->domid, error) ? STEP_DONE : STEP_FAILED;
}

/* -- taking a domain down -- */

StepResult step_ask(Work *work, GError **error)
{
    const EngineOptions *options = &work->operation->options;
    MemberNode *member = work->member;
    gint64 seconds = options->timeout_s != 0 ? options->timeout_s : ENGINE_TIMEOUT_S;
    work_set_deadline(work, seconds * G_USEC_PER_SEC);
    if (!member_runs(member))
        return STEP_DONE;

    HostShutdown how =
        work->operation->kind == OPERATION_REBOOT ? HOST_SHUTDOWN_REBOOT : HOST_SHUTDOWN_POWEROFF;
    host_of(work)->ops->domain_shutdown(host_of(work), work->domid, member->shown.uuid, how,
                                        options->fallback, work_done, work);
    return STEP_CALL;
}

static StepResult fail_late(const Work *work, const char *what, GError **error)
{
    const EngineOptions *options = &work->operation->options;
    g_set_error(error, DOMGRP_ERROR, DOMGRP_ERROR_TIMEOUT,
                "%s within %u s and was left as it is: wait for it, or end it with "
                "\"domgrp destroy %s\"",
                what, options->timeout_s != 0 ? options->timeout_s : ENGINE_TIMEOUT_S,
                work->group->name);
    return STEP_FAILED;
}

/* The domain that was asked is gone, or its guest has ended. */
static gboolean has_ended(const Work *work)
{
    const HostDomain *domain = &work->member->domain;
    return domain->domid != work->domid ||
           (domain->shutdown && domain->reason != HOST_REASON_SUSPEND);
}

StepResult step_wait_end(Work *work, GError **error)
{
    if (has_ended(work))
        return STEP_DONE;
    return work_late(work) ? fail_late(work, "it did not shut down", error) : STEP_WATCH;
}

/* What xl's monitor does about a domain of its own is waited for. */
StepResult step_wait_gone(Work *work, GError **error)
{
    if (work->member->domain.domid != work->domid)
        return work->ours ? STEP_DONE : STEP_END;
    if (work->ours)
        return STEP_DONE;
    if (member_action(work->member) == HOST_ACTION_PRESERVE)
        return STEP_END;
    return work_late(work) ? fail_late(work,
                                       "its domain ended but was not cleaned up by the "
                                       "toolstack that created it",
                                       error)
                           : STEP_WATCH;
}

StepResult step_wait_back(Work *work, GError **error)
{
    MemberNode *member = work->member;
    gboolean same = member->domain.domid == work->domid;
    if (work->ours && same)
        return STEP_DONE;
    if (!same && member_runs(member) && !member->domain.paused)
        return STEP_END;
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
    if (work->member->domain.domid == work->domid && work->member->domain.shutdown)
        work->action = member_action(work->member);
    return STEP_DONE;
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

StepResult step_destroy(Work *work, GError **error)
{
    MemberNode *member = work->member;
    work->domid = member->domain.domid;
    if (!member_has_domain(member))
        return STEP_DONE;
    if (member->shown.ours && !member_store_owner(member, TRUE, HOST_DOMID_NONE, error))
        return STEP_FAILED;
    host_of(work)->ops->domain_destroy(host_of(work), work->domid, member->shown.uuid, work_done,
                                       work);
    return STEP_CALL;
}

StepResult step_gone(Work *work, GError **error)
{
    if (work->domid == HOST_DOMID_NONE || work->member->domain.domid != work->domid)
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

StepResult group_step_unpause(Work *work, GError **error)
{
    if (!work->group->paused)
        return STEP_DONE;
    work->group->pause_doubt = TRUE;
    g_autoptr(GArray) domids = group_domids(work->group);
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
    return journal->ops->group_delete(journal, work->group->uuid, error) ? STEP_DONE : STEP_FAILED;
}

StepResult group_step_forget(Work *work, GError **error)
{
    Group *group = work->group;
    work->group = NULL;
    engine_remove_group(group);
    return STEP_DONE;
}
