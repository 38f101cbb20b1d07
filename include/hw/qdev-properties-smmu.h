/*
 * Property types of SMMUs: SubstreamID size and output address size
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef HW_QDEV_PROPERTIES_SMMU_H
#define HW_QDEV_PROPERTIES_SMMU_H

#include "hw/qdev-properties.h"
#include "qapi/qapi-types-common.h"

extern const PropertyInfo qdev_prop_ssidsize_mode;
extern const PropertyInfo qdev_prop_oas_mode;

#define DEFINE_PROP_SSIDSIZE_MODE(_n, _s, _f, _d) \
    DEFINE_PROP_SIGNED(_n, _s, _f, _d, qdev_prop_ssidsize_mode, SsidSizeMode)
#define DEFINE_PROP_OAS_MODE(_n, _s, _f, _d) \
    DEFINE_PROP_SIGNED(_n, _s, _f, _d, qdev_prop_oas_mode, OasMode)

/* Bits of a mode that is not auto */
unsigned ssidsize_mode_bits(SsidSizeMode mode);
unsigned oas_mode_bits(OasMode mode);

#endif
