/*
 * PCIe extended capabilities of an assigned device: what the guest sees
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef HW_VFIO_PCI_ECAP_H
#define HW_VFIO_PCI_ECAP_H

#include "pci.h"

/**
 * vfio_pci_check_ecaps: is the chain that the host shows one?
 *
 * To be called when pdev->config holds the host's configuration space, before
 * anything follows the chain.
 *
 * Returns: true if each capability is in the extended configuration space,
 * aligned, and no other than those before it; false with @errp set otherwise.
 */
bool vfio_pci_check_ecaps(VFIOPCIDevice *vdev, Error **errp);

/**
 * vfio_pci_find_ecap: where the chain in pdev->config has a capability
 *
 * Returns: its offset, or 0 if it is not there or the guest sees no extended
 * configuration space.
 */
uint16_t vfio_pci_find_ecap(VFIOPCIDevice *vdev, uint16_t cap_id);

/* The type of the property "ats": OnOffAuto, and who has set it */
extern PropertyInfo vfio_pci_prop_ats;
void vfio_pci_init_ats_property(void);

/**
 * vfio_pci_resolve_ats: shall the guest see the device's ATS capability?
 *
 * Needs the vIOMMU to know the device.  The answer is vdev->ats_hidden.
 *
 * Returns: true if so or not; false with @errp set if the user asked for what
 * cannot be.
 */
bool vfio_pci_resolve_ats(VFIOPCIDevice *vdev, Error **errp);

#endif
