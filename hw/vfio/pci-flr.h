/*
 * Resets of an assigned device that a guest asks the device for
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef HW_VFIO_PCI_FLR_H
#define HW_VFIO_PCI_FLR_H

#include "pci.h"

/**
 * vfio_pci_config_written: to be called when the kernel has seen a write to
 * the device's configuration space
 */
void vfio_pci_config_written(VFIOPCIDevice *vdev, uint32_t addr, uint32_t val,
                             int len);

#endif
