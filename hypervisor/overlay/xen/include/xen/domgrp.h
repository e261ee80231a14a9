/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Domain groups: what the rest of Xen sees of them.
 *
 * The hooks in Xen's own files call the four functions of the first part and
 * hold one struct domgrp_link per domain; without CONFIG_DOMGRP these are
 * stubs and no symbol remains.  The second part is for common/domgrpctl.c.
 */

#ifndef __XEN_DOMGRP_H__
#define __XEN_DOMGRP_H__

#include <xen/errno.h>
#include <xen/string.h>
#include <xen/types.h>
#include <public/xen.h>

struct domain;
struct domgrp;

#ifdef CONFIG_DOMGRP

#include <public/domgrpctl.h>

/* Embedded in struct domain.  Both fields are protected by domgrp_lock. */
struct domgrp_link
{
    struct domgrp *group; /* NULL before birth, after leaving and for Xen's own */
    bool paused;          /* the group holds a reference on d->pause_count */
};

/*
 * Give a domain under construction its handle and put it in its group: Group-0
 * for control and hardware domains, else the group its handle is reserved for,
 * else the Null-Group.  To be called before the domain is listed.
 */
int domgrp_birth(struct domain *d, const uint8_t *uuid);

/*
 * Take a dying domain out of its group, to be called before its domid can be
 * given to another.  Harmless when it is in none.
 */
void domgrp_leave(struct domain *d);

/*
 * Change a domain's handle.  -EEXIST when the new one is reserved for a group
 * that the domain is not in.
 */
int domgrp_set_handle(struct domain *d, const uint8_t *uuid);

/*
 * The operations of the hypercall: arguments and errors as documented in
 * public/domgrpctl.h.  Results are written on success only.  The caller has
 * checked that current may operate on groups at all; checks on single members
 * are made here.  -ERESTART: call again with the same arguments.
 */
int domgrp_create(const uint8_t *uuid, unsigned int policy, uint16_t *id);
int domgrp_destroy(unsigned int id);
int domgrp_join(struct domain *d, const uint8_t *uuid, unsigned int id);
int domgrp_reserve(const uint8_t *uuid, unsigned int id, bool move);
int domgrp_unreserve(const uint8_t *uuid, unsigned int id);
int domgrp_pause(unsigned int id, struct xen_domgrpctl_pause *ret);
int domgrp_unpause(unsigned int id);
int domgrp_get_domain(struct domain *d, struct xen_domgrpctl_getdomain *ret);

/* On -ERESTART *info holds the sums up to info->progress. */
int domgrp_get_info(struct xen_domgrpctl_getinfo *info);

/*
 * Up to nr members with domid >= *first, which is moved on to where to continue
 * or to XEN_DOMGRP_MEMBERS_END.  Returns how many; 0 does not mean the end.
 */
int domgrp_get_members(unsigned int id, uint32_t *first,
                       struct xen_domgrp_member *members, unsigned int nr);

#else /* !CONFIG_DOMGRP */

struct domgrp_link {};

/* Macros, as struct domain is not complete here. */
#define domgrp_set_handle(d, uuid) \
    (memcpy((d)->handle, uuid, sizeof((d)->handle)), 0)
#define domgrp_birth(d, uuid) domgrp_set_handle(d, uuid)
#define domgrp_leave(d) ((void)(d))

#endif /* CONFIG_DOMGRP */

#endif /* __XEN_DOMGRP_H__ */
