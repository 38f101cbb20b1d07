/*
 * The BARs of one assigned device, as others reach them by DMA
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef HW_VFIO_REGION_DMABUF_H
#define HW_VFIO_REGION_DMABUF_H

#include "hw/vfio/vfio-common.h"

/**
 * vfio_region_create_dmabuf: let other devices reach a mapped area
 *
 * With iommufd the kernel maps device memory for DMA by a dma-buf, not by
 * address.  If it has none for the area, DMA to the area does not work, of
 * which the user is told once.
 *
 * @index: of the area in region->mmaps, which is mapped
 */
void vfio_region_create_dmabuf(VFIORegion *region, unsigned index);

/* Undo it; to be called before the area is unmapped */
void vfio_region_destroy_dmabuf(VFIORegion *region, unsigned index);

/* Map again, for DMA, what the guest has enabled and other devices may reach */
void vfio_region_remap_dmabufs(VFIORegion *region);

/**
 * vfio_region_map_dmabuf: map an area of a region for DMA with iommufd
 *
 * @vaddr: where QEMU has mapped the memory
 * @ret: 0 on success, or if there is nothing to be done; -errno otherwise
 *
 * Returns: false if @vaddr is not an area of a region with iommufd.
 */
bool vfio_region_map_dmabuf(IOMMUFDBackend *be, uint32_t ioas_id,
                            hwaddr iova, ram_addr_t size, const void *vaddr,
                            bool readonly, int *ret);

#endif
