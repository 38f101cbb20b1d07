/*
 * ACPI tables as firmware gets them, without firmware
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "acpi-fwcfg.h"
#include "hw/pci/pci_regs.h"
#include "qemu/bswap.h"
#include "qemu/units.h"
#include "qobject/qdict.h"
#include "standard-headers/linux/qemu_fw_cfg.h"

#define VIRT_FW_CFG_DMA     0x09020010
#define VIRT_ECAM           0x4010000000ULL
#define VIRT_RAM            0x40000000ULL
#define PC_FW_CFG_DMA       0x514
#define PC_RAM              (1 * MiB)
#define PC_CONFIG_ADDRESS   0xcf8
#define PC_CONFIG_DATA      0xcfc

#define DATA_OFFSET         (64 * KiB)  /* in RAM, after the DMA descriptor */
#define TABLES_MAX          (2 * MiB)

AcpiGuest *acpi_guest_start(const char *machine, const char *args)
{
    AcpiGuest *guest = g_new0(AcpiGuest, 1);

    guest->arm = g_str_has_prefix(machine, "virt");
    guest->qts = qtest_initf("-machine %s %s -nodefaults %s", machine,
                             guest->arm ? "-cpu max" : "", args);
    return guest;
}

void acpi_guest_end(AcpiGuest *guest)
{
    qtest_quit(guest->qts);
    g_free(guest->tables);
    g_free(guest);
}

void acpi_guest_reset(AcpiGuest *guest)
{
    qtest_system_reset(guest->qts);
}

/* Select @key and read from its start, with fw_cfg's own DMA */
static void fw_cfg_read(AcpiGuest *guest, uint16_t key, void *data, size_t len)
{
    uint64_t ram = guest->arm ? VIRT_RAM : PC_RAM;
    struct fw_cfg_dma_access access = {
        .control = cpu_to_be32(key << 16 | FW_CFG_DMA_CTL_SELECT |
                               FW_CFG_DMA_CTL_READ),
        .length = cpu_to_be32(len),
        .address = cpu_to_be64(ram + DATA_OFFSET),
    };

    qtest_memwrite(guest->qts, ram, &access, sizeof(access));
    if (guest->arm) {
        qtest_writeq(guest->qts, VIRT_FW_CFG_DMA, cpu_to_be64(ram));
    } else {
        qtest_outl(guest->qts, PC_FW_CFG_DMA, 0);
        qtest_outl(guest->qts, PC_FW_CFG_DMA + 4, cpu_to_be32(ram));
    }
    g_assert_cmphex(qtest_readl(guest->qts, ram), ==, 0);
    qtest_memread(guest->qts, ram + DATA_OFFSET, data, len);
}

/* Returns the key of etc/acpi/tables, and how large the file is */
static uint16_t find_tables(AcpiGuest *guest, uint32_t *size)
{
    g_autofree uint8_t *directory = NULL;
    uint32_t count;

    fw_cfg_read(guest, FW_CFG_FILE_DIR, &count, sizeof(count));
    count = be32_to_cpu(count);
    directory = g_malloc(sizeof(count) + count * sizeof(struct fw_cfg_file));
    fw_cfg_read(guest, FW_CFG_FILE_DIR, directory,
                sizeof(count) + count * sizeof(struct fw_cfg_file));
    for (uint32_t i = 0; i < count; i++) {
        struct fw_cfg_file *file = (void *)(directory + sizeof(count) +
                                            i * sizeof(*file));

        if (!strcmp(file->name, "etc/acpi/tables")) {
            *size = be32_to_cpu(file->size);
            return be16_to_cpu(file->select);
        }
    }
    g_assert_not_reached();
}

void acpi_guest_read(AcpiGuest *guest)
{
    uint32_t first, size;
    uint16_t key = find_tables(guest, &size);

    /* To select it is to have it built, perhaps with another size */
    fw_cfg_read(guest, key, &first, sizeof(first));
    find_tables(guest, &size);
    g_assert_cmpuint(size, <=, TABLES_MAX);
    guest->size = size;
    guest->tables = g_realloc(guest->tables, size);
    fw_cfg_read(guest, key, guest->tables, size);
}

const uint8_t *acpi_guest_find(AcpiGuest *guest, const char *signature,
                               uint32_t *length)
{
    size_t offset = 0;

    while (offset + 36 <= guest->size) {
        const uint8_t *table = guest->tables + offset;

        *length = ldl_le_p(table + 4);
        if (!memcmp(table, signature, 4)) {
            g_assert_cmpuint(*length, <=, guest->size - offset);
            return table;
        }
        /* tables may be padded */
        offset += *length >= 36 && *length < guest->size ? *length : 1;
    }
    return NULL;
}

uint32_t acpi_guest_config_read(AcpiGuest *guest, uint8_t bus, uint8_t devfn,
                                unsigned offset, unsigned size)
{
    uint32_t value = 0;

    if (guest->arm) {
        qtest_memread(guest->qts, VIRT_ECAM | bus << 20 | devfn << 12 | offset,
                      &value, size);
        return le32_to_cpu(value);
    }
    qtest_outl(guest->qts, PC_CONFIG_ADDRESS,
               1u << 31 | bus << 16 | devfn << 8 | (offset & ~3u));
    value = qtest_inl(guest->qts, PC_CONFIG_DATA) >> 8 * (offset & 3);
    return size < 4 ? value & ((1u << 8 * size) - 1) : value;
}

void acpi_guest_config_write(AcpiGuest *guest, uint8_t bus, uint8_t devfn,
                             unsigned offset, unsigned size, uint32_t value)
{
    uint64_t port = PC_CONFIG_DATA + (offset & 3);

    if (guest->arm) {
        value = cpu_to_le32(value);
        qtest_memwrite(guest->qts, VIRT_ECAM | bus << 20 | devfn << 12 | offset,
                       &value, size);
        return;
    }
    qtest_outl(guest->qts, PC_CONFIG_ADDRESS,
               1u << 31 | bus << 16 | devfn << 8 | (offset & ~3u));
    if (size == 1) {
        qtest_outb(guest->qts, port, value);
    } else if (size == 2) {
        qtest_outw(guest->qts, port, value);
    } else {
        qtest_outl(guest->qts, port, value);
    }
}

void acpi_guest_number_bus(AcpiGuest *guest, uint8_t bus, uint8_t devfn,
                           uint8_t secondary)
{
    acpi_guest_config_write(guest, bus, devfn, PCI_PRIMARY_BUS, 1, bus);
    acpi_guest_config_write(guest, bus, devfn, PCI_SECONDARY_BUS, 1,
                            secondary);
    acpi_guest_config_write(guest, bus, devfn, PCI_SUBORDINATE_BUS, 1,
                            secondary);
}
