/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "collector.h"

#include <errno.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

/* What is read at once: what a pipe holds. Before the first page it is less than one, so that no
 * page is taken with what comes before it. */
#define READ_SIZE (1024 * 1024)
#define READ_SIZE_BEFORE 1024

/*
 * How long before the end of the first round a live stream stops. Its writer is ahead by what the
 * pipe holds and by the 4 MiB that it writes at once; at the end of the round it may
 * find that its guest can stand still, and has it do so.
 */
#define LIVE_MARGIN (8 * 1024 * 1024)

/*
 * libxl's own part at the front of a stream: its header and that of the record that holds libxc's.
 * libxl 4.17 calls a null pointer when it is told to end before its helper runs, whose first
 * bytes come behind that.
 */
#define LIBXL_FRONT 24

struct CollectorStream {
    guint member;
    int fd;
    StreamState state;
    gboolean whole;
    gboolean gathered; /* a live one: it has stopped, as all others have */
    gboolean released; /* and goes on to its end */
    guint64 bytes;     /* read so far */
    guint64 stop_at;   /* where a live one stops until it is released */
};

struct Collector {
    GThread *thread;
    ImageWriter *writer;
    int fd;
    const CollectorEvents *events;
    gpointer data;
    int wake; /* an eventfd */
    char *buffer;
    GMutex writing; /* the writer is one thread's at a time; before lock */
    GMutex lock;    /* protects what follows */
    GPtrArray *streams;
    GQueue turns; /* of CollectorStream: taken, in order */
    gboolean stopped;
    GError *error;
};

/* -- whose turn it is -- */

static gboolean is_short(const CollectorStream *stream)
{
    return stream->state == STREAM_LIVE && !stream->released && stream->bytes < stream->stop_at;
}

static gboolean is_readable(Collector *collector, const CollectorStream *stream)
{
    switch (stream->state) {
    case STREAM_BEFORE:
        return TRUE;
    case STREAM_LIVE:
        return stream->released || is_short(stream);
    case STREAM_TAKEN:
        return stream == g_queue_peek_head(&collector->turns);
    default:
        return FALSE;
    }
}

static gboolean has_stopped(const CollectorStream *stream)
{
    return stream->state == STREAM_LIVE && !stream->released && !is_short(stream);
}

/* Whether all live streams that stop are there now, and were not before. */
static gboolean have_gathered(const Collector *collector)
{
    gboolean any = FALSE;
    for (guint i = 0; i < collector->streams->len; i++) {
        const CollectorStream *stream = collector->streams->pdata[i];
        if (is_short(stream))
            return FALSE;
        any |= has_stopped(stream) && !stream->gathered;
    }
    return any;
}

/* -- reading, without the lock -- */

/* The stream's pipe has come to its end. */
static gboolean stream_end(Collector *collector, CollectorStream *stream, gboolean whole,
                           GError **error)
{
    return !whole || image_writer_end(collector->writer, stream->member, error);
}

/* TRUE with *@ret_bytes 0 at the end of the pipe. */
static gboolean stream_read(Collector *collector, CollectorStream *stream, gsize size,
                            gsize *ret_bytes, GError **error)
{
    ssize_t n;
    do
        n = read(stream->fd, collector->buffer, size);
    while (n < 0 && errno == EINTR);
    if (n < 0) {
        g_set_error(error, DOMGRP_ERROR, DOMGRP_ERROR_HOST, "a member's memory cannot be read: %s",
                    g_strerror(errno));
        return FALSE;
    }
    *ret_bytes = (gsize)n;
    return n == 0 || image_writer_write(collector->writer, stream->member, collector->buffer,
                                        (gsize)n, error);
}

/* -- the thread -- */

static void set_state(Collector *collector, CollectorStream *stream, StreamState state)
{
    stream->state = state;
    if (state == STREAM_OVER)
        g_queue_remove(&collector->turns, stream);
}

/* With the lock, which is given up meanwhile: who is told may have a lock under which it asks. */
static void tell_changed(Collector *collector)
{
    g_mutex_unlock(&collector->lock);
    collector->events->changed(collector->data);
    g_mutex_lock(&collector->lock);
}

/* With the lock, which is given up meanwhile. */
static void stream_step(Collector *collector, CollectorStream *stream)
{
    gboolean before = stream->state == STREAM_BEFORE;
    gboolean whole = stream->whole;
    GError *error = NULL;
    gsize n = 0;

    g_mutex_unlock(&collector->lock);
    g_mutex_lock(&collector->writing);
    gboolean good =
        stream_read(collector, stream, before ? READ_SIZE_BEFORE : READ_SIZE, &n, &error) &&
        (n > 0 || stream_end(collector, stream, whole, &error));
    gboolean at_pages =
        good && before && n > 0 && image_writer_at_pages(collector->writer, stream->member);
    g_mutex_unlock(&collector->writing);
    g_mutex_lock(&collector->lock);

    stream->bytes += n;
    if (good && n == 0)
        set_state(collector, stream, STREAM_OVER);
    else if (at_pages)
        set_state(collector, stream, STREAM_HELD);
    if (!good && collector->error == NULL)
        collector->error = g_steal_pointer(&error);
    g_clear_error(&error);
    if (!good || n == 0 || at_pages)
        tell_changed(collector);
}

/* Live streams wait for each other: the time for what was written to get to the disk, which it
 * would take while their guests stand still. Whether that works shows when the image is ended. */
static void gather(Collector *collector)
{
    if (!have_gathered(collector))
        return;
    g_mutex_unlock(&collector->lock);
    if (collector->fd >= 0 && fdatasync(collector->fd) != 0)
        g_debug("an image is not synced early: %s", g_strerror(errno));
    g_mutex_lock(&collector->lock);
    for (guint i = 0; i < collector->streams->len; i++) {
        CollectorStream *stream = collector->streams->pdata[i];
        stream->gathered |= has_stopped(stream);
    }
    tell_changed(collector);
}

/* With the lock: waits until something is to be done, and returns the streams that have
 * something. */
static GPtrArray *streams_wait(Collector *collector)
{
    g_autoptr(GArray) polled = g_array_new(FALSE, FALSE, sizeof(struct pollfd));
    g_autoptr(GPtrArray) wanted = g_ptr_array_new();
    GPtrArray *ready = g_ptr_array_new();
    struct pollfd entry = {collector->wake, POLLIN, 0};
    eventfd_t value;

    g_array_append_val(polled, entry);
    for (guint i = 0; i < collector->streams->len; i++) {
        CollectorStream *stream = collector->streams->pdata[i];
        if (!is_readable(collector, stream))
            continue;
        entry.fd = stream->fd;
        g_array_append_val(polled, entry);
        g_ptr_array_add(wanted, stream);
    }
    g_mutex_unlock(&collector->lock);
    if (poll((struct pollfd *)polled->data, polled->len, -1) > 0) {
        if (g_array_index(polled, struct pollfd, 0).revents != 0)
            eventfd_read(collector->wake, &value);
        for (guint i = 0; i < wanted->len; i++)
            if (g_array_index(polled, struct pollfd, i + 1).revents != 0)
                g_ptr_array_add(ready, wanted->pdata[i]);
    }
    g_mutex_lock(&collector->lock);
    return ready;
}

/* Until a stream's saver may be told to end, or has ended. */
static void stream_pass_front(Collector *collector, CollectorStream *stream)
{
    ssize_t n = 1;
    while (stream->bytes <= LIBXL_FRONT && n != 0) {
        n = read(stream->fd, collector->buffer, READ_SIZE_BEFORE);
        if (n > 0)
            stream->bytes += (guint64)n;
        else if (n < 0 && errno != EINTR)
            return;
    }
}

static void break_off(Collector *collector)
{
    if (collector->error == NULL)
        collector->error =
            g_error_new(DOMGRP_ERROR, DOMGRP_ERROR_CANCELLED, "the image was not finished");
    for (guint i = 0; i < collector->streams->len; i++)
        set_state(collector, collector->streams->pdata[i], STREAM_OVER);
    guint n = collector->streams->len;
    g_mutex_unlock(&collector->lock);
    for (guint i = 0; i < n; i++)
        stream_pass_front(collector, collector->streams->pdata[i]);
    collector->events->broken(collector->data);
    collector->events->changed(collector->data);
    g_mutex_lock(&collector->lock);
}

static gpointer collect(gpointer data)
{
    Collector *collector = data;

    g_mutex_lock(&collector->lock);
    while (!collector->stopped && collector->error == NULL) {
        g_autoptr(GPtrArray) ready = streams_wait(collector);
        for (guint i = 0; i < ready->len && !collector->stopped && collector->error == NULL; i++)
            if (is_readable(collector, ready->pdata[i]))
                stream_step(collector, ready->pdata[i]);
        gather(collector);
    }
    break_off(collector);
    g_mutex_unlock(&collector->lock);
    return NULL;
}

/* -- the collector -- */

Collector *collector_new(ImageWriter *writer, int fd, const CollectorEvents *events, gpointer data)
{
    Collector *collector = g_new0(Collector, 1);

    collector->writer = writer;
    collector->fd = fd;
    collector->events = events;
    collector->data = data;
    collector->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    collector->buffer = g_malloc(READ_SIZE);
    collector->streams = g_ptr_array_new_with_free_func(g_free);
    g_mutex_init(&collector->writing);
    g_mutex_init(&collector->lock);
    g_queue_init(&collector->turns);
    collector->thread = g_thread_new("domgrp-image", collect, collector);
    return collector;
}

static void wake(Collector *collector)
{
    eventfd_write(collector->wake, 1);
}

void collector_stop(Collector *collector)
{
    g_mutex_lock(&collector->lock);
    collector->stopped = TRUE;
    g_mutex_unlock(&collector->lock);
    wake(collector);
}

void collector_free(Collector *collector)
{
    if (collector == NULL)
        return;
    collector_stop(collector);
    g_thread_join(collector->thread);
    close(collector->wake);
    g_free(collector->buffer);
    g_queue_clear(&collector->turns);
    g_ptr_array_unref(collector->streams);
    g_clear_error(&collector->error);
    g_mutex_clear(&collector->lock);
    g_mutex_clear(&collector->writing);
    g_free(collector);
}

/* -- streams -- */

static CollectorStream *stream_add(Collector *collector, guint member, int fd, StreamState state,
                                   guint64 bytes)
{
    CollectorStream *stream = g_new0(CollectorStream, 1);

    *stream = (CollectorStream){.member = member,
                                .fd = fd,
                                .state = state,
                                .released = bytes == 0,
                                .stop_at = bytes - MIN(bytes, LIVE_MARGIN)};
    g_mutex_lock(&collector->lock);
    if (collector->stopped || collector->error != NULL)
        stream->state = STREAM_OVER;
    g_ptr_array_add(collector->streams, stream);
    g_mutex_unlock(&collector->lock);
    wake(collector);
    return stream;
}

CollectorStream *collector_add(Collector *collector, guint member, int fd)
{
    return stream_add(collector, member, fd, STREAM_BEFORE, 0);
}

CollectorStream *collector_add_live(Collector *collector, guint member, int fd, guint64 bytes)
{
    return stream_add(collector, member, fd, STREAM_LIVE, bytes);
}

gboolean collector_gathered(Collector *collector)
{
    gboolean gathered = TRUE;
    g_mutex_lock(&collector->lock);
    for (guint i = 0; i < collector->streams->len; i++) {
        const CollectorStream *stream = collector->streams->pdata[i];
        if (is_short(stream) || (has_stopped(stream) && !stream->gathered))
            gathered = FALSE;
    }
    g_mutex_unlock(&collector->lock);
    return gathered;
}

void collector_release(Collector *collector)
{
    g_mutex_lock(&collector->lock);
    for (guint i = 0; i < collector->streams->len; i++) {
        CollectorStream *stream = collector->streams->pdata[i];
        stream->released |= stream->gathered;
    }
    g_mutex_unlock(&collector->lock);
    wake(collector);
}

void collector_hold(Collector *collector, CollectorStream *stream)
{
    g_mutex_lock(&collector->lock);
    if (stream->state == STREAM_LIVE)
        stream->state = STREAM_HELD;
    g_mutex_unlock(&collector->lock);
    wake(collector);
}

void collector_take(Collector *collector, CollectorStream *stream)
{
    g_mutex_lock(&collector->lock);
    if (stream->state != STREAM_OVER && stream->state != STREAM_TAKEN) {
        stream->state = STREAM_TAKEN;
        g_queue_push_tail(&collector->turns, stream);
    }
    g_mutex_unlock(&collector->lock);
    wake(collector);
}

void collector_whole(Collector *collector, CollectorStream *stream)
{
    g_mutex_lock(&collector->lock);
    stream->whole = TRUE;
    g_mutex_unlock(&collector->lock);
}

StreamState collector_state(Collector *collector, const CollectorStream *stream)
{
    g_mutex_lock(&collector->lock);
    StreamState state = stream->state;
    g_mutex_unlock(&collector->lock);
    return state;
}

GError *collector_error(Collector *collector)
{
    g_mutex_lock(&collector->lock);
    GError *error = collector->error != NULL ? g_error_copy(collector->error) : NULL;
    g_mutex_unlock(&collector->lock);
    return error;
}

/* -- the image -- */

gboolean collector_disks(Collector *collector, const char *disks, GError **error)
{
    g_mutex_lock(&collector->writing);
    gboolean good = image_writer_disks(collector->writer, disks, error);
    g_mutex_unlock(&collector->writing);
    return good;
}

gboolean collector_finish(Collector *collector, GError **error)
{
    GError *broken = collector_error(collector);
    if (broken != NULL) {
        g_propagate_error(error, broken);
        return FALSE;
    }
    g_mutex_lock(&collector->writing);
    gboolean good = image_writer_finish(collector->writer, error);
    g_mutex_unlock(&collector->writing);
    return good;
}
