/*
 * Tegra241 CMDQ-V: the registers
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A table for each block of them; tegra241-cmdqv-mmio.c finds the way there.
 */

#include "qemu/osdep.h"
#include "qemu/log.h"
#include "tegra241-cmdqv.h"
#include "trace.h"

static void cmdqv_update(Tegra241CMDQVState *s)
{
    if (s->ops->update) {
        s->ops->update(s);
    }
    for (unsigned q = 0; q < tegra241_cmdqv_num_vcmdqs(s); q++) {
        tegra241_cmdqv_kick(s, q);
    }
}

static void cmdqv_release(Tegra241CMDQVState *s, unsigned q)
{
    if (s->ops->release) {
        s->ops->release(s, q);
    }
}

/* The queues of VINTF @vintf, or all if it is negative: last one first */
static void cmdqv_release_vintf(Tegra241CMDQVState *s, int vintf)
{
    for (int q = tegra241_cmdqv_num_vcmdqs(s) - 1; q >= 0; q--) {
        if (vintf < 0 || FIELD_EX32(s->vcmdq[q].alloc, CMDQV_CMDQ_ALLOC,
                                    VINTF) == vintf) {
            cmdqv_release(s, q);
        }
    }
}

/* Configuration page: the CMDQ-V's own registers */

static uint64_t cmdqv_config_read(Tegra241CMDQVState *s, unsigned block,
                                  unsigned n)
{
    return s->config;
}

static void cmdqv_config_write(Tegra241CMDQVState *s, unsigned block,
                               unsigned n, uint64_t value)
{
    if (!FIELD_EX32(value, CMDQV_CONFIG, EN)) {
        cmdqv_release_vintf(s, -1);
    }
    s->config = value;
    cmdqv_update(s);
}

static uint64_t cmdqv_param_read(Tegra241CMDQVState *s, unsigned block,
                                 unsigned n)
{
    const Tegra241CMDQVParams *p = &s->params;
    uint32_t value = FIELD_DP32(0, CMDQV_PARAM, VER, p->version);

    value = FIELD_DP32(value, CMDQV_PARAM, NUM_VCMDQ_LOG2, p->log2_vcmdqs);
    value = FIELD_DP32(value, CMDQV_PARAM, NUM_VINTF_LOG2, p->log2_vintfs);
    return FIELD_DP32(value, CMDQV_PARAM, NUM_SID_PER_VM_LOG2, p->log2_sids);
}

static uint64_t cmdqv_status_read(Tegra241CMDQVState *s, unsigned block,
                                  unsigned n)
{
    return FIELD_DP32(0, CMDQV_STATUS, ENABLED,
                      FIELD_EX32(s->config, CMDQV_CONFIG, EN));
}

static uint64_t vintf_lvcmdq_err_map_read(Tegra241CMDQVState *s,
                                          unsigned vintf, unsigned n)
{
    uint64_t map = 0;

    for (unsigned q = 0; q < tegra241_cmdqv_num_vcmdqs(s); q++) {
        uint32_t alloc = s->vcmdq[q].alloc;
        unsigned lvcmdq = FIELD_EX32(alloc, CMDQV_CMDQ_ALLOC, LVCMDQ);

        if (FIELD_EX32(alloc, CMDQV_CMDQ_ALLOC, ALLOCATED) &&
            FIELD_EX32(alloc, CMDQV_CMDQ_ALLOC, VINTF) == vintf &&
            lvcmdq / 64 == n && tegra241_cmdqv_vcmdq_in_error(s, q)) {
            map |= 1ULL << (lvcmdq % 64);
        }
    }
    return map;
}

static uint64_t cmdqv_vintf_err_map_read(Tegra241CMDQVState *s, unsigned block,
                                         unsigned n)
{
    uint32_t map = 0;

    for (unsigned bit = 0; bit < 32; bit++) {
        unsigned vintf = n * 32 + bit;

        if (vintf < tegra241_cmdqv_num_vintfs(s) &&
            (vintf_lvcmdq_err_map_read(s, vintf, 0) ||
             vintf_lvcmdq_err_map_read(s, vintf, 1))) {
            map |= 1u << bit;
        }
    }
    return map;
}

static uint64_t cmdqv_vintf_int_mask_read(Tegra241CMDQVState *s,
                                          unsigned block, unsigned n)
{
    return s->vintf_int_mask[n];
}

static void cmdqv_vintf_int_mask_write(Tegra241CMDQVState *s, unsigned block,
                                       unsigned n, uint64_t value)
{
    s->vintf_int_mask[n] = value;
}

static uint64_t cmdqv_cmdq_err_map_read(Tegra241CMDQVState *s, unsigned block,
                                        unsigned n)
{
    uint32_t map = 0;

    for (unsigned bit = 0; bit < 32; bit++) {
        unsigned q = n * 32 + bit;

        if (q < tegra241_cmdqv_num_vcmdqs(s) &&
            tegra241_cmdqv_vcmdq_in_error(s, q)) {
            map |= 1u << bit;
        }
    }
    return map;
}

static uint64_t cmdqv_cmdq_alloc_read(Tegra241CMDQVState *s, unsigned block,
                                      unsigned q)
{
    return q < tegra241_cmdqv_num_vcmdqs(s) ? s->vcmdq[q].alloc : 0;
}

/* Can VCMDQ @q be what @alloc says? */
static bool cmdqv_alloc_ok(Tegra241CMDQVState *s, unsigned q, uint32_t alloc)
{
    unsigned vintf = FIELD_EX32(alloc, CMDQV_CMDQ_ALLOC, VINTF);
    unsigned lvcmdq = FIELD_EX32(alloc, CMDQV_CMDQ_ALLOC, LVCMDQ);
    int other;

    if (!FIELD_EX32(alloc, CMDQV_CMDQ_ALLOC, ALLOCATED)) {
        return true;
    }
    other = tegra241_cmdqv_find_vcmdq(s, vintf, lvcmdq);
    return vintf < tegra241_cmdqv_num_vintfs(s) &&
           lvcmdq < tegra241_cmdqv_num_vcmdqs(s) &&
           (other < 0 || other == q);
}

static void cmdqv_cmdq_alloc_write(Tegra241CMDQVState *s, unsigned block,
                                   unsigned q, uint64_t value)
{
    uint32_t old, alloc = value;
    bool moved_in_use;

    if (q >= tegra241_cmdqv_num_vcmdqs(s) || s->vcmdq[q].alloc == alloc) {
        return;
    }
    old = s->vcmdq[q].alloc;
    moved_in_use = FIELD_EX32(alloc, CMDQV_CMDQ_ALLOC, ALLOCATED) &&
                   tegra241_cmdqv_vcmdq_enabled(s, q);
    trace_tegra241_cmdqv_alloc(q, FIELD_EX32(alloc, CMDQV_CMDQ_ALLOC, VINTF),
                               FIELD_EX32(alloc, CMDQV_CMDQ_ALLOC, LVCMDQ),
                               FIELD_EX32(alloc, CMDQV_CMDQ_ALLOC, ALLOCATED));
    cmdqv_release(s, q);
    if (moved_in_use || !cmdqv_alloc_ok(s, q, alloc)) {
        qemu_log_mask(LOG_GUEST_ERROR, "%s: VCMDQ %u cannot be allocated as "
                      "0x%x, it is 0x%x\n", TYPE_TEGRA241_CMDQV, q, alloc,
                      old);
        s->vcmdq[q].config = 0;
        tegra241_cmdqv_fail(s, q, SMMU_CERROR_ABT);
    } else {
        s->vcmdq[q].alloc = alloc;
    }
    cmdqv_update(s);
}

const CMDQVReg tegra241_cmdqv_config_regs[] = {
    {
        .name = "CONFIG", .offset = A_CMDQV_CONFIG, .size = 4, .num = 1,
        .mask = R_CMDQV_CONFIG_EN_MASK,
        .read = cmdqv_config_read, .write = cmdqv_config_write,
    }, {
        .name = "PARAM", .offset = A_CMDQV_PARAM, .size = 4, .num = 1,
        .read = cmdqv_param_read,
    }, {
        .name = "STATUS", .offset = A_CMDQV_STATUS, .size = 4, .num = 1,
        .read = cmdqv_status_read,
    }, {
        .name = "VINTF_ERR_MAP", .offset = A_CMDQV_VINTF_ERR_MAP, .size = 4,
        .num = CMDQV_MAX_VINTFS / 32,
        .read = cmdqv_vintf_err_map_read,
    }, {
        .name = "VINTF_INT_MASK", .offset = A_CMDQV_VINTF_INT_MASK, .size = 4,
        .num = CMDQV_MAX_VINTFS / 32,
        .mask = UINT32_MAX,
        .read = cmdqv_vintf_int_mask_read, .write = cmdqv_vintf_int_mask_write,
    }, {
        .name = "CMDQ_ERR_MAP", .offset = A_CMDQV_CMDQ_ERR_MAP, .size = 4,
        .num = CMDQV_MAX_VCMDQS / 32,
        .read = cmdqv_cmdq_err_map_read,
    }, {
        .name = "CMDQ_ALLOC", .offset = A_CMDQV_CMDQ_ALLOC, .size = 4,
        .num = CMDQV_MAX_VCMDQS,
        .mask = R_CMDQV_CMDQ_ALLOC_ALLOCATED_MASK |
                R_CMDQV_CMDQ_ALLOC_LVCMDQ_MASK | R_CMDQV_CMDQ_ALLOC_VINTF_MASK,
        .read = cmdqv_cmdq_alloc_read, .write = cmdqv_cmdq_alloc_write,
    },
    { },
};

/* Configuration page: registers of a VINTF */

static uint64_t vintf_config_read(Tegra241CMDQVState *s, unsigned vintf,
                                  unsigned n)
{
    return s->vintf[vintf].config;
}

static void vintf_config_write(Tegra241CMDQVState *s, unsigned vintf,
                               unsigned n, uint64_t value)
{
    if (s->ops->guest_owned) {
        value = FIELD_DP32(value, VINTF_CONFIG, HYP_OWN, 0);
    }
    if (!FIELD_EX32(value, VINTF_CONFIG, EN)) {
        cmdqv_release_vintf(s, vintf);
    }
    s->vintf[vintf].config = value;
    trace_tegra241_cmdqv_vintf(vintf, FIELD_EX32(value, VINTF_CONFIG, EN),
                               FIELD_EX32(value, VINTF_CONFIG, HYP_OWN),
                               FIELD_EX32(value, VINTF_CONFIG, VMID));
    cmdqv_update(s);
}

static uint64_t vintf_status_read(Tegra241CMDQVState *s, unsigned vintf,
                                  unsigned n)
{
    return FIELD_DP32(0, VINTF_STATUS, ENABLED,
                      FIELD_EX32(s->config, CMDQV_CONFIG, EN) &&
                      FIELD_EX32(s->vintf[vintf].config, VINTF_CONFIG, EN));
}

static uint64_t vintf_sid_match_read(Tegra241CMDQVState *s, unsigned vintf,
                                     unsigned n)
{
    return s->vintf[vintf].sid_match[n];
}

static void vintf_sid_match_write(Tegra241CMDQVState *s, unsigned vintf,
                                  unsigned n, uint64_t value)
{
    if (n < tegra241_cmdqv_num_sids(s)) {
        s->vintf[vintf].sid_match[n] = value;
    }
}

static uint64_t vintf_sid_replace_read(Tegra241CMDQVState *s, unsigned vintf,
                                       unsigned n)
{
    return s->vintf[vintf].sid_replace[n];
}

static void vintf_sid_replace_write(Tegra241CMDQVState *s, unsigned vintf,
                                    unsigned n, uint64_t value)
{
    if (n < tegra241_cmdqv_num_sids(s)) {
        s->vintf[vintf].sid_replace[n] = value;
    }
}

const CMDQVReg tegra241_cmdqv_vintf_regs[] = {
    {
        .name = "VINTF_CONFIG", .offset = A_VINTF_CONFIG, .size = 4, .num = 1,
        .mask = R_VINTF_CONFIG_EN_MASK | R_VINTF_CONFIG_VMID_MASK |
                R_VINTF_CONFIG_HYP_OWN_MASK,
        .read = vintf_config_read, .write = vintf_config_write,
    }, {
        .name = "VINTF_STATUS", .offset = A_VINTF_STATUS, .size = 4, .num = 1,
        .read = vintf_status_read,
    }, {
        .name = "SID_MATCH", .offset = A_VINTF_SID_MATCH, .size = 4,
        .num = CMDQV_MAX_SIDS,
        .mask = R_VINTF_SID_MATCH_ENABLE_MASK |
                R_VINTF_SID_MATCH_VIRT_SID_MASK,
        .read = vintf_sid_match_read, .write = vintf_sid_match_write,
    }, {
        .name = "SID_REPLACE", .offset = A_VINTF_SID_REPLACE, .size = 4,
        .num = CMDQV_MAX_SIDS,
        .mask = UINT32_MAX,
        .read = vintf_sid_replace_read, .write = vintf_sid_replace_write,
    }, {
        .name = "LVCMDQ_ERR_MAP", .offset = A_VINTF_LVCMDQ_ERR_MAP, .size = 8,
        .num = CMDQV_MAX_VCMDQS / 64,
        .read = vintf_lvcmdq_err_map_read,
    },
    { },
};

/* Page 0 of a VCMDQ, while it is not the backend's */

static uint64_t vcmdq_cons_read(Tegra241CMDQVState *s, unsigned q, unsigned n)
{
    return s->vcmdq[q].cons;
}

static void vcmdq_cons_write(Tegra241CMDQVState *s, unsigned q, unsigned n,
                             uint64_t value)
{
    if (!tegra241_cmdqv_vcmdq_enabled(s, q)) {
        s->vcmdq[q].cons = value;
    }
}

static uint64_t vcmdq_prod_read(Tegra241CMDQVState *s, unsigned q, unsigned n)
{
    return s->vcmdq[q].prod;
}

static void vcmdq_prod_write(Tegra241CMDQVState *s, unsigned q, unsigned n,
                             uint64_t value)
{
    s->vcmdq[q].prod = value;
    tegra241_cmdqv_kick(s, q);
}

static uint64_t vcmdq_config_read(Tegra241CMDQVState *s, unsigned q,
                                  unsigned n)
{
    return s->vcmdq[q].config;
}

static void vcmdq_config_write(Tegra241CMDQVState *s, unsigned q, unsigned n,
                               uint64_t value)
{
    uint32_t old = s->vcmdq[q].config;

    s->vcmdq[q].config = value;
    if (value & ~old & R_VCMDQ_CONFIG_EN_MASK &&
        !tegra241_cmdqv_size_ok(s, q)) {
        tegra241_cmdqv_fail(s, q, SMMU_CERROR_ABT);
        return;
    }
    tegra241_cmdqv_kick(s, q);
}

static uint64_t vcmdq_status_read(Tegra241CMDQVState *s, unsigned q,
                                  unsigned n)
{
    return FIELD_DP32(0, VCMDQ_STATUS, ENABLED,
                      FIELD_EX32(s->vcmdq[q].config, VCMDQ_CONFIG, EN) &&
                      tegra241_cmdqv_vcmdq_reachable(s, q) &&
                      tegra241_cmdqv_size_ok(s, q));
}

static uint64_t vcmdq_gerror_read(Tegra241CMDQVState *s, unsigned q,
                                  unsigned n)
{
    return s->vcmdq[q].gerror;
}

static uint64_t vcmdq_gerrorn_read(Tegra241CMDQVState *s, unsigned q,
                                   unsigned n)
{
    return s->vcmdq[q].gerrorn;
}

static void vcmdq_gerrorn_write(Tegra241CMDQVState *s, unsigned q, unsigned n,
                                uint64_t value)
{
    if (value != s->vcmdq[q].gerrorn && !tegra241_cmdqv_vcmdq_in_error(s, q)) {
        /* nothing to acknowledge: must not become an error by itself */
        qemu_log_mask(LOG_GUEST_ERROR, "%s: GERRORN of VCMDQ %u toggled "
                      "without an error\n", TYPE_TEGRA241_CMDQV, q);
        return;
    }
    s->vcmdq[q].gerrorn = value;
    /* what has been put in place of the command in error; any backend may */
    cmdqv_update(s);
}

const CMDQVReg tegra241_cmdqv_vcmdq_page0_regs[] = {
    {
        .name = "VCMDQ_CONS", .offset = A_VCMDQ_CONS, .size = 4, .num = 1,
        .mask = R_VCMDQ_CONS_RD_MASK | R_VCMDQ_CONS_ERR_MASK,
        .read = vcmdq_cons_read, .write = vcmdq_cons_write,
    }, {
        .name = "VCMDQ_PROD", .offset = A_VCMDQ_PROD, .size = 4, .num = 1,
        .mask = R_VCMDQ_PROD_WR_MASK,
        .read = vcmdq_prod_read, .write = vcmdq_prod_write,
    }, {
        .name = "VCMDQ_CONFIG", .offset = A_VCMDQ_CONFIG, .size = 4, .num = 1,
        .mask = R_VCMDQ_CONFIG_EN_MASK,
        .read = vcmdq_config_read, .write = vcmdq_config_write,
    }, {
        .name = "VCMDQ_STATUS", .offset = A_VCMDQ_STATUS, .size = 4, .num = 1,
        .read = vcmdq_status_read,
    }, {
        .name = "VCMDQ_GERROR", .offset = A_VCMDQ_GERROR, .size = 4, .num = 1,
        .read = vcmdq_gerror_read,
    }, {
        .name = "VCMDQ_GERRORN", .offset = A_VCMDQ_GERRORN, .size = 4,
        .num = 1,
        .mask = R_VCMDQ_GERROR_CMDQ_ERR_MASK,
        .read = vcmdq_gerrorn_read, .write = vcmdq_gerrorn_write,
    },
    { },
};

/* Page 1 of a VCMDQ */

static uint64_t vcmdq_base_read(Tegra241CMDQVState *s, unsigned q, unsigned n)
{
    return s->vcmdq[q].base;
}

static void vcmdq_base_write(Tegra241CMDQVState *s, unsigned q, unsigned n,
                             uint64_t value)
{
    if (tegra241_cmdqv_vcmdq_enabled(s, q)) {
        qemu_log_mask(LOG_GUEST_ERROR, "%s: BASE of VCMDQ %u written while it "
                      "is enabled\n", TYPE_TEGRA241_CMDQV, q);
        return;
    }
    cmdqv_release(s, q);
    s->vcmdq[q].base = value;
    cmdqv_update(s);
}

static uint64_t vcmdq_cons_indx_base_read(Tegra241CMDQVState *s, unsigned q,
                                          unsigned n)
{
    return s->vcmdq[q].cons_indx_base;
}

static void vcmdq_cons_indx_base_write(Tegra241CMDQVState *s, unsigned q,
                                       unsigned n, uint64_t value)
{
    s->vcmdq[q].cons_indx_base = value;
}

const CMDQVReg tegra241_cmdqv_vcmdq_page1_regs[] = {
    {
        .name = "VCMDQ_BASE", .offset = A_VCMDQ_BASE, .size = 8, .num = 1,
        .mask = R_VCMDQ_BASE_LOG2SIZE_MASK | R_VCMDQ_BASE_ADDR_MASK,
        .read = vcmdq_base_read, .write = vcmdq_base_write,
    }, {
        .name = "VCMDQ_CONS_INDX_BASE", .offset = A_VCMDQ_CONS_INDX_BASE,
        .size = 8, .num = 1,
        .mask = R_VCMDQ_BASE_ADDR_MASK,
        .read = vcmdq_cons_indx_base_read,
        .write = vcmdq_cons_indx_base_write,
    },
    { },
};
