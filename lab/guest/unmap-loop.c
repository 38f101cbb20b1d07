/*
 * Maps and unmaps memory for a device, again and again, without DMA
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 *   unmap-loop /dev/vfio/devices/vfioN COUNT CPUS
 *
 * Through iommufd: COUNT times a page on each of the CPUs 0 to CPUS - 1, one
 * CPU after the other. Waits for the test on the outer machine at the marks
 * "unmaps", once all is set up, and "unmaps-done", after the last one.
 */

#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/iommufd.h>
#include <linux/vfio.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/auxv.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

/* Clear of the window for MSIs; each page is in a table with others */
#define FIRST_IOVA      0x40000000
#define PAGES           64

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

static void call(int fd, unsigned long request, void *arg, const char *what)
{
    if (ioctl(fd, request, arg) < 0) {
        die(what);
    }
}

static uint32_t attach(int iommufd, int device)
{
    struct vfio_device_bind_iommufd bind = {
        .argsz = sizeof(bind),
        .iommufd = iommufd,
    };
    struct iommu_ioas_alloc alloc = { .size = sizeof(alloc) };
    struct vfio_device_attach_iommufd_pt attach = { .argsz = sizeof(attach) };

    call(device, VFIO_DEVICE_BIND_IOMMUFD, &bind, "VFIO_DEVICE_BIND_IOMMUFD");
    call(iommufd, IOMMU_IOAS_ALLOC, &alloc, "IOMMU_IOAS_ALLOC");
    attach.pt_id = alloc.out_ioas_id;
    call(device, VFIO_DEVICE_ATTACH_IOMMUFD_PT, &attach,
         "VFIO_DEVICE_ATTACH_IOMMUFD_PT");
    return alloc.out_ioas_id;
}

static void map_and_unmap(int iommufd, uint32_t ioas, void *page, size_t size,
                          uint64_t iova)
{
    struct iommu_ioas_map map = {
        .size = sizeof(map),
        .flags = IOMMU_IOAS_MAP_FIXED_IOVA | IOMMU_IOAS_MAP_WRITEABLE |
                 IOMMU_IOAS_MAP_READABLE,
        .ioas_id = ioas,
        .user_va = (uintptr_t)page,
        .length = size,
        .iova = iova,
    };
    struct iommu_ioas_unmap unmap = {
        .size = sizeof(unmap),
        .ioas_id = ioas,
        .iova = iova,
        .length = size,
    };

    call(iommufd, IOMMU_IOAS_MAP, &map, "IOMMU_IOAS_MAP");
    call(iommufd, IOMMU_IOAS_UNMAP, &unmap, "IOMMU_IOAS_UNMAP");
}

static void run_on(unsigned cpu)
{
    cpu_set_t cpus;

    CPU_ZERO(&cpus);
    CPU_SET(cpu, &cpus);
    if (sched_setaffinity(0, sizeof(cpus), &cpus)) {
        die("sched_setaffinity");
    }
}

static void mark(const char *command)
{
    if (system(command)) {
        fprintf(stderr, "%s has failed\n", command);
        exit(1);
    }
}

int main(int argc, char **argv)
{
    size_t size = getauxval(AT_PAGESZ);
    unsigned count, cpus;
    uint32_t ioas;
    int iommufd, device;
    void *page;

    if (argc != 4 || sscanf(argv[2], "%u", &count) != 1 ||
        sscanf(argv[3], "%u", &cpus) != 1) {
        fprintf(stderr, "usage: unmap-loop DEVICE COUNT CPUS\n");
        return 2;
    }
    iommufd = open_file("/dev/iommu");
    device = open_file(argv[1]);
    ioas = attach(iommufd, device);
    page = mmap(NULL, size, PROT_READ | PROT_WRITE,
                MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    if (page == MAP_FAILED) {
        die("mmap");
    }
    /* Tables and caches of the kernel fill */
    for (unsigned cpu = 0; cpu < cpus; cpu++) {
        run_on(cpu);
        for (unsigned i = 0; i < PAGES; i++) {
            map_and_unmap(iommufd, ioas, page, size, FIRST_IOVA + i * size);
        }
    }
    mark("result -w mark=unmaps");
    for (unsigned cpu = 0; cpu < cpus; cpu++) {
        run_on(cpu);
        for (unsigned i = 0; i < count; i++) {
            map_and_unmap(iommufd, ioas, page, size,
                          FIRST_IOVA + i % PAGES * size);
        }
    }
    mark("result -w mark=unmaps-done");
    printf("unmapped=%u\n", count * cpus);
    return 0;
}
