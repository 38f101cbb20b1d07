/*
 * AMD IOMMU: address spaces of requesters
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A requester is known by its bus and not by the bus's number, which firmware
 * and the guest choose long after the devices have asked for their address
 * space.  Each address space has a translated and an untranslated view of
 * memory, of which one is enabled.
 */

#include "qemu/osdep.h"
#include "hw/pci/pci_bridge.h"
#include "hw/registerfields.h"
#include "amd_iommu_dma_remap.h"
#include "trace.h"

/* Device table entry, quadword 2 (2.2.2.1) */
REG64(DTE2, 16)
    FIELD(DTE2, INT_CTL, 60, 2)
#define INT_CTL_ABORT   0

uint16_t amdvi_as_devid(const AMDVIAddressSpace *as)
{
    return PCI_BUILD_BDF(pci_bus_num(as->bus), as->devfn);
}

static uint16_t requester(const AMDVIAddressSpace *as, MemTxAttrs attrs)
{
    return attrs.unspecified ? amdvi_as_devid(as) : attrs.requester_id;
}

/* 2.1.3.2: what is not a write here is not a valid request */
static MemTxResult ir_read(void *opaque, hwaddr addr, uint64_t *data,
                           unsigned size, MemTxAttrs attrs)
{
    AMDVIAddressSpace *as = opaque;
    const AMDVIAccess access = {
        .devid = requester(as, attrs),
        .addr = AMDVI_INT_ADDR_FIRST + addr,
    };

    amdvi_event_invalid_request(as->iommu_state, &access,
                                AMDVI_INVALID_READ_INTERRUPT);
    return MEMTX_ERROR;
}

static MemTxResult ir_write(void *opaque, hwaddr addr, uint64_t value,
                            unsigned size, MemTxAttrs attrs)
{
    AMDVIAddressSpace *as = opaque;
    AMDVIState *s = as->iommu_state;
    const AMDVIAccess access = {
        .devid = requester(as, attrs),
        .addr = AMDVI_INT_ADDR_FIRST + addr,
        .is_write = true,
        .is_interrupt = true,
    };
    uint64_t raw[AMDVI_DTE_QUADS];
    AMDVIDTE dte;
    MemTxResult result;

    attrs.unspecified = false;
    attrs.requester_id = access.devid;
    result = amdvi_ir_ops.write_with_attrs(s, addr, value, size, attrs);
    if (result == MEMTX_OK ||
        !amdvi_remap_read_dte(s, &access, false, raw, &dte)) {
        /* An entry that can't be read has been logged */
        return result;
    }
    if (FIELD_EX64(raw[2], DTE2, INT_CTL) == INT_CTL_ABORT) {
        amdvi_event_invalid_request(s, &access, AMDVI_INVALID_WRITE_INTERRUPT);
    } else {
        amdvi_event_fault(s, &access, AMDVI_FAULT_NOT_PRESENT, 0);
    }
    return result;
}

static const MemoryRegionOps ir_ops = {
    .read_with_attrs = ir_read,
    .write_with_attrs = ir_write,
    .endianness = DEVICE_LITTLE_ENDIAN,
    .impl = { .min_access_size = 4, .max_access_size = 4 },
    .valid = { .min_access_size = 4, .max_access_size = 4 },
};

/*
 * Address ranges, of which only the lower 32 bits are shown:
 *
 * |---------------------+-------------------+----------|
 * | Name                | Address range     | Priority |
 * |---------------------+-------------------+----------|
 * | amdvi_root          | 00000000-ffffffff |        0 |
 * |  amd_iommu          | 00000000-ffffffff |        0 | translated
 * |   amdvi-ir          | fee00000-feefffff |        1 |
 * |  amdvi-sys          | 00000000-ffffffff |        0 | untranslated,
 * |---------------------+-------------------+----------| has its own fee00000
 */
static void add_regions(AMDVIAddressSpace *as)
{
    AMDVIState *s = as->iommu_state;
    g_autofree char *name = g_strdup_printf("amd_iommu_devfn_%d", as->devfn);

    memory_region_init_iommu(&as->iommu, sizeof(as->iommu),
                             TYPE_AMD_IOMMU_MEMORY_REGION, OBJECT(s),
                             "amd_iommu", UINT64_MAX);
    memory_region_init(&as->root, OBJECT(s), "amdvi_root", UINT64_MAX);
    address_space_init(&as->as, &as->root, name);
    memory_region_add_subregion_overlap(&as->root, 0,
                                        MEMORY_REGION(&as->iommu), 0);

    memory_region_init_alias(&as->iommu_nodma, OBJECT(s), "amdvi-sys",
                             &s->mr_sys, 0, memory_region_size(&s->mr_sys));
    memory_region_set_enabled(&as->iommu_nodma, false);
    memory_region_add_subregion_overlap(&as->root, 0, &as->iommu_nodma, 0);

    if (s->dma_remap) {
        memory_region_init_io(&as->iommu_ir, OBJECT(s), &ir_ops, as,
                              "amdvi-ir", AMDVI_INT_ADDR_SIZE);
    } else {
        memory_region_init_alias(&as->iommu_ir, OBJECT(s), "amdvi-ir",
                                 &s->mr_ir, 0, memory_region_size(&s->mr_ir));
    }
    memory_region_add_subregion_overlap(MEMORY_REGION(&as->iommu),
                                        AMDVI_INT_ADDR_FIRST, &as->iommu_ir,
                                        1);
}

AMDVIAddressSpace *amdvi_as_get(AMDVIState *s, PCIBus *bus, int devfn)
{
    AMDVIAddressSpace *as;

    QLIST_FOREACH(as, &s->address_spaces, next) {
        if (as->bus == bus && as->devfn == devfn) {
            return as;
        }
    }
    as = g_new0(AMDVIAddressSpace, 1);
    as->bus = bus;
    as->devfn = devfn;
    as->iommu_state = s;
    add_regions(as);
    QLIST_INSERT_HEAD(&s->address_spaces, as, next);
    if (s->dma_remap) {
        amdvi_remap_refresh(as);
    }
    return as;
}

void amdvi_as_set_translated(AMDVIAddressSpace *as, bool translated)
{
    if (as->iommu_nodma.enabled == !translated) {
        return;
    }
    trace_amdvi_as_switch(as->devid, translated);
    memory_region_transaction_begin();
    memory_region_set_enabled(&as->iommu_nodma, !translated);
    memory_region_set_enabled(MEMORY_REGION(&as->iommu), translated);
    memory_region_transaction_commit();
}

/* The devices on a bridge's bus are gone before the bridge is */
static void bridge_unrealized(DeviceListener *listener, DeviceState *dev)
{
    AMDVIState *s = container_of(listener, AMDVIState, bridge_listener);
    AMDVIAddressSpace *as, *tmp;
    PCIBus *bus;

    if (!object_dynamic_cast(OBJECT(dev), TYPE_PCI_BRIDGE)) {
        return;
    }
    bus = pci_bridge_get_sec_bus(PCI_BRIDGE(dev));
    QLIST_FOREACH_SAFE(as, &s->address_spaces, next, tmp) {
        if (as->bus == bus) {
            /* RCU readers may still be in its regions: these stay */
            QLIST_REMOVE(as, next);
            as->bus = NULL;
        }
    }
}

void amdvi_as_track_buses(AMDVIState *s)
{
    s->bridge_listener.unrealize = bridge_unrealized;
    device_listener_register(&s->bridge_listener);
}
