/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* From the engine's begin to the signal that ends the daemon. */
#include "serve.h"

#include <glib-unix.h>

#include "connections.h"
#include "service.h"

static gboolean on_signal(gpointer data)
{
    g_main_loop_quit(data);
    return G_SOURCE_CONTINUE;
}

/* The socket of other hosts is beside the API's. */
static Links *links_new(const ServerOptions *options, GError **error)
{
    g_autofree char *folder = g_path_get_dirname(options->path);
    g_autofree char *path = g_build_filename(folder, CONNECTIONS_SOCKET, NULL);
    return connections_new(&(ConnectionsOptions){.path = path}, error);
}

static Server *serve_begin(Api *api, Links *links, const char *images, const ServerOptions *options,
                           GError **error)
{
    engine_set_images(api_engine(api), images);
    engine_set_links(api_engine(api), links);
    return server_new(api, options, error);
}

static void run(const ServerOptions *options)
{
    g_autoptr(GMainLoop) loop = g_main_loop_new(NULL, FALSE);
    guint terminate = g_unix_signal_add(SIGTERM, on_signal, loop);
    guint interrupt = g_unix_signal_add(SIGINT, on_signal, loop);
    service_log(SERVICE_NOTICE, "domgrpd %s listens at %s", DOMGRP_VERSION, options->path);
    service_notify("READY=1");
    g_main_loop_run(loop);

    service_notify("STOPPING=1");
    service_log(SERVICE_NOTICE, "ending; guests run on");
    g_source_remove(terminate);
    g_source_remove(interrupt);
}

gboolean serve(Host *host, Journal *journal, const char *images, const ServerOptions *options,
               GError **error)
{
    Links *links = links_new(options, error);
    if (links == NULL)
        return FALSE;
    Api *api = api_new(host, journal, error);
    Server *server = api == NULL ? NULL : serve_begin(api, links, images, options, error);
    if (server != NULL)
        run(options);
    server_free(server);
    api_free(api);
    links->ops->free(links);
    return server != NULL;
}
