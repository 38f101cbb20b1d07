/*
 * SMMUv3 devices on the virt machine: where they are, what guests are told
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef HW_ARM_VIRT_SMMUV3_H
#define HW_ARM_VIRT_SMMUV3_H

#include "hw/arm/virt.h"

/*
 * Where Linux, as the host, maps the physical MSI doorbell in the
 * intermediate physical address space of an assigned device: the software
 * MSI window of its SMMU drivers (MSI_IOVA_BASE, MSI_IOVA_LENGTH), which user
 * space sees as a reserved region.
 */
#define VIRT_HOST_MSI_IPA_BASE  0x08000000
#define VIRT_HOST_MSI_IPA_SIZE  0x00100000

/**
 * virt_smmuv3_pre_plug: check an arm-smmuv3 device against the machine
 *
 * Fills in what only the machine knows.
 *
 * Returns: true on success; false with @errp set otherwise.
 */
bool virt_smmuv3_pre_plug(VirtMachineState *vms, DeviceState *dev,
                          Error **errp);

/**
 * virt_smmuv3_plug: take note of an arm-smmuv3 device that has been linked to
 * the platform bus, and describe it in the device tree
 */
void virt_smmuv3_plug(VirtMachineState *vms, DeviceState *dev);

/**
 * virt_smmuv3_add_fdt_node: device tree node of an SMMU
 *
 * @base: guest physical address of the registers
 * @irqs: SPI numbers, in the order of SMMUIrq
 * @phandle: phandle of the new node
 */
void virt_smmuv3_add_fdt_node(VirtMachineState *vms, hwaddr base,
                              const int irqs[NUM_SMMU_IRQS],
                              uint32_t phandle);

/**
 * virt_smmuv3_add_fdt_msi_window: let the guest know where the host's MSI
 * doorbell is for the assigned devices behind an accelerated SMMU
 *
 * To be called when all cold-plugged devices are there.
 */
void virt_smmuv3_add_fdt_msi_window(VirtMachineState *vms);

/* Guest physical address of a plugged arm-smmuv3 device's registers */
hwaddr virt_smmuv3_mmio_base(VirtMachineState *vms, DeviceState *dev);

/* SPI number of line @n of a plugged arm-smmuv3 device */
int virt_smmuv3_irq(VirtMachineState *vms, DeviceState *dev, int n);

/* Does hardware walk the guest's stage 1 for this arm-smmuv3 device? */
bool virt_smmuv3_is_accelerated(DeviceState *dev);

/* Is there such a device on the machine? */
bool virt_has_accelerated_smmuv3(VirtMachineState *vms);

#endif
