/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* task: the operations that run, wait and have run. */
#include "cli.h"

#include <stdio.h>
#include <string.h>

/* -- finding -- */

/* The reference of the one task that @prefix begins; NULL with TASK_UNKNOWN or VALUE. */
static char *reference_of(DomgrpConnection *connection, const char *prefix, GError **error)
{
    g_autoptr(GPtrArray) tasks = domgrp_task_list(connection, error);
    const DomgrpTask *found = NULL;
    for (guint i = 0; tasks != NULL && i < tasks->len; i++) {
        const DomgrpTask *task = tasks->pdata[i];
        if (g_ascii_strncasecmp(task->uuid, prefix, strlen(prefix)) != 0)
            continue;
        if (found != NULL) {
            g_set_error(error, DOMGRP_ERROR, DOMGRP_ERROR_VALUE,
                        "more than one task begins with \"%s\": write more of its id", prefix);
            return NULL;
        }
        found = task;
    }
    if (tasks != NULL && found == NULL)
        g_set_error(error, DOMGRP_ERROR, DOMGRP_ERROR_TASK_UNKNOWN,
                    "there is no task %s: \"domgrp task list\" shows those there are", prefix);
    return found == NULL ? NULL : g_strdup(found->uuid);
}

/* -- list -- */

static gboolean is_taken(GPtrArray *tasks, guint n, int length)
{
    for (guint i = 0; i < n; i++) {
        const DomgrpTask *a = tasks->pdata[i], *b = tasks->pdata[n];
        if (strncmp(a->uuid, b->uuid, length) == 0)
            return TRUE;
    }
    return FALSE;
}

/* How much of an id tells all of @tasks apart. */
static int id_length(GPtrArray *tasks)
{
    int length = TASK_ID_LEAST;
    for (guint i = 0; i < tasks->len; i++)
        while (is_taken(tasks, i, length))
            length++;
    return length;
}

static void list_row(const DomgrpTask *task, int length)
{
    g_autofree char *began = text_time(task->created);
    printf("%-*.*s %-9s %-30s %-9s %6.0f %%  %s\n", length, length, task->uuid,
           task_operation(task), task->group_name, task_state(task), task->progress * 100, began);
}

static void list_print(GPtrArray *tasks)
{
    int length = id_length(tasks);
    printf("%-*s %-9s %-30s %-9s %8s  %s\n", length, "Task", "Operation", "Group", "State",
           "Progress", "Began");
    for (guint i = 0; i < tasks->len; i++)
        list_row(tasks->pdata[i], length);
}

static void list_print_json(GPtrArray *tasks)
{
    JsonArray *records = json_array_new();
    for (guint i = 0; i < tasks->len; i++) {
        const DomgrpTask *task = tasks->pdata[i];
        json_array_add_element(records, json_node_ref(task->record));
    }
    print_json_array(records);
}

static gboolean task_list(Cli *cli, DomgrpConnection *connection, const char *reference,
                          GError **error)
{
    g_autoptr(GPtrArray) tasks = domgrp_task_list(connection, error);
    if (tasks == NULL)
        return FALSE;
    if (cli->json)
        list_print_json(tasks);
    else
        list_print(tasks);
    return TRUE;
}

/* -- one task -- */

static void show_members(const DomgrpTask *task)
{
    printf("\nTier %-30s %s\n", "Member", "Outcome");
    for (guint i = 0; i < task->n_members; i++) {
        g_autofree char *line = task_member_line(&task->members[i]);
        printf("%4u %-30s %s\n", task->members[i].tier, task->members[i].name, line);
    }
}

static void show_peer(const DomgrpTask *task)
{
    g_autofree char *wire = text_size(task->wire_bytes);
    printf("host     %s, %s over the connection\n", task->peer, wire);
    if (*task->verdict != '\0')
        printf("verdict  %s\n", task->verdict);
}

static void show_print(const DomgrpTask *task)
{
    g_autofree char *began = text_time(task->created);
    g_autofree char *ended = text_time(task->finished);
    printf("task     %s\n", task->uuid);
    printf("does     %s%s of %s%s\n", task->dry_run ? "dry run: " : "", task_operation(task),
           task->group_name, task->by_itself ? ", by itself" : "");
    printf("state    %s, %.0f %%%s\n", task_state(task), task->progress * 100,
           task->interrupted ? ", the daemon was restarted meanwhile" : "");
    printf("policy   %s\n", task->policy);
    if (*task->image.path != '\0')
        printf("image    %s\n", task->image.path);
    if (*task->peer != '\0')
        show_peer(task);
    printf("began    %s\n", began);
    printf("ended    %s\n", ended);
    if (task->error != NULL)
        printf("error    %s\n", task->error->message);
    if (task->n_members > 0)
        show_members(task);
}

static gboolean task_show(Cli *cli, DomgrpConnection *connection, const char *reference,
                          GError **error)
{
    g_autoptr(DomgrpTask) task = domgrp_task_get(connection, reference, error);
    if (task == NULL)
        return FALSE;
    if (cli->json)
        print_json(task->record);
    else
        show_print(task);
    return TRUE;
}

static gboolean task_follow_verb(Cli *cli, DomgrpConnection *connection, const char *reference,
                                 GError **error)
{
    cli->how.wait = TRUE; /* as if it had been asked for so */
    return task_follow(cli, connection, reference, error);
}

static gboolean task_wait(Cli *cli, DomgrpConnection *connection, const char *reference,
                          GError **error)
{
    cli->quiet = TRUE;
    return task_follow(cli, connection, reference, error);
}

static gboolean task_cancel(Cli *cli, DomgrpConnection *connection, const char *reference,
                            GError **error)
{
    if (!domgrp_task_cancel(connection, reference, error))
        return FALSE;
    g_autoptr(DomgrpTask) task = domgrp_task_get(connection, reference, error);
    if (task == NULL)
        return FALSE;
    if (cli->json)
        print_json(task->record);
    else if (!cli->quiet && task->ended)
        printf("cancelled %s of %s\n", task_operation(task), task->group_name);
    else if (!cli->quiet)
        printf("%s of %s is being cancelled; \"domgrp task follow %.*s\" shows how it goes\n",
               task_operation(task), task->group_name, TASK_ID_LEAST, task->uuid);
    return TRUE;
}

/* -- the verbs -- */

static const struct {
    const char *name;
    gboolean takes_task;
    gboolean (*run)(Cli *cli, DomgrpConnection *connection, const char *reference, GError **error);
} verbs[] = {
    {"list", FALSE, task_list}, {"show", TRUE, task_show},     {"follow", TRUE, task_follow_verb},
    {"wait", TRUE, task_wait},  {"cancel", TRUE, task_cancel},
};

static gboolean arguments_check(const Cli *cli, guint verb, GError **error)
{
    if (verb == G_N_ELEMENTS(verbs))
        g_set_error(error, DOMGRP_ERROR, DOMGRP_ERROR_USAGE,
                    "\"task %.40s\" is not known; \"domgrp help task\" tells what there is",
                    cli->arguments[0]);
    else if (verbs[verb].takes_task && cli->n_arguments == 1)
        g_set_error(error, DOMGRP_ERROR, DOMGRP_ERROR_USAGE,
                    "\"task %s\" takes the id of a task; \"domgrp task list\" shows them",
                    verbs[verb].name);
    else if (!verbs[verb].takes_task && cli->n_arguments > 1)
        g_set_error(error, DOMGRP_ERROR, DOMGRP_ERROR_USAGE,
                    "\"task %s\" takes no argument, not \"%s\"", verbs[verb].name,
                    cli->arguments[1]);
    else
        return TRUE;
    return FALSE;
}

gboolean cmd_task(Cli *cli, GError **error)
{
    guint verb = 0;
    while (verb < G_N_ELEMENTS(verbs) && strcmp(verbs[verb].name, cli->arguments[0]) != 0)
        verb++;
    if (!arguments_check(cli, verb, error))
        return FALSE;
    g_autoptr(DomgrpConnection) connection = domgrp_connection_open(cli->socket, error);
    if (connection == NULL)
        return FALSE;
    g_autofree char *reference = NULL;
    if (verbs[verb].takes_task) {
        reference = reference_of(connection, cli->arguments[1], error);
        if (reference == NULL)
            return FALSE;
    }
    return verbs[verb].run(cli, connection, reference, error);
}
