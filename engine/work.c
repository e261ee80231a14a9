/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Runs lists of steps, one work per member or group, and the turns of the
 * engine. What the steps do is not known here.
 */
#include "private.h"

#define RETRY_US G_USEC_PER_SEC /* what failed, or comes without an event */

Work *work_new(Engine *engine, Operation *operation, OperationNode *node, Group *group,
               MemberNode *member, const Step *steps)
{
    Work *work = g_new0(Work, 1);
    work->engine = engine;
    work->operation = operation;
    work->node = node;
    work->group = group;
    work->member = member;
    work->steps = steps;
    work->domid = member != NULL ? member->domain.domid : HOST_DOMID_NONE;
    if (node != NULL && operation->resumed && node->domid != HOST_DOMID_NONE)
        work->domid = node->domid; /* the one that it was about */
    work->ours = member != NULL && member->shown.ours;
    work->action = HOST_ACTION_DESTROY;
    if (member != NULL) {
        g_assert(member->work == NULL);
        member->work = work;
    }
    if (node != NULL)
        node->work = work;
    g_ptr_array_add(engine->works, work);
    engine->again = TRUE;
    return work;
}

void work_free(Work *work)
{
    Host *host = work->engine->host;
    if (work->timer != 0)
        host->ops->timer_cancel(host, work->timer);
    if (work->wake != 0)
        host->ops->timer_cancel(host, work->wake);
    if (work->probe.handle != 0)
        host->ops->probe_cancel(host, work->probe.handle);
    g_clear_error(&work->probe.seen);
    if (work->member != NULL && work->member->work == work)
        work->member->work = NULL;
    if (work->node != NULL && work->node->work == work)
        work->node->work = NULL;
    g_clear_error(&work->error);
    g_free(work);
}

const char *work_doing(const Work *work)
{
    return work->steps[work->next].run != NULL ? work->steps[work->next].doing : NULL;
}

const char *work_seen(const Work *work)
{
    if (work->waits_for != NULL)
        return work->waits_for->shown.name;
    return work->probe.seen != NULL ? work->probe.seen->message : NULL;
}

void work_called(Work *work, const GError *error)
{
    g_assert(work->state == WORK_CALL);
    if (error != NULL) {
        work->error = g_error_copy(error);
        work->state = WORK_OVER;
    } else {
        work->next++;
        work->state = WORK_READY;
    }
    engine_turn(work->engine);
}

void work_done(gpointer work, const GError *error)
{
    work_called(work, error);
}

void work_built(gpointer data, guint32 domid, const GError *error)
{
    Work *work = data;
    work->domid = domid;
    work_called(work, error);
}

static void work_timeout(gpointer data)
{
    Work *work = data;
    work->timer = 0;
    engine_turn(work->engine);
}

void work_set_deadline(Work *work, gint64 delay_us)
{
    Host *host = work->engine->host;
    if (work->timer != 0)
        host->ops->timer_cancel(host, work->timer);
    work->deadline = host->ops->now(host) + delay_us;
    work->timer = host->ops->timer_add(host, delay_us, work_timeout, work);
}

static void work_woken(gpointer data)
{
    Work *work = data;
    work->wake = 0;
    engine_turn(work->engine);
}

void work_wake(Work *work, gint64 delay_us)
{
    Host *host = work->engine->host;
    if (work->wake == 0)
        work->wake = host->ops->timer_add(host, MAX(delay_us, 0), work_woken, work);
}

gboolean work_late(const Work *work)
{
    Host *host = work->engine->host;
    return work->deadline != 0 && host->ops->now(host) >= work->deadline;
}

void work_stop(Work *work)
{
    work->stop = TRUE;
    if (work->state == WORK_WATCH)
        work->state = WORK_READY;
    work->engine->again = TRUE;
}

static void work_run(Work *work)
{
    while (!work->stop && work->steps[work->next].run != NULL) {
        guint before = work->next;
        switch (work->steps[work->next].run(work, &work->error)) {
        case STEP_DONE:
            work->next = before + 1;
            continue;
        case STEP_CALL:
            work->state = WORK_CALL;
            return;
        case STEP_END:
            work->complete = TRUE;
            work->state = WORK_OVER;
            return;
        case STEP_WATCH:
            work->state = WORK_WATCH;
            return;
        case STEP_SKIPPED:
            work->skipped = TRUE;
            /* fall through */
        case STEP_FAILED:
            g_assert(work->error != NULL);
            work->state = WORK_OVER;
            return;
        }
    }
    work->complete = work->steps[work->next].run == NULL;
    work->state = WORK_OVER;
}

static void run_works(Engine *engine)
{
    for (guint i = 0; i < engine->works->len; i++) {
        Work *work = engine->works->pdata[i];
        if (work->state != WORK_READY && work->state != WORK_WATCH)
            continue;

        guint before = work->next;
        gboolean was_ready = work->state == WORK_READY;
        work_run(work);
        if (work->next != before || was_ready || work->state != WORK_WATCH) {
            engine->again = TRUE;
            if (work->operation != NULL)
                engine_tell_operation(work->operation);
        }
    }
}

void engine_retry(Engine *engine)
{
    if (engine->retry == 0)
        engine->retry =
            engine->host->ops->timer_add(engine->host, RETRY_US, engine_timeout, engine);
}

static void engine_is_soon(gpointer data)
{
    Engine *engine = data;
    engine->soon = 0;
    engine_turn(engine);
}

void engine_soon(Engine *engine)
{
    engine->again = TRUE;
    if (engine->soon == 0)
        engine->soon = engine->host->ops->timer_add(engine->host, 0, engine_is_soon, engine);
}

static void publisher_ended(Work *work)
{
    work->group->publisher = NULL;
    if (work->error == NULL)
        return;
    work->group->unpublished = TRUE;
    engine_retry(work->engine);
}

/* What a member's own end made the daemon do. */
static void own_work_ended(const Work *work)
{
    Host *host = work->engine->host;
    if (work->error != NULL)
        work->member->hold_us = host->ops->now(host) + ENGINE_RESTART_US;
    const EngineListener *listener = work->engine->listener;
    if (work->error != NULL && listener->member_failed != NULL)
        listener->member_failed(work->engine->listener_data, work->group, &work->member->shown,
                                work->error);
}

/* Takes works that are over out of the engine, and tells who waits for them. */
static void reap_works(Engine *engine)
{
    for (guint i = 0; i < engine->works->len;) {
        Work *work = engine->works->pdata[i];
        if (work->state != WORK_OVER) {
            i++;
            continue;
        }
        g_ptr_array_steal_index(engine->works, i);
        engine->again = TRUE;

        if (work->member != NULL)
            work->member->work = NULL;
        if (work->operation == NULL && work->member != NULL)
            own_work_ended(work);
        else if (work->operation == NULL)
            publisher_ended(work);
        work->member = NULL; /* which goes with its group, if that ends with the operation */
        if (work->operation != NULL)
            operation_work_ended(work->operation, work);
        work_free(work);
    }
}

static void publish_groups(Engine *engine)
{
    GHashTableIter iter;
    gpointer group;
    g_hash_table_iter_init(&iter, engine->groups);
    while (g_hash_table_iter_next(&iter, NULL, &group))
        group_publish_run(group);
}

static void feed_operations(Engine *engine)
{
    for (guint i = 0; i < engine->operations->len; i++) {
        Operation *operation = engine->operations->pdata[i];
        if (operation_is_over(operation) || operation->queued || operation->timer != 0)
            continue;
        operation_feed(operation);
        operation_watch_image(operation);
    }
}

void engine_turn(Engine *engine)
{
    engine->again = TRUE;
    if (engine->turning)
        return;

    engine->turning = TRUE;
    while (engine->again) {
        engine->again = FALSE;
        if (!reality_read(engine, FALSE, NULL)) {
            engine_retry(engine);
            break;
        }
        if (!operations_close(engine, NULL, NULL))
            engine_retry(engine);
        operations_begin_queued(engine); /* by what members are now, not before works ended */
        run_works(engine);
        reap_works(engine);
        feed_operations(engine);
        migrations_run(engine);
        reality_act(engine);
        publish_groups(engine);
    }
    engine->turning = FALSE;
}

void engine_timeout(gpointer data)
{
    Engine *engine = data;
    engine->retry = 0;
    GHashTableIter iter;
    gpointer value;
    g_hash_table_iter_init(&iter, engine->groups);
    while (g_hash_table_iter_next(&iter, NULL, &value)) {
        Group *group = value;
        group->publish = group->publish || group->unpublished;
        group->unpublished = FALSE;
    }
    engine_turn(engine);
}

void engine_changed(gpointer engine)
{
    engine_turn(engine);
}
