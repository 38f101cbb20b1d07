/*
 * iommufd objects of a vIOMMU: vIOMMU, vDEVICE, vEVENTQ, invalidation, and
 * the host device that they are made for
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Life cycle, as the kernel wants it (include/uapi/linux/iommufd.h):
 *
 *   nesting parent HWPT > vIOMMU > nested HWPT, vDEVICE, vEVENTQ
 *
 * Each is destroyed with iommufd_backend_free_id() before what stands to its
 * left, and a nested HWPT only when no device is attached to it.
 */

#ifndef SYSTEM_IOMMUFD_VIOMMU_H
#define SYSTEM_IOMMUFD_VIOMMU_H

#include "system/iommufd.h"

OBJECT_DECLARE_TYPE(HostIOMMUDeviceIOMMUFD, HostIOMMUDeviceIOMMUFDClass,
                    HOST_IOMMU_DEVICE_IOMMUFD)

/* A host device bound to an iommufd */
struct HostIOMMUDeviceIOMMUFD {
    HostIOMMUDevice parent_obj;

    IOMMUFDBackend *iommufd;    /* not owned: the agent's */
    uint32_t devid;             /* iommufd's name of the device */
    uint32_t hwpt_id;           /* kernel-managed HWPT it was attached to */
};

struct HostIOMMUDeviceIOMMUFDClass {
    HostIOMMUDeviceClass parent_class;

    /* see host_iommu_device_iommufd_attach_hwpt() */
    bool (*attach_hwpt)(HostIOMMUDeviceIOMMUFD *idev, uint32_t hwpt_id,
                        Error **errp);
};

/**
 * host_iommu_device_iommufd_attach_hwpt: move a device to another HWPT
 *
 * The kernel replaces the attachment in one step: DMA in flight goes through
 * the old or the new translation.  On failure the old attachment stands.
 *
 * @idev: host device
 * @hwpt_id: HWPT of the same iommufd, kernel-managed or nested
 *
 * Returns: true on success; false with @errp set otherwise.
 */
bool host_iommu_device_iommufd_attach_hwpt(HostIOMMUDeviceIOMMUFD *idev,
                                           uint32_t hwpt_id, Error **errp);

/**
 * iommufd_backend_alloc_viommu: make the host's side of a vIOMMU
 *
 * @dev_id: a device behind the host IOMMU that shall back the vIOMMU
 * @viommu_type: enum iommu_viommu_type
 * @hwpt_id: nesting parent
 * @out_viommu_id: id of the vIOMMU, to be freed by the caller
 *
 * Returns: true on success; false with @errp set otherwise.
 */
bool iommufd_backend_alloc_viommu(IOMMUFDBackend *be, uint32_t dev_id,
                                  uint32_t viommu_type, uint32_t hwpt_id,
                                  uint32_t *out_viommu_id, Error **errp);

/**
 * iommufd_backend_alloc_vdev: tell a vIOMMU by which id the guest knows a
 * device
 *
 * @virt_id: the guest's id, e.g. the StreamID of an SMMUv3
 * @out_vdev_id: id of the vDEVICE, to be freed by the caller
 *
 * Returns: true on success; false with @errp set otherwise.
 */
bool iommufd_backend_alloc_vdev(IOMMUFDBackend *be, uint32_t dev_id,
                                uint32_t viommu_id, uint64_t virt_id,
                                uint32_t *out_vdev_id, Error **errp);

/**
 * iommufd_backend_alloc_veventq: a queue of the events of a vIOMMU's devices
 *
 * @type: enum iommu_veventq_type
 * @depth: how many events the kernel keeps before it counts them as lost
 * @out_veventq_id: id of the vEVENTQ
 * @out_veventq_fd: where to read the events
 *
 * The caller passes both to iommufd_backend_free_veventq() in the end.
 *
 * Returns: true on success; false with @errp set otherwise.
 */
bool iommufd_backend_alloc_veventq(IOMMUFDBackend *be, uint32_t viommu_id,
                                   uint32_t type, uint32_t depth,
                                   uint32_t *out_veventq_id,
                                   int *out_veventq_fd, Error **errp);

/**
 * iommufd_backend_free_veventq: close and free a vEVENTQ
 *
 * @veventq_fd: no handler is set for it any more
 */
void iommufd_backend_free_veventq(IOMMUFDBackend *be, uint32_t veventq_id,
                                  int veventq_fd);

/**
 * iommufd_backend_invalidate: hand invalidation commands to the host
 *
 * @id: vIOMMU or nested HWPT
 * @data_type: enum iommu_hwpt_invalidate_data_type
 * @entry_len: size of an entry in bytes
 * @entry_num: in: how many entries; out: how many the kernel has taken, in
 *             order, also on failure
 * @data: the entries
 *
 * Returns: 0 on success; -errno of the first entry that failed otherwise.
 */
int iommufd_backend_invalidate(IOMMUFDBackend *be, uint32_t id,
                               uint32_t data_type, uint32_t entry_len,
                               uint32_t *entry_num, const void *data);

#endif
