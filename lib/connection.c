/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The socket, the session and calls: JSON-RPC 2.0 over HTTP, by libsoup. */
#include "private.h"

#include <gio/gunixsocketaddress.h>
#include <libsoup/soup.h>
#include <string.h>

struct DomgrpConnection {
    SoupSession *http;
    char *path;
    char *session; /* the daemon's reference; NULL before the login */
};

/* -- failures -- */

static void fail_transport(const DomgrpConnection *connection, const GError *cause, GError **error)
{
    if (g_error_matches(cause, G_IO_ERROR, G_IO_ERROR_PERMISSION_DENIED))
        g_set_error(error, DOMGRP_ERROR, DOMGRP_ERROR_PERMISSION,
                    "you may not use %s; only root and the members of its group may",
                    connection->path);
    else if (g_error_matches(cause, G_IO_ERROR, G_IO_ERROR_NOT_FOUND) ||
             g_error_matches(cause, G_IO_ERROR, G_IO_ERROR_CONNECTION_REFUSED))
        g_set_error(error, DOMGRP_ERROR, DOMGRP_ERROR_DAEMON,
                    "domgrpd does not run (nobody answers at %s); start it with \"systemctl start "
                    "domgrpd\"",
                    connection->path);
    else if (g_error_matches(cause, G_IO_ERROR, G_IO_ERROR_TIMED_OUT))
        g_set_error(
            error, DOMGRP_ERROR, DOMGRP_ERROR_DAEMON,
            "domgrpd has not answered for %d s; look at this host's load and at \"systemctl "
            "status domgrpd\"",
            CONNECTION_TIMEOUT_S);
    else
        g_set_error(error, DOMGRP_ERROR, DOMGRP_ERROR_DAEMON,
                    "domgrpd broke off (%s); look at \"systemctl status domgrpd\"", cause->message);
}

static void fail_answer(GError **error)
{
    g_set_error(error, DOMGRP_ERROR, DOMGRP_ERROR_DAEMON,
                "domgrpd's answer is not understood; is it of another version?");
}

static void fail_method(JsonObject *failure, GError **error)
{
    JsonArray *data = record_array(failure, "data");
    g_autofree char *name = record_text(failure, "message");
    JsonNode *sentence =
        data != NULL && json_array_get_length(data) > 1 ? json_array_get_element(data, 1) : NULL;
    if (sentence == NULL || !JSON_NODE_HOLDS_VALUE(sentence) ||
        json_node_get_value_type(sentence) != G_TYPE_STRING) {
        fail_answer(error);
        return;
    }
    g_set_error_literal(error, DOMGRP_ERROR, domgrp_error_from_name(name),
                        json_node_get_string(sentence));
}

/* -- requests and answers -- */

static GBytes *request_of(const char *method, JsonArray *params)
{
    JsonObject *object = json_object_new();
    json_object_set_string_member(object, "jsonrpc", "2.0");
    json_object_set_int_member(object, "id", 1);
    json_object_set_string_member(object, "method", method);
    json_object_set_array_member(object, "params", json_array_ref(params));
    g_autoptr(JsonNode) root = json_node_new(JSON_NODE_OBJECT);
    json_node_take_object(root, object);
    char *text = json_to_string(root, FALSE);
    return g_bytes_new_take(text, strlen(text));
}

static GBytes *send(DomgrpConnection *connection, GBytes *request, GError **error)
{
    g_autoptr(GError) cause = NULL;
    g_autoptr(SoupMessage) message = soup_message_new("POST", "http://domgrp/jsonrpc");
    soup_message_set_request_body_from_bytes(message, "application/json", request);
    GBytes *answer = soup_session_send_and_read(connection->http, message, NULL, &cause);
    if (answer == NULL)
        fail_transport(connection, cause, error);
    return answer;
}

static JsonNode *result_of(GBytes *answer, GError **error)
{
    gsize length;
    const char *text = g_bytes_get_data(answer, &length);
    g_autoptr(JsonParser) parser = json_parser_new_immutable();
    JsonNode *root = NULL;
    if (length == 0) {
        g_set_error(error, DOMGRP_ERROR, DOMGRP_ERROR_DAEMON,
                    "domgrpd broke off in the middle of its answer; look at \"systemctl status "
                    "domgrpd\"");
        return NULL;
    }
    if (json_parser_load_from_data(parser, text, length, NULL))
        root = json_parser_get_root(parser);
    if (root == NULL || !JSON_NODE_HOLDS_OBJECT(root)) {
        fail_answer(error);
        return NULL;
    }
    JsonObject *object = json_node_get_object(root);
    JsonObject *failure = record_object(object, "error");
    JsonNode *result = json_object_get_member(object, "result");
    if (failure != NULL) {
        fail_method(failure, error);
        return NULL;
    }
    if (result == NULL) {
        fail_answer(error);
        return NULL;
    }
    return json_node_copy(result);
}

static JsonNode *call_raw(DomgrpConnection *connection, const char *method, JsonArray *params,
                          GError **error)
{
    g_autoptr(GBytes) request = request_of(method, params);
    g_autoptr(GBytes) answer = send(connection, request, error);
    return answer == NULL ? NULL : result_of(answer, error);
}

/* -- sessions -- */

static gboolean login(DomgrpConnection *connection, GError **error)
{
    g_autoptr(JsonArray) params = json_array_new();
    json_array_add_string_element(params, g_get_user_name());
    json_array_add_string_element(params, "");
    json_array_add_string_element(params, "1.0");
    json_array_add_string_element(params, "libdomgrp");
    g_autoptr(JsonNode) result = call_raw(connection, "session.login_with_password", params, error);
    if (result == NULL)
        return FALSE;
    if (!JSON_NODE_HOLDS_VALUE(result) || json_node_get_value_type(result) != G_TYPE_STRING) {
        fail_answer(error);
        return FALSE;
    }
    g_free(connection->session);
    connection->session = json_node_dup_string(result);
    return TRUE;
}

static JsonNode *call_in_session(DomgrpConnection *connection, const char *method,
                                 JsonArray *params, GError **error)
{
    g_autoptr(JsonArray) all = json_array_new();
    json_array_add_string_element(all, connection->session);
    for (guint i = 0; params != NULL && i < json_array_get_length(params); i++)
        json_array_add_element(all, json_node_ref(json_array_get_element(params, i)));
    return call_raw(connection, method, all, error);
}

JsonNode *domgrp_connection_call(DomgrpConnection *connection, const char *method,
                                 JsonArray *params, GError **error)
{
    g_autoptr(JsonArray) owned = params;
    g_autoptr(GError) inner = NULL;
    JsonNode *result = call_in_session(connection, method, owned, &inner);
    if (result == NULL && g_error_matches(inner, DOMGRP_ERROR, DOMGRP_ERROR_SESSION)) {
        /* The daemon was restarted, or has ended the session for want of room. */
        if (!login(connection, error))
            return NULL;
        return call_in_session(connection, method, owned, error);
    }
    if (result == NULL)
        g_propagate_error(error, g_steal_pointer(&inner));
    return result;
}

DomgrpConnection *domgrp_connection_open(const char *socket_path, GError **error)
{
    DomgrpConnection *connection = g_new0(DomgrpConnection, 1);
    connection->path = g_strdup(socket_path == NULL ? DOMGRP_SOCKET_PATH : socket_path);
    g_autoptr(GSocketAddress) address = g_unix_socket_address_new(connection->path);
    connection->http = soup_session_new_with_options("remote-connectable", address, "timeout",
                                                     CONNECTION_TIMEOUT_S, NULL);
    if (!login(connection, error)) {
        domgrp_connection_close(connection);
        return NULL;
    }
    return connection;
}

void domgrp_connection_close(DomgrpConnection *connection)
{
    if (connection == NULL)
        return;
    if (connection->session != NULL) {
        JsonNode *result = call_in_session(connection, "session.logout", NULL, NULL);
        g_clear_pointer(&result, json_node_unref);
    }
    g_object_unref(connection->http);
    g_free(connection->session);
    g_free(connection->path);
    g_free(connection);
}
