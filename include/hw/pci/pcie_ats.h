/*
 * Address Translation Services: a device asks its IOMMU
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A device with ATS asks for translations, keeps them in a cache of its own
 * (ATC), and is told when one is not valid any more (PCI Express Base
 * Specification 6.0, chapter 10).  Devices call the functions here; IOMMU
 * models stand behind them with PCIIOMMUOps.
 */

#ifndef HW_PCI_PCIE_ATS_H
#define HW_PCI_PCIE_ATS_H

#include "exec/memory.h"
#include "hw/pci/pci_device.h"

/* In place of a PASID: the request has none */
#define PCI_NO_PASID UINT32_MAX

/* A translation request (10.2.2) */
struct PCIATSRequest {
    uint32_t pasid;     /* or PCI_NO_PASID */
    hwaddr addr;        /* untranslated */
    bool no_write;      /* the device will only read */
    bool exec;          /* with a PASID: execute requested */
    bool priv;          /* with a PASID: privileged mode requested */
};

/* What a device has to know of the IOMMU that translates for it */
typedef struct PCIIOMMUInfo {
    uint8_t address_width;      /* of untranslated addresses, in bits */
    uint64_t min_page_size;     /* in bytes; a power of two */
} PCIIOMMUInfo;

/* Has the guest enabled the device's ATS capability, if there is one? */
bool pcie_ats_enabled(const PCIDevice *dev);

/**
 * pcie_ats_min_size: the smallest translation that the device may ask for
 *
 * Returns: bytes, as the guest has set the Smallest Translation Unit; 4096
 * without ATS.
 */
uint64_t pcie_ats_min_size(const PCIDevice *dev);

/* Back to what the ATS capability is after a reset of the function */
void pcie_ats_reset(PCIDevice *dev);

/**
 * pci_device_get_iommu_info: page size and address width of the IOMMU
 *
 * Returns: true if the IOMMU in front of the device, if any, says so.
 */
bool pci_device_get_iommu_info(PCIDevice *dev, PCIIOMMUInfo *info);

/**
 * pci_ats_request_translation: have the IOMMU translate an address
 *
 * @entry: filled on success.  perm is what the device may do there, IOMMU_NONE
 *         if nothing is mapped; then the device may ask for the page, or go
 *         without (an untranslated access is a fault that the guest sees).
 *
 * Returns: MEMTX_OK for a completion with success, which includes "nothing is
 * mapped"; MEMTX_ACCESS_ERROR if the IOMMU does not serve the device's
 * requests, or the guest has not enabled ATS, bus mastering or the PASIDs that
 * the request has.
 */
MemTxResult pci_ats_request_translation(PCIDevice *dev,
                                        const PCIATSRequest *request,
                                        IOMMUTLBEntry *entry);

/**
 * pci_device_register_atc_notifier: be told of invalidations
 *
 * @pasid: of the translations that are cached, or PCI_NO_PASID
 * @n: notifier, owned by the caller, in use until it is unregistered
 * @notify: called with the range that is not valid any more; it finds @opaque
 *          in @n.  It must not ask for translations.
 *
 * Returns: true on success; false with @errp set if the IOMMU has no ATS.
 */
bool pci_device_register_atc_notifier(PCIDevice *dev, uint32_t pasid,
                                      IOMMUNotifier *n, IOMMUNotify notify,
                                      void *opaque, Error **errp);

/* Undo it; with the arguments of the registration */
void pci_device_unregister_atc_notifier(PCIDevice *dev, uint32_t pasid,
                                        IOMMUNotifier *n);

#endif
