/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * How far this process itself has come with a file, a line on the terminal at
 * standard error, drawn by a thread of its own; nothing elsewhere.
 */
#include "cli.h"

#include <stdio.h>

#define PERIOD_US (G_USEC_PER_SEC / 4)

struct Meter {
    GThread *thread; /* NULL if nothing is drawn */
    GMutex mutex;
    GCond cond;
    gboolean ends;
    const char *verb;
    guint64 total; /* 0: not known */
    MeterRead read;
    gpointer data;
    gint64 began_us;
    gboolean drawn;
};

static void meter_draw(Meter *meter)
{
    guint64 done = meter->read(meter->data);
    g_autofree char *line =
        text_rate(done, meter->total, 0, g_get_monotonic_time() - meter->began_us);
    fprintf(stderr, "\r  %s %s\033[K", meter->verb, line);
    fflush(stderr);
    meter->drawn = TRUE;
}

static gpointer meter_run(gpointer data)
{
    Meter *meter = data;
    g_mutex_lock(&meter->mutex);
    while (!meter->ends) {
        gint64 until = g_get_monotonic_time() + PERIOD_US;
        while (!meter->ends && g_cond_wait_until(&meter->cond, &meter->mutex, until))
            ;
        if (!meter->ends)
            meter_draw(meter);
    }
    g_mutex_unlock(&meter->mutex);
    return NULL;
}

Meter *meter_begin(const Cli *cli, const char *verb, guint64 total, MeterRead read, gpointer data)
{
    Meter *meter = g_new0(Meter, 1);
    *meter = (Meter){.verb = verb, .total = total, .read = read, .data = data};
    meter->began_us = g_get_monotonic_time();
    g_mutex_init(&meter->mutex);
    g_cond_init(&meter->cond);
    if (progress_is_drawn(cli))
        meter->thread = g_thread_new("meter", meter_run, meter);
    return meter;
}

void meter_end(Meter *meter)
{
    g_mutex_lock(&meter->mutex);
    meter->ends = TRUE;
    g_cond_signal(&meter->cond);
    g_mutex_unlock(&meter->mutex);
    if (meter->thread != NULL)
        g_thread_join(meter->thread);
    if (meter->drawn)
        fputs("\r\033[K", stderr);
    g_mutex_clear(&meter->mutex);
    g_cond_clear(&meter->cond);
    g_free(meter);
}
