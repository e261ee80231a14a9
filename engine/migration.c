/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * migration-table.h as arrays, and how they are looked up. Nothing here
 * decides anything.
 */
#include "migration.h"

#include <string.h>

typedef struct {
    const char *name;
    MigrationCopies copies;
    const char *meaning;
} State;

#define X(state, copies, meaning) {#state, MIGRATION_COPIES_##copies, meaning},
static const State source_states[] = {MIGRATION_SOURCE_STATES(X)};
static const State destination_states[] = {MIGRATION_DESTINATION_STATES(X)};
#undef X

#define X(event, meaning) #event,
static const char *const event_names[] = {MIGRATION_EVENTS(X) MIGRATION_TO_DESTINATION(X)
                                              MIGRATION_TO_SOURCE(X)};
#undef X

#define ROW(side, state, event, guard, next, write, action, message)                               \
    {MIGRATION_##side##_##state, MIGRATION_EVENT_##event, MIGRATION_##guard,                       \
     MIGRATION_##side##_##next,  MIGRATION_##write,       MIGRATION_ACTION_##action,               \
     MIGRATION_MESSAGE_##message},

#define X(...) ROW(S, __VA_ARGS__)
static const MigrationRow source_rows[] = {MIGRATION_SOURCE(X)};
#undef X
#define X(...) ROW(D, __VA_ARGS__)
static const MigrationRow destination_rows[] = {MIGRATION_DESTINATION(X)};
#undef X

static const struct {
    const State *states;
    guint n_states;
    const MigrationRow *rows;
    guint n_rows;
} sides[MIGRATION_SIDE_COUNT] = {
    {source_states, G_N_ELEMENTS(source_states), source_rows, G_N_ELEMENTS(source_rows)},
    {destination_states, G_N_ELEMENTS(destination_states), destination_rows,
     G_N_ELEMENTS(destination_rows)},
};

const MigrationRow *migration_step(MigrationSide side, guint state, MigrationEvent event)
{
    for (guint i = 0; i < sides[side].n_rows; i++) {
        const MigrationRow *row = &sides[side].rows[i];
        if (row->state == state && row->event == event)
            return row;
    }
    return NULL;
}

MigrationCopies migration_copies(MigrationSide side, guint state)
{
    return sides[side].states[state].copies;
}

const char *migration_state_name(MigrationSide side, guint state)
{
    return sides[side].states[state].name;
}

const char *migration_state_meaning(MigrationSide side, guint state)
{
    return sides[side].states[state].meaning;
}

gboolean migration_state_from_record(MigrationSide side, const char *name, guint *ret_state)
{
    for (guint i = 0; i < sides[side].n_states; i++) {
        const State *state = &sides[side].states[i];
        if (strcmp(state->name, name) == 0 && state->copies != MIGRATION_COPIES_NEVER) {
            *ret_state = i;
            return TRUE;
        }
    }
    return FALSE;
}

const char *migration_event_name(MigrationEvent event)
{
    return event_names[event];
}

MigrationEvent migration_message_event(MigrationMessage message)
{
    return (MigrationEvent)(message - MIGRATION_MESSAGE_OFFER + MIGRATION_EVENT_OFFER);
}
