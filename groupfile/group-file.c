/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Group files: what their keys mean, and the files of their members. */
#include "group-file.h"

#include "cfg-text.h"
#include "domgrp-error.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* A key by its number: these, and from KEY_SETTING those of domgrp_settings_key(). */
enum { KEY_NAME, KEY_UUID, KEY_MEMBERS, KEY_SETTING };

/* NULL after the last. */
static const char *key_name(guint key)
{
    static const char *const names[KEY_SETTING] = {"name", "uuid", "members"};
    return key < KEY_SETTING ? names[key] : domgrp_settings_key(key - KEY_SETTING);
}

static const CfgKind kind = {"group file", key_name};

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

static gboolean name_set(gpointer data, const char *key, const char *value, GError **error)
{
    GroupFile *file = data;
    if (!domgrp_name_check("group", value, error))
        return FALSE;
    file->name = g_strdup(value);
    return TRUE;
}

static gboolean name_read(const CfgText *cfg, GroupFile *file, GError **error)
{
    if (cfg_text_has(cfg, KEY_NAME))
        return cfg_text_add(cfg, KEY_NAME, FALSE, name_set, file, error);
    g_set_error(error, DOMGRP_ERROR, DOMGRP_ERROR_VALUE, "%s: there is no name; add name = \"...\"",
                cfg_text_filename(cfg));
    return FALSE;
}

static gboolean uuid_set(gpointer data, const char *key, const char *value, GError **error)
{
    GroupFile *file = data;
    return domgrp_uuid_parse(value, file->uuid, error);
}

static gboolean uuid_read(const CfgText *cfg, GroupFile *file, GError **error)
{
    return cfg_text_add(cfg, KEY_UUID, FALSE, uuid_set, file, error);
}

/* How many members there are; 0 with an error. */
static guint members_count(const CfgText *cfg, GError **error)
{
    int count = cfg_text_count(cfg, KEY_MEMBERS);
    guint line = cfg_text_has(cfg, KEY_MEMBERS) ? cfg_text_line(cfg, KEY_MEMBERS, G_MAXUINT) : 0;

    if (count == -EINVAL)
        g_set_error(error, DOMGRP_ERROR, DOMGRP_ERROR_VALUE,
                    "%s:%u: \"members\" is a single value; write a list, [ \"db.cfg\" ]",
                    cfg_text_filename(cfg), line);
    else if (count < 0)
        g_set_error(error, DOMGRP_ERROR, DOMGRP_ERROR_VALUE,
                    "%s: there are no members; add members = [ \"db.cfg\", ... ]",
                    cfg_text_filename(cfg));
    else if (count == 0)
        g_set_error(error, DOMGRP_ERROR, DOMGRP_ERROR_VALUE,
                    "%s:%u: the list of members is empty; a group has at least one",
                    cfg_text_filename(cfg), line);
    else if ((guint)count > GROUP_FILE_MEMBERS_MAX)
        g_set_error(error, DOMGRP_ERROR, DOMGRP_ERROR_GROUP_LIMIT,
                    "%s:%u: a group of %d members is too large; the most is %u",
                    cfg_text_filename(cfg), line, count, GROUP_FILE_MEMBERS_MAX);
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
static gboolean member_check(const CfgText *cfg, guint i, const char *path, GHashTable *seen,
                             GError **error)
{
    guint line = cfg_text_line(cfg, KEY_MEMBERS, i);

    if (path == NULL || path[0] == '\0') {
        g_set_error(error, DOMGRP_ERROR, DOMGRP_ERROR_VALUE,
                    "%s:%u: member %u is %s; write the path of its xl.cfg in quotes",
                    cfg_text_filename(cfg), line, i + 1, path == NULL ? "a list" : "empty");
        return FALSE;
    }
    if (has_control(path)) {
        g_set_error(error, DOMGRP_ERROR, DOMGRP_ERROR_VALUE,
                    "%s:%u: the path of member %u has control characters; use another name",
                    cfg_text_filename(cfg), line, i + 1);
        return FALSE;
    }
    if (!g_hash_table_add(seen, g_canonicalize_filename(path, "/."))) {
        g_set_error(error, DOMGRP_ERROR, DOMGRP_ERROR_MEMBER_DUPLICATE,
                    "%s:%u: the member \"%s\" is listed twice; keep one", cfg_text_filename(cfg),
                    line, path);
        return FALSE;
    }
    return TRUE;
}

static gboolean members_read(const CfgText *cfg, GroupFile *file, GError **error)
{
    g_autoptr(GHashTable) seen = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    guint count = members_count(cfg, error);

    file->members = g_new0(GroupFileMember, count);
    for (guint i = 0; i < count; i++) {
        const char *path = cfg_text_item(cfg, KEY_MEMBERS, i);
        if (!member_check(cfg, i, path, seen, error))
            return FALSE;
        file->members[i].path = g_strdup(path);
        file->n_members = i + 1;
    }
    return count > 0;
}

static gboolean setting_add(gpointer data, const char *key, const char *value, GError **error)
{
    return domgrp_settings_add(data, key, value, error);
}

static gboolean settings_read(const CfgText *cfg, GroupFile *file, GError **error)
{
    for (guint key = KEY_SETTING; key_name(key) != NULL; key++) {
        gboolean is_list = FALSE;
        domgrp_settings_has_key(key_name(key), &is_list);
        if (!cfg_text_add(cfg, key, is_list, setting_add, file->settings, error))
            return FALSE;
    }
    return TRUE;
}

gboolean group_file_parse(const char *text, gsize length, const char *filename,
                          GroupFile **ret_file, GError **error)
{
    g_autoptr(CfgText) cfg = cfg_text_new(&kind, text, length, filename, error);
    if (cfg == NULL)
        return FALSE;
    g_autoptr(GroupFile) file = g_new0(GroupFile, 1);
    file->text = g_strndup(text, length);
    file->settings = domgrp_settings_new();
    if (!name_read(cfg, file, error) || !uuid_read(cfg, file, error) ||
        !members_read(cfg, file, error) || !settings_read(cfg, file, error))
        return FALSE;
    *ret_file = g_steal_pointer(&file);
    return TRUE;
}

/* -- files -- */

static gboolean file_fail(const char *path, const char *why, GError **error)
{
    g_set_error(error, DOMGRP_ERROR, DOMGRP_ERROR_FILE, "%s: %s", path, why);
    return FALSE;
}

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

gboolean group_file_read(const char *path, gsize max, char **ret_text, GError **error)
{
    g_autofree char *text = NULL;
    gsize length;
    if (!file_read(path, max, &text, &length, error))
        return FALSE;
    if (!g_utf8_validate_len(text, length, NULL))
        return file_fail(path, "this is not UTF-8 text", error);
    *ret_text = g_steal_pointer(&text);
    return TRUE;
}

static gboolean member_load(GroupFileMember *member, const char *directory, GError **error)
{
    g_autofree char *path = g_path_is_absolute(member->path)
                                ? g_strdup(member->path)
                                : g_build_filename(directory, member->path, NULL);
    return group_file_read(path, GROUP_FILE_MEMBER_SIZE_MAX, &member->text, error);
}

gboolean group_file_load(const char *path, GroupFile **ret_file, GError **error)
{
    g_autoptr(GroupFile) file = NULL;
    g_autofree char *directory = g_path_get_dirname(path);
    g_autofree char *text = NULL;
    gsize length;

    if (!file_read(path, CFG_TEXT_MAX, &text, &length, error) ||
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
