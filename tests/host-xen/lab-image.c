/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Images on real Xen, by the host alone, in a dom0 without a domgrpd:
 *     lab-image save [--live] [--fast] [--keep] [--snapshot COMMAND] [--freeze DOMAIN]
 *                    [--lose DOMAIN] [--cancel MS [--copied]] [--pipe] PATH DOMAIN...
 *     lab-image restore [--cancel MS] PATH
 *     lab-image receive [--cancel MS] [--members N] PATH
 *     lab-image resume DOMAIN...
 * It prints how long each part took, in milliseconds, and on failure why; then all domains run on.
 *
 * With --pipe, and to receive, it is another host, too: a thread that moves what is in the pipe to
 * or from the file at PATH. --stall makes that stop after so many bytes, --hangup end then.
 */
#include "host-xen.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define GROUP "c0c0c0c0-0000-4000-8000-000000000009"
#define IMAGE "c0c0c0c0-0000-4000-8000-00000000000a"

static gboolean live, fast, keep, piped, copied;
static char *snapshot, *frozen, *lost;
static int cancel_ms, n_members = 2;
static gint64 memory_kib = 1 << 20;
static gint64 stall_at = G_MAXINT64, hang_up_at = G_MAXINT64;

static const GOptionEntry entries[] = {
    {"live", 0, 0, G_OPTION_ARG_NONE, &live, "Save most of the memory while guests run", NULL},
    {"fast", 0, 0, G_OPTION_ARG_NONE, &fast, "Little time rather than a small file", NULL},
    {"keep", 0, 0, G_OPTION_ARG_NONE, &keep, "Let the domains run on", NULL},
    {"snapshot", 0, 0, G_OPTION_ARG_STRING, &snapshot, "Run it while they stand still", "COMMAND"},
    {"freeze", 0, 0, G_OPTION_ARG_STRING, &frozen, "Its guest cannot answer", "DOMAIN"},
    {"lose", 0, 0, G_OPTION_ARG_STRING, &lost, "It is destroyed while it is copied", "DOMAIN"},
    {"cancel", 0, 0, G_OPTION_ARG_INT, &cancel_ms, "Break it off after that time", "MS"},
    {"copied", 0, 0, G_OPTION_ARG_NONE, &copied, "Not before all are copied", NULL},
    {"pipe", 0, 0, G_OPTION_ARG_NONE, &piped, "Save into a pipe", NULL},
    {"members", 0, 0, G_OPTION_ARG_INT, &n_members, "That many are received (2)", "N"},
    {"memory", 0, 0, G_OPTION_ARG_INT64, &memory_kib, "So much they have (1 GiB)", "KIB"},
    {"stall", 0, 0, G_OPTION_ARG_INT64, &stall_at, "The other host stops after that", "BYTES"},
    {"hangup", 0, 0, G_OPTION_ARG_INT64, &hang_up_at, "The other host ends after that", "BYTES"},
    {NULL},
};

static Host *host;
static gint64 began_us;

/* -- calls, one after the other or several at once -- */

typedef struct {
    guint open; /* not answered */
    GError *error;
    HostImage *image;
    const HostImageInfo *info;
    gint64 first_us, last_us; /* answers */
} Calls;

typedef struct {
    Calls *calls;
    char uuid[DOMGRP_UUID_TEXT];
    guint32 domid;
    HostConfig *config;
} Domain;

static void take(Calls *calls, const GError *error)
{
    calls->open--;
    calls->last_us = host->ops->now(host);
    if (calls->first_us == 0)
        calls->first_us = calls->last_us;
    if (error != NULL && calls->error == NULL)
        calls->error = g_error_copy(error);
}

static void on_done(gpointer data, const GError *error)
{
    take(data, error);
}

static void on_created(gpointer data, guint32 domid, const GError *error)
{
    Domain *domain = data;
    domain->domid = domid;
    take(domain->calls, error);
}

static void on_paused(gpointer data, const HostPause *pause, const GError *error)
{
    take(data, error);
}

static void on_configured(gpointer data, HostConfig *config, const GError *error)
{
    Domain *domain = data;
    domain->config = config;
    take(domain->calls, error);
}

/* What image_open() tells is its caller's: restore begins at once. */
static void begin_restore(Calls *calls, const HostImageInfo *info);

static void on_opened(gpointer data, HostImage *image, const HostImageInfo *info,
                      const GError *error)
{
    Calls *calls = data;
    calls->image = image;
    if (info != NULL)
        begin_restore(calls, info);
    take(calls, error);
}

static void on_cancel(gpointer data)
{
    Calls *calls = data;
    if (calls->image != NULL)
        host->ops->image_cancel(host, calls->image);
}

static void cancel_later(Calls *calls)
{
    if (cancel_ms > 0)
        host->ops->timer_add(host, cancel_ms * 1000, on_cancel, calls);
}

/* Waits for all; FALSE if any failed. */
static gboolean settle(Calls *calls, const char *what)
{
    gint64 from = host->ops->now(host);
    while (calls->open > 0)
        g_main_context_iteration(NULL, TRUE);
    printf("%s_ms=%" G_GINT64_FORMAT "\n", what, (host->ops->now(host) - from) / 1000);
    return calls->error == NULL;
}

/* -- the other host -- */

typedef struct {
    int from, to;
    GThread *thread;
    int end[2]; /* a pipe: closed when it need not stall any longer */
} Other;

static gpointer other_run(gpointer data)
{
    const Other *other = data;
    char bytes[65536], none;
    gint64 at = 0, most = MIN(stall_at, hang_up_at);

    while (at < most) {
        ssize_t n = read(other->from, bytes, (gsize)MIN((gint64)sizeof bytes, most - at));
        if (n <= 0)
            break;
        if (write(other->to, bytes, (gsize)n) != n) {
            printf("other: %s\n", g_strerror(errno));
            break;
        }
        at += n;
    }
    if (at == stall_at && read(other->end[0], &none, 1) != 0)
        g_error("the end of the other host's end");
    close(other->from);
    close(other->to);
    return NULL;
}

/* Begins with the file at @path, and returns this host's end of the pipe. */
static int other_begin(Other *other, const char *path, gboolean reads)
{
    int file = reads ? open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600)
                     : open(path, O_RDONLY | O_CLOEXEC);
    int ends[2];
    g_assert_cmpint(file, >=, 0);
    g_assert_cmpint(pipe2(ends, O_CLOEXEC), ==, 0);
    g_assert_cmpint(pipe2(other->end, O_CLOEXEC), ==, 0);
    other->from = reads ? ends[0] : file;
    other->to = reads ? file : ends[1];
    other->thread = g_thread_new("other", other_run, other);
    return reads ? ends[1] : ends[0];
}

static void other_end(Other *other)
{
    if (other->thread == NULL)
        return;
    close(other->end[1]);
    g_thread_join(other->thread);
    close(other->end[0]);
}

/* -- domains -- */

static GPtrArray *domains;

static Domain *domain_add(const char *uuid, guint32 domid)
{
    Domain *domain = g_new0(Domain, 1);
    domain->domid = domid;
    g_strlcpy(domain->uuid, uuid, sizeof domain->uuid);
    g_ptr_array_add(domains, domain);
    return domain;
}

static Domain *domain_of(guint i)
{
    return domains->pdata[i];
}

typedef void (*Verb)(Host *of, guint32 domid, const char *uuid, HostDone done, gpointer data);

static gboolean for_all(Verb verb, const char *what)
{
    Calls calls = {.open = domains->len};
    for (guint i = 0; i < domains->len; i++)
        verb(host, domain_of(i)->domid, domain_of(i)->uuid, on_done, &calls);
    gboolean good = settle(&calls, what);
    if (!good)
        printf("%s: %s\n", what, calls.error->message);
    g_clear_error(&calls.error);
    return good;
}

static gboolean lookup(char **names, GError **error)
{
    char uuid[DOMGRP_UUID_TEXT];
    guint32 domid;
    for (; *names != NULL; names++) {
        if (!host->ops->domain_lookup(host, *names, &domid, uuid, error))
            return FALSE;
        domain_add(uuid, domid);
    }
    return TRUE;
}

/* The group that was made to freeze @domid, or a new one with it. */
static gboolean freezer(guint32 domid, const char *uuid, guint32 *ret_id, GError **error)
{
    g_autoptr(GArray) groups = NULL;
    if (!host->ops->groups(host, &groups, error))
        return FALSE;
    for (guint i = 0; i < groups->len; i++) {
        const HostGroup *group = &g_array_index(groups, HostGroup, i);
        *ret_id = group->id;
        if (strcmp(group->uuid, GROUP) == 0)
            return TRUE;
    }
    *ret_id = 0;
    return host->ops->group_create(host, GROUP, ret_id, error) &&
           host->ops->group_join(host, *ret_id, domid, uuid, error);
}

/* A pause of a group of its own, which Xen does not show as one of the domain's. */
static void freeze(gboolean on)
{
    static guint32 id;
    static guint32 domid;
    char uuid[DOMGRP_UUID_TEXT];
    g_autoptr(GError) error = NULL;
    Calls calls = {.open = 1};

    if (frozen == NULL)
        return;
    if (on && host->ops->domain_lookup(host, frozen, &domid, uuid, &error))
        freezer(domid, uuid, &id, &error);
    g_assert_no_error(error);
    if (on)
        host->ops->group_pause(host, id, 1, &domid, on_paused, &calls);
    else
        host->ops->group_unpause(host, id, 1, &domid, on_done, &calls);
    settle(&calls, on ? "freeze" : "thaw");
    g_assert_no_error(calls.error);
}

/* -- save -- */

static gboolean save_create(Calls *calls, const char *path, Other *other)
{
    g_autofree const HostConfig **members = g_new(const HostConfig *, domains->len);
    HostImageSpec spec = {.uuid = IMAGE,
                          .path = piped ? NULL : path,
                          .group_uuid = GROUP,
                          .group_name = "lab",
                          .text = "a group of the lab",
                          .fast = fast,
                          .n_members = domains->len,
                          .members = members};
    for (guint i = 0; i < domains->len; i++) {
        domain_of(i)->calls = calls;
        calls->open++;
        host->ops->config_retrieve(host, domain_of(i)->domid, on_configured, domain_of(i));
    }
    if (!settle(calls, "retrieve"))
        return FALSE;
    for (guint i = 0; i < domains->len; i++)
        members[i] = domain_of(i)->config;
    if (piped)
        spec.fd = other_begin(other, path, TRUE);
    calls->open++;
    host->ops->image_create(host, &spec, on_opened, calls);
    return settle(calls, "create");
}

static void lose(void)
{
    char uuid[DOMGRP_UUID_TEXT];
    guint32 domid;
    Calls calls = {.open = 1};

    if (lost == NULL)
        return;
    g_assert_true(host->ops->domain_lookup(host, lost, &domid, uuid, NULL));
    host->ops->domain_destroy(host, domid, uuid, on_done, &calls);
    settle(&calls, "lose");
    g_assert_no_error(calls.error);
}

static gboolean save_copy(Calls *calls)
{
    calls->open = domains->len;
    for (guint i = 0; i < domains->len; i++)
        host->ops->image_copy(host, calls->image, domain_of(i)->domid, domain_of(i)->uuid, on_done,
                              calls);
    lose();
    return settle(calls, "copy");
}

static gboolean save_suspend(Calls *calls)
{
    if (live && !save_copy(calls))
        return FALSE;
    if (copied)
        cancel_later(calls);
    calls->open = domains->len;
    calls->first_us = 0;
    for (guint i = 0; i < domains->len; i++)
        host->ops->image_suspend(host, calls->image, domain_of(i)->domid, domain_of(i)->uuid,
                                 on_done, calls);
    gboolean good = settle(calls, "suspend");
    printf("cut_ms=%" G_GINT64_FORMAT "\n", (calls->last_us - calls->first_us) / 1000);
    if (!good || snapshot == NULL)
        return good;
    calls->open++;
    host->ops->image_snapshot(host, calls->image, snapshot, on_done, calls);
    return settle(calls, "snapshot");
}

static gboolean save_memory(Calls *calls)
{
    HostImageProgress progress;
    calls->open = domains->len;
    for (guint i = 0; i < domains->len; i++)
        host->ops->image_save(host, calls->image, domain_of(i)->domid, domain_of(i)->uuid, on_done,
                              calls);
    if (!settle(calls, "save"))
        return FALSE;
    calls->open++;
    host->ops->image_finish(host, calls->image, on_done, calls);
    gboolean good = settle(calls, "finish");
    host->ops->image_progress(host, calls->image, &progress);
    printf("memory_bytes=%" G_GUINT64_FORMAT "\nfile_bytes=%" G_GUINT64_FORMAT "\n",
           progress.memory_bytes, progress.file_bytes);
    return good;
}

static gboolean save(const char *path, char **names)
{
    Calls calls = {0};
    Other other = {0};
    gboolean good = lookup(names, &calls.error) && save_create(&calls, path, &other);
    freeze(TRUE);
    if (!copied)
        cancel_later(&calls);
    good = good && save_suspend(&calls);
    gint64 still_us = calls.first_us;
    good = good && save_memory(&calls);
    if (!good)
        printf("failed: %s: %s\n", domgrp_error_name(domgrp_error_code(calls.error)),
               calls.error->message);
    if (calls.image != NULL)
        host->ops->image_close(host, calls.image);
    calls.image = NULL;
    other_end(&other);
    freeze(FALSE);
    if (good && !keep)
        return for_all(host->ops->domain_destroy, "destroy");
    for_all(host->ops->domain_resume, "resume");
    printf("still_ms=%" G_GINT64_FORMAT "\n", (host->ops->now(host) - still_us) / 1000);
    return good;
}

/* -- restore -- */

static void begin_restore(Calls *calls, const HostImageInfo *info)
{
    static HostRecord record = {.uuid = GROUP, .id = DOMGRP_ID_NULL, .name = "lab"};
    printf("used=%d\n", info->used);
    cancel_later(calls);
    for (guint i = 0; i < info->disks->len; i++)
        printf("disk=%s\n", (char *)info->disks->pdata[i]);
    for (guint i = 0; i < info->members->len; i++) {
        const HostConfig *member = info->members->pdata[i];
        Domain *domain = domain_add(member->uuid, HOST_DOMID_NONE);
        domain->calls = calls;
        calls->open++;
        host->ops->image_restore(host, calls->image, member->uuid, member->json, &record,
                                 on_created, domain);
    }
}

static gboolean restore_end(Calls *calls, gboolean good)
{
    if (!good)
        printf("failed: %s: %s\n", domgrp_error_name(domgrp_error_code(calls->error)),
               calls->error->message);
    if (calls->image != NULL)
        host->ops->image_close(host, calls->image);
    if (good)
        return for_all(host->ops->domain_unpause, "unpause");
    for (guint i = 0; i < domains->len; i++)
        if (domain_of(i)->domid == HOST_DOMID_NONE)
            g_ptr_array_remove_index(domains, i--);
    for_all(host->ops->domain_destroy, "destroy");
    return FALSE;
}

static gboolean restore(const char *path)
{
    Calls calls = {.open = 1};
    host->ops->image_open(host, path, on_opened, &calls);
    gboolean good = settle(&calls, "restore");
    if (good) {
        calls.open++;
        host->ops->image_use(host, calls.image, on_done, &calls);
        good = settle(&calls, "use");
    }
    return restore_end(&calls, good);
}

static gboolean receive(const char *path)
{
    Calls calls = {.open = 1};
    HostImageProgress progress;
    Other other;
    int fd = other_begin(&other, path, FALSE);

    host->ops->image_receive(host, fd, (guint)n_members, (guint64)memory_kib, on_opened, &calls);
    gboolean good = settle(&calls, "receive");
    if (calls.image != NULL) {
        host->ops->image_progress(host, calls.image, &progress);
        printf("memory_bytes=%" G_GUINT64_FORMAT "\ntotal_bytes=%" G_GUINT64_FORMAT
               "\nfile_bytes=%" G_GUINT64_FORMAT "\n",
               progress.memory_bytes, progress.total_bytes, progress.file_bytes);
    }
    good = restore_end(&calls, good);
    other_end(&other);
    return good;
}

/* -- resume -- */

static gboolean resume(char **names)
{
    g_autoptr(GError) error = NULL;
    if (lookup(names, &error))
        return for_all(host->ops->domain_resume, "resume");
    printf("failed: %s\n", error->message);
    return FALSE;
}

int main(int argc, char **argv)
{
    g_autoptr(GOptionContext) options = g_option_context_new("save|restore|receive|resume ...");
    g_autoptr(GError) error = NULL;
    gboolean good = FALSE;

    g_option_context_add_main_entries(options, entries, NULL);
    if (!g_option_context_parse(options, &argc, &argv, &error) || argc < 3)
        g_error("%s", error != NULL ? error->message : "save|restore|receive|resume ...");
    setvbuf(stdout, NULL, _IOLBF, 0);
    domains = g_ptr_array_new();
    host = host_xen_new(NULL, &error);
    if (host == NULL)
        g_error("%s", error->message);
    began_us = host->ops->now(host);
    if (strcmp(argv[1], "save") == 0)
        good = save(argv[2], argv + 3);
    else if (strcmp(argv[1], "restore") == 0)
        good = restore(argv[2]);
    else if (strcmp(argv[1], "receive") == 0)
        good = receive(argv[2]);
    else if (strcmp(argv[1], "resume") == 0)
        good = resume(argv + 2);
    printf("total_ms=%" G_GINT64_FORMAT "\n", (host->ops->now(host) - began_us) / 1000);
    host->ops->free(host);
    return good ? 0 : 1;
}
