/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The file of an image that is being written: it has no name, or where the
 * file system knows no such files one that says that it is unfinished, until
 * all of it is on the disk. Nothing that is there is ever written over.
 *
 * Errors are DOMGRP_ERROR_FILE with the path and the system's words.
 */
#ifndef HOST_XEN_IMAGE_FILE_H
#define HOST_XEN_IMAGE_FILE_H

#include "domgrp-error.h"
#include "domgrp-name.h"

G_BEGIN_DECLS

typedef struct ImageFile ImageFile;

/* Begins the file that will be at @path, which is absolute, for the image @uuid. @nameless: without
 * a name until then, if the file system can. */
gboolean image_file_create(const char *path, const char *uuid, gboolean nameless,
                           ImageFile **ret_file, GError **error);
int image_file_fd(const ImageFile *file);
/* Syncs the file, gives it its name, and syncs that. After a failure nothing is at the path. */
gboolean image_file_finish(ImageFile *file, GError **error);
/* What is not finished is gone then. */
void image_file_free(ImageFile *file);

/* Removes the file at @path if @is_it says so of it, and what is unfinished of the image @uuid;
 * syncs that. No error if there is none. */
gboolean image_file_remove(const char *path, const char *uuid,
                           gboolean (*is_it)(int fd, const char *uuid), GError **error);

G_END_DECLS

#endif
