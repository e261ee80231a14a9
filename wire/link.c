/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "link.h"

#include "command.h"

#include <errno.h>
#include <fcntl.h>
#include <glib-unix.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define READ_SIZE 65536u
#define AT_ONCE 4u /* reads, and frames of data, before others have their turn */
#define FEED_SIZE (AT_ONCE * READ_SIZE) /* of its pipe; more would wait there when members stop */

typedef enum {
    LINK_OPEN,
    LINK_HANGING, /* says what is left */
    LINK_LEAVING, /* has said it, and waits for the peer to have read it */
    LINK_BROKEN,  /* waits for its command's last words */
    LINK_OVER,    /* the caller knows */
} LinkState;

typedef struct {
    int fd;       /* or -1 */
    gpointer tag; /* of the source while it is watched, or NULL */
} Port;

typedef struct {
    GByteArray *bytes;
    gboolean is_end;
} Message;

struct Link {
    GSource *source;
    MigrationSide side;
    LinkState state;
    const LinkEvents *events;
    gpointer data;
    gint64 alive_us;
    gint64 silence_us;
    gint64 idle_us;
    gboolean busy; /* an event is under way */
    gboolean freed;
    GError *error;
    Command *command;

    Port in;
    gint64 heard_us; /* when something came, or could have come again */
    gint64 moved_us; /* the same of what is more than a sign of life */
    WireDecoder *decoder;
    guint8 *input;
    const guint8 *at; /* what is left of it */
    gsize left;
    guint64 received;
    guint heard;   /* messages that came */
    gboolean owed; /* a destination has said the last of them, or none has come */
    Port sink;
    gboolean deaf;         /* whoever took data has gone */
    const guint8 *pending; /* data for the sink */
    gsize pending_left;

    Port out;
    gint64 said_us;
    GQueue messages;      /* of Message */
    GByteArray *outgoing; /* one frame */
    gsize gone;           /* bytes of it */
    guint64 sent;
    Port feed;
    guint64 rate;   /* bytes of data per second; 0: any */
    gint64 next_us; /* when that lets the next of them go */
};

typedef struct {
    GSource source; /* first */
    Link *link;
} LinkSource;

/* -- ports -- */

static void port_watch(Link *link, Port *port, GIOCondition condition)
{
    if (port->tag != NULL && condition == 0) {
        g_source_remove_unix_fd(link->source, port->tag);
        port->tag = NULL;
    } else if (port->tag == NULL && condition != 0 && port->fd >= 0) {
        port->tag = g_source_add_unix_fd(link->source, port->fd, condition);
    }
}

/* Of the two ports that are one socket, the last one closes it. */
static void port_close(Link *link, Port *port)
{
    gboolean shared = link->in.fd == link->out.fd && (port == &link->in || port == &link->out);
    port_watch(link, port, 0);
    if (port->fd >= 0 && !shared)
        close(port->fd);
    port->fd = -1;
}

static void message_free(gpointer data)
{
    Message *message = data;
    g_byte_array_unref(message->bytes);
    g_free(message);
}

/* Everything but what the caller may still ask for. */
static void close_all(Link *link)
{
    port_close(link, &link->in);
    port_close(link, &link->out);
    port_close(link, &link->sink);
    port_close(link, &link->feed);
    g_queue_clear_full(&link->messages, message_free);
    link->pending_left = link->left = 0;
    g_byte_array_set_size(link->outgoing, 0);
    link->gone = 0;
}

static void wake(Link *link)
{
    g_source_set_ready_time(link->source, 0);
}

/* -- the end -- */

/* Something that ends the link is known: the caller hears of it in the main loop. */
static void fall(Link *link, GError *error)
{
    if (link->state >= LINK_BROKEN) {
        g_clear_error(&error);
        return;
    }
    if (link->state == LINK_OPEN)
        link->error = error;
    else
        g_clear_error(&error);
    link->state = LINK_BROKEN;
    close_all(link);
    wake(link);
}

/* It is over from this side: nobody waits for what a command has to say. */
static void fall_now(Link *link, GError *error)
{
    g_clear_pointer(&link->command, command_free);
    fall(link, error);
}

/* The peer has ended the connection: a command knows why. */
static void fall_by_peer(Link *link, const char *what)
{
    if (link->command != NULL)
        command_expect_end(link->command, LINK_WORDS_MS);
    fall(link, g_error_new(DOMGRP_ERROR, DOMGRP_ERROR_LINK, "%s", what));
}

static void tell_end(Link *link)
{
    g_autofree char *words = link->command != NULL ? command_last_words(link->command) : NULL;
    if (link->error != NULL && words != NULL) {
        g_autofree char *what = g_steal_pointer(&link->error->message);
        link->error->message = g_strdup_printf("%s: %s", what, words);
    }
    link->state = LINK_OVER;
    link->events->ended(link->data, link->error);
}

static void on_command_ended(gpointer data)
{
    Link *link = data;
    wake(link);
}

static gboolean command_runs(Link *link)
{
    return link->command != NULL && !command_has_ended(link->command);
}

/* -- what comes -- */

/* Gives the sink what it takes; TRUE when nothing is left for it. */
static gboolean sink_pending(Link *link)
{
    while (link->pending_left > 0 && link->sink.fd >= 0) {
        ssize_t n = write(link->sink.fd, link->pending, link->pending_left);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN)
            return FALSE;
        if (n < 0) {
            port_close(link, &link->sink);
            link->deaf = TRUE;
            break;
        }
        link->pending += n;
        link->pending_left -= (gsize)n;
        link->heard_us = link->moved_us = g_get_monotonic_time();
    }
    link->pending_left = 0;
    return TRUE;
}

static void take_data(Link *link, const WireFrame *frame)
{
    GError *error = NULL;
    if (link->sink.fd >= 0 || link->deaf) {
        link->pending = frame->data.bytes;
        link->pending_left = frame->data.length;
        sink_pending(link);
        return;
    }
    wire_decoder_blame(link->decoder, WIRE_FAULT_DATA, &error,
                       "the other side sent data that nobody asked for");
    fall_now(link, error);
}

/* Before all that waits. */
static void say_first(Link *link, const WireFrame *frame)
{
    Message *message = g_new0(Message, 1);
    message->bytes = g_byte_array_new();
    wire_frame_encode(frame, message->bytes, NULL);
    g_queue_push_head(&link->messages, message);
}

/* An own greeting says one version: the destination's its range, the source's what it has chosen.
 */
static void say_greeting(Link *link, guint min, guint max)
{
    const WireFrame frame = {.kind = WIRE_GREETING, .greeting = {.min = min, .max = max}};
    say_first(link, &frame);
}

static void take_greeting(Link *link)
{
    guint version = wire_decoder_version(link->decoder);
    if (link->side == MIGRATION_SOURCE_SIDE)
        say_greeting(link, version, version);
    link->events->greeted(link->data);
}

static void take_message(Link *link, const WireFrame *frame)
{
    if (++link->heard > LINK_MESSAGES_MAX) {
        fall_now(link,
                 g_error_new(DOMGRP_ERROR, DOMGRP_ERROR_PEER,
                             "the other side has said more than %u messages", LINK_MESSAGES_MAX));
        return;
    }
    link->owed = FALSE;
    if (frame->said.message == MIGRATION_MESSAGE_END) {
        port_close(link, &link->sink);
        link->deaf = FALSE;
    }
    link->events->message(link->data, frame);
}

static void take_frame(Link *link, const WireFrame *frame)
{
    if (link->state != LINK_OPEN)
        return;
    if (frame->kind != WIRE_ALIVE)
        link->moved_us = g_get_monotonic_time();
    if (frame->kind == WIRE_GREETING)
        take_greeting(link);
    else if (frame->kind == WIRE_DATA)
        take_data(link, frame);
    else if (frame->kind == WIRE_MESSAGE)
        take_message(link, frame);
}

/* Frames of what was read, as long as the sink takes their data. */
static void take_input(Link *link)
{
    const WireFrame *frame;
    GError *error = NULL;
    while (!link->freed && link->state == LINK_OPEN && link->left > 0 && link->pending_left == 0) {
        switch (wire_decoder_next(link->decoder, &link->at, &link->left, &frame, &error)) {
        case WIRE_GOT:
            take_frame(link, frame);
            break;
        case WIRE_MORE:
            return;
        case WIRE_BAD:
            fall_now(link, error);
            return;
        }
    }
}

static void end_of_input(Link *link)
{
    if (wire_decoder_end(link->decoder, NULL))
        fall_by_peer(link, "the other side ended the connection");
    else
        fall_by_peer(link, "the connection ended in the middle of something");
}

/* TRUE if something was read. */
static gboolean read_input(Link *link)
{
    ssize_t n = read(link->in.fd, link->input, READ_SIZE);
    if (n < 0 && (errno == EINTR || errno == EAGAIN))
        return FALSE;
    if (n <= 0) {
        end_of_input(link);
        return FALSE;
    }
    link->received += (guint64)n;
    if (link->state != LINK_OPEN)
        return TRUE;
    link->heard_us = g_get_monotonic_time();
    link->at = link->input;
    link->left = (gsize)n;
    return TRUE;
}

static gboolean is_listening(const Link *link)
{
    return link->state < LINK_BROKEN && link->in.fd >= 0 && link->pending_left == 0;
}

/* TRUE if something was read. */
static gboolean hear(Link *link)
{
    gboolean any = FALSE;
    if (link->pending_left > 0 && sink_pending(link))
        take_input(link);
    if (!link->freed && is_listening(link)) {
        any = read_input(link);
        take_input(link);
    }
    return any;
}

/* -- what goes -- */

/* The source says nothing before it was greeted. */
static gboolean may_speak(const Link *link)
{
    return link->side == MIGRATION_DESTINATION_SIDE || wire_decoder_version(link->decoder) != 0;
}

static gboolean has_message(Link *link)
{
    const Message *message = g_queue_peek_head(&link->messages);
    return message != NULL && may_speak(link) && !(message->is_end && link->feed.fd >= 0);
}

static gboolean next_message(Link *link)
{
    if (!has_message(link))
        return FALSE;
    Message *message = g_queue_pop_head(&link->messages);
    g_byte_array_unref(link->outgoing);
    link->outgoing = g_byte_array_ref(message->bytes);
    message_free(message);
    return TRUE;
}

/* There may be data, but it is too early for them. */
static gboolean is_early(const Link *link)
{
    return link->rate != 0 && link->feed.fd >= 0 && g_get_monotonic_time() < link->next_us;
}

/* Puts off the next data by what @length bytes take; time that nothing used is soon lost. */
static void put_off(Link *link, gsize length)
{
    gint64 spare_us = g_get_monotonic_time() - (gint64)LINK_BURST_MS * 1000;
    if (link->rate != 0)
        link->next_us =
            MAX(link->next_us, spare_us) + (gint64)(length * G_USEC_PER_SEC / link->rate);
}

/* A frame of what the feed has; at its end the feed is closed. */
static gboolean next_data(Link *link)
{
    if (link->feed.fd < 0 || !may_speak(link) || is_early(link))
        return FALSE;
    g_byte_array_set_size(link->outgoing, WIRE_HEADER_SIZE + WIRE_DATA_MAX);
    ssize_t n = read(link->feed.fd, link->outgoing->data + WIRE_HEADER_SIZE, WIRE_DATA_MAX);
    gboolean later = n < 0 && (errno == EINTR || errno == EAGAIN);
    g_byte_array_set_size(link->outgoing, n > 0 ? WIRE_HEADER_SIZE + (guint)n : 0);
    if (n > 0) {
        wire_data_header((gsize)n, link->outgoing->data);
        put_off(link, link->outgoing->len);
    } else if (!later) {
        port_close(link, &link->feed);
    }
    return n > 0;
}

/* A frame to send, if there is one. At the end of the feed what waited for it is next. */
static gboolean next_frame(Link *link)
{
    gboolean feeds = link->feed.fd >= 0;
    if (link->gone < link->outgoing->len)
        return TRUE;
    g_byte_array_unref(link->outgoing);
    link->outgoing = g_byte_array_new();
    link->gone = 0;
    return next_message(link) || next_data(link) ||
           (feeds && link->feed.fd < 0 && next_message(link));
}

/* What the peer has still said is heard first. */
static void end_of_output(Link *link)
{
    port_close(link, &link->out);
    while (!link->freed && is_listening(link) && hear(link))
        ;
    if (!link->freed && link->state < LINK_BROKEN)
        fall_by_peer(link, "the other side has ended the connection");
}

/* Frames as long as they go at once, of data a few. */
static void speak(Link *link)
{
    guint64 most = link->sent + AT_ONCE * WIRE_DATA_MAX;
    while (link->out.fd >= 0 && link->sent < most && next_frame(link)) {
        ssize_t n = write(link->out.fd, link->outgoing->data + link->gone,
                          link->outgoing->len - link->gone);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno != EAGAIN)
            end_of_output(link);
        if (n < 0)
            return;
        link->gone += (gsize)n;
        link->sent += (guint64)n;
        link->said_us = g_get_monotonic_time();
    }
    if (link->state != LINK_HANGING || link->out.fd < 0 || link->gone < link->outgoing->len ||
        !g_queue_is_empty(&link->messages))
        return;
    shutdown(link->out.fd, SHUT_WR);
    port_close(link, &link->out);
    link->state = LINK_LEAVING;
}

static gboolean is_sending(Link *link)
{
    return link->gone < link->outgoing->len || has_message(link);
}

/* -- time -- */

/* Nothing is under way, and it may say that it lives. */
static gboolean is_silent(Link *link)
{
    return link->state == LINK_OPEN && may_speak(link) && !is_sending(link);
}

/* When it is lost if nothing comes. Who waits for the other host's work may do nothing. */
static gint64 overdue_at(const Link *link)
{
    gint64 silent = link->heard_us + link->silence_us;
    return link->owed ? MIN(silent, link->moved_us + link->idle_us) : silent;
}

static void keep_time(Link *link)
{
    const WireFrame alive = {.kind = WIRE_ALIVE};
    gint64 now = g_get_monotonic_time();
    if (is_silent(link) && now - link->said_us >= link->alive_us)
        say_first(link, &alive);
    if (!is_listening(link) || now < overdue_at(link))
        return;
    gboolean lives = now - link->heard_us < link->silence_us;
    fall_now(link,
             g_error_new(DOMGRP_ERROR, DOMGRP_ERROR_LINK,
                         lives ? "the other side has done nothing for %.3g seconds"
                               : "the other side has said nothing for %.3g seconds",
                         (double)(lives ? link->idle_us : link->silence_us) / G_USEC_PER_SEC));
}

/* @early: data wait for their time. */
static gint64 next_time(Link *link, gboolean early)
{
    gint64 next = early ? link->next_us : G_MAXINT64;
    if (is_listening(link))
        next = MIN(next, overdue_at(link));
    if (is_silent(link))
        next = MIN(next, link->said_us + link->alive_us);
    return next == G_MAXINT64 ? -1 : next;
}

/* -- the main loop -- */

static void watch_all(Link *link)
{
    gboolean sends = is_sending(link), early = is_early(link);
    port_watch(link, &link->in, is_listening(link) ? G_IO_IN : 0);
    port_watch(link, &link->sink, link->pending_left > 0 ? G_IO_OUT : 0);
    port_watch(link, &link->out, sends ? G_IO_OUT : 0);
    port_watch(link, &link->feed, !sends && !early && may_speak(link) ? G_IO_IN : 0);
    g_source_set_ready_time(link->source, next_time(link, early));
}

static void destroy(Link *link)
{
    g_source_destroy(link->source);
    g_source_unref(link->source);
    wire_decoder_free(link->decoder);
    g_byte_array_unref(link->outgoing);
    g_clear_error(&link->error);
    g_free(link->input);
    g_free(link);
}

static gboolean dispatch(GSource *source, GSourceFunc callback, gpointer data)
{
    Link *link = ((LinkSource *)source)->link;
    link->busy = TRUE;
    if (is_sending(link)) /* goes before what is heard can end the link */
        speak(link);
    for (guint i = 0; i < AT_ONCE && !link->freed && hear(link) && link->sink.fd >= 0; i++)
        ;
    if (!link->freed && link->state < LINK_BROKEN)
        keep_time(link);
    if (!link->freed && link->state < LINK_BROKEN)
        speak(link);
    if (!link->freed && link->state == LINK_BROKEN && !command_runs(link))
        tell_end(link);
    link->busy = FALSE;
    if (link->freed)
        destroy(link);
    else
        watch_all(link);
    return G_SOURCE_CONTINUE;
}

/* -- the link -- */

static GSourceFuncs source_functions = {.dispatch = dispatch};

Link *link_new(MigrationSide side, int in, int out, const LinkTimes *times,
               const LinkEvents *events, gpointer data)
{
    Link *link = g_new0(Link, 1);
    guint alive_ms = times != NULL && times->alive_ms != 0 ? times->alive_ms : LINK_ALIVE_MS;
    guint silence_ms =
        times != NULL && times->silence_ms != 0 ? times->silence_ms : LINK_SILENCE_MS;
    guint idle_ms = times != NULL && times->idle_ms != 0 ? times->idle_ms : LINK_IDLE_MS;

    link->side = side;
    link->owed = side == MIGRATION_DESTINATION_SIDE;
    link->events = events;
    link->data = data;
    link->alive_us = (gint64)alive_ms * 1000;
    link->silence_us = (gint64)silence_ms * 1000;
    link->idle_us = (gint64)idle_ms * 1000;
    link->heard_us = link->moved_us = link->said_us = g_get_monotonic_time();
    link->in.fd = in;
    link->out.fd = out;
    link->sink.fd = link->feed.fd = -1;
    g_unix_set_fd_nonblocking(in, TRUE, NULL);
    g_unix_set_fd_nonblocking(out, TRUE, NULL);
    link->decoder = wire_decoder_new(side);
    link->input = g_malloc(READ_SIZE);
    link->outgoing = g_byte_array_new();
    g_queue_init(&link->messages);
    link->source = g_source_new(&source_functions, sizeof(LinkSource));
    ((LinkSource *)link->source)->link = link;
    if (side == MIGRATION_DESTINATION_SIDE)
        say_greeting(link, WIRE_VERSION_MIN, WIRE_VERSION);
    g_source_set_ready_time(link->source, 0);
    g_source_attach(link->source, g_main_context_get_thread_default());
    return link;
}

Link *link_run(const char *const *argv, const LinkTimes *times, const LinkEvents *events,
               gpointer data, GError **error)
{
    int to, from;
    Link *link = link_new(MIGRATION_SOURCE_SIDE, -1, -1, times, events, data);
    link->command = command_new(argv, on_command_ended, link, &to, &from, error);
    if (link->command == NULL) {
        link_free(link);
        return NULL;
    }
    link->in.fd = from;
    link->out.fd = to;
    return link;
}

void link_free(Link *link)
{
    if (link == NULL || link->freed)
        return;
    close_all(link);
    g_clear_pointer(&link->command, command_free);
    link->state = LINK_OVER;
    link->freed = TRUE;
    if (!link->busy)
        destroy(link);
}

/* What follows data that were not all sent must not be said. */
static void drop_end(Link *link)
{
    const Message *last = g_queue_peek_tail(&link->messages);
    if (last != NULL && last->is_end && link->feed.fd >= 0)
        message_free(g_queue_pop_tail(&link->messages));
    port_close(link, &link->feed);
}

void link_hang_up(Link *link)
{
    if (link->state != LINK_OPEN)
        return;
    drop_end(link);
    port_close(link, &link->sink);
    link->pending_left = link->left = 0;
    link->heard_us = g_get_monotonic_time();
    link->state = LINK_HANGING;
    wake(link);
}

gboolean link_send(Link *link, const WireFrame *message, GError **error)
{
    g_autoptr(GByteArray) bytes = g_byte_array_new();
    if (!wire_frame_encode(message, bytes, error))
        return FALSE;
    if (link->state != LINK_OPEN)
        return TRUE;
    if (link->messages.length >= LINK_QUEUE_MAX) {
        fall_now(link, g_error_new(DOMGRP_ERROR, DOMGRP_ERROR_LINK,
                                   "the other side does not read what it is told"));
        return TRUE;
    }
    /* In a clash both sides wait for an operator's word. */
    link->owed = link->side == MIGRATION_DESTINATION_SIDE &&
                 message->said.message != MIGRATION_MESSAGE_CLASH;
    link->moved_us = g_get_monotonic_time();
    Message *queued = g_new0(Message, 1);
    queued->is_end = message->said.message == MIGRATION_MESSAGE_END;
    queued->bytes = g_steal_pointer(&bytes);
    g_queue_push_tail(&link->messages, queued);
    wake(link);
    return TRUE;
}

void link_send_data(Link *link, int fd)
{
    g_unix_set_fd_nonblocking(fd, TRUE, NULL);
    fcntl(fd, F_SETPIPE_SZ, FEED_SIZE);
    link->feed.fd = fd;
    if (link->state != LINK_OPEN)
        port_close(link, &link->feed);
    wake(link);
}

void link_limit_data(Link *link, guint64 rate)
{
    link->rate = rate;
    link->next_us = 0;
    wake(link);
}

void link_take_data(Link *link, int fd)
{
    g_unix_set_fd_nonblocking(fd, TRUE, NULL);
    link->sink.fd = fd;
    if (link->state != LINK_OPEN)
        port_close(link, &link->sink);
}

gint64 link_idle_us(const Link *link)
{
    return link->owed && is_listening(link) ? g_get_monotonic_time() - link->moved_us : 0;
}

void link_bytes(const Link *link, guint64 *ret_sent, guint64 *ret_received)
{
    *ret_sent = link->sent;
    *ret_received = link->received;
}
