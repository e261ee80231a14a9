/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The commands that begin a task on a group and follow it. */
#include "cli.h"

#include <stdio.h>

typedef char *(*Operation)(DomgrpConnection *connection, const char *group,
                           const DomgrpOptions *options, GError **error);

static gboolean operate(Cli *cli, Operation operation, GError **error)
{
    g_autoptr(DomgrpConnection) connection = domgrp_connection_open(cli->socket, error);
    if (connection == NULL)
        return FALSE;
    g_autofree char *task = operation(connection, cli->arguments[0], &cli->how, error);
    return task != NULL ? task_follow(cli, connection, task, error) : task_lost(NULL, error);
}

gboolean cmd_create(Cli *cli, GError **error)
{
    return operate(cli, domgrp_group_create, error);
}

gboolean cmd_start(Cli *cli, GError **error)
{
    return operate(cli, domgrp_group_start, error);
}

gboolean cmd_destroy(Cli *cli, GError **error)
{
    return operate(cli, domgrp_group_destroy, error);
}

gboolean cmd_delete(Cli *cli, GError **error)
{
    return operate(cli, domgrp_group_delete, error);
}

gboolean cmd_pause(Cli *cli, GError **error)
{
    return operate(cli, domgrp_group_pause, error);
}

gboolean cmd_unpause(Cli *cli, GError **error)
{
    return operate(cli, domgrp_group_unpause, error);
}

gboolean cmd_suspend(Cli *cli, GError **error)
{
    return operate(cli, domgrp_group_suspend, error);
}

gboolean cmd_resume(Cli *cli, GError **error)
{
    return operate(cli, domgrp_group_resume, error);
}

/* The image's path is the first argument here. */
gboolean cmd_restore(Cli *cli, GError **error)
{
    return operate(cli, domgrp_group_restore, error);
}

/* -- on a group and something else: a file or a domain -- */

typedef char *(*OperationWith)(DomgrpConnection *connection, const char *group, const char *with,
                               const DomgrpOptions *options, GError **error);

static gboolean operate_with(Cli *cli, OperationWith operation, GError **error)
{
    g_autoptr(DomgrpConnection) connection = domgrp_connection_open(cli->socket, error);
    if (connection == NULL)
        return FALSE;
    g_autofree char *task =
        operation(connection, cli->arguments[0], cli->arguments[1], &cli->how, error);
    return task != NULL ? task_follow(cli, connection, task, error) : task_lost(NULL, error);
}

gboolean cmd_save(Cli *cli, GError **error)
{
    return operate_with(cli, domgrp_group_save, error);
}

gboolean cmd_checkpoint(Cli *cli, GError **error)
{
    return operate_with(cli, domgrp_group_checkpoint, error);
}

gboolean cmd_join(Cli *cli, GError **error)
{
    cli->domain = cli->arguments[1];
    return operate_with(cli, domgrp_group_join, error);
}

/* -- asking: as with xl, the answer is not waited for unless it is said -- */

static gboolean ask(Cli *cli, Operation operation, GError **error)
{
    if (cli->how.wait || cli->how.dry_run)
        return operate(cli, operation, error);
    g_autoptr(DomgrpConnection) connection = domgrp_connection_open(cli->socket, error);
    if (connection == NULL)
        return FALSE;
    g_autofree char *reference = operation(connection, cli->arguments[0], &cli->how, error);
    if (reference == NULL)
        return task_lost(NULL, error);
    g_autoptr(DomgrpTask) task = domgrp_task_get(connection, reference, error);
    if (task == NULL)
        return task_lost(reference, error);
    if (cli->json)
        print_json(task->record);
    else if (!cli->quiet)
        printf("%s of %s has begun; \"domgrp task follow %.*s\" shows how it goes\n",
               task_operation(task), task->group_name, TASK_ID_LEAST, task->uuid);
    return TRUE;
}

gboolean cmd_shutdown(Cli *cli, GError **error)
{
    return ask(cli, domgrp_group_shutdown, error);
}

gboolean cmd_reboot(Cli *cli, GError **error)
{
    return ask(cli, domgrp_group_reboot, error);
}
