/*
 * Changes a guest's memory map and its page tables at the same time
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 *   svm-stress CONFIG SECONDS
 *
 * One thread switches the memory decode of the PCI function whose
 * configuration space is the file CONFIG, as fast as it can: for an assigned
 * device, KVM adds or removes a slot of guest memory each time. Another one
 * maps memory, fills, checks and unmaps it. Prints how often each was done, and
 * how many words were wrong, now and then and at the end.
 */

#define _GNU_SOURCE
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#define PCI_COMMAND         4
#define PCI_COMMAND_MEMORY  2

#define AREA_SIZE           (16 << 20)
#define AREA_WORDS          (AREA_SIZE / sizeof(uint64_t))
/* Eight words of each page are used: most of a sweep's time are page faults */
#define STEP                64
#define MAX_SHOWN           10
#define REPORT_SECONDS      10

static atomic_bool done;
static atomic_ulong toggles, sweeps, wrong;

static void die(const char *what)
{
    perror(what);
    exit(1);
}

static void *toggle(void *path)
{
    int config = open(path, O_RDWR);
    uint16_t command, found;

    if (config < 0 ||
        pread(config, &command, sizeof(command), PCI_COMMAND) < 0) {
        die(path);
    }
    while (!done) {
        command ^= PCI_COMMAND_MEMORY;
        if (pwrite(config, &command, sizeof(command), PCI_COMMAND) < 0 ||
            pread(config, &found, sizeof(found), PCI_COMMAND) < 0) {
            die(path);
        }
        toggles += found == command;
    }
    return NULL;
}

static void *sweep(void *opaque)
{
    uint64_t seed = 1000000;

    while (!done) {
        uint64_t *area = mmap(NULL, AREA_SIZE, PROT_READ | PROT_WRITE,
                              MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

        if (area == MAP_FAILED) {
            die("mmap");
        }
        for (size_t i = 0; i < AREA_WORDS; i += STEP) {
            area[i] = seed + i;
        }
        for (size_t i = 0; i < AREA_WORDS; i += STEP) {
            uint64_t found = area[i];

            if (found != seed + i && wrong++ < MAX_SHOWN) {
                fprintf(stderr, "word %zu of sweep %lu: 0x%" PRIx64
                        ", not 0x%" PRIx64 "\n", i, sweeps, found, seed + i);
            }
        }
        munmap(area, AREA_SIZE);
        sweeps++;
        seed++;
    }
    return NULL;
}

static void report(void)
{
    printf("toggles=%lu\nsweeps=%lu\nwrong=%lu\n", toggles, sweeps, wrong);
    fflush(stdout);
}

int main(int argc, char **argv)
{
    pthread_t toggler, sweeper;
    unsigned seconds;

    if (argc != 3 || sscanf(argv[2], "%u", &seconds) != 1) {
        fprintf(stderr, "usage: svm-stress CONFIG SECONDS\n");
        return 2;
    }
    if (pthread_create(&toggler, NULL, toggle, argv[1]) ||
        pthread_create(&sweeper, NULL, sweep, NULL)) {
        fprintf(stderr, "svm-stress: no thread can be started\n");
        return 1;
    }
    for (; seconds > REPORT_SECONDS; seconds -= REPORT_SECONDS) {
        sleep(REPORT_SECONDS);
        report();
    }
    sleep(seconds);
    done = true;
    pthread_join(toggler, NULL);
    pthread_join(sweeper, NULL);
    report();
    return 0;
}
