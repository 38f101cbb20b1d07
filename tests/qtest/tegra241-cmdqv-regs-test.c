/*
 * Tegra241 CMDQ-V of an emulated SMMUv3: registers
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "tegra241-cmdqv.h"

/* Registers: what they are after reset, after all-ones and after zero */

typedef struct Reg {
    const char *name;
    uint64_t offset;
    uint8_t size;
    uint64_t reset;
    uint64_t ones;              /* as read after all-ones */
} Reg;

static const Reg regs[] = {
    { "CONFIG", CONFIG, 4, 0, EN },
    { "PARAM", PARAM, 4, 0x4451, 0x4451 },
    { "STATUS", STATUS, 4, 0, 0 },
    { "VINTF_ERR_MAP0", VINTF_ERR_MAP(0), 4 },
    { "VINTF_ERR_MAP1", VINTF_ERR_MAP(1), 4 },
    { "VINTF_INT_MASK0", VINTF_INT_MASK(0), 4, 0, UINT32_MAX },
    { "VINTF_INT_MASK1", VINTF_INT_MASK(1), 4, 0, UINT32_MAX },
    { "CMDQ_ERR_MAP0", CMDQ_ERR_MAP(0), 4 },
    { "CMDQ_ERR_MAP3", CMDQ_ERR_MAP(3), 4 },
    { "VINTF0 CONFIG", VINTF_CONFIG(0), 4, 0, 0x3ffff },
    { "VINTF15 CONFIG", VINTF_CONFIG(15), 4, 0, 0x3ffff },
    { "VINTF16 CONFIG", VINTF_CONFIG(16), 4, 0, 0 },
    { "VINTF0 STATUS", VINTF_STATUS(0), 4 },
    { "SID_MATCH0", SID_MATCH(0, 0), 4, 0, 0x1fffff },
    { "SID_MATCH15", SID_MATCH(15, 15), 4, 0, 0x1fffff },
    { "SID_REPLACE0", SID_REPLACE(0, 0), 4, 0, UINT32_MAX },
    { "SID_REPLACE15", SID_REPLACE(15, 15), 4, 0, UINT32_MAX },
    { "LVCMDQ_ERR_MAP0", LVCMDQ_ERR_MAP(0, 0), 8 },
    { "LVCMDQ_ERR_MAP1", LVCMDQ_ERR_MAP(15, 1), 8 },
    { "reserved", 0x0800, 4 },
    { "CMDQ_ALLOC of no VCMDQ", CMDQ_ALLOC(32), 4 },
    { "PROD of no VCMDQ", VCMDQ_PAGE0(32) + Q_PROD, 4 },
    { "PROD of no LVCMDQ", LVCMDQ_PAGE0(3, 1) + Q_PROD, 4 },
    { "BASE of no LVCMDQ", LVCMDQ_PAGE1(3, 1) + Q_BASE, 8 },
    { "VCMDQ0 CONS", VCMDQ_PAGE0(0) + Q_CONS, 4, 0, 0x7f0fffff },
    { "VCMDQ0 PROD", VCMDQ_PAGE0(0) + Q_PROD, 4, 0, 0x000fffff },
    { "VCMDQ0 CONFIG", VCMDQ_PAGE0(0) + Q_CONFIG, 4, 0, EN },
    { "VCMDQ0 STATUS", VCMDQ_PAGE0(0) + Q_STATUS, 4, 0, 0 },
    { "VCMDQ0 GERROR", VCMDQ_PAGE0(0) + Q_GERROR, 4, 0, 0 },
    { "VCMDQ0 GERRORN", VCMDQ_PAGE0(0) + Q_GERRORN, 4, 0, 0 },
    { "VCMDQ0 BASE", VCMDQ_PAGE1(0) + Q_BASE, 8, 0, 0xffffffffffff },
    { "VCMDQ0 CONS_INDX_BASE", VCMDQ_PAGE1(0) + Q_CONS_INDX_BASE, 8, 0,
      0xffffffffffe0 },
    { "VCMDQ31 CONS", VCMDQ_PAGE0(31) + Q_CONS, 4, 0, 0x7f0fffff },
    { "VCMDQ31 PROD", VCMDQ_PAGE0(31) + Q_PROD, 4, 0, 0x000fffff },
    { "VCMDQ31 BASE", VCMDQ_PAGE1(31) + Q_BASE, 8, 0, 0xffffffffffff },
};

static uint64_t rd_reg(QTestState *qts, const Reg *reg)
{
    return reg->size == 8 ? qtest_readq(qts, CMDQV + reg->offset)
                          : rd(qts, reg->offset);
}

static void wr_reg(QTestState *qts, const Reg *reg, uint64_t value)
{
    if (reg->size == 8) {
        qtest_writeq(qts, CMDQV + reg->offset, value);
    } else {
        wr(qts, reg->offset, value);
    }
}

static void check_reg(QTestState *qts, const Reg *reg, uint64_t expected)
{
    uint64_t value = rd_reg(qts, reg);

    if (value != expected) {
        g_test_message("%s: 0x%" PRIx64 ", not 0x%" PRIx64, reg->name, value,
                       expected);
        g_test_fail();
    }
}

static void test_registers(void)
{
    for (int i = 0; i < ARRAY_SIZE(regs); i++) {
        QTestState *qts = cmdqv_init("");

        check_reg(qts, &regs[i], regs[i].reset);
        wr_reg(qts, &regs[i], UINT64_MAX);
        check_reg(qts, &regs[i], regs[i].ones);
        wr_reg(qts, &regs[i], 0);
        check_reg(qts, &regs[i], regs[i].reset);

        wr_reg(qts, &regs[i], UINT64_MAX);
        qtest_system_reset(qts);
        check_reg(qts, &regs[i], regs[i].reset);
        qtest_quit(qts);
    }
}

/* Accesses of 64 bits to two registers, of 32 bits to half of one */
static void test_access_sizes(void)
{
    QTestState *qts = cmdqv_init("");
    const uint64_t base = CMDQV + VCMDQ_PAGE1(2) + Q_BASE;
    const uint64_t cons_prod = CMDQV + VCMDQ_PAGE0(2) + Q_CONS;

    qtest_writel(qts, base, 0x1234567f);
    qtest_writel(qts, base + 4, 0xffff9abc);
    g_assert_cmphex(qtest_readq(qts, base), ==, 0x9abc1234567f);
    qtest_writeq(qts, base, 0x56789abcdef0);
    g_assert_cmphex(qtest_readl(qts, base), ==, 0x9abcdef0);
    g_assert_cmphex(qtest_readl(qts, base + 4), ==, 0x5678);

    qtest_writeq(qts, cons_prod, 0x0000000700000005);
    g_assert_cmphex(qtest_readl(qts, cons_prod), ==, 5);
    g_assert_cmphex(qtest_readl(qts, cons_prod + 4), ==, 7);
    g_assert_cmphex(qtest_readq(qts, cons_prod), ==, 0x0000000700000005);

    /* neither narrow nor unaligned accesses change anything */
    qtest_writeb(qts, cons_prod, 0xff);
    qtest_writew(qts, cons_prod + 4, 0xffff);
    qtest_writel(qts, cons_prod + 2, 0xffffffff);
    qtest_writeq(qts, cons_prod + 4, 0xffffffffffffffff);
    g_assert_cmphex(qtest_readl(qts, cons_prod), ==, 5);
    qtest_quit(qts);
}

/* All-ones and zero everywhere: nothing but that QEMU lives is asked for */
static void test_everywhere(void)
{
    static const uint64_t values[] = { UINT64_MAX, 0, 0x5555555555555555,
                                       VIRT_RAM | 4 };
    static const uint64_t starts[] = { 0, VINTF(0), VCMDQ_PAGE0(0),
                                       VCMDQ_PAGE1(0), LVCMDQ_PAGE0(0, 0),
                                       LVCMDQ_PAGE1(0, 0),
                                       LVCMDQ_PAGE1(15, 511) };
    QTestState *qts = cmdqv_init("");

    for (int v = 0; v < ARRAY_SIZE(values); v++) {
        for (int s = 0; s < ARRAY_SIZE(starts); s++) {
            for (uint64_t at = starts[s]; at < starts[s] + 0x80; at += 4) {
                uint64_t value = values[v];

                qtest_writel(qts, CMDQV + at, value);
                qtest_readl(qts, CMDQV + at);
                if (at % 8 == 0) {
                    qtest_writeq(qts, CMDQV + at, value);
                    qtest_readq(qts, CMDQV + at);
                }
                qtest_writeb(qts, CMDQV + at + 1, value);
                qtest_writew(qts, CMDQV + at + 2, value);
                qtest_readw(qts, CMDQV + at + 1);
            }
            wr(qts, CMDQ_ALLOC(s), ALLOC(0, s));
        }
    }
    g_assert_cmphex(rd(qts, PARAM), ==, 0x4451);
    qtest_system_reset(qts);
    g_assert_cmphex(rd(qts, CONFIG), ==, 0);
    qtest_quit(qts);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);

    qtest_add_func("/tegra241-cmdqv/registers/values", test_registers);
    qtest_add_func("/tegra241-cmdqv/registers/sizes", test_access_sizes);
    qtest_add_func("/tegra241-cmdqv/registers/everywhere", test_everywhere);

    return g_test_run();
}
