/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* image info and image verify: what is in an image, and whether all of it is. */
#include <stdio.h>

#include "image-file.h"

/* What an ImageMember counts, of all members. */
static ImageMember totals(const ImageInfo *info)
{
    ImageMember all = {0};
    for (guint i = 0; i < info->members->len; i++) {
        const ImageMember *member = info->members->pdata[i];
        all.bytes += member->bytes;
        all.pages += member->pages;
        all.zero += member->zero;
        all.own_equal += member->own_equal;
        all.shared += member->shared;
        all.distinct += member->distinct;
        all.other += member->other;
    }
    return all;
}

static char *created_text(const ImageInfo *info)
{
    g_autoptr(GDateTime) time = g_date_time_new_from_unix_local(info->created_us / G_USEC_PER_SEC);
    return time == NULL ? g_strdup("-") : g_date_time_format(time, "%Y-%m-%d %H:%M:%S");
}

/* -- for people -- */

static void head_print(const ImageInfo *info, const ImageMember *all)
{
    g_autofree char *group = text_clean(info->group_name);
    g_autofree char *created = created_text(info);
    g_autofree char *file = text_size(info->file_bytes);
    g_autofree char *pages = text_size(info->page_bytes);
    g_autofree char *streams = text_size(all->bytes);
    printf("group    %s, %s\n", group, info->group_uuid);
    printf("image    %s, of format %u\n", info->uuid, info->version);
    printf("made     %s\n", created);
    printf("state    %s, %s\n", info->complete ? "has its end" : "not whole: its end is missing",
           info->used ? "used: its members have run since" : "not used yet");
    printf("size     %s, %s of it pages\n", file, pages);
    printf("holds    %s, of which it is %.1f %%\n", streams,
           text_percent(info->file_bytes, all->bytes));
}

/* A line each, of what the snapshot command printed. */
static void disks_print(const ImageInfo *info)
{
    g_auto(GStrv) lines = g_strsplit(info->disks, "\n", -1);
    for (guint i = 0; lines[i] != NULL; i++) {
        g_autofree char *line = text_clean(lines[i]);
        if (*line != '\0')
            printf("%-8s %s\n", i == 0 ? "disks" : "", line);
    }
}

static void member_print(const char *name, const ImageMember *member)
{
    g_autofree char *size = text_size(member->bytes);
    printf(
        "%-30s %10s %10" G_GUINT64_FORMAT " %6.1f %6.1f %6.1f %6.1f\n", name, size, member->pages,
        text_percent(member->zero, member->pages), text_percent(member->own_equal, member->pages),
        text_percent(member->shared, member->pages), text_percent(member->distinct, member->pages));
}

static void info_print(const ImageInfo *info)
{
    ImageMember all = totals(info);
    head_print(info, &all);
    disks_print(info);
    printf("\n%-30s %10s %10s %6s %6s %6s %6s\n", "Member", "Size", "Pages", "Zero%", "Own%",
           "Other%", "Kept%");
    for (guint i = 0; i < info->members->len; i++) {
        const ImageMember *member = info->members->pdata[i];
        g_autofree char *name = text_clean(member->name);
        member_print(name, member);
    }
    if (info->members->len > 1)
        member_print("all", &all);
}

/* -- for machines -- */

static JsonObject *member_to_json(const ImageMember *member)
{
    JsonObject *object = json_object_new();
    g_autofree char *name = text_clean(member->name);
    json_object_set_string_member(object, "uuid", member->uuid);
    json_object_set_string_member(object, "name_label", name);
    json_object_set_int_member(object, "bytes", member->bytes);
    json_object_set_int_member(object, "pages", member->pages);
    json_object_set_int_member(object, "zero", member->zero);
    json_object_set_int_member(object, "own_equal", member->own_equal);
    json_object_set_int_member(object, "shared", member->shared);
    json_object_set_int_member(object, "distinct", member->distinct);
    json_object_set_int_member(object, "other_bytes", member->other);
    return object;
}

static JsonArray *disks_to_json(const ImageInfo *info)
{
    JsonArray *array = json_array_new();
    g_auto(GStrv) lines = g_strsplit(info->disks, "\n", -1);
    for (guint i = 0; lines[i] != NULL; i++) {
        g_autofree char *line = text_clean(lines[i]);
        if (*line != '\0')
            json_array_add_string_element(array, line);
    }
    return array;
}

static void info_print_json(const ImageInfo *info)
{
    g_autofree char *group = text_clean(info->group_name);
    g_autoptr(GDateTime) time = g_date_time_new_from_unix_utc(info->created_us / G_USEC_PER_SEC);
    g_autofree char *created = time == NULL ? g_strdup("") : g_date_time_format_iso8601(time);
    JsonArray *members = json_array_new();
    for (guint i = 0; i < info->members->len; i++)
        json_array_add_object_element(members, member_to_json(info->members->pdata[i]));

    JsonObject *object = json_object_new();
    json_object_set_string_member(object, "uuid", info->uuid);
    json_object_set_int_member(object, "version", info->version);
    json_object_set_string_member(object, "group", info->group_uuid);
    json_object_set_string_member(object, "group_name", group);
    json_object_set_string_member(object, "created", created);
    json_object_set_boolean_member(object, "complete", info->complete);
    json_object_set_boolean_member(object, "used", info->used);
    json_object_set_int_member(object, "file_bytes", info->file_bytes);
    json_object_set_int_member(object, "page_bytes", info->page_bytes);
    json_object_set_int_member(object, "member_bytes", totals(info).bytes);
    json_object_set_array_member(object, "disks", disks_to_json(info));
    json_object_set_array_member(object, "members", members);
    g_autoptr(JsonNode) node = json_node_new(JSON_NODE_OBJECT);
    json_node_take_object(node, object);
    print_json(node);
}

gboolean cmd_image_info(Cli *cli, GError **error)
{
    g_auto(ImageFile) file = {.fd = -1};
    if (!image_file_open(&file, cli->arguments[0], error))
        return FALSE;
    const ImageInfo *info = image_reader_info(file.reader);
    if (cli->json)
        info_print_json(info);
    else
        info_print(info);
    return TRUE;
}

/* -- verify -- */

static gboolean is_broken(const GArray *broken, guint member)
{
    for (guint i = 0; broken != NULL && i < broken->len; i++)
        if (g_array_index(broken, guint, i) == member)
            return TRUE;
    return FALSE;
}

static void broken_print(const ImageInfo *info, const GArray *broken)
{
    for (guint i = 0; i < info->members->len; i++) {
        const ImageMember *member = info->members->pdata[i];
        g_autofree char *name = text_clean(member->name);
        fprintf(stderr, "  %-20s %s\n", name,
                is_broken(broken, i) ? "damaged" : "can be extracted");
    }
}

gboolean cmd_image_verify(Cli *cli, GError **error)
{
    g_auto(ImageFile) file = {.fd = -1};
    g_autoptr(GArray) broken = NULL;
    if (!image_file_open(&file, cli->arguments[0], error))
        return FALSE;
    const ImageInfo *info = image_reader_info(file.reader);
    Meter *meter = meter_begin(cli, "checked", info->file_bytes, image_file_progress, &file);
    gboolean good = image_reader_verify(file.reader, NULL, &broken, error);
    meter_end(meter);
    if (!good && !cli->quiet)
        broken_print(info, broken);
    if (!good) {
        image_file_blame(&file, error);
        return FALSE;
    }
    g_autofree char *size = text_size(totals(info).bytes);
    if (!cli->quiet)
        printf("%s is whole: %u member%s, %s\n", file.name, info->members->len,
               text_plural(info->members->len), size);
    return TRUE;
}
