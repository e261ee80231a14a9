/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * host/xen on a real host: every function of engine/host.h against Xen. Run
 * it in a dom0 as
 *     lab-host-xen KERNEL RAMDISK
 * with the lab's guest, which honours requests and crashes when it is told. It makes domains
 * and groups of its own, leaves nothing behind and prints TAP.
 */
#include "domgrp-text.h"
#include "host-xen.h"

#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>
#include <xenctrl.h>

#define GROUP_UUID "d0d0d0d0-0000-4000-8000-000000000001"
#define WAIT_S 120

static Host *host;
static const char *kernel, *ramdisk;
static guint changes; /* how often the host said that something changed */

/* -- waiting for a callback, or for a state of a domain -- */

typedef struct {
    gboolean called;
    GError *error;
    guint32 domid;
    HostConfig *config;
    HostPause pause;
} Answer;

static void answer_take(Answer *answer, const GError *error)
{
    g_assert_false(answer->called); /* once */
    answer->called = TRUE;
    answer->error = error != NULL ? g_error_copy(error) : NULL;
}

static void on_done(gpointer data, const GError *error)
{
    answer_take(data, error);
}

static void on_created(gpointer data, guint32 domid, const GError *error)
{
    ((Answer *)data)->domid = domid;
    answer_take(data, error);
}

static void on_configured(gpointer data, HostConfig *config, const GError *error)
{
    ((Answer *)data)->config = config;
    answer_take(data, error);
}

static void on_paused(gpointer data, const HostPause *pause, const GError *error)
{
    if (pause != NULL)
        ((Answer *)data)->pause = *pause;
    answer_take(data, error);
}

static void on_changed(gpointer data)
{
    changes++;
}

static void on_timeout(gpointer data)
{
    *(gboolean *)data = TRUE;
}

/* Runs the main loop until @flag, at most WAIT_S. */
static void wait_for(const gboolean *flag)
{
    gboolean late = FALSE;
    guint timer = host->ops->timer_add(host, (gint64)WAIT_S * G_USEC_PER_SEC, on_timeout, &late);
    while (!*flag && !late)
        g_main_context_iteration(NULL, TRUE);
    if (!late)
        host->ops->timer_cancel(host, timer);
    g_assert_true(*flag);
}

static void assert_good(Answer *answer)
{
    wait_for(&answer->called);
    g_assert_no_error(answer->error);
}

static void assert_error(Answer *answer, DomgrpErrorCode code, const char *pattern)
{
    wait_for(&answer->called);
    g_assert_nonnull(answer->error);
    g_test_message("%s", answer->error->message);
    g_assert_error(answer->error, DOMGRP_ERROR, (int)code);
    if (!g_pattern_match_simple(pattern, answer->error->message))
        g_error("\"%s\" does not match \"%s\"", answer->error->message, pattern);
    g_clear_error(&answer->error);
}

/* The domain @domid in the host's list; FALSE if it is not there. */
static gboolean find(guint32 domid, HostDomain *ret_domain)
{
    g_autoptr(GArray) domains = NULL;
    g_autoptr(GError) error = NULL;

    host->ops->domains(host, &domains, &error);
    g_assert_no_error(error);
    for (guint i = 0; i < domains->len; i++) {
        const HostDomain *domain = &g_array_index(domains, HostDomain, i);
        g_assert_true(i == 0 || domain->domid > domain[-1].domid);
        if (domain->domid == domid) {
            *ret_domain = *domain;
            return TRUE;
        }
    }
    return FALSE;
}

/* Waits, by the host's word that something changed, until @domid has shut down. */
static HostReason wait_shutdown(guint32 domid)
{
    gboolean late = FALSE;
    HostDomain domain;
    guint timer = host->ops->timer_add(host, (gint64)WAIT_S * G_USEC_PER_SEC, on_timeout, &late);

    for (;;) {
        g_assert_true(find(domid, &domain));
        if (domain.shutdown)
            break;
        guint before = changes;
        while (changes == before && !late)
            g_main_context_iteration(NULL, TRUE);
        g_assert_false(late);
    }
    host->ops->timer_cancel(host, timer);
    return domain.reason;
}

/* -- members -- */

static const char *const names[] = {"host-xen-a", "host-xen-b"};

static HostConfig *config_of(const char *name, const char *more)
{
    g_autofree char *text = g_strdup_printf("name = \"%s\"\nmemory = 96\nkernel = \"%s\"\n"
                                            "ramdisk = \"%s\"\nextra = \"console=hvc0\"\n%s",
                                            name, kernel, ramdisk, more);
    Answer answer = {0};
    host->ops->config_read(host, "member.cfg", text, "/tmp", on_configured, &answer);
    assert_good(&answer);
    return answer.config;
}

static HostRecord record_of(guint32 id, const char *const *uuids)
{
    HostRecord record = {
        .id = id, .name = "host-xen", .n_members = 2, .member_names = names, .member_uuids = uuids};
    g_strlcpy(record.uuid, GROUP_UUID, sizeof(record.uuid));
    return record;
}

static guint32 create(const HostConfig *config, const HostRecord *record)
{
    Answer answer = {0};
    host->ops->domain_create(host, config->json, record, on_created, &answer);
    assert_good(&answer);
    g_assert_cmpuint(answer.domid, !=, HOST_DOMID_NONE);
    return answer.domid;
}

static void destroy(guint32 domid, const char *uuid)
{
    Answer answer = {0};
    HostDomain domain;
    host->ops->domain_destroy(host, domid, uuid, on_done, &answer);
    assert_good(&answer);
    g_assert_true(!find(domid, &domain) || strcmp(domain.uuid, uuid) != 0);
}

static char *xenstore(const char *format, guint32 domid)
{
    g_autofree char *path = g_strdup_printf(format, domid);
    char *argv[] = {(char *)"xenstore-read", path, NULL};
    char *out = NULL;
    int status = 0;
    if (!g_spawn_sync(NULL, argv, NULL, G_SPAWN_SEARCH_PATH | G_SPAWN_STDERR_TO_DEV_NULL, NULL,
                      NULL, &out, NULL, &status, NULL) ||
        status != 0)
        g_clear_pointer(&out, g_free);
    return out != NULL ? g_strchomp(out) : NULL;
}

/* -- tests -- */

static void test_facts(void)
{
    HostFacts facts;
    g_autoptr(GError) error = NULL;

    host->ops->facts(host, &facts, &error);
    g_assert_no_error(error);
    g_test_message("%s, groups %d, %" G_GUINT64_FORMAT " of %" G_GUINT64_FORMAT " KiB free",
                   facts.version, facts.has_groups, facts.memory_free_kib, facts.memory_total_kib);
    g_assert_true(g_uuid_string_is_valid(facts.boot_id));
    g_assert_cmpuint(facts.memory_free_kib, >, 0);
    g_assert_cmpuint(facts.memory_total_kib, >, facts.memory_free_kib);
    g_assert_true(g_str_has_prefix(facts.version, "Xen 4."));
}

static void test_dom0(void)
{
    HostDomain domain;
    g_assert_true(find(0, &domain));
    g_assert_false(domain.paused || domain.shutdown || domain.dying);
    g_assert_cmpuint(domain.vcpus, >=, 1);
    g_assert_cmpuint(domain.cpu_time_us, >, 0);
}

static void test_lookup(void)
{
    static const char *const unknown[] = {"", "no-such-domain", "32000", "4294967296", "-1"};
    char uuid[DOMGRP_UUID_TEXT];
    guint32 domid;

    g_assert_true(host->ops->domain_lookup(host, "Domain-0", &domid, uuid, NULL));
    g_assert_cmpuint(domid, ==, 0);
    g_assert_true(host->ops->domain_lookup(host, "0", &domid, uuid, NULL));
    g_autofree char *name = host->ops->domain_name(host, 0);
    g_assert_cmpstr(name, ==, "Domain-0");
    g_assert_null(host->ops->domain_name(host, 32000));
    for (guint i = 0; i < G_N_ELEMENTS(unknown); i++) {
        g_autoptr(GError) error = NULL;
        g_assert_false(host->ops->domain_lookup(host, unknown[i], &domid, uuid, &error));
        g_assert_error(error, DOMGRP_ERROR, DOMGRP_ERROR_DOMAIN_UNKNOWN);
    }
}

static void test_config(void)
{
    g_autoptr(HostConfig) config =
        config_of("host-xen-c", "vif = [ '', 'mac=00:16:3e:01:02:03' ]\non_reboot = 'preserve'\n"
                                "on_crash = 'coredump-restart'\n");
    g_autoptr(HostConfig) again = NULL;
    g_autoptr(GError) error = NULL;

    g_assert_cmpstr(config->name, ==, "host-xen-c");
    g_assert_true(g_uuid_string_is_valid(config->uuid));
    g_assert_cmpuint(config->memory_kib, >, 96 * 1024);
    g_assert_cmpuint(config->memory_kib, <, 110 * 1024);
    g_assert_cmpint(config->on[HOST_REASON_POWEROFF], ==, HOST_ACTION_DESTROY);
    g_assert_cmpint(config->on[HOST_REASON_REBOOT], ==, HOST_ACTION_PRESERVE);
    g_assert_cmpint(config->on[HOST_REASON_CRASH], ==, HOST_ACTION_COREDUMP_RESTART);
    g_assert_nonnull(strstr(config->json, "00:16:3e:01:02:03"));
    /* The other interface has got one too: two interfaces, two addresses of Xen's. */
    g_auto(GStrv) parts = g_strsplit(config->json, "00:16:3e:", -1);
    g_assert_cmpuint(g_strv_length(parts), ==, 3);

    g_assert_true(host->ops->config_parse(host, config->json, &again, &error));
    g_assert_cmpstr(again->json, ==, config->json);
    g_assert_cmpstr(again->uuid, ==, config->uuid);
    g_assert_cmpuint(again->memory_kib, ==, config->memory_kib);
    g_assert_false(host->ops->config_parse(host, "{ \"c_info\": 5", &again, &error));
    g_test_message("%s", error->message);
    g_assert_error(error, DOMGRP_ERROR, DOMGRP_ERROR_HOST);
}

/* @json, of which something is replaced, is refused, and says so. */
static void refuses_changed(const char *json, const char *from, const char *to, const char *part)
{
    HostConfig *config = NULL;
    g_autoptr(GError) error = NULL;
    g_auto(GStrv) parts = g_strsplit(json, from, -1);
    g_autofree char *changed = g_strjoinv(to, parts);
    g_assert_cmpuint(g_strv_length(parts), >, 1);
    g_assert_false(host->ops->config_parse(host, changed, &config, &error));
    g_assert_nonnull(strstr(error->message, part));
}

/* libxl reads these, and ends the process that goes on with them. */
static void test_config_hostile(void)
{
    g_autoptr(HostConfig) config = config_of("host-xen-c", "");
    g_autofree char *commas = g_strnfill(DOMGRP_JSON_VALUES_MAX, ',');
    refuses_changed(config->json, "\"name\": \"host-xen-c\",", "", "has no name");
    refuses_changed(config->json, "\"host-xen-c\"", "\"\"", "has no name");
    refuses_changed(config->json, "\"type\": \"pv\"", "\"type\": \"pvh\"", "of two types");
    refuses_changed(config->json, "\"host-xen-c\"", commas, "more than 8192 values");
}

static void test_config_relative(void)
{
    Answer answer = {0};
    host->ops->config_read(host, "m.cfg", "name='host-xen-c'\nmemory=96\nkernel='k/vmlinuz'\n",
                           "/tmp", on_configured, &answer);
    assert_good(&answer);
    g_assert_nonnull(strstr(answer.config->json, "\"/tmp/k/vmlinuz\""));
    host_config_free(answer.config);
}

static void test_config_refused(void)
{
    static const struct {
        const char *text;
        const char *pattern;
    } rows[] = {
        {"memory = 96\n", "xl refuses m.cfg: *name*"},
        {"name = 'x'\nmemory = = 5\n", "xl refuses m.cfg: *m.cfg:2: config parsing error*"},
        {"name = 'x'\nuuid = 'nonsense'\nmemory = 96\nkernel='k'\n", "xl refuses m.cfg: *"},
        {"name = 'x'\nmemory = 96\non_reboot = 'nonsense'\nkernel='k'\n", "xl refuses m.cfg: *"},
    };
    for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
        Answer answer = {0};
        host->ops->config_read(host, "m.cfg", rows[i].text, "/tmp", on_configured, &answer);
        assert_error(&answer, DOMGRP_ERROR_MEMBER_CONFIG, rows[i].pattern);
        g_assert_null(answer.config);
    }
    Answer answer = {0};
    host->ops->config_read(host, "m.cfg", "name='x'\n", "/no/such", on_configured, &answer);
    assert_error(&answer, DOMGRP_ERROR_HOST, "xl cannot be started in /no/such: *");
}

static void test_create_refused(void)
{
    g_autoptr(HostConfig) config = config_of(names[0], "");
    const char *uuids[] = {config->uuid, GROUP_UUID};
    HostRecord record = record_of(DOMGRP_ID_NULL, uuids);
    g_auto(GStrv) around = g_strsplit(config->json, kernel, 2);
    g_autofree char *broken = g_strjoinv("/no/such/kernel", around);
    g_autoptr(HostConfig) large = config_of(names[0], "memory = 5000\n");
    g_autoptr(GArray) before = NULL, after = NULL;
    Answer answer = {0}, taken = {0}, memory = {0};

    host->ops->domains(host, &before, NULL);
    host->ops->domain_create(host, broken, &record, on_created, &answer);
    assert_error(&answer, DOMGRP_ERROR_HOST,
                 "the domain \"host-xen-a\" cannot be created: */no/such/kernel*");
    g_assert_cmpuint(answer.domid, ==, HOST_DOMID_NONE);
    host->ops->domain_create(host, large->json, &record, on_created, &memory);
    assert_error(&memory, DOMGRP_ERROR_MEMORY, "the domain * cannot be created: *Out of memory");
    host->ops->domains(host, &after, NULL);
    g_assert_cmpuint(after->len, ==, before->len);

    guint32 domid = create(config, &record);
    host->ops->domain_create(host, config->json, &record, on_created, &taken);
    assert_error(&taken, DOMGRP_ERROR_HOST,
                 "the domain \"host-xen-a\" cannot be created: *exists*");
    destroy(domid, config->uuid);
}

/* Built paused, in its directory the record; unpaused, asked to reboot, ended, destroyed. */
static void test_life(void)
{
    g_autoptr(HostConfig) config = config_of(names[0], "");
    const char *uuids[] = {config->uuid, GROUP_UUID};
    HostRecord record = record_of(5, uuids);
    g_autoptr(HostConfig) retrieved = NULL;
    char uuid[DOMGRP_UUID_TEXT];
    HostDomain domain;
    guint32 domid, found;

    domid = create(config, &record);
    g_assert_true(find(domid, &domain));
    g_assert_true(domain.paused && !domain.shutdown && !domain.dying);
    g_assert_cmpstr(domain.uuid, ==, config->uuid);
    g_assert_cmpuint(domain.memory_kib, <=, config->memory_kib);
    g_assert_true(host->ops->domain_lookup(host, names[0], &found, uuid, NULL));
    g_assert_cmpuint(found, ==, domid);
    g_autofree char *name = xenstore("/local/domain/%u/domgrp/name", domid);
    g_autofree char *members = xenstore("/local/domain/%u/domgrp/members/0", domid);
    g_assert_cmpstr(name, ==, "host-xen");
    g_assert_cmpstr(members, ==, "host-xen-a host-xen-b");

    Answer retrieve = {0};
    host->ops->config_retrieve(host, domid, on_configured, &retrieve);
    assert_good(&retrieve);
    retrieved = retrieve.config;
    g_assert_cmpstr(retrieved->uuid, ==, config->uuid);
    g_assert_nonnull(strstr(retrieved->json, kernel));

    Answer wrong = {0}, unpause = {0}, again = {0};
    host->ops->domain_unpause(host, domid, GROUP_UUID, on_done, &wrong);
    assert_error(&wrong, DOMGRP_ERROR_DOMAIN_UNKNOWN, "domain * is gone");
    host->ops->domain_unpause(host, domid, config->uuid, on_done, &unpause);
    assert_good(&unpause);
    host->ops->domain_unpause(host, domid, config->uuid, on_done, &again);
    assert_good(&again);

    Answer reboot = {0};
    host->ops->domain_shutdown(host, domid, config->uuid, HOST_SHUTDOWN_REBOOT, FALSE, on_done,
                               &reboot);
    assert_good(&reboot);
    g_assert_cmpint(wait_shutdown(domid), ==, HOST_REASON_REBOOT);
    g_assert_true(find(domid, &domain));
    g_assert_true(domain.shutdown);

    destroy(domid, GROUP_UUID); /* another domain's UUID: ours stays */
    g_assert_true(find(domid, &domain));
    destroy(domid, config->uuid);
    destroy(domid, config->uuid);
}

/* A crash is seen; what is left of the domain is dumped, and kept under another name. */
static void test_crash(void)
{
    g_autoptr(HostConfig) config =
        config_of(names[0], "extra = 'console=hvc0 lab.do=crash'\non_crash = 'preserve'\n");
    const char *uuids[] = {config->uuid, GROUP_UUID};
    HostRecord record = record_of(5, uuids);
    guint32 domid = create(config, &record);
    Answer unpause = {0}, dump = {0}, preserve = {0};
    HostDomain domain;

    host->ops->domain_unpause(host, domid, config->uuid, on_done, &unpause);
    assert_good(&unpause);
    g_assert_cmpint(wait_shutdown(domid), ==, HOST_REASON_CRASH);
    host->ops->domain_coredump(host, domid, config->uuid, on_done, &dump);
    assert_good(&dump);
    g_assert_true(g_file_test("/var/lib/xen/dump/host-xen-a", G_FILE_TEST_IS_REGULAR));
    unlink("/var/lib/xen/dump/host-xen-a");
    host->ops->domain_preserve(host, domid, config->uuid, on_done, &preserve);
    assert_good(&preserve);
    g_assert_true(find(domid, &domain));
    g_assert_cmpstr(domain.uuid, !=, config->uuid);
    g_autofree char *name = host->ops->domain_name(host, domid);
    g_assert_true(g_str_has_prefix(name, "host-xen-a-2"));
    destroy(domid, domain.uuid);
}

/* -- who asked a guest to end -- */

static void look_start(const DomgrpProbe *probe, guint32 domid, const char *uuid, Answer *answer)
{
    HostProbe what = {
        .probe = probe, .domid = domid, .uuid = uuid, .member = "member", .group = "group"};
    host->ops->probe(host, &what, (gint64)WAIT_S * G_USEC_PER_SEC, on_done, answer);
}

/* Runs @script, on behalf of domain 0, while what changes with @domid is looked at, as the engine
 * does. */
static void run(guint32 domid, const char *script)
{
    char *argv[] = {(char *)"/bin/sh", (char *)"-c", (char *)script, NULL};
    DomgrpProbe program = {.kind = DOMGRP_PROBE_EXEC, .argv = argv};
    Answer answer = {0};
    HostDomain domain;
    look_start(&program, 0, "00000000-0000-0000-0000-000000000000", &answer);
    for (guint before = changes; !answer.called; g_main_context_iteration(NULL, TRUE)) {
        if (before != changes)
            g_assert_true(find(domid, &domain));
        before = changes;
    }
    g_assert_no_error(answer.error);
}

static guint32 start_ready(const HostConfig *config)
{
    static const DomgrpProbe ready = {
        .kind = DOMGRP_PROBE_XENSTORE, .path = (char *)"data/ready", .value = (char *)"1"};
    const char *uuids[] = {config->uuid, GROUP_UUID};
    HostRecord record = record_of(5, uuids);
    guint32 domid = create(config, &record);
    Answer unpause = {0}, look = {0};
    HostDomain domain;
    host->ops->domain_unpause(host, domid, config->uuid, on_done, &unpause);
    assert_good(&unpause);
    g_assert_true(find(domid, &domain));
    g_assert_false(domain.asked);
    look_start(&ready, domid, config->uuid, &look);
    assert_good(&look);
    return domid;
}

/* Not when the guest ends by itself, even if it was suspended by request before. */
static void test_asked(gconstpointer data)
{
    gboolean by_xl = GPOINTER_TO_INT(data);
    g_autoptr(HostConfig) config = config_of(names[0], "extra = 'console=hvc0'\n");
    guint32 domid = start_ready(config);
    g_autofree char *off =
        g_strdup_printf("xenstore-write /local/domain/%u/data/lab/set do=poweroff", domid);
    HostDomain domain;

    run(domid, "xl save -c host-xen-a /dev/null");
    g_assert_true(find(domid, &domain));
    g_assert_false(domain.asked || domain.shutdown);
    run(domid, by_xl ? "xl shutdown host-xen-a" : off);
    g_assert_cmpint(wait_shutdown(domid), ==, HOST_REASON_POWEROFF);
    g_assert_true(find(domid, &domain));
    g_assert_cmpint(domain.asked, ==, by_xl);
    destroy(domid, config->uuid);
}

/* A group of two, born in it, paused and unpaused as one; with or without the hypervisor. */
static void test_group(void)
{
    g_autoptr(HostConfig) a = config_of(names[0], "");
    g_autoptr(HostConfig) b = config_of(names[1], "");
    const char *uuids[] = {a->uuid, b->uuid};
    guint32 id = 0, domids[2];
    g_autoptr(GError) error = NULL;
    HostFacts facts;
    HostDomain domain;

    g_assert_true(host->ops->facts(host, &facts, NULL));
    if (facts.has_groups) {
        host->ops->group_create(host, GROUP_UUID, &id, &error);
        g_assert_no_error(error);
        for (guint i = 0; i < 2; i++) {
            g_assert_true(host->ops->group_reserve(host, id, uuids[i], NULL));
            g_assert_true(host->ops->group_reserve(host, id, uuids[i], NULL));
        }
    } else {
        g_assert_false(host->ops->group_create(host, GROUP_UUID, &id, &error));
        g_test_message("%s", error->message);
        g_assert_error(error, DOMGRP_ERROR, DOMGRP_ERROR_NOT_SUPPORTED);
        id = 77;
    }

    HostRecord record = record_of(id, uuids);
    Answer created[2] = {0};
    host->ops->domain_create(host, a->json, &record, on_created, &created[0]);
    host->ops->domain_create(host, b->json, &record, on_created, &created[1]);
    for (guint i = 0; i < 2; i++) {
        assert_good(&created[i]);
        domids[i] = created[i].domid;
        g_assert_true(find(domids[i], &domain));
        g_assert_cmpuint(domain.group_id, ==, facts.has_groups ? id : DOMGRP_ID_NULL);
        Answer unpause = {0};
        host->ops->domain_unpause(host, domids[i], uuids[i], on_done, &unpause);
        assert_good(&unpause);
    }

    Answer pause = {0}, unpause = {0}, publish = {0}, unpublish = {0};
    host->ops->group_pause(host, id, 2, domids, on_paused, &pause);
    assert_good(&pause);
    g_test_message("paused in %" G_GUINT64_FORMAT " ns, asked in %" G_GUINT64_FORMAT " ns",
                   pause.pause.stopped_ns, pause.pause.request_ns);
    g_assert_cmpint(pause.pause.atomic, ==, facts.has_groups);
    g_assert_cmpuint(pause.pause.domains, ==, 2);
    g_assert_cmpuint(pause.pause.vcpus, ==, 2);
    host->ops->group_unpause(host, id, 2, domids, on_done, &unpause);
    assert_good(&unpause);
    g_assert_true(find(domids[0], &domain));
    g_assert_false(domain.paused);

    host->ops->record_publish(host, &record, 2, domids, on_done, &publish);
    assert_good(&publish);
    g_autofree char *path = g_strdup_printf("/domgrp/%s/members/%s", GROUP_UUID, b->uuid);
    g_autofree char *member = xenstore(path, 0);
    g_assert_cmpstr(member, ==, names[1]);
    host->ops->record_unpublish(host, GROUP_UUID, 2, domids, on_done, &unpublish);
    assert_good(&unpublish);
    g_assert_null(xenstore("/local/domain/%u/domgrp/name", domids[0]));
    g_assert_null(xenstore(path, 0));

    if (facts.has_groups) {
        g_assert_false(host->ops->group_destroy(host, id, &error));
        g_test_message("%s", error->message);
        g_clear_error(&error);
        for (guint i = 0; i < 2; i++) {
            g_assert_true(host->ops->group_unreserve(host, id, uuids[i], NULL));
            g_assert_true(host->ops->group_join(host, DOMGRP_ID_NULL, domids[i], uuids[i], NULL));
        }
        host->ops->group_destroy(host, id, &error);
        g_assert_no_error(error);
    }
    destroy(domids[0], a->uuid);
    destroy(domids[1], b->uuid);
}

/*
 * libxl forks to destroy a domain, and the child opens Xen's libraries anew:
 * it must not inherit a lock of theirs that another thread holds. The domains
 * are empty ones, so that there can be many.
 */
static void test_destroy_many(void)
{
    enum { MANY = 48 };
    xc_interface *xc = xc_interface_open(NULL, NULL, 0);
    Answer answers[MANY] = {0};
    HostDomain domain;

    for (guint round = 0; round < 3; round++) {
        memset(answers, 0, sizeof(answers));
        for (guint i = 0; i < MANY; i++) {
            struct xen_domctl_createdomain config = {
                .handle = {0xd0, 0xd0, 1, (uint8_t)i},
                .max_vcpus = 1,
                .max_evtchn_port = -1,
                .max_grant_frames = 4,
                .max_maptrack_frames = 4,
                .grant_opts = XEN_DOMCTL_GRANT_version(1),
            };
            g_assert_cmpint(xc_domain_create(xc, &answers[i].domid, &config), ==, 0);
        }
        for (guint i = 0; i < MANY; i++) {
            g_assert_true(find(answers[i].domid, &domain));
            host->ops->domain_destroy(host, domain.domid, domain.uuid, on_done, &answers[i]);
        }
        for (guint i = 0; i < MANY; i++)
            assert_good(&answers[i]);
    }
    xc_interface_close(xc);
}

static void test_timers(void)
{
    gboolean fired = FALSE, cancelled = FALSE;
    gint64 began = host->ops->now(host);
    guint timer = host->ops->timer_add(host, 1000, on_timeout, &cancelled);

    host->ops->timer_cancel(host, timer);
    host->ops->timer_add(host, 20000, on_timeout, &fired);
    wait_for(&fired);
    g_assert_cmpint(host->ops->now(host) - began, >=, 20000);
    g_assert_false(cancelled);
}

int main(int argc, char **argv)
{
    g_autoptr(GError) error = NULL;

    g_test_init(&argc, &argv, NULL);
    if (argc != 3)
        g_error("usage: %s KERNEL RAMDISK", argv[0]);
    kernel = argv[1];
    ramdisk = argv[2];
    host = host_xen_new(NULL, &error);
    g_assert_no_error(error);
    host->ops->watch(host, on_changed, NULL);

    g_test_add_func("/host-xen/facts", test_facts);
    g_test_add_func("/host-xen/dom0", test_dom0);
    g_test_add_func("/host-xen/lookup", test_lookup);
    g_test_add_func("/host-xen/timers", test_timers);
    g_test_add_func("/host-xen/destroy-many", test_destroy_many);
    g_test_add_func("/host-xen/config", test_config);
    g_test_add_func("/host-xen/config-hostile", test_config_hostile);
    g_test_add_func("/host-xen/config-relative", test_config_relative);
    g_test_add_func("/host-xen/config-refused", test_config_refused);
    g_test_add_func("/host-xen/create-refused", test_create_refused);
    g_test_add_func("/host-xen/life", test_life);
    g_test_add_func("/host-xen/crash", test_crash);
    g_test_add_data_func("/host-xen/asked-by-xl", GINT_TO_POINTER(TRUE), test_asked);
    g_test_add_data_func("/host-xen/asked-by-nobody", GINT_TO_POINTER(FALSE), test_asked);
    g_test_add_func("/host-xen/group", test_group);
    int status = g_test_run();
    host->ops->free(host);
    return status;
}
