/*
 * Accelerated SMMUv3: what the guest is promised, and can the host back it
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
#include "hw/qdev-core.h"
#include "smmuv3-accel.h"
#include "trace.h"
#include <linux/iommufd.h>

/* The widest SubstreamID that a PASID fits in (the arch, 6.3.2) */
#define SMMU_IDR1_SSIDSIZE_MAX  20

/* IDR3.BBML has no higher level */
#define SMMU_IDR3_BBML_MAX      2

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
    const char *property;       /* that decides the guest's value, or NULL */
    uint8_t idr;
    uint8_t shift;
    uint8_t length;
    SMMUv3AccelRule rule;
} SMMUv3AccelCap;

#define CAP_PROP(n, field, how, prop) { \
    .name = "IDR" #n "." #field, .property = prop, .idr = n, \
    .shift = R_IDR##n##_##field##_SHIFT, \
    .length = R_IDR##n##_##field##_LENGTH, .rule = how }
#define CAP(n, field, how) CAP_PROP(n, field, how, NULL)

static const SMMUv3AccelCap smmuv3_accel_caps[] = {
    CAP(0, STLEVEL, GUEST_AT_MOST_HOST),
    CAP(0, TERM_MODEL, GUEST_AT_LEAST_HOST),
    CAP(0, STALL_MODEL, SAME_OR_HOST_BOTH_MODELS),
    CAP(0, TTENDIAN, SAME_OR_HOST_MIXED),
    CAP_PROP(0, ATS, GUEST_AT_MOST_HOST, "ats"),
    CAP(0, CD2L, GUEST_AT_MOST_HOST),
    CAP(0, ASID16, GUEST_AT_MOST_HOST),
    CAP(0, TTF, GUEST_BITS_IN_HOST),
    CAP(1, SIDSIZE, GUEST_AT_MOST_HOST),
    CAP_PROP(1, SSIDSIZE, GUEST_AT_MOST_HOST, "ssidsize"),
    CAP_PROP(3, RIL, GUEST_AT_MOST_HOST, "ril"),
    CAP(3, BBML, GUEST_AT_MOST_HOST),
    CAP_PROP(5, OAS, GUEST_AT_MOST_HOST, "oas"),
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

const char *smmuv3_accel_unresolved_property(SMMUv3State *s)
{
    if (s->s_accel->features.resolved) {
        return NULL;
    }
    return s->ats == ON_OFF_AUTO_AUTO ? "ats" :
           s->ril == ON_OFF_AUTO_AUTO ? "ril" :
           s->ssidsize == SSID_SIZE_MODE_AUTO ? "ssidsize" :
           s->oas == OAS_MODE_AUTO ? "oas" : NULL;
}

static uint8_t smmuv3_accel_encode_oas(unsigned bits)
{
    uint8_t oas = 0;

    while (oas2bits(oas) < bits) {
        oas++;
    }
    return oas;
}

void smmuv3_accel_init_features(SMMUv3State *s)
{
    SMMUv3AccelFeatures *features = &s->s_accel->features;

    features->ats = s->ats == ON_OFF_AUTO_ON;
    features->ril = s->ril != ON_OFF_AUTO_OFF;
    features->gran16k = true;
    features->gran64k = true;
    if (s->ssidsize != SSID_SIZE_MODE_AUTO) {
        features->ssidsize = ssidsize_mode_bits(s->ssidsize);
    }
    features->oas = s->oas == OAS_MODE_AUTO ? SMMU_IDR5_OAS :
                    smmuv3_accel_encode_oas(oas_mode_bits(s->oas));
}

void smmuv3_accel_set_idr(SMMUv3State *s)
{
    SMMUv3AccelFeatures *features;

    if (!s->s_accel) {
        return;
    }
    features = &s->s_accel->features;
    s->idr[0] = FIELD_DP32(s->idr[0], IDR0, ATS, features->ats);
    s->idr[0] = FIELD_DP32(s->idr[0], IDR0, CD2L, features->cd2l);
    s->idr[1] = FIELD_DP32(s->idr[1], IDR1, SSIDSIZE, features->ssidsize);
    s->idr[3] = FIELD_DP32(s->idr[3], IDR3, RIL, features->ril);
    s->idr[3] = FIELD_DP32(s->idr[3], IDR3, BBML, features->bbml);
    s->idr[5] = FIELD_DP32(s->idr[5], IDR5, OAS, features->oas);
    s->idr[5] = FIELD_DP32(s->idr[5], IDR5, GRAN16K, features->gran16k);
    s->idr[5] = FIELD_DP32(s->idr[5], IDR5, GRAN64K, features->gran64k);
    if (s->s_accel->ext) {
        s->s_accel->ext->set_idr(s);
    }
}

/* The guest has not run yet: auto becomes what the host has */
static void smmuv3_accel_resolve(SMMUv3State *s,
                                 const struct iommu_hw_info_arm_smmuv3 *info)
{
    SMMUv3AccelFeatures *features = &s->s_accel->features;

    if (features->resolved || phase_check(PHASE_MACHINE_READY)) {
        return;
    }
    features->resolved = true;
    if (s->ats == ON_OFF_AUTO_AUTO) {
        features->ats = FIELD_EX32(info->idr[0], IDR0, ATS);
    }
    if (s->ril == ON_OFF_AUTO_AUTO) {
        features->ril = FIELD_EX32(info->idr[3], IDR3, RIL);
    }
    if (s->ssidsize == SSID_SIZE_MODE_AUTO) {
        features->ssidsize = MIN(FIELD_EX32(info->idr[1], IDR1, SSIDSIZE),
                                 SMMU_IDR1_SSIDSIZE_MAX);
    }
    if (s->oas == OAS_MODE_AUTO) {
        features->oas = FIELD_EX32(info->idr[5], IDR5, OAS);
    }
    /* no property decides these: as much as both have */
    features->bbml = MIN(FIELD_EX32(info->idr[3], IDR3, BBML),
                         SMMU_IDR3_BBML_MAX);
    features->gran16k = FIELD_EX32(info->idr[5], IDR5, GRAN16K);
    features->gran64k = FIELD_EX32(info->idr[5], IDR5, GRAN64K);
    /* without two levels, Linux has no room for many substreams */
    features->cd2l = features->ssidsize &&
                     FIELD_EX32(info->idr[0], IDR0, CD2L);
    smmuv3_accel_set_idr(s);
    trace_smmuv3_accel_resolve(features->ats, features->ril,
                               features->ssidsize, oas2bits(features->oas));
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
    smmuv3_accel_resolve(s, &info);
    for (int i = 0; i < ARRAY_SIZE(smmuv3_accel_caps); i++) {
        const SMMUv3AccelCap *cap = &smmuv3_accel_caps[i];
        uint32_t guest = extract32(s->idr[cap->idr], cap->shift, cap->length);
        uint32_t host = extract32(info.idr[cap->idr], cap->shift, cap->length);

        trace_smmuv3_accel_cap(cap->name, guest, host);
        if (!smmuv3_accel_cap_ok(cap, guest, host)) {
            g_autofree char *remedy = cap->property ?
                g_strdup_printf(cap->length == 1 ? "set %s to off or auto"
                                : "lower %s or set it to auto",
                                cap->property) :
                g_strdup("remove accel=on");

            error_setg(errp, "%s '%s': %s is %u, but %u in the host SMMU of "
                       "%s, which cannot back it: %s", TYPE_ARM_SMMUV3, name,
                       cap->name, guest, host, dev_name, remedy);
            return false;
        }
    }
    return !s->s_accel->ext ||
           s->s_accel->ext->check_host(s, idev, &info, errp);
}
