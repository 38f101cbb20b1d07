/*
 * Optional features of a vfio device (VFIO_DEVICE_FEATURE)
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef HW_VFIO_DEVICE_FEATURE_H
#define HW_VFIO_DEVICE_FEATURE_H

#include "hw/vfio/vfio-common.h"

/**
 * vfio_device_get_feature: get what the kernel has of a feature
 *
 * @feature: VFIO_DEVICE_FEATURE_*
 * @data: in: the arguments that the feature takes; out: the answer
 * @len: of @data, in bytes
 *
 * Returns: what the call returned, which for some features is a file
 * descriptor; -errno on failure, with @data as it was.
 */
int vfio_device_get_feature(VFIODevice *vbasedev, uint32_t feature,
                            void *data, size_t len);

/* Can the feature be got or set, as @direction (VFIO_DEVICE_FEATURE_*) says? */
bool vfio_device_probe_feature(VFIODevice *vbasedev, uint32_t feature,
                               uint32_t direction);

#endif
