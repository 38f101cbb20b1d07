/*
 * Resets of an assigned device that a guest asks the device for
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A function level reset (FLR) takes the BARs away for a while.  The kernel
 * revokes their dma-bufs meanwhile, and what was mapped of them stays so: they
 * have to be mapped once more.  Resets that QEMU makes need no care: it takes
 * the BARs from the guest before them.
 */

#include "qemu/osdep.h"
#include "qemu/range.h"
#include "pci-flr.h"
#include "region-dmabuf.h"
#include "trace.h"

/* The byte of Device Control that has the bit, and the bit there */
#define DEVCTL_FLR_BYTE     1
#define DEVCTL_FLR_BIT      (PCI_EXP_DEVCTL_BCR_FLR >> (8 * DEVCTL_FLR_BYTE))

static bool vfio_pci_write_is_flr(VFIOPCIDevice *vdev, uint32_t addr,
                                  uint32_t val, int len)
{
    PCIDevice *pdev = &vdev->pdev;
    uint8_t af_cap = pci_find_capability(pdev, PCI_CAP_ID_AF);
    const struct {
        uint8_t cap, byte, bit;
    } flrs[] = {
        { pdev->exp.exp_cap, PCI_EXP_DEVCTL + DEVCTL_FLR_BYTE,
          DEVCTL_FLR_BIT },
        /* of conventional devices */
        { af_cap, PCI_AF_CTRL, PCI_AF_CTRL_FLR },
    };

    for (int i = 0; i < ARRAY_SIZE(flrs); i++) {
        uint32_t pos = flrs[i].cap + flrs[i].byte;

        if (flrs[i].cap && range_covers_byte(addr, len, pos) &&
            (val >> (8 * (pos - addr)) & flrs[i].bit)) {
            return vdev->has_flr;
        }
    }
    return false;
}

void vfio_pci_config_written(VFIOPCIDevice *vdev, uint32_t addr, uint32_t val,
                             int len)
{
    if (!vfio_pci_write_is_flr(vdev, addr, val, len)) {
        return;
    }
    trace_vfio_pci_flr(vdev->vbasedev.name);
    for (int i = 0; i < PCI_ROM_SLOT; i++) {
        vfio_region_remap_dmabufs(&vdev->bars[i].region);
    }
}
