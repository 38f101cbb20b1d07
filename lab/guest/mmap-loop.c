/*
 * Maps, touches and unmaps memory for ever, in two threads
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 *   mmap-loop
 *
 * When a thread unmaps, the kernel has the processor that runs the other one
 * flush its TLB, by an IPI.
 */

#define _GNU_SOURCE
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#define PAGE_SIZE   4096
#define PAGES       16
#define PAUSE_US    500

static void *loop(void *opaque)
{
    for (;;) {
        /* volatile: the writes are for their page faults */
        volatile char *area = mmap(NULL, PAGES * PAGE_SIZE,
                                   PROT_READ | PROT_WRITE,
                                   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

        if (area == MAP_FAILED) {
            perror("mmap");
            exit(1);
        }
        for (unsigned i = 0; i < PAGES; i++) {
            area[i * PAGE_SIZE] = i;
        }
        munmap((void *)area, PAGES * PAGE_SIZE);
        usleep(PAUSE_US);
    }
    return NULL;
}

int main(void)
{
    pthread_t other;

    if (pthread_create(&other, NULL, loop, NULL)) {
        fprintf(stderr, "mmap-loop: no thread can be started\n");
        return 1;
    }
    loop(NULL);
    return 0;
}
