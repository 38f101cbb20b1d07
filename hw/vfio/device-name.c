/*
 * Names of vfio devices that come as file descriptors
 *
 * Management opens a device's file and passes it on, so QEMU has not been told
 * which device it is. What it says about it should name it nevertheless.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include <sys/sysmacros.h>
#include "device-name.h"

char *vfio_device_name_of_fd(int fd)
{
    g_autofree char *link = NULL;
    char *path, *name;
    struct stat st;

    if (!fstat(fd, &st) && S_ISCHR(st.st_mode)) {
        link = g_strdup_printf("/sys/dev/char/%u:%u/device",
                               major(st.st_rdev), minor(st.st_rdev));
        path = realpath(link, NULL);
        if (path) {
            name = g_path_get_basename(path);
            free(path);
            return name;
        }
    }
    return g_strdup_printf("VFIO_FD%d", fd);
}
