/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the commands that read an image share. */
#ifndef CLI_IMAGE_FILE_H
#define CLI_IMAGE_FILE_H

#include "cli.h"
#include "image.h"

typedef struct {
    int fd;           /* -1: none */
    const char *name; /* for messages */
    ImageReader *reader;
} ImageFile;

/* Opens @path, "-" for standard input, even if its end is missing. */
gboolean image_file_open(ImageFile *file, const char *path, GError **error);
/* Puts the name before what the image library says. */
void image_file_blame(const ImageFile *file, GError **error);
/* A MeterRead; @data is an ImageFile. */
guint64 image_file_progress(gpointer data);
void image_file_clear(ImageFile *file);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(ImageFile, image_file_clear)

#endif
