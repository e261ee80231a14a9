/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Runs scripts against the engine on a simulated host: commands in, text
 * out. A script has tests, each "## title" and lines:
 *
 *   COMMAND ARGUMENT...   what is done; an operation runs until nothing happens
 *   > TEXT                a line that the command above must have printed
 *
 * "begin COMMAND" lets no time pass. Task UUIDs print as TASK, and after a
 * failed command its code and sentence print as "CODE: sentence".
 * "fault CALL KIND [N]" puts a fault on the Nth next call of a function.
 */
#include "world.h"

#include <string.h>

/* -- commands: print to @out what there is to see -- */

typedef void (*CommandRun)(World *world, char **words, GString *out);

static void print_error(World *world, const GError *error, GString *out)
{
    g_string_append_printf(out, "%s: %s\n", domgrp_error_name(domgrp_error_code(error)),
                           error->message);
    g_autoptr(GPtrArray) operations = engine_operations(world->engine);
    for (guint i = 0; i < operations->len; i++) {
        OperationInfo info;
        operation_get_info(operations->pdata[i], &info);
        g_string_replace(out, info.uuid, "TASK", 0);
    }
}

static void print_lines(const char *text, GString *out)
{
    if (*text != '\0')
        g_string_append_printf(out, "%s\n", text);
}

static void run_file(World *world, char **words, GString *out)
{
    GString *text = g_string_new(NULL);
    g_autofree char *named = g_strjoinv(" ", words + 1);
    if (strstr(named, "name=") == NULL)
        g_string_append_printf(text, "name = \"%s\"\n", words[1]);
    for (char **word = words + 2; *word != NULL; word++)
        g_string_append_printf(text, "%s\n", *word);
    world_set_file(world, words[1], text->str);
    g_string_free(text, TRUE);
}

static void read_option(const char *word, EngineOptions *options)
{
    if (strcmp(word, "fallback") == 0)
        options->fallback = TRUE;
    else if (strcmp(word, "wait") == 0)
        options->wait = TRUE;
    else if (strcmp(word, "dry-run") == 0)
        options->dry_run = TRUE;
    else if (strcmp(word, "ordered") == 0)
        options->ordered = TRUE;
    else if (strcmp(word, "live") == 0)
        options->live = TRUE;
    else if (strcmp(word, "reverted") == 0)
        options->disks_reverted = TRUE;
    else if (*word == '/')
        options->path = word;
    else if (!domgrp_policy_parse(word, &options->policy, NULL))
        options->timeout_s = (guint)g_ascii_strtoull(word, NULL, 10);
}

/* "options stop dry-run": of the creates that follow. */
static void run_options(World *world, char **words, GString *out)
{
    world->options = (EngineOptions){0};
    for (char **word = words + 1; *word != NULL; word++)
        read_option(*word, &world->options);
}

static void run_create(World *world, char **words, GString *out)
{
    g_autoptr(GError) error = NULL;
    if (world_create(world, words[1], (const char *const *)words + 2, &error) == NULL)
        print_error(world, error, out);
}

/* "create-uuid UUID GROUP MEMBER..." */
static void run_create_uuid(World *world, char **words, GString *out)
{
    world->uuid = words[1];
    run_create(world, words + 1, out);
    world->uuid = NULL;
}

/* The task that was begun last, found by its UUID; or any. */
static void run_task(World *world, char **words, GString *out)
{
    OperationInfo info = {.uuid = ""};
    g_autoptr(GError) error = NULL;
    if (words[1] == NULL)
        operation_get_info(world->last, &info);
    const Operation *found =
        engine_operation_lookup(world->engine, words[1] != NULL ? words[1] : info.uuid, &error);
    if (found == NULL)
        print_error(world, error, out);
    else
        g_string_append(out, found == world->last ? "the last\n" : "another\n");
}

static void run_join(World *world, char **words, GString *out)
{
    g_autoptr(GError) error = NULL;
    EngineOptions options = {0};
    for (char **word = words + 3; *word != NULL; word++)
        read_option(*word, &options);
    world->last = engine_join(world->engine, words[1], words[2], &options, &error);
    if (world->last == NULL)
        print_error(world, error, out);
}

static void run_operate(World *world, char **words, GString *out)
{
    g_autoptr(GError) error = NULL;
    OperationKind kind = 0;
    while (strcmp(operation_kind_name(kind), words[0]) != 0)
        kind++;
    EngineOptions options = {0};
    for (char **word = words + 2; words[1] != NULL && *word != NULL; word++)
        read_option(*word, &options);
    world->last = engine_operate(world->engine, kind, words[1], &options, &error);
    if (world->last == NULL)
        print_error(world, error, out);
}

/* "restore /a/shop.grp [reverted] [wait] [map]": the map is what "map" commands said before. */
static void run_restore(World *world, char **words, GString *out)
{
    g_autoptr(GError) error = NULL;
    EngineOptions options = {0};
    for (char **word = words + 1; *word != NULL; word++)
        if (strcmp(*word, "map") == 0)
            options.map = world->map;
        else
            read_option(*word, &options);
    world->last = engine_restore(world->engine, &options, &error);
    if (world->last == NULL)
        print_error(world, error, out);
}

/* "map members db: db2"; "map" begins another one. */
static void run_map(World *world, char **words, GString *out)
{
    g_autoptr(GError) error = NULL;
    if (words[1] == NULL || world->map == NULL) {
        domgrp_map_free(world->map);
        world->map = domgrp_map_new();
    }
    if (words[1] == NULL)
        return;
    g_autofree char *value = g_strjoinv(" ", words + 2);
    if (!domgrp_map_add(world->map, words[1], value, &error))
        print_error(world, error, out);
}

static void run_images(World *world, char **words, GString *out)
{
    g_autofree char *text = host_sim_describe_images(world->host);
    g_autoptr(GString) named = g_string_new(text);
    g_autoptr(GPtrArray) groups = engine_groups(world->engine);
    for (guint i = 0; i < groups->len; i++) {
        GroupInfo info;
        group_get_info(groups->pdata[i], &info);
        g_string_replace(named, info.uuid, info.name, 0);
    }
    print_lines(named->str, out);
}

/* "image room 100" (MiB), "image revert PATH", "image break PATH MEMBER", "image move PATH [TO]".
 */
static void run_image(World *world, char **words, GString *out)
{
    if (strcmp(words[1], "room") == 0)
        host_sim_set_image_room(world->host, g_ascii_strtoull(words[2], NULL, 10) * 1024);
    else if (strcmp(words[1], "revert") == 0)
        host_sim_revert_disks(world->host, words[2]);
    else if (strcmp(words[1], "break") == 0)
        host_sim_break_image(world->host, words[2], words[3]);
    else
        host_sim_move_image(world->host, words[2], words[3]);
}

/* How long the members of the last operation stood still, and between the first and the last. */
static void run_still(World *world, char **words, GString *out)
{
    OperationInfo info;
    operation_get_info(world->last, &info);
    g_string_append_printf(out, "cut %.2f s", (double)info.cut_us / G_USEC_PER_SEC);
    for (guint i = 0; i < info.members->len; i++) {
        const OperationMember *member = info.members->pdata[i];
        g_string_append_printf(out, ", %s %.2f s", member->name,
                               (double)member->still_us / G_USEC_PER_SEC);
    }
    g_string_append_printf(out, ", %" G_GUINT64_FORMAT " MiB at %s\n",
                           info.image.memory_bytes >> 20, info.image_path);
}

static void run_run(World *world, char **words, GString *out)
{
    gboolean lives = words[1] != NULL
                         ? host_sim_run_for(world->host, (gint64)(g_ascii_strtod(words[1], NULL) *
                                                                  G_USEC_PER_SEC))
                         : host_sim_run(world->host, -1);
    if (!lives)
        g_string_append(out, "the daemon died\n");
}

static void run_result(World *world, char **words, GString *out)
{
    g_autofree char *result = world_result(world);
    g_string_append_printf(out, "%s\n", result);
}

static void run_members(World *world, char **words, GString *out)
{
    OperationInfo info;
    operation_get_info(world->last, &info);
    for (guint i = 0; i < info.members->len; i++) {
        const OperationMember *member = info.members->pdata[i];
        g_string_append_printf(out, "%s %s", member->name, outcome_name(member->outcome));
        if (member->doing != NULL)
            g_string_append_printf(out, ", %s", member->doing);
        if (member->seen != NULL)
            g_string_append_printf(out, " (%s)", member->seen);
        if (member->error != NULL)
            g_string_append_printf(out, ": %s", member->error->message);
        g_string_append_c(out, '\n');
    }
}

static void run_list(World *world, char **words, GString *out)
{
    g_autofree char *list = world_list(world);
    print_lines(list, out);
}

static void run_domains(World *world, char **words, GString *out)
{
    g_autoptr(GPtrArray) groups = engine_groups(world->engine);
    g_assert_true(engine_refresh(world->engine, NULL));
    for (guint i = 0; i < groups->len; i++) {
        GroupInfo info;
        group_get_info(groups->pdata[i], &info);
        g_string_append_printf(out, "%s %u:", info.name, info.id);
        for (guint k = 0; k < info.members->len; k++) {
            const Member *member = info.members->pdata[k];
            g_string_append_printf(out, " %s", member->name);
            if (member->domid != HOST_DOMID_NONE)
                g_string_append_printf(out, "(%u)", member->domid);
        }
        g_string_append_c(out, '\n');
    }
}

static int compare_lines(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void run_host(World *world, char **words, GString *out)
{
    g_autofree char *text = host_sim_describe(world->host);
    g_autoptr(GString) named = g_string_new(text);
    g_autoptr(GPtrArray) groups = engine_groups(world->engine);
    for (guint i = 0; i < groups->len; i++) {
        GroupInfo info;
        group_get_info(groups->pdata[i], &info);
        g_string_replace(named, info.uuid, info.name, 0);
    }
    g_auto(GStrv) lines = g_strsplit(named->str, "\n", -1);
    qsort(lines, g_strv_length(lines), sizeof *lines, compare_lines);
    g_autofree char *sorted = g_strjoinv("\n", lines);
    print_lines(sorted, out);
}

static void run_journal(World *world, char **words, GString *out)
{
    g_autofree char *text = journal_sim_describe(world->journal);
    print_lines(text, out);
}

static void run_notes(World *world, char **words, GString *out)
{
    print_lines(g_strchomp(world->notes->str), out);
    g_string_truncate(world->notes, 0);
}

static void run_record(World *world, char **words, GString *out)
{
    const char *uuid = host_sim_domain_record(world->host, words[1]);
    GroupInfo info = {.name = "nothing"};
    if (uuid != NULL && *uuid != '\0')
        group_get_info(engine_group_lookup(world->engine, uuid, NULL), &info);
    g_string_append_printf(out, "%s\n", info.name);
}

static void run_history(World *world, char **words, GString *out)
{
    g_autoptr(GPtrArray) operations = engine_operations(world->engine);
    for (guint i = 0; i < operations->len; i++) {
        OperationInfo info;
        operation_get_info(operations->pdata[i], &info);
        g_string_append_printf(out, "%s of %s: %s\n", operation_kind_name(info.kind),
                               info.group_name,
                               info.ended_us == 0   ? "runs"
                               : info.error == NULL ? "done"
                                                    : info.error->message);
    }
}

static void run_xl(World *world, char **words, GString *out)
{
    gboolean done = FALSE;
    const char *text = g_hash_table_lookup(world->files, words[2]);
    g_autofree char *otherwise = g_strdup_printf("name = \"%s\"\n", words[2]);
    if (strcmp(words[1], "create") == 0)
        done = sim_xl_create(world->host, text != NULL ? text : otherwise, NULL);
    else if (strcmp(words[1], "destroy") == 0)
        done = sim_xl_destroy(world->host, words[2]);
    else if (strcmp(words[1], "shutdown") == 0)
        done = sim_xl_shutdown(world->host, words[2]);
    else if (strcmp(words[1], "reboot") == 0)
        done = sim_xl_reboot(world->host, words[2]);
    else if (strcmp(words[1], "pause") == 0)
        done = sim_xl_pause(world->host, words[2]);
    else if (strcmp(words[1], "save") == 0)
        done = sim_xl_save(world->host, words[2]);
    else if (strcmp(words[1], "unpause") == 0)
        done = sim_xl_unpause(world->host, words[2]);
    else if (strcmp(words[1], "group") == 0) /* somebody uses the hypercall */
        done = world->host->ops->group_create(world->host, words[2], &(guint32){0}, NULL);
    if (!done)
        g_string_append(out, "xl failed\n");
}

static void run_guest(World *world, char **words, GString *out)
{
    HostReason reason = 0;
    g_autofree char *name = g_strjoinv(" ", words + 2);
    while (strcmp(host_reason_name(reason), name) != 0)
        g_assert_cmpint(++reason, <, HOST_REASON_UNKNOWN);
    if (!sim_guest_end(world->host, words[1], reason))
        g_string_append(out, "no such guest\n");
}

static void run_fault(World *world, char **words, GString *out)
{
    static const char *const names[] = {"none", "before", "after", "hang", "death", NULL};
    SimFault fault = 0;
    while (strcmp(names[fault], words[2]) != 0)
        fault++;
    guint nth = words[3] != NULL ? (guint)g_ascii_strtoull(words[3], NULL, 10) : 1;
    host_sim_fault_on(world->host, words[1], nth, fault);
}

static void restart(World *world, GString *out)
{
    g_autoptr(GError) error = NULL;
    if (!world_restart(world, &error))
        g_string_append_printf(out, "%s: %s\n", domgrp_error_name(domgrp_error_code(error)),
                               error->message);
}

static void run_kill(World *world, char **words, GString *out)
{
    restart(world, out);
}

static void run_stop(World *world, char **words, GString *out)
{
    world_stop(world);
}

static void run_power(World *world, char **words, GString *out)
{
    world_stop(world);
    host_sim_reboot(world->host);
    restart(world, out);
}

static void run_lose(World *world, char **words, GString *out)
{
    journal_sim_lose(world->journal, (guint)g_ascii_strtoull(words[1], NULL, 10));
}

static void run_host_is(World *world, char **words, GString *out)
{
    if (strcmp(words[1], "stock") == 0)
        host_sim_set_groups(world->host, FALSE);
    else if (strcmp(words[1], "emptied") == 0)
        host_sim_drop_groups(world->host);
    restart(world, out);
}

static void run_memory(World *world, char **words, GString *out)
{
    host_sim_set_memory(world->host, g_ascii_strtoull(words[1], NULL, 10) * 1024);
}

static void run_absent(World *world, char **words, GString *out)
{
    host_sim_set_absent(world->host, words[1]);
}

static void run_parallel(World *world, char **words, GString *out)
{
    engine_set_parallel(world->engine, (guint)g_ascii_strtoull(words[1], NULL, 10));
}

/* "set after web: db": the next group that is created has that in its file. */
static void run_set(World *world, char **words, GString *out)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *value = g_strjoinv(" ", words + 2);
    if (world->settings == NULL)
        world->settings = domgrp_settings_new();
    if (!domgrp_settings_add(world->settings, words[1], value, &error))
        print_error(world, error, out);
}

/* The plan of the last operation: tiers, members, what is waited for. */
static void run_plan(World *world, char **words, GString *out)
{
    OperationInfo info;
    operation_get_info(world->last, &info);
    g_string_append_printf(out, "%s, if a member fails: %s%s%s\n", operation_kind_name(info.kind),
                           domgrp_policy_name(info.policy), info.plan != NULL ? ": " : "",
                           info.plan != NULL ? info.plan : "");
    for (guint i = 0; i < info.members->len; i++) {
        const OperationMember *member = info.members->pdata[i];
        g_string_append_printf(out, "%u %s%s%s\n", member->tier, member->name,
                               member->ready != NULL ? ", ready: " : "",
                               member->ready != NULL ? member->ready : "");
    }
}

static void run_cancel(World *world, char **words, GString *out)
{
    OperationInfo info;
    g_autoptr(GError) error = NULL;
    operation_get_info(world->last, &info);
    if (!engine_cancel(world->engine, info.uuid, &error))
        print_error(world, error, out);
}

/* How the last pause went. */
static void run_paused(World *world, char **words, GString *out)
{
    OperationInfo info;
    operation_get_info(world->last, &info);
    g_string_append_printf(out, "%s, %u domains, %u vCPUs\n",
                           info.pause.atomic ? "atomic" : "domain by domain", info.pause.domains,
                           info.pause.vcpus);
}

static void run_many(World *world, char **words, GString *out)
{
    guint n = (guint)g_ascii_strtoull(words[2], NULL, 10);
    g_autoptr(GStrvBuilder) builder = g_strv_builder_new();
    g_strv_builder_add_many(builder, "create", words[1], NULL);
    for (guint i = 0; i < n; i++) {
        g_autofree char *name = g_strdup_printf("m%u", i);
        g_strv_builder_add(builder, name);
    }
    g_auto(GStrv) create = g_strv_builder_end(builder);
    run_create(world, create, out);
}

static void run_count(World *world, char **words, GString *out)
{
    g_autoptr(GPtrArray) operations = engine_operations(world->engine);
    g_string_append_printf(out, "%u operations\n", operations->len);
}

static const struct {
    const char *name;
    CommandRun run;
    gboolean operation; /* it runs until nothing happens, and its result is printed */
} commands[] = {
    {"create", run_create, TRUE},
    {"join", run_join, TRUE},
    {"start", run_operate, TRUE},
    {"shutdown", run_operate, TRUE},
    {"reboot", run_operate, TRUE},
    {"destroy", run_operate, TRUE},
    {"delete", run_operate, TRUE},
    {"pause", run_operate, TRUE},
    {"unpause", run_operate, TRUE},
    {"save", run_operate, TRUE},
    {"suspend", run_operate, TRUE},
    {"resume", run_operate, TRUE},
    {"checkpoint", run_operate, TRUE},
    {"restore", run_restore, TRUE},
    {"map", run_map, FALSE},
    {"images", run_images, FALSE},
    {"image", run_image, FALSE},
    {"still", run_still, FALSE},
    {"file", run_file, FALSE},
    {"run", run_run, FALSE},
    {"result", run_result, FALSE},
    {"members", run_members, FALSE},
    {"list", run_list, FALSE},
    {"domains", run_domains, FALSE},
    {"host", run_host, FALSE},
    {"journal", run_journal, FALSE},
    {"notes", run_notes, FALSE},
    {"record", run_record, FALSE},
    {"history", run_history, FALSE},
    {"xl", run_xl, FALSE},
    {"guest", run_guest, FALSE},
    {"fault", run_fault, FALSE},
    {"kill", run_kill, FALSE},
    {"power", run_power, FALSE},
    {"lose", run_lose, FALSE},
    {"host-is", run_host_is, FALSE},
    {"memory", run_memory, FALSE},
    /* a disk that is not here */
    {"absent", run_absent, FALSE},
    {"parallel", run_parallel, FALSE},
    {"stop", run_stop, FALSE},
    {"options", run_options, FALSE},
    {"set", run_set, FALSE},
    {"plan", run_plan, FALSE},
    {"cancel", run_cancel, FALSE},
    {"paused", run_paused, FALSE},
    {"create-uuid", run_create_uuid, TRUE},
    {"task", run_task, FALSE},
    {"create-many", run_many, TRUE},
    {"count", run_count, FALSE},
};

/* -- scripts -- */

static char *run_command(World *world, const char *line)
{
    g_auto(GStrv) words = g_strsplit(line, " ", -1);
    gboolean begin = strcmp(words[0], "begin") == 0;
    char **command = words + begin;
    guint i = 0;
    while (i < G_N_ELEMENTS(commands) && strcmp(commands[i].name, command[0]) != 0)
        i++;
    if (i == G_N_ELEMENTS(commands))
        g_error("unknown command: %s", line);

    GString *out = g_string_new(NULL);
    if (commands[i].operation)
        world->last = NULL;
    commands[i].run(world, command, out);
    if (commands[i].operation && !begin && world->last != NULL) {
        if (host_sim_run(world->host, -1))
            run_result(world, command, out);
        else
            g_string_append(out, "the daemon died\n");
    }
    return g_string_free(out, FALSE);
}

/* "repeat N COMMAND" prints what the last one prints. */
static char *run_line(World *world, const char *line)
{
    if (!g_str_has_prefix(line, "repeat "))
        return run_command(world, line);
    char *rest;
    guint64 times = g_ascii_strtoull(line + strlen("repeat "), &rest, 10);
    char *out = NULL;
    for (; times > 0; times--) {
        g_free(out);
        out = run_command(world, rest + 1);
    }
    return out;
}

static void check(const char *where, const char *command, const char *expected, const char *got)
{
    if (strcmp(expected, got) == 0)
        return;
    g_test_message("%s: %s\nexpected:\n%sgot:\n%s", where, command, expected, got);
    g_test_fail();
}

/* A test is its title's line and those that follow. */
static void run_test(gconstpointer data)
{
    g_auto(GStrv) lines = g_strsplit(data, "\n", -1);
    World *world = world_new();
    for (char **line = lines + 1; *line != NULL;) {
        if (**line == '\0' || **line == '#') {
            line++;
            continue;
        }
        const char *command = *line++;
        g_autoptr(GString) expected = g_string_new(NULL);
        for (; *line != NULL && g_str_has_prefix(*line, "> "); line++)
            g_string_append_printf(expected, "%s\n", *line + 2);
        g_autofree char *got = run_line(world, command);
        check(lines[0], command, expected->str, got);
    }
    world_free(world);
}

static void add_tests(const char *path)
{
    g_autofree char *text = NULL;
    g_autoptr(GError) error = NULL;
    if (!g_file_get_contents(path, &text, NULL, &error))
        g_error("%s", error->message);
    g_autofree char *base = g_path_get_basename(path);
    g_auto(GStrv) tests = g_strsplit(text, "\n## ", -1);
    for (char **test = tests + 1; *test != NULL; test++) {
        g_autofree char *title = g_strndup(*test, strcspn(*test, "\n"));
        g_autofree char *name = g_strdup_printf("/%s/%s", base, title);
        g_test_add_data_func_full(name, g_strdup(*test), run_test, g_free);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (int i = 1; i < argc; i++)
        add_tests(argv[i]);
    return g_test_run();
}
