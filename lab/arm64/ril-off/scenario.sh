# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash disable=SC2034,SC2154  # sourced by lab/run, which uses what is set here
#
# Like arm64/accel on a device tree, for a guest without range invalidation: a command for each page, and yet a host
# call for each CMD_SYNC at most.

# shellcheck source=lab/arm64/device-tree/scenario.sh
source "$lab_dir/arm64/device-tree/scenario.sh"

TITLE="many invalidations in one host call (ril=off)"
L2_DEVICES=("${L2_DEVICES[@]/accel=on/accel=on,ril=off}")

check() {
    check_set_up
    check_data
    no_errors
    expect "there are at least five times as many TLBI commands as CMD_SYNCs" \
        test "$(sum_l1 '*_TLBI_*')" -ge $((5 * $(l1 command_SMMU_CMD_SYNC)))
    expect "there are no more host calls than CMD_SYNCs" \
        test "$(l1 event_iommufd_viommu_invalidate)" -le "$(l1 command_SMMU_CMD_SYNC)"
}
