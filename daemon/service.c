/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Logging and notification by systemd's plain-text protocols. */
#include "service.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* -- logging -- */

/* syslog(3)'s numbers. */
static int priority_of(GLogLevelFlags level)
{
    if (level & (G_LOG_LEVEL_ERROR | G_LOG_LEVEL_CRITICAL))
        return 3;
    if (level & G_LOG_LEVEL_WARNING)
        return 4;
    if (level & G_LOG_LEVEL_MESSAGE)
        return 5;
    return level & G_LOG_LEVEL_INFO ? 6 : 7;
}

/* What a client or a guest named must not begin a line of its own. */
static char *line_of(const char *message)
{
    char *line = g_utf8_make_valid(message, -1);
    for (char *c = line; *c != '\0'; c++)
        if (g_ascii_iscntrl(*c))
            *c = ' ';
    return line;
}

static GLogWriterOutput on_log(GLogLevelFlags level, const GLogField *fields, gsize n_fields,
                               gpointer data)
{
    gboolean journald = GPOINTER_TO_INT(data);
    const char *message = "";
    const char *domain = NULL;
    for (gsize i = 0; i < n_fields; i++) {
        if (strcmp(fields[i].key, "MESSAGE") == 0)
            message = fields[i].value;
        else if (strcmp(fields[i].key, "GLIB_DOMAIN") == 0)
            domain = fields[i].value;
    }
    if (g_log_writer_default_would_drop(level, domain))
        return G_LOG_WRITER_HANDLED;
    g_autofree char *line = line_of(message);
    if (journald)
        fprintf(stderr, "<%d>%s\n", priority_of(level), line);
    else
        fprintf(stderr, "domgrpd: %s\n", line);
    return G_LOG_WRITER_HANDLED;
}

void service_log_begin(void)
{
    gboolean journald = g_log_writer_is_journald(fileno(stderr));
    g_log_set_writer_func(on_log, GINT_TO_POINTER(journald), NULL);
}

/* -- notification -- */

void service_notify(const char *state)
{
    const char *path = g_getenv("NOTIFY_SOCKET");
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (path == NULL || (*path != '/' && *path != '@') || strlen(path) >= sizeof(address.sun_path))
        return;
    memcpy(address.sun_path, path, strlen(path));
    if (*path == '@')
        address.sun_path[0] = '\0';
    socklen_t size = offsetof(struct sockaddr_un, sun_path) + strlen(path);
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0 ||
        sendto(fd, state, strlen(state), MSG_NOSIGNAL, (struct sockaddr *)&address, size) < 0)
        g_warning("the service manager is not told %s: %s", state, g_strerror(errno));
    if (fd >= 0)
        close(fd);
}
