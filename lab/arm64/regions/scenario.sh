# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash disable=SC2034,SC2154  # sourced by lab/run, which uses what is set here
#
# Regions of assigned devices. First, what QEMU makes of the kernel's answers about them: some are the kernel's own, some
# come from a library between them, as the lab's devices have no sparse areas, good or bad. Then a guest with two devices,
# one of which does DMA to the other's BAR, also after the guest has reset that: all of this is real.

TITLE="regions: areas, alignment, and DMA between devices"
EXPECTED_SECONDS=40
GUEST_TEST=edu-p2p
GUEST_TOOLS=(edu-peer)

# shellcheck source=lab/arm64/machine.sh
source "$lab_dir/arm64/machine.sh"

L0_DEVICES=(-device "edu,addr=3,dma_mask=0xffffffffffff" -device "nvme,addr=4,serial=lab")
L1_ASSIGN=(0000:00:03.0 0000:00:04.0)
L1_PRELOAD=host-answers
L2_DEVICES=(
    -object "iommufd,id=iommufd0"
    -device "pxb-pcie,id=pcie.1,bus_nr=8,bus=pcie.0"
    -device "arm-smmuv3,primary-bus=pcie.1,id=smmuv3.1,accel=on"
    -device "pcie-root-port,id=p1,bus=pcie.1,chassis=1,io-reserve=0"
    -device "pcie-root-port,id=p2,bus=pcie.1,chassis=2,io-reserve=0"
    -device "vfio-pci,host=0000:00:03.0,bus=p1,iommufd=iommufd0"
    -device "vfio-pci,host=0000:00:04.0,bus=p2,iommufd=iommufd0"
)
# Stage 1 is bypassed, so that the test, a program in user space, knows the address of a BAR as devices see it
L2_APPEND+=" iommu.passthrough=1"
TRACE_EVENTS=("smmuv3_accel_*" iommufd_file_map vfio_region_create_dmabuf vfio_region_no_dmabuf
              vfio_pci_flr)

answers="LD_PRELOAD=/lib/host-answers.so"
fd="-object iommufd,id=fd0"
vfio="-device vfio-pci,id=dev0,host=0000:00:03.0,addr=5,iommufd=fd0"
both="$vfio -device vfio-pci,id=dev1,host=0000:00:04.0,addr=6,iommufd=fd0"
bad="vfio 0000:00:03.0: the kernel's sparse area"
remedy="of region 0 [(]size 0x100000[)]"
starts=(
    "the whole BAR, aligned to its size||0|1|region 0 at 0x[0-9a-f]*00000, size 0x100000 aligned to 0x100000|$fd $vfio -trace vfio_region_reserve_va"
    "areas are sorted|$answers HOST_SPARSE=0x80000+0x40000,0x1000+0x3000|0|1|sparse entry 0 .0x1000 - 0x3fff|$fd $vfio -trace vfio_region_sparse_mmap_entry"
    "areas are mapped at their offsets|$answers HOST_SPARSE=0x80000+0x40000,0x1000+0x3000|0|2|mmaps.[01]. .0x1000 - 0x3fff%mmaps.[01]. .0x80000 - 0xbffff|$fd $vfio -trace vfio_region_mmap"
    "an odd area in a region aligned to its size|$answers HOST_SPARSE=0+0xc1000|0|1|region 0 at 0x[0-9a-f]*00000, size 0x100000 aligned to 0x100000|$fd $vfio -trace vfio_region_reserve_va"
    "empty areas do not count|$answers HOST_SPARSE=0x5000+0,0+0x1000|0|1|mmaps|$fd $vfio -trace vfio_region_mmap"
    "no area at all|$answers HOST_SPARSE=0x5000+0|0|0|mmaps|$fd $vfio -trace vfio_region_mmap"
    "overlap|$answers HOST_SPARSE=0+0x3000,0x2000+0x1000|1|1|$bad 0x2000[+]0x1000 $remedy overlaps another: set x-no-mmap=on|$fd $vfio"
    "overlap, not in order|$answers HOST_SPARSE=0x2000+0x1000,0+0x3000|1|1|$bad 0x2000[+]0x1000 $remedy overlaps another|$fd $vfio"
    "the same twice|$answers HOST_SPARSE=0+0x1000,0+0x1000|1|1|$bad 0x0[+]0x1000 $remedy overlaps another|$fd $vfio"
    "beyond the end|$answers HOST_SPARSE=0xff000+0x2000|1|1|$bad 0xff000[+]0x2000 $remedy exceeds the region|$fd $vfio"
    "beyond the last address|$answers HOST_SPARSE=0x1000+0xfffffffffffff000|1|1|$bad 0x1000[+]0xfffffffffffff000 $remedy exceeds the region|$fd $vfio"
    "not aligned|$answers HOST_SPARSE=0x800+0x1000|1|1|$bad 0x800[+]0x1000 $remedy is no whole pages|$fd $vfio"
    "no whole pages|$answers HOST_SPARSE=0+0x1800|1|1|$bad 0x0[+]0x1800 $remedy is no whole pages|$fd $vfio"
    "more areas than there are|$answers HOST_SPARSE=0+0x1000 HOST_SPARSE_COUNT=0x7fffffff|1|1|names 2147483647 sparse areas of region 0 but gives fewer|$fd $vfio"
    "a capability that points to itself|$answers HOST_CAP_NEXT=0x20|1|1|capabilities of region 0 are broken, at 0x20|$fd $vfio"
    "a capability beyond the end|$answers HOST_CAP_NEXT=0x10000|1|1|capabilities of region 0 are broken, at 0x10000|$fd $vfio"
    "the remedy: no mapping|$answers HOST_SPARSE=0+0x3000,0x2000+0x1000|0|0|mmaps|$fd $vfio,x-no-mmap=on -trace vfio_region_mmap"
    "a dma-buf for each mapped area||0|2|00:03.0 region 0 area 0x0[+]0x100000 fd [0-9]%00:04.0 region 0 area 0x0[+]0x4000 fd [0-9]|$fd $both -trace vfio_region_create_dmabuf"
    "no dma-bufs: one notice|$answers HOST_DMABUF=25|0|1|warning: vfio: the kernel does not map BARs of assigned devices for DMA by others|$fd $both"
)
L1_FILES=("starts=$(printf '%s\n' "${starts[@]}")")
L1_SETUP_SCRIPTS=(count-lines)
L1_SETUP="sh /lab/count-lines.sh $L1_QEMU_NAME"

check_starts() {
    expect "QEMU made of all ${#starts[@]} answers what it should" test "$(l1 start_good)" -eq ${#starts[@]}
}

warnings() {
    grep -c warning "$out/qemu.log" || true
}

check() {
    check_starts
    expect "the devices are behind an SMMUv3 in L2" contains "${L2[iommu]-}" smmu3
    expect "QEMU has mapped dma-bufs" test "$(l1 event_iommufd_file_map)" -ge 2
    expect "DMA of one device has reached the other's BAR" test "${L2[p2p]-}" = yes
    expect "L2 has reset the other, QEMU has mapped its BAR again" test "$(l1 event_vfio_pci_flr)" -ge 1
    expect "DMA still reaches it" test "${L2[p2p_after_reset]-}" = yes
    expect "QEMU had nothing to warn of" test "$(warnings)" -eq 0
}

table() {
    row "answers" "$(l1 start_good) of ${#starts[@]} were taken as they should be"
    row "devices" "edu and NVMe, behind ${L2[iommu]-no IOMMU}"
    row "DMA to a BAR" "${L2[p2p]-?}: ${L2[found]-?}, at ${L2[bar]-?}"
    row "after a reset" "${L2[p2p_after_reset]-?}: ${L2[found_after_reset]-?}"
    row "dma-bufs" "$(l1 event_iommufd_file_map) mapped"
}
