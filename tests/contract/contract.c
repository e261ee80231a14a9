/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "contract.h"

#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define GROUP "c0c0c0c0-0000-4000-8000-000000000001"
#define OTHER "c0c0c0c0-0000-4000-8000-000000000002"
#define NAME "contract-a"

static const ContractHost *contract;
static Host *host;
static gboolean changed;

/* -- answers -- */

typedef struct {
    gboolean called;
    GError *error;
    guint32 domid;
    HostConfig *config;
    HostPause pause;
    HostImage *image;
    gboolean used; /* of the image's info */
    guint disks;
    char *text;
    char *json; /* of its only member */
} Answer;

static void take(Answer *answer, const GError *error)
{
    g_assert_false(answer->called); /* exactly once */
    answer->called = TRUE;
    answer->error = error != NULL ? g_error_copy(error) : NULL;
}

static void on_done(gpointer data, const GError *error)
{
    take(data, error);
}

static void on_created(gpointer data, guint32 domid, const GError *error)
{
    g_assert_cmpint(domid == HOST_DOMID_NONE, ==, error != NULL);
    ((Answer *)data)->domid = domid;
    take(data, error);
}

static void on_configured(gpointer data, HostConfig *config, const GError *error)
{
    g_assert_cmpint(config == NULL, ==, error != NULL);
    ((Answer *)data)->config = config;
    take(data, error);
}

static void on_paused(gpointer data, const HostPause *pause, const GError *error)
{
    if (pause != NULL)
        ((Answer *)data)->pause = *pause;
    take(data, error);
}

static void on_opened(gpointer data, HostImage *image, const HostImageInfo *info,
                      const GError *error)
{
    Answer *answer = data;
    g_assert_cmpint(image == NULL, ==, error != NULL);
    answer->image = image;
    if (info != NULL) {
        g_assert_cmpuint(info->members->len, ==, 1);
        answer->used = info->used;
        answer->disks = info->disks->len;
        answer->text = g_strdup(info->text);
        answer->json = g_strdup(((const HostConfig *)info->members->pdata[0])->json);
    }
    take(answer, error);
}

static void on_changed(gpointer data)
{
    changed = TRUE;
}

/* It never comes before the function has returned. */
static void finish(Answer *answer)
{
    g_assert_false(answer->called);
    contract->wait(host, &answer->called);
}

static void finish_well(Answer *answer)
{
    finish(answer);
    g_assert_no_error(answer->error);
}

static void finish_badly(Answer *answer)
{
    finish(answer);
    g_assert_nonnull(answer->error);
    g_assert_true(answer->error->domain == DOMGRP_ERROR);
    g_clear_error(&answer->error);
}

static void assert_refused(gboolean done, GError **error)
{
    g_assert_false(done);
    g_assert_nonnull(*error);
    g_assert_true((*error)->domain == DOMGRP_ERROR);
    g_clear_error(error);
}

/* -- what is there -- */

static gboolean find_domain(const char *uuid, HostDomain *ret_domain)
{
    g_autoptr(GArray) domains = NULL;
    gboolean found = FALSE;
    guint32 last = 0;
    g_assert_true(host->ops->domains(host, &domains, NULL));
    for (guint i = 0; i < domains->len; i++) {
        const HostDomain *domain = &g_array_index(domains, HostDomain, i);
        g_assert_true(i == 0 || domain->domid > last);
        last = domain->domid;
        if (strcmp(domain->uuid, uuid) == 0 && !domain->dying) {
            *ret_domain = *domain;
            found = TRUE;
        }
    }
    return found;
}

static gboolean find_group(const char *uuid, HostGroup *ret_group)
{
    g_autoptr(GArray) groups = NULL;
    gboolean found = FALSE;
    g_assert_true(host->ops->groups(host, &groups, NULL));
    g_assert_cmpuint(g_array_index(groups, HostGroup, 0).id, ==, DOMGRP_ID_GROUP0);
    g_assert_cmpuint(g_array_index(groups, HostGroup, groups->len - 1).id, ==, DOMGRP_ID_NULL);
    for (guint i = 0; i < groups->len; i++) {
        const HostGroup *group = &g_array_index(groups, HostGroup, i);
        g_assert_true(i == 0 || group->id > (group - 1)->id);
        if (strcmp(group->uuid, uuid) == 0) {
            *ret_group = *group;
            found = TRUE;
        }
    }
    return found;
}

static gboolean has_groups(void)
{
    HostFacts facts;
    g_assert_true(host->ops->facts(host, &facts, NULL));
    return facts.has_groups;
}

/* -- small things that the cases need -- */

static HostConfig *read_config(const char *name)
{
    g_autofree char *text = contract->config(name);
    Answer answer = {0};
    host->ops->config_read(host, "member.cfg", text, "/", on_configured, &answer);
    finish_well(&answer);
    return answer.config;
}

static guint32 create(const HostConfig *config, guint32 id)
{
    const char *names[] = {config->name};
    const char *uuids[] = {config->uuid};
    HostRecord record = {
        .id = id, .name = "contract", .n_members = 1, .member_names = names, .member_uuids = uuids};
    Answer answer = {0};
    g_strlcpy(record.uuid, GROUP, sizeof record.uuid);
    host->ops->domain_create(host, config->json, &record, on_created, &answer);
    finish_well(&answer);
    return answer.domid;
}

static void unpause(const HostConfig *config, guint32 domid)
{
    Answer answer = {0};
    host->ops->domain_unpause(host, domid, config->uuid, on_done, &answer);
    finish_well(&answer);
}

static void destroy(const HostConfig *config, guint32 domid)
{
    Answer answer = {0};
    HostDomain domain;
    host->ops->domain_destroy(host, domid, config->uuid, on_done, &answer);
    finish_well(&answer);
    g_assert_false(find_domain(config->uuid, &domain));
}

static guint32 make_group(const char *uuid)
{
    guint32 id = 0;
    g_autoptr(GError) error = NULL;
    host->ops->group_create(host, uuid, &id, &error);
    g_assert_no_error(error);
    g_assert_cmpuint(id, >, DOMGRP_ID_GROUP0);
    g_assert_cmpuint(id, <, DOMGRP_ID_NULL);
    return id;
}

static void drop_group(guint32 id)
{
    g_autoptr(GError) error = NULL;
    host->ops->group_destroy(host, id, &error);
    g_assert_no_error(error);
}

/* -- the cases -- */

static void test_facts(void)
{
    HostFacts first;
    HostFacts second;
    g_assert_true(host->ops->facts(host, &first, NULL));
    g_assert_true(host->ops->facts(host, &second, NULL));
    g_assert_true(g_uuid_string_is_valid(first.boot_id));
    g_assert_cmpstr(first.boot_id, ==, second.boot_id);
    g_assert_cmpuint(first.memory_free_kib, <=, first.memory_total_kib);
    g_assert_cmpuint(first.memory_free_kib, >, 0);
}

static void test_dom0(void)
{
    g_autoptr(GArray) domains = NULL;
    g_assert_true(host->ops->domains(host, &domains, NULL));
    const HostDomain *dom0 = &g_array_index(domains, HostDomain, 0);
    g_assert_cmpuint(dom0->domid, ==, 0);
    g_assert_cmpuint(dom0->group_id, ==, has_groups() ? DOMGRP_ID_GROUP0 : DOMGRP_ID_NULL);
    g_assert_false(dom0->shutdown || dom0->dying);
}

static void test_lookup(void)
{
    guint32 domid = 7;
    char uuid[DOMGRP_UUID_TEXT];
    g_autoptr(GError) error = NULL;
    g_autofree char *nobody = host->ops->domain_name(host, 30000);
    g_assert_null(nobody);
    g_assert_true(host->ops->domain_lookup(host, "Domain-0", &domid, uuid, NULL));
    g_assert_cmpuint(domid, ==, 0);
    g_assert_false(host->ops->domain_lookup(host, "no-such-domain", &domid, uuid, &error));
    g_assert_error(error, DOMGRP_ERROR, DOMGRP_ERROR_DOMAIN_UNKNOWN);
}

static void test_config(void)
{
    g_autoptr(HostConfig) config = read_config(NAME);
    g_autoptr(HostConfig) again = NULL;
    g_assert_cmpstr(config->name, ==, NAME);
    g_assert_true(g_uuid_string_is_valid(config->uuid));
    g_assert_cmpuint(config->memory_kib, >, 0);
    g_assert_cmpint(config->on[HOST_REASON_REBOOT], ==, HOST_ACTION_RESTART);
    g_assert_true(host->ops->config_parse(host, config->json, &again, NULL));
    g_assert_cmpstr(again->uuid, ==, config->uuid);
    g_assert_cmpstr(again->name, ==, config->name);
    g_assert_cmpuint(again->memory_kib, ==, config->memory_kib);
}

static void test_config_refused(void)
{
    Answer answer = {0};
    host->ops->config_read(host, "bad.cfg", "memory = 5\n", "/", on_configured, &answer);
    finish(&answer);
    g_assert_error(answer.error, DOMGRP_ERROR, DOMGRP_ERROR_MEMBER_CONFIG);
    g_assert_nonnull(strstr(answer.error->message, "bad.cfg"));
    g_clear_error(&answer.error);
}

/* A file without a UUID is another machine each time it is read. */
static void test_config_uuid(void)
{
    g_autoptr(HostConfig) first = read_config(NAME);
    g_autoptr(HostConfig) second = read_config(NAME);
    g_assert_cmpstr(first->uuid, !=, second->uuid);
}

static void test_group(void)
{
    HostGroup group;
    guint32 id = make_group(GROUP);
    g_autoptr(GError) error = NULL;
    guint32 again = 0;
    g_assert_true(find_group(GROUP, &group));
    g_assert_cmpuint(group.id, ==, id);
    g_assert_cmpuint(group.members, ==, 0);
    g_assert_false(group.paused);
    assert_refused(host->ops->group_create(host, GROUP, &again, &error), &error);
    again = id;
    assert_refused(host->ops->group_create(host, OTHER, &again, &error), &error);
    drop_group(id);
    g_assert_false(find_group(GROUP, &group));
    assert_refused(host->ops->group_destroy(host, id, &error), &error);

    again = id; /* an id that is free can be had back */
    g_assert_true(host->ops->group_create(host, GROUP, &again, NULL));
    g_assert_cmpuint(again, ==, id);
    drop_group(id);
}

static void test_group_defaults(void)
{
    g_autoptr(GError) error = NULL;
    assert_refused(host->ops->group_destroy(host, DOMGRP_ID_GROUP0, &error), &error);
    assert_refused(host->ops->group_destroy(host, DOMGRP_ID_NULL, &error), &error);
    assert_refused(host->ops->group_reserve(host, DOMGRP_ID_NULL, OTHER, &error), &error);
}

static void test_group_reserve(void)
{
    guint32 id = make_group(GROUP);
    guint32 other = make_group(OTHER);
    const char *uuid = "c0c0c0c0-0000-4000-8000-000000000003";
    g_autoptr(GError) error = NULL;
    g_assert_true(host->ops->group_reserve(host, id, uuid, NULL));
    g_assert_true(host->ops->group_reserve(host, id, uuid, NULL));
    assert_refused(host->ops->group_reserve(host, other, uuid, &error), &error);
    assert_refused(host->ops->group_unreserve(host, other, uuid, &error), &error);
    assert_refused(host->ops->group_destroy(host, id, &error), &error);
    g_assert_true(host->ops->group_unreserve(host, id, uuid, NULL));
    assert_refused(host->ops->group_unreserve(host, id, uuid, &error), &error);
    drop_group(id);
    drop_group(other);
}

static void test_no_groups(void)
{
    g_autoptr(GError) error = NULL;
    guint32 id = 0;
    g_assert_false(host->ops->group_create(host, GROUP, &id, &error));
    g_assert_error(error, DOMGRP_ERROR, DOMGRP_ERROR_NOT_SUPPORTED);
}

/* Born in its group, paused; joined elsewhere; ended; destroyed, and that twice. */
static void test_birth(void)
{
    guint32 id = has_groups() ? make_group(GROUP) : DOMGRP_ID_NULL;
    g_autoptr(HostConfig) config = read_config(NAME);
    g_autoptr(GError) error = NULL;
    HostDomain domain;
    if (has_groups())
        g_assert_true(host->ops->group_reserve(host, id, config->uuid, NULL));

    changed = FALSE;
    guint32 domid = create(config, id);
    contract->wait(host, &changed);
    g_assert_true(find_domain(config->uuid, &domain));
    g_assert_cmpuint(domain.domid, ==, domid);
    g_assert_cmpuint(domain.group_id, ==, id);
    g_assert_true(domain.paused);
    g_assert_false(domain.shutdown);
    g_autofree char *name = host->ops->domain_name(host, domid);
    g_assert_cmpstr(name, ==, NAME);

    if (has_groups()) {
        assert_refused(host->ops->group_destroy(host, id, &error), &error);
        assert_refused(host->ops->group_join(host, DOMGRP_ID_NULL, domid, OTHER, &error), &error);
        g_assert_true(host->ops->group_join(host, DOMGRP_ID_NULL, domid, config->uuid, NULL));
        g_assert_true(host->ops->group_join(host, DOMGRP_ID_NULL, domid, config->uuid, NULL));
        g_assert_true(find_domain(config->uuid, &domain));
        g_assert_cmpuint(domain.group_id, ==, DOMGRP_ID_NULL);
        g_assert_true(host->ops->group_unreserve(host, id, config->uuid, NULL));
        drop_group(id);
    }
    destroy(config, domid);
    destroy(config, domid);
}

static void wait_ended(const char *uuid, HostReason reason)
{
    HostDomain domain;
    for (;;) {
        changed = FALSE;
        g_assert_true(find_domain(uuid, &domain));
        if (domain.shutdown)
            break;
        contract->wait(host, &changed);
    }
    g_assert_cmpint(domain.reason, ==, reason);
}

static void test_shutdown(gconstpointer data)
{
    gboolean reboot = GPOINTER_TO_INT(data);
    g_autoptr(HostConfig) config = read_config(NAME);
    guint32 domid = create(config, DOMGRP_ID_NULL);
    Answer wrong = {0};
    Answer answer = {0};
    HostDomain domain;
    unpause(config, domid);
    g_assert_true(find_domain(config->uuid, &domain));
    g_assert_false(domain.asked);
    host->ops->domain_shutdown(host, domid, OTHER, HOST_SHUTDOWN_POWEROFF, FALSE, on_done, &wrong);
    finish_badly(&wrong);
    host->ops->domain_shutdown(host, domid, config->uuid,
                               reboot ? HOST_SHUTDOWN_REBOOT : HOST_SHUTDOWN_POWEROFF, FALSE,
                               on_done, &answer);
    finish_well(&answer);
    wait_ended(config->uuid, reboot ? HOST_REASON_REBOOT : HOST_REASON_POWEROFF);
    g_assert_true(find_domain(config->uuid, &domain));
    g_assert_true(domain.asked);
    destroy(config, domid);

    domid = create(config, DOMGRP_ID_NULL); /* another domain was not asked */
    unpause(config, domid);
    g_assert_true(find_domain(config->uuid, &domain));
    g_assert_false(domain.asked);
    destroy(config, domid);
}

/* Refused before anything is done to the domain. */
static void test_soft_reset_refused(void)
{
    g_autoptr(HostConfig) config = read_config(NAME);
    guint32 domid = create(config, DOMGRP_ID_NULL);
    HostDomain domain;
    Answer answer = {0};
    host->ops->domain_soft_reset(host, domid, config->uuid, config->json, on_done, &answer);
    finish(&answer);
    g_assert_error(answer.error, DOMGRP_ERROR, DOMGRP_ERROR_NOT_SUPPORTED);
    g_clear_error(&answer.error);
    g_assert_true(find_domain(config->uuid, &domain));
    g_assert_true(domain.paused);
    g_assert_false(domain.shutdown);
    destroy(config, domid);
}

/* Another domain may have the domid by now: then nothing happens, and that is no error. */
static void test_destroy_other(void)
{
    g_autoptr(HostConfig) config = read_config(NAME);
    guint32 domid = create(config, DOMGRP_ID_NULL);
    HostDomain domain;
    Answer answer = {0};
    host->ops->domain_destroy(host, domid, OTHER, on_done, &answer);
    finish_well(&answer);
    g_assert_true(find_domain(config->uuid, &domain));
    destroy(config, domid);
}

static void test_name_taken(void)
{
    g_autoptr(HostConfig) config = read_config(NAME);
    g_autoptr(HostConfig) second = read_config(NAME);
    guint32 domid = create(config, DOMGRP_ID_NULL);
    HostRecord record = {.name = "contract"};
    HostDomain domain;
    Answer answer = {0};
    host->ops->domain_create(host, second->json, &record, on_created, &answer);
    finish_badly(&answer);
    g_assert_false(find_domain(second->uuid, &domain));
    destroy(config, domid);
}

static void test_retrieve(void)
{
    g_autoptr(HostConfig) config = read_config(NAME);
    guint32 domid = create(config, DOMGRP_ID_NULL);
    Answer answer = {0};
    Answer nobody = {0};
    host->ops->config_retrieve(host, domid, on_configured, &answer);
    finish_well(&answer);
    g_autoptr(HostConfig) found = answer.config;
    g_assert_cmpstr(found->uuid, ==, config->uuid);
    g_assert_cmpstr(found->name, ==, config->name);
    destroy(config, domid);
    host->ops->config_retrieve(host, domid, on_configured, &nobody);
    finish_badly(&nobody);
}

/* A kept domain gives up its UUID and its name, which a new one can have at once. */
static void test_preserve(void)
{
    g_autoptr(HostConfig) config = read_config(NAME);
    guint32 domid = create(config, DOMGRP_ID_NULL);
    g_autoptr(GArray) domains = NULL;
    Answer ask = {0};
    Answer preserve = {0};
    Answer gone = {0};
    char kept[DOMGRP_UUID_TEXT] = "";
    unpause(config, domid);
    host->ops->domain_shutdown(host, domid, config->uuid, HOST_SHUTDOWN_POWEROFF, FALSE, on_done,
                               &ask);
    finish_well(&ask);
    wait_ended(config->uuid, HOST_REASON_POWEROFF);
    host->ops->domain_preserve(host, domid, config->uuid, on_done, &preserve);
    finish_well(&preserve);
    guint32 second = create(config, DOMGRP_ID_NULL);
    g_assert_cmpuint(second, !=, domid);
    destroy(config, second);

    g_assert_true(host->ops->domains(host, &domains, NULL));
    for (guint i = 0; i < domains->len; i++) {
        const HostDomain *domain = &g_array_index(domains, HostDomain, i);
        if (domain->domid == domid)
            g_strlcpy(kept, domain->uuid, sizeof kept);
    }
    g_assert_cmpstr(kept, !=, "");
    g_assert_cmpstr(kept, !=, config->uuid);
    host->ops->domain_destroy(host, domid, kept, on_done, &gone);
    finish_well(&gone);
}

/* By the hypervisor: a state of the group, which a member's own pause does not show. */
static void test_pause(void)
{
    guint32 id = has_groups() ? make_group(GROUP) : DOMGRP_ID_NULL;
    g_autoptr(HostConfig) config = read_config(NAME);
    HostDomain domain;
    HostGroup group;
    guint32 domid = create(config, id);
    unpause(config, domid);
    if (has_groups())
        g_assert_true(host->ops->group_join(host, id, domid, config->uuid, NULL));

    for (guint i = 0; i < (has_groups() ? 2 : 1); i++) {
        Answer pause = {0};
        host->ops->group_pause(host, id, 1, &domid, on_paused, &pause);
        finish_well(&pause);
        g_assert_cmpint(pause.pause.atomic, ==, has_groups());
        g_assert_cmpuint(pause.pause.domains, ==, 1);
        g_assert_cmpuint(pause.pause.vcpus, >=, 1);
        g_assert_cmpuint(pause.pause.stopped_ns, >=, pause.pause.request_ns);
    }
    g_assert_true(find_domain(config->uuid, &domain));
    g_assert_cmpint(domain.paused, ==, !has_groups());
    if (has_groups()) {
        g_assert_true(find_group(GROUP, &group));
        g_assert_true(group.paused);
        g_assert_cmpuint(group.members, ==, 1);
    }

    Answer release = {0};
    host->ops->group_unpause(host, id, 1, &domid, on_done, &release);
    finish_well(&release);
    g_assert_true(find_domain(config->uuid, &domain));
    g_assert_false(domain.paused);
    destroy(config, domid);
    if (has_groups())
        drop_group(id);
}

static void test_records(void)
{
    g_autoptr(HostConfig) config = read_config(NAME);
    const char *names[] = {config->name};
    const char *uuids[] = {config->uuid};
    HostRecord record = {
        .id = 5, .name = "contract", .n_members = 1, .member_names = names, .member_uuids = uuids};
    guint32 domid = create(config, DOMGRP_ID_NULL);
    g_strlcpy(record.uuid, GROUP, sizeof record.uuid);
    for (guint i = 0; i < 2; i++) {
        Answer publish = {0};
        host->ops->record_publish(host, &record, 1, &domid, on_done, &publish);
        finish_well(&publish);
    }
    destroy(config, domid);
    for (guint i = 0; i < 2; i++) { /* of a domain that is gone too, and when nothing is there */
        Answer unpublish = {0};
        host->ops->record_unpublish(host, GROUP, 1, &domid, on_done, &unpublish);
        finish_well(&unpublish);
    }
}

static void on_timeout(gpointer data)
{
    *(gboolean *)data = TRUE;
}

/* -- probes -- */

#define SOON_US (2 * G_USEC_PER_SEC)
#define LONG_US (1000 * (gint64)G_USEC_PER_SEC) /* longer than anybody waits */

static guint look(const DomgrpProbe *probe, guint32 domid, const char *uuid, gint64 timeout_us,
                  Answer *answer)
{
    HostProbe what = {
        .probe = probe, .domid = domid, .uuid = uuid, .member = NAME, .group = "contract"};
    *answer = (Answer){0};
    guint handle = host->ops->probe(host, &what, timeout_us, on_done, answer);
    g_assert_cmpuint(handle, !=, 0);
    return handle;
}

static void assert_look(const DomgrpProbe *probe, guint32 domid, const char *uuid,
                        gint64 timeout_us, int code, const char *message)
{
    Answer answer;
    look(probe, domid, uuid, timeout_us, &answer);
    finish(&answer);
    g_assert_error(answer.error, DOMGRP_ERROR, code);
    if (message != NULL)
        g_assert_cmpstr(answer.error->message, ==, message);
    g_clear_error(&answer.error);
}

static const DomgrpProbe key = {
    .kind = DOMGRP_PROBE_XENSTORE, .path = (char *)"data/contract", .value = (char *)"1"};

/* A socket of a port on the loopback, which refuses until it listens. */
static int open_port(DomgrpProbe *ret_probe)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    g_assert_cmpint(bind(fd, (struct sockaddr *)&address, length), ==, 0);
    g_assert_cmpint(getsockname(fd, (struct sockaddr *)&address, &length), ==, 0);
    *ret_probe = (DomgrpProbe){
        .kind = DOMGRP_PROBE_TCP, .address = (char *)"127.0.0.1", .port = ntohs(address.sin_port)};
    return fd;
}

static DomgrpProbe shell(char **argv, const char *script)
{
    argv[0] = (char *)"/bin/sh";
    argv[1] = (char *)"-c";
    argv[2] = (char *)script;
    argv[3] = NULL;
    return (DomgrpProbe){.kind = DOMGRP_PROBE_EXEC, .argv = argv};
}

static void pass_time(gint64 us)
{
    gboolean passed = FALSE;
    host->ops->timer_add(host, us, on_timeout, &passed);
    contract->wait(host, &passed);
}

/* It waits till the key appears; the wrong value is not it. */
static void test_probe(void)
{
    g_autoptr(HostConfig) config = read_config(NAME);
    guint32 domid = create(config, DOMGRP_ID_NULL);
    char *argv[4];
    g_autofree char *script =
        g_strdup_printf("test \"$DOMGRP_GROUP/$DOMGRP_MEMBER/$DOMGRP_DOMID/$DOMGRP_UUID\" = "
                        "contract/" NAME "/%u/%s",
                        domid, config->uuid);
    DomgrpProbe program = shell(argv, script);
    DomgrpProbe tcp;
    Answer answer;
    unpause(config, domid);
    look(&key, domid, config->uuid, LONG_US, &answer);
    pass_time(SOON_US);
    contract->write(host, domid, "0");
    pass_time(SOON_US);
    g_assert_false(answer.called);
    contract->write(host, domid, "1");
    finish_well(&answer);

    look(&key, domid, config->uuid, LONG_US, &answer);
    finish_well(&answer);
    int fd = open_port(&tcp);
    g_assert_cmpint(listen(fd, 1), ==, 0);
    look(&tcp, domid, config->uuid, LONG_US, &answer);
    finish_well(&answer);
    close(fd);
    look(&program, domid, config->uuid, LONG_US, &answer);
    finish_well(&answer);
    destroy(config, domid);
}

static void probe_fails(guint32 domid, const char *uuid)
{
    char *argv[4];
    DomgrpProbe program = shell(argv, "echo not yet; echo more; exit 1");
    DomgrpProbe tcp;
    assert_look(&key, domid, uuid, SOON_US, DOMGRP_ERROR_TIMEOUT, "data/contract is not there");
    int fd = open_port(&tcp);
    assert_look(&tcp, domid, uuid, LONG_US, DOMGRP_ERROR_HOST, "connection refused");
    close(fd);
    assert_look(&program, domid, uuid, LONG_US, DOMGRP_ERROR_HOST, "exit status 1: not yet");
}

/* Not once it was cancelled, and not from a domain that is gone. */
static void test_probe_fails(void)
{
    g_autoptr(HostConfig) config = read_config(NAME);
    guint32 domid = create(config, DOMGRP_ID_NULL);
    char *argv[4];
    DomgrpProbe program = shell(argv, "sleep 1000");
    Answer cancelled[2];
    Answer gone;
    unpause(config, domid);
    probe_fails(domid, config->uuid);
    assert_look(&key, domid, OTHER, LONG_US, DOMGRP_ERROR_DOMAIN_UNKNOWN, NULL);

    guint early = look(&key, domid, config->uuid, LONG_US, &cancelled[0]);
    host->ops->probe_cancel(host, early);
    guint late[] = {look(&key, domid, config->uuid, LONG_US, &cancelled[0]),
                    look(&program, domid, config->uuid, LONG_US, &cancelled[1])};
    look(&key, domid, config->uuid, LONG_US, &gone);
    if (contract->is_real)
        pass_time(SOON_US);
    for (guint i = 0; i < G_N_ELEMENTS(late); i++)
        host->ops->probe_cancel(host, late[i]);
    host->ops->probe_cancel(host, early); /* that is over already */
    g_assert_false(gone.called);
    destroy(config, domid);
    if (!gone.called)
        contract->wait(host, &gone.called);
    g_assert_error(gone.error, DOMGRP_ERROR, DOMGRP_ERROR_DOMAIN_UNKNOWN);
    g_clear_error(&gone.error);
    g_assert_false(cancelled[0].called || cancelled[1].called);
}

/* More than can run at once, of domain 0; and all the ways in which a program can fail. */
static void test_probe_programs(void)
{
    static const char *const zero = "00000000-0000-0000-0000-000000000000";
    char *argv[4];
    char *missing[] = {(char *)"/no/such/program", NULL};
    DomgrpProbe none = {.kind = DOMGRP_PROBE_EXEC, .argv = missing};
    DomgrpProbe quick = shell(argv, "sleep 0.1; exit 0");
    Answer answers[30];
    for (guint i = 0; i < G_N_ELEMENTS(answers); i++)
        look(&quick, 0, zero, LONG_US, &answers[i]);
    for (guint i = 0; i < G_N_ELEMENTS(answers); i++) {
        if (!answers[i].called)
            contract->wait(host, &answers[i].called);
        g_assert_no_error(answers[i].error);
    }

    assert_look(&none, 0, zero, LONG_US, DOMGRP_ERROR_HOST,
                "/no/such/program cannot be started: No such file or directory");
    DomgrpProbe slow = shell(argv, "echo waits; exec sleep 1000");
    assert_look(&slow, 0, zero, SOON_US, DOMGRP_ERROR_TIMEOUT, "it did not end within 2 s: waits");
    DomgrpProbe crash = shell(argv, "kill -TERM $$");
    assert_look(&crash, 0, zero, LONG_US, DOMGRP_ERROR_HOST, "ended by signal 15, Terminated");
    DomgrpProbe silent = shell(argv, "exit 7");
    assert_look(&silent, 0, zero, LONG_US, DOMGRP_ERROR_HOST, "exit status 7");
    DomgrpProbe rude = shell(argv, "printf 'a\\033[2Jb\\r\\n'; exit 1");
    assert_look(&rude, 0, zero, LONG_US, DOMGRP_ERROR_HOST, "exit status 1: a\\x1b[2Jb\\x0d");
}

/* What is in the key is said, however the guest may have meant it. */
static void test_probe_values(void)
{
    static const char *const zero = "00000000-0000-0000-0000-000000000000";
    DomgrpProbe missing = key;
    g_autofree char *large = g_strnfill(100, 'x');
    g_autofree char *cut = g_strdup_printf("data/contract is \"%.64s...\"", large);
    missing.path = (char *)"/local/domain/0/data/missing";
    missing.value = NULL;
    contract->write(host, 0, "0");
    assert_look(&key, 0, zero, SOON_US, DOMGRP_ERROR_TIMEOUT, "data/contract is \"0\"");
    contract->write(host, 0, "1\n\033[1m");
    assert_look(&key, 0, zero, SOON_US, DOMGRP_ERROR_TIMEOUT,
                "data/contract is \"1\\x0a\\x1b[1m\"");
    contract->write(host, 0, large);
    assert_look(&key, 0, zero, SOON_US, DOMGRP_ERROR_TIMEOUT, cut);
    assert_look(&missing, 0, zero, SOON_US, DOMGRP_ERROR_TIMEOUT,
                "/local/domain/0/data/missing is not there");
}

static void test_timers(void)
{
    gboolean first = FALSE;
    gboolean second = FALSE;
    gboolean cancelled = FALSE;
    gint64 began = host->ops->now(host);
    g_assert_cmpuint(host->ops->timer_add(host, 30000, on_timeout, &second), !=, 0);
    guint timer = host->ops->timer_add(host, 10000, on_timeout, &cancelled);
    g_assert_cmpuint(host->ops->timer_add(host, 0, on_timeout, &first), !=, 0);
    g_assert_false(first);
    host->ops->timer_cancel(host, timer);
    contract->wait(host, &first);
    g_assert_false(second);
    contract->wait(host, &second);
    g_assert_false(cancelled);
    g_assert_cmpint(host->ops->now(host) - began, >=, 30000);
}

/* -- images -- */

#define IMAGE "c0c0c0c0-0000-4000-8000-000000000004"
#define IMAGE_PATH "/tmp/contract.img"
#define IMAGE_TEXT "a group, in the words of an engine"

/* A guest that can answer. */
static guint32 create_up(const HostConfig *config)
{
    static const DomgrpProbe ready = {
        .kind = DOMGRP_PROBE_XENSTORE, .path = (char *)"data/ready", .value = (char *)"1"};
    guint32 domid = create(config, DOMGRP_ID_NULL);
    Answer answer;
    unpause(config, domid);
    if (contract->is_real) {
        look(&ready, domid, config->uuid, LONG_US, &answer);
        finish_well(&answer);
    }
    return domid;
}

static void begin_image(const HostConfig *config, Answer *answer)
{
    HostImageSpec spec = {.uuid = IMAGE,
                          .path = IMAGE_PATH,
                          .group_uuid = GROUP,
                          .group_name = "contract",
                          .text = IMAGE_TEXT,
                          .n_members = 1,
                          .members = &config};
    *answer = (Answer){0};
    host->ops->image_create(host, &spec, on_opened, answer);
    finish(answer);
}

static HostImage *begin_image_well(const HostConfig *config)
{
    Answer answer;
    begin_image(config, &answer);
    g_assert_no_error(answer.error);
    return answer.image;
}

static void suspend(HostImage *image, const HostConfig *config, guint32 domid)
{
    Answer answer = {0};
    HostDomain domain;
    host->ops->image_suspend(host, image, domid, config->uuid, on_done, &answer);
    finish_well(&answer);
    g_assert_true(find_domain(config->uuid, &domain));
    g_assert_true(domain.shutdown);
    g_assert_cmpint(domain.reason, ==, HOST_REASON_SUSPEND);
    g_assert_false(domain.asked); /* by anybody else */
}

static void save(HostImage *image, const HostConfig *config, guint32 domid)
{
    HostImageProgress progress;
    Answer saved = {0};
    Answer finished = {0};
    host->ops->image_save(host, image, domid, config->uuid, on_done, &saved);
    finish_well(&saved);
    host->ops->image_progress(host, image, &progress);
    g_assert_cmpuint(progress.memory_bytes, >, 0);
    host->ops->image_finish(host, image, on_done, &finished);
    finish_well(&finished);
    host->ops->image_close(host, image);
}

/* Its guest is not asked for anything yet. */
static void copy(HostImage *image, const HostConfig *config, guint32 domid)
{
    Answer answer = {0};
    HostDomain domain;
    host->ops->image_copy(host, image, domid, config->uuid, on_done, &answer);
    finish_well(&answer);
    g_assert_true(find_domain(config->uuid, &domain));
    g_assert_false(domain.shutdown || domain.asked);
}

/* Twice: what does not stand still is no error. */
static void resume(const HostConfig *config, guint32 domid)
{
    HostDomain domain;
    for (guint i = 0; i < 2; i++) {
        Answer answer = {0};
        host->ops->domain_resume(host, domid, config->uuid, on_done, &answer);
        finish_well(&answer);
        g_assert_true(find_domain(config->uuid, &domain));
        g_assert_false(domain.shutdown || domain.asked);
    }
}

static void snapshot(HostImage *image, const char *command, Answer *answer)
{
    *answer = (Answer){0};
    host->ops->image_snapshot(host, image, command, on_done, answer);
    finish(answer);
}

static void open_image(Answer *answer)
{
    *answer = (Answer){0};
    host->ops->image_open(host, IMAGE_PATH, on_opened, answer);
    finish(answer);
}

static void close_image(Answer *answer)
{
    host->ops->image_close(host, answer->image);
    g_free(answer->text);
    g_free(answer->json);
}

static void assert_no_image(void)
{
    Answer answer;
    open_image(&answer);
    g_assert_error(answer.error, DOMGRP_ERROR, DOMGRP_ERROR_FILE);
    g_clear_error(&answer.error);
}

static void remove_image(const char *uuid)
{
    Answer answer = {0};
    host->ops->image_remove(host, IMAGE_PATH, uuid, on_done, &answer);
    finish_well(&answer);
}

/* A member comes back as it was, paused; only then the image is used. */
static void restore(const HostConfig *config)
{
    HostRecord record = {.uuid = GROUP, .id = DOMGRP_ID_NULL, .name = "contract"};
    HostDomain domain;
    Answer image;
    Answer restored = {0};
    Answer used = {0};
    open_image(&image);
    g_assert_no_error(image.error);
    g_assert_false(image.used);
    g_assert_cmpuint(image.disks, ==, 1);
    g_assert_cmpstr(image.text, ==, IMAGE_TEXT);
    host->ops->image_restore(host, image.image, config->uuid, image.json, &record, on_created,
                             &restored);
    finish_well(&restored);
    g_assert_true(find_domain(config->uuid, &domain));
    g_assert_cmpuint(domain.domid, ==, restored.domid);
    g_assert_true(domain.paused);
    host->ops->image_use(host, image.image, on_done, &used);
    finish_well(&used);
    unpause(config, restored.domid);
    close_image(&image);
    destroy(config, restored.domid);
    open_image(&image);
    g_assert_true(image.used);
    close_image(&image);
}

static void test_image(void)
{
    g_autoptr(HostConfig) config = read_config(NAME);
    guint32 domid = create_up(config);
    Answer answer;
    HostImage *image = begin_image_well(config);
    suspend(image, config, domid);
    snapshot(image, "echo vg/snap-1", &answer);
    g_assert_no_error(answer.error);
    assert_no_image();
    save(image, config, domid);
    resume(config, domid);

    begin_image(config, &answer);
    g_assert_error(answer.error, DOMGRP_ERROR, DOMGRP_ERROR_FILE);
    g_clear_error(&answer.error);
    destroy(config, domid);
    restore(config);
    remove_image(OTHER);
    open_image(&answer);
    g_assert_no_error(answer.error);
    close_image(&answer);
    remove_image(IMAGE);
    assert_no_image();
    remove_image(IMAGE);
}

/* Whatever it had come to, no file is left, and the guest goes on. */
static void test_image_given_up(void)
{
    g_autoptr(HostConfig) config = read_config(NAME);
    guint32 domid = create_up(config);
    Answer answer;
    HostImage *image = begin_image_well(config);
    suspend(image, config, domid);
    snapshot(image, "echo it fails; exit 1", &answer);
    g_assert_error(answer.error, DOMGRP_ERROR, DOMGRP_ERROR_SNAPSHOT);
    g_clear_error(&answer.error);
    host->ops->image_close(host, image);
    resume(config, domid);
    assert_no_image();
    destroy(config, domid);
}

/* Most of the memory is written while the guest runs. */
static void test_image_live(void)
{
    g_autoptr(HostConfig) config = read_config(NAME);
    guint32 domid = create_up(config);
    HostImage *image = begin_image_well(config);
    Answer answer;
    copy(image, config, domid);
    suspend(image, config, domid);
    save(image, config, domid);
    resume(config, domid);
    open_image(&answer);
    g_assert_no_error(answer.error);
    close_image(&answer);

    remove_image(IMAGE);
    image = begin_image_well(config); /* given up while it runs */
    copy(image, config, domid);
    host->ops->image_close(host, image);
    resume(config, domid);
    assert_no_image();
    destroy(config, domid);
}

/* What runs on the image ends, once. */
static void test_image_cancelled(void)
{
    g_autoptr(HostConfig) config = read_config(NAME);
    guint32 domid = create_up(config);
    HostImage *image = begin_image_well(config);
    Answer answer = {0};
    suspend(image, config, domid);
    host->ops->image_save(host, image, domid, config->uuid, on_done, &answer);
    host->ops->image_cancel(host, image);
    finish(&answer);
    g_assert_error(answer.error, DOMGRP_ERROR, DOMGRP_ERROR_CANCELLED);
    g_clear_error(&answer.error);
    host->ops->image_close(host, image);
    resume(config, domid);
    assert_no_image();
    destroy(config, domid);
}

static void test_config_map(void)
{
    static const char *const none[] = {NULL};
    static const char *const disks[] = {"/no/such/disk=/another", NULL};
    g_autoptr(HostConfig) config = read_config(NAME);
    g_autoptr(HostConfig) mapped = NULL;
    g_autoptr(GError) error = NULL;
    HostConfigMap map = {.name = "contract-b", .uuid = OTHER, .macs = none, .disks = none};
    g_assert_true(host->ops->config_map(host, config->json, &map, &mapped, NULL));
    g_assert_cmpstr(mapped->name, ==, "contract-b");
    g_assert_cmpstr(mapped->uuid, ==, OTHER);
    g_assert_cmpuint(mapped->memory_kib, ==, config->memory_kib);
    map.disks = disks;
    HostConfig *refused = NULL;
    g_assert_false(host->ops->config_map(host, config->json, &map, &refused, &error));
    g_assert_error(error, DOMGRP_ERROR, DOMGRP_ERROR_VALUE);
}

void contract_add(const ContractHost *of)
{
    contract = of;
    host = of->host;
    host->ops->watch(host, on_changed, NULL);
    g_test_add_func("/contract/facts", test_facts);
    g_test_add_func("/contract/dom0", test_dom0);
    g_test_add_func("/contract/lookup", test_lookup);
    g_test_add_func("/contract/timers", test_timers);
    g_test_add_func("/contract/config", test_config);
    g_test_add_func("/contract/config-refused", test_config_refused);
    g_test_add_func("/contract/config-uuid", test_config_uuid);
    if (has_groups()) {
        g_test_add_func("/contract/group", test_group);
        g_test_add_func("/contract/group-defaults", test_group_defaults);
        g_test_add_func("/contract/group-reserve", test_group_reserve);
    } else {
        g_test_add_func("/contract/no-groups", test_no_groups);
    }
    g_test_add_func("/contract/birth", test_birth);
    g_test_add_data_func("/contract/shutdown", GINT_TO_POINTER(FALSE), test_shutdown);
    g_test_add_data_func("/contract/reboot", GINT_TO_POINTER(TRUE), test_shutdown);
    g_test_add_func("/contract/destroy-other", test_destroy_other);
    g_test_add_func("/contract/name-taken", test_name_taken);
    g_test_add_func("/contract/retrieve", test_retrieve);
    g_test_add_func("/contract/preserve", test_preserve);
    g_test_add_func("/contract/pause", test_pause);
    g_test_add_func("/contract/records", test_records);
    g_test_add_func("/contract/soft-reset-refused", test_soft_reset_refused);
    g_test_add_func("/contract/image", test_image);
    g_test_add_func("/contract/image-live", test_image_live);
    g_test_add_func("/contract/image-given-up", test_image_given_up);
    g_test_add_func("/contract/image-cancelled", test_image_cancelled);
    g_test_add_func("/contract/config-map", test_config_map);
    g_test_add_func("/contract/probe", test_probe);
    g_test_add_func("/contract/probe-fails", test_probe_fails);
    if (contract->is_real) {
        g_test_add_func("/contract/probe-programs", test_probe_programs);
        g_test_add_func("/contract/probe-values", test_probe_values);
    }
}
