/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * In libxc's place under domgrp-save-helper: a guest whose pages and what it
 * changes of them during each round are given in FAKE_GUEST, "PAGES DIRTY
 * DIRTY ...", the last for all further rounds. It sends a byte for each page,
 * and asks and logs as libxc does: "round N" before each, "peek" when it is
 * asked for what is dirty.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <xenctrl.h>
#include <xenguest.h>

struct xc_interface_core {
    xentoollog_logger *logger;
    long pages, dirty;
    const char *script;
};

static struct xc_interface_core the;

__attribute__((format(printf, 1, 2))) static void say(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    the.logger->vmessage(the.logger, XTL_DETAIL, -1, "fake", format, arguments);
    va_end(arguments);
}

static long script_next(long before)
{
    char *end;
    long value = strtol(the.script, &end, 10);
    if (end == the.script)
        return before;
    the.script = end;
    return value;
}

xc_interface *xc_interface_open(xentoollog_logger *logger, xentoollog_logger *dombuild,
                                unsigned flags)
{
    the.logger = logger;
    the.script = getenv("FAKE_GUEST");
    if (the.script == NULL) {
        errno = ENODEV;
        return NULL;
    }
    the.pages = script_next(0);
    return &the;
}

int xc_interface_close(xc_interface *xch)
{
    return 0;
}

long long xc_logdirty_control(xc_interface *xch, uint32_t domid, unsigned int sop,
                              xc_hypercall_buffer_t *bitmap, unsigned long pages, unsigned int mode,
                              xc_shadow_op_stats_t *stats)
{
    say("peek");
    if (domid != 5 || sop != XEN_DOMCTL_SHADOW_OP_PEEK || bitmap != NULL) {
        errno = EINVAL;
        return -1;
    }
    stats->dirty_count = (uint32_t)the.dirty;
    return 0;
}

static int send_pages(int fd, long pages)
{
    char bytes[1024];
    memset(bytes, 'p', sizeof(bytes));
    while (pages > 0) {
        size_t want = pages < (long)sizeof(bytes) ? (size_t)pages : sizeof(bytes);
        ssize_t n = write(fd, bytes, want);
        if (n < 0 && errno != EINTR)
            return -1;
        pages -= n > 0 ? n : 0;
    }
    return 0;
}

/* Until the policy has had enough; TRUE ends all. */
static int rounds_fail(int fd, const struct save_callbacks *ask)
{
    struct precopy_stats stats = {.dirty_count = the.pages};
    for (unsigned round = 1;; round++) {
        int verdict = ask->precopy_policy(stats, ask->data);
        if (verdict == XGS_POLICY_ABORT)
            return -1;
        say("round %u", round);
        if (send_pages(fd, stats.dirty_count) != 0)
            return -1;
        the.dirty = script_next(the.dirty);
        stats.iteration = round;
        stats.total_written += (unsigned long)stats.dirty_count;
        stats.dirty_count = -1;
        if (verdict == XGS_POLICY_CONTINUE_PRECOPY)
            verdict = ask->precopy_policy(stats, ask->data);
        if (verdict != XGS_POLICY_CONTINUE_PRECOPY)
            return verdict == XGS_POLICY_ABORT ? -1 : 0;
        stats.dirty_count = the.dirty;
    }
}

int xc_domain_save(xc_interface *xch, int fd, uint32_t domid, uint32_t flags,
                   struct save_callbacks *ask, xc_stream_type_t type, int back)
{
    say("saving domain %u, flags %u, type %d, back %d", domid, flags, (int)type, back);
    say("%05000d", 1); /* longer than any line should be */
    xch->logger->progress(xch->logger, NULL, "saving", 0, 1, 2);
    if (ask->switch_qemu_logdirty != NULL && ask->switch_qemu_logdirty(domid, 1, ask->data) != 0)
        return -1;
    if (rounds_fail(fd, ask) != 0)
        return -1;
    if (ask->suspend(ask->data) == 0) {
        errno = EIO;
        return -1;
    }
    return send_pages(fd, the.dirty);
}
