/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The commands that begin a task, follow it and say how it ended. */
#include "cli.h"

#include <stdio.h>

void print_json(JsonNode *node)
{
    g_autofree char *text = json_to_string(node, TRUE);
    puts(text);
}

static guint members_done(const DomgrpTask *task)
{
    guint n = 0;
    for (guint i = 0; i < task->n_members; i++)
        n += g_strcmp0(task->members[i].outcome, "done") == 0;
    return n;
}

/* Takes @reference, NULL after an error. */
static DomgrpTask *task_follow(const Cli *cli, DomgrpConnection *connection, char *reference,
                               GError **error)
{
    g_autofree char *task = reference;
    Progress progress;
    if (task == NULL)
        return NULL;
    progress_begin(&progress, cli);
    return domgrp_task_wait(connection, task, progress_draw, &progress, error);
}

/* Whether a line for people is to be printed; prints what is for machines. */
static gboolean task_print(const Cli *cli, const DomgrpTask *task)
{
    if (cli->json)
        print_json(task->record);
    return !cli->json && !cli->quiet;
}

static const char *plural(guint64 n)
{
    return n == 1 ? "" : "s";
}

static void print_running(const Cli *cli, const char *verb, const DomgrpTask *task)
{
    guint n = members_done(task);
    if (task_print(cli, task))
        printf("%s %s: %u member%s %s\n", verb, task->group_name, n, plural(n),
               n == 1 ? "runs" : "run");
}

static void print_stopped(const Cli *cli, const char *verb, const DomgrpTask *task)
{
    guint n = members_done(task);
    if (task_print(cli, task))
        printf("%s %s: %u member%s %s stopped\n", verb, task->group_name, n, plural(n),
               n == 1 ? "is" : "are");
}

/* -- starting -- */

gboolean cmd_create(Cli *cli, GError **error)
{
    g_autoptr(DomgrpConnection) connection = domgrp_connection_open(cli->socket, error);
    if (connection == NULL)
        return FALSE;
    char *reference = domgrp_group_create(connection, cli->arguments[0], error);
    g_autoptr(DomgrpTask) task = task_follow(cli, connection, reference, error);
    if (task == NULL)
        return FALSE;
    print_running(cli, "created", task);
    return TRUE;
}

gboolean cmd_start(Cli *cli, GError **error)
{
    g_autoptr(DomgrpConnection) connection = domgrp_connection_open(cli->socket, error);
    if (connection == NULL)
        return FALSE;
    char *reference = domgrp_group_start(connection, cli->arguments[0], error);
    g_autoptr(DomgrpTask) task = task_follow(cli, connection, reference, error);
    if (task == NULL)
        return FALSE;
    print_running(cli, "started", task);
    return TRUE;
}

/* -- asking -- */

typedef char *(*CleanOperation)(DomgrpConnection *connection, const char *group,
                                const DomgrpOptions *options, GError **error);

/* NULL without an error if it was not to be waited for. */
static DomgrpTask *clean(Cli *cli, CleanOperation operation, const char *verb, GError **error)
{
    DomgrpOptions options = {.timeout_s = cli->timeout_s, .fallback = cli->fallback};
    g_autoptr(DomgrpConnection) connection = domgrp_connection_open(cli->socket, error);
    if (connection == NULL)
        return NULL;
    g_autofree char *reference = operation(connection, cli->arguments[0], &options, error);
    if (reference == NULL)
        return NULL;
    if (cli->wait)
        return task_follow(cli, connection, g_steal_pointer(&reference), error);

    g_autoptr(DomgrpTask) task = domgrp_task_get(connection, reference, error);
    if (task != NULL && task_print(cli, task))
        printf("%s of %s has begun; \"domgrp info %s\" shows how it goes\n", verb, task->group_name,
               task->group_name);
    return NULL;
}

gboolean cmd_shutdown(Cli *cli, GError **error)
{
    g_autoptr(GError) inner = NULL;
    g_autoptr(DomgrpTask) task = clean(cli, domgrp_group_shutdown, "shutdown", &inner);
    if (inner != NULL) {
        g_propagate_error(error, g_steal_pointer(&inner));
        return FALSE;
    }
    if (task != NULL)
        print_stopped(cli, "shut down", task);
    return TRUE;
}

gboolean cmd_reboot(Cli *cli, GError **error)
{
    g_autoptr(GError) inner = NULL;
    g_autoptr(DomgrpTask) task = clean(cli, domgrp_group_reboot, "reboot", &inner);
    if (inner != NULL) {
        g_propagate_error(error, g_steal_pointer(&inner));
        return FALSE;
    }
    if (task != NULL)
        print_running(cli, "rebooted", task);
    return TRUE;
}

/* -- ending -- */

gboolean cmd_destroy(Cli *cli, GError **error)
{
    g_autoptr(DomgrpConnection) connection = domgrp_connection_open(cli->socket, error);
    if (connection == NULL)
        return FALSE;
    char *reference = domgrp_group_destroy(connection, cli->arguments[0], error);
    g_autoptr(DomgrpTask) task = task_follow(cli, connection, reference, error);
    if (task == NULL)
        return FALSE;
    print_stopped(cli, "destroyed", task);
    return TRUE;
}

gboolean cmd_delete(Cli *cli, GError **error)
{
    g_autoptr(DomgrpConnection) connection = domgrp_connection_open(cli->socket, error);
    if (connection == NULL)
        return FALSE;
    char *reference = domgrp_group_delete(connection, cli->arguments[0], error);
    g_autoptr(DomgrpTask) task = task_follow(cli, connection, reference, error);
    if (task == NULL)
        return FALSE;
    if (task_print(cli, task))
        printf("deleted %s\n", task->group_name);
    return TRUE;
}

/* -- pausing -- */

/* "45.6 µs" */
static char *duration(guint64 ns)
{
    if (ns < 1000 * 1000)
        return g_strdup_printf("%.1f µs", ns / 1e3);
    if (ns < 1000 * 1000 * 1000)
        return g_strdup_printf("%.1f ms", ns / 1e6);
    return g_strdup_printf("%.1f s", ns / 1e9);
}

static void print_pause(const DomgrpTask *task)
{
    const DomgrpPause *pause = &task->pause;
    g_autofree char *request = duration(pause->request_ns);
    g_autofree char *stopped = duration(pause->stopped_ns);
    printf("paused %s: %" G_GUINT64_FORMAT " domain%s, %" G_GUINT64_FORMAT " vCPU%s; ",
           task->group_name, pause->domains, plural(pause->domains), pause->vcpus,
           plural(pause->vcpus));
    if (!pause->atomic)
        printf("not in one step, for this hypervisor has no groups; ");
    printf("stop requests within %s, all stopped within %s\n", request, stopped);
}

gboolean cmd_pause(Cli *cli, GError **error)
{
    g_autoptr(DomgrpConnection) connection = domgrp_connection_open(cli->socket, error);
    if (connection == NULL)
        return FALSE;
    char *reference = domgrp_group_pause(connection, cli->arguments[0], error);
    g_autoptr(DomgrpTask) task = task_follow(cli, connection, reference, error);
    if (task == NULL)
        return FALSE;
    if (task_print(cli, task))
        print_pause(task);
    return TRUE;
}

gboolean cmd_unpause(Cli *cli, GError **error)
{
    g_autoptr(DomgrpConnection) connection = domgrp_connection_open(cli->socket, error);
    if (connection == NULL)
        return FALSE;
    char *reference = domgrp_group_unpause(connection, cli->arguments[0], error);
    g_autoptr(DomgrpTask) task = task_follow(cli, connection, reference, error);
    if (task == NULL)
        return FALSE;
    if (task_print(cli, task))
        printf("unpaused %s\n", task->group_name);
    return TRUE;
}

/* -- joining -- */

gboolean cmd_join(Cli *cli, GError **error)
{
    g_autoptr(DomgrpConnection) connection = domgrp_connection_open(cli->socket, error);
    if (connection == NULL)
        return FALSE;
    char *reference = domgrp_group_join(connection, cli->arguments[0], cli->arguments[1], error);
    g_autoptr(DomgrpTask) task = task_follow(cli, connection, reference, error);
    if (task == NULL)
        return FALSE;
    if (task_print(cli, task))
        printf("joined %s to %s\n", cli->arguments[1], task->group_name);
    return TRUE;
}
