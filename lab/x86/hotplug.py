# SPDX-License-Identifier: GPL-2.0-or-later
"""A device behind an AMD vIOMMU that goes and comes, and a guest that is reset."""

import os
import time
from collections import Counter

from qemu_lab.arm64 import IOMMUFD
from qemu_lab.hotplug import HotplugCycles
from qemu_lab.objects import objects, put_tool
from qemu_lab.x86 import AMD_IOMMU, AmdNvmeTest

#: what the host has for a device: its address space is the shadow
SET_UP = Counter(ioas=1, device=1, paging=1)


class AmdHotplug(HotplugCycles, AmdNvmeTest):
    """hot-unplug and hot-plug behind an AMD vIOMMU

    The only device is unplugged, and plugged again or replaced by another with other data. The
    guest reads it each time. L1's kernel is asked for QEMU's objects: as many as at first, and none
    of a device that is gone. LAB_CYCLES says how often it goes.
    """
    scenario = 'x86/amd-hotplug'
    expected_seconds = 50
    iommu = AMD_IOMMU

    def l2_devices(self):
        args = [*IOMMUFD, '-device', self.iommu,
                '-device', 'pcie-root-port,id=p1,bus=pcie.0,chassis=1,addr=4']
        if self.cold:
            args += ['-device', f'vfio-pci,id=dev0,host={self.assign[0]},bus=p1,iommufd=iommufd0']
        return args

    def check(self):
        self.check_set_up()
        self.check_reads()
        self.expect_equal(self.there, [SET_UP] * (self.cycles + 1),
                          'objects when the device was there')
        self.expect_equal(self.gone, [(Counter(), 0)] * self.cycles,
                          'objects, and files of events, when it was gone')
        self.check_no_errors()

    def table(self):
        super().table()
        self.row_calls()


class AmdHotplugFirst(AmdHotplug):
    """the only device behind an AMD vIOMMU is hot-plugged

    The guest has been told the number of levels by then, so that it must be one that the host has.
    """
    scenario = 'x86/amd-hotplug-first'
    expected_seconds = 40
    cycles = 1
    cold = False
    iommu = f'{AMD_IOMMU},hats=4'


class AmdReset(AmdNvmeTest):
    """system_reset under I/O behind an AMD vIOMMU

    Again and again, in the middle of DMA; the boot that is left alone must find everything in
    order. LAB_RESETS says how many.
    """
    scenario = 'x86/amd-reset'
    expected_seconds = 60
    guest_test = 'nvme-refill'
    resets = int(os.environ.get('LAB_RESETS') or 5)
    timeout = 200 + resets * 20
    l2_timeout = 120 + resets * 20
    l2_reboots = True
    requests = 500
    # DMA that is under way while the vIOMMU is reset is stopped by the host's
    l1_allows = ('DMAR: .*(fault|DRHD)',)

    def fill_root(self, root):
        put_tool(self.arch, root)

    def beside_guest(self, guest):
        self.seen = []
        for number in range(1, self.resets + 1):
            guest.wait_for('io', 'started', times=number)
            time.sleep(0.4)
            self.seen.append(objects(guest))
            guest.qmp.cmd('system_reset')
            guest.qmp.event('RESET')
        guest.wait_for('io', 'started', times=self.resets + 1)
        self.seen.append(objects(guest))

    def check(self):
        self.check_set_up()
        self.check_data()
        self.expect_equal(len(self.l2.all('io')), self.resets + 1, 'boots')
        self.expect_equal(self.seen, [SET_UP] * (self.resets + 1), 'objects in the host, each time')
        self.check_no_errors()

    def table(self):
        super().table()
        self.row('resets', f'{self.resets}; host objects each time: '
                 f'{[sum(count.values()) for count in self.seen]}')
