/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Whether each write of the journal is needed, and where it is: each of them
 * is left out, or changes places with the call after it, in a case that is
 * otherwise as it should be; then the daemon dies, or the host's power is
 * cut, at each call that follows. In one of these runs the checker must find
 * something wrong, or the write is superfluous or the checker blind. Prints
 * a line for each write.
 */
#include "scenario.h"

#include <string.h>

static guint runs;

typedef struct {
    SimFault fault;
    gboolean power;
    const char *name;
} Ending;

static const Ending endings[] = {
    {SIM_NONE, FALSE, "at rest"},
    {SIM_DEATH, FALSE, "death"},
    {SIM_DEATH, TRUE, "power cut"},
};

static gboolean is_write(const char *call)
{
    return g_str_has_prefix(call, "journal_") && strcmp(call, "journal_load") != 0 &&
           strcmp(call, "journal_operations") != 0;
}

/* Runs with @ending at each later call until something is wrong. NULL: nothing ever is. */
static char *find_wrong(const Case *what, Plan plan, const Ending *ending)
{
    plan.fault = ending->fault;
    plan.power = ending->power;
    for (plan.nth = plan.mutated + 1;; plan.nth++) {
        Verdict verdict = case_run(what, &plan);
        runs++;
        g_autofree char *wrong = verdict.wrong;
        if (wrong != NULL) {
            char *end = strchr(wrong, '\n');
            if (end != NULL)
                *end = '\0';
            return ending->fault == SIM_NONE
                       ? g_strdup_printf("%s: %s", ending->name, wrong)
                       : g_strdup_printf("%s at call %u: %s", ending->name, plan.nth, wrong);
        }
        if (ending->fault == SIM_NONE || !verdict.hit)
            return NULL;
    }
}

static void judge(const Case *what, const Plan *plan, const char *call)
{
    g_autofree char *name = case_name(what);
    g_autofree char *found = NULL;
    for (guint i = 0; i < G_N_ELEMENTS(endings) && found == NULL; i++)
        found = find_wrong(what, *plan, &endings[i]);
    g_test_message("%-40s %3u %-26s %-7s %s", name, plan->mutated, call,
                   plan->mutation == SIM_LOST ? "lost" : "swapped",
                   found != NULL ? found : "NOT FOUND");
    if (found == NULL)
        g_test_fail();
}

static void mutate(const Case *what, SimFault mutation)
{
    Plan plan = {.mutated = 1, .mutation = mutation};
    for (;; plan.mutated++) {
        Plan probe = {.nth = plan.mutated, .fault = SIM_LOST};
        /* What the calls are is seen with a fault that all but writes ignore. */
        Verdict verdict = case_run(what, &probe);
        g_autofree char *wrong = verdict.wrong;
        runs++;
        if (!verdict.hit)
            return;
        if (is_write(verdict.call))
            judge(what, &plan, verdict.call);
    }
}

static void test_scenario(gconstpointer data)
{
    const Shape *shape = shapes;
    const Twist *twist = twists;
    while (strcmp(shape->name, "2-chain") != 0)
        shape++;
    for (; twist->name != NULL; twist++) {
        Case what = {data, shape, twist, DOMGRP_POLICY_DEFAULT, FALSE};
        if (!case_fits(&what) ||
            (twist != twists && !g_test_slow() && strcmp(twist->name, "cannot be built") != 0))
            continue;
        mutate(&what, SIM_LOST);
        mutate(&what, SIM_LATE);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (const Scenario *scenario = scenarios; scenario->name != NULL; scenario++) {
        g_autofree char *name = g_strdup_printf("/mutations/%s", scenario->name);
        g_test_add_data_func(name, scenario, test_scenario);
    }
    int result = g_test_run();
    g_print("# %u runs\n", runs);
    return result;
}
