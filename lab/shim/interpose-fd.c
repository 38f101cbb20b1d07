/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Classes of file descriptors, by what the kernel says of them
 *
 * Known of each file descriptor: generation, type of the events, class. Closing
 * one begins a new generation, so that a look at it which began before has no
 * effect. Whatever closes without the functions of interpose.c is inside of the
 * C library, and only leaves CLASS_OTHER behind: ioctl() does not believe that,
 * and those which make a file descriptor say what it is.
 */

#define _GNU_SOURCE
#include <stdio.h>
#include <unistd.h>
#include "interpose.h"

const char *const class_names[CLASS_COUNT] = {
    [CLASS_IOMMUFD] = "iommufd",
    [CLASS_VFIO_CONTAINER] = "vfio-container",
    [CLASS_VFIO_GROUP] = "vfio-group",
    [CLASS_VFIO_DEVICE] = "vfio-device",
    [CLASS_KVM] = "kvm",
    [CLASS_KVM_VM] = "kvm-vm",
    [CLASS_KVM_VCPU] = "kvm-vcpu",
    [CLASS_KVM_DEVICE] = "kvm-device",
    [CLASS_VEVENTQ] = "veventq",
    [CLASS_FAULT] = "fault",
};

#define FD_CLASS(v)     ((v) & 0xff)
#define FD_TYPE(v)      ((v) >> 8 & 0xf)
#define FD_GENERATION   (1u << 12)

static uint32_t fds[FD_LIMIT];
uint32_t gaps[FD_LIMIT];

/* Start a new generation, for what is known of it now */
static void set_fd(int fd, FdClass class, unsigned type)
{
    uint32_t old, new;

    if (fd < 0 || fd >= FD_LIMIT) {
        return;
    }
    old = __atomic_load_n(&fds[fd], __ATOMIC_RELAXED);
    do {
        new = (old & -FD_GENERATION) + FD_GENERATION + (type << 8) + class;
    } while (!__atomic_compare_exchange_n(&fds[fd], &old, new, false,
                                          __ATOMIC_RELAXED, __ATOMIC_RELAXED));
}

void forget(int fd)
{
    set_fd(fd, CLASS_UNKNOWN, 0);
}

static FdClass class_of_path(const char *path)
{
    if (begins(path, "anon_inode:")) {
        path += strlen("anon_inode:");
        path += *path == '[';
        if (begins(path, "iommufd")) {
            return strstr(path, "event") ? CLASS_VEVENTQ :
                   strstr(path, "fault") ? CLASS_FAULT : CLASS_OTHER;
        }
        return begins(path, "vfio-device") ? CLASS_VFIO_DEVICE :
               !strcmp(path, "kvm-vm") ? CLASS_KVM_VM :
               begins(path, "kvm-vcpu:") ? CLASS_KVM_VCPU :
               begins(path, "kvm-") ? CLASS_KVM_DEVICE : CLASS_OTHER;
    }
    /* From outside of the process's mount namespace, /dev can be missing */
    path += begins(path, "/dev/") ? strlen("/dev") : 0;
    return !strcmp(path, "/iommu") ? CLASS_IOMMUFD :
           !strcmp(path, "/kvm") ? CLASS_KVM :
           !strcmp(path, "/vfio/vfio") ? CLASS_VFIO_CONTAINER :
           begins(path, "/vfio/devices/") ? CLASS_VFIO_DEVICE :
           begins(path, "/vfio/") ? CLASS_VFIO_GROUP : CLASS_OTHER;
}

static FdClass look_at(int fd)
{
    char name[32], path[64], *deleted;
    int saved_errno = errno;
    ssize_t len;

    snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
    len = readlink(name, path, sizeof(path) - 1);
    errno = saved_errno;
    if (len <= 0) {
        return CLASS_OTHER;
    }
    path[len] = '\0';
    deleted = strstr(path, " (deleted)");
    if (deleted) {
        *deleted = '\0';
    }
    return class_of_path(path);
}

/* Look at a file descriptor, although its class seems to be known */
FdClass class_now(int fd)
{
    uint32_t old, new;

    if (fd < 0) {
        return CLASS_OTHER;
    }
    if (fd >= FD_LIMIT) {
        return look_at(fd);
    }
    old = __atomic_load_n(&fds[fd], __ATOMIC_RELAXED);
    new = (old & -FD_GENERATION) + look_at(fd);
    __atomic_compare_exchange_n(&fds[fd], &old, new, false, __ATOMIC_RELAXED,
                                __ATOMIC_RELAXED);
    return FD_CLASS(new);
}

FdClass known_class(int fd)
{
    return fd < 0 || fd >= FD_LIMIT ? CLASS_UNKNOWN :
           FD_CLASS(__atomic_load_n(&fds[fd], __ATOMIC_RELAXED));
}

FdClass class_of(int fd)
{
    FdClass class = known_class(fd);

    return class != CLASS_UNKNOWN ? class : class_now(fd);
}

/* The type of a queue's events, if it is known */
unsigned type_of(int fd)
{
    return fd < FD_LIMIT ? FD_TYPE(fds[fd]) : 0;
}

/* File descriptors that a call has made */
void learn(const IoctlName *name, const void *arg, int ret)
{
    const struct iommu_veventq_alloc *veventq = arg;
    const struct iommu_fault_alloc *fault = arg;
    const struct kvm_create_device *device = arg;

    if (name->classes & ON_IOMMUFD) {
        switch (name->request) {
        case IOMMU_VEVENTQ_ALLOC:
            set_fd(veventq->out_veventq_fd, CLASS_VEVENTQ, veventq->type);
            if (veventq->out_veventq_fd < FD_LIMIT) {
                gaps[veventq->out_veventq_fd] = 0;
            }
            break;
        case IOMMU_FAULT_QUEUE_ALLOC:
            set_fd(fault->out_fault_fd, CLASS_FAULT, 0);
            break;
        }
    } else if (name->request == KVM_CREATE_DEVICE) {
        forget(device->fd);
    } else if (name->request == KVM_CREATE_VM ||
               name->request == KVM_CREATE_VCPU ||
               name->request == KVM_CREATE_GUEST_MEMFD ||
               name->request == KVM_GET_STATS_FD ||
               name->request == VFIO_GROUP_GET_DEVICE_FD ||
               name->request == VFIO_DEVICE_FEATURE) {
        forget(ret);
    }
}
