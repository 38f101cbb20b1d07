/*
 * Makes the edu device (QEMU's docs/specs/edu.rst) do DMA to a bad address
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 *   edu-fault RESOURCE0 ADDRESS
 *
 * Prints nothing; whoever calls it looks at what the kernel says of the fault.
 */

#include <fcntl.h>
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#define EDU_SIZE            0x100000
#define EDU_ID              0x00
#define EDU_ID_MASK         0xff
#define EDU_ID_VALUE        0xed
#define EDU_DMA_SRC         0x80
#define EDU_DMA_DST         0x88
#define EDU_DMA_COUNT       0x90
#define EDU_DMA_CMD         0x98
#define EDU_DMA_CMD_RUN     1
#define EDU_DMA_BUFFER      0x40000
#define TRIES               100

static uint64_t read_reg(void *regs, unsigned offset)
{
    /* volatile: registers are not memory */
    return *(volatile uint64_t *)((char *)regs + offset);
}

static void write_reg(void *regs, unsigned offset, uint64_t value)
{
    /* volatile: as above */
    *(volatile uint64_t *)((char *)regs + offset) = value;
}

/* It takes 32-bit accesses only */
static uint32_t read_id(void *regs)
{
    /* volatile: as above */
    return *(volatile uint32_t *)((char *)regs + EDU_ID);
}

int main(int argc, char **argv)
{
    uint64_t address;
    int fd, tries = 0;
    void *regs;

    if (argc != 3 || sscanf(argv[2], "%" SCNi64, &address) != 1) {
        fprintf(stderr, "usage: edu-fault RESOURCE0 ADDRESS\n");
        return 2;
    }
    fd = open(argv[1], O_RDWR | O_SYNC);
    if (fd < 0) {
        perror(argv[1]);
        return 1;
    }
    regs = mmap(NULL, EDU_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (regs == MAP_FAILED) {
        perror("mmap");
        return 1;
    }
    if ((read_id(regs) & EDU_ID_MASK) != EDU_ID_VALUE) {
        fprintf(stderr, "%s is not an edu device\n", argv[1]);
        return 1;
    }

    /* from memory to the device's buffer */
    write_reg(regs, EDU_DMA_SRC, address);
    write_reg(regs, EDU_DMA_DST, EDU_DMA_BUFFER);
    write_reg(regs, EDU_DMA_COUNT, 16);
    write_reg(regs, EDU_DMA_CMD, EDU_DMA_CMD_RUN);

    while (read_reg(regs, EDU_DMA_CMD) & EDU_DMA_CMD_RUN) {
        if (++tries == TRIES) {
            fprintf(stderr, "the DMA does not end\n");
            return 1;
        }
        usleep(10000);
    }
    return 0;
}
