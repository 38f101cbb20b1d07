/*
 * AMD IOMMU: the PCI function that the IVRS table names for the IOAPIC
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The table says of the IOAPIC that its interrupt messages come from 00:14.0,
 * where AMD's chipsets have the SMBus controller of their southbridge.  Linux
 * up to 7.2 remaps interrupts only if the IOAPIC has this very number.  From
 * 7.3 on it reads the class code of the function with the number that the
 * table has, and remaps only if that is an SMBus controller or an ISA bridge.
 *
 * The function is there for its class code: it has no BAR, no interrupt and no
 * capability.  It is not an ISA bridge, because firmware looks for serial ports
 * and a keyboard behind one.
 */

#include "qemu/osdep.h"
#include "hw/pci/pci_bus.h"
#include "hw/pci/pci_device.h"
#include "hw/pci/pci_ids.h"
#include "migration/vmstate.h"
#include "qapi/error.h"
#include "amd_iommu.h"

#define TYPE_AMD_IOMMU_SOUTHBRIDGE "amd-iommu-southbridge"

OBJECT_DECLARE_SIMPLE_TYPE(AMDVISouthbridge, AMD_IOMMU_SOUTHBRIDGE)

struct AMDVISouthbridge {
    PCIDevice dev;
};

bool amdvi_southbridge_realize(AMDVIState *s, PCIBus *bus, Error **errp)
{
    const uint8_t devfn = AMDVI_IOAPIC_SB_DEVID & 0xff;

    if (!s->southbridge || !x86_iommu_ir_supported(X86_IOMMU_DEVICE(s))) {
        return true;
    }
    for (int i = 0; i < PCI_FUNC_MAX; i++) {
        PCIDevice *other = bus->devices[devfn + i];

        if (other) {
            error_setg(errp, "amd-iommu: '%s' is in slot 0x%x of bus '%s', "
                       "where the southbridge of the IOAPIC has to be: give "
                       "it another addr, or set southbridge=off",
                       other->qdev.id ?: other->name, PCI_SLOT(devfn),
                       BUS(bus)->name);
            return false;
        }
    }
    return pci_realize_and_unref(pci_new(devfn, TYPE_AMD_IOMMU_SOUTHBRIDGE),
                                 bus, errp);
}

static const VMStateDescription vmstate_amdvi_southbridge = {
    .name = TYPE_AMD_IOMMU_SOUTHBRIDGE,
    .version_id = 1,
    .minimum_version_id = 1,
    .fields = (const VMStateField[]) {
        VMSTATE_PCI_DEVICE(dev, AMDVISouthbridge),
        VMSTATE_END_OF_LIST()
    },
};

static void amdvi_southbridge_class_init(ObjectClass *klass, void *data)
{
    DeviceClass *dc = DEVICE_CLASS(klass);
    PCIDeviceClass *k = PCI_DEVICE_CLASS(klass);

    k->vendor_id = PCI_VENDOR_ID_AMD;
    /*
     * Not the device ID of a chipset (780Bh, 790Bh): Linux's i2c-piix4 and
     * sp5100_tco would access its power management registers at FED80300h,
     * where this machine has the IOMMU, and its watchdog at FEB00000h, where
     * there may be a BAR of another device.
     */
    k->device_id = 0;
    k->class_id = PCI_CLASS_SERIAL_SMBUS;

    dc->desc = "AMD IOMMU (AMD-Vi) southbridge function of the IOAPIC";
    dc->vmsd = &vmstate_amdvi_southbridge;
    /* One for each amd-iommu, which makes it */
    dc->user_creatable = false;
    dc->hotpluggable = false;
    set_bit(DEVICE_CATEGORY_MISC, dc->categories);
}

static const TypeInfo amdvi_southbridge_info = {
    .name = TYPE_AMD_IOMMU_SOUTHBRIDGE,
    .parent = TYPE_PCI_DEVICE,
    .instance_size = sizeof(AMDVISouthbridge),
    .class_init = amdvi_southbridge_class_init,
    .interfaces = (InterfaceInfo[]) {
        { INTERFACE_CONVENTIONAL_PCI_DEVICE },
        { },
    },
};

static void amdvi_southbridge_register_types(void)
{
    type_register_static(&amdvi_southbridge_info);
}

type_init(amdvi_southbridge_register_types)
