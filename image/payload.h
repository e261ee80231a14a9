/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The payloads that are neither pages nor pieces: who the group is, who a
 * member is, and how a member's stream came out.
 */
#ifndef IMAGE_PAYLOAD_H
#define IMAGE_PAYLOAD_H

#include "format.h"
#include "image.h"

typedef struct {
    guint64 bytes, pages, zero, own_equal, shared, distinct, other;
    guint64 sum; /* of the whole stream */
} MemberTotals;

/* Whether @name can name a @what: UTF-8 of 1 to 255 bytes; VALUE otherwise. */
gboolean payload_name_check(const char *what, const char *name, GError **error);
gboolean payload_text_check(const char *what, const char *text, GError **error);

GByteArray *payload_group(gint64 created_us, const guint8 uuid[FORMAT_UUID], const char *name,
                          const char *text);
gboolean payload_read_group(const guint8 *bytes, gsize length, ImageInfo *info);
GByteArray *payload_member(const guint8 uuid[FORMAT_UUID], const char *name);
gboolean payload_read_member(const guint8 *bytes, gsize length, ImageMember *member);
GByteArray *payload_totals(const MemberTotals *totals);
gboolean payload_read_totals(const guint8 *bytes, gsize length, MemberTotals *ret_totals);
/* A text without NUL; NULL if it is not UTF-8. */
char *payload_read_text(const guint8 *bytes, gsize length);

#endif
