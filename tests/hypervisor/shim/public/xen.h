/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What public/domgrpctl.h uses of Xen's public interface. */
#ifndef SHIM_PUBLIC_XEN_H
#define SHIM_PUBLIC_XEN_H

#include <stdint.h>

typedef uint16_t domid_t;
typedef uint8_t xen_domain_handle_t[16];

#define uint64_aligned_t uint64_t __attribute__((aligned(8)))

#define DEFINE_XEN_GUEST_HANDLE(type) typedef struct { type *p; } __guest_handle_##type
#define XEN_GUEST_HANDLE_PARAM(type) __guest_handle_##type
#define XEN_GUEST_HANDLE_64(type) __guest_handle_##type

#define DOMID_FIRST_RESERVED 0x7FF0U
#define DOMID_SELF 0x7FF0U
#define DOMID_IDLE 0x7FFFU

#endif
