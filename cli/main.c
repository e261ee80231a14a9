/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* domgrp(1): options before the command, the command, its error, its exit status. */
#include "cli.h"

#include <errno.h>
#include <locale.h>
#include <stdio.h>
#include <string.h>

typedef struct {
    char *socket;
    gboolean help;
    gboolean version;
} Options;

static gboolean options_parse(Options *options, int *argc, char ***argv, GError **error)
{
    const GOptionEntry entries[] = {
        {"socket", 's', 0, G_OPTION_ARG_FILENAME, &options->socket, NULL, "PATH"},
        {"help", 'h', 0, G_OPTION_ARG_NONE, &options->help, NULL, NULL},
        {"version", 'V', 0, G_OPTION_ARG_NONE, &options->version, NULL, NULL},
        {NULL},
    };
    g_autoptr(GError) inner = NULL;
    g_autoptr(GOptionContext) context = g_option_context_new(NULL);
    g_option_context_set_help_enabled(context, FALSE);
    g_option_context_set_strict_posix(context, TRUE);
    g_option_context_add_main_entries(context, entries, NULL);
    if (g_option_context_parse(context, argc, argv, &inner))
        return TRUE;
    g_set_error(error, DOMGRP_ERROR, DOMGRP_ERROR_USAGE, "%s; \"domgrp help\" lists what there is",
                inner->message);
    return FALSE;
}

static void cli_clear(Cli *cli)
{
    g_free(cli->on_failure);
    g_free(cli->map);
    g_free(cli->command);
    g_free(cli->limit);
    g_free(cli->all_into);
    g_free(cli->name);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Cli, cli_clear)

static gboolean run_command(const char *socket, int argc, char **argv, GError **error)
{
    int words;
    gboolean help;
    g_auto(Cli) cli = {.socket = socket};
    const Command *command = command_lookup(argc, argv, &words, error);
    if (command == NULL)
        return FALSE;
    argc -= words - 1;
    argv += words - 1;
    if (!command_parse(command, &cli, &argc, &argv, &help, error))
        return FALSE;
    if (help) {
        help_print_command(command);
        return TRUE;
    }
    return command->run(&cli, error);
}

static gboolean run(int argc, char **argv, GError **error)
{
    Options options = {0};
    gboolean done = options_parse(&options, &argc, &argv, error);
    g_autofree char *socket = options.socket;
    if (!done)
        return FALSE;
    if (options.version) {
        puts("domgrp " DOMGRP_VERSION);
        return TRUE;
    }
    if (options.help) {
        help_print();
        return TRUE;
    }
    if (argc < 2) {
        g_set_error(error, DOMGRP_ERROR, DOMGRP_ERROR_USAGE,
                    "a command is missing; \"domgrp help\" lists them");
        return FALSE;
    }
    return run_command(socket, argc - 1, argv + 1, error);
}

/* A full disk behind the output is a failure too. */
static gboolean flush(GError **error)
{
    if (fflush(stdout) == 0 && !ferror(stdout))
        return TRUE;
    g_set_error(error, DOMGRP_ERROR, DOMGRP_ERROR_FILE, "standard output cannot be written: %s",
                g_strerror(errno));
    return FALSE;
}

int main(int argc, char **argv)
{
    g_autoptr(GError) error = NULL;
    setlocale(LC_CTYPE, "");
    if (run(argc, argv, &error) && flush(&error))
        return DOMGRP_EXIT_DONE;
    g_autofree char *message = text_clean(error->message); /* it may quote what a file says */
    fprintf(stderr, "domgrp: %s\n", message);
    return domgrp_error_exit(domgrp_error_code(error));
}
