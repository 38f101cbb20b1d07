/*
 * PCIe extended capabilities of an assigned device: the host's chain
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qemu/bitmap.h"
#include "hw/pci/pci_bus.h"
#include "pci-ecap.h"

/* Capabilities are aligned to 4 bytes, and each has a header at least */
#define ECAP_SLOTS (PCIE_CONFIG_SPACE_SIZE / PCI_EXT_CAP_ALIGN)

static bool vfio_pci_has_ecaps(VFIOPCIDevice *vdev)
{
    PCIDevice *pdev = &vdev->pdev;

    return pci_is_express(pdev) && pci_bus_is_express(pci_get_bus(pdev)) &&
           vdev->config_size >= PCIE_CONFIG_SPACE_SIZE;
}

static uint16_t vfio_pci_next_ecap(VFIOPCIDevice *vdev, uint16_t pos)
{
    return PCI_EXT_CAP_NEXT(pci_get_long(vdev->pdev.config + pos));
}

bool vfio_pci_check_ecaps(VFIOPCIDevice *vdev, Error **errp)
{
    DECLARE_BITMAP(seen, ECAP_SLOTS) = {};
    uint16_t pos;

    if (!vfio_pci_has_ecaps(vdev)) {
        return true;
    }
    for (pos = PCI_CONFIG_SPACE_SIZE; pos;
         pos = vfio_pci_next_ecap(vdev, pos)) {
        /* 8 bytes are the least that pcie_add_capability() takes */
        if (pos < PCI_CONFIG_SPACE_SIZE || pos % PCI_EXT_CAP_ALIGN ||
            pos > PCIE_CONFIG_SPACE_SIZE - 8 ||
            test_and_set_bit(pos / PCI_EXT_CAP_ALIGN, seen)) {
            error_setg(errp, "the host shows a broken chain of extended "
                       "capabilities, at 0x%x", pos);
            return false;
        }
    }
    return true;
}

uint16_t vfio_pci_find_ecap(VFIOPCIDevice *vdev, uint16_t cap_id)
{
    uint16_t pos;

    if (!vfio_pci_has_ecaps(vdev)) {
        return 0;
    }
    for (pos = PCI_CONFIG_SPACE_SIZE; pos;
         pos = vfio_pci_next_ecap(vdev, pos)) {
        if (PCI_EXT_CAP_ID(pci_get_long(vdev->pdev.config + pos)) == cap_id) {
            return pos;
        }
    }
    return 0;
}
