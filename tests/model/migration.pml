/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The migration of a group of two members between two hosts, for SPIN. What
 * the daemons do is engine/migration-table.h (table.pml is made from it);
 * here is what surrounds them: members, journals, the connection, and what
 * can go wrong, any number of times and at any moment: daemons that die,
 * hosts that lose power, connections that break with anything under way,
 * strangers who destroy copies, operators with right and wrong words. Only
 * transactions are counted. Then it may become calm: nothing more goes
 * wrong, and all has to come to rest as it should.
 *
 * It is asserted that no member runs twice, that memory never runs on that
 * is older than the group, that no last copy is destroyed, that a group has
 * an owner and a definition, and that a loss is reported. "lied" and
 * "blind" remember the words that were not true; only they excuse anything.
 */
#include "table.pml"

#ifndef TRANSACTIONS /* LATE: messages may come again, later */
#define TRANSACTIONS 2
#endif

#define SOURCE 0
#define DESTINATION 1
#define other(h) (1 - (h))

/* -- daemons: what dies with them, and what the journal keeps -- */
bool up[2];
bool starting[2];   /* RESTART or RESTART_LOST is what comes first */
byte state[2];
byte row[2];        /* the row that is being done, 0 if none */
byte step[2];       /* how far it has come */
byte record[2];     /* the state that was written */
bool this_boot[2];  /* it was written since the host has booted */
byte transaction[2];

/* -- hosts -- */
#define ABSENT 0
#define STILL 1
#define RUNS 2
bool on[2];
byte copy[4];       /* of each member on each host */
bool copying;       /* the source's members are slowed down by the copying of their memory */
#define all(h, what) (copy[2 * (h)] == what && copy[2 * (h) + 1] == what)
#define some(h, what) (copy[2 * (h)] == what || copy[2 * (h) + 1] == what)

/* -- the connection: an end is open until its daemon has noticed -- */
bool whole;
bool open[2];
chan to_source = [3] of { byte, byte };
chan to_destination = [2] of { byte, byte };
byte late, late_of; /* a copy of a message that was under way to the destination */


/* -- what nobody sees: the judge -- */
bool current[2];    /* a complete copy of the group's present memory is there and may come to run */
bool cut;           /* what the source has sent is complete and it has not run since */
bool unreported;    /* the last such copy went with its host */
bool ended;         /* ... or by somebody's word: nothing need be there */
bool lied;          /* --peer-is-off was said of a host that is on */
bool blind;         /* --run-here was said of memory that is older than the group */
bool calm, over;

byte event[2];      /* what a daemon takes next; 0 but within one step of the search */
hidden byte r, t, i;
hidden byte seen[ROWS + 1]; /* by this search */
hidden byte only_ours = 1;   /* rules outside of the table, for seeded bugs: a message of another */
hidden byte only_newest = 1; /* transaction does nothing; neither does one of an earlier connection, */
hidden byte all_dropped = 1; /* nor what came after its end */

#define idle(h) (up[h] && !starting[h] && row[h] == 0)
#define row_for(h, event) row_at[((h) * STATES + state[h]) * EVENTS + (event)]
#define takes(h, event) (idle(h) && row_for(h, event) != 0 && \
                         (row_guard[row_for(h, event)] != G_ALONE || !open[h]))
#define held(h) (held_in[(h) * STATES + record[h]])
#define is_settled ((state[SOURCE] == S_HOME && state[DESTINATION] == D_NONE) || \
                    (state[SOURCE] == S_NONE && state[DESTINATION] == D_HOME) || \
                    (lied && state[SOURCE] == S_CLASH && state[DESTINATION] == D_CLASH))

/* -- members -- */

inline check_once()
{
    assert(lied || !(copy[0] == RUNS && copy[2] == RUNS));
    assert(lied || !(copy[1] == RUNS && copy[3] == RUNS));
}

/* What runs is the group from now on, and any other copy of it is old. */
inline has_run(h)
{
    current[h] = true;
    current[other(h)] = false;
    cut = false;
    unreported = false;
    ended = false;
    check_once()
}

inline let_run(h, member)
{
    if
    :: copy[2 * (h) + (member)] == STILL ->
        assert(current[h] || lied || blind);
        copy[2 * (h) + (member)] = RUNS;
        has_run(h)
    :: else
    fi
}

inline cold_start(h)
{
    if
    :: some(h, ABSENT) ->
        if
        :: copy[2 * (h)] == ABSENT -> copy[2 * (h)] = RUNS
        :: else
        fi;
        if
        :: copy[2 * (h) + 1] == ABSENT -> copy[2 * (h) + 1] = RUNS
        :: else
        fi;
        has_run(h)
    :: else
    fi
}

/* Nobody but an operator or a stranger destroys the last complete copy. */
inline give_up(h, by_word)
{
    if
    :: current[h] ->
        assert(current[other(h)] || by_word || lied);
        current[h] = false;
        ended = !current[other(h)]
    :: else
    fi
}

/* -- journals -- */

inline write(h)
{
    record[h] = row_next[row[h]];
    this_boot[h] = true;
    if
    :: h == DESTINATION && record[h] == D_PREPARED ->
        current[h] = cut;
        unreported = unreported && !cut
    :: h == DESTINATION && record[h] == D_DISCARDED -> give_up(h, row_event[row[h]] == E_DISCARD_HERE)
    :: h == DESTINATION && record[h] == D_ACTIVATING && current[h] -> current[SOURCE] = false
    :: h == SOURCE && record[h] == S_ABORTED ->
        current[DESTINATION] = false;
        cut = false;
        ended = !current[h];
        unreported = unreported && !ended /* whoever gave the word to start afresh knows */
    :: else
    fi;
    assert(record[SOURCE] != S_NONE || record[DESTINATION] >= D_PREPARED);
    assert(record[SOURCE] != S_HOME || record[DESTINATION] != D_HOME)
}

/* -- messages -- */

inline drain(h)
{
    if
    :: h == SOURCE ->
        do
        :: nempty(to_source) -> to_source?_, _
        :: empty(to_source) -> break
        od
    :: else ->
        do
        :: nempty(to_destination) -> to_destination?_, _
        :: empty(to_destination) -> break
        od
    fi
}

inline hang_up(h)
{
    if
    :: all_dropped -> drain(h)
    :: else
    fi
}

inline send(h, message, which)
{
    if
    :: message == M_HANG_UP ->
        whole = false;
        open[h] = false;
        hang_up(h)
    :: message > M_HANG_UP && whole && h == SOURCE -> to_destination!message, which
    :: message > M_HANG_UP && whole && h == DESTINATION -> to_source!message, which
    :: else
    fi
}

/* -- one row: write, act, enter the next state and send, with room for death in between -- */

#define WRITE_AFTER 3
#define WRITE_LAST 4

inline finish(h)
{
    state[h] = row_next[row[h]];
    send(h, row_message[row[h]], transaction[h]);
    if
    :: h == DESTINATION && (state[h] == D_NONE || state[h] == D_HOME) -> transaction[h] = 0
    :: else
    fi;
    if
    :: row_write[row[h]] == W_LAST -> step[h] = WRITE_LAST
    :: else ->
        row[h] = 0;
        step[h] = 0
    fi
}

inline acted(h)
{
    if
    :: row_write[row[h]] == W_AFTER -> step[h] = WRITE_AFTER
    :: else -> finish(h)
    fi
}

inline begin(h)
{
    row[h] = (event[h] < EVENTS -> row_for(h, event[h]) : 0);
    event[h] = 0;
    printf("side %d: row %d\n", h, row[h]);
    if
    :: row[h] != 0 ->
        seen[row[h]] = 1;
        if
        :: row_write[row[h]] == W_BEFORE -> write(h)
        :: else
        fi;
        if
        :: row_action[row[h]] == A_NOTHING -> acted(h)
        :: else
        fi
    :: else
    fi
}

inline act(h)
{
    r = row[h];
    if
    :: step[h] == WRITE_AFTER ->
        write(h);
        finish(h)
    :: step[h] == WRITE_LAST ->
        write(h);
        row[h] = 0;
        step[h] = 0
    :: step[h] < 2 && row_action[r] == A_RESUME ->
        let_run(h, step[h]);
        copying = copying && h != SOURCE;
        step[h]++
    :: step[h] < 2 && row_action[r] == A_DESTROY ->
        give_up(h, row_event[r] == E_DISCARD_HERE);
        copy[2 * h + step[h]] = ABSENT;
        copying = copying && h != SOURCE;
        step[h]++
    :: step[h] < 2 && row_action[r] == A_HOLD ->
        if
        :: copy[2 * h] == RUNS -> copy[2 * h] = STILL
        :: else
        fi;
        if
        :: copy[2 * h + 1] == RUNS -> copy[2 * h + 1] = STILL
        :: else
        fi;
        step[h] = 2
    :: step[h] < 2 && row_action[r] == A_LOSE ->
        give_up(h, false);
        copy[2 * h] = ABSENT;
        copy[2 * h + 1] = ABSENT;
        unreported = false;
        step[h] = 2
    :: step[h] < 2 && row_action[r] == A_COLD_START ->
        cold_start(h);
        step[h] = 2
    :: step[h] < 2 && row_action[r] == A_STOP_COPYING ->
        copying = false;
        step[h] = 2
    :: else
    fi;
    if
    :: row[h] != 0 && step[h] == 2 -> acted(h)
    :: else
    fi
}

/* -- the daemons: an event, if one can come now; then its row -- */

#define NO_EVENT EVENTS

inline restart(h)
{
    starting[h] = false;
    state[h] = record[h];
    event[h] = (!this_boot[h] || (held(h) && some(h, ABSENT)) -> E_RESTART_LOST : E_RESTART)
}

inline link_lost(h)
{
    open[h] = false;
    hang_up(h);
    event[h] = E_LINK_LOST
}

/* Nobody is excused by a word that this side can see to be false: the peer is connected. */
inline run_here(h)
{
    lied = lied || (on[other(h)] && !open[h]);
    blind = blind || (some(h, STILL) && !current[h]);
    event[h] = E_RUN_HERE
}

inline connect(what)
{
    whole = true;
    open[SOURCE] = true;
    open[DESTINATION] = true;
    event[SOURCE] = what
}

/* A message that was not expected is a fault of the table. */
inline take(h, message)
{
    event[h] = message - M_OFFER + E_OFFER;
    assert(row_for(h, event[h]) != 0)
}

#define can_connect (!open[SOURCE] && !open[DESTINATION] && idle(DESTINATION))

proctype source()
{
    do
    :: d_step { up[SOURCE] && row[SOURCE] != 0 -> act(SOURCE) }
    :: d_step { idle(SOURCE) && state[SOURCE] == S_SENDING && !copying -> copying = true }
    :: d_step { idle(SOURCE) && state[SOURCE] == S_SWITCHING && copy[1] == RUNS -> copy[1] = STILL }
    :: d_step { idle(SOURCE) && state[SOURCE] == S_SWITCHING && copy[1] != RUNS && copy[0] == RUNS ->
           copy[0] = STILL }
    :: over -> break
    :: atomic {
        if
        :: d_step { up[SOURCE] && starting[SOURCE] -> restart(SOURCE) }
        :: d_step { idle(SOURCE) && open[SOURCE] && !whole -> link_lost(SOURCE) }
        :: d_step { idle(SOURCE) && nempty(to_source) ->
               to_source?r, t;
               assert(t == transaction[SOURCE]);
               take(SOURCE, r) }
        :: d_step { takes(SOURCE, E_CONNECTED) && can_connect -> connect(E_CONNECTED) }
        :: d_step { !calm && takes(SOURCE, E_MIGRATE) && can_connect && all(SOURCE, RUNS) &&
                    transaction[SOURCE] < TRANSACTIONS ->
               transaction[SOURCE]++;
               cut = false;
               connect(E_MIGRATE) }
        :: d_step { takes(SOURCE, E_COPIED) && copying -> event[SOURCE] = E_COPIED }
        :: d_step { takes(SOURCE, E_SENT) && all(SOURCE, STILL) -> cut = true; event[SOURCE] = E_SENT }
        :: d_step { !calm && takes(SOURCE, E_FAILED) -> event[SOURCE] = E_FAILED }
        :: d_step { !calm && takes(SOURCE, E_TIMEOUT) -> event[SOURCE] = E_TIMEOUT }
        :: d_step { !calm && takes(SOURCE, E_CANCEL) -> event[SOURCE] = E_CANCEL }
        :: d_step { !calm && takes(SOURCE, E_START) -> event[SOURCE] = E_START }
        :: d_step { !calm && takes(SOURCE, E_RUN_HERE) -> run_here(SOURCE) }
        :: d_step { !calm && takes(SOURCE, E_DISCARD_HERE) -> event[SOURCE] = E_DISCARD_HERE }
        fi;
        d_step { begin(SOURCE) }
    }
    od
}

/* A message of a transaction that is not on record is answered, and does nothing. */
inline hear()
{
    to_destination?r, t;
    if
    :: r == M_OFFER && state[DESTINATION] == D_NONE -> transaction[DESTINATION] = t
    :: else
    fi;
    if
    :: t != transaction[DESTINATION] ->
        send(DESTINATION, M_GONE, t);
        event[DESTINATION] = NO_EVENT
    :: else -> take(DESTINATION, r)
    fi
}

/* The same message again, out of a connection that has ended: its answer goes nowhere. */
inline hear_late()
{
    event[DESTINATION] = late - M_OFFER + E_OFFER;
    if
    :: only_ours && late_of != transaction[DESTINATION] -> event[DESTINATION] = NO_EVENT
    :: only_newest && late_of == transaction[DESTINATION] -> event[DESTINATION] = NO_EVENT
    :: else
    fi;
    late = 0;
    late_of = 0
}

proctype destination()
{
    do
    :: d_step { up[DESTINATION] && row[DESTINATION] != 0 -> act(DESTINATION) }
    :: d_step { idle(DESTINATION) && state[DESTINATION] == D_RECEIVING && copy[2] == ABSENT -> copy[2] = STILL }
    :: d_step { idle(DESTINATION) && state[DESTINATION] == D_RECEIVING && copy[2] != ABSENT && copy[3] == ABSENT ->
           copy[3] = STILL }
    :: d_step { idle(DESTINATION) && state[DESTINATION] == D_ACTIVATING && copy[2] == STILL ->
           let_run(DESTINATION, 0) }
    :: d_step { idle(DESTINATION) && state[DESTINATION] == D_ACTIVATING && copy[2] != STILL && copy[3] == STILL ->
           let_run(DESTINATION, 1) }
#ifdef LATE
    :: d_step { !calm && late == 0 && nempty(to_destination) && !to_destination?[M_OFFER, _] &&
                (transaction[SOURCE] < TRANSACTIONS || !only_newest) ->
           to_destination?<late, late_of> }
#endif
    :: over -> break
    :: atomic {
        if
        :: d_step { up[DESTINATION] && starting[DESTINATION] -> restart(DESTINATION) }
        :: d_step { idle(DESTINATION) && open[DESTINATION] && !whole -> link_lost(DESTINATION) }
        :: d_step { idle(DESTINATION) && nempty(to_destination) &&
                    (state[DESTINATION] != D_RECEIVING || all(DESTINATION, STILL)) -> hear() }
        :: d_step { idle(DESTINATION) && to_destination?[M_OFFER, _] -> /* it cannot take the group */
               to_destination?r, t;
               send(DESTINATION, M_GONE, t);
               event[DESTINATION] = NO_EVENT }
#ifdef LATE
        :: d_step { !calm && late != 0 && idle(DESTINATION) -> hear_late() }
#endif
        :: d_step { takes(DESTINATION, E_ALL_RUN) && !some(DESTINATION, STILL) -> event[DESTINATION] = E_ALL_RUN }
        :: d_step { !calm && takes(DESTINATION, E_FAILED) -> event[DESTINATION] = E_FAILED }
        :: d_step { !calm && takes(DESTINATION, E_START) -> event[DESTINATION] = E_START }
        :: d_step { !calm && takes(DESTINATION, E_RUN_HERE) -> run_here(DESTINATION) }
        :: d_step { !calm && takes(DESTINATION, E_DISCARD_HERE) -> event[DESTINATION] = E_DISCARD_HERE }
        fi;
        d_step { begin(DESTINATION) }
    }
    od
}

/* -- the world -- */

inline die(h)
{
    printf("side %d: dies\n", h);
    up[h] = false;
    starting[h] = false;
    row[h] = 0;
    step[h] = 0;
    state[h] = record[h];
    whole = false;
    open[h] = false;
    drain(h)
}

inline power_off(h)
{
    die(h);
    printf("side %d: loses power\n", h);
    on[h] = false;
    this_boot[h] = false;
    copy[2 * h] = ABSENT;
    copy[2 * h + 1] = ABSENT;
    copying = copying && h != SOURCE;
    if
    :: current[h] ->
        current[h] = false;
        unreported = !current[other(h)];
        ended = unreported
    :: else
    fi
}

/* Somebody destroys a held copy with another tool: the daemon, if it lives, sees that before anything else. */
inline meddle(h)
{
    if
    :: copy[2 * h] == STILL -> copy[2 * h] = ABSENT
    :: else -> copy[2 * h + 1] = ABSENT
    fi;
    give_up(h, true);
    event[h] = (up[h] && !starting[h] -> E_COPY_LOST : NO_EVENT);
    begin(h)
}

/* At rest: one owner, whose members all run or are all down with a reason, and nothing left elsewhere. */
inline judge()
{
    if
    :: state[SOURCE] == S_CLASH -> assert(!some(SOURCE, RUNS) && !some(DESTINATION, RUNS))
    :: else ->
        i = (state[SOURCE] == S_HOME -> SOURCE : DESTINATION);
        assert(all(other(i), ABSENT));
        assert(all(i, RUNS) || all(i, ABSENT));
        assert(all(i, RUNS) || ended || lied);
        assert(!unreported && !copying)
    fi
}

proctype world()
{
    do
    :: d_step { !calm && up[SOURCE] -> die(SOURCE) }
    :: d_step { !calm && up[DESTINATION] -> die(DESTINATION) }
    :: d_step { !calm && on[SOURCE] -> power_off(SOURCE) }
    :: d_step { !calm && on[DESTINATION] -> power_off(DESTINATION) }
    :: d_step { !on[SOURCE] -> on[SOURCE] = true }
    :: d_step { !on[DESTINATION] -> on[DESTINATION] = true }
    :: d_step { on[SOURCE] && !up[SOURCE] -> up[SOURCE] = true; starting[SOURCE] = true }
    :: d_step { on[DESTINATION] && !up[DESTINATION] -> up[DESTINATION] = true; starting[DESTINATION] = true }
    :: d_step { !calm && whole -> printf("the connection breaks\n"); whole = false }
    :: d_step { !calm && held(SOURCE) && some(SOURCE, STILL) && row[SOURCE] == 0 -> meddle(SOURCE) }
    :: d_step { !calm && held(DESTINATION) && some(DESTINATION, STILL) && row[DESTINATION] == 0 ->
           meddle(DESTINATION) }
    :: d_step { !calm -> printf("it is calm\n"); calm = true }
    :: d_step { calm && !over && is_settled && idle(SOURCE) && idle(DESTINATION) && open[SOURCE] == whole &&
                open[DESTINATION] == whole && empty(to_source) && empty(to_destination) ->
           judge();
           over = true }
    :: over -> break
    od
}

#ifdef CHECKER
c_code {
\#include "bugs.h"
}
#endif

init
{
#ifdef CHECKER
    c_code { bugs_seed(); };
#endif
    d_step {
        on[SOURCE] = true;
        on[DESTINATION] = true;
        up[SOURCE] = true;
        up[DESTINATION] = true;
        this_boot[SOURCE] = true;
        this_boot[DESTINATION] = true;
        state[SOURCE] = S_HOME;
        state[DESTINATION] = D_NONE;
        record[SOURCE] = S_HOME;
        record[DESTINATION] = D_NONE;
        copy[0] = RUNS;
        copy[1] = RUNS;
        current[SOURCE] = true
    };
    atomic {
        run source();
        run destination();
        run world()
    }
}

/* Once it is calm, all comes to rest: what that means is for judge(). Without, SPIN looks for what is stuck only. */
#ifdef SETTLES
ltl settles { [] (calm -> <> over) }
#endif
