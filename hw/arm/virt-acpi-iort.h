/*
 * The I/O Remapping Table of the virt machine
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef HW_ARM_VIRT_ACPI_IORT_H
#define HW_ARM_VIRT_ACPI_IORT_H

#include "hw/acpi/bios-linker-loader.h"
#include "hw/arm/virt.h"

/**
 * virt_build_iort: append the IORT to @table_data
 *
 * To be called when the guest's firmware has numbered the PCI buses: the ID
 * ranges of the SMMUs follow from that.
 */
void virt_build_iort(GArray *table_data, BIOSLinker *linker,
                     VirtMachineState *vms);

/**
 * virt_acpi_has_its: do the tables say that there is an ITS?
 *
 * Machine types without VirtMachineClass::iort_as_is say so even with
 * its=off and with a GICv2.
 */
bool virt_acpi_has_its(VirtMachineState *vms);

#endif
