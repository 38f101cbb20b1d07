/*
 * Accelerated SMMUv3: the guest's commands that the host has to see
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Invalidations are only complete at the next CMD_SYNC (the arch, 4.7), so
 * those between two of them go to the host in one call, in the guest's order.
 * Nothing waits beyond a change of configuration or the end of the queue.
 */

#include "qemu/osdep.h"
#include "hw/registerfields.h"
#include "smmuv3-accel.h"
#include "trace.h"
#include <linux/iommufd.h>

/* Command fields, 64-bit words 0 and 1 (the arch, 4.3 and 4.4) */
FIELD(CMD0, OPCODE, 0, 8)
FIELD(CMD0, TLBI_NUM, 12, 5)
FIELD(CMD0, ATC_GLOBAL, 9, 1)
FIELD(CMD0, SSV, 11, 1)
FIELD(CMD0, CFGI_SSID, 12, 20)
FIELD(CMD0, TLBI_SCALE, 20, 5)
FIELD(CMD0, TLBI_VMID, 32, 16)
FIELD(CMD0, CFGI_SID, 32, 32)
FIELD(CMD0, TLBI_ASID, 48, 16)
FIELD(CMD1, LEAF, 0, 1)
FIELD(CMD1, ATC_SIZE, 0, 6)
FIELD(CMD1, TLBI_TTL, 8, 2)
FIELD(CMD1, TLBI_TG, 10, 2)
FIELD(CMD1, TLBI_ADDR, 12, 52)

#define CMD0_TLBI_RANGE (R_CMD0_TLBI_NUM_MASK | R_CMD0_TLBI_SCALE_MASK)
#define CMD1_TLBI_RANGE (R_CMD1_TLBI_TTL_MASK | R_CMD1_TLBI_TG_MASK)

/*
 * What of each command goes to the host: the fields that the arch defines for
 * it.  A guest must not reach the host's SMMU with anything else.
 */
static const struct SMMUv3AccelForward {
    SMMUCommandType type;
    bool has_sid;
    bool needs_ats;
    uint64_t mask[2];
} smmuv3_accel_forward[] = {
    {
        .type = SMMU_CMD_TLBI_NSNH_ALL,
        .mask = { R_CMD0_OPCODE_MASK },
    }, {
        .type = SMMU_CMD_TLBI_NH_ALL,
        .mask = { R_CMD0_OPCODE_MASK | R_CMD0_TLBI_VMID_MASK },
    }, {
        .type = SMMU_CMD_TLBI_NH_ASID,
        .mask = { R_CMD0_OPCODE_MASK | R_CMD0_TLBI_VMID_MASK |
                  R_CMD0_TLBI_ASID_MASK },
    }, {
        .type = SMMU_CMD_TLBI_NH_VA,
        .mask = { R_CMD0_OPCODE_MASK | R_CMD0_TLBI_VMID_MASK |
                  R_CMD0_TLBI_ASID_MASK | CMD0_TLBI_RANGE,
                  R_CMD1_LEAF_MASK | R_CMD1_TLBI_ADDR_MASK |
                  CMD1_TLBI_RANGE },
    }, {
        .type = SMMU_CMD_TLBI_NH_VAA,
        .mask = { R_CMD0_OPCODE_MASK | R_CMD0_TLBI_VMID_MASK |
                  CMD0_TLBI_RANGE,
                  R_CMD1_LEAF_MASK | R_CMD1_TLBI_ADDR_MASK |
                  CMD1_TLBI_RANGE },
    }, {
        .type = SMMU_CMD_CFGI_CD,
        .has_sid = true,
        .mask = { R_CMD0_OPCODE_MASK | R_CMD0_CFGI_SSID_MASK |
                  R_CMD0_CFGI_SID_MASK, R_CMD1_LEAF_MASK },
    }, {
        .type = SMMU_CMD_CFGI_CD_ALL,
        .has_sid = true,
        .mask = { R_CMD0_OPCODE_MASK | R_CMD0_CFGI_SID_MASK },
    }, {
        .type = SMMU_CMD_ATC_INV,
        .has_sid = true,
        .needs_ats = true,
        .mask = { R_CMD0_OPCODE_MASK | R_CMD0_ATC_GLOBAL_MASK |
                  R_CMD0_SSV_MASK | R_CMD0_CFGI_SSID_MASK |
                  R_CMD0_CFGI_SID_MASK,
                  R_CMD1_ATC_SIZE_MASK | R_CMD1_TLBI_ADDR_MASK },
    },
};

static const struct SMMUv3AccelForward *
smmuv3_accel_find_forward(SMMUCommandType type)
{
    for (int i = 0; i < ARRAY_SIZE(smmuv3_accel_forward); i++) {
        if (smmuv3_accel_forward[i].type == type) {
            return &smmuv3_accel_forward[i];
        }
    }
    return NULL;
}

/* Returns how many of the first @num entries the host has taken */
static uint32_t smmuv3_accel_invalidate(SMMUv3AccelState *accel, uint32_t num,
                                        int *ret)
{
    uint32_t done = num;

    *ret = iommufd_backend_invalidate(accel->iommufd, accel->viommu_id,
                                      IOMMU_VIOMMU_INVALIDATE_DATA_ARM_SMMUV3,
                                      sizeof(accel->batch.cmd[0]), &done,
                                      accel->batch.cmd);
    trace_smmuv3_accel_flush(num, done, *ret);
    return done;
}

SMMUCmdError smmuv3_accel_flush(SMMUv3State *s)
{
    SMMUv3AccelState *accel = s->s_accel;
    uint32_t num, done;
    int ret;

    if (!accel || !accel->batch.len) {
        return SMMU_CERROR_NONE;
    }
    num = accel->batch.len;
    accel->batch.len = 0;
    done = smmuv3_accel_invalidate(accel, num, &ret);
    if (!ret) {
        return SMMU_CERROR_NONE;
    }

    /*
     * The kernel checks entries ahead of those it has sent to the SMMU, and
     * counts them as done: send them again.  Invalidating twice is harmless.
     */
    done = MIN(done, num - 1);
    if (done) {
        int again;

        smmuv3_accel_invalidate(accel, done, &again);
    }
    s->cmdq.cons = accel->batch.cons[done];
    return SMMU_CERROR_ILL;
}

static SMMUCmdError smmuv3_accel_queue(SMMUv3State *s, uint64_t word0,
                                       uint64_t word1)
{
    SMMUv3AccelBatch *batch = &s->s_accel->batch;
    SMMUCmdError err = SMMU_CERROR_NONE;

    if (batch->len == SMMUV3_ACCEL_BATCH_MAX) {
        err = smmuv3_accel_flush(s);
        if (err) {
            return err;
        }
    }
    batch->cmd[batch->len].word[0] = cpu_to_le64(word0);
    batch->cmd[batch->len].word[1] = cpu_to_le64(word1);
    batch->cons[batch->len] = s->cmdq.cons;
    batch->len++;
    return err;
}

static SMMUCmdError smmuv3_accel_forward_cmd(SMMUv3State *s, Cmd *cmd)
{
    const struct SMMUv3AccelForward *fwd =
        smmuv3_accel_find_forward(CMD_TYPE(cmd));
    uint64_t word[2] = {
        cmd->word[0] | (uint64_t)cmd->word[1] << 32,
        cmd->word[2] | (uint64_t)cmd->word[3] << 32,
    };

    if (!fwd || (fwd->needs_ats && !FIELD_EX32(s->idr[0], IDR0, ATS))) {
        return SMMU_CERROR_NONE;
    }
    if (fwd->has_sid) {
        SMMUv3AccelDevice *dev = smmuv3_accel_find_device(s, CMD_SID(cmd));

        /* an emulated device, or one the host does not know by this ID */
        if (!dev || !dev->vdev_id || dev->vsid != CMD_SID(cmd)) {
            return SMMU_CERROR_NONE;
        }
    }
    word[0] &= fwd->mask[0];
    word[1] &= fwd->mask[1];
    if (!FIELD_EX32(s->idr[3], IDR3, RIL)) {
        word[0] &= fwd->has_sid ? ~0ULL : ~CMD0_TLBI_RANGE;
        word[1] &= fwd->has_sid ? ~0ULL : ~CMD1_TLBI_RANGE;
    }
    trace_smmuv3_accel_cmd_queued(smmu_cmd_string(CMD_TYPE(cmd)));
    return smmuv3_accel_queue(s, word[0], word[1]);
}

/* CFGI_STE, CFGI_STE_RANGE, CFGI_ALL: the STEs of @first to @last may differ */
static SMMUCmdError smmuv3_accel_config_changed(SMMUv3State *s, uint32_t first,
                                                uint32_t last)
{
    SMMUCmdError err = smmuv3_accel_flush(s);
    SMMUv3AccelDevice *dev;

    if (err) {
        return err;
    }
    QLIST_FOREACH(dev, &s->s_accel->devices, next) {
        uint32_t sid = smmuv3_accel_device_sid(dev);
        uint32_t old_hwpt_id = dev->hwpt_id;

        if (sid < first || sid > last) {
            continue;
        }
        smmuv3_accel_sync_device(dev);
        /*
         * The command covers the CDs below the STE too.  A new nested HWPT
         * starts without any cached; one that was kept does not.
         */
        if (dev->hwpt_id == old_hwpt_id && dev->hwpt_id == dev->s1_hwpt_id) {
            uint64_t cmd = FIELD_DP64(0, CMD0, OPCODE, SMMU_CMD_CFGI_CD_ALL);

            err = smmuv3_accel_queue(s, FIELD_DP64(cmd, CMD0, CFGI_SID, sid),
                                     0);
            if (err) {
                return err;
            }
        }
    }
    return SMMU_CERROR_NONE;
}

SMMUCmdError smmuv3_accel_command(SMMUv3State *s, Cmd *cmd)
{
    uint32_t sid, last;

    if (!s->s_accel || !s->s_accel->viommu_id) {
        return SMMU_CERROR_NONE;
    }
    switch (CMD_TYPE(cmd)) {
    case SMMU_CMD_CFGI_STE:
        return smmuv3_accel_config_changed(s, CMD_SID(cmd), CMD_SID(cmd));
    case SMMU_CMD_CFGI_STE_RANGE:
        last = (1ULL << (CMD_STE_RANGE(cmd) + 1)) - 1;
        sid = CMD_SID(cmd) & ~last;
        return smmuv3_accel_config_changed(s, sid, sid + last);
    default:
        return smmuv3_accel_forward_cmd(s, cmd);
    }
}
