/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the writer shows to its tests. */
#ifndef IMAGE_WRITER_H
#define IMAGE_WRITER_H

#include "image.h"
#include "output.h"

/* image_writer_new() that writes @to, which it copies. */
ImageWriter *image_writer_new_to(const OutputTo *to, const ImageSpec *spec, GError **error);

#endif
