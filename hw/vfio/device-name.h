/*
 * Names of vfio devices that come as file descriptors
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef HW_VFIO_DEVICE_NAME_H
#define HW_VFIO_DEVICE_NAME_H

/*
 * The name that the host has for the device behind @fd, a file of
 * /dev/vfio/devices; made up from the number where sysfs does not tell.
 */
char *vfio_device_name_of_fd(int fd);

#endif
