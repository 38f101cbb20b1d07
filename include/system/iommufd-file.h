/*
 * Files mapped for DMA with iommufd
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef SYSTEM_IOMMUFD_FILE_H
#define SYSTEM_IOMMUFD_FILE_H

#include "system/iommufd.h"

/**
 * iommufd_backend_map_file: map a part of a file at a fixed IOVA
 *
 * @fd: a memfd, or a dma-buf of a vfio PCI device.  The mapping holds on to it.
 * @start: offset in the file, in bytes
 * @readonly: for devices
 *
 * Returns: 0 on success, -errno otherwise.
 */
int iommufd_backend_map_file(IOMMUFDBackend *be, uint32_t ioas_id,
                             hwaddr iova, ram_addr_t size, int fd,
                             uint64_t start, bool readonly);

#endif
