/*
 * Accelerated SMMUv3: the life of the device and of assigned devices
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Emulated devices that stand before assigned ones (root ports, switches)
 * keep going through the emulated translation: they send MSIs too.
 */

#include "qemu/osdep.h"
#include "qapi/error.h"
#include "hw/pci/pci_bridge.h"
#include "hw/pci/pci_bus.h"
#include "hw/pci/pcie_iommu.h"
#include "migration/blocker.h"
#include "qemu/error-report.h"
#include "system/system.h"
#include "smmuv3-accel.h"
#include "smmu-internal.h"
#include "trace.h"
#include <linux/iommufd.h>

/* Bridges, and the host bridge functions on a root bus */
static bool smmuv3_accel_is_bridge(PCIDevice *pdev)
{
    return IS_PCI_BRIDGE(pdev) ||
           PCI_DEVICE_GET_CLASS(pdev)->class_id == PCI_CLASS_BRIDGE_HOST;
}

static bool smmuv3_accel_is_vfio_iommufd(PCIDevice *pdev)
{
    return object_dynamic_cast(OBJECT(pdev), "vfio-pci") &&
           object_property_get_link(OBJECT(pdev), "iommufd", NULL);
}

static bool smmuv3_accel_supports_address_space(PCIBus *bus, void *opaque,
                                                int devfn, Error **errp)
{
    g_autofree char *name = qdev_get_human_name(DEVICE(opaque));
    PCIDevice *pdev = bus->devices[devfn];

    if (smmuv3_accel_is_bridge(pdev) || smmuv3_accel_is_vfio_iommufd(pdev)) {
        return true;
    }
    error_setg(errp, "%s '%s' cannot be behind the accelerated %s '%s', which "
               "takes vfio-pci with iommufd=... and bridges only: plug it into "
               "another root bus", object_get_typename(OBJECT(pdev)),
               DEVICE(pdev)->id ?: pdev->name, TYPE_ARM_SMMUV3, name);
    return false;
}

static uint64_t smmuv3_accel_get_viommu_cap(void *opaque)
{
    const SMMUv3State *s = ARM_SMMUV3(opaque);

    return VIOMMU_CAP_HW_NESTED |
           (FIELD_EX32(s->idr[0], IDR0, ATS) ? VIOMMU_CAP_ATS : 0) |
           (FIELD_EX32(s->idr[1], IDR1, SSIDSIZE) ? VIOMMU_CAP_PASID : 0);
}

static bool smmuv3_accel_get_msi_direct_gpa(PCIBus *bus, void *opaque,
                                            int devfn, hwaddr *gpa)
{
    SMMUState *sys = opaque;

    *gpa = sys->msi_gpa;
    return *gpa;
}

uint32_t smmuv3_accel_device_sid(const SMMUv3AccelDevice *dev)
{
    return PCI_BUILD_BDF(pci_bus_num(dev->bus), dev->devfn);
}

SMMUv3AccelDevice *smmuv3_accel_find_device(SMMUv3State *s, uint32_t sid)
{
    SMMUv3AccelDevice *dev;

    QLIST_FOREACH(dev, &s->s_accel->devices, next) {
        if (smmuv3_accel_device_sid(dev) == sid) {
            return dev;
        }
    }
    return NULL;
}

static void smmuv3_accel_free_viommu(SMMUv3AccelState *accel)
{
    uint32_t viommu_id = accel->viommu_id;
    uint32_t *ids[] = {
        &accel->abort_hwpt_id, &accel->bypass_hwpt_id, &viommu_id,
    };

    if (accel->ext) {
        accel->ext->stop(accel->smmu);
    }
    accel->viommu_id = 0;
    smmuv3_accel_update_veventq(accel->smmu);
    for (int i = 0; i < ARRAY_SIZE(ids); i++) {
        if (*ids[i]) {
            iommufd_backend_free_id(accel->iommufd, *ids[i]);
            *ids[i] = 0;
        }
    }
    accel->batch.len = 0;
    accel->s2_hwpt_id = 0;
    accel->iommufd = NULL;
}

static bool smmuv3_accel_alloc_viommu_object(SMMUv3AccelState *accel,
                                             HostIOMMUDeviceIOMMUFD *idev,
                                             Error **errp)
{
    if (accel->ext) {
        return accel->ext->alloc_viommu(accel->smmu, idev, &accel->viommu_id,
                                        errp);
    }
    return iommufd_backend_alloc_viommu(idev->iommufd, idev->devid,
                                        IOMMU_VIOMMU_TYPE_ARM_SMMUV3,
                                        idev->hwpt_id, &accel->viommu_id,
                                        errp);
}

/* The host's side of the vSMMU, made with the first assigned device */
static bool smmuv3_accel_alloc_viommu(SMMUv3AccelState *accel,
                                      HostIOMMUDeviceIOMMUFD *idev,
                                      Error **errp)
{
    SMMUv3AccelVSTE bypass = smmuv3_accel_bypass_vste();
    SMMUv3AccelVSTE abort = smmuv3_accel_abort_vste();

    accel->iommufd = idev->iommufd;
    accel->s2_hwpt_id = idev->hwpt_id;
    if (!smmuv3_accel_alloc_viommu_object(accel, idev, errp) ||
        !smmuv3_accel_alloc_nested_hwpt(accel, idev->devid, &bypass,
                                        &accel->bypass_hwpt_id, errp) ||
        !smmuv3_accel_alloc_nested_hwpt(accel, idev->devid, &abort,
                                        &accel->abort_hwpt_id, errp)) {
        smmuv3_accel_free_viommu(accel);
        return false;
    }
    smmuv3_accel_update_veventq(accel->smmu);
    trace_smmuv3_accel_alloc_viommu(accel->viommu_id, accel->s2_hwpt_id);
    return true;
}

static bool smmuv3_accel_check_device(SMMUv3State *s, PCIBus *bus, int devfn,
                                      HostIOMMUDevice *hiod, Error **errp)
{
    SMMUv3AccelState *accel = s->s_accel;
    g_autofree char *name = qdev_get_human_name(DEVICE(s));
    HostIOMMUDeviceIOMMUFD *idev;

    if (!object_dynamic_cast(OBJECT(hiod), TYPE_HOST_IOMMU_DEVICE_IOMMUFD)) {
        error_setg(errp, "%s '%s': %s has no iommufd: add iommufd=... to it",
                   TYPE_ARM_SMMUV3, name, hiod->name);
        return false;
    }
    if (hiod->aliased_bus != bus || hiod->aliased_devfn != devfn) {
        error_setg(errp, "%s '%s': %s is behind a conventional PCI bridge and "
                   "has no StreamID of its own: plug it into a PCIe port",
                   TYPE_ARM_SMMUV3, name, hiod->name);
        return false;
    }
    idev = HOST_IOMMU_DEVICE_IOMMUFD(hiod);
    if (accel->viommu_id && (accel->iommufd != idev->iommufd ||
                             accel->s2_hwpt_id != idev->hwpt_id)) {
        error_setg(errp, "%s '%s': %s is behind another host SMMU than the "
                   "devices already there: give it an arm-smmuv3 of its own",
                   TYPE_ARM_SMMUV3, name, hiod->name);
        return false;
    }
    return smmuv3_accel_check_host(s, idev, errp);
}

static void smmuv3_accel_unset_iommu_device(PCIBus *bus, void *opaque,
                                            int devfn)
{
    SMMUv3State *s = ARM_SMMUV3(opaque);
    SMMUv3AccelState *accel = s->s_accel;
    SMMUv3AccelDevice *dev;

    QLIST_FOREACH(dev, &accel->devices, next) {
        if (dev->bus == bus && dev->devfn == devfn) {
            break;
        }
    }
    if (!dev) {
        return;
    }
    trace_smmuv3_accel_unset_device(HOST_IOMMU_DEVICE(dev->idev)->name);
    smmuv3_accel_release_device(dev, accel->s2_hwpt_id);
    QLIST_REMOVE(dev, next);
    object_unref(OBJECT(dev->idev));
    g_free(dev);

    if (QLIST_EMPTY(&accel->devices)) {
        smmuv3_accel_free_viommu(accel);
    }
}

static bool smmuv3_accel_set_iommu_device(PCIBus *bus, void *opaque, int devfn,
                                          HostIOMMUDevice *hiod, Error **errp)
{
    SMMUv3State *s = ARM_SMMUV3(opaque);
    SMMUv3AccelState *accel = s->s_accel;
    g_autofree char *name = qdev_get_human_name(DEVICE(s));
    HostIOMMUDeviceIOMMUFD *idev;
    SMMUv3AccelDevice *dev;

    if (!smmuv3_accel_check_device(s, bus, devfn, hiod, errp)) {
        return false;
    }
    idev = HOST_IOMMU_DEVICE_IOMMUFD(hiod);
    if (!accel->viommu_id && !smmuv3_accel_alloc_viommu(accel, idev, errp)) {
        return false;
    }

    dev = g_new0(SMMUv3AccelDevice, 1);
    dev->smmu = s;
    dev->bus = bus;
    dev->devfn = devfn;
    dev->idev = idev;
    dev->hwpt_id = idev->hwpt_id;
    object_ref(OBJECT(idev));
    QLIST_INSERT_HEAD(&accel->devices, dev, next);
    trace_smmuv3_accel_set_device(hiod->name, idev->devid);

    smmuv3_accel_sync_device(dev);
    if (dev->hwpt_id == idev->hwpt_id) {
        /* never leave a device where the guest's configuration is not heard */
        error_setg(errp, "%s '%s': the host does not let %s nest",
                   TYPE_ARM_SMMUV3, name, hiod->name);
        smmuv3_accel_unset_iommu_device(bus, opaque, devfn);
        return false;
    }
    return true;
}

static const PCIIOMMUOps smmuv3_accel_ops = {
    .get_address_space = smmu_find_add_as,
    .set_iommu_device = smmuv3_accel_set_iommu_device,
    .unset_iommu_device = smmuv3_accel_unset_iommu_device,
    .supports_address_space = smmuv3_accel_supports_address_space,
    .get_viommu_cap = smmuv3_accel_get_viommu_cap,
    .get_msi_direct_gpa = smmuv3_accel_get_msi_direct_gpa,
};

static void smmuv3_accel_check_endpoint(PCIBus *bus, PCIDevice *pdev,
                                        void *opaque)
{
    PCIDevice **found = opaque;

    if (!smmuv3_accel_is_bridge(pdev) &&
        (pci_device_get_viommu_cap(pdev) & VIOMMU_CAP_HW_NESTED)) {
        *found = pdev;
    }
}

static void smmuv3_accel_check_subordinate(PCIBus *bus, void *opaque)
{
    pci_for_each_device_under_bus(bus, smmuv3_accel_check_endpoint, opaque);
}

bool smmuv3_accel_check_bus(SMMUv3State *s, Error **errp)
{
    g_autofree char *name = qdev_get_human_name(DEVICE(s));
    PCIDevice *found = NULL;

    /* an expander bridge's bus is skipped: it does not have our ops */
    pci_for_each_bus(s->smmu_state.primary_bus, smmuv3_accel_check_subordinate,
                     &found);
    if (found) {
        error_setg(errp, "%s '%s': %s '%s' is on primary-bus already: put the "
                   "accelerated SMMU before the endpoints on the command line",
                   TYPE_ARM_SMMUV3, name,
                   object_get_typename(OBJECT(found)),
                   DEVICE(found)->id ?: found->name);
        return false;
    }
    return true;
}

/* From here on the guest may read the ID registers */
static void smmuv3_accel_machine_done(Notifier *notifier, void *data)
{
    SMMUv3AccelState *accel = container_of(notifier, SMMUv3AccelState,
                                           machine_done);
    const char *property = smmuv3_accel_unresolved_property(accel->smmu);
    g_autofree char *name = qdev_get_human_name(DEVICE(accel->smmu));

    if (!property && accel->ext) {
        property = accel->ext->unresolved_property(accel->smmu);
        if (property) {
            error_report("%s '%s': %s needs a device to take its parameters "
                         "from: put a vfio-pci device behind it, or remove it",
                         TYPE_ARM_SMMUV3, name, property);
            exit(EXIT_FAILURE);
        }
    }
    if (!property) {
        return;
    }
    error_report("%s '%s': %s=auto needs a device to take the value from: put "
                 "a vfio-pci device behind it, or set ats, ril, ssidsize and "
                 "oas", TYPE_ARM_SMMUV3, name, property);
    exit(EXIT_FAILURE);
}

bool smmuv3_accel_init(SMMUv3State *s, Error **errp)
{
    SMMUState *sys = ARM_SMMU(s);
    g_autofree char *name = qdev_get_human_name(DEVICE(s));
    SMMUv3AccelState *accel;

    if (s->stage && strcmp(s->stage, "1")) {
        error_setg(errp, "%s '%s': stage=%s cannot be accelerated: the host "
                   "walks the guest's stage 1 only, use stage=1",
                   TYPE_ARM_SMMUV3, name, s->stage);
        return false;
    }
    if (!sys->smmu_per_bus) {
        error_setg(errp, "%s '%s': accel=on needs an SMMU made with -device "
                   "on a machine that supports it (virt)",
                   TYPE_ARM_SMMUV3, name);
        return false;
    }

    accel = g_new0(SMMUv3AccelState, 1);
    accel->smmu = s;
    QLIST_INIT(&accel->devices);
    error_setg(&accel->migration_blocker, "%s '%s' has accel=on: the state of "
               "the host SMMU cannot be migrated", TYPE_ARM_SMMUV3, name);
    if (migrate_add_blocker(&accel->migration_blocker, errp)) {
        g_free(accel);
        return false;
    }
    accel->machine_done.notify = smmuv3_accel_machine_done;
    qemu_add_machine_init_done_notifier(&accel->machine_done);
    s->s_accel = accel;
    sys->iommu_ops = &smmuv3_accel_ops;
    smmuv3_accel_init_features(s);
    return true;
}

void smmuv3_accel_reset(SMMUv3State *s)
{
    SMMUv3AccelDevice *dev;

    if (!s->s_accel) {
        return;
    }
    s->s_accel->batch.len = 0;
    smmuv3_accel_update_veventq(s);
    QLIST_FOREACH(dev, &s->s_accel->devices, next) {
        smmuv3_accel_release_device(dev, s->s_accel->bypass_hwpt_id);
        smmuv3_accel_sync_device(dev);
    }
}
