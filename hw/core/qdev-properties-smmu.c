/*
 * Property types of SMMUs: SubstreamID size and output address size
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qemu/cutils.h"
#include "hw/qdev-properties-smmu.h"
#include "qapi/qapi-types-common.h"
#include "qdev-prop-internal.h"

/* The names of the members, other than auto, are the numbers they mean */
static unsigned mode_bits(const QEnumLookup *lookup, int mode)
{
    unsigned bits;

    /* auto has no bits: callers ask first */
    return qemu_strtoui(qapi_enum_lookup(lookup, mode), NULL, 10, &bits) ?
           0 : bits;
}

unsigned ssidsize_mode_bits(SsidSizeMode mode)
{
    return mode_bits(&SsidSizeMode_lookup, mode);
}

unsigned oas_mode_bits(OasMode mode)
{
    return mode_bits(&OasMode_lookup, mode);
}

const PropertyInfo qdev_prop_ssidsize_mode = {
    .type = "SsidSizeMode",
    .description = "auto, or 0 to 20 bits of SubstreamID",
    .enum_table = &SsidSizeMode_lookup,
    .get = qdev_propinfo_get_enum,
    .set = qdev_propinfo_set_enum,
    .set_default_value = qdev_propinfo_set_default_value_enum,
};

const PropertyInfo qdev_prop_oas_mode = {
    .type = "OasMode",
    .description = "auto, or 32/36/40/42/44/48/52/56 bits of output address",
    .enum_table = &OasMode_lookup,
    .get = qdev_propinfo_get_enum,
    .set = qdev_propinfo_set_enum,
    .set_default_value = qdev_propinfo_set_default_value_enum,
};
