/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A text in xl.cfg(5) syntax with keys of our own: libxlutil parses it, and
 * this adds which keys there are and where a value stands, for refusals with
 * file and line. Group files and map files are such texts.
 *
 * Not thread safe per object; no global state.
 */
#ifndef GROUPFILE_CFG_TEXT_H
#define GROUPFILE_CFG_TEXT_H

#include <glib.h>

G_BEGIN_DECLS

#define CFG_TEXT_MAX (256u * 1024) /* bytes of such a text */

/* A key by number from 0; NULL after the last. */
typedef const char *(*CfgKey)(guint i);

/* What such a text is. */
typedef struct {
    const char *what; /* "group file" */
    CfgKey key;
} CfgKind;

typedef struct CfgText CfgText;

/*
 * Reads the @length bytes of @text, which messages call @filename; @kind outlives the result.
 * Errors: FILE (too large), SYNTAX (also NUL bytes and what is no UTF-8), KEY_UNKNOWN, VALUE (a
 * key set twice).
 */
CfgText *cfg_text_new(const CfgKind *kind, const char *text, gsize length, const char *filename,
                      GError **error);
void cfg_text_free(CfgText *cfg);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(CfgText, cfg_text_free)

/* Borrowed. */
const char *cfg_text_filename(const CfgText *cfg);
gboolean cfg_text_has(const CfgText *cfg, guint key);
/* The line of the @i'th string of @key, which is there, or of @key where it has not so many. */
guint cfg_text_line(const CfgText *cfg, guint key, guint i);
/* How many items the list @key has; minus an errno: it is not there (ESRCH), or no list (EINVAL).
 */
int cfg_text_count(const CfgText *cfg, guint key);
/* The @i'th of them, borrowed; NULL if that is a list itself. */
const char *cfg_text_item(const CfgText *cfg, guint key, guint i);

/* Takes a string of a key; errors need not say where it stands. */
typedef gboolean (*CfgAdd)(gpointer data, const char *key, const char *value, GError **error);
/* Gives @add the strings of @key, or the one it has where it is no list; none if it is not there.
 */
gboolean cfg_text_add(const CfgText *cfg, guint key, gboolean is_list, CfgAdd add, gpointer data,
                      GError **error);

G_END_DECLS

#endif
