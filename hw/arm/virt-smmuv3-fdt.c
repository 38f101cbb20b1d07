/*
 * SMMUv3 devices on the virt machine: what the device tree says
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * For assigned devices behind an accelerated SMMU this includes, as the IORT's
 * Memory Range nodes do, the window where the host's MSI doorbell is: an
 * address that the device's stage 1 has to map to itself.  A device tree says
 * so with a reserved-memory node that names the devices, which therefore need
 * nodes, and so do the bridges above them.
 */

#include "qemu/osdep.h"
#include <libfdt.h>
#include "hw/arm/fdt.h"
#include "hw/arm/smmuv3.h"
#include "hw/arm/virt.h"
#include "hw/pci/pci_bridge.h"
#include "hw/pci/pci_bus.h"
#include "hw/pci/pcie_iommu.h"
#include "system/device_tree.h"
#include "virt-smmuv3.h"

/* A PCI address as IEEE 1275 has it: phys.hi, phys.mid, phys.lo */
#define PCI_PHYS_HI(devfn) ((devfn) << 8)

void virt_smmuv3_add_fdt_node(VirtMachineState *vms, hwaddr base,
                              const int irqs[NUM_SMMU_IRQS],
                              uint32_t phandle)
{
    const char compat[] = "arm,smmu-v3";
    const char irq_names[] = "eventq\0priq\0cmdq-sync\0gerror";
    g_autofree char *node = g_strdup_printf("/smmuv3@%" PRIx64, base);
    void *fdt = MACHINE(vms)->fdt;

    qemu_fdt_add_subnode(fdt, node);
    qemu_fdt_setprop(fdt, node, "compatible", compat, sizeof(compat));
    qemu_fdt_setprop_sized_cells(fdt, node, "reg", 2, base,
                                 2, vms->memmap[VIRT_SMMU].size);
    qemu_fdt_setprop_cells(fdt, node, "interrupts",
            GIC_FDT_IRQ_TYPE_SPI, irqs[0], GIC_FDT_IRQ_FLAGS_EDGE_LO_HI,
            GIC_FDT_IRQ_TYPE_SPI, irqs[1], GIC_FDT_IRQ_FLAGS_EDGE_LO_HI,
            GIC_FDT_IRQ_TYPE_SPI, irqs[2], GIC_FDT_IRQ_FLAGS_EDGE_LO_HI,
            GIC_FDT_IRQ_TYPE_SPI, irqs[3], GIC_FDT_IRQ_FLAGS_EDGE_LO_HI);
    qemu_fdt_setprop(fdt, node, "interrupt-names", irq_names,
                     sizeof(irq_names));
    qemu_fdt_setprop(fdt, node, "dma-coherent", NULL, 0);
    qemu_fdt_setprop_cell(fdt, node, "#iommu-cells", 1);
    qemu_fdt_setprop_cell(fdt, node, "phandle", phandle);
}

static bool fdt_has_node(void *fdt, const char *path)
{
    return fdt_path_offset(fdt, path) >= 0;
}

static uint32_t fdt_ensure_phandle(void *fdt, const char *path)
{
    uint32_t phandle = fdt_get_phandle(fdt, fdt_path_offset(fdt, path));

    if (!phandle) {
        phandle = qemu_fdt_alloc_phandle(fdt);
        qemu_fdt_setprop_cell(fdt, path, "phandle", phandle);
    }
    return phandle;
}

/*
 * With a node of its own a bridge has to say where the INTx lines of the
 * device below go: to the bridge's own lines, pin by pin.
 */
static void virt_fdt_set_bridge_props(void *fdt, const char *path,
                                      const char *parent_path, int devfn)
{
    uint32_t parent = fdt_ensure_phandle(fdt, parent_path);
    uint32_t map[PCI_NUM_PINS][9];

    for (int i = 0; i < PCI_NUM_PINS; i++) {
        const uint32_t entry[9] = {
            0, 0, 0, i + 1, parent, PCI_PHYS_HI(devfn), 0, 0, i + 1,
        };

        for (int j = 0; j < ARRAY_SIZE(entry); j++) {
            map[i][j] = cpu_to_be32(entry[j]);
        }
    }
    qemu_fdt_setprop_string(fdt, path, "device_type", "pci");
    qemu_fdt_setprop_cell(fdt, path, "#address-cells", 3);
    qemu_fdt_setprop_cell(fdt, path, "#size-cells", 2);
    qemu_fdt_setprop(fdt, path, "ranges", NULL, 0);
    qemu_fdt_setprop_cell(fdt, path, "#interrupt-cells", 1);
    qemu_fdt_setprop_cells(fdt, path, "interrupt-map-mask", 0, 0, 0, 7);
    qemu_fdt_setprop(fdt, path, "interrupt-map", map, sizeof(map));
}

/* The path of a device's node, made with those above it if need be */
static char *virt_fdt_ensure_pci_node(VirtMachineState *vms, PCIDevice *pdev)
{
    PCIBus *bus = pci_get_bus(pdev);
    g_autofree char *parent = pci_bus_is_root(bus) ?
        g_strdup(vms->pciehb_nodename) :
        virt_fdt_ensure_pci_node(vms, bus->parent_dev);
    char *path = g_strdup_printf("%s/pci@%x,%x", parent,
                                 PCI_SLOT(pdev->devfn),
                                 PCI_FUNC(pdev->devfn));
    void *fdt = MACHINE(vms)->fdt;

    if (!fdt_has_node(fdt, path)) {
        qemu_fdt_add_subnode(fdt, path);
        qemu_fdt_setprop_cells(fdt, path, "reg", PCI_PHYS_HI(pdev->devfn),
                               0, 0, 0, 0);
        if (IS_PCI_BRIDGE(pdev)) {
            virt_fdt_set_bridge_props(fdt, path, parent, pdev->devfn);
        }
    }
    return path;
}

static void virt_fdt_collect_assigned(PCIBus *bus, PCIDevice *pdev,
                                      void *opaque)
{
    GPtrArray *devices = opaque;

    if (object_dynamic_cast(OBJECT(pdev), "vfio-pci") &&
        (pci_device_get_viommu_cap(pdev) & VIOMMU_CAP_HW_NESTED)) {
        g_ptr_array_add(devices, pdev);
    }
}

static void virt_fdt_collect_bus(PCIBus *bus, void *opaque)
{
    pci_for_each_device_under_bus(bus, virt_fdt_collect_assigned, opaque);
}

static const char *virt_fdt_ensure_reserved_memory(void *fdt)
{
    static const char path[] = "/reserved-memory";

    if (!fdt_has_node(fdt, path)) {
        qemu_fdt_add_subnode(fdt, path);
        qemu_fdt_setprop_cell(fdt, path, "#address-cells", 2);
        qemu_fdt_setprop_cell(fdt, path, "#size-cells", 2);
        qemu_fdt_setprop(fdt, path, "ranges", NULL, 0);
    }
    return path;
}

void virt_smmuv3_add_fdt_msi_window(VirtMachineState *vms)
{
    g_autoptr(GPtrArray) devices = g_ptr_array_new();
    g_autoptr(GArray) addresses = g_array_new(false, false, sizeof(uint32_t));
    g_autofree char *window = NULL;
    void *fdt = MACHINE(vms)->fdt;
    uint32_t phandle;

    /* expander bridges are not in the device tree, nor what is below them */
    pci_for_each_bus(vms->bus, virt_fdt_collect_bus, devices);
    if (!devices->len) {
        return;
    }

    phandle = qemu_fdt_alloc_phandle(fdt);
    for (guint i = 0; i < devices->len; i++) {
        g_autofree char *path = NULL;
        uint32_t address[6];

        path = virt_fdt_ensure_pci_node(vms, g_ptr_array_index(devices, i));
        qemu_fdt_setprop_cell(fdt, path, "memory-region", phandle);
        /* coherent, like its host bridge */
        qemu_fdt_setprop(fdt, path, "dma-coherent", NULL, 0);
        address[0] = cpu_to_be32(fdt_ensure_phandle(fdt, path));
        address[1] = 0;
        stq_be_p(&address[2], VIRT_HOST_MSI_IPA_BASE);
        stq_be_p(&address[4], VIRT_HOST_MSI_IPA_SIZE);
        g_array_append_vals(addresses, address, ARRAY_SIZE(address));
    }

    window = g_strdup_printf("%s/msi@%x", virt_fdt_ensure_reserved_memory(fdt),
                             VIRT_HOST_MSI_IPA_BASE);
    qemu_fdt_add_subnode(fdt, window);
    qemu_fdt_setprop_sized_cells(fdt, window, "reg",
                                 2, (uint64_t)VIRT_HOST_MSI_IPA_BASE,
                                 2, (uint64_t)VIRT_HOST_MSI_IPA_SIZE);
    qemu_fdt_setprop(fdt, window, "no-map", NULL, 0);
    qemu_fdt_setprop(fdt, window, "iommu-addresses", addresses->data,
                     addresses->len * sizeof(uint32_t));
    qemu_fdt_setprop_cell(fdt, window, "phandle", phandle);
}
