# SPDX-License-Identifier: GPL-2.0-or-later
"""Assigned devices behind an accelerated SMMUv3 that come and go."""

from collections import Counter

from qemu_lab.arm64 import IOMMUFD, NvmeTest
from qemu_lab.hotplug import HotplugCycles, unplug
from qemu_lab.interpose import Rules

#: what the host has for a device behind the SMMU that the guest has set up: nested for its STE,
#: bypass and abort; other is a vDEVICE and a vEVENTQ
SET_UP = Counter(ioas=1, device=1, paging=1, viommu=1, nested=3, other=2)
#: what a device behind no SMMU adds, with a page table of its own; and what it has alone
BESIDE = Counter(device=1, paging=1)
ALONE = Counter(ioas=1) + BESIDE


class Hotplug(HotplugCycles, NvmeTest):
    """hot-unplug down to the last device, and hot-plug

    The only device behind an accelerated SMMU is unplugged, and plugged again or replaced by
    another with other data. The guest reads it each time. L1's kernel is asked for the objects of
    QEMU's iommufd: as many as at first, and none left of a device that is gone. A device behind no
    SMMU keeps the iommufd open, until it goes before the last cycle.
    """
    scenario = 'arm64/hotplug'
    expected_seconds = 70
    assign = ('0000:00:03.0', '0000:00:04.0', '0000:00:05.0')
    #: how many cycles the device behind no SMMU sees
    beside = HotplugCycles.cycles - 1

    def l0_devices(self):
        return ['-device', 'edu,addr=5', *super().l0_devices()]

    def l2_devices(self):
        args = [*IOMMUFD, '-device', 'pxb-pcie,id=pcie.1,bus_nr=8,bus=pcie.0',
                '-device', f'arm-smmuv3,primary-bus=pcie.1,id=smmuv3.1,{self.smmu}',
                '-device', 'pcie-root-port,id=p1,bus=pcie.1,chassis=1,io-reserve=0']
        if self.cold:
            args += ['-device', f'vfio-pci,id=dev0,host={self.assign[0]},bus=p1,iommufd=iommufd0']
        if self.beside:
            args += ['-device', 'pcie-root-port,id=p9,bus=pcie.0,chassis=9,io-reserve=0',
                     '-device', f'vfio-pci,id=edu,host={self.assign[2]},bus=p9,iommufd=iommufd0']
        return args

    def before_unplug(self, guest, number):
        if 0 < self.beside == number:
            unplug(guest, 'edu')

    def check_objects(self):
        """L1's kernel keeps no object too many."""
        there = [SET_UP + BESIDE if 0 < self.beside >= number else SET_UP
                 for number in range(self.cycles + 1)]
        self.expect_equal(self.there, there, 'objects when the device was there')
        gone = [(ALONE if number < self.beside else Counter(), 0) for number in range(self.cycles)]
        self.expect_equal(self.gone, gone, 'objects, and files of events, when it was gone')

    def check(self):
        self.check_set_up()
        self.check_reads()
        self.check_objects()
        self.check_no_errors()
        resolved = self.trace.count('smmuv3_accel_resolve')
        self.expect(resolved <= 1, f'the SMMU has taken its features {resolved} times')


class HotplugFirst(Hotplug):
    """the first device behind the SMMU is hot-plugged

    Nothing that the SMMU announces is auto, so that it needs no device when the guest starts.
    """
    scenario = 'arm64/hotplug-first'
    expected_seconds = 50
    cycles = 1
    smmu = 'accel=on,ats=off,ril=on,ssidsize=0,oas=44'
    cold = False
    beside = 0


class HotplugControl(Hotplug):
    """control: the same with an object that is not destroyed

    It has to be found, though QEMU knows nothing of it.
    """
    scenario = 'arm64/hotplug-control'
    expected_seconds = 50
    cycles = 1
    beside = 1

    def interpose(self):
        return Rules().drop('IOMMU_DESTROY', times=1)

    def check(self):
        self.check_set_up()
        self.expect_equal(self.calls.hits(1), 1, 'calls that were kept from the kernel')
        self.expect(self.failures_of(self.check_objects), 'the check of the objects passes')
