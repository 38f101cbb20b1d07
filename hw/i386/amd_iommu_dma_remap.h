/*
 * AMD IOMMU: DMA remapping of assigned devices, events and commands
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Section numbers are those of the "AMD I/O Virtualization Technology (IOMMU)
 * Specification" (document 48882).  All functions need the BQL, if they don't
 * say otherwise.
 */

#ifndef HW_I386_AMD_IOMMU_DMA_REMAP_H
#define HW_I386_AMD_IOMMU_DMA_REMAP_H

#include "hw/pci/pci_bus.h"
#include "qemu/interval-tree.h"
#include "amd_iommu.h"
#include "amd_iommu_walk.h"

/*
 * AMDVIShadow: what the host has been told to map for a device
 * @dte: the device table entry as it was when it was last invalidated
 * @runs: AMDVIShadowRun, one for each mapping call; each notifier that takes
 *        mappings has all of them that are in its range, and no other
 * @n_runs: how many
 * @has_notifier: is there a notifier that takes mappings?
 */
typedef struct AMDVIShadow {
    AMDVIDTE dte;
    IntervalTreeRoot runs;
    uint64_t n_runs;
    bool has_notifier;
} AMDVIShadow;

/*
 * AMDVIAddressSpace: the address space of a requester
 * @bus: NULL when the bus has been unplugged
 * @devid: number of the requester when the shadow was made
 * @fault_logged: the one fault that DTE[SE] leaves
 */
struct AMDVIAddressSpace {
    PCIBus *bus;
    uint8_t devfn;
    uint16_t devid;
    bool fault_logged;
    AMDVIState *iommu_state;
    MemoryRegion root;          /* what the device sees */
    IOMMUMemoryRegion iommu;    /* translated */
    MemoryRegion iommu_nodma;   /* alias of the shared untranslated region */
    MemoryRegion iommu_ir;      /* interrupts */
    AddressSpace as;
    AMDVIShadow shadow;
    QLIST_ENTRY(AMDVIAddressSpace) next;
};

/* One access of a device, as events describe it */
typedef struct AMDVIAccess {
    uint16_t devid;
    uint16_t domid;
    hwaddr addr;
    bool is_write;
    bool is_interrupt;
} AMDVIAccess;

/* INVALID_DEVICE_REQUEST: what was invalid (2.5.9) */
typedef enum AMDVIInvalidRequest {
    AMDVI_INVALID_READ_INTERRUPT = 0,
    AMDVI_INVALID_WRITE_INTERRUPT = 5,
} AMDVIInvalidRequest;

/* amd_iommu_as.c: address spaces of requesters */

/* The requester's number, as the guest has numbered its bus by now */
uint16_t amdvi_as_devid(const AMDVIAddressSpace *as);

/**
 * amdvi_as_get: the address space of a function
 *
 * @bus: the bus, or the one that the requests seem to come from
 * @devfn: likewise
 *
 * Made when it is asked for first, and kept for as long as the bus exists.
 * May be called at any time, so that hot-plugged devices get what the guest
 * has configured for their number.
 */
AMDVIAddressSpace *amdvi_as_get(AMDVIState *s, PCIBus *bus, int devfn);

/* Chooses between translated and untranslated memory for the device */
void amdvi_as_set_translated(AMDVIAddressSpace *as, bool translated);

/* Forgets address spaces of buses that go away; called at realize */
void amdvi_as_track_buses(AMDVIState *s);

/* amd_iommu_host.c: the PCI function, and what the host offers */

/* The extended features with what the properties change in @features */
uint64_t amdvi_host_features(const AMDVIState *s, uint64_t features);

/*
 * Makes the PCI function, if "pci-id" names none, and takes over the
 * properties.  Returns false with @errp set if one of them can't be honoured.
 */
bool amdvi_host_realize(AMDVIState *s, PCIBus *bus, Error **errp);

/* PCIIOMMUOps.set_iommu_device: fits "hats" to the host, or refuses */
bool amdvi_host_set_iommu_device(PCIBus *bus, void *opaque, int devfn,
                                 HostIOMMUDevice *hiod, Error **errp);

/* amd_iommu_dma_remap.c: the shadow */

/**
 * amdvi_remap_translate: translate one access of an emulated device
 *
 * @as: the device
 * @access: the access; @access->domid is filled in
 * @log: log an event if there is no translation
 * @entry: the translation, IOMMU_NONE if there is none
 *
 * Needs no BQL unless @log.  Returns false if the entry must not be cached.
 */
bool amdvi_remap_translate(AMDVIAddressSpace *as, AMDVIAccess *access,
                           bool log, IOMMUTLBEntry *entry);

/**
 * amdvi_remap_read_dte: the device table entry of a requester
 *
 * @access: who asks for what, for the event that is logged on failure
 * @log: whether to log
 * @raw: the entry in host byte order
 * @dte: the same, decoded; blocked on failure
 *
 * Returns false if there is no valid entry.
 */
bool amdvi_remap_read_dte(AMDVIState *s, const AMDVIAccess *access, bool log,
                          uint64_t raw[AMDVI_DTE_QUADS], AMDVIDTE *dte);

/* Brings the device's memory and shadow in line with its device table entry */
void amdvi_remap_refresh(AMDVIAddressSpace *as);

/* The same for all devices: reset, IommuEn, INVALIDATE_IOMMU_ALL */
void amdvi_remap_refresh_all(AMDVIState *s);

/* INVALIDATE_DEVTAB_ENTRY (2.4.2) */
void amdvi_remap_inval_dte(AMDVIState *s, uint16_t devid);

/*
 * INVALIDATE_IOMMU_PAGES (2.4.3), both addresses inclusive.  Guests cut a range
 * to sizes that a command can name, so it is kept to join it with what comes
 * next: done at the latest by amdvi_remap_complete(), or after a millisecond.
 */
void amdvi_remap_inval_pages(AMDVIState *s, uint16_t domid, hwaddr start,
                             hwaddr last);

/* COMPLETION_WAIT (2.4.1): all invalidations before it are done */
void amdvi_remap_complete(AMDVIState *s);

/* Called at realize */
void amdvi_remap_init(AMDVIState *s);

/* IOMMUMemoryRegionClass.replay, and when notifiers come or go */
void amdvi_remap_replay(IOMMUMemoryRegion *iommu, IOMMUNotifier *n);
void amdvi_remap_notifiers_changed(AMDVIAddressSpace *as,
                                   IOMMUNotifierFlag flags);

/* amd_iommu_events.c: the event log (2.5) */

/* Logs what the specification has for @fault; @entry as in AMDVIWalk */
void amdvi_event_fault(AMDVIState *s, const AMDVIAccess *access,
                       AMDVIFault fault, hwaddr entry);
void amdvi_event_illegal_dte(AMDVIState *s, const AMDVIAccess *access,
                             AMDVIFault fault);
/* @entry: guest physical address of the device table entry */
void amdvi_event_dte_unreadable(AMDVIState *s, const AMDVIAccess *access,
                                hwaddr entry);
/* @command: guest physical address of the command */
void amdvi_event_illegal_command(AMDVIState *s, hwaddr command);
void amdvi_event_command_unreadable(AMDVIState *s, hwaddr command);
void amdvi_event_invalid_request(AMDVIState *s, const AMDVIAccess *access,
                                 AMDVIInvalidRequest type);

/* The guest has written the register; the base has stored the value */
void amdvi_event_base_written(AMDVIState *s);
void amdvi_event_control_written(AMDVIState *s);

/* Write to MMIO offset 2020h, of which most is RW1C */
void amdvi_status_write(AMDVIState *s, hwaddr addr, uint64_t val,
                        unsigned size);

/*
 * Sends an interrupt as the XT interrupt control register says (3.4.12).
 * Returns false if the guest has not enabled that: use MSI.
 */
bool amdvi_send_intcapxt(AMDVIState *s);

/* amd_iommu_cmd.c: the command buffer (2.4) */

/* Called at realize */
void amdvi_commands_init(AMDVIState *s);

/*
 * Executes what is queued.  Stops at a command that is not valid, and goes on
 * later, as hardware would, when it has taken long.
 */
void amdvi_commands_run(AMDVIState *s);

/* The guest has written the control register */
void amdvi_command_control_written(AMDVIState *s);

/* amd_iommu.c: what the above need of the device */
uint64_t amdvi_readq(AMDVIState *s, hwaddr addr);
void amdvi_writeq_raw(AMDVIState *s, hwaddr addr, uint64_t val);
void amdvi_assign_orq(AMDVIState *s, hwaddr addr, uint64_t val);
void amdvi_assign_andq(AMDVIState *s, hwaddr addr, uint64_t val);
void amdvi_generate_msi_interrupt(AMDVIState *s);
/* Interrupt requests; the opaque is the AMDVIState */
extern const MemoryRegionOps amdvi_ir_ops;
void amdvi_iotlb_reset(AMDVIState *s);
void amdvi_iotlb_inval_devid(AMDVIState *s, uint16_t devid);
void amdvi_iotlb_inval_domid(AMDVIState *s, uint16_t domid);
void amdvi_intremap_inval_notify_all(AMDVIState *s, bool global,
                                     uint32_t index, uint32_t mask);

#endif
