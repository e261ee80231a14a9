/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A libxl context for one thread. What libxl logs is not printed: the first
 * error since the last xl_forget() is kept, for it names the cause, where
 * libxl's code only says that there was one and later lines tell its cleaning
 * up. This is where libxl's codes become DOMGRP_ERROR.
 */
#include "private.h"

#include <errno.h>
#include <glib/gprintf.h>
#include <libxl_event.h>
#include <string.h>
#include <unistd.h>
#include <xencall.h>

/* -- the logger -- */

/*
 * What libxl and libxc mean: "libxl_dom.c:1:f: Domain 5:why" and
 * "panic: xg_dom_core.c:1: f: why: Internal error" both say why.
 */
static char *meaning_of(const char *message)
{
    static const char panic[] = "panic: ", internal[] = ": Internal error";
    if (g_str_has_prefix(message, panic))
        message += strlen(panic);

    const char *colon = strstr(message, ": ");
    const char *dot = strstr(message, ".c:");
    if (dot != NULL && colon != NULL && dot < colon)
        message = colon + 2;
    gsize function = strspn(message, "abcdefghijklmnopqrstuvwxyz0123456789_");
    if (function > 0 && g_str_has_prefix(message + function, ": "))
        message += function + 2;
    if (g_str_has_prefix(message, "Domain ")) {
        const char *digits = message + strlen("Domain ");
        gsize n = strspn(digits, "0123456789");
        if (n > 0 && digits[n] == ':')
            message = digits + n + 1;
    }
    char *meaning = g_utf8_make_valid(message, -1);
    if (g_str_has_suffix(meaning, internal))
        meaning[strlen(meaning) - strlen(internal)] = '\0';
    return meaning;
}

/* @text as one line without runs of blanks, changed in place. */
static char *squeeze(char *text)
{
    char *to = text;
    for (const char *from = g_strchug(text); *from != '\0'; from++) {
        char c = g_ascii_isspace(*from) || g_ascii_iscntrl(*from) ? ' ' : *from;
        if (c != ' ' || (to > text && to[-1] != ' '))
            *to++ = c;
    }
    *to = '\0';
    return g_strchomp(text);
}

static void logger_message(xentoollog_logger *logger, xentoollog_level level, int errnoval,
                           const char *context, const char *format, va_list args)
{
    Xl *xl = (Xl *)logger;
    if (level < XTL_ERROR || xl->cause != NULL)
        return;
    g_autofree char *message = NULL;
    if (g_vasprintf(&message, format, args) < 0)
        return;
    g_autofree char *meaning = squeeze(meaning_of(message));
    xl->cause = errnoval > 0 ? g_strdup_printf("%s: %s", meaning, g_strerror(errnoval))
                             : g_steal_pointer(&meaning);
}

static void logger_progress(xentoollog_logger *logger, const char *context, const char *doing,
                            int percent, unsigned long done, unsigned long total)
{
}

static void logger_destroy(xentoollog_logger *logger)
{
}

static void silent_message(xentoollog_logger *logger, xentoollog_level level, int errnoval,
                           const char *context, const char *format, va_list args)
{
}

xentoollog_logger xl_silent = {silent_message, logger_progress, logger_destroy};

/* -- forking -- */

/*
 * libxl forks, and its child calls Xen's libraries before it executes another
 * program; to destroy a domain it does nothing else. These have two locks for
 * the whole process, and a child whose parent's other threads held one at that
 * moment waits for ever:
 *
 * - that of the list of open handles. Here, handles are opened and closed under
 *   handles_lock, which is held while forking, too. Of what is called here only
 *   libxl_domain_suspend() opens and closes some of its own, before it returns.
 * - that of libxencall's cache of buffers, which every hypercall takes. It
 *   cannot be had from outside, but libxencall holds it while a handle that is
 *   being closed logs what its cache did: then is the moment to fork. Parent and
 *   child both go on to give it back.
 */
static GMutex handles_lock;

typedef struct {
    xentoollog_logger logger; /* first */
    gboolean closing;
    gboolean forked;
    pid_t pid;
    int errnoval;
} Forker;

static void forker_fork(Forker *forker)
{
    forker->forked = TRUE;
    forker->pid = fork();
    forker->errnoval = errno;
}

static void forker_message(xentoollog_logger *logger, xentoollog_level level, int errnoval,
                           const char *context, const char *format, va_list args)
{
    Forker *forker = (Forker *)logger;
    if (forker->closing && !forker->forked)
        forker_fork(forker);
}

static pid_t fork_alone(void *unused)
{
    Forker forker = {.logger = {forker_message, logger_progress, logger_destroy}};

    g_mutex_lock(&handles_lock);
    xencall_handle *call = xencall_open(&forker.logger, 0);
    forker.closing = TRUE;
    if (call != NULL)
        xencall_close(call);
    if (!forker.forked) /* a libxencall that does not log: as good as it gets */
        forker_fork(&forker);
    g_mutex_unlock(&handles_lock);
    errno = forker.errnoval;
    return forker.pid;
}

static const libxl_childproc_hooks childproc = {
    .chldowner = libxl_sigchld_owner_libxl_always_selective_reap,
    .fork_replacement = fork_alone,
};

/* -- the context -- */

Xl *xl_new(GError **error)
{
    Xl *xl = g_new0(Xl, 1);
    xl->logger = (xentoollog_logger){logger_message, logger_progress, logger_destroy};
    g_mutex_lock(&handles_lock);
    int rc = libxl_ctx_alloc(&xl->ctx, LIBXL_VERSION, 0, &xl->logger);
    g_mutex_unlock(&handles_lock);
    if (rc != 0) {
        xl_fail(xl, rc, error, "libxl cannot be used");
        xl->ctx = NULL;
        xl_free(xl);
        return NULL;
    }
    libxl_childproc_setmode(xl->ctx, &childproc, NULL);
    return xl;
}

void xl_free(Xl *xl)
{
    if (xl == NULL)
        return;
    g_mutex_lock(&handles_lock);
    if (xl->ctx != NULL)
        libxl_ctx_free(xl->ctx);
    g_mutex_unlock(&handles_lock);
    xl_forget(xl);
    g_free(xl);
}

int xl_domain_suspend(Xl *xl, guint32 domid, int fd, int flags, const libxl_asyncop_how *how)
{
    g_mutex_lock(&handles_lock);
    int rc = libxl_domain_suspend(xl->ctx, domid, fd, flags, how);
    g_mutex_unlock(&handles_lock);
    return rc;
}

void xl_forget(Xl *xl)
{
    g_clear_pointer(&xl->cause, g_free);
}

/* -- calls that can be broken off -- */

void xl_call_init(XlCall *call)
{
    *call = (XlCall){.how = {.u.for_event = (uintptr_t)call}};
    g_mutex_init(&call->lock);
}

void xl_call_clear(XlCall *call)
{
    g_mutex_clear(&call->lock);
}

/* Who breaks it off finds it running, or is found by it when it begins. */
static void call_set(XlCall *call, Xl *xl)
{
    g_mutex_lock(&call->lock);
    call->xl = xl;
    if (xl != NULL && call->broken)
        libxl_ao_abort(xl->ctx, &call->how);
    g_mutex_unlock(&call->lock);
}

int xl_call_wait(XlCall *call, Xl *xl, int begun)
{
    libxl_event *event = NULL;

    if (begun != 0)
        return begun;
    call_set(call, xl);
    /* libxl's other events are not asked for; what it began it also ends. */
    while (libxl_event_wait(xl->ctx, &event, LIBXL_EVENTMASK_ALL, NULL, NULL) != 0)
        g_thread_yield();
    call_set(call, NULL);
    int rc = event->u.operation_complete.rc;
    libxl_event_free(xl->ctx, event);
    return rc;
}

void xl_call_break(XlCall *call)
{
    g_mutex_lock(&call->lock);
    if (!call->broken && call->xl != NULL)
        libxl_ao_abort(call->xl->ctx, &call->how);
    call->broken = TRUE;
    g_mutex_unlock(&call->lock);
}

/* -- codes -- */

/*
 * libxl has a code for want of memory, but builds that meet it fail without; a
 * restore that cannot give its domain pages says that a device is busy.
 */
static gboolean is_memory(const char *cause)
{
    return cause != NULL &&
           (strstr(cause, "Out of memory") != NULL || strstr(cause, "populate physmap") != NULL ||
            strstr(cause, g_strerror(ENOMEM)) != NULL);
}

static DomgrpErrorCode code_of(int rc, const char *cause)
{
    switch (rc) {
    case ERROR_NOMEM:
        return DOMGRP_ERROR_MEMORY;
    case ERROR_TIMEDOUT:
    case ERROR_GUEST_TIMEDOUT:
        return DOMGRP_ERROR_TIMEOUT;
    case ERROR_ABORTED:
        return DOMGRP_ERROR_CANCELLED;
    case ERROR_DOMAIN_NOTFOUND:
        return DOMGRP_ERROR_DOMAIN_UNKNOWN;
    case ERROR_NI:
    case ERROR_NOPARAVIRT:
    case ERROR_FEATURE_REMOVED:
        return DOMGRP_ERROR_NOT_SUPPORTED;
    default:
        return is_memory(cause) ? DOMGRP_ERROR_MEMORY : DOMGRP_ERROR_HOST;
    }
}

gboolean xl_fail(Xl *xl, int rc, GError **error, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    g_autofree char *what = g_strdup_vprintf(format, args);
    va_end(args);

    const char *name = libxl_error_to_string(rc);
    DomgrpErrorCode code = code_of(rc, xl->cause);
    if (xl->cause != NULL)
        g_set_error(error, DOMGRP_ERROR, (int)code, "%s: %s%s", what,
                    code == DOMGRP_ERROR_MEMORY ? "not enough memory is free: " : "", xl->cause);
    else
        g_set_error(error, DOMGRP_ERROR, (int)code, "%s: libxl failed with %s (%d)", what,
                    name != NULL ? name : "an unknown code", rc);
    return FALSE;
}
