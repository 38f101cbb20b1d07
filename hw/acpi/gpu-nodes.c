/*
 * GPU nodes: what the DSDT tells the driver of an assigned GPU
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qemu/error-report.h"
#include "hw/acpi/generic-affinity.h"
#include "hw/acpi/gpu-nodes.h"
#include "hw/boards.h"
#include "hw/pci/pci_assigned.h"
#include "hw/pci/pci_bridge.h"
#include "hw/pci/pci_bus.h"
#include "hw/pci/pci_device.h"
#include "trace.h"

/* "Device Properties UUID For _DSD": packages of a name and a value follow */
#define DSD_DEVICE_PROPERTIES_UUID "DAFFD814-6EBA-4D8C-8A91-BC9BBF4AA301"

static bool gpu_nodes(PCIDevice *pdev, uint32_t *start, uint32_t *count)
{
    if (!pci_device_is_assigned(pdev) ||
        MACHINE_GET_CLASS(qdev_get_machine())->no_acpi_gpu_nodes) {
        return false;
    }
    if (acpi_generic_initiator_nodes(pdev, start, count)) {
        return true;
    }
    if (*count) {
        warn_report_once("the NUMA nodes that generic initiators give to %s "
                         "'%s' don't follow each other, so its driver is not "
                         "told of them: number them one after the other",
                         pdev->name, DEVICE(pdev)->id ?: "");
    }
    return false;
}

static void gpu_append_property(Aml *properties, const char *name,
                                uint64_t value)
{
    Aml *property = aml_package(2);

    aml_append(property, aml_string("%s", name));
    aml_append(property, aml_int(value));
    aml_append(properties, property);
}

void acpi_gpu_append_properties(Aml *dev, PCIDevice *pdev)
{
    uint32_t start, count;
    Aml *dsd, *properties;

    if (!gpu_nodes(pdev, &start, &count)) {
        return;
    }
    properties = aml_package(2);
    gpu_append_property(properties, "nvidia,gpu-mem-pxm-start", start);
    gpu_append_property(properties, "nvidia,gpu-mem-pxm-count", count);

    dsd = aml_package(2);
    aml_append(dsd, aml_touuid(DSD_DEVICE_PROPERTIES_UUID));
    aml_append(dsd, properties);
    aml_append(dev, aml_name_decl("_DSD", dsd));
    trace_acpi_gpu_node(pdev->name, pci_dev_bus_num(pdev),
                        PCI_SLOT(pdev->devfn), PCI_FUNC(pdev->devfn), start,
                        count);
}

static bool bus_has_gpu(PCIBus *bus)
{
    uint32_t start, count;

    for (int devfn = 0; devfn < ARRAY_SIZE(bus->devices); devfn++) {
        PCIDevice *pdev = bus->devices[devfn];

        if (!pdev) {
            continue;
        }
        if (IS_PCI_BRIDGE(pdev)
            ? bus_has_gpu(pci_bridge_get_sec_bus(PCI_BRIDGE(pdev)))
            : gpu_nodes(pdev, &start, &count)) {
            return true;
        }
    }
    return false;
}

void acpi_gpu_append_nodes(Aml *parent, PCIBus *bus)
{
    uint32_t start, count;

    for (int devfn = 0; devfn < ARRAY_SIZE(bus->devices); devfn++) {
        PCIDevice *pdev = bus->devices[devfn];
        PCIBus *below = NULL;
        Aml *dev;

        if (!pdev) {
            continue;
        }
        if (IS_PCI_BRIDGE(pdev)) {
            below = pci_bridge_get_sec_bus(PCI_BRIDGE(pdev));
        }
        if (below ? !bus_has_gpu(below) : !gpu_nodes(pdev, &start, &count)) {
            continue;
        }

        dev = aml_device("S%.02X", devfn);
        /* ACPI 6.5, table 6.2: device number in the high word, function low */
        aml_append(dev, aml_name_decl("_ADR", aml_int(PCI_SLOT(devfn) << 16 |
                                                      PCI_FUNC(devfn))));
        if (below) {
            acpi_gpu_append_nodes(dev, below);
        } else {
            acpi_gpu_append_properties(dev, pdev);
        }
        aml_append(parent, dev);
    }
}
