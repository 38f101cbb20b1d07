/*
 * Generic initiators and generic ports: which NUMA node a device belongs to
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * -object acpi-generic-initiator,pci-dev=...,node=... and acpi-generic-port
 * become structures of the SRAT (ACPI 6.5, 5.2.16.6 and 5.2.16.7).
 */

#ifndef HW_ACPI_GENERIC_AFFINITY_H
#define HW_ACPI_GENERIC_AFFINITY_H

#include "hw/pci/pci.h"

#define TYPE_ACPI_GENERIC_INITIATOR "acpi-generic-initiator"
#define TYPE_ACPI_GENERIC_PORT      "acpi-generic-port"

/**
 * build_srat_generic_affinity_structures: append the SRAT's structures
 *
 * All initiators, then all ports, each in the order of their creation (in
 * no particular order where MachineClass::unordered_acpi_gi is set).  One
 * whose device has been unplugged is left out.
 *
 * @table_data: the table, not owned
 */
void build_srat_generic_affinity_structures(GArray *table_data);

/**
 * acpi_generic_initiator_nodes: the NUMA nodes of a PCI device
 *
 * @pdev: the device
 * @start: filled with the lowest node that an initiator gives to @pdev
 * @count: filled with the number of nodes that initiators give to @pdev
 *
 * Returns: true if there are such nodes and they follow each other.
 */
bool acpi_generic_initiator_nodes(PCIDevice *pdev, uint32_t *start,
                                  uint32_t *count);

#endif
