/*
 * SMMUv3: how it comes to have a CMDQ-V
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The emulated SMMU gets one when it is realized.  An accelerated SMMU has to
 * wait for its first device, which tells if the host has one.
 */

#include "qemu/osdep.h"
#include "qapi/error.h"
#include "tegra241-cmdqv.h"

/*
 * As a Tegra241 has it, with two VCMDQs for each VINTF, but with 16 VINTFs
 * instead of 64: the register pages of several have to fit on a platform bus.
 */
static const Tegra241CMDQVParams smmuv3_cmdqv_emul_params = {
    .version = 1,
    .log2_vcmdqs = 5,
    .log2_vintfs = 4,
    .log2_sids = 4,
};

bool smmuv3_cmdqv_realize(SMMUv3State *s, Error **errp)
{
    g_autofree char *name = qdev_get_human_name(DEVICE(s));

    if (s->accel && s->cmdqv != ON_OFF_AUTO_OFF) {
        return smmuv3_cmdqv_realize_accel(s, errp);
    }
    if (s->cmdqv != ON_OFF_AUTO_ON) {
        return true;
    }
    if (!ARM_SMMU(s)->smmu_per_bus) {
        error_setg(errp, "%s '%s': cmdqv=on needs an SMMU made with -device "
                   "on a machine that supports it (virt)",
                   TYPE_ARM_SMMUV3, name);
        return false;
    }
    return tegra241_cmdqv_create(s, &tegra241_cmdqv_emul_ops, NULL,
                                 &smmuv3_cmdqv_emul_params, errp);
}
