/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A connection to the daemon, reports on it and answers, each bounded in time. */
#include "aligned.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* After this long without a verdict, the report is told again: what is dirty grows. */
#define AGAIN_US (G_USEC_PER_SEC / 4)
/* After this long without a word, the daemon is not counted on; less where a test waits for it. */
#ifndef SILENCE_US
#define SILENCE_US (60 * (gint64)G_USEC_PER_SEC)
#endif

static void aligned_end(Aligned *aligned)
{
    if (aligned->fd >= 0)
        close(aligned->fd);
    aligned->fd = -1;
}

/* Reads one answer, waiting until @deadline. FALSE if none came by then, or none will. */
static gboolean answer_read(Aligned *aligned, gint64 deadline, AlignAnswer *ret_answer)
{
    gint64 left = MAX(deadline - g_get_monotonic_time(), 0);
    struct pollfd wait = {.fd = aligned->fd, .events = POLLIN};
    if (aligned->fd < 0 || poll(&wait, 1, (int)((left + 999) / 1000)) <= 0)
        return FALSE;
    ssize_t n = recv(aligned->fd, ret_answer, sizeof(*ret_answer), MSG_DONTWAIT | MSG_TRUNC);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return FALSE;
    if (n != sizeof(*ret_answer) || ret_answer->magic != ALIGN_MAGIC) {
        aligned_end(aligned);
        return FALSE;
    }
    aligned->heard = g_get_monotonic_time();
    aligned->stop = aligned->stop || ret_answer->verdict == ALIGN_STOP;
    return TRUE;
}

static void report(Aligned *aligned, guint32 round, guint64 dirty, guint64 written)
{
    AlignReport report = {.magic = ALIGN_MAGIC,
                          .domid = aligned->domid,
                          .round = round,
                          .dirty = dirty,
                          .written = written};
    /* A daemon that hangs lets its socket run full: that is silence, too. */
    if (send(aligned->fd, &report, sizeof(report), MSG_DONTWAIT | MSG_NOSIGNAL) < 0 &&
        errno != EAGAIN && errno != EINTR)
        aligned_end(aligned);
}

static gboolean aligned_connect(Aligned *aligned, const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (g_strlcpy(address.sun_path, path, sizeof(address.sun_path)) >= sizeof(address.sun_path))
        return FALSE;
    aligned->fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (aligned->fd < 0)
        return FALSE;
    if (connect(aligned->fd, (struct sockaddr *)&address, sizeof(address)) != 0)
        aligned_end(aligned);
    return aligned->fd >= 0;
}

gboolean aligned_join(Aligned *aligned, const char *path, guint32 domid)
{
    AlignAnswer answer;
    *aligned = (Aligned){.fd = -1, .domid = domid};
    if (!aligned_connect(aligned, path))
        return FALSE;
    report(aligned, ALIGN_HELLO, 0, 0);
    if (answer_read(aligned, g_get_monotonic_time() + SILENCE_US, &answer) &&
        answer.verdict != ALIGN_STOCK)
        return TRUE;
    aligned_end(aligned);
    return FALSE;
}

AlignVerdict aligned_tell(Aligned *aligned, guint32 round, guint64 dirty, guint64 written)
{
    gint64 deadline = g_get_monotonic_time() + AGAIN_US;
    AlignAnswer answer;

    if (!aligned->stop)
        report(aligned, round, dirty, written);
    while (!aligned->stop && answer_read(aligned, deadline, &answer))
        if (answer.verdict == ALIGN_ROUND && answer.round == round)
            return ALIGN_ROUND;
    if (g_get_monotonic_time() - aligned->heard > SILENCE_US)
        aligned_end(aligned);
    return aligned->stop ? ALIGN_STOP : ALIGN_WAIT;
}
