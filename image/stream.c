/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A member's stream out of its pieces and the pages they name. Small parts
 * are gathered, large ones go to the sink from where they lie; all are summed on the way.
 */
#include "reader.h"

#include "piece.h"

#include <xxhash.h>

#define GATHER (64 * 1024)
#define DIRECT (32 * 1024) /* so many bytes are not gathered */

typedef struct {
    ImageReader *reader;
    ImageSink sink;
    gpointer data;
    GCancellable *cancellable;
    XXH64_state_t *sum;
    guint8 *gathered;
    gsize fill;
    guint64 length;
} Stream;

static guint8 zeros[DIRECT];

static gboolean give(Stream *stream, const guint8 *bytes, gsize n, GError **error)
{
    if (g_cancellable_is_cancelled(stream->cancellable)) {
        g_set_error(error, DOMGRP_ERROR, DOMGRP_ERROR_CANCELLED, "reading the image was cancelled");
        return FALSE;
    }
    XXH64_update(stream->sum, bytes, n);
    return stream->sink == NULL || stream->sink(stream->data, bytes, n, error);
}

static gboolean flush(Stream *stream, GError **error)
{
    gsize n = stream->fill;

    stream->fill = 0;
    return n == 0 || give(stream, stream->gathered, n, error);
}

static gboolean put(Stream *stream, const guint8 *bytes, gsize n, GError **error)
{
    stream->length += n;
    if (n >= DIRECT)
        return flush(stream, error) && give(stream, bytes, n, error);
    if (n > GATHER - stream->fill && !flush(stream, error))
        return FALSE;
    memcpy(stream->gathered + stream->fill, bytes, n);
    stream->fill += n;
    return TRUE;
}

static gboolean put_zeros(Stream *stream, guint64 pages, GError **error)
{
    for (guint64 n = pages * FORMAT_PAGE, part; n > 0; n -= part) {
        part = MIN(n, DIRECT);
        if (!put(stream, zeros, part, error))
            return FALSE;
    }
    return TRUE;
}

static gboolean put_pages(Stream *stream, const PieceRun *run, GError **error)
{
    guint part;

    for (guint64 at = 0; at < run->n; at += part) {
        const guint8 *pages =
            cache_pages(&stream->reader->cache, run->first + at, run->n - at, &part, error);
        if (pages == NULL || !put(stream, pages, (gsize)part * FORMAT_PAGE, error))
            return FALSE;
    }
    return TRUE;
}

static gboolean put_pfns(Stream *stream, PieceReader *reader, guint64 n, GError **error)
{
    guint8 bytes[8];

    for (; n > 0; n--) {
        bytes_put_u64(bytes, piece_reader_pfn(reader));
        if (!put(stream, bytes, sizeof bytes, error))
            return FALSE;
    }
    return TRUE;
}

static guint64 run_length(const PieceRun *run)
{
    static const guint units[PIECE_KINDS] = {1, 8, FORMAT_PAGE, FORMAT_PAGE, FORMAT_PAGE};

    return run->n <= FORMAT_PIECE_MAX ? run->n * units[run->kind] : G_MAXUINT64;
}

static gboolean put_run(Stream *stream, PieceReader *reader, const PieceRun *run, GError **error)
{
    switch (run->kind) {
    case PIECE_BYTES:
        return put(stream, piece_reader_bytes(reader, run->n), run->n, error);
    case PIECE_PFNS:
        return put_pfns(stream, reader, run->n, error);
    case PIECE_ZERO:
        return put_zeros(stream, run->n, error);
    default:
        return put_pages(stream, run, error);
    }
}

static gboolean put_piece(Stream *stream, Block *block, GError **error)
{
    Buffer *payload = &stream->reader->piece;
    guint64 left = block->entry.count;
    PieceReader reader;
    PieceRun run;

    if (!input_read(&stream->reader->input, block, payload, error))
        return FALSE;
    gboolean good = piece_reader_init(&reader, payload->bytes, payload->length);
    while (good && piece_reader_next(&reader, &run) && run_length(&run) <= left) {
        left -= run_length(&run);
        if (!put_run(stream, &reader, &run, error))
            return FALSE;
    }
    if (good && left == 0 && piece_reader_done(&reader))
        return TRUE;
    g_set_error(error, DOMGRP_ERROR, DOMGRP_ERROR_IMAGE,
                "the image is damaged: block %u at byte %" G_GUINT64_FORMAT
                " is no piece of a stream",
                block->seq, block->entry.offset);
    return FALSE;
}

static gboolean check_sum(Stream *stream, const MemberPlan *plan, guint member, GError **error)
{
    if (plan->hole || plan->end == NO_BLOCK) {
        g_set_error(error, DOMGRP_ERROR, DOMGRP_ERROR_IMAGE,
                    "the image is damaged: the stream of member %u is cut off after "
                    "%" G_GUINT64_FORMAT " bytes",
                    member, stream->length);
        return FALSE;
    }
    if (XXH64_digest(stream->sum) == plan->totals.sum)
        return TRUE;
    g_set_error(error, DOMGRP_ERROR, DOMGRP_ERROR_IMAGE,
                "the image is damaged: the stream of member %u is not the one that was saved",
                member);
    return FALSE;
}

static gboolean run_stream(Stream *stream, const MemberPlan *plan, guint member, GError **error)
{
    GArray *blocks = stream->reader->input.blocks;

    for (guint i = 0; i < plan->pieces->len; i++) {
        guint block = g_array_index(plan->pieces, guint, i);
        if (!put_piece(stream, &g_array_index(blocks, Block, block), error))
            return FALSE;
    }
    return flush(stream, error) && check_sum(stream, plan, member, error);
}

gboolean image_reader_stream(ImageReader *reader, guint member, ImageSink sink, gpointer data,
                             GCancellable *cancellable, GError **error)
{
    Stream stream = {.reader = reader, .sink = sink, .data = data, .cancellable = cancellable};

    if (member >= reader->plans->len) {
        g_set_error(error, DOMGRP_ERROR, DOMGRP_ERROR_VALUE, "the image has no member %u", member);
        return FALSE;
    }
    stream.sum = XXH64_createState();
    XXH64_reset(stream.sum, reader->input.seed);
    stream.gathered = g_malloc(GATHER);
    gboolean good = run_stream(&stream, g_ptr_array_index(reader->plans, member), member, error);
    g_free(stream.gathered);
    XXH64_freeState(stream.sum);
    return good;
}
