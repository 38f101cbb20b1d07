# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash disable=SC2034,SC2154  # sourced by lab/run, which uses what is set here
#
# Faults that the host's SMMU finds reach the guest's event queue, through a vEVENTQ: a user-space program in L2 makes
# the assigned edu device do DMA to addresses that nothing is mapped at.

TITLE="DMA faults reach the guest's event queue"
EXPECTED_SECONDS=20
GUEST_TEST=edu-events
GUEST_TOOLS=(edu-fault)

# shellcheck source=lab/arm64/machine.sh
source "$lab_dir/arm64/machine.sh"

# Four events each; Linux prints ten in five seconds
faults=2
address=0x0dead000

L0_DEVICES=(-device "edu,addr=3")
L1_ASSIGN=(0000:00:03.0)
L2_DEVICES=(
    -object "iommufd,id=iommufd0"
    -device "pxb-pcie,id=pcie.1,bus_nr=8,bus=pcie.0"
    -device "arm-smmuv3,primary-bus=pcie.1,id=smmuv3.1,accel=on"
    -device "pcie-root-port,id=p1,bus=pcie.1,chassis=1,io-reserve=0"
    -device "vfio-pci,host=0000:00:03.0,bus=p1,iommufd=iommufd0"
)
L2_APPEND+=" lab_faults=$faults lab_address=$address"

TRACE_EVENTS=("smmuv3_accel_*" "iommufd_viommu_*")

check() {
    expect "the device's group in L2 is of type DMA" test "${L2[group_type]-}" = DMA
    expect "a vEVENTQ was made" test "$(l1 event_iommufd_viommu_alloc_veventq)" -ge 1
    expect "each fault is in L2's dmesg, with its address" test "${L2[faults_seen]-}" = "$faults"
    expect "the first has the StreamID of 0000:09:00.0" contains "${L2[first_event]-}" "sid: 0x900"
    expect "QEMU passed on at least one event a fault" test "$(l1 event_smmuv3_accel_event)" -ge "$faults"
    expect "no host call failed" test "$(l1 event_smmuv3_accel_host_error)" -eq 0
}

table() {
    row "device" "edu at ${L2[device]-?}, behind ${L2[iommu]-no IOMMU}"
    row "faults" "$faults made, ${L2[faults_seen]-0} seen in L2's dmesg"
    row "events" "$(l1 event_smmuv3_accel_event) passed on, $(l1 event_smmuv3_accel_events_lost) losses"
    row "the first" "${L2[first_event]-?}"
}
