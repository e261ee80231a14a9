/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The group hypercall as dom0 sees it: every operation of libxendomgrp and
 * every refusal that <xen/domgrpctl.h> documents, against a real hypervisor.
 * Run it in dom0; it makes groups and empty domains of its own, needs no
 * guest image, leaves nothing behind and prints TAP. Without groups in the
 * hypervisor it skips.
 */
#include "xendomgrp.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <xencall.h>
#include <xenctrl.h>

#define FREE_ID 0x7ABC   /* an id that the tests take */
#define ABSENT_ID 0x7ABD /* and one that stays free */
#define MANY_MEMBERS 20  /* empty domains for the member list */
#define NO_DOMID 0x7FEF  /* the last domid, which no domain here has */

static xendomgrp_handle *handle;
static xencall_handle *raw;
static xc_interface *xc;
static uint32_t player; /* a domain with the UUID 1, in the Null-Group between tests */
static int tests, failures;

/* -- TAP -- */

static void check(bool good, const char *what)
{
    printf("%sok %d - %s\n", good ? "" : "not ", ++tests, what);
    failures += !good;
}

static void check_result(int result, int expected, const char *what)
{
    check(result == expected, what);
    if (result != expected)
        printf("# expected %s, got %s\n", expected != 0 ? strerror(-expected) : "success",
               result != 0 ? strerror(-result) : "success");
}

/* -- helpers -- */

static void uuid_make(xen_domain_handle_t uuid, uint8_t seed)
{
    memset(uuid, 0xd0, sizeof(xen_domain_handle_t));
    uuid[15] = seed;
}

/* A domain without memory, which is enough to be a member. */
static int domain_make(const xen_domain_handle_t uuid, uint32_t *domid)
{
    struct xen_domctl_createdomain config = {
        .max_vcpus = 1,
        .max_evtchn_port = -1,
        .max_grant_frames = 4,
        .max_maptrack_frames = 4,
        .grant_opts = XEN_DOMCTL_GRANT_version(1),
    };
    memcpy(config.handle, uuid, sizeof(config.handle));
    *domid = 0;
    return xc_domain_create(xc, domid, &config) == 0 ? 0 : -errno;
}

static int group_of(uint32_t domid)
{
    struct xen_domgrpctl_getdomain domain;
    int result = xendomgrp_getdomain(handle, (domid_t)domid, &domain);
    return result != 0 ? result : domain.id;
}

/* How many members @id has; negative on error. */
static int members_of(uint16_t id)
{
    struct xen_domgrpctl_getinfo info;
    int result = xendomgrp_getinfo(handle, id, &info);
    return result != 0 ? result : info.id != id ? -ENOENT : (int)info.members;
}

/* Waits until a destroyed domain is gone, which Xen finishes on its own. */
static void domain_unmake(uint32_t domid)
{
    const struct timespec nap = {.tv_nsec = 1000000};
    xc_domain_destroy(xc, domid);
    for (int i = 0; i < 10000 && group_of(domid) >= 0; i++)
        nanosleep(&nap, NULL);
}

/* One call with all its 128 bytes as given. */
static int raw_call(const struct xen_domgrpctl *op)
{
    struct xen_domgrpctl *buffer = xencall_alloc_buffer(raw, sizeof(*buffer));
    *buffer = *op;
    int result = xencall1(raw, __HYPERVISOR_domgrpctl, (uintptr_t)buffer) < 0 ? -errno : 0;
    xencall_free_buffer(raw, buffer);
    return result;
}

static struct xen_domgrpctl raw_op(uint32_t cmd)
{
    return (struct xen_domgrpctl){.cmd = cmd, .interface_version = XEN_DOMGRPCTL_VERSION};
}

/* -- the envelope: command, version, pointers -- */

static void test_envelope(void)
{
    static const uint32_t unknown[] = {0, XEN_DOMGRPCTL_GETDOMAIN + 1, 0x80000000U, 0xffffffffU};
    static const uint32_t versions[] = {0, XEN_DOMGRPCTL_VERSION + 1, 0xffffffffU};
    struct xen_domgrpctl op;

    for (unsigned i = 0; i < sizeof(unknown) / sizeof(unknown[0]); i++) {
        op = raw_op(unknown[i]);
        check_result(raw_call(&op), -EOPNOTSUPP, "an unknown operation is refused");
    }
    for (unsigned i = 0; i < sizeof(versions) / sizeof(versions[0]); i++) {
        op = raw_op(XEN_DOMGRPCTL_GETINFO);
        op.interface_version = versions[i];
        check_result(raw_call(&op), -EACCES, "another version is refused");
    }
    int result = xencall1(raw, __HYPERVISOR_domgrpctl, 0x10) < 0 ? -errno : 0;
    check_result(result, -EFAULT, "an operation at a bad address is refused");
    result = xencall1(raw, __HYPERVISOR_domgrpctl, 0xffff800000000000ULL) < 0 ? -errno : 0;
    check_result(result, -EFAULT, "an operation in Xen's own memory is refused");
}

/* -- padding: each byte that is no field must be zero -- */

typedef struct {
    const char *name;
    uint32_t cmd;
    struct {
        unsigned first, last;
    } pads[3]; /* offsets in the union; the last ends it */
} Padding;

static const Padding paddings[] = {
    {"create", XEN_DOMGRPCTL_CREATE, {{20, 119}}},
    {"destroy", XEN_DOMGRPCTL_DESTROY, {{2, 119}}},
    {"join", XEN_DOMGRPCTL_JOIN, {{20, 119}}},
    {"reserve", XEN_DOMGRPCTL_RESERVE, {{20, 119}}},
    {"unreserve", XEN_DOMGRPCTL_UNRESERVE, {{20, 119}}},
    {"pause", XEN_DOMGRPCTL_PAUSE, {{2, 7}, {20, 23}, {40, 119}}},
    {"unpause", XEN_DOMGRPCTL_UNPAUSE, {{2, 119}}},
    {"getinfo", XEN_DOMGRPCTL_GETINFO, {{56, 119}}},
    {"getmembers", XEN_DOMGRPCTL_GETMEMBERS, {{2, 7}, {24, 119}}},
    {"getdomain", XEN_DOMGRPCTL_GETDOMAIN, {{40, 119}}},
};

/* An operation that would succeed on group FREE_ID, but for its padding. */
static struct xen_domgrpctl padded_op(const Padding *padding)
{
    struct xen_domgrpctl op = raw_op(padding->cmd);

    switch (padding->cmd) {
    case XEN_DOMGRPCTL_CREATE:
        op.u.create.id = ABSENT_ID;
        uuid_make(op.u.create.uuid, 99);
        break;
    case XEN_DOMGRPCTL_JOIN:
        op.u.join.id = FREE_ID;
        op.u.join.domid = (domid_t)player;
        uuid_make(op.u.join.uuid, 1);
        break;
    case XEN_DOMGRPCTL_RESERVE:
    case XEN_DOMGRPCTL_UNRESERVE:
        op.u.reserve.id = FREE_ID;
        uuid_make(op.u.reserve.uuid, 1);
        break;
    case XEN_DOMGRPCTL_GETDOMAIN:
        op.u.getdomain.domid = (domid_t)player;
        break;
    default:
        op.u.destroy.id = FREE_ID; /* id is first in all others */
        break;
    }
    return op;
}

static void test_padding(void)
{
    for (unsigned i = 0; i < sizeof(paddings) / sizeof(paddings[0]); i++) {
        const Padding *padding = &paddings[i];
        unsigned accepted = 0;
        char what[80];

        for (unsigned p = 0; p < 3; p++) {
            for (unsigned o = padding->pads[p].first; o <= padding->pads[p].last && o > 0; o++) {
                struct xen_domgrpctl op = padded_op(padding);
                op.u._pad[o] = 0x80;
                accepted += raw_call(&op) != -EINVAL;
            }
        }
        snprintf(what, sizeof(what), "%s refuses every byte of padding", padding->name);
        check(accepted == 0, what);
    }
}

/* -- ids -- */

typedef int (*OnGroup)(uint16_t id);

static int on_destroy(uint16_t id)
{
    return xendomgrp_destroy(handle, id);
}

static int on_join(uint16_t id)
{
    xen_domain_handle_t uuid;
    uuid_make(uuid, 1);
    return xendomgrp_join(handle, id, (domid_t)player, uuid);
}

static int on_reserve(uint16_t id)
{
    xen_domain_handle_t uuid;
    uuid_make(uuid, 90);
    return xendomgrp_reserve(handle, id, uuid, 0);
}

static int on_unreserve(uint16_t id)
{
    xen_domain_handle_t uuid;
    uuid_make(uuid, 90);
    return xendomgrp_unreserve(handle, id, uuid);
}

static int on_pause(uint16_t id)
{
    struct xen_domgrpctl_pause pause;
    return xendomgrp_pause(handle, id, &pause);
}

static int on_unpause(uint16_t id)
{
    return xendomgrp_unpause(handle, id);
}

static int on_members(uint16_t id)
{
    struct xen_domgrp_member member;
    uint32_t first = 0, count = 1;
    return xendomgrp_getmembers(handle, id, &first, &member, &count);
}

static int on_info(uint16_t id)
{
    struct xen_domgrpctl_getinfo info;
    return xendomgrp_getinfo(handle, id, &info);
}

static void test_ids(void)
{
    static const struct {
        const char *name;
        OnGroup call;
        int absent; /* what a free id gives */
        int zero;   /* what Group-0 gives; 1: not asked */
        int null;   /* what the Null-Group gives */
    } rows[] = {
        {"destroy", on_destroy, -ENOENT, -EROFS, -EROFS},
        {"join", on_join, -ENOENT, 1, 0},
        {"reserve", on_reserve, -ENOENT, 1, -EROFS},
        {"unreserve", on_unreserve, -ENOENT, -ESRCH, -ESRCH},
        {"pause", on_pause, -ENOENT, -EROFS, -EROFS},
        {"unpause", on_unpause, -ENOENT, -EROFS, -EROFS},
        {"getmembers", on_members, -ENOENT, 0, 0},
        {"getinfo", on_info, 0, 0, 0},
    };
    char what[80];

    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        snprintf(what, sizeof(what), "%s: an id beyond the last is refused", rows[i].name);
        check_result(rows[i].call(0x8000), -ERANGE, what);
        snprintf(what, sizeof(what), "%s: the id 0xffff is refused", rows[i].name);
        check_result(rows[i].call(0xffff), -ERANGE, what);
        snprintf(what, sizeof(what), "%s: an id without a group", rows[i].name);
        check_result(rows[i].call(ABSENT_ID), rows[i].absent, what);
        snprintf(what, sizeof(what), "%s: the Null-Group", rows[i].name);
        check_result(rows[i].call(XEN_DOMGRP_NULL), rows[i].null, what);
        if (rows[i].zero == 1)
            continue;
        snprintf(what, sizeof(what), "%s: Group-0", rows[i].name);
        check_result(rows[i].call(XEN_DOMGRP_ZERO), rows[i].zero, what);
    }
}

/* -- create, destroy, getinfo -- */

static void test_create(void)
{
    static const uint16_t bad_ids[] = {XEN_DOMGRP_ZERO, XEN_DOMGRP_NULL, 0x8000, 0xfffe};
    xen_domain_handle_t uuid, other, nil = {0};
    uint16_t id;

    uuid_make(uuid, 100);
    uuid_make(other, 101);
    for (unsigned i = 0; i < sizeof(bad_ids) / sizeof(bad_ids[0]); i++) {
        id = bad_ids[i];
        check_result(xendomgrp_create(handle, other, XEN_DOMGRP_POLICY_OPEN, &id), -ERANGE,
                     "create: an id that no group can be given is refused");
    }
    id = ABSENT_ID;
    check_result(xendomgrp_create(handle, nil, 0, &id), -EINVAL, "create: the nil UUID is refused");
    check_result(xendomgrp_create(handle, other, 0xffff, &id), -EINVAL,
                 "create: an unknown policy is refused");
    check_result(xendomgrp_create(handle, uuid, 0, &id), -EEXIST, "create: a UUID in use");
    id = FREE_ID;
    check_result(xendomgrp_create(handle, other, 0, &id), -EEXIST, "create: an id in use");

    id = XEN_DOMGRP_ANY;
    check_result(xendomgrp_create(handle, other, 0, &id), 0, "create: an id of Xen's choice");
    check(id >= XEN_DOMGRP_FIRST && id <= XEN_DOMGRP_LAST && id != FREE_ID,
          "create: the id chosen is a free one");
    uint16_t chosen = id;
    check_result(xendomgrp_destroy(handle, chosen), 0, "destroy: an empty group");
    check_result(xendomgrp_destroy(handle, chosen), -ENOENT, "destroy: a group that is gone");
    id = XEN_DOMGRP_ANY;
    check_result(xendomgrp_create(handle, other, 0, &id), 0, "create: the UUID is free again");
    check(id != chosen, "create: a freed id is not given again at once");
    xendomgrp_destroy(handle, id);
}

static void test_getinfo(void)
{
    static const xen_domain_handle_t nil = {0};
    struct xen_domgrpctl_getinfo info;
    xen_domain_handle_t uuid;
    bool seen = false;
    unsigned n = 0, last = 0;

    uuid_make(uuid, 100);
    check_result(xendomgrp_getinfo(handle, 0, &info), 0, "getinfo: Group-0");
    check(info.id == 0 && memcmp(info.uuid, nil, 16) == 0 && info.flags == XEN_DOMGRP_DEFAULT &&
              info.members >= 1 && info.pages > 0 && info.cpu_time_ns > 0,
          "getinfo: Group-0 has the nil UUID, dom0, its memory and its time");
    check_result(xendomgrp_getinfo(handle, FREE_ID, &info), 0, "getinfo: a new group");
    check(info.id == FREE_ID && memcmp(info.uuid, uuid, 16) == 0 && info.flags == 0 &&
              info.members == 0 && info.dying == 0 && info.reservations == 0 && info.pages == 0,
          "getinfo: it is empty and runs");

    /* Up to the Null-Group, which is the last. */
    for (unsigned id = 0; id <= XEN_DOMGRP_NULL; id = info.id + 1u, n++) {
        if (xendomgrp_getinfo(handle, (uint16_t)id, &info) != 0 || info.id < id)
            break;
        seen |= info.id == FREE_ID;
        last = info.id;
    }
    check(seen && last == XEN_DOMGRP_NULL && n >= 3, "getinfo: a walk finds every group");
}

/* -- domains: birth, join, reserve -- */

static void test_birth(void)
{
    xen_domain_handle_t uuid, nil = {0}, other;
    uint32_t domid;

    uuid_make(uuid, 2);
    uuid_make(other, 3);
    check_result(xendomgrp_reserve(handle, FREE_ID, nil, 0), -EINVAL, "reserve: the nil UUID");
    check_result(xendomgrp_reserve(handle, FREE_ID, uuid, 2), -EINVAL, "reserve: unknown flags");
    check_result(xendomgrp_reserve(handle, FREE_ID, uuid, 0), 0, "reserve");
    check_result(xendomgrp_reserve(handle, FREE_ID, uuid, 0), 0, "reserve: twice is no error");
    check_result(xendomgrp_reserve(handle, XEN_DOMGRP_ZERO, uuid, 0), -EEXIST,
                 "reserve: for another group");
    check_result(xendomgrp_destroy(handle, FREE_ID), -EBUSY, "destroy: a group with reservations");

    check_result(domain_make(uuid, &domid), 0, "a domain with a reserved UUID is created");
    check_result(group_of(domid), FREE_ID, "it is born in its group");
    check_result(xendomgrp_unreserve(handle, FREE_ID, uuid), 0, "unreserve");
    check_result(xendomgrp_unreserve(handle, FREE_ID, uuid), -ESRCH, "unreserve: twice");
    check_result(group_of(domid), FREE_ID, "its group stays");
    check_result(xendomgrp_destroy(handle, FREE_ID), -ENOTEMPTY, "destroy: a group with a member");
    domain_unmake(domid);
    check_result(members_of(FREE_ID), 0, "a member that is gone is none");

    check_result(domain_make(uuid, &domid), 0, "a domain without a reservation is created");
    check_result(group_of(domid), XEN_DOMGRP_NULL, "it is born in the Null-Group");
    xendomgrp_reserve(handle, FREE_ID, other, 0);
    int result = xc_domain_sethandle(xc, domid, other) == 0 ? 0 : -errno;
    check_result(result, -EEXIST, "no domain of another group can take a reserved UUID");
    check_result(xendomgrp_reserve(handle, XEN_DOMGRP_ZERO, other, XEN_DOMGRPCTL_RESERVE_MOVE), 0,
                 "reserve: taken from another group when asked so");
    check_result(xendomgrp_unreserve(handle, XEN_DOMGRP_ZERO, nil), 0, "unreserve: all at once");
    check_result(xendomgrp_unreserve(handle, XEN_DOMGRP_ZERO, other), -ESRCH, "none is left");
    domain_unmake(domid);
}

static void test_join(void)
{
    struct xen_domgrpctl_getdomain domain;
    xen_domain_handle_t uuid, other, zero = {0};

    uuid_make(uuid, 1);
    uuid_make(other, 50);
    check_result(xendomgrp_join(handle, FREE_ID, (domid_t)player, other), -ESRCH,
                 "join: a domid with another UUID");
    check_result(xendomgrp_join(handle, FREE_ID, NO_DOMID, uuid), -ESRCH, "join: no such domain");
    check_result(xendomgrp_join(handle, FREE_ID, DOMID_SELF, zero), -ESRCH, "join: DOMID_SELF");
    check_result(xendomgrp_join(handle, FREE_ID, 0, zero), -EROFS, "join: dom0 stays in Group-0");
    check_result(group_of(player), XEN_DOMGRP_NULL, "join: what is refused moves nothing");

    check_result(xendomgrp_join(handle, FREE_ID, (domid_t)player, uuid), 0, "join");
    check_result(xendomgrp_join(handle, FREE_ID, (domid_t)player, uuid), 0, "join: once more");
    check_result(xendomgrp_getdomain(handle, (domid_t)player, &domain), 0, "getdomain");
    xen_domain_handle_t group_uuid;
    uuid_make(group_uuid, 100);
    check(domain.id == FREE_ID && domain.flags == 0 && memcmp(domain.uuid, uuid, 16) == 0 &&
              memcmp(domain.group_uuid, group_uuid, 16) == 0,
          "getdomain: the group, both UUIDs and no flags");
    check_result(xendomgrp_getdomain(handle, NO_DOMID, &domain), -ESRCH, "getdomain: no domain");
    check_result(xendomgrp_getdomain(handle, DOMID_SELF, &domain), -ESRCH, "getdomain: DOMID_SELF");
    check_result(members_of(FREE_ID), 1, "the group has one member");
    check_result(xendomgrp_join(handle, XEN_DOMGRP_NULL, (domid_t)player, uuid), 0, "leave");
    check_result(members_of(FREE_ID), 0, "the group has none");
}

/* -- pause -- */

static uint32_t player_flags(void)
{
    struct xen_domgrpctl_getdomain domain = {.flags = 0xff};
    xendomgrp_getdomain(handle, (domid_t)player, &domain);
    return domain.flags;
}

static void test_pause(void)
{
    struct xen_domgrpctl_pause pause;
    struct xen_domgrpctl_getinfo info;
    xen_domain_handle_t uuid;

    uuid_make(uuid, 1);
    check_result(xendomgrp_pause(handle, FREE_ID, &pause), 0, "pause: an empty group");
    check(pause.domains == 0 && pause.vcpus == 0, "pause: nobody was asked");
    check_result(xendomgrp_join(handle, FREE_ID, (domid_t)player, uuid), 0, "join: a paused group");
    check_result((int)player_flags(), XEN_DOMGRP_MEMBER_PAUSED, "it is paused by its group");
    xendomgrp_getinfo(handle, FREE_ID, &info);
    check_result((int)info.flags, XEN_DOMGRP_PAUSED, "getinfo: the group is paused");
    check_result(xendomgrp_pause(handle, FREE_ID, &pause), 0, "pause: twice is no error");
    check_result(xendomgrp_join(handle, XEN_DOMGRP_NULL, (domid_t)player, uuid), 0,
                 "leave a paused group");
    check_result((int)player_flags(), 0, "it is released");

    check_result(xendomgrp_unpause(handle, FREE_ID), 0, "unpause");
    check_result(xendomgrp_unpause(handle, FREE_ID), 0, "unpause: twice is no error");
    xendomgrp_join(handle, FREE_ID, (domid_t)player, uuid);
    check_result(xendomgrp_pause(handle, FREE_ID, &pause), 0, "pause: a group with a member");
    check(pause.domains == 1 && pause.batches == 1 && pause.stopped_ns >= pause.request_ns,
          "pause: one domain in one step, and its figures");
    xc_domain_unpause(xc, player); /* drops the reference it was created with, no more */
    xc_domain_unpause(xc, player);
    check_result((int)player_flags(), XEN_DOMGRP_MEMBER_PAUSED,
                 "unpausing the domain does not defeat the group's pause");
    check_result(xendomgrp_unpause(handle, FREE_ID), 0, "unpause: a group with a member");
    check_result((int)player_flags(), 0, "its members are released");
    xendomgrp_join(handle, XEN_DOMGRP_NULL, (domid_t)player, uuid);
}

/* -- the member list -- */

/* Walks the members of FREE_ID @step at a time; whether they are @domids in order. */
static bool walk_is(const uint32_t *domids, unsigned n, uint32_t step)
{
    struct xen_domgrp_member members[MANY_MEMBERS];
    unsigned found = 0;

    for (uint32_t first = 0; first != XEN_DOMGRP_MEMBERS_END;) {
        uint32_t count = step;
        if (xendomgrp_getmembers(handle, FREE_ID, &first, members, &count) != 0 || count > step ||
            found + count > n || (count == 0 && first != XEN_DOMGRP_MEMBERS_END))
            return false;
        for (uint32_t i = 0; i < count; i++, found++)
            if (members[i].domid != domids[found] || members[i].uuid[15] != 10 + found ||
                members[i].flags != 0 || members[i]._pad != 0)
                return false;
    }
    return found == n;
}

static void test_members(void)
{
    static const uint32_t steps[] = {1, 2, 7, MANY_MEMBERS - 1, MANY_MEMBERS};
    uint32_t domids[MANY_MEMBERS];
    struct xen_domgrp_member member;
    xen_domain_handle_t uuid;
    unsigned n;

    for (n = 0; n < MANY_MEMBERS; n++) {
        uuid_make(uuid, (uint8_t)(10 + n));
        xendomgrp_reserve(handle, FREE_ID, uuid, 0);
        if (domain_make(uuid, &domids[n]) != 0)
            break;
    }
    check(n == MANY_MEMBERS, "members are made");
    for (unsigned i = 0; i < sizeof(steps) / sizeof(steps[0]); i++)
        check(walk_is(domids, n, steps[i]), "getmembers: a walk finds each member once, in order");

    uint32_t first = 0, count = 0;
    check_result(xendomgrp_getmembers(handle, FREE_ID, &first, NULL, &count), 0,
                 "getmembers: no room");
    check(count == 0 && first <= domids[0], "getmembers: no room, and more to come");
    first = domids[n - 1] + 1;
    count = 1;
    check_result(xendomgrp_getmembers(handle, FREE_ID, &first, &member, &count), 0,
                 "getmembers: beyond the last member");
    check(count == 0 && first == XEN_DOMGRP_MEMBERS_END, "getmembers: none, and no more");

    struct xen_domgrpctl op = raw_op(XEN_DOMGRPCTL_GETMEMBERS);
    op.u.getmembers.id = FREE_ID;
    op.u.getmembers.count = 4;
    op.u.getmembers.buffer.p = (void *)0x10;
    check_result(raw_call(&op), -EFAULT, "getmembers: a buffer at a bad address");

    for (unsigned i = 0; i < n; i++)
        domain_unmake(domids[i]);
    check_result(members_of(FREE_ID), 0, "destroyed members have left");
    memset(uuid, 0, sizeof(uuid));
    check_result(xendomgrp_unreserve(handle, FREE_ID, uuid), 0, "unreserve: all of a group");
}

int main(void)
{
    xen_domain_handle_t uuid;
    uint16_t id = FREE_ID;

    setvbuf(stdout, NULL, _IOLBF, 0);
    int result = xendomgrp_open(&handle);
    if (result == -ENOSYS) {
        printf("1..0 # SKIP this hypervisor knows no groups\n");
        return 0;
    }
    raw = xencall_open(NULL, 0);
    xc = xc_interface_open(NULL, NULL, 0);
    if (result != 0 || raw == NULL || xc == NULL) {
        printf("Bail out! cannot reach the hypervisor: %s\n", strerror(-result));
        return 1;
    }

    uuid_make(uuid, 100);
    check_result(xendomgrp_create(handle, uuid, XEN_DOMGRP_POLICY_OPEN, &id), 0, "create");
    check(id == FREE_ID, "create: the id asked for");
    uuid_make(uuid, 1);
    check_result(domain_make(uuid, &player), 0, "a domain to play with is created");
    check_result(group_of(0), XEN_DOMGRP_ZERO, "dom0 is in Group-0");

    test_envelope();
    test_padding();
    check_result(group_of(player), XEN_DOMGRP_NULL, "refused padding moved nothing");
    test_ids();
    test_create();
    test_getinfo();
    test_birth();
    test_join();
    test_pause();
    test_members();

    domain_unmake(player);
    check_result(xendomgrp_destroy(handle, FREE_ID), 0, "destroy");
    xc_interface_close(xc);
    xencall_close(raw);
    xendomgrp_close(handle);
    printf("1..%d\n", tests);
    return failures == 0 ? 0 : 1;
}
