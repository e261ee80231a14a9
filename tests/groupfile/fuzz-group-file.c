/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Fuzz target: any bytes as a group file, and as a map file. Whatever is accepted must hold what
 * the header promises, whatever is refused must be said in one UTF-8 line.
 */
#include "group-file.h"
#include "map-file.h"

#include "domgrp-error.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

static void check_accepted(const GroupFile *file)
{
    g_assert_true(domgrp_name_check("group", file->name, NULL));
    g_assert_true(file->uuid[0] == '\0' || g_uuid_string_is_valid(file->uuid));
    g_assert_cmpuint(file->n_members, >=, 1);
    g_assert_cmpuint(file->n_members, <=, GROUP_FILE_MEMBERS_MAX);
    for (guint i = 0; i < file->n_members; i++)
        g_assert_true(file->members[i].path[0] != '\0');
    g_assert_nonnull(file->settings);
}

static void check_refused(const GError *error)
{
    g_assert_true(error->domain == DOMGRP_ERROR);
    g_assert_true(g_utf8_validate(error->message, -1, NULL));
    g_assert_null(strchr(error->message, '\n'));
}

static void read_map(const char *text, size_t size)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(DomgrpMap) map = map_file_parse(text, size, "f", &error);
    if (map == NULL)
        check_refused(error);
    else
        g_assert_true(map->name == NULL || domgrp_name_check("group", map->name, NULL));
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
    g_autoptr(GroupFile) file = NULL;
    g_autoptr(GError) error = NULL;

    if (group_file_parse((const char *)data, size, "f", &file, &error))
        check_accepted(file);
    else
        check_refused(error);
    read_map((const char *)data, size);
    return 0;
}
