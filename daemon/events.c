/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Marks of changes, oldest first, and the calls that wait for newer ones.
 *
 * A sequence number counts changes. A token is "<epoch>,<number>": the epoch
 * is this daemon's life.
 */
#include "events.h"

#include <string.h>

#include "records.h"

#define FLUSH_DELAY_MS 20

typedef struct {
    EventClass class;
    char *reference;
    guint64 created, changed; /* sequence numbers */
    gint64 when_us;
    gboolean removed;
    GList link; /* in Events.order */
} Mark;

struct Events {
    EventsRecord record;
    gpointer data;
    char *epoch;
    guint64 sequence;
    guint64 floor;     /* removals up to this one are forgotten */
    GHashTable *marks; /* "class/reference" -> Mark; owns both */
    GQueue order;      /* of Mark, by rising changed */
    guint n_removed;
    GQueue waits;   /* of EventsWait */
    GSource *flush; /* NULL if no wait is to be looked at */
};

struct EventsWait {
    Events *events;
    JsonArray *classes;
    guint64 seen;      /* what the client has seen */
    gboolean snapshot; /* it has seen nothing that counts */
    GSource *timeout;
    EventsDone done;
    gpointer data;
    GList link; /* in Events.waits */
};

const char *event_class_name(EventClass class)
{
    static const char *const names[] = {
        [EVENT_GROUP] = "domain_group",
        [EVENT_TASK] = "task",
    };
    return names[class];
}

/* -- marks -- */

static void mark_free(gpointer data)
{
    Mark *mark = data;
    g_free(mark->reference);
    g_free(mark);
}

static char *mark_key(EventClass class, const char *reference)
{
    return g_strdup_printf("%s/%s", event_class_name(class), reference);
}

static void mark_touch(Events *events, Mark *mark)
{
    mark->changed = ++events->sequence;
    mark->when_us = g_get_real_time();
    g_queue_unlink(&events->order, &mark->link);
    g_queue_push_tail_link(&events->order, &mark->link);
}

static Mark *mark_add(Events *events, EventClass class, const char *reference)
{
    Mark *mark = g_new0(Mark, 1);
    mark->class = class;
    mark->reference = g_strdup(reference);
    mark->created = events->sequence + 1;
    mark->link.data = mark;
    g_hash_table_insert(events->marks, mark_key(class, reference), mark);
    g_queue_push_tail_link(&events->order, &mark->link);
    return mark;
}

static void mark_forget(Events *events, Mark *mark)
{
    g_autofree char *key = mark_key(mark->class, mark->reference);
    g_queue_unlink(&events->order, &mark->link);
    g_hash_table_remove(events->marks, key);
}

static void removed_bound(Events *events)
{
    if (events->n_removed <= EVENTS_REMOVED_MAX)
        return;
    for (GList *l = events->order.head; l != NULL; l = l->next) {
        Mark *mark = l->data;
        if (!mark->removed)
            continue;
        events->floor = mark->changed;
        events->n_removed--;
        mark_forget(events, mark);
        return;
    }
}

/* -- results -- */

static gboolean classes_have(JsonArray *classes, const Mark *mark)
{
    for (guint i = 0; i < json_array_get_length(classes); i++) {
        const char *class = json_array_get_string_element(classes, i);
        const char *name = event_class_name(mark->class);
        size_t length = strlen(name);
        if (strcmp(class, "*") == 0)
            return TRUE;
        if (strncmp(class, name, length) != 0)
            continue;
        if (class[length] == '\0')
            return TRUE;
        if (class[length] == '/' && strcmp(class + length + 1, mark->reference) == 0)
            return TRUE;
    }
    return FALSE;
}

static gboolean wait_has_news(const EventsWait *wait)
{
    for (GList *l = wait->events->order.tail; l != NULL; l = l->prev) {
        const Mark *mark = l->data;
        if (mark->changed <= wait->seen && !wait->snapshot)
            return FALSE;
        if (classes_have(wait->classes, mark) && !(wait->snapshot && mark->removed))
            return TRUE;
    }
    return FALSE;
}

/* The event of @mark for a client that has seen @seen; NULL if there is none. */
static JsonNode *event_of(const Events *events, const Mark *mark, guint64 seen)
{
    JsonNode *record = NULL;
    if (!mark->removed)
        record = events->record(events->data, mark->class, mark->reference);
    if (mark->removed ? mark->created > seen : record == NULL)
        return NULL;

    g_autofree char *when = record_time(mark->when_us);
    JsonObject *event = json_object_new();
    json_object_set_int_member(event, "id", mark->changed);
    json_object_set_string_member(event, "timestamp", when);
    json_object_set_string_member(event, "class", event_class_name(mark->class));
    json_object_set_string_member(event, "operation",
                                  mark->removed          ? "del"
                                  : mark->created > seen ? "add"
                                                         : "mod");
    json_object_set_string_member(event, "ref", mark->reference);
    json_object_set_member(event, "snapshot",
                           record == NULL ? json_node_new(JSON_NODE_NULL) : record);
    return record_node(event);
}

static JsonNode *wait_result(const EventsWait *wait)
{
    const Events *events = wait->events;
    JsonArray *array = json_array_new();
    for (GList *l = events->order.head; l != NULL; l = l->next) {
        const Mark *mark = l->data;
        if (mark->changed <= wait->seen || !classes_have(wait->classes, mark))
            continue;
        JsonNode *event = event_of(events, mark, wait->seen);
        if (event != NULL)
            json_array_add_element(array, event);
    }
    g_autofree char *token =
        g_strdup_printf("%s,%" G_GUINT64_FORMAT, events->epoch, events->sequence);
    JsonObject *result = json_object_new();
    json_object_set_array_member(result, "events", array);
    json_object_set_boolean_member(result, "snapshot", wait->snapshot);
    json_object_set_string_member(result, "token", token);
    return record_node(result);
}

/* -- waits -- */

static void wait_free(EventsWait *wait)
{
    g_queue_unlink(&wait->events->waits, &wait->link);
    if (wait->timeout != NULL) {
        g_source_destroy(wait->timeout);
        g_source_unref(wait->timeout);
    }
    json_array_unref(wait->classes);
    g_free(wait);
}

static void wait_end(EventsWait *wait)
{
    EventsDone done = wait->done;
    gpointer data = wait->data;
    JsonNode *result = wait_result(wait);
    wait_free(wait);
    done(data, result);
}

static gboolean on_timeout(gpointer data)
{
    wait_end(data);
    return G_SOURCE_REMOVE;
}

static gboolean on_flush(gpointer data)
{
    Events *events = data;
    g_clear_pointer(&events->flush, g_source_unref);
    for (GList *l = events->waits.head, *next; l != NULL; l = next) {
        EventsWait *wait = l->data;
        next = l->next;
        if (wait_has_news(wait))
            wait_end(wait);
    }
    return G_SOURCE_REMOVE;
}

static void flush_stop(Events *events)
{
    if (events->flush == NULL)
        return;
    g_source_destroy(events->flush);
    g_clear_pointer(&events->flush, g_source_unref);
}

static void flush_later(Events *events, guint delay_ms)
{
    if (delay_ms == 0)
        flush_stop(events);
    if (events->waits.length == 0 || events->flush != NULL)
        return;
    events->flush = g_timeout_source_new(delay_ms);
    g_source_set_callback(events->flush, on_flush, events, NULL);
    g_source_attach(events->flush, g_main_context_get_thread_default());
}

static gboolean class_check(const char *class, GError **error)
{
    for (int i = 0; i < EVENT_CLASS_COUNT; i++) {
        size_t length = strlen(event_class_name(i));
        if (strncmp(class, event_class_name(i), length) == 0 &&
            (class[length] == '\0' || class[length] == '/'))
            return TRUE;
    }
    if (strcmp(class, "*") == 0)
        return TRUE;
    g_set_error(error, DOMGRP_ERROR, DOMGRP_ERROR_REQUEST,
                "event.from: there is no class \"%.40s\"; use *, domain_group, task or CLASS/REF",
                class);
    return FALSE;
}

static gboolean token_read(const Events *events, const char *token, guint64 *ret_seen,
                           gboolean *ret_snapshot, GError **error)
{
    const char *comma = strchr(token, ',');
    guint64 seen = 0;
    if (*token != '\0' &&
        (comma == NULL || !g_ascii_string_to_unsigned(comma + 1, 10, 0, G_MAXINT64, &seen, NULL))) {
        g_set_error(error, DOMGRP_ERROR, DOMGRP_ERROR_REQUEST,
                    "event.from: the token is none that event.from gave; begin with \"\"");
        return FALSE;
    }
    size_t epoch = strlen(events->epoch);
    gboolean known = *token != '\0' && (size_t)(comma - token) == epoch &&
                     strncmp(token, events->epoch, epoch) == 0 && seen <= events->sequence &&
                     seen >= events->floor;
    *ret_seen = known ? seen : 0;
    *ret_snapshot = !known;
    return TRUE;
}

EventsWait *events_wait(Events *events, JsonArray *classes, const char *token, double timeout,
                        EventsDone done, gpointer data, GError **error)
{
    guint64 seen;
    gboolean snapshot;
    for (guint i = 0; i < json_array_get_length(classes); i++)
        if (!class_check(json_array_get_string_element(classes, i), error))
            return NULL;
    if (!token_read(events, token, &seen, &snapshot, error))
        return NULL;
    if (events->waits.length >= EVENTS_WAITS_MAX) {
        g_set_error(error, DOMGRP_ERROR, DOMGRP_ERROR_GROUP_LIMIT,
                    "%u calls of event.from wait already; try again later", EVENTS_WAITS_MAX);
        return NULL;
    }

    EventsWait *wait = g_new0(EventsWait, 1);
    wait->events = events;
    wait->classes = json_array_ref(classes);
    wait->seen = seen;
    wait->snapshot = snapshot;
    wait->done = done;
    wait->data = data;
    wait->link.data = wait;
    wait->timeout = g_timeout_source_new(wait_has_news(wait) ? 0 : (guint)(timeout * 1000));
    g_source_set_callback(wait->timeout, on_timeout, wait, NULL);
    g_source_attach(wait->timeout, g_main_context_get_thread_default());
    g_queue_push_tail_link(&events->waits, &wait->link);
    return wait;
}

void events_wait_cancel(EventsWait *wait)
{
    wait_free(wait);
}

guint events_waits(const Events *events)
{
    return events->waits.length;
}

/* -- the memory -- */

Events *events_new(EventsRecord record, gpointer data)
{
    Events *events = g_new0(Events, 1);
    events->record = record;
    events->data = data;
    events->epoch = g_uuid_string_random();
    events->marks = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, mark_free);
    g_queue_init(&events->order);
    g_queue_init(&events->waits);
    return events;
}

void events_free(Events *events)
{
    if (events == NULL)
        return;
    flush_stop(events);
    g_hash_table_unref(events->marks);
    g_free(events->epoch);
    g_free(events);
}

void events_changed(Events *events, EventClass class, const char *reference, gboolean urgent)
{
    g_autofree char *key = mark_key(class, reference);
    Mark *mark = g_hash_table_lookup(events->marks, key);
    if (mark == NULL)
        mark = mark_add(events, class, reference);
    if (mark->removed) {
        /* The same UUID is defined again: for whoever saw it before, it is changed. */
        mark->removed = FALSE;
        events->n_removed--;
    }
    mark_touch(events, mark);
    flush_later(events, urgent ? 0 : FLUSH_DELAY_MS);
}

void events_removed(Events *events, EventClass class, const char *reference)
{
    g_autofree char *key = mark_key(class, reference);
    Mark *mark = g_hash_table_lookup(events->marks, key);
    if (mark == NULL || mark->removed)
        return;
    mark->removed = TRUE;
    events->n_removed++;
    mark_touch(events, mark);
    removed_bound(events);
    flush_later(events, 0);
}

void events_retain(Events *events, EventClass class, GHashTable *alive)
{
    for (GList *l = events->order.head, *next; l != NULL; l = next) {
        const Mark *mark = l->data;
        next = l->next;
        if (mark->class == class && !g_hash_table_contains(alive, mark->reference))
            events_removed(events, class, mark->reference);
    }
}
