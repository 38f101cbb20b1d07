/*
 * vfio-nvme: a program with an NVMe device of its own, through vfio-pci
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 *   vfio-nvme BDF BYTES PAGE_BYTES
 *
 * Maps a buffer of BYTES, made of pages of PAGE_BYTES (4096, or a size of huge
 * pages), for DMA at 4 GiB, and lets the controller write its Identify data to
 * pages all over it. Each has to arrive where it belongs and nowhere else. Then
 * it unmaps the buffer: now nothing may arrive.
 *
 * Marks: 3 before the buffer is mapped, 4 after that, 5 before it is unmapped,
 * 6 after that. "runs" says how many runs of contiguous physical memory the
 * buffer is made of, if the kernel shows that.
 */

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/pci_regs.h>
#include <linux/vfio.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define PAGE            UINT64_C(4096)
#define QUEUE_IOVA      UINT64_C(0x10000)
#define BUFFER_IOVA     UINT64_C(0x100000000)
#define PROBES          128             /* pages that Identify data goes to */
#define POISON          0xa5
#define TRIES           2000            /* of 1 ms */

/* Linux, Documentation/admin-guide/mm/pagemap.rst */
#define PAGEMAP_FRAME   ((UINT64_C(1) << 55) - 1)
#define PAGEMAP_PRESENT (UINT64_C(1) << 63)
#define BATCH           512             /* entries read at once */

/* NVM Express Base Specification, 3.1.3: controller properties */
#define NVME_CC         0x14
#define NVME_CSTS       0x1c
#define NVME_AQA        0x24
#define NVME_ASQ        0x28
#define NVME_ACQ        0x30
#define NVME_DOORBELL   0x1000
#define CC_EN           1
#define CC_ENTRY_SIZES  (6 << 16 | 4 << 20)
#define CSTS_RDY        1
#define QUEUE_ENTRIES   16
#define ADMIN_IDENTIFY  6
#define CNS_CONTROLLER  1
#define MODEL_OFFSET    24
#define MODEL_BYTES     40

typedef struct Command {
    uint8_t opcode;
    uint8_t flags;
    uint16_t id;
    uint32_t nsid;
    uint64_t reserved[2];
    uint64_t prp[2];
    uint32_t cdw[6];
} Command;

typedef struct Completion {
    uint32_t result[2];
    uint16_t sq_head;
    uint16_t sq_id;
    uint16_t id;
    uint16_t status;                    /* bit 0 is the phase */
} Completion;

static int container, device;
static uint8_t *regs, *queues;
static unsigned int sq_tail, cq_head, phase = 1;

static __attribute__((noreturn, format(printf, 1, 2)))
void fail(const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    vfprintf(stderr, fmt, ap);
    va_end(ap);
    fputc('\n', stderr);
    exit(EXIT_FAILURE);
}

static int call(const char *what, int ret)
{
    if (ret < 0) {
        fail("error=%s: %s", what, strerror(errno));
    }
    return ret;
}

static uint64_t now_us(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return ts.tv_sec * 1000000ULL + ts.tv_nsec / 1000;
}

static uint32_t read_reg(unsigned int offset)
{
    /* volatile: registers are not memory */
    return *(volatile uint32_t *)(regs + offset);
}

static void write_reg(unsigned int offset, uint32_t value)
{
    /* volatile: as above */
    *(volatile uint32_t *)(regs + offset) = value;
}

/* The test on the outer machine reads its counters, while nothing goes on */
static void mark(int number)
{
    char line[64];

    snprintf(line, sizeof(line), "/bin/result -w mark=%d", number);
    if (system(line)) {
        fail("error=mark %d has failed", number);
    }
}

static void open_device(const char *bdf)
{
    struct vfio_region_info config = {
        .argsz = sizeof(config), .index = VFIO_PCI_CONFIG_REGION_INDEX,
    };
    struct vfio_region_info bar0 = {
        .argsz = sizeof(bar0), .index = VFIO_PCI_BAR0_REGION_INDEX,
    };
    char path[128], link[256] = "";
    const char *number;
    uint16_t command;
    int group;

    snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/iommu_group", bdf);
    call(path, readlink(path, link, sizeof(link) - 1));
    number = strrchr(link, '/');
    snprintf(path, sizeof(path), "/dev/vfio/%.20s", number ? number + 1 : "");
    container = call("/dev/vfio/vfio", open("/dev/vfio/vfio", O_RDWR));
    group = call(path, open(path, O_RDWR));
    call("container", ioctl(group, VFIO_GROUP_SET_CONTAINER, &container));
    call("type 1 IOMMU", ioctl(container, VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU));
    device = call(bdf, ioctl(group, VFIO_GROUP_GET_DEVICE_FD, bdf));

    call("config space", ioctl(device, VFIO_DEVICE_GET_REGION_INFO, &config));
    call("BAR 0", ioctl(device, VFIO_DEVICE_GET_REGION_INFO, &bar0));
    regs = mmap(NULL, bar0.size, PROT_READ | PROT_WRITE, MAP_SHARED, device,
                bar0.offset);
    if (regs == MAP_FAILED) {
        fail("error=BAR 0 cannot be mapped: %s", strerror(errno));
    }
    command = PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER;
    if (pwrite(device, &command, 2, config.offset + PCI_COMMAND) != 2) {
        fail("error=no bus master: %s", strerror(errno));
    }
}

static void map_dma(void *memory, uint64_t iova, uint64_t bytes)
{
    struct vfio_iommu_type1_dma_map map = {
        .argsz = sizeof(map),
        .flags = VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE,
        .vaddr = (uintptr_t)memory, .iova = iova, .size = bytes,
    };

    call("map", ioctl(container, VFIO_IOMMU_MAP_DMA, &map));
}

static void unmap_dma(uint64_t iova, uint64_t bytes)
{
    struct vfio_iommu_type1_dma_unmap unmap = {
        .argsz = sizeof(unmap), .iova = iova, .size = bytes,
    };

    call("unmap", ioctl(container, VFIO_IOMMU_UNMAP_DMA, &unmap));
    if (unmap.size != bytes) {
        fail("error=unmapped 0x%llx bytes of 0x%" PRIx64, unmap.size, bytes);
    }
}

static void enable(bool on)
{
    write_reg(NVME_CC, on ? CC_ENTRY_SIZES | CC_EN : 0);
    for (int i = 0; (read_reg(NVME_CSTS) & CSTS_RDY) != on; i++) {
        if (i == TRIES) {
            fail("io_error=CSTS is 0x%x", read_reg(NVME_CSTS));
        }
        usleep(1000);
    }
}

static void start_controller(void)
{
    enable(false);
    write_reg(NVME_AQA, (QUEUE_ENTRIES - 1) << 16 | (QUEUE_ENTRIES - 1));
    write_reg(NVME_ASQ, QUEUE_IOVA);
    write_reg(NVME_ASQ + 4, 0);
    write_reg(NVME_ACQ, QUEUE_IOVA + PAGE);
    write_reg(NVME_ACQ + 4, 0);
    enable(true);
}

/* The status of an Identify command whose data goes to IOVA */
static uint16_t identify(uint64_t iova)
{
    Command *cmd = (Command *)queues + sq_tail;
    /* volatile: the controller writes it */
    volatile Completion *done = (Completion *)(queues + PAGE) + cq_head;
    uint16_t status;

    memset(cmd, 0, sizeof(*cmd));
    cmd->opcode = ADMIN_IDENTIFY;
    cmd->id = sq_tail;
    cmd->prp[0] = iova;
    cmd->cdw[0] = CNS_CONTROLLER;
    sq_tail = (sq_tail + 1) % QUEUE_ENTRIES;
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    write_reg(NVME_DOORBELL, sq_tail);
    for (int i = 0; (done->status & 1) != phase; i++) {
        if (i == TRIES) {
            fail("io_error=Identify to 0x%" PRIx64 " does not end", iova);
        }
        usleep(1000);
    }
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    status = done->status >> 1;
    cq_head = (cq_head + 1) % QUEUE_ENTRIES;
    if (cq_head == 0) {
        phase ^= 1;
    }
    write_reg(NVME_DOORBELL + 4, cq_head);
    return status;
}

static uint8_t *get_memory(uint64_t bytes, uint64_t page_bytes)
{
    int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE;
    uint8_t *memory;

    if (page_bytes != PAGE) {
        flags |= MAP_HUGETLB | __builtin_ctzll(page_bytes) << MAP_HUGE_SHIFT;
    }
    memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, flags, -1, 0);
    if (memory == MAP_FAILED) {
        fail("error=no %" PRIu64 " bytes in pages of %" PRIu64 ": %s", bytes,
             page_bytes, strerror(errno));
    }
    return memory;
}

static void report_runs(const uint8_t *memory, uint64_t bytes)
{
    int fd = open("/proc/self/pagemap", O_RDONLY);
    uint64_t entries[BATCH], runs = 0, next = 0;
    uint64_t first = (uintptr_t)memory / PAGE, pages = bytes / PAGE;

    if (fd < 0) {
        /* A kernel without CONFIG_PROC_PAGE_MONITOR */
        return;
    }
    for (uint64_t n = 0; n < pages; n++) {
        uint64_t entry;

        if (n % BATCH == 0) {
            size_t len = (pages - n < BATCH ? pages - n : BATCH) * 8;

            if (pread(fd, entries, len, (first + n) * 8) != len) {
                fail("error=pagemap: %s", strerror(errno));
            }
        }
        entry = entries[n % BATCH];
        if (!(entry & PAGEMAP_PRESENT) || !(entry & PAGEMAP_FRAME)) {
            fail("error=pagemap has 0x%" PRIx64 " for page %" PRIu64, entry, n);
        }
        runs += (entry & PAGEMAP_FRAME) != next;
        next = (entry & PAGEMAP_FRAME) + 1;
    }
    close(fd);
    printf("runs=%" PRIu64 "\n", runs);
}

static bool is_poison(const uint8_t *page)
{
    for (uint64_t i = 0; i < PAGE; i++) {
        if (page[i] != POISON) {
            return false;
        }
    }
    return true;
}

/* They lie all over the buffer, at odd places; the first and last are probed */
static uint64_t probe_page(uint64_t n, uint64_t probes, uint64_t pages)
{
    return n == probes - 1 ? pages - 1 : pages / probes * n + (n ? n % 7 : 0);
}

static void probe(uint8_t *buffer, uint64_t bytes)
{
    uint64_t pages = bytes / PAGE;
    uint64_t probes = pages / 8 < PROBES ? pages / 8 : PROBES;
    char model[MODEL_BYTES + 1] = "";

    for (uint64_t n = 0; n < probes; n++) {
        uint64_t at = probe_page(n, probes, pages) * PAGE;
        uint16_t status;

        memset(buffer + at, POISON, PAGE);
        if (at + PAGE < bytes) {
            memset(buffer + at + PAGE, POISON, PAGE);
        }
        status = identify(BUFFER_IOVA + at);
        if (status) {
            fail("io_error=Identify to 0x%" PRIx64 ": status 0x%x",
                 BUFFER_IOVA + at, status);
        }
        if (n == 0) {
            memcpy(model, buffer + at + MODEL_OFFSET, MODEL_BYTES);
        }
        if (is_poison(buffer + at) ||
            memcmp(model, buffer + at + MODEL_OFFSET, MODEL_BYTES)) {
            fail("wrong_data=what was written to 0x%" PRIx64 " is not there",
                 BUFFER_IOVA + at);
        }
        if (at + PAGE < bytes && !is_poison(buffer + at + PAGE)) {
            fail("wrong_data=the page after 0x%" PRIx64 " was written as well",
                 BUFFER_IOVA + at);
        }
        memset(buffer + at, POISON, PAGE);
    }
    printf("vfio_model=%.14s\nprobes=%" PRIu64 "\n", model, probes);
}

/*
 * Nothing may be written where the buffer was. The emulated controller does not
 * notice, so its status says nothing.
 */
static void probe_unmapped(const uint8_t *buffer, uint64_t bytes)
{
    uint64_t pages = bytes / PAGE;

    for (uint64_t n = 0; n < 8; n++) {
        uint64_t at = probe_page(n, 8, pages) * PAGE;

        identify(BUFFER_IOVA + at);
        if (!is_poison(buffer + at)) {
            fail("wrong_data=0x%" PRIx64 " was written, and it is unmapped",
                 BUFFER_IOVA + at);
        }
    }
    printf("stopped=8\n");
}

int main(int argc, char **argv)
{
    uint64_t bytes, page_bytes, began;
    uint8_t *buffer;

    if (argc != 4 || sscanf(argv[2], "%" SCNu64, &bytes) != 1 ||
        sscanf(argv[3], "%" SCNu64, &page_bytes) != 1 || bytes < 64 * PAGE) {
        fail("error=usage: vfio-nvme BDF BYTES PAGE_BYTES");
    }
    setvbuf(stdout, NULL, _IOLBF, 0);
    open_device(argv[1]);
    queues = get_memory(2 * PAGE, PAGE);
    map_dma(queues, QUEUE_IOVA, 2 * PAGE);
    buffer = get_memory(bytes, page_bytes);
    for (uint64_t n = 0; n < 8; n++) {
        memset(buffer + probe_page(n, 8, bytes / PAGE) * PAGE, POISON, PAGE);
    }
    report_runs(buffer, bytes);
    mark(3);
    began = now_us();
    map_dma(buffer, BUFFER_IOVA, bytes);
    printf("map_us=%" PRIu64 "\n", now_us() - began);
    mark(4);
    start_controller();
    probe(buffer, bytes);
    mark(5);
    began = now_us();
    unmap_dma(BUFFER_IOVA, bytes);
    printf("unmap_us=%" PRIu64 "\n", now_us() - began);
    mark(6);
    for (uint64_t n = 0; n < 8; n++) {
        memset(buffer + probe_page(n, 8, bytes / PAGE) * PAGE, POISON, PAGE);
    }
    probe_unmapped(buffer, bytes);
    enable(false);
    return 0;
}
