/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "checker.h"

#include <string.h>

#define SLACK_US (G_USEC_PER_SEC / 100) /* what a call takes */

/* What is known of the domain of a name, and of its guest. */
typedef struct {
    guint32 domid;
    gboolean exists;
    gboolean built_by_daemon;
    gboolean runs;     /* its guest has begun, and has not ended */
    gboolean ended;    /* it has ended, its domain is there */
    gboolean given_up; /* a destroy was asked for since it began */
    gboolean still;    /* it has begun and stands still with its memory, suspended */
    gboolean ready;
    gboolean asked; /* by the daemon */
    gboolean asked_by_xl;
    gboolean by_daemon;     /* the daemon has destroyed its last domain */
    gboolean may_begin;     /* a guest has ended since the last one began, for no operation */
    gboolean ended_unasked; /* likewise, and nobody had asked it */
    gint64 began_us;
    gint64 ended_us;
    char began_in[DOMGRP_UUID_TEXT]; /* the operation that let it begin, "" if none did */
    guint begun;
} Guest;

typedef struct {
    SimWhat what;
    char name[24];
    guint32 domid;
    gint64 at_us;
    gboolean by_daemon;
    const char *operation; /* that began or ended; NULL: what happened to a guest */
    const char *result;    /* NULL: it began */
} Line;

struct Checker {
    Host *host;
    Journal *journal;
    Engine *engine;
    GHashTable *guests;  /* name to Guest */
    GHashTable *seen;    /* UUID of an operation to when it was seen first (gint64) */
    GHashTable *begins;  /* "UUID NAME": the operation has let the member begin */
    GPtrArray *expected; /* UUIDs of operations */
    GArray *lines;
    gboolean strict;
    gboolean may_lose;
    gboolean lied_to;
    char *wrong;
};

static void set_wrong(Checker *checker, const char *format, ...) G_GNUC_PRINTF(2, 3);

static void set_wrong(Checker *checker, const char *format, ...)
{
    va_list list;
    if (checker->wrong != NULL)
        return;
    va_start(list, format);
    g_autofree char *text = g_strdup_vprintf(format, list);
    va_end(list);
    gint64 now = checker->host->ops->now(checker->host);
    checker->wrong = g_strdup_printf("at %.3f s: %s", (double)now / G_USEC_PER_SEC, text);
}

static Guest *guest_of(Checker *checker, const char *name)
{
    Guest *guest = g_hash_table_lookup(checker->guests, name);
    if (guest == NULL) {
        guest = g_new0(Guest, 1);
        g_hash_table_insert(checker->guests, g_strdup(name), guest);
    }
    return guest;
}

/* -- whose doing a moment is -- */

/* The group of a member, and the operation that does something to it. */
typedef struct {
    gboolean found;
    GroupInfo group;
    gboolean acts; /* the operation does something to the member */
    OperationInfo operation;
    gint64 seen_us; /* when the operation was seen first */
} Doing;

static const OperationMember *find_member(const OperationInfo *operation, const char *name)
{
    for (guint i = 0; i < operation->members->len; i++) {
        const OperationMember *member = operation->members->pdata[i];
        if (strcmp(member->name, name) == 0)
            return member;
    }
    return NULL;
}

static gint64 see(Checker *checker, const char *uuid)
{
    gint64 *when = g_hash_table_lookup(checker->seen, uuid);
    if (when == NULL) {
        when = g_new(gint64, 1);
        *when = checker->host->ops->now(checker->host);
        g_hash_table_insert(checker->seen, g_strdup(uuid), when);
    }
    return *when;
}

static gboolean has_member(const GroupInfo *group, const char *name)
{
    for (guint i = 0; i < group->members->len; i++)
        if (g_strcmp0(((const Member *)group->members->pdata[i])->name, name) == 0)
            return TRUE;
    return FALSE;
}

static Doing doing_of(Checker *checker, const char *name)
{
    Doing doing = {0};
    if (checker->engine == NULL)
        return doing;
    g_autoptr(GPtrArray) groups = engine_groups(checker->engine);
    for (guint i = 0; i < groups->len && !doing.found; i++) {
        group_get_info(groups->pdata[i], &doing.group);
        doing.found = !doing.group.is_default && has_member(&doing.group, name);
    }
    if (!doing.found || doing.group.operation == NULL)
        return doing;
    operation_get_info(doing.group.operation, &doing.operation);
    doing.seen_us = see(checker, doing.operation.uuid);
    const OperationMember *member = find_member(&doing.operation, name);
    doing.acts = member != NULL && member->doing != NULL;
    return doing;
}

/* -- the order -- */

/* It came by itself, or by xl, while the operation was under way. */
static gboolean came_by_itself(const Guest *guest, const Doing *doing)
{
    return guest->began_us > doing->seen_us && strcmp(guest->began_in, doing->operation.uuid) != 0;
}

static gboolean is_ready(const Checker *checker, const Guest *guest, const DomgrpProbe *probe)
{
    gint64 now = checker->host->ops->now(checker->host);
    if (probe == NULL)
        return TRUE;
    return probe->kind == DOMGRP_PROBE_DELAY
               ? now - guest->began_us >= (gint64)probe->delay_s * G_USEC_PER_SEC
               : guest->ready;
}

static void judge_need(Checker *checker, const char *name, const char *need, const Doing *doing)
{
    const Guest *guest = guest_of(checker, need);
    const DomgrpMemberSettings *settings = domgrp_settings_lookup(doing->group.settings, need);
    gint64 now = checker->host->ops->now(checker->host);
    OperationKind kind = doing->operation.kind;
    if (kind != OPERATION_CREATE && kind != OPERATION_START &&
        find_member(&doing->operation, need) == NULL)
        return;
    if (kind == OPERATION_SHUTDOWN && !guest->runs && guest->ended_unasked)
        return; /* undoing it starts what it had shut down */
    if ((kind == OPERATION_RESTORE || kind == OPERATION_RESUME || kind == OPERATION_ACTIVATE) &&
        (find_member(&doing->operation, need)->outcome == OUTCOME_FAILED ||
         (!guest->runs && strcmp(guest->began_in, doing->operation.uuid) == 0)))
        return; /* it has its memory: it is not to wait for ever */
    if (!guest->runs && now - guest->ended_us > SLACK_US)
        set_wrong(checker, "%s begins in %s, but %s, which it needs, does not run", name,
                  operation_kind_name(kind), need);
    else if (guest->runs && !came_by_itself(guest, doing) &&
             !is_ready(checker, guest, settings != NULL ? settings->ready : NULL))
        set_wrong(checker, "%s begins in %s, but %s, which it needs, is not ready", name,
                  operation_kind_name(kind), need);
}

static void judge_needs(Checker *checker, const char *name, const Doing *doing)
{
    const DomgrpMemberSettings *settings = domgrp_settings_lookup(doing->group.settings, name);
    for (guint i = 0; settings != NULL && i < settings->needs->len; i++)
        judge_need(checker, name, settings->needs->pdata[i], doing);
}

static gboolean needs(const GroupInfo *group, const char *name, const char *need)
{
    const DomgrpMemberSettings *settings = domgrp_settings_lookup(group->settings, name);
    for (guint i = 0; settings != NULL && i < settings->needs->len; i++)
        if (strcmp(settings->needs->pdata[i], need) == 0)
            return TRUE;
    return FALSE;
}

/* The daemon ends the guest of @name, which runs. */
static void judge_end(Checker *checker, const char *name, const char *what)
{
    Doing doing = doing_of(checker, name);
    if (!doing.acts) {
        if (!checker->lied_to) /* of two that ran one was discarded, then */
            set_wrong(checker, "the daemon has %s %s, which runs, for no operation", what, name);
        return;
    }
    gboolean undoes =
        doing.operation.kind == OPERATION_CREATE || doing.operation.kind == OPERATION_START;
    for (guint i = 0; i < doing.operation.members->len; i++) {
        const char *other = ((const OperationMember *)doing.operation.members->pdata[i])->name;
        const Guest *guest = guest_of(checker, other);
        if (!guest->runs || guest->still || !needs(&doing.group, other, name) ||
            came_by_itself(guest, &doing) ||
            (undoes && strcmp(guest->began_in, doing.operation.uuid) != 0))
            continue;
        set_wrong(checker, "%s is %s in %s, but %s, which needs it, still runs", name, what,
                  operation_kind_name(doing.operation.kind), other);
    }
}

/* -- how often -- */

static void judge_begin(Checker *checker, const char *name, Guest *guest)
{
    Doing doing = doing_of(checker, name);
    guest->began_in[0] = '\0';
    if (!guest->built_by_daemon || !doing.found)
        return;
    if (!doing.acts) {
        if (!guest->may_begin)
            set_wrong(checker, "%s begins, but no operation says so and its guest had not ended",
                      name);
        return;
    }
    g_strlcpy(guest->began_in, doing.operation.uuid, sizeof guest->began_in);
    char *key = g_strdup_printf("%s %s", doing.operation.uuid, name);
    if (!g_hash_table_add(checker->begins, key) && !guest->ended_unasked)
        set_wrong(checker, "%s begins a second time in one %s", name,
                  operation_kind_name(doing.operation.kind));
    judge_needs(checker, name, &doing);
}

static void note_begin(Checker *checker, const SimMoment *moment, Guest *guest)
{
    if (guest->runs)
        set_wrong(checker, "%s begins as domain %u, but still runs as %u", moment->name,
                  moment->domid, guest->domid);
    guest->began_us = moment->at_us;
    guest->begun++;
    guest->runs = TRUE;
    if (moment->unmarked)
        set_wrong(checker, "%s goes on from an image that is not marked used", moment->name);
    if (moment->by_daemon)
        judge_begin(checker, moment->name, guest);
    else
        guest->began_in[0] = '\0';
    guest->domid = moment->domid;
    guest->may_begin = guest->ended_unasked = guest->given_up = FALSE;
}

static void note_end(const SimMoment *moment, Guest *guest)
{
    guest->runs = guest->ready = FALSE;
    guest->ended = guest->may_begin = TRUE;
    guest->ended_unasked = !guest->asked;
    guest->ended_us = moment->at_us;
}

/* Memory that a guest could have gone on with is gone. */
static void judge_lost(Checker *checker, const char *name)
{
    if (!guest_of(checker, name)->given_up && !checker->may_lose)
        set_wrong(checker, "the memory of %s is lost", name);
}

/* Whether the operation that runs on @group removes what it has not completed. */
static gboolean takes_back(const Group *group, const char *path)
{
    GroupInfo info;
    OperationInfo operation;
    group_get_info(group, &info);
    if (info.operation == NULL)
        return FALSE;
    operation_get_info(info.operation, &operation);
    return operation.kind == OPERATION_DESTROY || operation.kind == OPERATION_DELETE ||
           (operation.policy == DOMGRP_POLICY_ROLLBACK &&
            g_strcmp0(operation.image_path, path) == 0);
}

/* An image of memory that is nowhere else. */
static void judge_removed(Checker *checker, const SimMoment *moment)
{
    g_autoptr(GPtrArray) groups =
        checker->engine != NULL ? engine_groups(checker->engine) : g_ptr_array_new();
    if (!moment->by_daemon || !moment->lost)
        return;
    for (guint i = 0; i < groups->len; i++)
        if (takes_back(groups->pdata[i], moment->name))
            return;
    set_wrong(checker, "the memory in %s is lost", moment->name);
}

static void note_resumed(Checker *checker, const SimMoment *moment, Guest *guest)
{
    if (!guest->still)
        set_wrong(checker, "%s is resumed, but did not stand still", moment->name);
    if (moment->by_daemon && moment->asked)
        set_wrong(checker, "%s is resumed, but xl had suspended it", moment->name);
    guest->still = FALSE;
}

static void note_destroyed(Checker *checker, const SimMoment *moment, Guest *guest)
{
    if (guest->domid != moment->domid)
        return; /* one that was kept under another name */
    if (moment->by_daemon && moment->lost)
        judge_lost(checker, moment->name);
    if (guest->runs) {
        gboolean still = guest->still;
        guest->ended_us = moment->at_us;
        guest->runs = guest->ready = guest->still = FALSE;
        if (moment->by_daemon && !still)
            judge_end(checker, moment->name, "destroyed");
    }
    guest->exists = guest->ended = FALSE;
    guest->by_daemon = moment->by_daemon;
    if (moment->by_daemon && doing_of(checker, moment->name).acts)
        guest->may_begin = FALSE;
}

static void note_built(Checker *checker, const SimMoment *moment, Guest *guest)
{
    if (guest->runs)
        set_wrong(checker, "%s is built as domain %u, but still runs as %u", moment->name,
                  moment->domid, guest->domid);
    guest->domid = moment->domid;
    guest->built_by_daemon = moment->by_daemon;
    guest->exists = TRUE;
    guest->ready = guest->ended = guest->asked = guest->asked_by_xl = FALSE;
}

static void note(gpointer data, const SimMoment *moment)
{
    Checker *checker = data;
    Guest *guest = guest_of(checker, moment->name);
    Line line = {.what = moment->what,
                 .domid = moment->domid,
                 .at_us = moment->at_us,
                 .by_daemon = moment->by_daemon};
    g_strlcpy(line.name, moment->name, sizeof line.name);
    g_array_append_val(checker->lines, line);
    if (moment->old && !checker->lied_to)
        set_wrong(checker, "%s goes on with disks that have moved on", moment->name);
    if (moment->twice && !checker->lied_to)
        set_wrong(checker, "%s runs, and so does its copy on the other host", moment->name);
    switch (moment->what) {
    case SIM_BUILT:
        note_built(checker, moment, guest);
        break;
    case SIM_RUNS:
        note_begin(checker, moment, guest);
        break;
    case SIM_READY:
        guest->ready = TRUE;
        break;
    case SIM_ASKED:
        guest->asked = guest->asked || moment->by_daemon;
        guest->asked_by_xl = guest->asked_by_xl || !moment->by_daemon;
        if (moment->by_daemon && guest->runs)
            judge_end(checker, moment->name, "asked");
        break;
    case SIM_ENDED:
        note_end(moment, guest);
        break;
    case SIM_DESTROYED:
        note_destroyed(checker, moment, guest);
        break;
    case SIM_SUSPENDED:
        guest->still = TRUE;
        break;
    case SIM_RESUMED:
        note_resumed(checker, moment, guest);
        break;
    case SIM_REMOVED:
        judge_removed(checker, moment);
        break;
    case SIM_PAUSED:
    case SIM_UNPAUSED:
        break;
    }
}

/* -- the object -- */

Checker *checker_new(Host *host, Journal *journal)
{
    Checker *checker = g_new0(Checker, 1);
    checker->host = host;
    checker->journal = journal;
    checker->guests = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    checker->seen = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    checker->begins = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    checker->expected = g_ptr_array_new_with_free_func(g_free);
    checker->lines = g_array_new(FALSE, FALSE, sizeof(Line));
    host_sim_trace(host, note, checker);
    return checker;
}

void checker_free(Checker *checker)
{
    host_sim_trace(checker->host, NULL, NULL);
    g_hash_table_unref(checker->guests);
    g_hash_table_unref(checker->seen);
    g_hash_table_unref(checker->begins);
    g_ptr_array_unref(checker->expected);
    g_array_unref(checker->lines);
    g_free(checker->wrong);
    g_free(checker);
}

void checker_set_engine(Checker *checker, Engine *engine)
{
    checker->engine = engine;
}

/* People are told of an end that the journal has, or that it could not be given. */
static void judge_told(Checker *checker, const OperationInfo *info)
{
    g_autofree char *open =
        g_strdup_printf("open %s of %s", operation_kind_name(info->kind), info->group_name);
    if (info->ended_us == 0 || info->dry_run || !checker->strict)
        return;
    g_autofree char *journal = journal_sim_describe(checker->journal);
    if (strstr(journal, open) != NULL)
        set_wrong(checker, "%s of %s is said to have ended, but it is open in the journal",
                  operation_kind_name(info->kind), info->group_name);
}

void checker_allow_loss(Checker *checker)
{
    checker->may_lose = TRUE;
}

void checker_lie(Checker *checker)
{
    checker->lied_to = TRUE;
}

void checker_set_strict(Checker *checker, gboolean strict)
{
    checker->strict = strict;
}

static void note_operation(Checker *checker, const OperationInfo *info)
{
    Line line = {.at_us = checker->host->ops->now(checker->host),
                 .operation = operation_kind_name(info->kind)};
    gboolean seen = info->queued || g_hash_table_contains(checker->seen, info->uuid);
    if (seen && info->ended_us == 0)
        return;
    if (info->ended_us != 0)
        line.result =
            info->error != NULL ? domgrp_error_name(domgrp_error_code(info->error)) : "done";
    g_strlcpy(line.name, info->group_name, sizeof line.name);
    g_array_append_val(checker->lines, line);
}

void checker_see(Checker *checker, const Operation *operation)
{
    OperationInfo info;
    operation_get_info(operation, &info);
    judge_told(checker, &info);
    note_operation(checker, &info);
    if (!info.queued)
        see(checker, info.uuid);
    for (guint i = 0; i < info.members->len && info.kind == OPERATION_DESTROY; i++)
        guest_of(checker, ((OperationMember *)info.members->pdata[i])->name)->given_up = TRUE;
}

void checker_expect(Checker *checker, const Operation *operation)
{
    OperationInfo info;
    operation_get_info(operation, &info);
    g_ptr_array_add(checker->expected, g_strdup(info.uuid));
}

guint checker_begun(const Checker *checker, const char *name)
{
    const Guest *guest = g_hash_table_lookup(checker->guests, name);
    return guest != NULL ? guest->begun : 0;
}

const char *checker_wrong(const Checker *checker)
{
    return checker->wrong;
}

char *checker_trace(const Checker *checker)
{
    GString *text = g_string_new(NULL);
    for (guint i = 0; i < checker->lines->len; i++) {
        const Line *line = &g_array_index(checker->lines, Line, i);
        if (line->operation != NULL) {
            g_string_append_printf(text, "%8.3f %s of %s: %s\n",
                                   (double)line->at_us / G_USEC_PER_SEC, line->operation,
                                   line->name, line->result != NULL ? line->result : "begins");
            continue;
        }
        g_string_append_printf(text, "%8.3f %s(%u) %s%s\n", (double)line->at_us / G_USEC_PER_SEC,
                               line->name, line->domid, host_sim_what_name(line->what),
                               line->by_daemon ? " by the daemon" : "");
    }
    return g_string_free(text, FALSE);
}

/* -- at rest: what the engine says, as the host and the journal would -- */

static gint compare_lines(gconstpointer a, gconstpointer b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void add_line(GPtrArray *lines, const char *format, ...) G_GNUC_PRINTF(2, 3);

static void add_line(GPtrArray *lines, const char *format, ...)
{
    va_list list;
    va_start(list, format);
    g_ptr_array_add(lines, g_strdup_vprintf(format, list));
    va_end(list);
}

static char *join_lines(GPtrArray *lines)
{
    g_ptr_array_sort(lines, compare_lines);
    g_ptr_array_add(lines, NULL);
    return g_strjoinv("\n", (char **)lines->pdata);
}

static const char *domain_text(MemberState state)
{
    switch (state) {
    case MEMBER_RUNNING:
        return "running";
    case MEMBER_PAUSED:
        return "paused";
    case MEMBER_CRASHED:
        return "crashed";
    case MEMBER_SHUTDOWN:
        return "ended";
    default:
        return member_state_name(state); /* nothing is under way any more */
    }
}

/* The lines that host_sim_describe() and journal_sim_describe() have for what the engine says. */
static void expect_group(const GroupInfo *info, gboolean stock, GPtrArray *host, GPtrArray *journal)
{
    GString *names = g_string_new(NULL);
    GString *kept = g_string_new(NULL);
    for (guint i = 0; i < info->members->len; i++) {
        const Member *member = info->members->pdata[i];
        g_string_append_printf(names, " %s", member->name);
        g_string_append_printf(kept, " %s%s", member->name,
                               member->ours || member->state == MEMBER_AWAY ? "(ours)" : "");
        if (member->domid != HOST_DOMID_NONE)
            add_line(host, "domain %s group=%u %s", member->name, stock ? DOMGRP_ID_NULL : info->id,
                     domain_text(member->state));
        if (!info->is_default && !stock)
            add_line(host, "reservation %s %u", member->uuid, info->id);
    }
    if (!info->is_default) {
        if (!stock)
            add_line(host, "group %u %s%s", info->id, info->uuid, info->paused ? " paused" : "");
        add_line(host, "record %s %s id=%u members:%s", info->uuid, info->name, info->id,
                 names->str);
        add_line(journal, "group %s%s:%s", info->name, info->paused ? " paused" : "", kept->str);
    }
    g_string_free(names, TRUE);
    g_string_free(kept, TRUE);
}

static char *compare_texts(Checker *checker, GPtrArray *groups, gboolean stock)
{
    g_autoptr(GPtrArray) host = g_ptr_array_new_with_free_func(g_free);
    g_autoptr(GPtrArray) journal = g_ptr_array_new_with_free_func(g_free);
    for (guint i = 0; i < groups->len; i++) {
        GroupInfo info;
        group_get_info(groups->pdata[i], &info);
        if (info.id != DOMGRP_ID_GROUP0)
            expect_group(&info, stock, host, journal);
    }
    g_autofree char *host_expected = join_lines(host);
    g_autofree char *host_got = host_sim_describe(checker->host);
    if (strcmp(host_expected, host_got) != 0)
        return g_strdup_printf("the engine says:\n%s\nthe host says:\n%s", host_expected, host_got);
    g_autofree char *journal_expected = join_lines(journal);
    g_autofree char *journal_got = journal_sim_describe(checker->journal);
    if (strcmp(journal_expected, journal_got) != 0)
        return g_strdup_printf("the engine says:\n%s\nthe journal says:\n%s", journal_expected,
                               journal_got);
    return NULL;
}

/* -- at rest: each group -- */

static GroupState expected_state(Checker *checker, const GroupInfo *info)
{
    guint running = 0;
    for (guint i = 0; i < info->members->len; i++) {
        const Guest *guest = guest_of(checker, ((const Member *)info->members->pdata[i])->name);
        running += guest->exists && !guest->ended && !guest->still;
    }
    if (info->paused)
        return GROUP_PAUSED;
    if (running == 0 && info->image_path != NULL)
        return GROUP_SUSPENDED;
    if (info->state == GROUP_FAILED)
        return GROUP_FAILED; /* which the journal must say, too */
    if (running == 0)
        return GROUP_STOPPED;
    return running == info->members->len ? GROUP_RUNNING : GROUP_PARTIAL;
}

static const JournalMember *find_kept(const JournalGroup *kept, const char *uuid)
{
    for (guint i = 0; i < kept->members->len; i++) {
        const JournalMember *member = kept->members->pdata[i];
        if (strcmp(member->uuid, uuid) == 0)
            return member;
    }
    return NULL;
}

static char *check_member(Checker *checker, const GroupInfo *info, const Member *member,
                          const JournalMember *kept)
{
    if (member->state == MEMBER_AWAY && guest_of(checker, member->name)->by_daemon)
        return g_strdup_printf("%s is said to be away, but the daemon has destroyed it",
                               member->name);
    if (kept == NULL)
        return g_strdup_printf("the journal does not know %s of %s", member->name, info->name);
    guint32 domid = member->ours ? member->domid : HOST_DOMID_NONE;
    if (kept->domid == domid || (member->state == MEMBER_AWAY && kept->ours))
        return NULL;
    return g_strdup_printf("the domain of %s is %d, but the journal says %d", member->name,
                           (gint)domid, (gint)kept->domid);
}

static char *check_kept(Checker *checker, const GroupInfo *info, const JournalGroup *kept,
                        const char *boot_id)
{
    g_autofree char *settings = domgrp_settings_to_text(info->settings);
    if (strcmp(kept->boot_id, boot_id) != 0)
        return g_strdup_printf("the journal has %s of another boot", info->name);
    if (kept->id != info->id)
        return g_strdup_printf("the id of %s is %u, but the journal says %u", info->name, info->id,
                               kept->id);
    if (g_strcmp0(kept->settings, settings) != 0)
        return g_strdup_printf("the settings of %s are:\n%s\nthe journal says:\n%s", info->name,
                               settings, kept->settings);
    gboolean old = kept->image_old; /* it is only to be discarded */
    if (strcmp(old ? "" : kept->image_uuid, info->image_uuid) != 0 ||
        g_strcmp0(old ? NULL : kept->image_path, info->image_path) != 0)
        return g_strdup_printf("the image of %s is %s at %s, but the journal says %s at %s",
                               info->name, info->image_uuid, info->image_path, kept->image_uuid,
                               kept->image_path);
    if (!info->paused && kept->failed != (info->state == GROUP_FAILED))
        return g_strdup_printf("the journal says that %s has %sfailed", info->name,
                               kept->failed ? "" : "not ");
    char *wrong = NULL;
    for (guint i = 0; i < info->members->len && wrong == NULL; i++) {
        const Member *member = info->members->pdata[i];
        wrong = check_member(checker, info, member, find_kept(kept, member->uuid));
    }
    return wrong;
}

static char *check_group(Checker *checker, const GroupInfo *info, GPtrArray *kept,
                         const char *boot_id)
{
    GroupState expected = expected_state(checker, info);
    if (info->operation != NULL)
        return g_strdup_printf("an operation of %s never ended", info->name);
    for (guint i = 0; i < info->members->len; i++) {
        const Member *member = info->members->pdata[i];
        const Guest *guest = guest_of(checker, member->name);
        /* What was asked may have been "xl save", and a new daemon cannot tell who asked. */
        if (guest->still && !guest->asked && !guest->asked_by_xl)
            return g_strdup_printf("%s stands still", member->name);
    }
    if (info->state != expected)
        return g_strdup_printf("%s is said to be %s, but it is %s", info->name,
                               group_state_name(info->state), group_state_name(expected));
    for (guint i = 0; i < kept->len; i++) {
        const JournalGroup *group = kept->pdata[i];
        if (strcmp(group->uuid, info->uuid) == 0)
            return check_kept(checker, info, group, boot_id);
    }
    return NULL; /* the texts differ */
}

static char *check_groups(Checker *checker, GPtrArray *groups)
{
    HostFacts facts;
    g_autoptr(GPtrArray) kept = NULL;
    char *wrong = NULL;
    g_assert_true(checker->host->ops->facts(checker->host, &facts, NULL));
    g_assert_true(checker->journal->ops->load(checker->journal, &kept, NULL));
    for (guint i = 0; i < groups->len && wrong == NULL; i++) {
        GroupInfo info;
        group_get_info(groups->pdata[i], &info);
        if (!info.is_default)
            wrong = check_group(checker, &info, kept, facts.boot_id);
    }
    return wrong;
}

/* -- at rest: the history -- */

static char *check_expected(const Checker *checker)
{
    for (guint i = 0; i < checker->expected->len; i++) {
        OperationInfo info;
        const Operation *operation =
            engine_operation_lookup(checker->engine, checker->expected->pdata[i], NULL);
        if (operation == NULL)
            return g_strdup("an operation that was accepted is not in the history");
        operation_get_info(operation, &info);
        if (info.ended_us == 0)
            return g_strdup_printf("%s never ended", operation_kind_name(info.kind));
    }
    return NULL;
}

char *checker_rest(Checker *checker, gboolean stock)
{
    if (checker->wrong != NULL)
        return g_strdup(checker->wrong);
    g_assert_true(engine_refresh(checker->engine, NULL));
    g_autoptr(GPtrArray) groups = engine_groups(checker->engine);
    char *wrong = check_groups(checker, groups);
    if (wrong == NULL)
        wrong = compare_texts(checker, groups, stock);
    if (wrong == NULL)
        wrong = check_expected(checker);
    g_autofree char *images = host_sim_describe_images(checker->host);
    if (wrong == NULL && strstr(images, "unfinished") != NULL)
        wrong = g_strdup_printf("there is:\n%s", images);
    return wrong;
}
