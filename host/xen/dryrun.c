/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Reading an xl.cfg is xl's own work: `xl create --dryrun` with debug output
 * prints libxl's JSON. The text goes to it as a file in memory, in the
 * member's directory; a time-out and a bound keep it from going astray.
 */
#include "private.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

#define TIMEOUT_MS 60000
#define OUTPUT_MAX (4 * 1024 * 1024)

/* Where xl finds the text, whatever its number is here. */
#define TEXT_FD 3
#define TEXT_PATH "/proc/self/fd/3"

extern char **environ;

/* -- the child -- */

typedef struct {
    pid_t pid;
    int exited; /* a pidfd */
    int out;
    int err;
} Child;

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

/* Starts xl with @text, @out and @err as its files; an errno value. */
static int child_spawn(int text, int out, int err, const char *directory, pid_t *ret_pid)
{
    static char *const argv[] = {"xl", "create", "-q", "-n", "-d", TEXT_PATH, NULL};
    posix_spawn_file_actions_t files;
    posix_spawnattr_t attributes;
    sigset_t none, defaults;

    sigemptyset(&none);
    sigemptyset(&defaults);
    sigaddset(&defaults, SIGPIPE);
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setsigdefault(&attributes, &defaults);
    posix_spawn_file_actions_init(&files);
    posix_spawn_file_actions_addopen(&files, 0, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&files, out, 1);
    posix_spawn_file_actions_adddup2(&files, err, 2);
    posix_spawn_file_actions_adddup2(&files, text, TEXT_FD);
    posix_spawn_file_actions_addchdir_np(&files, directory);
    int failed = posix_spawnp(ret_pid, "xl", &files, &attributes, argv, environ);
    posix_spawn_file_actions_destroy(&files);
    posix_spawnattr_destroy(&attributes);
    return failed;
}

/* An fd above those that the child's files take, so that dup2 never meets its own source. */
static int fd_high(int fd)
{
    if (fd < 0 || fd > TEXT_FD)
        return fd;
    int high = fcntl(fd, F_DUPFD_CLOEXEC, TEXT_FD + 1);
    close(fd);
    return high;
}

static gboolean pipe_open(int ends[2])
{
    if (pipe2(ends, O_CLOEXEC) != 0)
        return FALSE;
    ends[1] = fd_high(ends[1]);
    return ends[1] >= 0;
}

static void fd_close(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

static gboolean child_start(Child *child, const char *text, const char *directory, GError **error)
{
    int out[2] = {-1, -1}, err[2] = {-1, -1};
    int file = fd_high(text_file(text));
    int failed = 0;

    *child = (Child){.exited = -1, .out = -1, .err = -1};
    if (file < 0 || !pipe_open(out) || !pipe_open(err))
        failed = errno;
    else
        failed = child_spawn(file, out[1], err[1], directory, &child->pid);
    fd_close(&file);
    fd_close(&out[1]);
    fd_close(&err[1]);
    child->out = out[0];
    child->err = err[0];
    if (failed == 0) {
        child->exited = pidfd_open(child->pid, 0);
        return TRUE;
    }
    fd_close(&child->out);
    fd_close(&child->err);
    g_set_error(error, DOMGRP_ERROR, DOMGRP_ERROR_HOST, "xl cannot be started in %s: %s", directory,
                g_strerror(failed));
    return FALSE;
}

/* Appends what @fd has to @output; closes it at its end. FALSE beyond the bound. */
static gboolean output_take(int *fd, GString *output)
{
    char buffer[4096];
    ssize_t n = read(*fd, buffer, sizeof(buffer));
    if (n > 0)
        g_string_append_len(output, buffer, n);
    else if (n == 0 || errno != EINTR)
        fd_close(fd);
    return output->len <= OUTPUT_MAX;
}

/* Collects the output until xl has exited and closed both; NULL, or what went wrong. */
static const char *child_watch(Child *child, GString *out, GString *err)
{
    gint64 deadline = g_get_monotonic_time() + (gint64)TIMEOUT_MS * 1000;

    while (child->out >= 0 || child->err >= 0 || child->exited >= 0) {
        struct pollfd polled[] = {
            {child->out, POLLIN, 0}, {child->err, POLLIN, 0}, {child->exited, POLLIN, 0}};
        gint64 left = (deadline - g_get_monotonic_time()) / 1000;
        if (left <= 0)
            return "it did not end in time";
        if (poll(polled, G_N_ELEMENTS(polled), (int)left) <= 0)
            continue;
        if ((polled[0].revents != 0 && !output_take(&child->out, out)) ||
            (polled[1].revents != 0 && !output_take(&child->err, err)))
            return "it prints without end";
        if (polled[2].revents != 0)
            fd_close(&child->exited);
    }
    return NULL;
}

static const char *child_finish(Child *child, GString *out, GString *err, int *ret_status)
{
    const char *wrong = child_watch(child, out, err);
    if (wrong != NULL)
        kill(child->pid, SIGKILL);
    while (waitpid(child->pid, ret_status, 0) < 0 && errno == EINTR)
        ;
    fd_close(&child->out);
    fd_close(&child->err);
    fd_close(&child->exited);
    return wrong;
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
    Child child;
    int status = 0;

    if (!child_start(&child, text, directory, error))
        return FALSE;
    const char *wrong = child_finish(&child, out, err, &status);
    if (wrong != NULL) {
        g_set_error(error, DOMGRP_ERROR, DOMGRP_ERROR_TIMEOUT, "%s: xl was ended: %s", path, wrong);
        return FALSE;
    }
    if (status != 0) {
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
