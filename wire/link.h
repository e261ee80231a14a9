/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A connection to another daemon: frames over two file descriptors, on the
 * main context of the thread that makes it. It never waits; what it holds is
 * bounded whatever the peer does, and whatever a peer does costs the link and
 * nothing else.
 *
 * Data do not pass through the caller: the link moves them from a pipe that
 * the caller's writer of an image fills, and to a pipe that its reader
 * empties. These pipes are the queues; a full one is the backpressure. Messages
 * go ahead of data that have not been sent, but END goes behind them.
 *
 * SIGPIPE must be ignored.
 */
#ifndef WIRE_LINK_H
#define WIRE_LINK_H

#include "decoder.h"

G_BEGIN_DECLS

#define LINK_ALIVE_MS 5000u    /* after which a side that has said nothing says that it lives */
#define LINK_SILENCE_MS 30000u /* after which a link is lost; at least three times that */
#define LINK_IDLE_MS 180000u   /* after which a source that does not do what is its turn is lost */
#define LINK_WORDS_MS 2000u    /* for a command to end when the connection has */
#define LINK_BURST_MS 100u     /* of data under a limit that came late, and may be made up for */
#define LINK_QUEUE_MAX 64u     /* messages that the peer has not taken */
#define LINK_MESSAGES_MAX 256u /* of the peer; in a migration it has few to say */

typedef struct Link Link;

/* In each the link may be freed. */
typedef struct {
    /* Both sides have greeted each other. */
    void (*greeted)(gpointer data);
    /* @frame, a message, is the link's. Before END the pipe for data was closed. */
    void (*message)(gpointer data, const WireFrame *frame);
    /*
     * Once; nothing comes after it. @error is NULL after link_hang_up(); else LINK, or, if it was
     * the peer's fault, PEER or PEER_VERSION.
     */
    void (*ended)(gpointer data, const GError *error);
} LinkEvents;

typedef struct {
    guint alive_ms; /* 0: LINK_ALIVE_MS */
    guint silence_ms;
    guint idle_ms;
} LinkTimes;

/*
 * A link that reads from @in and writes to @out, which may be one socket; it owns them. The
 * destination's says its greeting at once. @times may be NULL.
 */
Link *link_new(MigrationSide side, int in, int out, const LinkTimes *times,
               const LinkEvents *events, gpointer data);

/* The source's, over what @argv (NULL at its end) runs. LINK if it cannot be run. */
Link *link_run(const char *const *argv, const LinkTimes *times, const LinkEvents *events,
               gpointer data, GError **error);

/* Ends it at once, drops what has not been sent, kills its command. No event comes any more. */
void link_free(Link *link);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Link, link_free)

/*
 * Sends what was said and no data, lets the peer read it, and ends: @ended comes, at the latest
 * after the time of silence. What comes meanwhile is dropped.
 */
void link_hang_up(Link *link);

/*
 * Says @message, WIRE_MESSAGE, as soon as greetings and earlier messages have gone. FALSE with
 * VALUE if it cannot be encoded. After the link's end it is dropped.
 */
gboolean link_send(Link *link, const WireFrame *message, GError **error);

/* Sends what is read from @fd until its end, which END waits for; the link owns @fd. Once. */
void link_send_data(Link *link, int fd);

/*
 * Data go no faster than @rate bytes per second from now on, in any time but for LINK_BURST_MS of
 * them and a frame; 0, as at first: as fast as they can. Messages and signs of life do not wait for
 * that.
 */
void link_limit_data(Link *link, guint64 rate);

/*
 * Gives data to @fd, which the link owns, and closes it before END. Data that come without this
 * are the peer's fault; those that nobody reads any more are dropped. Once.
 */
void link_take_data(Link *link, int fd);

/*
 * Microseconds in which the peer has done no more than to say that it lives, although it is its
 * turn; 0 while it is not.
 */
gint64 link_idle_us(const Link *link);

/* Bytes that went over the connection so far. */
void link_bytes(const Link *link, guint64 *ret_sent, guint64 *ret_received);

G_END_DECLS

#endif
