/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Whether a toolstack has asked a guest to end: it writes "poweroff",
 * "reboot" or "halt" to the key control/shutdown of the domain, and the guest
 * writes "" there when it has read that. So a word may be gone before anybody
 * can look at it, and only that something is written is sure to be told, by a
 * watch, in order with the end of the guest.
 *
 * Hence any write after the watch was set counts, and nothing is read: after
 * a domain is built, only a request and its acknowledgement write this key. A
 * request to suspend does, too; it is forgotten when the domain is seen to go on. What
 * this gets wrong is harmless: a guest that writes the key by
 * itself, or ignores a request to suspend, has its power-off taken for one that
 * was asked for, which it could have as well by not powering off. Only what was
 * there when the watch was set is read: a request that no guest has read yet.
 *
 * While we have a guest suspended ourselves nothing counts; afterwards it is
 * watched anew.
 *
 * A domain is watched from when it is first seen not paused by a toolstack:
 * its build, which writes the key, too, is over then, and its guest has hardly
 * begun. A request by ACPI leaves no trace.
 */
#include "private.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

typedef struct {
    guint32 domid;
    guint serial; /* tells it from those of other domains that had the domid */
    char uuid[DOMGRP_UUID_TEXT];
    gboolean told; /* the watch's first event, which tells nothing, has come */
    gboolean asked;
    gboolean ours; /* we have it suspended */
    gboolean suspended;
    gboolean seen; /* since the last sweep */
} Asked;

static char *path_of(guint32 domid)
{
    return g_strdup_printf("/local/domain/%u/control/shutdown", domid);
}

static char *token_of(const Asked *asked)
{
    return g_strdup_printf("%c%u/%u", ASKED_TOKEN, asked->domid, asked->serial);
}

static Asked *asked_find(HostXen *host, const char *token)
{
    guint32 domid;
    guint serial;
    if (sscanf(token + 1, "%u/%u", &domid, &serial) != 2)
        return NULL;
    Asked *asked = g_hash_table_lookup(host->askeds, GUINT_TO_POINTER(domid));
    return asked != NULL && asked->serial == serial ? asked : NULL;
}

/* -- the watch -- */

static gboolean begin_run(Job *job, GError **error)
{
    if (!watch_set(job, error))
        return FALSE;
    char *value = watch_read(job, NULL, error);
    job->value = g_strdup(value);
    free(value);
    return job->value != NULL;
}

/* Of a domain that went meanwhile nothing can be had, and nothing is needed. */
static void begin_report(Job *job)
{
    static const char *const requests[] = {"poweroff", "reboot", "halt", "suspend", NULL};
    Asked *asked = asked_find(job->host, job->text);
    if (asked != NULL && !asked->ours && job->value != NULL &&
        g_strv_contains(requests, job->value))
        asked->asked = TRUE;
}

static Asked *asked_new(HostXen *host, guint32 domid, const char *uuid)
{
    Asked *asked = g_new0(Asked, 1);
    asked->domid = domid;
    asked->serial = ++host->last_asked;
    g_strlcpy(asked->uuid, uuid, sizeof asked->uuid);
    g_hash_table_insert(host->askeds, GUINT_TO_POINTER(domid), asked);

    g_autofree char *path = path_of(asked->domid);
    g_autofree char *token = token_of(asked);
    job_start(watch_job(host, begin_run, begin_report, path, token));
    return asked;
}

static void asked_end(HostXen *host, Asked *asked)
{
    g_autofree char *path = path_of(asked->domid);
    g_autofree char *token = token_of(asked);
    watch_drop(host, path, token);
    g_free(asked);
}

void asked_written(HostXen *host, const char *token)
{
    Asked *asked = asked_find(host, token);
    if (asked == NULL)
        return;
    asked->asked |= asked->told && !asked->ours;
    asked->told = TRUE;
}

/* -- our own requests to suspend -- */

void asked_withdraw(HostXen *host, guint32 domid)
{
    g_autofree char *path = path_of(domid);
    gboolean good;

    do {
        xs_transaction_t id = xs_transaction_start(host->xs);
        if (id == XBT_NULL)
            return;
        char *value = xs_read(host->xs, id, path, NULL);
        good =
            value != NULL && strcmp(value, "suspend") == 0 && xs_write(host->xs, id, path, "", 0);
        free(value);
        good = xs_transaction_end(host->xs, id, !good);
    } while (!good && errno == EAGAIN);
}

/* -- what is known of domains -- */

void asked_forget(HostXen *host, guint32 domid)
{
    gpointer asked;
    if (g_hash_table_steal_extended(host->askeds, GUINT_TO_POINTER(domid), NULL, &asked))
        asked_end(host, asked);
}

void asked_look(HostXen *host, HostDomain *domain)
{
    Asked *asked = g_hash_table_lookup(host->askeds, GUINT_TO_POINTER(domain->domid));
    if (asked != NULL && strcmp(asked->uuid, domain->uuid) != 0) {
        asked_forget(host, domain->domid);
        asked = NULL;
    }
    if (asked == NULL && domain->domid != 0 && !domain->paused && !domain->dying)
        asked = asked_new(host, domain->domid, domain->uuid);
    if (asked == NULL)
        return;
    if (asked->suspended && !domain->shutdown)
        asked->asked = FALSE;
    asked->suspended = domain->shutdown && domain->reason == HOST_REASON_SUSPEND;
    asked->seen = TRUE;
    domain->asked = asked->asked;
}

void asked_suspend(HostXen *host, guint32 domid, const char *uuid)
{
    asked_forget(host, domid);
    asked_new(host, domid, uuid)->ours = TRUE;
}

void asked_suspend_end(HostXen *host, guint32 domid, const char *uuid)
{
    HostDomain domain;
    asked_forget(host, domid);
    if (domains_check(host, domid, uuid, &domain, NULL) && !domain.dying)
        asked_new(host, domid, uuid);
}

void asked_sweep(HostXen *host)
{
    GHashTableIter iter;
    gpointer value;
    g_hash_table_iter_init(&iter, host->askeds);
    while (g_hash_table_iter_next(&iter, NULL, &value)) {
        Asked *asked = value;
        if (!asked->seen) {
            g_hash_table_iter_steal(&iter);
            asked_end(host, asked);
            continue;
        }
        asked->seen = FALSE;
    }
}

void asked_clear(HostXen *host)
{
    g_clear_pointer(&host->askeds, g_hash_table_unref);
}
