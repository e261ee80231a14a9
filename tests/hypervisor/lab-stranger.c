/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A PV guest without an operating system, for the lab: it makes every group
 * hypercall as an ordinary domain does, powers off when all were answered as
 * they should be, and reports a crash otherwise. (Linux would not let its own
 * privcmd driver do that in an ordinary domain.) With "wrong" on its command
 * line one expectation is wrong, so that a scenario can see it crash.
 */
#define __XEN_TOOLS__ 1
#include <errno.h>
#include <stdint.h>
#include <xen/sched.h>
#include <xen/xen.h>

#include "../../hypervisor/overlay/xen/include/public/domgrpctl.h"

void run(const struct start_info *info) __attribute__((noreturn, used));

static char stack[8192] __attribute__((aligned(16), used));
static char hypercall_page[4096] __attribute__((aligned(4096), used, section(".text.hypercall")));

/* The notes that Xen's loader looks for, and the entry: %rsi is the start_info. */
asm(".pushsection .note.Xen, \"a\", @note\n"
    ".macro xen_note type value:vararg\n"
    ".align 4\n"
    ".long 4, 2f - 1f, \\type\n"
    ".asciz \"Xen\"\n"
    "1: \\value\n"
    "2: .align 4\n"
    ".endm\n"
    "xen_note 6 .asciz \"stranger\"\n"     /* GUEST_OS */
    "xen_note 5 .asciz \"xen-3.0\"\n"      /* XEN_VERSION */
    "xen_note 8 .asciz \"generic\"\n"      /* LOADER */
    "xen_note 3 .quad 0\n"                 /* VIRT_BASE */
    "xen_note 4 .quad 0\n"                 /* PADDR_OFFSET */
    "xen_note 1 .quad _start\n"            /* ENTRY */
    "xen_note 2 .quad hypercall_page\n"    /* HYPERCALL_PAGE */
    ".popsection\n"
    ".text\n"
    ".globl _start\n"
    "_start: lea stack + 8192(%rip), %rsp\n"
    "mov %rsi, %rdi\n"
    "call run\n");

static long hypercall(unsigned int number, uint64_t a, uint64_t b)
{
    long rc;

    asm volatile("call *%[entry]"
                 : "=a"(rc), "+D"(a), "+S"(b)
                 : [entry] "r"(hypercall_page + 32 * number)
                 : "memory", "rcx", "rdx", "r8", "r9", "r10", "r11");
    return rc;
}

static void end(unsigned int reason) __attribute__((noreturn));

static void end(unsigned int reason)
{
    struct sched_shutdown shutdown = { .reason = reason };

    for (;;)
        hypercall(__HYPERVISOR_sched_op, SCHEDOP_shutdown, (uintptr_t)&shutdown);
}

static void expect(uint64_t op, long errno_wanted)
{
    if (hypercall(__HYPERVISOR_domgrpctl, op, 0) != -errno_wanted)
        end(SHUTDOWN_crash);
}

/* Arguments that would do for dom0. */
static void prepare(struct xen_domgrpctl *op, unsigned int cmd)
{
    static struct xen_domgrp_member members[4];

    for (unsigned int i = 0; i < sizeof(op->u); i++)
        ((volatile uint8_t *)&op->u)[i] = 0;
    op->cmd = cmd;
    op->interface_version = XEN_DOMGRPCTL_VERSION;
    switch (cmd) {
    case XEN_DOMGRPCTL_CREATE:
        op->u.create.uuid[0] = 1;
        op->u.create.id = XEN_DOMGRP_ANY;
        break;
    case XEN_DOMGRPCTL_JOIN: /* domain 0, where it is */
        break;
    case XEN_DOMGRPCTL_RESERVE:
    case XEN_DOMGRPCTL_UNRESERVE:
        op->u.reserve.uuid[0] = 1;
        break;
    case XEN_DOMGRPCTL_GETMEMBERS:
        op->u.getmembers.count = 4;
        op->u.getmembers.buffer.p = members;
        break;
    case XEN_DOMGRPCTL_GETDOMAIN:
    case XEN_DOMGRPCTL_GETINFO:
        break;
    default:
        op->u.destroy.id = XEN_DOMGRP_FIRST;
    }
}

void run(const struct start_info *info)
{
    static struct xen_domgrpctl op;

    for (unsigned int cmd = XEN_DOMGRPCTL_CREATE; cmd <= XEN_DOMGRPCTL_GETDOMAIN; cmd++) {
        prepare(&op, cmd);
        expect((uintptr_t)&op, EPERM);
    }
    prepare(&op, XEN_DOMGRPCTL_GETDOMAIN + 1);
    expect((uintptr_t)&op, info->cmd_line[0] == 'w' ? EPERM : EOPNOTSUPP);
    prepare(&op, XEN_DOMGRPCTL_GETINFO);
    op.interface_version++;
    expect((uintptr_t)&op, EACCES);
    expect(0x7f0000000000, EFAULT);     /* not mapped */
    expect(0xffff830000000000, EFAULT); /* Xen's own */
    end(SHUTDOWN_poweroff);
}
