/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Settings: the grammar of each key, one row and one function a key, and the
 * text that keeps them. What the members are and whether the order can be
 * kept is not known here.
 */
#include "domgrp-settings.h"

#include "domgrp-error.h"

#include <arpa/inet.h>
#include <string.h>

#define BLANKS " \t"
#define SHOWN_MAX 120         /* bytes of a string that a message quotes */
#define DNS_NAME_MAX 253      /* DNS */
#define XENSTORE_ABS_MAX 3072 /* xen/io/xs_wire.h: XENSTORE_ABS_PATH_MAX */
#define XENSTORE_REL_MAX 2048 /* likewise, XENSTORE_REL_PATH_MAX */

#define ON_FAILURE_FORM "OPERATION: rollback|continue|stop"
#define SHUTDOWN_FORM "MEMBER: [timeout=SECONDS] [then=leave|destroy]"
#define READY_FORM "MEMBER: PROBE [timeout=SECONDS], a probe being delay, tcp, xenstore or exec"

typedef enum {
    KEY_AFTER,
    KEY_READY,
    KEY_SHUTDOWN,
    KEY_ON_FAILURE,
    KEY_ON_MEMBER_FAILURE,
    KEY_FAILURE_LIMIT,
    KEY_ON_BOOT,
    KEY_PARALLEL,
    KEY_SNAPSHOT,
    KEY_COUNT
} Key;

/* A string of a list: "SUBJECT: WORD...". */
typedef struct {
    const char *value; /* all of it, for messages */
    char *subject;
    char **words;
    guint n_words;
} Item;

typedef struct {
    const char *name;
    gboolean is_list;
    const char *form;
    /* One of them: of a list's items, or of the only string. */
    gboolean (*add_item)(DomgrpSettings *settings, const Item *item, GError **error);
    gboolean (*add_string)(DomgrpSettings *settings, const char *value, GError **error);
} KeyRow;

/* -- messages and words -- */

/* Fails with: "VALUE" and the sentence that @format goes on with. */
static gboolean G_GNUC_PRINTF(4, 5)
    fail(GError **error, DomgrpErrorCode code, const char *value, const char *format, ...)
{
    gsize length = strlen(value);
    g_autofree char *shown = g_utf8_make_valid(value, (gssize)MIN(length, SHOWN_MAX));
    va_list arguments;

    for (char *c = shown; *c != '\0'; c = g_utf8_next_char(c))
        if (g_unichar_iscntrl(g_utf8_get_char(c)))
            memset(c, '?', (gsize)(g_utf8_next_char(c) - c));
    va_start(arguments, format);
    g_autofree char *sentence = g_strdup_vprintf(format, arguments);
    va_end(arguments);
    g_set_error(error, DOMGRP_ERROR, (int)code, "\"%s%s\" %s", shown,
                length > SHOWN_MAX ? "..." : "", sentence);
    return FALSE;
}

#define FAIL_VALUE(error, value, ...) fail(error, DOMGRP_ERROR_VALUE, value, __VA_ARGS__)

static gboolean text_check(const char *value, GError **error)
{
    if (strlen(value) > DOMGRP_SETTING_MAX)
        return FAIL_VALUE(error, value, "is longer than %u bytes: write less", DOMGRP_SETTING_MAX);
    if (!g_utf8_validate(value, -1, NULL))
        return FAIL_VALUE(error, value, "is not UTF-8: write it in UTF-8");
    for (const char *c = value; *c != '\0'; c = g_utf8_next_char(c)) {
        gboolean is_control = (guchar)*c < 0x80 ? g_ascii_iscntrl(*c) && *c != '\t'
                                                : g_unichar_iscntrl(g_utf8_get_char(c));
        if (is_control)
            return FAIL_VALUE(error, value, "has a control character: take it out");
    }
    return TRUE;
}

static char **words_split(const char *text, guint *ret_n)
{
    char **words = g_new(char *, strlen(text) / 2 + 2);
    guint n = 0;

    for (text += strspn(text, BLANKS); *text != '\0'; text += strspn(text, BLANKS)) {
        gsize length = strcspn(text, BLANKS);
        words[n++] = g_strndup(text, length);
        text += length;
    }
    words[n] = NULL;
    *ret_n = n;
    return words;
}

static void item_clear(Item *item)
{
    g_free(item->subject);
    g_strfreev(item->words);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Item, item_clear)

static gboolean item_init(Item *item, const char *value, const char *form, GError **error)
{
    const char *word = value + strspn(value, BLANKS);
    gsize length = strcspn(word, BLANKS);
    const char *colon = memchr(word, ':', length);

    if (colon == NULL)
        return FAIL_VALUE(error, value, "does not begin with a name and a colon: write %s", form);
    if (word[length - 1] == ':')
        colon = word + length - 1;
    item->value = value;
    item->subject = g_strndup(word, (gsize)(colon - word));
    item->words = words_split(colon + 1, &item->n_words);
    if (item->n_words == 0)
        return FAIL_VALUE(error, value, "has nothing after the colon: write %s", form);
    return TRUE;
}

static gboolean name_check(const char *value, const char *name, GError **error)
{
    g_autoptr(GError) local = NULL;
    if (domgrp_name_check("member", name, &local))
        return TRUE;
    return fail(error, (DomgrpErrorCode)local->code, value, "names no member: %s", local->message);
}

/* A number of @value, which calls it @what: no sign, no unit. */
static gboolean number_parse(const char *value, const char *what, const char *text, guint min,
                             guint max, guint *ret_number, GError **error)
{
    guint64 number;
    if (!g_ascii_string_to_unsigned(text, 10, min, max, &number, NULL))
        return FAIL_VALUE(error, value, "has no valid %s: write a whole number from %u to %u", what,
                          min, max);
    *ret_number = (guint)number;
    return TRUE;
}

/* The number of @text in the list @names, which ends in NULL; -1 if it is not there. */
static int name_find(const char *const *names, const char *text)
{
    for (int i = 0; names[i] != NULL; i++)
        if (strcmp(names[i], text) == 0)
            return i;
    return -1;
}

/* -- policies -- */

static const char *const policy_names[] = {
#define X(enumerator, name) name,
    DOMGRP_POLICIES(X)
#undef X
        NULL};

static const char *const operation_names[] = {"create", "start",   "shutdown",
                                              "reboot", "destroy", NULL};
/* Of these, what cannot be undone. */
static const char *const final_names[] = {"reboot", "destroy", NULL};

const char *domgrp_policy_name(DomgrpPolicy policy)
{
    g_return_val_if_fail(policy < DOMGRP_POLICY_COUNT, NULL);
    return policy_names[policy];
}

gboolean domgrp_policy_parse(const char *name, DomgrpPolicy *ret_policy, GError **error)
{
    int policy = name_find(policy_names, name);
    if (policy < 0) {
        g_autofree char *all = g_strjoinv(", ", (char **)policy_names);
        return FAIL_VALUE(error, name, "is not a failure policy: write one of %s", all);
    }
    *ret_policy = (DomgrpPolicy)policy;
    return TRUE;
}

gboolean domgrp_policy_check(const char *operation, DomgrpPolicy policy, GError **error)
{
    if (name_find(operation_names, operation) < 0) {
        g_autofree char *all = g_strjoinv(", ", (char **)operation_names);
        return FAIL_VALUE(error, operation, "is not an operation with a failure policy: %s are",
                          all);
    }
    if (policy == DOMGRP_POLICY_ROLLBACK && name_find(final_names, operation) >= 0)
        return FAIL_VALUE(error, operation, "cannot be undone: use continue or stop, not rollback");
    return TRUE;
}

/* -- probes -- */

static void probe_free(DomgrpProbe *probe)
{
    if (probe == NULL)
        return;
    g_free(probe->text);
    g_free(probe->address);
    g_free(probe->path);
    g_free(probe->value);
    g_strfreev(probe->argv);
    g_free(probe);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC(DomgrpProbe, probe_free)

static gboolean delay_parse(DomgrpProbe *probe, const char *value, const char *word, GError **error)
{
    return number_parse(value, "delay in seconds", word, 0, DOMGRP_SECONDS_MAX, &probe->delay_s,
                        error);
}

/* Letters, digits and "-._"; what has only digits and dots must be an IPv4 address. */
static gboolean is_host(const char *text)
{
    struct in_addr address;
    gsize length = strlen(text);

    for (const char *c = text; *c != '\0'; c++)
        if (!g_ascii_isalnum(*c) && strchr("-._", *c) == NULL)
            return FALSE;
    if (strspn(text, "0123456789.") == length)
        return inet_pton(AF_INET, text, &address) == 1;
    return length <= DNS_NAME_MAX && text[0] != '-' && text[0] != '.' && strstr(text, "..") == NULL;
}

static gboolean address_parse(DomgrpProbe *probe, const char *value, const char *text, gsize length,
                              GError **error)
{
    struct in6_addr address;
    gboolean in_brackets = length >= 2 && text[0] == '[' && text[length - 1] == ']';
    g_autofree char *bare = in_brackets ? g_strndup(text + 1, length - 2) : g_strndup(text, length);

    if (in_brackets && inet_pton(AF_INET6, bare, &address) != 1)
        return FAIL_VALUE(error, value,
                          "has no IPv6 address in its brackets: write tcp [ADDRESS]:PORT");
    if (!in_brackets && strchr(bare, ':') != NULL)
        return FAIL_VALUE(error, value,
                          "has an address with colons: write an IPv6 address in brackets, "
                          "tcp [ADDRESS]:PORT");
    if (!in_brackets && !is_host(bare))
        return FAIL_VALUE(error, value,
                          "has no valid address: write an IP address or a host name, "
                          "tcp ADDRESS:PORT");
    probe->address = g_steal_pointer(&bare);
    return TRUE;
}

static gboolean tcp_parse(DomgrpProbe *probe, const char *value, const char *word, GError **error)
{
    const char *colon = strrchr(word, ':');
    guint port = 0;

    if (colon == NULL || (word[0] == '[' && word[strlen(word) - 1] == ']'))
        return FAIL_VALUE(error, value, "has no port: write tcp ADDRESS:PORT");
    if (!address_parse(probe, value, word, (gsize)(colon - word), error) ||
        !number_parse(value, "port", colon + 1, 1, G_MAXUINT16, &port, error))
        return FALSE;
    probe->port = (guint16)port;
    return TRUE;
}

static gboolean xenstore_path_check(const char *value, const char *path, GError **error)
{
    gsize length = strlen(path);
    gsize max = path[0] == '/' ? XENSTORE_ABS_MAX : XENSTORE_REL_MAX;

    if (length == 0 || length > max)
        return FAIL_VALUE(error, value, "has a path of %zu characters: use 1 to %zu", length, max);
    for (const char *c = path; *c != '\0'; c++)
        if (!g_ascii_isalnum(*c) && strchr("-/_@:+.", *c) == NULL)
            return FAIL_VALUE(error, value,
                              "has a path that xenstore does not allow: use letters, digits and "
                              "-/_@:+.");
    if (path[0] == '@' || path[length - 1] == '/' || strstr(path, "//") != NULL)
        return FAIL_VALUE(error, value,
                          "has a path that xenstore does not allow: it must not begin with @, end "
                          "in a slash or have two in a row");
    return TRUE;
}

static gboolean xenstore_parse(DomgrpProbe *probe, const char *value, const char *word,
                               GError **error)
{
    const char *equals = strchr(word, '=');
    g_autofree char *path = equals != NULL ? g_strndup(word, (gsize)(equals - word)) //
                                           : g_strdup(word);

    if (!xenstore_path_check(value, path, error))
        return FALSE;
    probe->path = g_steal_pointer(&path);
    probe->value = equals != NULL ? g_strdup(equals + 1) : NULL;
    return TRUE;
}

static gboolean exec_parse(DomgrpProbe *probe, const char *value, const char *word, GError **error)
{
    if (!g_path_is_absolute(word))
        return FAIL_VALUE(error, value,
                          "has a program that is no absolute path: write exec /PATH [ARGUMENT...]");
    return TRUE;
}

/* By DomgrpProbeKind. */
static const struct {
    const char *name;
    const char *form;
    gboolean takes_more; /* than one word */
    gboolean takes_timeout;
    gboolean (*parse)(DomgrpProbe *probe, const char *value, const char *word, GError **error);
} probe_rows[] = {
    [DOMGRP_PROBE_DELAY] = {"delay", "delay SECONDS", FALSE, FALSE, delay_parse},
    [DOMGRP_PROBE_TCP] = {"tcp", "tcp ADDRESS:PORT [timeout=SECONDS]", FALSE, TRUE, tcp_parse},
    [DOMGRP_PROBE_XENSTORE] = {"xenstore", "xenstore PATH[=VALUE] [timeout=SECONDS]", FALSE, TRUE,
                               xenstore_parse},
    [DOMGRP_PROBE_EXEC] = {"exec", "exec /PROGRAM [ARGUMENT...] [timeout=SECONDS]", TRUE, TRUE,
                           exec_parse},
};

static gboolean probe_kind_find(const char *value, const char *word, DomgrpProbeKind *ret_kind,
                                GError **error)
{
    for (guint kind = 0; kind < G_N_ELEMENTS(probe_rows); kind++) {
        if (strcmp(probe_rows[kind].name, word) == 0) {
            *ret_kind = (DomgrpProbeKind)kind;
            return TRUE;
        }
    }
    return FAIL_VALUE(error, value, "has no probe that is known: write " READY_FORM);
}

/* The probe that @words are, without the timeout; one of kind and text is checked by its row. */
static gboolean probe_read(DomgrpProbe *probe, const char *value, char **words, GError **error)
{
    guint n_words = g_strv_length(words);
    if (!probe_kind_find(value, words[0], &probe->kind, error))
        return FALSE;
    if (n_words < 2)
        return FAIL_VALUE(error, value, "says no more than %s: write %s", words[0],
                          probe_rows[probe->kind].form);
    if (n_words > 2 && !probe_rows[probe->kind].takes_more)
        return FAIL_VALUE(error, value, "has more than one word after %s: write %s", words[0],
                          probe_rows[probe->kind].form);
    probe->text = g_strjoinv(" ", words);
    if (strlen(probe->text) > DOMGRP_PROBE_MAX)
        return FAIL_VALUE(error, value, "has a probe of more than %u bytes: write less",
                          DOMGRP_PROBE_MAX);
    if (!probe_rows[probe->kind].parse(probe, value, words[1], error))
        return FALSE;
    if (probe->kind == DOMGRP_PROBE_EXEC)
        probe->argv = g_strdupv(words + 1);
    return TRUE;
}

/* Reads "timeout=SECONDS" if @word is that; TRUE with *ret_found FALSE if it is not. */
static gboolean timeout_parse(const char *value, const char *word, gboolean *ret_found,
                              guint *ret_timeout_s, GError **error)
{
    *ret_found = g_str_has_prefix(word, "timeout=");
    return !*ret_found || number_parse(value, "timeout", word + strlen("timeout="), 1,
                                       DOMGRP_SECONDS_MAX, ret_timeout_s, error);
}

static DomgrpProbe *probe_parse(const Item *item, GError **error)
{
    g_autoptr(DomgrpProbe) probe = g_new0(DomgrpProbe, 1);
    g_auto(GStrv) words = g_strdupv(item->words);
    gboolean has_timeout;

    probe->timeout_s = DOMGRP_READY_TIMEOUT_S;
    if (!timeout_parse(item->value, words[item->n_words - 1], &has_timeout, &probe->timeout_s,
                       error))
        return NULL;
    if (has_timeout)
        g_clear_pointer(&words[item->n_words - 1], g_free);
    if (words[0] == NULL) {
        FAIL_VALUE(error, item->value, "has no probe: write " READY_FORM);
        return NULL;
    }
    if (!probe_read(probe, item->value, words, error))
        return NULL;
    if (!probe_rows[probe->kind].takes_timeout) {
        if (has_timeout) {
            FAIL_VALUE(error, item->value, "has a timeout, but a %s cannot fail: leave it out",
                       words[0]);
            return NULL;
        }
        probe->timeout_s = DOMGRP_SECONDS_MAX;
    }
    return g_steal_pointer(&probe);
}

/* -- members -- */

static void member_free(gpointer data)
{
    DomgrpMemberSettings *member = data;
    g_free(member->name);
    g_ptr_array_unref(member->needs);
    probe_free(member->ready);
    g_free(member);
}

/* What is said of @name, to say more of it. */
static DomgrpMemberSettings *member_ensure(DomgrpSettings *settings, const char *name)
{
    DomgrpMemberSettings *member = g_hash_table_lookup(settings->index, name);
    if (member != NULL)
        return member;
    member = g_new0(DomgrpMemberSettings, 1);
    member->name = g_strdup(name);
    member->needs = g_ptr_array_new_with_free_func(g_free);
    g_ptr_array_add(settings->members, member);
    g_hash_table_insert(settings->index, member->name, member);
    return member;
}

const DomgrpMemberSettings *domgrp_settings_lookup(const DomgrpSettings *settings,
                                                   const char *member)
{
    return g_hash_table_lookup(settings->index, member);
}

static void need_remove(DomgrpMemberSettings *member, const char *name)
{
    guint i;
    if (g_ptr_array_find_with_equal_func(member->needs, name, g_str_equal, &i))
        g_ptr_array_remove_index(member->needs, i);
}

void domgrp_settings_remove(DomgrpSettings *settings, const char *name)
{
    for (guint i = settings->members->len; i-- > 0;) {
        DomgrpMemberSettings *member = settings->members->pdata[i];
        need_remove(member, name);
        gboolean says = member->needs->len > 0 || member->ready != NULL || member->shutdown_said;
        if (says && strcmp(member->name, name) != 0)
            continue;
        g_hash_table_remove(settings->index, member->name);
        g_ptr_array_remove_index(settings->members, i);
    }
}

/* -- keys -- */

static gboolean need_check(const Item *item, const char *need, GError **error)
{
    if (!name_check(item->value, need, error))
        return FALSE;
    if (strcmp(need, item->subject) == 0)
        return fail(error, DOMGRP_ERROR_ORDER, item->value,
                    "makes %s wait for itself: take it out after the colon", need);
    return TRUE;
}

static gint compare_words(gconstpointer a, gconstpointer b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Whether @member (NULL: nothing said yet) can need what @item names, too. */
static gboolean needs_check(const Item *item, const DomgrpMemberSettings *member, GError **error)
{
    guint known = member != NULL ? member->needs->len : 0;
    g_autoptr(GPtrArray) all = g_ptr_array_sized_new(known + item->n_words);

    for (guint i = 0; i < known; i++)
        g_ptr_array_add(all, member->needs->pdata[i]);
    for (guint i = 0; i < item->n_words; i++)
        g_ptr_array_add(all, item->words[i]);
    g_ptr_array_sort(all, compare_words);
    for (guint i = 1; i < all->len; i++)
        if (strcmp(all->pdata[i - 1], all->pdata[i]) == 0)
            return FAIL_VALUE(error, item->value,
                              "says a second time that %s is after %s: keep one", item->subject,
                              (const char *)all->pdata[i]);
    if (all->len > DOMGRP_NEEDS_MAX)
        return FAIL_VALUE(error, item->value, "makes %s wait for more than %u members: name fewer",
                          item->subject, DOMGRP_NEEDS_MAX);
    return TRUE;
}

static gboolean after_add(DomgrpSettings *settings, const Item *item, GError **error)
{
    DomgrpMemberSettings *member = g_hash_table_lookup(settings->index, item->subject);

    for (guint i = 0; i < item->n_words; i++)
        if (!need_check(item, item->words[i], error))
            return FALSE;
    if (!needs_check(item, member, error))
        return FALSE;
    if (member == NULL)
        member = member_ensure(settings, item->subject);
    for (guint i = 0; i < item->n_words; i++)
        g_ptr_array_add(member->needs, g_steal_pointer(&item->words[i]));
    return TRUE;
}

static gboolean ready_add(DomgrpSettings *settings, const Item *item, GError **error)
{
    const DomgrpMemberSettings *member = domgrp_settings_lookup(settings, item->subject);
    if (member != NULL && member->ready != NULL)
        return FAIL_VALUE(error, item->value, "says a second time when %s is ready: keep one",
                          item->subject);
    g_autoptr(DomgrpProbe) probe = probe_parse(item, error);
    if (probe == NULL)
        return FALSE;
    member_ensure(settings, item->subject)->ready = g_steal_pointer(&probe);
    return TRUE;
}

/* One word of shutdown; *@then is -1 and *@timeout_s 0 as long as they are not said. */
static gboolean shutdown_word_parse(const char *value, const char *word, guint *timeout_s,
                                    int *then, GError **error)
{
    static const char *const thens[] = {"then=leave", "then=destroy", NULL};
    guint timeout = 0;
    gboolean is_timeout;

    if (!timeout_parse(value, word, &is_timeout, &timeout, error))
        return FALSE;
    int found = name_find(thens, word);
    if (!is_timeout && found < 0)
        return FAIL_VALUE(error, value, "has a word that is not known: write " SHUTDOWN_FORM);
    if (is_timeout ? *timeout_s != 0 : *then >= 0)
        return FAIL_VALUE(error, value, "has %s twice: keep one",
                          is_timeout ? "timeout=" : "then=");
    if (is_timeout)
        *timeout_s = timeout;
    else
        *then = found;
    return TRUE;
}

static gboolean shutdown_add(DomgrpSettings *settings, const Item *item, GError **error)
{
    DomgrpMemberSettings *member = g_hash_table_lookup(settings->index, item->subject);
    guint timeout_s = 0;
    int then = -1;

    if (member != NULL && member->shutdown_said)
        return FAIL_VALUE(error, item->value, "says a second time how %s is shut down: keep one",
                          item->subject);
    for (guint i = 0; i < item->n_words; i++)
        if (!shutdown_word_parse(item->value, item->words[i], &timeout_s, &then, error))
            return FALSE;
    member = member_ensure(settings, item->subject);
    member->shutdown_timeout_s = timeout_s;
    member->shutdown_destroys = then == 1;
    member->shutdown_said = TRUE;
    return TRUE;
}

static gboolean on_failure_add(DomgrpSettings *settings, const Item *item, GError **error)
{
    g_autoptr(GError) local = NULL;
    DomgrpPolicy policy = DOMGRP_POLICY_DEFAULT;

    if (item->n_words > 1)
        return FAIL_VALUE(error, item->value, "has more than one policy: keep one");
    if (!domgrp_policy_parse(item->words[0], &policy, NULL) || policy == DOMGRP_POLICY_DEFAULT)
        return FAIL_VALUE(error, item->value,
                          "has no policy that is known: write " ON_FAILURE_FORM);
    if (!domgrp_policy_check(item->subject, policy, &local))
        return FAIL_VALUE(error, item->value, "is refused: %s", local->message);
    if (g_hash_table_contains(settings->on_failure, item->subject))
        return FAIL_VALUE(error, item->value,
                          "says a second time what %s does on a failure: keep one", item->subject);
    g_hash_table_insert(settings->on_failure, g_strdup(item->subject), GUINT_TO_POINTER(policy));
    return TRUE;
}

static const char *const member_failure_names[] = {
    [DOMGRP_MEMBER_FAILURE_IGNORE] = "ignore",
    [DOMGRP_MEMBER_FAILURE_RESTART] = "restart",
    [DOMGRP_MEMBER_FAILURE_STOP_GROUP] = "stop-group",
    NULL,
};

static gboolean on_member_failure_add(DomgrpSettings *settings, const char *value, GError **error)
{
    int found = name_find(member_failure_names, value);
    if (found < 0)
        return FAIL_VALUE(error, value, "is not known: write ignore, restart or stop-group");
    settings->on_member_failure = (DomgrpMemberFailure)found;
    return TRUE;
}

static gboolean failure_limit_add(DomgrpSettings *settings, const char *value, GError **error)
{
    g_auto(GStrv) parts = g_strsplit(value, "/", 2);
    guint times = 0, seconds = 0;

    if (g_strv_length(parts) != 2)
        return FAIL_VALUE(error, value, "has no slash: write TIMES/SECONDS");
    if (!number_parse(value, "number of times", parts[0], 0, DOMGRP_FAILURE_TIMES_MAX, &times,
                      error) ||
        !number_parse(value, "number of seconds", parts[1], 1, DOMGRP_SECONDS_MAX, &seconds, error))
        return FALSE;
    settings->failure_times = times;
    settings->failure_seconds = seconds;
    return TRUE;
}

static const char *const on_boot_names[] = {"ignore", "start", NULL};

static gboolean on_boot_add(DomgrpSettings *settings, const char *value, GError **error)
{
    int found = name_find(on_boot_names, value);
    if (found < 0)
        return FAIL_VALUE(error, value, "is not known: write ignore or start");
    settings->starts_on_boot = found == 1;
    return TRUE;
}

static gboolean parallel_add(DomgrpSettings *settings, const char *value, GError **error)
{
    return number_parse(value, "number of members", value, 1, DOMGRP_PARALLEL_MAX,
                        &settings->parallel, error);
}

static gboolean snapshot_add(DomgrpSettings *settings, const char *value, GError **error)
{
    if (value[strspn(value, BLANKS)] == '\0')
        return FAIL_VALUE(error, value, "is no command: write one for /bin/sh, or leave it out");
    if (strlen(value) > DOMGRP_SNAPSHOT_MAX)
        return FAIL_VALUE(error, value, "is longer than %u bytes: put it into a script",
                          DOMGRP_SNAPSHOT_MAX);
    settings->snapshot = g_strdup(value);
    return TRUE;
}

static const KeyRow key_rows[KEY_COUNT] = {
    [KEY_AFTER] = {"after", TRUE, "MEMBER: MEMBER...", after_add, NULL},
    [KEY_READY] = {"ready", TRUE, READY_FORM, ready_add, NULL},
    [KEY_SHUTDOWN] = {"shutdown", TRUE, SHUTDOWN_FORM, shutdown_add, NULL},
    [KEY_ON_FAILURE] = {"on_failure", TRUE, ON_FAILURE_FORM, on_failure_add, NULL},
    [KEY_ON_MEMBER_FAILURE] = {"on_member_failure", FALSE, NULL, NULL, on_member_failure_add},
    [KEY_FAILURE_LIMIT] = {"failure_limit", FALSE, NULL, NULL, failure_limit_add},
    [KEY_ON_BOOT] = {"on_boot", FALSE, NULL, NULL, on_boot_add},
    [KEY_PARALLEL] = {"parallel", FALSE, NULL, NULL, parallel_add},
    [KEY_SNAPSHOT] = {"snapshot", FALSE, NULL, NULL, snapshot_add},
};

static const KeyRow *key_lookup(const char *name)
{
    for (guint key = 0; key < KEY_COUNT; key++)
        if (strcmp(key_rows[key].name, name) == 0)
            return &key_rows[key];
    return NULL;
}

const char *domgrp_settings_key(guint i)
{
    return i < KEY_COUNT ? key_rows[i].name : NULL;
}

gboolean domgrp_settings_has_key(const char *key, gboolean *ret_is_list)
{
    const KeyRow *row = key_lookup(key);
    if (row == NULL)
        return FALSE;
    *ret_is_list = row->is_list;
    return TRUE;
}

static gboolean item_add(DomgrpSettings *settings, const KeyRow *row, const char *value,
                         GError **error)
{
    g_auto(Item) item = {0};
    if (!item_init(&item, value, row->form, error))
        return FALSE;
    gboolean of_member = row != &key_rows[KEY_ON_FAILURE];
    return (!of_member || name_check(value, item.subject, error)) &&
           row->add_item(settings, &item, error);
}

static gboolean string_add(DomgrpSettings *settings, const KeyRow *row, const char *value,
                           GError **error)
{
    guint bit = 1u << (row - key_rows);
    if ((settings->said & bit) != 0)
        return FAIL_VALUE(error, value, "sets %s a second time: keep one", row->name);
    if (!row->add_string(settings, value, error)) {
        g_prefix_error(error, "%s: ", row->name);
        return FALSE;
    }
    settings->said |= bit;
    return TRUE;
}

gboolean domgrp_settings_add(DomgrpSettings *settings, const char *key, const char *value,
                             GError **error)
{
    const KeyRow *row = key_lookup(key);
    if (row == NULL)
        return fail(error, DOMGRP_ERROR_KEY_UNKNOWN, key, "is not a key of a group's settings");
    if (!text_check(value, error))
        return FALSE;
    return row->is_list ? item_add(settings, row, value, error)
                        : string_add(settings, row, value, error);
}

/* -- the object -- */

DomgrpSettings *domgrp_settings_new(void)
{
    DomgrpSettings *settings = g_new0(DomgrpSettings, 1);
    settings->members = g_ptr_array_new_with_free_func(member_free);
    settings->index = g_hash_table_new(g_str_hash, g_str_equal);
    settings->on_failure = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    settings->failure_times = DOMGRP_FAILURE_TIMES;
    settings->failure_seconds = DOMGRP_FAILURE_SECONDS;
    return settings;
}

void domgrp_settings_free(DomgrpSettings *settings)
{
    if (settings == NULL)
        return;
    g_hash_table_unref(settings->index);
    g_ptr_array_unref(settings->members);
    g_hash_table_unref(settings->on_failure);
    g_free(settings->snapshot);
    g_free(settings);
}

/* -- text -- */

static void member_write(GString *text, const DomgrpMemberSettings *member)
{
    if (member->needs->len > 0) {
        g_string_append_printf(text, "after %s:", member->name);
        for (guint i = 0; i < member->needs->len; i++)
            g_string_append_printf(text, " %s", (char *)member->needs->pdata[i]);
        g_string_append_c(text, '\n');
    }
    if (member->ready != NULL) {
        g_string_append_printf(text, "ready %s: %s", member->name, member->ready->text);
        if (probe_rows[member->ready->kind].takes_timeout)
            g_string_append_printf(text, " timeout=%u", member->ready->timeout_s);
        g_string_append_c(text, '\n');
    }
    if (member->shutdown_said) {
        g_string_append_printf(text, "shutdown %s:", member->name);
        if (member->shutdown_timeout_s > 0)
            g_string_append_printf(text, " timeout=%u", member->shutdown_timeout_s);
        g_string_append_printf(text, " then=%s\n", member->shutdown_destroys ? "destroy" : "leave");
    }
}

static void strings_write(GString *text, const DomgrpSettings *settings)
{
    if ((settings->said & 1u << KEY_ON_MEMBER_FAILURE) != 0)
        g_string_append_printf(text, "on_member_failure %s\n",
                               member_failure_names[settings->on_member_failure]);
    if ((settings->said & 1u << KEY_FAILURE_LIMIT) != 0)
        g_string_append_printf(text, "failure_limit %u/%u\n", settings->failure_times,
                               settings->failure_seconds);
    if ((settings->said & 1u << KEY_ON_BOOT) != 0)
        g_string_append_printf(text, "on_boot %s\n", on_boot_names[settings->starts_on_boot]);
    if ((settings->said & 1u << KEY_PARALLEL) != 0)
        g_string_append_printf(text, "parallel %u\n", settings->parallel);
    if (settings->snapshot != NULL)
        g_string_append_printf(text, "snapshot %s\n", settings->snapshot);
}

char *domgrp_settings_to_text(const DomgrpSettings *settings)
{
    GString *text = g_string_new(NULL);

    for (guint i = 0; i < settings->members->len; i++)
        member_write(text, settings->members->pdata[i]);
    for (guint i = 0; operation_names[i] != NULL; i++) {
        gpointer policy = g_hash_table_lookup(settings->on_failure, operation_names[i]);
        if (policy != NULL)
            g_string_append_printf(text, "on_failure %s: %s\n", operation_names[i],
                                   domgrp_policy_name(GPOINTER_TO_UINT(policy)));
    }
    strings_write(text, settings);
    return g_string_free(text, FALSE);
}

static gboolean line_read(DomgrpSettings *settings, char *line, GError **error)
{
    char *value = strchr(line, ' ');
    if (value == NULL)
        return FAIL_VALUE(error, line, "has no value: write KEY VALUE");
    *value = '\0';
    return domgrp_settings_add(settings, line, value + 1, error);
}

DomgrpSettings *domgrp_settings_from_text(const char *text, GError **error)
{
    g_autoptr(DomgrpSettings) settings = domgrp_settings_new();
    const char *end;

    for (guint number = 1; *text != '\0'; number++, text = end + 1) {
        end = strchrnul(text, '\n');
        g_autofree char *line = g_strndup(text, (gsize)(end - text));
        gboolean good = *end == '\n' ? line_read(settings, line, error)
                                     : FAIL_VALUE(error, line, "does not end in a newline");
        if (!good) {
            g_prefix_error(error, "line %u: ", number);
            return NULL;
        }
    }
    return g_steal_pointer(&settings);
}

DomgrpSettings *domgrp_settings_copy(const DomgrpSettings *settings)
{
    g_autofree char *text = domgrp_settings_to_text(settings);
    DomgrpSettings *copy = domgrp_settings_from_text(text, NULL);
    g_assert(copy != NULL); /* what it writes it can read */
    return copy;
}

DomgrpSettings *domgrp_settings_rename(const DomgrpSettings *settings,
                                       const char *(*rename)(gpointer data, const char *name),
                                       gpointer data)
{
    DomgrpSettings *copy = domgrp_settings_copy(settings);
    g_hash_table_remove_all(copy->index);
    for (guint i = 0; i < copy->members->len; i++) {
        DomgrpMemberSettings *member = copy->members->pdata[i];
        g_autofree char *name = member->name;
        member->name = g_strdup(rename(data, name));
        g_hash_table_insert(copy->index, member->name, member);
        for (guint k = 0; k < member->needs->len; k++) {
            g_autofree char *need = member->needs->pdata[k];
            member->needs->pdata[k] = g_strdup(rename(data, need));
        }
    }
    return copy;
}
