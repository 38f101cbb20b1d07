# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash disable=SC2034,SC2154  # sourced by lab/run, which uses what is set here
#
# The host's kernel refuses the guest's queues, by a library between QEMU and it: the guest has its VCMDQs all the same,
# as QEMU works on them, and its invalidations are host calls.

# shellcheck source=lab/arm64/cmdqv/scenario.sh
source "$lab_dir/arm64/cmdqv/scenario.sh"

TITLE="VCMDQs that the host's kernel refuses"
EXPECTED_SECONDS=20
L1_PRELOAD=fail-hw-queue
requests=500
L2_APPEND+=" lab_ops=$requests"

check() {
    check_set_up
    check_data
    no_errors
    expect "L2's driver has a CMDQ-V" test "${L2[cmdqv]-}" = 1
    expect "no queue is the host's" test "$(l1 event_tegra241_cmdqv_alloc_queue)" -eq 0
    expect "the kernel's refusals were seen" test "$(l1 event_tegra241_cmdqv_host_error)" -ge 1
    expect "L0 has consumed nothing of L2's" test "$(l0_batches 23)" -eq 0
    expect "QEMU has" test "$(l1 event_tegra241_cmdqv_consume)" -ge "$requests"
    expect "a CMD_SYNC took a host call at most" \
        test "$(l1 event_iommufd_viommu_invalidate)" -le "$(l1 command_SMMU_CMD_SYNC)"
}

table() {
    row "device" "${L2[model]-?} at ${L2[device]-?}, behind ${L2[iommu]-no IOMMU}"
    row "bytes verified" "${L2[bytes_verified]:-0} (${L2[operations]:-0} random requests, then all)"
    row "L1's QEMU" "consumed VCMDQs $(l1 event_tegra241_cmdqv_consume) times, $(l1 event_iommufd_viommu_invalidate) host calls"
}
