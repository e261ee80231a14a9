/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The steps that write an image: members suspend, all stand still, their
 * memory is written; then the journal says that the image is complete, and
 * until it does everything is taken back. What an image is read with is in
 * restore.c.
 */
#include "private.h"

#include <string.h>

#define LOOK_FIRST_US G_USEC_PER_SEC       /* between looks at an image's progress */
#define LOOK_MOST_US (64 * G_USEC_PER_SEC) /* when it does not move; and none after that */
#define REMOVE_TRIES 3

static Host *host_of(const Work *work)
{
    return work->engine->host;
}

/* -- progress -- */

/* An image that is opened again, to be marked, begins with nothing. */
HostImageProgress operation_image_progress(const Operation *operation)
{
    Host *host = operation->engine->host;
    HostImageProgress now = {0}, last = operation->progress;
    if (operation->image != NULL)
        host->ops->image_progress(host, operation->image, &now);
    return (HostImageProgress){.memory_bytes = MAX(now.memory_bytes, last.memory_bytes),
                               .total_bytes = MAX(now.total_bytes, last.total_bytes),
                               .file_bytes = MAX(now.file_bytes, last.file_bytes)};
}

void operation_close_image(Operation *operation)
{
    Host *host = operation->engine->host;
    if (operation->image == NULL)
        return;
    operation->progress = operation_image_progress(operation);
    host->ops->image_close(host, g_steal_pointer(&operation->image));
}

static gboolean has_moved(Operation *operation)
{
    HostImageProgress before = operation->progress;
    operation->progress = operation_image_progress(operation);
    return before.memory_bytes != operation->progress.memory_bytes ||
           before.total_bytes != operation->progress.total_bytes ||
           before.file_bytes != operation->progress.file_bytes;
}

static void look(gpointer data)
{
    Operation *operation = data;
    operation->progress_timer = 0;
    if (has_moved(operation)) {
        operation->progress_delay = LOOK_FIRST_US;
        engine_tell_operation(operation);
    } else {
        operation->progress_delay *= 2;
    }
    if (operation->progress_delay <= LOOK_MOST_US)
        operation_watch_image(operation);
}

/* What stands still for minutes is looked at again when something else happens. */
void operation_watch_image(Operation *operation)
{
    Host *host = operation->engine->host;
    if (operation->image == NULL || operation->progress_timer != 0 || operation_is_over(operation))
        return;
    if (operation->progress_delay == 0)
        operation->progress_delay = LOOK_FIRST_US;
    operation->progress_delay = MIN(operation->progress_delay, LOOK_MOST_US);
    operation->progress_timer =
        host->ops->timer_add(host, operation->progress_delay, look, operation);
}

/* -- what a member is now: devices may have come and gone since it was built -- */

static void retrieved(gpointer data, HostConfig *config, const GError *error)
{
    Work *work = data;
    work->node->config = config;
    work_called(work, error);
}

StepResult step_retrieve(Work *work, GError **error)
{
    Host *host = host_of(work);
    host->ops->config_retrieve(host, work->member->domain.domid, retrieved, work);
    return STEP_CALL;
}

StepResult step_retrieved(Work *work, GError **error)
{
    if (strcmp(work->node->config->uuid, work->member->shown.uuid) == 0)
        return STEP_DONE;
    g_set_error(error, DOMGRP_ERROR, DOMGRP_ERROR_GROUP_STATE,
                "its domain was replaced meanwhile: try again");
    return STEP_FAILED;
}

/* -- the image as a whole -- */

static void opened(gpointer data, HostImage *image, const HostImageInfo *info, const GError *error)
{
    Work *work = data;
    work->operation->image = image;
    work_called(work, error);
}

StepResult image_create_on(Work *work, int fd)
{
    Operation *operation = work->operation;
    const Group *group = work->group;
    g_autoptr(GKeyFile) keys = group_to_keys(group);
    g_autofree char *text = g_key_file_to_data(keys, NULL, NULL);
    g_autofree const HostConfig **members = g_new(const HostConfig *, group->members->len);
    for (guint i = 0; i < group->members->len; i++)
        members[i] = ((MemberNode *)group->members->pdata[i])->node->config;
    HostImageSpec spec = {.path = operation->image_path,
                          .fd = fd,
                          .group_uuid = group->uuid,
                          .group_name = group->name,
                          .text = text,
                          .fast = operation->options.fast,
                          .n_members = group->members->len,
                          .members = members};
    memcpy(spec.uuid, operation->image_uuid, sizeof spec.uuid);
    host_of(work)->ops->image_create(host_of(work), &spec, opened, work);
    return STEP_CALL;
}

StepResult image_step_create(Work *work, GError **error)
{
    return work->operation->options.dry_run ? STEP_DONE : image_create_on(work, -1);
}

/* From here on the next daemon knows whom it has to let go on. */
StepResult image_step_mark(Work *work, GError **error)
{
    for (guint i = 0; i < work->group->members->len; i++) {
        const MemberNode *member = work->group->members->pdata[i]; /* it may be late already */
        member->node->suspended = member->suspend_domid == member->domain.domid;
    }
    return group_store_suspends(work->group, error) ? STEP_DONE : STEP_FAILED;
}

StepResult image_step_snapshot(Work *work, GError **error)
{
    const char *command = work->group->settings->snapshot;
    if (command == NULL)
        return STEP_DONE;
    host_of(work)->ops->image_snapshot(host_of(work), work->operation->image, command, work_done,
                                       work);
    return STEP_CALL;
}

StepResult image_step_finish(Work *work, GError **error)
{
    Operation *operation = work->operation;
    operation->finishing = TRUE;
    host_of(work)->ops->image_finish(host_of(work), operation->image, work_done, work);
    return STEP_CALL;
}

StepResult image_step_close(Work *work, GError **error)
{
    operation_close_image(work->operation);
    return STEP_DONE;
}

/* The point of no return, which is one write: before it all is undone, after it nothing is. */
StepResult image_step_commit(Work *work, GError **error)
{
    Operation *operation = work->operation;
    if (operation->cause != NULL || operation->error != NULL) { /* it was cancelled meanwhile */
        const GError *why = operation->cause != NULL ? operation->cause : operation->error;
        g_propagate_error(error, g_error_copy(why));
        return STEP_FAILED;
    }
    operation->committed = TRUE;
    operation->policy = DOMGRP_POLICY_CONTINUE;
    if (operation_store(operation, error))
        return STEP_DONE;
    operation->committed = FALSE;
    operation->commit_doubt = TRUE;
    operation->policy = DOMGRP_POLICY_ROLLBACK;
    return STEP_FAILED;
}

/* The journal must not say that it was done when it is undone: a death would finish it. */
StepResult image_step_uncommit(Work *work, GError **error)
{
    Operation *operation = work->operation;
    if (operation->commit_doubt && !operation_store(operation, NULL)) {
        engine_retry(work->engine);
        return STEP_WATCH;
    }
    operation->commit_doubt = FALSE;
    return STEP_DONE;
}

static void abandoned(gpointer data, const GError *error);

static void abandon(Work *work)
{
    const Operation *operation = work->operation;
    work->tries++;
    host_of(work)->ops->image_remove(host_of(work), operation->image_path, operation->image_uuid,
                                     abandoned, work);
}

/* Members go on in any case: that a file is left is told. */
static void abandoned(gpointer data, const GError *error)
{
    Work *work = data;
    Operation *operation = work->operation;
    if (error != NULL && work->tries < REMOVE_TRIES) {
        abandon(work);
        return;
    }
    if (error != NULL && operation->left_error == NULL)
        operation->left_error = g_error_copy(error);
    work_called(work, NULL);
}

StepResult image_step_abandon(Work *work, GError **error)
{
    if (!work->operation->finishing && !work->operation->resumed)
        return STEP_DONE; /* closing it was enough */
    abandon(work);
    return STEP_CALL;
}

/* What stands still in the image is not to go on any more, but to end. */
StepResult image_step_settle(Work *work, GError **error)
{
    const Operation *operation = work->operation;
    Group *group = work->group;
    memcpy(group->image_uuid, operation->image_uuid, sizeof group->image_uuid);
    g_free(group->image_path);
    group->image_path =
        operation->kind == OPERATION_SUSPEND ? g_strdup(operation->image_path) : NULL;
    group->image_old = FALSE;
    for (guint i = 0; i < group->members->len; i++) {
        MemberNode *member = group->members->pdata[i];
        gboolean ends = member_stands_still(member) && member->node != NULL &&
                        member->node->domid == member->domain.domid;
        member->suspend_domid = HOST_DOMID_NONE;
        if (ends) {
            member->owned = FALSE;
            member->owned_domid = member->domain.domid;
        }
    }
    return group_store_at_last(work);
}

/* -- an image that is not needed any more -- */

/* First the journal: what is gone must not be counted on. */
StepResult image_step_give_up(Work *work, GError **error)
{
    Group *group = work->group;
    if (group->image_path == NULL)
        return STEP_END;
    if (group->image_old)
        return STEP_DONE;
    group->image_old = TRUE;
    if (group_store(group, error))
        return STEP_DONE;
    group->image_old = FALSE;
    return STEP_FAILED;
}

StepResult image_step_discard(Work *work, GError **error)
{
    const Group *group = work->group;
    if (group->image_path == NULL)
        return STEP_END;
    host_of(work)->ops->image_remove(host_of(work), group->image_path, group->image_uuid, work_done,
                                     work);
    return STEP_CALL;
}

StepResult image_step_forget(Work *work, GError **error)
{
    Group *group = work->group;
    g_clear_pointer(&group->image_path, g_free);
    group->image_uuid[0] = '\0';
    group->image_old = FALSE;
    return group_store_at_last(work);
}

/* -- a member that stands still -- */

/* Its memory, while it runs. */
StepResult step_copy(Work *work, GError **error)
{
    const Operation *operation = work->operation;
    if (!operation->options.live)
        return STEP_DONE;
    host_of(work)->ops->image_copy(host_of(work), operation->image, work->domid,
                                   work->member->shown.uuid, work_done, work);
    return STEP_CALL;
}

StepResult step_suspend(Work *work, GError **error)
{
    work->node->suspended = TRUE;
    host_of(work)->ops->image_suspend(host_of(work), work->operation->image, work->domid,
                                      work->member->shown.uuid, work_done, work);
    return STEP_CALL;
}

StepResult step_stood(Work *work, GError **error)
{
    Operation *operation = work->operation;
    const MemberNode *member = work->member;
    if (!member_stands_still(member) || member->domain.domid != work->domid) {
        g_set_error(error, DOMGRP_ERROR, DOMGRP_ERROR_HOST,
                    "its domain %u does not stand still although it has suspended", work->domid);
        return STEP_FAILED;
    }
    gint64 now = host_of(work)->ops->now(host_of(work));
    work->node->still_since = now;
    if (operation->first_still == 0)
        operation->first_still = now;
    operation->last_still = now;
    return STEP_DONE;
}

StepResult step_save(Work *work, GError **error)
{
    host_of(work)->ops->image_save(host_of(work), work->operation->image, work->domid,
                                   work->member->shown.uuid, work_done, work);
    return STEP_CALL;
}

void operation_note_gone_on(const Operation *operation, OperationNode *node)
{
    Host *host = operation->engine->host;
    if (node->still_since == 0 || node->gone_on)
        return;
    node->shown.still_us = host->ops->now(host) - node->still_since;
    node->gone_on = TRUE;
}

/* It runs again, or is gone. */
static void note_gone_on(const Work *work)
{
    if (work->node != NULL)
        operation_note_gone_on(work->operation, work->node);
}

/* Only the domain whose memory is in the image, and only as it was saved. */
StepResult step_destroy_saved(Work *work, GError **error)
{
    MemberNode *member = work->member;
    work->domid = HOST_DOMID_NONE;
    if (!member_stands_still(member) || member->domain.domid != work->node->domid)
        return STEP_DONE;
    work->domid = member->domain.domid;
    host_of(work)->ops->domain_destroy(host_of(work), work->domid, member->shown.uuid, work_done,
                                       work);
    return STEP_CALL;
}

StepResult step_disown_saved(Work *work, GError **error)
{
    note_gone_on(work);
    return member_is_ending(work->member) ? step_disown(work, error) : STEP_DONE;
}

StepResult step_go_on(Work *work, GError **error)
{
    const MemberNode *member = work->member;
    gboolean ours = !member->still_asked || (work->node != NULL && work->node->still_since != 0);
    work->runs =
        member_stands_still(member) && ours && member->domain.domid == member->suspend_domid;
    if (!work->runs)
        return STEP_DONE;
    host_of(work)->ops->domain_resume(host_of(work), member->domain.domid, member->shown.uuid,
                                      work_done, work);
    return STEP_CALL;
}

/*
 * What was asked to suspend and has not, may do so yet: that stays in the journal. What cannot be
 * written now is written later, before the guest could be asked again.
 */
StepResult step_went_on(Work *work, GError **error)
{
    MemberNode *member = work->member;
    if (work->runs && member_stands_still(member)) {
        g_set_error(error, DOMGRP_ERROR, DOMGRP_ERROR_HOST,
                    "its guest still stands still although it was resumed");
        return STEP_FAILED;
    }
    note_gone_on(work);
    gboolean may_suspend =
        work->node != NULL && !work->runs && (work->node->suspended || work->operation->resumed);
    if (work->runs)
        member_store_gone_on(member);
    else if (!may_suspend)
        member_store_no_suspend(member);
    return STEP_DONE;
}
