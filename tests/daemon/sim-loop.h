/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A simulated host inside a main loop: whenever the loop has done something,
 * all that follows from it happens at once, in virtual time, unless held.
 */
#ifndef TESTS_DAEMON_SIM_LOOP_H
#define TESTS_DAEMON_SIM_LOOP_H

#include "sim.h"

typedef struct {
    GSource source;
    Host *host;
    gboolean held;
    gboolean ran; /* since the loop slept last */
} SimLoop;

static gboolean sim_loop_prepare(GSource *source, gint *timeout)
{
    SimLoop *loop = (SimLoop *)source;
    gboolean ready = !loop->held && !loop->ran;
    *timeout = -1;
    loop->ran = FALSE;
    return ready;
}

static gboolean sim_loop_dispatch(GSource *source, GSourceFunc function, gpointer data)
{
    SimLoop *loop = (SimLoop *)source;
    host_sim_run(loop->host, -1);
    loop->ran = TRUE;
    return G_SOURCE_CONTINUE;
}

/* End it with g_source_destroy() and g_source_unref(). */
static inline SimLoop *sim_loop_new(Host *host)
{
    static GSourceFuncs functions = {
        .prepare = sim_loop_prepare,
        .dispatch = sim_loop_dispatch,
    };
    SimLoop *loop = (SimLoop *)g_source_new(&functions, sizeof(SimLoop));
    loop->host = host;
    g_source_set_priority(&loop->source, G_PRIORITY_HIGH);
    g_source_attach(&loop->source, NULL);
    return loop;
}

#endif
