/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * bench-plan - plans an order as the engine does and prints it, for comparison with tsort(1).
 *
 * Reads lines "A B", B needs A, and makes them what a group file says ("after"), the order of
 * members from that, and their tiers; prints the members, a line each, those of low tiers first.
 * With -t it tells on standard error what the planning took: members, edges, nanoseconds without
 * reading and printing, and bytes of memory that settings and order have.
 */
#include "order.h"

#include <malloc.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

/* A member, and what a group file would say of its order. */
typedef struct {
    const char *name;
    GString *after; /* "B: A A A"; NULL: nothing */
} Item;

typedef struct {
    GHashTable *index; /* name to Item */
    GPtrArray *items;
    guint edges;
} Graph;

static gint64 now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * G_GINT64_CONSTANT(1000000000) + now.tv_nsec;
}

static void die(GError *error)
{
    fprintf(stderr, "bench-plan: %s\n", error->message);
    exit(1);
}

static Item *item_ensure(Graph *graph, const char *name)
{
    Item *item = g_hash_table_lookup(graph->index, name);
    if (item != NULL)
        return item;
    item = g_new0(Item, 1);
    item->name = g_strdup(name);
    g_hash_table_insert(graph->index, (gpointer)item->name, item);
    g_ptr_array_add(graph->items, item);
    return item;
}

static void add_edge(Graph *graph, const char *first, const char *second)
{
    item_ensure(graph, first);
    Item *item = item_ensure(graph, second);
    if (item->after == NULL) {
        item->after = g_string_sized_new(64);
        g_string_append(item->after, second);
        g_string_append_c(item->after, ':');
    }
    g_string_append_c(item->after, ' ');
    g_string_append(item->after, first);
    graph->edges++;
}

static void read_edges(Graph *graph, FILE *file)
{
    char line[2 * DOMGRP_NAME_MAX + 4];
    while (fgets(line, sizeof line, file) != NULL) {
        char *second = strchr(line, ' ');
        if (second == NULL)
            continue;
        *second++ = '\0';
        second[strcspn(second, "\n")] = '\0';
        add_edge(graph, line, second);
    }
}

static DomgrpSettings *make_settings(const Graph *graph)
{
    DomgrpSettings *settings = domgrp_settings_new();
    GError *error = NULL;
    for (guint i = 0; i < graph->items->len; i++) {
        const Item *item = graph->items->pdata[i];
        if (item->after != NULL &&
            !domgrp_settings_add(settings, "after", item->after->str, &error))
            die(error);
    }
    return settings;
}

/* Members by tier, those of one tier in the order in which they were named. */
static void print_tiers(guint n, const char *const *names, const guint *tiers)
{
    g_autofree guint *starts = g_new0(guint, n + 2);
    g_autofree guint *sorted = g_new(guint, n + 1);
    for (guint i = 0; i < n; i++)
        starts[tiers[i] + 1]++;
    for (guint tier = 0; tier <= n; tier++)
        starts[tier + 1] += starts[tier];
    for (guint i = 0; i < n; i++)
        sorted[starts[tiers[i]]++] = i;
    for (guint i = 0; i < n; i++)
        puts(names[sorted[i]]);
}

/* As operation_plan() in the engine: who comes before whom, then the tiers. */
static guint *find_tiers(const Order *order, guint n)
{
    g_autofree GArray **before = g_new0(GArray *, n + 1);
    guint *tiers = g_new(guint, n + 1);
    for (guint i = 0; i < n; i++) {
        guint n_needs;
        const guint *needs = order_needs(order, i, &n_needs);
        before[i] = g_array_sized_new(FALSE, FALSE, sizeof(guint), n_needs);
        if (n_needs > 0)
            g_array_append_vals(before[i], needs, n_needs);
    }
    order_tiers(n, before, tiers);
    for (guint i = 0; i < n; i++)
        g_array_unref(before[i]);
    return tiers;
}

static gsize memory_used(void)
{
    struct mallinfo2 info = mallinfo2();
    return info.uordblks + info.hblkhd;
}

int main(int argc, char **argv)
{
    Graph graph = {g_hash_table_new(g_str_hash, g_str_equal), g_ptr_array_new(), 0};
    GError *error = NULL;
    read_edges(&graph, stdin);
    guint n = graph.items->len;
    g_autofree const char **names = g_new(const char *, n + 1);
    for (guint i = 0; i < n; i++)
        names[i] = ((Item *)graph.items->pdata[i])->name;

    gsize before = memory_used();
    gint64 began = now_ns();
    DomgrpSettings *settings = make_settings(&graph);
    g_autoptr(Order) order = order_new("plan", n, names, settings, &error);
    if (order == NULL)
        die(error);
    g_autofree guint *tiers = find_tiers(order, n);
    gint64 took = now_ns() - began;
    print_tiers(n, names, tiers);
    if (argc > 1 && strcmp(argv[1], "-t") == 0)
        fprintf(stderr, "%u %u %" G_GINT64_FORMAT " %" G_GSIZE_FORMAT "\n", n, graph.edges, took,
                memory_used() - before);
    return 0; /* what was read and the settings, which a group keeps, end with the process */
}
