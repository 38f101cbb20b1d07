# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash disable=SC2034,SC2154  # sourced by lab/run, which uses what is set here
#
# A reset storm: system_reset in the middle of DMA, again and again. The boot that is left alone must find everything
# in order. LAB_RESETS says how many; a device tree makes the boots short.

# shellcheck source=lab/arm64/device-tree/scenario.sh
source "$lab_dir/arm64/device-tree/scenario.sh"

TITLE="system_reset under I/O"
EXPECTED_SECONDS=180
GUEST_TEST=nvme-refill
GUEST_SCRIPTS=(nvme-verify)
L1_SCRIPT=reset-storm
L2_REBOOT=()
resets=${LAB_RESETS:-20}
TIMEOUT=$((120 + resets * 15))
L2_TIMEOUT=$((80 + resets * 15))
L1_FILES=("resets=$resets")
requests=500
L2_APPEND+=" lab_bytes=$disk_bytes lab_ops=$requests"

check() {
    check_set_up
    check_data
    expect "L1 has reset L2 $resets times" test "$(l1 resets)" -eq "$resets"
    no_errors
}
