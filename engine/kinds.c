/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The kinds of operations: one row each, made of steps. */
#include "private.h"

#include <string.h>

#define AS_IT_IS MEMBER_STATE_COUNT

/* -- when a group may be operated on -- */

static gboolean refuse(const Group *group, GError **error, const char *why)
{
    g_set_error(error, DOMGRP_ERROR, DOMGRP_ERROR_GROUP_STATE, "%s %s", group->name, why);
    return FALSE;
}

static gboolean not_paused(const Group *group, GError **error)
{
    if (!group->paused)
        return TRUE;
    g_set_error(error, DOMGRP_ERROR, DOMGRP_ERROR_GROUP_STATE,
                "%s is paused, so its guests cannot answer: \"domgrp unpause %s\" first",
                group->name, group->name);
    return FALSE;
}

static gboolean no_domain_kept(const Group *group, GError **error)
{
    for (guint i = 0; i < group->members->len; i++) {
        const MemberNode *member = group->members->pdata[i];
        if (!member_has_domain(member) || member_runs(member))
            continue;
        g_set_error(error, DOMGRP_ERROR, DOMGRP_ERROR_GROUP_STATE,
                    "%s has ended but its domain %u is still there: end it with "
                    "\"domgrp destroy %s\"",
                    member->shown.name, member->domain.domid, group->name);
        return FALSE;
    }
    return TRUE;
}

static gboolean selects_stopped(const MemberNode *member)
{
    return !member_has_domain(member) || member_is_half_there(member);
}

/* What runs already and is needed has only to be ready. */
static gboolean selects_to_start(const MemberNode *member)
{
    const DomgrpMemberSettings *settings = member_settings(member);
    return selects_stopped(member) ||
           (member_runs(member) && settings != NULL && settings->ready != NULL);
}

/* A domain that is being built exists, or will by the time that the work on it ends. */
static gboolean selects_existing(const MemberNode *member)
{
    return member_has_domain(member) || member->work != NULL;
}

/* Memory that waits to go on must not meet disks that have moved on. */
gboolean group_not_suspended(const Group *group, GError **error)
{
    if (!group_is_suspended(group))
        return TRUE;
    g_set_error(error, DOMGRP_ERROR, DOMGRP_ERROR_GROUP_STATE,
                "%s is suspended: resume it, or give its memory up with \"domgrp destroy %s\"",
                group->name, group->name);
    return FALSE;
}

static gboolean may_start(Group *group, GError **error)
{
    if (!not_paused(group, error) || !group_not_suspended(group, error) ||
        !no_domain_kept(group, error))
        return FALSE;
    if (group->members->len == 0)
        return refuse(group, error, "has no members to start: join a domain to it");

    g_autoptr(GPtrArray) configs = g_ptr_array_new();
    for (guint i = 0; i < group->members->len; i++) {
        const MemberNode *member = group->members->pdata[i];
        if (selects_stopped(member))
            g_ptr_array_add(configs, member->shown.config);
    }
    if (configs->len == 0)
        return refuse(group, error, "is already running");
    return engine_check_memory(group->engine, group->name, configs, error);
}

static gboolean may_ask(Group *group, GError **error)
{
    if (!not_paused(group, error))
        return FALSE;
    if (group_stopped(group))
        return refuse(group, error, "is not running");
    return TRUE;
}

static gboolean may_destroy(Group *group, GError **error)
{
    for (guint i = 0; i < group->members->len; i++)
        if (selects_existing(group->members->pdata[i]))
            return TRUE;
    return group->paused || group->operation != NULL || group->image_path != NULL ||
           refuse(group, error, "is not running: there is nothing to destroy");
}

/*
 * What has ended, and is or would be started again, is to stay down, too. What has only been
 * built, and is left over, never ran: the daemon ends it by itself, and undoing must not start it.
 */
static gboolean selects_to_shut_down(const MemberNode *member)
{
    gboolean restarts = member->work != NULL && action_builds(member->work->action);
    if (member_is_half_there(member) && !restarts)
        return FALSE;
    return member_runs(member) || member_awaits_daemon(member) || member->work != NULL;
}

static gboolean may_shut_down(Group *group, GError **error)
{
    for (guint i = 0; i < group->members->len; i++)
        if (selects_to_shut_down(group->members->pdata[i]))
            return not_paused(group, error);
    return may_ask(group, error);
}

static gboolean may_delete(Group *group, GError **error)
{
    if (!group_stopped(group) || !group_idle(group))
        return refuse(group, error, "is running: shut it down or destroy it first");
    return no_domain_kept(group, error) && group_not_suspended(group, error);
}

/* Every member runs, and can answer. */
static gboolean may_save(Group *group, GError **error)
{
    if (!not_paused(group, error))
        return FALSE;
    if (group->members->len == 0)
        return refuse(group, error, "has no members to save: join a domain to it");
    for (guint i = 0; i < group->members->len; i++) {
        const MemberNode *member = group->members->pdata[i];
        if (member_runs(member) && !member->domain.paused && member->work == NULL)
            continue;
        g_set_error(error, DOMGRP_ERROR, DOMGRP_ERROR_GROUP_STATE,
                    "%s of %s %s: an image is of a group all of whose members run",
                    member->shown.name, group->name,
                    member_runs(member) ? "is paused, or is being worked on" : "does not run");
        return FALSE;
    }
    return TRUE;
}

static gboolean may_resume(Group *group, GError **error)
{
    if (group->image_path == NULL || !group_stopped(group))
        return refuse(group, error, "is not suspended");
    if (group->image_old) {
        g_set_error(error, DOMGRP_ERROR, DOMGRP_ERROR_IMAGE_USED,
                    "members of %s have run since it was suspended: their memory is older than "
                    "their disks and can only be given up, with \"domgrp destroy %s\"",
                    group->name, group->name);
        return FALSE;
    }
    g_autoptr(GPtrArray) configs = g_ptr_array_new();
    for (guint i = 0; i < group->members->len; i++)
        g_ptr_array_add(configs, ((Member *)group->members->pdata[i])->config);
    return group_may_restore(group, error) &&
           engine_check_memory(group->engine, group->name, configs, error);
}

static gboolean selects_all(const MemberNode *member)
{
    return TRUE;
}

static gboolean may_pause(Group *group, GError **error)
{
    if (!group->paused && group_stopped(group))
        return refuse(group, error, "is not running: there is nothing to pause");
    return TRUE;
}

/* -- lists of steps -- */

/* clang-format off */
#define STEPS_BUILD                                                                                \
    {step_intend, "building", MEMBER_STARTING},                                                    \
    {step_build, "building", MEMBER_STARTING},                                                     \
    {step_place, "building", MEMBER_STARTING}
#define STEPS_RUN                                                                                  \
    {step_check_built, NULL, AS_IT_IS},                                                            \
    {step_unpause, "starting", MEMBER_STARTING},                                                   \
    {step_own, "starting", MEMBER_STARTING},                                                       \
    {step_ready, "waiting until it is ready", AS_IT_IS}
#define STEPS_DESTROY                                                                              \
    {step_destroy, "destroying", MEMBER_STOPPING},                                                 \
    {step_gone, "destroying", MEMBER_STOPPING}
/* clang-format on */

const Step steps_end[] = {
    {step_end_unless_same, NULL, AS_IT_IS},
    STEPS_DESTROY,
    {step_disown, "destroying", MEMBER_STOPPING},
    {0},
};

static const Step steps_start[] = {
    {step_begin, NULL, AS_IT_IS},
    {step_gone, NULL, AS_IT_IS},
    STEPS_BUILD,
    {step_wait_needs, "waiting for what it needs", AS_IT_IS},
    STEPS_RUN,
    {0},
};
static const Step steps_retract[] = {
    {step_end_unless_ours, NULL, AS_IT_IS},
    {step_retract, "asking the guest", MEMBER_STOPPING},
    {step_wait_retracted, "waiting for the guest", MEMBER_STOPPING},
    STEPS_DESTROY,
    {step_disown, "destroying", MEMBER_STOPPING},
    {0},
};

/* What the member's configuration says, where the guest has ended and the domain is ours. */
/* clang-format off */
#define STEPS_ACT                                                                                  \
    {step_decide, NULL, AS_IT_IS},                                                                 \
    {step_coredump, "dumping its memory", AS_IT_IS},                                               \
    {step_keep, NULL, AS_IT_IS},                                                                   \
    STEPS_DESTROY
/* clang-format on */

const Step steps_act[] = {
    STEPS_ACT, {step_end_unless_restart, NULL, MEMBER_STOPPING}, STEPS_BUILD, STEPS_RUN, {0},
};

static const Step steps_shutdown[] = {
    {step_ask, "asking the guest", MEMBER_STOPPING},
    {step_wait_end, "waiting for the guest", MEMBER_STOPPING},
    {step_wait_gone, "waiting for xl", MEMBER_STOPPING},
    {step_end_if_back, NULL, AS_IT_IS},
    STEPS_ACT,
    {step_end_unless_restart, NULL, MEMBER_STOPPING},
    STEPS_BUILD,
    STEPS_RUN,
    {0},
};
static const Step steps_start_again[] = {
    {step_wait_asked, "waiting for the guest", MEMBER_STOPPING},
    {step_begin, NULL, AS_IT_IS},
    {step_gone, NULL, AS_IT_IS},
    STEPS_BUILD,
    {step_check_needs, NULL, AS_IT_IS},
    STEPS_RUN,
    {0},
};

/* Down in reverse order, up again in forward order; a member that nothing orders goes straight
 * through. */
static const Step steps_reboot[] = {
    {step_ask, "asking the guest", MEMBER_STOPPING},
    {step_wait_end, "waiting for the guest", MEMBER_STOPPING},
    {step_wait_back, "waiting for xl", MEMBER_STOPPING},
    {step_ready_if_back, "waiting until it is ready", AS_IT_IS},
    STEPS_ACT,
    {step_fail_unless_restart, NULL, MEMBER_STOPPING},
    {step_release, NULL, MEMBER_STARTING},
    STEPS_BUILD,
    {step_wait_needs, "waiting for what it needs", MEMBER_STARTING},
    STEPS_RUN,
    {0},
};

const Step steps_restart[] = {STEPS_DESTROY, STEPS_BUILD, STEPS_RUN, {0}};

/* The intent is that of a build: cut off, it is built anew. */
const Step steps_soft_reset[] = {
    {step_intend, "resetting", MEMBER_STARTING},
    {step_soft_reset, "resetting", MEMBER_STARTING},
    STEPS_RUN,
    {0},
};

const Step steps_go_on[] = {
    {step_go_on, "resuming", AS_IT_IS}, {step_went_on, NULL, AS_IT_IS}, {0}};
static const Step steps_retrieve[] = {
    {step_retrieve, "asking what it is now", AS_IT_IS}, {step_retrieved, NULL, AS_IT_IS}, {0}};
static const Step steps_create_image[] = {{image_step_create, "beginning the image", AS_IT_IS},
                                          {0}};
/* What an earlier one has left, which is good for nothing any more, goes first. */
static const Step steps_clear_place[] = {
    {image_step_discard, NULL, AS_IT_IS}, {image_step_forget, NULL, AS_IT_IS}, {0}};
static const Step steps_stand[] = {{0}}; /* the phase is there to be undone */
static const Step steps_mark[] = {{image_step_mark, NULL, AS_IT_IS}, {0}};
static const Step steps_abandon[] = {{image_step_uncommit, NULL, AS_IT_IS},
                                     {image_step_close, NULL, AS_IT_IS},
                                     {image_step_abandon, NULL, AS_IT_IS},
                                     {0}};
static const Step steps_copy[] = {{step_copy, "copying its memory", AS_IT_IS}, {0}};
static const Step steps_suspend[] = {
    {step_suspend, "suspending", AS_IT_IS}, {step_stood, NULL, AS_IT_IS}, {0}};
static const Step steps_snapshot[] = {
    {image_step_snapshot, "running its snapshot command", AS_IT_IS}, {0}};
static const Step steps_offer[] = {{migrate_offer, "asking the other host", AS_IT_IS}, {0}};
static const Step steps_stream[] = {{migrate_stream, "beginning to send", AS_IT_IS}, {0}};
static const Step steps_switch[] = {{migrate_switch, NULL, AS_IT_IS}, {0}};
static const Step steps_sent[] = {{image_step_finish, "sending the rest", AS_IT_IS},
                                  {image_step_close, NULL, AS_IT_IS},
                                  {migrate_await, "waiting for the other host", AS_IT_IS},
                                  {0}};
static const Step steps_give_up[] = {{migrate_give_up, NULL, AS_IT_IS}, {0}};
static const Step steps_accept[] = {
    {create_check, NULL, AS_IT_IS}, {migrate_accept, NULL, AS_IT_IS}, {0}};
static const Step steps_take[] = {{group_step_make, NULL, AS_IT_IS},
                                  {group_step_publish, NULL, AS_IT_IS},
                                  {migrate_open, "waiting for its members", AS_IT_IS},
                                  {0}};
static const Step steps_hold[] = {{restore_check_built, NULL, AS_IT_IS},
                                  {migrate_hold, NULL, AS_IT_IS},
                                  {migrate_prepared, "waiting for the end", AS_IT_IS},
                                  {0}};
static const Step steps_save[] = {{step_save, "saving", AS_IT_IS}, {0}};
static const Step steps_finish[] = {{image_step_finish, "ending the image", AS_IT_IS},
                                    {image_step_close, NULL, AS_IT_IS},
                                    {image_step_commit, NULL, AS_IT_IS},
                                    {0}};
static const Step steps_settle[] = {{image_step_settle, NULL, AS_IT_IS}, {0}};
static const Step steps_end_saved[] = {{step_destroy_saved, "destroying", AS_IT_IS},
                                       {step_gone, "destroying", AS_IT_IS},
                                       {step_disown_saved, NULL, AS_IT_IS},
                                       {0}};
/* The group goes on: from now on the image is older than its disks. */
static const Step steps_mark_used[] = {{image_step_mark_used, NULL, AS_IT_IS}, {0}};
static const Step steps_open[] = {
    {image_step_open, "reading the image", AS_IT_IS}, {restore_check, NULL, AS_IT_IS}, {0}};
static const Step steps_restore_define[] = {{restore_end_unless_defined, NULL, AS_IT_IS},
                                            {create_define, NULL, AS_IT_IS},
                                            {group_step_make, NULL, AS_IT_IS},
                                            {group_step_publish, NULL, AS_IT_IS},
                                            {0}};
static const Step steps_restore_forget[] = {
    {restore_end_unless_defined, NULL, AS_IT_IS}, {group_step_unpublish, NULL, AS_IT_IS},
    {group_step_unmake, NULL, AS_IT_IS},          {group_step_delete, NULL, AS_IT_IS},
    {group_step_forget, NULL, AS_IT_IS},          {0}};
static const Step steps_restore[] = {{step_restore_intend, "restoring", MEMBER_STARTING},
                                     {step_restore, "restoring", MEMBER_STARTING},
                                     {step_place, "restoring", MEMBER_STARTING},
                                     {0}};
static const Step steps_use[] = {{restore_check_built, NULL, AS_IT_IS},
                                 {image_step_use, NULL, AS_IT_IS},
                                 {image_step_commit, NULL, AS_IT_IS},
                                 {0}};
static const Step steps_unuse[] = {{image_step_uncommit, NULL, AS_IT_IS}, {0}};
static const Step steps_restore_settle[] = {
    {restore_settle, NULL, AS_IT_IS}, {image_step_close, NULL, AS_IT_IS}, {0}};
static const Step steps_let_run[] = {
    {step_wait_needs, "waiting for what it needs", AS_IT_IS},
    {step_let_run, "starting", MEMBER_STARTING},
    {step_ready, "waiting until it is ready", AS_IT_IS},
    {0},
};
static const Step steps_discard[] = {{image_step_give_up, NULL, AS_IT_IS},
                                     {image_step_discard, NULL, AS_IT_IS},
                                     {image_step_forget, NULL, AS_IT_IS},
                                     {0}};

const Step steps_publish[] = {{group_step_publish, NULL, AS_IT_IS}, {0}};

static const Step steps_read[] = {{create_read, "reading its configuration", AS_IT_IS}, {0}};
static const Step steps_check[] = {{create_check, NULL, AS_IT_IS}, {0}};
static const Step steps_define[] = {{create_define, NULL, AS_IT_IS},
                                    {group_step_make, NULL, AS_IT_IS},
                                    {group_step_publish, NULL, AS_IT_IS},
                                    {0}};
static const Step steps_forget[] = {{group_step_unpublish, NULL, AS_IT_IS},
                                    {group_step_unmake, NULL, AS_IT_IS},
                                    {group_step_delete, NULL, AS_IT_IS},
                                    {group_step_forget, NULL, AS_IT_IS},
                                    {0}};
static const Step steps_remake[] = {{group_step_store, NULL, AS_IT_IS},
                                    {group_step_make, NULL, AS_IT_IS},
                                    {group_step_publish, NULL, AS_IT_IS},
                                    {0}};
static const Step steps_pause[] = {
    {group_step_pause_store, NULL, AS_IT_IS}, {group_step_pause, NULL, AS_IT_IS}, {0}};
static const Step steps_pause_undo[] = {
    {group_step_pause_undo, NULL, AS_IT_IS}, {group_step_unpause_store, NULL, AS_IT_IS}, {0}};
static const Step steps_unpause[] = {
    {group_step_unpause, NULL, AS_IT_IS}, {group_step_unpause_store, NULL, AS_IT_IS}, {0}};
static const Step steps_unpause_empty[] = {{group_step_end_unless_stopped, NULL, AS_IT_IS},
                                           {group_step_unpause, NULL, AS_IT_IS},
                                           {group_step_unpause_store, NULL, AS_IT_IS},
                                           {0}};
/* Nothing runs while the group is held: if that cannot be ended, no member's own pause is. */
static const Step steps_let_go[] = {{migrate_let_go, NULL, AS_IT_IS},
                                    {group_step_unpause_store, NULL, AS_IT_IS},
                                    {migrate_go_on, NULL, AS_IT_IS},
                                    {0}};
static const Step steps_join[] = {{join_retrieve, NULL, AS_IT_IS},
                                  {join_unpublish, NULL, AS_IT_IS},
                                  {join_commit, NULL, AS_IT_IS},
                                  {join_pause, NULL, AS_IT_IS},
                                  {0}};
static const Step steps_join_undo[] = {{join_republish, NULL, AS_IT_IS}, {0}};

/* -- the table -- */

static const Phase phases_create[] = {
    {DIRECTION_FORWARD, PHASE_CHECKS, steps_read, NULL},
    {DIRECTION_NONE, PHASE_CHECKS, steps_check, NULL},
    {DIRECTION_NONE, 0, steps_define, steps_forget},
    {DIRECTION_FORWARD, 0, steps_start, steps_retract},
    {0},
};
static const Phase phases_start[] = {{DIRECTION_FORWARD, 0, steps_start, steps_retract}, {0}};
static const Phase phases_shutdown[] = {{DIRECTION_REVERSE, 0, steps_shutdown, steps_start_again},
                                        {0}};
static const Phase phases_reboot[] = {{DIRECTION_REVERSE, 0, steps_reboot, NULL}, {0}};
static const Phase phases_destroy[] = {{DIRECTION_REVERSE, 0, steps_end, NULL},
                                       {DIRECTION_NONE, 0, steps_unpause_empty, NULL},
                                       {DIRECTION_NONE, 0, steps_discard, NULL},
                                       {0}};
static const Phase phases_delete[] = {
    {DIRECTION_NONE, 0, steps_discard, NULL}, {DIRECTION_NONE, 0, steps_forget, steps_remake}, {0}};
/* Undoing comes to the image first, then lets the members go on. */
/* clang-format off */
#define PHASES_SAVE                                                                                \
    {DIRECTION_FORWARD, PHASE_CHECKS, steps_retrieve, NULL},                                       \
    {DIRECTION_NONE, PHASE_CHECKS, steps_create_image, NULL},                                      \
    {DIRECTION_REVERSE, 0, steps_stand, steps_go_on},                                              \
    {DIRECTION_NONE, 0, steps_mark, steps_abandon},                                                \
    {DIRECTION_REVERSE, PHASE_TOGETHER, steps_copy, NULL},                                         \
    {DIRECTION_REVERSE, PHASE_TOGETHER, steps_suspend, NULL},                                      \
    {DIRECTION_NONE, 0, steps_snapshot, NULL},                                                     \
    {DIRECTION_FORWARD, 0, steps_save, NULL},                                                      \
    {DIRECTION_NONE, PHASE_COMMITS, steps_finish, NULL}
#define PHASES_END_SAVED                                                                           \
    {DIRECTION_NONE, 0, steps_settle, NULL},                                                       \
    {DIRECTION_REVERSE, 0, steps_end_saved, NULL}
#define PHASES_RESTORE                                                                             \
    {DIRECTION_NONE, PHASE_CHECKS, steps_open, NULL},                                              \
    {DIRECTION_NONE, 0, steps_restore_define, steps_restore_forget},                               \
    {DIRECTION_FORWARD, 0, steps_restore, steps_retract},                                            \
    {DIRECTION_NONE, PHASE_COMMITS, steps_use, steps_unuse},                                       \
    {DIRECTION_NONE, 0, steps_restore_settle, NULL},                                               \
    {DIRECTION_FORWARD, 0, steps_let_run, NULL}
/* clang-format on */
static const Phase phases_save[] = {PHASES_SAVE, PHASES_END_SAVED, {0}};
static const Phase phases_suspend[] = {
    {DIRECTION_NONE, 0, steps_clear_place, NULL}, PHASES_SAVE, PHASES_END_SAVED, {0}};
static const Phase phases_checkpoint[] = {PHASES_SAVE,
                                          {DIRECTION_FORWARD, 0, steps_go_on, NULL},
                                          {DIRECTION_NONE, 0, steps_mark_used, NULL},
                                          {0}};
static const Phase phases_restore[] = {PHASES_RESTORE, {0}};
static const Phase phases_resume[] = {
    PHASES_RESTORE, {DIRECTION_NONE, 0, steps_clear_place, NULL}, {0}};
static const Phase phases_migrate[] = {{DIRECTION_FORWARD, PHASE_CHECKS, steps_retrieve, NULL},
                                       {DIRECTION_NONE, PHASE_CHECKS, steps_offer, NULL},
                                       {DIRECTION_NONE, 0, steps_stream, steps_give_up},
                                       {DIRECTION_REVERSE, PHASE_TOGETHER, steps_copy, NULL},
                                       {DIRECTION_NONE, 0, steps_switch, NULL},
                                       {DIRECTION_REVERSE, PHASE_TOGETHER, steps_suspend, NULL},
                                       {DIRECTION_FORWARD, 0, steps_save, NULL},
                                       {DIRECTION_NONE, 0, steps_sent, NULL},
                                       {0}};
static const Phase phases_receive[] = {{DIRECTION_NONE, PHASE_CHECKS, steps_accept, NULL},
                                       {DIRECTION_NONE, 0, steps_take, steps_give_up},
                                       {DIRECTION_FORWARD, PHASE_TOGETHER, steps_restore, NULL},
                                       {DIRECTION_NONE, 0, steps_hold, NULL},
                                       {0}};
static const Phase phases_activate[] = {
    {DIRECTION_NONE, 0, steps_let_go, NULL}, {DIRECTION_FORWARD, 0, steps_let_run, NULL}, {0}};
static const Phase phases_pause[] = {{DIRECTION_NONE, 0, steps_pause, steps_pause_undo}, {0}};
static const Phase phases_unpause[] = {{DIRECTION_NONE, 0, steps_unpause, NULL}, {0}};
static const Phase phases_join[] = {{DIRECTION_NONE, 0, steps_join, steps_join_undo}, {0}};

/* -- what became of one that was cut off; the start of the daemon has made it one or the other --
 */

static gboolean is_paused(const Group *group, const JournalOperation *record)
{
    return group != NULL && group->paused;
}

static gboolean is_not_paused(const Group *group, const JournalOperation *record)
{
    return group != NULL && !group->paused;
}

static gboolean is_deleted(const Group *group, const JournalOperation *record)
{
    return group == NULL;
}

static gboolean has_joined(const Group *group, const JournalOperation *record)
{
    const char *joined =
        record->members->len > 0 ? ((JournalOperationMember *)record->members->pdata[0])->uuid : "";
    if (group == NULL)
        return FALSE;
    MemberNode *member = g_hash_table_lookup(group->engine->members, joined);
    return (member != NULL ? member->group : group->engine->null) == group;
}

#define AS_THEY_ARE GROUP_STATE_COUNT

const Kind kinds[OPERATION_KIND_COUNT] = {
    [OPERATION_CREATE] = {.name = "create",
                          .plan = "build and start",
                          .policy = DOMGRP_POLICY_ROLLBACK,
                          .during = GROUP_STARTING,
                          .undoing = GROUP_STOPPING,
                          .waits = TRUE,
                          .makes_ready = TRUE,
                          .phases = phases_create},
    [OPERATION_START] = {.name = "start",
                         .plan = "build and start",
                         .policy = DOMGRP_POLICY_ROLLBACK,
                         .during = GROUP_STARTING,
                         .undoing = GROUP_STOPPING,
                         .allowed = may_start,
                         .selects = selects_to_start,
                         .waits = TRUE,
                         .makes_ready = TRUE,
                         .forgives = TRUE,
                         .phases = phases_start},
    [OPERATION_SHUTDOWN] = {.name = "shutdown",
                            .plan = "shut down",
                            .policy = DOMGRP_POLICY_CONTINUE,
                            .during = GROUP_STOPPING,
                            .undoing = GROUP_STARTING,
                            .allowed = may_shut_down,
                            .selects = selects_to_shut_down,
                            .waits = TRUE,
                            .forgives = TRUE,
                            .phases = phases_shutdown},
    [OPERATION_REBOOT] = {.name = "reboot",
                          .plan = "shut down and start again",
                          .policy = DOMGRP_POLICY_CONTINUE,
                          .during = AS_THEY_ARE,
                          .undoing = AS_THEY_ARE,
                          .allowed = may_ask,
                          .selects = member_runs,
                          .waits = TRUE,
                          .makes_ready = TRUE,
                          .forgives = TRUE,
                          .phases = phases_reboot},
    [OPERATION_DESTROY] = {.name = "destroy",
                           .plan = "destroy",
                           .policy = DOMGRP_POLICY_CONTINUE,
                           .during = GROUP_STOPPING,
                           .undoing = AS_THEY_ARE,
                           .allowed = may_destroy,
                           .selects = selects_existing,
                           .supersedes = TRUE,
                           .forgives = TRUE,
                           .phases = phases_destroy},
    [OPERATION_DELETE] = {.name = "delete",
                          .policy = DOMGRP_POLICY_ROLLBACK,
                          .during = AS_THEY_ARE,
                          .undoing = AS_THEY_ARE,
                          .allowed = may_delete,
                          .was_done = is_deleted,
                          .phases = phases_delete},
    [OPERATION_PAUSE] = {.name = "pause",
                         .policy = DOMGRP_POLICY_ROLLBACK,
                         .during = AS_THEY_ARE,
                         .undoing = AS_THEY_ARE,
                         .allowed = may_pause,
                         .was_done = is_paused,
                         .phases = phases_pause},
    [OPERATION_UNPAUSE] = {.name = "unpause",
                           .policy = DOMGRP_POLICY_CONTINUE,
                           .during = AS_THEY_ARE,
                           .undoing = AS_THEY_ARE,
                           .was_done = is_not_paused,
                           .phases = phases_unpause},
    [OPERATION_JOIN] = {.name = "join",
                        .policy = DOMGRP_POLICY_ROLLBACK,
                        .during = AS_THEY_ARE,
                        .undoing = AS_THEY_ARE,
                        .was_done = has_joined,
                        .phases = phases_join},
    [OPERATION_SAVE] = {.name = "save",
                        .plan = "suspend, save, destroy",
                        .policy = DOMGRP_POLICY_ROLLBACK,
                        .during = GROUP_STOPPING,
                        .undoing = GROUP_STARTING,
                        .allowed = may_save,
                        .selects = selects_all,
                        .writes = TRUE,
                        .phases = phases_save},
    [OPERATION_RESTORE] = {.name = "restore",
                           .plan = "restore and let run",
                           .policy = DOMGRP_POLICY_ROLLBACK,
                           .during = GROUP_STARTING,
                           .undoing = GROUP_STOPPING,
                           .waits = TRUE,
                           .makes_ready = TRUE,
                           .reads = TRUE,
                           .phases = phases_restore},
    [OPERATION_SUSPEND] = {.name = "suspend",
                           .plan = "suspend, save, destroy",
                           .policy = DOMGRP_POLICY_ROLLBACK,
                           .during = GROUP_STOPPING,
                           .undoing = GROUP_STARTING,
                           .allowed = may_save,
                           .selects = selects_all,
                           .writes = TRUE,
                           .phases = phases_suspend},
    [OPERATION_RESUME] = {.name = "resume",
                          .plan = "restore and let run",
                          .policy = DOMGRP_POLICY_ROLLBACK,
                          .during = GROUP_STARTING,
                          .undoing = GROUP_STOPPING,
                          .allowed = may_resume,
                          .selects = selects_all,
                          .waits = TRUE,
                          .makes_ready = TRUE,
                          .forgives = TRUE,
                          .reads = TRUE,
                          .phases = phases_resume},
    [OPERATION_CHECKPOINT] = {.name = "checkpoint",
                              .plan = "suspend, save, resume",
                              .policy = DOMGRP_POLICY_ROLLBACK,
                              .during = GROUP_RUNNING,
                              .undoing = GROUP_RUNNING,
                              .allowed = may_save,
                              .selects = selects_all,
                              .writes = TRUE,
                              .phases = phases_checkpoint},
    [OPERATION_MIGRATE] = {.name = "migrate",
                           .plan = "copy, suspend, send, destroy",
                           .policy = DOMGRP_POLICY_ROLLBACK,
                           .during = GROUP_RUNNING,
                           .undoing = GROUP_RUNNING,
                           .allowed = may_save,
                           .selects = selects_all,
                           .writes = TRUE,
                           .migrates = TRUE,
                           .phases = phases_migrate},
    [OPERATION_RECEIVE] = {.name = "receive",
                           .plan = "build and hold",
                           .policy = DOMGRP_POLICY_ROLLBACK,
                           .during = GROUP_STARTING,
                           .undoing = GROUP_STOPPING,
                           .reads = TRUE,
                           .migrates = TRUE,
                           .phases = phases_receive},
    [OPERATION_ACTIVATE] = {.name = "activate",
                            .plan = "let run",
                            .policy = DOMGRP_POLICY_STOP,
                            .during = GROUP_STARTING,
                            .undoing = AS_THEY_ARE,
                            .selects = selects_all,
                            .makes_ready = TRUE,
                            .reads = TRUE,
                            .migrates = TRUE,
                            .phases = phases_activate},
};

OperationKind operation_kind_lookup(const char *name)
{
    OperationKind kind = 0;
    while (kind < OPERATION_KIND_COUNT && strcmp(kinds[kind].name, name) != 0)
        kind++;
    return kind;
}
