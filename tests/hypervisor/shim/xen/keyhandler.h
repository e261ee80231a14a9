/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdbool.h>
typedef void keyhandler_fn_t(unsigned char key);
void register_keyhandler(unsigned char key, keyhandler_fn_t *fn, const char *desc, bool diagnostic);
