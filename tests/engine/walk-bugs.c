/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Whether the walk sees bugs: drivers that leave a write out, do it too late
 * or too early, forget a guard, do what they must not, or break a rule that
 * is not in the table. Each must be found by going on, with a fault or two,
 * from plans that do the row.
 */
#include "walk.h"

#include <string.h>

const MigrationRow *__real_migration_step(MigrationSide side, guint state, MigrationEvent event);
const MigrationRow *__wrap_migration_step(MigrationSide side, guint state, MigrationEvent event);

/* A row as the driver sees it, in place of the table's. */
static struct {
    gboolean is;
    MigrationSide side;
    MigrationRow row;
} seeded;

const MigrationRow *__wrap_migration_step(MigrationSide side, guint state, MigrationEvent event)
{
    if (!seeded.is || side != seeded.side || state != seeded.row.state || event != seeded.row.event)
        return __real_migration_step(side, state, event);
    return &seeded.row;
}

static guint runs;
static guint found;
static guint sought;
static char *finding;

/* -- where rows are done -- */

/* Plans that do a row: of each length the first and the last. */
typedef struct {
    gboolean is;
    Plan first, last;
} Examples;

#define LENGTHS 5
/* Those without an untrue word, and those with one. */
static Examples examples[MIGRATION_SIDE_COUNT][WALK_STATES][MIGRATION_EVENT_COUNT][2][LENGTHS];

void bugs_learn(const Plan *plan, const Walked *walked)
{
    for (MigrationSide side = 0; side < MIGRATION_SIDE_COUNT; side++)
        for (guint state = 0; state < WALK_STATES; state++)
            for (MigrationEvent event = 0; event < MIGRATION_EVENT_COUNT; event++) {
                if (walked->done[side][state][event] == 0 || plan->n >= LENGTHS)
                    continue;
                Examples *known = &examples[side][state][event][walked->excused][plan->n];
                if (!known->is)
                    known->first = *plan;
                known->last = *plan;
                known->is = TRUE;
            }
}

static gboolean see(const Plan *plan, const Walked *walked)
{
    runs++;
    if (walked->wrong == NULL)
        return TRUE;
    g_autofree char *text = walk_plan_text(plan);
    finding = g_strdup_printf("%s (%s)", walked->wrong, text);
    return FALSE;
}

/* Goes on from the plans that do the row, with @levels from there. FALSE: it was found. */
static gboolean go_on(MigrationSide side, guint state, MigrationEvent event,
                      const WalkLevel *levels)
{
    WalkFrom from = {side, state, event};
    const Examples *known = examples[side][state][event][0];
    for (guint i = 0; i < 2 * LENGTHS; i++) /* both kinds */
        if (known[i].is && (!walk_go_on(&known[i].first, &from, levels, see) ||
                            !walk_go_on(&known[i].last, &from, levels, see)))
            return FALSE;
    return TRUE;
}

/* What makes @event happen. */
static guint32 makers(MigrationEvent event)
{
#define BIT(what) (1u << WALK_##what)
    switch (event) {
    case MIGRATION_EVENT_LINK_LOST:
        return BIT(CUT) | BIT(CUT_LATE_S) | BIT(CUT_LATE_D);
    case MIGRATION_EVENT_FAILED:
        return BIT(FAILED_S) | BIT(FAILED_D);
    case MIGRATION_EVENT_CANCEL:
        return BIT(CANCEL);
    case MIGRATION_EVENT_COPY_LOST:
        return BIT(MEDDLE_S) | BIT(MEDDLE_D);
    case MIGRATION_EVENT_START:
        return BIT(START_S) | BIT(START_D);
    case MIGRATION_EVENT_RUN_HERE:
        return BIT(RUN_S) | BIT(RUN_D);
    case MIGRATION_EVENT_DISCARD_HERE:
        return BIT(DISCARD_S) | BIT(DISCARD_D);
    case MIGRATION_EVENT_RESTART:
        return BIT(DIE_S) | BIT(DIE_D);
    case MIGRATION_EVENT_RESTART_LOST:
        return BIT(POWER_S) | BIT(POWER_D);
    default:
        return 0;
    }
}

#define WORDS                                                                                      \
    (BIT(START_S) | BIT(START_D) | BIT(RUN_S) | BIT(RUN_D) | BIT(DISCARD_S) | BIT(DISCARD_D))
#define MEDDLES (BIT(MEDDLE_S) | BIT(MEDDLE_D))
#define FAULTS (BIT(DIE_S) | BIT(DIE_D) | BIT(POWER_S) | BIT(POWER_D) | BIT(CUT))

static gboolean leads_to(MigrationSide side, guint before, MigrationEvent by, guint state)
{
    const MigrationRow *row = __real_migration_step(side, before, by);
    return row != NULL && row->next == state;
}

/* From each row that leads to the state, if the event can be made there. */
static gboolean go_to(MigrationSide side, guint state, MigrationEvent event)
{
    WalkLevel levels[] = {{makers(event), 0}, {FAULTS, 8}, {0}};
    for (guint before = 0; levels[0].mask != 0 && before < WALK_STATES; before++)
        for (MigrationEvent by = 0; by < MIGRATION_EVENT_COUNT; by++)
            if (leads_to(side, before, by, state) && !go_on(side, before, by, levels))
                return FALSE;
    return TRUE;
}

/* A bug that is seen in @event at @state. */
static void look_for(const char *name, MigrationSide side, guint state, MigrationEvent event)
{
    static const WalkLevel ways[][3] = {
        {{FAULTS, 0}, {0}},
        {{BIT(DISCARD_S) | BIT(DISCARD_D), 3}, {BIT(DIE_S) | BIT(DIE_D), 40}, {0}},
        {{FAULTS | WORDS | MEDDLES, 0}, {FAULTS | WORDS | MEDDLES, 12}, {0}},
    };
    guint before = runs;
    g_clear_pointer(&finding, g_free);
    for (guint i = 0; i < G_N_ELEMENTS(ways) && finding == NULL; i++)
        if (go_on(side, state, event, ways[i]) && i == 0)
            go_to(side, state, event);
    sought++;
    found += finding != NULL;
    g_test_message("%s: %s, %u runs", name, finding != NULL ? finding : "nobody notices",
                   runs - before);
    if (finding == NULL)
        g_test_fail();
}

/* A bug that can be anywhere. */
static void look_everywhere(const char *name)
{
    g_clear_pointer(&finding, g_free);
    for (const WalkStory *story = walk_stories; story->name != NULL && finding == NULL; story++)
        walk_tell(story, 1, see);
    sought++;
    found += finding != NULL;
    g_test_message("%s: %s", name, finding != NULL ? finding : "nobody notices");
    g_assert_nonnull(finding);
}

/* -- bugs in rows -- */

static GPtrArray *harmless; /* of GRegex */
static gboolean all;        /* else one in four */
static guint number;

static void read_harmless(const char *path)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *text = NULL;
    g_file_get_contents(path, &text, NULL, &error);
    g_assert_no_error(error);
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
    harmless = g_ptr_array_new_with_free_func((GDestroyNotify)g_regex_unref);
    for (guint i = 0; lines[i] != NULL; i++) {
        if (strchr("# ", lines[i][0]) != NULL)
            continue;
        g_autofree char *whole = g_strdup_printf("^(?:%s)$", lines[i]);
        g_ptr_array_add(harmless, g_regex_new(whole, G_REGEX_OPTIMIZE, 0, &error));
        g_assert_no_error(error);
    }
    g_assert_cmpuint(harmless->len, >, 10);
}

static gboolean is_harmless(const char *name)
{
    for (guint i = 0; i < harmless->len; i++)
        if (g_regex_match(harmless->pdata[i], name, 0, NULL))
            return TRUE;
    return FALSE;
}

static gboolean is_said(const MigrationRow *row)
{
    return row->message > MIGRATION_MESSAGE_HANG_UP;
}

static gboolean has_action(const MigrationRow *row)
{
    return row->action != MIGRATION_ACTION_NOTHING;
}

/*
 * Those that tests/model finds, and this walk does not: its plans are too short for them, or, in
 * the first, the message that nobody expects ends the connection, and all is well the next time.
 */
static const char *const far[] = {
    "destination ACTIVATING on ALL_RUN: no write",
    "destination LOST on RUN_HERE: no guard",
    "source ABORTED on CLASH: no write",
    "destination ACTIVATING on ABORT: no write",
    "destination DONE on ABORT: acts, then writes",
    "source COMMITTED on RESTART_LOST: no action",
    NULL,
};

/* Kinds of bugs: whether a row can have it, and what it makes of the row. */
typedef struct {
    const char *name;
    gboolean only_all;
    gboolean (*seed)(MigrationRow *row);
} Kind;

static gboolean seed_no_write(MigrationRow *row)
{
    gboolean can = row->write != MIGRATION_KEEP;
    row->write = MIGRATION_KEEP;
    return can;
}

static gboolean seed_acts_first(MigrationRow *row)
{
    gboolean can = row->write == MIGRATION_BEFORE && has_action(row);
    row->write = MIGRATION_AFTER;
    return can;
}

static gboolean seed_writes_first(MigrationRow *row)
{
    gboolean can = row->write == MIGRATION_AFTER && has_action(row);
    row->write = MIGRATION_BEFORE;
    return can;
}

static gboolean seed_says_first(MigrationRow *row)
{
    return row->write == MIGRATION_BEFORE && is_said(row);
}

static gboolean seed_no_guard(MigrationRow *row)
{
    gboolean can = row->guard == MIGRATION_ALONE;
    row->guard = MIGRATION_ALWAYS;
    return can;
}

static gboolean seed_no_action(MigrationRow *row)
{
    gboolean can = has_action(row);
    row->action = MIGRATION_ACTION_NOTHING;
    return can;
}

static const Kind kinds[] = {
    {"no write", FALSE, seed_no_write},
    {"acts, then writes", FALSE, seed_acts_first},
    {"writes, then acts", FALSE, seed_writes_first},
    {"says, then writes", FALSE, seed_says_first},
    {"no guard", FALSE, seed_no_guard},
    {"no action", TRUE, seed_no_action},
};

static void seed_row(const Kind *kind, MigrationSide side, const MigrationRow *row)
{
    g_autofree char *name = g_strdup_printf(
        "%s %s on %s: %s", side == MIGRATION_SOURCE_SIDE ? "source" : "destination",
        migration_state_name(side, row->state), migration_event_name(row->event), kind->name);
    seeded.row = *row;
    seeded.side = side;
    if (!kind->seed(&seeded.row) || is_harmless(name) || g_strv_contains(far, name))
        return;
    if (!all && number++ % 4 != 0)
        return;
    seeded.is = TRUE;
    if (kind->seed == seed_says_first)
        walk_seed(BUG_SAYS_THEN_WRITES, &seeded.row, side);
    look_for(name, side, row->state, row->event);
    walk_seed(BUG_NONE, NULL, side);
    seeded.is = FALSE;
}

static void test_rows(gconstpointer kind)
{
    static const guint n_states[] = {MIGRATION_S_COUNT, MIGRATION_D_COUNT};
    for (MigrationSide side = 0; side < MIGRATION_SIDE_COUNT; side++)
        for (guint state = 0; state < n_states[side]; state++)
            for (MigrationEvent event = 0; event < MIGRATION_EVENT_COUNT; event++) {
                const MigrationRow *row = __real_migration_step(side, state, event);
                if (row != NULL)
                    seed_row(kind, side, row);
            }
}

/* -- rows that are wrong -- */

static void test_wrong(void)
{
    static const struct {
        const char *name;
        MigrationSide side;
        MigrationRow row;
    } rows[] = {
#define WRONG(side, state, event, next, action)                                                    \
    {                                                                                              \
#state " on " #event ": " #action, side,                                                   \
        {                                                                                          \
            state, MIGRATION_EVENT_##event, MIGRATION_ALWAYS, next, MIGRATION_KEEP,                \
                MIGRATION_ACTION_##action, MIGRATION_MESSAGE_SILENCE                               \
        }                                                                                          \
    }
        WRONG(MIGRATION_SOURCE_SIDE, MIGRATION_S_COMMITTED, RESTART, MIGRATION_S_COMMITTED, RESUME),
        WRONG(MIGRATION_SOURCE_SIDE, MIGRATION_S_COMMITTED, LINK_LOST, MIGRATION_S_COMMITTED,
              RESUME),
        WRONG(MIGRATION_SOURCE_SIDE, MIGRATION_S_COMMITTED_LOST, RESTART,
              MIGRATION_S_COMMITTED_LOST, COLD_START),
        WRONG(MIGRATION_SOURCE_SIDE, MIGRATION_S_MOVED, RESTART, MIGRATION_S_MOVED, RESUME),
        WRONG(MIGRATION_DESTINATION_SIDE, MIGRATION_D_PREPARED, RESTART, MIGRATION_D_PREPARED,
              RESUME),
        WRONG(MIGRATION_DESTINATION_SIDE, MIGRATION_D_PREPARED, LINK_LOST, MIGRATION_D_PREPARED,
              RESUME),
        WRONG(MIGRATION_DESTINATION_SIDE, MIGRATION_D_PREPARED, LINK_LOST, MIGRATION_D_NONE,
              DESTROY),
        WRONG(MIGRATION_DESTINATION_SIDE, MIGRATION_D_DISCARDED, RESTART, MIGRATION_D_DISCARDED,
              COLD_START),
#undef WRONG
    };
    for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
        seeded.is = TRUE;
        seeded.side = rows[i].side;
        seeded.row = rows[i].row;
        look_for(rows[i].name, rows[i].side, rows[i].row.state, rows[i].row.event);
        seeded.is = FALSE;
    }
}

/* -- rules outside of the table -- */

static void test_rules(void)
{
    static const struct {
        Bug bug;
        const char *name;
    } rules[] = {
        {BUG_NO_BOOT, "that the host has booted is not seen"},
        {BUG_NO_LOOK, "that copies are missing is not seen"},
        {BUG_BELIEVES_WRITES, "that a write has failed is not seen"},
    };
    for (guint i = 0; i < G_N_ELEMENTS(rules); i++) {
        walk_seed(rules[i].bug, NULL, MIGRATION_SOURCE_SIDE);
        look_everywhere(rules[i].name);
        walk_seed(BUG_NONE, NULL, MIGRATION_SOURCE_SIDE);
    }
}

void bugs_add_tests(const char *harmless_path, gboolean each)
{
    all = each;
    read_harmless(harmless_path);
    for (guint i = 0; i < G_N_ELEMENTS(kinds); i++) {
        g_autofree char *name = g_strdup_printf("/bugs/%s", kinds[i].name);
        g_strdelimit(name, " ", '-');
        if (!kinds[i].only_all || all)
            g_test_add_data_func(name, &kinds[i], test_rows);
    }
    g_test_add_func("/bugs/wrong-rows", test_wrong);
    g_test_add_func("/bugs/rules", test_rules);
}

void bugs_print(void)
{
    if (sought > 0)
        g_print("# bugs found: %u of %u, runs: %u\n", found, sought, runs);
    g_free(finding);
    g_ptr_array_unref(harmless);
}
