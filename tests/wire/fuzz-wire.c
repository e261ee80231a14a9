/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Fuzz target: any bytes from a peer. Sums would stop nearly all of them, so
 * that in one mode the bytes are a recipe: frames as wrong as the fuzzer wants
 * whose sums are right. What is heard and said again is the same, and the
 * decoder's memory is bounded by what came.
 */
#include "bytes.h"
#include "decoder.h"

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

#define MODE_SOURCE 1
#define MODE_RAW 2
#define RECIPE 3 /* bytes before a frame's payload */

static const WireFrame greeting = {.kind = WIRE_GREETING,
                                   .greeting = {.min = WIRE_VERSION, .max = WIRE_VERSION}};

static void cook_frame(GByteArray *bytes, guint32 type, Cursor payload)
{
    guint begin = bytes->len;
    guint8 header[WIRE_HEADER_SIZE];
    bytes_put_u32(header, type);
    bytes_put_u32(header + 4, (guint32)payload.left);
    g_byte_array_append(bytes, header, sizeof header);
    g_byte_array_append(bytes, payload.at, (guint)payload.left);
    bytes_put_u64(bytes->data + begin + 8,
                  wire_sum(bytes->data + begin, type == WIRE_TYPE_DATA ? 0 : payload.left));
}

static GByteArray *cook(Cursor recipe)
{
    GByteArray *bytes = g_byte_array_new();
    const guint8 *how;
    wire_frame_encode(&greeting, bytes, NULL);
    while ((how = cursor_take(&recipe, RECIPE)) != NULL) {
        gsize length = MIN(bytes_u16(how + 1), recipe.left);
        cook_frame(bytes, how[0], (Cursor){cursor_take(&recipe, length), length});
    }
    return bytes;
}

static void encode(const WireFrame *frame, GByteArray *bytes)
{
    g_autoptr(GError) error = NULL;
    if (!wire_frame_encode(frame, bytes, &error))
        g_error("what was heard cannot be said: %s", error->message);
}

/* The frame that the whole of @bytes is, said again; NULL if it is none. */
static GByteArray *say_again(MigrationSide side, const GByteArray *bytes)
{
    g_autoptr(WireDecoder) decoder = wire_decoder_new(side);
    g_autoptr(GByteArray) front = g_byte_array_new();
    const WireFrame *frame;
    wire_frame_encode(&greeting, front, NULL);
    const guint8 *at = front->data;
    gsize left = front->len;
    g_assert_cmpint(wire_decoder_next(decoder, &at, &left, &frame, NULL), ==, WIRE_GOT);
    at = bytes->data;
    left = bytes->len;
    g_assert_cmpint(wire_decoder_next(decoder, &at, &left, &frame, NULL), ==, WIRE_GOT);
    g_assert_cmpuint(left, ==, 0);
    GByteArray *again = g_byte_array_new();
    encode(frame, again);
    return again;
}

static gboolean has_text(const WireFrame *frame)
{
    return frame->kind == WIRE_MESSAGE && (frame->said.message == MIGRATION_MESSAGE_OFFER ||
                                           frame->said.message == MIGRATION_MESSAGE_ACCEPT ||
                                           frame->said.message == MIGRATION_MESSAGE_GONE);
}

#define GREETING_RESERVED 12 /* where 4 bytes of a greeting are that nobody looks at */

/* @frame was the @length bytes at @bytes; only texts for people may have been made others. */
static void check_frame(MigrationSide side, const WireFrame *frame, const guint8 *bytes,
                        gsize length)
{
    g_autoptr(GByteArray) said = g_byte_array_new();
    encode(frame, said);
    gboolean reserved = frame->kind == WIRE_GREETING && bytes_u32(bytes + GREETING_RESERVED) != 0;
    gsize same = reserved ? GREETING_RESERVED : length;
    if (said->len == length && memcmp(said->data, bytes, same) == 0)
        return;
    g_assert_true(has_text(frame));
    g_autoptr(GByteArray) again = say_again(side, said);
    g_assert_cmpmem(again->data, again->len, said->data, said->len);
}

static void check_data(const WireFrame *frame, gsize *total, gsize left_before)
{
    g_assert_cmpuint(frame->data.length, >, 0);
    *total += frame->data.length;
    g_assert_cmpuint(*total + frame->data.left, <=, WIRE_DATA_MAX);
    g_assert_cmpuint(frame->data.length, <=, left_before);
    if (frame->data.left == 0)
        *total = 0;
}

static void check_bad(const WireDecoder *decoder, const GError *error)
{
    g_assert_cmpint(wire_decoder_fault(decoder), !=, WIRE_FAULT_NONE);
    g_assert_true(g_utf8_validate(error->message, -1, NULL));
    g_assert_null(strpbrk(error->message, "\n\033"));
}

/* Bytes come @part at once, but frames are looked at where they lie. */
static void listen(MigrationSide side, const GByteArray *bytes, gsize part)
{
    g_autoptr(WireDecoder) decoder = wire_decoder_new(side);
    g_autoptr(GError) error = NULL;
    gsize begin = 0, total = 0;
    const WireFrame *frame;
    WireResult result = WIRE_MORE;
    for (gsize pushed = 0; pushed < bytes->len && result != WIRE_BAD;) {
        const guint8 *at = bytes->data + pushed;
        gsize n = MIN(part, bytes->len - pushed), left = n;
        pushed += n;
        while ((result = wire_decoder_next(decoder, &at, &left, &frame, &error)) == WIRE_GOT) {
            gsize end = (gsize)(at - bytes->data);
            if (frame->kind == WIRE_DATA)
                check_data(frame, &total, n);
            else
                check_frame(side, frame, bytes->data + begin, end - begin);
            begin = end;
        }
        g_assert_cmpuint(wire_decoder_room(decoder), <=, 2 * pushed + 4098);
        g_assert_true(result == WIRE_BAD || left == 0);
    }
    if (result == WIRE_BAD || !wire_decoder_end(decoder, &error))
        check_bad(decoder, error);
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
    if (size < 2)
        return 0;
    g_autoptr(GByteArray) bytes = NULL;
    if (data[0] & MODE_RAW)
        bytes = g_byte_array_append(g_byte_array_new(), data + 2, (guint)size - 2);
    else
        bytes = cook((Cursor){data + 2, size - 2});
    listen(data[0] & MODE_SOURCE ? MIGRATION_SOURCE_SIDE : MIGRATION_DESTINATION_SIDE, bytes,
           data[1] + 1u);
    return 0;
}
