/*
 * Tegra241 CMDQ-V: register layout
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * There is no public specification.  The names and places are those that
 * Linux's driver uses (drivers/iommu/arm/arm-smmu-v3/tegra241-cmdqv.c).
 *
 *   0x00000  configuration, and the VINTFs' at 0x1000
 *   0x10000  page 0 of all VCMDQs: control and status
 *   0x20000  page 1 of all VCMDQs: where the queue is
 *   0x30000  VINTF 0: page 0, then page 1 of the VCMDQs that belong to it,
 *   0x50000  VINTF 1, ...               by their logical numbers (LVCMDQ)
 */

#ifndef HW_ARM_TEGRA241_CMDQV_REGS_H
#define HW_ARM_TEGRA241_CMDQV_REGS_H

#include "hw/registerfields.h"

#define CMDQV_PAGE_SIZE         0x10000
#define CMDQV_CONFIG_BASE       0x00000
#define CMDQV_VCMDQ_PAGE0_BASE  0x10000
#define CMDQV_VCMDQ_PAGE1_BASE  0x20000
#define CMDQV_VINTF_PAGE_BASE   0x30000
#define CMDQV_VINTF_PAGES_SIZE  (2 * CMDQV_PAGE_SIZE)

/* In a page of VCMDQs, and in the configuration page */
#define CMDQV_VCMDQ_STRIDE      0x80
#define CMDQV_VINTF_BASE        0x1000
#define CMDQV_VINTF_STRIDE      0x100

/* As many as the register map has room for */
#define CMDQV_MAX_VINTFS        64
#define CMDQV_MAX_VCMDQS        128
#define CMDQV_MAX_SIDS          16

/* The CMDQ-V's own */
REG32(CMDQV_CONFIG,             0x0000)
    FIELD(CMDQV_CONFIG, EN,             0, 1)
REG32(CMDQV_PARAM,              0x0004)
    FIELD(CMDQV_PARAM, VER,             0, 4)
    FIELD(CMDQV_PARAM, NUM_VCMDQ_LOG2,  4, 4)
    FIELD(CMDQV_PARAM, NUM_VINTF_LOG2,  8, 4)
    FIELD(CMDQV_PARAM, NUM_SID_PER_VM_LOG2, 12, 4)
REG32(CMDQV_STATUS,             0x0008)
    FIELD(CMDQV_STATUS, ENABLED,        0, 1)
REG32(CMDQV_VINTF_ERR_MAP,      0x0014) /* 2 of them, a bit for each VINTF */
REG32(CMDQV_VINTF_INT_MASK,     0x001c) /* likewise */
REG32(CMDQV_CMDQ_ERR_MAP,       0x0024) /* 4 of them, a bit for each VCMDQ */
REG32(CMDQV_CMDQ_ALLOC,         0x0200) /* one for each VCMDQ */
    FIELD(CMDQV_CMDQ_ALLOC, ALLOCATED,  0, 1)
    FIELD(CMDQV_CMDQ_ALLOC, LVCMDQ,     1, 7)
    FIELD(CMDQV_CMDQ_ALLOC, VINTF,      15, 6)

/* Of each VINTF */
REG32(VINTF_CONFIG,             0x0000)
    FIELD(VINTF_CONFIG, EN,             0, 1)
    FIELD(VINTF_CONFIG, VMID,           1, 16)
    FIELD(VINTF_CONFIG, HYP_OWN,        17, 1)
REG32(VINTF_STATUS,             0x0004)
    FIELD(VINTF_STATUS, ENABLED,        0, 1)
REG32(VINTF_SID_MATCH,          0x0040) /* 16 of them */
    FIELD(VINTF_SID_MATCH, ENABLE,      0, 1)
    FIELD(VINTF_SID_MATCH, VIRT_SID,    1, 20)
REG32(VINTF_SID_REPLACE,        0x0080) /* 16 of them */
REG64(VINTF_LVCMDQ_ERR_MAP,     0x00c0) /* 2 of them, a bit for each LVCMDQ */

/* Of each VCMDQ, page 0 */
REG32(VCMDQ_CONS,               0x0000)
    FIELD(VCMDQ_CONS, RD,               0, 20)
    FIELD(VCMDQ_CONS, ERR,              24, 7)
REG32(VCMDQ_PROD,               0x0004)
    FIELD(VCMDQ_PROD, WR,               0, 20)
REG32(VCMDQ_CONFIG,             0x0008)
    FIELD(VCMDQ_CONFIG, EN,             0, 1)
REG32(VCMDQ_STATUS,             0x000c)
    FIELD(VCMDQ_STATUS, ENABLED,        0, 1)
REG32(VCMDQ_GERROR,             0x0010)
    FIELD(VCMDQ_GERROR, CMDQ_ERR,       0, 1)
REG32(VCMDQ_GERRORN,            0x0014)

/* Of each VCMDQ, page 1 */
REG64(VCMDQ_BASE,               0x0000)
    FIELD(VCMDQ_BASE, LOG2SIZE,         0, 5)
    FIELD(VCMDQ_BASE, ADDR,             5, 43)
REG64(VCMDQ_CONS_INDX_BASE,     0x0008)

#endif
