/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Unix sockets that the daemon listens at. Thread safe; no state. */
#ifndef DAEMON_LISTEN_H
#define DAEMON_LISTEN_H

#include <gio/gio.h>
#include <sys/types.h>

#include "domgrp-error.h"

G_BEGIN_DECLS

/*
 * Listens at @path with @mode and, unless that is PEER_NO_GROUP, with @group, in place of whatever
 * socket is there: the caller is the only daemon (lock.h). The folder is made if missing. Does not
 * block; whoever ends it removes @path. NULL with VALUE or FILE.
 */
GSocket *listen_at(const char *path, mode_t mode, gid_t group, GError **error);

G_END_DECLS

#endif
