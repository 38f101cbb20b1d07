# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash disable=SC2034,SC2154  # sourced by lab/run, which uses what is set here
#
# Invalidations that the host refuses become errors of the guest's commands: its driver sees CERROR_ILL, gets over it,
# and all goes on. A library between QEMU and the kernel makes them seem to fail.

# shellcheck source=lab/arm64/device-tree/scenario.sh
source "$lab_dir/arm64/device-tree/scenario.sh"

TITLE="host calls that fail are errors of the guest's commands"
EXPECTED_SECONDS=25
L1_PRELOAD=fail-invalidate
failing=5
L1_QEMU_ENV=(FAIL_INVALIDATE_EVERY=100 "FAIL_INVALIDATE_TIMES=$failing")
requests=1000
L2_APPEND+=" lab_ops=$requests"

check() {
    check_set_up
    check_data
    expect "the guest's driver has seen each as an illegal command" test "${L2[cmdq_errors]-}" = "$failing"
    expect "QEMU has reported as many" test "$(l1 event_smmuv3_cmdq_consume_error)" -eq "$failing"
}

table() {
    row "device" "${L2[model]-?} at ${L2[device]-?}, behind ${L2[iommu]-no IOMMU}"
    row "bytes verified" "${L2[bytes_verified]:-0} (${L2[operations]:-0} random requests, then all)"
    row "host calls" "$(l1 event_iommufd_viommu_invalidate), of which $failing failed"
    row "seen in L2" "${L2[cmdq_errors]-0} errors of the command queue"
}
