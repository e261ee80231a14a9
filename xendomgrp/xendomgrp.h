/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * libxendomgrp: domain groups of the Xen hypervisor, one function for each
 * operation of the hypercall.
 *
 * <xen/domgrpctl.h> is the contract: what an operation does, its limits, the
 * flags, and the errors special to it. This library adds a handle, memory
 * that a hypercall can use, and nothing else; it never prints and never
 * decides.
 *
 * Results: 0, or a negative errno value. Beside those of the hypercall, every
 * function can return
 *   -ENOMEM  no memory for the call's arguments
 * and whatever the kernel's privcmd driver says. A function that fails has
 * written to none of its outputs.
 *
 * Threads: any number may use one handle at once, except for its closing.
 * Processes: after fork() a child may only close the handle; it stays closed
 * across exec().
 */
#ifndef XENDOMGRP_H
#define XENDOMGRP_H

#ifndef __XEN_TOOLS__
#define __XEN_TOOLS__ 1
#endif
#include <stdint.h>
#include <xen/domgrpctl.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct xendomgrp_handle xendomgrp_handle;

/*
 * Opens the hypercall driver and asks the hypervisor for its first group, so
 * that a handle in hand is one that works.
 *   -ENOSYS  this hypervisor knows no groups
 *   -EACCES  it speaks another version of the interface than this library, or
 *            the driver may not be opened
 *   -EPERM   this domain may not use groups
 *   -ENOENT, -ENXIO, ...  no hypercall driver: this is not Xen
 * Close it with xendomgrp_close().
 */
int xendomgrp_open(xendomgrp_handle **ret_handle);

/* NULL is allowed. */
void xendomgrp_close(xendomgrp_handle *handle);

/*
 * Makes an empty group. *@id is the id wanted or XEN_DOMGRP_ANY, and becomes
 * the one given. -EEXIST, -ERANGE, -EINVAL, -ENOSPC, -ENOMEM.
 */
int xendomgrp_create(xendomgrp_handle *handle, const xen_domain_handle_t uuid, uint16_t policy,
                     uint16_t *id);

/* Forgets an empty group. -ENOENT, -EROFS, -ENOTEMPTY, -EBUSY. */
int xendomgrp_destroy(xendomgrp_handle *handle, uint16_t id);

/* Moves domain @domid, which has this @uuid, into group @id. -ENOENT, -ESRCH, -EROFS, -EDEADLK. */
int xendomgrp_join(xendomgrp_handle *handle, uint16_t id, domid_t domid,
                   const xen_domain_handle_t uuid);

/*
 * Domains created with @uuid shall be born in group @id; @flags is 0 or
 * XEN_DOMGRPCTL_RESERVE_MOVE. -ENOENT, -EINVAL, -EROFS, -EEXIST, -ENOSPC.
 */
int xendomgrp_reserve(xendomgrp_handle *handle, uint16_t id, const xen_domain_handle_t uuid,
                      uint16_t flags);

/* Undoes that; the nil UUID: all of the group's. -ENOENT, -ESRCH. */
int xendomgrp_unreserve(xendomgrp_handle *handle, uint16_t id, const xen_domain_handle_t uuid);

/* Stops every member at once; *@ret_pause tells how. -ENOENT, -EROFS, -EDEADLK, -EPERM. */
int xendomgrp_pause(xendomgrp_handle *handle, uint16_t id, struct xen_domgrpctl_pause *ret_pause);

/* -ENOENT, -EROFS */
int xendomgrp_unpause(xendomgrp_handle *handle, uint16_t id);

/* The first group whose id is at least @id. -ERANGE if @id is beyond XEN_DOMGRP_NULL. */
int xendomgrp_getinfo(xendomgrp_handle *handle, uint16_t id,
                      struct xen_domgrpctl_getinfo *ret_info);

/*
 * The members of group @id from domid *@first on, at most *@count of them,
 * into @members. *@first becomes where to go on, or XEN_DOMGRP_MEMBERS_END;
 * *@count becomes how many there are. -ENOENT.
 */
int xendomgrp_getmembers(xendomgrp_handle *handle, uint16_t id, uint32_t *first,
                         struct xen_domgrp_member *members, uint32_t *count);

/* The group of domain @domid. -ESRCH. */
int xendomgrp_getdomain(xendomgrp_handle *handle, domid_t domid,
                        struct xen_domgrpctl_getdomain *ret_domain);

#ifdef __cplusplus
}
#endif

#endif
