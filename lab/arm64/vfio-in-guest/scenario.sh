# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash disable=SC2034,SC2154  # sourced by lab/run, which uses what is set here
#
# vfio inside the guest: a user-space driver in L2 has the assigned edu device do DMA and receives its MSIs. L2's kernel
# maps its own ITS at the start of the MSI window there, so the machine has its ITS where the host has the doorbell.

TITLE="a user-space driver in the guest, with DMA and MSIs"
EXPECTED_SECONDS=25
GUEST_TEST=vfio-in-guest
GUEST_TOOLS=(vfio-edu)

# shellcheck source=lab/arm64/machine.sh
source "$lab_dir/arm64/machine.sh"

rounds=50
L0_DEVICES=(-device "edu,addr=3")
L1_ASSIGN=(0000:00:03.0)
L2_DEVICES=(
    -object "iommufd,id=iommufd0"
    -device "pxb-pcie,id=pcie.1,bus_nr=8,bus=pcie.0"
    -device "arm-smmuv3,primary-bus=pcie.1,id=smmuv3.1,accel=on"
    -device "pcie-root-port,id=p1,bus=pcie.1,chassis=1,io-reserve=0"
    -device "vfio-pci,host=0000:00:03.0,bus=p1,iommufd=iommufd0"
)
L2_APPEND+=" lab_rounds=$rounds"

TRACE_EVENTS=("smmuv3_accel_*" "iommufd_viommu_*" virt_msi_doorbell_follow_host)

check() {
    expect "the device's group in L2 is of type DMA" test "${L2[group_type]-}" = DMA
    expect "the machine has moved its ITS" test "$(l1 event_virt_msi_doorbell_follow_host)" -eq 1
    for way in iommufd container; do
        expect "$way: $rounds transfers were right" test "${L2[${way}_rounds]-}" = "$rounds"
        expect "$way: each of them ended with two MSIs" test "${L2[${way}_msis]-}" = $((rounds * 2))
    done
    expect "no host call failed" test "$(l1 event_smmuv3_accel_host_error)" -eq 0
}

table() {
    row "device" "edu at ${L2[device]-?}, behind ${L2[iommu]-no IOMMU}"
    row "iommufd" "${L2[iommufd_rounds]-0} transfers right, ${L2[iommufd_msis]-0} MSIs"
    row "container" "${L2[container_rounds]-0} transfers right, ${L2[container_msis]-0} MSIs"
}
