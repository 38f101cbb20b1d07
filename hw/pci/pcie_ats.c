/*
 * Address Translation Services: a device asks its IOMMU
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qapi/error.h"
#include "hw/pci/pci_bus.h"
#include "hw/pci/pcie_ats.h"
#include "hw/pci/pcie_pasid.h"
#include "hw/registerfields.h"
#include "pci-internal.h"
#include "trace.h"

/* ATS Control Register (PCI Express Base Specification 6.0, 10.5.1.3) */
REG16(ATS_CTRL, 0)
    FIELD(ATS_CTRL, STU, 0, 5)
    FIELD(ATS_CTRL, ENABLE, 15, 1)

/* STU 0 is 4096 bytes */
#define ATS_STU_SHIFT 12

typedef struct PCIATSTarget {
    const PCIIOMMUOps *ops;
    void *opaque;
    PCIBus *bus;
} PCIATSTarget;

/* Translation requests are a device's own: no bridge makes them for it */
static bool pci_ats_find_target(PCIDevice *dev, PCIATSTarget *target)
{
    PCIBus *iommu_bus;
    int devfn;

    pci_device_get_iommu_bus_devfn(dev, &iommu_bus, &target->bus, &devfn);
    if (!iommu_bus || target->bus != pci_get_bus(dev) || devfn != dev->devfn) {
        return false;
    }
    target->ops = iommu_bus->iommu_ops;
    target->opaque = iommu_bus->iommu_opaque;
    return true;
}

static IOMMUMemoryRegion *pci_ats_find_region(PCIDevice *dev, uint32_t pasid)
{
    PCIATSTarget target;

    if (!pci_ats_find_target(dev, &target) || !target.ops->get_iommu_region) {
        return NULL;
    }
    return target.ops->get_iommu_region(target.bus, target.opaque, dev->devfn,
                                        pasid);
}

static uint16_t pcie_ats_ctrl(const PCIDevice *dev)
{
    return dev->exp.ats_cap ?
        pci_get_word(dev->config + dev->exp.ats_cap + PCI_ATS_CTRL) : 0;
}

bool pcie_ats_enabled(const PCIDevice *dev)
{
    return FIELD_EX16(pcie_ats_ctrl(dev), ATS_CTRL, ENABLE);
}

uint64_t pcie_ats_min_size(const PCIDevice *dev)
{
    return BIT_ULL(ATS_STU_SHIFT +
                   FIELD_EX16(pcie_ats_ctrl(dev), ATS_CTRL, STU));
}

void pcie_ats_reset(PCIDevice *dev)
{
    if (dev->exp.ats_cap) {
        pci_set_word(dev->config + dev->exp.ats_cap + PCI_ATS_CTRL, 0);
    }
}

bool pci_device_get_iommu_info(PCIDevice *dev, PCIIOMMUInfo *info)
{
    IOMMUMemoryRegion *region = pci_ats_find_region(dev, PCI_NO_PASID);
    PCIATSTarget target;

    if (!region || !pci_ats_find_target(dev, &target) ||
        !target.ops->get_address_width) {
        return false;
    }
    info->address_width = target.ops->get_address_width(target.opaque);
    info->min_page_size = memory_region_iommu_get_min_page_size(region);
    return true;
}

MemTxResult pci_ats_request_translation(PCIDevice *dev,
                                        const PCIATSRequest *request,
                                        IOMMUTLBEntry *entry)
{
    MemTxResult result = MEMTX_ACCESS_ERROR;
    PCIATSTarget target;

    if (dev->is_master && pcie_ats_enabled(dev) &&
        (request->pasid == PCI_NO_PASID || pcie_pasid_enabled(dev)) &&
        pci_ats_find_target(dev, &target) &&
        target.ops->ats_request_translation) {
        result = target.ops->ats_request_translation(target.bus, target.opaque,
                                                     dev->devfn, request,
                                                     entry);
    }
    trace_pci_ats_request_translation(dev->name, request->pasid, request->addr,
                                      request->no_write, result);
    return result;
}

bool pci_device_register_atc_notifier(PCIDevice *dev, uint32_t pasid,
                                      IOMMUNotifier *n, IOMMUNotify notify,
                                      void *opaque, Error **errp)
{
    IOMMUMemoryRegion *region = pci_ats_find_region(dev, pasid);

    if (!region) {
        error_setg(errp, "the IOMMU in front of '%s' has no ATS", dev->name);
        return false;
    }
    iommu_notifier_init(n, notify, IOMMU_NOTIFIER_DEVIOTLB_UNMAP, 0,
                        HWADDR_MAX, 0);
    n->opaque = opaque;
    return !memory_region_register_iommu_notifier(MEMORY_REGION(region), n,
                                                  errp);
}

void pci_device_unregister_atc_notifier(PCIDevice *dev, uint32_t pasid,
                                        IOMMUNotifier *n)
{
    IOMMUMemoryRegion *region = pci_ats_find_region(dev, pasid);

    if (region) {
        memory_region_unregister_iommu_notifier(MEMORY_REGION(region), n);
    }
}
