/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A piece: what a stretch of a member's stream consists of, pages as their
 * numbers and all else as it is, in the form that is stored. It is written by
 * appending and read by stepping; each piece can be read without the others.
 */
#ifndef IMAGE_PIECE_H
#define IMAGE_PIECE_H

#include "bytes.h"

typedef enum {
    PIECE_BYTES, /* n bytes as they are */
    PIECE_PFNS,  /* n numbers of 8 bytes, stored as differences */
    PIECE_ZERO,  /* n zero pages */
    PIECE_NEW,   /* n pages from number first on, when they came for the first time */
    PIECE_OLD,   /* the same when they had come before */
    PIECE_KINDS,
} PieceKind;

typedef struct {
    PieceKind kind;
    guint64 n;
    guint64 first;
} PieceRun;

typedef struct {
    GByteArray *runs;
    GByteArray *data;
    PieceRun open; /* the run that may go on */
    guint64
        next[PIECE_KINDS]; /* the page number that a run of NEW or OLD is expected to begin at */
    guint64 pfn;           /* the last one */
    guint64 length;        /* bytes of the stream that it stands for */
} Piece;

void piece_init(Piece *piece);
void piece_clear(Piece *piece);
/* Empties it for the next stretch. */
void piece_restart(Piece *piece);
void piece_add_bytes(Piece *piece, const guint8 *bytes, gsize n);
void piece_add_pfns(Piece *piece, const guint8 *pfns, gsize n);
/* @number means nothing for a zero page. */
void piece_add_page(Piece *piece, PieceKind kind, guint32 number);
/* About how many bytes piece_finish() would make. */
gsize piece_size(const Piece *piece);
/* Appends the stored form. */
void piece_finish(Piece *piece, GByteArray *stored);

typedef struct {
    Cursor runs;
    Cursor data;
    guint64 next[PIECE_KINDS];
    guint64 pfn;
} PieceReader;

/* FALSE if @bytes cannot be a piece. */
gboolean piece_reader_init(PieceReader *reader, const guint8 *bytes, gsize length);
/* The next run; FALSE at the end, and where there is nonsense: piece_reader_done() tells. */
gboolean piece_reader_next(PieceReader *reader, PieceRun *ret_run);
gboolean piece_reader_done(const PieceReader *reader);
/* Bytes of the stream that @run stands for. */
guint64 piece_run_length(const PieceRun *run);
/* Passes by the data of @run, the last one, instead of taking them. */
void piece_reader_skip(PieceReader *reader, const PieceRun *run);
/* The bytes of a run of BYTES, which were checked to be there. */
const guint8 *piece_reader_bytes(PieceReader *reader, gsize n);
/* The next pfn of a run of PFNS. */
guint64 piece_reader_pfn(PieceReader *reader);

#endif
