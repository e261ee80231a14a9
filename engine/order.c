/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "order.h"

#include "domgrp-error.h"

struct Order {
    guint n;
    GArray **needs; /* of guint, one array a member; NULL: it needs none */
};

void order_free(Order *order)
{
    if (order == NULL)
        return;
    for (guint i = 0; i < order->n; i++)
        if (order->needs[i] != NULL)
            g_array_unref(order->needs[i]);
    g_free(order->needs);
    g_free(order);
}

const guint *order_needs(const Order *order, guint i, guint *ret_n)
{
    const GArray *needs = order->needs[i];
    *ret_n = needs != NULL ? needs->len : 0;
    return needs != NULL ? (const guint *)needs->data : NULL;
}

/* -- tiers -- */

/* Lists of who comes after each item, all in one array: those of i begin at starts[i]. */
static guint *invert(guint n, GArray *const *before, guint *starts)
{
    for (guint i = 0; i < n; i++)
        for (guint k = 0; before[i] != NULL && k < before[i]->len; k++)
            starts[g_array_index(before[i], guint, k) + 1]++;
    for (guint i = 0; i < n; i++)
        starts[i + 1] += starts[i];

    g_autofree guint *next = g_memdup2(starts, n * sizeof *starts);
    guint *after = g_new(guint, starts[n] + 1);
    for (guint i = 0; i < n; i++)
        for (guint k = 0; before[i] != NULL && k < before[i]->len; k++)
            after[next[g_array_index(before[i], guint, k)]++] = i;
    return after;
}

guint order_tiers(guint n, GArray *const *before, guint *ret_tiers)
{
    g_autofree guint *starts = g_new0(guint, n + 1);
    g_autofree guint *after = invert(n, before, starts);
    g_autofree guint *missing = g_new(guint, n + 1);
    g_autofree guint *queue = g_new(guint, n + 1);
    guint done = 0, queued = 0;

    for (guint i = 0; i < n; i++) {
        missing[i] = before[i] != NULL ? before[i]->len : 0;
        ret_tiers[i] = missing[i] == 0;
        if (missing[i] == 0)
            queue[queued++] = i;
    }
    while (done < queued) {
        guint i = queue[done++];
        for (guint k = starts[i]; k < starts[i + 1]; k++) {
            if (--missing[after[k]] > 0)
                continue;
            ret_tiers[after[k]] = ret_tiers[i] + 1; /* the queue's tiers only rise */
            queue[queued++] = after[k];
        }
    }
    return done;
}

/* -- what settings say -- */

static gboolean fail_unknown(const char *group, const char *what, const char *name, guint n,
                             const char *const *names, GError **error)
{
    GString *list = g_string_new(NULL);
    for (guint i = 0; i < MIN(n, 8); i++)
        g_string_append_printf(list, "%s%s", i > 0 ? ", " : "", names[i]);
    if (n > 8)
        g_string_append(list, "...");
    g_set_error(error, DOMGRP_ERROR, DOMGRP_ERROR_ORDER,
                "%s of %s is no member of it: its members are called %s (%s)", name, group,
                list->str, what);
    g_string_free(list, TRUE);
    return FALSE;
}

static gboolean find_needs(Order *order, const char *group, const char *const *names,
                           const DomgrpSettings *settings, GError **error)
{
    g_autoptr(GHashTable) indices = g_hash_table_new(g_str_hash, g_str_equal);
    for (guint i = 0; i < order->n; i++)
        g_hash_table_insert(indices, (gpointer)names[i], GUINT_TO_POINTER(i));

    for (guint m = 0; m < settings->members->len; m++) {
        const DomgrpMemberSettings *member = settings->members->pdata[m];
        gpointer index;
        if (!g_hash_table_lookup_extended(indices, member->name, NULL, &index))
            return fail_unknown(group, "the names of the domains count, not those of the files",
                                member->name, order->n, names, error);
        for (guint k = 0; k < member->needs->len; k++) {
            const char *name = member->needs->pdata[k];
            gpointer need;
            if (!g_hash_table_lookup_extended(indices, name, NULL, &need)) {
                g_autofree char *what = g_strdup_printf("%s is to come after it", member->name);
                return fail_unknown(group, what, name, order->n, names, error);
            }
            GArray **needs = &order->needs[GPOINTER_TO_UINT(index)];
            guint value = GPOINTER_TO_UINT(need);
            if (*needs == NULL)
                *needs = g_array_sized_new(FALSE, FALSE, sizeof(guint), member->needs->len);
            g_array_append_val(*needs, value);
        }
    }
    return TRUE;
}

/* A member of a circle, or after one, needs another such: following that leads round. */
static void fail_circle(const Order *order, const char *group, const char *const *names,
                        const guint *tiers, GError **error)
{
    g_autofree guint *seen = g_new0(guint, order->n); /* when, from 1 */
    g_autoptr(GArray) path = g_array_new(FALSE, FALSE, sizeof(guint));
    guint at = 0;
    while (tiers[at] != 0)
        at++;
    while (seen[at] == 0) {
        const GArray *needs = order->needs[at];
        guint k = 0;
        g_array_append_val(path, at);
        seen[at] = path->len;
        while (tiers[g_array_index(needs, guint, k)] != 0)
            k++;
        at = g_array_index(needs, guint, k);
    }

    GString *text = g_string_new(names[at]);
    for (guint i = seen[at]; i < path->len; i++)
        g_string_append_printf(text, " after %s", names[g_array_index(path, guint, i)]);
    g_string_append_printf(text, " after %s", names[at]);
    g_set_error(error, DOMGRP_ERROR, DOMGRP_ERROR_ORDER,
                "the order of %s goes round in a circle: %s; take one of these away", group,
                text->str);
    g_string_free(text, TRUE);
}

Order *order_new(const char *group, guint n, const char *const *names,
                 const DomgrpSettings *settings, GError **error)
{
    g_autoptr(Order) order = g_new0(Order, 1);
    order->n = n;
    order->needs = g_new0(GArray *, n);
    if (!find_needs(order, group, names, settings, error))
        return NULL;
    g_autofree guint *tiers = g_new(guint, n + 1);
    if (order_tiers(n, order->needs, tiers) < n) {
        fail_circle(order, group, names, tiers, error);
        return NULL;
    }
    return g_steal_pointer(&order);
}
