/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The reader's batches of pages, unpacked, so many as fit into a bounded memory; the least used
 * goes. */
#ifndef IMAGE_CACHE_H
#define IMAGE_CACHE_H

#include "input.h"

typedef struct {
    Buffer buffer;
    guint32 batch;
    guint64 stamp; /* of its last use; 0: empty */
} CacheSlot;

typedef struct {
    Input *input;
    guint batch_pages;
    GArray *batches; /* of CacheBatch */
    CacheSlot *slots;
    guint n_slots;
    guint64 clock;
} Cache;

void cache_init(Cache *cache, Input *input);
void cache_clear(Cache *cache);
/* Says that block number @block of the input has a batch; FALSE if it cannot be that one. */
gboolean cache_add(Cache *cache, guint block);
gboolean cache_has(const Cache *cache, guint64 batch);
/* TRUE if there are no holes and the batches have @pages pages together. */
gboolean cache_whole(const Cache *cache, guint64 pages);
/* Page @number and up to @n - 1 more that lie behind it; how many: *@ret_n. Valid until the next
 * call. */
const guint8 *cache_pages(Cache *cache, guint64 number, guint64 n, guint *ret_n, GError **error);

#endif
