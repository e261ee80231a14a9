/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* How a program is run: what it is given, and that nothing of it is left, however it ends. */
#include "private.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define SHORT_US (G_USEC_PER_SEC / 4)
#define LONG_US (100 * (gint64)G_USEC_PER_SEC)

typedef struct {
    const char *argv[4];
    GString *output;
    Child child;
} Script;

static void script_init(Script *script, const char *text)
{
    static const char *const environment[] = {"PATH=/usr/bin:/bin", "WORD=given", NULL};
    *script = (Script){.argv = {"/bin/sh", "-c", text, NULL}, .output = g_string_new(NULL)};
    script->child = (Child){.argv = script->argv,
                            .environment = environment,
                            .directory = "/",
                            .file = -1,
                            .timeout_us = LONG_US,
                            .output_max = 100,
                            .drains = TRUE,
                            .out = script->output,
                            .err = script->output};
}

static void assert_exits(const char *text, int status, const char *output)
{
    Script script;
    script_init(&script, text);
    g_assert_cmpint(child_run(&script.child), ==, CHILD_EXITED);
    g_assert_true(WIFEXITED(script.child.status));
    g_assert_cmpint(WEXITSTATUS(script.child.status), ==, status);
    g_assert_cmpstr(script.output->str, ==, output);
    g_string_free(script.output, TRUE);
}

/* Waits until the process that @script has printed the number of is gone. */
static void assert_gone(const Script *script)
{
    pid_t pid = (pid_t)g_ascii_strtoll(script->output->str, NULL, 10);
    g_assert_cmpint(pid, >, 0);
    int fd = pidfd_open(pid, 0);
    struct pollfd polled = {fd, POLLIN, 0};
    if (fd < 0) {
        g_assert_cmpint(errno, ==, ESRCH);
        return;
    }
    g_assert_cmpint(poll(&polled, 1, 60000), ==, 1);
    close(fd);
}

static void test_given(void)
{
    assert_exits("tr '\\0' ' ' < /proc/$$/environ; pwd; cat; ps -o pgid= -p $$ | grep -cw $$", 0,
                 "PATH=/usr/bin:/bin WORD=given /\n1\n");
}

static void test_exits(void)
{
    assert_exits("echo a; echo b >&2; exit 3", 3, "a\nb\n");
    assert_exits("yes | head -c 300000 | tr -d '\\n' | tr y z; echo", 0,
                 "zzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzz"
                 "zzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzz");
}

/* Not even a file that some library has opened without thinking of this. */
static void test_files(void)
{
    int careless = open("/dev/zero", O_RDONLY);
    assert_exits("readlink /proc/$$/fd/* | grep -c zero", 1, "0\n");
    close(careless);
}

static void test_missing(void)
{
    Script script;
    script_init(&script, "");
    script.argv[0] = "/no/such/program";
    g_assert_cmpint(child_run(&script.child), ==, CHILD_NOT_STARTED);
    g_assert_cmpint(script.child.status, ==, ENOENT);
    g_string_free(script.output, TRUE);
}

/* Longer and longer, until it had the time to say something. */
static void run_late(Script *script)
{
    script->child.timeout_us = SHORT_US;
    for (; script->output->len == 0; script->child.timeout_us *= 2)
        g_assert_cmpint(child_run(&script->child), ==, CHILD_LATE);
}

/* At its time-out, and when it has ended by itself, with all that it has started. */
static void test_ended(void)
{
    Script script;
    script_init(&script, "sleep 1000 & echo $!; wait");
    run_late(&script);
    g_assert_true(WIFSIGNALED(script.child.status));
    assert_gone(&script);
    g_string_free(script.output, TRUE);

    script_init(&script, "sleep 1000 & echo $!");
    g_assert_cmpint(child_run(&script.child), ==, CHILD_EXITED);
    assert_gone(&script);
    g_string_free(script.output, TRUE);

    script_init(&script, "yes");
    run_late(&script);
    g_assert_cmpuint(script.output->len, ==, 100);
    script.child.drains = FALSE;
    script.child.timeout_us = LONG_US;
    g_assert_cmpint(child_run(&script.child), ==, CHILD_LOUD);
    g_string_free(script.output, TRUE);
}

typedef struct {
    GCancellable *cancellable;
    char *fifo;
} Canceller;

/* Opening it waits until the program does, too. */
static gpointer cancel(gpointer data)
{
    const Canceller *canceller = data;
    close(open(canceller->fifo, O_RDONLY | O_CLOEXEC));
    g_cancellable_cancel(canceller->cancellable);
    return NULL;
}

static void test_cancelled(void)
{
    g_autofree char *directory = g_dir_make_tmp("child-XXXXXX", NULL);
    g_autofree char *fifo = g_build_filename(directory, "fifo", NULL);
    g_autoptr(GCancellable) cancellable = g_cancellable_new();
    g_autofree char *text =
        g_strdup_printf("sleep 1000 & echo $!; exec 3> %s; exec 3>&-; wait", fifo);
    Canceller canceller = {cancellable, fifo};
    Script script;
    g_assert_cmpint(mkfifo(fifo, 0600), ==, 0);
    script_init(&script, text);
    script.child.cancellable = cancellable;
    GThread *thread = g_thread_new("cancel", cancel, &canceller);
    g_assert_cmpint(child_run(&script.child), ==, CHILD_CANCELLED);
    g_thread_join(thread);
    assert_gone(&script);

    g_assert_cmpint(child_run(&script.child), ==, CHILD_CANCELLED); /* before it begins */
    g_string_free(script.output, TRUE);
    g_remove(fifo);
    g_rmdir(directory);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/child/given", test_given);
    g_test_add_func("/child/exits", test_exits);
    g_test_add_func("/child/files", test_files);
    g_test_add_func("/child/missing", test_missing);
    g_test_add_func("/child/ended", test_ended);
    g_test_add_func("/child/cancelled", test_cancelled);
    return g_test_run();
}
