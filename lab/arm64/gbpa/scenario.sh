# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash disable=SC2034,SC2154  # sourced by lab/run, which uses what is set here
#
# The SMMU off and on again, behind its driver's back: off, DMA goes to guest physical addresses, or nowhere with
# GBPA.ABORT; on, what the stream table says counts again. Without firmware nothing is at the end of memory, so mem=
# leaves a piece there for this.

# shellcheck source=lab/arm64/events/scenario.sh
source "$lab_dir/arm64/events/scenario.sh"

TITLE="SMMUEN off and on, GBPA.ABORT"
GUEST_TEST=edu-off-on
GUEST_TOOLS=(edu-gbpa)
# the guest's memory is above the 28 bits that edu has of its own
L0_DEVICES=(-device "edu,addr=3,dma_mask=0xffffffff")
L2_MACHINE=(-M "virt,gic-version=3" -accel kvm -cpu host -m 512M -kernel /lab/Image -initrd /lab/initrd)
L2_DEVICES=(
    -object "iommufd,id=iommufd0"
    -device "arm-smmuv3,primary-bus=pcie.0,id=smmuv3.0,accel=on"
    -device "pcie-root-port,id=p1,bus=pcie.0,chassis=1,io-reserve=0"
    -device "vfio-pci,host=0000:00:03.0,bus=p1,iommufd=iommufd0"
)
L2_APPEND+=" mem=480M lab_memory=0x5f000000"

check() {
    expect "the device's group in L2 is of type DMA" test "${L2[group_type]-}" = DMA
    expect "on: nothing is mapped, DMA is aborted" test "${L2[dma_on]-}" = aborted
    expect "off: DMA passes" test "${L2[dma_off]-}" = passes
    expect "off, GBPA.ABORT: DMA is aborted" test "${L2[dma_off_abort]-}" = aborted
    expect "off, GBPA.ABORT cleared: DMA passes" test "${L2[dma_off_again]-}" = passes
    expect "on again: DMA is aborted" test "${L2[dma_on_again]-}" = aborted
    expect "no host call failed" test "$(l1 event_smmuv3_accel_host_error)" -eq 0
}

table() {
    row "device" "edu at ${L2[device]-?}, behind ${L2[iommu]-no IOMMU}"
    row "SMMU on, off" "${L2[dma_on]-?}, ${L2[dma_off]-?}"
    row "GBPA.ABORT 1, 0" "${L2[dma_off_abort]-?}, ${L2[dma_off_again]-?}"
    row "on again" "${L2[dma_on_again]-?}"
}
