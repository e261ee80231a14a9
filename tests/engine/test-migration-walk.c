/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The code's walk through the migration table: two drivers on two simulated
 * hosts, with each thing that can go wrong at each point where it can, then
 * each of the faults again at each later point, then all of it on top of the
 * stories that lead to rare states. Every row must have been done, and the
 * judge content after each run.
 */
#include "walk.h"

#include <string.h>

#define MAX_WRONGS 20

static guint runs;
static guint wrongs;
static Walked total; /* the rows */

static char *plan_text(const Plan *plan)
{
    GString *text = g_string_new(NULL);
    for (guint i = 0; i < plan->n; i++)
        g_string_append_printf(text, "%s%u: %s", i > 0 ? "; " : "", plan->steps[i].at,
                               walk_happening_name(plan->steps[i].what));
    return g_string_free(text, FALSE);
}

static gboolean run(const Plan *plan, Walked *ret_walked)
{
    memset(ret_walked->done, 0, sizeof ret_walked->done);
    walk_run(plan, ret_walked);
    runs++;
    for (gsize i = 0; i < sizeof total.done / sizeof(gboolean); i++)
        ((gboolean *)total.done)[i] |= ((gboolean *)ret_walked->done)[i];
    if (ret_walked->wrong == NULL)
        return TRUE;
    g_autofree char *text = plan_text(plan);
    if (wrongs++ < MAX_WRONGS)
        g_test_message("%s: %s", text, ret_walked->wrong);
    g_clear_pointer(&ret_walked->wrong, g_free);
    return TRUE;
}

#define BIT(what) (1u << WALK_##what)
#define FAULTS (BIT(DIE_S) | BIT(DIE_D) | BIT(POWER_S) | BIT(POWER_D) | BIT(CUT))
#define CUTS (BIT(CUT) | BIT(CUT_LATE_S) | BIT(CUT_LATE_D) | BIT(OUTAGE) | BIT(STALL))
#define ALL (~0u)

/* What goes wrong first, what on top of that... A mask of 0 ends it. */
typedef struct {
    guint32 mask;
    guint most; /* of all that could, this many are taken, evenly; 0: all */
} Level;

static gboolean explore(const Plan *base, const Level *levels);

static guint count_choices(const Plan *base, const Walked *walked, guint32 mask)
{
    guint n = 0;
    for (guint at = base->n > 0 ? base->steps[base->n - 1].at : 1;
         at <= MIN(walked->points, WALK_MAX_POINTS); at++)
        n += (guint)__builtin_popcount(walked->may[at] & mask);
    return n;
}

/* @n in @of, so that @most of them are. */
static gboolean is_taken(guint n, guint of, guint most)
{
    return most == 0 || of <= most || (n + 1) * most / of != n * most / of;
}

static gboolean explore_at(const Plan *base, const Level *levels, guint at, Happening what)
{
    Plan plan = *base;
    plan.steps[plan.n].at = at;
    plan.steps[plan.n].what = what;
    plan.n++;
    return explore(&plan, levels + 1);
}

/* FALSE: something was wrong, and that is what was looked for. */
static gboolean explore(const Plan *base, const Level *levels)
{
    Walked walked;
    if (!run(base, &walked))
        return FALSE;
    guint32 mask = base->n < WALK_MAX_STEPS ? levels->mask : 0;
    guint of = count_choices(base, &walked, mask), n = 0;
    for (guint at = base->n > 0 ? base->steps[base->n - 1].at : 1; n < of; at++)
        for (Happening what = 0; what < WALK_HAPPENING_COUNT; what++)
            if ((walked.may[at] & mask & (1u << what)) != 0 && is_taken(n++, of, levels->most) &&
                !explore_at(base, levels, at, what))
                return FALSE;
    return TRUE;
}

#define BREAKS (BIT(CUT) | BIT(OUTAGE))
#define RUN_WORDS (BIT(RUN_S) | BIT(RUN_D))
#define DISCARD_WORDS (BIT(DISCARD_S) | BIT(DISCARD_D))
#define WORDS (BIT(START_S) | BIT(START_D) | RUN_WORDS | DISCARD_WORDS)
#define FAILURES (BIT(SLOW) | BIT(FAILED_D) | BIT(NO_ACT_S) | BIT(NO_ACT_D))
#define BAD_WRITES (BIT(NO_WRITE_S) | BIT(NO_WRITE_D) | BIT(DOUBT_S) | BIT(DOUBT_D))
#define BOOTS (BIT(POWER_S) | BIT(POWER_D))

/* What every build has; "-m slow" takes more of each. */
static const struct {
    const char *name;
    Level levels[WALK_MAX_STEPS + 1];
} stories[] = {
    {"each", {{ALL, 0}, {0}}},
    {"twice", {{FAULTS, 0}, {FAULTS, 30}, {0}}},
    {"slow", {{FAILURES, 0}, {CUTS | BIT(DIE_S), 20}, {0}}},
    {"unwritable", {{BAD_WRITES, 0}, {FAULTS, 20}, {0}}},
    {"words", {{CUTS, 12}, {FAULTS | WORDS, 12}, {WORDS, 6}, {0}}},
    {"lost", {{BIT(OUTAGE), 5}, {BOOTS | BIT(DISCARD_S), 15}, {RUN_WORDS, 3}, {FAULTS, 12}, {0}}},
    {"late-word", {{BIT(OUTAGE), 0}, {BIT(POWER_S), 2}, {BIT(SLOW), 3}, {BIT(RUN_D), 0}, {0}}},
    {"clash", {{BREAKS, 0}, {BIT(RUN_D), 0}, {ALL, 20}, {0}}},
    {"clash-alone",
     {{BREAKS, 0}, {BIT(RUN_D), 2}, {BREAKS, 8}, {RUN_WORDS | DISCARD_WORDS, 0}, {0}}},
    {"clash-meddled", {{BREAKS, 0}, {BIT(RUN_D), 2}, {BIT(MEDDLE_S) | BIT(MEDDLE_D), 0}, {0}}},
    {"clash-lost", {{BREAKS, 0}, {BIT(RUN_D), 3}, {BIT(POWER_D), 4}, {BIT(POWER_S), 4}, {0}}},
};

static void test_story(gconstpointer data)
{
    Level levels[WALK_MAX_STEPS + 1];
    Plan plan = {0};
    guint i = GPOINTER_TO_UINT(data), had_runs = runs, had_wrongs = wrongs;
    memcpy(levels, stories[i].levels, sizeof levels);
    for (guint k = 0; g_test_slow() && levels[k].mask != 0; k++)
        levels[k].most *= 4;
    explore(&plan, levels);
    g_test_message("%u runs", runs - had_runs);
    g_assert_cmpuint(wrongs, ==, had_wrongs);
}

static void test_rows(void)
{
    static const guint n_states[] = {MIGRATION_S_COUNT, MIGRATION_D_COUNT};
    guint n_rows = 0, n_done = 0;
    for (MigrationSide side = 0; side < MIGRATION_SIDE_COUNT; side++)
        for (guint state = 0; state < n_states[side]; state++)
            for (MigrationEvent event = 0; event < MIGRATION_EVENT_COUNT; event++) {
                if (migration_step(side, state, event) == NULL)
                    continue;
                n_rows++;
                n_done += total.done[side][state][event];
                if (!total.done[side][state][event])
                    g_test_message("never done: %s %s on %s",
                                   side == MIGRATION_SOURCE_SIDE ? "source" : "destination",
                                   migration_state_name(side, state), migration_event_name(event));
            }
    g_print("# rows done: %u of %u, runs: %u\n", n_done, n_rows, runs);
    g_assert_cmpuint(n_done, ==, n_rows);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (guint i = 0; i < G_N_ELEMENTS(stories); i++) {
        g_autofree char *name = g_strdup_printf("/walk/%s", stories[i].name);
        g_test_add_data_func(name, GUINT_TO_POINTER(i), test_story);
    }
    g_test_add_func("/walk/rows", test_rows);
    return g_test_run();
}
