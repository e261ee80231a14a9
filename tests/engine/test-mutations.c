/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Whether each write of the journal is needed, and where it is: each of them
 * is left out, or changes places with the call after it, in a case that is
 * otherwise as it should be; then the daemon dies, or the host's power is
 * cut, at each call that follows. In one of these runs the checker must find
 * something wrong, or the write is superfluous or the checker blind. Prints
 * a line for each write, and a table of what writes note. A write need not
 * matter in every case: where nothing is built an intent to build something
 * hurts nobody. Each kind must matter in some, lost and out of its place.
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

/* What is noted, and of how many such writes it was found that they were lost, or swapped. */
typedef struct {
    guint n[2];
    guint found[2];
} Tally;

static GHashTable *tallies; /* what is noted to Tally */

static void count(const char *noted, SimFault mutation, gboolean found)
{
    guint i = mutation == SIM_LATE;
    Tally *tally = g_hash_table_lookup(tallies, noted);
    if (tally == NULL) {
        tally = g_new0(Tally, 1);
        g_hash_table_insert(tallies, (gpointer)noted, tally);
    }
    tally->n[i]++;
    tally->found[i] += found;
}

/* Where the next daemon finds out by itself: notes of what has happened, which the host shows. */
static const struct {
    const char *noted;
    gboolean lost, swapped;
} harmless[] = {
    {"a domain is ours", FALSE, TRUE},  /* until it is written, the intent to build it stands */
    {"no domain is ours", FALSE, TRUE}, /* likewise, the intent to end it */
    /* It matters when all was done before undoing began: policy.script has that. */
    {"an operation is being undone", TRUE, TRUE},
    /* The group is there without it, as if a create had been cut off by a death: it stays. */
    {"a group is of this restore", FALSE, TRUE},
    /* The intent to build comes next, and nothing runs before that is written, too. */
    {"a group has left its image", FALSE, TRUE},
};

static gboolean is_harmless(const char *noted, gboolean swapped)
{
    for (guint i = 0; i < G_N_ELEMENTS(harmless); i++)
        if (strcmp(harmless[i].noted, noted) == 0)
            return swapped ? harmless[i].swapped : harmless[i].lost;
    return FALSE;
}

static void test_each_matters(void)
{
    GHashTableIter iter;
    gpointer noted;
    gpointer value;
    g_hash_table_iter_init(&iter, tallies);
    while (g_hash_table_iter_next(&iter, &noted, &value)) {
        const Tally *tally = value;
        g_test_message("%-30s lost: found %3u of %3u   swapped: found %3u of %3u",
                       (const char *)noted, tally->found[0], tally->n[0], tally->found[1],
                       tally->n[1]);
        for (guint i = 0; i < 2; i++)
            if (tally->found[i] == 0 && !is_harmless(noted, i == 1))
                g_test_fail();
    }
    g_assert_cmpuint(g_hash_table_size(tallies), >=, 9); /* all kinds were seen */
}

static gboolean is_write(const char *call)
{
    return g_str_has_prefix(call, "journal_") && strcmp(call, "journal_load") != 0 &&
           strcmp(call, "journal_operations") != 0 && strcmp(call, "journal_migrations") != 0;
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

static void judge(const Case *what, const Plan *plan, const char *noted)
{
    g_autofree char *name = case_name(what);
    g_autofree char *found = NULL;
    for (guint i = 0; i < G_N_ELEMENTS(endings) && found == NULL; i++)
        found = find_wrong(what, *plan, &endings[i]);
    g_test_message("%-40s %3u %-28s %-7s %s", name, plan->mutated, noted,
                   plan->mutation == SIM_LOST ? "lost" : "swapped",
                   found != NULL ? found : "nothing wrong");
    count(noted, plan->mutation, found != NULL);
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
            judge(what, &plan, verdict.lost);
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
    tallies = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, g_free);
    for (const Scenario *scenario = scenarios; scenario->name != NULL; scenario++) {
        g_autofree char *name = g_strdup_printf("/mutations/%s", scenario->name);
        g_test_add_data_func(name, scenario, test_scenario);
    }
    g_test_add_func("/mutations/each-matters", test_each_matters);
    int result = g_test_run();
    g_hash_table_unref(tallies);
    g_print("# %u runs\n", runs);
    return result;
}
