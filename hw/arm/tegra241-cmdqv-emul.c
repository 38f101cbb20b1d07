/*
 * Tegra241 CMDQ-V: queues that the SMMUv3 device consumes
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The commands of a queue are processed when its doorbell (PROD) is written,
 * before the write has completed, as those of the SMMU's own queue are.
 */

#include "qemu/osdep.h"
#include "qemu/log.h"
#include "tegra241-cmdqv.h"
#include "trace.h"

/* CMD_SYNC.CS, the completion signal (the arch, 4.7.3) */
#define CMD_SYNC_CS_SHIFT   12
#define CMD_SYNC_CS_LENGTH  2

typedef struct CMDQVSource {
    Tegra241CMDQVState *s;
    const Tegra241VINTF *vintf;
} CMDQVSource;

static bool cmdqv_replace_sid(const CMDQVSource *src, Cmd *cmd)
{
    uint32_t sid = CMD_SID(cmd);

    if (src->s->ops->guest_owned) {
        return true; /* by its vDEVICE, in the host */
    }
    for (unsigned i = 0; i < tegra241_cmdqv_num_sids(src->s); i++) {
        uint32_t match = src->vintf->sid_match[i];

        if (FIELD_EX32(match, VINTF_SID_MATCH, ENABLE) &&
            FIELD_EX32(match, VINTF_SID_MATCH, VIRT_SID) == sid) {
            cmd->word[1] = src->vintf->sid_replace[i];
            trace_tegra241_cmdqv_replace_sid(sid, cmd->word[1]);
            return true;
        }
    }
    return false;
}

/*
 * What hardware does to the commands of a VINTF that is a guest's: Linux's
 * tegra241_guest_vcmdq_supports_cmd() has the list.
 */
static bool cmdqv_admit(void *opaque, Cmd *cmd)
{
    const CMDQVSource *src = opaque;
    bool ok = true;

    if (FIELD_EX32(src->vintf->config, VINTF_CONFIG, HYP_OWN)) {
        return true;
    }
    switch (CMD_TYPE(cmd)) {
    case SMMU_CMD_SYNC:
        /* the SMMU's interrupt is not the guest's */
        cmd->word[0] = deposit32(cmd->word[0], CMD_SYNC_CS_SHIFT,
                                 CMD_SYNC_CS_LENGTH, 0);
        break;
    case SMMU_CMD_TLBI_NH_ASID:
    case SMMU_CMD_TLBI_NH_VA:
        cmd->word[1] = deposit32(cmd->word[1], 0, 16,
                                 FIELD_EX32(src->vintf->config, VINTF_CONFIG,
                                            VMID));
        break;
    case SMMU_CMD_ATC_INV:
        ok = cmdqv_replace_sid(src, cmd);
        break;
    default:
        ok = false;
    }
    if (!ok) {
        trace_tegra241_cmdqv_reject(smmu_cmd_string(CMD_TYPE(cmd)));
    }
    return ok;
}

/* There are at most as many commands as the queue has entries */
static bool cmdqv_prod_ok(const SMMUQueue *queue)
{
    uint32_t mask = WRAP_INDEX_MASK(queue);

    return !(queue->prod & ~mask) &&
           ((queue->prod - queue->cons) & mask) <= WRAP_MASK(queue);
}

void tegra241_cmdqv_consume(Tegra241CMDQVState *s, unsigned q)
{
    Tegra241VCMDQ *vcmdq = &s->vcmdq[q];
    CMDQVSource src = { .s = s, .vintf = tegra241_cmdqv_vintf_of(s, q) };
    SMMUQueue queue = {
        .base = tegra241_cmdqv_queue_addr(vcmdq),
        .prod = vcmdq->prod,
        .cons = vcmdq->cons,
        .entry_size = sizeof(Cmd),
        .log2size = FIELD_EX64(vcmdq->base, VCMDQ_BASE, LOG2SIZE),
    };
    SMMUCmdError err;

    if (!cmdqv_prod_ok(&queue)) {
        qemu_log_mask(LOG_GUEST_ERROR, "%s: PROD 0x%x of VCMDQ %u is beyond "
                      "the queue\n", TYPE_TEGRA241_CMDQV, queue.prod, q);
        tegra241_cmdqv_fail(s, q, SMMU_CERROR_ABT);
        return;
    }
    err = smmuv3_consume_cmds(s->smmu, &queue, cmdqv_admit, &src);
    vcmdq->cons = queue.cons;
    trace_tegra241_cmdqv_consume(q, queue.prod, queue.cons, err);
    if (err) {
        tegra241_cmdqv_fail(s, q, err);
    }
}

const Tegra241CMDQVOps tegra241_cmdqv_emul_ops = {
    .name = "emulated",
    .consume = tegra241_cmdqv_consume,
};
