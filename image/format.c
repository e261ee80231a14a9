/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The fixed parts of an image: to bytes and back. */
#include "format.h"

#include "image.h"

#include <xxhash.h>

static const guint8 front_magic[8] = {'D', 'O', 'M', 'G', 'R', 'P', 0x1a, '\n'};
static const guint8 mark_magic[8] = {'U', 'S', 'E', 'D', 'U', 'S', 'E', 'D'};

#define HEADER_MAGIC 0x6b626744u /* "Dgbk" */
#define SUM_BYTES 8

guint64 format_seed(const guint8 uuid[FORMAT_UUID])
{
    return bytes_u64(uuid) ^ bytes_u64(uuid + 8);
}

guint64 format_sum(const void *bytes, gsize length, guint64 seed)
{
    return XXH64(bytes, length, seed);
}

guint64 format_chain(guint64 chain, guint64 sum)
{
    guint8 bytes[8];

    bytes_put_u64(bytes, sum);
    return format_sum(bytes, sizeof bytes, chain);
}

/* The last bytes of a fixed part are the sum of those before. */
static void seal(guint8 *bytes, gsize length, guint64 seed)
{
    bytes_put_u64(bytes + length - SUM_BYTES, format_sum(bytes, length - SUM_BYTES, seed));
}

static gboolean sealed(const guint8 *bytes, gsize length, guint64 seed)
{
    return bytes_u64(bytes + length - SUM_BYTES) == format_sum(bytes, length - SUM_BYTES, seed);
}

void format_put_front(const ImageFront *front, guint8 ret_bytes[FORMAT_FRONT])
{
    memset(ret_bytes, 0, FORMAT_FRONT);
    memcpy(ret_bytes, front_magic, sizeof front_magic);
    bytes_put_u32(ret_bytes + 8, front->version);
    bytes_put_u32(ret_bytes + 12, front->batch_pages);
    memcpy(ret_bytes + 16, front->uuid, FORMAT_UUID);
    seal(ret_bytes, FORMAT_FRONT, 0);
}

FrontState format_front(const guint8 bytes[FORMAT_FRONT], ImageFront *ret_front)
{
    if (memcmp(bytes, front_magic, sizeof front_magic) != 0)
        return FRONT_FOREIGN;
    if (!sealed(bytes, FORMAT_FRONT, 0))
        return FRONT_BROKEN;
    ret_front->version = bytes_u32(bytes + 8);
    ret_front->batch_pages = bytes_u32(bytes + 12);
    memcpy(ret_front->uuid, bytes + 16, FORMAT_UUID);
    if (ret_front->version != IMAGE_VERSION)
        return FRONT_NEWER;
    if (ret_front->batch_pages < 1 || ret_front->batch_pages > FORMAT_BATCH_MAX)
        return FRONT_BROKEN;
    return FRONT_GOOD;
}

void format_put_mark(const guint8 uuid[FORMAT_UUID], guint8 ret_bytes[FORMAT_MARK])
{
    memset(ret_bytes, 0, FORMAT_MARK);
    memcpy(ret_bytes, mark_magic, sizeof mark_magic);
    memcpy(ret_bytes + 8, uuid, FORMAT_UUID);
    seal(ret_bytes, FORMAT_MARK, format_seed(uuid));
}

MarkState format_mark(const guint8 uuid[FORMAT_UUID], const guint8 bytes[FORMAT_MARK])
{
    static const guint8 zeros[FORMAT_MARK];
    guint8 used[FORMAT_MARK];

    if (memcmp(bytes, zeros, FORMAT_MARK) == 0)
        return MARK_UNUSED;
    format_put_mark(uuid, used);
    return memcmp(bytes, used, FORMAT_MARK) == 0 ? MARK_USED : MARK_BROKEN;
}

void format_put_header(BlockHeader *header, const void *payload, guint64 seed,
                       guint8 ret_bytes[FORMAT_HEADER])
{
    header->payload_sum = format_sum(payload, header->stored, seed);
    bytes_put_u32(ret_bytes, HEADER_MAGIC);
    bytes_put_u16(ret_bytes + 4, header->type);
    bytes_put_u16(ret_bytes + 6, header->flags);
    bytes_put_u64(ret_bytes + 8, header->seq);
    bytes_put_u32(ret_bytes + 16, header->member);
    bytes_put_u32(ret_bytes + 20, header->raw);
    bytes_put_u32(ret_bytes + 24, header->stored);
    bytes_put_u32(ret_bytes + 28, header->count);
    bytes_put_u64(ret_bytes + 32, header->first);
    bytes_put_u64(ret_bytes + 40, header->payload_sum);
    seal(ret_bytes, FORMAT_HEADER, seed);
    header->sum = bytes_u64(ret_bytes + 48);
}

static gboolean believable(const BlockHeader *header)
{
    return header->raw <= FORMAT_RAW_MAX && header->stored <= header->raw &&
           (header->flags == BLOCK_ZSTD || (header->flags == 0 && header->stored == header->raw)) &&
           (header->type != BLOCK_PIECE || header->count <= FORMAT_PIECE_MAX) &&
           (header->type != BLOCK_PAGES ||
            (header->count >= 1 && header->count <= FORMAT_BATCH_MAX &&
             header->raw == header->count * FORMAT_PAGE));
}

gboolean format_header(const guint8 bytes[FORMAT_HEADER], guint64 seed, BlockHeader *ret_header)
{
    if (bytes_u32(bytes) != HEADER_MAGIC || !sealed(bytes, FORMAT_HEADER, seed))
        return FALSE;
    *ret_header = (BlockHeader){
        .type = bytes_u16(bytes + 4),
        .flags = bytes_u16(bytes + 6),
        .seq = bytes_u64(bytes + 8),
        .member = bytes_u32(bytes + 16),
        .raw = bytes_u32(bytes + 20),
        .stored = bytes_u32(bytes + 24),
        .count = bytes_u32(bytes + 28),
        .first = bytes_u64(bytes + 32),
        .payload_sum = bytes_u64(bytes + 40),
        .sum = bytes_u64(bytes + 48),
    };
    return believable(ret_header);
}

BlockEntry format_entry_of(const BlockHeader *header, guint64 offset)
{
    return (BlockEntry){.offset = offset,
                        .first = header->first,
                        .sum = header->sum,
                        .member = header->member,
                        .count = header->count,
                        .stored = header->stored,
                        .type = header->type,
                        .flags = header->flags};
}

void format_put_entry(const BlockEntry *entry, guint8 ret_bytes[FORMAT_ENTRY])
{
    bytes_put_u64(ret_bytes, entry->offset);
    bytes_put_u64(ret_bytes + 8, entry->first);
    bytes_put_u64(ret_bytes + 16, entry->sum);
    bytes_put_u32(ret_bytes + 24, entry->member);
    bytes_put_u32(ret_bytes + 28, entry->count);
    bytes_put_u32(ret_bytes + 32, entry->stored);
    bytes_put_u16(ret_bytes + 36, entry->type);
    bytes_put_u16(ret_bytes + 38, entry->flags);
}

void format_entry(const guint8 bytes[FORMAT_ENTRY], BlockEntry *ret_entry)
{
    *ret_entry = (BlockEntry){
        .offset = bytes_u64(bytes),
        .first = bytes_u64(bytes + 8),
        .sum = bytes_u64(bytes + 16),
        .member = bytes_u32(bytes + 24),
        .count = bytes_u32(bytes + 28),
        .stored = bytes_u32(bytes + 32),
        .type = bytes_u16(bytes + 36),
        .flags = bytes_u16(bytes + 38),
    };
}

void format_put_end(const ImageEnd *end, guint8 ret_bytes[FORMAT_END])
{
    memset(ret_bytes, 0, FORMAT_END);
    bytes_put_u64(ret_bytes, end->index);
    bytes_put_u64(ret_bytes + 8, end->entries);
    bytes_put_u64(ret_bytes + 16, end->pages);
    bytes_put_u64(ret_bytes + 24, end->sum);
    bytes_put_u32(ret_bytes + 32, end->members);
}

void format_end(const guint8 bytes[FORMAT_END], ImageEnd *ret_end)
{
    *ret_end = (ImageEnd){
        .index = bytes_u64(bytes),
        .entries = bytes_u64(bytes + 8),
        .pages = bytes_u64(bytes + 16),
        .sum = bytes_u64(bytes + 24),
        .members = bytes_u32(bytes + 32),
    };
}
