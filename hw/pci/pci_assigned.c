/*
 * Which PCI devices are a host's, assigned to the guest
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "hw/pci/pci_assigned.h"
#include "qemu/module.h"
#include "qom/object.h"

bool pci_device_is_assigned(PCIDevice *pdev)
{
    return object_dynamic_cast(OBJECT(pdev), INTERFACE_PCI_ASSIGNED_DEVICE);
}

static const TypeInfo pci_assigned_types[] = {
    {
        .name = INTERFACE_PCI_ASSIGNED_DEVICE,
        .parent = TYPE_INTERFACE,
    },
};
DEFINE_TYPES(pci_assigned_types)
