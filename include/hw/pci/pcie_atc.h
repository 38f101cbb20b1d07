/*
 * An address translation cache (ATC) for emulated devices
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A device with an ATC needs nothing else to use ATS: its DMA, as long as it
 * goes through pci_get_address_space() under the BQL, takes translations from
 * the cache while the guest has ATS enabled.
 */

#ifndef HW_PCI_PCIE_ATC_H
#define HW_PCI_PCIE_ATC_H

#include "hw/pci/pci_device.h"

/**
 * pcie_atc_init: give a device an ATS capability and a cache behind it
 *
 * To be called when @dev is realized, once.  The cache goes with the device.
 *
 * @offset: of the capability, see pcie_add_capability()
 */
void pcie_atc_init(PCIDevice *dev, uint16_t offset);

/**
 * pcie_atc_init_pri: let a device with an ATC ask for pages, too
 *
 * The device's accesses do not wait: where a page is missing it is asked for,
 * once, and the access goes to the IOMMU untranslated.
 *
 * @offset: of the capability, see pcie_add_capability()
 */
void pcie_atc_init_pri(PCIDevice *dev, uint16_t offset);

/* For the PCI core: the device is reset; the device goes.  No ATC is fine. */
void pcie_atc_reset(PCIDevice *dev);
void pcie_atc_exit(PCIDevice *dev);

#endif
