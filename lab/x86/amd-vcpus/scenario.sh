# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash disable=SC2034,SC2154  # sourced by lab/run, which uses what is set here
#
# More than 255 vCPUs need an IOMMU that remaps interrupts to x2APIC IDs: with xtsup=on, and DMA remapping and an assigned
# device as well, KVM machines with that many are accepted. There is no L2: the machines are made, and not run.

TITLE="more than 255 vCPUs with xtsup"
EXPECTED_SECONDS=10
GUEST_TEST=nvme-verify

# shellcheck source=lab/x86/machine.sh
source "$lab_dir/x86/machine.sh"

L0_DEVICES=(-device "edu,addr=3")
L1_ASSIGN=(0000:00:03.0)
L2_MACHINE=(--version)
TRACE_EVENTS=("amdvi_*")

machine="-M q35,kernel-irqchip=split -cpu EPYC,-svm,+x2apic,-kvm-msi-ext-dest-id"
fd="-object iommufd,id=fd0"
vfio="-device vfio-pci,host=0000:00:03.0,iommufd=fd0"
starts=(
    "256|256||$machine $fd -device amd-iommu,intremap=on,xtsup=on,dma-remap=on $vfio"
    "288|288||$machine $fd -device amd-iommu,intremap=on,xtsup=on,dma-remap=on $vfio"
    "288 without xtsup|288|requires xtsup=on|$machine $fd -device amd-iommu,intremap=on,dma-remap=on $vfio"
)
L1_FILES=("starts=$(printf '%s\n' "${starts[@]}")")
L1_SETUP_SCRIPTS=(vcpus)
L1_SETUP="sh /lab/vcpus.sh"

check() {
    expect "all ${#starts[@]} command lines did as they should" test "$(l1 good)" -eq ${#starts[@]}
}

table() {
    row "as expected" "$(l1 good) of ${#starts[@]} command lines"
}
