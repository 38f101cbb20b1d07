/*
 * MSIs of an accelerated SMMUv3: of CMD_SYNC, and in place of its interrupts
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qemu/bitops.h"
#include "libqtest.h"

#define VIRT_PLATFORM_BUS   0x0c000000
#define VIRT_RAM            0x40000000ULL
#define VIRT_NO_RAM         0xffffff000000ULL

/* GICv2 distributor; lines of the SMMU: EVTQ, PRIQ, CMD_SYNC, GERROR */
#define GICD_ISENABLER      0x08000100
#define GICD_ISPENDR        0x08000200
#define GICD_ICPENDR        0x08000280
#define GICD_ICFGR          0x08000c00
#define INTID_SYNC          (32 + 112 + 2)
#define INTID_GERROR        (32 + 112 + 3)

#define SMMU                VIRT_PLATFORM_BUS
#define IDR0                0x00
#define IDR0_MSI            BIT(13)
#define CR0                 0x20
#define CR0_CMDQEN          BIT(3)
#define IRQ_CTRL            0x50
#define IRQ_CTRL_GERROR     BIT(0)
#define GERROR              0x60
#define GERRORN             0x64
#define GERROR_CMDQ_ERR     BIT(0)
#define GERROR_MSI_CMDQ     BIT(4)
#define GERROR_MSI_GERROR   BIT(7)
#define GERROR_IRQ_CFG0     0x68
#define GERROR_IRQ_CFG1     0x70
#define CMDQ_BASE           0x90
#define CMDQ_PROD           0x98
#define CMDQ_CONS           0x9c

#define CMD_SIZE            16
#define CMD_SYNC            0x46ULL
#define CMD_SYNC_CS_IRQ     (1 << 12)
#define CMD_SYNC_DATA(n)    ((uint64_t)(n) << 32)
#define CMD_ILLEGAL         0xee

#define ACCEL   ",accel=on,ats=off,ril=on,ssidsize=0,oas=44"
#define DATA    0x12345678
#define TARGET  (VIRT_RAM + 0x1000)

static uint32_t rd(QTestState *qts, uint64_t reg)
{
    return qtest_readl(qts, SMMU + reg);
}

static void wr(QTestState *qts, uint64_t reg, uint32_t value)
{
    qtest_writel(qts, SMMU + reg, value);
}

static void catch_irq(QTestState *qts, int intid)
{
    uint64_t config = GICD_ICFGR + intid / 16 * 4;

    qtest_writel(qts, config,
                 qtest_readl(qts, config) | 2u << (intid % 16 * 2));
    qtest_writel(qts, GICD_ISENABLER + intid / 32 * 4, 1u << intid % 32);
}

/* Was there an interrupt since the last look? */
static bool irq_seen(QTestState *qts, int intid)
{
    bool pending = qtest_readl(qts, GICD_ISPENDR + intid / 32 * 4) &
                   (1u << intid % 32);

    qtest_writel(qts, GICD_ICPENDR + intid / 32 * 4, 1u << intid % 32);
    return pending;
}

/* A queue of 16 entries, in front of TARGET */
static QTestState *start(const char *more)
{
    QTestState *qts =
        qtest_initf("-machine virt -cpu max -nodefaults "
                    "-device arm-smmuv3,id=s,primary-bus=pcie.0%s", more);

    catch_irq(qts, INTID_SYNC);
    catch_irq(qts, INTID_GERROR);
    qtest_writeq(qts, SMMU + CMDQ_BASE, VIRT_RAM | 4);
    wr(qts, CR0, CR0_CMDQEN);
    qtest_writeq(qts, TARGET, UINT64_MAX);
    return qts;
}

static void put_cmd(QTestState *qts, unsigned index, uint64_t word0,
                    uint64_t word1)
{
    qtest_writeq(qts, VIRT_RAM + index * CMD_SIZE, word0);
    qtest_writeq(qts, VIRT_RAM + index * CMD_SIZE + 8, word1);
}

/* Has @qts a CMD_SYNC that completes at @addr done */
static void sync_to(QTestState *qts, uint64_t addr)
{
    unsigned prod = rd(qts, CMDQ_PROD);

    put_cmd(qts, prod, CMD_SYNC | CMD_SYNC_CS_IRQ | CMD_SYNC_DATA(DATA), addr);
    wr(qts, CMDQ_PROD, prod + 1);
    g_assert_cmphex(rd(qts, CMDQ_CONS), ==, prod + 1);
}

static void expect_at_target(QTestState *qts, uint32_t value)
{
    /* from a bottom half, for interrupts */
    for (int tries = 0; tries < 3000; tries++) {
        if (qtest_readl(qts, TARGET) == value) {
            break;
        }
        g_usleep(10000);
    }
    g_assert_cmphex(qtest_readl(qts, TARGET), ==, value);
    /* and no more than that */
    g_assert_cmphex(qtest_readl(qts, TARGET + 4), ==, UINT32_MAX);
}

static void test_sync(void)
{
    QTestState *qts = start(ACCEL);

    g_assert_true(rd(qts, IDR0) & IDR0_MSI);
    sync_to(qts, TARGET);
    expect_at_target(qts, DATA);
    g_assert_false(irq_seen(qts, INTID_SYNC));

    /* as Linux does: into the command itself, of which 0 is the end */
    put_cmd(qts, 1, CMD_SYNC | CMD_SYNC_CS_IRQ, VIRT_RAM + CMD_SIZE);
    wr(qts, CMDQ_PROD, 2);
    g_assert_cmphex(qtest_readl(qts, VIRT_RAM + CMD_SIZE), ==, 0);
    g_assert_cmphex(rd(qts, GERROR), ==, 0);

    /* memory attributes beside the address are not a part of it */
    qtest_writel(qts, TARGET, UINT32_MAX);
    sync_to(qts, TARGET | 3);
    expect_at_target(qts, DATA);
    qtest_quit(qts);
}

/* Without an address, and without accel=on, it is the wired interrupt */
static void test_wired(const void *data)
{
    QTestState *qts = start(data);
    bool accel = rd(qts, IDR0) & IDR0_MSI;

    g_assert_cmpint(accel, ==, !!strstr(data, "accel=on"));
    sync_to(qts, accel ? 0 : TARGET);
    g_assert_true(irq_seen(qts, INTID_SYNC));
    g_assert_cmphex(qtest_readq(qts, TARGET), ==, UINT64_MAX);
    g_assert_cmphex(rd(qts, GERROR), ==, 0);
    qtest_quit(qts);
}

/* What can't be written to: nothing, and the SMMU that writes */
static void test_abort(const void *data)
{
    QTestState *qts = start(ACCEL);
    const uint64_t *addr = data;

    wr(qts, IRQ_CTRL, IRQ_CTRL_GERROR);
    sync_to(qts, *addr);
    g_assert_cmphex(rd(qts, GERROR), ==, GERROR_MSI_CMDQ);
    g_assert_true(irq_seen(qts, INTID_GERROR));
    g_assert_false(irq_seen(qts, INTID_SYNC));
    wr(qts, GERRORN, GERROR_MSI_CMDQ);

    /* the queue has not stopped */
    sync_to(qts, TARGET);
    expect_at_target(qts, DATA);
    g_assert_cmphex(rd(qts, GERROR), ==, GERROR_MSI_CMDQ);
    qtest_quit(qts);
}

static void provoke_gerror(QTestState *qts, uint64_t addr)
{
    qtest_writeq(qts, SMMU + GERROR_IRQ_CFG0, addr);
    wr(qts, GERROR_IRQ_CFG1, DATA);
    wr(qts, IRQ_CTRL, IRQ_CTRL_GERROR);
    put_cmd(qts, 0, CMD_ILLEGAL, 0);
    wr(qts, CMDQ_PROD, 1);
    g_assert_true(rd(qts, GERROR) & GERROR_CMDQ_ERR);
}

static void test_gerror(void)
{
    QTestState *qts = start(ACCEL);

    provoke_gerror(qts, TARGET);
    expect_at_target(qts, DATA);
    g_assert_false(irq_seen(qts, INTID_GERROR));
    g_assert_cmphex(rd(qts, GERROR), ==, GERROR_CMDQ_ERR);
    qtest_quit(qts);
}

/* That can't be said by another MSI */
static void test_gerror_abort(void)
{
    QTestState *qts = start(ACCEL);
    int tries = 3000;

    provoke_gerror(qts, VIRT_NO_RAM);
    while (rd(qts, GERROR) != (GERROR_CMDQ_ERR | GERROR_MSI_GERROR)) {
        g_assert_cmpint(tries--, >, 0);
        g_usleep(10000);
    }
    g_assert_false(irq_seen(qts, INTID_GERROR));
    qtest_quit(qts);
}

int main(int argc, char **argv)
{
    static const uint64_t no_ram = VIRT_NO_RAM, itself = SMMU + CMDQ_PROD;

    g_test_init(&argc, &argv, NULL);

    qtest_add_data_func("/arm-smmuv3-msi/wired/plain", "", test_wired);
    qtest_add_data_func("/arm-smmuv3-msi/wired/accel", ACCEL, test_wired);
    qtest_add_func("/arm-smmuv3-msi/sync", test_sync);
    qtest_add_data_func("/arm-smmuv3-msi/abort/no-ram", &no_ram, test_abort);
    qtest_add_data_func("/arm-smmuv3-msi/abort/itself", &itself, test_abort);
    qtest_add_func("/arm-smmuv3-msi/gerror/sent", test_gerror);
    qtest_add_func("/arm-smmuv3-msi/gerror/abort", test_gerror_abort);

    return g_test_run();
}
