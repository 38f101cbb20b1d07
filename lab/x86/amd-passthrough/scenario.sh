# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash disable=SC2034,SC2154  # sourced by lab/run, which uses what is set here
#
# Like x86/amd-nvme, but the guest leaves DMA untranslated: all of its memory is mapped once, and no I/O costs a host call.

# shellcheck source=lab/x86/amd-nvme/scenario.sh
source "$lab_dir/x86/amd-nvme/scenario.sh"

TITLE="the same with iommu.passthrough=1"
EXPECTED_SECONDS=15
group_type=identity
L2_APPEND=${L2_APPEND/"$L2_TRANSLATED"/ iommu.passthrough=1}

check() {
    check_set_up
    check_data
    expect "a read of 128 KiB takes no host call" test "$(host_calls 1 2)" = "0 0"
    no_errors
}
