/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * domgrpd(8): options, the lock, a real host and a real journal; serve.c does
 * the rest.
 */
#include <errno.h>
#include <grp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "host-xen.h"
#include "lock.h"
#include "methods.h"
#include "serve.h"
#include "service.h"
#include "store.h"

#define SOCKET_PATH "/run/domgrp/domgrpd.sock"
#define STATE_DIR "/var/lib/domgrp"

typedef struct {
    char *socket;
    char *socket_group;
    char *state_dir;
    gboolean methods;
    gboolean version;
} Options;

static void options_clear(Options *options)
{
    g_free(options->socket);
    g_free(options->socket_group);
    g_free(options->state_dir);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Options, options_clear)

static gboolean options_parse(Options *options, int *argc, char ***argv, GError **error)
{
    gboolean foreground;
    const GOptionEntry entries[] = {
        {"socket", 's', 0, G_OPTION_ARG_FILENAME, &options->socket,
         "Listen at this path (" SOCKET_PATH ")", "PATH"},
        {"socket-group", 'g', 0, G_OPTION_ARG_STRING, &options->socket_group,
         "Let the members of this group call, besides root", "GROUP"},
        {"state-dir", 'd', 0, G_OPTION_ARG_FILENAME, &options->state_dir,
         "Keep the database, the lock and suspended groups here (" STATE_DIR ")", "DIRECTORY"},
        {"foreground", 'f', 0, G_OPTION_ARG_NONE, &foreground,
         "Stay in the foreground, which it always does", NULL},
        {"methods", 0, 0, G_OPTION_ARG_NONE, &options->methods,
         "Print the reference of the API, Markdown, and exit", NULL},
        {"version", 0, 0, G_OPTION_ARG_NONE, &options->version, "Print the version and exit", NULL},
        {NULL},
    };
    g_autoptr(GOptionContext) context = g_option_context_new(NULL);
    g_option_context_set_summary(context,
                                 "Runs the domain groups of this Xen host; see domgrp(1).");
    g_option_context_add_main_entries(context, entries, NULL);
    if (!g_option_context_parse(context, argc, argv, error))
        return FALSE;
    if (*argc > 1) {
        g_set_error(error, DOMGRP_ERROR, DOMGRP_ERROR_USAGE,
                    "\"%s\" is one word too many; domgrpd --help lists what it takes", (*argv)[1]);
        return FALSE;
    }
    if (options->socket == NULL)
        options->socket = g_strdup(SOCKET_PATH);
    if (options->state_dir == NULL)
        options->state_dir = g_strdup(STATE_DIR);
    return TRUE;
}

static gboolean group_lookup(const char *name, gid_t *ret_gid, GError **error)
{
    *ret_gid = PEER_NO_GROUP;
    if (name == NULL)
        return TRUE;
    const struct group *group = getgrnam(name);
    if (group == NULL) {
        g_set_error(error, DOMGRP_ERROR, DOMGRP_ERROR_USAGE,
                    "there is no user group \"%s\"; make it, or leave out --socket-group", name);
        return FALSE;
    }
    *ret_gid = group->gr_gid;
    return TRUE;
}

/* The folder of suspended groups, whose memory is nobody else's to read; NULL on error. */
static char *images_make(const Options *options, GError **error)
{
    g_autofree char *path = g_build_filename(options->state_dir, "images", NULL);
    if (mkdir(path, 0700) == 0 || (errno == EEXIST && chmod(path, 0700) == 0))
        return g_canonicalize_filename(path, NULL);
    g_set_error(error, DOMGRP_ERROR, DOMGRP_ERROR_FILE, "%s cannot be made: %s", path,
                g_strerror(errno));
    return NULL;
}

static gboolean run_locked(const Options *options, gid_t group, GError **error)
{
    g_autofree char *database = g_build_filename(options->state_dir, "domgrp.db", NULL);
    g_autofree char *images = images_make(options, error);
    if (images == NULL)
        return FALSE;
    Journal *journal = journal_sqlite_new(database, error);
    if (journal == NULL)
        return FALSE;
    Host *host = host_xen_new(NULL, error);
    if (host == NULL) {
        journal->ops->free(journal);
        return FALSE;
    }
    host_xen_set_spool(host, images);
    ServerOptions server = {.path = options->socket, .group = group};
    gboolean served = serve(host, journal, images, &server, error);
    host->ops->free(host);
    journal->ops->free(journal);
    return served;
}

/* A group that comes in is built at once, with some files for each of its members. */
static void allow_files(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return;
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
}

static gboolean run(const Options *options, GError **error)
{
    gid_t group;
    if (!group_lookup(options->socket_group, &group, error))
        return FALSE;
    service_log_begin();
    signal(SIGPIPE, SIG_IGN);
    allow_files();
    /* Held until the process ends. */
    return lock_take(options->state_dir, error) >= 0 && run_locked(options, group, error);
}

int main(int argc, char **argv)
{
    g_auto(Options) options = {0};
    g_autoptr(GError) error = NULL;
    if (!options_parse(&options, &argc, &argv, &error)) {
        fprintf(stderr, "domgrpd: %s\n", error->message);
        return DOMGRP_EXIT_USAGE;
    }
    if (options.version) {
        puts("domgrpd " DOMGRP_VERSION);
        return DOMGRP_EXIT_DONE;
    }
    if (options.methods) {
        g_autofree char *reference = methods_reference();
        fputs(reference, stdout);
        return DOMGRP_EXIT_DONE;
    }
    if (!run(&options, &error)) {
        service_log(SERVICE_ERROR, "%s", error->message);
        return domgrp_error_exit(domgrp_error_code(error));
    }
    return DOMGRP_EXIT_DONE;
}
