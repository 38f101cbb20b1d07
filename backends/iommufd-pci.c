/*
 * Which PCI features of an assigned device the host lets a guest use
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include <sys/ioctl.h>
#include <linux/iommufd.h>
#include "qapi/error.h"
#include "system/iommufd-pci.h"
#include "trace.h"

/* PCI Express Base Specification 6.0, 2.2.10.2: a PASID has 20 bits */
#define PASID_WIDTH_MAX 20

bool iommufd_backend_get_pasid_width(IOMMUFDBackend *be, uint32_t devid,
                                     uint8_t *width, Error **errp)
{
    struct iommu_hw_info info = {
        .size = sizeof(info),
        .dev_id = devid,
    };

    if (ioctl(be->fd, IOMMU_GET_HW_INFO, &info)) {
        error_setg_errno(errp, errno, "Failed to get the PASID width");
        return false;
    }
    *width = MIN(info.out_max_pasid_log2, PASID_WIDTH_MAX);
    trace_iommufd_pci_pasid_width(be->fd, devid, info.out_max_pasid_log2);
    return true;
}

bool hiod_iommufd_support_ats(HostIOMMUDevice *hiod)
{
    return !(hiod->caps.hw_caps & IOMMU_HW_CAP_PCI_ATS_NOT_SUPPORTED);
}

bool hiod_iommufd_get_pasid_info(HostIOMMUDevice *hiod,
                                 HostIOMMUDevicePasidInfo *info)
{
    *info = (HostIOMMUDevicePasidInfo) {
        .width = hiod->caps.max_pasid_log2,
        .exec = hiod->caps.hw_caps & IOMMU_HW_CAP_PCI_PASID_EXEC,
        .priv = hiod->caps.hw_caps & IOMMU_HW_CAP_PCI_PASID_PRIV,
    };
    return info->width;
}
