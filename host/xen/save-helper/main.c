/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * domgrp-save-helper: libxl starts it in its own helper's place, to save a
 * domain. For a live save of a group's member, which the daemon expects, it
 * saves the domain, by libxc as the stock helper does, and lets the guest stop
 * together with the group's others. In any other case it becomes the stock
 * helper before it has done anything.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <xenctrl.h>
#include <xenguest.h>

#include "aligned.h"
#include "caller.h"

/* What libxc's own policy has: so few pages, or so many rounds, are enough. */
#define ALONE_FEW 50
#define ALONE_ROUNDS 5

/* The callbacks of a plain stream. */
#define CALLBACKS_KNOWN (1u << LIBXL_SUSPEND | 1u << LIBXL_SWITCH_QEMU_LOGDIRTY)

typedef struct {
    Caller caller;
    Aligned aligned;
    xc_interface *xc;
    guint32 domid;
    guint32 flags;
    guint32 callbacks;
    int stream;
    int back;
    guint64 dirty; /* pages that the last round that is known of had to send */
} Save;

/* -- being told to end -- */

static volatile sig_atomic_t terminated;
static int terminated_stream, terminated_nothing;

/*
 * libxl wants the save to end. libxc must put the guest right on its way out, so that its next
 * write, or the one that waits now, has to fail: there is nothing to write to any more.
 */
static void on_terminate(int number)
{
    int errnoval = errno;
    terminated = 1;
    dup2(terminated_nothing, terminated_stream);
    errno = errnoval;
}

static gboolean signals_init(int stream)
{
    struct sigaction terminate = {.sa_handler = on_terminate};
    sigset_t set;

    terminated_stream = stream;
    terminated_nothing = open("/dev/null", O_RDONLY | O_CLOEXEC);
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    signal(SIGPIPE, SIG_IGN); /* a stream that nobody reads is an error like others */
    return terminated_nothing >= 0 && sigaction(SIGTERM, &terminate, NULL) == 0 &&
           sigprocmask(SIG_UNBLOCK, &set, NULL) == 0;
}

/* -- what libxc asks -- */

static int on_suspend(void *data)
{
    Save *save = data;
    int answer = 0;
    caller_tell(&save->caller, &answer, LIBXL_SUSPEND);
    return answer;
}

static int on_switch_qemu_logdirty(uint32_t domid, unsigned enable, void *data)
{
    Save *save = data;
    int answer = -1;
    caller_tell(&save->caller, &answer, LIBXL_SWITCH_QEMU_LOGDIRTY, domid, enable);
    return answer;
}

/* How many pages the guest has changed since the round began. */
static guint64 dirty_now(Save *save)
{
    xc_shadow_op_stats_t stats = {0};
    if (xc_logdirty_control(save->xc, save->domid, XEN_DOMCTL_SHADOW_OP_PEEK, NULL, 0, 0, &stats) ==
        0)
        return stats.dirty_count;
    return save->dirty;
}

static int decide_alone(Save *save, guint round)
{
    gboolean enough = round >= ALONE_ROUNDS || dirty_now(save) < ALONE_FEW;
    return enough ? XGS_POLICY_STOP_AND_COPY : XGS_POLICY_CONTINUE_PRECOPY;
}

static int decide(Save *save, guint round, guint64 written)
{
    AlignVerdict verdict = ALIGN_WAIT;
    while (verdict == ALIGN_WAIT && !terminated && save->aligned.fd >= 0)
        verdict = aligned_tell(&save->aligned, round, dirty_now(save), written);
    if (terminated)
        return XGS_POLICY_ABORT;
    if (verdict == ALIGN_WAIT)
        return decide_alone(save, round);
    return verdict == ALIGN_STOP ? XGS_POLICY_STOP_AND_COPY : XGS_POLICY_CONTINUE_PRECOPY;
}

/*
 * Asked before and after each round. Before it, its pages do not count as dirty any more and must
 * be sent; only after it can the guest stop at once.
 */
static int on_precopy(struct precopy_stats stats, void *data)
{
    Save *save = data;
    if (terminated)
        return XGS_POLICY_ABORT;
    if (stats.dirty_count < 0)
        return decide(save, stats.iteration, stats.total_written);
    save->dirty = (guint64)stats.dirty_count;
    return XGS_POLICY_CONTINUE_PRECOPY;
}

/* -- the save -- */

static void save_complete(Save *save, int result, int errnoval)
{
    caller_tell(&save->caller, NULL, LIBXL_COMPLETE, result, result != 0 ? errnoval : 0);
}

static int save_run(Save *save)
{
    struct save_callbacks callbacks = {.precopy_policy = on_precopy, .data = save};
    if (save->callbacks & 1u << LIBXL_SUSPEND)
        callbacks.suspend = on_suspend;
    if (save->callbacks & 1u << LIBXL_SWITCH_QEMU_LOGDIRTY)
        callbacks.switch_qemu_logdirty = on_switch_qemu_logdirty;

    caller_init(&save->caller, STDIN_FILENO, STDOUT_FILENO);
    save->xc = xc_interface_open(&save->caller.logger, &save->caller.logger, 0);
    if (save->xc == NULL || !signals_init(save->stream)) {
        save_complete(save, -1, errno);
        return 0;
    }
    int result = xc_domain_save(save->xc, save->stream, save->domid, save->flags, &callbacks,
                                XC_STREAM_PLAIN, save->back);
    save_complete(save, result, errno);
    xc_interface_close(save->xc);
    return 0;
}

/* FALSE if this is nothing but a plain, live save that is expected. */
static gboolean save_init(Save *save, int argc, char **argv)
{
    const char *daemon = getenv(ALIGN_ENV);
    if (daemon == NULL || argc != ARG_TYPE + 1 || strcmp(argv[ARG_MODE], LIBXL_SAVE_MODE) != 0)
        return FALSE;
    save->stream = atoi(argv[ARG_STREAM_FD]);
    save->back = atoi(argv[ARG_BACK_FD]);
    save->domid = (guint32)strtoul(argv[ARG_DOMID], NULL, 10);
    save->flags = (guint32)strtoul(argv[ARG_FLAGS], NULL, 10);
    save->callbacks = (guint32)strtoul(argv[ARG_CALLBACKS], NULL, 10);
    if ((save->flags & XCFLAGS_LIVE) == 0 || (save->callbacks & ~CALLBACKS_KNOWN) != 0 ||
        (save->callbacks & 1u << LIBXL_SUSPEND) == 0 || atoi(argv[ARG_TYPE]) != XC_STREAM_PLAIN)
        return FALSE;
    return aligned_join(&save->aligned, daemon, save->domid);
}

/* What the daemon asks before it lets libxl start this. */
static int version(void)
{
    if (access(STOCK_HELPER, X_OK) != 0) {
        fprintf(stderr, "libxl's own helper is not at %s: %s\n", STOCK_HELPER, strerror(errno));
        return 1;
    }
    puts(SAVE_HELPER_VERSION);
    return 0;
}

int main(int argc, char **argv)
{
    Save save = {0};
    if (argc == 2 && strcmp(argv[1], "--version") == 0)
        return version();
    if (save_init(&save, argc, argv))
        return save_run(&save);
    argv[0] = (char *)STOCK_HELPER;
    execv(STOCK_HELPER, argv);
    fprintf(stderr, "%s: %s\n", STOCK_HELPER, strerror(errno));
    return 127;
}
