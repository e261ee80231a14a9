/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What goes over the connection between two daemons, in C and as bytes:
 * docs/migration.md, "The connection: bytes". Here are the frames and how they
 * become bytes; decoder.h has the way back. No I/O.
 */
#ifndef WIRE_FRAME_H
#define WIRE_FRAME_H

#include "links.h"

G_BEGIN_DECLS

/* This program's version of the protocol, and the oldest that it accepts: the one before. */
#define WIRE_VERSION 1u
#define WIRE_VERSION_MIN 1u

#define WIRE_GREETING_SIZE 24u
#define WIRE_HEADER_SIZE 16u
#define WIRE_DATA_MAX 65536u                          /* bytes of a data frame */
#define WIRE_MEMBERS_MAX 1024u                        /* of a group */
#define WIRE_TEXT_MAX 1024u                           /* bytes of a text for people */
#define WIRE_DEFINITION_MAX (16u * 1024 * 1024)       /* bytes */
#define WIRE_MEMORY_MAX (G_GUINT64_CONSTANT(1) << 42) /* KiB, so that no sum of them overflows */
/* The longest payload, that of an OFFER. */
#define WIRE_PAYLOAD_MAX                                                                           \
    (DOMGRP_UUID_BYTES + 28u + DOMGRP_NAME_MAX + 1 + WIRE_TEXT_MAX + 2 +                           \
     WIRE_MEMBERS_MAX * (DOMGRP_UUID_BYTES + 8 + 1 + DOMGRP_NAME_MAX) + WIRE_DEFINITION_MAX)

typedef enum {
    WIRE_GREETING, /* once, before all else */
    WIRE_ALIVE,
    WIRE_DATA,
    WIRE_MESSAGE,
} WireKind;

typedef struct {
    WireKind kind;
    union {
        struct {
            guint min, max; /* versions; the source's are the one that it has chosen */
        } greeting;
        struct {
            const guint8 *bytes; /* of the image's stream */
            gsize length;
            gsize left; /* bytes of the same frame still to come; 0 when encoded */
        } data;
        MigrationSaid said; /* memory_kib at most WIRE_MEMORY_MAX; texts at most WIRE_TEXT_MAX */
    };
} WireFrame;

/* The types of frames, as bytes have them. They never change. */
typedef enum {
    WIRE_TYPE_OFFER = 1,
    WIRE_TYPE_END = 2,
    WIRE_TYPE_COMMIT = 3,
    WIRE_TYPE_ABORT = 4,
    WIRE_TYPE_ABORT_LOST = 5,
    WIRE_TYPE_FORGET = 6,
    WIRE_TYPE_ACCEPT = 17,
    WIRE_TYPE_READY = 18,
    WIRE_TYPE_DONE = 19,
    WIRE_TYPE_DISCARDED = 20,
    WIRE_TYPE_CLASH = 21,
    WIRE_TYPE_GONE = 22,
    WIRE_TYPE_DATA = 32,
    WIRE_TYPE_ALIVE = 33,
} WireType;

/*
 * Appends @frame to @bytes. VALUE, and nothing appended, if it holds what no frame can: a UUID or
 * a name that is none, too many members, a definition that is too long or no text.
 */
gboolean wire_frame_encode(const WireFrame *frame, GByteArray *bytes, GError **error);

/* The header of a data frame with @length bytes, 1 to WIRE_DATA_MAX. */
void wire_data_header(gsize length, guint8 ret_bytes[WIRE_HEADER_SIZE]);

/* The sum of a frame that begins at @bytes: of its header, or of header and payload. */
guint64 wire_sum(const guint8 *bytes, gsize payload);

/* The type that @message has, and back; FALSE if @type is no message's. */
WireType wire_message_type(MigrationMessage message);
gboolean wire_type_message(guint32 type, MigrationMessage *ret_message);

/* @text as its frame has it; free with g_free(). */
char *wire_text(const char *text, gsize length);

/* The newest version that this program and one that speaks @min to @max have in common; or 0. */
guint wire_version_choose(guint min, guint max);

G_END_DECLS

#endif
