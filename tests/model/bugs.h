/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Inside the checker that SPIN makes of migration.pml: seeds a bug from the
 * environment, BUG="ARRAY INDEX VALUE ...", with arrays of table.pml and
 * rules of migration.pml, and says in the end which rows of the table it has done.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct {
    const char *name;
    uchar *first;
    size_t size;
} bugs_arrays[] = {
#define ARRAY(array) {#array, array, sizeof(array)},
    ARRAY(row_at) ARRAY(row_guard) ARRAY(row_write) ARRAY(row_action) ARRAY(row_message)
        ARRAY(row_next)
#undef ARRAY
#define RULE(rule) {#rule, &rule, 1},
            RULE(only_ours) RULE(only_newest) RULE(all_dropped)
#undef RULE
};

static void bugs_print_seen(void)
{
    printf("rows done:");
    for (size_t i = 1; i < sizeof(seen); i++)
        if (seen[i])
            printf(" %d", i);
    printf("\n");
}

/* Returns what follows the first bug in @text, NULL if it is none. */
static const char *bugs_seed_one(const char *text)
{
    char name[32];
    unsigned index, value;
    int length = 0;
    if (sscanf(text, "%31s %u %u %n", name, &index, &value, &length) != 3)
        return NULL;
    for (size_t i = 0; i < sizeof(bugs_arrays) / sizeof(bugs_arrays[0]); i++)
        if (strcmp(bugs_arrays[i].name, name) == 0 && index < bugs_arrays[i].size) {
            bugs_arrays[i].first[index] = value;
            return text + length;
        }
    return NULL;
}

static void bugs_seed(void)
{
    const char *bugs = getenv("BUG");
    atexit(bugs_print_seen);
    while (bugs != NULL && *bugs != '\0') {
        bugs = bugs_seed_one(bugs);
        if (bugs == NULL) {
            fprintf(stderr, "no such bug: %s\n", getenv("BUG"));
            abort();
        }
    }
}
