# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash disable=SC2034,SC2154  # sourced by lab/run, which uses what is set here
#
# Large guest mappings: a program of the guest maps 1 GiB, made of huge pages of 2 MiB, for a device that it has through
# vfio. The host must be called at most once for each run of contiguous memory in each range that the guest invalidates
# (Linux cuts what it has mapped into ranges of naturally aligned powers of two), and not for each page.

# shellcheck source=lab/x86/amd-switch/scenario.sh
source "$lab_dir/x86/amd-switch/scenario.sh"

TITLE="1 GiB of huge pages mapped in the guest"
cycles=1
map_bytes=$((1 << 30)) page_bytes=$((2 << 20))
TRACE_EVENTS+=(amdvi_remap_inval_pages)
L0_MACHINE+=(-m 4G)
L2_MACHINE+=(-m 2G)
L2_APPEND+=" hugepagesz=2M hugepages=$((map_bytes / page_bytes)) lab_cycles=$cycles lab_bytes=$map_bytes lab_page_bytes=$page_bytes"

check() {
    local maps unmaps
    check_set_up
    check_vfio
    read -r maps unmaps <<< "$(host_calls 3 4)"
    expect "the host maps at least once" test "$maps" -ge 1
    expect "it maps at most once for each run and each range that the guest invalidates" \
        test "$maps" -le $(($(runs 3 4) + $(events amdvi_remap_inval_pages 3 4)))
    expect "it does not map page by page" test "$maps" -lt $((map_bytes / page_bytes / 8))
    read -r maps unmaps <<< "$(host_calls 5 6)"
    expect "it unmaps at most once for each run" test "$unmaps" -le "$(runs 3 4)"
    no_errors
}
