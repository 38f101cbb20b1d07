/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The file of counters, shared by all processes that name it
 *
 * It is a Header and Rows: one row for each kind of calls, then one for each
 * rule. The first process creates it, all add to it. A process whose
 * configuration names no file counts in memory of its own.
 */

#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include "interpose.h"

#define MAGIC       "QIPCALLS"
#define VERSION     1

static CounterFile nowhere;
CounterFile *counters = &nowhere;

static void name_rows(Row *rows)
{
    static const char *const calls[] = { "mmap", "read", "pread" };
    size_t n = 0;

    for (size_t i = 0; i < NR_IOCTLS; i++) {
        snprintf(rows[n++].name, sizeof(rows->name), "%s", ioctl_names[i].name);
    }
    for (size_t i = 0; i < NR_SUBKINDS; i++) {
        snprintf(rows[n++].name, sizeof(rows->name), "%s", subkinds[i].name);
    }
    for (size_t i = 0; i < ARRAY_SIZE(calls); i++) {
        for (FdClass class = FIRST_CLASS; class < CLASS_COUNT; class++) {
            snprintf(rows[n++].name, sizeof(rows->name), "%s:%s", calls[i],
                     class_names[class]);
        }
    }
    for (unsigned i = 1; i <= MAX_RULES; i++) {
        snprintf(rows[n++].name, sizeof(rows->name), "rule:%u", i);
    }
}

/* Begin to count, without a file yet */
void init_counters(void)
{
    memcpy(nowhere.header.magic, MAGIC, sizeof(nowhere.header.magic));
    nowhere.header.version = VERSION;
    nowhere.header.row_size = sizeof(Row);
    nowhere.header.rows = NR_ROWS;
    name_rows(nowhere.rows);
}

static void check_counters(const CounterFile *file, const char *path)
{
    const Header *header = &file->header;

    if (memcmp(header->magic, MAGIC, sizeof(header->magic)) ||
        header->version != VERSION || header->row_size != sizeof(Row) ||
        header->rows != NR_ROWS) {
        bad("count: %s is a file of something else", path);
    }
    for (size_t i = 0; i < NR_ROWS; i++) {
        if (memcmp(file->rows[i].name, nowhere.rows[i].name,
                   sizeof(nowhere.rows[i].name))) {
            bad("count: %s has counters of another kernel", path);
        }
    }
}

void open_counters(const char *path)
{
    CounterFile *file;
    struct stat st;
    int fd;

    if (counters != &nowhere) {
        bad("count: given twice");
    }
    fd = NEXT(open)(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    if (fd < 0 || flock(fd, LOCK_EX) || fstat(fd, &st)) {
        bad("count: %s: %m", path);
    }
    if (st.st_size && st.st_size != sizeof(*file)) {
        bad("count: %s is a file of something else", path);
    }
    if (!st.st_size && ftruncate(fd, sizeof(*file))) {
        bad("count: %s: %m", path);
    }
    file = NEXT(mmap)(NULL, sizeof(*file), PROT_READ | PROT_WRITE, MAP_SHARED,
                      fd, 0);
    if (file == MAP_FAILED) {
        bad("count: %s: %m", path);
    }
    if (!st.st_size) {
        *file = nowhere;
    } else {
        check_counters(file, path);
    }
    flock(fd, LOCK_UN);     /* close() leaves it to the mapping */
    NEXT(close)(fd);
    counters = file;
}

void note_rules(void)
{
    uint32_t *most = &counters->header.rules;
    uint32_t old = __atomic_load_n(most, __ATOMIC_RELAXED);

    while (old < nr_rules &&
           !__atomic_compare_exchange_n(most, &old, nr_rules, false,
                                        __ATOMIC_RELAXED, __ATOMIC_RELAXED)) {
        continue;
    }
}
