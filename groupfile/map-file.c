/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Map files: strings of the keys that domgrp-map.h knows. */
#include "map-file.h"

#include "cfg-text.h"

static const char *key_name(guint key)
{
    gboolean is_list;
    return domgrp_map_key(key, &is_list);
}

static const CfgKind kind = {"map file", key_name};

static gboolean string_add(gpointer data, const char *key, const char *value, GError **error)
{
    return domgrp_map_add(data, key, value, error);
}

DomgrpMap *map_file_parse(const char *text, gsize length, const char *filename, GError **error)
{
    gboolean is_list;
    g_autoptr(CfgText) cfg = cfg_text_new(&kind, text, length, filename, error);
    if (cfg == NULL)
        return NULL;
    g_autoptr(DomgrpMap) map = domgrp_map_new();
    for (guint key = 0; domgrp_map_key(key, &is_list) != NULL; key++)
        if (!cfg_text_add(cfg, key, is_list, string_add, map, error))
            return NULL;
    return g_steal_pointer(&map);
}
