/*
 * Which PCI devices are a host's, assigned to the guest
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef HW_PCI_ASSIGNED_H
#define HW_PCI_ASSIGNED_H

#include "hw/pci/pci.h"

/*
 * A marker without methods, as INTERFACE_PCIE_DEVICE is: implemented by types
 * of devices that stand for a device of the host.  So code that treats those
 * in a way of their own need not know who assigns them.
 */
#define INTERFACE_PCI_ASSIGNED_DEVICE "pci-assigned-device"

/**
 * pci_device_is_assigned: is the device one of the host's?
 *
 * @pdev: the device, realized or not
 */
bool pci_device_is_assigned(PCIDevice *pdev);

#endif
