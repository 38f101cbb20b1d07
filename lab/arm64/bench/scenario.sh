# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash disable=SC2034,SC2154  # sourced by lab/run, which uses what is set here
#
# What "make bench" runs: O_DIRECT reads of an assigned NVMe device in L2, with our QEMU and with a later one of a
# distribution, in the same L1 and with the same guest. Times are ratios of this run, of a clock that counts L1's
# instructions (BENCH_CLOCK=wall: of the real one); only the counts of host calls and the limits of BENCH_LIMITS=1 decide
# whether it passes.

TITLE="reads through an accelerated SMMUv3, against a distribution's QEMU"
EXPECTED_SECONDS=200
GUEST_TEST=nvme-bench
GUEST_TOOLS=(dmabench)
L1_SHIMS=(count-calls)

L0_CLOCK=${BENCH_CLOCK:-instructions}
# shellcheck source=lab/arm64/machine.sh
source "$lab_dir/arm64/machine.sh"

TIMEOUT=900
L2_TIMEOUT=600
count=${BENCH_COUNT:-300}
disk=$out/disk.img
PEER=${LAB_PEER:-$build_dir/peer-arm64}
need "$PEER" "run 'make bench'"
PEER_QEMU=$PEER/usr/bin/qemu-system-aarch64
PEER_SHARE=("$PEER"/usr/share/qemu/efi-virtio.rom)

L0_DEVICES=(-drive "if=none,id=disk,format=raw,file=$disk" -device "nvme,drive=disk,serial=lab,addr=3")
L1_ASSIGN=(0000:00:03.0)
bench_args=(
    "${L2_MACHINE[@]}" -nographic -nodefaults -net none -no-reboot -serial stdio -monitor none -append @APPEND@
    -object "iommufd,id=iommufd0"
    -device "pxb-pcie,id=pcie.1,bus_nr=8,bus=pcie.0"
    -device "arm-smmuv3,primary-bus=pcie.1,id=smmuv3.1,accel=on@PROPERTIES@"
    -device "pcie-root-port,id=p1,bus=pcie.1,chassis=1,io-reserve=0"
    -device "vfio-pci,host=0000:00:03.0,bus=p1,iommufd=iommufd0"
)
append="$L2_APPEND iommu.strict=1 lab_count=$count"
runs=()
for case in "pt||iommu.passthrough=1" "ril_on|,ril=on|" "ril_off|,ril=off|"; do
    for qemu in "peer|peer" "ours|$L1_QEMU_NAME"; do
        IFS='|' read -r name properties parameters <<< "$case"
        runs+=("${qemu%%|*}_$name|${qemu#*|}|$properties|$append $parameters")
    done
done
L1_FILES=("bench.args=$(printf '%s\n' "${bench_args[@]}")" "runs=$(printf '%s\n' "${runs[@]}")")
L1_SETUP_SCRIPTS=(bench)
L1_SETUP="sh /lab/bench.sh"
L2_MACHINE=(--version)
TRACE_EVENTS=()

prepare() {
    truncate -s 64M "$disk"
}

# value NAME N: word N of one of L1's results
value() {
    local words
    read -ra words <<< "${L1[$1]-}"
    printf '%s\n' "${words[$2]-0}"
}

# per_read NAME SIZE: invalidations for a read, with two digits
per_read() {
    awk -v calls="$(value "$1_calls_$2" 0)" -v count="$count" 'BEGIN { printf "%.2f", calls / count }'
}

# microseconds NAME SIZE: the median
microseconds() {
    echo $(($(value "$1_time_$2" 0) / 1000))
}

# ratio NAME SIZE: our median by the peer's
ratio() {
    awk -v ours="$(value "ours_$1_time_$2" 0)" -v peer="$(value "peer_$1_time_$2" 0)" \
        'BEGIN { if (peer > 0) printf "%.2f", ours / peer; else print "?" }'
}

at_most() {
    awk -v a="$1" -v b="$2" 'BEGIN { exit !(a + 0 == a && a > 0 && a <= b) }'
}

check() {
    local run
    for run in "${runs[@]}"; do
        expect "${run%%|*} was measured" test "$(value "${run%%|*}_time_131072" 0)" -gt 0
    done
    expect "ril=off: at most 1.1 host calls per 128 KiB read" at_most "$(per_read ours_ril_off 131072)" 1.1
    [ -z "${BENCH_LIMITS-}" ] || expect "ril=off: at most 0.7 of the peer's time" at_most "$(ratio ril_off 131072)" 0.7
    [ -z "${BENCH_LIMITS-}" ] || expect "ril=on: no slower than the peer" at_most "$(ratio ril_on 131072)" 1
}

table() {
    local name size
    row "the peer" "$(zcat "$PEER"/usr/share/doc/qemu-system-arm/changelog.Debian.gz | head -n 1)"
    row "reads" "$count of each size, one after the other; medians of the times"
    row "clock" "$L0_CLOCK"
    printf '\n  %-10s %8s %12s %12s %7s %17s %17s\n' mode bytes "ours (us)" "peer (us)" ratio \
        "calls/read, ours" "calls/read, peer"
    for name in pt ril_on ril_off; do
        for size in 4096 131072; do
            printf '  %-10s %8s %12s %12s %7s %17s %17s\n' "$name" "$size" "$(microseconds "ours_$name" "$size")" \
                "$(microseconds "peer_$name" "$size")" "$(ratio "$name" "$size")" \
                "$(per_read "ours_$name" "$size")" "$(per_read "peer_$name" "$size")"
        done
    done
    printf '\n'
}
