/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The daemon over its real socket, on a host in memory: every method, every
 * refusal, and what a bad client can do. Daemon and clients share one loop.
 */
#include <gio/gunixsocketaddress.h>
#include <errno.h>
#include <limits.h>
#include <glib/gstdio.h>
#include <libsoup/soup.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/lsan_interface.h>
#endif

#include "server.h"
#include "sim-loop.h"

#define UUID_SHOP "3f1c9c5e-8f5b-4d5c-9d55-0d3f0a6f1c2e"

typedef struct {
    char *directory;
    char *path;
    Host *host;
    Journal *journal;
    SimLoop *loop;
    Api *api;
    Server *server;
    SoupSession *http;
    char *session;
} Fixture;

/* -- clients -- */

static void on_sent(GObject *source, GAsyncResult *result, gpointer data)
{
    g_autoptr(GError) error = NULL;
    *(GBytes **)data = soup_session_send_and_read_finish(SOUP_SESSION(source), result, &error);
    g_assert_no_error(error);
}

static void begin(Fixture *f, const char *method, const char *path, const char *body,
                  GBytes **ret_answer)
{
    g_autofree char *uri = g_strdup_printf("http://domgrp%s", path);
    g_autoptr(SoupMessage) message = soup_message_new(method, uri);
    if (body != NULL) {
        g_autoptr(GBytes) bytes = g_bytes_new(body, strlen(body));
        soup_message_set_request_body_from_bytes(message, "application/json", bytes);
    }
    *ret_answer = NULL;
    soup_session_send_and_read_async(f->http, message, 0, NULL, on_sent, ret_answer);
}

static char *end(GBytes **answer)
{
    while (*answer == NULL)
        g_main_context_iteration(NULL, TRUE);
    char *text = g_strndup(g_bytes_get_data(*answer, NULL), g_bytes_get_size(*answer));
    g_clear_pointer(answer, g_bytes_unref);
    return text;
}

static char *http(Fixture *f, const char *method, const char *path, const char *body)
{
    GBytes *answer;
    begin(f, method, path, body, &answer);
    return end(&answer);
}

/* @params is what stands between the brackets after the session; NULL: not even that. */
static char *request_of(const Fixture *f, const char *method, const char *params)
{
    if (params == NULL)
        return g_strdup_printf("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"%s\",\"params\":[]}",
                               method);
    return g_strdup_printf(
        "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"%s\",\"params\":[\"%s\"%s%s]}", method,
        f->session, *params == '\0' ? "" : ",", params);
}

/* The answer's result; asserts that there is one. */
static JsonNode *result_of(const char *answer)
{
    g_autoptr(JsonNode) root = json_from_string(answer, NULL);
    g_assert_nonnull(root);
    JsonObject *object = json_node_get_object(root);
    if (!json_object_has_member(object, "result"))
        g_error("no result: %s", answer);
    g_assert_cmpint(json_object_get_int_member(object, "id"), ==, 1);
    return json_node_copy(json_object_get_member(object, "result"));
}

/* "CODE NAME: sentence" */
static char *error_of(const char *answer)
{
    g_autoptr(JsonNode) root = json_from_string(answer, NULL);
    g_assert_nonnull(root);
    JsonObject *object = json_node_get_object(root);
    if (!json_object_has_member(object, "error"))
        g_error("no error: %s", answer);
    JsonObject *error = json_object_get_object_member(object, "error");
    JsonArray *data = json_object_get_array_member(error, "data");
    g_assert_cmpuint(json_array_get_length(data), ==, 2);
    g_assert_cmpstr(json_array_get_string_element(data, 0), ==,
                    json_object_get_string_member(error, "message"));
    return g_strdup_printf("%d %s: %s", (int)json_object_get_int_member(error, "code"),
                           json_array_get_string_element(data, 0),
                           json_array_get_string_element(data, 1));
}

static JsonNode *call(Fixture *f, const char *method, const char *params)
{
    g_autofree char *request = request_of(f, method, params);
    g_autofree char *answer = http(f, "POST", "/jsonrpc", request);
    return result_of(answer);
}

static char *call_text(Fixture *f, const char *method, const char *params)
{
    g_autoptr(JsonNode) result = call(f, method, params);
    return json_node_dup_string(result);
}

static void refuse(Fixture *f, const char *method, const char *params, const char *want)
{
    g_autofree char *request = request_of(f, method, params);
    g_autofree char *answer = http(f, "POST", "/jsonrpc", request);
    g_autofree char *got = error_of(answer);
    g_assert_cmpstr(got, ==, want);
}

static JsonObject *task_of(Fixture *f, const char *task, JsonNode **ret_owner)
{
    g_autofree char *params = g_strdup_printf("\"%s\"", task);
    *ret_owner = call(f, "task.get_record", params);
    return json_node_get_object(*ret_owner);
}

/* Runs an operation to its end: "success" or "failure NAME: sentence". */
static char *operate(Fixture *f, const char *method, const char *params)
{
    g_autofree char *task = call_text(f, method, params);
    for (;;) {
        g_autoptr(JsonNode) owner = NULL;
        JsonObject *record = task_of(f, task, &owner);
        const char *status = json_object_get_string_member(record, "status");
        JsonArray *info = json_object_get_array_member(record, "error_info");
        if (strcmp(status, "pending") == 0)
            continue;
        g_assert_cmpstr(json_object_get_string_member(record, "finished"), !=, "");
        if (json_array_get_length(info) == 0)
            return g_strdup(status);
        return g_strdup_printf("%s %s: %s", status, json_array_get_string_element(info, 0),
                               json_array_get_string_element(info, 1));
    }
}

#define assert_operate(f, method, params, want)                                                    \
    do {                                                                                           \
        g_autofree char *got = operate(f, method, params);                                         \
        g_assert_cmpstr(got, ==, want);                                                            \
    } while (0)

#define DEFINITION                                                                                 \
    "{\"name_label\":\"shop\",\"uuid\":\"" UUID_SHOP "\",\"directory\":\"/\",\"text\":"            \
    "\"name='shop'\\nuuid='" UUID_SHOP "'\\nmembers=['db','web']\\n\",\"members\":["               \
    "{\"path\":\"db\",\"text\":\"name = db\\nmemory = 64\\n\"},"                                   \
    "{\"path\":\"web\",\"text\":\"name = web\\nmemory = 32\\n\"}]}"

static char *group_state(Fixture *f)
{
    g_autoptr(JsonNode) record = call(f, "domain_group.get_record", "\"shop\"");
    return g_strdup(json_object_get_string_member(json_node_get_object(record), "state"));
}

#define assert_state(f, want)                                                                      \
    do {                                                                                           \
        g_autofree char *got = group_state(f);                                                     \
        g_assert_cmpstr(got, ==, want);                                                            \
    } while (0)

/* -- the fixture -- */

static void setup_with(Fixture *f, guint connections, guint timeout_ms)
{
    g_autoptr(GError) error = NULL;
    f->directory = g_dir_make_tmp("domgrp-test-XXXXXX", NULL);
    f->path = g_build_filename(f->directory, "run", "domgrpd.sock", NULL);
    f->host = host_sim_new();
    f->journal = journal_sim_new(f->host);
    f->loop = sim_loop_new(f->host);
    f->api = api_new(f->host, f->journal, &error);
    g_assert_no_error(error);
    engine_set_images(api_engine(f->api), "/sim/images");
    ServerOptions options = {f->path, PEER_NO_GROUP, connections, timeout_ms};
    f->server = server_new(f->api, &options, &error);
    g_assert_no_error(error);

    g_autoptr(GSocketAddress) address = g_unix_socket_address_new(f->path);
    f->http = soup_session_new_with_options("remote-connectable", address, "max-conns", 1000,
                                            "max-conns-per-host", 1000, NULL);
    g_autofree char *answer =
        http(f, "POST", "/jsonrpc",
             "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"session.login_with_password\","
             "\"params\":[\"\",\"\",\"1.0\",\"test\"]}");
    g_autoptr(JsonNode) result = result_of(answer);
    f->session = json_node_dup_string(result);
}

static void setup(Fixture *f, gconstpointer data)
{
    setup_with(f, 0, 0);
}

/* A small daemon: four connections, and a client has 200 ms. */
static void setup_small(Fixture *f, gconstpointer data)
{
    setup_with(f, 4, 200);
}

static void teardown(Fixture *f, gconstpointer data)
{
    g_autofree char *folder = g_path_get_dirname(f->path);
    server_free(f->server);
    g_assert_false(g_file_test(f->path, G_FILE_TEST_EXISTS));
    api_free(f->api);
    g_source_destroy(&f->loop->source);
    g_source_unref(&f->loop->source);
    f->journal->ops->free(f->journal);
    f->host->ops->free(f->host);
    soup_session_abort(f->http);
    g_object_unref(f->http);
    while (g_main_context_iteration(NULL, FALSE))
        ;
    g_rmdir(folder);
    g_rmdir(f->directory);
    g_free(f->directory);
    g_free(f->path);
    g_free(f->session);
}

/* -- groups' lives -- */

static void test_life(Fixture *f, gconstpointer data)
{
    assert_operate(f, "Async.domain_group.create", DEFINITION, "success");
    assert_state(f, "running");
    assert_operate(f, "Async.domain_group.pause", "\"shop\"", "success");
    assert_state(f, "paused");
    assert_operate(f, "Async.domain_group.unpause", "\"" UUID_SHOP "\"", "success");
    assert_operate(f, "Async.domain_group.clean_reboot", "\"shop\",{\"timeout\":9}", "success");
    assert_operate(f, "Async.domain_group.clean_shutdown", "\"shop\",{}", "success");
    assert_state(f, "stopped");
    assert_operate(f, "Async.domain_group.start", "\"shop\"", "success");
    g_assert_true(sim_xl_create(f->host, "name = cache\n", NULL));
    assert_operate(f, "Async.domain_group.join", "\"shop\",\"cache\"", "success");
    assert_state(f, "running");
    assert_operate(f, "Async.domain_group.hard_shutdown", "\"shop\"", "success");
    assert_operate(f, "Async.domain_group.destroy", "\"shop\"", "success");
    refuse(f, "domain_group.get_record", "\"shop\"",
           "1 GROUP_UNKNOWN: there is no group shop: \"domgrp list\" shows those there are");
}

static void test_records(Fixture *f, gconstpointer data)
{
    assert_operate(f, "Async.domain_group.create", DEFINITION, "success");
    g_autoptr(JsonNode) all = call(f, "domain_group.get_all", "");
    g_autoptr(JsonNode) records = call(f, "domain_group.get_all_records", "");
    g_autoptr(JsonNode) record = call(f, "domain_group.get_record", "\"shop\"");
    g_autoptr(JsonNode) named = call(f, "domain_group.get_by_name_label", "\"shop\"");
    g_autoptr(JsonNode) none = call(f, "domain_group.get_by_name_label", "\"" UUID_SHOP "\"");
    g_autofree char *by_uuid =
        call_text(f, "domain_group.get_by_uuid", "\"3F1C9C5E-8F5B-4D5C-9D55-0D3F0A6F1C2E\"");
    JsonArray *references = json_node_get_array(all);
    g_assert_cmpuint(json_array_get_length(references), ==, 3);
    g_assert_cmpstr(json_array_get_string_element(references, 2), ==, UUID_SHOP);
    g_assert_cmpuint(json_object_get_size(json_node_get_object(records)), ==, 3);
    g_assert_true(
        json_node_equal(record, json_object_get_member(json_node_get_object(records), UUID_SHOP)));
    g_assert_cmpstr(by_uuid, ==, UUID_SHOP);
    g_assert_cmpuint(json_array_get_length(json_node_get_array(named)), ==, 1);
    g_assert_cmpuint(json_array_get_length(json_node_get_array(none)), ==, 0);

    JsonObject *shop = json_node_get_object(record);
    g_assert_cmpstr(json_object_get_string_member(shop, "name_label"), ==, "shop");
    g_assert_cmpint(json_object_get_int_member(shop, "id"), ==, 1);
    g_assert_cmpint(json_object_get_int_member(shop, "memory_kib"), >=, 96 * 1024);
    g_assert_false(json_object_get_boolean_member(shop, "is_default"));
    g_assert_cmpstr(json_object_get_string_member(shop, "current_task"), ==, "");
    JsonObject *web =
        json_array_get_object_element(json_object_get_array_member(shop, "members"), 1);
    g_assert_cmpstr(json_object_get_string_member(web, "name_label"), ==, "web");
    g_assert_cmpstr(json_object_get_string_member(web, "state"), ==, "running");
    g_assert_cmpint(json_object_get_int_member(web, "vcpus"), ==, 1);
    g_assert_true(json_object_get_boolean_member(web, "ours"));

    g_autoptr(JsonNode) host = call(f, "host.get_record", "");
    g_assert_cmpint(json_object_get_int_member(json_node_get_object(host), "memory_free_kib"), >,
                    0);
    g_assert_true(json_object_get_boolean_member(json_node_get_object(host), "has_groups"));
    g_autoptr(JsonNode) tasks = call(f, "task.get_all_records", "");
    g_assert_cmpuint(json_object_get_size(json_node_get_object(tasks)), ==, 1);
}

static void test_pause_result(Fixture *f, gconstpointer data)
{
    g_autoptr(JsonNode) owner = NULL;
    assert_operate(f, "Async.domain_group.create", DEFINITION, "success");
    g_autofree char *task = call_text(f, "Async.domain_group.pause", "\"shop\"");
    JsonObject *record = task_of(f, task, &owner);
    g_assert_cmpstr(json_object_get_string_member(record, "status"), ==, "success");
    g_assert_cmpstr(json_object_get_string_member(record, "name_label"), ==, "domain_group.pause");
    JsonObject *result = json_object_get_object_member(record, "result");
    g_assert_true(json_object_get_boolean_member(result, "atomic"));
    g_assert_cmpint(json_object_get_int_member(result, "domains"), ==, 2);
    g_assert_cmpint(json_object_get_int_member(result, "vcpus"), ==, 2);
    g_assert_cmpint(json_object_get_int_member(result, "stopped_ns"), >=,
                    json_object_get_int_member(result, "request_ns"));
}

/* -- images -- */

/* Into a file and out of it, and into the daemon's own storage and out of it. */
static void test_image_life(Fixture *f, gconstpointer data)
{
    assert_operate(f, "Async.domain_group.create", DEFINITION, "success");
    assert_operate(f, "Async.domain_group.save", "\"shop\",\"/a/shop.image\",{\"ordered\":true}",
                   "success");
    assert_state(f, "stopped");
    assert_operate(f, "Async.domain_group.restore", "\"/a/shop.image\"", "success");
    assert_state(f, "running");
    assert_operate(f, "Async.domain_group.checkpoint",
                   "\"" UUID_SHOP "\",\"/a/point.image\",{\"live\":true,\"fast\":true}", "success");
    assert_operate(f, "Async.domain_group.suspend", "\"shop\"", "success");
    assert_state(f, "suspended");
    assert_operate(f, "Async.domain_group.resume", "\"shop\",{}", "success");
    assert_operate(f, "Async.domain_group.hard_shutdown", "\"shop\"", "success");
    assert_operate(f, "Async.domain_group.restore",
                   "\"/a/point.image\",{\"disks_reverted\":true,\"wait\":true}", "success");
    assert_operate(f, "Async.domain_group.restore",
                   "\"/a/point.image\",{\"disks_reverted\":true,\"map\":\"name='other'\\n"
                   "members=['db: db2','web: web2']\\n\"}",
                   "success");
    g_autoptr(JsonNode) other = call(f, "domain_group.get_by_name_label", "\"other\"");
    g_assert_cmpuint(json_array_get_length(json_node_get_array(other)), ==, 1);
}

static void test_image_record(Fixture *f, gconstpointer data)
{
    g_autoptr(JsonNode) owner = NULL;
    assert_operate(f, "Async.domain_group.create", DEFINITION, "success");
    g_autofree char *task = call_text(f, "Async.domain_group.save", "\"shop\",\"/a/shop.image\"");
    JsonObject *record = task_of(f, task, &owner);
    JsonObject *image = json_object_get_object_member(record, "image");
    g_assert_cmpstr(json_object_get_string_member(record, "status"), ==, "success");
    g_assert_cmpstr(json_object_get_string_member(record, "name_label"), ==, "domain_group.save");
    g_assert_cmpstr(json_object_get_string_member(image, "path"), ==, "/a/shop.image");
    g_assert_cmpint(json_object_get_int_member(image, "memory_bytes"), >=, 96 << 20);
    g_assert_cmpint(json_object_get_int_member(image, "file_bytes"), >, 0);
    g_assert_true(json_object_has_member(image, "total_bytes"));
    g_assert_cmpint(json_object_get_int_member(image, "cut_us"), >=, 0);
    JsonArray *members = json_object_get_array_member(record, "members");
    for (guint i = 0; i < 2; i++) {
        JsonObject *member = json_array_get_object_element(members, i);
        g_assert_cmpint(json_object_get_int_member(member, "still_us"), >, 0);
    }
}

static void test_image_none(Fixture *f, gconstpointer data)
{
    g_autoptr(JsonNode) owner = NULL;
    g_autofree char *task = call_text(f, "Async.domain_group.create", DEFINITION);
    JsonObject *image = json_object_get_object_member(task_of(f, task, &owner), "image");
    g_assert_cmpuint(json_object_get_size(image), ==, 0);
}

static void test_image_refused(Fixture *f, gconstpointer data)
{
    g_autofree char *deep = g_strnfill(PATH_MAX, 'x');
    g_autofree char *params = g_strdup_printf("\"shop\",\"/%s\"", deep);
    g_autofree char *want =
        g_strdup_printf("1 VALUE_INVALID: the path of an image is to be absolute "
                        "and shorter than %d bytes: /%.79s",
                        PATH_MAX, deep);
    assert_operate(f, "Async.domain_group.create", DEFINITION, "success");
    refuse(f, "Async.domain_group.save", params, want);
    refuse(f, "Async.domain_group.checkpoint", "\"shop\",\"shop.image\"",
           "1 VALUE_INVALID: the path of an image is to be absolute and shorter than 4096 bytes: "
           "shop.image");
    refuse(f, "Async.domain_group.restore", "\"\"",
           "1 VALUE_INVALID: the path of an image is to be absolute and shorter than 4096 bytes: ");
    refuse(f, "Async.domain_group.restore", "\"/a/x\",{\"map\":\"nam='a'\"}",
           "1 KEY_UNKNOWN: the map:1: the key \"nam\" is not known; a map file has name, uuid, "
           "members, macs and disks");
    refuse(f, "Async.domain_group.save", "\"shop\"",
           "-32602 REQUEST_INVALID: Async.domain_group.save takes 3 parameters, not 2");
    refuse(f, "Async.domain_group.save", "\"shop\",\"/a/x\",{\"live\":true}",
           "-32602 REQUEST_INVALID: Async.domain_group.save: options has a key that is not known; "
           "it may have ordered, fast, wait, dry_run");
    refuse(f, "Async.domain_group.suspend", "\"x\"",
           "1 GROUP_UNKNOWN: there is no group x: \"domgrp list\" shows those there are");
    refuse(f, "Async.domain_group.resume", "\"shop\"", "1 GROUP_STATE: shop is not suspended");
    assert_operate(f, "Async.domain_group.restore", "\"/a/none.image\"",
                   "failure FILE_UNREADABLE: /a/none.image: no such file");
    assert_state(f, "running");
}

/* Until the image is whole a save can be cancelled, and the group runs on. */
static void test_image_cancel(Fixture *f, gconstpointer data)
{
    assert_operate(f, "Async.domain_group.create", DEFINITION, "success");
    f->loop->held = TRUE;
    g_autofree char *task = call_text(f, "Async.domain_group.save", "\"shop\",\"/a/shop.image\"");
    g_autofree char *params = g_strdup_printf("\"%s\"", task);
    g_autofree char *answer = call_text(f, "task.cancel", params);
    g_assert_cmpstr(answer, ==, "");
    f->loop->held = FALSE;
    g_autoptr(JsonNode) owner = NULL;
    JsonObject *record;
    do {
        g_clear_pointer(&owner, json_node_unref);
        record = task_of(f, task, &owner);
    } while (strcmp(json_object_get_string_member(record, "status"), "pending") == 0);
    g_assert_cmpstr(json_object_get_string_member(record, "status"), ==, "cancelled");
    assert_state(f, "running");
    g_autofree char *images = host_sim_describe_images(f->host);
    g_assert_cmpstr(images, ==, "");
}

/* -- refusals -- */

static void test_refused(Fixture *f, gconstpointer data)
{
    const char *unknown = "1 GROUP_UNKNOWN: there is no group x: \"domgrp list\" shows those there "
                          "are";
    static const char *const methods[] = {
        "Async.domain_group.start",        "Async.domain_group.clean_shutdown",
        "Async.domain_group.clean_reboot", "Async.domain_group.hard_shutdown",
        "Async.domain_group.pause",        "Async.domain_group.unpause",
        "Async.domain_group.destroy",      "domain_group.get_record",
    };
    for (guint i = 0; i < G_N_ELEMENTS(methods); i++) {
        refuse(f, methods[i], "\"x\"", unknown);
        g_autofree char *missing =
            g_strdup_printf("-32602 REQUEST_INVALID: %s takes 2 parameters, not 1", methods[i]);
        g_autofree char *kind =
            g_strdup_printf("-32602 REQUEST_INVALID: %s: group must be a string", methods[i]);
        g_autofree char *none = g_strdup_printf(
            "-32602 REQUEST_INVALID: %s takes a session, a string, as its first parameter",
            methods[i]);
        refuse(f, methods[i], "", missing);
        refuse(f, methods[i], "[]", kind);
        refuse(f, methods[i], NULL, none);
    }
    refuse(f, "Async.domain_group.join", "\"x\",\"y\"", unknown);
    refuse(f, "Async.domain_group.pause", "\"Null-Group\"",
           "1 GROUP_DEFAULT: Null-Group is a default group: pause is for groups made by \"domgrp "
           "create\"");
    refuse(f, "domain_group.get_by_uuid", "\"x\"",
           "1 VALUE_INVALID: \"x\" is not a UUID; write it like "
           "3f1c9c5e-8f5b-4d5c-9d55-0d3f0a6f1c2e");
    refuse(f, "task.get_record", "\"x\"", "1 TASK_UNKNOWN: there is no task x");
    refuse(f, "domain_group.suspend", "",
           "-32601 REQUEST_INVALID: there is no method \"domain_group.suspend\"; see docs/api.md");
    refuse(
        f, "Async.domain_group.clean_shutdown", "\"x\",{\"timeout\":-1}",
        "-32602 REQUEST_INVALID: Async.domain_group.clean_shutdown: options.timeout must be from "
        "0 to 86400");
    refuse(f, "event.from", "[\"*\"],\"\",1e9",
           "-32602 REQUEST_INVALID: event.from: timeout must be from 0 to 3600");
    refuse(f, "event.from", "[\"vm\"],\"\",1",
           "1 REQUEST_INVALID: event.from: there is no class \"vm\"; use *, domain_group, task or "
           "CLASS/REF");
    refuse(f, "event.from", "[\"*\"],\"x\",1",
           "1 REQUEST_INVALID: event.from: the token is none that event.from gave; begin with "
           "\"\"");
}

static void test_refused_create(Fixture *f, gconstpointer data)
{
    static const struct {
        const char *definition;
        const char *want;
    } cases[] = {
        {"{\"name_label\":\"a\",\"text\":\"\",\"directory\":\"/\",\"members\":[]}",
         "1 VALUE_INVALID: a: there is no name; add name = \"...\""},
        {"{\"name_label\":\"a\",\"text\":\"name='b'\\nmembers=['x']\",\"directory\":\"/\","
         "\"members\":[{\"path\":\"x\",\"text\":\"\"}]}",
         "1 VALUE_INVALID: the definition of a does not agree with the text of its group file"},
        {"{\"name_label\":\"a\",\"text\":\"name='a'\\nmembers=['x']\",\"directory\":\"/\","
         "\"members\":[{\"path\":\"y\",\"text\":\"\"}]}",
         "1 VALUE_INVALID: the definition of a does not agree with the text of its group file"},
        {"{\"name_label\":\"a\",\"text\":\"name='a'\\nmembers=['x']\",\"directory\":\"/\","
         "\"members\":[]}",
         "1 VALUE_INVALID: the definition of a does not agree with the text of its group file"},
        {"{\"name_label\":\"a\",\"uuid\":\"" UUID_SHOP "\",\"text\":\"name='a'\\nmembers=['x']\","
         "\"directory\":\"/\",\"members\":[{\"path\":\"x\",\"text\":\"\"}]}",
         "1 VALUE_INVALID: the definition of a does not agree with the text of its group file"},
        {"{\"name_label\":\"a\",\"text\":\"name='a'\\nmembers=['x']\",\"directory\":\"here\","
         "\"members\":[{\"path\":\"x\",\"text\":\"\"}]}",
         "1 VALUE_INVALID: the directory of a is not an absolute path"},
        {"{\"name_label\":\"a\",\"text\":\"\",\"directory\":\"/\",\"members\":[],\"x\":1}",
         "-32602 REQUEST_INVALID: Async.domain_group.create: definition has a key that is not "
         "known; it may have name_label, uuid, text, directory, members"},
    };
    for (guint i = 0; i < G_N_ELEMENTS(cases); i++)
        refuse(f, "Async.domain_group.create", cases[i].definition, cases[i].want);

    assert_operate(f, "Async.domain_group.create", DEFINITION, "success");
    refuse(f, "Async.domain_group.create", DEFINITION,
           "1 NAME_TAKEN: there is a group shop already: choose another name or delete that one");
    refuse(f, "Async.domain_group.join", "\"shop\",\"nobody\"",
           "1 DOMAIN_UNKNOWN: there is no domain nobody");
}

static void test_busy(Fixture *f, gconstpointer data)
{
    assert_operate(f, "Async.domain_group.create", DEFINITION, "success");
    f->loop->held = TRUE;
    g_autofree char *task = call_text(f, "Async.domain_group.clean_shutdown", "\"shop\"");
    g_autofree char *want = g_strdup_printf(
        "1 GROUP_BUSY: shop is busy: its shutdown runs (task %s); wait until it is done, "
        "or have --wait do so",
        task);
    refuse(f, "Async.domain_group.start", "\"shop\"", want);
    assert_state(f, "stopping");

    g_autoptr(JsonNode) owner = NULL;
    JsonObject *record = task_of(f, task, &owner);
    g_assert_cmpstr(json_object_get_string_member(record, "status"), ==, "pending");
    g_assert_cmpstr(json_object_get_string_member(record, "finished"), ==, "");
    f->loop->held = FALSE;
}

/* -- options and tasks -- */

#define ORDERED                                                                                    \
    "{\"name_label\":\"o\",\"directory\":\"/\",\"text\":\"name='o'\\nmembers=['web','db']\\n"      \
    "after=['web: db']\\nready=['db: tcp [::1]:5432 timeout=60']\\non_failure=['start: stop']\","  \
    "\"members\":[{\"path\":\"web\",\"text\":\"name = web\\nmemory = 32\\n\"},"                    \
    "{\"path\":\"db\",\"text\":\"name = db\\nmemory = 64\\nready_after = 30\\n\"}]}"

static char *text_of_node(JsonNode *node)
{
    return json_to_string(node, FALSE);
}

static void assert_member(JsonObject *object, const char *key, const char *want)
{
    g_autofree char *got = text_of_node(json_object_get_member(object, key));
    g_assert_cmpstr(got, ==, want);
}

static void test_refused_migration(Fixture *f, gconstpointer data)
{
    const char *migrate = "Async.domain_group.migrate", *settle = "domain_group.settle";
    const char *unknown = "1 GROUP_UNKNOWN: there is no group x: \"domgrp list\" shows those there "
                          "are";
    assert_operate(f, "Async.domain_group.create", DEFINITION, "success");
    refuse(f, migrate, "\"x\",\"hostb\"", unknown);
    refuse(f, migrate, "\"shop\"",
           "-32602 REQUEST_INVALID: Async.domain_group.migrate takes 3 parameters, not 2");
    refuse(f, migrate, "\"shop\",\"-oProxyCommand=x\"",
           "1 VALUE_INVALID: \"-oProxyCommand=x\" is no host: it begins like an option");
    refuse(f, migrate, "\"shop\",\"\"",
           "1 VALUE_INVALID: the host to migrate to has no name; say one that ssh knows");
    refuse(f, migrate, "\"shop\",\"b\",{\"command\":\"ssh\\n\"}",
           "1 VALUE_INVALID: a host, and the command that reaches it, is at most 1024 bytes of "
           "printable text");
    refuse(f, migrate, "\"shop\",\"b\",{\"ready_timeout\":86401}",
           "-32602 REQUEST_INVALID: Async.domain_group.migrate: options.ready_timeout must be from "
           "0 to 86400");
    refuse(f, migrate, "\"shop\",\"b\",{\"limit\":100001}",
           "-32602 REQUEST_INVALID: Async.domain_group.migrate: options.limit must be from 0 to "
           "100000");
    refuse(f, migrate, "\"shop\",\"b\",{\"limit\":-1}",
           "-32602 REQUEST_INVALID: Async.domain_group.migrate: options.limit must be from 0 to "
           "100000");
    refuse(f, migrate, "\"shop\",\"b\",{\"ordered\":true}",
           "-32602 REQUEST_INVALID: Async.domain_group.migrate: options has a key that is not "
           "known; it may have live, fast, command, limit, ready_timeout, without_groups, wait, "
           "dry_run");
    refuse(f, settle, "\"x\",\"\"", unknown);
    refuse(f, settle, "\"shop\",\"run\"",
           "1 VALUE_INVALID: \"run\" is no word about a migration: it is \"\", \"run-here\" or "
           "\"discard-here\"");
    refuse(f, settle, "\"shop\",\"run-here\"",
           "1 GROUP_STATE: no migration of shop is open: there is nothing to settle");
}

static void on_unwanted(gpointer data, GBytes *answer)
{
    *(gboolean *)data = TRUE;
    g_bytes_unref(answer);
}

/* Nobody waits any more for the answer to a word, which still comes. */
static void test_settle_hang_up(Fixture *f, gconstpointer data)
{
    assert_operate(f, "Async.domain_group.create", DEFINITION, "success");
    g_autofree char *request = request_of(f, "domain_group.settle", "\"shop\",\"\"");
    const Peer peer = {.uid = geteuid(), .allowed = TRUE};
    gboolean answered = FALSE;
    ApiCall *waiting = api_call(f->api, &peer, request, strlen(request), on_unwanted, &answered);
    g_assert_nonnull(waiting);
    api_call_cancel(waiting);
    refuse(f, "domain_group.settle", "\"shop\",\"\"",
           "1 GROUP_STATE: no migration of shop is open: there is nothing to settle");
    g_assert_false(answered);
}

static void test_options_refused(Fixture *f, gconstpointer data)
{
    assert_operate(f, "Async.domain_group.create", DEFINITION, "success");
    refuse(f, "Async.domain_group.pause", "\"shop\",{\"on_failure\":\"stop\"}",
           "-32602 REQUEST_INVALID: Async.domain_group.pause: options has a key that is not known; "
           "it may have wait, dry_run");
    refuse(f, "Async.domain_group.create", DEFINITION ",{\"wait\":true}",
           "-32602 REQUEST_INVALID: Async.domain_group.create: options has a key that is not "
           "known; it may have on_failure, dry_run");
    refuse(f, "Async.domain_group.start", "\"shop\",{\"on_failure\":1}",
           "-32602 REQUEST_INVALID: Async.domain_group.start: options.on_failure must be a string");
    refuse(f, "Async.domain_group.join", "\"shop\",\"x\",{\"wait\":1}",
           "-32602 REQUEST_INVALID: Async.domain_group.join: options.wait must be true or false");
    refuse(f, "Async.domain_group.start", "\"shop\",{\"on_failure\":\"retry\"}",
           "1 VALUE_INVALID: \"retry\" is not a failure policy: write one of default, rollback, "
           "continue, stop");
    refuse(f, "Async.domain_group.clean_reboot", "\"shop\",{\"on_failure\":\"rollback\"}",
           "1 VALUE_INVALID: \"reboot\" cannot be undone: use continue or stop, not rollback");
}

/* A dry run changes nothing, and its result is the plan, tier by tier. */
static void test_dry_run(Fixture *f, gconstpointer data)
{
    g_autofree char *task =
        call_text(f, "Async.domain_group.create", ORDERED ",{\"dry_run\":true}");
    refuse(f, "domain_group.get_record", "\"o\"",
           "1 GROUP_UNKNOWN: there is no group o: \"domgrp list\" shows those there are");
    g_autoptr(JsonNode) owner = NULL;
    JsonObject *record = task_of(f, task, &owner);
    assert_member(record, "status", "\"success\"");
    assert_member(record, "dry_run", "true");
    JsonObject *result = json_object_get_object_member(record, "result");
    JsonArray *plan = json_object_get_array_member(result, "plan");
    assert_member(result, "policy", "\"rollback\"");
    g_assert_cmpuint(json_array_get_length(plan), ==, 2);
    JsonObject *db = json_array_get_object_element(plan, 0);
    JsonObject *web = json_array_get_object_element(plan, 1);
    assert_member(db, "tier", "1");
    assert_member(db, "member", "\"db\"");
    assert_member(db, "ready", "\"tcp [::1]:5432\"");
    assert_member(web, "tier", "2");
    assert_member(web, "member", "\"web\"");
    assert_member(web, "ready", "\"\"");

    assert_operate(f, "Async.domain_group.create", DEFINITION, "success");
    g_autofree char *pause =
        call_text(f, "Async.domain_group.pause", "\"shop\",{\"dry_run\":true}");
    g_autoptr(JsonNode) owner2 = NULL;
    result = json_object_get_object_member(task_of(f, pause, &owner2), "result");
    assert_member(result, "plan", "[]");
    assert_state(f, "running");
}

/* What a task tells while its members wait, and of the group's settings. */
static void test_waiting(Fixture *f, gconstpointer data)
{
    f->loop->held = TRUE;
    g_autofree char *task = call_text(f, "Async.domain_group.create", ORDERED);
    host_sim_run_for(f->host, 20 * G_USEC_PER_SEC);
    g_autoptr(JsonNode) owner = NULL;
    JsonObject *record = task_of(f, task, &owner);
    assert_member(record, "status", "\"pending\"");
    JsonArray *members = json_object_get_array_member(record, "members");
    JsonObject *web = json_array_get_object_element(members, 0);
    JsonObject *db = json_array_get_object_element(members, 1);
    assert_member(web, "tier", "2");
    assert_member(web, "needs", "\"db\"");
    assert_member(web, "seen", "\"\"");
    assert_member(db, "tier", "1");
    assert_member(db, "needs", "\"\"");
    assert_member(db, "ready", "\"tcp [::1]:5432\"");
    assert_member(db, "seen", "\"connection refused\"");
    f->loop->held = FALSE;

    g_autoptr(JsonNode) group = call(f, "domain_group.get_record", "\"o\"");
    assert_member(json_node_get_object(group), "settings",
                  "[\"after web: db\",\"ready db: tcp [::1]:5432 timeout=60\",\"on_failure start: "
                  "stop\"]");
}

static void test_queue(Fixture *f, gconstpointer data)
{
    assert_operate(f, "Async.domain_group.create", DEFINITION, "success");
    f->loop->held = TRUE;
    g_autofree char *shutdown = call_text(f, "Async.domain_group.clean_shutdown", "\"shop\"");
    g_autofree char *start = call_text(f, "Async.domain_group.start", "\"shop\",{\"wait\":true}");
    g_autofree char *reboot =
        call_text(f, "Async.domain_group.clean_reboot",
                  "\"shop\",{\"wait\":true,\"on_failure\":\"continue\",\"timeout\":5}");
    g_autofree char *param = g_strdup_printf("\"%s\"", reboot);
    g_autoptr(JsonNode) owner = NULL, owner2 = NULL, owner3 = NULL;
    JsonObject *record = task_of(f, reboot, &owner);
    assert_member(record, "status", "\"pending\"");
    assert_member(record, "queued", "true");
    assert_member(record, "policy", "\"continue\"");

    g_autoptr(JsonNode) nothing = call(f, "task.cancel", param);
    record = task_of(f, reboot, &owner2);
    assert_member(record, "status", "\"cancelled\"");
    assert_member(record, "error_info", "[\"CANCELLED\",\"reboot of shop was cancelled\"]");
    refuse(f, "task.cancel", param, "1 GROUP_STATE: the reboot of shop is over");
    refuse(f, "task.cancel", "\"x\"", "1 TASK_UNKNOWN: there is no task x");
    f->loop->held = FALSE;

    assert_state(f, "running");
    record = task_of(f, start, &owner3);
    assert_member(record, "status", "\"success\"");
    assert_member(record, "queued", "false");
}

static void test_http(Fixture *f, gconstpointer data)
{
    static const struct {
        const char *method, *path, *body, *want;
    } cases[] = {
        {"GET", "/jsonrpc", NULL, "-32600 REQUEST_INVALID: only POST is taken here"},
        {"POST", "/", "{}", "-32600 REQUEST_INVALID: there is nothing at this path; use /jsonrpc"},
        {"POST", "/jsonrpc", "", "-32700 REQUEST_INVALID: the request is empty"},
        {"POST", "/jsonrpc", "{", "-32700 REQUEST_INVALID: the request is not JSON"},
        {"POST", "/jsonrpc", "[]",
         "-32600 REQUEST_INVALID: a batch of requests is not taken; send them one by one"},
    };
    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *answer = http(f, cases[i].method, cases[i].path, cases[i].body);
        g_autofree char *got = error_of(answer);
        g_assert_cmpstr(got, ==, cases[i].want);
    }
}

/* -- sessions -- */

static void test_session(Fixture *f, gconstpointer data)
{
    const char *want = "1 SESSION_INVALID: the session is unknown or has ended; log in again";
    g_autofree char *session = g_strdup(f->session);
    g_free(f->session);
    f->session = g_strdup("nonsense");
    refuse(f, "domain_group.get_all", "", want);
    /* The session is looked at before the other parameters. */
    refuse(f, "domain_group.get_record", "7", want);
    g_free(f->session);
    f->session = g_strdup(session);
    g_autoptr(JsonNode) good = call(f, "domain_group.get_all", "");
    g_autoptr(JsonNode) out = call(f, "session.logout", "");
    refuse(f, "domain_group.get_all", "", want);
}

static void on_answer(gpointer data, GBytes *answer)
{
    *(char **)data = g_strndup(g_bytes_get_data(answer, NULL), g_bytes_get_size(answer));
    g_bytes_unref(answer);
}

static void test_permission(Fixture *f, gconstpointer data)
{
    const Peer stranger = {.uid = 12345, .gid = 12345, .allowed = FALSE};
    const char *login = "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"session.login_with_password\","
                        "\"params\":[\"root\",\"\"]}";
    g_autofree char *answer = NULL;
    g_assert_null(api_call(f->api, &stranger, login, strlen(login), on_answer, &answer));
    g_autofree char *error = error_of(answer);
    g_assert_cmpstr(error, ==,
                    "1 PERMISSION_DENIED: user 12345 may not use domgrpd; root and the members of "
                    "its socket's group may");

    /* Another's session is of no use to it. */
    g_autofree char *request = request_of(f, "domain_group.get_all", "");
    g_autofree char *answer2 = NULL;
    g_assert_null(api_call(f->api, &stranger, request, strlen(request), on_answer, &answer2));
    g_autofree char *error2 = error_of(answer2);
    g_assert_cmpstr(error2, ==,
                    "1 SESSION_INVALID: the session is unknown or has ended; log in again");

    struct stat status;
    g_assert_cmpint(stat(f->path, &status), ==, 0);
    g_assert_cmpint(status.st_mode & 07777, ==, 0660);
    g_autofree char *folder = g_path_get_dirname(f->path);
    g_assert_cmpint(stat(folder, &status), ==, 0);
    g_assert_cmpint(status.st_mode & 07022, ==, 0);
}

/* -- events -- */

static void test_events(Fixture *f, gconstpointer data)
{
    g_autoptr(JsonNode) first = call(f, "event.from", "[\"*\"],\"\",0");
    JsonObject *snapshot = json_node_get_object(first);
    g_assert_true(json_object_get_boolean_member(snapshot, "snapshot"));
    g_assert_cmpuint(json_array_get_length(json_object_get_array_member(snapshot, "events")), ==,
                     2);

    /* A call that waits is answered by what happens meanwhile. */
    GBytes *answer;
    g_autofree char *params = g_strdup_printf("[\"domain_group/" UUID_SHOP "\"],\"%s\",60",
                                              json_object_get_string_member(snapshot, "token"));
    g_autofree char *request = request_of(f, "event.from", params);
    begin(f, "POST", "/jsonrpc", request, &answer);
    assert_operate(f, "Async.domain_group.create", DEFINITION, "success");
    g_autofree char *text = end(&answer);
    g_autoptr(JsonNode) second = result_of(text);
    JsonArray *events = json_object_get_array_member(json_node_get_object(second), "events");
    g_assert_cmpuint(json_array_get_length(events), ==, 1);
    JsonObject *event = json_array_get_object_element(events, 0);
    g_assert_cmpstr(json_object_get_string_member(event, "operation"), ==, "add");
    g_assert_cmpstr(json_object_get_string_member(event, "class"), ==, "domain_group");
    g_assert_cmpstr(json_object_get_string_member(event, "ref"), ==, UUID_SHOP);
    g_assert_cmpstr(json_object_get_string_member(json_object_get_object_member(event, "snapshot"),
                                                  "name_label"),
                    ==, "shop");
    g_assert_false(json_object_get_boolean_member(json_node_get_object(second), "snapshot"));
}

/* More waiting calls than there is room for: the last is refused, others are served. */
static void test_events_flood(Fixture *f, gconstpointer data)
{
    GBytes *answers[EVENTS_WAITS_MAX + 1];
    g_autoptr(JsonNode) first = call(f, "event.from", "[\"*\"],\"\",0");
    g_autofree char *params = g_strdup_printf(
        "[\"*\"],\"%s\",60", json_object_get_string_member(json_node_get_object(first), "token"));
    g_autofree char *request = request_of(f, "event.from", params);
    for (guint i = 0; i < EVENTS_WAITS_MAX + 1; i++)
        begin(f, "POST", "/jsonrpc", request, &answers[i]);
    guint refused = EVENTS_WAITS_MAX + 1;
    while (refused > EVENTS_WAITS_MAX) {
        g_main_context_iteration(NULL, TRUE);
        for (guint i = 0; i < EVENTS_WAITS_MAX + 1; i++)
            if (answers[i] != NULL)
                refused = i;
    }
    g_autofree char *text = end(&answers[refused]);
    g_autofree char *error = error_of(text);
    g_assert_cmpstr(error, ==,
                    "1 GROUP_LIMIT: 64 calls of event.from wait already; try again later");

    assert_operate(f, "Async.domain_group.create", DEFINITION, "success");
    for (guint i = 0; i < EVENTS_WAITS_MAX + 1; i++) {
        if (i == refused)
            continue;
        g_autofree char *other = end(&answers[i]);
        g_autoptr(JsonNode) result = result_of(other);
    }
}

/* -- bad clients -- */

static int connect_raw(const Fixture *f, const char *text)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GSocketAddress) address = g_unix_socket_address_new(f->path);
    g_autoptr(GSocket) socket =
        g_socket_new(G_SOCKET_FAMILY_UNIX, G_SOCKET_TYPE_STREAM, G_SOCKET_PROTOCOL_DEFAULT, NULL);
    g_socket_connect(socket, address, NULL, &error);
    g_assert_no_error(error);
    g_assert_cmpint(g_socket_send(socket, text, strlen(text), NULL, NULL), ==, strlen(text));
    return dup(g_socket_get_fd(socket));
}

/* Whether the daemon has ended the connection; what it sent first is thrown away. */
static gboolean is_ended(int fd)
{
    char text[4096];
    gssize n = recv(fd, text, sizeof(text), MSG_DONTWAIT);
    return n == 0 || (n < 0 && errno != EAGAIN);
}

static void wait_ended(int fd)
{
    while (!is_ended(fd))
        g_main_context_iteration(NULL, TRUE);
    close(fd);
}

static void wait_connections(const Fixture *f, guint n)
{
    while (server_connections(f->server) != n)
        g_main_context_iteration(NULL, TRUE);
}

/* Clients that are slow in every way: each loses its connection, nobody else waits long. */
static void test_slow(Fixture *f, gconstpointer data)
{
    static const char *const texts[] = {
        "",
        "POST /jsonrpc HT",
        "POST /jsonrpc HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{",
        "POST /jsonrpc HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab",
    };
    int fds[8];
    for (guint i = 0; i < G_N_ELEMENTS(fds); i++)
        fds[i] = connect_raw(f, texts[i % G_N_ELEMENTS(texts)]);
    wait_connections(f, 4);
    /* All four places are taken and four wait, yet this is answered when they are gone. */
    g_autoptr(JsonNode) result = call(f, "domain_group.get_all", "");
    for (guint i = 0; i < G_N_ELEMENTS(fds); i++)
        wait_ended(fds[i]);
    wait_connections(f, 0);
}

/* A group of 64 members with long names. */
static char *definition_big(guint number)
{
    GString *text = g_string_new(NULL);
    g_string_printf(
        text, "{\"name_label\":\"g%u\",\"directory\":\"/\",\"text\":\"name='g%u'\\nmembers=['0'",
        number, number);
    for (guint i = 1; i < 64; i++)
        g_string_append_printf(text, ",'%u'", i);
    g_string_append(text, "]\\n\",\"members\":[");
    for (guint i = 0; i < 64; i++)
        g_string_append_printf(text,
                               "%s{\"path\":\"%u\",\"text\":\"name = g%u-%050u\\nmemory = 1\\n\"}",
                               i == 0 ? "" : ",", i, number, i);
    g_string_append(text, "]}");
    return g_string_free(text, FALSE);
}

/* A client that never reads its answer, which is longer than a socket holds. */
static void test_unread(Fixture *f, gconstpointer data)
{
    g_autofree char *request = request_of(f, "domain_group.get_all_records", "");
    for (guint i = 0; i < 20; i++) {
        g_autofree char *definition = definition_big(i);
        assert_operate(f, "Async.domain_group.create", definition, "success");
    }
    g_autofree char *text =
        g_strdup_printf("POST /jsonrpc HTTP/1.1\r\nHost: x\r\nContent-Length: %zu\r\n\r\n%s",
                        strlen(request), request);
    wait_connections(f, 0);
    int fd = connect_raw(f, text);
    wait_connections(f, 1);
    wait_connections(f, 0);
    close(fd);
}

static void test_broken(Fixture *f, gconstpointer data)
{
    static const char *const texts[] = {
        "\r\n\r\n",
        "nonsense\r\n\r\n",
        "POST\r\n\r\n",
        "POST /jsonrpc HTTP/1.0\r\n\r\n",
        "POST /jsonrpc HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
        "POST /jsonrpc HTTP/1.1\r\nHost: x\r\nContent-Length: 18446744073709551615\r\n\r\n{",
        "POST /jsonrpc HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        "POST /jsonrpc HTTP/9.9\r\nHost: x\r\n\r\n",
        "POST /%00%zz/../jsonrpc HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        "GET /jsonrpc HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
        "POST /jsonrpc HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 9\r\n\r\n",
        "CONNECT x:1 HTTP/1.1\r\nHost: x\r\n\r\n",
        "OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n",
    };
    for (guint i = 0; i < G_N_ELEMENTS(texts); i++) {
        wait_ended(connect_raw(f, texts[i]));
        int fd = connect_raw(f, texts[i]);
        close(fd);
    }
    wait_connections(f, 0);
    g_autoptr(JsonNode) result = call(f, "domain_group.get_all", "");
}

/* Said to be too long: refused before it is sent. */
static void test_too_long(Fixture *f, gconstpointer data)
{
    g_autofree char *body = g_strnfill(SERVER_REQUEST_MAX + 1, ' ');
    g_autofree char *answer = http(f, "POST", "/jsonrpc", body);
    g_autofree char *error = error_of(answer);
    g_assert_cmpstr(error, ==, "-32600 GROUP_LIMIT: the request is longer than 16 MiB");
}

/* libsoup forgets a string of such a request: 9 bytes that are its own affair. */
static void test_encoding(Fixture *f, gconstpointer data)
{
#ifdef __SANITIZE_ADDRESS__
    __lsan_disable();
#endif
    wait_ended(
        connect_raw(f, "POST /jsonrpc HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip\r\n\r\n"));
#ifdef __SANITIZE_ADDRESS__
    __lsan_enable();
#endif
}

/* Sends as much as the daemon takes, for as long as it takes it. */
static gsize send_for_ever(int fd, const char *chunk)
{
    gsize sent = 0;
    for (;;) {
        gssize n = send(fd, chunk, strlen(chunk), MSG_DONTWAIT | MSG_NOSIGNAL);
        if (n > 0)
            sent += n;
        else if (n < 0 && errno != EAGAIN)
            return sent;
        g_main_context_iteration(NULL, n < 0);
    }
}

/* The deadline ends it, and memory does not grow with it. */
static void test_endless(Fixture *f, gconstpointer data)
{
    g_autofree char *chunk = g_strnfill(65536, ' ');
    g_autofree char *framed = g_strdup_printf("10000\r\n%s\r\n", chunk);

    int fd =
        connect_raw(f, "POST /jsonrpc HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n");
    g_assert_cmpuint(send_for_ever(fd, framed), >, 0);
    close(fd);
    fd = connect_raw(f, "POST /jsonrpc HTTP/1.1\r\nX: ");
    g_assert_cmpuint(send_for_ever(fd, chunk), >, 0);
    close(fd);
    wait_connections(f, 0);
}

/* Those who hang up while they wait make room at once. */
static void test_hang_up(Fixture *f, gconstpointer data)
{
    g_autoptr(JsonNode) first = call(f, "event.from", "[\"*\"],\"\",0");
    g_autofree char *params = g_strdup_printf(
        "[\"*\"],\"%s\",3600", json_object_get_string_member(json_node_get_object(first), "token"));
    g_autofree char *request = request_of(f, "event.from", params);
    g_autofree char *text =
        g_strdup_printf("POST /jsonrpc HTTP/1.1\r\nHost: x\r\nContent-Length: %zu\r\n\r\n%s",
                        strlen(request), request);
    wait_connections(f, 0);
    for (guint i = 0; i < 3 * EVENTS_WAITS_MAX; i++) {
        int fd = connect_raw(f, text);
        wait_connections(f, 1);
        close(fd);
        wait_connections(f, 0);
    }
}

/* The daemon ends with a call waiting, a request half sent and a client that says nothing. */
static void test_end(Fixture *f, gconstpointer data)
{
    g_autofree char *request = request_of(f, "event.from", "[\"task/x\"],\"\",60");
    g_autofree char *text =
        g_strdup_printf("POST /jsonrpc HTTP/1.1\r\nHost: x\r\nContent-Length: %zu\r\n\r\n%s",
                        strlen(request), request);
    wait_connections(f, 0);
    int waiting = connect_raw(f, text);
    int half = connect_raw(f, "POST /jsonrpc HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n{");
    int silent = connect_raw(f, "");
    wait_connections(f, 3);
    /* A request after it is answered when the one that waits has been read. */
    g_autoptr(JsonNode) result = call(f, "domain_group.get_all", "");
    server_free(g_steal_pointer(&f->server));
    wait_ended(waiting);
    wait_ended(half);
    wait_ended(silent);
}

static void test_socket(Fixture *f, gconstpointer data)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *file = g_build_filename(f->directory, "file", NULL);
    g_autofree char *long_name = g_strnfill(200, 'x');
    g_autofree char *long_path = g_build_filename(f->directory, long_name, NULL);
    ServerOptions options = {.path = file, .group = PEER_NO_GROUP};
    g_assert_true(g_file_set_contents(file, "", 0, NULL));
    g_assert_null(server_new(f->api, &options, &error));
    g_assert_error(error, DOMGRP_ERROR, DOMGRP_ERROR_FILE);
    g_clear_error(&error);
    g_assert_true(g_file_test(file, G_FILE_TEST_EXISTS));

    options.path = long_path;
    g_assert_null(server_new(f->api, &options, &error));
    g_assert_error(error, DOMGRP_ERROR, DOMGRP_ERROR_VALUE);
    g_clear_error(&error);

    /* A socket that a daemon left behind when it was killed. */
    g_unlink(file);
    g_autoptr(GSocketAddress) address = g_unix_socket_address_new(file);
    g_autoptr(GSocket) left =
        g_socket_new(G_SOCKET_FAMILY_UNIX, G_SOCKET_TYPE_STREAM, G_SOCKET_PROTOCOL_DEFAULT, NULL);
    g_assert_true(g_socket_bind(left, address, FALSE, NULL));
    options.path = file;
    Server *server = server_new(f->api, &options, &error);
    g_assert_no_error(error);
    server_free(server);
    g_assert_false(g_file_test(file, G_FILE_TEST_EXISTS));
}

#define ADD(name, setup, function) g_test_add(name, Fixture, NULL, setup, function, teardown)

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    ADD("/life", setup, test_life);
    ADD("/records", setup, test_records);
    ADD("/pause-result", setup, test_pause_result);
    ADD("/image/life", setup, test_image_life);
    ADD("/image/record", setup, test_image_record);
    ADD("/image/none", setup, test_image_none);
    ADD("/image/refused", setup, test_image_refused);
    ADD("/image/cancel", setup, test_image_cancel);
    ADD("/refused", setup, test_refused);
    ADD("/refused/create", setup, test_refused_create);
    ADD("/refused/migration", setup, test_refused_migration);
    ADD("/refused/settle-hang-up", setup, test_settle_hang_up);
    ADD("/refused/busy", setup, test_busy);
    ADD("/options/refused", setup, test_options_refused);
    ADD("/options/dry-run", setup, test_dry_run);
    ADD("/tasks/waiting", setup, test_waiting);
    ADD("/tasks/queue", setup, test_queue);
    ADD("/refused/http", setup, test_http);
    ADD("/session", setup, test_session);
    ADD("/permission", setup, test_permission);
    ADD("/events", setup, test_events);
    ADD("/events/flood", setup, test_events_flood);
    ADD("/bad/slow", setup_small, test_slow);
    ADD("/bad/broken", setup_small, test_broken);
    ADD("/bad/encoding", setup_small, test_encoding);
    ADD("/bad/too-long", setup, test_too_long);
    ADD("/bad/endless", setup_small, test_endless);
    ADD("/bad/hang-up", setup, test_hang_up);
    ADD("/end", setup, test_end);
    ADD("/socket", setup, test_socket);
    if (g_test_slow())
        ADD("/slow/unread", setup_small, test_unread);
    return g_test_run();
}
