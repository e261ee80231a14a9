/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The code's walk through the migration table: two drivers on two simulated
 * hosts, with each thing that can go wrong at each point where it can, then
 * each of the faults again at each later point, then all of it on top of the
 * stories that lead to rare states. Every row must have been done, and the
 * judge content after each run. Then drivers with bugs.
 */
#include "walk.h"

#include <string.h>

#define MAX_WRONGS 20

static guint runs;
static guint wrongs;
static Walked total; /* the rows */

static gboolean see(const Plan *plan, const Walked *walked)
{
    runs++;
    for (gsize i = 0; i < sizeof total.done; i++)
        ((guint8 *)total.done)[i] |= ((const guint8 *)walked->done)[i];
    bugs_learn(plan, walked);
    if (walked->wrong == NULL)
        return TRUE;
    g_autofree char *text = walk_plan_text(plan);
    g_test_message("%s: %s", text, walked->wrong);
    return ++wrongs < MAX_WRONGS;
}

static void test_story(gconstpointer story)
{
    guint had_runs = runs, had_wrongs = wrongs;
    walk_tell(story, g_test_slow() ? 4 : 1, see);
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
                n_done += total.done[side][state][event] != 0;
                if (!total.done[side][state][event])
                    g_test_message("never done: %s %s on %s",
                                   side == MIGRATION_SOURCE_SIDE ? "source" : "destination",
                                   migration_state_name(side, state), migration_event_name(event));
            }
    g_print("# rows done: %u of %u, runs: %u\n", n_done, n_rows, runs);
    g_assert_cmpuint(n_done, ==, n_rows);
}

/* Arguments: tests/model/harmless.txt, and "all" for all bugs; more plans with "-m slow". */
int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_assert_cmpint(argc, >=, 2);
    for (const WalkStory *story = walk_stories; story->name != NULL; story++) {
        g_autofree char *name = g_strdup_printf("/walk/%s", story->name);
        g_test_add_data_func(name, story, test_story);
    }
    g_test_add_func("/walk/rows", test_rows);
    bugs_add_tests(argv[1], argc > 2 && strcmp(argv[2], "all") == 0);
    int result = g_test_run();
    bugs_print();
    return result;
}
