/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Logging and notification by systemd's plain-text protocols. */
#include "service.h"

#include <errno.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* -- logging -- */

/* What a client or a guest named must not begin a line of its own. */
static char *line_of(const char *message)
{
    char *line = g_utf8_make_valid(message, -1);
    for (char *c = line; *c != '\0'; c++)
        if (g_ascii_iscntrl(*c))
            *c = ' ';
    return line;
}

static void line_print(int priority, const char *message)
{
    g_autofree char *line = line_of(message);
    if (g_log_writer_is_journald(fileno(stderr)))
        fprintf(stderr, "<%d>%s\n", priority, line);
    else
        fprintf(stderr, "domgrpd: %s\n", line);
}

void service_log(ServicePriority priority, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    g_autofree char *message = g_strdup_vprintf(format, arguments);
    va_end(arguments);
    line_print(priority, message);
}

static int priority_of(GLogLevelFlags level)
{
    if (level & (G_LOG_LEVEL_ERROR | G_LOG_LEVEL_CRITICAL))
        return SERVICE_ERROR;
    if (level & G_LOG_LEVEL_WARNING)
        return SERVICE_WARNING;
    if (level & G_LOG_LEVEL_MESSAGE)
        return SERVICE_NOTICE;
    return level & G_LOG_LEVEL_INFO ? 6 : 7;
}

static GLogWriterOutput on_log(GLogLevelFlags level, const GLogField *fields, gsize n_fields,
                               gpointer data)
{
    const char *message = "";
    const char *domain = NULL;
    for (gsize i = 0; i < n_fields; i++) {
        if (strcmp(fields[i].key, "MESSAGE") == 0)
            message = fields[i].value;
        else if (strcmp(fields[i].key, "GLIB_DOMAIN") == 0)
            domain = fields[i].value;
    }
    if (!g_log_writer_default_would_drop(level, domain))
        line_print(priority_of(level), message);
    return G_LOG_WRITER_HANDLED;
}

void service_log_begin(void)
{
    g_log_set_writer_func(on_log, NULL, NULL);
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
        service_log(SERVICE_WARNING, "the service manager is not told %s: %s", state,
                    g_strerror(errno));
    if (fd >= 0)
        close(fd);
}
