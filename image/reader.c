/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A reader's life, what it knows of the image, and the check of all of it. */
#include "reader.h"

static void member_free(gpointer data)
{
    ImageMember *member = data;

    g_free(member->name);
    g_free(member->json);
    g_free(member);
}

ImageInfo *image_info_new(void)
{
    ImageInfo *info = g_new0(ImageInfo, 1);

    info->members = g_ptr_array_new_with_free_func(member_free);
    return info;
}

void image_info_free(ImageInfo *info)
{
    g_free(info->group_name);
    g_free(info->text);
    g_free(info->disks);
    g_ptr_array_unref(info->members);
    g_free(info);
}

ImageReader *reader_new(void)
{
    ImageReader *reader = g_new0(ImageReader, 1);

    reader->plans = g_ptr_array_new_with_free_func(plan_free);
    reader->info = image_info_new();
    return reader;
}

ImageReader *image_reader_new(int fd, gboolean damaged, const char *spool, GError **error)
{
    g_autoptr(ImageReader) reader = reader_new();

    if (!input_open(&reader->input, fd, damaged, spool, error))
        return NULL;
    cache_init(&reader->cache, &reader->input);
    for (guint i = 0; i < reader->input.blocks->len; i++) {
        if (!plan_block(reader, i, damaged, error))
            return NULL;
    }
    return plan_finish(reader, damaged, error) ? g_steal_pointer(&reader) : NULL;
}

void image_reader_free(ImageReader *reader)
{
    cache_clear(&reader->cache);
    input_clear(&reader->input);
    buffer_clear(&reader->piece);
    g_free(reader->gathered);
    g_ptr_array_unref(reader->plans);
    image_info_free(reader->info);
    g_free(reader);
}

const ImageInfo *image_reader_info(const ImageReader *reader)
{
    return reader->info;
}

guint64 image_reader_progress(const ImageReader *reader)
{
    return __atomic_load_n(&reader->input.progress, __ATOMIC_RELAXED);
}

/* -- verifying -- */

/* Keeps the first of several errors. */
static void keep_error(GError **kept, GError *error)
{
    if (*kept == NULL)
        *kept = error;
    else
        g_error_free(error);
}

static gboolean verify_members(ImageReader *reader, GCancellable *cancellable, GArray *broken,
                               GError **kept)
{
    for (guint i = 0; i < reader->plans->len; i++) {
        GError *error = NULL;
        if (image_reader_stream(reader, i, NULL, NULL, cancellable, &error))
            continue;
        gboolean damage = g_error_matches(error, DOMGRP_ERROR, DOMGRP_ERROR_IMAGE);
        keep_error(kept, error);
        if (!damage)
            return FALSE;
        g_array_append_val(broken, i);
    }
    return TRUE;
}

gboolean reader_cancelled(GCancellable *cancellable, GError **error)
{
    if (!g_cancellable_is_cancelled(cancellable))
        return FALSE;
    g_set_error(error, DOMGRP_ERROR, DOMGRP_ERROR_CANCELLED, "reading the image was cancelled");
    return TRUE;
}

gboolean reader_verify_rest(ImageReader *reader, GCancellable *cancellable, GError **kept)
{
    GArray *blocks = reader->input.blocks;

    for (guint i = 0; i < blocks->len; i++) {
        Block *block = &g_array_index(blocks, Block, i);
        GError *error = NULL;
        if (block->seen)
            continue;
        if (reader_cancelled(cancellable, &error)) {
            keep_error(kept, error);
            return FALSE;
        }
        if (!input_read(&reader->input, block, &reader->piece, &error))
            keep_error(kept, error);
    }
    if (!reader->input.complete)
        keep_error(kept, g_error_new(DOMGRP_ERROR, DOMGRP_ERROR_IMAGE,
                                     "the image is incomplete: its index or its end is missing"));
    return TRUE;
}

gboolean image_reader_verify(ImageReader *reader, GCancellable *cancellable, GArray **ret_broken,
                             GError **error)
{
    g_autoptr(GArray) broken = g_array_new(FALSE, FALSE, sizeof(guint));
    GError *kept = NULL;

    if (verify_members(reader, cancellable, broken, &kept))
        reader_verify_rest(reader, cancellable, &kept);
    if (ret_broken != NULL)
        *ret_broken = g_steal_pointer(&broken);
    if (kept == NULL)
        return TRUE;
    g_propagate_error(error, kept);
    return FALSE;
}
