# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash disable=SC2034,SC2154  # sourced by lab/run, which uses what is set here
#
# What QEMU refuses once a real assigned device is at hand: wrong order, no iommufd, and what the host's SMMU cannot
# back. There is no L2: QEMU is only asked for its version in the end.

TITLE="what an assigned device and its host SMMU cannot do is refused"
EXPECTED_SECONDS=15
GUEST_TEST=nvme-verify

# shellcheck source=lab/arm64/machine.sh
source "$lab_dir/arm64/machine.sh"

L0_DEVICES=(-device "edu,addr=3")
L1_ASSIGN=(0000:00:03.0)
L2_MACHINE=(--version)
TRACE_EVENTS=("smmuv3_accel_*")

fd="-object iommufd,id=fd0"
pxb="-device pxb-pcie,id=pcie.1,bus_nr=8,bus=pcie.0"
port="-device pcie-root-port,id=p1,bus=pcie.1,chassis=1"
smmu="-device arm-smmuv3,id=smmuv3.1,primary-bus=pcie.1"
vfio="-device vfio-pci,id=dev0,host=0000:00:03.0,bus=p1"
host="in the host SMMU of 0000:00:03.0, which cannot back it"
refusals=(
    "plain SMMU after the device|'smmuv3.1': vfio-pci 'dev0' is on primary-bus already|$fd $pxb $port $vfio,iommufd=fd0 $smmu"
    "accelerated SMMU after the device|'smmuv3.1': vfio-pci 'dev0' is on primary-bus already|$fd $pxb $port $vfio,iommufd=fd0 $smmu,accel=on"
    "no iommufd|vfio-pci 'dev0' cannot be behind the accelerated arm-smmuv3 'smmuv3.1', which takes vfio-pci with iommufd=|$pxb $smmu,accel=on $port $vfio"
    "too many output address bits|'smmuv3.1': IDR5.OAS is 5, but 4 $host: lower oas or set it to auto|$fd $pxb $smmu,accel=on,oas=48 $port $vfio,iommufd=fd0"
    "too many substreams|'smmuv3.1': IDR1.SSIDSIZE is 1, but 0 $host: lower ssidsize or set it to auto|$fd $pxb $smmu,accel=on,ssidsize=1 $port $vfio,iommufd=fd0"
    "ATS|'smmuv3.1': IDR0.ATS is 1, but 0 $host: set ats to off or auto|$fd $pxb $smmu,accel=on,ats=on $port $vfio,iommufd=fd0"
    "behind a conventional bridge|is behind a conventional PCI bridge and has no StreamID of its own|$fd $pxb $smmu,accel=on $port -device pcie-pci-bridge,id=b1,bus=p1 -device vfio-pci,host=0000:00:03.0,bus=b1,addr=1,iommufd=fd0"
)
L1_FILES=("refusals=$(printf '%s\n' "${refusals[@]}")")
L1_SETUP_SCRIPTS=(refusals)
L1_SETUP="sh /lab/refusals.sh $L1_QEMU_NAME"

check() {
    expect "all ${#refusals[@]} command lines were refused, with one line each" test "$(l1 refused)" -eq ${#refusals[@]}
}

table() {
    row "refused" "$(l1 refused) of ${#refusals[@]} command lines, with the right words"
}
