/* SPDX-License-Identifier: MIT */
/*
 * domgrpctl.h: the domain group hypercall, its whole interface.
 *
 * A domain group is a numbered set of domains (id and UUID) that is operated
 * as one thing.  Every domain except Xen's own (idle, dom_xen, dom_io...) is
 * in exactly one group from before it becomes visible until it is destroyed.
 *
 *   long HYPERVISOR_domgrpctl(struct xen_domgrpctl *op)
 *
 * Result: 0 or a negative errno value.  Where nothing else is said a call that
 * fails has changed nothing, neither in Xen nor in *op, with two exceptions:
 * GETINFO may have changed *op; and PAUSE, UNPAUSE, JOIN into a paused group and
 * UNRESERVE of many, which are preemptible, may have done a part when others
 * change the same groups or domains meanwhile.
 *
 * The layout is the same for 32- and 64-bit callers.  Every byte that is not
 * a documented input must be zero when it is called padding ("_pad", and the
 * rest of the union behind the operation's own structure); fields marked OUT
 * are ignored on input.
 *
 * A hypervisor without this hypercall answers -ENOSYS.
 *
 * Errors that every operation can return
 *   -EACCES      interface_version is not XEN_DOMGRPCTL_VERSION
 *   -EOPNOTSUPP  cmd is unknown
 *   -EINVAL      padding or an unknown flag is not zero
 *   -EFAULT      *op, or memory it points to, cannot be read or written
 *   -EPERM       denied by Xen Security Modules; in Xen's default module only
 *                a control domain may call (GETDOMAIN: the xenstore domain too)
 *   -ERANGE      a group id is not one of 0..XEN_DOMGRP_NULL
 * Operations on one group
 *   -ENOENT      no group has this id
 */

#ifndef __XEN_PUBLIC_DOMGRPCTL_H__
#define __XEN_PUBLIC_DOMGRPCTL_H__

#ifdef __XEN__
#include "xen.h"
#else
#include <xen/xen.h>
#endif

/* Called from privileged software only, like the domctl and sysctl ABIs. */
#if !defined(__XEN__) && !defined(__XEN_TOOLS__)
#error "domgrpctl operations are intended for use by control tools only"
#endif

#define __HYPERVISOR_domgrpctl          56

/* Goes up with every incompatible change of this file. */
#define XEN_DOMGRPCTL_VERSION           0x00000001

/* Group ids */
#define XEN_DOMGRP_ZERO                 0x0000U /* Group-0: privileged domains */
#define XEN_DOMGRP_FIRST                0x0001U /* lowest id for CREATE */
#define XEN_DOMGRP_LAST                 0x7FFEU /* highest id for CREATE */
#define XEN_DOMGRP_NULL                 0x7FFFU /* Null-Group: not put elsewhere */
#define XEN_DOMGRP_ANY                  0xFFFFU /* CREATE: Xen chooses the id */

/*
 * The two default groups, Group-0 and the Null-Group, exist from boot for ever
 * and cannot be destroyed or paused.  Group-0's UUID is the nil UUID (all bytes
 * 0x00), the Null-Group's has all bytes 0xff.  Domain 0 and every other control
 * or hardware domain is born in Group-0 and never leaves it; further domains
 * can be joined to it.
 */

/* What the members of a group may do with other domains. */
#define XEN_DOMGRP_POLICY_OPEN          0U      /* whatever Xen allows anyway */

/* Limits */
#define XEN_DOMGRP_MAX_RESERVATIONS     65536U  /* in the whole hypervisor */
#define XEN_DOMGRP_PAUSE_ATOMIC         4096U   /* vCPUs, see PAUSE */

/*
 * XEN_DOMGRPCTL_CREATE: make an empty, running group.
 *
 *   -EINVAL      uuid is nil, or policy is unknown
 *   -ERANGE      id is neither XEN_DOMGRP_FIRST..LAST nor XEN_DOMGRP_ANY
 *   -EEXIST      the id or the uuid belongs to a group already
 *   -ENOSPC      XEN_DOMGRP_ANY and every id is taken
 *   -ENOMEM      Xen is out of memory
 *
 * Ids chosen by Xen go up from the last one chosen and wrap round, so that a
 * freed id comes back as late as possible.
 */
#define XEN_DOMGRPCTL_CREATE            1
struct xen_domgrpctl_create {
    xen_domain_handle_t uuid;           /* IN */
    uint16_t id;                        /* IN: id or XEN_DOMGRP_ANY; OUT: id */
    uint16_t policy;                    /* IN: XEN_DOMGRP_POLICY_* */
    uint32_t _pad;
};

/*
 * XEN_DOMGRPCTL_DESTROY: forget a group, which must be empty.
 *
 *   -EROFS       a default group
 *   -ENOTEMPTY   it has members (a dying domain is one until it is gone)
 *   -EBUSY       it has reservations: UNRESERVE first.  Dropping them in
 *                passing would let a domain that counts on its group be born
 *                in the Null-Group.
 */
#define XEN_DOMGRPCTL_DESTROY           2
struct xen_domgrpctl_destroy {
    uint16_t id;                        /* IN */
    uint16_t _pad[3];
};

/*
 * XEN_DOMGRPCTL_JOIN: move a domain from its group into another, atomically.
 *
 * Leaving a group is joining the Null-Group.  Joining the group it is in
 * already succeeds.  A domain that joins a paused group has stopped when the
 * call returns; one that leaves a paused group is released from that pause.
 * Reservations are not touched.
 *
 *   -ESRCH       no domain has this domid, it has another UUID (domids are
 *                reused), or it is dying
 *   -EROFS       a control or hardware domain cannot leave Group-0
 *   -EDEADLK     the group is paused and the domain is the caller
 *   -ENOMEM      Xen is out of memory
 */
#define XEN_DOMGRPCTL_JOIN              3
struct xen_domgrpctl_join {
    xen_domain_handle_t uuid;           /* IN: of the domain */
    domid_t  domid;                     /* IN: a real one, not DOMID_SELF */
    uint16_t id;                        /* IN: of the group */
    uint32_t _pad;
};

/*
 * XEN_DOMGRPCTL_RESERVE: let every domain created with this UUID be born in
 * this group.
 *
 * A domain that exists already is not moved.  Reserving again for the same
 * group succeeds.  While a UUID is reserved no domain of another group can
 * take it by XEN_DOMCTL_setdomainhandle, which then fails with -EEXIST.
 * Control and hardware domains are born in Group-0 whatever is reserved.
 *
 *   -EINVAL      uuid is nil
 *   -EROFS       the Null-Group takes no reservations: it is what a domain
 *                without a reservation is born in
 *   -EEXIST      reserved for another group, and flags has no RESERVE_MOVE
 *   -ENOSPC      XEN_DOMGRP_MAX_RESERVATIONS are held
 *   -ENOMEM      Xen is out of memory
 */
#define XEN_DOMGRPCTL_RESERVE           4
#define XEN_DOMGRPCTL_RESERVE_MOVE      (1U << 0) /* take it from another group */

/*
 * XEN_DOMGRPCTL_UNRESERVE: undo that; with the nil UUID, every reservation of
 * the group (which may have none).  Domains that exist already stay where they
 * are.
 *
 *   -EINVAL      flags is not zero
 *   -ESRCH       this UUID is not reserved for this group
 */
#define XEN_DOMGRPCTL_UNRESERVE         5
struct xen_domgrpctl_reserve {
    xen_domain_handle_t uuid;           /* IN: of a domain */
    uint16_t id;                        /* IN: of the group */
    uint16_t flags;                     /* IN: XEN_DOMGRPCTL_RESERVE_* */
    uint32_t _pad;
};

/*
 * XEN_DOMGRPCTL_PAUSE: stop every member, as one.
 *
 * Every member is first checked for being pausable by the caller (as in
 * XEN_DOMCTL_pausedomain): one that is not fails the whole call.  Then every
 * vCPU of every member is asked to stop, without preemption while the group has
 * at most XEN_DOMGRP_PAUSE_ATOMIC vCPUs (a member counts as one at least);
 * beyond that in batches of that many, which `batches' tells.  Then the call
 * waits, preemptibly, until all have stopped.
 *
 * A pause is a state of the group.  It holds one reference of its own on each
 * member, which XEN_DOMCTL_unpausedomain cannot drop and which does not show
 * as "paused" there.  Domains that join the group or are born in it while it
 * is paused are paused too, those that leave it are not.
 *
 * Pausing a paused group succeeds: it waits until all members have stopped
 * and returns the figures of the pause that is in force.
 *
 *   -EROFS       a default group
 *   -EDEADLK     the caller is a member
 */
#define XEN_DOMGRPCTL_PAUSE             6
struct xen_domgrpctl_pause {
    uint16_t id;                        /* IN */
    uint16_t _pad[3];
    uint32_t domains;                   /* OUT: members that were asked to stop */
    uint32_t vcpus;                     /* OUT: their vCPUs */
    uint32_t batches;                   /* OUT: 0: no members; 1: one step */
    uint32_t _pad1;
    uint64_aligned_t request_ns;        /* OUT: first to last stop request */
    uint64_aligned_t stopped_ns;        /* OUT: first request to all stopped */
};

/*
 * XEN_DOMGRPCTL_UNPAUSE: end that state and drop its references.  Members that
 * something else has paused stay paused.  Unpausing a running group succeeds.
 *
 *   -EROFS       a default group
 */
#define XEN_DOMGRPCTL_UNPAUSE           7
struct xen_domgrpctl_unpause {
    uint16_t id;                        /* IN */
    uint16_t _pad[3];
};

/*
 * XEN_DOMGRPCTL_GETINFO: the first group whose id is at or above the one asked.
 *
 * To list all groups ask for 0, then for the id returned plus one, until the
 * Null-Group, always the last one, was returned.  Members that XSM hides from
 * the caller are left out of members, dying, memory and CPU time.  In a large
 * group these are taken while members may come and go.
 */
#define XEN_DOMGRPCTL_GETINFO           8
struct xen_domgrpctl_getinfo {
    uint16_t id;                        /* IN/OUT */
    uint16_t policy;                    /* OUT: XEN_DOMGRP_POLICY_* */
    uint32_t flags;                     /* OUT: XEN_DOMGRP_* below */
#define XEN_DOMGRP_DEFAULT              (1U << 0) /* Group-0 or Null-Group */
#define XEN_DOMGRP_PAUSED               (1U << 1)
    xen_domain_handle_t uuid;           /* OUT */
    uint32_t members;                   /* OUT: dying ones included */
    uint32_t dying;                     /* OUT: members that are dying */
    uint32_t reservations;              /* OUT */
    uint32_t progress;                  /* IN: 0; Xen's own while it works */
    uint64_aligned_t pages;             /* OUT: 4 KiB pages the members hold */
    uint64_aligned_t cpu_time_ns;       /* OUT: of the members, since creation */
};

/*
 * XEN_DOMGRPCTL_GETMEMBERS: the members of a group, in the order of domids.
 *
 * Lists the members with domid >= first, at most `count' of them.  `first' is
 * then the domid to go on with, or XEN_DOMGRP_MEMBERS_END when there are no
 * more.  A member that is there all the time is seen exactly once in such a
 * sequence of calls, whatever joins or leaves meanwhile.  Members that XSM
 * hides from the caller are left out.  The call may return fewer than `count'
 * with more to come; it never returns none with more to come, unless `count'
 * is zero.  After -EFAULT the buffer may have been written in part.
 */
#define XEN_DOMGRPCTL_GETMEMBERS        9
struct xen_domgrp_member {
    xen_domain_handle_t uuid;
    domid_t  domid;
    uint16_t flags;                     /* XEN_DOMGRP_MEMBER_* */
#define XEN_DOMGRP_MEMBER_DYING         (1U << 0)
#define XEN_DOMGRP_MEMBER_PAUSED        (1U << 1) /* by its group */
    uint32_t _pad;                      /* returned as 0 */
};
typedef struct xen_domgrp_member xen_domgrp_member_t;
DEFINE_XEN_GUEST_HANDLE(xen_domgrp_member_t);

struct xen_domgrpctl_getmembers {
    uint16_t id;                        /* IN */
    uint16_t _pad[3];
    uint32_t first;                     /* IN/OUT: domid, 0 at first */
#define XEN_DOMGRP_MEMBERS_END          0xFFFFFFFFU
    uint32_t count;                     /* IN: room in buffer; OUT: filled */
    XEN_GUEST_HANDLE_64(xen_domgrp_member_t) buffer; /* OUT */
};

/*
 * XEN_DOMGRPCTL_GETDOMAIN: the group of one domain.
 *
 *   -ESRCH       no domain has this domid
 */
#define XEN_DOMGRPCTL_GETDOMAIN         10
struct xen_domgrpctl_getdomain {
    domid_t  domid;                     /* IN: a real one, not DOMID_SELF */
    uint16_t id;                        /* OUT: of its group */
    uint32_t flags;                     /* OUT: XEN_DOMGRP_MEMBER_* */
    xen_domain_handle_t uuid;           /* OUT: of the domain */
    xen_domain_handle_t group_uuid;     /* OUT */
};

struct xen_domgrpctl {
    uint32_t cmd;                       /* IN: XEN_DOMGRPCTL_* */
    uint32_t interface_version;         /* IN: XEN_DOMGRPCTL_VERSION */
    union {
        struct xen_domgrpctl_create     create;
        struct xen_domgrpctl_destroy    destroy;
        struct xen_domgrpctl_join       join;
        struct xen_domgrpctl_reserve    reserve;    /* and UNRESERVE */
        struct xen_domgrpctl_pause      pause;
        struct xen_domgrpctl_unpause    unpause;
        struct xen_domgrpctl_getinfo    getinfo;
        struct xen_domgrpctl_getmembers getmembers;
        struct xen_domgrpctl_getdomain  getdomain;
        uint8_t                         _pad[120];
    } u;
};
typedef struct xen_domgrpctl xen_domgrpctl_t;
DEFINE_XEN_GUEST_HANDLE(xen_domgrpctl_t);

#if defined(__GNUC__) && !defined(__cplusplus) && !defined(__STRICT_ANSI__)
_Static_assert(sizeof(struct xen_domgrpctl) == 128, "domgrpctl ABI");
_Static_assert(sizeof(struct xen_domgrpctl_create) == 24, "create ABI");
_Static_assert(sizeof(struct xen_domgrpctl_destroy) == 8, "destroy ABI");
_Static_assert(sizeof(struct xen_domgrpctl_join) == 24, "join ABI");
_Static_assert(sizeof(struct xen_domgrpctl_reserve) == 24, "reserve ABI");
_Static_assert(sizeof(struct xen_domgrpctl_pause) == 40, "pause ABI");
_Static_assert(sizeof(struct xen_domgrpctl_unpause) == 8, "unpause ABI");
_Static_assert(sizeof(struct xen_domgrpctl_getinfo) == 56, "getinfo ABI");
_Static_assert(sizeof(struct xen_domgrpctl_getmembers) == 24, "getmembers ABI");
_Static_assert(sizeof(struct xen_domgrpctl_getdomain) == 40, "getdomain ABI");
_Static_assert(sizeof(struct xen_domgrp_member) == 24, "member ABI");
#endif

#endif /* __XEN_PUBLIC_DOMGRPCTL_H__ */

/*
 * Local variables:
 * mode: C
 * c-file-style: "BSD"
 * c-basic-offset: 4
 * tab-width: 4
 * indent-tabs-mode: nil
 * End:
 */
