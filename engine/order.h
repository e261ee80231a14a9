/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The order of a group's members: which of them each needs, as its settings
 * say, and which tier that puts it in. Time and memory grow with members
 * plus needs. Not thread safe per object; no global state.
 */
#ifndef DOMGRP_ENGINE_ORDER_H
#define DOMGRP_ENGINE_ORDER_H

#include "domgrp-settings.h"

G_BEGIN_DECLS

typedef struct Order Order;

/*
 * The order of the @n members of @group called @names, which differ and are
 * borrowed for the call. NULL with DOMGRP_ERROR_ORDER if @settings name what
 * is no member, or if members need each other in a circle, which is spelled
 * out.
 */
Order *order_new(const char *group, guint n, const char *const *names,
                 const DomgrpSettings *settings, GError **error);
void order_free(Order *order);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Order, order_free)

/* Indices of the members that member @i needs, as its setting lists them; borrowed. */
const guint *order_needs(const Order *order, guint i, guint *ret_n);

/*
 * Who comes after whom in @n items: item i comes after @before[i] (guint
 * indices; NULL: after none). Writes each item's tier, from 1: one more than
 * the highest of those before it, or 0 for items of a circle and those after
 * one. Returns how many items have a tier.
 */
guint order_tiers(guint n, GArray *const *before, guint *ret_tiers);

G_END_DECLS

#endif
