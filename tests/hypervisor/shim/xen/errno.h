/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h> /* Xen's values are Linux's. */
