/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Requests, parameters and answers of JSON-RPC 2.0; no method and no engine. */
#include "rpc.h"

#include <math.h>
#include <string.h>

#define REFUSE(error, ...) g_set_error(error, DOMGRP_ERROR, DOMGRP_ERROR_REQUEST, __VA_ARGS__)

/* -- text -- */

/* What may stand outside strings: json-glib would take comments and more. */
static gboolean char_is_plain(char c)
{
    return g_ascii_isalnum(c) || (c != '\0' && strchr(" \t\r\n{}[]:,+-.", c) != NULL);
}

/* The number that "\\uXXXX" at @at stands for; 0, which is refused, if it is none. */
static guint escape_read(const char *at, const char *end)
{
    guint number = 0;
    if (end - at < 6 || at[0] != '\\' || at[1] != 'u')
        return 0;
    for (int i = 2; i < 6; i++) {
        if (!g_ascii_isxdigit(at[i]))
            return 0;
        number = number * 16 + g_ascii_xdigit_value(at[i]);
    }
    return number;
}

/* How long the escape at @at is; 0 if its string would have a NUL or be no UTF-8. */
static gsize escape_length(const char *at, const char *end)
{
    if (end - at < 2 || at[1] != 'u')
        return 2;
    guint number = escape_read(at, end);
    if (number == 0 || (number & 0xFC00) == 0xDC00)
        return 0;
    if ((number & 0xFC00) != 0xD800)
        return 6;
    return (escape_read(at + 6, end) & 0xFC00) == 0xDC00 ? 12 : 0;
}

/* Steps to the end of the string that begins at @at; NULL if it does not end or is bad. */
static const char *string_skip(const char *at, const char *end)
{
    at++;
    while (at < end && *at != '"') {
        gsize length = *at == '\\' ? escape_length(at, end) : 1;
        if (length == 0)
            return NULL;
        at += length;
    }
    return at < end ? at : NULL;
}

static gboolean text_check(const char *text, gsize length, GError **error)
{
    if (!g_utf8_validate_len(text, length, NULL)) {
        REFUSE(error, "the request is not text in UTF-8");
        return FALSE;
    }
    guint depth = 0;
    const char *end = text + length;
    for (const char *at = text; at < end; at++) {
        if (*at == '"')
            at = string_skip(at, end);
        else if (!char_is_plain(*at))
            at = NULL;
        else if (*at == '{' || *at == '[')
            depth++;
        else if ((*at == '}' || *at == ']') && depth > 0)
            depth--;
        if (at == NULL) {
            REFUSE(error, "the request is not JSON");
            return FALSE;
        }
        if (depth > RPC_DEPTH_MAX) {
            REFUSE(error, "the request nests deeper than %d", RPC_DEPTH_MAX);
            return FALSE;
        }
    }
    return TRUE;
}

static JsonNode *text_parse(const char *text, gsize length, GError **error)
{
    if (!text_check(text, length, error))
        return NULL;
    g_autoptr(JsonParser) parser = json_parser_new_immutable();
    if (!json_parser_load_from_data(parser, text, length, NULL)) {
        REFUSE(error, "the request is not JSON");
        return NULL;
    }
    JsonNode *root = json_parser_steal_root(parser);
    if (root == NULL)
        REFUSE(error, "the request is empty");
    return root;
}

/* -- requests -- */

void rpc_request_clear(RpcRequest *request)
{
    g_clear_pointer(&request->root, json_node_unref);
    *request = (RpcRequest){0};
}

static gboolean node_is_string(JsonNode *node)
{
    return node != NULL && JSON_NODE_HOLDS_VALUE(node) &&
           json_node_get_value_type(node) == G_TYPE_STRING;
}

static gboolean node_is_number(JsonNode *node)
{
    if (node == NULL || !JSON_NODE_HOLDS_VALUE(node))
        return FALSE;
    GType type = json_node_get_value_type(node);
    return type == G_TYPE_INT64 || type == G_TYPE_DOUBLE;
}

static gboolean node_is_integer(JsonNode *node)
{
    return node_is_number(node) && json_node_get_value_type(node) == G_TYPE_INT64;
}

static gboolean request_read(RpcRequest *request, GError **error)
{
    if (JSON_NODE_HOLDS_ARRAY(request->root)) {
        REFUSE(error, "a batch of requests is not taken; send them one by one");
        return FALSE;
    }
    if (!JSON_NODE_HOLDS_OBJECT(request->root)) {
        REFUSE(error, "the request is not an object");
        return FALSE;
    }
    JsonObject *object = json_node_get_object(request->root);
    JsonNode *id = json_object_get_member(object, "id");
    if (!node_is_string(id) && !node_is_integer(id)) {
        REFUSE(error, "the request has no \"id\" that is a string or a whole number");
        return FALSE;
    }
    request->id = id;

    JsonNode *version = json_object_get_member(object, "jsonrpc");
    if (!node_is_string(version) || strcmp(json_node_get_string(version), "2.0") != 0) {
        REFUSE(error, "the request has no \"jsonrpc\" that is \"2.0\"");
        return FALSE;
    }
    JsonNode *method = json_object_get_member(object, "method");
    if (!node_is_string(method)) {
        REFUSE(error, "the request has no \"method\" that is a string");
        return FALSE;
    }
    JsonNode *params = json_object_get_member(object, "params");
    if (params != NULL && !JSON_NODE_HOLDS_ARRAY(params)) {
        REFUSE(error, "the request's \"params\" are not a list");
        return FALSE;
    }
    request->method = json_node_get_string(method);
    request->params = params == NULL ? NULL : json_node_get_array(params);
    return TRUE;
}

gboolean rpc_request_parse(const char *text, gsize length, RpcRequest *ret_request,
                           RpcCode *ret_code, GError **error)
{
    *ret_request = (RpcRequest){0};
    *ret_code = RPC_CODE_PARSE;
    ret_request->root = text_parse(text, length, error);
    if (ret_request->root == NULL)
        return FALSE;
    *ret_code = RPC_CODE_REQUEST;
    return request_read(ret_request, error);
}

/* -- parameters -- */

const char *rpc_type_name(RpcType type)
{
    static const char *const names[] = {
        [RPC_STRING] = "a string",           [RPC_STRINGS] = "a list of strings",
        [RPC_NUMBER] = "a number",           [RPC_INTEGER] = "a whole number",
        [RPC_BOOLEAN] = "true or false",     [RPC_OBJECT] = "an object",
        [RPC_OBJECTS] = "a list of objects",
    };
    return names[type];
}

static gboolean value_check(const char *where, JsonNode *node, const RpcField *field,
                            GError **error);

static gboolean fields_check(const char *where, JsonObject *object, const RpcField *fields,
                             GError **error)
{
    guint known = 0;
    for (const RpcField *field = fields; field->name != NULL; field++) {
        JsonNode *node = json_object_get_member(object, field->name);
        if (node == NULL && field->optional)
            continue;
        if (node == NULL) {
            REFUSE(error, "%s has no \"%s\"", where, field->name);
            return FALSE;
        }
        g_autofree char *inner = g_strdup_printf("%s.%s", where, field->name);
        if (!value_check(inner, node, field, error))
            return FALSE;
        known++;
    }
    if (json_object_get_size(object) > known) {
        g_autoptr(GString) names = g_string_new(NULL);
        for (const RpcField *field = fields; field->name != NULL; field++)
            g_string_append_printf(names, "%s%s", names->len == 0 ? "" : ", ", field->name);
        REFUSE(error, "%s has a key that is not known; it may have %s", where, names->str);
        return FALSE;
    }
    return TRUE;
}

static gboolean list_check(const char *where, JsonNode *node, const RpcField *field, GError **error)
{
    JsonArray *array = json_node_get_array(node);
    guint n = json_array_get_length(array);
    if (field->max > 0 && n > field->max) {
        REFUSE(error, "%s has %u elements; it may have %.0f", where, n, field->max);
        return FALSE;
    }
    RpcField element = *field;
    element.type = field->type == RPC_STRINGS ? RPC_STRING : RPC_OBJECT;
    for (guint i = 0; i < n; i++) {
        g_autofree char *inner = g_strdup_printf("%s[%u]", where, i);
        if (!value_check(inner, json_array_get_element(array, i), &element, error))
            return FALSE;
    }
    return TRUE;
}

static gboolean type_matches(JsonNode *node, RpcType type)
{
    switch (type) {
    case RPC_STRING:
        return node_is_string(node);
    case RPC_STRINGS:
    case RPC_OBJECTS:
        return JSON_NODE_HOLDS_ARRAY(node);
    case RPC_NUMBER:
        return node_is_number(node);
    case RPC_INTEGER:
        return node_is_integer(node);
    case RPC_BOOLEAN:
        return JSON_NODE_HOLDS_VALUE(node) && json_node_get_value_type(node) == G_TYPE_BOOLEAN;
    case RPC_OBJECT:
        return JSON_NODE_HOLDS_OBJECT(node);
    }
    return FALSE;
}

static gboolean value_check(const char *where, JsonNode *node, const RpcField *field,
                            GError **error)
{
    if (!type_matches(node, field->type)) {
        REFUSE(error, "%s must be %s", where, rpc_type_name(field->type));
        return FALSE;
    }
    switch (field->type) {
    case RPC_NUMBER:
    case RPC_INTEGER: {
        double value = json_node_get_double(node);
        if (isfinite(value) && value >= 0 && value <= field->max)
            return TRUE;
        REFUSE(error, "%s must be from 0 to %.0f", where, field->max);
        return FALSE;
    }
    case RPC_OBJECT:
        return fields_check(where, json_node_get_object(node), field->fields, error);
    case RPC_STRINGS:
    case RPC_OBJECTS:
        return list_check(where, node, field, error);
    case RPC_STRING:
    case RPC_BOOLEAN:
        return TRUE;
    }
    return TRUE;
}

gboolean rpc_params_check(const char *method, JsonArray *params, guint first,
                          const RpcField *fields, GError **error)
{
    guint n = params == NULL ? 0 : json_array_get_length(params);
    guint most = first, least = first;
    for (const RpcField *field = fields; field->name != NULL; field++) {
        most++;
        if (!field->optional)
            least = most;
    }
    if (n < least || n > most) {
        REFUSE(error, "%s takes %u parameters, not %u", method, n < least ? least : most, n);
        return FALSE;
    }
    for (guint i = first; i < n; i++) {
        const RpcField *field = &fields[i - first];
        g_autofree char *where = g_strdup_printf("%s: %s", method, field->name);
        if (!value_check(where, json_array_get_element(params, i), field, error))
            return FALSE;
    }
    return TRUE;
}

/* -- answers -- */

static GBytes *answer(JsonNode *id, const char *key, JsonNode *value)
{
    JsonObject *object = json_object_new();
    json_object_set_string_member(object, "jsonrpc", "2.0");
    json_object_set_member(object, key, value);
    json_object_set_member(object, "id",
                           id == NULL ? json_node_new(JSON_NODE_NULL) : json_node_copy(id));
    g_autoptr(JsonNode) root = json_node_init_object(json_node_alloc(), object);
    json_object_unref(object);
    char *text = json_to_string(root, FALSE);
    return g_bytes_new_take(text, strlen(text));
}

GBytes *rpc_answer(JsonNode *id, JsonNode *result)
{
    return answer(id, "result", result);
}

GBytes *rpc_answer_error(JsonNode *id, RpcCode code, const GError *error)
{
    const char *name = domgrp_error_name(domgrp_error_code(error));
    JsonArray *data = json_array_new();
    json_array_add_string_element(data, name);
    json_array_add_string_element(data, error->message);

    JsonObject *object = json_object_new();
    json_object_set_int_member(object, "code", code);
    json_object_set_string_member(object, "message", name);
    json_object_set_array_member(object, "data", data);
    JsonNode *node = json_node_init_object(json_node_alloc(), object);
    json_object_unref(object);
    return answer(id, "error", node);
}
