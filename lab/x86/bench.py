# SPDX-License-Identifier: GPL-2.0-or-later
"""What "make bench" runs for x86: qemu_lab.bench says how."""

from qemu_lab.bench import BenchTest, Case
from qemu_lab.x86 import AmdNvmeTest, TRANSLATED, X86Test, maps, unmaps


class AmdBench(BenchTest, AmdNvmeTest):
    """reads through an AMD vIOMMU, against a distribution's QEMU"""
    scenario = 'x86/amd-bench'
    expected_seconds = 300
    needs = ('peer', 'qtests')
    #: of the host calls, with BENCH_LIMITS=1
    calls_limit = 0.531
    cases = (
        Case('strict', TRANSLATED, limits=((131072, 0.7),)),
        Case('iommu.passthrough=1', ('iommu.passthrough=1',), group_type='identity'),
    )

    def l2_append(self):
        return X86Test.l2_append(self)

    def calls_of(self, calls):
        return maps(calls) + unmaps(calls)

    def check(self):
        super().check()
        strict, passthrough = self.cases
        ours, peer = (self.per_read(strict, qemu, 131072) for qemu in ('ours', 'peer'))
        self.expect(ours >= 1, 'the guest did not translate')
        self.expect_equal(self.per_read(passthrough, 'ours', 131072), 0, 'calls with passthrough')
        if self.limited:
            self.expect(ours <= self.calls_limit * peer,
                        f'{ours:.2f} host calls by {peer:.2f}, and the limit is {self.calls_limit}')
