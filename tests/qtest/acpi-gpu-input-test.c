/*
 * What generic initiators, NUMA nodes and the window for large BARs refuse,
 * and what happens to tables whose devices come and go
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "acpi-fwcfg.h"
#include "hw/pci/pci_regs.h"
#include "qemu/bswap.h"
#include "qemu/units.h"
#include "qobject/qdict.h"

#define NODES "-m 256M -object memory-backend-ram,size=256M,id=m0 " \
              "-numa node,nodeid=0,cpus=0,memdev=m0 " \
              "-numa node,nodeid=1 -numa node,nodeid=2 "
#define DEV0 "-device pci-assigned-testdev,id=dev0,bus=pcie.0,addr=5 "
#define GI(id, dev, node) "-object acpi-generic-initiator,id=" #id \
                          ",pci-dev=" dev ",node=" #node " "
#define GP(id, bus, node) "-object acpi-generic-port,id=" #id \
                          ",pci-bus=" bus ",node=" #node " "

/* Each ends QEMU with one line that says what to do */

typedef struct Refusal {
    const char *name;
    const char *machine;        /* NULL: the newest of the architecture */
    const char *args;
    const char *message;
} Refusal;

static const Refusal refusals[] = {
    {
        "no-device", NULL, NODES DEV0 GI(g, "dev1", 1),
        "acpi-generic-initiator 'g': there is no PCI device 'dev1': "
        "set pci-dev to the id of one",
    }, {
        "not-a-pci-device", NULL, NODES DEV0 GI(g, "m0", 1),
        "acpi-generic-initiator 'g': there is no PCI device 'm0'",
    }, {
        "no-node", NULL, NODES DEV0 GI(g, "dev0", 3),
        "acpi-generic-initiator 'g': there is no NUMA node 3: "
        "add -numa node,nodeid=3",
    }, {
        "no-nodes-at-all", NULL, DEV0 GI(g, "dev0", 0),
        "acpi-generic-initiator 'g': there is no NUMA node 0: "
        "add -numa node,nodeid=0",
    }, {
        "twice", NULL, NODES DEV0 GI(g, "dev0", 1) GI(h, "dev0", 1),
        "acpi-generic-initiator 'h': 'g' gives node 1 to 'dev0' already: "
        "remove one of them",
    }, {
        "twice-by-path", NULL,
        NODES DEV0 GI(z, "/machine/peripheral/dev0", 2) GI(a, "dev0", 2),
        "acpi-generic-initiator 'a': 'z' gives node 2 to 'dev0' already",
    }, {
        "node-128", NULL, NODES DEV0 GI(g, "dev0", 128),
        "acpi-generic-initiator 'g': node 128 is not possible: "
        "the highest is 127",
    }, {
        "numa-node-128", NULL, NODES "-numa node,nodeid=128",
        "Max number of NUMA nodes reached: 128",
    }, {
        "machine-without-nodes", "none", GI(g, "dev0", 1),
        "acpi-generic-initiator 'g': machine type none has no NUMA nodes",
    }, {
        "port-without-bus", NULL, NODES GP(p, "pcie.0", 1),
        "acpi-generic-port 'p': there is no CXL host bridge bus 'pcie.0': "
        "set pci-bus to the id of one",
    }, {
        "port-node-128", NULL, NODES GP(p, "pcie.0", 128),
        "acpi-generic-port 'p': node 128 is not possible",
    },
};

static const Refusal refusals_virt[] = {
    {
        "mmio-not-a-power-of-2", "virt,highmem-mmio-size=5T", "",
        "highmem-mmio-size is not a power of 2",
    }, {
        "mmio-too-small", "virt,highmem-mmio-size=256G", "",
        "highmem-mmio-size cannot be set to a lower value than the default",
    }, {
        "mmio-16T-in-44-bits", "virt,highmem-mmio-size=16T", "-cpu cortex-a57",
        "highmem-mmio-size=16 TiB needs more than the 44 address bits that "
        "this CPU has: use a smaller size or another CPU",
    }, {
        "mmio-8E", "virt,highmem-mmio-size=8E", "",
        "highmem-mmio-size cannot be set to a higher value than 2 PiB",
    },
};

static void run_refusal(const Refusal *refusal, const char *args)
{
    const char *arch = qtest_get_arch();
    const char *machine = refusal->machine ?:
                          g_str_equal(arch, "aarch64") ? "virt" : "q35";
    g_autofree char *cmdline =
        g_strdup_printf("%s -machine %s %s -accel qtest -nodefaults "
                        "-display none -S %s", g_getenv("QTEST_QEMU_BINARY"),
                        machine,
                        g_str_equal(arch, "aarch64") &&
                        !strstr(args, "-cpu") ? "-cpu max" : "", args);
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

static void test_refusal(const void *data)
{
    const Refusal *refusal = data;

    run_refusal(refusal, refusal->args);
}

/* Tables, or the orders for the firmware that places them, are too many */
static void test_too_large(const void *data)
{
    static const Refusal by_size = {
        .message = "etc/acpi/tables takes",
    }, by_number = {
        .message = "etc/table-loader takes",
    };
    bool number = data;
    g_autoptr(GString) args = g_string_new("");
    g_autofree char *name = NULL;
    g_autofree char *content = g_malloc0(64000);
    int fd = g_file_open_tmp("acpi-XXXXXX", &name, NULL);

    g_assert_cmpint(fd, >=, 0);
    g_assert_true(g_file_set_contents(name, content, number ? 16 : 64000,
                                      NULL));
    for (int n = 0; n < (number ? 600 : 34); n++) {
        g_string_append_printf(args, "-acpitable sig=TEST,data=%s ", name);
    }
    run_refusal(number ? &by_number : &by_size, args->str);
    close(fd);
    unlink(name);
}

static int count_initiators(AcpiGuest *guest)
{
    uint32_t length;
    const uint8_t *srat;
    int found = 0;

    acpi_guest_read(guest);
    srat = acpi_guest_find(guest, "SRAT", &length);
    for (uint32_t at = 48; at < length; at += srat[at + 1]) {
        found += srat[at] == 5;
    }
    return found;
}

/* Tables that grow too large later: the guest gets those of the start */
static void test_grow_too_large(void)
{
    const int nb_devices = 30, nb_nodes = 128;
    g_autoptr(GString) args = g_string_new(NODES);
    g_autofree char *name = NULL;
    g_autofree char *content = g_malloc0(64000);
    int fd = g_file_open_tmp("acpi-XXXXXX", &name, NULL);
    AcpiGuest *guest;

    g_assert_cmpint(fd, >=, 0);
    g_assert_true(g_file_set_contents(name, content, 64000, NULL));
    for (int n = 3; n < nb_nodes; n++) {
        g_string_append_printf(args, "-numa node,nodeid=%d ", n);
    }
    for (int n = 0; n < nb_devices; n++) {
        g_string_append_printf(args, "-device pci-testdev,id=dev%d,bus=pcie.0,"
                               "addr=0x%x.%d,multifunction=on ", n,
                               5 + n / 8, n % 8);
    }
    /* 1937 KiB and what QEMU has of its own, of 2048 */
    for (int n = 0; n < 31; n++) {
        g_string_append_printf(args, "-acpitable sig=TEST,data=%s ", name);
    }
    guest = acpi_guest_start("q35", args->str);
    g_assert_cmpint(count_initiators(guest), ==, 0);

    for (int n = 0; n < nb_devices * nb_nodes; n++) {
        g_autofree char *id = g_strdup_printf("gi%d", n);
        g_autofree char *dev = g_strdup_printf("dev%d", n / nb_nodes);
        QDict *rsp = qtest_qmp(guest->qts, "{ 'execute': 'object-add', "
                               "'arguments': { 'qom-type': "
                               "'acpi-generic-initiator', 'id': %s, "
                               "'pci-dev': %s, 'node': %d } }",
                               id, dev, n % nb_nodes);

        g_assert_true(qdict_haskey(rsp, "return"));
        qobject_unref(rsp);
    }
    acpi_guest_reset(guest);
    g_assert_cmpint(count_initiators(guest), ==, 0);
    acpi_guest_end(guest);
    close(fd);
    unlink(name);
}

/* Nodes with a gap between them can't be told to the driver: a warning */
static void test_gap(void)
{
    AcpiGuest *guest;
    uint32_t length;
    const uint8_t *dsdt;

    guest = acpi_guest_start(g_str_equal(qtest_get_arch(), "aarch64") ? "virt"
                                                                      : "q35",
                             NODES DEV0 GI(g, "dev0", 0) GI(h, "dev0", 2));
    acpi_guest_read(guest);
    dsdt = acpi_guest_find(guest, "DSDT", &length);
    g_assert_null(memmem(dsdt, length, "nvidia,", 7));
    acpi_guest_end(guest);
}

static void check_error(QDict *rsp, const char *message)
{
    const char *desc;

    g_assert_true(qdict_haskey(rsp, "error"));
    desc = qdict_get_str(qdict_get_qdict(rsp, "error"), "desc");
    g_assert_nonnull(strstr(desc, message));
    qobject_unref(rsp);
}

/* Objects that are made and deleted while the guest runs */
static void test_object_add(void)
{
    AcpiGuest *guest;
    QDict *rsp;

    guest = acpi_guest_start(g_str_equal(qtest_get_arch(), "aarch64") ? "virt"
                                                                      : "q35",
                             NODES DEV0 GI(g, "dev0", 1));
    g_assert_cmpint(count_initiators(guest), ==, 1);

    check_error(qtest_qmp(guest->qts, "{ 'execute': 'object-add', 'arguments': "
                          "{ 'qom-type': 'acpi-generic-initiator', 'id': 'h', "
                          "'pci-dev': 'dev9', 'node': 2 } }"),
                "'h': there is no PCI device 'dev9'");
    check_error(qtest_qmp(guest->qts, "{ 'execute': 'object-add', 'arguments': "
                          "{ 'qom-type': 'acpi-generic-initiator', 'id': 'h', "
                          "'pci-dev': 'dev0', 'node': 3 } }"),
                "'h': there is no NUMA node 3");
    check_error(qtest_qmp(guest->qts, "{ 'execute': 'object-add', 'arguments': "
                          "{ 'qom-type': 'acpi-generic-initiator', 'id': 'h', "
                          "'pci-dev': 'dev0', 'node': 1 } }"),
                "'h': 'g' gives node 1 to 'dev0' already");
    check_error(qtest_qmp(guest->qts, "{ 'execute': 'object-add', 'arguments': "
                          "{ 'qom-type': 'acpi-generic-initiator', 'id': 'h', "
                          "'pci-dev': 'dev0', 'node': 4294967295 } }"),
                "'h': node 4294967295 is not possible");
    acpi_guest_reset(guest);
    g_assert_cmpint(count_initiators(guest), ==, 1);

    rsp = qtest_qmp(guest->qts, "{ 'execute': 'object-add', 'arguments': "
                    "{ 'qom-type': 'acpi-generic-initiator', 'id': 'h', "
                    "'pci-dev': 'dev0', 'node': 2 } }");
    g_assert_true(qdict_haskey(rsp, "return"));
    qobject_unref(rsp);
    acpi_guest_reset(guest);
    g_assert_cmpint(count_initiators(guest), ==, 2);

    rsp = qtest_qmp(guest->qts, "{ 'execute': 'object-del', 'arguments': "
                    "{ 'id': 'h' } }");
    g_assert_true(qdict_haskey(rsp, "return"));
    qobject_unref(rsp);
    acpi_guest_reset(guest);
    g_assert_cmpint(count_initiators(guest), ==, 1);
    acpi_guest_end(guest);
}

/* A guest that reboots without the device lives on, without its initiator */
static void test_unplug(void)
{
    const uint8_t devfn = 6 << 3;
    AcpiGuest *guest;
    uint32_t cap, length;

    guest = acpi_guest_start(g_str_equal(qtest_get_arch(), "aarch64") ? "virt"
                             : "q35 -global ICH9-LPC.acpi-pci-hotplug-with-"
                               "bridge-support=off",
                             NODES DEV0 GI(g, "dev0", 1)
                             "-device pcie-root-port,id=rp0,bus=pcie.0,"
                             "chassis=1,addr=6 -device pci-assigned-testdev,"
                             "id=dev1,bus=rp0 " GI(h, "dev1", 2));
    acpi_guest_number_bus(guest, 0, devfn, 1);
    g_assert_cmpint(count_initiators(guest), ==, 2);

    cap = acpi_guest_config_read(guest, 0, devfn, PCI_CAPABILITY_LIST, 1);
    while (acpi_guest_config_read(guest, 0, devfn, cap, 1) != PCI_CAP_ID_EXP) {
        cap = acpi_guest_config_read(guest, 0, devfn, cap + 1, 1);
        g_assert_cmphex(cap, !=, 0);
    }
    acpi_guest_config_write(guest, 0, devfn, cap + PCI_EXP_SLTCTL, 2,
                            PCI_EXP_SLTCTL_PWR_IND_ON);
    qtest_qmp_device_del_send(guest->qts, "dev1");
    /* what the guest does: power and its indicator off */
    acpi_guest_config_write(guest, 0, devfn, cap + PCI_EXP_SLTCTL, 2,
                            PCI_EXP_SLTCTL_PWR_IND_OFF |
                            PCI_EXP_SLTCTL_PWR_OFF);
    qtest_qmp_eventwait(guest->qts, "DEVICE_DELETED");

    acpi_guest_reset(guest);
    acpi_guest_number_bus(guest, 0, devfn, 1);
    g_assert_cmpint(count_initiators(guest), ==, 1);
    g_assert_nonnull(acpi_guest_find(guest, "DSDT", &length));
    acpi_guest_end(guest);
}

static void add_refusals(const Refusal *list, size_t nb)
{
    for (size_t i = 0; i < nb; i++) {
        g_autofree char *path = g_strdup_printf("/acpi-gpu-input/%s",
                                                list[i].name);
        qtest_add_data_func(path, &list[i], test_refusal);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    add_refusals(refusals, ARRAY_SIZE(refusals));
    if (g_str_equal(qtest_get_arch(), "aarch64")) {
        add_refusals(refusals_virt, ARRAY_SIZE(refusals_virt));
    } else {
        qtest_add_data_func("/acpi-gpu-input/tables-too-large", NULL,
                            test_too_large);
        qtest_add_data_func("/acpi-gpu-input/tables-too-many",
                            (void *)true, test_too_large);
        qtest_add_func("/acpi-gpu-input/tables-grow-too-large",
                       test_grow_too_large);
    }
    qtest_add_func("/acpi-gpu-input/gap", test_gap);
    qtest_add_func("/acpi-gpu-input/object-add", test_object_add);
    qtest_add_func("/acpi-gpu-input/unplug", test_unplug);
    return g_test_run();
}
