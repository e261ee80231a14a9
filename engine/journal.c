/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The records that every journal shares. */
#include "journal.h"

#include "host.h"

JournalMember *journal_member_new(void)
{
    JournalMember *member = g_new0(JournalMember, 1);
    member->domid = HOST_DOMID_NONE;
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
    g_ptr_array_unref(group->members);
    g_free(group);
}

JournalOperation *journal_operation_new(void)
{
    return g_new0(JournalOperation, 1);
}

void journal_operation_free(JournalOperation *operation)
{
    if (operation == NULL)
        return;
    g_free(operation->group_name);
    g_free(operation->kind);
    g_free(operation->error_name);
    g_free(operation->error_message);
    g_free(operation);
}
