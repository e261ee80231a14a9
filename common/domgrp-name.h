/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The grammar of names and UUIDs, in one place for every part.
 *
 * Thread safe; no state.
 */
#ifndef DOMGRP_NAME_H
#define DOMGRP_NAME_H

#include <glib.h>

G_BEGIN_DECLS

/* The longest name of a group or a member, in bytes without the end. */
#define DOMGRP_NAME_MAX 63

/* The names of the default groups; no other group may have them. */
#define DOMGRP_NAME_GROUP0 "Group-0"
#define DOMGRP_NAME_NULL "Null-Group"

/* The ids that the hypervisor gives meaning to (public/domgrpctl.h). */
#define DOMGRP_ID_GROUP0 0u
#define DOMGRP_ID_NULL 0x7FFFu

/* A UUID's text: 36 characters, lower case, and the end. */
#define DOMGRP_UUID_TEXT 37

/* A UUID where it is no text: in the order in which it is printed. */
#define DOMGRP_UUID_BYTES 16

/*
 * Whether @name may name a @what ("group", "member"): 1 to 63 letters,
 * digits and "_-.:/+", and not only digits (xl takes those for a domid).
 * DOMGRP_ERROR_NAME otherwise.
 */
gboolean domgrp_name_check(const char *what, const char *name, GError **error);

/*
 * Writes @text, a UUID with or without capital letters, in lower case to
 * @ret_uuid. DOMGRP_ERROR_VALUE if it is not one, or is all zeros.
 */
gboolean domgrp_uuid_parse(const char *text, char ret_uuid[DOMGRP_UUID_TEXT], GError **error);

/* The bytes of the UUID @text; refuses what domgrp_uuid_parse() refuses. */
gboolean domgrp_uuid_bytes(const char *text, guint8 ret_bytes[DOMGRP_UUID_BYTES], GError **error);

void domgrp_uuid_text(const guint8 bytes[DOMGRP_UUID_BYTES], char ret_text[DOMGRP_UUID_TEXT]);

G_END_DECLS

#endif
