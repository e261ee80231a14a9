/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Images: what goes in comes out, byte for byte, and what is equal is stored once. */
#include "streams.h"

#include "format.h"
#include "pages.h"
#include "writer.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static void check_one(Stream *stream)
{
    check_round_trip(&stream, 1);
}

/* -- what Xen writes -- */

static void test_guests(void)
{
    const guint32 seeds[] = {1, 2, 0, 0, 3, 1, 4, 0, 5, 5, 6};
    g_autoptr(Stream) v2 = g_byte_array_new(), v3 = g_byte_array_new();

    stream_guest(v2, 2, seeds, G_N_ELEMENTS(seeds), 4);
    stream_guest(v3, 3, seeds, G_N_ELEMENTS(seeds), 11);
    Stream *both[] = {v2, v3};
    check_one(v2);
    check_one(v3);
    check_round_trip(both, 2);
}

static void test_every_record(void)
{
    static const guint lengths[] = {0, 1, 7, 8, 40, 4096, 70000};

    for (guint i = 0; i < G_N_ELEMENTS(lengths); i++) {
        g_autoptr(Stream) stream = g_byte_array_new();
        stream_libxl(stream);
        for (guint type = XL_EMULATOR_XENSTORE; type < XL_RECORDS + 2; type++)
            stream_record(stream, type, lengths[i]);
        stream_record(stream, XL_LIBXC_CONTEXT, 0);
        stream_libxc(stream, 3);
        for (guint type = XC_PAGE_DATA; type < XC_RECORDS + 2; type++) {
            if (type != XC_CHECKPOINT) /* goes back to libxl */
                stream_record(stream, type, lengths[i]);
            stream_record(stream, type | REC_OPTIONAL, lengths[i]);
        }
        stream_record(stream, XC_END, 0);
        stream_record(stream, 77 | REC_OPTIONAL, lengths[i]);
        stream_record(stream, XL_END, 0);
        check_one(stream);
    }
}

/* What a member of one stream is said to have. */
static ImageMember counts_of(Stream *stream)
{
    g_autoptr(GError) error = NULL;
    int fd = pack_streams(&stream, 1, &(PackHow){0});
    g_autoptr(ImageReader) reader = image_reader_new(fd, FALSE, NULL, &error);

    g_assert_no_error(error);
    ImageMember member = *(ImageMember *)g_ptr_array_index(image_reader_info(reader)->members, 0);
    member.name = member.json = NULL;
    close(fd);
    return member;
}

/* A checkpointed stream goes from libxc to libxl and back without new headers. */
static void test_checkpoints(void)
{
    const guint32 seeds[] = {1, 2, 3};
    g_autoptr(Stream) stream = g_byte_array_new();

    stream_libxl(stream);
    stream_record(stream, XL_LIBXC_CONTEXT, 0);
    stream_libxc(stream, 3);
    for (guint i = 0; i < 3; i++) {
        stream_pages(stream, 0, seeds, 3);
        stream_record(stream, XC_CHECKPOINT, 0);
        stream_record(stream, XL_EMULATOR_CONTEXT, 100);
        stream_record(stream, XL_CHECKPOINT_END, 0);
    }
    stream_pages(stream, 0, seeds, 3);
    stream_record(stream, XC_END, 0);
    stream_record(stream, XL_END, 0);
    check_one(stream);
    ImageMember counts = counts_of(stream);
    g_assert_cmpuint(counts.pages, ==, 12);
    g_assert_cmpuint(counts.distinct, ==, 3);
}

static void test_bare(void)
{
    const guint32 seeds[] = {1, 0, 1};
    g_autoptr(Stream) stream = g_byte_array_new();

    stream_libxc(stream, 2);
    stream_pages(stream, 7, seeds, 3);
    stream_record(stream, XC_END, 0);
    check_one(stream);
    g_assert_cmpuint(counts_of(stream).pages, ==, 3);
    stream_noise(stream, 3, 100000); /* more behind the end */
    check_one(stream);
}

/* Page types without a page, and numbers in any order. */
static void test_pfns(void)
{
    g_autoptr(Stream) stream = g_byte_array_new();

    stream_libxc(stream, 3);
    stream_u32(stream, XC_PAGE_DATA);
    stream_u32(stream, 8 + 16 * 8 + 13 * STREAM_PAGE);
    stream_u64(stream, 16);
    for (guint64 type = 0; type < 16; type++)
        stream_u64(stream, type << 60 | (G_GUINT64_CONSTANT(0xfffffffffffff) >> (type * 3)));
    for (guint32 i = 0; i < 13; i++)
        stream_page(stream, i);
    stream_record(stream, XC_END, 0);
    check_one(stream);
    g_assert_cmpuint(counts_of(stream).distinct, ==, 12);
}

/* -- what Xen does not write -- */

static void check_foreign(Stream *stream)
{
    check_one(stream);
    g_assert_cmpuint(counts_of(stream).pages, ==, 0);
}

static void test_wrong_pages(void)
{
    static const guint32 counts[] = {0, 2, 4, 0x10000000, G_MAXUINT32};
    const guint32 seeds[] = {1, 2, 3};

    for (guint i = 0; i < G_N_ELEMENTS(counts); i++) {
        g_autoptr(Stream) stream = g_byte_array_new();
        guint32 count = GUINT32_TO_LE(counts[i]);
        stream_libxc(stream, 3);
        guint at = stream->len;
        stream_pages(stream, 0, seeds, 3);
        memcpy(stream->data + at + 8, &count, sizeof count);
        stream_record(stream, XC_END, 0);
        check_foreign(stream);
    }
}

/* Each header with something in it that we do not know. */
static void test_wrong_headers(void)
{
    const guint xl = 0, libxl = 82, libxc = libxl + 16 + 8;
    const struct {
        guint at;
        guint8 byte;
    } wrong[] = {
        {xl, 'x'},        {xl + 31, 'x'},   {xl + 32, 1},    /* magic, byte order */
        {libxl + 1, 'x'}, {libxl + 11, 3},  {libxl + 15, 1}, /* magic, version, big-endian */
        {libxc, 0},       {libxc + 8, 'x'}, {libxc + 15, 9}, /* marker, id, version */
        {libxc + 17, 1},  {libxc + 28, 13},                  /* big-endian, page size */
    };
    const guint32 seeds[] = {1, 2, 3};

    for (guint i = 0; i < G_N_ELEMENTS(wrong); i++) {
        g_autoptr(Stream) stream = g_byte_array_new();
        stream_guest(stream, 3, seeds, 3, 3);
        g_assert_cmpuint(counts_of(stream).pages, ==, 3);
        stream->data[wrong[i].at] = wrong[i].byte;
        check_foreign(stream);
    }
}

static void test_noise(void)
{
    static const guint lengths[] = {0, 1, 7, 8, 9, 48, 4095, 4096, 4097, 300000};

    for (guint i = 0; i < G_N_ELEMENTS(lengths); i++) {
        g_autoptr(Stream) stream = g_byte_array_new();
        g_autoptr(Stream) zeros = g_byte_array_new();
        stream_noise(stream, i, lengths[i]);
        g_byte_array_set_size(zeros, lengths[i]);
        if (lengths[i] > 0)
            memset(zeros->data, 0, lengths[i]);
        check_one(stream);
        check_one(zeros);
    }
}

/* A stream that ends anywhere: what came is kept, and it is said that it is cut off. */
static void test_cut_off(void)
{
    const guint32 seeds[] = {1, 0};
    g_autoptr(Stream) stream = g_byte_array_new();

    stream_guest(stream, 3, seeds, 2, 2);
    for (guint whole = stream->len, length = 0; length <= whole; length += length < 600 ? 1 : 97) {
        ImageSpec spec = {.group_name = "g"};
        g_autoptr(GError) error = NULL;
        int fd = memfd_create("image", MFD_CLOEXEC);
        g_autoptr(ImageWriter) writer = image_writer_new(fd, &spec, NULL);
        guint member;
        image_writer_member(writer, "6f1f5e8c-0000-4000-8000-000000000001", "m", NULL, &member,
                            NULL);
        g_assert_true(image_writer_write(writer, member, stream->data, length, NULL));
        g_assert_false(image_writer_end(writer, member, &error) != (length == whole));
        if (length < whole)
            g_assert_error(error, DOMGRP_ERROR, DOMGRP_ERROR_IMAGE);
        g_assert_true(image_writer_finish(writer, NULL));
        Stream front = {.data = stream->data, .len = length};
        Stream *fronts[] = {&front};
        check_image(fd, fronts, 1);
        close(fd);
    }
}

static void test_random(void)
{
    g_autoptr(GRand) rand = g_rand_new_with_seed(4);

    for (guint i = 0; i < 150; i++) {
        g_autoptr(Stream) one = g_byte_array_new(), two = g_byte_array_new();
        Stream *both[] = {one, two};
        PackHow how = {.effort = i % 2 ? IMAGE_FAST : IMAGE_SMALL,
                       .chunk = (gsize)g_rand_int_range(rand, 1, 20000),
                       .rand = rand,
                       .turns = g_rand_boolean(rand)};
        stream_random(one, rand);
        stream_random(two, rand);
        int fd = pack_streams(both, 2, &how);
        check_image(fd, both, 2);
        close(fd);
    }
}

/* -- pages that are equal -- */

/* Streams of as many pages: what is counted, and about what the image's size comes to. */
static void test_equal(void)
{
    enum { N = 3000 };
    g_autofree guint32 *seeds = g_new0(guint32, N);
    g_autoptr(Stream) zero = g_byte_array_new(), equal = g_byte_array_new();
    g_autoptr(Stream) distinct = g_byte_array_new();

    stream_guest(zero, 3, seeds, N, 1024);
    for (guint i = 0; i < N; i++)
        seeds[i] = 9;
    stream_guest(equal, 3, seeds, N, 1024);
    for (guint i = 0; i < N; i++)
        seeds[i] = i + 1;
    stream_guest(distinct, 3, seeds, N, 1);
    Stream *all[] = {zero, equal, distinct, distinct};
    int fd = pack_streams(all, 4, &(PackHow){0});
    check_image(fd, all, 4);
    /* all distinct pages are noise: they take their room once, and all else nearly none */
    g_assert_cmpuint(file_size(fd), >, N * STREAM_PAGE);
    g_assert_cmpuint(file_size(fd), <, N * STREAM_PAGE + 100000);
    close(fd);
    g_assert_cmpuint(counts_of(zero).zero, ==, N);
    g_assert_cmpuint(counts_of(equal).own_equal, ==, N - 1);
    g_assert_cmpuint(counts_of(distinct).distinct, ==, N);
}

/* Pages that are zero but for one byte, wherever that is. */
static void test_nearly_zero(void)
{
    g_autofree guint32 *seeds = g_new0(guint32, STREAM_PAGE);
    g_autoptr(Stream) stream = g_byte_array_new();

    stream_libxc(stream, 3);
    guint at = stream->len;
    stream_pages(stream, 0, seeds, STREAM_PAGE);
    stream_record(stream, XC_END, 0);
    for (gsize i = 0; i < STREAM_PAGE; i++)
        stream->data[at + 16 + 8 * STREAM_PAGE + i * STREAM_PAGE + i] = 1;
    int fd = pack_streams(&stream, 1, &(PackHow){0});
    check_image(fd, &stream, 1);
    close(fd);
    g_assert_cmpuint(counts_of(stream).distinct, ==, STREAM_PAGE);
}

/* Who brings a page first does not depend on how the members' writes lie. */
static void test_shared(void)
{
    const guint32 a[] = {1, 2, 3, 4, 0, 1}, b[] = {9, 4, 3, 2, 1, 0, 9};
    g_autoptr(Stream) one = g_byte_array_new(), two = g_byte_array_new();
    g_autoptr(GError) error = NULL;

    stream_guest(one, 3, a, G_N_ELEMENTS(a), 6);
    stream_guest(two, 3, b, G_N_ELEMENTS(b), 7);
    Stream *both[] = {one, two};
    int fd = pack_streams(both, 2, &(PackHow){0});
    g_autoptr(ImageReader) reader = image_reader_new(fd, FALSE, NULL, &error);
    g_assert_no_error(error);
    const ImageMember *first = g_ptr_array_index(image_reader_info(reader)->members, 0);
    const ImageMember *second = g_ptr_array_index(image_reader_info(reader)->members, 1);
    g_assert_cmpuint(first->distinct, ==, 4);
    g_assert_cmpuint(first->own_equal, ==, 1);
    g_assert_cmpuint(first->shared, ==, 0);
    g_assert_cmpuint(first->zero, ==, 1);
    g_assert_cmpuint(second->distinct, ==, 1);
    g_assert_cmpuint(second->own_equal, ==, 1);
    g_assert_cmpuint(second->shared, ==, 4);
    close(fd);
}

/* The list of pages takes at most 64 bytes a page, however many there are and while it grows. */
static void test_memory(void)
{
    enum { N = 300000 };
    g_autoptr(GError) error = NULL;
    g_autoptr(Pages) pages = pages_new(&error);
    guint32 page[STREAM_PAGE / 4] = {0}, number;
    guint16 owner;
    gboolean new;
    gsize most;

    g_assert_no_error(error);
    for (guint32 i = 1; i <= N; i++) {
        page[i % G_N_ELEMENTS(page)] = i;
        g_assert_true(pages_find(pages, (guint8 *)page, i % 1024, &number, &new, &owner, NULL));
        g_assert_true(new &&number == i - 1 && owner == i % 1024);
        g_assert_true(pages_find(pages, (guint8 *)page, 7, &number, &new, &owner, NULL));
        g_assert_true(!new &&number == i - 1 && owner == i % 1024);
        pages_memory(pages, &most);
        if (i >= 4096)
            g_assert_cmpuint(most, <=, 64 * (gsize)i);
    }
    g_assert_cmpuint(pages_count(pages), ==, N);
}

/* -- what is said of an image -- */

static void test_info(void)
{
    const guint32 seeds[] = {1};
    g_autoptr(Stream) stream = g_byte_array_new();
    g_autoptr(GError) error = NULL;
    char uuid[DOMGRP_UUID_TEXT];

    stream_guest(stream, 3, seeds, 1, 1);
    int fd = pack_streams(&stream, 1, &(PackHow){.disks = "vg/web-1\n"});
    g_autoptr(ImageReader) reader = image_reader_new(fd, FALSE, NULL, &error);
    g_assert_no_error(error);
    const ImageInfo *info = image_reader_info(reader);
    const ImageMember *member = g_ptr_array_index(info->members, 0);
    g_assert_true(image_identify(fd, uuid, NULL));
    g_assert_cmpstr(info->uuid, ==, uuid);
    g_assert_true(g_uuid_string_is_valid(info->group_uuid));
    g_assert_cmpstr(info->group_name, ==, "shop");
    g_assert_cmpstr(info->text, ==, "after web: db\n");
    g_assert_cmpstr(info->disks, ==, "vg/web-1\n");
    g_assert_cmpuint(info->file_bytes, ==, file_size(fd));
    g_assert_true(info->complete && !info->used);
    g_assert_cmpint(ABS(g_get_real_time() - info->created_us), <, 60 * G_USEC_PER_SEC);
    g_assert_cmpstr(member->name, ==, "m0");
    g_assert_cmpstr(member->uuid, ==, "6f1f5e8c-0000-4000-8000-000000000001");
    g_assert_cmpstr(member->json, ==, "{\"c_info\": {\"name\": \"guest\"}}");
    g_assert_cmpuint(member->front, ==, 82);
    close(fd);
}

/* A bare stream and its configuration make what `xl restore` takes. */
static void test_given_json(void)
{
    const guint32 seeds[] = {1};
    g_autoptr(Stream) expected = g_byte_array_new();
    g_autoptr(GError) error = NULL;
    ImageSpec spec = {.group_name = "g", .uuid = "6f1f5e8c-0000-4000-8000-00000000000A"};
    int fd = memfd_create("image", MFD_CLOEXEC);
    guint member;

    stream_guest(expected, 3, seeds, 1, 1);
    g_autoptr(ImageWriter) writer = image_writer_new(fd, &spec, &error);
    g_assert_no_error(error);
    g_assert_true(image_writer_member(writer, "6f1f5e8c-0000-4000-8000-000000000001", "m",
                                      "{\"c_info\": {\"name\": \"guest\"}}", &member, NULL));
    g_assert_false(image_writer_at_pages(writer, member));
    g_assert_true(image_writer_write(writer, member, expected->data + 82, 100, NULL));
    g_assert_false(image_writer_at_pages(writer, member));
    g_assert_true(image_writer_write(writer, member, expected->data + 182, 100, NULL));
    g_assert_true(image_writer_at_pages(writer, member));
    image_writer_write(writer, member, expected->data + 282, expected->len - 282, &error);
    g_assert_no_error(error);
    g_assert_true(image_writer_end(writer, member, NULL));
    g_assert_true(image_writer_finish(writer, NULL));
    check_image(fd, (Stream *[]){expected}, 1);
    char uuid[DOMGRP_UUID_TEXT];
    g_assert_true(image_identify(fd, uuid, NULL));
    g_assert_cmpstr(uuid, ==, "6f1f5e8c-0000-4000-8000-00000000000a");
    close(fd);
}

static void test_xl_front(void)
{
    g_autoptr(Stream) stream = g_byte_array_new();
    g_autofree char *json = NULL;
    gsize front;

    stream_xl(stream, "{}");
    stream_libxl(stream);
    for (gsize n = 0; n < 55; n++)
        g_assert_false(image_xl_front(stream->data, n, &front, &json));
    g_assert_true(image_xl_front(stream->data, 55, &front, &json));
    g_assert_cmpuint(front, ==, 55);
    g_assert_cmpstr(json, ==, "{}");
    g_clear_pointer(&json, g_free);
    stream->data[48] = 4; /* the text is longer than what is there */
    g_assert_true(image_xl_front(stream->data, stream->len, &front, &json));
    g_assert_null(json);
    stream->data[36] = 2; /* not JSON */
    stream->data[48] = 3;
    g_assert_true(image_xl_front(stream->data, stream->len, &front, &json));
    g_assert_null(json);
}

/* -- refusals -- */

static void test_refused_arguments(void)
{
    g_autofree char *long_name = g_strnfill(256, 'x');
    const char *names[] = {"", "\xff", long_name};
    int fd = memfd_create("image", MFD_CLOEXEC);
    g_autoptr(ImageWriter) writer = image_writer_new(fd, &(ImageSpec){.group_name = "g"}, NULL);
    guint member = 99;

    for (guint i = 0; i < G_N_ELEMENTS(names); i++) {
        g_autoptr(GError) error = NULL;
        g_assert_null(image_writer_new(fd, &(ImageSpec){.group_name = names[i]}, NULL));
        g_assert_false(image_writer_member(writer, "6f1f5e8c-0000-4000-8000-000000000001", names[i],
                                           NULL, &member, &error));
        g_assert_error(error, DOMGRP_ERROR, DOMGRP_ERROR_VALUE);
    }
    g_assert_false(image_writer_member(writer, "nonsense", "m", NULL, &member, NULL));
    g_assert_cmpuint(member, ==, 99);
    g_assert_false(image_writer_write(writer, 0, "x", 1, NULL)); /* there is no member yet */
    for (guint i = 0; i < IMAGE_MAX_MEMBERS; i++) {
        g_assert_true(image_writer_member(writer, "6f1f5e8c-0000-4000-8000-000000000001", "m", NULL,
                                          &member, NULL));
    }
    g_assert_false(image_writer_member(writer, "6f1f5e8c-0000-4000-8000-000000000001", "m", NULL,
                                       &member, NULL));
    g_assert_false(image_writer_finish(writer, NULL)); /* they are open */
    close(fd);
}

static gboolean stop_soon(gpointer data, const void *bytes, gsize length, GError **error)
{
    guint *left = data;

    if (--*left > 0)
        return TRUE;
    g_set_error(error, DOMGRP_ERROR, DOMGRP_ERROR_FILE, "enough");
    return FALSE;
}

static void test_stopped(void)
{
    g_autofree guint32 *seeds = g_new(guint32, 500);
    g_autoptr(Stream) stream = g_byte_array_new();
    g_autoptr(GError) error = NULL, cancelled = NULL, none = NULL;
    g_autoptr(GCancellable) cancellable = g_cancellable_new();
    guint left = 3;

    for (guint i = 0; i < 500; i++)
        seeds[i] = i + 1;
    stream_guest(stream, 3, seeds, 500, 50);
    int fd = pack_streams(&stream, 1, &(PackHow){0});
    g_autoptr(ImageReader) reader = image_reader_new(fd, FALSE, NULL, NULL);
    g_assert_false(image_reader_stream(reader, 0, stop_soon, &left, NULL, &error));
    g_assert_error(error, DOMGRP_ERROR, DOMGRP_ERROR_FILE);
    g_assert_cmpuint(left, ==, 0);
    g_cancellable_cancel(cancellable);
    g_assert_false(image_reader_stream(reader, 0, NULL, NULL, cancellable, &cancelled));
    g_assert_error(cancelled, DOMGRP_ERROR, DOMGRP_ERROR_CANCELLED);
    g_assert_false(image_reader_verify(reader, cancellable, NULL, NULL));
    g_assert_false(image_reader_stream(reader, 1, NULL, NULL, NULL, &none));
    g_assert_error(none, DOMGRP_ERROR, DOMGRP_ERROR_VALUE);
    close(fd);
}

/* -- pipes, readers side by side, the mark -- */

static gpointer feed(gpointer data)
{
    GByteArray *image = data;
    int fd = (int)image->data[0] | (int)image->data[1] << 8;

    for (guint at = 2; at < image->len;) {
        gssize n = write(fd, image->data + at, MIN(1000, image->len - at));
        g_assert_cmpint(n, >, 0);
        at += (guint)n;
    }
    close(fd);
    return NULL;
}

/* The bytes of a file behind the number of the pipe's end that they go to. */
static GByteArray *pipe_load(int fd, int to)
{
    GByteArray *load = g_byte_array_new();
    gsize size = file_size(fd);

    g_assert_cmpint(to, <, 65536);
    g_byte_array_set_size(load, (guint)size + 2);
    load->data[0] = (guint8)to;
    load->data[1] = (guint8)(to >> 8);
    g_assert_cmpint(pread(fd, load->data + 2, size, 0), ==, (gssize)size);
    return load;
}

static void check_through_pipe(void (*check)(int fd, Stream **streams, guint n))
{
    const guint32 seeds[] = {1, 2, 0, 1};
    g_autoptr(Stream) stream = g_byte_array_new();
    int ends[2];

    stream_guest(stream, 3, seeds, 4, 3);
    int fd = pack_streams(&stream, 1, &(PackHow){0});
    g_assert_cmpint(pipe2(ends, O_CLOEXEC), ==, 0);
    g_autoptr(GByteArray) load = pipe_load(fd, ends[1]);
    GThread *thread = g_thread_new("feed", feed, load);
    check(ends[0], &stream, 1);
    g_thread_join(thread);
    close(ends[0]);
    close(fd);
}

static void test_pipe(void)
{
    check_through_pipe(check_image);
}

/* -- as it comes in -- */

static void test_follow_pipe(void)
{
    check_through_pipe(check_follow);
}

/* A group that is being written by one thread and read by another. */
typedef struct {
    int fd;
    GAsyncQueue *ended; /* numbers of members, plus one */
    gsize given[2];
    gsize tell_at; /* 99 is put among them when member 0 has come so far */
} Growing;

static gboolean growing_bytes(gpointer data, guint member, const void *bytes, gsize length,
                              GError **error)
{
    Growing *growing = data;
    gboolean far = growing->given[0] >= growing->tell_at;

    growing->given[member] += length;
    if (!far && growing->given[0] >= growing->tell_at)
        g_async_queue_push(growing->ended, GUINT_TO_POINTER(99));
    return TRUE;
}

static gboolean growing_end(gpointer data, guint member, GError **error)
{
    g_async_queue_push(((Growing *)data)->ended, GUINT_TO_POINTER(member + 1));
    return TRUE;
}

static gpointer follow_growing(gpointer data)
{
    static const ImageFollow follow = {.bytes = growing_bytes, .ended = growing_end};
    Growing *growing = data;
    g_autoptr(GError) error = NULL;
    g_autoptr(ImageReader) reader =
        image_reader_follow(growing->fd, NULL, &follow, growing, NULL, &error);

    g_assert_no_error(error);
    g_assert_nonnull(reader);
    return NULL;
}

/* A bare stream of @n different pages, from @first on. */
static Stream *stream_of(guint32 first, guint n)
{
    Stream *stream = g_byte_array_new();

    stream_libxc(stream, 3);
    for (guint32 seed = first; seed < first + n; seed++)
        stream_pages(stream, seed, &seed, 1);
    stream_record(stream, XC_END, 0);
    return stream;
}

/* -- how hard is compressed -- */

#define BATCH 512
#define BATCHES 24

/* A bare stream of @n pages of text, which each level makes smaller than the one before. */
static Stream *stream_of_text(guint n)
{
    g_autoptr(GRand) rand = g_rand_new_with_seed(n);
    g_autoptr(Stream) noise = g_byte_array_new();
    Stream *stream = g_byte_array_new();

    stream_noise(noise, 1, 4 * STREAM_PAGE);
    stream_libxc(stream, 3);
    for (guint32 seed = 1; seed <= n; seed++) {
        stream_pages(stream, seed, &seed, 1);
        guint8 *page = stream->data + stream->len - STREAM_PAGE;
        for (guint at = 0, length; at < STREAM_PAGE; at += length) { /* words, some more often */
            double which = g_rand_double(rand);
            length = MIN(STREAM_PAGE - at, (guint)g_rand_int_range(rand, 3, 12));
            memcpy(page + at, noise->data + (guint)(which * which * which * 2000) * 8, length);
        }
    }
    stream_record(stream, XC_END, 0);
    return stream;
}

/* Who takes an image, in a time of his own. */
typedef struct {
    int fd;
    guint slow_from, slow_to; /* between these batches he is slow */
    gint64 now_us;
    gboolean wrote; /* since he was asked for the time */
    guint n;
    guint32 stored[BATCHES]; /* bytes of each batch */
} Taker;

static gssize taker_write(gpointer data, const void *bytes, gsize length)
{
    Taker *taker = data;
    const guint8 *header = bytes;

    taker->now_us += taker->n >= taker->slow_from && taker->n < taker->slow_to ? 1000 : 1;
    taker->wrote = TRUE;
    if (length > FORMAT_HEADER && header[4] == BLOCK_PAGES)
        taker->stored[taker->n++] = (guint32)length;
    return write(taker->fd, bytes, length);
}

/* Whatever else the writer does takes 100. */
static gint64 taker_clock(gpointer data)
{
    Taker *taker = data;

    if (!taker->wrote)
        taker->now_us += 100;
    taker->wrote = FALSE;
    return taker->now_us;
}

static Taker take(Stream *stream, ImageEffort effort, guint slow_from, guint slow_to)
{
    const ImageSpec spec = {.group_name = "shop", .effort = effort};
    const PackHow how = {.turns = FALSE};
    Taker taker = {.fd = memory_file("", 0), .slow_from = slow_from, .slow_to = slow_to};
    const OutputTo to = {.write = taker_write, .clock = taker_clock, .data = &taker};
    g_autoptr(GError) error = NULL;
    g_autoptr(ImageWriter) writer = image_writer_new_to(&to, &spec, &error);

    g_assert_no_error(error);
    pack_into(writer, &stream, 1, &how, &error);
    g_assert_no_error(error);
    g_assert_cmpuint(taker.n, ==, BATCHES);
    check_image(taker.fd, &stream, 1);
    close(taker.fd);
    return taker;
}

/* Who is waited for gets fewer bytes, who is not gets them sooner; other efforts care for neither.
 * It is looked at once in four batches, and a step is taken at a time. */
static void test_adaptive(void)
{
    g_autoptr(Stream) stream = stream_of_text(BATCH * BATCHES);
    const Taker fast = take(stream, IMAGE_FAST, 0, BATCHES);
    const Taker small = take(stream, IMAGE_SMALL, 12, BATCHES);
    const Taker never = take(stream, IMAGE_ADAPTIVE, 0, 0);
    const Taker first = take(stream, IMAGE_ADAPTIVE, 0, 12);

    for (guint i = 0; i < BATCHES; i++) {
        g_assert_cmpuint(small.stored[i], <, fast.stored[i]);
        g_assert_cmpuint(never.stored[i], ==, fast.stored[i]);
        if (i < 4 || i >= 20)
            g_assert_cmpuint(first.stored[i], ==, fast.stored[i]);
        else if (i >= 8 && i < 16)
            g_assert_cmpuint(first.stored[i], ==, small.stored[i]);
        else
            g_assert_true(first.stored[i] < fast.stored[i] && first.stored[i] > small.stored[i]);
    }
}

/* What was written is given while the rest is not there yet. */
static void test_follow_growing(void)
{
    g_autoptr(Stream) slow = stream_of(5000, 1300), fast = stream_of(1, 1200);
    g_autoptr(GAsyncQueue) ended = g_async_queue_new();
    ImageSpec spec = {.group_name = "shop", .text = "", .effort = IMAGE_FAST};
    guint member[2];
    int ends[2];

    g_assert_cmpint(pipe2(ends, O_CLOEXEC), ==, 0);
    Growing growing = {.fd = ends[0], .ended = ended};
    GThread *thread = g_thread_new("follow", follow_growing, &growing);
    g_autoptr(ImageWriter) writer = image_writer_new(ends[1], &spec, NULL);
    for (guint i = 0; i < 2; i++)
        g_assert_true(image_writer_member(writer, "3f1c9c5e-8f5b-4d5c-9d55-0d3f0a6f1c2e", "a", NULL,
                                          &member[i], NULL));
    g_assert_true(image_writer_write(writer, member[1], fast->data, fast->len, NULL));
    g_assert_true(image_writer_end(writer, member[1], NULL));
    g_assert_true(image_writer_write(writer, member[0], slow->data, slow->len - 1, NULL));
    g_assert_cmpuint(GPOINTER_TO_UINT(g_async_queue_pop(ended)), ==, 2);
    g_assert_cmpuint(growing.given[1], ==, fast->len);
    g_assert_true(image_writer_write(writer, member[0], slow->data + slow->len - 1, 1, NULL));
    g_assert_true(image_writer_end(writer, member[0], NULL));
    g_assert_true(image_writer_finish(writer, NULL));
    close(ends[1]);
    g_assert_cmpuint(GPOINTER_TO_UINT(g_async_queue_pop(ended)), ==, 1);
    g_thread_join(thread);
    g_assert_cmpuint(growing.given[0], ==, slow->len);
    close(ends[0]);
}

/* A writer that is followed holds no more back than it must. */
static void test_follow_early(void)
{
    g_autoptr(Stream) stream = stream_of(1, 1300);
    g_autoptr(GAsyncQueue) ended = g_async_queue_new();
    ImageSpec spec = {.group_name = "shop", .text = "", .followed = TRUE};
    guint member;
    int ends[2];

    g_assert_cmpint(pipe2(ends, O_CLOEXEC), ==, 0);
    Growing growing = {.fd = ends[0], .ended = ended, .tell_at = 1000 * STREAM_PAGE};
    GThread *thread = g_thread_new("follow", follow_growing, &growing);
    g_autoptr(ImageWriter) writer = image_writer_new(ends[1], &spec, NULL);
    g_assert_true(image_writer_member(writer, "3f1c9c5e-8f5b-4d5c-9d55-0d3f0a6f1c2e", "a", NULL,
                                      &member, NULL));
    g_assert_true(image_writer_write(writer, member, stream->data, stream->len - 1, NULL));
    g_assert_cmpuint(GPOINTER_TO_UINT(g_async_queue_pop(ended)), ==, 99);
    g_assert_true(image_writer_write(writer, member, stream->data + stream->len - 1, 1, NULL));
    g_assert_true(image_writer_end(writer, member, NULL));
    g_assert_true(image_writer_finish(writer, NULL));
    close(ends[1]);
    g_thread_join(thread);
    g_assert_cmpuint(growing.given[0], ==, stream->len);
    close(ends[0]);
}

static gboolean note_uuid(gpointer data, guint member, const ImageInfo *info, GError **error)
{
    g_assert_cmpstr(info->uuid, ==, "3f1c9c5e-8f5b-4d5c-9d55-0d3f0a6f1c2f");
    return TRUE;
}

static gboolean note_front(gpointer data, guint member, const void *bytes, gsize length,
                           GError **error)
{
    char **fronts = data;
    g_autofree char *json = NULL;
    gsize front;

    g_assert_null(fronts[member]);
    g_assert_true(image_xl_front(bytes, length, &front, &json));
    g_assert_cmpuint(front, ==, length);
    fronts[member] = g_steal_pointer(&json);
    return TRUE;
}

/* What all members are has come before anything of their memory is written. */
static void test_follow_fronts(void)
{
    static const ImageFollow follow = {.member = note_uuid, .bytes = note_front};
    ImageSpec spec = {.uuid = "3f1c9c5e-8f5b-4d5c-9d55-0d3f0a6f1c2f",
                      .group_name = "shop",
                      .text = "",
                      .followed = TRUE};
    g_auto(GStrv) fronts = g_new0(char *, 3);
    g_autoptr(GError) error = NULL;
    guint member;
    int ends[2];

    g_assert_cmpint(pipe2(ends, O_CLOEXEC), ==, 0);
    g_autoptr(ImageWriter) writer = image_writer_new(ends[1], &spec, NULL);
    g_assert_true(image_writer_member(writer, "3f1c9c5e-8f5b-4d5c-9d55-0d3f0a6f1c2d", "a",
                                      "{\"a\": 1}", &member, NULL));
    g_assert_true(image_writer_member(writer, "3f1c9c5e-8f5b-4d5c-9d55-0d3f0a6f1c2e", "b",
                                      "{\"b\": 1}", &member, NULL));
    close(ends[1]);
    g_assert_null(image_reader_follow(ends[0], NULL, &follow, fronts, NULL, &error));
    g_assert_error(error, DOMGRP_ERROR, DOMGRP_ERROR_IMAGE);
    g_assert_cmpstr(fronts[0], ==, "{\"a\": 1}");
    g_assert_cmpstr(fronts[1], ==, "{\"b\": 1}");
    close(ends[0]);
}

static gboolean refuse_bytes(gpointer data, guint member, const void *bytes, gsize length,
                             GError **error)
{
    g_set_error(error, DOMGRP_ERROR, DOMGRP_ERROR_HOST, "enough");
    return FALSE;
}

static gboolean cancel_bytes(gpointer data, guint member, const void *bytes, gsize length,
                             GError **error)
{
    g_cancellable_cancel(data);
    return TRUE;
}

/* Whoever takes the streams may stop it, and so may somebody else. */
static void test_follow_stopped(void)
{
    static const ImageFollow refusing = {.bytes = refuse_bytes};
    static const ImageFollow cancelling = {.bytes = cancel_bytes};
    g_autoptr(GCancellable) cancellable = g_cancellable_new();
    g_autoptr(Stream) stream = stream_of(1, 10);
    g_autoptr(GError) error = NULL;

    int fd = pack_streams(&stream, 1, &(PackHow){0});
    lseek(fd, 0, SEEK_SET);
    g_assert_null(image_reader_follow(fd, NULL, &refusing, NULL, NULL, &error));
    g_assert_error(error, DOMGRP_ERROR, DOMGRP_ERROR_HOST);
    g_clear_error(&error);
    lseek(fd, 0, SEEK_SET);
    g_assert_null(image_reader_follow(fd, NULL, &cancelling, cancellable, cancellable, &error));
    g_assert_error(error, DOMGRP_ERROR, DOMGRP_ERROR_CANCELLED);
    close(fd);
}

/* Follows the image on @fd with @limit: whether that goes well, or ends with what is limited. */
static gboolean follow_limited(int fd, guint64 limit)
{
    const ImageFollow follow = {.limit = limit};
    g_autoptr(GError) error = NULL;

    lseek(fd, 0, SEEK_SET);
    g_autoptr(ImageReader) reader = image_reader_follow(fd, NULL, &follow, NULL, NULL, &error);
    if (reader != NULL)
        return TRUE;
    g_assert_error(error, DOMGRP_ERROR, DOMGRP_ERROR_IMAGE);
    g_assert_nonnull(strstr(error->message, "has more than the"));
    return FALSE;
}

/* An image that is larger than it may be; one that is small, and its streams are not. */
static void test_follow_limit(void)
{
    const guint32 zeros[1000] = {0};
    g_autoptr(Stream) noise = stream_of(1, 1000), empty = g_byte_array_new();

    int fd = pack_streams(&noise, 1, &(PackHow){0});
    off_t size = lseek(fd, 0, SEEK_END);
    g_assert_cmpint(size, >, 1000 * STREAM_PAGE / 2);
    g_assert_false(follow_limited(fd, (guint64)MIN(size, noise->len) - 1));
    g_assert_true(follow_limited(fd, 2 * noise->len)); /* pieces that wait count once more */
    close(fd);

    stream_libxc(empty, 3);
    stream_pages(empty, 0, zeros, G_N_ELEMENTS(zeros));
    stream_record(empty, XC_END, 0);
    fd = pack_streams(&empty, 1, &(PackHow){0});
    g_assert_cmpint(lseek(fd, 0, SEEK_END), <, empty->len / 100);
    g_assert_false(follow_limited(fd, empty->len - 1));
    g_assert_true(follow_limited(fd, empty->len));
    close(fd);
}

static void test_side_by_side(void)
{
    const guint32 seeds[] = {1, 2, 0, 1};
    g_autoptr(Stream) stream = g_byte_array_new();

    stream_guest(stream, 3, seeds, 4, 3);
    int fd = pack_streams(&stream, 1, &(PackHow){0});
    off_t before = lseek(fd, 0, SEEK_CUR);
    g_autoptr(ImageReader) one = image_reader_new(fd, FALSE, NULL, NULL);
    g_autoptr(ImageReader) two = image_reader_new(fd, FALSE, NULL, NULL);
    g_autoptr(Stream) first = unpack_member(one, 0, NULL);
    g_autoptr(Stream) second = unpack_member(two, 0, NULL);
    g_assert_cmpmem(first->data, first->len, second->data, second->len);
    g_assert_cmpint(lseek(fd, 0, SEEK_CUR), ==, before);
    close(fd);
}

static void test_mark(void)
{
    const guint32 seeds[] = {1};
    g_autoptr(Stream) stream = g_byte_array_new();

    stream_guest(stream, 3, seeds, 1, 1);
    int fd = pack_streams(&stream, 1, &(PackHow){0});
    for (guint i = 0; i < 2; i++) {
        g_autoptr(GError) error = NULL;
        g_assert_true(image_mark_used(fd, &error));
        g_assert_no_error(error);
        check_image(fd, &stream, 1);
        g_autoptr(ImageReader) reader = image_reader_new(fd, FALSE, NULL, NULL);
        g_assert_true(image_reader_info(reader)->used);
    }
    close(fd);
}

static void test_mark_refused(void)
{
    g_autoptr(GError) error = NULL, foreign = NULL;
    g_autoptr(Stream) noise = g_byte_array_new();
    char uuid[DOMGRP_UUID_TEXT];

    stream_noise(noise, 1, 300);
    int fd = memory_file(noise->data, noise->len);
    g_assert_false(image_mark_used(fd, &error));
    g_assert_error(error, DOMGRP_ERROR, DOMGRP_ERROR_IMAGE);
    g_assert_false(image_identify(fd, uuid, &foreign));
    g_assert_error(foreign, DOMGRP_ERROR, DOMGRP_ERROR_IMAGE);
    guint8 after[300];
    g_assert_cmpint(pread(fd, after, 300, 0), ==, 300);
    g_assert_cmpmem(after, 300, noise->data, noise->len);
    close(fd);
}

/* -- streams of real guests, where the lab has made some -- */

static gboolean compare(gpointer data, const void *bytes, gsize length, GError **error)
{
    int fd = GPOINTER_TO_INT(data);
    g_autofree guint8 *original = g_malloc(length);

    g_assert_cmpint(read(fd, original, length), ==, (gssize)length);
    g_assert_true(memcmp(original, bytes, length) == 0);
    return TRUE;
}

static void pack_file(ImageWriter *writer, const char *path, guint *ret_member)
{
    g_autofree guint8 *bytes = g_malloc(1 << 20);
    g_autoptr(GError) error = NULL;
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    g_assert_cmpint(fd, >=, 0);
    image_writer_member(writer, "6f1f5e8c-0000-4000-8000-000000000001", "m", NULL, ret_member,
                        &error);
    for (gssize n; (n = read(fd, bytes, 1 << 20)) > 0;) {
        image_writer_write(writer, *ret_member, bytes, (gsize)n, &error);
        g_assert_no_error(error);
    }
    image_writer_end(writer, *ret_member, &error);
    g_assert_no_error(error);
    close(fd);
}

static void check_real(int image, GPtrArray *paths)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(ImageReader) reader = image_reader_new(image, FALSE, NULL, &error);

    g_assert_no_error(error);
    for (guint i = 0; i < paths->len; i++) {
        const ImageMember *member = g_ptr_array_index(image_reader_info(reader)->members, i);
        int fd = open(paths->pdata[i], O_RDONLY | O_CLOEXEC);
        image_reader_stream(reader, i, compare, GINT_TO_POINTER(fd), NULL, &error);
        g_assert_no_error(error);
        g_assert_cmpint(read(fd, &(char){0}, 1), ==, 0);
        g_assert_cmpuint(member->pages, >, 1000); /* it was understood */
        g_assert_true(g_str_has_prefix(member->json, "{"));
        close(fd);
    }
}

static void test_real(void)
{
    const char *from = g_getenv("DOMGRP_STREAMS");
    g_autoptr(GDir) directory = g_dir_open(from != NULL ? from : STREAMS, 0, NULL);
    g_autoptr(GPtrArray) paths = g_ptr_array_new_with_free_func(g_free);

    for (const char *name; directory != NULL && (name = g_dir_read_name(directory)) != NULL;) {
        if (g_str_has_suffix(name, ".save"))
            g_ptr_array_add(paths, g_build_filename(from != NULL ? from : STREAMS, name, NULL));
    }
    if (paths->len == 0) {
        g_test_skip("no streams were captured: lab/capture makes them");
        return;
    }
    int fd = memfd_create("image", MFD_CLOEXEC);
    g_autoptr(ImageWriter) writer = image_writer_new(fd, &(ImageSpec){.group_name = "g"}, NULL);
    for (guint i = 0, member; i < paths->len; i++)
        pack_file(writer, paths->pdata[i], &member);
    g_assert_true(image_writer_finish(writer, NULL));
    check_real(fd, paths);
    close(fd);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/image/stream/guests", test_guests);
    g_test_add_func("/image/stream/every-record", test_every_record);
    g_test_add_func("/image/stream/checkpoints", test_checkpoints);
    g_test_add_func("/image/stream/bare", test_bare);
    g_test_add_func("/image/stream/pfns", test_pfns);
    g_test_add_func("/image/foreign/wrong-pages", test_wrong_pages);
    g_test_add_func("/image/foreign/wrong-headers", test_wrong_headers);
    g_test_add_func("/image/foreign/noise", test_noise);
    g_test_add_func("/image/foreign/cut-off", test_cut_off);
    g_test_add_func("/image/foreign/random", test_random);
    g_test_add_func("/image/pages/equal", test_equal);
    g_test_add_func("/image/pages/nearly-zero", test_nearly_zero);
    g_test_add_func("/image/pages/shared", test_shared);
    g_test_add_func("/image/pages/memory", test_memory);
    g_test_add_func("/image/info/all", test_info);
    g_test_add_func("/image/info/given-json", test_given_json);
    g_test_add_func("/image/info/xl-front", test_xl_front);
    g_test_add_func("/image/refused/arguments", test_refused_arguments);
    g_test_add_func("/image/refused/stopped", test_stopped);
    g_test_add_func("/image/file/pipe", test_pipe);
    g_test_add_func("/image/follow/pipe", test_follow_pipe);
    g_test_add_func("/image/follow/growing", test_follow_growing);
    g_test_add_func("/image/follow/early", test_follow_early);
    g_test_add_func("/image/follow/fronts", test_follow_fronts);
    g_test_add_func("/image/follow/stopped", test_follow_stopped);
    g_test_add_func("/image/follow/limit", test_follow_limit);
    if (g_test_slow())
        g_test_add_func("/slow/adaptive", test_adaptive);
    g_test_add_func("/image/file/side-by-side", test_side_by_side);
    g_test_add_func("/image/file/mark", test_mark);
    g_test_add_func("/image/file/mark-refused", test_mark_refused);
    g_test_add_func("/image/real", test_real);
    return g_test_run();
}
