/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Reading an xl.cfg is xl's own work: `xl create --dryrun` with debug output
 * prints libxl's JSON. The text goes to it as a file in memory, in the
 * member's directory; a time-out and a bound keep it from going astray.
 */
#include "private.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define TIMEOUT_US (60 * G_USEC_PER_SEC)
#define OUTPUT_MAX (4 * 1024 * 1024)

/* Where xl finds the text, whatever its number is here. */
#define TEXT_PATH "/proc/self/fd/" G_STRINGIFY(CHILD_FILE)

extern char **environ;

static int text_file(const char *text)
{
    int fd = memfd_create("xl.cfg", MFD_CLOEXEC);
    gsize length = strlen(text), done = 0;

    while (fd >= 0 && done < length) {
        ssize_t n = write(fd, text + done, length - done);
        if (n < 0 && errno != EINTR) {
            close(fd);
            return -1;
        }
        done += n > 0 ? (gsize)n : 0;
    }
    return fd;
}

static ChildEnd xl_run(Child *child, const char *text)
{
    static const char *const argv[] = {"xl", "create", "-q", "-n", "-d", TEXT_PATH, NULL};
    child->argv = argv;
    child->environment = (const char *const *)environ;
    child->timeout_us = TIMEOUT_US;
    child->output_max = OUTPUT_MAX;
    child->file = text_file(text);
    if (child->file < 0) {
        child->status = errno;
        return CHILD_NOT_STARTED;
    }
    ChildEnd end = child_run(child);
    close(child->file);
    return end;
}

/* -- what it said -- */

/* xl's words as one line, with the member's path where it names our file. */
static char *words_of(const GString *err, const char *path)
{
    g_autofree char *valid = g_utf8_make_valid(err->str, (gssize)MIN(err->len, 2000));
    g_auto(GStrv) lines = g_strsplit(valid, "\n", -1);
    g_autoptr(GString) words = g_string_new(NULL);

    for (char **line = lines; *line != NULL; line++) {
        if (g_strstrip(*line)[0] != '\0')
            g_string_append_printf(words, "%s%s", words->len > 0 ? "; " : "", *line);
    }
    g_string_replace(words, TEXT_PATH, path, 0);
    return g_string_free(g_steal_pointer(&words), FALSE);
}

gboolean dryrun(const char *path, const char *text, const char *directory, char **ret_json,
                GError **error)
{
    g_autoptr(GString) out = g_string_new(NULL);
    g_autoptr(GString) err = g_string_new(NULL);
    Child child = {.directory = directory, .out = out, .err = err};
    ChildEnd end = xl_run(&child, text);

    if (end == CHILD_NOT_STARTED) {
        g_set_error(error, DOMGRP_ERROR, DOMGRP_ERROR_HOST, "xl cannot be started in %s: %s",
                    directory, g_strerror(child.status));
        return FALSE;
    }
    if (end != CHILD_EXITED) {
        g_set_error(error, DOMGRP_ERROR, DOMGRP_ERROR_TIMEOUT, "%s: xl was ended: %s", path,
                    end == CHILD_LATE ? "it did not end in time" : "it prints without end");
        return FALSE;
    }
    if (child.status != 0) {
        g_autofree char *words = words_of(err, path);
        g_set_error(error, DOMGRP_ERROR, DOMGRP_ERROR_MEMBER_CONFIG, "xl refuses %s: %s", path,
                    words[0] != '\0' ? words : "it does not say why");
        return FALSE;
    }
    const char *json = out->str + strspn(out->str, " \t\n");
    if (*json == '(') {
        g_set_error(error, DOMGRP_ERROR, DOMGRP_ERROR_HOST,
                    "xl prints %s as SXP; remove output_format=\"sxp\" from /etc/xen/xl.conf",
                    path);
        return FALSE;
    }
    *ret_json = g_strdup(json);
    return TRUE;
}
