# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash disable=SC2034,SC2154  # sourced by lab/run, which uses what is set here
#
# The control for arm64/accel: the same run, with invalidations lost on their way from QEMU to the kernel. It passes
# when arm64/accel's own check of the data fails.

# shellcheck source=lab/arm64/accel/scenario.sh
source "$lab_dir/arm64/accel/scenario.sh"

TITLE="control: the same with invalidations lost"
L1_PRELOAD=drop-invalidate
# Enough for the guest's driver to come up, not enough to read the namespace once
L1_QEMU_ENV=(DROP_INVALIDATE_AFTER=100 DROP_INVALIDATE_COUNT=/tmp/dropped)

check() {
    check_set_up
    expect "the preloaded library kept invalidations from the kernel" test "$(l1 dropped)" -gt 0
    expect "the check of the data fails" fails check_data
    expect "L2 reports wrong data or an I/O error" test -n "$(seen)"
}

seen() {
    printf '%s\n' "${L2[wrong_data]-${L2[io_error]-}}"
}

table() {
    row "device" "${L2[model]-?} at ${L2[device]-?}, behind ${L2[iommu]-no IOMMU}"
    row "host calls" "$(l1 event_iommufd_viommu_invalidate), of which $(l1 dropped) were lost"
    row "seen in L2" "$(seen)"
}
