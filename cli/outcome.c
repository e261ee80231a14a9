/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What people are told of a task: its operation, its state, its members, its plan, its end. */
#include "cli.h"

#include <stdio.h>
#include <string.h>

const char *task_operation(const DomgrpTask *task)
{
    const char *dot = strrchr(task->name, '.');
    return dot == NULL ? task->name : dot + 1;
}

const char *task_state(const DomgrpTask *task)
{
    if (!task->ended)
        return task->queued ? "queued" : "running";
    if (task->error == NULL)
        return task->dry_run ? "planned" : "done";
    return domgrp_error_code(task->error) == DOMGRP_ERROR_CANCELLED ? "cancelled" : "failed";
}

/* -- members -- */

/* "waiting until it is ready (tcp 10.0.0.5:5432): connection refused" */
static char *member_present(const DomgrpTaskMember *member)
{
    if (*member->seen != '\0')
        return g_strdup_printf("%s (%s): %s", member->doing, member->ready, member->seen);
    return *member->needs == '\0' ? g_strdup(member->doing)
                                  : g_strdup_printf("%s: %s", member->doing, member->needs);
}

char *task_member_line(const DomgrpTaskMember *member)
{
    const char *outcome = strcmp(member->outcome, "not-tried") == 0 ? "not tried" : member->outcome;
    if (*member->error != '\0')
        return g_strdup_printf("%s: %s", outcome, member->error);
    return *member->doing != '\0' ? member_present(member) : g_strdup(outcome);
}

/* -- plans -- */

/* What the other host says, which has cleaned it. */
static void verdict_print(const DomgrpTask *task)
{
    g_autofree char *verdict = text_clean(task->verdict);
    if (*task->peer == '\0')
        return;
    if (*verdict == '\0')
        printf("%s can take it\n", task->peer);
    else
        printf("%s says: %s\n", task->peer, verdict);
}

static void plan_print(const DomgrpTask *task)
{
    const char *operation = task_operation(task);
    if (task->n_plan == 0) {
        printf("%s of %s would be one step on the whole group; nothing was done\n", operation,
               task->group_name);
        verdict_print(task);
        return;
    }
    printf("%s of %s would do this, on failure %s; nothing was done\n\n", operation,
           task->group_name, task->policy);
    printf("Tier %-30s %-26s %s\n", "Member", "Steps", "Then waits for");
    for (guint i = 0; i < task->n_plan; i++) {
        const DomgrpPlanStep *step = &task->plan[i];
        printf("%4u %-30s %-26s %s\n", step->tier, step->member, step->steps,
               *step->ready == '\0' ? "-" : step->ready);
    }
    if (*task->peer != '\0')
        putchar('\n');
    verdict_print(task);
}

/* -- the end -- */

static guint members_done(const DomgrpTask *task)
{
    guint n = 0;
    for (guint i = 0; i < task->n_members; i++)
        n += strcmp(task->members[i].outcome, "done") == 0;
    return n;
}

static void running_print(const Cli *cli, const char *verb, const DomgrpTask *task)
{
    guint n = members_done(task);
    printf("%s %s: %u member%s %s\n", verb, task->group_name, n, text_plural(n),
           n == 1 ? "runs" : "run");
}

static void group_print(const Cli *cli, const char *verb, const DomgrpTask *task)
{
    printf("%s %s\n", verb, task->group_name);
}

static void stopped_print(const Cli *cli, const char *verb, const DomgrpTask *task)
{
    guint n = members_done(task);
    if (task->n_members == 0) { /* it was suspended */
        group_print(cli, verb, task);
        return;
    }
    printf("%s %s: %u member%s %s stopped\n", verb, task->group_name, n, text_plural(n),
           n == 1 ? "is" : "are");
}

static void join_print(const Cli *cli, const char *verb, const DomgrpTask *task)
{
    printf("%s %s to %s\n", verb, cli->domain == NULL ? "a domain" : cli->domain, task->group_name);
}

static void pause_print(const Cli *cli, const char *verb, const DomgrpTask *task)
{
    const DomgrpPause *pause = &task->pause;
    g_autofree char *request = text_duration(pause->request_ns);
    g_autofree char *stopped = text_duration(pause->stopped_ns);
    printf("%s %s: %" G_GUINT64_FORMAT " domain%s, %" G_GUINT64_FORMAT " vCPU%s; ", verb,
           task->group_name, pause->domains, text_plural(pause->domains), pause->vcpus,
           text_plural(pause->vcpus));
    if (!pause->atomic)
        printf("not in one step, for this hypervisor has no groups; ");
    printf("stop requests within %s, all stopped within %s\n", request, stopped);
}

#define STILL_EACH 4 /* members, at most, of which each is told how long it stood still */

/* "db for 2.1 s, web for 2.0 s", or from the shortest to the longest. */
static char *stills(const DomgrpTask *task)
{
    GString *text = g_string_new(NULL);
    guint64 least = G_MAXUINT64, most = 0;
    for (guint i = 0; i < task->n_members; i++) {
        const DomgrpTaskMember *member = &task->members[i];
        g_autofree char *still = text_duration(member->still_us * 1000);
        g_string_append_printf(text, "%s%s for %s", i == 0 ? "" : ", ", member->name, still);
        least = MIN(least, member->still_us);
        most = MAX(most, member->still_us);
    }
    if (task->n_members > STILL_EACH) {
        g_autofree char *shortest = text_duration(least * 1000);
        g_autofree char *longest = text_duration(most * 1000);
        g_string_printf(text, "each for %s to %s", shortest, longest);
    }
    return g_string_free(text, FALSE);
}

static void image_print(const Cli *cli, const char *verb, const DomgrpTask *task)
{
    const DomgrpImage *image = &task->image;
    g_autofree char *file = text_size(image->file_bytes);
    g_autofree char *memory = text_size(image->memory_bytes);
    g_autofree char *cut = text_duration(image->cut_us * 1000);
    g_autofree char *still = stills(task);
    printf("%s %s: %s in the image for %s of memory (%.1f %%); members stopped within %s and stood "
           "still %s\n",
           verb, task->group_name, file, memory,
           text_percent(image->file_bytes, image->memory_bytes), cut, still);
}

static guint64 took_ns(const DomgrpTask *task)
{
    g_autoptr(GDateTime) began = g_date_time_new_from_iso8601(task->created, NULL);
    g_autoptr(GDateTime) ended = g_date_time_new_from_iso8601(task->finished, NULL);
    if (began == NULL || ended == NULL)
        return 0;
    return (guint64)MAX(g_date_time_difference(ended, began), 0) * 1000;
}

static void migrate_print(const Cli *cli, const char *verb, const DomgrpTask *task)
{
    g_autofree char *took = text_duration(took_ns(task));
    g_autofree char *wire = text_size(task->wire_bytes);
    g_autofree char *cut = text_duration(task->image.cut_us * 1000);
    g_autofree char *still = stills(task);
    printf("%s %s to %s in %s: %s over the connection; members stopped within %s and stood still "
           "%s\n",
           verb, task->group_name, task->peer, took, wire, cut, still);
}

static const struct {
    const char *operation;
    const char *verb;
    void (*print)(const Cli *cli, const char *verb, const DomgrpTask *task);
} ends[] = {
    {"create", "created", running_print},     {"start", "started", running_print},
    {"shutdown", "shut down", stopped_print}, {"reboot", "rebooted", running_print},
    {"destroy", "destroyed", stopped_print},  {"delete", "deleted", group_print},
    {"pause", "paused", pause_print},         {"unpause", "unpaused", group_print},
    {"join", "joined", join_print},           {"save", "saved", image_print},
    {"restore", "restored", running_print},   {"suspend", "suspended", image_print},
    {"resume", "resumed", running_print},     {"checkpoint", "checkpointed", image_print},
    {"migrate", "migrated", migrate_print},   {"receive", "received", group_print},
    {"activate", "activated", running_print},
};

/* The line, or the plan, of a task that has succeeded. */
static void done_print(const Cli *cli, const DomgrpTask *task)
{
    if (task->dry_run) {
        plan_print(task);
        return;
    }
    for (guint i = 0; i < G_N_ELEMENTS(ends); i++) {
        if (strcmp(ends[i].operation, task_operation(task)) == 0) {
            ends[i].print(cli, ends[i].verb, task);
            return;
        }
    }
    group_print(cli, task_operation(task), task);
}

/* Names what the task waits for; silent where that has ended meanwhile. */
static void tell_queue(const Cli *cli, DomgrpConnection *connection, const char *reference)
{
    if (!cli->how.wait || cli->quiet)
        return;
    g_autoptr(DomgrpTask) task = domgrp_task_get(connection, reference, NULL);
    if (task == NULL || !task->queued)
        return;
    g_autoptr(DomgrpGroup) group = domgrp_group_get(connection, task->group, NULL);
    if (group == NULL || *group->current_task == '\0')
        return;
    g_autoptr(DomgrpTask) first = domgrp_task_get(connection, group->current_task, NULL);
    if (first != NULL)
        fprintf(stderr, "domgrp: %s of %s waits until its %s (task %s) has ended\n",
                task_operation(task), task->group_name, task_operation(first), first->uuid);
}

gboolean task_lost(const char *reference, GError **error)
{
    if (error == NULL || !g_error_matches(*error, DOMGRP_ERROR, DOMGRP_ERROR_DAEMON))
        return FALSE;
    g_autoptr(GError) cause = *error;
    g_autofree char *verb = reference == NULL
                                ? g_strdup("list")
                                : g_strdup_printf("follow %.*s", TASK_ID_LEAST, reference);
    *error = g_error_new(DOMGRP_ERROR, DOMGRP_ERROR_DAEMON,
                         "%s, then \"domgrp task %s\" tells what became of the operation",
                         cause->message, verb);
    return FALSE;
}

gboolean task_follow(const Cli *cli, DomgrpConnection *connection, const char *reference,
                     GError **error)
{
    Progress progress;
    tell_queue(cli, connection, reference);
    progress_begin(&progress, cli);
    g_autoptr(DomgrpTask) task =
        domgrp_task_wait(connection, reference, progress_draw, &progress, error);
    if (task == NULL)
        return task_lost(reference, error);
    if (cli->json)
        print_json(task->record);
    if (task->error != NULL) {
        progress_fail(&progress, task);
        g_propagate_error(error, g_steal_pointer(&task->error));
        return FALSE;
    }
    if (!cli->json && !cli->quiet)
        done_print(cli, task);
    return TRUE;
}
