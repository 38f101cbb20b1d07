/*
 * Optional features of a vfio device (VFIO_DEVICE_FEATURE)
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include <sys/ioctl.h>
#include <linux/vfio.h>
#include "device-feature.h"

int vfio_device_get_feature(VFIODevice *vbasedev, uint32_t feature,
                            void *data, size_t len)
{
    const size_t argsz = sizeof(struct vfio_device_feature) + len;
    g_autofree struct vfio_device_feature *arg = g_malloc0(argsz);
    int ret;

    arg->argsz = argsz;
    arg->flags = VFIO_DEVICE_FEATURE_GET | feature;
    memcpy(arg->data, data, len);
    ret = ioctl(vbasedev->fd, VFIO_DEVICE_FEATURE, arg);
    if (ret < 0) {
        return -errno;
    }
    memcpy(data, arg->data, len);
    return ret;
}

bool vfio_device_probe_feature(VFIODevice *vbasedev, uint32_t feature,
                               uint32_t direction)
{
    struct vfio_device_feature arg = {
        .argsz = sizeof(arg),
        .flags = VFIO_DEVICE_FEATURE_PROBE | direction | feature,
    };

    return !ioctl(vbasedev->fd, VFIO_DEVICE_FEATURE, &arg);
}
