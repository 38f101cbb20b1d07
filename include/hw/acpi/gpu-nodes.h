/*
 * GPU nodes: what the DSDT tells the driver of an assigned GPU
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A GPU such as Grace's has memory of its own that the guest's kernel puts on
 * line as NUMA nodes, which are set aside for it with generic initiators.  Its
 * driver asks for their numbers with device properties (_DSD, ACPI 6.5, 6.2.5)
 * of the GPU's ACPI device.
 */

#ifndef HW_ACPI_GPU_NODES_H
#define HW_ACPI_GPU_NODES_H

#include "hw/acpi/aml-build.h"
#include "hw/pci/pci.h"

/**
 * acpi_gpu_append_properties: give a device its _DSD
 *
 * Appends nvidia,gpu-mem-pxm-start and nvidia,gpu-mem-pxm-count if @pdev is
 * an assigned device with generic initiators whose nodes follow each other;
 * nothing if it is not, or if MachineClass::no_acpi_gpu_nodes is set.
 *
 * @dev: the ACPI device of @pdev, which exists already
 */
void acpi_gpu_append_properties(Aml *dev, PCIDevice *pdev);

/**
 * acpi_gpu_append_nodes: describe the way from a host bridge to its GPUs
 *
 * For machines whose DSDT has no devices below host bridges: appends an ACPI
 * device for each GPU on the bus or below, and for each bridge on the way.
 * Names and order follow from the PCI topology only, so they are the same each
 * time the tables are built.
 *
 * @host_bridge: the ACPI device of the host bridge
 * @bus: its root bus
 */
void acpi_gpu_append_nodes(Aml *host_bridge, PCIBus *bus);

#endif
