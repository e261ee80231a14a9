/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a group pause is measured against: one process that calls libxc's
 * pause for each domain in turn, the best that a toolstack can do without
 * groups. Prints the nanoseconds from before the first call until after the
 * last, when every domain stands still, then unpauses them all.
 *
 * Usage: bench-pause-each DOMID...
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <xenctrl.h>

static uint64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static int for_each(xc_interface *xc, int n, char **domids, int (*act)(xc_interface *, uint32_t))
{
    for (int i = 0; i < n; i++) {
        if (act(xc, (uint32_t)atoi(domids[i])) == 0)
            continue;
        perror(domids[i]);
        return -1;
    }
    return 0;
}

int main(int argc, char **argv)
{
    xc_interface *xc = xc_interface_open(NULL, NULL, 0);
    if (xc == NULL || argc < 2) {
        fprintf(stderr, "usage: bench-pause-each DOMID...  (in dom0)\n");
        return 2;
    }

    uint64_t began = now_ns();
    int failed = for_each(xc, argc - 1, argv + 1, xc_domain_pause);
    uint64_t ended = now_ns();
    failed |= for_each(xc, argc - 1, argv + 1, xc_domain_unpause);
    xc_interface_close(xc);
    printf("%llu\n", (unsigned long long)(ended - began));
    return failed ? 1 : 0;
}
