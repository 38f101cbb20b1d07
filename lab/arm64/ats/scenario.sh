# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash disable=SC2034,SC2154  # sourced by lab/run, which uses what is set here
#
# ATS of an assigned device, on a host that has it: L0's SMMU answers translation requests of an NVMe controller, which
# keeps the answers in a cache. First a table of vfio-pci's property ats, the SMMU's own, and machine types; then a guest
# that finds and enables ATS, and has to invalidate the device's cache for its data to be right.

# shellcheck source=lab/arm64/accel/scenario.sh
source "$lab_dir/arm64/accel/scenario.sh"

TITLE="ATS of an assigned device reaches the guest"
EXPECTED_SECONDS=50
GUEST_TEST=nvme-ats
GUEST_SCRIPTS=(nvme-verify)
GUEST_TOOLS+=(ecaps)

L0_MACHINE+=(-global arm-smmuv3.ats=on -trace pcie_atc_invalidate)
L0_DEVICES=(-drive "if=none,id=disk,format=raw,file=$disk" -device "nvme,drive=disk,serial=lab,addr=3,ats=on")

fd="-object iommufd,id=fd0"
smmu="-device arm-smmuv3,id=smmuv3.0,primary-bus=pcie.0"
vfio="-device vfio-pci,id=dev0,host=0000:00:03.0,addr=5,iommufd=fd0"
cells=(
    "default||virt|ats=0x100|$fd $vfio"
    "auto||virt|ats=0x100|$fd $vfio,ats=auto"
    "on||virt|ats=0x100|$fd $vfio,ats=on"
    "off||virt|ats=none|$fd $vfio,ats=off"
    "10.0, default||virt-10.0|ats=0x100|$fd $vfio"
    "10.0, auto||virt-10.0|ats=0x100|$fd $vfio,ats=auto"
    "10.0, on||virt-10.0|ats=0x100|$fd $vfio,ats=on"
    "10.0, off||virt-10.0|ats=none|$fd $vfio,ats=off"
    "9.2, default||virt-9.2|ats=0x100|$fd $vfio"
    "accelerated, default||virt|ats=0x100|$fd $smmu,accel=on $vfio"
    "accelerated, on||virt|ats=0x100|$fd $smmu,accel=on $vfio,ats=on"
    "accelerated, off||virt|ats=none|$fd $smmu,accel=on $vfio,ats=off"
    "accelerated, 10.0||virt-10.0|ats=0x100|$fd $smmu,accel=on $vfio"
    "SMMU without ATS, default||virt|ats=none|$fd $smmu,accel=on,ats=off $vfio"
    "SMMU without ATS, 10.0||virt-10.0|ats=none|$fd $smmu,accel=on,ats=off $vfio"
)
refusals=(
    "the SMMU has no ATS|vfio-pci 'dev0': ats=on, but the vIOMMU in front of the device has none: set ats=on there, or ats to off or auto here|$fd $smmu,accel=on,ats=off $vfio,ats=on"
)
L1_FILES=("config-table=$(printf '%s\n' "${cells[@]}")" "refusals=$(printf '%s\n' "${refusals[@]}")")
L1_TOOLS=(ecaps)
L1_SETUP_SCRIPTS=(config-table refusals)
L1_SETUP="sh /lab/config-table.sh $L1_QEMU_NAME; sh /lab/refusals.sh $L1_QEMU_NAME"

# Invalidations, of L1 and L2, that have found something in the device's cache
dropped() {
    grep -c '^pcie_atc_invalidate .* dropped=[1-9]' "$out/l0.log" || true
}

check() {
    check_set_up
    check_data
    no_errors
    check_table
    expect "L2 sees the ATS capability, in a chain that is ok" test "${L2[ats]-}/${L2[chain]-}" = 0x100/ok
    expect "L2's kernel has enabled ATS" test "${L2[ats_enabled]-}" = 1
    expect "L2 has invalidated the device's cache" test "$(l1 command_SMMU_CMD_ATC_INV)" -ge "$requests"
    expect "the device's cache had what L2 invalidated" test "$(dropped)" -ge "$requests"
}

check_table() {
    expect "all ${#cells[@]} rows of the table are as they should be" test "$(l1 config_good)" -eq ${#cells[@]}
    expect "all ${#refusals[@]} command lines were refused, with one line each" test "$(l1 refused)" -eq ${#refusals[@]}
}

table() {
    row "device" "${L2[model]-?} at ${L2[device]-?}, behind ${L2[iommu]-no IOMMU}"
    row "bytes verified" "${L2[bytes_verified]:-0} (${L2[operations]:-0} random requests, then all)"
    row "table" "$(l1 config_good) of ${#cells[@]} rows, $(l1 refused) of ${#refusals[@]} refused"
    row "L2's view" "ATS at ${L2[ats]-?}, enabled: ${L2[ats_enabled]-?}; chain ${L2[chain]-?}"
    row "invalidations" "$(l1 command_SMMU_CMD_ATC_INV) CMD_ATC_INV of L2, $(dropped) have emptied the cache"
}
