/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Finds the pages in a member's stream: xl's header, libxl's records, libxc's
 * records of versions 2 and 3 (Xen: docs/specs/). It is given bytes as they come and
 * gives them back, all of them and in order, cut into what is pages, what is
 * lists of page frame numbers, and the rest. What it does not understand is rest:
 * a wrong guess costs room in the image, never a byte of the stream.
 */
#ifndef IMAGE_PARSE_H
#define IMAGE_PARSE_H

#include "bytes.h"
#include "format.h"

typedef enum {
    PARSE_NOTHING, /* the bytes were kept until more come */
    PARSE_BYTES,   /* @n bytes */
    PARSE_PFNS,    /* @n numbers of 8 bytes */
    PARSE_PAGES,   /* @n pages */
} ParseKind;

typedef struct {
    ParseKind kind;
    const guint8 *at; /* in the caller's bytes, or in the parser until the next call */
    gsize n;
} ParseEvent;

typedef enum {
    PARSE_START,        /* 8 bytes that say what begins: xl's header, libxl's stream or libxc's */
    PARSE_XL,           /* the rest of xl's header */
    PARSE_LIBXL,        /* the rest of libxl's */
    PARSE_LIBXC,        /* the rest of libxc's two */
    PARSE_LIBXL_RECORD, /* the head of a record */
    PARSE_LIBXC_RECORD,
    PARSE_PAGE_HEAD, /* in a record of pages: how many, */
    PARSE_PAGE_PFNS, /* their numbers, */
    PARSE_PAGE_DATA, /* and they themselves */
    PARSE_BODY,      /* bytes that do not matter; then @after */
    PARSE_ENDED,     /* behind the stream's last record */
    PARSE_FOREIGN,   /* not understood: the rest goes through */
} ParseState;

typedef struct {
    ParseState state;
    ParseState after;
    guint64 want;       /* bytes of a body, of pfns or of pages that are to come */
    guint64 rest;       /* bytes of a record of pages behind its pfns, with the padding */
    guint64 pages;      /* pfns of that record that have a page */
    gboolean in_libxl;  /* libxc's stream lies within libxl's */
    gboolean suspended; /* libxc's stream goes on after libxl's next checkpoint */
    gboolean at_pages;
    guint fill; /* bytes kept in @keep */
    guint8 keep[FORMAT_PAGE];
} Parser;

void parser_init(Parser *parser);
/* Takes some of @bytes, at least one, and says what they are; returns how many it took. */
gsize parser_next(Parser *parser, const guint8 *bytes, gsize length, ParseEvent *ret_event);
/* The stream is over: what was kept. */
void parser_end(Parser *parser, ParseEvent *ret_event);
/* Whether the stream may end here: after its last record, or it is not one that we understand. */
gboolean parser_complete(const Parser *parser);

#endif
