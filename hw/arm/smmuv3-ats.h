/*
 * Emulated SMMUv3: Address Translation Services
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef HW_ARM_SMMUV3_ATS_H
#define HW_ARM_SMMUV3_ATS_H

#include "hw/arm/smmuv3.h"
#include "smmuv3-internal.h"

/*
 * Index for IOMMUMemoryRegionClass::translate() of an emulated SMMU: the
 * address comes from a translation request, so no fault is recorded (the
 * arch, 3.9.1.2).  All other accesses have index 0.
 */
#define SMMUV3_IOMMU_IDX_ATS 1

/* Does the emulated SMMU answer translation requests (ats=on, accel=off)? */
bool smmuv3_has_emulated_ats(const SMMUv3State *s);

/* Put the callbacks of an SMMU with ATS in place; before its bus gets them */
void smmuv3_ats_init(SMMUv3State *s);

/* IDR0.ATS of the emulated SMMU */
void smmuv3_ats_set_idr(SMMUv3State *s);

/**
 * smmuv3_ats_invalidate: CMD_ATC_INV
 *
 * The device's ATC has forgotten the range when this returns.  To be called
 * with s->mutex held.
 *
 * Returns: SMMU_CERROR_NONE, or the error of the command.
 */
SMMUCmdError smmuv3_ats_invalidate(SMMUv3State *s, Cmd *cmd);

#endif
