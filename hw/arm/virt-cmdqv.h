/*
 * CMDQ-Vs on the virt machine: where they are, what guests are told
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef HW_ARM_VIRT_CMDQV_H
#define HW_ARM_VIRT_CMDQV_H

#include "hw/acpi/aml-build.h"
#include "hw/arm/virt.h"

/**
 * virt_cmdqv_add_devices: put the CMDQ-Vs of the machine's SMMUs on the
 * platform bus, and describe them in the device tree
 *
 * To be called when all cold-plugged devices are there: an accelerated SMMU
 * knows only then if it has one.
 */
void virt_cmdqv_add_devices(VirtMachineState *vms);

/**
 * virt_acpi_dsdt_add_cmdqvs: append their devices (NVDA200C) to the DSDT
 *
 * The _UID of each is the Identifier of its SMMU's node in the IORT.
 */
void virt_acpi_dsdt_add_cmdqvs(Aml *scope, VirtMachineState *vms);

#endif
