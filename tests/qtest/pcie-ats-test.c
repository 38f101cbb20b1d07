/*
 * ATS and PASIDs of emulated devices: capabilities, and what the emulated SMMU
 * says about them
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Translations, and data that depends on them, are the lab's matter
 * (docs/devel/viommu-lab.rst): here is no driver that would set up tables.
 */

#include "qemu/osdep.h"
#include "qemu/bitops.h"
#include "libqtest.h"
#include "hw/registerfields.h"

#define VIRT_SMMU       0x09050000
#define VIRT_ECAM       0x3f000000
#define VIRT_RAM        0x40000000ULL

#define SLOT            3
#define MACHINE(more) \
    "-cpu max -nodefaults -machine virt,highmem-ecam=off" more " "
#define NVME(more)      "-device nvme,serial=1,addr=3" more " "

REG32(IDR0, 0x0)
    FIELD(IDR0, ATS, 10, 1)
    FIELD(IDR0, NS1ATS, 11, 1)
REG32(IDR1, 0x4)
    FIELD(IDR1, SSIDSIZE, 6, 5)
REG32(CR0, 0x20)
    FIELD(CR0, CMDQEN, 3, 1)
REG32(GERROR, 0x60)
    FIELD(GERROR, CMDQ_ERR, 0, 1)
REG64(CMDQ_BASE, 0x90)
REG32(CMDQ_PROD, 0x98)
REG32(CMDQ_CONS, 0x9c)
    FIELD(CMDQ_CONS, RD, 0, 20)
    FIELD(CMDQ_CONS, ERR, 24, 7)

#define CMD_ATC_INV     0x40
#define CMD_SSEC        BIT(10)
#define CMD_SYNC        0x46
#define CERROR_ILL      1

#define ECAP_FIRST      0x100
#define ECAP_END        0x1000
#define ECAP_MAX        16
#define ID_ARI          0x0e
#define ID_ATS          0x0f
#define ID_SRIOV        0x10
#define ID_PASID        0x1b

/* ID registers, and CMD_ATC_INV: an error only if it is secure */

typedef struct SmmuCase {
    const char *name;
    const char *args;
    bool ats, ns1ats;
    uint32_t ssidsize;
} SmmuCase;

static const SmmuCase smmu_cases[] = {
    { "default", MACHINE(",iommu=smmuv3") },
    { "ats", MACHINE(",iommu=smmuv3") "-global arm-smmuv3.ats=on",
      true, true },
    { "ats-off", MACHINE(",iommu=smmuv3") "-global arm-smmuv3.ats=off" },
    { "ats-stage-1",
      "-cpu max -nodefaults -machine virt-9.1,iommu=smmuv3 "
      "-global arm-smmuv3.ats=on", true, false },
    { "ssidsize", MACHINE(",iommu=smmuv3") "-global arm-smmuv3.ssidsize=6",
      .ssidsize = 6 },
    { "both", MACHINE(",iommu=smmuv3") "-global arm-smmuv3.ssidsize=20 "
      "-global arm-smmuv3.ats=on", true, true, 20 },
};

static void put_cmd(QTestState *qts, int index, uint64_t word)
{
    qtest_writeq(qts, VIRT_RAM + index * 16, word);
    qtest_writeq(qts, VIRT_RAM + index * 16 + 8, 52 /* all addresses */);
}

static void test_smmu(const void *data)
{
    const SmmuCase *smmu = data;
    QTestState *qts = qtest_init(smmu->args);
    uint32_t idr0 = qtest_readl(qts, VIRT_SMMU + A_IDR0);
    uint32_t idr1 = qtest_readl(qts, VIRT_SMMU + A_IDR1);
    uint32_t cons;

    g_assert_cmpint(FIELD_EX32(idr0, IDR0, ATS), ==, smmu->ats);
    g_assert_cmpint(FIELD_EX32(idr0, IDR0, NS1ATS), ==, smmu->ns1ats);
    g_assert_cmpint(FIELD_EX32(idr1, IDR1, SSIDSIZE), ==, smmu->ssidsize);

    qtest_writeq(qts, VIRT_SMMU + A_CMDQ_BASE, VIRT_RAM | 4 /* entries: 16 */);
    qtest_writel(qts, VIRT_SMMU + A_CR0, R_CR0_CMDQEN_MASK);
    put_cmd(qts, 0, CMD_ATC_INV);
    put_cmd(qts, 1, CMD_SYNC);
    qtest_writel(qts, VIRT_SMMU + A_CMDQ_PROD, 2);
    g_assert_cmphex(qtest_readl(qts, VIRT_SMMU + A_CMDQ_CONS), ==, 2);
    g_assert_cmphex(qtest_readl(qts, VIRT_SMMU + A_GERROR), ==, 0);

    put_cmd(qts, 2, CMD_ATC_INV | CMD_SSEC);
    qtest_writel(qts, VIRT_SMMU + A_CMDQ_PROD, 3);
    cons = qtest_readl(qts, VIRT_SMMU + A_CMDQ_CONS);
    /* ignored by an SMMU without ATS, as it always was */
    g_assert_cmpint(FIELD_EX32(cons, CMDQ_CONS, RD), ==, smmu->ats ? 2 : 3);
    g_assert_cmpint(FIELD_EX32(cons, CMDQ_CONS, ERR), ==,
                    smmu->ats ? CERROR_ILL : 0);
    qtest_quit(qts);
}

/* The chain of extended capabilities of an NVMe controller */

typedef struct EcapCase {
    const char *name;
    const char *args;
    struct {
        uint16_t id, offset;
    } ecaps[ECAP_MAX];
} EcapCase;

static const EcapCase ecap_cases[] = {
    { "none", MACHINE("") NVME("") },
    { "ats", MACHINE("") NVME(",ats=on"), { { ID_ATS, 0x100 } } },
    { "pasid", MACHINE("") NVME(",x-pasid-width=8"),
      /* the head of the chain, for want of another */
      { { 0, 0x100 }, { ID_PASID, 0x190 } } },
    { "both", MACHINE("") NVME(",ats=on,x-pasid-width=20"),
      { { ID_ATS, 0x100 }, { ID_PASID, 0x190 } } },
    { "sriov",
      MACHINE("") "-device pcie-root-port,id=p,addr=3 "
      "-device nvme-subsys,id=s -device nvme,serial=1,subsys=s,bus=p,"
      "sriov_max_vfs=1,sriov_vq_flexible=2,sriov_vi_flexible=1,ats=on,"
      "x-pasid-width=1",
      { { ID_ARI, 0x100 }, { ID_SRIOV, 0x120 }, { ID_ATS, 0x180 },
        { ID_PASID, 0x190 } } },
};

static void test_ecaps(const void *data)
{
    const EcapCase *ecap = data;
    QTestState *qts = qtest_init(ecap->args);
    uint64_t config = VIRT_ECAM + (SLOT << 15);
    uint32_t header, pos = ECAP_FIRST;
    int i;

    if (strstr(ecap->args, "pcie-root-port")) {
        /* bus 1 behind the port, up to where the ECAM is */
        qtest_writeb(qts, config + 0x19, 1);
        qtest_writeb(qts, config + 0x1a, 1);
        config = VIRT_ECAM + (1 << 20);
    }
    for (i = 0; i < ECAP_MAX && pos; i++) {
        g_assert_cmphex(pos, >=, ECAP_FIRST);
        g_assert_cmphex(pos, <, ECAP_END);
        header = qtest_readl(qts, config + pos);
        if (!header) {
            break;
        }
        g_assert_cmphex(header & 0xffff, ==, ecap->ecaps[i].id);
        g_assert_cmphex(pos, ==, ecap->ecaps[i].offset);
        pos = header >> 20;
    }
    g_assert_cmphex(ecap->ecaps[i].offset, ==, 0);
    qtest_quit(qts);
}

/* What a guest may write, and that a reset takes it back */
static void test_control(void)
{
    const uint64_t config = VIRT_ECAM + (SLOT << 15);
    QTestState *qts = qtest_init(MACHINE("")
                                 NVME(",ats=on,x-pasid-width=20"));

    /* page aligned requests; 20 bits without further permissions */
    g_assert_cmphex(qtest_readw(qts, config + 0x104), ==, 0x20);
    g_assert_cmphex(qtest_readw(qts, config + 0x194), ==, 0x1400);

    qtest_writew(qts, config + 0x106, 0xffff);
    qtest_writew(qts, config + 0x196, 0xffff);
    g_assert_cmphex(qtest_readw(qts, config + 0x106), ==, 0x800f);
    g_assert_cmphex(qtest_readw(qts, config + 0x196), ==, 1);

    qtest_system_reset(qts);
    g_assert_cmphex(qtest_readw(qts, config + 0x106), ==, 0);
    g_assert_cmphex(qtest_readw(qts, config + 0x196), ==, 0);
    qtest_quit(qts);
}

static void test_refused_width(const void *width)
{
    g_autofree char *args =
        g_strdup_printf("-M virt -nodefaults -display none -device nvme,"
                        "serial=1,x-pasid-width=%s", (const char *)width);
    g_autofree char *command = g_strdup_printf("%s %s 2>&1",
                                               getenv("QTEST_QEMU_BINARY"),
                                               args);
    char output[1024] = "";
    FILE *f = popen(command, "r");
    int status;

    g_assert_nonnull(f);
    g_assert_cmpint(fread(output, 1, sizeof(output) - 1, f), >, 0);
    status = pclose(f);
    g_assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 1);
    g_assert_nonnull(strstr(output, "no width of PASIDs: use 1 to 20"));
}

int main(int argc, char **argv)
{
    int i;

    g_test_init(&argc, &argv, NULL);
    for (i = 0; i < ARRAY_SIZE(smmu_cases); i++) {
        g_autofree char *path = g_strdup_printf("/pcie-ats/smmu/%s",
                                                smmu_cases[i].name);

        qtest_add_data_func(path, &smmu_cases[i], test_smmu);
    }
    for (i = 0; i < ARRAY_SIZE(ecap_cases); i++) {
        g_autofree char *path = g_strdup_printf("/pcie-ats/ecaps/%s",
                                                ecap_cases[i].name);

        qtest_add_data_func(path, &ecap_cases[i], test_ecaps);
    }
    qtest_add_func("/pcie-ats/control", test_control);
    qtest_add_data_func("/pcie-ats/refusal/width-21", "21",
                        test_refused_width);
    qtest_add_data_func("/pcie-ats/refusal/width-255", "255",
                        test_refused_width);
    return g_test_run();
}
