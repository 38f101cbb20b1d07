/*
 * The BARs of one assigned device, as others reach them by DMA
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Memory listeners know nothing but the address at which QEMU has mapped
 * something, so the areas of regions are found by theirs.  All of it runs under
 * the BQL.
 */

#include "qemu/osdep.h"
#include <linux/vfio.h>
#include "qemu/error-report.h"
#include "system/iommufd-file.h"
#include "device-feature.h"
#include "region-dmabuf.h"
#include "trace.h"

/* A mapped area of a region of a device with iommufd */
struct VFIORegionDmabuf {
    const uint8_t *vaddr;
    size_t size;
    int fd;                     /* -1: the kernel has no dma-buf of it */
    QLIST_ENTRY(VFIORegionDmabuf) next;
};

static QLIST_HEAD(, VFIORegionDmabuf) vfio_region_dmabufs =
    QLIST_HEAD_INITIALIZER(vfio_region_dmabufs);

static void vfio_region_dmabuf_notice(int err)
{
    warn_report_once("vfio: the kernel does not map BARs of assigned devices "
                     "for DMA by others (%s): DMA from one device to another "
                     "fails", strerror(-err));
}

static int vfio_region_get_dmabuf(VFIORegion *region, const VFIOMmap *area)
{
    const size_t len = sizeof(struct vfio_device_feature_dma_buf) +
                       sizeof(struct vfio_region_dma_range);
    g_autofree struct vfio_device_feature_dma_buf *get = g_malloc0(len);

    get->region_index = region->nr;
    get->open_flags = O_RDWR | O_CLOEXEC;
    get->nr_ranges = 1;
    get->dma_ranges[0].offset = area->offset;
    get->dma_ranges[0].length = area->size;
    return vfio_device_get_feature(region->vbasedev,
                                   VFIO_DEVICE_FEATURE_DMA_BUF, get, len);
}

void vfio_region_create_dmabuf(VFIORegion *region, unsigned index)
{
    VFIOMmap *area = &region->mmaps[index];
    VFIORegionDmabuf *dmabuf;

    /* a mediated device's BARs are no memory of a PCI device */
    if (!region->vbasedev->iommufd || region->vbasedev->mdev ||
        region->vbasedev->type != VFIO_DEVICE_TYPE_PCI ||
        region->nr >= VFIO_PCI_ROM_REGION_INDEX) {
        return;
    }
    dmabuf = g_new0(VFIORegionDmabuf, 1);
    dmabuf->vaddr = area->mmap;
    dmabuf->size = area->size;
    dmabuf->fd = vfio_region_get_dmabuf(region, area);
    trace_vfio_region_create_dmabuf(region->vbasedev->name, region->nr,
                                    area->offset, area->size, dmabuf->fd);
    if (dmabuf->fd < 0) {
        vfio_region_dmabuf_notice(dmabuf->fd);
        dmabuf->fd = -1;
    }
    QLIST_INSERT_HEAD(&vfio_region_dmabufs, dmabuf, next);
    area->dmabuf = dmabuf;
}

void vfio_region_destroy_dmabuf(VFIORegion *region, unsigned index)
{
    VFIORegionDmabuf *dmabuf = g_steal_pointer(&region->mmaps[index].dmabuf);

    if (!dmabuf) {
        return;
    }
    QLIST_REMOVE(dmabuf, next);
    if (dmabuf->fd >= 0) {
        close(dmabuf->fd);
    }
    g_free(dmabuf);
}

static VFIORegionDmabuf *vfio_region_find_dmabuf(const uint8_t *vaddr)
{
    VFIORegionDmabuf *dmabuf;

    QLIST_FOREACH(dmabuf, &vfio_region_dmabufs, next) {
        if (vaddr >= dmabuf->vaddr && vaddr - dmabuf->vaddr < dmabuf->size) {
            return dmabuf;
        }
    }
    return NULL;
}

void vfio_region_remap_dmabufs(VFIORegion *region)
{
    for (int i = 0; i < region->nr_mmaps; i++) {
        VFIOMmap *area = &region->mmaps[i];

        if (area->dmabuf && area->dmabuf->fd >= 0 && area->mem.enabled) {
            memory_region_set_enabled(&area->mem, false);
            memory_region_set_enabled(&area->mem, true);
        }
    }
}

bool vfio_region_map_dmabuf(IOMMUFDBackend *be, uint32_t ioas_id,
                            hwaddr iova, ram_addr_t size, const void *vaddr,
                            bool readonly, int *ret)
{
    VFIORegionDmabuf *dmabuf = vfio_region_find_dmabuf(vaddr);
    size_t offset;

    if (!dmabuf) {
        return false;
    }
    *ret = 0;
    offset = (const uint8_t *)vaddr - dmabuf->vaddr;
    /* a BAR smaller than a page is not the guest's alone in its page */
    if (dmabuf->fd < 0 || size > dmabuf->size - offset) {
        trace_vfio_region_no_dmabuf(iova, size);
        return true;
    }
    *ret = iommufd_backend_map_file(be, ioas_id, iova, size, dmabuf->fd,
                                    offset, readonly);
    if (*ret) {
        vfio_region_dmabuf_notice(*ret);
        *ret = 0;
    }
    return true;
}
