# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash disable=SC2034,SC2154  # sourced by lab/run, which uses what is set here
#
# Three SMMUs in one machine: two accelerated ones, without range invalidation, with two assigned NVMe devices behind
# the first and one behind the second; and a plain one in front of pcie.0 with an emulated NVMe device. All of them do
# DMA at the same time.

# shellcheck source=lab/arm64/accel/scenario.sh
source "$lab_dir/arm64/accel/scenario.sh"

TITLE="two accelerated SMMUs and a plain one, four devices"
EXPECTED_SECONDS=60
GUEST_TEST=nvme-several
requests=300
devices=4

L0_DEVICES=() L1_ASSIGN=()
for n in 1 2 3; do
    L0_DEVICES+=(-drive "if=none,id=disk$n,format=raw,file=$out/disk$n.img" -device "nvme,drive=disk$n,serial=lab$n,addr=$((n + 2))")
    L1_ASSIGN+=("0000:00:0$((n + 2)).0")
done
L2_DEVICES=(
    -object "iommufd,id=iommufd0"
    -device "pxb-pcie,id=pcie.1,bus_nr=8,bus=pcie.0"
    -device "pxb-pcie,id=pcie.2,bus_nr=16,bus=pcie.0"
    -device "arm-smmuv3,primary-bus=pcie.1,id=smmuv3.1,accel=on,ril=off"
    -device "arm-smmuv3,primary-bus=pcie.2,id=smmuv3.2,accel=on,ril=off"
    -device "arm-smmuv3,primary-bus=pcie.0,id=smmuv3.0"
    -device "pcie-root-port,id=p1,bus=pcie.1,chassis=1,io-reserve=0"
    -device "pcie-root-port,id=p2,bus=pcie.1,chassis=2,io-reserve=0"
    -device "pcie-root-port,id=p3,bus=pcie.2,chassis=3,io-reserve=0"
    -device "vfio-pci,host=0000:00:03.0,bus=p1,iommufd=iommufd0"
    -device "vfio-pci,host=0000:00:04.0,bus=p2,iommufd=iommufd0"
    -device "vfio-pci,host=0000:00:05.0,bus=p3,iommufd=iommufd0"
    -drive "if=none,id=emulated,format=raw,file=/tmp/emulated.img" -device "nvme,drive=emulated,serial=lab4,bus=pcie.0"
)
# The emulated device's file is made in L1, and lost with it
L1_TOOLS=(dmaverify)
L1_SETUP="dmaverify fill /tmp/emulated.img $((8 << 20)) $seed"
L2_APPEND+=" lab_ops=$requests"

prepare() {
    local n
    for n in 1 2 3; do
        "$tools/dmaverify" fill "$out/disk$n.img" $((8 << 20)) "$seed"
    done
}

disks_as_expected() {
    local n
    for n in 1 2 3; do
        "$tools/dmaverify" expect "$out/disk$n.img" "$seed" "$requests" > /dev/null 2>> "$out/disk.log" || return
    done
}

check() {
    expect "all devices were verified in L2" test "${L2[verified]-}" = "$devices"
    expect "they are behind three SMMUs" test "${L2[smmus]-}" = 3
    expect "their groups are of type DMA" test "${L2[group_types]-}" = DMA
    expect "the files behind the assigned devices hold what L2 wrote" disks_as_expected
    expect "two vIOMMUs were made" test "$(l1 event_smmuv3_accel_alloc_viommu)" -eq 2
    no_errors
    expect "there are no more host calls than CMD_SYNCs" \
        test "$(l1 event_iommufd_viommu_invalidate)" -le "$(l1 command_SMMU_CMD_SYNC)"
    expect "several commands go into one call" \
        test "$(l1 event_smmuv3_accel_cmd_queued)" -gt $((2 * $(l1 event_iommufd_viommu_invalidate)))
}

table() {
    row "devices" "$devices NVMe behind ${L2[smmus]-0} SMMUs, ${L2[verified]-0} verified"
    row "guest commands" \
        "$(l1 command_SMMU_CMD_SYNC) CMD_SYNC, $(sum_l1 '*_TLBI_*') TLBI, $(sum_l1 '*_CFGI_*') CFGI"
    row "host calls" "$(l1 event_iommufd_viommu_invalidate) for $(l1 event_smmuv3_accel_cmd_queued) commands"
}
