/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The errors of domgrp: one table that the daemon's API, the client library,
 * the command line's exit status and the manuals share.
 *
 * An error is a GError of DOMGRP_ERROR whose message is one sentence for a
 * person: the subject, what was wrong and, where there is one, the way out.
 * Codes are stable: they are only ever added, and a name never changes.
 *
 * Thread safe; no state.
 */
#ifndef DOMGRP_ERROR_H
#define DOMGRP_ERROR_H

#include <glib.h>

G_BEGIN_DECLS

#define DOMGRP_ERROR (domgrp_error_quark())
GQuark domgrp_error_quark(void);

/*
 * Exit statuses of domgrp(1). An error's status says what became of the
 * group: it was refused before anything changed, undone, or left in parts.
 */
typedef enum {
    DOMGRP_EXIT_DONE = 0,
    DOMGRP_EXIT_REFUSED = 1, /* nothing was changed */
    DOMGRP_EXIT_USAGE = 2,   /* the command line is wrong */
    DOMGRP_EXIT_UNDONE = 3,  /* it failed, and what it had done was undone */
    DOMGRP_EXIT_PARTLY = 4,  /* it failed, and some members are done */
    DOMGRP_EXIT_DAEMON = 5,  /* the daemon cannot be reached or broke off */
} DomgrpExit;

/* X(enumerator, stable name, exit status, what it means) */
#define DOMGRP_ERRORS(X)                                                                           \
    X(INTERNAL, "INTERNAL_ERROR", DAEMON, "a bug in domgrp")                                       \
    X(USAGE, "USAGE", USAGE, "the command line is wrong")                                          \
    X(FILE, "FILE_UNREADABLE", REFUSED, "a file is missing or cannot be read")                     \
    X(SYNTAX, "SYNTAX_ERROR", REFUSED, "a group file does not parse")                              \
    X(KEY_UNKNOWN, "KEY_UNKNOWN", REFUSED, "a group file has a key that is not known")             \
    X(VALUE, "VALUE_INVALID", REFUSED, "a value is missing, of the wrong kind or out of range")    \
    X(NAME, "NAME_INVALID", REFUSED, "a name has characters or a length that are not allowed")     \
    X(MEMBER_CONFIG, "MEMBER_CONFIG_INVALID", REFUSED, "xl refuses a member's configuration")      \
    X(ORDER, "ORDER_INVALID", REFUSED, "an order has a cycle or names what is no member")          \
    X(MEMBER_DUPLICATE, "MEMBER_DUPLICATE", REFUSED, "a member is listed twice")                   \
    X(NAME_TAKEN, "NAME_TAKEN", REFUSED, "a name is in use")                                       \
    X(UUID_TAKEN, "UUID_TAKEN", REFUSED, "a UUID is in use")                                       \
    X(MEMBER_RUNNING, "MEMBER_RUNNING", REFUSED, "a member already runs outside the group")        \
    X(MEMBER_ELSEWHERE, "MEMBER_ELSEWHERE", REFUSED, "a domain belongs to another group")          \
    X(GROUP_UNKNOWN, "GROUP_UNKNOWN", REFUSED, "there is no such group")                           \
    X(DOMAIN_UNKNOWN, "DOMAIN_UNKNOWN", REFUSED, "there is no such domain")                        \
    X(TASK_UNKNOWN, "TASK_UNKNOWN", REFUSED, "there is no such task")                              \
    X(GROUP_DEFAULT, "GROUP_DEFAULT", REFUSED, "a default group does not do this")                 \
    X(GROUP_BUSY, "GROUP_BUSY", REFUSED, "another operation runs on the group")                    \
    X(GROUP_STATE, "GROUP_STATE", REFUSED, "the group's state does not allow it")                  \
    X(GROUP_LIMIT, "GROUP_LIMIT", REFUSED, "a limit on groups, members or requests is reached")    \
    X(MEMORY, "MEMORY_SHORT", REFUSED, "the host has not enough free memory")                      \
    X(NOT_SUPPORTED, "NOT_SUPPORTED", REFUSED, "this host or hypervisor cannot do it")             \
    X(PERMISSION, "PERMISSION_DENIED", REFUSED, "the caller has not the right")                    \
    X(SESSION, "SESSION_INVALID", REFUSED, "the session is unknown or has ended")                  \
    X(REQUEST, "REQUEST_INVALID", REFUSED, "a request has the wrong form")                         \
    X(UNDONE, "FAILED_AND_UNDONE", UNDONE, "an operation failed and was undone")                   \
    X(PARTLY, "PARTLY_DONE", PARTLY, "an operation failed on some members")                        \
    X(TIMEOUT, "TIMED_OUT", PARTLY, "something took longer than allowed")                          \
    X(CANCELLED, "CANCELLED", PARTLY, "an operation was cancelled")                                \
    X(INTERRUPTED, "INTERRUPTED", PARTLY, "the daemon ended in the middle of an operation")        \
    X(LOST, "LOST_WITH_HOST", PARTLY, "the host went down in the middle of an operation")          \
    X(HOST, "HOST_FAILED", PARTLY, "libxl, xenstore or the hypervisor failed")                     \
    X(STORE, "STORE_FAILED", REFUSED, "the database cannot be read or written")                    \
    X(LOCKED, "DAEMON_RUNNING", REFUSED, "another daemon owns this host's groups")                 \
    X(IMAGE, "IMAGE_INVALID", REFUSED, "a file is not a group image, or is damaged")               \
    X(IMAGE_VERSION, "IMAGE_VERSION", REFUSED, "an image was made by a newer domgrp")              \
    X(IMAGE_USED, "IMAGE_USED", REFUSED, "an image's members have run since it was made")          \
    X(SNAPSHOT, "SNAPSHOT_FAILED", PARTLY, "a group's snapshot command failed")                    \
    X(PEER, "PEER_INVALID", REFUSED, "the other host breaks the migration protocol")               \
    X(PEER_VERSION, "PEER_VERSION", REFUSED, "the other host's domgrp is too old or too new")      \
    X(REMOTE, "REMOTE_REFUSED", REFUSED, "the other host refuses, or has given up")                \
    X(LINK, "LINK_LOST", REFUSED, "there is no connection to the other host, or it ended")         \
    X(DAEMON, "DAEMON_UNREACHABLE", DAEMON, "domgrpd does not run or broke off")

typedef enum {
#define X(enumerator, name, status, meaning) DOMGRP_ERROR_##enumerator,
    DOMGRP_ERRORS(X)
#undef X
        DOMGRP_ERROR_COUNT
} DomgrpErrorCode;

/* The stable name of @code, such as "NAME_TAKEN"; a static string. */
const char *domgrp_error_name(DomgrpErrorCode code);

/* What @code means, half a sentence for documentation; a static string. */
const char *domgrp_error_meaning(DomgrpErrorCode code);

/* The exit status of a command that ends with @code. */
DomgrpExit domgrp_error_exit(DomgrpErrorCode code);

/* The code of the stable @name; INTERNAL if it is not one of ours. */
DomgrpErrorCode domgrp_error_from_name(const char *name);

/* The code that @error carries; INTERNAL if it is of another domain. */
DomgrpErrorCode domgrp_error_code(const GError *error);

G_END_DECLS

#endif
