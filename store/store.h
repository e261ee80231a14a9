/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * engine/journal.h on an SQLite database: what domgrpd knows after a restart.
 *
 * One process at a time: it holds the database's lock as long as the journal
 * is open, and a second one is refused (DOMGRP_ERROR_LOCKED).
 */
#ifndef DOMGRP_STORE_STORE_H
#define DOMGRP_STORE_STORE_H

#include "journal.h"

G_BEGIN_DECLS

/* How many operations the history keeps. */
#define JOURNAL_SQLITE_OPERATIONS 256

/*
 * Opens the database at @path, which is made (mode 0600) if there is none;
 * its folder must exist. One of an older version N is copied to
 * "@path.vN-backup" (mode 0600, in place of an older backup of that name) and
 * then upgraded in one transaction: after a crash it is the old one or the
 * new one. Free with ops->free(). NULL on error, and nothing has changed:
 * DOMGRP_ERROR_LOCKED if another process has it open, DOMGRP_ERROR_STORE if
 * it or the backup cannot be read or written, or if it is damaged or of a
 * newer domgrp.
 */
Journal *journal_sqlite_new(const char *path, GError **error);

G_END_DECLS

#endif
