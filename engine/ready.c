/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The step that waits until a member is ready: attempts of its probe, further
 * apart each time, and closer again near the end, until one succeeds, the
 * member ends or its time is up.
 */
#include "private.h"

#define PROBE_FIRST_US (G_USEC_PER_SEC / 5) /* between the first attempt and the second */
#define PROBE_MOST_US (5 * G_USEC_PER_SEC)  /* between two attempts at most; twice as long each */

/* An attempt that says nothing for so long has failed: the next one may find more. */
static gint64 attempt_us(const DomgrpProbe *probe)
{
    switch (probe->kind) {
    case DOMGRP_PROBE_TCP:
        return 5 * G_USEC_PER_SEC;
    case DOMGRP_PROBE_EXEC:
        return 30 * G_USEC_PER_SEC;
    default:
        return G_MAXINT64; /* it waits for an event */
    }
}

static void attempt_ended(gpointer data, const GError *error)
{
    Work *work = data;
    Host *host = work->engine->host;
    work->probe.handle = 0;
    work->probe.ready = error == NULL;
    g_clear_error(&work->probe.seen);
    work->probe.seen = error != NULL ? g_error_copy(error) : NULL;
    work->probe.delay = CLAMP(work->probe.delay * 2, PROBE_FIRST_US, PROBE_MOST_US);
    gint64 now = host->ops->now(host);
    gint64 half = MAX((work->probe.end - now) / 2, PROBE_FIRST_US); /* the last is near the end */
    work->probe.next = now + MIN(work->probe.delay, half);
    if (work->operation != NULL)
        engine_tell_operation(work->operation);
    engine_turn(work->engine);
}

static void attempt(Work *work, const DomgrpProbe *probe, gint64 left_us)
{
    Host *host = work->engine->host;
    const Member *member = &work->member->shown;
    HostProbe look = {.probe = probe,
                      .domid = work->member->domain.domid,
                      .uuid = member->uuid,
                      .member = member->name,
                      .group = work->group->name};
    work->probe.handle =
        host->ops->probe(host, &look, MIN(left_us, attempt_us(probe)), attempt_ended, work);
}

static StepResult fail(const Work *work, const DomgrpProbe *probe, GError **error)
{
    const HostDomain *domain = &work->member->domain;
    const char *seen = work->probe.seen != NULL ? work->probe.seen->message : NULL;
    if (member_runs(work->member))
        g_set_error(error, DOMGRP_ERROR, DOMGRP_ERROR_TIMEOUT,
                    "it was not ready within %u s (%s)%s%s", probe->timeout_s, probe->text,
                    seen != NULL ? ": " : "", seen != NULL ? seen : "");
    else
        g_set_error(error, DOMGRP_ERROR, DOMGRP_ERROR_HOST,
                    "it ended (%s) before it was ready (%s)",
                    member_has_domain(work->member) ? host_reason_name(domain->reason)
                                                    : "its domain is gone",
                    probe->text);
    return STEP_FAILED;
}

static StepResult ready(Work *work)
{
    if (work->node != NULL)
        work->node->was_ready = TRUE;
    return STEP_DONE;
}

StepResult step_ready(Work *work, GError **error)
{
    Host *host = work->engine->host;
    const DomgrpMemberSettings *settings = member_settings(work->member);
    const DomgrpProbe *probe = settings != NULL ? settings->ready : NULL;
    gint64 now = host->ops->now(host);
    if (probe == NULL)
        return STEP_DONE;
    gboolean waits = probe->kind == DOMGRP_PROBE_DELAY;
    if (work->probe.end == 0) {
        guint seconds = waits ? probe->delay_s : probe->timeout_s;
        work->probe.end = now + (gint64)seconds * G_USEC_PER_SEC;
        work->probe.next = now;
    }
    gint64 end = work->probe.end;
    if (work->probe.ready || (waits && now >= end && member_runs(work->member)))
        return ready(work);
    if (!member_runs(work->member) || (now >= end && work->probe.handle == 0))
        return fail(work, probe, error);
    if (waits || work->probe.next > now)
        work_wake(work, MIN(waits ? end : work->probe.next, end) - now);
    else if (work->probe.handle == 0)
        attempt(work, probe, end - now);
    return STEP_WATCH;
}

/* What xl has started again is only waited for. */
StepResult step_ready_if_back(Work *work, GError **error)
{
    if (!work->back)
        return STEP_DONE;
    StepResult result = step_ready(work, error);
    return result == STEP_DONE ? STEP_END : result;
}
