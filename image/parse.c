/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The parser of members' streams: a state for each part, one function for what ends it. */
#include "parse.h"

#include "xl.h"

/* Xen: docs/specs/libxl-migration-stream.pandoc */
#define LIBXL_VERSION 2
#define LIBXL_END 0
#define LIBXL_LIBXC_CONTEXT 1
#define LIBXL_CHECKPOINT_END 4

/* Xen: docs/specs/libxc-migration-stream.pandoc */
#define LIBXC_ID 0x58454e46u
#define LIBXC_END 0
#define LIBXC_PAGE_DATA 1
#define LIBXC_CHECKPOINT 14
#define LIBXC_PAGE_SHIFT 12
#define PFN_TYPE(pfn) ((pfn) >> 60)
#define PFN_NO_DATA 0xd /* this type and those above have no page */

#define BIG_ENDIAN_OPTION 1

static guint32 big_u32(const guint8 *p)
{
    return GUINT32_SWAP_LE_BE(bytes_u32(p));
}

void parser_init(Parser *parser)
{
    memset(parser, 0, G_STRUCT_OFFSET(Parser, keep));
}

static void go_body(Parser *parser, guint64 want, ParseState after)
{
    parser->state = want > 0 ? PARSE_BODY : after;
    parser->want = want;
    parser->after = after;
}

static void on_start(Parser *parser, const guint8 *at)
{
    static const guint8 marker[8] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff};

    if (memcmp(at, xl_magic, 8) == 0)
        parser->state = PARSE_XL;
    else if (memcmp(at, "LibxlFmt", 8) == 0)
        parser->state = PARSE_LIBXL;
    else
        parser->state = memcmp(at, marker, 8) == 0 ? PARSE_LIBXC : PARSE_FOREIGN;
}

static void on_xl(Parser *parser, const guint8 *at)
{
    guint8 header[XL_HEADER];
    guint32 data;

    memcpy(header, xl_magic, 8);
    memcpy(header + 8, at, XL_HEADER - 8);
    if (xl_header(header, &data))
        go_body(parser, data, PARSE_START);
    else
        parser->state = PARSE_FOREIGN;
}

static void on_libxl(Parser *parser, const guint8 *at)
{
    gboolean known = big_u32(at) == LIBXL_VERSION && !(big_u32(at + 4) & BIG_ENDIAN_OPTION);

    parser->in_libxl = TRUE;
    parser->state = known ? PARSE_LIBXL_RECORD : PARSE_FOREIGN;
}

static void on_libxc(Parser *parser, const guint8 *at)
{
    guint32 version = big_u32(at + 4);
    gboolean known = big_u32(at) == LIBXC_ID && (version == 2 || version == 3) &&
                     !(at[9] & BIG_ENDIAN_OPTION) && bytes_u16(at + 20) == LIBXC_PAGE_SHIFT;

    parser->state = known ? PARSE_LIBXC_RECORD : PARSE_FOREIGN;
}

static guint64 padded(guint64 length)
{
    return (length + 7) & ~(guint64)7;
}

static void on_libxl_record(Parser *parser, const guint8 *at)
{
    guint32 type = bytes_u32(at);
    ParseState after = PARSE_LIBXL_RECORD;

    if (type == LIBXL_END) {
        after = PARSE_ENDED;
    } else if (type == LIBXL_LIBXC_CONTEXT) {
        after = PARSE_START;
    } else if (type == LIBXL_CHECKPOINT_END && parser->suspended) {
        parser->suspended = FALSE;
        after = PARSE_LIBXC_RECORD;
    }
    go_body(parser, padded(bytes_u32(at + 4)), after);
}

static void on_libxc_record(Parser *parser, const guint8 *at)
{
    guint32 type = bytes_u32(at), length = bytes_u32(at + 4);
    ParseState after = PARSE_LIBXC_RECORD;

    if (type == LIBXC_PAGE_DATA && length >= 8) {
        parser->state = PARSE_PAGE_HEAD;
        parser->rest = padded(length);
        return;
    }
    if (type == LIBXC_END) {
        after = parser->in_libxl ? PARSE_LIBXL_RECORD : PARSE_ENDED;
    } else if (type == LIBXC_CHECKPOINT && parser->in_libxl) {
        parser->suspended = TRUE;
        after = PARSE_LIBXL_RECORD;
    }
    go_body(parser, padded(length), after);
}

static void on_page_head(Parser *parser, const guint8 *at)
{
    guint64 pfns = (guint64)bytes_u32(at) * 8;

    parser->rest -= 8;
    if (pfns == 0 || pfns > parser->rest) {
        go_body(parser, parser->rest, PARSE_LIBXC_RECORD);
        return;
    }
    parser->state = PARSE_PAGE_PFNS;
    parser->want = pfns;
    parser->rest -= pfns;
    parser->pages = 0;
}

static void on_pfns(Parser *parser, const guint8 *at, gsize n)
{
    for (gsize i = 0; i < n; i++)
        parser->pages += PFN_TYPE(bytes_u64(at + 8 * i)) < PFN_NO_DATA;
    if (parser->want > 0)
        return;
    if (parser->rest != parser->pages * FORMAT_PAGE || parser->pages == 0) {
        go_body(parser, parser->rest, PARSE_LIBXC_RECORD);
        return;
    }
    parser->at_pages = TRUE;
    parser->state = PARSE_PAGE_DATA;
    parser->want = parser->rest;
}

/* A part that has an end of its own: how many bytes it has and what is done when they are there. */
static const struct {
    guint size;
    void (*done)(Parser *parser, const guint8 *at);
} parts[] = {
    [PARSE_START] = {8, on_start},
    [PARSE_XL] = {XL_HEADER - 8, on_xl},
    [PARSE_LIBXL] = {8, on_libxl},
    [PARSE_LIBXC] = {32, on_libxc},
    [PARSE_LIBXL_RECORD] = {8, on_libxl_record},
    [PARSE_LIBXC_RECORD] = {8, on_libxc_record},
    [PARSE_PAGE_HEAD] = {8, on_page_head},
};

/* @size bytes in one piece, in @bytes if they are there, or kept until they are: NULL. */
static const guint8 *take_unit(Parser *parser, const guint8 *bytes, gsize length, guint size,
                               gsize *ret_taken)
{
    if (parser->fill == 0 && length >= size) {
        *ret_taken = size;
        return bytes;
    }
    *ret_taken = MIN(length, size - parser->fill);
    memcpy(parser->keep + parser->fill, bytes, *ret_taken);
    parser->fill += (guint)*ret_taken;
    if (parser->fill < size)
        return NULL;
    parser->fill = 0;
    return parser->keep;
}

/* So many whole units as there are in one piece, up to what is wanted. */
static gsize next_units(Parser *parser, const guint8 *bytes, gsize length, guint size,
                        ParseEvent *ret_event)
{
    gsize taken;
    const guint8 *at = take_unit(parser, bytes, length, size, &taken);

    if (at == NULL)
        return taken;
    if (at == bytes)
        taken = MIN(parser->want, length) / size * size;
    ret_event->at = at;
    ret_event->n = at == bytes ? taken / size : 1;
    parser->want -= ret_event->n * size;
    if (parser->state == PARSE_PAGE_PFNS) {
        ret_event->kind = PARSE_PFNS;
        on_pfns(parser, at, ret_event->n);
        return taken;
    }
    ret_event->kind = PARSE_PAGES;
    if (parser->want == 0)
        parser->state = PARSE_LIBXC_RECORD;
    return taken;
}

static gsize next_part(Parser *parser, const guint8 *bytes, gsize length, ParseEvent *ret_event)
{
    guint size = parts[parser->state].size;
    gsize taken;
    const guint8 *at = take_unit(parser, bytes, length, size, &taken);

    if (at == NULL)
        return taken;
    parts[parser->state].done(parser, at);
    *ret_event = (ParseEvent){PARSE_BYTES, at, size};
    return taken;
}

static gsize next_body(Parser *parser, const guint8 *bytes, gsize length, ParseEvent *ret_event)
{
    gsize taken = MIN(parser->want, length);

    parser->want -= taken;
    if (parser->want == 0)
        parser->state = parser->after;
    *ret_event = (ParseEvent){PARSE_BYTES, bytes, taken};
    return taken;
}

gsize parser_next(Parser *parser, const guint8 *bytes, gsize length, ParseEvent *ret_event)
{
    ret_event->kind = PARSE_NOTHING;
    switch (parser->state) {
    case PARSE_PAGE_PFNS:
        return next_units(parser, bytes, length, 8, ret_event);
    case PARSE_PAGE_DATA:
        return next_units(parser, bytes, length, FORMAT_PAGE, ret_event);
    case PARSE_BODY:
        return next_body(parser, bytes, length, ret_event);
    case PARSE_ENDED:
    case PARSE_FOREIGN:
        *ret_event = (ParseEvent){PARSE_BYTES, bytes, length};
        return length;
    default:
        return next_part(parser, bytes, length, ret_event);
    }
}

void parser_end(Parser *parser, ParseEvent *ret_event)
{
    *ret_event =
        (ParseEvent){parser->fill > 0 ? PARSE_BYTES : PARSE_NOTHING, parser->keep, parser->fill};
    parser->fill = 0;
}

gboolean parser_complete(const Parser *parser)
{
    return parser->state == PARSE_ENDED || parser->state == PARSE_FOREIGN;
}
