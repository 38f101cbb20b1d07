/*
 * An address translation cache (ATC) for emulated devices
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The cache stands between the device and its IOMMU as an IOMMU of its own,
 * which takes DMA either to where the cache says, or, untranslated, to the
 * IOMMU.  It forgets what it is told to forget, and nothing else: a guest that
 * does not invalidate gets wrong data, as from hardware.
 */

#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qemu/main-loop.h"
#include "qemu/rcu.h"
#include "hw/pci/pcie_atc.h"
#include "hw/pci/pcie_ats.h"
#include "hw/pci/pcie_pri.h"
#include "trace.h"

#define PCIE_ATC_ENTRIES 128

/* Page requests that may be outstanding; the group's index is that in @pages */
#define PCIE_ATC_PAGES 16

/*
 * A memory region cannot be covered by another if both have 2^64 bytes.  No
 * driver uses addresses in the upper half; they would go untranslated.
 */
#define ATC_REGION_SIZE BIT_ULL(63)

/* Untranslated accesses go to the IOMMU piece by piece */
#define ATC_PAGE_MASK (~(hwaddr)0xfff)

#define TYPE_PCIE_ATC_MEMORY_REGION "pcie-atc-iommu-memory-region"

/* A page that was asked for, and has no response yet */
typedef struct PCIEATCPage {
    bool outstanding;
    bool write;
    hwaddr addr;
} PCIEATCPage;

struct PCIEATC {
    struct rcu_head rcu;
    IOMMUMemoryRegion region;
    PCIDevice *dev;             /* its owner */
    bool registered;            /* @notifier, with the IOMMU */
    IOMMUNotifier notifier;
    PCIIOMMUInfo iommu;         /* valid while registered */
    unsigned next;              /* the entry to be replaced next */
    IOMMUTLBEntry entries[PCIE_ATC_ENTRIES]; /* perm IOMMU_NONE: free */
    PCIEATCPage pages[PCIE_ATC_PAGES];
};

static void pcie_atc_flush(PCIEATC *atc)
{
    memset(atc->entries, 0, sizeof(atc->entries));
}

/* The IOMMU has changed a translation */
static void pcie_atc_invalidate(IOMMUNotifier *n, IOMMUTLBEntry *range)
{
    PCIEATC *atc = n->opaque;
    hwaddr last = range->iova + range->addr_mask;
    unsigned dropped = 0;

    for (int i = 0; i < PCIE_ATC_ENTRIES; i++) {
        IOMMUTLBEntry *entry = &atc->entries[i];

        if (entry->perm != IOMMU_NONE && entry->iova <= last &&
            entry->iova + entry->addr_mask >= range->iova) {
            entry->perm = IOMMU_NONE;
            dropped++;
        }
    }
    trace_pcie_atc_invalidate(atc->dev->name, range->iova, last, dropped);
}

static IOMMUTLBEntry *pcie_atc_find(PCIEATC *atc, hwaddr addr)
{
    for (int i = 0; i < PCIE_ATC_ENTRIES; i++) {
        IOMMUTLBEntry *entry = &atc->entries[i];

        if (entry->perm != IOMMU_NONE &&
            (addr & ~entry->addr_mask) == entry->iova) {
            return entry;
        }
    }
    return NULL;
}

/* Without a notifier nothing may be cached */
static bool pcie_atc_register(PCIEATC *atc)
{
    Error *err = NULL;

    if (atc->registered) {
        return true;
    }
    if (!pci_device_get_iommu_info(atc->dev, &atc->iommu)) {
        return false;
    }
    if (!pci_device_register_atc_notifier(atc->dev, PCI_NO_PASID,
                                          &atc->notifier, pcie_atc_invalidate,
                                          atc, &err)) {
        trace_pcie_atc_no_notifier(atc->dev->name, error_get_pretty(err));
        error_free(err);
        return false;
    }
    atc->registered = true;
    return true;
}

/* Software has answered: the next access finds the page, or asks again */
static void pcie_atc_respond(PCIDevice *dev, const PCIPRGResponse *response)
{
    PCIEATC *atc = dev->atc;

    if (response->code == PCI_PRG_FAILURE) {
        memset(atc->pages, 0, sizeof(atc->pages));
    } else if (response->group < PCIE_ATC_PAGES) {
        atc->pages[response->group].outstanding = false;
    }
}

static void pcie_atc_request_page(PCIEATC *atc, hwaddr addr, bool write)
{
    unsigned limit = MIN(pcie_pri_allocated(atc->dev), PCIE_ATC_PAGES);
    PCIEATCPage *page = NULL;
    PCIPageRequest request = {
        .pasid = PCI_NO_PASID,
        .addr = addr,
        .last = true,
        .read = true,
        .write = write,
    };

    if (!pcie_pri_enabled(atc->dev)) {
        return;
    }
    for (unsigned i = 0; i < limit; i++) {
        PCIEATCPage *p = &atc->pages[i];

        if (p->outstanding && p->addr == addr && (p->write || !write)) {
            return;
        }
        if (!p->outstanding && !page) {
            page = p;
            request.group = i;
        }
    }
    if (!page) {
        return;
    }
    /* the response may be there before the request returns */
    *page = (PCIEATCPage) { .outstanding = true, .write = write, .addr = addr };
    if (pci_pri_request_page(atc->dev, &request) != MEMTX_OK) {
        page->outstanding = false;
    }
}

/* Ask the IOMMU, and keep the answer; NULL if there is none that helps */
static IOMMUTLBEntry *pcie_atc_request(PCIEATC *atc, hwaddr addr,
                                       IOMMUAccessFlags flag)
{
    PCIATSRequest request = {
        .pasid = PCI_NO_PASID,
        .no_write = !(flag & IOMMU_WO),
    };
    IOMMUTLBEntry answer, *entry;
    uint64_t min_size;

    if (!pcie_atc_register(atc) ||
        (atc->iommu.address_width < 64 && addr >> atc->iommu.address_width)) {
        return NULL;
    }
    min_size = MAX(pcie_ats_min_size(atc->dev), atc->iommu.min_page_size);
    request.addr = addr & ~(min_size - 1);
    if (pci_ats_request_translation(atc->dev, &request, &answer) != MEMTX_OK) {
        return NULL;
    }
    if ((answer.perm & flag) != flag) {
        pcie_atc_request_page(atc, request.addr, flag & IOMMU_WO);
        return NULL;
    }
    if (answer.addr_mask < min_size - 1) {
        return NULL;
    }
    entry = pcie_atc_find(atc, addr);
    if (!entry) {
        entry = &atc->entries[atc->next];
        atc->next = (atc->next + 1) % PCIE_ATC_ENTRIES;
    }
    *entry = answer;
    entry->iova &= ~entry->addr_mask;
    entry->translated_addr &= ~entry->addr_mask;
    return entry;
}

/* Let the IOMMU translate it; if that is a fault, the IOMMU tells the guest */
static IOMMUTLBEntry pcie_atc_untranslated(PCIEATC *atc, hwaddr addr)
{
    return (IOMMUTLBEntry) {
        .target_as = pci_device_iommu_address_space(atc->dev),
        .iova = addr & ATC_PAGE_MASK,
        .translated_addr = addr & ATC_PAGE_MASK,
        .addr_mask = ~ATC_PAGE_MASK,
        .perm = IOMMU_RW,
    };
}

static IOMMUTLBEntry pcie_atc_translate(IOMMUMemoryRegion *region, hwaddr addr,
                                        IOMMUAccessFlags flag, int iommu_idx)
{
    PCIEATC *atc = container_of(region, PCIEATC, region);
    IOMMUTLBEntry *entry;

    if (!atc->dev->is_master) {
        return (IOMMUTLBEntry) { .target_as = &address_space_memory };
    }
    if (!bql_locked()) {
        return pcie_atc_untranslated(atc, addr);
    }
    if (!pcie_ats_enabled(atc->dev)) {
        pcie_atc_flush(atc);
        return pcie_atc_untranslated(atc, addr);
    }
    entry = pcie_atc_find(atc, addr);
    if (!entry || (entry->perm & flag) != flag) {
        entry = pcie_atc_request(atc, addr, flag);
    }
    return entry ? *entry : pcie_atc_untranslated(atc, addr);
}

void pcie_atc_init(PCIDevice *dev, uint16_t offset)
{
    PCIEATC *atc = g_new0(PCIEATC, 1);

    pcie_ats_init(dev, offset, true);
    atc->dev = dev;
    memory_region_init_iommu(&atc->region, sizeof(atc->region),
                             TYPE_PCIE_ATC_MEMORY_REGION, OBJECT(dev), "atc",
                             ATC_REGION_SIZE);
    /* before what pci_init_bus_master() puts there */
    memory_region_add_subregion_overlap(&dev->bus_master_container_region, 0,
                                        MEMORY_REGION(&atc->region), 1);
    dev->atc = atc;
}

void pcie_atc_init_pri(PCIDevice *dev, uint16_t offset)
{
    pcie_pri_init(dev, offset, PCIE_ATC_PAGES, pcie_atc_respond);
}

static void pcie_atc_unregister(PCIEATC *atc)
{
    if (atc->registered) {
        pci_device_unregister_atc_notifier(atc->dev, PCI_NO_PASID,
                                           &atc->notifier);
        atc->registered = false;
    }
}

void pcie_atc_reset(PCIDevice *dev)
{
    if (dev->atc) {
        pcie_ats_reset(dev);
        pcie_atc_flush(dev->atc);
        memset(dev->atc->pages, 0, sizeof(dev->atc->pages));
        pcie_atc_unregister(dev->atc);
    }
}

void pcie_atc_exit(PCIDevice *dev)
{
    PCIEATC *atc = g_steal_pointer(&dev->atc);

    if (!atc) {
        return;
    }
    pcie_atc_unregister(atc);
    memory_region_del_subregion(&dev->bus_master_container_region,
                                MEMORY_REGION(&atc->region));
    object_unparent(OBJECT(&atc->region));
    /* whoever is translating right now may still see the region */
    g_free_rcu(atc, rcu);
}

static void pcie_atc_memory_region_class_init(ObjectClass *klass, void *data)
{
    IOMMU_MEMORY_REGION_CLASS(klass)->translate = pcie_atc_translate;
}

static const TypeInfo pcie_atc_types[] = {
    {
        .name = TYPE_PCIE_ATC_MEMORY_REGION,
        .parent = TYPE_IOMMU_MEMORY_REGION,
        .class_init = pcie_atc_memory_region_class_init,
    },
};

DEFINE_TYPES(pcie_atc_types)
