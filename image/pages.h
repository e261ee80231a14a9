/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The writer's memory of every distinct page: 128 bits of a keyed hash and who
 * brought it first, found by open addressing. At most 64 bytes a page while it
 * grows. The key is random, lives as long as this object and is never written:
 * docs/group-image.md says why.
 */
#ifndef IMAGE_PAGES_H
#define IMAGE_PAGES_H

#include <glib.h>

typedef struct Pages Pages;

Pages *pages_new(GError **error);
void pages_free(Pages *pages);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Pages, pages_free)

gboolean pages_is_zero(const guint8 *page);
/*
 * The number of @page, which is new or not, and the member that had it first: @member if it is
 * new. FALSE when there are too many pages or there is no more memory.
 */
gboolean pages_find(Pages *pages, const guint8 *page, guint16 member, guint32 *ret_number,
                    gboolean *ret_new, guint16 *ret_owner, GError **error);
guint32 pages_count(const Pages *pages);
/* Bytes that it holds now, and held at most. */
gsize pages_memory(const Pages *pages, gsize *ret_most);

#endif
