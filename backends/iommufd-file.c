/*
 * Files mapped for DMA with iommufd
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include <sys/ioctl.h>
#include <linux/iommufd.h>
#include "system/iommufd-file.h"
#include "trace.h"

int iommufd_backend_map_file(IOMMUFDBackend *be, uint32_t ioas_id,
                             hwaddr iova, ram_addr_t size, int fd,
                             uint64_t start, bool readonly)
{
    struct iommu_ioas_map_file map = {
        .size = sizeof(map),
        .flags = IOMMU_IOAS_MAP_READABLE | IOMMU_IOAS_MAP_FIXED_IOVA |
                 (readonly ? 0 : IOMMU_IOAS_MAP_WRITEABLE),
        .ioas_id = ioas_id,
        .fd = fd,
        .start = start,
        .length = size,
        .iova = iova,
    };
    int ret = ioctl(be->fd, IOMMU_IOAS_MAP_FILE, &map) ? -errno : 0;

    trace_iommufd_file_map(be->fd, ioas_id, iova, size, fd, start, readonly,
                           ret);
    return ret;
}
