/*
 * What a PCI device may ask of the IOMMU in front of it
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "exec/address-spaces.h"
#include "hw/pci/pci_bus.h"
#include "hw/pci/pci_device.h"
#include "hw/pci/pcie_iommu.h"
#include "pci-internal.h"

void pci_setup_iommu_per_bus(PCIBus *bus, const PCIIOMMUOps *ops,
                             void *opaque)
{
    pci_setup_iommu(bus, ops, opaque);
    bus->iommu_per_bus = true;
}

bool pci_device_check_iommu(PCIDevice *dev, Error **errp)
{
    PCIBus *iommu_bus;
    const PCIIOMMUOps *ops;

    pci_device_get_iommu_bus_devfn(dev, &iommu_bus, NULL, NULL);
    if (!iommu_bus) {
        return true;
    }
    ops = iommu_bus->iommu_ops;
    return !ops->supports_address_space ||
           ops->supports_address_space(pci_get_bus(dev),
                                       iommu_bus->iommu_opaque, dev->devfn,
                                       errp);
}

uint64_t pci_device_get_viommu_cap(PCIDevice *dev)
{
    PCIBus *iommu_bus;

    pci_device_get_iommu_bus_devfn(dev, &iommu_bus, NULL, NULL);
    if (!iommu_bus || !iommu_bus->iommu_ops->get_viommu_cap) {
        return 0;
    }
    return iommu_bus->iommu_ops->get_viommu_cap(iommu_bus->iommu_opaque);
}

AddressSpace *pci_device_host_dma_address_space(PCIDevice *dev)
{
    if (pci_device_get_viommu_cap(dev) & VIOMMU_CAP_HW_NESTED) {
        return &address_space_memory;
    }
    return pci_device_iommu_address_space(dev);
}

bool pci_device_get_msi_direct_gpa(PCIDevice *dev, hwaddr *gpa)
{
    PCIBus *iommu_bus;

    pci_device_get_iommu_bus_devfn(dev, &iommu_bus, NULL, NULL);
    if (!iommu_bus || !iommu_bus->iommu_ops->get_msi_direct_gpa) {
        return false;
    }
    return iommu_bus->iommu_ops->get_msi_direct_gpa(pci_get_bus(dev),
                                                    iommu_bus->iommu_opaque,
                                                    dev->devfn, gpa);
}
