/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a daemon does next in the migration of a group: engine/migration-table.h
 * in C. Pure: no I/O, no memory of its own. Who asks does the row as a whole:
 * it writes, acts, enters the next state and sends, in the row's order, and
 * only then takes another event. docs/migration.md tells the protocol.
 */
#ifndef DOMGRP_ENGINE_MIGRATION_H
#define DOMGRP_ENGINE_MIGRATION_H

#include <glib.h>

#include "migration-table.h"

G_BEGIN_DECLS

typedef enum {
    MIGRATION_SOURCE_SIDE,
    MIGRATION_DESTINATION_SIDE,
    MIGRATION_SIDE_COUNT
} MigrationSide;

/* A state of either side: each side has its own, as MIGRATION_S_HOME and MIGRATION_D_HOME. */
typedef enum {
#define X(state, copies, meaning) MIGRATION_S_##state,
    MIGRATION_SOURCE_STATES(X)
#undef X
        MIGRATION_S_COUNT
} MigrationSourceState;

typedef enum {
#define X(state, copies, meaning) MIGRATION_D_##state,
    MIGRATION_DESTINATION_STATES(X)
#undef X
        MIGRATION_D_COUNT
} MigrationDestinationState;

/* Local events, then messages: to the destination, to the source. */
typedef enum {
#define X(event, meaning) MIGRATION_EVENT_##event,
    MIGRATION_EVENTS(X) MIGRATION_TO_DESTINATION(X) MIGRATION_TO_SOURCE(X)
#undef X
        MIGRATION_EVENT_COUNT
} MigrationEvent;

typedef enum {
    MIGRATION_MESSAGE_SILENCE, /* none */
    MIGRATION_MESSAGE_HANG_UP, /* none, and the connection ends */
#define X(message, meaning) MIGRATION_MESSAGE_##message,
    MIGRATION_TO_DESTINATION(X) MIGRATION_TO_SOURCE(X)
#undef X
        MIGRATION_MESSAGE_COUNT
} MigrationMessage;

typedef enum {
#define X(action, meaning) MIGRATION_ACTION_##action,
    MIGRATION_ACTIONS(X)
#undef X
        MIGRATION_ACTION_COUNT
} MigrationAction;

typedef enum { MIGRATION_ALWAYS, MIGRATION_ALONE } MigrationGuard;
typedef enum { MIGRATION_KEEP, MIGRATION_BEFORE, MIGRATION_AFTER } MigrationWrite;

/* What has to be there for a new daemon to begin with RESTART in a state, not with RESTART_LOST. */
typedef enum {
    MIGRATION_COPIES_FREE,  /* the boot of the host in which the state was written */
    MIGRATION_COPIES_HELD,  /* that, and every copy */
    MIGRATION_COPIES_NEVER, /* the state is never written */
} MigrationCopies;

typedef struct {
    guint state; /* MigrationSourceState or MigrationDestinationState, as is next */
    MigrationEvent event;
    MigrationGuard guard;
    guint next;
    MigrationWrite write;
    MigrationAction action;
    MigrationMessage message;
} MigrationRow;

/*
 * The row for @event in @state of @side; NULL if there is none: a local event
 * is refused then, a message ends the connection, and nothing changes. Whoever
 * asks looks at the row's guard.
 */
const MigrationRow *migration_step(MigrationSide side, guint state, MigrationEvent event);

/* What a new daemon needs to find where @state was written. */
MigrationCopies migration_copies(MigrationSide side, guint state);

/* "COMMITTED", the name that is written; a static string. */
const char *migration_state_name(MigrationSide side, guint state);

/* Half a sentence for people; a static string. */
const char *migration_state_meaning(MigrationSide side, guint state);

/* FALSE if @name is none of @side's, or one that is never written. */
gboolean migration_state_from_record(MigrationSide side, const char *name, guint *ret_state);

/* "LINK_LOST", "COMMIT"; a static string. */
const char *migration_event_name(MigrationEvent event);

/* The event that @message is where it arrives; it is neither SILENCE nor HANG_UP. */
MigrationEvent migration_message_event(MigrationMessage message);

G_END_DECLS

#endif
