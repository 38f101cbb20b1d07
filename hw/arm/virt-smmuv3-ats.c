/*
 * ATS on the virt machine: what the device tree says
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * An operating system uses ATS only below host bridges that are said to pass
 * translation requests on: "ats-supported" in the node of the bridge, the ATS
 * Attribute of a root complex in the IORT.
 */

#include "qemu/osdep.h"
#include "hw/arm/smmuv3.h"
#include "hw/pci/pci_bus.h"
#include "smmuv3-internal.h"
#include "system/device_tree.h"
#include "virt-smmuv3-ats.h"

void virt_smmuv3_add_fdt_ats(VirtMachineState *vms)
{
    SMMUv3State *s;

    if (!vms->bus || !vms->bus->iommu_opaque ||
        pci_bus_bypass_iommu(vms->bus)) {
        return;
    }
    s = (SMMUv3State *)object_dynamic_cast(vms->bus->iommu_opaque,
                                           TYPE_ARM_SMMUV3);
    if (s && FIELD_EX32(s->idr[0], IDR0, ATS)) {
        qemu_fdt_setprop(MACHINE(vms)->fdt, vms->pciehb_nodename,
                         "ats-supported", NULL, 0);
    }
}
