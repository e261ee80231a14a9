/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * An image as an object: its life, how far it has come, breaking off what is
 * done to it, and removing its file. image-save.c writes one, image-restore.c
 * reads one, image-receive.c reads one that comes from another host.
 */
#include "private.h"

#include <errno.h>
#include <fcntl.h>

gboolean pipe_new(int ret_ends[2], GError **error)
{
    if (pipe2(ret_ends, O_CLOEXEC) == 0) {
        fcntl(ret_ends[0], F_SETPIPE_SZ, IMAGE_PIPE_SIZE); /* less works, too */
        return TRUE;
    }
    g_set_error(error, DOMGRP_ERROR, DOMGRP_ERROR_HOST, "no pipe can be had: %s",
                g_strerror(errno));
    return FALSE;
}

/* -- its life -- */

HostImage *image_new(HostXen *host)
{
    HostImage *image = g_rc_box_new0(HostImage);

    image->host = host;
    image->cancellable = g_cancellable_new();
    image->savings = g_ptr_array_new_with_free_func((GDestroyNotify)saving_free);
    image->fd = image->out = -1;
    g_mutex_init(&image->lock);
    g_mutex_init(&image->reading);
    g_queue_push_tail(&host->images, image);
    return image;
}

/* The collector reads from the pipes of savings, and works for the writer, which has the file. */
static void image_clear(gpointer data)
{
    HostImage *image = data;

    g_cancellable_cancel(image->cancellable);
    g_queue_remove(&image->host->images, image);
    align_free(image->align);
    collector_free(image->collector);
    inflow_free(image->inflow);
    g_ptr_array_unref(image->savings);
    g_clear_pointer(&image->writer, image_writer_free);
    image_file_free(image->file);
    fd_close(&image->out);
    relay_free(image->relay);
    g_clear_pointer(&image->reader, image_reader_free);
    fd_close(&image->fd);
    if (image->settle != NULL)
        source_free(image->settle);
    g_free(image->path);
    g_free(image->group_name);
    g_free(image->group_uuid);
    g_free(image->member_names);
    g_strfreev(image->member_uuids);
    g_mutex_clear(&image->lock);
    g_mutex_clear(&image->reading);
    g_object_unref(image->cancellable);
}

void image_unref(HostImage *image)
{
    g_rc_box_release_full(image, image_clear);
}

Job *image_job(HostImage *image, gboolean (*run)(Job *job, GError **error),
               void (*report)(Job *job), gpointer data)
{
    Job *job = job_new(&image->host->host, run, report, data);
    job->without_xl = TRUE;
    job->image = g_rc_box_acquire(image);
    return job;
}

void image_cancel(Host *base, HostImage *image)
{
    g_cancellable_cancel(image->cancellable);
    if (!image->closed && image->collector != NULL)
        collector_stop(image->collector);
    if (image->inflow != NULL)
        inflow_wake(image->inflow);
}

/* Its thread may be in the middle of something: its end is awaited on another one. */
static gboolean close_run(Job *job, GError **error)
{
    g_clear_pointer(&job->image->collector, collector_free);
    if (job->image->inflow != NULL)
        inflow_join(job->image->inflow);
    return TRUE;
}

static void close_report(Job *job)
{
}

void image_close(Host *base, HostImage *image)
{
    image_cancel(base, image);
    image->closed = TRUE;
    if (image->collector != NULL || image->inflow != NULL)
        job_start(image_job(image, close_run, close_report, NULL));
    image_unref(image);
}

void images_domains_changed(HostXen *host)
{
    for (GList *item = host->images.head, *next; item != NULL; item = next) {
        next = item->next;
        image_settle(item->data);
    }
}

void images_cancel(HostXen *host)
{
    for (GList *item = host->images.head; item != NULL; item = item->next)
        image_cancel(&host->host, item->data);
}

/* The jobs are gone, and with them all but who opened it. */
void images_clear(HostXen *host)
{
    HostImage *image;
    while ((image = g_queue_peek_head(&host->images)) != NULL)
        image_unref(image);
}

/* -- how far it has come -- */

void image_progress(Host *base, const HostImage *image, HostImageProgress *ret_progress)
{
    *ret_progress = (HostImageProgress){.total_bytes = image->total_bytes};
    if (image->writer != NULL)
        image_writer_progress(image->writer, &ret_progress->memory_bytes,
                              &ret_progress->file_bytes);
    if (image->reader == NULL && image->inflow == NULL)
        return;
    ret_progress->memory_bytes = __atomic_load_n(&image->read_bytes, __ATOMIC_RELAXED);
    ret_progress->file_bytes =
        image->reader != NULL ? image_reader_progress(image->reader) : relay_bytes(image->relay);
}

/* -- removing its file -- */

static gboolean is_image(int fd, const char *uuid)
{
    char found[DOMGRP_UUID_TEXT];
    return image_identify(fd, found, NULL) && g_str_equal(found, uuid);
}

static gboolean remove_run(Job *job, GError **error)
{
    return image_file_remove(job->path, job->uuid, is_image, error);
}

void image_remove(Host *base, const char *path, const char *image_uuid, HostDone done,
                  gpointer data)
{
    Job *job = job_new(base, remove_run, job_report_done, data);
    job->without_xl = TRUE;
    job->callback.done = done;
    job->path = g_strdup(path);
    g_strlcpy(job->uuid, image_uuid, sizeof job->uuid);
    job_start(job);
}
