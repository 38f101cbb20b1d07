/*
 * Where the areas of a vfio region are mapped
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Device memory is mapped with huge pages only where virtual and physical
 * address agree in their low bits.  A BAR is aligned to its size, and so is the
 * memory of a GPU behind a coherent link to the power of two above its size,
 * which need not be one.
 */

#include "qemu/osdep.h"
#include "qemu/host-utils.h"
#include "qemu/mmap-alloc.h"
#include "region-mmap.h"
#include "trace.h"

static size_t vfio_area_va_size(const VFIOMmap *area)
{
    return REAL_HOST_PAGE_ALIGN(area->size);
}

static void vfio_va_unmap(uintptr_t start, uintptr_t end)
{
    if (start < end) {
        munmap((void *)start, end - start);
    }
}

void *vfio_region_reserve_va(const VFIORegion *region)
{
    const size_t page_size = qemu_real_host_page_size();
    const size_t size = REAL_HOST_PAGE_ALIGN(region->size);
    size_t align = MAX(pow2ceil(region->size), page_size);
    uintptr_t base, cursor;
    void *map = MAP_FAILED;

    errno = ENOMEM;
    /* less alignment is better than no mapping */
    for (; align >= page_size; align /= 2) {
        if (size + align > size) {
            map = mmap(NULL, size + align, PROT_NONE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        }
        if (map != MAP_FAILED) {
            break;
        }
    }
    if (map == MAP_FAILED) {
        return NULL;
    }

    /* keep what is an area */
    base = ROUND_UP((uintptr_t)map, align);
    cursor = (uintptr_t)map;
    for (unsigned i = 0; i < region->nr_mmaps; i++) {
        vfio_va_unmap(cursor, base + region->mmaps[i].offset);
        cursor = base + region->mmaps[i].offset +
                 vfio_area_va_size(&region->mmaps[i]);
    }
    vfio_va_unmap(cursor, (uintptr_t)map + size + align);
    trace_vfio_region_reserve_va(region->vbasedev->name, region->nr,
                                 (void *)base, region->size, align);
    return (void *)base;
}

void vfio_region_release_va(const VFIORegion *region, void *base,
                            unsigned first)
{
    for (unsigned i = first; i < region->nr_mmaps; i++) {
        munmap(base + region->mmaps[i].offset,
               vfio_area_va_size(&region->mmaps[i]));
    }
}
