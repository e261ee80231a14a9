/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the library's files share: records read without trust in their form. */
#ifndef LIB_PRIVATE_H
#define LIB_PRIVATE_H

#include <domgrp/domgrp.h>

/* How long one event.from waits, in seconds; less than the connection's time-out, which a settle's
 * connection to the other host must not outlast either. */
#define EVENT_WAIT_S 30
#define CONNECTION_TIMEOUT_S 120

/* A copy of @object's string, "" if it has none. */
char *record_text(JsonObject *object, const char *key);
/* 0 if it has none. */
double record_double(JsonObject *object, const char *key);
gint64 record_int(JsonObject *object, const char *key);
gboolean record_flag(JsonObject *object, const char *key);
/* NULL if it has none; borrowed. */
JsonArray *record_array(JsonObject *object, const char *key);
JsonObject *record_object(JsonObject *object, const char *key);
/* The objects among @array's elements, borrowed; free the array. Empty for NULL. */
GPtrArray *record_objects(JsonArray *array);
/* Copies of the strings among them, for g_strfreev(). */
char **record_texts(JsonArray *array);

/* An object made of a record, which it takes. */
typedef gpointer (*RecordRead)(JsonNode *record);
/* What @read makes of each record that is a value of @map, in its order; freed by @destroy. */
GPtrArray *record_map(JsonObject *map, RecordRead read, GDestroyNotify destroy);

/* Whether @node is an object; DAEMON otherwise. */
gboolean record_check(JsonNode *node, const char *method, GError **error);

/* Takes @node. */
DomgrpTask *task_of_record(JsonNode *node);

#endif
