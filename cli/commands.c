/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The one table of commands. Help, man page and completion are printed from it. */
#include "cli.h"

#define TOLD (OPTION_JSON | OPTION_QUIET)
#define CREATE (OPTION_ON_FAILURE | OPTION_DRY_RUN | TOLD)
#define OPERATION (OPTION_QUEUE | OPTION_DRY_RUN | TOLD)
#define MEMBERS (OPTION_ON_FAILURE | OPERATION)
#define SAVE (OPTION_ORDERED | OPTION_FAST | OPERATION)
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
     "The group stays defined and can be started again. What waits for its guests is cancelled:\n"
     "a create, start, shutdown, reboot, restore or resume.\n",
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
    {"save", "GROUP FILE", 2, 2, SAVE, "write a group's memory into a file and end its domains",
     "Suspends all members, at once or with --ordered each before those that it needs, writes "
     "their\n"
     "memory as it is in that moment into the new file FILE and ends their domains when the file "
     "is\n"
     "there for good. If anything fails before, the members run on and there is no file. Disks "
     "are\n"
     "not in the file: see IMAGES in domgrp(1).\n",
     "domgrp save shop /srv/shop.image\n"
     "saved shop: 18.7 MiB in the image for 384.8 MiB of memory (4.9 %); "
     "members stopped within 166.9 ms and stood still web for 24.8 s, mail for 24.1 s, db for 25.6 "
     "s, cache for 25.0 s\n",
     cmd_save},
    {"restore", "FILE", 1, 1, OPTION_RESTORE | OPERATION, "let a group run on from such a file",
     "Builds all members from the image FILE and lets them run on from where they stood, each "
     "when\n"
     "those that it needs are ready. The group is defined here and stopped, or not known. If\n"
     "anything fails before the first member runs, none is left and the image can be restored\n"
     "again; from then on it is used: the disks have moved on, and restoring it again needs\n"
     "--disks-reverted. With --map the image gives a copy beside the original.\n",
     "domgrp restore /srv/shop.image\nrestored shop: 4 members run\n", cmd_restore},
    {"suspend", "GROUP", 1, 1, SAVE, "save a group into the daemon's own storage",
     "Does what save does, into a file of the daemon's own, until the group is resumed.\n",
     "domgrp suspend shop\n"
     "suspended shop: 18.7 MiB in the image for 384.8 MiB of memory (4.9 %); "
     "members stopped within 1.7 s and stood still web for 19.1 s, mail for 17.3 s, db for 17.9 s, "
     "cache for 17.4 s\n",
     cmd_suspend},
    {"resume", "GROUP", 1, 1, OPERATION, "let a suspended group run on",
     "Lets a suspended group run on from where it stood, all of it, or leaves it suspended.\n",
     "domgrp resume shop\nresumed shop: 4 members run\n", cmd_resume},
    {"checkpoint", "GROUP FILE", 2, 2, OPTION_LIVE | SAVE, "save a group that runs on",
     "Does what save does, and then lets the members run on instead of ending their domains. With\n"
     "--live most of the memory is written while they run, and they stand still for the rest "
     "only.\n"
     "The file can be restored when the disks are reverted to that moment as well.\n",
     "domgrp checkpoint --live -q shop /srv/shop.image\n", cmd_checkpoint},
    {"migrate", "GROUP [HOST]", 1, 2, OPTION_MIGRATE | OPERATION, "move a group to another host",
     "Moves all members to HOST, where domgrpd runs and the members' disks are, or none. With "
     "--live\n"
     "they run while most of their memory is sent, and stand still for the rest only. Until HOST\n"
     "has said that all of them are complete, whatever fails leaves the group here, running. HOST\n"
     "is reached by ssh, as root and without a password, or by \"COMMAND HOST domgrp receive\".\n"
     "A limit leaves the network to others too; with --live, what is sent while the members stand\n"
     "still does not obey it.\n"
     "\n"
     "With --settle it asks the other host of a migration whose end is not known to both, and "
     "says\n"
     "peer, transaction and phase. --run-here and --discard-here are an operator's words for the\n"
     "case that the other host never comes back: see MIGRATION in domgrp(1).\n",
     "domgrp migrate --live shop hostb\n"
     "migrated shop to hostb in 21.4 s: 240.3 MiB over the connection; members stopped within 1.2 "
     "ms and stood still web for 301.5 ms, mail for 290.2 ms, db for 322.8 ms, cache for 288.4 "
     "ms\n",
     cmd_migrate},
    {"image info", "FILE", 1, 1, OPTION_JSON, "show what is in an image, and what sharing gained",
     "Shows the group and the members that the image FILE holds, how large their streams are and\n"
     "how many of their pages are zero, equal to another one of the same member, equal to one of\n"
     "a member before it, and stored. Like all image commands it needs neither Xen nor the "
     "daemon,\n"
     "and takes \"-\" for standard input.\n",
     "domgrp image info shop.image\n", cmd_image_info},
    {"image verify", "FILE", 1, 1, OPTION_QUIET, "check every byte of an image",
     "Reads all of the image FILE and checks it, as a restore would. If it is damaged, the "
     "command\n"
     "says of each member whether it can still be extracted.\n",
     "domgrp image verify pair.image\npair.image is whole: 2 members, 160.3 MiB\n",
     cmd_image_verify},
    {"image extract", "FILE [MEMBER [OUT]]", 1, 3, OPTION_ALL | OPTION_FORCE | OPTION_QUIET,
     "make files for xl restore of an image's members",
     "Writes the member MEMBER (name or UUID) of the image FILE to OUT, else to MEMBER.save here, "
     "as\n"
     "the file that \"xl save\" would have made of it: \"xl restore\" takes it. OUT may be "
     "\"-\".\n",
     "domgrp image extract pair.image pv-a\nextracted pv-a to pv-a.save: 80.2 MiB\n",
     cmd_image_extract},
    {"image pack", "OUT FILE...", 2, IMAGE_FILES_MAX,
     OPTION_FAST | OPTION_NAME | OPTION_FORCE | OPTION_QUIET, "make an image of files of xl save",
     "Packs the files of \"xl save\" FILE... into the image OUT, in which a page that several of\n"
     "them have is kept once. OUT may be \"-\", and one FILE too.\n",
     "domgrp image pack pair.image pv-a.save pv-b.save\n"
     "packed 2 files into pair.image: 23.4 MiB for 160.3 MiB (14.6 %)\n",
     cmd_image_pack},
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
    {"help", "[COMMAND]", 0, 2, OPTION_HELP_FORMS, "explain domgrp or a command",
     "Lists the commands, or explains one.\n", "domgrp help shutdown\n", cmd_help},
    {"receive", "", 0, 0, 0, "what migrate runs on the other host; not for people",
     "Joins its standard input and output to the daemon until both have ended. Who may run it as\n"
     "root can give this host domains.\n",
     "ssh hostb domgrp receive\n", cmd_receive},
    {NULL},
};
