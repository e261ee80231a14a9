/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "command.h"

#include "domgrp-error.h"
#include "domgrp-text.h"

#include <errno.h>
#include <fcntl.h>
#include <glib-unix.h>
#include <signal.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define WORDS_MAX 512 /* bytes of the last line */
#define READ_SIZE 4096

struct Command {
    char *name;
    CommandEnded ended;
    gpointer data;
    GPid pid; /* 0 once it is reaped */
    int status;
    int exited; /* a pidfd */
    int err;
    GString *words; /* the end of what it said */
    GSource *exit_source;
    GSource *err_source;
    GSource *timer;
};

static void source_clear(GSource **source)
{
    if (*source == NULL)
        return;
    g_source_destroy(*source);
    g_clear_pointer(source, g_source_unref);
}

static void fd_close(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

/* -- what it says -- */

/* FALSE when there is no more, now or for ever. */
static gboolean words_read(Command *command)
{
    char buffer[READ_SIZE];
    ssize_t n = command->err >= 0 ? read(command->err, buffer, sizeof buffer) : -1;
    if (n > 0) {
        g_string_append_len(command->words, buffer, n);
        if (command->words->len > WORDS_MAX)
            g_string_erase(command->words, 0, (gssize)(command->words->len - WORDS_MAX));
        return TRUE;
    }
    if (n == 0)
        fd_close(&command->err);
    return n < 0 && errno == EINTR;
}

static gboolean on_words(gint fd, GIOCondition condition, gpointer data)
{
    Command *command = data;
    words_read(command);
    if (command->err >= 0)
        return G_SOURCE_CONTINUE;
    source_clear(&command->err_source);
    return G_SOURCE_REMOVE;
}

static char *last_line(const Command *command)
{
    g_autofree char *text = g_strndup(command->words->str, command->words->len);
    g_strchomp(text);
    const char *line = strrchr(text, '\n');
    line = line == NULL ? text : line + 1;
    return domgrp_text_clean(line, strlen(line), WORDS_MAX);
}

gboolean command_has_ended(const Command *command)
{
    return command->pid == 0;
}

char *command_last_words(const Command *command)
{
    g_autofree char *said = last_line(command);
    g_autofree char *how = NULL;
    if (!command_has_ended(command))
        return NULL;
    if (WIFSIGNALED(command->status))
        how = g_strdup_printf("%s: ended by signal %d", command->name, WTERMSIG(command->status));
    else if (WEXITSTATUS(command->status) != 0)
        how = g_strdup_printf("%s: exit status %d", command->name, WEXITSTATUS(command->status));
    if (how == NULL)
        return said[0] != '\0' ? g_steal_pointer(&said) : NULL;
    return said[0] != '\0' ? g_strdup_printf("%s (%s)", said, how) : g_steal_pointer(&how);
}

/* -- its end -- */

static void reap(Command *command)
{
    while (waitpid(command->pid, &command->status, 0) < 0 && errno == EINTR)
        ;
    command->pid = 0;
}

static gboolean on_ended(gint fd, GIOCondition condition, gpointer data)
{
    Command *command = data;
    source_clear(&command->exit_source);
    source_clear(&command->timer);
    kill(-command->pid, SIGKILL);
    reap(command);
    /* Others may hold its standard error: what is there now is all. */
    for (guint i = 0; i < PIPE_BUF && words_read(command); i++)
        ;
    source_clear(&command->err_source);
    command->ended(command->data);
    return G_SOURCE_REMOVE;
}

static gboolean on_late(gpointer data)
{
    Command *command = data;
    source_clear(&command->timer);
    kill(-command->pid, SIGKILL);
    return G_SOURCE_REMOVE;
}

void command_expect_end(Command *command, guint timeout_ms)
{
    if (command->pid == 0 || command->timer != NULL)
        return;
    command->timer = g_timeout_source_new(timeout_ms);
    g_source_set_callback(command->timer, on_late, command, NULL);
    g_source_attach(command->timer, g_main_context_get_thread_default());
}

/* -- its beginning -- */

/* Between fork and exec. */
static void set_up(gpointer data)
{
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    signal(SIGPIPE, SIG_DFL);
    setpgid(0, 0);
}

static GSource *watch(int fd, GUnixFDSourceFunc function, Command *command)
{
    GSource *source = g_unix_fd_source_new(fd, G_IO_IN);
    g_source_set_callback(source, G_SOURCE_FUNC(function), command, NULL);
    g_source_attach(source, g_main_context_get_thread_default());
    return source;
}

static gboolean start(Command *command, const char *const *argv, int *ret_to, int *ret_from,
                      GError **error)
{
    const GSpawnFlags flags =
        G_SPAWN_SEARCH_PATH | G_SPAWN_DO_NOT_REAP_CHILD | G_SPAWN_CLOEXEC_PIPES;
    g_autoptr(GError) inner = NULL;
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) {
        g_set_error(error, DOMGRP_ERROR, DOMGRP_ERROR_LINK, "%s cannot be run: %s", argv[0],
                    g_strerror(errno));
        return FALSE;
    }
    gboolean good = g_spawn_async_with_pipes_and_fds(NULL, argv, NULL, flags, set_up, NULL, ends[1],
                                                     -1, -1, NULL, NULL, 0, &command->pid, NULL,
                                                     ret_from, &command->err, &inner);
    close(ends[1]);
    if (!good) {
        g_set_error(error, DOMGRP_ERROR, DOMGRP_ERROR_LINK, "%s cannot be run: %s", argv[0],
                    inner->message);
        close(ends[0]);
        return FALSE;
    }
    *ret_to = ends[0];
    return TRUE;
}

Command *command_new(const char *const *argv, CommandEnded ended, gpointer data, int *ret_to,
                     int *ret_from, GError **error)
{
    int to, from;
    Command *command = g_new0(Command, 1);
    command->name = g_path_get_basename(argv[0]);
    command->ended = ended;
    command->data = data;
    command->words = g_string_new(NULL);
    command->exited = command->err = -1;
    if (!start(command, argv, &to, &from, error)) {
        command_free(command);
        return NULL;
    }
    command->exited = pidfd_open(command->pid, 0);
    if (command->exited < 0 || !g_unix_set_fd_nonblocking(to, TRUE, NULL) ||
        !g_unix_set_fd_nonblocking(from, TRUE, NULL) ||
        !g_unix_set_fd_nonblocking(command->err, TRUE, NULL)) {
        g_set_error(error, DOMGRP_ERROR, DOMGRP_ERROR_LINK, "%s cannot be watched: %s", argv[0],
                    g_strerror(errno));
        close(to);
        close(from);
        command_free(command);
        return NULL;
    }
    command->exit_source = watch(command->exited, on_ended, command);
    command->err_source = watch(command->err, on_words, command);
    *ret_to = to;
    *ret_from = from;
    return command;
}

void command_free(Command *command)
{
    if (command == NULL)
        return;
    source_clear(&command->exit_source);
    source_clear(&command->err_source);
    source_clear(&command->timer);
    if (command->pid != 0) {
        kill(-command->pid, SIGKILL);
        reap(command);
    }
    fd_close(&command->exited);
    fd_close(&command->err);
    g_string_free(command->words, TRUE);
    g_free(command->name);
    g_free(command);
}
