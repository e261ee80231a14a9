/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One frame of each type, and whole conversations made of them. */
#ifndef TESTS_WIRE_TALK_H
#define TESTS_WIRE_TALK_H

#include "frame.h"

#include <string.h>

#define TALK_TRANSACTION "3f1c9c5e-8f5b-4d5c-9d55-0d3f0a6f1c2e"
#define TALK_GROUP "4f1c9c5e-8f5b-4d5c-9d55-0d3f0a6f1c2e"

static const MigrationMember talk_members[] = {
    {"5f1c9c5e-8f5b-4d5c-9d55-0d3f0a6f1c2e", "db", 131072},
    {"6f1c9c5e-8f5b-4d5c-9d55-0d3f0a6f1c2e", "web", WIRE_MEMORY_MAX},
};

static inline WireFrame talk_greeting(guint min, guint max)
{
    return (WireFrame){.kind = WIRE_GREETING, .greeting = {.min = min, .max = max}};
}

static inline WireFrame talk_data(const char *text)
{
    return (WireFrame){.kind = WIRE_DATA,
                       .data = {.bytes = (const guint8 *)text, .length = strlen(text)}};
}

/* With all that belongs to @message. */
static inline WireFrame talk_message(MigrationMessage message)
{
    WireFrame frame = {.kind = WIRE_MESSAGE,
                       .said = {.message = message, .transaction = TALK_TRANSACTION}};
    if (message == MIGRATION_MESSAGE_OFFER)
        frame.said.offer = (MigrationOffer){.live = TRUE,
                                            .needs_groups = TRUE,
                                            .image_version = 1,
                                            .group_uuid = TALK_GROUP,
                                            .group_name = "shop",
                                            .host = "domgrp 0.1.0, Xen 4.17.5",
                                            .definition = "[group]\nname=shop\n",
                                            .n_members = G_N_ELEMENTS(talk_members),
                                            .members = talk_members};
    if (message == MIGRATION_MESSAGE_ACCEPT)
        frame.said.accept = (MigrationAccept){.has_groups = TRUE,
                                              .image_version = 1,
                                              .memory_free_kib = 4194304,
                                              .host = "domgrp 0.1.0, Xen 4.20.0",
                                              .verdict = "4 GiB of memory are free"};
    if (message == MIGRATION_MESSAGE_GONE)
        frame.said.reason = "there is no room for \"web\"";
    return frame;
}

static inline void talk_append(GByteArray *bytes, WireFrame frame)
{
    g_autoptr(GError) error = NULL;
    gboolean encoded = wire_frame_encode(&frame, bytes, &error);
    g_assert_no_error(error);
    g_assert_true(encoded);
}

/* All that a peer of @side can hear, greeting and keep-alive too. */
static inline GByteArray *talk_to(MigrationSide side)
{
    GByteArray *bytes = g_byte_array_new();
    gboolean to_source = side == MIGRATION_SOURCE_SIDE;
    MigrationMessage first = to_source ? MIGRATION_MESSAGE_ACCEPT : MIGRATION_MESSAGE_OFFER;
    MigrationMessage last = to_source ? MIGRATION_MESSAGE_GONE : MIGRATION_MESSAGE_FORGET;
    talk_append(bytes, talk_greeting(WIRE_VERSION, WIRE_VERSION));
    for (MigrationMessage message = first; message <= last; message++) {
        talk_append(bytes, talk_message(message));
        if (message == MIGRATION_MESSAGE_OFFER)
            talk_append(bytes, talk_data("a part of an image"));
    }
    talk_append(bytes, (WireFrame){.kind = WIRE_ALIVE});
    return bytes;
}

#endif
