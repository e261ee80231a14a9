/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Tasks: their records, and waiting for their end. */
#include "private.h"

#include <string.h>

/* -- records -- */

static GError *error_of_record(JsonObject *record)
{
    JsonArray *info = record_array(record, "error_info");
    if (info == NULL || json_array_get_length(info) < 2)
        return NULL;
    const char *name = json_array_get_string_element(info, 0);
    const char *sentence = json_array_get_string_element(info, 1);
    if (name == NULL || sentence == NULL)
        return NULL;
    return g_error_new_literal(DOMGRP_ERROR, domgrp_error_from_name(name), sentence);
}

static void member_read(JsonObject *record, DomgrpTaskMember *ret_member)
{
    *ret_member = (DomgrpTaskMember){
        .uuid = record_text(record, "uuid"),
        .name = record_text(record, "name_label"),
        .tier = record_int(record, "tier"),
        .outcome = record_text(record, "outcome"),
        .doing = record_text(record, "doing"),
        .needs = record_text(record, "needs"),
        .ready = record_text(record, "ready"),
        .seen = record_text(record, "seen"),
        .error = record_text(record, "error"),
        .still_us = record_int(record, "still_us"),
    };
}

static void image_read(JsonObject *image, DomgrpImage *ret_image)
{
    *ret_image = (DomgrpImage){
        .path = record_text(image, "path"),
        .memory_bytes = record_int(image, "memory_bytes"),
        .total_bytes = record_int(image, "total_bytes"),
        .file_bytes = record_int(image, "file_bytes"),
        .cut_us = record_int(image, "cut_us"),
    };
}

static void pause_read(JsonObject *result, DomgrpPause *ret_pause)
{
    *ret_pause = (DomgrpPause){
        .atomic = record_flag(result, "atomic"),
        .request_ns = record_int(result, "request_ns"),
        .stopped_ns = record_int(result, "stopped_ns"),
        .domains = record_int(result, "domains"),
        .vcpus = record_int(result, "vcpus"),
    };
}

static void plan_read(JsonObject *result, DomgrpTask *task)
{
    g_autoptr(GPtrArray) steps = record_objects(record_array(result, "plan"));
    task->n_plan = steps->len;
    task->plan = g_new0(DomgrpPlanStep, steps->len);
    for (guint i = 0; i < steps->len; i++) {
        JsonObject *step = steps->pdata[i];
        task->plan[i] = (DomgrpPlanStep){
            .tier = record_int(step, "tier"),
            .member = record_text(step, "member"),
            .uuid = record_text(step, "uuid"),
            .steps = record_text(step, "steps"),
            .ready = record_text(step, "ready"),
        };
    }
}

DomgrpTask *task_of_record(JsonNode *node)
{
    JsonObject *record = json_node_get_object(node);
    JsonObject *result = record_object(record, "result");
    JsonObject *image = record_object(record, "image");
    g_autoptr(GPtrArray) members = record_objects(record_array(record, "members"));
    g_autofree char *status = record_text(record, "status");
    DomgrpTask *task = g_new0(DomgrpTask, 1);
    *task = (DomgrpTask){
        .uuid = record_text(record, "uuid"),
        .name = record_text(record, "name_label"),
        .group = record_text(record, "group"),
        .group_name = record_text(record, "group_name"),
        .created = record_text(record, "created"),
        .finished = record_text(record, "finished"),
        .queued = record_flag(record, "queued"),
        .ended = strcmp(status, "pending") != 0,
        .dry_run = record_flag(record, "dry_run"),
        .interrupted = record_flag(record, "interrupted"),
        .by_itself = record_flag(record, "by_itself"),
        .policy = record_text(record, "policy"),
        .peer = record_text(record, "peer"),
        .verdict = record_text(record, "verdict"),
        .wire_bytes = record_int(record, "wire_bytes"),
        .progress = record_double(record, "progress"),
        .error = error_of_record(record),
        .n_members = members->len,
        .members = g_new0(DomgrpTaskMember, members->len),
        .record = node,
    };
    for (guint i = 0; i < members->len; i++)
        member_read(members->pdata[i], &task->members[i]);
    if (result != NULL) {
        pause_read(result, &task->pause);
        plan_read(result, task);
    }
    g_autoptr(JsonObject) none = json_object_new();
    image_read(image == NULL ? none : image, &task->image);
    if (task->ended && strcmp(status, "success") != 0 && task->error == NULL)
        task->error =
            g_error_new(DOMGRP_ERROR, DOMGRP_ERROR_DAEMON,
                        "domgrpd does not say why %s of %s failed", task->name, task->group_name);
    return task;
}

void domgrp_task_free(DomgrpTask *task)
{
    if (task == NULL)
        return;
    for (guint i = 0; i < task->n_members; i++) {
        g_free(task->members[i].uuid);
        g_free(task->members[i].name);
        g_free(task->members[i].outcome);
        g_free(task->members[i].doing);
        g_free(task->members[i].needs);
        g_free(task->members[i].ready);
        g_free(task->members[i].seen);
        g_free(task->members[i].error);
    }
    for (guint i = 0; i < task->n_plan; i++) {
        g_free(task->plan[i].member);
        g_free(task->plan[i].uuid);
        g_free(task->plan[i].steps);
        g_free(task->plan[i].ready);
    }
    g_free(task->members);
    g_free(task->image.path);
    g_free(task->plan);
    g_free(task->created);
    g_free(task->finished);
    g_free(task->policy);
    g_free(task->peer);
    g_free(task->verdict);
    g_free(task->uuid);
    g_free(task->name);
    g_free(task->group);
    g_free(task->group_name);
    g_clear_error(&task->error);
    json_node_unref(task->record);
    g_free(task);
}

static JsonArray *params_new(const char *task)
{
    JsonArray *params = json_array_new();
    json_array_add_string_element(params, task);
    return params;
}

DomgrpTask *domgrp_task_get(DomgrpConnection *connection, const char *task, GError **error)
{
    const char *method = "task.get_record";
    g_autoptr(JsonNode) result =
        domgrp_connection_call(connection, method, params_new(task), error);
    if (result == NULL || !record_check(result, method, error))
        return NULL;
    return task_of_record(g_steal_pointer(&result));
}

GPtrArray *domgrp_task_list(DomgrpConnection *connection, GError **error)
{
    const char *method = "task.get_all_records";
    g_autoptr(JsonNode) result = domgrp_connection_call(connection, method, NULL, error);
    if (result == NULL || !record_check(result, method, error))
        return NULL;
    return record_map(json_node_get_object(result), (RecordRead)task_of_record,
                      (GDestroyNotify)domgrp_task_free);
}

gboolean domgrp_task_cancel(DomgrpConnection *connection, const char *task, GError **error)
{
    g_autoptr(JsonNode) result =
        domgrp_connection_call(connection, "task.cancel", params_new(task), error);
    return result != NULL;
}

/* -- waiting -- */

typedef struct {
    DomgrpTask *task; /* as it was told last */
    DomgrpProgress progress;
    gpointer data;
} Wait;

static void wait_tell(Wait *wait, DomgrpTask *task)
{
    domgrp_task_free(wait->task);
    wait->task = task;
    if (wait->progress != NULL)
        wait->progress(task, wait->data);
}

static gboolean on_event(JsonObject *event, gboolean known, gpointer data)
{
    Wait *wait = data;
    JsonNode *snapshot = event == NULL ? NULL : json_object_get_member(event, "snapshot");
    if (snapshot != NULL && JSON_NODE_HOLDS_OBJECT(snapshot))
        wait_tell(wait, task_of_record(json_node_ref(snapshot)));
    return !wait->task->ended;
}

DomgrpTask *domgrp_task_wait(DomgrpConnection *connection, const char *task,
                             DomgrpProgress progress, gpointer data, GError **error)
{
    g_autofree char *class = g_strdup_printf("task/%s", task);
    const char *classes[] = {class, NULL};
    Wait wait = {.progress = progress, .data = data};
    DomgrpTask *first = domgrp_task_get(connection, task, error);
    if (first == NULL)
        return NULL;
    wait_tell(&wait, first);
    if (!wait.task->ended && !domgrp_event_follow(connection, classes, on_event, &wait, error)) {
        domgrp_task_free(wait.task);
        return NULL;
    }
    return wait.task;
}
