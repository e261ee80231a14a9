/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Distinct pages. Tags and owners lie in arrays that the kernel moves without copying; the table
 * has page numbers plus one (0: free) and is at most half full.
 */
#include "pages.h"

#include "format.h"
#include "image.h"

#include <openssl/evp.h>
#include <openssl/rand.h>
#include <string.h>
#include <sys/mman.h>

#define KEY 32
#define FIRST_SLOTS 4096u

typedef struct {
    guint64 half[2];
} Tag;

struct Pages {
    EVP_MAC_CTX *mac;
    guint8 key[KEY];
    Tag *tags;
    guint16 *owners;
    guint32 *slots;
    guint64 n_slots;
    guint64 room; /* pages that fit into the arrays */
    guint32 count;
    gsize most;
};

static gsize tags_size(guint64 room)
{
    return room * sizeof(Tag);
}

static gsize owners_size(guint64 room)
{
    return room * sizeof(guint16);
}

static gsize slots_size(guint64 n)
{
    return n * sizeof(guint32);
}

static void *map(gsize size)
{
    void *at = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    return at == MAP_FAILED ? NULL : at;
}

static gboolean no_memory(GError **error)
{
    g_set_error(error, DOMGRP_ERROR, DOMGRP_ERROR_MEMORY,
                "there is no memory for the list of pages; free some, or pack fewer members");
    return FALSE;
}

static gboolean make_mac(Pages *pages, GError **error)
{
    EVP_MAC *poly1305 = EVP_MAC_fetch(NULL, "POLY1305", NULL);

    pages->mac = poly1305 != NULL ? EVP_MAC_CTX_new(poly1305) : NULL;
    EVP_MAC_free(poly1305);
    if (pages->mac != NULL && RAND_bytes(pages->key, KEY) == 1)
        return TRUE;
    g_set_error(error, DOMGRP_ERROR, DOMGRP_ERROR_INTERNAL,
                "OpenSSL has no Poly1305 or no random numbers; check its configuration");
    return FALSE;
}

Pages *pages_new(GError **error)
{
    g_autoptr(Pages) pages = g_new0(Pages, 1);

    if (!make_mac(pages, error))
        return NULL;
    pages->n_slots = FIRST_SLOTS;
    pages->room = FIRST_SLOTS / 2;
    pages->tags = map(tags_size(pages->room));
    pages->owners = map(owners_size(pages->room));
    pages->slots = map(slots_size(pages->n_slots));
    if (pages->tags == NULL || pages->owners == NULL || pages->slots == NULL) {
        no_memory(error);
        return NULL;
    }
    pages->most = pages_memory(pages, NULL);
    return g_steal_pointer(&pages);
}

void pages_free(Pages *pages)
{
    if (pages->tags != NULL)
        munmap(pages->tags, tags_size(pages->room));
    if (pages->owners != NULL)
        munmap(pages->owners, owners_size(pages->room));
    if (pages->slots != NULL)
        munmap(pages->slots, slots_size(pages->n_slots));
    EVP_MAC_CTX_free(pages->mac);
    explicit_bzero(pages->key, KEY);
    g_free(pages);
}

gboolean pages_is_zero(const guint8 *page)
{
    for (guint i = 0; i < FORMAT_PAGE; i += 64) {
        guint64 w[8];
        memcpy(w, page + i, sizeof w);
        if ((w[0] | w[1] | w[2] | w[3] | w[4] | w[5] | w[6] | w[7]) != 0)
            return FALSE;
    }
    return TRUE;
}

static gboolean page_tag(Pages *pages, const guint8 *page, Tag *ret_tag)
{
    gsize length;

    return EVP_MAC_init(pages->mac, pages->key, KEY, NULL) == 1 &&
           EVP_MAC_update(pages->mac, page, FORMAT_PAGE) == 1 &&
           EVP_MAC_final(pages->mac, (guint8 *)ret_tag, &length, sizeof *ret_tag) == 1 &&
           length == sizeof *ret_tag;
}

/* The slot that has the page of @tag, or the free one where it would go. */
static guint64 find_slot(const Pages *pages, const Tag *tag)
{
    guint64 mask = pages->n_slots - 1, at = tag->half[0] & mask;

    for (guint32 number; (number = pages->slots[at]) != 0; at = (at + 1) & mask) {
        const Tag *other = &pages->tags[number - 1];
        if (other->half[0] == tag->half[0] && other->half[1] == tag->half[1])
            break;
    }
    return at;
}

static gboolean grow_slots(Pages *pages)
{
    guint32 *old = pages->slots;
    guint64 mask = pages->n_slots * 2 - 1;
    guint32 *slots = map(slots_size(pages->n_slots * 2));

    if (slots == NULL)
        return FALSE;
    for (guint32 number = 0; number < pages->count; number++) {
        guint64 at = pages->tags[number].half[0] & mask;
        while (slots[at] != 0)
            at = (at + 1) & mask;
        slots[at] = number + 1;
    }
    pages->most = MAX(pages->most, pages_memory(pages, NULL) + slots_size(pages->n_slots * 2));
    pages->slots = slots;
    munmap(old, slots_size(pages->n_slots));
    pages->n_slots *= 2;
    return TRUE;
}

/* Arrays grow by an eighth: mremap() copies nothing. */
static gboolean grow_arrays(Pages *pages)
{
    guint64 room = pages->room + MAX(pages->room / 8, FIRST_SLOTS) / FIRST_SLOTS * FIRST_SLOTS;
    void *tags = mremap(pages->tags, tags_size(pages->room), tags_size(room), MREMAP_MAYMOVE);

    if (tags == MAP_FAILED)
        return FALSE;
    pages->tags = tags;
    void *owners =
        mremap(pages->owners, owners_size(pages->room), owners_size(room), MREMAP_MAYMOVE);
    if (owners == MAP_FAILED) {
        mremap(pages->tags, tags_size(room), tags_size(pages->room), 0);
        return FALSE;
    }
    pages->owners = owners;
    pages->room = room;
    pages->most = MAX(pages->most, pages_memory(pages, NULL));
    return TRUE;
}

static gboolean make_room(Pages *pages, GError **error)
{
    if (pages->count >= FORMAT_PAGES_MAX) {
        g_set_error(error, DOMGRP_ERROR, DOMGRP_ERROR_VALUE,
                    "an image has no more than %u distinct pages; save fewer members in it",
                    FORMAT_PAGES_MAX);
        return FALSE;
    }
    if ((guint64)pages->count * 2 >= pages->n_slots && !grow_slots(pages))
        return no_memory(error);
    if (pages->count == pages->room && !grow_arrays(pages))
        return no_memory(error);
    return TRUE;
}

gboolean pages_find(Pages *pages, const guint8 *page, guint16 member, guint32 *ret_number,
                    gboolean *ret_new, guint16 *ret_owner, GError **error)
{
    Tag tag;

    if (!make_room(pages, error))
        return FALSE;
    if (!page_tag(pages, page, &tag)) {
        g_set_error(error, DOMGRP_ERROR, DOMGRP_ERROR_INTERNAL, "OpenSSL could not hash a page");
        return FALSE;
    }
    guint64 slot = find_slot(pages, &tag);
    *ret_new = pages->slots[slot] == 0;
    if (*ret_new) {
        pages->tags[pages->count] = tag;
        pages->owners[pages->count] = member;
        pages->slots[slot] = ++pages->count;
    }
    *ret_number = pages->slots[slot] - 1;
    *ret_owner = pages->owners[*ret_number];
    return TRUE;
}

guint32 pages_count(const Pages *pages)
{
    return pages->count;
}

gsize pages_memory(const Pages *pages, gsize *ret_most)
{
    if (ret_most != NULL)
        *ret_most = pages->most;
    return tags_size(pages->room) + owners_size(pages->room) + slots_size(pages->n_slots);
}
