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
    checker_see(((World *)data)->checker, operation);
}

static void member_failed(gpointer data, Group *group, Member *member, const GError *error)
{
    World *world = data;
    g_string_append_printf(world->notes, "!%s: %s ", member->name, error->message);
}

static void migration_failed(gpointer data, Group *group, const GError *error)
{
    World *world = data;
    GroupInfo info;
    group_get_info(group, &info);
    g_string_append_printf(world->notes, "!%s: %s ", info.name, error->message);
}

static const EngineListener listener = {
    .group_added = group_added,
    .group_changed = group_changed,
    .group_removed = group_removed,
    .operation_changed = operation_changed,
    .member_failed = member_failed,
    .migration_failed = migration_failed,
};

/* -- the world -- */

World *world_new(void)
{
    World *world = g_new0(World, 1);
    world->host = host_sim_new();
    world->journal = journal_sim_new(world->host);
    world->files = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    world->notes = g_string_new(NULL);
    world->checker = checker_new(world->host, world->journal);
    world->engine = engine_new(world->host, world->journal, &listener, world, NULL);
    g_assert_nonnull(world->engine);
    engine_set_images(world->engine, "/images");
    checker_set_engine(world->checker, world->engine);
    return world;
}

void world_make_links(World *world)
{
    world->links = links_sim_new(world->host);
    engine_set_links(world->engine, world->links);
}

void world_stop(World *world)
{
    checker_set_engine(world->checker, NULL);
    g_clear_pointer(&world->engine, engine_free);
    world->last = NULL;
    host_sim_forget(world->host);
}

void world_free(World *world)
{
    world_stop(world);
    checker_free(world->checker);
    world->journal->ops->free(world->journal);
    if (world->links != NULL)
        world->links->ops->free(world->links);
    world->host->ops->free(world->host);
    g_hash_table_unref(world->files);
    domgrp_settings_free(world->settings);
    domgrp_map_free(world->map);
    g_string_free(world->notes, TRUE);
    g_free(world);
}

gboolean world_restart(World *world, GError **error)
{
    world_stop(world);
    world->engine = engine_new(world->host, world->journal, &listener, world, error);
    checker_set_engine(world->checker, world->engine);
    if (world->engine != NULL)
        engine_set_images(world->engine, "/images");
    if (world->engine != NULL && world->links != NULL)
        engine_set_links(world->engine, world->links);
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

void world_expect(World *world, Operation *operation)
{
    OperationInfo info;
    world->last = operation;
    if (operation == NULL)
        return;
    operation_get_info(operation, &info);
    memcpy(world->task, info.uuid, sizeof world->task);
    checker_expect(world->checker, operation);
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

char *world_check(World *world)
{
    return checker_rest(world->checker, world->stock);
}

void world_make_stock(World *world)
{
    world->stock = TRUE;
    host_sim_set_groups(world->host, FALSE);
    g_assert_true(world_restart(world, NULL));
}
