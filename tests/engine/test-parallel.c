/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Random orders in parallel: groups of up to twelve members with any acyclic
 * order, probes, guests that take their time, calls that fail, a daemon that
 * dies and operations that are cancelled, at random instants; the checker
 * judges. Then the same with a planner that lies, which it must catch. A
 * seed that fails is printed: test-parallel --seed=R02S...
 */
#include "order.h"
#include "world.h"

#define LIVES 120
#define ACTIONS 10
#define MEMBERS 12

/* -- a planner that lies: linked in place of the engine's (-Wl,--wrap) -- */

const guint *__real_order_needs(const Order *order, guint i, guint *ret_n);
const guint *__wrap_order_needs(const Order *order, guint i, guint *ret_n);

static gboolean lies;

/* Forgets the last thing that a member needs. */
const guint *__wrap_order_needs(const Order *order, guint i, guint *ret_n)
{
    const guint *needs = __real_order_needs(order, i, ret_n);
    *ret_n -= lies && *ret_n > 0;
    return needs;
}

/* -- a group -- */

static gboolean one_in(gint n)
{
    return g_test_rand_int_range(0, n) == 0;
}

static void set_member(World *world, guint i)
{
    static const char *const probes[] = {"tcp 10.0.0.5:1 timeout=9", "delay 2",
                                         "xenstore data/ready timeout=9"};
    g_autofree char *name = g_strdup_printf("m%u", i);
    g_autofree char *text = g_strdup_printf(
        "name = %s\nuuid = 11111111-2222-4333-8444-0000000000%02x\nshutdown_takes = %d\n"
        "ready_after = %d\nignores = %d\n",
        name, i, g_test_rand_int_range(0, one_in(8) ? 16 : 5), g_test_rand_int_range(0, 12),
        one_in(20)); /* a slow guest ends after it was given up on */
    world_set_file(world, name, text);
    for (guint k = 0; k < i; k++) {
        g_autofree char *after = g_strdup_printf("%s: m%u", name, k);
        if (one_in(3))
            g_assert_true(domgrp_settings_add(world->settings, "after", after, NULL));
    }
    g_autofree char *ready =
        g_strdup_printf("%s: %s", name, probes[g_test_rand_int_range(0, G_N_ELEMENTS(probes))]);
    g_autofree char *shutdown =
        g_strdup_printf("%s: timeout=4 then=%s", name, one_in(2) ? "destroy" : "leave");
    if (one_in(3))
        g_assert_true(domgrp_settings_add(world->settings, "ready", ready, NULL));
    g_assert_true(domgrp_settings_add(world->settings, "shutdown", shutdown, NULL));
}

static DomgrpPolicy any_policy(const char *operation)
{
    DomgrpPolicy policy = (DomgrpPolicy)g_test_rand_int_range(0, DOMGRP_POLICY_COUNT);
    return domgrp_policy_check(operation, policy, NULL) ? policy : DOMGRP_POLICY_DEFAULT;
}

static void define(World *world)
{
    g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);
    guint n = (guint)g_test_rand_int_range(2, MEMBERS + 1);
    domgrp_settings_free(world->settings);
    world->settings = domgrp_settings_new();
    for (guint i = 0; i < n; i++) {
        set_member(world, i);
        g_ptr_array_add(names, g_strdup_printf("m%u", i));
    }
    g_ptr_array_add(names, NULL);
    engine_set_parallel(world->engine, (guint)g_test_rand_int_range(1, 9));
    world->options = (EngineOptions){.policy = any_policy("create")};
    world_create(world, "shop", (const char *const *)names->pdata, NULL);
}

/* -- a life -- */

static void pass(World *world, gint64 us)
{
    gint64 until = us < 0 ? -1 : world->host->ops->now(world->host) + us;
    while (world->engine == NULL || !host_sim_run(world->host, until))
        world_restart(world, NULL);
}

static void operate(World *world)
{
    static const OperationKind some[] = {OPERATION_START, OPERATION_SHUTDOWN, OPERATION_REBOOT,
                                         OPERATION_START, OPERATION_DESTROY};
    OperationKind kind = some[g_test_rand_int_range(0, G_N_ELEMENTS(some))];
    EngineOptions options = {.policy = any_policy(operation_kind_name(kind)), .wait = one_in(3)};
    world_expect(world, engine_operate(world->engine, kind, "shop", &options, NULL));
}

static void happen(World *world)
{
    g_autofree char *name = g_strdup_printf("m%d", g_test_rand_int_range(0, MEMBERS));
    if (engine_group_lookup(world->engine, "shop", NULL) == NULL && one_in(2))
        define(world);
    switch (g_test_rand_int_range(0, 8)) {
    case 0:
        if (host_sim_domain_runs(world->host, name))
            sim_guest_end(world->host, name, HOST_REASON_CRASH);
        break;
    case 1:
        engine_cancel(world->engine, world->task, NULL);
        break;
    case 2:
        host_sim_fault(
            world->host, (guint)g_test_rand_int_range(1, 120),
            (SimFault[]){SIM_FAIL_BEFORE, SIM_FAIL_AFTER, SIM_DEATH}[g_test_rand_int_range(0, 3)]);
        break;
    default:
        operate(world);
    }
}

static char *judge(World *world)
{
    host_sim_fault(world->host, 0, SIM_NONE);
    pass(world, -1);
    world_stop(world); /* what could not be closed in the journal is closed by the next start */
    pass(world, -1);
    return world_check(world);
}

/* Returns what was wrong, or NULL. */
static char *live(void)
{
    World *world = world_new();
    char *wrong = NULL;
    define(world);
    for (guint i = 0; i < ACTIONS && wrong == NULL; i++) {
        pass(world, g_test_rand_int_range(0, 9 * G_USEC_PER_SEC));
        happen(world);
        if (one_in(4))
            wrong = judge(world);
    }
    if (wrong == NULL)
        wrong = judge(world);
    if (wrong != NULL && !lies) {
        g_autofree char *trace = checker_trace(world->checker);
        g_autofree char *settings = domgrp_settings_to_text(world->settings);
        g_test_message("%s\n%s", settings, trace);
    }
    world_free(world);
    return wrong;
}

static void test_lives(void)
{
    for (guint i = 0; i < LIVES; i++) {
        g_autofree char *wrong = live();
        if (wrong != NULL)
            g_test_message("%s", wrong);
        g_assert_null(wrong);
    }
}

static void test_liar(void)
{
    guint caught = 0;
    lies = TRUE;
    for (guint i = 0; i < 20; i++) {
        g_autofree char *wrong = live();
        caught += wrong != NULL && strstr(wrong, "which") != NULL;
    }
    lies = FALSE;
    g_test_message("a planner that lies is caught in %u of 20 lives", caught);
    g_assert_cmpuint(caught, >=, 10);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/parallel/lives", test_lives);
    g_test_add_func("/parallel/liar", test_liar);
    return g_test_run();
}
