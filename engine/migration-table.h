/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The migration of a group, as data: what each of the two daemons does on
 * each event. engine/migration.c is this table in C; tests/model/table.py
 * makes the checked model's text and the tables of docs/migration.md from
 * it. It holds no logic and includes nothing.
 *
 * A daemon takes one event at a time and does the whole row: it writes,
 * acts, enters the next state and sends. Where there is no row, a local
 * event is refused and changes nothing, and a message ends the connection.
 */
#ifndef DOMGRP_ENGINE_MIGRATION_TABLE_H
#define DOMGRP_ENGINE_MIGRATION_TABLE_H

/* clang-format off */

/*
 * X(state, copies, meaning). A row that writes, writes the state that it
 * enters, with the host's boot id: the state in which a new daemon begins.
 * HOME and NONE mean that there is no record: the group is here, or not.
 * Copies: FREE, the members live as members do; HELD, each copy stands still
 * under the group's own pause, and one that is missing makes all of them
 * lost; NEVER, this state is never written.
 */
#define MIGRATION_SOURCE_STATES(X)                                                                      \
    X(HOME, FREE, "the group is here, and no migration of it is open")                                  \
    X(CHECKING, NEVER, "the destination is asked whether it can take the group")                        \
    X(SENDING, FREE, "members run; their memory is copied")                                             \
    X(SWITCHING, FREE, "members are suspended, in reverse order, and the rest is sent")                 \
    X(WAITING, NEVER, "all is sent; the destination has to say READY")                                  \
    X(COMMITTED, HELD, "the destination may run the group; the suspended copies are kept")              \
    X(COMMITTED_LOST, FREE, "the destination may run the group; there are no copies here any more")     \
    X(ABORTED, FREE, "the group lives here again; the destination has to drop its copy")                \
    X(ABORTED_LOST, NEVER, "nothing of the group lives here; it is ours unless it lives there")         \
    X(CLASH, HELD, "both sides ran the group by contradictory words: held until one is discarded")      \
    X(MOVED, FREE, "the group is the destination's, which has to be told that we know")                 \
    X(NONE, FREE, "the group is not here")

#define MIGRATION_DESTINATION_STATES(X)                                                                 \
    X(NONE, FREE, "the group is not here")                                                              \
    X(RECEIVING, FREE, "members are built, paused, as their memory comes in")                           \
    X(PREPARED, HELD, "every copy is complete and held; in doubt until the source has said more")       \
    X(ACTIVATING, FREE, "the group is ours: members are let run, in forward order")                     \
    X(DONE, FREE, "the members run; the source has to know")                                            \
    X(LOST, NEVER, "the group is ours, but its memory went with the host; the source may have it back") \
    X(DISCARDED, FREE, "the copies are given up and never ran: the proof for the source")               \
    X(CLASH, HELD, "both sides ran the group by contradictory words: held until one is discarded")      \
    X(HOME, FREE, "the group is here, and no migration of it is open")

/* X(event, meaning): what comes from this host. */
#define MIGRATION_EVENTS(X)                                                                             \
    X(RESTART, "a new daemon, and what the record speaks of is there")                                  \
    X(RESTART_LOST, "a new daemon, and it is not: the host has booted, or a held copy is missing")      \
    X(CONNECTED, "a connection was made to settle an open transaction")                                 \
    X(LINK_LOST, "the connection has ended, or was silent for too long")                                \
    X(MIGRATE, "an operator asks for it, and a connection was made")                                    \
    X(COPIED, "pre-copy has come as far as it will")                                                    \
    X(SENT, "all members are suspended and all of their memory was given to the connection")            \
    X(FAILED, "a member cannot be sent, suspended or built")                                            \
    X(TIMEOUT, "the other side took too long")                                                          \
    X(CANCEL, "an operator takes it back")                                                              \
    X(ALL_RUN, "every member was let run")                                                              \
    X(COPY_LOST, "a stranger destroyed a copy that is held")                                            \
    X(START, "somebody, or the boot of the host, wants the group started")                              \
    X(RUN_HERE, "--settle --run-here --peer-is-off")                                                    \
    X(DISCARD_HERE, "--settle --discard-here")

/* X(message, meaning). Each carries the transaction's UUID. */
#define MIGRATION_TO_DESTINATION(X)                                                                     \
    X(OFFER, "the group's definition, what it needs, versions: can you take it?")                       \
    X(END, "every member's memory is complete: prepare")                                                \
    X(COMMIT, "it is decided: the group is yours")                                                      \
    X(ABORT, "the group lives here: drop it")                                                           \
    X(ABORT_LOST, "nothing of it lives here: drop it, unless it lives with you")                        \
    X(FORGET, "we know that it is yours")

#define MIGRATION_TO_SOURCE(X)                                                                          \
    X(ACCEPT, "yes: send")                                                                              \
    X(READY, "every copy is complete, held and on record")                                              \
    X(DONE, "the group is ours, and started if its memory was there")                                   \
    X(DISCARDED, "our copies are given up and never ran")                                               \
    X(CLASH, "it lives here too: ours is held now")                                                     \
    X(GONE, "we have nothing of this transaction")

/* What a row may do on its host; each may be done twice. */
#define MIGRATION_ACTIONS(X)                                                                            \
    X(NOTHING, "")                                                                                      \
    X(STOP_COPYING, "end pre-copy; members run on")                                                     \
    X(RESUME, "let every copy that was suspended run on, in forward order")                             \
    X(HOLD, "pause the group")                                                                          \
    X(DESTROY, "destroy every copy")                                                                    \
    X(LOSE, "destroy what is left, report the group's memory as lost")                                  \
    X(COLD_START, "start members afresh, as the boot of a host does")

/*
 * X(state, event, guard, next, write, action, message)
 * Guard: ALONE, only while there is no connection. Write: KEEP, none; BEFORE
 * the action, or AFTER it. Message: SILENCE, none; HANG_UP ends the
 * connection.
 */
#define MIGRATION_SOURCE(X)                                                                             \
    X(HOME,           RESTART,      ALWAYS, HOME,           KEEP,   NOTHING,      SILENCE)              \
    X(HOME,           RESTART_LOST, ALWAYS, HOME,           AFTER,  LOSE,         SILENCE)              \
    X(HOME,           START,        ALWAYS, HOME,           KEEP,   COLD_START,   SILENCE)              \
    X(HOME,           MIGRATE,      ALWAYS, CHECKING,       KEEP,   NOTHING,      OFFER)                \
    X(CHECKING,       ACCEPT,       ALWAYS, SENDING,        BEFORE, NOTHING,      SILENCE)              \
    X(CHECKING,       GONE,         ALWAYS, HOME,           KEEP,   NOTHING,      HANG_UP)              \
    X(CHECKING,       LINK_LOST,    ALWAYS, HOME,           KEEP,   NOTHING,      SILENCE)              \
    X(CHECKING,       TIMEOUT,      ALWAYS, HOME,           KEEP,   NOTHING,      HANG_UP)              \
    X(CHECKING,       CANCEL,       ALWAYS, HOME,           KEEP,   NOTHING,      HANG_UP)              \
    X(SENDING,        COPIED,       ALWAYS, SWITCHING,      BEFORE, NOTHING,      SILENCE)              \
    X(SENDING,        GONE,         ALWAYS, HOME,           AFTER,  STOP_COPYING, HANG_UP)              \
    X(SENDING,        LINK_LOST,    ALWAYS, HOME,           AFTER,  STOP_COPYING, SILENCE)              \
    X(SENDING,        FAILED,       ALWAYS, HOME,           AFTER,  STOP_COPYING, HANG_UP)              \
    X(SENDING,        CANCEL,       ALWAYS, HOME,           AFTER,  STOP_COPYING, HANG_UP)              \
    X(SENDING,        RESTART,      ALWAYS, HOME,           AFTER,  STOP_COPYING, SILENCE)              \
    X(SENDING,        RESTART_LOST, ALWAYS, HOME,           AFTER,  LOSE,         SILENCE)              \
    X(SWITCHING,      SENT,         ALWAYS, WAITING,        KEEP,   NOTHING,      END)                  \
    X(SWITCHING,      GONE,         ALWAYS, HOME,           AFTER,  RESUME,       HANG_UP)              \
    X(SWITCHING,      LINK_LOST,    ALWAYS, HOME,           AFTER,  RESUME,       SILENCE)              \
    X(SWITCHING,      TIMEOUT,      ALWAYS, HOME,           AFTER,  RESUME,       HANG_UP)              \
    X(SWITCHING,      FAILED,       ALWAYS, HOME,           AFTER,  RESUME,       HANG_UP)              \
    X(SWITCHING,      CANCEL,       ALWAYS, HOME,           AFTER,  RESUME,       HANG_UP)              \
    X(SWITCHING,      RESTART,      ALWAYS, ABORTED,        BEFORE, RESUME,       SILENCE)              \
    X(SWITCHING,      RESTART_LOST, ALWAYS, COMMITTED_LOST, BEFORE, NOTHING,      SILENCE)              \
    X(WAITING,        READY,        ALWAYS, COMMITTED,      BEFORE, NOTHING,      COMMIT)               \
    X(WAITING,        GONE,         ALWAYS, HOME,           AFTER,  RESUME,       HANG_UP)              \
    X(WAITING,        LINK_LOST,    ALWAYS, ABORTED,        BEFORE, RESUME,       SILENCE)              \
    X(WAITING,        TIMEOUT,      ALWAYS, ABORTED,        BEFORE, RESUME,       HANG_UP)              \
    X(WAITING,        CANCEL,       ALWAYS, ABORTED,        BEFORE, RESUME,       HANG_UP)              \
    X(COMMITTED,      CONNECTED,    ALWAYS, COMMITTED,      KEEP,   NOTHING,      COMMIT)               \
    X(COMMITTED,      DONE,         ALWAYS, MOVED,          BEFORE, DESTROY,      FORGET)               \
    X(COMMITTED,      DISCARDED,    ALWAYS, ABORTED,        BEFORE, RESUME,       ABORT)                \
    X(COMMITTED,      COPY_LOST,    ALWAYS, COMMITTED_LOST, KEEP,   DESTROY,      SILENCE)              \
    X(COMMITTED,      DISCARD_HERE, ALWAYS, COMMITTED_LOST, KEEP,   DESTROY,      SILENCE)              \
    X(COMMITTED,      RESTART,      ALWAYS, COMMITTED,      KEEP,   HOLD,         SILENCE)              \
    X(COMMITTED,      RESTART_LOST, ALWAYS, COMMITTED_LOST, KEEP,   DESTROY,      SILENCE)              \
    X(COMMITTED_LOST, CONNECTED,    ALWAYS, COMMITTED_LOST, KEEP,   NOTHING,      COMMIT)               \
    X(COMMITTED_LOST, DONE,         ALWAYS, MOVED,          BEFORE, NOTHING,      FORGET)               \
    X(COMMITTED_LOST, DISCARDED,    ALWAYS, COMMITTED_LOST, KEEP,   NOTHING,      ABORT_LOST)           \
    X(COMMITTED_LOST, GONE,         ALWAYS, HOME,           AFTER,  LOSE,         HANG_UP)              \
    X(COMMITTED_LOST, RUN_HERE,     ALONE,  ABORTED,        BEFORE, COLD_START,   SILENCE)              \
    X(COMMITTED_LOST, RESTART,      ALWAYS, COMMITTED_LOST, KEEP,   NOTHING,      SILENCE)              \
    X(COMMITTED_LOST, RESTART_LOST, ALWAYS, COMMITTED_LOST, KEEP,   NOTHING,      SILENCE)              \
    X(ABORTED,        CONNECTED,    ALWAYS, ABORTED,        KEEP,   NOTHING,      ABORT)                \
    X(ABORTED,        GONE,         ALWAYS, HOME,           BEFORE, NOTHING,      HANG_UP)              \
    X(ABORTED,        CLASH,        ALWAYS, CLASH,          BEFORE, HOLD,         SILENCE)              \
    X(ABORTED,        DONE,         ALWAYS, ABORTED,        KEEP,   NOTHING,      SILENCE)              \
    X(ABORTED,        START,        ALWAYS, ABORTED,        KEEP,   COLD_START,   SILENCE)              \
    X(ABORTED,        RESTART,      ALWAYS, ABORTED,        KEEP,   RESUME,       SILENCE)              \
    X(ABORTED,        RESTART_LOST, ALWAYS, ABORTED_LOST,   KEEP,   LOSE,         SILENCE)              \
    X(ABORTED_LOST,   CONNECTED,    ALWAYS, ABORTED_LOST,   KEEP,   NOTHING,      ABORT_LOST)           \
    X(ABORTED_LOST,   GONE,         ALWAYS, HOME,           BEFORE, NOTHING,      HANG_UP)              \
    X(ABORTED_LOST,   DONE,         ALWAYS, MOVED,          BEFORE, NOTHING,      FORGET)               \
    X(ABORTED_LOST,   RUN_HERE,     ALONE,  ABORTED,        BEFORE, COLD_START,   SILENCE)              \
    X(CLASH,          CONNECTED,    ALWAYS, CLASH,          KEEP,   NOTHING,      ABORT)                \
    X(CLASH,          CLASH,        ALWAYS, CLASH,          KEEP,   NOTHING,      SILENCE)              \
    X(CLASH,          DONE,         ALWAYS, CLASH,          KEEP,   NOTHING,      SILENCE)              \
    X(CLASH,          GONE,         ALWAYS, HOME,           AFTER,  RESUME,       HANG_UP)              \
    X(CLASH,          COPY_LOST,    ALWAYS, ABORTED_LOST,   KEEP,   DESTROY,      HANG_UP)              \
    X(CLASH,          DISCARD_HERE, ALWAYS, ABORTED_LOST,   KEEP,   DESTROY,      HANG_UP)              \
    X(CLASH,          RUN_HERE,     ALONE,  ABORTED,        BEFORE, RESUME,       SILENCE)              \
    X(CLASH,          RESTART,      ALWAYS, CLASH,          KEEP,   HOLD,         SILENCE)              \
    X(CLASH,          RESTART_LOST, ALWAYS, ABORTED_LOST,   KEEP,   LOSE,         SILENCE)              \
    X(MOVED,          CONNECTED,    ALWAYS, MOVED,          KEEP,   NOTHING,      FORGET)               \
    X(MOVED,          DONE,         ALWAYS, MOVED,          KEEP,   NOTHING,      SILENCE)              \
    X(MOVED,          GONE,         ALWAYS, NONE,           BEFORE, NOTHING,      HANG_UP)              \
    X(MOVED,          RESTART,      ALWAYS, MOVED,          KEEP,   DESTROY,      SILENCE)              \
    X(MOVED,          RESTART_LOST, ALWAYS, MOVED,          KEEP,   NOTHING,      SILENCE)              \
    X(NONE,           RESTART,      ALWAYS, NONE,           KEEP,   NOTHING,      SILENCE)              \
    X(NONE,           RESTART_LOST, ALWAYS, NONE,           KEEP,   NOTHING,      SILENCE)

#define MIGRATION_DESTINATION(X)                                                                        \
    X(NONE,           OFFER,        ALWAYS, RECEIVING,      BEFORE, NOTHING,      ACCEPT)               \
    X(NONE,           RESTART,      ALWAYS, NONE,           KEEP,   NOTHING,      SILENCE)              \
    X(NONE,           RESTART_LOST, ALWAYS, NONE,           KEEP,   NOTHING,      SILENCE)              \
    X(RECEIVING,      END,          ALWAYS, PREPARED,       BEFORE, NOTHING,      READY)                \
    X(RECEIVING,      FAILED,       ALWAYS, NONE,           AFTER,  DESTROY,      GONE)                 \
    X(RECEIVING,      LINK_LOST,    ALWAYS, NONE,           AFTER,  DESTROY,      SILENCE)              \
    X(RECEIVING,      RESTART,      ALWAYS, NONE,           AFTER,  DESTROY,      SILENCE)              \
    X(RECEIVING,      RESTART_LOST, ALWAYS, NONE,           BEFORE, NOTHING,      SILENCE)              \
    X(PREPARED,       COMMIT,       ALWAYS, ACTIVATING,     BEFORE, NOTHING,      SILENCE)              \
    X(PREPARED,       ABORT,        ALWAYS, NONE,           AFTER,  DESTROY,      GONE)                 \
    X(PREPARED,       ABORT_LOST,   ALWAYS, NONE,           AFTER,  DESTROY,      GONE)                 \
    X(PREPARED,       COPY_LOST,    ALWAYS, DISCARDED,      BEFORE, DESTROY,      SILENCE)              \
    X(PREPARED,       DISCARD_HERE, ALWAYS, DISCARDED,      BEFORE, DESTROY,      SILENCE)              \
    X(PREPARED,       RUN_HERE,     ALONE,  ACTIVATING,     BEFORE, NOTHING,      SILENCE)              \
    X(PREPARED,       RESTART,      ALWAYS, PREPARED,       KEEP,   HOLD,         SILENCE)              \
    X(PREPARED,       RESTART_LOST, ALWAYS, DISCARDED,      BEFORE, DESTROY,      SILENCE)              \
    X(ACTIVATING,     ALL_RUN,      ALWAYS, DONE,           BEFORE, NOTHING,      DONE)                 \
    X(ACTIVATING,     COMMIT,       ALWAYS, ACTIVATING,     KEEP,   NOTHING,      SILENCE)              \
    X(ACTIVATING,     ABORT,        ALWAYS, CLASH,          BEFORE, HOLD,         CLASH)                \
    X(ACTIVATING,     ABORT_LOST,   ALWAYS, ACTIVATING,     KEEP,   NOTHING,      SILENCE)              \
    X(ACTIVATING,     RESTART,      ALWAYS, ACTIVATING,     KEEP,   NOTHING,      SILENCE)              \
    X(ACTIVATING,     RESTART_LOST, ALWAYS, LOST,           KEEP,   LOSE,         SILENCE)              \
    X(DONE,           COMMIT,       ALWAYS, DONE,           KEEP,   NOTHING,      DONE)                 \
    X(DONE,           ABORT,        ALWAYS, CLASH,          BEFORE, HOLD,         CLASH)                \
    X(DONE,           ABORT_LOST,   ALWAYS, DONE,           KEEP,   NOTHING,      DONE)                 \
    X(DONE,           FORGET,       ALWAYS, HOME,           BEFORE, NOTHING,      GONE)                 \
    X(DONE,           START,        ALWAYS, DONE,           KEEP,   COLD_START,   SILENCE)              \
    X(DONE,           RESTART,      ALWAYS, DONE,           KEEP,   NOTHING,      SILENCE)              \
    X(DONE,           RESTART_LOST, ALWAYS, LOST,           KEEP,   LOSE,         SILENCE)              \
    X(LOST,           COMMIT,       ALWAYS, LOST,           KEEP,   NOTHING,      DONE)                 \
    X(LOST,           ABORT,        ALWAYS, NONE,           BEFORE, NOTHING,      GONE)                 \
    X(LOST,           ABORT_LOST,   ALWAYS, NONE,           BEFORE, NOTHING,      GONE)                 \
    X(LOST,           FORGET,       ALWAYS, HOME,           BEFORE, NOTHING,      GONE)                 \
    X(LOST,           RUN_HERE,     ALONE,  DONE,           BEFORE, COLD_START,   SILENCE)              \
    X(DISCARDED,      COMMIT,       ALWAYS, DISCARDED,      KEEP,   NOTHING,      DISCARDED)            \
    X(DISCARDED,      ABORT,        ALWAYS, NONE,           BEFORE, NOTHING,      GONE)                 \
    X(DISCARDED,      ABORT_LOST,   ALWAYS, NONE,           BEFORE, NOTHING,      GONE)                 \
    X(DISCARDED,      RESTART,      ALWAYS, DISCARDED,      KEEP,   DESTROY,      SILENCE)              \
    X(DISCARDED,      RESTART_LOST, ALWAYS, DISCARDED,      KEEP,   NOTHING,      SILENCE)              \
    X(CLASH,          ABORT,        ALWAYS, CLASH,          KEEP,   NOTHING,      CLASH)                \
    X(CLASH,          ABORT_LOST,   ALWAYS, ACTIVATING,     BEFORE, NOTHING,      SILENCE)              \
    X(CLASH,          COPY_LOST,    ALWAYS, LOST,           KEEP,   DESTROY,      HANG_UP)              \
    X(CLASH,          DISCARD_HERE, ALWAYS, NONE,           AFTER,  DESTROY,      GONE)                 \
    X(CLASH,          RUN_HERE,     ALONE,  ACTIVATING,     BEFORE, NOTHING,      SILENCE)              \
    X(CLASH,          RESTART,      ALWAYS, CLASH,          KEEP,   HOLD,         SILENCE)              \
    X(CLASH,          RESTART_LOST, ALWAYS, LOST,           KEEP,   LOSE,         SILENCE)              \
    X(HOME,           START,        ALWAYS, HOME,           KEEP,   COLD_START,   SILENCE)              \
    X(HOME,           RESTART,      ALWAYS, HOME,           KEEP,   NOTHING,      SILENCE)              \
    X(HOME,           RESTART_LOST, ALWAYS, HOME,           AFTER,  LOSE,         SILENCE)

/* clang-format on */

#endif
