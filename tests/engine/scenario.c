/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "scenario.h"

#include <string.h>

static const char *const member_names[MEMBERS_MAX] = {"db", "web", "mail", "cache"};

/* -- shapes and twists -- */

const Shape shapes[] = {
    {"1", 1, ""},
    {"2", 2, ""},
    {"2-chain", 2, "after web: db"},
    {"3", 3, ""},
    {"3-chain", 3, "after web: db|after mail: web"},
    {"3-fan-out", 3, "after web: db|after mail: db"},
    {"3-fan-in", 3, "after mail: db web"},
    {"4", 4, "parallel 2"},
    {"4-chain", 4, "after web: db|after mail: web|after cache: mail"},
    {"4-fan-out", 4, "after web: db|after mail: db|after cache: db"},
    {"4-fan-in", 4, "after cache: db web mail"},
    {"4-diamond", 4, "after web: db|after mail: db|after cache: web mail"},
    {NULL, 0, NULL},
};

const Twist twists[] = {
    {"plain", "", NULL, NULL, 0, FALSE, FITS_ALL},
    {"delay", "ready db: delay 2", NULL, NULL, 0, FALSE, FITS_ALL},
    {"late tcp", "ready db: tcp 10.0.0.5:5432 timeout=20", "db", "ready_after = 3", 0, FALSE,
     FITS_ALL},
    {"late xenstore", "ready db: xenstore data/ready timeout=20", "db", "ready_after = 3", 0, FALSE,
     FITS_ALL},
    {"never ready", "ready db: tcp 10.0.0.5:5432 timeout=3", "db", "ready_after = never", 0, FALSE,
     FITS_BUILDING},
    {"ignores", "shutdown db: timeout=2 then=leave", "db", "ignores = 1", 0, FALSE, FITS_ALL},
    {"ignores, destroyed", "shutdown web: timeout=2 then=destroy|ready web: delay 1", "web",
     "ignores = 1", 0, FALSE, FITS_ALL},
    {"dies early", "", NULL, NULL, 0.5, FALSE, FITS_ALL},
    {"dies late", "ready db: delay 2", NULL, NULL, 3, FALSE, FITS_ALL},
    {"cannot be built", "", "web", "build_fails = 1", 0, FALSE, FITS_CREATE},
    {"does not suspend", "", "web", "no_suspend = 1", 0, FALSE, FITS_SAVING},
    {"suspends late", "", "web", "suspend_takes = 7", 0, FALSE, FITS_SAVING},
    {"no memory", "", NULL, NULL, 0, TRUE, FITS_START},
    {NULL, NULL, NULL, NULL, 0, FALSE, FITS_ALL},
};

/* -- what is done -- */

static void settle(World *world)
{
    g_assert_true(host_sim_run(world->host, -1));
}

static void pass(World *world, double seconds)
{
    if (world->engine != NULL)
        host_sim_run_for(world->host, (gint64)(seconds * G_USEC_PER_SEC));
}

static void add_settings(World *world, const char *text)
{
    g_auto(GStrv) lines = g_strsplit(text != NULL ? text : "", "|", -1);
    for (char **line = lines; *line != NULL; line++) {
        char *value = strchr(*line, ' ');
        if (value == NULL)
            continue;
        *value = '\0';
        g_assert_true(domgrp_settings_add(world->settings, *line, value + 1, NULL));
    }
}

/* What is said of members that a shape does not have is left out. */
static void set_settings(World *world, const Case *what)
{
    domgrp_settings_free(world->settings);
    world->settings = domgrp_settings_new();
    add_settings(world, what->shape->settings);
    add_settings(world, what->scenario->settings);
    add_settings(world, what->twist->settings);
    for (guint i = what->shape->n; i < MEMBERS_MAX; i++)
        domgrp_settings_remove(world->settings, member_names[i]);
}

static void begin_create(World *world, const Case *what, DomgrpPolicy policy)
{
    const char *names[MEMBERS_MAX + 1] = {NULL};
    memcpy(names, member_names, what->shape->n * sizeof *names);
    set_settings(world, what);
    world->options = (EngineOptions){.policy = policy};
    world_expect(world, world_create(world, "shop", names, NULL));
}

static void begin_options(World *world, OperationKind kind, EngineOptions options)
{
    if (world->engine != NULL)
        world_expect(world, engine_operate(world->engine, kind, "shop", &options, NULL));
}

static void begin(World *world, const Case *what, OperationKind kind)
{
    begin_options(world, kind, (EngineOptions){.policy = what->policy});
}

static void nothing(World *world, const Case *what)
{
}

static void running(World *world, const Case *what)
{
    begin_create(world, what, DOMGRP_POLICY_CONTINUE);
    settle(world);
}

static void stopped(World *world, const Case *what)
{
    running(world, what);
    begin_options(world, OPERATION_DESTROY, (EngineOptions){0});
    settle(world);
}

static void paused(World *world, const Case *what)
{
    running(world, what);
    begin_options(world, OPERATION_PAUSE, (EngineOptions){0});
    settle(world);
}

/* db alone runs. */
static void partial(World *world, const Case *what)
{
    running(world, what);
    for (guint i = 1; i < what->shape->n; i++)
        sim_guest_end(world->host, member_names[i], HOST_REASON_POWEROFF);
    settle(world);
}

/* db is xl's. */
static void mixed(World *world, const Case *what)
{
    running(world, what);
    sim_xl_destroy(world->host, "db");
    settle(world);
    g_assert_true(sim_xl_create(world->host, g_hash_table_lookup(world->files, "db"), NULL));
    settle(world);
}

static void with_guest(World *world, const Case *what)
{
    running(world, what);
    g_assert_true(sim_xl_create(
        world->host, "name = guest\nuuid = 11111111-2222-4333-8444-666666666666\n", NULL));
    settle(world);
}

static void two_groups(World *world, const Case *what)
{
    const char *names[] = {"guest", NULL};
    world_create(world, "post", names, NULL);
    settle(world);
    running(world, what);
}

#define IMAGE "/a/shop.grp"

static void saved(World *world, const Case *what)
{
    running(world, what);
    begin_options(world, OPERATION_SAVE, (EngineOptions){.path = IMAGE});
    settle(world);
}

static void suspended(World *world, const Case *what)
{
    running(world, what);
    begin_options(world, OPERATION_SUSPEND, (EngineOptions){0});
    settle(world);
}

/* The group is in the image alone. */
static void moved(World *world, const Case *what)
{
    saved(world, what);
    begin_options(world, OPERATION_DELETE, (EngineOptions){0});
    settle(world);
}

/* The image is of before the group ran on, and so are its disks again. */
static void reverted(World *world, const Case *what)
{
    running(world, what);
    begin_options(world, OPERATION_CHECKPOINT, (EngineOptions){.path = IMAGE});
    settle(world);
    begin_options(world, OPERATION_DESTROY, (EngineOptions){0});
    settle(world);
    host_sim_revert_disks(world->host, IMAGE);
}

static void act_save(World *world, const Case *what)
{
    begin_options(world, OPERATION_SAVE, (EngineOptions){.path = IMAGE});
}

static void act_save_ordered(World *world, const Case *what)
{
    begin_options(world, OPERATION_SAVE, (EngineOptions){.path = IMAGE, .ordered = TRUE});
}

static void act_suspend(World *world, const Case *what)
{
    begin(world, what, OPERATION_SUSPEND);
}

static void act_resume(World *world, const Case *what)
{
    begin(world, what, OPERATION_RESUME);
}

static void act_checkpoint(World *world, const Case *what)
{
    begin_options(world, OPERATION_CHECKPOINT, (EngineOptions){.path = IMAGE});
}

static void restore(World *world, EngineOptions options)
{
    options.path = IMAGE;
    if (world->engine != NULL)
        world_expect(world, engine_restore(world->engine, &options, NULL));
}

static void act_restore(World *world, const Case *what)
{
    restore(world, (EngineOptions){0});
}

static void act_restore_reverted(World *world, const Case *what)
{
    restore(world, (EngineOptions){.disks_reverted = TRUE});
}

static void act_create(World *world, const Case *what)
{
    begin_create(world, what, what->policy);
}

static void act_start(World *world, const Case *what)
{
    begin(world, what, OPERATION_START);
}

static void act_shutdown(World *world, const Case *what)
{
    begin(world, what, OPERATION_SHUTDOWN);
}

static void act_reboot(World *world, const Case *what)
{
    begin(world, what, OPERATION_REBOOT);
}

static void act_destroy(World *world, const Case *what)
{
    begin(world, what, OPERATION_DESTROY);
}

static void act_delete(World *world, const Case *what)
{
    begin(world, what, OPERATION_DELETE);
}

static void act_pause(World *world, const Case *what)
{
    begin(world, what, OPERATION_PAUSE);
}

static void act_unpause(World *world, const Case *what)
{
    begin(world, what, OPERATION_UNPAUSE);
}

static void act_join(World *world, const Case *what)
{
    world_expect(world, engine_join(world->engine, "shop", "guest", NULL, NULL));
}

static void act_leave(World *world, const Case *what)
{
    world_expect(world, engine_join(world->engine, DOMGRP_NAME_NULL, "db", NULL, NULL));
}

static void cancel(World *world, double after)
{
    pass(world, after);
    if (world->engine != NULL)
        engine_cancel(world->engine, world->task, NULL);
}

static void act_cancel_create(World *world, const Case *what)
{
    act_create(world, what);
    cancel(world, 2.2);
}

static void act_cancel_start(World *world, const Case *what)
{
    act_start(world, what);
    cancel(world, 1);
}

static void act_cancel_shutdown(World *world, const Case *what)
{
    act_shutdown(world, what);
    cancel(world, 0.5);
}

static void act_cancel_reboot(World *world, const Case *what)
{
    act_reboot(world, what);
    cancel(world, 2.2);
}

static void act_cancel_save(World *world, const Case *what)
{
    act_save(world, what);
    cancel(world, 0.7);
}

static void act_cancel_suspend(World *world, const Case *what)
{
    act_suspend(world, what);
    cancel(world, 0.2);
}

static void act_cancel_restore(World *world, const Case *what)
{
    act_restore(world, what);
    cancel(world, 1);
}

static void act_destroy_resume(World *world, const Case *what)
{
    act_resume(world, what);
    pass(world, 2.02);
    begin_options(world, OPERATION_DESTROY, (EngineOptions){0});
}

static void act_queue(World *world, const Case *what)
{
    act_shutdown(world, what);
    begin_options(world, OPERATION_START, (EngineOptions){.wait = TRUE});
}

static void act_supersede(World *world, const Case *what)
{
    act_start(world, what);
    pass(world, 2.2);
    begin_options(world, OPERATION_DESTROY, (EngineOptions){0});
}

static void act_guest_reboot(World *world, const Case *what)
{
    sim_guest_end(world->host, "db", HOST_REASON_REBOOT);
}

static void crash(World *world)
{
    if (host_sim_domain_runs(world->host, "db"))
        sim_guest_end(world->host, "db", HOST_REASON_CRASH);
}

static void act_guest_crash(World *world, const Case *what)
{
    for (guint i = 0; i < 3; i++) {
        crash(world);
        pass(world, 15);
    }
}

static void act_guest_crash_once(World *world, const Case *what)
{
    crash(world);
}

static void act_power(World *world, const Case *what)
{
    world_stop(world);
    host_sim_reboot(world->host);
    world_restart(world, NULL);
}

#define NO_KIND OPERATION_KIND_COUNT

const Scenario scenarios[] = {
    {"create", nothing, act_create, OPERATION_CREATE, "running", TRUE, NULL},
    {"start", stopped, act_start, OPERATION_START, "running", TRUE, NULL},
    {"start-the-rest", partial, act_start, OPERATION_START, "running", FALSE, NULL},
    {"shutdown", running, act_shutdown, OPERATION_SHUTDOWN, "stopped", FALSE, NULL},
    {"shutdown-of-xls", mixed, act_shutdown, OPERATION_SHUTDOWN, "stopped", FALSE, NULL},
    {"reboot", running, act_reboot, OPERATION_REBOOT, "running", TRUE, NULL},
    {"reboot-of-xls", mixed, act_reboot, OPERATION_REBOOT, "running", TRUE, NULL},
    {"destroy", running, act_destroy, OPERATION_DESTROY, "stopped", FALSE, NULL},
    {"destroy-paused", paused, act_destroy, OPERATION_DESTROY, "stopped", FALSE, NULL},
    {"delete", stopped, act_delete, OPERATION_DELETE, NULL, FALSE, NULL},
    {"pause", running, act_pause, OPERATION_PAUSE, "paused", FALSE, NULL},
    {"unpause", paused, act_unpause, OPERATION_UNPAUSE, "running", FALSE, NULL},
    {"join", with_guest, act_join, OPERATION_JOIN, "running", FALSE, NULL},
    {"join-from-group", two_groups, act_join, OPERATION_JOIN, NULL, FALSE, NULL},
    {"leave", running, act_leave, OPERATION_JOIN, NULL, FALSE, NULL},
    {"save", running, act_save, OPERATION_SAVE, "stopped", FALSE, NULL},
    {"save-ordered", running, act_save_ordered, OPERATION_SAVE, "stopped", FALSE,
     "snapshot take one"},
    {"save-of-xls", mixed, act_save, OPERATION_SAVE, "stopped", FALSE, NULL},
    {"suspend", running, act_suspend, OPERATION_SUSPEND, "suspended", FALSE, NULL},
    {"checkpoint", running, act_checkpoint, OPERATION_CHECKPOINT, "running", FALSE, NULL},
    {"checkpoint-of-xls", mixed, act_checkpoint, OPERATION_CHECKPOINT, "running", FALSE, NULL},
    {"restore", saved, act_restore, OPERATION_RESTORE, "running", TRUE, NULL},
    {"restore-new", moved, act_restore, OPERATION_RESTORE, "running", TRUE, NULL},
    {"restore-reverted", reverted, act_restore_reverted, OPERATION_RESTORE, "running", TRUE, NULL},
    {"resume", suspended, act_resume, OPERATION_RESUME, "running", TRUE, NULL},
    {"start-saved", saved, act_start, OPERATION_START, "running", TRUE, NULL},
    {"destroy-suspended", suspended, act_destroy, OPERATION_DESTROY, "stopped", FALSE, NULL},
    {"boot-suspended", suspended, act_power, NO_KIND, "suspended", FALSE, "on_boot start"},
    {"cancel-save", running, act_cancel_save, NO_KIND, "running", FALSE, NULL},
    {"cancel-suspend", running, act_cancel_suspend, NO_KIND, "running", FALSE, NULL},
    {"cancel-restore", moved, act_cancel_restore, NO_KIND, NULL, FALSE, NULL},
    {"destroy-resume", suspended, act_destroy_resume, NO_KIND, NULL, FALSE, NULL},
    {"cancel-create", nothing, act_cancel_create, NO_KIND, NULL, FALSE, NULL},
    {"cancel-start", stopped, act_cancel_start, NO_KIND, NULL, FALSE, NULL},
    {"cancel-shutdown", running, act_cancel_shutdown, NO_KIND, NULL, FALSE, NULL},
    {"cancel-reboot", running, act_cancel_reboot, NO_KIND, NULL, FALSE, NULL},
    {"queue", running, act_queue, NO_KIND, NULL, FALSE, NULL},
    {"supersede", stopped, act_supersede, NO_KIND, NULL, FALSE, NULL},
    {"guest-reboot", running, act_guest_reboot, NO_KIND, NULL, FALSE, NULL},
    {"guest-crash", running, act_guest_crash, NO_KIND, NULL, FALSE,
     "on_member_failure restart|failure_limit 2/600"},
    {"guest-crash-of-xls", mixed, act_guest_crash_once, NO_KIND, NULL, FALSE,
     "on_member_failure restart|failure_limit 2/600"},
    {"stop-group", running, act_guest_crash_once, NO_KIND, "failed: db=stopped", FALSE,
     "on_member_failure stop-group"},
    {"boot", running, act_power, NO_KIND, "running", FALSE, "on_boot start"},
    {"boot-alone", running, act_power, NO_KIND, "stopped", FALSE, NULL},
    {NULL, NULL, NULL, NO_KIND, NULL, FALSE, NULL},
};

/* -- cases -- */

gboolean scenario_has_image(const Scenario *scenario)
{
    return scenario->prepare == saved || scenario->prepare == suspended ||
           scenario->prepare == moved || scenario->prepare == reverted ||
           scenario->act == act_save || scenario->act == act_save_ordered ||
           scenario->act == act_suspend || scenario->act == act_checkpoint ||
           scenario->act == act_cancel_save || scenario->act == act_cancel_suspend;
}

static gboolean writes_image(OperationKind kind)
{
    return kind == OPERATION_SAVE || kind == OPERATION_SUSPEND || kind == OPERATION_CHECKPOINT;
}

gboolean case_fits(const Case *what)
{
    const Scenario *scenario = what->scenario;
    OperationKind kind = scenario->kind;
    gboolean creates = scenario->prepare == nothing;
    gboolean builds = creates || scenario->prepare == stopped;
    static const char *const first = "create";
    const char *name = kind != NO_KIND ? operation_kind_name(kind) : first;
    if (kind == NO_KIND && what->policy != DOMGRP_POLICY_DEFAULT)
        return FALSE;
    if (what->policy != DOMGRP_POLICY_DEFAULT && !domgrp_policy_check(name, what->policy, NULL))
        return FALSE;
    if (what->twist->member != NULL && strcmp(what->twist->member, "web") == 0 &&
        what->shape->n < 2)
        return FALSE;
    gboolean saves = writes_image(kind) || scenario->act == act_cancel_save;
    switch (what->twist->fits) {
    case FITS_SAVING:
        return saves && what->shape->n > 1;
    case FITS_BUILDING:
        return builds;
    case FITS_CREATE:
        return creates;
    case FITS_START:
        return kind == OPERATION_START && what->shape->n > 1;
    default:
        return TRUE;
    }
}

char *case_name(const Case *what)
{
    return g_strdup_printf("%s of %s (%s), %s%s", what->scenario->name, what->shape->name,
                           what->twist->name, domgrp_policy_name(what->policy),
                           what->stock ? ", stock" : "");
}

World *case_prepare(const Case *what)
{
    World *world = world_new();
    if (what->stock)
        world_make_stock(world);
    for (guint i = 0; i < what->shape->n; i++) {
        gboolean twisted = g_strcmp0(what->twist->member, member_names[i]) == 0;
        g_autofree char *text =
            g_strdup_printf("name = %s\nuuid = 11111111-2222-4333-8444-00000000000%u\n%s\n",
                            member_names[i], i, twisted ? what->twist->file : "");
        world_set_file(world, member_names[i], text);
    }
    what->scenario->prepare(world, what);
    return world;
}

/* -- a run -- */

static void restart(World *world)
{
    while (!world_restart(world, NULL)) {
    }
}

void world_rest(World *world)
{
    while (world->engine == NULL || !host_sim_run(world->host, -1))
        restart(world);
}

static void die(World *world, const Plan *plan)
{
    world_stop(world);
    if (plan->power)
        host_sim_reboot(world->host);
    restart(world);
}

static void act(World *world, const Case *what)
{
    const Twist *twist = what->twist;
    what->scenario->act(world, what);
    if (twist->memory)
        host_sim_set_memory(world->host, 100 * 1024);
    if (twist->dies_at == 0)
        return;
    pass(world, twist->dies_at);
    crash(world);
}

/* What runs where, whoever looks after it. */
static char *list(World *world)
{
    g_autofree char *text = world_list(world);
    GString *stripped = g_string_new(text);
    g_string_replace(stripped, "(xl's)", "", 0);
    return g_string_free(stripped, FALSE);
}

static guint begun_by_all(World *world, guint n)
{
    guint begun = 0;
    for (guint i = 0; i < n; i++)
        begun += checker_begun(world->checker, member_names[i]);
    return begun;
}

/* An image is there if it was made, and not if it was undone. */
static char *check_file(World *world, OperationKind kind, DomgrpExit status)
{
    g_autofree char *images = host_sim_describe_images(world->host);
    gboolean there = strstr(images, kind == OPERATION_SUSPEND ? "/images/" : IMAGE) != NULL;
    if (!writes_image(kind))
        return NULL;
    if (there ? status == DOMGRP_EXIT_UNDONE || status == DOMGRP_EXIT_REFUSED
              : status == DOMGRP_EXIT_DONE)
        return g_strdup_printf("it ended with status %d, and there is: %s", status, images);
    return NULL;
}

/* What the outcome of the operation promises. */
static char *check_promise(World *world, const Case *what, const Plan *plan, const char *before,
                           guint begun)
{
    const Scenario *scenario = what->scenario;
    OperationInfo info = {.error = NULL};
    if (scenario->kind == NO_KIND || what->twist->dies_at != 0 || plan->power)
        return NULL;
    const Operation *operation = engine_operation_lookup(world->engine, world->task, NULL);
    if (operation != NULL)
        operation_get_info(operation, &info);
    gboolean refused = operation == NULL || info.kind != scenario->kind;
    if (refused && plan->fault != SIM_FAIL_BEFORE && plan->fault != SIM_FAIL_AFTER)
        return NULL; /* nobody has been told */
    DomgrpExit status = refused              ? DOMGRP_EXIT_REFUSED
                        : info.error != NULL ? domgrp_error_exit(domgrp_error_code(info.error))
                                             : DOMGRP_EXIT_DONE;
    g_autofree char *now = list(world);
    if ((status == DOMGRP_EXIT_UNDONE || status == DOMGRP_EXIT_REFUSED) && strcmp(now, before) != 0)
        return g_strdup_printf("it was undone, but before:\n%s\nand now:\n%s", before, now);
    char *wrong = check_file(world, scenario->kind, status);
    if (status != DOMGRP_EXIT_DONE || wrong != NULL)
        return wrong;
    g_autofree char *start = g_strdup_printf("shop %s:", scenario->after);
    if (scenario->after != NULL && !g_str_has_prefix(now, start))
        return g_strdup_printf("it was done, but:\n%s", now);
    guint times = begun_by_all(world, what->shape->n) - begun;
    if (scenario->begins && times != what->shape->n)
        return g_strdup_printf("it was done, but %u members began %u times", what->shape->n, times);
    return NULL;
}

/* Without an operation that people asked for: what comes in the end, whatever died. */
static char *check_after(World *world, const Case *what, const Plan *plan)
{
    const Scenario *scenario = what->scenario;
    gboolean fails = plan->fault != SIM_NONE && plan->fault != SIM_DEATH;
    if (scenario->kind != NO_KIND || scenario->after == NULL || what->twist != twists || fails ||
        (plan->power && scenario->act != act_power))
        return NULL;
    g_autofree char *now = list(world);
    g_autofree char *start = g_strdup_printf("shop %s", scenario->after);
    return g_str_has_prefix(now, start) ? NULL : g_strdup_printf("in the end:\n%s", now);
}

/* A daemon that begins where all is at rest finds nothing to do. */
static char *check_restart(World *world, const Case *what)
{
    g_autofree char *before = world_list(world);
    guint begun = begun_by_all(world, what->shape->n);
    world_stop(world);
    world_rest(world);
    g_autofree char *now = world_list(world);
    if (strcmp(now, before) != 0 || begun_by_all(world, what->shape->n) != begun)
        return g_strdup_printf("before another start of the daemon:\n%s\nand after:\n%s", before,
                               now);
    return world_check(world);
}

/* Whatever happened, an operator can get rid of it. */
static char *check_way_out(World *world)
{
    static const char *const groups[] = {"shop", "post"};
    for (guint i = 0; i < G_N_ELEMENTS(groups); i++) {
        if (engine_group_lookup(world->engine, groups[i], NULL) == NULL)
            continue;
        engine_operate(world->engine, OPERATION_DESTROY, groups[i], NULL, NULL);
        settle(world);
        engine_operate(world->engine, OPERATION_DELETE, groups[i], NULL, NULL);
        settle(world);
    }
    sim_xl_destroy(world->host, "guest");
    sim_xl_destroy(world->host, "db"); /* it may have left the group */
    settle(world);
    g_autofree char *host = host_sim_describe(world->host);
    g_autofree char *journal = journal_sim_describe(world->journal);
    g_autofree char *images = host_sim_describe_images(world->host);
    if (*host != '\0' || *journal != '\0' || strstr(images, "/images/") != NULL)
        return g_strdup_printf("after destroy and delete there is:\n%s\n%s\n%s", host, journal,
                               images);
    return g_strdup(checker_wrong(world->checker));
}

/* A call that never ends holds up its own group alone. */
static char *check_others(World *world)
{
    const char *names[] = {"bystander", NULL};
    domgrp_settings_free(g_steal_pointer(&world->settings));
    world->options = (EngineOptions){0};
    Operation *operation = world_create(world, "other", names, NULL);
    settle(world);
    OperationInfo info = {.ended_us = 0};
    if (operation != NULL)
        operation_get_info(operation, &info);
    gboolean done = info.ended_us != 0 && info.error == NULL;
    engine_operate(world->engine, OPERATION_DESTROY, "other", NULL, NULL);
    settle(world);
    engine_operate(world->engine, OPERATION_DELETE, "other", NULL, NULL);
    settle(world);
    return done ? NULL : g_strdup("a call that hangs holds up another group");
}

static void trouble(World *world, const Case *what, const Plan *plan, Verdict *verdict)
{
    checker_set_strict(world->checker, plan->fault == SIM_NONE);
    host_sim_fault(world->host, plan->nth, plan->fault);
    if (plan->mutated != 0)
        host_sim_mutate(world->host, plan->mutated, plan->mutation);
    act(world, what);
    gboolean lived = world->engine != NULL && host_sim_run(world->host, -1);
    verdict->call = host_sim_fault_call(world->host);
    verdict->lost = host_sim_lost_write(world->host);
    verdict->hit = verdict->call != NULL;
    host_sim_fault(world->host, plan->second, plan->second != 0 ? SIM_DEATH : SIM_NONE);
    if (plan->fault == SIM_HANG && verdict->hit && lived)
        verdict->wrong = check_others(world);
    if (!lived || (plan->fault == SIM_HANG && verdict->hit)) {
        die(world, plan);
        world_rest(world);
    }
    verdict->hit_second = host_sim_fault_call(world->host) != NULL;
    host_sim_fault(world->host, 0, SIM_NONE);
    world_rest(world);

    /* What could not be closed in the journal is closed by the next start. */
    g_autofree char *journal = journal_sim_describe(world->journal);
    if ((plan->fault == SIM_FAIL_BEFORE || plan->fault == SIM_FAIL_AFTER) &&
        strstr(journal, "open ") != NULL) {
        restart(world);
        world_rest(world);
    }
}

Verdict case_run(const Case *what, const Plan *plan)
{
    Verdict verdict = {0};
    World *world = case_prepare(what);
    g_autofree char *before = list(world);
    guint begun = begun_by_all(world, what->shape->n);
    world->task[0] = '\0';
    trouble(world, what, plan, &verdict);
    if (verdict.wrong == NULL)
        verdict.wrong = world_check(world);
    if (verdict.wrong == NULL)
        verdict.wrong = check_promise(world, what, plan, before, begun);
    if (verdict.wrong == NULL)
        verdict.wrong = check_after(world, what, plan);
    if (verdict.wrong == NULL)
        verdict.wrong = check_restart(world, what);
    if (verdict.wrong == NULL)
        verdict.wrong = check_way_out(world);
    if (verdict.wrong != NULL && g_getenv("TRACE") != NULL) {
        g_autofree char *trace = checker_trace(world->checker);
        g_print("%s", trace);
    }
    world_free(world);
    return verdict;
}
