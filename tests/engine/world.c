/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "world.h"

#include <string.h>

/* -- what the engine tells: it must be told of what exists, and of its end once -- */

static void group_added(gpointer data, Group *group)
{
    World *world = data;
    GroupInfo info;
    group_get_info(group, &info);
    g_string_append_printf(world->notes, "+%s ", info.name);
}

static void group_changed(gpointer data, Group *group)
{
    GroupInfo info;
    group_get_info(group, &info);
    g_assert_nonnull(info.name);
}

static void group_removed(gpointer data, const char *uuid, const char *name)
{
    World *world = data;
    g_string_append_printf(world->notes, "-%s ", name);
}

static void operation_changed(gpointer data, Operation *operation)
{
    OperationInfo info;
    operation_get_info(operation, &info);
    g_assert_cmpfloat(info.progress, >=, 0);
    g_assert_cmpfloat(info.progress, <=, 1);
    if (info.ended_us == 0)
        g_assert_null(info.error);
}

static void member_failed(gpointer data, Group *group, Member *member, const GError *error)
{
    World *world = data;
    g_string_append_printf(world->notes, "!%s: %s ", member->name, error->message);
}

static const EngineListener listener = {
    .group_added = group_added,
    .group_changed = group_changed,
    .group_removed = group_removed,
    .operation_changed = operation_changed,
    .member_failed = member_failed,
};

/* -- the world -- */

static void on_moment(gpointer data, const SimMoment *moment)
{
    World *world = data;
    if (moment->what != SIM_RUNS)
        return;
    guint runs = world_runs(world, moment->name) + 1;
    g_hash_table_insert(world->runs, g_strdup(moment->name), GUINT_TO_POINTER(runs));
}

guint world_runs(World *world, const char *name)
{
    return GPOINTER_TO_UINT(g_hash_table_lookup(world->runs, name));
}

World *world_new(void)
{
    World *world = g_new0(World, 1);
    world->host = host_sim_new();
    world->journal = journal_sim_new(world->host);
    world->files = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    world->notes = g_string_new(NULL);
    world->runs = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    host_sim_trace(world->host, on_moment, world);
    world->engine = engine_new(world->host, world->journal, &listener, world, NULL);
    g_assert_nonnull(world->engine);
    return world;
}

void world_stop(World *world)
{
    g_clear_pointer(&world->engine, engine_free);
    world->last = NULL;
    host_sim_forget(world->host);
}

void world_free(World *world)
{
    world_stop(world);
    world->journal->ops->free(world->journal);
    world->host->ops->free(world->host);
    g_hash_table_unref(world->files);
    g_hash_table_unref(world->runs);
    domgrp_settings_free(world->settings);
    g_string_free(world->notes, TRUE);
    g_free(world);
}

gboolean world_restart(World *world, GError **error)
{
    world_stop(world);
    world->engine = engine_new(world->host, world->journal, &listener, world, error);
    return world->engine != NULL;
}

void world_set_file(World *world, const char *name, const char *text)
{
    g_hash_table_insert(world->files, g_strdup(name), g_strdup(text));
}

Operation *world_create(World *world, const char *group, const char *const *names, GError **error)
{
    guint n = g_strv_length((char **)names);
    g_autoptr(GPtrArray) strings = g_ptr_array_new_with_free_func(g_free);
    g_autofree EngineMemberFile *files = g_new0(EngineMemberFile, n + 1);
    for (guint i = 0; i < n; i++) {
        const char *text = g_hash_table_lookup(world->files, names[i]);
        files[i].path = g_strconcat(names[i], ".cfg", NULL);
        files[i].text =
            text != NULL ? g_strdup(text) : g_strdup_printf("name = \"%s\"\n", names[i]);
        g_ptr_array_add(strings, (gpointer)files[i].path);
        g_ptr_array_add(strings, (gpointer)files[i].text);
    }
    EngineDefinition definition = {.name = group,
                                   .uuid = world->uuid,
                                   .text = "text",
                                   .directory = "/",
                                   .settings = world->settings,
                                   .n_members = n,
                                   .members = files};
    world->last = engine_create(world->engine, &definition, &world->options, error);
    return world->last;
}

char *world_list(World *world)
{
    GString *text = g_string_new(NULL);
    g_autoptr(GPtrArray) groups = engine_groups(world->engine);
    g_assert_true(engine_refresh(world->engine, NULL));
    for (guint i = 0; i < groups->len; i++) {
        GroupInfo info;
        group_get_info(groups->pdata[i], &info);
        if (info.is_default)
            continue;
        g_string_append_printf(text, "%s%s %s:", text->len > 0 ? "\n" : "", info.name,
                               group_state_name(info.state));
        for (guint k = 0; k < info.members->len; k++) {
            const Member *member = info.members->pdata[k];
            g_string_append_printf(text, " %s=%s%s", member->name, member_state_name(member->state),
                                   member->domid != HOST_DOMID_NONE && !member->ours ? "(xl's)"
                                                                                     : "");
        }
    }
    return g_string_free(text, FALSE);
}

char *world_result(World *world)
{
    OperationInfo info;
    if (world->last == NULL)
        return g_strdup("nothing");
    operation_get_info(world->last, &info);
    if (info.ended_us == 0)
        return g_strdup("runs");
    if (info.error == NULL)
        return g_strdup("done");
    return g_strdup_printf("%s: %s", domgrp_error_name(domgrp_error_code(info.error)),
                           info.error->message);
}

void world_make_stock(World *world)
{
    world->stock = TRUE;
    host_sim_set_groups(world->host, FALSE);
    g_assert_true(world_restart(world, NULL));
}

/* -- what must be true at rest -- */

static gint compare_lines(gconstpointer a, gconstpointer b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void add_line(GPtrArray *lines, const char *format, ...) G_GNUC_PRINTF(2, 3);

static void add_line(GPtrArray *lines, const char *format, ...)
{
    va_list list;
    va_start(list, format);
    g_ptr_array_add(lines, g_strdup_vprintf(format, list));
    va_end(list);
}

static char *join_lines(GPtrArray *lines)
{
    g_ptr_array_sort(lines, compare_lines);
    g_ptr_array_add(lines, NULL);
    return g_strjoinv("\n", (char **)lines->pdata);
}

static const char *domain_text(MemberState state)
{
    switch (state) {
    case MEMBER_RUNNING:
        return "running";
    case MEMBER_PAUSED:
        return "paused";
    case MEMBER_CRASHED:
        return "crashed";
    case MEMBER_SHUTDOWN:
        return "ended";
    default:
        return member_state_name(state); /* nothing is under way any more */
    }
}

/* The lines that host_sim_describe() and journal_sim_describe() have for what the engine says. */
static void expect_group(const GroupInfo *info, gboolean stock, GPtrArray *host, GPtrArray *journal)
{
    GString *names = g_string_new(NULL);
    GString *kept = g_string_new(NULL);
    for (guint i = 0; i < info->members->len; i++) {
        const Member *member = info->members->pdata[i];
        g_string_append_printf(names, " %s", member->name);
        g_string_append_printf(kept, " %s%s", member->name,
                               member->ours || member->state == MEMBER_AWAY ? "(ours)" : "");
        if (member->domid != HOST_DOMID_NONE)
            add_line(host, "domain %s group=%u %s", member->name, stock ? DOMGRP_ID_NULL : info->id,
                     domain_text(member->state));
        if (!info->is_default && !stock)
            add_line(host, "reservation %s %u", member->uuid, info->id);
    }
    if (!info->is_default) {
        if (!stock)
            add_line(host, "group %u %s%s", info->id, info->uuid, info->paused ? " paused" : "");
        add_line(host, "record %s %s id=%u members:%s", info->uuid, info->name, info->id,
                 names->str);
        add_line(journal, "group %s%s:%s", info->name, info->paused ? " paused" : "", kept->str);
    }
    g_string_free(names, TRUE);
    g_string_free(kept, TRUE);
}

char *world_check(World *world)
{
    g_autoptr(GPtrArray) groups = engine_groups(world->engine);
    g_autoptr(GPtrArray) host = g_ptr_array_new_with_free_func(g_free);
    g_autoptr(GPtrArray) journal = g_ptr_array_new_with_free_func(g_free);
    g_assert_true(engine_refresh(world->engine, NULL));
    for (guint i = 0; i < groups->len; i++) {
        GroupInfo info;
        group_get_info(groups->pdata[i], &info);
        if (info.operation != NULL)
            return g_strdup("an operation never ended");
        if (info.id != DOMGRP_ID_GROUP0)
            expect_group(&info, world->stock, host, journal);
    }
    g_autofree char *host_expected = join_lines(host);
    g_autofree char *host_got = host_sim_describe(world->host);
    if (strcmp(host_expected, host_got) != 0)
        return g_strdup_printf("the engine says:\n%s\nthe host says:\n%s", host_expected, host_got);
    g_autofree char *journal_expected = join_lines(journal);
    g_autofree char *journal_got = journal_sim_describe(world->journal);
    if (strcmp(journal_expected, journal_got) != 0)
        return g_strdup_printf("the engine says:\n%s\nthe journal says:\n%s", journal_expected,
                               journal_got);
    return NULL;
}
