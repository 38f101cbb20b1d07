/*
 * The PASID capability of an assigned device
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The kernel hides the device's own capability, as it is the kernel that
 * enables PASIDs, and says instead what a guest may do (IOMMU_GET_HW_INFO).
 * With a vIOMMU that has substreams the guest gets a capability made of that.
 * It is all emulated: what the guest enables is enabled already.
 */

#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qemu/range.h"
#include "hw/pci/pci_bus.h"
#include "hw/pci/pcie_iommu.h"
#include "hw/pci/pcie_pasid.h"
#include "pci-pasid.h"
#include "trace.h"

static bool vfio_pci_get_pasid_info(VFIOPCIDevice *vdev, PCIEPasidInfo *pasid)
{
    HostIOMMUDevice *hiod = vdev->vbasedev.hiod;
    HostIOMMUDevicePasidInfo host;
    HostIOMMUDeviceClass *hiodc;

    if (!hiod) {
        return false;
    }
    hiodc = HOST_IOMMU_DEVICE_GET_CLASS(hiod);
    if (!hiodc->get_pasid_info || !hiodc->get_pasid_info(hiod, &host)) {
        return false;
    }
    *pasid = (PCIEPasidInfo) {
        .width = host.width, .exec = host.exec, .priv = host.priv,
    };
    return true;
}

/* The vIOMMU's substreams are of use only if hardware walks their tables */
static bool vfio_pci_viommu_has_pasids(VFIOPCIDevice *vdev)
{
    uint64_t cap = pci_device_get_viommu_cap(&vdev->pdev);

    return (cap & VIOMMU_CAP_HW_NESTED) && (cap & VIOMMU_CAP_PASID);
}

static bool vfio_pci_check_pasid_offset(VFIOPCIDevice *vdev, Error **errp)
{
    g_autofree char *name = qdev_get_human_name(DEVICE(vdev));
    uint16_t offset = vdev->vpasid_cap_offset;

    if (offset && (offset % PCI_EXT_CAP_ALIGN ||
                   offset < PCI_CONFIG_SPACE_SIZE ||
                   offset > PCIE_CONFIG_SPACE_SIZE -
                            PCI_EXT_CAP_PASID_SIZEOF)) {
        error_setg(errp, "vfio-pci '%s': x-vpasid-cap-offset=0x%x is not "
                   "aligned to %d bytes within 0x%x to 0x%x: choose another, "
                   "or leave it out", name, offset, PCI_EXT_CAP_ALIGN,
                   PCI_CONFIG_SPACE_SIZE,
                   PCIE_CONFIG_SPACE_SIZE - PCI_EXT_CAP_PASID_SIZEOF);
        return false;
    }
    return true;
}

bool vfio_pci_add_pasid(VFIOPCIDevice *vdev, Error **errp)
{
    ERRP_GUARD();
    PCIDevice *pdev = &vdev->pdev;
    uint16_t offset = vdev->vpasid_cap_offset ?:
                      PCIE_CONFIG_SPACE_SIZE - PCI_EXT_CAP_PASID_SIZEOF;
    PCIEPasidInfo pasid;

    if (!vfio_pci_check_pasid_offset(vdev, errp)) {
        return false;
    }
    if (!pci_is_express(pdev) || !pci_bus_is_express(pci_get_bus(pdev)) ||
        !vfio_pci_viommu_has_pasids(vdev) ||
        !vfio_pci_get_pasid_info(vdev, &pasid)) {
        return true;
    }
    if (!pcie_pasid_init(pdev, offset, &pasid, errp)) {
        g_autofree char *name = qdev_get_human_name(DEVICE(vdev));

        error_prepend(errp, "vfio-pci '%s': no place for the PASID capability "
                      "(set x-vpasid-cap-offset): ", name);
        return false;
    }
    trace_vfio_pci_pasid(vdev->vbasedev.name, offset, pasid.width, pasid.exec,
                         pasid.priv);
    memset(vdev->emulated_config_bits + offset, 0xff,
           PCI_EXT_CAP_PASID_SIZEOF);
    /* the head of the chain may be one that the device does not have */
    pci_set_long(vdev->emulated_config_bits + PCI_CONFIG_SPACE_SIZE, ~0);
    return true;
}

bool vfio_pci_is_pasid_cap(VFIOPCIDevice *vdev, uint32_t addr, int len)
{
    uint16_t offset = vdev->pdev.exp.pasid_cap;

    return offset && ranges_overlap(addr, len, offset,
                                    PCI_EXT_CAP_PASID_SIZEOF);
}
