/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What every host shares: configurations and the names of reasons. */
#include "host.h"

#include <string.h>

void host_config_free(HostConfig *config)
{
    if (config == NULL)
        return;
    g_free(config->name);
    g_free(config->json);
    g_free(config->lacks);
    g_free(config);
}

HostConfig *host_config_copy(const HostConfig *config)
{
    HostConfig *copy = g_memdup2(config, sizeof *config);
    copy->name = g_strdup(config->name);
    copy->json = g_strdup(config->json);
    copy->lacks = g_strdup(config->lacks);
    return copy;
}

void host_image_info_free(HostImageInfo *info)
{
    if (info == NULL)
        return;
    g_free(info->group_name);
    g_free(info->text);
    g_ptr_array_unref(info->disks);
    g_ptr_array_unref(info->members);
    g_free(info);
}

const char *host_reason_name(HostReason reason)
{
    static const char *const names[] = {
        [HOST_REASON_POWEROFF] = "poweroff", [HOST_REASON_REBOOT] = "reboot",
        [HOST_REASON_SUSPEND] = "suspend",   [HOST_REASON_CRASH] = "crash",
        [HOST_REASON_WATCHDOG] = "watchdog", [HOST_REASON_SOFT_RESET] = "soft reset",
    };
    return reason < G_N_ELEMENTS(names) ? names[reason] : "unknown";
}

const HostConfig *host_image_info_find(const HostImageInfo *info, const char *uuid)
{
    for (guint i = 0; i < info->members->len; i++) {
        const HostConfig *config = info->members->pdata[i];
        if (strcmp(config->uuid, uuid) == 0)
            return config;
    }
    return NULL;
}
