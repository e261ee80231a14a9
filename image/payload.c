/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Small payloads to bytes and back; docs/group-image.md has each of them as a table. */
#include "payload.h"

gboolean payload_name_check(const char *what, const char *name, GError **error)
{
    gsize length = strlen(name);

    if (length >= 1 && length <= FORMAT_NAME_MAX && g_utf8_validate(name, (gssize)length, NULL))
        return TRUE;
    g_set_error(error, DOMGRP_ERROR, DOMGRP_ERROR_VALUE,
                "the name of a %s in an image must be UTF-8 of 1 to %d bytes", what,
                FORMAT_NAME_MAX);
    return FALSE;
}

gboolean payload_text_check(const char *what, const char *text, GError **error)
{
    gsize length = strlen(text);

    if (length <= IMAGE_MAX_TEXT && g_utf8_validate(text, (gssize)length, NULL))
        return TRUE;
    g_set_error(error, DOMGRP_ERROR, DOMGRP_ERROR_VALUE,
                "%s must be UTF-8 of at most %d bytes to be kept in an image", what,
                IMAGE_MAX_TEXT);
    return FALSE;
}

static void append_u64(GByteArray *bytes, guint64 value)
{
    guint8 text[8];

    bytes_put_u64(text, value);
    g_byte_array_append(bytes, text, sizeof text);
}

static void append_name(GByteArray *bytes, const char *name)
{
    guint8 length = (guint8)strlen(name);

    g_byte_array_append(bytes, &length, 1);
    g_byte_array_append(bytes, (const guint8 *)name, length);
}

char *payload_read_text(const guint8 *bytes, gsize length)
{
    /* g_utf8_validate() with a length refuses NUL too */
    if (!g_utf8_validate((const char *)bytes, (gssize)length, NULL))
        return NULL;
    return g_strndup((const char *)bytes, length);
}

static char *take_name(Cursor *cursor)
{
    const guint8 *length = cursor_take(cursor, 1);
    const guint8 *name = length != NULL ? cursor_take(cursor, *length) : NULL;

    return name != NULL && *length > 0 ? payload_read_text(name, *length) : NULL;
}

GByteArray *payload_group(gint64 created_us, const guint8 uuid[FORMAT_UUID], const char *name,
                          const char *text)
{
    GByteArray *bytes = g_byte_array_new();

    append_u64(bytes, (guint64)created_us);
    g_byte_array_append(bytes, uuid, FORMAT_UUID);
    append_name(bytes, name);
    return g_byte_array_append(bytes, (const guint8 *)text, (guint)strlen(text));
}

gboolean payload_read_group(const guint8 *bytes, gsize length, ImageInfo *info)
{
    Cursor cursor = {bytes, length};
    const guint8 *fixed = cursor_take(&cursor, 8 + FORMAT_UUID);

    if (fixed == NULL)
        return FALSE;
    info->created_us = (gint64)bytes_u64(fixed);
    domgrp_uuid_text(fixed + 8, info->group_uuid);
    info->group_name = take_name(&cursor);
    info->text = payload_read_text(cursor.at, cursor.left);
    return info->group_name != NULL && info->text != NULL;
}

GByteArray *payload_member(const guint8 uuid[FORMAT_UUID], const char *name)
{
    GByteArray *bytes = g_byte_array_new();

    g_byte_array_append(bytes, uuid, FORMAT_UUID);
    append_name(bytes, name);
    return bytes;
}

gboolean payload_read_member(const guint8 *bytes, gsize length, ImageMember *member)
{
    Cursor cursor = {bytes, length};
    const guint8 *uuid = cursor_take(&cursor, FORMAT_UUID);

    if (uuid == NULL)
        return FALSE;
    g_autofree char *name = take_name(&cursor);
    if (name == NULL || cursor.left > 0)
        return FALSE;
    domgrp_uuid_text(uuid, member->uuid);
    g_free(member->name);
    member->name = g_steal_pointer(&name);
    return TRUE;
}

GByteArray *payload_totals(const MemberTotals *totals)
{
    GByteArray *bytes = g_byte_array_new();

    append_u64(bytes, totals->bytes);
    append_u64(bytes, totals->pages);
    append_u64(bytes, totals->zero);
    append_u64(bytes, totals->own_equal);
    append_u64(bytes, totals->shared);
    append_u64(bytes, totals->distinct);
    append_u64(bytes, totals->other);
    append_u64(bytes, totals->sum);
    return bytes;
}

gboolean payload_read_totals(const guint8 *bytes, gsize length, MemberTotals *ret_totals)
{
    if (length != 8 * 8)
        return FALSE;
    *ret_totals = (MemberTotals){
        .bytes = bytes_u64(bytes),
        .pages = bytes_u64(bytes + 8),
        .zero = bytes_u64(bytes + 16),
        .own_equal = bytes_u64(bytes + 24),
        .shared = bytes_u64(bytes + 32),
        .distinct = bytes_u64(bytes + 40),
        .other = bytes_u64(bytes + 48),
        .sum = bytes_u64(bytes + 56),
    };
    return TRUE;
}
