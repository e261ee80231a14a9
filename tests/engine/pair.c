/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "pair.h"

#include <string.h>

#define REST_US (3600 * (gint64)G_USEC_PER_SEC) /* within which all must be settled */

static const char *const all_names[] = {"db", "web", "mail"};

Pair *pair_new(void)
{
    Pair *pair = g_new0(Pair, 1);
    pair->n = 2;
    for (guint i = 0; i < 2; i++)
        pair->sides[i] = world_new();
    host_sim_join(pair->sides[SOURCE]->host, pair->sides[DESTINATION]->host);
    for (guint i = 0; i < 2; i++) {
        world_make_links(pair->sides[i]);
        g_assert_true(world_restart(pair->sides[i], NULL)); /* which knows the boot by its number */
    }
    return pair;
}

void pair_free(Pair *pair)
{
    for (guint i = 0; i < 2; i++)
        world_free(pair->sides[i]);
    g_free(pair);
}

/* -- the group -- */

static char *member_text(guint i, const char *line)
{
    return g_strdup_printf("name = %s\nuuid = 11111111-2222-4333-8444-00000000000%u\n%s\n",
                           all_names[i], i, line);
}

void pair_set_file(Pair *pair, const char *member, const char *line)
{
    for (guint i = 0; i < G_N_ELEMENTS(all_names); i++) {
        g_autofree char *text = member_text(i, line);
        if (strcmp(all_names[i], member) == 0)
            world_set_file(pair->sides[SOURCE], member, text);
    }
}

void pair_create(Pair *pair, const char *settings)
{
    World *world = pair->sides[SOURCE];
    const char *names[G_N_ELEMENTS(all_names) + 1] = {NULL};
    for (guint i = 0; i < pair->n; i++) {
        g_autofree char *text = member_text(i, "");
        names[i] = all_names[i];
        if (!g_hash_table_contains(world->files, names[i]))
            world_set_file(world, names[i], text);
    }
    domgrp_settings_free(world->settings);
    g_autoptr(GError) error = NULL;
    world->settings = domgrp_settings_from_text(settings, &error);
    g_assert_no_error(error);
    g_assert_nonnull(world_create(world, "shop", names, NULL));
    pair_rest(pair);
    g_autofree char *result = world_result(world);
    g_assert_cmpstr(result, ==, "done");
}

Operation *pair_migrate(Pair *pair, guint from, const EngineOptions *options, GError **error)
{
    World *world = pair->sides[from];
    EngineOptions with_peer = *options;
    with_peer.peer = from == SOURCE ? "h2" : "h1";
    Operation *operation =
        engine_operate(world->engine, OPERATION_MIGRATE, "shop", &with_peer, error);
    world_expect(world, operation);
    return operation;
}

/* -- what goes wrong -- */

static gboolean says(Journal *journal, const char *const *lines)
{
    g_autofree char *text = journal_sim_describe(journal);
    for (; *lines != NULL; lines++)
        if (strstr(text, *lines) != NULL)
            return TRUE;
    return FALSE;
}

/* Members are there, whatever they do. */
static gboolean has_domains(const World *world)
{
    g_autofree char *text = host_sim_describe(world->host);
    return strstr(text, "domain ") != NULL;
}

/* Whether the copies on @side are the last that may come to run. */
static gboolean has_last_copy(const Pair *pair, guint side)
{
    static const char *const taken[] = {"destination of shop is PREPARED",
                                        "destination of shop is ACTIVATING",
                                        "destination of shop is DONE", NULL};
    static const char *const incomplete[] = {"destination of shop is RECEIVING",
                                             "destination of shop is DISCARDED", NULL};
    static const char *const held[] = {"destination of shop is PREPARED", NULL};
    static const char *const back[] = {"source of shop is ABORTED", NULL};
    const World *world = pair->sides[side];
    if (!has_domains(world))
        return FALSE;
    if (host_sim_domain_runs(world->host, "db") || host_sim_domain_runs(world->host, "web"))
        return TRUE;
    if (side == SOURCE)
        return says(world->journal, back) || pair->given_up[DESTINATION] ||
               !says(pair->sides[DESTINATION]->journal, taken);
    if (says(world->journal, held))
        return pair->given_up[SOURCE] || !has_domains(pair->sides[SOURCE]);
    return !says(world->journal, incomplete);
}

void pair_give_up(Pair *pair)
{
    pair->may_lose = TRUE;
    for (guint i = 0; i < 2; i++)
        checker_allow_loss(pair->sides[i]->checker);
}

static void note_power(Pair *pair, guint side)
{
    static const char *const open[] = {"open ", " of shop is ", NULL};
    if (!has_last_copy(pair, side))
        return;
    pair_give_up(pair);
    pair->must_tell = pair->must_tell || says(pair->sides[side]->journal, open);
}

static void begin_again(Pair *pair, guint side)
{
    while (!world_restart(pair->sides[side], NULL)) {
    }
}

void pair_kill(Pair *pair, guint side)
{
    world_stop(pair->sides[side]);
    begin_again(pair, side);
}

void pair_power(Pair *pair, guint side)
{
    note_power(pair, side);
    pair->booted[side] = TRUE;
    world_stop(pair->sides[side]);
    host_sim_reboot(pair->sides[side]->host);
    begin_again(pair, side);
}

static void note_death(Pair *pair, guint side)
{
    if (pair->died != NULL)
        return;
    pair->died = host_sim_fault_call(pair->sides[side]->host);
    if (pair->second != 0)
        host_sim_fault(pair->sides[pair->second_side]->host, pair->second, SIM_DEATH);
}

void pair_note_hits(Pair *pair, guint side)
{
    const char *second = host_sim_fault_call(pair->sides[pair->second_side]->host);
    pair->hit = pair->died != NULL ? pair->died : host_sim_fault_call(pair->sides[side]->host);
    pair->second_hit = pair->died != NULL && pair->second != 0 ? second : NULL;
}

static void revive(Pair *pair)
{
    for (guint i = 0; i < 2; i++) {
        if (pair->sides[i]->engine != NULL && !host_sim_died(pair->sides[i]->host))
            continue;
        note_death(pair, i);
        if (pair->power)
            pair_power(pair, i);
        else
            pair_kill(pair, i);
    }
}

static void run_until(Pair *pair, gint64 until)
{
    do
        revive(pair);
    while (!host_sim_run(pair->sides[SOURCE]->host, until));
}

void pair_run_for(Pair *pair, gint64 us)
{
    Host *host = pair->sides[SOURCE]->host;
    run_until(pair, host->ops->now(host) + us);
}

void pair_rest(Pair *pair)
{
    pair_run_for(pair, REST_US);
}

/* -- what is there -- */

char *pair_list(Pair *pair)
{
    g_autofree char *first = world_list(pair->sides[SOURCE]);
    g_autofree char *second = world_list(pair->sides[DESTINATION]);
    return g_strdup_printf("%s / %s", first, second);
}

guint pair_owner(Pair *pair)
{
    guint owner = 2;
    guint n = 0;
    for (guint i = 0; i < 2; i++) {
        if (engine_group_lookup(pair->sides[i]->engine, "shop", NULL) == NULL)
            continue;
        owner = i;
        n++;
    }
    return n == 1 ? owner : 2;
}

static char *check_side(Pair *pair, guint side)
{
    g_autofree char *wrong = world_check(pair->sides[side]);
    return wrong != NULL
               ? g_strdup_printf("%s: %s", side == SOURCE ? "source" : "destination", wrong)
               : NULL;
}

static gboolean was_told_by(const World *world)
{
    g_autoptr(GPtrArray) operations = engine_operations(world->engine);
    gboolean told = strstr(world->notes->str, "was lost with this host") != NULL;
    for (guint i = 0; i < operations->len; i++) {
        OperationInfo info;
        operation_get_info(operations->pdata[i], &info);
        told = told || g_error_matches(info.error, DOMGRP_ERROR, DOMGRP_ERROR_LOST);
    }
    return told;
}

/* All run where the group is; or all are down, which had to be, and was told. */
static char *check_lives(Pair *pair)
{
    g_autofree char *list = pair_list(pair);
    if (pair_owner(pair) == 2)
        return g_strdup_printf("not exactly one host knows the group: %s", list);
    if (strstr(list, "shop running: db=running web=running") != NULL)
        return NULL;
    if (!pair->may_lose || strstr(list, "shop stopped: db=stopped web=stopped") == NULL)
        return g_strdup_printf("the group is %s", list);
    if (pair->on_boot && pair->booted[pair_owner(pair)])
        return g_strdup("the group was not started, although its host has booted");
    if (pair->must_tell && !was_told_by(pair->sides[SOURCE]) &&
        !was_told_by(pair->sides[DESTINATION]))
        return g_strdup("the group's memory was lost, and nobody was told");
    return NULL;
}

char *pair_check(Pair *pair)
{
    char *wrong = check_side(pair, SOURCE);
    if (wrong == NULL)
        wrong = check_side(pair, DESTINATION);
    return wrong != NULL ? wrong : check_lives(pair);
}
