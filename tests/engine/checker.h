/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The judge of every run on the simulated host: fed with each moment of its
 * trace, and asked when all is at rest. It knows what an operation promises,
 * not how the engine keeps it: the order is read from the group's settings.
 *
 * At every instant:
 *   - of a member only one guest runs, on this host or on the one that it is joined with;
 *   - the daemon lets a guest begin once for each operation that starts the member, and once for
 *     each time that the guest before it has ended, and never without one of these;
 *   - it does so when all that the member needs run and are ready;
 *   - it asks or destroys a guest that runs for an operation alone, and when no member that needs
 *     it runs.
 * At rest:
 *   - domains, groups, reservations, records and journal are what the engine says, no operation
 *     and no member's owner is open, and every operation that was accepted is in the history.
 *
 * What the order does not speak of:
 *   - what xl, its monitor, or the guest does;
 *   - a member that begins again because its guest has ended, which its operation had nothing to
 *     do with or was through with: neither it nor those that need it are looked at;
 *   - a member that an operation has nothing to do with: a reboot or a shutdown leaves alone what
 *     did not run, and undoing a start leaves alone what ran before;
 *   - what came of a guest in the instant that a call takes.
 */
#ifndef TESTS_ENGINE_CHECKER_H
#define TESTS_ENGINE_CHECKER_H

#include "engine.h"
#include "sim.h"

G_BEGIN_DECLS

typedef struct Checker Checker;

/* Listens to the trace of @host; borrows both. */
Checker *checker_new(Host *host, Journal *journal);
void checker_free(Checker *checker);
/* The engine that lives now, or NULL. */
void checker_set_engine(Checker *checker, Engine *engine);
/* No write fails: what is told must be in the journal by then. */
void checker_set_strict(Checker *checker, gboolean strict);
/* The copies that were to run are lost with another host: the memory of others may go, too. */
void checker_allow_loss(Checker *checker);
/* An operator has said what is not true: members may run twice, and with disks that moved on. */
void checker_lie(Checker *checker);
/* Something became of @operation. */
void checker_see(Checker *checker, const Operation *operation);
/* @operation was accepted: the history must tell of it. */
void checker_expect(Checker *checker, const Operation *operation);
/* How often the guest of the domain @name has begun to run. */
guint checker_begun(const Checker *checker, const char *name);
/* NULL, or what was wrong first; borrowed. */
const char *checker_wrong(const Checker *checker);
/* The same, and what is wrong at rest; @stock: the hypervisor has no groups. Free with g_free(). */
char *checker_rest(Checker *checker, gboolean stock);
/* The trace, a line for each moment. Free with g_free(). */
char *checker_trace(const Checker *checker);

G_END_DECLS

#endif
