# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash disable=SC2034,SC2154  # sourced by lab/run, which uses what is set here
#
# An STE that the host refuses is a bad STE for the guest: an event says so, the device's DMA is aborted, and QEMU goes
# on. A library between QEMU and the kernel refuses it.

# shellcheck source=lab/arm64/events/scenario.sh
source "$lab_dir/arm64/events/scenario.sh"

TITLE="an STE that the host refuses is an event in the guest"
L1_PRELOAD=fake-host
# QEMU makes two for its own use
L1_QEMU_ENV=(REFUSE_STE=3)
faults=0
L2_APPEND="${L2_APPEND/lab_faults=2/lab_faults=0}"

check() {
    expect "a vSTE was refused" test "$(l1 event_smmuv3_accel_host_error)" -ge 1
    expect "none was installed" test "$(l1 event_smmuv3_accel_install_ste)" -eq 0
    expect "the guest has an event C_BAD_STE for its device" contains "${L2[bad_ste]-}" C_BAD_STE
}

table() {
    row "device" "edu at ${L2[device]-?}, behind ${L2[iommu]-no IOMMU}"
    row "host" "$(l1 event_smmuv3_accel_host_error) vSTEs refused"
    row "guest" "${L2[bad_ste]-no event}"
}
