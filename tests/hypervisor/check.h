/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What must be true after every step, seen through the hypercall and from Xen's side. */
#ifndef CHECK_H
#define CHECK_H

#include <stdbool.h>

/*
 * Asserts that every domain is in exactly one group and is listed there once,
 * that its pause count is the sum of its references, that members follow their
 * group's pause (when nothing is under way: @at_rest), that a domain which a
 * group has paused and waited for is stopped, and that the heap holds what is
 * there to see and no more.
 */
void check_world(bool at_rest);

/* Destroys every domain but 0, every reservation and every group: nothing is left. */
void check_clear(void);

#endif
