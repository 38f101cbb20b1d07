# SPDX-License-Identifier: GPL-2.0-or-later
"""Emulated SVM with more than one processor in L0."""

import os

from qemu_lab.x86 import X86Test


class Smp(X86Test):
    """emulated SVM with two processors in L0, under stress

    L2 switches the memory decode of an assigned device as fast as it can, and maps, checks and
    unmaps memory meanwhile; L1 does the latter as well. LAB_SECONDS says for how long, LAB_L0_CPUS
    and LAB_L2_CPUS how many processors L0 and L2 have.
    """
    scenario = 'x86/smp'
    # The fault that this is for is open (docs/devel/viommu-lab.rst, "Traps"), and not met each time
    in_check = False
    seconds = int(os.environ.get('LAB_SECONDS') or 120)
    expected_seconds = seconds + 40
    l2_timeout = seconds + 120
    timeout = l2_timeout + 160
    l0_cpus = int(os.environ.get('LAB_L0_CPUS') or 2)
    processors = l0_cpus
    l2_cpus = int(os.environ.get('LAB_L2_CPUS') or 1)
    assign = ('0000:00:03.0',)
    guest_test = 'svm-stress-run'
    guest_tools = ('svm-stress',)
    l1_tools = ('mmap-loop',)
    parameters = {'seconds': seconds}

    def l0_devices(self):
        return ['-device', 'edu,addr=3']

    def l2_devices(self):
        return ['-device', 'vfio-pci,host=0000:00:03.0,addr=4']

    def interpose(self):
        """No host calls are counted."""
        return None

    def set_up_host(self, host):
        self.noise = host.agent.start('exec mmap-loop', self.timeout)

    def finish(self):
        self.expect(not self.noise.done, f"L1's mmap-loop has ended early: {self.noise.done}")
        super().finish()

    def check(self):
        self.expect_equal(self.l2['exit'], '0', "the exit status of L2's test")
        self.expect_equal(self.l2['wrong'], '0', 'wrong words in memory of L2')
        self.expect(self.l2.number('toggles') > 0, 'memory decode was never switched')
        self.expect(self.l2.number('sweeps') > 0, 'L2 has checked no memory')

    def table(self):
        self.row('processors', f'{self.l0_cpus} of L0, {self.l2_cpus} of L2')
        if self.guest:
            self.row('memory decode', f'switched {self.l2.get("toggles", "?")} times')
            self.row('memory of L2', f'checked {self.l2.get("sweeps", "?")} times, '
                     f'{self.l2.get("wrong", "?")} words wrong')
