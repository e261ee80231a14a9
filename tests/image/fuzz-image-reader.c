/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Fuzz target: any bytes as an image. Sums would stop nearly all of them at the door, so that in
 * most modes the bytes are a recipe: blocks whose contents are as wrong as the
 * fuzzer wants, and whose sums and index are right.
 */
#include "format.h"
#include "image.h"

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

#define MODE_RAW 1
#define MODE_DAMAGED 2
#define MODE_NO_END 4
#define MODE_USED 8
#define RECIPE 11 /* bytes before a block's payload */

typedef struct {
    GByteArray *bytes;
    GByteArray *index;
    guint64 seed;
    guint64 chain;
    guint32 seq;
} Craft;

static void append_block(Craft *craft, BlockHeader *header, const guint8 *payload)
{
    guint8 bytes[FORMAT_HEADER], entry_bytes[FORMAT_ENTRY];
    BlockEntry entry;

    header->seq = craft->seq++;
    format_put_header(header, payload, craft->seed, bytes);
    entry = format_entry_of(header, craft->bytes->len);
    format_put_entry(&entry, entry_bytes);
    g_byte_array_append(craft->index, entry_bytes, FORMAT_ENTRY);
    craft->chain = format_chain(craft->chain, header->sum);
    g_byte_array_append(craft->bytes, bytes, FORMAT_HEADER);
    g_byte_array_append(craft->bytes, payload, header->stored);
}

/* The next block of the recipe; FALSE at its end. */
static gboolean cook_block(Craft *craft, Cursor *recipe)
{
    const guint8 *how = cursor_take(recipe, RECIPE);

    if (how == NULL)
        return FALSE;
    guint32 length = MIN(bytes_u16(how + 9), (guint32)recipe->left);
    BlockHeader header = {
        .type = how[0] & 0x80 ? BLOCK_OPTIONAL | (how[0] & 0x7f) : how[0] % (BLOCK_END + 2),
        .flags = how[1] & 1,
        .member = how[2] < 250 ? how[2] : FORMAT_NO_MEMBER,
        .raw = how[1] & 1 ? bytes_u16(how + 3) : length,
        .stored = length,
        .count = bytes_u16(how + 5),
        .first = bytes_u16(how + 7),
    };
    if (header.type == BLOCK_PAGES)
        header.raw = header.count * FORMAT_PAGE;
    append_block(craft, &header, cursor_take(recipe, length));
    return TRUE;
}

static void cook_end(Craft *craft, guint32 pages, guint32 members)
{
    g_autoptr(GByteArray) index = g_byte_array_ref(craft->index);
    ImageEnd end = {.index = craft->bytes->len,
                    .entries = craft->seq,
                    .pages = pages,
                    .sum = craft->chain,
                    .members = members};
    BlockHeader header = {.type = BLOCK_INDEX,
                          .member = FORMAT_NO_MEMBER,
                          .raw = index->len,
                          .stored = index->len,
                          .count = craft->seq};
    guint8 bytes[FORMAT_END];

    craft->index = g_byte_array_new();
    append_block(craft, &header, index->data);
    format_put_end(&end, bytes);
    header = (BlockHeader){
        .type = BLOCK_END, .member = FORMAT_NO_MEMBER, .raw = FORMAT_END, .stored = FORMAT_END};
    append_block(craft, &header, bytes);
    g_byte_array_unref(craft->index);
}

/* Recipe: mode, pages a batch, distinct pages, members; then blocks. */
static GByteArray *cook(const unsigned char *data, size_t size)
{
    Craft craft = {.bytes = g_byte_array_new(), .index = g_byte_array_new()};
    Cursor recipe = {data + 4, size - 4};
    ImageFront front = {.version = IMAGE_VERSION, .batch_pages = data[1] % 8 + 1u};
    guint8 fixed[FORMAT_BLOCKS] = {0};

    memset(front.uuid, 7, FORMAT_UUID);
    format_put_front(&front, fixed);
    if (data[0] & MODE_USED)
        format_put_mark(front.uuid, fixed + FORMAT_FRONT);
    g_byte_array_append(craft.bytes, fixed, sizeof fixed);
    craft.seed = craft.chain = format_seed(front.uuid);
    while (cook_block(&craft, &recipe))
        ;
    if (data[0] & MODE_NO_END)
        g_byte_array_unref(craft.index);
    else
        cook_end(&craft, data[2], data[3]);
    return craft.bytes;
}

static void check_info(const ImageInfo *info)
{
    g_assert_true(g_utf8_validate(info->group_name, -1, NULL));
    g_assert_true(g_utf8_validate(info->text, -1, NULL));
    g_assert_true(g_utf8_validate(info->disks, -1, NULL));
    for (guint i = 0; i < info->members->len; i++) {
        const ImageMember *member = g_ptr_array_index(info->members, i);
        g_assert_true(g_utf8_validate(member->name, -1, NULL));
        g_assert_true(g_utf8_validate(member->json, -1, NULL));
    }
}

static void check_error(const GError *error)
{
    g_assert_true(error->domain == DOMGRP_ERROR);
    g_assert_null(strchr(error->message, '\n'));
}

/* TRUE if all of it is good. */
static gboolean read_image(int fd, gboolean damaged)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(ImageReader) reader = image_reader_new(fd, damaged, NULL, &error);
    g_autoptr(GArray) broken = NULL;

    if (reader == NULL) {
        check_error(error);
        return FALSE;
    }
    check_info(image_reader_info(reader));
    gboolean good = image_reader_verify(reader, NULL, &broken, &error);
    g_assert_true(good == (error == NULL));
    for (guint i = 0; good && i < image_reader_info(reader)->members->len; i++)
        g_assert_true(image_reader_stream(reader, i, NULL, NULL, NULL, NULL));
    return good;
}

/* Whoever reads an image as it comes in thinks of it what a reader of the file thinks. */
static void follow_image(int fd, gboolean good)
{
    static const ImageFollow follow = {0};
    g_autoptr(GError) error = NULL;

    g_assert_cmpint(lseek(fd, 0, SEEK_SET), ==, 0);
    g_autoptr(ImageReader) reader = image_reader_follow(fd, NULL, &follow, NULL, NULL, &error);
    g_assert_true((reader != NULL) == good);
    if (reader == NULL)
        check_error(error);
    else
        check_info(image_reader_info(reader));
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
    if (size < 4)
        return 0;
    g_autoptr(GByteArray) bytes = NULL;
    if (data[0] & MODE_RAW)
        bytes = g_byte_array_append(g_byte_array_new(), data + 1, (guint)size - 1);
    else
        bytes = cook(data, size);
    int fd = memfd_create("image", MFD_CLOEXEC);
    g_assert_cmpint(write(fd, bytes->data, bytes->len), ==, (gssize)bytes->len);
    if (data[0] & MODE_DAMAGED)
        read_image(fd, TRUE);
    else
        follow_image(fd, read_image(fd, FALSE));
    close(fd);
    return 0;
}
