# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash disable=SC2034,SC2154  # sourced by lab/run, which uses what is set here
#
# A guest that goes away in the middle of its DMA: first by kexec into another kernel, then by a crash and a reboot. The
# kernel that comes up last must find everything in order.

# shellcheck source=lab/arm64/accel/scenario.sh
source "$lab_dir/arm64/accel/scenario.sh"

TITLE="kexec, then crash and reboot, under I/O"
EXPECTED_SECONDS=40
GUEST_TEST=nvme-kexec
GUEST_SCRIPTS=(nvme-verify nvme-refill)
GUEST_TOOLS=(dmaverify kexec-now)
L2_REBOOT=()
requests=500
L2_APPEND+=" lab_bytes=$disk_bytes lab_ops=$requests"
L1_SETUP="tar -cf /tmp/boot.img -C /lab Image initrd && dd if=/dev/zero of=/tmp/stage.img bs=64k count=1"
L2_DEVICES+=(
    -drive "if=none,id=boot,format=raw,file=/tmp/boot.img,readonly=on" -device "virtio-blk-pci,drive=boot,bus=pcie.0"
    -drive "if=none,id=stage,format=raw,file=/tmp/stage.img" -device "virtio-blk-pci,drive=stage,bus=pcie.0"
)

check() {
    expect "a second kernel came up by kexec" test "${L2[after_kexec]-}" = yes
    expect "a third came up after the crash of the second" test "${L2[after_crash]-}" = yes
    check_set_up
    check_data
    no_errors
}
