# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash disable=SC2034,SC2154  # sourced by lab/run, which uses what is set here
#
# A host with two SMMUs, of which one has a CMDQ-V, and firmware on both levels: L1 and L2 find it through ACPI. L2 has
# a device behind each; cmdqv=auto makes its first SMMU one with a CMDQ-V, and the second one without. Before that, QEMU
# refuses what cmdqv=on can't be honoured for; a VINTF has 16 StreamIDs, so 16 more devices make one too many.

# shellcheck source=lab/arm64/two-smmus/scenario.sh
source "$lab_dir/arm64/two-smmus/scenario.sh"
# shellcheck source=lab/arm64/grace.sh
source "$lab_dir/arm64/grace.sh"

TITLE="two SMMUs of the host, one with a CMDQ-V; ACPI"
EXPECTED_SECONDS=30
TIMEOUT=240 L2_TIMEOUT=200
devices=2
L0_MACHINE+=(-bios "${FIRMWARE[0]}")
L0_DEVICES=(-device "pxb-pcie,id=pcie.1,bus_nr=8,bus=pcie.0,addr=8"
            -device "arm-smmuv3,primary-bus=pcie.1,stage=nested"
            -device "pcie-root-port,id=rp1,bus=pcie.1,chassis=1,io-reserve=0"
            -drive "if=none,id=disk1,format=raw,file=$out/disk1.img" -device "nvme,drive=disk1,serial=lab1,bus=pcie.0,addr=3"
            -drive "if=none,id=disk2,format=raw,file=$out/disk2.img" -device "nvme,drive=disk2,serial=lab2,bus=rp1")
L1_ASSIGN=(0000:00:03.0 0000:09:00.0)
sids=16
more="" more_ports=""
for slot in $(seq 10 $((9 + sids))); do
    host=$(printf '0000:00:%02x.0' "$slot")
    L0_DEVICES+=(-device "$(printf 'edu,bus=pcie.0,addr=0x%x' "$slot")")
    L1_ASSIGN+=("$host")
    more+=" -device vfio-pci,host=$host,iommufd=fd0,bus=q$slot"
    more_ports+=" -device pcie-root-port,id=q$slot,bus=pcie.1,chassis=$slot"
done
L2_DEVICES=(
    -object "iommufd,id=iommufd0"
    -device "pxb-pcie,id=pcie.1,bus_nr=8,bus=pcie.0"
    -device "pxb-pcie,id=pcie.2,bus_nr=16,bus=pcie.0"
    -device "arm-smmuv3,primary-bus=pcie.1,id=smmuv3.1,accel=on,identifier=7"
    -device "arm-smmuv3,primary-bus=pcie.2,id=smmuv3.2,accel=on"
    -device "pcie-root-port,id=p1,bus=pcie.1,chassis=1,io-reserve=0"
    -device "pcie-root-port,id=p2,bus=pcie.2,chassis=2,io-reserve=0"
    -device "vfio-pci,host=0000:00:03.0,bus=p1,iommufd=iommufd0"
    -device "vfio-pci,host=0000:09:00.0,bus=p2,iommufd=iommufd0"
)
L1_TOOLS=()

ports="-object iommufd,id=fd0 -device pxb-pcie,id=pcie.1,bus_nr=8,bus=pcie.0"
ports+=" -device arm-smmuv3,id=smmuv3.1,primary-bus=pcie.1,accel=on,cmdqv=on"
ports+=" -device pcie-root-port,id=p1,bus=pcie.1,chassis=1 -device pcie-root-port,id=p2,bus=pcie.1,chassis=2"
with="-device vfio-pci,host=0000:00:03.0,iommufd=fd0"
without="-device vfio-pci,host=0000:09:00.0,iommufd=fd0"
refusals=(
    "the SMMU without as the second|'smmuv3.1': 0000:09:00.0 is behind another host SMMU than the devices already there|$ports $with,bus=p1 $without,bus=p2"
    "the SMMU without as the first|'smmuv3.1': cmdqv is on, but the host SMMU of 0000:09:00.0 has no Tegra241 CMDQ-V|$ports $without,bus=p1 $with,bus=p2"
    "more devices than StreamIDs|'smmuv3.1': cmdqv has StreamIDs for $sids devices, $host is one too many|$ports $more_ports $with,bus=p1 $more"
)
L1_FILES=("refusals=$(printf '%s\n' "${refusals[@]}")")
L1_SETUP_SCRIPTS=(refusals)
L1_SETUP+="; sh /lab/refusals.sh $L1_QEMU_NAME"
L2_APPEND+=" lab_devices=$devices"
TRACE_EVENTS+=("tegra241_cmdqv_*" "iommufd_hw_queue_*")

prepare() {
    local n
    for n in 1 2; do
        "$tools/dmaverify" fill "$out/disk$n.img" $((8 << 20)) "$seed"
    done
}

disks_as_expected() {
    local n
    for n in 1 2; do
        "$tools/dmaverify" expect "$out/disk$n.img" "$seed" "$requests" > /dev/null 2>> "$out/disk.log" || return
    done
}

check() {
    expect "all devices were verified in L2" test "${L2[verified]-}" = "$devices"
    expect "they are behind two SMMUs" test "${L2[smmus]-}" = 2
    expect "their groups are of type DMA" test "${L2[group_types]-}" = DMA
    expect "the files behind the assigned devices hold what L2 wrote" disks_as_expected
    expect "two vIOMMUs were made" test "$(l1 event_smmuv3_accel_alloc_viommu)" -eq 2
    no_errors
    expect "L1's driver has the host's CMDQ-V, by ACPI" test "$(l1 cmdqv)" -eq 1
    expect "L2's driver has one, by ACPI" test "${L2[cmdqv]-}" = 1
    expect "two SMMUs behind one with cmdqv=on were refused" test "$(l1 refused)" -eq ${#refusals[@]}
    expect "there is one in L1's QEMU" test "$(l1 event_tegra241_cmdqv_create)" -eq 1
    expect "the host has allocated its queues" test "$(l1 event_tegra241_cmdqv_alloc_queue)" -ge 2
    expect "invalidations of the one went through L2's queues" test "$(l0_invalidations 23)" -ge "$requests"
    expect "those of the other were host calls" test "$(l1 event_iommufd_viommu_invalidate)" -ge "$requests"
}

table() {
    row "devices" "$devices NVMe behind ${L2[smmus]-0} SMMUs, ${L2[verified]-0} verified"
    row "L2's queues" "$(l0_invalidations 23) commands before $(l0_batches 23) CMD_SYNCs"
    row "host calls" "$(l1 event_iommufd_viommu_invalidate) for the SMMU without"
}
