/*
 * SMMUv3 devices on the virt machine: where they are, what guests are told
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The machine's own SMMU (iommu=smmuv3) has a place in the memory map and
 * serves all host bridges.  An SMMU made with -device arm-smmuv3 serves one
 * root bus and lives on the platform bus.  A machine has one kind or the
 * other.
 */

#include "qemu/osdep.h"
#include "qapi/error.h"
#include "hw/arm/smmuv3.h"
#include "hw/arm/virt.h"
#include "hw/pci/pci_bus.h"
#include "hw/platform-bus.h"
#include "hw/qdev-properties.h"
#include "system/device_tree.h"
#include "virt-smmuv3.h"

hwaddr virt_smmuv3_mmio_base(VirtMachineState *vms, DeviceState *dev)
{
    return vms->memmap[VIRT_PLATFORM_BUS].base +
           platform_bus_get_mmio_addr(
               PLATFORM_BUS_DEVICE(vms->platform_bus_dev),
               SYS_BUS_DEVICE(dev), 0);
}

int virt_smmuv3_irq(VirtMachineState *vms, DeviceState *dev, int n)
{
    return vms->irqmap[VIRT_PLATFORM_BUS] +
           platform_bus_get_irqn(PLATFORM_BUS_DEVICE(vms->platform_bus_dev),
                                 SYS_BUS_DEVICE(dev), n);
}

bool virt_smmuv3_is_accelerated(DeviceState *dev)
{
    /* not every build has the property: no acceleration without iommufd */
    return object_property_find(OBJECT(dev), "accel") &&
           object_property_get_bool(OBJECT(dev), "accel", &error_abort);
}

bool virt_has_accelerated_smmuv3(VirtMachineState *vms)
{
    for (guint i = 0; i < vms->smmuv3_devices->len; i++) {
        if (virt_smmuv3_is_accelerated(
                g_ptr_array_index(vms->smmuv3_devices, i))) {
            return true;
        }
    }
    return false;
}

/* The address that an MSI write of a device must reach in the end */
static uint64_t virt_msi_doorbell(VirtMachineState *vms)
{
    switch (vms->msi_controller) {
    case VIRT_MSI_CTRL_ITS:
        /* GITS_TRANSLATER, in the frame after the control registers */
        return vms->memmap[VIRT_GIC_ITS].base + 0x10040;
    case VIRT_MSI_CTRL_GICV2M:
        /* MSI_SETSPI_NS */
        return vms->memmap[VIRT_GIC_V2M].base + 0x40;
    default:
        return 0;
    }
}

static DeviceState *virt_smmuv3_find_identifier(VirtMachineState *vms,
                                                uint8_t identifier)
{
    for (guint i = 0; i < vms->smmuv3_devices->len; i++) {
        DeviceState *dev = g_ptr_array_index(vms->smmuv3_devices, i);

        if (ARM_SMMUV3(dev)->identifier == identifier) {
            return dev;
        }
    }
    return NULL;
}

/* No two nodes of the IORT may have the same */
static bool virt_smmuv3_set_identifier(VirtMachineState *vms, DeviceState *dev,
                                       Error **errp)
{
    SMMUv3State *s = ARM_SMMUV3(dev);
    g_autofree char *name = qdev_get_human_name(dev);
    DeviceState *other;

    if (!s->identifier) {
        for (unsigned id = 1; id <= UINT8_MAX; id++) {
            if (!virt_smmuv3_find_identifier(vms, id)) {
                s->identifier = id;
                return true;
            }
        }
        error_setg(errp, "%s '%s': the machine has %u of them already",
                   TYPE_ARM_SMMUV3, name, UINT8_MAX);
        return false;
    }
    other = virt_smmuv3_find_identifier(vms, s->identifier);
    if (other) {
        g_autofree char *other_name = qdev_get_human_name(other);

        error_setg(errp, "%s '%s': identifier=%u is that of '%s': set another",
                   TYPE_ARM_SMMUV3, name, s->identifier, other_name);
        return false;
    }
    return true;
}

bool virt_smmuv3_pre_plug(VirtMachineState *vms, DeviceState *dev,
                          Error **errp)
{
    g_autofree char *name = qdev_get_human_name(dev);

    if (!vms->platform_bus_dev) {
        return true; /* the machine's own, made before the platform bus */
    }
    if (vms->iommu != VIRT_IOMMU_NONE) {
        error_setg(errp, "%s '%s': the machine has an IOMMU already: remove "
                   "%s, or describe every IOMMU with -device arm-smmuv3",
                   TYPE_ARM_SMMUV3, name,
                   vms->iommu == VIRT_IOMMU_SMMUV3 ? "-machine iommu=smmuv3"
                                                   : "virtio-iommu-pci");
        return false;
    }
    qdev_prop_set_bit(dev, "smmu_per_bus", true);
    qdev_prop_set_uint64(dev, "msi-gpa", virt_msi_doorbell(vms));
    return virt_smmuv3_set_identifier(vms, dev, errp);
}

void virt_smmuv3_plug(VirtMachineState *vms, DeviceState *dev)
{
    void *fdt = MACHINE(vms)->fdt;
    int irqs[NUM_SMMU_IRQS];
    uint32_t phandle;

    if (!vms->platform_bus_dev) {
        return;
    }
    g_ptr_array_add(vms->smmuv3_devices, dev);
    phandle = qemu_fdt_alloc_phandle(fdt);

    for (int i = 0; i < NUM_SMMU_IRQS; i++) {
        irqs[i] = virt_smmuv3_irq(vms, dev, i);
    }
    virt_smmuv3_add_fdt_node(vms, virt_smmuv3_mmio_base(vms, dev), irqs,
                             phandle);
    /*
     * The device tree knows one host bridge only; the root buses of expander
     * bridges are found through ACPI.
     */
    if (ARM_SMMU(dev)->primary_bus == vms->bus &&
        !pci_bus_bypass_iommu(vms->bus)) {
        qemu_fdt_setprop_cells(fdt, vms->pciehb_nodename, "iommu-map",
                               0x0, phandle, 0x0, 0x10000);
    }
}
