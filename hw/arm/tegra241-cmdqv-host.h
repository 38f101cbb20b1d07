/*
 * Tegra241 CMDQ-V: queues of the host
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef HW_ARM_TEGRA241_CMDQV_HOST_H
#define HW_ARM_TEGRA241_CMDQV_HOST_H

#include "system/iommufd-hw-queue.h"
#include "system/iommufd-viommu.h"
#include "tegra241-cmdqv.h"

/**
 * tegra241_cmdqv_host_create: give an accelerated SMMU a CMDQ-V that uses the
 * host's
 *
 * Until tegra241_cmdqv_host_start(), the vSMMU consumes its queues.
 *
 * Returns: true on success; false with @errp set otherwise.
 */
bool tegra241_cmdqv_host_create(SMMUv3State *smmu,
                                const Tegra241CMDQVParams *params,
                                Error **errp);

/**
 * tegra241_cmdqv_host_start: make the host's side of the vSMMU, with a VINTF
 *
 * @idev: the first device behind the vSMMU
 * @viommu_id: the vIOMMU, which the caller frees after
 *             tegra241_cmdqv_host_stop()
 *
 * Returns: true on success; false with @errp set otherwise.
 */
bool tegra241_cmdqv_host_start(Tegra241CMDQVState *s,
                               HostIOMMUDeviceIOMMUFD *idev,
                               uint32_t *viommu_id, Error **errp);

/**
 * tegra241_cmdqv_host_stop: give back all that rests upon the vIOMMU
 *
 * No effect without tegra241_cmdqv_host_start() before.
 */
void tegra241_cmdqv_host_stop(Tegra241CMDQVState *s);

#endif
