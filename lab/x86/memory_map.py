# SPDX-License-Identifier: GPL-2.0-or-later
"""The emulated host itself: all that the lab shows rests on it."""

from qemu_lab.x86 import X86Test


class MemoryMap(X86Test):
    """a host whose memory map changes

    A processor reads a register of the HPET while another one has the memory map change, by the
    BARs of a device. It must not get anything else, and L0 must not abort.
    """
    scenario = 'x86/memory-map'
    expected_seconds = 25
    l1_tools = ('mapstress',)
    l0_cpus = 2
    processors = 2
    seconds = 10

    def l0_devices(self):
        return ['-device', 'edu,addr=3']

    def set_up_host(self, host):
        # HPET, General Capabilities and ID: the upper half is the clock's period
        numbers = host.run('mapstress /sys/bus/pci/devices/0000:00:03.0/config fed00004 '
                           f'{self.seconds}').split()
        for name, number in zip(('toggles', 'reads', 'wrong'), numbers, strict=True):
            self.l1.add(name, number)

    def check(self):
        self.expect(self.l1.number('toggles') >= 1000, 'the map has hardly changed')
        self.expect(self.l1.number('reads') >= 1000, 'the register was hardly read meanwhile')
        self.expect_equal(self.l1['wrong'], '0', 'reads of something else')

    def table(self):
        self.row('changes', f'{self.l1.get("toggles", "?")} of the memory map')
        self.row('reads', f'{self.l1.get("reads", "?")} meanwhile, '
                 f'{self.l1.get("wrong", "?")} wrong')
