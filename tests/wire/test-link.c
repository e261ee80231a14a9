/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Links: to each other over sockets, to peers that are slow, silent, half gone
 * or hostile, and over commands. Nothing sleeps: each test waits for what it is about.
 */
#include "link.h"
#include "talk.h"

#include <errno.h>
#include <fcntl.h>
#include <glib-unix.h>
#include <glib/gstdio.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

/* Long enough for the slowest machine; only tests about silence have a shorter one. */
static const LinkTimes patient = {.alive_ms = 60000, .silence_ms = 600000};

typedef struct End End;
struct End {
    Link *link;
    GString *log; /* what came, in a word each */
    char *reason; /* of GONE */
    GError *error;
    gboolean ended;
    const char *free_at; /* the word at which the link is freed */
    void (*answer)(End *end);
};

static void note(End *end, const char *word)
{
    g_string_append_printf(end->log, "%s ", word);
    if (g_strcmp0(end->free_at, word) == 0)
        g_clear_pointer(&end->link, link_free);
}

static void on_greeted(gpointer data)
{
    note(data, "greeted");
}

static void on_message(gpointer data, const WireFrame *frame)
{
    End *end = data;
    g_assert_cmpstr(frame->said.transaction, ==, TALK_TRANSACTION);
    if (frame->said.message == MIGRATION_MESSAGE_GONE)
        end->reason = g_strdup(frame->said.reason);
    note(end, migration_event_name(migration_message_event(frame->said.message)));
    if (end->answer != NULL)
        end->answer(end);
}

static void on_ended(gpointer data, const GError *error)
{
    End *end = data;
    g_assert_false(end->ended);
    end->ended = TRUE;
    end->error = error != NULL ? g_error_copy(error) : NULL;
    note(end, "ended");
}

static const LinkEvents events = {on_greeted, on_message, on_ended};

static End *end_new(void)
{
    End *end = g_new0(End, 1);
    end->log = g_string_new(NULL);
    return end;
}

static void end_free(End *end)
{
    link_free(end->link);
    g_string_free(end->log, TRUE);
    g_clear_error(&end->error);
    g_free(end->reason);
    g_free(end);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC(End, end_free)

static void say(End *end, MigrationMessage message)
{
    g_autoptr(GError) error = NULL;
    WireFrame frame = talk_message(message);
    link_send(end->link, &frame, &error);
    g_assert_no_error(error);
}

#define UNTIL(condition)                                                                           \
    while (!(condition))                                                                           \
    g_main_context_iteration(NULL, TRUE)

static gboolean has(const End *end, const char *word)
{
    return strstr(end->log->str, word) != NULL;
}

static void settle(void)
{
    while (g_main_context_iteration(NULL, FALSE))
        ;
}

static void check_ended(const End *end, DomgrpErrorCode code, const char *part)
{
    g_assert_error(end->error, DOMGRP_ERROR, (gint)code);
    if (strstr(end->error->message, part) == NULL)
        g_error("\"%s\" does not say \"%s\"", end->error->message, part);
}

/* -- a link and a peer that is the test -- */

static End *end_with_peer(MigrationSide side, const LinkTimes *times, int *ret_peer)
{
    End *end = end_new();
    int fds[2];
    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), ==, 0);
    end->link = link_new(side, fds[0], fds[0], times, &events, end);
    *ret_peer = fds[1];
    return end;
}

static void peer_write(int peer, const GByteArray *bytes)
{
    g_assert_cmpint(write(peer, bytes->data, bytes->len), ==, bytes->len);
}

static void peer_says(int peer, WireFrame frame)
{
    g_autoptr(GByteArray) bytes = g_byte_array_new();
    talk_append(bytes, frame);
    peer_write(peer, bytes);
}

/* The next frame that the link sends, its type; 0 at the end. */
static guint32 peer_hears(int peer, guint skip)
{
    guint8 head[WIRE_HEADER_SIZE], rest[4096];
    gsize got = 0;
    struct pollfd polled = {peer, POLLIN, 0};
    g_assert_cmpuint(skip, <=, sizeof rest);
    while (got < skip + sizeof head) {
        while (poll(&polled, 1, 0) == 0)
            g_main_context_iteration(NULL, TRUE);
        gsize left = got < skip ? skip - got : skip + sizeof head - got;
        ssize_t n = read(peer, got < skip ? rest : head + got - skip, left);
        if (n <= 0)
            return 0;
        got += (gsize)n;
    }
    guint32 type, length;
    memcpy(&type, head, 4);
    memcpy(&length, head + 4, 4);
    g_assert_cmpuint(GUINT32_FROM_LE(length), <=, sizeof rest);
    if (length > 0)
        g_assert_cmpint(read(peer, rest, GUINT32_FROM_LE(length)), ==, GUINT32_FROM_LE(length));
    return GUINT32_FROM_LE(type);
}

/* -- two links -- */

typedef struct {
    End *source, *destination;
    int feed; /* what is written to it */
    int sink; /* comes out of this */
} Pair;

static void pair_clear(Pair *pair)
{
    end_free(pair->source);
    end_free(pair->destination);
    if (pair->feed >= 0)
        close(pair->feed);
    close(pair->sink);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Pair, pair_clear)

static Pair pair_new(void)
{
    Pair pair = {.source = end_new(), .destination = end_new()};
    int fds[2], feed[2], sink[2];
    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), ==, 0);
    g_assert_true(g_unix_open_pipe(feed, FD_CLOEXEC, NULL));
    g_assert_true(g_unix_open_pipe(sink, FD_CLOEXEC, NULL));
    pair.source->link =
        link_new(MIGRATION_SOURCE_SIDE, fds[0], fds[0], &patient, &events, pair.source);
    pair.destination->link =
        link_new(MIGRATION_DESTINATION_SIDE, fds[1], fds[1], &patient, &events, pair.destination);
    link_send_data(pair.source->link, feed[0]);
    link_take_data(pair.destination->link, sink[1]);
    pair.feed = feed[1];
    pair.sink = sink[0];
    return pair;
}

#define TOTAL (5 * 1024 * 1024 + 321)

typedef struct {
    int fd;
    GBytes *bytes;
} Flow;

static gpointer pour(gpointer data)
{
    Flow *flow = data;
    gsize length;
    const guint8 *bytes = g_bytes_get_data(flow->bytes, &length);
    for (gsize at = 0; at < length;) {
        ssize_t n = write(flow->fd, bytes + at, MIN(length - at, 7777));
        g_assert_cmpint(n, >, 0);
        at += (gsize)n;
    }
    close(flow->fd);
    return NULL;
}

/* All that comes, to its end. */
static gpointer collect(gpointer data)
{
    int fd = GPOINTER_TO_INT(data);
    GByteArray *all = g_byte_array_new();
    guint8 buffer[5000];
    ssize_t n;
    while ((n = read(fd, buffer, sizeof buffer)) > 0)
        g_byte_array_append(all, buffer, (guint)n);
    g_assert_cmpint(n, ==, 0);
    return g_byte_array_free_to_bytes(all);
}

static GBytes *noise(gsize length)
{
    g_autoptr(GRand) rand = g_rand_new_with_seed(5);
    guint32 *words = g_malloc(length + 4);
    for (gsize i = 0; i < length / 4 + 1; i++)
        words[i] = g_rand_int(rand);
    return g_bytes_new_take(words, length);
}

/* A whole migration: messages both ways, data in between, and END behind them. */
static void test_migration(void)
{
    g_auto(Pair) pair = pair_new();
    g_autoptr(GBytes) bytes = noise(TOTAL);
    Flow flow = {pair.feed, bytes};
    say(pair.source, MIGRATION_MESSAGE_OFFER);
    UNTIL(has(pair.destination, "OFFER"));
    say(pair.destination, MIGRATION_MESSAGE_ACCEPT);
    UNTIL(has(pair.source, "ACCEPT"));
    say(pair.source, MIGRATION_MESSAGE_END);
    GThread *pouring = g_thread_new("pour", pour, &flow);
    GThread *collecting = g_thread_new("collect", collect, GINT_TO_POINTER(pair.sink));
    UNTIL(has(pair.destination, "END"));
    g_thread_join(pouring);
    g_autoptr(GBytes) came = g_thread_join(collecting);
    pair.feed = -1;
    g_assert_true(g_bytes_equal(came, bytes));
    say(pair.destination, MIGRATION_MESSAGE_READY);
    say(pair.destination, MIGRATION_MESSAGE_GONE);
    UNTIL(has(pair.source, "GONE"));
    g_assert_cmpstr(pair.source->reason, ==, "there is no room for \"web\"");
    link_hang_up(pair.source->link);
    UNTIL(pair.destination->ended);
    check_ended(pair.destination, DOMGRP_ERROR_LINK, "the other side ended the connection");
    UNTIL(pair.source->ended);
    g_assert_no_error(pair.source->error);
    g_assert_cmpstr(pair.source->log->str, ==, "greeted ACCEPT READY GONE ended ");
    g_assert_cmpstr(pair.destination->log->str, ==, "greeted OFFER END ended ");
    guint64 sent, received, sent_there, received_there;
    link_bytes(pair.source->link, &sent, &received);
    link_bytes(pair.destination->link, &sent_there, &received_there);
    g_assert_cmpuint(sent, ==, received_there);
    g_assert_cmpuint(received, ==, sent_there);
    g_assert_cmpuint(sent, >, TOTAL);
}

/* As much as goes in while nobody takes it out at the other side. */
static gsize fill(int feed)
{
    static const guint8 block[4096];
    gsize total = 0;
    g_unix_set_fd_nonblocking(feed, TRUE, NULL);
    for (gsize before = 1; before != total;) {
        before = total;
        for (ssize_t n; (n = write(feed, block, sizeof block)) > 0;)
            total += (gsize)n;
        g_assert_cmpint(errno, ==, EAGAIN);
        settle();
    }
    return total;
}

static gsize empty(int sink)
{
    guint8 buffer[4096];
    gsize total = 0;
    g_unix_set_fd_nonblocking(sink, TRUE, NULL);
    for (ssize_t n; (n = read(sink, buffer, sizeof buffer)) > 0;)
        total += (gsize)n;
    return total;
}

/* Data that nobody takes stop their writer; messages go all the same, and ahead of what waits. */
static void test_backpressure(void)
{
    g_auto(Pair) pair = pair_new();
    UNTIL(has(pair.source, "greeted"));
    gsize filled = fill(pair.feed), emptied = 0;
    g_assert_cmpuint(filled, >, 65536);
    g_assert_cmpuint(filled, <, 2 * 1024 * 1024);
    say(pair.destination, MIGRATION_MESSAGE_ACCEPT);
    UNTIL(has(pair.source, "ACCEPT"));
    say(pair.source, MIGRATION_MESSAGE_COMMIT);
    say(pair.source, MIGRATION_MESSAGE_END);
    settle();
    g_assert_false(has(pair.destination, "COMMIT"));
    while (!has(pair.destination, "COMMIT")) {
        emptied += empty(pair.sink);
        g_main_context_iteration(NULL, FALSE);
    }
    g_assert_cmpuint(emptied, <, filled);
    close(pair.feed);
    pair.feed = -1;
    while (!has(pair.destination, "END")) {
        emptied += empty(pair.sink);
        g_main_context_iteration(NULL, FALSE);
    }
    g_assert_cmpuint(emptied + empty(pair.sink), ==, filled);
    g_assert_cmpstr(pair.destination->log->str, ==, "greeted COMMIT END ");
}

/* A reader of data that has gone costs nothing but the data. */
static void test_deaf(void)
{
    g_auto(Pair) pair = pair_new();
    g_autoptr(GBytes) bytes = noise(TOTAL);
    Flow flow = {pair.feed, bytes};
    close(pair.sink);
    pair.sink = open("/dev/null", O_RDONLY | O_CLOEXEC);
    GThread *pouring = g_thread_new("pour", pour, &flow);
    say(pair.source, MIGRATION_MESSAGE_END);
    UNTIL(has(pair.destination, "END"));
    g_thread_join(pouring);
    pair.feed = -1;
    g_assert_cmpstr(pair.destination->log->str, ==, "greeted END ");
}

/* -- the limit -- */

#define LIMIT_RATE (2 * 1024 * 1024)
#define LIMIT_TOTAL (1024 * 1024)

/* All but a frame and the burst takes its time. No machine is too slow for that bound. */
static void test_limit(void)
{
    g_auto(Pair) pair = pair_new();
    g_autoptr(GBytes) bytes = noise(LIMIT_TOTAL);
    Flow flow = {pair.feed, bytes};
    gint64 least_us = (gint64)(LIMIT_TOTAL - WIRE_DATA_MAX) * G_USEC_PER_SEC / LIMIT_RATE -
                      (gint64)LINK_BURST_MS * 1000;
    UNTIL(has(pair.source, "greeted"));
    link_limit_data(pair.source->link, LIMIT_RATE);
    say(pair.source, MIGRATION_MESSAGE_END);
    gint64 began_us = g_get_monotonic_time();
    GThread *pouring = g_thread_new("pour", pour, &flow);
    GThread *collecting = g_thread_new("collect", collect, GINT_TO_POINTER(pair.sink));
    UNTIL(has(pair.destination, "END"));
    g_assert_cmpint(g_get_monotonic_time() - began_us, >=, least_us);
    g_thread_join(pouring);
    pair.feed = -1;
    g_autoptr(GBytes) came = g_thread_join(collecting);
    g_assert_true(g_bytes_equal(came, bytes));
}

/* One with two frames of data, the second of which, and then the end, has a minute to wait for. */
static End *end_with_limit(const LinkTimes *times, int *ret_peer)
{
    int feed[2];
    End *end = end_with_peer(MIGRATION_SOURCE_SIDE, times, ret_peer);
    g_autoptr(GBytes) bytes = noise(1000);
    g_assert_true(g_unix_open_pipe(feed, FD_CLOEXEC, NULL));
    link_limit_data(end->link, 16);
    link_send_data(end->link, feed[0]);
    g_assert_cmpint(write(feed[1], g_bytes_get_data(bytes, NULL), 1000), ==, 1000);
    peer_says(*ret_peer, talk_greeting(WIRE_VERSION, WIRE_VERSION));
    g_assert_cmpuint(peer_hears(*ret_peer, WIRE_GREETING_SIZE), ==, WIRE_TYPE_DATA);
    g_assert_cmpint(write(feed[1], g_bytes_get_data(bytes, NULL), 1000), ==, 1000);
    close(feed[1]);
    return end;
}

/* Data that are kept back are not looked at again and again, and messages go ahead of them. Without
 * the limit they go at once, and END behind them. */
static void test_limit_is_for_data(void)
{
    int peer;
    g_autoptr(End) end = end_with_limit(&patient, &peer);
    for (guint turns = 0; g_main_context_iteration(NULL, FALSE); turns++)
        g_assert_cmpuint(turns, <, 20);
    say(end, MIGRATION_MESSAGE_ABORT);
    say(end, MIGRATION_MESSAGE_END);
    g_assert_cmpuint(peer_hears(peer, 0), ==, WIRE_TYPE_ABORT);
    link_limit_data(end->link, 0);
    g_assert_cmpuint(peer_hears(peer, 0), ==, WIRE_TYPE_DATA);
    g_assert_cmpuint(peer_hears(peer, 0), ==, WIRE_TYPE_END);
    close(peer);
}

/* While data are kept back a side says that it lives. */
static void test_limit_alive(void)
{
    const LinkTimes times = {.alive_ms = 5, .silence_ms = 600000};
    int peer;
    g_autoptr(End) end = end_with_limit(&times, &peer);
    for (guint i = 0; i < 3; i++)
        g_assert_cmpuint(peer_hears(peer, 0), ==, WIRE_TYPE_ALIVE);
    close(peer);
}

/* -- time -- */

static void test_alive(void)
{
    for (MigrationSide side = 0; side < MIGRATION_SIDE_COUNT; side++) {
        const LinkTimes times = {.alive_ms = 5, .silence_ms = 600000};
        int peer;
        g_autoptr(End) end = end_with_peer(side, &times, &peer);
        peer_says(peer, talk_greeting(WIRE_VERSION, WIRE_VERSION));
        g_assert_cmpuint(peer_hears(peer, WIRE_GREETING_SIZE), ==, WIRE_TYPE_ALIVE);
        g_assert_cmpuint(peer_hears(peer, 0), ==, WIRE_TYPE_ALIVE);
        g_assert_cmpuint(peer_hears(peer, 0), ==, WIRE_TYPE_ALIVE);
        close(peer);
    }
}

/* An END that waits for data does not keep a side from saying that it lives. */
static void test_alive_while_end_waits(void)
{
    const LinkTimes times = {.alive_ms = 5, .silence_ms = 600000};
    int peer, feed[2];
    g_autoptr(End) end = end_with_peer(MIGRATION_SOURCE_SIDE, &times, &peer);
    g_assert_true(g_unix_open_pipe(feed, FD_CLOEXEC, NULL));
    link_send_data(end->link, feed[0]);
    say(end, MIGRATION_MESSAGE_END);
    peer_says(peer, talk_greeting(WIRE_VERSION, WIRE_VERSION));
    g_assert_cmpuint(peer_hears(peer, WIRE_GREETING_SIZE), ==, WIRE_TYPE_ALIVE);
    close(feed[1]);
    guint32 type;
    while ((type = peer_hears(peer, 0)) == WIRE_TYPE_ALIVE)
        ;
    g_assert_cmpuint(type, ==, WIRE_TYPE_END);
    close(peer);
}

/* A peer that does not greet, and one that greets and then falls silent in the middle of something.
 */
static void test_silence(void)
{
    for (guint bytes = 0; bytes < 40; bytes += 13) {
        const LinkTimes times = {.silence_ms = 30};
        int peer;
        g_autoptr(End) end = end_with_peer(MIGRATION_DESTINATION_SIDE, &times, &peer);
        g_autoptr(GByteArray) talk = talk_to(MIGRATION_DESTINATION_SIDE);
        g_byte_array_set_size(talk, bytes);
        peer_write(peer, talk);
        UNTIL(end->ended);
        check_ended(end, DOMGRP_ERROR_LINK, "has said nothing for 0.03 seconds");
        close(peer);
    }
}

/* The peer of @end lives and does nothing, for longer than one may whose turn it is. */
static void idle(End *end, int peer)
{
    const WireFrame alive = {.kind = WIRE_ALIVE};
    gint64 until = g_get_monotonic_time() + 100000;
    while (!end->ended && g_get_monotonic_time() < until) {
        peer_says(peer, alive);
        settle();
    }
}

/* A source whose turn it is, and that only says that it lives, is lost; who waits for work of the
 * other host's is not. */
static void test_idle(void)
{
    const LinkTimes times = {.silence_ms = 600000, .idle_ms = 30};
    int peer;
    g_autoptr(End) end = end_with_peer(MIGRATION_DESTINATION_SIDE, &times, &peer);
    peer_says(peer, talk_greeting(WIRE_VERSION, WIRE_VERSION));
    idle(end, peer);
    check_ended(end, DOMGRP_ERROR_LINK, "has done nothing for 0.03 seconds");
    close(peer);

    g_autoptr(End) asked = end_with_peer(MIGRATION_DESTINATION_SIDE, &times, &peer);
    peer_says(peer, talk_greeting(WIRE_VERSION, WIRE_VERSION));
    peer_says(peer, talk_message(MIGRATION_MESSAGE_COMMIT));
    idle(asked, peer);
    g_assert_false(asked->ended);
    g_assert_cmpint(link_idle_us(asked->link), ==, 0);
    say(asked, MIGRATION_MESSAGE_DONE);
    idle(asked, peer);
    check_ended(asked, DOMGRP_ERROR_LINK, "has done nothing for 0.03 seconds");
    close(peer);

    g_autoptr(End) source = end_with_peer(MIGRATION_SOURCE_SIDE, &times, &peer);
    peer_says(peer, talk_greeting(WIRE_VERSION, WIRE_VERSION));
    idle(source, peer);
    g_assert_false(source->ended);
    close(peer);
}

static gboolean on_time(gpointer data)
{
    *(gboolean *)data = TRUE;
    return G_SOURCE_REMOVE;
}

/* A reader that takes longer than a peer may be silent is not the peer's silence. */
static void test_slow_reader(void)
{
    const LinkTimes times = {.silence_ms = 1000};
    int peer, sink[2];
    g_autoptr(End) end = end_with_peer(MIGRATION_DESTINATION_SIDE, &times, &peer);
    g_autoptr(GBytes) bytes = noise(WIRE_DATA_MAX);
    gboolean late = FALSE;
    WireFrame frame = {.kind = WIRE_DATA,
                       .data = {.bytes = g_bytes_get_data(bytes, NULL), .length = WIRE_DATA_MAX}};
    g_assert_true(g_unix_open_pipe(sink, FD_CLOEXEC, NULL));
    link_take_data(end->link, sink[1]);
    peer_says(peer, talk_greeting(WIRE_VERSION, WIRE_VERSION));
    peer_says(peer, frame);
    frame.data.length = 60000; /* the link has read all of it, and holds a part */
    peer_says(peer, frame);
    settle();
    g_assert_false(end->ended);
    g_timeout_add(1100, on_time, &late);
    UNTIL(late);
    g_assert_false(end->ended);
    gsize emptied = 0;
    while (emptied < WIRE_DATA_MAX + 60000) {
        emptied += empty(sink[0]);
        g_main_context_iteration(NULL, FALSE);
    }
    settle();
    g_assert_false(end->ended);
    peer_says(peer, talk_message(MIGRATION_MESSAGE_END));
    UNTIL(has(end, "END"));
    close(sink[0]);
    close(peer);
}

/* -- peers -- */

static void test_dribble(void)
{
    int peer;
    g_autoptr(End) end = end_with_peer(MIGRATION_SOURCE_SIDE, &patient, &peer);
    g_autoptr(GByteArray) talk = talk_to(MIGRATION_SOURCE_SIDE);
    for (guint i = 0; i < talk->len; i++) {
        g_assert_cmpint(write(peer, talk->data + i, 1), ==, 1);
        settle();
    }
    g_assert_cmpstr(end->log->str, ==, "greeted ACCEPT READY DONE DISCARDED CLASH GONE ");
    close(peer);
    UNTIL(end->ended);
    check_ended(end, DOMGRP_ERROR_LINK, "the other side ended the connection");
}

static void test_wrong(void)
{
    static const struct {
        const char *bytes;
        const char *said;
    } cases[] = {{"HTTP/1.1 400 Bad Request\r\n", "[MAGIC]"}, {"D\n", "[MAGIC]"}};
    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
        int peer;
        g_autoptr(End) end = end_with_peer(MIGRATION_SOURCE_SIDE, &patient, &peer);
        g_assert_cmpint(write(peer, cases[i].bytes, strlen(cases[i].bytes)), >, 0);
        UNTIL(end->ended);
        check_ended(end, DOMGRP_ERROR_PEER, cases[i].said);
        close(peer);
    }
}

static void test_newer(void)
{
    int peer;
    g_autoptr(End) end = end_with_peer(MIGRATION_SOURCE_SIDE, &patient, &peer);
    peer_says(peer, talk_greeting(WIRE_VERSION + 1, WIRE_VERSION + 2));
    UNTIL(end->ended);
    check_ended(end, DOMGRP_ERROR_PEER_VERSION, "update the older domgrp [VERSION]");
    g_assert_cmpstr(end->log->str, ==, "ended ");
    close(peer);
}

static void test_unasked_data(void)
{
    int peer;
    g_autoptr(End) end = end_with_peer(MIGRATION_DESTINATION_SIDE, &patient, &peer);
    peer_says(peer, talk_greeting(WIRE_VERSION, WIRE_VERSION));
    peer_says(peer, talk_data("surprise"));
    UNTIL(end->ended);
    check_ended(end, DOMGRP_ERROR_PEER, "[DATA]");
    close(peer);
}

/* Nor are data behind END, whether somebody read those before it or not. */
static void test_data_after_end(void)
{
    for (guint reads = 0; reads < 2; reads++) {
        int peer, sink[2];
        g_autoptr(End) end = end_with_peer(MIGRATION_DESTINATION_SIDE, &patient, &peer);
        g_assert_true(g_unix_open_pipe(sink, FD_CLOEXEC, NULL));
        link_take_data(end->link, sink[1]);
        if (!reads)
            close(sink[0]);
        peer_says(peer, talk_greeting(WIRE_VERSION, WIRE_VERSION));
        peer_says(peer, talk_data("asked for"));
        peer_says(peer, talk_message(MIGRATION_MESSAGE_END));
        peer_says(peer, talk_data("surprise"));
        UNTIL(end->ended);
        check_ended(end, DOMGRP_ERROR_PEER, "[DATA]");
        if (reads)
            g_assert_cmpuint(empty(sink[0]), ==, strlen("asked for"));
        if (reads)
            close(sink[0]);
        close(peer);
    }
}

static void answer_done(End *end)
{
    say(end, MIGRATION_MESSAGE_DONE);
}

/* Asks and asks: a migration has few messages. */
static void test_flood(void)
{
    int peer;
    g_autoptr(End) end = end_with_peer(MIGRATION_DESTINATION_SIDE, &patient, &peer);
    g_autoptr(GByteArray) question = g_byte_array_new();
    talk_append(question, talk_message(MIGRATION_MESSAGE_COMMIT));
    end->answer = answer_done;
    peer_says(peer, talk_greeting(WIRE_VERSION, WIRE_VERSION));
    g_unix_set_fd_nonblocking(peer, TRUE, NULL);
    gsize at = 0;
    while (!end->ended) {
        ssize_t n = write(peer, question->data + at, question->len - at);
        if (n > 0)
            at = (at + (gsize)n) % question->len;
        g_main_context_iteration(NULL, FALSE);
    }
    check_ended(end, DOMGRP_ERROR_PEER, "has said more than 256 messages");
    close(peer);
}

/* Never reads what it is told. */
static void test_unread(void)
{
    int peer;
    g_autoptr(End) end = end_with_peer(MIGRATION_DESTINATION_SIDE, &patient, &peer);
    peer_says(peer, talk_greeting(WIRE_VERSION, WIRE_VERSION));
    while (!end->ended) {
        say(end, MIGRATION_MESSAGE_DONE);
        settle();
    }
    check_ended(end, DOMGRP_ERROR_LINK, "does not read what it is told");
    close(peer);
}

/* A peer that ends its half is gone, but what it said before is heard. */
static void test_half_closed(void)
{
    int peer;
    g_autoptr(End) end = end_with_peer(MIGRATION_SOURCE_SIDE, &patient, &peer);
    peer_says(peer, talk_greeting(WIRE_VERSION, WIRE_VERSION));
    peer_says(peer, talk_message(MIGRATION_MESSAGE_GONE));
    shutdown(peer, SHUT_WR);
    UNTIL(end->ended);
    g_assert_cmpstr(end->log->str, ==, "greeted GONE ended ");
    check_ended(end, DOMGRP_ERROR_LINK, "the other side ended the connection");
    close(peer);
}

/* It can be told nothing any more, but it may have said something. */
static void test_does_not_listen(void)
{
    int peer;
    g_autoptr(End) end = end_with_peer(MIGRATION_SOURCE_SIDE, &patient, &peer);
    peer_says(peer, talk_greeting(WIRE_VERSION, WIRE_VERSION));
    UNTIL(has(end, "greeted"));
    settle();
    shutdown(peer, SHUT_RD);
    say(end, MIGRATION_MESSAGE_COMMIT);
    peer_says(peer, talk_message(MIGRATION_MESSAGE_GONE));
    UNTIL(end->ended);
    g_assert_cmpstr(end->log->str, ==, "greeted GONE ended ");
    check_ended(end, DOMGRP_ERROR_LINK, "the other side");
    close(peer);
}

static void test_cut(void)
{
    int peer;
    g_autoptr(End) end = end_with_peer(MIGRATION_SOURCE_SIDE, &patient, &peer);
    g_autoptr(GByteArray) talk = talk_to(MIGRATION_SOURCE_SIDE);
    g_byte_array_set_size(talk, talk->len - 1);
    peer_write(peer, talk);
    close(peer);
    UNTIL(end->ended);
    check_ended(end, DOMGRP_ERROR_LINK, "in the middle of something");
}

/* -- hanging up -- */

/* What was said arrives; what comes is dropped; the end is the peer's to see. */
static void test_hang_up(void)
{
    int peer;
    g_autoptr(End) end = end_with_peer(MIGRATION_SOURCE_SIDE, &patient, &peer);
    peer_says(peer, talk_greeting(WIRE_VERSION, WIRE_VERSION));
    UNTIL(has(end, "greeted"));
    say(end, MIGRATION_MESSAGE_FORGET);
    link_hang_up(end->link);
    peer_says(peer, talk_message(MIGRATION_MESSAGE_GONE));
    g_assert_cmpuint(peer_hears(peer, WIRE_GREETING_SIZE), ==, WIRE_TYPE_FORGET);
    g_assert_cmpuint(peer_hears(peer, 0), ==, 0);
    g_assert_false(end->ended);
    close(peer);
    UNTIL(end->ended);
    g_assert_no_error(end->error);
    g_assert_cmpstr(end->log->str, ==, "greeted ended ");
}

/* Data that are not all sent are not followed by END. */
static void test_hang_up_midway(void)
{
    int peer, feed[2];
    g_autoptr(End) end = end_with_peer(MIGRATION_SOURCE_SIDE, &patient, &peer);
    g_assert_true(g_unix_open_pipe(feed, FD_CLOEXEC, NULL));
    link_send_data(end->link, feed[0]);
    peer_says(peer, talk_greeting(WIRE_VERSION, WIRE_VERSION));
    UNTIL(has(end, "greeted"));
    g_assert_cmpint(write(feed[1], "part", 4), ==, 4);
    say(end, MIGRATION_MESSAGE_END);
    g_assert_cmpuint(peer_hears(peer, WIRE_GREETING_SIZE), ==, WIRE_TYPE_DATA);
    link_hang_up(end->link);
    g_assert_cmpuint(peer_hears(peer, 0), ==, 0);
    close(feed[1]);
    close(peer);
    UNTIL(end->ended);
}

/* A peer that does not let go, and goes on talking. */
static void test_hang_up_alone(void)
{
    const LinkTimes times = {.silence_ms = 30};
    int peer;
    g_autoptr(End) end = end_with_peer(MIGRATION_SOURCE_SIDE, &times, &peer);
    g_autoptr(GByteArray) bytes = g_byte_array_new();
    talk_append(bytes, talk_message(MIGRATION_MESSAGE_DONE));
    link_hang_up(end->link);
    g_unix_set_fd_nonblocking(peer, TRUE, NULL);
    while (!end->ended) {
        if (write(peer, bytes->data, bytes->len) < 0)
            g_assert_cmpint(errno, ==, EAGAIN);
        g_main_context_iteration(NULL, FALSE);
    }
    g_assert_no_error(end->error);
    close(peer);
}

/* A link may be freed in each of its events. */
static void test_free(void)
{
    static const char *const words[] = {"greeted", "ACCEPT", "GONE", "ended"};
    for (guint i = 0; i < G_N_ELEMENTS(words); i++) {
        int peer;
        g_autoptr(End) end = end_with_peer(MIGRATION_SOURCE_SIDE, &patient, &peer);
        g_autoptr(GByteArray) talk = talk_to(MIGRATION_SOURCE_SIDE);
        end->free_at = words[i];
        peer_write(peer, talk);
        shutdown(peer, SHUT_WR);
        UNTIL(end->link == NULL);
        settle();
        g_assert_true(g_str_has_suffix(end->log->str, " "));
        g_autofree char *last = g_strdup_printf("%s ", words[i]);
        g_assert_true(g_str_has_suffix(end->log->str, last));
        char byte;
        while (read(peer, &byte, 1) > 0)
            ;
        close(peer);
    }
}

/* -- commands -- */

static End *end_with_script(const char *script, const LinkTimes *times)
{
    const char *const argv[] = {"sh", "-c", script, NULL};
    g_autoptr(GError) error = NULL;
    End *end = end_new();
    end->link = link_run(argv, times, &events, end, &error);
    g_assert_no_error(error);
    return end;
}

static void test_command_fails(void)
{
    static const struct {
        const char *script;
        const char *said;
    } cases[] = {
        {"echo 'ssh: connect to host b port 22: Connection refused' >&2; exit 255",
         "the other side ended the connection: ssh: connect to host b port 22: Connection refused "
         "(sh: exit status 255)"},
        {"printf 'one\\ntwo\\033[2J\\n\\n' >&2; exit 1",
         "the other side ended the connection: two\\x1b[2J (sh: exit status 1)"},
        {"kill -9 $$", "the other side ended the connection: sh: ended by signal 9"},
        {"exit 0", "the other side ended the connection"},
        {"head -c 3000000 /dev/zero | tr '\\0' '\\n' >&2; printf last >&2; exit 7",
         "the other side ended the connection: last (sh: exit status 7)"},
        {"printf DOMGRP; exit 3",
         "the connection ended in the middle of something: sh: exit status 3"},
    };
    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(End) end = end_with_script(cases[i].script, &patient);
        UNTIL(end->ended);
        g_assert_error(end->error, DOMGRP_ERROR, DOMGRP_ERROR_LINK);
        g_assert_cmpstr(end->error->message, ==, cases[i].said);
    }
}

static void test_command_missing(void)
{
    const char *const argv[] = {"/nonexistent/ssh", "b", NULL};
    g_autoptr(GError) error = NULL;
    End *end = end_new();
    g_assert_null(link_run(argv, NULL, &events, end, &error));
    g_assert_error(error, DOMGRP_ERROR, DOMGRP_ERROR_LINK);
    g_assert_true(g_str_has_prefix(error->message, "/nonexistent/ssh cannot be run: "));
    end_free(end);
}

/* A folder with a greeting, a program's life line, and what it heard. */
typedef struct {
    char *folder, *greeting, *line, *heard;
} Place;

static Place place_new(void)
{
    Place place = {.folder = g_dir_make_tmp("domgrp-link-XXXXXX", NULL)};
    g_autoptr(GByteArray) bytes = g_byte_array_new();
    place.greeting = g_build_filename(place.folder, "greeting", NULL);
    place.line = g_build_filename(place.folder, "line", NULL);
    place.heard = g_build_filename(place.folder, "heard", NULL);
    talk_append(bytes, talk_greeting(WIRE_VERSION_MIN, WIRE_VERSION));
    g_assert_true(g_file_set_contents(place.greeting, (char *)bytes->data, bytes->len, NULL));
    g_assert_cmpint(mkfifo(place.line, 0600), ==, 0);
    return place;
}

static void place_clear(Place *place)
{
    g_unlink(place->greeting);
    g_unlink(place->line);
    g_unlink(place->heard);
    g_assert_cmpint(g_rmdir(place->folder), ==, 0);
    g_free(place->folder);
    g_free(place->greeting);
    g_free(place->line);
    g_free(place->heard);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Place, place_clear)

/* What was said reaches a command before its standard input ends. */
static void test_command_hang_up(void)
{
    g_auto(Place) place = place_new();
    g_autofree char *script = g_strdup_printf("cat %s; cat > %s", place.greeting, place.heard);
    g_autoptr(End) end = end_with_script(script, &patient);
    g_autoptr(GByteArray) expected = g_byte_array_new();
    g_autofree char *heard = NULL;
    gsize length;
    UNTIL(has(end, "greeted"));
    say(end, MIGRATION_MESSAGE_OFFER);
    link_hang_up(end->link);
    UNTIL(end->ended);
    g_assert_no_error(end->error);
    talk_append(expected, talk_greeting(WIRE_VERSION, WIRE_VERSION));
    talk_append(expected, talk_message(MIGRATION_MESSAGE_OFFER));
    g_assert_true(g_file_get_contents(place.heard, &heard, &length, NULL));
    g_assert_cmpmem(heard, length, expected->data, expected->len);
}

/* Waits until nobody has @fifo open for writing any more. */
static void wait_for_death(int fifo)
{
    struct pollfd polled = {fifo, POLLIN, 0};
    while ((polled.revents & POLLHUP) == 0)
        g_assert_cmpint(poll(&polled, 1, -1), ==, 1);
}

/* Of words without end the last are kept. */
static void test_command_babbles(void)
{
    g_autoptr(End) end = end_with_script(
        "head -c 3000000 /dev/zero | tr '\\0' x >&2; printf END >&2; exit 7", &patient);
    g_autofree char *words = g_strnfill(509, 'x');
    g_autofree char *said =
        g_strdup_printf("the other side ended the connection: %sEND (sh: exit status 7)", words);
    UNTIL(end->ended);
    g_assert_cmpstr(end->error->message, ==, said);
}

/* A command that would go on for ever, and its child, do not outlive the link. */
static void test_command_killed(void)
{
    g_auto(Place) place = place_new();
    int fifo = open(place.line, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    g_autofree char *script =
        g_strdup_printf("exec 3<> %s; trap '' TERM HUP; read x <&3 & cat %s; read x <&3",
                        place.line, place.greeting);
    g_autoptr(End) end = end_with_script(script, &patient);
    UNTIL(has(end, "greeted"));
    g_clear_pointer(&end->link, link_free);
    wait_for_death(fifo);
    close(fifo);
}

/* One that has ended the connection and stays is not waited for. */
static void test_command_stays(void)
{
    g_auto(Place) place = place_new();
    int fifo = open(place.line, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    g_autofree char *script = g_strdup_printf("exec 3<> %s; exec >&- 2>&-; read x <&3", place.line);
    g_autoptr(End) end = end_with_script(script, &patient);
    UNTIL(end->ended);
    check_ended(end, DOMGRP_ERROR_LINK, "the other side ended the connection");
    wait_for_death(fifo);
    close(fifo);
}

/* What a command leaves behind goes with it, and does not keep the connection. */
static void test_command_leaves(void)
{
    g_auto(Place) place = place_new();
    int fifo = open(place.line, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    g_autofree char *script = g_strdup_printf(
        "exec 3<> %s; (trap '' HUP; read x <&3) & echo gone >&2; exit 4", place.line);
    g_autoptr(End) end = end_with_script(script, &patient);
    UNTIL(end->ended);
    check_ended(end, DOMGRP_ERROR_LINK,
                "the other side ended the connection: gone (sh: exit status 4)");
    wait_for_death(fifo);
    close(fifo);
}

int main(int argc, char **argv)
{
    signal(SIGPIPE, SIG_IGN);
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/link/migration", test_migration);
    g_test_add_func("/link/backpressure", test_backpressure);
    g_test_add_func("/link/deaf", test_deaf);
    g_test_add_func("/link/limit", test_limit);
    g_test_add_func("/link/limit-is-for-data", test_limit_is_for_data);
    g_test_add_func("/link/limit-alive", test_limit_alive);
    g_test_add_func("/link/alive", test_alive);
    g_test_add_func("/link/alive-while-end-waits", test_alive_while_end_waits);
    g_test_add_func("/link/silence", test_silence);
    g_test_add_func("/link/idle", test_idle);
    g_test_add_func("/link/slow-reader", test_slow_reader);
    g_test_add_func("/link/dribble", test_dribble);
    g_test_add_func("/link/wrong", test_wrong);
    g_test_add_func("/link/newer", test_newer);
    g_test_add_func("/link/unasked-data", test_unasked_data);
    g_test_add_func("/link/data-after-end", test_data_after_end);
    g_test_add_func("/link/flood", test_flood);
    g_test_add_func("/link/unread", test_unread);
    g_test_add_func("/link/half-closed", test_half_closed);
    g_test_add_func("/link/does-not-listen", test_does_not_listen);
    g_test_add_func("/link/cut", test_cut);
    g_test_add_func("/link/hang-up", test_hang_up);
    g_test_add_func("/link/hang-up-midway", test_hang_up_midway);
    g_test_add_func("/link/hang-up-alone", test_hang_up_alone);
    g_test_add_func("/link/free", test_free);
    g_test_add_func("/link/command-fails", test_command_fails);
    g_test_add_func("/link/command-missing", test_command_missing);
    g_test_add_func("/link/command-hang-up", test_command_hang_up);
    g_test_add_func("/link/command-killed", test_command_killed);
    g_test_add_func("/link/command-stays", test_command_stays);
    g_test_add_func("/link/command-leaves", test_command_leaves);
    g_test_add_func("/link/command-babbles", test_command_babbles);
    return g_test_run();
}
