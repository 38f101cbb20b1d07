# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash disable=SC2034,SC2154  # sourced by lab/run, which uses what is set here
#
# What all x86 scenarios share: the machine that L0 emulates, and where the parts of L1 and L2 come from. L1 runs the same
# QEMU as this machine, with this machine's libraries.

CROSS=
L1_QEMU_NAME=qemu-system-x86_64

L0_QEMU=${LAB_L0_QEMU:-$build_dir/bin/qemu-system-x86_64}
L1_QEMU=${LAB_L1_QEMU:-$build_dir/bin/qemu-system-x86_64}
L1_LIBS=${LAB_L1_LIBS:-}
BUSYBOX=${LAB_BUSYBOX:-$build_dir/base-packages}
KERNEL=${LAB_KERNEL:-$build_dir/kernel/x86_64/bzImage}
FIRMWARE=()
for rom in bios-256k kvmvapic linuxboot_dma; do
    FIRMWARE+=("${LAB_FIRMWARE:-$build_dir/firmware}/$rom.bin")
done

# L0_CLOCK=instructions, for scenarios that time something: L1's clock counts the instructions that its processors execute,
# so that the times are those of a machine that does nothing else.
L0_ACCEL=(-accel "tcg,thread=multi")
[ "${L0_CLOCK-}" != instructions ] || L0_ACCEL=(-accel "tcg,thread=single" -icount "shift=3")

# One processor: with two, L1's or L2's Linux crashed in 3 of 67 runs of x86/amd-nvme while L2 set its BARs up, over memory
# that had become something else; with one in none of 98. The cause is open (docs/devel/viommu-lab.rst, "Traps").
# SVM and nested paging for L1's KVM; an IOMMU with interrupt remapping, without which Linux assigns no device. L1's own
# disks are virtio: they don't take part in what is tested, and have names that don't depend on probe order.
L0_CPU="EPYC-Rome,+svm,+npt"
# What TCG lacks of this model
for feature in fxsr-opt misalignsse osvw topoext perfctr-core clzero ibpb amd-stibp nrip-save xsavec xsaves; do
    L0_CPU+=",-$feature"
done
L0_MACHINE=(-M "q35,kernel-irqchip=split" -cpu "$L0_CPU" "${L0_ACCEL[@]}" -smp 1 -m 2G
            -device "intel-iommu,intremap=on,caching-mode=off")
# A processor that is emulated on a busy machine may miss the ten ticks in which Linux wants to see its timer work.
L1_APPEND="console=ttyS0 no_timer_check root=/dev/vda rw init=/init panic=-1 intel_iommu=on quiet"
L1_ROOT=(-device "virtio-blk-pci,drive=root,addr=1")
L1_OUT=(-device "virtio-blk-pci,drive=out,addr=2")

L2_CPU="EPYC,-svm,-vme,-fxsr-opt,-misalignsse,-osvw,-xsavec"
L2_MACHINE=(-M "q35,kernel-irqchip=split" -accel kvm -cpu "$L2_CPU" -m 512M -L /lab -kernel /lab/Image -initrd /lab/initrd)
L2_APPEND="console=ttyS0 no_timer_check panic=-1"
# Strict: an unmapped IOVA is invalidated before it can be used again
L2_TRANSLATED=" iommu.passthrough=0 iommu.strict=1"
AMD_IOMMU="amd-iommu,intremap=on,xtsup=on,dma-remap=on"

# --- helpers for check() and table()

# host_calls [FROM TO]: the calls by which QEMU mapped and unmapped DMA, of those between the guest's marks FROM and TO.
# A mark is a digit that the guest writes to the Cache Line Size of the assigned device. Prints "MAPS UNMAPS".
host_calls() {
    awk -v from="${1-0}" -v to="${2-10}" '
        /vfio_pci_write_config .*@0xc, / { mark = substr($4, 3) + 0 }
        mark < from || mark >= to { next }
        /iommufd_backend_map_dma |vfio_iommu_map_notify iommu MAP / { maps++ }
        /iommufd_backend_unmap_dma|vfio_iommu_map_notify iommu UNMAP / { unmaps++ }
        END { print maps + 0, unmaps + 0 }' "$out/trace.log"
}

# host_calls_per N FROM TO: their sum for each of N, with one digit after the point
host_calls_per() {
    host_calls "$2" "$3" | awk -v n="$1" '{ printf "%.1f (%.1f maps, %.1f unmaps)\n", ($1 + $2) / n, $1 / n, $2 / n }'
}

# runs FROM TO: how many calls would have been enough to map what was mapped between the marks: one for each run of
# addresses that follow each other both for the device and in memory (iommufd only)
runs() {
    awk -v from="$1" -v to="$2" '
        function value(field) { return substr(field, index(field, "=") + 1) }
        function padded(x) { sub(/^0x/, "", x); return substr("0000000000000000" x, length(x) + 1) }
        /vfio_pci_write_config .*@0xc, / { mark = substr($4, 3) + 0 }
        mark >= from && mark < to && /iommufd_backend_map_dma / {
            for (i = 2; i <= NF; i++) {
                if ($i ~ /^iova=/) { iova = padded(value($i)) }
                if ($i ~ /^size=/) { size = padded(value($i)) }
                if ($i ~ /^addr=/) { addr = padded(value($i)) }
            }
            print mark, iova, size, addr
        }' "$out/trace.log" | LC_ALL=C sort | {
        local -i count=0 next_iova=-1 next_addr=-1
        local mark iova size addr
        while read -r mark iova size addr; do
            ((16#$iova == next_iova && 16#$addr == next_addr)) || count+=1
            next_iova=$((16#$iova + 16#$size)) next_addr=$((16#$addr + 16#$size))
        done
        printf '%s\n' "$count"
    }
}

# events NAME FROM TO: how often there was a trace event between the marks
events() {
    awk -v name=":?$1$" -v from="$2" -v to="$3" '
        /vfio_pci_write_config .*@0xc, / { mark = substr($4, 3) + 0 }
        mark >= from && mark < to && $1 ~ name { n++ }
        END { print n + 0 }' "$out/trace.log"
}

# at_most LIMIT NUMBER...: the first of the numbers, perhaps with a fraction, is not above LIMIT
at_most() {
    awk -v limit="$1" -v n="$2" 'BEGIN { exit !(n + 0 <= limit) }'
}

not() {
    ! "$@"
}

# Errors of QEMU's that say that a host call has failed; as long as the guest has no translation, QEMU tries to map the
# BARs of devices as well, which iommufd refuses (-14)
failed_calls() {
    grep 'dma_\(un\)\?map(.*= -' "$out/qemu.log" | grep -v 'warning: .* = -14 '
}
