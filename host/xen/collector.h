/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The collector of an image: one thread that reads members' streams from
 * pipes and gives them to the image's writer. Who writes a stream is held up
 * by its full pipe for as long as nothing is read from it.
 *
 * A plain stream is read up to its first page, which comes when its guest
 * stands still, and the rest when it is taken, one stream after the other in
 * the order of collector_take(). A live one is read at once. Where each guest
 * stops when its own helper likes, its stream stops a little before its first
 * round is over; when all live ones are there they can be released together, so
 * that their guests come to stand still close together.
 *
 * Functions may be called on any thread.
 */
#ifndef HOST_XEN_COLLECTOR_H
#define HOST_XEN_COLLECTOR_H

#include "image.h"

G_BEGIN_DECLS

typedef struct Collector Collector;
typedef struct CollectorStream CollectorStream;

typedef enum {
    STREAM_BEFORE, /* on the way to its first page */
    STREAM_LIVE,   /* being read while its guest runs */
    STREAM_HELD,   /* its rest waits to be taken */
    STREAM_TAKEN,  /* its rest is read when its turn comes */
    STREAM_OVER,   /* all of it was read, or it broke off */
} StreamState;

/* Each may call the collector, but to free it. */
typedef struct {
    /* On the collector's thread: a stream's state has changed, live ones have gathered, or the
     * image has failed. */
    void (*changed)(gpointer data);
    /* On the collector's thread, once: the image has failed or the collector was stopped, nothing
     * is read any more. */
    void (*broken)(gpointer data);
} CollectorEvents;

/* A collector for @writer, whose file is @fd; both are borrowed, as is @events. -1: it writes to no
 * file that could be synced. */
Collector *collector_new(ImageWriter *writer, int fd, const CollectorEvents *events, gpointer data);
/* Has it break off; returns at once. */
void collector_stop(Collector *collector);
/* Stops it, and waits for its thread. */
void collector_free(Collector *collector);

/* Adds a plain stream that comes from the pipe @fd, which is borrowed. The stream is the
 * collector's. */
CollectorStream *collector_add(Collector *collector, guint member, int fd);
/* Likewise a live one, whose first round has about @bytes; 0: it does not stop. */
CollectorStream *collector_add_live(Collector *collector, guint member, int fd, guint64 bytes);
/* Whether no live stream is on its way to where it stops. */
gboolean collector_gathered(Collector *collector);
/* Those that have stopped go on to their ends. */
void collector_release(Collector *collector);
/* The guest of a live stream stands still: what is left waits to be taken. */
void collector_hold(Collector *collector, CollectorStream *stream);
void collector_take(Collector *collector, CollectorStream *stream);
/* Nothing more is written into its pipe, and it is whole; else its end in the pipe breaks it off.
 */
void collector_whole(Collector *collector, CollectorStream *stream);
StreamState collector_state(Collector *collector, const CollectorStream *stream);
/* Why it broke off, a copy; NULL: it has not. */
GError *collector_error(Collector *collector);
/* Keeps what a snapshot command printed. */
gboolean collector_disks(Collector *collector, const char *disks, GError **error);
/* Ends the image; all streams are over. */
gboolean collector_finish(Collector *collector, GError **error);

G_END_DECLS

#endif
