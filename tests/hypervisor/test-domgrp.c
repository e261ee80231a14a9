/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The group hypercall, operation by operation: what it promises, refuses and leaves alone. */
#include <errno.h>
#include <glib.h>
#include <string.h>

#include "check.h"
#include "fake.h"

#include <xsm/xsm.h>

#define NIL_ID XEN_DOMGRP_NULL

static struct xen_domgrpctl op;
static struct xen_domgrp_member list[256];
static xen_domain_handle_t nil;

static const uint8_t *uuid(unsigned int n)
{
    static xen_domain_handle_t buffer[4];
    static unsigned int turn;
    uint8_t *u = buffer[turn++ % 4];

    memset(u, 0, 16);
    u[0] = 0xaa;
    memcpy(u + 12, &n, 4);
    return u;
}

/* ---- one function for each operation, as a caller would have them ---- */

static struct xen_domgrpctl *fresh(uint32_t cmd)
{
    memset(&op, 0, sizeof(op));
    op.cmd = cmd;
    op.interface_version = XEN_DOMGRPCTL_VERSION;
    return &op;
}

static long call(void)
{
    return fake_hypercall(&op);
}

static long create(const uint8_t *u, unsigned int id)
{
    fresh(XEN_DOMGRPCTL_CREATE)->u.create.id = id;
    memcpy(op.u.create.uuid, u, 16);
    return call();
}

static unsigned int group(unsigned int n)
{
    g_assert_cmpint(create(uuid(n), XEN_DOMGRP_ANY), ==, 0);
    return op.u.create.id;
}

static long destroy(unsigned int id)
{
    fresh(XEN_DOMGRPCTL_DESTROY)->u.destroy.id = id;
    return call();
}

static long join(domid_t domid, const uint8_t *u, unsigned int id)
{
    fresh(XEN_DOMGRPCTL_JOIN)->u.join.id = id;
    op.u.join.domid = domid;
    memcpy(op.u.join.uuid, u, 16);
    return call();
}

static long join_it(const struct domain *d, unsigned int id)
{
    return join(d->domain_id, d->handle, id);
}

static long reserve(uint32_t cmd, const uint8_t *u, unsigned int id, unsigned int flags)
{
    fresh(cmd)->u.reserve.id = id;
    op.u.reserve.flags = flags;
    memcpy(op.u.reserve.uuid, u, 16);
    return call();
}

#define RESERVE XEN_DOMGRPCTL_RESERVE
#define UNRESERVE XEN_DOMGRPCTL_UNRESERVE

static long pause_group(unsigned int id)
{
    fresh(XEN_DOMGRPCTL_PAUSE)->u.pause.id = id;
    return call();
}

static long unpause_group(unsigned int id)
{
    fresh(XEN_DOMGRPCTL_UNPAUSE)->u.unpause.id = id;
    return call();
}

static const struct xen_domgrpctl_getinfo *info(unsigned int id)
{
    fresh(XEN_DOMGRPCTL_GETINFO)->u.getinfo.id = id;
    g_assert_cmpint(call(), ==, 0);
    return &op.u.getinfo;
}

static long members_from(unsigned int id, uint32_t first, uint32_t count)
{
    fresh(XEN_DOMGRPCTL_GETMEMBERS)->u.getmembers.id = id;
    op.u.getmembers.first = first;
    op.u.getmembers.count = count;
    op.u.getmembers.buffer.p = list;
    return call();
}

static unsigned int group_of(domid_t domid)
{
    fresh(XEN_DOMGRPCTL_GETDOMAIN)->u.getdomain.domid = domid;
    g_assert_cmpint(call(), ==, 0);
    return op.u.getdomain.id;
}

/* ---- domains ---- */

static struct domain *domain(domid_t domid, unsigned int n, unsigned int vcpus)
{
    int error;
    struct domain *d = fake_domain_new(domid, uuid(n), vcpus, false, &error);

    g_assert_nonnull(d);
    fake_domain_unpause(d);
    return d;
}

static bool stopped(const struct domain *d)
{
    const struct vcpu *v;

    for_each_vcpu(d, v)
        if (v->is_running || v->dirty_cpu != VCPU_CPU_CLEAN)
            return false;
    return true;
}

static bool running(const struct domain *d)
{
    const struct vcpu *v;

    for_each_vcpu(d, v)
        if (!v->is_running)
            return false;
    return true;
}

static void as_caller(struct domain *d)
{
    fake_current = d->vcpu[0];
}

static void as_dom0(void)
{
    as_caller(fake_domain_lookup(0));
}

static void setup(void)
{
    fake_reset();
    fake_guest_memory(&op, sizeof(op), false);
    fake_guest_memory(list, sizeof(list), false);
}

/* ---- groups ---- */

static void test_boot(void)
{
    g_assert_cmpuint(info(0)->id, ==, XEN_DOMGRP_ZERO);
    g_assert_cmpuint(op.u.getinfo.flags, ==, XEN_DOMGRP_DEFAULT);
    g_assert_cmpuint(op.u.getinfo.members, ==, 1);
    g_assert_cmpmem(op.u.getinfo.uuid, 16, nil, 16);
    g_assert_cmpuint(info(1)->id, ==, XEN_DOMGRP_NULL);
    g_assert_cmpuint(op.u.getinfo.flags, ==, XEN_DOMGRP_DEFAULT);
    g_assert_cmpuint(op.u.getinfo.members, ==, 0);
    for (unsigned int i = 0; i < 16; i++)
        g_assert_cmpuint(op.u.getinfo.uuid[i], ==, 0xff);
    g_assert_cmpuint(info(XEN_DOMGRP_NULL)->id, ==, XEN_DOMGRP_NULL);
    g_assert_cmpuint(group_of(0), ==, XEN_DOMGRP_ZERO);
    g_assert_cmpmem(op.u.getdomain.group_uuid, 16, nil, 16);
}

static void test_create(void)
{
    unsigned int a = group(1), b = group(2);

    g_assert_cmpuint(a, >=, XEN_DOMGRP_FIRST);
    g_assert_cmpuint(a, !=, b);
    g_assert_cmpint(create(uuid(3), a), ==, -EEXIST);
    g_assert_cmpuint(op.u.create.id, ==, a);
    g_assert_cmpint(create(uuid(1), XEN_DOMGRP_ANY), ==, -EEXIST);
    g_assert_cmpint(create(nil, XEN_DOMGRP_ANY), ==, -EINVAL);
    g_assert_cmpint(create(uuid(3), 0), ==, -ERANGE);
    g_assert_cmpint(create(uuid(3), XEN_DOMGRP_NULL), ==, -ERANGE);
    g_assert_cmpint(create(uuid(3), 0x8000), ==, -ERANGE);
    g_assert_cmpint(create(uuid(3), 0xfffe), ==, -ERANGE);
    g_assert_cmpint(create(uuid(3), XEN_DOMGRP_LAST), ==, 0);
    g_assert_cmpuint(op.u.create.id, ==, XEN_DOMGRP_LAST);
    g_assert_cmpint(create(uuid(4), XEN_DOMGRP_FIRST), ==, a == XEN_DOMGRP_FIRST ? -EEXIST : 0);
    g_assert_cmpmem(info(b)->uuid, 16, uuid(2), 16);
    g_assert_cmpuint(op.u.getinfo.policy, ==, XEN_DOMGRP_POLICY_OPEN);

    fresh(XEN_DOMGRPCTL_CREATE)->u.create.id = XEN_DOMGRP_ANY;
    memcpy(op.u.create.uuid, uuid(9), 16);
    op.u.create.policy = 1;
    g_assert_cmpint(call(), ==, -EINVAL);

    /* The Null-Group's UUID is taken as any other's. */
    memset(op.u.create.uuid, 0xff, 16);
    op.u.create.policy = 0;
    g_assert_cmpint(call(), ==, -EEXIST);
}

static void test_create_no_memory(void)
{
    int fails;

    for (fails = 0; ; fails++) {
        fake.heap_fails_in = fails;
        if (!create(uuid(1), 0x5000))
            break;
        g_assert_cmpint(fake.heap_fails_in, ==, -1);
        g_assert_cmpint(create(uuid(1), XEN_DOMGRP_ANY), ==, 0);
        g_assert_cmpint(destroy(op.u.create.id), ==, 0);
        check_world(true);
    }
    g_assert_cmpint(fails, >=, 2);
}

/* A freed id comes back as late as possible. */
static void test_id_reuse(void)
{
    unsigned int a = group(1), b;

    g_assert_cmpint(destroy(a), ==, 0);
    b = group(2);
    g_assert_cmpuint(b, !=, a);
    g_assert_cmpint(destroy(b), ==, 0);
}

static void test_all_ids(void)
{
    for (unsigned int i = XEN_DOMGRP_FIRST; i <= XEN_DOMGRP_LAST; i++)
        g_assert_cmpint(create(uuid(i), XEN_DOMGRP_ANY), ==, 0);
    g_assert_cmpint(create(uuid(0x10000), XEN_DOMGRP_ANY), ==, -ENOSPC);
    g_assert_cmpint(destroy(77), ==, 0);
    g_assert_cmpint(create(uuid(0x10000), XEN_DOMGRP_ANY), ==, 0);
    g_assert_cmpuint(op.u.create.id, ==, 77);
    g_assert_cmpint(destroy(77), ==, 0);
    g_assert_cmpint(destroy(XEN_DOMGRP_LAST), ==, 0);
    group(0x10001);
    group(0x10002);
    g_assert_cmpint(create(uuid(0x10003), XEN_DOMGRP_ANY), ==, -ENOSPC);
}

static void test_destroy(void)
{
    unsigned int id = group(1);
    struct domain *d = domain(1, 1, 1);

    g_assert_cmpint(destroy(0), ==, -EROFS);
    g_assert_cmpint(destroy(XEN_DOMGRP_NULL), ==, -EROFS);
    g_assert_cmpint(destroy(0x8000), ==, -ERANGE);
    g_assert_cmpint(destroy(0xffff), ==, -ERANGE);
    g_assert_cmpint(destroy(XEN_DOMGRP_LAST), ==, -ENOENT);

    g_assert_cmpint(join_it(d, id), ==, 0);
    g_assert_cmpint(destroy(id), ==, -ENOTEMPTY);
    fake_domain_kill(d);
    g_assert_cmpint(destroy(id), ==, -ENOTEMPTY);
    fake_domain_remove(d);
    g_assert_cmpint(reserve(RESERVE, uuid(5), id, 0), ==, 0);
    g_assert_cmpint(destroy(id), ==, -EBUSY);
    g_assert_cmpint(reserve(UNRESERVE, uuid(5), id, 0), ==, 0);
    g_assert_cmpint(destroy(id), ==, 0);
    g_assert_cmpint(destroy(id), ==, -ENOENT);

    /* A paused group needs no unpausing. */
    id = group(1);
    g_assert_cmpint(pause_group(id), ==, 0);
    g_assert_cmpint(destroy(id), ==, 0);
}

/* ---- membership ---- */

static void test_join(void)
{
    unsigned int a = group(1), b = group(2);
    struct domain *d = domain(7, 7, 1);

    g_assert_cmpuint(group_of(7), ==, NIL_ID);
    g_assert_cmpint(join(7, uuid(7), a), ==, 0);
    g_assert_cmpuint(group_of(7), ==, a);
    g_assert_cmpmem(op.u.getdomain.uuid, 16, uuid(7), 16);
    g_assert_cmpmem(op.u.getdomain.group_uuid, 16, uuid(1), 16);
    g_assert_cmpint(join(7, uuid(7), a), ==, 0);
    g_assert_cmpuint(info(a)->members, ==, 1);
    g_assert_cmpuint(info(NIL_ID)->members, ==, 0);

    g_assert_cmpint(join(7, uuid(8), b), ==, -ESRCH);
    g_assert_cmpint(join(7, nil, b), ==, -ESRCH);
    g_assert_cmpint(join(8, uuid(7), b), ==, -ESRCH);
    g_assert_cmpint(join(DOMID_SELF, uuid(7), b), ==, -ESRCH);
    g_assert_cmpint(join(7, uuid(7), 0x4444), ==, -ENOENT);
    g_assert_cmpint(join(7, uuid(7), 0xffff), ==, -ERANGE);
    g_assert_cmpuint(group_of(7), ==, a);
    check_world(true);

    g_assert_cmpint(join(7, uuid(7), b), ==, 0);
    g_assert_cmpint(join(7, uuid(7), 0), ==, 0);
    g_assert_cmpuint(group_of(7), ==, 0);
    g_assert_cmpint(join(7, uuid(7), NIL_ID), ==, 0);
    g_assert_cmpuint(group_of(7), ==, NIL_ID);

    fake_domain_kill(d);
    g_assert_cmpint(join(7, uuid(7), a), ==, -ESRCH);
    g_assert_cmpuint(group_of(7), ==, NIL_ID);
}

static void test_join_no_memory(void)
{
    unsigned int a = group(1);
    int fails;

    domain(7, 7, 1);
    for (fails = 0; ; fails++) {
        fake.heap_fails_in = fails;
        if (join(7, uuid(7), a) == 0)
            break;
        fake.heap_fails_in = -1;
        g_assert_cmpuint(group_of(7), ==, NIL_ID);
        check_world(true);
    }
    g_assert_cmpint(fails, ==, 2);
    g_assert_cmpuint(group_of(7), ==, a);

    /* What a failed insertion left behind goes with the group. */
    for (unsigned int i = 10; i < 20; i++) {
        unsigned int id = group(i);

        fake.heap_fails_in = 1;
        g_assert_cmpint(join(7, uuid(7), id), ==, -ENOMEM);
        g_assert_cmpint(destroy(id), ==, 0);
    }
}

static unsigned int denied_cmd;
static int denied_domid;

static int deny_one(const struct domain *d, unsigned int cmd)
{
    return cmd == denied_cmd && (denied_domid < 0 || d->domain_id == denied_domid) ? -EPERM : 0;
}

static void test_join_rights(void)
{
    unsigned int a = group(1), b = group(2);

    domain(7, 7, 1);
    fake.xsm = deny_one;
    denied_domid = 7;
    denied_cmd = XEN_DOMCTL_setdomainhandle;
    g_assert_cmpint(join(7, uuid(7), a), ==, -EPERM);

    denied_cmd = XEN_DOMCTL_pausedomain;
    g_assert_cmpint(join(7, uuid(7), a), ==, 0);
    g_assert_cmpint(pause_group(b), ==, 0);
    g_assert_cmpint(join(7, uuid(7), b), ==, -EPERM);
    g_assert_cmpuint(group_of(7), ==, a);

    denied_cmd = XEN_DOMCTL_unpausedomain;
    g_assert_cmpint(join(7, uuid(7), b), ==, 0);
    g_assert_cmpint(join(7, uuid(7), a), ==, -EPERM);
    g_assert_cmpuint(group_of(7), ==, b);
    g_assert_cmpuint(op.u.getdomain.flags, ==, XEN_DOMGRP_MEMBER_PAUSED);
    check_world(true);
}

static void test_dom0_stays(void)
{
    int error;
    unsigned int a = group(1);
    struct domain *control, *hardware;

    g_assert_cmpint(join(0, nil, a), ==, -EROFS);
    g_assert_cmpint(join(0, nil, NIL_ID), ==, -EROFS);
    g_assert_cmpint(join(0, nil, 0), ==, 0);

    /* Whatever is reserved for them. */
    g_assert_cmpint(reserve(RESERVE, uuid(5), a, 0), ==, 0);
    control = fake_domain_new(5, uuid(5), 1, true, &error);
    g_assert_cmpuint(group_of(5), ==, 0);
    g_assert_cmpint(join_it(control, a), ==, -EROFS);

    hardware = domain(6, 6, 1);
    g_assert_cmpint(join_it(hardware, 0), ==, 0);
    fake_hardware_domain = hardware;
    g_assert_cmpint(join_it(hardware, NIL_ID), ==, -EROFS);
    fake_hardware_domain = fake_domain_lookup(0);
    g_assert_cmpint(join_it(hardware, NIL_ID), ==, 0);
}

/* ---- birth, names, death ---- */

static void test_born_in_group(void)
{
    unsigned int a = group(1), b = group(2);
    struct domain *d;
    int error;

    g_assert_cmpint(reserve(RESERVE, uuid(7), a, 0), ==, 0);
    d = domain(7, 7, 1);
    g_assert_cmpuint(group_of(7), ==, a);
    g_assert_cmpmem(d->handle, 16, uuid(7), 16);

    /* Reboot: another domid, the same UUID, the old one still dying. */
    fake_domain_kill(d);
    domain(8, 7, 1);
    g_assert_cmpuint(group_of(8), ==, a);
    g_assert_cmpuint(info(a)->members, ==, 2);
    g_assert_cmpuint(op.u.getinfo.dying, ==, 1);
    fake_domain_remove(d);

    /* A domid used again belongs to nobody. */
    domain(7, 70, 1);
    g_assert_cmpuint(group_of(7), ==, NIL_ID);
    g_assert_cmpint(join(7, uuid(7), b), ==, -ESRCH);

    /* A reservation that moves does not move those that are there. */
    g_assert_cmpint(reserve(RESERVE, uuid(7), b, XEN_DOMGRPCTL_RESERVE_MOVE), ==, 0);
    g_assert_cmpuint(group_of(8), ==, a);
    domain(9, 7, 1);
    g_assert_cmpuint(group_of(9), ==, b);
    g_assert_cmpint(reserve(UNRESERVE, uuid(7), b, 0), ==, 0);
    domain(10, 7, 1);
    g_assert_cmpuint(group_of(10), ==, NIL_ID);

    /* Group-0 takes reservations, for driver domains. */
    g_assert_cmpint(reserve(RESERVE, uuid(11), 0, 0), ==, 0);
    g_assert_nonnull(fake_domain_new(11, uuid(11), 1, false, &error));
    g_assert_cmpuint(group_of(11), ==, 0);
}

static unsigned int seen_in;
static bool born_paused;

static int fail_after_birth(struct domain *d)
{
    seen_in = info(group_of(0) + 1)->id; /* The hypercall works at that moment. */
    g_assert_cmpint(members_from(seen_in, 0, 1), ==, 0);
    g_assert_cmpuint(op.u.getmembers.count, ==, 1);
    g_assert_cmpuint(list[0].domid, ==, d->domain_id);
    g_assert_cmpint(d->pause_count.counter, ==, born_paused ? 2 : 1);
    return -ENOSPC;
}

static void test_birth_fails(void)
{
    unsigned int a;
    int error = 0;

    for (int fails = 0; fails < 2; fails++) {
        fake.heap_fails_in = fails;
        g_assert_null(fake_domain_new(7, uuid(7), 1, false, &error));
        g_assert_cmpint(error, ==, -ENOMEM);
        check_world(true);
    }

    g_assert_cmpint(create(uuid(1), XEN_DOMGRP_FIRST), ==, 0);
    a = op.u.create.id;
    g_assert_cmpint(reserve(RESERVE, uuid(7), a, 0), ==, 0);
    fake.after_birth = fail_after_birth;
    for (born_paused = false; ; born_paused = true) {
        g_assert_null(fake_domain_new(7, uuid(7), 1, false, &error));
        g_assert_cmpint(error, ==, -ENOSPC);
        g_assert_cmpuint(seen_in, ==, a);
        g_assert_cmpuint(info(a)->members, ==, 0);
        check_world(true);
        if (born_paused)
            break;
        g_assert_cmpint(pause_group(a), ==, 0);
    }
}

static void test_set_handle(void)
{
    unsigned int a = group(1), b = group(2);
    struct domain *d = domain(7, 7, 1);

    g_assert_cmpint(reserve(RESERVE, uuid(20), a, 0), ==, 0);
    g_assert_cmpint(reserve(RESERVE, uuid(21), b, 0), ==, 0);
    g_assert_cmpint(domgrp_set_handle(d, uuid(20)), ==, -EEXIST);
    g_assert_cmpmem(d->handle, 16, uuid(7), 16);
    g_assert_cmpint(domgrp_set_handle(d, uuid(8)), ==, 0);
    g_assert_cmpmem(d->handle, 16, uuid(8), 16);
    g_assert_cmpuint(group_of(7), ==, NIL_ID);

    g_assert_cmpint(join(7, uuid(8), a), ==, 0);
    g_assert_cmpint(domgrp_set_handle(d, uuid(20)), ==, 0);
    g_assert_cmpint(domgrp_set_handle(d, uuid(21)), ==, -EEXIST);
    g_assert_cmpint(domgrp_set_handle(d, uuid(7)), ==, 0);
    g_assert_cmpuint(group_of(7), ==, a);
    g_assert_cmpint(fake.locks_held, ==, 0);
}

static void test_leave_twice(void)
{
    struct domain *d = domain(7, 7, 1);

    fake_domain_kill(d);
    domgrp_leave(d);
    domgrp_leave(d);
    fresh(XEN_DOMGRPCTL_GETDOMAIN)->u.getdomain.domid = 7;
    g_assert_cmpint(call(), ==, -ESRCH);
    g_assert_cmpint(join(7, uuid(7), 0), ==, -ESRCH);
    fake_domain_remove(d);
}

/* ---- reservations ---- */

static void test_reserve(void)
{
    unsigned int a = group(1), b = group(2);

    g_assert_cmpint(reserve(RESERVE, nil, a, 0), ==, -EINVAL);
    g_assert_cmpint(reserve(RESERVE, uuid(7), NIL_ID, 0), ==, -EROFS);
    g_assert_cmpint(reserve(RESERVE, uuid(7), 0x4444, 0), ==, -ENOENT);
    g_assert_cmpint(reserve(RESERVE, uuid(7), 0x8000, 0), ==, -ERANGE);
    g_assert_cmpint(reserve(RESERVE, uuid(7), a, 2), ==, -EINVAL);
    g_assert_cmpint(reserve(UNRESERVE, uuid(7), a, 0), ==, -ESRCH);

    g_assert_cmpint(reserve(RESERVE, uuid(7), a, 0), ==, 0);
    g_assert_cmpint(reserve(RESERVE, uuid(7), a, 0), ==, 0);
    g_assert_cmpint(reserve(RESERVE, uuid(7), a, XEN_DOMGRPCTL_RESERVE_MOVE), ==, 0);
    g_assert_cmpuint(info(a)->reservations, ==, 1);
    g_assert_cmpint(reserve(RESERVE, uuid(7), b, 0), ==, -EEXIST);
    g_assert_cmpint(reserve(UNRESERVE, uuid(7), b, 0), ==, -ESRCH);
    g_assert_cmpint(reserve(UNRESERVE, uuid(7), a, 1), ==, -EINVAL);
    g_assert_cmpint(reserve(UNRESERVE, uuid(7), 0x4444, 0), ==, -ENOENT);
    g_assert_cmpint(reserve(RESERVE, uuid(7), b, XEN_DOMGRPCTL_RESERVE_MOVE), ==, 0);
    g_assert_cmpuint(info(a)->reservations, ==, 0);
    g_assert_cmpuint(info(b)->reservations, ==, 1);

    /* Without memory what needs none still works. */
    fake.heap_fails_in = 0;
    g_assert_cmpint(reserve(RESERVE, uuid(7), b, 0), ==, 0);
    fake.heap_fails_in = 0;
    g_assert_cmpint(reserve(RESERVE, uuid(8), b, 0), ==, -ENOMEM);
    g_assert_cmpint(reserve(UNRESERVE, uuid(7), b, 0), ==, 0);
    g_assert_cmpuint(info(b)->reservations, ==, 0);
}

static void test_reserve_limit(void)
{
    unsigned int a = group(1), b = group(2), n = XEN_DOMGRP_MAX_RESERVATIONS, entries = 0;

    for (unsigned int i = 0; i < n; i++)
        g_assert_cmpint(reserve(RESERVE, uuid(i), i % 4 ? a : b, 0), ==, 0);
    g_assert_cmpint(reserve(RESERVE, uuid(n), a, 0), ==, -ENOSPC);
    g_assert_cmpint(reserve(RESERVE, uuid(0), a, XEN_DOMGRPCTL_RESERVE_MOVE), ==, 0);
    domain(7, n - 1, 1);
    g_assert_cmpuint(group_of(7), ==, a);

    /* All of a group's at once, preemptibly, and no other's. */
    fresh(UNRESERVE)->u.reserve.id = a;
    do {
        fake_hypercall_once(&op);
        entries++;
    } while (fake.continued);
    g_assert_cmpuint(entries, >=, n / 4 * 3 / 1024);
    g_assert_cmpuint(info(a)->reservations, ==, 0);
    g_assert_cmpuint(info(b)->reservations, ==, n / 4 - 1);
    g_assert_cmpint(reserve(UNRESERVE, nil, b, 0), ==, 0);
    g_assert_cmpint(reserve(UNRESERVE, nil, b, 0), ==, 0);
    g_assert_cmpint(reserve(RESERVE, uuid(n), a, 0), ==, 0);
}

/* ---- pause ---- */

static struct domain *shop[3];

static unsigned int make_shop(void)
{
    unsigned int id = group(1);

    for (unsigned int i = 0; i < 3; i++) {
        shop[i] = domain(1 + i, 1 + i, 1 + i);
        g_assert_cmpint(join_it(shop[i], id), ==, 0);
    }
    return id;
}

static unsigned int relaxed;

/* All are asked to stop before one is waited for. */
static void all_were_asked(void)
{
    relaxed++;
    for (unsigned int i = 0; i < 3; i++)
        g_assert_cmpint(shop[i]->pause_count.counter, >=, 1);
}

static void test_pause(void)
{
    unsigned int id = make_shop();
    uint64_t request_ns, stopped_ns;

    relaxed = 0;
    fake.run_on = 5;
    fake.on_relax = all_were_asked;
    g_assert_cmpint(pause_group(id), ==, 0);
    fake.on_relax = NULL;
    g_assert_cmpuint(relaxed, >, 0);
    for (unsigned int i = 0; i < 3; i++)
        g_assert_true(stopped(shop[i]));
    g_assert_cmpuint(op.u.pause.domains, ==, 3);
    g_assert_cmpuint(op.u.pause.vcpus, ==, 6);
    g_assert_cmpuint(op.u.pause.batches, ==, 1);
    request_ns = op.u.pause.request_ns;
    stopped_ns = op.u.pause.stopped_ns;
    g_assert_cmpuint(request_ns, >, 0);
    g_assert_cmpuint(stopped_ns, >, request_ns);
    g_assert_cmpuint(info(id)->flags, ==, XEN_DOMGRP_PAUSED);
    check_world(true);

    /* Again: no error, nothing taken twice, the same figures. */
    g_assert_cmpint(pause_group(id), ==, 0);
    g_assert_cmpuint(op.u.pause.domains, ==, 3);
    g_assert_cmpuint(op.u.pause.request_ns, ==, request_ns);
    g_assert_cmpuint(op.u.pause.stopped_ns, ==, stopped_ns);
    check_world(true);

    /* Other references come and go without defeating it. */
    fake_domain_pause(shop[0]);
    fake_domain_unpause(shop[0]);
    g_assert_true(stopped(shop[0]));
    fake_domain_pause(shop[1]);

    g_assert_cmpint(unpause_group(id), ==, 0);
    g_assert_true(running(shop[0]));
    g_assert_false(running(shop[1]));
    g_assert_cmpint(unpause_group(id), ==, 0);
    g_assert_cmpuint(info(id)->flags, ==, 0);
    fake_domain_unpause(shop[1]);
    g_assert_true(running(shop[1]));
    check_world(true);
}

static void test_pause_refused(void)
{
    unsigned int id = make_shop();

    g_assert_cmpint(pause_group(0), ==, -EROFS);
    g_assert_cmpint(pause_group(NIL_ID), ==, -EROFS);
    g_assert_cmpint(unpause_group(0), ==, -EROFS);
    g_assert_cmpint(unpause_group(NIL_ID), ==, -EROFS);
    g_assert_cmpint(pause_group(0x4444), ==, -ENOENT);
    g_assert_cmpint(unpause_group(0x4444), ==, -ENOENT);
    g_assert_cmpint(pause_group(0x8001), ==, -ERANGE);
    g_assert_cmpint(unpause_group(0x8001), ==, -ERANGE);

    /* One that may not be paused, the last: none is. */
    fake.xsm = deny_one;
    denied_domid = 3;
    denied_cmd = XEN_DOMCTL_pausedomain;
    g_assert_cmpint(pause_group(id), ==, -EPERM);
    for (unsigned int i = 0; i < 3; i++)
        g_assert_true(running(shop[i]));
    g_assert_cmpuint(info(id)->flags, ==, 0);
    check_world(true);

    denied_cmd = XEN_DOMCTL_unpausedomain;
    g_assert_cmpint(pause_group(id), ==, 0);
    g_assert_cmpint(unpause_group(id), ==, -EPERM);
    for (unsigned int i = 0; i < 3; i++)
        g_assert_true(stopped(shop[i]));
    check_world(true);
    fake.xsm = NULL;
    g_assert_cmpint(unpause_group(id), ==, 0);
}

/* A member with the right to pause is refused to stop itself. */
static void test_pause_own_group(void)
{
    unsigned int id = make_shop(), b = group(2);

    fake.flask = true;
    as_caller(shop[0]);
    g_assert_cmpint(pause_group(id), ==, -EDEADLK);
    g_assert_true(running(shop[1]));
    g_assert_cmpint(pause_group(b), ==, 0);

    /* Nor by joining. */
    g_assert_cmpint(join_it(shop[0], b), ==, -EDEADLK);
    g_assert_true(running(shop[0]));
    g_assert_cmpint(join_it(shop[1], b), ==, 0);
    g_assert_true(stopped(shop[1]));
    check_world(true);
    as_dom0();
}

static void test_paused_membership(void)
{
    unsigned int id = make_shop(), other = group(2);
    struct domain *late = domain(4, 4, 2), *born;
    int error;

    g_assert_cmpint(reserve(RESERVE, uuid(5), id, 0), ==, 0);
    g_assert_cmpint(pause_group(id), ==, 0);

    /* Joins: it has stopped when the call returns. */
    fake.run_on = 3;
    g_assert_cmpint(join_it(late, id), ==, 0);
    g_assert_true(stopped(late));
    g_assert_cmpint(join_it(late, id), ==, 0);
    check_world(true);

    /* Leaves: runs. */
    g_assert_cmpint(join_it(shop[0], NIL_ID), ==, 0);
    g_assert_true(running(shop[0]));
    check_world(true);

    /* From paused to paused: not for an instant. */
    g_assert_cmpint(pause_group(other), ==, 0);
    g_assert_cmpuint(op.u.pause.batches, ==, 0);
    g_assert_cmpint(join_it(late, other), ==, 0);
    g_assert_true(stopped(late));
    check_world(true);

    /* Born: paused though its toolstack lets it go. */
    born = fake_domain_new(5, uuid(5), 1, false, &error);
    g_assert_nonnull(born);
    check_world(true);
    fake_domain_unpause(born);
    g_assert_false(running(born));

    /* Dies: takes its reference along. */
    fake_domain_remove(shop[1]);
    check_world(true);

    g_assert_cmpint(unpause_group(id), ==, 0);
    g_assert_true(running(born));
    g_assert_true(running(shop[2]));
    g_assert_false(running(late));
    check_world(true);
}

static void test_pause_batches(void)
{
    unsigned int id = group(1), entries = 0;
    struct domain *big[5];

    for (unsigned int i = 0; i < 5; i++) {
        big[i] = domain(1 + i, 1 + i, i == 4 ? 5000 : 2000);
        g_assert_cmpint(join_it(big[i], id), ==, 0);
    }

    /* 2000 + 2000, 2000 + 2000, 5000: no batch above the bound but a single domain's. */
    fresh(XEN_DOMGRPCTL_PAUSE)->u.pause.id = id;
    fake_hypercall_once(&op);
    g_assert_true(fake.continued);
    g_assert_true(big[1]->pause_count.counter && !big[2]->pause_count.counter);
    check_world(false);
    g_assert_cmpint(call(), ==, 0);
    g_assert_cmpuint(op.u.pause.batches, ==, 3);
    g_assert_cmpuint(op.u.pause.domains, ==, 5);
    g_assert_cmpuint(op.u.pause.vcpus, ==, 13000);
    check_world(true);

    fresh(XEN_DOMGRPCTL_UNPAUSE)->u.unpause.id = id;
    do {
        fake_hypercall_once(&op);
        check_world(!fake.continued);
        entries++;
    } while (fake.continued);
    g_assert_cmpuint(entries, ==, 3);

    /* Just at the bound: one step. */
    g_assert_cmpint(join_it(big[4], NIL_ID), ==, 0);
    g_assert_cmpint(join_it(big[3], NIL_ID), ==, 0);
    g_assert_cmpint(join_it(big[2], NIL_ID), ==, 0);
    for (unsigned int i = 0; i < 96; i++)
        g_assert_cmpint(join_it(domain(100 + i, 100 + i, i == 95 ? 1 : 0), id), ==, 0);
    g_assert_cmpint(pause_group(id), ==, 0);
    g_assert_cmpuint(op.u.pause.batches, ==, 1);
    g_assert_cmpint(unpause_group(id), ==, 0);
    g_assert_cmpint(join_it(domain(300, 300, 1), id), ==, 0);
    g_assert_cmpint(pause_group(id), ==, 0);
    g_assert_cmpuint(op.u.pause.batches, ==, 2);
}

/* Whoever comes next finishes what a caller gave up, either way. */
static void test_pause_abandoned(void)
{
    unsigned int id = group(1);
    struct domain *big[4];

    for (unsigned int i = 0; i < 4; i++) {
        big[i] = domain(1 + i, 1 + i, 3000);
        g_assert_cmpint(join_it(big[i], id), ==, 0);
    }
    fresh(XEN_DOMGRPCTL_PAUSE)->u.pause.id = id;
    fake_hypercall_once(&op);
    g_assert_true(fake.continued);
    g_assert_cmpint(unpause_group(id), ==, 0);
    check_world(true);
    for (unsigned int i = 0; i < 4; i++)
        g_assert_true(running(big[i]));

    g_assert_cmpint(pause_group(id), ==, 0);
    fresh(XEN_DOMGRPCTL_UNPAUSE)->u.unpause.id = id;
    fake_hypercall_once(&op);
    g_assert_true(fake.continued);
    g_assert_true(running(big[0]));

    /* Those that come and go between the steps. */
    g_assert_cmpint(join_it(big[3], NIL_ID), ==, 0);
    g_assert_true(running(big[3]));
    fake_domain_remove(big[2]);
    check_world(false);
    g_assert_cmpint(pause_group(id), ==, 0);
    g_assert_cmpuint(op.u.pause.domains, ==, 2);
    g_assert_true(stopped(big[0]) && stopped(big[1]));
    check_world(true);
}

static void test_pause_wait_is_preemptible(void)
{
    unsigned int id = make_shop(), entries = 0;

    fake.run_on = 100;
    fake.preempt_in = fake.preempt_every = 0;
    fresh(XEN_DOMGRPCTL_PAUSE)->u.pause.id = id;
    while (fake_hypercall_once(&op) && fake.continued) {
        cpu_relax();
        check_world(true);
        entries++;
    }
    g_assert_cmpuint(entries, >, 50);
    g_assert_cmpuint(op.u.pause.domains, ==, 3);
    for (unsigned int i = 0; i < 3; i++)
        g_assert_true(stopped(shop[i]));
    g_assert_cmpuint(op.u.pause.batches, ==, 1);
}

/* ---- what other CPUs do while a pause waits ---- */

static unsigned int other_id;
static int other_turn;

/* Another CPU's hypercall: its own arguments, dom0's other vCPU. */
static long other_call(struct xen_domgrpctl *other)
{
    struct vcpu *here = fake_current;
    void (*hook)(void) = fake.on_relax;
    long rc;

    fake.on_relax = NULL;
    as_caller(fake_domain_lookup(0));
    fake_guest_memory(other, sizeof(*other), false);
    rc = fake_hypercall(other);
    fake_guest_memory_drop(1);
    fake_current = here;
    fake.on_relax = hook;
    return rc;
}

static long other_join(const struct domain *d, unsigned int id)
{
    struct xen_domgrpctl other = {
        .cmd = XEN_DOMGRPCTL_JOIN,
        .interface_version = XEN_DOMGRPCTL_VERSION,
        .u.join = { .domid = d->domain_id, .id = id },
    };

    memcpy(other.u.join.uuid, d->handle, 16);
    return other_call(&other);
}

static long other_simple(uint32_t cmd, unsigned int id)
{
    struct xen_domgrpctl other = {
        .cmd = cmd,
        .interface_version = XEN_DOMGRPCTL_VERSION,
        .u.unpause.id = id,
    };

    return other_call(&other);
}

static void other_unpauses(void)
{
    if (other_turn++)
        return;
    g_assert_cmpint(other_simple(XEN_DOMGRPCTL_UNPAUSE, other_id), ==, 0);
    g_assert_true(running(shop[1]));
}

static void test_unpaused_while_waiting(void)
{
    other_id = make_shop();
    other_turn = 0;
    fake.run_on = 10;
    fake.on_relax = other_unpauses;
    /* As if the unpause had come first. */
    g_assert_cmpint(pause_group(other_id), ==, 0);
    fake.on_relax = NULL;
    for (unsigned int i = 0; i < 3; i++)
        g_assert_true(stopped(shop[i]));
    g_assert_cmpuint(op.u.pause.domains, ==, 3);
    check_world(true);
}

static void halt(struct domain *d)
{
    struct vcpu *v;

    for_each_vcpu(d, v)
        v->is_running = false;
}

/*
 * Once the first member has stopped and the second is waited for, the group is
 * unpaused and paused anew by one that gives up at once: now the first is the
 * one that still runs.
 */
static void other_pauses_anew(void)
{
    struct xen_domgrpctl other = {
        .cmd = XEN_DOMGRPCTL_PAUSE,
        .interface_version = XEN_DOMGRPCTL_VERSION,
        .u.pause.id = other_id,
    };

    switch (other_turn++) {
    case 0:
        halt(shop[0]);
        break;
    case 1:
        g_assert_true(stopped(shop[0]));
        g_assert_cmpint(other_simple(XEN_DOMGRPCTL_UNPAUSE, other_id), ==, 0);
        fake.on_relax = NULL;
        fake.run_on = 50;
        fake.preempt_in = 0;
        fake_guest_memory(&other, sizeof(other), false);
        fake_hypercall_once(&other);
        g_assert_true(fake.continued);
        fake_guest_memory_drop(1);
        halt(shop[1]);
        g_assert_false(stopped(shop[0]));
        break;
    }
}

static void test_paused_anew_while_waiting(void)
{
    other_id = make_shop();
    other_turn = 0;
    fake.run_on = 10;
    fake.on_relax = other_pauses_anew;
    g_assert_cmpint(pause_group(other_id), ==, 0);
    g_assert_cmpint(other_turn, ==, 2);
    for (unsigned int i = 0; i < 3; i++)
        g_assert_true(stopped(shop[i]));
    check_world(true);
}

static void other_empties(void)
{
    switch (other_turn++) {
    case 0: /* One leaves, one dies for good, one goes on its way out. */
        g_assert_cmpint(other_join(shop[0], NIL_ID), ==, 0);
        fake_domain_kill(shop[2]);
        fake_domain_release(shop[2]);
        break;
    }
}

static void test_members_go_while_waiting(void)
{
    other_id = make_shop();
    other_turn = 0;
    fake.run_on = 10;
    fake.on_relax = other_empties;
    g_assert_cmpint(pause_group(other_id), ==, 0);
    fake.on_relax = NULL;
    g_assert_true(running(shop[0]));
    g_assert_true(stopped(shop[1]));
    fake_domain_finish(shop[2]);
    check_world(true);
}

static void other_destroys_all(void)
{
    if (other_turn++)
        return;
    for (unsigned int i = 0; i < 3; i++)
        g_assert_cmpint(other_join(shop[i], NIL_ID), ==, 0);
    g_assert_cmpint(other_simple(XEN_DOMGRPCTL_DESTROY, other_id), ==, 0);
}

static void test_group_goes_while_waiting(void)
{
    other_id = make_shop();
    other_turn = 0;
    fake.run_on = 10;
    fake.on_relax = other_destroys_all;
    g_assert_cmpint(pause_group(other_id), ==, -ENOENT);
    fake.on_relax = NULL;
    for (unsigned int i = 0; i < 3; i++)
        g_assert_true(running(shop[i]));
    check_world(true);
}

/* The reference that the wait holds is the last one. */
static void other_removes_first(void)
{
    if (other_turn++)
        return;
    fake_domain_kill(shop[0]);
    fake_domain_release(shop[0]);
    g_assert_cmpint(shop[0]->fake_refs, ==, 1);
}

static void test_member_freed_by_the_wait(void)
{
    other_id = make_shop();
    other_turn = 0;
    fake.run_on = 10;
    fake.on_relax = other_removes_first;
    g_assert_cmpint(pause_group(other_id), ==, 0);
    fake.on_relax = NULL;
    g_assert_cmpuint(info(other_id)->members, ==, 2);
    check_world(true);
}

/*
 * Two callers that pause each other's group: each waits for a vCPU that waits
 * for it. Both are asked to stop themselves, and give way.
 */
static struct domain *rival;
static unsigned int rivals_group;

static void rival_pauses_us(void)
{
    struct vcpu *here = fake_current;
    struct xen_domgrpctl theirs = {
        .cmd = XEN_DOMGRPCTL_PAUSE,
        .interface_version = XEN_DOMGRPCTL_VERSION,
        .u.pause.id = other_id,
    };

    if (other_turn++)
        return;
    fake_current = rival->vcpu[0];
    fake_guest_memory(&theirs, sizeof(theirs), false);
    fake_hypercall_once(&theirs);
    g_assert_true(fake.continued); /* It has been asked to stop: it does not spin. */
    fake_guest_memory_drop(1);
    fake_current = here;
}

static void test_rivals(void)
{
    struct domain *us = domain(20, 20, 1);

    rival = domain(21, 21, 1);
    other_id = group(1);
    rivals_group = group(2);
    g_assert_cmpint(join_it(us, other_id), ==, 0);
    g_assert_cmpint(join_it(rival, rivals_group), ==, 0);
    fake.flask = true;
    other_turn = 0;
    fake.run_on = 10;
    fake.on_relax = rival_pauses_us;
    as_caller(us);
    fresh(XEN_DOMGRPCTL_PAUSE)->u.pause.id = rivals_group;
    fake_hypercall_once(&op);
    fake.on_relax = NULL;
    g_assert_true(fake.continued);
    as_dom0();
    check_world(true);
    g_assert_cmpint(unpause_group(other_id), ==, 0);
    g_assert_cmpint(unpause_group(rivals_group), ==, 0);
    g_assert_true(running(us) && running(rival));
}

/* The caller itself is joined to the group that it is pausing. */
static void other_joins_caller(void)
{
    if (other_turn++)
        return;
    g_assert_cmpint(other_join(shop[2], other_id), ==, 0);
}

static void test_caller_joined_while_waiting(void)
{
    other_id = make_shop();
    g_assert_cmpint(join_it(shop[2], NIL_ID), ==, 0);
    other_turn = 0;
    fake.run_on = 10;
    fake.flask = true;
    as_caller(shop[2]);
    fake.on_relax = other_joins_caller;
    g_assert_cmpint(pause_group(other_id), ==, -EDEADLK);
    fake.on_relax = NULL;
    as_dom0();
    check_world(true);
}

/* ---- telling ---- */

static void test_getinfo(void)
{
    unsigned int id = make_shop();

    fake_domain_kill(shop[1]);
    g_assert_cmpuint(info(id)->members, ==, 3);
    g_assert_cmpuint(op.u.getinfo.dying, ==, 1);
    g_assert_cmpuint(op.u.getinfo.pages, ==, 300);
    g_assert_cmpuint(op.u.getinfo.cpu_time_ns, ==, 6000);
    g_assert_cmpuint(op.u.getinfo.progress, ==, 0);

    /* What is in OUT fields does not matter. */
    memset(&op.u.getinfo, 0xee, sizeof(op.u.getinfo));
    op.u.getinfo.id = id;
    op.u.getinfo.progress = 0;
    g_assert_cmpint(call(), ==, 0);
    g_assert_cmpuint(op.u.getinfo.members, ==, 3);
    g_assert_cmpuint(op.u.getinfo.cpu_time_ns, ==, 6000);

    /* Preempted after every member: the same. */
    fake.preempt_in = fake.preempt_every = 0;
    g_assert_cmpuint(info(id)->members, ==, 3);
    g_assert_cmpuint(op.u.getinfo.cpu_time_ns, ==, 6000);
    g_assert_cmpuint(op.u.getinfo.pages, ==, 300);
    fake.preempt_in = fake.preempt_every = -1;

    /* Hidden members are not counted. */
    fake.xsm = deny_one;
    denied_domid = 2;
    denied_cmd = XEN_DOMCTL_getdomaininfo;
    g_assert_cmpuint(info(id)->members, ==, 2);
    g_assert_cmpuint(op.u.getinfo.dying, ==, 0);
    g_assert_cmpuint(op.u.getinfo.cpu_time_ns, ==, 4000);

    fresh(XEN_DOMGRPCTL_GETINFO)->u.getinfo.id = 0x8000;
    g_assert_cmpint(call(), ==, -ERANGE);
}

static void test_getinfo_group_goes(void)
{
    unsigned int id = make_shop();

    fake.preempt_in = fake.preempt_every = 0;
    fresh(XEN_DOMGRPCTL_GETINFO)->u.getinfo.id = id;
    fake_hypercall_once(&op);
    g_assert_true(fake.continued);
    g_assert_cmpuint(op.u.getinfo.members, ==, 1);
    fake.preempt_in = fake.preempt_every = -1;
    g_assert_cmpint(other_join(shop[0], 0), ==, 0);
    g_assert_cmpint(other_join(shop[1], NIL_ID), ==, 0);
    g_assert_cmpint(other_join(shop[2], NIL_ID), ==, 0);
    g_assert_cmpint(other_simple(XEN_DOMGRPCTL_DESTROY, id), ==, 0);

    /* What was summed up does not count for the next group. */
    g_assert_cmpint(call(), ==, 0);
    g_assert_cmpuint(op.u.getinfo.id, ==, NIL_ID);
    g_assert_cmpuint(op.u.getinfo.members, ==, 2);
}

static void test_getmembers(void)
{
    unsigned int id = group(1);
    struct domain *d[40];

    for (int i = 39; i >= 0; i--) {
        d[i] = domain(3 * i + 1, i, 1);
        g_assert_cmpint(join_it(d[i], id), ==, 0);
    }
    memset(list, 0xee, sizeof(list));
    g_assert_cmpint(members_from(id, 0, 256), ==, 0);
    g_assert_cmpuint(op.u.getmembers.count, ==, 40);
    g_assert_cmpuint(op.u.getmembers.first, ==, XEN_DOMGRP_MEMBERS_END);
    for (unsigned int i = 0; i < 40; i++) {
        g_assert_cmpuint(list[i].domid, ==, d[i]->domain_id);
        g_assert_cmpmem(list[i].uuid, 16, d[i]->handle, 16);
        g_assert_cmpuint(list[i].flags | list[i]._pad, ==, 0);
    }
    g_assert_cmpuint(list[40].flags, ==, 0xeeee); /* Nothing behind is touched. */

    /* In pieces, while the one to go on with leaves. */
    g_assert_cmpint(members_from(id, 0, 20), ==, 0);
    g_assert_cmpuint(op.u.getmembers.count, ==, 20);
    g_assert_cmpuint(op.u.getmembers.first, ==, d[20]->domain_id);
    fake_domain_kill(d[21]);
    g_assert_cmpint(join_it(d[20], NIL_ID), ==, 0);
    g_assert_cmpint(members_from(id, d[20]->domain_id, 256), ==, 0);
    g_assert_cmpuint(op.u.getmembers.count, ==, 19);
    g_assert_cmpuint(list[0].domid, ==, d[21]->domain_id);
    g_assert_cmpuint(list[0].flags, ==, XEN_DOMGRP_MEMBER_DYING);

    g_assert_cmpint(members_from(id, 0x7fff, 256), ==, 0);
    g_assert_cmpuint(op.u.getmembers.count, ==, 0);
    g_assert_cmpuint(op.u.getmembers.first, ==, XEN_DOMGRP_MEMBERS_END);
    g_assert_cmpint(members_from(id, XEN_DOMGRP_MEMBERS_END, 256), ==, 0);
    g_assert_cmpuint(op.u.getmembers.count, ==, 0);

    g_assert_cmpint(members_from(id, 0, 0), ==, 0);
    g_assert_cmpuint(op.u.getmembers.first, !=, XEN_DOMGRP_MEMBERS_END);
    g_assert_cmpuint(op.u.getmembers.count, ==, 0);
    g_assert_cmpint(members_from(0x4444, 0, 0), ==, -ENOENT);
    g_assert_cmpint(members_from(0x8000, 0, 1), ==, -ERANGE);

    /* Short, but never empty-handed with more to come. */
    fake.preempt_in = fake.preempt_every = 0;
    g_assert_cmpint(members_from(id, 0, 256), ==, 0);
    g_assert_cmpuint(op.u.getmembers.count, ==, 16);
    g_assert_cmpuint(op.u.getmembers.first, ==, d[16]->domain_id);
}

static int deny_low(const struct domain *d, unsigned int cmd)
{
    return d->domain_id <= 140 ? -EPERM : 0;
}

static void test_getmembers_hidden(void)
{
    unsigned int id = group(1);

    for (unsigned int i = 1; i <= 150; i++)
        g_assert_cmpint(join_it(domain(i, i, 1), id), ==, 0);
    fake.xsm = deny_one;
    denied_domid = 2;
    denied_cmd = XEN_DOMCTL_getdomaininfo;
    g_assert_cmpint(members_from(id, 0, 256), ==, 0);
    g_assert_cmpuint(op.u.getmembers.count, ==, 149);
    g_assert_cmpuint(list[1].domid, ==, 3);
    denied_domid = -1;
    g_assert_cmpint(members_from(id, 0, 256), ==, 0);
    g_assert_cmpuint(op.u.getmembers.count, ==, 0);
    g_assert_cmpuint(op.u.getmembers.first, ==, XEN_DOMGRP_MEMBERS_END);

    /* However often it is interrupted on the way to the first that shows. */
    fake.xsm = deny_low;
    fake.preempt_in = fake.preempt_every = 0;
    g_assert_cmpint(members_from(id, 0, 256), ==, 0);
    g_assert_cmpuint(op.u.getmembers.count, >, 0);
    g_assert_cmpuint(list[0].domid, ==, 141);
}

static void test_getmembers_bad_buffer(void)
{
    unsigned int id = make_shop();

    fresh(XEN_DOMGRPCTL_GETMEMBERS)->u.getmembers.id = id;
    op.u.getmembers.count = 4;
    op.u.getmembers.buffer.p = NULL;
    g_assert_cmpint(call(), ==, -EFAULT);
    op.u.getmembers.buffer.p = &list[254]; /* Room for two of three. */
    g_assert_cmpint(call(), ==, -EFAULT);
    g_assert_cmpuint(op.u.getmembers.count, ==, 4);
    g_assert_cmpuint(op.u.getmembers.first, ==, 0);
    op.u.getmembers.count = UINT32_MAX;
    op.u.getmembers.buffer.p = list;
    g_assert_cmpint(call(), ==, 0);
    g_assert_cmpuint(op.u.getmembers.count, ==, 3);
}

static void test_getdomain(void)
{
    unsigned int id = make_shop();

    g_assert_cmpint(pause_group(id), ==, 0);
    fake_domain_kill(shop[0]);
    g_assert_cmpuint(group_of(1), ==, id);
    g_assert_cmpuint(op.u.getdomain.flags, ==, XEN_DOMGRP_MEMBER_DYING | XEN_DOMGRP_MEMBER_PAUSED);
    fresh(XEN_DOMGRPCTL_GETDOMAIN)->u.getdomain.domid = 99;
    g_assert_cmpint(call(), ==, -ESRCH);
    op.u.getdomain.domid = DOMID_SELF;
    g_assert_cmpint(call(), ==, -ESRCH);
    op.u.getdomain.domid = DOMID_IDLE;
    g_assert_cmpint(call(), ==, -ESRCH);
    fake.xsm = deny_one;
    denied_domid = 1;
    denied_cmd = XEN_DOMCTL_getdomaininfo;
    op.u.getdomain.domid = 1;
    g_assert_cmpint(call(), ==, -EPERM);
}

/* ---- form ---- */

static const struct {
    uint32_t cmd;
    unsigned int size;
    unsigned int pad[4]; /* offset, size of up to two paddings */
} form[] = {
    { XEN_DOMGRPCTL_CREATE, sizeof(op.u.create), { 20, 4 } },
    { XEN_DOMGRPCTL_DESTROY, sizeof(op.u.destroy), { 2, 6 } },
    { XEN_DOMGRPCTL_JOIN, sizeof(op.u.join), { 20, 4 } },
    { XEN_DOMGRPCTL_RESERVE, sizeof(op.u.reserve), { 20, 4 } },
    { XEN_DOMGRPCTL_UNRESERVE, sizeof(op.u.reserve), { 20, 4 } },
    { XEN_DOMGRPCTL_PAUSE, sizeof(op.u.pause), { 2, 6, 20, 4 } },
    { XEN_DOMGRPCTL_UNPAUSE, sizeof(op.u.unpause), { 2, 6 } },
    { XEN_DOMGRPCTL_GETINFO, sizeof(op.u.getinfo), { 0 } },
    { XEN_DOMGRPCTL_GETMEMBERS, sizeof(op.u.getmembers), { 2, 6 } },
    { XEN_DOMGRPCTL_GETDOMAIN, sizeof(op.u.getdomain), { 0 } },
};

static void refuses_byte(uint32_t cmd, unsigned int offset)
{
    fresh(cmd)->u._pad[offset] = 0x80;
    g_assert_cmpint(call(), ==, -EINVAL);
}

static void test_padding(void)
{
    for (unsigned int i = 0; i < G_N_ELEMENTS(form); i++) {
        for (unsigned int at = form[i].size; at < sizeof(op.u); at++)
            refuses_byte(form[i].cmd, at);
        for (unsigned int p = 0; p < 4; p += 2)
            for (unsigned int at = 0; at < form[i].pad[p + 1]; at++)
                refuses_byte(form[i].cmd, form[i].pad[p] + at);
    }
}

static void test_form(void)
{
    fresh(0);
    g_assert_cmpint(call(), ==, -EOPNOTSUPP);
    fresh(XEN_DOMGRPCTL_GETDOMAIN + 1);
    g_assert_cmpint(call(), ==, -EOPNOTSUPP);
    fresh(0xffffffff);
    g_assert_cmpint(call(), ==, -EOPNOTSUPP);

    fresh(XEN_DOMGRPCTL_GETINFO)->interface_version = XEN_DOMGRPCTL_VERSION + 1;
    g_assert_cmpint(call(), ==, -EACCES);
    op.interface_version = 0;
    g_assert_cmpint(call(), ==, -EACCES);
}

static void test_bad_pointer(void)
{
    fake_guest_memory_forget();
    fresh(XEN_DOMGRPCTL_GETINFO);
    g_assert_cmpint(call(), ==, -EFAULT);
    fake_guest_memory(&op, sizeof(op) - 1, false);
    g_assert_cmpint(call(), ==, -EFAULT);

    /* A result that cannot be written is known before anything changes. */
    fake_guest_memory_forget();
    fake_guest_memory(&op, sizeof(op), true);
    g_assert_cmpint(create(uuid(1), XEN_DOMGRP_FIRST), ==, -EFAULT);
    setup();
    g_assert_cmpint(create(uuid(1), XEN_DOMGRP_FIRST), ==, 0);
    setup();
    fake_guest_memory_forget();
    fake_guest_memory(&op, sizeof(op), true);
    g_assert_cmpint(pause_group(XEN_DOMGRP_FIRST), ==, -EFAULT);
    g_assert_cmpint(destroy(XEN_DOMGRP_FIRST), ==, 0); /* It writes nothing. */
}

static void lose_memory(void)
{
    fake_guest_memory_forget();
}

static void test_memory_lost_meanwhile(void)
{
    unsigned int id = make_shop();

    fake.run_on = 2;
    fake.on_relax = lose_memory;
    g_assert_cmpint(pause_group(id), ==, -EFAULT);
    setup();
    check_world(true);
}

static void test_unprivileged(void)
{
    unsigned int id = make_shop();

    as_caller(shop[0]);
    for (unsigned int i = 0; i < G_N_ELEMENTS(form); i++) {
        unsigned int before = fake.sysctl_checks;

        fresh(form[i].cmd);
        if (form[i].cmd == XEN_DOMGRPCTL_GETDOMAIN)
            op.u.getdomain.domid = 1;
        g_assert_cmpint(call(), ==, -EPERM);
        g_assert_cmpuint(fake.sysctl_checks - before, ==, form[i].cmd != XEN_DOMGRPCTL_GETDOMAIN);
    }

    /* A control domain that the module holds back, on a group without members. */
    as_dom0();
    fake.deny_sysctl = true;
    g_assert_cmpint(pause_group(id), ==, -EPERM);
    g_assert_cmpint(unpause_group(id), ==, -EPERM);
    g_assert_cmpint(destroy(id), ==, -EPERM);
    fake.deny_sysctl = false;
    check_world(true);
}

/* ---- debug key ---- */

static unsigned int softirqs;

static void count_softirq(void)
{
    softirqs++;
}

static void test_debug_key(void)
{
    unsigned int id = make_shop();
    char *line;

    for (unsigned int i = 10; i < 40; i++)
        domain(i, i, 1);
    g_assert_cmpint(reserve(RESERVE, uuid(1), id, 0), ==, 0);
    g_assert_cmpint(pause_group(id), ==, 0);
    fake_domain_kill(shop[1]);
    g_assert_nonnull(fake.key['J']);
    fake.on_softirq = count_softirq;
    fake.key['J']('J');
    line = g_strdup_printf("group %u: uuid aa0000000000000000000000%02x000000 members 3 "
                           "reservations 1 paused\n   d1/paused d2/dying/paused d3/paused\n", id, 1);
    g_assert_nonnull(strstr(fake.console, line));
    g_assert_nonnull(strstr(fake.console, "\n   d0\n"));
    g_assert_nonnull(strstr(fake.console, "d25\n   d26 "));
    g_assert_nonnull(strstr(fake.console, " d39\n"));
    g_assert_cmpuint(softirqs, >=, 1);
    g_free(line);
}

/* ---- size ---- */

/* Thousands of groups and domains: nothing here is quadratic, or it would not end. */
static void test_thousands(void)
{
    enum { GROUPS = 2000, DOMAINS = 8000 };
    unsigned int id[GROUPS];

    for (unsigned int i = 0; i < GROUPS; i++)
        id[i] = group(i);
    for (unsigned int i = 0; i < DOMAINS; i++)
        g_assert_cmpint(reserve(RESERVE, uuid(i), id[i % GROUPS], 0), ==, 0);
    for (unsigned int i = 1; i < 2000; i++)
        domain(i, i, 1);
    for (unsigned int i = 1; i < 2000; i++) {
        g_assert_cmpuint(group_of(i), ==, id[i % GROUPS]);
        g_assert_cmpint(join(i, uuid(i), id[0]), ==, 0);
    }
    g_assert_cmpint(pause_group(id[0]), ==, 0);
    g_assert_cmpuint(op.u.pause.domains, ==, 1999);
    g_assert_cmpuint(op.u.pause.batches, ==, 1);
    check_world(true);
}

static const struct {
    const char *name;
    void (*run)(void);
} tests[] = {
    { "/groups/boot", test_boot },
    { "/groups/create", test_create },
    { "/groups/create-no-memory", test_create_no_memory },
    { "/groups/id-reuse", test_id_reuse },
    { "/groups/all-ids", test_all_ids },
    { "/groups/destroy", test_destroy },
    { "/join/plain", test_join },
    { "/join/no-memory", test_join_no_memory },
    { "/join/rights", test_join_rights },
    { "/join/dom0-stays", test_dom0_stays },
    { "/life/born-in-group", test_born_in_group },
    { "/life/birth-fails", test_birth_fails },
    { "/life/set-handle", test_set_handle },
    { "/life/leave-twice", test_leave_twice },
    { "/reserve/plain", test_reserve },
    { "/reserve/limit", test_reserve_limit },
    { "/pause/plain", test_pause },
    { "/pause/refused", test_pause_refused },
    { "/pause/own-group", test_pause_own_group },
    { "/pause/membership", test_paused_membership },
    { "/pause/batches", test_pause_batches },
    { "/pause/abandoned", test_pause_abandoned },
    { "/pause/wait-is-preemptible", test_pause_wait_is_preemptible },
    { "/pause/unpaused-while-waiting", test_unpaused_while_waiting },
    { "/pause/paused-anew-while-waiting", test_paused_anew_while_waiting },
    { "/pause/members-go-while-waiting", test_members_go_while_waiting },
    { "/pause/group-goes-while-waiting", test_group_goes_while_waiting },
    { "/pause/member-freed-by-the-wait", test_member_freed_by_the_wait },
    { "/pause/rivals", test_rivals },
    { "/pause/caller-joined-while-waiting", test_caller_joined_while_waiting },
    { "/tell/info", test_getinfo },
    { "/tell/info-group-goes", test_getinfo_group_goes },
    { "/tell/members", test_getmembers },
    { "/tell/members-hidden", test_getmembers_hidden },
    { "/tell/members-bad-buffer", test_getmembers_bad_buffer },
    { "/tell/domain", test_getdomain },
    { "/form/padding", test_padding },
    { "/form/ops-and-version", test_form },
    { "/form/bad-pointer", test_bad_pointer },
    { "/form/memory-lost-meanwhile", test_memory_lost_meanwhile },
    { "/form/unprivileged", test_unprivileged },
    { "/debug-key", test_debug_key },
    { "/thousands", test_thousands },
};

static void run(gconstpointer test)
{
    setup();
    ((void (*)(void))test)();
    fake_reset();
    check_world(false);
    check_clear();
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (unsigned int i = 0; i < G_N_ELEMENTS(tests); i++)
        g_test_add_data_func(tests[i].name, (gconstpointer)tests[i].run, run);
    return g_test_run();
}
