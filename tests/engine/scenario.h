/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What is run with faults: a scenario is what is done, from what; a shape
 * the group's members and order; a twist what is not as it should be. A case
 * is one of each, and a plan says where it goes wrong.
 */
#ifndef TESTS_ENGINE_SCENARIO_H
#define TESTS_ENGINE_SCENARIO_H

#include "world.h"

G_BEGIN_DECLS

#define MEMBERS_MAX 4

typedef struct Case Case;

typedef struct {
    const char *name;
    void (*prepare)(World *world, const Case *what); /* without a fault */
    void (*act)(World *world, const Case *what);     /* with one */
    OperationKind kind;                              /* of its operation; COUNT: it has none */
    const char *after;    /* what shop is if that is done; NULL: not to be said */
    gboolean begins;      /* each member begins once then */
    const char *settings; /* of the group, "KEY VALUE|KEY VALUE..." */
} Scenario;

typedef struct {
    const char *name;
    guint n; /* members: db, web, mail, cache */
    const char *settings;
} Shape;

typedef enum { FITS_ALL, FITS_BUILDING, FITS_CREATE, FITS_START, FITS_SAVING } Fit;

typedef struct {
    const char *name;
    const char *settings;
    const char *member; /* whose file has more lines, or NULL */
    const char *file;
    double dies_at;  /* seconds after the act, if it runs then; 0: it does not */
    gboolean memory; /* there is room for one more member only */
    Fit fits;
} Twist;

struct Case {
    const Scenario *scenario;
    const Shape *shape;
    const Twist *twist;
    DomgrpPolicy policy;
    gboolean stock;
};

typedef struct {
    guint nth; /* the call with the fault, from 1 */
    SimFault fault;
    guint second;   /* the daemon dies again, at this call after its first death; 0: it does not */
    gboolean power; /* what dies is the host */
    guint mutated;  /* the call that is LOST or LATE, or 0 */
    SimFault mutation;
} Plan;

typedef struct {
    gboolean hit;        /* it came to the call with the fault */
    gboolean hit_second; /* likewise */
    const char *call;    /* the function that had the fault, or NULL */
    const char *lost;    /* what the write that was lost would have noted, or NULL */
    char *wrong;         /* NULL, or what was; free with g_free() */
} Verdict;

/* NULL-terminated by a name that is NULL. */
extern const Scenario scenarios[];
extern const Shape shapes[];
extern const Twist twists[];

gboolean case_fits(const Case *what);
/* It is about an image: such scenarios are many and long. */
gboolean scenario_has_image(const Scenario *scenario);
/* "start of 3-chain (late tcp), rollback" */
char *case_name(const Case *what);
Verdict case_run(const Case *what, const Plan *plan);
/* The same without a fault, up to where it would come; free with world_free(). */
World *case_prepare(const Case *what);
/* Runs until all is at rest, with a new daemon whenever there is none. */
void world_rest(World *world);

G_END_DECLS

#endif
