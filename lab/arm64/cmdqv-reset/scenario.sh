# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash disable=SC2034,SC2154  # sourced by lab/run, which uses what is set here
#
# A reset storm with queues of the host in the guest: each reset takes them away in the middle of invalidations, and
# each boot gets them again.

# Each takes a boot; the storm itself is in arm64/reset
: "${LAB_RESETS:=5}"
# shellcheck source=lab/arm64/reset/scenario.sh
source "$lab_dir/arm64/reset/scenario.sh"
# shellcheck source=lab/arm64/grace.sh
source "$lab_dir/arm64/grace.sh"

TITLE="system_reset under I/O, with VCMDQs"
EXPECTED_SECONDS=60
L2_DEVICES[3]+=",cmdqv=on"
TRACE_EVENTS+=("tegra241_cmdqv_*" "iommufd_hw_queue_*" iommufd_backend_free_id)

hw_queues_left() {
    awk '/iommufd_hw_queue_alloc .*\(0\)$/ { sub(/.*hw_queue=/, ""); live[$1 + 0] = 1 }
         /iommufd_backend_free_id .*\(0\)$/ { sub(/.* id=/, ""); delete live[$1 + 0] }
         END { n = 0; for (id in live) n++; print n }' "$out/trace.log"
}

check() {
    check_set_up
    check_data
    expect "L1 has reset L2 $resets times" test "$(l1 resets)" -eq "$resets"
    no_errors
    expect "each boot got its two queues" test "$(l1 event_tegra241_cmdqv_alloc_queue)" -ge $((2 * (resets + 1)))
    expect "each reset gave them back" test "$(l1 event_tegra241_cmdqv_free_queue)" -ge $((2 * resets))
    expect "no more than two queues are left" test "$(hw_queues_left)" -le 2
    expect "no host call for a queue failed" test "$(l1 event_tegra241_cmdqv_host_error)" -eq 0
    expect "invalidations went through L2's queues" test "$(l0_invalidations 23)" -ge "$requests"
}

table() {
    row "resets" "$(l1 resets)"
    row "queues" "$(l1 event_tegra241_cmdqv_alloc_queue) allocated, $(l1 event_tegra241_cmdqv_free_queue) freed"
    row "L2's queues" "$(l0_invalidations 23) commands before $(l0_batches 23) CMD_SYNCs"
}
