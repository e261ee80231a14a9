/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * libdomgrp against a daemon on a simulated host: the daemon on the main
 * thread, the library, which blocks, on another.
 */
#include <domgrp/domgrp.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../daemon/sim-loop.h"
#include "server.h"

#define GROUP_FILE "name = \"shop\"\nmembers = [ \"db.cfg\", \"web.cfg\" ]\n"

typedef struct {
    char *directory;
    char *path;       /* of the socket */
    char *group_file; /* and of its members beside it */
    Host *host;
    Journal *journal;
    SimLoop *loop;
    Api *api;
    Server *server;
} Fixture;

/* -- the daemon -- */

static void daemon_begin(Fixture *f)
{
    g_autoptr(GError) error = NULL;
    ServerOptions options = {.path = f->path, .group = PEER_NO_GROUP};
    f->api = api_new(f->host, f->journal, &error);
    g_assert_no_error(error);
    engine_set_images(api_engine(f->api), "/sim/images");
    f->server = server_new(f->api, &options, &error);
    g_assert_no_error(error);
}

static void daemon_end(Fixture *f)
{
    server_free(f->server);
    api_free(f->api);
    host_sim_forget(f->host);
}

static char *write_file(const Fixture *f, const char *name, const char *text)
{
    char *path = g_build_filename(f->directory, name, NULL);
    g_assert_true(g_file_set_contents(path, text, -1, NULL));
    return path;
}

static void setup(Fixture *f, gconstpointer data)
{
    f->directory = g_dir_make_tmp("domgrp-lib-XXXXXX", NULL);
    f->path = g_build_filename(f->directory, "socket", NULL);
    g_free(write_file(f, "db.cfg", "name = db\nmemory = 64\n"));
    g_free(write_file(f, "web.cfg", "name = web\nmemory = 64\n"));
    f->group_file = write_file(f, "shop.grp", GROUP_FILE);
    f->host = host_sim_new();
    f->journal = journal_sim_new(f->host);
    f->loop = sim_loop_new(f->host);
    daemon_begin(f);
}

static void teardown(Fixture *f, gconstpointer data)
{
    static const char *const names[] = {"db.cfg", "web.cfg", "shop.grp"};
    daemon_end(f);
    g_source_destroy(&f->loop->source);
    g_source_unref(&f->loop->source);
    f->journal->ops->free(f->journal);
    f->host->ops->free(f->host);
    for (guint i = 0; i < G_N_ELEMENTS(names); i++) {
        g_autofree char *path = g_build_filename(f->directory, names[i], NULL);
        g_unlink(path);
    }
    g_assert_cmpint(g_rmdir(f->directory), ==, 0);
    g_free(f->directory);
    g_free(f->path);
    g_free(f->group_file);
}

/* -- the client's thread -- */

typedef struct {
    Fixture *f;
    void (*run)(Fixture *f);
    gboolean done;
} Client;

static gpointer client_main(gpointer data)
{
    Client *client = data;
    client->run(client->f);
    g_atomic_int_set(&client->done, TRUE);
    g_main_context_wakeup(NULL);
    return NULL;
}

static void client_run(Fixture *f, void (*run)(Fixture *f))
{
    Client client = {f, run, FALSE};
    GThread *thread = g_thread_new("client", client_main, &client);
    while (!g_atomic_int_get(&client.done))
        g_main_context_iteration(NULL, TRUE);
    g_thread_join(thread);
}

typedef struct {
    const Fixture *f;
    void (*call)(Fixture *f);
    GMutex mutex;
    GCond cond;
    gboolean done;
} OnMain;

static gboolean on_main_call(gpointer data)
{
    OnMain *on_main = data;
    on_main->call((Fixture *)on_main->f);
    g_mutex_lock(&on_main->mutex);
    on_main->done = TRUE;
    g_cond_signal(&on_main->cond);
    g_mutex_unlock(&on_main->mutex);
    return G_SOURCE_REMOVE;
}

/* Calls @call on the daemon's thread, from the client's. */
static void on_main(Fixture *f, void (*call)(Fixture *f))
{
    OnMain on_main = {.f = f, .call = call};
    g_mutex_init(&on_main.mutex);
    g_cond_init(&on_main.cond);
    g_mutex_lock(&on_main.mutex);
    g_idle_add(on_main_call, &on_main);
    while (!on_main.done)
        g_cond_wait(&on_main.cond, &on_main.mutex);
    g_mutex_unlock(&on_main.mutex);
    g_mutex_clear(&on_main.mutex);
    g_cond_clear(&on_main.cond);
}

static DomgrpConnection *open_connection(const Fixture *f)
{
    g_autoptr(GError) error = NULL;
    DomgrpConnection *connection = domgrp_connection_open(f->path, &error);
    g_assert_no_error(error);
    return connection;
}

/* Waits for the task of @reference, which it frees; the task succeeds. */
static void succeed(DomgrpConnection *connection, char *reference, const GError *refused)
{
    g_autofree char *task = reference;
    g_autoptr(GError) error = NULL;
    g_assert_no_error(refused);
    g_autoptr(DomgrpTask) done = domgrp_task_wait(connection, task, NULL, NULL, &error);
    g_assert_no_error(error);
    g_assert_no_error(done->error);
    g_assert_true(done->ended);
    g_assert_cmpfloat(done->progress, ==, 1);
}

/* @call takes &refused for its error. */
#define SUCCEED(connection, call)                                                                  \
    do {                                                                                           \
        GError *refused = NULL;                                                                    \
        char *reference = call;                                                                    \
        succeed(connection, reference, refused);                                                   \
    } while (0)

/* -- tests -- */

static void expect_state(DomgrpConnection *connection, const char *state, guint domains)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(DomgrpGroup) group = domgrp_group_get(connection, "shop", &error);
    guint n = 0;
    g_assert_no_error(error);
    for (guint i = 0; i < group->n_members; i++)
        n += group->members[i].domid >= 0;
    g_assert_cmpstr(group->state, ==, state);
    g_assert_cmpuint(n, ==, domains);
}

static void run_life(Fixture *f)
{
    const DomgrpOptions options = {.timeout_s = 60, .fallback = TRUE};
    g_autoptr(DomgrpConnection) connection = open_connection(f);
    SUCCEED(connection, domgrp_group_create(connection, f->group_file, NULL, &refused));
    expect_state(connection, "running", 2);
    SUCCEED(connection, domgrp_group_pause(connection, "shop", NULL, &refused));
    expect_state(connection, "paused", 2);
    SUCCEED(connection, domgrp_group_unpause(connection, "shop", NULL, &refused));
    SUCCEED(connection, domgrp_group_reboot(connection, "shop", NULL, &refused));
    SUCCEED(connection, domgrp_group_shutdown(connection, "shop", &options, &refused));
    expect_state(connection, "stopped", 0);
    SUCCEED(connection, domgrp_group_start(connection, "shop", NULL, &refused));
    SUCCEED(connection, domgrp_group_join(connection, "Null-Group", "web", NULL, &refused));

    g_autoptr(GError) error = NULL;
    g_autoptr(GPtrArray) groups = domgrp_group_list(connection, &error);
    g_assert_no_error(error);
    g_assert_cmpuint(groups->len, ==, 3);
    const DomgrpGroup *group0 = groups->pdata[0], *null = groups->pdata[1];
    g_assert_cmpstr(group0->name, ==, "Group-0");
    g_assert_true(group0->is_default);
    g_assert_cmpuint(null->n_members, ==, 1);
    g_assert_cmpstr(null->members[0].name, ==, "web");

    SUCCEED(connection, domgrp_group_destroy(connection, "shop", NULL, &refused));
    SUCCEED(connection, domgrp_group_delete(connection, "shop", NULL, &refused));
    g_assert_null(domgrp_group_get(connection, "shop", &error));
    g_assert_error(error, DOMGRP_ERROR, DOMGRP_ERROR_GROUP_UNKNOWN);
}

static void test_life(Fixture *f, gconstpointer data)
{
    client_run(f, run_life);
}

static void expect_image(const DomgrpTask *task, const char *path)
{
    g_assert_no_error(task->error);
    g_assert_cmpstr(task->image.path, ==, path);
    g_assert_cmpuint(task->image.memory_bytes, >=, 128 << 20);
    g_assert_cmpuint(task->image.file_bytes, >, 0);
    g_assert_cmpuint(task->members[0].still_us, >, 0);
    g_assert_cmpuint(task->members[1].still_us, >, 0);
}

static void run_images(Fixture *f)
{
    const DomgrpOptions how = {.ordered = TRUE, .fast = TRUE};
    const DomgrpOptions live = {.live = TRUE};
    const DomgrpOptions reverted = {.disks_reverted = TRUE};
    g_autofree char *map =
        write_file(f, "map", "name = 'copy'\nmembers = [ 'db: db2', 'web: w2' ]\n");
    const DomgrpOptions copy = {.disks_reverted = TRUE, .map = map};
    g_autoptr(DomgrpConnection) connection = open_connection(f);
    g_autoptr(GError) error = NULL;
    SUCCEED(connection, domgrp_group_create(connection, f->group_file, NULL, &refused));
    g_autofree char *save =
        domgrp_group_save(connection, "shop", "/a/../b/shop.image", &how, &error);
    g_assert_no_error(error);
    g_autoptr(DomgrpTask) task = domgrp_task_wait(connection, save, NULL, NULL, &error);
    g_assert_no_error(error);
    expect_image(task, "/b/shop.image");
    expect_state(connection, "stopped", 0);
    SUCCEED(connection, domgrp_group_restore(connection, "/b/shop.image", NULL, &refused));
    SUCCEED(connection,
            domgrp_group_checkpoint(connection, "shop", "/b/point.image", &live, &refused));
    SUCCEED(connection, domgrp_group_suspend(connection, "shop", NULL, &refused));
    expect_state(connection, "suspended", 0);
    SUCCEED(connection, domgrp_group_resume(connection, "shop", NULL, &refused));
    expect_state(connection, "running", 2);
    SUCCEED(connection, domgrp_group_restore(connection, "/b/point.image", &copy, &refused));
    SUCCEED(connection, domgrp_group_destroy(connection, "shop", NULL, &refused));
    SUCCEED(connection, domgrp_group_restore(connection, "/b/point.image", &reverted, &refused));
    g_unlink(map);
}

static void test_images(Fixture *f, gconstpointer data)
{
    client_run(f, run_images);
}

/* What is wrong with a map is said with its file and line, before the daemon is asked. */
static void run_images_refused(Fixture *f)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *map = write_file(f, "map", "\nname = 'a b'\n");
    g_autofree char *begin = g_strdup_printf("%s:2: ", map);
    const DomgrpOptions copy = {.map = map};
    g_autoptr(DomgrpConnection) connection = open_connection(f);
    g_assert_null(domgrp_group_restore(connection, "/b/none.image", &copy, &error));
    g_assert_error(error, DOMGRP_ERROR, DOMGRP_ERROR_NAME);
    g_assert_true(g_str_has_prefix(error->message, begin));
    g_clear_error(&error);
    g_unlink(map);
    g_assert_null(domgrp_group_restore(connection, "/b/none.image", &copy, &error));
    g_assert_error(error, DOMGRP_ERROR, DOMGRP_ERROR_FILE);
    g_clear_error(&error);
    g_assert_null(domgrp_group_save(connection, "shop", "\xff", NULL, &error));
    g_assert_error(error, DOMGRP_ERROR, DOMGRP_ERROR_VALUE);
}

static void test_images_refused(Fixture *f, gconstpointer data)
{
    client_run(f, run_images_refused);
}

static void on_progress(const DomgrpTask *task, gpointer data)
{
    GPtrArray *seen = data;
    g_ptr_array_add(seen, g_strdup_printf("%s %d %u", task->name, task->ended, task->n_members));
}

static void make_fail(Fixture *f)
{
    g_free(write_file(f, "web.cfg", "name = web\nmemory = 64\nbuild_fails = 1\n"));
}

static void run_progress(Fixture *f)
{
    g_autoptr(DomgrpConnection) connection = open_connection(f);
    g_autoptr(GPtrArray) seen = g_ptr_array_new_with_free_func(g_free);
    g_autoptr(GError) error = NULL;
    g_autofree char *reference = domgrp_group_create(connection, f->group_file, NULL, &error);
    g_assert_no_error(error);
    g_autoptr(DomgrpTask) task = domgrp_task_wait(connection, reference, on_progress, seen, &error);
    g_assert_no_error(error);
    g_assert_cmpstr(task->group_name, ==, "shop");
    g_assert_cmpstr(task->members[1].name, ==, "web");
    g_assert_cmpstr(task->members[1].outcome, ==, "done");
    g_assert_cmpuint(seen->len, >=, 1);
    g_assert_cmpstr(seen->pdata[seen->len - 1], ==, "domain_group.create 1 2");

    g_autoptr(DomgrpTask) again = domgrp_task_get(connection, reference, &error);
    g_assert_no_error(error);
    g_assert_true(json_node_equal(task->record, again->record));
    g_assert_null(domgrp_task_wait(connection, "none", NULL, NULL, &error));
    g_assert_error(error, DOMGRP_ERROR, DOMGRP_ERROR_TASK_UNKNOWN);
}

static void test_progress(Fixture *f, gconstpointer data)
{
    client_run(f, run_progress);
}

static void run_failure(Fixture *f)
{
    g_autoptr(DomgrpConnection) connection = open_connection(f);
    g_autoptr(GPtrArray) seen = g_ptr_array_new_with_free_func(g_free);
    g_autoptr(GError) error = NULL;
    g_autofree char *reference = domgrp_group_create(connection, f->group_file, NULL, &error);
    g_assert_no_error(error);
    g_autoptr(DomgrpTask) task = domgrp_task_wait(connection, reference, on_progress, seen, &error);
    g_assert_no_error(error);
    g_assert_true(task->ended);
    g_assert_error(task->error, DOMGRP_ERROR, DOMGRP_ERROR_UNDONE);
    g_assert_cmpint(domgrp_error_exit(domgrp_error_code(task->error)), ==, DOMGRP_EXIT_UNDONE);
    g_assert_cmpstr(task->members[0].outcome, ==, "undone");
    g_assert_cmpstr(task->members[1].error, !=, "");
    g_assert_cmpstr(seen->pdata[seen->len - 1], ==, "domain_group.create 1 2");

    g_assert_null(domgrp_group_create(connection, f->directory, NULL, &error));
    g_assert_error(error, DOMGRP_ERROR, DOMGRP_ERROR_FILE);
    g_clear_error(&error);
    g_assert_null(domgrp_connection_call(connection, "no.method", NULL, &error));
    g_assert_error(error, DOMGRP_ERROR, DOMGRP_ERROR_REQUEST);
}

static void test_failure(Fixture *f, gconstpointer data)
{
    make_fail(f);
    client_run(f, run_failure);
}

typedef struct {
    Fixture *f;
    GString *text;
} Watcher;

static void hold(Fixture *f)
{
    f->loop->held = TRUE;
}

static void go(Fixture *f)
{
    f->loop->held = FALSE;
}

static gboolean on_event(JsonObject *event, gboolean known, gpointer data)
{
    Watcher *watcher = data;
    if (event == NULL) {
        g_string_append(watcher->text, "void ");
        return TRUE;
    }
    g_string_append_printf(watcher->text, "%s%s ", known ? "=" : "",
                           json_object_get_string_member(event, "operation"));
    if (known)
        on_main(watcher->f, go);
    JsonNode *snapshot = json_object_get_member(event, "snapshot");
    return strcmp(json_object_get_string_member(json_node_get_object(snapshot), "state"),
                  "stopped") != 0;
}

/* A dry run, one that waits for another and is cancelled, and the list of all. */
static void run_tasks(Fixture *f)
{
    const DomgrpOptions dry = {.dry_run = TRUE, .on_failure = "continue"}, wait = {.wait = TRUE};
    g_autoptr(DomgrpConnection) connection = open_connection(f);
    g_autoptr(GError) error = NULL;
    g_autofree char *plan = domgrp_group_create(connection, f->group_file, &dry, &error);
    g_assert_no_error(error);
    g_autoptr(DomgrpTask) planned = domgrp_task_wait(connection, plan, NULL, NULL, &error);
    g_assert_no_error(error);
    g_assert_true(planned->dry_run);
    g_assert_cmpstr(planned->policy, ==, "continue");
    g_assert_cmpuint(planned->n_plan, ==, 2);
    g_assert_cmpuint(planned->plan[1].tier, ==, 1);
    g_assert_cmpstr(planned->plan[1].member, ==, "web");
    g_assert_cmpstr(planned->plan[1].steps, !=, "");
    g_assert_cmpstr(planned->plan[1].ready, ==, "");

    SUCCEED(connection, domgrp_group_create(connection, f->group_file, NULL, &refused));
    on_main(f, hold);
    g_autofree char *first = domgrp_group_shutdown(connection, "shop", NULL, &error);
    g_autofree char *second = domgrp_group_start(connection, "shop", &wait, &error);
    g_assert_no_error(error);
    g_assert_null(domgrp_group_pause(connection, "shop", NULL, &error));
    g_assert_error(error, DOMGRP_ERROR, DOMGRP_ERROR_GROUP_BUSY);
    g_clear_error(&error);
    g_assert_null(domgrp_group_pause(connection, "shop", &dry, &error));
    g_assert_error(error, DOMGRP_ERROR, DOMGRP_ERROR_REQUEST);
    g_clear_error(&error);

    g_autoptr(GPtrArray) tasks = domgrp_task_list(connection, &error);
    g_assert_no_error(error);
    g_assert_cmpuint(tasks->len, ==, 4);
    const DomgrpTask *queued = tasks->pdata[0], *running = tasks->pdata[1];
    g_assert_cmpstr(queued->uuid, ==, second);
    g_assert_true(queued->queued);
    g_assert_false(queued->ended);
    g_assert_cmpstr(running->uuid, ==, first);
    g_assert_false(running->queued);

    g_assert_true(domgrp_task_cancel(connection, second, &error));
    g_autoptr(DomgrpTask) cancelled = domgrp_task_wait(connection, second, NULL, NULL, &error);
    g_assert_no_error(error);
    g_assert_error(cancelled->error, DOMGRP_ERROR, DOMGRP_ERROR_CANCELLED);
    g_assert_false(domgrp_task_cancel(connection, second, &error));
    g_assert_error(error, DOMGRP_ERROR, DOMGRP_ERROR_GROUP_STATE);
    g_clear_error(&error);
    on_main(f, go);
    expect_state(connection, "stopped", 0);
}

static void test_tasks(Fixture *f, gconstpointer data)
{
    client_run(f, run_tasks);
}

/* Events of a group that is shut down meanwhile: what is there, then what changes. */
static void run_events(Fixture *f)
{
    g_autoptr(DomgrpConnection) connection = open_connection(f);
    g_autoptr(GError) error = NULL;
    SUCCEED(connection, domgrp_group_create(connection, f->group_file, NULL, &refused));
    g_autoptr(DomgrpGroup) group = domgrp_group_get(connection, "shop", &error);
    g_assert_no_error(error);
    g_autofree char *class = g_strdup_printf("domain_group/%s", group->uuid);
    const char *classes[] = {class, NULL};

    on_main(f, hold);
    g_autofree char *task = domgrp_group_shutdown(connection, "shop", NULL, &error);
    g_assert_no_error(error);
    Watcher watcher = {f, g_string_new(NULL)};
    g_assert_true(domgrp_event_follow(connection, classes, on_event, &watcher, &error));
    g_assert_no_error(error);
    g_assert_true(g_str_has_prefix(watcher.text->str, "void =add mod "));
    g_string_free(watcher.text, TRUE);
}

static void test_events(Fixture *f, gconstpointer data)
{
    client_run(f, run_events);
}

static void restart(Fixture *f)
{
    daemon_end(f);
    daemon_begin(f);
}

/* A connection outlives the daemon's restart: it logs in anew. */
static void run_restart(Fixture *f)
{
    g_autoptr(DomgrpConnection) connection = open_connection(f);
    SUCCEED(connection, domgrp_group_create(connection, f->group_file, NULL, &refused));
    on_main(f, restart);
    expect_state(connection, "running", 2);
    SUCCEED(connection, domgrp_group_destroy(connection, "shop", NULL, &refused));
}

static void test_restart(Fixture *f, gconstpointer data)
{
    client_run(f, run_restart);
}

static void refuse_open(const char *path, int code, const char *want)
{
    g_autoptr(GError) error = NULL;
    g_assert_null(domgrp_connection_open(path, &error));
    g_assert_error(error, DOMGRP_ERROR, code);
    g_autofree char *sentence = g_strdup_printf(want, path);
    g_assert_cmpstr(error->message, ==, sentence);
}

static void run_closed(Fixture *f)
{
    g_autofree char *none = g_build_filename(f->directory, "none", NULL);
    refuse_open(none, DOMGRP_ERROR_DAEMON,
                "domgrpd does not run (nobody answers at %s); start it with \"systemctl start "
                "domgrpd\"");
    domgrp_connection_close(NULL);
}

static void test_closed(Fixture *f, gconstpointer data)
{
    client_run(f, run_closed);
}

/* Only root can become somebody whom the socket's mode keeps out. */
static void test_stranger(Fixture *f, gconstpointer data)
{
    if (geteuid() != 0) {
        g_test_skip("becoming another user needs root");
        return;
    }
    g_assert_cmpint(chmod(f->directory, 0755), ==, 0);
    pid_t child = fork();
    if (child == 0) {
        if (setgid(65534) < 0 || setuid(65534) < 0)
            _exit(2);
        refuse_open(f->path, DOMGRP_ERROR_PERMISSION,
                    "you may not use %s; only root and the members of its group may");
        _exit(0);
    }
    int status;
    g_assert_cmpint(waitpid(child, &status, 0), ==, child);
    g_assert_cmpint(status, ==, 0);
}

#define ADD(name, function) g_test_add(name, Fixture, NULL, setup, function, teardown)

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    ADD("/life", test_life);
    ADD("/images", test_images);
    ADD("/images-refused", test_images_refused);
    ADD("/progress", test_progress);
    ADD("/tasks", test_tasks);
    ADD("/events", test_events);
    ADD("/restart", test_restart);
    ADD("/closed", test_closed);
    ADD("/stranger", test_stranger);
    ADD("/failure", test_failure);
    return g_test_run();
}
