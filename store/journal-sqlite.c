/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The journal in SQLite. A rollback journal with synchronous=FULL makes each
 * function's change whole and durable; an exclusive lock keeps other
 * processes out for as long as the database is open.
 */
#include "store.h"

#include "host.h"

#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <string.h>
#include <unistd.h>

#define SCHEMA_VERSION 1

static const char schema[] =
    "CREATE TABLE grp (uuid TEXT PRIMARY KEY, name TEXT NOT NULL UNIQUE, id INTEGER NOT NULL,"
    " text TEXT, paused INTEGER NOT NULL, boot_id TEXT NOT NULL) WITHOUT ROWID;"
    "CREATE TABLE member (grp TEXT NOT NULL REFERENCES grp ON DELETE CASCADE,"
    " position INTEGER NOT NULL, uuid TEXT NOT NULL, name TEXT NOT NULL, json TEXT NOT NULL,"
    " ours INTEGER NOT NULL, domid INTEGER NOT NULL, PRIMARY KEY (grp, uuid)) WITHOUT ROWID;"
    "CREATE TABLE operation (serial INTEGER PRIMARY KEY AUTOINCREMENT, uuid TEXT NOT NULL UNIQUE,"
    " grp TEXT NOT NULL, grp_name TEXT NOT NULL, kind TEXT NOT NULL, began_us INTEGER NOT NULL,"
    " ended_us INTEGER NOT NULL, error_name TEXT, error_message TEXT);"
    "PRAGMA user_version = " G_STRINGIFY(SCHEMA_VERSION) ";";

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
    OPERATIONS_TRIM,
    OPERATIONS,
    N_STATEMENTS
};

static const char *const statements[N_STATEMENTS] = {
    [BEGIN] = "BEGIN IMMEDIATE",
    [COMMIT] = "COMMIT",
    [ROLLBACK] = "ROLLBACK",
    [GROUPS] = "SELECT uuid, name, id, text, paused, boot_id FROM grp ORDER BY name",
    [MEMBERS] = "SELECT uuid, name, json, ours, domid FROM member WHERE grp = ? ORDER BY position",
    [GROUP_PUT] = "INSERT INTO grp (uuid, name, id, text, paused, boot_id)"
                  " VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (uuid) DO UPDATE SET"
                  " name = excluded.name, id = excluded.id, text = excluded.text,"
                  " paused = excluded.paused, boot_id = excluded.boot_id",
    [GROUP_DELETE] = "DELETE FROM grp WHERE uuid = ?",
    [MEMBER_PUT] = "INSERT INTO member (grp, position, uuid, name, json, ours, domid)"
                   " VALUES (?, ?, ?, ?, ?, ?, ?)",
    [MEMBERS_DELETE] = "DELETE FROM member WHERE grp = ?",
    [OWNER_PUT] = "UPDATE member SET ours = ?, domid = ? WHERE grp = ? AND uuid = ?",
    [OPERATION_PUT] = "INSERT INTO operation (uuid, grp, grp_name, kind, began_us, ended_us,"
                      " error_name, error_message) VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
                      " ON CONFLICT (uuid) DO UPDATE SET ended_us = excluded.ended_us,"
                      " error_name = excluded.error_name, error_message = excluded.error_message",
    /* An open operation is what a restart needs to know of, however old. */
    [OPERATIONS_TRIM] = "DELETE FROM operation WHERE ended_us != 0 AND serial <="
                        " (SELECT max(serial) FROM operation) - ?",
    [OPERATIONS] = "SELECT uuid, grp, grp_name, kind, began_us, ended_us, error_name,"
                   " error_message FROM operation ORDER BY serial DESC LIMIT ?",
};

typedef struct {
    Journal journal; /* first */
    char *path;
    sqlite3 *db;
    sqlite3_stmt *prepared[N_STATEMENTS];
} JournalSqlite;

/* -- errors -- */

static const char *way_out(int code)
{
    switch (code & 0xFF) {
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        return "stop domgrpd, move the file away and create the groups again, or put back a "
               "copy of it; running domains are not touched";
    case SQLITE_FULL:
    case SQLITE_IOERR:
        return "make room on its file system, then try again";
    default:
        return "check the file, its folder and their permissions";
    }
}

static gboolean fail(const JournalSqlite *journal, GError **error)
{
    int code = journal->db != NULL ? sqlite3_extended_errcode(journal->db) : SQLITE_NOMEM;
    if ((code & 0xFF) == SQLITE_BUSY || (code & 0xFF) == SQLITE_LOCKED) {
        g_set_error(error, DOMGRP_ERROR, DOMGRP_ERROR_LOCKED,
                    "the database %s is in use by another process: only one domgrpd can run",
                    journal->path);
        return FALSE;
    }
    g_set_error(error, DOMGRP_ERROR, DOMGRP_ERROR_STORE,
                "the database %s cannot be read or written (%s): %s", journal->path,
                journal->db != NULL ? sqlite3_errmsg(journal->db) : "out of memory", way_out(code));
    return FALSE;
}

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
        fail(journal, error);
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
        fail(journal, error);
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
    return operation;
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
    *ret_operations = g_steal_pointer(&operations);
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
    bind_text(statement, 3, group_uuid);
    bind_text(statement, 4, owner->member_uuid);
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

static gboolean put_operation(JournalSqlite *journal, const JournalOperation *operation,
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
    if (!run(journal, OPERATION_PUT, error))
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

/* -- the database -- */

static void store_free(Journal *base)
{
    JournalSqlite *journal = (JournalSqlite *)base;
    for (int i = 0; i < N_STATEMENTS; i++)
        sqlite3_finalize(journal->prepared[i]);
    sqlite3_close(journal->db);
    g_free(journal->path);
    g_free(journal);
}

/* The file is made before SQLite sees it, so that it is never readable by others. */
static gboolean make_file(const char *path, GError **error)
{
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0) {
        g_set_error(error, DOMGRP_ERROR, DOMGRP_ERROR_STORE,
                    "the database %s cannot be opened (%s): check its folder and permissions", path,
                    g_strerror(errno));
        return FALSE;
    }
    close(fd);
    return TRUE;
}

static gboolean execute(JournalSqlite *journal, const char *sql, GError **error)
{
    return sqlite3_exec(journal->db, sql, NULL, NULL, NULL) == SQLITE_OK || fail(journal, error);
}

static gboolean get_number(JournalSqlite *journal, const char *sql, int *ret_number, GError **error)
{
    sqlite3_stmt *statement = NULL;
    gboolean good = sqlite3_prepare_v2(journal->db, sql, -1, &statement, NULL) == SQLITE_OK &&
                    sqlite3_step(statement) == SQLITE_ROW;
    if (good)
        *ret_number = sqlite3_column_int(statement, 0);
    else
        fail(journal, error);
    sqlite3_finalize(statement);
    return good;
}

/* SQLite's own check of the whole file; it says "ok" or what is wrong first. */
static gboolean check_integrity(JournalSqlite *journal, GError **error)
{
    sqlite3_stmt *statement = NULL;
    if (sqlite3_prepare_v2(journal->db, "PRAGMA integrity_check(1)", -1, &statement, NULL) !=
            SQLITE_OK ||
        sqlite3_step(statement) != SQLITE_ROW) {
        sqlite3_finalize(statement);
        return fail(journal, error);
    }
    const char *found = (const char *)sqlite3_column_text(statement, 0);
    gboolean good = g_strcmp0(found, "ok") == 0;
    if (!good)
        g_set_error(error, DOMGRP_ERROR, DOMGRP_ERROR_STORE, "the database %s is damaged (%s): %s",
                    journal->path, found, way_out(SQLITE_CORRUPT));
    sqlite3_finalize(statement);
    return good;
}

static gboolean make_schema(JournalSqlite *journal, GError **error)
{
    g_autofree char *sql = g_strconcat("BEGIN;", schema, "COMMIT;", NULL);
    return execute(journal, sql, error);
}

static gboolean check_version(JournalSqlite *journal, GError **error)
{
    int version;
    if (!get_number(journal, "PRAGMA user_version", &version, error))
        return FALSE;
    if (version == 0)
        return make_schema(journal, error);
    if (version <= SCHEMA_VERSION)
        return TRUE;
    g_set_error(error, DOMGRP_ERROR, DOMGRP_ERROR_STORE,
                "the database %s has version %d, but this domgrpd knows none above %d: install "
                "the newer domgrp again",
                journal->path, version, SCHEMA_VERSION);
    return FALSE;
}

static gboolean prepare(JournalSqlite *journal, GError **error)
{
    for (int i = 0; i < N_STATEMENTS; i++)
        if (sqlite3_prepare_v3(journal->db, statements[i], -1, SQLITE_PREPARE_PERSISTENT,
                               &journal->prepared[i], NULL) != SQLITE_OK)
            return fail(journal, error);
    return TRUE;
}

static gboolean open_database(JournalSqlite *journal, GError **error)
{
    if (sqlite3_open_v2(journal->path, &journal->db, SQLITE_OPEN_READWRITE, NULL) != SQLITE_OK)
        return fail(journal, error);
    /* BEGIN EXCLUSIVE takes the lock, and locking_mode keeps it. */
    return execute(journal,
                   "PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = TRUNCATE;"
                   "PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON;"
                   "BEGIN EXCLUSIVE; COMMIT;",
                   error) &&
           check_integrity(journal, error) && check_version(journal, error) &&
           prepare(journal, error);
}

static const JournalOps ops = {
    .load = store_load,
    .group_put = store_group_put,
    .group_delete = store_group_delete,
    .members_put_owner = store_members_put_owner,
    .operation_put = store_operation_put,
    .operations = store_operations,
    .free = store_free,
};

Journal *journal_sqlite_new(const char *path, GError **error)
{
    if (!make_file(path, error))
        return NULL;
    JournalSqlite *journal = g_new0(JournalSqlite, 1);
    journal->journal.ops = &ops;
    journal->path = g_strdup(path);
    if (!open_database(journal, error)) {
        store_free(&journal->journal);
        return NULL;
    }
    return &journal->journal;
}
