/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The file under the journal: opened for this process alone, checked, and
 * made what this domgrpd reads and writes. What is in it is for
 * journal-sqlite.c to say. Private to store/.
 */
#ifndef DOMGRP_STORE_DATABASE_H
#define DOMGRP_STORE_DATABASE_H

#include "domgrp-error.h"

#include <sqlite3.h>

G_BEGIN_DECLS

/* As journal_sqlite_new(), which see; close with sqlite3_close(). */
sqlite3 *database_open(const char *path, GError **error);

/* Says what SQLite has just refused, and the way out. FALSE. */
gboolean database_fail(sqlite3 *db, const char *path, GError **error);

G_END_DECLS

#endif
