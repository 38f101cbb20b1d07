/*
 * Which PCI bus an SMMU stands before
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qapi/error.h"
#include "hw/arm/smmu-common.h"
#include "hw/pci/pci_bus.h"
#include "hw/pci/pci_device.h"
#include "hw/pci/pcie_iommu.h"
#include "smmu-internal.h"

typedef struct SmmuAssignedSearch {
    PCIBus *root;
    PCIDevice *found;
} SmmuAssignedSearch;

static void smmu_find_assigned(PCIBus *bus, PCIDevice *pdev, void *opaque)
{
    SmmuAssignedSearch *search = opaque;

    if (object_dynamic_cast(OBJECT(pdev), "vfio-pci") &&
        pci_device_root_bus(pdev) == search->root) {
        search->found = pdev;
    }
}

static void smmu_find_assigned_on_bus(PCIBus *bus, void *opaque)
{
    pci_for_each_device_under_bus(bus, smmu_find_assigned, opaque);
}

/*
 * The DMA of a device that was assigned before the SMMU came goes past it
 * for good.  The buses of expander bridges are not ours.
 */
static bool smmu_check_assigned(PCIBus *bus, const char *type,
                                const char *name, Error **errp)
{
    SmmuAssignedSearch search = { .root = bus };

    pci_for_each_bus(bus, smmu_find_assigned_on_bus, &search);
    if (!search.found) {
        return true;
    }
    error_setg(errp, "%s '%s': vfio-pci '%s' is on primary-bus already: put "
               "the SMMU before it on the command line", type, name,
               DEVICE(search.found)->id ?: search.found->name);
    return false;
}

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
    if (!smmu_check_assigned(bus, type, name, errp)) {
        return false;
    }
    if (s->smmu_per_bus) {
        pci_setup_iommu_per_bus(bus, ops, s);
    } else {
        pci_setup_iommu(bus, ops, s);
    }
    return true;
}
