/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Blocks through zstd. */
#include "codec.h"

#include <zstd.h>

/*
 * From little time to few bytes. Level 3 with small tables, which stay in the processor's nearest
 * caches, makes memory's pages as small as level 3 does in less time. Below -1 little time is saved
 * for many bytes, above the last a fiftieth of the bytes for twice the time: docs/benchmarks.md.
 */
static const struct {
    int level, chain_log, hash_log; /* 0: as the level has it */
} rungs[] = {{-1, 0, 0}, {1, 0, 0}, {3, 15, 16}};

struct Codec {
    gboolean adapts;
    guint rung; /* of pages */
    ZSTD_CCtx *pack[CODEC_PAGES + 1];
    ZSTD_DCtx *unpack;
};

Codec *codec_new(ImageEffort effort)
{
    Codec *codec = g_new0(Codec, 1);

    codec->adapts = effort == IMAGE_ADAPTIVE;
    codec->rung = effort == IMAGE_SMALL ? G_N_ELEMENTS(rungs) - 1 : 0;
    return codec;
}

void codec_free(Codec *codec)
{
    ZSTD_freeCCtx(codec->pack[CODEC_TEXT]);
    ZSTD_freeCCtx(codec->pack[CODEC_PAGES]);
    ZSTD_freeDCtx(codec->unpack);
    g_free(codec);
}

static ZSTD_CCtx *pack_context(Codec *codec, CodecUse use)
{
    if (codec->pack[use] == NULL)
        codec->pack[use] = ZSTD_createCCtx();
    ZSTD_CCtx *context = codec->pack[use];
    if (use == CODEC_TEXT) {
        ZSTD_CCtx_setParameter(context, ZSTD_c_compressionLevel, 3);
        return context;
    }
    ZSTD_CCtx_setParameter(context, ZSTD_c_compressionLevel, rungs[codec->rung].level);
    ZSTD_CCtx_setParameter(context, ZSTD_c_chainLog, rungs[codec->rung].chain_log);
    ZSTD_CCtx_setParameter(context, ZSTD_c_hashLog, rungs[codec->rung].hash_log);
    return context;
}

void codec_harder(Codec *codec)
{
    if (codec->adapts && codec->rung < G_N_ELEMENTS(rungs) - 1)
        codec->rung++;
}

void codec_lighter(Codec *codec)
{
    if (codec->adapts && codec->rung > 0)
        codec->rung--;
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
