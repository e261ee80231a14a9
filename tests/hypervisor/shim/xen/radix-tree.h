/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Xen's interface on two fixed levels: enough for 15-bit indices. */
#ifndef SHIM_RADIX_TREE_H
#define SHIM_RADIX_TREE_H

#include <xen/types.h>

struct radix_tree_root { struct fake_radix_top *top; };

void radix_tree_init(struct radix_tree_root *root);
void radix_tree_destroy(struct radix_tree_root *root, void (*slot_free)(void *));
int radix_tree_insert(struct radix_tree_root *root, unsigned long index, void *item);
void *radix_tree_lookup(struct radix_tree_root *root, unsigned long index);
void *radix_tree_delete(struct radix_tree_root *root, unsigned long index);
unsigned int radix_tree_gang_lookup(struct radix_tree_root *root, void **results,
                                    unsigned long first_index, unsigned int max_items);

#endif
