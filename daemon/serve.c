/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* From the engine's begin to the signal that ends the daemon. */
#include "serve.h"

#include <glib-unix.h>

#include "service.h"

static gboolean on_signal(gpointer data)
{
    g_main_loop_quit(data);
    return G_SOURCE_CONTINUE;
}

gboolean serve(Host *host, Journal *journal, const char *images, const ServerOptions *options,
               GError **error)
{
    Api *api = api_new(host, journal, error);
    if (api == NULL)
        return FALSE;
    engine_set_images(api_engine(api), images);
    Server *server = server_new(api, options, error);
    if (server == NULL) {
        api_free(api);
        return FALSE;
    }

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
    server_free(server);
    api_free(api);
    return TRUE;
}
