/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Connections to other daemons: who comes to the socket, what bounds them, and
 * what is run to reach a host. Nothing sleeps: each test waits for what it is about.
 */
#include "connections.h"
#include "frame.h"

#include <fcntl.h>
#include <glib-unix.h>
#include <glib/gstdio.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define TRANSACTION "3f1c9c5e-8f5b-4d5c-9d55-0d3f0a6f1c2e"

typedef struct {
    char *folder;
    char *path;
    Links *links;
    GString *log;     /* what the engine heard, in a word each */
    GError *error;    /* of the last end */
    guint last;       /* number of the last connection that was there */
    gboolean calling; /* a function of links.h is under way */
} Fixture;

#define UNTIL(condition)                                                                           \
    while (!(condition))                                                                           \
    g_main_context_iteration(NULL, TRUE)

static void on_connected(gpointer data, guint connection, gboolean ours)
{
    Fixture *f = data;
    g_assert_false(f->calling);
    f->last = connection;
    g_string_append(f->log, ours ? "ours " : "theirs ");
}

static void on_said(gpointer data, guint connection, const MigrationSaid *said)
{
    Fixture *f = data;
    g_assert_false(f->calling);
    g_assert_cmpstr(said->transaction, ==, TRANSACTION);
    g_string_append_printf(f->log, "%s ",
                           migration_event_name(migration_message_event(said->message)));
}

static void on_ended(gpointer data, guint connection, const GError *error)
{
    Fixture *f = data;
    g_assert_false(f->calling);
    g_clear_error(&f->error);
    f->error = error == NULL ? NULL : g_error_copy(error);
    g_string_append(f->log, "ended ");
}

static const LinksEvents events = {on_connected, on_said, on_ended};

static void set_up_with(Fixture *f, guint connections, guint timeout_ms, guint idle_ms)
{
    g_autoptr(GError) error = NULL;
    f->folder = g_dir_make_tmp("domgrp-connections-XXXXXX", NULL);
    f->path = g_build_filename(f->folder, CONNECTIONS_SOCKET, NULL);
    f->log = g_string_new(NULL);
    f->links =
        connections_new(&(ConnectionsOptions){f->path, connections, timeout_ms, idle_ms}, &error);
    g_assert_no_error(error);
    f->links->ops->watch(f->links, &events, f);
}

static void set_up(Fixture *f, guint connections, guint timeout_ms)
{
    set_up_with(f, connections, timeout_ms, 0);
}

static void tear_down(Fixture *f)
{
    f->links->ops->free(f->links);
    g_assert_cmpint(g_access(f->path, F_OK), !=, 0);
    g_rmdir(f->folder);
    g_clear_error(&f->error);
    g_string_free(f->log, TRUE);
    g_free(f->path);
    g_free(f->folder);
}

static int come(const Fixture *f)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    g_strlcpy(address.sun_path, f->path, sizeof(address.sun_path));
    g_assert_cmpint(connect(fd, (struct sockaddr *)&address, sizeof(address)), ==, 0);
    return fd;
}

static void say(int fd, WireFrame frame)
{
    g_autoptr(GByteArray) bytes = g_byte_array_new();
    g_autoptr(GError) error = NULL;
    wire_frame_encode(&frame, bytes, &error);
    g_assert_no_error(error);
    g_assert_cmpint(write(fd, bytes->data, bytes->len), ==, bytes->len);
}

static void greet(int fd)
{
    say(fd, (WireFrame){.kind = WIRE_GREETING, .greeting = {WIRE_VERSION, WIRE_VERSION}});
}

/* Whether the daemon has greeted on @fd: it takes care of it. */
static gboolean is_greeted(int fd)
{
    char bytes[WIRE_GREETING_SIZE];
    return recv(fd, bytes, sizeof(bytes), MSG_DONTWAIT | MSG_PEEK) == sizeof(bytes);
}

static void test_mode(void)
{
    Fixture f = {0};
    GStatBuf status;
    set_up(&f, 0, 0);
    g_assert_cmpint(g_stat(f.path, &status), ==, 0);
    g_assert_cmpuint(status.st_mode & 0777, ==, 0600);
    tear_down(&f);
}

static void test_talk(void)
{
    Fixture f = {0};
    set_up(&f, 0, 0);
    int fd = come(&f);
    greet(fd);
    say(fd, (WireFrame){.kind = WIRE_MESSAGE,
                        .said = {.message = MIGRATION_MESSAGE_COMMIT, .transaction = TRANSACTION}});
    UNTIL(strstr(f.log->str, "COMMIT") != NULL);
    guint64 sent, received;
    f.links->ops->bytes(f.links, f.last, &sent, &received);
    g_assert_cmpuint(sent, ==, WIRE_GREETING_SIZE);
    g_assert_cmpuint(received, >, WIRE_GREETING_SIZE);

    f.calling = TRUE;
    f.links->ops->hang_up(f.links, f.last);
    f.calling = FALSE;
    shutdown(fd, SHUT_WR);
    UNTIL(strstr(f.log->str, "ended") != NULL);
    g_assert_no_error(f.error);
    g_assert_cmpstr(f.log->str, ==, "theirs COMMIT ended ");
    close(fd);
    tear_down(&f);
}

/* What is said to one that has ended is lost, and its pipes are closed. */
static void test_late(void)
{
    Fixture f = {0};
    int pipe[2];
    guint64 sent, received;
    const MigrationSaid said = {.message = MIGRATION_MESSAGE_READY, .transaction = TRANSACTION};
    set_up(&f, 0, 0);
    f.links->ops->say(f.links, 7, &said);
    f.links->ops->hang_up(f.links, 7);
    f.links->ops->bytes(f.links, 7, &sent, &received);
    g_assert_cmpuint(sent + received, ==, 0);
    g_assert_true(g_unix_open_pipe(pipe, FD_CLOEXEC, NULL));
    f.links->ops->limit_data(f.links, 7, 1);
    f.links->ops->send_data(f.links, 7, pipe[0]);
    f.links->ops->take_data(f.links, 7, pipe[1]);
    g_assert_cmpint(fcntl(pipe[0], F_GETFD), ==, -1);
    g_assert_cmpint(fcntl(pipe[1], F_GETFD), ==, -1);
    tear_down(&f);
}

static void test_bad_greeting(void)
{
    Fixture f = {0};
    char byte;
    set_up(&f, 1, 0);
    int bad = come(&f), next = come(&f);
    g_assert_cmpint(write(bad, "SSH-2.0-whoever speaks here", 27), ==, 27);
    UNTIL(is_greeted(next)); /* the place of the first is free again */
    while (read(bad, &byte, 1) > 0)
        ;
    g_assert_cmpstr(f.log->str, ==, ""); /* the engine never knew it */
    close(bad);
    close(next);
    tear_down(&f);
}

static void test_eof(void)
{
    Fixture f = {0};
    set_up(&f, 0, 0);
    int fd = come(&f);
    greet(fd);
    UNTIL(f.last != 0);
    close(fd);
    UNTIL(f.error != NULL);
    g_assert_error(f.error, DOMGRP_ERROR, DOMGRP_ERROR_LINK);
    g_assert_cmpstr(f.log->str, ==, "theirs ended ");
    tear_down(&f);
}

/* Each is ended when its time is over, one that greets and no more too; one that has spoken is not.
 */
static void test_silent(void)
{
    Fixture f = {0};
    char bytes[WIRE_GREETING_SIZE];
    set_up(&f, 2, 1000);
    int speaks = come(&f), greets = come(&f), waits = come(&f);
    greet(speaks);
    say(speaks,
        (WireFrame){.kind = WIRE_MESSAGE,
                    .said = {.message = MIGRATION_MESSAGE_FORGET, .transaction = TRANSACTION}});
    greet(greets);
    UNTIL(strstr(f.log->str, "FORGET") != NULL && f.error != NULL);
    g_assert_error(f.error, DOMGRP_ERROR, DOMGRP_ERROR_LINK);
    g_assert_nonnull(strstr(f.error->message, "what it was about"));
    UNTIL(is_greeted(waits));
    g_assert_cmpint(read(greets, bytes, sizeof(bytes)), ==, sizeof(bytes));
    g_assert_cmpint(recv(greets, bytes, 1, MSG_DONTWAIT), ==, 0);
    g_assert_cmpint(read(speaks, bytes, sizeof(bytes)), ==, sizeof(bytes));
    g_assert_cmpint(recv(speaks, bytes, 1, MSG_DONTWAIT), ==, -1);
    close(speaks);
    close(greets);
    close(waits);
    tear_down(&f);
}

/* One more than there may be waits until another has gone. */
static void test_many(void)
{
    Fixture f = {0};
    int fds[CONNECTIONS_MAX + 1];
    set_up(&f, 0, 0);
    for (guint i = 0; i <= CONNECTIONS_MAX; i++)
        fds[i] = come(&f);
    for (guint i = 0; i < CONNECTIONS_MAX; i++)
        UNTIL(is_greeted(fds[i]));
    while (g_main_context_iteration(NULL, FALSE))
        ;
    g_assert_false(is_greeted(fds[CONNECTIONS_MAX]));
    close(fds[3]);
    UNTIL(is_greeted(fds[CONNECTIONS_MAX]));
    for (guint i = 0; i <= CONNECTIONS_MAX; i++)
        if (i != 3)
            close(fds[i]);
    tear_down(&f);
}

/* One more than there may be takes the place of the one that has done nothing for the longest. */
static void test_crowded(void)
{
    Fixture f = {0};
    char bytes[WIRE_GREETING_SIZE];
    set_up_with(&f, 2, 0, 1);
    int idle = come(&f);
    UNTIL(is_greeted(idle));
    int speaks = come(&f);
    greet(speaks);
    UNTIL(f.last != 0);
    int next = come(&f);
    UNTIL(is_greeted(next));
    g_assert_cmpint(read(idle, bytes, sizeof(bytes)), ==, sizeof(bytes));
    g_assert_cmpint(recv(idle, bytes, 1, MSG_DONTWAIT), ==, 0);
    g_assert_cmpstr(f.log->str, ==, "theirs "); /* it goes on */
    int last = come(&f);
    UNTIL(is_greeted(last));
    g_assert_cmpstr(f.log->str, ==, "theirs ended ");
    g_assert_error(f.error, DOMGRP_ERROR, DOMGRP_ERROR_LINK);
    g_assert_nonnull(strstr(f.error->message, "another one needs its place"));
    close(idle);
    close(speaks);
    close(next);
    close(last);
    tear_down(&f);
}

/* -- ours -- */

static void connect_fails(const char *command, const char *part)
{
    Fixture f = {0};
    set_up(&f, 0, 0);
    f.calling = TRUE;
    guint number = f.links->ops->connect(f.links, "hostb", command);
    f.calling = FALSE;
    g_assert_cmpuint(number, ==, 1);
    UNTIL(f.error != NULL);
    g_assert_error(f.error, DOMGRP_ERROR, DOMGRP_ERROR_LINK);
    g_assert_nonnull(strstr(f.error->message, part));
    g_assert_cmpstr(f.log->str, ==, "ended ");
    tear_down(&f);
}

static void test_connect_fails(void)
{
    g_autofree char *path = g_strdup(g_getenv("PATH"));
    connect_fails("sh -c 'echo \"no route to $1\" >&2; exit 255' sh",
                  "no route to hostb (sh: exit status 255)");
    g_setenv("PATH", "/nonexistent", TRUE); /* no ssh there */
    connect_fails(NULL, "ssh cannot be run");
    g_setenv("PATH", path, TRUE);
}

/* An offer that cannot be said ends the connection, later. */
static void test_say_fails(void)
{
    Fixture f = {0};
    const MigrationSaid nonsense = {.message = MIGRATION_MESSAGE_COMMIT, .transaction = "none"};
    set_up(&f, 0, 0);
    int fd = come(&f);
    greet(fd);
    UNTIL(f.last != 0);
    f.calling = TRUE;
    f.links->ops->say(f.links, f.last, &nonsense);
    f.calling = FALSE;
    UNTIL(f.error != NULL);
    g_assert_error(f.error, DOMGRP_ERROR, DOMGRP_ERROR_VALUE);
    close(fd);
    tear_down(&f);
}

static void check_argv(const char *peer, const char *command, const char *want)
{
    g_auto(GStrv) argv = connections_argv(peer, command);
    g_autofree char *got = g_strjoinv("|", argv);
    g_assert_cmpstr(got, ==, want);
}

static void test_argv(void)
{
    check_argv("hostb", NULL, "ssh|-o|BatchMode=yes|--|hostb|domgrp|receive");
    check_argv("a b; rm", "ssh -p 2", "/bin/sh|-c|ssh -p 2 \"$@\"|sh|a b; rm|domgrp|receive");
    check_argv("ssh hostb domgrp receive", "", "/bin/sh|-c|ssh hostb domgrp receive");
}

static void test_check(void)
{
    static const char *const bad[] = {"", "-oProxyCommand=x", "host\nb", "\x1b[2J", "\xff"};
    g_autofree char *long_name = g_strnfill(CONNECTIONS_PEER_MAX + 1, 'a');
    for (guint i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_autoptr(GError) error = NULL;
        g_assert_false(connections_check(bad[i], NULL, &error));
        g_assert_error(error, DOMGRP_ERROR, DOMGRP_ERROR_VALUE);
    }
    g_assert_false(connections_check(long_name, NULL, NULL));
    g_assert_false(connections_check("hostb", long_name, NULL));
    g_assert_true(connections_check("root@hostb", "", NULL));
    g_assert_true(connections_check("fe80::1", NULL, NULL));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    signal(SIGPIPE, SIG_IGN);
    g_test_add_func("/connections/mode", test_mode);
    g_test_add_func("/connections/talk", test_talk);
    g_test_add_func("/connections/late", test_late);
    g_test_add_func("/connections/bad-greeting", test_bad_greeting);
    g_test_add_func("/connections/eof", test_eof);
    g_test_add_func("/connections/silent", test_silent);
    g_test_add_func("/connections/many", test_many);
    g_test_add_func("/connections/crowded", test_crowded);
    g_test_add_func("/connections/connect-fails", test_connect_fails);
    g_test_add_func("/connections/say-fails", test_say_fails);
    g_test_add_func("/connections/argv", test_argv);
    g_test_add_func("/connections/check", test_check);
    return g_test_run();
}
