/*
 * Which areas of a vfio region can be mapped
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include <linux/vfio.h>
#include "qapi/error.h"
#include "qemu/bswap.h"
#include "region-mmap.h"
#include "trace.h"

typedef struct vfio_region_info_cap_sparse_mmap SparseMmap;
typedef struct vfio_region_sparse_mmap_area SparseArea;

/* The capability, if there is one, which then is all in @info */
static bool vfio_region_find_sparse(const struct vfio_region_info *info,
                                    const SparseMmap **sparse, Error **errp)
{
    uint32_t offset = info->cap_offset, last = 0;

    *sparse = NULL;
    if (!(info->flags & VFIO_REGION_INFO_FLAG_CAPS)) {
        return true;
    }
    while (offset) {
        const struct vfio_info_cap_header *header = (void *)info + offset;

        if (offset <= last || offset % sizeof(uint64_t) ||
            offset > info->argsz || info->argsz - offset < sizeof(*header)) {
            error_setg(errp, "the kernel's capabilities of region %u are "
                       "broken, at 0x%x", info->index, offset);
            return false;
        }
        if (header->id == VFIO_REGION_INFO_CAP_SPARSE_MMAP) {
            *sparse = (void *)header;
            break;
        }
        last = offset;
        offset = header->next;
    }
    if (!*sparse) {
        return true;
    }
    if (info->argsz - offset < sizeof(**sparse) ||
        (info->argsz - offset - sizeof(**sparse)) / sizeof(SparseArea) <
        (*sparse)->nr_areas) {
        error_setg(errp, "the kernel names %u sparse areas of region %u but "
                   "gives fewer", (*sparse)->nr_areas, info->index);
        return false;
    }
    return true;
}

static gint vfio_region_compare_areas(gconstpointer a, gconstpointer b)
{
    const SparseArea *x = a, *y = b;

    return x->offset < y->offset ? -1 : x->offset > y->offset;
}

static bool vfio_region_check_area(const VFIORegion *region,
                                   const SparseArea *area, uint64_t free_from,
                                   Error **errp)
{
    const uint64_t page_mask = qemu_real_host_page_size() - 1;
    const char *what = NULL;

    if ((area->offset | area->size) & page_mask) {
        what = "is no whole pages";
    } else if (area->offset > region->size ||
               area->size > region->size - area->offset) {
        what = "exceeds the region";
    } else if (area->offset < free_from) {
        what = "overlaps another";
    }
    if (what) {
        error_setg(errp, "the kernel's sparse area 0x%" PRIx64 "+0x%" PRIx64
                   " of region %u (size 0x%zx) %s: set x-no-mmap=on",
                   (uint64_t)area->offset, (uint64_t)area->size, region->nr,
                   region->size, what);
        return false;
    }
    return true;
}

static bool vfio_region_set_sparse(VFIORegion *region,
                                   const SparseMmap *sparse, Error **errp)
{
    g_autoptr(GArray) areas = g_array_new(false, false, sizeof(SparseArea));
    uint64_t free_from = 0;

    trace_vfio_region_sparse_mmap_header(region->vbasedev->name, region->nr,
                                         sparse->nr_areas);
    for (uint32_t i = 0; i < sparse->nr_areas; i++) {
        if (sparse->areas[i].size) {
            g_array_append_val(areas, sparse->areas[i]);
        }
    }
    g_array_sort(areas, vfio_region_compare_areas);
    for (guint i = 0; i < areas->len; i++) {
        const SparseArea *area = &g_array_index(areas, SparseArea, i);

        if (!vfio_region_check_area(region, area, free_from, errp)) {
            return false;
        }
        free_from = area->offset + area->size;
    }

    region->nr_mmaps = areas->len;
    region->mmaps = g_new0(VFIOMmap, areas->len);
    for (guint i = 0; i < areas->len; i++) {
        const SparseArea *area = &g_array_index(areas, SparseArea, i);

        trace_vfio_region_sparse_mmap_entry(i, area->offset,
                                            area->offset + area->size - 1);
        region->mmaps[i].offset = area->offset;
        region->mmaps[i].size = area->size;
    }
    return true;
}

bool vfio_region_setup_mmaps(VFIORegion *region,
                             const struct vfio_region_info *info,
                             Error **errp)
{
    const SparseMmap *sparse;

    if (!vfio_region_find_sparse(info, &sparse, errp)) {
        return false;
    }
    if (sparse) {
        return vfio_region_set_sparse(region, sparse, errp);
    }
    region->nr_mmaps = 1;
    region->mmaps = g_new0(VFIOMmap, 1);
    region->mmaps[0].size = region->size;
    return true;
}
