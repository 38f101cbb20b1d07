/*
 * ATS on the virt machine: what the device tree says
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef HW_ARM_VIRT_SMMUV3_ATS_H
#define HW_ARM_VIRT_SMMUV3_ATS_H

#include "hw/arm/virt.h"

/**
 * virt_smmuv3_add_fdt_ats: say that the host bridge passes ATS requests on
 *
 * To be called when the SMMU in front of pcie.0 has its final ID registers.
 */
void virt_smmuv3_add_fdt_ats(VirtMachineState *vms);

#endif
