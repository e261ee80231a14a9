/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Compression of one block: a zstd frame, or the bytes as they are where that
 * is not smaller. A codec packs and unpacks any number of blocks, one at a time.
 */
#ifndef IMAGE_CODEC_H
#define IMAGE_CODEC_H

#include "image.h"

typedef struct Codec Codec;

typedef enum {
    CODEC_TEXT,  /* texts, pieces, the index */
    CODEC_PAGES, /* as the effort says */
} CodecUse;

Codec *codec_new(ImageEffort effort);
void codec_free(Codec *codec);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Codec, codec_free)

/* If the effort adapts: from now on pages cost more time and make fewer bytes, or the other way
 * round, as far as that goes. */
void codec_harder(Codec *codec);
void codec_lighter(Codec *codec);

/* Room for what codec_pack() makes of @length bytes. */
gsize codec_bound(gsize length);
/* Packs @bytes to @packed; returns the length, or 0 if that is not smaller: store them as they are.
 */
gsize codec_pack(Codec *codec, CodecUse use, const guint8 *bytes, gsize length, guint8 *packed);
/* Whether the @stored bytes are a frame of exactly @length bytes, which go to @bytes. */
gboolean codec_unpack(Codec *codec, const guint8 *packed, gsize stored, guint8 *bytes,
                      gsize length);

#endif
