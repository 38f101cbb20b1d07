/*
 * What ACPI tables say about assigned devices: generic initiators in the
 * SRAT, GPU nodes and the window for large BARs in the DSDT
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * pci-assigned-testdev stands in for a device of the host.
 */

#include "qemu/osdep.h"
#include "acpi-fwcfg.h"
#include "hw/pci/pci_regs.h"
#include "qemu/bswap.h"
#include "qemu/cutils.h"
#include "qemu/units.h"
#include "qobject/qdict.h"
#include "qobject/qlist.h"

#define NB_INITIATORS   64
#define NB_DEVICES      8
#define NB_PORTS        4   /* devices below a root port; the others are not */
#define NB_GPUS         40
#define NB_RESETS       50
#define PXB_BUS         0x40
#define DEVFN(slot, fn) ((slot) << 3 | (fn))

#define PXB "-device pxb-pcie,id=pcie.1,bus=pcie.0,bus_nr=64,addr=0x2 "

/* A root port of the expander bridge, and its bus once it is numbered */
static int port_devfn(int n)
{
    return DEVFN(1 + n / 8, n % 8);
}

static int port_bus(int n)
{
    return PXB_BUS + 1 + n;
}

static void add_port(GString *args, int n)
{
    g_string_append_printf(args, "-device pcie-root-port,id=rp%d,bus=pcie.1,"
                           "chassis=%d,io-reserve=0,multifunction=on,"
                           "addr=0x%x.%d ", n, n + 1, port_devfn(n) >> 3,
                           port_devfn(n) & 7);
}

static void number_ports(AcpiGuest *guest, int nb)
{
    for (int n = 0; n < nb; n++) {
        acpi_guest_number_bus(guest, PXB_BUS, port_devfn(n), port_bus(n));
    }
}

/* Node 0 has the CPU and the memory; the others have neither */
static void add_nodes(GString *args, int nb)
{
    g_string_append(args, "-m 256M -object memory-backend-ram,size=256M,id=m0 "
                    "-numa node,nodeid=0,cpus=0,memdev=m0 ");
    for (int n = 1; n < nb; n++) {
        g_string_append_printf(args, "-numa node,nodeid=%d ", n);
    }
}

/* Order of generic initiators, of generic ports, and the bytes of their BDF */

typedef struct OrderCase {
    const char *name;
    const char *machine;
    bool cxl;           /* has generic ports */
    bool hashed;        /* has the order of QOM's hash table */
} OrderCase;

static const OrderCase order_cases[] = {
    { "virt", "virt" },
    { "virt-10.0", "virt-10.0", .hashed = true },
    { "q35", "q35,cxl=on", .cxl = true },
    { "pc-q35-10.0", "pc-q35-10.0,cxl=on", .cxl = true, .hashed = true },
};

typedef struct Initiator {
    int device;
    int node;
} Initiator;

/* A device below a root port, or a function of a slot of pcie.0 */
static uint16_t device_bdf(int n)
{
    return n < NB_PORTS ? port_bus(n) << 8
                        : DEVFN(0x10 + n, n == NB_PORTS ? 0 : 5);
}

static void add_devices(GString *args)
{
    for (int n = 0; n < NB_DEVICES; n++) {
        if (n < NB_PORTS) {
            add_port(args, n);
            g_string_append_printf(args, "-device pci-testdev,id=dev%d,"
                                   "bus=rp%d ", n, n);
            continue;
        }
        if (device_bdf(n) & 7) {
            g_string_append_printf(args, "-device pci-testdev,bus=pcie.0,"
                                   "addr=0x%x.0,multifunction=on ",
                                   device_bdf(n) >> 3);
        }
        g_string_append_printf(args, "-device pci-testdev,id=dev%d,bus=pcie.0,"
                               "addr=0x%x.%d ", n, device_bdf(n) >> 3,
                               device_bdf(n) & 7);
    }
}

/* The initiators in the order of QOM's hash table, which qom-list reverses */
static GPtrArray *hash_order(AcpiGuest *guest)
{
    GPtrArray *order = g_ptr_array_new_with_free_func(g_free);
    QDict *rsp = qtest_qmp(guest->qts, "{ 'execute': 'qom-list', "
                           "'arguments': { 'path': '/objects' } }");
    const QListEntry *entry;

    QLIST_FOREACH_ENTRY(qdict_get_qlist(rsp, "return"), entry) {
        const char *name = qdict_get_str(qobject_to(QDict, entry->value),
                                         "name");

        if (g_str_has_prefix(name, "gi")) {
            g_ptr_array_insert(order, 0, g_strdup(name));
        }
    }
    qobject_unref(rsp);
    return order;
}

static int number_of(const char *id)
{
    return atoi(id + strcspn(id, "0123456789"));
}

static void check_initiator(const uint8_t *entry, int device, int node)
{
    g_assert_cmpuint(entry[1], ==, 32);                 /* length */
    g_assert_cmpuint(entry[3], ==, 1);                  /* PCI */
    g_assert_cmpuint(ldl_le_p(entry + 4), ==, node);
    g_assert_cmpuint(lduw_le_p(entry + 8), ==, 0);      /* segment */
    g_assert_cmphex(entry[10], ==, device_bdf(device) >> 8);
    g_assert_cmphex(entry[11], ==, device_bdf(device) & 0xff);
    g_assert_cmphex(ldl_le_p(entry + 24), ==, 1);       /* enabled */
}

static void check_srat(AcpiGuest *guest, GPtrArray *order,
                       const Initiator *initiators, int nb_ports)
{
    uint32_t length;
    const uint8_t *srat = acpi_guest_find(guest, "SRAT", &length);
    int memories = 0, next = 0, ports = 0;

    g_assert_nonnull(srat);
    for (uint32_t at = 48; at < length; at += srat[at + 1]) {
        const uint8_t *entry = srat + at;

        if (entry[0] == 1 && ldl_le_p(entry + 28) & 1) {
            /* none for the nodes without memory */
            g_assert_cmpuint(ldl_le_p(entry + 2), ==, 0);
            memories++;
        } else if (entry[0] == 5) {
            const Initiator *gi;

            g_assert_cmpint(next, <, order->len);
            gi = &initiators[number_of(g_ptr_array_index(order, next))];
            check_initiator(entry, gi->device, gi->node);
            next++;
        } else if (entry[0] == 6) {
            g_assert_cmpmem(entry + 8, 8, "ACPI0016", 8);
            ports++;
        }
    }
    g_assert_cmpint(next, ==, NB_INITIATORS);
    g_assert_cmpint(ports, ==, nb_ports);
    g_assert_cmpint(memories, >=, 1);
}

static void test_order(const void *data)
{
    const OrderCase *order = data;
    g_autoptr(GString) args = g_string_new(PXB);
    g_autoptr(GPtrArray) ids = g_ptr_array_new_with_free_func(g_free);
    g_autoptr(GPtrArray) hashed = NULL;
    Initiator initiators[NB_INITIATORS];
    AcpiGuest *guest;
    bool differs = false;
    int nb_ports = 0;

    add_nodes(args, NB_INITIATORS + 3);
    add_devices(args);
    if (order->cxl) {
        g_string_append(args, "-device pxb-cxl,id=cxl.1,bus=pcie.0,"
                        "bus_nr=192,addr=0x3 ");
    }
    for (int n = 0; n < NB_INITIATORS; n++) {
        Initiator *gi = &initiators[n];
        char *id = g_strdup_printf("gi%d", n);

        /* neither devices nor nodes in the order of the initiators */
        gi->device = n % NB_DEVICES;
        gi->node = 1 + (n * 37 + 11) % NB_INITIATORS;
        g_ptr_array_add(ids, id);
        g_string_append_printf(args, "-object acpi-generic-initiator,id=%s,"
                               "pci-dev=dev%d,node=%d ", id, gi->device,
                               gi->node);
        if (order->cxl && n % 32 == 7) {
            g_string_append_printf(args, "-object acpi-generic-port,id=gp%d,"
                                   "pci-bus=cxl.1,node=%d ", n,
                                   NB_INITIATORS + 1 + nb_ports++);
        }
    }

    guest = acpi_guest_start(order->machine, args->str);
    hashed = hash_order(guest);
    g_assert_cmpint(hashed->len, ==, ids->len);
    for (guint n = 0; n < ids->len; n++) {
        differs |= !g_str_equal(hashed->pdata[n], ids->pdata[n]);
    }
    g_assert_true(differs);     /* two orders that are to be told apart */

    number_ports(guest, NB_PORTS);
    acpi_guest_read(guest);
    check_srat(guest, order->hashed ? hashed : ids, initiators, nb_ports);
    acpi_guest_end(guest);
}

/* GPU nodes: the AML that is expected, put together here */

static void aml_package_length(GByteArray *aml, const GByteArray *content)
{
    uint8_t bytes[3];
    guint length = content->len + 1;

    if (length <= 0x3f) {
        bytes[0] = length;
        g_byte_array_append(aml, bytes, 1);
    } else {
        length++;
        g_assert_cmpuint(length, <=, 0xfff);
        bytes[0] = 1 << 6 | (length & 0xf);
        bytes[1] = length >> 4;
        g_byte_array_append(aml, bytes, 2);
    }
    g_byte_array_append(aml, content->data, content->len);
}

static void aml_bytes(GByteArray *aml, const void *bytes, guint size)
{
    g_byte_array_append(aml, bytes, size);
}

static void aml_int(GByteArray *aml, uint32_t value)
{
    uint8_t prefix = value <= 0xff ? 0x0a : value <= 0xffff ? 0x0b : 0x0c;

    if (value <= 1) {
        aml_bytes(aml, (uint8_t[]) { value }, 1);
        return;
    }
    value = cpu_to_le32(value);
    aml_bytes(aml, &prefix, 1);
    aml_bytes(aml, &value, 1 << (prefix - 0x0a));
}

static void aml_property(GByteArray *aml, const char *name, uint32_t value)
{
    g_autoptr(GByteArray) pair = g_byte_array_new();

    aml_bytes(pair, "\x02\x0d", 2);             /* two elements, a string */
    aml_bytes(pair, name, strlen(name) + 1);
    aml_int(pair, value);
    aml_bytes(aml, "\x12", 1);
    aml_package_length(aml, pair);
}

static void aml_dsd(GByteArray *aml, uint32_t start, uint32_t count)
{
    static const uint8_t uuid[] = { /* daffd814-6eba-4d8c-8a91-bc9bbf4aa301 */
        0x14, 0xd8, 0xff, 0xda, 0xba, 0x6e, 0x8c, 0x4d,
        0x8a, 0x91, 0xbc, 0x9b, 0xbf, 0x4a, 0xa3, 0x01,
    };
    g_autoptr(GByteArray) dsd = g_byte_array_new();
    g_autoptr(GByteArray) properties = g_byte_array_new();

    aml_bytes(properties, "\x02", 1);
    aml_property(properties, "nvidia,gpu-mem-pxm-start", start);
    aml_property(properties, "nvidia,gpu-mem-pxm-count", count);

    aml_bytes(dsd, "\x02\x11\x13\x0a\x10", 5);  /* a buffer of 16 bytes */
    aml_bytes(dsd, uuid, sizeof(uuid));
    aml_bytes(dsd, "\x12", 1);
    aml_package_length(dsd, properties);
    aml_bytes(aml, "\x08_DSD\x12", 6);
    aml_package_length(aml, dsd);
}

/* Device (Sxx_) with _ADR and more */
static GByteArray *aml_device(uint8_t devfn, const GByteArray *more)
{
    GByteArray *aml = g_byte_array_new();
    g_autoptr(GByteArray) body = g_byte_array_new();
    g_autofree char *name = g_strdup_printf("S%02X_", devfn);

    aml_bytes(body, name, 4);
    aml_bytes(body, "\x08_ADR", 5);
    aml_int(body, (devfn >> 3) << 16 | (devfn & 7));
    aml_bytes(body, more->data, more->len);
    aml_bytes(aml, "\x5b\x82", 2);
    aml_package_length(aml, body);
    return aml;
}

static const uint8_t *find_bytes(AcpiGuest *guest, const GByteArray *bytes)
{
    uint32_t length;
    const uint8_t *dsdt = acpi_guest_find(guest, "DSDT", &length);

    return memmem(dsdt, length, bytes->data, bytes->len);
}

static int count_strings(AcpiGuest *guest, const char *string)
{
    uint32_t length;
    const uint8_t *dsdt = acpi_guest_find(guest, "DSDT", &length);
    const uint8_t *at, *end = dsdt + length;
    int found = 0;

    for (at = dsdt; (at = memmem(at, end - at, string, strlen(string))); at++) {
        found++;
    }
    return found;
}

/* The device of GPU @n, in that of its root port */
static GByteArray *gpu_node(int n, uint32_t start, uint32_t count)
{
    g_autoptr(GByteArray) dsd = g_byte_array_new();
    g_autoptr(GByteArray) gpu = NULL;

    aml_dsd(dsd, start, count);
    gpu = aml_device(0, dsd);
    return aml_device(port_devfn(n), gpu);
}

static char *gpus_args(int nb, const char *type)
{
    GString *args = g_string_new(PXB);

    add_nodes(args, nb + 1);
    for (int n = 0; n < nb; n++) {
        add_port(args, n);
        g_string_append_printf(args, "-device %s,id=gpu%d,bus=rp%d -object "
                               "acpi-generic-initiator,id=g%d,pci-dev=gpu%d,"
                               "node=%d ", type, n, n, n, n, n + 1);
    }
    return g_string_free(args, false);
}

typedef struct GpuCase {
    const char *name;
    const char *machine;
    const char *type;
    int nodes;          /* how many are expected */
} GpuCase;

static const GpuCase gpu_cases[] = {
    { "virt", "virt", "pci-assigned-testdev", NB_GPUS },
    { "q35", "q35", "pci-assigned-testdev", NB_GPUS },
    { "virt-emulated", "virt", "pci-testdev", 0 },
    { "q35-emulated", "q35", "pci-testdev", 0 },
    { "virt-10.0", "virt-10.0", "pci-assigned-testdev", 0 },
    { "pc-q35-10.0", "pc-q35-10.0", "pci-assigned-testdev", 0 },
};

/* The nodes are there, in order, and stay as they are however often */
static void test_gpus(const void *data)
{
    const GpuCase *gpus = data;
    g_autofree char *args = gpus_args(NB_GPUS, gpus->type);
    AcpiGuest *guest = acpi_guest_start(gpus->machine, args);
    const uint8_t *last = NULL;
    g_autofree uint8_t *first = NULL;
    size_t size;

    number_ports(guest, NB_GPUS);
    acpi_guest_read(guest);
    g_assert_cmpint(count_strings(guest, "nvidia,gpu-mem-pxm-start"), ==,
                    gpus->nodes);
    g_assert_cmpint(count_strings(guest, "nvidia,gpu-mem-pxm-count"), ==,
                    gpus->nodes);
    for (int n = 0; n < gpus->nodes; n++) {
        g_autoptr(GByteArray) node = gpu_node(n, n + 1, 1);
        const uint8_t *at = find_bytes(guest, node);

        g_assert_nonnull(at);
        g_assert_true(at > last);
        last = at;
    }

    size = guest->size;
    first = g_memdup2(guest->tables, size);
    for (int n = 0; n < NB_RESETS; n++) {
        acpi_guest_reset(guest);
        number_ports(guest, NB_GPUS);
        acpi_guest_read(guest);
        g_assert_cmpmem(guest->tables, guest->size, first, size);
    }
    acpi_guest_end(guest);
}

/* One GPU with eight nodes, as Grace's; one on a root bus; one without any */
static void test_gpu_ranges(const void *machine)
{
    g_autoptr(GString) args = g_string_new(PXB);
    g_autoptr(GByteArray) eight = gpu_node(0, 3, 8);
    g_autoptr(GByteArray) dsd = g_byte_array_new();
    AcpiGuest *guest;

    add_nodes(args, 12);
    add_port(args, 0);
    add_port(args, 1);
    g_string_append(args, "-device pci-assigned-testdev,id=dev0,bus=rp0 "
                    "-device pci-assigned-testdev,id=dev1,bus=rp1 "
                    "-device pci-assigned-testdev,id=dev2,bus=pcie.0,addr=7 "
                    "-object acpi-generic-initiator,id=a,pci-dev=dev2,node=2 ");
    for (int n = 10; n >= 3; n--) {
        g_string_append_printf(args, "-object acpi-generic-initiator,id=b%d,"
                               "pci-dev=%sdev0,node=%d ", n,
                               n % 2 ? "" : "/machine/peripheral/", n);
    }
    guest = acpi_guest_start(machine, args->str);
    acpi_guest_read(guest);
    g_assert_nonnull(find_bytes(guest, eight));
    aml_dsd(dsd, 2, 1);
    g_assert_nonnull(find_bytes(guest, dsd));
    g_assert_cmpint(count_strings(guest, "nvidia,gpu-mem-pxm-start"), ==, 2);
    acpi_guest_end(guest);
}

/* The window for large BARs: in the DSDT, and for a device at its very end */

#define NVME_BAR        (16 * KiB)
#define NVME_CAP        0x0
#define LOW_WINDOW      0x10000000

static uint64_t nvme_cap_at(AcpiGuest *guest, uint8_t devfn, uint64_t bar)
{
    acpi_guest_config_write(guest, 0, devfn, PCI_BASE_ADDRESS_0, 4, bar);
    acpi_guest_config_write(guest, 0, devfn, PCI_BASE_ADDRESS_1, 4, bar >> 32);
    acpi_guest_config_write(guest, 0, devfn, PCI_COMMAND, 2,
                            PCI_COMMAND_MEMORY);
    return qtest_readq(guest->qts, bar + NVME_CAP);
}

static void test_window(const void *data)
{
    const char *size_arg = data;
    g_autofree char *machine = g_strdup_printf("virt,highmem-mmio-size=%s",
                                               size_arg);
    const uint8_t devfn = DEVFN(5, 0);
    uint64_t size, base = 0, cap;
    uint32_t length;
    const uint8_t *dsdt, *at;
    AcpiGuest *guest;

    g_assert_cmpint(qemu_strtosz(size_arg, NULL, &size), ==, 0);
    /* With TCG the CPU has 52 address bits; it need not run */
    guest = acpi_guest_start(machine, "-accel tcg -S -device nvme,serial=1,"
                             "bus=pcie.0,addr=5");
    acpi_guest_read(guest);
    dsdt = acpi_guest_find(guest, "DSDT", &length);
    /* QWordMemory (ACPI 6.5, 6.4.3.5.1) */
    for (at = dsdt; (at = memmem(at, dsdt + length - at, "\x8a\x2b\0\0", 4));
         at++) {
        if (ldq_le_p(at + 38) == size) {
            base = ldq_le_p(at + 14);
            g_assert_cmphex(ldq_le_p(at + 22), ==, base + size - 1);
        }
    }
    /* aligned to its size, and above the RAM that there may be */
    g_assert_cmphex(base, ==, size);

    cap = nvme_cap_at(guest, devfn, LOW_WINDOW);
    g_assert_cmphex(cap, !=, 0);
    g_assert_cmphex(nvme_cap_at(guest, devfn, base), ==, cap);
    g_assert_cmphex(nvme_cap_at(guest, devfn, base + size - NVME_BAR), ==,
                    cap);
    acpi_guest_end(guest);
}

/* io-reserve=0 reaches firmware in a capability of the root port */
static void test_no_io(void)
{
    g_autoptr(GString) args = g_string_new(PXB);
    AcpiGuest *guest;
    uint8_t cap;

    add_port(args, 0);
    guest = acpi_guest_start("virt", args->str);
    cap = acpi_guest_config_read(guest, PXB_BUS, port_devfn(0),
                                 PCI_CAPABILITY_LIST, 1);
    while (acpi_guest_config_read(guest, PXB_BUS, port_devfn(0), cap, 1) !=
           PCI_CAP_ID_VNDR) {
        cap = acpi_guest_config_read(guest, PXB_BUS, port_devfn(0), cap + 1,
                                     1);
        g_assert_cmphex(cap, !=, 0);
    }
    g_assert_cmphex(acpi_guest_config_read(guest, PXB_BUS, port_devfn(0),
                                           cap + 3, 1), ==, 1);
    g_assert_cmphex(acpi_guest_config_read(guest, PXB_BUS, port_devfn(0),
                                           cap + 8, 4), ==, 0);
    g_assert_cmphex(acpi_guest_config_read(guest, PXB_BUS, port_devfn(0),
                                           cap + 12, 4), ==, 0);
    acpi_guest_end(guest);
}

int main(int argc, char **argv)
{
    static const char *const windows[] = { "512G", "4T", "16T", "64T", "1P" };
    const char *arch;

    g_test_init(&argc, &argv, NULL);
    arch = qtest_get_arch();
    for (int i = 0; i < ARRAY_SIZE(order_cases); i++) {
        if (g_str_has_prefix(order_cases[i].machine, "virt") ==
            g_str_equal(arch, "aarch64")) {
            g_autofree char *path = g_strdup_printf("/acpi-gpu/order/%s",
                                                    order_cases[i].name);
            qtest_add_data_func(path, &order_cases[i], test_order);
        }
    }
    for (int i = 0; i < ARRAY_SIZE(gpu_cases); i++) {
        if (g_str_has_prefix(gpu_cases[i].machine, "virt") ==
            g_str_equal(arch, "aarch64")) {
            g_autofree char *path = g_strdup_printf("/acpi-gpu/nodes/%s",
                                                    gpu_cases[i].name);
            qtest_add_data_func(path, &gpu_cases[i], test_gpus);
        }
    }
    qtest_add_data_func("/acpi-gpu/nodes/ranges",
                        g_str_equal(arch, "aarch64") ? "virt" : "q35",
                        test_gpu_ranges);
    if (g_str_equal(arch, "aarch64")) {
        int nb_windows = qtest_has_accel("tcg") ? ARRAY_SIZE(windows) : 0;

        for (int i = 0; i < nb_windows; i++) {
            g_autofree char *path = g_strdup_printf("/acpi-gpu/window/%s",
                                                    windows[i]);
            qtest_add_data_func(path, windows[i], test_window);
        }
        qtest_add_func("/acpi-gpu/window/no-io", test_no_io);
    }
    return g_test_run();
}
