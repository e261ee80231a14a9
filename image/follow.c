/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * An image that is read as it comes in: its blocks are taken one by one, as a
 * reader of a whole image takes them, and a piece is given when the batches
 * that it names have come, which may be after it.
 */
#include "reader.h"

#include "piece.h"

#define NO_BATCH G_MAXUINT64

typedef struct Follower Follower;

typedef struct {
    Follower *follower;
    guint number;
    Stream *stream;
    guint given;   /* of its pieces */
    guint64 waits; /* for this batch, or NO_BATCH */
    gboolean ended;
} Member;

struct Follower {
    ImageReader *reader;
    const ImageFollow *follow;
    gpointer data;
    GCancellable *cancellable;
    GPtrArray *members; /* of Member */
    guint64 given;      /* bytes of all streams, and of pieces each time that they had to wait */
};

static void member_free(gpointer data)
{
    Member *member = data;

    g_clear_pointer(&member->stream, stream_free);
    g_free(member);
}

/* Of what is limited. */
static gboolean count(Follower *follower, gsize bytes, GError **error)
{
    follower->given += bytes;
    return input_allows(&follower->reader->input, follower->given, error);
}

static gboolean give(gpointer data, const void *bytes, gsize length, GError **error)
{
    Member *member = data;
    Follower *follower = member->follower;

    if (!count(follower, length, error))
        return FALSE;
    return follower->follow->bytes == NULL ||
           follower->follow->bytes(follower->data, member->number, bytes, length, error);
}

static gboolean begin_member(Follower *follower, GError **error)
{
    Member *member = g_new0(Member, 1);

    *member = (Member){.follower = follower, .number = follower->members->len, .waits = NO_BATCH};
    member->stream =
        stream_new(follower->reader, member->number, give, member, follower->cancellable);
    g_ptr_array_add(follower->members, member);
    return follower->follow->member == NULL ||
           follower->follow->member(follower->data, member->number, follower->reader->info, error);
}

/* The first batch that the pages of @run need and that is not there. */
static guint64 run_missing(const Cache *cache, const PieceRun *run)
{
    if (run->kind != PIECE_NEW && run->kind != PIECE_OLD)
        return NO_BATCH;
    guint64 last = (run->first + run->n - 1) / cache->batch_pages;
    for (guint64 batch = run->first / cache->batch_pages; batch <= last; batch++) {
        if (!cache_has(cache, batch))
            return batch;
    }
    return NO_BATCH;
}

/* The same of @block, the piece that was read; what is no piece waits for nothing, and is found
 * out when it is given. */
static guint64 piece_missing(const Follower *follower, const Block *block)
{
    const Buffer *payload = &follower->reader->piece;
    guint64 left = block->entry.count, missing = NO_BATCH;
    PieceReader reader;
    PieceRun run;

    if (!piece_reader_init(&reader, payload->bytes, payload->length))
        return NO_BATCH;
    while (missing == NO_BATCH && piece_reader_next(&reader, &run) &&
           piece_run_length(&run) <= left) {
        left -= piece_run_length(&run);
        missing = run_missing(&follower->reader->cache, &run);
        piece_reader_skip(&reader, &run);
    }
    return missing;
}

static gboolean end_member(Member *member, GError **error)
{
    const Follower *follower = member->follower;

    if (!stream_end(member->stream, error))
        return FALSE;
    member->ended = TRUE;
    g_clear_pointer(&member->stream, stream_free);
    return follower->follow->ended == NULL ||
           follower->follow->ended(follower->data, member->number, error);
}

/* Gives what can be given. */
static gboolean advance(Member *member, GError **error)
{
    Follower *follower = member->follower;
    const MemberPlan *plan = g_ptr_array_index(follower->reader->plans, member->number);

    member->waits = NO_BATCH;
    for (; member->given < plan->pieces->len; member->given++) {
        guint number = g_array_index(plan->pieces, guint, member->given);
        Block *block = &g_array_index(follower->reader->input.blocks, Block, number);
        if (!input_read(&follower->reader->input, block, &follower->reader->piece, error))
            return FALSE;
        member->waits = piece_missing(follower, block);
        if (member->waits != NO_BATCH) /* it will be read again */
            return count(follower, follower->reader->piece.length, error);
        if (!stream_put(member->stream, block, error))
            return FALSE;
    }
    return plan->end == NO_BLOCK || end_member(member, error);
}

/* A batch has come: those go on that waited for it. */
static gboolean advance_waiting(Follower *follower, guint64 batch, GError **error)
{
    for (guint i = 0; i < follower->members->len; i++) {
        Member *member = g_ptr_array_index(follower->members, i);
        if (member->waits == batch && !advance(member, error))
            return FALSE;
    }
    return TRUE;
}

static gboolean take_block(Follower *follower, guint number, GError **error)
{
    ImageReader *reader = follower->reader;
    const BlockEntry entry = g_array_index(reader->input.blocks, Block, number).entry;

    if (!plan_block(reader, number, FALSE, error))
        return FALSE;
    if (entry.type == BLOCK_MEMBER)
        return begin_member(follower, error);
    if (entry.type == BLOCK_PAGES)
        return advance_waiting(follower, entry.first / reader->cache.batch_pages, error);
    if (entry.type != BLOCK_PIECE && entry.type != BLOCK_MEMBER_END)
        return TRUE;
    Member *member = g_ptr_array_index(follower->members, entry.member);
    return member->waits != NO_BATCH || advance(member, error);
}

static gboolean take_all(Follower *follower, int fd, GError **error)
{
    Input *input = &follower->reader->input;
    gboolean more = TRUE;

    for (;;) {
        if (reader_cancelled(follower->cancellable, error) || !input_next(input, fd, &more, error))
            return FALSE;
        if (!more)
            return TRUE;
        if (!take_block(follower, input->blocks->len - 1, error))
            return FALSE;
    }
}

/* Members whose pages never came, and blocks that nobody asked for. */
static gboolean take_rest(Follower *follower, GError **error)
{
    GError *kept = NULL;

    for (guint i = 0; i < follower->members->len; i++) {
        const Member *member = g_ptr_array_index(follower->members, i);
        if (member->ended)
            continue;
        g_set_error(error, DOMGRP_ERROR, DOMGRP_ERROR_IMAGE,
                    "the image is damaged: the stream of member %u names pages that are not in it",
                    i);
        return FALSE;
    }
    reader_verify_rest(follower->reader, follower->cancellable, &kept);
    if (kept == NULL)
        return TRUE;
    g_propagate_error(error, kept);
    return FALSE;
}

static gboolean run(Follower *follower, int fd, GError **error)
{
    return take_all(follower, fd, error) && plan_finish(follower->reader, FALSE, error) &&
           take_rest(follower, error);
}

ImageReader *image_reader_follow(int fd, const char *spool, const ImageFollow *follow,
                                 gpointer data, GCancellable *cancellable, GError **error)
{
    g_autoptr(ImageReader) reader = reader_new();
    Follower follower = {
        .reader = reader, .follow = follow, .data = data, .cancellable = cancellable};

    if (!input_follow(&reader->input, fd, spool, follow->limit, error))
        return NULL;
    domgrp_uuid_text(reader->input.front.uuid, reader->info->uuid);
    cache_init(&reader->cache, &reader->input);
    follower.members = g_ptr_array_new_with_free_func(member_free);
    gboolean good = run(&follower, fd, error);
    g_ptr_array_unref(follower.members);
    return good ? g_steal_pointer(&reader) : NULL;
}
