/*
 * A preloaded library that counts the host calls a QEMU makes for its vIOMMU
 *
 * It knows nothing of the QEMU, so that two of them can be compared. The
 * counters are in a shared mapping of COUNT_CALLS=FILE, eight bytes each:
 * invalidations, maps, unmaps.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <linux/iommufd.h>
#include <linux/vfio.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

typedef struct Counters {
    uint64_t invalidations;
    uint64_t maps;
    uint64_t unmaps;
} Counters;

typedef int IoctlFn(int fd, unsigned long request, ...);

static Counters nowhere;
static Counters *counters = &nowhere;
static IoctlFn *next_ioctl;

static __attribute__((constructor)) void setup(void)
{
    const char *path = getenv("COUNT_CALLS");
    void *map;
    int fd;

    next_ioctl = (IoctlFn *)dlsym(RTLD_NEXT, "ioctl");
    if (!path) {
        return;
    }
    fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
    if (fd < 0 || ftruncate(fd, sizeof(*counters))) {
        return;
    }
    map = mmap(NULL, sizeof(*counters), PROT_READ | PROT_WRITE, MAP_SHARED,
               fd, 0);
    close(fd);
    if (map != MAP_FAILED) {
        counters = map;
    }
}

static void count(unsigned long request)
{
    uint64_t *counter;

    switch (request) {
    case IOMMU_HWPT_INVALIDATE:
        counter = &counters->invalidations;
        break;
    case IOMMU_IOAS_MAP:
    case IOMMU_IOAS_MAP_FILE:
    case VFIO_IOMMU_MAP_DMA:
        counter = &counters->maps;
        break;
    case IOMMU_IOAS_UNMAP:
    case VFIO_IOMMU_UNMAP_DMA:
        counter = &counters->unmaps;
        break;
    default:
        return;
    }
    __atomic_fetch_add(counter, 1, __ATOMIC_RELAXED);
}

int ioctl(int fd, unsigned long request, ...)
{
    va_list args;
    void *arg;

    va_start(args, request);
    arg = va_arg(args, void *);
    va_end(args);
    count(request);
    return next_ioctl(fd, request, arg);
}
