/*
 * Which PCI buses an SMMU stands before
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qapi/error.h"
#include "hw/arm/smmu-common.h"
#include "hw/pci/pci_bus.h"
#include "hw/pci/pcie_iommu.h"
#include "smmu-internal.h"

bool smmu_attach_primary_bus(SMMUState *s, const PCIIOMMUOps *ops,
                             Error **errp)
{
    const char *type = object_get_typename(OBJECT(s));
    g_autofree char *name = qdev_get_human_name(DEVICE(s));
    PCIBus *bus = s->primary_bus;

    if (!bus) {
        error_setg(errp, "%s '%s': SMMU is not attached to any PCI bus: set "
                   "primary-bus to a PCIe root bus, such as pcie.0", type,
                   name);
        return false;
    }
    if (!pci_bus_is_root(bus) || !pci_bus_is_express(bus)) {
        error_setg(errp, "%s '%s': primary-bus '%s' is not the root bus of a "
                   "PCIe root complex: use pcie.0 or the bus of a pxb-pcie",
                   type, name, BUS(bus)->name);
        return false;
    }
    if (bus->iommu_ops) {
        error_setg(errp, "%s '%s': primary-bus '%s' already has an IOMMU: "
                   "give each IOMMU a root bus of its own (pxb-pcie)",
                   type, name, BUS(bus)->name);
        return false;
    }
    if (s->smmu_per_bus) {
        pci_setup_iommu_per_bus(bus, ops, s);
    } else {
        pci_setup_iommu(bus, ops, s);
    }
    return true;
}
