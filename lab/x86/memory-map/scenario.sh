# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash disable=SC2034,SC2154  # sourced by lab/run, which uses what is set here
#
# The emulated host itself: a processor reads a register of the HPET while another one has the memory map change, by the
# BARs of a device. It must not get anything else, and L0 must not abort: all that the lab shows rests on this.

TITLE="a host whose memory map changes"
EXPECTED_SECONDS=20
GUEST_TEST=nvme-verify
GUEST_TOOLS=(mapstress)

# shellcheck source=lab/x86/machine.sh
source "$lab_dir/x86/machine.sh"

seconds=10
L0_DEVICES=(-smp 2 -device "edu,addr=3")
L1_ASSIGN=()
L1_TOOLS=(mapstress)
# HPET, General Capabilities and ID: the upper half is the clock's period
L1_SETUP_SCRIPTS=(memory-map)
L1_SETUP="sh /lab/memory-map.sh /sys/bus/pci/devices/0000:00:03.0/config fed00004 $seconds"
L2_MACHINE=(--version)
L2_DEVICES=()
TRACE_EVENTS=()

check() {
    expect "the map changed" test "$(l1 toggles)" -ge 1000
    expect "the register was read meanwhile" test "$(l1 reads)" -ge 1000
    expect "it was never anything else" test "${L1[wrong]-}" = 0
}

table() {
    row "changes" "$(l1 toggles) of the memory map"
    row "reads" "$(l1 reads) meanwhile, ${L1[wrong]-?} wrong"
}
