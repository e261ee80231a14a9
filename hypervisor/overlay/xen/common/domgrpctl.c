/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The domain group hypercall: takes the caller's arguments in, checks their
 * form and the caller's right to operate on groups, and calls domgrp.c, which
 * owns what they mean.
 */

#include <xen/domgrp.h>
#include <xen/event.h>
#include <xen/guest_access.h>
#include <xen/hypercall.h>
#include <xen/lib.h>
#include <xen/nospec.h>
#include <xen/sched.h>
#include <xsm/xsm.h>

/* Members copied to the caller at a time, by way of the stack. */
#define COPY_BATCH 16U

static bool is_zero(const void *pad, size_t size)
{
    return !memchr_inv(pad, 0, size);
}

#define PAD_OK(field) is_zero(&(field), sizeof(field))

static int cf_check create_op(struct xen_domgrpctl *op)
{
    struct xen_domgrpctl_create *arg = &op->u.create;

    if ( !PAD_OK(arg->_pad) )
        return -EINVAL;

    return domgrp_create(arg->uuid, arg->policy, &arg->id);
}

static int cf_check destroy_op(struct xen_domgrpctl *op)
{
    const struct xen_domgrpctl_destroy *arg = &op->u.destroy;

    if ( !PAD_OK(arg->_pad) )
        return -EINVAL;

    return domgrp_destroy(arg->id);
}

static int cf_check join_op(struct xen_domgrpctl *op)
{
    const struct xen_domgrpctl_join *arg = &op->u.join;
    struct domain *d;
    int rc;

    if ( !PAD_OK(arg->_pad) )
        return -EINVAL;

    d = rcu_lock_domain_by_id(arg->domid);
    if ( !d )
        return -ESRCH;

    rc = domgrp_join(d, arg->uuid, arg->id);
    rcu_unlock_domain(d);

    return rc;
}

static int cf_check reserve_op(struct xen_domgrpctl *op)
{
    const struct xen_domgrpctl_reserve *arg = &op->u.reserve;

    if ( (arg->flags & ~XEN_DOMGRPCTL_RESERVE_MOVE) || !PAD_OK(arg->_pad) )
        return -EINVAL;

    return domgrp_reserve(arg->uuid, arg->id,
                          arg->flags & XEN_DOMGRPCTL_RESERVE_MOVE);
}

static int cf_check unreserve_op(struct xen_domgrpctl *op)
{
    const struct xen_domgrpctl_reserve *arg = &op->u.reserve;

    if ( arg->flags || !PAD_OK(arg->_pad) )
        return -EINVAL;

    return domgrp_unreserve(arg->uuid, arg->id);
}

static int cf_check pause_op(struct xen_domgrpctl *op)
{
    struct xen_domgrpctl_pause *arg = &op->u.pause;

    if ( !PAD_OK(arg->_pad) || !PAD_OK(arg->_pad1) )
        return -EINVAL;

    return domgrp_pause(arg->id, arg);
}

static int cf_check unpause_op(struct xen_domgrpctl *op)
{
    const struct xen_domgrpctl_unpause *arg = &op->u.unpause;

    if ( !PAD_OK(arg->_pad) )
        return -EINVAL;

    return domgrp_unpause(arg->id);
}

static int cf_check getinfo_op(struct xen_domgrpctl *op)
{
    return domgrp_get_info(&op->u.getinfo);
}

static int cf_check getmembers_op(struct xen_domgrpctl *op)
{
    struct xen_domgrpctl_getmembers *arg = &op->u.getmembers;
    struct xen_domgrp_member batch[COPY_BATCH];
    unsigned int filled = 0;
    int n;

    if ( !PAD_OK(arg->_pad) )
        return -EINVAL;

    /* Once at least, so that a wrong id is an error whatever count says. */
    do {
        n = domgrp_get_members(arg->id, &arg->first, batch,
                               min(COPY_BATCH, arg->count - filled));
        if ( n < 0 )
            return n;
        if ( copy_to_guest_offset(arg->buffer, filled, batch, n) )
            return -EFAULT;
        filled += n;
        if ( filled && hypercall_preempt_check() )
            break; /* The caller goes on from arg->first. */
    } while ( filled < arg->count && arg->first != XEN_DOMGRP_MEMBERS_END );

    arg->count = filled;

    return 0;
}

static int cf_check getdomain_op(struct xen_domgrpctl *op)
{
    struct xen_domgrpctl_getdomain *arg = &op->u.getdomain;
    struct domain *d = rcu_lock_domain_by_id(arg->domid);
    int rc;

    if ( !d )
        return -ESRCH;

    rc = xsm_domctl(XSM_OTHER, d, XEN_DOMCTL_getdomaininfo, 0) ?:
         xsm_getdomaininfo(XSM_HOOK, d) ?:
         domgrp_get_domain(d, arg);
    rcu_unlock_domain(d);

    return rc;
}

struct operation
{
    int (*handler)(struct xen_domgrpctl *op);
    unsigned int size; /* of its structure: what follows must be zero */
    bool copyback;     /* it has OUT fields */
    bool one_domain;   /* the handler checks the caller against that domain */
};

#define OP(name, struct_, ...) \
    { .handler = name ## _op, \
      .size = sizeof(struct xen_domgrpctl_ ## struct_), __VA_ARGS__ }

static const struct operation operations[] = {
    [XEN_DOMGRPCTL_CREATE]     = OP(create, create, .copyback = true),
    [XEN_DOMGRPCTL_DESTROY]    = OP(destroy, destroy),
    [XEN_DOMGRPCTL_JOIN]       = OP(join, join),
    [XEN_DOMGRPCTL_RESERVE]    = OP(reserve, reserve),
    [XEN_DOMGRPCTL_UNRESERVE]  = OP(unreserve, reserve),
    [XEN_DOMGRPCTL_PAUSE]      = OP(pause, pause, .copyback = true),
    [XEN_DOMGRPCTL_UNPAUSE]    = OP(unpause, unpause),
    [XEN_DOMGRPCTL_GETINFO]    = OP(getinfo, getinfo, .copyback = true),
    [XEN_DOMGRPCTL_GETMEMBERS] = OP(getmembers, getmembers, .copyback = true),
    [XEN_DOMGRPCTL_GETDOMAIN]  = OP(getdomain, getdomain, .copyback = true,
                                    .one_domain = true),
};

static const struct operation *operation_find(unsigned int cmd)
{
    const struct operation *o;

    if ( cmd >= ARRAY_SIZE(operations) )
        return NULL;

    o = &operations[array_index_nospec(cmd, ARRAY_SIZE(operations))];

    return o->handler ? o : NULL;
}

long do_domgrpctl(XEN_GUEST_HANDLE_PARAM(xen_domgrpctl_t) u_op)
{
    const struct operation *o;
    struct xen_domgrpctl op;
    int rc;

    if ( copy_from_guest(&op, u_op, 1) )
        return -EFAULT;

    if ( op.interface_version != XEN_DOMGRPCTL_VERSION )
        return -EACCES;

    o = operation_find(op.cmd);
    if ( !o )
        return -EOPNOTSUPP;

    /* Groups are to domains what cpupools are to CPUs: the same right. */
    rc = o->one_domain ? 0 : xsm_sysctl(XSM_PRIV, XEN_SYSCTL_cpupool_op);
    if ( rc )
        return rc;

    if ( !is_zero(&op.u._pad[o->size], sizeof(op.u) - o->size) )
        return -EINVAL;

    /* Learn that the result cannot be written before changing anything. */
    if ( o->copyback && copy_to_guest(u_op, &op, 1) )
        return -EFAULT;

    rc = o->handler(&op);

    if ( (!rc || rc == -ERESTART) && o->copyback &&
         copy_to_guest(u_op, &op, 1) )
        return -EFAULT;

    if ( rc == -ERESTART )
        return hypercall_create_continuation(__HYPERVISOR_domgrpctl, "h", u_op);

    return rc;
}

/*
 * Local variables:
 * mode: C
 * c-file-style: "BSD"
 * c-basic-offset: 4
 * tab-width: 4
 * indent-tabs-mode: nil
 * End:
 */
