/*
 * Process Address Space IDs: the capability of a device
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef HW_PCI_PCIE_PASID_H
#define HW_PCI_PCIE_PASID_H

#include "hw/pci/pci_device.h"

/* PCI Express Base Specification 6.0, 7.8.9.2 */
typedef struct PCIEPasidInfo {
    uint8_t width;      /* Max PASID Width: bits, 1 to 20 */
    bool exec;          /* Execute Permission Supported */
    bool priv;          /* Privileged Mode Supported */
} PCIEPasidInfo;

/**
 * pcie_insert_capability: put an extended capability at a fixed offset
 *
 * Unlike pcie_add_capability() it does not rely on its caller for a place
 * that is free, keeps a chain that is in ascending order so, and copes with a
 * device that has no extended capability at offset 0x100.
 *
 * @size: in bytes, with the header
 *
 * Returns: true on success; false, with the chain as it was and @errp set, if
 * @offset is not aligned to 4 bytes, outside of the extended configuration
 * space, or not free.
 */
bool pcie_insert_capability(PCIDevice *dev, uint16_t cap_id, uint8_t cap_ver,
                            uint16_t offset, uint16_t size, Error **errp);

/**
 * pcie_pasid_init: give a device a PASID capability
 *
 * For emulated and assigned devices alike; all PASID state that a guest sees
 * is in dev->config.
 *
 * @offset: see pcie_insert_capability()
 *
 * Returns: true on success; false with @errp set otherwise.
 */
bool pcie_pasid_init(PCIDevice *dev, uint16_t offset,
                     const PCIEPasidInfo *info, Error **errp);

/* Has the guest enabled PASIDs, if the device has any? */
bool pcie_pasid_enabled(const PCIDevice *dev);

/* Back to what the capability is after a reset of the function */
void pcie_pasid_reset(PCIDevice *dev);

#endif
