/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Synthetic streams, and images of them. */
#include "streams.h"

#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

void stream_bytes(Stream *stream, const void *bytes, gsize length)
{
    g_byte_array_append(stream, bytes, (guint)length);
}

void stream_u32(Stream *stream, guint32 value)
{
    value = GUINT32_TO_LE(value);
    stream_bytes(stream, &value, sizeof value);
}

void stream_u64(Stream *stream, guint64 value)
{
    value = GUINT64_TO_LE(value);
    stream_bytes(stream, &value, sizeof value);
}

static void stream_big(Stream *stream, guint32 value)
{
    value = GUINT32_TO_BE(value);
    stream_bytes(stream, &value, sizeof value);
}

void stream_noise(Stream *stream, guint32 seed, gsize length)
{
    guint64 x = seed * G_GUINT64_CONSTANT(0x9e3779b97f4a7c15) + 1;
    guint at = stream->len;

    g_byte_array_set_size(stream, at + (guint)length);
    for (gsize i = 0; i < length; i++) {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        stream->data[at + i] = (guint8)x;
    }
}

static void stream_fill(Stream *stream, guint8 byte, gsize length)
{
    guint at = stream->len;

    g_byte_array_set_size(stream, at + (guint)length);
    if (length > 0)
        memset(stream->data + at, byte, length);
}

/* Noise at its beginning only: it takes little room in an image. */
static void stream_short_noise(Stream *stream, guint32 seed, gsize length)
{
    gsize noise = MIN(length, 32);

    stream_noise(stream, seed, noise);
    stream_fill(stream, (guint8)seed, length - noise);
}

void stream_xl(Stream *stream, const char *json)
{
    guint32 length = (guint32)strlen(json) + 1;

    stream_bytes(stream, "Xen saved domain, xl format\n \0 \r", 32);
    stream_u32(stream, 0x01020304);
    stream_u32(stream, 3);
    stream_u32(stream, 0);
    stream_u32(stream, 4 + length);
    stream_u32(stream, length);
    stream_bytes(stream, json, length);
}

void stream_libxl(Stream *stream)
{
    stream_bytes(stream, "LibxlFmt", 8);
    stream_big(stream, 2);
    stream_big(stream, 0);
}

void stream_libxc(Stream *stream, guint32 version)
{
    stream_u64(stream, G_MAXUINT64);
    stream_big(stream, 0x58454e46);
    stream_big(stream, version);
    stream_u64(stream, 0);
    stream_u32(stream, 1);
    stream_u32(stream, 12);
    stream_u32(stream, 4);
    stream_u32(stream, 17);
}

void stream_record(Stream *stream, guint32 type, gsize length)
{
    stream_u32(stream, type);
    stream_u32(stream, (guint32)length);
    stream_short_noise(stream, type + (guint32)length, length);
    stream_fill(stream, 0, -length & 7);
}

void stream_page(Stream *stream, guint32 seed)
{
    if (seed == 0)
        stream_fill(stream, 0, STREAM_PAGE);
    else if (seed & SEED_SMALL)
        stream_short_noise(stream, seed, STREAM_PAGE);
    else
        stream_noise(stream, seed, STREAM_PAGE);
}

void stream_pages(Stream *stream, guint64 pfn, const guint32 *seeds, guint n)
{
    stream_u32(stream, XC_PAGE_DATA);
    stream_u32(stream, 8 + n * 8 + n * STREAM_PAGE);
    stream_u32(stream, n);
    stream_u32(stream, 0);
    for (guint i = 0; i < n; i++)
        stream_u64(stream, pfn + i);
    for (guint i = 0; i < n; i++)
        stream_page(stream, seeds[i]);
}

static void stream_state(Stream *stream)
{
    static const guint types[] = {XC_TSC_INFO,   XC_SHARED_INFO, XC_VCPU_BASIC, XC_VCPU_EXTENDED,
                                  XC_VCPU_XSAVE, XC_VCPU_MSRS,   XC_HVM_PARAMS, XC_HVM_CONTEXT};

    for (guint i = 0; i < G_N_ELEMENTS(types); i++)
        stream_record(stream, types[i], types[i] == XC_SHARED_INFO ? STREAM_PAGE : 40 + 3 * i);
}

void stream_guest(Stream *stream, guint32 version, const guint32 *seeds, guint n, guint batch)
{
    stream_xl(stream, "{\"c_info\": {\"name\": \"guest\"}}");
    stream_libxl(stream);
    stream_record(stream, XL_LIBXC_CONTEXT, 0);
    stream_libxc(stream, version);
    stream_record(stream, XC_PV_INFO, 8);
    if (version == 3)
        stream_record(stream, XC_STATIC_DATA_END, 0);
    stream_record(stream, XC_P2M_FRAMES, 24);
    for (guint at = 0; at < n; at += batch)
        stream_pages(stream, at, seeds + at, MIN(batch, n - at));
    stream_state(stream);
    stream_record(stream, XC_END, 0);
    stream_record(stream, XL_EMULATOR_XENSTORE, 21);
    stream_record(stream, XL_EMULATOR_CONTEXT, 1003);
    stream_record(stream, XL_END, 0);
}

/* -- anything -- */

static void random_pages(Stream *stream, GRand *rand)
{
    guint n = (guint)g_rand_int_range(rand, 1, 20), with = 0;
    guint length = stream->len + 4;

    stream_u32(stream, XC_PAGE_DATA);
    stream_u32(stream, 0);
    stream_u32(stream, g_rand_int_range(rand, 0, 30) ? n : g_rand_int(rand));
    stream_u32(stream, 0);
    for (guint i = 0; i < n; i++) {
        guint64 type = (guint64)g_rand_int_range(rand, 0, 16);
        stream_u64(stream, g_rand_int(rand) | type << 60);
        with += type < 0xd;
    }
    with += g_rand_int_range(rand, 0, 30) ? 0 : 1; /* one too many */
    for (guint i = 0; i < with; i++)
        stream_page(stream, (guint32)g_rand_int_range(rand, 0, 12));
    guint32 body = GUINT32_TO_LE(stream->len - length - 4);
    memcpy(stream->data + length, &body, sizeof body);
}

static void random_libxc(Stream *stream, GRand *rand)
{
    for (gint n = g_rand_int_range(rand, 0, 12); n > 0; n--) {
        guint32 type = (guint32)g_rand_int_range(rand, XC_PV_INFO, XC_RECORDS + 2);
        if (g_rand_boolean(rand))
            random_pages(stream, rand);
        else
            stream_record(stream, type | (g_rand_boolean(rand) ? 0 : REC_OPTIONAL),
                          (gsize)g_rand_int_range(rand, 0, 100));
    }
    stream_record(stream, XC_END, 0);
}

static void spoil(Stream *stream, GRand *rand)
{
    switch (g_rand_int_range(rand, 0, 6)) {
    case 0:
        g_byte_array_set_size(stream, (guint)g_rand_int_range(rand, 0, (gint)stream->len));
        break;
    case 1:
        stream->data[g_rand_int_range(rand, 0, (gint)stream->len)] ^=
            1 << g_rand_int_range(rand, 0, 8);
        break;
    case 2:
        stream_noise(stream, g_rand_int(rand), (gsize)g_rand_int_range(rand, 1, 9000));
        break;
    default:
        break;
    }
}

void stream_random(Stream *stream, GRand *rand)
{
    if (g_rand_boolean(rand))
        stream_xl(stream, "{}");
    if (g_rand_int_range(rand, 0, 10))
        stream_libxl(stream);
    stream_record(stream, XL_EMULATOR_XENSTORE, (gsize)g_rand_int_range(rand, 0, 50));
    stream_record(stream, XL_LIBXC_CONTEXT, 0);
    stream_libxc(stream, (guint32)g_rand_int_range(rand, 2, 4));
    random_libxc(stream, rand);
    for (gint n = g_rand_int_range(rand, 0, 4); n > 0; n--)
        stream_record(stream, (guint32)g_rand_int_range(rand, XL_EMULATOR_XENSTORE, XL_RECORDS + 2),
                      (gsize)g_rand_int_range(rand, 0, 100));
    stream_record(stream, XL_END, 0);
    spoil(stream, rand);
}

/* -- images -- */

int memory_file(const void *bytes, gsize length)
{
    int fd = memfd_create("image", MFD_CLOEXEC);

    g_assert_cmpint(fd, >=, 0);
    g_assert_cmpint(write(fd, bytes, length), ==, (gssize)length);
    return fd;
}

gsize file_size(int fd)
{
    struct stat status;

    g_assert_cmpint(fstat(fd, &status), ==, 0);
    return (gsize)status.st_size;
}

static gboolean write_some(ImageWriter *writer, guint member, const Stream *stream, gsize *at,
                           const PackHow *how, GError **error)
{
    gsize left = stream->len - *at;
    gsize n = how->chunk == 0 ? left : MIN(left, how->chunk);

    if (how->rand != NULL && n > 1)
        n = (gsize)g_rand_int_range(how->rand, 1, (gint)n + 1);
    if (!image_writer_write(writer, member, stream->data + *at, n, error))
        return FALSE;
    *at += n;
    return TRUE;
}

/* A cut-off stream is an error that leaves the writer as it was. */
static gboolean end_member(ImageWriter *writer, guint member, GError **error)
{
    GError *why = NULL;

    if (image_writer_end(writer, member, &why))
        return TRUE;
    if (g_error_matches(why, DOMGRP_ERROR, DOMGRP_ERROR_IMAGE)) {
        g_error_free(why);
        return TRUE;
    }
    g_propagate_error(error, why);
    return FALSE;
}

static gboolean write_streams(ImageWriter *writer, Stream **streams, guint n, const PackHow *how,
                              GError **error)
{
    g_autofree gsize *at = g_new0(gsize, n);
    guint open = n;

    for (guint i = 0; open > 0; i = (i + 1) % n) {
        while (at[i] < streams[i]->len) {
            if (!write_some(writer, i, streams[i], &at[i], how, error))
                return FALSE;
            if (how->turns)
                break;
        }
        if (at[i] == streams[i]->len) {
            if (!end_member(writer, i, error))
                return FALSE;
            at[i]++;
            open--;
        }
    }
    return TRUE;
}

gboolean pack_into(ImageWriter *writer, Stream **streams, guint n, const PackHow *how,
                   GError **error)
{
    for (guint i = 0, member; i < n; i++) {
        g_autofree char *uuid = g_strdup_printf("6f1f5e8c-0000-4000-8000-%012u", i + 1);
        g_autofree char *name = g_strdup_printf("m%u", i);
        if (!image_writer_member(writer, uuid, name, NULL, &member, error))
            return FALSE;
        g_assert_cmpuint(member, ==, i);
    }
    return write_streams(writer, streams, n, how, error) &&
           (how->disks == NULL || image_writer_disks(writer, how->disks, error)) &&
           image_writer_finish(writer, error);
}

int pack_streams(Stream **streams, guint n, const PackHow *how)
{
    ImageSpec spec = {.group_name = "shop", .text = "after web: db\n", .effort = how->effort};
    int fd = memfd_create("image", MFD_CLOEXEC);
    g_autoptr(GError) error = NULL;
    g_autoptr(ImageWriter) writer = image_writer_new(fd, &spec, &error);

    g_assert_no_error(error);
    pack_into(writer, streams, n, how, &error);
    g_assert_no_error(error);
    return fd;
}

static gboolean append(gpointer data, const void *bytes, gsize length, GError **error)
{
    stream_bytes(data, bytes, length);
    return TRUE;
}

Stream *unpack_member(ImageReader *reader, guint member, GError **error)
{
    g_autoptr(Stream) stream = g_byte_array_new();

    if (!image_reader_stream(reader, member, append, stream, NULL, error))
        return NULL;
    return g_steal_pointer(&stream);
}

void check_image(int fd, Stream **streams, guint n)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(ImageReader) reader = image_reader_new(fd, FALSE, NULL, &error);

    g_assert_no_error(error);
    const ImageInfo *info = image_reader_info(reader);
    g_assert_cmpuint(info->members->len, ==, n);
    for (guint i = 0; i < n; i++) {
        const ImageMember *member = g_ptr_array_index(info->members, i);
        g_autoptr(Stream) out = unpack_member(reader, i, &error);
        g_assert_no_error(error);
        g_assert_cmpmem(out->data, out->len, streams[i]->data, streams[i]->len);
        g_assert_cmpuint(member->bytes, ==, out->len);
        g_assert_cmpuint(member->pages * STREAM_PAGE + member->other, ==, out->len);
        g_assert_cmpuint(member->zero + member->own_equal + member->shared + member->distinct, ==,
                         member->pages);
    }
    image_reader_verify(reader, NULL, NULL, &error);
    g_assert_no_error(error);
}

/* What comes of an image that is followed. */
typedef struct {
    GPtrArray *streams; /* of Stream, in the order of members */
    guint ended;
} Followed;

static gboolean followed_member(gpointer data, guint member, const ImageInfo *info, GError **error)
{
    Followed *followed = data;

    g_assert_cmpuint(member, ==, followed->streams->len);
    g_assert_cmpuint(info->members->len, ==, member + 1);
    g_assert_cmpstr(info->group_name, ==, "shop");
    g_ptr_array_add(followed->streams, g_byte_array_new());
    return TRUE;
}

static gboolean followed_bytes(gpointer data, guint member, const void *bytes, gsize length,
                               GError **error)
{
    Followed *followed = data;

    stream_bytes(g_ptr_array_index(followed->streams, member), bytes, length);
    return TRUE;
}

static gboolean followed_end(gpointer data, guint member, GError **error)
{
    ((Followed *)data)->ended++;
    return TRUE;
}

void check_follow(int fd, Stream **streams, guint n)
{
    static const ImageFollow follow = {
        .member = followed_member, .bytes = followed_bytes, .ended = followed_end};
    g_autoptr(GPtrArray) all = g_ptr_array_new_with_free_func((GDestroyNotify)g_byte_array_unref);
    Followed followed = {.streams = all};
    g_autoptr(GError) error = NULL;
    g_autoptr(ImageReader) reader = image_reader_follow(fd, NULL, &follow, &followed, NULL, &error);

    g_assert_no_error(error);
    g_assert_true(image_reader_info(reader)->complete);
    g_assert_cmpuint(all->len, ==, n);
    g_assert_cmpuint(followed.ended, ==, n);
    for (guint i = 0; i < n; i++) {
        const Stream *came = g_ptr_array_index(all, i);
        g_autoptr(Stream) again = unpack_member(reader, i, &error);
        g_assert_no_error(error);
        g_assert_cmpmem(came->data, came->len, streams[i]->data, streams[i]->len);
        g_assert_cmpmem(again->data, again->len, streams[i]->data, streams[i]->len);
    }
}

void check_round_trip(Stream **streams, guint n)
{
    g_autoptr(GRand) rand = g_rand_new_with_seed(n);
    const PackHow hows[] = {
        {.effort = IMAGE_SMALL, .turns = FALSE},
        {.effort = IMAGE_FAST, .turns = TRUE, .chunk = 10000, .rand = rand},
        {.effort = IMAGE_SMALL, .turns = TRUE, .chunk = 97},
        {.effort = IMAGE_FAST, .turns = FALSE, .chunk = 1, .disks = "vg/snap"},
        {.effort = IMAGE_ADAPTIVE, .turns = TRUE},
    };

    for (guint i = 0; i < G_N_ELEMENTS(hows); i++) {
        int fd = pack_streams(streams, n, &hows[i]);
        check_image(fd, streams, n);
        lseek(fd, 0, SEEK_SET);
        check_follow(fd, streams, n);
        close(fd);
    }
}
