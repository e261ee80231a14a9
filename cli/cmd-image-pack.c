/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* image pack: files of xl save into one image. */
#include "cli.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "image.h"
#include "xl.h"

#define BUFFER_SIZE (1024 * 1024)

/* A file that is packed. */
typedef struct {
    const char *name; /* for messages */
    int fd;
    GByteArray *begin; /* what was read of it to learn whose it is */
} Source;

typedef struct {
    ImageWriter *writer;
    guint8 *buffer;
    GHashTable *uuids; /* of the members so far */
} Pack;

static gboolean fail(const Source *source, DomgrpErrorCode code, const char *why, GError **error)
{
    g_set_error(error, DOMGRP_ERROR, code, "%s: %s", source->name, why);
    return FALSE;
}

/* -- reading -- */

/* As many bytes as there are, up to @length; -1 on error. */
static gssize source_read(const Source *source, void *bytes, gsize length, GError **error)
{
    gsize done = 0;
    while (done < length) {
        ssize_t got = read(source->fd, (char *)bytes + done, length - done);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0) {
            fail(source, DOMGRP_ERROR_FILE, g_strerror(errno), error);
            return -1;
        }
        if (got == 0)
            break;
        done += got;
    }
    return done;
}

/* Reads @length bytes more of the beginning. */
static gboolean begin_read(Source *source, gsize length, GError **error)
{
    gsize had = source->begin->len;
    g_byte_array_set_size(source->begin, had + length);
    gssize got = source_read(source, source->begin->data + had, length, error);
    if (got < 0)
        return FALSE;
    return (gsize)got == length ||
           fail(source, DOMGRP_ERROR_IMAGE, "the file is cut off in its header", error);
}

/* xl's header, and the configuration in it. */
static gboolean config_read(Source *source, char **ret_json, GError **error)
{
    guint32 length;
    if (!begin_read(source, XL_HEADER, error))
        return FALSE;
    if (!xl_header(source->begin->data, &length))
        return fail(source, DOMGRP_ERROR_IMAGE, "this is no file that \"xl save\" has written",
                    error);
    if (length > IMAGE_MAX_TEXT)
        return fail(source, DOMGRP_ERROR_IMAGE, "the configuration in it is too large", error);
    if (!begin_read(source, length, error))
        return FALSE;
    *ret_json = xl_json(source->begin->data, source->begin->data + XL_HEADER, length);
    return *ret_json != NULL ||
           fail(source, DOMGRP_ERROR_IMAGE, "its configuration is not in JSON", error);
}

/* -- whose it is -- */

static const char *text_in(JsonObject *object, const char *key)
{
    JsonNode *node = json_object_get_member(object, key);
    if (node == NULL || !JSON_NODE_HOLDS_VALUE(node) ||
        json_node_get_value_type(node) != G_TYPE_STRING)
        return NULL;
    return json_node_get_string(node);
}

/* Name and UUID of the domain that @json, libxl's, configures. */
static gboolean domain_read(const Source *source, const char *json, char **ret_name,
                            char ret_uuid[DOMGRP_UUID_TEXT], GError **error)
{
    g_autoptr(JsonNode) root = json_from_string(json, NULL);
    JsonObject *all =
        root != NULL && JSON_NODE_HOLDS_OBJECT(root) ? json_node_get_object(root) : NULL;
    JsonNode *create = all == NULL ? NULL : json_object_get_member(all, "c_info");
    JsonObject *domain =
        create != NULL && JSON_NODE_HOLDS_OBJECT(create) ? json_node_get_object(create) : NULL;
    const char *name = domain == NULL ? NULL : text_in(domain, "name");
    const char *uuid = domain == NULL ? NULL : text_in(domain, "uuid");
    if (name == NULL || uuid == NULL)
        return fail(source, DOMGRP_ERROR_IMAGE,
                    "its configuration does not say the domain's name and UUID", error);
    if (!domgrp_name_check("domain", name, error) || !domgrp_uuid_parse(uuid, ret_uuid, error)) {
        g_prefix_error(error, "%s: ", source->name);
        return FALSE;
    }
    *ret_name = g_strdup(name);
    return TRUE;
}

/* -- packing -- */

static gboolean member_add(Pack *pack, Source *source, guint *ret_member, GError **error)
{
    g_autofree char *json = NULL;
    g_autofree char *name = NULL;
    char uuid[DOMGRP_UUID_TEXT];
    if (!config_read(source, &json, error) || !domain_read(source, json, &name, uuid, error))
        return FALSE;
    if (!g_hash_table_add(pack->uuids, g_strdup(uuid))) {
        g_set_error(error, DOMGRP_ERROR, DOMGRP_ERROR_MEMBER_DUPLICATE,
                    "%s: the domain %s, %s, was packed already: a group has a domain once",
                    source->name, name, uuid);
        return FALSE;
    }
    return image_writer_member(pack->writer, uuid, name, NULL, ret_member, error) &&
           image_writer_write(pack->writer, *ret_member, source->begin->data, source->begin->len,
                              error);
}

static gboolean source_pack(Pack *pack, Source *source, GError **error)
{
    guint member;
    gssize got;
    if (!member_add(pack, source, &member, error))
        return FALSE;
    while ((got = source_read(source, pack->buffer, BUFFER_SIZE, error)) > 0)
        if (!image_writer_write(pack->writer, member, pack->buffer, got, error))
            return FALSE;
    if (got < 0)
        return FALSE;
    if (image_writer_end(pack->writer, member, error))
        return TRUE;
    g_prefix_error(error, "%s: ", source->name);
    return FALSE;
}

static gboolean path_pack(Pack *pack, const char *path, GError **error)
{
    Source source = {.name = source_name(path)};
    source.fd = source_open(path, error);
    if (source.fd < 0)
        return FALSE;
    source.begin = g_byte_array_new();
    gboolean good = source_pack(pack, &source, error);
    g_byte_array_unref(source.begin);
    close(source.fd);
    return good;
}

static gboolean pack_all(const Cli *cli, Pack *pack, GError **error)
{
    for (int i = 1; i < cli->n_arguments; i++)
        if (!path_pack(pack, cli->arguments[i], error))
            return FALSE;
    return image_writer_finish(pack->writer, error);
}

/* -- the command -- */

static guint64 pack_progress(gpointer data)
{
    guint64 in, out;
    image_writer_progress(data, &in, &out);
    return in;
}

/* Of all files together; 0 if one is no file. */
static guint64 sizes_of(const Cli *cli)
{
    guint64 total = 0;
    for (int i = 1; i < cli->n_arguments; i++) {
        struct stat info;
        if (stat(cli->arguments[i], &info) != 0 || !S_ISREG(info.st_mode))
            return 0;
        total += info.st_size;
    }
    return total;
}

/* What the group is called if that is not said: as the file, without what follows a dot. */
static char *group_name(const Cli *cli, GError **error)
{
    char *name = g_strdup(cli->name);
    if (name == NULL && strcmp(cli->arguments[0], "-") == 0)
        name = g_strdup("packed");
    if (name == NULL) {
        name = g_path_get_basename(cli->arguments[0]);
        name[strcspn(name, ".")] = '\0';
    }
    if (domgrp_name_check("group", name, error))
        return name;
    if (cli->name == NULL)
        g_prefix_error(error, "say by --name what the group is to be called: ");
    g_free(name);
    return NULL;
}

static void packed_print(const Cli *cli, const ImageWriter *writer)
{
    guint64 in, out;
    image_writer_progress(writer, &in, &out);
    g_autofree char *streams = text_size(in);
    g_autofree char *size = text_size(out);
    int n = cli->n_arguments - 1;
    printf("packed %d file%s into %s: %s for %s (%.1f %%)\n", n, text_plural(n), cli->arguments[0],
           size, streams, text_percent(out, in));
}

static gboolean pack_into(const Cli *cli, Target *target, const ImageSpec *spec, GError **error)
{
    g_autofree guint8 *buffer = g_malloc(BUFFER_SIZE);
    g_autoptr(GHashTable) uuids = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    g_autoptr(ImageWriter) writer = image_writer_new(target->fd, spec, error);
    if (writer == NULL)
        return FALSE;
    Pack pack = {.writer = writer, .buffer = buffer, .uuids = uuids};
    Meter *meter = meter_begin(cli, "packed", sizes_of(cli), pack_progress, writer);
    gboolean good = pack_all(cli, &pack, error);
    meter_end(meter);
    if (!good || !target_finish(target, error))
        return FALSE;
    if (!cli->quiet && !target->is_stdout)
        packed_print(cli, writer);
    return TRUE;
}

gboolean cmd_image_pack(Cli *cli, GError **error)
{
    g_auto(Target) target = {.fd = -1};
    g_autofree char *name = group_name(cli, error);
    ImageSpec spec = {.group_name = name, .effort = cli->how.fast ? IMAGE_FAST : IMAGE_SMALL};
    return name != NULL && target_open(&target, cli->arguments[0], cli->force, error) &&
           pack_into(cli, &target, &spec, error);
}
