# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash disable=SC2034,SC2154  # sourced by lab/run, which uses what is set here
#
# Like x86/amd-nvme, but the guest asks for lazy invalidation. An IOMMU with NpCache, which tells the guest to invalidate
# what it has mapped, makes Linux stay strict: here it must say so.

# shellcheck source=lab/x86/amd-nvme/scenario.sh
source "$lab_dir/x86/amd-nvme/scenario.sh"

TITLE="the same with iommu.strict=0"
L2_APPEND=${L2_APPEND/iommu.strict=1/iommu.strict=0}

check() {
    check_set_up
    check_data
    expect "L2's driver has seen NpCache and stays strict" test "${L2[np_cache]-}" = yes
    no_errors
}
