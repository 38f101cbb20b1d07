# SPDX-License-Identifier: GPL-2.0-or-later
"""The device of most scenarios: an NVMe controller whose disk is verified word by word."""


class VerifiedNvme:
    """Mixed into the machine of an architecture: L0's controller, its disk, and the checks."""

    guest_test = 'nvme-verify'
    assign = ('0000:00:03.0',)
    disk_bytes = 64 << 20
    seed = 20260101
    requests = 2000
    #: properties of L0's controller
    nvme = ''

    def prepare(self):
        """The disk, with the pattern of dmaverify"""
        self.disk = self.out / 'disk.img'
        self.sha256 = self.fill_disk(self.disk, self.disk_bytes, self.seed)

    def l0_devices(self):
        """The controller"""
        return ['-drive', f'if=none,id=disk,format=raw,file={self.disk}',
                '-device', 'nvme,drive=disk,serial=lab,addr=3' + self.nvme]

    @property
    def parameters(self):
        """For nvme-verify"""
        return {'seed': self.seed, 'ops': self.requests, 'bytes': self.disk_bytes}

    def check_data(self):
        """All DMA was right, seen from L2 and from outside."""
        self.expect_equal(self.l2['sha256'], self.sha256, 'SHA-256 of the namespace')
        self.expect_equal(self.l2['operations'], str(self.requests), 'verified random requests')
        self.expect_equal(self.l2['verified'], 'yes', 'every word was right in L2')
        problem = self.disk_problem(self.disk, self.seed, self.requests)
        self.expect(not problem, f'the file behind the device: {problem}')

    def row_device(self):
        """The row that says what was tested"""
        self.row('device', f'{self.l2.get("model", "?")} at {self.l2.get("device", "?")}, '
                 f'behind {self.l2.get("iommu", "no IOMMU")}')

    def row_bytes(self):
        """How much was verified"""
        self.row('bytes verified', f'{self.l2.get("bytes_verified", 0)} '
                 f'({self.l2.get("operations", 0)} random requests, then all)')
