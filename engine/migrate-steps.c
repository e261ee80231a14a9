/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The steps of the operations that work for a migration: MIGRATE, RECEIVE and
 * ACTIVATE. They ask the driver before they go on, and take back nothing.
 */
#include "migrate.h"

#include <errno.h>
#include <fcntl.h>
#include <glib-unix.h>

#define READY_SECONDS_STILL                                                                        \
    3600 /* for READY, when all memory is sent while members stand still                           \
          */

/* -- the steps of a MIGRATE -- */

gboolean migration_check_request(const Engine *engine, const Group *group,
                                 const EngineOptions *options, GError **error)
{
    if (engine->links == NULL) {
        g_set_error(error, DOMGRP_ERROR, DOMGRP_ERROR_NOT_SUPPORTED,
                    "this daemon makes no connections to other hosts");
        return FALSE;
    }
    if (options == NULL || options->peer == NULL || *options->peer == '\0') {
        g_set_error(error, DOMGRP_ERROR, DOMGRP_ERROR_VALUE, "%s: to which host is not said",
                    group->name);
        return FALSE;
    }
    if (!engine->facts.has_groups && !options->without_groups) {
        g_set_error(error, DOMGRP_ERROR, DOMGRP_ERROR_NOT_SUPPORTED,
                    "the hypervisor here knows no groups, and copies of %s could not be held: boot "
                    "the one with groups, or say --without-groups",
                    group->name);
        return FALSE;
    }
    return TRUE;
}

static void begin_migration(Operation *operation)
{
    g_autofree char *uuid = g_uuid_string_random();
    Migration *migration = migration_new(operation->group, MIGRATION_SOURCE_SIDE, uuid,
                                         operation->peer, operation->command);
    guint ready_s = operation->options.ready_s;
    if (!operation->options.dry_run) {
        migration_begin(migration, "HOME");
        if (ready_s == 0 && !operation->options.live)
            ready_s = READY_SECONDS_STILL;
        if (ready_s != 0)
            transaction_set_ready_us(migration->transaction, (gint64)ready_s * G_USEC_PER_SEC);
    }
    migration_connect(migration);
}

/* A connection, the offer, and what the other side says to it. */
StepResult migrate_offer(Work *work, GError **error)
{
    if (work->group->migration == NULL)
        begin_migration(work->operation);
    Migration *migration = work->group->migration;
    if (migration->transaction == NULL && migration->asked && work->deadline == 0)
        work_set_deadline(work, TRANSACTION_CHECK_US);
    gboolean accepted = migration->transaction == NULL
                            ? migration->answered
                            : migration_state(migration) == MIGRATION_S_SENDING;
    if (migration->answered && work->operation->verdict == NULL)
        work->operation->verdict = g_strdup(migration->verdict);
    if (accepted)
        return STEP_DONE;
    gboolean waits = migration->transaction == NULL ? migration->why == NULL && !work_late(work)
                     : migration->asked             ? !migration->over
                                                    : migration->connection != 0;
    if (waits)
        return STEP_WATCH;
    g_propagate_error(error, migration_why(migration));
    return STEP_FAILED;
}

static void limit_data(const Migration *migration, guint mib)
{
    migration_links(migration)->ops->limit_data(migration_links(migration), migration->connection,
                                                (guint64)mib * 1024 * 1024);
}

/* The image goes over the connection as it is written. */
StepResult migrate_stream(Work *work, GError **error)
{
    Migration *migration = work->group->migration;
    int pipe[2];
    if (migration_state(migration) != MIGRATION_S_SENDING || migration->connection == 0) {
        g_propagate_error(error, migration_why(migration));
        return STEP_FAILED;
    }
    if (!g_unix_open_pipe(pipe, FD_CLOEXEC, NULL)) {
        g_set_error(error, DOMGRP_ERROR, DOMGRP_ERROR_HOST, "no pipe can be had: %s",
                    g_strerror(errno));
        return STEP_FAILED;
    }
    limit_data(migration, work->operation->options.limit_mib);
    migration_links(migration)->ops->send_data(migration_links(migration), migration->connection,
                                               pipe[0]);
    return image_create_on(work, pipe[1]);
}

/* All was copied that can be while they run: from here on they are asked to suspend. */
StepResult migrate_switch(Work *work, GError **error)
{
    Migration *migration = work->group->migration;
    if (migration_state(migration) == MIGRATION_S_SENDING && !migration_is_busy(migration) &&
        !work->tries++)
        transaction_event(migration->transaction, MIGRATION_EVENT_COPIED, NULL, NULL);
    if (migration_state(migration) == MIGRATION_S_SWITCHING && !migration_is_busy(migration)) {
        for (guint i = 0; i < work->group->members->len; i++)
            ((MemberNode *)work->group->members->pdata[i])->node->suspended = TRUE;
        if (work->operation->options.live) /* what is left would be sent while nobody runs */
            limit_data(migration, 0);
        return STEP_DONE;
    }
    if (migration_state(migration) == MIGRATION_S_SENDING)
        return STEP_WATCH;
    g_propagate_error(error, migration_why(migration));
    return STEP_FAILED;
}

static StepResult fail_doubt(const Migration *migration, GError **error)
{
    const char *name = migration->group->name;
    g_set_error(
        error, DOMGRP_ERROR, DOMGRP_ERROR_LINK,
        "%s was given to %s, which has not said that it runs there (%s): that is settled as "
        "soon as both hosts can talk; \"domgrp migrate --settle %s\" shows how it stands",
        name, migration->peer, migration->why != NULL ? migration->why->message : "no word came",
        name);
    return STEP_FAILED;
}

/* All was sent: what becomes of it is the driver's to say. */
StepResult migrate_await(Work *work, GError **error)
{
    Migration *migration = work->group->migration;
    migration->parked = TRUE;
    if (!migration->sent) {
        migration->sent = TRUE;
        transaction_event(migration->transaction, MIGRATION_EVENT_SENT, NULL, NULL);
    }
    if (migration->over && migration_state(migration) == MIGRATION_S_NONE)
        return STEP_DONE;
    if (migration_is_busy(migration))
        return STEP_WATCH;
    switch (migration_state(migration)) {
    case MIGRATION_S_SWITCHING:
    case MIGRATION_S_WAITING:
        return STEP_WATCH;
    case MIGRATION_S_COMMITTED:
        return migration_is_connected(migration) ? STEP_WATCH : fail_doubt(migration, error);
    case MIGRATION_S_MOVED:
        return migration_is_connected(migration) ? STEP_WATCH : STEP_DONE;
    case MIGRATION_S_COMMITTED_LOST:
    case MIGRATION_S_CLASH:
        return fail_doubt(migration, error);
    default:
        g_propagate_error(error, migration_why(migration));
        return STEP_FAILED;
    }
}

/* -- the steps of a RECEIVE -- */

/*
 * What was offered was checked, what comes with the memory is what belongs to that: devices may
 * have come and gone since.
 */
static gboolean is_as_offered(const HostConfig *config, const HostConfig *offered)
{
    return strcmp(config->name, offered->name) == 0 && config->memory_kib <= offered->memory_kib;
}

static void opened(gpointer data, HostImage *image, const HostImageInfo *info, const GError *error)
{
    Work *work = data;
    Operation *operation = work->operation;
    g_autoptr(GError) other = NULL;
    operation->image = image;
    for (guint i = 0; image != NULL && i < operation->members->len; i++) {
        OperationNode *node = node_of(operation, i);
        const HostConfig *config = host_image_info_find(info, node->shown.uuid);
        if (config != NULL && is_as_offered(config, node->config)) {
            host_config_free(node->config);
            node->config = host_config_copy(config);
        } else if (other == NULL)
            other = g_error_new(DOMGRP_ERROR, DOMGRP_ERROR_PEER,
                                config == NULL ? "the image that comes in has no %s"
                                               : "the image that comes in has a %s that is not as "
                                                 "it was offered",
                                node->shown.name);
    }
    work_called(work, other != NULL ? other : error);
}

StepResult migrate_open(Work *work, GError **error)
{
    Migration *migration = work->group->migration;
    Host *host = migration_host(migration);
    if (migration_state(migration) != MIGRATION_D_RECEIVING || migration->connection == 0) {
        g_propagate_error(error, migration_why(migration));
        return STEP_FAILED;
    }
    guint64 memory_kib = 0; /* it was checked that there is so much */
    for (guint i = 0; i < work->operation->members->len; i++)
        memory_kib += node_of(work->operation, i)->config->memory_kib;
    host->ops->image_receive(host, migration->data, work->group->members->len, memory_kib, opened,
                             work);
    migration->data = -1;
    return STEP_CALL;
}

/* Before READY is said: what holds the copies outlives this daemon, and xl cannot undo it. */
static void held(gpointer data, const HostPause *pause, const GError *error)
{
    Work *work = data;
    if (error == NULL)
        work->group->paused = TRUE;
    work_called(work, error);
}

StepResult migrate_hold(Work *work, GError **error)
{
    Host *host = work->engine->host;
    g_autoptr(GArray) domids = group_domids(work->group);
    host->ops->group_pause(host, work->group->id, domids->len, (const guint32 *)domids->data, held,
                           work);
    return STEP_CALL;
}

/* Every copy is complete and held: END may come, or has. */
StepResult migrate_prepared(Work *work, GError **error)
{
    Migration *migration = work->group->migration;
    if (!migration->built) {
        migration->built = TRUE;
        if (migration->end_came)
            transaction_receive(migration->transaction, migration->connection, migration->uuid,
                                MIGRATION_MESSAGE_END);
    }
    if (migration_state(migration) == MIGRATION_D_RECEIVING || migration_is_busy(migration))
        return STEP_WATCH;
    if (migration_state(migration) != MIGRATION_D_NONE)
        return STEP_DONE;
    g_propagate_error(error, migration_why(migration));
    return STEP_FAILED;
}

/* Without groups what holds the members is their own pause, and each is let run in its turn. */
StepResult migrate_let_go(Work *work, GError **error)
{
    return work->engine->facts.has_groups ? group_step_unpause(work, error) : STEP_DONE;
}

/* From here on what fails with one member does not hold up the others. */
StepResult migrate_go_on(Work *work, GError **error)
{
    work->operation->policy = DOMGRP_POLICY_CONTINUE;
    return STEP_DONE;
}

/* -- undoing a MIGRATE or a RECEIVE: the driver does it -- */

static gboolean is_undecided(const Migration *migration)
{
    guint state = migration_state(migration);
    if (migration->transaction == NULL || migration->over)
        return FALSE;
    return migration_is_source(migration)
               ? state == MIGRATION_S_CHECKING || state == MIGRATION_S_SENDING ||
                     state == MIGRATION_S_SWITCHING || state == MIGRATION_S_WAITING
               : state == MIGRATION_D_RECEIVING;
}

static void give_up(Migration *migration, const GError *cause)
{
    gboolean cancelled = domgrp_error_code(cause) == DOMGRP_ERROR_CANCELLED;
    guint state = migration_state(migration);
    gboolean cancels = migration_is_source(migration) &&
                       (cancelled || state == MIGRATION_S_CHECKING || state == MIGRATION_S_WAITING);
    if (migration->given_up || !is_undecided(migration))
        return;
    migration->given_up = TRUE;
    if (!migration_is_source(migration))
        migration_set_why(migration, cause);
    transaction_event(migration->transaction,
                      cancels ? MIGRATION_EVENT_CANCEL : MIGRATION_EVENT_FAILED, NULL, NULL);
}

StepResult migrate_give_up(Work *work, GError **error)
{
    Migration *migration = work->group->migration;
    operation_close_image(work->operation);
    if (migration == NULL)
        return STEP_DONE;
    migration_close_data(migration); /* or what comes behind would never be heard */
    migration->parked = TRUE;
    if (migration->acting == MIGRATION_ACTION_NOTHING && !migration_is_busy(migration))
        give_up(migration, work->operation->cause);
    if (is_undecided(migration) || migration_is_busy(migration))
        return STEP_WATCH;
    if (!migration_is_source(migration) || !work->operation->committed)
        return STEP_DONE;
    return fail_doubt(migration, error);
}

/* Its operation has ended, however. */
void migration_operation_ended(Operation *operation)
{
    Migration *migration = operation->group != NULL ? operation->group->migration : NULL;
    if (migration == NULL ||
        (operation->kind != OPERATION_MIGRATE && operation->kind != OPERATION_RECEIVE))
        return;
    migration->parked = FALSE;
    if (migration->transaction != NULL) {
        if (operation->error != NULL && is_undecided(migration))
            give_up(migration, operation->error);
        if (migration_state(migration) == MIGRATION_S_HOME && migration_is_source(migration) &&
            !migration->asked)
            migration->over = TRUE; /* no connection was made */
        return;
    }
    if (!migration_is_source(migration) && !migration->answered)
        migration_refuse_offer(migration->engine, migration->connection, migration->uuid,
                               operation->error);
    migration_drop(migration);
}
