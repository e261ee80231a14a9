/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fake.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <xen/errno.h>
#include <xen/guest_access.h>
#include <xen/hypercall.h>
#include <xen/init.h>
#include <xen/radix-tree.h>
#include <xen/random.h>
#include <xen/softirq.h>
#include <xen/spinlock.h>
#include <xen/string.h>
#include <xen/time.h>
#include <xen/xmalloc.h>
#include <xsm/xsm.h>

struct fake fake;
struct vcpu *fake_current;
struct domain *fake_hardware_domain;

static struct {
    char *start;
    size_t size;
    bool read_only;
} guest_memory[4];

void fake_failed(const char *what, const char *file, int line)
{
    fprintf(stderr, "%s:%d: %s is not so\n", file, line, what);
    abort();
}

/* ---- strings, bits, console ---- */

void *memchr_inv(const void *p, int c, size_t size)
{
    const unsigned char *byte = p;

    for (size_t i = 0; i < size; i++)
        if (byte[i] != (unsigned char)c)
            return (void *)&byte[i];
    return NULL;
}

void __set_bit(unsigned int bit, unsigned long *map)
{
    map[bit / BITS_PER_LONG] |= 1UL << (bit % BITS_PER_LONG);
}

void __clear_bit(unsigned int bit, unsigned long *map)
{
    map[bit / BITS_PER_LONG] &= ~(1UL << (bit % BITS_PER_LONG));
}

unsigned long find_next_zero_bit(const unsigned long *map, unsigned long size, unsigned long from)
{
    while (from < size && (map[from / BITS_PER_LONG] >> (from % BITS_PER_LONG) & 1))
        from++;
    return from < size ? from : size;
}

static void console_add(const char *format, ...)
{
    size_t used = strlen(fake.console);
    va_list args;

    va_start(args, format);
    vsnprintf(fake.console + used, sizeof(fake.console) - used, format, args);
    va_end(args);
}

void printk(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    for (const char *p = format; *p; p++) {
        if (*p != '%') {
            console_add("%c", *p);
        } else if (!strncmp(p, "%pd", 3)) {
            console_add("d%u", va_arg(args, struct domain *)->domain_id);
            p += 2;
        } else if (!strncmp(p, "%*phN", 5)) {
            int size = va_arg(args, int);
            const unsigned char *bytes = va_arg(args, const unsigned char *);

            for (int i = 0; i < size; i++)
                console_add("%02x", bytes[i]);
            p += 4;
        } else if (*++p == 's') {
            console_add("%s", va_arg(args, const char *));
        } else {
            ASSERT(*p == 'u' || *p == 'c');
            console_add(*p == 'u' ? "%u" : "%c", va_arg(args, unsigned int));
        }
    }
    va_end(args);
}

void register_keyhandler(unsigned char key, keyhandler_fn_t *fn, const char *desc, bool diagnostic)
{
    ASSERT(!fake.key[key]);
    fake.key[key] = fn;
}

void process_pending_softirqs(void)
{
    ASSERT(!fake.locks_held);
    if (fake.on_softirq)
        fake.on_softirq();
}

unsigned int get_random(void)
{
    static uint64_t state = 1;

    state = state * 6364136223846793005U + 1442695040888963407U;
    return state >> 32;
}

s_time_t fake_now(void)
{
    static s_time_t now = 1000;

    return now += 10;
}

/* ---- heap ---- */

void *fake_alloc(size_t size)
{
    void *p;

    if (fake.heap_fails_in >= 0 && fake.heap_fails_in-- == 0)
        return NULL;
    p = calloc(1, size);
    ASSERT(p);
    fake.heap_live++;
    return p;
}

void xfree(void *p)
{
    if (p)
        fake.heap_live--;
    free(p);
}

/* ---- locks ---- */

void spin_lock(spinlock_t *lock)
{
    ASSERT(!lock->held);
    lock->held = true;
    fake.locks_held++;
}

void spin_unlock(spinlock_t *lock)
{
    ASSERT(lock->held);
    lock->held = false;
    fake.locks_held--;
}

/* ---- radix trees ---- */

#define LEAF 64U
#define LEAVES 512U

struct fake_radix_leaf {
    void *item[LEAF];
    unsigned int used;
};

struct fake_radix_top {
    struct fake_radix_leaf *leaf[LEAVES];
    unsigned int used;
};

static void *tree_alloc(size_t size)
{
    void *p = fake_alloc(size);

    fake.heap_trees += !!p;
    return p;
}

static void tree_free(void *p)
{
    fake.heap_trees -= !!p;
    xfree(p);
}

void radix_tree_init(struct radix_tree_root *root)
{
    root->top = NULL;
}

void radix_tree_destroy(struct radix_tree_root *root, void (*slot_free)(void *))
{
    ASSERT(!slot_free);
    for (unsigned int i = 0; root->top && i < LEAVES; i++)
        tree_free(root->top->leaf[i]);
    tree_free(root->top);
    root->top = NULL;
}

static void **radix_slot(struct radix_tree_root *root, unsigned long index)
{
    struct fake_radix_leaf *leaf =
        root->top && index < LEAF * LEAVES ? root->top->leaf[index / LEAF] : NULL;

    return leaf ? &leaf->item[index % LEAF] : NULL;
}

int radix_tree_insert(struct radix_tree_root *root, unsigned long index, void *item)
{
    struct fake_radix_leaf **leaf;

    ASSERT(index < LEAF * LEAVES && item);
    if (!root->top)
        root->top = tree_alloc(sizeof(*root->top));
    if (!root->top)
        return -ENOMEM;
    leaf = &root->top->leaf[index / LEAF];
    if (!*leaf) {
        *leaf = tree_alloc(sizeof(**leaf)); /* A tree that grew and failed stays so. */
        if (!*leaf)
            return -ENOMEM;
        root->top->used++;
    }
    if ((*leaf)->item[index % LEAF])
        return -EEXIST;
    (*leaf)->item[index % LEAF] = item;
    (*leaf)->used++;
    return 0;
}

void *radix_tree_lookup(struct radix_tree_root *root, unsigned long index)
{
    void **slot = radix_slot(root, index);

    return slot ? *slot : NULL;
}

void *radix_tree_delete(struct radix_tree_root *root, unsigned long index)
{
    void *item = radix_tree_lookup(root, index);
    struct fake_radix_leaf **leaf;

    if (!item)
        return NULL;
    leaf = &root->top->leaf[index / LEAF];
    (*leaf)->item[index % LEAF] = NULL;
    if (!--(*leaf)->used) {
        tree_free(*leaf);
        *leaf = NULL;
        if (!--root->top->used) {
            tree_free(root->top);
            root->top = NULL;
        }
    }
    return item;
}

unsigned int radix_tree_gang_lookup(struct radix_tree_root *root, void **results,
                                    unsigned long first_index, unsigned int max_items)
{
    unsigned int found = 0;

    for (unsigned long i = first_index; root->top && i < LEAF * LEAVES && found < max_items;) {
        void **slot = radix_slot(root, i);

        if (slot && *slot)
            results[found++] = *slot;
        i = slot ? i + 1 : (i / LEAF + 1) * LEAF;
    }
    return found;
}

/* ---- guest memory ---- */

void fake_guest_memory(void *p, size_t size, bool read_only)
{
    unsigned int i = 0;

    while (guest_memory[i].start)
        ASSERT(++i < ARRAY_SIZE(guest_memory));
    guest_memory[i].start = p;
    guest_memory[i].size = size;
    guest_memory[i].read_only = read_only;
}

void fake_guest_memory_drop(unsigned int n)
{
    for (unsigned int i = ARRAY_SIZE(guest_memory); n && i--;)
        if (guest_memory[i].start) {
            guest_memory[i].start = NULL;
            n--;
        }
}

void fake_guest_memory_forget(void)
{
    memset(guest_memory, 0, sizeof(guest_memory));
}

/* How much of a range the guest has. */
static size_t guest_has(const void *p, size_t size, bool to_write)
{
    for (unsigned int i = 0; i < ARRAY_SIZE(guest_memory); i++) {
        uintptr_t start = (uintptr_t)guest_memory[i].start, at = (uintptr_t)p;

        if (start && at >= start && at - start < guest_memory[i].size &&
            !(to_write && guest_memory[i].read_only)) {
            size_t room = guest_memory[i].size - (at - start);

            return size < room ? size : room;
        }
    }
    return 0;
}

unsigned long fake_copy_from(void *to, const void *from, size_t size)
{
    size_t n = guest_has(from, size, false);

    ASSERT(!fake.locks_held);
    fake.copies_in++;
    if (n)
        memcpy(to, from, n);
    return size - n;
}

unsigned long fake_copy_to(void *to, const void *from, size_t size)
{
    size_t n = guest_has(to, size, true);

    ASSERT(!fake.locks_held);
    if (n)
        memcpy(to, from, n);
    return size - n;
}

/* ---- domains and their vCPUs ---- */

bool vcpu_runnable(const struct vcpu *v)
{
    return !v->domain->pause_count.counter;
}

void domain_pause_nosync(struct domain *d)
{
    struct vcpu *v;

    atomic_inc(&d->pause_count);
    if (d->pause_count.counter > 1)
        return; /* They were asked before. */
    for_each_vcpu(d, v)
        v->fake_run_on = fake.run_on;
}

void domain_unpause(struct domain *d)
{
    struct vcpu *v;

    ASSERT(d->pause_count.counter > 0);
    atomic_dec(&d->pause_count);
    if (d->pause_count.counter || d->is_dying)
        return;
    for_each_vcpu(d, v) {
        v->is_running = true;
        v->dirty_cpu = 0;
    }
}

static void schedule(void)
{
    struct vcpu *v;

    for (struct domain *d = fake.domains; d; d = d->fake_next)
        for_each_vcpu(d, v)
            if (v->is_running && !vcpu_runnable(v) && v != current && !v->fake_run_on--) {
                v->is_running = false;
                if (v != d->vcpu[0]) /* Others are switched away from at once. */
                    v->dirty_cpu = VCPU_CPU_CLEAN;
            }
}

void cpu_relax(void)
{
    static unsigned int spins;

    ASSERT(!fake.locks_held);
    ASSERT(++spins < 100000000);
    schedule();
    if (fake.on_relax)
        fake.on_relax();
}

bool hypercall_preempt_check(void)
{
    if (!vcpu_runnable(current)) /* The scheduler wants this CPU. */
        return true;
    if (fake.preempt_in < 0)
        return false;
    if (fake.preempt_in--)
        return false;
    fake.preempt_in = fake.preempt_every;
    return true;
}

void sync_vcpu_execstate(struct vcpu *v)
{
    ASSERT(!fake.locks_held);
    ASSERT(!v->is_running && !vcpu_runnable(v)); /* Nor can it become so meanwhile. */
    v->dirty_cpu = VCPU_CPU_CLEAN;
}

void vcpu_runstate_get(const struct vcpu *v, struct vcpu_runstate_info *info)
{
    info->time[RUNSTATE_running] = v->fake_run_ns;
}

bool get_domain(struct domain *d)
{
    ASSERT(d->fake_refs); /* Zero is never seen: it becomes negative at once. */
    if (d->fake_refs < 0)
        return false;
    d->fake_refs++;
    return true;
}

void put_domain(struct domain *d)
{
    ASSERT(!fake.locks_held); /* It may come back to domgrp_leave(). */
    ASSERT(d->fake_refs > 0);
    if (--d->fake_refs)
        return;
    d->fake_refs = -1;
    fake_domain_finish(d);
}

struct domain *fake_domain_lookup(domid_t domid)
{
    struct domain *d = fake.domains;

    while (d && !(d->fake_listed && d->domain_id == domid))
        d = d->fake_next;
    return d;
}

static void free_domain(struct domain *d)
{
    struct domain **at = &fake.domains;

    while (*at != d)
        at = &(*at)->fake_next;
    *at = d->fake_next;
    free(d->vcpu[0]);
    free(d->vcpu);
    free(d);
}

static void free_dead_domains(void)
{
    for (struct domain *d = fake.domains, *next; d; d = next) {
        next = d->fake_next;
        if (!fake.rcu_depth && d->fake_refs < 0 && !d->fake_listed && d->is_dying == 3)
            free_domain(d);
    }
}

struct domain *rcu_lock_domain_by_id(domid_t domid)
{
    struct domain *d = fake_domain_lookup(domid);

    if (d)
        fake.rcu_depth++;
    return d;
}

void rcu_unlock_domain(struct domain *d)
{
    ASSERT(fake.rcu_depth > 0);
    fake.rcu_depth--;
    free_dead_domains();
}

struct domain *fake_domain_new(domid_t domid, const xen_domain_handle_t uuid, unsigned int vcpus,
                               bool privileged, int *ret_error)
{
    struct domain *d = calloc(1, sizeof(*d));
    int error;

    ASSERT(!fake_domain_lookup(domid));
    d->domain_id = domid;
    d->max_vcpus = vcpus;
    d->is_privileged = privileged;
    d->vcpu = calloc(vcpus + 1, sizeof(*d->vcpu));
    d->fake_refs = 1;
    d->fake_pages = 100;
    d->fake_next = fake.domains;
    fake.domains = d;
    atomic_inc(&d->pause_count);
    d->fake_pauses = 1;

    error = domgrp_birth(d, uuid);
    if (!error && fake.after_birth)
        error = fake.after_birth(d);
    ASSERT(!fake.locks_held);
    if (error) {
        *ret_error = error;
        d->is_dying = 3;
        domgrp_leave(d);
        d->fake_refs = -1;
        free_dead_domains();
        return NULL;
    }
    d->fake_listed = true;

    if (fake.most_vcpus && vcpus > fake.most_vcpus)
        vcpus = fake.most_vcpus;
    d->vcpu[0] = vcpus ? calloc(vcpus, sizeof(**d->vcpu)) : NULL; /* XEN_DOMCTL_max_vcpus */
    for (unsigned int i = 0; i < vcpus; i++) {
        d->vcpu[i] = d->vcpu[0] + i;
        d->vcpu[i]->domain = d;
        d->vcpu[i]->fake_run_ns = 1000;
        d->vcpu[i]->dirty_cpu = VCPU_CPU_CLEAN;
        if (i)
            d->vcpu[i - 1]->next_in_list = d->vcpu[i];
    }
    return d;
}

void fake_domain_pause(struct domain *d)
{
    d->fake_pauses++;
    domain_pause_nosync(d);
}

void fake_domain_unpause(struct domain *d)
{
    ASSERT(d->fake_pauses > 0);
    d->fake_pauses--;
    domain_unpause(d);
}

void fake_domain_kill(struct domain *d)
{
    struct vcpu *v;

    ASSERT(!d->is_dying);
    fake_domain_pause(d);
    for_each_vcpu(d, v) { /* domain_kill() waits for them. */
        v->is_running = false;
        v->dirty_cpu = VCPU_CPU_CLEAN;
    }
    d->is_dying = 1;
}

void fake_domain_release(struct domain *d)
{
    ASSERT(d->is_dying && d->fake_refs > 0 && !d->fake_released);
    d->fake_released = true;
    if (!--d->fake_refs)
        d->fake_refs = -1;
}

void fake_domain_finish(struct domain *d)
{
    ASSERT(d->fake_refs < 0 && d->fake_listed);
    domgrp_leave(d);
    ASSERT(!d->domgrp.group);
    /* Balanced at the end, but for one who waits for it under RCU. */
    ASSERT(fake.rcu_depth || atomic_read(&d->pause_count) == d->fake_pauses);
    d->fake_listed = false;
    d->is_dying = 3;
    free_dead_domains();
}

void fake_domain_remove(struct domain *d)
{
    if (!d->is_dying)
        fake_domain_kill(d);
    fake_domain_release(d);
    if (d->fake_refs < 0)
        fake_domain_finish(d);
}

/* ---- security module ---- */

static bool may_control(void)
{
    return fake.flask || is_control_domain(current->domain);
}

int xsm_sysctl(enum xsm_default action, int cmd)
{
    ASSERT(action == XSM_PRIV && cmd == XEN_SYSCTL_cpupool_op);
    fake.sysctl_checks++;
    return !may_control() || fake.deny_sysctl ? -EPERM : 0;
}

int xsm_domctl(enum xsm_default action, struct domain *d, unsigned int cmd, uint32_t ssidref)
{
    ASSERT(action == XSM_OTHER && !ssidref);
    if (!may_control())
        return -EPERM;
    return fake.xsm ? fake.xsm(d, cmd) : 0;
}

int xsm_getdomaininfo(enum xsm_default action, struct domain *d)
{
    ASSERT(action == XSM_HOOK);
    return fake.xsm ? fake.xsm(d, XEN_DOMCTL_getdomaininfo) : 0;
}

/* ---- hypercall ---- */

unsigned long hypercall_create_continuation(unsigned int op, const char *format, ...)
{
    ASSERT(op == __HYPERVISOR_domgrpctl && !strcmp(format, "h"));
    return op;
}

long fake_hypercall_once(struct xen_domgrpctl *guest_op)
{
    XEN_GUEST_HANDLE_PARAM(xen_domgrpctl_t) handle = { guest_op };
    unsigned int copies = fake.copies_in;
    bool alone = !fake.on_relax;
    int rcu = fake.rcu_depth;
    long rc;

    rc = do_domgrpctl(handle);
    fake.continued = rc == __HYPERVISOR_domgrpctl;
    ASSERT(!fake.locks_held && fake.rcu_depth == rcu);
    /* Guest memory may change at any time: it is read once. */
    ASSERT(!alone || fake.copies_in == copies + 1);
    ASSERT(fake.continued || (rc <= 0 && rc != -ERESTART));
    return rc;
}

long fake_hypercall(struct xen_domgrpctl *guest_op)
{
    long rc;

    do {
        rc = fake_hypercall_once(guest_op);
        if (fake.continued)
            schedule();
    } while (fake.continued);
    return rc;
}

/* ---- boot ---- */

void fake_initcall(int (*fn)(void))
{
    int rc;

    fake.heap_fails_in = -1;
    rc = fn();
    ASSERT(!rc);
}

void fake_reset(void)
{
    fake_guest_memory_forget();
    fake.heap_fails_in = fake.preempt_in = fake.preempt_every = -1;
    fake.run_on = fake.most_vcpus = 0;
    fake.deny_sysctl = fake.flask = false;
    fake.xsm = NULL;
    fake.on_relax = NULL;
    fake.on_softirq = NULL;
    fake.after_birth = NULL;
    fake.console[0] = 0;

    if (!fake_domain_lookup(0)) {
        const xen_domain_handle_t nil = { 0 };
        int error;
        struct domain *dom0 = fake_domain_new(0, nil, 2, true, &error);

        ASSERT(dom0);
        fake_hardware_domain = dom0;
        fake_domain_unpause(dom0);
    }
    fake_current = fake_domain_lookup(0)->vcpu[0];
}
