/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * libdomgrp-image: a group image, one file or stream that holds a group, its
 * members' configurations and their memory. docs/group-image.md specifies
 * the format; this library writes, reads, verifies and takes apart images,
 * and needs neither Xen nor the daemon.
 *
 * What a member's stream holds is what `xl save` writes: xl's header and
 * configuration, then libxl's stream with libxc's in it (Xen:
 * docs/specs/libxl-migration-stream.pandoc, libxc-migration-stream.pandoc). It is
 * parsed down to single pages: a page that is equal to an earlier one of any
 * member is stored as its number, a zero page as nothing, and the others are
 * compressed in batches. Whatever is not understood passes through. Reading
 * gives back the bytes that were written, all of them, or fails.
 *
 * Threads: a writer, and a reader, belong to one thread at a time. Both block
 * on their file descriptors. Readers do not move a file descriptor that can seek, so
 * that several may read one at the same time.
 *
 * Errors are DOMGRP_ERROR: IMAGE (not an image, or damaged: what and where),
 * IMAGE_VERSION, FILE (reading or writing failed: errno's words), VALUE, MEMORY, CANCELLED.
 */
#ifndef DOMGRP_IMAGE_H
#define DOMGRP_IMAGE_H

#include "domgrp-error.h"
#include "domgrp-name.h"

#include <gio/gio.h>

G_BEGIN_DECLS

#define IMAGE_VERSION 1 /* of what is written, and the newest that is read */
#define IMAGE_MAX_MEMBERS 1024
#define IMAGE_MAX_TEXT (16 * 1024 * 1024) /* the longest text of a group or a member, in bytes */

/* -- what is in an image; the names and texts are owned by the struct -- */

typedef struct {
    char uuid[DOMGRP_UUID_TEXT];
    char *name;
    char *json;        /* libxl's configuration of the domain; "" if its stream has none, or all
                          together have more than 64 MiB */
    gsize front;       /* bytes of the stream before libxl's: xl's header and that configuration */
    guint64 bytes;     /* of its stream, xl's header included */
    guint64 pages;     /* that its stream has */
    guint64 zero;      /* of these: zero pages, */
    guint64 own_equal; /* equal to one that it was the first to have, */
    guint64 shared;    /* equal to one that another member was the first to have, */
    guint64 distinct;  /* stored for it */
    guint64 other;     /* bytes of its stream that are not pages */
} ImageMember;

typedef struct {
    guint32 version;
    char uuid[DOMGRP_UUID_TEXT]; /* the image's own */
    char group_uuid[DOMGRP_UUID_TEXT];
    char *group_name;
    char *text;         /* the group as the engine wrote it; "" in an image of packed files */
    char *disks;        /* what the snapshot command printed; "" */
    gint64 created_us;  /* wall clock, since 1970 */
    gboolean used;      /* its members have run since */
    gboolean complete;  /* it has its index and its end */
    guint64 file_bytes; /* of the image */
    guint64 page_bytes; /* of that: pages, compressed */
    GPtrArray *members; /* of ImageMember */
} ImageInfo;

/* An empty one; its members and their texts go with it. */
ImageInfo *image_info_new(void);
void image_info_free(ImageInfo *info);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(ImageInfo, image_info_free)

/* -- writing: forward only, so @fd may be a pipe -- */

typedef struct ImageWriter ImageWriter;

typedef enum {
    IMAGE_SMALL,    /* the default: smaller than `zstd -1 --long` of the same streams, and faster */
    IMAGE_FAST,     /* little processor time */
    IMAGE_ADAPTIVE, /* as IMAGE_FAST, and up to IMAGE_SMALL while the reader of @fd, a pipe, is so
                     * much slower than the writer that this waits for it more than half of its time
                     */
} ImageEffort;

typedef struct {
    char uuid[DOMGRP_UUID_TEXT]; /* "": a new one */
    const char *group_uuid;      /* "" or NULL: a new one */
    const char *group_name;
    const char *text; /* may be NULL */
    ImageEffort effort;
    gboolean followed; /* somebody reads it as it is written: no member's stream is held back for
                        * longer than a batch of pages, and a configuration not at all */
} ImageSpec;

/* Begins an image on @fd, which it borrows. */
ImageWriter *image_writer_new(int fd, const ImageSpec *spec, GError **error);
/*
 * Adds a member, whose number is written to *@ret_member: 0, 1... The streams of several members
 * may be written in turns; what is shared is found either way. NULL @json: a stream that begins
 * with xl's header brings its own (what `xl save` wrote); else the writer makes that header of it.
 */
gboolean image_writer_member(ImageWriter *writer, const char *uuid, const char *name,
                             const char *json, guint *ret_member, GError **error);
/* Adds the next @length bytes of a member's stream, as they come. After an error the writer can
 * only be freed. */
gboolean image_writer_write(ImageWriter *writer, guint member, const void *bytes, gsize length,
                            GError **error);
/* TRUE from the moment when the member's stream has come to its first page. */
gboolean image_writer_at_pages(const ImageWriter *writer, guint member);
/*
 * The member's stream is over; IMAGE if it ends where such a stream cannot end. The member then
 * is in the image as far as it came, and the image can be finished.
 */
gboolean image_writer_end(ImageWriter *writer, guint member, GError **error);
/* Keeps what a snapshot command printed. */
gboolean image_writer_disks(ImageWriter *writer, const char *disks, GError **error);
/* Writes what is left, the index and the end. Does not sync. */
gboolean image_writer_finish(ImageWriter *writer, GError **error);
/* Bytes taken in and written out so far; from any thread. */
void image_writer_progress(const ImageWriter *writer, guint64 *ret_in, guint64 *ret_out);
void image_writer_free(ImageWriter *writer);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(ImageWriter, image_writer_free)

/* -- reading -- */

typedef struct ImageReader ImageReader;

/* Takes a piece of a member's stream; FALSE ends the reading with @error. */
typedef gboolean (*ImageSink)(gpointer data, const void *bytes, gsize length, GError **error);

/*
 * Opens the image on @fd, which it borrows. An image whose end is missing is IMAGE, unless
 * @damaged: then what is there can be read, up to the first hole in a member's stream. An @fd that
 * cannot seek is copied to an unnamed file in @spool (NULL: where temporary files go) as it is
 * read.
 */
ImageReader *image_reader_new(int fd, gboolean damaged, const char *spool, GError **error);
/* Borrowed. Where @damaged and there is no index, the counts are of what was found. */
const ImageInfo *image_reader_info(const ImageReader *reader);
/*
 * Gives @sink the stream of @member, in order and whole. Every byte was checked when it returns
 * TRUE, against the sum of the whole stream too; until then what @sink had may be wrong in its last
 * part. @sink (all is checked but goes nowhere) and @cancellable may be NULL.
 */
gboolean image_reader_stream(ImageReader *reader, guint member, ImageSink sink, gpointer data,
                             GCancellable *cancellable, GError **error);
/* Reads and checks everything, as far as it can; @ret_broken, which may be NULL, gets the numbers
 * of members that cannot be read (an array of guint). */
gboolean image_reader_verify(ImageReader *reader, GCancellable *cancellable, GArray **ret_broken,
                             GError **error);
/*
 * What becomes of members' streams as an image comes in; any may be NULL, and FALSE ends the
 * reading with @error.
 */
typedef struct {
    /* A member begins; the group and the members' UUIDs and names so far are in @info, but no text
     * of DISKS. */
    gboolean (*member)(gpointer data, guint member, const ImageInfo *info, GError **error);
    /* The next part of its stream. */
    gboolean (*bytes)(gpointer data, guint member, const void *bytes, gsize length, GError **error);
    /* Its stream was whole, and its sum is right. */
    gboolean (*ended)(gpointer data, guint member, GError **error);
    /*
     * Bytes that the image may have, and that its members' streams may have together; more is
     * IMAGE. It bounds what a reader takes of disk, of memory (a two-hundredth of it at most) and
     * of time. 0: any.
     */
    guint64 limit;
} ImageFollow;
/*
 * Reads the image that comes in on @fd, a pipe or a file from where it stands, to the end of @fd,
 * and gives members' streams as they come, each in order: the bytes of a piece as soon as the
 * pages that it names are there. A copy in @spool, as for image_reader_new(), holds pages for
 * later pieces, memory only as much as a reader's. The reader that it returns is one of the whole
 * image, in which everything was checked; NULL with IMAGE and others as above.
 */
ImageReader *image_reader_follow(int fd, const char *spool, const ImageFollow *follow,
                                 gpointer data, GCancellable *cancellable, GError **error);
/* Bytes of the image that were read so far, each counted once; from any thread. */
guint64 image_reader_progress(const ImageReader *reader);
void image_reader_free(ImageReader *reader);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(ImageReader, image_reader_free)

/* -- without reading all of it -- */

/*
 * What xl put in front of libxl's stream in the file of `xl save` that begins with @bytes: how long
 * that is, and the configuration, NULL if that is not JSON. FALSE if it is no such file, or longer
 * than @length. @ret_json may be NULL.
 */
gboolean image_xl_front(const void *bytes, gsize length, gsize *ret_front, char **ret_json);
/* Marks the image on @fd, which can be written, used, and syncs that. No error if it is. */
gboolean image_mark_used(int fd, GError **error);
/* Reads only the front of @fd: which image it is. IMAGE if it is none. */
gboolean image_identify(int fd, char ret_uuid[DOMGRP_UUID_TEXT], GError **error);

G_END_DECLS

#endif
