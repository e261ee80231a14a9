/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A group file: the text in xl.cfg(5) syntax that defines a group
 * (domgrp.cfg(5)). libxlutil parses it; this adds what a group file may
 * say, and refuses everything else with file and line.
 *
 *     name = "shop"
 *     uuid = "3f1c9c5e-8f5b-4d5c-9d55-0d3f0a6f1c2e"    # optional
 *     members = [ "db.cfg", "web.cfg", "mail.cfg" ]
 *     after = [ "web: db" ]    # and the other keys of domgrp-settings.h, all optional
 *
 * Thread safe; no state. Member files are xl's own business: they are read
 * as text and never looked into.
 */
#ifndef GROUPFILE_GROUP_FILE_H
#define GROUPFILE_GROUP_FILE_H

#include "cfg-text.h"
#include "domgrp-settings.h"

G_BEGIN_DECLS

#define GROUP_FILE_MEMBER_SIZE_MAX (1024u * 1024) /* bytes of a member's xl.cfg */
#define GROUP_FILE_MEMBERS_MAX 1024u

typedef struct {
    char *path; /* of the member's xl.cfg, as the group file writes it */
    char *text; /* what is in it; NULL from group_file_parse() */
} GroupFileMember;

typedef struct {
    char *name;
    char uuid[DOMGRP_UUID_TEXT]; /* "" if the file has none */
    char *text;                  /* the group file itself */
    char *directory; /* the caller's, from which xl takes relative paths; NULL from parse */
    guint n_members;
    GroupFileMember *members; /* in the order of the file; at least one */
    DomgrpSettings *settings; /* never NULL; whether its members exist is not known here */
} GroupFile;

void group_file_free(GroupFile *file);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(GroupFile, group_file_free)

/*
 * Reads the @length bytes of @text, which messages call @filename. Nothing
 * else is opened. Errors: FILE (too large), SYNTAX (also NUL bytes and what
 * is no UTF-8), KEY_UNKNOWN, VALUE, NAME, ORDER (a member after itself),
 * MEMBER_DUPLICATE, GROUP_LIMIT.
 */
gboolean group_file_parse(const char *text, gsize length, const char *filename,
                          GroupFile **ret_file, GError **error);

/*
 * Reads the group file at @path and its members' files, whose relative paths
 * start from the group file's directory. Errors: those of group_file_parse(),
 * and FILE for a file that is missing, unreadable, too large or no text.
 */
gboolean group_file_load(const char *path, GroupFile **ret_file, GError **error);

/*
 * Reads the text of at most @max bytes in the regular file at @path; never
 * blocks on a pipe and never reads without end. FILE.
 */
gboolean group_file_read(const char *path, gsize max, char **ret_text, GError **error);

G_END_DECLS

#endif
