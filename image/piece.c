/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Pieces of members' streams: runs, and the bytes that go with them. */
#include "piece.h"

#include "format.h"

#define KIND_BITS 3
#define HEAD 4 /* bytes: how long the runs are */

void piece_init(Piece *piece)
{
    piece->runs = g_byte_array_new();
    piece->data = g_byte_array_new();
    piece_restart(piece);
}

void piece_clear(Piece *piece)
{
    g_byte_array_unref(piece->runs);
    g_byte_array_unref(piece->data);
}

void piece_restart(Piece *piece)
{
    g_byte_array_set_size(piece->runs, 0);
    g_byte_array_set_size(piece->data, 0);
    piece->open = (PieceRun){0};
    memset(piece->next, 0, sizeof piece->next);
    piece->pfn = 0;
    piece->length = 0;
}

static void close_run(Piece *piece)
{
    PieceRun *run = &piece->open;

    if (run->n == 0)
        return;
    bytes_append_varint(piece->runs, run->n << KIND_BITS | run->kind);
    if (run->kind == PIECE_NEW || run->kind == PIECE_OLD) {
        gint64 jump = (gint64)(run->first - piece->next[run->kind]);
        bytes_append_varint(piece->runs, bytes_zigzag(jump));
        piece->next[run->kind] = run->first + run->n;
    }
    run->n = 0;
}

static void extend(Piece *piece, PieceKind kind, guint64 first, guint64 n)
{
    PieceRun *run = &piece->open;
    gboolean numbered = kind == PIECE_NEW || kind == PIECE_OLD;

    if (run->n == 0 || run->kind != kind || (numbered && first != run->first + run->n)) {
        close_run(piece);
        run->kind = kind;
        run->first = first;
    }
    run->n += n;
}

void piece_add_bytes(Piece *piece, const guint8 *bytes, gsize n)
{
    extend(piece, PIECE_BYTES, 0, n);
    g_byte_array_append(piece->data, bytes, (guint)n);
    piece->length += n;
}

void piece_add_pfns(Piece *piece, const guint8 *pfns, gsize n)
{
    guint at = piece->data->len;

    extend(piece, PIECE_PFNS, 0, n);
    g_byte_array_set_size(piece->data, at + (guint)n * 8);
    for (gsize i = 0; i < n; i++) {
        guint64 pfn = bytes_u64(pfns + 8 * i);
        bytes_put_u64(piece->data->data + at + 8 * i, pfn - piece->pfn);
        piece->pfn = pfn;
    }
    piece->length += n * 8;
}

void piece_add_page(Piece *piece, PieceKind kind, guint32 number)
{
    extend(piece, kind, number, 1);
    piece->length += FORMAT_PAGE;
}

gsize piece_size(const Piece *piece)
{
    return HEAD + piece->runs->len + piece->data->len;
}

void piece_finish(Piece *piece, GByteArray *stored)
{
    guint8 head[HEAD];

    close_run(piece);
    bytes_put_u32(head, piece->runs->len);
    g_byte_array_append(stored, head, HEAD);
    g_byte_array_append(stored, piece->runs->data, piece->runs->len);
    g_byte_array_append(stored, piece->data->data, piece->data->len);
}

gboolean piece_reader_init(PieceReader *reader, const guint8 *bytes, gsize length)
{
    Cursor all = {bytes, length};
    const guint8 *head = cursor_take(&all, HEAD);
    guint32 runs = head != NULL ? bytes_u32(head) : 0;
    const guint8 *at = head != NULL ? cursor_take(&all, runs) : NULL;

    if (at == NULL)
        return FALSE;
    *reader = (PieceReader){.runs = {at, runs}, .data = all};
    return TRUE;
}

static gboolean fits(const PieceReader *reader, const PieceRun *run)
{
    switch (run->kind) {
    case PIECE_BYTES:
        return run->n <= reader->data.left;
    case PIECE_PFNS:
        return run->n <= reader->data.left / 8;
    case PIECE_ZERO:
        return TRUE;
    default:
        return run->first <= FORMAT_PAGES_MAX && run->n <= FORMAT_PAGES_MAX - run->first;
    }
}

gboolean piece_reader_next(PieceReader *reader, PieceRun *ret_run)
{
    Cursor runs = reader->runs; /* moves on only with a whole run */
    guint64 word, jump;

    if (!cursor_varint(&runs, &word))
        return FALSE;
    ret_run->kind = word & ((1u << KIND_BITS) - 1);
    ret_run->n = word >> KIND_BITS;
    if (ret_run->kind >= PIECE_KINDS || ret_run->n == 0)
        return FALSE;
    if (ret_run->kind == PIECE_NEW || ret_run->kind == PIECE_OLD) {
        if (!cursor_varint(&runs, &jump))
            return FALSE;
        ret_run->first = reader->next[ret_run->kind] + (guint64)bytes_unzigzag(jump);
        reader->next[ret_run->kind] = ret_run->first + ret_run->n;
    }
    if (!fits(reader, ret_run))
        return FALSE;
    reader->runs = runs;
    return TRUE;
}

gboolean piece_reader_done(const PieceReader *reader)
{
    return reader->runs.left == 0 && reader->data.left == 0;
}

guint64 piece_run_length(const PieceRun *run)
{
    static const guint units[PIECE_KINDS] = {1, 8, FORMAT_PAGE, FORMAT_PAGE, FORMAT_PAGE};

    return run->n <= FORMAT_PIECE_MAX ? run->n * units[run->kind] : G_MAXUINT64;
}

void piece_reader_skip(PieceReader *reader, const PieceRun *run)
{
    if (run->kind == PIECE_BYTES)
        cursor_take(&reader->data, run->n);
    else if (run->kind == PIECE_PFNS)
        cursor_take(&reader->data, 8 * run->n);
}

const guint8 *piece_reader_bytes(PieceReader *reader, gsize n)
{
    return cursor_take(&reader->data, n);
}

guint64 piece_reader_pfn(PieceReader *reader)
{
    reader->pfn += bytes_u64(cursor_take(&reader->data, 8));
    return reader->pfn;
}
