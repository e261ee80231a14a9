/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <xen/types.h>
s_time_t fake_now(void); /* never the same twice */
#define NOW() fake_now()
