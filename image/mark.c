/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What is done at the front of an image without reading the rest: its name, and the mark of use. */
#include "input.h"
#include "payload.h"

#include <errno.h>
#include <unistd.h>

gboolean image_identify(int fd, char ret_uuid[DOMGRP_UUID_TEXT], GError **error)
{
    ImageFront front;
    MarkState mark;

    if (!input_front(fd, &front, &mark, error))
        return FALSE;
    domgrp_uuid_text(front.uuid, ret_uuid);
    return TRUE;
}

static gboolean write_mark(int fd, const guint8 mark[FORMAT_MARK])
{
    gssize n;

    do
        n = pwrite(fd, mark, FORMAT_MARK, FORMAT_FRONT);
    while (n < 0 && errno == EINTR);
    if (n >= 0 && n < FORMAT_MARK)
        errno = ENOSPC;
    return n == FORMAT_MARK && fdatasync(fd) == 0;
}

gboolean image_mark_used(int fd, GError **error)
{
    guint8 mark[FORMAT_MARK];
    ImageFront front;
    MarkState state;

    if (!input_front(fd, &front, &state, error))
        return FALSE;
    /* A mark that is there is written again: who wrote it may have died before it was synced. A
     * broken one is such a mark. */
    format_put_mark(front.uuid, mark);
    if (write_mark(fd, mark))
        return TRUE;
    g_set_error(error, DOMGRP_ERROR, DOMGRP_ERROR_FILE,
                "the image cannot be marked used: %s; make its file writable", g_strerror(errno));
    return FALSE;
}
