/*
 * The PASID capability of an assigned device
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef HW_VFIO_PCI_PASID_H
#define HW_VFIO_PCI_PASID_H

#include "pci.h"

/**
 * vfio_pci_add_pasid: make up a PASID capability if guest and host can use it
 *
 * To be called when the guest's chain of extended capabilities is complete,
 * and the vIOMMU knows the device.
 *
 * Returns: true if there is one, or need be none; false with @errp set if
 * x-vpasid-cap-offset, or its default, is no place for it.
 */
bool vfio_pci_add_pasid(VFIOPCIDevice *vdev, Error **errp);

/* Is there something in the range that must not reach the device? */
bool vfio_pci_is_pasid_cap(VFIOPCIDevice *vdev, uint32_t addr, int len);

#endif
