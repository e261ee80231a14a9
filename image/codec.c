/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Blocks through zstd. */
#include "codec.h"

#include <zstd.h>

struct Codec {
    ImageEffort effort;
    ZSTD_CCtx *pack[CODEC_PAGES + 1];
    ZSTD_DCtx *unpack;
};

Codec *codec_new(ImageEffort effort)
{
    Codec *codec = g_new0(Codec, 1);

    codec->effort = effort;
    return codec;
}

void codec_free(Codec *codec)
{
    ZSTD_freeCCtx(codec->pack[CODEC_TEXT]);
    ZSTD_freeCCtx(codec->pack[CODEC_PAGES]);
    ZSTD_freeDCtx(codec->unpack);
    g_free(codec);
}

/*
 * Level 3 with small tables, which stay in the processor's nearest caches, takes memory's
 * pages as fast as level 1 does and makes them as small as level 3 does; bench/ has the figures.
 */
static ZSTD_CCtx *pack_context(Codec *codec, CodecUse use)
{
    ZSTD_CCtx *context = codec->pack[use];
    gboolean fast = use == CODEC_PAGES && codec->effort == IMAGE_FAST;

    if (context != NULL)
        return context;
    context = codec->pack[use] = ZSTD_createCCtx();
    ZSTD_CCtx_setParameter(context, ZSTD_c_compressionLevel, fast ? -1 : 3);
    if (use == CODEC_PAGES && !fast) {
        ZSTD_CCtx_setParameter(context, ZSTD_c_chainLog, 15);
        ZSTD_CCtx_setParameter(context, ZSTD_c_hashLog, 16);
    }
    return context;
}

gsize codec_bound(gsize length)
{
    return ZSTD_compressBound(length);
}

gsize codec_pack(Codec *codec, CodecUse use, const guint8 *bytes, gsize length, guint8 *packed)
{
    size_t n = ZSTD_compress2(pack_context(codec, use), packed, codec_bound(length), bytes, length);

    return ZSTD_isError(n) || n >= length ? 0 : n;
}

gboolean codec_unpack(Codec *codec, const guint8 *packed, gsize stored, guint8 *bytes, gsize length)
{
    if (codec->unpack == NULL)
        codec->unpack = ZSTD_createDCtx();
    size_t n = ZSTD_decompressDCtx(codec->unpack, bytes, length, packed, stored);
    return !ZSTD_isError(n) && n == length;
}
