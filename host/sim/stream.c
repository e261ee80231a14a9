/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Images of the simulated host that go through a pipe: all of one as a
 * GVariant in text, written at once when it is finished, since a pipe has
 * room for it. A text that was cut short is none.
 */
#include "private.h"

#include <errno.h>
#include <glib-unix.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#define FORMAT "(ssssasa(st))" /* UUIDs of image and group, name, text, snapshots, members */
#define PIPE_ROOM 65536

/* -- pipes -- */

int sim_pipe_take(int fd)
{
    g_assert_true(g_unix_set_fd_nonblocking(fd, TRUE, NULL));
    return fd;
}

void sim_pipe_close(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

gboolean sim_pipe_read(int fd, GString *into)
{
    char bytes[4096];
    ssize_t got;
    while ((got = read(fd, bytes, sizeof bytes)) > 0)
        g_string_append_len(into, bytes, got);
    return got < 0 && (errno == EAGAIN || errno == EINTR);
}

/* Nobody is sent SIGPIPE: whether it is read is looked at first. */
gboolean sim_pipe_write(int fd, gconstpointer bytes, gsize size)
{
    struct pollfd look = {.fd = fd, .events = POLLOUT};
    if (poll(&look, 1, 0) < 0 || (look.revents & POLLERR) != 0)
        return FALSE;
    ssize_t written = write(fd, bytes, size);
    g_assert_cmpint(written, ==, (ssize_t)size);
    return TRUE;
}

void sim_pipes_look(Sim *sim)
{
    sim_links_look(sim);
    for (guint i = 0; i < sim->events->len; i++) {
        SimEvent *event = sim->events->pdata[i];
        SimCall *call = event->data;
        if (event->at == SIM_NEVER && event->run == sim_call_run && !call->waits(call))
            event->at = sim->now;
    }
}

/* -- writing -- */

gboolean sim_stream_write(const SimFile *file, int fd, GError **error)
{
    g_auto(GVariantBuilder) members = G_VARIANT_BUILDER_INIT(G_VARIANT_TYPE("a(st)"));
    g_auto(GVariantBuilder) snapshots = G_VARIANT_BUILDER_INIT(G_VARIANT_TYPE("as"));
    for (guint i = 0; i < file->snapshots->len; i++)
        g_variant_builder_add(&snapshots, "s", file->snapshots->pdata[i]);
    for (guint i = 0; i < file->members->len; i++) {
        const SimSaved *saved = file->members->pdata[i];
        g_variant_builder_add(&members, "(st)", saved->config->json, saved->disks);
    }
    g_autoptr(GVariant) all = g_variant_ref_sink(g_variant_new(
        FORMAT, file->uuid, file->group_uuid, file->group_name, file->text, &snapshots, &members));
    g_autofree char *text = g_variant_print(all, FALSE);
    if (strlen(text) > PIPE_ROOM)
        return sim_fail(error, DOMGRP_ERROR_FILE, "%s does not fit into a pipe of %d bytes",
                        file->group_name, PIPE_ROOM);
    return sim_pipe_write(fd, text, strlen(text)) ||
           sim_fail(error, DOMGRP_ERROR_FILE, "nobody reads the stream of %s", file->group_name);
}

/* -- reading -- */

static gboolean add_members(Sim *sim, SimFile *file, GVariantIter *members, GError **error)
{
    const char *json;
    guint64 disks;
    while (g_variant_iter_next(members, "(&st)", &json, &disks)) {
        HostConfig *config = sim_config_parse(sim, "the stream", json, error);
        if (config == NULL)
            return FALSE;
        sim_file_add(file, config, disks);
    }
    return TRUE;
}

static SimFile *parse(Sim *sim, const char *text, guint n_members, GError **error)
{
    g_autoptr(GVariant) all = g_variant_parse(G_VARIANT_TYPE(FORMAT), text, NULL, NULL, NULL);
    g_autoptr(GVariantIter) snapshots = NULL;
    g_autoptr(GVariantIter) members = NULL;
    const char *uuid, *group_uuid, *name, *definition, *snapshot;
    if (all == NULL) {
        sim_fail(error, DOMGRP_ERROR_IMAGE, "the stream ends before the image that it brings");
        return NULL;
    }
    g_variant_get(all, "(&s&s&s&sasa(st))", &uuid, &group_uuid, &name, &definition, &snapshots,
                  &members);
    if (g_variant_iter_n_children(members) != n_members) {
        sim_fail(error, DOMGRP_ERROR_IMAGE, "the stream brings %u members in place of %u",
                 (guint)g_variant_iter_n_children(members), n_members);
        return NULL;
    }
    SimFile *file = sim_file_new(uuid, group_uuid, name, definition);
    while (g_variant_iter_next(snapshots, "&s", &snapshot))
        g_ptr_array_add(file->snapshots, g_strdup(snapshot));
    if (add_members(sim, file, members, error))
        return file;
    sim_file_free(file);
    return NULL;
}

static gboolean waits_for_image(SimCall *call)
{
    return sim_pipe_read(call->fd, call->stream);
}

static gboolean effect_receive(Sim *sim, SimCall *call, GError **error)
{
    SimFile *file = parse(sim, call->stream->str, call->n_members, error);
    if (file == NULL)
        return FALSE;
    call->image = sim_image_new(sim, NULL, file);
    return TRUE;
}

/* The stream has no memory in it: it is never larger than @memory_kib allows. */
void sim_image_receive(Host *host, int fd, guint n_members, guint64 memory_kib,
                       HostImageOpened done, gpointer data)
{
    SimCall *call = sim_call_new(host, "image_receive", SIM_CALL_US, effect_receive,
                                 sim_image_answer, (SimCallback)done, data);
    call->waits = waits_for_image;
    call->fd = sim_pipe_take(fd);
    call->stream = g_string_new(NULL);
    call->n_members = n_members;
}
