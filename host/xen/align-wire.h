/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What domgrp-save-helper and the daemon say to each other: fixed structs, one
 * a packet of a Unix socket of type SOCK_SEQPACKET, in the machine's own order
 * of bytes. Both come from one build; the daemon starts no other helper.
 */
#ifndef HOST_XEN_ALIGN_WIRE_H
#define HOST_XEN_ALIGN_WIRE_H

#include <glib.h>

/* The variable of the environment that holds the socket's path. */
#define ALIGN_ENV "DOMGRP_ALIGN"

#define ALIGN_MAGIC 0x6e676c61u

/* A helper's first report, before it does anything else. */
#define ALIGN_HELLO 0

/* The helper's: it has sent so many rounds of pages, and waits for a verdict. */
typedef struct {
    guint32 magic;
    guint32 domid;
    guint32 round; /* ALIGN_HELLO, or from 1 */
    guint32 zero;
    guint64 dirty;   /* pages that the guest has changed since its last round began */
    guint64 written; /* pages sent so far */
} AlignReport;

typedef enum {
    ALIGN_WAIT,  /* a hello: you are expected. Else: heard you, tell again */
    ALIGN_STOCK, /* a hello: you are not, be the stock helper */
    ALIGN_ROUND, /* send another round */
    ALIGN_STOP,  /* suspend the guest and send the rest */
} AlignVerdict;

/* The daemon's; some come unasked. */
typedef struct {
    guint32 magic;
    guint32 round; /* of the report that it is about: ALIGN_ROUND counts for no other */
    guint32 verdict;
    guint32 zero;
} AlignAnswer;

G_STATIC_ASSERT(sizeof(AlignReport) == 32 && sizeof(AlignAnswer) == 16);

#endif
