/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The relay between pipes of this test, whose ends are a host's own and another host's. */
#include "relay.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#define MANY (3 * 1024 * 1024)

typedef struct {
    int in[2], out[2];
    GCancellable *cancellable;
    Relay *relay;
} Fixture;

static void fixture_init(Fixture *fixture)
{
    g_assert_cmpint(pipe2(fixture->in, O_CLOEXEC), ==, 0);
    g_assert_cmpint(pipe2(fixture->out, O_CLOEXEC), ==, 0);
    fixture->cancellable = g_cancellable_new();
    fixture->relay = relay_new(fixture->in[0], fixture->out[1], fixture->cancellable);
}

static void fixture_clear(Fixture *fixture)
{
    relay_free(fixture->relay);
    g_object_unref(fixture->cancellable);
}

static guint8 byte_at(gsize at)
{
    return (guint8)(at ^ at >> 8 ^ at >> 16);
}

/* Writes until @fd takes no more, at most MANY bytes; returns how many that were. */
static gpointer write_many(gpointer data)
{
    int fd = GPOINTER_TO_INT(data);
    g_autofree guint8 *bytes = g_malloc(MANY);
    gsize at = 0;
    for (gsize i = 0; i < MANY; i++)
        bytes[i] = byte_at(i);
    for (ssize_t n; at < MANY && (n = write(fd, bytes + at, MANY - at)) > 0;)
        at += (gsize)n;
    close(fd);
    return GSIZE_TO_POINTER(at);
}

static gsize read_all(int fd)
{
    guint8 bytes[10000];
    gsize at = 0;
    for (ssize_t n; (n = read(fd, bytes, sizeof bytes)) > 0; at += (gsize)n)
        for (ssize_t i = 0; i < n; i++)
            g_assert_cmpuint(bytes[i], ==, byte_at(at + (gsize)i));
    close(fd);
    return at;
}

static void test_moves(void)
{
    Fixture fixture;
    fixture_init(&fixture);
    GThread *writer = g_thread_new("writer", write_many, GINT_TO_POINTER(fixture.in[1]));
    g_assert_cmpuint(read_all(fixture.out[0]), ==, MANY);
    g_assert_cmpuint(GPOINTER_TO_SIZE(g_thread_join(writer)), ==, MANY);
    g_assert_cmpint(relay_join(fixture.relay), ==, 0);
    g_assert_cmpuint(relay_bytes(fixture.relay), ==, MANY);
    fixture_clear(&fixture);
}

/* The other host says nothing: who reads here is not kept waiting. */
static void test_silent(void)
{
    Fixture fixture;
    fixture_init(&fixture);
    g_assert_cmpint(write(fixture.in[1], (guint8[]){byte_at(0)}, 1), ==, 1);
    struct pollfd come = {.fd = fixture.out[0], .events = POLLIN};
    g_assert_cmpint(poll(&come, 1, -1), ==, 1);
    g_cancellable_cancel(fixture.cancellable);
    g_assert_cmpuint(read_all(fixture.out[0]), ==, 1);
    g_assert_cmpint(relay_join(fixture.relay), ==, ECANCELED);
    close(fixture.in[1]);
    fixture_clear(&fixture);
}

/* The other host does not read: who writes here is not kept waiting. */
static void test_full(void)
{
    Fixture fixture;
    fixture_init(&fixture);
    fcntl(fixture.out[0], F_SETPIPE_SZ, 65536);
    GThread *writer = g_thread_new("writer", write_many, GINT_TO_POINTER(fixture.in[1]));
    while (relay_bytes(fixture.relay) < 65536)
        g_thread_yield();
    g_cancellable_cancel(fixture.cancellable);
    g_assert_cmpuint(GPOINTER_TO_SIZE(g_thread_join(writer)), <, MANY);
    g_assert_cmpint(relay_failed(fixture.relay), ==, ECANCELED);
    close(fixture.out[0]);
    fixture_clear(&fixture);
}

/* The other host has gone: that is found out even while there is nothing to write. */
static void test_gone(void)
{
    Fixture fixture;
    fixture_init(&fixture);
    close(fixture.out[0]);
    g_assert_cmpint(relay_join(fixture.relay), ==, EPIPE);
    g_assert_cmpint(write(fixture.in[1], "x", 1), ==, -1);
    g_assert_cmpint(errno, ==, EPIPE);
    close(fixture.in[1]);
    fixture_clear(&fixture);
}

int main(int argc, char **argv)
{
    signal(SIGPIPE, SIG_IGN);
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/relay/moves", test_moves);
    g_test_add_func("/relay/silent", test_silent);
    g_test_add_func("/relay/full", test_full);
    g_test_add_func("/relay/gone", test_gone);
    return g_test_run();
}
