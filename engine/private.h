/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the files of the engine share, and nobody else sees.
 *
 *   engine.c     the object, its lists and look-ups, what it accepts and refuses
 *   recover.c    a new engine: the journal compared with the host
 *   reality.c    what domains() says, made into states; a member whose guest ended
 *   group.c      a group's and a member's data, in memory, journal and hypervisor
 *   operation.c  the scheduler: phases, order, parallel members, failure policy, undoing
 *   kinds.c      one row per kind of operation: when it may run and its phases
 *   steps.c      the steps that phases are made of; calls the host about members
 *   create.c     the checks that a new group passes before anything changes
 *   join.c       the steps of a join
 *   work.c       runs a list of steps on one member or group; one event loop's turn
 *
 * Everything happens in a turn (engine_turn): a callback of the host notes
 * its result and calls it; it reads reality, runs what can run, and repeats
 * until nothing can. So no step ever runs inside another.
 */
#ifndef DOMGRP_ENGINE_PRIVATE_H
#define DOMGRP_ENGINE_PRIVATE_H

#include "engine.h"

#define ENGINE_MAX_GROUPS 4096
#define ENGINE_MAX_MEMBERS 1024
#define ENGINE_MAX_OPERATIONS 256
#define ENGINE_PARALLEL 8
#define ENGINE_TIMEOUT_S 300
#define ENGINE_RESTART_US                                                                          \
    (10 * G_USEC_PER_SEC) /* a member restarts by itself at most this often                        \
                           */

typedef struct MemberNode MemberNode;
typedef struct OperationNode OperationNode;
typedef struct Work Work;

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
};

struct Group {
    Engine *engine;
    char uuid[DOMGRP_UUID_TEXT];
    char *name;
    char *text;
    guint32 id;
    gboolean is_default;
    gboolean defined; /* listed; a group being created is not until it is in the journal */
    gboolean paused;
    gboolean doubt;         /* a write of it failed: the journal may have it or not */
    gboolean pause_doubt;   /* an unpause failed: the hypervisor may have done it or not */
    gboolean changed;       /* since the journal was read */
    gboolean in_hypervisor; /* and its reservations are made */
    gboolean publish;       /* its record in xenstore is not what it should be */
    gboolean unpublished;   /* likewise, after a failure: to be tried again */
    Work *publisher;        /* the one that makes it so */
    GPtrArray *members;     /* of MemberNode, which it owns, in the order of the group file */
    Operation *operation;
    Operation *next; /* waits for operation to end */
    GroupState told; /* the state that the listener heard last */
};

struct MemberNode {
    Member shown; /* first: a MemberNode is a Member */
    Group *group;
    OperationNode *node;  /* what the operation that runs has of it, or NULL */
    Work *work;           /* what is being done to it, or NULL: one at a time */
    gboolean owned;       /* as in the journal; with no owned_domid: its domain is being replaced */
    guint32 owned_domid;  /* likewise */
    gboolean owner_doubt; /* a write of these failed: the journal may have it or not */
    HostDomain domain;    /* as domains() said last; domid is HOST_DOMID_NONE if it has none */
    HostDomain next;      /* the same while domains() is read */
    GPtrArray *needs;     /* of MemberNode: those that must run before it */
    gint64 restart_us;    /* when it may restart by itself again */
    gint64 hold_us;       /* when the daemon may do something about it by itself, after a failure */
    guint timer;          /* for these */
    guint32 kept_domid;   /* the ended domain that its configuration says to keep */
};

/* -- steps and works (work.c) -- */

typedef enum {
    STEP_DONE,   /* the next step can run */
    STEP_CALL,   /* a call of the host is under way: work_called() ends the step */
    STEP_END,    /* the steps that follow are not needed */
    STEP_WATCH,  /* not yet: run the step again when something has changed */
    STEP_FAILED, /* and the error is set */
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
    gboolean stop;     /* end before the next step */
    gboolean complete; /* it came to the end of its steps */
    guint timer;
    gint64 deadline;   /* 0: none */
    guint32 domid;     /* the domain that the work began with, then the one it built */
    gboolean ours;     /* likewise */
    HostAction action; /* what to do with it when it has ended */
    GError *error;
};

Work *work_new(Engine *engine, Operation *operation, OperationNode *node, Group *group,
               MemberNode *member, const Step *steps);
/* The present step's call has ended, well or with @error, which is copied. */
void work_called(Work *work, const GError *error);
/* A HostDone whose data is the Work. */
void work_done(gpointer work, const GError *error);
/* Lets a step that watches fail after @delay_us; see work_late(). */
void work_set_deadline(Work *work, gint64 delay_us);
gboolean work_late(const Work *work);
/* Ends @work before its next step; the call that is under way ends first. */
void work_stop(Work *work);
void work_free(Work *work);
/* What @work does now, for people; NULL if it is not worth telling. */
const char *work_doing(const Work *work);

/* Something happened: reads reality and runs what can run. */
void engine_turn(Engine *engine);
void engine_timeout(gpointer engine); /* a HostTimeout */
void engine_changed(gpointer engine); /* a HostChanged */
/* Something could not be done: has another turn a little later. */
void engine_retry(Engine *engine);

/* -- groups (group.c) -- */

Group *group_new(Engine *engine, const char *uuid, const char *name);
void group_free(Group *group);
MemberNode *member_new(Group *group, const HostConfig *config); /* not yet in group->members */
void member_free(MemberNode *member);
HostConfig *config_copy(const HostConfig *config);
gboolean member_runs(const MemberNode *member); /* it has a domain whose guest has not ended */
gboolean member_has_domain(const MemberNode *member);
gboolean member_is_intended(const MemberNode *member); /* its domain is being built, or ended */
gboolean group_stopped(const Group *group);            /* no member runs */
GroupState group_state(const Group *group);
MemberNode *group_find_member(const Group *group, const char *name_or_uuid); /* or NULL */
/* The domids of the members that have a domain; an array of guint32. */
GArray *group_domids(const Group *group);
gboolean group_idle(const Group *group); /* nothing is being done to it or a member */

/* Writes the group to the journal as it is in memory. */
gboolean group_store(Group *group, GError **error);
gboolean member_store_owner(MemberNode *member, gboolean owned, guint32 domid, GError **error);
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
/* Builds @member's domain again after an interrupted restart. */
void member_restart(MemberNode *member);

/* -- operations (operation.c, kinds.c) -- */

typedef enum { POLICY_ROLLBACK, POLICY_CONTINUE, POLICY_STOP } Policy;

typedef enum {
    DIRECTION_NONE,    /* the phase's steps run once, on the group */
    DIRECTION_FORWARD, /* on each member, after those it needs */
    DIRECTION_REVERSE, /* on each member, after those that need it */
} Direction;

typedef struct {
    Direction direction;
    gboolean checks;   /* it changes nothing: a failure is a refusal, all of it runs */
    const Step *steps; /* NULL ends a list of phases */
    const Step *undo;  /* takes back what steps did, however far they came; or NULL */
} Phase;

typedef struct {
    const char *name;
    Policy policy;
    GroupState during; /* the group's meanwhile, GROUP_STATE_COUNT: what reality says */
    gboolean (*allowed)(Group *group, GError **error); /* NULL: always */
    gboolean (*selects)(const MemberNode *member);     /* the members that it works on */
    gboolean supersedes; /* it cancels an operation that waits for guests */
    gboolean waits;      /* it waits for guests and can be cancelled so */
    const Phase *phases;
} Kind;

extern const Kind kinds[OPERATION_KIND_COUNT];
/* Destroys a member's domain and forgets that it was ours. */
extern const Step steps_end[];
/* Does what a member's configuration says when its guest has ended. */
extern const Step steps_act[];
/* Ends what is left of a member's domain and builds it again. */
extern const Step steps_restart[];
extern const Step steps_publish[];

StepResult step_end_if_running(Work *work, GError **error);
StepResult step_intend(Work *work, GError **error);
StepResult step_build(Work *work, GError **error);
StepResult step_place(Work *work, GError **error);
StepResult step_end_unless_built(Work *work, GError **error);
StepResult step_unpause(Work *work, GError **error);
StepResult step_own(Work *work, GError **error);
StepResult step_ask(Work *work, GError **error);
StepResult step_wait_end(Work *work, GError **error);
StepResult step_wait_gone(Work *work, GError **error);
StepResult step_wait_back(Work *work, GError **error);
StepResult step_decide(Work *work, GError **error);
StepResult step_coredump(Work *work, GError **error);
StepResult step_keep(Work *work, GError **error);
StepResult step_destroy(Work *work, GError **error);
StepResult step_gone(Work *work, GError **error);
StepResult step_disown(Work *work, GError **error);
StepResult step_end_unless_restart(Work *work, GError **error);
StepResult step_fail_unless_restart(Work *work, GError **error);
StepResult group_step_pause_store(Work *work, GError **error);
StepResult group_step_pause(Work *work, GError **error);
StepResult group_step_unpause(Work *work, GError **error);
StepResult group_step_pause_undo(Work *work, GError **error);
StepResult group_step_unpause_store(Work *work, GError **error);
StepResult group_step_store(Work *work, GError **error);
StepResult group_step_make(Work *work, GError **error);
StepResult group_step_unmake(Work *work, GError **error);
StepResult group_step_publish(Work *work, GError **error);
StepResult group_step_unpublish(Work *work, GError **error);
StepResult group_step_delete(Work *work, GError **error);
StepResult group_step_forget(Work *work, GError **error);

struct OperationNode {
    OperationMember shown; /* first: it is an OperationMember */
    MemberNode *member;    /* NULL while a create reads its file, and when it is gone */
    Work *work;
    gboolean touched;   /* a phase that can be undone worked on it */
    gboolean passed;    /* it is through the present phase */
    guint blockers;     /* members that must be done before it */
    GArray *unblocks;   /* indices (guint) of members that wait for it */
    char *path;         /* of a create's file */
    char *file;         /* its text */
    HostConfig *config; /* what was read from it */
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
    Policy policy;
    guint phase;
    gboolean undoing;
    gboolean halted;    /* no further member is begun */
    GQueue ready;       /* indices of members that nothing blocks */
    guint active;       /* works under way */
    guint failed;       /* members that failed in this phase */
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
};

/* Opens an operation in the journal and begins it when the caller has returned. */
Operation *operation_new(Engine *engine, OperationKind kind, Group *group, Group *other,
                         GError **error);
/* An operation of @record, which has ended. */
Operation *operation_new_ended(Engine *engine, const JournalOperation *record);
/* The create that @record opened, to be undone. */
Operation *operation_new_undo(Engine *engine, const JournalOperation *record, Group *group);
/* Closes the operation of a daemon that died, as it is. */
void operation_close_interrupted(Operation *operation);
OperationNode *operation_add_member(Operation *operation, MemberNode *member);
void operation_bind(OperationNode *node, MemberNode *member);
void operation_free(Operation *operation);
void operation_work_ended(Operation *operation, Work *work);
void operation_feed(Operation *operation);
/* Ends it as soon as its calls have ended, with @error, which it takes. */
void operation_cancel(Operation *operation, GError *error);
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

/* -- steps of one kind -- */

StepResult create_read(Work *work, GError **error);
StepResult create_check(Work *work, GError **error);
StepResult create_define(Work *work, GError **error);
StepResult join_retrieve(Work *work, GError **error);
StepResult join_unpublish(Work *work, GError **error);
StepResult join_republish(Work *work, GError **error);
StepResult join_commit(Work *work, GError **error);
StepResult join_pause(Work *work, GError **error);

/* -- the beginning (recover.c) -- */

gboolean engine_recover(Engine *engine, GError **error);

#endif
