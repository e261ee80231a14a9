/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Checks of names and UUIDs. */
#include "domgrp-name.h"

#include "domgrp-error.h"

#include <string.h>

gboolean domgrp_name_check(const char *what, const char *name, GError **error)
{
    size_t length = strlen(name);
    if (length == 0 || length > DOMGRP_NAME_MAX) {
        g_set_error(error, DOMGRP_ERROR, DOMGRP_ERROR_NAME,
                    "the name of a %s has %zu characters; use 1 to %d", what, length,
                    DOMGRP_NAME_MAX);
        return FALSE;
    }

    gboolean digits = TRUE;
    for (const char *c = name; *c != '\0'; c++) {
        if (!g_ascii_isalnum(*c) && strchr("_-.:/+", *c) == NULL) {
            g_autofree char *shown = g_strescape(name, NULL);
            g_set_error(error, DOMGRP_ERROR, DOMGRP_ERROR_NAME,
                        "the %s name \"%s\" has a character outside letters, digits and _-.:/+",
                        what, shown);
            return FALSE;
        }
        digits = digits && g_ascii_isdigit(*c);
    }
    if (digits) {
        g_set_error(error, DOMGRP_ERROR, DOMGRP_ERROR_NAME,
                    "the %s name \"%s\" is a number, which xl takes for an id; add a letter", what,
                    name);
        return FALSE;
    }
    return TRUE;
}

gboolean domgrp_uuid_parse(const char *text, char ret_uuid[DOMGRP_UUID_TEXT], GError **error)
{
    g_autofree char *lower = g_ascii_strdown(text, -1);
    if (!g_uuid_string_is_valid(lower) ||
        strcmp(lower, "00000000-0000-0000-0000-000000000000") == 0) {
        g_autofree char *shown = g_strescape(text, NULL);
        g_set_error(error, DOMGRP_ERROR, DOMGRP_ERROR_VALUE,
                    "\"%.60s\" is not a UUID; write it like 3f1c9c5e-8f5b-4d5c-9d55-0d3f0a6f1c2e",
                    shown);
        return FALSE;
    }
    memcpy(ret_uuid, lower, DOMGRP_UUID_TEXT);
    return TRUE;
}

gboolean domgrp_uuid_bytes(const char *text, guint8 ret_bytes[DOMGRP_UUID_BYTES], GError **error)
{
    char lower[DOMGRP_UUID_TEXT];

    if (!domgrp_uuid_parse(text, lower, error))
        return FALSE;
    for (guint i = 0, at = 0; i < DOMGRP_UUID_BYTES; i++, at += 2) {
        at += lower[at] == '-';
        ret_bytes[i] =
            (guint8)(g_ascii_xdigit_value(lower[at]) << 4 | g_ascii_xdigit_value(lower[at + 1]));
    }
    return TRUE;
}

void domgrp_uuid_text(const guint8 bytes[DOMGRP_UUID_BYTES], char ret_text[DOMGRP_UUID_TEXT])
{
    char *at = ret_text;

    for (guint i = 0; i < DOMGRP_UUID_BYTES; i++)
        at += g_snprintf(at, 4, i == 4 || i == 6 || i == 8 || i == 10 ? "-%02x" : "%02x", bytes[i]);
}
