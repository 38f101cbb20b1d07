/*
 * Reads a register while the machine's memory map changes
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 *   mapstress CONFIG ADDRESS SECONDS
 *
 * One thread reads 32 bits at the physical ADDRESS (hexadecimal), which must
 * always be the same. The other one disables and enables the BARs of the PCI
 * function whose configuration space is the file CONFIG. Prints how often each
 * was done, and how many reads were wrong.
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
#include <time.h>
#include <unistd.h>

#define PAGE                4096
#define PCI_COMMAND         4
#define PCI_COMMAND_MEMORY  2

static atomic_bool done;
static uint64_t reads, wrong;

static void *read_it(void *opaque)
{
    const _Atomic uint32_t *reg = opaque;
    uint32_t expected = atomic_load(reg);

    while (!done) {
        wrong += atomic_load(reg) != expected;
        reads++;
    }
    return NULL;
}

int main(int argc, char **argv)
{
    uint64_t address, toggles = 0;
    uint16_t command;
    time_t end;
    pthread_t reader;
    char *page;
    int config, mem;

    if (argc != 4 || sscanf(argv[2], "%" SCNx64, &address) != 1) {
        fprintf(stderr, "usage: mapstress CONFIG ADDRESS SECONDS\n");
        return 2;
    }
    config = open(argv[1], O_RDWR);
    mem = open("/dev/mem", O_RDONLY | O_SYNC);
    if (config < 0 || mem < 0 ||
        pread(config, &command, sizeof(command), PCI_COMMAND) < 0) {
        perror(config < 0 ? argv[1] : "/dev/mem");
        return 1;
    }
    page = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, mem, address & -PAGE);
    if (page == MAP_FAILED ||
        pthread_create(&reader, NULL, read_it, page + address % PAGE)) {
        perror("mapstress");
        return 1;
    }
    end = time(NULL) + atoi(argv[3]);
    while (time(NULL) < end) {
        command ^= PCI_COMMAND_MEMORY;
        if (pwrite(config, &command, sizeof(command), PCI_COMMAND) < 0) {
            perror(argv[1]);
            return 1;
        }
        toggles++;
    }
    done = true;
    pthread_join(reader, NULL);
    printf("%" PRIu64 " %" PRIu64 " %" PRIu64 "\n", toggles, reads, wrong);
    return 0;
}
