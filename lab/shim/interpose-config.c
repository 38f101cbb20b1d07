/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The configuration file: its grammar, and how it becomes rules
 *
 * A line is one of
 *
 *   # comment
 *   count PATH
 *   rule KIND ACTION [KEY=VALUE...]
 *
 * An error in the file ends the process with status 99.
 *
 * count: the file of counters, which interpose-count.c describes.
 *
 * KIND is the name of a request in linux/iommufd.h, linux/vfio.h, linux/kvm.h,
 * some of them with "/" and a type (IOMMU_HWPT_ALLOC/ARM_SMMUV3), or
 * mmap:CLASS, read:CLASS, pread:CLASS with a class of class_names, which
 * interpose-fd.c has.
 *
 * A call is shown to the rules of its kind, in the order of the file, up to the
 * first that answers it. A rule looks at its conditions:
 *
 *   where=OFFSET:SIZE:MASK:VALUE  (field & MASK) == VALUE, in the structure
 *                    before the call; for mmap, read and pread this is two
 *                    64-bit words, offset (0 for read) and length
 *   first=N          from the Nth call on that meets them (default 1)
 *   every=N          of those, every Nth
 *   times=N          not more than N times in a process
 *
 * and then does its action:
 *
 *   fail errno=NAME [call=yes] [done=N]  answers -1, with call=yes after the
 *                    kernel has done the work; IOMMU_HWPT_INVALIDATE says that
 *                    N entries are done (default 0)
 *   drop             answers 0, as if all were done. After that, maps of what
 *                    was not unmapped do not fail with EEXIST.
 *   delay usec=N     waits, then goes on
 *   alter            with one or more of these, OFFSET:SIZE:MASK:VALUE each:
 *     in=            the structure, before the call
 *     out=           the structure, after a call that did not fail
 *     data=          what the structure's data_uptr points to, after the call
 *     caps=HEX       the info structure gets this capability chain instead of
 *                    the kernel's, at its end
 *     outwhere=      condition on the structure after the call
 *     entry=         the entries of IOMMU_HWPT_INVALIDATE, in a copy, before
 *                    the call; entrywhere= are conditions on an entry. Such a
 *                    rule has no other alterations, and first, every and times
 *                    count the entries that meet them, not calls.
 *     config=        pread:vfio-device: registers in configuration space
 *     lost=N         read:veventq: the Nth event was lost by the kernel
 *     gap=N          read:veventq: N sequence numbers are left out
 *     short=N        read, pread: N bytes at most are returned
 *     eof=yes        read, pread: 0 is returned, without a call
 *
 * Fields have 1, 2, 4 or 8 bytes; bits outside MASK stay as they are. What is
 * beyond the end of a structure or buffer is not altered, and does not meet a
 * condition. A rule has hit if it did what it says; row "rule:N" counts that.
 *
 * The structure is the caller's: what in= has put into it stays there.
 */

#define _GNU_SOURCE
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include "interpose.h"

static const char *config_path;
static unsigned config_line;

_Noreturn void bad(const char *format, ...)
{
    char text[512];
    va_list ap;

    va_start(ap, format);
    vsnprintf(text, sizeof(text), format, ap);
    va_end(ap);
    if (config_line) {
        dprintf(STDERR_FILENO, "interpose: %s:%u: %s\n", config_path,
                config_line, text);
    } else {
        dprintf(STDERR_FILENO, "interpose: %s: %s\n", config_path, text);
    }
    _exit(99);
}

static unsigned digit(char c)
{
    static const char digits[] = "0123456789abcdef";
    const char *found = c ? strchr(digits, c) : NULL;

    return found ? found - digits : UINT_MAX;
}

/* Decimal, or hexadecimal with 0x and small letters */
static uint64_t parse_number(const char *key, const char *text)
{
    unsigned base = begins(text, "0x") ? 16 : 10;
    const char *p = base == 16 ? text + 2 : text;
    uint64_t value = 0;

    do {
        if (digit(*p) >= base ||
            __builtin_mul_overflow(value, base, &value) ||
            __builtin_add_overflow(value, digit(*p), &value)) {
            bad("%s: '%s' is not a number", key, text);
        }
    } while (*++p);
    return value;
}

static uint64_t parse_positive(const char *key, const char *text)
{
    uint64_t value = parse_number(key, text);

    if (!value) {
        bad("%s: has to be 1 or more", key);
    }
    return value;
}

static bool parse_yes(const char *key, const char *text)
{
    if (strcmp(text, "yes")) {
        bad("%s: '%s' is not 'yes'", key, text);
    }
    return true;
}

static int parse_errno(const char *text)
{
    for (size_t i = 0; i < ARRAY_SIZE(errno_names); i++) {
        if (!strcmp(errno_names[i].name, text)) {
            return errno_names[i].value;
        }
    }
    bad("errno: unknown name '%s'", text);
}

static void parse_field(Fields *fields, const char *key, char *text)
{
    Field *field = &fields->field[fields->nr];
    uint64_t number[4];
    char *part;

    if (fields->nr == MAX_FIELDS) {
        bad("%s: more than %d", key, MAX_FIELDS);
    }
    for (unsigned i = 0; i < ARRAY_SIZE(number); i++) {
        part = strsep(&text, ":");
        if (!part) {
            bad("%s: not OFFSET:SIZE:MASK:VALUE", key);
        }
        number[i] = parse_number(key, part);
    }
    if (text) {
        bad("%s: not OFFSET:SIZE:MASK:VALUE", key);
    }
    if (number[0] > UINT16_MAX) {
        bad("%s: offset beyond 0xffff", key);
    }
    if (number[1] != 1 && number[1] != 2 && number[1] != 4 && number[1] != 8) {
        bad("%s: size is not 1, 2, 4 or 8", key);
    }
    if (!number[2] || (number[1] < 8 && number[2] >> (number[1] * 8))) {
        bad("%s: mask is 0 or does not fit the size", key);
    }
    if (number[3] & ~number[2]) {
        bad("%s: value has bits outside of the mask", key);
    }
    field->offset = number[0];
    field->size = number[1];
    field->mask = number[2];
    field->value = number[3];
    fields->nr++;
}

static void parse_caps(Rule *rule, const char *text)
{
    size_t len = strlen(text);

    if (!len || len % 2 || strspn(text, "0123456789abcdef") != len) {
        bad("caps: not bytes in hexadecimal");
    }
    if (rule->caps) {
        bad("caps: given twice");
    }
    rule->caps_len = len / 2;
    rule->caps = malloc(rule->caps_len);
    if (!rule->caps) {
        bad("out of memory");
    }
    for (size_t i = 0; i < rule->caps_len; i++) {
        rule->caps[i] = digit(text[2 * i]) << 4 | digit(text[2 * i + 1]);
    }
}

static bool parse_selection(Rule *rule, const char *key, char *value)
{
    if (!strcmp(key, "first")) {
        rule->first = parse_positive(key, value);
    } else if (!strcmp(key, "every")) {
        rule->every = parse_positive(key, value);
    } else if (!strcmp(key, "times")) {
        rule->times = parse_positive(key, value);
    } else if (!strcmp(key, "where")) {
        if (is_ioctl(rule->kind) && !has_struct(rule->kind)) {
            bad("where: the argument of this kind is no structure");
        }
        parse_field(&rule->where, key, value);
    } else {
        return false;
    }
    return true;
}

static bool parse_fail(Rule *rule, const char *key, const char *value)
{
    if (!strcmp(key, "errno")) {
        rule->err = parse_errno(value);
    } else if (!strcmp(key, "call")) {
        rule->call = parse_yes(key, value);
    } else if (!strcmp(key, "done")) {
        if (request_of(rule->kind) != IOMMU_HWPT_INVALIDATE) {
            bad("done: only for IOMMU_HWPT_INVALIDATE");
        }
        rule->done = parse_number(key, value);
        if (rule->done > UINT32_MAX) {
            bad("done: more than 32 bits");
        }
    } else {
        return false;
    }
    return true;
}

static bool parse_delay(Rule *rule, const char *key, const char *value)
{
    if (strcmp(key, "usec")) {
        return false;
    }
    rule->usec = parse_positive(key, value);
    return true;
}

static bool parse_alter_ioctl(Rule *rule, const char *key, char *value)
{
    uint32_t request = request_of(rule->kind);
    InfoPlace info;
    size_t a, b;

    if (!strcmp(key, "in") || !strcmp(key, "out") || !strcmp(key, "outwhere")) {
        if (!has_struct(rule->kind)) {
            bad("%s: the argument of this kind is no structure", key);
        }
        parse_field(!strcmp(key, "in") ? &rule->in :
                    !strcmp(key, "out") ? &rule->out : &rule->outwhere,
                    key, value);
    } else if (!strcmp(key, "data")) {
        if (!data_place(request, &a, &b)) {
            bad("data: this kind has no data that the kernel writes");
        }
        parse_field(&rule->data, key, value);
    } else if (!strcmp(key, "entry") || !strcmp(key, "entrywhere")) {
        if (request != IOMMU_HWPT_INVALIDATE) {
            bad("%s: only for IOMMU_HWPT_INVALIDATE", key);
        }
        parse_field(!strcmp(key, "entry") ? &rule->entry : &rule->entrywhere,
                    key, value);
    } else if (!strcmp(key, "caps")) {
        if (!info_place(request, rule->kind, &info)) {
            bad("caps: this kind has no capabilities");
        }
        parse_caps(rule, value);
    } else {
        return false;
    }
    return true;
}

static bool parse_alter_read(Rule *rule, const char *key, char *value)
{
    const char *name = counters->rows[rule->kind].name;

    if (!strcmp(key, "config")) {
        if (strcmp(name, "pread:vfio-device")) {
            bad("config: only for pread:vfio-device");
        }
        parse_field(&rule->config, key, value);
    } else if (!strcmp(key, "lost") || !strcmp(key, "gap")) {
        if (strcmp(name, "read:veventq")) {
            bad("%s: only for read:veventq", key);
        }
        *(*key == 'l' ? &rule->lost : &rule->gap) = parse_positive(key, value);
    } else if (!strcmp(key, "short")) {
        rule->shortened = parse_positive(key, value);
    } else if (!strcmp(key, "eof")) {
        rule->eof = parse_yes(key, value);
    } else {
        return false;
    }
    return true;
}

static bool parse_action_key(Rule *rule, const char *key, char *value)
{
    switch (rule->action) {
    case FAIL:
        return parse_fail(rule, key, value);
    case DELAY:
        return parse_delay(rule, key, value);
    case ALTER:
        return is_ioctl(rule->kind) ? parse_alter_ioctl(rule, key, value) :
               is_read(rule->kind) ? parse_alter_read(rule, key, value) : false;
    case DROP:
        break;
    }
    return false;
}

/* Alterations that belong to a call, not to its entries or events */
static bool alters_call(const Rule *rule)
{
    return rule->in.nr || rule->out.nr || rule->data.nr || rule->caps ||
           rule->config.nr || rule->gap || rule->shortened || rule->eof;
}

static void check_rule(const Rule *rule, bool selects)
{
    if (rule->action == FAIL && !rule->err) {
        bad("fail: without errno");
    }
    if (rule->action == DELAY && !rule->usec) {
        bad("delay: without usec");
    }
    if (rule->action == DROP && !is_ioctl(rule->kind)) {
        bad("drop: only for an ioctl");
    }
    if (rule->action != ALTER) {
        return;
    }
    if (!alters_call(rule) && !rule->entry.nr && !rule->lost) {
        bad("alter: without anything to alter");
    }
    if ((rule->entry.nr || rule->lost) && alters_call(rule)) {
        bad("alter: entry and lost are rules of their own");
    }
    if (rule->entrywhere.nr && !rule->entry.nr) {
        bad("entrywhere: without entry");
    }
    if (rule->outwhere.nr &&
        !(rule->out.nr || rule->data.nr || rule->caps)) {
        bad("outwhere: without anything to alter after the call");
    }
    if (rule->outwhere.nr && rule->in.nr) {
        bad("outwhere: not in a rule with in");
    }
    if (rule->lost && selects) {
        bad("lost: not in a rule with where, first, every or times");
    }
}

static void parse_rule(char *text)
{
    static const char *const actions[] = { "fail", "drop", "delay", "alter" };
    char *kind = strtok_r(NULL, " \t", &text);
    char *action = strtok_r(NULL, " \t", &text);
    Rule *rule = &rules[nr_rules];
    bool selects = false;
    char *key, *value;
    unsigned i;

    if (nr_rules == MAX_RULES) {
        bad("more than %d rules", MAX_RULES);
    }
    if (!kind || !action) {
        bad("not 'rule KIND ACTION'");
    }
    rule->kind = find_row(kind);
    if (rule->kind == NO_ROW) {
        bad("unknown kind '%s'", kind);
    }
    for (i = 0; i < ARRAY_SIZE(actions) && strcmp(action, actions[i]); i++) {
        continue;
    }
    if (i == ARRAY_SIZE(actions)) {
        bad("unknown action '%s'", action);
    }
    rule->action = i;
    rule->first = rule->every = 1;
    while ((key = strtok_r(NULL, " \t", &text))) {
        value = strchr(key, '=');
        if (!value) {
            bad("'%s' is not KEY=VALUE", key);
        }
        *value++ = '\0';
        if (parse_selection(rule, key, value)) {
            selects = true;
        } else if (!parse_action_key(rule, key, value)) {
            bad("unknown key '%s' for %s of %s", key, action, kind);
        }
    }
    check_rule(rule, selects);
    rules_of[rule->kind] |= UINT64_C(1) << nr_rules;
    nr_rules++;
}

static void parse_count(char *text)
{
    char *path = strtok_r(NULL, " \t", &text);

    if (!path || strtok_r(NULL, " \t", &text)) {
        bad("not 'count PATH'");
    }
    open_counters(path);
}

static void parse_line(char *line)
{
    char *word, *rest;

    line[strcspn(line, "#\r\n")] = '\0';
    word = strtok_r(line, " \t", &rest);
    if (!word) {
        return;
    }
    if (!strcmp(word, "count")) {
        parse_count(rest);
    } else if (!strcmp(word, "rule")) {
        parse_rule(rest);
    } else {
        bad("unknown word '%s'", word);
    }
}

void read_config(const char *path)
{
    size_t room = 0;
    char *line = NULL;
    FILE *f;

    config_path = path;
    f = fopen(config_path, "re");
    if (!f) {
        bad("%m");
    }
    while (getline(&line, &room, f) >= 0) {
        config_line++;
        parse_line(line);
    }
    free(line);
    fclose(f);
}
