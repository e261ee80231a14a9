/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Map files: what their keys become, and that a refusal names file and line. */
#include "map-file.h"

#include "domgrp-error.h"

#include <string.h>

static DomgrpMap *parse(const char *text, GError **error)
{
    return map_file_parse(text, strlen(text), "copy.map", error);
}

static void test_read(void)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(DomgrpMap) map = parse("name = \"shop2\"  # a copy\n"
                                     "members = [ 'db: db2',\n 'web: web2' ]\n"
                                     "macs = [ 'db: 00:16:3e:00:00:01' ]\n"
                                     "disks = [ 'db: /dev/vg/db=/dev/vg/db2' ]\n",
                                     &error);
    g_assert_no_error(error);
    const DomgrpMapMember *db = domgrp_map_lookup(map, "db");
    const DomgrpMapMember *web = domgrp_map_lookup(map, "web");
    g_assert_cmpstr(map->name, ==, "shop2");
    g_assert_cmpstr(map->uuid, ==, "");
    g_assert_cmpstr(db->name, ==, "db2");
    g_assert_cmpuint(db->macs->len, ==, 1);
    g_assert_cmpstr(db->disks->pdata[0], ==, "/dev/vg/db=/dev/vg/db2");
    g_assert_cmpstr(web->name, ==, "web2");
    g_assert_cmpuint(web->disks->len, ==, 0);
}

static void test_empty(void)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(DomgrpMap) map = parse("", &error);
    g_assert_no_error(error);
    g_assert_null(map->name);
    g_assert_cmpuint(map->members->len, ==, 0);
}

static void refuse(const char *text, int code, const char *begin)
{
    g_autoptr(GError) error = NULL;
    g_assert_null(parse(text, &error));
    g_assert_error(error, DOMGRP_ERROR, code);
    if (!g_str_has_prefix(error->message, begin))
        g_error("\"%s\" does not begin with \"%s\"", error->message, begin);
}

static void test_refused(void)
{
    refuse(
        "name = 'a'\nmember = [ ]\n", DOMGRP_ERROR_KEY_UNKNOWN,
        "copy.map:2: the key \"member\" is not known; a map file has name, uuid, members, macs and "
        "disks");
    refuse("name = [ 'a' ]\n", DOMGRP_ERROR_VALUE, "copy.map:1: \"name\" is a list");
    refuse("members = 'db: db2'\n", DOMGRP_ERROR_VALUE,
           "copy.map:1: \"members\" is a single value");
    refuse("members = [ 'db: db2',\n [ 'x' ] ]\n", DOMGRP_ERROR_VALUE,
           "copy.map:2: item 2 of \"members\" is a list");
    refuse("\nname = 'a b'\n", DOMGRP_ERROR_NAME, "copy.map:2: ");
    refuse("macs = [ 'db: 00:16:3e:00:00:01',\n\n 'db: 00:16' ]\n", DOMGRP_ERROR_VALUE,
           "copy.map:3: ");
    refuse("name = 'a'\nname = 'b'\n", DOMGRP_ERROR_VALUE,
           "copy.map:2: \"name\" is set a second time");
    refuse("name = 'a", DOMGRP_ERROR_SYNTAX, "copy.map:1: ");
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/map-file/read", test_read);
    g_test_add_func("/map-file/empty", test_empty);
    g_test_add_func("/map-file/refused", test_refused);
    return g_test_run();
}
