/*
 * iommufd objects of a vIOMMU: vIOMMU, vDEVICE, vEVENTQ, invalidation
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include <sys/ioctl.h>
#include <linux/iommufd.h>
#include "qapi/error.h"
#include "qemu/error-report.h"
#include "qemu/main-loop.h"
#include "system/iommufd-viommu.h"
#include "trace.h"

/* A second at most; the first wait is enough unless the host is overloaded */
#define VEVENTQ_FREE_TRIES      1000
#define VEVENTQ_FREE_WAIT_US    1000

bool iommufd_backend_alloc_viommu(IOMMUFDBackend *be, uint32_t dev_id,
                                  uint32_t viommu_type, uint32_t hwpt_id,
                                  uint32_t *out_viommu_id, Error **errp)
{
    struct iommu_viommu_alloc alloc = {
        .size = sizeof(alloc),
        .type = viommu_type,
        .dev_id = dev_id,
        .hwpt_id = hwpt_id,
    };
    int ret = ioctl(be->fd, IOMMU_VIOMMU_ALLOC, &alloc) ? -errno : 0;

    trace_iommufd_viommu_alloc(be->fd, dev_id, viommu_type, hwpt_id,
                               alloc.out_viommu_id, ret);
    if (ret) {
        error_setg_errno(errp, -ret, "IOMMU_VIOMMU_ALLOC failed");
        return false;
    }
    *out_viommu_id = alloc.out_viommu_id;
    return true;
}

bool iommufd_backend_alloc_vdev(IOMMUFDBackend *be, uint32_t dev_id,
                                uint32_t viommu_id, uint64_t virt_id,
                                uint32_t *out_vdev_id, Error **errp)
{
    struct iommu_vdevice_alloc alloc = {
        .size = sizeof(alloc),
        .viommu_id = viommu_id,
        .dev_id = dev_id,
        .virt_id = virt_id,
    };
    int ret = ioctl(be->fd, IOMMU_VDEVICE_ALLOC, &alloc) ? -errno : 0;

    trace_iommufd_viommu_alloc_vdev(be->fd, dev_id, viommu_id, virt_id,
                                    alloc.out_vdevice_id, ret);
    if (ret) {
        error_setg_errno(errp, -ret, "IOMMU_VDEVICE_ALLOC failed");
        return false;
    }
    *out_vdev_id = alloc.out_vdevice_id;
    return true;
}

bool iommufd_backend_alloc_veventq(IOMMUFDBackend *be, uint32_t viommu_id,
                                   uint32_t type, uint32_t depth,
                                   uint32_t *out_veventq_id,
                                   int *out_veventq_fd, Error **errp)
{
    struct iommu_veventq_alloc alloc = {
        .size = sizeof(alloc),
        .viommu_id = viommu_id,
        .type = type,
        .veventq_depth = depth,
    };
    int ret = ioctl(be->fd, IOMMU_VEVENTQ_ALLOC, &alloc) ? -errno : 0;

    trace_iommufd_viommu_alloc_veventq(be->fd, viommu_id, type, depth,
                                       alloc.out_veventq_id,
                                       alloc.out_veventq_fd, ret);
    if (ret) {
        error_setg_errno(errp, -ret, "IOMMU_VEVENTQ_ALLOC failed");
        return false;
    }
    *out_veventq_id = alloc.out_veventq_id;
    *out_veventq_fd = alloc.out_veventq_fd;
    return true;
}

void iommufd_backend_free_veventq(IOMMUFDBackend *be, uint32_t veventq_id,
                                  int veventq_fd)
{
    struct iommu_destroy destroy = {
        .size = sizeof(destroy),
        .id = veventq_id,
    };
    int ret, tries = 0;

    close(veventq_fd);
    /*
     * A main loop that is in poll() right now, while a vCPU thread is here,
     * still holds the file and with it the vEVENTQ.  Wake it up; it lets go
     * without needing anything from us.
     */
    while ((ret = ioctl(be->fd, IOMMU_DESTROY, &destroy) ? -errno : 0) &&
           ret == -EBUSY && tries++ < VEVENTQ_FREE_TRIES) {
        qemu_notify_event();
        g_usleep(VEVENTQ_FREE_WAIT_US);
    }
    trace_iommufd_viommu_free_veventq(be->fd, veventq_id, tries, ret);
    if (ret) {
        error_report("Failed to free vEVENTQ %u: %s", veventq_id,
                     strerror(-ret));
    }
}

int iommufd_backend_invalidate(IOMMUFDBackend *be, uint32_t id,
                               uint32_t data_type, uint32_t entry_len,
                               uint32_t *entry_num, const void *data)
{
    uint32_t wanted = *entry_num;
    struct iommu_hwpt_invalidate inv = {
        .size = sizeof(inv),
        .hwpt_id = id,
        .data_uptr = (uintptr_t)data,
        .data_type = data_type,
        .entry_len = entry_len,
        .entry_num = wanted,
    };
    int ret = ioctl(be->fd, IOMMU_HWPT_INVALIDATE, &inv) ? -errno : 0;

    /* never believe in more entries than were passed */
    *entry_num = MIN(inv.entry_num, wanted);
    if (!ret && *entry_num != wanted) {
        ret = -EIO;
    }
    trace_iommufd_viommu_invalidate(be->fd, id, data_type, wanted, *entry_num,
                                    ret);
    return ret;
}

bool host_iommu_device_iommufd_attach_hwpt(HostIOMMUDeviceIOMMUFD *idev,
                                           uint32_t hwpt_id, Error **errp)
{
    return HOST_IOMMU_DEVICE_IOMMUFD_GET_CLASS(idev)->attach_hwpt(idev,
                                                                  hwpt_id,
                                                                  errp);
}
