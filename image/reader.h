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
    Buffer piece;
};

/* Reads the members' blocks, and what they say, into @reader. */
gboolean plan_image(ImageReader *reader, gboolean damaged, GError **error);
void plan_free(gpointer plan);

#endif
