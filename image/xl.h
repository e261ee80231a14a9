/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What xl puts in front of libxl's stream in the files of `xl save`: a header
 * and the domain's configuration (Xen: tools/xl/xl.h, struct save_file_header).
 */
#ifndef IMAGE_XL_H
#define IMAGE_XL_H

#include "bytes.h"

#define XL_HEADER 48

extern const guint8 xl_magic[32];

/* Whether @bytes are such a header, and how many bytes of data follow it. */
gboolean xl_header(const guint8 bytes[XL_HEADER], guint32 *ret_data);
/* The configuration in those @length bytes of data if it is JSON, else NULL. */
char *xl_json(const guint8 header[XL_HEADER], const guint8 *data, gsize length);
/* The header and data that `xl restore` takes, for a configuration in JSON. */
GByteArray *xl_make(const char *json);

#endif
