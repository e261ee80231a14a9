/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "listen.h"

#include <errno.h>
#include <gio/gunixsocketaddress.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "sessions.h"

#define PATH_MAX_BYTES (sizeof(((struct sockaddr_un *)NULL)->sun_path) - 1)

static gboolean path_prepare(const char *path, GError **error)
{
    g_autofree char *folder = g_path_get_dirname(path);
    struct stat status;
    if (strlen(path) > PATH_MAX_BYTES) {
        g_set_error(error, DOMGRP_ERROR, DOMGRP_ERROR_VALUE,
                    "the socket's path %s is longer than %zu bytes", path, PATH_MAX_BYTES);
        return FALSE;
    }
    if (g_mkdir_with_parents(folder, 0755) < 0) {
        g_set_error(error, DOMGRP_ERROR, DOMGRP_ERROR_FILE, "%s cannot be made: %s", folder,
                    g_strerror(errno));
        return FALSE;
    }
    if (lstat(path, &status) < 0)
        return TRUE;
    if (!S_ISSOCK(status.st_mode)) {
        g_set_error(error, DOMGRP_ERROR, DOMGRP_ERROR_FILE,
                    "%s is there and is no socket; remove it or use --socket", path);
        return FALSE;
    }
    unlink(path);
    return TRUE;
}

/* Nobody can connect before listen(), so there is no moment of wrong rights. */
static gboolean path_protect(const char *path, mode_t mode, gid_t group, GError **error)
{
    if ((group == PEER_NO_GROUP || chown(path, -1, group) == 0) && chmod(path, mode) == 0)
        return TRUE;
    g_set_error(error, DOMGRP_ERROR, DOMGRP_ERROR_FILE, "the rights of %s cannot be set: %s", path,
                g_strerror(errno));
    return FALSE;
}

static gboolean begin(GSocket *socket, const char *path, mode_t mode, gid_t group, GError **error)
{
    g_autoptr(GError) inner = NULL;
    if (!path_protect(path, mode, group, error))
        return FALSE;
    g_socket_set_blocking(socket, FALSE);
    g_socket_set_listen_backlog(socket, SOMAXCONN);
    if (g_socket_listen(socket, &inner))
        return TRUE;
    g_set_error(error, DOMGRP_ERROR, DOMGRP_ERROR_FILE, "%s cannot be listened at: %s", path,
                inner->message);
    return FALSE;
}

GSocket *listen_at(const char *path, mode_t mode, gid_t group, GError **error)
{
    g_autoptr(GError) inner = NULL;
    if (!path_prepare(path, error))
        return NULL;
    g_autoptr(GSocketAddress) address = g_unix_socket_address_new(path);
    g_autoptr(GSocket) socket =
        g_socket_new(G_SOCKET_FAMILY_UNIX, G_SOCKET_TYPE_STREAM, G_SOCKET_PROTOCOL_DEFAULT, &inner);
    if (socket == NULL || !g_socket_bind(socket, address, FALSE, &inner)) {
        g_set_error(error, DOMGRP_ERROR, DOMGRP_ERROR_FILE, "no socket can be made at %s: %s", path,
                    inner->message);
        return NULL;
    }
    if (begin(socket, path, mode, group, error))
        return g_steal_pointer(&socket);
    unlink(path);
    return NULL;
}
