/*
 * iommufd objects of a vIOMMU that has hardware queues
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Life cycle, as the kernel wants it (include/uapi/linux/iommufd.h):
 *
 *   vIOMMU > mapping of its registers, HW queues in ascending order
 *
 * Each goes before what stands to its left, HW queues in descending order.
 */

#ifndef SYSTEM_IOMMUFD_HW_QUEUE_H
#define SYSTEM_IOMMUFD_HW_QUEUE_H

#include "system/iommufd.h"

/**
 * iommufd_backend_get_device_info_type: what the host IOMMU of a device tells
 * about an extension
 *
 * @dev_id: a device behind the host IOMMU
 * @type: enum iommu_hw_info_type
 * @data: the type's structure, of @len bytes; zeroed where the kernel has less
 *
 * Returns: true on success; false with @errp set if the host IOMMU does not
 * have the extension, or the kernel does not know about it.
 */
bool iommufd_backend_get_device_info_type(IOMMUFDBackend *be, uint32_t dev_id,
                                          uint32_t type, void *data,
                                          uint32_t len, Error **errp);

/**
 * iommufd_backend_alloc_viommu_data: make the host's side of a vIOMMU whose
 * type comes with data
 *
 * @data: in and out: the type's structure, of @len bytes
 *
 * Otherwise as iommufd_backend_alloc_viommu().
 */
bool iommufd_backend_alloc_viommu_data(IOMMUFDBackend *be, uint32_t dev_id,
                                       uint32_t viommu_type, uint32_t hwpt_id,
                                       void *data, uint32_t len,
                                       uint32_t *out_viommu_id, Error **errp);

/**
 * iommufd_backend_viommu_map: map registers of a vIOMMU in place of memory
 *
 * @at: page-aligned; anonymous memory of the caller, which is gone then
 * @offset: as the kernel has given it when the vIOMMU was allocated
 * @length: bytes, likewise
 *
 * Returns: true on success; false with @errp set otherwise.
 */
bool iommufd_backend_viommu_map(IOMMUFDBackend *be, void *at, uint64_t offset,
                                size_t length, Error **errp);

/**
 * iommufd_backend_viommu_unmap: put anonymous memory where the registers were
 *
 * So @at stays valid for those who have not heard of it yet.
 */
void iommufd_backend_viommu_unmap(void *at, size_t length);

/**
 * iommufd_backend_alloc_hw_queue: let hardware work on a queue of the guest
 *
 * @type: enum iommu_hw_queue_type
 * @index: which of the vIOMMU's queues
 * @iova: address of the queue in the nesting parent: guest physical memory,
 *        which the kernel pins
 * @length: bytes
 * @out_hw_queue_id: id of the HW queue, to be freed by the caller
 *
 * Returns: true on success; false with @errp set otherwise.
 */
bool iommufd_backend_alloc_hw_queue(IOMMUFDBackend *be, uint32_t viommu_id,
                                    uint32_t type, uint32_t index,
                                    uint64_t iova, uint64_t length,
                                    uint32_t *out_hw_queue_id, Error **errp);

#endif
