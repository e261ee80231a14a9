/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The daemon, which knows how far the group's other helpers are: asked after
 * each round whether to go on. When it is silent for too long, or gone, the
 * helper decides as libxc would.
 */
#ifndef HOST_XEN_SAVE_HELPER_ALIGNED_H
#define HOST_XEN_SAVE_HELPER_ALIGNED_H

#include "align-wire.h"

typedef struct {
    int fd; /* -1: alone */
    guint32 domid;
    gint64 heard;  /* when, monotonic */
    gboolean stop; /* it was said */
} Aligned;

/* FALSE if @domid is not to be aligned with others; @path is the daemon's socket. */
gboolean aligned_join(Aligned *aligned, const char *path, guint32 domid);

/*
 * Tells that @round rounds are sent and waits a moment for the verdict: ALIGN_ROUND or ALIGN_STOP.
 * ALIGN_WAIT: tell again, unless it is alone now.
 */
AlignVerdict aligned_tell(Aligned *aligned, guint32 round, guint64 dirty, guint64 written);

#endif
