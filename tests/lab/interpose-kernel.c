/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What stands in for the kernel in the tests of the interposer
 *
 * It is preloaded behind the interposer. A file descriptor of it is one of
 * /dev/null or of a pipe. The calls that arrive are lines of $KERNEL_LOG.
 */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/iommufd.h>
#include <linux/kvm.h>
#include <linux/vfio.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#define MAX_FDS 64

static char links[MAX_FDS][64];
static int is_mapped;

static int set_link(int fd, const char *target)
{
    if (fd >= 0 && fd < MAX_FDS) {
        snprintf(links[fd], sizeof(links[fd]), "%s", target);
    }
    return fd;
}

static int is_ours(int fd)
{
    return fd >= 0 && fd < MAX_FDS && links[fd][0];
}

static void __attribute__((format(printf, 1, 2))) note(const char *format, ...)
{
    static int log = -1;
    char line[256];
    va_list ap;
    int len;

    if (log < 0) {
        log = syscall(SYS_openat, AT_FDCWD, getenv("KERNEL_LOG"),
                      O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
        log = dup3(log, 100, O_CLOEXEC);
    }
    va_start(ap, format);
    len = vsnprintf(line, sizeof(line), format, ap);
    va_end(ap);
    if (write(log, line, len) != len) {
        abort();
    }
}

int open64(const char *path, int flags, ...)
{
    int ours = !strcmp(path, "/dev/iommu") || !strncmp(path, "/dev/vfio", 9) ||
               !strcmp(path, "/dev/kvm");
    int fd = syscall(SYS_openat, AT_FDCWD, ours ? "/dev/null" : path,
                     ours ? O_RDWR : flags, 0600);

    return set_link(fd, ours ? path : "");
}

int close(int fd)
{
    set_link(fd, "");
    return syscall(SYS_close, fd);
}

ssize_t readlink(const char *path, char *buf, size_t size)
{
    int fd;

    if (sscanf(path, "/proc/self/fd/%d", &fd) == 1 && is_ours(fd)) {
        const char *start = getenv("KERNEL_LINK"), *link = links[fd];
        char text[128];

        if (start && !strncmp(link, "/dev/", 5)) {
            snprintf(text, sizeof(text), start, link + 5);
            link = text;
        }
        size = size < strlen(link) ? size : strlen(link);
        memcpy(buf, link, size);
        return size;
    }
    return syscall(SYS_readlinkat, AT_FDCWD, path, buf, size);
}

static int hw_info(struct iommu_hw_info *info)
{
    int cmdqv = info->flags & IOMMU_HW_INFO_FLAG_INPUT_TYPE &&
                info->in_data_type == IOMMU_HW_INFO_TYPE_TEGRA241_CMDQV;

    note("hw_info cmdqv=%d\n", cmdqv);
    if (info->data_len) {
        memset((void *)(uintptr_t)info->data_uptr, 0x11, info->data_len);
    }
    info->out_data_type = cmdqv ? IOMMU_HW_INFO_TYPE_TEGRA241_CMDQV :
                                  IOMMU_HW_INFO_TYPE_ARM_SMMUV3;
    info->data_len = sizeof(struct iommu_hw_info_arm_smmuv3);
    info->out_max_pasid_log2 = 3;
    info->out_capabilities = IOMMU_HW_CAP_DIRTY_TRACKING |
                             IOMMU_HW_CAP_PCI_PASID_EXEC;
    return 0;
}

static int map(int wanted)
{
    note("%s\n", wanted ? "map" : "unmap");
    if (is_mapped == wanted) {
        errno = wanted ? EEXIST : ENOENT;
        return -1;
    }
    is_mapped = wanted;
    return 0;
}

static int events(const char *target, unsigned words)
{
    uint32_t event[1 + 1 + 8] = { 0 };
    int fds[2];

    if (pipe(fds)) {
        return -1;
    }
    for (unsigned i = 0; i < 3; i++) {
        event[1] = i;
        for (unsigned j = 2; j < words + 2; j++) {
            event[j] = 0xe0 + i;
        }
        if (write(fds[1], event, (2 + words) * 4) < 0) {
            abort();
        }
    }
    syscall(SYS_close, fds[1]);
    return set_link(fds[0], target);
}

static int invalidate(struct iommu_hwpt_invalidate *inv)
{
    const uint64_t *word = (void *)(uintptr_t)inv->data_uptr;

    for (unsigned i = 0; i < inv->entry_num; i++) {
        note("entry 0x%llx 0x%llx\n", (long long)word[2 * i],
             (long long)word[2 * i + 1]);
    }
    note("invalidate %u hwpt=%u\n", inv->entry_num, inv->hwpt_id);
    return 0;
}

static int region(struct vfio_region_info *info)
{
    info->flags = VFIO_REGION_INFO_FLAG_READ;
    info->size = 0x100000;
    info->offset = (uint64_t)info->index << 40;
    return 0;
}

int ioctl(int fd, unsigned long request, ...)
{
    int (*next)(int, unsigned long, ...);
    struct iommu_veventq_alloc *veventq;
    struct iommu_fault_alloc *fault;
    struct vfio_device_info *device;
    va_list ap;
    void *arg;

    va_start(ap, request);
    arg = va_arg(ap, void *);
    va_end(ap);
    if (!is_ours(fd)) {
        next = dlsym(RTLD_NEXT, "ioctl");
        return next(fd, request, arg);
    }
    switch ((uint32_t)request) {
    case IOMMU_HWPT_INVALIDATE:
        return invalidate(arg);
    case IOMMU_IOAS_MAP:
        return map(1);
    case IOMMU_IOAS_UNMAP:
        return map(0);
    case IOMMU_GET_HW_INFO:
        return hw_info(arg);
    case IOMMU_HWPT_ALLOC:
        note("hwpt %u\n", ((struct iommu_hwpt_alloc *)arg)->data_type);
        return 0;
    case IOMMU_VEVENTQ_ALLOC:
        veventq = arg;
        veventq->out_veventq_fd =
            events("anon_inode:queue",
                   veventq->type == IOMMU_VEVENTQ_TYPE_ARM_SMMUV3 ? 8 : 4);
        return 0;
    case IOMMU_FAULT_QUEUE_ALLOC:
        fault = arg;
        fault->out_fault_fd = events("anon_inode:queue", 4);
        return 0;
    case VFIO_DEVICE_GET_REGION_INFO:
        return region(arg);
    case VFIO_DEVICE_GET_INFO:
        device = arg;
        device->flags = VFIO_DEVICE_FLAGS_PCI;
        device->num_regions = 9;
        return 0;
    case VFIO_DEVICE_FEATURE:
        note("feature 0x%x\n", ((struct vfio_device_feature *)arg)->flags);
        return 0;
    case VFIO_IOMMU_GET_INFO:
        return 0;
    case VFIO_IOMMU_MAP_DMA:
        return map(1);
    case VFIO_IOMMU_UNMAP_DMA:
        return map(0);
    case KVM_CREATE_VM:
        return set_link(syscall(SYS_openat, AT_FDCWD, "/dev/null", O_RDWR, 0),
                        "anon_inode:kvm-vm");
    case KVM_CREATE_VCPU:
        return set_link(syscall(SYS_openat, AT_FDCWD, "/dev/null", O_RDWR, 0),
                        "anon_inode:kvm-vcpu:0");
    case KVM_RUN:
    case KVM_GET_ONE_REG:
        return 0;
    }
    errno = ENOTTY;
    return -1;
}

int munmap(void *addr, size_t length)
{
    note("munmap %zu\n", length);
    return syscall(SYS_munmap, addr, length);
}

ssize_t pread64(int fd, void *buf, size_t size, off64_t offset)
{
    if (!is_ours(fd)) {
        return syscall(SYS_pread64, fd, buf, size, offset);
    }
    memset(buf, 0x77, size);
    return size;
}

void *mmap64(void *addr, size_t length, int prot, int flags, int fd,
             off64_t offset)
{
    int ours = is_ours(fd);

    return (void *)syscall(SYS_mmap, addr, length, prot,
                           ours ? MAP_PRIVATE | MAP_ANONYMOUS : flags,
                           ours ? -1 : fd, ours ? 0 : offset);
}
