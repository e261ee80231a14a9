/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The daemon's parts that need no host: requests, parameters, callers, sessions, events, the lock.
 */
#include <glib/gstdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "events.h"
#include "lock.h"
#include "methods.h"
#include "rpc.h"
#include "sessions.h"

/* -- requests -- */

static void test_request_good(void)
{
    const char *text =
        " {\"jsonrpc\": \"2.0\", \"id\": \"a\\\"[\\u00e9\\ud83d\\ude00\", \"method\": \"m\", "
        "\"params\": [1, {\"x\": [true, null, -1.5e3]}]}\n";
    g_auto(RpcRequest) request = {0};
    g_autoptr(GError) error = NULL;
    RpcCode code;
    g_assert_true(rpc_request_parse(text, strlen(text), &request, &code, &error));
    g_assert_no_error(error);
    g_assert_cmpstr(request.method, ==, "m");
    g_assert_cmpstr(json_node_get_string(request.id), ==, "a\"[\303\251\360\237\230\200");
    g_assert_cmpuint(json_array_get_length(request.params), ==, 2);
}

static void refuse_request(const char *text, gsize length, RpcCode want, const char *message)
{
    g_auto(RpcRequest) request = {0};
    g_autoptr(GError) error = NULL;
    RpcCode code;
    g_assert_false(rpc_request_parse(text, length, &request, &code, &error));
    g_assert_error(error, DOMGRP_ERROR, DOMGRP_ERROR_REQUEST);
    g_assert_cmpstr(error->message, ==, message);
    g_assert_cmpint(code, ==, want);
}

static void test_request_bad(void)
{
    static const struct {
        const char *text;
        RpcCode code;
        const char *message;
    } cases[] = {
        {"", RPC_CODE_PARSE, "the request is empty"},
        {"  ", RPC_CODE_PARSE, "the request is empty"},
        {"{", RPC_CODE_PARSE, "the request is not JSON"},
        {"{\"a\": \"b}", RPC_CODE_PARSE, "the request is not JSON"},
        {"\"\\", RPC_CODE_PARSE, "the request is not JSON"},
        {"{\"id\": \"\\u0000\"}", RPC_CODE_PARSE, "the request is not JSON"},
        {"{\"id\": \"\\ud800\"}", RPC_CODE_PARSE, "the request is not JSON"},
        {"{\"id\": \"\\udc00\\ud800\"}", RPC_CODE_PARSE, "the request is not JSON"},
        {"{\"id\": \"\\ud800\\u0041\"}", RPC_CODE_PARSE, "the request is not JSON"},
        {"{\"id\": \"\\u00g0\"}", RPC_CODE_PARSE, "the request is not JSON"},
        {"\"\\u00", RPC_CODE_PARSE, "the request is not JSON"},
        {"/* comment */ {}", RPC_CODE_PARSE, "the request is not JSON"},
        {"var x = {}", RPC_CODE_PARSE, "the request is not JSON"},
        {"{'id': 1}", RPC_CODE_PARSE, "the request is not JSON"},
        {"\377\376", RPC_CODE_PARSE, "the request is not text in UTF-8"},
        {"[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]", RPC_CODE_PARSE, "the request nests deeper than 16"},
        {"[]", RPC_CODE_REQUEST, "a batch of requests is not taken; send them one by one"},
        {"[{\"jsonrpc\": \"2.0\", \"id\": 1, \"method\": \"m\"}]", RPC_CODE_REQUEST,
         "a batch of requests is not taken; send them one by one"},
        {"7", RPC_CODE_REQUEST, "the request is not an object"},
        {"{}", RPC_CODE_REQUEST, "the request has no \"id\" that is a string or a whole number"},
        {"{\"id\": null}", RPC_CODE_REQUEST,
         "the request has no \"id\" that is a string or a whole number"},
        {"{\"id\": [1]}", RPC_CODE_REQUEST,
         "the request has no \"id\" that is a string or a whole number"},
        {"{\"id\": 1.5}", RPC_CODE_REQUEST,
         "the request has no \"id\" that is a string or a whole number"},
        {"{\"id\": 1}", RPC_CODE_REQUEST, "the request has no \"jsonrpc\" that is \"2.0\""},
        {"{\"id\": 1, \"jsonrpc\": \"1.0\"}", RPC_CODE_REQUEST,
         "the request has no \"jsonrpc\" that is \"2.0\""},
        {"{\"id\": 1, \"jsonrpc\": \"2.0\"}", RPC_CODE_REQUEST,
         "the request has no \"method\" that is a string"},
        {"{\"id\": 1, \"jsonrpc\": \"2.0\", \"method\": {}}", RPC_CODE_REQUEST,
         "the request has no \"method\" that is a string"},
        {"{\"id\": 1, \"jsonrpc\": \"2.0\", \"method\": \"m\", \"params\": {\"a\": 1}}",
         RPC_CODE_REQUEST, "the request's \"params\" are not a list"},
    };
    for (guint i = 0; i < G_N_ELEMENTS(cases); i++)
        refuse_request(cases[i].text, strlen(cases[i].text), cases[i].code, cases[i].message);
    refuse_request("{}\0", 3, RPC_CODE_PARSE, "the request is not text in UTF-8");
}

/* Deep nesting costs an answer, not the stack. */
static void test_request_deep(void)
{
    gsize length = 4 * 1024 * 1024;
    g_autofree char *text = g_malloc(length);
    memset(text, '[', length);
    refuse_request(text, length, RPC_CODE_PARSE, "the request nests deeper than 16");
}

static void test_answers(void)
{
    g_autoptr(JsonNode) id = json_node_init_string(json_node_alloc(), "x\n");
    g_autoptr(GError) error = g_error_new(DOMGRP_ERROR, DOMGRP_ERROR_NAME_TAKEN, "a \"b\"");
    g_autoptr(GBytes) good =
        rpc_answer(id, json_node_init_int(json_node_alloc(), G_GINT64_CONSTANT(1) << 60));
    g_autoptr(GBytes) bad = rpc_answer_error(NULL, RPC_CODE_FAILURE, error);
    g_autofree char *good_text = g_strndup(g_bytes_get_data(good, NULL), g_bytes_get_size(good));
    g_autofree char *bad_text = g_strndup(g_bytes_get_data(bad, NULL), g_bytes_get_size(bad));
    g_assert_cmpstr(good_text, ==,
                    "{\"jsonrpc\":\"2.0\",\"result\":1152921504606846976,\"id\":\"x\\n\"}");
    g_assert_cmpstr(bad_text, ==,
                    "{\"jsonrpc\":\"2.0\",\"error\":{\"code\":1,\"message\":\"NAME_TAKEN\","
                    "\"data\":[\"NAME_TAKEN\",\"a \\\"b\\\"\"]},\"id\":null}");
}

/* -- parameters -- */

static const RpcField inner_fields[] = {
    {"path", RPC_STRING, .help = ""},
    {"size", RPC_INTEGER, .optional = TRUE, .max = 10, .help = ""},
    {NULL},
};

static const RpcField fields[] = {
    {"name", RPC_STRING, .help = ""},
    {"list", RPC_STRINGS, .max = 2, .help = ""},
    {"members", RPC_OBJECTS, .max = 2, .fields = inner_fields, .help = ""},
    {"seconds", RPC_NUMBER, .max = 60, .help = ""},
    {"force", RPC_BOOLEAN, .optional = TRUE, .help = ""},
    {"options", RPC_OBJECT, .optional = TRUE, .fields = inner_fields, .help = ""},
    {NULL},
};

static char *params_fault(const char *text)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(JsonNode) node = json_from_string(text, NULL);
    if (rpc_params_check("m", json_node_get_array(node), 0, fields, &error))
        return g_strdup("");
    g_assert_error(error, DOMGRP_ERROR, DOMGRP_ERROR_REQUEST);
    return g_strdup(error->message);
}

static void test_params(void)
{
    static const struct {
        const char *params;
        const char *fault;
    } cases[] = {
        {"[\"a\", [], [], 0]", ""},
        {"[\"a\", [\"x\", \"y\"], [{\"path\": \"p\", \"size\": 10}], 1.5, true, {\"path\": \"\"}]",
         ""},
        {"[]", "m takes 4 parameters, not 0"},
        {"[\"a\", [], [], 0, true, {\"path\": \"\"}, 7]", "m takes 6 parameters, not 7"},
        {"[1, [], [], 0]", "m: name must be a string"},
        {"[null, [], [], 0]", "m: name must be a string"},
        {"[\"a\", \"x\", [], 0]", "m: list must be a list of strings"},
        {"[\"a\", [\"x\", 1], [], 0]", "m: list[1] must be a string"},
        {"[\"a\", [\"\", \"\", \"\"], [], 0]", "m: list has 3 elements; it may have 2"},
        {"[\"a\", [], {}, 0]", "m: members must be a list of objects"},
        {"[\"a\", [], [[]], 0]", "m: members[0] must be an object"},
        {"[\"a\", [], [{}], 0]", "m: members[0] has no \"path\""},
        {"[\"a\", [], [{\"path\": 3}], 0]", "m: members[0].path must be a string"},
        {"[\"a\", [], [{\"path\": \"\", \"size\": 1.5}], 0]",
         "m: members[0].size must be a whole number"},
        {"[\"a\", [], [{\"path\": \"\", \"size\": 11}], 0]",
         "m: members[0].size must be from 0 to 10"},
        {"[\"a\", [], [{\"path\": \"\", \"size\": -1}], 0]",
         "m: members[0].size must be from 0 to 10"},
        {"[\"a\", [], [{\"path\": \"\", \"other\": 1}], 0]",
         "m: members[0] has a key that is not known; it may have path, size"},
        {"[\"a\", [], [], \"0\"]", "m: seconds must be a number"},
        {"[\"a\", [], [], 61]", "m: seconds must be from 0 to 60"},
        {"[\"a\", [], [], 1e999]", "m: seconds must be from 0 to 60"},
        {"[\"a\", [], [], 0, 1]", "m: force must be true or false"},
        {"[\"a\", [], [], 0, true, []]", "m: options must be an object"},
    };
    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *fault = params_fault(cases[i].params);
        g_assert_cmpstr(fault, ==, cases[i].fault);
    }
}

/* -- callers and sessions -- */

static void test_peer(void)
{
    const gid_t groups[] = {5, 7};
    Peer root = {.uid = 0, .gid = 9}, self = {.uid = 4, .gid = 9}, other = {.uid = 6, .gid = 9};
    g_assert_true(peer_is_allowed(&root, NULL, 0, 4, PEER_NO_GROUP));
    g_assert_true(peer_is_allowed(&self, NULL, 0, 4, PEER_NO_GROUP));
    g_assert_false(peer_is_allowed(&other, groups, 2, 4, PEER_NO_GROUP));
    g_assert_true(peer_is_allowed(&other, groups, 2, 4, 7));
    g_assert_true(peer_is_allowed(&other, groups, 2, 4, 9));
    g_assert_false(peer_is_allowed(&other, groups, 2, 4, 8));
    g_assert_false(peer_is_allowed(&other, groups, 0, 4, 5));
}

static void test_sessions(void)
{
    Sessions *sessions = sessions_new();
    Peer peer = {.uid = 10, .allowed = TRUE}, stranger = {.uid = 11, .allowed = FALSE};
    g_autoptr(GError) error = NULL;

    g_assert_null(sessions_login(sessions, &stranger, &error));
    g_assert_error(error, DOMGRP_ERROR, DOMGRP_ERROR_PERMISSION);
    g_clear_error(&error);

    g_autofree char *first = g_strdup(sessions_login(sessions, &peer, NULL));
    g_autofree char *second = g_strdup(sessions_login(sessions, &peer, NULL));
    g_assert_true(sessions_check(sessions, first, &peer, NULL));
    g_assert_false(sessions_check(sessions, first, &stranger, &error));
    g_assert_error(error, DOMGRP_ERROR, DOMGRP_ERROR_SESSION);
    g_clear_error(&error);

    /* One too many: the second, used longest ago, ends. */
    for (guint i = 0; i < SESSIONS_MAX - 1; i++)
        sessions_login(sessions, &peer, NULL);
    g_assert_cmpuint(sessions_count(sessions), ==, SESSIONS_MAX);
    g_assert_false(sessions_check(sessions, second, &peer, NULL));
    g_assert_true(sessions_check(sessions, first, &peer, NULL));

    sessions_logout(sessions, first);
    g_assert_false(sessions_check(sessions, first, &peer, NULL));
    g_assert_cmpuint(sessions_count(sessions), ==, SESSIONS_MAX - 1);
    sessions_free(sessions);
}

/* -- events -- */

static JsonNode *record_of(gpointer data, EventClass class, const char *reference)
{
    return g_hash_table_contains(data, reference)
               ? json_node_init_string(json_node_alloc(), reference)
               : NULL;
}

typedef struct {
    Events *events;
    GHashTable *objects;
    char *token;
} Feed;

static void on_result(gpointer data, JsonNode *result)
{
    *(JsonNode **)data = result;
}

/* What event.from says, like "snapshot add task/b mod domain_group/a", and keeps the token. */
static char *feed_next(Feed *feed, const char *class, double timeout)
{
    g_autoptr(JsonArray) classes = json_array_new();
    g_autoptr(JsonNode) result = NULL;
    g_autoptr(GError) error = NULL;
    json_array_add_string_element(classes, class);
    g_assert_nonnull(
        events_wait(feed->events, classes, feed->token, timeout, on_result, &result, &error));
    g_assert_null(result);
    while (result == NULL)
        g_main_context_iteration(NULL, TRUE);

    JsonObject *object = json_node_get_object(result);
    GString *text =
        g_string_new(json_object_get_boolean_member(object, "snapshot") ? "snapshot" : "");
    JsonArray *array = json_object_get_array_member(object, "events");
    for (guint i = 0; i < json_array_get_length(array); i++) {
        JsonObject *event = json_array_get_object_element(array, i);
        g_string_append_printf(text, " %s %s/%s", json_object_get_string_member(event, "operation"),
                               json_object_get_string_member(event, "class"),
                               json_object_get_string_member(event, "ref"));
    }
    g_free(feed->token);
    feed->token = g_strdup(json_object_get_string_member(object, "token"));
    return g_string_free(text, FALSE);
}

#define assert_next(feed, class, timeout, want)                                                    \
    do {                                                                                           \
        g_autofree char *got = feed_next(feed, class, timeout);                                    \
        g_assert_cmpstr(got, ==, want);                                                            \
    } while (0)

static void feed_init(Feed *feed)
{
    feed->objects = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    feed->events = events_new(record_of, feed->objects);
    feed->token = g_strdup("");
}

static void feed_clear(Feed *feed)
{
    g_assert_cmpuint(events_waits(feed->events), ==, 0);
    events_free(feed->events);
    g_hash_table_unref(feed->objects);
    g_free(feed->token);
}

static void feed_change(Feed *feed, EventClass class, const char *reference)
{
    g_hash_table_add(feed->objects, g_strdup(reference));
    events_changed(feed->events, class, reference, FALSE);
}

static void feed_remove(Feed *feed, EventClass class, const char *reference)
{
    g_hash_table_remove(feed->objects, reference);
    events_removed(feed->events, class, reference);
}

static void test_events(void)
{
    Feed feed;
    feed_init(&feed);
    assert_next(&feed, "*", 0, "snapshot");
    assert_next(&feed, "*", 0.001, "");

    feed_change(&feed, EVENT_GROUP, "a");
    feed_change(&feed, EVENT_TASK, "t");
    feed_change(&feed, EVENT_GROUP, "a");
    assert_next(&feed, "*", 60, " add task/t add domain_group/a");
    feed_change(&feed, EVENT_TASK, "t");
    assert_next(&feed, "task/t", 60, " mod task/t");
    feed_change(&feed, EVENT_TASK, "u");
    assert_next(&feed, "task/t", 0.001, "");

    /* What came and went unseen is no event; what was seen goes. */
    feed_change(&feed, EVENT_GROUP, "b");
    feed_remove(&feed, EVENT_GROUP, "b");
    feed_remove(&feed, EVENT_GROUP, "a");
    feed_remove(&feed, EVENT_GROUP, "never there");
    assert_next(&feed, "*", 60, " del domain_group/a");

    feed_change(&feed, EVENT_GROUP, "c");
    g_free(feed.token);
    feed.token = g_strdup("another life,1");
    assert_next(&feed, "*", 60, "snapshot add task/t add task/u add domain_group/c");

    g_autoptr(GHashTable) alive = g_hash_table_new(g_str_hash, g_str_equal);
    g_hash_table_add(alive, (gpointer) "u");
    events_retain(feed.events, EVENT_TASK, alive);
    assert_next(&feed, "*", 60, " del task/t");
    feed_clear(&feed);
}

/* A client that missed more removals than are remembered is told so, and memory is bounded. */
static void test_events_behind(void)
{
    Feed feed;
    feed_init(&feed);
    feed_change(&feed, EVENT_GROUP, "stays");
    for (guint i = 0; i < EVENTS_REMOVED_MAX + 1; i++) {
        g_autofree char *reference = g_strdup_printf("%u", i);
        feed_change(&feed, EVENT_GROUP, reference);
    }
    g_autofree char *all = feed_next(&feed, "*", 0);
    g_autofree char *token = g_strdup(feed.token);
    for (guint i = 0; i < EVENTS_REMOVED_MAX; i++) {
        g_autofree char *reference = g_strdup_printf("%u", i);
        feed_remove(&feed, EVENT_GROUP, reference);
    }
    g_autofree char *removals = feed_next(&feed, "*", 0);
    g_assert_true(g_str_has_prefix(removals, " del domain_group/0 del domain_group/1 "));

    g_autofree char *last = g_strdup_printf("%u", EVENTS_REMOVED_MAX);
    feed_remove(&feed, EVENT_GROUP, last);
    g_free(feed.token);
    feed.token = g_strdup(token);
    assert_next(&feed, "*", 0, "snapshot add domain_group/stays");
    feed_clear(&feed);
}

static void test_events_bounds(void)
{
    Feed feed;
    EventsWait *waits[EVENTS_WAITS_MAX];
    JsonNode *result = NULL;
    g_autoptr(GError) error = NULL;
    g_autoptr(JsonArray) classes = json_array_new();
    feed_init(&feed);
    json_array_add_string_element(classes, "domain_group");
    for (guint i = 0; i < EVENTS_WAITS_MAX; i++)
        waits[i] = events_wait(feed.events, classes, "", 60, on_result, &result, NULL);
    g_assert_null(events_wait(feed.events, classes, "", 60, on_result, &result, &error));
    g_assert_error(error, DOMGRP_ERROR, DOMGRP_ERROR_GROUP_LIMIT);
    g_clear_error(&error);
    for (guint i = 0; i < EVENTS_WAITS_MAX; i++)
        events_wait_cancel(waits[i]);
    g_assert_null(result);

    static const char *const tokens[] = {"x", ",", "1,x", "1,-1", "1,99999999999999999999"};
    for (guint i = 0; i < G_N_ELEMENTS(tokens); i++) {
        g_assert_null(events_wait(feed.events, classes, tokens[i], 0, on_result, &result, &error));
        g_assert_error(error, DOMGRP_ERROR, DOMGRP_ERROR_REQUEST);
        g_clear_error(&error);
    }
    json_array_add_string_element(classes, "domain_groups");
    g_assert_null(events_wait(feed.events, classes, "", 0, on_result, &result, &error));
    g_assert_error(error, DOMGRP_ERROR, DOMGRP_ERROR_REQUEST);
    feed_clear(&feed);
}

/* -- the lock -- */

static int lock_in_child(const char *directory)
{
    pid_t child = fork();
    if (child == 0) {
        g_autoptr(GError) error = NULL;
        g_autofree char *want = g_strdup_printf(
            "another domgrpd, process %d, holds %s/lock; stop it first", (int)getppid(), directory);
        gboolean refused = lock_take(directory, &error) < 0 &&
                           g_error_matches(error, DOMGRP_ERROR, DOMGRP_ERROR_LOCKED) &&
                           strcmp(error->message, want) == 0;
        _exit(refused ? 0 : 1);
    }
    int status;
    g_assert_cmpint(waitpid(child, &status, 0), ==, child);
    return status;
}

static void test_lock(void)
{
    g_autofree char *parent = g_dir_make_tmp("domgrp-lock-XXXXXX", NULL);
    g_autofree char *directory = g_build_filename(parent, "state", NULL);
    g_autofree char *path = g_build_filename(directory, "lock", NULL);
    g_autofree char *text = NULL;
    g_autoptr(GError) error = NULL;

    int fd = lock_take(directory, &error);
    g_assert_no_error(error);
    g_assert_cmpint(lock_in_child(directory), ==, 0);
    close(fd);
    g_assert_true(g_file_get_contents(path, &text, NULL, NULL));
    g_assert_cmpint(atoi(text), ==, getpid());
    g_assert_cmpint(lock_in_child(directory), !=, 0);

    g_unlink(path);
    g_assert_cmpint(symlink("/dev/null", path), ==, 0);
    g_assert_cmpint(lock_take(directory, &error), ==, -1);
    g_assert_error(error, DOMGRP_ERROR, DOMGRP_ERROR_FILE);
    g_unlink(path);
    g_rmdir(directory);
    g_rmdir(parent);
}

/* -- the table -- */

static void test_methods(void)
{
    g_autofree char *reference = methods_reference();
    g_autofree char *written = NULL;
    g_assert_null(method_lookup("domain_group.no_such"));
    g_assert_cmpint(method_lookup("session.login_with_password")->right, ==, RIGHT_NONE);
    g_assert_cmpint(method_lookup("Async.domain_group.start")->right, ==, RIGHT_OPERATE);
    g_assert_cmpint(method_lookup("domain_group.get_record")->right, ==, RIGHT_READ);

    g_autofree char *path = g_test_build_filename(G_TEST_DIST, "..", "..", "docs", "api.md", NULL);
    g_assert_true(g_file_get_contents(path, &written, NULL, NULL));
    if (strcmp(written, reference) != 0)
        g_test_message("docs/api.md is not current: domgrpd --methods > docs/api.md");
    g_assert_true(strcmp(written, reference) == 0);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/request/good", test_request_good);
    g_test_add_func("/request/bad", test_request_bad);
    g_test_add_func("/request/deep", test_request_deep);
    g_test_add_func("/answers", test_answers);
    g_test_add_func("/params", test_params);
    g_test_add_func("/peer", test_peer);
    g_test_add_func("/sessions", test_sessions);
    g_test_add_func("/events", test_events);
    g_test_add_func("/events/behind", test_events_behind);
    g_test_add_func("/events/bounds", test_events_bounds);
    g_test_add_func("/lock", test_lock);
    g_test_add_func("/methods", test_methods);
    return g_test_run();
}
