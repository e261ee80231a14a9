/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Prints the monotonic clock in nanoseconds: what the measurements in dom0's shell are timed with.
 */
#include <stdio.h>
#include <time.h>

int main(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    printf("%lld%09ld\n", (long long)t.tv_sec, t.tv_nsec);
    return 0;
}
