/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "image-file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct ImageFile {
    char *path;
    char *name;       /* in its directory */
    char *unfinished; /* its name until then; NULL: none */
    int directory;
    int fd;
};

static gboolean fail(const char *path, const char *what, int errnoval, GError **error)
{
    const char *way_out = "";
    if (errnoval == EEXIST)
        way_out = "; remove it, or choose another name";
    else if (errnoval == ENOSPC || errnoval == EDQUOT)
        way_out = "; make room, or choose another place";
    g_set_error(error, DOMGRP_ERROR, DOMGRP_ERROR_FILE, "%s %s: %s%s", path, what,
                g_strerror(errnoval), way_out);
    return FALSE;
}

/* -- names -- */

/* Unique by the image's UUID; what does not fit of @name is left out. */
static char *unfinished_name(const char *name, const char *uuid)
{
    static const char word[] = ".domgrp-UNFINISHED-";
    int room = NAME_MAX - 1 - (int)strlen(word) - (DOMGRP_UUID_TEXT - 1);
    return g_strdup_printf(".%.*s%s%s", room, name, word, uuid);
}

static int directory_open(const char *path)
{
    g_autofree char *directory = g_path_get_dirname(path);
    return open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

/* -- creating -- */

static gboolean file_open(ImageFile *file, const char *uuid, gboolean nameless)
{
    /* Memory may hold what only root may read. */
    if (nameless) {
        file->fd = openat(file->directory, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
        if (file->fd >= 0 || (errno != EOPNOTSUPP && errno != EISDIR && errno != EINVAL))
            return file->fd >= 0;
    }
    file->unfinished = unfinished_name(file->name, uuid);
    file->fd =
        openat(file->directory, file->unfinished, O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, 0600);
    if (file->fd < 0)
        g_clear_pointer(&file->unfinished, g_free);
    return file->fd >= 0;
}

gboolean image_file_create(const char *path, const char *uuid, gboolean nameless,
                           ImageFile **ret_file, GError **error)
{
    ImageFile *file = g_new0(ImageFile, 1);
    struct stat there;
    gboolean good = FALSE;

    file->path = g_strdup(path);
    file->name = g_path_get_basename(path);
    file->fd = -1;
    file->directory = directory_open(path);
    if (file->directory < 0)
        fail(path, "cannot be written", errno, error);
    else if (fstatat(file->directory, file->name, &there, AT_SYMLINK_NOFOLLOW) == 0)
        fail(path, "cannot be written", EEXIST, error);
    else if (errno != ENOENT || !file_open(file, uuid, nameless))
        fail(path, "cannot be written", errno, error);
    else
        good = TRUE;
    if (good)
        *ret_file = file;
    else
        image_file_free(file);
    return good;
}

int image_file_fd(const ImageFile *file)
{
    return file->fd;
}

/* -- its end -- */

static gboolean name_by_link(ImageFile *file)
{
    g_autofree char *own = g_strdup_printf("/proc/self/fd/%d", file->fd);
    return linkat(AT_FDCWD, own, file->directory, file->name, AT_SYMLINK_FOLLOW) == 0;
}

/* A file system without hard links may still rename without writing over anything. */
static gboolean name_by_rename(ImageFile *file)
{
    if (renameat2(file->directory, file->unfinished, file->directory, file->name,
                  RENAME_NOREPLACE) != 0)
        return FALSE;
    g_clear_pointer(&file->unfinished, g_free);
    return TRUE;
}

static gboolean name_give(ImageFile *file)
{
    if (file->unfinished == NULL)
        return name_by_link(file);
    if (name_by_rename(file))
        return TRUE;
    if (errno == EEXIST ||
        linkat(file->directory, file->unfinished, file->directory, file->name, 0) != 0)
        return FALSE;
    unlinkat(file->directory, file->unfinished, 0);
    g_clear_pointer(&file->unfinished, g_free);
    return TRUE;
}

gboolean image_file_finish(ImageFile *file, GError **error)
{
    if (fsync(file->fd) != 0 || !name_give(file))
        return fail(file->path, "cannot be written", errno, error);
    if (fsync(file->directory) == 0)
        return TRUE;
    int errnoval = errno;
    unlinkat(file->directory, file->name, 0);
    return fail(file->path, "cannot be kept", errnoval, error);
}

void image_file_free(ImageFile *file)
{
    if (file == NULL)
        return;
    if (file->unfinished != NULL)
        unlinkat(file->directory, file->unfinished, 0);
    if (file->fd >= 0)
        close(file->fd);
    if (file->directory >= 0)
        close(file->directory);
    g_free(file->unfinished);
    g_free(file->path);
    g_free(file->name);
    g_free(file);
}

/* -- removing one -- */

/* Whether it removed anything in *@ret_removed. */
static gboolean remove_one(int directory, const char *name, const char *uuid,
                           gboolean (*is_it)(int fd, const char *uuid), gboolean *ret_removed)
{
    int fd = openat(directory, name, O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOFOLLOW);
    struct stat file;

    if (fd < 0)
        return errno == ENOENT || errno == ELOOP;
    gboolean is =
        fstat(fd, &file) == 0 && S_ISREG(file.st_mode) && (is_it == NULL || is_it(fd, uuid));
    close(fd);
    if (!is)
        return TRUE;
    if (unlinkat(directory, name, 0) != 0)
        return errno == ENOENT;
    *ret_removed = TRUE;
    return TRUE;
}

gboolean image_file_remove(const char *path, const char *uuid,
                           gboolean (*is_it)(int fd, const char *uuid), GError **error)
{
    g_autofree char *name = g_path_get_basename(path);
    g_autofree char *unfinished = unfinished_name(name, uuid);
    int directory = directory_open(path);
    gboolean removed = FALSE;

    if (directory < 0 && (errno == ENOENT || errno == ENOTDIR))
        return TRUE;
    if (directory < 0)
        return fail(path, "cannot be removed", errno, error);
    gboolean good = remove_one(directory, name, uuid, is_it, &removed) &&
                    remove_one(directory, unfinished, uuid, NULL, &removed) &&
                    (!removed || fsync(directory) == 0);
    int errnoval = errno;
    close(directory);
    return good || fail(path, "cannot be removed", errnoval, error);
}
