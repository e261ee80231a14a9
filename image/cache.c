/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Batches that were read last. */
#include "cache.h"

#define CACHE_BYTES (64u * 1024 * 1024)
#define CACHE_SLOTS_MIN 4u
#define CACHE_SLOTS_MAX 1024u

typedef struct {
    gboolean there;
    guint32 block; /* of the input */
    guint16 slot;  /* plus one; 0: not read */
} CacheBatch;

void cache_init(Cache *cache, Input *input)
{
    guint pages = input->front.batch_pages;

    *cache = (Cache){
        .input = input,
        .batch_pages = pages,
        .batches = g_array_new(FALSE, TRUE, sizeof(CacheBatch)),
        .n_slots = CLAMP(CACHE_BYTES / (pages * FORMAT_PAGE), CACHE_SLOTS_MIN, CACHE_SLOTS_MAX)};
    cache->slots = g_new0(CacheSlot, cache->n_slots);
}

void cache_clear(Cache *cache)
{
    for (guint i = 0; i < cache->n_slots; i++)
        buffer_clear(&cache->slots[i].buffer);
    g_clear_pointer(&cache->slots, g_free);
    g_clear_pointer(&cache->batches, g_array_unref);
}

static const BlockEntry *entry_of(const Cache *cache, guint32 block)
{
    return &g_array_index(cache->input->blocks, Block, block).entry;
}

gboolean cache_add(Cache *cache, guint block)
{
    const BlockEntry *entry = entry_of(cache, block);
    guint64 batch = entry->first / cache->batch_pages;

    if (entry->first % cache->batch_pages != 0 || entry->first > FORMAT_PAGES_MAX ||
        entry->count < 1 || entry->count > cache->batch_pages || batch > FORMAT_BLOCKS_MAX ||
        !input_allows_blocks(cache->input, batch + 1, NULL))
        return FALSE;
    if (batch >= cache->batches->len)
        g_array_set_size(cache->batches, (guint)batch + 1);
    CacheBatch *at = &g_array_index(cache->batches, CacheBatch, batch);
    if (at->there)
        return FALSE;
    *at = (CacheBatch){.there = TRUE, .block = block};
    return TRUE;
}

gboolean cache_has(const Cache *cache, guint64 batch)
{
    return batch < cache->batches->len && g_array_index(cache->batches, CacheBatch, batch).there;
}

gboolean cache_whole(const Cache *cache, guint64 pages)
{
    guint n = cache->batches->len;
    guint64 sum = 0;

    for (guint i = 0; i < n; i++) {
        const CacheBatch *batch = &g_array_index(cache->batches, CacheBatch, i);
        if (!batch->there)
            return FALSE;
        guint count = entry_of(cache, batch->block)->count;
        if (i + 1 < n && count != cache->batch_pages)
            return FALSE;
        sum += count;
    }
    return sum == pages;
}

static CacheSlot *oldest(Cache *cache)
{
    CacheSlot *found = cache->slots;

    for (guint i = 1; i < cache->n_slots && found->stamp > 0; i++) {
        if (cache->slots[i].stamp < found->stamp)
            found = &cache->slots[i];
    }
    return found;
}

static CacheSlot *load(Cache *cache, guint32 batch, GError **error)
{
    CacheBatch *at = &g_array_index(cache->batches, CacheBatch, batch);
    CacheSlot *slot = oldest(cache);

    if (slot->stamp > 0)
        g_array_index(cache->batches, CacheBatch, slot->batch).slot = 0;
    slot->stamp = 0;
    if (!input_read(cache->input, &g_array_index(cache->input->blocks, Block, at->block),
                    &slot->buffer, error))
        return NULL;
    slot->batch = batch;
    at->slot = (guint16)(slot - cache->slots + 1);
    return slot;
}

const guint8 *cache_pages(Cache *cache, guint64 number, guint64 n, guint *ret_n, GError **error)
{
    guint64 batch = number / cache->batch_pages;
    guint in_batch = number % cache->batch_pages;
    CacheBatch *at =
        batch < cache->batches->len ? &g_array_index(cache->batches, CacheBatch, batch) : NULL;

    if (at == NULL || !at->there || in_batch >= entry_of(cache, at->block)->count) {
        g_set_error(error, DOMGRP_ERROR, DOMGRP_ERROR_IMAGE,
                    "the image has no page %" G_GUINT64_FORMAT, number);
        return NULL;
    }
    CacheSlot *slot =
        at->slot > 0 ? &cache->slots[at->slot - 1] : load(cache, (guint32)batch, error);
    if (slot == NULL)
        return NULL;
    slot->stamp = ++cache->clock;
    *ret_n = (guint)MIN(n, entry_of(cache, at->block)->count - in_batch);
    return slot->buffer.bytes + (gsize)in_batch * FORMAT_PAGE;
}
