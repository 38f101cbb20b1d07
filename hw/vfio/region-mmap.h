/*
 * What of a vfio region is mapped, and where
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef HW_VFIO_REGION_MMAP_H
#define HW_VFIO_REGION_MMAP_H

#include "hw/vfio/vfio-common.h"

/**
 * vfio_region_setup_mmaps: which areas of a region can be mapped
 *
 * All of it, or those that the kernel names (VFIO_REGION_INFO_CAP_SPARSE_MMAP)
 * in ascending order.  They become region->mmaps.
 *
 * @info: what the kernel says about the region, with its capabilities
 *
 * Returns: true on success; false with @errp set if the kernel's areas overlap
 * each other, exceed the region or are no whole pages.
 */
bool vfio_region_setup_mmaps(VFIORegion *region,
                             const struct vfio_region_info *info,
                             Error **errp);

/**
 * vfio_region_reserve_va: reserve addresses for all areas of a region
 *
 * The area at offset o is to be mapped at the returned address plus o.  The
 * address is a multiple of the region's size, rounded up to a power of two, if
 * there is enough room, so that the kernel can map huge pages wherever the
 * physical addresses allow it.
 *
 * Returns: the address of offset 0, or NULL with errno set.
 */
void *vfio_region_reserve_va(const VFIORegion *region);

/* Give back the addresses of the areas from @first on */
void vfio_region_release_va(const VFIORegion *region, void *base,
                            unsigned first);

#endif
