/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A fault at every call: each operation is run again and again on groups of
 * one to three members, with the first, second, third... call of the host or
 * the journal failing before its effect, failing after it, or being the last
 * thing the daemon does; then the daemon dies a second time at every call of
 * its recovery. One checker judges all of them.
 */
#include "world.h"

#include <string.h>

#define MEMBERS_MAX 3

static const char *const member_names[] = {"db", "web", "mail"};
static guint runs;

/* -- what is run: from what, which operation, to what -- */

typedef struct {
    const char *name;
    void (*prepare)(World *world, guint n); /* without a fault */
    void (*act)(World *world, guint n);     /* with one */
    const char *after;                      /* the state of every group if it is done */
} Scenario;

static void settle(World *world)
{
    g_assert_true(host_sim_run(world->host, -1));
}

static void begin_create(World *world, guint n)
{
    const char *names[MEMBERS_MAX + 1] = {NULL};
    for (guint i = 0; i < n; i++)
        names[i] = member_names[i];
    world_create(world, "shop", names, NULL);
}

static void begin(World *world, OperationKind kind)
{
    world->last = engine_operate(world->engine, kind, "shop", NULL, NULL);
}

static void nothing(World *world, guint n)
{
}

static void running(World *world, guint n)
{
    begin_create(world, n);
    settle(world);
}

static void stopped(World *world, guint n)
{
    running(world, n);
    begin(world, OPERATION_SHUTDOWN);
    settle(world);
}

static void paused(World *world, guint n)
{
    running(world, n);
    begin(world, OPERATION_PAUSE);
    settle(world);
}

/* One member is xl's. */
static void mixed(World *world, guint n)
{
    running(world, n);
    sim_xl_destroy(world->host, "db");
    settle(world);
    g_assert_true(sim_xl_create(world->host, g_hash_table_lookup(world->files, "db"), NULL));
    settle(world);
}

static void with_cache(World *world, guint n)
{
    running(world, n);
    g_assert_true(sim_xl_create(world->host,
                                "name = cache\nuuid = "
                                "11111111-2222-4333-8444-666666666666\n",
                                NULL));
    settle(world);
}

static void two_groups(World *world, guint n)
{
    const char *names[] = {"cache", NULL};
    world_create(world, "post", names, NULL);
    settle(world);
    running(world, n);
}

static void act_create(World *world, guint n)
{
    begin_create(world, n);
}

static void act_start(World *world, guint n)
{
    begin(world, OPERATION_START);
}

static void act_shutdown(World *world, guint n)
{
    begin(world, OPERATION_SHUTDOWN);
}

static void act_reboot(World *world, guint n)
{
    begin(world, OPERATION_REBOOT);
}

static void act_destroy(World *world, guint n)
{
    begin(world, OPERATION_DESTROY);
}

static void act_delete(World *world, guint n)
{
    begin(world, OPERATION_DELETE);
}

static void act_pause(World *world, guint n)
{
    begin(world, OPERATION_PAUSE);
}

static void act_unpause(World *world, guint n)
{
    begin(world, OPERATION_UNPAUSE);
}

static void act_join(World *world, guint n)
{
    world->last = engine_join(world->engine, "shop", "cache", NULL, NULL);
}

static void act_leave(World *world, guint n)
{
    world->last = engine_join(world->engine, DOMGRP_NAME_NULL, "db", NULL, NULL);
}

static void act_guest_reboot(World *world, guint n)
{
    sim_guest_end(world->host, "db", HOST_REASON_REBOOT);
}

static const Scenario scenarios[] = {
    {"create", nothing, act_create, "running"},
    {"start", stopped, act_start, "running"},
    {"shutdown", running, act_shutdown, "stopped"},
    {"shutdown-of-xls", mixed, act_shutdown, "stopped"},
    {"reboot", running, act_reboot, "running"},
    {"reboot-of-xls", mixed, act_reboot, "running"},
    {"destroy", running, act_destroy, "stopped"},
    {"destroy-paused", paused, act_destroy, "stopped"},
    {"delete", stopped, act_delete, NULL},
    {"pause", running, act_pause, "paused"},
    {"unpause", paused, act_unpause, "running"},
    {"join", with_cache, act_join, "running"},
    {"join-from-group", two_groups, act_join, NULL},
    {"leave", running, act_leave, NULL},
    {"guest-reboot", running, act_guest_reboot, NULL},
};

/* -- what must be true at rest -- */

/* The exit status that the command would have had; DAEMON if the daemon died. */
static DomgrpExit exit_of(World *world)
{
    OperationInfo info;
    if (world->last == NULL)
        return DOMGRP_EXIT_REFUSED;
    operation_get_info(world->last, &info);
    return info.error == NULL ? DOMGRP_EXIT_DONE : domgrp_error_exit(domgrp_error_code(info.error));
}

/* What the exit status promised. */
static char *check_promise(World *world, const Scenario *scenario, DomgrpExit status,
                           const char *before)
{
    g_autofree char *now = world_list(world);
    if ((status == DOMGRP_EXIT_UNDONE || status == DOMGRP_EXIT_REFUSED) && strcmp(now, before) != 0)
        return g_strdup_printf("it was undone, but before:\n%s\nand now:\n%s", before, now);
    if (status != DOMGRP_EXIT_DONE || scenario->after == NULL)
        return NULL;
    g_autofree char *start = g_strdup_printf("shop %s:", scenario->after);
    return g_str_has_prefix(now, start) ? NULL : g_strdup_printf("it was done, but:\n%s", now);
}

/* What the history says was done was done, and not done again, whatever died since. */
static char *check_history(World *world, const Scenario *scenario, guint created)
{
    OperationInfo info;
    g_autoptr(GPtrArray) operations = engine_operations(world->engine);
    if (operations->len == 0)
        return NULL;
    operation_get_info(operations->pdata[0], &info);
    if (info.error != NULL || strcmp(operation_kind_name(info.kind), scenario->name) != 0)
        return NULL;
    guint now = checker_begun(world->checker, "db");
    if (now != created + (scenario->act == act_create || scenario->act == act_start ||
                          scenario->act == act_reboot))
        return g_strdup_printf("db began to run %u times, then %u times", created, now);
    return check_promise(world, scenario, DOMGRP_EXIT_DONE, "");
}

/* Whatever happened, an operator can get rid of it. */
static char *check_way_out(World *world)
{
    for (guint i = 0; i < 2; i++) {
        const char *name = i == 0 ? "shop" : "post";
        if (engine_group_lookup(world->engine, name, NULL) == NULL)
            continue;
        engine_operate(world->engine, OPERATION_DESTROY, name, NULL, NULL);
        settle(world);
        engine_operate(world->engine, OPERATION_DELETE, name, NULL, NULL);
        settle(world);
    }
    sim_xl_destroy(world->host, "cache");
    sim_xl_destroy(world->host, "db"); /* it may have left the group */
    settle(world);
    g_autofree char *host = host_sim_describe(world->host);
    g_autofree char *journal = journal_sim_describe(world->journal);
    return *host == '\0' && *journal == '\0'
               ? NULL
               : g_strdup_printf("after destroy and delete there is:\n%s\n%s", host, journal);
}

/* -- one run -- */

static void restart(World *world)
{
    while (!world_restart(world, NULL)) {
    }
}

/* Runs until all is at rest, restarting the daemon whenever it dies. Returns how often it did. */
static guint run_to_rest(World *world)
{
    guint deaths = 0;
    while (world->engine == NULL || !host_sim_run(world->host, -1)) {
        deaths++;
        restart(world);
    }
    return deaths;
}

static World *prepare(const Scenario *scenario, guint n, gboolean stock)
{
    World *world = world_new();
    if (stock)
        world_make_stock(world);
    for (guint i = 0; i < n; i++) {
        g_autofree char *text = g_strdup_printf(
            "name = %s\nuuid = 11111111-2222-4333-8444-00000000000%u\n", member_names[i], i);
        world_set_file(world, member_names[i], text);
    }
    scenario->prepare(world, n);
    return world;
}

static void report(World *world, const Scenario *scenario, guint n, guint nth, SimFault fault,
                   guint second, char *wrong)
{
    static const char *const names[] = {"no fault", "fails before", "fails after", "hangs",
                                        "is the last"};
    if (wrong == NULL)
        return;
    g_autofree char *result = world->last != NULL ? world_result(world) : g_strdup("refused");
    g_test_message("%s of %u: call %u %s (%s), second %u\nresult: %s\n%s", scenario->name, n, nth,
                   names[fault], host_sim_fault_call(world->host), second, result, wrong);
    g_free(wrong);
    g_test_fail();
}

/* FALSE: there is no @nth call. With @second the daemon dies there again, in its recovery. */
static gboolean run_once(const Scenario *scenario, guint n, guint nth, SimFault fault, guint second,
                         gboolean stock, gboolean *ret_second)
{
    World *world = prepare(scenario, n, stock);
    g_autofree char *before = world_list(world);
    guint created = checker_begun(world->checker, "db");
    DomgrpExit status = DOMGRP_EXIT_DAEMON;
    runs++;

    host_sim_fault(world->host, nth, fault);
    scenario->act(world, n);
    gboolean lived = host_sim_run(world->host, -1);
    gboolean hit = host_sim_fault_call(world->host) != NULL;
    if (lived)
        status = exit_of(world);
    host_sim_fault(world->host, second, second != 0 ? SIM_DEATH : SIM_NONE);
    if (!lived) {
        restart(world);
        run_to_rest(world);
    }
    if (ret_second != NULL)
        *ret_second = host_sim_fault_call(world->host) != NULL;
    host_sim_fault(world->host, 0, SIM_NONE);

    /* What could not be closed in the journal is closed by the next start. */
    g_autofree char *journal = journal_sim_describe(world->journal);
    if (lived && strstr(journal, "open ") != NULL) {
        restart(world);
        run_to_rest(world);
    }
    char *wrong = world_check(world);
    if (wrong == NULL && lived && world->last != NULL)
        wrong = check_promise(world, scenario, status, before);
    if (wrong == NULL)
        wrong = check_history(world, scenario, created);
    if (wrong == NULL)
        wrong = check_way_out(world);
    report(world, scenario, n, nth, fault, second, wrong);
    world_free(world);
    return hit;
}

static void test_single(gconstpointer data)
{
    const Scenario *scenario = data;
    static const SimFault faults[] = {SIM_FAIL_BEFORE, SIM_FAIL_AFTER, SIM_DEATH};
    for (guint n = 1; n <= MEMBERS_MAX; n++)
        for (guint kind = 0; kind < G_N_ELEMENTS(faults); kind++)
            for (guint nth = 1; run_once(scenario, n, nth, faults[kind], 0, FALSE, NULL); nth++) {
            }
}

static void test_stock(gconstpointer data)
{
    static const SimFault faults[] = {SIM_FAIL_BEFORE, SIM_FAIL_AFTER, SIM_DEATH};
    for (guint kind = 0; kind < G_N_ELEMENTS(faults); kind++)
        for (guint nth = 1; run_once(data, 2, nth, faults[kind], 0, TRUE, NULL); nth++) {
        }
}

static void test_double(gconstpointer data)
{
    const Scenario *scenario = data;
    gboolean again = TRUE;
    for (guint nth = 1; run_once(scenario, 2, nth, SIM_DEATH, 0, FALSE, NULL); nth++)
        for (guint second = 1; second == 1 || again; second++)
            run_once(scenario, 2, nth, SIM_DEATH, second, FALSE, &again);
}

/* The checker itself: it must see what it is there for. */
static void test_checker(void)
{
    World *world = prepare(&scenarios[1], 2, FALSE);
    g_autofree char *good = world_check(world);
    g_assert_null(good);
    guint32 id = 0;
    g_assert_true(world->host->ops->group_create(
        world->host, "11111111-2222-4333-8444-777777777777", &id, NULL));
    g_autofree char *leaked = world_check(world);
    g_assert_nonnull(leaked);
    g_assert_true(world->host->ops->group_destroy(world->host, id, NULL));
    journal_sim_lose(world->journal, 1);
    g_autofree char *lost = world_check(world);
    g_assert_nonnull(lost);
    world_free(world);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/faults/checker", test_checker);
    for (guint i = 0; i < G_N_ELEMENTS(scenarios); i++) {
        g_autofree char *name = g_strdup_printf("/faults/single/%s", scenarios[i].name);
        g_test_add_data_func(name, &scenarios[i], test_single);
    }
    for (guint i = 0; i < G_N_ELEMENTS(scenarios); i++) {
        g_autofree char *name = g_strdup_printf("/faults/double/%s", scenarios[i].name);
        g_test_add_data_func(name, &scenarios[i], test_double);
    }
    for (guint i = 0; i < G_N_ELEMENTS(scenarios); i++) {
        g_autofree char *name = g_strdup_printf("/faults/stock/%s", scenarios[i].name);
        g_test_add_data_func(name, &scenarios[i], test_stock);
    }
    int result = g_test_run();
    g_print("# %u runs\n", runs);
    return result;
}
