/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef SHIM_INIT_H
#define SHIM_INIT_H

#define __init
#define __read_mostly

/*
 * There is no presmp_initcall() here: Xen runs these in link order, so that
 * one of domgrp.c's would run before radix-tree.c's, and ruin every tree.
 */
void fake_initcall(int (*fn)(void));
#define __initcall(fn) static void __attribute__((constructor)) fn##_call(void) { fake_initcall(fn); } \
    extern int shim_swallow_semicolon

#endif
