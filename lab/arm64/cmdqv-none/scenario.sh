# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash disable=SC2034,SC2154  # sourced by lab/run, which uses what is set here
#
# A host without a CMDQ-V: cmdqv=on is refused with one line, cmdqv=auto goes without.

# shellcheck source=lab/arm64/device-tree/scenario.sh
source "$lab_dir/arm64/device-tree/scenario.sh"

TITLE="cmdqv=auto and cmdqv=on on a host without a CMDQ-V"
EXPECTED_SECONDS=20
GUEST_TEST=cmdqv-verify
GUEST_SCRIPTS=(nvme-verify)
requests=500
L2_APPEND+=" lab_ops=$requests"
L2_DEVICES[3]+=",cmdqv=auto"
TRACE_EVENTS+=("tegra241_cmdqv_*" "iommufd_hw_queue_*")

smmu="-object iommufd,id=fd0 -device pxb-pcie,id=pcie.1,bus_nr=8,bus=pcie.0 -device arm-smmuv3,id=smmuv3.1,primary-bus=pcie.1,accel=on,cmdqv=on"
vfio="-device pcie-root-port,id=p1,bus=pcie.1,chassis=1 -device vfio-pci,host=0000:00:03.0,bus=p1,iommufd=fd0"
refusals=(
    "no CMDQ-V|'smmuv3.1': cmdqv is on, but the host SMMU of 0000:00:03.0 has no Tegra241 CMDQ-V: set cmdqv to off or auto|$smmu $vfio"
    "no device|'smmuv3.1': cmdqv=on needs a device to take its parameters from|$smmu,ats=off,ril=on,ssidsize=0,oas=44"
)
L1_FILES=("refusals=$(printf '%s\n' "${refusals[@]}")")
L1_SETUP_SCRIPTS=(refusals)
L1_SETUP="sh /lab/refusals.sh $L1_QEMU_NAME"

check() {
    check_set_up
    check_data
    no_errors
    expect "L2's driver has no CMDQ-V" test "${L2[cmdqv]-}" = 0
    expect "no CMDQ-V was made" test "$(sum_l1 'event_tegra241_cmdqv_*')" -eq 0
    expect "cmdqv=on was refused, with one line" test "$(l1 refused)" -eq ${#refusals[@]}
}

table() {
    row "device" "${L2[model]-?} at ${L2[device]-?}, behind ${L2[iommu]-no IOMMU}"
    row "bytes verified" "${L2[bytes_verified]:-0} (${L2[operations]:-0} random requests, then all)"
    row "refused" "$(l1 refused) of ${#refusals[@]} command lines"
}
