/*
 * AMD IOMMU: event log, command buffer and interrupt requests
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "hw/pci/pci_regs.h"
#include "amd-iommu-lib.h"

#define INTERRUPTS      0xfee00000ULL
#define TYPE_SHIFT      57

#define INV_PAGES       ((uint64_t)DOMAIN << 32 | CMD(CMD_INV_PAGES))
#define ALL_PAGES       0x7ffffffffffff001ULL

/* A device table entry that lets nothing pass; flags for quadword 1 */
static void block(AmdIommuTest *t, uint64_t flags)
{
    amd_set_dte(t, DTE_V, DOMAIN | flags);
}

static void fault(AmdIommuTest *t)
{
    amd_dma_write_any(t, DATA);
}

static uint64_t fault_event(AmdIommuTest *t)
{
    return amd_event(t, EVT_PAGE_FAULT, DOMAIN, EVT_RW);
}

/* The log is full one short of its head, and says so until it is cleared */
static void test_overflow(void)
{
    uint64_t status;
    AmdIommuTest t;
    unsigned i;

    amd_init(&t, "");
    block(&t, 0);
    for (i = 0; i < RING_SIZE / 16 - 1; i++) {
        fault(&t);
    }
    g_assert_cmphex(amd_read(&t, REG_EVT_TAIL), ==, RING_SIZE - 16);
    g_assert_cmphex(amd_read(&t, REG_STATUS) &
                    (STATUS_EVT_OVERFLOW | STATUS_EVT_RUN | STATUS_EVT_INT),
                    ==, STATUS_EVT_RUN | STATUS_EVT_INT);
    fault(&t);
    fault(&t);
    g_assert_cmphex(amd_read(&t, REG_EVT_TAIL), ==, RING_SIZE - 16);
    status = amd_read(&t, REG_STATUS);
    g_assert_cmphex(status & (STATUS_EVT_OVERFLOW | STATUS_EVT_RUN), ==,
                    STATUS_EVT_OVERFLOW);

    /* Writing zeroes clears nothing, ones clear just their bit */
    amd_write(&t, REG_STATUS, 0);
    g_assert_cmphex(amd_read(&t, REG_STATUS), ==, status);
    amd_write(&t, REG_STATUS, STATUS_EVT_INT);
    g_assert_cmphex(amd_read(&t, REG_STATUS), ==, status & ~STATUS_EVT_INT);

    for (i = 0; i < RING_SIZE / 16 - 1; i++) {
        amd_expect_event(&t, fault_event(&t), DATA);
    }
    /* There is room, but it has to be asked for */
    amd_write(&t, REG_CONTROL, CONTROL_IOMMU | CONTROL_CMDBUF);
    amd_write(&t, REG_STATUS, STATUS_EVT_OVERFLOW);
    amd_write(&t, REG_CONTROL, CONTROL_ALL);
    g_assert_cmphex(amd_read(&t, REG_STATUS) & STATUS_EVT_RUN, !=, 0);
    for (i = 0; i < 3; i++) {
        fault(&t);
        amd_expect_event(&t, fault_event(&t), DATA);
    }
    amd_quit(&t);
}

/* No log, a log outside RAM, one in the registers: nothing happens */
static void test_no_log(void)
{
    static const uint64_t bases[] = { OUTSIDE_RAM, IOMMU_BASE, PTE_ADDR };
    AmdIommuTest t;
    unsigned i;

    amd_init(&t, "");
    block(&t, 0);
    amd_write(&t, REG_CONTROL, CONTROL_IOMMU | CONTROL_CMDBUF);
    fault(&t);
    amd_expect_no_event(&t);
    for (i = 0; i < G_N_ELEMENTS(bases); i++) {
        amd_write(&t, REG_CONTROL, CONTROL_IOMMU | CONTROL_CMDBUF);
        amd_write(&t, REG_EVT_BASE, bases[i] | RING_LENGTH);
        amd_write(&t, REG_CONTROL, CONTROL_ALL);
        fault(&t);
        amd_expect_no_event(&t);
        g_assert_cmphex(amd_read(&t, REG_DEVTAB), ==, DEVTAB | 1);
    }
    amd_quit(&t);
}

/* SA: no page fault is logged, SE: the first; other events always are */
static void test_suppress(void)
{
    uint64_t root;
    AmdIommuTest t;

    amd_init(&t, "");
    block(&t, DTE1_SA);
    fault(&t);
    amd_expect_no_event(&t);

    block(&t, DTE1_SE);
    fault(&t);
    amd_expect_event(&t, fault_event(&t), DATA);
    fault(&t);
    amd_expect_no_event(&t);
    amd_command(&t, CMD(CMD_INV_DEVTAB) | t.devid, 0);
    fault(&t);
    amd_expect_event(&t, fault_event(&t), DATA);

    root = OUTSIDE_RAM;
    amd_set_dte(&t, DTE_V | DTE_TV | DTE_MODE(3) | root | DTE_R | DTE_W,
                DOMAIN | DTE1_SA);
    fault(&t);
    amd_expect_event(&t, amd_event(&t, EVT_PTE_HW, DOMAIN,
                                   EVT_RW | EVT_MASTER_ABORT), root);
    amd_quit(&t);
}

/* Finds the IOMMU's own function by its class, and its MSI capability */
static unsigned enable_msi(AmdIommuTest *t, uint64_t addr, uint32_t data)
{
    unsigned slot, cap;

    for (slot = 0; amd_config_read(t, slot, PCI_CLASS_REVISION) >> 16 != 0x0806;
         slot++) {
        g_assert_cmpuint(slot, <, 32);
    }
    for (cap = amd_config_read(t, slot, PCI_CAPABILITY_LIST) & 0xff;
         (amd_config_read(t, slot, cap) & 0xff) != PCI_CAP_ID_MSI;
         cap = amd_config_read(t, slot, cap) >> 8 & 0xff) {
        g_assert_cmphex(cap, !=, 0);
    }
    amd_config_write(t, slot, PCI_COMMAND, PCI_COMMAND_MASTER);
    amd_config_write(t, slot, cap + PCI_MSI_ADDRESS_LO, addr);
    amd_config_write(t, slot, cap + PCI_MSI_ADDRESS_HI, addr >> 32);
    amd_config_write(t, slot, cap + PCI_MSI_DATA_64, data);
    amd_config_write(t, slot, cap, PCI_MSI_FLAGS_ENABLE << 16);
    return slot;
}

/* An MSI for each event that finds the status bit clear; here it hits RAM */
static void test_interrupt(const void *opaque)
{
    const bool by_hand = opaque;
    const uint32_t data = 0x4321;
    unsigned slot;
    AmdIommuTest t;

    amd_init_after(&t, by_hand ? "-device AMDVI-PCI,id=fn,addr=0x10" : "",
                   by_hand ? ",pci-id=fn" : "");
    slot = enable_msi(&t, SEMAPHORE, data);
    if (by_hand) {
        g_assert_cmpuint(slot, ==, 0x10);
    }
    block(&t, 0);
    fault(&t);
    amd_expect_event(&t, fault_event(&t), DATA);
    g_assert_cmphex(qtest_readl(t.qts, SEMAPHORE), ==, 0);

    amd_write(&t, REG_CONTROL, CONTROL_ALL | CONTROL_EVTINT);
    fault(&t);
    amd_expect_event(&t, fault_event(&t), DATA);
    g_assert_cmphex(qtest_readl(t.qts, SEMAPHORE), ==, 0);

    amd_write(&t, REG_STATUS, STATUS_EVT_INT);
    fault(&t);
    amd_expect_event(&t, fault_event(&t), DATA);
    g_assert_cmphex(qtest_readl(t.qts, SEMAPHORE), ==, data);
    amd_quit(&t);
}

/* An illegal command stops the buffer where it is */
static void test_illegal_commands(void)
{
    static const struct {
        uint64_t quad0, quad1;
    } illegal[] = {
        { CMD(0), 0 },
        { CMD(9), 0 },
        { CMD(15), 0 },
        { CMD(CMD_COMPLETION_WAIT) | BIT_ULL(52), 0 },
        { CMD(CMD_INV_DEVTAB) | BIT_ULL(16), 0 },
        { CMD(CMD_INV_DEVTAB), 1 },
        { CMD(CMD_INV_PAGES) | BIT_ULL(20), 0 },
        { CMD(CMD_INV_PAGES) | BIT_ULL(59), 0 },
        { CMD(CMD_INV_PAGES), BIT_ULL(3) },
        { CMD(CMD_INV_INTR), BIT_ULL(63) },
        { CMD(CMD_INV_ALL) | 1, 0 },
        { CMD(CMD_INV_ALL), BIT_ULL(63) },
    };
    AmdIommuTest t;
    unsigned i;

    amd_init(&t, "");
    for (i = 0; i < G_N_ELEMENTS(illegal); i++) {
        uint64_t at = amd_command(&t, illegal[i].quad0, illegal[i].quad1);
        unsigned head = at - CMDBUF;

        amd_expect_event(&t, (uint64_t)EVT_ILLEGAL_CMD << 60, at);
        g_assert_cmphex(amd_read(&t, REG_CMD_HEAD), ==, head);
        g_assert_cmphex(amd_read(&t, REG_STATUS) & STATUS_CMD_RUN, ==, 0);
        amd_command(&t, CMD(CMD_COMPLETION_WAIT), 0);
        g_assert_cmphex(amd_read(&t, REG_CMD_HEAD), ==, head);

        /* Put right, it goes on when the buffer is enabled again */
        amd_write_mem(&t, at, CMD(CMD_COMPLETION_WAIT));
        amd_write_mem(&t, at + 8, 0);
        amd_write(&t, REG_CONTROL, CONTROL_ALL);
        g_assert_cmphex(amd_read(&t, REG_CMD_HEAD), ==, head);
        amd_write(&t, REG_CONTROL, CONTROL_ALL & ~CONTROL_CMDBUF);
        amd_write(&t, REG_CONTROL, CONTROL_ALL);
        g_assert_cmphex(amd_read(&t, REG_CMD_HEAD), ==, t.cmd_tail);
        g_assert_cmphex(amd_read(&t, REG_STATUS) & STATUS_CMD_RUN, !=, 0);
        amd_expect_no_event(&t);
    }
    amd_quit(&t);
}

/* Buffers outside RAM, in registers, without a size */
static void test_command_buffers(void)
{
    static const uint64_t bases[] = { OUTSIDE_RAM, IOMMU_BASE, PTE_ADDR };
    AmdIommuTest t;
    unsigned i;

    amd_init(&t, "");
    for (i = 0; i < G_N_ELEMENTS(bases); i++) {
        amd_write(&t, REG_CONTROL, CONTROL_ALL & ~CONTROL_CMDBUF);
        amd_write(&t, REG_CMD_BASE, bases[i] | RING_LENGTH);
        amd_write(&t, REG_CONTROL, CONTROL_ALL);
        amd_write(&t, REG_CMD_TAIL, 16);
        amd_expect_event(&t, (uint64_t)EVT_CMD_HW << 60 | EVT_MASTER_ABORT,
                         bases[i]);
        g_assert_cmphex(amd_read(&t, REG_CMD_HEAD), ==, 0);
        g_assert_cmphex(amd_read(&t, REG_STATUS) & STATUS_CMD_RUN, ==, 0);
    }
    amd_quit(&t);
}

/* The tail without a base: with and without dma-remap, nothing to do */
static void test_tail_without_base(const void *opaque)
{
    QTestState *qts = qtest_initf("-M q35 -device amd-iommu,dma-remap=%s",
                                  (const char *)opaque);

    qtest_writeq(qts, IOMMU_BASE + REG_CONTROL, CONTROL_ALL);
    qtest_writeq(qts, IOMMU_BASE + REG_CMD_TAIL, 0x10);
    qtest_writeq(qts, IOMMU_BASE + REG_CMD_HEAD, 0x20);
    qtest_quit(qts);
}

/* Round the ring, over its end, with stores into the ring and registers */
static void test_command_wrap(void)
{
    AmdIommuTest t;
    unsigned i;

    amd_init(&t, "");
    for (i = 0; i < 3 * RING_SIZE / 16; i++) {
        amd_command(&t, CMD(CMD_COMPLETION_WAIT) | SEMAPHORE | 1, i + 1);
        g_assert_cmphex(amd_read_mem(&t, SEMAPHORE), ==, i + 1);
        g_assert_cmphex(amd_read(&t, REG_CMD_HEAD), ==, t.cmd_tail);
    }
    /* Each store overwrites the command after it with what it is */
    for (i = 0; i < RING_SIZE / 16; i++) {
        uint64_t next = CMDBUF + (i + 1) * 16 % RING_SIZE;

        amd_write_mem(&t, CMDBUF + i * 16, CMD(CMD_COMPLETION_WAIT) | next | 1);
        amd_write_mem(&t, CMDBUF + i * 16 + 8, CMD(CMD_COMPLETION_WAIT));
    }
    t.cmd_tail = (t.cmd_tail + RING_SIZE - 16) % RING_SIZE;
    amd_write(&t, REG_CMD_TAIL, t.cmd_tail);
    g_assert_cmphex(amd_read(&t, REG_CMD_HEAD), ==, t.cmd_tail);
    /* The tail register is not memory */
    amd_command(&t, CMD(CMD_COMPLETION_WAIT) | (IOMMU_BASE + REG_CMD_TAIL) | 1,
                0x100);
    g_assert_cmphex(amd_read(&t, REG_CMD_TAIL), ==, t.cmd_tail);
    g_assert_cmphex(amd_read(&t, REG_CMD_HEAD), ==, t.cmd_tail);
    amd_quit(&t);
}

/* A translation lasts until it is invalidated, and no longer */
static void test_invalidate(void)
{
    static const struct {
        uint64_t quad0, quad1;
    } commands[] = {
        { INV_PAGES, 0x3000 },
        { INV_PAGES, 0x2000 | 1 },
        { INV_PAGES, ALL_PAGES },
        { INV_PAGES, UINT64_MAX << 12 | 1 },
        { INV_PAGES, MAKE_64BIT_MASK(12, 51) | 1 },
        { CMD(CMD_INV_ALL), 0 },
    };
    AmdIommuTest t;
    uint64_t root;
    unsigned i;

    amd_init(&t, "");
    root = amd_new_table(&t);
    amd_set_dte(&t, DTE_V | DTE_TV | DTE_MODE(1) | root | DTE_R | DTE_W,
                DOMAIN);
    for (i = 0; i < G_N_ELEMENTS(commands); i++) {
        amd_write_mem(&t, root + 3 * 8,
                      (DATA + i * 4 * KiB) | PTE_PR | PTE_RW);
        amd_command(&t, commands[i].quad0, commands[i].quad1);
        amd_command(&t, CMD(CMD_COMPLETION_WAIT), 0);
        amd_check_access(&t, 0x3008);
    }
    amd_write_mem(&t, root + 3 * 8, 0);
    amd_command(&t, CMD(CMD_INV_DEVTAB) | t.devid, 0);
    amd_check_access(&t, 0x3008);
    amd_quit(&t);
}

/* Device tables that are too short, or not in memory */
static void test_device_table(void)
{
    AmdIommuTest t;

    amd_init(&t, "");
    amd_write(&t, REG_DEVTAB, OUTSIDE_RAM | 1);
    amd_command(&t, CMD(CMD_INV_ALL), 0);
    fault(&t);
    amd_expect_event(&t, amd_event(&t, EVT_DTE_HW, 0,
                                   EVT_RW | EVT_MASTER_ABORT),
                     OUTSIDE_RAM + t.devid * 32);
    amd_write(&t, REG_DEVTAB, IOMMU_BASE | 1);
    amd_command(&t, CMD(CMD_INV_ALL), 0);
    fault(&t);
    amd_expect_event(&t, amd_event(&t, EVT_DTE_HW, 0,
                                   EVT_RW | EVT_MASTER_ABORT),
                     IOMMU_BASE + t.devid * 32);
    /* 4 KiB are for 128 devices, of which this one is none */
    amd_write(&t, REG_DEVTAB, DEVTAB);
    amd_command(&t, CMD(CMD_INV_ALL), 0);
    fault(&t);
    amd_expect_event(&t, amd_event(&t, EVT_PAGE_FAULT, 0, EVT_RW), DATA);

    amd_write(&t, REG_DEVTAB, DEVTAB | 1);
    amd_command(&t, CMD(CMD_INV_ALL), 0);
    fault(&t);
    amd_expect_no_event(&t);
    amd_quit(&t);
}

/* What is not a message in the interrupt range is not a valid request */
static void test_invalid_requests(void)
{
    AmdIommuTest t;

    amd_init(&t, ",intremap=on");
    block(&t, 0);
    amd_dma_read(&t, INTERRUPTS + 0x10);
    amd_expect_event(&t, amd_event(&t, EVT_INVALID_REQUEST, 0, 0),
                     INTERRUPTS + 0x10);
    amd_expect_no_event(&t);

    /* Remapping is on (quadword 2, bit 0), and IntCtl aborts all messages */
    amd_write_mem(&t, DEVTAB + t.devid * 32 + 16, 1);
    amd_dma_write(&t, INTERRUPTS, 0);
    amd_expect_event(&t, amd_event(&t, EVT_INVALID_REQUEST, 0,
                                   5ULL << TYPE_SHIFT), INTERRUPTS);
    amd_quit(&t);
}

/* After a reset nothing is translated */
static void test_reset(void)
{
    AmdIommuTest t;

    amd_init(&t, "");
    block(&t, 0);
    fault(&t);
    amd_expect_event(&t, fault_event(&t), DATA);
    qtest_system_reset(t.qts);
    g_assert_cmphex(amd_read(&t, REG_CONTROL), ==, 0);
    g_assert_cmphex(amd_read(&t, REG_STATUS), ==, 0);
    g_assert_cmphex(amd_read(&t, REG_EVT_TAIL), ==, 0);
    qtest_quit(t.qts);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    if (!qtest_has_machine("q35") || !qtest_has_device("edu")) {
        return 0;
    }
    qtest_add_func("/amd-iommu/event/overflow", test_overflow);
    qtest_add_func("/amd-iommu/event/no-log", test_no_log);
    qtest_add_func("/amd-iommu/event/suppress", test_suppress);
    qtest_add_data_func("/amd-iommu/event/interrupt", NULL, test_interrupt);
    qtest_add_data_func("/amd-iommu/event/interrupt-pci-id", "by hand",
                        test_interrupt);
    qtest_add_func("/amd-iommu/event/invalid-requests", test_invalid_requests);
    qtest_add_func("/amd-iommu/event/device-table", test_device_table);
    qtest_add_func("/amd-iommu/cmd/illegal", test_illegal_commands);
    qtest_add_func("/amd-iommu/cmd/buffers", test_command_buffers);
    qtest_add_data_func("/amd-iommu/cmd/tail-without-base/on", "on",
                        test_tail_without_base);
    qtest_add_data_func("/amd-iommu/cmd/tail-without-base/off", "off",
                        test_tail_without_base);
    qtest_add_func("/amd-iommu/cmd/wrap", test_command_wrap);
    qtest_add_func("/amd-iommu/cmd/invalidate", test_invalidate);
    qtest_add_func("/amd-iommu/reset", test_reset);
    return g_test_run();
}
