/*
 * AMD IOMMU: device table entries and v1 I/O page tables
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Decodes what the guest's tables say, and reads nothing but RAM for it.  A
 * table can be anything: each step goes down a level, so its depth is bounded
 * by the mode, and the number of entries that are read by the caller.
 */

#include "qemu/osdep.h"
#include "exec/address-spaces.h"
#include "hw/registerfields.h"
#include "qemu/atomic.h"
#include "amd_iommu.h"
#include "amd_iommu_walk.h"

/* Device table entry, quadwords 0 and 1 (2.2.2.1) */
REG64(DTE0, 0)
    FIELD(DTE0, V, 0, 1)
    FIELD(DTE0, TV, 1, 1)
    FIELD(DTE0, RESERVED1, 2, 5)
    FIELD(DTE0, HAD, 7, 2)          /* reserved without EFR[HASup] */
    FIELD(DTE0, MODE, 9, 3)
    FIELD(DTE0, ROOT, 12, 40)
    FIELD(DTE0, GV, 55, 1)          /* reserved without EFR[GTSup] */
    FIELD(DTE0, IR, 61, 1)
    FIELD(DTE0, IW, 62, 1)
    FIELD(DTE0, RESERVED2, 63, 1)
REG64(DTE1, 8)
    FIELD(DTE1, DOMID, 0, 16)
    FIELD(DTE1, SE, 33, 1)
    FIELD(DTE1, SA, 34, 1)

#define DTE0_RESERVED   (R_DTE0_RESERVED1_MASK | R_DTE0_HAD_MASK | \
                         R_DTE0_GV_MASK | R_DTE0_RESERVED2_MASK)

/* Page directory entry and page translation entry (2.2.3) */
REG64(PTE, 0)
    FIELD(PTE, PR, 0, 1)
    FIELD(PTE, NEXT_LEVEL, 9, 3)
    FIELD(PTE, ADDRESS, 12, 40)
    FIELD(PTE, RESERVED_LEAF, 52, 7)
    FIELD(PTE, RESERVED_TABLE, 52, 9)
    FIELD(PTE, IR, 61, 1)
    FIELD(PTE, IW, 62, 1)

/* Next Level of a page: the level's size, or one that the address encodes */
#define NEXT_LEVEL_PAGE     0
#define NEXT_LEVEL_SIZED    7

#define MODE_NONE           0
#define TABLE_ENTRIES       (1U << AMDVI_LEVEL_BITS)

/*
 * PTE: an entry that was decoded
 * @level: 0 for a page, else the level of the table at @addr
 * @size: log2 of the page's size
 */
typedef struct PTE {
    unsigned level;
    unsigned size;
    hwaddr addr;
    IOMMUAccessFlags perm;
} PTE;

/* log2 of what an entry of a table of that level covers */
static unsigned level_shift(unsigned level)
{
    return AMDVI_PAGE_SHIFT + (level - 1) * AMDVI_LEVEL_BITS;
}

/* The last address that a table of that level, or mode, covers from 0 */
static hwaddr level_last(unsigned level)
{
    unsigned bits = level_shift(level + 1);

    return bits < 64 ? MAKE_64BIT_MASK(0, bits) : UINT64_MAX;
}

/* RAM at @addr, for as long as the RCU read lock is held */
static const void *ram_ptr(hwaddr addr, hwaddr len)
{
    hwaddr offset, plen = len;
    MemoryRegion *mr = address_space_translate(&address_space_memory, addr,
                                               &offset, &plen, false,
                                               MEMTXATTRS_UNSPECIFIED);

    if (!memory_region_is_ram(mr) || memory_region_is_ram_device(mr) ||
        plen < len) {
        return NULL;
    }
    return memory_region_get_ram_ptr(mr) + offset;
}

bool amdvi_read_ram(hwaddr addr, void *buf, size_t len)
{
    const void *p;

    RCU_READ_LOCK_GUARD();
    p = ram_ptr(addr, len);
    if (!p) {
        return false;
    }
    memcpy(buf, p, len);
    return true;
}

AMDVIFault amdvi_dte_decode(const uint64_t raw[AMDVI_DTE_QUADS],
                            unsigned levels, AMDVIDTE *dte)
{
    *dte = (AMDVIDTE) {
        .xlat = AMDVI_XLAT_BYPASS,
        .perm = IOMMU_RW,
    };
    if (!FIELD_EX64(raw[0], DTE0, V)) {
        return AMDVI_FAULT_NONE;
    }
    if ((raw[0] & DTE0_RESERVED) || (raw[1] & AMDVI_DTE_QUAD1_RESERVED) ||
        (raw[2] & AMDVI_DTE_QUAD2_RESERVED) ||
        (raw[3] & AMDVI_DTE_QUAD3_RESERVED)) {
        return AMDVI_FAULT_RESERVED;
    }
    dte->domid = FIELD_EX64(raw[1], DTE1, DOMID);
    dte->suppress = FIELD_EX64(raw[1], DTE1, SA);
    dte->suppress_repeats = FIELD_EX64(raw[1], DTE1, SE);
    if (!FIELD_EX64(raw[0], DTE0, TV)) {
        dte->xlat = AMDVI_XLAT_BLOCKED;
        dte->perm = IOMMU_NONE;
        return AMDVI_FAULT_NONE;
    }
    dte->mode = FIELD_EX64(raw[0], DTE0, MODE);
    if (dte->mode > levels) {
        return AMDVI_FAULT_LEVEL;
    }
    dte->perm = IOMMU_ACCESS_FLAG(FIELD_EX64(raw[0], DTE0, IR),
                                  FIELD_EX64(raw[0], DTE0, IW));
    dte->root = raw[0] & R_DTE0_ROOT_MASK;
    if (dte->mode != MODE_NONE) {
        dte->xlat = AMDVI_XLAT_PAGED;
    } else if (dte->perm != IOMMU_RW) {
        dte->xlat = AMDVI_XLAT_IDENTITY;
    }
    return AMDVI_FAULT_NONE;
}

/* The entry of a table of @level; *@pte is only valid on AMDVI_FAULT_NONE */
static AMDVIFault decode_pte(uint64_t raw, unsigned level, PTE *pte)
{
    unsigned next = FIELD_EX64(raw, PTE, NEXT_LEVEL);

    if (!FIELD_EX64(raw, PTE, PR)) {
        return AMDVI_FAULT_NOT_PRESENT;
    }
    pte->perm = IOMMU_ACCESS_FLAG(FIELD_EX64(raw, PTE, IR),
                                  FIELD_EX64(raw, PTE, IW));
    pte->addr = raw & R_PTE_ADDRESS_MASK;

    if (next != NEXT_LEVEL_PAGE && next != NEXT_LEVEL_SIZED) {
        /* Only downwards, or a table could lead back to itself */
        if (next >= level) {
            return AMDVI_FAULT_LEVEL;
        }
        pte->level = next;
        return raw & R_PTE_RESERVED_TABLE_MASK ? AMDVI_FAULT_RESERVED :
                                                 AMDVI_FAULT_NONE;
    }

    /* Table 15: the topmost level has no pages */
    if (level == AMDVI_HATS_MAX) {
        return AMDVI_FAULT_LEVEL;
    }
    pte->level = 0;
    pte->size = level_shift(level);
    if (next == NEXT_LEVEL_SIZED) {
        /* Table 14: as many ones at the bottom as the size has bits more */
        pte->size = ctz64(~(pte->addr >> AMDVI_PAGE_SHIFT)) +
                    AMDVI_PAGE_SHIFT + 1;
        if (pte->size <= level_shift(level) ||
            pte->size >= level_shift(level + 1)) {
            return AMDVI_FAULT_LEVEL;
        }
    }
    pte->addr &= ~MAKE_64BIT_MASK(0, pte->size);
    return raw & R_PTE_RESERVED_LEAF_MASK ? AMDVI_FAULT_RESERVED :
                                            AMDVI_FAULT_NONE;
}

static void flush_run(AMDVIWalk *walk)
{
    if (walk->is_pending && walk->run) {
        walk->run(&walk->pending, walk->opaque);
    }
    walk->is_pending = false;
}

static void add_run(AMDVIWalk *walk, const AMDVIRun *run)
{
    AMDVIRun *p = &walk->pending;

    if (walk->is_pending && p->perm == run->perm &&
        p->last + 1 == run->iova && p->pa + (run->iova - p->iova) == run->pa) {
        p->last = run->last;
        return;
    }
    flush_run(walk);
    *p = *run;
    walk->is_pending = true;
}

static void set_fault(AMDVIWalk *walk, AMDVIFault fault, hwaddr entry)
{
    walk->fault = fault;
    walk->entry = entry;
}

/*
 * @base: the first address that the table at @table translates
 * @perm: what the levels above allow
 */
static bool walk_table(AMDVIWalk *walk, hwaddr table, unsigned level,
                       hwaddr base, IOMMUAccessFlags perm)
{
    unsigned shift = level_shift(level);
    hwaddr from = MAX(walk->start, base);
    hwaddr to = MIN(walk->last, base + level_last(level));
    const uint64_t *entries = ram_ptr(table, AMDVI_PAGE_SIZE);
    unsigned i, end;

    if (from > to) {
        /* The entry above skips levels, whose address bits have to be 0 */
        set_fault(walk, AMDVI_FAULT_NOT_PRESENT, table);
        return true;
    }
    i = extract64(from, shift, MIN(AMDVI_LEVEL_BITS, 64 - shift));
    end = extract64(to, shift, MIN(AMDVI_LEVEL_BITS, 64 - shift));
    if (!entries) {
        set_fault(walk, AMDVI_FAULT_MEMORY, table + i * sizeof(*entries));
        return true;
    }
    for (; i <= end; i++) {
        hwaddr iova = base + ((hwaddr)i << shift);
        hwaddr last = iova + MAKE_64BIT_MASK(0, shift);
        hwaddr entry = table + i * sizeof(*entries);
        AMDVIFault fault;
        AMDVIRun run;
        PTE pte;

        if (!walk->entries) {
            return false;
        }
        walk->entries--;
        /* The guest may write while this reads */
        fault = decode_pte(le64_to_cpu(qatomic_read(&entries[i])), level,
                           &pte);
        if (fault == AMDVI_FAULT_NONE && !(pte.perm & perm)) {
            fault = AMDVI_FAULT_PERMISSION;
        }
        if (fault != AMDVI_FAULT_NONE) {
            set_fault(walk, fault, entry);
            continue;
        }
        if (pte.level) {
            if (!walk_table(walk, pte.addr, pte.level, iova,
                            pte.perm & perm)) {
                return false;
            }
            continue;
        }
        run.iova = MAX(iova, from);
        run.last = MIN(last, to);
        /* A larger page has an equal entry for each part that fits one */
        run.pa = pte.addr | (run.iova & MAKE_64BIT_MASK(0, pte.size));
        run.perm = pte.perm & perm;
        walk->page = 1ULL << shift;
        add_run(walk, &run);
    }
    return true;
}

bool amdvi_pt_walk(const AMDVIDTE *dte, AMDVIWalk *walk)
{
    bool complete = true;
    AMDVIRun run = {
        .iova = walk->start,
        .last = walk->last,
        .pa = walk->start,
        .perm = dte->perm,
    };

    walk->fault = AMDVI_FAULT_NONE;
    walk->is_pending = false;
    walk->page = 0;
    if (dte->xlat == AMDVI_XLAT_BLOCKED) {
        set_fault(walk, AMDVI_FAULT_NOT_PRESENT, 0);
        return true;
    }
    if (dte->perm == IOMMU_NONE) {
        set_fault(walk, AMDVI_FAULT_PERMISSION, 0);
        return true;
    }

    RCU_READ_LOCK_GUARD();
    if (dte->xlat != AMDVI_XLAT_PAGED) {
        walk->page = AMDVI_PAGE_SIZE;
        add_run(walk, &run);
    } else if (walk->start > level_last(dte->mode)) {
        set_fault(walk, AMDVI_FAULT_NOT_PRESENT, dte->root);
    } else {
        complete = walk_table(walk, dte->root, dte->mode, 0, dte->perm);
    }
    flush_run(walk);
    return complete;
}

static void take_run(const AMDVIRun *run, void *opaque)
{
    *(AMDVIRun *)opaque = *run;
}

AMDVIFault amdvi_pt_lookup(const AMDVIDTE *dte, hwaddr addr,
                           IOMMUTLBEntry *entry, hwaddr *pte)
{
    AMDVIRun run = { };
    AMDVIWalk walk = {
        .start = addr & AMDVI_PAGE_MASK_4K,
        .last = addr | ~AMDVI_PAGE_MASK_4K,
        .entries = AMDVI_HATS_MAX,
        .run = take_run,
        .opaque = &run,
    };

    amdvi_pt_walk(dte, &walk);
    if (walk.fault == AMDVI_FAULT_NONE) {
        entry->addr_mask = walk.page - 1;
        entry->iova = addr & ~entry->addr_mask;
        entry->translated_addr = run.pa & ~entry->addr_mask;
        entry->perm = run.perm;
    } else if (pte) {
        *pte = walk.entry;
    }
    return walk.fault;
}
