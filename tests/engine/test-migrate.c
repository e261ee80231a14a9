/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A group goes from one simulated host to another: the stories without a fault. */
#include "pair.h"

#include <string.h>

#include "domgrp-text.h"

#define ORDER "after web: db\n"
#define HERE "shop running: db=running web=running / "
#define THERE " / shop running: db=running web=running"

#define UNDONE "FAILED_AND_UNDONE: migrate of shop failed and was undone: "

static const EngineOptions still = {0};
static const EngineOptions live = {.live = TRUE};
static const EngineOptions dry = {.dry_run = TRUE};

/* -- helpers -- */

static void assert_list(Pair *pair, const char *expected)
{
    g_autofree char *list = pair_list(pair);
    g_assert_cmpstr(list, ==, expected);
}

static void assert_result(Pair *pair, guint side, const char *expected)
{
    g_autofree char *result = world_result(pair->sides[side]);
    g_assert_cmpstr(result, ==, expected);
}

static void print_traces(Pair *pair)
{
    for (guint i = 0; i < 2 && g_getenv("TRACE") != NULL; i++) {
        g_autofree char *trace = checker_trace(pair->sides[i]->checker);
        g_print("# host %u: %s\n%s", i + 1, pair->sides[i]->notes->str, trace);
    }
}

static void assert_good(Pair *pair)
{
    g_autofree char *wrong = pair_check(pair);
    if (wrong != NULL)
        print_traces(pair);
    g_assert_cmpstr(wrong, ==, NULL);
}

static Pair *begin(void)
{
    Pair *pair = pair_new();
    pair_create(pair, ORDER);
    return pair;
}

static void migrate(Pair *pair, guint from, const EngineOptions *options)
{
    g_autoptr(GError) error = NULL;
    pair_migrate(pair, from, options, &error);
    g_assert_no_error(error);
}

/* Runs until the migration is in @state on @side. */
static void run_until(Pair *pair, guint side, const char *state)
{
    GroupMigration migration = {.state = ""};
    for (guint ms = 0; ms < 60000 && strcmp(migration.state, state) != 0; ms++) {
        const Group *group = engine_group_lookup(pair->sides[side]->engine, "shop", NULL);
        pair_run_for(pair, 1000);
        if (group == NULL || !group_get_migration(group, &migration))
            migration.state = "";
    }
    g_assert_cmpstr(migration.state, ==, state);
}

static void finish(Pair *pair, const char *list, const char *result)
{
    pair_rest(pair);
    assert_result(pair, SOURCE, result);
    assert_list(pair, list);
    assert_good(pair);
    pair_free(pair);
}

static void create_at_destination(Pair *pair, const char *group, const char *uuid,
                                  const char *member)
{
    const char *names[] = {member, NULL};
    World *world = pair->sides[DESTINATION];
    world->uuid = uuid;
    g_assert_nonnull(world_create(world, group, names, NULL));
    pair_rest(pair);
    assert_result(pair, DESTINATION, "done");
}

/* -- it goes -- */

static void test_still(void)
{
    Pair *pair = begin();
    migrate(pair, SOURCE, &still);
    finish(pair, THERE, "done");
}

static void test_live(void)
{
    Pair *pair = begin();
    migrate(pair, SOURCE, &live);
    finish(pair, THERE, "done");
}

static void test_return(void)
{
    Pair *pair = begin();
    for (guint i = 0; i < 4; i++) {
        migrate(pair, i % 2, &live);
        pair_rest(pair);
        assert_result(pair, i % 2, "done");
        assert_list(pair, i % 2 == SOURCE ? THERE : HERE);
        assert_good(pair);
    }
    pair_free(pair);
}

/* What it is at the end is what it was, and works as a group does. */
static void test_after(void)
{
    Pair *pair = begin();
    migrate(pair, SOURCE, &live);
    pair_rest(pair);
    World *world = pair->sides[DESTINATION];
    static const OperationKind kinds[] = {OPERATION_PAUSE, OPERATION_UNPAUSE, OPERATION_REBOOT,
                                          OPERATION_SUSPEND, OPERATION_RESUME};
    for (guint i = 0; i < G_N_ELEMENTS(kinds); i++) {
        world_expect(world, engine_operate(world->engine, kinds[i], "shop", NULL, NULL));
        pair_rest(pair);
        assert_result(pair, DESTINATION, "done");
    }
    finish(pair, THERE, "done");
}

static void test_dry_run(void)
{
    Pair *pair = begin();
    OperationInfo info;
    migrate(pair, SOURCE, &dry);
    pair_rest(pair);
    operation_get_info(pair->sides[SOURCE]->last, &info);
    g_assert_nonnull(strstr(info.verdict, "it can take shop: 2 members, 4096 MiB free"));
    finish(pair, HERE, "done");
}

/* -- it is taken back -- */

static void cancel_in(guint side, const char *state, const char *result)
{
    Pair *pair = begin();
    OperationInfo info;
    g_autoptr(GError) error = NULL;
    migrate(pair, SOURCE, &live);
    operation_get_info(pair->sides[SOURCE]->last, &info);
    if (state != NULL)
        run_until(pair, side, state);
    engine_cancel(pair->sides[SOURCE]->engine, info.uuid, &error);
    g_assert_no_error(error);
    finish(pair, HERE, result);
}

static void test_cancel(void)
{
    static const char *const undone = "FAILED_AND_UNDONE: migrate of shop was cancelled and undone";
    cancel_in(SOURCE, NULL, "CANCELLED: migrate of shop was cancelled");
    cancel_in(SOURCE, "CHECKING", "CANCELLED: migrate of shop was cancelled");
    cancel_in(DESTINATION, "RECEIVING", "CANCELLED: migrate of shop was cancelled");
    cancel_in(SOURCE, "SENDING", undone);
    cancel_in(SOURCE, "SWITCHING", undone);
    cancel_in(SOURCE, "WAITING", undone);
    cancel_in(DESTINATION, "PREPARED", undone);
}

static void test_cancel_late(void)
{
    Pair *pair = begin();
    OperationInfo info;
    g_autoptr(GError) error = NULL;
    migrate(pair, SOURCE, &live);
    operation_get_info(pair->sides[SOURCE]->last, &info);
    run_until(pair, SOURCE, "COMMITTED");
    g_assert_false(engine_cancel(pair->sides[SOURCE]->engine, info.uuid, &error));
    g_assert_cmpstr(error->message, ==,
                    "the migrate of shop is decided, the group is the other host's, and cannot be "
                    "cancelled");
    finish(pair, THERE, "done");
}

/* A group that has started with its host does not do so once more. */
static void test_booted(void)
{
    Pair *pair = pair_new();
    OperationInfo info;
    pair_create(pair, ORDER "on_boot start\n");
    pair_power(pair, SOURCE);
    pair_rest(pair);
    migrate(pair, SOURCE, &live);
    run_until(pair, SOURCE, "SENDING");
    operation_get_info(pair->sides[SOURCE]->last, &info);
    g_assert_true(engine_cancel(pair->sides[SOURCE]->engine, info.uuid, NULL));
    pair_rest(pair);
    g_autoptr(GPtrArray) operations = engine_operations(pair->sides[SOURCE]->engine);
    operation_get_info(operations->pdata[0], &info);
    g_assert_cmpuint(info.kind, ==, OPERATION_MIGRATE);
    finish(pair, HERE, "FAILED_AND_UNDONE: migrate of shop was cancelled and undone");
}

/* What waits for its end finds the group gone, or there. */
static void test_queued(void)
{
    Pair *pair = begin();
    World *world = pair->sides[SOURCE];
    migrate(pair, SOURCE, &live);
    run_until(pair, SOURCE, "SENDING");
    g_autoptr(GError) error = NULL;
    g_assert_null(engine_operate(world->engine, OPERATION_DESTROY, "shop", NULL, &error));
    g_assert_nonnull(strstr(error->message, "shop is busy: its migrate runs"));
    world_expect(world, engine_operate(world->engine, OPERATION_DESTROY, "shop",
                                       &(EngineOptions){.wait = TRUE}, NULL));
    finish(pair, THERE, "GROUP_UNKNOWN: shop is gone: it was deleted while its destroy waited");
}

/* Both hosts at once, each another group. */
static void test_crossing(void)
{
    Pair *pair = begin();
    create_at_destination(pair, "post", NULL, "mail");
    World *world = pair->sides[DESTINATION];
    EngineOptions options = {.live = TRUE, .peer = "h1"};
    migrate(pair, SOURCE, &live);
    world_expect(world, engine_operate(world->engine, OPERATION_MIGRATE, "post", &options, NULL));
    pair_rest(pair);
    assert_result(pair, DESTINATION, "done");
    assert_result(pair, SOURCE, "done");
    assert_list(pair, "post running: mail=running / shop running: db=running web=running");
    assert_good(pair);
    pair_free(pair);
}

/* -- it is refused -- */

static void test_paused(void)
{
    Pair *pair = begin();
    g_autoptr(GError) error = NULL;
    World *world = pair->sides[SOURCE];
    world_expect(world, engine_operate(world->engine, OPERATION_PAUSE, "shop", NULL, NULL));
    pair_rest(pair);
    g_assert_null(pair_migrate(pair, SOURCE, &live, &error));
    g_assert_cmpstr(error->message, ==,
                    "shop is paused, so its guests cannot answer: \"domgrp unpause shop\" first");
    pair_free(pair);
}

static char *group_uuid(Pair *pair)
{
    GroupInfo info;
    group_get_info(engine_group_lookup(pair->sides[SOURCE]->engine, "shop", NULL), &info);
    return g_strdup(info.uuid);
}

static void refused(Pair *pair, const EngineOptions *options, const char *list, const char *result)
{
    migrate(pair, SOURCE, options);
    pair_rest(pair);
    assert_result(pair, SOURCE, result);
    assert_list(pair, list);
    for (guint i = 0; i < 2; i++) {
        g_autofree char *wrong = world_check(pair->sides[i]);
        g_assert_cmpstr(wrong, ==, NULL);
    }
}

static void test_taken(void)
{
    static const char *const name_taken =
        "REMOTE_REFUSED: h2: there is a group shop already: choose another name or delete that one";
    static const char *const member_taken =
        "REMOTE_REFUSED: h2: web is the name of a member of group post already: give it another";
    Pair *pair = begin();
    create_at_destination(pair, "shop", NULL, "other");
    refused(pair, &live, HERE "shop running: other=running", name_taken);
    refused(pair, &dry, HERE "shop running: other=running", name_taken);
    pair_free(pair);

    pair = begin();
    g_autofree char *uuid = group_uuid(pair);
    g_autofree char *uuid_taken = g_strdup_printf(
        "REMOTE_REFUSED: h2: the UUID %s of shop belongs to group post already", uuid);
    create_at_destination(pair, "post", uuid, "other");
    refused(pair, &live, HERE "post running: other=running", uuid_taken);
    pair_free(pair);

    pair = begin();
    create_at_destination(pair, "post", NULL, "web");
    refused(pair, &live, HERE "post running: web=running", member_taken);
    refused(pair, &dry, HERE "post running: web=running", member_taken);
    pair_free(pair);
}

static void test_memory(void)
{
    Pair *pair = begin();
    host_sim_set_memory(pair->sides[DESTINATION]->host, 100 * 1024);
    refused(pair, &live, HERE,
            "REMOTE_REFUSED: h2: web of shop needs 64 MiB, but of the 100 MiB that are free on "
            "this host only 36 MiB are left for it: nothing was started; free memory or give "
            "members less");
    pair_free(pair);
}

/* Guests would come to an end on a host without their disks. */
static void test_disk(void)
{
    static const char *const no_disk =
        "REMOTE_REFUSED: h2: web of shop needs /dev/vg/web, which this host has not: nothing was "
        "started; bring it here, or change the member's configuration";
    Pair *pair = pair_new();
    pair_set_file(pair, "web", "disk=/dev/vg/web\n");
    pair_create(pair, ORDER);
    host_sim_set_absent(pair->sides[DESTINATION]->host, "/dev/vg/web");
    refused(pair, &live, HERE, no_disk);
    refused(pair, &dry, HERE, no_disk);
    pair_free(pair);
}

static void test_unreachable(void)
{
    Pair *pair = begin();
    links_sim_set_reachable(pair->sides[DESTINATION]->links, FALSE);
    refused(pair, &live, HERE,
            "FAILED_AND_UNDONE: migrate of shop failed before anything was changed: h2: the other "
            "host cannot be reached");
    pair_free(pair);
}

static void test_no_groups(void)
{
    Pair *pair = begin();
    world_make_stock(pair->sides[DESTINATION]);
    refused(pair, &live, HERE,
            "REMOTE_REFUSED: h2: the hypervisor here knows no groups, and shop would not be held "
            "together: boot the one with groups, or say --without-groups");
    migrate(pair, SOURCE, &(EngineOptions){.live = TRUE, .without_groups = TRUE});
    finish(pair, THERE, "done");
}

static void connected(gpointer data, guint connection, gboolean ours)
{
}

static void said(gpointer data, guint connection, const MigrationSaid *what)
{
}

static void ended(gpointer data, guint connection, const GError *error)
{
}

/* Who has a connection and says nothing. */
static void test_silent(void)
{
    static const LinksEvents deaf = {connected, said, ended};
    static const char *const late =
        "FAILED_AND_UNDONE: migrate of shop failed before anything was changed: h2 did not answer "
        "in time";
    Pair *pair = begin();
    Links *links = pair->sides[DESTINATION]->links;
    links->ops->watch(links, &deaf, NULL);
    refused(pair, &dry, HERE, late);
    refused(pair, &live, HERE, late);
    pair_free(pair);
}

/* The first record of a migration cannot be written, here or there: another one can begin. */
static void test_unwritten(void)
{
    for (guint side = 0; side < 2; side++) {
        Pair *pair = begin();
        host_sim_fault_on(pair->sides[side]->host, "journal_migration_put", 1, SIM_FAIL_BEFORE);
        migrate(pair, SOURCE, &live);
        pair_rest(pair);
        g_assert_cmpstr(host_sim_fault_call(pair->sides[side]->host), ==, "journal_migration_put");
        assert_list(pair, HERE);
        migrate(pair, SOURCE, &live);
        finish(pair, THERE, "done");
    }
}

/* -- a peer that is the test -- */

typedef struct {
    Links *links;
    MigrationSaid offer; /* that it had */
    MigrationMember members[2];
    char *definition;
    char *reason;  /* of GONE; NULL: it was not said */
    guint limited; /* GONEs since too many come */
    guint ended;   /* the connection that has ended last */
} Spy;

static void spy_hears(gpointer data, guint connection, const MigrationSaid *what)
{
    Spy *spy = data;
    if (what->message == MIGRATION_MESSAGE_OFFER) {
        g_assert_cmpuint(what->offer.n_members, ==, G_N_ELEMENTS(spy->members));
        memcpy(spy->members, what->offer.members, sizeof spy->members);
        spy->definition = g_strdup(what->offer.definition);
        spy->offer = *what;
        spy->offer.offer.members = spy->members;
        spy->offer.offer.definition = spy->definition;
        spy->offer.offer.host = "evil";
    }
    if (what->message != MIGRATION_MESSAGE_GONE)
        return;
    g_free(spy->reason);
    spy->reason = g_strdup(what->reason);
    spy->limited += strstr(what->reason, "8 groups are coming to this host already") != NULL;
}

static void spy_is_left(gpointer data, guint connection, const GError *error)
{
    ((Spy *)data)->ended = connection;
}

/* The other host is the test: what it is offered when the group is to come to it. */
static Spy *spy_new(Pair *pair, const EngineOptions *options)
{
    static const LinksEvents events = {connected, spy_hears, spy_is_left};
    Spy *spy = g_new0(Spy, 1);
    spy->links = pair->sides[DESTINATION]->links;
    spy->links->ops->watch(spy->links, &events, spy);
    migrate(pair, SOURCE, options);
    pair_run_for(pair, G_USEC_PER_SEC);
    g_assert_nonnull(spy->definition);
    return spy;
}

static void spy_free(Spy *spy)
{
    g_free(spy->definition);
    g_free(spy->reason);
    g_free(spy);
}

/* It offers @said, and hears a reason with @part in it; the connection ends. */
static void assert_refused(Pair *pair, Spy *spy, const MigrationSaid *said_first, const char *part)
{
    guint connection = spy->links->ops->connect(spy->links, "h1", NULL);
    pair_run_for(pair, G_USEC_PER_SEC / 10);
    g_clear_pointer(&spy->reason, g_free);
    spy->links->ops->say(spy->links, connection, said_first);
    pair_run_for(pair, G_USEC_PER_SEC);
    g_assert_nonnull(spy->reason);
    if (strstr(spy->reason, part) == NULL)
        g_assert_cmpstr(spy->reason, ==, part);
    g_assert_cmpuint(spy->ended, ==, connection);
}

/* Another group, under the transaction of one that goes, and with much to read. */
static void test_hostile_offers(void)
{
    Pair *pair = begin();
    Spy *spy = spy_new(pair, &live);
    MigrationSaid offer = spy->offer;
    g_strlcpy(offer.offer.group_name, "post", sizeof offer.offer.group_name);
    offer.offer.group_uuid[0] = offer.offer.group_uuid[0] == '0' ? '1' : '0';
    assert_refused(pair, spy, &offer,
                   "the transaction of post is one of a group that moves from here");

    g_autofree char *commas = g_strnfill(3 * DOMGRP_JSON_VALUES_MAX, ',');
    g_auto(GStrv) parts = g_strsplit(spy->definition, "json=", -1);
    g_autofree char *larger = g_strconcat("json=", commas, NULL);
    g_autofree char *large = g_strjoinv(larger, parts);
    offer.transaction[0] = offer.transaction[0] == '0' ? '1' : '0';
    offer.offer.definition = large;
    assert_refused(pair, spy, &offer,
                   "the configurations of the members of post are too large to be read");
    pair_rest(pair);
    assert_list(pair, HERE);
    spy_free(spy);
    pair_free(pair);
}

/* A member that has grown since it was defined needs as much as it has. */
static void test_grown(void)
{
    static const OperationKind away[] = {OPERATION_DESTROY, OPERATION_DELETE};
    Pair *pair = begin();
    Spy *spy = spy_new(pair, &dry);
    pair_rest(pair);
    for (guint i = 0; i < G_N_ELEMENTS(away); i++) {
        engine_operate(pair->sides[SOURCE]->engine, away[i], "shop", NULL, NULL);
        pair_rest(pair);
    }
    assert_list(pair, " / ");
    spy->members[1].memory_kib = 1ull << 40;
    assert_refused(pair, spy, &spy->offer, "of shop needs 1073741824 MiB");
    spy_free(spy);
    pair_free(pair);
}

/* One more than may come at a time. */
static void test_many(void)
{
    Pair *pair = begin();
    Spy *spy = spy_new(pair, &dry);
    guint connections[9];
    pair_rest(pair);
    for (guint i = 0; i < G_N_ELEMENTS(connections); i++)
        connections[i] = spy->links->ops->connect(spy->links, "h1", NULL);
    pair_run_for(pair, G_USEC_PER_SEC / 10);
    for (guint i = 0; i < G_N_ELEMENTS(connections); i++) {
        MigrationSaid offer = spy->offer;
        offer.transaction[1] = offer.offer.group_uuid[1] = '0' + i;
        offer.transaction[2] = offer.offer.group_uuid[2] =
            spy->offer.transaction[2] == 'f' ? 'e' : 'f';
        g_snprintf(offer.offer.group_name, sizeof offer.offer.group_name, "post%u", i);
        spy->links->ops->say(spy->links, connections[i], &offer);
    }
    pair_rest(pair);
    g_assert_cmpuint(spy->limited, ==, 1);
    assert_list(pair, HERE);
    spy_free(spy);
    pair_free(pair);
}

/* Whatever an operator wants of a group that is in doubt, but its copies are let alone. */
static void assert_refuses_all(Pair *pair, guint side)
{
    World *world = pair->sides[side];
    g_autofree char *before = host_sim_describe(world->host);
    for (OperationKind kind = OPERATION_START; kind <= OPERATION_MIGRATE; kind++) {
        EngineOptions options = {.path = "/a/b.grp", .peer = "h3", .wait = TRUE};
        if (kind == OPERATION_JOIN || kind == OPERATION_RESTORE)
            continue;
        g_autoptr(GError) error = NULL;
        g_assert_null(engine_operate(world->engine, kind, "shop", &options, &error));
        g_assert_cmpint(domgrp_error_code(error), ==, DOMGRP_ERROR_GROUP_STATE);
    }
    g_autoptr(GError) error = NULL;
    g_assert_null(engine_join(world->engine, "Null-Group", "db", NULL, &error));
    pair_run_for(pair, G_USEC_PER_SEC);
    g_autofree char *after = host_sim_describe(world->host);
    g_assert_cmpstr(after, ==, before);
}

/* The connection ends before COMMIT is heard, and the other host cannot be reached. */
static Pair *begin_doubt(void)
{
    Pair *pair = begin();
    links_sim_cut(pair->sides[SOURCE]->links, 3);
    migrate(pair, SOURCE, &live);
    pair_run_for(pair, G_USEC_PER_SEC / 2);
    links_sim_set_reachable(pair->sides[DESTINATION]->links, FALSE);
    pair_run_for(pair, 30 * G_USEC_PER_SEC);
    return pair;
}

static GroupState group_state_at(Pair *pair, guint side)
{
    GroupInfo info;
    group_get_info(engine_group_lookup(pair->sides[side]->engine, "shop", NULL), &info);
    return info.state;
}

static void test_doubt(void)
{
    Pair *pair = begin_doubt();
    for (guint i = 0; i < 2; i++) {
        g_assert_cmpuint(group_state_at(pair, i), ==, GROUP_IN_DOUBT);
        assert_refuses_all(pair, i);
    }
    g_autofree char *result = world_result(pair->sides[SOURCE]);
    g_assert_true(g_str_has_prefix(result,
                                   "PARTLY_DONE: migrate of shop was not completed: shop "
                                   "was given to h2, which has not said that it runs there"));
    g_assert_true(sim_xl_unpause(pair->sides[DESTINATION]->host, "db"));
    pair_run_for(pair, G_USEC_PER_SEC);
    g_assert_false(host_sim_domain_runs(pair->sides[DESTINATION]->host, "db"));
    g_assert_true(sim_xl_pause(pair->sides[DESTINATION]->host, "db"));
    links_sim_set_reachable(pair->sides[DESTINATION]->links, TRUE);
    pair_rest(pair);
    assert_list(pair, THERE);
    assert_good(pair);
    pair_free(pair);
}

static void word_taken(gpointer data, const GError *error)
{
    *(char **)data = g_strdup(error != NULL ? error->message : "taken");
}

/* What becomes of @word at @side, after a while. Free with g_free(). */
static char *say(Pair *pair, guint side, EngineWord word)
{
    char *answer = NULL;
    engine_settle(pair->sides[side]->engine, "shop", word, word_taken, &answer);
    g_assert_null(answer);
    pair_run_for(pair, 10 * G_USEC_PER_SEC);
    return answer;
}

static void test_settle(void)
{
    Pair *pair = begin_doubt();
    g_autofree char *alone = say(pair, SOURCE, ENGINE_WORD_NONE);
    g_assert_cmpstr(alone, ==, "taken");
    g_assert_cmpuint(group_state_at(pair, SOURCE), ==, GROUP_IN_DOUBT);
    g_autofree char *refused_word = say(pair, SOURCE, ENGINE_WORD_RUN_HERE);
    g_assert_nonnull(strstr(refused_word, "shop cannot be told to run here"));
    links_sim_set_reachable(pair->sides[DESTINATION]->links, TRUE);
    g_autofree char *settles = say(pair, SOURCE, ENGINE_WORD_NONE);
    g_assert_cmpstr(settles, ==, "taken");
    assert_list(pair, THERE);
    g_autofree char *settled = say(pair, DESTINATION, ENGINE_WORD_NONE);
    g_assert_cmpstr(settled, ==, "no migration of shop is open: there is nothing to settle");
    assert_good(pair);
    pair_free(pair);
}

/* -- a member that does not do what it should -- */

static void test_no_suspend(void)
{
    Pair *pair = pair_new();
    pair_set_file(pair, "db", "no_suspend = 1");
    pair_create(pair, ORDER);
    migrate(pair, SOURCE, &live);
    finish(pair, HERE, UNDONE "db: its guest did not suspend within 5 s");
}

static void test_late_suspend(void)
{
    Pair *pair = pair_new();
    pair_set_file(pair, "web", "suspend_takes = 7");
    pair_create(pair, ORDER);
    migrate(pair, SOURCE, &live);
    finish(pair, HERE, UNDONE "web: its guest did not suspend within 5 s");
}

static void test_not_built(void)
{
    Pair *pair = begin();
    migrate(pair, SOURCE, &live);
    run_until(pair, DESTINATION, "RECEIVING");
    host_sim_set_memory(pair->sides[DESTINATION]->host, 100 * 1024);
    finish(pair, HERE, UNDONE "h2: web: there is no memory left for web");
}

static void test_crash(void)
{
    Pair *pair = begin();
    migrate(pair, SOURCE, &live);
    run_until(pair, SOURCE, "SENDING");
    pair_run_for(pair, G_USEC_PER_SEC / 2);
    sim_guest_end(pair->sides[SOURCE]->host, "web", HOST_REASON_CRASH);
    pair_rest(pair);
    assert_result(pair, SOURCE, UNDONE "web: web has ended while it was copied");
    assert_list(pair, "shop partial: db=running web=stopped / ");
    pair_free(pair);
}

/* Where members are waited for. */
#define READY ORDER "ready db: tcp 10.0.0.5:5432 timeout=20\n"

static void test_ready(void)
{
    Pair *pair = pair_new();
    pair_set_file(pair, "db", "ready_after = 3");
    pair_create(pair, READY);
    migrate(pair, SOURCE, &live);
    finish(pair, THERE, "done");
}

/* It has its memory: what needs it does not wait for ever. */
static void test_crash_there(void)
{
    Pair *pair = pair_new();
    pair_set_file(pair, "db", "ready_after = 3\non_crash = restart");
    pair_create(pair, READY);
    migrate(pair, SOURCE, &live);
    run_until(pair, DESTINATION, "ACTIVATING");
    pair_run_for(pair, G_USEC_PER_SEC);
    g_assert_true(sim_guest_end(pair->sides[DESTINATION]->host, "db", HOST_REASON_CRASH));
    finish(pair, THERE, "done");
}

/* The same before what needs it has begun. */
static void test_crash_soon(void)
{
    Pair *pair = pair_new();
    pair_set_file(pair, "db", "on_crash = restart");
    pair_create(pair, ORDER);
    Host *host = pair->sides[DESTINATION]->host;
    migrate(pair, SOURCE, &live);
    for (guint ms = 0; ms < 60000 && !host_sim_domain_runs(host, "db"); ms++)
        pair_run_for(pair, 1000);
    g_assert_false(host_sim_domain_runs(host, "web"));
    g_assert_true(sim_guest_end(host, "db", HOST_REASON_CRASH));
    finish(pair, THERE, "done");
}

/* The same when what needs it waits for another one. */
static void test_crash_of_two(void)
{
    Pair *pair = pair_new();
    pair->n = 3;
    pair_set_file(pair, "db", "on_crash = restart");
    pair_set_file(pair, "mail", "ready_after = 5");
    pair_create(pair, "after web: db mail\nready mail: tcp 10.0.0.5:25 timeout=20\n");
    migrate(pair, SOURCE, &live);
    run_until(pair, DESTINATION, "ACTIVATING");
    pair_run_for(pair, G_USEC_PER_SEC);
    g_assert_true(sim_guest_end(pair->sides[DESTINATION]->host, "db", HOST_REASON_CRASH));
    pair_rest(pair);
    assert_result(pair, SOURCE, "done");
    assert_list(pair, " / shop running: db=running web=running mail=running");
    pair_free(pair);
}

static void test_destroyed_there(void)
{
    Pair *pair = pair_new();
    pair_set_file(pair, "db", "ready_after = 3");
    pair_create(pair, READY);
    migrate(pair, SOURCE, &live);
    run_until(pair, DESTINATION, "ACTIVATING");
    pair_run_for(pair, G_USEC_PER_SEC);
    g_assert_true(sim_xl_destroy(pair->sides[DESTINATION]->host, "db"));
    pair_rest(pair);
    assert_result(pair, SOURCE, "done");
    assert_list(pair, " / shop partial: db=away web=running");
    pair_free(pair);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_set_nonfatal_assertions();
    g_test_add_func("/migrate/still", test_still);
    g_test_add_func("/migrate/live", test_live);
    g_test_add_func("/migrate/return", test_return);
    g_test_add_func("/migrate/after", test_after);
    g_test_add_func("/migrate/dry-run", test_dry_run);
    g_test_add_func("/migrate/cancel", test_cancel);
    g_test_add_func("/migrate/cancel-late", test_cancel_late);
    g_test_add_func("/migrate/booted", test_booted);
    g_test_add_func("/migrate/queued", test_queued);
    g_test_add_func("/migrate/crossing", test_crossing);
    g_test_add_func("/migrate/paused", test_paused);
    g_test_add_func("/migrate/taken", test_taken);
    g_test_add_func("/migrate/memory", test_memory);
    g_test_add_func("/migrate/disk", test_disk);
    g_test_add_func("/migrate/unreachable", test_unreachable);
    g_test_add_func("/migrate/silent", test_silent);
    g_test_add_func("/migrate/unwritten", test_unwritten);
    g_test_add_func("/migrate/hostile-offers", test_hostile_offers);
    g_test_add_func("/migrate/grown", test_grown);
    g_test_add_func("/migrate/many", test_many);
    g_test_add_func("/migrate/doubt", test_doubt);
    g_test_add_func("/migrate/settle", test_settle);
    g_test_add_func("/migrate/no-groups", test_no_groups);
    g_test_add_func("/migrate/no-suspend", test_no_suspend);
    g_test_add_func("/migrate/late-suspend", test_late_suspend);
    g_test_add_func("/migrate/not-built", test_not_built);
    g_test_add_func("/migrate/crash", test_crash);
    g_test_add_func("/migrate/ready", test_ready);
    g_test_add_func("/migrate/crash-there", test_crash_there);
    g_test_add_func("/migrate/crash-soon", test_crash_soon);
    g_test_add_func("/migrate/crash-of-two", test_crash_of_two);
    g_test_add_func("/migrate/destroyed-there", test_destroyed_there);
    return g_test_run();
}
