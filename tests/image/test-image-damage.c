/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Damaged images, and writers whose file fails under them: nothing wrong may
 * ever pass for good, and what is left of an image must be readable as far as it goes.
 */
#include "streams.h"

#include "format.h"
#include "piece.h"
#include "writer.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

typedef struct {
    Stream *streams[2];
    guint8 *bytes; /* the image */
    gsize length;
} Sample;

/* Two guests of @pages pages that have some in common; @flags goes to the pages' seeds. */
static void sample_init(Sample *sample, guint pages, guint32 flags)
{
    g_autofree guint32 *seeds = g_new(guint32, pages);

    for (guint i = 0; i < 2; i++) {
        for (guint page = 0; page < pages; page++) {
            guint32 seed = (page * (i + 1)) % (pages / 3 + 3);
            seeds[page] = seed > 0 ? seed | flags : 0;
        }
        sample->streams[i] = g_byte_array_new();
        stream_guest(sample->streams[i], 3, seeds, pages, 5);
    }
    int fd =
        pack_streams(sample->streams, 2, &(PackHow){.disks = "vg/a", .turns = TRUE, .chunk = 5000});
    check_image(fd, sample->streams, 2);
    sample->length = file_size(fd);
    sample->bytes = g_malloc(sample->length);
    g_assert_cmpint(pread(fd, sample->bytes, sample->length, 0), ==, (gssize)sample->length);
    close(fd);
}

static void sample_clear(Sample *sample)
{
    g_byte_array_unref(sample->streams[0]);
    g_byte_array_unref(sample->streams[1]);
    g_free(sample->bytes);
}

/* Asserts that a member is read either right or not at all; returns how many were read. */
static guint read_members(ImageReader *reader, const Sample *sample)
{
    guint good = 0;

    for (guint i = 0; i < 2; i++) {
        g_autoptr(GError) error = NULL;
        g_autoptr(Stream) out = unpack_member(reader, i, &error);
        if (out == NULL) {
            g_assert_nonnull(error);
            continue;
        }
        g_assert_cmpmem(out->data, out->len, sample->streams[i]->data, sample->streams[i]->len);
        good++;
    }
    return good;
}

typedef struct {
    const Sample *sample;
    gsize given[2];
    gboolean ended[2];
} Given;

/* Whatever is given of a stream is what it was. */
static gboolean given_bytes(gpointer data, guint member, const void *bytes, gsize length,
                            GError **error)
{
    Given *given = data;
    const Stream *stream = given->sample->streams[member];

    g_assert_cmpuint(given->given[member] + length, <=, stream->len);
    g_assert_cmpmem(bytes, length, stream->data + given->given[member], length);
    given->given[member] += length;
    return TRUE;
}

static gboolean given_end(gpointer data, guint member, GError **error)
{
    Given *given = data;

    g_assert_cmpuint(given->given[member], ==, given->sample->streams[member]->len);
    given->ended[member] = TRUE;
    return TRUE;
}

/* The same of one that is read as it comes in. */
static void check_detected_coming(int fd, const Sample *sample)
{
    static const ImageFollow follow = {.bytes = given_bytes, .ended = given_end};
    Given given = {.sample = sample};
    g_autoptr(GError) error = NULL;

    g_assert_cmpint(lseek(fd, 0, SEEK_SET), ==, 0);
    g_assert_null(image_reader_follow(fd, NULL, &follow, &given, NULL, &error));
    g_assert_true(g_error_matches(error, DOMGRP_ERROR, DOMGRP_ERROR_IMAGE) ||
                  g_error_matches(error, DOMGRP_ERROR, DOMGRP_ERROR_IMAGE_VERSION));
    g_assert_null(strchr(error->message, '\n'));
}

/* Asserts that the image on @fd is found out, and that reading it as a damaged one is safe. */
static void check_detected(int fd, const Sample *sample)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(ImageReader) reader = image_reader_new(fd, FALSE, NULL, &error);

    if (reader != NULL) {
        g_assert_false(image_reader_verify(reader, NULL, NULL, &error));
        read_members(reader, sample);
    }
    g_assert_true(g_error_matches(error, DOMGRP_ERROR, DOMGRP_ERROR_IMAGE) ||
                  g_error_matches(error, DOMGRP_ERROR, DOMGRP_ERROR_IMAGE_VERSION));
    g_assert_null(strchr(error->message, '\n'));
    check_detected_coming(fd, sample);
}

static void check_salvage(int fd, const Sample *sample)
{
    g_autoptr(ImageReader) reader = image_reader_new(fd, TRUE, NULL, NULL);

    if (reader != NULL && image_reader_info(reader)->members->len == 2)
        read_members(reader, sample);
}

static void test_every_byte(void)
{
    static const guint8 patterns[] = {0x01, 0x80, 0xff};
    Sample sample;

    sample_init(&sample, 12, SEED_SMALL);
    int fd = memory_file(sample.bytes, sample.length);
    for (gsize at = 0; at < sample.length; at++) {
        for (guint i = 0; i < G_N_ELEMENTS(patterns); i++) {
            guint8 wrong = sample.bytes[at] ^ patterns[i];
            g_assert_cmpint(pwrite(fd, &wrong, 1, (off_t)at), ==, 1);
            check_detected(fd, &sample);
            if (i == 2)
                check_salvage(fd, &sample);
        }
        g_assert_cmpint(pwrite(fd, sample.bytes + at, 1, (off_t)at), ==, 1);
    }
    g_test_message("%" G_GSIZE_FORMAT " bytes", sample.length);
    close(fd);
    sample_clear(&sample);
}

static void test_every_length(void)
{
    Sample sample;

    sample_init(&sample, 12, SEED_SMALL);
    int fd = memory_file(sample.bytes, sample.length);
    g_assert_cmpint(pwrite(fd, "", 1, (off_t)sample.length), ==, 1);
    check_detected(fd, &sample); /* a byte too many */
    for (gsize length = sample.length; length-- > 0;) {
        g_assert_cmpint(ftruncate(fd, (off_t)length), ==, 0);
        check_detected(fd, &sample);
        check_salvage(fd, &sample);
    }
    close(fd);
    sample_clear(&sample);
}

/* -- blocks out of place -- */

/* Where the blocks begin; the last entry is the image's end. */
static GArray *find_blocks(const Sample *sample)
{
    GArray *at = g_array_new(FALSE, FALSE, sizeof(gsize));
    guint64 seed = format_seed(sample->bytes + 16);
    gsize offset = FORMAT_BLOCKS;
    BlockHeader header;

    while (offset < sample->length) {
        g_array_append_val(at, offset);
        g_assert_true(format_header(sample->bytes + offset, seed, &header));
        offset += FORMAT_HEADER + header.stored;
    }
    g_array_append_val(at, offset);
    return at;
}

static void append_block(GByteArray *image, const Sample *sample, GArray *at, guint block)
{
    gsize from = g_array_index(at, gsize, block), to = g_array_index(at, gsize, block + 1);

    g_byte_array_append(image, sample->bytes + from, (guint)(to - from));
}

/* The image with block @from at the place of @to: left out (none), repeated or swapped. */
static void check_blocks(const Sample *sample, GArray *at, guint lost, guint other)
{
    g_autoptr(GByteArray) image = g_byte_array_new();

    g_byte_array_append(image, sample->bytes, FORMAT_BLOCKS);
    for (guint i = 0; i + 1 < at->len; i++) {
        if (i != lost)
            append_block(image, sample, at, i == other ? lost : i);
        else if (other != G_MAXUINT)
            append_block(image, sample, at, other);
    }
    int fd = memory_file(image->data, image->len);
    check_detected(fd, sample);
    check_salvage(fd, sample);
    close(fd);
}

static void test_blocks(void)
{
    Sample sample;

    sample_init(&sample, 12, SEED_SMALL);
    g_autoptr(GArray) at = find_blocks(&sample);
    g_assert_cmpuint(at->len, >, 9);
    for (guint i = 0; i + 1 < at->len; i++) {
        check_blocks(&sample, at, i, G_MAXUINT);
        for (guint k = 0; k < i; k++)
            check_blocks(&sample, at, i, k);
    }
    sample_clear(&sample);
}

/* A block of another image has the right form, but is not this image's. */
static void test_other_image(void)
{
    Sample sample, other;

    sample_init(&sample, 12, SEED_SMALL);
    sample_init(&other, 12, SEED_SMALL);
    g_autoptr(GArray) at = find_blocks(&sample), there = find_blocks(&other);
    g_assert_cmpuint(at->len, ==, there->len);
    for (guint i = 0; i + 1 < at->len; i++) {
        g_autoptr(GByteArray) image = g_byte_array_new();
        g_byte_array_append(image, sample.bytes, FORMAT_BLOCKS);
        for (guint k = 0; k + 1 < at->len; k++)
            append_block(image, k == i ? &other : &sample, k == i ? there : at, k);
        int fd = memory_file(image->data, image->len);
        check_detected(fd, &sample);
        close(fd);
    }
    sample_clear(&sample);
    sample_clear(&other);
}

/* Without its end, what is there is found, and what is damaged is told from what is not. */
static void test_salvage(void)
{
    Sample sample;
    g_autoptr(GError) error = NULL;
    g_autoptr(GArray) broken = NULL;

    sample_init(&sample, 12, SEED_SMALL);
    int fd = memory_file(sample.bytes, sample.length - 1);
    g_autoptr(ImageReader) reader = image_reader_new(fd, TRUE, NULL, &error);
    g_assert_no_error(error);
    const ImageInfo *info = image_reader_info(reader);
    g_assert_false(info->complete);
    g_assert_cmpstr(info->group_name, ==, "shop");
    g_assert_cmpuint(info->members->len, ==, 2);
    g_assert_cmpuint(read_members(reader, &sample), ==, 2);
    g_assert_false(image_reader_verify(reader, NULL, &broken, &error));
    g_assert_error(error, DOMGRP_ERROR, DOMGRP_ERROR_IMAGE);
    g_assert_cmpuint(broken->len, ==, 0);
    close(fd);
    sample_clear(&sample);
}

/* A member with a damaged piece is named, the other can be read. */
static void test_one_broken(void)
{
    Sample sample;
    g_autoptr(GArray) broken = NULL;
    BlockHeader header = {0};
    gsize at = 0;

    sample_init(&sample, 12, SEED_SMALL);
    g_autoptr(GArray) blocks = find_blocks(&sample);
    for (guint i = 0; header.type != BLOCK_PIECE || header.member != 1; i++) {
        at = g_array_index(blocks, gsize, i);
        g_assert_true(format_header(sample.bytes + at, format_seed(sample.bytes + 16), &header));
    }
    sample.bytes[at + FORMAT_HEADER + 3] ^= 4;
    int fd = memory_file(sample.bytes, sample.length);
    g_autoptr(ImageReader) reader = image_reader_new(fd, TRUE, NULL, NULL);
    g_assert_nonnull(reader);
    g_assert_false(image_reader_verify(reader, NULL, &broken, NULL));
    g_assert_cmpuint(broken->len, ==, 1);
    g_assert_cmpuint(g_array_index(broken, guint, 0), ==, 1);
    g_assert_cmpuint(read_members(reader, &sample), ==, 1);
    close(fd);
    sample_clear(&sample);
}

/* -- images whose sums are right and whose contents are not -- */

typedef enum {
    FORGE_NOTHING,
    FORGE_OPTIONAL, /* a part that nobody knows and nobody needs */
    FORGE_MANY,     /* a hundred of them */
    FORGE_UNKNOWN,  /* one that is needed */
    FORGE_PAGE,
    FORGE_CHAIN,
    FORGE_OFFSET,
    FORGE_PAGES,
    FORGE_MEMBERS,
    FORGE_LATE, /* a piece's place in its stream */
} Forgery;

typedef struct {
    GByteArray *image;
    GByteArray *entries;
    ImageEnd end;
    guint64 seed;
    guint32 seq;
} Forge;

static void forge_block(Forge *forge, BlockHeader *header, const guint8 *payload)
{
    guint8 bytes[FORMAT_HEADER], entry_bytes[FORMAT_ENTRY];
    BlockEntry entry;

    header->seq = forge->seq++;
    format_put_header(header, payload, forge->seed, bytes);
    entry = format_entry_of(header, forge->image->len);
    forge->end.sum = format_chain(forge->end.sum, header->sum);
    format_put_entry(&entry, entry_bytes);
    g_byte_array_append(forge->entries, entry_bytes, FORMAT_ENTRY);
    g_byte_array_append(forge->image, bytes, FORMAT_HEADER);
    g_byte_array_append(forge->image, payload, header->stored);
}

static void forge_extra(Forge *forge, Forgery forgery)
{
    BlockHeader header = {.type = forgery == FORGE_UNKNOWN ? 77 : BLOCK_OPTIONAL | 77,
                          .member = FORMAT_NO_MEMBER,
                          .raw = 4,
                          .stored = 4};

    guint n = forgery == FORGE_MANY ? 100 : forgery == FORGE_OPTIONAL || forgery == FORGE_UNKNOWN;

    for (guint i = 0; i < n; i++)
        forge_block(forge, &header, (const guint8 *)"what");
}

static void forge_index(Forge *forge, Forgery forgery)
{
    g_autoptr(GByteArray) index = g_steal_pointer(&forge->entries);
    BlockHeader header = {.type = BLOCK_INDEX,
                          .member = FORMAT_NO_MEMBER,
                          .raw = index->len,
                          .stored = index->len,
                          .count = index->len / FORMAT_ENTRY};
    ImageEnd end = forge->end;
    guint8 bytes[FORMAT_END];

    end.entries = header.count;
    end.index = forge->image->len;
    end.sum ^= forgery == FORGE_CHAIN;
    end.pages += forgery == FORGE_PAGES;
    end.members += forgery == FORGE_MEMBERS;
    index->data[2 * FORMAT_ENTRY] ^= forgery == FORGE_OFFSET;
    forge->entries = g_byte_array_new();
    forge_block(forge, &header, index->data);
    format_put_end(&end, bytes);
    header = (BlockHeader){
        .type = BLOCK_END, .member = FORMAT_NO_MEMBER, .raw = FORMAT_END, .stored = FORMAT_END};
    forge_block(forge, &header, bytes);
    g_clear_pointer(&forge->entries, g_byte_array_unref);
}

/* The blocks of the sample, one of them altered, with sums and an index that agree with them. */
static GByteArray *forge_image(const Sample *sample, Forgery forgery)
{
    g_autoptr(GArray) at = find_blocks(sample);
    Forge forge = {.image = g_byte_array_new(), .entries = g_byte_array_new()};

    forge.seed = forge.end.sum = format_seed(sample->bytes + 16);
    g_byte_array_append(forge.image, sample->bytes, FORMAT_BLOCKS);
    for (guint i = 0; i + 1 < at->len; i++) {
        gsize offset = g_array_index(at, gsize, i);
        guint8 *payload = sample->bytes + offset + FORMAT_HEADER;
        BlockHeader header;
        g_assert_true(format_header(sample->bytes + offset, forge.seed, &header));
        if (header.type == BLOCK_INDEX || header.type == BLOCK_END)
            continue;
        forge.end.members += header.type == BLOCK_MEMBER;
        forge.end.pages += header.type == BLOCK_PAGES ? header.count : 0;
        payload[100] ^= header.type == BLOCK_PAGES && forgery == FORGE_PAGE;
        header.first += header.type == BLOCK_PIECE && forgery == FORGE_LATE;
        forge_block(&forge, &header, payload);
        payload[100] ^= header.type == BLOCK_PAGES && forgery == FORGE_PAGE;
    }
    forge_extra(&forge, forgery);
    forge_index(&forge, forgery);
    return forge.image;
}

static void check_forged_coming(int fd, int code)
{
    static const ImageFollow follow = {0};
    g_autoptr(GError) error = NULL;

    g_assert_cmpint(lseek(fd, 0, SEEK_SET), ==, 0);
    g_autoptr(ImageReader) reader = image_reader_follow(fd, NULL, &follow, NULL, NULL, &error);
    if (code == 0)
        g_assert_no_error(error);
    else
        g_assert_error(error, DOMGRP_ERROR, code);
    g_assert_true((reader != NULL) == (code == 0));
}

static void check_forged(const Sample *sample, Forgery forgery, gboolean opens, int code)
{
    g_autoptr(GByteArray) image = forge_image(sample, forgery);
    g_autoptr(GError) error = NULL;
    int fd = memory_file(image->data, image->len);
    g_autoptr(ImageReader) reader = image_reader_new(fd, FALSE, NULL, &error);

    g_assert_true((reader != NULL) == opens);
    if (reader != NULL) {
        g_assert_cmpuint(read_members(reader, sample), ==, code == 0 ? 2 : 0);
        image_reader_verify(reader, NULL, NULL, &error);
    }
    if (code == 0)
        g_assert_no_error(error);
    else
        g_assert_error(error, DOMGRP_ERROR, code);
    g_clear_error(&error);
    check_forged_coming(fd, code);
    close(fd);
}

static void test_forged(void)
{
    Sample sample;

    sample_init(&sample, 12, 0); /* noise is not packed, so that it can be altered */
    check_forged(&sample, FORGE_NOTHING, TRUE, 0);
    check_forged(&sample, FORGE_OPTIONAL, TRUE, 0);
    check_forged(&sample, FORGE_UNKNOWN, FALSE, DOMGRP_ERROR_IMAGE_VERSION);
    check_forged(&sample, FORGE_PAGE, TRUE, DOMGRP_ERROR_IMAGE);
    check_forged(&sample, FORGE_CHAIN, FALSE, DOMGRP_ERROR_IMAGE);
    check_forged(&sample, FORGE_OFFSET, FALSE, DOMGRP_ERROR_IMAGE);
    check_forged(&sample, FORGE_PAGES, FALSE, DOMGRP_ERROR_IMAGE);
    check_forged(&sample, FORGE_MEMBERS, FALSE, DOMGRP_ERROR_IMAGE);
    check_forged(&sample, FORGE_LATE, FALSE, DOMGRP_ERROR_IMAGE);
    sample_clear(&sample);
}

/* Blocks are kept in memory: one with a limit has no more of them than a writer makes. */
static void test_blocks_limit(void)
{
    const ImageFollow follow = {.limit = 100 * 32768};
    Sample sample;
    g_autoptr(GError) error = NULL;

    sample_init(&sample, 12, SEED_SMALL);
    g_autoptr(GByteArray) image = forge_image(&sample, FORGE_MANY);
    g_assert_cmpuint(image->len, <, follow.limit / 2);
    int fd = memory_file(image->data, image->len);
    check_forged_coming(fd, 0);
    g_assert_cmpint(lseek(fd, 0, SEEK_SET), ==, 0);
    g_assert_null(image_reader_follow(fd, NULL, &follow, NULL, NULL, &error));
    g_assert_error(error, DOMGRP_ERROR, DOMGRP_ERROR_IMAGE);
    close(fd);
    sample_clear(&sample);
}

/* What an image with one page a batch begins with, up to the first member. */
static void forge_front(Forge *forge, const Sample *sample)
{
    g_autoptr(GArray) at = find_blocks(sample);
    guint8 bytes[FORMAT_BLOCKS] = {0};
    ImageFront front;

    g_assert_cmpint(format_front(sample->bytes, &front), ==, FRONT_GOOD);
    front.batch_pages = 1;
    format_put_front(&front, bytes);
    g_byte_array_append(forge->image, bytes, sizeof bytes);
    forge->seed = forge->end.sum = format_seed(front.uuid);
    for (guint i = 0; i < 2; i++) { /* the group, and a member */
        gsize offset = g_array_index(at, gsize, i);
        BlockHeader header;
        g_assert_true(format_header(sample->bytes + offset, forge->seed, &header));
        g_assert_cmpuint(header.type, ==, i == 0 ? BLOCK_GROUP : BLOCK_MEMBER);
        forge_block(forge, &header, sample->bytes + offset + FORMAT_HEADER);
    }
}

/* A piece of a stream with @n pages, and 60,000 bytes. */
static void forge_piece(Forge *forge, guint n)
{
    g_autoptr(GByteArray) stored = g_byte_array_new();
    g_autofree guint8 *bytes = g_malloc0(60000);
    Piece piece;

    piece_init(&piece);
    for (guint page = 0; page < n; page++)
        piece_add_page(&piece, PIECE_NEW, page);
    piece_add_bytes(&piece, bytes, 60000);
    piece_finish(&piece, stored);
    BlockHeader header = {.type = BLOCK_PIECE,
                          .raw = stored->len,
                          .stored = stored->len,
                          .count = (guint32)piece.length};
    forge_block(forge, &header, stored->data);
    piece_clear(&piece);
}

/* A batch of one page, which is zero. */
static void forge_page(Forge *forge, guint64 number)
{
    const guint8 page[FORMAT_PAGE] = {0};
    BlockHeader header = {.type = BLOCK_PAGES,
                          .member = FORMAT_NO_MEMBER,
                          .raw = FORMAT_PAGE,
                          .stored = FORMAT_PAGE,
                          .first = number,
                          .count = 1};

    forge_block(forge, &header, page);
}

/* Asserts that the image of @forge, of which more could come, is refused with @part. */
static void check_limited(const Forge *forge, guint64 limit, const char *part)
{
    const ImageFollow follow = {.limit = limit};
    int fd = memory_file(forge->image->data, forge->image->len);
    g_autoptr(GError) error = NULL;

    g_assert_cmpint(lseek(fd, 0, SEEK_SET), ==, 0);
    g_assert_null(image_reader_follow(fd, NULL, &follow, NULL, NULL, &error));
    g_assert_error(error, DOMGRP_ERROR, DOMGRP_ERROR_IMAGE);
    if (strstr(error->message, part) == NULL)
        g_assert_cmpstr(error->message, ==, part);
    close(fd);
}

/* What costs a reader much before it has anything to give: a piece that each batch has it read
 * again, and a batch so far behind the others that their list is long. */
static void test_cost_limit(void)
{
    const guint n = 100;
    Sample sample;

    sample_init(&sample, 12, SEED_SMALL);
    for (guint64 limit = 0; limit <= 4 << 20; limit += 4 << 20) {
        Forge forge = {.image = g_byte_array_new(), .entries = g_byte_array_new()};
        forge_front(&forge, &sample);
        forge_piece(&forge, n);
        for (guint i = 0; i + 1 < n; i++)
            forge_page(&forge, i);
        check_limited(&forge, limit, limit == 0 ? "the image ends" : "has more than the 4 MiB");
        forge_page(&forge, 1 << 20);
        check_limited(&forge, limit * 4,
                      limit == 0 ? "the image ends" : "does not fit those before");
        g_byte_array_unref(forge.image);
        g_byte_array_unref(forge.entries);
    }
    sample_clear(&sample);
}

static void test_newer(void)
{
    ImageFront front = {.version = 2, .batch_pages = 5000};
    g_autoptr(GError) error = NULL;
    guint8 bytes[1000] = {0};

    format_put_front(&front, bytes);
    int fd = memory_file(bytes, sizeof bytes);
    g_assert_null(image_reader_new(fd, TRUE, NULL, &error));
    g_assert_error(error, DOMGRP_ERROR, DOMGRP_ERROR_IMAGE_VERSION);
    close(fd);
}

/* -- files that fail -- */

typedef enum {
    FAIL_FULL,
    FAIL_SHORT_FULL,
    FAIL_IO,
    FAIL_ZERO,
    FAIL_INTERRUPTED,
    FAIL_SHORT
} Failure;

typedef struct {
    int fd;
    guint call;
    guint at; /* the call that fails */
    Failure failure;
} Faulty;

static gssize faulty_write(gpointer data, const void *bytes, gsize length)
{
    Faulty *faulty = data;
    guint call = faulty->call++;

    if (call < faulty->at || (call > faulty->at && faulty->failure >= FAIL_INTERRUPTED))
        return write(faulty->fd, bytes, length);
    if (call == faulty->at && faulty->failure == FAIL_SHORT_FULL)
        return write(faulty->fd, bytes, (length + 1) / 2);
    switch (faulty->failure) {
    case FAIL_INTERRUPTED:
        errno = EINTR;
        return -1;
    case FAIL_SHORT:
        return write(faulty->fd, bytes, 1);
    case FAIL_ZERO:
        return 0;
    case FAIL_IO:
        errno = EIO;
        return -1;
    default:
        errno = ENOSPC;
        return -1;
    }
}

static ImageWriter *pack_faulty(const Sample *sample, Faulty *faulty, GError **error)
{
    ImageSpec spec = {.group_name = "shop"};
    PackHow how = {.turns = TRUE, .chunk = 5000};
    const OutputTo to = {.write = faulty_write, .data = faulty};
    g_autoptr(ImageWriter) writer = image_writer_new_to(&to, &spec, error);

    if (writer != NULL)
        pack_into(writer, (Stream **)sample->streams, 2, &how, error);
    return g_steal_pointer(&writer);
}

/* The writer says what failed, takes nothing more, and what it wrote is no image. */
static void check_failed(const Sample *sample, Faulty *faulty)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(ImageWriter) writer = pack_faulty(sample, faulty, &error);
    guint member;

    g_assert_error(error, DOMGRP_ERROR, DOMGRP_ERROR_FILE);
    if (writer != NULL) {
        g_assert_false(image_writer_finish(writer, NULL));
        g_assert_false(image_writer_write(writer, 0, "x", 1, NULL));
        g_assert_false(image_writer_member(writer, "6f1f5e8c-0000-4000-8000-000000000001", "m",
                                           NULL, &member, NULL));
    }
    check_detected(faulty->fd, sample);
    check_salvage(faulty->fd, sample);
}

static void check_survived(const Sample *sample, Faulty *faulty)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(ImageWriter) writer = pack_faulty(sample, faulty, &error);

    g_assert_no_error(error);
    check_image(faulty->fd, (Stream **)sample->streams, 2);
}

static guint count_writes(const Sample *sample)
{
    Faulty faulty = {.fd = memory_file("", 0), .at = G_MAXUINT};

    check_survived(sample, &faulty);
    close(faulty.fd);
    return faulty.call;
}

/* At every write the file is full or broken, or the write is cut short or interrupted. */
static void test_every_write(void)
{
    Sample sample;

    sample_init(&sample, 12, SEED_SMALL);
    guint calls = count_writes(&sample);
    g_assert_cmpuint(calls, >, 9);
    for (Failure failure = FAIL_FULL; failure <= FAIL_SHORT; failure++) {
        for (guint at = 0; at < calls; at++) {
            Faulty faulty = {.fd = memory_file("", 0), .at = at, .failure = failure};
            if (failure >= FAIL_INTERRUPTED)
                check_survived(&sample, &faulty);
            else
                check_failed(&sample, &faulty);
            g_assert_cmpuint(faulty.call, >, at);
            close(faulty.fd);
        }
    }
    sample_clear(&sample);
}

/* A pipe whose reader went away. */
static void test_broken_pipe(void)
{
    g_autoptr(GError) error = NULL;
    int ends[2];

    g_assert_cmpint(pipe2(ends, O_CLOEXEC), ==, 0);
    close(ends[0]);
    g_assert_null(image_writer_new(ends[1], &(ImageSpec){.group_name = "g"}, &error));
    g_assert_error(error, DOMGRP_ERROR, DOMGRP_ERROR_FILE);
    close(ends[1]);
}

/* -- at random, for long -- */

static void damage(guint8 *bytes, gsize length, GRand *rand)
{
    gsize at = (gsize)g_rand_int_range(rand, 0, (gint)length);
    gsize n = (gsize)g_rand_int_range(rand, 1, 64), from;

    n = MIN(n, length - at);
    switch (g_rand_int_range(rand, 0, 4)) {
    case 0: /* a bit */
        bytes[at] ^= 1 << g_rand_int_range(rand, 0, 8);
        break;
    case 1: /* other bytes */
        for (gsize i = 0; i < n; i++)
            bytes[at + i] = (guint8)g_rand_int(rand);
        break;
    case 2: /* a hole */
        memset(bytes + at, 0, n);
        break;
    default: /* something from elsewhere in the image */
        from = (gsize)g_rand_int_range(rand, 0, (gint)(length - n));
        memmove(bytes + at, bytes + from, n);
        break;
    }
}

static void test_random(void)
{
    enum { ROUNDS = 1000000 };
    g_autoptr(GRand) rand = g_rand_new_with_seed(11);
    Sample sample;
    guint wrong = 0;

    sample_init(&sample, 120, 0);
    g_autofree guint8 *bytes = g_malloc(sample.length);
    int fd = memory_file(sample.bytes, sample.length);
    for (guint i = 0; i < ROUNDS; i++) {
        memcpy(bytes, sample.bytes, sample.length);
        damage(bytes, sample.length, rand);
        if (memcmp(bytes, sample.bytes, sample.length) == 0)
            continue;
        wrong++;
        g_assert_cmpint(pwrite(fd, bytes, sample.length, 0), ==, (gssize)sample.length);
        check_detected(fd, &sample);
    }
    g_test_message("%u images of %" G_GSIZE_FORMAT " bytes", wrong, sample.length);
    close(fd);
    sample_clear(&sample);
}

int main(int argc, char **argv)
{
    gboolean random = argc > 1 && strcmp(argv[1], "random") == 0;

    g_test_init(&argc, &argv, NULL);
    signal(SIGPIPE, SIG_IGN);
    if (random) {
        g_test_add_func("/image/damage/random", test_random);
        return g_test_run();
    }
    g_test_add_func("/image/damage/every-byte", test_every_byte);
    g_test_add_func("/image/damage/every-length", test_every_length);
    g_test_add_func("/image/damage/blocks", test_blocks);
    g_test_add_func("/image/damage/other-image", test_other_image);
    g_test_add_func("/image/damage/salvage", test_salvage);
    g_test_add_func("/image/damage/one-broken", test_one_broken);
    g_test_add_func("/image/damage/forged", test_forged);
    g_test_add_func("/image/damage/blocks-limit", test_blocks_limit);
    g_test_add_func("/image/damage/cost-limit", test_cost_limit);
    g_test_add_func("/image/damage/newer", test_newer);
    g_test_add_func("/image/write/every-write", test_every_write);
    g_test_add_func("/image/write/broken-pipe", test_broken_pipe);
    return g_test_run();
}
