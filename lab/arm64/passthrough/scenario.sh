# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash disable=SC2034,SC2154  # sourced by lab/run, which uses what is set here
#
# A guest that does not translate (iommu.passthrough=1): its STE says bypass, and nothing is left to invalidate.

# shellcheck source=lab/arm64/accel/scenario.sh
source "$lab_dir/arm64/accel/scenario.sh"

TITLE="a passthrough guest"
L2_APPEND+=" iommu.passthrough=1"

check() {
    expect "the device's group in L2 is of type identity" test "${L2[group_type]-}" = identity
    expect "the device is behind an SMMUv3 in L2" contains "${L2[iommu]-}" smmu3
    check_data
    no_errors
    expect "no stage 1 was installed" test "$(l1 event_smmuv3_accel_install_ste)" -eq 0
    expect "the data took no invalidation" test "$(sum_l1 '*_TLBI_NH_VA*')" -eq 0
}
