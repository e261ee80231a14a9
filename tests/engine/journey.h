/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What goes wrong while a group moves: a story is what is done, from what;
 * a plan says where it goes wrong. Then both sides come back, and all must
 * come to rest as the checkers want it.
 */
#ifndef TESTS_ENGINE_JOURNEY_H
#define TESTS_ENGINE_JOURNEY_H

#include "pair.h"

G_BEGIN_DECLS

#define SECOND ((gint64)G_USEC_PER_SEC)

/* What happens at a moment, rather than in a call. */
typedef enum { CUT, KILL, POWER, AWAY, CRASH, HAPPENS_COUNT } Happens;

typedef enum {
    LIES = 1,     /* a word is not true: both sides run the group */
    GIVES_UP = 2, /* words give up the group's memory */
    STARTS = 4,   /* the group starts when its host boots */
    STOCK = 8,    /* the hypervisors know no groups */
} Flags;

/*
 * What is done, a letter for each thing:
 *   m  the group is migrated live, M not live;  c  that is cancelled after 2 s
 *   w  5 s pass;  x  the destination cannot be reached any more, r  it can
 *   s  the source's daemon dies, S its host loses its power;  d, D  the destination's
 *   y  somebody destroys db at the source, z at the destination
 *   1  RUN_HERE is said at the source, 2 at the destination;  3, 4  DISCARD_HERE
 *   p  the group is paused at the source, q at the destination; u  it is unpaused where it is
 */
typedef struct {
    const char *name;
    guint side; /* whose messages are counted ... */
    guint cut;  /* ... up to the one that is lost with the connection; 0: none is */
    const char *before;
    const char *states; /* of the two records then */
    const char *act;    /* with a fault; then the destination can be reached */
    const char *end;    /* what there is at the end without a fault */
    char last;          /* is done once more at the end; 0: nothing is */
    Flags flags;
} Story;

#define HERE "shop running: db=running web=running / "
#define THERE " / shop running: db=running web=running"
#define DOWN_HERE "shop stopped: db=stopped web=stopped / "
#define DOWN_THERE " / shop stopped: db=stopped web=stopped"

/* NULL-terminated by a name that is NULL. */
extern const Story stories[];

/* A call with a fault, or a moment at which something happens. */
typedef struct {
    const Story *story;
    guint side;
    guint nth; /* the call, from 1; 0: none */
    SimFault fault;
    gboolean power;
    guint second_side; /* after a death, where another comes ... */
    guint second;      /* ... at this call; 0: none does */
    guint mutated;     /* a call whose write is lost, and that is not known; 0: none */
    gint64 at_us;      /* the moment, if there is no call */
    Happens happens;
} Plan;

typedef struct {
    const char *hit;    /* the call that had the fault, or NULL */
    const char *second; /* that of the second death, or NULL */
    const char *lost;   /* what the write that was lost would have noted, or NULL */
    char *wrong;        /* NULL, or what was; free with g_free() */
} Verdict;

Verdict journey_run(const Plan *plan);
/* A pair as the story begins, and what it then does; free with pair_free(). */
Pair *journey_begin(const Story *story);
void journey_act(Pair *pair, const Plan *plan);
void journey_settle(Pair *pair, const Plan *plan);
/* "live: source: call 7 (domains) fails before"; free with g_free(). */
char *journey_text(const Plan *plan, const Verdict *verdict);

G_END_DECLS

#endif
