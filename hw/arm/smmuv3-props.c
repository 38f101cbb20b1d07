/*
 * SMMUv3: what the properties are for, and which of them go together
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

void smmuv3_describe_properties(ObjectClass *klass)
{
    static const struct {
        const char *name;
        const char *description;
    } properties[] = {
        { "accel", "Have the host's SMMUv3 translate for vfio-pci devices, "
                   "nested in the guest's tables: needs iommufd" },
        { "ats", "on/off/auto: Address Translation Services; auto with "
                 "accel=on is what the host has, else off" },
        { "ril", "on/off/auto: range invalidation; auto with accel=on is what "
                 "the host has, else on" },
        { "identifier", "Of the node in the IORT; 0 has the machine choose" },
        { "stage", "1, 2 or nested: stages that an SMMU without accel=on has" },
    };

    for (int i = 0; i < ARRAY_SIZE(properties); i++) {
        object_class_property_set_description(klass, properties[i].name,
                                              properties[i].description);
    }
}
