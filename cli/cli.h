/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The command line: what its commands share. A command is a row of the table
 * in commands.c and a function that takes the options and arguments, which
 * were checked against the row.
 */
#ifndef CLI_CLI_H
#define CLI_CLI_H

#include <domgrp/domgrp.h>

typedef enum {
    OPTION_JSON = 1 << 0,
    OPTION_QUIET = 1 << 1,
    OPTION_WAIT = 1 << 2,
    OPTION_TIMEOUT = 1 << 3,
    OPTION_FALLBACK = 1 << 4,
    OPTION_COUNT = 1 << 5,
    OPTION_HELP_FORMS = 1 << 6,
    OPTION_QUEUE = 1 << 7,
    OPTION_ON_FAILURE = 1 << 8,
    OPTION_DRY_RUN = 1 << 9,
} CommandOptions;

/* One run of the program. */
typedef struct {
    const char *socket; /* NULL: the default */
    int n_arguments;
    char **arguments; /* the command's own */

    gboolean json;
    gboolean quiet;
    DomgrpOptions how;  /* of an operation */
    char *on_failure;   /* what how.on_failure points to */
    const char *domain; /* of a join; NULL where it is not known */
    int count;          /* 0: none given */
    gboolean all, roff, completion;
} Cli;

typedef struct {
    const char *name;
    const char *arguments; /* for the synopsis: "GROUP DOMAIN" */
    int least, most;       /* arguments */
    CommandOptions options;
    const char *summary; /* half a sentence */
    const char *description;
    const char *example; /* a command, then what it prints; lines end with \n */
    gboolean (*run)(Cli *cli, GError **error);
} Command;

/* The table, ended by a row without a name; in the order of the help. */
extern const Command commands[];

/* @name with or without "grp-" before it; USAGE, with the nearest name. */
const Command *command_lookup(const char *name, GError **error);
/* Reads options and arguments of @command out of @argv, whose first is its name. */
gboolean command_parse(const Command *command, Cli *cli, int *argc, char ***argv,
                       gboolean *ret_help, GError **error);
/* "shutdown [-w] [-t SEC] [-F] [--json] [-q] GROUP"; free with g_free(). */
char *command_synopsis(const Command *command);

/* -- help (cmd-help.c) -- */

void help_print(void);
void help_print_command(const Command *command);
/* An option: "-t SEC" for synopses, "-t, --timeout SEC" for lists, and what it does. */
typedef void (*OptionTell)(gpointer data, const char *brief, const char *full, const char *help);
void command_options(const Command *command, OptionTell tell, gpointer data);

/* -- progress (progress.c) -- */

/*
 * Draws a task's members on the terminal at standard error, one line each,
 * over what it drew before. Draws nothing elsewhere or with -q.
 */
typedef struct {
    gboolean drawn; /* standard error is a terminal, and so on */
    gboolean told;  /* what became of the members is told if the task fails */
    guint lines;    /* drawn last */
} Progress;

void progress_begin(Progress *progress, const Cli *cli);
/* A DomgrpProgress; @data is a Progress. */
void progress_draw(const DomgrpTask *task, gpointer data);
/* @task has failed: tells what became of every member, in place of what was drawn. */
void progress_fail(const Progress *progress, const DomgrpTask *task);

/* -- tasks (outcome.c) -- */

#define TASK_ID_LEAST 8 /* characters of a task's id that are shown in its place */

/* "start"; borrowed. */
const char *task_operation(const DomgrpTask *task);
/* "queued", "running", "done", "failed", "cancelled". */
const char *task_state(const DomgrpTask *task);
/* What happens to a member, or became of it; free with g_free(). */
char *task_member_line(const DomgrpTaskMember *member);
/* Follows the task to its end and tells it; its failure is the error. */
gboolean task_follow(const Cli *cli, DomgrpConnection *connection, const char *reference,
                     GError **error);

/* -- what commands do -- */

gboolean cmd_create(Cli *cli, GError **error);
gboolean cmd_start(Cli *cli, GError **error);
gboolean cmd_shutdown(Cli *cli, GError **error);
gboolean cmd_reboot(Cli *cli, GError **error);
gboolean cmd_destroy(Cli *cli, GError **error);
gboolean cmd_delete(Cli *cli, GError **error);
gboolean cmd_pause(Cli *cli, GError **error);
gboolean cmd_unpause(Cli *cli, GError **error);
gboolean cmd_join(Cli *cli, GError **error);
gboolean cmd_list(Cli *cli, GError **error);
gboolean cmd_info(Cli *cli, GError **error);
gboolean cmd_task(Cli *cli, GError **error);
gboolean cmd_events(Cli *cli, GError **error);
gboolean cmd_help(Cli *cli, GError **error);

/* Prints @node for machines. */
void print_json(JsonNode *node);
/* Likewise; takes @array. */
void print_json_array(JsonArray *array);

#endif
