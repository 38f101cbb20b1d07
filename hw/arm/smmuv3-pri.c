/*
 * Emulated SMMUv3: page requests of devices
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The arch below is IHI 0070.  Page requests go to the PRI queue, and software
 * answers with CMD_PRI_RESP.  Where the queue can't take a request, the SMMU
 * answers itself (the arch, 8.1): "failure" if software does not listen,
 * "success" if the queue is full, so that the device tries again.
 */

#include "qemu/osdep.h"
#include "hw/pci/pcie_ats.h"
#include "hw/registerfields.h"
#include "migration/vmstate.h"
#include "smmuv3-ats.h"
#include "smmuv3-pri.h"
#include "trace.h"

/* log2 of the entries that the queue has at most */
#define SMMU_PRIQS 8

REG64(PRIQ_BASE, 0xc0)
    FIELD(PRIQ_BASE, LOG2SIZE, 0, 5)
REG32(PRIQ_PROD, 0xc8)
REG32(PRIQ_CONS, 0xcc)
    FIELD(PRIQ_PTR, OVERFLOW, 31, 1)
REG64(PRIQ_IRQ_CFG0, 0xd0)
REG32(PRIQ_IRQ_CFG1, 0xd8)
REG32(PRIQ_IRQ_CFG2, 0xdc)

FIELD(PRI_CR0, PRIQEN, 1, 1)
FIELD(PRI_IRQ_CTRL, PRIQ_IRQEN, 1, 1)

/* A record of the queue, 64-bit words 0 and 1 (the arch, 8.2) */
FIELD(PPR0, SID, 0, 32)
FIELD(PPR0, PRIV, 58, 1)
FIELD(PPR0, EXEC, 59, 1)
FIELD(PPR0, READ, 60, 1)
FIELD(PPR0, WRITE, 61, 1)
FIELD(PPR0, LAST, 62, 1)
FIELD(PPR1, GROUP, 0, 9)
FIELD(PPR1, ADDR, 12, 52)

#define PPR_PAGE_SHIFT 12

/* CMD_PRI_RESP, 32-bit word 2 (the arch, 4.6) */
FIELD(PRI_RESP2, GROUP, 0, 9)
FIELD(PRI_RESP2, RESP, 12, 2)

typedef struct SMMUv3PPR {
    uint64_t word[2];
} SMMUv3PPR;

static bool smmuv3_has_pri(const SMMUv3State *s)
{
    return s->pri && smmuv3_has_emulated_ats(s);
}

void smmuv3_pri_reset(SMMUv3State *s)
{
    if (!smmuv3_has_pri(s)) {
        return;
    }
    s->idr[0] = FIELD_DP32(s->idr[0], IDR0, PRI, 1);
    s->idr[1] = FIELD_DP32(s->idr[1], IDR1, PRIQS, SMMU_PRIQS);
    s->priq = (SMMUQueue) {
        .base = FIELD_DP64(0, PRIQ_BASE, LOG2SIZE, SMMU_PRIQS),
        .entry_size = sizeof(SMMUv3PPR),
        .log2size = SMMU_PRIQS,
    };
    s->priq_irq_cfg0 = 0;
    s->priq_irq_cfg1 = 0;
    s->priq_irq_cfg2 = 0;
}

bool smmuv3_pri_irq_enabled(const SMMUv3State *s)
{
    return FIELD_EX32(s->irq_ctrl, PRI_IRQ_CTRL, PRIQ_IRQEN);
}

/* A register of 64 bits may be accessed by halves */
static uint64_t smmuv3_pri_half(uint64_t value, hwaddr offset, unsigned size)
{
    return size == 8 ? value : extract64(value, (offset & 4) * 8, 32);
}

static void smmuv3_pri_set_half(uint64_t *value, hwaddr offset, unsigned size,
                                uint64_t data)
{
    *value = size == 8 ? data : deposit64(*value, (offset & 4) * 8, 32, data);
}

bool smmuv3_pri_read(SMMUv3State *s, hwaddr offset, unsigned size,
                     uint64_t *data)
{
    if (!smmuv3_has_pri(s)) {
        return false;
    }
    switch (offset) {
    case A_PRIQ_BASE:
    case A_PRIQ_BASE + 4:
        *data = smmuv3_pri_half(s->priq.base, offset, size);
        return true;
    case A_PRIQ_PROD:
        *data = s->priq.prod;
        return true;
    case A_PRIQ_CONS:
        *data = s->priq.cons;
        return true;
    case A_PRIQ_IRQ_CFG0:
    case A_PRIQ_IRQ_CFG0 + 4:
        *data = smmuv3_pri_half(s->priq_irq_cfg0, offset, size);
        return true;
    case A_PRIQ_IRQ_CFG1:
        *data = s->priq_irq_cfg1;
        return true;
    case A_PRIQ_IRQ_CFG2:
        *data = s->priq_irq_cfg2;
        return true;
    default:
        return false;
    }
}

bool smmuv3_pri_write(SMMUv3State *s, hwaddr offset, unsigned size,
                      uint64_t data)
{
    if (!smmuv3_has_pri(s)) {
        return false;
    }
    switch (offset) {
    case A_PRIQ_BASE:
    case A_PRIQ_BASE + 4:
        smmuv3_pri_set_half(&s->priq.base, offset, size, data);
        s->priq.log2size = MIN(FIELD_EX64(s->priq.base, PRIQ_BASE, LOG2SIZE),
                               SMMU_PRIQS);
        return true;
    case A_PRIQ_PROD:
        s->priq.prod = data;
        return true;
    case A_PRIQ_CONS:
        s->priq.cons = data;
        return true;
    case A_PRIQ_IRQ_CFG0:
    case A_PRIQ_IRQ_CFG0 + 4:
        smmuv3_pri_set_half(&s->priq_irq_cfg0, offset, size, data);
        return true;
    case A_PRIQ_IRQ_CFG1:
        s->priq_irq_cfg1 = data;
        return true;
    case A_PRIQ_IRQ_CFG2:
        s->priq_irq_cfg2 = data;
        return true;
    default:
        return false;
    }
}

/* Software has not acknowledged that requests were lost */
static bool smmuv3_priq_in_overflow(const SMMUQueue *q)
{
    return FIELD_EX32(q->prod ^ q->cons, PRIQ_PTR, OVERFLOW);
}

/* Returns false, with what the SMMU answers itself, if software won't see it */
static bool smmuv3_pri_queue(SMMUv3State *s, const SMMUv3PPR *ppr,
                             PCIPRGCode *code)
{
    SMMUQueue *q = &s->priq;
    SMMUv3PPR record = {
        .word = { cpu_to_le64(ppr->word[0]), cpu_to_le64(ppr->word[1]) },
    };
    bool was_empty = smmuv3_q_empty(q);

    if (!FIELD_EX32(s->cr[0], PRI_CR0, PRIQEN)) {
        *code = PCI_PRG_FAILURE;
        return false;
    }
    if (smmuv3_priq_in_overflow(q) || smmuv3_q_full(q)) {
        if (!smmuv3_priq_in_overflow(q)) {
            q->prod ^= R_PRIQ_PTR_OVERFLOW_MASK;
        }
        *code = PCI_PRG_SUCCESS;
        return false;
    }
    if (dma_memory_write(&address_space_memory, Q_PROD_ENTRY(q), &record,
                         sizeof(record), MEMTXATTRS_UNSPECIFIED)) {
        smmuv3_trigger_irq(s, SMMU_IRQ_GERROR, R_GERROR_PRIQ_ABT_ERR_MASK);
        *code = PCI_PRG_FAILURE;
        return false;
    }
    queue_prod_incr(q);
    if (was_empty) {
        smmuv3_trigger_irq(s, SMMU_IRQ_PRIQ, 0);
    }
    return true;
}

MemTxResult smmuv3_pri_request_page(PCIBus *bus, void *opaque, int devfn,
                                    const PCIPageRequest *request)
{
    SMMUv3State *s = ARM_SMMUV3(opaque);
    uint32_t sid = PCI_BUILD_BDF(pci_bus_num(bus), devfn);
    PCIPRGResponse response = {
        .pasid = request->pasid, .group = request->group,
    };
    SMMUv3PPR ppr = {};
    bool queued;

    if (!smmuv3_has_pri(s) || request->pasid != PCI_NO_PASID) {
        return MEMTX_ACCESS_ERROR;
    }
    ppr.word[0] = FIELD_DP64(ppr.word[0], PPR0, SID, sid);
    ppr.word[0] = FIELD_DP64(ppr.word[0], PPR0, PRIV, request->priv);
    ppr.word[0] = FIELD_DP64(ppr.word[0], PPR0, EXEC, request->exec);
    ppr.word[0] = FIELD_DP64(ppr.word[0], PPR0, READ, request->read);
    ppr.word[0] = FIELD_DP64(ppr.word[0], PPR0, WRITE, request->write);
    ppr.word[0] = FIELD_DP64(ppr.word[0], PPR0, LAST, request->last);
    ppr.word[1] = FIELD_DP64(ppr.word[1], PPR1, GROUP, request->group);
    ppr.word[1] = FIELD_DP64(ppr.word[1], PPR1, ADDR,
                             request->addr >> PPR_PAGE_SHIFT);

    queued = smmuv3_pri_queue(s, &ppr, &response.code);
    trace_smmuv3_pri_request_page(sid, request->addr, request->group, queued);
    if (!queued && request->last) {
        pci_pri_respond(bus, devfn, &response);
    }
    return MEMTX_OK;
}

SMMUCmdError smmuv3_pri_response(SMMUv3State *s, Cmd *cmd)
{
    static const PCIPRGCode codes[] = {
        PCI_PRG_FAILURE, PCI_PRG_INVALID, PCI_PRG_SUCCESS,
    };
    uint32_t resp = FIELD_EX32(cmd->word[2], PRI_RESP2, RESP);
    SMMUDevice *sdev = smmu_find_sdev(ARM_SMMU(s), CMD_SID(cmd));
    PCIPRGResponse response = {
        .pasid = CMD_SSV(cmd) ? CMD_SSID(cmd) : PCI_NO_PASID,
        .group = FIELD_EX32(cmd->word[2], PRI_RESP2, GROUP),
    };

    if (!smmuv3_has_pri(s)) {
        /* ignored, as it always was */
        trace_smmuv3_unhandled_cmd(SMMU_CMD_PRI_RESP);
        return SMMU_CERROR_NONE;
    }
    if (CMD_SSEC(cmd) || resp >= ARRAY_SIZE(codes)) {
        return SMMU_CERROR_ILL;
    }
    response.code = codes[resp];
    if (sdev) {
        pci_pri_respond(sdev->bus, sdev->devfn, &response);
    }
    return SMMU_CERROR_NONE;
}

static bool smmuv3_pri_needed(void *opaque)
{
    return smmuv3_has_pri(opaque);
}

const VMStateDescription vmstate_smmuv3_pri = {
    .name = "smmuv3/pri",
    .version_id = 1,
    .minimum_version_id = 1,
    .needed = smmuv3_pri_needed,
    .fields = (const VMStateField[]) {
        VMSTATE_UINT64(priq.base, SMMUv3State),
        VMSTATE_UINT32(priq.prod, SMMUv3State),
        VMSTATE_UINT32(priq.cons, SMMUv3State),
        VMSTATE_UINT8(priq.log2size, SMMUv3State),
        VMSTATE_UINT64(priq_irq_cfg0, SMMUv3State),
        VMSTATE_UINT32(priq_irq_cfg1, SMMUv3State),
        VMSTATE_UINT32(priq_irq_cfg2, SMMUv3State),
        VMSTATE_END_OF_LIST()
    }
};
