/*
 * Puts an illegal command into a VCMDQ that the kernel does not use
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 *   vcmdq-error ADDRESS LVCMDQ
 *
 * ADDRESS is where the CMDQ-V's registers are.  The queue must have come to
 * rest.  Once the kernel has taken the illegal command away, CMD_SYNCs follow
 * until the indices are where they were: the kernel knows nothing of all this.
 */

#include <fcntl.h>
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#define VINTF0_PAGE0 0x30000
#define VINTF0_PAGE1 0x40000
#define STRIDE 0x80
#define CONS 0x00
#define PROD 0x04
#define BASE 0x00
#define BASE_ADDR 0xffffffffffe0ull
#define CMD_CFGI_ALL 0x04
#define CMD_SYNC 0x46

/* As large as pages may be */
#define ALIGNMENT 0x10000

static void *map(int mem, uint64_t address, size_t size)
{
    uint64_t start = address & -ALIGNMENT;
    char *p = mmap(NULL, size + address - start, PROT_READ | PROT_WRITE,
                   MAP_SHARED, mem, start);

    if (p == MAP_FAILED) {
        perror("mmap of /dev/mem");
        exit(1);
    }
    return p + (address - start);
}

static uint32_t rd(uint32_t *page0, unsigned reg)
{
    return __atomic_load_n(&page0[reg / 4], __ATOMIC_SEQ_CST);
}

/* Wait until CONS is at PROD: two seconds at most */
static int at_rest(uint32_t *page0)
{
    for (int i = 0; i < 2000; i++) {
        if ((rd(page0, CONS) & 0xfffff) == rd(page0, PROD)) {
            return 1;
        }
        usleep(1000);
    }
    printf("io_error=CONS is 0x%x, PROD is 0x%x\n",
           rd(page0, CONS), rd(page0, PROD));
    return 0;
}

int main(int argc, char **argv)
{
    int registers = open("/dev/mem", O_RDWR | O_SYNC);
    int memory = open("/dev/mem", O_RDWR);
    uint64_t where, *queue;
    int64_t address;
    uint32_t *page0, size, prod;
    unsigned lvcmdq;

    if (argc != 3 || sscanf(argv[1], "%" SCNi64, &address) != 1 ||
        registers < 0 || memory < 0) {
        fprintf(stderr, "usage: vcmdq-error ADDRESS LVCMDQ, as root\n");
        return 2;
    }
    lvcmdq = atoi(argv[2]);
    page0 = map(registers, address + VINTF0_PAGE0 + lvcmdq * STRIDE, STRIDE);
    where = *(uint64_t *)map(registers, address + VINTF0_PAGE1 +
                             lvcmdq * STRIDE + BASE, STRIDE);
    size = 1u << (where & 0x1f);
    queue = map(memory, where & BASE_ADDR, size * 16);
    if (!at_rest(page0)) {
        return 1;
    }
    prod = rd(page0, PROD);
    for (uint32_t i = 0; i < 2 * size; i++) {
        uint32_t at = (prod + i) % size;

        queue[2 * at] = i == 0 ? CMD_CFGI_ALL : CMD_SYNC;
        queue[2 * at + 1] = 0;
        __atomic_store_n(&page0[PROD / 4], (prod + i + 1) % (2 * size),
                         __ATOMIC_SEQ_CST);
        if (!at_rest(page0)) {
            return 1;
        }
    }
    return 0;
}
