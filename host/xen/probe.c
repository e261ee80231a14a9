/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Looks at whether a member is ready. A probe lives on the main context; what
 * it waits for is elsewhere: a connection in GIO, a watch in xenstored, a
 * program on a thread. It ends when that is known, at its time-out, when
 * its domain has ended, or when it is cancelled; what it waited for is
 * dropped then, and is of no consequence if it comes after all.
 */
#include "private.h"

#include "domgrp-text.h"

#include <errno.h>
#include <string.h>
#include <sys/wait.h>

/* Of what a guest says, in bytes. */
#define VALUE_MAX 64

typedef struct {
    HostXen *host;
    guint handle; /* 0: it has ended */
    DomgrpProbeKind kind;
    char *address;
    guint16 port;
    char *key;  /* as the probe has it, for people */
    char *path; /* the same, absolute */
    char *value;
    char **argv;
    char **environment;
    guint32 domid;
    char uuid[DOMGRP_UUID_TEXT];
    gint64 timeout_us;
    gint64 deadline;
    guint timer;
    GCancellable *cancellable; /* of the connection, the program */
    char *token;               /* of the watch; NULL: there is none */
    gboolean reading;          /* a job reads the key */
    gboolean again;            /* it has changed since */
    GError *seen;              /* what was wrong with it last */
    HostDone done;
    gpointer data;
} Probe;

/* -- the probe as an object -- */

static void probe_clear(gpointer data)
{
    Probe *probe = data;
    g_free(probe->address);
    g_free(probe->key);
    g_free(probe->path);
    g_free(probe->value);
    g_strfreev(probe->argv);
    g_strfreev(probe->environment);
    g_object_unref(probe->cancellable);
    g_free(probe->token);
    g_clear_error(&probe->seen);
}

static void probe_unref(gpointer probe)
{
    g_rc_box_release_full(probe, probe_clear);
}

/* Ends it without a word; what was the table's reference is the caller's. */
static void probe_drop(Probe *probe)
{
    HostXen *host = probe->host;
    g_hash_table_remove(host->probes, GUINT_TO_POINTER(probe->handle));
    probe->handle = 0;
    if (probe->timer != 0)
        events_timer_cancel(&host->host, probe->timer);
    g_queue_remove(&host->waiting, probe);
    g_cancellable_cancel(probe->cancellable);
    if (probe->token != NULL)
        watch_drop(host, probe->path, probe->token);
}

static void probe_finish(Probe *probe, const GError *error)
{
    if (probe->handle == 0)
        return;
    probe_drop(probe);
    probe->done(probe->data, error);
    probe_unref(probe);
}

static void probe_set_timer(Probe *probe, gint64 at, HostTimeout timeout)
{
    Host *host = &probe->host->host;
    if (probe->timer != 0)
        events_timer_cancel(host, probe->timer);
    probe->timer = events_timer_add(host, at - events_now(host), timeout, probe);
}

static void finish_late(Probe *probe, const char *what)
{
    g_autoptr(GError) error = g_error_new(DOMGRP_ERROR, DOMGRP_ERROR_TIMEOUT, "%s within %g s",
                                          what, (double)probe->timeout_us / G_USEC_PER_SEC);
    probe_finish(probe, error);
}

/* -- a connection -- */

static void tcp_late(gpointer data)
{
    Probe *probe = data;
    probe->timer = 0;
    finish_late(probe, "no answer");
}

static const char *tcp_words(const GError *error)
{
    if (g_error_matches(error, G_IO_ERROR, G_IO_ERROR_CONNECTION_REFUSED))
        return "connection refused";
    if (g_error_matches(error, G_IO_ERROR, G_IO_ERROR_HOST_UNREACHABLE))
        return "no way to this host";
    if (g_error_matches(error, G_IO_ERROR, G_IO_ERROR_NETWORK_UNREACHABLE))
        return "no way to this network";
    return error->message;
}

static void tcp_done(GObject *client, GAsyncResult *result, gpointer data)
{
    Probe *probe = data;
    g_autoptr(GError) why = NULL;
    g_autoptr(GError) error = NULL;
    g_autoptr(GSocketConnection) connection =
        g_socket_client_connect_finish(G_SOCKET_CLIENT(client), result, &why);
    if (connection == NULL)
        error = g_error_new_literal(DOMGRP_ERROR, DOMGRP_ERROR_HOST, tcp_words(why));
    probe_finish(probe, error);
    probe_unref(probe);
}

static void tcp_begin(Probe *probe)
{
    g_autoptr(GSocketClient) client = g_socket_client_new();
    g_autoptr(GSocketConnectable) address = g_network_address_new(probe->address, probe->port);
    g_socket_client_set_enable_proxy(client, FALSE);
    probe_set_timer(probe, probe->deadline, tcp_late);
    g_main_context_push_thread_default(probe->host->context);
    g_socket_client_connect_async(client, address, probe->cancellable, tcp_done,
                                  g_rc_box_acquire(probe));
    g_main_context_pop_thread_default(probe->host->context);
}

/* -- a key -- */

static void xenstore_late(gpointer data)
{
    Probe *probe = data;
    probe->timer = 0;
    if (probe->seen == NULL) {
        finish_late(probe, "no answer of xenstore");
        return;
    }
    g_autoptr(GError) error = g_steal_pointer(&probe->seen);
    probe_finish(probe, error);
}

static Job *xenstore_job(Probe *probe, gboolean (*run)(Job *job, GError **error),
                         void (*report)(Job *job))
{
    Job *job = watch_job(probe->host, run, report, probe->path, probe->token);
    job->data = g_rc_box_acquire(probe);
    job->data_free = probe_unref;
    return job;
}

/* Without an error: it holds what it must. */
static gboolean xenstore_read(Job *job, GError **error)
{
    const Probe *probe = job->data;
    g_autoptr(GError) why = NULL;
    guint length = 0;
    char *value = watch_read(job, &length, &why);
    g_autofree char *text = value != NULL ? domgrp_text_clean(value, length, VALUE_MAX) : NULL;
    gboolean good = value != NULL &&
                    (probe->value == NULL ||
                     (length == strlen(probe->value) && memcmp(value, probe->value, length) == 0));

    free(value);
    if (why != NULL)
        g_propagate_error(error, g_steal_pointer(&why));
    else if (text == NULL)
        g_set_error(error, DOMGRP_ERROR, DOMGRP_ERROR_TIMEOUT, "%s is not there", probe->key);
    else if (!good)
        g_set_error(error, DOMGRP_ERROR, DOMGRP_ERROR_TIMEOUT, "%s is \"%s\"", probe->key, text);
    return good;
}

static void xenstore_look(Probe *probe);

static void xenstore_was_read(Job *job)
{
    Probe *probe = job->data;
    probe->reading = FALSE;
    if (job->error == NULL) {
        probe_finish(probe, NULL);
        return;
    }
    g_clear_error(&probe->seen);
    probe->seen = g_steal_pointer(&job->error);
    if (probe->again && probe->handle != 0)
        xenstore_look(probe);
}

static void xenstore_look(Probe *probe)
{
    probe->again = probe->reading;
    if (probe->reading)
        return;
    probe->reading = TRUE;
    job_start(xenstore_job(probe, xenstore_read, xenstore_was_read));
}

static void xenstore_watched(Job *job)
{
    if (job->error != NULL)
        probe_finish(job->data, job->error);
}

/* Whatever the key holds by now, a watch fires once when it is set. */
static void xenstore_begin(Probe *probe)
{
    probe_set_timer(probe, probe->deadline, xenstore_late);
    probe->token = g_strdup_printf("%c%u", PROBE_TOKEN, probe->handle);
    job_start(xenstore_job(probe, watch_set, xenstore_watched));
}

void probe_key_changed(HostXen *host, const char *token)
{
    guint64 handle;
    if (!g_ascii_string_to_unsigned(token + 1, 10, 1, G_MAXUINT, &handle, NULL))
        return;
    Probe *probe = g_hash_table_lookup(host->probes, GUINT_TO_POINTER((guint)handle));
    if (probe != NULL)
        xenstore_look(probe);
}

/* -- a program -- */

static void exec_late(gpointer data)
{
    Probe *probe = data;
    probe->timer = 0;
    finish_late(probe, "its turn to be run did not come");
}

static void exec_fail(const Probe *probe, ChildEnd end, const Child *child, GError **error)
{
    g_autofree char *line = text_line(child->out);
    DomgrpErrorCode code = end == CHILD_LATE ? DOMGRP_ERROR_TIMEOUT : DOMGRP_ERROR_HOST;
    g_autofree char *what = NULL;

    if (end == CHILD_NOT_STARTED)
        what =
            g_strdup_printf("%s cannot be started: %s", probe->argv[0], g_strerror(child->status));
    else if (end != CHILD_EXITED)
        what = g_strdup_printf("it did not end within %g s",
                               (double)probe->timeout_us / G_USEC_PER_SEC);
    else if (WIFSIGNALED(child->status))
        what = g_strdup_printf("ended by signal %d, %s", WTERMSIG(child->status),
                               g_strsignal(WTERMSIG(child->status)));
    else
        what = g_strdup_printf("exit status %d", WEXITSTATUS(child->status));
    g_set_error(error, DOMGRP_ERROR, (int)code, "%s%s", what, line);
}

static gboolean exec_run(Job *job, GError **error)
{
    const Probe *probe = job->data;
    g_autoptr(GString) output = g_string_new(NULL);
    Child child = {.argv = (const char *const *)probe->argv,
                   .environment = (const char *const *)probe->environment,
                   .directory = "/",
                   .file = -1,
                   .timeout_us = probe->deadline - g_get_monotonic_time(),
                   .output_max = TEXT_LINE_MAX + 1,
                   .drains = TRUE,
                   .cancellable = probe->cancellable,
                   .out = output,
                   .err = output};
    ChildEnd end = child_run(&child);
    if (end == CHILD_EXITED && child.status == 0)
        return TRUE;
    exec_fail(probe, end, &child, error);
    return FALSE;
}

static void exec_go(HostXen *host);

static void exec_done(Job *job)
{
    HostXen *host = job->host;
    host->n_programs--;
    exec_go(host);
    probe_finish(job->data, job->error);
}

/* Runs those whose turn has come. From here on their time-outs are their threads'. */
static void exec_go(HostXen *host)
{
    Probe *probe;
    while (host->n_programs < PROGRAMS_MAX && (probe = g_queue_pop_head(&host->waiting)) != NULL) {
        Job *job = job_new(&host->host, exec_run, exec_done, g_rc_box_acquire(probe));
        job->data_free = probe_unref;
        job->without_xl = TRUE;
        job->pool = host->programs;
        events_timer_cancel(&host->host, probe->timer);
        probe->timer = 0;
        host->n_programs++;
        job_start(job);
    }
}

static void exec_begin(Probe *probe)
{
    probe_set_timer(probe, probe->deadline, exec_late);
    g_queue_push_tail(&probe->host->waiting, probe);
    exec_go(probe->host);
}

/* -- all of them -- */

/* Ends it if it can never become ready; one that is suspended, to be saved, may go on. */
static gboolean probe_is_vain(Probe *probe)
{
    HostDomain domain;
    g_autoptr(GError) error = NULL;
    /* The last that xenstored tells of a domain is that it is dying. */
    if (domains_check(probe->host, probe->domid, probe->uuid, &domain, &error) && domain.dying)
        g_set_error(&error, DOMGRP_ERROR, DOMGRP_ERROR_DOMAIN_UNKNOWN, "domain %u is destroyed",
                    probe->domid);
    else if (error == NULL && domain.shutdown && domain.reason != HOST_REASON_SUSPEND)
        g_set_error(&error, DOMGRP_ERROR, DOMGRP_ERROR_HOST, "domain %u has ended (%s)",
                    probe->domid, host_reason_name(domain.reason));
    if (error == NULL)
        return FALSE;
    probe_finish(probe, error);
    return TRUE;
}

static void probe_begin(gpointer data)
{
    Probe *probe = data;
    probe->timer = 0;
    if (probe_is_vain(probe))
        return;
    if (probe->kind == DOMGRP_PROBE_TCP)
        tcp_begin(probe);
    else if (probe->kind == DOMGRP_PROBE_XENSTORE)
        xenstore_begin(probe);
    else
        exec_begin(probe);
}

static char **environment_new(const HostProbe *what)
{
    char **environment = g_new0(char *, 6);
    environment[0] = child_path();
    environment[1] = g_strconcat("DOMGRP_GROUP=", what->group, NULL);
    environment[2] = g_strconcat("DOMGRP_MEMBER=", what->member, NULL);
    environment[3] = g_strdup_printf("DOMGRP_DOMID=%u", what->domid);
    environment[4] = g_strconcat("DOMGRP_UUID=", what->uuid, NULL);
    return environment;
}

guint probe_start(Host *base, const HostProbe *what, gint64 timeout_us, HostDone done,
                  gpointer data)
{
    HostXen *host = host_xen(base);
    Probe *probe = g_rc_box_new0(Probe);

    probe->host = host;
    probe->handle = ++host->last_probe;
    probe->kind = what->probe->kind;
    probe->address = g_strdup(what->probe->address);
    probe->port = what->probe->port;
    probe->key = g_strdup(what->probe->path);
    if (probe->key != NULL)
        probe->path = probe->key[0] == '/'
                          ? g_strdup(probe->key)
                          : g_strdup_printf("/local/domain/%u/%s", what->domid, probe->key);
    probe->value = g_strdup(what->probe->value);
    probe->argv = g_strdupv(what->probe->argv);
    probe->environment = environment_new(what);
    probe->domid = what->domid;
    g_strlcpy(probe->uuid, what->uuid, sizeof probe->uuid);
    probe->timeout_us = timeout_us;
    probe->deadline = events_now(base) + timeout_us;
    probe->cancellable = g_cancellable_new();
    probe->done = done;
    probe->data = data;
    g_hash_table_insert(host->probes, GUINT_TO_POINTER(probe->handle), probe);
    probe_set_timer(probe, events_now(base), probe_begin);
    return probe->handle;
}

void probe_cancel(Host *base, guint handle)
{
    Probe *probe = g_hash_table_lookup(host_xen(base)->probes, GUINT_TO_POINTER(handle));
    if (probe == NULL)
        return;
    probe_drop(probe);
    probe_unref(probe);
}

/* What ends one may cancel others. */
void probes_domains_changed(HostXen *host)
{
    g_autofree gpointer *handles = g_hash_table_get_keys_as_array(host->probes, NULL);
    for (guint i = 0; handles[i] != NULL; i++) {
        Probe *probe = g_hash_table_lookup(host->probes, handles[i]);
        if (probe != NULL)
            probe_is_vain(probe);
    }
}

void probes_clear(HostXen *host)
{
    GHashTableIter iter;
    gpointer probe;
    for (;;) {
        g_hash_table_iter_init(&iter, host->probes);
        if (!g_hash_table_iter_next(&iter, NULL, &probe))
            break;
        probe_cancel(&host->host, ((Probe *)probe)->handle);
    }
    g_clear_pointer(&host->probes, g_hash_table_unref);
}
