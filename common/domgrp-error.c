/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The error table's look-ups; the table itself is in the header. */
#include "domgrp-error.h"

static const struct {
    const char *name;
    const char *meaning;
    DomgrpExit exit;
} table[DOMGRP_ERROR_COUNT] = {
#define X(enumerator, name, status, meaning)                                                       \
    [DOMGRP_ERROR_##enumerator] = {name, meaning, DOMGRP_EXIT_##status},
    DOMGRP_ERRORS(X)
#undef X
};

G_DEFINE_QUARK(domgrp - error - quark, domgrp_error)

static DomgrpErrorCode code_checked(int code)
{
    return code >= 0 && code < DOMGRP_ERROR_COUNT ? (DomgrpErrorCode)code : DOMGRP_ERROR_INTERNAL;
}

const char *domgrp_error_name(DomgrpErrorCode code)
{
    return table[code_checked(code)].name;
}

const char *domgrp_error_meaning(DomgrpErrorCode code)
{
    return table[code_checked(code)].meaning;
}

DomgrpExit domgrp_error_exit(DomgrpErrorCode code)
{
    return table[code_checked(code)].exit;
}

DomgrpErrorCode domgrp_error_from_name(const char *name)
{
    for (int code = 0; code < DOMGRP_ERROR_COUNT; code++)
        if (g_strcmp0(name, table[code].name) == 0)
            return (DomgrpErrorCode)code;
    return DOMGRP_ERROR_INTERNAL;
}

DomgrpErrorCode domgrp_error_code(const GError *error)
{
    if (error == NULL || error->domain != DOMGRP_ERROR)
        return DOMGRP_ERROR_INTERNAL;
    return code_checked(error->code);
}
