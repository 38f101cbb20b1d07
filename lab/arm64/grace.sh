# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash disable=SC2034,SC2154  # sourced by scenarios, after machine.sh
#
# L0 as a Grace host: its SMMU has a CMDQ-V, for L1 and for L1's guests. What L0's SMMU consumes is counted.

L0_MACHINE=(-M "virt,virtualization=on,gic-version=3" -device "arm-smmuv3,primary-bus=pcie.0,stage=nested,cmdqv=on"
            -cpu "max,sve=off,lpa2=off,pauth-impdef=on" -accel "tcg,thread=multi" -smp 2 -m 2G
            -trace tegra241_cmdqv_consume)

# VCMDQs 0 and 1 are VINTF 0's, which is L1's own; 2 and 3 are those of VINTF 1, L2's.
l0_vcmdqs() {
    grep -o "tegra241_cmdqv_consume vcmdq=[$1] .*" "$out/l0.log" || true
}

# Doorbells that led to something, and commands other than the CMD_SYNC at the end of each: l0_batches 23
l0_batches() {
    l0_vcmdqs "$1" | wc -l
}

l0_invalidations() {
    l0_vcmdqs "$1" | awk '{
        split($2, q, "="); split($4, c, "=")
        cons = c[2] % 1048576
        total += cons >= last[q[2]] ? cons - last[q[2]] : cons - last[q[2]] + wrap(last[q[2]])
        last[q[2]] = cons
    }
    # the indices of a queue are those of twice its entries, a power of two
    function wrap(n, w) { for (w = 1; w <= n; w *= 2); return w }
    END { print (total > NR ? total - NR : 0) }'
}

# Trace events of L1's QEMU that match, while the guest did I/O: from when it had its queues and a stream table entry
# (which Linux then prefetches) until it shut down its SMMU
qemu_events_in_steady_state() {
    awk -v pattern="$1" '
        /tegra241_cmdqv_page0|smmuv3_accel_install_ste/ { steady = n = 0; began = 1 }
        steady && /smmuv3_accel_sync_device .* config=0/ { steady = 0; ended = 1 }
        steady && $0 ~ pattern { n++ }
        # the doorbell of that command is in the trace after it
        armed && /smmuv3_write_mmio/ { armed = 0; steady = 1 }
        began && /CMD_PREFETCH_CONFIG/ { armed = 1 }
        END { print ended ? n + 0 : "never" }' "$out/trace.log"
}

# In L1, and in L2 by lab/guest/cmdqv-verify: has the driver got it?
# shellcheck disable=SC2016  # L1 expands it
L1_SETUP='echo "L1-RESULT cmdqv=$(grep -c tegra241-cmdqv /proc/interrupts)"'
