/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the files of host/xen share; nobody else includes it. */
#ifndef HOST_XEN_PRIVATE_H
#define HOST_XEN_PRIVATE_H

#include "align.h"
#include "collector.h"
#include "host-xen.h"
#include "image-file.h"
#include "relay.h"
#include "xendomgrp.h"

#include <gio/gio.h>
#include <libxl.h>
#include <libxl_utils.h>
#include <unistd.h>
#include <xenctrl.h>
#include <xenstore.h>

/*
 * How many jobs run at once. Building a domain is work for a CPU: beyond one
 * more than there are CPUs, builds only slow each other down (at one CPU, 8 at
 * once took twice as long as 8 in turn), and they must not keep a pause waiting.
 */
#define JOBS_MAX 16
#define BUILDS_MAX CLAMP(g_get_num_processors() + 1, 2, JOBS_MAX)
/* Programs that are asked whether members are ready; they mostly wait. */
#define PROGRAMS_MAX 8

/* Closes *@fd unless it is -1, which it is then. */
static inline void fd_close(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

/* -- xl.c: libxl as one thread uses it -- */

/* A libxl context, and what libxl said last when it failed. */
typedef struct {
    xentoollog_logger logger; /* first: libxl hands it back */
    libxl_ctx *ctx;
    char *cause; /* the first error that libxl or libxc logged, or NULL */
} Xl;

Xl *xl_new(GError **error);
void xl_free(Xl *xl);
/* "what: why" from libxl's code @rc and what it logged since xl_forget(). Always FALSE. */
gboolean xl_fail(Xl *xl, int rc, GError **error, const char *format, ...) G_GNUC_PRINTF(4, 5);
void xl_forget(Xl *xl);
/* libxl_domain_suspend(), begun only: @how is not NULL. It must not be called but by this. */
int xl_domain_suspend(Xl *xl, guint32 domid, int fd, int flags, const libxl_asyncop_how *how);

/*
 * A call of libxl that takes long and that another thread may break off. It is given &how, and
 * its result to xl_call_wait().
 */
typedef struct {
    libxl_asyncop_how how;
    GMutex lock; /* protects what follows */
    Xl *xl;      /* while it runs */
    gboolean broken;
} XlCall;

void xl_call_init(XlCall *call);
void xl_call_clear(XlCall *call);
/* Waits for what was begun, if it was, and returns libxl's code. */
int xl_call_wait(XlCall *call, Xl *xl, int begun);
/* From any thread: it ends soon, with CANCELLED unless it was over. */
void xl_call_break(XlCall *call);

/* A logger for what reports by errno alone, usable from any thread. */
extern xentoollog_logger xl_silent;

/* -- host-xen.c -- */

typedef struct Job Job;

typedef struct {
    Host host; /* first */
    GMainContext *context;
    xc_interface *xc;
    xendomgrp_handle *groups; /* NULL: the hypervisor has none */
    struct xs_handle *xs;     /* records and watches, from any thread */
    Xl *xl;                   /* the main thread's */
    HostFacts facts;          /* those that do not change */
    AlignServer *align;       /* NULL: members that are saved live stop each by itself */
    char *spool;              /* a folder for what an image that comes in needs kept, or NULL */
    guint n_jobs;             /* started and not yet reported; the main thread's */
    GSource *rest;            /* gives back what jobs took when there are none for a while */

    GThreadPool *builds;   /* domain_create */
    GThreadPool *programs; /* EXEC probes */
    GThreadPool *saves;    /* as many as there are members that are being saved or received: they
                            * wait for each other, or for another host */
    GThreadPool *watches;  /* of one thread: watches of xenstore and what they tell, in order */
    GThreadPool *pool;     /* everything else */
    GMutex lock;           /* protects what follows */
    GQueue done;           /* of Job, to be reported */
    GSource *reporter;
    GQueue contexts;   /* of Xl that no job uses now: opening one costs more than many a job */
    GCond domain_gone; /* signalled when a domain may have gone */

    GSource *watcher;
    HostChanged changed;
    gpointer changed_data;

    GHashTable *probes; /* handle to Probe; probe.c's */
    guint last_probe;
    GQueue waiting;     /* of Probe: programs whose turn has not come */
    guint n_programs;   /* those that run */
    GHashTable *askeds; /* domid to Asked; asked.c's */
    guint last_asked;
    GQueue images; /* of HostImage, those that something still works on */
} HostXen;

static inline HostXen *host_xen(Host *host)
{
    return (HostXen *)host;
}

/* -- job.c: what runs on a thread of the pool -- */

/* A copy of a HostRecord that its job owns. */
typedef struct {
    HostRecord record;
    char *name;
    char **member_names;
    char **member_uuids;
} OwnRecord;

struct Job {
    gboolean (*run)(Job *job, GError **error); /* on a thread of the pool */
    void (*report)(Job *job);                  /* on the main context */
    HostXen *host;
    Xl *xl; /* while it runs, unless without_xl */
    gboolean without_xl;
    GThreadPool *pool; /* the host's for everything else, unless something else is put here */
    GError *error;

    union {
        HostDone done;
        HostCreated created;
        HostConfigured configured;
        void (*paused)(gpointer data, const HostPause *pause, const GError *error);
    } callback;
    gpointer data;
    GDestroyNotify data_free; /* on the main context, or NULL */

    /* arguments, those that the operation has */
    guint32 domid;
    char uuid[DOMGRP_UUID_TEXT];
    char *text; /* JSON, xl.cfg or a watch's token */
    char *path;
    char *directory;
    HostShutdown how;
    gboolean fallback;
    guint32 group_id;
    GArray *domids; /* of guint32 */
    OwnRecord own;
    HostImage *image;

    /* results */
    HostConfig *config;
    HostPause pause;
    char *value; /* what xenstore holds, NULL if nothing */
    HostImageInfo *info;
};

Job *job_new(Host *host, gboolean (*run)(Job *job, GError **error), void (*report)(Job *job),
             gpointer data);
void job_set_domain(Job *job, guint32 domid, const char *uuid);
void job_set_domids(Job *job, guint n, const guint32 *domids);
void job_set_record(Job *job, const HostRecord *record);
void job_start(Job *job);
void job_report_done(Job *job); /* for HostDone */
/* Gives @job its xl; for one without_xl that turns out to need it. */
gboolean job_take_xl(Job *job, GError **error);

/* A source of the host's context that calls @callback at its ready time. */
GSource *source_new(HostXen *host, GSourceFunc callback, gpointer data);
void source_free(GSource *source);

gboolean jobs_init(HostXen *host, GError **error);
void jobs_clear(HostXen *host);

/* -- domains.c: what the hypervisor lists -- */

gboolean domains_facts(Host *host, HostFacts *ret_facts, GError **error);
gboolean domains_list(Host *host, GArray **ret_domains, GError **error);
/* The domain of @domid in *@ret_domain; FALSE if there is none. */
gboolean domains_find(HostXen *host, guint32 domid, HostDomain *ret_domain);
/* Whether @domid is there and has no hardware emulated. */
gboolean domains_is_pv(HostXen *host, guint32 domid);
/* DOMAIN_UNKNOWN unless @domid exists and has @uuid. */
gboolean domains_check(HostXen *host, guint32 domid, const char *uuid, HostDomain *ret_domain,
                       GError **error);
gboolean domains_lookup(Host *host, const char *name, guint32 *ret_domid,
                        char ret_uuid[DOMGRP_UUID_TEXT], GError **error);
char *domains_name(Host *host, guint32 domid);
void uuid_to_text(const xen_domain_handle_t uuid, char ret_text[DOMGRP_UUID_TEXT]);
void uuid_from_text(const char *text, xen_domain_handle_t ret_uuid);

/* -- groups.c: group objects and pause -- */

gboolean groups_list(Host *host, GArray **ret_groups, GError **error);
gboolean groups_create(Host *host, const char *uuid, guint32 *id, GError **error);
gboolean groups_destroy(Host *host, guint32 id, GError **error);
gboolean groups_join(Host *host, guint32 id, guint32 domid, const char *uuid, GError **error);
gboolean groups_reserve(Host *host, guint32 id, const char *uuid, GError **error);
gboolean groups_unreserve(Host *host, guint32 id, const char *uuid, GError **error);
void groups_pause(Host *host, guint32 id, guint n_domids, const guint32 *domids,
                  void (*done)(gpointer data, const HostPause *pause, const GError *error),
                  gpointer data);
void groups_unpause(Host *host, guint32 id, guint n_domids, const guint32 *domids, HostDone done,
                    gpointer data);

/* -- config.c: members' configurations -- */

void config_read(Host *host, const char *path, const char *text, const char *directory,
                 HostConfigured done, gpointer data);
void config_retrieve(Host *host, guint32 domid, HostConfigured done, gpointer data);
gboolean config_parse(Host *host, const char *json, HostConfig **ret_config, GError **error);
/* Reads @json with the libxl context of any thread; dispose of *@ret_parsed if it is TRUE. */
gboolean config_load(Xl *xl, const char *json, libxl_domain_config *ret_parsed, GError **error);
/* config_parse() with the libxl context of any thread. */
gboolean config_facts(Xl *xl, const char *json, HostConfig **ret_config, GError **error);
gboolean config_map(Host *host, const char *json, const HostConfigMap *map, HostConfig **ret_config,
                    GError **error);

/* -- child.c: a program that is run, on a thread of a job -- */

/* The number under which it finds the file that it is given. */
#define CHILD_FILE 3

typedef enum {
    CHILD_EXITED,
    CHILD_NOT_STARTED,
    /* and killed, because it: */
    CHILD_LATE,
    CHILD_LOUD,
    CHILD_CANCELLED
} ChildEnd;

typedef struct {
    const char *const *argv; /* argv[0] is looked for in PATH if it has no slash */
    const char *const *environment;
    const char *directory;
    int file; /* stays the caller's; -1: none */
    gint64 timeout_us;
    gsize output_max;
    gboolean drains;           /* more output is forgotten; FALSE: is CHILD_LOUD */
    GCancellable *cancellable; /* from any thread; or NULL */
    GString *out;              /* what it prints is added here */
    GString *err;              /* likewise; may be the same */
    int status;                /* result: as of waitpid(), an errno value if NOT_STARTED */
} Child;

/* Returns when it has ended; what it left in its process group is ended then, too. */
ChildEnd child_run(Child *child);

/* "PATH=..." for its environment; free with g_free(). */
char *child_path(void);

/* -- text.c: what guests and programs say -- */

#define TEXT_LINE_MAX 200

/* The first line of @output after ": ", or "". */
char *text_line(const GString *output);

/* -- helper.c: libxl's save helper -- */

/* Before other threads are there: changes the environment. Says in the log what it found. */
void helper_init(HostXen *host);
void helper_clear(HostXen *host);

/* -- dryrun.c: xl reads an xl.cfg -- */

/* The libxl JSON of @text; stdout of `xl create --dryrun`. MEMBER_CONFIG in xl's own words. */
gboolean dryrun(const char *path, const char *text, const char *directory, char **ret_json,
                GError **error);

/* -- life.c: what is done to one domain -- */

void life_create(Host *host, const char *json, const HostRecord *record, HostCreated done,
                 gpointer data);
/*
 * In a job: builds a domain of the JSON in its text, with its own record, and puts that into its
 * domid. @restore reads its memory from the pipe @fd; without it (NULL) it is
 * a new one. If @is_good, which is asked when it is built, says no, it is as if it had failed.
 */
typedef struct {
    int fd;
    gboolean (*is_good)(gpointer data, gboolean built, GError **error);
    gpointer data;
} Restore;
gboolean life_build(Job *job, const Restore *restore, GError **error);
void life_unpause(Host *host, guint32 domid, const char *uuid, HostDone done, gpointer data);
void life_shutdown(Host *host, guint32 domid, const char *uuid, HostShutdown how, gboolean fallback,
                   HostDone done, gpointer data);
void life_destroy(Host *host, guint32 domid, const char *uuid, HostDone done, gpointer data);
void life_preserve(Host *host, guint32 domid, const char *uuid, HostDone done, gpointer data);
void life_coredump(Host *host, guint32 domid, const char *uuid, HostDone done, gpointer data);
void life_soft_reset(Host *host, guint32 domid, const char *uuid, const char *json, HostDone done,
                     gpointer data);

void life_resume(Host *host, guint32 domid, const char *uuid, HostDone done, gpointer data);

/* -- image.c, image-save.c, image-restore.c, image-receive.c: images -- */

/* What their pipes hold: the less often who writes and who reads have to take turns, the better. */
#define IMAGE_PIPE_SIZE (1024 * 1024)

/* A pipe whose ends programs that are started do not get. */
gboolean pipe_new(int ret_ends[2], GError **error);

/* The stream of one member that is being saved. */
typedef struct {
    HostImage *image;
    guint number; /* in the image */
    guint32 domid;
    char uuid[DOMGRP_UUID_TEXT];
    gboolean live;
    int pipe[2];
    int failed; /* an errno value: there is no pipe */
    XlCall call;
    CollectorStream *stream;
    gboolean ended;  /* libxl has: the main thread's, as what follows */
    GError *error;   /* why it failed */
    gboolean copied; /* image_copy() is done */
    gboolean asked;  /* image_suspend() was called */
    gboolean still;  /* image_suspend() is done */
    HostDone done;   /* of the call that is under way, or NULL */
    gpointer data;
    GQueue after; /* of Job: what is to be done when it has ended */
} Saving;

typedef struct Inflow Inflow;

/* Counted by g_rc_box on the main thread. */
struct HostImage {
    HostXen *host;
    GCancellable *cancellable;
    gboolean closed;

    /* one that is written */
    char *path;
    char *group_name;
    char *group_uuid;
    char *member_names; /* between spaces */
    GStrv member_uuids; /* by number */
    guint64 total_bytes;
    ImageFile *file; /* or */
    int out;         /* what is written here goes to the other host, by the relay; or -1 */
    Relay *relay;    /* also of an image that comes in */
    ImageWriter *writer;
    Collector *collector;
    GSource *settle;    /* set ready by any thread: calls may be done */
    GMutex lock;        /* held to add to savings, and by other threads */
    GPtrArray *savings; /* of Saving */
    Align *align;       /* of the live ones that were begun last; or NULL */

    /* one that is read */
    int fd;
    ImageReader *reader;
    GMutex reading;     /* the reader is one thread's at a time */
    guint64 read_bytes; /* of members' streams; atomic */

    /* one that comes in, image-receive.c's */
    Inflow *inflow;
};

/* A job on @image, which is kept until it was reported. */
Job *image_job(HostImage *image, gboolean (*run)(Job *job, GError **error),
               void (*report)(Job *job), gpointer data);
HostImage *image_new(HostXen *host);
void image_unref(HostImage *image);
void image_progress(Host *host, const HostImage *image, HostImageProgress *ret_progress);
void image_cancel(Host *host, HostImage *image);
void image_close(Host *host, HostImage *image);
void image_remove(Host *host, const char *path, const char *image_uuid, HostDone done,
                  gpointer data);
/* Domains came, ended or went. */
void images_domains_changed(HostXen *host);
/* Breaks off all work on images. */
void images_cancel(HostXen *host);
/* Frees them when nothing works on them any more. */
void images_clear(HostXen *host);

void image_create(Host *host, const HostImageSpec *spec, HostImageOpened done, gpointer data);
void image_copy(Host *host, HostImage *image, guint32 domid, const char *uuid, HostDone done,
                gpointer data);
void image_suspend(Host *host, HostImage *image, guint32 domid, const char *uuid, HostDone done,
                   gpointer data);
void image_snapshot(Host *host, HostImage *image, const char *command, HostDone done,
                    gpointer data);
void image_save(Host *host, HostImage *image, guint32 domid, const char *uuid, HostDone done,
                gpointer data);
void image_finish(Host *host, HostImage *image, HostDone done, gpointer data);
/* Calls that are done are told so. */
void image_settle(HostImage *image);
void saving_free(Saving *saving);
/* If @domid is being saved: breaks that off, starts @job when it has ended, and returns TRUE. */
gboolean saving_break(HostXen *host, guint32 domid, Job *job);

void image_open(Host *host, const char *path, HostImageOpened done, gpointer data);
void image_restore(Host *host, HostImage *image, const char *member_uuid, const char *json,
                   const HostRecord *record, HostCreated done, gpointer data);
void image_use(Host *host, HostImage *image, HostDone done, gpointer data);

/*
 * What libxl is given of a member's stream: not what xl put in front of it, and its beginning in
 * any case. All zero but skip, to begin with.
 */
typedef struct {
    gsize skip;  /* what is left of xl's part */
    gsize front; /* so much of libxl's beginning was there */
} LibxlFront;

/* Writes libxl's beginning into a pipe, which is empty. */
void libxl_front_write(int fd);
/* Leaves of @*bytes what libxl is to be given; FALSE with IMAGE if it is no stream of libxl's. */
gboolean libxl_front_take(LibxlFront *front, const guint8 **bytes, gsize *length, GError **error);
/* Whether the stream had all of that. */
gboolean libxl_front_whole(const LibxlFront *front, GError **error);
/* In a job with libxl: @from in its info. */
gboolean image_info_fill(Job *job, const ImageInfo *from, GError **error);
/* The number of the member @uuid; VALUE if there is none. */
gboolean image_member_find(const ImageInfo *info, const char *uuid, guint *ret_member,
                           GError **error);

void image_receive(Host *host, int fd, guint n_members, guint64 memory_kib, HostImageOpened done,
                   gpointer data);
/* In a job: image_restore() of an image that comes in. */
gboolean inflow_restore(Job *job, GError **error);
/* Whoever waits for something of it finds that it was cancelled. */
void inflow_wake(Inflow *inflow);
/* Waits for its thread, after it was cancelled. */
void inflow_join(Inflow *inflow);
void inflow_free(Inflow *inflow);

/* -- record.c: xenstore -- */

/* Writes @record below the directory of @domid; no error if there is no such domain. */
gboolean record_write_domain(HostXen *host, const HostRecord *record, guint32 domid,
                             GError **error);
void record_publish(Host *host, const HostRecord *record, guint n_domids, const guint32 *domids,
                    HostDone done, gpointer data);
void record_unpublish(Host *host, const char *uuid, guint n_domids, const guint32 *domids,
                      HostDone done, gpointer data);

/* -- probe.c: whether a member is ready -- */

guint probe_start(Host *host, const HostProbe *what, gint64 timeout_us, HostDone done,
                  gpointer data);
void probe_cancel(Host *host, guint handle);
/* A watch with @token, which begins with PROBE_TOKEN, has fired. */
void probe_key_changed(HostXen *host, const char *token);
/* Domains came, ended or went. */
void probes_domains_changed(HostXen *host);
void probes_clear(HostXen *host);

/* -- asked.c: whether a toolstack has asked a guest to end -- */

/* Fills in *@domain's asked. */
void asked_look(HostXen *host, HostDomain *domain);
/* All domains there are have been looked at since this was called last. */
void asked_sweep(HostXen *host);
/* We are going to ask it to suspend; what is asked of it until asked_suspend_end() is ours. */
void asked_suspend(HostXen *host, guint32 domid, const char *uuid);
void asked_suspend_end(HostXen *host, guint32 domid, const char *uuid);
/* On any thread: takes back a request to suspend that the guest has not read. */
void asked_withdraw(HostXen *host, guint32 domid);
/* The guest of @domid begins anew. */
void asked_forget(HostXen *host, guint32 domid);
/* A watch with @token, which begins with ASKED_TOKEN, has fired. */
void asked_written(HostXen *host, const char *token);
void asked_clear(HostXen *host);

/* -- events.c: watches and timers -- */

/* The first characters of watches' tokens tell whose they are. */
#define EVENTS_TOKEN 'd'
#define PROBE_TOKEN 'p'
#define ASKED_TOKEN 'a'

/* A job on the thread for watches; its path and text are these. */
Job *watch_job(HostXen *host, gboolean (*run)(Job *job, GError **error), void (*report)(Job *job),
               const char *path, const char *token);
/* In such a job: sets the watch. */
gboolean watch_set(Job *job, GError **error);
/* In such a job: reads the key; free with free(). NULL without an error if it is not there. */
char *watch_read(Job *job, guint *ret_length, GError **error);
/* After all that was started before: drops the watch. */
void watch_drop(HostXen *host, const char *path, const char *token);

gboolean events_init(HostXen *host, GError **error);
void events_clear(HostXen *host);
void events_watch(Host *host, HostChanged changed, gpointer data);
gint64 events_now(Host *host);
guint events_timer_add(Host *host, gint64 delay_us, HostTimeout timeout, gpointer data);
void events_timer_cancel(Host *host, guint timer);

#endif
