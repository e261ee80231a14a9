/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * lab-tap HOST [COMMAND...]: what `domgrp migrate -s lab-tap` runs in the lab.
 * It passes on what `lab-link HOST` does, and stops for ever in front of the
 * frame that /run/lab-tap.rule names: "READY", or "DATA 4096" for the data
 * frame with the 4096th byte. The rule is good for one connection; it becomes
 * /run/lab-tap.held, with the tap's PID, when it has come true. What is held
 * goes on when the tap gets SIGUSR1, and ends with the tap (kill it: the link
 * is cut), and with either neighbour.
 */
#include "bytes.h"
#include "frame.h"

#include <errno.h>
#include <gio/gunixinputstream.h>
#include <gio/gunixoutputstream.h>
#include <glib/gstdio.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#define RULE "/run/lab-tap.rule"
#define HELD "/run/lab-tap.held"

typedef struct {
    int in, out;
    GInputStream *from;
    GOutputStream *to;
    guint8 bytes[WIRE_DATA_MAX];
    guint64 data; /* bytes of data so far */
} Way;

static guint32 held_type; /* 0: nothing is held */
static guint64 held_byte;
static int go_on; /* readable when what is held shall go on */

static void read_rule(void)
{
    g_autofree char *text = NULL;
    char word[32] = "";
    unsigned long long byte = 0;
    if (!g_file_get_contents(RULE, &text, NULL, NULL) || sscanf(text, "%31s %llu", word, &byte) < 1)
        return;
    held_byte = byte;
    if (strcmp(word, "DATA") == 0)
        held_type = WIRE_TYPE_DATA;
    for (guint i = MIGRATION_MESSAGE_OFFER; i < MIGRATION_MESSAGE_COUNT; i++)
        if (strcmp(word, migration_event_name(migration_message_event(i))) == 0)
            held_type = wire_message_type(i);
    if (held_type == 0)
        g_error("lab-tap: " RULE " names no message: %s", word);
    g_unlink(RULE);
}

/* Until it shall go on, or a neighbour goes; then all of the connection does. */
static void hold(const Way *way)
{
    struct pollfd ends[] = {{.fd = way->in}, {.fd = way->out}, {.fd = go_on, .events = POLLIN}};
    g_autofree char *pid = g_strdup_printf("%d\n", getpid());
    if (!g_file_set_contents(HELD ".new", pid, -1, NULL) || rename(HELD ".new", HELD) != 0)
        g_error("lab-tap: " HELD " cannot be written");
    while (poll(ends, G_N_ELEMENTS(ends), -1) < 0 && errno == EINTR)
        ;
    if (ends[2].revents == 0)
        exit(3);
    held_type = 0;
}

static gboolean is_held(const Way *way, guint32 type, guint32 length)
{
    if (held_type != type)
        return FALSE;
    return type != WIRE_TYPE_DATA || way->data + length >= held_byte;
}

static gboolean take(Way *way, gsize length)
{
    gsize n;
    return g_input_stream_read_all(way->from, way->bytes, length, &n, NULL, NULL) && n == length;
}

static gboolean give(Way *way, gsize length)
{
    return g_output_stream_write_all(way->to, way->bytes, length, NULL, NULL, NULL);
}

static gboolean pass_frame(Way *way)
{
    if (!take(way, WIRE_HEADER_SIZE))
        return FALSE;
    guint32 type = bytes_u32(way->bytes), length = bytes_u32(way->bytes + 4);
    if (is_held(way, type, length))
        hold(way);
    if (type == WIRE_TYPE_DATA)
        way->data += length;
    if (!give(way, WIRE_HEADER_SIZE))
        return FALSE;
    while (length > 0) {
        guint32 part = MIN(length, WIRE_DATA_MAX);
        if (!take(way, part) || !give(way, part))
            return FALSE;
        length -= part;
    }
    return TRUE;
}

static gpointer pass(gpointer data)
{
    Way *way = data;
    way->from = g_unix_input_stream_new(way->in, FALSE);
    way->to = g_unix_output_stream_new(way->out, TRUE);
    if (take(way, WIRE_GREETING_SIZE) && give(way, WIRE_GREETING_SIZE))
        while (pass_frame(way))
            ;
    g_object_unref(way->to);
    g_object_unref(way->from);
    return NULL;
}

int main(int argc, char **argv)
{
    g_autoptr(GError) error = NULL;
    static Way there, back;
    char *words[] = {"lab-link", argc > 1 ? argv[1] : "", NULL};
    if (argc < 2) {
        fprintf(stderr, "usage: lab-tap HOST [COMMAND...]\n");
        return 2;
    }
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGUSR1);
    sigprocmask(SIG_BLOCK, &signals, NULL);
    go_on = signalfd(-1, &signals, SFD_CLOEXEC);
    read_rule();
    there.in = STDIN_FILENO;
    back.out = STDOUT_FILENO;
    if (!g_spawn_async_with_pipes(NULL, words, NULL, G_SPAWN_SEARCH_PATH, NULL, NULL, NULL,
                                  &there.out, &back.in, NULL, &error)) {
        fprintf(stderr, "lab-tap: %s\n", error->message);
        return 1;
    }
    GThread *ways[] = {g_thread_new("there", pass, &there), g_thread_new("back", pass, &back)};
    for (guint i = 0; i < G_N_ELEMENTS(ways); i++)
        g_thread_join(ways[i]);
    return 0;
}
