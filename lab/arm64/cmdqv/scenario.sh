# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash disable=SC2034,SC2154  # sourced by lab/run, which uses what is set here
#
# A guest has command queues of the host: an emulated Grace server gives a VINTF of its CMDQ-V to L2, whose driver
# then invalidates without an exit, and without a call that L1's QEMU makes.

# shellcheck source=lab/arm64/device-tree/scenario.sh
source "$lab_dir/arm64/device-tree/scenario.sh"
# shellcheck source=lab/arm64/grace.sh
source "$lab_dir/arm64/grace.sh"

TITLE="command queues of a Tegra241 CMDQ-V, in the guest"
EXPECTED_SECONDS=25
GUEST_TEST=cmdqv-verify
GUEST_SCRIPTS=(nvme-verify)
requests=${LAB_REQUESTS:-6400}
invalidations=10000
TIMEOUT=240 L2_TIMEOUT=200

L2_DEVICES=(
    -object "iommufd,id=iommufd0"
    -device "arm-smmuv3,primary-bus=pcie.0,id=smmuv3.0,accel=on,cmdqv=on"
    -device "pcie-root-port,id=p1,bus=pcie.0,chassis=1,io-reserve=0"
    -device "vfio-pci,id=dev0,host=0000:00:03.0,bus=p1,iommufd=iommufd0"
)
L2_APPEND+=" lab_ops=$requests"
TRACE_EVENTS+=("tegra241_cmdqv_*" "iommufd_hw_queue_*" "smmuv3_*_mmio")

check_cmdqv() {
    expect "L1's driver has the host's CMDQ-V" test "$(l1 cmdqv)" -eq 1
    expect "L1 uses VCMDQs of its own" test "$(l0_batches 01)" -gt 0
    expect "L2's driver has one" test "${L2[cmdqv]-}" = 1
    expect "the host has allocated both queues" test "$(l1 event_tegra241_cmdqv_alloc_queue)" -ge 2
    expect "no host call for a queue failed" test "$(l1 event_tegra241_cmdqv_host_error)" -eq 0
}

check() {
    check_set_up
    check_data
    no_errors
    check_cmdqv
    expect "$invalidations invalidations went through L2's queues" test "$(l0_invalidations 23)" -ge "$invalidations"
    expect "L2 has unmapped about as often" about "${L2[unmaps]-0}" "$(l0_batches 23)"
    expect "none of them was an exit to QEMU" \
        test "$(qemu_events_in_steady_state 'tegra241_cmdqv_(read|write|consume)|smmuv3_(read|write)_mmio')" = 0
    expect "none of them was a host call" test "$(qemu_events_in_steady_state iommufd_)" = 0
    expect "page 0 of the VINTF, at 0x0c0b0000, was not for the host's IOMMU" not grep -q ' 0xc0b0000,' "$out/qemu.log"
    expect "L0 found nothing wrong with a queue" not grep -q 'tegra241_cmdqv_consume .*cerror=[^0]' "$out/l0.log"
}

# Is the first number, of a part of the run, at least nine tenths of the second, and no more?
about() {
    [ "$1" -le "$2" ] && [ $(($1 * 10)) -ge $(($2 * 9)) ]
}

table() {
    row "device" "${L2[model]-?} at ${L2[device]-?}, behind ${L2[iommu]-no IOMMU}"
    row "bytes verified" "${L2[bytes_verified]:-0} (${L2[operations]:-0} random requests, then all)"
    row "L1's queues" "$(l0_invalidations 01) commands before $(l0_batches 01) CMD_SYNCs"
    row "L2's queues" "$(l0_invalidations 23) commands before $(l0_batches 23) CMD_SYNCs; ${L2[unmaps]-?} unmaps in L2"
    row "L1's QEMU" "$(qemu_events_in_steady_state 'tegra241|smmuv3') exits, $(qemu_events_in_steady_state iommufd_) host calls for those"
}
