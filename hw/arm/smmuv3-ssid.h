/*
 * Emulated SMMUv3: streams with substreams
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef HW_ARM_SMMUV3_SSID_H
#define HW_ARM_SMMUV3_SSID_H

#include "hw/arm/smmuv3.h"
#include "smmuv3-internal.h"

/* IDR1.SSIDSIZE of the emulated SMMU */
void smmuv3_ssid_set_idr(SMMUv3State *s);

/**
 * smmuv3_ssid_decode_ste: the fields of a valid STE that are about substreams
 *
 * Transactions have no SubstreamID.  Where the guest wants those past stage 1
 * (STE.S1DSS), @cfg is changed to say so.
 *
 * Returns: false if the STE is illegal.
 */
bool smmuv3_ssid_decode_ste(SMMUv3State *s, SMMUTransCfg *cfg,
                            const STE *ste);

/* Does the STE terminate transactions without a SubstreamID? */
bool smmuv3_ssid_terminates(const STE *ste);

#endif
