/*
 * Tegra241 CMDQ-V of an emulated SMMUv3 on the virt machine: what the tests
 * of it share
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef TESTS_QTEST_TEGRA241_CMDQV_H
#define TESTS_QTEST_TEGRA241_CMDQV_H

#include "qemu/bitops.h"
#include "libqtest.h"

#define VIRT_PLATFORM_BUS       0x0c000000
#define VIRT_RAM                0x40000000ULL
#define VIRT_NO_RAM             0xffffff000000ULL

/* Pages of 16 VINTFs, aligned to 4 MiB, on the platform bus */
#define CMDQV                   (VIRT_PLATFORM_BUS + 0x400000)
#define CMDQV_SPI               (112 + 4)

/* GICv2 distributor */
#define GICD_ISENABLER          0x08000100
#define GICD_ISPENDR            0x08000200
#define GICD_ICPENDR            0x08000280
#define GICD_ICFGR              0x08000c00
#define INTID                   (CMDQV_SPI + 32)

#define CONFIG                  0x0000
#define PARAM                   0x0004
#define STATUS                  0x0008
#define VINTF_ERR_MAP(n)        (0x0014 + 4 * (n))
#define VINTF_INT_MASK(n)       (0x001c + 4 * (n))
#define CMDQ_ERR_MAP(n)         (0x0024 + 4 * (n))
#define CMDQ_ALLOC(q)           (0x0200 + 4 * (q))
#define VINTF(v)                (0x1000 + 0x100 * (v))
#define VINTF_CONFIG(v)         (VINTF(v) + 0x00)
#define VINTF_STATUS(v)         (VINTF(v) + 0x04)
#define SID_MATCH(v, n)         (VINTF(v) + 0x40 + 4 * (n))
#define SID_REPLACE(v, n)       (VINTF(v) + 0x80 + 4 * (n))
#define LVCMDQ_ERR_MAP(v, n)    (VINTF(v) + 0xc0 + 8 * (n))
#define VCMDQ_PAGE0(q)          (0x10000 + 0x80 * (q))
#define VCMDQ_PAGE1(q)          (0x20000 + 0x80 * (q))
#define LVCMDQ_PAGE0(v, l)      (0x30000 + 0x20000 * (v) + 0x80 * (l))
#define LVCMDQ_PAGE1(v, l)      (0x40000 + 0x20000 * (v) + 0x80 * (l))

#define Q_CONS                  0x00
#define Q_PROD                  0x04
#define Q_CONFIG                0x08
#define Q_STATUS                0x0c
#define Q_GERROR                0x10
#define Q_GERRORN               0x14
#define Q_BASE                  0x00
#define Q_CONS_INDX_BASE        0x08

#define EN                      1
#define ALLOCATED               1
#define ALLOC(v, l)             ((v) << 15 | (l) << 1 | ALLOCATED)
#define HYP_OWN                 BIT(17)
#define VMID(n)                 ((n) << 1)
#define CERROR_ILL              1
#define CERROR_ABT              2

#define CMD_SIZE                16
#define CMD_CFGI_ALL            0x04
#define CMD_TLBI_NH_ALL         0x10
#define CMD_TLBI_NH_ASID        0x11
#define CMD_TLBI_NH_VA          0x12
#define CMD_TLBI_NSNH_ALL       0x30
#define CMD_ATC_INV             0x40
#define CMD_SYNC                0x46
#define CMD_VMID(n)             ((uint64_t)(n) << 32)
#define CMD_SID(n)              ((uint64_t)(n) << 32)

#define MACHINE "-machine virt -cpu max -nodefaults "
#define SMMU(more) \
    "-device arm-smmuv3,id=s,primary-bus=pcie.0,stage=nested" more " "

static inline uint32_t rd(QTestState *qts, uint64_t reg)
{
    return qtest_readl(qts, CMDQV + reg);
}

static inline void wr(QTestState *qts, uint64_t reg, uint32_t value)
{
    qtest_writel(qts, CMDQV + reg, value);
}

static inline QTestState *cmdqv_init(const char *more)
{
    return qtest_initf(MACHINE SMMU(",cmdqv=on") "%s", more);
}

#endif
