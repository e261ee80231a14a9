/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One daemon a state directory. */
#include "lock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "service.h"

static void fail(const char *path, GError **error)
{
    g_set_error(error, DOMGRP_ERROR, DOMGRP_ERROR_FILE, "%s cannot be locked: %s", path,
                g_strerror(errno));
}

static void fail_taken(int fd, const char *path, GError **error)
{
    struct flock holder = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    if (fcntl(fd, F_GETLK, &holder) < 0 || holder.l_type == F_UNLCK)
        holder.l_pid = 0;
    g_set_error(error, DOMGRP_ERROR, DOMGRP_ERROR_LOCKED,
                "another domgrpd, process %d, holds %s; stop it first", (int)holder.l_pid, path);
}

/* The number is for people; the lock does not depend on it. */
static void write_pid(int fd)
{
    char text[32];
    int length = snprintf(text, sizeof(text), "%d\n", (int)getpid());
    if (ftruncate(fd, 0) < 0 || pwrite(fd, text, length, 0) != length)
        service_log(SERVICE_WARNING, "the lock file does not take the process's number: %s",
                    g_strerror(errno));
}

int lock_take(const char *directory, GError **error)
{
    g_autofree char *path = g_build_filename(directory, "lock", NULL);
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    if (g_mkdir_with_parents(directory, 0700) < 0) {
        fail(path, error);
        return -1;
    }
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0) {
        fail(path, error);
        return -1;
    }
    if (fcntl(fd, F_SETLK, &lock) == 0) {
        write_pid(fd);
        return fd;
    }
    if (errno == EACCES || errno == EAGAIN)
        fail_taken(fd, path, error);
    else
        fail(path, error);
    close(fd);
    return -1;
}
