/*
 * Where the virt machine has the MSI doorbell of its ITS
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef HW_ARM_VIRT_MSI_DOORBELL_H
#define HW_ARM_VIRT_MSI_DOORBELL_H

#include "hw/arm/virt.h"

/**
 * virt_msi_doorbell_follow_host: move the ITS so that its doorbell page has
 * the guest physical address where the host has the physical one
 *
 * For machines with an accelerated SMMUv3.  Moves the GIC's distributor, which
 * is there otherwise, out of the way, and keeps the device tree in step;
 * ACPI tables are built later, from the memory map.  Does nothing without an
 * ITS, and nothing when it is called again.
 *
 * To be called before the machine runs, and before anybody is told the
 * doorbell's address.
 */
void virt_msi_doorbell_follow_host(VirtMachineState *vms);

#endif
