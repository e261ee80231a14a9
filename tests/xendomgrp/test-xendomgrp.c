/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * libxendomgrp without Xen: a libxencall of our own takes the hypercalls and
 * answers them. What is asked must be the operation, whole and zero where it
 * has no fields; what fails must leave every output alone and say -errno.
 */
#include "xendomgrp.h"

#include <errno.h>
#include <glib.h>
#include <stdlib.h>
#include <string.h>
#include <xencall.h>

/* -- the fake: one hypercall kept, one answer given -- */

struct xencall_handle {
    int open;
};

static struct xencall_handle driver;
static int open_errno, call_errno, buffers, calls;
static gboolean no_memory;
static struct xen_domgrpctl asked;               /* the last operation */
static void (*answer)(struct xen_domgrpctl *op); /* changes it, as Xen would */

xencall_handle *xencall_open(struct xentoollog_logger *logger, unsigned flags)
{
    g_assert_nonnull(logger); /* without one libxencall prints */
    errno = open_errno;
    driver.open += open_errno == 0;
    return open_errno == 0 ? &driver : NULL;
}

int xencall_close(xencall_handle *xcall)
{
    xcall->open--;
    return 0;
}

void *xencall_alloc_buffer(xencall_handle *xcall, size_t size)
{
    if (no_memory)
        return NULL;
    buffers++;
    return memset(malloc(size), 0xa5, size);
}

void xencall_free_buffer(xencall_handle *xcall, void *p)
{
    buffers -= p != NULL;
    free(p);
}

int xencall1(xencall_handle *xcall, unsigned int op, uint64_t arg1)
{
    struct xen_domgrpctl *ctl = (void *)(uintptr_t)arg1;

    calls++;
    g_assert_cmpuint(op, ==, __HYPERVISOR_domgrpctl);
    asked = *ctl;
    if (call_errno != 0) {
        memset(ctl, 0xee, sizeof(*ctl)); /* nothing of this may be seen */
        errno = call_errno;
        return -1;
    }
    if (answer != NULL)
        answer(ctl);
    return 0;
}

static xendomgrp_handle *set_up(void)
{
    xendomgrp_handle *handle = NULL;
    open_errno = call_errno = calls = 0;
    no_memory = FALSE;
    answer = NULL;
    g_assert_cmpint(xendomgrp_open(&handle), ==, 0);
    return handle;
}

static void tear_down(xendomgrp_handle *handle)
{
    xendomgrp_close(handle);
    g_assert_cmpint(driver.open, ==, 0);
    g_assert_cmpint(buffers, ==, 0);
}

/* What was asked is @cmd with these @length bytes, and zeros behind them. */
static void assert_asked(uint32_t cmd, const void *fields, gsize length)
{
    static const uint8_t zeros[sizeof(asked.u)];
    g_assert_cmpuint(asked.cmd, ==, cmd);
    g_assert_cmpuint(asked.interface_version, ==, XEN_DOMGRPCTL_VERSION);
    g_assert_cmpmem(&asked.u, length, fields, length);
    g_assert_cmpmem(asked.u._pad + length, sizeof(asked.u) - length, zeros,
                    sizeof(asked.u) - length);
}

/* -- the operations, all by one table -- */

static const xen_domain_handle_t uuid = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16};

/* Outputs of every kind, so that one comparison tells whether any was written. */
typedef struct {
    uint16_t id;
    struct xen_domgrpctl_pause pause;
    struct xen_domgrpctl_getinfo info;
    struct xen_domgrpctl_getdomain domain;
    uint32_t first, count;
    struct xen_domgrp_member members[3];
} Outputs;

static int call_create(xendomgrp_handle *handle, Outputs *out)
{
    return xendomgrp_create(handle, uuid, 7, &out->id);
}

static int call_destroy(xendomgrp_handle *handle, Outputs *out)
{
    return xendomgrp_destroy(handle, 0x1234);
}

static int call_join(xendomgrp_handle *handle, Outputs *out)
{
    return xendomgrp_join(handle, 0x1234, 0x4321, uuid);
}

static int call_reserve(xendomgrp_handle *handle, Outputs *out)
{
    return xendomgrp_reserve(handle, 0x1234, uuid, XEN_DOMGRPCTL_RESERVE_MOVE);
}

static int call_unreserve(xendomgrp_handle *handle, Outputs *out)
{
    return xendomgrp_unreserve(handle, 0x1234, uuid);
}

static int call_pause(xendomgrp_handle *handle, Outputs *out)
{
    return xendomgrp_pause(handle, 0x1234, &out->pause);
}

static int call_unpause(xendomgrp_handle *handle, Outputs *out)
{
    return xendomgrp_unpause(handle, 0x1234);
}

static int call_getinfo(xendomgrp_handle *handle, Outputs *out)
{
    return xendomgrp_getinfo(handle, 0x1234, &out->info);
}

static int call_getdomain(xendomgrp_handle *handle, Outputs *out)
{
    return xendomgrp_getdomain(handle, 0x4321, &out->domain);
}

static int call_getmembers(xendomgrp_handle *handle, Outputs *out)
{
    return xendomgrp_getmembers(handle, 0x1234, &out->first, out->members, &out->count);
}

static const struct {
    const char *name;
    int (*call)(xendomgrp_handle *handle, Outputs *out);
    uint32_t cmd;
    guint length;      /* of what is compared below; the rest must be zero */
    guint8 fields[24]; /* little endian */
} rows[] = {
    {"create", call_create, XEN_DOMGRPCTL_CREATE, 20, {1,  2,  3,  4,  5,  6,  7,    8,    9, 10,
                                                       11, 12, 13, 14, 15, 16, 0x55, 0x55, 7, 0}},
    {"destroy", call_destroy, XEN_DOMGRPCTL_DESTROY, 2, {0x34, 0x12}},
    {"join", call_join, XEN_DOMGRPCTL_JOIN, 20, {1,  2,  3,  4,  5,  6,  7,    8,    9,    10,
                                                 11, 12, 13, 14, 15, 16, 0x21, 0x43, 0x34, 0x12}},
    {"reserve", call_reserve, XEN_DOMGRPCTL_RESERVE, 20, {1,  2,  3,    4,    5,  6,  7,
                                                          8,  9,  10,   11,   12, 13, 14,
                                                          15, 16, 0x34, 0x12, 1,  0}},
    {"unreserve",
     call_unreserve,
     XEN_DOMGRPCTL_UNRESERVE,
     18,
     {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 0x34, 0x12}},
    {"pause", call_pause, XEN_DOMGRPCTL_PAUSE, 2, {0x34, 0x12}},
    {"unpause", call_unpause, XEN_DOMGRPCTL_UNPAUSE, 2, {0x34, 0x12}},
    {"getinfo", call_getinfo, XEN_DOMGRPCTL_GETINFO, 2, {0x34, 0x12}},
    {"getdomain", call_getdomain, XEN_DOMGRPCTL_GETDOMAIN, 2, {0x21, 0x43}},
};

static void test_asked(void)
{
    xendomgrp_handle *handle = set_up();
    for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
        Outputs out;
        memset(&out, 0x55, sizeof(out));
        g_assert_cmpint(rows[i].call(handle, &out), ==, 0);
        assert_asked(rows[i].cmd, rows[i].fields, rows[i].length);
    }
    tear_down(handle);
}

static void assert_fails(xendomgrp_handle *handle, int expected)
{
    Outputs before, out;
    memset(&before, 0x55, sizeof(before));
    before.count = 3;
    for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
        out = before;
        g_assert_cmpint(rows[i].call(handle, &out), ==, expected);
        g_assert_cmpmem(&out, sizeof(out), &before, sizeof(before));
    }
    out = before;
    g_assert_cmpint(call_getmembers(handle, &out), ==, expected);
    g_assert_cmpmem(&out, sizeof(out), &before, sizeof(before));
}

static void test_failures(void)
{
    xendomgrp_handle *handle = set_up();
    call_errno = EDEADLK;
    assert_fails(handle, -EDEADLK);
    call_errno = 0;
    no_memory = TRUE;
    assert_fails(handle, -ENOMEM);
    tear_down(handle);
}

/* -- what comes back -- */

static void answer_pattern(struct xen_domgrpctl *op)
{
    for (guint i = 0; i < sizeof(op->u); i++)
        op->u._pad[i] = (uint8_t)(i + 1);
}

static void test_answers(void)
{
    xendomgrp_handle *handle = set_up();
    struct xen_domgrpctl expected = {0};
    Outputs out = {0};

    answer_pattern(&expected);
    answer = answer_pattern;
    g_assert_cmpint(call_create(handle, &out), ==, 0);
    g_assert_cmpuint(out.id, ==, expected.u.create.id);
    g_assert_cmpint(call_pause(handle, &out), ==, 0);
    g_assert_cmpmem(&out.pause, sizeof(out.pause), &expected.u, sizeof(out.pause));
    g_assert_cmpint(call_getinfo(handle, &out), ==, 0);
    g_assert_cmpmem(&out.info, sizeof(out.info), &expected.u, sizeof(out.info));
    g_assert_cmpint(call_getdomain(handle, &out), ==, 0);
    g_assert_cmpmem(&out.domain, sizeof(out.domain), &expected.u, sizeof(out.domain));
    tear_down(handle);
}

static void answer_members(struct xen_domgrpctl *op)
{
    g_assert_cmpuint(op->u.getmembers.id, ==, 0x1234);
    g_assert_cmpuint(op->u.getmembers.first, ==, 6);
    for (guint i = 0; i < op->u.getmembers.count && i < 2; i++)
        op->u.getmembers.buffer.p[i] = (struct xen_domgrp_member){.domid = (domid_t)(10 + i)};
    op->u.getmembers.count = MIN(op->u.getmembers.count, 2);
    op->u.getmembers.first = XEN_DOMGRP_MEMBERS_END;
}

static void test_members(void)
{
    xendomgrp_handle *handle = set_up();
    Outputs out = {.first = 6, .count = 3};

    answer = answer_members;
    out.members[2].domid = 99;
    g_assert_cmpint(call_getmembers(handle, &out), ==, 0);
    g_assert_cmpuint(out.first, ==, XEN_DOMGRP_MEMBERS_END);
    g_assert_cmpuint(out.count, ==, 2);
    g_assert_cmpuint(out.members[0].domid, ==, 10);
    g_assert_cmpuint(out.members[1].domid, ==, 11);
    g_assert_cmpuint(out.members[2].domid, ==, 99);

    /* No room asks without a buffer; more room than there can be members is not asked for. */
    out = (Outputs){.first = 6};
    g_assert_cmpint(xendomgrp_getmembers(handle, 0x1234, &out.first, NULL, &out.count), ==, 0);
    g_assert_null(asked.u.getmembers.buffer.p);
    g_assert_cmpuint(out.count, ==, 0);
    out = (Outputs){.first = 6, .count = G_MAXUINT32};
    g_assert_cmpint(call_getmembers(handle, &out), ==, 0);
    g_assert_cmpuint(asked.u.getmembers.count, <=, DOMID_FIRST_RESERVED);
    tear_down(handle);
}

/* -- the handle -- */

static void test_open(void)
{
    static const int refusals[] = {ENOSYS, EACCES, EPERM};
    xendomgrp_handle *untouched = (xendomgrp_handle *)0x1, *handle = untouched;

    tear_down(set_up());
    g_assert_cmpint(calls, ==, 1); /* it was asked whether it knows groups */
    for (guint i = 0; i < G_N_ELEMENTS(refusals); i++) {
        call_errno = refusals[i];
        g_assert_cmpint(xendomgrp_open(&handle), ==, -refusals[i]);
        g_assert_true(handle == untouched);
        g_assert_cmpint(driver.open, ==, 0);
    }
    call_errno = 0;
    open_errno = ENOENT;
    g_assert_cmpint(xendomgrp_open(&handle), ==, -ENOENT);
    g_assert_true(handle == untouched);
    xendomgrp_close(NULL);
    g_assert_cmpint(buffers, ==, 0);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/xendomgrp/open", test_open);
    g_test_add_func("/xendomgrp/asked", test_asked);
    g_test_add_func("/xendomgrp/failures", test_failures);
    g_test_add_func("/xendomgrp/answers", test_answers);
    g_test_add_func("/xendomgrp/members", test_members);
    return g_test_run();
}
