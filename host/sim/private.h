/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the files of the simulated host share:
 *
 *   time.c     virtual time, faults
 *   guest.c    domains, their guests and configurations
 *   xl.c       what others do on the host
 *   probe.c    looks at whether a guest is ready
 *   image.c    images, and what of a guest's memory and disks they hold
 *   stream.c   images that go through a pipe
 *   links.c    two hosts in one virtual time, and connections between them
 *   sim.c      the other functions of host.h
 *   journal.c  a journal in memory
 */
#ifndef DOMGRP_HOST_SIM_PRIVATE_H
#define DOMGRP_HOST_SIM_PRIVATE_H

#include "sim.h"

#define SIM_BUILD_US (2 * G_USEC_PER_SEC)
#define SIM_DESTROY_US (G_USEC_PER_SEC / 10)
#define SIM_CALL_US (G_USEC_PER_SEC / 100)
#define SIM_MONITOR_US (G_USEC_PER_SEC / 20)
#define SIM_NEVER G_MAXINT64 /* when an event comes that waits for something else than time */

typedef struct Sim Sim;
typedef struct LinksSim LinksSim;
typedef void (*SimRun)(Sim *sim, gpointer data);

typedef struct {
    gint64 at;
    guint64 serial; /* of two at one time the older comes first */
    SimRun run;
    gpointer data;
    GDestroyNotify free;
    gboolean process; /* it dies with the engine's process */
} SimEvent;

typedef struct {
    guint32 domid;
    HostConfig *config;
    GKeyFile *keys; /* of config->json */
    guint32 group_id;
    gboolean building;
    guint life;      /* what was to come of the guest before a soft reset does not */
    gboolean began;  /* the guest has begun to run */
    gboolean ready;  /* a probe finds it ready */
    gboolean asked;  /* somebody has asked it to end */
    gboolean halted; /* it stood still when this was looked at last */
    gboolean paused; /* by a toolstack */
    gboolean shutdown;
    HostReason reason;
    gboolean wants_end; /* the guest will end as soon as it is not paused */
    HostReason wanted;
    gboolean wants_ready;          /* likewise for becoming ready */
    gboolean wants_suspend;        /* likewise for suspending */
    gboolean woken;                /* it was resumed, and goes on when it is not paused */
    gboolean xl_saves;             /* the last request to suspend was not image_suspend()'s */
    guint suspends;                /* how many requests to do so it has not followed */
    gboolean restored;             /* its memory is from an image */
    guint64 saved_disks;           /* restored or suspended: its memory belongs to these disks */
    char image[DOMGRP_UUID_TEXT];  /* which image that is */
    gboolean monitored;            /* xl looks after it */
    char record[DOMGRP_UUID_TEXT]; /* of the group that its directory names */
} SimDomain;

typedef struct {
    guint32 id;
    char uuid[DOMGRP_UUID_TEXT];
    gboolean paused;
} SimGroup;

/* What an image holds of a member. */
typedef struct {
    HostConfig *config;
    gboolean saved;
    guint64 disks; /* what its disks were when its memory was saved */
    gboolean broken;
} SimSaved;

/* An image on the disk. */
typedef struct {
    char uuid[DOMGRP_UUID_TEXT];
    char group_uuid[DOMGRP_UUID_TEXT];
    char *group_name;
    char *text;
    gboolean used;
    GPtrArray *snapshots; /* of char * */
    GPtrArray *members;   /* of SimSaved */
} SimFile;

/* What the domains' disks are, on a host or on two that share them. */
typedef struct {
    GHashTable *states; /* domain UUID to how often its guest has begun or gone on, ever */
    guint64 last;       /* of all the states there were: none comes twice */
} SimDisks;

/* The handle of one: it dies with the engine's process. */
struct HostImage {
    char *path;        /* or NULL */
    SimFile *file;     /* borrowed ... */
    SimFile *streamed; /* ... or this, which goes through a pipe */
    int fd;            /* the pipe that it is to be written to, or -1 */
    gboolean writes;
    gboolean closed;
    HostImageProgress progress;
};

struct Sim {
    Host host;       /* first */
    Sim *peer;       /* the host that this one is joined with, or NULL */
    guint number;    /* 0, or 1 if it was joined to one */
    LinksSim *links; /* borrowed, or NULL */
    gint64 now;
    guint64 serial;
    GPtrArray *events;  /* of SimEvent, unordered */
    SimEvent *current;  /* the one that runs */
    GHashTable *timers; /* handle to SimEvent */
    guint next_timer;
    GHashTable *probes; /* handle to SimEvent */
    guint next_probe;
    HostChanged changed;
    gpointer changed_data;
    gboolean changing; /* a call of changed is under way */

    gboolean has_groups;
    guint64 memory_total_kib;
    guint64 memory_free_kib;
    guint boots;
    guint uuids; /* invented so far */
    guint32 next_domid;
    guint32 last_group;
    GPtrArray *domains;       /* of SimDomain, by rising domid */
    GPtrArray *groups;        /* of SimGroup */
    GHashTable *reservations; /* domain UUID to group id */
    GHashTable *records;      /* group UUID to text */
    GHashTable *created;      /* name to number */
    GHashTable *absent;       /* of paths: disks that are not here */

    GHashTable *files;      /* path to SimFile */
    GHashTable *unfinished; /* likewise, of those that have no name yet */
    GPtrArray *images;      /* of HostImage, all there were in this process */
    SimDisks *disks;        /* shared with peer */
    guint64 image_room_kib; /* for more memory in images */

    guint calls;
    guint fault_at;
    SimFault fault;
    char *fault_on; /* only calls of this function count, or NULL */
    const char *fault_call;
    const char *lost_write;
    guint mutate_at;
    SimFault mutation;
    gboolean dead;

    GPtrArray *late;        /* one entry of a journal that is to be written late, or NULL */
    GPtrArray *late_into;   /* the journal's entries */
    gboolean late_follows;  /* the call after it has begun */
    gconstpointer late_for; /* it is asynchronous, and this one */

    SimTrace trace;
    gpointer trace_data;
    gboolean acting; /* what happens now is the doing of a call of the engine */
};

/* -- time and faults (time.c) -- */

SimEvent *sim_schedule(Sim *sim, gint64 delay_us, SimRun run, gpointer data, GDestroyNotify free,
                       gboolean process);
void sim_unschedule(Sim *sim, SimEvent *event);
/* The event that runs is not over: it comes again. */
void sim_again(Sim *sim, gint64 delay_us);
void sim_event_free(SimEvent *event);
/* Counts a call and returns the fault that is on it. */
SimFault sim_enter(Sim *sim, const char *call);
/* The same for an asynchronous one: what has its effect later, told by sim_finish(). */
SimFault sim_begin(Sim *sim, const char *call, gconstpointer async);
void sim_finish(Sim *sim, gconstpointer async);
/* Puts @entry into @entries after the effect of the next call. */
void sim_late(Sim *sim, GPtrArray *entries, gpointer entry, GDestroyNotify free);
/* FALSE with an error if the call must not do anything. */
gboolean sim_may(Sim *sim, SimFault fault, const char *call, GError **error);
/* What a call that has had its effect returns. */
gboolean sim_leave(Sim *sim, SimFault fault, const char *call, GError **error);
/* Domains have changed: tells who watches, soon. */
void sim_changed(Sim *sim);
/* Tells the trace. */
void sim_trace(Sim *sim, SimWhat what, const SimDomain *domain);

/* -- domains (guest.c) -- */

HostConfig *sim_config_parse(Sim *sim, const char *path, const char *text, GError **error);
/* A domain, paused and half built. */
SimDomain *sim_domain_new(Sim *sim, const HostConfig *config);
void sim_domain_free(SimDomain *domain);
void sim_domain_remove(Sim *sim, SimDomain *domain);
SimDomain *sim_domain_by_id(Sim *sim, guint32 domid);
SimDomain *sim_domain_by_uuid(Sim *sim, const char *uuid);
SimDomain *sim_domain_by_name(Sim *sim, const char *name);
gboolean sim_domain_paused(Sim *sim, const SimDomain *domain);
/* Its build is done. */
void sim_domain_built(Sim *sim, SimDomain *domain);
/* Something about pauses changed: guests stop, and those that wait go on. */
void sim_domains_resume(Sim *sim);
void sim_domain_unpause(Sim *sim, SimDomain *domain);
/* The guest ends, or will when it is not paused. */
void sim_domain_end(Sim *sim, SimDomain *domain, HostReason reason);
/* The guest becomes ready, or will when it is not paused; nothing if it does not run. */
void sim_domain_become_ready(Sim *sim, SimDomain *domain);
/* Asks the guest to end. */
void sim_domain_ask(Sim *sim, SimDomain *domain, HostReason reason);
/* The guest that has ended is to begin again with @config, paused, in the same domain. */
void sim_domain_reset(Sim *sim, SimDomain *domain, const HostConfig *config);
gboolean sim_domain_flag(const SimDomain *domain, const char *key);
double sim_domain_number(const SimDomain *domain, const char *key, double otherwise);
/* It stands still with its memory. */
gboolean sim_domain_suspended(const SimDomain *domain);
SimGroup *sim_group_by_id(Sim *sim, guint32 id);
/* xl's monitor acts (xl.c). */
void sim_monitor(Sim *sim, SimDomain *domain);

/* The guest stands still with its memory, or will when it is not paused. */
void sim_domain_suspend(Sim *sim, SimDomain *domain);
/* ... @seconds from now, whatever happens to the engine. */
void sim_domain_suspend_later(Sim *sim, SimDomain *domain, double seconds);
/* The request is taken back: its guest has not read it. */
void sim_domain_unsuspend(SimDomain *domain);
/* It goes on. */
void sim_domain_wake(Sim *sim, SimDomain *domain);

/* -- asynchronous calls (sim.c) -- */

typedef struct SimCall SimCall;
typedef void (*SimCallback)(void);
typedef gboolean (*SimEffect)(Sim *sim, SimCall *call, GError **error);
struct SimCall {
    Sim *sim;
    SimFault fault;
    const char *name;
    SimEffect effect;
    void (*answer)(SimCall *call, const GError *error);
    gboolean (*waits)(SimCall *call); /* not only for time; or NULL */
    GError *error;                    /* known from the beginning */
    SimCallback done;
    gpointer data;

    guint32 domid;
    guint32 id;
    char uuid[DOMGRP_UUID_TEXT];
    GArray *domids;
    char *path;
    char *text;
    HostShutdown how;
    gboolean fallback;
    HostConfig *config;
    HostPause pause;
    char *record;
    HostImage *image;
    SimFile *file;   /* a new one, owned */
    char *member;    /* UUID */
    int fd;          /* owned, or -1 */
    GString *stream; /* what has come of it */
    guint n_members;
};

gboolean sim_fail(GError **error, DomgrpErrorCode code, const char *format, ...)
    G_GNUC_PRINTF(3, 4);
/* Begins a call: counts it, and makes it take @delay_us. */
SimCall *sim_call_new(Host *host, const char *name, gint64 delay_us, SimEffect effect,
                      void (*answer)(SimCall *, const GError *), SimCallback done, gpointer data);
SimCall *sim_domain_call(Host *host, const char *name, gint64 delay_us, guint32 domid,
                         const char *uuid, SimEffect effect, HostDone done, gpointer data);
void sim_call_run(Sim *sim, gpointer call);
/* Begins to build the domain of @json for @call, unless that has failed. */
void sim_call_build(SimCall *call, const char *json);
void sim_answer_done(SimCall *call, const GError *error);
void sim_answer_created(SimCall *call, const GError *error);
gboolean sim_find_domain(Sim *sim, guint32 domid, const char *uuid, SimDomain **ret_domain,
                         GError **error);

/* -- images (image.c) -- */

SimFile *sim_file_new(const char *uuid, const char *group_uuid, const char *group_name,
                      const char *text);
void sim_file_add(SimFile *file, HostConfig *config, guint64 disks);
void sim_file_free(gpointer file); /* a SimFile */
HostImage *sim_image_new(Sim *sim, const char *path, SimFile *file);
void sim_image_answer(SimCall *call, const GError *error);
void sim_images_init(Sim *sim);
/* The handles are gone with the process. */
void sim_images_forget(Sim *sim);
/* The domain's guest begins or goes on: its disks are not what they were. */
void sim_disks_move(Sim *sim, const SimDomain *domain);
guint64 sim_disks(Sim *sim, const char *uuid);
SimDisks *sim_disks_new(void);
void sim_disks_unref(SimDisks *disks);
/* Whether the memory that fits the disks of @uuid is in a file under a name, or in a domain that
 * could go on with it or has. */
gboolean sim_memory_is_safe(Sim *sim, const char *uuid);
/* The memory of @domain could go on with its disks. */
gboolean sim_domain_fits(Sim *sim, const SimDomain *domain);
/* Whether the image that @domain's memory is from is marked used, or gone. */
gboolean sim_image_is_used(Sim *sim, const SimDomain *domain);

void sim_image_create(Host *host, const HostImageSpec *spec, HostImageOpened done, gpointer data);
void sim_image_copy(Host *host, HostImage *image, guint32 domid, const char *uuid, HostDone done,
                    gpointer data);
void sim_image_suspend(Host *host, HostImage *image, guint32 domid, const char *uuid, HostDone done,
                       gpointer data);
void sim_image_snapshot(Host *host, HostImage *image, const char *command, HostDone done,
                        gpointer data);
void sim_image_save(Host *host, HostImage *image, guint32 domid, const char *uuid, HostDone done,
                    gpointer data);
void sim_image_finish(Host *host, HostImage *image, HostDone done, gpointer data);
void sim_domain_resume_call(Host *host, guint32 domid, const char *uuid, HostDone done,
                            gpointer data);
void sim_image_open(Host *host, const char *path, HostImageOpened done, gpointer data);
void sim_image_restore(Host *host, HostImage *image, const char *member_uuid, const char *json,
                       const HostRecord *record, HostCreated done, gpointer data);
void sim_image_use(Host *host, HostImage *image, HostDone done, gpointer data);
void sim_image_progress(Host *host, const HostImage *image, HostImageProgress *ret_progress);
void sim_image_cancel(Host *host, HostImage *image);
void sim_image_close(Host *host, HostImage *image);
void sim_image_remove(Host *host, const char *path, const char *image_uuid, HostDone done,
                      gpointer data);
gboolean sim_config_map(Host *host, const char *json, const HostConfigMap *map,
                        HostConfig **ret_config, GError **error);

/* clang-format off */
#define SIM_IMAGE_OPS                                                                              \
    .image_create = sim_image_create, .image_copy = sim_image_copy,                                \
    .image_suspend = sim_image_suspend, .image_receive = sim_image_receive,                        \
    .image_snapshot = sim_image_snapshot, .image_save = sim_image_save,                            \
    .image_finish = sim_image_finish, .domain_resume = sim_domain_resume_call,                     \
    .image_open = sim_image_open, .image_restore = sim_image_restore,                              \
    .image_use = sim_image_use, .image_progress = sim_image_progress,                              \
    .image_cancel = sim_image_cancel, .image_close = sim_image_close,                              \
    .image_remove = sim_image_remove, .config_map = sim_config_map
/* clang-format on */

/* -- images through a pipe (stream.c) -- */

/* Gives all of @file to the pipe @fd, which is left open. */
gboolean sim_stream_write(const SimFile *file, int fd, GError **error);
void sim_image_receive(Host *host, int fd, guint n_members, guint64 memory_kib,
                       HostImageOpened done, gpointer data);
/* Reads what is in the pipe @fd to @into; FALSE at its end. */
gboolean sim_pipe_read(int fd, GString *into);
/* Gives @size bytes to the pipe @fd, which has room for them. FALSE: nobody reads it. */
gboolean sim_pipe_write(int fd, gconstpointer bytes, gsize size);
/* Takes over @fd. */
int sim_pipe_take(int fd);
void sim_pipe_close(int *fd);
/* Looks what has come through the pipes that somebody waits for. */
void sim_pipes_look(Sim *sim);

/* -- links (links.c) -- */

void sim_links_look(Sim *sim);
/* The process ends; with @power, the host with it. */
void sim_links_forget(Sim *sim, gboolean power);

/* -- probes (probe.c) -- */

guint sim_probe(Host *host, const HostProbe *probe, gint64 timeout_us, HostDone done,
                gpointer data);
void sim_probe_cancel(Host *host, guint handle);
/* Those that wait for the guest of @domid look again. */
void sim_probes_wake(Sim *sim, guint32 domid);

static inline Sim *sim_of(Host *host)
{
    return (Sim *)host;
}

#endif
