/*
 * Emulated SMMUv3: streams with substreams
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A guest may have a table of context descriptors (CD) for a stream, one for
 * each SubstreamID (a PASID, for PCIe).  Emulated devices send none, so it is
 * STE.S1DSS that decides about them (the arch, IHI 0070, 5.2): terminated, past
 * stage 1, or through CD 0, which in the linear tables that there are
 * (IDR0.CD2L is 0) is where a lone CD would be.
 */

#include "qemu/osdep.h"
#include "hw/registerfields.h"
#include "qemu/log.h"
#include "smmuv3-ssid.h"

/* STE, 32-bit words 0 and 2 */
FIELD(STE_W0, S1FMT, 4, 2)
FIELD(STE_W2, S1DSS, 0, 2)

#define STE_S1FMT_LINEAR 0

typedef enum SteS1Dss {
    STE_S1DSS_TERMINATE,
    STE_S1DSS_BYPASS,
    STE_S1DSS_SSID0,
    STE_S1DSS_RESERVED,
} SteS1Dss;

void smmuv3_ssid_set_idr(SMMUv3State *s)
{
    if (!s->accel && s->ssidsize != SSID_SIZE_MODE_AUTO) {
        s->idr[1] = FIELD_DP32(s->idr[1], IDR1, SSIDSIZE,
                               ssidsize_mode_bits(s->ssidsize));
    }
}

static SteS1Dss smmuv3_ste_s1dss(const STE *ste)
{
    return FIELD_EX32(ste->word[2], STE_W2, S1DSS);
}

static bool smmuv3_ste_has_substreams(const STE *ste)
{
    return STE_CFG_S1_ENABLED(STE_CONFIG(ste)) && STE_S1CDMAX(ste);
}

bool smmuv3_ssid_terminates(const STE *ste)
{
    return smmuv3_ste_has_substreams(ste) &&
           smmuv3_ste_s1dss(ste) == STE_S1DSS_TERMINATE;
}

bool smmuv3_ssid_decode_ste(SMMUv3State *s, SMMUTransCfg *cfg,
                            const STE *ste)
{
    if (!smmuv3_ste_has_substreams(ste)) {
        return true;
    }
    if (STE_S1CDMAX(ste) > FIELD_EX32(s->idr[1], IDR1, SSIDSIZE) ||
        FIELD_EX32(ste->word[0], STE_W0, S1FMT) != STE_S1FMT_LINEAR ||
        smmuv3_ste_s1dss(ste) == STE_S1DSS_RESERVED) {
        qemu_log_mask(LOG_GUEST_ERROR, "SMMUv3: illegal CD table in STE: "
                      "S1CDMAX=%u S1FMT=%u S1DSS=%u\n", STE_S1CDMAX(ste),
                      FIELD_EX32(ste->word[0], STE_W0, S1FMT),
                      smmuv3_ste_s1dss(ste));
        return false;
    }
    if (smmuv3_ste_s1dss(ste) == STE_S1DSS_BYPASS) {
        if (cfg->stage & SMMU_STAGE_2) {
            cfg->stage = SMMU_STAGE_2;
        } else {
            cfg->bypassed = true;
        }
    }
    return true;
}
