/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>
void *memchr_inv(const void *p, int c, size_t size);
