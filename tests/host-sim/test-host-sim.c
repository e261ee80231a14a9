/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the engine's tests rely on in the simulated host beyond its contract:
 * when guests become ready, journal writes that are lost or late, the trace.
 */
#include "sim.h"

#define GROUP "a0a0a0a0-0000-4000-8000-000000000001"

static Host *host;
static GString *told;

static void on_moment(gpointer data, const SimMoment *moment)
{
    g_string_append_printf(told, "%s%s %s at %g", told->len > 0 ? ", " : "", moment->name,
                           host_sim_what_name(moment->what),
                           (double)moment->at_us / G_USEC_PER_SEC);
    g_string_append(told, moment->by_daemon ? " by us" : "");
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

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/host-sim/lost", test_lost);
    g_test_add_func("/host-sim/late", test_late);
    g_test_add_func("/host-sim/late-async", test_late_async);
    g_test_add_func("/host-sim/elsewhere", test_elsewhere);
    g_test_add_func("/host-sim/trace-xl", test_trace_xl);
    g_test_add_func("/host-sim/trace-daemon", test_trace_daemon);
    g_test_add_func("/host-sim/soft-reset", test_soft_reset);
    g_test_add_func("/host-sim/probe-faults", test_probe_faults);
    return g_test_run();
}
