/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The grammar of maps: what is taken, what is refused, and that a refusal changes nothing. */
#include "domgrp-error.h"
#include "domgrp-map.h"

#define UUID "11111111-2222-4333-8444-555555555555"

static void add(DomgrpMap *map, const char *key, const char *value)
{
    g_autoptr(GError) error = NULL;
    domgrp_map_add(map, key, value, &error);
    g_assert_no_error(error);
}

/* All of it, a line each. */
static char *describe(const DomgrpMap *map)
{
    GString *text = g_string_new(NULL);
    g_string_append_printf(text, "%s %s\n", map->name, map->uuid);
    for (guint i = 0; i < map->members->len; i++) {
        const DomgrpMapMember *member = map->members->pdata[i];
        g_string_append_printf(text, "%s: %s %s", member->member, member->name, member->uuid);
        for (guint k = 0; k < member->macs->len; k++)
            g_string_append_printf(text, " mac %s", (char *)member->macs->pdata[k]);
        for (guint k = 0; k < member->disks->len; k++)
            g_string_append_printf(text, " disk %s", (char *)member->disks->pdata[k]);
        g_string_append_c(text, '\n');
    }
    return g_string_free(text, FALSE);
}

static DomgrpMap *whole_map(void)
{
    DomgrpMap *map = domgrp_map_new();
    add(map, "name", "shop2");
    add(map, "uuid", UUID);
    add(map, "members", "db: db2");
    add(map, "members", " a:b:  web2 \t 11111111-2222-4333-8444-55555555555A");
    add(map, "macs", "db: 00:16:3E:00:00:01 00:16:3e:00:00:02");
    add(map, "macs", "db: 00:16:3e:00:00:03");
    add(map, "disks", "db: /dev/vg/db=/dev/vg/db copy");
    add(map, "disks", "mail: phy:a=b=c");
    return map;
}

#define WHOLE                                                                                      \
    "shop2 " UUID "\n"                                                                             \
    "db: db2  mac 00:16:3e:00:00:01 mac 00:16:3e:00:00:02 mac 00:16:3e:00:00:03"                   \
    " disk /dev/vg/db=/dev/vg/db copy\n"                                                           \
    "a:b: web2 11111111-2222-4333-8444-55555555555a\n"                                             \
    "mail: (null)  disk phy:a=b=c\n"

static void test_taken(void)
{
    g_autoptr(DomgrpMap) map = whole_map();
    g_autoptr(DomgrpMap) copy = domgrp_map_copy(map);
    g_autofree char *text = describe(map);
    g_autofree char *copied = describe(copy);
    g_assert_cmpstr(text, ==, WHOLE);
    g_assert_cmpstr(copied, ==, WHOLE);
    g_assert_cmpstr(domgrp_map_lookup(map, "db")->name, ==, "db2");
    g_assert_null(domgrp_map_lookup(map, "db2"));
}

static void test_refused(void)
{
    static const struct {
        const char *key;
        const char *value;
        DomgrpErrorCode code;
    } rows[] = {
        {"name", "shop3", DOMGRP_ERROR_VALUE},
        {"uuid", UUID, DOMGRP_ERROR_VALUE},
        {"members", "db: db3", DOMGRP_ERROR_VALUE},
        {"members", "new: a b c", DOMGRP_ERROR_VALUE},
        {"members", "new: new2 " UUID " x", DOMGRP_ERROR_VALUE},
        {"members", "new: 17", DOMGRP_ERROR_NAME},
        {"members", "new", DOMGRP_ERROR_VALUE},
        {"members", "new:", DOMGRP_ERROR_VALUE},
        {"members", "new:new2", DOMGRP_ERROR_VALUE},
        {"members", "n w: new2", DOMGRP_ERROR_NAME},
        {"macs", "new: 00:16:3e:00:00", DOMGRP_ERROR_VALUE},
        {"macs", "new: 01:16:3e:00:00:01", DOMGRP_ERROR_VALUE},
        {"macs", "new: 00:16:3e:00:00:01:02", DOMGRP_ERROR_VALUE},
        {"macs", "db: 00:16:3e:00:00:09 x", DOMGRP_ERROR_VALUE},
        {"disks", "db: /dev/vg/db=other", DOMGRP_ERROR_VALUE},
        {"disks", "db: /dev/vg/log", DOMGRP_ERROR_VALUE},
        {"disks", "db: =x", DOMGRP_ERROR_VALUE},
        {"disks", "db: x=", DOMGRP_ERROR_VALUE},
        {"disks", "db: a=b\nc", DOMGRP_ERROR_VALUE},
        {"disks", "db: a=\xff", DOMGRP_ERROR_VALUE},
        {"disk", "db: a=b", DOMGRP_ERROR_KEY_UNKNOWN},
    };
    g_autoptr(DomgrpMap) map = whole_map();
    for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(GError) error = NULL;
        g_assert_false(domgrp_map_add(map, rows[i].key, rows[i].value, &error));
        if (!g_error_matches(error, DOMGRP_ERROR, (gint)rows[i].code))
            g_error("%s %s: %s", rows[i].key, rows[i].value, error->message);
    }
    g_autofree char *text = describe(map);
    g_assert_cmpstr(text, ==, WHOLE);
}

static void test_limits(void)
{
    g_autoptr(DomgrpMap) map = domgrp_map_new();
    g_autoptr(GError) error = NULL;
    for (guint i = 0; i < 1024; i++) {
        g_autofree char *value = g_strdup_printf("m%u: n%u", i, i);
        add(map, "members", value);
    }
    g_assert_false(domgrp_map_add(map, "members", "new: new2", &error));
    g_assert_error(error, DOMGRP_ERROR, DOMGRP_ERROR_GROUP_LIMIT);
    for (guint i = 0; i < DOMGRP_MAP_ITEMS_MAX; i++) {
        g_autofree char *value = g_strdup_printf("m0: d%u=e", i);
        add(map, "disks", value);
        add(map, "macs", "m0: 00:16:3e:00:00:01");
    }
    g_assert_false(domgrp_map_add(map, "disks", "m0: d=e", NULL));
    g_assert_false(domgrp_map_add(map, "macs", "m0: 00:16:3e:00:00:01", NULL));
    g_autofree char *large = g_strnfill(DOMGRP_MAP_STRING_MAX + 1, 'a');
    g_assert_false(domgrp_map_add(map, "name", large, NULL));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/map/taken", test_taken);
    g_test_add_func("/map/refused", test_refused);
    g_test_add_func("/map/limits", test_limits);
    return g_test_run();
}
