/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Prints the monotonic clock in nanoseconds: what the measurements in dom0's
 * shell are timed with. With the word "lines" it copies its input and puts
 * that time, when a line began to come, in front of each; a carriage return
 * ends a line, too, as in progress that is drawn over itself.
 */
#include <stdio.h>
#include <time.h>

static void print_clock(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    printf("%lld%09ld", (long long)t.tv_sec, t.tv_nsec);
}

static void copy_lines(void)
{
    int c, last = '\n';
    while ((c = getchar()) != EOF) {
        if (c == '\r')
            c = '\n';
        if (c == '\n' && last == '\n')
            continue;
        if (last == '\n') {
            print_clock();
            putchar(' ');
        }
        putchar(c);
        last = c;
    }
}

int main(int argc, char **argv)
{
    (void)argv;
    setvbuf(stdin, NULL, _IONBF, 0);
    if (argc > 1) {
        copy_lines();
        return 0;
    }
    print_clock();
    putchar('\n');
    return 0;
}
