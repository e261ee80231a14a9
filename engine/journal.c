/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The records that every journal shares. */
#include "journal.h"

#include "host.h"

JournalMember *journal_member_new(void)
{
    JournalMember *member = g_new0(JournalMember, 1);
    member->domid = HOST_DOMID_NONE;
    member->suspend_domid = HOST_DOMID_NONE;
    return member;
}

void journal_member_free(JournalMember *member)
{
    if (member == NULL)
        return;
    g_free(member->name);
    g_free(member->json);
    g_free(member);
}

JournalGroup *journal_group_new(void)
{
    JournalGroup *group = g_new0(JournalGroup, 1);
    group->members = g_ptr_array_new_with_free_func((GDestroyNotify)journal_member_free);
    return group;
}

void journal_group_free(JournalGroup *group)
{
    if (group == NULL)
        return;
    g_free(group->name);
    g_free(group->text);
    g_free(group->settings);
    g_free(group->image_path);
    g_ptr_array_unref(group->members);
    g_free(group);
}

JournalGroup *journal_group_copy(const JournalGroup *from)
{
    JournalGroup *group = g_memdup2(from, sizeof *from);
    group->name = g_strdup(from->name);
    group->text = g_strdup(from->text);
    group->settings = g_strdup(from->settings);
    group->image_path = g_strdup(from->image_path);
    group->members = g_ptr_array_new_with_free_func((GDestroyNotify)journal_member_free);
    for (guint i = 0; i < from->members->len; i++) {
        JournalMember *member = g_memdup2(from->members->pdata[i], sizeof *member);
        member->name = g_strdup(member->name);
        member->json = g_strdup(member->json);
        g_ptr_array_add(group->members, member);
    }
    return group;
}

JournalOperationMember *journal_operation_member_new(void)
{
    JournalOperationMember *member = g_new0(JournalOperationMember, 1);
    member->domid = HOST_DOMID_NONE;
    return member;
}

void journal_operation_member_free(JournalOperationMember *member)
{
    if (member == NULL)
        return;
    g_free(member->name);
    g_free(member->outcome);
    g_free(member->error);
    g_free(member);
}

JournalOperation *journal_operation_new(void)
{
    JournalOperation *operation = g_new0(JournalOperation, 1);
    operation->members =
        g_ptr_array_new_with_free_func((GDestroyNotify)journal_operation_member_free);
    return operation;
}

JournalOperation *journal_operation_copy(const JournalOperation *from)
{
    JournalOperation *operation = g_memdup2(from, sizeof *from);
    operation->group_name = g_strdup(from->group_name);
    operation->kind = g_strdup(from->kind);
    operation->policy = g_strdup(from->policy);
    operation->options = g_strdup(from->options);
    operation->image_path = g_strdup(from->image_path);
    operation->stage = g_strdup(from->stage);
    operation->error_name = g_strdup(from->error_name);
    operation->error_message = g_strdup(from->error_message);
    operation->members =
        g_ptr_array_new_with_free_func((GDestroyNotify)journal_operation_member_free);
    for (guint i = 0; i < from->members->len; i++) {
        JournalOperationMember *member = g_memdup2(from->members->pdata[i], sizeof *member);
        member->name = g_strdup(member->name);
        member->outcome = g_strdup(member->outcome);
        member->error = g_strdup(member->error);
        g_ptr_array_add(operation->members, member);
    }
    return operation;
}

void journal_operation_free(JournalOperation *operation)
{
    if (operation == NULL)
        return;
    g_free(operation->group_name);
    g_free(operation->kind);
    g_free(operation->policy);
    g_free(operation->options);
    g_free(operation->image_path);
    g_free(operation->stage);
    g_ptr_array_unref(operation->members);
    g_free(operation->error_name);
    g_free(operation->error_message);
    g_free(operation);
}

JournalMigration *journal_migration_new(void)
{
    JournalMigration *migration = g_new0(JournalMigration, 1);
    migration->copies = g_array_new(FALSE, FALSE, sizeof(JournalCopy));
    return migration;
}

JournalMigration *journal_migration_copy(const JournalMigration *from)
{
    JournalMigration *migration = g_memdup2(from, sizeof *from);
    migration->side = g_strdup(from->side);
    migration->group_name = g_strdup(from->group_name);
    migration->state = g_strdup(from->state);
    migration->peer = g_strdup(from->peer);
    migration->command = g_strdup(from->command);
    migration->copies = g_array_copy(from->copies);
    return migration;
}

void journal_migration_free(JournalMigration *migration)
{
    if (migration == NULL)
        return;
    g_free(migration->side);
    g_free(migration->group_name);
    g_free(migration->state);
    g_free(migration->peer);
    g_free(migration->command);
    g_array_unref(migration->copies);
    g_free(migration);
}
