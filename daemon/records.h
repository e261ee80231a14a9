/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The engine's objects as the API shows them (docs/architecture.md, "The
 * protocol"). Nodes are the caller's.
 *
 * Main thread only.
 */
#ifndef DAEMON_RECORDS_H
#define DAEMON_RECORDS_H

#include <json-glib/json-glib.h>

#include "engine.h"

G_BEGIN_DECLS

JsonNode *record_of_group(const Group *group);
JsonNode *record_of_task(const Operation *operation);
JsonNode *record_of_host(const HostFacts *facts);

/* What an operator says of an open migration: "run-here"; "" for NONE. VALUE. */
const char *record_word(EngineWord word);
gboolean record_parse_word(const char *text, EngineWord *ret_word, GError **error);

/* @time_us since 1970 as RFC 3339 in UTC; "" for 0. Free with g_free(). */
char *record_time(gint64 time_us);

/* A node that owns @object, @text, @array. */
JsonNode *record_node(JsonObject *object);
JsonNode *record_string(const char *text);
JsonNode *record_array(JsonArray *array);

G_END_DECLS

#endif
