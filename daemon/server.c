/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The socket, its connections and their bounds; libsoup speaks HTTP.
 *
 * We accept connections ourselves, so as to count them and to read who calls,
 * and hand them to libsoup. It believes in Internet addresses; each connection
 * gets one of its own, by which its messages find it again.
 */
#include "server.h"

#include <errno.h>
#include <libsoup/soup.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "listen.h"
#include "service.h"

#define ACCEPT_RETRY_MS 1000
#define CONNECTION_KEY "domgrp-connection"

struct Server {
    Api *api;
    char *path;
    gid_t group;
    guint connections_max;
    guint timeout_ms;
    GSocket *socket;
    SoupServer *soup;
    GSource *accept; /* NULL while there are too many connections */
    GQueue connections;
    gsize received; /* bytes of requests in memory */
};

typedef struct {
    Server *server;
    Peer peer;
    GSocket *socket;
    GIOStream *stream;       /* not owned: its end is the connection's */
    GSocketAddress *address; /* carries the connection under CONNECTION_KEY */
    GSource *deadline;
    GSource *hangup;            /* while a call waits */
    SoupServerMessage *message; /* likewise */
    ApiCall *call;              /* likewise */
    gsize received;
    GList link;
} Connection;

static void accept_begin(Server *server);

static void source_clear(GSource **source)
{
    if (*source == NULL)
        return;
    g_source_destroy(*source);
    g_clear_pointer(source, g_source_unref);
}

static void source_attach(GSource *source, GSourceFunc function, gpointer data)
{
    g_source_set_callback(source, function, data, NULL);
    g_source_attach(source, g_main_context_get_thread_default());
}

/* -- connections -- */

static void received_clear(Connection *connection)
{
    connection->server->received -= connection->received;
    connection->received = 0;
}

static void wait_clear(Connection *connection)
{
    source_clear(&connection->hangup);
    g_clear_object(&connection->message);
    connection->call = NULL;
}

static void connection_free(Connection *connection)
{
    if (connection->call != NULL)
        api_call_cancel(connection->call);
    wait_clear(connection);
    source_clear(&connection->deadline);
    received_clear(connection);
    g_object_set_data(G_OBJECT(connection->address), CONNECTION_KEY, NULL);
    g_object_unref(connection->address);
    g_object_unref(connection->socket);
    g_queue_unlink(&connection->server->connections, &connection->link);
    g_free(connection);
}

static void on_stream_gone(gpointer data, GObject *stream)
{
    Connection *connection = data;
    Server *server = connection->server;
    connection_free(connection);
    accept_begin(server);
}

/* libsoup sees the end of the stream and does the rest. */
static gboolean on_deadline(gpointer data)
{
    Connection *connection = data;
    source_clear(&connection->deadline);
    g_socket_shutdown(connection->socket, TRUE, TRUE, NULL);
    return G_SOURCE_REMOVE;
}

static void deadline_begin(Connection *connection)
{
    source_clear(&connection->deadline);
    connection->deadline = g_timeout_source_new(connection->server->timeout_ms);
    source_attach(connection->deadline, on_deadline, connection);
}

static Connection *connection_of(SoupServerMessage *message)
{
    GSocketAddress *address = soup_server_message_get_remote_address(message);
    return g_object_get_data(G_OBJECT(address), CONNECTION_KEY);
}

/* -- answers -- */

static void answer_set(SoupServerMessage *message, guint status, GBytes *answer)
{
    SoupMessageHeaders *headers = soup_server_message_get_response_headers(message);
    soup_message_headers_replace(headers, "Connection", "close");
    soup_message_headers_set_content_type(headers, "application/json", NULL);
    soup_message_body_append_bytes(soup_server_message_get_response_body(message), answer);
    soup_server_message_set_status(message, status, NULL);
}

static void answer_error(SoupServerMessage *message, guint status, DomgrpErrorCode code,
                         const char *sentence)
{
    g_autoptr(GError) error = g_error_new_literal(DOMGRP_ERROR, code, sentence);
    g_autoptr(GBytes) answer = rpc_answer_error(NULL, RPC_CODE_REQUEST, error);
    soup_message_body_set_accumulate(soup_server_message_get_request_body(message), FALSE);
    answer_set(message, status, answer);
}

static void on_answer(gpointer data, GBytes *answer)
{
    Connection *connection = data;
    SoupServerMessage *message = connection->message;
    answer_set(message, SOUP_STATUS_OK, answer);
    g_bytes_unref(answer);
    if (connection->call != NULL)
        soup_server_message_unpause(message);
    wait_clear(connection);
    deadline_begin(connection);
}

/* -- requests -- */

/* The client of a call that waits is gone; writing the empty answer ends the connection. */
static gboolean on_hangup(GSocket *socket, GIOCondition condition, gpointer data)
{
    Connection *connection = data;
    api_call_cancel(connection->call);
    soup_server_message_set_status(connection->message, SOUP_STATUS_NO_CONTENT, NULL);
    soup_server_message_unpause(connection->message);
    wait_clear(connection);
    deadline_begin(connection);
    return G_SOURCE_REMOVE;
}

static void call_wait(Connection *connection)
{
    source_clear(&connection->deadline);
    soup_server_message_pause(connection->message);
    connection->hangup = g_socket_create_source(connection->socket, G_IO_HUP | G_IO_ERR, NULL);
    source_attach(connection->hangup, G_SOURCE_FUNC(on_hangup), connection);
}

static void on_request(SoupServer *soup, SoupServerMessage *message, const char *path,
                       GHashTable *query, gpointer data)
{
    Connection *connection = connection_of(message);
    SoupMessageBody *body = soup_server_message_get_request_body(message);
    g_autoptr(GBytes) bytes = soup_message_body_flatten(body);
    gsize length;
    const char *text = g_bytes_get_data(bytes, &length);

    connection->message = g_object_ref(message);
    connection->call = api_call(connection->server->api, &connection->peer,
                                text == NULL ? "" : text, length, on_answer, connection);
    if (connection->call != NULL)
        call_wait(connection);
    soup_message_body_truncate(body);
    received_clear(connection);
}

static void on_chunk(SoupServerMessage *message, GBytes *chunk, gpointer data)
{
    Connection *connection = connection_of(message);
    Server *server = connection->server;
    gsize size = g_bytes_get_size(chunk);
    if (soup_server_message_get_status(message) != 0)
        return;
    connection->received += size;
    server->received += size;
    if (connection->received > SERVER_REQUEST_MAX)
        answer_error(message, SOUP_STATUS_REQUEST_ENTITY_TOO_LARGE, DOMGRP_ERROR_GROUP_LIMIT,
                     "the request is longer than 16 MiB");
    else if (server->received > SERVER_REQUESTS_MAX)
        answer_error(message, SOUP_STATUS_SERVICE_UNAVAILABLE, DOMGRP_ERROR_GROUP_LIMIT,
                     "domgrpd is receiving too many long requests; try again");
    else
        return;
    soup_message_body_truncate(soup_server_message_get_request_body(message));
    received_clear(connection);
}

static void on_headers(SoupServer *soup, SoupServerMessage *message, const char *path,
                       GHashTable *query, gpointer data)
{
    SoupMessageHeaders *headers = soup_server_message_get_request_headers(message);
    g_signal_connect(message, "got-chunk", G_CALLBACK(on_chunk), NULL);
    if (strcmp(path, "/jsonrpc") != 0)
        answer_error(message, SOUP_STATUS_NOT_FOUND, DOMGRP_ERROR_REQUEST,
                     "there is nothing at this path; use /jsonrpc");
    else if (strcmp(soup_server_message_get_method(message), "POST") != 0)
        answer_error(message, SOUP_STATUS_METHOD_NOT_ALLOWED, DOMGRP_ERROR_REQUEST,
                     "only POST is taken here");
    else if (soup_message_headers_get_content_length(headers) > SERVER_REQUEST_MAX)
        answer_error(message, SOUP_STATUS_REQUEST_ENTITY_TOO_LARGE, DOMGRP_ERROR_GROUP_LIMIT,
                     "the request is longer than 16 MiB");
}

/* -- accepting -- */

static GSocketAddress *address_new(void)
{
    g_autoptr(GInetAddress) loopback = g_inet_address_new_loopback(G_SOCKET_FAMILY_IPV4);
    return g_inet_socket_address_new(loopback, 80);
}

static void connection_new(Server *server, GSocket *socket)
{
    g_autoptr(GError) error = NULL;
    Peer peer;
    if (!peer_read(g_socket_get_fd(socket), geteuid(), server->group, &peer, &error)) {
        service_log(SERVICE_WARNING, "%s", error->message);
        return;
    }
    g_autoptr(GSocketConnection) stream = g_socket_connection_factory_create_connection(socket);
    g_autoptr(GSocketAddress) here = address_new();

    Connection *connection = g_new0(Connection, 1);
    connection->server = server;
    connection->peer = peer;
    connection->socket = g_object_ref(socket);
    connection->stream = G_IO_STREAM(stream);
    connection->address = address_new();
    connection->link.data = connection;
    g_object_set_data(G_OBJECT(connection->address), CONNECTION_KEY, connection);
    g_queue_push_tail_link(&server->connections, &connection->link);
    g_object_weak_ref(G_OBJECT(stream), on_stream_gone, connection);
    deadline_begin(connection);
    soup_server_accept_iostream(server->soup, G_IO_STREAM(stream), here, connection->address, NULL);
}

static gboolean on_accept_retry(gpointer data)
{
    Server *server = data;
    source_clear(&server->accept);
    accept_begin(server);
    return G_SOURCE_REMOVE;
}

static gboolean on_accept(GSocket *listening, GIOCondition condition, gpointer data)
{
    Server *server = data;
    g_autoptr(GError) error = NULL;
    g_autoptr(GSocket) socket = g_socket_accept(listening, NULL, &error);
    if (socket != NULL) {
        connection_new(server, socket);
    } else if (!g_error_matches(error, G_IO_ERROR, G_IO_ERROR_WOULD_BLOCK)) {
        service_log(SERVICE_WARNING, "a connection was not accepted: %s", error->message);
        source_clear(&server->accept);
        server->accept = g_timeout_source_new(ACCEPT_RETRY_MS);
        source_attach(server->accept, on_accept_retry, server);
        return G_SOURCE_REMOVE;
    }
    if (server->connections.length < server->connections_max)
        return G_SOURCE_CONTINUE;
    source_clear(&server->accept);
    return G_SOURCE_REMOVE;
}

static void accept_begin(Server *server)
{
    if (server->accept != NULL || server->connections.length >= server->connections_max)
        return;
    server->accept = g_socket_create_source(server->socket, G_IO_IN, NULL);
    source_attach(server->accept, G_SOURCE_FUNC(on_accept), server);
}

/* -- the server -- */

Server *server_new(Api *api, const ServerOptions *options, GError **error)
{
    Server *server = g_new0(Server, 1);
    server->api = api;
    server->path = g_strdup(options->path);
    server->group = options->group;
    server->connections_max =
        options->connections == 0 ? SERVER_CONNECTIONS_MAX : options->connections;
    server->timeout_ms = options->timeout_ms == 0 ? SERVER_TIMEOUT_MS : options->timeout_ms;
    g_queue_init(&server->connections);
    server->soup = soup_server_new(NULL, NULL);
    soup_server_add_early_handler(server->soup, NULL, on_headers, server, NULL);
    soup_server_add_handler(server->soup, NULL, on_request, server, NULL);
    server->socket = listen_at(server->path, 0660, server->group, error);
    if (server->socket == NULL) {
        server_free(server);
        return NULL;
    }
    accept_begin(server);
    return server;
}

void server_free(Server *server)
{
    if (server == NULL)
        return;
    source_clear(&server->accept);
    if (server->socket != NULL)
        unlink(server->path);
    for (GList *l = server->connections.head, *next; l != NULL; l = next) {
        Connection *connection = l->data;
        next = l->next;
        g_object_weak_unref(G_OBJECT(connection->stream), on_stream_gone, connection);
        g_socket_shutdown(connection->socket, TRUE, TRUE, NULL);
        connection_free(connection);
    }
    soup_server_disconnect(server->soup);
    g_object_unref(server->soup);
    g_clear_object(&server->socket);
    g_free(server->path);
    g_free(server);
}

guint server_connections(const Server *server)
{
    return server->connections.length;
}
