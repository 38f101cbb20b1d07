# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash disable=SC2034,SC2154  # sourced by lab/run, which uses what is set here
#
# L2's driver keeps away from its VCMDQs (bypass_vcmdq): then its invalidations are host calls again, and as good.

# shellcheck source=lab/arm64/cmdqv/scenario.sh
source "$lab_dir/arm64/cmdqv/scenario.sh"

TITLE="the guest's driver bypasses its VCMDQs"
EXPECTED_SECONDS=20
requests=1000
L2_APPEND+=" lab_ops=$requests lab_bypass=Y"

check() {
    check_set_up
    check_data
    no_errors
    check_cmdqv
    expect "the invalidations were host calls" test "$(qemu_events_in_steady_state iommufd_viommu_invalidate)" -ge "$requests"
}

table() {
    row "device" "${L2[model]-?} at ${L2[device]-?}, behind ${L2[iommu]-no IOMMU}"
    row "bytes verified" "${L2[bytes_verified]:-0} (${L2[operations]:-0} random requests, then all)"
    row "host calls" "$(qemu_events_in_steady_state iommufd_viommu_invalidate) for ${L2[unmaps]-?} unmaps in L2"
}
