/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "connections.h"

#include <errno.h>
#include <gio/gio.h>
#include <glib-unix.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "link.h"
#include "listen.h"
#include "service.h"
#include "sessions.h"

#define ACCEPT_RETRY_MS 1000

typedef struct {
    Links links; /* first */
    const LinksEvents *events;
    gpointer data;
    char *path;
    GSocket *socket;
    GSource *accept; /* somebody comes, or when it is looked again; NULL before they are watched */
    gboolean full;   /* the latter, since no place is free */
    guint incoming;
    guint incoming_max;
    guint timeout_ms;
    guint idle_ms;
    guint last;        /* number of a connection */
    GHashTable *table; /* of Connection, by number */
} Connections;

typedef struct {
    Connections *all;
    guint number;
    char *peer;     /* NULL: another host has made it */
    Link *link;     /* NULL if there is none, or none any more */
    gboolean known; /* to the engine */
    gboolean left;  /* the engine has hung up */
    GSource *later; /* its first message is due, or its failure has to be told */
    GError *failure;
} Connection;

static void accept_begin(Connections *all);

static void source_clear(GSource **source)
{
    if (*source == NULL)
        return;
    g_source_destroy(*source);
    g_clear_pointer(source, g_source_unref);
}

static GSource *source_begin(GSource *source, GSourceFunc function, gpointer data)
{
    g_source_set_callback(source, function, data, NULL);
    g_source_attach(source, g_main_context_get_thread_default());
    return source;
}

/* -- the end of a connection -- */

static void connection_free(gpointer data)
{
    Connection *connection = data;
    source_clear(&connection->later);
    link_free(connection->link);
    g_clear_error(&connection->failure);
    g_free(connection->peer);
    g_free(connection);
}

/* Another host goes when it has what it wants. */
static gboolean is_plain(const Connection *connection, const GError *error)
{
    return connection->peer == NULL && g_error_matches(error, DOMGRP_ERROR, DOMGRP_ERROR_LINK);
}

/* The engine may still ask for its bytes while it is told. */
static void connection_end(Connection *connection, const GError *error)
{
    Connections *all = connection->all;
    if (connection->left)
        error = NULL;
    if (error != NULL)
        service_log(is_plain(connection, error) ? SERVICE_NOTICE : SERVICE_WARNING,
                    "the connection %s %s has ended: %s", connection->peer == NULL ? "of" : "to",
                    connection->peer == NULL ? "another host" : connection->peer, error->message);
    if (connection->known)
        all->events->ended(all->data, connection->number, error);
    if (connection->peer == NULL)
        all->incoming--;
    g_hash_table_remove(all->table, GUINT_TO_POINTER(connection->number));
    if (all->full)
        accept_begin(all);
}

static gboolean on_failed(gpointer data)
{
    Connection *connection = data;
    connection_end(connection, connection->failure);
    return G_SOURCE_REMOVE;
}

/* Takes @error. The engine hears of it when its call has returned. */
static void connection_fail(Connection *connection, GError *error)
{
    g_clear_pointer(&connection->link, link_free);
    source_clear(&connection->later);
    connection->failure = error;
    connection->later = source_begin(g_idle_source_new(), on_failed, connection);
}

static gboolean on_overdue(gpointer data)
{
    Connection *connection = data;
    g_autoptr(GError) error = g_error_new(DOMGRP_ERROR, DOMGRP_ERROR_LINK,
                                          "it did not say within %.3g seconds what it was about",
                                          connection->all->timeout_ms / 1000.0);
    connection_end(connection, error);
    return G_SOURCE_REMOVE;
}

/* -- what a link tells -- */

static void on_greeted(gpointer data)
{
    Connection *connection = data;
    connection->known = TRUE;
    connection->all->events->connected(connection->all->data, connection->number,
                                       connection->peer != NULL);
}

static void on_message(gpointer data, const WireFrame *frame)
{
    Connection *connection = data;
    source_clear(&connection->later);
    connection->all->events->said(connection->all->data, connection->number, &frame->said);
}

static void on_ended(gpointer data, const GError *error)
{
    connection_end(data, error);
}

static const LinkEvents link_events = {on_greeted, on_message, on_ended};

/* -- connections of others -- */

static Connection *connection_new(Connections *all, const char *peer)
{
    Connection *connection = g_new0(Connection, 1);
    connection->all = all;
    connection->number = ++all->last;
    connection->peer = g_strdup(peer);
    connection->known = peer != NULL;
    g_hash_table_insert(all->table, GUINT_TO_POINTER(connection->number), connection);
    return connection;
}

/* Takes @fd. The socket's mode keeps others out already. */
static void connection_accept(Connections *all, int fd)
{
    g_autoptr(GError) error = NULL;
    Peer peer;
    if (!peer_read(fd, geteuid(), PEER_NO_GROUP, &peer, &error) || !peer.allowed) {
        service_log(SERVICE_WARNING, "a connection for a migration is refused: %s",
                    error != NULL ? error->message : "it is not root's");
        close(fd);
        return;
    }
    Connection *connection = connection_new(all, NULL);
    all->incoming++;
    connection->link = link_new(MIGRATION_DESTINATION_SIDE, fd, fd, NULL, &link_events, connection);
    connection->later = source_begin(g_timeout_source_new(all->timeout_ms), on_overdue, connection);
}

static gboolean on_accept_retry(gpointer data)
{
    accept_begin(data);
    return G_SOURCE_REMOVE;
}

static gboolean accept_later(Connections *all, gboolean full)
{
    source_clear(&all->accept);
    all->full = full;
    all->accept = source_begin(g_timeout_source_new(ACCEPT_RETRY_MS), on_accept_retry, all);
    return G_SOURCE_REMOVE;
}

/* For how long it may do nothing while another one needs its place. */
static gint64 may_idle_us(const Connection *connection)
{
    gboolean about = connection->later == NULL && !connection->left;
    return (about ? CONNECTIONS_IDLE_ABOUT : 1) * connection->all->idle_ms * 1000ll;
}

/* Of those of other hosts that are idle for too long, the one that is so for the longest time. */
static Connection *find_idle(Connections *all, gint64 *ret_idle_us)
{
    Connection *found = NULL;
    GHashTableIter iter;
    gpointer value;
    *ret_idle_us = 0;
    g_hash_table_iter_init(&iter, all->table);
    while (g_hash_table_iter_next(&iter, NULL, &value)) {
        Connection *connection = value;
        if (connection->peer != NULL || connection->link == NULL)
            continue;
        gint64 idle_us = link_idle_us(connection->link);
        if (idle_us < may_idle_us(connection) || idle_us <= *ret_idle_us)
            continue;
        *ret_idle_us = idle_us;
        found = connection;
    }
    return found;
}

/* TRUE if there is a place, or one was made free. */
static gboolean make_room(Connections *all)
{
    gint64 idle_us;
    if (all->incoming < all->incoming_max)
        return TRUE;
    Connection *connection = find_idle(all, &idle_us);
    if (connection == NULL)
        return FALSE;
    g_autoptr(GError) error = g_error_new(
        DOMGRP_ERROR, DOMGRP_ERROR_LINK,
        "it has done nothing for %.3g seconds, and another one needs its place", idle_us / 1e6);
    connection_end(connection, error);
    return TRUE;
}

static gboolean on_accept(gint listening, GIOCondition condition, gpointer data)
{
    Connections *all = data;
    if (!make_room(all))
        return accept_later(all, TRUE);
    int fd = accept4(listening, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd >= 0) {
        connection_accept(all, fd);
    } else if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED) {
        service_log(SERVICE_WARNING, "a connection for a migration was not accepted: %s",
                    g_strerror(errno));
        return accept_later(all, FALSE);
    }
    return G_SOURCE_CONTINUE;
}

static void accept_begin(Connections *all)
{
    source_clear(&all->accept);
    all->full = FALSE;
    all->accept = source_begin(g_unix_fd_source_new(g_socket_get_fd(all->socket), G_IO_IN),
                               G_SOURCE_FUNC(on_accept), all);
}

/* -- connections of ours -- */

char **connections_argv(const char *peer, const char *command)
{
    static const char *const ssh[] = {"ssh", "-o", "BatchMode=yes", "--"};
    g_autoptr(GPtrArray) argv = g_ptr_array_new();
    for (guint i = 0; command == NULL && i < G_N_ELEMENTS(ssh); i++)
        g_ptr_array_add(argv, g_strdup(ssh[i]));
    if (command != NULL) {
        g_ptr_array_add(argv, g_strdup("/bin/sh"));
        g_ptr_array_add(argv, g_strdup("-c"));
    }
    if (command != NULL && *command != '\0') {
        g_ptr_array_add(argv, g_strconcat(command, " \"$@\"", NULL));
        g_ptr_array_add(argv, g_strdup("sh"));
    }
    g_ptr_array_add(argv, g_strdup(peer));
    if (command == NULL || *command != '\0') {
        g_ptr_array_add(argv, g_strdup("domgrp"));
        g_ptr_array_add(argv, g_strdup("receive"));
    }
    g_ptr_array_add(argv, NULL);
    return (char **)g_ptr_array_free(g_steal_pointer(&argv), FALSE);
}

/* They stand in messages, records and the log. */
static gboolean text_is_plain(const char *text)
{
    if (strlen(text) > CONNECTIONS_PEER_MAX || !g_utf8_validate(text, -1, NULL))
        return FALSE;
    for (const char *c = text; *c != '\0'; c = g_utf8_next_char(c))
        if (!g_unichar_isprint(g_utf8_get_char(c)))
            return FALSE;
    return TRUE;
}

gboolean connections_check(const char *peer, const char *command, GError **error)
{
    if (*peer == '\0')
        g_set_error(error, DOMGRP_ERROR, DOMGRP_ERROR_VALUE,
                    "the host to migrate to has no name; say one that ssh knows");
    else if (*peer == '-')
        g_set_error(error, DOMGRP_ERROR, DOMGRP_ERROR_VALUE,
                    "\"%.40s\" is no host: it begins like an option", peer);
    else if (!text_is_plain(peer) || (command != NULL && !text_is_plain(command)))
        g_set_error(error, DOMGRP_ERROR, DOMGRP_ERROR_VALUE,
                    "a host, and the command that reaches it, is at most %u bytes of printable "
                    "text",
                    CONNECTIONS_PEER_MAX);
    else
        return TRUE;
    return FALSE;
}

/* -- links.h -- */

static Connections *connections_of(Links *links)
{
    return (Connections *)links;
}

/* NULL if it has ended, which the engine may not know yet. */
static Connection *lookup(Links *links, guint number)
{
    return g_hash_table_lookup(connections_of(links)->table, GUINT_TO_POINTER(number));
}

static Link *lookup_link(Links *links, guint number)
{
    Connection *connection = lookup(links, number);
    return connection == NULL ? NULL : connection->link;
}

static void links_watch(Links *links, const LinksEvents *events, gpointer data)
{
    Connections *all = connections_of(links);
    all->events = events;
    all->data = data;
    accept_begin(all);
}

static guint links_connect(Links *links, const char *peer, const char *command)
{
    Connection *connection = connection_new(connections_of(links), peer);
    g_auto(GStrv) argv = connections_argv(peer, command);
    GError *error = NULL;
    connection->link = link_run((const char *const *)argv, NULL, &link_events, connection, &error);
    if (connection->link == NULL)
        connection_fail(connection, error);
    return connection->number;
}

static void links_say(Links *links, guint number, const MigrationSaid *said)
{
    Connection *connection = lookup(links, number);
    GError *error = NULL;
    const WireFrame frame = {.kind = WIRE_MESSAGE, .said = *said};
    if (connection == NULL || connection->link == NULL)
        return;
    if (!link_send(connection->link, &frame, &error))
        connection_fail(connection, error);
}

static void links_send_data(Links *links, guint number, int fd)
{
    Link *link = lookup_link(links, number);
    if (link == NULL)
        close(fd);
    else
        link_send_data(link, fd);
}

static void links_limit_data(Links *links, guint number, guint64 rate)
{
    Link *link = lookup_link(links, number);
    if (link != NULL)
        link_limit_data(link, rate);
}

static void links_take_data(Links *links, guint number, int fd)
{
    Link *link = lookup_link(links, number);
    if (link == NULL)
        close(fd);
    else
        link_take_data(link, fd);
}

static void links_hang_up(Links *links, guint number)
{
    Connection *connection = lookup(links, number);
    if (connection == NULL)
        return;
    connection->left = TRUE;
    if (connection->link != NULL)
        link_hang_up(connection->link);
}

static void links_bytes(Links *links, guint number, guint64 *ret_sent, guint64 *ret_received)
{
    Link *link = lookup_link(links, number);
    *ret_sent = *ret_received = 0;
    if (link != NULL)
        link_bytes(link, ret_sent, ret_received);
}

static void links_free(Links *links)
{
    Connections *all = connections_of(links);
    source_clear(&all->accept);
    unlink(all->path);
    g_hash_table_destroy(all->table);
    g_object_unref(all->socket);
    g_free(all->path);
    g_free(all);
}

static const LinksOps ops = {
    .watch = links_watch,
    .connect = links_connect,
    .say = links_say,
    .send_data = links_send_data,
    .limit_data = links_limit_data,
    .take_data = links_take_data,
    .hang_up = links_hang_up,
    .bytes = links_bytes,
    .free = links_free,
};

Links *connections_new(const ConnectionsOptions *options, GError **error)
{
    GSocket *socket = listen_at(options->path, 0600, PEER_NO_GROUP, error);
    if (socket == NULL)
        return NULL;
    Connections *all = g_new0(Connections, 1);
    all->links.ops = &ops;
    all->socket = socket;
    all->path = g_strdup(options->path);
    all->incoming_max = options->connections == 0 ? CONNECTIONS_MAX : options->connections;
    all->timeout_ms = options->timeout_ms == 0 ? CONNECTIONS_TIMEOUT_MS : options->timeout_ms;
    all->idle_ms = options->idle_ms == 0 ? CONNECTIONS_IDLE_MS : options->idle_ms;
    all->table = g_hash_table_new_full(NULL, NULL, NULL, connection_free);
    return &all->links;
}
