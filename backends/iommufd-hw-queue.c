/*
 * iommufd objects of a vIOMMU that has hardware queues
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include <sys/ioctl.h>
#include <linux/iommufd.h>
#include "qapi/error.h"
#include "qemu/error-report.h"
#include "system/iommufd-hw-queue.h"
#include "trace.h"

bool iommufd_backend_get_device_info_type(IOMMUFDBackend *be, uint32_t dev_id,
                                          uint32_t type, void *data,
                                          uint32_t len, Error **errp)
{
    struct iommu_hw_info info = {
        .size = sizeof(info),
        .flags = IOMMU_HW_INFO_FLAG_INPUT_TYPE,
        .dev_id = dev_id,
        .in_data_type = type,
        .data_len = len,
        .data_uptr = (uintptr_t)data,
    };
    int ret = ioctl(be->fd, IOMMU_GET_HW_INFO, &info) ? -errno : 0;

    if (!ret && info.out_data_type != type) {
        ret = -EOPNOTSUPP;
    }
    trace_iommufd_hw_queue_info(be->fd, dev_id, type, ret);
    if (ret) {
        error_setg_errno(errp, -ret, "IOMMU_GET_HW_INFO failed");
        return false;
    }
    return true;
}

bool iommufd_backend_alloc_viommu_data(IOMMUFDBackend *be, uint32_t dev_id,
                                       uint32_t viommu_type, uint32_t hwpt_id,
                                       void *data, uint32_t len,
                                       uint32_t *out_viommu_id, Error **errp)
{
    struct iommu_viommu_alloc alloc = {
        .size = sizeof(alloc),
        .type = viommu_type,
        .dev_id = dev_id,
        .hwpt_id = hwpt_id,
        .data_len = len,
        .data_uptr = (uintptr_t)data,
    };
    int ret = ioctl(be->fd, IOMMU_VIOMMU_ALLOC, &alloc) ? -errno : 0;

    trace_iommufd_viommu_alloc(be->fd, dev_id, viommu_type, hwpt_id,
                               alloc.out_viommu_id, ret);
    if (ret) {
        error_setg_errno(errp, -ret, "IOMMU_VIOMMU_ALLOC failed");
        return false;
    }
    *out_viommu_id = alloc.out_viommu_id;
    return true;
}

bool iommufd_backend_viommu_map(IOMMUFDBackend *be, void *at, uint64_t offset,
                                size_t length, Error **errp)
{
    void *ptr = mmap(at, length, PROT_READ | PROT_WRITE,
                     MAP_SHARED | MAP_FIXED, be->fd, offset);
    int ret = ptr == MAP_FAILED ? -errno : 0;

    trace_iommufd_hw_queue_map(be->fd, offset, length, ret);
    if (ret) {
        error_setg_errno(errp, -ret, "mapping a vIOMMU's registers failed");
        /* a failed mapping may have taken away what was there */
        iommufd_backend_viommu_unmap(at, length);
        return false;
    }
    return true;
}

void iommufd_backend_viommu_unmap(void *at, size_t length)
{
    void *ptr = mmap(at, length, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);

    if (ptr == MAP_FAILED) {
        /* the vIOMMU stays as long as its registers are mapped */
        error_report("Failed to unmap registers of a vIOMMU: %s",
                     strerror(errno));
    }
}

bool iommufd_backend_alloc_hw_queue(IOMMUFDBackend *be, uint32_t viommu_id,
                                    uint32_t type, uint32_t index,
                                    uint64_t iova, uint64_t length,
                                    uint32_t *out_hw_queue_id, Error **errp)
{
    struct iommu_hw_queue_alloc alloc = {
        .size = sizeof(alloc),
        .viommu_id = viommu_id,
        .type = type,
        .index = index,
        .nesting_parent_iova = iova,
        .length = length,
    };
    int ret = ioctl(be->fd, IOMMU_HW_QUEUE_ALLOC, &alloc) ? -errno : 0;

    trace_iommufd_hw_queue_alloc(be->fd, viommu_id, type, index, iova, length,
                                 alloc.out_hw_queue_id, ret);
    if (ret) {
        error_setg_errno(errp, -ret, "IOMMU_HW_QUEUE_ALLOC failed");
        return false;
    }
    *out_hw_queue_id = alloc.out_hw_queue_id;
    return true;
}
