/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Help, the man page's list of commands and shell completion, all from the table. */
#include "cli.h"

#include <stdio.h>
#include <string.h>

/* -- for people -- */

/* How wide what comes before the summaries is. */
static void columns_measure(int *ret_names, int *ret_arguments)
{
    *ret_names = *ret_arguments = 0;
    for (const Command *command = commands; command->name != NULL; command++) {
        *ret_names = MAX(*ret_names, (int)strlen(command->name));
        *ret_arguments = MAX(*ret_arguments, (int)strlen(command->arguments));
    }
}

void help_print(void)
{
    int names, arguments;
    columns_measure(&names, &arguments);
    puts("usage: domgrp [--socket PATH] COMMAND [OPTIONS] [ARGUMENTS]\n\n"
         "Works with domain groups: sets of Xen domains that are one thing.\n");
    for (const Command *command = commands; command->name != NULL; command++)
        printf("  %-*s %-*s %s\n", names, command->name, arguments, command->arguments,
               command->summary);
    puts("\n\"domgrp help COMMAND\" explains one. \"grp-\" may stand before a command, as in xm:\n"
         "domgrp grp-create is domgrp create. Begin with: domgrp create shop.cfg, where shop.cfg "
         "is\n\n"
         "    name = \"shop\"\n"
         "    members = [ \"db.cfg\", \"web.cfg\", \"mail.cfg\" ]");
}

static void option_measure(gpointer data, const char *brief, const char *full, const char *help)
{
    int *width = data;
    *width = MAX(*width, (int)strlen(full));
}

static void option_print(gpointer data, const char *brief, const char *full, const char *help)
{
    const int *width = data;
    printf("  %-*s  %s\n", *width, full, help);
}

static void example_print(const char *example)
{
    g_auto(GStrv) lines = g_strsplit(example, "\n", -1);
    for (guint i = 0; lines[i + 1] != NULL; i++)
        printf("%s%s\n", i == 0 ? "  # " : *lines[i] == '\0' ? "" : "  ", lines[i]);
}

void help_print_command(const Command *command)
{
    int width = 0;
    g_autofree char *synopsis = command_synopsis(command);
    printf("usage: domgrp %s\n\n%s\n", synopsis, command->description);
    command_options(command, option_measure, &width);
    command_options(command, option_print, &width);
    if (width > 0)
        puts("");
    puts("Example:");
    example_print(command->example);
}

static void help_print_all(void)
{
    for (const Command *command = commands; command->name != NULL; command++) {
        g_autofree char *synopsis = command_synopsis(command);
        printf("domgrp %s\n", synopsis);
    }
}

/* -- for the man page -- */

/* @line, so that roff takes it as it is. */
static void roff_line(const char *line)
{
    if (*line == '.' || *line == '\'')
        fputs("\\&", stdout);
    for (const char *c = line; *c != '\0'; c++) {
        if (*c == '\\')
            fputs("\\e", stdout);
        else if (*c == '-')
            fputs("\\-", stdout);
        else if (g_str_has_prefix(c, "µ")) {
            fputs("\\(mc", stdout);
            c += strlen("µ") - 1;
        } else
            putchar(*c);
    }
    putchar('\n');
}

/* @text, whose lines end with \n; those that are indented are not filled. */
static void roff_text(const char *text)
{
    gboolean was_indented = FALSE;
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
    for (guint i = 0; lines[i] != NULL && (*lines[i] != '\0' || lines[i + 1] != NULL); i++) {
        gboolean indented = *lines[i] == ' ';
        if (indented != was_indented)
            puts(indented ? ".nf" : ".fi");
        was_indented = indented;
        if (*lines[i] == '\0')
            puts(".sp");
        else
            roff_line(lines[i]);
    }
    if (was_indented)
        puts(".fi");
}

static void option_roff(gpointer data, const char *brief, const char *full, const char *help)
{
    g_autofree char *line = g_strdup_printf("%s: %s.", full, help);
    puts(".br");
    roff_text(line);
}

static void command_roff(const Command *command)
{
    g_autofree char *synopsis = command_synopsis(command);
    puts(".TP\n.B");
    roff_text(synopsis);
    roff_text(command->description);
    command_options(command, option_roff, NULL);
    puts(".sp\n.nf");
    g_auto(GStrv) example = g_strsplit(command->example, "\n", -1);
    fputs("# ", stdout);
    for (guint i = 0; example[i + 1] != NULL; i++)
        roff_line(example[i]);
    puts(".fi");
}

static void help_print_roff(void)
{
    for (const Command *command = commands; command->name != NULL; command++)
        command_roff(command);
    puts(".SH EXIT STATUS AND ERRORS\n"
         "An error is one sentence on standard error; its exit status says what became of the "
         "group:\n"
         ".IP 0 3\nit is done;\n.IP 1\nit was refused, nothing was changed;\n"
         ".IP 2\nthe command line is wrong;\n.IP 3\nit failed, and what it had done was undone;\n"
         ".IP 4\nit failed, and some members are done;\n"
         ".IP 5\nthe daemon cannot be reached or broke off.\n.PP\nBy name, as the API has "
         "them:\n.PP");
    for (int code = 0; code < DOMGRP_ERROR_COUNT; code++)
        printf(".IP \"%s (%d)\" 30\n%s\n", domgrp_error_name(code), domgrp_error_exit(code),
               domgrp_error_meaning(code));
}

/* -- for bash -- */

static void option_complete(gpointer data, const char *brief, const char *full, const char *help)
{
    const char *name = strstr(full, "--");
    g_string_append_printf(data, " %.*s", (int)strcspn(name, " ="), name);
}

static void completion_print_options(void)
{
    puts("    case \"$word ${COMP_WORDS[1]#grp-} ${COMP_WORDS[2]} \" in");
    for (const Command *command = commands; command->name != NULL; command++) {
        g_autoptr(GString) options = g_string_new(NULL);
        command_options(command, option_complete, options);
        printf("    -*\" %s \"*) COMPREPLY=($(compgen -W \"%s\" -- \"$word\")); return ;;\n",
               command->name, options->str);
    }
    puts("    esac");
}

/* The first words of all commands, or what follows @first in those of two. */
static void completion_print_names(const char *first)
{
    const char *last = "";
    for (const Command *command = commands; command->name != NULL; command++) {
        size_t length = strcspn(command->name, " ");
        gboolean follows = first != NULL && strlen(first) == length &&
                           g_str_has_prefix(command->name, first) && command->name[length] != '\0';
        if (follows)
            printf(" %s", command->name + length + 1);
        else if (first == NULL && strncmp(last, command->name, length + 1) != 0)
            printf(" %.*s", (int)length, command->name);
        last = command->name;
    }
}

static void help_print_completion(void)
{
    puts("# bash completion for domgrp(1), printed by \"domgrp help --completion\"\n"
         "_domgrp_first() { domgrp \"$@\" 2> /dev/null | awk 'NR > 1 { print $1 }'; }\n"
         "_domgrp()\n{\n"
         "    local word=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD-1]}");
    completion_print_options();
    puts("    case \"${COMP_WORDS[1]#grp-} $COMP_CWORD\" in\n"
         "    create\\ *|restore\\ *|save\\ [3-9]|checkpoint\\ [3-9]|image\\ [3-9]|image\\ "
         "[1-9][0-9])\n"
         "        COMPREPLY=($(compgen -f -- \"$word\")); return ;;\n"
         "    migrate\\ [3-9]) COMPREPLY=($(compgen -A hostname -W \"$(_domgrp_first list)\" -- "
         "\"$word\")); return ;;\n"
         "    esac\n"
         "    case ${previous#grp-} in");
    fputs("    domgrp|help) COMPREPLY=($(compgen -W \"", stdout);
    completion_print_names(NULL);
    puts("\" -- \"$word\")) ;;");
    fputs("    image) COMPREPLY=($(compgen -W \"", stdout);
    completion_print_names("image");
    puts(
        "\" -- \"$word\")) ;;\n"
        "    --on-failure|=) COMPREPLY=($(compgen -W \"rollback continue stop\" -- \"$word\")) ;;\n"
        "    task) COMPREPLY=($(compgen -W \"list show follow wait cancel\" -- \"$word\")) ;;\n"
        "    show|follow|wait|cancel)\n"
        "        COMPREPLY=($(compgen -W \"$(_domgrp_first task list)\" -- \"$word\")) ;;\n"
        "    events) ;;\n"
        "    *) COMPREPLY=($(compgen -W \"$(_domgrp_first list)\" -- \"$word\")) ;;\n"
        "    esac\n}\ncomplete -F _domgrp domgrp");
}

static gboolean help_print_one(int n, char **words, GError **error)
{
    int used;
    const Command *command = command_lookup(n, words, &used, error);
    if (command == NULL)
        return FALSE;
    if (used < n) {
        g_set_error(error, DOMGRP_ERROR, DOMGRP_ERROR_USAGE,
                    "\"%s\" is one argument too many; use: domgrp help [COMMAND]", words[used]);
        return FALSE;
    }
    help_print_command(command);
    return TRUE;
}

gboolean cmd_help(Cli *cli, GError **error)
{
    if (cli->all)
        help_print_all();
    else if (cli->roff)
        help_print_roff();
    else if (cli->completion)
        help_print_completion();
    else if (cli->n_arguments == 0)
        help_print();
    else
        return help_print_one(cli->n_arguments, cli->arguments, error);
    return TRUE;
}
