/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fake.h"

#include "check.h"

#include <xen/errno.h>
#include <xen/string.h>

static struct xen_domgrpctl *const op = &(struct xen_domgrpctl){ 0 };
static struct xen_domgrp_member members[4];

static long call(uint32_t cmd)
{
    op->cmd = cmd;
    op->interface_version = XEN_DOMGRPCTL_VERSION;
    return fake_hypercall(op);
}

static void fresh(void)
{
    memset(op, 0, sizeof(*op));
}

static struct domain *expected_member(domid_t domid, unsigned int id)
{
    for (struct domain *d = fake.domains; d; d = d->fake_next)
        if (d->domain_id == domid && d->domgrp.group) {
            /* One that has been released is still a member, but cannot be asked. */
            fresh();
            op->u.getdomain.domid = domid;
            ASSERT(call(XEN_DOMGRPCTL_GETDOMAIN) == 0);
            ASSERT(op->u.getdomain.id == id);
            return d;
        }
    return NULL;
}

static unsigned int check_group(unsigned int id, bool paused, bool at_rest)
{
    uint32_t first = 0;
    unsigned int n = 0;
    int last = -1;

    while (first != XEN_DOMGRP_MEMBERS_END) {
        fresh();
        op->u.getmembers.id = id;
        op->u.getmembers.first = first;
        op->u.getmembers.count = ARRAY_SIZE(members);
        op->u.getmembers.buffer.p = members;
        ASSERT(call(XEN_DOMGRPCTL_GETMEMBERS) == 0);
        first = op->u.getmembers.first;
        for (unsigned int i = 0, filled = op->u.getmembers.count; i < filled; i++, n++) {
            struct xen_domgrp_member m = members[i];
            struct domain *d = expected_member(m.domid, id);

            ASSERT(d && m.domid > last && !m._pad);
            last = m.domid;
            d->fake_seen++;
            ASSERT(!memcmp(m.uuid, d->handle, sizeof(m.uuid)));
            ASSERT(!!(m.flags & XEN_DOMGRP_MEMBER_DYING) == !!d->is_dying);
            ASSERT(d->pause_count.counter ==
                   d->fake_pauses + !!(m.flags & XEN_DOMGRP_MEMBER_PAUSED));
            ASSERT(!at_rest || paused == !!(m.flags & XEN_DOMGRP_MEMBER_PAUSED));
        }
    }
    return n;
}

/* Domains as they are: each was met once, and none but these. */
static void check_domains(unsigned int met)
{
    unsigned int listed = 0;

    for (struct domain *d = fake.domains; d; d = d->fake_next) {
        ASSERT(d->fake_seen == d->fake_listed);
        listed += d->fake_listed;
        d->fake_seen = 0;
    }
    ASSERT(met == listed);
}

void check_world(bool at_rest)
{
    struct fake saved = fake;
    struct vcpu *caller = fake_current;
    unsigned int id = 0, heap = 0, met = 0, n;

    /* Look with the eyes of a caller that nothing is hidden from. */
    fake.heap_fails_in = fake.preempt_in = -1;
    fake.deny_sysctl = fake.flask = false;
    fake.xsm = NULL;
    fake.on_relax = NULL;
    fake_current = fake_domain_lookup(0)->vcpu[0];
    fake_guest_memory(op, sizeof(*op), false);
    fake_guest_memory(members, sizeof(members), false);

    do {
        struct xen_domgrpctl_getinfo info;

        fresh();
        op->u.getinfo.id = id;
        ASSERT(call(XEN_DOMGRPCTL_GETINFO) == 0);
        info = op->u.getinfo;
        ASSERT(info.id >= id && !info.progress);
        id = info.id;
        ASSERT(!(info.flags & XEN_DOMGRP_DEFAULT) == (id != XEN_DOMGRP_ZERO && id != XEN_DOMGRP_NULL));
        n = check_group(id, info.flags & XEN_DOMGRP_PAUSED, at_rest);
        met += n;
        ASSERT(n == info.members && info.dying <= n);
        heap += !(info.flags & XEN_DOMGRP_DEFAULT) + info.reservations;
    } while (id++ != XEN_DOMGRP_NULL);

    check_domains(met);
    fake_guest_memory_drop(2);
    fake_current = caller;
    saved.copies_in = fake.copies_in;
    saved.sysctl_checks = fake.sysctl_checks;
    fake = saved;
    ASSERT(fake.heap_live - fake.heap_trees == (int)heap);
}

void check_clear(void)
{
    unsigned int id = 1;

    fake_reset();
    for (struct domain *d = fake.domains, *next; d; d = next) {
        next = d->fake_next;
        if (!d->domain_id)
            continue;
        if (d->fake_refs > 0 && !d->fake_released)
            fake_domain_remove(d);
        else
            fake_domain_finish(d);
    }
    fake_guest_memory(op, sizeof(*op), false);
    fresh();
    ASSERT(call(XEN_DOMGRPCTL_UNRESERVE) == 0); /* Group-0's */
    for (;;) {
        fresh();
        op->u.getinfo.id = id;
        ASSERT(call(XEN_DOMGRPCTL_GETINFO) == 0);
        id = op->u.getinfo.id;
        if (id == XEN_DOMGRP_NULL)
            break;
        fresh();
        op->u.reserve.id = id;
        ASSERT(call(XEN_DOMGRPCTL_UNRESERVE) == 0);
        fresh();
        op->u.destroy.id = id;
        ASSERT(call(XEN_DOMGRPCTL_DESTROY) == 0);
    }
    fake_guest_memory_forget();
    ASSERT(fake.domains == fake_domain_lookup(0) && !fake.domains->fake_next);
    ASSERT(fake.heap_live == fake.heap_trees);
    /* Those of the table of groups and of Group-0, and the empty tops of failed insertions. */
    ASSERT(fake.heap_trees <= 6);
}
