/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The daemon's life on whatever host and journal it is given. */
#ifndef DAEMON_SERVE_H
#define DAEMON_SERVE_H

#include "engine.h"
#include "server.h"

G_BEGIN_DECLS

/*
 * Serves @host's groups at @options->path until SIGTERM or SIGINT, then ends
 * without touching a guest. Groups that are suspended are in @images, an
 * absolute path. FALSE if it could not begin.
 */
gboolean serve(Host *host, Journal *journal, const char *images, const ServerOptions *options,
               GError **error);

G_END_DECLS

#endif
