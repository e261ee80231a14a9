/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Files that commands read and write as streams. A file that is written has
 * no name until it is whole, or, where the file system cannot do that, a name
 * of its own beside the one it is to have; it never takes the place of another
 * one unless that is asked for. "-" is standard input or output.
 */
#include "cli.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static gboolean fail(const char *path, const char *why, GError **error)
{
    g_set_error(error, DOMGRP_ERROR, DOMGRP_ERROR_FILE, "%s: %s", path, why);
    return FALSE;
}

static gboolean fail_errno(const char *path, GError **error)
{
    return fail(path, g_strerror(errno), error);
}

static gboolean is_stream(const char *path)
{
    return strcmp(path, "-") == 0;
}

/* -- reading -- */

const char *source_name(const char *path)
{
    return is_stream(path) ? "standard input" : path;
}

int source_open(const char *path, GError **error)
{
    int fd = is_stream(path) ? fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3)
                             : open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        fail_errno(source_name(path), error);
        return -1;
    }
    if (isatty(fd)) {
        close(fd);
        g_set_error(error, DOMGRP_ERROR, DOMGRP_ERROR_USAGE,
                    "%s is a terminal: name a file, or lead one to standard input",
                    source_name(path));
        return -1;
    }
    return fd;
}

/* -- writing -- */

/* What is there may be replaced if that is asked for, but only a file. */
static gboolean place_check(const Target *target, GError **error)
{
    struct stat info;
    if (lstat(target->path, &info) != 0)
        return errno == ENOENT || fail_errno(target->path, error);
    if (!target->force)
        return fail(target->path,
                    "something is there already: choose another name, or replace it by --force",
                    error);
    return S_ISREG(info.st_mode) || fail(target->path, "this is no regular file", error);
}

/* A name beside the one that the file is to have. */
static char *name_beside(const Target *target)
{
    g_autofree char *directory = g_path_get_dirname(target->path);
    g_autofree char *name = g_strdup_printf(".domgrp-%08x%08x", g_random_int(), g_random_int());
    return g_build_filename(directory, name, NULL);
}

static gboolean open_named(Target *target, GError **error)
{
    target->beside = name_beside(target);
    target->fd = open(target->beside, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (target->fd >= 0)
        return TRUE;
    g_clear_pointer(&target->beside, g_free);
    return fail_errno(target->path, error);
}

static gboolean open_file(Target *target, GError **error)
{
    g_autofree char *directory = g_path_get_dirname(target->path);
    if (!place_check(target, error))
        return FALSE;
    target->fd = open(directory, O_TMPFILE | O_WRONLY | O_CLOEXEC, 0600);
    if (target->fd >= 0)
        return TRUE;
    if (errno == EOPNOTSUPP || errno == EISDIR || errno == EINVAL)
        return open_named(target, error);
    return fail_errno(target->path, error);
}

gboolean target_open(Target *target, const char *path, gboolean force, GError **error)
{
    *target = (Target){.fd = -1, .path = g_strdup(path), .force = force};
    target->is_stdout = is_stream(path);
    if (!target->is_stdout)
        return open_file(target, error);
    if (isatty(STDOUT_FILENO)) {
        g_set_error(error, DOMGRP_ERROR, DOMGRP_ERROR_USAGE,
                    "this is not for a terminal: name a file, or lead standard output into one");
        return FALSE;
    }
    target->fd = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);
    return target->fd >= 0 || fail_errno("standard output", error);
}

gboolean target_write(gpointer data, const void *bytes, gsize length, GError **error)
{
    Target *target = data;
    const char *at = bytes;
    while (length > 0) {
        ssize_t done = write(target->fd, at, length);
        if (done < 0 && errno == EINTR)
            continue;
        target->failed = done < 0;
        if (done < 0)
            return fail_errno(target->is_stdout ? "standard output" : target->path, error);
        at += done;
        length -= done;
    }
    return TRUE;
}

/* Gives the file, which has none, a name beside its own. */
static gboolean name_give(Target *target)
{
    char self[64];
    snprintf(self, sizeof(self), "/proc/self/fd/%d", target->fd);
    g_autofree char *name = name_beside(target);
    if (linkat(AT_FDCWD, self, AT_FDCWD, name, AT_SYMLINK_FOLLOW) != 0)
        return FALSE;
    target->beside = g_steal_pointer(&name);
    return TRUE;
}

gboolean target_finish(Target *target, GError **error)
{
    if (target->is_stdout)
        return TRUE;
    if (fsync(target->fd) != 0 || (target->beside == NULL && !name_give(target)))
        return fail_errno(target->path, error);
    /* link() never replaces a file; rename() does. */
    if ((target->force ? rename(target->beside, target->path)
                       : link(target->beside, target->path)) != 0)
        return fail_errno(target->path, error);
    if (target->force)
        g_clear_pointer(&target->beside, g_free);
    return TRUE;
}

void target_clear(Target *target)
{
    if (target->beside != NULL)
        unlink(target->beside);
    if (target->fd >= 0)
        close(target->fd);
    g_free(target->beside);
    g_free(target->path);
}
