/*
 * ACPI tables as firmware gets them, without firmware
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * QEMU builds the tables when firmware selects their file of fw_cfg, after it
 * has numbered the PCI buses.  The test does both.
 */

#ifndef TESTS_QTEST_ACPI_FWCFG_H
#define TESTS_QTEST_ACPI_FWCFG_H

#include "libqtest.h"

typedef struct AcpiGuest {
    QTestState *qts;
    bool arm;           /* virt, or else a PC */
    uint8_t *tables;    /* contents of etc/acpi/tables, owned */
    size_t size;
} AcpiGuest;

/**
 * acpi_guest_start: start QEMU, on the machine type and with the arguments
 *
 * @machine: what follows -machine, such as "virt,gic-version=3"
 * @args: more arguments
 */
AcpiGuest *acpi_guest_start(const char *machine, const char *args);

/** acpi_guest_end: end QEMU and free @guest */
void acpi_guest_end(AcpiGuest *guest);

/** acpi_guest_reset: system_reset, back when it is done */
void acpi_guest_reset(AcpiGuest *guest);

/** acpi_guest_read: read the tables into @guest, anew after a reset */
void acpi_guest_read(AcpiGuest *guest);

/**
 * acpi_guest_find: a table, by its signature
 *
 * @length: filled with the table's length
 *
 * Returns: the table, which belongs to @guest, or NULL if there is none.
 */
const uint8_t *acpi_guest_find(AcpiGuest *guest, const char *signature,
                               uint32_t *length);

/* PCI configuration space, of all widths up to 4 bytes */
uint32_t acpi_guest_config_read(AcpiGuest *guest, uint8_t bus, uint8_t devfn,
                                unsigned offset, unsigned size);
void acpi_guest_config_write(AcpiGuest *guest, uint8_t bus, uint8_t devfn,
                             unsigned offset, unsigned size, uint32_t value);

/** acpi_guest_number_bus: what firmware does with a bridge, for one bus */
void acpi_guest_number_bus(AcpiGuest *guest, uint8_t bus, uint8_t devfn,
                           uint8_t secondary);

#endif
