/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * lab-agent: runs commands in an emulated host for the machine outside.
 *
 * Owns the virtio-serial port org.domgrp.lab and the children it starts. The port carries frames of
 * many channels; one channel is one command with its input, output and exit status. Knows nothing
 * of Xen.
 *
 * A frame is two little-endian words, channel and type << 24 | length, then `length` bytes.
 *   from outside: 'o' open: "COLUMNS ROWS" (both 0: no terminal) NUL, then argv, each
 * NUL-terminated 'i' input (length 0: end of input)   's' signal number in one byte   'w' "COLUMNS
 * ROWS" from here:    'h' the agent has started   '1' '2' output, errors   'x' exit status in
 * decimal
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#define PORT_NAME "org.domgrp.lab"
#define MAX_CHANNELS 256
#define MAX_FRAME (1u << 20)
#define CHUNK 16384
#define MAX_ARGS 512

struct channel {
    uint32_t id;
    pid_t pid;        /* 0: free slot */
    int in, out, err; /* -1: closed; with a terminal in == out and err == -1 */
    int terminal;
    char *queue; /* input the child has not taken yet */
    size_t queued;
    int input_ended;
};

static struct channel channels[MAX_CHANNELS];
static int port;

static void write_all(int fd, const void *data, size_t length)
{
    const char *p = data;

    while (length) {
        ssize_t n = write(fd, p, length);

        if (n < 0 && (errno == EINTR || errno == EAGAIN)) {
            struct pollfd wait = {.fd = fd, .events = POLLOUT};

            poll(&wait, 1, 1000);
            continue;
        }
        if (n < 0)
            exit(1);
        p += n;
        length -= n;
    }
}

static void send_frame(uint32_t id, char type, const void *data, size_t length)
{
    uint32_t header[2] = {id, (uint32_t)type << 24 | length};

    write_all(port, header, sizeof(header));
    write_all(port, data, length);
}

static void send_exit(uint32_t id, int status)
{
    char text[16];

    send_frame(id, 'x', text, snprintf(text, sizeof(text), "%d", status));
}

static struct channel *channel_lookup(uint32_t id)
{
    for (int i = 0; i < MAX_CHANNELS; i++)
        if (channels[i].pid && channels[i].id == id)
            return &channels[i];
    return NULL;
}

static void close_input(struct channel *c)
{
    if (c->in >= 0 && c->in != c->out)
        close(c->in);
    c->in = -1;
}

static void channel_clear(struct channel *c)
{
    close_input(c);
    if (c->out >= 0)
        close(c->out);
    if (c->err >= 0)
        close(c->err);
    free(c->queue);
    memset(c, 0, sizeof(*c));
}

/* In the child: becomes the command. */
static void child_exec(char **argv)
{
    sigset_t none;

    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    signal(SIGPIPE, SIG_DFL);
    execvp(argv[0], argv);
    fprintf(stderr, "lab-agent: cannot run %s: %s\n", argv[0], strerror(errno));
    _exit(127);
}

static int spawn_on_terminal(struct channel *c, char **argv, struct winsize *size)
{
    c->pid = forkpty(&c->out, NULL, NULL, size);
    if (c->pid < 0)
        return -1;
    if (c->pid == 0)
        child_exec(argv);
    c->in = c->out;
    c->err = -1;
    fcntl(c->out, F_SETFD, FD_CLOEXEC);
    return 0;
}

static int spawn_on_pipes(struct channel *c, char **argv)
{
    int in[2], out[2], err[2];

    if (pipe2(in, O_CLOEXEC) || pipe2(out, O_CLOEXEC) || pipe2(err, O_CLOEXEC))
        return -1;
    c->pid = fork();
    if (c->pid < 0)
        return -1;
    if (c->pid == 0) {
        setsid();
        dup2(in[0], 0);
        dup2(out[1], 1);
        dup2(err[1], 2);
        child_exec(argv);
    }
    close(in[0]);
    close(out[1]);
    close(err[1]);
    c->in = in[1];
    c->out = out[0];
    c->err = err[0];
    return 0;
}

static void channel_open(uint32_t id, char *data, size_t length)
{
    char *argv[MAX_ARGS + 1] = {NULL}, *end = data + length;
    struct winsize size = {0};
    struct channel *c = NULL;
    int argc = 0;

    for (int i = 0; i < MAX_CHANNELS && !c; i++)
        if (!channels[i].pid)
            c = &channels[i];
    for (char *p = data + strlen(data) + 1; p < end && argc < MAX_ARGS; p += strlen(p) + 1)
        argv[argc++] = p;
    if (!c || !argc || channel_lookup(id)) {
        send_exit(id, 125);
        return;
    }
    sscanf(data, "%hu %hu", &size.ws_col, &size.ws_row);
    c->in = c->out = c->err = -1;
    c->id = id;
    c->terminal = size.ws_col > 0;
    if (c->terminal ? spawn_on_terminal(c, argv, &size) : spawn_on_pipes(c, argv)) {
        channel_clear(c);
        send_exit(id, 125);
        return;
    }
    if (c->in >= 0)
        fcntl(c->in, F_SETFL, fcntl(c->in, F_GETFL) | O_NONBLOCK);
}

/* Hands queued input to the child as far as it takes it. */
static void channel_feed(struct channel *c)
{
    if (c->queued && c->in >= 0) {
        ssize_t n = write(c->in, c->queue, c->queued);

        if (n < 0 && errno != EAGAIN && errno != EINTR) {
            c->queued = 0;
            close_input(c);
        } else if (n > 0) {
            memmove(c->queue, c->queue + n, c->queued - n);
            c->queued -= n;
        }
    }
    if (!c->queued && c->input_ended && !c->terminal)
        close_input(c);
}

static void channel_input(struct channel *c, const char *data, size_t length)
{
    char *grown;

    if (length == 0) {
        c->input_ended = 1;
    } else if (c->in >= 0) {
        grown = realloc(c->queue, c->queued + length);
        if (!grown)
            exit(1);
        c->queue = grown;
        memcpy(c->queue + c->queued, data, length);
        c->queued += length;
    }
    channel_feed(c);
}

/* Passes on what the child wrote; returns 0 when there is no more for now. */
static int channel_drain(struct channel *c, int *fd, char type)
{
    char data[CHUNK];
    struct pollfd ready = {.fd = *fd, .events = POLLIN};
    ssize_t n;

    if (*fd < 0 || poll(&ready, 1, 0) <= 0)
        return 0;
    n = read(*fd, data, sizeof(data));
    if (n > 0) {
        send_frame(c->id, type, data, n);
        return 1;
    }
    if (n < 0 && (errno == EINTR || errno == EAGAIN))
        return 0;
    if (c->in == *fd)
        c->in = -1;
    close(*fd);
    *fd = -1;
    return 0;
}

static void reap_children(void)
{
    int status;
    pid_t pid;

    while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
        for (int i = 0; i < MAX_CHANNELS; i++) {
            struct channel *c = &channels[i];

            if (c->pid != pid)
                continue;
            while (channel_drain(c, &c->out, '1') || channel_drain(c, &c->err, '2'))
                ;
            send_exit(c->id, WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
            channel_clear(c);
        }
    }
}

static void handle_frame(uint32_t id, char type, char *data, size_t length)
{
    struct channel *c = channel_lookup(id);
    struct winsize size = {0};

    data[length] = 0;
    if (type == 'o')
        channel_open(id, data, length);
    else if (type == 'i' && c)
        channel_input(c, data, length);
    else if (type == 's' && c && length == 1)
        kill(-c->pid, data[0]);
    else if (type == 'w' && c && sscanf(data, "%hu %hu", &size.ws_col, &size.ws_row) == 2)
        ioctl(c->out, TIOCSWINSZ, &size);
}

/* Takes what the port offers; whole frames are handled, a rest is kept for the next call. */
static void read_port(void)
{
    static char buffer[MAX_FRAME + 8 + CHUNK + 1];
    static size_t filled;
    ssize_t n = read(port, buffer + filled, CHUNK);
    size_t used = 0;

    if (n <= 0) {
        /* Nobody listens outside: wait a little instead of spinning on the hang-up. */
        usleep(20000);
        return;
    }
    filled += n;
    while (filled - used >= 8) {
        uint32_t header[2];
        size_t length;
        char kept;

        memcpy(header, buffer + used, sizeof(header));
        length = header[1] & 0xffffff;
        if (length > MAX_FRAME)
            exit(1);
        if (filled - used < 8 + length)
            break;
        kept = buffer[used + 8 + length];
        handle_frame(header[0], header[1] >> 24, buffer + used + 8, length);
        buffer[used + 8 + length] = kept;
        used += 8 + length;
    }
    memmove(buffer, buffer + used, filled - used);
    filled -= used;
}

static int open_port(void)
{
    const char *dir = "/sys/class/virtio-ports";
    char path[PATH_MAX], name[64];
    struct dirent *entry;
    DIR *ports = opendir(dir);
    int fd = -1;

    while (ports && fd < 0 && (entry = readdir(ports))) {
        FILE *file;

        snprintf(path, sizeof(path), "%s/%s/name", dir, entry->d_name);
        file = fopen(path, "re");
        if (!file)
            continue;
        if (fscanf(file, "%63s", name) == 1 && !strcmp(name, PORT_NAME)) {
            snprintf(path, sizeof(path), "/dev/%s", entry->d_name);
            fd = open(path, O_RDWR | O_CLOEXEC);
        }
        fclose(file);
    }
    if (ports)
        closedir(ports);
    return fd;
}

static void serve(int signals)
{
    struct pollfd fds[2 + 3 * MAX_CHANNELS];

    for (;;) {
        int n = 0;

        fds[n++] = (struct pollfd){.fd = port, .events = POLLIN};
        fds[n++] = (struct pollfd){.fd = signals, .events = POLLIN};
        for (int i = 0; i < MAX_CHANNELS; i++) {
            struct channel *c = &channels[i];

            fds[n++] = (struct pollfd){.fd = c->pid ? c->out : -1, .events = POLLIN};
            fds[n++] = (struct pollfd){.fd = c->pid ? c->err : -1, .events = POLLIN};
            fds[n++] = (struct pollfd){.fd = c->pid && c->queued ? c->in : -1, .events = POLLOUT};
        }
        if (poll(fds, n, -1) < 0)
            continue;
        for (int i = 0; i < MAX_CHANNELS; i++) {
            struct channel *c = &channels[i];

            if (!c->pid)
                continue;
            channel_drain(c, &c->out, '1');
            channel_drain(c, &c->err, '2');
            if (c->queued)
                channel_feed(c);
        }
        if (fds[1].revents) {
            struct signalfd_siginfo info;

            if (read(signals, &info, sizeof(info)) > 0)
                reap_children();
        }
        if (fds[0].revents)
            read_port();
    }
}

int main(void)
{
    sigset_t child;

    port = open_port();
    if (port < 0) {
        fprintf(stderr, "lab-agent: no virtio port is called %s\n", PORT_NAME);
        return 1;
    }
    signal(SIGPIPE, SIG_IGN);
    sigemptyset(&child);
    sigaddset(&child, SIGCHLD);
    sigprocmask(SIG_BLOCK, &child, NULL);
    send_frame(0, 'h', "", 0);
    serve(signalfd(-1, &child, SFD_CLOEXEC));
}
