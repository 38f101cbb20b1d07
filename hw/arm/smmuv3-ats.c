/*
 * Emulated SMMUv3: Address Translation Services
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * "The arch" is the Arm System Memory Management Unit Architecture
 * Specification, SMMUv3 (IHI 0070), and 3.9.1 its chapter on ATS.  Split-stage
 * ATS (STE.EATS=2) is not implemented, and IDR0.NS1ATS says so: a completion
 * has the physical address.  Devices that use one without leave are not found
 * out: what an ATC holds goes straight to memory.
 */

#include "qemu/osdep.h"
#include "hw/pci/pcie_ats.h"
#include "hw/registerfields.h"
#include "smmuv3-ats.h"
#include "smmuv3-pri.h"
#include "smmu-internal.h"
#include "trace.h"

/* CMD_ATC_INV, 64-bit word 1 (the arch, 4.5.1) */
FIELD(ATC_INV1, SIZE, 0, 6)

/* log2 of 4 KiB pages: from here on the whole address space */
#define ATC_INV_SIZE_ALL    52
#define ATC_INV_PAGE_SHIFT  12

/* STE.EATS: completions carry the address after all enabled stages */
#define STE_EATS_FULL       1

bool smmuv3_has_emulated_ats(const SMMUv3State *s)
{
    return !s->accel && s->ats == ON_OFF_AUTO_ON;
}

void smmuv3_ats_set_idr(SMMUv3State *s)
{
    if (smmuv3_has_emulated_ats(s)) {
        s->idr[0] = FIELD_DP32(s->idr[0], IDR0, ATS, 1);
        /* a matter of two stages */
        s->idr[0] = FIELD_DP32(s->idr[0], IDR0, NS1ATS,
                               FIELD_EX32(s->idr[0], IDR0, S1P) &&
                               FIELD_EX32(s->idr[0], IDR0, S2P));
    }
}

static SMMUDevice *smmuv3_ats_find_sdev(PCIBus *bus, void *opaque, int devfn)
{
    return container_of(smmu_find_add_as(bus, opaque, devfn), SMMUDevice, as);
}

static IOMMUMemoryRegion *smmuv3_ats_get_region(PCIBus *bus, void *opaque,
                                                int devfn, uint32_t pasid)
{
    if (pasid != PCI_NO_PASID) {
        return NULL;
    }
    return &smmuv3_ats_find_sdev(bus, opaque, devfn)->iommu;
}

static uint8_t smmuv3_ats_get_address_width(void *opaque)
{
    /* IDR5.VAX is 0: 48 bits; stage 2 alone takes addresses of OAS bits */
    SMMUv3State *s = ARM_SMMUV3(opaque);

    return FIELD_EX32(s->idr[0], IDR0, S1P) ? 48 :
           oas2bits(FIELD_EX32(s->idr[5], IDR5, OAS));
}

/* A stream is served if its STE has a stage to translate with, and says so */
static bool smmuv3_ats_stream_enabled(SMMUv3State *s, uint32_t sid)
{
    SMMUEventInfo event = { .inval_ste_allowed = true };
    uint32_t config;
    STE ste;

    if (!smmu_enabled(s) || smmuv3_find_ste(s, sid, &ste, &event) ||
        !STE_VALID(&ste)) {
        return false;
    }
    config = STE_CONFIG(&ste);
    return !STE_CFG_ABORT(config) && !STE_CFG_BYPASS(config) &&
           STE_EATS(&ste) == STE_EATS_FULL;
}

static IOMMUTLBEntry smmuv3_ats_translate(SMMUDevice *sdev, hwaddr addr,
                                          IOMMUAccessFlags flag)
{
    IOMMUMemoryRegionClass *imrc =
        IOMMU_MEMORY_REGION_GET_CLASS(&sdev->iommu);
    IOMMUTLBEntry entry = imrc->translate(&sdev->iommu, addr, flag,
                                          SMMUV3_IOMMU_IDX_ATS);

    if (entry.perm == IOMMU_NONE) {
        /* there is no page whose size an answer could have */
        entry.addr_mask = 0;
    }
    return entry;
}

static MemTxResult
smmuv3_ats_request_translation(PCIBus *bus, void *opaque, int devfn,
                               const PCIATSRequest *request,
                               IOMMUTLBEntry *entry)
{
    SMMUv3State *s = ARM_SMMUV3(opaque);
    SMMUDevice *sdev = smmuv3_ats_find_sdev(bus, opaque, devfn);
    uint32_t sid = smmu_get_sid(sdev);

    if (request->pasid != PCI_NO_PASID || !smmuv3_ats_stream_enabled(s, sid)) {
        trace_smmuv3_ats_refused(sid, request->addr);
        return MEMTX_ACCESS_ERROR;
    }
    *entry = smmuv3_ats_translate(sdev, request->addr,
                                  request->no_write ? IOMMU_RO : IOMMU_RW);
    if (entry->perm == IOMMU_NONE && !request->no_write) {
        /* perhaps it may be read */
        *entry = smmuv3_ats_translate(sdev, request->addr, IOMMU_RO);
    }
    trace_smmuv3_ats_translate(sid, request->addr, entry->translated_addr,
                               entry->addr_mask, entry->perm);
    return MEMTX_OK;
}

static const PCIIOMMUOps smmuv3_ats_ops = {
    .get_address_space = smmu_find_add_as,
    .get_iommu_region = smmuv3_ats_get_region,
    .get_address_width = smmuv3_ats_get_address_width,
    .ats_request_translation = smmuv3_ats_request_translation,
    .pri_request_page = smmuv3_pri_request_page,
};

void smmuv3_ats_init(SMMUv3State *s)
{
    if (smmuv3_has_emulated_ats(s)) {
        ARM_SMMU(s)->iommu_ops = &smmuv3_ats_ops;
    }
}

SMMUCmdError smmuv3_ats_invalidate(SMMUv3State *s, Cmd *cmd)
{
    uint32_t size = FIELD_EX32(cmd->word[2], ATC_INV1, SIZE);
    SMMUDevice *sdev = smmu_find_sdev(ARM_SMMU(s), CMD_SID(cmd));
    IOMMUTLBEvent event = {
        .type = IOMMU_NOTIFIER_DEVIOTLB_UNMAP,
        .entry = {
            .target_as = &address_space_memory,
            .addr_mask = HWADDR_MAX,
            .perm = IOMMU_NONE,
        },
    };
    IOMMUNotifier *n;

    if (!smmuv3_has_emulated_ats(s)) {
        /* accelerated: the host sees it; else ignored, as it always was */
        trace_smmuv3_unhandled_cmd(SMMU_CMD_ATC_INV);
        return SMMU_CERROR_NONE;
    }
    if (CMD_SSEC(cmd)) {
        return SMMU_CERROR_ILL;
    }
    if (size < ATC_INV_SIZE_ALL) {
        event.entry.addr_mask = BIT_ULL(size + ATC_INV_PAGE_SHIFT) - 1;
        event.entry.iova = CMD_ADDR(cmd) & ~event.entry.addr_mask;
    }
    trace_smmuv3_ats_invalidate(CMD_SID(cmd), CMD_SSV(cmd), event.entry.iova,
                                event.entry.addr_mask);
    /* no ATC has translations of a substream */
    if (!sdev || CMD_SSV(cmd)) {
        return SMMU_CERROR_NONE;
    }
    IOMMU_NOTIFIER_FOREACH(n, &sdev->iommu) {
        if (n->notifier_flags & IOMMU_NOTIFIER_DEVIOTLB_UNMAP) {
            memory_region_notify_iommu_one(n, &event);
        }
    }
    return SMMU_CERROR_NONE;
}
