/* SPDX-License-Identifier: LGPL-2.1-or-later */
unsigned int get_random(void);
