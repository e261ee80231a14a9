/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The lab's look at groups past the daemon: what the hypervisor itself holds.
 *
 *   lab-groups list       a line for each group: ID MEMBERS RESERVATIONS FLAGS
 *   lab-groups of DOMID   the id of the domain's group
 *   lab-groups clean      forgets every group but the default ones (which must be empty)
 *
 * Without groups in the hypervisor it says nothing and succeeds.
 */
#include "xendomgrp.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const xen_domain_handle_t every_reservation; /* the nil UUID */

static int group_print(xendomgrp_handle *handle, const struct xen_domgrpctl_getinfo *info)
{
    printf("%u %u %u%s%s\n", info->id, info->members, info->reservations,
           info->flags & XEN_DOMGRP_DEFAULT ? " default" : "",
           info->flags & XEN_DOMGRP_PAUSED ? " paused" : "");
    return 0;
}

static int group_clean(xendomgrp_handle *handle, const struct xen_domgrpctl_getinfo *info)
{
    int result =
        info->reservations > 0 ? xendomgrp_unreserve(handle, info->id, every_reservation) : 0;
    if (result == 0 && !(info->flags & XEN_DOMGRP_DEFAULT))
        result = xendomgrp_destroy(handle, info->id);
    return result;
}

static int for_each_group(xendomgrp_handle *handle,
                          int (*act)(xendomgrp_handle *, const struct xen_domgrpctl_getinfo *))
{
    struct xen_domgrpctl_getinfo info = {.id = 0};
    for (uint32_t next = 0; next <= XEN_DOMGRP_NULL; next = info.id + 1u) {
        int result = xendomgrp_getinfo(handle, (uint16_t)next, &info);
        if (result == 0)
            result = act(handle, &info);
        if (result != 0)
            return result;
    }
    return 0;
}

static int domain_print_group(xendomgrp_handle *handle, const char *domid)
{
    struct xen_domgrpctl_getdomain domain;
    int result = xendomgrp_getdomain(handle, (domid_t)atoi(domid), &domain);
    if (result == 0)
        printf("%u\n", domain.id);
    return result;
}

int main(int argc, char **argv)
{
    xendomgrp_handle *handle;
    int result = xendomgrp_open(&handle);
    if (result == -ENOSYS)
        return 0;
    if (result == 0) {
        result = -EINVAL;
        if (argc == 2 && strcmp(argv[1], "list") == 0)
            result = for_each_group(handle, group_print);
        if (argc == 2 && strcmp(argv[1], "clean") == 0)
            result = for_each_group(handle, group_clean);
        if (argc == 3 && strcmp(argv[1], "of") == 0)
            result = domain_print_group(handle, argv[2]);
        xendomgrp_close(handle);
    }
    if (result != 0)
        fprintf(stderr, "lab-groups: %s\n", strerror(-result));
    return result != 0;
}
