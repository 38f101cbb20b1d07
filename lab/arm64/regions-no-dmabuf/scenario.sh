# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash disable=SC2034,SC2154  # sourced by lab/run, which uses what is set here
#
# The guest of arm64/regions on a kernel that has dma-bufs, but maps none for DMA (a library between QEMU and the kernel
# says so): DMA from device to device fails, and QEMU says so once. It is also the control for arm64/regions.

# shellcheck source=lab/arm64/regions/scenario.sh
source "$lab_dir/arm64/regions/scenario.sh"

TITLE="a host that maps no dma-bufs: one notice, no DMA between devices"
EXPECTED_SECONDS=25
L1_SETUP=""
L1_QEMU_ENV=(HOST_MAP_FILE=95)

notices() {
    grep -c "warning: vfio: the kernel does not map BARs of assigned devices for DMA by others" "$out/qemu.log" || true
}

check() {
    expect "DMA of one device has not reached the other's BAR" test "${L2[p2p]-}" = no
    expect "QEMU has said so, once" test "$(notices)" -eq 1
    expect "and nothing else" test "$(warnings)" -eq 1
}

table() {
    row "DMA to a BAR" "${L2[p2p]-?}: ${L2[found]-?}"
    row "notices" "$(notices)"
}
