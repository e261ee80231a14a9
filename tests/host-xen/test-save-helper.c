/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * domgrp-save-helper with a guest that is a script (fake-libxc.c). This test
 * is libxl, on the pipes of the helper's standard input and output, and the
 * daemon. What helpers say is kept as text: "suspend", "log round 2"...
 */
#include "align.h"
#include "align-wire.h"
#include "libxl-protocol.h"

#include <gio/gio.h>
#include <glib-unix.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#define STREAM 100 /* the helper's number of the stream, which nothing else has */
#define LIVE "1"
#define PV "8" /* bits of callbacks: suspend */
#define HVM "136"

static const char *program;
static char *path;
static AlignServer *server;

static const AlignLimits limits = {
    .few = 50, .rounds = 10, .come_ms = 1000 * 1000, .converge_ms = 1000 * 1000};

typedef struct {
    pid_t pid;
    int in, out;           /* libxl's ends */
    int stream;            /* where the memory comes out, -1 if nobody reads it */
    guint64 streamed;      /* bytes */
    GString *said;         /* a line for each message */
    int suspended;         /* what libxl answers to that */
    guint listens, drains; /* sources, 0 if there are none (any more) */
    int status;            /* when it has ended */
    gboolean ended;
} Run;

/* -- starting one -- */

static void child_exec(const int in[2], const int out[2], const int stream[2],
                       const char *const *argv, const char *guest)
{
    dup2(in[0], 0);
    dup2(out[1], 1);
    dup2(stream[1], STREAM);
    close(in[1]);
    if (guest != NULL)
        g_setenv("FAKE_GUEST", guest, TRUE);
    execv(program, (char **)argv);
    _exit(126);
}

static void run_start(Run *run, const char *const *argv, const char *guest)
{
    int in[2], out[2], stream[2];
    g_assert_true(g_unix_open_pipe(in, FD_CLOEXEC, NULL));
    g_assert_true(g_unix_open_pipe(out, FD_CLOEXEC, NULL));
    g_assert_true(g_unix_open_pipe(stream, FD_CLOEXEC, NULL));
    run->pid = fork();
    if (run->pid == 0)
        child_exec(in, out, stream, argv, guest);
    close(in[0]);
    close(out[1]);
    close(stream[1]);
    *run = (Run){.pid = run->pid,
                 .in = in[1],
                 .out = out[0],
                 .stream = stream[0],
                 .said = g_string_new(NULL),
                 .suspended = 1};
}

static void save_start(Run *run, const char *callbacks, const char *guest)
{
    const char *argv[] = {
        program, LIBXL_SAVE_MODE, G_STRINGIFY(STREAM), "-1", "5", LIVE, callbacks, "0", NULL};
    run_start(run, argv, guest);
}

/* -- being libxl -- */

static void read_exactly(int fd, void *data, gsize length)
{
    for (gsize done = 0; done < length;) {
        ssize_t n = read(fd, (char *)data + done, length - done);
        g_assert_cmpint(n, >, 0);
        done += (gsize)n;
    }
}

static guint32 get_u32(const char **from)
{
    guint32 value;
    memcpy(&value, *from, sizeof(value));
    *from += sizeof(value);
    return value;
}

static const char *get_string(const char **from)
{
    guint32 length = get_u32(from);
    const char *string = *from;
    g_assert_cmpuint(length, >, 0);
    g_assert_cmpuint(strlen(string), ==, length - 1);
    *from += length;
    return string;
}

static void answer(Run *run, int value)
{
    g_assert_cmpint(write(run->in, &value, sizeof(value)), ==, sizeof(value));
}

/* Another reading of the protocol than the helper's: by hand. */
static void message_read(Run *run, const char *from, const char *end)
{
    guint16 number;
    memcpy(&number, from, sizeof(number));
    from += sizeof(number);
    if (number == 1) {
        guint32 level = get_u32(&from), errnoval = get_u32(&from);
        const char *context = get_string(&from), *text = get_string(&from);
        g_assert_cmpuint(level, ==, 3); /* XTL_DETAIL */
        g_assert_cmpuint(errnoval, ==, G_MAXUINT32);
        g_assert_cmpstr(context, ==, "fake");
        g_string_append_printf(run->said, "log %.*s\n", 100, text);
    } else if (number == 2) {
        unsigned long done[2];
        const char *context = get_string(&from), *what = get_string(&from);
        memcpy(done, from, sizeof(done));
        from += sizeof(done);
        g_string_append_printf(run->said, "progress \"%s\" %s %lu %lu\n", context, what, done[0],
                               done[1]);
    } else if (number == 3) {
        g_string_append(run->said, "suspend\n");
        answer(run, run->suspended);
    } else if (number == 7) {
        guint32 domid = get_u32(&from), enable = get_u32(&from);
        g_string_append_printf(run->said, "logdirty %u %u\n", domid, enable);
        answer(run, 0);
    } else {
        g_assert_cmpuint(number, ==, 10);
        gint32 result = (gint32)get_u32(&from), errnoval = (gint32)get_u32(&from);
        g_string_append_printf(run->said, "complete %d %s\n", result,
                               errnoval != 0 ? g_strerror(errnoval) : "0");
        answer(run, 0);
    }
    g_assert_true(from == end);
}

static gboolean on_out(gint fd, GIOCondition condition, gpointer data)
{
    Run *run = data;
    guint16 length;
    char message[G_MAXUINT16];
    if ((condition & G_IO_IN) == 0) {
        g_assert_cmpint(waitpid(run->pid, &run->status, 0), ==, run->pid);
        run->ended = TRUE;
        run->listens = 0;
        return G_SOURCE_REMOVE;
    }
    read_exactly(fd, &length, sizeof(length));
    g_assert_cmpuint(length, <, 5000); /* what is longer is cut */
    read_exactly(fd, message, length);
    message_read(run, message, message + length);
    return G_SOURCE_CONTINUE;
}

static gboolean on_stream(gint fd, GIOCondition condition, gpointer data)
{
    Run *run = data;
    char bytes[4096];
    ssize_t n = read(fd, bytes, sizeof(bytes));
    run->streamed += n > 0 ? (guint64)n : 0;
    run->drains = n > 0 ? run->drains : 0;
    return n > 0;
}

static void run_drain(Run *run)
{
    run->drains = g_unix_fd_add(run->stream, G_IO_IN | G_IO_HUP, on_stream, run);
}

static void run_listen(Run *run)
{
    run->listens = g_unix_fd_add(run->out, G_IO_IN | G_IO_HUP, on_out, run);
}

static guint said(const Run *run, const char *line)
{
    guint n = 0;
    g_auto(GStrv) lines = g_strsplit(run->said->str, "\n", -1);
    for (char **l = lines; *l != NULL; l++)
        n += strcmp(*l, line) == 0;
    return n;
}

static void wait_said(const Run *run, const char *line, guint times)
{
    while (said(run, line) < times && !run->ended)
        g_main_context_iteration(NULL, TRUE);
    g_assert_cmpuint(said(run, line), >=, times);
}

static void wait_ended(const Run *run)
{
    while (!run->ended)
        g_main_context_iteration(NULL, TRUE);
    g_assert_true(WIFEXITED(run->status));
    g_assert_cmpint(WEXITSTATUS(run->status), ==, 0);
}

static void run_clear(Run *run)
{
    while (run->drains != 0) /* until the stream ends */
        g_main_context_iteration(NULL, TRUE);
    g_assert_cmpuint(run->listens, ==, 0);
    const int fds[] = {run->in, run->out, run->stream};
    for (guint i = 0; i < G_N_ELEMENTS(fds); i++)
        if (fds[i] >= 0)
            close(fds[i]);
    g_string_free(run->said, TRUE);
}

/* Domain 5, and with @n of 2 another one, which does not come. */
static Align *expect(guint n)
{
    Align *align = align_new(server, &limits, NULL, NULL);
    for (guint i = 0; i < n; i++)
        align_add(align, 5 + i);
    return align;
}

/* Starts one that is expected, with @n of 2 together with another one, and begins to be libxl. */
static Align *aligned_start(Run *run, guint n, const char *callbacks, const char *guest)
{
    Align *align = expect(n);
    g_setenv(ALIGN_ENV, path, TRUE);
    save_start(run, callbacks, guest);
    run_listen(run);
    return align;
}

/* -- aligned -- */

static void test_alone_in_group(void)
{
    Run run;
    Align *align = aligned_start(&run, 1, PV, "1000 600 300 20");
    run_drain(&run);
    wait_ended(&run);
    g_assert_cmpuint(said(&run, "log saving domain 5, flags 1, type 0, back -1"), ==, 1);
    g_assert_cmpuint(said(&run, "progress \"\" saving 1 2"), ==, 1);
    g_assert_cmpuint(said(&run, "log round 3"), ==, 1);
    g_assert_cmpuint(said(&run, "log round 4"), ==, 0);
    g_assert_cmpuint(said(&run, "suspend"), ==, 1);
    g_assert_true(g_str_has_suffix(run.said->str, "suspend\ncomplete 0 0\n"));
    while (run.drains != 0)
        g_main_context_iteration(NULL, TRUE);
    g_assert_cmpuint(run.streamed, ==, 1000 + 600 + 300 + 20);
    run_clear(&run);
    align_free(align);
}

/* While another sends, it waits, and tells now and then how much has become dirty. */
static void test_waits(void)
{
    Run run;
    Align *align = aligned_start(&run, 2, PV, "1000 20");
    run_drain(&run);
    wait_said(&run, "log peek", 3);
    g_assert_cmpuint(said(&run, "suspend"), ==, 0);
    align_leave(align, 6);
    wait_ended(&run);
    g_assert_true(g_str_has_suffix(run.said->str, "suspend\ncomplete 0 0\n"));
    run_clear(&run);
    align_free(align);
}

static void test_refused_suspend(void)
{
    Run run;
    Align *align = aligned_start(&run, 1, PV, "100 0");
    run.suspended = 0;
    run_drain(&run);
    wait_ended(&run);
    g_assert_true(g_str_has_suffix(run.said->str, "suspend\ncomplete -1 Input/output error\n"));
    run_clear(&run);
    align_free(align);
}

static void test_no_xen(void)
{
    Run run;
    Align *align = aligned_start(&run, 1, PV, NULL);
    wait_ended(&run);
    g_assert_cmpstr(run.said->str, ==, "complete -1 No such device\n");
    run_clear(&run);
    align_free(align);
}

/* A guest with a device model: that is told to say what it changes. */
static void test_hvm(void)
{
    Run run;
    Align *align = aligned_start(&run, 1, HVM, "10 0");
    run_drain(&run);
    wait_ended(&run);
    g_assert_cmpuint(said(&run, "logdirty 5 1"), ==, 1);
    g_assert_true(g_str_has_suffix(run.said->str, "complete 0 0\n"));
    run_clear(&run);
    align_free(align);
}

/* -- without the daemon -- */

/* Hangs up after the hello; the helper decides as libxc would. */
static void alone(const char *guest, const char *last, const char *next)
{
    Run run;
    Align *align = aligned_start(&run, 1, PV, guest);
    wait_said(&run, "log round 1", 1);
    align_free(align);
    run_drain(&run);
    wait_ended(&run);
    g_assert_cmpuint(said(&run, last), ==, 1);
    g_assert_cmpuint(said(&run, next), ==, 0);
    g_assert_true(g_str_has_suffix(run.said->str, "suspend\ncomplete 0 0\n"));
    run_clear(&run);
}

/* The first round is more than a pipe holds: the daemon is gone before it ends. */
static void test_broken(void)
{
    alone("200000 1000", "log round 5", "log round 6");
    alone("200000 1000 49", "log round 2", "log round 3");
}

/* A daemon that says that the helper is expected, and then nothing. */
static void test_silence(void)
{
    g_autofree char *mute = g_strconcat(path, "-mute", NULL);
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int listener = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    AlignAnswer expected = {.magic = ALIGN_MAGIC, .verdict = ALIGN_WAIT};
    AlignReport hello;
    Run run;

    g_strlcpy(address.sun_path, mute, sizeof(address.sun_path));
    g_assert_cmpint(bind(listener, (struct sockaddr *)&address, sizeof(address)), ==, 0);
    g_assert_cmpint(listen(listener, 1), ==, 0);
    g_setenv(ALIGN_ENV, mute, TRUE);
    save_start(&run, PV, "1000 20");
    int fd = accept(listener, NULL, NULL);
    g_assert_cmpint(recv(fd, &hello, sizeof(hello), 0), ==, sizeof(hello));
    g_assert_cmpuint(hello.domid, ==, 5);
    g_assert_cmpint(send(fd, &expected, sizeof(expected), 0), ==, sizeof(expected));
    run_listen(&run);
    run_drain(&run);
    wait_ended(&run);
    g_assert_true(g_str_has_suffix(run.said->str, "suspend\ncomplete 0 0\n"));
    run_clear(&run);
    close(fd);
    close(listener);
    unlink(mute);
}

/* -- ends before its time -- */

/* Told to end while it waits for the others, and while it waits for who reads the stream. */
static void test_terminated(gconstpointer data)
{
    gboolean blocked = GPOINTER_TO_INT(data);
    Run run;
    Align *align = aligned_start(&run, 2, PV, blocked ? "200000 20" : "1000 20");
    wait_said(&run, blocked ? "log round 1" : "log peek", 1);
    kill(run.pid, SIGTERM);
    wait_ended(&run);
    g_assert_cmpuint(said(&run, "suspend"), ==, 0);
    g_assert_nonnull(
        strstr(run.said->str, blocked ? "complete -1 Bad file descriptor" : "complete -1 "));
    run_clear(&run);
    align_free(align);
}

static void test_nobody_reads(void)
{
    Run run;
    Align *align = aligned_start(&run, 1, PV, "200000 20");
    wait_said(&run, "log round 1", 1);
    close(run.stream);
    run.stream = -1;
    wait_ended(&run);
    g_assert_true(g_str_has_suffix(run.said->str, "complete -1 Broken pipe\n"));
    run_clear(&run);
    align_free(align);
}

/* libxl is gone: nobody can suspend the guest. It ends by itself, with all of the first round sent.
 */
static void test_no_libxl(void)
{
    Align *align = expect(1);
    Run run;
    g_setenv(ALIGN_ENV, path, TRUE);
    save_start(&run, PV, "1000 20");
    close(run.in);
    close(run.out);
    run.in = run.out = -1;
    run_drain(&run);
    while (run.drains != 0)
        g_main_context_iteration(NULL, TRUE);
    g_assert_cmpuint(run.streamed, ==, 1000);
    g_assert_cmpint(waitpid(run.pid, &run.status, 0), ==, run.pid);
    g_assert_true(WIFEXITED(run.status));
    run_clear(&run);
    align_free(align);
}

/* -- not for it -- */

static void assert_stock(const char *const *words, const char *daemon)
{
    const char *argv[16] = {program};
    g_autofree char *rest = g_strjoinv(" ", (char **)words);
    g_autofree char *expected = g_strconcat("stock ", rest, "\n", NULL);
    char said_to_libxl[200] = "";
    Run run;

    for (guint i = 0; words[i] != NULL; i++)
        argv[i + 1] = words[i];
    g_unsetenv(ALIGN_ENV);
    if (daemon != NULL)
        g_setenv(ALIGN_ENV, daemon, TRUE);
    run_start(&run, argv, "10 0");
    GPollFD poll = {.fd = run.out, .events = G_IO_IN};
    g_main_context_add_poll(NULL, &poll, 0);
    while ((poll.revents & (G_IO_IN | G_IO_HUP)) == 0)
        g_main_context_iteration(NULL, TRUE);
    g_main_context_remove_poll(NULL, &poll);
    g_assert_cmpint(read(run.out, said_to_libxl, sizeof(said_to_libxl) - 1), >, 0);
    g_assert_cmpstr(said_to_libxl, ==, expected);
    g_assert_cmpint(waitpid(run.pid, &run.status, 0), ==, run.pid);
    run_clear(&run);
}

#define WORDS(...) ((const char *const[]){__VA_ARGS__, NULL})

static void test_stock(void)
{
    Align *align = expect(1);
    g_autofree char *nowhere = g_strconcat(path, "-nowhere", NULL);

    assert_stock(WORDS("--save-domain", "7", "-1", "5", "1", "8", "0"), NULL);
    assert_stock(WORDS("--save-domain", "7", "-1", "5", "1", "8", "0"), nowhere);
    assert_stock(WORDS("--save-domain", "7", "-1", "6", "1", "8", "0"), path); /* not expected */
    assert_stock(WORDS("--save-domain", "7", "-1", "5", "0", "8", "0"), path); /* not live */
    assert_stock(WORDS("--save-domain", "7", "-1", "5", "1", "24", "0"),
                 path); /* other callbacks */
    assert_stock(WORDS("--save-domain", "7", "-1", "5", "1", "0", "0"), path);
    assert_stock(WORDS("--save-domain", "7", "-1", "5", "1", "8", "1"), path); /* Remus */
    assert_stock(WORDS("--save-domain", "7", "-1", "5", "1", "8"), path);
    assert_stock(WORDS("--restore-domain", "7", "-1", "5", "1", "0", "2", "0", "264"), path);
    assert_stock(WORDS("--new"), path);
    align_free(align);
}

static void test_version(void)
{
    g_autofree char *out = NULL, *command = g_strdup_printf("'%s' --version", program);
    int status;
    g_assert_true(g_spawn_command_line_sync(command, &out, NULL, &status, NULL));
    g_assert_cmpint(status, ==, 0);
    g_assert_cmpstr(out, ==, SAVE_HELPER_VERSION "\n");
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    if (argc != 2)
        g_error("usage: %s HELPER", argv[0]);
    program = argv[1];
    signal(SIGPIPE, SIG_IGN);
    g_autofree char *directory = g_dir_make_tmp("align-XXXXXX", NULL);
    path = g_build_filename(directory, "socket", NULL);
    server = align_server_new(g_main_context_default(), path, NULL);
    g_assert_nonnull(server);

    g_test_add_func("/save-helper/alone-in-group", test_alone_in_group);
    g_test_add_func("/save-helper/waits", test_waits);
    g_test_add_func("/save-helper/refused-suspend", test_refused_suspend);
    g_test_add_func("/save-helper/no-xen", test_no_xen);
    g_test_add_func("/save-helper/hvm", test_hvm);
    g_test_add_func("/save-helper/broken", test_broken);
    g_test_add_func("/save-helper/silence", test_silence);
    g_test_add_data_func("/save-helper/terminated-waiting", GINT_TO_POINTER(FALSE),
                         test_terminated);
    g_test_add_data_func("/save-helper/terminated-writing", GINT_TO_POINTER(TRUE), test_terminated);
    g_test_add_func("/save-helper/nobody-reads", test_nobody_reads);
    g_test_add_func("/save-helper/no-libxl", test_no_libxl);
    g_test_add_func("/save-helper/stock", test_stock);
    g_test_add_func("/save-helper/version", test_version);
    int status = g_test_run();
    align_server_free(server);
    rmdir(directory);
    g_free(path);
    return status;
}
