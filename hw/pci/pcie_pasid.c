/*
 * Process Address Space IDs: the capability of a device
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qemu/cutils.h"
#include "qemu/range.h"
#include "hw/pci/pcie_pasid.h"
#include "hw/registerfields.h"

#define PCIE_PASID_VER 1

/* A PASID has 20 bits in a TLP */
#define PCIE_PASID_WIDTH_MAX 20

/* PASID Capability and Control (PCI Express Base Specification 6.0, 7.8.9) */
REG16(PASID_CAP, 4)
    FIELD(PASID_CAP, EXEC, 1, 1)
    FIELD(PASID_CAP, PRIV, 2, 1)
    FIELD(PASID_CAP, WIDTH, 8, 5)
REG16(PASID_CTRL, 6)
    FIELD(PASID_CTRL, ENABLE, 0, 1)
    FIELD(PASID_CTRL, EXEC, 1, 1)
    FIELD(PASID_CTRL, PRIV, 2, 1)

/* The second dword of a vendor-specific capability, and of a DVSEC */
REG32(VSEC_HEADER, 4)
    FIELD(VSEC_HEADER, LENGTH, 20, 12)

static uint16_t pcie_ecap_next(const PCIDevice *dev, uint16_t pos)
{
    return PCI_EXT_CAP_NEXT(pci_get_long(dev->config + pos));
}

/*
 * What a capability takes at least, in bytes.  Those of variable size reach
 * further, and are found out by registers that are not 0.
 */
static uint16_t pcie_ecap_size(const PCIDevice *dev, uint16_t pos)
{
    uint16_t length;

    switch (PCI_EXT_CAP_ID(pci_get_long(dev->config + pos))) {
    case PCI_EXT_CAP_ID_VNDR:
    case PCI_EXT_CAP_ID_DVSEC:
        length = FIELD_EX32(pci_get_long(dev->config + pos + A_VSEC_HEADER),
                            VSEC_HEADER, LENGTH);
        return MAX(length, A_VSEC_HEADER + 4);
    case PCI_EXT_CAP_ID_ERR:
        return PCI_ERR_SIZEOF;
    case PCI_EXT_CAP_ID_DSN:
        return PCI_EXT_CAP_DSN_SIZEOF;
    case PCI_EXT_CAP_ID_SRIOV:
        return PCI_EXT_CAP_SRIOV_SIZEOF;
    case PCI_EXT_CAP_ID_PRI:
        return PCI_EXT_CAP_PRI_SIZEOF;
    case 0:
        return 4;       /* the head of a chain only */
    default:
        return 8;
    }
}

static bool pcie_ecap_range_free(const PCIDevice *dev, uint16_t offset,
                                 uint16_t size, Error **errp)
{
    uint16_t pos = PCI_CONFIG_SPACE_SIZE;

    if (offset % PCI_EXT_CAP_ALIGN) {
        error_setg(errp, "offset 0x%x is not aligned to %d bytes", offset,
                   PCI_EXT_CAP_ALIGN);
        return false;
    }
    if (offset < PCI_CONFIG_SPACE_SIZE ||
        offset > PCIE_CONFIG_SPACE_SIZE - size) {
        error_setg(errp, "offset 0x%x is not within 0x%x to 0x%x", offset,
                   PCI_CONFIG_SPACE_SIZE, PCIE_CONFIG_SPACE_SIZE - size);
        return false;
    }
    for (; pos && pci_get_long(dev->config + pos);
         pos = pcie_ecap_next(dev, pos)) {
        if (ranges_overlap(pos, pcie_ecap_size(dev, pos), offset, size)) {
            error_setg(errp, "offset 0x%x is taken by the extended capability "
                       "at 0x%x", offset, pos);
            return false;
        }
    }
    if (!buffer_is_zero(dev->config + offset, size)) {
        error_setg(errp, "offset 0x%x is taken by registers of the device",
                   offset);
        return false;
    }
    return true;
}

static void pcie_ecap_set_header(PCIDevice *dev, uint16_t pos, uint16_t next)
{
    uint32_t header = pci_get_long(dev->config + pos);

    pci_set_long(dev->config + pos,
                 PCI_EXT_CAP(PCI_EXT_CAP_ID(header), PCI_EXT_CAP_VER(header),
                             next));
}

bool pcie_insert_capability(PCIDevice *dev, uint16_t cap_id, uint8_t cap_ver,
                            uint16_t offset, uint16_t size, Error **errp)
{
    uint16_t prev = PCI_CONFIG_SPACE_SIZE, pos = PCI_CONFIG_SPACE_SIZE;
    uint16_t next = 0;

    if (!pcie_ecap_range_free(dev, offset, size, errp)) {
        return false;
    }
    if (offset != PCI_CONFIG_SPACE_SIZE) {
        /* a head that is 0 links as well: ID 0 with a next pointer */
        for (; pos; pos = pcie_ecap_next(dev, pos)) {
            if (pos < offset && pos > prev) {
                prev = pos;
            }
        }
        next = pcie_ecap_next(dev, prev);
        pcie_ecap_set_header(dev, prev, offset);
    }
    pci_set_long(dev->config + offset, PCI_EXT_CAP(cap_id, cap_ver, next));
    memset(dev->wmask + offset, 0, size);
    memset(dev->w1cmask + offset, 0, size);
    memset(dev->cmask + offset, 0xff, size);
    return true;
}

bool pcie_pasid_init(PCIDevice *dev, uint16_t offset,
                     const PCIEPasidInfo *info, Error **errp)
{
    uint16_t cap = 0, writable = R_PASID_CTRL_ENABLE_MASK;

    if (info->width < 1 || info->width > PCIE_PASID_WIDTH_MAX) {
        error_setg(errp, "%u bits are no width of PASIDs: use 1 to %d",
                   info->width, PCIE_PASID_WIDTH_MAX);
        return false;
    }
    if (!pcie_insert_capability(dev, PCI_EXT_CAP_ID_PASID, PCIE_PASID_VER,
                                offset, PCI_EXT_CAP_PASID_SIZEOF, errp)) {
        return false;
    }
    cap = FIELD_DP16(cap, PASID_CAP, EXEC, info->exec);
    cap = FIELD_DP16(cap, PASID_CAP, PRIV, info->priv);
    cap = FIELD_DP16(cap, PASID_CAP, WIDTH, info->width);
    writable = FIELD_DP16(writable, PASID_CTRL, EXEC, info->exec);
    writable = FIELD_DP16(writable, PASID_CTRL, PRIV, info->priv);

    pci_set_word(dev->config + offset + A_PASID_CAP, cap);
    pci_set_word(dev->wmask + offset + A_PASID_CTRL, writable);
    dev->exp.pasid_cap = offset;
    return true;
}

bool pcie_pasid_enabled(const PCIDevice *dev)
{
    return dev->exp.pasid_cap &&
           FIELD_EX16(pci_get_word(dev->config + dev->exp.pasid_cap +
                                   A_PASID_CTRL), PASID_CTRL, ENABLE);
}

void pcie_pasid_reset(PCIDevice *dev)
{
    if (dev->exp.pasid_cap) {
        pci_set_word(dev->config + dev->exp.pasid_cap + A_PASID_CTRL, 0);
    }
}
