# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash disable=SC2034,SC2154  # sourced by lab/run, which uses what is set here
#
# A host with two SMMUs, each before a host bridge of its own (which takes firmware and ACPI in L0). What is behind one
# SMMU of the guest must be behind one of the host. There is no L2: QEMU is only asked for its version in the end.

TITLE="devices of two host SMMUs need two SMMUs in the guest"
EXPECTED_SECONDS=30
GUEST_TEST=nvme-verify

# shellcheck source=lab/arm64/machine.sh
source "$lab_dir/arm64/machine.sh"

L0_MACHINE=(-M "virt,virtualization=on,gic-version=3" -cpu "max,sve=off,lpa2=off,pauth-impdef=on"
            -accel "tcg,thread=multi" -smp 2 -m 2G -bios "${FIRMWARE[0]}")
L0_DEVICES=()
for n in 1 2; do
    L0_DEVICES+=(
        -device "pxb-pcie,id=host$n,bus_nr=$((n * 32)),bus=pcie.0"
        -device "arm-smmuv3,id=hostsmmu$n,primary-bus=host$n,stage=nested"
        -device "pcie-root-port,id=hp$n,bus=host$n,chassis=$n,slot=0"
        -device "edu,bus=hp$n"
    )
done
L1_ASSIGN=(0000:21:00.0 0000:41:00.0)
L2_MACHINE=(--version)
TRACE_EVENTS=("smmuv3_accel_*")

fd="-object iommufd,id=fd0"
one="-device pxb-pcie,id=pcie.1,bus_nr=8,bus=pcie.0 -device arm-smmuv3,id=smmuv3.1,primary-bus=pcie.1,accel=on"
other="-device pxb-pcie,id=pcie.2,bus_nr=16,bus=pcie.0 -device arm-smmuv3,id=smmuv3.2,primary-bus=pcie.2,accel=on"
port1="-device pcie-root-port,id=p1,bus=pcie.1,chassis=1"
port2="-device pcie-root-port,id=p2,chassis=2,slot=1"
first="-device vfio-pci,id=dev1,host=0000:21:00.0,bus=p1,iommufd=fd0"
second="-device vfio-pci,id=dev2,host=0000:41:00.0,bus=p2,iommufd=fd0"
starts=(
    "an SMMU for each|0||$fd $one $other $port1 $port2,bus=pcie.2 $first $second|"
    "one SMMU for both|1|vfio 0000:41:00.0: |$fd $one $port1 $port2,bus=pcie.1 $first $second|"
)
L1_FILES=("starts=$(printf '%s\n' "${starts[@]}")")
L1_SETUP_SCRIPTS=(starts)
L1_SETUP="sh /lab/starts.sh $L1_QEMU_NAME"

check() {
    expect "both command lines were answered as they should" test "$(l1 good)" -eq ${#starts[@]}
}

table() {
    row "command lines" "$(l1 good) of ${#starts[@]} refused, or taken, with the right words"
}
