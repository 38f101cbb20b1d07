/*
 * Makes an edu device (QEMU's docs/specs/edu.rst) do DMA to the BAR of another
 *
 *   edu-peer EDU_RESOURCE0 OTHER_RESOURCE0 OTHER_BUS_ADDRESS FROM TO
 *
 * The edu device reads 32 bits of the other's register FROM (an offset), and
 * writes what it has read to the other's register TO, both by DMA. The CPU has
 * cleared that before and looks at the result. Prints both values and exits
 * with 0 if they are the same.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include <fcntl.h>
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#define EDU_SIZE            0x100000
#define OTHER_SIZE          0x1000
#define EDU_DMA_SRC         0x80
#define EDU_DMA_DST         0x88
#define EDU_DMA_COUNT       0x90
#define EDU_DMA_CMD         0x98
#define EDU_DMA_CMD_RUN     1
#define EDU_DMA_TO_BUS      2
#define EDU_DMA_BUFFER      0x40000
#define TRIES               100

static void *map_regs(const char *path, size_t size)
{
    int fd = open(path, O_RDWR | O_SYNC);
    void *regs = MAP_FAILED;

    if (fd >= 0) {
        regs = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    }

    if (regs == MAP_FAILED) {
        perror(path);
        exit(2);
    }
    return regs;
}

static uint64_t read64(void *regs, unsigned offset)
{
    /* volatile: registers are not memory */
    return *(volatile uint64_t *)((char *)regs + offset);
}

static void write64(void *regs, unsigned offset, uint64_t value)
{
    /* volatile: as above */
    *(volatile uint64_t *)((char *)regs + offset) = value;
}

static uint32_t read32(void *regs, unsigned offset)
{
    /* volatile: as above */
    return *(volatile uint32_t *)((char *)regs + offset);
}

static void write32(void *regs, unsigned offset, uint32_t value)
{
    /* volatile: as above */
    *(volatile uint32_t *)((char *)regs + offset) = value;
}

static void dma(void *regs, uint64_t src, uint64_t dst, uint64_t cmd)
{
    int tries = 0;

    write64(regs, EDU_DMA_SRC, src);
    write64(regs, EDU_DMA_DST, dst);
    write64(regs, EDU_DMA_COUNT, sizeof(uint32_t));
    write64(regs, EDU_DMA_CMD, cmd | EDU_DMA_CMD_RUN);
    while (read64(regs, EDU_DMA_CMD) & EDU_DMA_CMD_RUN) {
        if (tries++ == TRIES) {
            fprintf(stderr, "the DMA does not end\n");
            exit(2);
        }
        usleep(10000);
    }
}

int main(int argc, char **argv)
{
    unsigned from, to;
    uint64_t bus;
    uint32_t wanted, found;
    void *regs, *other;

    if (argc != 6 || sscanf(argv[3], "%" SCNx64, &bus) != 1 ||
        sscanf(argv[4], "%x", &from) != 1 || sscanf(argv[5], "%x", &to) != 1) {
        fprintf(stderr, "usage: edu-peer EDU_RESOURCE0 OTHER_RESOURCE0 "
                "OTHER_BUS_ADDRESS FROM TO\n");
        return 2;
    }
    regs = map_regs(argv[1], EDU_SIZE);
    other = map_regs(argv[2], OTHER_SIZE);
    wanted = read32(other, from);
    write32(other, to, 0);

    dma(regs, bus + from, EDU_DMA_BUFFER, 0);
    dma(regs, EDU_DMA_BUFFER, bus + to, EDU_DMA_TO_BUS);

    found = read32(other, to);
    printf("wanted=0x%x found=0x%x\n", wanted, found);
    return wanted && found == wanted ? 0 : 1;
}
