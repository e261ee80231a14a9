/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Reading an image that comes in from another host. One thread, the inflow's,
 * reads it as it comes and fills one pipe for each member, from which libxl
 * builds a domain. Members' streams come in turns, so that all domains are built
 * at the same time: each build has a thread of its own, however many there are.
 *
 * What a member is stands at the front of its stream. Whoever sends an image
 * says that of all members before the memory of the first; this is what
 * image_receive() waits for.
 *
 * The inflow's thread waits for two things, for the other host and for libxl; the
 * cancellable ends both. When it ends early it closes all pipes, which ends all builds.
 */
#include "private.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>

/* What members are, all together, in bytes: that of a reader, and xl's headers. */
#define HEADS_MAX (4 * IMAGE_MAX_TEXT + IMAGE_MAX_MEMBERS * 64)

/*
 * What may come, of members with so much memory (docs/migration.md): all of it so many times, and
 * what else there is of each. A source sends all of it once, what has changed in each round, and
 * the rest when it stands still.
 */
#define TIMES_MAX 12u
#define OTHER_MAX (32ull << 20) /* bytes */
#define KNOWN_S 120             /* for what the members are, which comes before their memory */
G_STATIC_ASSERT(TIMES_MAX >= ALIGN_ROUNDS + 2);

/* Where a member's stream goes. */
typedef struct {
    GByteArray *head; /* of its stream, until it is known what the member is; then NULL */
    LibxlFront front;
    enum { INLET_AWAITED, INLET_OPEN, INLET_CLOSED } state; /* with the lock */
    int fd;         /* while it is open: the inflow's thread's */
    gboolean whole; /* with the lock: all of it was given, and was good */
} Inlet;

struct Inflow {
    HostImage *image;
    int fd; /* of the other host, until the relay has it; or -1 */
    int in; /* what comes out of the relay */
    guint n;
    guint64 limit; /* bytes that may come */
    Inlet *inlets; /* by number */
    gsize heads;   /* bytes of heads */
    guint n_known; /* members of which it is known what they are */
    GPollFD cancelled;
    GThread *thread;

    GMutex lock;      /* protects what follows */
    GCond changed;    /* signalled when any of it, or an inlet, does, and when it is cancelled */
    ImageInfo *known; /* the group, and its members so far */
    gboolean ready;   /* all are known: nothing in it changes any more */
    gboolean over;    /* the thread has ended */
    GError *error;    /* why, if it was too early */
};

static gboolean cancelled(GError **error)
{
    g_set_error(error, DOMGRP_ERROR, DOMGRP_ERROR_CANCELLED, "receiving the image was cancelled");
    return FALSE;
}

static gboolean bad(GError **error, const char *what)
{
    g_set_error(error, DOMGRP_ERROR, DOMGRP_ERROR_IMAGE, "the image that comes in %s", what);
    return FALSE;
}

/* -- what comes in, on the inflow's thread -- */

static void inlet_close(Inflow *inflow, Inlet *inlet, gboolean whole)
{
    g_mutex_lock(&inflow->lock);
    inlet->state = INLET_CLOSED;
    inlet->whole = whole;
    fd_close(&inlet->fd);
    g_cond_broadcast(&inflow->changed);
    g_mutex_unlock(&inflow->lock);
}

/* Waits until libxl builds the member; FALSE if that is cancelled before. */
static gboolean inlet_wait(Inflow *inflow, const Inlet *inlet, GError **error)
{
    GCancellable *cancellable = inflow->image->cancellable;

    g_mutex_lock(&inflow->lock);
    while (inlet->state == INLET_AWAITED && !g_cancellable_is_cancelled(cancellable))
        g_cond_wait(&inflow->changed, &inflow->lock);
    g_mutex_unlock(&inflow->lock);
    return !g_cancellable_is_cancelled(cancellable) || cancelled(error);
}

static gboolean inlet_wait_room(const Inflow *inflow, const Inlet *inlet, GError **error)
{
    struct pollfd entries[] = {{.fd = inlet->fd, .events = POLLOUT},
                               {.fd = inflow->cancelled.fd, .events = POLLIN}};

    while (poll(entries, G_N_ELEMENTS(entries), -1) < 0 && errno == EINTR)
        ;
    return !g_cancellable_is_cancelled(inflow->image->cancellable) || cancelled(error);
}

/* If libxl reads no more, it says why, and the others do not suffer. */
static gboolean inlet_write(Inflow *inflow, Inlet *inlet, const guint8 *bytes, gsize length,
                            GError **error)
{
    while (length > 0 && inlet->fd >= 0) {
        ssize_t n = write(inlet->fd, bytes, length);
        if (n > 0) {
            __atomic_fetch_add(&inflow->image->read_bytes, (guint64)n, __ATOMIC_RELAXED);
            bytes += n;
            length -= (gsize)n;
        } else if (n < 0 && errno == EAGAIN) {
            if (!inlet_wait_room(inflow, inlet, error))
                return FALSE;
        } else if (n < 0 && errno != EINTR) {
            inlet_close(inflow, inlet, FALSE);
        }
    }
    return TRUE;
}

/* What comes behind xl's part of a stream. */
static gboolean inlet_give(Inflow *inflow, Inlet *inlet, const guint8 *bytes, gsize length,
                           GError **error)
{
    if (length == 0)
        return TRUE;
    if (inflow->n_known < inflow->n)
        return bad(error, "has memory before it says what all members are");
    return inlet_wait(inflow, inlet, error) &&
           libxl_front_take(&inlet->front, &bytes, &length, error) &&
           inlet_write(inflow, inlet, bytes, length, error);
}

static void know_member(Inflow *inflow, guint number, char *json, gsize front)
{
    g_mutex_lock(&inflow->lock);
    ImageMember *member = inflow->known->members->pdata[number];
    member->json = json;
    member->front = front;
    inflow->n_known++;
    inflow->ready = inflow->n_known == inflow->n;
    g_cond_broadcast(&inflow->changed);
    g_mutex_unlock(&inflow->lock);
}

/* The next part of a stream of which is not known yet what the member is. */
static gboolean head_take(Inflow *inflow, guint number, const void *bytes, gsize length,
                          GError **error)
{
    Inlet *inlet = &inflow->inlets[number];
    char *json = NULL;
    gsize front;

    g_byte_array_append(inlet->head, bytes, (guint)length);
    inflow->heads += length;
    if (!image_xl_front(inlet->head->data, inlet->head->len, &front, &json))
        return inflow->heads <= HEADS_MAX || bad(error, "does not say what its members are");
    if (json == NULL || !g_utf8_validate(json, -1, NULL)) {
        g_free(json);
        return bad(error, "has no configuration of a member");
    }
    know_member(inflow, number, json, front);
    g_autoptr(GByteArray) head = g_steal_pointer(&inlet->head);
    inflow->heads -= head->len - front;
    return inlet_give(inflow, inlet, head->data + front, head->len - front, error);
}

static void know_group(ImageInfo *known, const ImageInfo *info)
{
    if (known->group_name != NULL)
        return;
    g_strlcpy(known->uuid, info->uuid, sizeof known->uuid);
    g_strlcpy(known->group_uuid, info->group_uuid, sizeof known->group_uuid);
    known->group_name = g_strdup(info->group_name);
    known->text = g_strdup(info->text);
    known->disks = g_strdup("");
}

static gboolean on_member(gpointer data, guint number, const ImageInfo *info, GError **error)
{
    Inflow *inflow = data;
    const ImageMember *from = info->members->pdata[number];
    ImageMember *member;

    if (number >= inflow->n)
        return bad(error, "has more members than were announced");
    if (info->group_name == NULL || info->text == NULL)
        return bad(error, "does not say whose it is");
    member = g_new0(ImageMember, 1);
    g_strlcpy(member->uuid, from->uuid, sizeof member->uuid);
    member->name = g_strdup(from->name);
    g_mutex_lock(&inflow->lock);
    know_group(inflow->known, info);
    g_ptr_array_add(inflow->known->members, member);
    g_mutex_unlock(&inflow->lock);
    return TRUE;
}

static gboolean on_bytes(gpointer data, guint number, const void *bytes, gsize length,
                         GError **error)
{
    Inflow *inflow = data;
    Inlet *inlet = &inflow->inlets[number];

    return inlet->head != NULL ? head_take(inflow, number, bytes, length, error)
                               : inlet_give(inflow, inlet, bytes, length, error);
}

static gboolean on_ended(gpointer data, guint number, GError **error)
{
    Inflow *inflow = data;
    Inlet *inlet = &inflow->inlets[number];

    if (inlet->head != NULL || inflow->n_known < inflow->n)
        return bad(error, "does not say what all its members are before one of them ends");
    if (!inlet_wait(inflow, inlet, error))
        return FALSE;
    inlet_close(inflow, inlet, TRUE);
    return TRUE;
}

/* Why it ended too early, or NULL: @error, which is taken, only says what the thread saw of it. */
static GError *inflow_fault(const Inflow *inflow, GError *error)
{
    int failed = relay_failed(inflow->image->relay);
    GError *fault = NULL;

    if (error == NULL && inflow->n_known == inflow->n)
        return NULL;
    if (g_cancellable_is_cancelled(inflow->image->cancellable))
        cancelled(&fault);
    else if (error == NULL)
        bad(&fault, "has fewer members than were announced");
    else if (failed != 0 && failed != EPIPE)
        g_set_error(&fault, DOMGRP_ERROR, DOMGRP_ERROR_LINK,
                    "the image does not come in from the other host any more: %s",
                    g_strerror(failed));
    if (fault == NULL)
        return error;
    g_clear_error(&error);
    return fault;
}

static void inflow_end(Inflow *inflow, GError *error)
{
    g_mutex_lock(&inflow->lock);
    inflow->error = error;
    inflow->over = TRUE;
    for (guint i = 0; i < inflow->n; i++)
        fd_close(&inflow->inlets[i].fd);
    g_cond_broadcast(&inflow->changed);
    g_mutex_unlock(&inflow->lock);
}

static gpointer inflow_run(gpointer data)
{
    Inflow *inflow = data;
    const ImageFollow follow = {on_member, on_bytes, on_ended, inflow->limit};
    HostImage *image = inflow->image;
    GError *error = NULL;

    ImageReader *reader = image_reader_follow(inflow->in, image->host->spool, &follow, inflow,
                                              image->cancellable, &error);
    g_clear_pointer(&reader, image_reader_free);
    inflow_end(inflow, inflow_fault(inflow, error));
    fd_close(&inflow->in); /* the other host finds out, too */
    return NULL;
}

/* -- its life -- */

static guint64 limit_of(guint n, guint64 memory_kib)
{
    guint64 limit;

    return g_uint64_checked_mul(&limit, memory_kib, TIMES_MAX * 1024) &&
                   g_uint64_checked_add(&limit, limit, n * OTHER_MAX)
               ? limit
               : G_MAXUINT64;
}

static Inflow *inflow_new(HostImage *image, int fd, guint n, guint64 memory_kib)
{
    Inflow *inflow = g_new0(Inflow, 1);

    *inflow = (Inflow){.image = image, .fd = fd, .in = -1, .n = n, .cancelled.fd = -1};
    inflow->limit = limit_of(n, memory_kib);
    inflow->inlets = g_new0(Inlet, n);
    for (guint i = 0; i < n; i++)
        inflow->inlets[i] = (Inlet){.head = g_byte_array_new(), .fd = -1};
    inflow->known = image_info_new();
    inflow->ready = n == 0;
    g_mutex_init(&inflow->lock);
    g_cond_init(&inflow->changed);
    return inflow;
}

static gboolean inflow_begin(Inflow *inflow, GError **error)
{
    HostImage *image = inflow->image;
    int ends[2];

    if (!pipe_new(ends, error))
        return FALSE;
    inflow->in = ends[0];
    image->relay = relay_new(inflow->fd, ends[1], image->cancellable);
    inflow->fd = -1;
    if (!g_cancellable_make_pollfd(image->cancellable, &inflow->cancelled)) {
        g_set_error(error, DOMGRP_ERROR, DOMGRP_ERROR_HOST, "no more files can be opened");
        return FALSE;
    }
    inflow->thread = g_thread_new("domgrp-inflow", inflow_run, inflow);
    return TRUE;
}

void inflow_wake(Inflow *inflow)
{
    g_mutex_lock(&inflow->lock);
    g_cond_broadcast(&inflow->changed);
    g_mutex_unlock(&inflow->lock);
}

void inflow_join(Inflow *inflow)
{
    if (inflow->thread == NULL)
        return;
    inflow_wake(inflow);
    g_thread_join(g_steal_pointer(&inflow->thread));
    g_cancellable_release_fd(inflow->image->cancellable);
}

void inflow_free(Inflow *inflow)
{
    if (inflow == NULL)
        return;
    inflow_join(inflow);
    fd_close(&inflow->fd);
    fd_close(&inflow->in);
    for (guint i = 0; i < inflow->n; i++)
        g_clear_pointer(&inflow->inlets[i].head, g_byte_array_unref);
    g_free(inflow->inlets);
    image_info_free(inflow->known);
    g_clear_error(&inflow->error);
    g_mutex_clear(&inflow->lock);
    g_cond_clear(&inflow->changed);
    g_free(inflow);
}

/* -- receive -- */

typedef struct {
    HostImageOpened done;
    gpointer data;
} Receiving;

/* Waits until it is known what the members are. Until then they take no memory, and come to
 * nothing.
 */
static gboolean receive_wait(Inflow *inflow, GError **error)
{
    gint64 until_us = g_get_monotonic_time() + KNOWN_S * G_USEC_PER_SEC;
    gboolean late = FALSE;

    g_mutex_lock(&inflow->lock);
    while (!inflow->ready && !inflow->over && !late)
        late = !g_cond_wait_until(&inflow->changed, &inflow->lock, until_us);
    gboolean ready = inflow->ready;
    if (!ready && inflow->over)
        g_propagate_error(error, g_error_copy(inflow->error));
    else if (!ready)
        g_set_error(error, DOMGRP_ERROR, DOMGRP_ERROR_LINK,
                    "the other host has not said within %d s what the members are", KNOWN_S);
    g_mutex_unlock(&inflow->lock);
    return ready;
}

static gboolean receive_run(Job *job, GError **error)
{
    Inflow *inflow = job->image->inflow;

    if (inflow_begin(inflow, error) && receive_wait(inflow, error) &&
        image_info_fill(job, inflow->known, error))
        return TRUE;
    g_cancellable_cancel(job->image->cancellable);
    inflow_join(inflow);
    return FALSE;
}

static void receive_report(Job *job)
{
    Receiving *receiving = job->data;
    HostImage *image = job->image;

    if (job->error != NULL) {
        receiving->done(receiving->data, NULL, NULL, job->error);
        image_unref(image);
        return;
    }
    for (guint i = 0; i < job->info->members->len; i++)
        image->total_bytes += ((const HostConfig *)job->info->members->pdata[i])->memory_kib * 1024;
    receiving->done(receiving->data, image, job->info, NULL);
}

void image_receive(Host *base, int fd, guint n_members, guint64 memory_kib, HostImageOpened done,
                   gpointer data)
{
    HostImage *image = image_new(host_xen(base));
    Receiving *receiving = g_new(Receiving, 1);
    Job *job = image_job(image, receive_run, receive_report, receiving);

    *receiving = (Receiving){done, data};
    image->inflow = inflow_new(image, fd, n_members, memory_kib);
    job->without_xl = FALSE;
    job->data_free = g_free;
    job->pool = image->host->saves;
    job_start(job);
}

/* -- restore -- */

/* One build, with the end of the pipe that libxl reads. */
typedef struct {
    Inflow *inflow;
    Inlet *inlet;
    int fd;
} Build;

static gboolean build_open(Build *build, int fd, GError **error)
{
    Inflow *inflow = build->inflow;
    gboolean good = FALSE;

    g_mutex_lock(&inflow->lock);
    if (inflow->over && inflow->error != NULL)
        g_propagate_error(error, g_error_copy(inflow->error));
    else if (inflow->over || build->inlet->state != INLET_AWAITED)
        g_set_error(error, DOMGRP_ERROR, DOMGRP_ERROR_GROUP_STATE,
                    "a member of an image that comes in is restored only once");
    else
        good = TRUE;
    if (good) {
        build->inlet->state = INLET_OPEN;
        build->inlet->fd = fd;
        g_cond_broadcast(&inflow->changed);
    }
    g_mutex_unlock(&inflow->lock);
    return good;
}

static gboolean build_begin(Build *build, GError **error)
{
    int ends[2];

    if (!pipe_new(ends, error)) {
        inlet_close(build->inflow, build->inlet, FALSE); /* it is not waited for */
        return FALSE;
    }
    fcntl(ends[1], F_SETFL, O_NONBLOCK);
    libxl_front_write(ends[1]);
    if (!build_open(build, ends[1], error)) {
        close(ends[0]);
        close(ends[1]);
        return FALSE;
    }
    build->fd = ends[0];
    return TRUE;
}

/* libxl has ended. What it has built counts when its stream was good to its end, which comes behind
 * what libxl reads of it. */
static gboolean build_end(gpointer data, gboolean built, GError **error)
{
    Build *build = data;
    Inflow *inflow = build->inflow;
    const Inlet *inlet = build->inlet;

    fd_close(&build->fd);
    g_mutex_lock(&inflow->lock);
    while (built && !inlet->whole && !inflow->over)
        g_cond_wait(&inflow->changed, &inflow->lock);
    gboolean whole = inlet->whole;
    GError *why = inflow->error != NULL ? g_error_copy(inflow->error) : NULL;
    g_mutex_unlock(&inflow->lock);

    if (!whole && why != NULL) {
        g_propagate_error(error, why);
        return FALSE;
    }
    g_clear_error(&why);
    return !whole || libxl_front_whole(&inlet->front, error); /* not whole: libxl knows why */
}

gboolean inflow_restore(Job *job, GError **error)
{
    Inflow *inflow = job->image->inflow;
    Build build = {.inflow = inflow, .fd = -1};
    guint number;

    if (!image_member_find(inflow->known, job->path, &number, error))
        return FALSE;
    build.inlet = &inflow->inlets[number];
    if (!build_begin(&build, error))
        return FALSE;
    Restore restore = {build.fd, build_end, &build};
    gboolean good = life_build(job, &restore, error);
    if (build.fd >= 0) /* libxl was not even asked */
        build_end(&build, FALSE, NULL);
    return good;
}
