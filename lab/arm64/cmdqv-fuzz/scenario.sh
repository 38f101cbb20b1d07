# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash disable=SC2034,SC2154  # sourced by lab/run, which uses what is set here
#
# A guest writes nonsense to the registers of its CMDQ-V, trapped ones and those that are the host's: neither L1's QEMU
# nor L1's kernel nor L0 minds, no queue of the host is left over, and bad configurations end in errors.

# shellcheck source=lab/arm64/cmdqv/scenario.sh
source "$lab_dir/arm64/cmdqv/scenario.sh"
hw_queues_left() {
    awk '/iommufd_hw_queue_alloc .*\(0\)$/ { sub(/.*hw_queue=/, ""); live[$1 + 0] = 1 }
         /iommufd_backend_free_id .*\(0\)$/ { sub(/.* id=/, ""); delete live[$1 + 0] }
         END { n = 0; for (id in live) n++; print n }' "$out/trace.log"
}

TITLE="nonsense in the registers of an assigned CMDQ-V"
EXPECTED_SECONDS=20
GUEST_TEST=cmdqv-fuzz
GUEST_TOOLS+=(cmdqv-nonsense)
requests=300
writes=${LAB_WRITES:-5000}
L2_APPEND+=" lab_ops=$requests lab_writes=$writes"
TRACE_EVENTS+=(iommufd_backend_free_id)

check() {
    check_set_up
    check_data
    expect "$writes writes were made" test "${L2[fuzzed]-}" = "$writes"
    expect "queues became the host's meanwhile" test "$(l1 event_tegra241_cmdqv_alloc_queue)" -gt 2
    expect "none of them is left" test "$(hw_queues_left)" -eq 0
    expect "QEMU freed all objects of the host" not grep -q "Failed to" "$out/qemu.log"
    expect "BASE beyond RAM is an error" test "${L2[error_base_beyond_ram]-}" = yes
    expect "LOG2SIZE beyond the limit is an error" test "${L2[error_size_beyond_limit]-}" = yes
    expect "PROD beyond the queue is an error" test "${L2[error_prod_beyond_queue]-}" = yes
    expect "allocating a queue in use anew is an error" test "${L2[error_reallocate_in_use]-}" = yes
    expect "without an allocation nothing is enabled" test "${L2[nothing_allocated]-}" = 0
}

table() {
    row "writes" "${L2[fuzzed]-0}; queues allocated $(l1 event_tegra241_cmdqv_alloc_queue) times, freed $(l1 event_tegra241_cmdqv_free_queue) times"
    row "host" "$(l1 event_tegra241_cmdqv_host_error) queues refused, $(l1 event_tegra241_cmdqv_event) events"
}
