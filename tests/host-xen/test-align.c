/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the daemon tells helpers that say how far they are: here, they are sockets of the test's. */
#include "align.h"
#include "align-wire.h"

#include <errno.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#define MANY 100000

static char *path;
static AlignServer *server;

/* Limits of time that no test reaches which does not wait for them. */
static const AlignLimits limits = {
    .few = 50, .rounds = 10, .come_ms = 1000 * 1000, .converge_ms = 1000 * 1000};

typedef struct {
    int fd;
    guint32 domid;
} Helper;

static int connected(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    g_strlcpy(address.sun_path, path, sizeof(address.sun_path));
    g_assert_cmpint(connect(fd, (struct sockaddr *)&address, sizeof(address)), ==, 0);
    return fd;
}

static gboolean tell(const Helper *helper, guint32 round, guint64 dirty)
{
    AlignReport report = {
        .magic = ALIGN_MAGIC, .domid = helper->domid, .round = round, .dirty = dirty};
    return send(helper->fd, &report, sizeof(report), MSG_NOSIGNAL | MSG_DONTWAIT) == sizeof(report);
}

/* Lets the server work until there is an answer. FALSE: it has hung up. */
static gboolean hear(const Helper *helper, AlignAnswer *ret_answer)
{
    for (;;) {
        ssize_t n = recv(helper->fd, ret_answer, sizeof(*ret_answer), MSG_DONTWAIT);
        if (n == sizeof(*ret_answer))
            return TRUE;
        if (n == 0 || errno != EAGAIN)
            return FALSE;
        g_main_context_iteration(NULL, TRUE);
    }
}

static void assert_told(const Helper *helper, AlignVerdict verdict, guint32 round)
{
    AlignAnswer answer;
    g_assert_true(hear(helper, &answer));
    g_assert_cmpuint(answer.magic, ==, ALIGN_MAGIC);
    g_assert_cmpuint(answer.verdict, ==, verdict);
    g_assert_cmpuint(answer.round, ==, round);
}

static void assert_hung_up(const Helper *helper)
{
    AlignAnswer answer;
    g_assert_false(hear(helper, &answer));
    close(helper->fd);
}

/* The server has done what it has to do, and said nothing to @helper. */
static void assert_silent(const Helper *helper)
{
    char byte;
    while (g_main_context_iteration(NULL, FALSE))
        ;
    g_assert_cmpint(recv(helper->fd, &byte, 1, MSG_DONTWAIT), ==, -1);
    g_assert_cmpint(errno, ==, EAGAIN);
}

static Helper hello(guint32 domid)
{
    Helper helper = {connected(), domid};
    g_assert_true(tell(&helper, ALIGN_HELLO, 0));
    return helper;
}

static Helper joined(guint32 domid)
{
    Helper helper = hello(domid);
    assert_told(&helper, ALIGN_WAIT, ALIGN_HELLO);
    return helper;
}

static void tell_waits(const Helper *helper, guint32 round, guint64 dirty)
{
    g_assert_true(tell(helper, round, dirty));
    assert_told(helper, ALIGN_WAIT, round);
}

static void joined_many(guint n, Helper *ret_helpers)
{
    for (guint i = 0; i < n; i++)
        ret_helpers[i] = joined(i + 1);
}

static void end_many(guint n, Helper *helpers)
{
    for (guint i = 0; i < n; i++)
        close(helpers[i].fd);
}

/* A group of domains 1, 2, 3... */
static Align *align_of(const AlignLimits *l, guint n)
{
    Align *align = align_new(server, l, NULL, NULL);
    for (guint i = 0; i < n; i++)
        align_add(align, i + 1);
    return align;
}

/* -- decisions -- */

/* Nobody begins a round or stops while another sends; who has little left sends no more. */
static void test_together(void)
{
    Align *align = align_of(&limits, 3);
    Helper h[3];
    joined_many(3, h);

    tell_waits(&h[0], 1, 10);
    tell_waits(&h[1], 1, 2000);
    assert_silent(&h[0]);
    tell_waits(&h[2], 1, 1000);
    assert_told(&h[1], ALIGN_ROUND, 1);
    assert_told(&h[2], ALIGN_ROUND, 1);
    assert_silent(&h[0]);

    tell_waits(&h[1], 2, 40);
    tell_waits(&h[0], 1, 60); /* meanwhile it has changed more */
    assert_silent(&h[1]);
    tell_waits(&h[2], 2, 500);
    assert_told(&h[0], ALIGN_ROUND, 1);
    assert_told(&h[2], ALIGN_ROUND, 2);
    assert_silent(&h[1]);

    tell_waits(&h[2], 3, 30);
    tell_waits(&h[0], 2, 20);
    for (guint i = 0; i < 3; i++)
        assert_told(&h[i], ALIGN_STOP, i + 1 == 3 ? 3 : 2);
    g_assert_true(tell(&h[0], 2, 50000));
    assert_told(&h[0], ALIGN_STOP, 2);
    align_free(align);
    end_many(3, h);
}

static void on_event(gpointer data)
{
    ++*(guint *)data;
}

/* When all have sent all once, they wait for what the caller does then. */
static void test_held(void)
{
    static const AlignEvents events = {.gathered = on_event};
    guint gathered = 0;
    Align *align = align_new(server, &limits, &events, &gathered);
    Helper h[2];
    align_add(align, 1);
    align_add(align, 2);
    joined_many(2, h);
    tell_waits(&h[0], 1, MANY);
    g_assert_cmpuint(gathered, ==, 0);
    tell_waits(&h[1], 1, 0);
    tell_waits(&h[0], 1, MANY + 1);
    assert_silent(&h[0]);
    g_assert_cmpuint(gathered, ==, 1);
    align_proceed(align);
    assert_told(&h[0], ALIGN_ROUND, 1);
    align_proceed(align);
    tell_waits(&h[0], 2, 0);
    assert_told(&h[0], ALIGN_STOP, 2);
    assert_told(&h[1], ALIGN_STOP, 1);
    g_assert_cmpuint(gathered, ==, 1);
    align_free(align);
    end_many(2, h);
}

/* When none sends more they wait until they are told to stop, whatever becomes dirty meanwhile. */
static void test_ready(void)
{
    static const AlignEvents events = {.ready = on_event};
    guint ready = 0;
    Align *align = align_new(server, &limits, &events, &ready);
    Helper h[3];
    align_add(align, 1);
    align_add(align, 2);
    joined_many(2, h);
    tell_waits(&h[0], 1, 0);
    g_assert_false(align_ready(align));
    tell_waits(&h[1], 1, 10);
    g_assert_cmpuint(ready, ==, 1);
    tell_waits(&h[0], 1, MANY);
    assert_silent(&h[0]);
    g_assert_true(align_ready(align) && !align_decided(align));

    align_add(align, 3); /* it is waited for, too */
    g_assert_false(align_ready(align));
    h[2] = joined(3);
    tell_waits(&h[2], 1, 0);
    assert_told(&h[0], ALIGN_ROUND, 1); /* meanwhile it has much to send */
    tell_waits(&h[0], 2, 0);
    g_assert_cmpuint(ready, ==, 2);
    align_stop(align);
    assert_told(&h[0], ALIGN_STOP, 2);
    assert_told(&h[1], ALIGN_STOP, 1);
    assert_told(&h[2], ALIGN_STOP, 1);
    g_assert_true(align_decided(align));
    align_free(align);
    end_many(3, h);
}

/* Who fails is not waited for, before and after; at last there is nobody. */
static void test_ready_without(void)
{
    static const AlignEvents events = {.ready = on_event};
    guint ready = 0;
    Align *align = align_new(server, &limits, &events, &ready);
    Helper h[2];
    align_add(align, 1);
    align_add(align, 2);
    align_add(align, 3);
    joined_many(2, h);
    tell_waits(&h[0], 1, 0);
    align_leave(align, 3);
    g_assert_cmpuint(ready, ==, 0);
    align_leave(align, 2);
    assert_hung_up(&h[1]);
    g_assert_cmpuint(ready, ==, 1);
    align_leave(align, 1);
    assert_hung_up(&h[0]);
    g_assert_cmpuint(ready, ==, 1);
    align_add(align, 4);
    align_leave(align, 4);
    g_assert_cmpuint(ready, ==, 2);
    g_assert_false(align_decided(align));
    align_free(align);
}

/* Rounds end when there is no less to send after one. */
static void test_no_less(void)
{
    Align *align = align_of(&limits, 1);
    Helper h = joined(1);
    tell_waits(&h, 1, 1000);
    assert_told(&h, ALIGN_ROUND, 1);
    tell_waits(&h, 2, 700);
    assert_told(&h, ALIGN_ROUND, 2);
    tell_waits(&h, 3, 699);
    assert_told(&h, ALIGN_STOP, 3);
    align_free(align);
    close(h.fd);
}

static void test_rounds(void)
{
    Align *align = align_of(&limits, 1);
    Helper h = joined(1);
    guint64 dirty = G_GUINT64_CONSTANT(1) << 60;
    for (guint round = 1; round < limits.rounds; round++, dirty /= 2) {
        tell_waits(&h, round, dirty);
        assert_told(&h, ALIGN_ROUND, round);
    }
    tell_waits(&h, limits.rounds, dirty);
    assert_told(&h, ALIGN_STOP, limits.rounds);
    align_free(align);
    close(h.fd);
}

/* It has not heard yet that it is to send when it tells again: it is told once. */
static void test_crossing(void)
{
    Align *align = align_of(&limits, 1);
    Helper h = joined(1);
    g_assert_true(tell(&h, 1, 1000));
    g_assert_true(tell(&h, 1, 1001));
    assert_told(&h, ALIGN_WAIT, 1);
    assert_told(&h, ALIGN_ROUND, 1);
    assert_silent(&h);
    tell_waits(&h, 2, 0);
    assert_told(&h, ALIGN_STOP, 2);
    align_free(align);
    close(h.fd);
}

/* One whose save begins later is waited for, too. */
static void test_added(void)
{
    Align *align = align_of(&limits, 1);
    Helper a = joined(1);
    align_add(align, 2);
    tell_waits(&a, 1, 0);
    assert_silent(&a);
    Helper b = joined(2);
    tell_waits(&b, 1, 0);
    assert_told(&a, ALIGN_STOP, 1);
    assert_told(&b, ALIGN_STOP, 1);
    align_free(align);
    close(a.fd);
    close(b.fd);
}

/* -- who is not waited for -- */

static void test_breaks(void)
{
    Align *align = align_of(&limits, 3);
    Helper h[3];
    joined_many(3, h);
    tell_waits(&h[0], 1, 0);
    tell_waits(&h[1], 1, 0);
    close(h[2].fd);
    assert_told(&h[0], ALIGN_STOP, 1);
    assert_told(&h[1], ALIGN_STOP, 1);
    align_free(align);
    end_many(2, h);
}

static void test_leaves(void)
{
    Align *align = align_of(&limits, 3);
    Helper a = joined(1), b = joined(2);
    tell_waits(&a, 1, 0);
    align_leave(align, 3);
    align_leave(align, 3);
    align_leave(align, 77);
    assert_silent(&a);
    align_leave(align, 2);
    assert_told(&a, ALIGN_STOP, 1);
    assert_hung_up(&b);
    align_free(align);
    close(a.fd);
}

static void test_comes_late(void)
{
    AlignLimits soon = limits;
    soon.come_ms = 1;
    Align *align = align_of(&soon, 2);
    Helper a = joined(1);
    tell_waits(&a, 1, 0);
    assert_told(&a, ALIGN_STOP, 1);
    Helper b = hello(2);
    assert_told(&b, ALIGN_STOCK, ALIGN_HELLO);
    assert_hung_up(&b);
    align_free(align);
    close(a.fd);
}

static gboolean on_passed(gpointer data)
{
    *(gboolean *)data = TRUE;
    return G_SOURCE_REMOVE;
}

/* After a time rounds that run are awaited, but no more begin. */
static void test_takes_long(void)
{
    AlignLimits soon = limits;
    soon.converge_ms = 1;
    Align *align = align_of(&soon, 2);
    Helper h[2];
    joined_many(2, h);
    tell_waits(&h[0], 1, MANY);
    tell_waits(&h[1], 1, 0);
    assert_told(&h[0], ALIGN_ROUND, 1);
    gboolean passed = FALSE;
    for (g_timeout_add(soon.converge_ms + 1, on_passed, &passed); !passed;)
        g_main_context_iteration(NULL, TRUE);
    assert_silent(&h[1]);
    tell_waits(&h[0], 2, MANY / 2);
    assert_told(&h[0], ALIGN_STOP, 2);
    assert_told(&h[1], ALIGN_STOP, 1);
    align_free(align);
    end_many(2, h);
}

/* Nobody is told to stop: who waits and who sends is hung up on, who comes is not expected. */
static void test_freed(void)
{
    Align *align = align_of(&limits, 3);
    Helper a = joined(1), b = joined(2);
    tell_waits(&a, 1, 0);
    align_free(align);
    Helper c = hello(3);
    assert_told(&c, ALIGN_STOCK, ALIGN_HELLO);
    assert_hung_up(&a);
    assert_hung_up(&b);
    assert_hung_up(&c);
}

/* Groups do not wait for each other. */
static void test_two_groups(void)
{
    Align *align = align_of(&limits, 1), *other = align_new(server, &limits, NULL, NULL);
    align_add(other, 7);
    Helper a = joined(1), b = joined(7);
    tell_waits(&a, 1, 0);
    assert_told(&a, ALIGN_STOP, 1);
    g_assert_true(align_decided(align) && !align_decided(other));
    align_free(align);
    tell_waits(&b, 1, 0);
    assert_told(&b, ALIGN_STOP, 1);
    align_free(other);
    close(a.fd);
    close(b.fd);
}

/* -- strangers -- */

static void test_unexpected(void)
{
    Align *align = align_of(&limits, 1);
    Helper stranger = hello(99);
    assert_told(&stranger, ALIGN_STOCK, ALIGN_HELLO);
    assert_hung_up(&stranger);
    Helper a = joined(1), again = hello(1);
    assert_told(&again, ALIGN_STOCK, ALIGN_HELLO);
    assert_hung_up(&again);
    tell_waits(&a, 1, 0);
    assert_told(&a, ALIGN_STOP, 1);
    align_free(align);
    close(a.fd);
}

static void test_nonsense(void)
{
    static const char bytes[200];
    const AlignReport good = {.magic = ALIGN_MAGIC, .domid = 1};
    AlignReport bad[] = {good, good};
    bad[0].magic++;
    bad[1].round = 1; /* no hello */
    Align *align = align_of(&limits, 1);

    for (gsize length = 1; length < sizeof(bytes); length++) {
        Helper h = {connected(), 1};
        if (length == sizeof(good))
            g_assert_cmpint(send(h.fd, &bad[0], length, 0), ==, length);
        else
            g_assert_cmpint(send(h.fd, bytes, length, 0), ==, length);
        assert_hung_up(&h);
    }
    Helper h = {connected(), 1};
    g_assert_cmpint(send(h.fd, &bad[1], sizeof(bad[1]), 0), ==, sizeof(bad[1]));
    assert_hung_up(&h);

    h = joined(1);
    tell_waits(&h, 1, MANY);
    assert_told(&h, ALIGN_ROUND, 1);
    tell_waits(&h, 2, 0);
    assert_told(&h, ALIGN_STOP, 2);
    g_assert_true(tell(&h, 1, 0)); /* rounds do not come back */
    assert_hung_up(&h);
    align_free(align);
}

static void test_other_domain(void)
{
    Align *align = align_of(&limits, 2);
    Helper a = joined(1);
    a.domid = 2;
    g_assert_true(tell(&a, 1, 0));
    assert_hung_up(&a);
    align_free(align);
}

/* One that does not read is hung up on; the others do not suffer. */
static void test_flood(void)
{
    Align *align = align_of(&limits, 2);
    Helper flood = joined(1), other = joined(2);
    guint sent = 0;
    tell_waits(&other, 1, 0);
    while (tell(&flood, 1 + sent, 0) || errno == EAGAIN) {
        sent++;
        g_main_context_iteration(NULL, FALSE);
        g_assert_cmpuint(sent, <, 1000 * 1000);
    }
    assert_told(&other, ALIGN_STOP, 1);
    g_test_message("hung up on after %u reports", sent);
    align_free(align);
    close(flood.fd);
    close(other.fd);
}

/* A process connects and says whether it was heard; with @deep, it is not this one's child. */
static void test_process(gconstpointer data)
{
    gboolean deep = GPOINTER_TO_INT(data);
    Align *align = align_of(&limits, 1);
    int result[2];
    char heard;
    g_assert_cmpint(pipe(result), ==, 0);
    pid_t pid = fork();
    if (pid == 0) {
        AlignReport report = {.magic = ALIGN_MAGIC, .domid = 1};
        AlignAnswer answer;
        if (deep && fork() != 0)
            _exit(0);
        int fd = connected();
        send(fd, &report, sizeof(report), MSG_NOSIGNAL);
        heard = recv(fd, &answer, sizeof(answer), 0) == sizeof(answer) ? 'y' : 'n';
        _exit(write(result[1], &heard, 1) == 1 ? 0 : 1);
    }
    if (deep)
        g_assert_cmpint(waitpid(pid, NULL, 0), ==, pid);
    GPollFD poll = {.fd = result[0], .events = G_IO_IN};
    g_main_context_add_poll(NULL, &poll, 0);
    while ((poll.revents & G_IO_IN) == 0)
        g_main_context_iteration(NULL, TRUE);
    g_main_context_remove_poll(NULL, &poll);
    g_assert_cmpint(read(result[0], &heard, 1), ==, 1);
    g_assert_cmpint(heard, ==, deep ? 'n' : 'y');
    if (!deep)
        g_assert_cmpint(waitpid(pid, NULL, 0), ==, pid);
    close(result[0]);
    close(result[1]);
    align_free(align);
}

/* -- guests of all kinds -- */

typedef struct {
    Helper helper;
    guint32 round;
    guint64 pages, rate, sent, dirty;
    guint64 busy_until; /* sends until then */
    gboolean asked, stopped;
} Guest;

static void guest_begin(Guest *guest, guint64 now, guint64 pages)
{
    guest->sent += pages;
    guest->busy_until = now + 1 + pages / 100;
    guest->dirty = 0;
}

/* A moment in the life of a guest: it changes pages, and its round may end. */
static void guest_live(Guest *guest, guint64 now)
{
    guest->dirty = MIN(guest->dirty + guest->rate, guest->pages);
    if (guest->stopped || now < guest->busy_until)
        return;
    if (guest->asked && now % 25 != 0)
        return;
    guest->round += !guest->asked;
    guest->asked = TRUE;
    g_assert_true(tell(&guest->helper, guest->round, guest->dirty));
}

static void guest_hear(Guest *guest, guint64 now, const Guest *guests, guint n)
{
    AlignAnswer answer;
    while (recv(guest->helper.fd, &answer, sizeof(answer), MSG_DONTWAIT) == sizeof(answer)) {
        if (answer.verdict == ALIGN_ROUND && answer.round == guest->round && guest->asked) {
            guest->asked = FALSE;
            guest_begin(guest, now, guest->dirty);
        }
        if (answer.verdict != ALIGN_STOP)
            continue;
        guest->stopped = TRUE;
        for (guint i = 0; i < n; i++)
            g_assert_true(guests[i].asked); /* none sends */
    }
}

static gboolean all_stopped(const Guest *guests, guint n)
{
    for (guint i = 0; i < n; i++)
        if (!guests[i].stopped)
            return FALSE;
    return TRUE;
}

/* Whatever their sizes and rates, all stop in one moment, after a bounded number of rounds. */
static void test_guests(void)
{
    for (guint run = 0; run < 60; run++) {
        guint n = (guint)g_test_rand_int_range(1, 9);
        Align *align = align_of(&limits, n);
        Guest guests[8] = {0};
        guint64 now = 0;
        for (guint i = 0; i < n; i++) {
            guests[i].helper = joined(i + 1);
            guests[i].pages = (guint64)g_test_rand_int_range(1, 50000);
            guests[i].rate = (guint64)(g_test_rand_bit() ? g_test_rand_int_range(0, 300) : 0);
            guest_begin(&guests[i], 0, guests[i].pages);
        }
        for (; !all_stopped(guests, n); now++) {
            g_assert_cmpuint(now, <, 100000);
            for (guint i = 0; i < n; i++)
                guest_live(&guests[i], now);
            while (g_main_context_iteration(NULL, FALSE))
                ;
            for (guint i = 0; i < n; i++)
                guest_hear(&guests[i], now, guests, n);
        }
        for (guint i = 0; i < n; i++) {
            g_assert_cmpuint(guests[i].round, <=, limits.rounds);
            close(guests[i].helper.fd);
        }
        align_free(align);
    }
}

/* -- the socket -- */

static void test_socket(void)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *lost = g_build_filename(path, "lost", NULL);
    g_autofree char *nowhere = g_strnfill(200, 'x');
    GStatBuf info;
    g_assert_cmpint(g_stat(path, &info), ==, 0);
    g_assert_cmpuint(info.st_mode & 0777, ==, 0600);
    g_assert_null(align_server_new(g_main_context_default(), lost, &error));
    g_assert_nonnull(strstr(error->message, lost));
    g_clear_error(&error);
    g_assert_null(align_server_new(g_main_context_default(), nowhere, &error));
    g_assert_nonnull(error);
    /* What a dead daemon has left is in nobody's way. */
    AlignServer *second = align_server_new(g_main_context_default(), path, &error);
    g_assert_nonnull(second);
    Helper h = {connected(), 1};
    align_server_free(second);
    assert_hung_up(&h);
    g_assert_cmpint(access(path, F_OK), !=, 0);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_autofree char *directory = g_dir_make_tmp("align-XXXXXX", NULL);
    path = g_build_filename(directory, "socket", NULL);
    server = align_server_new(g_main_context_default(), path, NULL);
    g_assert_nonnull(server);

    g_test_add_func("/align/together", test_together);
    g_test_add_func("/align/held", test_held);
    g_test_add_func("/align/ready", test_ready);
    g_test_add_func("/align/ready-without", test_ready_without);
    g_test_add_func("/align/no-less", test_no_less);
    g_test_add_func("/align/rounds", test_rounds);
    g_test_add_func("/align/crossing", test_crossing);
    g_test_add_func("/align/added", test_added);
    g_test_add_func("/align/breaks", test_breaks);
    g_test_add_func("/align/leaves", test_leaves);
    g_test_add_func("/align/comes-late", test_comes_late);
    g_test_add_func("/align/takes-long", test_takes_long);
    g_test_add_func("/align/freed", test_freed);
    g_test_add_func("/align/two-groups", test_two_groups);
    g_test_add_func("/align/unexpected", test_unexpected);
    g_test_add_func("/align/nonsense", test_nonsense);
    g_test_add_func("/align/other-domain", test_other_domain);
    g_test_add_func("/align/flood", test_flood);
    g_test_add_data_func("/align/child", GINT_TO_POINTER(FALSE), test_process);
    g_test_add_data_func("/align/grandchild", GINT_TO_POINTER(TRUE), test_process);
    g_test_add_func("/align/guests", test_guests);
    g_test_add_func("/align/socket", test_socket);
    int status = g_test_run();
    align_server_free(server);
    g_rmdir(directory);
    g_free(path);
    return status;
}
