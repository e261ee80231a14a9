/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Domains, vCPUs and their pausing, as far as groups see them. */
#ifndef SHIM_SCHED_H
#define SHIM_SCHED_H

#include <public/xen.h>
#include <xen/domgrp.h>
#include <xen/lib.h>

typedef struct { int counter; } atomic_t;
#define atomic_read(a) ((a)->counter)
#define atomic_inc(a) ((void)(a)->counter++)
#define atomic_dec(a) ((void)(a)->counter--)

struct vcpu {
    struct domain *domain;
    struct vcpu *next_in_list;
    bool is_running;
    unsigned int fake_run_on; /* calls of cpu_relax() until it obeys */
    unsigned int dirty_cpu;   /* which holds its state, as lazily switched */
    uint64_t fake_run_ns;
};

struct domain {
    domid_t domain_id;
    xen_domain_handle_t handle;
    struct domgrp_link domgrp;
    struct vcpu **vcpu;
    unsigned int max_vcpus;
    atomic_t pause_count;
    int is_dying;
    bool is_privileged;

    int fake_refs;            /* below zero: destroyed */
    bool fake_released;       /* one of them was the domain's own */
    bool fake_listed;
    int fake_pauses;          /* references others than groups hold */
    unsigned int fake_pages;
    int fake_group;           /* where a test's model has it */
    unsigned int fake_seen;   /* how often a check met it */
    struct domain *fake_next;
};

#define VCPU_CPU_CLEAN (~0U)
#define read_atomic(p) (*(p))
#define smp_rmb() ((void)0)

#define for_each_vcpu(d, v) for ((v) = (d)->vcpu ? (d)->vcpu[0] : NULL; (v); (v) = (v)->next_in_list)

extern struct vcpu *fake_current;
extern struct domain *fake_hardware_domain;
#define current fake_current
#define is_control_domain(d) ((d)->is_privileged)
#define is_hardware_domain(d) ((d) == fake_hardware_domain)
#define is_system_domain(d) ((d)->domain_id >= DOMID_FIRST_RESERVED)
#define domain_tot_pages(d) ((d)->fake_pages)

void domain_pause_nosync(struct domain *d);
void domain_unpause(struct domain *d);
void sync_vcpu_execstate(struct vcpu *v);
bool vcpu_runnable(const struct vcpu *v);
void cpu_relax(void);
bool hypercall_preempt_check(void);

#define RUNSTATE_running 0
struct vcpu_runstate_info { uint64_t time[4]; };
void vcpu_runstate_get(const struct vcpu *v, struct vcpu_runstate_info *info);

bool get_domain(struct domain *d);
void put_domain(struct domain *d);
struct domain *rcu_lock_domain_by_id(domid_t domid);
void rcu_unlock_domain(struct domain *d);

#endif
