/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Writing an image. Each member has a thread that waits for libxl, whose
 * helper writes the member's stream into a pipe; the image's collector reads
 * the pipes. A call is done when the collector, libxl and Xen say so,
 * which the main thread finds out whenever one of them has news.
 */
#include "private.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define SNAPSHOT_TIMEOUT_US (60 * G_USEC_PER_SEC)
#define SNAPSHOT_OUTPUT_MAX (64 * 1024)

/* -- why it fails -- */

static GError *cancelled(void)
{
    return g_error_new(DOMGRP_ERROR, DOMGRP_ERROR_CANCELLED, "the image was not finished");
}

/* Why it does not get to the other host; NULL: it does, or goes to none. */
static GError *relay_fault(const HostImage *image)
{
    int failed = image->relay != NULL ? relay_failed(image->relay) : 0;

    if (failed == 0)
        return NULL;
    if (failed == ECANCELED)
        return cancelled();
    return g_error_new(DOMGRP_ERROR, DOMGRP_ERROR_LINK,
                       "the image that is sent does not get to the other host: %s",
                       g_strerror(failed));
}

/* What @error, which is taken, of writing the image means; NULL for NULL. */
static GError *image_fault(const HostImage *image, GError *error)
{
    GError *fault = error != NULL ? relay_fault(image) : NULL;

    if (error != NULL && image->path != NULL)
        g_prefix_error(&error, "%s: ", image->path);
    if (fault == NULL)
        return error;
    g_error_free(error);
    return fault;
}

/* -- create -- */

/* On the collector's thread. Not by closing the pipes: a helper that dies by that leaves its guest
 * watched for what it writes to. */
static void on_broken(gpointer data)
{
    HostImage *image = data;
    g_mutex_lock(&image->lock);
    for (guint i = 0; i < image->savings->len; i++)
        xl_call_break(&((Saving *)image->savings->pdata[i])->call);
    g_mutex_unlock(&image->lock);
}

static void on_changed(gpointer data)
{
    g_source_set_ready_time(((HostImage *)data)->settle, 0);
}

static const CollectorEvents collector_events = {.changed = on_changed, .broken = on_broken};

static gboolean on_settle(gpointer data)
{
    HostImage *image = data;
    g_source_set_ready_time(image->settle, -1);
    image_settle(image);
    return G_SOURCE_CONTINUE;
}

/* What the image is made of travels to the thread and back in this. */
typedef struct {
    ImageSpec spec;
    int fd;             /* the pipe that it goes to, until a relay has it; or -1 */
    char *texts[4];     /* of the spec, and the path */
    GPtrArray *members; /* of HostConfig, their names, UUIDs and JSON only */
    HostImageOpened done;
    gpointer data;
} Creation;

static void creation_free(gpointer data)
{
    Creation *creation = data;
    for (guint i = 0; i < G_N_ELEMENTS(creation->texts); i++)
        g_free(creation->texts[i]);
    g_ptr_array_unref(creation->members);
    fd_close(&creation->fd);
    g_free(creation);
}

static Creation *creation_new(const HostImageSpec *of)
{
    Creation *creation = g_new0(Creation, 1);

    creation->texts[0] = g_strdup(of->path);
    creation->texts[1] = g_strdup(of->group_uuid);
    creation->texts[2] = g_strdup(of->group_name);
    creation->texts[3] = g_strdup(of->text);
    creation->spec = (ImageSpec){.group_uuid = creation->texts[1],
                                 .group_name = creation->texts[2],
                                 .text = creation->texts[3],
                                 .effort = of->fast           ? IMAGE_FAST
                                           : of->path == NULL ? IMAGE_ADAPTIVE
                                                              : IMAGE_SMALL,
                                 .followed = of->path == NULL};
    creation->fd = of->path == NULL ? of->fd : -1;
    g_strlcpy(creation->spec.uuid, of->uuid, sizeof creation->spec.uuid);
    creation->members = g_ptr_array_new_with_free_func((GDestroyNotify)host_config_free);
    for (guint i = 0; i < of->n_members; i++) {
        HostConfig *member = g_new0(HostConfig, 1);
        member->name = g_strdup(of->members[i]->name);
        member->json = g_strdup(of->members[i]->json);
        g_strlcpy(member->uuid, of->members[i]->uuid, sizeof member->uuid);
        g_ptr_array_add(creation->members, member);
    }
    return creation;
}

/* What is written into image->out comes out of the pipe of the other host. */
static gboolean create_pipe(HostImage *image, Creation *creation, GError **error)
{
    int ends[2];

    if (!pipe_new(ends, error))
        return FALSE;
    image->out = ends[1];
    image->relay = relay_new(ends[0], creation->fd, image->cancellable);
    creation->fd = -1;
    return TRUE;
}

static gboolean create_members(HostImage *image, Creation *creation, int fd, GError **error)
{
    guint number;

    image->writer = image_writer_new(fd, &creation->spec, error);
    if (image->writer == NULL)
        return FALSE;
    for (guint i = 0; i < creation->members->len; i++) {
        const HostConfig *member = creation->members->pdata[i];
        if (!image_writer_member(image->writer, member->uuid, member->name, member->json, &number,
                                 error))
            return FALSE;
    }
    return TRUE;
}

static gboolean create_run(Job *job, GError **error)
{
    Creation *creation = job->data;
    HostImage *image = job->image;
    g_autoptr(GError) local = NULL;

    if (creation->fd < 0)
        return image_file_create(image->path, creation->spec.uuid, TRUE, &image->file, error) &&
               create_members(image, creation, image_file_fd(image->file), error);
    if (!create_pipe(image, creation, error))
        return FALSE;
    if (create_members(image, creation, image->out, &local))
        return TRUE;
    g_propagate_error(error, image_fault(image, g_steal_pointer(&local)));
    return FALSE;
}

static void image_begin(HostImage *image, Creation *creation)
{
    g_autoptr(GString) names = g_string_new(NULL);
    g_autoptr(GStrvBuilder) uuids = g_strv_builder_new();

    for (guint i = 0; i < creation->members->len; i++) {
        const HostConfig *member = creation->members->pdata[i];
        g_string_append_printf(names, "%s%s", i > 0 ? " " : "", member->name);
        g_strv_builder_add(uuids, member->uuid);
    }
    image->member_names = g_strdup(names->str);
    image->member_uuids = g_strv_builder_end(uuids);
    image->group_name = g_strdup(creation->spec.group_name);
    image->group_uuid = g_strdup(creation->spec.group_uuid);
    image->settle = source_new(image->host, on_settle, image);
    int synced = image->file != NULL ? image_file_fd(image->file) : -1;
    image->collector = collector_new(image->writer, synced, &collector_events, image);
}

static void create_report(Job *job)
{
    Creation *creation = job->data;

    if (job->error == NULL) {
        image_begin(job->image, creation);
        creation->done(creation->data, job->image, NULL, NULL);
        return;
    }
    creation->done(creation->data, NULL, NULL, job->error);
    image_unref(job->image);
}

/* The image is there from the beginning: a pipe that is full must not keep the host from ending. */
void image_create(Host *base, const HostImageSpec *spec, HostImageOpened done, gpointer data)
{
    Creation *creation = creation_new(spec);
    HostImage *image = image_new(host_xen(base));
    Job *job = image_job(image, create_run, create_report, creation);

    image->path = g_strdup(spec->path);
    creation->done = done;
    creation->data = data;
    job->data_free = creation_free;
    if (spec->path == NULL)
        job->pool = job->host->saves;
    job_start(job);
}

/* -- a member's saving -- */

void saving_free(Saving *saving)
{
    fd_close(&saving->pipe[0]);
    fd_close(&saving->pipe[1]);
    xl_call_clear(&saving->call);
    g_clear_error(&saving->error);
    g_free(saving);
}

static Saving *saving_find(const HostImage *image, guint32 domid)
{
    for (guint i = 0; i < image->savings->len; i++) {
        Saving *saving = image->savings->pdata[i];
        if (saving->domid == domid)
            return saving;
    }
    return NULL;
}

gboolean saving_break(HostXen *host, guint32 domid, Job *job)
{
    for (GList *item = host->images.head; item != NULL; item = item->next) {
        Saving *saving = saving_find(item->data, domid);
        if (saving == NULL || saving->ended)
            continue;
        image_cancel(&host->host, saving->image);
        g_queue_push_tail(&saving->after, job);
        return TRUE;
    }
    return FALSE;
}

static void answer(Saving *saving, const GError *error)
{
    HostDone done = saving->done;
    saving->done = NULL;
    done(saving->data, error);
}

static gboolean stands_still(const Saving *saving)
{
    HostDomain domain;
    return domains_check(saving->image->host, saving->domid, saving->uuid, &domain, NULL) &&
           domain.shutdown && domain.reason == HOST_REASON_SUSPEND;
}

/* It is all there, or has failed: what broke off the image is the cause of what libxl says then. */
static void answer_over(Saving *saving)
{
    HostImage *image = saving->image;
    g_autoptr(GError) error = image_fault(image, collector_error(image->collector));
    answer(saving, error != NULL ? error : saving->error);
}

/* Whether all that are copied have come as far as they will. */
static gboolean image_is_copied(const HostImage *image)
{
    return image->align != NULL ? align_ready(image->align) : collector_gathered(image->collector);
}

/* All stop together, so the last of them that is asked to lets all do so. */
static void image_let_stop(HostImage *image)
{
    gboolean any = FALSE;

    for (guint i = 0; i < image->savings->len; i++) {
        const Saving *saving = image->savings->pdata[i];
        if (!saving->live || saving->ended)
            continue;
        if (!saving->asked)
            return;
        any = TRUE;
    }
    if (!any || !image_is_copied(image))
        return;
    if (image->align == NULL)
        collector_release(image->collector);
    else if (!align_decided(image->align))
        align_stop(image->align);
}

static gboolean is_over(const Saving *saving, StreamState state)
{
    return saving->ended && (saving->error != NULL || state == STREAM_OVER);
}

/* One that stands still before its helper was told to let it stop is not held: the helper of
 * another one would be waited for, for ever. */
static gboolean may_hold(const Saving *saving, StreamState state)
{
    const Align *align = saving->image->align;
    return saving->live && state == STREAM_LIVE && (align == NULL || align_decided(align)) &&
           stands_still(saving);
}

/* Whether the call on it that is under way has come to what it was for. */
static gboolean is_done(const Saving *saving, StreamState state)
{
    if (saving->live && !saving->copied)
        return state != STREAM_OVER && image_is_copied(saving->image) &&
               !g_cancellable_is_cancelled(saving->image->cancellable);
    return !saving->still && state == STREAM_HELD;
}

static void settle(Saving *saving)
{
    Collector *collector = saving->image->collector;
    StreamState state = collector_state(collector, saving->stream);

    if (may_hold(saving, state)) {
        collector_hold(collector, saving->stream);
        state = STREAM_HELD;
    }
    gboolean over = is_over(saving, state);
    if (saving->done == NULL || !(over || is_done(saving, state)))
        return;
    if (saving->live && !saving->copied)
        saving->copied = TRUE;
    else
        saving->still = TRUE;
    if (over)
        answer_over(saving);
    else
        answer(saving, NULL);
}

/* What a callback does may end the image. */
void image_settle(HostImage *image)
{
    if (image->collector == NULL || image->closed)
        return;
    g_rc_box_acquire(image);
    image_let_stop(image);
    for (guint i = 0; i < image->savings->len && !image->closed; i++)
        settle(image->savings->pdata[i]);
    image_unref(image);
}

/* -- copy and suspend -- */

static gboolean saving_check(Job *job, const Saving *saving, HostDomain *ret_domain, GError **error)
{
    if (g_cancellable_is_cancelled(saving->image->cancellable) ||
        collector_state(saving->image->collector, saving->stream) == STREAM_OVER)
        g_propagate_error(error, cancelled());
    else if (saving->failed != 0)
        g_set_error(error, DOMGRP_ERROR, DOMGRP_ERROR_HOST, "no pipe can be had: %s",
                    g_strerror(saving->failed));
    else if (!domains_check(job->host, saving->domid, saving->uuid, ret_domain, error))
        return FALSE;
    else if (ret_domain->paused)
        g_set_error(error, DOMGRP_ERROR, DOMGRP_ERROR_GROUP_STATE,
                    "domain %u is paused, its guest cannot answer; `xl unpause` lets it",
                    saving->domid);
    else if (ret_domain->shutdown)
        g_set_error(error, DOMGRP_ERROR, DOMGRP_ERROR_GROUP_STATE, "domain %u has ended (%s)",
                    saving->domid, host_reason_name(ret_domain->reason));
    else
        return TRUE;
    return FALSE;
}

static gboolean suspend_run(Job *job, GError **error)
{
    Saving *saving = job->data;
    HostDomain domain;

    if (!saving_check(job, saving, &domain, error))
        return FALSE;
    int rc = xl_domain_suspend(job->xl, saving->domid, saving->pipe[1],
                               saving->live ? LIBXL_SUSPEND_LIVE : 0, &saving->call.how);
    rc = xl_call_wait(&saving->call, job->xl, rc);
    if (rc == 0) {
        collector_whole(job->image->collector, saving->stream);
        return TRUE;
    }
    asked_withdraw(job->host, saving->domid);
    return xl_fail(job->xl, rc, error, "domain %u cannot be saved", saving->domid);
}

/* Nothing writes into the pipe any more: the collector comes to its end. */
static gboolean suspend_run_and_end(Job *job, GError **error)
{
    Saving *saving = job->data;
    gboolean good = suspend_run(job, error);
    fd_close(&saving->pipe[1]);
    return good;
}

static void suspend_report(Job *job)
{
    Saving *saving = job->data;

    saving->ended = TRUE;
    saving->error = g_steal_pointer(&job->error);
    if (saving->asked)
        asked_suspend_end(job->host, saving->domid, saving->uuid);
    if (saving->image->align != NULL)
        align_leave(saving->image->align, saving->domid);
    for (Job *after; (after = g_queue_pop_head(&saving->after)) != NULL;)
        job_start(after);
    image_settle(job->image);
}

static Saving *saving_new(HostImage *image, guint number, guint32 domid, gboolean live)
{
    Saving *saving = g_new0(Saving, 1);

    saving->image = image;
    saving->number = number;
    saving->domid = domid;
    saving->live = live;
    g_strlcpy(saving->uuid, image->member_uuids[number], sizeof saving->uuid);
    xl_call_init(&saving->call);
    g_queue_init(&saving->after);
    saving->pipe[0] = saving->pipe[1] = -1;
    if (pipe2(saving->pipe, O_CLOEXEC) != 0)
        saving->failed = errno;
    /* The less often reader and writer have to take turns, the better; less works, too. */
    fcntl(saving->pipe[0], F_SETPIPE_SZ, IMAGE_PIPE_SIZE);
    return saving;
}

/* Whether that works shows when the image is ended. */
static gboolean sync_run(Job *job, GError **error)
{
    if (fdatasync(image_file_fd(job->image->file)) != 0)
        g_debug("an image is not synced early: %s", g_strerror(errno));
    return TRUE;
}

static void sync_report(Job *job)
{
    align_proceed(job->image->align);
}

/* The first round is in the file: the time to sync it would be the guests' when they stand still,
 * and during a round they would change pages. */
static void on_gathered(gpointer data)
{
    job_start(image_job(data, sync_run, sync_report, NULL));
}

static const AlignEvents align_events = {.gathered = on_gathered, .ready = on_changed};
static const AlignEvents align_events_of_pipe = {.ready = on_changed};

/* Whether the guests of the image stop together, now that there is one more. */
static gboolean image_align(HostImage *image, guint32 domid)
{
    if (image->host->align == NULL)
        return FALSE;
    if (image->align != NULL && align_decided(image->align))
        g_clear_pointer(&image->align, align_free);
    if (image->align == NULL)
        image->align =
            align_new(image->host->align, &align_limits,
                      image->file != NULL ? &align_events : &align_events_of_pipe, image);
    align_add(image->align, domid);
    return TRUE;
}

/* A stream that is added after the collector broke off is over, and its saver does not begin. */
static void saving_add(Saving *saving)
{
    HostImage *image = saving->image;
    HostDomain domain = {0};

    domains_find(image->host, saving->domid, &domain);
    guint64 bytes = domain.memory_kib * 1024;
    image->total_bytes += bytes;
    g_mutex_lock(&image->lock);
    g_ptr_array_add(image->savings, saving);
    g_mutex_unlock(&image->lock);
    if (!saving->live || saving->failed != 0)
        saving->stream = collector_add(image->collector, saving->number, saving->pipe[0]);
    else
        saving->stream = collector_add_live(image->collector, saving->number, saving->pipe[0],
                                            image_align(image, saving->domid) ? 0 : bytes);
}

static void saving_ask(Saving *saving)
{
    saving->asked = TRUE;
    asked_suspend(saving->image->host, saving->domid, saving->uuid);
}

/* Begins the stream of a member. */
static void saving_start(HostImage *image, guint32 domid, const char *uuid, gboolean live,
                         HostDone done, gpointer data)
{
    guint number = 0;
    while (image->member_uuids[number] != NULL && !g_str_equal(image->member_uuids[number], uuid))
        number++;
    g_return_if_fail(image->member_uuids[number] != NULL);

    Saving *saving = saving_new(image, number, domid, live);
    saving->done = done;
    saving->data = data;
    saving_add(saving);
    if (!live)
        saving_ask(saving);
    Job *job = image_job(image, suspend_run_and_end, suspend_report, saving);
    job->without_xl = FALSE;
    job->pool = image->host->saves;
    job_start(job);
}

void image_copy(Host *base, HostImage *image, guint32 domid, const char *uuid, HostDone done,
                gpointer data)
{
    saving_start(image, domid, uuid, TRUE, done, data);
}

/* libxl asks the guest of a member that was copied when it is let. */
void image_suspend(Host *base, HostImage *image, guint32 domid, const char *uuid, HostDone done,
                   gpointer data)
{
    Saving *saving = saving_find(image, domid);

    if (saving == NULL) {
        saving_start(image, domid, uuid, FALSE, done, data);
        return;
    }
    g_return_if_fail(saving->live && !saving->asked && saving->done == NULL);
    saving->done = done;
    saving->data = data;
    if (saving->ended) /* it has failed, or its guest has stopped by itself */
        saving->asked = TRUE;
    else
        saving_ask(saving);
    on_changed(image);
}

/* -- save -- */

void image_save(Host *base, HostImage *image, guint32 domid, const char *uuid, HostDone done,
                gpointer data)
{
    Saving *saving = saving_find(image, domid);
    g_return_if_fail(saving != NULL && saving->still && saving->done == NULL);

    saving->done = done;
    saving->data = data;
    collector_take(image->collector, saving->stream);
    on_changed(image); /* it may be over already */
}

/* -- snapshot -- */

static char **snapshot_environment(const HostImage *image)
{
    char **environment = g_new0(char *, 5);
    environment[0] = child_path();
    environment[1] = g_strconcat("DOMGRP_GROUP=", image->group_name, NULL);
    environment[2] = g_strconcat("DOMGRP_GROUP_UUID=", image->group_uuid, NULL);
    environment[3] = g_strconcat("DOMGRP_MEMBERS=", image->member_names, NULL);
    return environment;
}

static gboolean snapshot_fail(const Child *child, ChildEnd end, GError **error)
{
    g_autofree char *said = NULL;
    g_autofree char *what = NULL;
    DomgrpErrorCode code = DOMGRP_ERROR_SNAPSHOT;

    if (end == CHILD_CANCELLED)
        code = DOMGRP_ERROR_CANCELLED;
    if (end == CHILD_CANCELLED)
        what = g_strdup("was cancelled");
    else if (end == CHILD_NOT_STARTED)
        what = g_strdup_printf("cannot be started: %s", g_strerror(child->status));
    else if (end == CHILD_LATE)
        what = g_strdup_printf("did not end within %d s, while the group stands still",
                               (int)(SNAPSHOT_TIMEOUT_US / G_USEC_PER_SEC));
    else if (end == CHILD_LOUD)
        what = g_strdup_printf("printed more than %d bytes", SNAPSHOT_OUTPUT_MAX);
    else if (WIFSIGNALED(child->status))
        what = g_strdup_printf("ended by signal %d", WTERMSIG(child->status));
    else
        what = g_strdup_printf("ended with exit status %d", WEXITSTATUS(child->status));
    said = text_line(child->err->len > 0 ? child->err : child->out);
    g_set_error(error, DOMGRP_ERROR, (int)code, "the snapshot command %s%s", what, said);
    return FALSE;
}

static gboolean snapshot_run(Job *job, GError **error)
{
    const char *const argv[] = {"/bin/sh", "-c", job->text, NULL};
    g_auto(GStrv) environment = snapshot_environment(job->image);
    g_autoptr(GString) out = g_string_new(NULL);
    g_autoptr(GString) err = g_string_new(NULL);
    Child child = {.argv = argv,
                   .environment = (const char *const *)environment,
                   .directory = "/",
                   .file = -1,
                   .timeout_us = SNAPSHOT_TIMEOUT_US,
                   .output_max = SNAPSHOT_OUTPUT_MAX,
                   .cancellable = job->image->cancellable,
                   .out = out,
                   .err = err};
    ChildEnd end = child_run(&child);

    if (end != CHILD_EXITED || child.status != 0)
        return snapshot_fail(&child, end, error);
    if (out->len == 0)
        return TRUE;
    g_autofree char *disks = g_utf8_make_valid(out->str, (gssize)out->len);
    return collector_disks(job->image->collector, disks, error);
}

void image_snapshot(Host *base, HostImage *image, const char *command, HostDone done, gpointer data)
{
    Job *job = image_job(image, snapshot_run, job_report_done, data);
    job->callback.done = done;
    job->text = g_strdup(command);
    job_start(job);
}

/* -- finish -- */

/* All that is in the pipe of this process goes into that of the other host. */
static gboolean finish_pipe(HostImage *image, GError **error)
{
    fd_close(&image->out);
    if (relay_join(image->relay) == 0)
        return TRUE;
    g_propagate_error(error, relay_fault(image));
    return FALSE;
}

static gboolean finish_run(Job *job, GError **error)
{
    HostImage *image = job->image;
    GError *local = NULL;

    if (!collector_finish(image->collector, &local))
        g_propagate_error(error, image_fault(image, local));
    else if (g_cancellable_is_cancelled(image->cancellable))
        g_propagate_error(error, cancelled());
    else
        return image->file != NULL ? image_file_finish(image->file, error)
                                   : finish_pipe(image, error);
    return FALSE;
}

void image_finish(Host *base, HostImage *image, HostDone done, gpointer data)
{
    Job *job = image_job(image, finish_run, job_report_done, data);
    job->callback.done = done;
    if (image->file == NULL)
        job->pool = image->host->saves; /* it may take as long as the other host does */
    job_start(job);
}
