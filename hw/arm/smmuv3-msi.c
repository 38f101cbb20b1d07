/*
 * SMMUv3: interrupts that are memory writes
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * With IDR0.MSI, a CMD_SYNC may name an address to write to when it has
 * completed (the arch, 3.18 and 4.7.3).  Linux names the command itself, and
 * waits for it to change.  Without, it has to read CMDQ_CONS, which is an exit
 * for each CMD_SYNC, on top of the one for writing CMDQ_PROD.
 */

#include "qemu/osdep.h"
#include "exec/address-spaces.h"
#include "hw/arm/smmuv3.h"
#include "hw/registerfields.h"
#include "qemu/main-loop.h"
#include "smmuv3-internal.h"
#include "trace.h"

/* The address of an MSI, in CMD_SYNC and in SMMU_*_IRQ_CFG0 */
#define MSI_ADDRESS_MASK    MAKE_64BIT_MASK(2, 54)

typedef struct SMMUv3MSI {
    hwaddr addr;        /* 0: not wanted */
    uint32_t data;
    uint32_t abort_mask;
} SMMUv3MSI;

static bool smmuv3_has_msi(const SMMUv3State *s)
{
    return FIELD_EX32(s->idr[0], IDR0, MSI);
}

static SMMUv3MSI smmuv3_sync_msi(const SMMUv3State *s, const Cmd *sync)
{
    uint64_t addr = sync->word[2] | (uint64_t)sync->word[3] << 32;
    bool wanted = smmuv3_has_msi(s) && CMD_SYNC_CS(sync) == CMD_SYNC_SIG_IRQ;

    return (SMMUv3MSI) {
        .addr = wanted ? addr & MSI_ADDRESS_MASK : 0,
        .data = sync->word[1],
        .abort_mask = R_GERROR_MSI_CMDQ_ABT_ERR_MASK,
    };
}

static SMMUv3MSI smmuv3_irq_msi(const SMMUv3State *s, SMMUIrq irq)
{
    if (!smmuv3_has_msi(s)) {
        return (SMMUv3MSI) {};
    }
    switch (irq) {
    case SMMU_IRQ_EVTQ:
        return (SMMUv3MSI) {
            .addr = s->eventq_irq_cfg0 & MSI_ADDRESS_MASK,
            .data = s->eventq_irq_cfg1,
            .abort_mask = R_GERROR_MSI_EVENTQ_ABT_ERR_MASK,
        };
    case SMMU_IRQ_GERROR:
        return (SMMUv3MSI) {
            .addr = s->gerror_irq_cfg0 & MSI_ADDRESS_MASK,
            .data = s->gerror_irq_cfg1,
            .abort_mask = R_GERROR_MSI_GERROR_ABT_ERR_MASK,
        };
    default:
        return (SMMUv3MSI) {};
    }
}

static void smmuv3_send_msi(SMMUv3State *s, const SMMUv3MSI *msi)
{
    MemTxResult result;

    address_space_stl_le(&address_space_memory, msi->addr, msi->data,
                         MEMTXATTRS_UNSPECIFIED, &result);
    trace_smmuv3_msi(msi->addr, msi->data, result);
    if (result != MEMTX_OK) {
        smmuv3_trigger_irq(s, SMMU_IRQ_GERROR, msi->abort_mask);
    }
}

bool smmuv3_sync_has_msi(const SMMUv3State *s, const Cmd *sync)
{
    return smmuv3_sync_msi(s, sync).addr;
}

void smmuv3_complete_sync(SMMUv3State *s, const Cmd *sync)
{
    const SMMUv3MSI msi = smmuv3_sync_msi(s, sync);

    if (msi.addr) {
        smmuv3_send_msi(s, &msi);
    }
}

bool smmuv3_trigger_msi(SMMUv3State *s, SMMUIrq irq)
{
    if (!smmuv3_irq_msi(s, irq).addr) {
        return false;
    }
    qatomic_or(&s->msi_pending, BIT(irq));
    qemu_bh_schedule(s->msi_bh);
    return true;
}

static void smmuv3_msi_bh(void *opaque)
{
    SMMUv3State *s = opaque;
    uint32_t pending = qatomic_xchg(&s->msi_pending, 0);

    for (SMMUIrq irq = 0; irq < ARRAY_SIZE(s->irq); irq++) {
        const SMMUv3MSI msi = smmuv3_irq_msi(s, irq);

        /* the guest may have thought better of it */
        if (pending & BIT(irq) && msi.addr) {
            smmuv3_send_msi(s, &msi);
        }
    }
}

void smmuv3_msi_init(SMMUv3State *s)
{
    s->msi_bh = qemu_bh_new_guarded(smmuv3_msi_bh, s,
                                    &DEVICE(s)->mem_reentrancy_guard);
}

void smmuv3_msi_set_idr(SMMUv3State *s)
{
    /* those without accel=on stay what they were in the base's machines */
    s->idr[0] = FIELD_DP32(s->idr[0], IDR0, MSI, s->accel);
}

void smmuv3_msi_reset(SMMUv3State *s)
{
    qatomic_set(&s->msi_pending, 0);
}
