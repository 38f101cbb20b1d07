/*
 * A preloaded library that lets IOMMU_HW_QUEUE_ALLOC calls fail, as the kernel
 * does when the memory of a queue is not contiguous
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdarg.h>
#include <sys/ioctl.h>

/* From linux/iommufd.h: part of the kernel's ABI, so it cannot change */
#define IOMMU_HW_QUEUE_ALLOC _IO(';', 0x94)

typedef int IoctlFn(int fd, unsigned long request, ...);

int ioctl(int fd, unsigned long request, ...)
{
    static IoctlFn *real_ioctl;
    va_list ap;
    void *arg;

    va_start(ap, request);
    arg = va_arg(ap, void *);
    va_end(ap);

    if (!real_ioctl) {
        real_ioctl = (IoctlFn *)dlsym(RTLD_NEXT, "ioctl");
    }
    if (request == IOMMU_HW_QUEUE_ALLOC) {
        errno = EFAULT;
        return -1;
    }
    return real_ioctl(fd, request, arg);
}
