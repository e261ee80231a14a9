/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A lock is a flag that asserts. */
#ifndef SHIM_SPINLOCK_H
#define SHIM_SPINLOCK_H

#include <xen/lib.h>

typedef struct { bool held; } spinlock_t;
#define DEFINE_SPINLOCK(name) spinlock_t name

void spin_lock(spinlock_t *lock);
void spin_unlock(spinlock_t *lock);
#define spin_is_locked(lock) ((lock)->held)

#endif
