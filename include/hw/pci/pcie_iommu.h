/*
 * What a PCI device may ask of the IOMMU in front of it
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The counterpart of PCIIOMMUOps: an IOMMU model fills in the ops, devices
 * and the machine call the functions below and never look at the ops.
 */

#ifndef HW_PCI_PCIE_IOMMU_H
#define HW_PCI_PCIE_IOMMU_H

#include "hw/pci/pci.h"

/**
 * pci_setup_iommu_per_bus: register an IOMMU that serves one root bus only
 *
 * Like pci_setup_iommu(), but the root buses of expander bridges (PXB) that
 * hang off @bus are not served: on the hardware modelled here each root
 * complex has an IOMMU of its own, or none.
 *
 * @bus: the root bus
 * @ops: the #PCIIOMMUOps, not copied
 * @opaque: passed to the callbacks of @ops
 */
void pci_setup_iommu_per_bus(PCIBus *bus, const PCIIOMMUOps *ops,
                             void *opaque);

/**
 * pci_device_check_iommu: ask the IOMMU whether it can serve a device
 *
 * To be called when @dev has its slot on the bus and before it is realized.
 *
 * Returns: true if the device is accepted or no IOMMU has a say; false, with
 * @errp set, if it is refused.
 */
bool pci_device_check_iommu(PCIDevice *dev, Error **errp);

/**
 * pci_device_get_viommu_cap: what the vIOMMU in front of a device offers
 *
 * Returns: a combination of VIOMMU_CAP_*; 0 without a vIOMMU.
 */
uint64_t pci_device_get_viommu_cap(PCIDevice *dev);

/**
 * pci_device_host_dma_address_space: what an assigned device's kernel-managed
 * I/O page table has to map
 *
 * With a vIOMMU that nests (VIOMMU_CAP_HW_NESTED) the hardware walks the
 * guest's tables and the kernel-managed table below them maps guest physical
 * addresses: the system address space.  With any other vIOMMU, or none, it is
 * the address space that the device's own DMA goes through.
 */
AddressSpace *pci_device_host_dma_address_space(PCIDevice *dev);

/**
 * pci_device_get_msi_direct_gpa: guest physical address of the MSI doorbell
 *
 * The address in an MSI message is an IOVA of the guest.  A vIOMMU whose
 * stage 1 is walked by hardware need not know how to translate it, but knows
 * the only doorbell the machine has.
 *
 * @gpa: filled with the doorbell's address on success
 *
 * Returns: true if @gpa is valid, false if the message has to be translated.
 */
bool pci_device_get_msi_direct_gpa(PCIDevice *dev, hwaddr *gpa);

#endif
