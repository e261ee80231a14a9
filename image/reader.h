/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A reader's inside: what the parts that open, stream and verify an image have in common. */
#ifndef IMAGE_READER_H
#define IMAGE_READER_H

#include "cache.h"
#include "image.h"
#include "payload.h"

typedef struct {
    GArray *pieces; /* of guint: block numbers, in the stream's order */
    guint64 length; /* bytes of the stream that they stand for, without a hole */
    gboolean hole;  /* something is missing behind that */
    guint end;      /* block number of its end, or NO_BLOCK */
    MemberTotals totals;
} MemberPlan;

#define NO_BLOCK G_MAXUINT

struct ImageReader {
    Input input;
    Cache cache;
    GPtrArray *plans; /* of MemberPlan */
    ImageInfo *info;
    Buffer piece;     /* of the block that is looked at */
    guint8 *gathered; /* of the stream that is read */
};

/* Takes in what block @number of the input says, where it fits those before it. */
gboolean plan_block(ImageReader *reader, guint number, gboolean damaged, GError **error);
/* There are no more blocks: whether all is there, and what the reader knows of the image. */
gboolean plan_finish(ImageReader *reader, gboolean damaged, GError **error);
void plan_free(gpointer plan);

/* -- stream.c -- */

typedef struct Stream Stream;

/* The stream of @member; @sink may be NULL. */
Stream *stream_new(ImageReader *reader, guint member, ImageSink sink, gpointer data,
                   GCancellable *cancellable);
/* What @block, its next piece, stands for, whose payload is in the reader's piece. */
gboolean stream_put(Stream *stream, const Block *block, GError **error);
/* Whether that was all, and its sum is right. */
gboolean stream_end(Stream *stream, GError **error);
void stream_free(Stream *stream);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Stream, stream_free)

/* -- reader.c -- */

ImageReader *reader_new(void);
/* TRUE with an error if it was. */
gboolean reader_cancelled(GCancellable *cancellable, GError **error);
/* Reads what no stream needed; FALSE if that was cancelled. */
gboolean reader_verify_rest(ImageReader *reader, GCancellable *cancellable, GError **kept);

#endif
