/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A program that is run on a thread of its own for as long as it may take,
 * and what it prints. libxl handles SIGCHLD and reaps its own children only;
 * this one is awaited by a pidfd and reaped by its pid. It leads a process
 * group, which is killed with it; it inherits no file but those it is given.
 */
#include "private.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

/* What a pipe holds: one read gets all that an ended program has printed. */
#define PIPE_SIZE 65536

#define PATH_DEFAULT "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

typedef struct {
    pid_t pid;
    int exited; /* a pidfd */
    int out[2]; /* pipes */
    int err[2];
} Process;

/* A copy of @fd above those that the child's files take, so that dup2 never meets its own source.
 */
static int fd_high(int fd)
{
    return fcntl(fd, F_DUPFD_CLOEXEC, CHILD_FILE + 1);
}

/* A pipe that the parent reads without waiting. */
static gboolean pipe_open(int ends[2])
{
    int low;
    if (pipe2(ends, O_CLOEXEC) != 0)
        return FALSE;
    low = ends[1];
    ends[1] = fd_high(low);
    close(low);
    return ends[1] >= 0 && fcntl(ends[0], F_SETFL, O_NONBLOCK) == 0;
}

static void attributes_init(posix_spawnattr_t *attributes)
{
    sigset_t none, defaults;
    sigemptyset(&none);
    sigemptyset(&defaults);
    sigaddset(&defaults, SIGPIPE);
    posix_spawnattr_init(attributes);
    posix_spawnattr_setflags(attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF |
                                             POSIX_SPAWN_SETPGROUP);
    posix_spawnattr_setsigmask(attributes, &none);
    posix_spawnattr_setsigdefault(attributes, &defaults);
    posix_spawnattr_setpgroup(attributes, 0);
}

static void files_init(posix_spawn_file_actions_t *files, const Child *child, int file, int out,
                       int err)
{
    posix_spawn_file_actions_init(files);
    posix_spawn_file_actions_addopen(files, 0, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(files, out, 1);
    posix_spawn_file_actions_adddup2(files, err, 2);
    if (file >= 0)
        posix_spawn_file_actions_adddup2(files, file, CHILD_FILE);
    posix_spawn_file_actions_addclosefrom_np(files, file >= 0 ? CHILD_FILE + 1 : CHILD_FILE);
    posix_spawn_file_actions_addchdir_np(files, child->directory);
}

/* An errno value. */
static int process_spawn(Process *process, const Child *child, int file)
{
    posix_spawn_file_actions_t files;
    posix_spawnattr_t attributes;

    attributes_init(&attributes);
    files_init(&files, child, file, process->out[1],
               process->err[1] >= 0 ? process->err[1] : process->out[1]);
    int failed = posix_spawnp(&process->pid, child->argv[0], &files, &attributes,
                              (char *const *)child->argv, (char *const *)child->environment);
    posix_spawn_file_actions_destroy(&files);
    posix_spawnattr_destroy(&attributes);
    return failed;
}

/* Kills what is left of it, and reaps it. */
static int process_end(Process *process)
{
    int status = 0;
    kill(-process->pid, SIGKILL);
    while (waitpid(process->pid, &status, 0) < 0 && errno == EINTR)
        ;
    return status;
}

/* An errno value. */
static int process_start(Process *process, const Child *child)
{
    int file = child->file >= 0 ? fd_high(child->file) : -1;
    int failed = 0;

    if ((child->file >= 0 && file < 0) || !pipe_open(process->out) ||
        (child->err != child->out && !pipe_open(process->err)))
        failed = errno;
    else
        failed = process_spawn(process, child, file);
    fd_close(&file);
    fd_close(&process->out[1]);
    fd_close(&process->err[1]);
    if (failed != 0)
        return failed;
    process->exited = pidfd_open(process->pid, 0);
    if (process->exited >= 0)
        return 0;
    failed = errno;
    process_end(process);
    return failed;
}

/* Reads what @fd has; closes it at its end. FALSE beyond the bound. */
static gboolean output_take(const Child *child, int *fd, GString *output)
{
    char buffer[PIPE_SIZE];
    ssize_t n = *fd >= 0 ? read(*fd, buffer, sizeof buffer) : 0;
    gsize room = child->output_max - MIN(child->output_max, output->len);

    if (n > 0)
        g_string_append_len(output, buffer, (gssize)MIN((gsize)n, room));
    else if (n == 0 || (errno != EINTR && errno != EAGAIN))
        fd_close(fd);
    return child->drains || n <= 0 || (gsize)n <= room;
}

static ChildEnd process_watch(Process *process, const Child *child, int cancelled)
{
    gint64 deadline = g_get_monotonic_time() + child->timeout_us;

    for (;;) {
        struct pollfd polled[] = {{process->out[0], POLLIN, 0},
                                  {process->err[0], POLLIN, 0},
                                  {process->exited, POLLIN, 0},
                                  {cancelled, POLLIN, 0}};
        gint64 left_ms = (deadline - g_get_monotonic_time() + 999) / 1000;
        if (left_ms <= 0)
            return CHILD_LATE;
        if (poll(polled, G_N_ELEMENTS(polled), (int)MIN(left_ms, G_MAXINT)) <= 0)
            continue;
        if (!output_take(child, &process->out[0], child->out) ||
            !output_take(child, &process->err[0], child->err))
            return CHILD_LOUD;
        if (polled[3].revents != 0)
            return CHILD_CANCELLED;
        if (polled[2].revents != 0)
            return CHILD_EXITED;
    }
}

char *child_path(void)
{
    const char *path = g_getenv("PATH");
    return g_strconcat("PATH=", path != NULL ? path : PATH_DEFAULT, NULL);
}

ChildEnd child_run(Child *child)
{
    Process process = {.exited = -1, .out = {-1, -1}, .err = {-1, -1}};
    ChildEnd end = CHILD_NOT_STARTED;

    child->status = process_start(&process, child);
    if (child->status == 0) {
        end = process_watch(&process, child, g_cancellable_get_fd(child->cancellable));
        g_cancellable_release_fd(child->cancellable);
        child->status = process_end(&process);
    }
    fd_close(&process.out[0]);
    fd_close(&process.err[0]);
    fd_close(&process.exited);
    return end;
}
