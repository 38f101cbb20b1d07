# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash disable=SC2034,SC2154  # sourced by lab/run, which uses what is set here
#
# A Grace host with libvirt: the domains of docs/system/arm/libvirt are defined, started, reset, unplugged and so on with
# virsh, and their I/O is verified. Domains that can't be are refused with one line.

# shellcheck source=lab/arm64/cmdqv/scenario.sh
source "$lab_dir/arm64/cmdqv/scenario.sh"

TITLE="libvirt on a Grace host"
EXPECTED_SECONDS=90
libvirt_suffix=-arm64
# shellcheck source=lab/libvirt.sh
source "$lab_dir/libvirt.sh"

FIRMWARE=()
# What the examples ask for: ATS, and 20 bits of SubstreamID
L0_MACHINE+=(-global arm-smmuv3.ats=on -global arm-smmuv3.ssidsize=20)
L0_DEVICES=()
disks=(1 2 3 4)
for n in "${disks[@]}"; do
    L0_DEVICES+=(-drive "if=none,id=disk$n,format=raw,file=$out/disk$n.img"
                 -device "nvme,drive=disk$n,serial=lab$n,addr=$((n + 2)),ats=on")
done

domains=(smmuv3 smmuv3-several smmuv3-cmdqv)
flags=(iommufd vfio-pci acpi-generic-initiator arm-smmuv3 arm-smmuv3.smmu_per_bus arm-smmuv3.accel arm-smmuv3.cmdqv)
# on VARIABLE=VALUE: a change that has the domain start on another host, which lab/shim/fake-host.c makes up
on() {
    printf '%s' "s|^<domain |&xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0' |; s|^</domain>|<qemu:commandline>"
    printf '%s' "<qemu:env name='LD_PRELOAD' value='/lib/fake-host.so'/>"
    printf '%s' "<qemu:env name='${1%%=*}' value='${1#*=}'/></qemu:commandline>&|"
}
host="in the host SMMU of 0000:00:03.0, which cannot back it"
refusals=(
    # by libvirt
    "attributes without accel|smmuv3|accel must be enabled for iommu model 'smmuv3' when setting ats, ril, ssidsize, oas, or cmdqv|s/accel='on' //"
    "another IOMMU's attribute|smmuv3|iommu model 'smmuv3' doesn't support some additional attributes|s/accel='on'/& intremap='on'/"
    "a word that is no value|smmuv3|Invalid value for attribute 'ats' in element 'driver': 'auto'|s/ats='on'/ats='auto'/"
    "ACPI without UEFI|smmuv3|ACPI requires UEFI on this architecture|s/ firmware='efi'//; /<firmware>/,/<.firmware>/d"
    # by QEMU
    "a root port's bus|smmuv3|arm-smmuv3 'iommu0': primary-bus 'pci.2' is not the root bus of a PCIe root complex: use pcie.0 or the bus of a pxb-pcie|s/pciBus='1'/pciBus='2'/"
    "two SMMUs for one bus|smmuv3-several|arm-smmuv3 'iommu1': primary-bus 'pci.1' already has an IOMMU: give each IOMMU a root bus of its own|s/pciBus='2'/pciBus='1'/"
    "accel without a bus|smmuv3|requires iommu MAP notifier|s/pciBus='1' accel='on' .*\//accel='on'\//"
    "no iommufd|smmuv3|cannot be behind the accelerated arm-smmuv3 'iommu0', which takes vfio-pci with iommufd=|s/<iommufd .*//"
    "an oas that there is not|smmuv3|Parameter 'oas' does not accept value '47'|s/oas='44'/oas='47'/"
    "an ssidsize that there is not|smmuv3|Parameter 'ssidsize' does not accept value '21'|s/ssidsize='20'/ssidsize='21'/"
    "ats beyond the host|smmuv3|arm-smmuv3 'iommu0': IDR0.ATS is 1, but 0 $host: set ats to off or auto|$(on FAKE_IDR=0:0x400:0)"
    "ril beyond the host|smmuv3|arm-smmuv3 'iommu0': IDR3.RIL is 1, but 0 $host: set ril to off or auto|s/ril='off'/ril='on'/; $(on FAKE_IDR=3:0x400:0)"
    "ssidsize beyond the host|smmuv3|arm-smmuv3 'iommu0': IDR1.SSIDSIZE is 20, but 16 $host: lower ssidsize or set it to auto|$(on FAKE_IDR=1:0x7c0:0x400)"
    "oas beyond the host|smmuv3|arm-smmuv3 'iommu0': IDR5.OAS is 5, but 4 $host: lower oas or set it to auto|s/oas='44'/oas='48'/"
    "oas that another host has|smmuv3||s/oas='44'/oas='48'/; $(on FAKE_IDR=5:7:5)"
    "cmdqv beyond the host|smmuv3-cmdqv|arm-smmuv3 'iommu0': cmdqv is on, but the host SMMU of 0000:00:06.0 has no Tegra241 CMDQ-V: set cmdqv to off or auto|$(on NO_CMDQV=1)"
)
L1_SHIMS=(fake-host)
use_domains virt

put_firmware() {
    mkdir -p "$1"/usr/share/{AAVMF,qemu/firmware}
    cp --sparse=always "$build_dir"/base-packages/usr/share/AAVMF/AAVMF_{CODE.no-secboot,VARS}.fd "$1/usr/share/AAVMF/"
    cp "$build_dir"/base-packages/usr/share/qemu/firmware/60-edk2-aarch64.json "$1/usr/share/qemu/firmware/"
}

prepare_files() {
    example arm/libvirt smmuv3 0000:00:03.0
    put_initrd smmuv3 nvme-libvirt "lab_seed=$seed" "lab_ops=$requests" "lab_bytes=$disk_bytes" lab_cycles=1
    example arm/libvirt smmuv3-several 0000:00:04.0 0000:00:05.0
    put_initrd smmuv3-several nvme-several "lab_seed=$seed" "lab_ops=$requests" lab_devices=2
    example arm/libvirt smmuv3-cmdqv 0000:00:06.0
    put_initrd smmuv3-cmdqv cmdqv-verify "lab_seed=$seed" "lab_ops=$requests"
}

prepare() {
    local n
    for n in "${disks[@]}"; do
        "$tools/dmaverify" fill "$out/disk$n.img" "$disk_bytes" "$seed"
    done
}

disks_as_expected() {
    local n
    for n in "${disks[@]}"; do
        "$tools/dmaverify" expect "$out/disk$n.img" "$seed" "$requests" > /dev/null 2>> "$out/disk.log" || return
    done
}

check() {
    check_libvirt
    check_domain smmuv3 smmu3
    expect "smmuv3: it has read the device right before and after it was plugged" test "${L2[smmuv3.good_reads]-}" = 2
    expect "smmuv3-several: both devices were verified" test "${L2[smmuv3-several.verified]-}" = 2
    expect "smmuv3-several: they are behind two SMMUs" test "${L2[smmuv3-several.smmus]-}" = 2
    expect "smmuv3-several: their groups are of type DMA" test "${L2[smmuv3-several.group_types]-}" = DMA
    expect "smmuv3-several: each is the initiator of a node" test "${L2[smmuv3-several.initiators]-}" = 1-2
    check_domain smmuv3-cmdqv smmu3
    expect "smmuv3-cmdqv: the guest's driver has a CMDQ-V" test "${L2[smmuv3-cmdqv.cmdqv]-}" = 1
    expect "smmuv3-cmdqv: invalidations went through the guest's queues" test "$(l0_invalidations 23)" -ge "$requests"
    expect "the files behind the devices hold what the guests wrote" disks_as_expected
}

table() {
    table_libvirt
    row_domain smmuv3
    row smmuv3-several "${L2[smmuv3-several.verified]-?} devices verified, behind ${L2[smmuv3-several.smmus]-?} SMMUs"
    row_domain smmuv3-cmdqv
    row "queues" "$(l0_invalidations 23) commands before $(l0_batches 23) CMD_SYNCs in queues of guests"
}
