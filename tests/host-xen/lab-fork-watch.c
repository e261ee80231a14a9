/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * For LD_PRELOAD: a program ends when one of its threads opens or closes a
 * handle of Xen's libraries while another one forks. Their list of handles has
 * one lock, and a child that is born while it is taken waits for it for ever.
 * That shows once in hundreds of runs; here forking takes long, and threads
 * come to open handles one after the other.
 */
#include <dlfcn.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define FORK_US 400000
#define APART_US 60000 /* between one thread and the next */

void xentoolcore__register_active_handle(void *handle);
void xentoolcore__deregister_active_handle(void *handle);

static atomic_int forks, threads;
static _Thread_local int forking, number; /* the thread's; numbers begin with 1 */

static void look(void)
{
    if (atomic_load(&forks) == 0 || forking)
        return;
    fputs("lab-fork-watch: a handle is opened or closed while another thread forks\n", stderr);
    abort();
}

void xentoolcore__register_active_handle(void *handle)
{
    (void)handle;
    if (number == 0)
        number = atomic_fetch_add(&threads, 1) + 1;
    usleep((useconds_t)(number % 4) * APART_US);
    look();
}

void xentoolcore__deregister_active_handle(void *handle)
{
    (void)handle;
    look();
}

pid_t fork(void)
{
    pid_t (*next)(void) = (pid_t(*)(void))dlsym(RTLD_NEXT, "fork");
    forking = 1;
    atomic_fetch_add(&forks, 1);
    usleep(FORK_US);
    pid_t pid = next();
    atomic_fetch_sub(&forks, 1);
    forking = 0;
    return pid;
}
