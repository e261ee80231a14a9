/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Progress on a terminal: a line for each member, drawn over and over. Where
 * there are more members than lines, those that are worked on are shown.
 */
#include "cli.h"

#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define COLUMNS_DEFAULT 80
#define ROWS_DEFAULT 24

gboolean progress_is_drawn(const Cli *cli)
{
    const char *terminal = g_getenv("TERM");
    return !cli->quiet && isatty(STDERR_FILENO) && g_strcmp0(terminal, "dumb") != 0;
}

void progress_begin(Progress *progress, const Cli *cli)
{
    gboolean drawn = progress_is_drawn(cli);
    *progress = (Progress){.drawn = drawn, .told = drawn || (!cli->quiet && !cli->json)};
}

static void terminal_size(guint *ret_rows, guint *ret_columns)
{
    struct winsize size = {0};
    ioctl(STDERR_FILENO, TIOCGWINSZ, &size);
    *ret_rows = size.ws_row == 0 ? ROWS_DEFAULT : size.ws_row;
    *ret_columns = size.ws_col == 0 ? COLUMNS_DEFAULT : size.ws_col;
}

static void line_draw(GString *text, guint columns, const char *line)
{
    g_string_append_len(text, line, MIN(strlen(line), columns - 1));
    g_string_append(text, "\033[K\n");
}

static void member_draw(GString *text, guint columns, const DomgrpTaskMember *member)
{
    g_autofree char *what = task_member_line(member);
    g_autofree char *ascii = g_str_to_ascii(what, "C");
    g_autofree char *line = g_strdup_printf("  %-20s %s", member->name, ascii);
    line_draw(text, columns, line);
}

/* The rate is that since the members' bytes first moved on. */
static guint image_draw(GString *text, guint columns, Progress *progress, const DomgrpTask *task)
{
    const DomgrpImage *image = &task->image;
    gint64 now = g_get_monotonic_time();
    if (task->ended || image->memory_bytes == 0)
        return 0;
    if (progress->moved_us == 0) {
        progress->moved_us = now;
        progress->first = image->memory_bytes;
    }
    g_autofree char *rate = text_rate(image->memory_bytes, image->total_bytes, progress->first,
                                      now - progress->moved_us);
    gboolean moves = *task->peer != '\0';
    g_autofree char *size = text_size(moves ? task->wire_bytes : image->file_bytes);
    g_autofree char *line = g_strdup_printf(
        moves ? "  %s; %s over the connection" : "  %s; the image has %s", rate, size);
    line_draw(text, columns, line);
    return 1;
}

static gboolean member_is_active(const DomgrpTaskMember *member)
{
    return strcmp(member->outcome, "active") == 0 || strcmp(member->outcome, "failed") == 0;
}

static guint draw_all(GString *text, guint columns, const DomgrpTask *task)
{
    for (guint i = 0; i < task->n_members; i++)
        member_draw(text, columns, &task->members[i]);
    return task->n_members;
}

static guint draw_some(GString *text, guint rows, guint columns, const DomgrpTask *task)
{
    guint lines = 1, done = 0;
    for (guint i = 0; i < task->n_members; i++)
        done += strcmp(task->members[i].outcome, "done") == 0;
    g_autofree char *summary = g_strdup_printf("  %u of %u members done", done, task->n_members);
    line_draw(text, columns, summary);
    for (guint i = 0; i < task->n_members && lines + 2 < rows; i++) {
        if (!member_is_active(&task->members[i]))
            continue;
        member_draw(text, columns, &task->members[i]);
        lines++;
    }
    return lines;
}

void progress_draw(const DomgrpTask *task, gpointer data)
{
    Progress *progress = data;
    guint rows, columns;
    if (!progress->drawn)
        return;
    terminal_size(&rows, &columns);
    g_autoptr(GString) text = g_string_new(NULL);
    if (progress->lines > 0)
        g_string_append_printf(text, "\033[%uA\r", progress->lines);
    progress->lines = image_draw(text, columns, progress, task);
    rows -= MIN(rows, progress->lines);
    progress->lines += task->n_members + 2 < rows ? draw_all(text, columns, task)
                                                  : draw_some(text, rows, columns, task);
    g_string_append(text, "\033[J");
    fputs(text->str, stderr);
    fflush(stderr);
}

void progress_fail(const Progress *progress, const DomgrpTask *task)
{
    if (!progress->told || domgrp_error_exit(domgrp_error_code(task->error)) == DOMGRP_EXIT_REFUSED)
        return;
    if (progress->lines > 0)
        fprintf(stderr, "\033[%uA\r\033[J", progress->lines);
    for (guint i = 0; i < task->n_members; i++) {
        g_autofree char *line = task_member_line(&task->members[i]);
        fprintf(stderr, "  %-20s %s\n", task->members[i].name, line);
    }
}
