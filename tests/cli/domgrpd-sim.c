/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * domgrpd on a simulated host, for the command line's tests: domgrpd-sim SOCKET
 * TEST, where the test "stock" has a hypervisor that does not know groups. What
 * the host shall do is told on standard input, a line each, answered by "ok" or
 * "no":
 *
 *   hold, go                   time stands still, goes on
 *   run SECONDS                while it stands still: so long goes by
 *   memory MIB                 free memory
 *   room MIB                   that images still find
 *   xl-create LINE;LINE...     a domain that xl makes
 *   xl-destroy NAME, crash NAME, ready NAME
 *   fail N                     the Nth call of the host from now on fails
 */
#include <glib-unix.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "serve.h"
#include "service.h"
#include "../daemon/sim-loop.h"

static gboolean tell(SimLoop *loop, const char *verb, const char *rest)
{
    Host *host = loop->host;
    if (strcmp(verb, "hold") == 0 || strcmp(verb, "go") == 0) {
        loop->held = strcmp(verb, "hold") == 0;
        return TRUE;
    }
    if (strcmp(verb, "run") == 0)
        return host_sim_run_for(host, atoi(rest) * G_USEC_PER_SEC);
    if (strcmp(verb, "memory") == 0) {
        host_sim_set_memory(host, strtoull(rest, NULL, 10) * 1024);
        return TRUE;
    }
    if (strcmp(verb, "room") == 0) {
        host_sim_set_image_room(host, strtoull(rest, NULL, 10) * 1024);
        return TRUE;
    }
    if (strcmp(verb, "fail") == 0) {
        host_sim_fault(host, atoi(rest), SIM_FAIL_BEFORE);
        return TRUE;
    }
    if (strcmp(verb, "xl-create") == 0) {
        g_autofree char *text = g_strdup(rest);
        g_strdelimit(text, ";", '\n');
        return sim_xl_create(host, text, NULL);
    }
    if (strcmp(verb, "xl-destroy") == 0)
        return sim_xl_destroy(host, rest);
    if (strcmp(verb, "ready") == 0)
        return sim_guest_ready(host, rest);
    if (strcmp(verb, "crash") == 0)
        return sim_guest_end(host, rest, HOST_REASON_CRASH);
    return FALSE;
}

static gboolean on_line(gint fd, GIOCondition condition, gpointer data)
{
    char line[4096];
    if (fgets(line, sizeof(line), stdin) == NULL)
        return G_SOURCE_REMOVE;
    g_strchomp(line);
    char *rest = strchr(line, ' ');
    if (rest != NULL)
        *rest++ = '\0';
    puts(tell(data, line, rest == NULL ? "" : rest) ? "ok" : "no");
    fflush(stdout);
    return G_SOURCE_CONTINUE;
}

int main(int argc, char **argv)
{
    g_autoptr(GError) error = NULL;
    Host *host = host_sim_new();
    Journal *journal = journal_sim_new(host);
    SimLoop *loop = sim_loop_new(host);
    ServerOptions options = {.path = argv[1], .group = PEER_NO_GROUP};
    host_sim_set_groups(host, strcmp(argv[2], "stock") != 0);
    setvbuf(stdin, NULL, _IONBF, 0);
    service_log_begin();
    g_unix_fd_add(0, G_IO_IN, on_line, loop);
    gboolean served = serve(host, journal, "/sim/images", &options, &error);
    if (!served)
        service_log(SERVICE_ERROR, "%s", error->message);
    g_source_destroy(&loop->source);
    g_source_unref(&loop->source);
    journal->ops->free(journal);
    host->ops->free(host);
    return served ? 0 : 1;
}
