/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A host in memory: domains, groups, reservations and records as a real one
 * has them, in virtual time, the same on every run. Any call of the engine
 * can be made to fail, before or after its effect, to hang, or to be the
 * last thing that the engine's process does.
 *
 * What stands for an xl.cfg, and for libxl's JSON, are lines "key = value":
 *
 *   name, uuid, memory (MiB), vcpus, on_poweroff, on_reboot, on_crash,
 *   on_watchdog, on_soft_reset    as in xl.cfg(5)
 *   shutdown_takes   seconds from being asked to the end of the guest (1)
 *   ignores          1: the guest never does what it is asked
 *   no_pv            1: it can be asked by ACPI only
 *   ends, ends_after what the guest does of itself ("crash", "poweroff",
 *                    "reboot", "watchdog", "soft reset"), seconds after it began to run
 *   ready_after      seconds from when the guest begins to run until any probe finds it
 *                    ready (0), or "never"
 *   no_soft_reset    1: it cannot be started again in place
 *   build_fails      1: its domain cannot be built
 *   suspend_takes    seconds from being asked to suspend until it stands still (0.5); more than
 *                    5 is too late: nobody waits so long
 *   no_suspend       1: it never does
 *   disk             a disk that can be written; each host has it until host_sim_set_absent()
 */
#ifndef DOMGRP_HOST_SIM_H
#define DOMGRP_HOST_SIM_H

#include "host.h"
#include "journal.h"
#include "links.h"

G_BEGIN_DECLS

/* A host with domain 0, 4 GiB of free memory and a hypervisor that knows groups. */
Host *host_sim_new(void);
void host_sim_set_groups(Host *host, gboolean has_groups);
/* Takes all groups and reservations out of the hypervisor; domains go to the Null-Group. */
void host_sim_drop_groups(Host *host);
void host_sim_set_memory(Host *host, guint64 free_kib);
/* This host has no disk @path. */
void host_sim_set_absent(Host *host, const char *path);
void host_sim_set_next_domid(Host *host, guint32 domid);

/* -- images: their files outlive the engine's process and the host's power -- */

/* Memory that still fits into images, in KiB; no end of it at first. */
void host_sim_set_image_room(Host *host, guint64 kib);
/* The members' disks become what they were when the image at @path was made. */
void host_sim_revert_disks(Host *host, const char *path);
/* The memory of the member @name in the image at @path cannot be read any more. */
void host_sim_break_image(Host *host, const char *path, const char *name);
/* A file by another name, and none by the old one; NULL @to: it is gone. */
void host_sim_move_image(Host *host, const char *path, const char *to);
/*
 * All files, a line each, sorted: "/a/shop.grp of shop: db web", with " (used)" before the colon,
 * "unfinished /a/shop.grp". Free with g_free().
 */
char *host_sim_describe_images(Host *host);

/* -- time -- */

/*
 * Lets things happen until nothing more is to come, or until @until_us
 * (if it is not negative). FALSE: the engine's process has died meanwhile,
 * or that on the host that this one is joined with.
 */
gboolean host_sim_run(Host *host, gint64 until_us);
/* The same for so long. */
gboolean host_sim_run_for(Host *host, gint64 us);

/* Whether it was this host's process. It is so until host_sim_forget(). */
gboolean host_sim_died(Host *host);

/* -- faults -- */

typedef enum {
    SIM_NONE,
    SIM_FAIL_BEFORE, /* the call fails and has done nothing */
    SIM_FAIL_AFTER,  /* the call does what it should, and says that it failed */
    SIM_HANG,        /* an asynchronous call never ends; others: SIM_FAIL_BEFORE */
    SIM_DEATH,       /* the call does what it should, and the process ends */
    /* Of the journal's writes; on any other call they are SIM_NONE. */
    SIM_LOST, /* it succeeds, but nothing was written: a write that was never synced */
    SIM_LATE, /* it changes places with the call after it: it succeeds at once, but is written
                 after the effect of the next call that has one; never, if the process dies
                 before that; at rest, if there is no next call */
} SimFault;

/* Puts @fault on the @nth call from now, of the host's and the journal's together; the first is 1.
 */
void host_sim_fault(Host *host, guint nth, SimFault fault);
/* The same on the @nth call of the function @call: "domain_create", "journal_group_put"... */
void host_sim_fault_on(Host *host, const char *call, guint nth, SimFault fault);
/*
 * Besides the fault that is put already: LOST or LATE on the @nth call since then. Putting a fault
 * takes it away.
 */
void host_sim_mutate(Host *host, guint nth, SimFault fault);
/* How many calls there were since the fault was put (of that function, if it was put on one). */
guint host_sim_calls(Host *host);
/* What the call with the fault was, "domain_create"; NULL if it did not come to it. */
const char *host_sim_fault_call(Host *host);
/* What the write that was lost last would have noted: "a domain is being built"; NULL: none was. */
const char *host_sim_lost_write(Host *host);
/*
 * After the engine was freed: forgets its calls, timers and watch, and lets
 * a new one begin. A call that is under way stays half done.
 */
void host_sim_forget(Host *host);
/* Power off and on: what ran is gone, groups too. */
void host_sim_reboot(Host *host);

/* -- what others do on the host; domains by name; FALSE if there is none -- */

/* Creates and unpauses a domain as xl does, with xl's monitor. */
gboolean sim_xl_create(Host *host, const char *text, guint32 *ret_domid);
gboolean sim_xl_destroy(Host *host, const char *name);
gboolean sim_xl_shutdown(Host *host, const char *name);
gboolean sim_xl_reboot(Host *host, const char *name);
gboolean sim_xl_pause(Host *host, const char *name);
gboolean sim_xl_unpause(Host *host, const char *name);
/* Asks the guest to suspend; when it has, its memory is saved, and then its domain is destroyed. */
gboolean sim_xl_save(Host *host, const char *name);
/* The guest becomes ready, whatever its ready_after says. */
gboolean sim_guest_ready(Host *host, const char *name);
/* The guest ends by itself. */
gboolean sim_guest_end(Host *host, const char *name, HostReason reason);

/* -- what is there -- */

/*
 * All domains (but 0), groups, reservations and records, a line each, sorted,
 * without domids, so that two moments can be compared. Free with g_free().
 */
char *host_sim_describe(Host *host);
/* The UUID of the group that the domain's own directory names, "" if none; NULL: no domain. */
const char *host_sim_domain_record(Host *host, const char *name);
/* How many domains of this name were ever created. */
guint host_sim_created(Host *host, const char *name);
/* Whether its guest has begun and not ended, paused or not. */
gboolean host_sim_domain_runs(Host *host, const char *name);
/* Whether it runs and has become ready; a pause does not change that. */
gboolean host_sim_domain_ready(Host *host, const char *name);

/* -- what happened, for a checker -- */

typedef enum {
    SIM_BUILT,     /* its domain is complete, paused, and its guest has not begun; after a soft
                      reset once more */
    SIM_RUNS,      /* its guest has begun */
    SIM_READY,     /* any probe finds it ready from now on */
    SIM_ASKED,     /* its guest was asked to end; it is told again if it is asked again */
    SIM_ENDED,     /* its guest has ended, its domain is still there */
    SIM_DESTROYED, /* its domain is gone, half built or whole */
    SIM_PAUSED,    /* a guest that has begun stands still, by itself or with its group */
    SIM_UNPAUSED,  /* it goes on */
    SIM_SUSPENDED, /* it stands still with its memory; told before anybody can save that */
    SIM_RESUMED,   /* it goes on from there */
    SIM_REMOVED,   /* an image is gone; the name is its path */
} SimWhat;

typedef struct {
    SimWhat what;
    const char *name;
    guint32 domid;
    gint64 at_us;
    gboolean by_daemon; /* a call of the engine did it; FALSE: the guest (READY and ENDED always),
                           xl, xl's monitor, a power cut */
    gboolean lost;      /* of DESTROYED and REMOVED: there was memory of a guest that could have
                           gone on, and it is nowhere else */
    gboolean old;       /* of RUNS: its memory is from an image, and its disks have moved on since;
                           of RESUMED, and of UNPAUSED after that: they have since it was suspended */
    gboolean unmarked;  /* of RUNS: its memory is from an image that is not marked used */
    gboolean twice;     /* of RUNS, UNPAUSED, RESUMED: a copy of it runs on the other host, too */
    gboolean asked;     /* of RESUMED: a toolstack had asked it to suspend */
} SimMoment;

typedef void (*SimTrace)(gpointer data, const SimMoment *moment);

/*
 * Calls @trace at each moment, when it takes effect in the simulated world and the functions
 * above tell of it (of DESTROYED: when they do not any more), whether or not the engine ever
 * hears of it. It must change nothing. It outlives host_sim_forget() and
 * host_sim_reboot(); NULL ends it.
 */
void host_sim_trace(Host *host, SimTrace trace, gpointer data);
/* "built", "runs"... */
const char *host_sim_what_name(SimWhat what);

/* -- two hosts, and the connections between their daemons -- */

/*
 * From now on both live in one virtual time, whichever of them is run, and the members of a group
 * have the same disks on both. No guest has run on @other yet; @host's events come first of two
 * at one time.
 */
void host_sim_join(Host *host, Host *other);
/*
 * The daemon's connections on @host, which it borrows; those that it makes reach the host that
 * @host is joined with. It outlives host_sim_forget(), which ends its connections and its watch:
 * the other side hears what was said before. Of a host that is rebooted it hears nothing more, and
 * misses it after 30 s. links_connect and links_say are calls that can be given a fault: after one
 * that fails the connection breaks.
 */
Links *links_sim_new(Host *host);
/*
 * Cuts the connections at the @nth message that is said here from now, or now if that is 0: it is
 * lost, and so is all that is under way.
 */
void links_sim_cut(Links *links, guint nth);
/* Whether connections can be made to or from here; at first they can. */
void links_sim_set_reachable(Links *links, gboolean reachable);

/* -- a journal in memory; its calls are counted and can fail with @host's, which it borrows -- */

Journal *journal_sim_new(Host *host);
/* Takes back the last @n writes, as a disk without working flushes would at a power cut. */
void journal_sim_lose(Journal *journal, guint n);
/* Groups, open operations and open migrations, a line each, sorted. Free with g_free(). */
char *journal_sim_describe(Journal *journal);

G_END_DECLS

#endif
