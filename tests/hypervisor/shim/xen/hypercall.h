/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <public/domgrpctl.h>
long do_domgrpctl(XEN_GUEST_HANDLE_PARAM(xen_domgrpctl_t) op);
unsigned long hypercall_create_continuation(unsigned int op, const char *format, ...);
