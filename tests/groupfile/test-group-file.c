/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Group files: text in, record or refusal out. */
#include "group-file.h"

#include "domgrp-error.h"

#include <errno.h>
#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

#define UUID "3f1c9c5e-8f5b-4d5c-9d55-0d3f0a6f1c2e"
#define GOOD "name = \"shop\"\nmembers = [ \"db.cfg\" ]\n"

/* -- what is accepted -- */

static const struct {
    const char *what;
    const char *text;
    const char *record; /* name|uuid|path,path, and |settings if there are any */
} good[] = {
    {"plain", GOOD, "shop||db.cfg"},
    {"all", "uuid='" UUID "'\nname='a'\nmembers=['x','y','z']\n", "a|" UUID "|x,y,z"},
    {"capital-uuid", "name='a'\nmembers=['x']\nuuid='3F1C9C5E-8F5B-4D5C-9D55-0D3F0A6F1C2E'",
     "a|" UUID "|x"},
    {"no-newline-at-end", "name='a';members=['x']", "a||x"},
    {"list-over-lines", "members = [\n 'x', # one\n\n 'y',\n]\nname='a'\n", "a||x,y"},
    {"comment-with-quote", "# it's name = 'b'\nname='a' # \"\nmembers=['x']\n", "a||x"},
    {"keys-in-strings", "name='a'\nmembers=['uuid = 1', \"it's\", 'a \\' name = b']\n",
     "a||uuid = 1,it's,a ' name = b"},
    {"append", "name='a'\nmembers += ['x']\n", "a||x"},
    {"carriage-returns-in-comments", "name='a' #\r\nmembers=['x']\n", "a||x"},
    {"number-member", "name='a'\nmembers=[1, 0x2f]\n", "a||1,0x2f"},
    {"comment-at-end", GOOD "# end", "shop||db.cfg"},
    {"signs-in-name", "name='A_-.:/+9'\nmembers=['x']\n", "A_-.:/+9||x"},
    {"unicode-path", "name='a'\nmembers=['dé.cfg']\n", "a||dé.cfg"},
    {"parents-differ", "name='a'\nmembers=['x/../y','x','../z']\n", "a||x/../y,x,../z"},
    {"settings",
     GOOD "after = ['web: db', # first\n'mail:db web']\nready = ['db: tcp 10.0.0.5:5432']\n"
          "shutdown = ['db: timeout=9']\non_failure = ['create: stop']\nparallel = 4\n"
          "on_member_failure = \"restart\"\nfailure_limit = '2/60'\non_boot = 'start'\n",
     "shop||db.cfg|after web: db\nafter mail: db web\nready db: tcp 10.0.0.5:5432 timeout=60\n"
     "shutdown db: timeout=9 then=leave\non_failure create: stop\non_member_failure restart\n"
     "failure_limit 2/60\non_boot start\nparallel 4\n"},
    {"settings-empty", GOOD "after = []\nready = []\n", "shop||db.cfg"},
    {"settings-appended", GOOD "after += ['a: b']\n", "shop||db.cfg|after a: b\n"},
};

static char *record_text(const GroupFile *file)
{
    GString *text = g_string_new(NULL);
    g_string_append_printf(text, "%s|%s|", file->name, file->uuid);
    for (guint i = 0; i < file->n_members; i++)
        g_string_append_printf(text, "%s%s", i > 0 ? "," : "", file->members[i].path);
    g_autofree char *settings = domgrp_settings_to_text(file->settings);
    if (settings[0] != '\0')
        g_string_append_printf(text, "|%s", settings);
    return g_string_free(text, FALSE);
}

static void test_good(gconstpointer data)
{
    guint i = GPOINTER_TO_UINT(data);
    g_autoptr(GroupFile) file = NULL;
    g_autoptr(GError) error = NULL;

    group_file_parse(good[i].text, strlen(good[i].text), "f.cfg", &file, &error);
    g_assert_no_error(error);
    g_autofree char *record = record_text(file);
    g_assert_cmpstr(record, ==, good[i].record);
    g_assert_cmpstr(file->text, ==, good[i].text);
    g_assert_null(file->directory);
    g_assert_null(file->members[0].text);
}

/* -- what is refused -- */

static const struct {
    const char *what;
    const char *text;
    DomgrpErrorCode code;
    const char *message; /* a pattern for g_pattern_match */
} bad[] = {
    {"empty", "", DOMGRP_ERROR_VALUE, "f.cfg: there is no name; add name = \"...\""},
    {"no-name", "members=['x']\n", DOMGRP_ERROR_VALUE, "f.cfg: there is no name;*"},
    {"no-members", "name='a'\n", DOMGRP_ERROR_VALUE, "f.cfg: there are no members; add*"},
    {"empty-list", "name='a'\n\nmembers=[]\n", DOMGRP_ERROR_VALUE,
     "f.cfg:3: the list of members is empty;*"},
    {"unknown-key", GOOD "memory = 5\n", DOMGRP_ERROR_KEY_UNKNOWN,
     "f.cfg:3: the key \"memory\" is not known; a group file has name, uuid, members, after, "
     "ready, shutdown, on_failure, on_member_failure, failure_limit, on_boot, parallel and "
     "snapshot"},
    {"unknown-key-prefix", GOOD "nam = 5\n", DOMGRP_ERROR_KEY_UNKNOWN, "f.cfg:3: the key \"nam\"*"},
    {"unknown-key-longer", GOOD "names = 5\n", DOMGRP_ERROR_KEY_UNKNOWN,
     "f.cfg:3: the key \"names\"*"},
    {"unknown-key-after-list", "name='a'\nmembers=['x',\n'y'\n]\n#\nvcpus=1", //
     DOMGRP_ERROR_KEY_UNKNOWN, "f.cfg:6: the key \"vcpus\"*"},
    {"unknown-key-after-semicolon", "name='a';members=['x'];b=1", DOMGRP_ERROR_KEY_UNKNOWN,
     "f.cfg:1: the key \"b\"*"},
    {"twice", GOOD "name = 'b'\n", DOMGRP_ERROR_VALUE,
     "f.cfg:3: \"name\" is set a second time, after line 1; keep one"},
    {"twice-the-same", GOOD "name = 'shop'\n", DOMGRP_ERROR_VALUE, "f.cfg:3: \"name\" is set*"},
    {"twice-appended", GOOD "members += ['y']\n", DOMGRP_ERROR_VALUE, "f.cfg:3: \"members\" is*"},
    {"syntax", "name = \"shop\"\nmembers = [ \"db.cfg\"\n", DOMGRP_ERROR_SYNTAX,
     "f.cfg:*config parsing error*"},
    {"syntax-line", "name='a'\n\nmembers = = 5\n", DOMGRP_ERROR_SYNTAX,
     "f.cfg:3: config parsing error near `=': syntax error*"},
    {"no-value", "name =\n", DOMGRP_ERROR_SYNTAX, "f.cfg:1: config parsing error*"},
    {"no-value-comment", "\nname = # a: b\nmembers=['x']\n", DOMGRP_ERROR_SYNTAX,
     "f.cfg:2: config parsing error near `# a: b': syntax error*"},
    {"no-value-later", "\n\nname =\n\n", DOMGRP_ERROR_SYNTAX, "f.cfg:3: config parsing error*"},
    {"bare-word", "name = shop\n", DOMGRP_ERROR_SYNTAX, "f.cfg:1: config parsing error*"},
    {"capital-key", "Name = 'a'\n", DOMGRP_ERROR_SYNTAX, "f.cfg:1: \"N\" does not belong*"},
    {"open-string", "name = 'a\nmembers = ['x']\n", DOMGRP_ERROR_SYNTAX,
     "f.cfg:1: the string does not end in this line*"},
    {"open-string-at-end", "name = 'a", DOMGRP_ERROR_SYNTAX, "f.cfg:1: the string does not end*"},
    {"backslash-at-end", "\nname = 'a\\", DOMGRP_ERROR_SYNTAX, "f.cfg:2: the string does not*"},
    {"stray-last-character", GOOD "@", DOMGRP_ERROR_SYNTAX,
     "f.cfg:3: \"@\" does not belong here; write values in quotes"},
    {"stray-in-list", "name='a'\nmembers=['x','y'-\n]\n", DOMGRP_ERROR_SYNTAX,
     "f.cfg:2: \"-\" does not belong here*"},
    {"stray-unicode", "name=é\n", DOMGRP_ERROR_SYNTAX, "f.cfg:1: \"é\" does not belong*"},
    {"stray-control", "name=\001\n", DOMGRP_ERROR_SYNTAX, "f.cfg:1: *a control character*"},
    {"python", "name = 'a' + 'b'\n", DOMGRP_ERROR_SYNTAX, "f.cfg:1: \"+\" does not belong*"},
    {"bad-escape", "name = 'a\\q'\n", DOMGRP_ERROR_SYNTAX, "f.cfg:1: the string*backslash*"},
    {"hex-escape", "name = '\\x41'\n", DOMGRP_ERROR_SYNTAX, "f.cfg:1: the string*backslash*"},
    {"carriage-returns", "name='a'\r\nmembers=['x']\r\n", DOMGRP_ERROR_SYNTAX,
     "f.cfg:1: the line ends as on Windows; remove the carriage returns"},
    {"latin-1", "name='a'\n# d\xe9\n", DOMGRP_ERROR_SYNTAX, "f.cfg:2: the byte 0xe9 is not text"},
    {"name-list", "name=['a']\nmembers=['x']\n", DOMGRP_ERROR_VALUE,
     "f.cfg:1: \"name\" is a list; write one value in quotes"},
    {"uuid-list", GOOD "uuid=[]\n", DOMGRP_ERROR_VALUE, "f.cfg:3: \"uuid\" is a list*"},
    {"members-string", "name='a'\nmembers='x'\n", DOMGRP_ERROR_VALUE,
     "f.cfg:2: \"members\" is a single value; write a list, [ \"db.cfg\" ]"},
    {"member-list", "name='a'\nmembers=['x',['y']]\n", DOMGRP_ERROR_VALUE,
     "f.cfg:2: member 2 is a list; write*"},
    {"member-empty", "name='a'\nmembers=['x',\n'']\n", DOMGRP_ERROR_VALUE,
     "f.cfg:3: member 2 is empty; write*"},
    {"member-control", "name='a'\nmembers=['x\ty']\n", DOMGRP_ERROR_VALUE,
     "f.cfg:2: the path of member 1 has control characters*"},
    {"duplicate", "name='a'\nmembers=[\n'x',\n'y',\n'x']\n", DOMGRP_ERROR_MEMBER_DUPLICATE,
     "f.cfg:5: the member \"x\" is listed twice; keep one"},
    {"duplicate-dot", "name='a'\nmembers=['d/x','d/../d//./x']\n", DOMGRP_ERROR_MEMBER_DUPLICATE,
     "f.cfg:2: the member \"d/../d//./x\" is listed twice*"},
    {"name-space", "\nname='a b'\nmembers=['x']\n", DOMGRP_ERROR_NAME,
     "f.cfg:2: the group name \"a b\" has a character*"},
    {"name-empty", "name=''\nmembers=['x']\n", DOMGRP_ERROR_NAME, "f.cfg:1: the name of a group*"},
    {"name-digits", "name=5\nmembers=['x']\n", DOMGRP_ERROR_NAME, "f.cfg:1: *is a number*"},
    {"name-long",
     "name='0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef'\nmembers=['x']\n",
     DOMGRP_ERROR_NAME, "f.cfg:1: the name of a group has 64 characters*"},
    {"uuid", GOOD "uuid='3f1c9c5e'\n", DOMGRP_ERROR_VALUE, "f.cfg:3: \"3f1c9c5e\" is not a UUID*"},
    {"uuid-nil", GOOD "uuid='00000000-0000-0000-0000-000000000000'", DOMGRP_ERROR_VALUE,
     "f.cfg:3: *is not a UUID*"},
    {"after-itself", GOOD "after = ['a: b',\n'b: c b']\n", DOMGRP_ERROR_ORDER,
     "f.cfg:4: \"b: c b\" makes b wait for itself: *"},
    {"setting-value", GOOD "ready = [\n'a: delay 5',\n\n'b: tcp h'\n]\n", DOMGRP_ERROR_VALUE,
     "f.cfg:6: \"b: tcp h\" has no port: write tcp ADDRESS:PORT"},
    {"setting-name", GOOD "shutdown = ['5: timeout=5']\n", DOMGRP_ERROR_NAME,
     "f.cfg:3: \"5: timeout=5\" names no member: *"},
    {"setting-string", GOOD "on_boot = # yes\n'yes'\n", DOMGRP_ERROR_SYNTAX, "f.cfg:3: *"},
    {"setting-word", GOOD "\non_boot = 'yes'\n", DOMGRP_ERROR_VALUE,
     "f.cfg:4: on_boot: \"yes\" is not known: write ignore or start"},
    {"setting-no-list", GOOD "after = 'a: b'\n", DOMGRP_ERROR_VALUE,
     "f.cfg:3: \"after\" is a single value; write a list, *"},
    {"setting-nested", GOOD "after = ['a: b',\n['c: d']]\n", DOMGRP_ERROR_VALUE,
     "f.cfg:4: item 2 of \"after\" is a list; write a string in quotes"},
    {"setting-list", GOOD "parallel = [4]\n", DOMGRP_ERROR_VALUE,
     "f.cfg:3: \"parallel\" is a list; write one value in quotes"},
    {"setting-twice", GOOD "parallel = 4\nparallel = 4\n", DOMGRP_ERROR_VALUE,
     "f.cfg:4: \"parallel\" is set a second time, after line 3; keep one"},
    {"uuid-line", "uuid = # next line\n\n'a'", DOMGRP_ERROR_SYNTAX,
     "f.cfg:1: config parsing error*"},
};

static void assert_refused(const char *text, gsize length, DomgrpErrorCode code,
                           const char *message)
{
    GroupFile *file = (GroupFile *)0x1; /* must be left alone */
    g_autoptr(GError) error = NULL;

    g_assert_false(group_file_parse(text, length, "f.cfg", &file, &error));
    g_test_message("%s", error->message);
    g_assert_error(error, DOMGRP_ERROR, (int)code);
    g_assert_true(file == (GroupFile *)0x1);
    g_assert_true(g_utf8_validate(error->message, -1, NULL));
    g_assert_null(strchr(error->message, '\n'));
    if (!g_pattern_match_simple(message, error->message))
        g_error("\"%s\" does not match \"%s\"", error->message, message);
}

static void test_bad(gconstpointer data)
{
    guint i = GPOINTER_TO_UINT(data);
    assert_refused(bad[i].text, strlen(bad[i].text), bad[i].code, bad[i].message);
}

static void test_nul(void)
{
    static const char text[] = "name='a'\nmembers=['x\0y']\n";
    assert_refused(text, sizeof(text) - 1, DOMGRP_ERROR_SYNTAX,
                   "f.cfg:2: the byte 0x00 is not text");
}

/* A file of exactly the limit is read, one byte more is not. */
static void test_size(void)
{
    g_autoptr(GroupFile) file = NULL;
    g_autofree char *text = g_malloc(CFG_TEXT_MAX + 2);
    memset(text, '#', CFG_TEXT_MAX + 1);
    memcpy(text, GOOD, strlen(GOOD));

    g_assert_true(group_file_parse(text, CFG_TEXT_MAX, "f.cfg", &file, NULL));
    assert_refused(text, CFG_TEXT_MAX + 1, DOMGRP_ERROR_FILE,
                   "f.cfg: a group file of 262145 bytes is too large; the most is 262144");
}

static char *text_of_members(guint n)
{
    GString *text = g_string_new("name='a'\nmembers=[");
    for (guint i = 0; i < n; i++)
        g_string_append_printf(text, "'%u',", i);
    g_string_append(text, "]\n");
    return g_string_free(text, FALSE);
}

static void test_count(void)
{
    g_autoptr(GroupFile) file = NULL;
    g_autofree char *most = text_of_members(GROUP_FILE_MEMBERS_MAX);
    g_autofree char *more = text_of_members(GROUP_FILE_MEMBERS_MAX + 1);

    g_assert_true(group_file_parse(most, strlen(most), "f.cfg", &file, NULL));
    g_assert_cmpuint(file->n_members, ==, GROUP_FILE_MEMBERS_MAX);
    assert_refused(more, strlen(more), DOMGRP_ERROR_GROUP_LIMIT,
                   "f.cfg:2: a group of 1025 members is too large; the most is 1024");
}

/* A group as large as they get, in names of a usual length, fits in a file. */
static void test_large(void)
{
    g_autoptr(GroupFile) file = NULL;
    g_autoptr(GError) error = NULL;
    g_autofree char *members = text_of_members(GROUP_FILE_MEMBERS_MAX);
    GString *text = g_string_new(members);

    g_string_append(text, "after = [\n");
    for (guint i = 0; i < 5000; i++)
        g_string_append_printf(text, "    \"customer-17-web-%04u: customer-17-web-%04u\",\n",
                               i % GROUP_FILE_MEMBERS_MAX,
                               i % GROUP_FILE_MEMBERS_MAX + 1 + i / 1024);
    g_string_append(text, "]\n");
    group_file_parse(text->str, text->len, "f.cfg", &file, &error);
    g_assert_no_error(error);
    g_assert_cmpuint(file->settings->members->len, ==, GROUP_FILE_MEMBERS_MAX);
    g_string_free(text, TRUE);
}

/* -- the manual: MANUAL is the path of domgrp.cfg(5)'s source -- */

static char *manual_read(void)
{
    g_autoptr(GError) error = NULL;
    char *page;
    g_file_get_contents(MANUAL, &page, NULL, &error);
    g_assert_no_error(error);
    return page;
}

static void test_manual_example(void)
{
    g_autoptr(GroupFile) file = NULL;
    g_autoptr(GError) error = NULL;
    g_autofree char *page = manual_read();
    const char *begin = strstr(page, "# shop.cfg");
    const char *end = strstr(begin, ".RE");
    GString *text = g_string_new_len(begin, end - begin);

    g_string_replace(text, "\\-", "-", 0);
    group_file_parse(text->str, text->len, "f.cfg", &file, &error);
    g_assert_no_error(error);
    g_assert_cmpuint(file->settings->members->len, ==, 3);
    g_string_free(text, TRUE);
}

static void test_manual_keys(void)
{
    g_autofree char *page = manual_read();
    const char *key;

    for (guint i = 0; (key = domgrp_settings_key(i)) != NULL; i++) {
        g_autofree char *tag = g_strdup_printf("\n.BI %s= ", key);
        if (strstr(page, tag) == NULL)
            g_error("%s does not explain \"%s\"", MANUAL, key);
    }
}

/* -- files -- */

typedef struct {
    char *directory;
    char *group; /* path of the group file */
} Files;

static void file_put(const Files *files, const char *name, const char *text, gssize length)
{
    g_autofree char *path = g_build_filename(files->directory, name, NULL);
    g_autoptr(GError) error = NULL;
    g_file_set_contents(path, text, length, &error);
    g_assert_no_error(error);
}

static void files_set_up(Files *files, gconstpointer data)
{
    files->directory = g_dir_make_tmp("group-file-XXXXXX", NULL);
    files->group = g_build_filename(files->directory, "shop.cfg", NULL);
    file_put(files, "shop.cfg", GOOD, -1);
}

static void files_tear_down(Files *files, gconstpointer data)
{
    static const char *const names[] = {"shop.cfg", "db.cfg"};
    for (guint i = 0; i < G_N_ELEMENTS(names); i++) {
        g_autofree char *path = g_build_filename(files->directory, names[i], NULL);
        g_remove(path);
    }
    g_assert_cmpint(g_rmdir(files->directory), ==, 0);
    g_free(files->directory);
    g_free(files->group);
}

static void assert_load_refused(const Files *files, DomgrpErrorCode code, const char *message)
{
    GroupFile *file = NULL;
    g_autoptr(GError) error = NULL;

    g_assert_false(group_file_load(files->group, &file, &error));
    g_test_message("%s", error->message);
    g_assert_error(error, DOMGRP_ERROR, (int)code);
    g_assert_null(file);
    if (!g_pattern_match_simple(message, error->message))
        g_error("\"%s\" does not match \"%s\"", error->message, message);
}

static void test_load(Files *files, gconstpointer data)
{
    g_autoptr(GroupFile) file = NULL;
    g_autoptr(GError) error = NULL;
    g_autofree char *here = g_get_current_dir();

    file_put(files, "db.cfg", "memory = 128\n", -1);
    group_file_load(files->group, &file, &error);
    g_assert_no_error(error);
    g_assert_cmpstr(file->name, ==, "shop");
    g_assert_cmpstr(file->text, ==, GOOD);
    g_assert_cmpstr(file->directory, ==, here);
    g_assert_cmpuint(file->n_members, ==, 1);
    g_assert_cmpstr(file->members[0].path, ==, "db.cfg");
    g_assert_cmpstr(file->members[0].text, ==, "memory = 128\n");
}

static void test_load_absolute(Files *files, gconstpointer data)
{
    g_autoptr(GroupFile) file = NULL;
    g_autoptr(GError) error = NULL;
    g_autofree char *text =
        g_strdup_printf("name = \"a\"\nmembers = [ \"%s/db.cfg\" ]\n", files->directory);

    file_put(files, "db.cfg", "memory = 128\n", -1);
    file_put(files, "shop.cfg", text, -1);
    group_file_load(files->group, &file, &error);
    g_assert_no_error(error);
    g_assert_cmpstr(file->members[0].text, ==, "memory = 128\n");
}

static void test_load_missing(Files *files, gconstpointer data)
{
    assert_load_refused(files, DOMGRP_ERROR_FILE,
                        "*/shop.cfg: member */db.cfg: No such file or directory");
    g_remove(files->group);
    assert_load_refused(files, DOMGRP_ERROR_FILE, "*/shop.cfg: No such file or directory");
}

static void test_load_directory(Files *files, gconstpointer data)
{
    g_autofree char *path = g_build_filename(files->directory, "db.cfg", NULL);
    g_assert_cmpint(g_mkdir(path, 0700), ==, 0);
    assert_load_refused(files, DOMGRP_ERROR_FILE, "*/db.cfg: this is not a regular file");
    g_assert_cmpint(g_rmdir(path), ==, 0);
}

static void test_load_large(Files *files, gconstpointer data)
{
    g_autofree char *text = g_strnfill(GROUP_FILE_MEMBER_SIZE_MAX + 1, '#');
    g_autoptr(GroupFile) file = NULL;

    file_put(files, "db.cfg", text, -1);
    assert_load_refused(files, DOMGRP_ERROR_FILE, "*/db.cfg: the file is larger than 1048576 *");
    file_put(files, "db.cfg", text, GROUP_FILE_MEMBER_SIZE_MAX);
    g_assert_true(group_file_load(files->group, &file, NULL));

    file_put(files, "shop.cfg", text, CFG_TEXT_MAX + 1);
    assert_load_refused(files, DOMGRP_ERROR_FILE, "*/shop.cfg: the file is larger than 262144 *");
}

static void test_load_binary(Files *files, gconstpointer data)
{
    file_put(files, "db.cfg", "a\0b", 3);
    assert_load_refused(files, DOMGRP_ERROR_FILE, "*/db.cfg: this is not UTF-8 text");
}

#define LOAD(name, function)                                                                       \
    g_test_add("/group-file/load/" name, Files, NULL, files_set_up, function, files_tear_down)

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (guint i = 0; i < G_N_ELEMENTS(good); i++) {
        g_autofree char *path = g_strdup_printf("/group-file/good/%s", good[i].what);
        g_test_add_data_func(path, GUINT_TO_POINTER(i), test_good);
    }
    for (guint i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_autofree char *path = g_strdup_printf("/group-file/bad/%s", bad[i].what);
        g_test_add_data_func(path, GUINT_TO_POINTER(i), test_bad);
    }
    g_test_add_func("/group-file/nul", test_nul);
    g_test_add_func("/group-file/size", test_size);
    g_test_add_func("/group-file/count", test_count);
    g_test_add_func("/group-file/large", test_large);
    g_test_add_func("/group-file/manual/example", test_manual_example);
    g_test_add_func("/group-file/manual/keys", test_manual_keys);
    LOAD("plain", test_load);
    LOAD("absolute", test_load_absolute);
    LOAD("missing", test_load_missing);
    LOAD("directory", test_load_directory);
    LOAD("large", test_load_large);
    LOAD("binary", test_load_binary);
    return g_test_run();
}
