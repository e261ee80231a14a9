/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Reading an image: libxl builds a domain from a pipe, which a thread fills
 * with the member's stream. It has all of it before the reader knows that all
 * of it was good, so a domain counts only when both say so.
 */
#include "private.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/*
 * What every stream of libxl begins with: its header, version 2, and that of the record that holds
 * libxc's stream. libxl 4.17 calls a null pointer when a stream ends, or is none, before that; so
 * it gets this in any case, and what is wrong with the stream is found by libxl's helper.
 */
static const guint8 libxl_front[] = {'L', 'i', 'b', 'x', 'l', 'F', 'm', 't', 0, 0, 0, 2,
                                     0,   0,   0,   0,   1,   0,   0,   0,   0, 0, 0, 0};

/* -- open -- */

/* What the thread makes, on its way to the main thread. */
typedef struct {
    int fd;
    ImageReader *reader;
    HostImageOpened done;
    gpointer data;
} Opening;

static void opening_free(gpointer data)
{
    Opening *opening = data;
    g_clear_pointer(&opening->reader, image_reader_free);
    fd_close(&opening->fd);
    g_free(opening);
}

static gboolean file_open(const char *path, int *ret_fd, GError **error)
{
    struct stat file;
    int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);

    if (fd >= 0 && fstat(fd, &file) == 0 && S_ISREG(file.st_mode)) {
        *ret_fd = fd;
        return TRUE;
    }
    g_set_error(error, DOMGRP_ERROR, DOMGRP_ERROR_FILE, "%s cannot be read: %s", path,
                fd < 0 ? g_strerror(errno) : "it is no plain file");
    if (fd >= 0)
        close(fd);
    return FALSE;
}

gboolean image_info_fill(Job *job, const ImageInfo *from, GError **error)
{
    HostImageInfo *info = job->info = g_new0(HostImageInfo, 1);
    g_auto(GStrv) lines = g_strsplit(from->disks, "\n", -1);

    g_strlcpy(info->uuid, from->uuid, sizeof info->uuid);
    g_strlcpy(info->group_uuid, from->group_uuid, sizeof info->group_uuid);
    info->group_name = g_strdup(from->group_name);
    info->text = g_strdup(from->text);
    info->used = from->used;
    info->disks = g_ptr_array_new_with_free_func(g_free);
    for (guint i = 0; lines[i] != NULL; i++)
        if (lines[i][0] != '\0')
            g_ptr_array_add(info->disks, g_strdup(lines[i]));
    info->members = g_ptr_array_new_with_free_func((GDestroyNotify)host_config_free);
    for (guint i = 0; i < from->members->len; i++) {
        const ImageMember *member = from->members->pdata[i];
        HostConfig *config;
        if (!config_facts(job->xl, member->json, &config, error))
            return FALSE;
        g_ptr_array_add(info->members, config);
    }
    return TRUE;
}

static gboolean open_run(Job *job, GError **error)
{
    Opening *opening = job->data;

    if (!file_open(job->path, &opening->fd, error))
        return FALSE;
    opening->reader = image_reader_new(opening->fd, FALSE, NULL, error);
    if (opening->reader != NULL && image_info_fill(job, image_reader_info(opening->reader), error))
        return TRUE;
    g_prefix_error(error, "%s: ", job->path);
    return FALSE;
}

static guint64 stream_bytes(const ImageInfo *info)
{
    guint64 bytes = 0;
    for (guint i = 0; i < info->members->len; i++)
        bytes += ((const ImageMember *)info->members->pdata[i])->bytes;
    return bytes;
}

static void open_report(Job *job)
{
    Opening *opening = job->data;
    HostImage *image = NULL;

    if (job->error == NULL) {
        image = image_new(job->host);
        image->fd = opening->fd;
        image->reader = g_steal_pointer(&opening->reader);
        image->total_bytes = stream_bytes(image_reader_info(image->reader));
        opening->fd = -1;
    }
    opening->done(opening->data, image, image != NULL ? job->info : NULL, job->error);
}

void image_open(Host *base, const char *path, HostImageOpened done, gpointer data)
{
    Opening *opening = g_new0(Opening, 1);
    Job *job = job_new(base, open_run, open_report, opening);

    *opening = (Opening){.fd = -1, .done = done, .data = data};
    job->data_free = opening_free;
    job->path = g_strdup(path);
    job_start(job);
}

/* -- what libxl does not want, and what it is given in any case -- */

void libxl_front_write(int fd)
{
    if (write(fd, libxl_front, sizeof libxl_front) != sizeof libxl_front)
        g_debug("libxl has closed its pipe"); /* which is found when more is written */
}

gboolean libxl_front_take(LibxlFront *front, const guint8 **bytes, gsize *length, GError **error)
{
    gsize skipped = MIN(front->skip, *length);
    gsize n = MIN(sizeof libxl_front - front->front, *length - skipped);

    if (memcmp(*bytes + skipped, libxl_front + front->front, n) != 0) {
        g_set_error(error, DOMGRP_ERROR, DOMGRP_ERROR_IMAGE,
                    "a member's memory does not begin as libxl's streams do");
        return FALSE;
    }
    front->skip -= skipped;
    front->front += n;
    *bytes += skipped + n;
    *length -= skipped + n;
    return TRUE;
}

gboolean libxl_front_whole(const LibxlFront *front, GError **error)
{
    if (front->front == sizeof libxl_front)
        return TRUE;
    g_set_error(error, DOMGRP_ERROR, DOMGRP_ERROR_IMAGE, "the image holds no memory of a member");
    return FALSE;
}

/* -- the stream -- */

typedef struct {
    HostImage *image;
    guint member;
    int pipe[2];
    LibxlFront front;
    gboolean closed; /* libxl reads no more */
    gboolean good;
    GError *error;
    GThread *thread;
} Feed;

static gboolean feed_write(Feed *feed, const char *bytes, gsize length, GError **error)
{
    while (length > 0) {
        ssize_t n = write(feed->pipe[1], bytes, length);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0) {
            feed->closed = TRUE;
            g_set_error(error, DOMGRP_ERROR, DOMGRP_ERROR_HOST, "libxl did not read all of it: %s",
                        g_strerror(errno));
            return FALSE;
        }
        bytes += n;
        length -= (gsize)n;
        __atomic_fetch_add(&feed->image->read_bytes, (guint64)n, __ATOMIC_RELAXED);
    }
    return TRUE;
}

static gboolean feed_take(gpointer data, const void *bytes, gsize length, GError **error)
{
    Feed *feed = data;
    const guint8 *rest = bytes;
    return libxl_front_take(&feed->front, &rest, &length, error) &&
           feed_write(feed, (const char *)rest, length, error);
}

static gpointer feed_run(gpointer data)
{
    Feed *feed = data;
    HostImage *image = feed->image;

    libxl_front_write(feed->pipe[1]);
    g_mutex_lock(&image->reading);
    feed->good = image_reader_stream(image->reader, feed->member, feed_take, feed,
                                     image->cancellable, &feed->error);
    g_mutex_unlock(&image->reading);
    close(feed->pipe[1]);
    return NULL;
}

/* libxl has ended: whatever the thread still writes, nobody reads. */
static gboolean feed_end(gpointer data, gboolean built, GError **error)
{
    Feed *feed = data;

    fd_close(&feed->pipe[0]);
    g_thread_join(feed->thread);
    if (feed->good)
        return libxl_front_whole(&feed->front, error);
    if (feed->closed && !built)
        return TRUE; /* libxl knows why */
    g_propagate_error(error, g_steal_pointer(&feed->error));
    return FALSE;
}

/* -- restore -- */

gboolean image_member_find(const ImageInfo *info, const char *uuid, guint *ret_member,
                           GError **error)
{
    for (guint i = 0; i < info->members->len; i++) {
        const ImageMember *member = info->members->pdata[i];
        if (!g_str_equal(member->uuid, uuid))
            continue;
        *ret_member = i;
        return TRUE;
    }
    g_set_error(error, DOMGRP_ERROR, DOMGRP_ERROR_VALUE, "the image has no member %s", uuid);
    return FALSE;
}

static gboolean feed_begin(Feed *feed, Job *job, GError **error)
{
    const ImageInfo *info = image_reader_info(job->image->reader);

    if (!image_member_find(info, job->path, &feed->member, error) || !pipe_new(feed->pipe, error))
        return FALSE;
    feed->image = job->image;
    feed->front.skip = ((const ImageMember *)info->members->pdata[feed->member])->front;
    feed->thread = g_thread_new("domgrp-feed", feed_run, feed);
    return TRUE;
}

static gboolean restore_run(Job *job, GError **error)
{
    Feed feed = {0};

    if (job->image->inflow != NULL)
        return inflow_restore(job, error);
    if (!feed_begin(&feed, job, error))
        return FALSE;
    Restore restore = {feed.pipe[0], feed_end, &feed};
    gboolean good = life_build(job, &restore, error);
    if (feed.pipe[0] >= 0) /* libxl was not even asked */
        feed_end(&feed, FALSE, NULL);
    g_clear_error(&feed.error);
    return good;
}

static void restore_report(Job *job)
{
    job->callback.created(job->data, job->domid, job->error);
}

void image_restore(Host *base, HostImage *image, const char *member_uuid, const char *json,
                   const HostRecord *record, HostCreated done, gpointer data)
{
    Job *job = image_job(image, restore_run, restore_report, data);
    job->without_xl = FALSE;
    job->callback.created = done;
    job->pool = image->inflow != NULL ? image->host->saves : image->host->builds;
    job->path = g_strdup(member_uuid);
    job->text = g_strdup(json);
    job_set_record(job, record);
    job_start(job);
}

/* -- use -- */

static gboolean use_run(Job *job, GError **error)
{
    g_autofree char *own = g_strdup_printf("/proc/self/fd/%d", job->image->fd);
    int fd = open(own, O_RDWR | O_CLOEXEC);

    if (fd < 0) {
        g_set_error(error, DOMGRP_ERROR, DOMGRP_ERROR_FILE,
                    "the image cannot be marked used: %s; it must be on a file system that can be "
                    "written",
                    g_strerror(errno));
        return FALSE;
    }
    gboolean good = image_mark_used(fd, error);
    close(fd);
    return good;
}

void image_use(Host *base, HostImage *image, HostDone done, gpointer data)
{
    Job *job = image_job(image, use_run, job_report_done, data);
    job->callback.done = done;
    job_start(job);
}
