/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A journal in memory, kept as the list of what was written: what it says is
 * that list played from its beginning, and a lost write is a shorter list.
 */
#include "private.h"

#include <string.h>

typedef struct {
    JournalGroup *group;         /* group_put, and what comes with a migration */
    JournalOperation *operation; /* operation_put */
    char group_uuid[DOMGRP_UUID_TEXT];
    GArray *owners;               /* of JournalOwner: members_put_owner, else group_delete */
    JournalMigration *migration;  /* migration_put */
    char ended[DOMGRP_UUID_TEXT]; /* migration_end; "" */
} Entry;

typedef struct {
    Journal journal; /* first */
    Sim *sim;
    GPtrArray *entries; /* of Entry */
} JournalSim;

static void entry_free(gpointer data)
{
    Entry *entry = data;
    journal_group_free(entry->group);
    journal_operation_free(entry->operation);
    g_clear_pointer(&entry->owners, g_array_unref);
    journal_migration_free(entry->migration);
    g_free(entry);
}

/* -- reading -- */

static gint find_group(GPtrArray *groups, const char *uuid)
{
    for (guint i = 0; i < groups->len; i++)
        if (strcmp(((JournalGroup *)groups->pdata[i])->uuid, uuid) == 0)
            return (gint)i;
    return -1;
}

static void play_owner(const JournalGroup *group, const JournalOwner *owner)
{
    for (guint i = 0; i < group->members->len; i++) {
        JournalMember *member = group->members->pdata[i];
        if (strcmp(member->uuid, owner->member_uuid) != 0)
            continue;
        member->ours = owner->ours;
        member->domid = owner->domid;
        member->suspend_domid = owner->suspend_domid;
    }
}

static void play_group(GPtrArray *groups, const Entry *entry)
{
    if (entry->operation != NULL || (entry->migration != NULL && entry->group == NULL))
        return;
    const char *uuid = entry->group != NULL ? entry->group->uuid : entry->group_uuid;
    gint index = find_group(groups, uuid);
    if (entry->owners != NULL) {
        for (guint i = 0; index >= 0 && i < entry->owners->len; i++)
            play_owner(groups->pdata[index], &g_array_index(entry->owners, JournalOwner, i));
        return;
    }
    if (index >= 0)
        g_ptr_array_remove_index(groups, (guint)index);
    if (entry->group != NULL)
        g_ptr_array_add(groups, journal_group_copy(entry->group));
}

static GPtrArray *play(JournalSim *journal)
{
    GPtrArray *groups = g_ptr_array_new_with_free_func((GDestroyNotify)journal_group_free);
    for (guint i = 0; i < journal->entries->len; i++)
        play_group(groups, journal->entries->pdata[i]);
    return groups;
}

/* The last record of each operation, in the order in which they were opened. */
static GPtrArray *play_operations(JournalSim *journal)
{
    GPtrArray *operations = g_ptr_array_new_with_free_func((GDestroyNotify)journal_operation_free);
    for (guint i = 0; i < journal->entries->len; i++) {
        const Entry *entry = journal->entries->pdata[i];
        guint k = 0;
        if (entry->operation == NULL)
            continue;
        while (k < operations->len && strcmp(((JournalOperation *)operations->pdata[k])->uuid,
                                             entry->operation->uuid) != 0)
            k++;
        if (k < operations->len) {
            journal_operation_free(operations->pdata[k]);
            operations->pdata[k] = journal_operation_copy(entry->operation);
        } else {
            g_ptr_array_add(operations, journal_operation_copy(entry->operation));
        }
    }
    return operations;
}

/* -1: there is none. */
static gint find_migration(GPtrArray *migrations, const char *uuid)
{
    for (guint i = 0; i < migrations->len; i++)
        if (strcmp(((JournalMigration *)migrations->pdata[i])->uuid, uuid) == 0)
            return (gint)i;
    return -1;
}

static gint compare_migrations(gconstpointer a, gconstpointer b)
{
    const JournalMigration *const *first = a;
    const JournalMigration *const *second = b;
    return strcmp((*first)->group_name, (*second)->group_name);
}

static GPtrArray *play_migrations(JournalSim *journal)
{
    GPtrArray *migrations = g_ptr_array_new_with_free_func((GDestroyNotify)journal_migration_free);
    for (guint i = 0; i < journal->entries->len; i++) {
        const Entry *entry = journal->entries->pdata[i];
        const char *uuid = entry->migration != NULL ? entry->migration->uuid : entry->ended;
        gint index = find_migration(migrations, uuid);
        if (index >= 0)
            g_ptr_array_remove_index(migrations, (guint)index);
        if (entry->migration != NULL)
            g_ptr_array_add(migrations, journal_migration_copy(entry->migration));
    }
    g_ptr_array_sort(migrations, compare_migrations);
    return migrations;
}

static gboolean sim_load(Journal *base, GPtrArray **ret_groups, GError **error)
{
    JournalSim *journal = (JournalSim *)base;
    SimFault fault = sim_enter(journal->sim, "journal_load");
    if (!sim_may(journal->sim, fault, "journal_load", error) ||
        !sim_leave(journal->sim, fault, "journal_load", error))
        return FALSE;
    *ret_groups = play(journal);
    return TRUE;
}

static gboolean sim_operations(Journal *base, guint limit, GPtrArray **ret_operations,
                               GError **error)
{
    JournalSim *journal = (JournalSim *)base;
    SimFault fault = sim_enter(journal->sim, "journal_operations");
    if (!sim_may(journal->sim, fault, "journal_operations", error) ||
        !sim_leave(journal->sim, fault, "journal_operations", error))
        return FALSE;
    g_autoptr(GPtrArray) all = play_operations(journal);
    *ret_operations = g_ptr_array_new_with_free_func((GDestroyNotify)journal_operation_free);
    guint n = all->len;
    for (guint i = n; i > 0; i--) {
        const JournalOperation *operation = all->pdata[i - 1];
        if (operation->ended_us == 0 || n - i < limit)
            g_ptr_array_add(*ret_operations, g_ptr_array_steal_index(all, i - 1));
    }
    return TRUE;
}

static gboolean sim_migrations(Journal *base, GPtrArray **ret_migrations, GError **error)
{
    JournalSim *journal = (JournalSim *)base;
    SimFault fault = sim_enter(journal->sim, "journal_migrations");
    if (!sim_may(journal->sim, fault, "journal_migrations", error) ||
        !sim_leave(journal->sim, fault, "journal_migrations", error))
        return FALSE;
    *ret_migrations = play_migrations(journal);
    return TRUE;
}

/* -- writing -- */

static const char *describe_owner(const JournalOwner *owner)
{
    if (owner->suspend_domid != HOST_DOMID_NONE)
        return "guests are to suspend";
    if (owner->domid == HOST_DOMID_NONE)
        return owner->ours ? "a domain is being built" : "no domain is ours";
    return owner->ours ? "a domain is ours" : "a domain is being ended";
}

static const char *describe_operation(const JournalOperation *operation)
{
    if (operation->ended_us != 0)
        return "an operation has ended";
    if (!operation->began)
        return "an operation waits";
    if (g_strcmp0(operation->stage, "committed") == 0)
        return "an image is complete, or used";
    if (g_strcmp0(operation->stage, "defines") == 0)
        return "a group is of this restore";
    return operation->undoing ? "an operation is being undone" : "an operation begins";
}

static const char *describe_entry(const Entry *entry)
{
    if (entry->operation != NULL)
        return describe_operation(entry->operation);
    if (entry->migration != NULL) {
        g_autofree char *text = g_strdup_printf("a migration is %s", entry->migration->state);
        return g_intern_string(text);
    }
    if (entry->ended[0] != '\0')
        return "a migration has ended";
    if (entry->group != NULL)
        return entry->group->image_uuid[0] == '\0' ? "a group"
               : entry->group->image_old           ? "a group has left its image"
                                                   : "a group is in an image";
    return entry->owners != NULL ? describe_owner(&g_array_index(entry->owners, JournalOwner, 0))
                                 : "a group is gone";
}

static gboolean write_entry(JournalSim *journal, const char *call, Entry *entry, GError **error)
{
    SimFault fault = sim_enter(journal->sim, call);
    if (!sim_may(journal->sim, fault, call, error)) {
        entry_free(entry);
        return FALSE;
    }
    if (fault == SIM_LOST) {
        journal->sim->lost_write = describe_entry(entry);
        entry_free(entry);
    } else if (fault == SIM_LATE) {
        sim_late(journal->sim, journal->entries, entry, entry_free);
    } else {
        g_ptr_array_add(journal->entries, entry);
    }
    return sim_leave(journal->sim, fault, call, error);
}

static gboolean sim_group_put(Journal *base, const JournalGroup *group, GError **error)
{
    Entry *entry = g_new0(Entry, 1);
    entry->group = journal_group_copy(group);
    return write_entry((JournalSim *)base, "journal_group_put", entry, error);
}

static gboolean sim_group_delete(Journal *base, const char *uuid, GError **error)
{
    Entry *entry = g_new0(Entry, 1);
    g_strlcpy(entry->group_uuid, uuid, sizeof entry->group_uuid);
    return write_entry((JournalSim *)base, "journal_group_delete", entry, error);
}

static gboolean sim_members_put_owner(Journal *base, const char *group_uuid,
                                      const JournalOwner *owners, guint n_owners, GError **error)
{
    Entry *entry = g_new0(Entry, 1);
    g_strlcpy(entry->group_uuid, group_uuid, sizeof entry->group_uuid);
    entry->owners = g_array_new(FALSE, FALSE, sizeof *owners);
    g_array_append_vals(entry->owners, owners, n_owners);
    return write_entry((JournalSim *)base, "journal_members_put_owner", entry, error);
}

static gboolean sim_operation_put(Journal *base, const JournalOperation *operation, GError **error)
{
    Entry *entry = g_new0(Entry, 1);
    entry->operation = journal_operation_copy(operation);
    return write_entry((JournalSim *)base, "journal_operation_put", entry, error);
}

static gboolean sim_migration_put(Journal *base, const JournalMigration *migration,
                                  const JournalGroup *group, GError **error)
{
    Entry *entry = g_new0(Entry, 1);
    entry->migration = journal_migration_copy(migration);
    entry->group = group != NULL ? journal_group_copy(group) : NULL;
    return write_entry((JournalSim *)base, "journal_migration_put", entry, error);
}

static gboolean sim_migration_end(Journal *base, const char *uuid, const JournalGroup *group,
                                  GError **error)
{
    JournalSim *journal = (JournalSim *)base;
    g_autoptr(GPtrArray) migrations = play_migrations(journal);
    gint index = find_migration(migrations, uuid);
    Entry *entry = g_new0(Entry, 1);
    g_strlcpy(entry->ended, uuid, sizeof entry->ended);
    if (group != NULL)
        entry->group = journal_group_copy(group);
    else if (index >= 0)
        memcpy(entry->group_uuid, ((JournalMigration *)migrations->pdata[index])->group_uuid,
               sizeof entry->group_uuid);
    return write_entry(journal, "journal_migration_end", entry, error);
}

static void sim_journal_free(Journal *base)
{
    g_ptr_array_unref(((JournalSim *)base)->entries);
    g_free(base);
}

static const JournalOps journal_ops = {
    .load = sim_load,
    .group_put = sim_group_put,
    .group_delete = sim_group_delete,
    .members_put_owner = sim_members_put_owner,
    .operation_put = sim_operation_put,
    .operations = sim_operations,
    .migrations = sim_migrations,
    .migration_put = sim_migration_put,
    .migration_end = sim_migration_end,
    .free = sim_journal_free,
};

Journal *journal_sim_new(Host *host)
{
    JournalSim *journal = g_new0(JournalSim, 1);
    journal->journal.ops = &journal_ops;
    journal->sim = sim_of(host);
    journal->entries = g_ptr_array_new_with_free_func(entry_free);
    return &journal->journal;
}

void journal_sim_lose(Journal *base, guint n)
{
    JournalSim *journal = (JournalSim *)base;
    g_ptr_array_set_size(journal->entries,
                         (gint)(journal->entries->len - MIN(n, journal->entries->len)));
}

static gint compare_lines(gconstpointer a, gconstpointer b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* What is half done to it. */
static const char *owner_text(const JournalMember *member)
{
    if (member->ours == (member->domid != HOST_DOMID_NONE))
        return "";
    return member->ours ? "(open)" : "(ending)";
}

char *journal_sim_describe(Journal *base)
{
    JournalSim *journal = (JournalSim *)base;
    g_autoptr(GPtrArray) groups = play(journal);
    g_autoptr(GPtrArray) operations = play_operations(journal);
    g_autoptr(GPtrArray) migrations = play_migrations(journal);
    g_autoptr(GPtrArray) lines = g_ptr_array_new_with_free_func(g_free);
    for (guint i = 0; i < groups->len; i++) {
        const JournalGroup *group = groups->pdata[i];
        GString *line = g_string_new(NULL);
        g_string_append_printf(line, "group %s%s:", group->name, group->paused ? " paused" : "");
        for (guint k = 0; k < group->members->len; k++) {
            const JournalMember *member = group->members->pdata[k];
            g_string_append_printf(line, " %s%s%s", member->name, member->ours ? "(ours)" : "",
                                   owner_text(member));
        }
        g_ptr_array_add(lines, g_string_free(line, FALSE));
    }
    for (guint i = 0; i < operations->len; i++) {
        const JournalOperation *operation = operations->pdata[i];
        if (operation->ended_us == 0)
            g_ptr_array_add(
                lines, g_strdup_printf("open %s of %s", operation->kind, operation->group_name));
    }
    for (guint i = 0; i < migrations->len; i++) {
        const JournalMigration *migration = migrations->pdata[i];
        g_ptr_array_add(lines, g_strdup_printf("%s of %s is %s", migration->side,
                                               migration->group_name, migration->state));
    }
    g_ptr_array_sort(lines, compare_lines);
    g_ptr_array_add(lines, NULL);
    return g_strjoinv("\n", (char **)lines->pdata);
}
