/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Whether the journeys see bugs: a table with a wrong row, and a journal that
 * has lost one write of a migration. Each must be found with a fault after
 * it, or it is one that is known to hurt nobody.
 */
#include "journey.h"

#include <string.h>

const MigrationRow *__real_migration_step(MigrationSide side, guint state, MigrationEvent event);
const MigrationRow *__wrap_migration_step(MigrationSide side, guint state, MigrationEvent event);

/* A row as the engine sees it, in place of the table's. */
typedef struct {
    const char *name;
    const char *story;
    MigrationSide side;
    MigrationRow row;
} Bug;

static const Bug *seeded;

const MigrationRow *__wrap_migration_step(MigrationSide side, guint state, MigrationEvent event)
{
    if (seeded == NULL || side != seeded->side || state != seeded->row.state ||
        event != seeded->row.event)
        return __real_migration_step(side, state, event);
    return &seeded->row;
}

#define S(state, event, next, write, action, message)                                              \
    MIGRATION_SOURCE_SIDE,                                                                         \
    {                                                                                              \
        MIGRATION_S_##state, MIGRATION_EVENT_##event, MIGRATION_ALWAYS, MIGRATION_S_##next,        \
            MIGRATION_##write, MIGRATION_ACTION_##action, MIGRATION_MESSAGE_##message              \
    }
#define D(state, event, next, write, action, message)                                              \
    MIGRATION_DESTINATION_SIDE,                                                                    \
    {                                                                                              \
        MIGRATION_D_##state, MIGRATION_EVENT_##event, MIGRATION_ALWAYS, MIGRATION_D_##next,        \
            MIGRATION_##write, MIGRATION_ACTION_##action, MIGRATION_MESSAGE_##message              \
    }

static const Bug bugs[] = {
    {"the source takes the group back when it has committed", "doubt",
     S(COMMITTED, CONNECTED, HOME, BEFORE, RESUME, SILENCE)},
    {"the source does not write that it commits", "live",
     S(WAITING, READY, COMMITTED, KEEP, NOTHING, COMMIT)},
    {"the source keeps its copies", "live", S(COMMITTED, DONE, MOVED, BEFORE, NOTHING, FORGET)},
    {"the source resumes before it writes that it does", "no-ready",
     S(WAITING, LINK_LOST, ABORTED, AFTER, RESUME, SILENCE)},
    {"the destination lets the copies run when the connection is lost", "no-ready",
     D(PREPARED, RESTART, ACTIVATING, BEFORE, NOTHING, SILENCE)},
    {"the destination does not write that it is prepared", "live",
     D(RECEIVING, END, PREPARED, KEEP, NOTHING, READY)},
    {"the destination does not write that the copies are let run", "live",
     D(PREPARED, COMMIT, ACTIVATING, KEEP, NOTHING, SILENCE)},
    {"the destination leaves what it had built", "live",
     D(RECEIVING, LINK_LOST, NONE, AFTER, NOTHING, SILENCE)},
};

static guint runs;

static const Story *story_of(const char *name)
{
    const Story *story = stories;
    while (strcmp(story->name, name) != 0)
        story++;
    return story;
}

/* What is wrong with @fault at one call after another, if something ever is. */
static char *find_wrong(Plan plan)
{
    Verdict verdict = {.hit = ""};
    for (plan.nth = plan.mutated + 1; verdict.hit != NULL; plan.nth++) {
        verdict = journey_run(&plan);
        runs++;
        if (verdict.wrong == NULL)
            continue;
        g_autofree char *text = journey_text(&plan, &verdict);
        g_autofree char *wrong = verdict.wrong;
        return g_strdup_printf("%s: %.*s", text, (int)strcspn(wrong, "\n"), wrong);
    }
    return NULL;
}

/* The same without a fault, and with those that say most. */
static char *find(Plan plan)
{
    static const struct {
        SimFault fault;
        gboolean power;
    } endings[] = {
        {SIM_NONE, FALSE}, {SIM_DEATH, FALSE}, {SIM_DEATH, TRUE}, {SIM_FAIL_BEFORE, FALSE}};
    char *wrong = NULL;
    for (guint i = 0; i < G_N_ELEMENTS(endings) && wrong == NULL; i++)
        for (guint side = 0; side < 2 && wrong == NULL; side++) {
            if (plan.mutated != 0 && side != plan.side)
                continue;
            Plan next = plan;
            next.side = side;
            next.fault = endings[i].fault;
            next.power = endings[i].power;
            wrong = find_wrong(next);
        }
    return wrong;
}

static void test_bug(gconstpointer data)
{
    const Bug *bug = data;
    Plan plan = {.story = story_of(bug->story), .happens = HAPPENS_COUNT};
    seeded = bug;
    g_autofree char *wrong = find(plan);
    seeded = NULL;
    g_test_message("%s: %s", bug->name, wrong != NULL ? wrong : "nothing is wrong");
    if (wrong == NULL)
        g_test_fail();
}

/* -- lost writes -- */

/* Nothing was done to members yet; and that all run is found out once more. */
static const char *const harmless[] = {"a migration is SENDING", "a migration is DONE", NULL};

static void test_lost(gconstpointer data)
{
    Plan plan = {.story = story_of("live"), .side = GPOINTER_TO_UINT(data)};
    Verdict verdict = {.hit = ""};
    for (guint nth = 1; verdict.hit != NULL; nth++) {
        plan.nth = nth;
        plan.fault = SIM_LOST; /* on what is no write it is none */
        plan.mutated = 0;
        verdict = journey_run(&plan);
        runs++;
        g_free(verdict.wrong);
        if (verdict.hit == NULL || !g_str_has_prefix(verdict.hit, "journal_migration_"))
            continue;
        plan.mutated = nth;
        g_autofree char *wrong = find(plan);
        g_test_message("call %u, %s: %s", nth, verdict.lost,
                       wrong != NULL ? wrong : "nothing is wrong");
        if (wrong == NULL && !g_strv_contains(harmless, verdict.lost))
            g_test_fail();
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (guint i = 0; i < G_N_ELEMENTS(bugs); i++) {
        g_autofree char *name = g_strdup_printf("/journey-bugs/row/%u", i + 1);
        g_test_add_data_func(name, &bugs[i], test_bug);
    }
    g_test_add_data_func("/journey-bugs/lost/source", GUINT_TO_POINTER(SOURCE), test_lost);
    g_test_add_data_func("/journey-bugs/lost/destination", GUINT_TO_POINTER(DESTINATION),
                         test_lost);
    int result = g_test_run();
    g_print("# %u runs\n", runs);
    return result;
}
