/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The scheduler: takes an operation through its kind's phases. A phase on
 * members begins each member when nothing blocks it, so many at once as the
 * engine allows; a member that waits for its guest does not count. When one
 * fails the policy says whether to go on, to stop or to undo, phase by phase
 * and in the opposite order. What the steps are is not known here.
 */
#include "private.h"

#include <string.h>

static void begin(Operation *operation);
static void begin_phase(Operation *operation);
static void next_phase(Operation *operation);
static void go_on(Operation *operation);

static const Phase *phase_of(const Operation *operation)
{
    return &kinds[operation->kind].phases[operation->phase];
}

gboolean operation_is_over(const Operation *operation)
{
    return operation->ended_us != 0;
}

/* -- in the journal -- */

static gboolean operation_store(Operation *operation, GError **error)
{
    g_autoptr(JournalOperation) record = journal_operation_new();
    memcpy(record->uuid, operation->uuid, sizeof record->uuid);
    memcpy(record->group_uuid, operation->group_uuid, sizeof record->group_uuid);
    record->group_name = g_strdup(operation->group_name);
    record->kind = g_strdup(kinds[operation->kind].name);
    record->began_us = operation->began_us;
    record->ended_us = operation->ended_us;
    if (operation->error != NULL) {
        record->error_name = g_strdup(domgrp_error_name(domgrp_error_code(operation->error)));
        record->error_message = g_strdup(operation->error->message);
    }
    Journal *journal = operation->engine->journal;
    return journal->ops->operation_put(journal, record, error);
}

/* -- the end -- */

static void set_busy(Operation *operation, Operation *value)
{
    if (operation->group != NULL && !operation->group->is_default)
        operation->group->operation = value;
    if (operation->other != NULL && !operation->other->is_default)
        operation->other->operation = value;
}

static void compose_error(Operation *operation)
{
    const char *kind = kinds[operation->kind].name;
    const char *name = operation->group_name;
    const GError *cause = operation->cause;
    if (cause == NULL || operation->error != NULL)
        return;

    if (operation->undo_error != NULL) {
        g_set_error(&operation->error, DOMGRP_ERROR, DOMGRP_ERROR_PARTLY,
                    "%s of %s failed (%s), and so did undoing it (%s): see \"domgrp info %s\", "
                    "then \"domgrp destroy %s\"",
                    kind, name, cause->message, operation->undo_error->message, name, name);
    } else if (phase_of(operation)->checks && !operation->undoing) {
        if (domgrp_error_exit(domgrp_error_code(cause)) == DOMGRP_EXIT_REFUSED)
            operation->error = g_error_copy(cause);
        else
            g_set_error(&operation->error, DOMGRP_ERROR, DOMGRP_ERROR_UNDONE,
                        "%s of %s failed before anything was changed: %s", kind, name,
                        cause->message);
    } else if (operation->policy == POLICY_ROLLBACK) {
        g_set_error(&operation->error, DOMGRP_ERROR, DOMGRP_ERROR_UNDONE,
                    "%s of %s failed and was undone: %s", kind, name, cause->message);
    } else {
        guint failed = 0;
        for (guint i = 0; i < operation->members->len; i++) {
            const OperationNode *node = operation->members->pdata[i];
            failed += node->shown.outcome == OUTCOME_FAILED;
        }
        if (failed > 0)
            g_set_error(&operation->error, DOMGRP_ERROR, DOMGRP_ERROR_PARTLY,
                        "%s of %s failed on %u of %u members: %s", kind, name, failed,
                        operation->members->len, cause->message);
        else
            g_set_error(&operation->error, DOMGRP_ERROR, DOMGRP_ERROR_PARTLY,
                        "%s of %s was not completed: %s", kind, name, cause->message);
    }
}

static void end(Operation *operation)
{
    Engine *engine = operation->engine;
    Group *group = operation->group;
    compose_error(operation);
    operation->ended_us = g_get_real_time();
    operation_store(operation, NULL); /* left open it is closed by the next start */

    for (guint i = 0; i < operation->members->len; i++) {
        OperationNode *node = operation->members->pdata[i];
        if (node->shown.outcome == OUTCOME_PENDING || node->shown.outcome == OUTCOME_ACTIVE)
            node->shown.outcome = OUTCOME_NOT_TRIED;
        if (node->member != NULL)
            node->member->node = NULL;
        node->member = NULL;
    }
    set_busy(operation, NULL);
    operation->group = NULL;
    operation->other = NULL;
    engine->again = TRUE;
    engine_tell_operation(operation);

    if (group == NULL)
        return;
    Operation *next = g_steal_pointer(&group->next);
    if (!group->defined)
        engine_remove_group(group);
    else if (next != NULL)
        begin(next);
}

/* -- failure -- */

static void keep_first(GError **first, const char *member, const GError *error)
{
    if (*first != NULL)
        return;
    *first = g_error_copy(error);
    if (member != NULL)
        g_prefix_error(first, "%s: ", member);
}

static void halt(Operation *operation)
{
    operation->halted = TRUE;
    g_queue_clear(&operation->ready);
    for (guint i = 0; i < operation->members->len; i++) {
        OperationNode *node = operation->members->pdata[i];
        if (node->work != NULL && operation->policy != POLICY_STOP)
            work_stop(node->work);
    }
}

/* -- phases on members -- */

static OperationNode *node_of(const Operation *operation, guint i)
{
    return operation->members->pdata[i];
}

static gboolean takes_part(const Operation *operation, const OperationNode *node)
{
    return operation->undoing ? node->touched : node->shown.outcome != OUTCOME_FAILED;
}

static void add_edge(OperationNode *first, OperationNode *second, guint second_index)
{
    g_array_append_val(first->unblocks, second_index);
    second->blockers++;
}

/* Who waits for whom, from what members need and the phase's direction. */
static void build_graph(Operation *operation)
{
    gboolean forward = (phase_of(operation)->direction == DIRECTION_FORWARD) != operation->undoing;
    g_autoptr(GHashTable) indices = g_hash_table_new(NULL, NULL);
    for (guint i = 0; i < operation->members->len; i++) {
        OperationNode *node = node_of(operation, i);
        node->blockers = 0;
        node->passed = FALSE;
        g_array_set_size(node->unblocks, 0);
        if (takes_part(operation, node) && node->member != NULL)
            g_hash_table_insert(indices, node->member, GUINT_TO_POINTER(i));
    }

    for (guint i = 0; i < operation->members->len; i++) {
        OperationNode *node = node_of(operation, i);
        if (node->member == NULL || !takes_part(operation, node))
            continue;
        for (guint k = 0; k < node->member->needs->len; k++) {
            gpointer index;
            if (!g_hash_table_lookup_extended(indices, node->member->needs->pdata[k], NULL, &index))
                continue;
            OperationNode *need = node_of(operation, GPOINTER_TO_UINT(index));
            if (forward)
                add_edge(need, node, i);
            else
                add_edge(node, need, GPOINTER_TO_UINT(index));
        }
    }
}

static void begin_members(Operation *operation)
{
    build_graph(operation);
    for (guint i = 0; i < operation->members->len; i++) {
        OperationNode *node = node_of(operation, i);
        if (!takes_part(operation, node))
            continue;
        if (!operation->undoing)
            node->shown.outcome = OUTCOME_PENDING;
        if (node->blockers == 0)
            g_queue_push_tail(&operation->ready, GUINT_TO_POINTER(i));
    }
}

static void begin_member(Operation *operation, OperationNode *node)
{
    const Phase *phase = phase_of(operation);
    if (!operation->undoing)
        node->shown.outcome = OUTCOME_ACTIVE;
    node->touched = node->touched || phase->undo != NULL;
    work_new(operation->engine, operation, node, operation->group, node->member,
             operation->undoing ? phase->undo : phase->steps);
    operation->active++;
}

/* Works that hold one of the engine's places: not those that wait for a guest. */
static guint busy_works(const Operation *operation)
{
    guint busy = 0;
    for (guint i = 0; i < operation->members->len; i++) {
        const Work *work = node_of(operation, i)->work;
        busy += work != NULL && work->state != WORK_WATCH;
    }
    return busy;
}

void operation_feed(Operation *operation)
{
    guint waiting = g_queue_get_length(&operation->ready);
    guint before = operation->active;
    if (waiting == 0)
        return;

    guint busy = busy_works(operation);
    for (; waiting > 0 && busy < operation->engine->parallel; waiting--) {
        gpointer index = g_queue_pop_head(&operation->ready);
        OperationNode *node = node_of(operation, GPOINTER_TO_UINT(index));
        if (node->member != NULL && node->member->work != NULL) {
            g_queue_push_tail(&operation->ready, index); /* the daemon does something to it */
            continue;
        }
        begin_member(operation, node);
        busy++;
    }
    if (operation->active != before)
        engine_tell_operation(operation);
}

static void unblock(Operation *operation, OperationNode *node)
{
    for (guint i = 0; i < node->unblocks->len; i++) {
        guint index = g_array_index(node->unblocks, guint, i);
        if (--node_of(operation, index)->blockers == 0 && !operation->halted)
            g_queue_push_tail(&operation->ready, GUINT_TO_POINTER(index));
    }
}

/* Whether a later phase works on members, too. */
static gboolean more_to_come(const Operation *operation)
{
    for (const Phase *phase = phase_of(operation) + 1; phase->steps != NULL; phase++)
        if (phase->direction != DIRECTION_NONE)
            return TRUE;
    return FALSE;
}

static void member_ended(Operation *operation, OperationNode *node, const Work *work)
{
    const char *name = node->shown.name;
    operation->active--;
    if (operation->undoing) {
        if (work->error != NULL)
            keep_first(&operation->undo_error, name, work->error);
        else if (node->shown.outcome != OUTCOME_FAILED)
            node->shown.outcome = OUTCOME_UNDONE;
        unblock(operation, node);
        return;
    }
    if (work->complete) {
        node->passed = TRUE;
        node->shown.outcome = more_to_come(operation) ? OUTCOME_PENDING : OUTCOME_DONE;
        unblock(operation, node);
        return;
    }
    node->shown.outcome = OUTCOME_FAILED;
    if (work->error == NULL) { /* told to stop: by a failure elsewhere, or by another operation */
        if (operation->error != NULL)
            node->failure = g_error_copy(operation->error);
        else
            node->shown.outcome = OUTCOME_UNDONE;
        node->shown.error = node->failure;
        return;
    }
    node->failure = g_error_copy(work->error);
    node->shown.error = node->failure;
    operation->failed++;
    if (phase_of(operation)->checks)
        return;
    keep_first(&operation->cause, name, work->error);
    if (operation->policy != POLICY_CONTINUE)
        halt(operation);
}

/* Of the members that failed a check the first in the file is the one to tell of. */
static void find_cause(Operation *operation)
{
    for (guint i = 0; i < operation->members->len && operation->cause == NULL; i++) {
        const OperationNode *node = node_of(operation, i);
        if (node->failure != NULL)
            operation->cause = g_error_copy(node->failure);
    }
}

/* -- from phase to phase -- */

static void begin_phase(Operation *operation)
{
    const Phase *phase = phase_of(operation);
    const Step *steps = operation->undoing ? phase->undo : phase->steps;
    operation->failed = 0;
    operation->halted = FALSE;
    operation->engine->again = TRUE;
    if (steps != NULL && phase->direction == DIRECTION_NONE)
        operation->work =
            work_new(operation->engine, operation, NULL, operation->group, NULL, steps);
    else if (steps != NULL)
        begin_members(operation);
    go_on(operation);
}

/* Goes to the next phase if nothing of this one is left to wait for. */
static void go_on(Operation *operation)
{
    if (operation->active == 0 && g_queue_is_empty(&operation->ready) && operation->work == NULL)
        next_phase(operation);
    else
        engine_tell_operation(operation);
}

static void next_phase(Operation *operation)
{
    const Phase *phase = phase_of(operation);
    gboolean cancelled = operation->error != NULL;
    if (!operation->undoing && phase->checks)
        find_cause(operation);

    if (operation->undoing) {
        if (operation->undo_error != NULL || operation->phase == 0) {
            end(operation);
            return;
        }
        operation->phase--;
    } else if (cancelled || (operation->cause != NULL && phase->checks) ||
               (operation->cause != NULL && operation->policy == POLICY_STOP)) {
        end(operation);
        return;
    } else if (operation->cause != NULL && operation->policy == POLICY_ROLLBACK) {
        operation->undoing = TRUE;
    } else {
        operation->phase++;
        if (phase_of(operation)->steps == NULL) {
            operation->phase--;
            end(operation);
            return;
        }
    }
    begin_phase(operation);
}

void operation_work_ended(Operation *operation, Work *work)
{
    if (work->node != NULL) {
        work->node->work = NULL;
        member_ended(operation, work->node, work);
    } else {
        operation->work = NULL;
        if (work->error != NULL)
            keep_first(operation->undoing ? &operation->undo_error : &operation->cause, NULL,
                       work->error);
        if (work->group == NULL)
            operation->group = NULL;
    }
    go_on(operation);
}

void operation_cancel(Operation *operation, GError *error)
{
    g_assert(operation->error == NULL);
    operation->error = error;
    halt(operation);
    if (operation->timer == 0)
        go_on(operation);
}

/* -- the beginning -- */

static void begin_now(gpointer data)
{
    Operation *operation = data;
    operation->timer = 0;
    if (operation->error != NULL) /* cancelled before it began */
        end(operation);
    else
        begin_phase(operation);
    engine_turn(operation->engine);
}

/* Not at once, so that nothing happens before the caller knows the operation. */
static void begin(Operation *operation)
{
    Group *group = operation->group;
    const Kind *kind = &kinds[operation->kind];
    set_busy(operation, operation);
    if (kind->selects != NULL && !operation->undoing)
        for (guint i = 0; i < group->members->len; i++)
            if (kind->selects(group->members->pdata[i]))
                operation_add_member(operation, group->members->pdata[i]);
    Host *host = operation->engine->host;
    operation->timer = host->ops->timer_add(host, 0, begin_now, operation);
    engine_tell_operation(operation);
}

static Operation *operation_alloc(Engine *engine, OperationKind kind, const char *group_uuid,
                                  const char *group_name)
{
    Operation *operation = g_new0(Operation, 1);
    operation->engine = engine;
    operation->kind = kind;
    operation->policy = kinds[kind].policy;
    memcpy(operation->group_uuid, group_uuid, sizeof operation->group_uuid);
    operation->group_name = g_strdup(group_name);
    operation->members = g_ptr_array_new();
    operation->domid = HOST_DOMID_NONE;
    g_queue_init(&operation->ready);
    return operation;
}

/* Keeps no more than so many; those that run are kept in any case. */
static void keep(Engine *engine, Operation *operation)
{
    for (guint i = 0;
         i < engine->operations->len && engine->operations->len >= ENGINE_MAX_OPERATIONS;) {
        if (operation_is_over(engine->operations->pdata[i]))
            g_ptr_array_remove_index(engine->operations, i);
        else
            i++;
    }
    g_ptr_array_add(engine->operations, operation);
}

static void operation_begin(Operation *operation)
{
    keep(operation->engine, operation);
    if (operation->group->operation != NULL && operation->group->operation != operation)
        operation->group->next = operation;
    else
        begin(operation);
}

Operation *operation_new(Engine *engine, OperationKind kind, Group *group, Group *other,
                         GError **error)
{
    Operation *operation = operation_alloc(engine, kind, group->uuid, group->name);
    g_autofree char *uuid = g_uuid_string_random();
    memcpy(operation->uuid, uuid, sizeof operation->uuid);
    operation->group = group;
    operation->other = other;
    operation->began_us = g_get_real_time();
    if (!operation_store(operation, error)) {
        operation_free(operation);
        return NULL;
    }
    operation_begin(operation);
    return operation;
}

Operation *operation_new_ended(Engine *engine, const JournalOperation *record)
{
    OperationKind kind = operation_kind_lookup(record->kind);
    if (kind == OPERATION_KIND_COUNT)
        return NULL;
    Operation *operation = operation_alloc(engine, kind, record->group_uuid, record->group_name);
    memcpy(operation->uuid, record->uuid, sizeof operation->uuid);
    operation->began_us = record->began_us;
    operation->ended_us = record->ended_us;
    if (record->error_name != NULL)
        operation->error = g_error_new_literal(
            DOMGRP_ERROR, (gint)domgrp_error_from_name(record->error_name), record->error_message);
    keep(engine, operation);
    return operation;
}

void operation_close_interrupted(Operation *operation)
{
    operation->ended_us = g_get_real_time();
    g_set_error(&operation->error, DOMGRP_ERROR, DOMGRP_ERROR_INTERNAL,
                "%s of %s was interrupted by the end of the daemon: see \"domgrp list\" for what "
                "runs",
                kinds[operation->kind].name, operation->group_name);
    operation_store(operation, NULL);
}

Operation *operation_new_undo(Engine *engine, const JournalOperation *record, Group *group)
{
    Operation *operation = operation_new_ended(engine, record);
    operation->group = group;
    operation->undoing = TRUE;
    g_set_error(&operation->cause, DOMGRP_ERROR, DOMGRP_ERROR_INTERNAL,
                "it was interrupted by the end of the daemon");
    while (phase_of(operation)->steps != NULL)
        operation->phase++;
    operation->phase--;
    for (guint i = 0; i < group->members->len; i++)
        operation_add_member(operation, group->members->pdata[i])->touched = TRUE;
    begin(operation);
    return operation;
}

void operation_bind(OperationNode *node, MemberNode *member)
{
    node->member = member;
    member->node = node;
}

OperationNode *operation_add_member(Operation *operation, MemberNode *member)
{
    OperationNode *node = g_new0(OperationNode, 1);
    node->unblocks = g_array_new(FALSE, FALSE, sizeof(guint));
    if (member != NULL) {
        operation_bind(node, member);
        memcpy(node->shown.uuid, member->shown.uuid, sizeof node->shown.uuid);
        g_strlcpy(node->shown.name, member->shown.name, sizeof node->shown.name);
    }
    g_ptr_array_add(operation->members, node);
    return node;
}

static void node_free(OperationNode *node)
{
    g_array_unref(node->unblocks);
    g_free(node->path);
    g_free(node->file);
    host_config_free(node->config);
    g_clear_error(&node->failure);
    g_free(node);
}

void operation_free(Operation *operation)
{
    Host *host = operation->engine->host;
    if (operation->timer != 0)
        host->ops->timer_cancel(host, operation->timer);
    for (guint i = 0; i < operation->members->len; i++)
        node_free(operation->members->pdata[i]);
    g_ptr_array_unref(operation->members);
    g_queue_clear(&operation->ready);
    host_config_free(operation->config);
    g_clear_error(&operation->cause);
    g_clear_error(&operation->undo_error);
    g_clear_error(&operation->error);
    g_free(operation->group_name);
    g_free(operation->directory);
    g_free(operation);
}

/* -- reading -- */

static double phase_progress(const Operation *operation)
{
    guint n = operation->members->len;
    if (phase_of(operation)->direction == DIRECTION_NONE || n == 0)
        return 0;

    double done = 0;
    for (guint i = 0; i < n; i++) {
        const OperationNode *node = node_of(operation, i);
        if (node->passed ||
            (node->shown.outcome != OUTCOME_PENDING && node->shown.outcome != OUTCOME_ACTIVE))
            done += 1;
        if (node->work == NULL)
            continue;
        guint steps = 0;
        while (node->work->steps[steps].run != NULL)
            steps++;
        done += (double)node->work->next / MAX(steps, 1);
    }
    return MIN(done / n, 1);
}

static double progress(const Operation *operation)
{
    if (operation_is_over(operation))
        return 1;
    guint phases = 0;
    while (kinds[operation->kind].phases[phases].steps != NULL)
        phases++;
    return operation->undoing ? 0 : (operation->phase + phase_progress(operation)) / phases;
}

void operation_get_info(const Operation *operation, OperationInfo *ret_info)
{
    OperationInfo info = {
        .kind = operation->kind,
        .group_name = operation->group_name,
        .began_us = operation->began_us,
        .ended_us = operation->ended_us,
        .progress = progress(operation),
        .error = operation_is_over(operation) ? operation->error : NULL,
        .members = operation->members,
        .pause = operation->pause,
    };
    memcpy(info.uuid, operation->uuid, sizeof info.uuid);
    memcpy(info.group_uuid, operation->group_uuid, sizeof info.group_uuid);
    for (guint i = 0; i < operation->members->len; i++) {
        OperationNode *node = node_of(operation, i);
        node->shown.doing = node->work != NULL ? work_doing(node->work) : NULL;
    }
    *ret_info = info;
}

guint64 engine_promised_kib(Engine *engine)
{
    guint64 kib = 0;
    for (guint i = 0; i < engine->operations->len; i++) {
        const Operation *operation = engine->operations->pdata[i];
        const Kind *kind = &kinds[operation->kind];
        if (operation_is_over(operation) || kind->during != GROUP_STARTING || operation->undoing)
            continue;
        for (guint k = 0; k < operation->members->len; k++) {
            const MemberNode *member = node_of(operation, k)->member;
            if (member != NULL && !member_has_domain(member))
                kib += member->shown.config->memory_kib;
        }
    }
    return kib;
}
