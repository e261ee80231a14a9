/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The one table of commands. Help, man page and completion are printed from it. */
#include "cli.h"

#define TOLD (OPTION_JSON | OPTION_QUIET)
#define CREATE (OPTION_ON_FAILURE | OPTION_DRY_RUN | TOLD)
#define OPERATION (OPTION_QUEUE | OPTION_DRY_RUN | TOLD)
#define MEMBERS (OPTION_ON_FAILURE | OPERATION)
#define CLEAN                                                                                      \
    (OPTION_ON_FAILURE | OPTION_WAIT | OPTION_TIMEOUT | OPTION_FALLBACK | OPTION_DRY_RUN | TOLD)

const Command commands[] = {
    {"create", "FILE", 1, 1, CREATE, "define a group by a group file and start it",
     "Reads the group file FILE, domgrp.cfg(5), and the xl.cfg(5) files of its members, defines\n"
     "the group and starts all members, each when those that it needs are ready. The texts are\n"
     "kept: the files are not needed again. If anything fails, neither the group nor any of its\n"
     "domains is left behind, unless the file or --on-failure says otherwise.\n",
     "domgrp create shop.cfg\ncreated shop: 3 members run\n", cmd_create},
    {"start", "GROUP", 1, 1, MEMBERS, "start the members that do not run",
     "Starts the members of a defined group that do not run, each when those that it needs are\n"
     "ready, and each as the machine it always was: with its UUID and its MAC addresses.\n",
     "domgrp start --dry-run shop\n"
     "start of shop would do this, on failure continue; nothing was done\n"
     "\n"
     "Tier Member                         Steps                      Then waits for\n"
     "   1 db                             build and start            tcp 10.0.0.5:5432\n"
     "   2 mail                           build and start            exec /etc/xen/check-mail\n"
     "   3 web                            build and start            xenstore data/ready=1\n",
     cmd_start},
    {"shutdown", "GROUP", 1, 1, CLEAN, "ask the members to shut down",
     "Asks every member that runs to shut down, each before those that it needs. Without -w it\n"
     "returns when the daemon has taken the task; with -w it returns when all have ended. A "
     "member\n"
     "that does not end in time is left or destroyed, as the group file says.\n",
     "domgrp shutdown -w shop\nshut down shop: 3 members are stopped\n", cmd_shutdown},
    {"reboot", "GROUP", 1, 1, CLEAN, "ask the members to reboot",
     "Asks every member that runs to reboot. Without -w it returns when the daemon has taken the\n"
     "task; with -w it returns when all run again.\n",
     "domgrp reboot -w shop\nrebooted shop: 3 members run\n", cmd_reboot},
    {"destroy", "GROUP", 1, 1, MEMBERS, "end the members' domains at once",
     "Destroys the domains of all members without asking their guests, as if the power failed.\n"
     "The group stays defined and can be started again.\n",
     "domgrp destroy shop\ndestroyed shop: 3 members are stopped\n", cmd_destroy},
    {"delete", "GROUP", 1, 1, OPERATION, "forget a group that does not run",
     "Forgets a group none of whose members runs. Its files and disks are not touched.\n",
     "domgrp delete shop\ndeleted shop\n", cmd_delete},
    {"pause", "GROUP", 1, 1, OPERATION, "stop all members in one instant",
     "Stops all members by one hypercall and says over which time they stopped. Members that\n"
     "join a paused group are paused; \"xl unpause\" does not end a group's pause. On a "
     "hypervisor\n"
     "without groups the domains are paused one by one, and the command says so.\n",
     "domgrp pause shop\npaused shop: 3 domains, 3 vCPUs; stop requests within 12.3 µs, all "
     "stopped within 45.6 µs\n",
     cmd_pause},
    {"unpause", "GROUP", 1, 1, OPERATION, "let the members of a paused group run on",
     "Ends the pause of a group. A member that was paused by xl besides stays so.\n",
     "domgrp unpause shop\nunpaused shop\n", cmd_unpause},
    {"join", "GROUP DOMAIN", 2, 2, OPERATION, "move a running domain into a group",
     "Moves the running DOMAIN (name, domid or UUID) into GROUP, for good: it is a member from\n"
     "then on. Joining Null-Group is how a domain leaves a group.\n",
     "domgrp join shop cache\njoined cache to shop\n", cmd_join},
    {"list", "[GROUP]", 0, 1, OPTION_JSON, "list groups",
     "Lists all groups or one, a line each: name, the hypervisor's id, members that have a domain\n"
     "and all members, memory in MiB, state, CPU time in seconds.\n",
     "domgrp list\n"
     "Name                                        ID Members   Mem State         Time(s)\n"
     "Group-0                                      0     1/1   800 default          52.1\n"
     "Null-Group                               32767     0/0     0 default           0.0\n"
     "shop                                         1     3/3   288 running           7.4\n",
     cmd_list},
    {"info", "GROUP", 1, 1, OPTION_JSON, "show a group and its members",
     "Shows all that is known of a group, and its members, a line each.\n", "domgrp info shop\n",
     cmd_info},
    {"task", "VERB [ID]", 1, 2, TOLD, "list, show, follow, await and cancel operations",
     "Every operation on a group is a task of the daemon, which goes on whatever becomes of the\n"
     "command that began it. An ID may be shortened as long as it names one task.\n"
     "\n"
     "  list       the tasks, newest first\n"
     "  show ID    all that is known of one: its members, their tiers and outcomes\n"
     "  follow ID  what the command that began it shows, and its exit status\n"
     "  wait ID    nothing until it has ended, then its exit status\n"
     "  cancel ID  ends one that waits for another; one that runs does what its\n"
     "             policy says of a failure: it is undone, or goes no further\n",
     "domgrp task list\n"
     "Task     Operation Group                          State     Progress  Began\n"
     "1b4e28ba shutdown  shop                           queued         0 %  2026-03-02 14:03:07\n"
     "7d444840 start     shop                           running       33 %  2026-03-02 14:03:05\n",
     cmd_task},
    {"events", "", 0, 0, OPTION_JSON | OPTION_COUNT, "show what happens to groups",
     "Prints a line for each change of a group or a task until it is interrupted. With --json a\n"
     "line is an event of the API.\n",
     "domgrp events\n14:03:07 shop: start 33 %: db done, web building, mail pending\n", cmd_events},
    {"help", "[COMMAND]", 0, 1, OPTION_HELP_FORMS, "explain domgrp or a command",
     "Lists the commands, or explains one.\n", "domgrp help shutdown\n", cmd_help},
    {NULL},
};
