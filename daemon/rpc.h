/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * JSON-RPC 2.0 as bytes: requests in, answers out, and the check of
 * parameters against a table. Knows no method and no engine.
 *
 * Bounded: a request nests at most RPC_DEPTH_MAX deep (the parser recurses)
 * and is plain JSON in UTF-8, without what json-glib would let pass besides.
 * One request each: a batch is refused, and so is one without an id, for
 * nobody would hear of its failure.
 *
 * Thread safe; no state.
 */
#ifndef DAEMON_RPC_H
#define DAEMON_RPC_H

#include <json-glib/json-glib.h>

#include "domgrp-error.h"

G_BEGIN_DECLS

#define RPC_DEPTH_MAX 16

/* The "code" of an answer. A client looks at the name in "message" instead. */
typedef enum {
    RPC_CODE_FAILURE = 1, /* as the Xen API has it: the method failed */
    RPC_CODE_PARSE = -32700,
    RPC_CODE_REQUEST = -32600,
    RPC_CODE_METHOD = -32601,
    RPC_CODE_PARAMS = -32602,
} RpcCode;

typedef struct {
    JsonNode *root; /* owns the rest */
    JsonNode *id;   /* a string or a whole number; NULL if none could be read */
    const char *method;
    JsonArray *params; /* NULL if there are none */
} RpcRequest;

void rpc_request_clear(RpcRequest *request);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(RpcRequest, rpc_request_clear)

/*
 * Reads a request. @ret_request is to be cleared after a failure too, and
 * has the id then if there was one. DOMGRP_ERROR_REQUEST; its code in @ret_code.
 */
gboolean rpc_request_parse(const char *text, gsize length, RpcRequest *ret_request,
                           RpcCode *ret_code, GError **error);

/* -- what a parameter may be -- */

typedef enum {
    RPC_STRING,
    RPC_STRINGS, /* a list of strings */
    RPC_NUMBER,  /* from 0 to the field's max */
    RPC_INTEGER, /* likewise, whole */
    RPC_BOOLEAN,
    RPC_OBJECT,  /* with the field's fields and no others */
    RPC_OBJECTS, /* a list of such objects */
} RpcType;

typedef struct RpcField RpcField;
struct RpcField {
    const char *name; /* NULL ends a table */
    RpcType type;
    gboolean optional;
    double max;             /* of numbers; the most elements of lists, 0: any */
    const RpcField *fields; /* of objects */
    const char *help;
};

/* What people call @type, for messages and the reference: "a list of strings". */
const char *rpc_type_name(RpcType type);

/* Checks @params from @first on against @fields. DOMGRP_ERROR_REQUEST. */
gboolean rpc_params_check(const char *method, JsonArray *params, guint first,
                          const RpcField *fields, GError **error);

/* -- answers; free with g_bytes_unref() -- */

/* Takes @result; @id may be NULL. */
GBytes *rpc_answer(JsonNode *id, JsonNode *result);
GBytes *rpc_answer_error(JsonNode *id, RpcCode code, const GError *error);

G_END_DECLS

#endif
