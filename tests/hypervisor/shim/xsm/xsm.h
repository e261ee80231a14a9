/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Xen's default module, with denials to order. */
#ifndef SHIM_XSM_H
#define SHIM_XSM_H

#include <xen/sched.h>

enum xsm_default { XSM_HOOK, XSM_PRIV, XSM_OTHER };

enum {
    XEN_SYSCTL_cpupool_op = 18,
    XEN_DOMCTL_pausedomain = 3,
    XEN_DOMCTL_unpausedomain = 4,
    XEN_DOMCTL_getdomaininfo = 5,
    XEN_DOMCTL_setdomainhandle = 17,
};

int xsm_sysctl(enum xsm_default action, int cmd);
int xsm_domctl(enum xsm_default action, struct domain *d, unsigned int cmd, uint32_t ssidref);
int xsm_getdomaininfo(enum xsm_default action, struct domain *d);

#endif
