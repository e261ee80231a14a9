/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The fixed parts of an image's format as docs/group-image.md has them: the
 * front of the file, the mark of a used image, the header of a block, an entry
 * of the index, the end. Only numbers and sums; no files and no memory.
 */
#ifndef IMAGE_FORMAT_H
#define IMAGE_FORMAT_H

#include "bytes.h"

#define FORMAT_PAGE 4096u
#define FORMAT_UUID 16

#define FORMAT_FRONT 64 /* bytes: magic, version, pages a batch, UUID, sum */
#define FORMAT_MARK 64  /* bytes, behind the front: zeros, or that the image was used */
#define FORMAT_BLOCKS (FORMAT_FRONT + FORMAT_MARK) /* where the first block begins */
#define FORMAT_HEADER 56                           /* bytes of a block's header */
#define FORMAT_ENTRY 40                            /* bytes of an entry of the index */
#define FORMAT_END 48                              /* bytes in the last block */

#define FORMAT_RAW_MAX (16u * 1024 * 1024 + 4096) /* bytes in a block, unpacked */
#define FORMAT_BATCH_MAX 4096u                    /* pages in a batch */
#define FORMAT_PIECE_MAX (1u << 30)               /* bytes of a stream that a piece stands for */
#define FORMAT_BLOCKS_MAX (1u << 22)              /* blocks in an image */
#define FORMAT_PAGES_MAX (G_MAXUINT32 - 1)        /* distinct pages in an image */
#define FORMAT_NAME_MAX 255                       /* bytes of a group's or member's name */
#define FORMAT_NO_MEMBER G_MAXUINT32

typedef enum {
    BLOCK_GROUP = 1,
    BLOCK_MEMBER,
    BLOCK_PIECE,
    BLOCK_PAGES,
    BLOCK_MEMBER_END,
    BLOCK_DISKS,
    BLOCK_INDEX,
    BLOCK_END,
    BLOCK_OPTIONAL = 0x8000, /* or'ed into a type: who does not know it skips it */
} BlockType;

#define BLOCK_ZSTD 1 /* flag: the payload is one zstd frame */

typedef struct {
    guint16 type;
    guint16 flags;
    guint64 seq;
    guint32 member; /* or FORMAT_NO_MEMBER */
    guint32 raw;    /* bytes of the payload, unpacked */
    guint32 stored; /* and as it is in the file */
    guint32 count;  /* pages of a batch; bytes of the stream that a piece stands for */
    guint64 first;  /* the batch's first page; the piece's place in its stream */
    guint64 payload_sum;
    guint64 sum; /* of the header with the payload's sum: of the block */
} BlockHeader;

/* What the index says of a block. */
typedef struct {
    guint64 offset;
    guint64 first;
    guint64 sum;
    guint32 member;
    guint32 count;
    guint32 stored;
    guint16 type;
    guint16 flags;
} BlockEntry;

typedef struct {
    guint64 index;   /* where the first block of the index begins */
    guint64 entries; /* blocks before that, each with an entry */
    guint64 pages;   /* distinct */
    guint64 sum;     /* of the sums of all those blocks, in order */
    guint32 members;
} ImageEnd;

typedef struct {
    guint32 version;
    guint32 batch_pages;
    guint8 uuid[FORMAT_UUID];
} ImageFront;

typedef enum { FRONT_GOOD, FRONT_FOREIGN, FRONT_BROKEN, FRONT_NEWER } FrontState;
typedef enum { MARK_UNUSED, MARK_USED, MARK_BROKEN } MarkState;

/* The seed of every sum in an image: blocks of another image are not its blocks. */
guint64 format_seed(const guint8 uuid[FORMAT_UUID]);
guint64 format_sum(const void *bytes, gsize length, guint64 seed);
/* The sum of sums: begins with the seed, takes one block's sum after the other. */
guint64 format_chain(guint64 chain, guint64 sum);

void format_put_front(const ImageFront *front, guint8 ret_bytes[FORMAT_FRONT]);
FrontState format_front(const guint8 bytes[FORMAT_FRONT], ImageFront *ret_front);

void format_put_mark(const guint8 uuid[FORMAT_UUID], guint8 ret_bytes[FORMAT_MARK]);
MarkState format_mark(const guint8 uuid[FORMAT_UUID], const guint8 bytes[FORMAT_MARK]);

/* Fills in @header's sums. */
void format_put_header(BlockHeader *header, const void *payload, guint64 seed,
                       guint8 ret_bytes[FORMAT_HEADER]);
/* FALSE if these are not the bytes of a sound header. */
gboolean format_header(const guint8 bytes[FORMAT_HEADER], guint64 seed, BlockHeader *ret_header);

/* What the index says of the block with @header at @offset. */
BlockEntry format_entry_of(const BlockHeader *header, guint64 offset);
void format_put_entry(const BlockEntry *entry, guint8 ret_bytes[FORMAT_ENTRY]);
void format_entry(const guint8 bytes[FORMAT_ENTRY], BlockEntry *ret_entry);

void format_put_end(const ImageEnd *end, guint8 ret_bytes[FORMAT_END]);
void format_end(const guint8 bytes[FORMAT_END], ImageEnd *ret_end);

#endif
