/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a service owes to whoever runs it: log lines and word of its state. */
#ifndef DAEMON_SERVICE_H
#define DAEMON_SERVICE_H

#include <glib.h>

G_BEGIN_DECLS

/*
 * From now on GLib's messages go to standard error, one line each; with
 * journald there, each begins with its priority (sd-daemon(3)).
 */
void service_log_begin(void);

/* Tells the service manager @state ("READY=1"), if there is one (sd_notify(3)). */
void service_notify(const char *state);

G_END_DECLS

#endif
