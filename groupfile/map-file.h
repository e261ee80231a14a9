/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A map file: the text in xl.cfg(5) syntax that says what a copy of a group
 * is called and has (domgrp-map(5), domgrp-map.h).
 *
 * Thread safe; no state.
 */
#ifndef GROUPFILE_MAP_FILE_H
#define GROUPFILE_MAP_FILE_H

#include "domgrp-map.h"

G_BEGIN_DECLS

/*
 * Reads the @length bytes of @text, which messages call @filename. Errors: FILE (too large),
 * SYNTAX, KEY_UNKNOWN, VALUE, NAME, GROUP_LIMIT.
 */
DomgrpMap *map_file_parse(const char *text, gsize length, const char *filename, GError **error);

G_END_DECLS

#endif
