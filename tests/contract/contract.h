/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What engine/host.h promises, as test cases that run on any host. A program
 * that has one fills in a ContractHost and calls contract_add() and
 * g_test_run(). The cases clean up after themselves.
 */
#ifndef TESTS_CONTRACT_CONTRACT_H
#define TESTS_CONTRACT_CONTRACT_H

#include "host.h"

G_BEGIN_DECLS

typedef struct {
    Host *host;
    /* Lets callbacks come until *@flag; fails the test if that takes too long. */
    void (*wait)(Host *host, const gboolean *flag);
    /* The xl.cfg of a small guest that does what it is asked; free with g_free(). */
    char *(*config)(const char *name);
    /*
     * Writes @value into the key data/contract of the guest. Where keys, programs and connections
     * are not real, "1" makes any probe of the guest succeed; before, all of them fail.
     */
    void (*write)(Host *host, guint32 domid, const char *value);
    gboolean is_real;
} ContractHost;

/* @contract outlives the tests. */
void contract_add(const ContractHost *contract);

G_END_DECLS

#endif
