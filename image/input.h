/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The reading end of an image: where its blocks are, and a block's payload with
 * everything about it checked. What does not allow seeking is copied first.
 */
#ifndef IMAGE_INPUT_H
#define IMAGE_INPUT_H

#include "codec.h"
#include "format.h"

typedef struct {
    BlockEntry entry;
    guint32 seq;
    gboolean seen; /* it was read and found good */
} Block;

typedef struct {
    int fd;
    int spool; /* the copy, or -1 */
    guint64 size;
    guint64 limit; /* of that; 0: any */
    ImageFront front;
    MarkState mark;
    guint64 seed;
    ImageEnd end;
    gboolean complete; /* the index and the end are there */
    gboolean ending;   /* of one that is followed, blocks of the index have come */
    GArray *blocks;    /* of Block, in the file's order, without index and end */
    Codec *codec;
    guint8 *packed;
    gsize room;
    guint64 progress; /* bytes of blocks seen; atomic, since others look */
} Input;

typedef struct {
    guint8 *bytes;
    gsize length;
    gsize room;
} Buffer;

void buffer_clear(Buffer *buffer);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Buffer, buffer_clear)

/* Finds out what the image is and where its blocks are; clear @input in any case. */
gboolean input_open(Input *input, int fd, gboolean damaged, const char *spool, GError **error);
void input_clear(Input *input);
/*
 * The same for an image that is still being made and comes in on @fd: input_next() copies a block
 * after the other. After the last one, with *@ret_more FALSE, index and end were found to fit them.
 * More than @limit bytes (0: any), or blocks much smaller than a writer makes them of so many, are
 * IMAGE.
 */
gboolean input_follow(Input *input, int fd, const char *spool, guint64 limit, GError **error);
/* Where there is a limit and @bytes are more: FALSE with IMAGE. */
gboolean input_allows(const Input *input, guint64 bytes, GError **error);
/* The same of so many blocks of it. */
gboolean input_allows_blocks(const Input *input, guint64 blocks, GError **error);
gboolean input_next(Input *input, int fd, gboolean *ret_more, GError **error);
/* The payload of @block, unpacked. */
gboolean input_read(Input *input, Block *block, Buffer *payload, GError **error);
/* Reads the front of an image, and no more. */
gboolean input_front(int fd, ImageFront *ret_front, MarkState *ret_mark, GError **error);

#endif
