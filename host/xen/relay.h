/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A thread that moves bytes between a pipe of this process and one whose other
 * end belongs to another host: whoever reads or writes an image blocks on the
 * pipe of this process, which comes to its end as soon as the image is
 * cancelled, whether or not the other host goes on.
 */
#ifndef HOST_XEN_RELAY_H
#define HOST_XEN_RELAY_H

#include <gio/gio.h>

G_BEGIN_DECLS

typedef struct Relay Relay;

/*
 * Moves what comes out of @from into @to, of which one at least is a pipe, to the end of @from. It
 * owns both, and closes them when it ends: at the end of @from, when nobody reads from @to any
 * more, and when @cancellable is cancelled.
 */
Relay *relay_new(int from, int to, GCancellable *cancellable);
/* Waits for its end; 0, or an errno value: why it did not move everything (ECANCELED). */
int relay_join(Relay *relay);
/* That value, as far as it is known; from any thread. */
int relay_failed(const Relay *relay);
/* Bytes moved so far; from any thread. */
guint64 relay_bytes(const Relay *relay);
/* Waits for its end. */
void relay_free(Relay *relay);

G_END_DECLS

#endif
