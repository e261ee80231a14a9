/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef SHIM_LIB_H
#define SHIM_LIB_H

#include <xen/types.h>

void fake_failed(const char *what, const char *file, int line) __attribute__((noreturn));

#define ASSERT(p) do { if (!(p)) fake_failed(#p, __FILE__, __LINE__); } while (0)
#define panic(...) fake_failed("panic", __FILE__, __LINE__)

#define cf_check
#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define container_of(p, type, field) ((type *)((char *)(p) - offsetof(type, field)))

/* As strict about types as Xen's. */
#define min(a, b) ({ __typeof__(a) a_ = (a); __typeof__(b) b_ = (b); (void)(&a_ == &b_); a_ < b_ ? a_ : b_; })
#define max(a, b) ({ __typeof__(a) a_ = (a); __typeof__(b) b_ = (b); (void)(&a_ == &b_); a_ > b_ ? a_ : b_; })

/* Knows %u, %s, %c, %pd and %*phN. */
void printk(const char *format, ...);

#define BITS_PER_LONG (8 * sizeof(long))
#define DECLARE_BITMAP(name, bits) unsigned long name[((bits) + BITS_PER_LONG - 1) / BITS_PER_LONG]
void __set_bit(unsigned int bit, unsigned long *map);
void __clear_bit(unsigned int bit, unsigned long *map);
unsigned long find_next_zero_bit(const unsigned long *map, unsigned long size, unsigned long from);

#endif
