/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What guests, programs and other hosts say, made fit to be shown.
 *
 * Thread safe; no state.
 */
#ifndef DOMGRP_TEXT_H
#define DOMGRP_TEXT_H

#include <glib.h>

G_BEGIN_DECLS

/*
 * What is fit to be shown of the first @max of @length @bytes, which anybody
 * may have chosen: printable UTF-8 in one line, other characters as "\xNN",
 * "..." where it was cut. Free with g_free().
 */
char *domgrp_text_clean(const char *bytes, gsize length, gsize max);

/* Values in a member's configuration. Readers take time with their square. */
#define DOMGRP_JSON_VALUES_MAX 8192u

/* No fewer than the values, keys among them, that the JSON text @json has. */
gsize domgrp_text_json_values(const char *json);

G_END_DECLS

#endif
