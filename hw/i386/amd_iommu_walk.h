/*
 * AMD IOMMU: device table entries and v1 I/O page tables
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Section numbers are those of the "AMD I/O Virtualization Technology (IOMMU)
 * Specification" (document 48882).
 */

#ifndef HW_I386_AMD_IOMMU_WALK_H
#define HW_I386_AMD_IOMMU_WALK_H

#include "exec/memory.h"

/* Levels that EFR[HATS] can offer (3.4.1) */
#define AMDVI_HATS_MIN      4
#define AMDVI_HATS_MAX      6

#define AMDVI_LEVEL_BITS    9

/* Quadwords of a device table entry */
#define AMDVI_DTE_QUADS     4

/* What a device table entry asks for (2.2.2.1, the V, TV and Mode fields) */
typedef enum AMDVIXlat {
    AMDVI_XLAT_BYPASS,      /* addresses are not translated, all is allowed */
    AMDVI_XLAT_IDENTITY,    /* not translated, DTE[IR] and DTE[IW] decide */
    AMDVI_XLAT_PAGED,       /* a page table translates */
    AMDVI_XLAT_BLOCKED,     /* each access is a fault */
} AMDVIXlat;

/*
 * AMDVIDTE: a decoded device table entry
 * @xlat: how addresses are treated
 * @mode: levels of the page table, 1 to 6, when @xlat is AMDVI_XLAT_PAGED
 * @perm: what the entry itself allows
 * @domid: the domain whose invalidations concern the device
 * @suppress: log no I/O page fault (SA)
 * @suppress_repeats: log the first I/O page fault only (SE)
 * @root: guest physical address of the page table's top level
 */
typedef struct AMDVIDTE {
    AMDVIXlat xlat;
    uint8_t mode;
    IOMMUAccessFlags perm;
    uint16_t domid;
    bool suppress;
    bool suppress_repeats;
    hwaddr root;
} AMDVIDTE;

/* Why an entry or an address can't be used */
typedef enum AMDVIFault {
    AMDVI_FAULT_NONE,
    AMDVI_FAULT_NOT_PRESENT,    /* PR=0, or the address has too many bits */
    AMDVI_FAULT_PERMISSION,     /* IR or IW is missing on the way */
    AMDVI_FAULT_RESERVED,       /* a reserved bit is set */
    AMDVI_FAULT_LEVEL,          /* Mode or Next Level has no meaning */
    AMDVI_FAULT_MEMORY,         /* the entry is not in RAM */
} AMDVIFault;

/*
 * AMDVIRun: I/O addresses that are contiguous in memory, too
 * @iova, @last: first and last address
 * @pa: guest physical address of @iova
 * @perm: never IOMMU_NONE
 */
typedef struct AMDVIRun {
    hwaddr iova;
    hwaddr last;
    hwaddr pa;
    IOMMUAccessFlags perm;
} AMDVIRun;

typedef void AMDVIRunFn(const AMDVIRun *run, void *opaque);

/*
 * AMDVIWalk: one walk over a range, and its result
 * @start, @last: the range
 * @entries: how many entries the walk may read; what is left after it
 * @run: called with each run in ascending order; runs are as long as the
 *       range and the tables allow.  No memory of the guest is written, and
 *       the RCU read lock is held.  May be NULL.
 * @opaque: for @run
 * @fault: why the last address that has no translation has none
 * @entry: guest physical address of the entry at fault
 * @page: size of the page that was found last, in bytes (0: 2^64)
 */
typedef struct AMDVIWalk {
    hwaddr start;
    hwaddr last;
    uint64_t entries;
    AMDVIRunFn *run;
    void *opaque;
    AMDVIFault fault;
    hwaddr entry;
    uint64_t page;
    /* private */
    AMDVIRun pending;
    bool is_pending;
} AMDVIWalk;

/**
 * amdvi_read_ram: read guest memory, but no device
 *
 * @addr: guest physical address
 * @buf: takes the bytes
 * @len: how many; all have to be in one region of RAM
 *
 * Returns false, and reads nothing, if that is not RAM.
 */
bool amdvi_read_ram(hwaddr addr, void *buf, size_t len);

/**
 * amdvi_dte_decode: what a valid device table entry means (2.2.2.1)
 *
 * @raw: the entry, in host byte order
 * @levels: the largest page table mode that the guest is offered
 * @dte: the result, undefined on failure
 *
 * Returns AMDVI_FAULT_NONE, AMDVI_FAULT_RESERVED or AMDVI_FAULT_LEVEL.
 */
AMDVIFault amdvi_dte_decode(const uint64_t raw[AMDVI_DTE_QUADS],
                            unsigned levels, AMDVIDTE *dte);

/**
 * amdvi_pt_walk: translate a range of I/O addresses (2.2.3)
 *
 * The one walker of v1 page tables: emulated devices translate an address
 * with it, the shadow of assigned devices a domain.
 *
 * @dte: the device's entry, of any kind
 * @walk: the range, the limits, and the results
 *
 * Reads RAM only.  Returns false if @walk->entries did not suffice; the runs
 * up to there have been reported then.
 */
bool amdvi_pt_walk(const AMDVIDTE *dte, AMDVIWalk *walk);

/**
 * amdvi_pt_lookup: translate one I/O address with amdvi_pt_walk()
 *
 * @dte: the device's entry, of any kind
 * @addr: the address
 * @entry: takes the page and its permissions; untouched on failure
 * @pte: takes the address of the table entry at fault, may be NULL
 *
 * Returns AMDVI_FAULT_NONE if there is a page with any permission.
 */
AMDVIFault amdvi_pt_lookup(const AMDVIDTE *dte, hwaddr addr,
                           IOMMUTLBEntry *entry, hwaddr *pte);

#endif
