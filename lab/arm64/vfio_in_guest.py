# SPDX-License-Identifier: GPL-2.0-or-later
"""vfio inside the guest."""

from arm64.events import EduTest


class VfioInGuest(EduTest):
    """a user-space driver in the guest, with DMA and MSIs

    User space in L2 has the assigned edu device do DMA and receives its MSIs, once through iommufd,
    once through a container. L2's kernel maps its own ITS at the start of the MSI window there, so
    the machine has its ITS where the host has the doorbell.
    """
    scenario = 'arm64/vfio-in-guest'
    expected_seconds = 25
    guest_test = 'vfio-in-guest'
    guest_tools = ('vfio-edu',)
    trace_events = (*EduTest.trace_events, 'virt_msi_doorbell_follow_host')
    rounds = 50
    ways = ('iommufd', 'container')

    @property
    def parameters(self):
        """For vfio-in-guest"""
        return {'rounds': self.rounds}

    def check(self):
        self.check_group()
        self.expect_equal(self.trace.count('virt_msi_doorbell_follow_host'), 1,
                          'how often the machine has moved its ITS')
        for way in self.ways:
            self.expect_equal(self.l2[f'{way}_rounds'], str(self.rounds),
                              f'{way}: transfers that were right')
            # each of them has two
            self.expect_equal(self.l2[f'{way}_msis'], str(self.rounds * 2), f'{way}: MSIs')
        self.expect_equal(self.trace.count('smmuv3_accel_host_error'), 0, 'host calls that failed')

    def table(self):
        self.row_device()
        for way in self.ways:
            self.row(way, f'{self.l2.get(f"{way}_rounds", "?")} transfers right, '
                     f'{self.l2.get(f"{way}_msis", "?")} MSIs')
        self.row('ITS', self.l2.get('its', '?'))
