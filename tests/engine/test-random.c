/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Random lives: operations, guests that end, xl behind the daemon's back,
 * calls that fail and a daemon that dies, at random instants. Whenever all
 * has come to rest the checker looks; nothing an operator does in the end
 * leaves anything behind. A seed that fails is printed and can be run again:
 *     test-random --seed=R02S...
 */
#include "world.h"

#include <string.h>

#define LIVES 150
#define ACTIONS 60

static const char *const groups[] = {"shop", "post"};
static const char *const members[] = {"db", "web", "mail", "cache"};

static const char *any(const char *const *names, guint n)
{
    return names[g_test_rand_int_range(0, (gint)n)];
}

static const char *file_of(World *world, const char *name)
{
    return g_hash_table_lookup(world->files, name);
}

/* -- what can happen -- */

static void happen_create(World *world)
{
    const char *names[3] = {any(members, 4), any(members, 4), NULL};
    if (names[0] == names[1])
        names[1] = NULL;
    world_create(world, any(groups, 2), names, NULL);
}

static const char *const images[] = {"/a/1.grp", "/a/2.grp"};

static gboolean is_in_use(World *world, const char *path)
{
    g_autoptr(GPtrArray) operations = engine_operations(world->engine);
    for (guint i = 0; i < operations->len; i++) {
        OperationInfo info;
        operation_get_info(operations->pdata[i], &info);
        if (info.ended_us == 0 && g_strcmp0(info.image_path, path) == 0)
            return TRUE;
    }
    return FALSE;
}

/* What starts anew leaves its image behind, which a host that forgets the group cannot know. */
static void lose_images(World *world)
{
    for (guint i = 0; i < G_N_ELEMENTS(images); i++)
        if (!is_in_use(world, images[i]))
            host_sim_move_image(world->host, images[i], NULL);
}

static void happen_operate(World *world)
{
    EngineOptions options = {.timeout_s = 5};
    OperationKind kind = (OperationKind)g_test_rand_int_range(OPERATION_START, OPERATION_JOIN);
    if (kind == OPERATION_START)
        lose_images(world);
    engine_operate(world->engine, kind, any(groups, 2), &options, NULL);
}

static void happen_save(World *world)
{
    static const OperationKind kinds[] = {OPERATION_SAVE, OPERATION_SUSPEND, OPERATION_RESUME,
                                          OPERATION_CHECKPOINT};
    EngineOptions options = {.path = any(images, 2), .ordered = g_test_rand_bit()};
    if (g_test_rand_int_range(0, 3) == 0 && !is_in_use(world, options.path))
        host_sim_move_image(world->host, options.path, NULL);
    engine_operate(world->engine, kinds[g_test_rand_int_range(0, 4)], any(groups, 2), &options,
                   NULL);
}

static void happen_restore(World *world)
{
    EngineOptions options = {.path = any(images, 2)};
    engine_restore(world->engine, &options, NULL);
}

static void happen_cancel(World *world)
{
    g_autoptr(GPtrArray) operations = engine_operations(world->engine);
    OperationInfo info;
    if (operations->len == 0)
        return;
    operation_get_info(operations->pdata[0], &info);
    engine_cancel(world->engine, info.uuid, NULL);
}

static void happen_join(World *world)
{
    static const char *const targets[] = {"shop", "post", DOMGRP_NAME_NULL};
    engine_join(world->engine, any(targets, 3), any(members, 4), NULL, NULL);
}

static void happen_guest(World *world)
{
    HostReason reason =
        (HostReason)g_test_rand_int_range(HOST_REASON_POWEROFF, HOST_REASON_UNKNOWN);
    if (reason != HOST_REASON_SUSPEND) /* from which nobody would wake it */
        sim_guest_end(world->host, any(members, 4), reason);
}

static void happen_xl(World *world)
{
    const char *name = any(members, 4);
    switch (g_test_rand_int_range(0, 7)) {
    case 6:
        sim_xl_save(world->host, name);
        break;
    case 0:
        lose_images(world);
        sim_xl_create(world->host, file_of(world, name), NULL);
        break;
    case 1:
        sim_xl_destroy(world->host, name);
        break;
    case 2:
        sim_xl_shutdown(world->host, name);
        break;
    case 3:
        sim_xl_reboot(world->host, name);
        break;
    case 4:
        sim_xl_pause(world->host, name);
        break;
    default:
        sim_xl_unpause(world->host, name);
    }
}

static void happen_fault(World *world)
{
    SimFault fault = (SimFault)g_test_rand_int_range(SIM_FAIL_BEFORE, SIM_DEATH + 1);
    if (fault != SIM_HANG) /* what hangs never comes to rest */
        host_sim_fault(world->host, (guint)g_test_rand_int_range(1, 60), fault);
}

static void happen_death(World *world)
{
    world_stop(world);
}

static void (*const happenings[])(World *world) = {
    happen_create, happen_operate, happen_operate, happen_operate, happen_operate, happen_join,
    happen_guest,  happen_guest,   happen_xl,      happen_xl,      happen_fault,   happen_death,
    happen_save,   happen_save,    happen_save,    happen_restore, happen_restore, happen_cancel,
};

/* -- a life -- */

static void revive(World *world)
{
    if (world->engine == NULL)
        while (!world_restart(world, NULL)) {
        }
}

static void let_time_pass(World *world, gint64 us)
{
    gint64 until = us < 0 ? -1 : world->host->ops->now(world->host) + us;
    revive(world);
    while (!host_sim_run(world->host, until)) {
        world_stop(world);
        revive(world);
    }
}

static void assert_at_rest(World *world)
{
    host_sim_fault(world->host, 0, SIM_NONE);
    let_time_pass(world, -1);
    world_stop(world); /* what could not be closed in the journal is closed by the next start */
    let_time_pass(world, -1);
    g_autofree char *wrong = world_check(world);
    g_autofree char *trace = checker_trace(world->checker);
    if (wrong != NULL)
        g_error("%s\n%s", wrong, trace);
}

static void end_all(World *world)
{
    for (guint i = 0; i < G_N_ELEMENTS(groups); i++) {
        engine_operate(world->engine, OPERATION_DESTROY, groups[i], NULL, NULL);
        let_time_pass(world, -1);
        engine_operate(world->engine, OPERATION_DELETE, groups[i], NULL, NULL);
        let_time_pass(world, -1);
    }
    for (guint i = 0; i < G_N_ELEMENTS(members); i++)
        sim_xl_destroy(world->host, members[i]);
    g_autofree char *host = host_sim_describe(world->host);
    g_autofree char *journal = journal_sim_describe(world->journal);
    g_assert_cmpstr(host, ==, "");
    g_assert_cmpstr(journal, ==, "");
}

static void live(gboolean stock)
{
    static const char *const actions[] = {"destroy", "restart", "coredump-restart"};
    World *world = world_new();
    if (stock)
        world_make_stock(world);
    for (guint i = 0; i < G_N_ELEMENTS(members); i++) {
        g_autofree char *text = g_strdup_printf(
            "name = %s\nuuid = 11111111-2222-4333-8444-00000000000%u\non_crash = %s\n"
            "ignores = %d\nno_suspend = %d\nsuspend_takes = %d\n",
            members[i], i, any(actions, 3), g_test_rand_int_range(0, 8) == 0,
            g_test_rand_int_range(0, 10) == 0, g_test_rand_int_range(0, 6) == 0 ? 6 : 1);
        world_set_file(world, members[i], text);
    }
    for (guint i = 0; i < ACTIONS; i++) {
        happenings[g_test_rand_int_range(0, G_N_ELEMENTS(happenings))](world);
        if (g_test_rand_int_range(0, 10) == 0)
            assert_at_rest(world);
        else
            let_time_pass(world, g_test_rand_int_range(0, 3 * G_USEC_PER_SEC));
    }
    assert_at_rest(world);
    end_all(world);
    world_free(world);
}

static void test_lives(gconstpointer stock)
{
    for (guint i = 0; i < LIVES; i++)
        live(GPOINTER_TO_INT(stock));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_data_func("/random/lives", GINT_TO_POINTER(FALSE), test_lives);
    g_test_add_data_func("/random/lives-stock", GINT_TO_POINTER(TRUE), test_lives);
    return g_test_run();
}
