/*
 * AMD IOMMU: the PCI function that the IVRS table names for the IOAPIC
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "acpi-fwcfg.h"
#include "hw/pci/pci_ids.h"
#include "hw/pci/pci_regs.h"
#include "qemu/bswap.h"

#define NEWEST "pc-q35-10.0-viommu"
#define OLDER  "pc-q35-10.0"

/* Where Linux up to 7.2 wants the IOAPIC to be: 00:14.0 */
#define DEVID           0x00a0
#define SLOT            0x14

/* pci-testdev */
#define TESTDEV_VENDOR  0x1b36

/* I/O Virtualization Reporting Structure */
#define IVRS_BLOCKS         48
#define IVHD_10             0x10
#define IVHD_11             0x11
#define IVHD_10_ENTRIES     24
#define IVHD_11_ENTRIES     40
#define ENTRY_SELECT        2
#define ENTRY_SPECIAL       0x48
#define VARIETY_IOAPIC      1

typedef struct Ivrs {
    bool has_ioapic;    /* a special device entry of that variety */
    uint16_t ioapic;    /* its requester ID */
    bool has_devid;     /* an entry for the function at DEVID itself */
} Ivrs;

/* Bits 7:6 of an entry's type say how long it is */
static unsigned entry_length(uint8_t type)
{
    return 4 << (type >> 6);
}

static Ivrs read_ivrs(AcpiGuest *guest)
{
    Ivrs ivrs = {};
    const uint8_t *table;
    uint32_t length, at, i;

    acpi_guest_read(guest);
    table = acpi_guest_find(guest, "IVRS", &length);
    g_assert_nonnull(table);
    for (at = IVRS_BLOCKS; at < length; at += lduw_le_p(table + at + 2)) {
        const uint8_t *block = table + at, *entry;

        g_assert_true(block[0] == IVHD_10 || block[0] == IVHD_11);
        for (i = block[0] == IVHD_10 ? IVHD_10_ENTRIES : IVHD_11_ENTRIES;
             i < lduw_le_p(block + 2); i += entry_length(*entry)) {
            entry = block + i;
            if (entry[0] == ENTRY_SPECIAL && entry[7] == VARIETY_IOAPIC) {
                g_assert_true(!ivrs.has_ioapic ||
                              ivrs.ioapic == lduw_le_p(entry + 5));
                ivrs.has_ioapic = true;
                ivrs.ioapic = lduw_le_p(entry + 5);
            } else if (entry[0] == ENTRY_SELECT &&
                       lduw_le_p(entry + 1) == DEVID) {
                ivrs.has_devid = true;
            }
        }
    }
    return ivrs;
}

static uint32_t config(AcpiGuest *guest, unsigned offset, unsigned size)
{
    return acpi_guest_config_read(guest, 0, DEVID, offset, size);
}

typedef struct Machine {
    const char *name;
    const char *machine;
    const char *args;
    bool remaps, present;
} Machine;

static const Machine machines[] = {
    { "default", NEWEST, "-device amd-iommu", true, true },
    { "intremap", "q35", "-device amd-iommu,intremap=on", true, true },
    {
        "dma-remap", NEWEST, "-device amd-iommu,dma-remap=on,xtsup=on",
        true, true
    },
    { "no-intremap", NEWEST, "-device amd-iommu,intremap=off", false, false },
    { "off", NEWEST, "-device amd-iommu,southbridge=off", true, false },
    { "older", OLDER, "-device amd-iommu", true, false },
    { "oldest", "pc-q35-8.0", "-device amd-iommu", true, false },
    { "older-on", OLDER, "-device amd-iommu,southbridge=on", true, true },
};

/* What Linux reads, and nothing that a driver could use */
static void test_machine(const void *opaque)
{
    const Machine *machine = opaque;
    AcpiGuest *guest = acpi_guest_start(machine->machine, machine->args);
    Ivrs ivrs = read_ivrs(guest);
    unsigned bar;

    g_assert_cmpint(ivrs.has_ioapic, ==, machine->remaps);
    if (ivrs.has_ioapic) {
        g_assert_cmphex(ivrs.ioapic, ==, DEVID);
    }
    g_assert_cmpint(ivrs.has_devid, ==, machine->present);
    if (!machine->present) {
        g_assert_cmphex(config(guest, PCI_VENDOR_ID, 4), ==, 0xffffffff);
        acpi_guest_end(guest);
        return;
    }
    g_assert_cmphex(config(guest, PCI_VENDOR_ID, 2), ==, PCI_VENDOR_ID_AMD);
    g_assert_cmphex(config(guest, PCI_DEVICE_ID, 2), ==, 0);
    g_assert_cmphex(config(guest, PCI_CLASS_DEVICE, 2), ==,
                    PCI_CLASS_SERIAL_SMBUS);
    g_assert_cmphex(config(guest, PCI_HEADER_TYPE, 1), ==,
                    PCI_HEADER_TYPE_NORMAL);
    g_assert_cmphex(config(guest, PCI_CAPABILITY_LIST, 1), ==, 0);
    g_assert_cmphex(config(guest, PCI_INTERRUPT_PIN, 1), ==, 0);
    for (bar = PCI_BASE_ADDRESS_0; bar <= PCI_BASE_ADDRESS_5; bar += 4) {
        acpi_guest_config_write(guest, 0, DEVID, bar, 4, 0xffffffff);
        g_assert_cmphex(config(guest, bar, 4), ==, 0);
    }
    acpi_guest_reset(guest);
    g_assert_cmphex(config(guest, PCI_CLASS_DEVICE, 2), ==,
                    PCI_CLASS_SERIAL_SMBUS);
    acpi_guest_end(guest);
}

/* An IOMMU of another kind, or none, has no such function */
static void test_no_amd_iommu(const void *opaque)
{
    AcpiGuest *guest = acpi_guest_start(NEWEST, opaque);

    g_assert_cmphex(config(guest, PCI_VENDOR_ID, 4), ==, 0xffffffff);
    acpi_guest_end(guest);
}

/* Devices that take the next free slot pass over it */
static void test_free_slots(void)
{
    g_autoptr(GString) args = g_string_new("-device amd-iommu");
    AcpiGuest *guest;
    int i;

    for (i = 0; i < 25; i++) {
        g_string_append(args, " -device pci-testdev");
    }
    guest = acpi_guest_start(NEWEST, args->str);
    g_assert_cmphex(config(guest, PCI_CLASS_DEVICE, 2), ==,
                    PCI_CLASS_SERIAL_SMBUS);
    g_assert_cmphex(acpi_guest_config_read(guest, 0, (SLOT + 1) << 3,
                                           PCI_VENDOR_ID, 2), ==,
                    TESTDEV_VENDOR);
    acpi_guest_end(guest);
}

/* Without the function, the slot is as good as any other */
static void test_slot_unused(const void *opaque)
{
    AcpiGuest *guest = acpi_guest_start(NEWEST, opaque);

    g_assert_cmphex(config(guest, PCI_VENDOR_ID, 2), ==, TESTDEV_VENDOR);
    acpi_guest_end(guest);
}

typedef struct Conflict {
    const char *name;
    const char *args;
    const char *message;
} Conflict;

static const Conflict conflicts[] = {
    {
        "first", "-device pci-testdev,id=dev0,addr=0x14 -device amd-iommu",
        "amd-iommu: 'dev0' is in slot 0x14 of bus 'pcie.0', where the "
        "southbridge of the IOAPIC has to be: give it another addr, or set "
        "southbridge=off",
    }, {
        "first-without-id", "-device pci-testdev,addr=0x14 -device amd-iommu",
        "amd-iommu: 'pci-testdev' is in slot 0x14 of bus 'pcie.0'",
    }, {
        "first-other-function",
        "-device pci-testdev,id=dev0,addr=0x14.3 -device amd-iommu",
        "amd-iommu: 'dev0' is in slot 0x14 of bus 'pcie.0'",
    }, {
        "pci-id", "-device AMDVI-PCI,id=fn0,addr=0x14 "
        "-device amd-iommu,pci-id=fn0",
        "amd-iommu: 'fn0' is in slot 0x14 of bus 'pcie.0'",
    }, {
        "second", "-device amd-iommu -device pci-testdev,id=dev0,addr=0x14",
        "PCI: slot 20 function 0 not available for pci-testdev, in use by "
        "amd-iommu-southbridge",
    }, {
        "by-hand", "-device amd-iommu-southbridge",
        "expects a pluggable device type",
    },
};

static void test_conflict(const void *opaque)
{
    const Conflict *conflict = opaque;
    g_autofree char *cmdline =
        g_strdup_printf("%s -machine " NEWEST " -accel qtest -nodefaults "
                        "-display none -S %s", g_getenv("QTEST_QEMU_BINARY"),
                        conflict->args);
    g_autofree char *out = NULL;
    g_autofree char *err = NULL;
    g_autoptr(GError) gerror = NULL;
    int status;

    g_assert_true(g_spawn_command_line_sync(cmdline, &out, &err, &status,
                                            &gerror));
    g_assert_no_error(gerror);
    g_assert_true(WIFEXITED(status));
    g_assert_cmpint(WEXITSTATUS(status), ==, 1);
    if (!strstr(err, conflict->message)) {
        g_test_message("expected '%s', got '%s'", conflict->message, err);
        g_test_fail();
    }
}

int main(int argc, char **argv)
{
    int i;

    g_test_init(&argc, &argv, NULL);
    if (!qtest_has_machine(NEWEST)) {
        return 0;
    }
    for (i = 0; i < ARRAY_SIZE(machines); i++) {
        g_autofree char *path = g_strdup_printf("/amd-iommu/southbridge/%s",
                                                machines[i].name);

        qtest_add_data_func(path, &machines[i], test_machine);
    }
    qtest_add_data_func("/amd-iommu/southbridge/no-iommu", "",
                        test_no_amd_iommu);
    if (qtest_has_device("intel-iommu")) {
        qtest_add_data_func("/amd-iommu/southbridge/intel-iommu",
                            "-device intel-iommu,intremap=on",
                            test_no_amd_iommu);
    }
    qtest_add_func("/amd-iommu/southbridge/free-slots", test_free_slots);
    qtest_add_data_func("/amd-iommu/southbridge/slot/off",
                        "-device pci-testdev,addr=0x14 "
                        "-device amd-iommu,southbridge=off", test_slot_unused);
    qtest_add_data_func("/amd-iommu/southbridge/slot/no-intremap",
                        "-device amd-iommu,intremap=off "
                        "-device pci-testdev,addr=0x14", test_slot_unused);
    for (i = 0; i < ARRAY_SIZE(conflicts); i++) {
        g_autofree char *path =
            g_strdup_printf("/amd-iommu/southbridge/conflict/%s",
                            conflicts[i].name);

        qtest_add_data_func(path, &conflicts[i], test_conflict);
    }
    return g_test_run();
}
