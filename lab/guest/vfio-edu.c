/*
 * A user-space driver of the edu device (QEMU's docs/specs/edu.rst) on vfio
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 *   vfio-edu iommufd /dev/vfio/devices/vfioN ROUNDS
 *   vfio-edu container /dev/vfio/GROUP PCI-ADDRESS ROUNDS
 *
 * Each round has a buffer at an IOVA of its own: its pattern goes into the
 * device by DMA and comes back into a second buffer, and the device tells the
 * end of both by MSI. Prints how many rounds were right and how many MSIs came.
 * It ends with status 0 if all of them did.
 */

#include <fcntl.h>
#include <inttypes.h>
#include <linux/iommufd.h>
#include <linux/vfio.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#define EDU_SIZE            0x100000
#define EDU_ID              0x00
#define EDU_ID_MASK         0xff
#define EDU_ID_VALUE        0xed
#define EDU_IRQ_STATUS      0x24
#define EDU_IRQ_ACK         0x64
#define EDU_DMA_SRC         0x80
#define EDU_DMA_DST         0x88
#define EDU_DMA_COUNT       0x90
#define EDU_DMA_CMD         0x98
#define EDU_DMA_RUN         1
#define EDU_DMA_TO_MEMORY   2
#define EDU_DMA_IRQ         4
#define EDU_DMA_BUFFER      0x40000
#define BUFFER_SIZE         4096
#define MSI_TIMEOUT_MS      2000
/* below the 28 bits that the device can address, and clear of the MSI window */
#define FIRST_IOVA          0x01000000

/* How memory becomes visible to the device: through iommufd or a container */
typedef struct Dma {
    int fd;
    uint32_t ioas;
    bool is_container;
} Dma;

typedef struct Device {
    int fd;
    int msi;
    void *regs;
} Device;

static void die(const char *what)
{
    perror(what);
    exit(1);
}

static int open_file(const char *path)
{
    int fd = open(path, O_RDWR);

    if (fd < 0) {
        die(path);
    }
    return fd;
}

static int call(int fd, unsigned long request, void *arg, const char *what)
{
    int ret = ioctl(fd, request, arg);

    if (ret < 0) {
        die(what);
    }
    return ret;
}

static int open_with_iommufd(const char *path, Dma *dma)
{
    int device = open_file(path);
    struct vfio_device_bind_iommufd bind = { .argsz = sizeof(bind) };
    struct iommu_ioas_alloc alloc = { .size = sizeof(alloc) };
    struct vfio_device_attach_iommufd_pt attach = { .argsz = sizeof(attach) };

    *dma = (Dma) { .fd = open_file("/dev/iommu") };
    bind.iommufd = dma->fd;
    call(device, VFIO_DEVICE_BIND_IOMMUFD, &bind, "VFIO_DEVICE_BIND_IOMMUFD");
    call(dma->fd, IOMMU_IOAS_ALLOC, &alloc, "IOMMU_IOAS_ALLOC");
    dma->ioas = alloc.out_ioas_id;
    attach.pt_id = dma->ioas;
    call(device, VFIO_DEVICE_ATTACH_IOMMUFD_PT, &attach,
         "VFIO_DEVICE_ATTACH_IOMMUFD_PT");
    return device;
}

static int open_with_container(const char *path, char *address, Dma *dma)
{
    int group = open_file(path);

    *dma = (Dma) { .fd = open_file("/dev/vfio/vfio"), .is_container = true };
    call(group, VFIO_GROUP_SET_CONTAINER, &dma->fd,
         "VFIO_GROUP_SET_CONTAINER");
    call(dma->fd, VFIO_SET_IOMMU, (void *)VFIO_TYPE1v2_IOMMU,
         "VFIO_SET_IOMMU");
    return call(group, VFIO_GROUP_GET_DEVICE_FD, address,
                "VFIO_GROUP_GET_DEVICE_FD");
}

static void map(const Dma *dma, void *buffer, uint64_t iova)
{
    struct vfio_iommu_type1_dma_map type1 = {
        .argsz = sizeof(type1),
        .flags = VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE,
        .vaddr = (uintptr_t)buffer,
        .iova = iova,
        .size = BUFFER_SIZE,
    };
    struct iommu_ioas_map ioas = {
        .size = sizeof(ioas),
        .flags = IOMMU_IOAS_MAP_FIXED_IOVA | IOMMU_IOAS_MAP_WRITEABLE |
                 IOMMU_IOAS_MAP_READABLE,
        .ioas_id = dma->ioas,
        .user_va = (uintptr_t)buffer,
        .length = BUFFER_SIZE,
        .iova = iova,
    };

    if (dma->is_container) {
        call(dma->fd, VFIO_IOMMU_MAP_DMA, &type1, "VFIO_IOMMU_MAP_DMA");
    } else {
        call(dma->fd, IOMMU_IOAS_MAP, &ioas, "IOMMU_IOAS_MAP");
    }
}

static void unmap(const Dma *dma, uint64_t iova)
{
    struct vfio_iommu_type1_dma_unmap type1 = {
        .argsz = sizeof(type1),
        .iova = iova,
        .size = BUFFER_SIZE,
    };
    struct iommu_ioas_unmap ioas = {
        .size = sizeof(ioas),
        .ioas_id = dma->ioas,
        .iova = iova,
        .length = BUFFER_SIZE,
    };

    if (dma->is_container) {
        call(dma->fd, VFIO_IOMMU_UNMAP_DMA, &type1, "VFIO_IOMMU_UNMAP_DMA");
    } else {
        call(dma->fd, IOMMU_IOAS_UNMAP, &ioas, "IOMMU_IOAS_UNMAP");
    }
}

static struct vfio_region_info region(int device, unsigned index)
{
    struct vfio_region_info info = { .argsz = sizeof(info), .index = index };

    call(device, VFIO_DEVICE_GET_REGION_INFO, &info,
         "VFIO_DEVICE_GET_REGION_INFO");
    return info;
}

/* Memory space and bus master, as no driver of the kernel does it */
static void enable_device(int device)
{
    struct vfio_region_info config = region(device,
                                            VFIO_PCI_CONFIG_REGION_INDEX);
    uint16_t command;

    if (pread(device, &command, 2, config.offset + 4) != 2) {
        die("the command register");
    }
    command |= 0x6;
    if (pwrite(device, &command, 2, config.offset + 4) != 2) {
        die("the command register");
    }
}

static int enable_msi(int device)
{
    char buffer[sizeof(struct vfio_irq_set) + sizeof(int32_t)];
    struct vfio_irq_set *set = (struct vfio_irq_set *)buffer;
    int32_t fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

    *set = (struct vfio_irq_set) {
        .argsz = sizeof(buffer),
        .flags = VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER,
        .index = VFIO_PCI_MSI_IRQ_INDEX,
        .count = 1,
    };
    memcpy(set->data, &fd, sizeof(fd));
    call(device, VFIO_DEVICE_SET_IRQS, set, "VFIO_DEVICE_SET_IRQS");
    return fd;
}

static void *map_registers(int device)
{
    struct vfio_region_info bar = region(device, VFIO_PCI_BAR0_REGION_INDEX);
    void *regs = mmap(NULL, EDU_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED,
                      device, bar.offset);

    if (regs == MAP_FAILED) {
        die("mmap of BAR 0");
    }
    return regs;
}

static uint32_t read32(const Device *edu, unsigned offset)
{
    /* volatile: registers are not memory */
    return *(volatile uint32_t *)((char *)edu->regs + offset);
}

static void write32(const Device *edu, unsigned offset, uint32_t value)
{
    /* volatile: as above */
    *(volatile uint32_t *)((char *)edu->regs + offset) = value;
}

static void write64(const Device *edu, unsigned offset, uint64_t value)
{
    /* volatile: as above */
    *(volatile uint64_t *)((char *)edu->regs + offset) = value;
}

/* Returns the number of MSIs that came */
static uint64_t transfer(const Device *edu, uint64_t src, uint64_t dst,
                         uint32_t direction)
{
    struct pollfd msi = { .fd = edu->msi, .events = POLLIN };
    uint64_t count = 0;

    write64(edu, EDU_DMA_SRC, src);
    write64(edu, EDU_DMA_DST, dst);
    write64(edu, EDU_DMA_COUNT, BUFFER_SIZE);
    write64(edu, EDU_DMA_CMD, EDU_DMA_RUN | EDU_DMA_IRQ | direction);
    if (poll(&msi, 1, MSI_TIMEOUT_MS) == 1 &&
        read(edu->msi, &count, sizeof(count)) != sizeof(count)) {
        die("the eventfd");
    }
    write32(edu, EDU_IRQ_ACK, read32(edu, EDU_IRQ_STATUS));
    return count;
}

static void *new_buffer(void)
{
    void *buffer = mmap(NULL, BUFFER_SIZE, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);

    if (buffer == MAP_FAILED) {
        die("mmap");
    }
    return buffer;
}

static bool one_round(const Device *edu, const Dma *dma, uint64_t round,
                      uint64_t *msis)
{
    uint64_t out_iova = FIRST_IOVA + round * 2 * BUFFER_SIZE;
    uint64_t in_iova = out_iova + BUFFER_SIZE;
    uint64_t *out = new_buffer();
    uint64_t *in = new_buffer();
    bool good;

    for (unsigned i = 0; i < BUFFER_SIZE / sizeof(*out); i++) {
        out[i] = round << 32 | i;
    }
    memset(in, 0xff, BUFFER_SIZE);
    map(dma, out, out_iova);
    map(dma, in, in_iova);
    *msis += transfer(edu, out_iova, EDU_DMA_BUFFER, 0);
    *msis += transfer(edu, EDU_DMA_BUFFER, in_iova, EDU_DMA_TO_MEMORY);
    unmap(dma, in_iova);
    unmap(dma, out_iova);
    good = !memcmp(out, in, BUFFER_SIZE);
    munmap(in, BUFFER_SIZE);
    munmap(out, BUFFER_SIZE);
    return good;
}

int main(int argc, char **argv)
{
    unsigned long rounds, good = 0;
    uint64_t msis = 0;
    Device edu;
    Dma dma;

    if (argc == 4 && !strcmp(argv[1], "iommufd")) {
        edu.fd = open_with_iommufd(argv[2], &dma);
    } else if (argc == 5 && !strcmp(argv[1], "container")) {
        edu.fd = open_with_container(argv[2], argv[3], &dma);
    } else {
        fprintf(stderr, "usage: vfio-edu iommufd DEVICE ROUNDS\n"
                "       vfio-edu container GROUP PCI-ADDRESS ROUNDS\n");
        return 2;
    }
    if (sscanf(argv[argc - 1], "%lu", &rounds) != 1) {
        fprintf(stderr, "%s is no number\n", argv[argc - 1]);
        return 2;
    }

    edu.regs = map_registers(edu.fd);
    enable_device(edu.fd);
    edu.msi = enable_msi(edu.fd);
    if ((read32(&edu, EDU_ID) & EDU_ID_MASK) != EDU_ID_VALUE) {
        fprintf(stderr, "this is not an edu device\n");
        return 1;
    }
    for (unsigned long i = 0; i < rounds; i++) {
        good += one_round(&edu, &dma, i, &msis);
    }
    printf("%s_rounds=%lu\n%s_msis=%" PRIu64 "\n", argv[1], good, argv[1],
           msis);
    return good == rounds && msis == 2 * rounds ? 0 : 1;
}
