# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash disable=SC2034,SC2154  # sourced by lab/run, which uses what is set here
#
# The control for x86/amd-nvme: the same run, with unmaps lost on their way from QEMU to the kernel. It passes when
# x86/amd-nvme's own check of the data fails.

# shellcheck source=lab/x86/amd-nvme/scenario.sh
source "$lab_dir/x86/amd-nvme/scenario.sh"

TITLE="control: the same with unmaps lost"
EXPECTED_SECONDS=15
L1_PRELOAD=drop-unmap
# Enough for the guest's driver to come up, not enough to read the namespace once
L1_QEMU_ENV=(DROP_UNMAP_AFTER=150 DROP_UNMAP_COUNT=/tmp/dropped)

check() {
    check_set_up
    expect "the preloaded library kept unmaps from the kernel" test "$(l1 dropped)" -gt 0
    expect "the check of the data fails" fails check_data
    expect "L2 reports wrong data or an I/O error" test -n "$(seen)"
}

seen() {
    printf '%s\n' "${L2[wrong_data]-${L2[io_error]-}}"
}

table() {
    row "device" "${L2[model]-?} at ${L2[device]-?}, behind ${L2[iommu]-no IOMMU}"
    row "host calls" "$(host_calls | sed 's/ / maps, /') unmaps, of which $(l1 dropped) were lost"
    row "seen in L2" "$(seen)"
}
