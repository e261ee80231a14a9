/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What encoder and decoder both know of the bytes, and nobody else. */
#ifndef WIRE_LAYOUT_H
#define WIRE_LAYOUT_H

/* "DOMGRPw\n" */
#define LAYOUT_MAGIC                                                                               \
    {                                                                                              \
        0x44, 0x4f, 0x4d, 0x47, 0x52, 0x50, 0x77, 0x0a                                             \
    }
#define LAYOUT_MAGIC_SIZE 8

#define LAYOUT_OFFER_LIVE 1u
#define LAYOUT_OFFER_DRY_RUN 2u
#define LAYOUT_OFFER_NEEDS_GROUPS 4u
#define LAYOUT_OFFER_FLAGS 7u

#define LAYOUT_ACCEPT_HAS_GROUPS 1u

#endif
