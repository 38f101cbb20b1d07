/*
 * Accelerated SMMUv3: what a guest's stream table entry is in the host
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 *   guest                                    host
 *   SMMUEN=0, GBPA.ABORT=0; STE bypass       the vIOMMU's bypass HWPT
 *   SMMUEN=0, GBPA.ABORT=1; STE abort or     the vIOMMU's abort HWPT
 *   invalid, or refused by the host
 *   STE stage 1                              a nested HWPT made of the vSTE
 *
 * A device is moved from one to the next in one step, or through abort where
 * its StreamID has changed, so that it is never without the protection that
 * the guest asked for; what it leaves is freed after that.
 */

#include "qemu/osdep.h"
#include "qapi/error.h"
#include "hw/registerfields.h"
#include "qemu/log.h"
#include "smmuv3-accel.h"
#include "trace.h"
#include <linux/iommufd.h>

/* Stream Table Entry, 64-bit words 0 and 1 (the arch, 5.2) */
FIELD(STE0, V, 0, 1)
FIELD(STE0, CONFIG, 1, 3)
FIELD(STE0, S1FMT, 4, 2)
FIELD(STE0, S1CONTEXTPTR, 6, 50)
FIELD(STE0, S1CDMAX, 59, 5)
FIELD(STE1, S1DSS, 0, 2)
FIELD(STE1, S1CIR, 2, 2)
FIELD(STE1, S1COR, 4, 2)
FIELD(STE1, S1CSH, 6, 2)
FIELD(STE1, S1STALLD, 27, 1)
FIELD(STE1, EATS, 28, 2)

#define STE_CONFIG_ABORT    0
#define STE_CONFIG_BYPASS   4

typedef enum SMMUv3AccelConfig {
    SMMUV3_ACCEL_BYPASS,
    SMMUV3_ACCEL_ABORT,
    SMMUV3_ACCEL_STAGE1,
    SMMUV3_ACCEL_BAD_STE,
} SMMUv3AccelConfig;

SMMUv3AccelVSTE smmuv3_accel_bypass_vste(void)
{
    SMMUv3AccelVSTE vste = {};

    vste.word[0] = FIELD_DP64(vste.word[0], STE0, V, 1);
    vste.word[0] = FIELD_DP64(vste.word[0], STE0, CONFIG, STE_CONFIG_BYPASS);
    return vste;
}

SMMUv3AccelVSTE smmuv3_accel_abort_vste(void)
{
    SMMUv3AccelVSTE vste = {};

    vste.word[0] = FIELD_DP64(vste.word[0], STE0, V, 1);
    vste.word[0] = FIELD_DP64(vste.word[0], STE0, CONFIG, STE_CONFIG_ABORT);
    return vste;
}

/* Only what the kernel takes from a guest; the rest is the host's to choose */
static SMMUv3AccelVSTE smmuv3_accel_ste_to_vste(SMMUv3State *s, const STE *ste)
{
    uint64_t mask0 = R_STE0_V_MASK | R_STE0_CONFIG_MASK | R_STE0_S1FMT_MASK |
                     R_STE0_S1CONTEXTPTR_MASK | R_STE0_S1CDMAX_MASK;
    uint64_t mask1 = R_STE1_S1DSS_MASK | R_STE1_S1CIR_MASK |
                     R_STE1_S1COR_MASK | R_STE1_S1CSH_MASK |
                     R_STE1_S1STALLD_MASK;
    SMMUv3AccelVSTE vste;

    /* EATS is ignored by an SMMU without ATS */
    if (FIELD_EX32(s->idr[0], IDR0, ATS)) {
        mask1 |= R_STE1_EATS_MASK;
    }
    vste.word[0] = (ste->word[0] | (uint64_t)ste->word[1] << 32) & mask0;
    vste.word[1] = (ste->word[2] | (uint64_t)ste->word[3] << 32) & mask1;
    return vste;
}

bool smmuv3_accel_alloc_nested_hwpt(SMMUv3AccelState *accel, uint32_t dev_id,
                                    const SMMUv3AccelVSTE *vste,
                                    uint32_t *hwpt_id, Error **errp)
{
    struct iommu_hwpt_arm_smmuv3 data = {
        .ste = { cpu_to_le64(vste->word[0]), cpu_to_le64(vste->word[1]) },
    };

    return iommufd_backend_alloc_hwpt(accel->iommufd, dev_id, accel->viommu_id,
                                      0, IOMMU_HWPT_DATA_ARM_SMMUV3,
                                      sizeof(data), &data, hwpt_id, errp);
}

/*
 * The emulated SMMU knows one CD a stream.  Here hardware reads the CD table,
 * so the number of CDs is checked against what the guest was promised, and
 * the rest of the STE as ever.
 */
static bool smmuv3_accel_decode_ste(SMMUv3State *s, SMMUTransCfg *cfg, STE ste,
                                    SMMUEventInfo *event)
{
    if (STE_CFG_S1_ENABLED(STE_CONFIG(&ste)) &&
        STE_S1CDMAX(&ste) > FIELD_EX32(s->idr[1], IDR1, SSIDSIZE)) {
        return false;
    }
    ste.word[1] = deposit32(ste.word[1], R_STE0_S1CDMAX_SHIFT - 32,
                            R_STE0_S1CDMAX_LENGTH, 0);
    return !smmuv3_decode_ste(s, cfg, &ste, event);
}

/* What the guest's registers and tables say about a StreamID right now */
static SMMUv3AccelConfig smmuv3_accel_read_config(SMMUv3State *s, uint32_t sid,
                                                  SMMUv3AccelVSTE *vste)
{
    SMMUEventInfo event = { .sid = sid, .inval_ste_allowed = true };
    SMMUTransCfg cfg = {};
    STE ste;

    if (!smmu_enabled(s)) {
        return FIELD_EX32(s->gbpa, GBPA, ABORT) ? SMMUV3_ACCEL_ABORT
                                                : SMMUV3_ACCEL_BYPASS;
    }
    if (smmuv3_find_ste(s, sid, &ste, &event) || !STE_VALID(&ste)) {
        /* not set up, or not any more */
        return SMMUV3_ACCEL_ABORT;
    }
    if (!smmuv3_accel_decode_ste(s, &cfg, ste, &event)) {
        return SMMUV3_ACCEL_BAD_STE;
    }
    if (cfg.aborted) {
        return SMMUV3_ACCEL_ABORT;
    }
    if (cfg.bypassed) {
        return SMMUV3_ACCEL_BYPASS;
    }
    *vste = smmuv3_accel_ste_to_vste(s, &ste);
    return SMMUV3_ACCEL_STAGE1;
}

static bool smmuv3_accel_attach(SMMUv3AccelDevice *dev, uint32_t hwpt_id)
{
    Error *err = NULL;

    if (dev->hwpt_id == hwpt_id) {
        return true;
    }
    if (!host_iommu_device_iommufd_attach_hwpt(dev->idev, hwpt_id, &err)) {
        trace_smmuv3_accel_host_error(HOST_IOMMU_DEVICE(dev->idev)->name,
                                      error_get_pretty(err));
        error_free(err);
        return false;
    }
    dev->hwpt_id = hwpt_id;
    trace_smmuv3_accel_attach_hwpt(HOST_IOMMU_DEVICE(dev->idev)->name,
                                   hwpt_id);
    return true;
}

static void smmuv3_accel_free_s1_hwpt(SMMUv3AccelDevice *dev)
{
    /* still attached if the host would not let the device go elsewhere */
    if (dev->s1_hwpt_id && dev->hwpt_id != dev->s1_hwpt_id) {
        iommufd_backend_free_id(dev->idev->iommufd, dev->s1_hwpt_id);
        dev->s1_hwpt_id = 0;
    }
}

static void smmuv3_accel_free_vdev(SMMUv3AccelDevice *dev)
{
    if (dev->vdev_id) {
        iommufd_backend_free_id(dev->idev->iommufd, dev->vdev_id);
        dev->vdev_id = 0;
    }
}

/* Let the host know the device by the StreamID that it has by now */
static bool smmuv3_accel_set_vsid(SMMUv3AccelDevice *dev, uint32_t sid)
{
    SMMUv3AccelState *accel = dev->smmu->s_accel;
    SMMUv3AccelDevice *other;
    Error *err = NULL;

    if (dev->vdev_id && dev->vsid == sid) {
        return true;
    }
    /* a translating HWPT must not outlive the vDEVICE it reports through */
    smmuv3_accel_release_device(dev, accel->abort_hwpt_id);
    /* buses were renumbered: someone else may still be known by this ID */
    QLIST_FOREACH(other, &accel->devices, next) {
        if (other->vdev_id && other->vsid == sid) {
            smmuv3_accel_release_device(other, accel->abort_hwpt_id);
        }
    }
    if (!iommufd_backend_alloc_vdev(accel->iommufd, dev->idev->devid,
                                    accel->viommu_id, sid, &dev->vdev_id,
                                    &err)) {
        trace_smmuv3_accel_host_error(HOST_IOMMU_DEVICE(dev->idev)->name,
                                      error_get_pretty(err));
        error_free(err);
        return false;
    }
    dev->vsid = sid;
    return true;
}

/*
 * Hardware finds an STE bad at the first transaction.  Here that one is
 * aborted without a trace, so the guest is told when it installs the STE.
 */
static void smmuv3_accel_report_bad_ste(SMMUv3State *s, uint32_t sid)
{
    SMMUEventInfo event = { .type = SMMU_EVT_C_BAD_STE, .sid = sid };

    qemu_log_mask(LOG_GUEST_ERROR, "bad STE for sid=0x%x\n", sid);
    smmuv3_record_event(s, &event);
}

static bool smmuv3_accel_install_s1(SMMUv3AccelDevice *dev, uint32_t sid,
                                    const SMMUv3AccelVSTE *vste)
{
    SMMUv3AccelState *accel = dev->smmu->s_accel;
    uint32_t old_hwpt_id, hwpt_id;
    Error *err = NULL;

    if (!smmuv3_accel_set_vsid(dev, sid)) {
        return false;
    }
    if (!smmuv3_accel_alloc_nested_hwpt(accel, dev->idev->devid, vste,
                                        &hwpt_id, &err)) {
        trace_smmuv3_accel_host_error(HOST_IOMMU_DEVICE(dev->idev)->name,
                                      error_get_pretty(err));
        error_free(err);
        return false;
    }
    if (!smmuv3_accel_attach(dev, hwpt_id)) {
        iommufd_backend_free_id(accel->iommufd, hwpt_id);
        return false;
    }
    old_hwpt_id = dev->s1_hwpt_id;
    dev->s1_hwpt_id = hwpt_id;
    dev->s1_vste = *vste;
    if (old_hwpt_id) {
        iommufd_backend_free_id(accel->iommufd, old_hwpt_id);
    }
    trace_smmuv3_accel_install_ste(sid, hwpt_id);
    return true;
}

static bool smmuv3_accel_has_s1(const SMMUv3AccelDevice *dev, uint32_t sid,
                                const SMMUv3AccelVSTE *vste)
{
    return dev->s1_hwpt_id && dev->hwpt_id == dev->s1_hwpt_id &&
           dev->vdev_id && dev->vsid == sid &&
           !memcmp(&dev->s1_vste, vste, sizeof(*vste));
}

void smmuv3_accel_sync_device(SMMUv3AccelDevice *dev)
{
    SMMUv3State *s = dev->smmu;
    SMMUv3AccelState *accel = s->s_accel;
    uint32_t sid = smmuv3_accel_device_sid(dev);
    SMMUv3AccelVSTE vste;
    SMMUv3AccelConfig config = smmuv3_accel_read_config(s, sid, &vste);
    uint32_t hwpt_id = config == SMMUV3_ACCEL_BYPASS ? accel->bypass_hwpt_id
                                                     : accel->abort_hwpt_id;

    trace_smmuv3_accel_sync_device(sid, config);
    if (config == SMMUV3_ACCEL_STAGE1) {
        if (smmuv3_accel_has_s1(dev, sid, &vste) ||
            smmuv3_accel_install_s1(dev, sid, &vste)) {
            return;
        }
        config = SMMUV3_ACCEL_BAD_STE;
    } else if (smmu_enabled(s)) {
        /* for the events of this stream; without it there are just none */
        smmuv3_accel_set_vsid(dev, sid);
    }
    if (config == SMMUV3_ACCEL_BAD_STE) {
        smmuv3_accel_report_bad_ste(s, sid);
    }
    smmuv3_accel_attach(dev, hwpt_id);
    smmuv3_accel_free_s1_hwpt(dev);
}

void smmuv3_accel_sync_all(SMMUv3State *s)
{
    SMMUv3AccelDevice *dev;

    if (!s->s_accel) {
        return;
    }
    QLIST_FOREACH(dev, &s->s_accel->devices, next) {
        smmuv3_accel_sync_device(dev);
    }
}

void smmuv3_accel_release_device(SMMUv3AccelDevice *dev, uint32_t hwpt_id)
{
    smmuv3_accel_attach(dev, hwpt_id);
    smmuv3_accel_free_s1_hwpt(dev);
    smmuv3_accel_free_vdev(dev);
}
