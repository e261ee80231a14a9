/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Blocks to a file or a pipe. */
#include "output.h"

#include <errno.h>

#define INDEX_ENTRIES 16384u /* in a block */
#define ADAPT_PAGES 2048u    /* after which it is looked at who waits for whom */

static gint64 now_us(const Output *output)
{
    return output->to.clock != NULL ? output->to.clock(output->to.data) : g_get_monotonic_time();
}

static gboolean write_all(Output *output, const guint8 *bytes, gsize length, GError **error)
{
    while (length > 0) {
        gssize n = output->to.write(output->to.data, bytes, length);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0) {
            int why = n < 0 ? errno : ENOSPC;
            g_set_error(error, DOMGRP_ERROR, DOMGRP_ERROR_FILE,
                        "the image cannot be written after %" G_GUINT64_FORMAT " bytes: %s",
                        output->offset, g_strerror(why));
            return FALSE;
        }
        bytes += n;
        length -= (gsize)n;
        __atomic_store_n(&output->offset, output->offset + (guint64)n, __ATOMIC_RELAXED);
    }
    return TRUE;
}

/* What is written to a pipe waits for its reader when that is the slower one. */
static gboolean write_timed(Output *output, const guint8 *bytes, gsize length, GError **error)
{
    gint64 began_us = now_us(output);
    gboolean good = write_all(output, bytes, length, error);
    output->waited_us += now_us(output) - began_us;
    return good;
}

/*
 * More work only while the reader takes more than half of the time: where reader and writer share a
 * processor, some of it is the reader's own work, which is no time to spare. Less as soon as the
 * writer hardly waits. Between the two it stays as it is, so that a step has time to show.
 */
static void adapt(Output *output, guint pages)
{
    output->pages += pages;
    if (output->pages < ADAPT_PAGES)
        return;
    gint64 now = now_us(output), passed_us = now - output->since_us;
    if (output->waited_us > passed_us / 2)
        codec_harder(output->codec);
    else if (output->waited_us < passed_us / 8)
        codec_lighter(output->codec);
    output->pages = 0;
    output->since_us = now;
    output->waited_us = 0;
}

gboolean output_init(Output *output, const OutputTo *to, Codec *codec, const ImageFront *front,
                     GError **error)
{
    guint8 bytes[FORMAT_BLOCKS] = {0};

    *output = (Output){.to = *to,
                       .codec = codec,
                       .seed = format_seed(front->uuid),
                       .entries = g_array_new(FALSE, FALSE, sizeof(BlockEntry))};
    output->since_us = now_us(output);
    format_put_front(front, bytes);
    return write_all(output, bytes, sizeof bytes, error);
}

void output_clear(Output *output)
{
    g_clear_pointer(&output->codec, codec_free);
    g_clear_pointer(&output->entries, g_array_unref);
    g_clear_pointer(&output->buffer, g_free);
}

static void make_room(Output *output, gsize length)
{
    gsize room = FORMAT_HEADER + MAX(codec_bound(length), length);

    if (room <= output->room)
        return;
    g_free(output->buffer);
    output->buffer = g_malloc(room);
    output->room = room;
}

static gsize pack(Output *output, BlockType type, const guint8 *payload, gsize length)
{
    guint8 *packed = output->buffer + FORMAT_HEADER;
    CodecUse use = type == BLOCK_PAGES ? CODEC_PAGES : CODEC_TEXT;
    gsize n = type != BLOCK_END ? codec_pack(output->codec, use, payload, length, packed) : 0;

    if (n == 0 && length > 0)
        memcpy(packed, payload, length);
    return n;
}

gboolean output_block(Output *output, BlockType type, guint32 member, guint64 first, guint32 count,
                      const guint8 *payload, gsize length, GError **error)
{
    if (type < BLOCK_INDEX && output->entries->len >= FORMAT_BLOCKS_MAX) {
        g_set_error(error, DOMGRP_ERROR, DOMGRP_ERROR_VALUE,
                    "an image has no more than %u blocks; save fewer members in it",
                    FORMAT_BLOCKS_MAX);
        return FALSE;
    }
    make_room(output, length);
    gsize packed = pack(output, type, payload, length);
    BlockHeader header = {.type = type,
                          .flags = packed > 0 ? BLOCK_ZSTD : 0,
                          .seq = output->entries->len,
                          .member = member,
                          .raw = (guint32)length,
                          .stored = (guint32)(packed > 0 ? packed : length),
                          .count = count,
                          .first = first};
    format_put_header(&header, output->buffer + FORMAT_HEADER, output->seed, output->buffer);
    BlockEntry entry = format_entry_of(&header, output->offset);
    g_array_append_val(output->entries, entry);
    if (!write_timed(output, output->buffer, FORMAT_HEADER + header.stored, error))
        return FALSE;
    if (type == BLOCK_PAGES)
        adapt(output, count);
    return TRUE;
}

static gboolean write_index(Output *output, guint entries, GError **error)
{
    g_autofree guint8 *bytes = g_malloc((gsize)INDEX_ENTRIES * FORMAT_ENTRY);

    for (guint at = 0; at < entries; at += INDEX_ENTRIES) {
        guint n = MIN(INDEX_ENTRIES, entries - at);
        for (guint i = 0; i < n; i++)
            format_put_entry(&g_array_index(output->entries, BlockEntry, at + i),
                             bytes + (gsize)i * FORMAT_ENTRY);
        if (!output_block(output, BLOCK_INDEX, FORMAT_NO_MEMBER, at, n, bytes,
                          (gsize)n * FORMAT_ENTRY, error))
            return FALSE;
    }
    return TRUE;
}

gboolean output_end(Output *output, guint32 pages, guint32 members, GError **error)
{
    guint entries = output->entries->len;
    guint8 bytes[FORMAT_END];
    ImageEnd end = {.index = output->offset,
                    .entries = entries,
                    .pages = pages,
                    .sum = output->seed,
                    .members = members};

    for (guint i = 0; i < entries; i++)
        end.sum = format_chain(end.sum, g_array_index(output->entries, BlockEntry, i).sum);
    if (!write_index(output, entries, error))
        return FALSE;
    format_put_end(&end, bytes);
    return output_block(output, BLOCK_END, FORMAT_NO_MEMBER, 0, 0, bytes, sizeof bytes, error);
}

guint64 output_written(const Output *output)
{
    return __atomic_load_n(&output->offset, __ATOMIC_RELAXED);
}
