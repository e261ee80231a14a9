/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* events: a line for each change, as it happens. */
#include "cli.h"

#include <stdio.h>
#include <string.h>

typedef struct {
    const Cli *cli;
    GHashTable *names; /* reference -> name, for what is removed */
    GHashTable *lines; /* reference -> what was printed of it last */
    int printed;
} Printer;

/* "" if there is none. */
static const char *text_of(JsonObject *object, const char *key)
{
    JsonNode *node = json_object_get_member(object, key);
    const char *text =
        node == NULL || !JSON_NODE_HOLDS_VALUE(node) ? NULL : json_node_get_string(node);
    return text == NULL ? "" : text;
}

/* "14:03:07", local. */
static char *clock_of(JsonObject *event)
{
    g_autoptr(GDateTime) time = g_date_time_new_from_iso8601(text_of(event, "timestamp"), NULL);
    g_autoptr(GDateTime) local = time == NULL ? NULL : g_date_time_to_local(time);
    return local == NULL ? g_strdup("--:--:--") : g_date_time_format(local, "%H:%M:%S");
}

static void members_add(GString *line, JsonObject *record)
{
    JsonNode *node = json_object_get_member(record, "members");
    JsonArray *members =
        node != NULL && JSON_NODE_HOLDS_ARRAY(node) ? json_node_get_array(node) : NULL;
    for (guint i = 0; members != NULL && i < json_array_get_length(members); i++) {
        JsonObject *member = json_array_get_object_element(members, i);
        const char *doing = text_of(member, "doing");
        g_string_append_printf(line, "%s %s %s", i == 0 ? ":" : ",", text_of(member, "name_label"),
                               *doing == '\0' ? text_of(member, "outcome") : doing);
    }
}

static void task_add(GString *line, JsonObject *task)
{
    const char *dot = strchr(text_of(task, "name_label"), '.');
    const char *status = text_of(task, "status");
    gboolean dry_run = json_object_get_boolean_member_with_default(task, "dry_run", FALSE);
    g_string_append_printf(line, "%s: %s%s ", text_of(task, "group_name"),
                           dry_run ? "dry run of " : "",
                           dot == NULL ? text_of(task, "name_label") : dot + 1);
    if (json_object_get_boolean_member_with_default(task, "queued", FALSE))
        g_string_append(line, "queued");
    else if (strcmp(status, "pending") == 0)
        g_string_append_printf(
            line, "%.0f %%", 100 * json_object_get_double_member_with_default(task, "progress", 0));
    else
        g_string_append(line, strcmp(status, "success") == 0   ? "done"
                              : strcmp(status, "failure") == 0 ? "failed"
                                                               : status);
    members_add(line, task);
}

static void line_add(GString *line, const Printer *printer, JsonObject *event)
{
    JsonNode *snapshot = json_object_get_member(event, "snapshot");
    gboolean is_task = strcmp(text_of(event, "class"), "task") == 0;
    if (snapshot != NULL && JSON_NODE_HOLDS_OBJECT(snapshot)) {
        JsonObject *record = json_node_get_object(snapshot);
        if (is_task)
            task_add(line, record);
        else
            g_string_append_printf(line, "%s: %s%s", text_of(record, "name_label"),
                                   text_of(record, "state"),
                                   strcmp(text_of(event, "operation"), "add") == 0 ? ", new" : "");
        return;
    }
    const char *name = g_hash_table_lookup(printer->names, text_of(event, "ref"));
    g_string_append_printf(line, "%s: gone", name == NULL ? text_of(event, "ref") : name);
}

static void event_print_json(JsonObject *event)
{
    g_autoptr(JsonNode) node = json_node_new(JSON_NODE_OBJECT);
    json_node_set_object(node, event);
    g_autofree char *text = json_to_string(node, FALSE);
    puts(text);
}

/* Whether there was something to say that was not said before. */
static gboolean event_print_line(const Printer *printer, JsonObject *event)
{
    const char *reference = text_of(event, "ref");
    g_autofree char *clock = clock_of(event);
    g_autoptr(GString) line = g_string_new(NULL);
    line_add(line, printer, event);
    if (g_strcmp0(g_hash_table_lookup(printer->lines, reference), line->str) == 0)
        return FALSE;
    printf("%s %s\n", clock, line->str);
    g_hash_table_insert(printer->lines, g_strdup(reference), g_strdup(line->str));
    return TRUE;
}

static void event_print(Printer *printer, JsonObject *event)
{
    gboolean printed = TRUE;
    if (printer->cli->json)
        event_print_json(event);
    else
        printed = event_print_line(printer, event);
    printer->printed += printed;
    fflush(stdout);
}

static void name_remember(const Printer *printer, JsonObject *event)
{
    JsonNode *snapshot = json_object_get_member(event, "snapshot");
    const char *reference = text_of(event, "ref");
    if (snapshot == NULL || !JSON_NODE_HOLDS_OBJECT(snapshot)) {
        g_hash_table_remove(printer->names, reference);
        g_hash_table_remove(printer->lines, reference);
    } else
        g_hash_table_insert(printer->names, g_strdup(reference),
                            g_strdup(text_of(json_node_get_object(snapshot), "name_label")));
}

/* Tasks that the daemon has forgotten are no news. */
static gboolean event_is_news(JsonObject *event)
{
    return strcmp(text_of(event, "class"), "task") != 0 ||
           strcmp(text_of(event, "operation"), "del") != 0;
}

static gboolean on_event(JsonObject *event, gboolean known, gpointer data)
{
    Printer *printer = data;
    if (event == NULL) {
        g_hash_table_remove_all(printer->names);
        return TRUE;
    }
    if (!known && event_is_news(event))
        event_print(printer, event);
    name_remember(printer, event);
    return !ferror(stdout) && (printer->cli->count == 0 || printer->printed < printer->cli->count);
}

gboolean cmd_events(Cli *cli, GError **error)
{
    const char *classes[] = {"*", NULL};
    g_autoptr(DomgrpConnection) connection = domgrp_connection_open(cli->socket, error);
    if (connection == NULL)
        return FALSE;
    g_autoptr(GHashTable) names = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    g_autoptr(GHashTable) lines = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    Printer printer = {.cli = cli, .names = names, .lines = lines};
    return domgrp_event_follow(connection, classes, on_event, &printer, error);
}
