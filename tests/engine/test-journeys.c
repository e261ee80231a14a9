/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What goes wrong while a group moves: a fault at every call of either host,
 * its journal and its connections; a cut, a death, a power cut or a host that
 * cannot be reached, at many moments; and deaths that follow each other.
 */
#include "journey.h"

#include <string.h>

static guint runs;
static guint wrongs;

static Verdict run(const Plan *plan)
{
    Verdict verdict = journey_run(plan);
    runs++;
    if (verdict.wrong == NULL)
        return verdict;
    g_autofree char *text = journey_text(plan, &verdict);
    if (wrongs++ < 40)
        g_test_message("%s\n%s", text, verdict.wrong);
    g_clear_pointer(&verdict.wrong, g_free);
    g_test_fail();
    return verdict;
}

/* @fault at every call, or at every third. */
static void run_calls(const Story *story, guint side, SimFault fault, gboolean power)
{
    guint step = g_test_slow() ? 1 : 3;
    Plan plan = {.story = story, .side = side, .fault = fault, .power = power};
    for (plan.nth = 1 + (guint)(story - stories) % step; run(&plan).hit != NULL; plan.nth += step) {
    }
}

static void test_calls(gconstpointer data)
{
    for (guint side = 0; side < 2; side++) {
        run_calls(data, side, SIM_FAIL_BEFORE, FALSE);
        run_calls(data, side, SIM_FAIL_AFTER, FALSE);
        run_calls(data, side, SIM_DEATH, FALSE);
        run_calls(data, side, SIM_DEATH, TRUE);
        run_calls(data, side, SIM_HANG, FALSE);
    }
}

static void test_moments(gconstpointer data)
{
    gint64 step = g_test_slow() ? SECOND / 10 : SECOND / 4;
    for (guint side = 0; side < 2; side++)
        for (Happens happens = 0; happens < HAPPENS_COUNT; happens++)
            for (gint64 at = 0; at < 7 * SECOND; at += step) {
                Plan plan = {.story = data, .side = side, .at_us = at, .happens = happens};
                run(&plan);
            }
}

/* The state in the record of @side, "-" if there is none. Free with g_free(). */
static char *record_state(Pair *pair, guint side)
{
    g_autofree char *journal = journal_sim_describe(pair->sides[side]->journal);
    const char *before = side == SOURCE ? "source of shop is " : "destination of shop is ";
    const char *found = strstr(journal, before);
    if (found == NULL)
        return g_strdup("-");
    found += strlen(before);
    return g_strndup(found, strcspn(found, "\n"));
}

/* Without a fault it goes as it says. */
static void test_story(gconstpointer data)
{
    const Story *story = data;
    Plan plan = {.story = data, .happens = HAPPENS_COUNT};
    Pair *pair = journey_begin(story);
    g_autofree char *source = record_state(pair, SOURCE);
    g_autofree char *destination = record_state(pair, DESTINATION);
    g_autofree char *states = g_strdup_printf("%s / %s", source, destination);
    g_assert_cmpstr(states, ==, story->states);
    journey_act(pair, &plan);
    journey_settle(pair, &plan);
    g_autofree char *list = pair_list(pair);
    g_assert_cmpstr(list, ==, story->end);
    pair_free(pair);
}

/* A death at every call, and another at every call after that; or at some. */
static void run_twice(Plan plan, guint step)
{
    Verdict verdict = {.hit = ""};
    for (plan.nth = 1; verdict.hit != NULL; plan.nth += step) {
        verdict.second = "";
        for (plan.second = 1 + plan.nth % step; verdict.second != NULL; plan.second += step)
            verdict = run(&plan);
    }
}

static void test_twice(gconstpointer data)
{
    for (guint i = 0; i < 8; i++) {
        Plan plan = {.story = data, .fault = SIM_DEATH};
        plan.side = i & 1;
        plan.second_side = (i >> 1) & 1;
        plan.power = (i >> 2) & 1;
        run_twice(plan, g_test_slow() ? 5 : 17);
    }
}

/* -- any story -- */

static void add_letters(GString *letters, const char *from, guint most)
{
    for (gint n = g_test_rand_int_range(0, (gint)most + 1); n > 0; n--)
        g_string_append_c(letters, from[g_test_rand_int_range(0, (gint)strlen(from))]);
}

static Plan any_plan(const Story *story)
{
    static const SimFault faults[] = {SIM_NONE, SIM_FAIL_BEFORE, SIM_FAIL_AFTER, SIM_DEATH,
                                      SIM_HANG};
    Plan plan = {.story = story, .happens = HAPPENS_COUNT};
    plan.fault = faults[g_test_rand_int_range(0, G_N_ELEMENTS(faults))];
    plan.side = g_test_rand_bit();
    plan.power = g_test_rand_bit();
    plan.nth = plan.fault != SIM_NONE ? (guint)g_test_rand_int_range(1, 60) : 0;
    plan.second_side = g_test_rand_bit();
    if (plan.fault == SIM_DEATH && g_test_rand_bit())
        plan.second = (guint)g_test_rand_int_range(1, 60);
    return plan;
}

/* The group is migrated, and anything happens then. */
static void run_any(void)
{
    static const char happenings[] = "sdSDxrwww/";
    g_autoptr(GString) before = g_string_new(g_test_rand_bit() ? "mxw" : "m");
    g_autoptr(GString) act = g_string_new(NULL);
    Story story = {.side = g_test_rand_bit(), .cut = (guint)g_test_rand_int_range(0, 5)};
    add_letters(before, happenings, 4);
    add_letters(act, happenings, 4);
    g_autofree char *name =
        g_strdup_printf("%s, %s, message %u of the %s is lost", before->str, act->str, story.cut,
                        story.side == SOURCE ? "source" : "destination");
    story.name = name;
    story.before = before->str;
    story.act = act->str;
    Plan plan = any_plan(&story);
    run(&plan);
}

static void test_any(void)
{
    for (guint i = 0; i < (g_test_slow() ? 5000 : 500); i++)
        run_any();
}

static const struct {
    const char *name;
    void (*run)(gconstpointer story);
} tests[] = {{"stories", test_story},
             {"calls", test_calls},
             {"moments", test_moments},
             {"twice", test_twice}};

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (guint i = 0; i < G_N_ELEMENTS(tests); i++)
        for (const Story *story = stories; story->name != NULL; story++) {
            g_autofree char *name = g_strdup_printf("/journeys/%s/%s", tests[i].name, story->name);
            g_test_add_data_func(name, story, tests[i].run);
        }
    g_test_add_func("/journeys/any", test_any);
    int result = g_test_run();
    g_print("# %u runs\n", runs);
    return result;
}
