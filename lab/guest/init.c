/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The guests' only program: /init, and by other names /sbin/poweroff and /sbin/reboot, which the
 * kernel runs when the toolstack asks for a shutdown or a reboot.
 *
 * It says in xenstore that the guest is ready and does on request what tests want a guest to do
 * (lab/README.md lists it). Requests are "name=value" words: "lab.name=value" on the kernel's
 * command line, "name=value ..." in the xenstore key data/lab/set of the guest, answered in
 * data/lab/ack once done. Suspending is the kernel's own business; nothing here stands in its way.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PAGE 4096
#define WORDS (PAGE / sizeof(uint64_t))
#define SHUTDOWN_FILE "/run/shutdown"
#define DIARY_FILE "/run/diary"
#define XENSTORE_MAX 4096

static int64_t now_ns(clockid_t clock)
{
    struct timespec t;

    clock_gettime(clock, &t);
    return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static void sleep_ns(int64_t ns)
{
    struct timespec t = {ns / 1000000000, ns % 1000000000};

    while (nanosleep(&t, &t) && errno == EINTR)
        ;
}

static void write_file(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

    if (fd < 0 || write(fd, text, strlen(text)) < 0)
        perror(path);
    if (fd >= 0)
        close(fd);
}

/* ---- xenstore, by the kernel's /dev/xen/xenbus: paths are relative to the guest's own directory
 * ---- */

enum { XS_READ = 2, XS_WATCH = 4, XS_WRITE = 11, XS_WATCH_EVENT = 15, XS_ERROR = 16 };

struct xs_header {
    uint32_t type, request, transaction, length;
};

static int xenbus = -1;
static int watch_pending;
static pthread_mutex_t xenbus_lock = PTHREAD_MUTEX_INITIALIZER;

static int read_exactly(void *data, size_t length)
{
    char *p = data;

    while (length) {
        ssize_t n = read(xenbus, p, length);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return -1;
        p += n;
        length -= n;
    }
    return 0;
}

static int xs_receive(struct xs_header *header, char *body)
{
    if (read_exactly(header, sizeof(*header)) || header->length > XENSTORE_MAX ||
        read_exactly(body, header->length))
        return -1;
    body[header->length] = 0;
    return 0;
}

/* One request; the reply's body lands in `reply` (XENSTORE_MAX + 1 bytes). 0, or -1 when refused.
 */
static int xs_request(uint32_t type, const char *payload, size_t length, char *reply)
{
    struct xs_header header = {type, 1, 0, length};
    char message[sizeof(header) + XENSTORE_MAX];
    int result = -1;

    if (length > XENSTORE_MAX)
        return -1;
    memcpy(message, &header, sizeof(header));
    memcpy(message + sizeof(header), payload, length);
    pthread_mutex_lock(&xenbus_lock);
    if (write(xenbus, message, sizeof(header) + length) > 0) {
        do {
            result = xs_receive(&header, reply);
            if (result == 0 && header.type == XS_WATCH_EVENT)
                watch_pending = 1;
        } while (result == 0 && header.type == XS_WATCH_EVENT);
    }
    pthread_mutex_unlock(&xenbus_lock);
    return result == 0 && header.type != XS_ERROR ? 0 : -1;
}

static int xs_read(const char *path, char *value)
{
    return xs_request(XS_READ, path, strlen(path) + 1, value);
}

static int xs_write(const char *path, const char *value)
{
    char payload[XENSTORE_MAX], reply[XENSTORE_MAX + 1];
    size_t head = strlen(path) + 1;

    if (head + strlen(value) > sizeof(payload))
        return -1;
    strcpy(payload, path);
    memcpy(payload + head, value, strlen(value));
    return xs_request(XS_WRITE, payload, head + strlen(value), reply);
}

static void __attribute__((format(printf, 2, 3)))
xs_printf(const char *path, const char *format, ...)
{
    char value[256];
    va_list args;

    va_start(args, format);
    vsnprintf(value, sizeof(value), format, args);
    va_end(args);
    if (xs_write(path, value))
        fprintf(stderr, "lab: xenstore refuses to write %s\n", path);
}

static void xs_watch(const char *path)
{
    char payload[256], reply[XENSTORE_MAX + 1];
    int length = snprintf(payload, sizeof(payload), "%s%clab%c", path, 0, 0);

    if (xs_request(XS_WATCH, payload, length, reply))
        fprintf(stderr, "lab: xenstore refuses to watch %s\n", path);
}

static void write_time(const char *path)
{
    xs_printf(path, "%lld %lld", (long long)now_ns(CLOCK_MONOTONIC),
              (long long)now_ns(CLOCK_REALTIME));
}

/*
 * ---- the diary: a key that outlives this guest, because dom0 made it ----
 * Its times are the processor's, which all guests share if they have tsc_mode = "native": their
 * kernels' clocks differ by what each lost while it booted.
 */

static uint64_t started; /* as the diary tells time */

static uint64_t now_tsc(void)
{
    return __builtin_ia32_rdtsc();
}

static void diary_add(const char *what, uint64_t tsc)
{
    char path[256] = "", text[XENSTORE_MAX + 1];
    int fd = open(DIARY_FILE, O_RDONLY | O_CLOEXEC);
    size_t length;

    if (fd < 0)
        return;
    if (read(fd, path, sizeof(path) - 1) <= 0 || xs_read(path, text))
        text[0] = 0;
    close(fd);
    length = strlen(text);
    snprintf(text + length, sizeof(text) - length, "%s %llu\n", what, (unsigned long long)tsc);
    if (xs_write(path, text))
        fprintf(stderr, "lab: xenstore refuses to write %s\n", path);
}

static int set_diary(const char *value)
{
    write_file(DIARY_FILE, value);
    diary_add("start", started);
    return 0;
}

/* ---- /sbin/poweroff and /sbin/reboot ---- */

static int stop_machine(const char *request, int how)
{
    char text[32] = "";
    int fd = open(SHUTDOWN_FILE, O_RDONLY | O_CLOEXEC), ignore;

    if (fd >= 0 && read(fd, text, sizeof(text) - 1) < 0)
        perror(SHUTDOWN_FILE);
    ignore = !strcmp(text, "ignore");
    xs_printf("data/lab/asked", "%s %s", request, ignore ? "ignored" : "obeyed");
    diary_add("asked", now_tsc());
    if (ignore)
        return 0;
    sleep_ns(strtoll(text, NULL, 10) * 1000000);
    diary_add("end", now_tsc());
    reboot(how);
    return 1;
}

/* ---- memory with a checkable pattern ----
 * Word 0 of a page is its generation; the others follow from the seed, the page's number and the
 * generation. */

static struct {
    pthread_mutex_t lock;
    uint64_t *words;
    size_t pages;
    uint64_t seed;
    long rate; /* pages dirtied per second; 0: none */
} memory = {.lock = PTHREAD_MUTEX_INITIALIZER};

static uint64_t pattern_start(size_t page, uint64_t generation)
{
    return (memory.seed * 0x9e3779b97f4a7c15 ^ (page + 1) * 0xbf58476d1ce4e5b9) + generation + 1;
}

static uint64_t pattern_next(uint64_t x)
{
    x ^= x << 13;
    x ^= x >> 7;
    return x ^ x << 17;
}

static void page_write(size_t page, uint64_t generation)
{
    uint64_t *word = memory.words + page * WORDS, x = pattern_start(page, generation);

    word[0] = generation;
    for (size_t i = 1; i < WORDS; i++)
        word[i] = x = pattern_next(x);
}

static int page_is_right(size_t page)
{
    uint64_t *word = memory.words + page * WORDS, x = pattern_start(page, word[0]);

    for (size_t i = 1; i < WORDS; i++)
        if (word[i] != (x = pattern_next(x)))
            return 0;
    return 1;
}

static int memory_fill(const char *value)
{
    const char *seed = strchr(value, ',');
    size_t bytes = strtoul(value, NULL, 10) << 20;
    void *words;

    pthread_mutex_lock(&memory.lock);
    if (memory.words)
        munmap(memory.words, memory.pages * PAGE);
    memory.words = NULL;
    memory.pages = 0;
    words = bytes ? mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
                  : NULL;
    if (words && words != MAP_FAILED) {
        memory.words = words;
        memory.pages = bytes / PAGE;
        memory.seed = seed ? strtoull(seed + 1, NULL, 10) : 1;
        for (size_t page = 0; page < memory.pages; page++)
            page_write(page, 0);
    }
    pthread_mutex_unlock(&memory.lock);
    return words == MAP_FAILED ? -1 : 0;
}

static int memory_verify(const char *value)
{
    size_t bad = 0, first = 0;
    uint64_t generations = 0;

    (void)value;
    pthread_mutex_lock(&memory.lock);
    for (size_t page = 0; page < memory.pages; page++) {
        generations += memory.words[page * WORDS];
        if (!page_is_right(page) && !bad++)
            first = page;
    }
    if (bad)
        xs_printf("data/lab/verify", "bad %zu of %zu pages, first %zu", bad, memory.pages, first);
    else
        xs_printf("data/lab/verify", "ok %zu pages dirtied %llu times", memory.pages,
                  (unsigned long long)generations);
    pthread_mutex_unlock(&memory.lock);
    return bad ? -1 : 0;
}

static void *dirty_pages(void *unused)
{
    size_t page = 0;

    (void)unused;
    for (;;) {
        long batch = memory.rate / 100 + 1;

        if (!memory.rate) {
            sleep_ns(100000000);
            continue;
        }
        pthread_mutex_lock(&memory.lock);
        for (long i = 0; i < batch && memory.pages; i++, page++) {
            page %= memory.pages;
            page_write(page, memory.words[page * WORDS] + 1);
        }
        pthread_mutex_unlock(&memory.lock);
        sleep_ns(1000000000LL * batch / (memory.rate ? memory.rate : 1));
    }
    return NULL;
}

/* ---- time stamps: the longest stretch in which this guest did not run ---- */

static struct {
    pthread_mutex_t lock;
    long rate; /* stamps per second; 0: none */
    int64_t last, gap_from, gap_to;
} stamps = {.lock = PTHREAD_MUTEX_INITIALIZER};

static void *take_stamps(void *unused)
{
    (void)unused;
    for (;;) {
        long rate = stamps.rate;
        int64_t now = now_ns(CLOCK_REALTIME);

        pthread_mutex_lock(&stamps.lock);
        if (rate && stamps.last && now - stamps.last > stamps.gap_to - stamps.gap_from) {
            stamps.gap_from = stamps.last;
            stamps.gap_to = now;
        }
        stamps.last = rate ? now : 0;
        pthread_mutex_unlock(&stamps.lock);
        sleep_ns(1000000000LL / (rate ? rate : 10));
    }
    return NULL;
}

static int report_gap(const char *value)
{
    (void)value;
    pthread_mutex_lock(&stamps.lock);
    xs_printf("data/lab/gap", "%lld %lld", (long long)stamps.gap_from, (long long)stamps.gap_to);
    stamps.gap_from = stamps.gap_to = stamps.last = 0;
    pthread_mutex_unlock(&stamps.lock);
    return 0;
}

/* ---- requests ---- */

static int ready; /* whether this guest has said that it is ready */
static int ready_withheld;

static int say_ready(void)
{
    ready = 1;
    diary_add("ready", now_tsc());
    write_time("data/lab/ready");
    return xs_write("data/ready", "1");
}

static int set_ready(const char *value)
{
    ready_withheld = !strcmp(value, "never");
    if (ready_withheld)
        return 0;
    sleep_ns(strtoll(value, NULL, 10) * 1000000);
    return say_ready();
}

static int set_shutdown(const char *value)
{
    write_file(SHUTDOWN_FILE, value);
    return 0;
}

static int set_dirty(const char *value)
{
    memory.rate = strtol(value, NULL, 10);
    return 0;
}

static int set_stamp(const char *value)
{
    stamps.rate = strtol(value, NULL, 10);
    return 0;
}

static int show_key(const char *value)
{
    char found[XENSTORE_MAX + 1];

    return xs_write("data/lab/show", xs_read(value, found) ? "" : found);
}

static int run_command(const char *value)
{
    pid_t pid = vfork();
    int status;

    if (pid == 0) {
        execl("/bin/sh", "sh", "-c", value, NULL);
        _exit(127);
    }
    return pid > 0 && waitpid(pid, &status, 0) == pid && status == 0 ? 0 : -1;
}

static int set_address(const char *value)
{
    char command[128];

    snprintf(command, sizeof(command), "ip link set eth0 up && ip addr add %.80s dev eth0", value);
    return run_command(command);
}

static int write_disk(const char *value)
{
    int fd = open("/dev/xvda", O_WRONLY | O_CLOEXEC), failed;

    if (fd < 0)
        return -1;
    failed = dprintf(fd, "%s\n", value) < 0 || fsync(fd);
    close(fd);
    return failed ? -1 : 0;
}

static int act(const char *value)
{
    if (!strcmp(value, "poweroff"))
        return reboot(RB_POWER_OFF);
    if (!strcmp(value, "reboot"))
        return reboot(RB_AUTOBOOT);
    if (!strcmp(value, "crash"))
        write_file("/proc/sysrq-trigger", "c");
    return -1;
}

static const struct {
    const char *name;
    int (*handle)(const char *value);
} requests[] = {
    {"ready", set_ready}, {"shutdown", set_shutdown}, {"fill", memory_fill},
    {"dirty", set_dirty}, {"verify", memory_verify},  {"stamp", set_stamp},
    {"gap", report_gap},  {"show", show_key},         {"ip", set_address},
    {"do", act},          {"diary", set_diary},       {"disk", write_disk},
};

static int handle_request(char *word)
{
    char *value = strchr(word, '=');

    if (!value)
        return -1;
    *value++ = 0;
    for (size_t i = 0; i < sizeof(requests) / sizeof(requests[0]); i++)
        if (!strcmp(word, requests[i].name))
            return requests[i].handle(value);
    return -1;
}

/* Does every word that starts with `prefix`; returns the number of those that failed. */
static int handle_requests(char *text, const char *prefix)
{
    int failed = 0;
    char *rest;

    for (char *word = strtok_r(text, " \n", &rest); word; word = strtok_r(NULL, " \n", &rest))
        if (!strncmp(word, prefix, strlen(prefix)) && handle_request(word + strlen(prefix)))
            failed++;
    return failed;
}

static void handle_command_line(void)
{
    static char text[8192];
    int fd = open("/proc/cmdline", O_RDONLY | O_CLOEXEC);

    if (fd < 0)
        return;
    if (read(fd, text, sizeof(text) - 1) > 0)
        handle_requests(text, "lab.");
    close(fd);
}

/* Called after each watch event: does what data/lab/set asks, once, and says "ready" again where a
 * restore or a migration gave the guest a new xenstore directory. */
static void handle_xenstore(void)
{
    char text[XENSTORE_MAX + 1], copy[XENSTORE_MAX + 1];

    if (ready && xs_read("data/ready", text))
        say_ready();
    if (xs_read("data/lab/set", text) || !text[0])
        return;
    strcpy(copy, text);
    xs_write("data/lab/set", "");
    xs_printf("data/lab/ack", "%s %.200s", handle_requests(copy, "") ? "failed" : "ok", text);
}

static void serve_xenstore(void)
{
    struct xs_header header;
    char body[XENSTORE_MAX + 1];

    xs_watch("data/lab/set");
    for (;;) {
        if (!watch_pending && xs_receive(&header, body))
            break;
        watch_pending = 0;
        handle_xenstore();
    }
    perror("lab: xenstore");
}

/* ---- start ---- */

static void mount_all(void)
{
    static const char *const table[][2] = {
        {"proc", "/proc"}, {"sysfs", "/sys"}, {"devtmpfs", "/dev"}, {"tmpfs", "/run"}};

    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        mkdir(table[i][1], 0755);
        if (mount(table[i][0], table[i][1], table[i][0], 0, NULL))
            perror(table[i][1]);
    }
}

/* Whether a device that needs a module is there: without one, loading costs for nothing. */
static int has_devices(void)
{
    DIR *devices = opendir("/sys/bus/xen/devices");
    struct dirent *entry;
    int found = 0;

    while (devices && !found && (entry = readdir(devices)))
        found = !strncmp(entry->d_name, "vif-", 4) || !strncmp(entry->d_name, "vbd-", 4);
    if (devices)
        closedir(devices);
    return found;
}

static void load_modules(void)
{
    char path[256];
    FILE *order = has_devices() ? fopen("/lib/modules/order", "re") : NULL;

    while (order && fscanf(order, "%255s", path) == 1) {
        int fd = open(path, O_RDONLY | O_CLOEXEC);

        if (fd < 0 || (syscall(SYS_finit_module, fd, "", 0) && errno != EEXIST && errno != ENODEV))
            perror(path);
        if (fd >= 0)
            close(fd);
    }
    if (order)
        fclose(order);
}

/* A shell on the console for whoever types `xl console`, started again when it ends. */
static void *keep_shell(void *unused)
{
    (void)unused;
    for (;;) {
        pid_t pid = fork();

        if (pid == 0) {
            int fd;

            setsid();
            fd = open("/dev/hvc0", O_RDWR);
            ioctl(fd, TIOCSCTTY, 1);
            dup2(fd, 0);
            dup2(fd, 1);
            dup2(fd, 2);
            execl("/bin/sh", "-sh", NULL);
            _exit(127);
        }
        if (pid < 0 || waitpid(pid, NULL, 0) < 0)
            return NULL;
        sleep_ns(1000000000);
    }
}

/*
 * A poweroff request that comes while the kernel frees its start-up memory is lost on it, and so
 * are all later ones (drivers/xen/manage.c): it says so in its log, and the request is obeyed from
 * here.
 */
static int poweroff_was_lost(void)
{
    char record[8192];
    int log = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC), lost = 0;
    ssize_t n;

    while (log >= 0 && !lost &&
           ((n = read(log, record, sizeof(record) - 1)) > 0 || (n < 0 && errno == EPIPE))) {
        record[n > 0 ? n : 0] = 0;
        lost = strstr(record, "Ignoring Xen toolstack shutdown") != NULL;
    }
    if (log >= 0)
        close(log);
    return lost;
}

int main(int argc, char **argv)
{
    const char *name = strrchr(argv[0], '/');
    pthread_t thread;

    (void)argc;
    name = name ? name + 1 : argv[0];
    if (!strcmp(name, "init")) {
        mount_all();
        setenv("PATH", "/bin:/sbin", 1);
        setenv("HOME", "/", 1);
    }
    xenbus = open("/dev/xen/xenbus", O_RDWR | O_CLOEXEC);
    if (xenbus < 0)
        perror("/dev/xen/xenbus");
    if (!strcmp(name, "poweroff"))
        return stop_machine(name, RB_POWER_OFF);
    if (!strcmp(name, "reboot"))
        return stop_machine(name, RB_AUTOBOOT);

    started = now_tsc();
    write_time("data/lab/start");
    load_modules();
    handle_command_line();
    if (poweroff_was_lost())
        stop_machine("poweroff", RB_POWER_OFF);
    if (!ready && !ready_withheld)
        say_ready();
    pthread_create(&thread, NULL, dirty_pages, NULL);
    pthread_create(&thread, NULL, take_stamps, NULL);
    pthread_create(&thread, NULL, keep_shell, NULL);
    serve_xenstore();
    for (;;)
        pause();
}
