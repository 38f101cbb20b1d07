/*
 * AMD IOMMU: the mappings that an assigned device would have in the host
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A viommu-testdev takes the place of vfio and the host.  It counts calls, and
 * what a host would refuse.  Where its mappings lead is compared with the model
 * of amd-iommu-lib.c.
 */

#include "qemu/osdep.h"
#include "hw/pci/pci_regs.h"
#include "amd-iommu-lib.h"

#define SLOT            0x19
#define BAR             0xfd000000ULL
#define MAPS            0x00
#define UNMAPS          0x08
#define MAPPINGS        0x10
#define BYTES           0x18
#define VIOLATIONS      0x20
#define IOVA            0x28
#define TRANSLATION     0x30

#define PAGE            (4 * KiB)
#define MANY            100000
#define RANDOM_ROUNDS   400
#define RANDOM_PAGES    2048

#define ALL_PAGES       0x7ffffffffffff001ULL

/* @more: arguments, after a space */
static void shadow_init(AmdIommuTest *t, const char *more)
{
    g_autofree char *args =
        g_strdup_printf(" -device viommu-testdev,addr=0x%x%s", SLOT, more);

    amd_init(t, args);
    t->devid = SLOT << 3;
    amd_config_write(t, SLOT, PCI_BASE_ADDRESS_0, BAR);
    amd_config_write(t, SLOT, PCI_COMMAND, PCI_COMMAND_MEMORY);
}

static void shadow_start(AmdIommuTest *t)
{
    shadow_init(t, "");
}

static uint64_t dev_read(AmdIommuTest *t, unsigned reg)
{
    return qtest_readq(t->qts, BAR + reg);
}

static void clear_counts(AmdIommuTest *t)
{
    qtest_writeq(t->qts, BAR + MAPS, 0);
    qtest_writeq(t->qts, BAR + UNMAPS, 0);
}

static void expect_counts(AmdIommuTest *t, uint64_t maps, uint64_t unmaps)
{
    g_assert_cmpuint(dev_read(t, MAPS), ==, maps);
    g_assert_cmpuint(dev_read(t, UNMAPS), ==, unmaps);
    clear_counts(t);
}

static void shadow_quit(AmdIommuTest *t)
{
    g_assert_cmpuint(dev_read(t, VIOLATIONS), ==, 0);
    amd_quit(t);
}

static uint64_t translate(AmdIommuTest *t, uint64_t iova)
{
    qtest_writeq(t->qts, BAR + IOVA, iova);
    return dev_read(t, TRANSLATION);
}

/* The shadow has exactly what the guest's tables allow */
static void check_shadow(AmdIommuTest *t, uint64_t iova)
{
    Outcome rd = amd_model(t, iova, false), wr = amd_model(t, iova, true);
    uint64_t want = 0;

    if (rd.allowed && rd.addr < RAM_SIZE) {
        want = (rd.addr & ~0xfffULL) | 1;
    }
    if (wr.allowed && wr.addr < RAM_SIZE) {
        want |= (wr.addr & ~0xfffULL) | 2;
    }
    g_assert_cmphex(translate(t, iova), ==, want);
}

static void inval_pages(AmdIommuTest *t, uint64_t address)
{
    amd_command(t, CMD(CMD_INV_PAGES) | (uint64_t)DOMAIN << 32, address);
}

/* 2^@bits pages in one command: a one less at the bottom than bits, and S */
static void inval_block(AmdIommuTest *t, uint64_t page, unsigned bits)
{
    uint64_t ones = bits ? ((1ULL << (bits - 1)) - 1) << 12 | 1 : 0;

    inval_pages(t, page * PAGE | ones);
}

static void complete(AmdIommuTest *t)
{
    amd_command(t, CMD(CMD_COMPLETION_WAIT), 0);
    g_assert_cmphex(amd_read(t, REG_CMD_HEAD), ==, t->cmd_tail);
}

/* A domain with room for 1 GiB in @tables leaf tables, from address 0 on */
static uint64_t new_domain(AmdIommuTest *t, unsigned tables)
{
    uint64_t root = amd_new_table(t), middle = amd_new_table(t), leaf = 0;
    unsigned i;

    amd_write_mem(t, root, middle | PTE_PR | PTE_NEXT(2) | PTE_RW);
    for (i = 0; i < tables; i++) {
        uint64_t table = amd_new_table(t);

        /* They follow each other, so that a page's entry is easily found */
        leaf = leaf ?: table;
        amd_write_mem(t, middle + i * 8, table | PTE_PR | PTE_NEXT(1) | PTE_RW);
    }
    amd_set_dte(t, DTE_V | DTE_TV | DTE_MODE(3) | root | DTE_R | DTE_W, DOMAIN);
    return leaf;
}

static void set_page(AmdIommuTest *t, uint64_t leaf, unsigned page,
                     uint64_t pte)
{
    amd_write_mem(t, leaf + page * 8, pte);
}

/* 32 pages all over memory: a call each to map, and one to unmap them all */
static void test_scattered(void)
{
    AmdIommuTest t;
    uint64_t leaf;
    unsigned i;

    shadow_start(&t);
    leaf = new_domain(&t, 1);
    g_assert_cmpuint(dev_read(&t, MAPPINGS), ==, 0);
    clear_counts(&t);
    for (i = 0; i < 32; i++) {
        set_page(&t, leaf, 64 + i, (DATA + i * 3 * PAGE) | PTE_PR | PTE_RW);
    }
    inval_block(&t, 64, 5);
    complete(&t);
    expect_counts(&t, 32, 0);
    for (i = 60; i < 100; i++) {
        check_shadow(&t, i * PAGE);
    }
    for (i = 0; i < 32; i++) {
        set_page(&t, leaf, 64 + i, 0);
    }
    inval_block(&t, 64, 5);
    complete(&t);
    expect_counts(&t, 0, 1);
    g_assert_cmpuint(dev_read(&t, MAPPINGS), ==, 0);
    shadow_quit(&t);
}

/* Contiguous memory is one call, whatever pages and commands it is made of */
static void test_contiguous(void)
{
    AmdIommuTest t;
    uint64_t leaf;
    unsigned i;

    shadow_start(&t);
    leaf = new_domain(&t, 4);
    clear_counts(&t);
    for (i = 1; i < 1500; i++) {
        set_page(&t, leaf, i, (DATA + i * PAGE) | PTE_PR | PTE_RW);
    }
    /* As Linux does, in pieces of natural alignment */
    for (i = 1; i < 1500; ) {
        unsigned bits = MIN(ctz32(i), 31 - clz32(1500 - i));

        inval_block(&t, i, bits);
        i += 1U << bits;
    }
    expect_counts(&t, 0, 0);
    complete(&t);
    expect_counts(&t, 1, 0);
    g_assert_cmpuint(dev_read(&t, BYTES), ==, 1499 * PAGE);
    check_shadow(&t, 0);
    check_shadow(&t, PAGE);
    check_shadow(&t, 1499 * PAGE);
    check_shadow(&t, 1500 * PAGE);

    /* A hole: what is around it goes and comes back */
    set_page(&t, leaf, 700, 0);
    inval_pages(&t, 700 * PAGE);
    complete(&t);
    expect_counts(&t, 2, 1);
    g_assert_cmpuint(dev_read(&t, BYTES), ==, 1498 * PAGE);
    for (i = 699; i < 702; i++) {
        check_shadow(&t, i * PAGE);
    }
    shadow_quit(&t);
}

/* What is invalidated without COMPLETION_WAIT is done as well, in a while */
static void test_no_completion(void)
{
    AmdIommuTest t;
    uint64_t leaf;

    shadow_start(&t);
    leaf = new_domain(&t, 1);
    clear_counts(&t);
    set_page(&t, leaf, 5, DATA | PTE_PR | PTE_RW);
    inval_pages(&t, 5 * PAGE);
    qtest_clock_step(t.qts, 2 * 1000 * 1000);
    expect_counts(&t, 1, 0);
    check_shadow(&t, 5 * PAGE);
    shadow_quit(&t);
}

/* Nothing has changed: no call, however much is mapped and invalidated */
static void test_unchanged(void)
{
    const unsigned tables = DIV_ROUND_UP(MANY, 512);
    AmdIommuTest t;
    uint64_t leaf, *ptes = g_new0(uint64_t, MANY);
    unsigned i, n;

    shadow_start(&t);
    leaf = new_domain(&t, tables);
    clear_counts(&t);
    for (n = MANY / 4; n <= MANY; n *= 2) {
        double seconds;

        for (i = 0; i < n; i++) {
            /* No neighbour has the next page */
            ptes[i] = (DATA + (uint64_t)i * 7919 % 32768 * PAGE) | PTE_PR |
                      PTE_RW;
        }
        qtest_memwrite(t.qts, leaf, ptes, n * sizeof(*ptes));
        amd_command(&t, CMD(CMD_INV_ALL), 0);
        complete(&t);
        g_assert_cmpuint(dev_read(&t, MAPPINGS), ==, n);
        clear_counts(&t);

        g_test_timer_start();
        amd_command(&t, CMD(CMD_INV_ALL), 0);
        seconds = g_test_timer_elapsed();
        g_test_message("%u pages: %.1f ms", n, seconds * 1000);
        expect_counts(&t, 0, 0);
        inval_pages(&t, ALL_PAGES);
        complete(&t);
        expect_counts(&t, 0, 0);
        /* Linear would be 100 ns a page or so */
        g_assert_cmpfloat(seconds, <, 5);
    }
    memset(ptes, 0, MANY * sizeof(*ptes));
    qtest_memwrite(t.qts, leaf, ptes, MANY * sizeof(*ptes));
    amd_command(&t, CMD(CMD_INV_ALL), 0);
    expect_counts(&t, 0, 1);
    g_free(ptes);
    shadow_quit(&t);
}

/* A device's entry decides what it sees: memory, nothing, or a domain */
static void test_views(void)
{
    AmdIommuTest t;
    uint64_t leaf, dte, other;

    shadow_start(&t);
    check_shadow(&t, DATA);
    leaf = new_domain(&t, 1);
    dte = amd_read_mem(&t, DEVTAB + t.devid * 32);
    set_page(&t, leaf, 3, DATA | PTE_PR | PTE_RW);
    set_page(&t, leaf, 4, (DATA + 4 * PAGE) | PTE_PR | PTE_R);
    set_page(&t, leaf, 5, (DATA + 5 * PAGE) | PTE_PR | PTE_W);
    set_page(&t, leaf, 6, (DATA + 6 * PAGE) | PTE_PR);
    set_page(&t, leaf, 7, OUTSIDE_RAM | PTE_PR | PTE_RW);
    set_page(&t, leaf, 8, IOMMU_BASE | PTE_PR | PTE_RW);
    amd_command(&t, CMD(CMD_INV_DEVTAB) | t.devid, 0);
    for (unsigned i = 2; i < 10; i++) {
        check_shadow(&t, i * PAGE);
    }
    g_assert_cmpuint(dev_read(&t, MAPPINGS), ==, 3);

    /* Blocked: TV=0, an entry that is not valid, a table outside RAM */
    amd_set_dte(&t, DTE_V, DOMAIN);
    g_assert_cmpuint(dev_read(&t, MAPPINGS), ==, 0);
    amd_set_dte(&t, dte, DOMAIN);
    g_assert_cmpuint(dev_read(&t, MAPPINGS), ==, 3);
    amd_set_dte(&t, dte | BIT_ULL(2), DOMAIN);
    g_assert_cmpuint(dev_read(&t, MAPPINGS), ==, 0);
    amd_set_dte(&t, DTE_V | DTE_TV | DTE_MODE(3) | OUTSIDE_RAM | DTE_R,
                DOMAIN);
    g_assert_cmpuint(dev_read(&t, MAPPINGS), ==, 0);

    /* Untranslated, for reading only */
    amd_set_dte(&t, DTE_V | DTE_TV | DTE_R, DOMAIN);
    check_shadow(&t, DATA);
    check_shadow(&t, OUTSIDE_RAM);

    /* Another domain: only what differs is called for */
    amd_set_dte(&t, dte, DOMAIN);
    other = new_domain(&t, 1);
    set_page(&t, other, 3, DATA | PTE_PR | PTE_RW);
    set_page(&t, other, 4, (DATA + 9 * PAGE) | PTE_PR | PTE_R);
    amd_command(&t, CMD(CMD_INV_ALL), 0);
    amd_set_dte(&t, dte, DOMAIN + 1);
    clear_counts(&t);
    dte = (dte & ~PTE_ADDR) | (other - 2 * PAGE);
    amd_set_dte(&t, dte, DOMAIN);
    expect_counts(&t, 1, 1);
    check_shadow(&t, 3 * PAGE);
    check_shadow(&t, 4 * PAGE);

    /* IOMMU off and on, and a reset */
    amd_write(&t, REG_CONTROL, 0);
    g_assert_cmphex(translate(&t, DATA), ==, DATA | 3);
    amd_write(&t, REG_CONTROL, CONTROL_ALL);
    check_shadow(&t, 3 * PAGE);
    check_shadow(&t, DATA);
    g_assert_cmpuint(dev_read(&t, VIOLATIONS), ==, 0);
    qtest_system_reset(t.qts);
    amd_config_write(&t, SLOT, PCI_BASE_ADDRESS_0, BAR);
    amd_config_write(&t, SLOT, PCI_COMMAND, PCI_COMMAND_MEMORY);
    g_assert_cmphex(translate(&t, DATA), ==, DATA | 3);
    g_assert_cmpuint(dev_read(&t, VIOLATIONS), ==, 0);
    qtest_quit(t.qts);
}

/* A page across the interrupt range, which no notifier covers */
static void test_interrupt_range(void)
{
    const uint64_t end = 0xfee00000, after = 0xfef00000;
    AmdIommuTest t;
    uint64_t root;

    shadow_init(&t, " -m 2G");
    root = amd_new_table(&t);
    amd_write_mem(&t, root + 3 * 8, 1 * GiB | PTE_PR | PTE_RW);
    clear_counts(&t);
    amd_set_dte(&t, DTE_V | DTE_TV | DTE_MODE(3) | root | DTE_R | DTE_W,
                DOMAIN);
    expect_counts(&t, 2, 0);
    g_assert_cmphex(translate(&t, 3 * GiB), ==, (1 * GiB) | 3);
    g_assert_cmphex(translate(&t, end - PAGE), ==,
                    (end - PAGE - 2 * GiB) | 3);
    g_assert_cmphex(translate(&t, end), ==, 0);
    g_assert_cmphex(translate(&t, after - PAGE), ==, 0);
    g_assert_cmphex(translate(&t, after), ==, (after - 2 * GiB) | 3);
    amd_write_mem(&t, root + 3 * 8, 0);
    inval_pages(&t, ALL_PAGES);
    complete(&t);
    expect_counts(&t, 0, 2);
    shadow_quit(&t);
}

/* Few tables that map all addresses there are: given up, and soon */
static void test_bounded(void)
{
    uint64_t table[7], entries[512];
    AmdIommuTest t;
    unsigned level, i;

    shadow_start(&t);
    for (level = 1; level <= 6; level++) {
        table[level] = amd_new_table(&t);
    }
    for (level = 1; level <= 6; level++) {
        for (i = 0; i < 512; i++) {
            entries[i] = PTE_PR | PTE_RW |
                         (level == 1 ? DATA + i * 2 * PAGE :
                          table[level - 1] | PTE_NEXT(level - 1));
        }
        qtest_memwrite(t.qts, table[level], entries, sizeof(entries));
    }
    g_test_timer_start();
    amd_set_dte(&t, DTE_V | DTE_TV | DTE_MODE(6) | table[6] | DTE_R | DTE_W,
                DOMAIN);
    inval_pages(&t, ALL_PAGES);
    complete(&t);
    g_test_message("%.1f s", g_test_timer_elapsed());
    g_assert_cmpuint(dev_read(&t, MAPPINGS), ==, 0);
    /* A part of it is as good as any */
    inval_pages(&t, 0x1000);
    complete(&t);
    check_shadow(&t, 0x1000);
    shadow_quit(&t);
}

/* Pages change at random, and only the invalidated ones are looked at */
static void test_random(void)
{
    AmdIommuTest t;
    uint64_t leaf;
    unsigned round, i;

    shadow_start(&t);
    leaf = new_domain(&t, RANDOM_PAGES / 512);
    for (round = 0; round < RANDOM_ROUNDS; round++) {
        unsigned bits = g_test_rand_int_range(0, 10);
        unsigned size = 1U << bits;
        unsigned start = g_test_rand_int_range(0, RANDOM_PAGES / size) * size;
        bool contiguous = g_test_rand_int_range(0, 2);
        unsigned target = g_test_rand_int_range(0, 16384);

        for (i = 0; i < size; i++) {
            uint64_t pte = 0;

            if (g_test_rand_int_range(0, 8)) {
                if (!contiguous) {
                    target = g_test_rand_int_range(0, 16384);
                }
                pte = (DATA + (uint64_t)(target + i) * PAGE) | PTE_PR |
                      (g_test_rand_int_range(0, 6) ? PTE_RW : PTE_R);
            }
            set_page(&t, leaf, start + i, pte);
        }
        inval_block(&t, start, bits);
        complete(&t);
        for (i = 0; i < 8; i++) {
            check_shadow(&t, (uint64_t)g_test_rand_int_range(0, RANDOM_PAGES) *
                             PAGE);
        }
        check_shadow(&t, start * PAGE);
        check_shadow(&t, (start + size - 1) * PAGE);
    }
    for (i = 0; i < RANDOM_PAGES; i++) {
        check_shadow(&t, i * PAGE);
    }
    shadow_quit(&t);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    if (!qtest_has_machine("q35") || !qtest_has_device("viommu-testdev")) {
        return 0;
    }
    qtest_add_func("/amd-iommu/shadow/scattered", test_scattered);
    qtest_add_func("/amd-iommu/shadow/contiguous", test_contiguous);
    qtest_add_func("/amd-iommu/shadow/no-completion", test_no_completion);
    qtest_add_func("/amd-iommu/shadow/unchanged", test_unchanged);
    qtest_add_func("/amd-iommu/shadow/views", test_views);
    qtest_add_func("/amd-iommu/shadow/interrupt-range", test_interrupt_range);
    qtest_add_func("/amd-iommu/shadow/bounded", test_bounded);
    qtest_add_func("/amd-iommu/shadow/random", test_random);
    return g_test_run();
}
