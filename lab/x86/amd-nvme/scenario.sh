# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash disable=SC2034,SC2154  # sourced by lab/run, which uses what is set here
#
# A guest translates the DMA of an assigned NVMe device with an emulated AMD IOMMU, whose page tables QEMU shadows in the
# host. Every word is verified.

TITLE="NVMe behind an AMD vIOMMU with DMA remapping"
EXPECTED_SECONDS=25
GUEST_TEST=nvme-verify

# shellcheck source=lab/x86/machine.sh
source "$lab_dir/x86/machine.sh"

disk=$out/disk.img
disk_bytes=$((64 << 20))
seed=20260101
requests=2000
# 128 KiB each, to count the host calls that one takes
reads=200
group_type=DMA

L0_DEVICES=(-drive "if=none,id=disk,format=raw,file=$disk" -device "nvme,drive=disk,serial=lab,addr=3")
L1_ASSIGN=(0000:00:03.0)

L2_DEVICES=(
    -object "iommufd,id=iommufd0"
    -device "$AMD_IOMMU"
    -device "vfio-pci,host=0000:00:03.0,addr=4,iommufd=iommufd0"
)
L2_APPEND+="$L2_TRANSLATED nvme_core.io_timeout=3 nvme_core.admin_timeout=3 lab_seed=$seed lab_ops=$requests lab_reads=$reads"

# vfio_pci_write_config: the guest's marks
TRACE_EVENTS=("iommufd_backend_map_dma" "iommufd_backend_unmap_dma*" vfio_pci_write_config)

prepare() {
    "$tools/dmaverify" fill "$disk" "$disk_bytes" "$seed"
    disk_sha256=$(sha256sum < "$disk")
    disk_sha256=${disk_sha256%% *}
}

check_set_up() {
    expect "the device's group in L2 is of type $group_type" test "${L2[group_type]-}" = "$group_type"
    expect "the device is behind an AMD IOMMU in L2" contains "${L2[iommu]-}" ivhd
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
    expect "no host call failed" not failed_calls
    expect "the guest's IOMMU logged no event" test "${L2[iommu_events]:-0}" -eq 0
}

# The guest maps 32 pages, which lie anywhere, for a read, and invalidates all of them at once
max_calls_per_read=34

check() {
    check_set_up
    check_data
    expect "DMA was mapped and unmapped in the host" test "$(host_calls | tr -d ' 0')" != ""
    expect "a read of 128 KiB takes at most $max_calls_per_read host calls" \
        at_most "$max_calls_per_read" "$(host_calls_per "$reads" 1 2)"
    no_errors
}

table() {
    row "device" "${L2[model]-?} at ${L2[device]-?}, behind ${L2[iommu]-no IOMMU}"
    row "group type" "${L2[group_type]-?}"
    row "bytes verified" "${L2[bytes_verified]:-0} (${L2[operations]:-0} random requests, then all)"
    row "host calls" "$(host_calls | sed 's/ / maps, /') unmaps"
    row "for 128 KiB" "$(host_calls_per "$reads" 1 2) to read it, in ${L2[read_us]-?} us"
}
