/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The input is a program: domains are born, renamed, paused by others and die,
 * the hypercall is made with arbitrary and with nearly right arguments by
 * several callers, preempted, taken up again later or given up, while memory
 * runs out and the security module denies. After each step check_world() looks;
 * at the end nothing may be left.
 */
#include "fake.h"

#include "check.h"

#include <string.h>
#include <xen/errno.h>
#include <xsm/xsm.h>

#define MAX_STEPS 300
#define SLOTS 4
#define UUIDS 8
#define GROUPS 8

/* ---- the input ---- */

static const uint8_t *input;
static size_t input_left;

static unsigned int byte(void)
{
    if (!input_left)
        return 0;
    input_left--;
    return *input++;
}

static void uuid_of(unsigned int n, uint8_t *ret_uuid)
{
    memset(ret_uuid, n % UUIDS ? 0x30 + n % UUIDS : 0, 16); /* the first is the nil UUID */
}

static unsigned int id_of(unsigned int n)
{
    static const unsigned int ids[GROUPS] = { 0, 1, 2, 3, XEN_DOMGRP_NULL, XEN_DOMGRP_LAST, XEN_DOMGRP_ANY, 0x8000 };

    return ids[n % GROUPS];
}

/* ---- calls under way: each caller's arguments, and who it is ---- */

static struct {
    struct xen_domgrpctl op;
    domid_t caller;
    bool pending;
} slot[SLOTS];

static struct xen_domgrp_member buffer[5];
static bool ever_pending;
static bool nested;
static unsigned int steps;

/* ---- a model of membership: kept while no call is split ---- */

static bool modelled;
static unsigned int nr_reserved;
static struct { xen_domain_handle_t uuid; unsigned int id; } reserved[64];

static int model_find(const uint8_t *uuid)
{
    for (unsigned int i = 0; i < nr_reserved; i++)
        if (!memcmp(reserved[i].uuid, uuid, 16))
            return i;
    return -1;
}

static unsigned int model_birth(const struct domain *d)
{
    int at = model_find(d->handle);

    return d->is_privileged ? XEN_DOMGRP_ZERO : at < 0 ? XEN_DOMGRP_NULL : reserved[at].id;
}

static void model_unreserve(const struct xen_domgrpctl_reserve *arg)
{
    static const xen_domain_handle_t nil;
    bool all = !memcmp(arg->uuid, nil, 16);

    for (unsigned int i = nr_reserved; i--;)
        if (reserved[i].id == arg->id && (all || !memcmp(reserved[i].uuid, arg->uuid, 16)))
            reserved[i] = reserved[--nr_reserved];
}

static void model_reserve(const struct xen_domgrpctl_reserve *arg)
{
    int at = model_find(arg->uuid);

    if (at < 0 && nr_reserved == sizeof(reserved) / sizeof(reserved[0])) {
        modelled = false;
        return;
    }
    at = at < 0 ? (int)nr_reserved++ : at;
    memcpy(reserved[at].uuid, arg->uuid, 16);
    reserved[at].id = arg->id;
}

static void model_done(const struct xen_domgrpctl *op)
{
    if (op->cmd == XEN_DOMGRPCTL_RESERVE)
        model_reserve(&op->u.reserve);
    else if (op->cmd == XEN_DOMGRPCTL_UNRESERVE)
        model_unreserve(&op->u.reserve);
    else if (op->cmd == XEN_DOMGRPCTL_JOIN)
        fake_domain_lookup(op->u.join.domid)->fake_group = op->u.join.id;
}

static void model_check(void)
{
    struct xen_domgrpctl op;

    fake_reset();
    for (struct domain *d = fake.domains; modelled && d; d = d->fake_next) {
        if (!d->fake_listed)
            continue;
        memset(&op, 0, sizeof(op));
        op.cmd = XEN_DOMGRPCTL_GETDOMAIN;
        op.interface_version = XEN_DOMGRPCTL_VERSION;
        op.u.getdomain.domid = d->domain_id;
        fake_guest_memory(&op, sizeof(op), false);
        ASSERT(fake_hypercall(&op) == 0);
        ASSERT(op.u.getdomain.id == d->fake_group);
        fake_guest_memory_drop(1);
    }
}

/* ---- steps ---- */

static struct domain *pick(void)
{
    return fake_domain_lookup(byte() % 8);
}

static void become(struct domain *d)
{
    if (!d || !d->max_vcpus || atomic_read(&d->pause_count) || d->is_dying)
        d = fake_domain_lookup(0);
    fake_current = d->vcpu[0];
}

static int fail_after_birth(struct domain *d)
{
    (void)d;
    return -ENOSPC;
}

static void step_birth(void)
{
    static const unsigned int vcpus[] = { 1, 2, 0, 2100, 1, 4097, 3, 1 };
    domid_t domid = 1 + byte() % 7;
    unsigned int how = byte();
    xen_domain_handle_t uuid;
    struct domain *d;
    int error = 0;

    if (fake_domain_lookup(domid))
        return;
    uuid_of(byte(), uuid);
    fake.after_birth = how >= 0xf0 ? fail_after_birth : NULL;
    d = fake_domain_new(domid, uuid, vcpus[how % 8], (how & 0x38) == 0x38, &error);
    fake.after_birth = NULL;
    ASSERT(d || error == -ENOMEM || error == -ENOSPC);
    if (!d)
        return;
    d->fake_group = model_birth(d);
    fake_domain_unpause(d);
}

static void step_rename(void)
{
    struct domain *d = pick();
    xen_domain_handle_t uuid;
    int rc;

    uuid_of(byte(), uuid);
    if (!d)
        return;
    rc = domgrp_set_handle(d, uuid);
    ASSERT(rc == 0 || rc == -EEXIST);
    if (modelled) {
        int at = model_find(uuid);

        ASSERT((rc == 0) == (at < 0 || (int)reserved[at].id == d->fake_group));
    }
}

static void step_life(void)
{
    unsigned int what = byte() % 6;
    struct domain *d = pick();

    if (!d)
        return;
    if (what == 0) {
        if (d->fake_pauses < 9)
            fake_domain_pause(d);
    } else if (what == 1) {
        if (d->fake_pauses > !!d->is_dying)
            fake_domain_unpause(d);
    } else if (!d->domain_id || d == fake_current->domain) {
        return;
    } else if (what == 2 && !d->is_dying) {
        fake_domain_kill(d);
    } else if (what == 3 && d->is_dying && !d->fake_released) {
        fake_domain_release(d);
    } else if (what == 4 && d->fake_refs < 0) {
        fake_domain_finish(d);
    } else if (what == 5 && !d->fake_released) {
        fake_domain_remove(d);
    }
}

static unsigned int denied;

static int deny(const struct domain *d, unsigned int cmd)
{
    return (d->domain_id ^ cmd) % 8 == denied ? -EPERM : 0;
}

static void step_weather(void)
{
    unsigned int what = byte();

    switch (what % 6) {
    case 0:
        fake.preempt_in = fake.preempt_every = (int)(byte() % 8) - 1;
        break;
    case 1:
        fake.run_on = byte() % 16;
        break;
    case 2:
        fake.heap_fails_in = (int)(byte() % 6) - 1;
        break;
    case 3:
        denied = byte() % 8;
        fake.xsm = byte() & 1 ? deny : NULL;
        break;
    case 4:
        what = byte();
        fake.deny_sysctl = what & 1;
        fake.flask = what & 2;
        break;
    case 5:
        become(pick());
        break;
    }
}

static void all_stopped(unsigned int id)
{
    const struct vcpu *v;

    for (const struct domain *d = fake.domains; d; d = d->fake_next)
        if (d->fake_listed && d->fake_group == (int)id)
            for_each_vcpu(d, v)
                ASSERT(!v->is_running && v->dirty_cpu == VCPU_CPU_CLEAN);
}

/* One entry into the hypervisor for the caller of a slot. */
static void enter(unsigned int s)
{
    struct vcpu *before = fake_current;
    struct domain *caller = fake_domain_lookup(slot[s].caller);
    struct xen_domgrpctl op;
    long rc;

    if (!caller || caller->is_dying || !caller->max_vcpus) { /* It will never go on. */
        slot[s].pending = false;
        return;
    }
    if (atomic_read(&caller->pause_count)) /* It cannot now. */
        return;
    fake_current = caller->vcpu[0];
    op = slot[s].op;
    rc = fake_hypercall_once(&slot[s].op);
    slot[s].pending = fake.continued;
    fake_current = before;
    if (fake.continued) {
        ever_pending = true;
        if (op.cmd != XEN_DOMGRPCTL_GETINFO)
            modelled = false;
    } else if (modelled && rc == 0) {
        model_done(&op);
        if (op.cmd == XEN_DOMGRPCTL_PAUSE && !ever_pending)
            all_stopped(op.u.pause.id);
    }
    /* The caller may have died meanwhile. */
    if (atomic_read(&fake_current->domain->pause_count))
        become(NULL);
}

static unsigned int free_slot(void)
{
    for (unsigned int s = 0; s < SLOTS; s++)
        if (!slot[s].pending)
            return s;
    slot[0].pending = false; /* The oldest caller gives up. */
    return 0;
}

static unsigned int new_call(void)
{
    unsigned int s = free_slot();

    memset(&slot[s].op, 0, sizeof(slot[s].op));
    slot[s].op.interface_version = XEN_DOMGRPCTL_VERSION;
    slot[s].caller = fake_current->domain->domain_id;
    return s;
}

static void step_raw(void)
{
    unsigned int s = new_call(), size = byte() % (sizeof(slot[s].op.u) + 1);

    slot[s].op.cmd = byte();
    if (slot[s].op.cmd == 0xff)
        slot[s].op.interface_version = byte();
    for (unsigned int i = 0; i < size; i++)
        slot[s].op.u._pad[i] = byte();
    enter(s);
}

/* Fields where the operations have them, with values that mean something. */
static void step_call(void)
{
    unsigned int s = new_call(), cmd = 1 + byte() % XEN_DOMGRPCTL_GETDOMAIN, a = byte(), b = byte();
    struct xen_domgrpctl *op = &slot[s].op;

    op->cmd = cmd;
    switch (cmd) {
    case XEN_DOMGRPCTL_CREATE:
        uuid_of(a, op->u.create.uuid);
        op->u.create.id = id_of(b);
        break;
    case XEN_DOMGRPCTL_JOIN: {
        const struct domain *d = fake_domain_lookup(a % 8);

        op->u.join.domid = a % 8;
        op->u.join.id = id_of(b);
        if (d && a < 0xf0)
            memcpy(op->u.join.uuid, d->handle, 16);
        else
            uuid_of(a, op->u.join.uuid);
        break;
    }
    case XEN_DOMGRPCTL_RESERVE:
    case XEN_DOMGRPCTL_UNRESERVE:
        uuid_of(a, op->u.reserve.uuid);
        op->u.reserve.id = id_of(b);
        op->u.reserve.flags = cmd == XEN_DOMGRPCTL_RESERVE && b & 0x80;
        break;
    case XEN_DOMGRPCTL_GETMEMBERS:
        op->u.getmembers.id = id_of(b);
        op->u.getmembers.first = a % 16;
        op->u.getmembers.count = a / 16;
        op->u.getmembers.buffer.p = buffer;
        break;
    case XEN_DOMGRPCTL_GETDOMAIN:
        op->u.getdomain.domid = a % 8;
        break;
    default: /* The id comes first. */
        op->u.destroy.id = id_of(b);
        break;
    }
    enter(s);
}

static void step_resume(void)
{
    unsigned int s = byte() % SLOTS;

    if (slot[s].pending)
        enter(s);
}

static void step_other(void)
{
    switch (byte() % 4) {
    case 0:
        fake.console[0] = 0;
        fake.key['J']('J');
        break;
    case 1:
        slot[byte() % SLOTS].pending = false;
        ever_pending = true;
        break;
    case 2: /* Somebody's memory goes away. */
        fake_guest_memory_forget();
        fake_guest_memory(slot, sizeof(slot), byte() & 1);
        break;
    case 3:
        fake_guest_memory_forget();
        fake_guest_memory(slot, sizeof(slot), false);
        fake_guest_memory(buffer, sizeof(buffer), false);
        break;
    }
}

static void step(void)
{
    static void (*const kinds[])(void) = {
        step_call, step_call, step_call, step_birth, step_life, step_weather, step_rename, step_raw,
        step_resume, step_other, step_call, step_birth, step_life, step_resume, step_call, step_call,
    };

    steps++;
    kinds[byte() % 16]();
}

/* While a call waits other CPUs take steps. */
static void steps_elsewhere(void)
{
    struct vcpu *waiting = fake_current;

    if (!input_left || steps > MAX_STEPS)
        return;
    fake.on_relax = NULL;
    become(pick());
    step();
    fake.on_relax = steps_elsewhere;
    fake_current = waiting;
}

/* Half-done pauses become whole ones, or none. */
static void settle(void)
{
    unsigned int id = XEN_DOMGRP_FIRST;

    fake_reset();
    do {
        fake_guest_memory(slot, sizeof(slot), false);
        memset(&slot[0], 0, sizeof(slot[0]));
        slot[0].op.interface_version = XEN_DOMGRPCTL_VERSION;
        slot[0].op.cmd = XEN_DOMGRPCTL_GETINFO;
        slot[0].op.u.getinfo.id = id;
        ASSERT(fake_hypercall(&slot[0].op) == 0);
        id = slot[0].op.u.getinfo.id;
        if (id != XEN_DOMGRP_NULL) {
            bool paused = slot[0].op.u.getinfo.flags & XEN_DOMGRP_PAUSED;

            memset(&slot[0].op.u, 0, sizeof(slot[0].op.u));
            slot[0].op.cmd = paused ? XEN_DOMGRPCTL_PAUSE : XEN_DOMGRPCTL_UNPAUSE;
            slot[0].op.u.pause.id = id;
            ASSERT(fake_hypercall(&slot[0].op) == 0);
        }
        fake_guest_memory_forget();
    } while (id++ != XEN_DOMGRP_NULL);
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
    input = data;
    input_left = size;
    memset(slot, 0, sizeof(slot));
    nr_reserved = steps = 0;
    ever_pending = false;
    fake_reset();
    fake_guest_memory(slot, sizeof(slot), false);
    fake_guest_memory(buffer, sizeof(buffer), false);
    fake.most_vcpus = 3;
    nested = byte() & 1;
    modelled = !nested;
    fake.on_relax = nested ? steps_elsewhere : NULL;

    while (input_left && steps < MAX_STEPS) {
        step();
        check_world(!ever_pending && !nested);
    }

    fake_reset();
    model_check();
    settle();
    check_world(true);
    check_clear();
    return 0;
}
