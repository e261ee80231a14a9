/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Two hosts with a group of two members, a driver of a migration on each, and
 * a link, in the virtual time of host/sim and with its journals. What may go
 * wrong comes at points: between any two of write, each member's action and
 * message. A judge, that of tests/model/migration.pml, sees all of it.
 */
#ifndef TESTS_ENGINE_WALK_H
#define TESTS_ENGINE_WALK_H

#include "sim.h"
#include "transaction.h"

G_BEGIN_DECLS

#define WALK_MAX_STEPS 6
#define WALK_MAX_POINTS 160
#define WALK_STATES MAX((int)MIGRATION_S_COUNT, (int)MIGRATION_D_COUNT)

/* X(what happens, its name); of a pair the first is at the source. */
#define WALK_HAPPENINGS(X)                                                                         \
    X(DIE_S, "the source's daemon dies")                                                           \
    X(DIE_D, "the destination's daemon dies")                                                      \
    X(POWER_S, "the source loses power")                                                           \
    X(POWER_D, "the destination loses power")                                                      \
    X(CUT, "the link breaks, with what is under way")                                              \
    X(CUT_LATE_S, "the link breaks, the source notices late, and messages come late")              \
    X(CUT_LATE_D, "the link breaks, the destination notices late, and messages come late")         \
    X(OUTAGE, "the link breaks for minutes")                                                       \
    X(STALL, "nothing crosses the link for a minute")                                              \
    X(NO_WRITE_S, "a write fails at the source")                                                   \
    X(NO_WRITE_D, "a write fails at the destination")                                              \
    X(DOUBT_S, "a write is done at the source, and said to have failed")                           \
    X(DOUBT_D, "a write is done at the destination, and said to have failed")                      \
    X(NO_ACT_S, "an action fails at the source")                                                   \
    X(NO_ACT_D, "an action fails at the destination")                                              \
    X(SLOW, "what takes long takes longer")                                                        \
    X(REFUSE, "the destination takes no group")                                                    \
    X(FAILED_S, "a member cannot be sent")                                                         \
    X(FAILED_D, "a member cannot be built, or let run")                                            \
    X(MEDDLE_S, "a held copy is destroyed at the source")                                          \
    X(MEDDLE_D, "a held copy is destroyed at the destination")                                     \
    X(CANCEL, "an operator cancels")                                                               \
    X(START_S, "the group is started at the source")                                               \
    X(START_D, "the group is started at the destination")                                          \
    X(RUN_S, "an operator says run here at the source")                                            \
    X(RUN_D, "an operator says run here at the destination")                                       \
    X(DISCARD_S, "an operator says discard here at the source")                                    \
    X(DISCARD_D, "an operator says discard here at the destination")

typedef enum {
#define X(what, name) WALK_##what,
    WALK_HAPPENINGS(X)
#undef X
        WALK_HAPPENING_COUNT
} Happening;

/* What goes wrong in one run, in the order of its points. */
typedef struct {
    guint n;
    struct {
        guint at; /* the point, from 1 */
        Happening what;
    } steps[WALK_MAX_STEPS];
} Plan;

/* Mistakes of a driver, made at its seams. */
typedef enum {
    BUG_NONE,
    BUG_SAYS_THEN_WRITES, /* the row's write comes after its message */
    BUG_NO_BOOT,          /* that the host has booted is not seen */
    BUG_NO_LOOK,          /* that copies are missing is not seen */
    BUG_BELIEVES_WRITES,  /* that a write has failed is not seen */
} Bug;

typedef struct {
    guint points;                     /* how many there were */
    guint32 may[WALK_MAX_POINTS + 1]; /* at each: a bit for each Happening that could be */
    gboolean excused;                 /* an operator's word was not true */
    char *wrong;                      /* NULL, or what was; free with g_free() */
    /* Of each row, the point after which it was first done, from 1; 0: it was not. */
    guint8 done[MIGRATION_SIDE_COUNT][WALK_STATES][MIGRATION_EVENT_COUNT];
} Walked;

/* The row in which walk_run() has a bug, NULL: in each that it can be in. */
void walk_seed(Bug bug, const MigrationRow *row, MigrationSide side);
/* @ret_walked is all 0. */
void walk_run(const Plan *plan, Walked *ret_walked);
/* "12: the link breaks; 30: ..."; free with g_free(). */
char *walk_plan_text(const Plan *plan);

/* -- stories (walk-stories.c) -- */

/* What goes wrong first, what on top of that... */
typedef struct {
    guint32 mask; /* a bit for each Happening; 0: nothing more */
    guint most;   /* of all that could, this many are taken, evenly; 0: all */
} WalkLevel;

typedef struct {
    const char *name;
    WalkLevel levels[WALK_MAX_STEPS + 1];
} WalkStory;

/* NULL-terminated by a name that is NULL. */
extern const WalkStory walk_stories[];

/* FALSE: that is enough. */
typedef gboolean (*WalkSee)(const Plan *plan, const Walked *walked);

/* A row. */
typedef struct {
    MigrationSide side;
    guint state;
    MigrationEvent event;
} WalkFrom;

/* What happens on top of @base from where it does the row @from. FALSE: @see has ended it. */
gboolean walk_go_on(const Plan *base, const WalkFrom *from, const WalkLevel *levels, WalkSee see);
/* Runs all plans of @story, @factor times as many of those that are chosen, unless @see ends it. */
gboolean walk_tell(const WalkStory *story, guint factor, WalkSee see);

/* -- drivers with bugs (walk-bugs.c) -- */

/* A plan that is good, and what it did. */
void bugs_learn(const Plan *plan, const Walked *walked);
/* After all plans; @harmless_path is tests/model/harmless.txt. @each: not one bug in four of those
 * in rows, but all, and that actions are left out, too. */
void bugs_add_tests(const char *harmless_path, gboolean each);
void bugs_print(void);

G_END_DECLS

#endif
