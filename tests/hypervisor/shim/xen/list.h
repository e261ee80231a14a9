/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef SHIM_LIST_H
#define SHIM_LIST_H

#include <xen/lib.h>

struct list_head { struct list_head *next, *prev; };
struct hlist_node { struct hlist_node *next, **pprev; };
struct hlist_head { struct hlist_node *first; };

static inline void INIT_LIST_HEAD(struct list_head *head)
{
    head->next = head->prev = head;
}

static inline void list_add_tail(struct list_head *node, struct list_head *head)
{
    node->next = head;
    node->prev = head->prev;
    head->prev->next = node;
    head->prev = node;
}

static inline void list_del(struct list_head *node)
{
    node->next->prev = node->prev;
    node->prev->next = node->next;
    node->next = node->prev = NULL; /* A second list_del() crashes. */
}

static inline void hlist_add_head(struct hlist_node *node, struct hlist_head *head)
{
    node->next = head->first;
    if (node->next)
        node->next->pprev = &node->next;
    head->first = node;
    node->pprev = &head->first;
}

static inline void hlist_del(struct hlist_node *node)
{
    *node->pprev = node->next;
    if (node->next)
        node->next->pprev = node->pprev;
    node->pprev = NULL;
}

#define list_entry_(p, like, field) container_of(p, __typeof__(*(like)), field)

#define list_for_each_entry_safe(pos, n, head, field) \
    for (pos = list_entry_((head)->next, pos, field), n = list_entry_(pos->field.next, pos, field); \
         &pos->field != (head); pos = n, n = list_entry_(n->field.next, n, field))

#define hlist_for_each_entry(entry, pos, head, field) \
    for (pos = (head)->first; pos && (entry = list_entry_(pos, entry, field), true); pos = pos->next)

#endif
