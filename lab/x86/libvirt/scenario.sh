# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash disable=SC2034,SC2154  # sourced by lab/run, which uses what is set here
#
# The domain of docs/system/i386/libvirt, with an AMD IOMMU, is defined, started, reset, unplugged and so on with virsh,
# and its I/O is verified. Domains that can't be are refused with one line.

# shellcheck source=lab/x86/amd-nvme/scenario.sh
source "$lab_dir/x86/amd-nvme/scenario.sh"

TITLE="libvirt and a guest with an AMD IOMMU"
EXPECTED_SECONDS=60
libvirt_suffix=''
# shellcheck source=lab/libvirt.sh
source "$lab_dir/libvirt.sh"

# That of machine.sh: with all that L0 emulates, the guest sometimes halts for good
L2_CPU_XML="<cpu mode='custom' check='none'><model>EPYC</model>"
for feature in svm vme fxsr_opt misalignsse osvw xsavec; do
    L2_CPU_XML+="<feature policy='disable' name='$feature'/>"
done
L2_CPU_XML+="</cpu>"
domains=(amd-iommu)
flags=(iommufd vfio-pci acpi-generic-initiator amd-iommu amd-iommu.pci-id amd-iommu.xtsup)
refusals=(
    # by libvirt
    "interrupt remapping without an I/O APIC in QEMU|amd-iommu|IOMMU interrupt remapping requires split I/O APIC (ioapic driver='qemu')|s/<ioapic driver='qemu'/<ioapic driver='kvm'/"
    "an SMMU's attribute|amd-iommu|iommu model 'amd' doesn't support some additional attributes|s/xtsup='on'/& accel='on'/"
    # by QEMU
    "no translation for assigned devices|amd-iommu|dma-remap=on|s/dma-remap=on/dma-remap=off/"
    "levels that there are not|amd-iommu|hats|s|^    <qemu:arg value='amd.*|&<qemu:arg value='-global'/><qemu:arg value='amd-iommu.hats=3'/>|"
    "a property of the PCI function|amd-iommu|Property 'AMDVI-PCI.dma-remap' not found|s|^</domain>|<qemu:override><qemu:device alias='iommu0'><qemu:frontend><qemu:property name='dma-remap' type='bool' value='true'/></qemu:frontend></qemu:device></qemu:override>&|"
)
use_domains q35

prepare_files() {
    example i386/libvirt amd-iommu 0000:00:03.0
    put_initrd amd-iommu nvme-libvirt "lab_seed=$seed" "lab_ops=$requests" "lab_bytes=$disk_bytes" lab_cycles=1
}

check() {
    check_libvirt
    check_domain amd-iommu ivhd
    expect "it has read the device right before and after it was plugged" test "${L2[amd-iommu.good_reads]-}" = 2
    expect "the file behind the device holds what L2 wrote" disk_as_expected
}

table() {
    table_libvirt
    row_domain amd-iommu
}
