/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* image extract: an image's members as the files that xl restore takes. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "image-file.h"

#define SUFFIX ".save"

/* -- names -- */

/* What a member's file is called: its name, which the image gives, makes no path. */
static char *file_name(const ImageMember *member)
{
    g_autofree char *name = text_clean(member->name);
    g_strdelimit(name, "/", '_');
    return g_strdup_printf("%s%s" SUFFIX, *name == '.' || *name == '-' ? "_" : "", name);
}

/* The one member that is called @name, or has this UUID. */
static gboolean member_find(const ImageFile *file, const char *name, guint *ret_member,
                            GError **error)
{
    const ImageInfo *info = image_reader_info(file->reader);
    guint found = 0;
    for (guint i = 0; i < info->members->len; i++) {
        const ImageMember *member = info->members->pdata[i];
        if (strcmp(member->name, name) != 0 && g_ascii_strcasecmp(member->uuid, name) != 0)
            continue;
        *ret_member = i;
        found++;
    }
    if (found == 1)
        return TRUE;
    if (found == 0)
        g_set_error(error, DOMGRP_ERROR, DOMGRP_ERROR_DOMAIN_UNKNOWN,
                    "%s has no member %s: \"domgrp image info\" lists them", file->name, name);
    else
        g_set_error(error, DOMGRP_ERROR, DOMGRP_ERROR_VALUE,
                    "%s has more than one member %s: call it by its UUID, which \"domgrp image "
                    "info --json\" shows",
                    file->name, name);
    return FALSE;
}

/* -- one member -- */

static gboolean member_write(const Cli *cli, const ImageFile *file, guint member, const char *path,
                             GError **error)
{
    const ImageInfo *info = image_reader_info(file->reader);
    const ImageMember *what = info->members->pdata[member];
    g_auto(Target) target = {.fd = -1};
    if (!target_open(&target, path, cli->force, error))
        return FALSE;
    if (!image_reader_stream(file->reader, member, target_write, &target, NULL, error)) {
        if (!target.failed)
            image_file_blame(file, error);
        return FALSE;
    }
    if (!target_finish(&target, error))
        return FALSE;
    if (cli->quiet || target.is_stdout)
        return TRUE;
    g_autofree char *name = text_clean(what->name);
    g_autofree char *size = text_size(what->bytes);
    printf("extracted %s to %s: %s\n", name, path, size);
    return TRUE;
}

static gboolean extract_one(const Cli *cli, ImageFile *file, GError **error)
{
    guint member;
    if (!member_find(file, cli->arguments[1], &member, error))
        return FALSE;
    const ImageInfo *info = image_reader_info(file->reader);
    const ImageMember *what = info->members->pdata[member];
    g_autofree char *named = file_name(what);
    const char *path = cli->n_arguments > 2 ? cli->arguments[2] : named;
    Meter *meter = meter_begin(cli, "read", 0, image_file_progress, file);
    gboolean good = member_write(cli, file, member, path, error);
    meter_end(meter);
    return good;
}

/* -- all of them -- */

/* Two members would be one file: nothing is written then. */
static gboolean names_check(const ImageFile *file, GError **error)
{
    const ImageInfo *info = image_reader_info(file->reader);
    g_autoptr(GHashTable) names = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    for (guint i = 0; i < info->members->len; i++) {
        char *name = file_name(info->members->pdata[i]);
        if (g_hash_table_add(names, name))
            continue;
        g_set_error(error, DOMGRP_ERROR, DOMGRP_ERROR_VALUE,
                    "two members of %s would both be %s: extract them one by one", file->name,
                    name);
        return FALSE;
    }
    return TRUE;
}

static gboolean directory_make(const char *path, GError **error)
{
    if (mkdir(path, 0700) == 0 || errno == EEXIST)
        return TRUE;
    g_set_error(error, DOMGRP_ERROR, DOMGRP_ERROR_FILE, "%s: %s", path, g_strerror(errno));
    return FALSE;
}

/* Goes on after a member that is damaged, so that the others are had. */
static guint write_all(const Cli *cli, const ImageFile *file, GError **ret_first)
{
    const ImageInfo *info = image_reader_info(file->reader);
    guint failed = 0;
    for (guint i = 0; i < info->members->len; i++) {
        g_autoptr(GError) error = NULL;
        g_autofree char *name = file_name(info->members->pdata[i]);
        g_autofree char *path = g_build_filename(cli->all_into, name, NULL);
        if (member_write(cli, file, i, path, &error))
            continue;
        failed++;
        if (*ret_first == NULL)
            *ret_first = g_steal_pointer(&error);
    }
    return failed;
}

static gboolean extract_all(const Cli *cli, ImageFile *file, GError **error)
{
    const ImageInfo *info = image_reader_info(file->reader);
    g_autoptr(GError) first = NULL;
    if (!names_check(file, error) || !directory_make(cli->all_into, error))
        return FALSE;
    Meter *meter = meter_begin(cli, "read", 0, image_file_progress, file);
    guint failed = write_all(cli, file, &first);
    meter_end(meter);
    if (failed > 0)
        g_set_error(error, DOMGRP_ERROR, DOMGRP_ERROR_PARTLY,
                    "%u of %u members could not be extracted: %s", failed, info->members->len,
                    first->message);
    else if (!info->complete)
        g_set_error(error, DOMGRP_ERROR, DOMGRP_ERROR_PARTLY,
                    "%s is not whole: its end is missing, and members may be missing with it",
                    file->name);
    return failed == 0 && info->complete;
}

gboolean cmd_image_extract(Cli *cli, GError **error)
{
    g_auto(ImageFile) file = {.fd = -1};
    if ((cli->all_into == NULL) != (cli->n_arguments > 1)) {
        g_set_error(error, DOMGRP_ERROR, DOMGRP_ERROR_USAGE,
                    "name either a member or, with --all, a directory for all of them");
        return FALSE;
    }
    return image_file_open(&file, cli->arguments[0], error) &&
           (cli->all_into != NULL ? extract_all(cli, &file, error)
                                  : extract_one(cli, &file, error));
}
