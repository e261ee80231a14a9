/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The steps of a create that are its own: reading the members' files and
 * checking them against each other, the other groups and the host, before
 * anything is changed; then the definition.
 */
#include "private.h"

#include <string.h>

static void read_done(gpointer data, HostConfig *config, const GError *error)
{
    Work *work = data;
    OperationNode *node = work->node;
    if (config != NULL) {
        node->config = config;
        memcpy(node->shown.uuid, config->uuid, sizeof node->shown.uuid);
        g_strlcpy(node->shown.name, config->name, sizeof node->shown.name);
    }
    work_called(work, error);
}

StepResult create_read(Work *work, GError **error)
{
    Host *host = work->engine->host;
    host->ops->config_read(host, work->node->path, work->node->file, work->operation->directory,
                           read_done, work);
    return STEP_CALL;
}

/* Each member has a name and a UUID of its own. */
static gboolean check_names(const Operation *operation, GError **error)
{
    g_autoptr(GHashTable) seen = g_hash_table_new(g_str_hash, g_str_equal);
    for (guint i = 0; i < operation->members->len; i++) {
        const OperationNode *node = node_of(operation, i);
        HostConfig *config = node->config;
        if (!domgrp_name_check("member", config->name, error)) {
            g_prefix_error(error, "%s: ", node->path);
            return FALSE;
        }
        const OperationNode *other = g_hash_table_lookup(seen, config->name);
        const char *what = "name";
        if (other == NULL) {
            other = g_hash_table_lookup(seen, config->uuid);
            what = "UUID";
        }
        if (other != NULL) {
            g_set_error(error, DOMGRP_ERROR, DOMGRP_ERROR_MEMBER_DUPLICATE,
                        "%s is a member of %s twice: %s and %s have the same %s", config->name,
                        operation->group_name, other->path, node->path, what);
            return FALSE;
        }
        g_hash_table_insert(seen, config->name, (gpointer)node);
        g_hash_table_insert(seen, config->uuid, (gpointer)node);
    }
    return TRUE;
}

gboolean engine_check_elsewhere(Engine *engine, const HostConfig *config, const Group *except,
                                GError **error)
{
    GHashTableIter iter;
    gpointer value;
    g_hash_table_iter_init(&iter, engine->members);
    while (g_hash_table_iter_next(&iter, NULL, &value)) {
        const MemberNode *member = value;
        gboolean same_uuid = strcmp(member->shown.uuid, config->uuid) == 0;
        if (member->group == except ||
            (!same_uuid && strcmp(member->shown.name, config->name) != 0))
            continue;
        g_set_error(error, DOMGRP_ERROR, DOMGRP_ERROR_MEMBER_ELSEWHERE,
                    same_uuid ? "%s (UUID %s) is a member of group %s already"
                              : "%s%.0s is the name of a member of group %s already: "
                                "give it another",
                    config->name, config->uuid, member->group->name);
        return FALSE;
    }
    return TRUE;
}

static gboolean fail_running(const Operation *operation, const HostConfig *config, guint32 domid,
                             GError **error)
{
    g_set_error(error, DOMGRP_ERROR, DOMGRP_ERROR_MEMBER_RUNNING,
                "%s already runs as domain %u outside %s: join it or destroy it", config->name,
                domid, operation->group_name);
    return FALSE;
}

/* No domain of the host has a member's UUID or name. */
static gboolean check_running(const Operation *operation, GError **error)
{
    Host *host = operation->engine->host;
    g_autoptr(GArray) domains = NULL;
    if (!host->ops->domains(host, &domains, error))
        return FALSE;

    g_autoptr(GHashTable) by_uuid = g_hash_table_new(g_str_hash, g_str_equal);
    for (guint i = 0; i < domains->len; i++) {
        HostDomain *domain = &g_array_index(domains, HostDomain, i);
        if (!domain->dying)
            g_hash_table_insert(by_uuid, domain->uuid, domain);
    }
    for (guint i = 0; i < operation->members->len; i++) {
        const HostConfig *config = node_of(operation, i)->config;
        const HostDomain *domain = g_hash_table_lookup(by_uuid, config->uuid);
        if (domain != NULL)
            return fail_running(operation, config, domain->domid, error);

        guint32 domid;
        char uuid[DOMGRP_UUID_TEXT];
        g_autoptr(GError) unknown = NULL;
        if (host->ops->domain_lookup(host, config->name, &domid, uuid, &unknown))
            return fail_running(operation, config, domid, error);
        if (!g_error_matches(unknown, DOMGRP_ERROR, DOMGRP_ERROR_DOMAIN_UNKNOWN)) {
            g_propagate_error(error, g_steal_pointer(&unknown));
            return FALSE;
        }
    }
    return TRUE;
}

/* What the members' configurations name is on this host. */
static gboolean check_files(const Operation *operation, GError **error)
{
    for (guint i = 0; i < operation->members->len; i++) {
        const HostConfig *config = node_of(operation, i)->config;
        if (config->lacks == NULL)
            continue;
        g_set_error(
            error, DOMGRP_ERROR, DOMGRP_ERROR_FILE,
            "%s of %s needs %s, which this host has not: nothing was started; bring it here, "
            "or change the member's configuration",
            config->name, operation->group_name, config->lacks);
        return FALSE;
    }
    return TRUE;
}

static gboolean check_uuid(const Operation *operation, GError **error)
{
    Host *host = operation->engine->host;
    g_autoptr(GArray) groups = NULL;
    if (!operation->engine->facts.has_groups)
        return TRUE;
    if (!host->ops->groups(host, &groups, error))
        return FALSE;
    for (guint i = 0; i < groups->len; i++) {
        const HostGroup *found = &g_array_index(groups, HostGroup, i);
        if (strcmp(found->uuid, operation->group_uuid) != 0)
            continue;
        g_set_error(error, DOMGRP_ERROR, DOMGRP_ERROR_UUID_TAKEN,
                    "the UUID %s of %s belongs to the hypervisor's group %u already",
                    operation->group_uuid, operation->group_name, found->id);
        return FALSE;
    }
    return TRUE;
}

gboolean engine_check_memory(Engine *engine, const char *group, GPtrArray *configs, GError **error)
{
    HostFacts facts;
    if (!engine->host->ops->facts(engine->host, &facts, error))
        return FALSE;

    guint64 promised = engine_promised_kib(engine);
    guint64 free_kib = facts.memory_free_kib - MIN(promised, facts.memory_free_kib);
    guint64 left = free_kib;
    for (guint i = 0; i < configs->len; i++) {
        const HostConfig *config = configs->pdata[i];
        if (config->memory_kib > left) {
            g_set_error(error, DOMGRP_ERROR, DOMGRP_ERROR_MEMORY,
                        "%s of %s needs %" G_GUINT64_FORMAT " MiB, but of the %" G_GUINT64_FORMAT
                        " MiB that are free on this host only %" G_GUINT64_FORMAT
                        " MiB are left for it: nothing was started; free memory or give members "
                        "less",
                        config->name, group, (config->memory_kib + 1023) / 1024, free_kib / 1024,
                        left / 1024);
            return FALSE;
        }
        left -= config->memory_kib;
    }
    return TRUE;
}

static gboolean check_memory(const Operation *operation, GError **error)
{
    g_autoptr(GPtrArray) configs = g_ptr_array_new();
    for (guint i = 0; i < operation->members->len; i++)
        g_ptr_array_add(configs, node_of(operation, i)->config);
    return engine_check_memory(operation->engine, operation->group_name, configs, error);
}

/* Nothing is wrong: the names and UUIDs belong to this group from now on. */
static void add_members(Operation *operation)
{
    Group *group = operation->group;
    for (guint i = 0; i < operation->members->len; i++) {
        OperationNode *node = node_of(operation, i);
        operation_bind(node, member_new(group, node->config));
        g_ptr_array_add(group->members, node->member);
        g_hash_table_insert(operation->engine->members, node->member->shown.uuid, node->member);
    }
}

StepResult create_check(Work *work, GError **error)
{
    Operation *operation = work->operation;
    if (!check_names(operation, error) || !check_uuid(operation, error))
        return STEP_FAILED;
    for (guint i = 0; i < operation->members->len; i++)
        if (!engine_check_elsewhere(work->engine, node_of(operation, i)->config, NULL, error))
            return STEP_FAILED;
    if (!check_running(operation, error) || !check_files(operation, error) ||
        !check_memory(operation, error))
        return STEP_FAILED;
    add_members(operation);
    if (!group_order(operation->group, error))
        return STEP_FAILED;
    operation_plan(operation);
    return STEP_DONE;
}

StepResult create_define(Work *work, GError **error)
{
    if (!group_store(work->group, error))
        return STEP_FAILED;
    group_define(work->group);
    return STEP_DONE;
}
