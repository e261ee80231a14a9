/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * An operator's words about a migration that is open (engine_settle()).
 */
#include "migrate.h"

#include <string.h>

#define SETTLE_CONNECT_US (40 * G_USEC_PER_SEC) /* for an attempt to connect to end: links.h */
#define SETTLE_US (5 * G_USEC_PER_SEC)          /* for a connection to settle what is open */

typedef struct {
    Engine *engine;
    char group_uuid[DOMGRP_UUID_TEXT]; /* whose connection it waits for, or "" */
    EngineSettled done;
    gpointer data;
    GError *error;
    guint timer;
} Settling;

static void settling_free(gpointer data)
{
    Settling *settling = data;
    Host *host = settling->engine->host;
    if (settling->timer != 0)
        host->ops->timer_cancel(host, settling->timer);
    g_clear_error(&settling->error);
    g_free(settling);
}

static void tell_settling(gpointer data)
{
    Settling *settling = data;
    settling->timer = 0;
    settling->done(settling->data, settling->error);
    g_ptr_array_remove(settling->engine->settlings, settling);
}

static void answer_later(Settling *settling, gint64 delay_us)
{
    Host *host = settling->engine->host;
    if (settling->timer != 0)
        host->ops->timer_cancel(host, settling->timer);
    settling->timer = host->ops->timer_add(host, delay_us, tell_settling, settling);
}

static void answer_all_later(Engine *engine, const Group *group, gint64 delay_us)
{
    for (guint i = 0; i < engine->settlings->len; i++) {
        Settling *settling = engine->settlings->pdata[i];
        if (strcmp(settling->group_uuid, group->uuid) == 0)
            answer_later(settling, delay_us);
    }
}

void settlings_wake(Engine *engine, const Group *group)
{
    answer_all_later(engine, group, 0);
}

void settlings_connected(Engine *engine, const Group *group)
{
    answer_all_later(engine, group, SETTLE_US);
}

static void word_taken(gpointer data, const GError *error)
{
    Settling *settling = data;
    if (error != NULL)
        settling->error = g_error_copy(error);
    answer_later(settling, 0);
}

static gboolean fail_settled(const Group *group, GError **error)
{
    g_set_error(error, DOMGRP_ERROR, DOMGRP_ERROR_GROUP_STATE,
                "no migration of %s is open: there is nothing to settle", group->name);
    return FALSE;
}

/* A word is about what was printed: it waits neither for a step to end nor for who may answer. */
static gboolean check_word(const Migration *migration, EngineWord word, GError **error)
{
    if (word == ENGINE_WORD_RUN_HERE && transaction_is_connecting(migration->transaction)) {
        g_set_error(
            error, DOMGRP_ERROR, DOMGRP_ERROR_GROUP_STATE,
            "a connection to %s is just being tried, so the word was not taken: say it again "
            "when that has failed",
            migration->peer);
        return FALSE;
    }
    if (!migration_is_busy(migration))
        return TRUE;
    g_set_error(
        error, DOMGRP_ERROR, DOMGRP_ERROR_GROUP_STATE,
        "the migration of %s is in the middle of a step%s%s%s, so the word was not taken: say "
        "it again when that is done",
        migration->group->name, migration->failed != NULL ? " (which has failed: " : "",
        migration->failed != NULL ? migration->failed->message : "",
        migration->failed != NULL ? ")" : "");
    return FALSE;
}

void engine_settle(Engine *engine, const char *name, EngineWord word, EngineSettled done,
                   gpointer data)
{
    Settling *settling = g_new0(Settling, 1);
    *settling = (Settling){.engine = engine, .done = done, .data = data};
    g_ptr_array_add(engine->settlings, settling);
    const Group *group = engine_group_lookup(engine, name, &settling->error);
    Migration *migration = group != NULL ? group->migration : NULL;
    if (group == NULL || migration == NULL || migration->transaction == NULL) {
        if (group != NULL)
            fail_settled(group, &settling->error);
        answer_later(settling, 0);
        return;
    }
    if (word == ENGINE_WORD_NONE) {
        gboolean tries = migration_is_source(migration) && !migration_is_connected(migration);
        memcpy(settling->group_uuid, group->uuid, sizeof settling->group_uuid);
        transaction_try(migration->transaction);
        answer_later(settling, tries ? SETTLE_CONNECT_US : 0);
    } else if (!check_word(migration, word, &settling->error)) {
        answer_later(settling, 0);
    } else {
        transaction_event(migration->transaction,
                          word == ENGINE_WORD_RUN_HERE ? MIGRATION_EVENT_RUN_HERE
                                                       : MIGRATION_EVENT_DISCARD_HERE,
                          word_taken, settling);
    }
    engine_turn(engine);
}

GPtrArray *settlings_new(void)
{
    return g_ptr_array_new_with_free_func(settling_free);
}
