/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A group and its members as data: in memory, in the journal, in the
 * hypervisor and in xenstore. What is done to them is in operation.c.
 */
#include "private.h"

#include <string.h>

/* -- in memory -- */

MemberNode *member_new(Group *group, const HostConfig *config)
{
    MemberNode *member = g_new0(MemberNode, 1);
    member->group = group;
    member->owned_domid = HOST_DOMID_NONE;
    member->domain.domid = HOST_DOMID_NONE;
    member->next.domid = HOST_DOMID_NONE;
    member->kept_domid = HOST_DOMID_NONE;
    member->no_reset_domid = HOST_DOMID_NONE;
    member->failed_domid = HOST_DOMID_NONE;
    member->suspend_domid = HOST_DOMID_NONE;
    member->asked_domid = HOST_DOMID_NONE;
    member->needs = g_ptr_array_new();
    member->shown.domid = HOST_DOMID_NONE;
    if (config != NULL) {
        memcpy(member->shown.uuid, config->uuid, sizeof member->shown.uuid);
        member->shown.name = g_strdup(config->name);
        member->shown.config = host_config_copy(config);
    }
    return member;
}

void member_free(MemberNode *member)
{
    Host *host = member->group->engine->host;
    if (member->timer != 0)
        host->ops->timer_cancel(host, member->timer);
    g_free(member->shown.name);
    host_config_free(member->shown.config);
    g_ptr_array_unref(member->needs);
    g_free(member);
}

Group *group_new(Engine *engine, const char *uuid, const char *name)
{
    Group *group = g_new0(Group, 1);
    group->engine = engine;
    g_strlcpy(group->uuid, uuid, sizeof group->uuid);
    group->name = g_strdup(name);
    group->settings = domgrp_settings_new();
    group->members = g_ptr_array_new_with_free_func((GDestroyNotify)member_free);
    group->failures = g_array_new(FALSE, FALSE, sizeof(gint64));
    group->told = GROUP_STATE_COUNT;
    return group;
}

void group_free(Group *group)
{
    g_ptr_array_unref(group->members);
    g_array_unref(group->failures);
    domgrp_settings_free(group->settings);
    g_free(group->name);
    g_free(group->text);
    g_free(group->image_path);
    migration_free(group->migration);
    g_free(group);
}

gboolean member_is_intended(const MemberNode *member)
{
    return member->owned && member->owned_domid == HOST_DOMID_NONE;
}

gboolean member_is_ending(const MemberNode *member)
{
    return !member->owned && member->owned_domid != HOST_DOMID_NONE;
}

gboolean member_is_half_there(const MemberNode *member)
{
    return member_has_domain(member) && member->domain.paused &&
           (member_is_intended(member) || member_is_ending(member));
}

const DomgrpMemberSettings *member_settings(const MemberNode *member)
{
    return domgrp_settings_lookup(member->group->settings, member->shown.name);
}

gboolean member_has_domain(const MemberNode *member)
{
    return member->domain.domid != HOST_DOMID_NONE;
}

gboolean member_runs(const MemberNode *member)
{
    return member_has_domain(member) && !member->domain.shutdown;
}

gboolean member_is_up(const MemberNode *member)
{
    return member_runs(member) && !member_is_half_there(member);
}

MemberNode *group_find_member(const Group *group, const char *name_or_uuid)
{
    for (guint i = 0; i < group->members->len; i++) {
        MemberNode *member = group->members->pdata[i];
        if (g_strcmp0(member->shown.name, name_or_uuid) == 0 ||
            g_ascii_strcasecmp(member->shown.uuid, name_or_uuid) == 0)
            return member;
    }
    return NULL;
}

GArray *group_domids(const Group *group)
{
    GArray *domids = g_array_new(FALSE, FALSE, sizeof(guint32));
    for (guint i = 0; i < group->members->len; i++) {
        MemberNode *member = group->members->pdata[i];
        if (member_has_domain(member))
            g_array_append_val(domids, member->domain.domid);
    }
    return domids;
}

gboolean group_idle(const Group *group)
{
    if (group->operation != NULL)
        return FALSE;
    for (guint i = 0; i < group->members->len; i++)
        if (((MemberNode *)group->members->pdata[i])->work != NULL)
            return FALSE;
    return TRUE;
}

static guint group_running(const Group *group)
{
    guint running = 0;
    for (guint i = 0; i < group->members->len; i++) {
        const MemberNode *member = group->members->pdata[i];
        running += member_runs(member) && member->shown.state != MEMBER_STARTING;
    }
    return running;
}

gboolean group_stopped(const Group *group)
{
    return group_running(group) == 0;
}

gboolean group_has_image(const Group *group)
{
    return group->image_uuid[0] != '\0' && !group->image_old;
}

gboolean group_is_suspended(const Group *group)
{
    return group_has_image(group) && group->image_path != NULL;
}

/* In our own storage it stays until something comes in its place: nobody else can remove it. */
void group_leave_image(Group *group)
{
    group->image_old = group->image_path != NULL;
    if (group->image_path == NULL)
        group->image_uuid[0] = '\0';
}

GroupState group_state(const Group *group)
{
    if (group->is_default)
        return GROUP_DEFAULT;
    const Operation *operation = group->operation;
    const Kind *kind = operation != NULL ? &kinds[operation->kind] : NULL;
    GroupState meanwhile = GROUP_STATE_COUNT;
    if (kind != NULL && !operation->options.dry_run)
        meanwhile = operation->undoing ? kind->undoing : kind->during;
    if (meanwhile != GROUP_STATE_COUNT)
        return meanwhile;
    if (operation == NULL && migration_group_state(group) != GROUP_STATE_COUNT)
        return migration_group_state(group);
    if (group->paused)
        return GROUP_PAUSED;
    guint running = group_running(group);
    if (running == 0 && group_is_suspended(group))
        return GROUP_SUSPENDED;
    if (group->failed)
        return GROUP_FAILED;
    if (running == 0)
        return GROUP_STOPPED;
    return running == group->members->len ? GROUP_RUNNING : GROUP_PARTIAL;
}

/* -- order -- */

gboolean group_order(Group *group, GError **error)
{
    guint n = group->members->len;
    g_autofree const char **names = g_new(const char *, n + 1);
    for (guint i = 0; i < n; i++)
        names[i] = ((Member *)group->members->pdata[i])->name;
    g_autoptr(Order) order = order_new(group->name, n, names, group->settings, error);
    if (order == NULL)
        return FALSE;
    for (guint i = 0; i < n; i++) {
        MemberNode *member = group->members->pdata[i];
        guint n_needs;
        const guint *needs = order_needs(order, i, &n_needs);
        g_ptr_array_set_size(member->needs, 0);
        for (guint k = 0; k < n_needs; k++)
            g_ptr_array_add(member->needs, group->members->pdata[needs[k]]);
    }
    return TRUE;
}

void group_forgive(Group *group)
{
    group->doubt = group->doubt || group->failed;
    group->failed = FALSE;
    group->stop_wanted = FALSE;
    g_array_set_size(group->failures, 0);
}

void group_get_info(const Group *group, GroupInfo *ret_info)
{
    GroupInfo info = {
        .name = group->name,
        .id = group->id,
        .is_default = group->is_default,
        .paused = group->paused,
        .state = group_state(group),
        .operation = group->operation,
        .members = group->members,
        .settings = group->settings,
        .image_uuid = group_has_image(group) ? group->image_uuid : "",
        .image_path = group_is_suspended(group) ? group->image_path : NULL,
    };
    memcpy(info.uuid, group->uuid, sizeof info.uuid);
    for (guint i = 0; i < group->members->len; i++) {
        const Member *member = group->members->pdata[i];
        info.memory_kib += member->memory_kib;
        info.cpu_time_us += member->cpu_time_us;
    }
    *ret_info = info;
}

void group_define(Group *group)
{
    const EngineListener *listener = group->engine->listener;
    group->defined = TRUE;
    if (listener->group_added != NULL)
        listener->group_added(group->engine->listener_data, group);
}

/* -- in words -- */

GKeyFile *group_to_keys(const Group *group)
{
    GKeyFile *keys = g_key_file_new();
    g_autofree char *settings = domgrp_settings_to_text(group->settings);
    g_key_file_set_string(keys, "group", "name", group->name);
    g_key_file_set_string(keys, "group", "uuid", group->uuid);
    g_key_file_set_string(keys, "group", "settings", settings);
    if (group->text != NULL)
        g_key_file_set_string(keys, "group", "text", group->text);
    return keys;
}

gboolean group_from_keys(Group *group, GKeyFile *keys, GError **error)
{
    g_autofree char *said = g_key_file_get_string(keys, "group", "settings", error);
    DomgrpSettings *settings = said != NULL ? domgrp_settings_from_text(said, error) : NULL;
    if (settings == NULL)
        return FALSE;
    domgrp_settings_free(group->settings);
    group->settings = settings;
    g_free(group->text);
    group->text = g_key_file_get_string(keys, "group", "text", NULL);
    return TRUE;
}

/* -- in the journal -- */

JournalGroup *group_to_journal(const Group *group)
{
    JournalGroup *record = journal_group_new();
    memcpy(record->uuid, group->uuid, sizeof record->uuid);
    record->name = g_strdup(group->name);
    record->id = group->id;
    record->text = g_strdup(group->text);
    record->settings = domgrp_settings_to_text(group->settings);
    record->paused = group->paused && !migration_holds(group);
    record->failed = group->failed;
    memcpy(record->image_uuid, group->image_uuid, sizeof record->image_uuid);
    record->image_path = g_strdup(group->image_path);
    record->image_old = group->image_old;
    if (!group->boot_start) /* a start that is still to come must not be forgotten */
        memcpy(record->boot_id, group->engine->facts.boot_id, sizeof record->boot_id);

    for (guint i = 0; i < group->members->len; i++) {
        const MemberNode *member = group->members->pdata[i];
        JournalMember *kept = journal_member_new();
        memcpy(kept->uuid, member->shown.uuid, sizeof kept->uuid);
        kept->name = g_strdup(member->shown.name);
        kept->json = g_strdup(member->shown.config->json);
        kept->ours = member->owned;
        kept->domid = member->owned_domid;
        kept->suspend_domid = member->suspend_domid;
        g_ptr_array_add(record->members, kept);
    }
    return record;
}

gboolean group_store(Group *group, GError **error)
{
    Engine *engine = group->engine;
    g_autoptr(JournalGroup) record = group_to_journal(group);
    group->doubt = !engine->journal->ops->group_put(engine->journal, record, error);
    return !group->doubt;
}

static gboolean member_store(MemberNode *member, gboolean owned, guint32 domid,
                             guint32 suspend_domid, GError **error)
{
    Journal *journal = member->group->engine->journal;
    if (member->owned == owned && member->owned_domid == domid &&
        member->suspend_domid == suspend_domid && !member->owner_doubt)
        return TRUE;
    JournalOwner owner = {.ours = owned, .domid = domid, .suspend_domid = suspend_domid};
    memcpy(owner.member_uuid, member->shown.uuid, sizeof owner.member_uuid);
    member->owner_doubt = TRUE;
    if (!journal->ops->members_put_owner(journal, member->group->uuid, &owner, 1, error))
        return FALSE;
    member->owner_doubt = FALSE;
    member->owned = owned;
    member->owned_domid = domid;
    member->suspend_domid = suspend_domid;
    return TRUE;
}

gboolean member_store_owner(MemberNode *member, gboolean owned, guint32 domid, GError **error)
{
    return member_store(member, owned, domid, member->suspend_domid, error);
}

gboolean member_store_no_suspend(MemberNode *member)
{
    return member_store(member, member->owned, member->owned_domid, HOST_DOMID_NONE, NULL);
}

/* xl's monitor has left a domain that has suspended: it is ours from then on. */
gboolean member_store_gone_on(MemberNode *member)
{
    if (!member_has_domain(member) || member_is_ending(member))
        return member_store_no_suspend(member);
    return member_store(member, TRUE, member->domain.domid, HOST_DOMID_NONE, NULL);
}

gboolean group_store_suspends(Group *group, GError **error)
{
    Journal *journal = group->engine->journal;
    g_autofree JournalOwner *owners = g_new0(JournalOwner, group->members->len);
    for (guint i = 0; i < group->members->len; i++) {
        MemberNode *member = group->members->pdata[i];
        memcpy(owners[i].member_uuid, member->shown.uuid, sizeof owners[i].member_uuid);
        owners[i].ours = member->owned;
        owners[i].domid = member->owned_domid;
        owners[i].suspend_domid = member->domain.domid;
        member->owner_doubt = TRUE;
    }
    if (!journal->ops->members_put_owner(journal, group->uuid, owners, group->members->len, error))
        return FALSE;
    for (guint i = 0; i < group->members->len; i++) {
        MemberNode *member = group->members->pdata[i];
        member->owner_doubt = FALSE;
        member->suspend_domid = member->domain.domid;
    }
    return TRUE;
}

/* -- in the hypervisor -- */

/* The hypervisor's group of this UUID, if it has one. */
static gboolean group_find(Group *group, gboolean *ret_found, GError **error)
{
    Host *host = group->engine->host;
    g_autoptr(GArray) groups = NULL;
    if (!host->ops->groups(host, &groups, error))
        return FALSE;

    *ret_found = FALSE;
    for (guint i = 0; i < groups->len; i++) {
        const HostGroup *found = &g_array_index(groups, HostGroup, i);
        if (strcmp(found->uuid, group->uuid) != 0)
            continue;
        group->id = found->id;
        group->paused = found->paused;
        *ret_found = TRUE;
    }
    return TRUE;
}

gboolean group_read_pause(Group *group, GError **error)
{
    gboolean found;
    if (group->engine->facts.has_groups)
        return group_find(group, &found, error);
    group->paused = FALSE;
    for (guint i = 0; i < group->members->len; i++) {
        const MemberNode *member = group->members->pdata[i];
        group->paused = group->paused || (member_has_domain(member) && member->domain.paused);
    }
    return TRUE;
}

/* An id for a host whose hypervisor gives none: the lowest that is free. */
static guint32 choose_id(const Group *group)
{
    g_autoptr(GHashTable) taken = g_hash_table_new(NULL, NULL);
    GHashTableIter iter;
    gpointer value;
    g_hash_table_iter_init(&iter, group->engine->groups);
    while (g_hash_table_iter_next(&iter, NULL, &value))
        if (value != group)
            g_hash_table_add(taken, GUINT_TO_POINTER(((Group *)value)->id));

    guint32 id = MAX(group->id, 1);
    if (!g_hash_table_contains(taken, GUINT_TO_POINTER(id)))
        return id;
    for (id = 1; g_hash_table_contains(taken, GUINT_TO_POINTER(id));)
        id++;
    return id;
}

static gboolean group_make_object(Group *group, GError **error)
{
    Host *host = group->engine->host;
    gboolean found;
    if (!group_find(group, &found, error))
        return FALSE;
    if (found)
        return TRUE;

    guint32 wanted = group->id;
    group->paused = FALSE;
    if (wanted != 0 && host->ops->group_create(host, group->uuid, &wanted, NULL))
        return TRUE;
    wanted = 0;
    if (!host->ops->group_create(host, group->uuid, &wanted, error))
        return FALSE;
    group->id = wanted;
    return TRUE;
}

gboolean member_place(MemberNode *member, GError **error)
{
    Group *group = member->group;
    Host *host = group->engine->host;
    if (!group->engine->facts.has_groups || !member_has_domain(member) ||
        member->domain.group_id == group->id)
        return TRUE;
    if (!host->ops->group_join(host, group->id, member->domain.domid, member->shown.uuid, error))
        return FALSE;
    member->domain.group_id = group->id;
    return TRUE;
}

/* Reserves the UUID; a join that was cut off may have left it to another group of ours. */
static gboolean member_reserve(MemberNode *member, GError **error)
{
    Group *group = member->group;
    Host *host = group->engine->host;
    if (host->ops->group_reserve(host, group->id, member->shown.uuid, NULL))
        return TRUE;

    GHashTableIter iter;
    gpointer value;
    g_hash_table_iter_init(&iter, group->engine->groups);
    while (g_hash_table_iter_next(&iter, NULL, &value)) {
        const Group *other = value;
        if (other != group && !other->is_default && other->id != 0)
            host->ops->group_unreserve(host, other->id, member->shown.uuid, NULL);
    }
    return host->ops->group_reserve(host, group->id, member->shown.uuid, error);
}

gboolean group_make(Group *group, GError **error)
{
    if (!group->engine->facts.has_groups) {
        group->id = choose_id(group);
        group->in_hypervisor = TRUE;
        return TRUE;
    }
    if (!group_make_object(group, error))
        return FALSE;
    for (guint i = 0; i < group->members->len; i++) {
        MemberNode *member = group->members->pdata[i];
        if (!member_reserve(member, error) || !member_place(member, error))
            return FALSE;
    }
    group->in_hypervisor = TRUE;
    return TRUE;
}

gboolean group_dismiss(Group *group, GError **error)
{
    Host *host = group->engine->host;
    g_autoptr(GArray) domains = NULL;
    if (!host->ops->domains(host, &domains, error))
        return FALSE;
    for (guint i = 0; i < domains->len; i++) {
        const HostDomain *domain = &g_array_index(domains, HostDomain, i);
        if (domain->group_id == group->id && !domain->dying &&
            (group->in_hypervisor ? group_find_member(group, domain->uuid) == NULL : TRUE) &&
            !host->ops->group_join(host, DOMGRP_ID_NULL, domain->domid, domain->uuid, error))
            return FALSE;
    }
    return TRUE;
}

gboolean group_unmake(Group *group, GError **error)
{
    Engine *engine = group->engine;
    Host *host = engine->host;
    group->in_hypervisor = FALSE;
    if (!engine->facts.has_groups)
        return TRUE;

    gboolean found;
    gboolean paused = group->paused;
    if (!group_find(group, &found, error))
        return FALSE;
    group->paused = paused;
    if (!found)
        return TRUE;
    /* Some reservations may never have been made; the one that matters fails the next call. */
    for (guint i = 0; i < group->members->len; i++)
        host->ops->group_unreserve(host, group->id,
                                   ((MemberNode *)group->members->pdata[i])->shown.uuid, NULL);
    return group_dismiss(group, error) && host->ops->group_destroy(host, group->id, error);
}

/* -- in xenstore -- */

void group_record(const Group *group, HostRecord *ret_record)
{
    guint n = group->members->len;
    const char **names = g_new(const char *, n + 1);
    const char **uuids = g_new(const char *, n + 1);
    for (guint i = 0; i < n; i++) {
        const Member *member = group->members->pdata[i];
        names[i] = member->name;
        uuids[i] = member->uuid;
    }
    *ret_record = (HostRecord){.id = group->id,
                               .name = group->name,
                               .n_members = n,
                               .member_names = names,
                               .member_uuids = uuids};
    memcpy(ret_record->uuid, group->uuid, sizeof ret_record->uuid);
}

void host_record_clear(HostRecord *record)
{
    g_free((gpointer)record->member_names);
    g_free((gpointer)record->member_uuids);
}

void group_publish(Group *group)
{
    group->publish = !group->is_default;
    group->engine->again = TRUE;
}

void group_publish_run(Group *group)
{
    if (!group->publish || group->publisher != NULL || !group->in_hypervisor)
        return;
    group->publish = FALSE;
    group->publisher = work_new(group->engine, NULL, NULL, group, NULL, steps_publish);
}
