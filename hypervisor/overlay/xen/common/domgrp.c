/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Domain groups: the groups, who is in them, who is to be born in them, and
 * whether they are paused.  The interface to guests is in domgrpctl.c.
 *
 * Locking
 *
 * domgrp_lock protects everything in this file, d->domgrp of every domain and,
 * against our own readers, d->handle.  Functions that need it assert it.
 *
 *   - Taken before it:  domctl_lock, the RCU read lock, and whatever a caller
 *                       of put_domain() holds.
 *   - Taken inside it:  the schedulers' locks (vcpu_sleep_nosync(),
 *                       vcpu_wake(), vcpu_runstate_get()), those of the heap
 *                       and those of the XSM module.  Nothing else: above all
 *                       no put_domain(), which would come back to
 *                       domgrp_leave(), and no access to guest memory.
 *   - Never taken in interrupt context, and no path of a running guest takes
 *     it.  It is never held while waiting for a vCPU.
 *
 * A domain stays valid while it is a member and the lock is held: it leaves,
 * taking the lock, before it is torn down.
 *
 * Costs
 *
 * Looking up a group or a reservation, joining, leaving and birth take
 * constant time: radix trees indexed by 15-bit ids and hash tables of fixed
 * size with at most 8 entries per bucket when full.  Only these walk members:
 * the permission check before a pause or unpause (not preemptible: it has to
 * hold for all of them at one time), and the operations documented as batched
 * or preemptible.
 */

#include <xen/domgrp.h>
#include <xen/event.h>
#include <xen/init.h>
#include <xen/keyhandler.h>
#include <xen/lib.h>
#include <xen/list.h>
#include <xen/radix-tree.h>
#include <xen/random.h>
#include <xen/sched.h>
#include <xen/softirq.h>
#include <xen/spinlock.h>
#include <xen/time.h>
#include <xen/xmalloc.h>
#include <xsm/xsm.h>

#define UUID_SIZE        sizeof(xen_domain_handle_t)
#define DOMGRP_IDS       (XEN_DOMGRP_NULL + 1U)
#define GROUP_BUCKETS    (1U << 12) /* for at most DOMGRP_IDS groups */
#define RESERVED_BUCKETS (1U << 13) /* for at most MAX_RESERVATIONS */

/* Reservations dropped without a chance of preemption. */
#define UNRESERVE_BATCH  1024U

/* Members looked at by one domgrp_get_members(). */
#define LIST_BATCH       64U

struct domgrp
{
    uint16_t id;
    uint16_t policy;
    bool paused;
    xen_domain_handle_t uuid;
    struct hlist_node by_uuid;

    struct radix_tree_root members; /* struct domain, by domid */
    unsigned int nr_members;

    struct list_head reserved;
    unsigned int nr_reserved;

    /*
     * Members from domid `follow_next' on may still have to follow `paused';
     * those below have d->domgrp.paused == paused.
     */
    unsigned int follow_next;

    /* Of the pause in force. */
    struct {
        unsigned long serial;    /* tells it from an earlier one */
        unsigned int wait_next;  /* members below this domid have stopped */
        unsigned int domains, vcpus, batches;
        s_time_t first, last, stopped;
    } pause;
};

struct reservation
{
    xen_domain_handle_t uuid;
    struct hlist_node by_uuid;
    struct list_head in_group;
    struct domgrp *group;
};

static DEFINE_SPINLOCK(domgrp_lock);

static struct radix_tree_root groups; /* struct domgrp, by id */
static DECLARE_BITMAP(group_ids, DOMGRP_IDS);
static struct hlist_head group_uuids[GROUP_BUCKETS];
static struct hlist_head reserved_uuids[RESERVED_BUCKETS];
static unsigned int nr_reserved;
static unsigned long pause_serial;

static struct domgrp group_zero = { .id = XEN_DOMGRP_ZERO };
static struct domgrp group_null = {
    .id = XEN_DOMGRP_NULL,
    .uuid = { [0 ... UUID_SIZE - 1] = 0xff },
};

/*
 * UUIDs: hashed with keys of this boot, as guests' owners choose them
 */

static uint64_t __read_mostly hash_key[UUID_SIZE / 4 + 1];

/* Pair-wise independent for every two UUIDs (multiply, add, shift). */
static unsigned int uuid_hash(const uint8_t *uuid, unsigned int buckets)
{
    uint32_t word[UUID_SIZE / 4];
    uint64_t sum = hash_key[ARRAY_SIZE(word)];
    unsigned int i;

    memcpy(word, uuid, sizeof(word));
    for ( i = 0; i < ARRAY_SIZE(word); i++ )
        sum += hash_key[i] * word[i];

    return (sum >> 32) & (buckets - 1);
}

static bool uuid_equal(const uint8_t *a, const uint8_t *b)
{
    return !memcmp(a, b, UUID_SIZE);
}

static bool uuid_is_nil(const uint8_t *uuid)
{
    return !memchr_inv(uuid, 0, UUID_SIZE);
}

static struct hlist_head *group_bucket(const uint8_t *uuid)
{
    return &group_uuids[uuid_hash(uuid, GROUP_BUCKETS)];
}

static struct hlist_head *reserved_bucket(const uint8_t *uuid)
{
    return &reserved_uuids[uuid_hash(uuid, RESERVED_BUCKETS)];
}

/*
 * Finding things
 */

static bool group_is_default(const struct domgrp *g)
{
    return g == &group_zero || g == &group_null;
}

static int group_find(unsigned int id, struct domgrp **ret)
{
    struct domgrp *g;

    ASSERT(spin_is_locked(&domgrp_lock));

    if ( id >= DOMGRP_IDS )
        return -ERANGE;

    g = radix_tree_lookup(&groups, id);
    if ( !g )
        return -ENOENT;

    *ret = g;
    return 0;
}

/* For what is refused on the default groups. */
static int group_find_own(unsigned int id, struct domgrp **ret)
{
    int rc = group_find(id, ret);

    return rc ?: group_is_default(*ret) ? -EROFS : 0;
}

static struct domgrp *group_find_uuid(const uint8_t *uuid)
{
    struct hlist_node *pos;
    struct domgrp *g;

    ASSERT(spin_is_locked(&domgrp_lock));

    hlist_for_each_entry ( g, pos, group_bucket(uuid), by_uuid )
        if ( uuid_equal(g->uuid, uuid) )
            return g;

    return NULL;
}

static struct reservation *reservation_find(const uint8_t *uuid)
{
    struct hlist_node *pos;
    struct reservation *r;

    ASSERT(spin_is_locked(&domgrp_lock));

    hlist_for_each_entry ( r, pos, reserved_bucket(uuid), by_uuid )
        if ( uuid_equal(r->uuid, uuid) )
            return r;

    return NULL;
}

/* The first group or member at or above an index. */
static void *first_from(struct radix_tree_root *tree, unsigned long index)
{
    void *item;

    ASSERT(spin_is_locked(&domgrp_lock));

    return radix_tree_gang_lookup(tree, &item, index, 1) ? item : NULL;
}

#define for_each_member_from(d, g, domid)                        \
    for ( (d) = first_from(&(g)->members, domid); (d) != NULL;   \
          (d) = first_from(&(g)->members, (d)->domain_id + 1UL) )

#define for_each_member(d, g) for_each_member_from(d, g, 0)

/*
 * Membership.  A domain's reference for a pause is what its link says, and the
 * link follows the group.
 */

static void link_set_paused(struct domain *d, bool paused)
{
    ASSERT(spin_is_locked(&domgrp_lock));

    if ( d->domgrp.paused == paused )
        return;

    d->domgrp.paused = paused;
    if ( paused )
        domain_pause_nosync(d);
    else
        domain_unpause(d);
}

static int group_add(struct domgrp *g, struct domain *d)
{
    int rc;

    ASSERT(spin_is_locked(&domgrp_lock));

    rc = radix_tree_insert(&g->members, d->domain_id, d);
    if ( !rc )
        g->nr_members++;

    return rc;
}

static void group_del(struct domgrp *g, const struct domain *d)
{
    const struct domain *old;

    ASSERT(spin_is_locked(&domgrp_lock));

    old = radix_tree_delete(&g->members, d->domain_id);
    ASSERT(old == d);
    (void)old;
    g->nr_members--;
}

static bool domain_is_fixed(const struct domain *d)
{
    return is_control_domain(d) || is_hardware_domain(d);
}

int domgrp_birth(struct domain *d, const uint8_t *uuid)
{
    const struct reservation *r;
    struct domgrp *g = &group_null;
    int rc;

    ASSERT(!d->domgrp.group && !is_system_domain(d));

    spin_lock(&domgrp_lock);

    if ( domain_is_fixed(d) )
        g = &group_zero;
    else if ( (r = reservation_find(uuid)) != NULL )
        g = r->group;

    rc = group_add(g, d);
    if ( !rc )
    {
        memcpy(d->handle, uuid, UUID_SIZE);
        d->domgrp.group = g;
        d->domgrp.paused = g->paused;
        /* It has no vCPUs yet: there is nothing to stop. */
        if ( g->paused )
            atomic_inc(&d->pause_count);
    }

    spin_unlock(&domgrp_lock);

    return rc;
}

void domgrp_leave(struct domain *d)
{
    struct domgrp *g;

    ASSERT(d->is_dying);

    spin_lock(&domgrp_lock);

    g = d->domgrp.group;
    if ( g )
    {
        group_del(g, d);
        d->domgrp.group = NULL;
        /* It is dead: there is nothing to wake. */
        if ( d->domgrp.paused )
            atomic_dec(&d->pause_count);
        d->domgrp.paused = false;
    }

    spin_unlock(&domgrp_lock);
}

int domgrp_set_handle(struct domain *d, const uint8_t *uuid)
{
    const struct reservation *r;
    int rc = 0;

    spin_lock(&domgrp_lock);

    r = reservation_find(uuid);
    if ( r && r->group != d->domgrp.group )
        rc = -EEXIST;
    else
        memcpy(d->handle, uuid, UUID_SIZE);

    spin_unlock(&domgrp_lock);

    return rc;
}

/* Of a domain that is paused: is there nothing left to wait for? */
static bool domain_has_stopped(const struct domain *d)
{
    const struct vcpu *v;

    for_each_vcpu ( d, v )
    {
        if ( v->is_running )
            return false;

        smp_rmb(); /* context_saved() clears it last. */
        if ( read_atomic(&v->dirty_cpu) != VCPU_CPU_CLEAN )
            return false;
    }

    return true;
}

/*
 * Wait until a domain has stopped, holding no lock.  A reference for the time
 * of the wait keeps it from running again when the group is unpaused meanwhile.
 */
static int domain_wait_stopped(struct domain *d)
{
    struct vcpu *v;
    int rc = 0;

    ASSERT(d != current->domain);

    domain_pause_nosync(d);

    for_each_vcpu ( d, v )
    {
        /*
         * Not vcpu_sleep_sync(): the one waited for may be waiting likewise
         * for a domain of ours that it has paused.
         */
        while ( v->is_running && !rc )
        {
            cpu_relax();
            if ( hypercall_preempt_check() )
                rc = -ERESTART;
        }

        if ( rc )
            break;

        sync_vcpu_execstate(v);
    }

    domain_unpause(d);

    return rc;
}

static int join_check(struct domain *d, const uint8_t *uuid,
                      const struct domgrp *from, const struct domgrp *to)
{
    int rc;

    if ( !from || d->is_dying || !uuid_equal(d->handle, uuid) )
        return -ESRCH;

    rc = xsm_domctl(XSM_OTHER, d, XEN_DOMCTL_setdomainhandle, 0);
    if ( rc )
        return rc;

    if ( domain_is_fixed(d) && to != &group_zero )
        return -EROFS;

    if ( to->paused && d == current->domain )
        return -EDEADLK;

    if ( to->paused == d->domgrp.paused )
        return 0;

    return xsm_domctl(XSM_OTHER, d, to->paused ? XEN_DOMCTL_pausedomain
                                               : XEN_DOMCTL_unpausedomain, 0);
}

int domgrp_join(struct domain *d, const uint8_t *uuid, unsigned int id)
{
    struct domgrp *from, *to;
    bool paused = false;
    int rc;

    spin_lock(&domgrp_lock);

    rc = group_find(id, &to);
    if ( rc )
        goto out;

    from = d->domgrp.group;
    rc = join_check(d, uuid, from, to);
    if ( rc )
        goto out;

    if ( from != to )
    {
        rc = group_add(to, d);
        if ( rc )
            goto out;
        group_del(from, d);
        d->domgrp.group = to;
    }

    paused = to->paused;
    link_set_paused(d, paused);

 out:
    spin_unlock(&domgrp_lock);

    return rc ?: paused ? domain_wait_stopped(d) : 0;
}

/*
 * Pause
 */

static int check_members(const struct domgrp *g, unsigned int cmd)
{
    struct domain *d;
    int rc;

    for_each_member ( d, (struct domgrp *)g )
    {
        rc = xsm_domctl(XSM_OTHER, d, cmd, 0);
        if ( rc )
            return rc;
    }

    return 0;
}

/*
 * Let the members' references follow the group's state, up to a number of vCPUs
 * at a time.  What is left is known by the group: whoever pauses or unpauses it
 * next goes on there, so that it does not matter who that is.
 */
static int group_follow(struct domgrp *g)
{
    unsigned int batch = 0;
    struct domain *d;

    ASSERT(spin_is_locked(&domgrp_lock));

    for_each_member_from ( d, g, g->follow_next )
    {
        if ( batch && batch + d->max_vcpus > XEN_DOMGRP_PAUSE_ATOMIC )
            break;
        batch += max(d->max_vcpus, 1U);

        link_set_paused(d, g->paused);

        if ( g->paused )
        {
            g->pause.domains++;
            g->pause.vcpus += d->max_vcpus;
        }
    }

    if ( batch && g->paused )
    {
        g->pause.batches++;
        g->pause.last = NOW();
    }

    g->follow_next = d ? d->domain_id : DOMGRP_IDS;

    return d ? -ERESTART : 0;
}

/* Ask all members to stop.  *serial is then that of the pause in force. */
static int group_stop(unsigned int id, unsigned long *serial)
{
    struct domgrp *g;
    int rc;

    spin_lock(&domgrp_lock);

    rc = group_find_own(id, &g);
    if ( rc )
        goto out;

    rc = -EDEADLK;
    if ( current->domain->domgrp.group == g )
        goto out;

    rc = check_members(g, XEN_DOMCTL_pausedomain);
    if ( rc )
        goto out;

    if ( !g->paused )
    {
        g->paused = true;
        g->follow_next = 0;
        memset(&g->pause, 0, sizeof(g->pause));
        g->pause.serial = ++pause_serial;
        g->pause.first = g->pause.last = NOW();
    }

    *serial = g->pause.serial;
    rc = group_follow(g);

 out:
    spin_unlock(&domgrp_lock);

    return rc;
}

static void pause_report(struct domgrp *g, struct xen_domgrpctl_pause *ret)
{
    ASSERT(spin_is_locked(&domgrp_lock));

    g->pause.wait_next = DOMGRP_IDS;
    if ( !g->pause.stopped )
        g->pause.stopped = NOW();

    ret->domains = g->pause.domains;
    ret->vcpus = g->pause.vcpus;
    ret->batches = g->pause.batches;
    ret->request_ns = g->pause.last - g->pause.first;
    ret->stopped_ns = g->pause.stopped - g->pause.first;
}

/* Passes over those that need no waiting, as the lock keeps them paused. */
static struct domain *group_first_to_wait_for(struct domgrp *g)
{
    struct domain *d;

    ASSERT(spin_is_locked(&domgrp_lock));

    for_each_member_from ( d, g, g->pause.wait_next )
    {
        if ( d == current->domain || !domain_has_stopped(d) )
            break;
        g->pause.wait_next = d->domain_id + 1U;
    }

    return d;
}

/*
 * Wait for one member after the other.  The lock is dropped while waiting, so
 * that the group must be found again; when that pause is over, start again.
 */
static int group_wait(unsigned int id, unsigned long serial,
                      struct xen_domgrpctl_pause *ret)
{
    unsigned int next = 0;
    struct domgrp *g;
    struct domain *d;
    int rc;

    for ( ; ; )
    {
        spin_lock(&domgrp_lock);

        rc = group_find(id, &g);
        if ( rc )
            break;

        rc = -ERESTART;
        if ( !g->paused || g->pause.serial != serial )
            break;

        g->pause.wait_next = max(g->pause.wait_next, next);
        d = group_first_to_wait_for(g);
        if ( !d )
        {
            pause_report(g, ret);
            rc = 0;
            break;
        }

        /* Joined by another CPU since: group_stop() refuses that. */
        if ( d == current->domain )
            break;

        next = d->domain_id + 1U;
        if ( !get_domain(d) ) /* On its way out, with nothing to wait for. */
        {
            spin_unlock(&domgrp_lock);
            continue;
        }

        spin_unlock(&domgrp_lock);
        rc = domain_wait_stopped(d);
        put_domain(d);
        if ( rc )
            return rc;
    }

    spin_unlock(&domgrp_lock);

    return rc;
}

int domgrp_pause(unsigned int id, struct xen_domgrpctl_pause *ret)
{
    unsigned long serial;
    int rc = group_stop(id, &serial);

    return rc ?: group_wait(id, serial, ret);
}

int domgrp_unpause(unsigned int id)
{
    struct domgrp *g;
    int rc;

    spin_lock(&domgrp_lock);

    rc = group_find_own(id, &g);
    if ( rc )
        goto out;

    rc = check_members(g, XEN_DOMCTL_unpausedomain);
    if ( rc )
        goto out;

    if ( g->paused )
    {
        g->paused = false;
        g->follow_next = 0;
    }

    rc = group_follow(g);

 out:
    spin_unlock(&domgrp_lock);

    return rc;
}

/*
 * Groups come and go
 */

static void group_init(struct domgrp *g)
{
    radix_tree_init(&g->members);
    INIT_LIST_HEAD(&g->reserved);
    g->follow_next = DOMGRP_IDS;
}

static int group_insert(struct domgrp *g)
{
    int rc = radix_tree_insert(&groups, g->id, g);

    if ( !rc )
    {
        __set_bit(g->id, group_ids);
        hlist_add_head(&g->by_uuid, group_bucket(g->uuid));
    }

    return rc;
}

static int id_choose(unsigned int *id)
{
    static unsigned int rover = XEN_DOMGRP_ZERO;
    unsigned int found;

    ASSERT(spin_is_locked(&domgrp_lock));

    found = find_next_zero_bit(group_ids, XEN_DOMGRP_NULL, rover + 1);
    if ( found >= XEN_DOMGRP_NULL )
        found = find_next_zero_bit(group_ids, XEN_DOMGRP_NULL,
                                   XEN_DOMGRP_FIRST);
    if ( found >= XEN_DOMGRP_NULL )
        return -ENOSPC;

    *id = rover = found;

    return 0;
}

int domgrp_create(const uint8_t *uuid, unsigned int policy, uint16_t *id)
{
    unsigned int chosen = *id;
    struct domgrp *g;
    int rc;

    if ( uuid_is_nil(uuid) || policy != XEN_DOMGRP_POLICY_OPEN )
        return -EINVAL;

    if ( chosen != XEN_DOMGRP_ANY &&
         (chosen < XEN_DOMGRP_FIRST || chosen > XEN_DOMGRP_LAST) )
        return -ERANGE;

    g = xzalloc(struct domgrp);
    if ( !g )
        return -ENOMEM;

    group_init(g);
    memcpy(g->uuid, uuid, UUID_SIZE);
    g->policy = policy;

    spin_lock(&domgrp_lock);

    rc = -EEXIST;
    if ( group_find_uuid(uuid) )
        goto out;

    if ( chosen == XEN_DOMGRP_ANY )
    {
        rc = id_choose(&chosen);
        if ( rc )
            goto out;
    }

    g->id = chosen;
    rc = group_insert(g); /* -EEXIST when the id is taken. */
    if ( rc )
        goto out;

    *id = chosen;
    g = NULL;

 out:
    spin_unlock(&domgrp_lock);
    xfree(g);

    return rc;
}

int domgrp_destroy(unsigned int id)
{
    struct domgrp *g;
    int rc;

    spin_lock(&domgrp_lock);

    rc = group_find_own(id, &g);
    if ( !rc && g->nr_members )
        rc = -ENOTEMPTY;
    if ( !rc && g->nr_reserved )
        rc = -EBUSY;
    if ( !rc )
    {
        radix_tree_delete(&groups, id);
        __clear_bit(id, group_ids);
        hlist_del(&g->by_uuid);
    }

    spin_unlock(&domgrp_lock);

    if ( rc )
        return rc;

    radix_tree_destroy(&g->members, NULL);
    xfree(g);

    return 0;
}

/*
 * Reservations
 */

static void reservation_link(struct reservation *r, struct domgrp *g)
{
    r->group = g;
    list_add_tail(&r->in_group, &g->reserved);
    g->nr_reserved++;
}

static void reservation_unlink(struct reservation *r)
{
    list_del(&r->in_group);
    r->group->nr_reserved--;
}

static void reservation_drop(struct reservation *r)
{
    reservation_unlink(r);
    hlist_del(&r->by_uuid);
    nr_reserved--;
    xfree(r);
}

int domgrp_reserve(const uint8_t *uuid, unsigned int id, bool move)
{
    struct reservation *r, *fresh;
    struct domgrp *g;
    int rc;

    if ( uuid_is_nil(uuid) )
        return -EINVAL;

    fresh = xzalloc(struct reservation);

    spin_lock(&domgrp_lock);

    rc = group_find(id, &g);
    if ( rc )
        goto out;

    rc = -EROFS;
    if ( g == &group_null )
        goto out;

    r = reservation_find(uuid);
    if ( r )
    {
        rc = -EEXIST;
        if ( r->group != g && !move )
            goto out;
        reservation_unlink(r);
        reservation_link(r, g);
        rc = 0;
        goto out;
    }

    rc = -ENOSPC;
    if ( nr_reserved >= XEN_DOMGRP_MAX_RESERVATIONS )
        goto out;

    rc = -ENOMEM;
    if ( !fresh )
        goto out;

    memcpy(fresh->uuid, uuid, UUID_SIZE);
    hlist_add_head(&fresh->by_uuid, reserved_bucket(uuid));
    reservation_link(fresh, g);
    nr_reserved++;
    fresh = NULL;
    rc = 0;

 out:
    spin_unlock(&domgrp_lock);
    xfree(fresh);

    return rc;
}

static int unreserve_all(struct domgrp *g)
{
    struct reservation *r, *next;
    unsigned int n = 0;

    ASSERT(spin_is_locked(&domgrp_lock));

    list_for_each_entry_safe ( r, next, &g->reserved, in_group )
    {
        if ( n++ == UNRESERVE_BATCH )
            return -ERESTART;
        reservation_drop(r);
    }

    return 0;
}

int domgrp_unreserve(const uint8_t *uuid, unsigned int id)
{
    struct reservation *r;
    struct domgrp *g;
    int rc;

    spin_lock(&domgrp_lock);

    rc = group_find(id, &g);
    if ( rc )
        goto out;

    if ( uuid_is_nil(uuid) )
    {
        rc = unreserve_all(g);
        goto out;
    }

    rc = -ESRCH;
    r = reservation_find(uuid);
    if ( !r || r->group != g )
        goto out;

    reservation_drop(r);
    rc = 0;

 out:
    spin_unlock(&domgrp_lock);

    return rc;
}

/*
 * Telling
 */

static unsigned int member_flags(const struct domain *d)
{
    return (d->is_dying ? XEN_DOMGRP_MEMBER_DYING : 0) |
           (d->domgrp.paused ? XEN_DOMGRP_MEMBER_PAUSED : 0);
}

static void info_add(struct xen_domgrpctl_getinfo *info, struct domain *d)
{
    struct vcpu_runstate_info runstate;
    const struct vcpu *v;

    info->members++;
    info->dying += !!d->is_dying;
    info->pages += domain_tot_pages(d);

    for_each_vcpu ( d, v )
    {
        vcpu_runstate_get(v, &runstate);
        info->cpu_time_ns += runstate.time[RUNSTATE_running];
    }
}

int domgrp_get_info(struct xen_domgrpctl_getinfo *info)
{
    const struct domain *start = NULL;
    struct domgrp *g;
    struct domain *d;
    int rc = -ERANGE;

    spin_lock(&domgrp_lock);

    if ( info->id >= DOMGRP_IDS )
        goto out;

    g = first_from(&groups, info->id); /* The Null-Group, if no other. */
    if ( g->id != info->id )
        info->progress = 0; /* The one it was collected for has gone. */

    if ( !info->progress )
        info->members = info->dying = info->pages = info->cpu_time_ns = 0;

    info->id = g->id;
    info->policy = g->policy;
    info->flags = (group_is_default(g) ? XEN_DOMGRP_DEFAULT : 0) |
                  (g->paused ? XEN_DOMGRP_PAUSED : 0);
    memcpy(info->uuid, g->uuid, UUID_SIZE);
    info->reservations = g->nr_reserved;

    for_each_member_from ( d, g, info->progress )
    {
        if ( !start )
            start = d;
        else if ( hypercall_preempt_check() )
        {
            info->progress = d->domain_id;
            rc = -ERESTART;
            goto out;
        }

        if ( !xsm_getdomaininfo(XSM_HOOK, d) )
            info_add(info, d);
    }

    info->progress = 0;
    rc = 0;

 out:
    spin_unlock(&domgrp_lock);

    return rc;
}

int domgrp_get_members(unsigned int id, uint32_t *first,
                       struct xen_domgrp_member *members, unsigned int nr)
{
    unsigned int seen = 0, n = 0;
    struct domgrp *g;
    struct domain *d;
    int rc;

    spin_lock(&domgrp_lock);

    rc = group_find(id, &g);
    if ( rc )
        goto out;

    for_each_member_from ( d, g, *first )
    {
        if ( n == nr || seen++ == LIST_BATCH )
            break;

        if ( xsm_getdomaininfo(XSM_HOOK, d) )
            continue;

        members[n] = (struct xen_domgrp_member){
            .domid = d->domain_id,
            .flags = member_flags(d),
        };
        memcpy(members[n++].uuid, d->handle, UUID_SIZE);
    }

    *first = d ? d->domain_id : XEN_DOMGRP_MEMBERS_END;
    rc = n;

 out:
    spin_unlock(&domgrp_lock);

    return rc;
}

int domgrp_get_domain(struct domain *d, struct xen_domgrpctl_getdomain *ret)
{
    const struct domgrp *g;

    spin_lock(&domgrp_lock);

    g = d->domgrp.group;
    if ( g )
    {
        ret->id = g->id;
        ret->flags = member_flags(d);
        memcpy(ret->uuid, d->handle, UUID_SIZE);
        memcpy(ret->group_uuid, g->uuid, UUID_SIZE);
    }

    spin_unlock(&domgrp_lock);

    return g ? 0 : -ESRCH;
}

/*
 * Debug key: printed in pieces, as a serial console is slow
 */

#define DUMP_PIECE 16U

static bool dump_group(unsigned int *id)
{
    const struct domgrp *g;

    spin_lock(&domgrp_lock);

    g = first_from(&groups, *id);
    if ( g )
    {
        *id = g->id;
        printk("group %u: uuid %*phN members %u reservations %u%s\n", g->id,
               (int)UUID_SIZE, g->uuid, g->nr_members, g->nr_reserved,
               g->paused ? " paused" : "");
    }

    spin_unlock(&domgrp_lock);

    return g;
}

static bool dump_members(unsigned int id, unsigned int *first)
{
    unsigned int n = 0;
    struct domgrp *g;
    struct domain *d = NULL;

    spin_lock(&domgrp_lock);

    if ( !group_find(id, &g) )
        for_each_member_from ( d, g, *first )
        {
            if ( n++ == DUMP_PIECE )
                break;
            printk("%s%pd%s%s", n == 1 ? "   " : " ", d,
                   d->is_dying ? "/dying" : "",
                   d->domgrp.paused ? "/paused" : "");
        }

    if ( n )
        printk("\n");
    if ( d )
        *first = d->domain_id;

    spin_unlock(&domgrp_lock);

    return d;
}

static void cf_check dump_groups(unsigned char key)
{
    unsigned int id, first;

    printk("'%c' pressed -> dumping domain groups\n", key);

    for ( id = 0; dump_group(&id); id++ )
        for ( first = 0; dump_members(id, &first); )
            process_pending_softirqs();
}

static int __init cf_check domgrp_init(void)
{
    unsigned int i;

    for ( i = 0; i < ARRAY_SIZE(hash_key); i++ )
        hash_key[i] = ((uint64_t)get_random() << 32) | get_random();

    radix_tree_init(&groups);
    group_init(&group_zero);
    group_init(&group_null);
    if ( group_insert(&group_zero) || group_insert(&group_null) )
        panic("No memory for the default domain groups\n");

    register_keyhandler('J', dump_groups, "dump domain groups", 1);

    return 0;
}
__initcall(domgrp_init); /* After radix-tree.c, before the first domain. */

/*
 * Local variables:
 * mode: C
 * c-file-style: "BSD"
 * c-basic-offset: 4
 * tab-width: 4
 * indent-tabs-mode: nil
 * End:
 */
