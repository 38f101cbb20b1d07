# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash disable=SC2034,SC2154  # sourced by lab/run, which uses what is set here
#
# DMA to addresses that the guest has not mapped. An emulated edu device's is found by the vIOMMU, which logs events for
# the guest; an assigned one's is stopped by the host's IOMMU, as the shadow has no mapping there.

TITLE="DMA faults behind an AMD vIOMMU"
EXPECTED_SECONDS=15
GUEST_TEST=edu-events
GUEST_TOOLS=(edu-fault)

# shellcheck source=lab/x86/machine.sh
source "$lab_dir/x86/machine.sh"

# Four events each; Linux prints ten of a device in five seconds
faults=2
address=0x0dead000

L0_DEVICES=(-device "edu,addr=3")
L1_ASSIGN=(0000:00:03.0)
L2_DEVICES=(
    -object "iommufd,id=iommufd0"
    -device "$AMD_IOMMU"
    -device "edu,addr=4"
    -device "vfio-pci,host=0000:00:03.0,addr=5,iommufd=iommufd0"
)
L2_APPEND+="$L2_TRANSLATED lab_faults=$faults lab_address=$address"

TRACE_EVENTS=("amdvi_*fault*")

# How many of the assigned device's bad addresses L1's IOMMU has reported
stopped() {
    local i n=0
    for ((i = 0; i < faults; i++)); do
        grep -qi "DMAR:.*00:03.0.*fault addr $(printf '%#x' $((address + i * 4096)))" "$out/dmesg.log" && n=$((n + 1))
    done
    printf '%s\n' "$n"
}

check() {
    expect "the emulated device's group in L2 is of type DMA" test "${L2[group_type]-}" = DMA
    expect "each fault is in L2's dmesg, with its address" test "${L2[faults_seen]-}" = "$faults"
    expect "the first names the device" contains "${L2[first_event]-}" "${L2[device]-?}"
    expect "the assigned device's group in L2 is of type DMA" test "${L2[second_group_type]-}" = DMA
    expect "L1's IOMMU has stopped the assigned device each time" test "$(stopped)" -eq "$faults"
}

table() {
    row "emulated" "edu at ${L2[device]-?}: $faults faults made, ${L2[faults_seen]-0} seen in L2's dmesg"
    row "assigned" "edu at ${L2[second_device]-?}: $faults faults made, $(stopped) stopped in L1"
    row "the first" "${L2[first_event]-?}"
}
