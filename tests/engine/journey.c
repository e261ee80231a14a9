/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "journey.h"

#include <string.h>

#define ORDER "after web: db\n"

const Story stories[] = {
    {"live", SOURCE, 0, "", "- / -", "m", THERE, 0, 0},
    {"still", SOURCE, 0, "", "- / -", "M", THERE, 0, 0},
    {"cancel", SOURCE, 0, "", "- / -", "mc", HERE, 0, 0},
    {"no-end", SOURCE, 2, "", "- / -", "mxw", HERE, 0, 0},
    {"no-ready", DESTINATION, 2, "", "- / -", "mxw", HERE, 0, 0},

    {"doubt", SOURCE, 3, "mxw", "COMMITTED / PREPARED", "", THERE, 0, 0},
    {"doubt-new-daemons", SOURCE, 3, "mxw", "COMMITTED / PREPARED", "sd", THERE, 0, 0},
    {"doubt-source-boots", SOURCE, 3, "mxw", "COMMITTED / PREPARED", "S", THERE, 0, 0},
    {"doubt-destination-boots", SOURCE, 3, "mxw", "COMMITTED / PREPARED", "D", HERE, 0, 0},
    {"doubt-held-then-boots", SOURCE, 3, "mxwsss", "COMMITTED / PREPARED", "sD", HERE, 0, 0},
    {"doubt-both-boot", SOURCE, 3, "mxw", "COMMITTED / PREPARED", "SD", DOWN_HERE, 0, 0},
    {"doubt-run-there", SOURCE, 3, "mxwS", "COMMITTED / PREPARED", "2w", THERE, 0, 0},
    {"doubt-discard-there", SOURCE, 3, "mxw", "COMMITTED / PREPARED", "4", HERE, 0, 0},
    {"doubt-discarded-there", SOURCE, 3, "mxw4", "COMMITTED / DISCARDED", "dDs", HERE, 0, 0},
    {"doubt-discard-here", SOURCE, 3, "mxw", "COMMITTED / PREPARED", "3", THERE, 0, 0},
    {"doubt-discard-both", SOURCE, 3, "mxw", "COMMITTED / PREPARED", "34", DOWN_HERE, 0, GIVES_UP},
    {"doubt-start-anew", SOURCE, 3, "mxwD", "COMMITTED / DISCARDED", "3w1", HERE, 0, GIVES_UP},
    {"doubt-destroyed-there", SOURCE, 3, "mxw", "COMMITTED / PREPARED", "z", HERE, 0, 0},
    {"doubt-destroyed-here", SOURCE, 3, "mxw", "COMMITTED / PREPARED", "y", THERE, 0, 0},
    {"doubt-destroyed-both", SOURCE, 3, "mxw", "COMMITTED / PREPARED", "yz", DOWN_HERE, 0,
     GIVES_UP},

    {"unread", DESTINATION, 2, "mxw", "ABORTED / PREPARED", "", HERE, 0, 0},
    {"unread-source-boots", DESTINATION, 2, "mxw", "ABORTED / PREPARED", "S", DOWN_HERE, 0, 0},
    {"unread-source-starts", DESTINATION, 2, "mxwS", "ABORTED / PREPARED", "1", HERE, 0, 0},
    {"unread-destination-boots", DESTINATION, 2, "mxw", "ABORTED / PREPARED", "D", HERE, 0, 0},
    {"unread-new-daemons", DESTINATION, 2, "mxw", "ABORTED / PREPARED", "sd", HERE, 0, 0},
    {"unread-paused", DESTINATION, 2, "mxw", "ABORTED / PREPARED", "pss", HERE, 'u', 0},
    {"unread-unpaused", DESTINATION, 2, "mxwps", "ABORTED / PREPARED", "su", HERE, 'u', 0},

    {"clash-discard-there", DESTINATION, 2, "mxw2w", "ABORTED / DONE", "rw4", HERE, '4',
     LIES | GIVES_UP},
    {"clash-discard-here", DESTINATION, 2, "mxw2w", "ABORTED / DONE", "rw3", THERE, '3',
     LIES | GIVES_UP},
    {"clash-run-here", DESTINATION, 2, "mxw2wrw", "CLASH / CLASH", "x/1w4r", HERE, '4',
     LIES | GIVES_UP},
    {"clash-run-there", DESTINATION, 2, "mxw2wrw", "CLASH / CLASH", "x/2w3r", THERE, '3',
     LIES | GIVES_UP},
    {"clash-new-daemons", DESTINATION, 2, "mxw2wrw", "CLASH / CLASH", "sdw4", HERE, '4',
     LIES | GIVES_UP},
    {"clash-source-boots", DESTINATION, 2, "mxw2wrw", "CLASH / CLASH", "Sw", THERE, '4',
     LIES | GIVES_UP},
    {"clash-destination-boots", DESTINATION, 2, "mxw2wrw", "CLASH / CLASH", "Dw", HERE, '3',
     LIES | GIVES_UP},
    {"clash-both-boot", DESTINATION, 2, "mxw2wrw", "CLASH / CLASH", "SDw", DOWN_HERE, '3',
     LIES | GIVES_UP},

    {"clash-destroyed-here", DESTINATION, 2, "mxw2wrw", "CLASH / CLASH", "yw", THERE, '3',
     LIES | GIVES_UP},
    {"clash-destroyed-there", DESTINATION, 2, "mxw2wrw", "CLASH / CLASH", "zw", HERE, '4',
     LIES | GIVES_UP},

    {"unheard", DESTINATION, 3, "mxw", "COMMITTED / DONE", "", THERE, 0, 0},
    {"unheard-source-boots", DESTINATION, 3, "mxw", "COMMITTED / DONE", "S", THERE, 0, 0},
    {"unheard-destination-boots", DESTINATION, 3, "mxw", "COMMITTED / DONE", "D", DOWN_THERE, 0, 0},
    {"unheard-destination-starts", DESTINATION, 3, "mxwD", "COMMITTED / DONE", "2", THERE, 0, 0},
    {"unheard-paused", DESTINATION, 3, "mxw", "COMMITTED / DONE", "qdd", THERE, 'u', 0},

    {"unsettled", SOURCE, 4, "mxw", "MOVED / DONE", "", THERE, 0, 0},
    {"unsettled-source-boots", SOURCE, 4, "mxw", "MOVED / DONE", "S", THERE, 0, 0},
    {"unsettled-destination-boots", SOURCE, 4, "mxw", "MOVED / DONE", "D", DOWN_THERE, 0, 0},
    {"forgotten", DESTINATION, 4, "mxw", "MOVED / -", "s", THERE, 0, 0},
    {"forgotten-source-boots", DESTINATION, 4, "mxw", "MOVED / -", "S", THERE, 0, 0},

    {"live-starts", SOURCE, 0, "", "- / -", "m", THERE, 0, STARTS},
    {"cancel-starts", SOURCE, 0, "Sw", "- / -", "mc", HERE, 0, STARTS},
    {"doubt-both-start", SOURCE, 3, "mxw", "COMMITTED / PREPARED", "SD", HERE, 0, STARTS},
    {"unread-source-starts-itself", DESTINATION, 2, "mxw", "ABORTED / PREPARED", "S", HERE, 0,
     STARTS},
    {"unread-source-is-started", DESTINATION, 2, "mxwS", "ABORTED / PREPARED", "1", HERE, 0,
     STARTS},
    {"unheard-destination-starts-itself", DESTINATION, 3, "mxw", "COMMITTED / DONE", "D", THERE, 0,
     STARTS},

    {"stock-live", SOURCE, 0, "", "- / -", "m", THERE, 0, STOCK},
    {"stock-doubt", SOURCE, 3, "mxw", "COMMITTED / PREPARED", "", THERE, 0, STOCK},
    {"stock-doubt-new-daemons", SOURCE, 3, "mxw", "COMMITTED / PREPARED", "sd", THERE, 0, STOCK},
    {"stock-doubt-held-then-boots", SOURCE, 3, "mxwsss", "COMMITTED / PREPARED", "sD", HERE, 0,
     STOCK},
    {"stock-unread-new-daemons", DESTINATION, 2, "mxw", "ABORTED / PREPARED", "sd", HERE, 0, STOCK},
    {"stock-unheard", DESTINATION, 3, "mxw", "COMMITTED / DONE", "", THERE, 0, STOCK},
    {NULL, SOURCE, 0, NULL, NULL, NULL, NULL, 0, 0},
};

char *journey_text(const Plan *plan, const Verdict *verdict)
{
    static const char *const faults[] = {[SIM_FAIL_BEFORE] = "fails before",
                                         [SIM_FAIL_AFTER] = "fails after",
                                         [SIM_HANG] = "hangs",
                                         [SIM_DEATH] = "is the last"};
    static const char *const happens[] = {"connections are cut", "its daemon dies",
                                          "its power is cut", "it cannot be reached for 100 s",
                                          "db crashes, and is to be restarted"};
    const char *side = plan->side == SOURCE ? "source" : "destination";
    if (plan->fault == SIM_NONE && plan->happens == HAPPENS_COUNT)
        return g_strdup_printf("%s: without a fault", plan->story->name);
    if (plan->second != 0)
        return g_strdup_printf(
            "%s: %s: call %u (%s) is the last%s, then call %u (%s) of the %s", plan->story->name,
            side, plan->nth, verdict->hit, plan->power ? " before a power cut" : "", plan->second,
            verdict->second, plan->second_side == SOURCE ? "source" : "destination");
    if (plan->nth != 0)
        return g_strdup_printf("%s: %s: call %u (%s) %s%s", plan->story->name, side, plan->nth,
                               verdict->hit, faults[plan->fault],
                               plan->power ? " before a power cut" : "");
    return g_strdup_printf("%s: %s: after %.3f s %s", plan->story->name, side,
                           (double)plan->at_us / SECOND, happens[plan->happens]);
}

/* -- a run -- */

static void happen(Pair *pair, const Plan *plan)
{
    World *world = pair->sides[plan->side];
    switch (plan->happens) {
    case CUT:
        links_sim_cut(world->links, 0);
        break;
    case KILL:
        pair_kill(pair, plan->side);
        break;
    case POWER:
        pair_power(pair, plan->side);
        break;
    case CRASH:
        sim_guest_end(world->host, "db", HOST_REASON_CRASH);
        break;
    default:
        links_sim_set_reachable(world->links, FALSE);
        links_sim_cut(world->links, 0);
        pair_run_for(pair, 100 * SECOND);
        links_sim_set_reachable(world->links, TRUE);
    }
}

static void cancel(Pair *pair)
{
    const World *world = pair->sides[SOURCE];
    pair_run_for(pair, 2 * SECOND);
    if (world->task[0] != '\0')
        engine_cancel(world->engine, world->task, NULL);
}

static void settled(gpointer data, const GError *error)
{
}

static void say(Pair *pair, guint side, EngineWord word)
{
    engine_settle(pair->sides[side]->engine, "shop", word, settled, NULL);
}

static void operate(Pair *pair, guint side, OperationKind kind)
{
    World *world = pair->sides[side];
    world_expect(world, engine_operate(world->engine, kind, "shop", NULL, NULL));
    pair_run_for(pair, SECOND);
}

static void set_reachable(Pair *pair, gboolean reachable)
{
    links_sim_set_reachable(pair->sides[DESTINATION]->links, reachable);
}

static void do_letter(Pair *pair, char letter)
{
    pair->given_up[SOURCE] |= letter == '3' || letter == 'y';
    pair->given_up[DESTINATION] |= letter == '4' || letter == 'z';
    switch (letter) {
    case 'm':
        pair_migrate(pair, SOURCE, &(EngineOptions){.live = TRUE, .without_groups = TRUE}, NULL);
        pair_run_for(pair, SECOND / 10);
        break;
    case 'M':
        pair_migrate(pair, SOURCE, &(EngineOptions){.live = FALSE}, NULL);
        break;
    case 'c':
        cancel(pair);
        break;
    case 'w':
        pair_run_for(pair, 5 * SECOND);
        break;
    case '/':
        links_sim_cut(pair->sides[SOURCE]->links, 0);
        break;
    case 'x':
    case 'r':
        set_reachable(pair, letter == 'r');
        break;
    case 's':
    case 'd':
        pair_kill(pair, letter == 's' ? SOURCE : DESTINATION);
        break;
    case 'S':
    case 'D':
        pair_power(pair, letter == 'S' ? SOURCE : DESTINATION);
        break;
    case 'y':
    case 'z':
        sim_xl_destroy(pair->sides[letter == 'y' ? SOURCE : DESTINATION]->host, "db");
        break;
    case 'p':
    case 'q':
        operate(pair, letter == 'p' ? SOURCE : DESTINATION, OPERATION_PAUSE);
        break;
    case 'u':
        operate(pair, pair_owner(pair) == DESTINATION ? DESTINATION : SOURCE, OPERATION_UNPAUSE);
        break;
    case '1':
    case '2':
        say(pair, letter == '1' ? SOURCE : DESTINATION, ENGINE_WORD_RUN_HERE);
        break;
    default:
        say(pair, letter == '3' ? SOURCE : DESTINATION, ENGINE_WORD_DISCARD_HERE);
    }
    pair_run_for(pair, SECOND / 100);
}

static void do_letters(Pair *pair, const char *letters)
{
    for (; *letters != '\0'; letters++)
        do_letter(pair, *letters);
}

Pair *journey_begin(const Story *story)
{
    Pair *pair = pair_new();
    pair->on_boot = (story->flags & STARTS) != 0;
    for (guint i = 0; i < 2 && (story->flags & STOCK) != 0; i++)
        world_make_stock(pair->sides[i]);
    pair_set_file(pair, "db", "on_crash = restart");
    pair_create(pair, pair->on_boot ? ORDER "on_boot start\n" : ORDER);
    if ((story->flags & GIVES_UP) != 0)
        pair_give_up(pair);
    for (guint i = 0; i < 2 && (story->flags & LIES) != 0; i++)
        checker_lie(pair->sides[i]->checker);
    links_sim_cut(pair->sides[story->side]->links, story->cut != 0 ? story->cut : G_MAXUINT);
    do_letters(pair, story->before);
    return pair;
}

void journey_act(Pair *pair, const Plan *plan)
{
    World *world = pair->sides[plan->side];
    pair->power = plan->power;
    /* A start whose calls fail is undone, as any other. */
    pair->on_boot = pair->on_boot && (plan->nth == 0 || plan->fault == SIM_DEATH);
    pair->second_side = plan->second_side;
    pair->second = plan->second;
    if (plan->nth != 0)
        host_sim_fault(world->host, plan->nth, plan->fault);
    if (plan->mutated != 0)
        host_sim_mutate(world->host, plan->mutated, SIM_LOST);
    do_letters(pair, plan->story->act);
    set_reachable(pair, TRUE);
    if (plan->nth == 0) {
        pair_run_for(pair, plan->at_us);
        if (plan->happens != HAPPENS_COUNT)
            happen(pair, plan);
        return;
    }
    if (plan->fault == SIM_HANG)
        pair_run_for(pair, 100 * SECOND);
    if (plan->fault == SIM_HANG && host_sim_fault_call(world->host) != NULL)
        pair_kill(pair, plan->side);
}

/* What could not be closed in the journal is closed by the next start. */
static void restart_open(Pair *pair)
{
    for (guint i = 0; i < 2; i++) {
        g_autofree char *journal = journal_sim_describe(pair->sides[i]->journal);
        if (strstr(journal, "open ") != NULL)
            pair_kill(pair, i);
    }
    pair_rest(pair);
}

void journey_settle(Pair *pair, const Plan *plan)
{
    pair_rest(pair);
    pair_note_hits(pair, plan->side);
    for (guint i = 0; i < 2; i++)
        host_sim_fault(pair->sides[i]->host, 0, SIM_NONE);
    pair->power = FALSE;
    if (plan->story->last != 0)
        do_letter(pair, plan->story->last);
    pair_rest(pair);
    if (plan->fault == SIM_FAIL_BEFORE || plan->fault == SIM_FAIL_AFTER)
        restart_open(pair);
}

/* New daemons where all is at rest find nothing to do. */
static char *check_restart(Pair *pair)
{
    g_autofree char *before = pair_list(pair);
    for (guint i = 0; i < 2; i++)
        pair_kill(pair, i);
    pair_rest(pair);
    g_autofree char *after = pair_list(pair);
    if (strcmp(before, after) != 0)
        return g_strdup_printf("before another start of the daemons: %s, and after: %s", before,
                               after);
    return pair_check(pair);
}

/* Whatever happened, an operator can get rid of it, and nothing is left. */
static char *check_way_out(Pair *pair)
{
    World *world = pair->sides[pair_owner(pair)];
    engine_operate(world->engine, OPERATION_DESTROY, "shop", NULL, NULL);
    pair_rest(pair);
    engine_operate(world->engine, OPERATION_DELETE, "shop", NULL, NULL);
    pair_rest(pair);
    for (guint i = 0; i < 2; i++) {
        g_autofree char *host = host_sim_describe(pair->sides[i]->host);
        g_autofree char *journal = journal_sim_describe(pair->sides[i]->journal);
        if (*host != '\0' || *journal != '\0')
            return g_strdup_printf("after destroy and delete host %u has:\n%s\n%s", i + 1, host,
                                   journal);
        if (checker_wrong(pair->sides[i]->checker) != NULL)
            return g_strdup(checker_wrong(pair->sides[i]->checker));
    }
    return NULL;
}

Verdict journey_run(const Plan *plan)
{
    Verdict verdict = {0};
    Pair *pair = journey_begin(plan->story);
    journey_act(pair, plan);
    journey_settle(pair, plan);
    verdict.hit = pair->hit;
    verdict.second = pair->second_hit;
    verdict.lost = host_sim_lost_write(pair->sides[plan->side]->host);
    verdict.wrong = pair_check(pair);
    if (verdict.wrong == NULL)
        verdict.wrong = check_restart(pair);
    if (verdict.wrong == NULL)
        verdict.wrong = check_way_out(pair);
    for (guint i = 0; i < 2 && verdict.wrong != NULL && g_getenv("TRACE") != NULL; i++) {
        g_autofree char *trace = checker_trace(pair->sides[i]->checker);
        g_print("# host %u: %s\n%s", i + 1, pair->sides[i]->notes->str, trace);
    }
    pair_free(pair);
    return verdict;
}
