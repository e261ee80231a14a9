/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Two hosts in one virtual time, and the connections between their daemons.
 * Each side of a connection is an end, known by its number; what is under way
 * to it is an event of its host that dies with the process there, and finds
 * the end by its number, if that still hears.
 */
#include "private.h"

#include <string.h>

#define LINK_US (G_USEC_PER_SEC / 100)        /* what anything takes to the other side */
#define LINK_SILENCE_US (30 * G_USEC_PER_SEC) /* until a host that has no power is missed */

typedef struct End End;
struct End {
    LinksSim *links;
    guint number;
    End *other;       /* NULL: it is not made, or it is over */
    gboolean deaf;    /* what is under way to it is lost */
    SimFault fault;   /* of connect() */
    int out;          /* what is sent comes from here, or -1 */
    int in;           /* ... and what is taken goes there */
    gboolean taken;   /* take_data() was called */
    gboolean offered; /* a group that is to come, and not only in a dry run */
    GPtrArray *held;  /* of MigrationSaid: what waits for the data before it */
    guint64 sent;
    guint64 received;
};

struct LinksSim {
    Links links; /* first */
    Sim *sim;    /* NULL: it is gone */
    const LinksEvents *events;
    gpointer data;
    GPtrArray *ends; /* of End */
    guint last;
    guint cut_at; /* of the messages from now; 0: none */
    gboolean unreachable;
};

/* -- messages -- */

static void said_free(gpointer data)
{
    MigrationSaid *said = data;
    g_free((char *)said->offer.host);
    g_free((char *)said->offer.definition);
    g_free((MigrationMember *)said->offer.members);
    g_free((char *)said->accept.host);
    g_free((char *)said->accept.verdict);
    g_free((char *)said->reason);
    g_free(said);
}

static MigrationSaid *said_copy(const MigrationSaid *said)
{
    MigrationSaid *copy = g_new0(MigrationSaid, 1);
    copy->message = said->message;
    memcpy(copy->transaction, said->transaction, sizeof copy->transaction);
    if (said->message == MIGRATION_MESSAGE_OFFER) {
        copy->offer = said->offer;
        copy->offer.host = g_strdup(said->offer.host);
        copy->offer.definition = g_strdup(said->offer.definition);
        copy->offer.members =
            g_memdup2(said->offer.members, said->offer.n_members * sizeof(MigrationMember));
    } else if (said->message == MIGRATION_MESSAGE_ACCEPT) {
        copy->accept = said->accept;
        copy->accept.host = g_strdup(said->accept.host);
        copy->accept.verdict = g_strdup(said->accept.verdict);
    } else if (said->message == MIGRATION_MESSAGE_GONE) {
        copy->reason = g_strdup(said->reason);
    }
    return copy;
}

/* -- ends -- */

static void end_free(gpointer data)
{
    End *end = data;
    if (end->other != NULL)
        end->other->other = NULL;
    sim_pipe_close(&end->out);
    sim_pipe_close(&end->in);
    g_ptr_array_unref(end->held);
    g_free(end);
}

static End *end_new(LinksSim *links)
{
    End *end = g_new0(End, 1);
    end->links = links;
    end->number = ++links->last;
    end->out = end->in = -1;
    end->held = g_ptr_array_new_with_free_func(said_free);
    g_ptr_array_add(links->ends, end);
    return end;
}

static End *end_find(LinksSim *links, guint number)
{
    for (guint i = 0; i < links->ends->len; i++) {
        End *end = links->ends->pdata[i];
        if (end->number == number)
            return end;
    }
    return NULL;
}

/* -- what comes to an end -- */

typedef struct Coming Coming;
struct Coming {
    guint number;
    void (*arrive)(End *end, const Coming *coming);
    gboolean ours;       /* of connected() */
    MigrationSaid *said; /* or NULL */
    GString *bytes;      /* or NULL: the end of the data */
    GError *error;       /* of ended(), or NULL */
};

static void coming_free(gpointer data)
{
    Coming *coming = data;
    if (coming->said != NULL)
        said_free(coming->said);
    if (coming->bytes != NULL)
        g_string_free(coming->bytes, TRUE);
    g_clear_error(&coming->error);
    g_free(coming);
}

static void run_coming(Sim *sim, gpointer data)
{
    const Coming *coming = data;
    End *end = sim->links != NULL ? end_find(sim->links, coming->number) : NULL;
    if (end != NULL)
        coming->arrive(end, coming);
}

static Coming *come(End *end, gint64 delay_us, void (*arrive)(End *, const Coming *))
{
    Coming *coming = g_new0(Coming, 1);
    coming->number = end->number;
    coming->arrive = arrive;
    sim_schedule(end->links->sim, delay_us, run_coming, coming, coming_free, TRUE);
    return coming;
}

static void arrive_connected(End *end, const Coming *coming)
{
    if (!end->deaf)
        end->links->events->connected(end->links->data, end->number, coming->ours);
}

static void arrive_said(End *end, const Coming *coming)
{
    if (end->deaf)
        return;
    if (coming->said->message == MIGRATION_MESSAGE_END)
        sim_pipe_close(&end->in);
    if (coming->said->message == MIGRATION_MESSAGE_OFFER)
        end->offered = !coming->said->offer.dry_run;
    end->links->events->said(end->links->data, end->number, coming->said);
}

static void arrive_ended(End *end, const Coming *coming)
{
    LinksSim *links = end->links;
    g_ptr_array_remove(links->ends, end);
    links->events->ended(links->data, coming->number, coming->error);
}

static void end_ends(End *end, gint64 delay_us, const char *why)
{
    Coming *coming = come(end, delay_us, arrive_ended);
    if (why != NULL)
        sim_fail(&coming->error, DOMGRP_ERROR_HOST, "%s", why);
}

/* -- breaking -- */

/* Both sides hear of it; with @lost, nothing of what is under way. */
static void end_break(End *end, gboolean lost)
{
    End *other = end->other;
    end->deaf = lost;
    end->other = NULL;
    end_ends(end, LINK_US, "the connection was cut");
    if (other == NULL)
        return;
    other->deaf = lost;
    other->other = NULL;
    end_ends(other, LINK_US, "the connection was cut");
}

/* This side is no more; the other one hears what was said before, but if the power is off. */
static void end_leave(End *end, gboolean power)
{
    End *other = end->other;
    if (other == NULL)
        return;
    other->deaf = power;
    end->other = other->other = NULL;
    end_ends(other, power ? LINK_SILENCE_US : LINK_US,
             power ? "nothing was heard of the other side for 30 s"
                   : "the other side ended the connection");
}

/* Data that nobody asked for are the other side's fault, as on a real connection. */
static void arrive_data(End *end, const Coming *coming)
{
    if (end->deaf)
        return;
    if (!end->taken) {
        end->deaf = TRUE;
        end_leave(end, FALSE);
        end_ends(end, 0, "the other side sent data that nobody asked for");
        return;
    }
    if (coming->bytes == NULL) {
        sim_pipe_close(&end->in);
        return;
    }
    end->received += coming->bytes->len;
    if (end->in >= 0)
        sim_pipe_write(end->in, coming->bytes->str, coming->bytes->len);
}

void sim_links_forget(Sim *sim, gboolean power)
{
    LinksSim *links = sim->links;
    if (links == NULL)
        return;
    for (guint i = 0; i < links->ends->len; i++)
        end_leave(links->ends->pdata[i], power);
    g_ptr_array_set_size(links->ends, 0);
    links->last = 0;
    links->events = NULL;
}

/* -- saying -- */

static void say(End *end, const MigrationSaid *said)
{
    LinksSim *links = end->links;
    if (end->other == NULL)
        return;
    if (links->cut_at > 0 && --links->cut_at == 0)
        end_break(end, TRUE);
    else
        come(end->other, LINK_US, arrive_said)->said = said_copy(said);
}

/* Sends what there is, and at its end what has waited for that. */
static void send_data(End *end)
{
    GString *bytes = g_string_new(NULL);
    gboolean more = sim_pipe_read(end->out, bytes);
    end->sent += bytes->len;
    if (bytes->len > 0 && end->other != NULL)
        come(end->other, LINK_US, arrive_data)->bytes = g_steal_pointer(&bytes);
    if (bytes != NULL)
        g_string_free(bytes, TRUE);
    if (more)
        return;
    sim_pipe_close(&end->out);
    if (end->other != NULL)
        come(end->other, LINK_US, arrive_data);
    for (guint i = 0; i < end->held->len; i++)
        say(end, end->held->pdata[i]);
    g_ptr_array_set_size(end->held, 0);
}

void sim_links_look(Sim *sim)
{
    for (guint i = 0; sim->links != NULL && i < sim->links->ends->len; i++) {
        End *end = sim->links->ends->pdata[i];
        if (end->out >= 0)
            send_data(end);
    }
}

static void links_say(Links *base, guint number, const MigrationSaid *said)
{
    LinksSim *links = (LinksSim *)base;
    Sim *sim = links->sim;
    End *end = end_find(links, number);
    SimFault fault = sim_enter(sim, "links_say");
    if (sim->dead || end == NULL)
        return;
    /* A source that is fast enough sends data at once. */
    g_assert_true(said->message != MIGRATION_MESSAGE_ACCEPT || !end->offered || end->taken);
    if (fault == SIM_FAIL_BEFORE || fault == SIM_HANG)
        end_break(end, TRUE);
    else if (end->out >= 0 && (said->message == MIGRATION_MESSAGE_END || end->held->len > 0))
        g_ptr_array_add(end->held, said_copy(said));
    else
        say(end, said);
    if (fault == SIM_FAIL_AFTER)
        end_break(end, FALSE);
    sim_leave(sim, fault, "links_say", NULL);
}

static void links_send_data(Links *base, guint number, int fd)
{
    End *end = end_find((LinksSim *)base, number);
    sim_pipe_take(fd);
    if (end == NULL)
        sim_pipe_close(&fd);
    else
        end->out = fd;
}

/* Data take no time of their own here, however many they are. */
static void links_limit_data(Links *base, guint number, guint64 rate)
{
}

static void links_take_data(Links *base, guint number, int fd)
{
    End *end = end_find((LinksSim *)base, number);
    sim_pipe_take(fd);
    if (end == NULL) {
        sim_pipe_close(&fd);
        return;
    }
    end->in = fd;
    end->taken = TRUE;
}

/* -- making and ending connections -- */

static void watch(Links *base, const LinksEvents *events, gpointer data)
{
    ((LinksSim *)base)->events = events;
    ((LinksSim *)base)->data = data;
}

static gboolean can_reach(const LinksSim *links)
{
    const Sim *peer = links->sim->peer;
    const LinksSim *others = peer != NULL ? peer->links : NULL;
    return !links->unreachable && others != NULL && !others->unreachable && others->events != NULL;
}

static void arrive_request(End *end, const Coming *coming)
{
    LinksSim *links = end->links;
    if (end->deaf)
        return;
    if (!can_reach(links)) {
        end_ends(end, LINK_US, "the other host cannot be reached");
        return;
    }
    end->other = end_new(links->sim->peer->links);
    end->other->other = end;
    come(end->other, 0, arrive_connected);
    come(end, LINK_US, arrive_connected)->ours = TRUE;
    if (end->fault == SIM_FAIL_AFTER)
        end_break(end, FALSE);
}

static guint links_connect(Links *base, const char *peer, const char *command)
{
    LinksSim *links = (LinksSim *)base;
    Sim *sim = links->sim;
    SimFault fault = sim_enter(sim, "links_connect");
    End *end = end_new(links);
    end->fault = fault;
    if (sim->dead)
        return end->number;
    if (fault == SIM_FAIL_BEFORE)
        end_ends(end, LINK_US, "links_connect failed as it was told to");
    else if (fault != SIM_HANG)
        come(end, LINK_US, arrive_request);
    sim_leave(sim, fault, "links_connect", NULL);
    return end->number;
}

static void links_hang_up(Links *base, guint number)
{
    End *end = end_find((LinksSim *)base, number);
    if (end == NULL || end->links->sim->dead)
        return;
    sim_pipe_close(&end->out);
    sim_pipe_close(&end->in);
    end->deaf = TRUE;
    end_leave(end, FALSE);
    end_ends(end, 0, NULL);
}

static void links_bytes(Links *base, guint number, guint64 *ret_sent, guint64 *ret_received)
{
    const End *end = end_find((LinksSim *)base, number);
    *ret_sent = end != NULL ? end->sent : 0;
    *ret_received = end != NULL ? end->received : 0;
}

static void links_free(Links *base)
{
    LinksSim *links = (LinksSim *)base;
    sim_links_forget(links->sim, FALSE);
    links->sim->links = NULL;
    g_ptr_array_unref(links->ends);
    g_free(links);
}

static const LinksOps ops = {
    .watch = watch,
    .connect = links_connect,
    .say = links_say,
    .send_data = links_send_data,
    .limit_data = links_limit_data,
    .take_data = links_take_data,
    .hang_up = links_hang_up,
    .bytes = links_bytes,
    .free = links_free,
};

Links *links_sim_new(Host *host)
{
    LinksSim *links = g_new0(LinksSim, 1);
    links->links.ops = &ops;
    links->sim = sim_of(host);
    links->ends = g_ptr_array_new_with_free_func(end_free);
    g_assert(links->sim->links == NULL);
    links->sim->links = links;
    return &links->links;
}

/* -- what tests do to hosts and connections -- */

void host_sim_join(Host *host, Host *other)
{
    Sim *first = sim_of(host);
    Sim *second = sim_of(other);
    g_assert(first->peer == NULL && second->peer == NULL);
    g_assert(g_hash_table_size(second->disks->states) == 0);
    sim_disks_unref(second->disks);
    second->disks = g_rc_box_acquire(first->disks);
    second->number = 1;
    first->peer = second;
    second->peer = first;
    first->now = second->now = MAX(first->now, second->now);
}

void links_sim_cut(Links *base, guint nth)
{
    LinksSim *links = (LinksSim *)base;
    links->cut_at = nth;
    for (guint i = 0; nth == 0 && i < links->ends->len; i++)
        end_break(links->ends->pdata[i], TRUE);
}

void links_sim_set_reachable(Links *base, gboolean reachable)
{
    ((LinksSim *)base)->unreachable = !reachable;
}
