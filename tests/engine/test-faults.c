/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A fault at every call: each case is run again and again, with the first,
 * second, third... call of the host or the journal failing before its
 * effect, failing after it, never ending, or being the last thing that the
 * daemon or the host does; and then with a second death at every call of the
 * recovery. "-m slow" crosses everything with everything.
 */
#include "scenario.h"

#include <string.h>

static guint runs;
static guint wrongs;

static const char *fault_name(const Plan *plan)
{
    static const char *const names[] = {[SIM_NONE] = "no fault",
                                        [SIM_FAIL_BEFORE] = "fails before",
                                        [SIM_FAIL_AFTER] = "fails after",
                                        [SIM_HANG] = "hangs",
                                        [SIM_DEATH] = "is the last"};
    return plan->power ? "is the last before a power cut" : names[plan->fault];
}

static Verdict run(const Case *what, const Plan *plan)
{
    Verdict verdict = case_run(what, plan);
    runs++;
    if (verdict.wrong == NULL)
        return verdict;
    g_autofree char *name = case_name(what);
    if (wrongs++ < 40)
        g_test_message("%s: call %u %s, second death at %u\n%s", name, plan->nth, fault_name(plan),
                       plan->second, verdict.wrong);
    g_clear_pointer(&verdict.wrong, g_free);
    g_test_fail();
    return verdict;
}

static void run_second(const Case *what, Plan plan)
{
    Verdict verdict = {.hit_second = TRUE};
    for (plan.second = 1; verdict.hit_second; plan.second++)
        verdict = run(what, &plan);
}

static void run_every(const Case *what, SimFault fault, gboolean power, gboolean twice)
{
    Plan plan = {.nth = 1, .fault = fault, .power = power};
    for (; run(what, &plan).hit; plan.nth++)
        if (twice)
            run_second(what, plan);
}

/* All kinds of faults. */
static void run_faults(const Case *what, gboolean twice)
{
    if (!case_fits(what))
        return;
    run_every(what, SIM_FAIL_BEFORE, FALSE, FALSE);
    run_every(what, SIM_FAIL_AFTER, FALSE, FALSE);
    run_every(what, SIM_DEATH, FALSE, twice);
}

static void run_rare_faults(const Case *what, gboolean twice)
{
    if (!case_fits(what))
        return;
    run_every(what, SIM_DEATH, TRUE, twice);
    run_every(what, SIM_HANG, FALSE, FALSE);
}

static const Shape *shape_of(const char *name)
{
    const Shape *shape = shapes;
    while (strcmp(shape->name, name) != 0)
        shape++;
    return shape;
}

/* What every build has of the scenarios with images, which would make it half as slow again. */
static gboolean is_chosen(const Scenario *scenario, const Shape *shape, const Twist *twist)
{
    static const char *const twist_names[] = {"plain", "dies early", "does not suspend",
                                              "suspends late", NULL};
    if (g_test_slow() || !scenario_has_image(scenario))
        return TRUE;
    return (shape->n <= 2 || strcmp(shape->name, "3-fan-in") == 0) &&
           g_strv_contains(twist_names, twist->name);
}

/* -- tests of one scenario each -- */

static void test_shapes(gconstpointer data)
{
    for (const Shape *shape = shapes; shape->name != NULL; shape++) {
        Case what = {data, shape, twists, DOMGRP_POLICY_DEFAULT, FALSE};
        if ((shape->n <= 3 || g_test_slow()) && is_chosen(data, shape, twists))
            run_faults(&what, FALSE);
    }
}

static void test_twists(gconstpointer data)
{
    for (const Twist *twist = twists; twist->name != NULL; twist++)
        for (DomgrpPolicy policy = 0; policy < DOMGRP_POLICY_COUNT; policy++)
            for (const Shape *shape = shapes; shape->name != NULL; shape++) {
                Case what = {data, shape, twist, policy, FALSE};
                if (g_test_slow() ||
                    (strcmp(shape->name, "2-chain") == 0 && is_chosen(data, shape, twist)))
                    run_faults(&what, FALSE);
            }
}

static void test_rare(gconstpointer data)
{
    for (const Twist *twist = twists; twist->name != NULL; twist++)
        for (const Shape *shape = shapes; shape->name != NULL; shape++) {
            Case what = {data, shape, twist, DOMGRP_POLICY_DEFAULT, FALSE};
            if (g_test_slow() || (twist == twists && strcmp(shape->name, "2-chain") == 0))
                run_rare_faults(&what, g_test_slow() && shape->n <= 2);
        }
}

static void test_twice(gconstpointer data)
{
    for (const Shape *shape = shapes; shape->name != NULL; shape++) {
        Case what = {data, shape, twists, DOMGRP_POLICY_DEFAULT, FALSE};
        const char *chosen = scenario_has_image(data) ? "1" : "2-chain";
        if ((g_test_slow() || strcmp(shape->name, chosen) == 0) && case_fits(&what))
            run_every(&what, SIM_DEATH, FALSE, TRUE);
    }
}

static void test_stock(gconstpointer data)
{
    Case what = {data, shape_of("2-chain"), twists, DOMGRP_POLICY_DEFAULT, TRUE};
    run_faults(&what, FALSE);
}

/* The checker itself: it must see what it is there for. */
static void test_checker(void)
{
    Case what = {&scenarios[1], shape_of("2"), twists, DOMGRP_POLICY_DEFAULT, FALSE};
    World *world = case_prepare(&what);
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

static const struct {
    const char *name;
    void (*run)(gconstpointer scenario);
} tests[] = {
    {"shapes", test_shapes}, {"twists", test_twists}, {"rare", test_rare},
    {"twice", test_twice},   {"stock", test_stock},
};

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/faults/checker", test_checker);
    for (guint i = 0; i < G_N_ELEMENTS(tests); i++)
        for (const Scenario *scenario = scenarios; scenario->name != NULL; scenario++) {
            g_autofree char *name = g_strdup_printf("/faults/%s/%s", tests[i].name, scenario->name);
            g_test_add_data_func(name, scenario, tests[i].run);
        }
    int result = g_test_run();
    g_print("# %u runs\n", runs);
    return result;
}
