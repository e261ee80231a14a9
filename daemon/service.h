/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a service owes to whoever runs it: log lines and word of its state. */
#ifndef DAEMON_SERVICE_H
#define DAEMON_SERVICE_H

#include <glib.h>

G_BEGIN_DECLS

/* syslog(3)'s numbers. */
typedef enum { SERVICE_ERROR = 3, SERVICE_WARNING = 4, SERVICE_NOTICE = 5 } ServicePriority;

/*
 * A line on standard error; with journald there it begins with its priority
 * (sd-daemon(3)). What happens to groups is said by this and not by GLib's
 * g_warning(), which speaks of bugs and may be told to end the process.
 * Thread safe.
 */
void service_log(ServicePriority priority, const char *format, ...) G_GNUC_PRINTF(2, 3);

/* From now on GLib's messages, which libraries write, become such lines. */
void service_log_begin(void);

/* Tells the service manager @state ("READY=1"), if there is one (sd_notify(3)). */
void service_notify(const char *state);

G_END_DECLS

#endif
