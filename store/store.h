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
 * its folder must exist. Free with ops->free(). NULL on error:
 * DOMGRP_ERROR_LOCKED if another process has it open, DOMGRP_ERROR_STORE if
 * it cannot be read or written, is damaged, or is of a newer domgrp.
 */
Journal *journal_sqlite_new(const char *path, GError **error);

G_END_DECLS

#endif
