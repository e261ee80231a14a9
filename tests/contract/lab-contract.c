/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The host's contract on real Xen, in a dom0 without a domgrpd:
 *     lab-contract KERNEL RAMDISK
 * with a guest that shuts down and reboots when it is asked.
 */
#include "contract.h"
#include "host-xen.h"

#include <string.h>
#include <xenstore.h>

#define WAIT_S 120

static const char *kernel;
static const char *ramdisk;

static void on_late(gpointer late)
{
    *(gboolean *)late = TRUE;
}

static void wait_xen(Host *host, const gboolean *flag)
{
    gboolean late = FALSE;
    guint timer = host->ops->timer_add(host, (gint64)WAIT_S * G_USEC_PER_SEC, on_late, &late);
    while (!*flag && !late)
        g_main_context_iteration(NULL, TRUE);
    if (!late)
        host->ops->timer_cancel(host, timer);
    g_assert_true(*flag);
}

static char *config_xen(const char *name)
{
    return g_strdup_printf("name = \"%s\"\nmemory = 96\nkernel = \"%s\"\nramdisk = \"%s\"\n"
                           "extra = \"console=hvc0\"\n",
                           name, kernel, ramdisk);
}

static void write_xen(Host *host, guint32 domid, const char *value)
{
    g_autofree char *path = g_strdup_printf("/local/domain/%u/data/contract", domid);
    struct xs_handle *xs = xs_open(0);
    g_assert_nonnull(xs);
    g_assert_true(xs_write(xs, XBT_NULL, path, value, (unsigned)strlen(value)));
    xs_close(xs);
}

int main(int argc, char **argv)
{
    g_autoptr(GError) error = NULL;
    g_test_init(&argc, &argv, NULL);
    if (argc != 3)
        g_error("usage: %s KERNEL RAMDISK", argv[0]);
    kernel = argv[1];
    ramdisk = argv[2];
    ContractHost contract = {.host = host_xen_new(NULL, &error),
                             .wait = wait_xen,
                             .config = config_xen,
                             .write = write_xen,
                             .is_real = TRUE};
    g_assert_no_error(error);
    contract_add(&contract);
    int result = g_test_run();
    contract.host->ops->free(contract.host);
    return result;
}
