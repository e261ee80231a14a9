/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "walk.h"

#include <string.h>

#define MEMBERS 2
#define COPIES 3 /* rounds of pre-copy */
#define MS (G_USEC_PER_SEC / 1000)
#define CROSS_US (15 * MS)  /* how long a message is under way */
#define NOTICE_US (20 * MS) /* until an end is noticed, after what came before it */
#define GROUP "11111111-2222-4333-8444-555555555555"
#define END_US (1000 * G_USEC_PER_SEC) /* by then all must be settled */

#define SOURCE MIGRATION_SOURCE_SIDE
#define DESTINATION MIGRATION_DESTINATION_SIDE

typedef enum { ABSENT, STILL, RUNS } Copy;
typedef struct Walk Walk;

/* What the judge thought before a write that is in doubt. */
typedef struct {
    gboolean is;
    guint recorded;
    gboolean current[2];
    gboolean cut;
} Doubt;

/* A host, and its daemon's life, with which all that the daemon has begun ends. */
typedef struct {
    Walk *walk;
    MigrationSide side;
    gboolean on, up;
    guint life;
    guint boots;
    Journal *journal;
    Transaction *transaction;
    const MigrationRow *row; /* that it does, or has done last */
    Copy copy[MEMBERS];
    guint memory[MEMBERS]; /* which state of its disks a copy that stands still belongs to */
    guint recorded;        /* what the journal says */
    gboolean this_boot;    /* since the host has booted */
    guint connection;      /* its end; 0: none */
    guint work;            /* counts what was begun that takes long */
    guint step;            /* how far the action has come, or pre-copy */
    gboolean no_write, doubt, no_act;
    Doubt doubted;
    MigrationMessage owes; /* BUG_SAYS_THEN_WRITES: the message after which it writes */
    JournalMigration *owed;
    gboolean current; /* the judge: a complete copy of the present memory may come to run */
} Side;

/* One life of a daemon, as its driver sees the world. */
typedef struct {
    Side *side;
    guint life;
} Daemon;

typedef void (*Run)(Side *side, guint number);

/* Something that will happen. */
typedef struct {
    Side *side;
    guint life; /* of the daemon that it belongs to; 0: of none */
    Run run;
    guint number;
    HostTimeout timeout; /* instead of run */
    gpointer data;
} Later;

/* A message under way. */
typedef struct {
    Side *to;
    guint connection;
    char uuid[DOMGRP_UUID_TEXT];
    MigrationMessage message;
    gboolean late; /* it was held up already */
} Flight;

struct Walk {
    Side sides[2];
    Host *clock;
    const Plan *plan;
    guint next;         /* step of the plan */
    GPtrArray *laters;  /* of Later */
    GPtrArray *flights; /* of Flight */
    GPtrArray *daemons; /* of Daemon */
    GPtrArray *dead;    /* of Transaction */
    guint transactions;
    guint connections;
    guint whole;   /* the connection that carries, 0: none */
    guint dropped; /* up to this connection nothing arrives any more */
    guint held_up; /* up to this one it comes late */
    gint64 outage_until, stall_until;
    gboolean slow, refuse;
    gboolean copying;
    guint disks[MEMBERS]; /* what state the members' disks are in */
    guint disk_states;
    gboolean calm;
    gboolean cut, unreported, ended, lied, blind; /* the judge's, as in the model */
    Walked *walked;
};

static Bug bug;
static const MigrationRow *bug_row;
static MigrationSide bug_side;

void walk_seed(Bug seeded, const MigrationRow *row, MigrationSide side)
{
    bug = seeded;
    bug_row = row;
    bug_side = side;
}

static const char *happening_name(Happening what)
{
    static const char *const names[] = {
#define X(what, name) name,
        WALK_HAPPENINGS(X)
#undef X
    };
    return names[what];
}

char *walk_plan_text(const Plan *plan)
{
    GString *text = g_string_new(NULL);
    for (guint i = 0; i < plan->n; i++)
        g_string_append_printf(text, "%s%u: %s", i > 0 ? "; " : "", plan->steps[i].at,
                               happening_name(plan->steps[i].what));
    return g_string_free(text, FALSE);
}

static Side *other(Side *side)
{
    return &side->walk->sides[!side->side];
}

static void check(Walk *walk, gboolean good, const char *what)
{
    if (good || walk->walked->wrong != NULL)
        return;
    walk->walked->wrong = g_strdup(what);
}

/* -- time -- */

static gint64 now(const Walk *walk)
{
    return walk->clock->ops->now(walk->clock);
}

static void run_later(gpointer data)
{
    Later *later = data;
    if (later->life != 0 && (!later->side->up || later->life != later->side->life))
        return;
    if (later->timeout != NULL)
        later->timeout(later->data);
    else
        later->run(later->side, later->number);
}

static guint add_later(Walk *walk, gint64 delay_us, Later later)
{
    Later *copy = g_memdup2(&later, sizeof later);
    g_ptr_array_add(walk->laters, copy);
    return walk->clock->ops->timer_add(walk->clock, delay_us, run_later, copy);
}

/* Whatever happens to the daemon. */
static void later(Side *side, gint64 delay_us, Run run, guint number)
{
    add_later(side->walk, delay_us, (Later){.side = side, .run = run, .number = number});
}

/* Unless the daemon dies before. */
static void soon(Side *side, gint64 delay_us, Run run, guint number)
{
    add_later(side->walk, delay_us,
              (Later){.side = side, .life = side->life, .run = run, .number = number});
}

/* What is done to one member; SLOW is for that. */
static void soon_done(Side *side, Run run, guint number)
{
    soon(side, side->walk->slow ? 15 * G_USEC_PER_SEC : 10 * MS, run, number);
    side->walk->slow = FALSE;
}

/* -- the judge: what tests/model/migration.pml says, and that memory meets its disks -- */

static gboolean all(const Side *side, Copy copy)
{
    return side->copy[0] == copy && side->copy[1] == copy;
}

static gboolean some(const Side *side, Copy copy)
{
    return side->copy[0] == copy || side->copy[1] == copy;
}

static void has_run(Side *side, guint member)
{
    Walk *walk = side->walk;
    walk->disks[member] = ++walk->disk_states;
    side->current = TRUE;
    other(side)->current = FALSE;
    walk->cut = walk->unreported = walk->ended = FALSE;
    check(walk, walk->lied || other(side)->copy[member] != RUNS, "a member runs twice");
}

static void let_run(Side *side, guint member)
{
    Walk *walk = side->walk;
    if (side->copy[member] != STILL)
        return;
    check(walk, side->current || walk->lied || walk->blind,
          "memory runs on that is not the group's");
    check(walk, side->memory[member] == walk->disks[member] || walk->lied || walk->blind,
          "memory meets disks that have moved on");
    side->copy[member] = RUNS;
    has_run(side, member);
}

static void stand_still(Side *side, guint member)
{
    if (side->copy[member] != RUNS)
        return;
    side->copy[member] = STILL;
    side->memory[member] = side->walk->disks[member];
}

static gboolean is_word(const Side *side)
{
    return side->row != NULL && side->row->event == MIGRATION_EVENT_DISCARD_HERE;
}

static void give_up(Side *side, gboolean by_word)
{
    Walk *walk = side->walk;
    if (!side->current)
        return;
    check(walk, other(side)->current || by_word || walk->lied, "the last copy is destroyed");
    side->current = FALSE;
    walk->ended = !other(side)->current;
}

static void judge_destination(Side *side)
{
    Walk *walk = side->walk;
    if (side->recorded == MIGRATION_D_PREPARED) {
        side->current = walk->cut;
        walk->unreported = walk->unreported && !walk->cut;
    } else if (side->recorded == MIGRATION_D_DISCARDED) {
        give_up(side, is_word(side));
    } else if (side->recorded == MIGRATION_D_ACTIVATING && side->current) {
        other(side)->current = FALSE;
    }
}

static void judge_write(Side *side)
{
    Walk *walk = side->walk;
    side->this_boot = TRUE;
    if (side->side == DESTINATION) {
        judge_destination(side);
    } else if (side->recorded == MIGRATION_S_ABORTED) {
        other(side)->current = walk->cut = FALSE;
        walk->ended = !side->current;
        walk->unreported = walk->unreported && !walk->ended;
    }
    guint source = walk->sides[SOURCE].recorded, destination = walk->sides[DESTINATION].recorded;
    check(walk, source != MIGRATION_S_NONE || destination >= MIGRATION_D_PREPARED,
          "nobody has the group");
    check(walk, source != MIGRATION_S_HOME || destination != MIGRATION_D_HOME,
          "both have the group");
}

/* A write that was in doubt is taken back: nobody has acted on it, only hosts may have gone. */
static void judge_unwrite(Side *side)
{
    Walk *walk = side->walk;
    gboolean had = walk->sides[0].current || walk->sides[1].current;
    for (guint i = 0; i < 2; i++)
        walk->sides[i].current = side->doubted.current[i] && !some(&walk->sides[i], ABSENT);
    walk->cut = side->doubted.cut && all(&walk->sides[SOURCE], STILL);
    gboolean has = walk->sides[0].current || walk->sides[1].current;
    walk->ended = !has;
    walk->unreported = !has && (had || walk->unreported);
    side->doubted.is = FALSE;
}

/* -- points, and what happens there -- */

static void die(Side *side);
static void power_off(Side *side);
static void break_link(Walk *walk, gint64 source_us, gint64 destination_us, gboolean drop);

static gboolean has_row(const Side *side, MigrationEvent event)
{
    return side->up && migration_step(side->side, transaction_state(side->transaction), event);
}

static gboolean is_held(const Side *side)
{
    return migration_copies(side->side, side->recorded) == MIGRATION_COPIES_HELD &&
           some(side, STILL) && (!side->up || !transaction_is_busy(side->transaction));
}

static gboolean is_activating(const Side *side)
{
    return has_row(side, MIGRATION_EVENT_ALL_RUN);
}

static gboolean may(const Walk *walk, Happening what)
{
    const Side *source = &walk->sides[SOURCE];
    const Side *destination = &walk->sides[DESTINATION];
    switch (what) {
    case WALK_DIE_S:
    case WALK_NO_WRITE_S:
    case WALK_DOUBT_S:
    case WALK_NO_ACT_S:
        return source->up;
    case WALK_DIE_D:
    case WALK_NO_WRITE_D:
    case WALK_DOUBT_D:
    case WALK_NO_ACT_D:
        return destination->up;
    case WALK_POWER_S:
        return source->on;
    case WALK_POWER_D:
        return destination->on;
    case WALK_CUT:
    case WALK_CUT_LATE_S:
    case WALK_CUT_LATE_D:
    case WALK_STALL:
        return walk->whole != 0;
    case WALK_OUTAGE:
        return now(walk) >= walk->outage_until;
    case WALK_SLOW:
        return !walk->slow;
    case WALK_REFUSE:
        return source->up && transaction_state(source->transaction) <= MIGRATION_S_CHECKING;
    case WALK_FAILED_S:
        return has_row(source, MIGRATION_EVENT_FAILED);
    case WALK_FAILED_D:
        return has_row(destination, MIGRATION_EVENT_FAILED) || is_activating(destination);
    case WALK_MEDDLE_S:
        return is_held(source);
    case WALK_MEDDLE_D:
        return is_held(destination);
    case WALK_CANCEL:
        return has_row(source, MIGRATION_EVENT_CANCEL);
    case WALK_START_S:
        return has_row(source, MIGRATION_EVENT_START);
    case WALK_START_D:
        return has_row(destination, MIGRATION_EVENT_START);
    case WALK_RUN_S:
        return has_row(source, MIGRATION_EVENT_RUN_HERE);
    case WALK_RUN_D:
        return has_row(destination, MIGRATION_EVENT_RUN_HERE);
    case WALK_DISCARD_S:
        return has_row(source, MIGRATION_EVENT_DISCARD_HERE);
    case WALK_DISCARD_D:
        return has_row(destination, MIGRATION_EVENT_DISCARD_HERE);
    default:
        g_assert_not_reached();
    }
}

static void say_word(Side *side, MigrationEvent event)
{
    Walk *walk = side->walk;
    if (!side->up)
        return;
    /* Nobody is excused by a word that this side can see to be false: the peer is connected. */
    if (event == MIGRATION_EVENT_RUN_HERE && !transaction_is_connected(side->transaction)) {
        walk->lied = walk->lied || other(side)->on;
        walk->blind = walk->blind || (some(side, STILL) && !side->current);
    }
    transaction_event(side->transaction, event, NULL, NULL);
}

static void meddle(Side *side)
{
    side->copy[side->copy[0] == STILL ? 0 : 1] = ABSENT;
    give_up(side, TRUE);
    say_word(side, MIGRATION_EVENT_COPY_LOST);
}

static void happen_at(Side *side, Happening what)
{
    switch (what) {
    case WALK_DIE_S:
    case WALK_DIE_D:
        die(side);
        break;
    case WALK_POWER_S:
    case WALK_POWER_D:
        power_off(side);
        break;
    case WALK_NO_WRITE_S:
    case WALK_NO_WRITE_D:
        side->no_write = TRUE;
        break;
    case WALK_DOUBT_S:
    case WALK_DOUBT_D:
        side->doubt = TRUE;
        break;
    case WALK_NO_ACT_S:
    case WALK_NO_ACT_D:
        side->no_act = TRUE;
        break;
    case WALK_FAILED_S:
    case WALK_FAILED_D:
        side->work++;
        say_word(side, MIGRATION_EVENT_FAILED);
        break;
    case WALK_MEDDLE_S:
    case WALK_MEDDLE_D:
        meddle(side);
        break;
    case WALK_CANCEL:
        say_word(side, MIGRATION_EVENT_CANCEL);
        break;
    case WALK_START_S:
    case WALK_START_D:
        say_word(side, MIGRATION_EVENT_START);
        break;
    case WALK_RUN_S:
    case WALK_RUN_D:
        say_word(side, MIGRATION_EVENT_RUN_HERE);
        break;
    default:
        say_word(side, MIGRATION_EVENT_DISCARD_HERE);
    }
}

static void happen(Walk *walk, Happening what)
{
    static const Happening there[] = {
        WALK_DIE_D,    WALK_POWER_D,  WALK_NO_WRITE_D, WALK_DOUBT_D, WALK_NO_ACT_D,
        WALK_FAILED_D, WALK_MEDDLE_D, WALK_START_D,    WALK_RUN_D,   WALK_DISCARD_D,
    };
    gboolean destination = FALSE;
    for (guint i = 0; i < G_N_ELEMENTS(there); i++)
        destination = destination || there[i] == what;
    switch (what) {
    case WALK_CUT:
        break_link(walk, NOTICE_US, NOTICE_US, TRUE);
        break;
    case WALK_CUT_LATE_S:
        break_link(walk, 5 * G_USEC_PER_SEC, NOTICE_US, FALSE);
        break;
    case WALK_CUT_LATE_D:
        break_link(walk, NOTICE_US, 5 * G_USEC_PER_SEC, FALSE);
        break;
    case WALK_OUTAGE:
        walk->outage_until = now(walk) + 200 * G_USEC_PER_SEC;
        break_link(walk, NOTICE_US, NOTICE_US, TRUE);
        break;
    case WALK_STALL:
        walk->stall_until = now(walk) + 70 * G_USEC_PER_SEC;
        break;
    case WALK_SLOW:
        walk->slow = TRUE;
        break;
    case WALK_REFUSE:
        walk->refuse = TRUE;
        break;
    default:
        happen_at(&walk->sides[destination], what);
    }
}

/* Anything may happen here. */
static void point(Walk *walk)
{
    guint n = ++walk->walked->points;
    if (walk->walked->wrong != NULL)
        return;
    if (n <= WALK_MAX_POINTS)
        for (Happening what = 0; what < WALK_HAPPENING_COUNT; what++)
            walk->walked->may[n] |= may(walk, what) ? 1u << what : 0;
    for (; walk->next < walk->plan->n && walk->plan->steps[walk->next].at == n; walk->next++)
        if (may(walk,
                walk->plan->steps[walk->next].what)) /* the one before may have changed that */
            happen(walk, walk->plan->steps[walk->next].what);
}

/* TRUE: the daemon whose @life it was has outlived the point. */
static gboolean outlives(Side *side, guint life)
{
    point(side->walk);
    return side->up && side->life == life;
}

/* -- the link -- */

static void notice(Side *side, guint connection)
{
    if (side->connection != connection)
        return;
    side->connection = 0;
    transaction_link_lost(side->transaction, connection);
}

static void tell_lost(Side *side, gint64 delay_us)
{
    if (side->connection != 0)
        soon(side, delay_us, notice, side->connection);
}

static void break_link(Walk *walk, gint64 source_us, gint64 destination_us, gboolean drop)
{
    *(drop ? &walk->dropped : &walk->held_up) = walk->connections;
    walk->stall_until = 0;
    if (walk->whole == 0)
        return;
    walk->whole = 0;
    tell_lost(&walk->sides[SOURCE], source_us);
    tell_lost(&walk->sides[DESTINATION], destination_us);
}

static void drive_hang_up(gpointer data, guint connection)
{
    Daemon *daemon = data;
    Side *side = daemon->side;
    if (daemon->life != side->life || !side->up)
        return;
    if (side->connection == connection)
        side->connection = 0;
    if (side->walk->whole != connection)
        return;
    side->walk->whole = 0;
    tell_lost(other(side), NOTICE_US);
}

static void answer(Side *side, guint connection, const char *uuid, MigrationMessage message);

static JournalMigration *record_of(Side *side, const char *state, const char *uuid)
{
    JournalMigration *record = journal_migration_new();
    g_strlcpy(record->uuid, uuid, sizeof record->uuid);
    g_strlcpy(record->group_uuid, GROUP, sizeof record->group_uuid);
    record->side = g_strdup(side->side == SOURCE ? "source" : "destination");
    record->group_name = g_strdup("shop");
    record->state = g_strdup(state);
    record->peer = g_strdup("xen2");
    return record;
}

static void begin_transaction(Side *side, const char *state, const char *uuid);

/* A new transaction: the group is not here, and no other is on record. */
static void hear_offer(Side *side, const Flight *flight)
{
    if (side->walk->refuse || transaction_state(side->transaction) != MIGRATION_D_NONE) {
        side->walk->refuse = FALSE;
        answer(side, flight->connection, flight->uuid, MIGRATION_MESSAGE_GONE);
        return;
    }
    begin_transaction(side, "NONE", flight->uuid);
    transaction_connected(side->transaction, side->connection);
    transaction_receive(side->transaction, flight->connection, flight->uuid, flight->message);
}

static void hear(Side *side, const Flight *flight)
{
    gboolean old = flight->connection != side->connection;
    if (flight->message == MIGRATION_MESSAGE_OFFER) {
        if (!old)
            hear_offer(side, flight);
        return;
    }
    transaction_receive(side->transaction, flight->connection, flight->uuid, flight->message);
}

static void arrive(Side *side, guint number)
{
    Walk *walk = side->walk;
    Flight *flight = walk->flights->pdata[number];
    guint life = side->life;
    if (flight->connection <= walk->held_up && !flight->late) {
        flight->late = TRUE;
        soon(side, 4 * G_USEC_PER_SEC, arrive, number);
        return;
    }
    if (flight->connection <= walk->dropped || !outlives(side, life) ||
        flight->connection <= walk->dropped)
        return;
    gboolean reads = side->connection == flight->connection;
    if (!reads && flight->connection >= side->connection)
        return; /* hung up, and dropped */
    gboolean building = side->side == DESTINATION &&
                        transaction_state(side->transaction) == MIGRATION_D_RECEIVING &&
                        flight->message == MIGRATION_MESSAGE_END && !all(side, STILL);
    if (building && reads) {
        soon(side, 20 * MS, arrive, number);
        return;
    }
    if (reads && flight->message == MIGRATION_MESSAGE_END && side->side == DESTINATION)
        for (guint i = 0; i < MEMBERS; i++)
            side->memory[i] = other(side)->memory[i];
    hear(side, flight);
}

static void answer(Side *side, guint connection, const char *uuid, MigrationMessage message)
{
    Walk *walk = side->walk;
    if (side->connection != connection || walk->whole != connection)
        return;
    Flight *flight = g_new0(Flight, 1);
    *flight = (Flight){.to = other(side), .connection = connection, .message = message};
    g_strlcpy(flight->uuid, uuid, sizeof flight->uuid);
    g_ptr_array_add(walk->flights, flight);
    gint64 stall = MAX(walk->stall_until - now(walk), 0);
    if (flight->to->up)
        soon(flight->to, CROSS_US + stall, arrive, walk->flights->len - 1);
}

static gboolean store(Side *side, JournalMigration *record, GError **error);

static void drive_send(gpointer data, guint connection, const char *uuid, MigrationMessage message)
{
    Daemon *daemon = data;
    Side *side = daemon->side;
    if (daemon->life != side->life || !outlives(side, daemon->life))
        return;
    answer(side, connection, uuid, message);
    if (!outlives(side, daemon->life) || side->owed == NULL)
        return;
    g_autoptr(JournalMigration) owed = g_steal_pointer(&side->owed);
    store(side, owed, NULL);
}

static void connect_now(Side *side, guint migrates);

static void drive_connect(gpointer data)
{
    Daemon *daemon = data;
    if (daemon->life == daemon->side->life && outlives(daemon->side, daemon->life))
        soon(daemon->side, 20 * MS, connect_now, FALSE);
}

/* Both ends; what the destination had of an older one ends. */
static void join_ends(Walk *walk)
{
    Side *destination = &walk->sides[DESTINATION];
    walk->whole = ++walk->connections;
    walk->sides[SOURCE].connection = destination->connection = walk->whole;
    transaction_connected(destination->transaction, walk->whole);
}

static void connect_now(Side *side, guint migrates)
{
    Walk *walk = side->walk;
    gboolean can = other(side)->up && now(walk) >= walk->outage_until;
    guint life = side->life;
    if (migrates &&
        (!can || transaction_state(side->transaction) != MIGRATION_S_HOME || !all(side, RUNS)))
        return;
    if (can)
        join_ends(walk);
    if (!side->up || side->life != life)
        return;
    if (!migrates) {
        transaction_connected(side->transaction, can ? side->connection : 0);
        return;
    }
    g_autofree char *uuid = g_strdup_printf("aaaaaaaa-0000-4000-8000-%012u", ++walk->transactions);
    walk->cut = FALSE;
    begin_transaction(side, "HOME", uuid);
    transaction_migrate(side->transaction, side->connection, NULL, NULL);
}

/* -- the journal -- */

static JournalGroup *group_of(void)
{
    JournalGroup *group = journal_group_new();
    g_strlcpy(group->uuid, GROUP, sizeof group->uuid);
    group->name = g_strdup("shop");
    return group;
}

static gboolean store(Side *side, JournalMigration *record, GError **error)
{
    Walk *walk = side->walk;
    g_autoptr(JournalGroup) group = group_of();
    gboolean believes = bug == BUG_BELIEVES_WRITES;
    Doubt doubt = {
        side->doubt, side->recorded, {walk->sides[0].current, walk->sides[1].current}, walk->cut};
    SimFault fault = side->no_write ? SIM_FAIL_BEFORE : side->doubt ? SIM_FAIL_AFTER : SIM_NONE;
    side->no_write = side->doubt = FALSE;
    host_sim_fault(walk->clock, 1, fault);
    gboolean done = transaction_store(side->journal, record, group, believes ? NULL : error);
    host_sim_fault(walk->clock, 0, SIM_NONE);
    if (fault == SIM_FAIL_BEFORE)
        return believes;
    gboolean found = migration_state_from_record(side->side, record->state, &side->recorded);
    g_assert_true(found);
    if (doubt.is)
        side->doubted = doubt;
    if (!doubt.is && side->doubted.is && side->recorded == side->doubted.recorded)
        judge_unwrite(side);
    else
        judge_write(side);
    return done || believes;
}

static gboolean is_bug_row(const Side *side)
{
    return bug == BUG_SAYS_THEN_WRITES && side->side == bug_side && side->row == bug_row;
}

static gboolean drive_write(gpointer data, JournalMigration *record, GError **error)
{
    Daemon *daemon = data;
    Side *side = daemon->side;
    if (daemon->life == side->life && is_bug_row(side)) {
        side->owed = journal_migration_copy(record);
        return TRUE;
    }
    if (daemon->life == side->life && outlives(side, daemon->life)) {
        if (!store(side, record, error))
            return FALSE;
        if (outlives(side, daemon->life))
            return TRUE;
    }
    g_set_error(error, DOMGRP_ERROR, DOMGRP_ERROR_STORE, "the daemon is dead");
    return FALSE;
}

/* -- members -- */

static gboolean drive_is_whole(gpointer data)
{
    return bug == BUG_NO_LOOK || !some(((Daemon *)data)->side, ABSENT);
}

/* The one that is cut off is the engine's to finish: it is an operation with a record of its own.
 */
static void start_afresh(Side *side)
{
    for (guint i = 0; i < MEMBERS; i++)
        if (side->copy[i] == ABSENT) {
            side->copy[i] = RUNS;
            has_run(side, i);
        }
}

static void act_on(Side *side, MigrationAction action, guint member)
{
    Walk *walk = side->walk;
    switch (action) {
    case MIGRATION_ACTION_RESUME:
        let_run(side, member);
        walk->copying = walk->copying && side->side != SOURCE;
        break;
    case MIGRATION_ACTION_DESTROY:
        give_up(side, is_word(side));
        side->copy[member] = ABSENT;
        walk->copying = walk->copying && side->side != SOURCE;
        break;
    case MIGRATION_ACTION_LOSE:
        give_up(side, FALSE);
        side->copy[member] = ABSENT;
        walk->unreported = FALSE;
        break;
    case MIGRATION_ACTION_COLD_START:
        start_afresh(side);
        break;
    case MIGRATION_ACTION_HOLD:
        stand_still(side, 0);
        stand_still(side, 1);
        break;
    default:
        walk->copying = FALSE;
    }
}

static gboolean is_of_group(MigrationAction action)
{
    return action == MIGRATION_ACTION_HOLD || action == MIGRATION_ACTION_COLD_START ||
           action == MIGRATION_ACTION_STOP_COPYING;
}

static void act_step(Side *side, guint action)
{
    guint life = side->life;
    if (!outlives(side, life))
        return;
    if (side->no_act) {
        g_autoptr(GError) error =
            g_error_new(DOMGRP_ERROR, DOMGRP_ERROR_HOST, "it failed as it was told to");
        side->no_act = FALSE;
        transaction_acted(side->transaction, error);
        return;
    }
    act_on(side, action, side->step);
    side->step = is_of_group(action) ? MEMBERS : side->step + 1;
    if (side->step < MEMBERS)
        soon_done(side, act_step, action);
    else if (outlives(side, life))
        transaction_acted(side->transaction, NULL);
}

static void drive_act(gpointer data, MigrationAction action)
{
    Daemon *daemon = data;
    if (daemon->life != daemon->side->life)
        return;
    daemon->side->step = 0;
    daemon->side->work++;
    soon_done(daemon->side, act_step, action);
}

/* -- what takes long -- */

static gboolean work_step(Side *side, guint state)
{
    if (state == MIGRATION_S_SENDING && side->side == SOURCE && side->step < COPIES) {
        side->step++;
        return TRUE;
    }
    for (guint i = 0; i < MEMBERS; i++) {
        guint member = side->side == SOURCE ? MEMBERS - 1 - i : i;
        if (state == MIGRATION_S_SWITCHING && side->side == SOURCE && side->copy[member] == RUNS) {
            stand_still(side, member);
            return TRUE;
        }
        if (state == MIGRATION_D_RECEIVING && side->side == DESTINATION &&
            side->copy[member] == ABSENT) {
            side->copy[member] = STILL;
            side->memory[member] = 0;
            return TRUE;
        }
        if (state == MIGRATION_D_ACTIVATING && side->side == DESTINATION &&
            side->copy[member] == STILL) {
            let_run(side, member);
            return TRUE;
        }
    }
    return FALSE;
}

static void end_work(Side *side)
{
    guint state = transaction_state(side->transaction);
    if (side->side == DESTINATION && state == MIGRATION_D_ACTIVATING)
        transaction_event(side->transaction, MIGRATION_EVENT_ALL_RUN, NULL, NULL);
    if (side->side == SOURCE && state == MIGRATION_S_SENDING)
        transaction_event(side->transaction, MIGRATION_EVENT_COPIED, NULL, NULL);
    if (side->side != SOURCE || state != MIGRATION_S_SWITCHING)
        return;
    side->walk->cut = TRUE;
    transaction_event(side->transaction, MIGRATION_EVENT_SENT, NULL, NULL);
}

static void work(Side *side, guint number)
{
    guint life = side->life;
    if (number != side->work || !outlives(side, life) || number != side->work)
        return;
    if (work_step(side, transaction_state(side->transaction)))
        soon_done(side, work, number);
    else
        end_work(side);
}

static void drive_enter(gpointer data, guint state)
{
    Daemon *daemon = data;
    Side *side = daemon->side;
    if (daemon->life != side->life)
        return;
    side->work++;
    side->step = 0;
    gboolean source = side->side == SOURCE;
    if (source && state == MIGRATION_S_SENDING)
        side->walk->copying = TRUE;
    if (source ? state == MIGRATION_S_SENDING || state == MIGRATION_S_SWITCHING
               : state == MIGRATION_D_RECEIVING || state == MIGRATION_D_ACTIVATING)
        soon_done(side, work, side->work);
}

/* -- the rest of what a driver needs -- */

static void drive_begins(gpointer data, const MigrationRow *row)
{
    Daemon *daemon = data;
    Side *side = daemon->side;
    if (daemon->life != side->life)
        return;
    side->row = row;
    guint8 *done = &side->walk->walked->done[side->side][row->state][row->event];
    if (*done == 0)
        *done = (guint8)MIN(side->walk->walked->points, G_MAXUINT8);
}

static guint drive_timer_add(gpointer data, gint64 delay_us, HostTimeout timeout,
                             gpointer timeout_data)
{
    Daemon *daemon = data;
    return add_later(
        daemon->side->walk, delay_us,
        (Later){
            .side = daemon->side, .life = daemon->life, .timeout = timeout, .data = timeout_data});
}

static void drive_timer_cancel(gpointer data, guint timer)
{
    Host *clock = ((Daemon *)data)->side->walk->clock;
    clock->ops->timer_cancel(clock, timer);
}

static void drive_failed(gpointer data, const GError *error)
{
    g_assert_nonnull(error);
}

static void drive_settled(gpointer data)
{
    Daemon *daemon = data;
    Side *side = daemon->side;
    if (daemon->life != side->life)
        return;
    const char *state = transaction_record(side->transaction)->state;
    check(side->walk, strcmp(state, "HOME") == 0 || strcmp(state, "NONE") == 0,
          "a migration is called settled that is not");
}

static const TransactionOps ops = {
    .begins = drive_begins,
    .write = drive_write,
    .act = drive_act,
    .is_whole = drive_is_whole,
    .enter = drive_enter,
    .send = drive_send,
    .hang_up = drive_hang_up,
    .connect = drive_connect,
    .timer_add = drive_timer_add,
    .timer_cancel = drive_timer_cancel,
    .failed = drive_failed,
    .settled = drive_settled,
};

/* -- daemons -- */

static const char *boot_id(const Side *side, char text[DOMGRP_UUID_TEXT])
{
    g_snprintf(text, DOMGRP_UUID_TEXT, "bbbbbbbb-0000-4000-8000-%012u",
               bug == BUG_NO_BOOT ? 1 : side->boots);
    return text;
}

static void begin_with(Side *side, const JournalMigration *record)
{
    char boot[DOMGRP_UUID_TEXT];
    Daemon *daemon = g_new0(Daemon, 1);
    *daemon = (Daemon){side, side->life};
    g_ptr_array_add(side->walk->daemons, daemon);
    if (side->transaction != NULL)
        g_ptr_array_add(side->walk->dead, side->transaction);
    side->transaction = transaction_new(&ops, daemon, side->side, record, boot_id(side, boot));
}

static void begin_transaction(Side *side, const char *state, const char *uuid)
{
    g_autoptr(JournalMigration) record = record_of(side, state, uuid);
    boot_id(side, record->boot_id);
    begin_with(side, record);
}

/* A new daemon: its record, or that there is none, and whether the host has booted since. */
static void start_daemon(Side *side, guint number)
{
    g_autoptr(GPtrArray) migrations = NULL;
    if (!side->on || side->up)
        return;
    side->up = TRUE;
    g_assert_true(side->journal->ops->migrations(side->journal, &migrations, NULL));
    if (migrations->len > 0) {
        begin_with(side, migrations->pdata[0]);
    } else {
        g_autoptr(JournalMigration) record =
            record_of(side, migration_state_name(side->side, side->recorded), "");
        if (side->this_boot)
            boot_id(side, record->boot_id);
        begin_with(side, record);
    }
    transaction_restart(side->transaction);
}

static void die(Side *side)
{
    Walk *walk = side->walk;
    if (!side->up)
        return;
    side->up = FALSE;
    side->life++;
    g_ptr_array_add(walk->dead, g_steal_pointer(&side->transaction));
    side->no_write = side->doubt = side->no_act = side->doubted.is = FALSE;
    g_clear_pointer(&side->owed, journal_migration_free);
    side->row = NULL;
    side->connection = 0;
    if (walk->whole != 0)
        tell_lost(other(side), side->on ? NOTICE_US : 5 * G_USEC_PER_SEC);
    walk->whole = 0;
    later(side, 1500 * MS, start_daemon, 0);
}

static void boot(Side *side, guint number)
{
    side->on = TRUE;
    side->boots++;
    start_daemon(side, 0);
}

static void power_off(Side *side)
{
    Walk *walk = side->walk;
    if (!side->on)
        return;
    side->on = FALSE;
    die(side);
    side->this_boot = FALSE;
    side->copy[0] = side->copy[1] = ABSENT;
    walk->copying = walk->copying && side->side != SOURCE;
    if (side->current) {
        side->current = FALSE;
        walk->unreported = walk->ended = !other(side)->current;
    }
    later(side, 20 * G_USEC_PER_SEC, boot, 0);
}

/* -- a run -- */

static gboolean is_settled(const Walk *walk)
{
    const Side *source = &walk->sides[SOURCE], *destination = &walk->sides[DESTINATION];
    if (!source->up || !destination->up)
        return FALSE;
    guint s = transaction_state(source->transaction);
    guint d = transaction_state(destination->transaction);
    return (s == MIGRATION_S_HOME && d == MIGRATION_D_NONE) ||
           (s == MIGRATION_S_NONE && d == MIGRATION_D_HOME) ||
           (walk->lied && s == MIGRATION_S_CLASH && d == MIGRATION_D_CLASH);
}

static void check_journal(Side *side, gboolean owner)
{
    g_autofree char *text = journal_sim_describe(side->journal);
    if (strcmp(text, owner ? "group shop:" : "") == 0 || side->walk->walked->wrong != NULL)
        return;
    side->walk->walked->wrong =
        g_strdup_printf("the %s's journal is not at rest: \"%s\"",
                        side->side == SOURCE ? "source" : "destination", text);
}

/* One owner, whose members all run or are all down with a reason, and nothing left elsewhere. */
static void judge_rest(Walk *walk)
{
    Side *source = &walk->sides[SOURCE], *destination = &walk->sides[DESTINATION];
    check(walk, is_settled(walk), "it does not settle");
    if (walk->walked->wrong != NULL)
        return;
    if (transaction_state(source->transaction) == MIGRATION_S_CLASH) {
        check(walk, !some(source, RUNS) && !some(destination, RUNS), "a member runs in a clash");
        return;
    }
    Side *owner = transaction_state(source->transaction) == MIGRATION_S_HOME ? source : destination;
    check(walk, all(other(owner), ABSENT), "copies are left where the group is not");
    check(walk, all(owner, RUNS) || all(owner, ABSENT), "members are left behind");
    check(walk, all(owner, RUNS) || walk->ended || walk->lied, "the group is down for no reason");
    check(walk, !walk->unreported, "a loss is not reported");
    check(walk, !walk->copying, "members are still slowed down");
    check_journal(owner, TRUE);
    check_journal(other(owner), FALSE);
}

static void side_init(Walk *walk, MigrationSide which)
{
    Side *side = &walk->sides[which];
    side->walk = walk;
    side->side = which;
    side->on = side->this_boot = TRUE;
    side->life = side->boots = 1;
    side->journal = journal_sim_new(walk->clock);
    side->recorded = which == SOURCE ? (guint)MIGRATION_S_HOME : (guint)MIGRATION_D_NONE;
    if (which == SOURCE) {
        g_autoptr(JournalGroup) group = group_of();
        g_assert_true(side->journal->ops->group_put(side->journal, group, NULL));
        for (guint i = 0; i < MEMBERS; i++)
            side->copy[i] = RUNS;
        side->current = TRUE;
    }
}

static void walk_clear(Walk *walk)
{
    for (guint i = 0; i < 2; i++) {
        Side *side = &walk->sides[i];
        transaction_free(side->transaction);
        journal_migration_free(side->owed);
    }
    g_ptr_array_unref(walk->dead);
    for (guint i = 0; i < 2; i++)
        walk->sides[i].journal->ops->free(walk->sides[i].journal);
    walk->clock->ops->free(walk->clock);
    g_ptr_array_unref(walk->daemons);
    g_ptr_array_unref(walk->flights);
    g_ptr_array_unref(walk->laters);
}

static void migrate(Walk *walk)
{
    Side *source = &walk->sides[SOURCE];
    if (source->up)
        soon(source, 30 * MS, connect_now, TRUE);
}

void walk_run(const Plan *plan, Walked *ret_walked)
{
    Walk walk = {.plan = plan, .walked = ret_walked};
    walk.clock = host_sim_new();
    walk.laters = g_ptr_array_new_with_free_func(g_free);
    walk.flights = g_ptr_array_new_with_free_func(g_free);
    walk.daemons = g_ptr_array_new_with_free_func(g_free);
    walk.dead = g_ptr_array_new_with_free_func((GDestroyNotify)transaction_free);
    side_init(&walk, SOURCE);
    side_init(&walk, DESTINATION);
    start_daemon(&walk.sides[SOURCE], 0);
    start_daemon(&walk.sides[DESTINATION], 0);
    point(&walk);
    migrate(&walk);
    host_sim_run(walk.clock, END_US);
    point(&walk);
    host_sim_run(walk.clock, 2 * END_US);
    judge_rest(&walk);
    ret_walked->excused = walk.lied || walk.blind;
    walk_clear(&walk);
}
