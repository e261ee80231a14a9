/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Fuzz target: any bytes as a request. Whatever is taken has the form that the
 * handlers rely on; whatever is refused is said in one line, and every answer
 * is JSON.
 */
#include <string.h>

#include "methods.h"

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

static void check_answer(GBytes *answer)
{
    gsize length;
    const char *text = g_bytes_get_data(answer, &length);
    g_autoptr(JsonParser) parser = json_parser_new();
    g_assert_true(g_utf8_validate_len(text, length, NULL));
    g_assert_true(json_parser_load_from_data(parser, text, length, NULL));
    g_bytes_unref(answer);
}

static void check_refused(const RpcRequest *request, RpcCode code, const GError *error)
{
    g_assert_true(g_error_matches(error, DOMGRP_ERROR, DOMGRP_ERROR_REQUEST));
    g_assert_true(g_utf8_validate(error->message, -1, NULL));
    check_answer(rpc_answer_error(request->id, code, error));
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
    g_auto(RpcRequest) request = {0};
    g_autoptr(GError) error = NULL;
    RpcCode code;
    if (!rpc_request_parse((const char *)data, size, &request, &code, &error)) {
        check_refused(&request, code, error);
        return 0;
    }
    check_answer(rpc_answer(request.id, json_node_init_boolean(json_node_alloc(), TRUE)));
    const Method *method = method_lookup(request.method);
    if (method == NULL)
        return 0;
    guint first = method->right == RIGHT_NONE ? 0 : 1;
    if (!rpc_params_check(method->name, request.params, first, method->params, &error))
        check_refused(&request, RPC_CODE_PARAMS, error);
    return 0;
}
