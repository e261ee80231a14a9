/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The operations. Each fills an operation, lets op_call() carry it to the
 * hypervisor in a hypercall buffer and back, and hands out what came.
 */
#include "xendomgrp.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <xencall.h>
#include <xentoollog.h>

#define EXPORT __attribute__((visibility("default")))

struct xendomgrp_handle {
    xentoollog_logger silent;
    xencall_handle *call;
};

/* -- a logger that says nothing, for libxencall, which else prints -- */

static void silent_message(xentoollog_logger *logger, xentoollog_level level, int errnoval,
                           const char *context, const char *format, va_list args)
{
}

static void silent_progress(xentoollog_logger *logger, const char *context, const char *doing,
                            int percent, unsigned long done, unsigned long total)
{
}

static void silent_destroy(xentoollog_logger *logger)
{
}

/* -- one call -- */

static int op_call(xendomgrp_handle *handle, uint32_t cmd, struct xen_domgrpctl *op)
{
    struct xen_domgrpctl *buffer = xencall_alloc_buffer(handle->call, sizeof(*buffer));
    if (buffer == NULL)
        return -ENOMEM;

    op->cmd = cmd;
    op->interface_version = XEN_DOMGRPCTL_VERSION;
    *buffer = *op;
    int result = xencall1(handle->call, __HYPERVISOR_domgrpctl, (uintptr_t)buffer);
    if (result < 0)
        result = -errno;
    else
        *op = *buffer;
    xencall_free_buffer(handle->call, buffer);
    return result;
}

/* -- the handle -- */

EXPORT int xendomgrp_open(xendomgrp_handle **ret_handle)
{
    struct xen_domgrpctl_getinfo info;
    int result;
    xendomgrp_handle *handle = calloc(1, sizeof(*handle));
    if (handle == NULL)
        return -ENOMEM;

    handle->silent = (xentoollog_logger){silent_message, silent_progress, silent_destroy};
    handle->call = xencall_open(&handle->silent, 0);
    if (handle->call == NULL)
        result = errno != 0 ? -errno : -ENXIO;
    else
        result = xendomgrp_getinfo(handle, XEN_DOMGRP_ZERO, &info);
    if (result != 0)
        xendomgrp_close(handle);
    else
        *ret_handle = handle;
    return result;
}

EXPORT void xendomgrp_close(xendomgrp_handle *handle)
{
    if (handle == NULL)
        return;
    if (handle->call != NULL)
        xencall_close(handle->call);
    free(handle);
}

/* -- the operations -- */

EXPORT int xendomgrp_create(xendomgrp_handle *handle, const xen_domain_handle_t uuid,
                            uint16_t policy, uint16_t *id)
{
    struct xen_domgrpctl op = {.u.create = {.id = *id, .policy = policy}};
    memcpy(op.u.create.uuid, uuid, sizeof(op.u.create.uuid));

    int result = op_call(handle, XEN_DOMGRPCTL_CREATE, &op);
    if (result == 0)
        *id = op.u.create.id;
    return result;
}

EXPORT int xendomgrp_destroy(xendomgrp_handle *handle, uint16_t id)
{
    struct xen_domgrpctl op = {.u.destroy = {.id = id}};
    return op_call(handle, XEN_DOMGRPCTL_DESTROY, &op);
}

EXPORT int xendomgrp_join(xendomgrp_handle *handle, uint16_t id, domid_t domid,
                          const xen_domain_handle_t uuid)
{
    struct xen_domgrpctl op = {.u.join = {.id = id, .domid = domid}};
    memcpy(op.u.join.uuid, uuid, sizeof(op.u.join.uuid));
    return op_call(handle, XEN_DOMGRPCTL_JOIN, &op);
}

static int reservation_call(xendomgrp_handle *handle, uint32_t cmd, uint16_t id,
                            const xen_domain_handle_t uuid, uint16_t flags)
{
    struct xen_domgrpctl op = {.u.reserve = {.id = id, .flags = flags}};
    memcpy(op.u.reserve.uuid, uuid, sizeof(op.u.reserve.uuid));
    return op_call(handle, cmd, &op);
}

EXPORT int xendomgrp_reserve(xendomgrp_handle *handle, uint16_t id, const xen_domain_handle_t uuid,
                             uint16_t flags)
{
    return reservation_call(handle, XEN_DOMGRPCTL_RESERVE, id, uuid, flags);
}

EXPORT int xendomgrp_unreserve(xendomgrp_handle *handle, uint16_t id,
                               const xen_domain_handle_t uuid)
{
    return reservation_call(handle, XEN_DOMGRPCTL_UNRESERVE, id, uuid, 0);
}

EXPORT int xendomgrp_pause(xendomgrp_handle *handle, uint16_t id,
                           struct xen_domgrpctl_pause *ret_pause)
{
    struct xen_domgrpctl op = {.u.pause = {.id = id}};
    int result = op_call(handle, XEN_DOMGRPCTL_PAUSE, &op);
    if (result == 0)
        *ret_pause = op.u.pause;
    return result;
}

EXPORT int xendomgrp_unpause(xendomgrp_handle *handle, uint16_t id)
{
    struct xen_domgrpctl op = {.u.unpause = {.id = id}};
    return op_call(handle, XEN_DOMGRPCTL_UNPAUSE, &op);
}

EXPORT int xendomgrp_getinfo(xendomgrp_handle *handle, uint16_t id,
                             struct xen_domgrpctl_getinfo *ret_info)
{
    struct xen_domgrpctl op = {.u.getinfo = {.id = id}};
    int result = op_call(handle, XEN_DOMGRPCTL_GETINFO, &op);
    if (result == 0)
        *ret_info = op.u.getinfo;
    return result;
}

EXPORT int xendomgrp_getmembers(xendomgrp_handle *handle, uint16_t id, uint32_t *first,
                                struct xen_domgrp_member *members, uint32_t *count)
{
    uint32_t room = *count < DOMID_FIRST_RESERVED ? *count : DOMID_FIRST_RESERVED;
    struct xen_domgrpctl op = {.u.getmembers = {.id = id, .first = *first, .count = room}};
    struct xen_domgrp_member *buffer = NULL;

    if (room > 0) {
        buffer = xencall_alloc_buffer(handle->call, room * sizeof(*buffer));
        if (buffer == NULL)
            return -ENOMEM;
    }
    set_xen_guest_handle_raw(op.u.getmembers.buffer, buffer);
    int result = op_call(handle, XEN_DOMGRPCTL_GETMEMBERS, &op);
    if (result == 0) {
        *first = op.u.getmembers.first;
        *count = op.u.getmembers.count;
        if (*count > 0)
            memcpy(members, buffer, *count * sizeof(*buffer));
    }
    xencall_free_buffer(handle->call, buffer);
    return result;
}

EXPORT int xendomgrp_getdomain(xendomgrp_handle *handle, domid_t domid,
                               struct xen_domgrpctl_getdomain *ret_domain)
{
    struct xen_domgrpctl op = {.u.getdomain = {.domid = domid}};
    int result = op_call(handle, XEN_DOMGRPCTL_GETDOMAIN, &op);
    if (result == 0)
        *ret_domain = op.u.getdomain;
    return result;
}
