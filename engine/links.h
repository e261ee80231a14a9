/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The seam between the engine and other daemons: connections that carry the
 * messages of migrations and the image of the group (docs/migration.md).
 * daemon/links.c makes them of wire/; host/sim has some in virtual time.
 *
 * Threads: as host.h. Connections are numbered in the order in which they
 * were made, from 1. No function calls an event before it returns.
 */
#ifndef DOMGRP_ENGINE_LINKS_H
#define DOMGRP_ENGINE_LINKS_H

#include "domgrp-error.h"
#include "domgrp-name.h"
#include "migration.h"

G_BEGIN_DECLS

/* What the memory of one member takes. */
typedef struct {
    char uuid[DOMGRP_UUID_TEXT];
    char name[DOMGRP_NAME_MAX + 1];
    guint64 memory_kib;
} MigrationMember;

/*
 * In texts for people (host, verdict, reason) whatever is not printable has been replaced, on
 * both sides, and they have been cut.
 */
typedef struct {
    gboolean live;
    gboolean dry_run;      /* say what you would say, and write nothing */
    gboolean needs_groups; /* of the hypervisor */
    guint32 image_version; /* of the stream that is to come */
    char group_uuid[DOMGRP_UUID_TEXT];
    char group_name[DOMGRP_NAME_MAX + 1];
    const char *host;       /* "h1 (domgrp 0.1.0, Xen 4.17.5)": for people */
    const char *definition; /* the group in the engine's words; UTF-8 */
    guint n_members;
    const MigrationMember *members;
} MigrationOffer;

typedef struct {
    gboolean has_groups;   /* the hypervisor knows groups */
    guint32 image_version; /* the newest that it reads */
    guint64 memory_free_kib;
    const char *host;
    const char *verdict; /* a sentence; may be "" */
} MigrationAccept;

typedef struct {
    MigrationMessage message; /* neither SILENCE nor HANG_UP */
    char transaction[DOMGRP_UUID_TEXT];
    MigrationOffer offer;   /* if it is OFFER */
    MigrationAccept accept; /* if it is ACCEPT */
    const char *reason;     /* if it is GONE: why; may be "" */
} MigrationSaid;

typedef struct Links Links;

typedef struct {
    /* @connection is there: connect() has made it, or (at the destination) somebody else has. */
    void (*connected)(gpointer data, guint connection, gboolean ours);
    /* @said lives as long as the call. Before END the pipe of take_data() was closed. */
    void (*said)(gpointer data, guint connection, const MigrationSaid *said);
    /* Once for each connection, made or not; nothing comes of it afterwards. */
    void (*ended)(gpointer data, guint connection, const GError *error);
} LinksEvents;

typedef struct {
    /* Who hears of connections; before the main loop first runs. */
    void (*watch)(Links *links, const LinksEvents *events, gpointer data);
    /*
     * Makes a connection to the daemon of @peer, by ssh, or by @command in its place if that is not
     * NULL. Returns its number; ends in connected() or ended().
     */
    guint (*connect)(Links *links, const char *peer, const char *command);
    /* Says it, as soon as earlier messages have gone; END behind all data. It may get lost. */
    void (*say)(Links *links, guint connection, const MigrationSaid *said);
    /* Sends what is read from the pipe @fd, which it owns, until its end. Once a connection. */
    void (*send_data)(Links *links, guint connection, int fd);
    /* Lets no more than @rate bytes of data go per second from now on; 0, as at first: any. */
    void (*limit_data)(Links *links, guint connection, guint64 rate);
    /* Gives data that come to the pipe @fd, which it owns, and closes it before END. Likewise. */
    void (*take_data)(Links *links, guint connection, int fd);
    /* Says what was said before, and ends it: ended() comes, without an error. */
    void (*hang_up)(Links *links, guint connection);
    /* Bytes that have gone over it. */
    void (*bytes)(Links *links, guint connection, guint64 *ret_sent, guint64 *ret_received);
    void (*free)(Links *links);
} LinksOps;

/* Begins with its functions; implementations embed it first. */
struct Links {
    const LinksOps *ops;
};

G_END_DECLS

#endif
