/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Frames to bytes. */
#include "frame.h"

#include "bytes.h"
#include "domgrp-text.h"
#include "layout.h"

#include <xxhash.h>

/* A message that the table has and this list does not is an error of the compiler's. */
static const guint8 types[MIGRATION_MESSAGE_COUNT] = {
#define X(message, meaning) [MIGRATION_MESSAGE_##message] = WIRE_TYPE_##message,
    MIGRATION_TO_DESTINATION(X) MIGRATION_TO_SOURCE(X)
#undef X
};

WireType wire_message_type(MigrationMessage message)
{
    return types[message];
}

gboolean wire_type_message(guint32 type, MigrationMessage *ret_message)
{
    for (guint message = 0; message < G_N_ELEMENTS(types); message++) {
        if (types[message] != type || type == 0)
            continue;
        *ret_message = message;
        return TRUE;
    }
    return FALSE;
}

guint64 wire_sum(const guint8 *bytes, gsize payload)
{
    guint64 head = XXH64(bytes, 8, 0);
    return payload == 0 ? head : XXH64(bytes + WIRE_HEADER_SIZE, payload, head);
}

guint wire_version_choose(guint min, guint max)
{
    guint version = MIN(max, WIRE_VERSION);
    return min <= max && version >= MAX(min, WIRE_VERSION_MIN) ? version : 0;
}

char *wire_text(const char *text, gsize length)
{
    char *clean = domgrp_text_clean(text, length, WIRE_TEXT_MAX);
    gsize end = strlen(clean);
    if (end > WIRE_TEXT_MAX)
        for (end = WIRE_TEXT_MAX; ((guint8)clean[end] & 0xc0) == 0x80; end--)
            ;
    clean[end] = '\0';
    return clean;
}

/* -- fields -- */

static void put_u16(GByteArray *bytes, guint value)
{
    guint8 field[2];
    bytes_put_u16(field, (guint16)value);
    g_byte_array_append(bytes, field, sizeof field);
}

static void put_u32(GByteArray *bytes, guint32 value)
{
    guint8 field[4];
    bytes_put_u32(field, value);
    g_byte_array_append(bytes, field, sizeof field);
}

static void put_u64(GByteArray *bytes, guint64 value)
{
    guint8 field[8];
    bytes_put_u64(field, value);
    g_byte_array_append(bytes, field, sizeof field);
}

static gboolean put_uuid(GByteArray *bytes, const char *uuid, GError **error)
{
    guint8 field[DOMGRP_UUID_BYTES];
    if (!domgrp_uuid_bytes(uuid, field, error))
        return FALSE;
    g_byte_array_append(bytes, field, sizeof field);
    return TRUE;
}

static gboolean put_name(GByteArray *bytes, const char *what, const char *name, GError **error)
{
    if (!domgrp_name_check(what, name, error))
        return FALSE;
    guint8 length = (guint8)strlen(name);
    g_byte_array_append(bytes, &length, 1);
    g_byte_array_append(bytes, (const guint8 *)name, length);
    return TRUE;
}

static gboolean put_memory(GByteArray *bytes, guint64 memory_kib, GError **error)
{
    if (memory_kib > WIRE_MEMORY_MAX) {
        g_set_error(error, DOMGRP_ERROR, DOMGRP_ERROR_VALUE,
                    "%" G_GUINT64_FORMAT " KiB is more memory than any machine has", memory_kib);
        return FALSE;
    }
    put_u64(bytes, memory_kib);
    return TRUE;
}

/* A text for people: with its length in front, or up to the end. */
static void put_text(GByteArray *bytes, const char *text, gboolean last)
{
    g_autofree char *clean = wire_text(text, strlen(text));
    if (!last)
        put_u16(bytes, (guint)strlen(clean));
    g_byte_array_append(bytes, (const guint8 *)clean, (guint)strlen(clean));
}

/* -- messages -- */

static gboolean put_members(GByteArray *bytes, const MigrationOffer *offer, GError **error)
{
    for (guint i = 0; i < offer->n_members; i++) {
        const MigrationMember *member = &offer->members[i];
        if (!put_uuid(bytes, member->uuid, error) ||
            !put_memory(bytes, member->memory_kib, error) ||
            !put_name(bytes, "member", member->name, error))
            return FALSE;
    }
    return TRUE;
}

static gboolean put_definition(GByteArray *bytes, const char *definition, GError **error)
{
    gsize length = strlen(definition);
    if (length == 0 || length > WIRE_DEFINITION_MAX || !g_utf8_validate(definition, -1, NULL)) {
        g_set_error(error, DOMGRP_ERROR, DOMGRP_ERROR_VALUE,
                    "the group's definition has %zu bytes; it cannot be sent to another host "
                    "unless it is UTF-8 of 1 to %u",
                    length, WIRE_DEFINITION_MAX);
        return FALSE;
    }
    g_byte_array_append(bytes, (const guint8 *)definition, (guint)length);
    return TRUE;
}

static gboolean put_offer(GByteArray *bytes, const MigrationOffer *offer, GError **error)
{
    if (offer->n_members > WIRE_MEMBERS_MAX) {
        g_set_error(error, DOMGRP_ERROR, DOMGRP_ERROR_VALUE,
                    "the group has %u members; one with more than %u cannot move", offer->n_members,
                    WIRE_MEMBERS_MAX);
        return FALSE;
    }
    put_u32(bytes, (offer->live ? LAYOUT_OFFER_LIVE : 0) |
                       (offer->dry_run ? LAYOUT_OFFER_DRY_RUN : 0) |
                       (offer->needs_groups ? LAYOUT_OFFER_NEEDS_GROUPS : 0));
    put_u32(bytes, offer->image_version);
    if (!put_uuid(bytes, offer->group_uuid, error))
        return FALSE;
    put_u32(bytes, offer->n_members);
    if (!put_name(bytes, "group", offer->group_name, error))
        return FALSE;
    put_text(bytes, offer->host, FALSE);
    return put_members(bytes, offer, error) && put_definition(bytes, offer->definition, error);
}

static gboolean put_accept(GByteArray *bytes, const MigrationAccept *accept, GError **error)
{
    put_u32(bytes, accept->has_groups ? LAYOUT_ACCEPT_HAS_GROUPS : 0);
    put_u32(bytes, accept->image_version);
    if (!put_memory(bytes, accept->memory_free_kib, error))
        return FALSE;
    put_text(bytes, accept->host, FALSE);
    put_text(bytes, accept->verdict, TRUE);
    return TRUE;
}

static gboolean put_said(GByteArray *bytes, const WireFrame *frame, GError **error)
{
    if (!put_uuid(bytes, frame->said.transaction, error))
        return FALSE;
    switch (frame->said.message) {
    case MIGRATION_MESSAGE_OFFER:
        return put_offer(bytes, &frame->said.offer, error);
    case MIGRATION_MESSAGE_ACCEPT:
        return put_accept(bytes, &frame->said.accept, error);
    case MIGRATION_MESSAGE_GONE:
        put_text(bytes, frame->said.reason, TRUE);
        return TRUE;
    default:
        return TRUE;
    }
}

/* -- frames -- */

static void put_greeting(GByteArray *bytes, const WireFrame *frame)
{
    guint8 greeting[WIRE_GREETING_SIZE] = LAYOUT_MAGIC;
    bytes_put_u16(greeting + 8, (guint16)frame->greeting.min);
    bytes_put_u16(greeting + 10, (guint16)frame->greeting.max);
    bytes_put_u64(greeting + 16, XXH64(greeting, 16, 0));
    g_byte_array_append(bytes, greeting, sizeof greeting);
}

static void put_header(guint8 *header, WireType type, gsize length)
{
    bytes_put_u32(header, type);
    bytes_put_u32(header + 4, (guint32)length);
}

void wire_data_header(gsize length, guint8 ret_bytes[WIRE_HEADER_SIZE])
{
    put_header(ret_bytes, WIRE_TYPE_DATA, length);
    bytes_put_u64(ret_bytes + 8, wire_sum(ret_bytes, 0));
}

static void put_data(GByteArray *bytes, const WireFrame *frame)
{
    guint8 header[WIRE_HEADER_SIZE];
    wire_data_header(frame->data.length, header);
    g_byte_array_append(bytes, header, sizeof header);
    g_byte_array_append(bytes, frame->data.bytes, (guint)frame->data.length);
}

/* Whatever is behind @begin is the payload of a frame whose header there is empty. */
static void seal(GByteArray *bytes, guint begin, WireType type)
{
    guint8 *header = bytes->data + begin;
    gsize payload = bytes->len - begin - WIRE_HEADER_SIZE;
    put_header(header, type, payload);
    bytes_put_u64(header + 8, wire_sum(header, payload));
}

gboolean wire_frame_encode(const WireFrame *frame, GByteArray *bytes, GError **error)
{
    guint begin = bytes->len;
    if (frame->kind == WIRE_GREETING)
        put_greeting(bytes, frame);
    else if (frame->kind == WIRE_DATA)
        put_data(bytes, frame);
    if (frame->kind == WIRE_GREETING || frame->kind == WIRE_DATA)
        return TRUE;
    g_byte_array_set_size(bytes, begin + WIRE_HEADER_SIZE);
    if (frame->kind == WIRE_MESSAGE && !put_said(bytes, frame, error)) {
        g_byte_array_set_size(bytes, begin);
        return FALSE;
    }
    seal(bytes, begin,
         frame->kind == WIRE_ALIVE ? WIRE_TYPE_ALIVE : wire_message_type(frame->said.message));
    return TRUE;
}
