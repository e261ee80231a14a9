/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Following event.from, call after call. */
#include "private.h"

static JsonArray *params_from(const char *const *classes, const char *token)
{
    JsonArray *array = json_array_new();
    for (; *classes != NULL; classes++)
        json_array_add_string_element(array, *classes);
    JsonArray *params = json_array_new();
    json_array_add_array_element(params, array);
    json_array_add_string_element(params, token);
    json_array_add_double_element(params, EVENT_WAIT_S);
    return params;
}

/* Whether to go on. */
static gboolean result_tell(JsonObject *result, DomgrpEvent callback, gpointer data)
{
    gboolean known = record_flag(result, "snapshot");
    if (known && !callback(NULL, TRUE, data))
        return FALSE;
    g_autoptr(GPtrArray) events = record_objects(record_array(result, "events"));
    for (guint i = 0; i < events->len; i++)
        if (!callback(events->pdata[i], known, data))
            return FALSE;
    return TRUE;
}

gboolean domgrp_event_follow(DomgrpConnection *connection, const char *const *classes,
                             DomgrpEvent callback, gpointer data, GError **error)
{
    g_autofree char *token = g_strdup("");
    for (;;) {
        g_autoptr(JsonNode) result =
            domgrp_connection_call(connection, "event.from", params_from(classes, token), error);
        if (result == NULL || !record_check(result, "event.from", error))
            return FALSE;
        if (!result_tell(json_node_get_object(result), callback, data))
            return TRUE;
        g_free(token);
        token = record_text(json_node_get_object(result), "token");
    }
}
