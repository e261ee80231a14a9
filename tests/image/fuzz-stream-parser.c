/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Fuzz target: any bytes as a member's stream, cut into writes of any length. The first two bytes
 * say how; what is read from the image must be the others, to the byte.
 */
#include "image.h"
#include "writer.h"

#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

typedef struct {
    const unsigned char *at;
    size_t left;
} Expected;

static gssize write_fd(gpointer data, const void *bytes, gsize length)
{
    return write(GPOINTER_TO_INT(data), bytes, length);
}

static gboolean compare(gpointer data, const void *bytes, gsize length, GError **error)
{
    Expected *expected = data;

    g_assert_cmpuint(length, <=, expected->left);
    g_assert_cmpmem(bytes, length, expected->at, length);
    expected->at += length;
    expected->left -= length;
    return TRUE;
}

/* Lengths that depend on @seed: at most @most, none of them zero. */
static size_t next_length(guint32 *seed, size_t most, size_t left)
{
    *seed = *seed * 1103515245 + 12345;
    return MIN(left, 1 + (*seed >> 8) % most);
}

static void write_image(int fd, guint32 seed, size_t most, const unsigned char *data, size_t size)
{
    static const ImageSpec spec = {.group_name = "g", .effort = IMAGE_FAST};
    g_autoptr(GError) error = NULL;
    const OutputTo to = {.write = write_fd, .data = GINT_TO_POINTER(fd)};
    g_autoptr(ImageWriter) writer = image_writer_new_to(&to, &spec, &error);
    guint member;

    g_assert_no_error(error);
    g_assert_true(image_writer_member(writer, "6f1f5e8c-0000-4000-8000-000000000001", "m", NULL,
                                      &member, NULL));
    for (size_t at = 0, n; at < size; at += n) {
        n = next_length(&seed, most, size - at);
        g_assert_true(image_writer_write(writer, member, data + at, n, NULL));
    }
    if (!image_writer_end(writer, member, &error))
        g_assert_error(error, DOMGRP_ERROR, DOMGRP_ERROR_IMAGE);
    g_assert_true(image_writer_finish(writer, NULL));
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
    static const size_t most[] = {1, 7, 64, 1000, 5000, 100000, 8, 4096};
    g_autoptr(GError) error = NULL;

    if (size < 2)
        return 0;
    Expected expected = {data + 2, size - 2};
    int fd = memfd_create("image", MFD_CLOEXEC);
    write_image(fd, data[1], most[data[0] % 8], data + 2, size - 2);
    g_autoptr(ImageReader) reader = image_reader_new(fd, FALSE, NULL, &error);
    g_assert_no_error(error);
    image_reader_stream(reader, 0, compare, &expected, NULL, &error);
    g_assert_no_error(error);
    g_assert_cmpuint(expected.left, ==, 0);
    close(fd);
    return 0;
}
