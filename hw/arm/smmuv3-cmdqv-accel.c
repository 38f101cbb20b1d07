/*
 * SMMUv3: how an accelerated one comes to have a CMDQ-V
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The first cold-plugged device tells if its host SMMU has one, and how much
 * of everything a VINTF of it has.  Later devices must be behind the same.
 */

#include "qemu/osdep.h"
#include "qapi/error.h"
#include "hw/qdev-core.h"
#include "smmuv3-accel.h"
#include "system/hostmem.h"
#include "tegra241-cmdqv-host.h"
#include <linux/iommufd.h>

/* Commands that a page of guest memory holds, log2 */
static unsigned smmuv3_cmdqv_page_log2size(void)
{
    return ctz64(qemu_minrampagesize() / sizeof(Cmd));
}

static bool smmuv3_cmdqv_get_params(HostIOMMUDeviceIOMMUFD *idev,
                                    Tegra241CMDQVParams *params)
{
    struct iommu_hw_info_tegra241_cmdqv info = {};

    if (!iommufd_backend_get_device_info_type(idev->iommufd, idev->devid,
            IOMMU_HW_INFO_TYPE_TEGRA241_CMDQV, &info, sizeof(info), NULL)) {
        return false;
    }
    *params = (Tegra241CMDQVParams) {
        .version = info.version & (R_CMDQV_PARAM_VER_MASK >>
                                   R_CMDQV_PARAM_VER_SHIFT),
        .log2_vcmdqs = MIN(info.log2vcmdqs, ctz32(CMDQV_MAX_VCMDQS)),
        .log2_vintfs = 0,       /* the guest has the one that it is in */
        .log2_sids = MIN(info.log2vsids, ctz32(CMDQV_MAX_SIDS)),
    };
    return true;
}

static bool smmuv3_cmdqv_same_params(const Tegra241CMDQVParams *a,
                                     const Tegra241CMDQVParams *b)
{
    return a->version == b->version && a->log2_vcmdqs == b->log2_vcmdqs &&
           a->log2_sids == b->log2_sids;
}

/* A StreamID of the guest takes one of the VINTF's match registers */
static bool smmuv3_cmdqv_check_room(SMMUv3State *s, const char *dev_name,
                                    Error **errp)
{
    g_autofree char *name = qdev_get_human_name(DEVICE(s));
    unsigned room = tegra241_cmdqv_num_sids(s->s_cmdqv);
    SMMUv3AccelDevice *dev;
    unsigned used = 0;

    QLIST_FOREACH(dev, &s->s_accel->devices, next) {
        used++;
    }
    if (used >= room) {
        error_setg(errp, "%s '%s': cmdqv has StreamIDs for %u devices, %s is "
                   "one too many: give it an arm-smmuv3 of its own, or set "
                   "cmdqv=off", TYPE_ARM_SMMUV3, name, room, dev_name);
        return false;
    }
    return true;
}

static void smmuv3_cmdqv_set_idr(SMMUv3State *s)
{
    /* the kernel wants a queue to be contiguous in the host's memory */
    if (s->s_cmdqv) {
        s->idr[1] = FIELD_DP32(s->idr[1], IDR1, CMDQS,
                               MIN(FIELD_EX32(s->idr[1], IDR1, CMDQS),
                                   s->cmdqv_log2size));
    }
}

static bool smmuv3_cmdqv_check_host(SMMUv3State *s,
                                    HostIOMMUDeviceIOMMUFD *idev,
                                    const struct iommu_hw_info_arm_smmuv3 *info,
                                    Error **errp)
{
    g_autofree char *name = qdev_get_human_name(DEVICE(s));
    const char *dev_name = HOST_IOMMU_DEVICE(idev)->name;
    Tegra241CMDQVParams params;
    bool has = smmuv3_cmdqv_get_params(idev, &params);

    if (!s->s_cmdqv) {
        if (!has && s->cmdqv == ON_OFF_AUTO_ON) {
            error_setg(errp, "%s '%s': cmdqv is on, but the host SMMU of %s "
                       "has no Tegra241 CMDQ-V: set cmdqv to off or auto",
                       TYPE_ARM_SMMUV3, name, dev_name);
            return false;
        }
        if (!has || phase_check(PHASE_MACHINE_READY)) {
            /* the guest goes without one */
            s->s_accel->ext = NULL;
            return true;
        }
        if (!tegra241_cmdqv_host_create(s, &params, errp)) {
            return false;
        }
        s->cmdqv_log2size = MIN(smmuv3_cmdqv_page_log2size(),
                                FIELD_EX32(info->idr[1], IDR1, CMDQS));
        smmuv3_cmdqv_set_idr(s);
        return true;
    }
    if (!has || !smmuv3_cmdqv_same_params(&params, &s->s_cmdqv->params)) {
        error_setg(errp, "%s '%s': cmdqv is on, but the host SMMU of %s has "
                   "%s: give it an arm-smmuv3 of its own, or set cmdqv=off",
                   TYPE_ARM_SMMUV3, name, dev_name,
                   has ? "another kind of CMDQ-V" : "no CMDQ-V");
        return false;
    }
    return smmuv3_cmdqv_check_room(s, dev_name, errp);
}

static const char *smmuv3_cmdqv_unresolved_property(SMMUv3State *s)
{
    return s->cmdqv == ON_OFF_AUTO_ON && !s->s_cmdqv ? "cmdqv=on" : NULL;
}

static bool smmuv3_cmdqv_alloc_viommu(SMMUv3State *s,
                                      HostIOMMUDeviceIOMMUFD *idev,
                                      uint32_t *viommu_id, Error **errp)
{
    return tegra241_cmdqv_host_start(s->s_cmdqv, idev, viommu_id, errp);
}

static void smmuv3_cmdqv_stop(SMMUv3State *s)
{
    tegra241_cmdqv_host_stop(s->s_cmdqv);
}

static const SMMUv3AccelExtOps smmuv3_cmdqv_ext_ops = {
    .check_host = smmuv3_cmdqv_check_host,
    .set_idr = smmuv3_cmdqv_set_idr,
    .unresolved_property = smmuv3_cmdqv_unresolved_property,
    .alloc_viommu = smmuv3_cmdqv_alloc_viommu,
    .stop = smmuv3_cmdqv_stop,
};

bool smmuv3_cmdqv_realize_accel(SMMUv3State *s, Error **errp)
{
    s->s_accel->ext = &smmuv3_cmdqv_ext_ops;
    return true;
}
