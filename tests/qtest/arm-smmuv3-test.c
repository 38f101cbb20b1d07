/*
 * SMMUv3 devices on the virt machine: refusals, ID registers, command queue,
 * and the tables that tell a guest about them
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * No firmware runs here: the ACPI tables are read from fw_cfg, which builds
 * them when they are selected, with the root buses' numbers as configured.
 */

#include "qemu/osdep.h"
#include "qemu/bitops.h"
#include "qemu/units.h"
#include "libqtest.h"
#include "libqos/fw_cfg.h"
#include "qobject/qdict.h"
#include "standard-headers/linux/qemu_fw_cfg.h"

#define VIRT_FW_CFG             0x09020000
#define VIRT_SMMU               0x09050000
#define VIRT_PLATFORM_BUS       0x0c000000
#define VIRT_SMMU_SPI           74
#define VIRT_PLATFORM_BUS_SPI   112
#define VIRT_RAM                0x40000000ULL
#define SMMU_SIZE               0x20000

#define IDR0            0x00
#define IDR0_S2P        BIT(0)
#define IDR0_S1P        BIT(1)
#define IDR0_ATS        BIT(10)
#define IDR1            0x04
#define IDR3            0x0c
#define IDR3_RIL        BIT(10)
#define IDR5            0x14
#define OAS_44          4
#define OAS_32          0xff    /* encoded as 0, which stands for the default */
#define IDR3_FWB        BIT(8)
#define CR0             0x20
#define CR0_CMDQEN      BIT(3)
#define GERROR          0x60
#define GERRORN         0x64
#define GERROR_CMDQ_ERR BIT(0)
#define CMDQ_BASE       0x90
#define CMDQ_PROD       0x98
#define CMDQ_CONS       0x9c
#define CMDQ_CONS_ERR_SHIFT 24
#define CERROR_ILL      1
#define CMD_SIZE        16
#define CMD_TLBI_NSNH_ALL   0x30
#define CMD_CFGI_ALL        0x04
#define CMD_SYNC            0x46
#define CMD_RESERVED        0xee

#define PXB(n, nr) "-device pxb-pcie,id=pcie." #n ",bus=pcie.0,bus_nr=" #nr " "
#define SMMU(n, more) \
    "-device arm-smmuv3,id=smmuv3." #n ",primary-bus=pcie." #n more " "
/* accelerated, and without a device to take the other values from */
#define ACCEL ",accel=on,ats=off,ril=on,ssidsize=0,oas=44"

/* Refusals: each ends QEMU with one line that says what to do */

typedef struct Refusal {
    const char *name;
    const char *machine;
    const char *args;
    const char *message;
} Refusal;

static const Refusal refusals[] = {
    {
        "no-primary-bus", "virt", "-device arm-smmuv3,id=s",
        "'s': SMMU is not attached to any PCI bus: set primary-bus",
    }, {
        "bus-is-no-root", "virt",
        PXB(1, 8) "-device pcie-root-port,id=rp,bus=pcie.1 "
        "-device arm-smmuv3,id=s,primary-bus=rp",
        "'s': primary-bus 'rp' is not the root bus",
    }, {
        "bus-is-no-pcie", "virt",
        "-device pcie-pci-bridge,id=pci.1,bus=pcie.0 "
        "-device arm-smmuv3,id=s,primary-bus=pci.1",
        "'s': primary-bus 'pci.1' is not the root bus",
    }, {
        "two-on-one-bus", "virt",
        "-device arm-smmuv3,id=s,primary-bus=pcie.0 "
        "-device arm-smmuv3,id=t,primary-bus=pcie.0",
        "'t': primary-bus 'pcie.0' already has an IOMMU",
    }, {
        "machine-has-one", "virt,iommu=smmuv3",
        PXB(1, 8) SMMU(1, ""),
        "'smmuv3.1': the machine has an IOMMU already: remove -machine",
    }, {
        "virtio-iommu-first", "virt",
        "-device virtio-iommu-pci " PXB(1, 8) SMMU(1, ""),
        "'smmuv3.1': the machine has an IOMMU already: remove virtio-iommu",
    }, {
        "virtio-iommu-second", "virt",
        PXB(1, 8) SMMU(1, "") "-device virtio-iommu-pci",
        "does not support multiple IOMMUs",
    }, {
        "accel-stage-2", "virt", PXB(1, 8) SMMU(1, ",accel=on,stage=2"),
        "'smmuv3.1': stage=2 cannot be accelerated",
    }, {
        "accel-nested", "virt", PXB(1, 8) SMMU(1, ",accel=on,stage=nested"),
        "'smmuv3.1': stage=nested cannot be accelerated",
    }, {
        "accel-emulated-endpoint", "virt",
        PXB(1, 8) SMMU(1, ",accel=on")
        "-device pcie-root-port,id=rp,bus=pcie.1 -device nvme,id=n,bus=rp,"
        "serial=1",
        "nvme 'n' cannot be behind the accelerated arm-smmuv3 'smmuv3.1'",
    }, {
        "accel-endpoint-first", "virt",
        PXB(1, 8) "-device pcie-root-port,id=rp,bus=pcie.1 "
        "-device nvme,id=n,bus=rp,serial=1 " SMMU(1, ",accel=on"),
        "'smmuv3.1': nvme 'n' is on primary-bus already",
    }, {
        "plain-ril", "virt", PXB(1, 8) SMMU(1, ",ril=off"),
        "'smmuv3.1': the emulated SMMU cannot do ril=off",
    }, {
        "plain-oas", "virt", PXB(1, 8) SMMU(1, ",oas=48"),
        "'smmuv3.1': the emulated SMMU cannot do an oas other than 44",
    }, {
        "ssidsize-21", "virt", PXB(1, 8) SMMU(1, ",accel=on,ssidsize=21"),
        "Parameter 'ssidsize' does not accept value '21'",
    }, {
        "oas-46", "virt", PXB(1, 8) SMMU(1, ",accel=on,oas=46"),
        "Parameter 'oas' does not accept value '46'",
    }, {
        "accel-all-auto", "virt", PXB(1, 8) SMMU(1, ",accel=on"),
        "'smmuv3.1': ats=auto needs a device to take the value from",
    }, {
        "accel-oas-auto", "virt",
        PXB(1, 8) SMMU(1, ",accel=on,ats=off,ril=on,ssidsize=0"),
        "'smmuv3.1': oas=auto needs a device to take the value from",
    },
};

static void test_refusal(const void *data)
{
    const Refusal *refusal = data;
    g_autofree char *cmdline =
        g_strdup_printf("%s -machine %s -cpu max -accel qtest -nodefaults "
                        "-display none -S %s", g_getenv("QTEST_QEMU_BINARY"),
                        refusal->machine, refusal->args);
    g_autofree char *out = NULL;
    g_autofree char *err = NULL;
    g_autoptr(GError) gerror = NULL;
    int status;

    g_assert_true(g_spawn_command_line_sync(cmdline, &out, &err, &status,
                                            &gerror));
    g_assert_no_error(gerror);
    g_assert_true(WIFEXITED(status));
    g_assert_cmpint(WEXITSTATUS(status), ==, 1);
    if (!strstr(err, refusal->message)) {
        g_test_message("expected '%s', got '%s'", refusal->message, err);
        g_test_fail();
    }
    /* one line */
    g_assert_true(strchr(err, '\n') == err + strlen(err) - 1);
}

/* ID registers */

typedef struct IdCase {
    const char *name;
    const char *args;
    uint64_t base;
    uint32_t idr0_stages;
    bool fwb;
    /* what an accelerated SMMU's properties decide; 0: what the base has */
    uint32_t ats, ssidsize, no_ril, oas;
} IdCase;

static const IdCase id_cases[] = {
    {
        "device-default", "-machine virt " PXB(1, 8) SMMU(1, ""),
        VIRT_PLATFORM_BUS, IDR0_S1P, false,
    }, {
        "device-nested", "-machine virt " PXB(1, 8) SMMU(1, ",stage=nested"),
        VIRT_PLATFORM_BUS, IDR0_S1P | IDR0_S2P, true,
    }, {
        "device-nested-no-fwb",
        "-machine virt " PXB(1, 8) SMMU(1, ",stage=nested,fwb=off"),
        VIRT_PLATFORM_BUS, IDR0_S1P | IDR0_S2P, false,
    }, {
        "device-accel", "-machine virt " PXB(1, 8) SMMU(1, ACCEL),
        VIRT_PLATFORM_BUS, IDR0_S1P, false,
    }, {
        "device-accel-all", "-machine virt " PXB(1, 8)
        SMMU(1, ",accel=on,ats=on,ril=on,ssidsize=20,oas=48"),
        VIRT_PLATFORM_BUS, IDR0_S1P, false, .ats = 1, .ssidsize = 20, .oas = 5,
    }, {
        "device-accel-least", "-machine virt " PXB(1, 8)
        SMMU(1, ",accel=on,ats=off,ril=off,ssidsize=1,oas=32"),
        VIRT_PLATFORM_BUS, IDR0_S1P, false, .ssidsize = 1, .no_ril = 1,
        .oas = OAS_32,
    }, {
        "device-accel-oas-52", "-machine virt " PXB(1, 8)
        SMMU(1, ",accel=on,ats=off,ril=on,ssidsize=0,oas=52"),
        VIRT_PLATFORM_BUS, IDR0_S1P, false, .oas = 6,
    }, {
        "second-device",
        "-machine virt " PXB(1, 8) SMMU(1, "") SMMU(0, ",stage=2"),
        VIRT_PLATFORM_BUS + SMMU_SIZE, IDR0_S2P, true,
    }, {
        "machine-newest", "-machine virt,iommu=smmuv3",
        VIRT_SMMU, IDR0_S1P | IDR0_S2P, true,
    }, {
        "machine-10.0", "-machine virt-10.0,iommu=smmuv3",
        VIRT_SMMU, IDR0_S1P | IDR0_S2P, false,
    }, {
        "machine-9.1", "-machine virt-9.1,iommu=smmuv3",
        VIRT_SMMU, IDR0_S1P, false,
    },
};

static void test_id(const void *data)
{
    const IdCase *id = data;
    QTestState *qts = qtest_initf("-cpu max -nodefaults %s", id->args);
    uint32_t idr0 = qtest_readl(qts, id->base + IDR0);
    uint32_t idr3 = qtest_readl(qts, id->base + IDR3);

    g_assert_cmphex(idr0 & (IDR0_S1P | IDR0_S2P), ==, id->idr0_stages);
    g_assert_cmpint(!!(idr3 & IDR3_FWB), ==, id->fwb);
    g_assert_cmpint(!!(idr0 & IDR0_ATS), ==, id->ats);
    g_assert_cmpint(!(idr3 & IDR3_RIL), ==, id->no_ril);
    g_assert_cmpint(extract32(qtest_readl(qts, id->base + IDR1), 6, 5), ==,
                    id->ssidsize);
    g_assert_cmpint(extract32(qtest_readl(qts, id->base + IDR5), 0, 3), ==,
                    !id->oas ? OAS_44 : id->oas == OAS_32 ? 0 : id->oas);
    qtest_quit(qts);
}

/* Command queue: what is consumed, and where an illegal command stops it */

static void put_cmd(QTestState *qts, unsigned index, uint64_t word0)
{
    qtest_writeq(qts, VIRT_RAM + index * CMD_SIZE, word0);
    qtest_writeq(qts, VIRT_RAM + index * CMD_SIZE + 8, 0);
}

static void test_cmdq(const void *more)
{
    const uint64_t base = VIRT_PLATFORM_BUS;
    QTestState *qts = qtest_initf("-machine virt -cpu max -nodefaults "
                                  PXB(1, 8) "-device arm-smmuv3,"
                                  "primary-bus=pcie.1%s", (const char *)more);
    uint32_t cons;

    qtest_writeq(qts, base + CMDQ_BASE, VIRT_RAM | 4 /* 16 entries */);
    qtest_writel(qts, base + CR0, CR0_CMDQEN);

    put_cmd(qts, 0, CMD_CFGI_ALL);
    put_cmd(qts, 1, CMD_TLBI_NSNH_ALL);
    put_cmd(qts, 2, CMD_SYNC);
    qtest_writel(qts, base + CMDQ_PROD, 3);
    g_assert_cmphex(qtest_readl(qts, base + CMDQ_CONS), ==, 3);
    g_assert_cmphex(qtest_readl(qts, base + GERROR), ==, 0);

    put_cmd(qts, 3, CMD_TLBI_NSNH_ALL);
    put_cmd(qts, 4, CMD_RESERVED);
    put_cmd(qts, 5, CMD_SYNC);
    qtest_writel(qts, base + CMDQ_PROD, 6);
    cons = qtest_readl(qts, base + CMDQ_CONS);
    g_assert_cmphex(cons & 0xf, ==, 4);
    g_assert_cmphex(extract32(cons, CMDQ_CONS_ERR_SHIFT, 7), ==, CERROR_ILL);
    g_assert_cmphex(qtest_readl(qts, base + GERROR), ==, GERROR_CMDQ_ERR);

    /* as drivers do: put something harmless there, acknowledge, go on */
    put_cmd(qts, 4, CMD_SYNC);
    qtest_writel(qts, base + GERRORN, GERROR_CMDQ_ERR);
    g_assert_cmphex(qtest_readl(qts, base + CMDQ_CONS) & 0xf, ==, 6);
    qtest_quit(qts);
}

/* Migration: blocked by an accelerated SMMU, by name; not by a plain one */

static void test_migration_blocked(void)
{
    QTestState *qts = qtest_init("-machine virt -cpu max -nodefaults "
                                 PXB(1, 8) SMMU(1, ACCEL));
    QDict *rsp = qtest_qmp(qts, "{ 'execute': 'migrate', 'arguments': "
                           "{ 'uri': 'exec:cat > /dev/null' } }");
    const char *desc;

    g_assert_true(qdict_haskey(rsp, "error"));
    desc = qdict_get_str(qdict_get_qdict(rsp, "error"), "desc");
    g_assert_nonnull(strstr(desc, "arm-smmuv3 'smmuv3.1' has accel=on"));
    qobject_unref(rsp);
    qtest_quit(qts);
}

static void test_migration_plain(void)
{
    QTestState *qts = qtest_init("-machine virt -cpu max -nodefaults "
                                 PXB(1, 8) SMMU(1, ""));
    QDict *rsp = qtest_qmp(qts, "{ 'execute': 'migrate', 'arguments': "
                           "{ 'uri': 'exec:cat > /dev/null' } }");

    g_assert_false(qdict_haskey(rsp, "error"));
    qobject_unref(rsp);
    qtest_quit(qts);
}

/* IORT */

#define IORT_MAX_NODES  8
#define IORT_MAX_MAPS   8

enum { NODE_ITS = 0, NODE_RC = 2, NODE_SMMU = 4, NODE_RMR = 6 };

typedef struct IortMap {
    uint32_t base;
    uint32_t count;
    int node;                   /* index of the node it leads to */
} IortMap;

typedef struct IortNode {
    uint8_t type;
    uint64_t address;           /* SMMU: registers; RMR: memory range */
    uint32_t gsiv;              /* SMMU: event queue */
    IortMap maps[IORT_MAX_MAPS];
} IortNode;

typedef struct IortCase {
    const char *name;
    const char *args;
    uint8_t revision;
    IortNode nodes[IORT_MAX_NODES];
    int nb_nodes;
    bool preserve_config;
    bool no_madt_its;
} IortCase;

#define MAP(b, c, n) { .base = (b), .count = (c), .node = (n) }
#define MAP_ALL(n) MAP(0, 0x10000, n)
#define GSIV(spi) ((spi) + 32)

static const IortCase iort_cases[] = {
    {
        "none", "-machine virt,gic-version=3", 5,
        { { NODE_ITS }, { NODE_RC, .maps = { MAP_ALL(0) } } }, 2,
    }, {
        "machine", "-machine virt,gic-version=3,iommu=smmuv3 " PXB(1, 8), 5,
        { { NODE_ITS },
          { NODE_SMMU, VIRT_SMMU, GSIV(VIRT_SMMU_SPI), { MAP_ALL(0) } },
          { NODE_RC, .maps = { MAP(0, 0x100, 1), MAP(0x800, 0x100, 1),
                               MAP(0x100, 0x700, 0),
                               MAP(0x900, 0xf700, 0) } } }, 3,
    }, {
        "machine-bypass",
        "-machine virt,gic-version=3,iommu=smmuv3,default-bus-bypass-iommu=on "
        PXB(1, 8), 5,
        { { NODE_ITS },
          { NODE_SMMU, VIRT_SMMU, GSIV(VIRT_SMMU_SPI), { MAP_ALL(0) } },
          { NODE_RC, .maps = { MAP(0x800, 0x100, 1), MAP(0, 0x800, 0),
                               MAP(0x900, 0xf700, 0) } } }, 3,
    }, {
        "one-device",
        "-machine virt,gic-version=3 " PXB(1, 8) SMMU(1, ""), 5,
        { { NODE_ITS },
          { NODE_SMMU, VIRT_PLATFORM_BUS, GSIV(VIRT_PLATFORM_BUS_SPI),
            { MAP_ALL(0) } },
          { NODE_RC, .maps = { MAP(0x800, 0x100, 1), MAP(0, 0x800, 0),
                               MAP(0x900, 0xf700, 0) } } }, 3,
    }, {
        /* in order of plugging, whatever the bus numbers */
        "two-devices", "-machine virt,gic-version=3 " PXB(1, 16) PXB(2, 8)
        SMMU(1, ACCEL) SMMU(2, ""), 5,
        { { NODE_ITS },
          { NODE_SMMU, VIRT_PLATFORM_BUS, GSIV(VIRT_PLATFORM_BUS_SPI),
            { MAP_ALL(0) } },
          { NODE_SMMU, VIRT_PLATFORM_BUS + SMMU_SIZE,
            GSIV(VIRT_PLATFORM_BUS_SPI + 4), { MAP_ALL(0) } },
          { NODE_RC, .maps = { MAP(0x1000, 0x100, 1), MAP(0x800, 0x100, 2),
                               MAP(0, 0x800, 0), MAP(0x900, 0x700, 0),
                               MAP(0x1100, 0xef00, 0) } },
          { NODE_RMR, 0x08000000, .maps = { MAP(0x1000, 0x100, 1) } } }, 5,
        true,
    }, {
        /* no ITS: no node for it, and nothing leads there */
        "its-off", "-machine virt,gic-version=3,its=off", 5,
        { { NODE_RC } }, 1, .no_madt_its = true,
    }, {
        "gicv2", "-machine virt,gic-version=2", 5,
        { { NODE_RC } }, 1, .no_madt_its = true,
    }, {
        "its-off-devices", "-machine virt,gic-version=3,its=off "
        PXB(1, 16) PXB(2, 8) SMMU(1, ACCEL) SMMU(2, ""), 5,
        { { NODE_SMMU, VIRT_PLATFORM_BUS, GSIV(VIRT_PLATFORM_BUS_SPI) },
          { NODE_SMMU, VIRT_PLATFORM_BUS + SMMU_SIZE,
            GSIV(VIRT_PLATFORM_BUS_SPI + 4) },
          { NODE_RC, .maps = { MAP(0x1000, 0x100, 0), MAP(0x800, 0x100, 1) } },
          { NODE_RMR, 0x08000000, .maps = { MAP(0x1000, 0x100, 0) } } }, 4,
        .preserve_config = true, .no_madt_its = true,
    }, {
        /* as QEMU 10.0 has it */
        "machine-10.0", "-machine virt-10.0,gic-version=3", 3,
        { { NODE_ITS }, { NODE_RC, .maps = { MAP_ALL(0) } } }, 2,
    }, {
        "machine-10.0-its-off", "-machine virt-10.0,gic-version=3,its=off", 3,
        { { NODE_ITS }, { NODE_RC, .maps = { MAP_ALL(0) } } }, 2,
    }, {
        "machine-10.0-gicv2", "-machine virt-10.0,gic-version=2", 3,
        { { NODE_ITS }, { NODE_RC, .maps = { MAP_ALL(0) } } }, 2,
        .no_madt_its = true,
    },
};

/* fw_cfg as the virt machine has it: selector, and a DMA engine for the data */

static void virt_fw_cfg_select(QFWCFG *fw_cfg, uint16_t key)
{
    qtest_writew(fw_cfg->qts, fw_cfg->base + 8, cpu_to_be16(key));
}

static void virt_fw_cfg_read(QFWCFG *fw_cfg, void *data, size_t len)
{
    const uint64_t access_gpa = VIRT_RAM, data_gpa = VIRT_RAM + 0x1000;
    struct fw_cfg_dma_access access = {
        .control = cpu_to_be32(FW_CFG_DMA_CTL_READ),
        .length = cpu_to_be32(len),
        .address = cpu_to_be64(data_gpa),
    };

    qtest_memwrite(fw_cfg->qts, access_gpa, &access, sizeof(access));
    qtest_writeq(fw_cfg->qts, fw_cfg->base + 16, cpu_to_be64(access_gpa));
    g_assert_cmphex(qtest_readl(fw_cfg->qts, access_gpa), ==, 0);
    qtest_memread(fw_cfg->qts, data_gpa, data, len);
}

/* Returns the offset of a table of @tables, whose length is checked */
static size_t find_table(const uint8_t *tables, size_t size, const char *sig)
{
    size_t offset = 0;

    while (offset + 36 <= size) {
        uint32_t length = ldl_le_p(tables + offset + 4);

        if (!memcmp(tables + offset, sig, 4)) {
            g_assert_cmpuint(length, <=, size - offset);
            return offset;
        }
        /* FACS has no checksum, but a length too; tables may be padded */
        offset += length > 8 && length < size ? length : 4;
    }
    g_assert_not_reached();
}

static void check_node(const uint8_t *node, const IortNode *expected,
                       const uint32_t *offsets)
{
    const uint8_t *map = node + ldl_le_p(node + 12);
    uint32_t nb_maps = ldl_le_p(node + 8);
    int i;

    g_assert_cmpuint(node[0], ==, expected->type);
    if (expected->type == NODE_SMMU) {
        g_assert_cmphex(ldq_le_p(node + 16), ==, expected->address);
        g_assert_cmpuint(ldl_le_p(node + 44), ==, expected->gsiv);
        /* PRI, GERROR, CMD_SYNC: the SMMU's lines are EVTQ PRIQ SYNC GERROR */
        g_assert_cmpuint(ldl_le_p(node + 48), ==, expected->gsiv + 1);
        g_assert_cmpuint(ldl_le_p(node + 52), ==, expected->gsiv + 3);
        g_assert_cmpuint(ldl_le_p(node + 56), ==, expected->gsiv + 2);
    } else if (expected->type == NODE_RMR) {
        const uint8_t *range = node + ldl_le_p(node + 24);

        g_assert_cmpuint(ldl_le_p(node + 16), ==, 1); /* remap permitted */
        g_assert_cmpuint(ldl_le_p(node + 20), ==, 1); /* ranges */
        g_assert_cmphex(ldq_le_p(range), ==, expected->address);
        g_assert_cmphex(ldq_le_p(range + 8), ==, 0x100000);
        g_assert_true(range + 20 == node + lduw_le_p(node + 1));
    }
    for (i = 0; i < IORT_MAX_MAPS && expected->maps[i].count; i++) {
        g_assert_cmphex(ldl_le_p(map), ==, expected->maps[i].base);
        g_assert_cmphex(ldl_le_p(map + 4), ==, expected->maps[i].count - 1);
        g_assert_cmphex(ldl_le_p(map + 8), ==, expected->maps[i].base);
        g_assert_cmphex(ldl_le_p(map + 12), ==,
                        offsets[expected->maps[i].node]);
        map += 20;
    }
    g_assert_cmpuint(nb_maps, ==, i);
}

static bool has_madt_its(const uint8_t *madt)
{
    uint32_t length = ldl_le_p(madt + 4);

    for (uint32_t at = 44; at < length; at += madt[at + 1]) {
        if (madt[at] == 0xf) {
            return true;
        }
    }
    return false;
}

static bool has_dsm_preserve(const uint8_t *dsdt, size_t size)
{
    /* If (Arg2 == 5) { Return (0) } */
    static const uint8_t aml[] = { 0x93, 0x6a, 0x0a, 0x05, 0xa4, 0x00 };

    return memmem(dsdt, size, aml, sizeof(aml));
}

static void test_iort(const void *data)
{
    const IortCase *iort = data;
    QTestState *qts = qtest_initf("-cpu max -nodefaults %s", iort->args);
    QFWCFG fw_cfg = {
        .base = VIRT_FW_CFG,
        .qts = qts,
        .select = virt_fw_cfg_select,
        .read = virt_fw_cfg_read,
    };
    const size_t max = 256 * KiB;
    g_autofree uint8_t *tables = g_malloc0(max);
    size_t size = qfw_cfg_get_file(&fw_cfg, "etc/acpi/tables", tables, max);
    const uint8_t *table;
    uint32_t offsets[IORT_MAX_NODES];
    uint32_t offset, nb_nodes, first_id;
    size_t dsdt;

    g_assert_cmpuint(size, >, 0);
    g_assert_cmpuint(size, <=, max);
    table = tables + find_table(tables, size, "IORT");
    g_assert_cmpuint(table[8], ==, iort->revision);
    nb_nodes = ldl_le_p(table + 36);
    g_assert_cmpuint(nb_nodes, ==, iort->nb_nodes);
    offset = ldl_le_p(table + 40);
    /* 0 is for an ITS, even if there is none: an SMMU's is also a _UID */
    first_id = table[offset] == NODE_ITS ? 0 : 1;
    for (int i = 0; i < nb_nodes; i++) {
        g_assert_cmpuint(ldl_le_p(table + offset + 4), ==, first_id + i);
        offsets[i] = offset;
        offset += lduw_le_p(table + offset + 1);
        g_assert_cmpuint(offset, <=, ldl_le_p(table + 4));
    }
    g_assert_cmpuint(offset, ==, ldl_le_p(table + 4));
    for (int i = 0; i < nb_nodes; i++) {
        check_node(table + offsets[i], &iort->nodes[i], offsets);
    }

    table = tables + find_table(tables, size, "APIC");
    g_assert_cmpint(has_madt_its(table), ==, !iort->no_madt_its);

    dsdt = find_table(tables, size, "DSDT");
    g_assert_cmpint(has_dsm_preserve(tables + dsdt,
                                     ldl_le_p(tables + dsdt + 4)), ==,
                    iort->preserve_config);
    qtest_quit(qts);
}

static void add_table_tests(void)
{
    for (int i = 0; i < ARRAY_SIZE(refusals); i++) {
        g_autofree char *path = g_strdup_printf("/arm-smmuv3/refusal/%s",
                                                refusals[i].name);
        qtest_add_data_func(path, &refusals[i], test_refusal);
    }
    for (int i = 0; i < ARRAY_SIZE(id_cases); i++) {
        g_autofree char *path = g_strdup_printf("/arm-smmuv3/id/%s",
                                                id_cases[i].name);
        qtest_add_data_func(path, &id_cases[i], test_id);
    }
    for (int i = 0; i < ARRAY_SIZE(iort_cases); i++) {
        g_autofree char *path = g_strdup_printf("/arm-smmuv3/iort/%s",
                                                iort_cases[i].name);
        qtest_add_data_func(path, &iort_cases[i], test_iort);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);

    add_table_tests();
    qtest_add_data_func("/arm-smmuv3/cmdq/plain", "", test_cmdq);
    qtest_add_data_func("/arm-smmuv3/cmdq/accel", ACCEL, test_cmdq);

    qtest_add_func("/arm-smmuv3/migration/accel", test_migration_blocked);
    qtest_add_func("/arm-smmuv3/migration/plain", test_migration_plain);

    return g_test_run();
}
