# SPDX-License-Identifier: GPL-2.0-or-later
"""Control runs: something is lost on its way to the host, and the check of the data has to fail."""


class Control:
    """Mixed into a class that has check_set_up(), check_data(), and rules whose first one loses."""

    # The data of NVMe's own queues may be wrong as well; and a stale translation may not have the
    # permissions of the new one, which is a fault of L2's SMMU, or of L1's IOMMU
    l2_allows = ('nvme', r'arm-smmu-v3 .*: event')
    l1_allows = ('DMAR: .*(fault|DRHD)',)

    def check(self):
        """The test notices what it is there to notice."""
        self.check_set_up()
        self.expect(self.calls.hits(1) > 0, 'the interposer has kept nothing from the kernel')
        self.expect(self.failures_of(self.check_data), 'the check of the data passes')
        self.expect(self.seen(), 'L2 reports neither wrong data nor an I/O error')

    def seen(self):
        """What L2 has noticed"""
        return self.l2.get('wrong_data') or self.l2.get('io_error')
