/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Members' streams for tests, made record by record as Xen's specifications
 * have them, and the way of a set of streams into an image in memory and back.
 */
#ifndef TESTS_STREAMS_H
#define TESTS_STREAMS_H

#include "image.h"

#define STREAM_PAGE 4096

/* libxl's records */
enum {
    XL_END,
    XL_LIBXC_CONTEXT,
    XL_EMULATOR_XENSTORE,
    XL_EMULATOR_CONTEXT,
    XL_CHECKPOINT_END,
    XL_CHECKPOINT_STATE,
    XL_RECORDS
};

/* libxc's records */
enum {
    XC_END,
    XC_PAGE_DATA,
    XC_PV_INFO,
    XC_P2M_FRAMES,
    XC_VCPU_BASIC,
    XC_VCPU_EXTENDED,
    XC_VCPU_XSAVE,
    XC_SHARED_INFO,
    XC_TSC_INFO,
    XC_HVM_CONTEXT,
    XC_HVM_PARAMS,
    XC_TOOLSTACK,
    XC_VCPU_MSRS,
    XC_VERIFY,
    XC_CHECKPOINT,
    XC_DIRTY_PFNS,
    XC_STATIC_DATA_END,
    XC_CPUID_POLICY,
    XC_MSR_POLICY,
    XC_RECORDS
};

#define REC_OPTIONAL 0x80000000u
#define SEED_SMALL 0x40000000u /* in a page's seed: it compresses well */

typedef GByteArray Stream;
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Stream, g_byte_array_unref)

void stream_bytes(Stream *stream, const void *bytes, gsize length);
void stream_u32(Stream *stream, guint32 value);
void stream_u64(Stream *stream, guint64 value);
/* @length bytes that depend on @seed only. */
void stream_noise(Stream *stream, guint32 seed, gsize length);
/* xl's header with a configuration. */
void stream_xl(Stream *stream, const char *json);
void stream_libxl(Stream *stream);
void stream_libxc(Stream *stream, guint32 version);
/* A record of either level with @length bytes, the first of them noise, padded. */
void stream_record(Stream *stream, guint32 type, gsize length);
/* A page: seed 0 is the zero page, equal seeds are equal pages. */
void stream_page(Stream *stream, guint32 seed);
/* A record with @n pages of those seeds, from @pfn on. */
void stream_pages(Stream *stream, guint64 pfn, const guint32 *seeds, guint n);
/* From xl's header to libxl's end: a guest with the pages of @seeds in records of @batch. */
void stream_guest(Stream *stream, guint32 version, const guint32 *seeds, guint n, guint batch);
/* Anything that may come: all records, unknown ones, wrong ones, cut off or with more behind it. */
void stream_random(Stream *stream, GRand *rand);

typedef struct {
    ImageEffort effort;
    gsize chunk;    /* bytes in a write at most; 0: all at once */
    GRand *rand;    /* if not NULL: chunks of any length up to that */
    gboolean turns; /* the members' chunks in turns */
    const char *disks;
} PackHow;

/* An image of @n streams in a file without a name. */
int pack_streams(Stream **streams, guint n, const PackHow *how);
/* Writes @streams to @writer as @how says and finishes it; FALSE with its error. */
gboolean pack_into(ImageWriter *writer, Stream **streams, guint n, const PackHow *how,
                   GError **error);
/* The stream of a member; NULL with the reader's error. */
Stream *unpack_member(ImageReader *reader, guint member, GError **error);
/* Asserts that the image on @fd is whole and has just these streams. */
void check_image(int fd, Stream **streams, guint n);
/* The same of an image that is read as it comes in on @fd. */
void check_follow(int fd, Stream **streams, guint n);
/* All three, for the ways of writing that matter. */
void check_round_trip(Stream **streams, guint n);

int memory_file(const void *bytes, gsize length);
gsize file_size(int fd);

#endif
