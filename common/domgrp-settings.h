/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a group file says beyond its name and members: the order, when a
 * member is ready, time-outs and policies; and the grammar of all that.
 *
 * A setting is a key of the group file and one string of its value (domgrp.cfg(5)):
 *
 *     after              "MEMBER: MEMBER..."
 *     ready              "MEMBER: PROBE [timeout=SECONDS]", a PROBE being
 *                            "delay SECONDS", "tcp ADDRESS:PORT" (an IPv6 address in brackets),
 *                            "xenstore PATH[=VALUE]", "exec PROGRAM [ARGUMENT...]"
 *     shutdown           "MEMBER: [timeout=SECONDS] [then=leave|destroy]"
 *     on_failure         "OPERATION: POLICY"
 *     on_member_failure  "ignore", "restart", "stop-group"
 *     failure_limit      "TIMES/SECONDS"
 *     on_boot            "ignore", "start"
 *     parallel           "NUMBER"
 *     snapshot           "COMMAND"
 *
 * All but a COMMAND, which is for a shell, is words: a string is words with blanks (spaces, tabs)
 * between them; there are no quotes and no shell. As names may have colons in them, the colon that
 * ends a MEMBER or an OPERATION is the last character of the first word, or, if that does not end
 * in one, the first colon in it: "web: db" and "web:db" are about web, "a:b: db" is about a:b, "a:b
 * db" is about a. "timeout=" is a word of its own only at the end, so a program's last argument can
 * be that too if another one follows. A delay has none: it cannot fail.
 *
 * Several strings of "after" may be about one member; of "ready" and "shutdown", and of
 * "on_failure" about one operation, only one.
 *
 * Members are called by the names of their domains. Whether they exist, and
 * that the order has no cycle, is for the engine to say: only it knows them.
 *
 * Not thread safe per object; no global state.
 */
#ifndef DOMGRP_SETTINGS_H
#define DOMGRP_SETTINGS_H

#include <glib.h>

#include "domgrp-name.h"

G_BEGIN_DECLS

#define DOMGRP_SECONDS_MAX 86400u   /* of any time-out or delay */
#define DOMGRP_READY_TIMEOUT_S 60u  /* of a probe that does not say */
#define DOMGRP_FAILURE_TIMES 3u     /* failure_limit that a group has without saying */
#define DOMGRP_FAILURE_SECONDS 600u /* likewise */
#define DOMGRP_FAILURE_TIMES_MAX 1000u
#define DOMGRP_PARALLEL_MAX 64u
#define DOMGRP_NEEDS_MAX 1024u    /* of one member */
#define DOMGRP_PROBE_MAX 4096u    /* bytes of a probe's text */
#define DOMGRP_SNAPSHOT_MAX 4096u /* bytes of a snapshot command */
#define DOMGRP_SETTING_MAX                                                                         \
    ((DOMGRP_NEEDS_MAX + 2) * (DOMGRP_NAME_MAX + 1u)) /* bytes of a string: the longest "after" */

/* What an operation does when a member fails. X(enumerator, name) */
#define DOMGRP_POLICIES(X)                                                                         \
    X(DEFAULT, "default")   /* what the group file says, else what the operation does by itself */ \
    X(ROLLBACK, "rollback") /* undo what this operation did, in the opposite order */              \
    X(CONTINUE, "continue") /* go on with the members that do not need the one that failed */      \
    X(STOP, "stop")         /* begin nothing more, leave what is done */

#define X(enumerator, name) DOMGRP_POLICY_##enumerator,
typedef enum { DOMGRP_POLICIES(X) DOMGRP_POLICY_COUNT } DomgrpPolicy;
#undef X

const char *domgrp_policy_name(DomgrpPolicy policy);
/* FALSE with DOMGRP_ERROR_VALUE if @name is none. */
gboolean domgrp_policy_parse(const char *name, DomgrpPolicy *ret_policy, GError **error);
/*
 * Whether @policy can be asked of @operation ("create", "start", "shutdown",
 * "reboot", "destroy"): DOMGRP_ERROR_VALUE for an operation that has no
 * policies, and for rollback of what cannot be undone (reboot, destroy).
 */
gboolean domgrp_policy_check(const char *operation, DomgrpPolicy policy, GError **error);

typedef enum {
    DOMGRP_PROBE_DELAY,
    DOMGRP_PROBE_TCP,
    DOMGRP_PROBE_XENSTORE,
    DOMGRP_PROBE_EXEC
} DomgrpProbeKind;

/* When a member is ready. */
typedef struct {
    DomgrpProbeKind kind;
    char *text;      /* its words, without "timeout=", a space between each: "tcp 10.0.0.5:5432" */
    guint timeout_s; /* 1 to DOMGRP_SECONDS_MAX (DELAY: that); from when the member began to run */
    guint delay_s;   /* DELAY: 0 to DOMGRP_SECONDS_MAX */
    char *address;   /* TCP: an IP address or a host name, without brackets */
    guint16 port;    /* TCP */
    char *path;      /* XENSTORE: absolute, or relative to the domain's own directory */
    char *value;     /* XENSTORE: what it must hold; NULL: it must only exist */
    char **argv;     /* EXEC: argv[0] is an absolute path */
} DomgrpProbe;

typedef enum {
    DOMGRP_MEMBER_FAILURE_IGNORE,
    DOMGRP_MEMBER_FAILURE_RESTART,
    DOMGRP_MEMBER_FAILURE_STOP_GROUP
} DomgrpMemberFailure;

/* What is said of one member, at least one thing. */
typedef struct {
    char *name;
    GPtrArray *needs;           /* of char *, those that must be ready before it; none twice */
    DomgrpProbe *ready;         /* NULL: it is ready when it runs */
    guint shutdown_timeout_s;   /* 0: not said */
    gboolean shutdown_destroys; /* when that is over: destroy it, else leave it */
    gboolean shutdown_said;     /* private */
} DomgrpMemberSettings;

/* Changed by the functions below alone. */
typedef struct {
    GPtrArray *members; /* of DomgrpMemberSettings, in the order in which each is first spoken of;
                           not those that others need and of which nothing else is said */
    GHashTable
        *on_failure; /* name of an operation to DomgrpPolicy (GUINT_TO_POINTER); owns its keys */
    DomgrpMemberFailure on_member_failure;
    guint failure_times;   /* so many failures of members ... */
    guint failure_seconds; /* ... in so long a time are borne; the next one makes the group "failed"
                            */
    gboolean starts_on_boot;
    guint parallel;    /* members worked on at once; 0: not said */
    char *snapshot;    /* run when all stand still for an image, before memory is written; NULL */
    GHashTable *index; /* private: a member's name to what is in members, which owns both */
    guint said;        /* private: a bit for each key that is no list and has been said */
} DomgrpSettings;

/* Those of a group that says nothing. */
DomgrpSettings *domgrp_settings_new(void);
void domgrp_settings_free(DomgrpSettings *settings);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(DomgrpSettings, domgrp_settings_free)

/* A copy of its own. */
DomgrpSettings *domgrp_settings_copy(const DomgrpSettings *settings);

/* Whether @key is one of those above; and whether its value is a list of strings or one. */
gboolean domgrp_settings_has_key(const char *key, gboolean *ret_is_list);
/* A key to name in messages and manuals, by number from 0; NULL after the last. */
const char *domgrp_settings_key(guint i);

/*
 * Adds one string of @key. DOMGRP_ERROR_VALUE (DOMGRP_ERROR_NAME for a
 * member's name, DOMGRP_ERROR_ORDER for a member after itself,
 * DOMGRP_ERROR_KEY_UNKNOWN for a key) and nothing is changed if it does not
 * parse, or says what was said already. The message quotes the string.
 */
gboolean domgrp_settings_add(DomgrpSettings *settings, const char *key, const char *value,
                             GError **error);

/* What is said of @member, or NULL; borrowed. */
const DomgrpMemberSettings *domgrp_settings_lookup(const DomgrpSettings *settings,
                                                   const char *member);
/* Forgets @member, where it is needed too. */
void domgrp_settings_remove(DomgrpSettings *settings, const char *member);

/* A copy in which each member is called what @rename says, which gives different names to
 * different ones. */
DomgrpSettings *domgrp_settings_rename(const DomgrpSettings *settings,
                                       const char *(*rename)(gpointer data, const char *name),
                                       gpointer data);

/*
 * All of it as lines "key value", which domgrp_settings_from_text() reads
 * again and a database can keep; "" if nothing is said. Free with g_free().
 */
char *domgrp_settings_to_text(const DomgrpSettings *settings);
/* NULL if a line does not parse; errors as domgrp_settings_add(), with the line's number. */
DomgrpSettings *domgrp_settings_from_text(const char *text, GError **error);

G_END_DECLS

#endif
