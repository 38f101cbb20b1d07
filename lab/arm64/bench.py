# SPDX-License-Identifier: GPL-2.0-or-later
"""What "make bench" runs for arm64: qemu_lab.bench says how."""

from qemu_lab.arm64 import Arm64Test, NvmeTest, accelerated
from qemu_lab.bench import BenchTest, Case

STRICT = 'iommu.strict=1'


class Bench(BenchTest, NvmeTest):
    """reads through an accelerated SMMUv3, against a distribution's QEMU

    Times are ratios of this run; only the counts of host calls and the limits of BENCH_LIMITS=1
    decide whether it passes.
    """
    scenario = 'arm64/bench'
    expected_seconds = 400
    needs = ('peer-arm64',)
    peer = 'peer-arm64'
    peer_share = ('usr/share/qemu/efi-virtio.rom',)
    l2_cpus = 1
    sizes = (4096, 131072)
    cases = (
        Case('pt', (STRICT, 'iommu.passthrough=1'), group_type='identity'),
        Case('ril_on', (STRICT,), 'ril=on', limits=((131072, 1),)),
        Case('ril_off', (STRICT,), 'ril=off', limits=((131072, 0.7),)),
    )

    def l2_append(self):
        return Arm64Test.l2_append(self)

    def l2_devices_of(self, case):
        return accelerated(*self.assign, smmu='accel=on' + (case.option and f',{case.option}'))

    def calls_of(self, calls):
        return calls['IOMMU_HWPT_INVALIDATE']

    def check(self):
        super().check()
        per_read = self.per_read(self.cases[-1], 'ours', 131072)
        self.expect(0 < per_read <= 1.1, f'ril=off: {per_read} host calls for a read of 128 KiB')
