/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Blocks through zstd. */
#include "codec.h"

#include <zstd.h>

struct Codec {
    ZSTD_CCtx *pack;
    ZSTD_DCtx *unpack;
    int levels[CODEC_PAGES + 1];
};

Codec *codec_new(ImageEffort effort)
{
    Codec *codec = g_new0(Codec, 1);

    codec->levels[CODEC_TEXT] = 3;
    codec->levels[CODEC_PAGES] = effort == IMAGE_FAST ? -5 : 1;
    return codec;
}

void codec_free(Codec *codec)
{
    ZSTD_freeCCtx(codec->pack);
    ZSTD_freeDCtx(codec->unpack);
    g_free(codec);
}

gsize codec_bound(gsize length)
{
    return ZSTD_compressBound(length);
}

gsize codec_pack(Codec *codec, CodecUse use, const guint8 *bytes, gsize length, guint8 *packed)
{
    if (codec->pack == NULL)
        codec->pack = ZSTD_createCCtx();
    ZSTD_CCtx_setParameter(codec->pack, ZSTD_c_compressionLevel, codec->levels[use]);
    size_t n = ZSTD_compress2(codec->pack, packed, codec_bound(length), bytes, length);
    return ZSTD_isError(n) || n >= length ? 0 : n;
}

gboolean codec_unpack(Codec *codec, const guint8 *packed, gsize stored, guint8 *bytes, gsize length)
{
    if (codec->unpack == NULL)
        codec->unpack = ZSTD_createDCtx();
    size_t n = ZSTD_decompressDCtx(codec->unpack, bytes, length, packed, stored);
    return !ZSTD_isError(n) && n == length;
}
