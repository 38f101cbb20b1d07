# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash disable=SC2034,SC2154  # sourced by lab/run, which uses what is set here
#
# What QEMU refuses once a real assigned device is at hand: wrong order, no iommufd, and each thing that the host's SMMU
# cannot back; and what auto becomes. Hosts that L0 cannot be are made up by a library between QEMU and the kernel. There
# is no L2: QEMU is only asked for its version in the end.

TITLE="what an assigned device and its host SMMU cannot do is refused"
EXPECTED_SECONDS=30
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
# the host SMMU is not what it is: see lab/shim/fake-host.c
fake="LD_PRELOAD=/lib/fake-host.so"
both="$fd $pxb $smmu,accel=on"
device="$port $vfio,iommufd=fd0"
cannot="$host: remove accel=on"
resolved="-trace smmuv3_accel_resolve $both"
L1_SHIMS=(fake-host)
starts=(
    "plain SMMU after the device|1|'smmuv3.1': vfio-pci 'dev0' is on primary-bus already|$fd $pxb $device $smmu|"
    "accelerated SMMU after the device|1|'smmuv3.1': vfio-pci 'dev0' is on primary-bus already|$fd $pxb $device $smmu,accel=on|"
    "no iommufd|1|vfio-pci 'dev0' cannot be behind the accelerated arm-smmuv3 'smmuv3.1', which takes vfio-pci with iommufd=|$pxb $smmu,accel=on $port $vfio|"
    "too many output address bits|1|'smmuv3.1': IDR5.OAS is 5, but 4 $host: lower oas or set it to auto|$both,oas=48 $device|"
    "too many substreams|1|'smmuv3.1': IDR1.SSIDSIZE is 1, but 0 $host: lower ssidsize or set it to auto|$both,ssidsize=1 $device|"
    "ATS|1|'smmuv3.1': IDR0.ATS is 1, but 0 $host: set ats to off or auto|$both,ats=on $device|"
    "behind a conventional bridge|1|is behind a conventional PCI bridge and has no StreamID of its own|$both $port -device pcie-pci-bridge,id=b1,bus=p1 -device vfio-pci,host=0000:00:03.0,bus=b1,addr=1,iommufd=fd0|"
    "another kind of IOMMU|1|'smmuv3.1': the host IOMMU of 0000:00:03.0 is not an SMMUv3 (its type is 1): remove accel=on|$both $device|$fake FAKE_TYPE=1"
    "stream table levels|1|'smmuv3.1': IDR0.STLEVEL is 1, but 0 $cannot|$both $device|$fake FAKE_IDR=0:0x18000000:0"
    "endianness|1|'smmuv3.1': IDR0.TTENDIAN is 2, but 3 $cannot|$both $device|$fake FAKE_IDR=0:0x600000:0x600000"
    "table format|1|'smmuv3.1': IDR0.TTF is 2, but 1 $cannot|$both $device|$fake FAKE_IDR=0:0xc:0x4"
    "StreamIDs|1|'smmuv3.1': IDR1.SIDSIZE is 16, but 8 $cannot|$both $device|$fake FAKE_IDR=1:0x3f:8"
    "range invalidation|1|'smmuv3.1': IDR3.RIL is 1, but 0 $host: set ril to off or auto|$both,ril=on $device|$fake FAKE_IDR=3:0x400:0"
    "granules|1|'smmuv3.1': IDR5.GRAN4K is 1, but 0 $cannot|$both $device|$fake FAKE_IDR=5:0x10:0"
    "auto on this host|0|ats=0 ril=1 ssidsize=0 oas=44|$resolved $device|"
    "auto on a host with more|0|ats=1 ril=1 ssidsize=16 oas=48|$resolved $device|$fake FAKE_IDR=0:0x400:0x400,1:0x7c0:0x400,5:7:5"
    "auto on a host with too many substreams|0|ssidsize=20|$resolved $device|$fake FAKE_IDR=1:0x7c0:0x7c0"
    "auto on a host with less|0|ats=0 ril=0 ssidsize=0 oas=40|$resolved $device|$fake FAKE_IDR=3:0x400:0,5:7:2"
    "values stay what they are set to|0|ats=0 ril=0 ssidsize=4 oas=32|$resolved,ats=off,ril=off,ssidsize=4,oas=32 $device|$fake FAKE_IDR=0:0x400:0x400,1:0x7c0:0x400,5:7:5"
    "nothing to take auto from|1|'smmuv3.1': |$both|"
    "nothing to take, and nothing auto|0||$both,ats=off,ril=on,ssidsize=0,oas=44|"
)
L1_FILES=("starts=$(printf '%s\n' "${starts[@]}")")
L1_SETUP_SCRIPTS=(starts)
L1_SETUP="sh /lab/starts.sh $L1_QEMU_NAME"

check() {
    expect "all ${#starts[@]} command lines were answered as they should" test "$(l1 good)" -eq ${#starts[@]}
}

table() {
    row "command lines" "$(l1 good) of ${#starts[@]} refused, or taken, with the right words"
}
