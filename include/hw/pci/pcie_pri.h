/*
 * Page Request Interface: a device asks for pages
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A device whose translation request has found nothing may ask software for the
 * page, and goes on when software has answered (PCI Express Base Specification
 * 6.0, 10.4).  Devices call the functions here; IOMMU models stand behind them
 * with PCIIOMMUOps.
 */

#ifndef HW_PCI_PCIE_PRI_H
#define HW_PCI_PCIE_PRI_H

#include "hw/pci/pci_device.h"

/* A Page Request Group has an index of 9 bits */
#define PCI_PRG_INDEX_MAX 511

/* Page Request Message (10.4.1) */
struct PCIPageRequest {
    uint32_t pasid;     /* or PCI_NO_PASID */
    hwaddr addr;        /* of the page, untranslated */
    uint16_t group;     /* PRG index, 0 to PCI_PRG_INDEX_MAX */
    bool last;          /* of its group: a response is expected */
    bool read;
    bool write;
    bool exec;          /* with a PASID */
    bool priv;          /* with a PASID */
};

/* PRG Response Message (10.4.2.1) */
typedef enum PCIPRGCode {
    PCI_PRG_SUCCESS = 0x0,
    PCI_PRG_INVALID = 0x1,      /* the request can't be served */
    PCI_PRG_FAILURE = 0xf,      /* no request of this device will be */
} PCIPRGCode;

struct PCIPRGResponse {
    uint32_t pasid;     /* or PCI_NO_PASID */
    uint16_t group;
    PCIPRGCode code;
};

/* Called under the BQL.  It must not ask for pages or translations. */
typedef void PCIPRGResponseFn(PCIDevice *dev, const PCIPRGResponse *response);

/**
 * pcie_pri_init: give a device a Page Request capability
 *
 * @offset: see pcie_add_capability()
 * @capacity: how many requests may be outstanding, at most
 * @respond: told of each response
 */
void pcie_pri_init(PCIDevice *dev, uint16_t offset, uint32_t capacity,
                   PCIPRGResponseFn *respond);

/* Has the guest enabled page requests, if the device can make them? */
bool pcie_pri_enabled(const PCIDevice *dev);

/* How many requests the guest lets the device have outstanding */
uint32_t pcie_pri_allocated(const PCIDevice *dev);

/* Back to what the capability is after a reset of the function */
void pcie_pri_reset(PCIDevice *dev);

/**
 * pci_pri_request_page: ask software for a page
 *
 * A response may come before it returns.
 *
 * Returns: MEMTX_OK if the request is on its way; MEMTX_ACCESS_ERROR if the
 * IOMMU takes none, or the guest has not enabled page requests, bus mastering
 * or the PASIDs that the request has.
 */
MemTxResult pci_pri_request_page(PCIDevice *dev,
                                 const PCIPageRequest *request);

/**
 * pci_pri_respond: for IOMMU models, hand software's response to a device
 *
 * The state of the capability follows.  Responses to a device that has no
 * Page Request capability are dropped.
 */
void pci_pri_respond(PCIBus *bus, int devfn, const PCIPRGResponse *response);

#endif
