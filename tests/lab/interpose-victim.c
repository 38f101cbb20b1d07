/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A process for the tests of the interposer
 *
 * Each argument is a call, NAME[:NUMBER...], answered by a line.
 */

#define _GNU_SOURCE
#define _FILE_OFFSET_BITS 64
#include <errno.h>
#include <fcntl.h>
#include <linux/iommufd.h>
#include <linux/kvm.h>
#include <linux/vfio.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

/* What ioctl-names.h needs */
#define ON_OTHER 1
#define ON_IOMMUFD 2
#define ON_VFIO_CONTAINER 4
#define ON_VFIO_GROUP 8
#define ON_VFIO_DEVICE 16
#define ON_KVM_VM 32
#define ON_KVM_VCPU 64
#define ON_KVM (ON_KVM_VM | ON_KVM_VCPU | 128)

typedef struct IoctlName {
    const char *name;
    uint32_t request, classes;
    bool plain;
} IoctlName;

typedef struct Subkind {
    const char *name;
    uint32_t request, value;
} Subkind;

typedef struct ErrnoName {
    const char *name;
    int value;
} ErrnoName;

#include "ioctl-names.h"

static int iommufd, device, container, vcpu, veventq = -1;

static void print_hex(const void *data, size_t len)
{
    printf(" data=");
    for (size_t i = 0; i < len; i++) {
        printf("%02x", ((const uint8_t *)data)[i]);
    }
}

static int invalidate(unsigned n)
{
    uint64_t words[32][2];
    struct iommu_hwpt_invalidate inv = {
        .size = sizeof(inv), .hwpt_id = 7, .data_uptr = (uintptr_t)words,
        .entry_len = sizeof(words[0]), .entry_num = n,
    };
    int ret;

    for (unsigned i = 0; i < n; i++) {
        words[i][0] = i % 2 ? 0x40 : 0x11;
        words[i][1] = 0x5000 + i;
    }
    ret = ioctl(iommufd, IOMMU_HWPT_INVALIDATE, &inv);
    if (inv.data_uptr != (uintptr_t)words ||
        words[n - 1][1] != 0x5000 + n - 1) {
        puts("the caller's array was changed");
    }
    printf("done=%u hwpt=%u", inv.entry_num, inv.hwpt_id);
    return ret;
}

static int map(unsigned unmap)
{
    struct iommu_ioas_map map = { .size = sizeof(map), .length = 4096 };
    struct iommu_ioas_unmap un = { .size = sizeof(un), .length = 4096 };

    return unmap ? ioctl(iommufd, IOMMU_IOAS_UNMAP, &un) :
                   ioctl(iommufd, IOMMU_IOAS_MAP, &map);
}

static int dma_map(unsigned unmap)
{
    struct vfio_iommu_type1_dma_map map = { .argsz = sizeof(map) };
    struct vfio_iommu_type1_dma_unmap un = { .argsz = sizeof(un) };

    return unmap ? ioctl(container, VFIO_IOMMU_UNMAP_DMA, &un) :
                   ioctl(container, VFIO_IOMMU_MAP_DMA, &map);
}

static int hw_info(unsigned type)
{
    struct iommu_hw_info_arm_smmuv3 data = { 0 };
    struct iommu_hw_info info = {
        .size = sizeof(info), .data_len = sizeof(data),
        .data_uptr = (uintptr_t)&data, .in_data_type = type,
        .flags = type ? IOMMU_HW_INFO_FLAG_INPUT_TYPE : 0,
    };
    int ret = ioctl(iommufd, IOMMU_GET_HW_INFO, &info);

    printf("type=%u pasid=%u caps=0x%llx", info.out_data_type,
           info.out_max_pasid_log2, (long long)info.out_capabilities);
    for (unsigned i = 0; i < 6; i++) {
        printf(" idr%u=0x%x", i, data.idr[i]);
    }
    return ret;
}

static int hwpt(unsigned type)
{
    struct iommu_hwpt_alloc alloc = {
        .size = sizeof(alloc), .data_type = type,
    };

    return ioctl(iommufd, IOMMU_HWPT_ALLOC, &alloc);
}

static int region(unsigned index, unsigned argsz)
{
    uint32_t info[64] = { argsz, 0, index, 0xdead };
    int ret = ioctl(device, VFIO_DEVICE_GET_REGION_INFO, info);

    printf("argsz=%u flags=0x%x cap=0x%x", info[0], info[1], info[3]);
    print_hex(info + 8, 64);
    return ret;
}

static int device_info(unsigned argsz)
{
    uint32_t info[64] = { argsz };
    int ret = ioctl(device, VFIO_DEVICE_GET_INFO, info);

    printf("argsz=%u flags=0x%x cap=0x%x", info[0], info[1], info[4]);
    print_hex(info + 6, 8);
    return ret;
}

static int feature(unsigned flags)
{
    struct vfio_device_feature f = { .argsz = sizeof(f), .flags = flags };

    return ioctl(device, VFIO_DEVICE_FEATURE, &f);
}

/* One number, that of VFIO_IOMMU_GET_INFO and of a request to devices */
static int request_112(unsigned on_device)
{
    uint32_t info[16] = { sizeof(info) };
    int ret = ioctl(on_device ? device : container, VFIO_IOMMU_GET_INFO, info);

    printf("argsz=%u flags=0x%x cap=0x%x", info[0], info[1], info[4]);
    return ret;
}

/* The number of VFIO_DEVICE_FEATURE, on a container */
static int dirty_pages(void)
{
    struct vfio_iommu_type1_dirty_bitmap dirty = { .argsz = sizeof(dirty) };

    return ioctl(container, VFIO_IOMMU_DIRTY_PAGES, &dirty);
}

static unsigned runs;

static void *run(void *opaque)
{
    uintptr_t failed = 0;

    for (unsigned i = 0; i < runs; i++) {
        failed += ioctl(vcpu, KVM_RUN, 0) < 0 && errno == EFAULT;
    }
    return (void *)failed;
}

static int run_vcpus(unsigned threads, unsigned times)
{
    pthread_t thread[8];
    uintptr_t failed = 0;
    void *result;

    runs = times;
    for (unsigned i = 0; i < threads; i++) {
        pthread_create(&thread[i], NULL, run, NULL);
    }
    for (unsigned i = 0; i < threads; i++) {
        pthread_join(thread[i], &result);
        failed += (uintptr_t)result;
    }
    printf("failed=%u", (unsigned)failed);
    return 0;
}

static int read_config(unsigned region, unsigned offset, unsigned size)
{
    uint8_t buf[4096];
    int ret = pread(device, buf, size, ((off_t)region << 40) + offset);

    print_hex(buf, size < 16 ? size : 16);
    return ret;
}

static int alloc_events(unsigned type)
{
    struct iommu_veventq_alloc alloc = { .size = sizeof(alloc), .type = type };
    int ret = ioctl(iommufd, IOMMU_VEVENTQ_ALLOC, &alloc);

    veventq = alloc.out_veventq_fd;
    return ret;
}

static int alloc_faults(void)
{
    struct iommu_fault_alloc alloc = { .size = sizeof(alloc) };
    int ret = ioctl(iommufd, IOMMU_FAULT_QUEUE_ALLOC, &alloc);

    veventq = alloc.out_fault_fd;
    return ret;
}

static int read_events(unsigned size)
{
    /* volatile: the compiler does not know it, so that this is __read_chk() */
    volatile size_t wanted = size;
    uint8_t buf[1000];
    int ret = read(veventq, buf, wanted);

    print_hex(buf, ret > 0 ? ret : 0);
    return ret;
}

static int map_fd(unsigned of_device)
{
    void *map = mmap(NULL, 4096, PROT_READ, MAP_SHARED,
                     of_device ? device : iommufd, 0x3000);

    return map == MAP_FAILED ? -1 : 0;
}

/* Other file descriptors with the same number, and not by close() alone */
static int reuse(unsigned how)
{
    int fd = open("/dev/vfio/vfio", O_RDWR), again;
    uint32_t info[16] = { sizeof(info) };

    ioctl(fd, VFIO_IOMMU_GET_INFO, info);
    if (how == 0) {
        close(fd);
    } else if (how == 1) {
        fclose(fdopen(fd, "r"));
    } else if (how == 2) {
        syscall(SYS_close, fd);
    } else {
        close_range(fd, fd, 0);
    }
    again = open(how == 2 ? "/dev/iommu" : "/dev/vfio/devices/vfio9", O_RDWR);
    if (again != fd) {
        printf("again=%d, not %d", again, fd);
    }
    if (how == 2) {
        struct iommu_hwpt_alloc alloc = { .size = sizeof(alloc) };

        return ioctl(again, IOMMU_HWPT_ALLOC, &alloc);
    }
    return ioctl(again, VFIO_DEVICE_GET_PCI_HOT_RESET_INFO, info);
}

/* The number of a file that was read becomes that of a queue */
static int reuse_read(void)
{
    int fd = open("/dev/zero", O_RDONLY), ret;
    char c;

    ret = read(fd, &c, 1);
    close(fd);
    alloc_events(IOMMU_VEVENTQ_TYPE_ARM_SMMUV3);
    if (veventq != fd) {
        printf("again=%d, not %d", veventq, fd);
    }
    return ret == 1 ? read(veventq, &c, 1) : -1;
}

static const char *errno_name(int err)
{
    for (size_t i = 0; i < ARRAY_SIZE(errno_names); i++) {
        if (errno_names[i].value == err) {
            return errno_names[i].name;
        }
    }
    return "?";
}

static void names(void)
{
    for (size_t i = 0; i < ARRAY_SIZE(ioctl_names); i++) {
        printf("%s %u %u\n", ioctl_names[i].name, ioctl_names[i].request,
               ioctl_names[i].classes);
    }
}

static int step(const char *name, unsigned a, unsigned b, unsigned c)
{
    return !strcmp(name, "invalidate") ? invalidate(a) :
           !strcmp(name, "map") ? map(0) :
           !strcmp(name, "unmap") ? map(1) :
           !strcmp(name, "dma_map") ? dma_map(a) :
           !strcmp(name, "hw_info") ? hw_info(a) :
           !strcmp(name, "hwpt") ? hwpt(a) :
           !strcmp(name, "region") ? region(a, b) :
           !strcmp(name, "device_info") ? device_info(a) :
           !strcmp(name, "feature") ? feature(a) :
           !strcmp(name, "request_112") ? request_112(a) :
           !strcmp(name, "dirty_pages") ? dirty_pages() :
           !strcmp(name, "close_events") ? close(veventq) :
           !strcmp(name, "run") ? run_vcpus(a, b) :
           !strcmp(name, "config") ? read_config(a, b, c) :
           !strcmp(name, "alloc_events") ? alloc_events(a) :
           !strcmp(name, "alloc_faults") ? alloc_faults() :
           !strcmp(name, "read") ? read_events(a) :
           !strcmp(name, "mmap") ? map_fd(a) :
           !strcmp(name, "reuse") ? reuse(a) :
           !strcmp(name, "reuse_read") ? reuse_read() :
           !strcmp(name, "unknown") ? ioctl(iommufd, _IO(';', 0xfe)) :
           -12345;
}

int main(int argc, char **argv)
{
    int vm;

    if (argc == 2 && !strcmp(argv[1], "names")) {
        names();
        return 0;
    }
    iommufd = open("/dev/iommu", O_RDWR);
    device = open("/dev/vfio/devices/vfio0", O_RDWR);
    container = open("/dev/vfio/vfio", O_RDWR);
    vm = ioctl(open("/dev/kvm", O_RDWR), KVM_CREATE_VM, 0);
    vcpu = ioctl(vm, KVM_CREATE_VCPU, 0);
    for (int i = 1; i < argc; i++) {
        unsigned a = 0, b = 0, c = 0;
        char name[32];
        int ret, err;

        sscanf(argv[i], "%31[^:]:%u:%u:%u", name, &a, &b, &c);
        printf("%s ", name);
        errno = 0;
        ret = step(name, a, b, c);
        err = errno;
        printf(" ret=%d errno=%s\n", ret, ret < 0 ? errno_name(err) : "0");
    }
    return 0;
}
