/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Two hosts in one virtual time, driven by the seam alone: what is said and sent between their
 * daemons, how that is lost, and a domain that goes from one to the other.
 */
#include "sim.h"

#include <glib-unix.h>
#include <string.h>
#include <unistd.h>

#define TRANSACTION "99999999-2222-4333-8444-777777777777"
#define GROUP "a0a0a0a0-0000-4000-8000-000000000001"
#define IMAGE_UUID "11111111-0000-4000-8000-000000000001"
#define DOMAIN "name = a\nuuid = 11111111-2222-4333-8444-555555555555\non_crash = preserve\n"
#define SOURCE 0
#define DESTINATION 1

typedef struct {
    Host *host;
    Links *links;
    guint connection; /* the last that was heard of */
} Side;

static Side sides[2];
static GString *told;

/* -- what is heard -- */

static void tell(const Side *side, const char *format, ...) G_GNUC_PRINTF(2, 3);
static void tell(const Side *side, const char *format, ...)
{
    va_list list;
    va_start(list, format);
    g_string_append_printf(told, "%s%s ", told->len > 0 ? ", " : "",
                           side == &sides[SOURCE] ? "source" : "destination");
    g_string_append_vprintf(told, format, list);
    va_end(list);
}

static void assert_told(const char *expected)
{
    g_assert_cmpstr(told->str, ==, expected);
    g_string_truncate(told, 0);
}

static void on_connected(gpointer data, guint connection, gboolean ours)
{
    Side *side = data;
    g_assert_cmpint(ours, ==, side == &sides[SOURCE]);
    side->connection = connection;
    tell(side, "connected %u", connection);
}

static void on_said(gpointer data, guint connection, const MigrationSaid *said)
{
    const Side *side = data;
    g_assert_cmpuint(connection, ==, side->connection);
    g_assert_cmpstr(said->transaction, ==, TRANSACTION);
    tell(side, "heard %s", migration_event_name(migration_message_event(said->message)));
    if (said->message == MIGRATION_MESSAGE_OFFER)
        g_string_append_printf(told, " of %s: %s with %u KiB", said->offer.definition,
                               said->offer.members[0].name,
                               (guint)said->offer.members[0].memory_kib);
    else if (said->message == MIGRATION_MESSAGE_ACCEPT)
        g_string_append_printf(told, " of %s: %s", said->accept.host, said->accept.verdict);
    else if (said->message == MIGRATION_MESSAGE_GONE)
        g_string_append_printf(told, ": %s", said->reason);
}

static void on_ended(gpointer data, guint connection, const GError *error)
{
    tell(data, "ended %u%s%s", connection, error != NULL ? ": " : "",
         error != NULL ? error->message : "");
}

static const LinksEvents events = {on_connected, on_said, on_ended};

static void watch(guint i)
{
    sides[i].links->ops->watch(sides[i].links, &events, &sides[i]);
}

static void on_moment(gpointer data, const SimMoment *moment)
{
    tell(data, "%s %s%s%s%s", moment->name, host_sim_what_name(moment->what),
         moment->lost ? " lost" : "", moment->old ? " old" : "", moment->twice ? " twice" : "");
}

/* -- what is done -- */

static void setup(void)
{
    told = g_string_new(NULL);
    for (guint i = 0; i < 2; i++) {
        sides[i].host = host_sim_new();
        sides[i].links = links_sim_new(sides[i].host);
        watch(i);
    }
    host_sim_join(sides[SOURCE].host, sides[DESTINATION].host);
}

static void teardown(void)
{
    for (guint i = 0; i < 2; i++) {
        sides[i].links->ops->free(sides[i].links);
        sides[i].host->ops->free(sides[i].host);
    }
    g_string_free(told, TRUE);
}

static void run(void)
{
    g_assert_true(host_sim_run(sides[SOURCE].host, -1));
}

static guint begin(void)
{
    return sides[SOURCE].links->ops->connect(sides[SOURCE].links, "b", NULL);
}

static void setup_connected(void)
{
    setup();
    begin();
    run();
    assert_told("destination connected 1, source connected 1");
}

static void say_all(guint i, const MigrationSaid *said)
{
    sides[i].links->ops->say(sides[i].links, sides[i].connection, said);
}

static void say(guint i, MigrationMessage message)
{
    char reason[] = "it is not here";
    MigrationSaid said = {.message = message, .transaction = TRANSACTION, .reason = reason};
    say_all(i, &said);
    memset(reason, '-', strlen(reason)); /* it was only borrowed */
}

static void hang_up(guint i)
{
    sides[i].links->ops->hang_up(sides[i].links, sides[i].connection);
}

static int pipe_read_end(int *ret_write)
{
    int ends[2];
    g_assert_true(g_unix_open_pipe(ends, FD_CLOEXEC, NULL));
    *ret_write = ends[1];
    return ends[0];
}

/* Both sides join a pipe to the connection. */
static void open_data(int *ret_write, int *ret_read)
{
    int write_end;
    sides[SOURCE].links->ops->send_data(sides[SOURCE].links, sides[SOURCE].connection,
                                        pipe_read_end(ret_write));
    *ret_read = pipe_read_end(&write_end);
    sides[DESTINATION].links->ops->take_data(sides[DESTINATION].links,
                                             sides[DESTINATION].connection, write_end);
    g_assert_true(g_unix_set_fd_nonblocking(*ret_read, TRUE, NULL));
}

static void send_text(int fd, const char *text)
{
    g_assert_cmpint(write(fd, text, strlen(text)), ==, strlen(text));
}

static void assert_text(int fd, const char *expected)
{
    char text[64] = "";
    g_assert_cmpint(read(fd, text, sizeof text - 1), ==, strlen(expected));
    g_assert_cmpstr(text, ==, expected);
}

static void assert_ended(int fd)
{
    char byte;
    g_assert_cmpint(read(fd, &byte, 1), ==, 0);
    close(fd);
}

/* -- connections -- */

static void test_said(void)
{
    MigrationMember member = {.name = "db", .memory_kib = 64};
    MigrationSaid said = {
        .message = MIGRATION_MESSAGE_OFFER,
        .transaction = TRANSACTION,
        .offer = {.host = "h1", .definition = "shop", .n_members = 1, .members = &member}};
    int take_end;
    setup_connected();
    say_all(SOURCE, &said);
    member.memory_kib = 1;
    run();
    assert_told("destination heard OFFER of shop: db with 64 KiB");
    close(pipe_read_end(&take_end));
    sides[DESTINATION].links->ops->take_data(sides[DESTINATION].links, 1, take_end);
    said.message = MIGRATION_MESSAGE_ACCEPT;
    said.accept = (MigrationAccept){.host = "h2", .verdict = "well"};
    say_all(DESTINATION, &said);
    run();
    assert_told("source heard ACCEPT of h2: well");
    say(SOURCE, MIGRATION_MESSAGE_COMMIT);
    say(SOURCE, MIGRATION_MESSAGE_ABORT);
    assert_told("");
    run();
    assert_told("destination heard COMMIT, destination heard ABORT");
    g_assert_cmpuint(begin(), ==, 2);
    run();
    assert_told("destination connected 2, source connected 2");
    teardown();
}

/* What was said before is heard; what was on its way to who hangs up is not. */
static void test_hang_up(void)
{
    setup_connected();
    say(SOURCE, MIGRATION_MESSAGE_FORGET);
    say(DESTINATION, MIGRATION_MESSAGE_GONE);
    hang_up(SOURCE);
    assert_told("");
    run();
    assert_told("source ended 1, destination heard FORGET, "
                "destination ended 1: the other side ended the connection");
    say(DESTINATION, MIGRATION_MESSAGE_GONE);
    hang_up(DESTINATION);
    run();
    assert_told("");
    begin();
    run();
    say(DESTINATION, MIGRATION_MESSAGE_GONE);
    hang_up(DESTINATION);
    run();
    assert_told("destination connected 2, source connected 2, destination ended 2, "
                "source heard GONE: it is not here, "
                "source ended 2: the other side ended the connection");
    teardown();
}

static void test_refused(void)
{
    setup();
    links_sim_set_reachable(sides[DESTINATION].links, FALSE);
    begin();
    run();
    assert_told("source ended 1: the other host cannot be reached");
    links_sim_set_reachable(sides[DESTINATION].links, TRUE);
    host_sim_forget(sides[DESTINATION].host); /* there is no daemon */
    begin();
    run();
    assert_told("source ended 2: the other host cannot be reached");
    watch(DESTINATION);
    begin();
    run();
    assert_told("destination connected 1, source connected 3");
    begin();
    hang_up(SOURCE);
    sides[SOURCE].links->ops->hang_up(sides[SOURCE].links, 4);
    run();
    assert_told("source ended 3, source ended 4, "
                "destination ended 1: the other side ended the connection");
    teardown();
}

#define CUT "source ended 1: the connection was cut, destination ended 1: the connection was cut"

static void test_cut(void)
{
    setup_connected();
    say(SOURCE, MIGRATION_MESSAGE_COMMIT);
    links_sim_cut(sides[DESTINATION].links, 0);
    run();
    assert_told(CUT);
    teardown();

    setup_connected();
    links_sim_cut(sides[SOURCE].links, 2);
    say(SOURCE, MIGRATION_MESSAGE_COMMIT);
    run();
    assert_told("destination heard COMMIT");
    say(DESTINATION, MIGRATION_MESSAGE_DONE);
    say(SOURCE, MIGRATION_MESSAGE_FORGET);
    run();
    assert_told(CUT);
    begin();
    run();
    assert_told("destination connected 2, source connected 2");
    teardown();
}

/* -- daemons that die -- */

static void test_death(void)
{
    setup_connected();
    host_sim_fault_on(sides[SOURCE].host, "links_say", 2, SIM_DEATH);
    say(DESTINATION, MIGRATION_MESSAGE_READY);
    say(SOURCE, MIGRATION_MESSAGE_END);
    g_assert_false(host_sim_died(sides[SOURCE].host));
    say(SOURCE, MIGRATION_MESSAGE_COMMIT);
    say(SOURCE, MIGRATION_MESSAGE_ABORT);
    g_assert_false(host_sim_run(sides[DESTINATION].host, -1));
    g_assert_true(host_sim_died(sides[SOURCE].host));
    g_assert_false(host_sim_died(sides[DESTINATION].host));
    assert_told("");
    host_sim_forget(sides[SOURCE].host);
    run();
    assert_told("destination heard END, destination heard COMMIT, "
                "destination ended 1: the other side ended the connection");
    watch(SOURCE);
    begin();
    run();
    assert_told("destination connected 2, source connected 1");
    teardown();
}

static void test_reboot(void)
{
    HostFacts facts[2];
    setup_connected();
    say(SOURCE, MIGRATION_MESSAGE_COMMIT);
    host_sim_reboot(sides[SOURCE].host);
    watch(SOURCE);
    begin();
    g_assert_true(host_sim_run_for(sides[SOURCE].host, G_USEC_PER_SEC));
    assert_told("destination connected 2, source connected 1");
    run();
    assert_told("destination ended 1: nothing was heard of the other side for 30 s");
    for (guint i = 0; i < 2; i++)
        g_assert_true(sides[i].host->ops->facts(sides[i].host, &facts[i], NULL));
    g_assert_cmpstr(facts[SOURCE].boot_id, !=, facts[DESTINATION].boot_id);
    g_assert_cmpint(sides[SOURCE].host->ops->now(sides[SOURCE].host), ==,
                    sides[DESTINATION].host->ops->now(sides[DESTINATION].host));
    teardown();
}

static void test_faults(void)
{
    static const struct {
        const char *call;
        SimFault fault;
        const char *told;
    } cases[] = {
        {"links_connect", SIM_FAIL_BEFORE,
         "source ended 1: links_connect failed as it was told to"},
        {"links_connect", SIM_FAIL_AFTER, "destination connected 1, source connected 1, " CUT},
        {"links_connect", SIM_HANG, ""},
        {"links_say", SIM_FAIL_BEFORE, "destination connected 1, source connected 1, " CUT},
        {"links_say", SIM_FAIL_AFTER,
         "destination connected 1, source connected 1, source ended 1: the connection was cut, "
         "destination heard COMMIT, destination ended 1: the connection was cut"},
    };
    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
        setup();
        host_sim_fault_on(sides[SOURCE].host, cases[i].call, 1, cases[i].fault);
        begin();
        run();
        if (strcmp(cases[i].call, "links_say") == 0)
            say(SOURCE, MIGRATION_MESSAGE_COMMIT);
        run();
        assert_told(cases[i].told);
        teardown();
    }
}

/* -- data -- */

static void test_data(void)
{
    int write_end;
    int read_end;
    guint64 sent;
    guint64 received;
    setup_connected();
    open_data(&write_end, &read_end);
    send_text(write_end, "some");
    say(SOURCE, MIGRATION_MESSAGE_END);
    run();
    assert_told(""); /* the data are not complete */
    assert_text(read_end, "some");
    send_text(write_end, " more");
    close(write_end);
    run();
    assert_told("destination heard END");
    assert_text(read_end, " more");
    assert_ended(read_end);
    sides[SOURCE].links->ops->bytes(sides[SOURCE].links, 1, &sent, &received);
    g_assert_cmpuint(sent, ==, 9);
    sides[DESTINATION].links->ops->bytes(sides[DESTINATION].links, 1, &sent, &received);
    g_assert_cmpuint(received, ==, 9);
    teardown();
}

/* A reader that is gone is no trouble. */
static void test_data_unread(void)
{
    int write_end;
    int read_end;
    setup_connected();
    open_data(&write_end, &read_end);
    send_text(write_end, "some");
    run();
    assert_text(read_end, "some");
    close(read_end);
    send_text(write_end, "more");
    run();
    say(SOURCE, MIGRATION_MESSAGE_END);
    close(write_end);
    run();
    assert_told("destination heard END");
    teardown();
}

/* Data that come before take_data() end the connection. */
static void test_data_early(void)
{
    int write_end;
    setup_connected();
    sides[SOURCE].links->ops->send_data(sides[SOURCE].links, 1, pipe_read_end(&write_end));
    send_text(write_end, "some");
    run();
    assert_told("destination ended 1: the other side sent data that nobody asked for, "
                "source ended 1: the other side ended the connection");
    close(write_end);
    teardown();
}

/* END is not said of data that were not complete. */
static void test_data_cut(void)
{
    int write_end;
    int read_end;
    setup_connected();
    open_data(&write_end, &read_end);
    send_text(write_end, "some");
    run();
    say(SOURCE, MIGRATION_MESSAGE_END);
    hang_up(SOURCE);
    run();
    assert_told("source ended 1, destination ended 1: the other side ended the connection");
    assert_text(read_end, "some");
    assert_ended(read_end);
    close(write_end);
    teardown();
}

/* -- a domain goes from one host to the other -- */

typedef struct {
    gboolean done;
    char *failed;
    HostImage *image;
    guint32 domid;
} Answer;

static void set_answer(Answer *answer, const GError *error)
{
    g_assert_false(answer->done);
    answer->done = TRUE;
    answer->failed = error != NULL ? g_strdup(error->message) : NULL;
}

static void on_done(gpointer data, const GError *error)
{
    set_answer(data, error);
}

static void on_image(gpointer data, HostImage *image, const HostImageInfo *info,
                     const GError *error)
{
    set_answer(data, error);
    ((Answer *)data)->image = image;
    if (info != NULL)
        g_assert_cmpstr(info->text, ==, "its text");
}

static void on_created(gpointer data, guint32 domid, const GError *error)
{
    set_answer(data, error);
    ((Answer *)data)->domid = domid;
}

static void on_configured(gpointer data, HostConfig *config, const GError *error)
{
    g_assert_no_error(error);
    *(HostConfig **)data = config;
}

/* Runs until @answer is there, which is then taken back. */
static Answer settle(Answer *answer)
{
    run();
    g_assert_true(answer->done);
    Answer settled = *answer;
    *answer = (Answer){0};
    return settled;
}

static void settle_well(Answer *answer)
{
    g_assert_cmpstr(settle(answer).failed, ==, NULL);
}

static HostConfig *create_running(guint32 *ret_domid)
{
    Host *host = sides[SOURCE].host;
    HostConfig *config = NULL;
    host->ops->config_read(host, "a.cfg", DOMAIN, "/", on_configured, &config);
    run();
    g_assert_true(sim_xl_create(host, config->json, ret_domid));
    for (guint i = 0; i < 2; i++)
        host_sim_trace(sides[i].host, on_moment, &sides[i]);
    return config;
}

static HostImage *create_image(const HostConfig *config, int fd)
{
    Host *host = sides[SOURCE].host;
    Answer answer = {0};
    const HostConfig *members[] = {config};
    HostImageSpec spec = {.uuid = IMAGE_UUID,
                          .fd = fd,
                          .group_uuid = GROUP,
                          .group_name = "shop",
                          .text = "its text",
                          .n_members = 1,
                          .members = members};
    host->ops->image_create(host, &spec, on_image, &answer);
    run();
    g_assert_true(answer.done);
    g_assert_cmpstr(answer.failed, ==, NULL);
    return answer.image;
}

/* The domain stands still and is in the image; what is left is to finish it. */
static void save(HostImage *image, guint32 domid, const HostConfig *config)
{
    Host *host = sides[SOURCE].host;
    Answer answer = {0};
    gint64 began = host->ops->now(host);
    host->ops->image_copy(host, image, domid, config->uuid, on_done, &answer);
    settle_well(&answer);
    g_assert_cmpint(host->ops->now(host) - began, ==, G_USEC_PER_SEC);
    g_assert_true(host_sim_domain_runs(host, "a"));
    host->ops->image_suspend(host, image, domid, config->uuid, on_done, &answer);
    settle_well(&answer);
    host->ops->image_save(host, image, domid, config->uuid, on_done, &answer);
    settle_well(&answer);
    assert_told("source a suspended");
}

/* The domain from the image @received, not begun. */
static guint32 restore(HostImage *received, const HostConfig *config)
{
    Host *host = sides[DESTINATION].host;
    const HostRecord record = {.uuid = GROUP};
    Answer answer = {0};
    host->ops->image_restore(host, received, config->uuid, config->json, &record, on_created,
                             &answer);
    Answer restored = settle(&answer);
    g_assert_cmpstr(restored.failed, ==, NULL);
    host->ops->image_close(host, received);
    return restored.domid;
}

/* Until the domain is on both hosts, suspended and not begun. */
static HostConfig *move(guint32 *ret_domid, guint32 *ret_there)
{
    int write_end;
    int read_end;
    Answer answer = {0};
    Answer received = {0};
    setup_connected();
    HostConfig *config = create_running(ret_domid);
    open_data(&write_end, &read_end);
    Host *host = sides[DESTINATION].host;
    host->ops->image_receive(host, read_end, 1, 0, on_image, &received);
    HostImage *image = create_image(config, write_end);
    save(image, *ret_domid, config);
    g_assert_false(received.done);
    say(SOURCE, MIGRATION_MESSAGE_END);
    sides[SOURCE].host->ops->image_finish(sides[SOURCE].host, image, on_done, &answer);
    settle_well(&answer);
    sides[SOURCE].host->ops->image_close(sides[SOURCE].host, image);
    assert_told("destination heard END");
    g_assert_true(received.done);
    g_assert_cmpstr(received.failed, ==, NULL);
    *ret_there = restore(received.image, config);
    assert_told("destination a built");
    return config;
}

static void unpause(guint32 there, const HostConfig *config)
{
    Host *host = sides[DESTINATION].host;
    Answer answer = {0};
    host->ops->domain_unpause(host, there, config->uuid, on_done, &answer);
    settle_well(&answer);
}

static void destroy(guint i, guint32 domid, const HostConfig *config)
{
    Answer answer = {0};
    sides[i].host->ops->domain_destroy(sides[i].host, domid, config->uuid, on_done, &answer);
    settle_well(&answer);
}

static void resume(guint32 domid, const HostConfig *config)
{
    Host *host = sides[SOURCE].host;
    Answer answer = {0};
    host->ops->domain_resume(host, domid, config->uuid, on_done, &answer);
    settle_well(&answer);
}

static void test_move(void)
{
    guint32 domid;
    guint32 there;
    g_autoptr(HostConfig) config = move(&domid, &there);
    unpause(there, config);
    assert_told("destination a runs, destination a ready");
    destroy(SOURCE, domid, config);
    assert_told("source a destroyed");
    teardown();
}

/* The trace says if memory meets disks that have moved on, if both run, and which is the last. */
static void test_move_wrong(void)
{
    guint32 domid;
    guint32 there;
    g_autoptr(HostConfig) config = move(&domid, &there);
    unpause(there, config);
    resume(domid, config);
    assert_told("destination a runs, destination a ready, source a resumed old twice");
    teardown();

    g_autoptr(HostConfig) again = move(&domid, &there);
    resume(domid, again);
    unpause(there, again);
    assert_told("source a resumed, destination a runs old twice, destination a ready");
    teardown();

    g_autoptr(HostConfig) both = move(&domid, &there);
    destroy(DESTINATION, there, both);
    destroy(SOURCE, domid, both);
    assert_told("destination a destroyed, source a destroyed lost");
    teardown();
}

/* The pipe is closed before the image is finished. */
static void test_move_cut(void)
{
    guint32 domid;
    int write_end;
    Answer answer = {0};
    Answer received = {0};
    setup();
    Host *host = sides[DESTINATION].host;
    g_autoptr(HostConfig) config = create_running(&domid);
    host->ops->image_receive(host, pipe_read_end(&write_end), 1, 0, on_image, &received);
    HostImage *image = create_image(config, write_end);
    save(image, domid, config);
    g_assert_false(received.done);
    sides[SOURCE].host->ops->image_close(sides[SOURCE].host, image);
    run();
    g_assert_cmpstr(received.failed, ==, "the stream ends before the image that it brings");
    g_free(received.failed);

    int read_end = pipe_read_end(&write_end); /* whose reader is gone */
    image = create_image(config, write_end);
    close(read_end);
    sides[SOURCE].host->ops->image_save(sides[SOURCE].host, image, domid, config->uuid, on_done,
                                        &answer);
    settle_well(&answer);
    sides[SOURCE].host->ops->image_finish(sides[SOURCE].host, image, on_done, &answer);
    Answer finished = settle(&answer);
    g_assert_cmpstr(finished.failed, ==, "nobody reads the stream of shop");
    g_free(finished.failed);
    sides[SOURCE].host->ops->image_close(sides[SOURCE].host, image);
    teardown();
}

static void test_copy_ends(void)
{
    guint32 domid;
    int write_end;
    Answer answer = {0};
    setup();
    g_autoptr(HostConfig) config = create_running(&domid);
    int read_end = pipe_read_end(&write_end);
    HostImage *image = create_image(config, write_end);
    sides[SOURCE].host->ops->image_copy(sides[SOURCE].host, image, domid, config->uuid, on_done,
                                        &answer);
    g_assert_true(sim_guest_end(sides[SOURCE].host, "a", HOST_REASON_CRASH));
    Answer copied = settle(&answer);
    g_assert_cmpstr(copied.failed, ==, "a has ended while it was copied");
    g_free(copied.failed);
    sides[SOURCE].host->ops->image_close(sides[SOURCE].host, image);
    assert_ended(read_end);
    teardown();
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/links-sim/said", test_said);
    g_test_add_func("/links-sim/hang-up", test_hang_up);
    g_test_add_func("/links-sim/refused", test_refused);
    g_test_add_func("/links-sim/cut", test_cut);
    g_test_add_func("/links-sim/death", test_death);
    g_test_add_func("/links-sim/reboot", test_reboot);
    g_test_add_func("/links-sim/faults", test_faults);
    g_test_add_func("/links-sim/data", test_data);
    g_test_add_func("/links-sim/data-unread", test_data_unread);
    g_test_add_func("/links-sim/data-early", test_data_early);
    g_test_add_func("/links-sim/data-cut", test_data_cut);
    g_test_add_func("/links-sim/move", test_move);
    g_test_add_func("/links-sim/move-wrong", test_move_wrong);
    g_test_add_func("/links-sim/move-cut", test_move_cut);
    g_test_add_func("/links-sim/copy-ends", test_copy_ends);
    return g_test_run();
}
