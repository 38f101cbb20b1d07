/*
 * A preloaded library that changes what the host answers about a device
 *
 * For answers that the lab's kernel does not give. The calls are made, then the
 * answer is replaced by what these variables of the environment say. OFFSET,
 * SIZE, VALUE and N are hexadecimal.
 *
 *   HOST_ATS=off             IOMMU_HW_CAP_PCI_ATS_NOT_SUPPORTED
 *   HOST_PASID=WIDTH[x][p]   width of PASIDs; x, p: execute, privileged
 *   HOST_CONFIG=OFFSET=VALUE,...  32-bit words of configuration space, whenever
 *                            it is read at a length of 4096 bytes
 *   HOST_SPARSE=OFFSET+SIZE,...   sparse areas of region 0
 *   HOST_SPARSE_COUNT=N      how many the kernel says there are
 *   HOST_CAP_NEXT=OFFSET     region 0 has a capability that points there
 *   HOST_DMABUF=ERRNO        VFIO_DEVICE_FEATURE_DMA_BUF fails
 *   HOST_MAP_FILE=ERRNO      IOMMU_IOAS_MAP_FILE fails
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

/* From linux/iommufd.h and linux/vfio.h: the ABI, so it cannot change */
#define IOMMU_GET_HW_INFO           _IO(';', 0x8a)
#define IOMMU_IOAS_MAP_FILE         _IO(';', 0x8f)
#define VFIO_DEVICE_GET_REGION_INFO _IO(';', 108)
#define VFIO_DEVICE_FEATURE         _IO(';', 117)

#define HW_CAP_PASID_EXEC           (1 << 1)
#define HW_CAP_PASID_PRIV           (1 << 2)
#define HW_CAP_ATS_NOT_SUPPORTED    (1 << 3)

#define REGION_FLAG_MMAP            (1 << 2)
#define REGION_FLAG_CAPS            (1 << 3)
#define REGION_CAP_SPARSE_MMAP      1
#define REGION_CAP_UNKNOWN          99

#define FEATURE_MASK                0xffff
#define FEATURE_DMA_BUF             11

#define CONFIG_REGION               7
#define CONFIG_SIZE                 4096
#define REGION_SHIFT                40

typedef struct HwInfo {
    uint32_t size, flags, dev_id, data_len;
    uint64_t data_uptr;
    uint32_t out_data_type;
    uint8_t out_max_pasid_log2;
    uint8_t reserved[3];
    uint64_t out_capabilities;
} HwInfo;

typedef struct RegionInfo {
    uint32_t argsz, flags, index, cap_offset;
    uint64_t size, offset;
} RegionInfo;

typedef struct CapHeader {
    uint16_t id, version;
    uint32_t next;
} CapHeader;

typedef struct SparseCap {
    CapHeader header;
    uint32_t nr_areas, reserved;
    uint64_t areas[][2];        /* offset, size */
} SparseCap;

typedef struct Feature {
    uint32_t argsz, flags;
} Feature;

typedef int IoctlFn(int fd, unsigned long request, ...);
typedef ssize_t PreadFn(int fd, void *buf, size_t count, off64_t offset);

static void change_hw_info(HwInfo *info)
{
    const char *ats = getenv("HOST_ATS"), *pasid = getenv("HOST_PASID");

    if (ats && !strcmp(ats, "off")) {
        info->out_capabilities |= HW_CAP_ATS_NOT_SUPPORTED;
    }
    if (pasid) {
        info->out_max_pasid_log2 = atoi(pasid);
        info->out_capabilities &= ~(uint64_t)HW_CAP_PASID_EXEC &
                                  ~(uint64_t)HW_CAP_PASID_PRIV;
        info->out_capabilities |= strchr(pasid, 'x') ? HW_CAP_PASID_EXEC : 0;
        info->out_capabilities |= strchr(pasid, 'p') ? HW_CAP_PASID_PRIV : 0;
    }
}

/* Space for a capability of @len bytes behind the info, if there is enough */
static void *add_cap(RegionInfo *info, uint32_t given, size_t len)
{
    info->flags |= REGION_FLAG_CAPS | REGION_FLAG_MMAP;
    info->argsz = sizeof(*info) + len;
    info->cap_offset = 0;
    if (given < info->argsz) {
        return NULL;
    }
    info->argsz = given;
    info->cap_offset = sizeof(*info);
    memset(info + 1, 0, len);
    return info + 1;
}

static void add_sparse(RegionInfo *info, uint32_t given, const char *areas)
{
    const char *count = getenv("HOST_SPARSE_COUNT");
    unsigned long offset, size;
    uint32_t nr = 1;
    SparseCap *cap;
    int used;

    for (const char *p = areas; *p; p++) {
        nr += *p == ',';
    }
    cap = add_cap(info, given, sizeof(*cap) + nr * sizeof(cap->areas[0]));
    if (!cap) {
        return;
    }
    cap->header.id = REGION_CAP_SPARSE_MMAP;
    cap->header.version = 1;
    while (cap->nr_areas < nr &&
           sscanf(areas, "%lx+%lx%n", &offset, &size, &used) == 2) {
        cap->areas[cap->nr_areas][0] = offset;
        cap->areas[cap->nr_areas][1] = size;
        cap->nr_areas++;
        areas += used + (areas[used] == ',');
    }
    if (count) {
        sscanf(count, "%x", &cap->nr_areas);
    }
}

static void change_region(RegionInfo *info, uint32_t given)
{
    const char *sparse = getenv("HOST_SPARSE"), *next = getenv("HOST_CAP_NEXT");
    CapHeader *cap;

    if (info->index != 0) {
        return;
    }
    if (sparse) {
        add_sparse(info, given, sparse);
    } else if (next) {
        cap = add_cap(info, given, sizeof(*cap));
        if (cap) {
            cap->id = REGION_CAP_UNKNOWN;
            sscanf(next, "%x", &cap->next);
        }
    }
}

/* The errno that a variable says a call shall fail with, or 0 */
static int failure(const char *variable)
{
    const char *text = getenv(variable);

    return text ? atoi(text) : 0;
}

static int failure_of(unsigned long request, void *arg)
{
    if (request == VFIO_DEVICE_FEATURE &&
        (((Feature *)arg)->flags & FEATURE_MASK) == FEATURE_DMA_BUF) {
        return failure("HOST_DMABUF");
    }
    return request == IOMMU_IOAS_MAP_FILE ? failure("HOST_MAP_FILE") : 0;
}

int ioctl(int fd, unsigned long request, ...)
{
    static IoctlFn *real_ioctl;
    uint32_t given = 0;
    va_list ap;
    void *arg;
    int ret;

    va_start(ap, request);
    arg = va_arg(ap, void *);
    va_end(ap);

    if (!real_ioctl) {
        real_ioctl = (IoctlFn *)dlsym(RTLD_NEXT, "ioctl");
    }
    ret = failure_of(request, arg);
    if (ret) {
        errno = ret;
        return -1;
    }
    if (request == VFIO_DEVICE_GET_REGION_INFO) {
        given = ((RegionInfo *)arg)->argsz;
    }
    ret = real_ioctl(fd, request, arg);
    if (ret == 0 && request == IOMMU_GET_HW_INFO) {
        change_hw_info(arg);
    } else if (ret == 0 && request == VFIO_DEVICE_GET_REGION_INFO) {
        change_region(arg, given);
    }
    return ret;
}

static void change_config(uint8_t *config, const char *words)
{
    unsigned offset, value;

    while (words && sscanf(words, "%x=%x", &offset, &value) == 2) {
        if (offset <= CONFIG_SIZE - sizeof(uint32_t)) {
            memcpy(config + offset, &value, sizeof(uint32_t));
        }
        words = strchr(words, ',');
        words = words ? words + 1 : NULL;
    }
}

ssize_t pread64(int fd, void *buf, size_t count, off64_t offset)
{
    static PreadFn *real_pread;
    ssize_t ret;

    if (!real_pread) {
        real_pread = (PreadFn *)dlsym(RTLD_NEXT, "pread64");
    }
    ret = real_pread(fd, buf, count, offset);
    if (ret == CONFIG_SIZE && offset >> REGION_SHIFT == CONFIG_REGION) {
        change_config(buf, getenv("HOST_CONFIG"));
    }
    return ret;
}
