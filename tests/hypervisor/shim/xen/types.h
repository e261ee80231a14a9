/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef SHIM_TYPES_H
#define SHIM_TYPES_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
typedef int64_t s_time_t;
#endif
