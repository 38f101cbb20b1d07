/*
 * Accelerated SMMUv3: what is left of it in a build without iommufd
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qapi/error.h"
#include "smmuv3-accel.h"

bool smmuv3_accel_init(SMMUv3State *s, Error **errp)
{
    g_autofree char *name = qdev_get_human_name(DEVICE(s));

    error_setg(errp, "%s '%s': accel=on needs a QEMU built with iommufd",
               TYPE_ARM_SMMUV3, name);
    return false;
}

/* No SMMU is accelerated: the rest has nothing to do */

bool smmuv3_accel_check_bus(SMMUv3State *s, Error **errp)
{
    return true;
}

void smmuv3_accel_reset(SMMUv3State *s)
{
}

void smmuv3_accel_set_idr(SMMUv3State *s)
{
}

void smmuv3_accel_update_veventq(SMMUv3State *s)
{
}

void smmuv3_accel_sync_all(SMMUv3State *s)
{
}

SMMUCmdError smmuv3_accel_command(SMMUv3State *s, Cmd *cmd)
{
    return SMMU_CERROR_NONE;
}

SMMUCmdError smmuv3_accel_flush(SMMUv3State *s)
{
    return SMMU_CERROR_NONE;
}
