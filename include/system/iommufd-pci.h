/*
 * Which PCI features of an assigned device the host lets a guest use
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The kernel owns the ATS and PASID capabilities of an assigned device: it
 * enables them where device, IOMMU and platform all agree, and tells the
 * outcome through IOMMU_GET_HW_INFO (include/uapi/linux/iommufd.h).
 */

#ifndef SYSTEM_IOMMUFD_PCI_H
#define SYSTEM_IOMMUFD_PCI_H

#include "system/host_iommu_device.h"
#include "system/iommufd.h"

/**
 * iommufd_backend_get_pasid_width: how wide a device's PASIDs may be
 *
 * @devid: the device, bound to @be
 * @width: filled with the width in bits, 0 to 20; 0 is "no PASIDs"
 *
 * Returns: true on success; false with @errp set otherwise.
 */
bool iommufd_backend_get_pasid_width(IOMMUFDBackend *be, uint32_t devid,
                                     uint8_t *width, Error **errp);

/* HostIOMMUDeviceClass::support_ats and ::get_pasid_info with iommufd */
bool hiod_iommufd_support_ats(HostIOMMUDevice *hiod);
bool hiod_iommufd_get_pasid_info(HostIOMMUDevice *hiod,
                                 HostIOMMUDevicePasidInfo *info);

#endif
