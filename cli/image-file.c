/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* An image that a command reads, by its path or from standard input. */
#include "image-file.h"

#include <unistd.h>

gboolean image_file_open(ImageFile *file, const char *path, GError **error)
{
    file->name = source_name(path);
    file->fd = source_open(path, error);
    if (file->fd < 0)
        return FALSE;
    file->reader = image_reader_new(file->fd, TRUE, NULL, error);
    if (file->reader != NULL)
        return TRUE;
    image_file_blame(file, error);
    return FALSE;
}

void image_file_blame(const ImageFile *file, GError **error)
{
    g_prefix_error(error, "%s: ", file->name);
}

guint64 image_file_progress(gpointer data)
{
    const ImageFile *file = data;
    return image_reader_progress(file->reader);
}

void image_file_clear(ImageFile *file)
{
    g_clear_pointer(&file->reader, image_reader_free);
    if (file->fd >= 0)
        close(file->fd);
}
