/*
 * Tegra241 CMDQ-V of an SMMUv3: the tables that tell a guest about it, and
 * what is refused
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * No firmware runs here: the ACPI tables are read from fw_cfg, which builds
 * them when they are selected.
 */

#include "qemu/osdep.h"
#include "qemu/bswap.h"
#include "qemu/units.h"
#include "libqtest.h"
#include "libqos/fw_cfg.h"
#include "standard-headers/linux/qemu_fw_cfg.h"

#define VIRT_FW_CFG             0x09020000
#define VIRT_PLATFORM_BUS       0x0c000000
#define VIRT_PLATFORM_BUS_SPI   112
#define VIRT_RAM                0x40000000ULL

#define CMDQV_SIZE              (0x30000 + 16 * 0x20000)
#define CMDQV_ALIGN             0x400000
#define PARAM                   0x0004
#define IORT_SMMU               4

#define PXB(n, nr) "-device pxb-pcie,id=pcie." #n ",bus=pcie.0,bus_nr=" #nr " "
#define SMMU(n, more) \
    "-device arm-smmuv3,id=smmuv3." #n ",primary-bus=pcie." #n more " "

/* Refusals: each ends QEMU with one line that says what to do */

typedef struct Refusal {
    const char *name;
    const char *args;
    const char *message;
} Refusal;

static const Refusal refusals[] = {
    {
        "machine-smmu",
        "-machine virt,iommu=smmuv3 -global arm-smmuv3.cmdqv=on",
        "cmdqv=on needs an SMMU made with -device",
    }, {
        "other-machine", "-machine sbsa-ref -global arm-smmuv3.cmdqv=on",
        "cmdqv=on needs an SMMU made with -device",
    }, {
        "not-by-itself", "-machine virt -device tegra241-cmdqv",
        "expects a pluggable device type",
    }, {
        "identifier-taken",
        "-machine virt " PXB(1, 8) SMMU(0, "") SMMU(1, ",identifier=1"),
        "'smmuv3.1': identifier=1 is that of 'smmuv3.0': set another",
    }, {
        "identifier-too-big", "-machine virt " SMMU(0, ",identifier=256"),
        "256",
    }, {
        "value", "-machine virt " SMMU(0, ",cmdqv=2"),
        "does not accept value '2'",
    },
};

static void test_refusal(const void *data)
{
    const Refusal *refusal = data;
    g_autofree char *cmdline =
        g_strdup_printf("%s -cpu max -accel qtest -nodefaults -display none "
                        "-S %s", g_getenv("QTEST_QEMU_BINARY"), refusal->args);
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

/* ACPI: the SMMU's Identifier in the IORT is the _UID of its CMDQ-V */

typedef struct Instance {
    uint8_t identifier;
    bool cmdqv;
    uint64_t base;              /* of the CMDQ-V */
    uint32_t gsiv;
} Instance;

typedef struct TableCase {
    const char *name;
    const char *args;
    Instance smmus[3];
    int nb_smmus;
} TableCase;

#define GSIV(spi) ((spi) + 32)

static const TableCase table_cases[] = {
    {
        "none", "-machine virt " SMMU(0, ""), { { 1 } }, 1,
    }, {
        "auto-is-off", "-machine virt " SMMU(0, ",cmdqv=auto"), { { 1 } }, 1,
    }, {
        "old-machine", "-machine virt-9.2 " SMMU(0, ""), { { 1 } }, 1,
    }, {
        "one", "-machine virt " SMMU(0, ",stage=nested,cmdqv=on"),
        { { 1, true, VIRT_PLATFORM_BUS + CMDQV_ALIGN,
            GSIV(VIRT_PLATFORM_BUS_SPI + 4) } }, 1,
    }, {
        "identifier", "-machine virt " SMMU(0, ",cmdqv=on,identifier=200"),
        { { 200, true, VIRT_PLATFORM_BUS + CMDQV_ALIGN,
            GSIV(VIRT_PLATFORM_BUS_SPI + 4) } }, 1,
    }, {
        "three", "-machine virt " PXB(1, 8) PXB(2, 16)
        SMMU(0, ",cmdqv=on,identifier=2") SMMU(1, "")
        SMMU(2, ",cmdqv=on"),
        { { 2, true, VIRT_PLATFORM_BUS + CMDQV_ALIGN,
            GSIV(VIRT_PLATFORM_BUS_SPI + 12) },
          { 1 },
          { 3, true, VIRT_PLATFORM_BUS + 2 * CMDQV_ALIGN,
            GSIV(VIRT_PLATFORM_BUS_SPI + 13) } }, 3,
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
        /* tables may be padded */
        offset += length > 8 && length < size ? length : 4;
    }
    g_assert_not_reached();
}

/* SMMUs are in order of plugging; no two nodes have the same Identifier */
static void check_iort(const uint8_t *iort, const TableCase *expected)
{
    uint32_t offset = ldl_le_p(iort + 40);
    uint32_t nb_nodes = ldl_le_p(iort + 36);
    g_autofree uint32_t *ids = g_new(uint32_t, nb_nodes);
    int nb_smmus = 0;

    for (uint32_t i = 0; i < nb_nodes; i++) {
        ids[i] = ldl_le_p(iort + offset + 4);
        for (uint32_t j = 0; j < i; j++) {
            g_assert_cmpuint(ids[i], !=, ids[j]);
        }
        if (iort[offset] == IORT_SMMU) {
            g_assert_cmpint(nb_smmus, <, expected->nb_smmus);
            g_assert_cmpuint(ids[i], ==,
                             expected->smmus[nb_smmus].identifier);
            nb_smmus++;
        }
        offset += lduw_le_p(iort + offset + 1);
    }
    g_assert_cmpint(nb_smmus, ==, expected->nb_smmus);
}

/* The next device NVDA200C at or after @aml, or NULL */
static const uint8_t *find_nvda(const uint8_t *aml, const uint8_t *end)
{
    static const uint8_t hid[] = "\x08_HID\x0dNVDA200C";

    return memmem(aml, end - aml, hid, sizeof(hid));
}

/* AML names, integers and resources of a device, ACPI 6.5, 20.2 and 6.4 */
static void check_nvda(const uint8_t *aml, const uint8_t *end,
                       const Instance *expected)
{
    const uint8_t *uid = memmem(aml, end - aml, "\x08_UID", 5);
    const uint8_t *mem = memmem(aml, end - aml, "\x86\x09\x00", 3);
    const uint8_t *irq = memmem(aml, end - aml, "\x89\x06\x00", 3);

    g_assert_nonnull(uid);
    if (expected->identifier == 1) {
        g_assert_cmphex(uid[5], ==, 0x01);      /* OneOp */
    } else {
        g_assert_cmphex(uid[5], ==, 0x0a);      /* BytePrefix */
        g_assert_cmpuint(uid[6], ==, expected->identifier);
    }
    g_assert_nonnull(mem);
    g_assert_cmphex(ldl_le_p(mem + 4), ==, expected->base);
    g_assert_cmphex(ldl_le_p(mem + 8), ==, CMDQV_SIZE);
    g_assert_nonnull(irq);
    g_assert_cmphex(irq[3], ==, 0x03);          /* consumer, edge */
    g_assert_cmpuint(ldl_le_p(irq + 5), ==, expected->gsiv);
}

static void test_acpi(const void *data)
{
    const TableCase *expected = data;
    QTestState *qts = qtest_initf("-cpu max -nodefaults %s", expected->args);
    QFWCFG fw_cfg = {
        .base = VIRT_FW_CFG,
        .qts = qts,
        .select = virt_fw_cfg_select,
        .read = virt_fw_cfg_read,
    };
    const size_t max = 256 * KiB;
    g_autofree uint8_t *tables = g_malloc0(max);
    size_t size = qfw_cfg_get_file(&fw_cfg, "etc/acpi/tables", tables, max);
    const uint8_t *dsdt, *end;

    g_assert_cmpuint(size, >, 0);
    g_assert_cmpuint(size, <=, max);
    check_iort(tables + find_table(tables, size, "IORT"), expected);

    dsdt = tables + find_table(tables, size, "DSDT");
    end = dsdt + ldl_le_p(dsdt + 4);
    for (int i = 0; i < expected->nb_smmus; i++) {
        const Instance *smmu = &expected->smmus[i];

        if (!smmu->cmdqv) {
            continue;
        }
        dsdt = find_nvda(dsdt, end);
        g_assert_nonnull(dsdt);
        check_nvda(dsdt, end, smmu);
        dsdt++;
        /* and this is where it is */
        g_assert_cmphex(qtest_readl(qts, smmu->base + PARAM), ==, 0x4451);
    }
    g_assert_null(find_nvda(dsdt, end));
    qtest_quit(qts);
}

/* Device tree */

static bool dtb_has(const char *dtb, size_t size, const char *string)
{
    /* with its end: a string property, or the name of a property */
    return memmem(dtb, size, string, strlen(string) + 1);
}

static void test_fdt(const void *data)
{
    const TableCase *expected = data;
    g_autofree char *path = g_strdup_printf("%s/cmdqv-%d.dtb",
                                            g_get_tmp_dir(), getpid());
    g_autofree char *cmdline =
        g_strdup_printf("%s %s -machine dumpdtb=%s -cpu max -accel qtest "
                        "-nodefaults -display none",
                        g_getenv("QTEST_QEMU_BINARY"), expected->args, path);
    g_autofree char *dtb = NULL;
    g_autofree char *out = NULL;
    g_autofree char *err = NULL;
    g_autoptr(GError) gerror = NULL;
    bool any = false;
    gsize size;
    int status;

    g_assert_true(g_spawn_command_line_sync(cmdline, &out, &err, &status,
                                            &gerror));
    g_assert_no_error(gerror);
    g_assert_cmpint(status, ==, 0);
    g_file_get_contents(path, &dtb, &size, &gerror);
    g_assert_no_error(gerror);
    unlink(path);

    for (int i = 0; i < expected->nb_smmus; i++) {
        g_autofree char *node = g_strdup_printf("cmdqv@%" PRIx64,
                                                expected->smmus[i].base);

        if (expected->smmus[i].cmdqv) {
            any = true;
            g_assert_true(dtb_has(dtb, size, node));
        }
    }
    g_assert_cmpint(dtb_has(dtb, size, "nvidia,tegra264-cmdqv"), ==, any);
    g_assert_cmpint(dtb_has(dtb, size, "nvidia,tegra264-smmu"), ==, any);
    g_assert_cmpint(dtb_has(dtb, size, "nvidia,cmdqv"), ==, any);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);

    for (int i = 0; i < ARRAY_SIZE(refusals); i++) {
        g_autofree char *path = g_strdup_printf("/tegra241-cmdqv/refusal/%s",
                                                refusals[i].name);
        qtest_add_data_func(path, &refusals[i], test_refusal);
    }
    for (int i = 0; i < ARRAY_SIZE(table_cases); i++) {
        g_autofree char *acpi = g_strdup_printf("/tegra241-cmdqv/acpi/%s",
                                                table_cases[i].name);
        g_autofree char *fdt = g_strdup_printf("/tegra241-cmdqv/fdt/%s",
                                               table_cases[i].name);

        qtest_add_data_func(acpi, &table_cases[i], test_acpi);
        qtest_add_data_func(fdt, &table_cases[i], test_fdt);
    }
    return g_test_run();
}
