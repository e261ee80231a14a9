/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The host's contract on the simulated host; with the argument "stock", on one without groups. */
#include "contract.h"
#include "sim.h"

#include <string.h>

static void wait_sim(Host *host, const gboolean *flag)
{
    for (guint i = 0; i < 100000 && !*flag; i++)
        g_assert_true(host_sim_run_for(host, 1000));
    g_assert_true(*flag);
}

static char *config_sim(const char *name)
{
    return g_strdup_printf("name = \"%s\"\nready_after = never\n", name);
}

static void write_sim(Host *host, guint32 domid, const char *value)
{
    g_autofree char *name = host->ops->domain_name(host, domid);
    if (strcmp(value, "1") == 0)
        g_assert_true(sim_guest_ready(host, name));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    ContractHost contract = {
        .host = host_sim_new(), .wait = wait_sim, .config = config_sim, .write = write_sim};
    if (argc > 1 && strcmp(argv[1], "stock") == 0)
        host_sim_set_groups(contract.host, FALSE);
    contract_add(&contract);
    int result = g_test_run();
    g_autofree char *left = host_sim_describe(contract.host);
    g_assert_cmpstr(left, ==, "");
    contract.host->ops->free(contract.host);
    return result;
}
