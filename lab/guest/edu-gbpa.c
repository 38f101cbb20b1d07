/*
 * Turns the guest's SMMU off and on, and sees what becomes of DMA, also before
 * any of that
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 *   edu-gbpa RESOURCE0 SMMU-ADDRESS MEMORY-ADDRESS
 *
 * MEMORY-ADDRESS is the physical address of memory that the kernel does not
 * use. The edu device (QEMU's docs/specs/edu.rst) is told that address. It
 * means something only while the SMMU is off and GBPA.ABORT is 0: its driver,
 * who knows nothing of this, has mapped nothing for the device.
 */

#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#define EDU_SIZE            0x100000
#define EDU_DMA_SRC         0x80
#define EDU_DMA_DST         0x88
#define EDU_DMA_COUNT       0x90
#define EDU_DMA_CMD         0x98
#define EDU_DMA_RUN         1
#define EDU_DMA_TO_MEMORY   2
#define EDU_DMA_BUFFER      0x40000
#define BUFFER_SIZE         4096

/* The SMMU's registers (the arch, 6.3) */
#define SMMU_SIZE           0x10000
#define SMMU_CR0            0x20
#define SMMU_CR0ACK         0x24
#define SMMU_CR0_SMMUEN     1u
#define SMMU_GBPA           0x44
#define SMMU_GBPA_ABORT     (1u << 20)
#define SMMU_GBPA_UPDATE    (1u << 31)

#define TRIES               100

static void *map(const char *path, off_t offset, size_t size)
{
    int fd = open(path, O_RDWR | O_SYNC);
    void *map = fd < 0 ? MAP_FAILED : mmap(NULL, size, PROT_READ | PROT_WRITE,
                                           MAP_SHARED, fd, offset);

    if (map == MAP_FAILED) {
        perror(path);
        return NULL;
    }
    return map;
}

static uint32_t read32(void *regs, unsigned offset)
{
    /* volatile: registers are not memory */
    return *(volatile uint32_t *)((char *)regs + offset);
}

static void write32(void *regs, unsigned offset, uint32_t value)
{
    /* volatile: as above */
    *(volatile uint32_t *)((char *)regs + offset) = value;
}

static void write64(void *regs, unsigned offset, uint64_t value)
{
    /* volatile: as above */
    *(volatile uint64_t *)((char *)regs + offset) = value;
}

static uint64_t read64(void *regs, unsigned offset)
{
    /* volatile: as above */
    return *(volatile uint64_t *)((char *)regs + offset);
}

static void set_smmu(void *smmu, bool enabled, bool abort)
{
    uint32_t cr0 = read32(smmu, SMMU_CR0) & ~SMMU_CR0_SMMUEN;
    uint32_t gbpa = read32(smmu, SMMU_GBPA) & ~SMMU_GBPA_ABORT;
    int tries = TRIES;

    write32(smmu, SMMU_GBPA,
            gbpa | (abort ? SMMU_GBPA_ABORT : 0) | SMMU_GBPA_UPDATE);
    while ((read32(smmu, SMMU_GBPA) & SMMU_GBPA_UPDATE) && --tries) {
        usleep(1000);
    }
    cr0 |= enabled ? SMMU_CR0_SMMUEN : 0;
    write32(smmu, SMMU_CR0, cr0);
    while (read32(smmu, SMMU_CR0ACK) != cr0 && --tries) {
        usleep(1000);
    }
    if (tries <= 0) {
        fprintf(stderr, "the SMMU does not answer\n");
    }
}

static void transfer(void *edu, uint64_t src, uint64_t dst, uint64_t direction)
{
    int tries = TRIES;

    write64(edu, EDU_DMA_SRC, src);
    write64(edu, EDU_DMA_DST, dst);
    write64(edu, EDU_DMA_COUNT, BUFFER_SIZE);
    write64(edu, EDU_DMA_CMD, EDU_DMA_RUN | direction);
    while ((read64(edu, EDU_DMA_CMD) & EDU_DMA_RUN) && --tries) {
        usleep(10000);
    }
    if (!tries) {
        fprintf(stderr, "the DMA does not end\n");
    }
}

static void fill(void *page, uint64_t pattern)
{
    for (unsigned i = 0; i < BUFFER_SIZE; i += sizeof(pattern)) {
        write64(page, i, pattern + i);
    }
}

static bool has(void *page, uint64_t pattern)
{
    for (unsigned i = 0; i < BUFFER_SIZE; i += sizeof(pattern)) {
        if (read64(page, i) != pattern + i) {
            return false;
        }
    }
    return true;
}

/* Does a pattern come back that went to the device and was cleared here? */
static bool dma_passes(void *edu, void *page, uint64_t address,
                       uint64_t pattern)
{
    fill(page, pattern);
    transfer(edu, address, EDU_DMA_BUFFER, 0);
    fill(page, 0);
    transfer(edu, EDU_DMA_BUFFER, address, EDU_DMA_TO_MEMORY);
    return has(page, pattern);
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        bool set, enabled, abort;
    } states[] = {
        { "now" },
        { "on", true, true, false },
        { "off", true, false, false },
        { "off_abort", true, false, true },
        { "off_again", true, false, false },
        { "on_again", true, true, false },
    };
    uint64_t base, address;
    void *edu, *smmu, *page;

    if (argc != 4 || sscanf(argv[2], "%" SCNi64, &base) != 1 ||
        sscanf(argv[3], "%" SCNi64, &address) != 1) {
        fprintf(stderr, "usage: edu-gbpa RESOURCE0 SMMU-ADDRESS "
                "MEMORY-ADDRESS\n");
        return 2;
    }
    edu = map(argv[1], 0, EDU_SIZE);
    smmu = map("/dev/mem", base, SMMU_SIZE);
    page = map("/dev/mem", address, BUFFER_SIZE);
    if (!edu || !smmu || !page) {
        return 1;
    }
    for (unsigned i = 0; i < sizeof(states) / sizeof(states[0]); i++) {
        if (states[i].set) {
            set_smmu(smmu, states[i].enabled, states[i].abort);
        }
        printf("dma_%s=%s\n", states[i].name,
               dma_passes(edu, page, address, (i + 1ull) << 32) ? "passes"
                                                        : "aborted");
    }
    return 0;
}
