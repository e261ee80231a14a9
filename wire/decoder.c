/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "decoder.h"

#include "bytes.h"
#include "domgrp-text.h"
#include "layout.h"

#include <stdarg.h>
#include <xxhash.h>

#define ROOM_FIRST 4096u

struct WireDecoder {
    MigrationSide side;
    WireFault fault;
    char *error; /* what it did, once there is a fault */
    DomgrpErrorCode code;
    guint version; /* 0: the greeting has not come */
    guint8 *buffer;
    gsize room;
    gsize fill;
    gsize need;      /* bytes until the next look */
    gsize data_left; /* of the data frame that passes through */
    char transaction[DOMGRP_UUID_TEXT];
    WireFrame frame;
    char *texts[2];           /* of the frame */
    MigrationMember *members; /* likewise */
};

static const char *const fault_names[] = {
#define X(name, meaning) #name,
    WIRE_FAULTS(X)
#undef X
};

const char *wire_fault_name(WireFault fault)
{
    return fault_names[fault];
}

WireDecoder *wire_decoder_new(MigrationSide side)
{
    WireDecoder *decoder = g_new0(WireDecoder, 1);
    decoder->side = side;
    decoder->need = WIRE_GREETING_SIZE;
    return decoder;
}

static void frame_clear(WireDecoder *decoder)
{
    for (guint i = 0; i < G_N_ELEMENTS(decoder->texts); i++)
        g_clear_pointer(&decoder->texts[i], g_free);
    g_clear_pointer(&decoder->members, g_free);
    if (decoder->room <= ROOM_FIRST || decoder->fill > 0)
        return;
    g_clear_pointer(&decoder->buffer, g_free);
    decoder->room = 0;
}

void wire_decoder_free(WireDecoder *decoder)
{
    if (decoder == NULL)
        return;
    decoder->fill = 0;
    frame_clear(decoder);
    g_free(decoder->buffer);
    g_free(decoder->error);
    g_free(decoder);
}

WireFault wire_decoder_fault(const WireDecoder *decoder)
{
    return decoder->fault;
}

guint wire_decoder_version(const WireDecoder *decoder)
{
    return decoder->version;
}

gsize wire_decoder_room(const WireDecoder *decoder)
{
    return decoder->room;
}

/* -- what a peer does wrong -- */

static void fail(WireDecoder *decoder, GError **error)
{
    g_set_error_literal(error, DOMGRP_ERROR, decoder->code, decoder->error);
}

static void blame(WireDecoder *decoder, WireFault fault, const char *format, va_list arguments)
{
    g_autofree char *what = g_strdup_vprintf(format, arguments);
    if (decoder->fault != WIRE_FAULT_NONE)
        return;
    decoder->fault = fault;
    decoder->code = fault == WIRE_FAULT_VERSION ? DOMGRP_ERROR_PEER_VERSION : DOMGRP_ERROR_PEER;
    decoder->error = g_strdup_printf("%s [%s]", what, wire_fault_name(fault));
}

void wire_decoder_blame(WireDecoder *decoder, WireFault fault, GError **error, const char *format,
                        ...)
{
    va_list arguments;
    va_start(arguments, format);
    blame(decoder, fault, format, arguments);
    va_end(arguments);
    fail(decoder, error);
}

static gboolean G_GNUC_PRINTF(3, 4)
    bad(WireDecoder *decoder, WireFault fault, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    blame(decoder, fault, format, arguments);
    va_end(arguments);
    return FALSE;
}

static gboolean bad_field(WireDecoder *decoder, const char *what)
{
    return bad(decoder, WIRE_FAULT_FIELD, "the other side sent %s that cannot be", what);
}

/* -- fields of a payload -- */

static gboolean take_uuid(Cursor *cursor, char ret_uuid[DOMGRP_UUID_TEXT])
{
    char text[DOMGRP_UUID_TEXT];
    const guint8 *bytes = cursor_take(cursor, DOMGRP_UUID_BYTES);
    if (bytes == NULL)
        return FALSE;
    domgrp_uuid_text(bytes, text);
    return domgrp_uuid_parse(text, ret_uuid, NULL);
}

static gboolean take_u32(Cursor *cursor, guint32 *ret_value)
{
    const guint8 *bytes = cursor_take(cursor, 4);
    if (bytes == NULL)
        return FALSE;
    *ret_value = bytes_u32(bytes);
    return TRUE;
}

static gboolean take_memory(Cursor *cursor, guint64 *ret_kib)
{
    const guint8 *bytes = cursor_take(cursor, 8);
    if (bytes == NULL || bytes_u64(bytes) > WIRE_MEMORY_MAX)
        return FALSE;
    *ret_kib = bytes_u64(bytes);
    return TRUE;
}

static gboolean take_name(Cursor *cursor, char ret_name[DOMGRP_NAME_MAX + 1])
{
    const guint8 *length = cursor_take(cursor, 1);
    if (length == NULL || *length > DOMGRP_NAME_MAX)
        return FALSE;
    const guint8 *name = cursor_take(cursor, *length);
    if (name == NULL || memchr(name, '\0', *length) != NULL)
        return FALSE;
    memcpy(ret_name, name, *length);
    ret_name[*length] = '\0';
    return domgrp_name_check("member", ret_name, NULL);
}

/* Text @i for people, with its length in front or up to the end. */
static gboolean take_text(WireDecoder *decoder, Cursor *cursor, guint i, gboolean last)
{
    const guint8 *length = last ? NULL : cursor_take(cursor, 2);
    if (!last && length == NULL)
        return FALSE;
    gsize n = last ? cursor->left : bytes_u16(length);
    const guint8 *text = n <= WIRE_TEXT_MAX ? cursor_take(cursor, n) : NULL;
    if (text == NULL)
        return FALSE;
    decoder->texts[i] = wire_text((const char *)text, n);
    return TRUE;
}

/* -- payloads -- */

static gboolean take_members(WireDecoder *decoder, Cursor *cursor, guint32 n)
{
    if (n > WIRE_MEMBERS_MAX)
        return FALSE;
    decoder->members = g_new0(MigrationMember, n);
    for (guint i = 0; i < n; i++) {
        MigrationMember *member = &decoder->members[i];
        if (!take_uuid(cursor, member->uuid) || !take_memory(cursor, &member->memory_kib) ||
            !take_name(cursor, member->name))
            return FALSE;
    }
    return TRUE;
}

static gboolean take_offer(WireDecoder *decoder, Cursor *cursor)
{
    MigrationOffer *offer = &decoder->frame.said.offer;
    guint32 flags, n;
    if (!take_u32(cursor, &flags) || (flags & ~LAYOUT_OFFER_FLAGS) != 0 ||
        !take_u32(cursor, &offer->image_version))
        return bad_field(decoder, "options of a group");
    if (!take_uuid(cursor, offer->group_uuid) || !take_u32(cursor, &n) ||
        !take_name(cursor, offer->group_name))
        return bad_field(decoder, "a name or UUID of a group");
    if (!take_text(decoder, cursor, 0, FALSE))
        return bad_field(decoder, "a description of its host");
    if (!take_members(decoder, cursor, n))
        return bad_field(decoder, "a member");
    if (cursor->left == 0 || cursor->left > WIRE_DEFINITION_MAX)
        return bad_field(decoder, "a definition");
    if (!g_utf8_validate_len((const char *)cursor->at, cursor->left, NULL))
        return bad(decoder, WIRE_FAULT_TEXT,
                   "the other side sent a definition of a group that is not UTF-8");
    offer->live = (flags & LAYOUT_OFFER_LIVE) != 0;
    offer->dry_run = (flags & LAYOUT_OFFER_DRY_RUN) != 0;
    offer->needs_groups = (flags & LAYOUT_OFFER_NEEDS_GROUPS) != 0;
    offer->host = decoder->texts[0];
    offer->n_members = n;
    offer->members = decoder->members;
    offer->definition = (const char *)cursor_take(cursor, cursor->left);
    return TRUE;
}

static gboolean take_accept(WireDecoder *decoder, Cursor *cursor)
{
    MigrationAccept *accept = &decoder->frame.said.accept;
    guint32 flags;
    if (!take_u32(cursor, &flags) || (flags & ~LAYOUT_ACCEPT_HAS_GROUPS) != 0 ||
        !take_u32(cursor, &accept->image_version) || !take_memory(cursor, &accept->memory_free_kib))
        return bad_field(decoder, "facts about its host");
    if (!take_text(decoder, cursor, 0, FALSE) || !take_text(decoder, cursor, 1, TRUE))
        return bad_field(decoder, "a verdict");
    accept->has_groups = flags != 0;
    accept->host = decoder->texts[0];
    accept->verdict = decoder->texts[1];
    return TRUE;
}

static gboolean take_transaction(WireDecoder *decoder, Cursor *cursor)
{
    char *transaction = decoder->frame.said.transaction;
    if (!take_uuid(cursor, transaction))
        return bad_field(decoder, "a transaction");
    if (decoder->transaction[0] == '\0')
        memcpy(decoder->transaction, transaction, DOMGRP_UUID_TEXT);
    if (strcmp(decoder->transaction, transaction) == 0)
        return TRUE;
    return bad(decoder, WIRE_FAULT_TRANSACTION,
               "the other side spoke of transaction %s on the connection of transaction %s",
               transaction, decoder->transaction);
}

static gboolean take_message(WireDecoder *decoder, MigrationMessage message, Cursor *cursor)
{
    WireFrame *frame = &decoder->frame;
    *frame = (WireFrame){.kind = WIRE_MESSAGE, .said = {.message = message}};
    if (!take_transaction(decoder, cursor))
        return FALSE;
    if (message == MIGRATION_MESSAGE_OFFER)
        return take_offer(decoder, cursor);
    if (message == MIGRATION_MESSAGE_ACCEPT)
        return take_accept(decoder, cursor);
    if (message != MIGRATION_MESSAGE_GONE)
        return TRUE;
    if (!take_text(decoder, cursor, 0, TRUE))
        return bad_field(decoder, "a reason");
    frame->said.reason = decoder->texts[0];
    return TRUE;
}

/* -- frames -- */

/* The shortest and the longest payload. */
static void bounds(guint32 type, gsize *ret_min, gsize *ret_max)
{
    *ret_min = *ret_max = DOMGRP_UUID_BYTES;
    switch (type) {
    case WIRE_TYPE_OFFER:
        *ret_max = WIRE_PAYLOAD_MAX;
        return;
    case WIRE_TYPE_ACCEPT:
        *ret_max += 18 + 2 * WIRE_TEXT_MAX;
        return;
    case WIRE_TYPE_GONE:
        *ret_max += WIRE_TEXT_MAX;
        return;
    case WIRE_TYPE_DATA:
        *ret_min = 1;
        *ret_max = WIRE_DATA_MAX;
        return;
    case WIRE_TYPE_ALIVE:
        *ret_min = *ret_max = 0;
        return;
    }
}

static gboolean check_type(WireDecoder *decoder, guint32 type)
{
    MigrationMessage message;
    MigrationSide hears = MIGRATION_DESTINATION_SIDE;
    if (type == WIRE_TYPE_ALIVE)
        return TRUE;
    if (wire_type_message(type, &message))
        hears = message >= MIGRATION_MESSAGE_ACCEPT ? MIGRATION_SOURCE_SIDE : hears;
    else if (type != WIRE_TYPE_DATA)
        return bad(decoder, WIRE_FAULT_TYPE,
                   "the other side sent a frame of type %u, which is not known here", type);
    if (hears == decoder->side)
        return TRUE;
    return bad(decoder, WIRE_FAULT_DIRECTION,
               "the other side sent a frame of type %u, which is not for it to send", type);
}

static gboolean bad_sum(WireDecoder *decoder)
{
    return bad(decoder, WIRE_FAULT_SUM,
               "what the other side sent was changed on its way: a sum is wrong");
}

/* Looks at a header and says how much is behind it. */
static gboolean take_header(WireDecoder *decoder)
{
    guint32 type = bytes_u32(decoder->buffer);
    gsize length = bytes_u32(decoder->buffer + 4), min, max;
    if (!check_type(decoder, type))
        return FALSE;
    bounds(type, &min, &max);
    if (length < min || length > max)
        return bad(decoder, WIRE_FAULT_LENGTH,
                   "the other side sent a frame of type %u with %zu bytes; it can have %zu to %zu",
                   type, length, min, max);
    decoder->need = WIRE_HEADER_SIZE + length;
    if (type != WIRE_TYPE_DATA)
        return TRUE;
    if (bytes_u64(decoder->buffer + 8) != wire_sum(decoder->buffer, 0))
        return bad_sum(decoder);
    decoder->data_left = length;
    decoder->need = WIRE_HEADER_SIZE;
    decoder->fill = 0;
    return TRUE;
}

/* A frame is there as a whole. */
static gboolean take_frame(WireDecoder *decoder)
{
    MigrationMessage message;
    Cursor cursor = {decoder->buffer + WIRE_HEADER_SIZE, decoder->fill - WIRE_HEADER_SIZE};
    guint32 type = bytes_u32(decoder->buffer);
    if (bytes_u64(decoder->buffer + 8) != wire_sum(decoder->buffer, cursor.left))
        return bad_sum(decoder);
    decoder->buffer[decoder->fill] = '\0';
    decoder->fill = 0;
    decoder->need = WIRE_HEADER_SIZE;
    if (wire_type_message(type, &message))
        return take_message(decoder, message, &cursor);
    decoder->frame = (WireFrame){.kind = WIRE_ALIVE};
    return TRUE;
}

static gboolean check_magic(WireDecoder *decoder)
{
    static const guint8 magic[] = LAYOUT_MAGIC;
    if (memcmp(decoder->buffer, magic, MIN(decoder->fill, sizeof magic)) == 0)
        return TRUE;
    g_autofree char *quote =
        domgrp_text_clean((const char *)decoder->buffer, decoder->fill, WIRE_GREETING_SIZE);
    return bad(decoder, WIRE_FAULT_MAGIC,
               "the other side is no domgrp, or something speaks before it: it begins with \"%s\"",
               quote);
}

static gboolean check_version(WireDecoder *decoder, guint min, guint max)
{
    decoder->version = wire_version_choose(min, max);
    if (decoder->version != 0 && (decoder->side == MIGRATION_SOURCE_SIDE || min == max))
        return TRUE;
    return bad(decoder, WIRE_FAULT_VERSION,
               "the other side speaks versions %u to %u of the migration protocol, this one %u to "
               "%u: update the older domgrp",
               min, max, WIRE_VERSION_MIN, WIRE_VERSION);
}

static gboolean take_greeting(WireDecoder *decoder)
{
    const guint8 *bytes = decoder->buffer;
    guint min = bytes_u16(bytes + 8), max = bytes_u16(bytes + 10);
    if (!check_magic(decoder))
        return FALSE;
    if (bytes_u64(bytes + 16) != XXH64(bytes, 16, 0))
        return bad_sum(decoder);
    if (!check_version(decoder, min, max))
        return FALSE;
    decoder->frame = (WireFrame){.kind = WIRE_GREETING, .greeting = {.min = min, .max = max}};
    decoder->fill = 0;
    decoder->need = WIRE_HEADER_SIZE;
    return TRUE;
}

/* -- bytes -- */

/* Takes what is there of the bytes that are needed; memory grows with them, not with their promise.
 */
static void gather(WireDecoder *decoder, const guint8 **at, gsize *left)
{
    gsize n = MIN(decoder->need - decoder->fill, *left);
    gsize wanted = decoder->fill + n + 1;
    if (wanted > decoder->room) {
        decoder->room = MIN(MAX(2 * wanted, ROOM_FIRST), MAX(decoder->need + 1, ROOM_FIRST));
        decoder->buffer = g_realloc(decoder->buffer, decoder->room);
    }
    memcpy(decoder->buffer + decoder->fill, *at, n);
    decoder->fill += n;
    *at += n;
    *left -= n;
}

static void pass_data(WireDecoder *decoder, const guint8 **at, gsize *left)
{
    gsize n = MIN(decoder->data_left, *left);
    decoder->data_left -= n;
    decoder->frame = (WireFrame){.kind = WIRE_DATA,
                                 .data = {.bytes = *at, .length = n, .left = decoder->data_left}};
    *at += n;
    *left -= n;
}

/* With as many bytes as were needed: TRUE and *@ret_got when they are a frame. */
static gboolean look(WireDecoder *decoder, gboolean *ret_got)
{
    gsize before = decoder->need;
    *ret_got = TRUE;
    if (decoder->version == 0)
        return take_greeting(decoder);
    if (before == WIRE_HEADER_SIZE && !take_header(decoder))
        return FALSE;
    *ret_got = decoder->data_left == 0 && decoder->fill == decoder->need;
    return !*ret_got || take_frame(decoder);
}

WireResult wire_decoder_next(WireDecoder *decoder, const guint8 **at, gsize *left,
                             const WireFrame **ret_frame, GError **error)
{
    gboolean got = FALSE;
    frame_clear(decoder);
    while (decoder->fault == WIRE_FAULT_NONE && !got && *left > 0) {
        if (decoder->data_left > 0) {
            pass_data(decoder, at, left);
            got = TRUE;
            continue;
        }
        gather(decoder, at, left);
        if (decoder->fill < decoder->need && (decoder->version != 0 || check_magic(decoder)))
            continue;
        if (decoder->fault == WIRE_FAULT_NONE && !look(decoder, &got))
            break;
    }
    if (decoder->fault != WIRE_FAULT_NONE) {
        fail(decoder, error);
        return WIRE_BAD;
    }
    *ret_frame = &decoder->frame;
    return got ? WIRE_GOT : WIRE_MORE;
}

gboolean wire_decoder_end(WireDecoder *decoder, GError **error)
{
    if (decoder->fill > 0 || decoder->data_left > 0)
        bad(decoder, WIRE_FAULT_CUT, "the connection ended in the middle of a frame");
    if (decoder->fault == WIRE_FAULT_NONE)
        return TRUE;
    fail(decoder, error);
    return FALSE;
}
