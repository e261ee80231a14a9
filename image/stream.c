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

struct Stream {
    ImageReader *reader;
    guint member;
    ImageSink sink;
    gpointer data;
    GCancellable *cancellable;
    XXH64_state_t *sum;
    gsize fill; /* bytes that are gathered: of one stream at a time */
    guint64 length;
};

static guint8 zeros[DIRECT];

static gboolean give(Stream *stream, const guint8 *bytes, gsize n, GError **error)
{
    if (reader_cancelled(stream->cancellable, error))
        return FALSE;
    XXH64_update(stream->sum, bytes, n);
    return stream->sink == NULL || stream->sink(stream->data, bytes, n, error);
}

static gboolean flush(Stream *stream, GError **error)
{
    gsize n = stream->fill;

    stream->fill = 0;
    return n == 0 || give(stream, stream->reader->gathered, n, error);
}

static gboolean put(Stream *stream, const guint8 *bytes, gsize n, GError **error)
{
    stream->length += n;
    if (n >= DIRECT)
        return flush(stream, error) && give(stream, bytes, n, error);
    if (n > GATHER - stream->fill && !flush(stream, error))
        return FALSE;
    memcpy(stream->reader->gathered + stream->fill, bytes, n);
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

gboolean stream_put(Stream *stream, const Block *block, GError **error)
{
    const Buffer *payload = &stream->reader->piece;
    guint64 left = block->entry.count;
    PieceReader reader;
    PieceRun run;

    gboolean good = piece_reader_init(&reader, payload->bytes, payload->length);
    while (good && piece_reader_next(&reader, &run) && piece_run_length(&run) <= left) {
        left -= piece_run_length(&run);
        if (!put_run(stream, &reader, &run, error))
            return FALSE;
    }
    if (good && left == 0 && piece_reader_done(&reader))
        return flush(stream, error);
    g_set_error(error, DOMGRP_ERROR, DOMGRP_ERROR_IMAGE,
                "the image is damaged: block %u at byte %" G_GUINT64_FORMAT
                " is no piece of a stream",
                block->seq, block->entry.offset);
    return FALSE;
}

gboolean stream_end(Stream *stream, GError **error)
{
    const MemberPlan *plan = g_ptr_array_index(stream->reader->plans, stream->member);

    if (plan->hole || plan->end == NO_BLOCK) {
        g_set_error(error, DOMGRP_ERROR, DOMGRP_ERROR_IMAGE,
                    "the image is damaged: the stream of member %u is cut off after "
                    "%" G_GUINT64_FORMAT " bytes",
                    stream->member, stream->length);
        return FALSE;
    }
    if (XXH64_digest(stream->sum) == plan->totals.sum)
        return TRUE;
    g_set_error(error, DOMGRP_ERROR, DOMGRP_ERROR_IMAGE,
                "the image is damaged: the stream of member %u is not the one that was saved",
                stream->member);
    return FALSE;
}

Stream *stream_new(ImageReader *reader, guint member, ImageSink sink, gpointer data,
                   GCancellable *cancellable)
{
    Stream *stream = g_new0(Stream, 1);

    *stream = (Stream){.reader = reader,
                       .member = member,
                       .sink = sink,
                       .data = data,
                       .cancellable = cancellable,
                       .sum = XXH64_createState()};
    XXH64_reset(stream->sum, reader->input.seed);
    if (reader->gathered == NULL)
        reader->gathered = g_malloc(GATHER);
    return stream;
}

void stream_free(Stream *stream)
{
    XXH64_freeState(stream->sum);
    g_free(stream);
}

gboolean image_reader_stream(ImageReader *reader, guint member, ImageSink sink, gpointer data,
                             GCancellable *cancellable, GError **error)
{
    if (member >= reader->plans->len) {
        g_set_error(error, DOMGRP_ERROR, DOMGRP_ERROR_VALUE, "the image has no member %u", member);
        return FALSE;
    }
    const MemberPlan *plan = g_ptr_array_index(reader->plans, member);
    g_autoptr(Stream) stream = stream_new(reader, member, sink, data, cancellable);
    for (guint i = 0; i < plan->pieces->len; i++) {
        guint number = g_array_index(plan->pieces, guint, i);
        Block *block = &g_array_index(reader->input.blocks, Block, number);
        if (!input_read(&reader->input, block, &reader->piece, error) ||
            !stream_put(stream, block, error))
            return FALSE;
    }
    return stream_end(stream, error);
}
