/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which plans are run: each thing that can go wrong where it can, on top of what went wrong before.
 */
#include "walk.h"

#include <string.h>

#define BIT(what) (1u << WALK_##what)
#define FAULTS (BIT(DIE_S) | BIT(DIE_D) | BIT(POWER_S) | BIT(POWER_D) | BIT(CUT))
#define CUTS (BIT(CUT) | BIT(CUT_LATE_S) | BIT(CUT_LATE_D) | BIT(OUTAGE) | BIT(STALL))
#define ALL (~0u)

typedef struct {
    const WalkLevel *levels; /* from the plan's step @first on */
    guint first;
    const WalkFrom *from; /* not before this row is done; or NULL */
    guint factor;
    WalkSee see;
} Search;

static gboolean explore(const Plan *base, const Search *search);

/* The first point of the next step. */
static guint first_point(const Plan *base, const Search *search, const Walked *walked)
{
    const WalkFrom *from = search->from;
    guint last = base->n > 0 ? base->steps[base->n - 1].at : 1;
    return from != NULL ? MAX(last, walked->done[from->side][from->state][from->event]) : last;
}

static guint count_choices(const Walked *walked, guint from, guint32 mask)
{
    guint n = 0;
    for (guint at = from; at <= MIN(walked->points, WALK_MAX_POINTS); at++)
        n += (guint)__builtin_popcount(walked->may[at] & mask);
    return n;
}

/* @n in @of, so that @most of them are. */
static gboolean is_taken(guint n, guint of, guint most)
{
    return most == 0 || of <= most || (n + 1) * most / of != n * most / of;
}

static gboolean explore_at(const Plan *base, const Search *search, guint at, Happening what)
{
    Plan plan = *base;
    plan.steps[plan.n].at = at;
    plan.steps[plan.n].what = what;
    plan.n++;
    return explore(&plan, search);
}

/* FALSE: who sees the runs has seen enough. */
static gboolean explore(const Plan *base, const Search *search)
{
    static const WalkLevel none;
    Walked walked = {0};
    const WalkLevel *level =
        base->n < WALK_MAX_STEPS ? &search->levels[base->n - search->first] : &none;
    walk_run(base, &walked);
    gboolean more = search->see(base, &walked);
    g_free(walked.wrong);
    guint from = first_point(base, search, &walked);
    guint of = more ? count_choices(&walked, from, level->mask) : 0, n = 0;
    for (guint at = from; more && n < of; at++)
        for (Happening what = 0; more && what < WALK_HAPPENING_COUNT; what++)
            if ((walked.may[at] & level->mask & (1u << what)) != 0 &&
                is_taken(n++, of, level->most * search->factor))
                more = explore_at(base, search, at, what);
    return more;
}

gboolean walk_tell(const WalkStory *story, guint factor, WalkSee see)
{
    Plan plan = {0};
    Search search = {story->levels, 0, NULL, factor, see};
    return explore(&plan, &search);
}

gboolean walk_go_on(const Plan *base, const WalkFrom *from, const WalkLevel *levels, WalkSee see)
{
    Search search = {levels, base->n, from, 1, see};
    return explore(base, &search);
}

#define BREAKS (BIT(CUT) | BIT(OUTAGE))
#define RUN_WORDS (BIT(RUN_S) | BIT(RUN_D))
#define DISCARD_WORDS (BIT(DISCARD_S) | BIT(DISCARD_D))
#define WORDS (BIT(START_S) | BIT(START_D) | RUN_WORDS | DISCARD_WORDS)
#define FAILURES (BIT(SLOW) | BIT(FAILED_D) | BIT(NO_ACT_S) | BIT(NO_ACT_D))
#define BAD_WRITES (BIT(NO_WRITE_S) | BIT(NO_WRITE_D) | BIT(DOUBT_S) | BIT(DOUBT_D))
#define BOOTS (BIT(POWER_S) | BIT(POWER_D))

const WalkStory walk_stories[] = {
    {"each", {{ALL, 0}, {0}}},
    {"twice", {{FAULTS, 0}, {FAULTS, 16}, {0}}},
    {"slow", {{FAILURES, 0}, {CUTS | BIT(DIE_S), 12}, {0}}},
    {"unwritable", {{BAD_WRITES, 0}, {FAULTS, 12}, {0}}},
    {"words", {{CUTS, 12}, {FAULTS | WORDS, 12}, {WORDS, 6}, {0}}},
    {"lost", {{BIT(OUTAGE), 5}, {BOOTS | BIT(DISCARD_S), 15}, {RUN_WORDS, 3}, {FAULTS, 12}, {0}}},
    {"late-word", {{BIT(OUTAGE), 0}, {BIT(POWER_S), 2}, {BIT(SLOW), 3}, {BIT(RUN_D), 0}, {0}}},
    {"true-word", {{BOOTS, 0}, {RUN_WORDS, 4}, {FAULTS | WORDS, 10}, {0}}},
    {"both-off", {{BREAKS, 16}, {BOOTS, 6}, {BOOTS, 6}, {RUN_WORDS, 0}, {0}}},
    {"clash", {{BREAKS, 0}, {BIT(RUN_D), 0}, {ALL, 10}, {0}}},
    {"clash-alone",
     {{BREAKS, 0}, {BIT(RUN_D), 2}, {BREAKS, 8}, {RUN_WORDS | DISCARD_WORDS, 0}, {0}}},
    {"clash-meddled", {{BREAKS, 0}, {BIT(RUN_D), 2}, {BIT(MEDDLE_S) | BIT(MEDDLE_D), 0}, {0}}},
    {"clash-lost", {{BREAKS, 0}, {BIT(RUN_D), 3}, {BIT(POWER_D), 4}, {BIT(POWER_S), 4}, {0}}},
    {NULL, {{0}}},
};
