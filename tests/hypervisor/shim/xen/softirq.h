/* SPDX-License-Identifier: LGPL-2.1-or-later */
void process_pending_softirqs(void);
