/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Messages to libxl are built from libxl-protocol.h's table; libxc's log lines are such messages.
 */
#include "caller.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

/* A message has at most 64 KiB; nobody reads that long a line. */
#define TEXT_MAX 4096

static const struct {
    const char *arguments;
    gboolean answered;
} table[] = {
#define X(number, name, arguments, answered) [number] = {arguments, answered},
    LIBXL_MESSAGES(X)
#undef X
};

/* -- bytes -- */

static gboolean write_all(int fd, const void *data, gsize length)
{
    const char *from = data;
    while (length > 0) {
        ssize_t n = write(fd, from, length);
        if (n < 0 && errno != EINTR)
            return FALSE;
        from += n > 0 ? n : 0;
        length -= n > 0 ? (gsize)n : 0;
    }
    return TRUE;
}

static gboolean read_all(int fd, void *data, gsize length)
{
    char *to = data;
    while (length > 0) {
        ssize_t n = read(fd, to, length);
        if (n == 0 || (n < 0 && errno != EINTR))
            return FALSE;
        to += n > 0 ? n : 0;
        length -= n > 0 ? (gsize)n : 0;
    }
    return TRUE;
}

static void put(GByteArray *bytes, const void *data, gsize length)
{
    g_byte_array_append(bytes, data, (guint)length);
}

static void put_u32(GByteArray *bytes, guint32 value)
{
    put(bytes, &value, sizeof(value));
}

static void put_long(GByteArray *bytes, unsigned long value)
{
    put(bytes, &value, sizeof(value));
}

static void put_string(GByteArray *bytes, const char *string)
{
    gsize length = string != NULL ? strnlen(string, TEXT_MAX) : 0;
    put_u32(bytes, (guint32)length + 1);
    put(bytes, string != NULL ? string : "", length);
    put(bytes, "", 1);
}

/* -- messages -- */

static void put_arguments(GByteArray *bytes, const char *types, va_list arguments)
{
    for (const char *type = types; *type != '\0'; type++) {
        if (*type == 'u')
            put_u32(bytes, va_arg(arguments, guint32));
        else if (*type == 'i')
            put_u32(bytes, (guint32)va_arg(arguments, int));
        else if (*type == 'l')
            put_long(bytes, va_arg(arguments, unsigned long));
        else
            put_string(bytes, va_arg(arguments, const char *));
    }
}

gboolean caller_tell(Caller *caller, int *ret_answer, LibxlMessage message, ...)
{
    g_autoptr(GByteArray) bytes = g_byte_array_new();
    guint16 head[] = {0, (guint16)message}; /* its length, which does not count, and its number */
    int answer = 0;
    va_list arguments;

    put(bytes, head, sizeof(head));
    va_start(arguments, message);
    put_arguments(bytes, table[message].arguments, arguments);
    va_end(arguments);
    head[0] = (guint16)(bytes->len - sizeof(head[0]));
    memcpy(bytes->data, head, sizeof(head[0]));

    caller->gone = caller->gone || !write_all(caller->out, bytes->data, bytes->len) ||
                   (table[message].answered && !read_all(caller->in, &answer, sizeof(answer)));
    if (!caller->gone && ret_answer != NULL)
        *ret_answer = answer;
    return !caller->gone;
}

/* -- the logger -- */

static void on_message(xentoollog_logger *logger, xentoollog_level level, int errnoval,
                       const char *context, const char *format, va_list arguments)
{
    char text[TEXT_MAX];
    g_vsnprintf(text, sizeof(text), format, arguments);
    caller_tell((Caller *)logger, NULL, LIBXL_LOG, (guint32)level, (guint32)errnoval, context,
                text);
}

static void on_progress(xentoollog_logger *logger, const char *context, const char *doing,
                        int percent, unsigned long done, unsigned long total)
{
    caller_tell((Caller *)logger, NULL, LIBXL_PROGRESS, context, doing, done, total);
}

static void on_destroy(xentoollog_logger *logger)
{
}

void caller_init(Caller *caller, int in, int out)
{
    *caller = (Caller){.logger = {on_message, on_progress, on_destroy}, .in = in, .out = out};
}
