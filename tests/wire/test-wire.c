/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Frames to bytes and back: every frame there and back, cut off anywhere,
 * split anywhere, any byte changed; and each thing that a peer can do wrong.
 */
#include "bytes.h"
#include "decoder.h"
#include "talk.h"

/* What a decoder made of bytes: everything that came out, as bytes again, and what was wrong. */
typedef struct {
    GByteArray *bytes;
    GByteArray *data; /* of a data frame that is not whole yet */
    guint frames;
    WireFault fault;
    char *error;
} Heard;

static void heard_clear(Heard *heard)
{
    g_byte_array_unref(heard->bytes);
    g_byte_array_unref(heard->data);
    g_free(heard->error);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Heard, heard_clear)

static void hear_frame(Heard *heard, const WireFrame *frame)
{
    if (frame->kind != WIRE_DATA) {
        talk_append(heard->bytes, *frame);
        heard->frames++;
        return;
    }
    g_byte_array_append(heard->data, frame->data.bytes, (guint)frame->data.length);
    if (frame->data.left > 0)
        return;
    talk_append(heard->bytes,
                (WireFrame){.kind = WIRE_DATA, .data = {heard->data->data, heard->data->len, 0}});
    g_byte_array_set_size(heard->data, 0);
    heard->frames++;
}

/* Memory is bounded by what came, however much was promised, and by a constant. */
static void check_room(const WireDecoder *decoder, gsize pushed)
{
    g_assert_cmpuint(wire_decoder_room(decoder), <=, 2 * pushed + 4098);
    g_assert_cmpuint(wire_decoder_room(decoder), <=, WIRE_HEADER_SIZE + WIRE_PAYLOAD_MAX + 1);
}

static gboolean hear_part(Heard *heard, WireDecoder *decoder, const guint8 *at, gsize length)
{
    g_autoptr(GError) error = NULL;
    gsize left = length;
    for (;;) {
        const WireFrame *frame;
        switch (wire_decoder_next(decoder, &at, &left, &frame, &error)) {
        case WIRE_GOT:
            hear_frame(heard, frame);
            break;
        case WIRE_MORE:
            g_assert_cmpuint(left, ==, 0);
            return TRUE;
        case WIRE_BAD:
            heard->error = g_strdup(error->message);
            g_assert_cmpint(wire_decoder_next(decoder, &at, &left, &frame, NULL), ==, WIRE_BAD);
            return FALSE;
        }
    }
}

/* Decodes @bytes in parts of @part bytes, to their end. */
static Heard hear(MigrationSide side, const GByteArray *bytes, gsize part)
{
    g_autoptr(WireDecoder) decoder = wire_decoder_new(side);
    g_autoptr(GError) error = NULL;
    Heard heard = {.bytes = g_byte_array_new(), .data = g_byte_array_new()};
    gboolean good = TRUE;
    for (gsize at = 0; good && at < bytes->len; at += part) {
        good = hear_part(&heard, decoder, bytes->data + at, MIN(part, bytes->len - at));
        check_room(decoder, at + part);
    }
    if (good && !wire_decoder_end(decoder, &error))
        heard.error = g_strdup(error->message);
    heard.fault = wire_decoder_fault(decoder);
    g_assert_true((heard.error != NULL) == (heard.fault != WIRE_FAULT_NONE));
    return heard;
}

static void assert_same(const GByteArray *a, const GByteArray *b)
{
    g_assert_cmpmem(a->data, a->len, b->data, b->len);
}

static GByteArray *front_of(const GByteArray *bytes, guint length)
{
    return g_byte_array_append(g_byte_array_new(), bytes->data, length);
}

/* -- good conversations -- */

static void test_there_and_back(void)
{
    for (MigrationSide side = 0; side < MIGRATION_SIDE_COUNT; side++) {
        g_autoptr(GByteArray) bytes = talk_to(side);
        g_auto(Heard) heard = hear(side, bytes, bytes->len);
        g_assert_cmpstr(heard.error, ==, NULL);
        g_assert_cmpuint(heard.frames, ==, side == MIGRATION_SOURCE_SIDE ? 8 : 9);
        assert_same(heard.bytes, bytes);
    }
}

/* What an encoder and a decoder with the same fault would not notice. */
static void test_values(void)
{
    g_autoptr(GByteArray) bytes = g_byte_array_new();
    g_autoptr(WireDecoder) decoder = wire_decoder_new(MIGRATION_DESTINATION_SIDE);
    const WireFrame *frame;
    talk_append(bytes, talk_greeting(1, 1));
    talk_append(bytes, talk_message(MIGRATION_MESSAGE_OFFER));
    const guint8 *at = bytes->data;
    gsize left = bytes->len;
    g_assert_cmpint(wire_decoder_next(decoder, &at, &left, &frame, NULL), ==, WIRE_GOT);
    g_assert_cmpint(wire_decoder_next(decoder, &at, &left, &frame, NULL), ==, WIRE_GOT);
    const MigrationOffer *offer = &frame->said.offer;
    g_assert_cmpstr(frame->said.transaction, ==, TALK_TRANSACTION);
    g_assert_true(offer->live && !offer->dry_run && offer->needs_groups);
    g_assert_cmpstr(offer->group_uuid, ==, TALK_GROUP);
    g_assert_cmpstr(offer->group_name, ==, "shop");
    g_assert_cmpstr(offer->host, ==, "domgrp 0.1.0, Xen 4.17.5");
    g_assert_cmpstr(offer->definition, ==, "[group]\nname=shop\n");
    g_assert_cmpuint(offer->n_members, ==, 2);
    g_assert_cmpstr(offer->members[1].name, ==, "web");
    g_assert_cmpstr(offer->members[1].uuid, ==, talk_members[1].uuid);
    g_assert_cmpuint(offer->members[0].memory_kib, ==, 131072);
}

/* The bytes themselves, as the document has them. */
static void test_bytes(void)
{
    static const guint8 greeting[] = {0x44, 0x4f, 0x4d, 0x47, 0x52, 0x50, 0x77, 0x0a,
                                      1,    0,    2,    0,    0,    0,    0,    0,
                                      0x90, 0xf8, 0xc9, 0x55, 0x96, 0x57, 0xd4, 0x3c};
    g_autoptr(GByteArray) bytes = g_byte_array_new();
    talk_append(bytes, talk_greeting(1, 2));
    g_assert_cmpmem(bytes->data, bytes->len, greeting, sizeof greeting);
    g_byte_array_set_size(bytes, 0);
    talk_append(bytes, talk_message(MIGRATION_MESSAGE_READY));
    g_assert_cmpuint(bytes->len, ==, 32);
    g_assert_cmpuint(bytes_u32(bytes->data), ==, 18);
    g_assert_cmpuint(bytes_u32(bytes->data + 4), ==, 16);
    g_assert_cmpuint(bytes->data[16], ==, 0x3f);
    g_assert_cmpuint(bytes->data[31], ==, 0x2e);
}

static void test_split(void)
{
    for (MigrationSide side = 0; side < MIGRATION_SIDE_COUNT; side++) {
        g_autoptr(GByteArray) bytes = talk_to(side);
        for (gsize part = 1; part < bytes->len; part++) {
            g_auto(Heard) heard = hear(side, bytes, part);
            g_assert_cmpstr(heard.error, ==, NULL);
            assert_same(heard.bytes, bytes);
        }
    }
}

/* The longest of everything. */
static void test_longest(void)
{
    g_autofree char *definition = g_strnfill(WIRE_DEFINITION_MAX, 'd');
    g_autofree char *text = g_strnfill(WIRE_TEXT_MAX, 't');
    g_autofree char *data = g_strnfill(WIRE_DATA_MAX, 'x');
    g_autofree MigrationMember *members = g_new0(MigrationMember, WIRE_MEMBERS_MAX);
    g_autoptr(GByteArray) bytes = g_byte_array_new();
    for (guint i = 0; i < WIRE_MEMBERS_MAX; i++) {
        members[i] = talk_members[1];
        memset(members[i].name, 'n', DOMGRP_NAME_MAX);
    }
    WireFrame offer = talk_message(MIGRATION_MESSAGE_OFFER);
    offer.said.offer.definition = definition;
    offer.said.offer.host = text;
    offer.said.offer.members = members;
    offer.said.offer.n_members = WIRE_MEMBERS_MAX;
    memset(offer.said.offer.group_name, 'g', DOMGRP_NAME_MAX);
    talk_append(bytes, talk_greeting(1, 1));
    talk_append(bytes, offer);
    g_assert_cmpuint(bytes->len - WIRE_GREETING_SIZE - WIRE_HEADER_SIZE, ==, WIRE_PAYLOAD_MAX);
    talk_append(bytes, talk_data(data));
    g_auto(Heard) heard = hear(MIGRATION_DESTINATION_SIDE, bytes, 65537);
    g_assert_cmpstr(heard.error, ==, NULL);
    assert_same(heard.bytes, bytes);

    g_autoptr(GByteArray) accept = g_byte_array_new();
    WireFrame verdict = talk_message(MIGRATION_MESSAGE_ACCEPT);
    verdict.said.accept.host = verdict.said.accept.verdict = text;
    talk_append(accept, talk_greeting(1, 1));
    talk_append(accept, verdict);
    g_auto(Heard) accepted = hear(MIGRATION_SOURCE_SIDE, accept, 1000);
    g_assert_cmpstr(accepted.error, ==, NULL);
    assert_same(accepted.bytes, accept);
}

/* A text for people is that when it is sent, and again when it is heard. */
static void test_clean(void)
{
    g_autofree char *evil = g_strdup("no\n\033[2Jroom\xff \xe2\x80\xae"
                                     "!");
    g_autoptr(GByteArray) bytes = g_byte_array_new();
    g_autoptr(WireDecoder) decoder = wire_decoder_new(MIGRATION_SOURCE_SIDE);
    const WireFrame *frame;
    WireFrame gone = talk_message(MIGRATION_MESSAGE_GONE);
    talk_append(bytes, talk_greeting(1, 1));
    guint begin = bytes->len;
    gone.said.reason = evil;
    talk_append(bytes, gone);
    g_assert_null(memchr(bytes->data + begin + 32, '\033', bytes->len - begin - 32));

    g_byte_array_set_size(bytes, begin + WIRE_HEADER_SIZE + DOMGRP_UUID_BYTES);
    g_byte_array_append(bytes, (const guint8 *)evil, (guint)strlen(evil));
    guint8 *header = bytes->data + begin;
    gsize payload = bytes->len - begin - WIRE_HEADER_SIZE;
    bytes_put_u32(header + 4, (guint32)payload);
    bytes_put_u64(header + 8, wire_sum(header, payload));
    const guint8 *at = bytes->data;
    gsize left = bytes->len;
    g_assert_cmpint(wire_decoder_next(decoder, &at, &left, &frame, NULL), ==, WIRE_GOT);
    g_assert_cmpint(wire_decoder_next(decoder, &at, &left, &frame, NULL), ==, WIRE_GOT);
    g_assert_cmpstr(frame->said.reason, ==, "no\\x0a\\x1b[2Jroom\xef\xbf\xbd \\x202e!");
}

/* What grows by being cleaned is cut, at the end of a character. */
static void test_text_cut(void)
{
    g_autoptr(GString) text = g_string_new("x");
    for (guint i = 0; i < WIRE_TEXT_MAX; i++)
        g_string_append(text, "\xc3\xa4");
    g_autofree char *umlauts = wire_text(text->str, text->len);
    g_assert_cmpuint(strlen(umlauts), <=, WIRE_TEXT_MAX);
    g_assert_true(g_utf8_validate(umlauts, -1, NULL));
    g_autofree char *bells = g_strnfill(WIRE_TEXT_MAX, '\a');
    g_autofree char *clean = wire_text(bells, WIRE_TEXT_MAX);
    g_autofree char *again = wire_text(clean, strlen(clean));
    g_assert_cmpuint(strlen(clean), ==, WIRE_TEXT_MAX);
    g_assert_cmpstr(clean, ==, again);
}

static void test_refused(void)
{
    g_autoptr(GByteArray) bytes = g_byte_array_new();
    g_autofree char *long_text = g_strnfill(WIRE_DEFINITION_MAX + 1, 'd');
    const char *const definitions[] = {"", "\xff", long_text};
    MigrationMember member = talk_members[0];
    WireFrame offer = talk_message(MIGRATION_MESSAGE_OFFER);
    g_autoptr(GError) error = NULL;
    for (guint i = 0; i < G_N_ELEMENTS(definitions); i++) {
        offer.said.offer.definition = definitions[i];
        g_assert_false(wire_frame_encode(&offer, bytes, &error));
        g_assert_error(error, DOMGRP_ERROR, DOMGRP_ERROR_VALUE);
        g_clear_error(&error);
    }
    offer = talk_message(MIGRATION_MESSAGE_OFFER);
    offer.said.offer.n_members = WIRE_MEMBERS_MAX + 1;
    g_assert_false(wire_frame_encode(&offer, bytes, NULL));
    member.memory_kib = WIRE_MEMORY_MAX + 1;
    offer.said.offer.n_members = 1;
    offer.said.offer.members = &member;
    g_assert_false(wire_frame_encode(&offer, bytes, NULL));
    offer = talk_message(MIGRATION_MESSAGE_OFFER);
    offer.said.transaction[0] = 'x';
    g_assert_false(wire_frame_encode(&offer, bytes, NULL));
    g_assert_cmpuint(bytes->len, ==, 0);
}

/* -- bad ones -- */

/* Cut off anywhere: what was whole was heard, the rest is CUT, unless the end is that of a frame.
 */
static void test_cut(void)
{
    for (MigrationSide side = 0; side < MIGRATION_SIDE_COUNT; side++) {
        g_autoptr(GByteArray) bytes = talk_to(side);
        for (guint length = 0; length < bytes->len; length++) {
            g_autoptr(GByteArray) front = front_of(bytes, length);
            g_auto(Heard) heard = hear(side, front, MAX(length, 1));
            g_assert_cmpint(heard.fault, ==,
                            heard.bytes->len == length ? WIRE_FAULT_NONE : WIRE_FAULT_CUT);
            g_assert_cmpmem(heard.bytes->data, heard.bytes->len, bytes->data, heard.bytes->len);
        }
    }
}

static const guint8 *find(const GByteArray *bytes, const char *text)
{
    return memmem(bytes->data, bytes->len, text, strlen(text));
}

/* Any byte changed to any other: an error, but in data, whose sums are the image's. */
static void test_changed(void)
{
    for (MigrationSide side = 0; side < MIGRATION_SIDE_COUNT; side++) {
        g_autoptr(GByteArray) bytes = talk_to(side);
        const guint8 *data = find(bytes, "a part of an image");
        for (guint i = 0; i < bytes->len; i++) {
            gboolean in_data =
                data != NULL && bytes->data + i >= data && bytes->data + i < data + 18;
            for (guint flip = 1; flip < 256; flip += flip < 8 ? 1 : 13) {
                bytes->data[i] ^= (guint8)flip;
                g_auto(Heard) heard = hear(side, bytes, bytes->len);
                g_assert_true((heard.fault == WIRE_FAULT_NONE) == in_data);
                bytes->data[i] ^= (guint8)flip;
            }
        }
    }
}

/* A frame with any header and a sum that is right. */
static void append_crafted(GByteArray *bytes, guint32 type, const void *payload, guint length)
{
    guint begin = bytes->len;
    guint8 header[WIRE_HEADER_SIZE];
    bytes_put_u32(header, type);
    bytes_put_u32(header + 4, length);
    g_byte_array_append(bytes, header, sizeof header);
    if (length > 0)
        g_byte_array_append(bytes, payload, length);
    bytes_put_u64(bytes->data + begin + 8,
                  wire_sum(bytes->data + begin, type == WIRE_TYPE_DATA ? 0 : length));
}

static void check_fault(MigrationSide side, const GByteArray *bytes, WireFault fault)
{
    g_auto(Heard) heard = hear(side, bytes, bytes->len);
    g_autofree char *name = g_strdup_printf("[%s]", wire_fault_name(fault));
    g_assert_cmpstr(wire_fault_name(heard.fault), ==, wire_fault_name(fault));
    g_assert_true(g_str_has_suffix(heard.error, name));
    g_assert_null(strpbrk(heard.error, "\n\033"));
}

/* What comes behind a good greeting. */
static void check_crafted(MigrationSide side, guint32 type, const void *payload, guint length,
                          WireFault fault)
{
    g_autoptr(GByteArray) bytes = g_byte_array_new();
    talk_append(bytes, talk_greeting(1, 1));
    append_crafted(bytes, type, payload, length);
    check_fault(side, bytes, fault);
}

static void test_faults(void)
{
    static const guint8 some[WIRE_DATA_MAX + 1] = {1};
    MigrationSide source = MIGRATION_SOURCE_SIDE, destination = MIGRATION_DESTINATION_SIDE;
    check_crafted(source, 99, some, 16, WIRE_FAULT_TYPE);
    check_crafted(source, 0, some, 16, WIRE_FAULT_TYPE);
    check_crafted(source, WIRE_TYPE_OFFER, some, 16, WIRE_FAULT_DIRECTION);
    check_crafted(source, WIRE_TYPE_DATA, some, 16, WIRE_FAULT_DIRECTION);
    check_crafted(destination, WIRE_TYPE_READY, some, 16, WIRE_FAULT_DIRECTION);
    check_crafted(destination, WIRE_TYPE_END, some, 17, WIRE_FAULT_LENGTH);
    check_crafted(destination, WIRE_TYPE_END, some, 15, WIRE_FAULT_LENGTH);
    check_crafted(destination, WIRE_TYPE_ALIVE, some, 1, WIRE_FAULT_LENGTH);
    check_crafted(destination, WIRE_TYPE_DATA, some, 0, WIRE_FAULT_LENGTH);
    check_crafted(destination, WIRE_TYPE_DATA, some, WIRE_DATA_MAX + 1, WIRE_FAULT_LENGTH);
    check_crafted(source, WIRE_TYPE_GONE, some, 17 + WIRE_TEXT_MAX, WIRE_FAULT_LENGTH);
    check_crafted(destination, WIRE_TYPE_END, some + 1, 16, WIRE_FAULT_FIELD);
    check_crafted(source, WIRE_TYPE_ACCEPT, some, 16, WIRE_FAULT_FIELD);
}

/* A promise of much costs nothing. */
static void test_promise(void)
{
    g_autoptr(GByteArray) bytes = g_byte_array_new();
    guint8 header[WIRE_HEADER_SIZE] = {WIRE_TYPE_OFFER};
    bytes_put_u32(header + 4, WIRE_PAYLOAD_MAX);
    talk_append(bytes, talk_greeting(1, 1));
    g_byte_array_append(bytes, header, sizeof header);
    check_fault(MIGRATION_DESTINATION_SIDE, bytes, WIRE_FAULT_CUT);
    bytes_put_u32(bytes->data + WIRE_GREETING_SIZE + 4, WIRE_PAYLOAD_MAX + 1);
    check_fault(MIGRATION_DESTINATION_SIDE, bytes, WIRE_FAULT_LENGTH);
}

static void test_greetings(void)
{
    static const struct {
        MigrationSide side;
        guint min, max;
        WireFault fault;
    } cases[] = {
        {MIGRATION_SOURCE_SIDE, 1, 1, WIRE_FAULT_NONE},
        {MIGRATION_SOURCE_SIDE, WIRE_VERSION, WIRE_VERSION + 1, WIRE_FAULT_NONE},
        {MIGRATION_SOURCE_SIDE, WIRE_VERSION + 1, WIRE_VERSION + 2, WIRE_FAULT_VERSION},
        {MIGRATION_SOURCE_SIDE, 0, 0, WIRE_FAULT_VERSION},
        {MIGRATION_SOURCE_SIDE, 2, 1, WIRE_FAULT_VERSION},
        {MIGRATION_DESTINATION_SIDE, WIRE_VERSION, WIRE_VERSION, WIRE_FAULT_NONE},
        {MIGRATION_DESTINATION_SIDE, WIRE_VERSION, WIRE_VERSION + 1, WIRE_FAULT_VERSION},
        {MIGRATION_DESTINATION_SIDE, WIRE_VERSION + 1, WIRE_VERSION + 1, WIRE_FAULT_VERSION},
    };
    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(GByteArray) bytes = g_byte_array_new();
        talk_append(bytes, talk_greeting(cases[i].min, cases[i].max));
        g_auto(Heard) heard = hear(cases[i].side, bytes, bytes->len);
        g_assert_cmpint(heard.fault, ==, cases[i].fault);
    }
}

/* A shell that greets its user, on either side: said at the first byte that is wrong. */
static void test_magic(void)
{
    g_autoptr(GByteArray) bytes = g_byte_array_new();
    g_byte_array_append(bytes, (const guint8 *)"Welcome\n", 8);
    g_auto(Heard) heard = hear(MIGRATION_SOURCE_SIDE, bytes, bytes->len);
    g_assert_cmpint(heard.fault, ==, WIRE_FAULT_MAGIC);
    g_assert_nonnull(strstr(heard.error, "it begins with \"Welcome\\x0a\""));
}

static void test_transaction(void)
{
    g_autoptr(GByteArray) bytes = g_byte_array_new();
    WireFrame other = talk_message(MIGRATION_MESSAGE_DONE);
    talk_append(bytes, talk_greeting(1, 1));
    talk_append(bytes, talk_message(MIGRATION_MESSAGE_READY));
    talk_append(bytes, talk_message(MIGRATION_MESSAGE_DONE));
    memcpy(other.said.transaction, TALK_GROUP, DOMGRP_UUID_TEXT);
    talk_append(bytes, other);
    check_fault(MIGRATION_SOURCE_SIDE, bytes, WIRE_FAULT_TRANSACTION);
}

/* An OFFER with one byte changed and the sums made right again: refused, or another good OFFER. */
static void test_fields(void)
{
    g_autoptr(GByteArray) bytes = g_byte_array_new();
    guint faults[WIRE_FAULT_COUNT] = {0};
    talk_append(bytes, talk_greeting(1, 1));
    talk_append(bytes, talk_message(MIGRATION_MESSAGE_OFFER));
    guint8 *header = bytes->data + WIRE_GREETING_SIZE;
    gsize payload = bytes->len - WIRE_GREETING_SIZE - WIRE_HEADER_SIZE;
    for (gsize i = 0; i < payload; i++)
        for (guint flip = 1; flip < 256; flip++) {
            header[WIRE_HEADER_SIZE + i] ^= (guint8)flip;
            bytes_put_u64(header + 8, wire_sum(header, payload));
            g_auto(Heard) heard = hear(MIGRATION_DESTINATION_SIDE, bytes, bytes->len);
            faults[heard.fault]++;
            header[WIRE_HEADER_SIZE + i] ^= (guint8)flip;
        }
    g_assert_cmpuint(faults[WIRE_FAULT_FIELD], >, 0);
    g_assert_cmpuint(faults[WIRE_FAULT_TEXT], >, 0);
    g_assert_cmpuint(faults[WIRE_FAULT_NONE] + faults[WIRE_FAULT_FIELD] + faults[WIRE_FAULT_TEXT],
                     ==, payload * 255);
}

/* An OFFER whose byte at @at of the payload is another, with sums that are right. */
static void check_altered(gsize at, guint8 byte, WireFault fault)
{
    g_autoptr(GByteArray) bytes = g_byte_array_new();
    talk_append(bytes, talk_greeting(1, 1));
    talk_append(bytes, talk_message(MIGRATION_MESSAGE_OFFER));
    guint8 *header = bytes->data + WIRE_GREETING_SIZE;
    header[WIRE_HEADER_SIZE + at] = byte;
    bytes_put_u64(header + 8, wire_sum(header, bytes->len - WIRE_GREETING_SIZE - WIRE_HEADER_SIZE));
    check_fault(MIGRATION_DESTINATION_SIDE, bytes, fault);
}

static void test_altered(void)
{
    g_autoptr(GByteArray) offer = g_byte_array_new();
    talk_append(offer, talk_message(MIGRATION_MESSAGE_OFFER));
    gsize name = (gsize)(find(offer, "shop") - offer->data) - WIRE_HEADER_SIZE;
    gsize definition = (gsize)(find(offer, "[group]") - offer->data) - WIRE_HEADER_SIZE;
    check_altered(16, 8, WIRE_FAULT_FIELD);            /* a bit without a meaning */
    check_altered(41, 8, WIRE_FAULT_FIELD);            /* 2050 members */
    check_altered(name - 1, 0, WIRE_FAULT_FIELD);      /* a name of nothing */
    check_altered(name + 2, 0, WIRE_FAULT_FIELD);      /* NUL in a name */
    check_altered(name + 2, ' ', WIRE_FAULT_FIELD);    /* no character of names */
    check_altered(definition, 0xff, WIRE_FAULT_TEXT);  /* not UTF-8 */
    check_altered(definition + 2, 0, WIRE_FAULT_TEXT); /* NUL */
}

static void test_blame(void)
{
    g_autoptr(WireDecoder) decoder = wire_decoder_new(MIGRATION_DESTINATION_SIDE);
    g_autoptr(GError) error = NULL;
    const guint8 *at = (const guint8 *)"D";
    gsize left = 1;
    const WireFrame *frame;
    wire_decoder_blame(decoder, WIRE_FAULT_DATA, &error, "it sent what nobody wants");
    g_assert_error(error, DOMGRP_ERROR, DOMGRP_ERROR_PEER);
    g_assert_cmpstr(error->message, ==, "it sent what nobody wants [DATA]");
    g_assert_cmpint(wire_decoder_next(decoder, &at, &left, &frame, NULL), ==, WIRE_BAD);
    g_assert_cmpuint(left, ==, 1);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/wire/there-and-back", test_there_and_back);
    g_test_add_func("/wire/values", test_values);
    g_test_add_func("/wire/bytes", test_bytes);
    g_test_add_func("/wire/split", test_split);
    g_test_add_func("/wire/longest", test_longest);
    g_test_add_func("/wire/clean", test_clean);
    g_test_add_func("/wire/text-cut", test_text_cut);
    g_test_add_func("/wire/refused", test_refused);
    g_test_add_func("/wire/cut", test_cut);
    g_test_add_func("/wire/changed", test_changed);
    g_test_add_func("/wire/faults", test_faults);
    g_test_add_func("/wire/promise", test_promise);
    g_test_add_func("/wire/greetings", test_greetings);
    g_test_add_func("/wire/magic", test_magic);
    g_test_add_func("/wire/transaction", test_transaction);
    g_test_add_func("/wire/fields", test_fields);
    g_test_add_func("/wire/altered", test_altered);
    g_test_add_func("/wire/blame", test_blame);
    return g_test_run();
}
