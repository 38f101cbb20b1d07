# SPDX-License-Identifier: GPL-2.0-or-later
"""Interrupt remapping in the guest, for which Linux 7.3 looks for a PCI function of the IOAPIC."""

from qemu_lab.x86 import AMD_IOMMU
from x86.domains import AmdSwitch


class AmdNoSouthbridge(AmdSwitch):
    """control: no PCI function where IVRS has the IOAPIC

    Linux, from 7.3 on, then remaps no interrupts, and vfio in the guest refuses the device.
    """
    scenario = 'x86/amd-no-southbridge'
    expected_seconds = 20

    def l2_devices(self):
        return [arg.replace(AMD_IOMMU, AMD_IOMMU + ',southbridge=off')
                for arg in super().l2_devices()]

    def beside_guest(self, guest):
        """The guest's program does not come to its marks."""

    def check_interrupts(self):
        """Not remapped, for the reason that Linux gives"""
        self.expect(self.l2.number('no_southbridge') > 0, "L2's Linux does not look for it")
        self.expect(self.failures_of(super().check_interrupts),
                    'the check of x86/amd-switch passes')

    def check(self):
        self.check_set_up()
        self.expect(self.failures_of(self.check_vfio), 'vfio in L2 has worked')
        self.assertIn('Operation not permitted', self.l2['error'])

    def table(self):
        self.row_device()
        self.row('interrupts', 'remapped' if self.l2.number('remapped') else 'not remapped')
        self.row('vfio in L2', self.l2.get('error', '?'))
