/*
 * ATS and page requests of an NVMe controller behind the emulated SMMUv3
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The test is the driver of both: it makes the tables of the SMMU, lets the
 * controller write its identification to pages that are mapped or not, and
 * looks at what arrives, in memory and in the SMMU's queues.
 */

#include "qemu/osdep.h"
#include "qemu/bitops.h"
#include "libqtest.h"
#include "hw/registerfields.h"

#define VIRT_SMMU       0x09050000
#define VIRT_NVME_BAR   0x10000000
#define VIRT_ECAM       0x3f000000
#define SLOT            3
#define SID             (SLOT << 3)
#define CONFIG          (VIRT_ECAM + (SID << 12))

/* The SMMU's structures, and the pages that the controller may reach */
#define MEM_CMDQ        0x40000000ULL
#define MEM_EVENTQ      0x40010000ULL
#define MEM_PRIQ        0x40020000ULL
#define MEM_STRTAB      0x40100000ULL
#define MEM_CD          0x40200000ULL
#define MEM_TABLES      0x40300000ULL   /* levels 1, 2 and 3 */
#define MEM_PAGES       0x40400000ULL
#define PAGE            0x1000ULL

/* Page n is to be mapped at IOVA + n * PAGE: one level 3 table is enough */
#define IOVA            0x10000000ULL
#define PAGE_ASQ        0
#define PAGE_ACQ        1
#define PAGE_DATA       8

REG32(CR0, 0x20)
    FIELD(CR0, SMMUEN, 0, 1)
    FIELD(CR0, PRIQEN, 1, 1)
    FIELD(CR0, EVENTQEN, 2, 1)
    FIELD(CR0, CMDQEN, 3, 1)
REG64(STRTAB_BASE, 0x80)
REG32(STRTAB_BASE_CFG, 0x88)
REG64(CMDQ_BASE, 0x90)
REG32(CMDQ_PROD, 0x98)
REG32(CMDQ_CONS, 0x9c)
REG64(EVENTQ_BASE, 0xa0)
REG64(PRIQ_BASE, 0xc0)
REG32(PRIQ_PROD, 0x100c8)
REG32(PRIQ_CONS, 0x100cc)
    FIELD(PRIQ, OVERFLOW, 31, 1)

FIELD(PPR0, SID, 0, 32)
FIELD(PPR0, READ, 60, 1)
FIELD(PPR0, WRITE, 61, 1)
FIELD(PPR0, LAST, 62, 1)
FIELD(PPR1, GROUP, 0, 9)

#define STRTAB_LOG2     8
#define CMDQ_LOG2       4
#define PRIQ_LOG2       1

#define CMD_TLBI_ALL    0x30
#define CMD_ATC_INV     0x40
#define CMD_PRI_RESP    0x41
#define CMD_SYNC        0x46
#define CMD_SID_SHIFT   32
#define RESP_DENY       0
#define RESP_SUCCESS    2
#define RESP_SHIFT      12

/* Capabilities of the controller */
#define ATS_CTRL        0x106
#define ATS_ENABLE      0x8000
#define PRI_CTRL        0x1a4
#define PRI_STATUS      0x1a6
#define PRI_FAILURE     0x0001
#define PRI_STOPPED     0x0100
#define PRI_CAPACITY    0x1a8
#define PRI_ALLOCATION  0x1ac

/* NVMe */
#define REG_CC          0x14
#define CC_ENABLE       0x00460001
#define REG_CSTS        0x1c
#define CSTS_FATAL      2
#define REG_AQA         0x24
#define REG_ASQ         0x28
#define REG_ACQ         0x30
#define REG_SQ0TDBL     0x1000
#define ADMIN_IDENTIFY  0x06
#define CNS_CONTROLLER  1
#define QUEUE_ENTRIES   16
#define VENDOR          0x1b36

typedef struct Lab {
    QTestState *qts;
    unsigned cmdq_prod;         /* SMMU */
    unsigned commands;          /* NVMe, so far */
    unsigned priq_cons;
} Lab;

static uint32_t smmu_readl(Lab *lab, uint64_t reg)
{
    return qtest_readl(lab->qts, VIRT_SMMU + reg);
}

static void smmu_writel(Lab *lab, uint64_t reg, uint32_t value)
{
    qtest_writel(lab->qts, VIRT_SMMU + reg, value);
}

static void smmu_writeq(Lab *lab, uint64_t reg, uint64_t value)
{
    qtest_writeq(lab->qts, VIRT_SMMU + reg, value);
}

static void smmu_command(Lab *lab, uint64_t word0, uint64_t word1)
{
    unsigned mask = (1 << (CMDQ_LOG2 + 1)) - 1;
    uint64_t entry = MEM_CMDQ + (lab->cmdq_prod & (mask >> 1)) * 16;

    qtest_writeq(lab->qts, entry, word0);
    qtest_writeq(lab->qts, entry + 8, word1);
    lab->cmdq_prod = (lab->cmdq_prod + 1) & mask;
    smmu_writel(lab, A_CMDQ_PROD, lab->cmdq_prod);
    g_assert_cmphex(smmu_readl(lab, A_CMDQ_CONS), ==, lab->cmdq_prod);
}

static void pri_respond(Lab *lab, unsigned group, unsigned code)
{
    smmu_command(lab, CMD_PRI_RESP | (uint64_t)SID << CMD_SID_SHIFT,
                 group | code << RESP_SHIFT);
    smmu_command(lab, CMD_SYNC, 0);
}

static void set_page(Lab *lab, unsigned page, bool mapped)
{
    /* a page of level 3, accessed, readable and writable */
    qtest_writeq(lab->qts, MEM_TABLES + 2 * PAGE + page * 8,
                 mapped ? (MEM_PAGES + page * PAGE) | 0x443 : 0);
}

static void set_up_smmu(Lab *lab)
{
    const uint64_t ste = MEM_STRTAB + SID * 64;

    /* stage 1, EATS */
    qtest_writeq(lab->qts, ste, MEM_CD | 5 << 1 | 1);
    qtest_writeq(lab->qts, ste + 8, 1ULL << 28);
    /* 39 bits in granules of 4 KiB by TTB0; valid, AArch64, R, A, ASID 1 */
    qtest_writel(lab->qts, MEM_CD, 25 | 1 << 30 | 1U << 31);
    qtest_writel(lab->qts, MEM_CD + 4, 5 | 1 << 9 | 1 << 13 | 1 << 14 |
                 1 << 16);
    qtest_writeq(lab->qts, MEM_CD + 8, MEM_TABLES);
    qtest_writeq(lab->qts, MEM_TABLES + (IOVA >> 30) * 8,
                 (MEM_TABLES + PAGE) | 3);
    qtest_writeq(lab->qts, MEM_TABLES + PAGE + (IOVA >> 21 & 0x1ff) * 8,
                 (MEM_TABLES + 2 * PAGE) | 3);
    set_page(lab, PAGE_ASQ, true);
    set_page(lab, PAGE_ACQ, true);

    smmu_writeq(lab, A_STRTAB_BASE, MEM_STRTAB);
    smmu_writel(lab, A_STRTAB_BASE_CFG, STRTAB_LOG2);
    smmu_writeq(lab, A_CMDQ_BASE, MEM_CMDQ | CMDQ_LOG2);
    smmu_writeq(lab, A_EVENTQ_BASE, MEM_EVENTQ | CMDQ_LOG2);
    smmu_writeq(lab, A_PRIQ_BASE, MEM_PRIQ | PRIQ_LOG2);
    smmu_writel(lab, A_CR0, R_CR0_SMMUEN_MASK | R_CR0_PRIQEN_MASK |
                R_CR0_EVENTQEN_MASK | R_CR0_CMDQEN_MASK);
}

static void set_up_nvme(Lab *lab)
{
    QTestState *qts = lab->qts;

    qtest_writel(qts, CONFIG + 0x10, VIRT_NVME_BAR);
    qtest_writel(qts, CONFIG + 0x14, 0);
    qtest_writew(qts, CONFIG + 0x04, 6);
    qtest_writew(qts, CONFIG + ATS_CTRL, ATS_ENABLE);

    qtest_writel(qts, VIRT_NVME_BAR + REG_AQA,
                 (QUEUE_ENTRIES - 1) << 16 | (QUEUE_ENTRIES - 1));
    qtest_writeq(qts, VIRT_NVME_BAR + REG_ASQ, IOVA + PAGE_ASQ * PAGE);
    qtest_writeq(qts, VIRT_NVME_BAR + REG_ACQ, IOVA + PAGE_ACQ * PAGE);
    qtest_writel(qts, VIRT_NVME_BAR + REG_CC, CC_ENABLE);
    g_assert_cmphex(qtest_readl(qts, VIRT_NVME_BAR + REG_CSTS), ==, 1);
}

static void enable_pri(Lab *lab)
{
    qtest_writel(lab->qts, CONFIG + PRI_ALLOCATION, 8);
    qtest_writew(lab->qts, CONFIG + PRI_CTRL, 1);
}

static Lab *start(void)
{
    Lab *lab = g_new0(Lab, 1);

    lab->qts = qtest_init("-cpu max -nodefaults "
                          "-machine virt,highmem-ecam=off,iommu=smmuv3 "
                          "-global arm-smmuv3.ats=on "
                          "-global arm-smmuv3.x-pri=on "
                          "-device nvme,serial=1,addr=3,ats=on,x-pri=on");
    set_up_smmu(lab);
    set_up_nvme(lab);
    return lab;
}

static void stop(Lab *lab)
{
    qtest_quit(lab->qts);
    g_free(lab);
}

/* Does what the controller writes to a page arrive there? */
static bool identify(Lab *lab, unsigned page)
{
    QTestState *qts = lab->qts;
    unsigned index = lab->commands % QUEUE_ENTRIES;
    unsigned phase = !(lab->commands / QUEUE_ENTRIES % 2);
    uint64_t sqe = MEM_PAGES + PAGE_ASQ * PAGE + index * 64;
    uint64_t cqe = MEM_PAGES + PAGE_ACQ * PAGE + index * 16;
    int tries = 3000; /* of 10 ms */

    qtest_memset(qts, MEM_PAGES + page * PAGE, 0, PAGE);
    qtest_memset(qts, sqe, 0, 64);
    qtest_writel(qts, sqe, ADMIN_IDENTIFY | index << 16);
    qtest_writeq(qts, sqe + 24, IOVA + page * PAGE);
    qtest_writel(qts, sqe + 40, CNS_CONTROLLER);
    lab->commands++;
    qtest_writel(qts, VIRT_NVME_BAR + REG_SQ0TDBL,
                 lab->commands % QUEUE_ENTRIES);
    while ((qtest_readl(qts, cqe + 12) >> 16 & 1) != phase) {
        g_assert_cmpint(tries--, >, 0);
        g_usleep(10000);
    }
    /* completions are taken at once */
    qtest_writel(qts, VIRT_NVME_BAR + REG_SQ0TDBL + 4,
                 lab->commands % QUEUE_ENTRIES);
    return qtest_readw(qts, MEM_PAGES + page * PAGE) == VENDOR;
}

/* Takes a record from the PRI queue; false if it is empty */
static bool next_request(Lab *lab, unsigned *page, unsigned *group)
{
    unsigned mask = (1 << (PRIQ_LOG2 + 1)) - 1;
    uint32_t overflow = smmu_readl(lab, A_PRIQ_CONS) & R_PRIQ_OVERFLOW_MASK;
    uint64_t entry = MEM_PRIQ + (lab->priq_cons & (mask >> 1)) * 16;
    uint64_t word0, word1;

    if ((smmu_readl(lab, A_PRIQ_PROD) & mask) == lab->priq_cons) {
        return false;
    }
    word0 = qtest_readq(lab->qts, entry);
    word1 = qtest_readq(lab->qts, entry + 8);
    g_assert_cmphex(FIELD_EX64(word0, PPR0, SID), ==, SID);
    g_assert_true(FIELD_EX64(word0, PPR0, READ) &&
                  FIELD_EX64(word0, PPR0, WRITE) &&
                  FIELD_EX64(word0, PPR0, LAST));
    *group = FIELD_EX64(word1, PPR1, GROUP);
    *page = ((word1 & ~(PAGE - 1)) - IOVA) / PAGE;
    lab->priq_cons = (lab->priq_cons + 1) & mask;
    smmu_writel(lab, A_PRIQ_CONS, lab->priq_cons | overflow);
    return true;
}

static void expect_request(Lab *lab, unsigned wanted, unsigned *group)
{
    unsigned page;

    g_assert_true(next_request(lab, &page, group));
    g_assert_cmpuint(page, ==, wanted);
}

static void expect_no_request(Lab *lab)
{
    unsigned page, group;

    g_assert_false(next_request(lab, &page, &group));
}

/* What the controller has in its cache it keeps, until it is told to forget */
static void test_cache(void)
{
    Lab *lab = start();

    set_page(lab, PAGE_DATA, true);
    g_assert_true(identify(lab, PAGE_DATA));

    set_page(lab, PAGE_DATA, false);
    smmu_command(lab, CMD_TLBI_ALL, 0);
    smmu_command(lab, CMD_SYNC, 0);
    g_assert_true(identify(lab, PAGE_DATA));

    /* another page, another stream */
    smmu_command(lab, CMD_ATC_INV | (uint64_t)SID << CMD_SID_SHIFT,
                 IOVA + (PAGE_DATA + 1) * PAGE);
    smmu_command(lab, CMD_ATC_INV | (uint64_t)(SID + 8) << CMD_SID_SHIFT,
                 IOVA + PAGE_DATA * PAGE);
    g_assert_true(identify(lab, PAGE_DATA));

    smmu_command(lab, CMD_ATC_INV | (uint64_t)SID << CMD_SID_SHIFT,
                 IOVA + PAGE_DATA * PAGE);
    smmu_command(lab, CMD_SYNC, 0);
    g_assert_false(identify(lab, PAGE_DATA));
    /* not asked for: the guest has not enabled that */
    expect_no_request(lab);

    /* a size of 2^3 pages, aligned; then all addresses */
    set_page(lab, PAGE_DATA, true);
    g_assert_true(identify(lab, PAGE_DATA));
    set_page(lab, PAGE_DATA, false);
    smmu_command(lab, CMD_TLBI_ALL, 0);
    smmu_command(lab, CMD_ATC_INV | (uint64_t)SID << CMD_SID_SHIFT,
                 (IOVA + (PAGE_DATA + 7) * PAGE) | 3);
    g_assert_false(identify(lab, PAGE_DATA));
    set_page(lab, PAGE_DATA, true);
    g_assert_true(identify(lab, PAGE_DATA));
    set_page(lab, PAGE_DATA, false);
    smmu_command(lab, CMD_TLBI_ALL, 0);
    smmu_command(lab, CMD_ATC_INV | (uint64_t)SID << CMD_SID_SHIFT, 52);
    g_assert_false(identify(lab, PAGE_DATA));

    /* without ATS there is no cache */
    set_page(lab, PAGE_DATA, true);
    g_assert_true(identify(lab, PAGE_DATA));
    qtest_writew(lab->qts, CONFIG + ATS_CTRL, 0);
    set_page(lab, PAGE_DATA, false);
    smmu_command(lab, CMD_TLBI_ALL, 0);
    g_assert_false(identify(lab, PAGE_DATA));
    stop(lab);
}

/* Without bus mastering the controller asks for nothing */
static void test_bus_master(void)
{
    Lab *lab = start();
    int tries = 3000; /* of 10 ms */

    set_page(lab, PAGE_DATA, true);
    g_assert_true(identify(lab, PAGE_DATA));
    enable_pri(lab);
    set_page(lab, PAGE_ASQ, false);
    smmu_command(lab, CMD_TLBI_ALL, 0);
    smmu_command(lab, CMD_ATC_INV | (uint64_t)SID << CMD_SID_SHIFT, 52);
    qtest_writew(lab->qts, CONFIG + 0x04, 2);

    qtest_writel(lab->qts, VIRT_NVME_BAR + REG_SQ0TDBL, lab->commands + 1);
    while (!(qtest_readl(lab->qts, VIRT_NVME_BAR + REG_CSTS) & CSTS_FATAL)) {
        g_assert_cmpint(tries--, >, 0);
        g_usleep(10000);
    }
    expect_no_request(lab);
    stop(lab);
}

/* A page is asked for once, and there when the response has come */
static void test_request(void)
{
    Lab *lab = start();
    unsigned group;

    g_assert_cmphex(qtest_readl(lab->qts, CONFIG + PRI_CAPACITY), ==, 16);
    g_assert_cmphex(qtest_readw(lab->qts, CONFIG + PRI_STATUS), ==,
                    PRI_STOPPED);
    enable_pri(lab);
    g_assert_false(identify(lab, PAGE_DATA));
    g_assert_cmphex(qtest_readw(lab->qts, CONFIG + PRI_STATUS), ==, 0);
    g_assert_false(identify(lab, PAGE_DATA));
    expect_request(lab, PAGE_DATA, &group);
    expect_no_request(lab);

    set_page(lab, PAGE_DATA, true);
    pri_respond(lab, group, RESP_SUCCESS);
    g_assert_true(identify(lab, PAGE_DATA));
    expect_no_request(lab);

    /* answered, but not mapped: it is asked for once more */
    g_assert_false(identify(lab, PAGE_DATA + 1));
    expect_request(lab, PAGE_DATA + 1, &group);
    pri_respond(lab, group, RESP_SUCCESS);
    g_assert_false(identify(lab, PAGE_DATA + 1));
    expect_request(lab, PAGE_DATA + 1, &group);
    stop(lab);
}

/* "Failure" ends it: for the response of software, and of an SMMU without */
static void test_failure(void)
{
    Lab *lab = start();
    unsigned group;

    enable_pri(lab);
    g_assert_false(identify(lab, PAGE_DATA));
    expect_request(lab, PAGE_DATA, &group);
    pri_respond(lab, group, RESP_DENY);
    g_assert_cmphex(qtest_readw(lab->qts, CONFIG + PRI_STATUS), ==,
                    PRI_FAILURE | PRI_STOPPED);
    g_assert_cmphex(qtest_readw(lab->qts, CONFIG + PRI_CTRL), ==, 0);
    g_assert_false(identify(lab, PAGE_DATA));
    expect_no_request(lab);

    /* write one to clear */
    qtest_writew(lab->qts, CONFIG + PRI_STATUS, PRI_FAILURE);
    g_assert_cmphex(qtest_readw(lab->qts, CONFIG + PRI_STATUS), ==,
                    PRI_STOPPED);
    enable_pri(lab);
    smmu_writel(lab, A_CR0, R_CR0_SMMUEN_MASK | R_CR0_EVENTQEN_MASK |
                R_CR0_CMDQEN_MASK);
    g_assert_false(identify(lab, PAGE_DATA));
    expect_no_request(lab);
    g_assert_cmphex(qtest_readw(lab->qts, CONFIG + PRI_STATUS), ==,
                    PRI_FAILURE | PRI_STOPPED);
    stop(lab);
}

/* A full queue answers "success", until software has noticed */
static void test_overflow(void)
{
    Lab *lab = start();
    unsigned group, i;
    uint32_t prod;

    enable_pri(lab);
    for (i = 0; i < 3; i++) {
        g_assert_false(identify(lab, PAGE_DATA + i));
    }
    prod = smmu_readl(lab, A_PRIQ_PROD);
    g_assert_cmpint(FIELD_EX32(prod, PRIQ, OVERFLOW), ==, 1);
    g_assert_cmphex(qtest_readw(lab->qts, CONFIG + PRI_CTRL), ==, 1);
    expect_request(lab, PAGE_DATA, &group);
    expect_request(lab, PAGE_DATA + 1, &group);
    expect_no_request(lab);

    /* there is room, but the overflow is not acknowledged */
    g_assert_false(identify(lab, PAGE_DATA + 2));
    expect_no_request(lab);
    smmu_writel(lab, A_PRIQ_CONS, lab->priq_cons | R_PRIQ_OVERFLOW_MASK);
    g_assert_false(identify(lab, PAGE_DATA + 2));
    expect_request(lab, PAGE_DATA + 2, &group);
    stop(lab);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    qtest_add_func("/pcie-pri/cache", test_cache);
    qtest_add_func("/pcie-pri/bus-master", test_bus_master);
    qtest_add_func("/pcie-pri/request", test_request);
    qtest_add_func("/pcie-pri/failure", test_failure);
    qtest_add_func("/pcie-pri/overflow", test_overflow);
    return g_test_run();
}
