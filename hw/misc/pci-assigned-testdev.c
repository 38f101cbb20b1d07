/*
 * A pci-testdev that passes for a device of the host
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What machines and their tables make of assigned devices can be tested with
 * it where there is no device to assign.
 */

#include "qemu/osdep.h"
#include "hw/pci/pci_assigned.h"
#include "hw/pci/pci_device.h"
#include "qemu/module.h"

static void pci_assigned_testdev_class_init(ObjectClass *klass, void *data)
{
    DEVICE_CLASS(klass)->desc =
        "PCI Test Device that passes for an assigned one";
}

static const TypeInfo pci_assigned_testdev_types[] = {
    {
        .name = "pci-assigned-testdev",
        .parent = "pci-testdev",
        .class_init = pci_assigned_testdev_class_init,
        .interfaces = (InterfaceInfo[]) {
            { INTERFACE_PCI_ASSIGNED_DEVICE },
            { }
        },
    },
};
DEFINE_TYPES(pci_assigned_testdev_types)
