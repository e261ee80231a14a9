/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Calls: decoded, checked against the method table, carried out, answered. */
#include "api.h"

#include <string.h>

#include "methods.h"
#include "records.h"
#include "service.h"

struct Api {
    Engine *engine;
    Host *host;
    Sessions *sessions;
    Events *events;
    GHashTable *settles; /* of Settle: words that the engine has not answered */
};

/* A word about a migration. */
typedef struct {
    Api *api;
    ApiCall *call; /* NULL when its caller is gone */
    char *group;
    EngineWord word;
} Settle;

struct ApiCall {
    Api *api;
    Peer peer;
    RpcRequest request;
    const Method *method;
    EventsWait *wait; /* NULL unless the call waits for events, */
    Settle *settle;   /* or for this */
    ApiAnswer done;
    gpointer data;
};

/* -- the engine tells -- */

static void on_group_changed(gpointer data, Group *group)
{
    Api *api = data;
    GroupInfo info;
    group_get_info(group, &info);
    events_changed(api->events, EVENT_GROUP, info.uuid, FALSE);
}

static void on_group_removed(gpointer data, const char *uuid, const char *name)
{
    Api *api = data;
    events_removed(api->events, EVENT_GROUP, uuid);
}

/* The engine drops old operations without a word; they leave when a new one comes. */
static void tasks_retain(Api *api)
{
    g_autoptr(GPtrArray) operations = engine_operations(api->engine);
    g_autoptr(GHashTable) alive = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    for (guint i = 0; i < operations->len; i++) {
        OperationInfo info;
        operation_get_info(operations->pdata[i], &info);
        g_hash_table_add(alive, g_strdup(info.uuid));
    }
    events_retain(api->events, EVENT_TASK, alive);
}

static void on_operation_changed(gpointer data, Operation *operation)
{
    Api *api = data;
    OperationInfo info;
    operation_get_info(operation, &info);
    events_changed(api->events, EVENT_TASK, info.uuid, info.ended_us != 0);
    if (info.ended_us == 0)
        return;
    if (info.dry_run && info.error == NULL)
        service_log(SERVICE_NOTICE, "dry run of %s of %s is done", operation_kind_name(info.kind),
                    info.group_name);
    else if (info.error == NULL)
        service_log(SERVICE_NOTICE, "%s of %s is done", operation_kind_name(info.kind),
                    info.group_name);
    else
        service_log(SERVICE_WARNING, "%s of %s: %s", operation_kind_name(info.kind),
                    info.group_name, info.error->message);
    if (api->engine != NULL)
        tasks_retain(api);
}

static void on_member_failed(gpointer data, Group *group, Member *member, const GError *error)
{
    GroupInfo info;
    group_get_info(group, &info);
    service_log(SERVICE_WARNING, "%s of %s ended, and what its configuration says failed: %s",
                member->name, info.name, error->message);
}

static void on_migration_failed(gpointer data, Group *group, const GError *error)
{
    GroupInfo info;
    group_get_info(group, &info);
    service_log(SERVICE_WARNING, "migration of %s: %s", info.name, error->message);
}

static JsonNode *record_of(gpointer data, EventClass class, const char *reference)
{
    Api *api = data;
    if (class == EVENT_TASK) {
        Operation *operation = engine_operation_lookup(api->engine, reference, NULL);
        return operation == NULL ? NULL : record_of_task(operation);
    }
    Group *group = engine_group_lookup(api->engine, reference, NULL);
    return group == NULL ? NULL : record_of_group(group);
}

static const EngineListener listener = {
    .group_added = on_group_changed,
    .group_changed = on_group_changed,
    .group_removed = on_group_removed,
    .operation_changed = on_operation_changed,
    .member_failed = on_member_failed,
    .migration_failed = on_migration_failed,
};

/* -- the API -- */

static void settle_free(gpointer data)
{
    Settle *settle = data;
    g_free(settle->group);
    g_free(settle);
}

static void events_fill(Api *api)
{
    g_autoptr(GPtrArray) operations = engine_operations(api->engine);
    for (guint i = operations->len; i > 0; i--) {
        OperationInfo info;
        operation_get_info(operations->pdata[i - 1], &info);
        events_changed(api->events, EVENT_TASK, info.uuid, FALSE);
    }
    g_autoptr(GPtrArray) groups = engine_groups(api->engine);
    for (guint i = 0; i < groups->len; i++)
        on_group_changed(api, groups->pdata[i]);
}

Api *api_new(Host *host, Journal *journal, GError **error)
{
    Api *api = g_new0(Api, 1);
    api->host = host;
    api->sessions = sessions_new();
    api->events = events_new(record_of, api);
    api->settles = g_hash_table_new_full(NULL, NULL, settle_free, NULL);
    api->engine = engine_new(host, journal, &listener, api, error);
    if (api->engine == NULL) {
        api_free(api);
        return NULL;
    }
    events_fill(api);
    return api;
}

void api_free(Api *api)
{
    if (api == NULL)
        return;
    g_clear_pointer(&api->engine, engine_free);
    g_hash_table_destroy(api->settles);
    events_free(api->events);
    sessions_free(api->sessions);
    g_free(api);
}

Engine *api_engine(Api *api)
{
    return api->engine;
}

Host *api_host(Api *api)
{
    return api->host;
}

Sessions *api_sessions(Api *api)
{
    return api->sessions;
}

/* -- calls -- */

static void call_free(ApiCall *call)
{
    rpc_request_clear(&call->request);
    g_free(call);
}

/* Takes @answer. */
static void call_end(ApiCall *call, GBytes *answer)
{
    ApiAnswer done = call->done;
    gpointer data = call->data;
    call_free(call);
    done(data, answer);
}

static guint call_params_begin(const ApiCall *call)
{
    return call->method->right == RIGHT_NONE ? 0 : 1;
}

/* The session is looked at before the other parameters are. */
static gboolean session_check(ApiCall *call, RpcCode *ret_code, GError **error)
{
    JsonArray *params = call->request.params;
    JsonNode *session = params == NULL || json_array_get_length(params) == 0
                            ? NULL
                            : json_array_get_element(params, 0);
    *ret_code = RPC_CODE_PARAMS;
    if (session == NULL || !JSON_NODE_HOLDS_VALUE(session) ||
        json_node_get_value_type(session) != G_TYPE_STRING) {
        g_set_error(error, DOMGRP_ERROR, DOMGRP_ERROR_REQUEST,
                    "%s takes a session, a string, as its first parameter", call->method->name);
        return FALSE;
    }
    *ret_code = RPC_CODE_FAILURE;
    return sessions_check(call->api->sessions, json_node_get_string(session), &call->peer, error);
}

static gboolean call_check(ApiCall *call, RpcCode *ret_code, GError **error)
{
    *ret_code = RPC_CODE_METHOD;
    call->method = method_lookup(call->request.method);
    if (call->method == NULL) {
        g_set_error(error, DOMGRP_ERROR, DOMGRP_ERROR_REQUEST,
                    "there is no method \"%.80s\"; see docs/api.md", call->request.method);
        return FALSE;
    }
    if (call->method->right != RIGHT_NONE && !session_check(call, ret_code, error))
        return FALSE;
    *ret_code = RPC_CODE_PARAMS;
    return rpc_params_check(call->method->name, call->request.params, call_params_begin(call),
                            call->method->params, error);
}

/* "start of shop": what the log says of a call that operates on what its first parameter names. */
static char *call_name(const ApiCall *call)
{
    const char *verb = strrchr(call->method->name, '.') + 1;
    JsonNode *first = api_call_param(call, 0);
    const char *name =
        JSON_NODE_HOLDS_OBJECT(first)
            ? json_object_get_string_member(json_node_get_object(first), "name_label")
            : json_node_get_string(first);
    return g_strdup_printf("%s of %.80s", verb, name);
}

static void call_log(const ApiCall *call, const GError *error)
{
    if (call->method->right != RIGHT_OPERATE)
        return;
    g_autofree char *name = call_name(call);
    if (error == NULL)
        service_log(SERVICE_NOTICE, "user %u (pid %d) asks for %s", (guint)call->peer.uid,
                    (int)call->peer.pid, name);
    else
        service_log(SERVICE_NOTICE, "user %u (pid %d) asks for %s, refused: %s",
                    (guint)call->peer.uid, (int)call->peer.pid, name, error->message);
}

ApiCall *api_call(Api *api, const Peer *peer, const char *text, gsize length, ApiAnswer done,
                  gpointer data)
{
    g_autoptr(GError) error = NULL;
    RpcCode code;
    ApiCall *call = g_new0(ApiCall, 1);
    call->api = api;
    call->peer = *peer;
    call->done = done;
    call->data = data;

    if (!rpc_request_parse(text, length, &call->request, &code, &error) ||
        !call_check(call, &code, &error)) {
        call_end(call, rpc_answer_error(call->request.id, code, error));
        return NULL;
    }
    JsonNode *result = call->method->handler(call, api, &error);
    call_log(call, error);
    if (error != NULL) {
        call_end(call, rpc_answer_error(call->request.id, RPC_CODE_FAILURE, error));
        return NULL;
    }
    if (result == NULL)
        return call;
    call_end(call, rpc_answer(call->request.id, result));
    return NULL;
}

void api_call_cancel(ApiCall *call)
{
    if (call->wait != NULL)
        events_wait_cancel(call->wait);
    if (call->settle != NULL)
        call->settle->call = NULL;
    call_free(call);
}

/* -- for the methods -- */

const Peer *api_call_peer(const ApiCall *call)
{
    return &call->peer;
}

const char *api_call_session(const ApiCall *call)
{
    return json_array_get_string_element(call->request.params, 0);
}

JsonNode *api_call_param(const ApiCall *call, guint index)
{
    JsonArray *params = call->request.params;
    guint at = call_params_begin(call) + index;
    return params == NULL || at >= json_array_get_length(params)
               ? NULL
               : json_array_get_element(params, at);
}

const char *api_call_string(const ApiCall *call, guint index)
{
    JsonNode *node = api_call_param(call, index);
    return node == NULL ? NULL : json_node_get_string(node);
}

static void on_settled(gpointer data, const GError *error)
{
    Settle *settle = data;
    ApiCall *call = settle->call;
    if (settle->word != ENGINE_WORD_NONE)
        service_log(SERVICE_NOTICE, "the word %s about the migration of %s is %s%s",
                    record_word(settle->word), settle->group,
                    error == NULL ? "taken" : "refused: ", error == NULL ? "" : error->message);
    g_hash_table_remove(settle->api->settles, settle);
    if (call == NULL)
        return;
    call_end(call, error == NULL ? rpc_answer(call->request.id, record_string(""))
                                 : rpc_answer_error(call->request.id, RPC_CODE_FAILURE, error));
}

void api_call_settle(ApiCall *call, const char *group, EngineWord word)
{
    Settle *settle = g_new0(Settle, 1);
    *settle = (Settle){
        .api = call->api, .call = call, .group = g_strdup_printf("%.80s", group), .word = word};
    call->settle = settle;
    g_hash_table_add(call->api->settles, settle);
    engine_settle(call->api->engine, group, word, on_settled, settle);
}

static void on_events(gpointer data, JsonNode *result)
{
    ApiCall *call = data;
    call_end(call, rpc_answer(call->request.id, result));
}

gboolean api_call_wait(ApiCall *call, JsonArray *classes, const char *token, double timeout,
                       GError **error)
{
    call->wait = events_wait(call->api->events, classes, token, timeout, on_events, call, error);
    return call->wait != NULL;
}
