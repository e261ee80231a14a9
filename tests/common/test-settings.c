/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Settings: a key and a string in, their text or a refusal out. */
#include "domgrp-settings.h"

#include "domgrp-error.h"

#include <string.h>

/* -- what is accepted -- */

static const struct {
    const char *key;
    const char *value;
    const char *text; /* of the settings then, without the key and its space; NULL: the value */
} good[] = {
    {"after", "web: db", NULL},
    {"after", "web:db", "web: db"},
    {"after", " \tweb:  db\tcache ", "web: db cache"},
    {"after", "a:b: db", NULL},
    {"after", "a:b db", "a: b db"},
    {"after", "a:: b:", NULL},
    {"after", "web:db:x y", "web: db:x y"},
    {"after", "A_-./+9: 9x", NULL},
    {"ready", "a: delay 0", NULL},
    {"ready", "a:delay 86400", "a: delay 86400"},
    {"ready", "a: tcp 10.0.0.5:5432", "a: tcp 10.0.0.5:5432 timeout=60"},
    {"ready", "a:  tcp \t db.example.org:1 timeout=86400", "a: tcp db.example.org:1 timeout=86400"},
    {"ready", "a: tcp [2001:db8::5]:65535 timeout=1", NULL},
    {"ready", "a: tcp [::ffff:10.0.0.5]:80 timeout=1", NULL},
    {"ready", "a: tcp db_1-x:80 timeout=1", NULL},
    {"ready", "a: xenstore data/ready timeout=1", NULL},
    {"ready", "a: xenstore /tool/x@y:z+1.-_=1 timeout=1", NULL},
    {"ready", "a: xenstore data/ready= timeout=1", NULL},
    {"ready", "a: xenstore data/ready=a=b timeout=1", NULL},
    {"ready", "a: xenstore data/name=\xc3\xa9 timeout=1", NULL},
    {"ready", "a: exec /bin/true timeout=1", NULL},
    {"ready", "a: exec /bin/sh -c 'it timeout=5 is timeout=1", NULL},
    {"ready", "a: exec /bin/x timeout=5 timeout=1", NULL},
    {"shutdown", "a: timeout=86400 then=destroy", NULL},
    {"shutdown", "a: then=destroy timeout=1", "a: timeout=1 then=destroy"},
    {"shutdown", "a: timeout=1", "a: timeout=1 then=leave"},
    {"shutdown", "a: then=leave", NULL},
    {"shutdown", "a: then=destroy", NULL},
    {"on_failure", "create: rollback", NULL},
    {"on_failure", "start:continue", "start: continue"},
    {"on_failure", "shutdown: rollback", NULL},
    {"on_failure", "reboot: stop", NULL},
    {"on_failure", "destroy: continue", NULL},
    {"on_member_failure", "ignore", NULL},
    {"on_member_failure", "restart", NULL},
    {"on_member_failure", "stop-group", NULL},
    {"failure_limit", "0/1", NULL},
    {"failure_limit", "1000/86400", NULL},
    {"failure_limit", "3/600", NULL},
    {"on_boot", "ignore", NULL},
    {"on_boot", "start", NULL},
    {"parallel", "1", NULL},
    {"parallel", "64", NULL},
    {"snapshot", "lvcreate -s -n \"db snap\" vg/db && echo: 'x'", NULL},
    {"snapshot", "  /sbin/snap\t1 ", NULL},
};

static DomgrpSettings *settings_of(const char *text)
{
    g_autoptr(GError) error = NULL;
    DomgrpSettings *settings = domgrp_settings_from_text(text, &error);
    g_assert_no_error(error);
    return settings;
}

static void assert_text(const DomgrpSettings *settings, const char *expected)
{
    g_autofree char *text = domgrp_settings_to_text(settings);
    g_assert_cmpstr(text, ==, expected);
}

static void test_good(gconstpointer data)
{
    guint i = GPOINTER_TO_UINT(data);
    g_autoptr(DomgrpSettings) settings = domgrp_settings_new();
    g_autoptr(GError) error = NULL;
    g_autofree char *expected = g_strdup_printf(
        "%s %s\n", good[i].key, good[i].text != NULL ? good[i].text : good[i].value);

    domgrp_settings_add(settings, good[i].key, good[i].value, &error);
    g_assert_no_error(error);
    assert_text(settings, expected);
    g_autoptr(DomgrpSettings) again = settings_of(expected);
    assert_text(again, expected);
}

/* -- what is refused -- */

static const struct {
    const char *key;
    const char *value;
    DomgrpErrorCode code;
    const char *message; /* a pattern for g_pattern_match */
} bad[] = {
    {"before", "a: b", DOMGRP_ERROR_KEY_UNKNOWN, "\"before\" is not a key *"},
    {"after", "", DOMGRP_ERROR_VALUE, "\"\" does not begin with a name and a colon: write *"},
    {"after", "web db", DOMGRP_ERROR_VALUE,
     "\"web db\" does not begin with a name and a colon: write MEMBER: MEMBER..."},
    {"after", "web : db", DOMGRP_ERROR_VALUE, "* does not begin with a name and a colon: *"},
    {"after", "web:", DOMGRP_ERROR_VALUE, "\"web:\" has nothing after the colon: write MEMBER*"},
    {"after", "web:db:", DOMGRP_ERROR_VALUE, "* has nothing after the colon: *"},
    {"after", "web: \t", DOMGRP_ERROR_VALUE, "\"web: ?\" has nothing after the colon: *"},
    {"after", ": db", DOMGRP_ERROR_NAME, "\": db\" names no member: *"},
    {"after", "5: db", DOMGRP_ERROR_NAME, "\"5: db\" names no member: * is a number*"},
    {"after", "web: db, cache", DOMGRP_ERROR_NAME, "* names no member: *\"db,\"*"},
    {"after", "web: web", DOMGRP_ERROR_ORDER, "\"web: web\" makes web wait for itself: *"},
    {"after", "web: db web", DOMGRP_ERROR_ORDER, "*"},
    {"after", "web: db db", DOMGRP_ERROR_VALUE,
     "\"web: db db\" says a second time that web is after db: keep one"},
    {"after", "said: x said2", DOMGRP_ERROR_VALUE, "* that said is after said2: *"},
    {"after", "web: db\n", DOMGRP_ERROR_VALUE, "\"web: db?\" has a control character: *"},
    {"after", "web: \xc2\x9b", DOMGRP_ERROR_VALUE, "\"web: ??\" has a control character: *"},
    {"after", "web: \xff", DOMGRP_ERROR_VALUE, "* is not UTF-8: *"},
    {"ready", "a: timeout=5", DOMGRP_ERROR_VALUE, "\"a: timeout=5\" has no probe: write *"},
    {"ready", "a: ping", DOMGRP_ERROR_VALUE, "* has no probe that is known: write *exec"},
    {"ready", "a: tcp", DOMGRP_ERROR_VALUE, "* says no more than tcp: write tcp ADDRESS:PORT *"},
    {"ready", "a: delay 5 6", DOMGRP_ERROR_VALUE,
     "* has more than one word after delay: write delay SECONDS"},
    {"ready", "a: delay 5 timeout=6", DOMGRP_ERROR_VALUE, "* a delay cannot fail: leave it out"},
    {"ready", "a: delay 86401", DOMGRP_ERROR_VALUE,
     "* has no valid delay in seconds: write a whole number from 0 to 86400"},
    {"ready", "a: delay -1", DOMGRP_ERROR_VALUE, "* has no valid delay in seconds: *"},
    {"ready", "a: delay 5s", DOMGRP_ERROR_VALUE, "* has no valid delay in seconds: *"},
    {"ready", "a: tcp h:1 timeout=0", DOMGRP_ERROR_VALUE,
     "* has no valid timeout: write a whole number from 1 to 86400"},
    {"ready", "a: tcp h:1 timeout=86401", DOMGRP_ERROR_VALUE, "* has no valid timeout: *"},
    {"ready", "a: tcp h:1 timeout=", DOMGRP_ERROR_VALUE, "* has no valid timeout: *"},
    {"ready", "a: tcp timeout=5 h:1", DOMGRP_ERROR_VALUE, "* has more than one word after tcp: *"},
    {"ready", "db: tcp 10.0.0.5", DOMGRP_ERROR_VALUE,
     "\"db: tcp 10.0.0.5\" has no port: write tcp ADDRESS:PORT"},
    {"ready", "a: tcp [::1]", DOMGRP_ERROR_VALUE, "* has no port: write tcp ADDRESS:PORT"},
    {"ready", "a: tcp h:", DOMGRP_ERROR_VALUE, "* has no valid port: *from 1 to 65535"},
    {"ready", "a: tcp h:0", DOMGRP_ERROR_VALUE, "* has no valid port: *"},
    {"ready", "a: tcp h:65536", DOMGRP_ERROR_VALUE, "* has no valid port: *"},
    {"ready", "a: tcp h:http", DOMGRP_ERROR_VALUE, "* has no valid port: *"},
    {"ready", "a: tcp ::1:80", DOMGRP_ERROR_VALUE, "* in brackets, tcp [ADDRESS]:PORT"},
    {"ready", "a: tcp [h]:80", DOMGRP_ERROR_VALUE, "* has no IPv6 address in its brackets: *"},
    {"ready", "a: tcp []:80", DOMGRP_ERROR_VALUE, "* has no IPv6 address in its brackets: *"},
    {"ready", "a: tcp [::1]x:80", DOMGRP_ERROR_VALUE, "* has an address with colons: *"},
    {"ready", "a: tcp :80", DOMGRP_ERROR_VALUE, "* has no valid address: *"},
    {"ready", "a: tcp 10.0.0.256:80", DOMGRP_ERROR_VALUE, "* has no valid address: *"},
    {"ready", "a: tcp 10.0.5:80", DOMGRP_ERROR_VALUE, "* has no valid address: *"},
    {"ready", "a: tcp -h:80", DOMGRP_ERROR_VALUE, "* has no valid address: *"},
    {"ready", "a: tcp h..x:80", DOMGRP_ERROR_VALUE, "* has no valid address: *"},
    {"ready", "a: tcp h/x:80", DOMGRP_ERROR_VALUE, "* has no valid address: *"},
    {"ready", "a: xenstore =1", DOMGRP_ERROR_VALUE, "* has a path of 0 characters: *"},
    {"ready", "a: xenstore /", DOMGRP_ERROR_VALUE, "* has a path that xenstore does not allow: *"},
    {"ready", "a: xenstore data/", DOMGRP_ERROR_VALUE, "* xenstore does not allow: *"},
    {"ready", "a: xenstore data//x", DOMGRP_ERROR_VALUE, "* xenstore does not allow: *"},
    {"ready", "a: xenstore @releaseDomain", DOMGRP_ERROR_VALUE, "* xenstore does not allow: *"},
    {"ready", "a: xenstore d\xc3\xa9", DOMGRP_ERROR_VALUE, "* xenstore does not allow: use *"},
    {"ready", "a: xenstore data/x=a b", DOMGRP_ERROR_VALUE, "* more than one word *"},
    {"ready", "a: exec true", DOMGRP_ERROR_VALUE, "* no absolute path: write exec /PATH *"},
    {"ready", "a: exec 'true'", DOMGRP_ERROR_VALUE, "* no absolute path: *"},
    {"ready", "said: delay 6", DOMGRP_ERROR_VALUE, "* says a second time when said is ready: *"},
    {"shutdown", "a: 5", DOMGRP_ERROR_VALUE, "* has a word that is not known: write MEMBER: *"},
    {"shutdown", "a: then=reboot", DOMGRP_ERROR_VALUE, "* has a word that is not known: *"},
    {"shutdown", "a: timeout=0", DOMGRP_ERROR_VALUE, "* has no valid timeout: *"},
    {"shutdown", "a: timeout=5 timeout=5", DOMGRP_ERROR_VALUE, "* has timeout= twice: keep one"},
    {"shutdown", "a: then=leave then=destroy", DOMGRP_ERROR_VALUE, "* has then= twice: keep one"},
    {"shutdown", "said: timeout=5", DOMGRP_ERROR_VALUE, "* second time how said is shut down: *"},
    {"on_failure", "create", DOMGRP_ERROR_VALUE, "* write OPERATION: rollback|continue|stop"},
    {"on_failure", "create: undo", DOMGRP_ERROR_VALUE,
     "\"create: undo\" has no policy that is known: write OPERATION: rollback|continue|stop"},
    {"on_failure", "create: default", DOMGRP_ERROR_VALUE, "* has no policy that is known: *"},
    {"on_failure", "create: stop stop", DOMGRP_ERROR_VALUE, "* has more than one policy: *"},
    {"on_failure", "pause: stop", DOMGRP_ERROR_VALUE,
     "\"pause: stop\" is refused: \"pause\" is not an operation with a failure policy: *"},
    {"on_failure", "reboot: rollback", DOMGRP_ERROR_VALUE, "* \"reboot\" cannot be undone: use *"},
    {"on_failure", "destroy: rollback", DOMGRP_ERROR_VALUE, "* \"destroy\" cannot be undone: *"},
    {"on_failure", "start: stop", DOMGRP_ERROR_VALUE, "* a second time what start does *"},
    {"on_member_failure", "reboot", DOMGRP_ERROR_VALUE,
     "on_member_failure: \"reboot\" is not known: write ignore, restart or stop-group"},
    {"failure_limit", "3", DOMGRP_ERROR_VALUE, "failure_limit: \"3\" has no slash: write *"},
    {"failure_limit", "1001/5", DOMGRP_ERROR_VALUE, "* has no valid number of times: *0 to 1000"},
    {"failure_limit", "3/0", DOMGRP_ERROR_VALUE, "* has no valid number of seconds: *"},
    {"failure_limit", "3/86401", DOMGRP_ERROR_VALUE, "* has no valid number of seconds: *"},
    {"failure_limit", "3/5/6", DOMGRP_ERROR_VALUE, "* has no valid number of seconds: *"},
    {"on_boot", "yes", DOMGRP_ERROR_VALUE, "on_boot: \"yes\" is not known: write ignore or start"},
    {"on_boot", "", DOMGRP_ERROR_VALUE, "on_boot: \"\" is not known: *"},
    {"parallel", "0", DOMGRP_ERROR_VALUE, "* has no valid number of members: *1 to 64"},
    {"parallel", "65", DOMGRP_ERROR_VALUE, "* has no valid number of members: *"},
    {"parallel", "", DOMGRP_ERROR_VALUE, "* has no valid number of members: *"},
    {"snapshot", "", DOMGRP_ERROR_VALUE, "* is no command: *"},
    {"snapshot", " \t", DOMGRP_ERROR_VALUE, "* is no command: *"},
    {"snapshot", "a\nb", DOMGRP_ERROR_VALUE, "* has a control character*"},
};

/* What the refused strings about "said" repeat. */
#define SAID                                                                                       \
    "after said: said2\nready said: delay 5\nshutdown said: then=leave\non_failure start: stop\n"

static void assert_refused(DomgrpSettings *settings, const char *key, const char *value,
                           DomgrpErrorCode code, const char *message)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *before = domgrp_settings_to_text(settings);

    g_assert_false(domgrp_settings_add(settings, key, value, &error));
    g_test_message("%s", error->message);
    g_assert_error(error, DOMGRP_ERROR, (int)code);
    g_assert_true(g_utf8_validate(error->message, -1, NULL));
    g_assert_null(strchr(error->message, '\n'));
    if (!g_pattern_match_simple(message, error->message))
        g_error("\"%s\" does not match \"%s\"", error->message, message);
    assert_text(settings, before);
}

static void test_bad(gconstpointer data)
{
    guint i = GPOINTER_TO_UINT(data);
    g_autoptr(DomgrpSettings) settings = settings_of(SAID);

    assert_refused(settings, bad[i].key, bad[i].value, bad[i].code, bad[i].message);
    g_assert_cmpuint(settings->members->len, ==, 1);
}

/* -- what is in the structures -- */

static const DomgrpProbe *probe_of(const DomgrpSettings *settings, const char *member)
{
    const DomgrpMemberSettings *found = domgrp_settings_lookup(settings, member);
    g_assert_nonnull(found);
    g_assert_nonnull(found->ready);
    return found->ready;
}

static void test_probes(void)
{
    g_autoptr(DomgrpSettings) settings =
        settings_of("ready d: delay 7\nready t: tcp [fe80::1]:25 timeout=9\n"
                    "ready x: xenstore data/x=a=b\nready y: xenstore data/y\n"
                    "ready z: xenstore data/z=\nready e: exec /bin/x -n timeout=5 timeout=6\n");
    const DomgrpProbe *probe = probe_of(settings, "d");
    g_assert_cmpint(probe->kind, ==, DOMGRP_PROBE_DELAY);
    g_assert_cmpuint(probe->delay_s, ==, 7);
    g_assert_cmpuint(probe->timeout_s, ==, DOMGRP_SECONDS_MAX);

    probe = probe_of(settings, "t");
    g_assert_cmpint(probe->kind, ==, DOMGRP_PROBE_TCP);
    g_assert_cmpstr(probe->address, ==, "fe80::1");
    g_assert_cmpuint(probe->port, ==, 25);
    g_assert_cmpuint(probe->timeout_s, ==, 9);
    g_assert_cmpstr(probe->text, ==, "tcp [fe80::1]:25");

    probe = probe_of(settings, "x");
    g_assert_cmpint(probe->kind, ==, DOMGRP_PROBE_XENSTORE);
    g_assert_cmpstr(probe->path, ==, "data/x");
    g_assert_cmpstr(probe->value, ==, "a=b");
    g_assert_cmpuint(probe->timeout_s, ==, DOMGRP_READY_TIMEOUT_S);
    g_assert_null(probe_of(settings, "y")->value);
    g_assert_cmpstr(probe_of(settings, "z")->value, ==, "");

    static const char *const argv[] = {"/bin/x", "-n", "timeout=5", NULL};
    probe = probe_of(settings, "e");
    g_assert_cmpint(probe->kind, ==, DOMGRP_PROBE_EXEC);
    g_assert_true(g_strv_equal((const char *const *)probe->argv, argv));
    g_assert_cmpuint(probe->timeout_s, ==, 6);
}

static void test_defaults(void)
{
    g_autoptr(DomgrpSettings) settings = domgrp_settings_new();
    g_assert_cmpuint(settings->members->len, ==, 0);
    g_assert_cmpint(settings->on_member_failure, ==, DOMGRP_MEMBER_FAILURE_IGNORE);
    g_assert_cmpuint(settings->failure_times, ==, DOMGRP_FAILURE_TIMES);
    g_assert_cmpuint(settings->failure_seconds, ==, DOMGRP_FAILURE_SECONDS);
    g_assert_false(settings->starts_on_boot);
    g_assert_cmpuint(settings->parallel, ==, 0);
    g_assert_null(domgrp_settings_lookup(settings, "db"));
    assert_text(settings, "");
}

static void test_values(void)
{
    g_autoptr(DomgrpSettings) settings =
        settings_of("shutdown db: timeout=5 then=destroy\non_failure create: stop\n"
                    "on_member_failure stop-group\nfailure_limit 2/9\non_boot start\nparallel 3\n"
                    "snapshot true && snap\n");
    const DomgrpMemberSettings *db = domgrp_settings_lookup(settings, "db");

    g_assert_cmpuint(db->shutdown_timeout_s, ==, 5);
    g_assert_true(db->shutdown_destroys);
    g_assert_null(db->ready);
    g_assert_cmpuint(GPOINTER_TO_UINT(g_hash_table_lookup(settings->on_failure, "create")), ==,
                     DOMGRP_POLICY_STOP);
    g_assert_cmpint(settings->on_member_failure, ==, DOMGRP_MEMBER_FAILURE_STOP_GROUP);
    g_assert_cmpuint(settings->failure_times, ==, 2);
    g_assert_cmpuint(settings->failure_seconds, ==, 9);
    g_assert_true(settings->starts_on_boot);
    g_assert_cmpuint(settings->parallel, ==, 3);
    g_assert_cmpstr(settings->snapshot, ==, "true && snap");
}

/* Several strings about one member are one; the order of first mention stays. */
static void test_merge(void)
{
    g_autoptr(DomgrpSettings) settings =
        settings_of("after web: db\nready db: delay 1\nafter mail: db\nafter web: cache\n");
    assert_text(settings, "after web: db cache\nready db: delay 1\nafter mail: db\n");
    assert_refused(settings, "after", "web: x db", DOMGRP_ERROR_VALUE, "* that web is after db: *");
}

/* -- keys, policies -- */

static void test_keys(void)
{
    g_autoptr(GString) lists = g_string_new(NULL);
    g_autoptr(GString) strings = g_string_new(NULL);
    const char *key;

    for (guint i = 0; (key = domgrp_settings_key(i)) != NULL; i++) {
        gboolean is_list = -1;
        g_assert_true(domgrp_settings_has_key(key, &is_list));
        g_string_append_printf(is_list ? lists : strings, " %s", key);
    }
    g_assert_cmpstr(lists->str, ==, " after ready shutdown on_failure");
    g_assert_cmpstr(strings->str, ==, " on_member_failure failure_limit on_boot parallel snapshot");

    gboolean is_list;
    g_assert_false(domgrp_settings_has_key("members", &is_list));
}

static void test_policies(void)
{
    static const char *const operations[] = {"create", "start", "shutdown", "reboot", "destroy"};

    for (guint policy = 0; policy < DOMGRP_POLICY_COUNT; policy++) {
        DomgrpPolicy parsed;
        const char *name = domgrp_policy_name((DomgrpPolicy)policy);
        g_assert_true(domgrp_policy_parse(name, &parsed, NULL));
        g_assert_cmpuint(parsed, ==, policy);
        for (guint i = 0; i < G_N_ELEMENTS(operations); i++) {
            gboolean can = policy != DOMGRP_POLICY_ROLLBACK || i < 3;
            g_assert_true(domgrp_policy_check(operations[i], parsed, NULL) == can);
        }
        g_assert_false(domgrp_policy_check("pause", parsed, NULL));
    }
}

static void test_policy_refused(void)
{
    g_autoptr(GError) error = NULL;
    DomgrpPolicy policy = DOMGRP_POLICY_STOP;

    g_assert_false(domgrp_policy_parse("Rollback", &policy, &error));
    g_assert_error(error, DOMGRP_ERROR, DOMGRP_ERROR_VALUE);
    g_assert_cmpstr(error->message, ==,
                    "\"Rollback\" is not a failure policy: write one of default, rollback, "
                    "continue, stop");
    g_assert_cmpint(policy, ==, DOMGRP_POLICY_STOP);
}

/* -- removal -- */

static void test_remove(void)
{
    g_autoptr(DomgrpSettings) settings = settings_of(
        "after web: db cache\nafter mail: db\nready db: delay 1\nshutdown cache: then=leave\n");

    domgrp_settings_remove(settings, "nobody");
    g_assert_cmpuint(settings->members->len, ==, 4);
    domgrp_settings_remove(settings, "db"); /* of mail nothing is said without it */
    assert_text(settings, "after web: cache\nshutdown cache: then=leave\n");
    g_assert_null(domgrp_settings_lookup(settings, "db"));
    g_assert_null(domgrp_settings_lookup(settings, "mail"));
    g_assert_true(domgrp_settings_add(settings, "ready", "db: delay 2", NULL));
    domgrp_settings_remove(settings, "web");
    domgrp_settings_remove(settings, "cache");
    assert_text(settings, "ready db: delay 2\n");
}

/* -- text -- */

static void assert_text_refused(const char *text, DomgrpErrorCode code, const char *message)
{
    g_autoptr(GError) error = NULL;
    g_assert_null(domgrp_settings_from_text(text, &error));
    g_assert_error(error, DOMGRP_ERROR, (int)code);
    if (!g_pattern_match_simple(message, error->message))
        g_error("\"%s\" does not match \"%s\"", error->message, message);
}

static void test_text_refused(void)
{
    assert_text_refused("\n", DOMGRP_ERROR_VALUE, "line 1: \"\" has no value: *");
    assert_text_refused("on_boot start", DOMGRP_ERROR_VALUE, "line 1: * not end in a newline");
    assert_text_refused("on_boot start\non_boot\n", DOMGRP_ERROR_VALUE, "line 2: * no value: *");
    assert_text_refused("on_boot start\n\non_boot start\n", DOMGRP_ERROR_VALUE, "line 2: *");
    assert_text_refused("on_boot start\non_boot start\n", DOMGRP_ERROR_VALUE,
                        "line 2: \"start\" sets on_boot a second time: keep one");
    assert_text_refused("# comment\n", DOMGRP_ERROR_KEY_UNKNOWN, "line 1: \"#\" is not a key *");
    assert_text_refused("after a: a\n", DOMGRP_ERROR_ORDER, "line 1: *");
}

/* -- limits -- */

/* The string of @key about the member "a": @prefix and as many @letter that it has @length bytes.
 */
static char *long_value(const char *prefix, gsize length, char letter)
{
    g_autofree char *rest = g_strnfill(length - strlen(prefix), letter);
    return g_strconcat(prefix, rest, NULL);
}

static void assert_length_limit(const char *prefix, gsize most, char letter, const char *message)
{
    g_autoptr(DomgrpSettings) settings = domgrp_settings_new();
    g_autoptr(GError) error = NULL;
    g_autofree char *more = long_value(prefix, most + 1, letter);
    g_autofree char *just = long_value(prefix, most, letter);

    assert_refused(settings, "ready", more, DOMGRP_ERROR_VALUE, message);
    domgrp_settings_add(settings, "ready", just, &error);
    g_assert_no_error(error);
}

static void test_lengths(void)
{
    gsize head = strlen("a: ");
    assert_length_limit("a: exec /", head + DOMGRP_PROBE_MAX, 'x', "* of more than 4096 bytes: *");
    assert_length_limit("a: xenstore x", head + strlen("xenstore ") + 2048, 'x',
                        "* has a path of 2049 characters: use 1 to 2048");
    assert_length_limit("a: xenstore /", head + strlen("xenstore ") + 3072, 'x',
                        "* has a path of 3073 characters: use 1 to 3072");
    assert_length_limit("a: delay 1", DOMGRP_SETTING_MAX, ' ', "* is longer than 65664 bytes: *");

    g_autoptr(DomgrpSettings) settings = domgrp_settings_new();
    g_autofree char *host = g_strnfill(254, 'h');
    g_autofree char *value = g_strdup_printf("a: tcp %s:1", host);
    g_autofree char *just = g_strdup_printf("a: tcp %s:1", host + 1);
    assert_refused(settings, "ready", value, DOMGRP_ERROR_VALUE, "* has no valid address: *");
    g_assert_true(domgrp_settings_add(settings, "ready", just, NULL));
}

static void test_needs_limit(void)
{
    g_autoptr(DomgrpSettings) settings = domgrp_settings_new();
    g_autoptr(GError) error = NULL;
    GString *value = g_string_new("a:");

    for (guint i = 0; i < DOMGRP_NEEDS_MAX; i++) /* in names as long as they may be */
        g_string_append_printf(value, " %0*u%s", DOMGRP_NAME_MAX - 1, i, "x");
    g_string_append(value, " b");
    assert_refused(settings, "after", value->str, DOMGRP_ERROR_VALUE, "* more than 1024 members*");
    g_string_truncate(value, value->len - 2);
    domgrp_settings_add(settings, "after", value->str, &error);
    g_assert_no_error(error);
    assert_refused(settings, "after", "a: b", DOMGRP_ERROR_VALUE, "* more than 1024 members*");
    g_string_free(value, TRUE);

    g_autofree char *text = domgrp_settings_to_text(settings);
    g_autoptr(DomgrpSettings) again = settings_of(text);
    assert_text(again, text);
}

/* Linear: with a look-up that is not, this takes minutes. */
static void test_many(void)
{
    enum { MEMBERS = 10000, EDGES = 50000 };
    g_autoptr(DomgrpSettings) settings = domgrp_settings_new();

    for (guint i = 0; i < EDGES; i++) {
        char value[64];
        guint member = i % MEMBERS;
        g_snprintf(value, sizeof(value), "m%u: m%u", member, (member + 1 + i / MEMBERS) % MEMBERS);
        g_assert_true(domgrp_settings_add(settings, "after", value, NULL));
    }
    g_assert_cmpuint(settings->members->len, ==, MEMBERS);
    g_autofree char *text = domgrp_settings_to_text(settings);
    g_autoptr(DomgrpSettings) again = settings_of(text);
    assert_text(again, text);
    domgrp_settings_remove(settings, "m5");
    g_assert_cmpuint(settings->members->len, ==, MEMBERS - 1);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (guint i = 0; i < G_N_ELEMENTS(good); i++) {
        g_autofree char *path = g_strdup_printf("/settings/good/%s-%u", good[i].key, i);
        g_test_add_data_func(path, GUINT_TO_POINTER(i), test_good);
    }
    for (guint i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_autofree char *path = g_strdup_printf("/settings/bad/%s-%u", bad[i].key, i);
        g_test_add_data_func(path, GUINT_TO_POINTER(i), test_bad);
    }
    g_test_add_func("/settings/probes", test_probes);
    g_test_add_func("/settings/defaults", test_defaults);
    g_test_add_func("/settings/values", test_values);
    g_test_add_func("/settings/merge", test_merge);
    g_test_add_func("/settings/keys", test_keys);
    g_test_add_func("/settings/policies", test_policies);
    g_test_add_func("/settings/policy-refused", test_policy_refused);
    g_test_add_func("/settings/remove", test_remove);
    g_test_add_func("/settings/text-refused", test_text_refused);
    g_test_add_func("/settings/lengths", test_lengths);
    g_test_add_func("/settings/needs-limit", test_needs_limit);
    g_test_add_func("/settings/many", test_many);
    return g_test_run();
}
