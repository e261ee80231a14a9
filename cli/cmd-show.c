/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* list and info: groups as they are now. */
#include "cli.h"

#include <stdio.h>

void print_json(JsonNode *node)
{
    g_autofree char *text = json_to_string(node, TRUE);
    puts(text);
}

void print_json_array(JsonArray *array)
{
    g_autoptr(JsonNode) node = json_node_new(JSON_NODE_ARRAY);
    json_node_take_array(node, array);
    print_json(node);
}

static guint members_with_domain(const DomgrpGroup *group)
{
    guint n = 0;
    for (guint i = 0; i < group->n_members; i++)
        n += group->members[i].domid >= 0;
    return n;
}

/* -- list -- */

static void list_row(const DomgrpGroup *group)
{
    char members[32];
    snprintf(members, sizeof(members), "%u/%u", members_with_domain(group), group->n_members);
    printf("%-40s %5u %7s %5" G_GUINT64_FORMAT " %-10s %10.1f\n", group->name, group->id, members,
           group->memory_kib / 1024, group->state, group->cpu_time_us / 1e6);
}

static void list_print(GPtrArray *groups)
{
    printf("%-40s %5s %7s %5s %-10s %10s\n", "Name", "ID", "Members", "Mem", "State", "Time(s)");
    for (guint i = 0; i < groups->len; i++)
        list_row(groups->pdata[i]);
}

static void list_print_json(GPtrArray *groups)
{
    JsonArray *records = json_array_new();
    for (guint i = 0; i < groups->len; i++) {
        const DomgrpGroup *group = groups->pdata[i];
        json_array_add_element(records, json_node_ref(group->record));
    }
    print_json_array(records);
}

gboolean cmd_list(Cli *cli, GError **error)
{
    g_autoptr(DomgrpConnection) connection = domgrp_connection_open(cli->socket, error);
    if (connection == NULL)
        return FALSE;
    g_autoptr(GPtrArray) groups = NULL;
    if (cli->n_arguments == 0) {
        groups = domgrp_group_list(connection, error);
    } else {
        DomgrpGroup *group = domgrp_group_get(connection, cli->arguments[0], error);
        if (group != NULL) {
            groups = g_ptr_array_new_with_free_func((GDestroyNotify)domgrp_group_free);
            g_ptr_array_add(groups, group);
        }
    }
    if (groups == NULL)
        return FALSE;
    if (cli->json)
        list_print_json(groups);
    else
        list_print(groups);
    return TRUE;
}

/* -- info -- */

static void info_member(const DomgrpMember *member)
{
    char domid[24] = "-";
    if (member->domid >= 0)
        snprintf(domid, sizeof(domid), "%" G_GINT64_FORMAT, member->domid);
    printf("%-40s %5s %5" G_GUINT64_FORMAT " %5" G_GUINT64_FORMAT " %-10s %10.1f  %s\n",
           member->name, domid, member->memory_kib / 1024, member->vcpus, member->state,
           member->cpu_time_us / 1e6, member->uuid);
}

void migration_print(const DomgrpGroup *group)
{
    const DomgrpMigration *migration = group->migration;
    g_autofree char *entered = text_time(migration->entered);
    const char *peer = *migration->peer == '\0' ? "another host" : migration->peer;
    printf("moves    %s %s, %s; transaction %s\n", migration->is_source ? "to" : "here from", peer,
           migration->connected ? "connected" : "not connected", migration->transaction);
    if (!migration->connected && *migration->last_error != '\0')
        printf("link     %s\n", migration->last_error);
    printf("phase    %s since %s: %s\n", migration->state, entered, migration->meaning);
    if (migration->may_run_here || migration->may_discard_here)
        printf("words    %s%s%s\n", migration->may_run_here ? "--run-here --peer-is-off" : "",
               migration->may_run_here && migration->may_discard_here ? ", " : "",
               migration->may_discard_here ? "--discard-here" : "");
}

static void info_print(const DomgrpGroup *group, const DomgrpTask *task)
{
    printf("name     %s\n", group->name);
    printf("id       %u\n", group->id);
    printf("uuid     %s\n", group->uuid);
    printf("state    %s\n", group->state);
    printf("members  %u, %u with a domain\n", group->n_members, members_with_domain(group));
    printf("memory   %" G_GUINT64_FORMAT " MiB\n", group->memory_kib / 1024);
    printf("time     %.1f s\n", group->cpu_time_us / 1e6);
    if (task != NULL)
        printf("task     %.*s: %s, %.0f %%\n", TASK_ID_LEAST, task->uuid, task_operation(task),
               task->progress * 100);
    if (group->migration != NULL)
        migration_print(group);
    for (guint i = 0; group->settings[i] != NULL; i++)
        printf("%-8s %s\n", i == 0 ? "settings" : "", group->settings[i]);
    if (group->n_members == 0)
        return;
    printf("\n%-40s %5s %5s %5s %-10s %10s  %s\n", "Member", "ID", "Mem", "VCPUs", "State",
           "Time(s)", "UUID");
    for (guint i = 0; i < group->n_members; i++)
        info_member(&group->members[i]);
}

gboolean cmd_info(Cli *cli, GError **error)
{
    g_autoptr(DomgrpConnection) connection = domgrp_connection_open(cli->socket, error);
    if (connection == NULL)
        return FALSE;
    g_autoptr(DomgrpGroup) group = domgrp_group_get(connection, cli->arguments[0], error);
    if (group == NULL)
        return FALSE;
    if (cli->json) {
        print_json(group->record);
        return TRUE;
    }
    g_autoptr(DomgrpTask) task = NULL;
    if (*group->current_task != '\0')
        task = domgrp_task_get(connection, group->current_task, NULL);
    info_print(group, task);
    return TRUE;
}
