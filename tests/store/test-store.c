/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The journal on SQLite: what is written is there after reopening, whatever happens between. */
#include "host.h"
#include "store.h"

#include <errno.h>
#include <glib/gstdio.h>
#include <signal.h>
#include <sqlite3.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define UUID_SHOP "3f1c9c5e-8f5b-4d5c-9d55-0d3f0a6f1c2e"
#define UUID_MAIL "4f1c9c5e-8f5b-4d5c-9d55-0d3f0a6f1c2e"
#define UUID_DB "5f1c9c5e-8f5b-4d5c-9d55-0d3f0a6f1c2e"
#define UUID_WEB "6f1c9c5e-8f5b-4d5c-9d55-0d3f0a6f1c2e"
#define UUID_BOOT "7f1c9c5e-8f5b-4d5c-9d55-0d3f0a6f1c2e"

typedef struct {
    char *folder;
    char *path;
    char *backup; /* of make_v1() */
    Journal *journal;
} Fixture;

static Journal *open_journal(const char *path)
{
    g_autoptr(GError) error = NULL;
    Journal *journal = journal_sqlite_new(path, &error);
    g_assert_no_error(error);
    return journal;
}

static void close_journal(Fixture *fixture)
{
    if (fixture->journal != NULL)
        fixture->journal->ops->free(fixture->journal);
    fixture->journal = NULL;
}

static void reopen(Fixture *fixture)
{
    close_journal(fixture);
    fixture->journal = open_journal(fixture->path);
}

static void set_up(Fixture *fixture, gconstpointer data)
{
    fixture->folder = g_dir_make_tmp("domgrp-store-XXXXXX", NULL);
    fixture->path = g_build_filename(fixture->folder, "db", NULL);
    fixture->journal = open_journal(fixture->path);
}

static void remove_files(Fixture *fixture)
{
    g_autoptr(GDir) folder = g_dir_open(fixture->folder, 0, NULL);
    const char *name;
    while ((name = g_dir_read_name(folder)) != NULL) {
        g_autofree char *path = g_build_filename(fixture->folder, name, NULL);
        g_assert_cmpint(g_remove(path), ==, 0);
    }
}

static void tear_down(Fixture *fixture, gconstpointer data)
{
    close_journal(fixture);
    remove_files(fixture);
    g_rmdir(fixture->folder);
    g_free(fixture->folder);
    g_free(fixture->path);
    g_free(fixture->backup);
}

static void execute(Fixture *fixture, const char *sql)
{
    sqlite3 *db;
    close_journal(fixture);
    g_assert_cmpint(sqlite3_open(fixture->path, &db), ==, SQLITE_OK);
    g_assert_cmpint(sqlite3_exec(db, sql, NULL, NULL, NULL), ==, SQLITE_OK);
    sqlite3_close(db);
}

/* What a query answers, on a file that is no journal at the moment. */
static int number(const char *path, const char *sql)
{
    sqlite3 *db;
    sqlite3_stmt *statement;
    g_assert_cmpint(sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE, NULL), ==, SQLITE_OK);
    g_assert_cmpint(sqlite3_prepare_v2(db, sql, -1, &statement, NULL), ==, SQLITE_OK);
    g_assert_cmpint(sqlite3_step(statement), ==, SQLITE_ROW);
    int found = sqlite3_column_int(statement, 0);
    sqlite3_finalize(statement);
    sqlite3_close(db);
    return found;
}

static int version_of(const char *path)
{
    return number(path, "PRAGMA user_version");
}

static void add_member(JournalGroup *group, const char *uuid, const char *name, gboolean ours,
                       guint32 domid)
{
    JournalMember *member = journal_member_new();
    g_strlcpy(member->uuid, uuid, sizeof member->uuid);
    member->name = g_strdup(name);
    member->json = g_strdup_printf("{\"name\": \"%s\"}", name);
    member->ours = ours;
    member->domid = domid;
    g_ptr_array_add(group->members, member);
}

static JournalGroup *make_group(const char *uuid, const char *name)
{
    JournalGroup *group = journal_group_new();
    g_strlcpy(group->uuid, uuid, sizeof group->uuid);
    g_strlcpy(group->boot_id, UUID_BOOT, sizeof group->boot_id);
    group->name = g_strdup(name);
    group->text = g_strdup("name = \"it's\"\n");
    group->id = 0x7FFE;
    return group;
}

/* shop: web, db, in this order, which is not that of their names or UUIDs. */
static JournalGroup *make_shop(void)
{
    JournalGroup *group = make_group(UUID_SHOP, "shop");
    group->paused = TRUE;
    group->failed = TRUE;
    group->settings = g_strdup("after web: db\n");
    add_member(group, UUID_WEB, "web", FALSE, HOST_DOMID_NONE);
    add_member(group, UUID_DB, "db", TRUE, 7);
    return group;
}

static void put(Fixture *fixture, const JournalGroup *group)
{
    g_autoptr(GError) error = NULL;
    g_assert_true(fixture->journal->ops->group_put(fixture->journal, group, &error));
    g_assert_no_error(error);
}

static void put_shop(Fixture *fixture)
{
    g_autoptr(JournalGroup) shop = make_shop();
    put(fixture, shop);
}

/* All groups as one line each. */
static char *describe(Fixture *fixture)
{
    g_autoptr(GPtrArray) groups = NULL;
    g_autoptr(GError) error = NULL;
    GString *text = g_string_new(NULL);
    g_assert_true(fixture->journal->ops->load(fixture->journal, &groups, &error));
    for (guint i = 0; i < groups->len; i++) {
        const JournalGroup *group = groups->pdata[i];
        g_string_append_printf(text, "%s id=%u%s%s", group->name, group->id,
                               group->paused ? " paused" : "", group->failed ? " failed" : "");
        if (group->image_uuid[0] != '\0')
            g_string_append_printf(text, " image %s %s%s", group->image_uuid, group->image_path,
                                   group->image_old ? " old" : "");
        g_string_append_c(text, ':');
        for (guint k = 0; k < group->members->len; k++) {
            const JournalMember *member = group->members->pdata[k];
            g_string_append_printf(text, " %s(%s%d", member->name, member->ours ? "ours " : "",
                                   (int)member->domid);
            if (member->suspend_domid != HOST_DOMID_NONE)
                g_string_append_printf(text, " suspends %u", member->suspend_domid);
            g_string_append_c(text, ')');
        }
        g_string_append_c(text, '\n');
    }
    return g_string_free(text, FALSE);
}

#define SHOP "shop id=32766 paused failed: web(-1) db(ours 7)\n"

static void assert_groups(Fixture *fixture, const char *expected)
{
    g_autofree char *text = describe(fixture);
    g_assert_cmpstr(text, ==, expected);
}

/* -- what is written is there -- */

static void test_empty(Fixture *fixture, gconstpointer data)
{
    struct stat status;
    assert_groups(fixture, "");
    g_assert_cmpint(stat(fixture->path, &status), ==, 0);
    g_assert_cmpint(status.st_mode & 0777, ==, 0600);
}

static void test_round_trip(Fixture *fixture, gconstpointer data)
{
    put_shop(fixture);
    reopen(fixture);
    assert_groups(fixture, SHOP);

    g_autoptr(GPtrArray) groups = NULL;
    fixture->journal->ops->load(fixture->journal, &groups, NULL);
    const JournalGroup *group = groups->pdata[0];
    const JournalMember *web = group->members->pdata[0];
    g_assert_cmpstr(group->uuid, ==, UUID_SHOP);
    g_assert_cmpstr(group->boot_id, ==, UUID_BOOT);
    g_assert_cmpstr(group->text, ==, "name = \"it's\"\n");
    g_assert_cmpstr(group->settings, ==, "after web: db\n");
    g_assert_cmpstr(web->uuid, ==, UUID_WEB);
    g_assert_cmpstr(web->json, ==, "{\"name\": \"web\"}");
}

static void test_image(Fixture *fixture, gconstpointer data)
{
    g_autoptr(JournalGroup) shop = make_group(UUID_SHOP, "shop");
    add_member(shop, UUID_DB, "db", TRUE, 9);
    ((JournalMember *)shop->members->pdata[0])->suspend_domid = 9;
    g_strlcpy(shop->image_uuid, UUID_MAIL, sizeof shop->image_uuid);
    put(fixture, shop);
    reopen(fixture);
    assert_groups(fixture, "shop id=32766 image " UUID_MAIL " (null): db(ours 9 suspends 9)\n");
    shop->image_path = g_strdup("/images/shop.grp");
    shop->image_old = TRUE;
    put(fixture, shop);
    reopen(fixture);
    assert_groups(fixture, "shop id=32766 image " UUID_MAIL
                           " /images/shop.grp old: db(ours 9 suspends 9)\n");
}

static void test_replace(Fixture *fixture, gconstpointer data)
{
    put_shop(fixture);
    g_autoptr(JournalGroup) shop = make_group(UUID_SHOP, "store");
    add_member(shop, UUID_DB, "db", FALSE, 9);
    put(fixture, shop);
    assert_groups(fixture, "store id=32766: db(9)\n");
}

/* Web gets @domid and becomes ours; db, if @n is 2, gets the next one and no longer is. */
static gboolean put_owners(Fixture *fixture, guint32 domid, guint n, GError **error)
{
    const JournalOwner owners[] = {{UUID_WEB, TRUE, domid, HOST_DOMID_NONE},
                                   {UUID_DB, FALSE, domid + 1, domid + 1}};
    return fixture->journal->ops->members_put_owner(fixture->journal, UUID_SHOP, owners, n, error);
}

static void test_owner(Fixture *fixture, gconstpointer data)
{
    put_shop(fixture);
    g_assert_true(put_owners(fixture, 12, 1, NULL));
    reopen(fixture);
    assert_groups(fixture, "shop id=32766 paused failed: web(ours 12) db(ours 7)\n");
    g_assert_true(put_owners(fixture, 13, 2, NULL));
    reopen(fixture);
    assert_groups(fixture, "shop id=32766 paused failed: web(ours 13) db(14 suspends 14)\n");
}

/* The second member of two cannot be written: the first is what it was. */
static void test_owners_whole(Fixture *fixture, gconstpointer data)
{
    g_autoptr(GError) error = NULL;
    put_shop(fixture);
    execute(fixture, "CREATE TRIGGER refuse BEFORE UPDATE ON member WHEN new.name = 'db'"
                     " BEGIN SELECT raise(ABORT, 'refused'); END");
    reopen(fixture);
    g_assert_false(put_owners(fixture, 12, 2, &error));
    g_assert_error(error, DOMGRP_ERROR, DOMGRP_ERROR_STORE);
    assert_groups(fixture, SHOP);
    g_assert_true(put_owners(fixture, 12, 1, NULL));
    assert_groups(fixture, "shop id=32766 paused failed: web(ours 12) db(ours 7)\n");
}

static void test_delete(Fixture *fixture, gconstpointer data)
{
    g_autoptr(JournalGroup) mail = make_group(UUID_MAIL, "mail");
    add_member(mail, UUID_DB, "db", FALSE, HOST_DOMID_NONE);
    put_shop(fixture);
    put(fixture, mail);
    g_assert_true(fixture->journal->ops->group_delete(fixture->journal, UUID_SHOP, NULL));
    g_assert_true(fixture->journal->ops->group_delete(fixture->journal, UUID_SHOP, NULL));
    reopen(fixture);
    assert_groups(fixture, "mail id=32766: db(-1)\n");
}

/* Two groups of one name cannot be: the second is refused whole. */
static void test_refused_put_changes_nothing(Fixture *fixture, gconstpointer data)
{
    g_autoptr(JournalGroup) other = make_group(UUID_MAIL, "shop");
    g_autoptr(GError) error = NULL;
    put_shop(fixture);
    g_assert_false(fixture->journal->ops->group_put(fixture->journal, other, &error));
    g_assert_error(error, DOMGRP_ERROR, DOMGRP_ERROR_STORE);
    assert_groups(fixture, SHOP);
    put_shop(fixture);
}

/* -- operations -- */

static void put_operation(Fixture *fixture, guint n, gboolean ended, const char *error_name)
{
    g_autoptr(JournalOperation) operation = journal_operation_new();
    g_snprintf(operation->uuid, sizeof operation->uuid, "00000000-0000-4000-8000-%012u", n);
    g_strlcpy(operation->group_uuid, UUID_SHOP, sizeof operation->group_uuid);
    operation->group_name = g_strdup("shop");
    operation->kind = g_strdup("start");
    operation->began_us = n;
    operation->ended_us = ended ? n + 1 : 0;
    operation->error_name = g_strdup(error_name);
    operation->error_message = g_strdup(error_name);
    JournalOperationMember *member = journal_operation_member_new();
    member->name = g_strdup("web");
    g_ptr_array_add(operation->members, member);
    g_assert_true(fixture->journal->ops->operation_put(fixture->journal, operation, NULL));
}

static GPtrArray *operations(Fixture *fixture, guint limit)
{
    GPtrArray *array = NULL;
    g_assert_true(fixture->journal->ops->operations(fixture->journal, limit, &array, NULL));
    return array;
}

/* An operation on web and db, as far as it has come. */
static JournalOperation *make_operation(gboolean began, gboolean ended)
{
    JournalOperation *operation = journal_operation_new();
    g_strlcpy(operation->uuid, UUID_MAIL, sizeof operation->uuid);
    g_strlcpy(operation->group_uuid, UUID_SHOP, sizeof operation->group_uuid);
    g_strlcpy(operation->boot_id, UUID_BOOT, sizeof operation->boot_id);
    operation->group_name = g_strdup("shop");
    operation->kind = g_strdup("start");
    operation->policy = g_strdup("continue");
    operation->options = g_strdup("timeout=5");
    operation->began = began;
    operation->began_us = began ? 2 : 1;
    operation->ended_us = ended ? 3 : 0;
    for (guint i = 0; began && i < 2; i++) {
        JournalOperationMember *member = journal_operation_member_new();
        g_strlcpy(member->uuid, i == 0 ? UUID_WEB : UUID_DB, sizeof member->uuid);
        member->name = g_strdup(i == 0 ? "web" : "db");
        member->domid = i == 0 ? HOST_DOMID_NONE : 7;
        g_ptr_array_add(operation->members, member);
    }
    return operation;
}

/* Sets what became of the first member. */
static void set_outcome(JournalOperation *operation, const char *outcome, const char *error)
{
    JournalOperationMember *member = operation->members->pdata[0];
    member->outcome = g_strdup(outcome);
    member->error = g_strdup(error);
}

static gboolean put_whole(Fixture *fixture, const JournalOperation *operation, GError **error)
{
    return fixture->journal->ops->operation_put(fixture->journal, operation, error);
}

/* The newest operations as one line each. */
static void assert_operations(Fixture *fixture, const char *expected)
{
    g_autoptr(GPtrArray) array = operations(fixture, 10);
    g_autoptr(GString) text = g_string_new(NULL);
    for (guint i = 0; i < array->len; i++) {
        const JournalOperation *operation = array->pdata[i];
        g_string_append_printf(text, "%s of %s, \"%s\" %s, %s %d-%d, %s%s", operation->kind,
                               operation->group_name, operation->policy, operation->options,
                               operation->began ? "began" : "waits", (int)operation->began_us,
                               (int)operation->ended_us,
                               operation->boot_id[0] != '\0' ? "boot" : "no boot",
                               operation->error_name != NULL ? " FAILED" : "");
        if (operation->image_uuid[0] != '\0')
            g_string_append_printf(text, " image %s %s %s", operation->image_uuid,
                                   operation->image_path, operation->stage);
        g_string_append(text, operation->undoing ? " undoing" : "");
        g_string_append(text, operation->by_itself ? " by itself" : "");
        g_string_append_c(text, ':');
        for (guint k = 0; k < operation->members->len; k++) {
            const JournalOperationMember *member = operation->members->pdata[k];
            g_string_append_printf(text, " %s(%d %s %s)", member->name, (int)member->domid,
                                   member->outcome, member->error);
        }
        g_string_append_c(text, '\n');
    }
    g_assert_cmpstr(text->str, ==, expected);
}

static void test_operation_life(Fixture *fixture, gconstpointer data)
{
    g_autoptr(JournalOperation) waiting = make_operation(FALSE, FALSE);
    g_autoptr(JournalOperation) running = make_operation(TRUE, FALSE);
    g_autoptr(JournalOperation) ended = make_operation(TRUE, TRUE);
    g_assert_true(put_whole(fixture, waiting, NULL));
    reopen(fixture);
    assert_operations(fixture, "start of shop, \"continue\" timeout=5, waits 1-0, boot:\n");

    g_assert_true(put_whole(fixture, running, NULL));
    reopen(fixture);
    assert_operations(fixture, "start of shop, \"continue\" timeout=5, began 2-0, boot:"
                               " web(-1 (null) (null)) db(7 (null) (null))\n");

    set_outcome(ended, "failed", "it did not start");
    g_assert_true(put_whole(fixture, ended, NULL));
    reopen(fixture);
    assert_operations(fixture, "start of shop, \"continue\" timeout=5, began 2-3, boot:"
                               " web(-1 failed it did not start) db(7 (null) (null))\n");
    g_autoptr(GPtrArray) array = operations(fixture, 1);
    const JournalOperation *kept = array->pdata[0];
    const JournalOperationMember *web = kept->members->pdata[0];
    g_assert_cmpstr(kept->boot_id, ==, UUID_BOOT);
    g_assert_cmpstr(web->uuid, ==, UUID_WEB);
}

static void test_operation_image(Fixture *fixture, gconstpointer data)
{
    g_autoptr(JournalOperation) operation = make_operation(FALSE, FALSE);
    g_strlcpy(operation->image_uuid, UUID_DB, sizeof operation->image_uuid);
    operation->image_path = g_strdup("/a/shop.grp");
    operation->by_itself = TRUE;
    g_assert_true(put_whole(fixture, operation, NULL));
    reopen(fixture);
    assert_operations(fixture,
                      "start of shop, \"continue\" timeout=5, waits 1-0, boot image " UUID_DB
                      " /a/shop.grp  by itself:\n");
    operation->stage = g_strdup("written");
    operation->undoing = TRUE;
    g_assert_true(put_whole(fixture, operation, NULL));
    reopen(fixture);
    assert_operations(fixture,
                      "start of shop, \"continue\" timeout=5, waits 1-0, boot image " UUID_DB
                      " /a/shop.grp written undoing by itself:\n");
}

/* Members that are gone from the record are gone from what is kept. */
static void test_operation_shrinks(Fixture *fixture, gconstpointer data)
{
    g_autoptr(JournalOperation) operation = make_operation(TRUE, FALSE);
    g_assert_true(put_whole(fixture, operation, NULL));
    g_ptr_array_remove_index(operation->members, 0);
    g_clear_pointer(&operation->options, g_free);
    g_assert_true(put_whole(fixture, operation, NULL));
    reopen(fixture);
    assert_operations(fixture, "start of shop, \"continue\" (null), began 2-0, boot:"
                               " db(7 (null) (null))\n");
}

/* When a member cannot be written the operation is what it was, and one that is as it was is not.
 */
static void test_operation_whole(Fixture *fixture, gconstpointer data)
{
    g_autoptr(JournalOperation) running = make_operation(TRUE, FALSE);
    g_autoptr(JournalOperation) ended = make_operation(TRUE, TRUE);
    g_autoptr(GError) error = NULL;
    g_assert_true(put_whole(fixture, running, NULL));
    execute(fixture, "CREATE TRIGGER refuse BEFORE UPDATE ON operation_member"
                     " WHEN new.name = 'web' BEGIN SELECT raise(ABORT, 'refused'); END");
    reopen(fixture);
    set_outcome(ended, "done", NULL);
    g_assert_false(put_whole(fixture, ended, &error));
    g_assert_error(error, DOMGRP_ERROR, DOMGRP_ERROR_STORE);
    assert_operations(fixture, "start of shop, \"continue\" timeout=5, began 2-0, boot:"
                               " web(-1 (null) (null)) db(7 (null) (null))\n");
    g_assert_true(put_whole(fixture, running, NULL));
}

static void test_operations(Fixture *fixture, gconstpointer data)
{
    put_operation(fixture, 1, FALSE, NULL);
    put_operation(fixture, 2, FALSE, NULL);
    put_operation(fixture, 1, TRUE, "HOST_FAILED");
    reopen(fixture);
    g_autoptr(GPtrArray) array = operations(fixture, 10);
    const JournalOperation *newest = array->pdata[0];
    const JournalOperation *oldest = array->pdata[1];
    g_assert_cmpuint(array->len, ==, 2);
    g_assert_cmpint(newest->began_us, ==, 2);
    g_assert_cmpint(newest->ended_us, ==, 0);
    g_assert_null(newest->error_name);
    g_assert_cmpint(oldest->ended_us, ==, 2);
    g_assert_cmpstr(oldest->error_name, ==, "HOST_FAILED");
    g_assert_cmpstr(oldest->kind, ==, "start");
    g_assert_cmpstr(oldest->group_name, ==, "shop");
}

/* The history is bounded, members and all, but an operation that is open stays. */
static void test_operations_bounded(Fixture *fixture, gconstpointer data)
{
    put_operation(fixture, 1, FALSE, NULL);
    for (guint n = 2; n <= JOURNAL_SQLITE_OPERATIONS + 10; n++)
        put_operation(fixture, n, TRUE, NULL);
    g_autoptr(GPtrArray) array = operations(fixture, 10000);
    const JournalOperation *oldest = array->pdata[array->len - 1];
    g_assert_cmpuint(array->len, ==, JOURNAL_SQLITE_OPERATIONS + 1);
    g_assert_cmpint(oldest->began_us, ==, 1);
    g_autoptr(GPtrArray) few = operations(fixture, 3);
    g_assert_cmpuint(few->len, ==, 4); /* it is asked for apart from how old it is */
    g_assert_cmpint(((JournalOperation *)few->pdata[3])->began_us, ==, 1);
    close_journal(fixture);
    g_assert_cmpint(number(fixture->path, "SELECT count(*) FROM operation_member"), ==, array->len);
}

/* -- what goes wrong -- */

static int run_child(void (*child)(Fixture *fixture), Fixture *fixture)
{
    int status;
    pid_t pid = fork();
    g_assert_cmpint(pid, >=, 0);
    if (pid == 0) {
        child(fixture);
        _exit(99);
    }
    g_assert_cmpint(waitpid(pid, &status, 0), ==, pid);
    return status;
}

/* Writes half a transaction to the disk and is killed. */
static void die_in_transaction(Fixture *fixture)
{
    sqlite3 *db;
    sqlite3_open(fixture->path, &db);
    sqlite3_exec(db, "PRAGMA cache_size = 1; PRAGMA journal_mode = TRUNCATE; BEGIN;", NULL, NULL,
                 NULL);
    sqlite3_exec(db, "DELETE FROM member; UPDATE grp SET name = 'lost';", NULL, NULL, NULL);
    for (int i = 0; i < 1000; i++) {
        g_autofree char *sql = g_strdup_printf("INSERT INTO operation (uuid, grp, grp_name, kind,"
                                               " began_us, ended_us) VALUES ('%d', '', '%0500d',"
                                               " '', 0, 0)",
                                               i, i);
        if (sqlite3_exec(db, sql, NULL, NULL, NULL) != SQLITE_OK)
            _exit(98);
    }
    kill(getpid(), SIGKILL);
}

static void test_killed(Fixture *fixture, gconstpointer data)
{
    put_shop(fixture);
    close_journal(fixture);
    int status = run_child(die_in_transaction, fixture);
    g_assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);

    g_autofree char *rollback = g_strconcat(fixture->path, "-journal", NULL);
    struct stat left;
    g_assert_cmpint(stat(rollback, &left), ==, 0);
    g_assert_cmpint(left.st_size, >, 0); /* the kill did come in the middle */
    reopen(fixture);
    assert_groups(fixture, SHOP);
}

/* Writes, is killed without closing: what returned TRUE is there. */
static void die_after_put(Fixture *fixture)
{
    fixture->journal = open_journal(fixture->path);
    put_shop(fixture);
    kill(getpid(), SIGKILL);
}

static void test_killed_after_put(Fixture *fixture, gconstpointer data)
{
    close_journal(fixture);
    run_child(die_after_put, fixture);
    reopen(fixture);
    assert_groups(fixture, SHOP);
}

static void assert_refused(const char *path, DomgrpErrorCode code, const char *part)
{
    g_autoptr(GError) error = NULL;
    g_assert_null(journal_sqlite_new(path, &error));
    g_assert_error(error, DOMGRP_ERROR, (int)code);
    g_assert_nonnull(strstr(error->message, path));
    if (strstr(error->message, part) == NULL)
        g_error("\"%s\" does not say \"%s\"", error->message, part);
}

static gint compare_names(gconstpointer a, gconstpointer b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The files in the folder, in the order of their names, but for SQLite's own beside the database.
 */
static void assert_files(Fixture *fixture, const char *expected)
{
    g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);
    g_autoptr(GDir) folder = g_dir_open(fixture->folder, 0, NULL);
    const char *name;
    while ((name = g_dir_read_name(folder)) != NULL)
        if (strcmp(name, "db-wal") != 0)
            g_ptr_array_add(names, g_strdup(name));
    g_ptr_array_sort(names, compare_names);
    g_ptr_array_add(names, NULL);
    g_autofree char *text = g_strjoinv(" ", (char **)names->pdata);
    g_assert_cmpstr(text, ==, expected);
}

static void open_second(Fixture *fixture)
{
    assert_refused(fixture->path, DOMGRP_ERROR_LOCKED, "only one domgrpd can run");
    _exit(0);
}

static void test_locked(Fixture *fixture, gconstpointer data)
{
    put_shop(fixture);
    int status = run_child(open_second, fixture);
    g_assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    assert_groups(fixture, SHOP);
}

static void test_newer(Fixture *fixture, gconstpointer data)
{
    static const char *const set[] = {"PRAGMA user_version = 1000", "PRAGMA user_version = -1"};
    for (guint i = 0; i < G_N_ELEMENTS(set); i++) {
        execute(fixture, set[i]);
        assert_refused(fixture->path, DOMGRP_ERROR_STORE, "install the newer domgrp again");
        assert_files(fixture, "db");
    }
    g_assert_cmpint(version_of(fixture->path), ==, -1);
}

static void test_not_a_database(Fixture *fixture, gconstpointer data)
{
    close_journal(fixture);
    g_assert_true(
        g_file_set_contents(fixture->path,
                            "This is no database, but long enough to be looked at as one........."
                            "....................................................................",
                            -1, NULL));
    assert_refused(fixture->path, DOMGRP_ERROR_STORE, "move the file away");
}

static void test_damaged(Fixture *fixture, gconstpointer data)
{
    g_autofree char *text = NULL;
    gsize length;
    for (guint n = 1; n < 100; n++)
        put_operation(fixture, n, TRUE, "a long name so that there are several pages");
    close_journal(fixture);
    g_assert_true(g_file_get_contents(fixture->path, &text, &length, NULL));
    g_assert_cmpuint(length, >, 4 * 4096);
    memset(text + length - 4096, 0xA5, 4096);
    g_assert_true(g_file_set_contents(fixture->path, text, (gssize)length, NULL));
    assert_refused(fixture->path, DOMGRP_ERROR_STORE, "move the file away");
}

static void test_no_folder(Fixture *fixture, gconstpointer data)
{
    g_autofree char *path = g_build_filename(fixture->folder, "none", "db", NULL);
    assert_refused(path, DOMGRP_ERROR_STORE, "check its folder");
}

static void open_unwritable(Fixture *fixture)
{
    g_autofree char *path = g_build_filename(fixture->folder, "other", NULL);
    g_chmod(fixture->folder, 0555);
    if (geteuid() == 0 && setuid(65534) != 0)
        _exit(97);
    assert_refused(path, DOMGRP_ERROR_STORE, "permissions");
    _exit(0);
}

static void test_unwritable_folder(Fixture *fixture, gconstpointer data)
{
    int status = run_child(open_unwritable, fixture);
    g_chmod(fixture->folder, 0755);
    g_assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

/* With no room for the change: it is refused whole, and goes in when there is room. */
static void test_disk_full(Fixture *fixture, gconstpointer data)
{
    g_autoptr(JournalGroup) big = make_shop();
    g_autoptr(GError) error = NULL;
    struct rlimit before;
    put_shop(fixture);
    g_free(big->text);
    big->text = g_strnfill(1024 * 1024, 'x');

    getrlimit(RLIMIT_FSIZE, &before);
    signal(SIGXFSZ, SIG_IGN);
    struct rlimit small = {64 * 1024, before.rlim_max};
    g_assert_cmpint(setrlimit(RLIMIT_FSIZE, &small), ==, 0);
    gboolean done = fixture->journal->ops->group_put(fixture->journal, big, &error);
    setrlimit(RLIMIT_FSIZE, &before);

    g_assert_false(done);
    g_assert_error(error, DOMGRP_ERROR, DOMGRP_ERROR_STORE);
    g_assert_nonnull(strstr(error->message, "make room"));
    assert_groups(fixture, SHOP);
    put(fixture, big);
    reopen(fixture);
    assert_groups(fixture, SHOP);
}

/* -- migrations -- */

/* Of shop, under the UUID of a transaction; web is built, db is not yet. */
static JournalMigration *make_migration(const char *state)
{
    JournalMigration *migration = journal_migration_new();
    const JournalCopy copies[] = {{UUID_WEB, 5}, {UUID_DB, HOST_DOMID_NONE}};
    g_strlcpy(migration->uuid, UUID_BOOT, sizeof migration->uuid);
    g_strlcpy(migration->group_uuid, UUID_SHOP, sizeof migration->group_uuid);
    g_strlcpy(migration->boot_id, UUID_MAIL, sizeof migration->boot_id);
    g_strlcpy(migration->operation_uuid, UUID_DB, sizeof migration->operation_uuid);
    migration->side = g_strdup("destination");
    migration->group_name = g_strdup("shop");
    migration->state = g_strdup(state);
    migration->entered_us = 17;
    migration->peer = g_strdup("xen2.example.org");
    g_array_append_vals(migration->copies, copies, G_N_ELEMENTS(copies));
    return migration;
}

static gboolean put_migration(Fixture *fixture, const char *state, const JournalGroup *group,
                              GError **error)
{
    g_autoptr(JournalMigration) migration = make_migration(state);
    return fixture->journal->ops->migration_put(fixture->journal, migration, group, error);
}

static gboolean end_migration(Fixture *fixture, const JournalGroup *group, GError **error)
{
    return fixture->journal->ops->migration_end(fixture->journal, UUID_BOOT, group, error);
}

/* All migrations as one line each. */
static void assert_migrations(Fixture *fixture, const char *expected)
{
    g_autoptr(GPtrArray) array = NULL;
    g_autoptr(GString) text = g_string_new(NULL);
    g_assert_true(fixture->journal->ops->migrations(fixture->journal, &array, NULL));
    for (guint i = 0; i < array->len; i++) {
        const JournalMigration *migration = array->pdata[i];
        g_string_append_printf(text, "%s of %s is %s since %d, %s by %s:", migration->side,
                               migration->group_name, migration->state, (int)migration->entered_us,
                               migration->peer, migration->command);
        for (guint k = 0; k < migration->copies->len; k++)
            g_string_append_printf(text, " %d",
                                   (int)g_array_index(migration->copies, JournalCopy, k).domid);
        g_string_append_c(text, '\n');
    }
    g_assert_cmpstr(text->str, ==, expected);
}

#define SHOP_IS(state)                                                                             \
    "destination of shop is " state " since 17, xen2.example.org by (null): 5 -1\n"

static void test_migration(Fixture *fixture, gconstpointer data)
{
    g_autoptr(JournalGroup) shop = make_shop();
    g_autoptr(GPtrArray) array = NULL;
    assert_migrations(fixture, "");
    g_assert_true(put_migration(fixture, "RECEIVING", shop, NULL));
    reopen(fixture);
    assert_groups(fixture, SHOP);
    assert_migrations(fixture, SHOP_IS("RECEIVING"));
    g_assert_true(fixture->journal->ops->migrations(fixture->journal, &array, NULL));
    const JournalMigration *migration = array->pdata[0];
    g_assert_cmpstr(migration->uuid, ==, UUID_BOOT);
    g_assert_cmpstr(migration->group_uuid, ==, UUID_SHOP);
    g_assert_cmpstr(migration->boot_id, ==, UUID_MAIL);
    g_assert_cmpstr(migration->operation_uuid, ==, UUID_DB);
    g_assert_cmpstr(g_array_index(migration->copies, JournalCopy, 1).member_uuid, ==, UUID_DB);

    g_autoptr(JournalMigration) later = journal_migration_copy(migration);
    g_free(later->state);
    later->state = g_strdup("PREPARED");
    later->command = g_strdup("nc xen2 7");
    later->entered_us = 18;
    g_array_set_size(later->copies, 1);
    g_assert_true(fixture->journal->ops->migration_put(fixture->journal, later, NULL, NULL));
    reopen(fixture);
    assert_groups(fixture, SHOP);
    assert_migrations(fixture, "destination of shop is PREPARED since 18, xen2.example.org by nc "
                               "xen2 7: 5\n");
}

static void test_migration_ends(Fixture *fixture, gconstpointer data)
{
    g_autoptr(JournalGroup) shop = make_shop();
    g_assert_true(put_migration(fixture, "DONE", shop, NULL));
    shop->paused = FALSE;
    g_assert_true(end_migration(fixture, shop, NULL));
    reopen(fixture);
    assert_migrations(fixture, "");
    assert_groups(fixture, "shop id=32766 failed: web(-1) db(ours 7)\n");

    g_assert_true(end_migration(fixture, NULL, NULL)); /* there is none, so no group is its */
    assert_groups(fixture, "shop id=32766 failed: web(-1) db(ours 7)\n");

    g_assert_true(put_migration(fixture, "MOVED", NULL, NULL));
    g_assert_true(end_migration(fixture, NULL, NULL));
    reopen(fixture);
    assert_migrations(fixture, "");
    assert_groups(fixture, "");
}

/* Of a migration and its group both are written or neither. */
static void test_migration_whole(Fixture *fixture, gconstpointer data)
{
    g_autoptr(JournalGroup) shop = make_shop();
    g_autoptr(GError) error = NULL;
    execute(fixture, "CREATE TRIGGER refuse BEFORE INSERT ON grp"
                     " BEGIN SELECT raise(ABORT, 'refused'); END");
    reopen(fixture);
    g_assert_false(put_migration(fixture, "RECEIVING", shop, &error));
    g_assert_error(error, DOMGRP_ERROR, DOMGRP_ERROR_STORE);
    assert_migrations(fixture, "");

    execute(fixture, "DROP TRIGGER refuse; CREATE TRIGGER refuse BEFORE DELETE ON migration"
                     " BEGIN SELECT raise(ABORT, 'refused'); END");
    reopen(fixture);
    g_assert_true(put_migration(fixture, "RECEIVING", shop, NULL));
    g_assert_false(end_migration(fixture, NULL, NULL));
    assert_groups(fixture, SHOP);
    assert_migrations(fixture, SHOP_IS("RECEIVING"));
}

/* A group that has a record of one transaction does not get a second one. */
static void test_migration_one(Fixture *fixture, gconstpointer data)
{
    g_autoptr(JournalMigration) other = make_migration("SENDING");
    g_autoptr(GError) error = NULL;
    g_assert_true(put_migration(fixture, "RECEIVING", NULL, NULL));
    g_strlcpy(other->uuid, UUID_DB, sizeof other->uuid);
    g_assert_false(fixture->journal->ops->migration_put(fixture->journal, other, NULL, &error));
    g_assert_error(error, DOMGRP_ERROR, DOMGRP_ERROR_STORE);
    assert_migrations(fixture, SHOP_IS("RECEIVING"));
}

/* -- a database of version 1 -- */

#define V1_SCHEMA                                                                                  \
    "CREATE TABLE grp (uuid TEXT PRIMARY KEY, name TEXT NOT NULL UNIQUE, id INTEGER NOT NULL,"     \
    " text TEXT, paused INTEGER NOT NULL, boot_id TEXT NOT NULL) WITHOUT ROWID;"                   \
    "CREATE TABLE member (grp TEXT NOT NULL REFERENCES grp ON DELETE CASCADE,"                     \
    " position INTEGER NOT NULL, uuid TEXT NOT NULL, name TEXT NOT NULL, json TEXT NOT NULL,"      \
    " ours INTEGER NOT NULL, domid INTEGER NOT NULL, PRIMARY KEY (grp, uuid)) WITHOUT ROWID;"      \
    "CREATE TABLE operation (serial INTEGER PRIMARY KEY AUTOINCREMENT, uuid TEXT NOT NULL UNIQUE," \
    " grp TEXT NOT NULL, grp_name TEXT NOT NULL, kind TEXT NOT NULL, began_us INTEGER NOT NULL,"   \
    " ended_us INTEGER NOT NULL, error_name TEXT, error_message TEXT);"                            \
    "PRAGMA user_version = 1;"

#define V1_ROWS                                                                                    \
    "INSERT INTO grp VALUES ('" UUID_SHOP "', 'shop', 32766, 'name = \"shop\"', 1, '" UUID_BOOT    \
    "'); INSERT INTO grp VALUES ('" UUID_MAIL "', 'mail', 0, NULL, 0, '" UUID_BOOT "');"           \
    "INSERT INTO member VALUES ('" UUID_SHOP "', 0, '" UUID_WEB "', 'web', '{}', 0, 4294967295);"  \
    "INSERT INTO member VALUES ('" UUID_SHOP "', 1, '" UUID_DB "', 'db', '{}', 1, 7);"             \
    "INSERT INTO operation VALUES (1, '" UUID_WEB "', '" UUID_SHOP "', 'shop', 'create', 1, 2,"    \
    " NULL, NULL), (3, '" UUID_DB "', '" UUID_SHOP "', 'shop', 'shutdown', 3, 4, 'HOST_FAILED',"   \
    " 'it failed'), (7, '" UUID_SHOP "', '" UUID_SHOP "', 'shop', 'start', 5, 0, NULL, NULL);"

/* What it reads as. */
#define V1_GROUPS "mail id=0:\nshop id=32766 paused: web(-1) db(ours 7)\n"
#define V1_OPERATIONS                                                                              \
    "start of shop, \"\" (null), began 5-0, no boot:\n"                                            \
    "shutdown of shop, \"\" (null), began 3-4, no boot FAILED:\n"                                  \
    "create of shop, \"\" (null), began 1-2, no boot:\n"

static void make_v1(Fixture *fixture)
{
    close_journal(fixture);
    remove_files(fixture);
    execute(fixture, "PRAGMA synchronous = OFF; BEGIN;" V1_SCHEMA V1_ROWS "COMMIT;");
    g_free(fixture->backup);
    fixture->backup = g_strconcat(fixture->path, ".v1-backup", NULL);
}

static void assert_v1_content(Fixture *fixture)
{
    reopen(fixture);
    assert_groups(fixture, V1_GROUPS);
    assert_operations(fixture, V1_OPERATIONS);
    close_journal(fixture);
}

static void test_upgrade(Fixture *fixture, gconstpointer data)
{
    struct stat status;
    make_v1(fixture);
    assert_v1_content(fixture);
    assert_files(fixture, "db db.v1-backup");
    g_assert_cmpint(version_of(fixture->path), ==, 4);
    g_assert_cmpint(version_of(fixture->backup), ==, 1);
    g_assert_cmpint(stat(fixture->backup, &status), ==, 0);
    g_assert_cmpint(status.st_mode & 0777, ==, 0600);

    /* The second time there is nothing to do. */
    g_unlink(fixture->backup);
    assert_v1_content(fixture);
    assert_files(fixture, "db");
}

/* -- a database of version 2: what is new in it, and the words that become columns -- */

#define V2_SCHEMA                                                                                  \
    "ALTER TABLE grp ADD COLUMN settings TEXT NOT NULL DEFAULT '';"                                \
    "ALTER TABLE grp ADD COLUMN failed INTEGER NOT NULL DEFAULT 0;"                                \
    "ALTER TABLE operation ADD COLUMN boot_id TEXT NOT NULL DEFAULT '';"                           \
    "ALTER TABLE operation ADD COLUMN policy TEXT NOT NULL DEFAULT '';"                            \
    "ALTER TABLE operation ADD COLUMN options TEXT;"                                               \
    "ALTER TABLE operation ADD COLUMN began INTEGER NOT NULL DEFAULT 1;"                           \
    "CREATE TABLE operation_member (operation INTEGER NOT NULL REFERENCES operation"               \
    " ON DELETE CASCADE, position INTEGER NOT NULL, uuid TEXT NOT NULL, name TEXT NOT NULL,"       \
    " domid INTEGER NOT NULL, outcome TEXT, error TEXT, PRIMARY KEY (operation, position))"        \
    " WITHOUT ROWID; PRAGMA user_version = 2;"

#define V2_ROWS                                                                                    \
    "UPDATE grp SET settings = 'after web: db' || char(10), failed = 1 WHERE name = 'shop';"       \
    "UPDATE operation SET policy = 'rollback', options = 'timeout=0 by-itself resumed undoing',"   \
    " boot_id = '" UUID_BOOT "' WHERE kind = 'start';"                                             \
    "UPDATE operation SET policy = 'continue', options = 'timeout=5 fallback'"                     \
    " WHERE kind = 'shutdown';"                                                                    \
    "INSERT INTO operation_member VALUES (7, 0, '" UUID_DB "', 'db', 7, NULL, NULL);"

static void test_upgrade_from_2(Fixture *fixture, gconstpointer data)
{
    make_v1(fixture);
    execute(fixture, "PRAGMA synchronous = OFF; BEGIN;" V2_SCHEMA V2_ROWS "COMMIT;");
    g_free(fixture->backup);
    fixture->backup = g_strconcat(fixture->path, ".v2-backup", NULL);
    reopen(fixture);
    assert_groups(fixture, "mail id=0:\nshop id=32766 paused failed: web(-1) db(ours 7)\n");
    assert_operations(
        fixture, "start of shop, \"rollback\" timeout=0 resumed, began 5-0, boot undoing by itself:"
                 " db(7 (null) (null))\n"
                 "shutdown of shop, \"continue\" timeout=5 fallback, began 3-4, no boot FAILED:\n"
                 "create of shop, \"\" (null), began 1-2, no boot:\n");
    close_journal(fixture);
    g_assert_cmpint(version_of(fixture->path), ==, 4);
    g_assert_cmpint(version_of(fixture->backup), ==, 2);
    assert_files(fixture, "db db.v2-backup");
}

/* -- a database of version 3: it has no migrations yet -- */

#define V3_SCHEMA                                                                                  \
    "ALTER TABLE grp ADD COLUMN image_uuid TEXT NOT NULL DEFAULT '';"                              \
    "ALTER TABLE grp ADD COLUMN image_path TEXT;"                                                  \
    "ALTER TABLE grp ADD COLUMN image_old INTEGER NOT NULL DEFAULT 0;"                             \
    "ALTER TABLE member ADD COLUMN suspend_domid INTEGER NOT NULL DEFAULT 4294967295;"             \
    "ALTER TABLE operation ADD COLUMN image_uuid TEXT NOT NULL DEFAULT '';"                        \
    "ALTER TABLE operation ADD COLUMN image_path TEXT;"                                            \
    "ALTER TABLE operation ADD COLUMN stage TEXT NOT NULL DEFAULT '';"                             \
    "ALTER TABLE operation ADD COLUMN undoing INTEGER NOT NULL DEFAULT 0;"                         \
    "ALTER TABLE operation ADD COLUMN by_itself INTEGER NOT NULL DEFAULT 0;"                       \
    "PRAGMA user_version = 3;"

static void test_upgrade_from_3(Fixture *fixture, gconstpointer data)
{
    make_v1(fixture);
    execute(fixture, "PRAGMA synchronous = OFF; BEGIN;" V2_SCHEMA V3_SCHEMA
                     "UPDATE grp SET image_uuid = '" UUID_DB "', image_path = '/a' WHERE name ="
                     " 'mail'; COMMIT;");
    g_free(fixture->backup);
    fixture->backup = g_strconcat(fixture->path, ".v3-backup", NULL);
    reopen(fixture);
    assert_groups(fixture, "mail id=0 image " UUID_DB " /a:\n"
                           "shop id=32766 paused: web(-1) db(ours 7)\n");
    assert_migrations(fixture, "");
    g_assert_true(put_migration(fixture, "SENDING", NULL, NULL));
    assert_migrations(fixture, SHOP_IS("SENDING"));
    close_journal(fixture);
    g_assert_cmpint(version_of(fixture->path), ==, 4);
    g_assert_cmpint(version_of(fixture->backup), ==, 3);
    assert_files(fixture, "db db.v3-backup");
}

static void test_upgraded_group_settings(Fixture *fixture, gconstpointer data)
{
    g_autoptr(GPtrArray) groups = NULL;
    make_v1(fixture);
    reopen(fixture);
    g_assert_true(fixture->journal->ops->load(fixture->journal, &groups, NULL));
    g_assert_cmpstr(((JournalGroup *)groups->pdata[0])->settings, ==, "");
}

/* An upgraded database takes what a new one does. */
static void test_upgraded_is_used(Fixture *fixture, gconstpointer data)
{
    g_autoptr(JournalOperation) operation = make_operation(TRUE, FALSE);
    make_v1(fixture);
    reopen(fixture);
    put_shop(fixture);
    g_assert_true(put_whole(fixture, operation, NULL));
    reopen(fixture);
    assert_groups(fixture, "mail id=0:\n" SHOP);
    assert_operations(fixture, "start of shop, \"continue\" timeout=5, began 2-0, boot:"
                               " web(-1 (null) (null)) db(7 (null) (null))\n" V1_OPERATIONS);
}

/* The backup in the database's place is the database as it was. */
static void test_go_back(Fixture *fixture, gconstpointer data)
{
    make_v1(fixture);
    reopen(fixture);
    put_shop(fixture);
    close_journal(fixture);
    g_assert_cmpint(g_rename(fixture->backup, fixture->path), ==, 0);
    g_assert_cmpint(version_of(fixture->path), ==, 1);
    assert_v1_content(fixture);
}

/* Where the backup should be there is a folder. */
static void test_upgrade_no_backup(Fixture *fixture, gconstpointer data)
{
    make_v1(fixture);
    g_assert_cmpint(g_mkdir(fixture->backup, 0700), ==, 0);
    assert_refused(fixture->path, DOMGRP_ERROR_STORE, "db.v1-backup that comes before its upgrade");
    assert_files(fixture, "db db.v1-backup");
    g_assert_cmpint(version_of(fixture->path), ==, 1);
    g_rmdir(fixture->backup);
    assert_v1_content(fixture);
}

static void upgrade_unwritable(Fixture *fixture)
{
    g_chmod(fixture->path, 0666);
    g_chmod(fixture->folder, 0555);
    if (geteuid() == 0 && setuid(65534) != 0)
        _exit(97);
    assert_refused(fixture->path, DOMGRP_ERROR_STORE, "check its folder's permissions");
    _exit(0);
}

static void test_upgrade_unwritable_folder(Fixture *fixture, gconstpointer data)
{
    make_v1(fixture);
    int status = run_child(upgrade_unwritable, fixture);
    g_chmod(fixture->folder, 0755);
    g_assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    assert_files(fixture, "db");
    g_assert_cmpint(version_of(fixture->path), ==, 1);
}

/* -- a fault at every write of the upgrade: SQLite's system calls are counted -- */

static struct {
    gboolean dies; /* at the call, else the call says that there is no room */
    guint at;      /* the call that does, counted from 1 */
    guint calls;
} fault;

static gboolean is_fault(void)
{
    if (++fault.calls != fault.at)
        return FALSE;
    if (fault.dies)
        kill(getpid(), SIGKILL);
    errno = ENOSPC;
    return TRUE;
}

static ssize_t faulty_write(int fd, const void *data, size_t length)
{
    return is_fault() ? -1 : write(fd, data, length);
}

static ssize_t faulty_pwrite(int fd, const void *data, size_t length, off_t offset)
{
    return is_fault() ? -1 : pwrite(fd, data, length, offset);
}

static int faulty_ftruncate(int fd, off_t length)
{
    return is_fault() ? -1 : ftruncate(fd, length);
}

static int faulty_unlink(const char *path)
{
    return is_fault() ? -1 : unlink(path);
}

enum { REFUSED, OPENED, OPENED_WITHOUT_FAULT };

static void upgrade_with_fault(Fixture *fixture)
{
    static const struct {
        const char *name;
        sqlite3_syscall_ptr call;
    } calls[] = {
        {"write", (sqlite3_syscall_ptr)faulty_write},
        {"pwrite", (sqlite3_syscall_ptr)faulty_pwrite},
        {"pwrite64", (sqlite3_syscall_ptr)faulty_pwrite},
        {"ftruncate", (sqlite3_syscall_ptr)faulty_ftruncate},
        {"unlink", (sqlite3_syscall_ptr)faulty_unlink},
    };
    sqlite3_vfs *vfs = sqlite3_vfs_find(NULL);
    g_autoptr(GError) error = NULL;
    for (guint i = 0; i < G_N_ELEMENTS(calls); i++)
        vfs->xSetSystemCall(vfs, calls[i].name, calls[i].call);
    if (journal_sqlite_new(fixture->path, &error) != NULL)
        _exit(fault.calls < fault.at ? OPENED_WITHOUT_FAULT : OPENED);
    g_assert_error(error, DOMGRP_ERROR, DOMGRP_ERROR_STORE);
    g_assert_nonnull(strstr(error->message, fixture->path));
    g_assert_nonnull(strstr(error->message, "make room"));
    _exit(REFUSED);
}

/* The backup is the older one or a complete new one; what is there opens and has it all. */
static void check_after_fault(Fixture *fixture, int status)
{
    g_autofree char *text = NULL;
    if (WIFEXITED(status) && WEXITSTATUS(status) == REFUSED)
        g_assert_cmpint(version_of(fixture->path), ==, 1);
    else if (WIFEXITED(status)) /* SQLite did without it */
        g_assert_cmpint(WEXITSTATUS(status), ==, OPENED);
    g_assert_true(g_file_get_contents(fixture->backup, &text, NULL, NULL));
    if (strcmp(text, "older") != 0) {
        g_assert_cmpint(version_of(fixture->backup), ==, 1);
        g_assert_cmpint(number(fixture->backup, "SELECT count(*) FROM operation"), ==, 3);
    }
    assert_v1_content(fixture);
    assert_files(fixture, "db db.v1-backup");
}

static void test_upgrade_faults(Fixture *fixture, gconstpointer data)
{
    for (guint n = 1;; n++) {
        make_v1(fixture);
        g_assert_true(g_file_set_contents(fixture->backup, "older", -1, NULL));
        fault.at = (n + 1) / 2;
        fault.dies = n % 2 == 0;
        int status = run_child(upgrade_with_fault, fixture);
        if (WIFEXITED(status) && WEXITSTATUS(status) == OPENED_WITHOUT_FAULT)
            break;
        check_after_fault(fixture, status);
    }
    g_test_message("%u writes", fault.at - 1);
    g_assert_cmpuint(fault.at, >, 10);
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        void (*run)(Fixture *fixture, gconstpointer data);
    } tests[] = {
        {"/store/empty", test_empty},
        {"/store/round-trip", test_round_trip},
        {"/store/image", test_image},
        {"/store/replace", test_replace},
        {"/store/owner", test_owner},
        {"/store/owners-whole", test_owners_whole},
        {"/store/delete", test_delete},
        {"/store/refused-put-changes-nothing", test_refused_put_changes_nothing},
        {"/store/operation-life", test_operation_life},
        {"/store/operation-image", test_operation_image},
        {"/store/operation-shrinks", test_operation_shrinks},
        {"/store/operation-whole", test_operation_whole},
        {"/store/operations", test_operations},
        {"/store/operations-bounded", test_operations_bounded},
        {"/store/migration", test_migration},
        {"/store/migration-ends", test_migration_ends},
        {"/store/migration-whole", test_migration_whole},
        {"/store/migration-one", test_migration_one},
        {"/store/killed", test_killed},
        {"/store/killed-after-put", test_killed_after_put},
        {"/store/locked", test_locked},
        {"/store/newer", test_newer},
        {"/store/not-a-database", test_not_a_database},
        {"/store/damaged", test_damaged},
        {"/store/no-folder", test_no_folder},
        {"/store/unwritable-folder", test_unwritable_folder},
        {"/store/disk-full", test_disk_full},
        {"/store/upgrade", test_upgrade},
        {"/store/upgrade-from-2", test_upgrade_from_2},
        {"/store/upgrade-from-3", test_upgrade_from_3},
        {"/store/upgraded-group-settings", test_upgraded_group_settings},
        {"/store/upgraded-is-used", test_upgraded_is_used},
        {"/store/go-back", test_go_back},
        {"/store/upgrade-no-backup", test_upgrade_no_backup},
        {"/store/upgrade-unwritable-folder", test_upgrade_unwritable_folder},
    };
    g_test_init(&argc, &argv, NULL);
    for (guint i = 0; i < G_N_ELEMENTS(tests); i++)
        g_test_add(tests[i].name, Fixture, NULL, set_up, tests[i].run, tear_down);
    if (g_test_slow())
        g_test_add("/slow/upgrade-faults", Fixture, NULL, set_up, test_upgrade_faults, tear_down);
    return g_test_run();
}
