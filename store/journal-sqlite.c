/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The journal in SQLite: its statements and what they read and write. Each
 * function that writes is one transaction. The tables are database.c's.
 */
#include "store.h"

#include "database.h"

enum {
    BEGIN,
    COMMIT,
    ROLLBACK,
    GROUPS,
    MEMBERS,
    GROUP_PUT,
    GROUP_DELETE,
    MEMBER_PUT,
    MEMBERS_DELETE,
    OWNER_PUT,
    OPERATION_PUT,
    OPERATION_MEMBER_PUT,
    OPERATION_MEMBERS_DELETE,
    OPERATIONS_TRIM,
    OPERATIONS,
    OPERATION_MEMBERS,
    MIGRATIONS,
    MIGRATION_COPIES,
    MIGRATION_PUT,
    MIGRATION_COPY_PUT,
    MIGRATION_COPIES_DELETE,
    MIGRATION_DELETE,
    MIGRATION_GROUP_DELETE,
    N_STATEMENTS
};

#define SERIAL "SELECT serial FROM operation WHERE uuid = ?"

static const char *const statements[N_STATEMENTS] = {
    [BEGIN] = "BEGIN IMMEDIATE",
    [COMMIT] = "COMMIT",
    [ROLLBACK] = "ROLLBACK",
    [GROUPS] =
        "SELECT uuid, name, id, text, paused, boot_id, settings, failed, image_uuid, image_path,"
        " image_old FROM grp ORDER BY name",
    [MEMBERS] = "SELECT uuid, name, json, ours, domid, suspend_domid FROM member WHERE grp = ?"
                " ORDER BY position",
    [GROUP_PUT] = "INSERT INTO grp (uuid, name, id, text, paused, boot_id, settings, failed,"
                  " image_uuid, image_path, image_old)"
                  " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (uuid) DO UPDATE SET"
                  " name = excluded.name, id = excluded.id, text = excluded.text,"
                  " paused = excluded.paused, boot_id = excluded.boot_id,"
                  " settings = excluded.settings, failed = excluded.failed,"
                  " image_uuid = excluded.image_uuid, image_path = excluded.image_path,"
                  " image_old = excluded.image_old",
    [GROUP_DELETE] = "DELETE FROM grp WHERE uuid = ?",
    [MEMBER_PUT] = "INSERT INTO member (grp, position, uuid, name, json, ours, domid,"
                   " suspend_domid) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
    [MEMBERS_DELETE] = "DELETE FROM member WHERE grp = ?",
    [OWNER_PUT] =
        "UPDATE member SET ours = ?, domid = ?, suspend_domid = ? WHERE grp = ? AND uuid = ?",
    [OPERATION_PUT] = "INSERT INTO operation (uuid, grp, grp_name, kind, began_us, ended_us,"
                      " error_name, error_message, boot_id, policy, options, began, image_uuid,"
                      " image_path, stage, undoing, by_itself)"
                      " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
                      " ON CONFLICT (uuid) DO UPDATE SET grp = excluded.grp,"
                      " grp_name = excluded.grp_name, kind = excluded.kind,"
                      " began_us = excluded.began_us, ended_us = excluded.ended_us,"
                      " error_name = excluded.error_name, error_message = excluded.error_message,"
                      " boot_id = excluded.boot_id, policy = excluded.policy,"
                      " options = excluded.options, began = excluded.began,"
                      " image_uuid = excluded.image_uuid, image_path = excluded.image_path,"
                      " stage = excluded.stage, undoing = excluded.undoing,"
                      " by_itself = excluded.by_itself",
    /* A member that is as it was is not written again. */
    [OPERATION_MEMBER_PUT] =
        "INSERT INTO operation_member (operation, position, uuid, name, domid, outcome, error)"
        " VALUES ((" SERIAL "), ?, ?, ?, ?, ?, ?) ON CONFLICT (operation, position) DO UPDATE SET"
        " uuid = excluded.uuid, name = excluded.name, domid = excluded.domid,"
        " outcome = excluded.outcome, error = excluded.error WHERE (uuid, name, domid, outcome,"
        " error) IS NOT (excluded.uuid, excluded.name, excluded.domid, excluded.outcome,"
        " excluded.error)",
    [OPERATION_MEMBERS_DELETE] =
        "DELETE FROM operation_member WHERE operation = (" SERIAL ") AND position >= ?",
    /* An open operation is what a restart needs to know of, however old. */
    [OPERATIONS_TRIM] = "DELETE FROM operation WHERE ended_us != 0 AND serial <="
                        " (SELECT max(serial) FROM operation) - ?",
    [OPERATIONS] = "SELECT uuid, grp, grp_name, kind, began_us, ended_us, error_name,"
                   " error_message, boot_id, policy, options, began, image_uuid, image_path,"
                   " stage, undoing, by_itself FROM operation WHERE ended_us = 0 OR serial IN"
                   " (SELECT serial FROM operation ORDER BY serial DESC LIMIT ?)"
                   " ORDER BY serial DESC",
    [OPERATION_MEMBERS] = "SELECT uuid, name, domid, outcome, error FROM operation_member"
                          " WHERE operation = (" SERIAL ") ORDER BY position",
    [MIGRATIONS] = "SELECT uuid, side, grp, grp_name, state, boot_id, entered_us, peer, command,"
                   " operation FROM migration ORDER BY grp_name",
    [MIGRATION_COPIES] =
        "SELECT member, domid FROM migration_copy WHERE migration = ? ORDER BY position",
    [MIGRATION_PUT] =
        "INSERT INTO migration (uuid, side, grp, grp_name, state, boot_id, entered_us, peer,"
        " command, operation) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (uuid) DO UPDATE"
        " SET grp_name = excluded.grp_name, state = excluded.state, boot_id = excluded.boot_id,"
        " entered_us = excluded.entered_us, peer = excluded.peer, command = excluded.command,"
        " operation = excluded.operation WHERE side = excluded.side AND grp = excluded.grp",
    [MIGRATION_COPY_PUT] =
        "INSERT INTO migration_copy (migration, position, member, domid) VALUES (?, ?, ?, ?)",
    [MIGRATION_COPIES_DELETE] = "DELETE FROM migration_copy WHERE migration = ?",
    [MIGRATION_DELETE] = "DELETE FROM migration WHERE uuid = ?",
    [MIGRATION_GROUP_DELETE] =
        "DELETE FROM grp WHERE uuid = (SELECT grp FROM migration WHERE uuid = ?)",
};

typedef struct {
    Journal journal; /* first */
    char *path;
    sqlite3 *db;
    sqlite3_stmt *prepared[N_STATEMENTS];
} JournalSqlite;

/* -- statements -- */

static void bind_text(sqlite3_stmt *statement, int n, const char *text)
{
    sqlite3_bind_text(statement, n, text, -1, SQLITE_STATIC);
}

/* Runs a statement that returns no rows. Its parameters have been bound. */
static gboolean run(JournalSqlite *journal, int which, GError **error)
{
    sqlite3_stmt *statement = journal->prepared[which];
    gboolean done = sqlite3_step(statement) == SQLITE_DONE;
    if (!done)
        database_fail(journal->db, journal->path, error);
    sqlite3_reset(statement);
    sqlite3_clear_bindings(statement);
    return done;
}

/* Ends a transaction: as it should be if @good, else as if it had never been. */
static gboolean end(JournalSqlite *journal, gboolean good, GError **error)
{
    if (good && run(journal, COMMIT, error))
        return TRUE;
    if (sqlite3_get_autocommit(journal->db) == 0)
        run(journal, ROLLBACK, NULL);
    return FALSE;
}

static char *column_text(sqlite3_stmt *statement, int n)
{
    return g_strdup((const char *)sqlite3_column_text(statement, n));
}

static void column_uuid(sqlite3_stmt *statement, int n, char ret_uuid[DOMGRP_UUID_TEXT])
{
    const char *text = (const char *)sqlite3_column_text(statement, n);
    g_strlcpy(ret_uuid, text != NULL ? text : "", DOMGRP_UUID_TEXT);
}

/* Reads all rows of a statement, whose parameters have been bound, into @rows. */
static gboolean read_rows(JournalSqlite *journal, int which, gpointer (*read)(sqlite3_stmt *),
                          GPtrArray *rows, GError **error)
{
    sqlite3_stmt *statement = journal->prepared[which];
    int result;
    while ((result = sqlite3_step(statement)) == SQLITE_ROW)
        g_ptr_array_add(rows, read(statement));
    if (result != SQLITE_DONE)
        database_fail(journal->db, journal->path, error);
    sqlite3_reset(statement);
    sqlite3_clear_bindings(statement);
    return result == SQLITE_DONE;
}

/* -- reading -- */

static gpointer read_group(sqlite3_stmt *statement)
{
    JournalGroup *group = journal_group_new();
    column_uuid(statement, 0, group->uuid);
    group->name = column_text(statement, 1);
    group->id = (guint32)sqlite3_column_int64(statement, 2);
    group->text = column_text(statement, 3);
    group->paused = sqlite3_column_int(statement, 4) != 0;
    column_uuid(statement, 5, group->boot_id);
    group->settings = column_text(statement, 6);
    group->failed = sqlite3_column_int(statement, 7) != 0;
    column_uuid(statement, 8, group->image_uuid);
    group->image_path = column_text(statement, 9);
    group->image_old = sqlite3_column_int(statement, 10) != 0;
    return group;
}

static gpointer read_member(sqlite3_stmt *statement)
{
    JournalMember *member = journal_member_new();
    column_uuid(statement, 0, member->uuid);
    member->name = column_text(statement, 1);
    member->json = column_text(statement, 2);
    member->ours = sqlite3_column_int(statement, 3) != 0;
    member->domid = (guint32)sqlite3_column_int64(statement, 4);
    member->suspend_domid = (guint32)sqlite3_column_int64(statement, 5);
    return member;
}

static gpointer read_operation(sqlite3_stmt *statement)
{
    JournalOperation *operation = journal_operation_new();
    column_uuid(statement, 0, operation->uuid);
    column_uuid(statement, 1, operation->group_uuid);
    operation->group_name = column_text(statement, 2);
    operation->kind = column_text(statement, 3);
    operation->began_us = sqlite3_column_int64(statement, 4);
    operation->ended_us = sqlite3_column_int64(statement, 5);
    operation->error_name = column_text(statement, 6);
    operation->error_message = column_text(statement, 7);
    column_uuid(statement, 8, operation->boot_id);
    operation->policy = column_text(statement, 9);
    operation->options = column_text(statement, 10);
    operation->began = sqlite3_column_int(statement, 11) != 0;
    column_uuid(statement, 12, operation->image_uuid);
    operation->image_path = column_text(statement, 13);
    operation->stage = column_text(statement, 14);
    operation->undoing = sqlite3_column_int(statement, 15) != 0;
    operation->by_itself = sqlite3_column_int(statement, 16) != 0;
    return operation;
}

static gpointer read_operation_member(sqlite3_stmt *statement)
{
    JournalOperationMember *member = journal_operation_member_new();
    column_uuid(statement, 0, member->uuid);
    member->name = column_text(statement, 1);
    member->domid = (guint32)sqlite3_column_int64(statement, 2);
    member->outcome = column_text(statement, 3);
    member->error = column_text(statement, 4);
    return member;
}

static gpointer read_migration(sqlite3_stmt *statement)
{
    JournalMigration *migration = journal_migration_new();
    column_uuid(statement, 0, migration->uuid);
    migration->side = column_text(statement, 1);
    column_uuid(statement, 2, migration->group_uuid);
    migration->group_name = column_text(statement, 3);
    migration->state = column_text(statement, 4);
    column_uuid(statement, 5, migration->boot_id);
    migration->entered_us = sqlite3_column_int64(statement, 6);
    migration->peer = column_text(statement, 7);
    migration->command = column_text(statement, 8);
    column_uuid(statement, 9, migration->operation_uuid);
    return migration;
}

static gpointer read_copy(sqlite3_stmt *statement)
{
    JournalCopy *copy = g_new0(JournalCopy, 1);
    column_uuid(statement, 0, copy->member_uuid);
    copy->domid = (guint32)sqlite3_column_int64(statement, 1);
    return copy;
}

static gboolean store_load(Journal *base, GPtrArray **ret_groups, GError **error)
{
    JournalSqlite *journal = (JournalSqlite *)base;
    g_autoptr(GPtrArray) groups =
        g_ptr_array_new_with_free_func((GDestroyNotify)journal_group_free);
    if (!read_rows(journal, GROUPS, read_group, groups, error))
        return FALSE;
    for (guint i = 0; i < groups->len; i++) {
        JournalGroup *group = groups->pdata[i];
        bind_text(journal->prepared[MEMBERS], 1, group->uuid);
        if (!read_rows(journal, MEMBERS, read_member, group->members, error))
            return FALSE;
    }
    *ret_groups = g_steal_pointer(&groups);
    return TRUE;
}

static gboolean store_operations(Journal *base, guint limit, GPtrArray **ret_operations,
                                 GError **error)
{
    JournalSqlite *journal = (JournalSqlite *)base;
    g_autoptr(GPtrArray) operations =
        g_ptr_array_new_with_free_func((GDestroyNotify)journal_operation_free);
    sqlite3_bind_int64(journal->prepared[OPERATIONS], 1, limit);
    if (!read_rows(journal, OPERATIONS, read_operation, operations, error))
        return FALSE;
    for (guint i = 0; i < operations->len; i++) {
        JournalOperation *operation = operations->pdata[i];
        bind_text(journal->prepared[OPERATION_MEMBERS], 1, operation->uuid);
        if (!read_rows(journal, OPERATION_MEMBERS, read_operation_member, operation->members,
                       error))
            return FALSE;
    }
    *ret_operations = g_steal_pointer(&operations);
    return TRUE;
}

static gboolean read_copies(JournalSqlite *journal, JournalMigration *migration, GError **error)
{
    g_autoptr(GPtrArray) copies = g_ptr_array_new_with_free_func(g_free);
    bind_text(journal->prepared[MIGRATION_COPIES], 1, migration->uuid);
    if (!read_rows(journal, MIGRATION_COPIES, read_copy, copies, error))
        return FALSE;
    for (guint i = 0; i < copies->len; i++)
        g_array_append_vals(migration->copies, copies->pdata[i], 1);
    return TRUE;
}

static gboolean store_migrations(Journal *base, GPtrArray **ret_migrations, GError **error)
{
    JournalSqlite *journal = (JournalSqlite *)base;
    g_autoptr(GPtrArray) migrations =
        g_ptr_array_new_with_free_func((GDestroyNotify)journal_migration_free);
    if (!read_rows(journal, MIGRATIONS, read_migration, migrations, error))
        return FALSE;
    for (guint i = 0; i < migrations->len; i++)
        if (!read_copies(journal, migrations->pdata[i], error))
            return FALSE;
    *ret_migrations = g_steal_pointer(&migrations);
    return TRUE;
}

/* -- writing -- */

static gboolean put_member(JournalSqlite *journal, const char *group, guint position,
                           const JournalMember *member, GError **error)
{
    sqlite3_stmt *statement = journal->prepared[MEMBER_PUT];
    bind_text(statement, 1, group);
    sqlite3_bind_int64(statement, 2, position);
    bind_text(statement, 3, member->uuid);
    bind_text(statement, 4, member->name);
    bind_text(statement, 5, member->json);
    sqlite3_bind_int(statement, 6, member->ours);
    sqlite3_bind_int64(statement, 7, member->domid);
    sqlite3_bind_int64(statement, 8, member->suspend_domid);
    return run(journal, MEMBER_PUT, error);
}

static gboolean put_group(JournalSqlite *journal, const JournalGroup *group, GError **error)
{
    sqlite3_stmt *statement = journal->prepared[GROUP_PUT];
    bind_text(statement, 1, group->uuid);
    bind_text(statement, 2, group->name);
    sqlite3_bind_int64(statement, 3, group->id);
    bind_text(statement, 4, group->text);
    sqlite3_bind_int(statement, 5, group->paused);
    bind_text(statement, 6, group->boot_id);
    bind_text(statement, 7, group->settings != NULL ? group->settings : "");
    sqlite3_bind_int(statement, 8, group->failed);
    bind_text(statement, 9, group->image_uuid);
    bind_text(statement, 10, group->image_path);
    sqlite3_bind_int(statement, 11, group->image_old);
    if (!run(journal, GROUP_PUT, error))
        return FALSE;
    bind_text(journal->prepared[MEMBERS_DELETE], 1, group->uuid);
    if (!run(journal, MEMBERS_DELETE, error))
        return FALSE;
    for (guint i = 0; i < group->members->len; i++)
        if (!put_member(journal, group->uuid, i, group->members->pdata[i], error))
            return FALSE;
    return TRUE;
}

static gboolean store_group_put(Journal *base, const JournalGroup *group, GError **error)
{
    JournalSqlite *journal = (JournalSqlite *)base;
    if (!run(journal, BEGIN, error))
        return FALSE;
    return end(journal, put_group(journal, group, error), error);
}

static gboolean store_group_delete(Journal *base, const char *uuid, GError **error)
{
    JournalSqlite *journal = (JournalSqlite *)base;
    bind_text(journal->prepared[GROUP_DELETE], 1, uuid);
    return run(journal, GROUP_DELETE, error);
}

static gboolean put_owner(JournalSqlite *journal, const char *group_uuid, const JournalOwner *owner,
                          GError **error)
{
    sqlite3_stmt *statement = journal->prepared[OWNER_PUT];
    sqlite3_bind_int(statement, 1, owner->ours);
    sqlite3_bind_int64(statement, 2, owner->domid);
    sqlite3_bind_int64(statement, 3, owner->suspend_domid);
    bind_text(statement, 4, group_uuid);
    bind_text(statement, 5, owner->member_uuid);
    return run(journal, OWNER_PUT, error);
}

static gboolean store_members_put_owner(Journal *base, const char *group_uuid,
                                        const JournalOwner *owners, guint n_owners, GError **error)
{
    JournalSqlite *journal = (JournalSqlite *)base;
    gboolean good = run(journal, BEGIN, error);
    if (!good)
        return FALSE;
    for (guint i = 0; good && i < n_owners; i++)
        good = put_owner(journal, group_uuid, &owners[i], error);
    return end(journal, good, error);
}

static gboolean put_operation_member(JournalSqlite *journal, const char *operation, guint position,
                                     const JournalOperationMember *member, GError **error)
{
    sqlite3_stmt *statement = journal->prepared[OPERATION_MEMBER_PUT];
    bind_text(statement, 1, operation);
    sqlite3_bind_int64(statement, 2, position);
    bind_text(statement, 3, member->uuid);
    bind_text(statement, 4, member->name);
    sqlite3_bind_int64(statement, 5, member->domid);
    bind_text(statement, 6, member->outcome);
    bind_text(statement, 7, member->error);
    return run(journal, OPERATION_MEMBER_PUT, error);
}

static gboolean put_operation_members(JournalSqlite *journal, const JournalOperation *operation,
                                      GError **error)
{
    const GPtrArray *members = operation->members;
    sqlite3_stmt *statement = journal->prepared[OPERATION_MEMBERS_DELETE];
    for (guint i = 0; i < members->len; i++)
        if (!put_operation_member(journal, operation->uuid, i, members->pdata[i], error))
            return FALSE;
    bind_text(statement, 1, operation->uuid);
    sqlite3_bind_int64(statement, 2, members->len);
    return run(journal, OPERATION_MEMBERS_DELETE, error);
}

static gboolean put_operation_row(JournalSqlite *journal, const JournalOperation *operation,
                                  GError **error)
{
    sqlite3_stmt *statement = journal->prepared[OPERATION_PUT];
    bind_text(statement, 1, operation->uuid);
    bind_text(statement, 2, operation->group_uuid);
    bind_text(statement, 3, operation->group_name);
    bind_text(statement, 4, operation->kind);
    sqlite3_bind_int64(statement, 5, operation->began_us);
    sqlite3_bind_int64(statement, 6, operation->ended_us);
    bind_text(statement, 7, operation->error_name);
    bind_text(statement, 8, operation->error_message);
    bind_text(statement, 9, operation->boot_id);
    bind_text(statement, 10, operation->policy != NULL ? operation->policy : "");
    bind_text(statement, 11, operation->options);
    sqlite3_bind_int(statement, 12, operation->began);
    bind_text(statement, 13, operation->image_uuid);
    bind_text(statement, 14, operation->image_path);
    bind_text(statement, 15, operation->stage != NULL ? operation->stage : "");
    sqlite3_bind_int(statement, 16, operation->undoing);
    sqlite3_bind_int(statement, 17, operation->by_itself);
    return run(journal, OPERATION_PUT, error);
}

static gboolean put_operation(JournalSqlite *journal, const JournalOperation *operation,
                              GError **error)
{
    if (!put_operation_row(journal, operation, error) ||
        !put_operation_members(journal, operation, error))
        return FALSE;
    sqlite3_bind_int(journal->prepared[OPERATIONS_TRIM], 1, JOURNAL_SQLITE_OPERATIONS);
    return run(journal, OPERATIONS_TRIM, error);
}

static gboolean store_operation_put(Journal *base, const JournalOperation *operation,
                                    GError **error)
{
    JournalSqlite *journal = (JournalSqlite *)base;
    if (!run(journal, BEGIN, error))
        return FALSE;
    return end(journal, put_operation(journal, operation, error), error);
}

/* Runs a statement whose only parameter is a UUID. */
static gboolean run_on(JournalSqlite *journal, int which, const char *uuid, GError **error)
{
    bind_text(journal->prepared[which], 1, uuid);
    return run(journal, which, error);
}

static gboolean put_migration_row(JournalSqlite *journal, const JournalMigration *migration,
                                  GError **error)
{
    sqlite3_stmt *statement = journal->prepared[MIGRATION_PUT];
    bind_text(statement, 1, migration->uuid);
    bind_text(statement, 2, migration->side);
    bind_text(statement, 3, migration->group_uuid);
    bind_text(statement, 4, migration->group_name);
    bind_text(statement, 5, migration->state);
    bind_text(statement, 6, migration->boot_id);
    sqlite3_bind_int64(statement, 7, migration->entered_us);
    bind_text(statement, 8, migration->peer);
    bind_text(statement, 9, migration->command);
    bind_text(statement, 10, migration->operation_uuid);
    if (!run(journal, MIGRATION_PUT, error))
        return FALSE;
    if (sqlite3_changes(journal->db) > 0)
        return TRUE;
    g_set_error(error, DOMGRP_ERROR, DOMGRP_ERROR_STORE,
                "%s has the migration %s of another group than %s", journal->path, migration->uuid,
                migration->group_name);
    return FALSE;
}

static gboolean put_copies(JournalSqlite *journal, const JournalMigration *migration,
                           GError **error)
{
    sqlite3_stmt *statement = journal->prepared[MIGRATION_COPY_PUT];
    if (!run_on(journal, MIGRATION_COPIES_DELETE, migration->uuid, error))
        return FALSE;
    for (guint i = 0; i < migration->copies->len; i++) {
        const JournalCopy *copy = &g_array_index(migration->copies, JournalCopy, i);
        bind_text(statement, 1, migration->uuid);
        sqlite3_bind_int64(statement, 2, i);
        bind_text(statement, 3, copy->member_uuid);
        sqlite3_bind_int64(statement, 4, copy->domid);
        if (!run(journal, MIGRATION_COPY_PUT, error))
            return FALSE;
    }
    return TRUE;
}

static gboolean store_migration_put(Journal *base, const JournalMigration *migration,
                                    const JournalGroup *group, GError **error)
{
    JournalSqlite *journal = (JournalSqlite *)base;
    if (!run(journal, BEGIN, error))
        return FALSE;
    gboolean good = put_migration_row(journal, migration, error) &&
                    put_copies(journal, migration, error) &&
                    (group == NULL || put_group(journal, group, error));
    return end(journal, good, error);
}

static gboolean store_migration_end(Journal *base, const char *uuid, const JournalGroup *group,
                                    GError **error)
{
    JournalSqlite *journal = (JournalSqlite *)base;
    if (!run(journal, BEGIN, error))
        return FALSE;
    gboolean good = (group != NULL ? put_group(journal, group, error)
                                   : run_on(journal, MIGRATION_GROUP_DELETE, uuid, error)) &&
                    run_on(journal, MIGRATION_DELETE, uuid, error);
    return end(journal, good, error);
}

/* -- the journal -- */

static void store_free(Journal *base)
{
    JournalSqlite *journal = (JournalSqlite *)base;
    for (int i = 0; i < N_STATEMENTS; i++)
        sqlite3_finalize(journal->prepared[i]);
    sqlite3_close(journal->db);
    g_free(journal->path);
    g_free(journal);
}

static gboolean prepare(JournalSqlite *journal, GError **error)
{
    for (int i = 0; i < N_STATEMENTS; i++)
        if (sqlite3_prepare_v3(journal->db, statements[i], -1, SQLITE_PREPARE_PERSISTENT,
                               &journal->prepared[i], NULL) != SQLITE_OK)
            return database_fail(journal->db, journal->path, error);
    return TRUE;
}

static const JournalOps ops = {
    .load = store_load,
    .group_put = store_group_put,
    .group_delete = store_group_delete,
    .members_put_owner = store_members_put_owner,
    .operation_put = store_operation_put,
    .operations = store_operations,
    .migrations = store_migrations,
    .migration_put = store_migration_put,
    .migration_end = store_migration_end,
    .free = store_free,
};

Journal *journal_sqlite_new(const char *path, GError **error)
{
    sqlite3 *db = database_open(path, error);
    if (db == NULL)
        return NULL;
    JournalSqlite *journal = g_new0(JournalSqlite, 1);
    journal->journal.ops = &ops;
    journal->path = g_strdup(path);
    journal->db = db;
    if (!prepare(journal, error)) {
        store_free(&journal->journal);
        return NULL;
    }
    return &journal->journal;
}
