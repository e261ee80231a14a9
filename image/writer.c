/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The writer: each member has a parser, a piece that grows and a sum; all
 * have the list of distinct pages and the batch of those that came last in common.
 */
#include "writer.h"

#include "pages.h"
#include "parse.h"
#include "payload.h"
#include "piece.h"
#include "xl.h"

#include <unistd.h>
#include <xxhash.h>

#define PIECE_FULL (64 * 1024)    /* bytes of a piece before it goes out */
#define BYTES_AT_ONCE (32 * 1024) /* that are not pages, into a piece */
#define WINDOW (256 * 1024)       /* bytes summed, then parsed, while they are in the cache */
#define BATCH_PAGES 512u
/*
 * The same of an image that is followed. Members' streams come in turns there, and name pages of
 * batches that came some time ago: of these the reader unpacks less.
 */
#define BATCH_PAGES_FOLLOWED 128u
#define PIECE_FOLLOWED (2u << 20) /* bytes of a stream that a piece stands for, likewise */

typedef struct {
    guint number;
    Parser parser;
    Piece piece;
    guint64 piece_at; /* where the piece began in the stream */
    MemberTotals totals;
    XXH64_state_t *sum;
    gboolean ended;
} Member;

struct ImageWriter {
    Output output;
    Pages *pages;
    GPtrArray *members; /* of Member */
    GByteArray *batch;  /* the newest distinct pages */
    GByteArray *stored; /* of the piece that goes out */
    guint64 taken;      /* bytes; atomic, since others look */
    guint batch_pages;
    guint64 piece_bytes; /* of a stream, that a piece stands for before it goes out */
    gboolean followed;
    gboolean failed;
    gboolean finished;
    int fd;
};

static void member_free(gpointer data)
{
    Member *member = data;

    piece_clear(&member->piece);
    XXH64_freeState(member->sum);
    g_free(member);
}

static gssize write_fd(gpointer data, const void *bytes, gsize length)
{
    ImageWriter *writer = data;

    return write(writer->fd, bytes, length);
}

/* @text as bytes, or a new UUID if it is empty. */
static gboolean uuid_or_new(const char *text, guint8 ret_uuid[FORMAT_UUID], GError **error)
{
    if (text != NULL && text[0] != '\0')
        return domgrp_uuid_bytes(text, ret_uuid, error);
    g_autofree char *random = g_uuid_string_random();
    return domgrp_uuid_bytes(random, ret_uuid, error);
}

static gboolean write_group(ImageWriter *writer, const ImageSpec *spec, GError **error)
{
    const char *text = spec->text != NULL ? spec->text : "";
    guint8 uuid[FORMAT_UUID];

    if (!uuid_or_new(spec->group_uuid, uuid, error))
        return FALSE;
    g_autoptr(GByteArray) bytes = payload_group(g_get_real_time(), uuid, spec->group_name, text);
    return output_block(&writer->output, BLOCK_GROUP, FORMAT_NO_MEMBER, 0, 0, bytes->data,
                        bytes->len, error);
}

static gboolean begin(ImageWriter *writer, const OutputTo *to, const ImageSpec *spec,
                      GError **error)
{
    ImageFront front = {.version = IMAGE_VERSION, .batch_pages = writer->batch_pages};

    if (!payload_name_check("group", spec->group_name, error) ||
        !payload_text_check("the group's text", spec->text != NULL ? spec->text : "", error) ||
        !uuid_or_new(spec->uuid, front.uuid, error))
        return FALSE;
    writer->pages = pages_new(error);
    return writer->pages != NULL &&
           output_init(&writer->output, to, codec_new(spec->effort), &front, error) &&
           write_group(writer, spec, error);
}

/* NULL @to: to @fd. */
static ImageWriter *writer_new(int fd, const OutputTo *to, const ImageSpec *spec, GError **error)
{
    g_autoptr(ImageWriter) writer = g_new0(ImageWriter, 1);
    const OutputTo to_fd = {.write = write_fd, .data = writer};

    writer->fd = fd;
    writer->followed = spec->followed;
    writer->batch_pages = spec->followed ? BATCH_PAGES_FOLLOWED : BATCH_PAGES;
    writer->piece_bytes = spec->followed ? PIECE_FOLLOWED : FORMAT_PIECE_MAX / 2;
    writer->members = g_ptr_array_new_with_free_func(member_free);
    writer->stored = g_byte_array_new();
    writer->batch = g_byte_array_new();
    if (!begin(writer, to != NULL ? to : &to_fd, spec, error))
        return NULL;
    return g_steal_pointer(&writer);
}

ImageWriter *image_writer_new(int fd, const ImageSpec *spec, GError **error)
{
    return writer_new(fd, NULL, spec, error);
}

ImageWriter *image_writer_new_to(const OutputTo *to, const ImageSpec *spec, GError **error)
{
    return writer_new(-1, to, spec, error);
}

void image_writer_free(ImageWriter *writer)
{
    g_clear_pointer(&writer->members, g_ptr_array_unref);
    g_clear_pointer(&writer->pages, pages_free);
    g_byte_array_unref(writer->stored);
    output_clear(&writer->output);
    g_byte_array_unref(writer->batch);
    g_free(writer);
}

static gboolean usable(const ImageWriter *writer, GError **error)
{
    if (!writer->failed && !writer->finished)
        return TRUE;
    g_set_error(error, DOMGRP_ERROR, DOMGRP_ERROR_INTERNAL,
                "the image is %s; nothing can be added to it",
                writer->failed ? "broken off" : "finished");
    return FALSE;
}

/* Whatever fails after this is the end of the writer, but for what only looks at arguments. */
static gboolean settle(ImageWriter *writer, gboolean good)
{
    writer->failed = writer->failed || !good;
    return good;
}

/* -- blocks -- */

static gboolean flush_batch(ImageWriter *writer, GError **error)
{
    guint n = writer->batch->len / FORMAT_PAGE;

    if (n == 0)
        return TRUE;
    gboolean good =
        output_block(&writer->output, BLOCK_PAGES, FORMAT_NO_MEMBER, pages_count(writer->pages) - n,
                     n, writer->batch->data, writer->batch->len, error);
    g_byte_array_set_size(writer->batch, 0);
    return good;
}

static gboolean flush_piece(ImageWriter *writer, Member *member, GError **error)
{
    Piece *piece = &member->piece;
    guint64 length = piece->length;

    if (length == 0)
        return TRUE;
    g_byte_array_set_size(writer->stored, 0);
    piece_finish(piece, writer->stored);
    piece_restart(piece);
    guint64 at = member->piece_at;
    member->piece_at += length;
    return output_block(&writer->output, BLOCK_PIECE, member->number, at, (guint32)length,
                        writer->stored->data, writer->stored->len, error);
}

/* -- what the parser finds -- */

static gboolean take_bytes(ImageWriter *writer, Member *member, const ParseEvent *event,
                           GError **error)
{
    member->totals.other += event->n;
    for (gsize at = 0, n; at < event->n; at += n) {
        n = MIN(event->n - at, BYTES_AT_ONCE);
        piece_add_bytes(&member->piece, event->at + at, n);
        if (piece_size(&member->piece) >= PIECE_FULL && !flush_piece(writer, member, error))
            return FALSE;
    }
    return TRUE;
}

static gboolean take_pfns(ImageWriter *writer, Member *member, const ParseEvent *event,
                          GError **error)
{
    member->totals.other += event->n * 8;
    for (gsize at = 0, n; at < event->n; at += n) {
        n = MIN(event->n - at, BYTES_AT_ONCE / 8);
        piece_add_pfns(&member->piece, event->at + 8 * at, n);
        if (piece_size(&member->piece) >= PIECE_FULL && !flush_piece(writer, member, error))
            return FALSE;
    }
    return TRUE;
}

static gboolean store_page(ImageWriter *writer, const guint8 *page, GError **error)
{
    g_byte_array_append(writer->batch, page, FORMAT_PAGE);
    return writer->batch->len < writer->batch_pages * FORMAT_PAGE || flush_batch(writer, error);
}

static gboolean take_page(ImageWriter *writer, Member *member, const guint8 *page, GError **error)
{
    MemberTotals *totals = &member->totals;
    guint32 number;
    guint16 owner;
    gboolean new;

    totals->pages++;
    if (pages_is_zero(page)) {
        totals->zero++;
        piece_add_page(&member->piece, PIECE_ZERO, 0);
        return TRUE;
    }
    if (!pages_find(writer->pages, page, (guint16)member->number, &number, &new, &owner, error))
        return FALSE;
    piece_add_page(&member->piece, new ? PIECE_NEW : PIECE_OLD, number);
    if (new) {
        totals->distinct++;
        return store_page(writer, page, error);
    }
    if (owner == member->number)
        totals->own_equal++;
    else
        totals->shared++;
    return TRUE;
}

static gboolean take_pages(ImageWriter *writer, Member *member, const ParseEvent *event,
                           GError **error)
{
    for (gsize i = 0; i < event->n; i++) {
        if (!take_page(writer, member, event->at + i * FORMAT_PAGE, error))
            return FALSE;
    }
    /* many pages in few bytes: the next list of pfns may be a while away */
    if (member->piece.length >= writer->piece_bytes || piece_size(&member->piece) >= PIECE_FULL)
        return flush_piece(writer, member, error);
    return TRUE;
}

static gboolean take_event(ImageWriter *writer, Member *member, const ParseEvent *event,
                           GError **error)
{
    switch (event->kind) {
    case PARSE_BYTES:
        return take_bytes(writer, member, event, error);
    case PARSE_PFNS:
        return take_pfns(writer, member, event, error);
    case PARSE_PAGES:
        return take_pages(writer, member, event, error);
    default:
        return TRUE;
    }
}

static gboolean take_window(ImageWriter *writer, Member *member, const guint8 *bytes, gsize length,
                            GError **error)
{
    ParseEvent event;

    XXH64_update(member->sum, bytes, length);
    member->totals.bytes += length;
    for (gsize n; length > 0; bytes += n, length -= n) {
        n = parser_next(&member->parser, bytes, length, &event);
        if (!take_event(writer, member, &event, error))
            return FALSE;
    }
    return TRUE;
}

/* -- members -- */

static Member *open_member(const ImageWriter *writer, guint number, GError **error)
{
    Member *member =
        number < writer->members->len ? g_ptr_array_index(writer->members, number) : NULL;

    if (!usable(writer, error))
        return NULL;
    if (member != NULL && !member->ended)
        return member;
    g_set_error(error, DOMGRP_ERROR, DOMGRP_ERROR_INTERNAL, "member %u of the image is not open",
                number);
    return NULL;
}

static gboolean check_member(const ImageWriter *writer, const char *uuid, const char *name,
                             const char *json, guint8 ret_uuid[FORMAT_UUID], GError **error)
{
    if (!usable(writer, error) || !domgrp_uuid_bytes(uuid, ret_uuid, error) ||
        !payload_name_check("member", name, error) ||
        (json != NULL && !payload_text_check("a member's configuration", json, error)))
        return FALSE;
    if (writer->members->len < IMAGE_MAX_MEMBERS)
        return TRUE;
    g_set_error(error, DOMGRP_ERROR, DOMGRP_ERROR_VALUE,
                "an image has no more than %d members; save the group in several images",
                IMAGE_MAX_MEMBERS);
    return FALSE;
}

static Member *member_new(guint number, guint64 seed)
{
    Member *member = g_new0(Member, 1);

    member->number = number;
    parser_init(&member->parser);
    piece_init(&member->piece);
    member->sum = XXH64_createState();
    XXH64_reset(member->sum, seed);
    return member;
}

gboolean image_writer_member(ImageWriter *writer, const char *uuid, const char *name,
                             const char *json, guint *ret_member, GError **error)
{
    guint number = writer->members->len;
    guint8 binary[FORMAT_UUID];

    if (!check_member(writer, uuid, name, json, binary, error))
        return FALSE;
    Member *open = member_new(number, writer->output.seed);
    g_ptr_array_add(writer->members, open);
    g_autoptr(GByteArray) bytes = payload_member(binary, name);
    if (!settle(writer, output_block(&writer->output, BLOCK_MEMBER, number, 0, 0, bytes->data,
                                     bytes->len, error)))
        return FALSE;
    if (json != NULL) {
        g_autoptr(GByteArray) front = xl_make(json);
        if (!image_writer_write(writer, number, front->data, front->len, error) ||
            (writer->followed && !settle(writer, flush_piece(writer, open, error))))
            return FALSE;
    }
    *ret_member = number;
    return TRUE;
}

gboolean image_writer_write(ImageWriter *writer, guint number, const void *bytes, gsize length,
                            GError **error)
{
    Member *member = open_member(writer, number, error);
    const guint8 *at = bytes;

    if (member == NULL)
        return FALSE;
    for (gsize n; length > 0; at += n, length -= n) {
        n = MIN(length, WINDOW);
        if (!settle(writer, take_window(writer, member, at, n, error)))
            return FALSE;
        __atomic_store_n(&writer->taken, writer->taken + n, __ATOMIC_RELAXED);
    }
    return TRUE;
}

gboolean image_writer_at_pages(const ImageWriter *writer, guint number)
{
    const Member *member =
        number < writer->members->len ? g_ptr_array_index(writer->members, number) : NULL;

    return member != NULL && member->parser.at_pages;
}

static gboolean end_member(ImageWriter *writer, Member *member, GError **error)
{
    ParseEvent event;

    parser_end(&member->parser, &event);
    if (!take_event(writer, member, &event, error) || !flush_piece(writer, member, error))
        return FALSE;
    member->totals.sum = XXH64_digest(member->sum);
    g_autoptr(GByteArray) bytes = payload_totals(&member->totals);
    return output_block(&writer->output, BLOCK_MEMBER_END, member->number, 0, 0, bytes->data,
                        bytes->len, error);
}

gboolean image_writer_end(ImageWriter *writer, guint number, GError **error)
{
    Member *member = open_member(writer, number, error);

    if (member == NULL || !settle(writer, end_member(writer, member, error)))
        return FALSE;
    member->ended = TRUE;
    if (parser_complete(&member->parser))
        return TRUE;
    g_set_error(error, DOMGRP_ERROR, DOMGRP_ERROR_IMAGE,
                "the stream of member %u is cut off after %" G_GUINT64_FORMAT " bytes", number,
                member->totals.bytes);
    return FALSE;
}

gboolean image_writer_disks(ImageWriter *writer, const char *disks, GError **error)
{
    if (!usable(writer, error) ||
        !payload_text_check("the snapshot command's output", disks, error))
        return FALSE;
    return settle(writer, output_block(&writer->output, BLOCK_DISKS, FORMAT_NO_MEMBER, 0, 0,
                                       (const guint8 *)disks, strlen(disks), error));
}

gboolean image_writer_finish(ImageWriter *writer, GError **error)
{
    if (!usable(writer, error))
        return FALSE;
    for (guint i = 0; i < writer->members->len; i++) {
        const Member *member = g_ptr_array_index(writer->members, i);
        if (member->ended)
            continue;
        g_set_error(error, DOMGRP_ERROR, DOMGRP_ERROR_INTERNAL,
                    "the image cannot be finished: member %u still is open", i);
        return FALSE;
    }
    if (!settle(writer, flush_batch(writer, error) &&
                            output_end(&writer->output, pages_count(writer->pages),
                                       writer->members->len, error)))
        return FALSE;
    writer->finished = TRUE;
    return TRUE;
}

void image_writer_progress(const ImageWriter *writer, guint64 *ret_in, guint64 *ret_out)
{
    *ret_in = __atomic_load_n(&writer->taken, __ATOMIC_RELAXED);
    *ret_out = output_written(&writer->output);
}
