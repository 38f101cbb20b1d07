# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash disable=SC2034,SC2154  # sourced by lab/run, which uses what is set here
#
# A command that no VCMDQ of a guest takes: L0's hardware stops the queue and interrupts L1, whose kernel reports to
# L1's QEMU, which interrupts L2. L2's driver reads the error maps, puts a CMD_SYNC in its place, and the queue goes on.

# shellcheck source=lab/arm64/cmdqv/scenario.sh
source "$lab_dir/arm64/cmdqv/scenario.sh"

TITLE="an illegal command in a VCMDQ of the guest"
EXPECTED_SECONDS=15
GUEST_TEST=cmdqv-error
GUEST_SCRIPTS=(nvme-verify)
GUEST_TOOLS+=(vcmdq-error)
requests=500
errors=3
L2_APPEND+=" lab_ops=$requests lab_errors=$errors"

check() {
    check_set_up
    check_data
    expect "no host call failed" test "$(l1 event_smmuv3_accel_host_error)" -eq 0
    check_cmdqv
    expect "the hardware stopped the queue $errors times" \
        test "$(l0_vcmdqs 3 | grep -c 'cerror=1')" -eq "$errors"
    expect "QEMU heard of each from the host's kernel" test "$(l1 event_tegra241_cmdqv_event)" -ge "$errors"
    expect "L2's driver read the error maps each time" test "${L2[cmdqv_errors]-}" = "$errors"
    expect "and found an illegal command" test "${L2[cmdq_errors]-}" = "$errors"
    expect "the maps named VINTF 0 and VCMDQ 1" contains "${L2[first_error]-}" "vintf_map: 0000000000000001, vcmdq_map 00000000:00000000:00000000:00000002"
    expect "the queue went on each time" test "${L2[recovered]-}" = "$errors"
}

table() {
    row "errors" "$errors made, ${L2[recovered]-0} times the queue went on"
    row "the first" "${L2[first_error]-?}"
    row "events" "$(l1 event_tegra241_cmdqv_event) from the host, $(l1 event_tegra241_cmdqv_irq) interrupts in L2"
}
