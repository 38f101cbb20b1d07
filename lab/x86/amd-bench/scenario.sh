# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash disable=SC2034,SC2154  # sourced by lab/run, which uses what is set here
#
# The numbers of "make bench": reads of 128 KiB through the vIOMMU, timed (BENCH=time, without trace events) or with their
# host calls counted (BENCH=calls). They are left in $out/numbers. BENCH_GUEST=passthrough: without translation.

L0_CLOCK=${BENCH_CLOCK:-instructions}
# shellcheck source=lab/x86/amd-nvme/scenario.sh
source "$lab_dir/x86/amd-nvme/scenario.sh"

TITLE="reads of 128 KiB (${BENCH:-calls})"
requests=100
reads=${BENCH_READS:-300}
L2_APPEND+=" lab_ops=$requests lab_reads=$reads"
[ "${BENCH:-calls}" = calls ] || TRACE_EVENTS=()
if [ "${BENCH_GUEST:-}" = passthrough ]; then
    group_type=identity
    L2_APPEND=${L2_APPEND/"$L2_TRANSLATED"/ iommu.passthrough=1}
fi

check() {
    check_set_up
    check_data
    {
        printf 'read_us=%s\n' "${L2[read_us]-}"
        [ ! -s "$out/trace.log" ] || printf 'calls=%s\n' "$(host_calls_per "$reads" 1 2 | cut -d' ' -f1)"
    } > "$out/numbers"
}
