/*
 * SMMUv3: which properties go together
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qapi/error.h"
#include "hw/arm/smmuv3.h"
#include "smmuv3-internal.h"

bool smmuv3_check_plain_properties(SMMUv3State *s, Error **errp)
{
    g_autofree char *name = qdev_get_human_name(DEVICE(s));
    const char *setting = NULL;

    if (s->ril == ON_OFF_AUTO_OFF) {
        setting = "ril=off";
    } else if (s->oas != OAS_MODE_AUTO &&
               oas_mode_bits(s->oas) != oas2bits(SMMU_IDR5_OAS)) {
        setting = "an oas other than 44";
    }
    if (setting) {
        error_setg(errp, "%s '%s': the emulated SMMU cannot do %s: remove it, "
                   "or add accel=on", TYPE_ARM_SMMUV3, name, setting);
        return false;
    }
    return true;
}
