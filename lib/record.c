/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Members of records; what is missing or of another kind is empty. */
#include "private.h"

static JsonNode *value_of(JsonObject *object, const char *key)
{
    JsonNode *node = json_object_get_member(object, key);
    return node != NULL && JSON_NODE_HOLDS_VALUE(node) ? node : NULL;
}

char *record_text(JsonObject *object, const char *key)
{
    JsonNode *node = value_of(object, key);
    if (node == NULL || json_node_get_value_type(node) != G_TYPE_STRING)
        return g_strdup("");
    return json_node_dup_string(node);
}

double record_double(JsonObject *object, const char *key)
{
    JsonNode *node = value_of(object, key);
    return node == NULL ? 0 : json_node_get_double(node);
}

gint64 record_int(JsonObject *object, const char *key)
{
    JsonNode *node = value_of(object, key);
    return node == NULL ? 0 : json_node_get_int(node);
}

gboolean record_flag(JsonObject *object, const char *key)
{
    JsonNode *node = value_of(object, key);
    return node != NULL && json_node_get_boolean(node);
}

JsonArray *record_array(JsonObject *object, const char *key)
{
    JsonNode *node = json_object_get_member(object, key);
    return node != NULL && JSON_NODE_HOLDS_ARRAY(node) ? json_node_get_array(node) : NULL;
}

JsonObject *record_object(JsonObject *object, const char *key)
{
    JsonNode *node = json_object_get_member(object, key);
    return node != NULL && JSON_NODE_HOLDS_OBJECT(node) ? json_node_get_object(node) : NULL;
}

GPtrArray *record_objects(JsonArray *array)
{
    GPtrArray *objects = g_ptr_array_new();
    for (guint i = 0; array != NULL && i < json_array_get_length(array); i++) {
        JsonNode *node = json_array_get_element(array, i);
        if (JSON_NODE_HOLDS_OBJECT(node))
            g_ptr_array_add(objects, json_node_get_object(node));
    }
    return objects;
}

char **record_texts(JsonArray *array)
{
    g_autoptr(GPtrArray) texts = g_ptr_array_new();
    for (guint i = 0; array != NULL && i < json_array_get_length(array); i++) {
        JsonNode *node = json_array_get_element(array, i);
        if (JSON_NODE_HOLDS_VALUE(node) && json_node_get_value_type(node) == G_TYPE_STRING)
            g_ptr_array_add(texts, json_node_dup_string(node));
    }
    g_ptr_array_add(texts, NULL);
    return (char **)g_ptr_array_free(g_steal_pointer(&texts), FALSE);
}

GPtrArray *record_map(JsonObject *map, RecordRead read, GDestroyNotify destroy)
{
    GPtrArray *objects = g_ptr_array_new_with_free_func(destroy);
    JsonObjectIter iter;
    const char *reference;
    JsonNode *record;
    json_object_iter_init_ordered(&iter, map);
    while (json_object_iter_next_ordered(&iter, &reference, &record))
        if (JSON_NODE_HOLDS_OBJECT(record))
            g_ptr_array_add(objects, read(json_node_ref(record)));
    return objects;
}

gboolean record_check(JsonNode *node, const char *method, GError **error)
{
    if (JSON_NODE_HOLDS_OBJECT(node))
        return TRUE;
    g_set_error(error, DOMGRP_ERROR, DOMGRP_ERROR_DAEMON,
                "domgrpd answered %s with something that is no record; is it of another version?",
                method);
    return FALSE;
}
