/*
 * Page Request Interface: a device asks for pages
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "hw/pci/pci_bus.h"
#include "hw/pci/pcie_ats.h"
#include "hw/pci/pcie_pasid.h"
#include "hw/pci/pcie_pri.h"
#include "hw/registerfields.h"
#include "pci-internal.h"
#include "trace.h"

#define PCIE_PRI_VER 1

/* PCI Express Base Specification 6.0, 10.5.2 */
REG16(PRI_CTRL, 4)
    FIELD(PRI_CTRL, ENABLE, 0, 1)
REG16(PRI_STATUS, 6)
    FIELD(PRI_STATUS, RESPONSE_FAILURE, 0, 1)
    FIELD(PRI_STATUS, UNEXPECTED_GROUP, 1, 1)
    FIELD(PRI_STATUS, STOPPED, 8, 1)
REG32(PRI_CAPACITY, 8)
REG32(PRI_ALLOCATION, 12)

void pcie_pri_init(PCIDevice *dev, uint16_t offset, uint32_t capacity,
                   PCIPRGResponseFn *respond)
{
    pcie_add_capability(dev, PCI_EXT_CAP_ID_PRI, PCIE_PRI_VER, offset,
                        PCI_EXT_CAP_PRI_SIZEOF);
    dev->exp.pri_cap = offset;
    dev->exp.pri_respond = respond;
    pci_set_long(dev->config + offset + A_PRI_CAPACITY, capacity);
    pci_set_word(dev->wmask + offset + A_PRI_CTRL, R_PRI_CTRL_ENABLE_MASK);
    pci_set_long(dev->wmask + offset + A_PRI_ALLOCATION, UINT32_MAX);
    pci_set_word(dev->w1cmask + offset + A_PRI_STATUS,
                 R_PRI_STATUS_RESPONSE_FAILURE_MASK |
                 R_PRI_STATUS_UNEXPECTED_GROUP_MASK);
    pcie_pri_reset(dev);
}

void pcie_pri_reset(PCIDevice *dev)
{
    uint8_t *cap = dev->config + dev->exp.pri_cap;

    if (dev->exp.pri_cap) {
        pci_set_word(cap + A_PRI_CTRL, 0);
        pci_set_word(cap + A_PRI_STATUS, R_PRI_STATUS_STOPPED_MASK);
        pci_set_long(cap + A_PRI_ALLOCATION, 0);
    }
}

bool pcie_pri_enabled(const PCIDevice *dev)
{
    return dev->exp.pri_cap &&
           FIELD_EX16(pci_get_word(dev->config + dev->exp.pri_cap +
                                   A_PRI_CTRL), PRI_CTRL, ENABLE);
}

uint32_t pcie_pri_allocated(const PCIDevice *dev)
{
    return dev->exp.pri_cap ?
        pci_get_long(dev->config + dev->exp.pri_cap + A_PRI_ALLOCATION) : 0;
}

static void pcie_pri_change_status(PCIDevice *dev, uint16_t set,
                                   uint16_t clear)
{
    uint8_t *status = dev->config + dev->exp.pri_cap + A_PRI_STATUS;

    pci_set_word(status, (pci_get_word(status) & ~clear) | set);
}

MemTxResult pci_pri_request_page(PCIDevice *dev,
                                 const PCIPageRequest *request)
{
    MemTxResult result = MEMTX_ACCESS_ERROR;
    PCIBus *iommu_bus, *bus;
    int devfn;

    pci_device_get_iommu_bus_devfn(dev, &iommu_bus, &bus, &devfn);
    if (dev->is_master && pcie_pri_enabled(dev) &&
        (request->pasid == PCI_NO_PASID || pcie_pasid_enabled(dev)) &&
        iommu_bus && bus == pci_get_bus(dev) && devfn == dev->devfn &&
        iommu_bus->iommu_ops->pri_request_page) {
        pcie_pri_change_status(dev, 0, R_PRI_STATUS_STOPPED_MASK);
        result = iommu_bus->iommu_ops->pri_request_page(
            bus, iommu_bus->iommu_opaque, devfn, request);
    }
    trace_pci_pri_request_page(dev->name, request->pasid, request->addr,
                               request->group, result);
    return result;
}

void pci_pri_respond(PCIBus *bus, int devfn, const PCIPRGResponse *response)
{
    PCIDevice *dev = bus->devices[devfn];

    if (!dev || !dev->exp.pri_cap) {
        return;
    }
    trace_pci_pri_respond(dev->name, response->pasid, response->group,
                          response->code);
    if (response->code == PCI_PRG_FAILURE) {
        /* the interface has failed: the function stops using it */
        pcie_pri_change_status(dev, R_PRI_STATUS_RESPONSE_FAILURE_MASK |
                               R_PRI_STATUS_STOPPED_MASK, 0);
        pci_word_test_and_clear_mask(dev->config + dev->exp.pri_cap +
                                     A_PRI_CTRL, R_PRI_CTRL_ENABLE_MASK);
    }
    dev->exp.pri_respond(dev, response);
}
