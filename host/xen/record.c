/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Groups in xenstore, as docs/architecture.md describes: /domgrp/<uuid> for
 * administrators, and a group's record in each member's own directory, which
 * the member may read and not write. Each of these is one transaction.
 */
#include "private.h"

#include <errno.h>
#include <string.h>

/* The most that one page of members' names holds, in bytes. */
#define PAGE_MAX 2048

/* A transaction and the directory that it writes below. */
typedef struct {
    struct xs_handle *xs;
    xs_transaction_t id;
    const char *directory;
} Writer;

static gboolean put(const Writer *writer, const char *key, const char *value)
{
    g_autofree char *path = g_strdup_printf("%s/%s", writer->directory, key);
    return xs_write(writer->xs, writer->id, path, value, (unsigned)strlen(value));
}

static gboolean remove_tree(struct xs_handle *xs, xs_transaction_t id, const char *path)
{
    return xs_rm(xs, id, path) || errno == ENOENT;
}

/* -- what is written -- */

static gboolean put_identity(const Writer *writer, const HostRecord *record)
{
    g_autofree char *id = g_strdup_printf("%u", record->id);
    return put(writer, "name", record->name) && put(writer, "id", id) &&
           put(writer, "uuid", record->uuid);
}

/* members/0, members/1...: the names in order, as many to a page as fit. */
static gboolean put_pages(const Writer *writer, const HostRecord *record)
{
    g_autoptr(GString) page = g_string_new(NULL);

    for (guint i = 0, n = 0; i < record->n_members; i++) {
        g_string_append_printf(page, "%s%s", page->len > 0 ? " " : "", record->member_names[i]);
        gboolean full = i + 1 == record->n_members ||
                        page->len + 1 + strlen(record->member_names[i + 1]) > PAGE_MAX;
        if (!full)
            continue;
        g_autofree char *key = g_strdup_printf("members/%u", n++);
        if (!put(writer, key, page->str))
            return FALSE;
        g_string_truncate(page, 0);
    }
    return TRUE;
}

static gboolean put_members(const Writer *writer, const HostRecord *record)
{
    for (guint i = 0; i < record->n_members; i++) {
        g_autofree char *key = g_strdup_printf("members/%s", record->member_uuids[i]);
        if (!put(writer, key, record->member_names[i]))
            return FALSE;
    }
    return TRUE;
}

/* -- transactions -- */

typedef struct {
    const HostRecord *record;
    guint32 domid; /* HOST_DOMID_NONE: the administrators' directory */
} Task;

static gboolean write_domain(Writer *writer, const Task *task)
{
    g_autofree char *name = g_strdup_printf("/local/domain/%u/name", task->domid);
    /* Never brings back the directory of a domain that is gone. */
    char *value = xs_read(writer->xs, writer->id, name, NULL);
    if (value == NULL)
        return errno == ENOENT;
    free(value);

    /* What is below inherits the rights: dom0's, and the member may read. */
    struct xs_permissions rights[] = {{.id = 0, .perms = XS_PERM_NONE},
                                      {.id = task->domid, .perms = XS_PERM_READ}};
    return remove_tree(writer->xs, writer->id, writer->directory) &&
           xs_mkdir(writer->xs, writer->id, writer->directory) &&
           xs_set_permissions(writer->xs, writer->id, writer->directory, rights, 2) &&
           put_identity(writer, task->record) && put_pages(writer, task->record);
}

static gboolean write_group(Writer *writer, const Task *task)
{
    return remove_tree(writer->xs, writer->id, writer->directory) &&
           put_identity(writer, task->record) && put_members(writer, task->record);
}

static gboolean remove_directory(Writer *writer, const Task *task)
{
    return remove_tree(writer->xs, writer->id, writer->directory);
}

/* Runs @body in transactions on @directory until one meets no other writer. */
static gboolean transact(HostXen *host, const char *directory,
                         gboolean (*body)(Writer *writer, const Task *task), const Task *task,
                         GError **error)
{
    Writer writer = {.xs = host->xs, .directory = directory};
    gboolean good;

    do {
        writer.id = xs_transaction_start(host->xs);
        good = writer.id != XBT_NULL && body(&writer, task);
        int saved = errno;
        if (writer.id != XBT_NULL && !xs_transaction_end(host->xs, writer.id, !good) && good)
            good = FALSE;
        else
            errno = saved;
    } while (!good && errno == EAGAIN);
    if (!good)
        g_set_error(error, DOMGRP_ERROR, DOMGRP_ERROR_HOST, "%s cannot be written to xenstore: %s",
                    directory, g_strerror(errno));
    return good;
}

static char *domain_directory(guint32 domid)
{
    return g_strdup_printf("/local/domain/%u/domgrp", domid);
}

static char *group_directory(const char *uuid)
{
    return g_strdup_printf("/domgrp/%s", uuid);
}

gboolean record_write_domain(HostXen *host, const HostRecord *record, guint32 domid, GError **error)
{
    g_autofree char *directory = domain_directory(domid);
    return transact(host, directory, write_domain, &(Task){record, domid}, error);
}

/* -- jobs -- */

static gboolean publish_run(Job *job, GError **error)
{
    g_autofree char *directory = group_directory(job->own.record.uuid);
    Task task = {&job->own.record, HOST_DOMID_NONE};

    if (!transact(job->host, directory, write_group, &task, error))
        return FALSE;
    for (guint i = 0; i < job->domids->len; i++)
        if (!record_write_domain(job->host, &job->own.record,
                                 g_array_index(job->domids, guint32, i), error))
            return FALSE;
    return TRUE;
}

void record_publish(Host *base, const HostRecord *record, guint n_domids, const guint32 *domids,
                    HostDone done, gpointer data)
{
    Job *job = job_new(base, publish_run, job_report_done, data);
    job->callback.done = done;
    job->without_xl = TRUE;
    job_set_record(job, record);
    job_set_domids(job, n_domids, domids);
    job_start(job);
}

static gboolean unpublish_run(Job *job, GError **error)
{
    g_autofree char *directory = group_directory(job->uuid);
    if (!transact(job->host, directory, remove_directory, NULL, error))
        return FALSE;
    for (guint i = 0; i < job->domids->len; i++) {
        g_autofree char *member = domain_directory(g_array_index(job->domids, guint32, i));
        if (!transact(job->host, member, remove_directory, NULL, error))
            return FALSE;
    }
    return TRUE;
}

void record_unpublish(Host *base, const char *uuid, guint n_domids, const guint32 *domids,
                      HostDone done, gpointer data)
{
    Job *job = job_new(base, unpublish_run, job_report_done, data);
    job->callback.done = done;
    job->without_xl = TRUE;
    g_strlcpy(job->uuid, uuid, sizeof(job->uuid));
    job_set_domids(job, n_domids, domids);
    job_start(job);
}
