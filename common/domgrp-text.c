/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "domgrp-text.h"

char *domgrp_text_clean(const char *bytes, gsize length, gsize max)
{
    g_autofree char *valid = g_utf8_make_valid(bytes, (gssize)MIN(length, max));
    GString *text = g_string_new(NULL);
    for (const char *c = valid; *c != '\0'; c = g_utf8_next_char(c)) {
        gunichar character = g_utf8_get_char(c);
        if (g_unichar_isprint(character))
            g_string_append_unichar(text, character);
        else
            g_string_append_printf(text, "\\x%02x", character);
    }
    if (length > max)
        g_string_append(text, "...");
    return g_string_free(text, FALSE);
}

gsize domgrp_text_json_values(const char *json)
{
    gsize n = 1;
    for (const char *c = json; *c != '\0'; c++)
        n += *c == ',' || *c == ':' || *c == '[' || *c == '{';
    return n;
}
