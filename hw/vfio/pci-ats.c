/*
 * Does the guest see the ATS capability of an assigned device?
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A device with ATS that its IOMMU does not answer, or answers for the host
 * only, is worse than one without: drivers rely on it.  Three have a say, the
 * user (ats=), the host and the vIOMMU.
 */

#include "qemu/osdep.h"
#include "qapi/error.h"
#include "hw/pci/pcie_iommu.h"
#include "hw/qdev-properties-system.h"
#include "pci-ecap.h"
#include "trace.h"

static bool vfio_pci_host_supports_ats(VFIOPCIDevice *vdev)
{
    HostIOMMUDevice *hiod = vdev->vbasedev.hiod;
    HostIOMMUDeviceClass *hiodc;

    if (!hiod) {
        return true;
    }
    hiodc = HOST_IOMMU_DEVICE_GET_CLASS(hiod);
    return !hiodc->support_ats || hiodc->support_ats(hiod);
}

/* A vIOMMU that has the guest's tables walked by hardware says what it has */
static bool vfio_pci_viommu_supports_ats(VFIOPCIDevice *vdev)
{
    uint64_t cap = pci_device_get_viommu_cap(&vdev->pdev);

    return !(cap & VIOMMU_CAP_HW_NESTED) || (cap & VIOMMU_CAP_ATS);
}

PropertyInfo vfio_pci_prop_ats;

/*
 * The machine types up to 10.0 have ats=on for what QEMU always did: show the
 * capability.  That is no request, so nothing fails that used to work.  Compat
 * properties are set before the device has a place in the QOM tree, those of
 * -device and device_add when it has.
 */
static void vfio_pci_set_ats(Object *obj, Visitor *v, const char *name,
                             void *opaque, Error **errp)
{
    qdev_prop_on_off_auto.set(obj, v, name, opaque, errp);
    VFIO_PCI(obj)->ats_requested = obj->parent;
}

void vfio_pci_init_ats_property(void)
{
    vfio_pci_prop_ats = qdev_prop_on_off_auto;
    vfio_pci_prop_ats.set = vfio_pci_set_ats;
}

bool vfio_pci_resolve_ats(VFIOPCIDevice *vdev, Error **errp)
{
    g_autofree char *name = qdev_get_human_name(DEVICE(vdev));
    bool present = vfio_pci_find_ecap(vdev, PCI_EXT_CAP_ID_ATS);
    bool host = vfio_pci_host_supports_ats(vdev);
    bool viommu = vfio_pci_viommu_supports_ats(vdev);
    const char *why = NULL;

    vdev->ats_hidden = vdev->ats == ON_OFF_AUTO_OFF || !viommu ||
                       (vdev->ats == ON_OFF_AUTO_AUTO && !host);
    trace_vfio_pci_ats(vdev->vbasedev.name, OnOffAuto_str(vdev->ats), present,
                       host, viommu, present && !vdev->ats_hidden);
    if (vdev->ats != ON_OFF_AUTO_ON || !vdev->ats_requested) {
        return true;
    }
    if (!host) {
        why = "the host cannot use ATS with the device: set ats to off or "
              "auto";
    } else if (!present) {
        why = "the device has no ATS capability that the guest could see: set "
              "ats to off or auto";
    } else if (!viommu) {
        why = "the vIOMMU in front of the device has none: set ats=on there, "
              "or ats to off or auto here";
    }
    if (why) {
        error_setg(errp, "vfio-pci '%s': ats=on, but %s", name, why);
        return false;
    }
    return true;
}
