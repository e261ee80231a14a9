/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the engine's tests rely on in the simulated host beyond its contract:
 * when guests become ready, journal writes that are lost or late, the trace.
 */
#include "sim.h"

#define TRANSACTION "99999999-2222-4333-8444-777777777777"
#define GROUP "a0a0a0a0-0000-4000-8000-000000000001"

static Host *host;
static GString *told;

static void on_moment(gpointer data, const SimMoment *moment)
{
    g_string_append_printf(told, "%s%s %s at %g", told->len > 0 ? ", " : "", moment->name,
                           host_sim_what_name(moment->what),
                           (double)moment->at_us / G_USEC_PER_SEC);
    g_string_append(told, moment->by_daemon ? " by us" : "");
    g_string_append(told, moment->lost ? ", lost" : "");
    g_string_append(told, moment->old ? ", old" : "");
    g_string_append(told, moment->unmarked ? ", unmarked" : "");
    g_string_append(told, moment->asked ? ", for xl" : "");
}

static void assert_told(const char *expected)
{
    g_assert_cmpstr(told->str, ==, expected);
    g_string_truncate(told, 0);
}

static void on_done(gpointer data, const GError *error)
{
    *(char **)data = error != NULL ? g_strdup(error->message) : g_strdup("done");
}

static void on_created(gpointer data, guint32 domid, const GError *error)
{
    g_assert_no_error(error);
    *(guint32 *)data = domid;
}

static void on_configured(gpointer data, HostConfig *config, const GError *error)
{
    g_assert_no_error(error);
    *(HostConfig **)data = config;
}

static void setup(void)
{
    host = host_sim_new();
    told = g_string_new(NULL);
    host_sim_trace(host, on_moment, NULL);
}

static void teardown(void)
{
    host->ops->free(host);
    g_string_free(told, TRUE);
}

static HostConfig *read_config(const char *text)
{
    HostConfig *config = NULL;
    host->ops->config_read(host, "a.cfg", text, "/", on_configured, &config);
    g_assert_true(host_sim_run(host, -1));
    return config;
}

/* -- the journal -- */

static JournalGroup *group_new(void)
{
    JournalGroup *group = journal_group_new();
    g_strlcpy(group->uuid, GROUP, sizeof group->uuid);
    group->name = g_strdup("shop");
    return group;
}

static void put(Journal *journal)
{
    g_autoptr(JournalGroup) group = group_new();
    g_assert_true(journal->ops->group_put(journal, group, NULL));
}

static void assert_holds(Journal *journal, gboolean there)
{
    g_autofree char *text = journal_sim_describe(journal);
    g_assert_cmpstr(text, ==, there ? "group shop:" : "");
}

static void look(void)
{
    g_autoptr(GArray) domains = NULL;
    g_assert_true(host->ops->domains(host, &domains, NULL));
}

/* A call that has an effect. */
static void act(void)
{
    guint32 id = 0;
    g_assert_true(host->ops->group_create(host, GROUP, &id, NULL));
    g_assert_true(host->ops->group_destroy(host, id, NULL));
}

static void test_lost(void)
{
    setup();
    Journal *journal = journal_sim_new(host);
    host_sim_fault(host, 1, SIM_LOST);
    put(journal);
    g_assert_cmpstr(host_sim_fault_call(host), ==, "journal_group_put");
    look();
    g_assert_true(host_sim_run(host, -1));
    assert_holds(journal, FALSE);
    put(journal);
    assert_holds(journal, TRUE);
    journal->ops->free(journal);
    teardown();
}

/* Written after the next call that has an effect; not at all if the process dies before that. */
static void test_late(void)
{
    setup();
    Journal *journal = journal_sim_new(host);
    host_sim_fault_on(host, "journal_group_put", 1, SIM_LATE);
    put(journal);
    look();
    assert_holds(journal, FALSE);
    act();
    assert_holds(journal, TRUE);

    host_sim_fault(host, 1, SIM_LATE); /* a deletion and a write after it change places */
    g_assert_true(journal->ops->group_delete(journal, GROUP, NULL));
    put(journal);
    assert_holds(journal, FALSE);

    host_sim_fault(host, 1, SIM_LATE);
    put(journal);
    host_sim_forget(host);
    act();
    assert_holds(journal, FALSE);

    host_sim_fault(host, 1, SIM_LATE);
    put(journal);
    g_assert_true(host_sim_run(host, -1)); /* nothing more happens */
    assert_holds(journal, TRUE);
    journal->ops->free(journal);
    teardown();
}

static void put_migration(Journal *journal, const char *state, const JournalGroup *group)
{
    g_autoptr(JournalMigration) migration = journal_migration_new();
    g_strlcpy(migration->uuid, TRANSACTION, sizeof migration->uuid);
    g_strlcpy(migration->group_uuid, GROUP, sizeof migration->group_uuid);
    migration->group_name = g_strdup("shop");
    migration->side = g_strdup("destination");
    migration->state = g_strdup(state);
    g_assert_true(journal->ops->migration_put(journal, migration, group, NULL));
}

static void assert_says(Journal *journal, const char *expected)
{
    g_autofree char *text = journal_sim_describe(journal);
    g_assert_cmpstr(text, ==, expected);
}

/* A migration and its group come, and go, in one write, which is lost as one. */
static void test_migration(void)
{
    setup();
    Journal *journal = journal_sim_new(host);
    g_autoptr(JournalGroup) group = group_new();
    put_migration(journal, "RECEIVING", group);
    assert_says(journal, "destination of shop is RECEIVING\ngroup shop:");
    put_migration(journal, "PREPARED", NULL);
    assert_says(journal, "destination of shop is PREPARED\ngroup shop:");
    g_assert_true(journal->ops->migration_end(journal, TRANSACTION, NULL, NULL));
    assert_says(journal, "");
    journal_sim_lose(journal, 1);
    assert_says(journal, "destination of shop is PREPARED\ngroup shop:");
    g_assert_true(journal->ops->migration_end(journal, TRANSACTION, group, NULL));
    assert_says(journal, "group shop:");
    g_assert_true(journal->ops->migration_end(journal, TRANSACTION, NULL, NULL));
    assert_says(journal, "group shop:");
    journal_sim_lose(journal, 4);
    assert_says(journal, "");
    journal->ops->free(journal);
    teardown();
}

/* An asynchronous call has its effect when it ends. */
static void test_late_async(void)
{
    setup();
    Journal *journal = journal_sim_new(host);
    g_autoptr(HostConfig) config = read_config("name = a\n");
    guint32 domid = HOST_DOMID_NONE;
    HostRecord record = {.name = "shop"};
    host_sim_fault(host, 1, SIM_LATE);
    put(journal);
    host->ops->domain_create(host, config->json, &record, on_created, &domid);
    look();
    g_assert_true(host_sim_run_for(host, G_USEC_PER_SEC));
    assert_holds(journal, FALSE);
    g_assert_true(host_sim_run_for(host, 2 * G_USEC_PER_SEC));
    g_assert_cmpuint(domid, !=, HOST_DOMID_NONE);
    assert_holds(journal, TRUE);
    journal->ops->free(journal);
    teardown();
}

/* Of other calls these faults are none. */
static void test_elsewhere(void)
{
    setup();
    host_sim_fault(host, 1, SIM_LOST);
    look();
    host_sim_fault(host, 1, SIM_LATE);
    look();
    g_assert_cmpstr(host_sim_fault_call(host), ==, "domains");
    teardown();
}

/* -- guests -- */

static void test_trace_xl(void)
{
    setup();
    g_assert_true(sim_xl_create(host, "name = a\nready_after = 2\non_poweroff = destroy\n", NULL));
    assert_told("a built at 0, a runs at 0");
    g_assert_true(host_sim_domain_runs(host, "a"));
    g_assert_false(host_sim_domain_ready(host, "a"));
    g_assert_true(sim_xl_pause(host, "a"));
    g_assert_true(host_sim_run_for(host, 3 * G_USEC_PER_SEC));
    g_assert_false(host_sim_domain_ready(host, "a"));
    g_assert_true(sim_xl_unpause(host, "a"));
    assert_told("a paused at 0, a unpaused at 3, a ready at 3");
    g_assert_true(host_sim_domain_ready(host, "a"));
    g_assert_true(sim_xl_shutdown(host, "a"));
    g_assert_true(host_sim_run(host, -1));
    assert_told("a asked at 3, a ended at 4, a destroyed at 4.05");
    g_assert_false(host_sim_domain_ready(host, "a"));
    teardown();
}

static void test_trace_daemon(void)
{
    setup();
    g_autoptr(HostConfig) config = read_config("name = a\nignores = 1\n");
    guint32 domid = HOST_DOMID_NONE;
    g_autofree char *unpaused = NULL;
    g_autofree char *asked = NULL;
    g_autofree char *destroyed = NULL;
    HostRecord record = {.name = "shop"};
    host->ops->domain_create(host, config->json, &record, on_created, &domid);
    g_assert_true(host_sim_run(host, -1));
    host->ops->domain_unpause(host, domid, config->uuid, on_done, &unpaused);
    g_assert_true(host_sim_run(host, -1));
    assert_told("a built at 2.01 by us, a runs at 2.02 by us, a ready at 2.02");
    host->ops->domain_shutdown(host, domid, config->uuid, HOST_SHUTDOWN_POWEROFF, FALSE, on_done,
                               &asked);
    g_assert_true(host_sim_run(host, -1));
    host->ops->domain_destroy(host, domid, config->uuid, on_done, &destroyed);
    g_assert_true(host_sim_run(host, -1));
    assert_told("a asked at 2.03 by us, a destroyed at 2.13 by us");
    teardown();
}

/* What was to come of the guest's first life does not come in its second. */
static void test_soft_reset(void)
{
    setup();
    g_autoptr(HostConfig) config =
        read_config("name = a\nends = crash\nends_after = 30\nready_after = never\n");
    guint32 domid = HOST_DOMID_NONE;
    g_autofree char *unpaused = NULL;
    g_autofree char *reset = NULL;
    HostRecord record = {.name = "shop"};
    host->ops->domain_create(host, config->json, &record, on_created, &domid);
    g_assert_true(host_sim_run_for(host, 3 * G_USEC_PER_SEC));
    host->ops->domain_unpause(host, domid, config->uuid, on_done, &unpaused);
    g_assert_true(host_sim_run_for(host, G_USEC_PER_SEC));
    g_assert_true(sim_guest_ready(host, "a"));
    g_assert_true(sim_guest_end(host, "a", HOST_REASON_SOFT_RESET));
    g_string_truncate(told, 0);
    host->ops->domain_soft_reset(host, domid, config->uuid, config->json, on_done, &reset);
    g_assert_true(host_sim_run_for(host, 100 * G_USEC_PER_SEC));
    g_assert_cmpstr(reset, ==, "done");
    assert_told("a built at 6.01 by us");
    g_assert_false(host_sim_domain_runs(host, "a"));
    g_assert_true(sim_xl_unpause(host, "a"));
    g_assert_true(host_sim_domain_runs(host, "a"));
    g_assert_false(host_sim_domain_ready(host, "a"));
    teardown();
}

/* -- probes and faults -- */

static char *probe_with(SimFault fault, const char *text)
{
    const DomgrpProbe probe = {.kind = DOMGRP_PROBE_EXEC};
    char *answer = NULL;
    setup();
    g_autoptr(HostConfig) config = read_config(text);
    HostProbe what = {.probe = &probe, .uuid = config->uuid, .member = "a", .group = "shop"};
    g_assert_true(sim_xl_create(host, config->json, &what.domid));
    host_sim_fault_on(host, "probe", 1, fault);
    guint handle = host->ops->probe(host, &what, G_USEC_PER_SEC, on_done, &answer);
    host_sim_run(host, -1);
    host->ops->probe_cancel(host, handle);
    teardown();
    return answer;
}

static void test_probe_faults(void)
{
    static const struct {
        SimFault fault;
        const char *text;
        const char *answer;
    } cases[] = {
        {SIM_NONE, "name = a\n", "done"},
        {SIM_NONE, "name = a\nready_after = 0.02\n", "exit status 1: not yet"},
        {SIM_NONE, "name = a\nends = crash\nends_after = 0\n", "domain 1 does not run"},
        {SIM_FAIL_BEFORE, "name = a\n", "probe failed as it was told to"},
        {SIM_FAIL_AFTER, "name = a\n", "probe failed as it was told to"},
        {SIM_HANG, "name = a\n", NULL},
        {SIM_DEATH, "name = a\n", NULL},
        {SIM_LATE, "name = a\n", "done"},
    };
    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *answer = probe_with(cases[i].fault, cases[i].text);
        g_assert_cmpstr(answer, ==, cases[i].answer);
    }
}

/* -- images -- */

#define PATH "/a/1.grp"
#define IMAGE_UUID "11111111-0000-4000-8000-000000000001"
#define DOMAIN "name = a\nuuid = 11111111-2222-4333-8444-555555555555\n"

static void on_image(gpointer data, HostImage *image, const HostImageInfo *info,
                     const GError *error)
{
    g_assert_no_error(error);
    *(HostImage **)data = image;
}

static char *settle(char **answer)
{
    g_assert_true(host_sim_run(host, -1));
    return g_steal_pointer(answer);
}

static HostImage *begin_image(const HostConfig *config)
{
    HostImage *image = NULL;
    const HostConfig *members[] = {config};
    HostImageSpec spec = {.uuid = IMAGE_UUID,
                          .path = PATH,
                          .group_uuid = GROUP,
                          .group_name = "shop",
                          .text = "",
                          .n_members = 1,
                          .members = members};
    host->ops->image_create(host, &spec, on_image, &image);
    g_assert_true(host_sim_run(host, -1));
    return image;
}

static void assert_suspends(HostImage *image, guint32 domid, const HostConfig *config,
                            const char *expected)
{
    char *answer = NULL;
    host->ops->image_suspend(host, image, domid, config->uuid, on_done, &answer);
    g_autofree char *got = settle(&answer);
    g_assert_cmpstr(got, ==, expected);
}

/* The domain "a" in an image; it stands still. */
static void save(guint32 domid, const HostConfig *config)
{
    char *answer = NULL;
    HostImage *image = begin_image(config);
    assert_suspends(image, domid, config, "done");
    host->ops->image_save(host, image, domid, config->uuid, on_done, &answer);
    g_autofree char *saved = settle(&answer);
    host->ops->image_finish(host, image, on_done, &answer);
    g_autofree char *finished = settle(&answer);
    g_assert_cmpstr(saved, ==, "done");
    g_assert_cmpstr(finished, ==, "done");
    host->ops->image_close(host, image);
}

static void destroy(guint32 domid, const HostConfig *config)
{
    char *answer = NULL;
    host->ops->domain_destroy(host, domid, config->uuid, on_done, &answer);
    g_autofree char *got = settle(&answer);
    g_assert_cmpstr(got, ==, "done");
}

/* Builds "a" from the image and lets it run. */
static void restore(const HostConfig *config, gboolean use)
{
    char *answer = NULL;
    HostImage *image = NULL;
    HostRecord record = {.uuid = GROUP};
    guint32 domid = HOST_DOMID_NONE;
    host->ops->image_open(host, PATH, on_image, &image);
    g_assert_true(host_sim_run(host, -1));
    host->ops->image_restore(host, image, config->uuid, config->json, &record, on_created, &domid);
    g_assert_true(host_sim_run(host, -1));
    if (use)
        host->ops->image_use(host, image, on_done, &answer);
    g_autofree char *used = settle(&answer);
    host->ops->domain_unpause(host, domid, config->uuid, on_done, &answer);
    g_autofree char *runs = settle(&answer);
    host->ops->image_close(host, image);
}

static void assert_images(const char *expected)
{
    g_autofree char *images = host_sim_describe_images(host);
    g_assert_cmpstr(images, ==, expected);
}

static void test_image(void)
{
    setup();
    guint32 domid;
    g_autoptr(HostConfig) config = read_config(DOMAIN);
    g_assert_true(sim_xl_create(host, config->json, &domid));
    g_string_truncate(told, 0);
    save(domid, config);
    destroy(domid, config);
    assert_told("a suspended at 0.52, a destroyed at 1.83 by us");
    assert_images(PATH " of shop: a");
    restore(config, TRUE);
    assert_told("a built at 3.84 by us, a runs at 3.86 by us, a ready at 3.86");
    assert_images(PATH " of shop (used): a");
    teardown();
}

/* What a checker is there to see. */
static void test_image_lost(void)
{
    setup();
    char *answer = NULL;
    guint32 domid;
    g_autoptr(HostConfig) config = read_config(DOMAIN);
    g_assert_true(sim_xl_create(host, config->json, &domid));
    g_string_truncate(told, 0);
    save(domid, config);
    host->ops->image_remove(host, PATH, GROUP, on_done, &answer); /* which is another's UUID */
    g_autofree char *other = settle(&answer);
    assert_told("a suspended at 0.52");
    host->ops->image_remove(host, PATH, IMAGE_UUID, on_done, &answer);
    g_autofree char *removed = settle(&answer);
    assert_told(PATH " removed at 1.75 by us");
    destroy(domid, config);
    assert_told("a destroyed at 1.85 by us, lost");
    teardown();
}

static void test_image_old(void)
{
    setup();
    guint32 domid;
    g_autoptr(HostConfig) config = read_config(DOMAIN);
    g_assert_true(sim_xl_create(host, config->json, &domid));
    save(domid, config);
    destroy(domid, config);
    g_assert_true(sim_xl_create(host, config->json, NULL));
    g_assert_true(sim_xl_destroy(host, "a"));
    g_string_truncate(told, 0);
    restore(config, FALSE);
    assert_told("a built at 3.84 by us, a runs at 3.85 by us, old, unmarked, a ready at 3.85");
    g_assert_true(sim_xl_destroy(host, "a"));
    host_sim_revert_disks(host, PATH);
    g_string_truncate(told, 0);
    restore(config, TRUE);
    assert_told("a built at 5.86 by us, a runs at 5.88 by us, a ready at 5.88");
    teardown();
}

/* A file that was begun is there until somebody takes it away. */
static void test_image_unfinished(void)
{
    setup();
    char *answer = NULL;
    g_autoptr(HostConfig) config = read_config(DOMAIN);
    begin_image(config);
    host_sim_forget(host);
    assert_images("unfinished " PATH);
    host->ops->image_remove(host, PATH, IMAGE_UUID, on_done, &answer);
    g_autofree char *removed = settle(&answer);
    assert_images("");
    HostImage *image = begin_image(config);
    host->ops->image_close(host, image);
    assert_images("");
    teardown();
}

/* Nobody waits longer than 5 s; a guest that is late stands still all the same. */
static void test_suspend_late(void)
{
    setup();
    guint32 domid;
    g_autoptr(HostConfig) config = read_config(DOMAIN "suspend_takes = 6\n");
    g_assert_true(sim_xl_create(host, config->json, &domid));
    HostImage *image = begin_image(config);
    g_string_truncate(told, 0);
    assert_suspends(image, domid, config, "its guest did not suspend within 5 s");
    assert_told("a suspended at 6.02");
    host->ops->image_close(host, image);
    teardown();
}

static void test_xl_save(void)
{
    setup();
    char *answer = NULL;
    guint32 domid;
    g_autoptr(HostConfig) config = read_config(DOMAIN);
    g_assert_true(sim_xl_create(host, config->json, &domid));
    g_string_truncate(told, 0);
    g_assert_true(sim_xl_save(host, "a"));
    g_assert_true(host_sim_run_for(host, G_USEC_PER_SEC));
    host->ops->domain_resume(host, domid, config->uuid, on_done, &answer);
    g_autofree char *resumed = settle(&answer);
    assert_told("a suspended at 0.51, a resumed at 1.02 by us, for xl");
    g_assert_true(sim_xl_save(host, "a"));
    g_assert_true(host_sim_run(host, -1));
    assert_told("a suspended at 3.01, a destroyed at 5.01, lost");
    teardown();
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/host-sim/lost", test_lost);
    g_test_add_func("/host-sim/late", test_late);
    g_test_add_func("/host-sim/migration", test_migration);
    g_test_add_func("/host-sim/late-async", test_late_async);
    g_test_add_func("/host-sim/elsewhere", test_elsewhere);
    g_test_add_func("/host-sim/trace-xl", test_trace_xl);
    g_test_add_func("/host-sim/trace-daemon", test_trace_daemon);
    g_test_add_func("/host-sim/soft-reset", test_soft_reset);
    g_test_add_func("/host-sim/probe-faults", test_probe_faults);
    g_test_add_func("/host-sim/image", test_image);
    g_test_add_func("/host-sim/image-lost", test_image_lost);
    g_test_add_func("/host-sim/image-old", test_image_old);
    g_test_add_func("/host-sim/image-unfinished", test_image_unfinished);
    g_test_add_func("/host-sim/suspend-late", test_suspend_late);
    g_test_add_func("/host-sim/xl-save", test_xl_save);
    return g_test_run();
}
