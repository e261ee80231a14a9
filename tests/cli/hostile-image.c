/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Prints a whole image, good in all its sums, whose names and texts are written for a terminal and
 * for paths that are not ours.
 */
#include <stdio.h>
#include <unistd.h>

#include "image.h"

#define EVIL                                                                                       \
    "\033[2J\a\xc2\x9b"                                                                            \
    "1m\r\n\t\xe2\x80\xae"

static void member_write(ImageWriter *writer, const char *uuid, const char *name)
{
    g_autoptr(GError) error = NULL;
    guint member;
    if (!image_writer_member(writer, uuid, name, NULL, &member, &error) ||
        !image_writer_write(writer, member, "no stream", 9, &error) ||
        !image_writer_end(writer, member, &error))
        g_error("%s", error->message);
}

int main(void)
{
    g_autoptr(GError) error = NULL;
    ImageSpec spec = {.group_name = EVIL "group"};
    g_autoptr(ImageWriter) writer = image_writer_new(STDOUT_FILENO, &spec, &error);
    if (writer == NULL)
        g_error("%s", error->message);
    member_write(writer, "00000000-0000-4000-8000-000000000001", EVIL "member");
    member_write(writer, "00000000-0000-4000-8000-000000000002", "../../escape");
    member_write(writer, "00000000-0000-4000-8000-000000000003", "-rf");
    if (!image_writer_disks(writer, EVIL "disk\nvg/second\n", &error) ||
        !image_writer_finish(writer, &error))
        g_error("%s", error->message);
    return 0;
}
