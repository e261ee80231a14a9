/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef SHIM_XMALLOC_H
#define SHIM_XMALLOC_H
#include <xen/types.h>
void *fake_alloc(size_t size); /* zeroed; NULL when told to fail */
void xfree(void *p);
#define xzalloc(type) ((type *)fake_alloc(sizeof(type)))
#endif
