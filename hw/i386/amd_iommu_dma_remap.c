/*
 * AMD IOMMU: the shadow of assigned devices' page tables
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * An assigned device does DMA through the host's IOMMU, which knows nothing of
 * the guest's tables.  So what they map is mapped there, through the IOMMU
 * notifiers of the device's memory region, and a record is kept of each call.
 * An invalidation walks the range that it names and calls the host only for
 * what differs from the record.  docs/devel/amd-iommu-dma-remap.rst has the
 * invariants.
 */

#include "qemu/osdep.h"
#include "exec/address-spaces.h"
#include "hw/boards.h"
#include "qemu/int128.h"
#include "qemu/timer.h"
#include "amd_iommu_dma_remap.h"
#include "trace.h"

/* The last page is not mapped: with it, sizes would not fit 64 bits */
#define IOVA_LAST           (UINT64_MAX - AMDVI_PAGE_SIZE)

/* How long an invalidation waits for more of it, or for COMPLETION_WAIT */
#define INVALIDATION_NS     SCALE_MS

/* Entries that a walk may read, on top of some for each page of RAM */
#define WALK_ENTRIES        (16 * 1024 * 1024)
#define WALK_RAM_FACTOR     4

/* Mappings of one device, on top of some for each page of RAM */
#define SHADOW_RUNS         65536
#define SHADOW_RAM_FACTOR   2

/* A mapping that the host was asked for */
typedef struct AMDVIShadowRun {
    IntervalTreeNode node;
    hwaddr pa;
    IOMMUAccessFlags perm;
} AMDVIShadowRun;

/* Addresses to unmap, both inclusive */
typedef struct AMDVIRange {
    hwaddr start;
    hwaddr last;
} AMDVIRange;

/*
 * AMDVISync: the comparison of a range with the record, in ascending order
 * @walk: gives the runs
 * @next: the first recorded run that is not compared yet
 * @stale: ranges to unmap; no run that is kept is in any of them
 * @missing: AMDVIRun to map after that
 * @room: how many runs may still become missing
 * @extend: the last range in @stale has no run after it that is kept
 */
typedef struct AMDVISync {
    AMDVIShadow *shadow;
    AMDVIWalk *walk;
    hwaddr last;
    AMDVIShadowRun *next;
    GArray *stale;
    GArray *missing;
    uint64_t room;
    bool extend;
    uint64_t kept;
} AMDVISync;

static uint64_t ram_pages(void)
{
    return current_machine->ram_size / AMDVI_PAGE_SIZE;
}

static uint64_t max_runs(void)
{
    return SHADOW_RUNS + SHADOW_RAM_FACTOR * ram_pages();
}

static AMDVIShadowRun *to_run(IntervalTreeNode *node)
{
    return node ? container_of(node, AMDVIShadowRun, node) : NULL;
}

static AMDVIShadowRun *first_run(AMDVIShadow *shadow, hwaddr start,
                                 hwaddr last)
{
    return to_run(interval_tree_iter_first(&shadow->runs, start, last));
}

static AMDVIShadowRun *next_run(AMDVIShadowRun *run, hwaddr last)
{
    return to_run(interval_tree_iter_next(&run->node, run->node.start, last));
}

static void remove_run(AMDVIShadow *shadow, AMDVIShadowRun *run)
{
    interval_tree_remove(&run->node, &shadow->runs);
    shadow->n_runs--;
    g_free(run);
}

static void notify_one(IOMMUNotifier *n, IOMMUNotifierFlag type,
                       const AMDVIRun *run)
{
    IOMMUTLBEvent event = {
        .type = type,
        .entry = {
            .target_as = &address_space_memory,
            .iova = run->iova,
            .translated_addr = run->pa,
            .addr_mask = run->last - run->iova,
            .perm = run->perm,
        },
    };

    memory_region_notify_iommu_one(n, &event);
}

static void notify_accurate(AMDVIAddressSpace *as, IOMMUNotifierFlag type,
                            const AMDVIRun *run)
{
    IOMMUNotifier *n;

    IOMMU_NOTIFIER_FOREACH(n, &as->iommu) {
        if (n->notifier_flags & IOMMU_NOTIFIER_MAP) {
            notify_one(n, type, run);
        }
    }
}

/* Users that keep translations, but no record: all may have changed */
static void notify_caches(AMDVIAddressSpace *as, hwaddr start, hwaddr last)
{
    const AMDVIRun run = { .iova = start, .last = last };
    IOMMUNotifier *n;

    IOMMU_NOTIFIER_FOREACH(n, &as->iommu) {
        if (!(n->notifier_flags & IOMMU_NOTIFIER_MAP)) {
            notify_one(n, n->notifier_flags, &run);
        }
    }
}

static void unmap_range(AMDVIAddressSpace *as, hwaddr start, hwaddr last)
{
    const AMDVIRun run = { .iova = start, .last = last };

    trace_amdvi_remap_unmap(as->devid, start, last);
    notify_accurate(as, IOMMU_NOTIFIER_UNMAP, &run);
}

static void forget_all(AMDVIShadow *shadow)
{
    AMDVIShadowRun *run;

    while ((run = first_run(shadow, 0, UINT64_MAX))) {
        remove_run(shadow, run);
    }
}

static void unmap_all(AMDVIAddressSpace *as)
{
    AMDVIShadow *shadow = &as->shadow;
    AMDVIShadowRun *run = first_run(shadow, 0, UINT64_MAX);
    hwaddr start, last;

    if (!run) {
        return;
    }
    start = run->node.start;
    do {
        last = run->node.last;
        run = next_run(run, UINT64_MAX);
    } while (run);
    forget_all(shadow);
    unmap_range(as, start, last);
}

static void map_run(AMDVIAddressSpace *as, const AMDVIRun *run)
{
    AMDVIShadowRun *record = g_new0(AMDVIShadowRun, 1);

    record->node.start = run->iova;
    record->node.last = run->last;
    record->pa = run->pa;
    record->perm = run->perm;
    interval_tree_insert(&record->node, &as->shadow.runs);
    as->shadow.n_runs++;
    trace_amdvi_remap_map(as->devid, run->iova, run->last, run->pa, run->perm);
    notify_accurate(as, IOMMU_NOTIFIER_MAP, run);
}

/*
 * Maps the parts of @run that are RAM.  The host can't map anything else, and
 * a call is for one region of RAM.  Returns false if there are too many.
 */
static bool map_ram_of_run(AMDVIAddressSpace *as, const AMDVIRun *run)
{
    hwaddr done = 0, size = run->last - run->iova + 1;

    while (done < size) {
        MemoryRegionSection section =
            memory_region_find(get_system_memory(), run->pa + done,
                               size - done);
        AMDVIRun part = { .perm = run->perm };
        hwaddr start, end;
        bool is_ram;

        if (!section.mr) {
            break;
        }
        is_ram = memory_region_is_ram(section.mr);
        memory_region_unref(section.mr);
        start = section.offset_within_address_space - run->pa;
        end = start + int128_get64(section.size);
        done = end;
        start = ROUND_UP(start, AMDVI_PAGE_SIZE);
        end = ROUND_DOWN(end, AMDVI_PAGE_SIZE);
        if (!is_ram || start >= end) {
            trace_amdvi_remap_no_ram(as->devid, run->iova + start,
                                     run->pa + start);
            continue;
        }
        if (as->shadow.n_runs >= max_runs()) {
            return false;
        }
        part.iova = run->iova + start;
        part.last = run->iova + end - 1;
        part.pa = run->pa + start;
        map_run(as, &part);
    }
    return true;
}

static void sync_stale(AMDVISync *sync)
{
    AMDVIShadowRun *run = sync->next;
    const AMDVIRange range = { run->node.start, run->node.last };

    if (sync->extend) {
        g_array_index(sync->stale, AMDVIRange, sync->stale->len - 1).last =
            range.last;
    } else {
        g_array_append_val(sync->stale, range);
        sync->extend = true;
    }
    sync->next = next_run(run, sync->last);
    remove_run(sync->shadow, run);
}

static void sync_missing(AMDVISync *sync, const AMDVIRun *run, hwaddr start,
                         hwaddr last)
{
    const AMDVIRun part = {
        .iova = start,
        .last = last,
        .pa = run->pa + (start - run->iova),
        .perm = run->perm,
    };

    if (sync->missing->len) {
        AMDVIRun *prev = &g_array_index(sync->missing, AMDVIRun,
                                        sync->missing->len - 1);

        /* Cut for a recorded run that turned out to be stale */
        if (prev->last + 1 == start && prev->perm == part.perm &&
            prev->pa + (start - prev->iova) == part.pa) {
            prev->last = last;
            return;
        }
    }
    if (sync->room) {
        sync->room--;
        g_array_append_val(sync->missing, part);
    } else {
        /* End it here: this is not complete either way */
        sync->walk->entries = 0;
    }
}

static void sync_run(const AMDVIRun *run, void *opaque)
{
    AMDVISync *sync = opaque;
    hwaddr at = run->iova;

    while (at <= run->last) {
        AMDVIShadowRun *old = sync->next;

        if (!old || old->node.start > run->last) {
            sync_missing(sync, run, at, run->last);
            return;
        }
        if (old->node.start > at) {
            sync_missing(sync, run, at, old->node.start - 1);
            at = old->node.start;
        }
        if (old->node.start == at && old->node.last <= run->last &&
            old->pa == run->pa + (at - run->iova) && old->perm == run->perm) {
            sync->kept++;
            sync->extend = false;
            at = old->node.last + 1;
            sync->next = next_run(old, sync->last);
        } else {
            sync_stale(sync);
        }
    }
}

/* Makes the host's mappings in a range those of the guest's tables */
static void sync_range(AMDVIAddressSpace *as, hwaddr start, hwaddr last)
{
    AMDVIShadow *shadow = &as->shadow;
    g_autoptr(GArray) stale = g_array_new(false, false, sizeof(AMDVIRange));
    g_autoptr(GArray) missing = g_array_new(false, false, sizeof(AMDVIRun));
    AMDVISync sync = {
        .shadow = shadow,
        .stale = stale,
        .missing = missing,
        .room = max_runs(),
    };
    AMDVIWalk walk = {
        .entries = WALK_ENTRIES + WALK_RAM_FACTOR * ram_pages(),
        .run = sync_run,
        .opaque = &sync,
    };
    AMDVIShadowRun *run;
    bool complete;
    guint i;

    last = MIN(last, IOVA_LAST);
    if (!shadow->has_notifier || start > last) {
        return;
    }

    /* The host unmaps what it was asked to map, and no part of that */
    run = first_run(shadow, start, last);
    if (run) {
        start = MIN(start, run->node.start);
        sync.next = run;
    }
    run = first_run(shadow, last, last);
    if (run) {
        last = run->node.last;
    }
    walk.start = start;
    walk.last = last;
    sync.walk = &walk;
    sync.last = last;

    complete = amdvi_pt_walk(&shadow->dte, &walk) && sync.room;
    while (sync.next) {
        sync_stale(&sync);
    }
    for (i = 0; i < stale->len; i++) {
        AMDVIRange *range = &g_array_index(stale, AMDVIRange, i);

        unmap_range(as, range->start, range->last);
    }
    for (i = 0; complete && i < missing->len; i++) {
        complete = map_ram_of_run(as, &g_array_index(missing, AMDVIRun, i));
    }
    trace_amdvi_remap_sync(as->devid, start, last, stale->len, missing->len,
                           sync.kept);
    if (!complete) {
        /* No half of a domain: the device's DMA fails where it can be seen */
        trace_amdvi_remap_limit(as->devid, shadow->n_runs, walk.entries);
        unmap_all(as);
    }
}

bool amdvi_remap_read_dte(AMDVIState *s, const AMDVIAccess *access, bool log,
                          uint64_t raw[AMDVI_DTE_QUADS], AMDVIDTE *dte)
{
    hwaddr addr = s->devtab + access->devid * AMDVI_DEVTAB_ENTRY_SIZE;
    AMDVIFault fault;
    int i;

    *dte = (AMDVIDTE) { .xlat = AMDVI_XLAT_BLOCKED };
    if (access->devid >= s->devtab_len) {
        trace_amdvi_remap_dte_invalid(access->devid, addr, "not in the table");
        if (log) {
            amdvi_event_fault(s, access, AMDVI_FAULT_NOT_PRESENT, addr);
        }
        return false;
    }
    if (!amdvi_read_ram(addr, raw, AMDVI_DEVTAB_ENTRY_SIZE)) {
        trace_amdvi_dte_get_fail(s->devtab, addr - s->devtab);
        if (log) {
            amdvi_event_dte_unreadable(s, access, addr);
        }
        return false;
    }
    for (i = 0; i < AMDVI_DTE_QUADS; i++) {
        raw[i] = le64_to_cpu(raw[i]);
    }
    fault = amdvi_dte_decode(raw, s->hats_levels, dte);
    if (fault != AMDVI_FAULT_NONE) {
        trace_amdvi_remap_dte_invalid(access->devid, addr,
                                      fault == AMDVI_FAULT_LEVEL ?
                                      "mode" : "reserved bit");
        *dte = (AMDVIDTE) { .xlat = AMDVI_XLAT_BLOCKED };
        if (log) {
            amdvi_event_illegal_dte(s, access, fault);
        }
        return false;
    }
    return true;
}

/* DTE[SA] and DTE[SE] (2.2.2.1) */
static bool may_log_fault(AMDVIAddressSpace *as, const AMDVIDTE *dte)
{
    bool repeated = as->fault_logged;

    as->fault_logged = true;
    return !dte->suppress && !(dte->suppress_repeats && repeated);
}

bool amdvi_remap_translate(AMDVIAddressSpace *as, AMDVIAccess *access,
                           bool log, IOMMUTLBEntry *entry)
{
    AMDVIState *s = as->iommu_state;
    IOMMUAccessFlags wanted = access->is_write ? IOMMU_WO : IOMMU_RO;
    uint64_t raw[AMDVI_DTE_QUADS];
    AMDVIFault fault;
    AMDVIDTE dte;
    hwaddr pte = 0;

    if (!amdvi_remap_read_dte(s, access, log, raw, &dte)) {
        return false;
    }
    access->domid = dte.domid;
    fault = amdvi_pt_lookup(&dte, access->addr, entry, &pte);
    if (fault == AMDVI_FAULT_NONE) {
        if (entry->perm & wanted) {
            return true;
        }
        fault = AMDVI_FAULT_PERMISSION;
    }
    if (log && (fault == AMDVI_FAULT_MEMORY || may_log_fault(as, &dte))) {
        amdvi_event_fault(s, access, fault, pte);
    }
    return false;
}

void amdvi_remap_refresh(AMDVIAddressSpace *as)
{
    AMDVIState *s = as->iommu_state;
    AMDVIShadow *shadow = &as->shadow;
    const AMDVIAccess access = { .devid = amdvi_as_devid(as) };
    uint64_t raw[AMDVI_DTE_QUADS];
    bool had_notifier = shadow->has_notifier;

    as->devid = access.devid;
    as->fault_logged = false;
    if (!s->enabled) {
        shadow->dte = (AMDVIDTE) {
            .xlat = AMDVI_XLAT_BYPASS,
            .perm = IOMMU_RW,
        };
    } else {
        amdvi_remap_read_dte(s, &access, false, raw, &shadow->dte);
    }
    trace_amdvi_remap_refresh(as->devid, shadow->dte.xlat, shadow->dte.mode,
                              shadow->dte.domid, shadow->dte.root);

    if (shadow->dte.xlat == AMDVI_XLAT_BYPASS) {
        unmap_all(as);
        amdvi_as_set_translated(as, false);
        return;
    }
    /* New notifiers ask for a replay */
    amdvi_as_set_translated(as, true);
    if (had_notifier) {
        sync_range(as, 0, UINT64_MAX);
    }
    notify_caches(as, 0, UINT64_MAX);
}

void amdvi_remap_refresh_all(AMDVIState *s)
{
    AMDVIAddressSpace *as;

    /* What is pending is a part of this */
    s->invalidation.pending = false;
    timer_del(s->invalidation.timer);
    QLIST_FOREACH(as, &s->address_spaces, next) {
        amdvi_remap_refresh(as);
    }
}

void amdvi_remap_inval_dte(AMDVIState *s, uint16_t devid)
{
    AMDVIAddressSpace *as;

    amdvi_remap_complete(s);
    QLIST_FOREACH(as, &s->address_spaces, next) {
        uint16_t now = amdvi_as_devid(as);

        /* A bridge's buses may have been numbered again */
        if (now == devid || now != as->devid) {
            amdvi_remap_refresh(as);
        }
    }
}

void amdvi_remap_inval_pages(AMDVIState *s, uint16_t domid, hwaddr start,
                             hwaddr last)
{
    AMDVIInvalidation *p = &s->invalidation;

    if (p->pending && p->domid == domid &&
        start <= MAX(p->last, p->last + 1) && p->start <= MAX(last, last + 1)) {
        p->start = MIN(p->start, start);
        p->last = MAX(p->last, last);
        return;
    }
    amdvi_remap_complete(s);
    p->pending = true;
    p->domid = domid;
    p->start = start;
    p->last = last;
    timer_mod(p->timer,
              qemu_clock_get_ns(QEMU_CLOCK_VIRTUAL) + INVALIDATION_NS);
}

void amdvi_remap_complete(AMDVIState *s)
{
    AMDVIInvalidation *p = &s->invalidation;
    AMDVIAddressSpace *as;

    if (!p->pending) {
        return;
    }
    p->pending = false;
    timer_del(p->timer);
    QLIST_FOREACH(as, &s->address_spaces, next) {
        if (as->shadow.dte.xlat == AMDVI_XLAT_PAGED &&
            as->shadow.dte.domid == p->domid) {
            sync_range(as, p->start, p->last);
            notify_caches(as, p->start, p->last);
        }
    }
}

static void invalidation_timer(void *opaque)
{
    amdvi_remap_complete(opaque);
}

void amdvi_remap_init(AMDVIState *s)
{
    s->invalidation.timer = timer_new_ns(QEMU_CLOCK_VIRTUAL,
                                         invalidation_timer, s);
}

void amdvi_remap_notifiers_changed(AMDVIAddressSpace *as,
                                   IOMMUNotifierFlag flags)
{
    bool has_notifier = flags & IOMMU_NOTIFIER_MAP;

    if (as->shadow.has_notifier && !has_notifier) {
        /* The one who leaves unmaps what it has */
        forget_all(&as->shadow);
    }
    as->shadow.has_notifier = has_notifier;
}

void amdvi_remap_replay(IOMMUMemoryRegion *iommu, IOMMUNotifier *n)
{
    AMDVIAddressSpace *as = container_of(iommu, AMDVIAddressSpace, iommu);
    AMDVIShadow *shadow = &as->shadow;
    AMDVIShadowRun *run;

    trace_amdvi_remap_replay(as->devid, n->start, n->end, shadow->n_runs);
    if (!(n->notifier_flags & IOMMU_NOTIFIER_MAP)) {
        return;
    }
    if (!shadow->n_runs) {
        sync_range(as, 0, UINT64_MAX);
        return;
    }
    for (run = first_run(shadow, n->start, n->end); run;
         run = next_run(run, n->end)) {
        const AMDVIRun part = {
            .iova = run->node.start,
            .last = run->node.last,
            .pa = run->pa,
            .perm = run->perm,
        };

        notify_one(n, IOMMU_NOTIFIER_MAP, &part);
    }
}
