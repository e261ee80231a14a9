/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * engine/host.h on a real host: libxl, libxenstore and libxendomgrp.
 *
 * Synchronous functions ask the hypervisor on the caller's thread. What takes
 * time runs on a bounded pool of threads, each job with a libxl context of
 * its own, and is reported on the main context, in the order of completion.
 * Probes wait on none of these threads: a connection or a key takes none, and
 * programs have a few of their own, where those beyond wait for their turn.
 *
 * The process must not handle SIGCHLD (libxl does, and reaps its own children
 * only) and gets SIGPIPE ignored. Its other children it reaps by their pid.
 */
#ifndef HOST_XEN_HOST_XEN_H
#define HOST_XEN_HOST_XEN_H

#include "host.h"

G_BEGIN_DECLS

/*
 * Opens the host of which this is the control domain; its callbacks come on
 * @context, NULL for the default one. NULL with DOMGRP_ERROR_HOST, or
 * PERMISSION, where there is no Xen or it may not be used.
 *
 * Freeing it waits for the jobs that run; the callbacks of jobs that are not
 * reported by then are never called.
 */
Host *host_xen_new(GMainContext *context, GError **error);
/* Where an image that comes in keeps what it needs until its end, as unnamed files; NULL, or never
 * called: where temporary files go. */
void host_xen_set_spool(Host *host, const char *folder);

G_END_DECLS

#endif
