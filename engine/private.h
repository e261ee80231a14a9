/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the files of the engine share, and nobody else sees.
 *
 *   engine.c     the object, its lists and look-ups, what it accepts and refuses
 *   recover.c    a new engine: the journal compared with the host
 *   reality.c    what domains() says, made into states; a member whose guest ended
 *   group.c      a group's and a member's data, in memory, journal and hypervisor
 *   order.c      which member needs which, circles, tiers
 *   operation.c  an operation: what was asked, its record, its wait, beginning and end
 *   schedule.c   the scheduler: phases, order, parallel members, failure policy, undoing
 *   kinds.c      one row per kind of operation: when it may run and its phases
 *   steps.c      the steps that phases are made of; calls the host about members
 *   ready.c      the step that waits until a member is ready
 *   create.c     the checks that a new group passes before anything changes
 *   image.c      the steps that write an image, and what becomes of members that stand still for it
 *   restore.c    the steps that read one
 *   join.c       the steps of a join
 *   migration.c, transaction.c   a group's migration: its table, and one side's driver; see there
 *   migrate*.c, settle.c   binds that to group, operations, host and connection; see migrate.h
 *   work.c       runs a list of steps on one member or group; one event loop's turn
 *
 * Everything happens in a turn (engine_turn): a callback of the host notes
 * its result and calls it; it reads reality, runs what can run, and repeats
 * until nothing can. So no step ever runs inside another.
 */
#ifndef DOMGRP_ENGINE_PRIVATE_H
#define DOMGRP_ENGINE_PRIVATE_H

#include "engine.h"
#include "order.h"
#include "transaction.h"

#define ENGINE_MAX_GROUPS 4096
#define ENGINE_MAX_MEMBERS 1024
#define ENGINE_MAX_OPERATIONS 256
#define ENGINE_PARALLEL 8
#define ENGINE_TIMEOUT_S 300
#define ENGINE_UNDO_TIMEOUT_S 60 /* for a ready member to shut down when its start is undone */
#define ENGINE_MAX_QUEUED 16     /* operations that wait for others on one group */
#define ENGINE_MAX_RECEIVES 8    /* groups that come from other hosts at a time */
#define ENGINE_RESTART_US                                                                          \
    (10 * G_USEC_PER_SEC) /* a member restarts by itself at most this often                        \
                           */

typedef struct MemberNode MemberNode;
typedef struct OperationNode OperationNode;
typedef struct Work Work;
typedef struct Migration Migration;

struct Engine {
    Host *host;
    Journal *journal;
    const EngineListener *listener;
    gpointer listener_data;
    HostFacts facts; /* boot_id, has_groups and version stay; memory is asked anew */
    guint parallel;
    GHashTable *groups;    /* UUID to Group, which it owns; default and unfinished ones too */
    Group *group0;         /* in groups */
    Group *null;           /* in groups */
    GHashTable *members;   /* UUID to MemberNode of a group that is not a default one */
    GHashTable *strangers; /* domid to MemberNode of a default group */
    GPtrArray *operations; /* of Operation, which it owns, oldest first */
    GPtrArray *works;      /* of Work, which it owns */
    gboolean live;         /* engine_new() is done: the listener may be told */
    gboolean turning;      /* in engine_turn() */
    gboolean again;        /* something happened: turn once more */
    guint retry;           /* timer of engine_retry() */
    guint soon;            /* timer of engine_soon() */
    Links *links;          /* or NULL */
    GPtrArray *settlings;  /* who waits for an operator's word to be taken */
    char *images;          /* the folder of SUSPEND's images, or NULL */
};

struct Group {
    Engine *engine;
    char uuid[DOMGRP_UUID_TEXT];
    char *name;
    char *text;
    DomgrpSettings *settings;
    guint32 id;
    gboolean is_default;
    gboolean defined; /* listed; a group being created is not until it is in the journal */
    gboolean paused;
    gboolean failed;        /* members failed too often: nothing starts by itself any more */
    gboolean boot_start;    /* the host has booted, and it is to start then */
    gboolean stop_wanted;   /* a member failed, and the group is to be shut down for it */
    GArray *failures;       /* of gint64: when members failed, as far back as counts */
    gboolean doubt;         /* a write of it failed: the journal may have it or not */
    gboolean pause_doubt;   /* an unpause failed: the hypervisor may have done it or not */
    gboolean changed;       /* since the journal was read */
    gboolean in_hypervisor; /* and its reservations are made */
    gboolean publish;       /* its record in xenstore is not what it should be */
    gboolean unpublished;   /* likewise, after a failure: to be tried again */
    Work *publisher;        /* the one that makes it so */
    char image_uuid[DOMGRP_UUID_TEXT]; /* these three as in the journal */
    char *image_path;
    gboolean image_old;
    GPtrArray *members; /* of MemberNode, which it owns, in the order of the group file */
    Operation *operation;
    Migration *migration; /* that is open, or NULL */
    GroupState told;      /* the state that the listener heard last */
};

struct MemberNode {
    Member shown; /* first: a MemberNode is a Member */
    Group *group;
    OperationNode *node; /* what the operation that runs has of it, or NULL */
    Work *work;          /* what is being done to it, or NULL: one at a time */
    gboolean owned;      /* as in the journal; with no owned_domid: its domain is being replaced */
    guint32 owned_domid; /* likewise */
    guint32 suspend_domid; /* likewise: the domain that we have asked to suspend */
    guint32 asked_domid;   /* the domain that we have asked to end */
    gboolean still_asked;  /* it stands still because somebody else had asked for that */
    gboolean owner_doubt;  /* a write of these failed: the journal may have it or not */
    HostDomain domain;     /* as domains() said last; domid is HOST_DOMID_NONE if it has none */
    HostDomain next;       /* the same while domains() is read */
    GPtrArray *needs;      /* of MemberNode: those that must run before it */
    gint64 restart_us;     /* when it may restart by itself again */
    gint64 hold_us;     /* when the daemon may do something about it by itself, after a failure */
    guint timer;        /* for these */
    guint32 kept_domid; /* the ended domain that its configuration says to keep */
    guint32 no_reset_domid; /* the domain that a soft reset was tried on in vain */
    guint32 failed_domid;   /* the domain whose failure was counted last */
    gboolean revive;        /* it failed in xl's hands, which do not start it again: ours do */
};

/* -- steps and works (work.c) -- */

typedef enum {
    STEP_DONE,    /* the next step can run */
    STEP_CALL,    /* a call of the host is under way: work_called() ends the step */
    STEP_END,     /* the steps that follow are not needed */
    STEP_WATCH,   /* not yet: run the step again when something has changed */
    STEP_SKIPPED, /* the member is not tried, and the error says why */
    STEP_FAILED,  /* and the error is set */
} StepResult;

typedef StepResult (*StepRun)(Work *work, GError **error);

typedef struct {
    StepRun run;       /* NULL ends a list of steps */
    const char *doing; /* for people; NULL: not worth telling */
    MemberState state; /* the member's meanwhile, MEMBER_STATE_COUNT: what reality says */
} Step;

struct Work {
    Engine *engine;
    Operation *operation; /* NULL: what a member's own end makes the daemon do */
    OperationNode *node;  /* the operation's view of member, or NULL */
    Group *group;
    MemberNode *member; /* NULL: the work is on the group */
    const Step *steps;
    guint next;
    enum { WORK_READY, WORK_CALL, WORK_WATCH, WORK_OVER } state;
    gboolean stop;               /* end before the next step */
    gboolean complete;           /* it came to the end of its steps */
    guint timer;                 /* for the deadline */
    gint64 deadline;             /* 0: none */
    guint wake;                  /* timer of work_wake() */
    guint32 domid;               /* the domain that the work began with, then the one it built */
    gboolean ours;               /* likewise */
    HostAction action;           /* what to do with it when it has ended */
    gboolean runs;               /* its domain runs already: it has only to be ready */
    gboolean skipped;            /* a step said STEP_SKIPPED */
    gboolean unasked;            /* the guest had ended before it was to be asked to */
    gboolean destroys;           /* the guest's time is up, and its domain is destroyed for it */
    gboolean takes_over;         /* xl's domain is shut down, and built again as ours */
    gboolean back;               /* xl has started it again */
    gboolean retracting;         /* it was asked to end before it is destroyed */
    guint tries;                 /* of a call that is made again when it fails */
    const MemberNode *waits_for; /* what it needs and is not there yet */
    struct {
        guint handle;   /* of the attempt under way; 0: none */
        gint64 end;     /* when its time is up; 0: it does not run yet */
        gint64 next;    /* when the next attempt is due */
        gint64 delay;   /* between the last attempt and that */
        gboolean ready; /* the last attempt found it so */
        GError *seen;   /* what it found instead */
    } probe;
    GError *error;
};

Work *work_new(Engine *engine, Operation *operation, OperationNode *node, Group *group,
               MemberNode *member, const Step *steps);
/* The present step's call has ended, well or with @error, which is copied. */
void work_called(Work *work, const GError *error);
/* A HostDone whose data is the Work. */
void work_done(gpointer work, const GError *error);
/* A HostCreated whose data is the Work, which has to do with that domain from then on. */
void work_built(gpointer work, guint32 domid, const GError *error);
/* Lets a step that watches fail after @delay_us; see work_late(). */
void work_set_deadline(Work *work, gint64 delay_us);
gboolean work_late(const Work *work);
/* Has a turn after @delay_us, unless it is to have one anyway. */
void work_wake(Work *work, gint64 delay_us);
/* Ends @work before its next step; the call that is under way ends first. */
void work_stop(Work *work);
void work_free(Work *work);
/* What @work does now, for people; NULL if it is not worth telling. */
const char *work_doing(const Work *work);
const char *work_seen(const Work *work); /* likewise, what it waits for */

/* Something happened: reads reality and runs what can run. */
void engine_turn(Engine *engine);
void engine_timeout(gpointer engine); /* a HostTimeout */
void engine_changed(gpointer engine); /* a HostChanged */
/* Something could not be done: has another turn a little later. */
void engine_retry(Engine *engine);
/* Has a turn as soon as whoever calls has returned. */
void engine_soon(Engine *engine);

/* -- groups (group.c) -- */

Group *group_new(Engine *engine, const char *uuid, const char *name);
void group_free(Group *group);
MemberNode *member_new(Group *group, const HostConfig *config); /* not yet in group->members */
void member_free(MemberNode *member);
gboolean member_runs(const MemberNode *member); /* it has a domain whose guest has not ended */
gboolean member_has_domain(const MemberNode *member);
gboolean member_stands_still(const MemberNode *member); /* it has suspended (reality.c) */
/* What the journal says of its domain: that one is being built; that the present one is being
 * ended for good; else that it is ours, or is not. */
gboolean member_is_intended(const MemberNode *member);
gboolean member_is_ending(const MemberNode *member);
/* Its domain is one that was not let run yet, or is on its way out. */
gboolean member_is_half_there(const MemberNode *member);
gboolean member_is_up(const MemberNode *member); /* it runs, and was let run */
const DomgrpMemberSettings *member_settings(const MemberNode *member); /* or NULL */
/* Makes its members' needs what its settings say. FALSE: they name what is no member, or a circle
 */
gboolean group_order(Group *group, GError **error);
/* It works again, as far as an operator is concerned: forgets that its members failed. */
void group_forgive(Group *group);
gboolean group_stopped(const Group *group); /* no member runs */
GroupState group_state(const Group *group);
MemberNode *group_find_member(const Group *group, const char *name_or_uuid); /* or NULL */
/* The domids of the members that have a domain; an array of guint32. */
GArray *group_domids(const Group *group);
gboolean group_idle(const Group *group); /* nothing is being done to it or a member */
/* An image holds what its members' memory was, and none has run since. */
gboolean group_has_image(const Group *group);
gboolean group_is_suspended(const Group *group); /* likewise, in our own storage */
/* Notes that a member runs, or is to, otherwise than from that image; not yet in the journal. */
void group_leave_image(Group *group);

/* It is listed from now on. */
void group_define(Group *group);
/* The group as it is in memory, for the journal; the caller's. */
JournalGroup *group_to_journal(const Group *group);
/* The group in the words that images and offers have, and back; the latter without its members. */
GKeyFile *group_to_keys(const Group *group);
gboolean group_from_keys(Group *group, GKeyFile *keys, GError **error);
/* Writes the group to the journal as it is in memory. */
gboolean group_store(Group *group, GError **error);
gboolean member_store_owner(MemberNode *member, gboolean owned, guint32 domid, GError **error);
/* Nobody has asked its domain to suspend. FALSE: that could not be written. */
gboolean member_store_no_suspend(MemberNode *member);
/* It had suspended, and goes on; likewise. */
gboolean member_store_gone_on(MemberNode *member);
/* Notes that all members' domains are about to be asked to suspend. */
gboolean group_store_suspends(Group *group, GError **error);
/* Makes the hypervisor's group and reservations, and puts running members in it. Repeatable. */
gboolean group_make(Group *group, GError **error);
/* Takes them away; domains that are no members are put into the Null-Group. Repeatable. */
gboolean group_unmake(Group *group, GError **error);
/* Puts domains that are in it but no members into the Null-Group: ended ones that are kept. */
gboolean group_dismiss(Group *group, GError **error);
/* Puts the domain of @member into its group, if it is elsewhere. */
gboolean member_place(MemberNode *member, GError **error);

/* Asks the hypervisor whether the group is paused; on one without groups, whether a member is. */
gboolean group_read_pause(Group *group, GError **error);

/* What the host needs for the group's record; borrows from the group. Clear it with
 * host_record_clear(). */
void group_record(const Group *group, HostRecord *ret_record);
void host_record_clear(HostRecord *record);
/* Writes the record of the group and of its members' domains when the turn ends. */
void group_publish(Group *group);
void group_publish_run(Group *group);

void engine_tell_group(Group *group);
void engine_tell_operation(Operation *operation);

/* -- reality (reality.c) -- */

gboolean reality_read(Engine *engine, gboolean names, GError **error);
/* Begins what the members whose guest has ended by itself have configured. */
void reality_act(Engine *engine);
/* What @member's configuration says about the end of its guest. */
HostAction member_action(const MemberNode *member);
gboolean action_builds(HostAction action);
HostAction action_without_restart(HostAction action);
/* Whether its guest has ended and the daemon is who does something about that. */
gboolean member_awaits_daemon(const MemberNode *member);
/* Builds @member's domain again after an interrupted restart. */
void member_restart(MemberNode *member);

/* -- operations (operation.c, kinds.c) -- */

typedef enum {
    DIRECTION_NONE,    /* the phase's steps run once, on the group */
    DIRECTION_FORWARD, /* on each member, low tiers first; a step waits for what it needs */
    DIRECTION_REVERSE, /* on each member, after those that need it are down (step_release) */
} Direction;

typedef enum {
    PHASE_CHECKS = 1,   /* it changes nothing: a failure is a refusal, all of it runs */
    PHASE_TOGETHER = 2, /* all members at once and in no order, unless that is asked for */
    PHASE_COMMITS = 4,  /* when it is done the operation is not undone any more */
} PhaseFlags;

typedef struct {
    Direction direction;
    PhaseFlags flags;
    const Step *steps; /* NULL ends a list of phases */
    const Step *undo;  /* takes back what steps did, however far they came; or NULL */
} Phase;

typedef struct {
    const char *name;
    DomgrpPolicy policy;
    const char *plan;   /* what it does to each member, for people; NULL: to the group */
    GroupState during;  /* the group's meanwhile, GROUP_STATE_COUNT: what reality says */
    GroupState undoing; /* likewise while it is undone */
    gboolean (*allowed)(Group *group, GError **error); /* NULL: always */
    gboolean (*selects)(const MemberNode *member);     /* the members that it works on */
    gboolean supersedes;  /* it cancels an operation that waits for guests */
    gboolean waits;       /* it waits for guests and gives way to one that supersedes */
    gboolean makes_ready; /* it waits until the members are ready */
    gboolean forgives;    /* an operator has seen that members failed */
    gboolean writes;      /* an image */
    gboolean reads;       /* an image */
    gboolean migrates;    /* it works for a migration, which says what becomes of it */
    /* What a new daemon makes of one that was cut off: whether it was done. NULL: it does what
     * the policy says. */
    gboolean (*was_done)(const Group *group, const JournalOperation *record);
    const Phase *phases;
} Kind;

extern const Kind kinds[OPERATION_KIND_COUNT];
/* Destroys a member's domain and forgets that it was ours. */
extern const Step steps_end[];
/* Does what a member's configuration says when its guest has ended. */
extern const Step steps_act[];
/* Ends what is left of a member's domain and builds it again. */
extern const Step steps_restart[];
/* Starts a member whose guest asks for that again, in the same domain. */
extern const Step steps_soft_reset[];
extern const Step steps_publish[];
/* Lets a member go on that stands still for an image which came to nothing. */
extern const Step steps_go_on[];

StepResult step_begin(Work *work, GError **error);
StepResult step_intend(Work *work, GError **error);
StepResult step_build(Work *work, GError **error);
StepResult step_place(Work *work, GError **error);
StepResult step_wait_needs(Work *work, GError **error);
StepResult step_check_needs(Work *work, GError **error);
StepResult step_check_built(Work *work, GError **error);
StepResult step_unpause(Work *work, GError **error);
StepResult step_own(Work *work, GError **error);
StepResult step_ready(Work *work, GError **error);
StepResult step_ready_if_back(Work *work, GError **error);
StepResult step_retract(Work *work, GError **error);
StepResult step_wait_retracted(Work *work, GError **error);
StepResult step_wait_asked(Work *work, GError **error);
StepResult step_end_if_back(Work *work, GError **error);
StepResult step_end_unless_same(Work *work, GError **error);
StepResult step_release(Work *work, GError **error);
StepResult step_ask(Work *work, GError **error);
StepResult step_wait_end(Work *work, GError **error);
StepResult step_wait_gone(Work *work, GError **error);
StepResult step_wait_back(Work *work, GError **error);
StepResult step_decide(Work *work, GError **error);
StepResult step_soft_reset(Work *work, GError **error);
StepResult step_coredump(Work *work, GError **error);
StepResult step_keep(Work *work, GError **error);
StepResult step_destroy(Work *work, GError **error);
StepResult step_end_unless_ours(Work *work, GError **error);
StepResult step_gone(Work *work, GError **error);
StepResult step_disown(Work *work, GError **error);
StepResult step_end_unless_restart(Work *work, GError **error);
StepResult step_fail_unless_restart(Work *work, GError **error);
StepResult group_step_pause_store(Work *work, GError **error);
StepResult group_step_pause(Work *work, GError **error);
StepResult group_step_end_unless_stopped(Work *work, GError **error);
StepResult group_step_unpause(Work *work, GError **error);
StepResult group_step_pause_undo(Work *work, GError **error);
StepResult group_step_unpause_store(Work *work, GError **error);
StepResult group_step_store(Work *work, GError **error);
/* The end of a step that changed the group in memory: tries again until that is written, when
 * there is no way back and only the journal is missing. */
StepResult group_store_at_last(Work *work);
StepResult group_step_make(Work *work, GError **error);
StepResult group_step_unmake(Work *work, GError **error);
StepResult group_step_publish(Work *work, GError **error);
StepResult group_step_unpublish(Work *work, GError **error);
StepResult group_step_delete(Work *work, GError **error);
StepResult group_step_forget(Work *work, GError **error);

StepResult image_step_create(Work *work, GError **error);
/* The same, through the pipe @fd, which it takes. */
StepResult image_create_on(Work *work, int fd);
StepResult image_step_mark(Work *work, GError **error);
StepResult image_step_snapshot(Work *work, GError **error);
StepResult image_step_finish(Work *work, GError **error);
StepResult image_step_commit(Work *work, GError **error);
StepResult image_step_uncommit(Work *work, GError **error);
StepResult image_step_close(Work *work, GError **error);
StepResult image_step_abandon(Work *work, GError **error);
StepResult image_step_settle(Work *work, GError **error);
StepResult image_step_open(Work *work, GError **error);
StepResult image_step_use(Work *work, GError **error);
StepResult image_step_mark_used(Work *work, GError **error);
StepResult image_step_give_up(Work *work, GError **error);
StepResult image_step_discard(Work *work, GError **error);
StepResult image_step_forget(Work *work, GError **error);
StepResult step_retrieve(Work *work, GError **error);
StepResult step_retrieved(Work *work, GError **error);
StepResult step_copy(Work *work, GError **error);
StepResult step_suspend(Work *work, GError **error);
StepResult step_stood(Work *work, GError **error);
StepResult step_save(Work *work, GError **error);
StepResult step_destroy_saved(Work *work, GError **error);
StepResult step_disown_saved(Work *work, GError **error);
StepResult step_go_on(Work *work, GError **error);
StepResult step_went_on(Work *work, GError **error);
StepResult restore_check(Work *work, GError **error);
StepResult restore_end_unless_defined(Work *work, GError **error);
StepResult restore_check_built(Work *work, GError **error);
StepResult restore_settle(Work *work, GError **error);
StepResult step_restore_intend(Work *work, GError **error);
StepResult step_restore(Work *work, GError **error);
StepResult step_let_run(Work *work, GError **error);

struct OperationNode {
    OperationMember shown; /* first: it is an OperationMember */
    MemberNode *member;    /* NULL while a create reads its file, and when it is gone */
    Work *work;
    guint index;                       /* in operation->members */
    guint32 domid;                     /* the domain that it had when the operation began */
    gboolean spared;                   /* it ran already: undoing leaves it alone */
    gboolean suspended;                /* its guest was asked to suspend by this daemon */
    gint64 still_since;                /* when it stood still; 0: it has not */
    gboolean gone_on;                  /* it does not any more */
    char saved_uuid[DOMGRP_UUID_TEXT]; /* what it is called in the image that it is restored from */
    gboolean was_ready;                /* as its probe found */
    gboolean touched;                  /* a phase that can be undone worked on it */
    gboolean built;     /* its domain need not be waited for by those of its tier and above */
    gboolean passed;    /* it is through the present phase */
    gboolean released;  /* those that were blocked by it are not any more */
    gboolean barred;    /* one that blocks it has ended without that: its turn does not come */
    gboolean ordered;   /* it is blocked by others, or blocks them */
    guint blockers;     /* members that must be done before it */
    GArray *unblocks;   /* indices (guint) of members that wait for it */
    char *path;         /* of a create's file */
    char *file;         /* its text */
    HostConfig *config; /* what was read from it, or what it is restored with */
    char *probe;        /* what shown.ready points to */
    GError *failure;    /* what shown.error points to */
};

struct Operation {
    Engine *engine;
    OperationKind kind;
    char uuid[DOMGRP_UUID_TEXT];
    char group_uuid[DOMGRP_UUID_TEXT];
    char *group_name;
    Group *group; /* NULL when it is gone */
    Group *other; /* the group that a join takes its domain from, or NULL */
    gint64 began_us;
    gint64 ended_us;
    GPtrArray *members; /* of OperationNode */
    EngineOptions options;
    DomgrpPolicy policy;
    gboolean queued;    /* others on its groups must end before it begins */
    gboolean resumed;   /* a daemon before this one began it */
    gboolean by_itself; /* the daemon's own: at boot, or because a member failed */
    guint phase;
    gboolean undoing;
    gboolean halted;    /* no further member is begun */
    GQueue ready;       /* indices of members that nothing blocks */
    guint built_tier;   /* all members up to this tier are built */
    GArray *unbuilt;    /* of guint: members of each tier that are not */
    guint active;       /* works under way */
    Work *work;         /* of a phase on the group */
    guint timer;        /* until it begins */
    GError *cause;      /* the first failure */
    GError *undo_error; /* the first failure of undoing */
    GError *error;      /* what people are told */
    HostPause pause;
    gboolean was_paused;
    char *directory;                    /* of a create */
    char domain_uuid[DOMGRP_UUID_TEXT]; /* of a join */
    guint32 domid;                      /* likewise */
    HostConfig *config;                 /* likewise */
    gboolean unclosed;                  /* it is over, but its end could not be written */

    HostImage *image; /* that is open, or NULL */
    char *image_path;
    char image_uuid[DOMGRP_UUID_TEXT];
    HostImageInfo *image_info; /* of one that was opened */
    DomgrpMap *map;
    gboolean committed;    /* the image is written, or is used from now on: nothing is undone */
    gboolean commit_doubt; /* the journal may say so although it is not */
    gboolean defines;      /* the group is of this restore's making */
    gboolean finishing;    /* the image may have its name */
    HostImageProgress progress;
    guint progress_timer;
    gint64 progress_delay; /* until it is looked at again */
    gint64 first_still;    /* when the first member stood still, and ... */
    gint64 last_still;
    char *peer;         /* of a migration: the other host, */
    char *command;      /* and what makes the connection */
    char *verdict;      /* what the other host said to an offer */
    guint64 wire_bytes; /* that went over the connection */
    GError *left_error; /* what undoing could not do and went on without */
};

/* Words of the journal: how far an operation on an image has come. */
#define STAGE_DEFINES "defines"
#define STAGE_COMMITTED "committed"

static inline const Phase *phase_of(const Operation *operation)
{
    return &kinds[operation->kind].phases[operation->phase];
}

static inline gboolean phase_checks(const Phase *phase)
{
    return (phase->flags & PHASE_CHECKS) != 0;
}

static inline OperationNode *node_of(const Operation *operation, guint i)
{
    return operation->members->pdata[i];
}

typedef struct {
    OperationKind kind;
    Group *group;
    Group *other;             /* of a join: where the domain comes from, or NULL */
    const HostDomain *domain; /* likewise: the domain */
    EngineOptions options;
    gboolean by_itself; /* the daemon's own; whether it may begin is seen when it does */
} OperationRequest;

/*
 * Opens an operation in the journal; it begins when the caller has returned,
 * or when those before it have ended.
 */
Operation *operation_new(Engine *engine, const OperationRequest *request, GError **error);
/* Begins what was queued and can begin now. */
void operations_begin_queued(Engine *engine);
/* The operation that keeps one on @group (and @other) from beginning, or NULL. */
const Operation *operation_ahead(Engine *engine, const Group *group, const Group *other);
/*
 * A start that nobody has asked for, unless one is open. It is in the journal before the caller
 * stores @group, for what is noted from then on is of this boot.
 */
gboolean group_start_afresh(Group *group, GError **error);
/* -- between the two halves: operation.c and schedule.c -- */
gboolean operation_store(Operation *operation, GError **error);
void operation_plan(Operation *operation); /* tiers, and what is waited for */
void operation_begin_phase(Operation *operation);
void operation_next_phase(Operation *operation);
void operation_end(Operation *operation);

/* An operation of @record, which has ended. */
Operation *operation_new_ended(Engine *engine, const JournalOperation *record);
/* The operation that @record opened and a daemon before this one began, to be finished or undone;
 * @why is taken: the cause of undoing it, or how it failed although it is finished; or NULL. */
void operation_resume(Engine *engine, const JournalOperation *record, Group *group, GError *why);
void operation_undo(Engine *engine, const JournalOperation *record, Group *group, GError *why);
/* One that had not begun waits for its turn again. */
void operation_requeue(Engine *engine, const JournalOperation *record, Group *group);
/* Closes it as it is, with @why, which it takes; NULL: it was done. */
void operation_close(Engine *engine, const JournalOperation *record, GError *why);
/* The member's domain is down: those that it needs may follow. */
void operation_release(Operation *operation, OperationNode *node);
/* The member's domain is built, or will not be. */
void operation_built(Operation *operation, OperationNode *node);
OperationNode *operation_add_member(Operation *operation, MemberNode *member);
void operation_bind(OperationNode *node, MemberNode *member);
void operation_free(Operation *operation);
void operation_work_ended(Operation *operation, Work *work);
void operation_feed(Operation *operation);
/* Ends it as soon as its calls have ended, with @error, which it takes. */
void operation_supersede(Operation *operation, GError *error);
/* It is not wanted any more: as if a member had failed with @why, which it takes. */
void operation_cancel(Operation *operation, GError *why);
gboolean operation_is_over(const Operation *operation);
/* KiB that operations have promised to members that they have not built yet. */
guint64 engine_promised_kib(Engine *engine);
/* Whether no member of a group other than @except has @config's UUID or name. */
gboolean engine_check_elsewhere(Engine *engine, const HostConfig *config, const Group *except,
                                GError **error);
/* Whether the host has memory for @configs, an array of HostConfig. */
gboolean engine_check_memory(Engine *engine, const char *group, GPtrArray *configs, GError **error);

void engine_remove_group(Group *group);
OperationKind operation_kind_lookup(const char *name); /* OPERATION_KIND_COUNT: none */

/* Writes the ends that could not be written, of @group's operations or of all (NULL). FALSE: some
 * still cannot be. */
gboolean operations_close(Engine *engine, const char *group_uuid, GError **error);
/* Looks how far its image has come, every now and then. */
HostImageProgress operation_image_progress(const Operation *operation);
void operation_watch_image(Operation *operation);
/* Closes it, if it is open, and keeps how far it had come. */
void operation_close_image(Operation *operation);
/* The member of @node has stood still, and does not any more. */
void operation_note_gone_on(const Operation *operation, OperationNode *node);
/* What makes a new group of @name and @uuid impossible. */
gboolean engine_check_new(Engine *engine, const char *name, const char *uuid, guint n_members,
                          GError **error);
/* The busy sentence about @operation; FALSE. */
gboolean engine_fail_busy(const Operation *operation, GError **error);
/* Whether @group is not suspended; what cannot be done to it then is refused. */
gboolean group_not_suspended(const Group *group, GError **error);
/* Whether @group can be restored or resumed as far as it is known before the image is. */
gboolean group_may_restore(Group *group, GError **error);

/* -- steps of one kind -- */

/* Whether a join that waited can still begin; finds its groups anew. */
gboolean engine_admit_join(Operation *operation, GError **error);
Outcome outcome_lookup(const char *name); /* PENDING for what is none */

StepResult create_read(Work *work, GError **error);
StepResult create_check(Work *work, GError **error);
StepResult create_define(Work *work, GError **error);
StepResult join_retrieve(Work *work, GError **error);
StepResult join_unpublish(Work *work, GError **error);
StepResult join_republish(Work *work, GError **error);
StepResult join_commit(Work *work, GError **error);
StepResult join_pause(Work *work, GError **error);

/* -- migrations (migrate.h) -- */

void migration_free(Migration *migration);
/* The group's members are the migration's to care for: nobody else does anything to them. */
gboolean migration_keeps(const Group *group);
/* A pause of the group is the migration's, and not kept: what its state is tells of it. */
gboolean migration_holds(const Group *group);
/* It is away, or is to go: neither the hypervisor nor xenstore is to know it. */
gboolean migration_has_moved(const Group *group);
/* IN_DOUBT or MOVED, or GROUP_STATE_COUNT for none of its own. */
GroupState migration_group_state(const Group *group);
/* It does something that has an end: what waits to begin on the group waits for that. */
gboolean migration_acts(const Group *group);
/* Whether a migration that may be open lets @kind begin on @group. */
gboolean migration_admits(const Group *group, OperationKind kind, GError **error);
gboolean migration_check_request(const Engine *engine, const Group *group,
                                 const EngineOptions *options, GError **error);
void migration_operation_ended(Operation *operation);
/* A turn's part of all that are open. */
void migrations_run(Engine *engine);
/* A new daemon: one that is in the journal; then all of them go on, when reality was read. */
gboolean migration_load(Engine *engine, const JournalMigration *record, GError **error);
void migrations_restart(Engine *engine);
GPtrArray *settlings_new(void);

StepResult migrate_offer(Work *work, GError **error);
StepResult migrate_stream(Work *work, GError **error);
StepResult migrate_switch(Work *work, GError **error);
StepResult migrate_await(Work *work, GError **error);
StepResult migrate_accept(Work *work, GError **error);
StepResult migrate_open(Work *work, GError **error);
StepResult migrate_hold(Work *work, GError **error);
StepResult migrate_prepared(Work *work, GError **error);
StepResult migrate_give_up(Work *work, GError **error);
StepResult migrate_let_go(Work *work, GError **error);
StepResult migrate_go_on(Work *work, GError **error);

/* -- the beginning (recover.c) -- */

gboolean engine_recover(Engine *engine, GError **error);

#endif
