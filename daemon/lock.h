/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The lock that makes a daemon the only one of its state directory. It is
 * the kernel's record lock, so it ends with the process however that ends,
 * and no child holds it on.
 */
#ifndef DAEMON_LOCK_H
#define DAEMON_LOCK_H

#include "domgrp-error.h"

G_BEGIN_DECLS

/*
 * Makes @directory if need be and locks it until the process ends; returns
 * the descriptor that holds the lock, or -1. DOMGRP_ERROR_LOCKED names the
 * holder; DOMGRP_ERROR_FILE.
 */
int lock_take(const char *directory, GError **error);

G_END_DECLS

#endif
