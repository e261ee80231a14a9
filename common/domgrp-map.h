/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a copy of a group is to be called and to have: the map that a restore
 * is given, and the grammar of its strings (domgrp-map(5)):
 *
 *     name      "NAME"               of the copy's group
 *     uuid      "UUID"               of it; a new one if it is not said
 *     members   "MEMBER: NAME [UUID]"  the name of each member's copy; a new UUID
 *     macs      "MEMBER: MAC..."     addresses of its interfaces, in their order; new ones
 *     disks     "MEMBER: OLD=NEW"    what takes the place of a disk's target, as the original's
 *                                    configuration writes it; a string for each disk
 *
 * The colon that ends a MEMBER is the first that has a blank or the end
 * after it. Whether the members, interfaces and disks exist, and whether all
 * are spoken of that must be, is for those to say who know them.
 *
 * Not thread safe per object; no global state.
 */
#ifndef DOMGRP_MAP_H
#define DOMGRP_MAP_H

#include <glib.h>

#include "domgrp-name.h"

G_BEGIN_DECLS

#define DOMGRP_MAP_ITEMS_MAX 64u    /* interfaces, and disks, of a member */
#define DOMGRP_MAP_STRING_MAX 8192u /* bytes of a string */

typedef struct {
    char *member;                /* the original's name */
    char *name;                  /* the copy's; NULL: not said */
    char uuid[DOMGRP_UUID_TEXT]; /* "": a new one */
    GPtrArray *macs;             /* of char *, lower case */
    GPtrArray *disks;            /* of char *, "OLD=NEW" */
} DomgrpMapMember;

/* Changed by the functions below alone. */
typedef struct {
    char *name; /* NULL: not said */
    char uuid[DOMGRP_UUID_TEXT];
    GPtrArray *members; /* of DomgrpMapMember, in the order in which each is first spoken of */
} DomgrpMap;

DomgrpMap *domgrp_map_new(void);
void domgrp_map_free(DomgrpMap *map);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(DomgrpMap, domgrp_map_free)
DomgrpMap *domgrp_map_copy(const DomgrpMap *map);

/* A key by number from 0, and whether its value is a list of strings; NULL after the last. */
const char *domgrp_map_key(guint i, gboolean *ret_is_list);

/*
 * Adds one string of @key. DOMGRP_ERROR_VALUE (NAME for a name, KEY_UNKNOWN
 * for a key, GROUP_LIMIT beyond 1024 members) and nothing is changed if it
 * does not parse, or says what was said already.
 */
gboolean domgrp_map_add(DomgrpMap *map, const char *key, const char *value, GError **error);

/* What is said of @member, or NULL; borrowed. */
const DomgrpMapMember *domgrp_map_lookup(const DomgrpMap *map, const char *member);

G_END_DECLS

#endif
