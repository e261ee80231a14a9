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
    OPTION_ORDERED = 1 << 10,
    OPTION_FAST = 1 << 11,
    OPTION_LIVE = 1 << 12,
    OPTION_RESTORE = 1 << 13, /* --map, --disks-reverted */
    OPTION_ALL = 1 << 14,
    OPTION_FORCE = 1 << 15,
    OPTION_NAME = 1 << 16,
    OPTION_MIGRATE = 1 << 17, /* what only migrate has, and --live, --fast */
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
    char *map;          /* likewise */
    char *command;      /* likewise */
    char *limit;        /* text of how.limit_mib */
    const char *domain; /* of a join; NULL where it is not known */
    int count;          /* 0: none given */
    gboolean force;
    char *all_into; /* of an extraction; NULL: of one member */
    char *name;     /* of a packed group; NULL */
    gboolean settle, run_here, discard_here, peer_is_off;
    gboolean all, roff, completion;
} Cli;

typedef struct {
    const char *name;      /* one word, or two: "image info" */
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

/*
 * The command that the @n words begin with, "grp-" before it or not, and how many words that takes.
 * USAGE, with the nearest name.
 */
const Command *command_lookup(int n, char **words, int *ret_words, GError **error);
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
    gboolean drawn;  /* standard error is a terminal, and so on */
    gboolean told;   /* what became of the members is told if the task fails */
    guint lines;     /* drawn last */
    guint64 first;   /* bytes of the image's members when they first moved on, */
    gint64 moved_us; /* and when that was; 0: they have not */
} Progress;

/* Whether standard error is a terminal to draw on. */
gboolean progress_is_drawn(const Cli *cli);
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
/*
 * FALSE: it is not known what becomes of an operation. If that is because the daemon is not heard
 * of any more, whose operations go on, or are settled when it is started again, @error says how to
 * find out. @reference: NULL if the answer was missed.
 */
gboolean task_lost(const char *reference, GError **error);
/* Follows the task to its end and tells it; its failure is the error. */
gboolean task_follow(const Cli *cli, DomgrpConnection *connection, const char *reference,
                     GError **error);

/* -- text for people (text.c); free with g_free() -- */

/* @text, which others wrote, without what a terminal would obey. */
char *text_clean(const char *text);
/* "2026-11-24 10:15:18", local, of RFC 3339; "-" for "". */
char *text_time(const char *time);
/* "71.3 MiB" */
char *text_size(guint64 bytes);
/* "45.6 µs" */
char *text_duration(guint64 ns);
/* "12.0 MiB of 384.0 MiB (3 %), 28.1 MiB/s, 13 s left", the rate being that from @first bytes on,
 * in @elapsed_us; 0 @total: not known. */
char *text_rate(guint64 done, guint64 total, guint64 first, gint64 elapsed_us);
/* What follows a word of which there are @n; static. */
const char *text_plural(guint64 n);
double text_percent(guint64 part, guint64 whole);

/* -- files (target.c) -- */

/* A file that is written, or standard output. */
typedef struct {
    int fd;
    gboolean is_stdout;
    gboolean force;  /* what is there is replaced */
    gboolean failed; /* target_write() has */
    char *path;
    char *beside; /* the name that it has meanwhile; NULL: none */
} Target;

/* What messages call @path, which "-" is too; borrowed. */
const char *source_name(const char *path);
/* Opens @path, or for "-" standard input, for reading; a terminal is USAGE. -1 on error. */
int source_open(const char *path, GError **error);
/*
 * Begins the file that is to be @path; "-": standard output, where a terminal is USAGE. FILE if
 * something is there that is not to be replaced. To be cleared after a failure too.
 */
gboolean target_open(Target *target, const char *path, gboolean force, GError **error);
/* An ImageSink; @data is an Target. */
gboolean target_write(gpointer data, const void *bytes, gsize length, GError **error);
/* Syncs the file, which is whole, and gives it its name. */
gboolean target_finish(Target *target, GError **error);
void target_clear(Target *target);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Target, target_clear)

/* -- how far work on files has come (meter.c) -- */

typedef struct Meter Meter;
/* Bytes done so far; called on another thread. */
typedef guint64 (*MeterRead)(gpointer data);

/* Draws "VERB BYTES..." on a terminal until it is ended; 0 @total: not known. */
Meter *meter_begin(const Cli *cli, const char *verb, guint64 total, MeterRead read, gpointer data);
/* Wipes what was drawn. */
void meter_end(Meter *meter);

/* -- what commands do -- */

#define IMAGE_FILES_MAX 1024 /* that are packed into one image */

gboolean cmd_create(Cli *cli, GError **error);
gboolean cmd_start(Cli *cli, GError **error);
gboolean cmd_shutdown(Cli *cli, GError **error);
gboolean cmd_reboot(Cli *cli, GError **error);
gboolean cmd_destroy(Cli *cli, GError **error);
gboolean cmd_delete(Cli *cli, GError **error);
gboolean cmd_pause(Cli *cli, GError **error);
gboolean cmd_unpause(Cli *cli, GError **error);
gboolean cmd_join(Cli *cli, GError **error);
gboolean cmd_save(Cli *cli, GError **error);
gboolean cmd_restore(Cli *cli, GError **error);
gboolean cmd_suspend(Cli *cli, GError **error);
gboolean cmd_resume(Cli *cli, GError **error);
gboolean cmd_checkpoint(Cli *cli, GError **error);
gboolean cmd_migrate(Cli *cli, GError **error);
gboolean cmd_receive(Cli *cli, GError **error);
gboolean cmd_image_info(Cli *cli, GError **error);
gboolean cmd_image_verify(Cli *cli, GError **error);
gboolean cmd_image_extract(Cli *cli, GError **error);
gboolean cmd_image_pack(Cli *cli, GError **error);
gboolean cmd_list(Cli *cli, GError **error);
gboolean cmd_info(Cli *cli, GError **error);
gboolean cmd_task(Cli *cli, GError **error);
gboolean cmd_events(Cli *cli, GError **error);
gboolean cmd_help(Cli *cli, GError **error);

/* Prints the migration of @group that is open, in lines as info has them. */
void migration_print(const DomgrpGroup *group);
/* Prints @node for machines. */
void print_json(JsonNode *node);
/* Likewise; takes @array. */
void print_json_array(JsonArray *array);

#endif
