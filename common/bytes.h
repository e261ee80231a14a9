/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Little-endian numbers in byte arrays, and a cursor that cannot run past the
 * end of what it reads. Every number in an image or on a connection goes through here.
 */
#ifndef DOMGRP_BYTES_H
#define DOMGRP_BYTES_H

#include <glib.h>
#include <string.h>

static inline guint16 bytes_u16(const guint8 *p)
{
    guint16 v;
    memcpy(&v, p, sizeof v);
    return GUINT16_FROM_LE(v);
}

static inline guint32 bytes_u32(const guint8 *p)
{
    guint32 v;
    memcpy(&v, p, sizeof v);
    return GUINT32_FROM_LE(v);
}

static inline guint64 bytes_u64(const guint8 *p)
{
    guint64 v;
    memcpy(&v, p, sizeof v);
    return GUINT64_FROM_LE(v);
}

static inline void bytes_put_u16(guint8 *p, guint16 v)
{
    v = GUINT16_TO_LE(v);
    memcpy(p, &v, sizeof v);
}

static inline void bytes_put_u32(guint8 *p, guint32 v)
{
    v = GUINT32_TO_LE(v);
    memcpy(p, &v, sizeof v);
}

static inline void bytes_put_u64(guint8 *p, guint64 v)
{
    v = GUINT64_TO_LE(v);
    memcpy(p, &v, sizeof v);
}

typedef struct {
    const guint8 *at;
    gsize left;
} Cursor;

/* The next @n bytes, or NULL if there are not so many. */
static inline const guint8 *cursor_take(Cursor *cursor, gsize n)
{
    const guint8 *at = cursor->at;

    if (n > cursor->left)
        return NULL;
    cursor->at += n;
    cursor->left -= n;
    return at;
}

/* A number of 7 bits a byte, lowest first; FALSE if it is cut off or has more than 64 bits. */
static inline gboolean cursor_varint(Cursor *cursor, guint64 *ret_value)
{
    guint64 value = 0;

    for (guint shift = 0; shift < 64 && cursor->left > 0; shift += 7) {
        guint8 byte = *cursor->at++;
        cursor->left--;
        if (shift == 63 && byte > 1)
            return FALSE;
        value |= (guint64)(byte & 0x7f) << shift;
        if (byte < 0x80) {
            *ret_value = value;
            return TRUE;
        }
    }
    return FALSE;
}

static inline void bytes_append_varint(GByteArray *array, guint64 value)
{
    guint8 text[10];
    guint n = 0;

    for (; value >= 0x80; value >>= 7)
        text[n++] = (guint8)(value | 0x80);
    text[n++] = (guint8)value;
    g_byte_array_append(array, text, n);
}

/* Signed numbers near zero as small unsigned ones. */
static inline guint64 bytes_zigzag(gint64 value)
{
    return ((guint64)value << 1) ^ (guint64)(value >> 63);
}

static inline gint64 bytes_unzigzag(guint64 value)
{
    return (gint64)(value >> 1) ^ -(gint64)(value & 1);
}

#endif
