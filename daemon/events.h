/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What changed since a client asked last: event.from's memory.
 *
 * One mark per object says when it changed last, so a client that is slow
 * sees the newest state of an object once, and the memory is that of the
 * objects. Of removed objects the last EVENTS_REMOVED_MAX are remembered; a
 * client that fell behind those, or whose token is another daemon's, is told
 * everything anew ("snapshot": true: what it knew before is void).
 *
 * Main thread only.
 */
#ifndef DAEMON_EVENTS_H
#define DAEMON_EVENTS_H

#include <json-glib/json-glib.h>

#include "domgrp-error.h"

G_BEGIN_DECLS

#define EVENTS_REMOVED_MAX 1024u
#define EVENTS_WAITS_MAX 64u      /* calls of event.from that wait at once */
#define EVENTS_CLASSES_MAX 64u    /* elements of event.from's first parameter */
#define EVENTS_TIMEOUT_MAX 3600.0 /* seconds */

typedef enum { EVENT_GROUP, EVENT_TASK, EVENT_CLASS_COUNT } EventClass;

const char *event_class_name(EventClass class);

/* The object's record as it is now, the caller's; NULL if there is no such object any more. */
typedef JsonNode *(*EventsRecord)(gpointer data, EventClass class, const char *reference);

typedef struct Events Events;
typedef struct EventsWait EventsWait;

Events *events_new(EventsRecord record, gpointer data);
/* All waits have ended before. */
void events_free(Events *events);

/* The object is new or changed. @urgent: waiting clients hear of it at once, not in some 20 ms. */
void events_changed(Events *events, EventClass class, const char *reference, gboolean urgent);
/* The object is gone. No-op for one that is not known. */
void events_removed(Events *events, EventClass class, const char *reference);
/* The objects of @class whose references are not keys of @alive are gone. */
void events_retain(Events *events, EventClass class, GHashTable *alive);

/* Called once with event.from's result, the callee's; empty "events" after the time-out. */
typedef void (*EventsDone)(gpointer data, JsonNode *result);

/*
 * Waits for something of @classes (strings: "*", a class, "class/reference")
 * that is newer than @token, for at most @timeout seconds. Never calls @done
 * before it returned. NULL on error: REQUEST (a class or the token is none),
 * GROUP_LIMIT.
 */
EventsWait *events_wait(Events *events, JsonArray *classes, const char *token, double timeout,
                        EventsDone done, gpointer data, GError **error);
/* Ends @wait without a result. */
void events_wait_cancel(EventsWait *wait);

guint events_waits(const Events *events);

G_END_DECLS

#endif
