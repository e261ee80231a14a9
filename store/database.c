/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Opening the database and bringing it to the present schema. A write-ahead
 * log with synchronous=FULL makes each transaction whole and durable for one
 * sync; an exclusive lock keeps other processes out for as long as it is open.
 */
#include "database.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

/*
 * The schema, as the steps that led to it: row N makes a database of version
 * N one of version N + 1, and an empty file is of version 0. A row is never
 * changed once it has been released.
 */
static const char *const steps[] = {
    "CREATE TABLE grp (uuid TEXT PRIMARY KEY, name TEXT NOT NULL UNIQUE, id INTEGER NOT NULL,"
    " text TEXT, paused INTEGER NOT NULL, boot_id TEXT NOT NULL) WITHOUT ROWID;"
    "CREATE TABLE member (grp TEXT NOT NULL REFERENCES grp ON DELETE CASCADE,"
    " position INTEGER NOT NULL, uuid TEXT NOT NULL, name TEXT NOT NULL, json TEXT NOT NULL,"
    " ours INTEGER NOT NULL, domid INTEGER NOT NULL, PRIMARY KEY (grp, uuid)) WITHOUT ROWID;"
    "CREATE TABLE operation (serial INTEGER PRIMARY KEY AUTOINCREMENT, uuid TEXT NOT NULL UNIQUE,"
    " grp TEXT NOT NULL, grp_name TEXT NOT NULL, kind TEXT NOT NULL, began_us INTEGER NOT NULL,"
    " ended_us INTEGER NOT NULL, error_name TEXT, error_message TEXT);",

    /* The defaults are what operations of version 1 read as: each began at once. */
    "ALTER TABLE grp ADD COLUMN settings TEXT NOT NULL DEFAULT '';"
    "ALTER TABLE grp ADD COLUMN failed INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE operation ADD COLUMN boot_id TEXT NOT NULL DEFAULT '';"
    "ALTER TABLE operation ADD COLUMN policy TEXT NOT NULL DEFAULT '';"
    "ALTER TABLE operation ADD COLUMN options TEXT;"
    "ALTER TABLE operation ADD COLUMN began INTEGER NOT NULL DEFAULT 1;"
    "CREATE TABLE operation_member (operation INTEGER NOT NULL REFERENCES operation"
    " ON DELETE CASCADE, position INTEGER NOT NULL, uuid TEXT NOT NULL, name TEXT NOT NULL,"
    " domid INTEGER NOT NULL, outcome TEXT, error TEXT, PRIMARY KEY (operation, position))"
    " WITHOUT ROWID;",

    /* 4294967295: no domain. Two of the words in an operation's options become columns. */
    "ALTER TABLE grp ADD COLUMN image_uuid TEXT NOT NULL DEFAULT '';"
    "ALTER TABLE grp ADD COLUMN image_path TEXT;"
    "ALTER TABLE grp ADD COLUMN image_old INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE member ADD COLUMN suspend_domid INTEGER NOT NULL DEFAULT 4294967295;"
    "ALTER TABLE operation ADD COLUMN image_uuid TEXT NOT NULL DEFAULT '';"
    "ALTER TABLE operation ADD COLUMN image_path TEXT;"
    "ALTER TABLE operation ADD COLUMN stage TEXT NOT NULL DEFAULT '';"
    "ALTER TABLE operation ADD COLUMN undoing INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE operation ADD COLUMN by_itself INTEGER NOT NULL DEFAULT 0;"
    "UPDATE operation SET undoing = instr(options, ' undoing') > 0,"
    " by_itself = instr(options, ' by-itself') > 0,"
    " options = replace(replace(options, ' undoing', ''), ' by-itself', '')"
    " WHERE options IS NOT NULL;",

    "CREATE TABLE migration (uuid TEXT PRIMARY KEY, side TEXT NOT NULL, grp TEXT NOT NULL UNIQUE,"
    " grp_name TEXT NOT NULL, state TEXT NOT NULL, boot_id TEXT NOT NULL,"
    " entered_us INTEGER NOT NULL, peer TEXT NOT NULL, command TEXT, operation TEXT NOT NULL)"
    " WITHOUT ROWID;"
    "CREATE TABLE migration_copy (migration TEXT NOT NULL REFERENCES migration ON DELETE CASCADE,"
    " position INTEGER NOT NULL, member TEXT NOT NULL, domid INTEGER NOT NULL,"
    " PRIMARY KEY (migration, position)) WITHOUT ROWID;",
};

#define VERSION ((int)G_N_ELEMENTS(steps))

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

gboolean database_fail(sqlite3 *db, const char *path, GError **error)
{
    int code = db != NULL ? sqlite3_extended_errcode(db) : SQLITE_NOMEM;
    if ((code & 0xFF) == SQLITE_BUSY || (code & 0xFF) == SQLITE_LOCKED) {
        g_set_error(error, DOMGRP_ERROR, DOMGRP_ERROR_LOCKED,
                    "the database %s is in use by another process: only one domgrpd can run", path);
        return FALSE;
    }
    g_set_error(error, DOMGRP_ERROR, DOMGRP_ERROR_STORE,
                "the database %s cannot be read or written (%s): %s", path,
                db != NULL ? sqlite3_errmsg(db) : "out of memory", way_out(code));
    return FALSE;
}

static gboolean fail_backup(const char *path, const char *file, const char *why, GError **error)
{
    g_set_error(error, DOMGRP_ERROR, DOMGRP_ERROR_STORE,
                "the database %s is of an older domgrp, and the backup %s that comes before its "
                "upgrade cannot be written (%s): make room on its file system, check its folder's "
                "permissions, then start domgrpd again; nothing has been changed",
                path, file, why);
    return FALSE;
}

/* -- asking -- */

static gboolean execute(sqlite3 *db, const char *path, const char *sql, GError **error)
{
    return sqlite3_exec(db, sql, NULL, NULL, NULL) == SQLITE_OK || database_fail(db, path, error);
}

/* A pragma's first answer; NULL on error. Finalize it. */
static sqlite3_stmt *ask(sqlite3 *db, const char *path, const char *sql, GError **error)
{
    sqlite3_stmt *statement = NULL;
    if (sqlite3_prepare_v2(db, sql, -1, &statement, NULL) == SQLITE_OK &&
        sqlite3_step(statement) == SQLITE_ROW)
        return statement;
    database_fail(db, path, error);
    sqlite3_finalize(statement);
    return NULL;
}

/* SQLite's own check of the whole file; it says "ok" or what is wrong first. */
static gboolean check_integrity(sqlite3 *db, const char *path, GError **error)
{
    sqlite3_stmt *statement = ask(db, path, "PRAGMA integrity_check(1)", error);
    if (statement == NULL)
        return FALSE;
    const char *found = (const char *)sqlite3_column_text(statement, 0);
    gboolean good = g_strcmp0(found, "ok") == 0;
    if (!good)
        g_set_error(error, DOMGRP_ERROR, DOMGRP_ERROR_STORE, "the database %s is damaged (%s): %s",
                    path, found, way_out(SQLITE_CORRUPT));
    sqlite3_finalize(statement);
    return good;
}

static gboolean get_version(sqlite3 *db, const char *path, int *ret_version, GError **error)
{
    sqlite3_stmt *statement = ask(db, path, "PRAGMA user_version", error);
    if (statement == NULL)
        return FALSE;
    *ret_version = sqlite3_column_int(statement, 0);
    sqlite3_finalize(statement);
    return TRUE;
}

/* -- the upgrade -- */

/* By SQLite: to open and close the database's own file here would lose the lock on it. */
static gboolean copy_into(sqlite3 *db, const char *file)
{
    sqlite3_stmt *statement = NULL;
    gboolean good = sqlite3_prepare_v2(db, "VACUUM INTO ?", -1, &statement, NULL) == SQLITE_OK &&
                    sqlite3_bind_text(statement, 1, file, -1, SQLITE_STATIC) == SQLITE_OK &&
                    sqlite3_step(statement) == SQLITE_DONE;
    sqlite3_finalize(statement);
    return good;
}

static gboolean sync_folder(const char *path)
{
    g_autofree char *folder = g_path_get_dirname(path);
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return FALSE;
    gboolean good = fsync(fd) == 0;
    int code = errno;
    close(fd);
    errno = code;
    return good;
}

/* What a backup that was cut off has left, SQLite's journal of it too. */
static void remove_half(const char *half)
{
    g_autofree char *rollback = g_strconcat(half, "-journal", NULL);
    unlink(half);
    unlink(rollback);
}

/* Under its name the backup is complete and on disk; an older one stays until then. */
static gboolean back_up(sqlite3 *db, const char *path, int version, GError **error)
{
    g_autofree char *backup = g_strdup_printf("%s.v%d-backup", path, version);
    g_autofree char *half = g_strconcat(backup, ".new", NULL);
    const char *why = NULL;
    remove_half(half);
    int fd = open(half, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return fail_backup(path, half, g_strerror(errno), error);
    if (!copy_into(db, half))
        why = sqlite3_errmsg(db);
    else if (fsync(fd) != 0 || rename(half, backup) != 0 || !sync_folder(backup))
        why = g_strerror(errno);
    close(fd);
    if (why != NULL)
        fail_backup(path, backup, why, error);
    remove_half(half);
    return why == NULL;
}

static gboolean run_steps(sqlite3 *db, const char *path, int version, GError **error)
{
    g_autoptr(GString) sql = g_string_new("BEGIN;");
    for (int i = version; i < VERSION; i++)
        g_string_append(sql, steps[i]);
    g_string_append_printf(sql, "PRAGMA user_version = %d; COMMIT;", VERSION);
    return execute(db, path, sql->str, error);
}

static gboolean make_current(sqlite3 *db, const char *path, GError **error)
{
    int version;
    if (!get_version(db, path, &version, error))
        return FALSE;
    if (version == VERSION)
        return TRUE;
    if (version >= 0 && version < VERSION)
        return (version == 0 || back_up(db, path, version, error)) &&
               run_steps(db, path, version, error);
    g_set_error(error, DOMGRP_ERROR, DOMGRP_ERROR_STORE,
                "the database %s has version %d, but this domgrpd knows none above %d: install "
                "the newer domgrp again",
                path, version, VERSION);
    return FALSE;
}

/* -- opening -- */

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

/* BEGIN EXCLUSIVE takes the lock, and locking_mode keeps it. */
static gboolean set_up(sqlite3 *db, const char *path, GError **error)
{
    return execute(db, path,
                   "PRAGMA locking_mode = EXCLUSIVE; PRAGMA synchronous = FULL;"
                   "PRAGMA foreign_keys = ON; BEGIN EXCLUSIVE; COMMIT;",
                   error) &&
           check_integrity(db, path, error) && make_current(db, path, error);
}

/*
 * It changes the file, so it comes when that is known to be ours. Where there is no room for the
 * log, or the file system cannot have it, SQLite keeps its rollback journal, which is as durable.
 */
static void use_log(sqlite3 *db)
{
    sqlite3_exec(db, "PRAGMA journal_mode = WAL;", NULL, NULL, NULL);
}

sqlite3 *database_open(const char *path, GError **error)
{
    sqlite3 *db = NULL;
    if (!make_file(path, error))
        return NULL;
    if (sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE, NULL) != SQLITE_OK)
        database_fail(db, path, error);
    else if (set_up(db, path, error)) {
        use_log(db);
        return db;
    }
    sqlite3_close(db);
    return NULL;
}
