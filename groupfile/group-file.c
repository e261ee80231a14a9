/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Group files. libxlutil decides what is grammar and what a value is, but
 * cannot say which keys a file has nor where a value stands, and it leaks and
 * misreads what is no token at all: a scanner cuts the text into words first.
 */
#include "group-file.h"

#include "domgrp-error.h"

#include <errno.h>
#include <fcntl.h>
#include <libxlutil.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* A key by its number: these, and from KEY_SETTING those of domgrp_settings_key(). */
enum { KEY_NAME, KEY_UUID, KEY_MEMBERS, KEY_SETTING };
typedef guint Key;

/* NULL after the last. */
static const char *key_name(Key key)
{
    static const char *const names[KEY_SETTING] = {"name", "uuid", "members"};
    return key < KEY_SETTING ? names[key] : domgrp_settings_key(key - KEY_SETTING);
}

/* A key, or a string or number of the key before it. */
typedef struct {
    const char *text;
    gsize length;
    guint line;
    gboolean is_key;
} Word;

/* Where a key stands; its values' words follow it. */
typedef struct {
    const Word *word; /* NULL: the file has it not */
    guint n_values;
} KeyPlace;

/* One reading of one file. */
typedef struct {
    const char *filename;
    GArray *words; /* of Word */
    XLU_Config *config;
    KeyPlace *places; /* by Key */
} Reader;

void group_file_free(GroupFile *file)
{
    if (file == NULL)
        return;
    for (guint i = 0; i < file->n_members; i++) {
        g_free(file->members[i].path);
        g_free(file->members[i].text);
    }
    g_free(file->members);
    g_free(file->name);
    g_free(file->text);
    g_free(file->directory);
    domgrp_settings_free(file->settings);
    g_free(file);
}

/* -- before libxlutil sees it: it asserts that there are no NUL bytes -- */

static gboolean text_check(const char *text, gsize length, const char *filename, GError **error)
{
    const char *end;
    guint line = 1;

    if (length > GROUP_FILE_SIZE_MAX) {
        g_set_error(error, DOMGRP_ERROR, DOMGRP_ERROR_FILE,
                    "%s: a group file of %zu bytes is too large; the most is %u", filename, length,
                    GROUP_FILE_SIZE_MAX);
        return FALSE;
    }
    if (g_utf8_validate_len(text, length, &end))
        return TRUE;
    for (const char *c = text; c < end; c++)
        line += *c == '\n';
    g_set_error(error, DOMGRP_ERROR, DOMGRP_ERROR_SYNTAX, "%s:%u: the byte 0x%02x is not text",
                filename, line, (guint)(guchar)*end);
    return FALSE;
}

/* -- words -- */

/* The length of the quoted string that @text begins with; 0 if it is not one. */
static gsize string_length(const char *text)
{
    gsize i = 1;
    while (text[i] != text[0]) {
        if (text[i] == '\\' && text[i + 1] != '\0' && strchr("\\'\"", text[i + 1]) != NULL)
            i += 2;
        else if (text[i] == '\\' || text[i] == '\n' || text[i] == '\0')
            return 0;
        else
            i++;
    }
    return i + 1;
}

/* The length of the word or sign that @text begins with; 0 if it is none. */
static gsize token_length(const char *text)
{
    if (g_ascii_islower(*text))
        return strspn(text, "._0123456789abcdefghijklmnopqrstuvwxyz");
    if (g_ascii_isdigit(*text))
        return strspn(text, "0123456789abcdefx");
    if (*text == '"' || *text == '\'')
        return string_length(text);
    if (*text == '#')
        return strcspn(text, "\n");
    if (g_str_has_prefix(text, "+="))
        return 2;
    return strchr(" \t\n,[]=;", *text) != NULL ? 1 : 0;
}

static void token_fail(const Reader *reader, const char *text, guint line, GError **error)
{
    g_autofree char *shown = g_strndup(text, (gsize)(g_utf8_next_char(text) - text));
    if (*text == '"' || *text == '\'')
        g_set_error(error, DOMGRP_ERROR, DOMGRP_ERROR_SYNTAX,
                    "%s:%u: the string does not end in this line, or has a backslash before "
                    "something other than a quote or a backslash",
                    reader->filename, line);
    else if (*text == '\r')
        g_set_error(error, DOMGRP_ERROR, DOMGRP_ERROR_SYNTAX,
                    "%s:%u: the line ends as on Windows; remove the carriage returns",
                    reader->filename, line);
    else
        g_set_error(error, DOMGRP_ERROR, DOMGRP_ERROR_SYNTAX,
                    "%s:%u: \"%s\" does not belong here; write values in quotes", reader->filename,
                    line, g_ascii_iscntrl(*text) ? "a control character" : shown);
}

static gboolean words_scan(Reader *reader, const char *text, GError **error)
{
    gsize length;
    for (guint line = 1; *text != '\0'; text += length) {
        length = token_length(text);
        if (length == 0) {
            token_fail(reader, text, line, error);
            return FALSE;
        }
        Word word = {text, length, line, g_ascii_islower(*text)};
        if (word.is_key || g_ascii_isdigit(*text) || *text == '"' || *text == '\'')
            g_array_append_val(reader->words, word);
        line += *text == '\n';
    }
    return TRUE;
}

/* -- grammar, by libxlutil -- */

/*
 * The first line of what libxlutil reported, ":LINE: why". Its line is one
 * too low where the error is met at the end of a line.
 */
static void report_to_error(const char *filename, char *report, GError **error)
{
    char *why = report[0] == ':' ? NULL : report;
    guint64 line = why == NULL ? g_ascii_strtoull(report + 1, &why, 10) : 0;

    report[strcspn(report, "\n")] = '\0';
    if (strstr(why, "near <newline>") != NULL || strstr(why, "near `#") != NULL)
        line++;
    g_set_error(error, DOMGRP_ERROR, DOMGRP_ERROR_SYNTAX, "%s:%" G_GUINT64_FORMAT "%s", filename,
                line, why);
}

static gboolean grammar_parse(Reader *reader, const char *text, GError **error)
{
    char *report = NULL;
    size_t report_length;
    FILE *stream = open_memstream(&report, &report_length);
    reader->config = stream != NULL ? xlu_cfg_init(stream, "") : NULL;
    if (reader->config == NULL)
        g_error("out of memory");

    /* A comment has to end in a newline for libxlutil. */
    g_autofree char *lines = g_strconcat(text, "\n", NULL);
    int failed = xlu_cfg_readdata(reader->config, lines, (int)strlen(lines));
    fclose(stream); /* from now on it is only asked without warnings */
    if (failed != 0)
        report_to_error(reader->filename, report, error);
    free(report);
    return failed == 0;
}

/* -- keys: in text that libxlutil accepts, a word outside quotes is one -- */

static gboolean key_unknown(const Reader *reader, const Word *word, GError **error)
{
    g_autoptr(GString) all = g_string_new(key_name(0));
    for (Key key = 1; key_name(key) != NULL; key++)
        g_string_append_printf(all, "%s%s", key_name(key + 1) != NULL ? ", " : " and ",
                               key_name(key));
    g_set_error(error, DOMGRP_ERROR, DOMGRP_ERROR_KEY_UNKNOWN,
                "%s:%u: the key \"%.*s\" is not known; a group file has %s", reader->filename,
                word->line, (int)MIN(word->length, 60), word->text, all->str);
    return FALSE;
}

static gboolean key_lookup(const Reader *reader, const Word *word, Key *ret_key, GError **error)
{
    const char *name;
    for (Key key = 0; (name = key_name(key)) != NULL; key++) {
        if (strlen(name) == word->length && memcmp(name, word->text, word->length) == 0) {
            *ret_key = key;
            return TRUE;
        }
    }
    return key_unknown(reader, word, error);
}

static KeyPlace *places_new(void)
{
    Key n = KEY_SETTING;
    while (key_name(n) != NULL)
        n++;
    return g_new0(KeyPlace, n);
}

static gboolean keys_find(Reader *reader, GError **error)
{
    Key key = 0;

    for (guint i = 0; i < reader->words->len; i++) {
        const Word *word = &g_array_index(reader->words, Word, i);
        if (!word->is_key) {
            reader->places[key].n_values++;
            continue;
        }
        if (!key_lookup(reader, word, &key, error))
            return FALSE;
        if (reader->places[key].word != NULL) {
            g_set_error(error, DOMGRP_ERROR, DOMGRP_ERROR_VALUE,
                        "%s:%u: \"%s\" is set a second time, after line %u; keep one",
                        reader->filename, word->line, key_name(key),
                        reader->places[key].word->line);
            return FALSE;
        }
        reader->places[key].word = word;
    }
    return TRUE;
}

/* -- values -- */

/* The line of the @i'th string of @key, or of the key where it has not so many. */
static guint value_line(const Reader *reader, Key key, guint i)
{
    const KeyPlace *place = &reader->places[key];
    return i < place->n_values ? place->word[1 + i].line : place->word->line;
}

/* The string of @key; NULL if the file has it not, or with an error. */
static const char *string_get(const Reader *reader, Key key, GError **error)
{
    const char *value = NULL;
    if (xlu_cfg_get_string(reader->config, key_name(key), &value, 1) == EINVAL)
        g_set_error(error, DOMGRP_ERROR, DOMGRP_ERROR_VALUE,
                    "%s:%u: \"%s\" is a list; write one value in quotes", reader->filename,
                    reader->places[key].word->line, key_name(key));
    return value;
}

static gboolean name_read(const Reader *reader, GroupFile *file, GError **error)
{
    GError *local = NULL;
    const char *name = string_get(reader, KEY_NAME, &local);
    if (name == NULL) {
        if (local == NULL)
            g_set_error(&local, DOMGRP_ERROR, DOMGRP_ERROR_VALUE,
                        "%s: there is no name; add name = \"...\"", reader->filename);
        g_propagate_error(error, local);
        return FALSE;
    }
    if (!domgrp_name_check("group", name, error)) {
        g_prefix_error(error, "%s:%u: ", reader->filename, value_line(reader, KEY_NAME, 0));
        return FALSE;
    }
    file->name = g_strdup(name);
    return TRUE;
}

static gboolean uuid_read(const Reader *reader, GroupFile *file, GError **error)
{
    GError *local = NULL;
    const char *uuid = string_get(reader, KEY_UUID, &local);
    if (uuid == NULL && local == NULL)
        return TRUE;
    if (local != NULL) {
        g_propagate_error(error, local);
        return FALSE;
    }
    if (!domgrp_uuid_parse(uuid, file->uuid, error)) {
        g_prefix_error(error, "%s:%u: ", reader->filename, value_line(reader, KEY_UUID, 0));
        return FALSE;
    }
    return TRUE;
}

/* How many members there are; 0 with an error. */
static guint members_count(const Reader *reader, XLU_ConfigList **ret_list, GError **error)
{
    const Word *key = reader->places[KEY_MEMBERS].word;
    int count = 0;
    int failed = xlu_cfg_get_list(reader->config, key_name(KEY_MEMBERS), ret_list, &count, 1);

    if (failed == EINVAL)
        g_set_error(error, DOMGRP_ERROR, DOMGRP_ERROR_VALUE,
                    "%s:%u: \"members\" is a single value; write a list, [ \"db.cfg\" ]",
                    reader->filename, key->line);
    else if (failed != 0)
        g_set_error(error, DOMGRP_ERROR, DOMGRP_ERROR_VALUE,
                    "%s: there are no members; add members = [ \"db.cfg\", ... ]",
                    reader->filename);
    else if (count == 0)
        g_set_error(error, DOMGRP_ERROR, DOMGRP_ERROR_VALUE,
                    "%s:%u: the list of members is empty; a group has at least one",
                    reader->filename, key->line);
    else if ((guint)count > GROUP_FILE_MEMBERS_MAX)
        g_set_error(error, DOMGRP_ERROR, DOMGRP_ERROR_GROUP_LIMIT,
                    "%s:%u: a group of %d members is too large; the most is %u", reader->filename,
                    key->line, count, GROUP_FILE_MEMBERS_MAX);
    else
        return (guint)count;
    return 0;
}

static gboolean has_control(const char *text)
{
    while (*text != '\0' && !g_ascii_iscntrl(*text))
        text++;
    return *text != '\0';
}

/* Checks one path; @seen owns the canonical form of those before it. */
static gboolean member_check(const Reader *reader, guint i, const char *path, GHashTable *seen,
                             GError **error)
{
    guint line = value_line(reader, KEY_MEMBERS, i);

    if (path == NULL || path[0] == '\0') {
        g_set_error(error, DOMGRP_ERROR, DOMGRP_ERROR_VALUE,
                    "%s:%u: member %u is %s; write the path of its xl.cfg in quotes",
                    reader->filename, line, i + 1, path == NULL ? "a list" : "empty");
        return FALSE;
    }
    if (has_control(path)) {
        g_set_error(error, DOMGRP_ERROR, DOMGRP_ERROR_VALUE,
                    "%s:%u: the path of member %u has control characters; use another name",
                    reader->filename, line, i + 1);
        return FALSE;
    }
    if (!g_hash_table_add(seen, g_canonicalize_filename(path, "/."))) {
        g_set_error(error, DOMGRP_ERROR, DOMGRP_ERROR_MEMBER_DUPLICATE,
                    "%s:%u: the member \"%s\" is listed twice; keep one", reader->filename, line,
                    path);
        return FALSE;
    }
    return TRUE;
}

static gboolean members_read(const Reader *reader, GroupFile *file, GError **error)
{
    g_autoptr(GHashTable) seen = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    XLU_ConfigList *list;
    guint count = members_count(reader, &list, error);

    file->members = g_new0(GroupFileMember, count);
    for (guint i = 0; i < count; i++) {
        const char *path = xlu_cfg_get_listitem(list, (int)i);
        if (!member_check(reader, i, path, seen, error))
            return FALSE;
        file->members[i].path = g_strdup(path);
        file->n_members = i + 1;
    }
    return count > 0;
}

static gboolean setting_add(const Reader *reader, Key key, guint i, const char *value,
                            GroupFile *file, GError **error)
{
    if (domgrp_settings_add(file->settings, key_name(key), value, error))
        return TRUE;
    g_prefix_error(error, "%s:%u: ", reader->filename, value_line(reader, key, i));
    return FALSE;
}

static gboolean setting_list_read(const Reader *reader, Key key, GroupFile *file, GError **error)
{
    XLU_ConfigList *list;
    int count;

    if (xlu_cfg_get_list(reader->config, key_name(key), &list, &count, 1) != 0) {
        g_set_error(error, DOMGRP_ERROR, DOMGRP_ERROR_VALUE,
                    "%s:%u: \"%s\" is a single value; write a list, [ \"...\" ]", reader->filename,
                    reader->places[key].word->line, key_name(key));
        return FALSE;
    }
    for (guint i = 0; i < (guint)count; i++) {
        const char *value = xlu_cfg_get_listitem(list, (int)i);
        if (value == NULL) {
            g_set_error(error, DOMGRP_ERROR, DOMGRP_ERROR_VALUE,
                        "%s:%u: item %u of \"%s\" is a list; write a string in quotes",
                        reader->filename, value_line(reader, key, i), i + 1, key_name(key));
            return FALSE;
        }
        if (!setting_add(reader, key, i, value, file, error))
            return FALSE;
    }
    return TRUE;
}

static gboolean settings_read(const Reader *reader, GroupFile *file, GError **error)
{
    for (Key key = KEY_SETTING; key_name(key) != NULL; key++) {
        gboolean is_list, good;
        if (reader->places[key].word == NULL)
            continue;
        if (domgrp_settings_has_key(key_name(key), &is_list) && is_list) {
            good = setting_list_read(reader, key, file, error);
        } else {
            const char *value = string_get(reader, key, error);
            good = value != NULL && setting_add(reader, key, 0, value, file, error);
        }
        if (!good)
            return FALSE;
    }
    return TRUE;
}

static gboolean reader_read(Reader *reader, GroupFile *file, GError **error)
{
    return words_scan(reader, file->text, error) && grammar_parse(reader, file->text, error) &&
           keys_find(reader, error) && name_read(reader, file, error) &&
           uuid_read(reader, file, error) && members_read(reader, file, error) &&
           settings_read(reader, file, error);
}

gboolean group_file_parse(const char *text, gsize length, const char *filename,
                          GroupFile **ret_file, GError **error)
{
    if (!text_check(text, length, filename, error))
        return FALSE;
    g_autoptr(GroupFile) file = g_new0(GroupFile, 1);
    file->text = g_strndup(text, length);
    file->settings = domgrp_settings_new();

    g_autoptr(GArray) words = g_array_new(FALSE, FALSE, sizeof(Word));
    g_autofree KeyPlace *places = places_new();
    Reader reader = {.filename = filename, .words = words, .places = places};
    gboolean good = reader_read(&reader, file, error);
    g_clear_pointer(&reader.config, xlu_cfg_destroy);

    if (good)
        *ret_file = g_steal_pointer(&file);
    return good;
}

/* -- files -- */

static gboolean file_fail(const char *path, const char *why, GError **error)
{
    g_set_error(error, DOMGRP_ERROR, DOMGRP_ERROR_FILE, "%s: %s", path, why);
    return FALSE;
}

/* Reads up to @max bytes; never blocks on a pipe and never reads without end. */
static gboolean file_read(const char *path, gsize max, char **ret_text, gsize *ret_length,
                          GError **error)
{
    struct stat info;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0)
        return file_fail(path, g_strerror(errno), error);
    g_autofree char *text = g_malloc(max + 2);
    gsize length = 0;
    ssize_t got = -1;
    const char *why = NULL;

    if (fstat(fd, &info) != 0)
        why = g_strerror(errno);
    else if (!S_ISREG(info.st_mode))
        why = "this is not a regular file";
    while (why == NULL && length <= max && (got = read(fd, text + length, max + 1 - length)) != 0) {
        if (got > 0)
            length += (gsize)got;
        else if (errno != EINTR)
            why = g_strerror(errno);
    }
    close(fd);
    if (why != NULL)
        return file_fail(path, why, error);
    if (length > max) {
        g_autofree char *large = g_strdup_printf("the file is larger than %zu bytes", max);
        return file_fail(path, large, error);
    }
    text[length] = '\0';
    *ret_text = g_realloc(g_steal_pointer(&text), length + 1);
    *ret_length = length;
    return TRUE;
}

static gboolean member_load(GroupFileMember *member, const char *directory, GError **error)
{
    g_autofree char *path = g_path_is_absolute(member->path)
                                ? g_strdup(member->path)
                                : g_build_filename(directory, member->path, NULL);
    gsize length;

    if (!file_read(path, GROUP_FILE_MEMBER_SIZE_MAX, &member->text, &length, error))
        return FALSE;
    if (!g_utf8_validate_len(member->text, length, NULL))
        return file_fail(path, "this is not UTF-8 text", error);
    return TRUE;
}

gboolean group_file_load(const char *path, GroupFile **ret_file, GError **error)
{
    g_autoptr(GroupFile) file = NULL;
    g_autofree char *directory = g_path_get_dirname(path);
    g_autofree char *text = NULL;
    gsize length;

    if (!file_read(path, GROUP_FILE_SIZE_MAX, &text, &length, error) ||
        !group_file_parse(text, length, path, &file, error))
        return FALSE;
    for (guint i = 0; i < file->n_members; i++) {
        if (!member_load(&file->members[i], directory, error)) {
            g_prefix_error(error, "%s: member ", path);
            return FALSE;
        }
    }
    file->directory = g_get_current_dir();
    *ret_file = g_steal_pointer(&file);
    return TRUE;
}
