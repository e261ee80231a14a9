/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef SHIM_GUEST_ACCESS_H
#define SHIM_GUEST_ACCESS_H

#include <xen/types.h>

/* How many bytes could not be copied. */
unsigned long fake_copy_from(void *to, const void *from, size_t size);
unsigned long fake_copy_to(void *to, const void *from, size_t size);

#define copy_from_guest(to, handle, nr) fake_copy_from(to, (handle).p, sizeof(*(to)) * (nr))
#define copy_to_guest(handle, from, nr) fake_copy_to((handle).p, from, sizeof(*(from)) * (nr))
#define copy_to_guest_offset(handle, offset, from, nr) \
    fake_copy_to((void *)((uintptr_t)(handle).p + sizeof(*(from)) * (size_t)(offset)), from, sizeof(*(from)) * (nr))

#endif
