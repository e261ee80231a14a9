/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Fuzz target: any bytes as the text of settings, and each of its lines as a
 * key and a string. What is accepted must hold what the header promises and
 * come back from its own text; what is refused must have changed nothing and
 * be said in one UTF-8 line.
 */
#include "domgrp-settings.h"

#include "domgrp-error.h"

#include <string.h>

#define LINES_MAX 200 /* each costs a look at all of the settings */

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

static void check_refused(const GError *error)
{
    g_assert_true(error->domain == DOMGRP_ERROR);
    g_assert_true(g_utf8_validate(error->message, -1, NULL));
    for (const char *c = error->message; *c != '\0'; c = g_utf8_next_char(c))
        g_assert_false(g_unichar_iscntrl(g_utf8_get_char(c)));
    g_assert_cmpuint(strlen(error->message), <, 1000);
}

static void check_probe(const DomgrpProbe *probe)
{
    g_assert_true(probe->timeout_s >= 1 && probe->timeout_s <= DOMGRP_SECONDS_MAX);
    g_assert_cmpuint(strlen(probe->text), <=, DOMGRP_PROBE_MAX);
    g_assert_cmpuint(probe->delay_s, <=, DOMGRP_SECONDS_MAX);
    g_assert_true((probe->kind == DOMGRP_PROBE_TCP) == (probe->address != NULL));
    g_assert_true((probe->kind == DOMGRP_PROBE_TCP) == (probe->port > 0));
    g_assert_true((probe->kind == DOMGRP_PROBE_XENSTORE) == (probe->path != NULL));
    g_assert_true(probe->value == NULL || probe->kind == DOMGRP_PROBE_XENSTORE);
    g_assert_true((probe->kind == DOMGRP_PROBE_EXEC) == (probe->argv != NULL));
    g_assert_true(probe->argv == NULL || probe->argv[0][0] == '/');
}

static void check_members(const DomgrpSettings *settings)
{
    for (guint i = 0; i < settings->members->len; i++) {
        const DomgrpMemberSettings *member = settings->members->pdata[i];
        g_assert_true(domgrp_settings_lookup(settings, member->name) == member);
        g_assert_true(domgrp_name_check("member", member->name, NULL));
        g_assert_cmpuint(member->needs->len, <=, DOMGRP_NEEDS_MAX);
        for (guint j = 0; j < member->needs->len; j++)
            g_assert_cmpstr(member->name, !=, member->needs->pdata[j]);
        if (member->ready != NULL)
            check_probe(member->ready);
    }
}

/* Reads the settings' text again and compares the texts. */
static void check_text(const DomgrpSettings *settings)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *text = domgrp_settings_to_text(settings);
    g_autoptr(DomgrpSettings) again = domgrp_settings_from_text(text, &error);
    g_assert_no_error(error);
    g_autofree char *text_again = domgrp_settings_to_text(again);
    g_assert_cmpstr(text, ==, text_again);
}

static void check_line(DomgrpSettings *settings, char *line)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *before = domgrp_settings_to_text(settings);
    char *value = strchr(line, ' ');

    if (value == NULL)
        return;
    *value = '\0';
    gboolean good = domgrp_settings_add(settings, line, value + 1, &error);
    g_autofree char *after = domgrp_settings_to_text(settings);
    g_assert_true(good == (strcmp(before, after) != 0));
    if (!good)
        check_refused(error);
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
    g_autofree char *text = g_strndup((const char *)data, size);
    g_auto(GStrv) lines = g_strsplit(text, "\n", LINES_MAX);
    g_autoptr(DomgrpSettings) settings = domgrp_settings_new();
    g_autoptr(GError) error = NULL;
    g_autoptr(DomgrpSettings) whole = domgrp_settings_from_text(text, &error);

    if (whole != NULL)
        check_text(whole);
    else
        check_refused(error);
    for (guint i = 0; lines[i] != NULL; i++)
        check_line(settings, lines[i]);
    check_members(settings);
    check_text(settings);
    while (settings->members->len > 0) {
        const DomgrpMemberSettings *member = settings->members->pdata[settings->members->len / 2];
        g_autofree char *name = g_strdup(member->name);
        domgrp_settings_remove(settings, name);
        g_assert_null(domgrp_settings_lookup(settings, name));
        check_members(settings);
        check_text(settings);
    }
    return 0;
}
