# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash disable=SC2034,SC2154  # sourced by lab/run, which uses what is set here
#
# An event that the host's kernel has lost is an overflow of the guest's event queue (EVENTQ_PROD.OVFLG), and those that
# come after it are not lost as well. A library between QEMU and the kernel loses it.

# shellcheck source=lab/arm64/events/scenario.sh
source "$lab_dir/arm64/events/scenario.sh"

TITLE="events that the host has lost are an overflow in the guest"
L1_PRELOAD=fake-host
L1_QEMU_ENV=(LOSE_EVENT=1)

check() {
    expect "QEMU knows of one loss" test "$(l1 event_smmuv3_accel_events_lost)" -eq 1
    expect "the guest's driver has seen an overflow" test "${L2[faults_lost]-0}" -ge 1
    expect "the last fault is in L2's dmesg all the same" test "${L2[faults_seen]-0}" -ge $((faults - 1))
    expect "no host call failed" test "$(l1 event_smmuv3_accel_host_error)" -eq 0
}
