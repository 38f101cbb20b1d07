# SPDX-License-Identifier: GPL-2.0-or-later
"""A guest does DMA with an assigned NVMe device behind an accelerated SMMUv3."""

from qemu_lab.arm64 import NvmeTest
from qemu_lab.control import Control
from qemu_lab.interpose import Rules


class Accel(NvmeTest):
    """NVMe behind an accelerated SMMUv3"""
    scenario = 'arm64/accel'
    expected_seconds = 30

    def check(self):
        super().check()
        self.check_cost()

    def check_cost(self):
        """At most one host call for all that is queued up to a CMD_SYNC; few register reads"""
        syncs = self.trace.commands('SMMU_CMD_SYNC')
        calls = self.calls['IOMMU_HWPT_INVALIDATE']
        self.expect(calls > 0, 'no invalidation was forwarded to the host')
        self.expect(calls <= syncs, f'{calls} host calls for {syncs} CMD_SYNCs')
        self.expect(self.trace.count('smmuv3_msi') >= self.requests,
                    "CMD_SYNCs did not complete in the guest's memory")
        reads = self.trace.count('smmuv3_read_mmio')
        self.expect(reads <= 200, f'{reads} register reads: more than setting the SMMU up takes')


class AccelControl(Control, NvmeTest):
    """control: the same with invalidations lost"""
    scenario = 'arm64/accel-control'
    expected_seconds = 30

    def interpose(self):
        # Enough for the guest's driver to come up, not enough to read the namespace once
        return Rules().drop('IOMMU_HWPT_INVALIDATE', first=101)

    def table(self):
        self.row_device()
        self.row('host calls', f'{self.calls["IOMMU_HWPT_INVALIDATE"]}, '
                 f'of which {self.calls.hits(1)} were lost')
        self.row('seen in L2', self.seen())
