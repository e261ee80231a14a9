/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Members of a group that are saved live stop at the same time. libxl lets a
 * helper process send each guest's memory, and that decides when its guest
 * stops. Ours (save-helper/) asks here: a round is sent when all have sent
 * theirs, and when none has much left, or would have less after another round,
 * all are ready, and stop when the caller says so.
 *
 * All of it on the thread of the context. Only processes that this one has
 * started are heard; each may join once, as a domain that is waited for.
 */
#ifndef HOST_XEN_ALIGN_H
#define HOST_XEN_ALIGN_H

#include <glib.h>

G_BEGIN_DECLS

typedef struct AlignServer AlignServer;
typedef struct Align Align;

#define ALIGN_ROUNDS 10u /* of each member, usually, before it is suspended */

/* When enough is enough. */
typedef struct {
    guint64 few;       /* so few dirty pages are worth no round */
    guint rounds;      /* at most, each member */
    guint come_ms;     /* a helper that has not come by then, since the last that did, never will */
    guint converge_ms; /* from when all have sent all memory once until no more rounds are sent */
} AlignLimits;

extern const AlignLimits align_limits; /* the usual ones */

/* Listens at @path, which is its own: what is there is replaced. DOMGRP_ERROR_HOST if it cannot. */
AlignServer *align_server_new(GMainContext *context, const char *path, GError **error);
/* No Align may be left. */
void align_server_free(AlignServer *server);

/* What a group's helpers have come to; either may be NULL, and neither may free the Align. */
typedef struct {
    /* Once: all have sent all memory once. They wait then until align_proceed(). */
    void (*gathered)(gpointer data);
    /* All are ready, or none is left that waits. They wait then until align_stop(); without it they
     * are told to stop. Again when that is so of one more that was added. */
    void (*ready)(gpointer data);
} AlignEvents;

/* One with nobody in it; @events is borrowed, NULL: none. */
Align *align_new(AlignServer *server, const AlignLimits *limits, const AlignEvents *events,
                 gpointer data);
/*
 * A libxl_domain_suspend() of @domid begins, live: from now on the helpers of all who were added
 * wait for each other. None may wait for another's end. Not after align_decided().
 */
void align_add(Align *align, guint32 domid);
/* What @gathered was to do is done. */
void align_proceed(Align *align);
/* Whether all are ready: none sends more before it is to stop. */
gboolean align_ready(const Align *align);
/* They are to stop, all of them; that is final. */
void align_stop(Align *align);
/* Whether they were told to stop. */
gboolean align_decided(const Align *align);
/* Its save has ended, or does not begin: @domid is not waited for any more. */
void align_leave(Align *align, guint32 domid);
/* Helpers that still wait decide by themselves. */
void align_free(Align *align);

G_END_DECLS

#endif
