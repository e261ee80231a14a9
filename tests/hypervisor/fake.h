/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The hypervisor that domgrp.c and domgrpctl.c run in here: domains, vCPUs,
 * guest memory, heap and security module, one CPU, everything to order. It
 * asserts what Xen relies on: the lock is balanced, is not held while waiting,
 * copying or dropping references, and references of dead domains are not used.
 */
#ifndef FAKE_H
#define FAKE_H

#include <public/domgrpctl.h>
#include <xen/keyhandler.h>
#include <xen/sched.h>

struct fake {
    /* To order; zero is a well-behaved world, but for the counts: -1 is never. */
    int heap_fails_in;    /* this many allocations succeed, then one fails */
    int preempt_in;       /* this many checks say no, then one says yes */
    int preempt_every;    /* what preempt_in is set to after that */
    unsigned int run_on;  /* vCPUs run on for so many calls of cpu_relax() */
    unsigned int most_vcpus; /* that a domain is given, whatever its maximum; 0: all */
    bool deny_sysctl;
    bool flask;           /* rights are not tied to being a control domain */
    int (*xsm)(const struct domain *d, unsigned int cmd); /* further denials */
    void (*on_relax)(void);    /* other CPUs at work while this one waits */
    void (*on_softirq)(void);
    int (*after_birth)(struct domain *d); /* what fails in domain_create() then */

    /* To look at */
    struct domain *domains;    /* all that are not freed, by falling age */
    int heap_live;
    int heap_trees;            /* of these, the trees' own */
    int locks_held;
    int rcu_depth;
    unsigned int copies_in;
    unsigned int sysctl_checks;
    bool continued;            /* the last hypercall asked to be called again */
    char console[4096];
    keyhandler_fn_t *key[256];
};

extern struct fake fake;

/* Back to a well-behaved world with domain 0 as the caller; domains stay. */
void fake_reset(void);

/* Memory that the calling guest can read, and write unless @read_only. */
void fake_guest_memory(void *p, size_t size, bool read_only);
void fake_guest_memory_drop(unsigned int n); /* the last ones */
void fake_guest_memory_forget(void);

/*
 * A domain as domain_create() makes it. NULL and *@ret_error when that fails.
 * It is born paused by its toolstack, as all are.
 */
struct domain *fake_domain_new(domid_t domid, const xen_domain_handle_t uuid, unsigned int vcpus,
                               bool privileged, int *ret_error);
struct domain *fake_domain_lookup(domid_t domid);
void fake_domain_pause(struct domain *d);   /* somebody else's reference */
void fake_domain_unpause(struct domain *d);
void fake_domain_kill(struct domain *d);    /* it is dying now */
void fake_domain_release(struct domain *d); /* its own reference is dropped; if that was the last... */
void fake_domain_finish(struct domain *d);  /* ...it leaves and is freed */
void fake_domain_remove(struct domain *d);  /* all three */

/* One entry into the hypervisor, and as many as it takes. */
long fake_hypercall_once(struct xen_domgrpctl *guest_op);
long fake_hypercall(struct xen_domgrpctl *guest_op);

#endif
