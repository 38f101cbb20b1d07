# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash disable=SC2034,SC2154  # sourced by lab/run, which uses what is set here
#
# The control for arm64/ats: the same run, but no CMD_ATC_INV has an effect in the host, while all other invalidations
# have. It passes when the check of the data fails: the data of arm64/ats is right because of them.

# shellcheck source=lab/arm64/ats/scenario.sh
source "$lab_dir/arm64/ats/scenario.sh"

TITLE="control: the same with invalidations of the device's cache lost"
EXPECTED_SECONDS=40
L1_SETUP=""
L1_PRELOAD=blunt-atc-inv
L1_QEMU_ENV=(BLUNT_ATC_INV_AFTER=100 BLUNT_ATC_INV_COUNT=/tmp/dropped)

check() {
    check_set_up
    expect "the preloaded library has blunted CMD_ATC_INVs" test "$(l1 dropped)" -gt 0
    expect "the check of the data fails" fails check_data
    expect "L2 reports wrong data or an I/O error" test -n "$(seen)"
}

seen() {
    printf '%s\n' "${L2[wrong_data]-${L2[io_error]-}}"
}

table() {
    row "device" "${L2[model]-?} at ${L2[device]-?}, behind ${L2[iommu]-no IOMMU}"
    row "CMD_ATC_INV" "$(l1 command_SMMU_CMD_ATC_INV), of which $(l1 dropped) had no effect"
    row "seen in L2" "$(seen)"
}
