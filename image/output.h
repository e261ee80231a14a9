/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The writing end of an image: blocks go out one after the other, whole, each
 * with its sums and its place in the order, and are remembered for the index.
 */
#ifndef IMAGE_OUTPUT_H
#define IMAGE_OUTPUT_H

#include "codec.h"
#include "format.h"

/* Where it goes. Tests put their own in its place. */
typedef struct {
    gssize (*write)(gpointer data, const void *bytes, gsize length); /* as write(2) */
    gint64 (*clock)(gpointer data); /* microseconds; NULL: the host's */
    gpointer data;
} OutputTo;

typedef struct {
    OutputTo to;
    Codec *codec;
    guint64 seed;
    guint64 offset;  /* bytes written; atomic, since others look */
    GArray *entries; /* of BlockEntry */
    guint8 *buffer;  /* header and payload of a block */
    gsize room;
    guint pages;      /* since it was last looked at who waits for whom, */
    gint64 since_us;  /* when that was, */
    gint64 waited_us; /* and the time that writing took since then */
} Output;

/* Takes @codec. Writes the front of the file. */
gboolean output_init(Output *output, const OutputTo *to, Codec *codec, const ImageFront *front,
                     GError **error);
void output_clear(Output *output);
/* Writes a block of @type with @length bytes of payload, packed if that makes it smaller. */
gboolean output_block(Output *output, BlockType type, guint32 member, guint64 first, guint32 count,
                      const guint8 *payload, gsize length, GError **error);
/* Writes the index of what there is, and the end. */
gboolean output_end(Output *output, guint32 pages, guint32 members, GError **error);
guint64 output_written(const Output *output);

#endif
