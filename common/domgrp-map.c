/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Maps: the grammar of each key, one row and one function a key. */
#include "domgrp-map.h"

#include "domgrp-error.h"

#include <string.h>

#define BLANKS " \t"
#define SHOWN_MAX 120     /* bytes of a string that a message quotes */
#define MEMBERS_MAX 1024u /* of a group */

typedef struct {
    const char *name;
    gboolean is_list;
    gboolean (*add)(DomgrpMap *map, const char *value, GError **error);
    const char *form;
    gboolean (*add_member)(DomgrpMapMember *member, const char *value, GError **error);
} KeyRow;

static gboolean G_GNUC_PRINTF(4, 5)
    fail(GError **error, DomgrpErrorCode code, const char *value, const char *format, ...)
{
    va_list arguments;
    g_autofree char *cut = g_utf8_make_valid(value, (gssize)MIN(strlen(value), SHOWN_MAX));
    g_autofree char *shown = g_strescape(cut, NULL);
    va_start(arguments, format);
    g_autofree char *sentence = g_strdup_vprintf(format, arguments);
    va_end(arguments);
    g_set_error(error, DOMGRP_ERROR, (gint)code, "\"%s\" %s", shown, sentence);
    return FALSE;
}

/* -- members -- */

static void member_free(gpointer data)
{
    DomgrpMapMember *member = data;
    g_free(member->member);
    g_free(member->name);
    g_ptr_array_unref(member->macs);
    g_ptr_array_unref(member->disks);
    g_free(member);
}

static DomgrpMapMember *member_new(const char *name)
{
    DomgrpMapMember *member = g_new0(DomgrpMapMember, 1);
    member->member = g_strdup(name);
    member->macs = g_ptr_array_new_with_free_func(g_free);
    member->disks = g_ptr_array_new_with_free_func(g_free);
    return member;
}

static gboolean name_add(DomgrpMapMember *member, const char *value, GError **error)
{
    g_auto(GStrv) words = g_strsplit_set(value, BLANKS, -1);
    char uuid[DOMGRP_UUID_TEXT] = "";
    const char *name = words[0];
    guint i = 1;
    while (words[i] != NULL && *words[i] == '\0')
        i++;
    if (member->name != NULL)
        return fail(error, DOMGRP_ERROR_VALUE, value,
                    "names the copy of %s a second time: keep one", member->member);
    if (!domgrp_name_check("member", name, error) ||
        (words[i] != NULL && !domgrp_uuid_parse(words[i], uuid, error)))
        return FALSE;
    if (words[i] != NULL && words[i + 1] != NULL)
        return fail(error, DOMGRP_ERROR_VALUE, value,
                    "has too many words: write MEMBER: NAME [UUID]");
    member->name = g_strdup(name);
    memcpy(member->uuid, uuid, sizeof uuid);
    return TRUE;
}

/* Six pairs of hexadecimal digits; not that of a group of interfaces. */
static gboolean is_mac(const char *text)
{
    for (guint i = 0; i < 17; i++)
        if (i % 3 == 2 ? text[i] != ':' : !g_ascii_isxdigit(text[i]))
            return FALSE;
    return text[17] == '\0' && (g_ascii_xdigit_value(text[1]) & 1) == 0;
}

static gboolean macs_add(DomgrpMapMember *member, const char *value, GError **error)
{
    g_auto(GStrv) words = g_strsplit_set(value, BLANKS, -1);
    guint n = member->macs->len;
    for (char **word = words; *word != NULL; word++) {
        if (**word == '\0')
            continue;
        if (!is_mac(*word))
            return fail(error, DOMGRP_ERROR_VALUE, *word,
                        "is not the MAC address of an interface: write 00:16:3e:XX:XX:XX");
        n++;
    }
    if (n > DOMGRP_MAP_ITEMS_MAX)
        return fail(error, DOMGRP_ERROR_VALUE, value, "gives %s more than %u MAC addresses",
                    member->member, DOMGRP_MAP_ITEMS_MAX);
    for (char **word = words; *word != NULL; word++)
        if (**word != '\0')
            g_ptr_array_add(member->macs, g_ascii_strdown(*word, -1));
    return TRUE;
}

static gboolean disks_add(DomgrpMapMember *member, const char *value, GError **error)
{
    const char *equals = strchr(value, '=');
    if (equals == NULL || equals == value || equals[1] == '\0')
        return fail(error, DOMGRP_ERROR_VALUE, value, "is no pair of disks: write MEMBER: OLD=NEW");
    gsize length = (gsize)(equals - value) + 1;
    for (guint i = 0; i < member->disks->len; i++)
        if (strncmp(member->disks->pdata[i], value, length) == 0)
            return fail(error, DOMGRP_ERROR_VALUE, value,
                        "replaces a disk of %s a second time: keep one", member->member);
    if (member->disks->len >= DOMGRP_MAP_ITEMS_MAX)
        return fail(error, DOMGRP_ERROR_VALUE, value, "gives %s more than %u disks", member->member,
                    DOMGRP_MAP_ITEMS_MAX);
    g_ptr_array_add(member->disks, g_strdup(value));
    return TRUE;
}

/* -- keys -- */

static gboolean group_name_add(DomgrpMap *map, const char *value, GError **error)
{
    if (map->name != NULL)
        return fail(error, DOMGRP_ERROR_VALUE, value, "names the copy a second time: keep one");
    if (!domgrp_name_check("group", value, error))
        return FALSE;
    map->name = g_strdup(value);
    return TRUE;
}

static gboolean group_uuid_add(DomgrpMap *map, const char *value, GError **error)
{
    if (map->uuid[0] != '\0')
        return fail(error, DOMGRP_ERROR_VALUE, value, "is a second UUID of the copy: keep one");
    return domgrp_uuid_parse(value, map->uuid, error);
}

static const KeyRow key_rows[] = {
    {"name", FALSE, group_name_add, NULL, NULL},
    {"uuid", FALSE, group_uuid_add, NULL, NULL},
    {"members", TRUE, NULL, "MEMBER: NAME [UUID]", name_add},
    {"macs", TRUE, NULL, "MEMBER: MAC...", macs_add},
    {"disks", TRUE, NULL, "MEMBER: OLD=NEW", disks_add},
};

const char *domgrp_map_key(guint i, gboolean *ret_is_list)
{
    if (i >= G_N_ELEMENTS(key_rows))
        return NULL;
    *ret_is_list = key_rows[i].is_list;
    return key_rows[i].name;
}

static DomgrpMapMember *find_member(const DomgrpMap *map, const char *name)
{
    for (guint i = 0; i < map->members->len; i++) {
        DomgrpMapMember *member = map->members->pdata[i];
        if (strcmp(member->member, name) == 0)
            return member;
    }
    return NULL;
}

const DomgrpMapMember *domgrp_map_lookup(const DomgrpMap *map, const char *member)
{
    return find_member(map, member);
}

/* The colon that ends the member's name. */
static const char *find_colon(const char *value)
{
    const char *colon = strchr(value, ':');
    while (colon != NULL && colon[1] != '\0' && strchr(BLANKS, colon[1]) == NULL)
        colon = strchr(colon + 1, ':');
    return colon;
}

static gboolean item_add(DomgrpMap *map, const KeyRow *row, const char *value, GError **error)
{
    const char *start = value + strspn(value, BLANKS);
    const char *colon = find_colon(start);
    if (colon == NULL || colon[1 + strspn(colon + 1, BLANKS)] == '\0')
        return fail(error, DOMGRP_ERROR_VALUE, value, "is not of the form %s", row->form);

    g_autofree char *name = g_strndup(start, (gsize)(colon - start));
    g_autofree char *rest = g_strstrip(g_strdup(colon + 1));
    if (!domgrp_name_check("member", name, error))
        return FALSE;
    DomgrpMapMember *known = find_member(map, name);
    if (known != NULL)
        return row->add_member(known, rest, error);
    if (map->members->len >= MEMBERS_MAX)
        return fail(error, DOMGRP_ERROR_GROUP_LIMIT, value,
                    "is about one member more than the %u that a group can have", MEMBERS_MAX);
    DomgrpMapMember *member = member_new(name);
    if (!row->add_member(member, rest, error)) {
        member_free(member);
        return FALSE;
    }
    g_ptr_array_add(map->members, member);
    return TRUE;
}

static gboolean has_control(const char *text)
{
    while (*text != '\0' && (!g_ascii_iscntrl(*text) || *text == '\t'))
        text++;
    return *text != '\0';
}

gboolean domgrp_map_add(DomgrpMap *map, const char *key, const char *value, GError **error)
{
    if (strlen(value) > DOMGRP_MAP_STRING_MAX || !g_utf8_validate(value, -1, NULL) ||
        has_control(value))
        return fail(error, DOMGRP_ERROR_VALUE, value,
                    "is not UTF-8 without control characters of at most %u bytes",
                    DOMGRP_MAP_STRING_MAX);
    for (guint i = 0; i < G_N_ELEMENTS(key_rows); i++) {
        const KeyRow *row = &key_rows[i];
        if (strcmp(row->name, key) == 0)
            return row->is_list ? item_add(map, row, value, error) : row->add(map, value, error);
    }
    return fail(error, DOMGRP_ERROR_KEY_UNKNOWN, key, "is not a key of a map");
}

/* -- the object -- */

DomgrpMap *domgrp_map_new(void)
{
    DomgrpMap *map = g_new0(DomgrpMap, 1);
    map->members = g_ptr_array_new_with_free_func(member_free);
    return map;
}

void domgrp_map_free(DomgrpMap *map)
{
    if (map == NULL)
        return;
    g_ptr_array_unref(map->members);
    g_free(map->name);
    g_free(map);
}

static void copy_texts(GPtrArray *to, const GPtrArray *from)
{
    for (guint i = 0; i < from->len; i++)
        g_ptr_array_add(to, g_strdup(from->pdata[i]));
}

DomgrpMap *domgrp_map_copy(const DomgrpMap *map)
{
    DomgrpMap *copy = domgrp_map_new();
    copy->name = g_strdup(map->name);
    memcpy(copy->uuid, map->uuid, sizeof copy->uuid);
    for (guint i = 0; i < map->members->len; i++) {
        const DomgrpMapMember *from = map->members->pdata[i];
        DomgrpMapMember *to = member_new(from->member);
        to->name = g_strdup(from->name);
        memcpy(to->uuid, from->uuid, sizeof to->uuid);
        copy_texts(to->macs, from->macs);
        copy_texts(to->disks, from->disks);
        g_ptr_array_add(copy->members, to);
    }
    return copy;
}
