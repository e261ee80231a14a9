/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * How libxl and the helper that it starts to save a domain talk, in Xen 4.17
 * to 4.20, as tools/libs/light/libxl_save_msgs_gen.pl there generates it. (The
 * same text in each of these; the build asks for one of them.)
 *
 * Started as: HELPER --save-domain STREAM_FD BACK_FD DOMID FLAGS CALLBACKS TYPE
 * where FLAGS are XCFLAGS_*, TYPE an xc_stream_type_t, and CALLBACKS has bit
 * 1 << NUMBER for each callback that libxl wants to be asked.
 *
 * On its standard output: a uint16_t that says how many bytes follow, then a
 * uint16_t NUMBER and the arguments, packed, in the machine's order of bytes.
 * Where there is an answer, libxl sends an int to the standard input. After
 * "complete" was answered, the helper exits with 0.
 */
#ifndef HOST_XEN_SAVE_HELPER_LIBXL_PROTOCOL_H
#define HOST_XEN_SAVE_HELPER_LIBXL_PROTOCOL_H

#define LIBXL_SAVE_MODE "--save-domain"

/* Where an argument is in argv. */
enum { ARG_MODE = 1, ARG_STREAM_FD, ARG_BACK_FD, ARG_DOMID, ARG_FLAGS, ARG_CALLBACKS, ARG_TYPE };

/*
 * X(NUMBER, name, arguments, answered). Arguments: u uint32_t, i int, l unsigned long, s string: a
 * uint32_t that counts its bytes, which end with the '\0' that is counted, too.
 * 4 to 6 are for streams that never end (Remus, COLO), 8 and 9 for restore: the stock helper's.
 */
#define LIBXL_MESSAGES(X)                                                                          \
    X(1, LOG, "uuss", 0)                /* xentoollog_level, errno or 0, context, text */          \
    X(2, PROGRESS, "ssll", 0)           /* context, what, done, total */                           \
    X(3, SUSPEND, "", 1)                /* answer: 0 is failure */                                 \
    X(7, SWITCH_QEMU_LOGDIRTY, "uu", 1) /* domid, whether to; answer: 0 is success */              \
    X(10, COMPLETE, "ii", 1)            /* xc_domain_save()'s result, errno or 0 */

#define X(number, name, arguments, answered) LIBXL_##name = number,
typedef enum { LIBXL_MESSAGES(X) } LibxlMessage;
#undef X

#endif
