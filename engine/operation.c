/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * An operation as an object: what was asked for, its record in the journal,
 * its wait for those before it, its beginning and its end. What happens in
 * between is in schedule.c.
 */
#include "private.h"

#include <stdio.h>
#include <string.h>

gboolean operation_is_over(const Operation *operation)
{
    return operation->ended_us != 0;
}

/* -- in the journal -- */

/* How it was asked for, in words that options_read() understands. */
static char *options_text(const Operation *operation)
{
    return g_strdup_printf("timeout=%u%s%s", operation->options.timeout_s,
                           operation->options.fallback ? " fallback" : "",
                           operation->resumed ? " resumed" : "");
}

static void options_read(Operation *operation, const char *text)
{
    g_auto(GStrv) words = g_strsplit(text != NULL ? text : "", " ", -1);
    for (char **word = words; *word != NULL; word++) {
        if (g_str_has_prefix(*word, "timeout="))
            operation->options.timeout_s = (guint)g_ascii_strtoull(*word + 8, NULL, 10);
        operation->options.fallback |= strcmp(*word, "fallback") == 0;
        operation->resumed |= strcmp(*word, "resumed") == 0;
    }
}

/* A join has no members of the group's to work on, but the domain that it moves. */
static void store_domain(const Operation *operation, JournalOperation *record)
{
    JournalOperationMember *member = journal_operation_member_new();
    memcpy(member->uuid, operation->domain_uuid, sizeof member->uuid);
    member->name = g_strdup(operation->domain_uuid);
    member->domid = operation->domid;
    g_ptr_array_add(record->members, member);
}

static void store_members(const Operation *operation, JournalOperation *record)
{
    if (operation->kind == OPERATION_JOIN)
        store_domain(operation, record);
    for (guint i = 0; i < operation->members->len; i++) {
        const OperationNode *node = node_of(operation, i);
        if (node->shown.uuid[0] == '\0')
            continue; /* a create has not read its file yet */
        JournalOperationMember *member = journal_operation_member_new();
        memcpy(member->uuid, node->shown.uuid, sizeof member->uuid);
        member->name = g_strdup(node->shown.name);
        member->domid = node->domid;
        if (operation_is_over(operation)) {
            member->outcome = g_strdup(outcome_name(node->shown.outcome));
            member->error = node->failure != NULL ? g_strdup(node->failure->message) : NULL;
        }
        g_ptr_array_add(record->members, member);
    }
}

gboolean operation_store(Operation *operation, GError **error)
{
    if (operation->options.dry_run)
        return TRUE;
    g_autoptr(JournalOperation) record = journal_operation_new();
    memcpy(record->uuid, operation->uuid, sizeof record->uuid);
    memcpy(record->group_uuid, operation->group_uuid, sizeof record->group_uuid);
    memcpy(record->boot_id, operation->engine->facts.boot_id, sizeof record->boot_id);
    record->group_name = g_strdup(operation->group_name);
    record->kind = g_strdup(kinds[operation->kind].name);
    record->policy = g_strdup(domgrp_policy_name(operation->policy));
    record->options = options_text(operation);
    record->began = !operation->queued;
    record->undoing = operation->undoing;
    record->image_path = g_strdup(operation->image_path);
    memcpy(record->image_uuid, operation->image_uuid, sizeof record->image_uuid);
    if (operation->committed || operation->defines)
        record->stage = g_strdup(operation->committed ? STAGE_COMMITTED : STAGE_DEFINES);
    record->by_itself = operation->by_itself;
    record->began_us = operation->began_us;
    record->ended_us = operation->ended_us;
    if (operation->error != NULL) {
        record->error_name = g_strdup(domgrp_error_name(domgrp_error_code(operation->error)));
        record->error_message = g_strdup(operation->error->message);
    }
    store_members(operation, record);
    Journal *journal = operation->engine->journal;
    return journal->ops->operation_put(journal, record, error);
}

/* -- its members -- */

void operation_bind(OperationNode *node, MemberNode *member)
{
    node->member = member;
    member->node = node;
}

OperationNode *operation_add_member(Operation *operation, MemberNode *member)
{
    OperationNode *node = g_new0(OperationNode, 1);
    node->index = operation->members->len;
    node->domid = HOST_DOMID_NONE;
    node->unblocks = g_array_new(FALSE, FALSE, sizeof(guint));
    if (member != NULL) {
        operation_bind(node, member);
        node->domid = member->domain.domid;
        memcpy(node->shown.uuid, member->shown.uuid, sizeof node->shown.uuid);
        g_strlcpy(node->shown.name, member->shown.name, sizeof node->shown.name);
    }
    g_ptr_array_add(operation->members, node);
    return node;
}

static void select_members(Operation *operation)
{
    const Kind *kind = &kinds[operation->kind];
    Group *group = operation->group;
    if (kind->selects == NULL)
        return;
    for (guint i = 0; i < group->members->len; i++) {
        MemberNode *member = group->members->pdata[i];
        if (kind->during == GROUP_STOPPING && !operation->options.dry_run)
            member->revive = FALSE;
        if (kind->selects(member))
            operation_add_member(operation, member)->spared = kind->during == GROUP_STARTING &&
                                                              member_has_domain(member) &&
                                                              !member_is_half_there(member);
    }
    operation_plan(operation);
}

static void unbind_members(Operation *operation)
{
    for (guint i = 0; i < operation->members->len; i++) {
        OperationNode *node = node_of(operation, i);
        if (node->member != NULL)
            node->member->node = NULL;
        node->member = NULL;
    }
}

/* -- the end -- */

static void set_busy(Operation *operation, Operation *value)
{
    if (operation->group != NULL && !operation->group->is_default)
        operation->group->operation = value;
    if (operation->other != NULL && !operation->other->is_default)
        operation->other->operation = value;
}

/* What is left where all else was undone; or that it is as good as done. */
static void compose_left(Operation *operation)
{
    if (operation->left_error != NULL && operation->undo_error == NULL)
        operation->undo_error = g_steal_pointer(&operation->left_error);
}

static void compose_error(Operation *operation)
{
    const char *kind = kinds[operation->kind].name;
    const char *name = operation->group_name;
    const GError *cause = operation->cause;
    if (cause == NULL || operation->error != NULL)
        return;

    if (!operation->undoing && domgrp_error_code(cause) == DOMGRP_ERROR_LOST) {
        operation->error = g_error_copy(cause);
        return;
    }
    if (operation->undo_error != NULL) {
        g_set_error(&operation->error, DOMGRP_ERROR, DOMGRP_ERROR_PARTLY,
                    "%s of %s failed (%s), and so did undoing it (%s): see \"domgrp info %s\", "
                    "then \"domgrp destroy %s\"",
                    kind, name, cause->message, operation->undo_error->message, name, name);
    } else if (phase_checks(phase_of(operation)) && !operation->undoing) {
        if (domgrp_error_exit(domgrp_error_code(cause)) == DOMGRP_EXIT_REFUSED)
            operation->error = g_error_copy(cause);
        else
            g_set_error(&operation->error, DOMGRP_ERROR, DOMGRP_ERROR_UNDONE,
                        "%s of %s failed before anything was changed: %s", kind, name,
                        cause->message);
    } else if (operation->undoing && domgrp_error_code(cause) == DOMGRP_ERROR_CANCELLED) {
        g_set_error(&operation->error, DOMGRP_ERROR, DOMGRP_ERROR_UNDONE, "%s and undone",
                    cause->message);
    } else if (operation->undoing) {
        g_set_error(&operation->error, DOMGRP_ERROR, DOMGRP_ERROR_UNDONE,
                    "%s of %s failed and was undone: %s", kind, name, cause->message);
    } else {
        guint failed = 0;
        for (guint i = 0; i < operation->members->len; i++) {
            const OperationNode *node = operation->members->pdata[i];
            failed += node->shown.outcome == OUTCOME_FAILED;
        }
        if (failed > 0)
            g_set_error(&operation->error, DOMGRP_ERROR, DOMGRP_ERROR_PARTLY,
                        "%s of %s failed on %u of %u members: %s", kind, name, failed,
                        operation->members->len, cause->message);
        else
            g_set_error(&operation->error, DOMGRP_ERROR, DOMGRP_ERROR_PARTLY,
                        "%s of %s was not completed: %s", kind, name, cause->message);
    }
}

/* Why those that never had their turn had it not. */
static void explain_blocked(Operation *operation)
{
    for (guint i = 0; i < operation->members->len; i++) {
        const OperationNode *node = node_of(operation, i);
        for (guint k = 0; !node->released && !operation->undoing && k < node->unblocks->len; k++) {
            OperationNode *blocked = node_of(operation, g_array_index(node->unblocks, guint, k));
            if (blocked->shown.outcome != OUTCOME_PENDING || blocked->failure != NULL)
                continue;
            g_set_error(&blocked->failure, DOMGRP_ERROR, DOMGRP_ERROR_PARTLY,
                        "%s, which needs it, is not down", node->shown.name);
            blocked->shown.error = blocked->failure;
        }
    }
}

/*
 * What the operation meant to build will not be built any more: the journal must not say so when
 * the operation is over, or the next daemon would build it.
 */
static void forget_intents(Operation *operation)
{
    for (guint i = 0; i < operation->members->len; i++) {
        MemberNode *member = node_of(operation, i)->member;
        if (member == NULL || member->work != NULL || !member_is_intended(member))
            continue;
        gboolean runs = member_runs(member) && !member->domain.paused;
        member_store_owner(member, runs, member->domain.domid, NULL);
    }
}

void operation_end(Operation *operation)
{
    Engine *engine = operation->engine;
    Group *group = operation->group;
    compose_left(operation);
    compose_error(operation);
    explain_blocked(operation);
    for (guint i = 0; i < operation->members->len; i++) {
        OperationNode *node = node_of(operation, i);
        if (node->shown.outcome == OUTCOME_PENDING || node->shown.outcome == OUTCOME_ACTIVE)
            node->shown.outcome = OUTCOME_NOT_TRIED;
    }
    if (!operation->queued)
        forget_intents(operation);
    operation_close_image(operation);
    migration_operation_ended(operation);
    if (operation->progress_timer != 0)
        engine->host->ops->timer_cancel(engine->host, operation->progress_timer);
    operation->progress_timer = 0;
    operation->ended_us = g_get_real_time();
    operation->unclosed = !operation_store(operation, NULL); /* tried again in each turn */

    unbind_members(operation);
    if (!operation->queued)
        set_busy(operation, NULL);
    operation->group = NULL;
    operation->other = NULL;
    operation->queued = FALSE;
    engine->again = TRUE;
    engine_tell_operation(operation);
    if (group != NULL && !group->defined)
        engine_remove_group(group);
}

gboolean operations_close(Engine *engine, const char *group_uuid, GError **error)
{
    for (guint i = 0; i < engine->operations->len; i++) {
        Operation *operation = engine->operations->pdata[i];
        if (!operation->unclosed ||
            (group_uuid != NULL && strcmp(operation->group_uuid, group_uuid) != 0))
            continue;
        if (!operation_store(operation, error))
            return FALSE;
        operation->unclosed = FALSE;
    }
    return TRUE;
}

/* -- the beginning -- */

/* Which image it is about. What was given in the options is the caller's, and copied. */
static void set_image(Operation *operation)
{
    const Group *group = operation->group;
    const Kind *kind = &kinds[operation->kind];
    if (operation->options.map != NULL)
        operation->map = domgrp_map_copy(operation->options.map);
    operation->options.map = NULL;
    if (kind->writes) {
        g_autofree char *uuid = g_uuid_string_random();
        memcpy(operation->image_uuid, uuid, sizeof operation->image_uuid);
    }
    if (operation->kind == OPERATION_SUSPEND) {
        g_autofree char *name = g_strconcat(group->uuid, ".grp", NULL);
        operation->image_path = g_build_filename(operation->engine->images, name, NULL);
    } else if (operation->kind == OPERATION_RESUME) {
        operation->image_path = g_strdup(group->image_path);
    } else if (kind->writes || kind->reads) {
        operation->image_path = g_strdup(operation->options.path);
    }
    operation->options.path = NULL;
    operation->peer = g_strdup(operation->options.peer);
    operation->command = g_strdup(operation->options.command);
    operation->options.peer = operation->options.command = NULL;
}

static void begin_now(gpointer data)
{
    Operation *operation = data;
    operation->timer = 0;
    if (operation->error != NULL || /* cancelled before it began */
        (operation->options.dry_run && !phase_checks(phase_of(operation))))
        operation_end(operation);
    else
        operation_begin_phase(operation);
    engine_turn(operation->engine);
}

/* What it does to members is of this boot, and a start that was still to come has come. */
static void note_boot(const Operation *operation)
{
    Group *group = operation->group;
    if (!group->boot_start || kinds[operation->kind].during != GROUP_STARTING ||
        operation->options.dry_run)
        return;
    group->boot_start = FALSE;
    group_store(group, NULL); /* else it is tried again */
}

/* Not at once, so that nothing happens before the caller knows the operation. */
static void begin(Operation *operation)
{
    Host *host = operation->engine->host;
    note_boot(operation);
    set_busy(operation, operation);
    if (kinds[operation->kind].forgives && !operation->by_itself && !operation->options.dry_run)
        group_forgive(operation->group);
    operation->timer = host->ops->timer_add(host, 0, begin_now, operation);
    engine_tell_operation(operation);
}

static Operation *operation_alloc(Engine *engine, OperationKind kind, const char *group_uuid,
                                  const char *group_name)
{
    Operation *operation = g_new0(Operation, 1);
    operation->engine = engine;
    operation->kind = kind;
    operation->policy = kinds[kind].policy;
    memcpy(operation->group_uuid, group_uuid, sizeof operation->group_uuid);
    operation->group_name = g_strdup(group_name);
    operation->members = g_ptr_array_new();
    operation->unbuilt = g_array_new(FALSE, TRUE, sizeof(guint));
    operation->domid = HOST_DOMID_NONE;
    g_queue_init(&operation->ready);
    return operation;
}

/* Keeps no more than so many; those that run are kept in any case. */
static void keep(Engine *engine, Operation *operation)
{
    for (guint i = 0;
         i < engine->operations->len && engine->operations->len >= ENGINE_MAX_OPERATIONS;) {
        const Operation *old = engine->operations->pdata[i];
        if (operation_is_over(old) && !old->unclosed)
            g_ptr_array_remove_index(engine->operations, i);
        else
            i++;
    }
    g_ptr_array_add(engine->operations, operation);
}

static DomgrpPolicy choose_policy(const OperationRequest *request)
{
    const char *kind = kinds[request->kind].name;
    gpointer said = g_hash_table_lookup(request->group->settings->on_failure, kind);
    if (request->options.policy != DOMGRP_POLICY_DEFAULT)
        return request->options.policy;
    return said != NULL ? (DomgrpPolicy)GPOINTER_TO_UINT(said) : kinds[request->kind].policy;
}

Operation *operation_new(Engine *engine, const OperationRequest *request, GError **error)
{
    Group *group = request->group;
    Operation *operation = operation_alloc(engine, request->kind, group->uuid, group->name);
    g_autofree char *uuid = g_uuid_string_random();
    memcpy(operation->uuid, uuid, sizeof operation->uuid);
    operation->group = group;
    operation->other = request->other;
    operation->options = request->options;
    operation->policy = choose_policy(request);
    operation->by_itself = request->by_itself;
    set_image(operation);
    operation->began_us = g_get_real_time();
    operation->queued =
        request->by_itself || operation_ahead(engine, group, request->other) != NULL;
    if (request->domain != NULL) {
        memcpy(operation->domain_uuid, request->domain->uuid, sizeof operation->domain_uuid);
        operation->domid = request->domain->domid;
    }
    if (!operation->queued)
        select_members(operation);
    if (!operations_close(engine, group->uuid, &operation->error) ||
        !operation_store(operation, &operation->error)) {
        operation->ended_us = g_get_real_time();
        operation_store(operation, NULL); /* the journal may have it all the same */
        g_propagate_error(error, g_steal_pointer(&operation->error));
        unbind_members(operation);
        operation_free(operation);
        return NULL;
    }
    keep(engine, operation);
    engine->again = TRUE; /* what is queued may begin in the turn that makes it */
    if (!operation->queued)
        begin(operation);
    else
        engine_tell_operation(operation);
    return operation;
}

/* -- waiting for others -- */

static gboolean concerns(const Operation *operation, const Group *group)
{
    return group != NULL && !group->is_default &&
           (operation->group == group || operation->other == group);
}

const Operation *operation_ahead(Engine *engine, const Group *group, const Group *other)
{
    for (guint i = 0; i < engine->operations->len; i++) {
        const Operation *operation = engine->operations->pdata[i];
        if (!operation_is_over(operation) &&
            (concerns(operation, group) || concerns(operation, other)))
            return operation;
    }
    return NULL;
}

gboolean group_start_afresh(Group *group, GError **error)
{
    OperationRequest request = {.kind = OPERATION_START, .group = group, .by_itself = TRUE};
    const Operation *ahead = operation_ahead(group->engine, group, NULL);
    if ((ahead == NULL || ahead->kind != OPERATION_START) &&
        operation_new(group->engine, &request, error) == NULL)
        return FALSE;
    group->boot_start = FALSE;
    return TRUE;
}

/* What may have changed while it waited is checked as if it were asked for now. */
static gboolean admit(Operation *operation, GError **error)
{
    const Kind *kind = &kinds[operation->kind];
    if (operation->group == NULL) {
        g_set_error(error, DOMGRP_ERROR, DOMGRP_ERROR_GROUP_UNKNOWN,
                    "%s is gone: it was deleted while its %s waited", operation->group_name,
                    kind->name);
        return FALSE;
    }
    if (!migration_admits(operation->group, operation->kind, error))
        return FALSE;
    if (operation->kind == OPERATION_JOIN)
        return engine_admit_join(operation, error);
    return kind->supersedes || kind->allowed == NULL || kind->allowed(operation->group, error);
}

static void begin_queued(Operation *operation)
{
    g_autoptr(GError) error = NULL;
    if (!admit(operation, &error)) {
        operation->error = g_steal_pointer(&error);
        operation_end(operation);
        return;
    }
    operation->queued = FALSE;
    if (operation->group->operation != NULL ||
        (operation->other != NULL && operation->other->operation != NULL)) {
        operation->queued = TRUE; /* the domain has moved to a group that is busy */
        return;
    }
    select_members(operation);
    if (operation->kind == OPERATION_RESUME) {
        g_free(operation->image_path);
        operation->image_path = g_strdup(operation->group->image_path);
    }
    if (operations_close(operation->engine, operation->group_uuid, &error) &&
        operation_store(operation, &error)) {
        begin(operation);
        return;
    }
    operation->queued = TRUE;
    operation->error = g_steal_pointer(&error);
    operation_end(operation);
}

/* Whether nothing is before @operation: those that end others go first. */
static gboolean is_first(const Operation *operation)
{
    const GPtrArray *all = operation->engine->operations;
    gboolean seen = FALSE;
    for (guint i = 0; i < all->len; i++) {
        const Operation *other = all->pdata[i];
        seen = seen || other == operation;
        if (other == operation || operation_is_over(other) ||
            !(concerns(other, operation->group) || concerns(other, operation->other)))
            continue;
        gboolean later = seen && other->queued;
        if (kinds[other->kind].supersedes != kinds[operation->kind].supersedes && other->queued)
            later = kinds[operation->kind].supersedes;
        if (!later)
            return FALSE;
    }
    return TRUE;
}

void operations_begin_queued(Engine *engine)
{
    for (guint i = 0; i < engine->operations->len; i++) {
        Operation *operation = engine->operations->pdata[i];
        if (operation->queued && !operation_is_over(operation) && is_first(operation) &&
            !migration_acts(operation->group))
            begin_queued(operation);
    }
}

/* -- what a daemon before this one left -- */

Operation *operation_new_ended(Engine *engine, const JournalOperation *record)
{
    OperationKind kind = operation_kind_lookup(record->kind);
    if (kind == OPERATION_KIND_COUNT)
        return NULL;
    Operation *operation = operation_alloc(engine, kind, record->group_uuid, record->group_name);
    memcpy(operation->uuid, record->uuid, sizeof operation->uuid);
    operation->began_us = record->began_us;
    operation->ended_us = record->ended_us;
    domgrp_policy_parse(record->policy, &operation->policy, NULL); /* "": its kind's own */
    options_read(operation, record->options);
    operation->by_itself = record->by_itself;
    operation->image_path = g_strdup(record->image_path);
    memcpy(operation->image_uuid, record->image_uuid, sizeof operation->image_uuid);
    operation->committed = g_strcmp0(record->stage, STAGE_COMMITTED) == 0;
    operation->defines = g_strcmp0(record->stage, STAGE_DEFINES) == 0;
    if (record->error_name != NULL)
        operation->error = g_error_new_literal(
            DOMGRP_ERROR, (gint)domgrp_error_from_name(record->error_name), record->error_message);
    for (guint i = 0; i < record->members->len; i++) {
        const JournalOperationMember *kept = record->members->pdata[i];
        OperationNode *node = operation_add_member(operation, NULL);
        memcpy(node->shown.uuid, kept->uuid, sizeof node->shown.uuid);
        g_strlcpy(node->shown.name, kept->name, sizeof node->shown.name);
        node->domid = kept->domid;
        node->shown.outcome = outcome_lookup(kept->outcome);
        if (kept->error != NULL)
            node->failure = g_error_new_literal(DOMGRP_ERROR, DOMGRP_ERROR_PARTLY, kept->error);
        node->shown.error = node->failure;
    }
    keep(engine, operation);
    return operation;
}

/* Its members are those of the record that the group still has; a create's are all of it. */
static void bind_members(Operation *operation, Group *group)
{
    operation->group = group;
    for (guint i = 0; i < operation->members->len; i++)
        node_of(operation, i)->shown.outcome = OUTCOME_NOT_TRIED; /* it may have left */
    for (guint i = 0; i < group->members->len; i++) {
        MemberNode *member = group->members->pdata[i];
        OperationNode *found = NULL;
        for (guint k = 0; k < operation->members->len && found == NULL; k++)
            if (strcmp(node_of(operation, k)->shown.uuid, member->shown.uuid) == 0)
                found = node_of(operation, k);
        if (found == NULL && operation->kind == OPERATION_CREATE) {
            found = operation_add_member(operation, NULL);
            memcpy(found->shown.uuid, member->shown.uuid, sizeof found->shown.uuid);
            g_strlcpy(found->shown.name, member->shown.name, sizeof found->shown.name);
        }
        if (found == NULL)
            continue;
        operation_bind(found, member);
        found->shown.outcome = OUTCOME_PENDING;
        found->spared =
            kinds[operation->kind].during == GROUP_STARTING && found->domid != HOST_DOMID_NONE;
    }
    operation_plan(operation);
}

void operation_resume(Engine *engine, const JournalOperation *record, Group *group, GError *why)
{
    Operation *operation = operation_new_ended(engine, record);
    const Phase *phases = kinds[operation->kind].phases;
    operation->resumed = TRUE;
    bind_members(operation, group);
    while (!operation->committed && (phase_checks(&phases[operation->phase]) ||
                                     phases[operation->phase].direction == DIRECTION_NONE))
        operation->phase++;
    while (operation->committed && (phases[operation->phase].flags & PHASE_COMMITS) == 0)
        operation->phase++;
    operation->phase += operation->committed;
    operation->cause = why;
    begin(operation);
}

void operation_undo(Engine *engine, const JournalOperation *record, Group *group, GError *why)
{
    Operation *operation = operation_new_ended(engine, record);
    operation->resumed = TRUE;
    operation->undoing = TRUE;
    operation->cause = why;
    bind_members(operation, group);
    while (phase_of(operation)->steps != NULL)
        operation->phase++;
    operation->phase--;
    for (guint i = 0; i < operation->members->len; i++)
        node_of(operation, i)->touched =
            node_of(operation, i)->member != NULL && !node_of(operation, i)->spared;
    begin(operation);
}

void operation_requeue(Engine *engine, const JournalOperation *record, Group *group)
{
    Operation *operation = operation_new_ended(engine, record);
    operation->queued = TRUE;
    operation->group = group;
    operation->engine->again = TRUE;
}

void operation_close(Engine *engine, const JournalOperation *record, GError *why)
{
    Operation *operation = operation_new_ended(engine, record);
    if (operation == NULL) {
        g_clear_error(&why);
        return;
    }
    operation->resumed = TRUE;
    operation->error = why;
    for (guint i = 0; i < operation->members->len; i++)
        node_of(operation, i)->shown.outcome = why != NULL ? OUTCOME_NOT_TRIED : OUTCOME_DONE;
    operation->ended_us = g_get_real_time();
    operation_store(operation, NULL);
}

static void node_free(OperationNode *node)
{
    g_array_unref(node->unblocks);
    g_free(node->probe);
    g_free(node->path);
    g_free(node->file);
    host_config_free(node->config);
    g_clear_error(&node->failure);
    g_free(node);
}

void operation_free(Operation *operation)
{
    Host *host = operation->engine->host;
    if (operation->timer != 0)
        host->ops->timer_cancel(host, operation->timer);
    for (guint i = 0; i < operation->members->len; i++)
        node_free(operation->members->pdata[i]);
    g_ptr_array_unref(operation->members);
    g_queue_clear(&operation->ready);
    g_array_unref(operation->unbuilt);
    host_config_free(operation->config);
    g_clear_error(&operation->cause);
    g_clear_error(&operation->undo_error);
    g_clear_error(&operation->error);
    g_clear_error(&operation->left_error);
    if (operation->progress_timer != 0)
        host->ops->timer_cancel(host, operation->progress_timer);
    g_free(operation->image_path);
    g_free(operation->peer);
    g_free(operation->command);
    g_free(operation->verdict);
    host_image_info_free(operation->image_info);
    domgrp_map_free(operation->map);
    g_free(operation->group_name);
    g_free(operation->directory);
    g_free(operation);
}

/* -- reading -- */

static double phase_progress(const Operation *operation)
{
    guint n = operation->members->len;
    if (phase_of(operation)->direction == DIRECTION_NONE || n == 0)
        return 0;

    double done = 0;
    for (guint i = 0; i < n; i++) {
        const OperationNode *node = node_of(operation, i);
        if (node->passed ||
            (node->shown.outcome != OUTCOME_PENDING && node->shown.outcome != OUTCOME_ACTIVE))
            done += 1;
        if (node->work == NULL)
            continue;
        guint steps = 0;
        while (node->work->steps[steps].run != NULL)
            steps++;
        done += (double)node->work->next / MAX(steps, 1);
    }
    return MIN(done / n, 1);
}

static double progress(const Operation *operation)
{
    if (operation_is_over(operation))
        return 1;
    guint phases = 0;
    while (kinds[operation->kind].phases[phases].steps != NULL)
        phases++;
    return operation->undoing ? 0 : (operation->phase + phase_progress(operation)) / phases;
}

void operation_get_info(const Operation *operation, OperationInfo *ret_info)
{
    Host *host = operation->engine->host;
    OperationInfo info = {
        .kind = operation->kind,
        .group_name = operation->group_name,
        .began_us = operation->began_us,
        .ended_us = operation->ended_us,
        .queued = operation->queued,
        .dry_run = operation->options.dry_run,
        .interrupted = operation->resumed,
        .by_itself = operation->by_itself,
        .policy = operation->policy,
        .plan = kinds[operation->kind].plan,
        .progress = progress(operation),
        .error = operation_is_over(operation) ? operation->error : NULL,
        .members = operation->members,
        .pause = operation->pause,
        .image_path = operation->image_path,
        .image = operation_image_progress(operation),
        .cut_us = operation->last_still - operation->first_still,
        .peer = operation->peer,
        .verdict = operation->verdict,
        .wire_bytes = operation->wire_bytes,
    };
    memcpy(info.uuid, operation->uuid, sizeof info.uuid);
    memcpy(info.group_uuid, operation->group_uuid, sizeof info.group_uuid);
    for (guint i = 0; i < operation->members->len; i++) {
        OperationNode *node = node_of(operation, i);
        node->shown.doing = node->work != NULL ? work_doing(node->work) : NULL;
        if (node->still_since != 0 && !operation_is_over(operation) && !node->gone_on)
            node->shown.still_us = host->ops->now(host) - node->still_since;
        node->shown.seen = node->work != NULL ? work_seen(node->work) : NULL;
        node->shown.probing = node->work != NULL && node->work->waits_for == NULL;
    }
    *ret_info = info;
}

guint64 engine_promised_kib(Engine *engine)
{
    guint64 kib = 0;
    for (guint i = 0; i < engine->operations->len; i++) {
        const Operation *operation = engine->operations->pdata[i];
        const Kind *kind = &kinds[operation->kind];
        if (operation_is_over(operation) || kind->during != GROUP_STARTING || operation->undoing)
            continue;
        for (guint k = 0; k < operation->members->len; k++) {
            const MemberNode *member = node_of(operation, k)->member;
            if (member != NULL && !member_has_domain(member))
                kib += member->shown.config->memory_kib;
        }
    }
    return kib;
}
