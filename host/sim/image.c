/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Images of the simulated host: files that outlive process and power, and
 * handles that do not. Of a guest's memory there is no more than to which
 * state of its disks it belongs: that is a number for each domain UUID, which
 * rises whenever a guest of it begins or goes on. Hosts that are joined share
 * the disks.
 */
#include "private.h"

#include <string.h>

#define SIM_COPY_US G_USEC_PER_SEC
#define SIM_SUSPEND_US (5 * G_USEC_PER_SEC) /* as long as anybody waits for a guest to suspend */

/* -- files -- */

static void saved_free(gpointer data)
{
    SimSaved *saved = data;
    host_config_free(saved->config);
    g_free(saved);
}

void sim_file_free(gpointer data)
{
    SimFile *file = data;
    g_free(file->group_name);
    g_free(file->text);
    g_ptr_array_unref(file->snapshots);
    g_ptr_array_unref(file->members);
    g_free(file);
}

SimFile *sim_file_new(const char *uuid, const char *group_uuid, const char *group_name,
                      const char *text)
{
    SimFile *file = g_new0(SimFile, 1);
    g_strlcpy(file->uuid, uuid, sizeof file->uuid);
    g_strlcpy(file->group_uuid, group_uuid, sizeof file->group_uuid);
    file->group_name = g_strdup(group_name);
    file->text = g_strdup(text);
    file->snapshots = g_ptr_array_new_with_free_func(g_free);
    file->members = g_ptr_array_new_with_free_func(saved_free);
    return file;
}

void sim_file_add(SimFile *file, HostConfig *config, guint64 disks)
{
    SimSaved *saved = g_new0(SimSaved, 1);
    saved->config = config;
    saved->disks = disks;
    g_ptr_array_add(file->members, saved);
}

static SimSaved *file_find(const SimFile *file, const char *uuid)
{
    for (guint i = 0; i < file->members->len; i++) {
        SimSaved *saved = file->members->pdata[i];
        if (strcmp(saved->config->uuid, uuid) == 0)
            return saved;
    }
    return NULL;
}

static void image_free(gpointer data)
{
    HostImage *image = data;
    sim_pipe_close(&image->fd);
    if (image->streamed != NULL)
        sim_file_free(image->streamed);
    g_free(image->path);
    g_free(image);
}

HostImage *sim_image_new(Sim *sim, const char *path, SimFile *file)
{
    HostImage *image = g_new0(HostImage, 1);
    image->path = g_strdup(path);
    image->file = file;
    image->streamed = path == NULL ? file : NULL;
    image->fd = -1;
    g_ptr_array_add(sim->images, image);
    return image;
}

static const char *image_name(const HostImage *image)
{
    return image->path != NULL ? image->path : "the stream";
}

void sim_images_init(Sim *sim)
{
    sim->files = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, sim_file_free);
    sim->unfinished = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, sim_file_free);
    sim->disks = sim_disks_new();
    sim->images = g_ptr_array_new_with_free_func(image_free);
    sim->image_room_kib = G_MAXUINT64;
}

void sim_images_forget(Sim *sim)
{
    g_ptr_array_set_size(sim->images, 0);
}

/* -- disks, and memory that fits them -- */

SimDisks *sim_disks_new(void)
{
    SimDisks *disks = g_rc_box_new0(SimDisks);
    disks->states = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    return disks;
}

static void disks_clear(gpointer data)
{
    g_hash_table_unref(((SimDisks *)data)->states);
}

void sim_disks_unref(SimDisks *disks)
{
    g_rc_box_release_full(disks, disks_clear);
}

guint64 sim_disks(Sim *sim, const char *uuid)
{
    const guint64 *disks = g_hash_table_lookup(sim->disks->states, uuid);
    return disks != NULL ? *disks : 0;
}

static void set_disks(Sim *sim, const char *uuid, guint64 value)
{
    guint64 *disks = g_new(guint64, 1);
    *disks = value;
    g_hash_table_insert(sim->disks->states, g_strdup(uuid), disks);
}

void sim_disks_move(Sim *sim, const SimDomain *domain)
{
    set_disks(sim, domain->config->uuid, ++sim->disks->last);
}

/* Whether @file, which may be NULL, has the memory that fits the disks of @uuid. */
static gboolean holds(Sim *sim, const SimFile *file, const char *uuid)
{
    const SimSaved *saved = file != NULL ? file_find(file, uuid) : NULL;
    return saved != NULL && !saved->broken && saved->disks == sim_disks(sim, uuid);
}

static gboolean image_holds(Sim *sim, const char *uuid)
{
    GHashTableIter iter;
    gpointer file;
    g_hash_table_iter_init(&iter, sim->files);
    while (g_hash_table_iter_next(&iter, NULL, &file))
        if (holds(sim, file, uuid))
            return TRUE;
    return FALSE;
}

gboolean sim_image_is_used(Sim *sim, const SimDomain *domain)
{
    GHashTableIter iter;
    gpointer value;
    g_hash_table_iter_init(&iter, sim->files);
    while (g_hash_table_iter_next(&iter, NULL, &value)) {
        const SimFile *file = value;
        if (strcmp(file->uuid, domain->image) == 0 && !file->used)
            return FALSE;
    }
    return TRUE;
}

gboolean sim_domain_fits(Sim *sim, const SimDomain *domain)
{
    gboolean kept =
        domain->shutdown ? sim_domain_suspended(domain) : domain->restored && !domain->began;
    return kept && domain->saved_disks == sim_disks(sim, domain->config->uuid);
}

static gboolean host_holds(Sim *sim, const char *uuid)
{
    const SimDomain *domain = sim_domain_by_uuid(sim, uuid);
    gboolean runs = domain != NULL && domain->began && !domain->shutdown;
    return runs || (domain != NULL && sim_domain_fits(sim, domain)) || image_holds(sim, uuid);
}

gboolean sim_memory_is_safe(Sim *sim, const char *uuid)
{
    return host_holds(sim, uuid) || (sim->peer != NULL && host_holds(sim->peer, uuid));
}

/* Takes the file away, and tells whether memory went with it that is nowhere else. */
static void remove_file(Sim *sim, const char *path)
{
    gpointer key;
    gpointer value;
    if (!g_hash_table_steal_extended(sim->files, path, &key, &value))
        return;
    SimFile *file = value;
    SimMoment moment = {.what = SIM_REMOVED,
                        .name = key,
                        .domid = HOST_DOMID_NONE,
                        .at_us = sim->now,
                        .by_daemon = sim->acting};
    for (guint i = 0; i < file->members->len; i++) {
        const char *uuid = ((SimSaved *)file->members->pdata[i])->config->uuid;
        moment.lost = moment.lost || (holds(sim, file, uuid) && !sim_memory_is_safe(sim, uuid) &&
                                      sim_domain_by_uuid(sim, uuid) == NULL);
    }
    if (sim->trace != NULL)
        sim->trace(sim->trace_data, &moment);
    sim_file_free(file);
    g_free(key);
}

/* -- calls on an image -- */

static SimCall *image_call(Host *host, const char *name, gint64 delay_us, HostImage *image,
                           SimEffect effect, HostDone done, gpointer data)
{
    SimCall *call =
        sim_call_new(host, name, delay_us, effect, sim_answer_done, (SimCallback)done, data);
    g_assert(sim_of(host)->dead || !image->closed);
    call->image = image;
    return call;
}

void sim_image_cancel(Host *host, HostImage *image)
{
    Sim *sim = sim_of(host);
    for (guint i = 0; i < sim->events->len; i++) {
        SimEvent *event = sim->events->pdata[i];
        SimCall *call = event->data;
        if (event->run != sim_call_run || call->image != image || call->error != NULL)
            continue;
        sim_fail(&call->error, DOMGRP_ERROR_CANCELLED, "%s was broken off", call->name);
        event->at = MIN(event->at, sim->now + SIM_CALL_US);
    }
}

/* -- writing -- */

static void answer_create(SimCall *call, const GError *error)
{
    if (error != NULL && call->image != NULL) { /* what it has begun it can undo */
        sim_pipe_close(&call->image->fd);
        if (call->path != NULL)
            g_hash_table_remove(call->sim->unfinished, call->path);
    }
    ((HostImageOpened)call->done)(call->data, error == NULL ? call->image : NULL, NULL, error);
}

static gboolean effect_image_create(Sim *sim, SimCall *call, GError **error)
{
    if (call->path != NULL && g_hash_table_contains(sim->files, call->path))
        return sim_fail(error, DOMGRP_ERROR_FILE, "%s: a file is there already", call->path);
    SimFile *file = g_steal_pointer(&call->file);
    call->image = sim_image_new(sim, call->path, file);
    call->image->writes = TRUE;
    if (call->path != NULL)
        g_hash_table_insert(sim->unfinished, g_strdup(call->path), file);
    call->image->fd = call->fd;
    call->fd = -1;
    return TRUE;
}

void sim_image_create(Host *host, const HostImageSpec *spec, HostImageOpened done, gpointer data)
{
    SimCall *call = sim_call_new(host, "image_create", SIM_CALL_US, effect_image_create,
                                 answer_create, (SimCallback)done, data);
    call->path = g_strdup(spec->path);
    call->file = sim_file_new(spec->uuid, spec->group_uuid, spec->group_name, spec->text);
    for (guint i = 0; i < spec->n_members; i++)
        sim_file_add(call->file, host_config_copy(spec->members[i]), 0);
    if (spec->path == NULL)
        call->fd = sim_pipe_take(spec->fd);
}

static gboolean effect_copy(Sim *sim, SimCall *call, GError **error)
{
    SimDomain *domain;
    if (!sim_find_domain(sim, call->domid, call->uuid, &domain, error))
        return FALSE;
    return !domain->shutdown || sim_fail(error, DOMGRP_ERROR_HOST,
                                         "%s has ended while it was copied", domain->config->name);
}

void sim_image_copy(Host *host, HostImage *image, guint32 domid, const char *uuid, HostDone done,
                    gpointer data)
{
    SimCall *call = image_call(host, "image_copy", SIM_COPY_US, image, effect_copy, done, data);
    call->domid = domid;
    g_strlcpy(call->uuid, uuid, sizeof call->uuid);
}

static gboolean effect_suspend(Sim *sim, SimCall *call, GError **error)
{
    SimDomain *domain;
    if (!sim_find_domain(sim, call->domid, call->uuid, &domain, error))
        return FALSE;
    if (sim_domain_suspended(domain))
        return TRUE;
    if (domain->wants_suspend)
        sim_domain_unsuspend(domain);
    return domain->shutdown
               ? sim_fail(error, DOMGRP_ERROR_HOST, "%s has ended instead of suspending",
                          domain->config->name)
               : sim_fail(error, DOMGRP_ERROR_TIMEOUT, "its guest did not suspend within 5 s");
}

void sim_image_suspend(Host *host, HostImage *image, guint32 domid, const char *uuid, HostDone done,
                       gpointer data)
{
    Sim *sim = sim_of(host);
    SimDomain *domain = sim_domain_by_id(sim, domid);
    double takes = domain != NULL ? sim_domain_number(domain, "suspend_takes", 0.5) : 0;
    gboolean never = domain != NULL && sim_domain_flag(domain, "no_suspend");
    gint64 us = never ? SIM_SUSPEND_US
                      : MIN((gint64)(takes * G_USEC_PER_SEC) + SIM_CALL_US, SIM_SUSPEND_US);
    SimCall *call = image_call(host, "image_suspend", us, image, effect_suspend, done, data);
    call->domid = domid;
    g_strlcpy(call->uuid, uuid, sizeof call->uuid);
    if (domain != NULL && domain->suspends > 0 && domain->xl_saves)
        sim_fail(&call->error, DOMGRP_ERROR_HOST, "another toolstack saves it");
    if (call->error != NULL || domain == NULL || sim->dead)
        return;
    domain->asked = domain->xl_saves = FALSE;
    if (!never)
        sim_domain_suspend_later(sim, domain, takes);
}

static gboolean effect_snapshot(Sim *sim, SimCall *call, GError **error)
{
    if (strstr(call->text, "fail") != NULL)
        return sim_fail(error, DOMGRP_ERROR_SNAPSHOT, "\"%s\" ended with status 1", call->text);
    g_ptr_array_add(call->image->file->snapshots, g_strdup(call->text));
    return TRUE;
}

void sim_image_snapshot(Host *host, HostImage *image, const char *command, HostDone done,
                        gpointer data)
{
    image_call(host, "image_snapshot", G_USEC_PER_SEC / 5, image, effect_snapshot, done, data)
        ->text = g_strdup(command);
}

/* Nothing is written before all stand still. */
static gboolean check_still(Sim *sim, const SimFile *file, GError **error)
{
    for (guint i = 0; i < file->members->len; i++) {
        const HostConfig *config = ((SimSaved *)file->members->pdata[i])->config;
        const SimDomain *domain = sim_domain_by_uuid(sim, config->uuid);
        if (domain == NULL || !sim_domain_suspended(domain))
            return sim_fail(error, DOMGRP_ERROR_HOST, "%s does not stand still", config->name);
    }
    return TRUE;
}

static gboolean effect_save(Sim *sim, SimCall *call, GError **error)
{
    SimDomain *domain;
    HostImage *image = call->image;
    SimSaved *saved = file_find(image->file, call->uuid);
    if (!sim_find_domain(sim, call->domid, call->uuid, &domain, error) ||
        !check_still(sim, image->file, error))
        return FALSE;
    if (domain->config->memory_kib > sim->image_room_kib)
        return sim_fail(error, DOMGRP_ERROR_FILE, "%s: no space left on device", image_name(image));
    sim->image_room_kib -= domain->config->memory_kib;
    image->progress.memory_bytes += domain->config->memory_kib * 1024;
    image->progress.file_bytes += domain->config->memory_kib * 512;
    saved->saved = TRUE;
    saved->disks = sim_disks(sim, call->uuid);
    return TRUE;
}

void sim_image_save(Host *host, HostImage *image, guint32 domid, const char *uuid, HostDone done,
                    gpointer data)
{
    SimCall *call = image_call(host, "image_save", G_USEC_PER_SEC, image, effect_save, done, data);
    call->domid = domid;
    g_strlcpy(call->uuid, uuid, sizeof call->uuid);
}

static gboolean effect_finish(Sim *sim, SimCall *call, GError **error)
{
    HostImage *image = call->image;
    for (guint i = 0; i < image->file->members->len; i++)
        if (!((SimSaved *)image->file->members->pdata[i])->saved)
            return sim_fail(error, DOMGRP_ERROR_HOST, "a member was not saved");
    if (image->path == NULL) {
        gboolean written = sim_stream_write(image->file, image->fd, error);
        sim_pipe_close(&image->fd);
        return written;
    }
    if (g_hash_table_contains(sim->files, image->path))
        return sim_fail(error, DOMGRP_ERROR_FILE, "%s: a file is there already", image->path);
    gpointer key;
    gpointer file;
    if (g_hash_table_steal_extended(sim->unfinished, image->path, &key, &file))
        g_hash_table_insert(sim->files, key, file);
    return TRUE;
}

void sim_image_finish(Host *host, HostImage *image, HostDone done, gpointer data)
{
    image_call(host, "image_finish", G_USEC_PER_SEC / 5, image, effect_finish, done, data);
}

static gboolean effect_resume(Sim *sim, SimCall *call, GError **error)
{
    SimDomain *domain;
    if (!sim_find_domain(sim, call->domid, call->uuid, &domain, error))
        return FALSE;
    sim_domain_wake(sim, domain);
    return TRUE;
}

void sim_domain_resume_call(Host *host, guint32 domid, const char *uuid, HostDone done,
                            gpointer data)
{
    sim_domain_call(host, "domain_resume", SIM_CALL_US, domid, uuid, effect_resume, done, data);
}

/* -- reading -- */

static HostImageInfo *image_info(const SimFile *file)
{
    HostImageInfo *info = g_new0(HostImageInfo, 1);
    memcpy(info->uuid, file->uuid, sizeof info->uuid);
    memcpy(info->group_uuid, file->group_uuid, sizeof info->group_uuid);
    info->group_name = g_strdup(file->group_name);
    info->text = g_strdup(file->text);
    info->used = file->used;
    info->disks = g_ptr_array_new_with_free_func(g_free);
    info->members = g_ptr_array_new_with_free_func((GDestroyNotify)host_config_free);
    for (guint i = 0; i < file->snapshots->len; i++)
        g_ptr_array_add(info->disks, g_strdup(file->snapshots->pdata[i]));
    for (guint i = 0; i < file->members->len; i++)
        g_ptr_array_add(info->members,
                        host_config_copy(((SimSaved *)file->members->pdata[i])->config));
    return info;
}

void sim_image_answer(SimCall *call, const GError *error)
{
    g_autoptr(HostImageInfo) info = error == NULL ? image_info(call->image->file) : NULL;
    ((HostImageOpened)call->done)(call->data, error == NULL ? call->image : NULL, info, error);
}

static gboolean effect_open(Sim *sim, SimCall *call, GError **error)
{
    SimFile *file = g_hash_table_lookup(sim->files, call->path);
    if (file == NULL)
        return sim_fail(error, DOMGRP_ERROR_FILE, "%s: no such file", call->path);
    call->image = sim_image_new(sim, call->path, file);
    return TRUE;
}

void sim_image_open(Host *host, const char *path, HostImageOpened done, gpointer data)
{
    sim_call_new(host, "image_open", SIM_CALL_US, effect_open, sim_image_answer, (SimCallback)done,
                 data)
        ->path = g_strdup(path);
}

static gboolean effect_restore(Sim *sim, SimCall *call, GError **error)
{
    SimDomain *domain = sim_domain_by_id(sim, call->domid);
    if (domain == NULL)
        return sim_fail(error, DOMGRP_ERROR_HOST, "domain %u went away while it was built",
                        call->domid);
    const SimSaved *saved = file_find(call->image->file, call->member);
    if (saved->broken || sim_domain_flag(domain, "build_fails")) {
        domain->restored = FALSE;
        sim_domain_remove(sim, domain);
        return sim_fail(error, DOMGRP_ERROR_IMAGE, "%s is damaged: the memory of %s",
                        image_name(call->image), call->config->name);
    }
    memcpy(domain->record, call->uuid, sizeof domain->record);
    domain->restored = TRUE;
    memcpy(domain->image, call->image->file->uuid, sizeof domain->image);
    /* A copy's disks are others: those it is given fit. */
    gboolean copy = strcmp(domain->config->uuid, saved->config->uuid) != 0;
    domain->saved_disks = copy ? sim_disks(sim, domain->config->uuid) : saved->disks;
    sim_domain_built(sim, domain);
    return TRUE;
}

void sim_image_restore(Host *host, HostImage *image, const char *member_uuid, const char *json,
                       const HostRecord *record, HostCreated done, gpointer data)
{
    SimCall *call = sim_call_new(host, "image_restore", SIM_BUILD_US, effect_restore,
                                 sim_answer_created, (SimCallback)done, data);
    call->image = image;
    call->member = g_strdup(member_uuid);
    memcpy(call->uuid, record->uuid, sizeof call->uuid);
    if (call->error == NULL && file_find(image->file, member_uuid) == NULL)
        sim_fail(&call->error, DOMGRP_ERROR_IMAGE, "there is no %s in %s", member_uuid,
                 image_name(image));
    sim_call_build(call, json);
}

static gboolean effect_use(Sim *sim, SimCall *call, GError **error)
{
    call->image->file->used = TRUE;
    return TRUE;
}

void sim_image_use(Host *host, HostImage *image, HostDone done, gpointer data)
{
    image_call(host, "image_use", SIM_CALL_US, image, effect_use, done, data);
}

/* -- either -- */

void sim_image_progress(Host *host, const HostImage *image, HostImageProgress *ret_progress)
{
    *ret_progress = image->progress;
}

void sim_image_close(Host *host, HostImage *image)
{
    Sim *sim = sim_of(host);
    SimFault fault = sim_enter(sim, "image_close");
    if (sim->dead)
        return;
    g_assert(!image->closed);
    image->closed = TRUE;
    sim_pipe_close(&image->fd);
    if (image->writes && image->path != NULL &&
        g_hash_table_lookup(sim->unfinished, image->path) == image->file)
        g_hash_table_remove(sim->unfinished, image->path);
    sim_leave(sim, fault, "image_close", NULL);
}

static gboolean effect_image_remove(Sim *sim, SimCall *call, GError **error)
{
    const SimFile *file = g_hash_table_lookup(sim->files, call->path);
    g_hash_table_remove(sim->unfinished, call->path);
    if (file != NULL && strcmp(file->uuid, call->member) == 0)
        remove_file(sim, call->path);
    return TRUE;
}

void sim_image_remove(Host *host, const char *path, const char *image_uuid, HostDone done,
                      gpointer data)
{
    SimCall *call = sim_call_new(host, "image_remove", SIM_CALL_US, effect_image_remove,
                                 sim_answer_done, (SimCallback)done, data);
    call->path = g_strdup(path);
    call->member = g_strdup(image_uuid);
}

/* "key = value" in place of what @text says of @key. */
static char *replace_line(const char *text, const char *key, const char *value)
{
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
    GString *all = g_string_new(NULL);
    for (char **line = lines; *line != NULL; line++)
        if (strncmp(*line, key, strlen(key)) != 0 && **line != '\0')
            g_string_append_printf(all, "%s\n", *line);
    g_string_append_printf(all, "%s=%s\n", key, value);
    return g_string_free(all, FALSE);
}

/* The value of "disk=" in @text; NULL if there is none. */
static char *find_disk(const char *text)
{
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
    for (char **line = lines; *line != NULL; line++)
        if (g_str_has_prefix(*line, "disk="))
            return g_strdup(*line + strlen("disk="));
    return NULL;
}

static gboolean map_disks(char **text, const HostConfigMap *map, GError **error)
{
    g_autofree char *disk = find_disk(*text);
    gboolean mapped = disk == NULL;
    for (guint i = 0; map->disks[i] != NULL; i++) {
        const char *equals = strchr(map->disks[i], '=');
        g_autofree char *old = g_strndup(map->disks[i], (gsize)(equals - map->disks[i]));
        if (g_strcmp0(old, disk) != 0)
            return sim_fail(error, DOMGRP_ERROR_VALUE, "%s has no disk %s", map->name, old);
        char *changed = replace_line(*text, "disk", equals + 1);
        g_free(*text);
        *text = changed;
        mapped = TRUE;
    }
    return mapped || sim_fail(error, DOMGRP_ERROR_VALUE,
                              "it would write to the disk %s of the original", disk);
}

gboolean sim_config_map(Host *host, const char *json, const HostConfigMap *map,
                        HostConfig **ret_config, GError **error)
{
    g_autofree char *named = replace_line(json, "name", map->name);
    g_autofree char *text = replace_line(named, "uuid", map->uuid);
    if (!map_disks(&text, map, error))
        return FALSE;
    HostConfig *config = sim_config_parse(sim_of(host), "map", text, error);
    if (config == NULL)
        return FALSE;
    *ret_config = config;
    return TRUE;
}

/* -- what tests do to images -- */

void host_sim_set_image_room(Host *host, guint64 kib)
{
    sim_of(host)->image_room_kib = kib;
}

void host_sim_revert_disks(Host *host, const char *path)
{
    const SimFile *file = g_hash_table_lookup(sim_of(host)->files, path);
    for (guint i = 0; file != NULL && i < file->members->len; i++) {
        const SimSaved *saved = file->members->pdata[i];
        set_disks(sim_of(host), saved->config->uuid, saved->disks);
    }
}

void host_sim_break_image(Host *host, const char *path, const char *name)
{
    const SimFile *file = g_hash_table_lookup(sim_of(host)->files, path);
    for (guint i = 0; i < file->members->len; i++) {
        SimSaved *saved = file->members->pdata[i];
        saved->broken = saved->broken || strcmp(saved->config->name, name) == 0;
    }
}

void host_sim_move_image(Host *host, const char *path, const char *to)
{
    gpointer key;
    gpointer file;
    if (!g_hash_table_steal_extended(sim_of(host)->files, path, &key, &file))
        return;
    g_free(key);
    if (to != NULL)
        g_hash_table_insert(sim_of(host)->files, g_strdup(to), file);
    else
        sim_file_free(file);
}

static gint compare_lines(gconstpointer a, gconstpointer b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

char *host_sim_describe_images(Host *host)
{
    Sim *sim = sim_of(host);
    g_autoptr(GPtrArray) lines = g_ptr_array_new_with_free_func(g_free);
    GHashTableIter iter;
    gpointer path;
    gpointer value;
    g_hash_table_iter_init(&iter, sim->unfinished);
    while (g_hash_table_iter_next(&iter, &path, NULL))
        g_ptr_array_add(lines, g_strdup_printf("unfinished %s", (char *)path));
    g_hash_table_iter_init(&iter, sim->files);
    while (g_hash_table_iter_next(&iter, &path, &value)) {
        const SimFile *file = value;
        GString *line = g_string_new(NULL);
        g_string_append_printf(line, "%s of %s%s:", (char *)path, file->group_name,
                               file->used ? " (used)" : "");
        for (guint i = 0; i < file->members->len; i++)
            g_string_append_printf(line, " %s",
                                   ((SimSaved *)file->members->pdata[i])->config->name);
        g_ptr_array_add(lines, g_string_free(line, FALSE));
    }
    g_ptr_array_sort(lines, compare_lines);
    g_ptr_array_add(lines, NULL);
    return g_strjoinv("\n", (char **)lines->pdata);
}
