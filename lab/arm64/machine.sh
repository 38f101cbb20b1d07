# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash disable=SC2034  # sourced by lab/run, which uses what is set here
#
# What all arm64 scenarios share: the machine that L0 emulates, and where the parts of L1 and L2 come from.

CROSS=aarch64-linux-gnu-
L1_QEMU_NAME=qemu-system-aarch64

L0_QEMU=${LAB_L0_QEMU:-$build_dir/bin/qemu-system-aarch64}
L1_QEMU=${LAB_L1_QEMU:-$build_dir/bin/arm64/qemu-system-aarch64}
L1_LIBS=${LAB_L1_LIBS:-$build_dir/sysroot-arm64}
BUSYBOX=${LAB_BUSYBOX:-$build_dir/sysroot-arm64}
KERNEL=${LAB_KERNEL:-$build_dir/kernel/arm64/Image}
FIRMWARE=("${LAB_FIRMWARE:-$build_dir/firmware}/AAVMF_CODE.fd")

# L0_CLOCK=instructions, for scenarios that time something: L1's clock counts the instructions that its processors execute,
# so that the times are those of a machine that does nothing else.
L0_ACCEL=(-accel "tcg,thread=multi")
[ "${L0_CLOCK-}" != instructions ] || L0_ACCEL=(-accel "tcg,thread=single" -icount "shift=3")

# EL2 for L1's KVM; no CPU features that only cost time under TCG (pointer authentication is needed, but may be cheap).
# L1's own disks are virtio: they don't take part in what is tested, and have names that don't depend on probe order.
L0_MACHINE=(-M "virt,virtualization=on,gic-version=3,iommu=smmuv3" -global arm-smmuv3.stage=nested
            -cpu "max,sve=off,lpa2=off,pauth-impdef=on" "${L0_ACCEL[@]}" -smp 2 -m 2G)
L1_APPEND="console=ttyAMA0 root=/dev/vda rw init=/init panic=-1"
L1_ROOT=(-device "virtio-blk-pci,drive=root,addr=1")
L1_OUT=(-device "virtio-blk-pci,drive=out,addr=2")

L2_MACHINE=(-M "virt,gic-version=3" -accel kvm -cpu host -m 512M -bios /lab/AAVMF_CODE.fd
            -kernel /lab/Image -initrd /lab/initrd)
L2_APPEND="console=ttyAMA0 panic=-1"
