/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Blocks from a file: through the index, or by looking for them where it is missing. */
#include "input.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define SCAN_WINDOW (64 * 1024)
#define NEXT G_MAXUINT64 /* an offset: where the descriptor stands */
#define END_SIZE (FORMAT_HEADER + FORMAT_END)
/* What a copy leaves free of its disk, or that part of the disk if it is less; looked at each step.
 */
#define SPOOL_ROOM (256ull << 20)
#define SPOOL_SHARE 20
#define SPOOL_STEP (16ull << 20)
/* Blocks of an image with a limit, each at least so many bytes of it: they are kept in memory. */
#define LIMITED_BLOCK 32768u

#define damage(error, ...) g_set_error(error, DOMGRP_ERROR, DOMGRP_ERROR_IMAGE, __VA_ARGS__)

void buffer_clear(Buffer *buffer)
{
    g_clear_pointer(&buffer->bytes, g_free);
    buffer->room = buffer->length = 0;
}

static guint8 *buffer_resize(Buffer *buffer, gsize length)
{
    if (length >= buffer->room) {
        g_free(buffer->bytes);
        buffer->bytes = g_malloc(length + 1);
        buffer->room = length + 1;
    }
    buffer->length = length;
    return buffer->bytes;
}

/* -- bytes -- */

static gboolean read_error(GError **error)
{
    g_set_error(error, DOMGRP_ERROR, DOMGRP_ERROR_FILE, "the image cannot be read: %s",
                g_strerror(errno));
    return FALSE;
}

/* As many of @length bytes at @offset, or NEXT, as there are: -1 after an error. */
static gssize read_some(int fd, guint64 offset, guint8 *bytes, gsize length)
{
    gsize got = 0;

    while (got < length) {
        gssize n = offset == NEXT ? read(fd, bytes + got, length - got)
                                  : pread(fd, bytes + got, length - got, (off_t)(offset + got));
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -1;
        if (n == 0)
            break;
        got += (gsize)n;
    }
    return (gssize)got;
}

static gboolean ends_within(guint64 at, GError **error)
{
    damage(error, "the image ends at byte %" G_GUINT64_FORMAT " in the middle of something", at);
    return FALSE;
}

static gboolean read_at(Input *input, guint64 offset, guint8 *bytes, gsize length, GError **error)
{
    gssize got = read_some(input->fd, offset, bytes, length);

    if (got < 0)
        return read_error(error);
    if ((gsize)got == length)
        return TRUE;
    return ends_within(offset + (guint64)got, error);
}

/* -- the copy of what cannot seek -- */

static int open_spool(const char *directory, GError **error)
{
    const char *where = directory != NULL ? directory : g_get_tmp_dir();
    int fd = open(where, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

    if (fd < 0) {
        g_autofree char *path = g_build_filename(where, ".domgrp-image-XXXXXX", NULL);
        fd = g_mkstemp_full(path, O_RDWR | O_CLOEXEC, 0600);
        if (fd >= 0)
            g_unlink(path);
    }
    if (fd < 0)
        g_set_error(error, DOMGRP_ERROR, DOMGRP_ERROR_FILE,
                    "no temporary file can be made in %s: %s", where, g_strerror(errno));
    return fd;
}

/*
 * Some room is left to others, such as the daemon's database: whoever sends an image can make the
 * copy as large as the disk.
 */
static gboolean leaves_room(int spool, GError **error)
{
    struct statvfs disk;
    if (fstatvfs(spool, &disk) != 0 || disk.f_blocks == 0)
        return TRUE;
    guint64 total = (guint64)disk.f_blocks * disk.f_frsize;
    guint64 left = (guint64)disk.f_bavail * disk.f_frsize;
    if (left >= MIN(SPOOL_ROOM, total / SPOOL_SHARE))
        return TRUE;
    g_set_error(error, DOMGRP_ERROR, DOMGRP_ERROR_FILE,
                "the image cannot be copied to a temporary file: only %" G_GUINT64_FORMAT
                " MiB of its disk are left, which others need; make room on it",
                left >> 20);
    return FALSE;
}

gboolean input_allows(const Input *input, guint64 bytes, GError **error)
{
    if (input->limit == 0 || bytes <= input->limit)
        return TRUE;
    damage(error, "the image has more than the %" G_GUINT64_FORMAT " MiB that it can have",
           input->limit >> 20);
    return FALSE;
}

gboolean input_allows_blocks(const Input *input, guint64 blocks, GError **error)
{
    return input_allows(input, blocks * LIMITED_BLOCK, error);
}

static gboolean spool_write(Input *input, const guint8 *bytes, gsize length, GError **error)
{
    guint64 before = input->size;
    input->size += length;
    if (!input_allows(input, input->size, error) ||
        (before / SPOOL_STEP != input->size / SPOOL_STEP && !leaves_room(input->spool, error)))
        return FALSE;
    while (length > 0) {
        gssize n = write(input->spool, bytes, length);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0) {
            g_set_error(error, DOMGRP_ERROR, DOMGRP_ERROR_FILE,
                        "the image cannot be copied to a temporary file: %s", g_strerror(errno));
            return FALSE;
        }
        bytes += n;
        length -= (gsize)n;
    }
    return TRUE;
}

static gboolean fill_spool(Input *input, int fd, GError **error)
{
    g_autofree guint8 *bytes = g_malloc(SCAN_WINDOW);

    for (;;) {
        gssize n = read_some(fd, NEXT, bytes, SCAN_WINDOW);
        if (n < 0)
            return read_error(error);
        if (n == 0)
            return TRUE;
        if (!spool_write(input, bytes, (gsize)n, error))
            return FALSE;
    }
}

static gboolean open_bytes(Input *input, int fd, const char *spool, GError **error)
{
    off_t end = lseek(fd, 0, SEEK_END);

    input->fd = fd;
    if (end >= 0) {
        input->size = (guint64)end;
        return TRUE;
    }
    if (errno != ESPIPE)
        return read_error(error);
    input->spool = input->fd = open_spool(spool, error);
    return input->spool >= 0 && fill_spool(input, fd, error);
}

/* -- a copy that grows -- */

/* The next @length bytes of @fd, into the copy too. */
static gboolean copy_bytes(Input *input, int fd, guint8 *bytes, gsize length, GError **error)
{
    gssize got = read_some(fd, NEXT, bytes, length);

    if (got < 0)
        return read_error(error);
    if ((gsize)got < length)
        return ends_within(input->size + (guint64)got, error);
    return spool_write(input, bytes, length, error);
}

static gboolean copy_payload(Input *input, int fd, gsize length, GError **error)
{
    g_autofree guint8 *bytes = g_malloc(SCAN_WINDOW);

    for (gsize n; length > 0; length -= n) {
        n = MIN(length, SCAN_WINDOW);
        if (!copy_bytes(input, fd, bytes, n, error))
            return FALSE;
    }
    return TRUE;
}

/* -- the front -- */

static gboolean judge_front(FrontState state, const ImageFront *front, GError **error)
{
    switch (state) {
    case FRONT_GOOD:
        return TRUE;
    case FRONT_FOREIGN:
        damage(error, "this is not a group image");
        return FALSE;
    case FRONT_BROKEN:
        damage(error, "the image is damaged in its first %d bytes", FORMAT_FRONT);
        return FALSE;
    default:
        g_set_error(error, DOMGRP_ERROR, DOMGRP_ERROR_IMAGE_VERSION,
                    "the image has version %u of the format, and this domgrp reads version %d; "
                    "use a newer one",
                    front->version, IMAGE_VERSION);
        return FALSE;
    }
}

gboolean input_front(int fd, ImageFront *ret_front, MarkState *ret_mark, GError **error)
{
    guint8 bytes[FORMAT_BLOCKS];
    gssize got = read_some(fd, 0, bytes, sizeof bytes);

    if (got < 0)
        return read_error(error);
    if (got < FORMAT_BLOCKS) {
        damage(error, "this is not a group image: it has only %" G_GSSIZE_FORMAT " bytes", got);
        return FALSE;
    }
    if (!judge_front(format_front(bytes, ret_front), ret_front, error))
        return FALSE;
    *ret_mark = format_mark(ret_front->uuid, bytes + FORMAT_FRONT);
    return TRUE;
}

/* -- blocks -- */

static gboolean matches(const BlockHeader *header, const Block *block)
{
    const BlockEntry *entry = &block->entry;

    return header->sum == entry->sum && header->seq == block->seq && header->type == entry->type &&
           header->flags == entry->flags && header->member == entry->member &&
           header->count == entry->count && header->first == entry->first &&
           header->stored == entry->stored;
}

static gboolean block_damage(const Block *block, const char *what, GError **error)
{
    damage(error, "the image is damaged: block %u at byte %" G_GUINT64_FORMAT " %s", block->seq,
           block->entry.offset, what);
    return FALSE;
}

static void see(Input *input, Block *block)
{
    if (!block->seen)
        __atomic_store_n(&input->progress, input->progress + FORMAT_HEADER + block->entry.stored,
                         __ATOMIC_RELAXED);
    block->seen = TRUE;
}

static guint8 *packed_room(Input *input, gsize length)
{
    if (length > input->room) {
        g_free(input->packed);
        input->packed = g_malloc(length);
        input->room = length;
    }
    return input->packed;
}

gboolean input_read(Input *input, Block *block, Buffer *payload, GError **error)
{
    gsize stored = block->entry.stored;
    guint8 *bytes = packed_room(input, FORMAT_HEADER + stored);
    BlockHeader header;

    if (!read_at(input, block->entry.offset, bytes, FORMAT_HEADER + stored, error))
        return FALSE;
    if (!format_header(bytes, input->seed, &header) || !matches(&header, block))
        return block_damage(block, "is not the one that was written there", error);
    bytes += FORMAT_HEADER;
    if (format_sum(bytes, stored, input->seed) != header.payload_sum)
        return block_damage(block, "has another sum", error);
    buffer_resize(payload, header.raw);
    if (!(header.flags & BLOCK_ZSTD))
        memcpy(payload->bytes, bytes, stored);
    else if (!codec_unpack(input->codec, bytes, stored, payload->bytes, payload->length))
        return block_damage(block, "cannot be unpacked", error);
    see(input, block);
    return TRUE;
}

/* The header at @offset if there is a sound one, and its whole payload lies within the file. */
static gboolean peek(Input *input, guint64 offset, Block *ret_block)
{
    guint8 bytes[FORMAT_HEADER];
    BlockHeader header;

    if (offset + FORMAT_HEADER > input->size ||
        read_some(input->fd, offset, bytes, FORMAT_HEADER) != FORMAT_HEADER ||
        !format_header(bytes, input->seed, &header) ||
        header.stored > input->size - offset - FORMAT_HEADER ||
        header.seq > (guint64)FORMAT_BLOCKS_MAX * 2)
        return FALSE;
    *ret_block = (Block){.entry = format_entry_of(&header, offset), .seq = (guint32)header.seq};
    return TRUE;
}

static guint64 block_end(const BlockEntry *entry)
{
    return entry->offset + FORMAT_HEADER + entry->stored;
}

/* -- the index -- */

/* It names at most @most blocks. */
static gboolean find_end(Input *input, guint64 most, Block *ret_block, GError **error)
{
    g_auto(Buffer) payload = {0};

    if (input->size < FORMAT_BLOCKS + END_SIZE || !peek(input, input->size - END_SIZE, ret_block) ||
        ret_block->entry.type != BLOCK_END || ret_block->entry.stored != FORMAT_END) {
        damage(error, "the image is incomplete: its end is missing");
        return FALSE;
    }
    if (!input_read(input, ret_block, &payload, error))
        return FALSE;
    if (payload.length == FORMAT_END) {
        format_end(payload.bytes, &input->end);
        if (input->end.entries <= most && input->end.members <= IMAGE_MAX_MEMBERS)
            return TRUE;
    }
    return block_damage(ret_block, "has an end that cannot be", error);
}

/* Takes the entries of one block of the index. */
static gboolean take_entries(Input *input, const Block *index, const Buffer *payload)
{
    gsize n = payload->length / FORMAT_ENTRY;

    if (index->entry.first != input->blocks->len || index->entry.count != n ||
        payload->length % FORMAT_ENTRY != 0 || n > input->end.entries - input->blocks->len)
        return FALSE;
    for (gsize i = 0; i < n; i++) {
        Block block = {.seq = input->blocks->len};
        format_entry(payload->bytes + i * FORMAT_ENTRY, &block.entry);
        g_array_append_val(input->blocks, block);
    }
    return TRUE;
}

/* Each block begins where the one before ends, up to the index; their sums have the sum in the end.
 */
static gboolean index_agrees(const Input *input)
{
    guint64 at = FORMAT_BLOCKS, chain = input->seed;

    if (input->blocks->len != input->end.entries)
        return FALSE;
    for (guint i = 0; i < input->blocks->len; i++) {
        const BlockEntry *entry = &g_array_index(input->blocks, Block, i).entry;
        if (entry->offset != at || entry->stored > FORMAT_RAW_MAX)
            return FALSE;
        at = block_end(entry);
        chain = format_chain(chain, entry->sum);
    }
    return at == input->end.index && chain == input->end.sum;
}

static gboolean entries_equal(const BlockEntry *a, const BlockEntry *b)
{
    return a->offset == b->offset && a->first == b->first && a->sum == b->sum &&
           a->member == b->member && a->count == b->count && a->stored == b->stored &&
           a->type == b->type && a->flags == b->flags;
}

/* The same of the index. */
static gboolean read_index(Input *input, guint64 most, GError **error)
{
    g_auto(Buffer) payload = {0};
    Block end, index;
    guint64 at;
    guint32 seq;

    if (!find_end(input, most, &end, error))
        return FALSE;
    seq = (guint32)input->end.entries;
    for (at = input->end.index; at != end.entry.offset; at = block_end(&index.entry), seq++) {
        if (!peek(input, at, &index) || index.entry.type != BLOCK_INDEX || index.seq != seq) {
            damage(error, "the image is damaged: its index at byte %" G_GUINT64_FORMAT, at);
            return FALSE;
        }
        if (!input_read(input, &index, &payload, error))
            return FALSE;
        if (!take_entries(input, &index, &payload))
            return block_damage(&index, "has an index that cannot be", error);
    }
    if (end.seq == seq && index_agrees(input))
        return TRUE;
    return block_damage(&end, "does not fit the image before it", error);
}

/* -- without the index -- */

/* Where the next sound header begins, from @at on; the size where there is none. */
static guint64 search(Input *input, guint64 at, guint8 *window, Block *ret_block)
{
    for (;;) {
        gssize got = read_some(input->fd, at, window, SCAN_WINDOW);
        if (got < FORMAT_HEADER)
            return input->size;
        for (gssize i = 0; i + FORMAT_HEADER <= got; i++) {
            BlockHeader header;
            if (format_header(window + i, input->seed, &header) &&
                peek(input, at + (guint64)i, ret_block))
                return at + (guint64)i;
        }
        at += (guint64)(got - FORMAT_HEADER + 1);
    }
}

static gboolean scan(Input *input, GError **error)
{
    g_autofree guint8 *window = g_malloc(SCAN_WINDOW);
    Block block;

    g_array_set_size(input->blocks, 0);
    for (guint64 at = FORMAT_BLOCKS; at < input->size; at = block_end(&block.entry)) {
        if (!peek(input, at, &block)) {
            at = search(input, at, window, &block);
            if (at == input->size)
                break;
        }
        if (block.entry.type == BLOCK_INDEX || block.entry.type == BLOCK_END)
            continue;
        if (input->blocks->len >= FORMAT_BLOCKS_MAX) {
            damage(error, "the image has more than %u blocks", FORMAT_BLOCKS_MAX);
            return FALSE;
        }
        g_array_append_val(input->blocks, block);
    }
    return TRUE;
}

static gboolean find_blocks(Input *input, gboolean damaged, GError **error)
{
    g_autoptr(GError) why = NULL;

    input->complete = read_index(input, FORMAT_BLOCKS_MAX, &why);
    if (input->complete)
        return TRUE;
    if (damaged && g_error_matches(why, DOMGRP_ERROR, DOMGRP_ERROR_IMAGE))
        return scan(input, error);
    g_propagate_error(error, g_steal_pointer(&why));
    return FALSE;
}

/* Reads what the image begins with, and judges it. */
static gboolean open_front(Input *input, gboolean damaged, GError **error)
{
    if (!input_front(input->fd, &input->front, &input->mark, error))
        return FALSE;
    if (input->mark == MARK_BROKEN && !damaged) {
        damage(error, "the image is damaged: its mark at byte %d is neither empty nor whole",
               FORMAT_FRONT);
        return FALSE;
    }
    input->seed = format_seed(input->front.uuid);
    return TRUE;
}

static void input_init(Input *input)
{
    *input = (Input){.spool = -1,
                     .blocks = g_array_new(FALSE, FALSE, sizeof(Block)),
                     .codec = codec_new(IMAGE_SMALL)};
}

gboolean input_open(Input *input, int fd, gboolean damaged, const char *spool, GError **error)
{
    input_init(input);
    return open_bytes(input, fd, spool, error) && open_front(input, damaged, error) &&
           find_blocks(input, damaged, error);
}

/* -- an image that is still being made -- */

gboolean input_follow(Input *input, int fd, const char *spool, guint64 limit, GError **error)
{
    guint8 bytes[FORMAT_BLOCKS];

    input_init(input);
    input->limit = limit;
    input->spool = input->fd = open_spool(spool, error);
    return input->spool >= 0 && copy_bytes(input, fd, bytes, sizeof bytes, error) &&
           open_front(input, FALSE, error);
}

static gboolean same_blocks(const GArray *a, const GArray *b)
{
    gboolean same = a->len == b->len;

    for (guint i = 0; same && i < a->len; i++)
        same = entries_equal(&g_array_index(a, Block, i).entry, &g_array_index(b, Block, i).entry);
    return same;
}

/* The index, and the blocks that it names are those that came. */
static gboolean finish_index(Input *input, GError **error)
{
    GArray *came = input->blocks;
    g_autoptr(GArray) named = g_array_new(FALSE, FALSE, sizeof(Block));

    input->blocks = named;
    input->complete = read_index(input, came->len, error);
    input->blocks = came;
    if (!input->complete || same_blocks(came, named))
        return input->complete;
    input->complete = FALSE;
    damage(error, "the image is damaged: its index names other blocks than it has");
    return FALSE;
}

static gboolean finish(Input *input, int fd, GError **error)
{
    guint8 byte;
    gssize more = read_some(fd, NEXT, &byte, 1);

    if (more < 0)
        return read_error(error);
    if (more == 0)
        return finish_index(input, error);
    damage(error, "the image goes on behind its end at byte %" G_GUINT64_FORMAT, input->size);
    return FALSE;
}

static gboolean take_block(Input *input, const BlockHeader *header, guint64 offset, GError **error)
{
    Block block = {.entry = format_entry_of(header, offset), .seq = (guint32)header->seq};

    if (header->type == BLOCK_INDEX || header->type == BLOCK_END) {
        input->ending = TRUE;
        return TRUE;
    }
    if (input->ending || header->seq != input->blocks->len || header->seq >= FORMAT_BLOCKS_MAX)
        return block_damage(&block, "does not belong there", error);
    if (!input_allows_blocks(input, input->blocks->len + 1ull, error))
        return FALSE;
    g_array_append_val(input->blocks, block);
    return TRUE;
}

gboolean input_next(Input *input, int fd, gboolean *ret_more, GError **error)
{
    guint8 bytes[FORMAT_HEADER];
    BlockHeader header;

    do {
        guint64 offset = input->size;
        if (!copy_bytes(input, fd, bytes, sizeof bytes, error))
            return FALSE;
        if (!format_header(bytes, input->seed, &header)) {
            damage(error, "the image is damaged: no block begins at byte %" G_GUINT64_FORMAT,
                   offset);
            return FALSE;
        }
        if (!take_block(input, &header, offset, error) ||
            !copy_payload(input, fd, header.stored, error))
            return FALSE;
    } while (header.type == BLOCK_INDEX);
    *ret_more = header.type != BLOCK_END;
    return *ret_more || finish(input, fd, error);
}

void input_clear(Input *input)
{
    if (input->spool >= 0)
        close(input->spool);
    g_clear_pointer(&input->blocks, g_array_unref);
    g_clear_pointer(&input->codec, codec_free);
    g_clear_pointer(&input->packed, g_free);
}
