/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Whether libxl starts our save helper: when there is one of this version,
 * which finds libxl's own, and nobody has chosen another. Without it a live
 * save works, too; each member stops then when its own helper likes.
 */
#include "private.h"

#include "align-wire.h"

#include <string.h>
#include <sys/stat.h>

#define DIRECTORY "/run/domgrp"
#define SOCKET DIRECTORY "/align.sock"
#define TIMEOUT_US (60 * G_USEC_PER_SEC)
#define OUTPUT_MAX 1000

/* libxl looks there when it starts a helper. */
#define LIBXL_ENV "LIBXL_SAVE_HELPER"

extern char **environ;

/* NULL if the helper can be used, else why not; free with g_free(). */
static char *helper_fault(void)
{
    static const char *const argv[] = {SAVE_HELPER, "--version", NULL};
    g_autoptr(GString) output = g_string_new(NULL);
    Child child = {.argv = argv,
                   .environment = (const char *const *)environ,
                   .directory = "/",
                   .file = -1,
                   .timeout_us = TIMEOUT_US,
                   .output_max = OUTPUT_MAX,
                   .drains = TRUE,
                   .out = output,
                   .err = output};
    ChildEnd end = child_run(&child);

    g_strstrip(output->str);
    if (end == CHILD_NOT_STARTED)
        return g_strdup_printf("%s cannot be started: %s", SAVE_HELPER, g_strerror(child.status));
    if (end != CHILD_EXITED)
        return g_strdup_printf("%s does not end", SAVE_HELPER);
    if (child.status != 0)
        return g_strdup_printf("%s fails: %s", SAVE_HELPER, output->str);
    if (strcmp(output->str, SAVE_HELPER_VERSION) != 0)
        return g_strdup_printf("%s is \"%s\" and not \"%s\"; install one version of both",
                               SAVE_HELPER, output->str, SAVE_HELPER_VERSION);
    return NULL;
}

static char *helper_start(HostXen *host)
{
    g_autoptr(GError) error = NULL;
    const char *other = g_getenv(LIBXL_ENV);
    if (other != NULL)
        return g_strdup_printf(LIBXL_ENV " in the environment is %s", other);
    char *fault = helper_fault();
    if (fault != NULL)
        return fault;
    mkdir(DIRECTORY, 0755);
    host->align = align_server_new(host->context, SOCKET, &error);
    if (host->align == NULL)
        return g_strdup(error->message);
    g_setenv(LIBXL_ENV, SAVE_HELPER, TRUE);
    g_setenv(ALIGN_ENV, SOCKET, TRUE);
    return NULL;
}

void helper_init(HostXen *host)
{
    g_autofree char *fault = helper_start(host);
    if (fault == NULL)
        g_message("members that are saved live stop together");
    else
        g_message("members that are saved live stop each by itself: %s", fault);
}

void helper_clear(HostXen *host)
{
    if (host->align == NULL)
        return;
    g_unsetenv(LIBXL_ENV);
    g_unsetenv(ALIGN_ENV);
    align_server_free(host->align);
}
