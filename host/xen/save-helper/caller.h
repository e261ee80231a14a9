/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* libxl, which started this helper: what is said to it and what it answers. */
#ifndef HOST_XEN_SAVE_HELPER_CALLER_H
#define HOST_XEN_SAVE_HELPER_CALLER_H

#include <glib.h>
#include <xentoollog.h>

#include "libxl-protocol.h"

typedef struct {
    xentoollog_logger logger; /* first; what libxc logs goes to libxl */
    int in, out;
    gboolean gone; /* it does not listen any more; whatever it is asked fails */
} Caller;

void caller_init(Caller *caller, int in, int out);

/*
 * Says @message with arguments of the types that libxl-protocol.h tells, and waits for the answer
 * if there is one. FALSE if there is none for libxl is gone; *ret_answer may be NULL.
 */
gboolean caller_tell(Caller *caller, int *ret_answer, LibxlMessage message, ...);

#endif
