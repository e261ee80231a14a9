/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The migration table as the daemon sees it: what the model in tests/model
 * takes for granted of it, and one migration from end to end. That the rows
 * are right is the model's to say.
 */
#include "migration.h"

#include <string.h>

static const guint n_states[] = {MIGRATION_S_COUNT, MIGRATION_D_COUNT};

typedef void (*Look)(MigrationSide side, guint state, MigrationEvent event,
                     const MigrationRow *row);

static void at_each_place(Look look)
{
    for (MigrationSide side = 0; side < MIGRATION_SIDE_COUNT; side++)
        for (guint state = 0; state < n_states[side]; state++)
            for (MigrationEvent event = 0; event < MIGRATION_EVENT_COUNT; event++)
                look(side, state, event, migration_step(side, state, event));
}

/* -- the table as a whole -- */

static void is_whole(MigrationSide side, guint state, MigrationEvent event, const MigrationRow *row)
{
    if (row == NULL)
        return;
    g_assert_cmpuint(row->state, ==, state);
    g_assert_cmpuint(row->event, ==, event);
    g_assert_cmpuint(row->next, <, n_states[side]);
    if (row->write != MIGRATION_KEEP)
        g_assert_cmpint(migration_copies(side, row->next), !=, MIGRATION_COPIES_NEVER);
}

static void test_whole(void)
{
    at_each_place(is_whole);
}

/* A daemon can die in any state that is written, and knows then what to do in both cases. */
static void test_restart(void)
{
    for (MigrationSide side = 0; side < MIGRATION_SIDE_COUNT; side++)
        for (guint state = 0; state < n_states[side]; state++) {
            gboolean written = migration_copies(side, state) != MIGRATION_COPIES_NEVER;
            for (MigrationEvent event = MIGRATION_EVENT_RESTART;
                 event <= MIGRATION_EVENT_RESTART_LOST; event++)
                g_assert_cmpint(migration_step(side, state, event) != NULL, ==, written);
        }
}

/* No side says to the other what it cannot hear. */
static void says_what_is_heard(MigrationSide side, guint state, MigrationEvent event,
                               const MigrationRow *row)
{
    if (row == NULL || row->message <= MIGRATION_MESSAGE_HANG_UP)
        return;
    gboolean to_source = row->message >= MIGRATION_MESSAGE_ACCEPT;
    g_assert_cmpint(to_source, ==, side == MIGRATION_DESTINATION_SIDE);
    MigrationSide other = !side;
    gboolean heard = FALSE;
    for (guint there = 0; there < n_states[other]; there++)
        heard |= migration_step(other, there, migration_message_event(row->message)) != NULL;
    g_assert_true(heard);
}

static void test_heard(void)
{
    at_each_place(says_what_is_heard);
}

/* What starts members from their disks is a group that lives here, or an operator's word for one
 * that may not live there; and the source never lets held memory run on but on the proof that it
 * never ran there. */
static void runs_by_right(MigrationSide side, guint state, MigrationEvent event,
                          const MigrationRow *row)
{
    if (row == NULL)
        return;
    if (row->action == MIGRATION_ACTION_COLD_START)
        g_assert_true(event == MIGRATION_EVENT_START || row->guard == MIGRATION_ALONE);
    if (event == MIGRATION_EVENT_RUN_HERE)
        g_assert_cmpint(row->guard, ==, MIGRATION_ALONE);
    if (side == MIGRATION_SOURCE_SIDE && state == MIGRATION_S_COMMITTED &&
        row->action == MIGRATION_ACTION_RESUME)
        g_assert_cmpint(event, ==, MIGRATION_EVENT_DISCARDED);
}

static void test_right(void)
{
    at_each_place(runs_by_right);
}

/* -- names -- */

static void test_names(void)
{
    guint state = 99;
    for (MigrationSide side = 0; side < MIGRATION_SIDE_COUNT; side++)
        for (guint i = 0; i < n_states[side]; i++) {
            gboolean written = migration_copies(side, i) != MIGRATION_COPIES_NEVER;
            const char *name = migration_state_name(side, i);
            g_assert_cmpint(migration_state_from_record(side, name, &state), ==, written);
            g_assert_true(!written || state == i);
            g_assert_cmpuint(strlen(migration_state_meaning(side, i)), >, 0);
        }
    g_assert_false(migration_state_from_record(MIGRATION_SOURCE_SIDE, "committed", &state));
    g_assert_false(migration_state_from_record(MIGRATION_SOURCE_SIDE, "PREPARED", &state));
    g_assert_cmpstr(migration_event_name(MIGRATION_EVENT_LINK_LOST), ==, "LINK_LOST");
    g_assert_cmpstr(migration_event_name(MIGRATION_EVENT_GONE), ==, "GONE");
}

static void test_messages(void)
{
    for (MigrationMessage i = MIGRATION_MESSAGE_OFFER; i < MIGRATION_MESSAGE_COUNT; i++)
        g_assert_cmpint(migration_message_event(i), <, MIGRATION_EVENT_COUNT);
    g_assert_cmpstr(migration_event_name(migration_message_event(MIGRATION_MESSAGE_COMMIT)), ==,
                    "COMMIT");
    g_assert_cmpstr(migration_event_name(migration_message_event(MIGRATION_MESSAGE_READY)), ==,
                    "READY");
}

/* -- one migration, and one that the destination's boot undoes -- */

typedef struct {
    MigrationSide side;
    MigrationEvent event;
} Happening;

static char *tell(const Happening *happenings, guint n)
{
    guint state[] = {MIGRATION_S_HOME, MIGRATION_D_NONE};
    GString *told = g_string_new(NULL);
    for (guint i = 0; i < n; i++) {
        MigrationSide side = happenings[i].side;
        const MigrationRow *row = migration_step(side, state[side], happenings[i].event);
        g_assert_nonnull(row);
        state[side] = row->next;
        g_string_append_printf(told, "%s%c:%s%s", i > 0 ? " " : "", "sd"[side],
                               migration_state_name(side, row->next),
                               row -> write == MIGRATION_KEEP ? "" : "!");
    }
    return g_string_free(told, FALSE);
}

#define S(event)                                                                                   \
    {                                                                                              \
        MIGRATION_SOURCE_SIDE, MIGRATION_EVENT_##event                                             \
    }
#define D(event)                                                                                   \
    {                                                                                              \
        MIGRATION_DESTINATION_SIDE, MIGRATION_EVENT_##event                                        \
    }

static void test_migration(void)
{
    static const Happening happenings[] = {
        S(MIGRATE), D(OFFER),  S(ACCEPT),  S(COPIED), S(SENT),   D(END),
        S(READY),   D(COMMIT), D(ALL_RUN), S(DONE),   D(FORGET), S(GONE),
    };
    g_autofree char *told = tell(happenings, G_N_ELEMENTS(happenings));
    g_assert_cmpstr(told, ==,
                    "s:CHECKING d:RECEIVING! s:SENDING! s:SWITCHING! s:WAITING d:PREPARED! "
                    "s:COMMITTED! d:ACTIVATING! d:DONE! s:MOVED! d:HOME! s:NONE!");
}

static void test_given_back(void)
{
    static const Happening happenings[] = {
        S(MIGRATE),      D(OFFER),     S(ACCEPT), S(COPIED),    S(SENT),  D(END),  S(READY),
        D(RESTART_LOST), S(CONNECTED), D(COMMIT), S(DISCARDED), D(ABORT), S(GONE),
    };
    g_autofree char *told = tell(happenings, G_N_ELEMENTS(happenings));
    g_assert_cmpstr(told, ==,
                    "s:CHECKING d:RECEIVING! s:SENDING! s:SWITCHING! s:WAITING d:PREPARED! "
                    "s:COMMITTED! d:DISCARDED! s:COMMITTED d:DISCARDED s:ABORTED! d:NONE! s:HOME!");
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/migration/whole", test_whole);
    g_test_add_func("/migration/restart", test_restart);
    g_test_add_func("/migration/heard", test_heard);
    g_test_add_func("/migration/right", test_right);
    g_test_add_func("/migration/names", test_names);
    g_test_add_func("/migration/messages", test_messages);
    g_test_add_func("/migration/migration", test_migration);
    g_test_add_func("/migration/given-back", test_given_back);
    return g_test_run();
}
