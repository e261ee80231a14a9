/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define array_index_nospec(index, size) ((void)(size), (index))
