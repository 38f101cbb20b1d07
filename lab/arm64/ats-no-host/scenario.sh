# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash disable=SC2034,SC2154  # sourced by lab/run, which uses what is set here
#
# The other half of arm64/ats: a device with ATS, on a host whose SMMU has none, so that its kernel says
# IOMMU_HW_CAP_PCI_ATS_NOT_SUPPORTED. There is no L2: QEMU is only asked for its version in the end.

# shellcheck source=lab/arm64/ats/scenario.sh
source "$lab_dir/arm64/ats/scenario.sh"

TITLE="ATS of a device that the host cannot use"
EXPECTED_SECONDS=25
L2_MACHINE=(--version)
L2_DEVICES=()
L0_MACHINE+=(-global arm-smmuv3.ats=off)

cells=(
    "default||virt|ats=none|$fd $vfio"
    "auto||virt|ats=none|$fd $vfio,ats=auto"
    "off||virt|ats=none|$fd $vfio,ats=off"
    "10.0, default||virt-10.0|ats=0x100|$fd $vfio"
    "10.0, auto||virt-10.0|ats=none|$fd $vfio,ats=auto"
    "10.0, off||virt-10.0|ats=none|$fd $vfio,ats=off"
    "9.2, default||virt-9.2|ats=0x100|$fd $vfio"
    "accelerated, default||virt|ats=none|$fd $smmu,accel=on $vfio"
    "accelerated, off||virt|ats=none|$fd $smmu,accel=on $vfio,ats=off"
    "accelerated, 10.0||virt-10.0|ats=none|$fd $smmu,accel=on $vfio"
)
host="vfio-pci 'dev0': ats=on, but the host cannot use ATS with the device: set ats to off or auto"
refusals=(
    "on|$host|$fd $vfio,ats=on"
    "accelerated, on|$host|$fd $smmu,accel=on $vfio,ats=on"
)
starts=(
    "10.0, on by the user||1|1|ats=on, but the host cannot use ATS with the device|-M virt-10.0 $fd $vfio,ats=on"
    "on by -global, as a machine type has it||0|1|ats=on: device=1 host=0 vIOMMU=1 shown=1|-global vfio-pci.ats=on $fd $vfio -trace vfio_pci_ats"
)
L1_FILES=("config-table=$(printf '%s\n' "${cells[@]}")" "refusals=$(printf '%s\n' "${refusals[@]}")"
          "starts=$(printf '%s\n' "${starts[@]}")")
L1_SETUP_SCRIPTS+=(count-lines)
L1_SETUP+="; sh /lab/count-lines.sh $L1_QEMU_NAME"

check() {
    check_table
    expect "the other ${#starts[@]} starts went as they should" test "$(l1 start_good)" -eq ${#starts[@]}
}

table() {
    row "table" "$(l1 config_good) of ${#cells[@]} rows, $(l1 refused) of ${#refusals[@]} refused"
    row "starts" "$(l1 start_good) of ${#starts[@]}"
}
