/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* xl's header and the configuration behind it, to bytes and back. */
#include "xl.h"

#include "image.h"

#define BYTE_ORDER_MARK 0x01020304u
#define MANDATORY_JSON 1u
#define MANDATORY_STREAM_V2 2u

const guint8 xl_magic[32] = "Xen saved domain, xl format\n \0 \r";

gboolean xl_header(const guint8 bytes[XL_HEADER], guint32 *ret_data)
{
    if (memcmp(bytes, xl_magic, sizeof xl_magic) != 0 || bytes_u32(bytes + 32) != BYTE_ORDER_MARK)
        return FALSE;
    *ret_data = bytes_u32(bytes + 44);
    return TRUE;
}

char *xl_json(const guint8 header[XL_HEADER], const guint8 *data, gsize length)
{
    if (!(bytes_u32(header + 36) & MANDATORY_JSON) || length < 4 || bytes_u32(data) > length - 4)
        return NULL;
    return g_strndup((const char *)data + 4, bytes_u32(data));
}

GByteArray *xl_make(const char *json)
{
    guint32 length = (guint32)strlen(json) + 1;
    guint8 header[XL_HEADER + 4] = {0};
    GByteArray *bytes = g_byte_array_new();

    memcpy(header, xl_magic, sizeof xl_magic);
    bytes_put_u32(header + 32, BYTE_ORDER_MARK);
    bytes_put_u32(header + 36, MANDATORY_JSON | MANDATORY_STREAM_V2);
    bytes_put_u32(header + 44, 4 + length);
    bytes_put_u32(header + 48, length);
    g_byte_array_append(bytes, header, sizeof header);
    return g_byte_array_append(bytes, (const guint8 *)json, length);
}

gboolean image_xl_front(const void *bytes, gsize length, gsize *ret_front, char **ret_json)
{
    guint32 data;

    if (length < XL_HEADER || !xl_header(bytes, &data) || data > length - XL_HEADER)
        return FALSE;
    *ret_front = XL_HEADER + data;
    if (ret_json != NULL)
        *ret_json = xl_json(bytes, (const guint8 *)bytes + XL_HEADER, data);
    return TRUE;
}
