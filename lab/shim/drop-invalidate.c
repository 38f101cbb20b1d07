/*
 * A preloaded library that keeps IOMMU_HWPT_INVALIDATE from the kernel
 *
 * For the control run: the process believes that the host has invalidated its
 * caches. Nothing else is changed, so whatever the guest sees is the effect of
 * the invalidations that are missing.
 *
 * DROP_INVALIDATE_AFTER=N lets the first N calls pass, so that the guest's
 * driver comes up. When the process ends, the number of calls that were kept
 * back is written to the file DROP_INVALIDATE_COUNT.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>

/* From linux/iommufd.h: part of the kernel's ABI, so it cannot change */
#define IOMMU_HWPT_INVALIDATE _IO(';', 0x8d)

typedef int IoctlFn(int fd, unsigned long request, ...);

static unsigned long to_pass, dropped;

static __attribute__((constructor)) void setup(void)
{
    const char *after = getenv("DROP_INVALIDATE_AFTER");

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

    va_start(ap, request);
    arg = va_arg(ap, void *);
    va_end(ap);

    if (request == IOMMU_HWPT_INVALIDATE && drop_this_one()) {
        /* The number of requests is in and out: left alone, it says "all" */
        return 0;
    }
    if (!real_ioctl) {
        real_ioctl = (IoctlFn *)dlsym(RTLD_NEXT, "ioctl");
    }
    return real_ioctl(fd, request, arg);
}

static __attribute__((destructor)) void report(void)
{
    const char *path = getenv("DROP_INVALIDATE_COUNT");
    FILE *f = path ? fopen(path, "w") : NULL;

    if (f) {
        fprintf(f, "%lu\n", dropped);
        fclose(f);
    }
}
