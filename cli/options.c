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
    {OPTION_WAIT,
     {"wait", 'w', 0, G_OPTION_ARG_NONE, NULL, "wait until it has ended", NULL},
     offsetof(Cli, wait)},
    {OPTION_TIMEOUT,
     {"timeout", 't', 0, G_OPTION_ARG_INT, NULL, "give up on a member after SEC seconds (300)",
      "SEC"},
     offsetof(Cli, timeout_s)},
    {OPTION_FALLBACK,
     {"fallback", 'F', 0, G_OPTION_ARG_NONE, NULL, "use ACPI where a guest has no PV drivers",
      NULL},
     offsetof(Cli, fallback)},
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
        if (!(command->options & rows[i].option) || entry->description == NULL)
            continue;
        g_autofree char *flag = entry->short_name == 0 ? g_strdup_printf("--%s", entry->long_name)
                                                       : g_strdup_printf("-%c", entry->short_name);
        tell(data, flag, entry->arg_description, entry->description);
    }
}

static void synopsis_add(gpointer data, const char *flag, const char *argument, const char *help)
{
    g_string_append_printf(data, " [%s%s%s]", flag, argument == NULL ? "" : " ",
                           argument == NULL ? "" : argument);
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

const Command *command_lookup(const char *name, GError **error)
{
    const char *verb = g_str_has_prefix(name, "grp-") ? name + strlen("grp-") : name;
    for (const Command *command = commands; command->name != NULL; command++)
        if (strcmp(command->name, verb) == 0)
            return command;
    const Command *near = nearest(verb);
    if (near != NULL)
        g_set_error(error, DOMGRP_ERROR, DOMGRP_ERROR_USAGE,
                    "there is no command \"%s\"; did you mean \"%s\"?", name, near->name);
    else
        g_set_error(error, DOMGRP_ERROR, DOMGRP_ERROR_USAGE,
                    "there is no command \"%.40s\"; \"domgrp help\" lists them", name);
    return NULL;
}

/* -- reading -- */

static void fail_usage(const Command *command, const char *what, GError **error)
{
    g_autofree char *synopsis = command_synopsis(command);
    g_set_error(error, DOMGRP_ERROR, DOMGRP_ERROR_USAGE, "%s; use: domgrp %s", what, synopsis);
}

static gboolean values_check(const Command *command, const Cli *cli, GError **error)
{
    if (cli->timeout_s < 0 || cli->timeout_s > 86400) {
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
    *ret_help = help;
    return help || values_check(command, cli, error);
}
