/*
 * A preloaded library that keeps IOMMU_IOAS_UNMAP from the kernel
 *
 * For the control run: the process believes that DMA is unmapped in the host.
 * A later map of the same addresses, which the kernel refuses because they are
 * in use, seems to succeed: the device goes on with the pages of before.
 *
 * DROP_UNMAP_AFTER=N lets the first N calls pass, so that the guest's driver
 * comes up. When the process ends, the number of calls that were kept back is
 * written to the file DROP_UNMAP_COUNT.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>

/* From linux/iommufd.h: part of the kernel's ABI, so they cannot change */
#define IOMMU_IOAS_MAP   _IO(';', 0x85)
#define IOMMU_IOAS_UNMAP _IO(';', 0x86)

typedef int IoctlFn(int fd, unsigned long request, ...);

static unsigned long to_pass, dropped;

static __attribute__((constructor)) void setup(void)
{
    const char *after = getenv("DROP_UNMAP_AFTER");

    if (after) {
        sscanf(after, "%lu", &to_pass);
    }
}

/* Without a lock: QEMU makes these calls under its own */
static bool drop_this_one(void)
{
    if (to_pass > 0) {
        to_pass--;
        return false;
    }
    dropped++;
    return true;
}

int ioctl(int fd, unsigned long request, ...)
{
    static IoctlFn *real_ioctl;
    va_list ap;
    void *arg;
    int ret;

    va_start(ap, request);
    arg = va_arg(ap, void *);
    va_end(ap);

    if (request == IOMMU_IOAS_UNMAP && drop_this_one()) {
        /* The number of bytes is in and out: left alone, it says "all" */
        return 0;
    }
    if (!real_ioctl) {
        real_ioctl = (IoctlFn *)dlsym(RTLD_NEXT, "ioctl");
    }
    ret = real_ioctl(fd, request, arg);
    if (ret && request == IOMMU_IOAS_MAP && errno == EEXIST && dropped) {
        return 0;
    }
    return ret;
}

static __attribute__((destructor)) void report(void)
{
    const char *path = getenv("DROP_UNMAP_COUNT");
    FILE *f = path ? fopen(path, "w") : NULL;

    if (f) {
        fprintf(f, "%lu\n", dropped);
        fclose(f);
    }
}
