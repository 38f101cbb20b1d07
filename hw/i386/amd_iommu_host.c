/*
 * AMD IOMMU: its PCI function, and the address width that fits the host
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The guest uses I/O addresses of as many levels as it is told (EFR[HATS]).
 * For assigned devices the host's IOMMU has to have as many bits.
 */

#include "qemu/osdep.h"
#include "hw/boards.h"
#include "hw/qdev-core.h"
#include "hw/registerfields.h"
#include "qapi/error.h"
#include "qemu/error-report.h"
#include "system/host_iommu_device.h"
#include "amd_iommu_dma_remap.h"
#include "trace.h"

/* MMIO offset 30h, extended features (3.4.7) */
REG64(EFR, 0x30)
    FIELD(EFR, GT, 4, 1)
    FIELD(EFR, HATS, 10, 2)

/* IOMMU Feature Reporting of an IVHD block of type 10h */
REG32(IVHD_FEATURES, 0)
    FIELD(IVHD_FEATURES, XT, 0, 1)
    FIELD(IVHD_FEATURES, GA, 6, 1)
    FIELD(IVHD_FEATURES, HATS, 30, 2)

/* Capability offset 10h, miscellaneous information (3.3) */
REG32(CAP_MISC, AMDVI_CAPAB_MISC)
    FIELD(CAP_MISC, VA_SIZE, 15, 7)

static unsigned levels_to_bits(unsigned levels)
{
    return MIN(64, AMDVI_PAGE_SHIFT + levels * AMDVI_LEVEL_BITS);
}

uint64_t amdvi_host_features(const AMDVIState *s, uint64_t features)
{
    features = FIELD_DP64(features, EFR, HATS, s->hats_levels - AMDVI_HATS_MIN);
    if (s->dma_remap) {
        /* Guest page tables (2.2.6) are not walked: don't offer them */
        features = FIELD_DP64(features, EFR, GT, 0);
    }
    return features;
}

uint32_t amdvi_ivhd_features(const AMDVIState *s)
{
    uint32_t features = 0;

    features = FIELD_DP32(features, IVHD_FEATURES, XT, s->xtsup);
    features = FIELD_DP32(features, IVHD_FEATURES, GA, 1);
    return FIELD_DP32(features, IVHD_FEATURES, HATS,
                      s->hats_levels - AMDVI_HATS_MIN);
}

/* Reset takes the levels to the register, and the ACPI tables come later */
static void set_levels(AMDVIState *s, unsigned levels)
{
    uint8_t *cap = s->pci->dev.config + s->pci->capab_offset;

    s->hats_levels = levels;
    if (s->dma_remap || s->hats) {
        pci_set_long(cap + A_CAP_MISC,
                     FIELD_DP32(pci_get_long(cap + A_CAP_MISC), CAP_MISC,
                                VA_SIZE, levels_to_bits(levels)));
    }
}

bool amdvi_host_realize(AMDVIState *s, PCIBus *bus, Error **errp)
{
    if (s->hats && (s->hats < AMDVI_HATS_MIN || s->hats > AMDVI_HATS_MAX)) {
        error_setg(errp, "amd-iommu: hats=%u is not possible, set it to 4, 5 "
                   "or 6 levels, or to 0 to follow the host", s->hats);
        return false;
    }
    if (!s->pci) {
        AMDVIPCIState *pci = AMD_IOMMU_PCI(object_new(TYPE_AMD_IOMMU_PCI));

        if (!qdev_realize_and_unref(DEVICE(pci), BUS(bus), errp)) {
            return false;
        }
        object_property_set_link(OBJECT(s), "pci-id", OBJECT(pci),
                                 &error_abort);
    } else if (!qdev_is_realized(DEVICE(s->pci)) ||
               pci_get_bus(&s->pci->dev) != bus) {
        error_setg(errp, "amd-iommu: pci-id=%s is not a function on bus '%s', "
                   "add bus=%s to the %s device",
                   DEVICE(s->pci)->id, BUS(bus)->name, BUS(bus)->name,
                   TYPE_AMD_IOMMU_PCI);
        return false;
    }
    set_levels(s, s->hats ?: AMDVI_HATS_MAX);
    return true;
}

/* How many bits of I/O address the host's IOMMU translates, or -1 */
static int host_bits(HostIOMMUDevice *hiod)
{
    HostIOMMUDeviceClass *hiodc = HOST_IOMMU_DEVICE_GET_CLASS(hiod);

    return hiodc->get_cap ?
           hiodc->get_cap(hiod, HOST_IOMMU_DEVICE_CAP_AW_BITS, NULL) : -1;
}

bool amdvi_host_set_iommu_device(PCIBus *bus, void *opaque, int devfn,
                                 HostIOMMUDevice *hiod, Error **errp)
{
    AMDVIState *s = opaque;
    int bits = host_bits(hiod);
    unsigned levels = s->hats_levels;
    bool fixed = s->hats || phase_check(PHASE_MACHINE_READY);

    if (!s->dma_remap || bits < 0 || levels_to_bits(levels) <= bits) {
        return true;
    }
    while (levels > AMDVI_HATS_MIN && levels_to_bits(levels) > bits) {
        levels--;
    }
    trace_amdvi_hats(levels, bits);
    if (fixed && levels != s->hats_levels) {
        error_setg(errp, "vfio %s: amd-iommu offers the guest hats=%u levels, "
                   "%u bits of I/O address, but the host's IOMMU has %d: start "
                   "with -device amd-iommu,hats=%u", hiod->name,
                   s->hats_levels, levels_to_bits(s->hats_levels), bits,
                   levels);
        return false;
    }
    if (levels_to_bits(levels) > bits) {
        warn_report("vfio %s: the host's IOMMU has %d bits of I/O address, "
                    "which is less than amd-iommu's smallest, hats=%u: DMA "
                    "above them fails", hiod->name, bits, levels);
    }
    set_levels(s, levels);
    return true;
}
