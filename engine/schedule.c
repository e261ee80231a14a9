/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The scheduler: takes an operation through its kind's phases. A phase on
 * members begins each member when nothing blocks it, so many at once as the
 * group allows; a member that waits for its guest, for its probe or for what
 * it needs does not count. When one fails the policy says whether to go on,
 * to stop or to undo, phase by phase and in the opposite order. What the
 * steps are is not known here.
 */
#include "private.h"

/* -- order -- */

/* The members whose end @member has to wait for, or which wait for it. */
typedef void (*EdgeVisit)(OperationNode *first, OperationNode *second, gpointer data);

static void visit_edges(const Operation *operation, gboolean forward, EdgeVisit visit,
                        gpointer data)
{
    for (guint i = 0; i < operation->members->len; i++) {
        OperationNode *node = node_of(operation, i);
        for (guint k = 0; node->member != NULL && k < node->member->needs->len; k++) {
            OperationNode *need = ((MemberNode *)node->member->needs->pdata[k])->node;
            if (need != NULL)
                visit(forward ? need : node, forward ? node : need, data);
        }
    }
}

static void note_before(OperationNode *first, OperationNode *second, gpointer data)
{
    GArray **before = (GArray **)data + second->index;
    if (*before == NULL)
        *before = g_array_new(FALSE, FALSE, sizeof(guint));
    g_array_append_val(*before, first->index);
}

static gboolean is_forward(const Operation *operation)
{
    const Phase *phase = kinds[operation->kind].phases;
    while (phase->steps != NULL && (phase_checks(phase) || phase->direction == DIRECTION_NONE))
        phase++;
    return phase->direction != DIRECTION_REVERSE;
}

/* Whether its members are worked on all at once in the phase that counts. */
static gboolean is_together(const Operation *operation)
{
    gboolean together = FALSE;
    for (const Phase *phase = kinds[operation->kind].phases; phase->steps != NULL; phase++)
        together = together || (phase->flags & PHASE_TOGETHER) != 0;
    return together;
}

void operation_plan(Operation *operation)
{
    guint n = operation->members->len;
    g_autofree GArray **before = g_new0(GArray *, n + 1);
    g_autofree guint *tiers = g_new0(guint, n + 1);
    if (operation->options.ordered || !is_together(operation))
        visit_edges(operation, is_forward(operation), note_before, before);
    order_tiers(n, before, tiers);
    for (guint i = 0; i < n; i++) {
        OperationNode *node = node_of(operation, i);
        node->shown.tier = tiers[i];
        g_clear_pointer(&node->probe, g_free);
        const DomgrpMemberSettings *settings =
            node->member != NULL ? member_settings(node->member) : NULL;
        if (settings != NULL && settings->ready != NULL && kinds[operation->kind].makes_ready)
            node->probe = g_strdup(settings->ready->text);
        node->shown.ready = node->probe;
        if (before[i] != NULL)
            g_array_unref(before[i]);
    }
}

static gboolean takes_part(const Operation *operation, const OperationNode *node)
{
    return operation->undoing
               ? node->touched
               : node->shown.outcome != OUTCOME_FAILED && node->shown.outcome != OUTCOME_NOT_TRIED;
}

static void add_edge(OperationNode *first, OperationNode *second, gpointer data)
{
    if (!takes_part(data, first) || !takes_part(data, second))
        return;
    first->ordered = second->ordered = TRUE;
    g_array_append_val(first->unblocks, second->index);
    second->blockers++;
}

static void keep_first(GError **first, const char *member, const GError *error)
{
    if (*first != NULL)
        return;
    *first = g_error_copy(error);
    if (member != NULL)
        g_prefix_error(first, "%s: ", member);
}

/* Those behind it will not have their turn. */
static void bar(Operation *operation, const OperationNode *node)
{
    for (guint i = 0; i < node->unblocks->len; i++) {
        OperationNode *behind = node_of(operation, g_array_index(node->unblocks, guint, i));
        if (behind->barred)
            continue;
        behind->barred = TRUE;
        bar(operation, behind);
    }
}

static gboolean runs_in(const OperationNode *node, gboolean old)
{
    const MemberNode *member = node->member;
    return member != NULL && member_runs(member) && !member->domain.paused &&
           (member->domain.domid == node->domid) == old;
}

/*
 * A reboot that a daemon before this one began has let @first run again, because the turn of
 * @second, which it needs, was not to come: that would now be taken down under it.
 */
static void keep_below(OperationNode *first, OperationNode *second, gpointer data)
{
    Operation *operation = data;
    if (!takes_part(operation, first) || !takes_part(operation, second) || !runs_in(first, FALSE) ||
        !runs_in(second, TRUE))
        return;
    second->blockers++; /* for good */
    second->barred = TRUE;
    bar(operation, second);
    if (second->failure == NULL)
        g_set_error(&second->failure, DOMGRP_ERROR, DOMGRP_ERROR_PARTLY,
                    "%s, which needs it, was started again before it", first->shown.name);
    second->shown.error = second->failure;
    keep_first(&operation->cause, second->shown.name, second->failure);
}

/* Who is blocked by whom; going forward a step of the members' own waits. */
static void build_graph(Operation *operation)
{
    gboolean forward = phase_of(operation)->direction == DIRECTION_FORWARD;
    gboolean free = (phase_of(operation)->flags & PHASE_TOGETHER) && !operation->options.ordered;
    for (guint i = 0; i < operation->members->len; i++) {
        OperationNode *node = node_of(operation, i);
        node->blockers = 0;
        node->passed = node->released = node->barred = node->ordered = FALSE;
        g_array_set_size(node->unblocks, 0);
    }
    if (!free && (!forward || operation->undoing))
        visit_edges(operation, forward != operation->undoing, add_edge, operation);
    if (operation->kind == OPERATION_REBOOT && operation->resumed)
        visit_edges(operation, FALSE, keep_below, operation);
}

/* -- how far the members are built -- */

static void count_unbuilt(Operation *operation)
{
    g_array_set_size(operation->unbuilt, 0);
    g_array_set_size(operation->unbuilt, operation->members->len + 2);
    for (guint i = 0; i < operation->members->len; i++) {
        OperationNode *node = node_of(operation, i);
        node->built = !takes_part(operation, node);
        if (!node->built)
            g_array_index(operation->unbuilt, guint, node->shown.tier)++;
    }
    operation->built_tier = 0;
}

static void advance_built(Operation *operation)
{
    while (operation->built_tier + 1 < operation->unbuilt->len &&
           g_array_index(operation->unbuilt, guint, operation->built_tier + 1) == 0)
        operation->built_tier++;
}

void operation_built(Operation *operation, OperationNode *node)
{
    if (node->built)
        return;
    node->built = TRUE;
    g_array_index(operation->unbuilt, guint, node->shown.tier)--;
    advance_built(operation);
    operation->engine->again = TRUE;
}

/* -- phases on members -- */

static gint compare_tiers(gconstpointer a, gconstpointer b, gpointer data)
{
    const OperationNode *first = node_of(data, GPOINTER_TO_UINT(a));
    const OperationNode *second = node_of(data, GPOINTER_TO_UINT(b));
    return first->shown.tier < second->shown.tier ? -1 : first->shown.tier > second->shown.tier;
}

static void begin_members(Operation *operation)
{
    build_graph(operation);
    count_unbuilt(operation);
    advance_built(operation);
    for (guint i = 0; i < operation->members->len; i++) {
        OperationNode *node = node_of(operation, i);
        if (!takes_part(operation, node))
            continue;
        if (!operation->undoing)
            node->shown.outcome = OUTCOME_PENDING;
        if (node->blockers == 0)
            g_queue_push_tail(&operation->ready, GUINT_TO_POINTER(i));
    }
    g_queue_sort(&operation->ready, compare_tiers, operation);
}

static void begin_member(Operation *operation, OperationNode *node)
{
    const Phase *phase = phase_of(operation);
    if (!operation->undoing)
        node->shown.outcome = OUTCOME_ACTIVE;
    node->touched = node->touched || (phase->undo != NULL && !node->spared);
    work_new(operation->engine, operation, node, operation->group, node->member,
             operation->undoing ? phase->undo : phase->steps);
    operation->active++;
}

/* Works that hold one of the group's places: not those that wait for something. */
static guint busy_works(const Operation *operation)
{
    guint busy = 0;
    for (guint i = 0; i < operation->members->len; i++) {
        const Work *work = node_of(operation, i)->work;
        busy += work != NULL && work->state != WORK_WATCH;
    }
    return busy;
}

static guint parallel_of(const Operation *operation)
{
    guint parallel = operation->group->settings->parallel;
    if (phase_of(operation)->flags & PHASE_TOGETHER)
        return G_MAXUINT;
    return parallel != 0 ? parallel : operation->engine->parallel;
}

void operation_feed(Operation *operation)
{
    guint waiting = g_queue_get_length(&operation->ready);
    guint before = operation->active;
    if (waiting == 0)
        return;

    guint busy = busy_works(operation);
    for (; waiting > 0 && busy < parallel_of(operation); waiting--) {
        gpointer index = g_queue_pop_head(&operation->ready);
        OperationNode *node = node_of(operation, GPOINTER_TO_UINT(index));
        if (node->member != NULL && node->member->work != NULL) {
            g_queue_push_tail(&operation->ready, index); /* the daemon does something to it */
            if (node->member->work->state == WORK_WATCH)
                work_stop(node->member->work);
            continue;
        }
        begin_member(operation, node);
        busy++;
    }
    if (operation->active != before)
        engine_tell_operation(operation);
}

void operation_release(Operation *operation, OperationNode *node)
{
    if (node->released)
        return;
    node->released = TRUE;
    operation->engine->again = TRUE;
    for (guint i = 0; i < node->unblocks->len; i++) {
        guint index = g_array_index(node->unblocks, guint, i);
        if (--node_of(operation, index)->blockers == 0 && !operation->halted)
            g_queue_push_tail(&operation->ready, GUINT_TO_POINTER(index));
    }
}

/* -- failure -- */

/* No further member is begun; those under way end before their next step if @stop. */
static void halt(Operation *operation, gboolean stop)
{
    operation->halted = TRUE;
    operation->engine->again = TRUE;
    g_queue_clear(&operation->ready);
    if (stop && operation->image != NULL && !operation->committed)
        operation->engine->host->ops->image_cancel(operation->engine->host, operation->image);
    if (stop && operation->work != NULL && operation->work->state == WORK_WATCH)
        work_stop(operation->work);
    for (guint i = 0; i < operation->members->len; i++) {
        OperationNode *node = node_of(operation, i);
        if (node->work != NULL && stop)
            work_stop(node->work);
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

static void set_failure(OperationNode *node, Outcome outcome, const GError *error)
{
    node->shown.outcome = outcome;
    if (error != NULL && node->failure == NULL)
        node->failure = g_error_copy(error);
    node->shown.error = node->failure;
}

static void member_undone(Operation *operation, OperationNode *node, const Work *work)
{
    if (work->error != NULL) {
        keep_first(&operation->undo_error, node->shown.name, work->error);
        set_failure(node, OUTCOME_FAILED, work->error);
    } else if (node->shown.outcome != OUTCOME_FAILED) {
        node->shown.outcome = OUTCOME_UNDONE;
    }
    if (work->complete)
        operation_release(operation, node);
}

static void member_failed(Operation *operation, OperationNode *node, const GError *error)
{
    set_failure(node, OUTCOME_FAILED, error);
    if (phase_checks(phase_of(operation)))
        return;
    keep_first(&operation->cause, node->shown.name, error);
    if (operation->policy != DOMGRP_POLICY_CONTINUE)
        halt(operation, operation->policy == DOMGRP_POLICY_ROLLBACK);
}

/* It was not the member that failed: its call ended because another one had. */
static gboolean was_broken_off(const Operation *operation, const GError *error)
{
    return operation->image != NULL && operation->halted &&
           domgrp_error_code(error) == DOMGRP_ERROR_CANCELLED;
}

static void member_ended(Operation *operation, OperationNode *node, const Work *work)
{
    operation->active--;
    if (operation->undoing) {
        member_undone(operation, node, work);
        return;
    }
    operation_built(operation, node);
    if (!work->complete && !node->released)
        bar(operation, node);
    if (work->complete) {
        node->passed = TRUE;
        node->shown.outcome = more_to_come(operation) ? OUTCOME_PENDING : OUTCOME_DONE;
        operation_release(operation, node);
    } else if (work->skipped) {
        set_failure(node, OUTCOME_NOT_TRIED, work->error);
    } else if (work->error != NULL && !was_broken_off(operation, work->error)) {
        member_failed(operation, node, work->error);
    } else if (operation->error != NULL) { /* told to stop, by another operation or a person */
        set_failure(node, OUTCOME_FAILED, operation->error);
    } else {
        node->shown.outcome = OUTCOME_UNDONE; /* told to stop, by a failure elsewhere */
    }
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

/* Those that were stopped half-way, and undoing came to its end before them. */
static void find_not_undone(Operation *operation)
{
    for (guint i = 0; i < operation->members->len && operation->undo_error != NULL; i++) {
        OperationNode *node = node_of(operation, i);
        if (node->shown.outcome == OUTCOME_UNDONE && !node->released)
            set_failure(node, OUTCOME_FAILED, operation->undo_error);
    }
}

/* -- from phase to phase -- */

/* Goes to the next phase if nothing of this one is left to wait for. */
static void go_on(Operation *operation)
{
    if (operation->active == 0 && g_queue_is_empty(&operation->ready) && operation->work == NULL)
        operation_next_phase(operation);
    else
        engine_tell_operation(operation);
}

void operation_begin_phase(Operation *operation)
{
    const Phase *phase = phase_of(operation);
    const Step *steps = operation->undoing ? phase->undo : phase->steps;
    operation->halted = FALSE;
    operation->engine->again = TRUE;
    if (operation->image != NULL)
        operation->progress_delay = 0;
    if (steps != NULL && phase->direction == DIRECTION_NONE)
        operation->work =
            work_new(operation->engine, operation, NULL, operation->group, NULL, steps);
    else if (steps != NULL)
        begin_members(operation);
    go_on(operation);
}

/* Whether the operation is over with its present phase. Sets @ret_undo if it is to be undone. */
static gboolean is_last(const Operation *operation, gboolean *ret_undo)
{
    const Phase *phase = phase_of(operation);
    *ret_undo = FALSE;
    if (operation->undoing)
        return operation->undo_error != NULL || operation->phase == 0;
    if (operation->error != NULL)
        return TRUE;
    if (operation->cause != NULL) {
        /* Without what is done to the group there is nothing to go on with. */
        gboolean whole = phase->direction == DIRECTION_NONE && phase->undo != NULL;
        *ret_undo = !phase_checks(phase) && (whole || operation->policy == DOMGRP_POLICY_ROLLBACK);
        if (phase_checks(phase) || (!*ret_undo && operation->policy == DOMGRP_POLICY_STOP))
            return TRUE;
    }
    return !*ret_undo &&
           (phase[1].steps == NULL || (operation->options.dry_run && !phase_checks(phase + 1)));
}

void operation_next_phase(Operation *operation)
{
    gboolean undo;
    if (!operation->undoing && phase_checks(phase_of(operation)))
        find_cause(operation);
    if (is_last(operation, &undo)) {
        find_not_undone(operation);
        operation_end(operation);
        return;
    }
    if (undo) {
        operation->undoing = TRUE;
        operation_store(operation, NULL); /* else a death decides anew */
    } else if (operation->undoing) {
        operation->phase--;
    } else {
        operation->phase++;
    }
    operation_begin_phase(operation);
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

void operation_supersede(Operation *operation, GError *error)
{
    g_assert(operation->error == NULL);
    operation->error = error;
    halt(operation, TRUE);
    if (operation->timer == 0)
        go_on(operation);
}

void operation_cancel(Operation *operation, GError *why)
{
    if (phase_checks(phase_of(operation)) || operation->policy != DOMGRP_POLICY_ROLLBACK ||
        operation->timer != 0) {
        operation_supersede(operation, why);
        return;
    }
    keep_first(&operation->cause, NULL, why);
    g_error_free(why);
    halt(operation, TRUE);
    go_on(operation);
}
