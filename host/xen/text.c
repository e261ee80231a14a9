/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What programs say, in one line. */
#include "private.h"

#include "domgrp-text.h"

#include <string.h>

char *text_line(const GString *output)
{
    gsize length = strcspn(output->str, "\n");
    g_autofree char *line = domgrp_text_clean(output->str, length, TEXT_LINE_MAX);
    return line[0] != '\0' ? g_strconcat(": ", line, NULL) : g_strdup("");
}
