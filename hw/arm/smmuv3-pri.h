/*
 * Emulated SMMUv3: page requests of devices
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef HW_ARM_SMMUV3_PRI_H
#define HW_ARM_SMMUV3_PRI_H

#include "hw/arm/smmuv3.h"
#include "hw/pci/pcie_pri.h"
#include "smmuv3-internal.h"

extern const VMStateDescription vmstate_smmuv3_pri;

/* ID registers and the PRI queue, as they are after a reset */
void smmuv3_pri_reset(SMMUv3State *s);

/* Is the interrupt of the PRI queue enabled? */
bool smmuv3_pri_irq_enabled(const SMMUv3State *s);

/**
 * smmuv3_pri_read: registers of the PRI queue
 *
 * @offset: in page 0
 *
 * Returns: false if the SMMU has no such register.
 */
bool smmuv3_pri_read(SMMUv3State *s, hwaddr offset, unsigned size,
                     uint64_t *data);
bool smmuv3_pri_write(SMMUv3State *s, hwaddr offset, unsigned size,
                      uint64_t data);

/**
 * smmuv3_pri_response: CMD_PRI_RESP
 *
 * Returns: SMMU_CERROR_NONE, or the error of the command.
 */
SMMUCmdError smmuv3_pri_response(SMMUv3State *s, Cmd *cmd);

/* PCIIOMMUOps::pri_request_page of an emulated SMMU */
MemTxResult smmuv3_pri_request_page(PCIBus *bus, void *opaque, int devfn,
                                    const PCIPageRequest *request);

#endif
