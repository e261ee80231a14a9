/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the blocks are for: the group, the members with their pieces in order,
 * the batches of pages. In a whole image all must fit together; in a damaged
 * one what does not fit is left out.
 */
#include "reader.h"

#include "piece.h"
#include "xl.h"

typedef struct {
    ImageReader *reader;
    gboolean damaged;
    guint number; /* of the block that is looked at */
    Block *block;
} Look;

static MemberPlan *plan_new(void)
{
    MemberPlan *plan = g_new0(MemberPlan, 1);

    plan->pieces = g_array_new(FALSE, FALSE, sizeof(guint));
    plan->end = NO_BLOCK;
    return plan;
}

void plan_free(gpointer data)
{
    MemberPlan *plan = data;

    g_array_unref(plan->pieces);
    g_free(plan);
}

static void add_member(ImageReader *reader)
{
    ImageMember *member = g_new0(ImageMember, 1);

    member->name = g_strdup("");
    member->json = g_strdup("");
    g_ptr_array_add(reader->info->members, member);
    g_ptr_array_add(reader->plans, plan_new());
}

/* The plan of the block's member; a new one where a damaged image has lost who that is. */
static MemberPlan *plan_of(Look *look)
{
    ImageReader *reader = look->reader;
    guint32 member = look->block->entry.member;

    while (look->damaged && member < IMAGE_MAX_MEMBERS && reader->plans->len <= member)
        add_member(reader);
    return member < reader->plans->len ? g_ptr_array_index(reader->plans, member) : NULL;
}

static gboolean look_group(Look *look)
{
    ImageInfo *info = look->reader->info;

    if (info->group_name != NULL || info->text != NULL)
        return FALSE;
    return payload_read_group(look->reader->piece.bytes, look->reader->piece.length, info);
}

static gboolean look_member(Look *look)
{
    ImageReader *reader = look->reader;
    guint32 number = look->block->entry.member;

    if (!look->damaged && number == reader->plans->len && number < IMAGE_MAX_MEMBERS)
        add_member(reader);
    else if (!look->damaged)
        return FALSE;
    if (plan_of(look) == NULL)
        return FALSE;
    ImageMember *member = g_ptr_array_index(reader->info->members, number);
    return payload_read_member(look->reader->piece.bytes, look->reader->piece.length, member);
}

static gboolean look_piece(Look *look)
{
    MemberPlan *plan = plan_of(look);
    const BlockEntry *entry = &look->block->entry;

    if (plan == NULL || entry->count > FORMAT_PIECE_MAX || entry->count == 0)
        return FALSE;
    if (plan->hole || plan->end != NO_BLOCK || entry->first != plan->length) {
        plan->hole = TRUE;
        return FALSE;
    }
    g_array_append_val(plan->pieces, look->number);
    plan->length += entry->count;
    return TRUE;
}

static gboolean look_pages(Look *look)
{
    return cache_add(&look->reader->cache, look->number);
}

static void copy_totals(ImageMember *member, const MemberTotals *totals)
{
    member->bytes = totals->bytes;
    member->pages = totals->pages;
    member->zero = totals->zero;
    member->own_equal = totals->own_equal;
    member->shared = totals->shared;
    member->distinct = totals->distinct;
    member->other = totals->other;
}

static gboolean look_member_end(Look *look)
{
    MemberPlan *plan = plan_of(look);

    if (plan == NULL || plan->end != NO_BLOCK ||
        !payload_read_totals(look->reader->piece.bytes, look->reader->piece.length, &plan->totals))
        return FALSE;
    plan->end = look->number;
    plan->hole = plan->hole || plan->totals.bytes != plan->length;
    return !plan->hole;
}

static gboolean look_disks(Look *look)
{
    ImageInfo *info = look->reader->info;

    g_clear_pointer(&info->disks, g_free);
    info->disks = payload_read_text(look->reader->piece.bytes, look->reader->piece.length);
    return info->disks != NULL;
}

static const struct {
    gboolean (*look)(Look *look);
    gboolean read; /* its payload is needed now */
} looks[] = {
    [BLOCK_GROUP] = {look_group, TRUE},           [BLOCK_MEMBER] = {look_member, TRUE},
    [BLOCK_PIECE] = {look_piece, FALSE},          [BLOCK_PAGES] = {look_pages, FALSE},
    [BLOCK_MEMBER_END] = {look_member_end, TRUE}, [BLOCK_DISKS] = {look_disks, TRUE},
};

static gboolean unknown_type(const Look *look, GError **error)
{
    guint type = look->block->entry.type;

    if ((type & BLOCK_OPTIONAL) || look->damaged)
        return TRUE;
    g_set_error(error, DOMGRP_ERROR, DOMGRP_ERROR_IMAGE_VERSION,
                "the image has a part of kind %u, which this domgrp does not know; use a newer one",
                type);
    return FALSE;
}

static gboolean look_at(Look *look, GError **error)
{
    guint type = look->block->entry.type;

    if (type >= G_N_ELEMENTS(looks) || looks[type].look == NULL)
        return unknown_type(look, error);
    if (looks[type].read && !input_read(&look->reader->input, look->block, &look->reader->piece,
                                        look->damaged ? NULL : error))
        return look->damaged;
    if (looks[type].look(look) || look->damaged)
        return TRUE;
    g_set_error(error, DOMGRP_ERROR, DOMGRP_ERROR_IMAGE,
                "the image is damaged: block %u at byte %" G_GUINT64_FORMAT
                " does not fit those before it",
                look->block->seq, look->block->entry.offset);
    return FALSE;
}

/* Whether the image has everything it must have. */
static gboolean all_there(const ImageReader *reader, GError **error)
{
    gboolean good = reader->info->group_name != NULL &&
                    reader->plans->len == reader->input.end.members &&
                    cache_whole(&reader->cache, reader->input.end.pages);

    for (guint i = 0; good && i < reader->plans->len; i++)
        good = ((MemberPlan *)g_ptr_array_index(reader->plans, i))->end != NO_BLOCK;
    if (!good)
        g_set_error(error, DOMGRP_ERROR, DOMGRP_ERROR_IMAGE,
                    "the image is damaged: parts of it are missing");
    return good;
}

/* -- a member's configuration: what its stream begins with -- */

#define FRONT_MAX (XL_HEADER + 5 + IMAGE_MAX_TEXT)
#define JSON_ROOM (4 * IMAGE_MAX_TEXT) /* for those of all members */

/* Appends the bytes that @piece begins with; FALSE where something else follows. */
static gboolean take_front(const Buffer *piece, GByteArray *front)
{
    PieceReader reader;
    PieceRun run;

    if (!piece_reader_init(&reader, piece->bytes, piece->length))
        return FALSE;
    while (piece_reader_next(&reader, &run)) {
        if (run.kind != PIECE_BYTES)
            return FALSE;
        g_byte_array_append(front, piece_reader_bytes(&reader, run.n), (guint)run.n);
    }
    return TRUE;
}

static gboolean read_json(ImageReader *reader, guint number, gsize *room, GError **error)
{
    const MemberPlan *plan = g_ptr_array_index(reader->plans, number);
    ImageMember *member = g_ptr_array_index(reader->info->members, number);
    g_autoptr(GByteArray) front = g_byte_array_new();
    g_autofree char *json = NULL;
    gboolean more = TRUE;

    for (guint i = 0; more && i < plan->pieces->len && front->len <= FRONT_MAX; i++) {
        guint block = g_array_index(plan->pieces, guint, i);
        if (!input_read(&reader->input, &g_array_index(reader->input.blocks, Block, block),
                        &reader->piece, error))
            return FALSE;
        more = take_front(&reader->piece, front);
        guint32 data;
        more = more && (front->len < XL_HEADER ||
                        (xl_header(front->data, &data) && front->len - XL_HEADER < data));
    }
    if (image_xl_front(front->data, front->len, &member->front, &json) && json != NULL &&
        g_utf8_validate(json, -1, NULL) && strlen(json) <= *room) {
        *room -= strlen(json);
        g_free(member->json);
        member->json = g_steal_pointer(&json);
    }
    copy_totals(member, &plan->totals);
    if (plan->end == NO_BLOCK)
        member->bytes = plan->length;
    return TRUE;
}

static void fill_info(ImageReader *reader)
{
    ImageInfo *info = reader->info;
    const Input *input = &reader->input;

    info->version = input->front.version;
    domgrp_uuid_text(input->front.uuid, info->uuid);
    info->used = input->mark != MARK_UNUSED; /* a broken mark was one */
    info->complete = input->complete;
    info->file_bytes = input->size;
    for (guint i = 0; i < input->blocks->len; i++) {
        const BlockEntry *entry = &g_array_index(input->blocks, Block, i).entry;
        if (entry->type == BLOCK_PAGES)
            info->page_bytes += FORMAT_HEADER + entry->stored;
    }
    if (info->group_name == NULL)
        info->group_name = g_strdup("");
    if (info->text == NULL)
        info->text = g_strdup("");
    if (info->disks == NULL)
        info->disks = g_strdup("");
}

gboolean plan_block(ImageReader *reader, guint number, gboolean damaged, GError **error)
{
    Look look = {.reader = reader,
                 .damaged = damaged,
                 .number = number,
                 .block = &g_array_index(reader->input.blocks, Block, number)};

    return look_at(&look, error);
}

gboolean plan_finish(ImageReader *reader, gboolean damaged, GError **error)
{
    gsize room = JSON_ROOM;

    if (!damaged && !all_there(reader, error))
        return FALSE;
    for (guint i = 0; i < reader->plans->len; i++) {
        if (!read_json(reader, i, &room, damaged ? NULL : error) && !damaged)
            return FALSE;
    }
    fill_info(reader);
    return TRUE;
}
