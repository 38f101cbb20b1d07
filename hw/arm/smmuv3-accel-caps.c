/*
 * Accelerated SMMUv3: can the host SMMU back what the guest is promised
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The guest reads the vSMMU's ID registers and then writes tables that the
 * host SMMU walks, so each feature they announce must be there.  Only those
 * fields of the host's registers are looked at that the kernel vouches for
 * (struct iommu_hw_info_arm_smmuv3), and IDR5.OAS.
 */

#include "qemu/osdep.h"
#include "qapi/error.h"
#include "smmuv3-accel.h"
#include "trace.h"
#include <linux/iommufd.h>

/* How the guest's value has to relate to the host's */
typedef enum SMMUv3AccelRule {
    GUEST_AT_MOST_HOST,
    GUEST_AT_LEAST_HOST,
    GUEST_BITS_IN_HOST,
    SAME_OR_HOST_MIXED,         /* TTENDIAN: 0 is "both" */
    SAME_OR_HOST_BOTH_MODELS,   /* STALL_MODEL: 0 is "both" */
} SMMUv3AccelRule;

typedef struct SMMUv3AccelCap {
    const char *name;
    uint8_t idr;
    uint8_t shift;
    uint8_t length;
    SMMUv3AccelRule rule;
} SMMUv3AccelCap;

#define CAP(n, field, how) { \
    .name = "IDR" #n "." #field, .idr = n, \
    .shift = R_IDR##n##_##field##_SHIFT, \
    .length = R_IDR##n##_##field##_LENGTH, .rule = how }

static const SMMUv3AccelCap smmuv3_accel_caps[] = {
    CAP(0, STLEVEL, GUEST_AT_MOST_HOST),
    CAP(0, TERM_MODEL, GUEST_AT_LEAST_HOST),
    CAP(0, STALL_MODEL, SAME_OR_HOST_BOTH_MODELS),
    CAP(0, TTENDIAN, SAME_OR_HOST_MIXED),
    CAP(0, CD2L, GUEST_AT_MOST_HOST),
    CAP(0, ASID16, GUEST_AT_MOST_HOST),
    CAP(0, TTF, GUEST_BITS_IN_HOST),
    CAP(1, SIDSIZE, GUEST_AT_MOST_HOST),
    CAP(1, SSIDSIZE, GUEST_AT_MOST_HOST),
    CAP(3, RIL, GUEST_AT_MOST_HOST),
    CAP(3, BBML, GUEST_AT_MOST_HOST),
    CAP(5, OAS, GUEST_AT_MOST_HOST),
    CAP(5, GRAN4K, GUEST_AT_MOST_HOST),
    CAP(5, GRAN16K, GUEST_AT_MOST_HOST),
    CAP(5, GRAN64K, GUEST_AT_MOST_HOST),
    CAP(5, VAX, GUEST_AT_MOST_HOST),
};

static bool smmuv3_accel_cap_ok(const SMMUv3AccelCap *cap, uint32_t guest,
                                uint32_t host)
{
    switch (cap->rule) {
    case GUEST_AT_MOST_HOST:
        return guest <= host;
    case GUEST_AT_LEAST_HOST:
        return guest >= host;
    case GUEST_BITS_IN_HOST:
        return !(guest & ~host);
    case SAME_OR_HOST_MIXED:
    case SAME_OR_HOST_BOTH_MODELS:
        return guest == host || host == 0;
    }
    return false;
}

bool smmuv3_accel_check_host(SMMUv3State *s, HostIOMMUDeviceIOMMUFD *idev,
                             Error **errp)
{
    g_autofree char *name = qdev_get_human_name(DEVICE(s));
    const char *dev_name = HOST_IOMMU_DEVICE(idev)->name;
    struct iommu_hw_info_arm_smmuv3 info = {};
    uint64_t hw_caps;
    uint32_t type;

    if (!iommufd_backend_get_device_info(idev->iommufd, idev->devid, &type,
                                         &info, sizeof(info), &hw_caps,
                                         errp)) {
        return false;
    }
    if (type != IOMMU_HW_INFO_TYPE_ARM_SMMUV3) {
        error_setg(errp, "%s '%s': the host IOMMU of %s is not an SMMUv3 (its "
                   "type is %u): remove accel=on", TYPE_ARM_SMMUV3, name,
                   dev_name, type);
        return false;
    }
    for (int i = 0; i < ARRAY_SIZE(smmuv3_accel_caps); i++) {
        const SMMUv3AccelCap *cap = &smmuv3_accel_caps[i];
        uint32_t guest = extract32(s->idr[cap->idr], cap->shift, cap->length);
        uint32_t host = extract32(info.idr[cap->idr], cap->shift, cap->length);

        trace_smmuv3_accel_cap(cap->name, guest, host);
        if (!smmuv3_accel_cap_ok(cap, guest, host)) {
            error_setg(errp, "%s '%s': %s is %u, but %u in the host SMMU of "
                       "%s, which cannot back it: remove accel=on",
                       TYPE_ARM_SMMUV3, name, cap->name, guest, host,
                       dev_name);
            return false;
        }
    }
    return true;
}
