/*
 * A preloaded library that lets IOMMU_HWPT_INVALIDATE calls seem to fail
 *
 * The kernel does the work, so that no stale translation stays behind, but the
 * process is told that the first entry of the array has failed. It has to take
 * that for what it says: an error of the guest's command, at that command.
 *
 * FAIL_INVALIDATE_EVERY=N: every Nth call fails, FAIL_INVALIDATE_TIMES at most.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>

/* From linux/iommufd.h: part of the kernel's ABI, so it cannot change */
#define IOMMU_HWPT_INVALIDATE _IO(';', 0x8d)

typedef struct Invalidate {
    uint32_t size;
    uint32_t hwpt_id;
    uint64_t data_uptr;
    uint32_t data_type;
    uint32_t entry_len;
    uint32_t entry_num;
    uint32_t reserved;
} Invalidate;

typedef int IoctlFn(int fd, unsigned long request, ...);

static unsigned long every, times, calls;

static __attribute__((constructor)) void setup(void)
{
    const char *text = getenv("FAIL_INVALIDATE_EVERY");

    if (text) {
        sscanf(text, "%lu", &every);
    }
    text = getenv("FAIL_INVALIDATE_TIMES");
    if (text) {
        sscanf(text, "%lu", &times);
    }
}

/* Without a lock: QEMU makes these calls under its own */
static bool fail_this_one(void)
{
    if (!every || !times || ++calls % every) {
        return false;
    }
    times--;
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

    if (!real_ioctl) {
        real_ioctl = (IoctlFn *)dlsym(RTLD_NEXT, "ioctl");
    }
    ret = real_ioctl(fd, request, arg);
    if (request == IOMMU_HWPT_INVALIDATE && fail_this_one()) {
        ((Invalidate *)arg)->entry_num = 0;
        errno = EIO;
        return -1;
    }
    return ret;
}
