/*
 * CMDQ-Vs on the virt machine: what the DSDT says
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "hw/acpi/aml-build.h"
#include "hw/arm/smmuv3.h"
#include "hw/arm/virt.h"
#include "tegra241-cmdqv.h"
#include "virt-cmdqv.h"
#include "virt-smmuv3.h"

static Aml *virt_acpi_cmdqv(VirtMachineState *vms, Tegra241CMDQVState *cmdqv)
{
    uint8_t identifier = cmdqv->smmu->identifier;
    uint32_t gsiv = virt_smmuv3_irq(vms, DEVICE(cmdqv), 0) + GIC_INTERNAL;
    Aml *dev = aml_device("CV%02X", identifier);
    Aml *crs = aml_resource_template();

    aml_append(dev, aml_name_decl("_HID", aml_string("NVDA200C")));
    aml_append(dev, aml_name_decl("_UID", aml_int(identifier)));
    aml_append(dev, aml_name_decl("_CCA", aml_int(1)));
    aml_append(crs, aml_memory32_fixed(
                   virt_smmuv3_mmio_base(vms, DEVICE(cmdqv)),
                   memory_region_size(&cmdqv->mmio), AML_READ_WRITE));
    aml_append(crs, aml_interrupt(AML_CONSUMER, AML_EDGE, AML_ACTIVE_HIGH,
                                  AML_EXCLUSIVE, &gsiv, 1));
    aml_append(dev, aml_name_decl("_CRS", crs));
    return dev;
}

void virt_acpi_dsdt_add_cmdqvs(Aml *scope, VirtMachineState *vms)
{
    for (guint i = 0; i < vms->smmuv3_devices->len; i++) {
        SMMUv3State *smmu =
            ARM_SMMUV3(g_ptr_array_index(vms->smmuv3_devices, i));

        if (smmu->s_cmdqv) {
            aml_append(scope, virt_acpi_cmdqv(vms, smmu->s_cmdqv));
        }
    }
}
