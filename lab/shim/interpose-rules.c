/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Which rules a call is shown to, and when it is their turn
 */

#define _GNU_SOURCE
#include <time.h>
#include "interpose.h"

Rule rules[MAX_RULES];
unsigned nr_rules;
uint64_t rules_of[NR_KINDS];

Row *row_of(const Rule *rule)
{
    return &counters->rows[ROW_RULES + (rule - rules)];
}

uint64_t bit_of(const Rule *rule)
{
    return UINT64_C(1) << (rule - rules);
}

/* A rule has hit an entry or event, of which a call can have many */
void hit_item(Rule *rule, Call *call)
{
    add(&row_of(rule)->items, 1);
    call->hits |= bit_of(rule);
}

/* A rule has hit, maybe not only here */
void hit(Rule *rule, Call *call)
{
    if (!(call->hits & bit_of(rule))) {
        hit_item(rule, call);
    }
}

/* The conditions are met: is it this rule's turn? */
bool choose(Rule *rule)
{
    uint64_t n = __atomic_add_fetch(&rule->met, 1, __ATOMIC_RELAXED);
    uint64_t taken = load(&rule->taken);

    add(&row_of(rule)->calls, 1);
    if (n < rule->first || (n - rule->first + 1) % rule->every) {
        return false;
    }
    while (!rule->times || taken < rule->times) {
        if (__atomic_compare_exchange_n(&rule->taken, &taken, taken + 1, false,
                                        __ATOMIC_RELAXED, __ATOMIC_RELAXED)) {
            return true;
        }
    }
    return false;
}

/* A rule that was chosen has found nothing to alter: it may try again */
void give_back(Rule *rule)
{
    __atomic_fetch_sub(&rule->taken, 1, __ATOMIC_RELAXED);
}

Rule *next_rule(uint64_t *left)
{
    unsigned n = __builtin_ctzll(*left);

    *left &= *left - 1;
    return &rules[n];
}

static void wait_usec(uint64_t usec)
{
    struct timespec left = {
        .tv_sec = usec / 1000000,
        .tv_nsec = usec % 1000000 * 1000,
    };

    while (clock_nanosleep(CLOCK_MONOTONIC, 0, &left, &left) == EINTR) {
        continue;
    }
}

/* Does a rule choose among entries or events, not among calls? */
static bool chooses_items(const Rule *rule)
{
    return rule->entry.nr || rule->lost;
}

/* The call is over: rules that were chosen, but have done nothing */
static void give_back_misses(const Call *call)
{
    uint64_t left = call->chosen & ~call->hits;

    while (left) {
        Rule *rule = next_rule(&left);

        if (!chooses_items(rule)) {
            give_back(rule);
        }
    }
}

/* Show a call to its rules, up to the one that answers it */
void consult(Call *call)
{
    uint64_t left = rules_of[call->row];

    if (call->sub != NO_ROW) {
        left |= rules_of[call->sub];
    }
    while (left && !call->end) {
        Rule *rule = next_rule(&left);

        if (!meets(&rule->where, call->arg, call->size)) {
            continue;
        }
        if (chooses_items(rule)) {
            call->chosen |= bit_of(rule);
        } else if (choose(rule)) {
            switch (rule->action) {
            case DELAY:
                wait_usec(rule->usec);
                hit(rule, call);
                break;
            case FAIL:
            case DROP:
                hit(rule, call);
                call->end = rule;
                break;
            case ALTER:
                alter_before(rule, call);
                break;
            }
        }
    }
}

void finish(const Call *call, bool failed)
{
    size_t numbers[] = { call->row, call->sub };

    give_back_misses(call);

    for (unsigned i = 0; i < ARRAY_SIZE(numbers); i++) {
        if (numbers[i] != NO_ROW) {
            Row *row = &counters->rows[numbers[i]];

            add(&row->calls, 1);
            if (failed) {
                add(&row->failed, 1);
            }
            if (call->items) {
                add(&row->items, call->items);
            }
            if (call->hits) {
                add(&row->altered, 1);
            }
        }
    }
}
