/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Bytes of a peer to frames. Pure: no I/O. It holds one frame at most, never
 * more than about twice what has come of it; data pass through.
 *
 * What a peer can do wrong has a name that never changes. It stands in
 * brackets in the error: PEER, or PEER_VERSION.
 */
#ifndef WIRE_DECODER_H
#define WIRE_DECODER_H

#include "frame.h"

G_BEGIN_DECLS

/* X(name, what it did) */
#define WIRE_FAULTS(X)                                                                             \
    X(NONE, "nothing wrong")                                                                       \
    X(MAGIC, "what it said first is no greeting")                                                  \
    X(VERSION, "it speaks no version that is spoken here")                                         \
    X(SUM, "bytes of a greeting, a header or a message were changed")                              \
    X(TYPE, "a frame of a type that this version does not have")                                   \
    X(DIRECTION, "a frame that only the other side sends")                                         \
    X(LENGTH, "a frame longer or shorter than its type can be")                                    \
    X(FIELD, "a value in a message that cannot be")                                                \
    X(TEXT, "a definition that is not UTF-8")                                                      \
    X(TRANSACTION, "a second transaction on one connection")                                       \
    X(DATA, "data that were not asked for")                                                        \
    X(CUT, "the end came in the middle of a frame")

typedef enum {
#define X(name, meaning) WIRE_FAULT_##name,
    WIRE_FAULTS(X)
#undef X
        WIRE_FAULT_COUNT
} WireFault;

const char *wire_fault_name(WireFault fault);

typedef enum { WIRE_MORE, WIRE_GOT, WIRE_BAD } WireResult;

typedef struct WireDecoder WireDecoder;

/* For what arrives at @side. */
WireDecoder *wire_decoder_new(MigrationSide side);
void wire_decoder_free(WireDecoder *decoder);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(WireDecoder, wire_decoder_free)

/*
 * Takes from the *@left bytes at *@at, up to the end of a frame or of a part of a data frame:
 *  - GOT: *@ret_frame lives until the next call, and as long as those bytes;
 *  - MORE: all were taken;
 *  - BAD: @error says why, and so it will for ever.
 */
WireResult wire_decoder_next(WireDecoder *decoder, const guint8 **at, gsize *left,
                             const WireFrame **ret_frame, GError **error);

/* No more will come: FALSE with CUT where a frame has begun. */
gboolean wire_decoder_end(WireDecoder *decoder, GError **error);

/* The caller sees that the peer did something wrong: BAD for ever. @format: what it did. */
void wire_decoder_blame(WireDecoder *decoder, WireFault fault, GError **error, const char *format,
                        ...) G_GNUC_PRINTF(4, 5);

WireFault wire_decoder_fault(const WireDecoder *decoder);

/* The version that both sides speak; 0 before the greeting. */
guint wire_decoder_version(const WireDecoder *decoder);

/* Bytes of memory that it holds for a frame. */
gsize wire_decoder_room(const WireDecoder *decoder);

G_END_DECLS

#endif
