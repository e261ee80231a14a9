/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * receive: joins standard input and output, which are another host's ssh, to
 * the daemon's socket for migrations. It knows nothing of what passes. An end
 * of either direction is passed on; when both have ended, or the daemon has
 * gone, so does this.
 */
#include "cli.h"

#include <errno.h>
#include <fcntl.h>
#include <gio/gunixinputstream.h>
#include <gio/gunixoutputstream.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define SOCKET_NAME "migrate.sock" /* beside the API's */
#define BUFFER_SIZE 65536

/* -- the daemon -- */

static gboolean fail_daemon(const char *path, const char *why, GError **error)
{
    g_set_error(error, DOMGRP_ERROR, DOMGRP_ERROR_DAEMON,
                "domgrpd of %s does not take migrations at %s (%s): start it there with "
                "\"systemctl start domgrpd\"",
                g_get_host_name(), path, why);
    return FALSE;
}

static gboolean daemon_connect(const Cli *cli, int *ret_fd, GError **error)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    g_autofree char *folder =
        g_path_get_dirname(cli->socket == NULL ? DOMGRP_SOCKET_PATH : cli->socket);
    g_autofree char *path = g_build_filename(folder, SOCKET_NAME, NULL);
    if (g_strlcpy(address.sun_path, path, sizeof(address.sun_path)) >= sizeof(address.sun_path))
        return fail_daemon(path, "the path is too long", error);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0) {
        int cause = errno;
        if (fd >= 0)
            close(fd);
        return fail_daemon(path, g_strerror(cause), error);
    }
    *ret_fd = fd;
    return TRUE;
}

/* -- bytes -- */

/* Until @from ends; FALSE if @to has gone before. */
static gboolean copy(int from, int to)
{
    g_autofree char *buffer = g_malloc(BUFFER_SIZE);
    g_autoptr(GInputStream) input = g_unix_input_stream_new(from, FALSE);
    g_autoptr(GOutputStream) output = g_unix_output_stream_new(to, FALSE);
    gssize n;
    while ((n = g_input_stream_read(input, buffer, BUFFER_SIZE, NULL, NULL)) > 0)
        if (!g_output_stream_write_all(output, buffer, (gsize)n, NULL, NULL, NULL))
            return FALSE;
    return TRUE;
}

static gpointer copy_input(gpointer data)
{
    int daemon = GPOINTER_TO_INT(data);
    copy(STDIN_FILENO, daemon);
    shutdown(daemon, SHUT_WR);
    return NULL;
}

/* What is printed later would be the other host's to read. */
static void output_end(void)
{
    int none = open("/dev/null", O_WRONLY | O_CLOEXEC);
    if (none < 0 || dup2(none, STDOUT_FILENO) < 0)
        close(STDOUT_FILENO);
    if (none >= 0)
        close(none);
}

/* Until our input has ended too, or the daemon does not read any more. */
static void daemon_await_end(int daemon)
{
    struct pollfd both = {.fd = daemon};
    while (poll(&both, 1, -1) < 0 && errno == EINTR)
        ;
}

gboolean cmd_receive(Cli *cli, GError **error)
{
    int daemon;
    if (isatty(STDIN_FILENO) || isatty(STDOUT_FILENO)) {
        g_set_error(error, DOMGRP_ERROR, DOMGRP_ERROR_USAGE,
                    "receive is run by another host's domgrpd, not by people; \"domgrp migrate\" "
                    "there moves a group here");
        return FALSE;
    }
    signal(SIGPIPE, SIG_IGN);
    if (!daemon_connect(cli, &daemon, error))
        return FALSE;
    /* It may wait for input that never comes; the end of the program ends it. */
    g_thread_unref(g_thread_new("input", copy_input, GINT_TO_POINTER(daemon)));
    if (copy(daemon, STDOUT_FILENO)) {
        output_end();
        daemon_await_end(daemon);
    }
    shutdown(daemon, SHUT_RDWR);
    return TRUE;
}
