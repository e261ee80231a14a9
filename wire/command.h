/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A program whose standard input and output are a connection: ssh, or the
 * operator's command. It leads a process group, which is killed with it.
 * libxl handles SIGCHLD; this child is awaited by a pidfd and reaped by its
 * pid, on the caller's main context. Of what it says on its standard error the
 * last line is kept.
 */
#ifndef WIRE_COMMAND_H
#define WIRE_COMMAND_H

#include <glib.h>

G_BEGIN_DECLS

typedef struct Command Command;
typedef void (*CommandEnded)(gpointer data);

/*
 * Runs @argv, found in PATH, with this process's environment. The caller owns what it gets: the
 * end of a socket from which the program reads, and that of a pipe to which it writes, neither of
 * which waits. A pipe can be written to again as soon as a page of it is free, a socket when most
 * of it is: so ever less often.
 * @ended comes once. LINK if it cannot be run.
 */
Command *command_new(const char *const *argv, CommandEnded ended, gpointer data, int *ret_to,
                     int *ret_from, GError **error);
/* Kills what is left of it, without a call of @ended. */
void command_free(Command *command);

/* @ended comes within @timeout_ms: by then it is killed. */
void command_expect_end(Command *command, guint timeout_ms);

gboolean command_has_ended(const Command *command);

/*
 * How it ended, and what it said last: "ssh: connect to host b port 22: Connection refused (ssh:
 * exit status 255)". NULL while it runs, or if it ended well and silently. Free with g_free().
 */
char *command_last_words(const Command *command);

G_END_DECLS

#endif
