# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash disable=SC2034,SC2154  # sourced by lab/run, which uses what is set here
#
# A guest does DMA with an assigned NVMe device behind an accelerated SMMUv3, and every word of it is verified.

TITLE="NVMe behind an accelerated SMMUv3"
EXPECTED_SECONDS=30
GUEST_TEST=nvme-verify

# shellcheck source=lab/arm64/machine.sh
source "$lab_dir/arm64/machine.sh"

disk=$out/disk.img
disk_bytes=$((64 << 20))
seed=20260101
requests=2000

L0_DEVICES=(-drive "if=none,id=disk,format=raw,file=$disk" -device "nvme,drive=disk,serial=lab,addr=3")
L1_ASSIGN=(0000:00:03.0)

L2_DEVICES=(
    -object "iommufd,id=iommufd0"
    -device "pxb-pcie,id=pcie.1,bus_nr=8,bus=pcie.0"
    -device "arm-smmuv3,primary-bus=pcie.1,id=smmuv3.1,accel=on"
    -device "pcie-root-port,id=p1,bus=pcie.1,chassis=1,io-reserve=0"
    -device "vfio-pci,host=0000:00:03.0,bus=p1,iommufd=iommufd0"
)
# Strict: an unmapped IOVA is invalidated before it can be used again
L2_APPEND+=" iommu.strict=1 nvme_core.io_timeout=3 nvme_core.admin_timeout=3 lab_seed=$seed lab_ops=$requests"

TRACE_EVENTS=(smmuv3_cmdq_opcode smmuv3_cmdq_consume_error smmuv3_msi smmuv3_read_mmio
              "smmuv3_accel_*" iommufd_backend_alloc_hwpt "iommufd_viommu_*")

prepare() {
    "$tools/dmaverify" fill "$disk" "$disk_bytes" "$seed"
    disk_sha256=$(sha256sum < "$disk")
    disk_sha256=${disk_sha256%% *}
}

check_set_up() {
    expect "the device's group in L2 is of type DMA" test "${L2[group_type]-}" = DMA
    expect "the device is behind an SMMUv3 in L2" contains "${L2[iommu]-}" smmu3
    expect "L1's QEMU attached a nested HWPT" test "$(l1 event_smmuv3_accel_attach_hwpt)" -ge 1
}

check_data() {
    expect "the namespace has the SHA-256 that it was given" test "${L2[sha256]-}" = "$disk_sha256"
    expect "$requests random requests were verified" test "${L2[operations]-}" = "$requests"
    expect "every word was right in L2" test "${L2[verified]-}" = yes
    expect "the file behind the device holds what L2 wrote" disk_as_expected
}

disk_as_expected() {
    "$tools/dmaverify" expect "$disk" "$seed" "$requests" > /dev/null 2>> "$out/disk.log"
}

no_errors() {
    expect "no host call failed" test "$(l1 event_smmuv3_accel_host_error)" -eq 0
    expect "no command of the guest was in error" test "$(l1 event_smmuv3_cmdq_consume_error)" -eq 0
    expect "QEMU freed all objects of the host" not grep -q "Failed to free" "$out/qemu.log"
}

not() {
    ! "$@"
}

# A host call for all that the guest queued up to a CMD_SYNC, at most: the cost model of design.md
check() {
    check_set_up
    check_data
    expect "invalidations were forwarded to the host" test "$(l1 event_iommufd_viommu_invalidate)" -gt 0
    no_errors
    expect "there are no more host calls than CMD_SYNCs" \
        test "$(l1 event_iommufd_viommu_invalidate)" -le "$(l1 command_SMMU_CMD_SYNC)"
    expect "CMD_SYNCs completed in the guest's memory" test "$(l1 event_smmuv3_msi)" -ge "$requests"
    expect "registers were read to set the SMMU up, not for each CMD_SYNC" \
        test "$(l1 event_smmuv3_read_mmio)" -le 100
}

table() {
    row "device" "${L2[model]-?} at ${L2[device]-?}, behind ${L2[iommu]-no IOMMU}"
    row "group type" "${L2[group_type]-?}"
    row "bytes verified" "${L2[bytes_verified]:-0} (${L2[operations]:-0} random requests, then all)"
    row "guest commands" \
        "$(l1 command_SMMU_CMD_SYNC) CMD_SYNC, $(sum_l1 '*_TLBI_*') TLBI, $(sum_l1 '*_CFGI_*') CFGI"
    row "host calls" "$(l1 event_iommufd_viommu_invalidate) for $(l1 event_smmuv3_accel_cmd_queued) commands"
    row "register reads" "$(l1 event_smmuv3_read_mmio); $(l1 event_smmuv3_msi) CMD_SYNCs completed in memory"
    row "nested HWPT" "$(l1 event_smmuv3_accel_attach_hwpt) attached"
}
