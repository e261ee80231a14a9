/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * migrate: a group to another host, and the words of an operator about a
 * migration that is open. It asks nothing: what it prints before a word is
 * there to be read by whoever has said it.
 */
#include "cli.h"

#include <stdio.h>

/* -- the command line -- */

static gboolean has_options_of_new(const Cli *cli)
{
    const DomgrpOptions *how = &cli->how;
    return how->live || how->fast || how->command != NULL || how->limit_mib != 0 ||
           how->ready_timeout_s != 0 || how->without_groups || how->dry_run || how->wait;
}

/* What is wrong, or NULL. */
static const char *usage_fault(const Cli *cli)
{
    if (!cli->settle && (cli->run_here || cli->discard_here || cli->peer_is_off))
        return "--run-here, --discard-here and --peer-is-off go with --settle";
    if (!cli->settle && cli->n_arguments == 1)
        return "the host is missing; use: domgrp migrate GROUP HOST";
    if (cli->settle && cli->n_arguments == 2)
        return "--settle takes a group and no host, for the migration knows that";
    if (cli->settle && has_options_of_new(cli))
        return "--settle takes no option of a new migration";
    if (cli->run_here && cli->discard_here)
        return "--run-here and --discard-here contradict each other";
    if (cli->run_here && !cli->peer_is_off)
        return "--run-here needs --peer-is-off: two copies of the group would write to the same "
               "disks if the other host ran it too, so look first whether that is off";
    if (cli->peer_is_off && !cli->run_here)
        return "--peer-is-off goes with --run-here";
    return NULL;
}

static gboolean usage_check(const Cli *cli, GError **error)
{
    const char *fault = usage_fault(cli);
    if (fault == NULL)
        return TRUE;
    g_set_error(error, DOMGRP_ERROR, DOMGRP_ERROR_USAGE, "%s; \"domgrp help migrate\" tells more",
                fault);
    return FALSE;
}

/* -- settling -- */

/* The group as it is now; NULL without an error if it is gone. */
static gboolean group_read(DomgrpConnection *connection, const char *name, DomgrpGroup **ret_group,
                           GError **error)
{
    g_autoptr(GError) inner = NULL;
    *ret_group = domgrp_group_get(connection, name, &inner);
    if (*ret_group != NULL || g_error_matches(inner, DOMGRP_ERROR, DOMGRP_ERROR_GROUP_UNKNOWN))
        return TRUE;
    g_propagate_error(error, g_steal_pointer(&inner));
    return FALSE;
}

static gboolean is_open(const DomgrpGroup *group)
{
    return group != NULL && group->migration != NULL;
}

static void settle_print_json(const DomgrpGroup *group)
{
    g_autoptr(JsonNode) none = json_node_new(JSON_NODE_NULL);
    print_json(group == NULL ? none : group->record);
}

static void settle_print(const Cli *cli, const DomgrpGroup *before, const DomgrpGroup *after)
{
    if (cli->json)
        settle_print_json(after);
    else if (cli->quiet)
        return;
    else if (after == NULL)
        printf("the migration of %s is settled: the group is not here any more\n", before->name);
    else if (after->migration == NULL)
        printf("the migration of %s is settled: the group is here, %s\n", after->name,
               after->state);
    else
        printf("the word is taken, and %s is told when it is connected: %s, %s\n",
               after->migration->peer, after->migration->state, after->migration->meaning);
}

/* Asks the other host. That it does not answer is no failure. */
static gboolean settle_ask(DomgrpConnection *connection, const DomgrpGroup *group, GError **error)
{
    g_autoptr(GError) inner = NULL;
    if (domgrp_group_settle(connection, group->uuid, DOMGRP_WORD_NONE, &inner) ||
        g_error_matches(inner, DOMGRP_ERROR, DOMGRP_ERROR_LINK) ||
        g_error_matches(inner, DOMGRP_ERROR, DOMGRP_ERROR_GROUP_UNKNOWN))
        return TRUE;
    g_propagate_error(error, g_steal_pointer(&inner));
    return FALSE;
}

/* A word is said of what was printed. */
static gboolean settle_is_same(const DomgrpGroup *before, const DomgrpGroup *after, GError **error)
{
    const DomgrpMigration *a = before->migration, *b = after->migration;
    if (g_str_equal(a->transaction, b->transaction) && g_str_equal(a->state, b->state) &&
        g_str_equal(a->entered, b->entered))
        return TRUE;
    g_set_error(error, DOMGRP_ERROR, DOMGRP_ERROR_GROUP_STATE,
                "the migration of %s has come from %s to %s (%s), so nothing was done: say your "
                "word again if it is still true",
                after->name, a->state, b->state, b->meaning);
    return FALSE;
}

static gboolean settle_fail_open(const DomgrpGroup *group, GError **error)
{
    const DomgrpMigration *migration = group->migration;
    g_autofree char *failed =
        *migration->last_error == '\0' ? NULL : g_strdup_printf(" (%s)", migration->last_error);
    g_autofree char *unheard = g_strdup_printf(
        "%s was not reached%s, which does not tell that it is off; see to that, and "
        "ask again",
        migration->peer, failed == NULL ? "" : failed);
    g_set_error(error, DOMGRP_ERROR, DOMGRP_ERROR_GROUP_STATE,
                "the migration of %s is still open (%s: %s): %s", group->name, migration->state,
                migration->meaning,
                migration->connected   ? "the other host is connected, so ask again"
                : migration->is_source ? unheard
                                       : "the other host connects when it can, within two minutes "
                                         "of its start; see that it runs, and ask there");
    return FALSE;
}

/* The word, about a migration that asking has not settled. */
static gboolean settle_say(const Cli *cli, DomgrpConnection *connection, const DomgrpGroup *before,
                           const DomgrpGroup *now, GError **error)
{
    if (!cli->run_here && !cli->discard_here) {
        if (cli->json)
            settle_print_json(now);
        return settle_fail_open(now, error);
    }
    DomgrpWord word = cli->run_here ? DOMGRP_WORD_RUN_HERE : DOMGRP_WORD_DISCARD_HERE;
    g_autoptr(DomgrpGroup) after = NULL;
    if (!settle_is_same(before, now, error) ||
        !domgrp_group_settle(connection, now->uuid, word, error) ||
        !group_read(connection, now->uuid, &after, error))
        return FALSE;
    settle_print(cli, before, after);
    return TRUE;
}

static gboolean settle(const Cli *cli, DomgrpConnection *connection, GError **error)
{
    g_autoptr(DomgrpGroup) before = domgrp_group_get(connection, cli->arguments[0], error);
    g_autoptr(DomgrpGroup) now = NULL;
    if (before == NULL)
        return FALSE;
    if (!is_open(before)) {
        g_set_error(error, DOMGRP_ERROR, DOMGRP_ERROR_GROUP_STATE,
                    "no migration of %s is open, so there is nothing to settle", before->name);
        return FALSE;
    }
    if (!cli->json && !cli->quiet) {
        migration_print(before);
        fflush(stdout);
    }
    if (!settle_ask(connection, before, error) ||
        !group_read(connection, before->uuid, &now, error))
        return FALSE;
    if (is_open(now))
        return settle_say(cli, connection, before, now, error);
    settle_print(cli, before, now);
    return TRUE;
}

gboolean cmd_migrate(Cli *cli, GError **error)
{
    if (!usage_check(cli, error))
        return FALSE;
    g_autoptr(DomgrpConnection) connection = domgrp_connection_open(cli->socket, error);
    if (connection == NULL)
        return FALSE;
    if (cli->settle)
        return settle(cli, connection, error);
    g_autofree char *task =
        domgrp_group_migrate(connection, cli->arguments[0], cli->arguments[1], &cli->how, error);
    return task != NULL ? task_follow(cli, connection, task, error) : task_lost(NULL, error);
}
