/*
 * CMDQ-Vs on the virt machine: where they are, what the device tree says
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "hw/arm/fdt.h"
#include "hw/arm/smmuv3.h"
#include "hw/arm/virt.h"
#include "hw/platform-bus.h"
#include "hw/sysbus.h"
#include "system/device_tree.h"
#include "tegra241-cmdqv.h"
#include "virt-cmdqv.h"
#include "virt-smmuv3.h"

/* Devicetree bindings nvidia,tegra264-cmdqv and arm,smmu-v3 */
static void virt_cmdqv_add_fdt_node(VirtMachineState *vms, DeviceState *smmu,
                                    Tegra241CMDQVState *cmdqv)
{
    const char compat[] = "nvidia,tegra264-cmdqv";
    const char smmu_compat[] = "nvidia,tegra264-smmu\0arm,smmu-v3";
    hwaddr base = virt_smmuv3_mmio_base(vms, DEVICE(cmdqv));
    g_autofree char *node = g_strdup_printf("/cmdqv@%" PRIx64, base);
    g_autofree char *smmu_node =
        g_strdup_printf("/smmuv3@%" PRIx64, virt_smmuv3_mmio_base(vms, smmu));
    void *fdt = MACHINE(vms)->fdt;
    uint32_t phandle = qemu_fdt_alloc_phandle(fdt);

    qemu_fdt_add_subnode(fdt, node);
    qemu_fdt_setprop(fdt, node, "compatible", compat, sizeof(compat));
    qemu_fdt_setprop_sized_cells(fdt, node, "reg", 2, base,
                                 2, memory_region_size(&cmdqv->mmio));
    qemu_fdt_setprop_cells(fdt, node, "interrupts", GIC_FDT_IRQ_TYPE_SPI,
                           virt_smmuv3_irq(vms, DEVICE(cmdqv), 0),
                           GIC_FDT_IRQ_FLAGS_EDGE_LO_HI);
    qemu_fdt_setprop_cell(fdt, node, "phandle", phandle);

    qemu_fdt_setprop(fdt, smmu_node, "compatible", smmu_compat,
                     sizeof(smmu_compat));
    qemu_fdt_setprop_cell(fdt, smmu_node, "nvidia,cmdqv", phandle);
}

void virt_cmdqv_add_devices(VirtMachineState *vms)
{
    for (guint i = 0; i < vms->smmuv3_devices->len; i++) {
        DeviceState *smmu = g_ptr_array_index(vms->smmuv3_devices, i);
        Tegra241CMDQVState *cmdqv = ARM_SMMUV3(smmu)->s_cmdqv;

        if (cmdqv) {
            platform_bus_link_device(PLATFORM_BUS_DEVICE(vms->platform_bus_dev),
                                     SYS_BUS_DEVICE(cmdqv));
            virt_cmdqv_add_fdt_node(vms, smmu, cmdqv);
        }
    }
}
