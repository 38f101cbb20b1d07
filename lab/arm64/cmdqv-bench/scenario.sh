# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash disable=SC2034,SC2154  # sourced by lab/run, which uses what is set here
#
# What a read of 128 KiB takes in L2, in one boot: through VCMDQs, with them bypassed, and without translation (as with
# iommu.passthrough=1). Time under emulation means little by itself; the order of the three is what is checked.

L0_CLOCK=${BENCH_CLOCK:-instructions}
# shellcheck source=lab/arm64/cmdqv/scenario.sh
source "$lab_dir/arm64/cmdqv/scenario.sh"

TITLE="time a read, with VCMDQs, without, and without translation"
EXPECTED_SECONDS=20
GUEST_TEST=cmdqv-bench
reads=${LAB_READS:-300}
L2_APPEND+=" lab_reads=$reads"
# counting exits would slow down those that have some
TRACE_EVENTS=(smmuv3_accel_host_error tegra241_cmdqv_alloc_queue)

# best WHAT: the better of two rounds
best() {
    local a=${L2[us_${1}_1]-0} b=${L2[us_${1}_2]-0}
    echo $((a < b ? a : b))
}

check() {
    expect "L2 could read the device" test -z "${L2[io_error]-}"
    expect "the last reads were without translation" test "${L2[group_type]-}" = identity
    expect "the host has allocated both queues" test "$(l1 event_tegra241_cmdqv_alloc_queue)" -ge 2
    expect "all was measured" test "$(best cmdqv)" -gt 0 -a "$(best accel)" -gt 0 -a "${L2[us_passthrough]-0}" -gt 0
    expect "VCMDQs make a read faster" test "$(best cmdqv)" -lt "$(best accel)"
}

table() {
    row "128 KiB read" "cmdqv=on $(best cmdqv) us, without VCMDQs $(best accel) us, passthrough ${L2[us_passthrough]-?} us"
}
