/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The collector between pipes, which threads fill, and a real image. */
#include "../image/streams.h"
#include "collector.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#define UUID_A "c0c0c0c0-0000-4000-8000-00000000000a"
#define UUID_B "c0c0c0c0-0000-4000-8000-00000000000b"

/* What a stream of these tests has before its first page, and less than a page of that. */
#define BEFORE_MAX (3 * 4096)

/* In the system's place: how often an image was synced while it was written. */
static gint syncs;

int fdatasync(int fd)
{
    g_atomic_int_inc(&syncs);
    return 0;
}

/* -- who writes a stream, as libxl's helper would -- */

typedef struct {
    Stream *bytes;
    gboolean cut; /* dies in the middle */
    int pipe[2];
    GThread *thread;
    gsize written; /* atomic */
    CollectorStream *stream;
    Collector *collector;
} Source;

static gpointer source_run(gpointer data)
{
    Source *source = data;
    gsize length = source->cut ? source->bytes->len / 2 : source->bytes->len;
    for (gsize at = 0; at < length;) {
        ssize_t n = write(source->pipe[1], source->bytes->data + at, MIN(length - at, 65536));
        if (n < 0)
            break;
        at += (gsize)n;
        __atomic_store_n(&source->written, at, __ATOMIC_SEQ_CST);
    }
    if (!source->cut)
        collector_whole(source->collector, source->stream);
    close(source->pipe[1]);
    return NULL;
}

static void source_init(Source *source, guint pages, guint32 seed)
{
    g_autofree guint32 *seeds = g_new(guint32, pages);
    for (guint i = 0; i < pages; i++)
        seeds[i] = SEED_SMALL + seed + i % 97;
    *source = (Source){.bytes = g_byte_array_new()};
    stream_guest(source->bytes, 3, seeds, pages, 1024);
    g_assert_cmpint(pipe2(source->pipe, O_CLOEXEC), ==, 0);
}

static void source_start(Source *source, Collector *collector, CollectorStream *stream)
{
    source->collector = collector;
    source->stream = stream;
    source->thread = g_thread_new("source", source_run, source);
}

static void source_clear(Source *source)
{
    close(source->pipe[0]); /* whoever still writes ends */
    g_thread_join(source->thread);
    g_byte_array_unref(source->bytes);
}

/* -- an image with a collector, and what the collector tells -- */

typedef struct {
    int fd;
    ImageWriter *writer;
    Collector *collector;
    GMutex lock;
    GCond told;
    guint changes;
    guint breaks;
} Fixture;

static void on_changed(gpointer data)
{
    Fixture *fixture = data;
    g_mutex_lock(&fixture->lock);
    fixture->changes++;
    g_cond_broadcast(&fixture->told);
    g_mutex_unlock(&fixture->lock);
}

static void on_broken(gpointer data)
{
    Fixture *fixture = data;
    g_mutex_lock(&fixture->lock);
    fixture->breaks++;
    g_mutex_unlock(&fixture->lock);
}

static const CollectorEvents events = {on_changed, on_broken};

static void fixture_init(Fixture *fixture, int fd)
{
    ImageSpec spec = {.group_name = "shop"};
    g_autoptr(GError) error = NULL;
    guint number;

    *fixture = (Fixture){.fd = fd};
    g_atomic_int_set(&syncs, 0);
    g_mutex_init(&fixture->lock);
    g_cond_init(&fixture->told);
    fixture->writer = image_writer_new(fd, &spec, &error);
    g_assert_no_error(error);
    image_writer_member(fixture->writer, UUID_A, "a", NULL, &number, &error);
    image_writer_member(fixture->writer, UUID_B, "b", NULL, &number, &error);
    g_assert_no_error(error);
    fixture->collector = collector_new(fixture->writer, fd, &events, fixture);
}

static void fixture_clear(Fixture *fixture)
{
    collector_free(fixture->collector);
    g_assert_cmpuint(fixture->breaks, ==, 1);
    image_writer_free(fixture->writer);
    close(fixture->fd);
    g_mutex_clear(&fixture->lock);
    g_cond_clear(&fixture->told);
}

static void wait_state(Fixture *fixture, const CollectorStream *stream, StreamState state)
{
    gint64 deadline = g_get_monotonic_time() + 60 * G_USEC_PER_SEC;
    g_mutex_lock(&fixture->lock);
    while (collector_state(fixture->collector, stream) != state)
        g_assert_true(g_cond_wait_until(&fixture->told, &fixture->lock, deadline));
    g_mutex_unlock(&fixture->lock);
}

static void wait_gathered(Fixture *fixture)
{
    gint64 deadline = g_get_monotonic_time() + 60 * G_USEC_PER_SEC;
    g_mutex_lock(&fixture->lock);
    while (!collector_gathered(fixture->collector))
        g_assert_true(g_cond_wait_until(&fixture->told, &fixture->lock, deadline));
    g_mutex_unlock(&fixture->lock);
}

static guint64 bytes_in(const Fixture *fixture)
{
    guint64 in, out;
    image_writer_progress(fixture->writer, &in, &out);
    return in;
}

static void finish(Fixture *fixture, Source *a, Source *b)
{
    g_autoptr(GError) error = NULL;
    Stream *streams[] = {a->bytes, b->bytes};
    collector_finish(fixture->collector, &error);
    g_assert_no_error(error);
    check_image(fixture->fd, streams, 2);
}

static void clear(Fixture *fixture, Source *a, Source *b)
{
    source_clear(a);
    source_clear(b);
    fixture_clear(fixture);
}

/* -- cases -- */

/* No page is taken before both are there, and then one stream after the other. */
static void test_plain(void)
{
    Fixture fixture;
    Source a, b;
    fixture_init(&fixture, memory_file("", 0));
    source_init(&a, 3000, 1);
    source_init(&b, 2000, 500);
    source_start(&a, fixture.collector, collector_add(fixture.collector, 0, a.pipe[0]));
    source_start(&b, fixture.collector, collector_add(fixture.collector, 1, b.pipe[0]));
    wait_state(&fixture, a.stream, STREAM_HELD);
    wait_state(&fixture, b.stream, STREAM_HELD);
    g_assert_cmpuint(bytes_in(&fixture), <, 2 * BEFORE_MAX);

    collector_take(fixture.collector, b.stream);
    wait_state(&fixture, b.stream, STREAM_OVER);
    g_assert_cmpint(collector_state(fixture.collector, a.stream), ==, STREAM_HELD);
    g_assert_cmpuint(bytes_in(&fixture), <, b.bytes->len + BEFORE_MAX);
    collector_take(fixture.collector, a.stream);
    wait_state(&fixture, a.stream, STREAM_OVER);
    finish(&fixture, &a, &b);
    clear(&fixture, &a, &b);
}

/* The larger one is still far from its end when the smaller one comes near its own. */
static void test_live(void)
{
    Fixture fixture;
    Source a, b;
    fixture_init(&fixture, memory_file("", 0));
    source_init(&a, 6000, 1);
    source_init(&b, 9000, 500);
    CollectorStream *slow = collector_add_live(fixture.collector, 1, b.pipe[0], b.bytes->len);
    source_start(&a, fixture.collector,
                 collector_add_live(fixture.collector, 0, a.pipe[0], a.bytes->len));
    while (__atomic_load_n(&a.written, __ATOMIC_SEQ_CST) < a.bytes->len - 9 * 1024 * 1024)
        g_thread_yield();
    g_assert_cmpint(collector_state(fixture.collector, a.stream), ==, STREAM_LIVE);
    g_assert_cmpuint(bytes_in(&fixture), <, a.bytes->len - 6 * 1024 * 1024);
    collector_release(fixture.collector); /* too early */
    g_assert_false(collector_gathered(fixture.collector));

    source_start(&b, fixture.collector, slow);
    wait_gathered(&fixture);
    g_assert_cmpint(g_atomic_int_get(&syncs), ==, 1);
    g_assert_cmpint(collector_state(fixture.collector, a.stream), ==, STREAM_LIVE);
    g_assert_cmpint(collector_state(fixture.collector, b.stream), ==, STREAM_LIVE);
    g_assert_cmpuint(bytes_in(&fixture), <, a.bytes->len + b.bytes->len - 12 * 1024 * 1024);
    collector_release(fixture.collector);
    wait_state(&fixture, a.stream, STREAM_OVER);
    wait_state(&fixture, b.stream, STREAM_OVER);
    g_assert_cmpint(g_atomic_int_get(&syncs), ==, 1);
    finish(&fixture, &a, &b);
    clear(&fixture, &a, &b);
}

/* One that breaks off on its way is not waited for. */
static void test_live_cut(void)
{
    Fixture fixture;
    Source a, b;
    fixture_init(&fixture, memory_file("", 0));
    source_init(&a, 3000, 1);
    source_init(&b, 9000, 500);
    b.cut = TRUE;
    CollectorStream *cut = collector_add_live(fixture.collector, 1, b.pipe[0], b.bytes->len);
    source_start(&a, fixture.collector,
                 collector_add_live(fixture.collector, 0, a.pipe[0], a.bytes->len));
    source_start(&b, fixture.collector, cut);
    wait_gathered(&fixture);
    g_assert_cmpint(collector_state(fixture.collector, cut), ==, STREAM_OVER);
    g_assert_cmpint(collector_state(fixture.collector, a.stream), ==, STREAM_LIVE);
    collector_release(fixture.collector);
    wait_state(&fixture, a.stream, STREAM_OVER);
    clear(&fixture, &a, &b);
}

/* Streams that do not stop have nobody to wait for, and nothing is synced for them. */
static void test_live_unstopped(void)
{
    Fixture fixture;
    Source a, b;
    fixture_init(&fixture, memory_file("", 0));
    source_init(&a, 3000, 1);
    source_init(&b, 3000, 2);
    source_start(&a, fixture.collector, collector_add_live(fixture.collector, 0, a.pipe[0], 0));
    source_start(&b, fixture.collector, collector_add_live(fixture.collector, 1, b.pipe[0], 0));
    wait_state(&fixture, a.stream, STREAM_OVER);
    wait_state(&fixture, b.stream, STREAM_OVER);
    g_assert_cmpint(g_atomic_int_get(&syncs), ==, 0);
    finish(&fixture, &a, &b);
    clear(&fixture, &a, &b);
}

/* What is left of a guest that stands still waits. */
static void test_live_held(void)
{
    Fixture fixture;
    Source a, b;
    fixture_init(&fixture, memory_file("", 0));
    source_init(&a, 3000, 1);
    source_init(&b, 3000, 2);
    CollectorStream *stream = collector_add_live(fixture.collector, 0, a.pipe[0], 0);
    collector_hold(fixture.collector, stream);
    source_start(&a, fixture.collector, stream);
    source_start(&b, fixture.collector, collector_add(fixture.collector, 1, b.pipe[0]));
    wait_state(&fixture, b.stream, STREAM_HELD);
    g_assert_cmpint(collector_state(fixture.collector, stream), ==, STREAM_HELD);
    g_assert_cmpuint(bytes_in(&fixture), <, BEFORE_MAX);
    collector_take(fixture.collector, stream);
    collector_take(fixture.collector, b.stream);
    wait_state(&fixture, stream, STREAM_OVER);
    wait_state(&fixture, b.stream, STREAM_OVER);
    finish(&fixture, &a, &b);
    clear(&fixture, &a, &b);
}

static void assert_broken(Fixture *fixture, int code)
{
    g_autoptr(GError) why = collector_error(fixture->collector);
    g_autoptr(GError) error = NULL;
    g_assert_error(why, DOMGRP_ERROR, code);
    g_assert_false(collector_finish(fixture->collector, &error));
    g_assert_error(error, DOMGRP_ERROR, code);
    CollectorStream *late = collector_add(fixture->collector, 1, -1);
    g_assert_cmpint(collector_state(fixture->collector, late), ==, STREAM_OVER);
}

/* The disk is full: everybody is told, once. */
static void test_full(void)
{
    Fixture fixture;
    Source a;
    g_autoptr(GError) why = NULL;
    int fds[2];
    g_assert_cmpint(pipe2(fds, O_CLOEXEC), ==, 0);
    fixture_init(&fixture, fds[1]);
    close(fds[0]); /* from here on nothing can be written */
    source_init(&a, 9000, 1);
    source_start(&a, fixture.collector, collector_add(fixture.collector, 0, a.pipe[0]));
    wait_state(&fixture, a.stream, STREAM_HELD);
    g_assert_cmpuint(fixture.breaks, ==, 0);
    collector_take(fixture.collector, a.stream);
    wait_state(&fixture, a.stream, STREAM_OVER);
    assert_broken(&fixture, DOMGRP_ERROR_FILE);
    source_clear(&a);
    fixture_clear(&fixture);
}

static void test_stopped(void)
{
    Fixture fixture;
    Source a;
    fixture_init(&fixture, memory_file("", 0));
    source_init(&a, 3000, 1);
    source_start(&a, fixture.collector, collector_add(fixture.collector, 0, a.pipe[0]));
    wait_state(&fixture, a.stream, STREAM_HELD);
    collector_stop(fixture.collector);
    wait_state(&fixture, a.stream, STREAM_OVER);
    assert_broken(&fixture, DOMGRP_ERROR_CANCELLED);
    source_clear(&a);
    fixture_clear(&fixture);
}

/* A stream that breaks off is its own saver's to tell; the others are not hurt. */
static void test_cut(void)
{
    Fixture fixture;
    Source a, b;
    fixture_init(&fixture, memory_file("", 0));
    source_init(&a, 3000, 1);
    source_init(&b, 3000, 2);
    a.cut = TRUE;
    source_start(&a, fixture.collector, collector_add(fixture.collector, 0, a.pipe[0]));
    source_start(&b, fixture.collector, collector_add(fixture.collector, 1, b.pipe[0]));
    wait_state(&fixture, a.stream, STREAM_HELD);
    wait_state(&fixture, b.stream, STREAM_HELD);
    collector_take(fixture.collector, a.stream);
    collector_take(fixture.collector, b.stream);
    wait_state(&fixture, a.stream, STREAM_OVER);
    wait_state(&fixture, b.stream, STREAM_OVER);
    g_assert_null(collector_error(fixture.collector));
    clear(&fixture, &a, &b);
}

static void test_disks(void)
{
    Fixture fixture;
    Source a, b;
    g_autoptr(GError) error = NULL;
    fixture_init(&fixture, memory_file("", 0));
    source_init(&a, 10, 1);
    source_init(&b, 10, 2);
    source_start(&a, fixture.collector, collector_add(fixture.collector, 0, a.pipe[0]));
    source_start(&b, fixture.collector, collector_add(fixture.collector, 1, b.pipe[0]));
    wait_state(&fixture, a.stream, STREAM_HELD);
    wait_state(&fixture, b.stream, STREAM_HELD);
    collector_disks(fixture.collector, "snap-1\n", &error);
    g_assert_no_error(error);
    collector_take(fixture.collector, a.stream);
    collector_take(fixture.collector, b.stream);
    wait_state(&fixture, a.stream, STREAM_OVER);
    wait_state(&fixture, b.stream, STREAM_OVER);
    finish(&fixture, &a, &b);
    g_autoptr(ImageReader) reader = image_reader_new(fixture.fd, FALSE, NULL, &error);
    g_assert_no_error(error);
    g_assert_cmpstr(image_reader_info(reader)->disks, ==, "snap-1\n");
    clear(&fixture, &a, &b);
}

int main(int argc, char **argv)
{
    signal(SIGPIPE, SIG_IGN);
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/collector/plain", test_plain);
    g_test_add_func("/collector/live", test_live);
    g_test_add_func("/collector/live-cut", test_live_cut);
    g_test_add_func("/collector/live-unstopped", test_live_unstopped);
    g_test_add_func("/collector/live-held", test_live_held);
    g_test_add_func("/collector/full", test_full);
    g_test_add_func("/collector/stopped", test_stopped);
    g_test_add_func("/collector/cut", test_cut);
    g_test_add_func("/collector/disks", test_disks);
    return g_test_run();
}
