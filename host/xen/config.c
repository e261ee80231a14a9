/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Members' configurations: libxl's JSON, made complete so that it describes
 * the same machine for ever and wherever it is read, and the facts in it.
 */
#include "private.h"

#include <stdio.h>
#include <string.h>

#include "domgrp-text.h"

/* -- facts -- */

static HostAction action_of(libxl_action_on_shutdown action)
{
    switch (action) {
    case LIBXL_ACTION_ON_SHUTDOWN_RESTART:
        return HOST_ACTION_RESTART;
    case LIBXL_ACTION_ON_SHUTDOWN_RESTART_RENAME:
        return HOST_ACTION_RENAME_RESTART;
    case LIBXL_ACTION_ON_SHUTDOWN_PRESERVE:
        return HOST_ACTION_PRESERVE;
    case LIBXL_ACTION_ON_SHUTDOWN_COREDUMP_DESTROY:
        return HOST_ACTION_COREDUMP_DESTROY;
    case LIBXL_ACTION_ON_SHUTDOWN_COREDUMP_RESTART:
        return HOST_ACTION_COREDUMP_RESTART;
    case LIBXL_ACTION_ON_SHUTDOWN_SOFT_RESET:
        return HOST_ACTION_SOFT_RESET;
    default:
        return HOST_ACTION_DESTROY;
    }
}

static void facts_fill(const libxl_domain_config *parsed, HostConfig *config)
{
    config->name = g_strdup(parsed->c_info.name);
    uuid_to_text(libxl_uuid_bytearray_const(&parsed->c_info.uuid), config->uuid);
    config->on[HOST_REASON_POWEROFF] = action_of(parsed->on_poweroff);
    config->on[HOST_REASON_REBOOT] = action_of(parsed->on_reboot);
    config->on[HOST_REASON_CRASH] = action_of(parsed->on_crash);
    config->on[HOST_REASON_WATCHDOG] = action_of(parsed->on_watchdog);
    config->on[HOST_REASON_SOFT_RESET] = action_of(parsed->on_soft_reset);
}

static gboolean is_missing(const char *path)
{
    return path != NULL && *path == '/' && !g_file_test(path, G_FILE_TEST_EXISTS);
}

/*
 * A file that libxl would not find, or NULL. A disk that a script attaches,
 * that another domain serves or that QEMU opens by a name of its own may have
 * any target, and a boot loader takes its kernel from the guest's disk.
 */
static const char *find_lacking(const libxl_domain_config *parsed)
{
    const libxl_domain_build_info *build = &parsed->b_info;
    if (build->bootloader == NULL && is_missing(build->kernel))
        return build->kernel;
    if (build->bootloader == NULL && is_missing(build->ramdisk))
        return build->ramdisk;
    for (int i = 0; i < parsed->num_disks; i++) {
        const libxl_device_disk *disk = &parsed->disks[i];
        gboolean elsewhere = disk->script != NULL || disk->backend_domname != NULL ||
                             disk->backend_domid != 0 || disk->format == LIBXL_DISK_FORMAT_EMPTY;
        if (!elsewhere && is_missing(disk->pdev_path))
            return disk->pdev_path;
    }
    return NULL;
}

/* Configurations come from other hosts and in images, and libxl trusts those that it reads. */
static gboolean check_size(const char *json, GError **error)
{
    if (domgrp_text_json_values(json) <= DOMGRP_JSON_VALUES_MAX)
        return TRUE;
    g_set_error(error, DOMGRP_ERROR, DOMGRP_ERROR_VALUE,
                "a domain's configuration has more than %u values: no domain needs as many",
                DOMGRP_JSON_VALUES_MAX);
    return FALSE;
}

static gboolean check_parsed(const libxl_domain_config *parsed, GError **error)
{
    const char *name = parsed->c_info.name;
    if (name == NULL || *name == '\0') {
        g_set_error(error, DOMGRP_ERROR, DOMGRP_ERROR_VALUE,
                    "a domain's configuration has no name: write name=");
        return FALSE;
    }
    if (parsed->c_info.type == parsed->b_info.type)
        return TRUE;
    g_set_error(error, DOMGRP_ERROR, DOMGRP_ERROR_VALUE,
                "the configuration of \"%s\" is of two types of domain: write it anew", name);
    return FALSE;
}

gboolean config_load(Xl *xl, const char *json, libxl_domain_config *ret_parsed, GError **error)
{
    if (!check_size(json, error))
        return FALSE;
    libxl_domain_config_init(ret_parsed);
    xl_forget(xl);
    int rc = libxl_domain_config_from_json(xl->ctx, ret_parsed, json);
    if (rc == 0 && check_parsed(ret_parsed, error))
        return TRUE;
    libxl_domain_config_dispose(ret_parsed);
    return rc != 0 ? xl_fail(xl, rc, error, "a domain's configuration cannot be read") : FALSE;
}

gboolean config_facts(Xl *xl, const char *json, HostConfig **ret_config, GError **error)
{
    libxl_domain_config parsed;
    uint64_t need_kib = 0;

    if (!config_load(xl, json, &parsed, error))
        return FALSE;
    g_autoptr(HostConfig) config = g_new0(HostConfig, 1);
    facts_fill(&parsed, config);
    config->json = g_strdup(json);
    config->lacks = g_strdup(find_lacking(&parsed));

    /* This puts defaults into the configuration, so it comes last and is not kept. */
    int rc = libxl_domain_need_memory(xl->ctx, &parsed, INVALID_DOMID, &need_kib);
    libxl_domain_config_dispose(&parsed);
    if (rc != 0)
        return xl_fail(xl, rc, error, "the memory that \"%s\" needs is not known", config->name);
    config->memory_kib = need_kib;
    *ret_config = g_steal_pointer(&config);
    return TRUE;
}

gboolean config_parse(Host *base, const char *json, HostConfig **ret_config, GError **error)
{
    return config_facts(host_xen(base)->xl, json, ret_config, error);
}

/* -- completion -- */

/* Replaces the relative path *@path by one that starts from @directory. */
static void path_complete(char **path, const char *directory, gboolean must_exist)
{
    if (*path == NULL || **path == '\0' || **path == '/')
        return;
    g_autofree char *absolute = g_build_filename(directory, *path, NULL);
    if (must_exist && !g_file_test(absolute, G_FILE_TEST_EXISTS))
        return;
    free(*path);
    *path = strdup(absolute); /* libxl frees it */
}

/*
 * xl takes relative paths from its own directory, the daemon's is another. A
 * disk's target may as well be no file but something its script understands.
 */
static void paths_complete(libxl_domain_config *parsed, const char *directory)
{
    libxl_domain_build_info *build = &parsed->b_info;

    path_complete(&build->kernel, directory, FALSE);
    path_complete(&build->ramdisk, directory, FALSE);
    path_complete(&build->device_tree, directory, FALSE);
    path_complete(&build->bootloader, directory, TRUE);
    path_complete(&build->device_model, directory, TRUE);
    if (parsed->c_info.type == LIBXL_DOMAIN_TYPE_HVM) {
        path_complete(&build->u.hvm.firmware, directory, TRUE);
        path_complete(&build->u.hvm.system_firmware, directory, FALSE);
        path_complete(&build->u.hvm.smbios_firmware, directory, FALSE);
        path_complete(&build->u.hvm.acpi_firmware, directory, FALSE);
    }
    for (int i = 0; i < parsed->num_disks; i++)
        path_complete(&parsed->disks[i].pdev_path, directory, TRUE);
}

/* Gives a MAC address to each interface that has none: Xen's prefix, and chance. */
static void macs_complete(libxl_domain_config *parsed)
{
    static const libxl_mac none;

    for (int i = 0; i < parsed->num_nics; i++) {
        libxl_mac *mac = &parsed->nics[i].mac;
        if (memcmp(mac, &none, sizeof(none)) != 0)
            continue;
        guint32 chance = g_random_int();
        (*mac)[0] = 0x00;
        (*mac)[1] = 0x16;
        (*mac)[2] = 0x3e;
        (*mac)[3] = (uint8_t)(chance >> 16 & 0x7f);
        (*mac)[4] = (uint8_t)(chance >> 8);
        (*mac)[5] = (uint8_t)chance;
    }
}

static char *json_of(Xl *xl, libxl_domain_config *parsed)
{
    char *json = libxl_domain_config_to_json(xl->ctx, parsed);
    char *copy = g_strdup(json);
    free(json);
    return copy;
}

/* -- a copy's -- */

static gboolean map_name(libxl_domain_config *parsed, const HostConfigMap *map, GError **error)
{
    libxl_uuid uuid;

    if (libxl_uuid_from_string(&uuid, map->uuid) != 0) {
        g_set_error(error, DOMGRP_ERROR, DOMGRP_ERROR_VALUE, "\"%s\" is no UUID", map->uuid);
        return FALSE;
    }
    libxl_uuid_copy(NULL, &parsed->c_info.uuid, &uuid);
    free(parsed->c_info.name);
    parsed->c_info.name = strdup(map->name);
    return TRUE;
}

static gboolean mac_parse(const char *text, libxl_mac *ret_mac)
{
    guint byte[6];
    int end = 0;
    if (sscanf(text, "%2x:%2x:%2x:%2x:%2x:%2x%n", &byte[0], &byte[1], &byte[2], &byte[3], &byte[4],
               &byte[5], &end) != 6 ||
        text[end] != '\0')
        return FALSE;
    for (guint i = 0; i < 6; i++)
        (*ret_mac)[i] = (uint8_t)byte[i];
    return TRUE;
}

/* Interfaces that the map does not have get new addresses. */
static gboolean map_macs(libxl_domain_config *parsed, const HostConfigMap *map, GError **error)
{
    for (int i = 0; i < parsed->num_nics; i++)
        memset(parsed->nics[i].mac, 0, sizeof parsed->nics[i].mac);
    for (int i = 0; map->macs[i] != NULL; i++) {
        if (i >= parsed->num_nics)
            g_set_error(error, DOMGRP_ERROR, DOMGRP_ERROR_VALUE,
                        "%s is the MAC address of interface %d, of which \"%s\" has only %d",
                        map->macs[i], i + 1, parsed->c_info.name, parsed->num_nics);
        else if (!mac_parse(map->macs[i], &parsed->nics[i].mac))
            g_set_error(error, DOMGRP_ERROR, DOMGRP_ERROR_VALUE,
                        "\"%s\" is no MAC address such as 00:16:3e:12:34:56", map->macs[i]);
        else
            continue;
        return FALSE;
    }
    macs_complete(parsed);
    return TRUE;
}

/* What @map has in place of @target, or NULL. */
static const char *map_target(const HostConfigMap *map, const char *target)
{
    gsize length = strlen(target);
    for (guint i = 0; map->disks[i] != NULL; i++)
        if (strncmp(map->disks[i], target, length) == 0 && map->disks[i][length] == '=')
            return map->disks[i] + length + 1;
    return NULL;
}

static gboolean names_disk(const libxl_domain_config *parsed, const char *entry)
{
    for (int i = 0; i < parsed->num_disks; i++) {
        const char *target = parsed->disks[i].pdev_path;
        if (target != NULL && g_str_has_prefix(entry, target) && entry[strlen(target)] == '=')
            return TRUE;
    }
    return FALSE;
}

/* Two domains that write to one disk would destroy what is on it. */
static gboolean map_disks(libxl_domain_config *parsed, const HostConfigMap *map, GError **error)
{
    for (guint i = 0; map->disks[i] != NULL; i++) {
        if (names_disk(parsed, map->disks[i]))
            continue;
        g_set_error(error, DOMGRP_ERROR, DOMGRP_ERROR_VALUE,
                    "\"%s\" names no disk of \"%s\"; it is to be OLD=NEW, OLD as in its "
                    "configuration",
                    map->disks[i], parsed->c_info.name);
        return FALSE;
    }
    for (int i = 0; i < parsed->num_disks; i++) {
        libxl_device_disk *disk = &parsed->disks[i];
        const char *target = disk->pdev_path != NULL ? map_target(map, disk->pdev_path) : NULL;
        if (target != NULL) {
            free(disk->pdev_path);
            disk->pdev_path = strdup(target);
        } else if (disk->readwrite && disk->pdev_path != NULL && disk->pdev_path[0] != '\0') {
            g_set_error(error, DOMGRP_ERROR, DOMGRP_ERROR_VALUE,
                        "it would write to the disk %s of the original; give it one of its own in "
                        "the map",
                        disk->pdev_path);
            return FALSE;
        }
    }
    return TRUE;
}

gboolean config_map(Host *base, const char *json, const HostConfigMap *map, HostConfig **ret_config,
                    GError **error)
{
    Xl *xl = host_xen(base)->xl;
    g_autofree char *mapped = NULL;
    libxl_domain_config parsed;

    if (!config_load(xl, json, &parsed, error))
        return FALSE;
    gboolean good = map_disks(&parsed, map, error) && map_macs(&parsed, map, error) &&
                    map_name(&parsed, map, error);
    if (good)
        mapped = json_of(xl, &parsed);
    libxl_domain_config_dispose(&parsed);
    return good && config_facts(xl, mapped, ret_config, error);
}

/* -- jobs -- */

static void configured_report(Job *job)
{
    job->callback.configured(job->data, g_steal_pointer(&job->config), job->error);
}

static gboolean read_run(Job *job, GError **error)
{
    g_autofree char *printed = NULL;
    g_autofree char *json = NULL;
    libxl_domain_config parsed;

    if (!dryrun(job->path, job->text, job->directory, &printed, error))
        return FALSE;
    libxl_domain_config_init(&parsed);
    int rc = libxl_domain_config_from_json(job->xl->ctx, &parsed, printed);
    if (rc == 0) {
        paths_complete(&parsed, job->directory);
        macs_complete(&parsed);
        json = json_of(job->xl, &parsed);
    }
    libxl_domain_config_dispose(&parsed);
    if (json == NULL)
        return xl_fail(job->xl, rc, error, "%s: libxl does not read what xl prints", job->path);
    if (!config_facts(job->xl, json, &job->config, error)) {
        g_prefix_error(error, "%s: ", job->path);
        return FALSE;
    }
    return TRUE;
}

void config_read(Host *base, const char *path, const char *text, const char *directory,
                 HostConfigured done, gpointer data)
{
    Job *job = job_new(base, read_run, configured_report, data);
    job->callback.configured = done;
    job->path = g_strdup(path);
    job->text = g_strdup(text);
    job->directory = g_strdup(directory);
    job_start(job);
}

static gboolean retrieve_run(Job *job, GError **error)
{
    g_autofree char *json = NULL;
    libxl_domain_config parsed;

    libxl_domain_config_init(&parsed);
    int rc = libxl_retrieve_domain_configuration(job->xl->ctx, job->domid, &parsed, NULL);
    if (rc == 0) {
        macs_complete(&parsed);
        json = json_of(job->xl, &parsed);
    }
    libxl_domain_config_dispose(&parsed);
    if (json == NULL)
        return xl_fail(job->xl, rc, error, "the configuration of domain %u cannot be read",
                       job->domid);
    return config_facts(job->xl, json, &job->config, error);
}

void config_retrieve(Host *base, guint32 domid, HostConfigured done, gpointer data)
{
    Job *job = job_new(base, retrieve_run, configured_report, data);
    job->callback.configured = done;
    job->domid = domid;
    job_start(job);
}
