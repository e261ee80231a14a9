/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Finding a command and reading its options, by the table of commands. */
#include "cli.h"

#include <stddef.h>
#include <string.h>

static const struct {
    CommandOptions option;
    GOptionEntry entry; /* arg_data is set for each run; without a help it is hidden */
    size_t offset;      /* in Cli */
} rows[] = {
    {OPTION_ON_FAILURE,
     {"on-failure", 0, 0, G_OPTION_ARG_STRING, NULL,
      "when a member fails: undo all, go on with others, or stop", "rollback|continue|stop"},
     offsetof(Cli, on_failure)},
    {OPTION_WAIT,
     {"wait", 'w', 0, G_OPTION_ARG_NONE, NULL,
      "wait for what runs on the group, then until this has ended", NULL},
     offsetof(Cli, how.wait)},
    {OPTION_QUEUE,
     {"wait", 'w', 0, G_OPTION_ARG_NONE, NULL, "wait for what runs on the group", NULL},
     offsetof(Cli, how.wait)},
    {OPTION_DRY_RUN,
     {"dry-run", 0, 0, G_OPTION_ARG_NONE, NULL, "say what would be done, and do nothing", NULL},
     offsetof(Cli, how.dry_run)},
    {OPTION_TIMEOUT,
     {"timeout", 't', 0, G_OPTION_ARG_INT, NULL,
      "give up on a member after SEC seconds (its own, or 300)", "SEC"},
     offsetof(Cli, how.timeout_s)},
    {OPTION_FALLBACK,
     {"fallback", 'F', 0, G_OPTION_ARG_NONE, NULL, "use ACPI where a guest has no PV drivers",
      NULL},
     offsetof(Cli, how.fallback)},
    {OPTION_ORDERED,
     {"ordered", 0, 0, G_OPTION_ARG_NONE, NULL, "members stop in reverse order, not all at once",
      NULL},
     offsetof(Cli, how.ordered)},
    {OPTION_LIVE,
     {"live", 0, 0, G_OPTION_ARG_NONE, NULL, "save most of the memory while the group runs", NULL},
     offsetof(Cli, how.live)},
    {OPTION_FAST,
     {"fast", 0, 0, G_OPTION_ARG_NONE, NULL, "little time rather than a small image", NULL},
     offsetof(Cli, how.fast)},
    {OPTION_MIGRATE,
     {"live", 0, 0, G_OPTION_ARG_NONE, NULL, "send most of the memory while the group runs", NULL},
     offsetof(Cli, how.live)},
    {OPTION_MIGRATE,
     {"fast", 0, 0, G_OPTION_ARG_NONE, NULL, "compress little, even where the connection is slow",
      NULL},
     offsetof(Cli, how.fast)},
    {OPTION_MIGRATE,
     {"limit", 0, 0, G_OPTION_ARG_STRING, NULL,
      "send at most RATE MiB per second; with --live, while the group runs", "RATE"},
     offsetof(Cli, limit)},
    {OPTION_MIGRATE,
     {"command", 's', 0, G_OPTION_ARG_STRING, NULL,
      "reach the host by COMMAND, for sh, instead of ssh", "COMMAND"},
     offsetof(Cli, command)},
    {OPTION_MIGRATE,
     {"ready-timeout", 0, 0, G_OPTION_ARG_INT, NULL,
      "take the group back SEC seconds after its first member stopped (10; not live: 3600)", "SEC"},
     offsetof(Cli, how.ready_timeout_s)},
    {OPTION_MIGRATE,
     {"without-groups", 0, 0, G_OPTION_ARG_NONE, NULL, "a hypervisor without groups will do", NULL},
     offsetof(Cli, how.without_groups)},
    {OPTION_MIGRATE,
     {"settle", 0, 0, G_OPTION_ARG_NONE, NULL, "ask the other host how a migration ended", NULL},
     offsetof(Cli, settle)},
    {OPTION_MIGRATE,
     {"run-here", 0, 0, G_OPTION_ARG_NONE, NULL, "if it does not answer: run the group here", NULL},
     offsetof(Cli, run_here)},
    {OPTION_MIGRATE,
     {"peer-is-off", 0, 0, G_OPTION_ARG_NONE, NULL, "with that: the other host is off, I looked",
      NULL},
     offsetof(Cli, peer_is_off)},
    {OPTION_MIGRATE,
     {"discard-here", 0, 0, G_OPTION_ARG_NONE, NULL, "likewise: destroy the copies on this host",
      NULL},
     offsetof(Cli, discard_here)},
    {OPTION_RESTORE,
     {"map", 0, 0, G_OPTION_ARG_FILENAME, NULL,
      "restore a copy, with the names and disks of domgrp-map(5)", "MAP"},
     offsetof(Cli, map)},
    {OPTION_RESTORE,
     {"disks-reverted", 0, 0, G_OPTION_ARG_NONE, NULL,
      "the disks are again as they were then: use the image once more", NULL},
     offsetof(Cli, how.disks_reverted)},
    {OPTION_ALL,
     {"all", 0, 0, G_OPTION_ARG_FILENAME, NULL, "all members, each into a file in DIR", "DIR"},
     offsetof(Cli, all_into)},
    {OPTION_NAME,
     {"name", 0, 0, G_OPTION_ARG_STRING, NULL, "call the group so, else as OUT", "NAME"},
     offsetof(Cli, name)},
    {OPTION_FORCE,
     {"force", 'f', 0, G_OPTION_ARG_NONE, NULL, "replace what is there", NULL},
     offsetof(Cli, force)},
    {OPTION_COUNT,
     {"count", 'n', 0, G_OPTION_ARG_INT, NULL, "end after N events", "N"},
     offsetof(Cli, count)},
    {OPTION_JSON,
     {"json", 0, 0, G_OPTION_ARG_NONE, NULL, "print JSON, as the API has it", NULL},
     offsetof(Cli, json)},
    {OPTION_QUIET,
     {"quiet", 'q', 0, G_OPTION_ARG_NONE, NULL, "print errors only", NULL},
     offsetof(Cli, quiet)},
    {OPTION_HELP_FORMS, {.long_name = "all", .arg = G_OPTION_ARG_NONE}, offsetof(Cli, all)},
    {OPTION_HELP_FORMS, {.long_name = "roff", .arg = G_OPTION_ARG_NONE}, offsetof(Cli, roff)},
    {OPTION_HELP_FORMS,
     {.long_name = "completion", .arg = G_OPTION_ARG_NONE},
     offsetof(Cli, completion)},
};

/* -- what a command takes -- */

void command_options(const Command *command, OptionTell tell, gpointer data)
{
    for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
        const GOptionEntry *entry = &rows[i].entry;
        const char *argument = entry->arg_description == NULL ? "" : entry->arg_description;
        if (!(command->options & rows[i].option) || entry->description == NULL)
            continue;
        if (entry->short_name == 0) {
            g_autofree char *form = g_strdup_printf("--%s%s%s", entry->long_name,
                                                    *argument == '\0' ? "" : "=", argument);
            tell(data, form, form, entry->description);
            continue;
        }
        g_autofree char *brief = g_strdup_printf("-%c %s", entry->short_name, argument);
        g_autofree char *full =
            g_strdup_printf("-%c, --%s %s", entry->short_name, entry->long_name, argument);
        tell(data, g_strchomp(brief), g_strchomp(full), entry->description);
    }
}

static void synopsis_add(gpointer data, const char *brief, const char *full, const char *help)
{
    g_string_append_printf(data, " [%s]", brief);
}

char *command_synopsis(const Command *command)
{
    GString *text = g_string_new(command->name);
    command_options(command, synopsis_add, text);
    if (*command->arguments != '\0')
        g_string_append_printf(text, " %s", command->arguments);
    return g_string_free(text, FALSE);
}

/* -- finding -- */

/* How many letters to insert, remove or change to make @b of @a. */
static guint distance(const char *a, const char *b)
{
    size_t n = strlen(b);
    g_autofree guint *row = g_new(guint, n + 1);
    for (size_t j = 0; j <= n; j++)
        row[j] = j;
    for (size_t i = 1; a[i - 1] != '\0'; i++) {
        guint diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= n; j++) {
            guint change = diagonal + (a[i - 1] != b[j - 1]);
            diagonal = row[j];
            row[j] = MIN(change, MIN(row[j], row[j - 1]) + 1);
        }
    }
    return row[n];
}

static const Command *nearest(const char *name)
{
    const Command *best = NULL;
    guint best_distance = 3;
    if (strlen(name) > 32)
        return NULL;
    for (const Command *command = commands; command->name != NULL; command++) {
        guint d = distance(name, command->name);
        if (d < best_distance && d < strlen(command->name)) {
            best = command;
            best_distance = d;
        }
    }
    return best;
}

/* How many words the name of @command has; 0 if it is not @first, or @first and @second (NULL:
 * none). */
static int name_match(const Command *command, const char *first, const char *second)
{
    const char *blank = strchr(command->name, ' ');
    if (blank == NULL)
        return strcmp(command->name, first) == 0 ? 1 : 0;
    return second != NULL && strlen(first) == (size_t)(blank - command->name) &&
                   g_str_has_prefix(command->name, first) && strcmp(blank + 1, second) == 0
               ? 2
               : 0;
}

/* What commands begin with "@verb ": " info, verify..."; NULL if none does. */
static char *seconds_of(const char *verb)
{
    g_autoptr(GString) all = g_string_new(NULL);
    g_autofree char *prefix = g_strconcat(verb, " ", NULL);
    for (const Command *command = commands; command->name != NULL; command++)
        if (g_str_has_prefix(command->name, prefix))
            g_string_append_printf(all, "%s%s", all->len == 0 ? "" : ", ",
                                   command->name + strlen(prefix));
    return all->len == 0 ? NULL : g_string_free(g_steal_pointer(&all), FALSE);
}

static void fail_unknown(const char *name, const char *verb, GError **error)
{
    const Command *near = nearest(verb);
    g_autofree char *seconds = seconds_of(verb);
    if (seconds != NULL)
        g_set_error(error, DOMGRP_ERROR, DOMGRP_ERROR_USAGE,
                    "\"%s\" is followed by one of: %s; \"domgrp help\" lists them", name, seconds);
    else if (near != NULL)
        g_set_error(error, DOMGRP_ERROR, DOMGRP_ERROR_USAGE,
                    "there is no command \"%s\"; did you mean \"%s\"?", name, near->name);
    else
        g_set_error(error, DOMGRP_ERROR, DOMGRP_ERROR_USAGE,
                    "there is no command \"%.40s\"; \"domgrp help\" lists them", name);
}

const Command *command_lookup(int n, char **words, int *ret_words, GError **error)
{
    const char *verb = words[0] + (g_str_has_prefix(words[0], "grp-") ? strlen("grp-") : 0);
    const char *second = n > 1 ? words[1] : NULL;
    for (const Command *command = commands; command->name != NULL; command++) {
        int match = name_match(command, verb, second);
        if (match > 0) {
            *ret_words = match;
            return command;
        }
    }
    fail_unknown(words[0], verb, error);
    return NULL;
}

/* -- reading -- */

static void fail_usage(const Command *command, const char *what, GError **error)
{
    g_autofree char *synopsis = command_synopsis(command);
    g_set_error(error, DOMGRP_ERROR, DOMGRP_ERROR_USAGE, "%s; use: domgrp %s", what, synopsis);
}

/* The policies are those that the option's argument lists: "a|b|c". */
static gboolean policy_check(const Command *command, const char *policy, GError **error)
{
    guint row = 0;
    while (rows[row].option != OPTION_ON_FAILURE)
        row++;
    g_auto(GStrv) choices = g_strsplit(rows[row].entry.arg_description, "|", -1);
    if (policy == NULL || g_strv_contains((const char *const *)choices, policy))
        return TRUE;
    g_autofree char *what = g_strdup_printf("\"%.40s\" is no policy: it is %s", policy,
                                            rows[row].entry.arg_description);
    fail_usage(command, what, error);
    return FALSE;
}

/* 0 would be no limit, which is said by saying none. */
static gboolean limit_read(const Command *command, Cli *cli, GError **error)
{
    guint64 limit = 0;
    if (cli->limit != NULL &&
        !g_ascii_string_to_unsigned(cli->limit, 10, 1, 100000, &limit, NULL)) {
        g_autofree char *what = g_strdup_printf(
            "\"%.40s\" is no limit: it is a whole number of MiB per second, from 1 to 100000",
            cli->limit);
        fail_usage(command, what, error);
        return FALSE;
    }
    cli->how.limit_mib = (guint)limit;
    return TRUE;
}

static gboolean values_check(const Command *command, const Cli *cli, GError **error)
{
    if (!policy_check(command, cli->on_failure, error))
        return FALSE;
    if (cli->how.timeout_s > 86400 || cli->how.ready_timeout_s > 86400) { /* or below zero */
        fail_usage(command, "the time-out is to be from 1 to 86400 seconds", error);
        return FALSE;
    }
    if (cli->count < 0) {
        fail_usage(command, "the number of events is below zero", error);
        return FALSE;
    }
    if (cli->n_arguments < command->least) {
        fail_usage(command, "an argument is missing", error);
        return FALSE;
    }
    if (cli->n_arguments > command->most) {
        g_autofree char *what =
            g_strdup_printf("\"%s\" is one argument too many", cli->arguments[command->most]);
        fail_usage(command, what, error);
        return FALSE;
    }
    return TRUE;
}

static GOptionContext *context_new(const Command *command, Cli *cli, gboolean *help)
{
    GOptionEntry entries[G_N_ELEMENTS(rows) + 2] = {
        {"help", 'h', 0, G_OPTION_ARG_NONE, help, NULL, NULL},
    };
    guint n = 1;
    for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
        if (!(command->options & rows[i].option))
            continue;
        entries[n] = rows[i].entry;
        entries[n++].arg_data = (char *)cli + rows[i].offset;
    }
    GOptionContext *context = g_option_context_new(NULL);
    g_option_context_set_help_enabled(context, FALSE);
    g_option_context_add_main_entries(context, entries, NULL);
    return context;
}

gboolean command_parse(const Command *command, Cli *cli, int *argc, char ***argv,
                       gboolean *ret_help, GError **error)
{
    gboolean help = FALSE;
    g_autoptr(GError) inner = NULL;
    g_autoptr(GOptionContext) context = context_new(command, cli, &help);
    if (!g_option_context_parse(context, argc, argv, &inner)) {
        fail_usage(command, inner->message, error);
        return FALSE;
    }
    /* "--" may be left in front of the arguments. */
    int skip = *argc > 1 && strcmp((*argv)[1], "--") == 0 ? 2 : 1;
    cli->arguments = *argv + MIN(skip, *argc);
    cli->n_arguments = *argc - MIN(skip, *argc);
    cli->how.on_failure = cli->on_failure;
    cli->how.map = cli->map;
    cli->how.command = cli->command;
    *ret_help = help;
    return help || (limit_read(command, cli, error) && values_check(command, cli, error));
}
