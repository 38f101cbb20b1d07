# SPDX-License-Identifier: GPL-2.0-or-later
"""Guests that go away in the middle of their DMA, and those that come after them."""

import os
import time

from arm64.devicetree import TreeNvmeTest
from qemu_lab.arm64 import NvmeTest


class Kexec(NvmeTest):
    """kexec, then crash and reboot, under I/O

    The guest goes away in the middle of its DMA: first by kexec into another kernel, then by a
    crash and a reboot. The kernel that comes up last must find everything in order.
    """
    scenario = 'arm64/kexec'
    expected_seconds = 50
    guest_test = 'nvme-kexec'
    guest_tools = ('dmaverify', 'kexec-now')
    # to kexec with more, arm64 needs CPU hotplug, which the lab's kernels do without
    l2_cpus = 1
    requests = 500
    l2_reboots = True
    # the crash is on purpose, and so is that DMA of the kernel before meets the SMMU of the next
    l2_allows = ('sysrq triggered crash', 'Call trace:', r'arm-smmu-v3 .*: event')

    def set_up_host(self, host):
        host.run('tar -cf /tmp/boot.img -C /lab Image initrd')
        host.run('dd if=/dev/zero of=/tmp/stage.img bs=64k count=1')

    def l2_devices(self):
        return [*super().l2_devices(),
                '-drive', 'if=none,id=boot,format=raw,file=/tmp/boot.img,readonly=on',
                '-device', 'virtio-blk-pci,drive=boot,bus=pcie.0',
                '-drive', 'if=none,id=stage,format=raw,file=/tmp/stage.img',
                '-device', 'virtio-blk-pci,drive=stage,bus=pcie.0']

    def check(self):
        self.expect_equal(self.l2['after_kexec'], 'yes', 'a second kernel, by kexec')
        self.expect_equal(self.l2['after_crash'], 'yes', 'a third one, after the crash')
        self.expect_equal(len(self.l2.all('kernel')), 3, 'kernels that have come up')
        super().check()

    def table(self):
        super().table()
        self.row('kernels', f'{len(self.l2.all("kernel"))} have come up')


class Reset(TreeNvmeTest):
    """system_reset under I/O

    A storm: a reset in the middle of DMA, again and again. The boot that is left alone must find
    everything in order. LAB_RESETS says how many; a device tree makes the boots short.
    """
    scenario = 'arm64/reset'
    expected_seconds = 120
    guest_test = 'nvme-refill'
    # more of them make a boot longer, and nothing else
    l2_cpus = 2
    requests = 500
    l2_reboots = True
    # DMA that is under way while the SMMU is reset is stopped
    l1_allows = (r'arm-smmu-v3 .*: event',)
    l2_allows = l1_allows
    resets = int(os.environ.get('LAB_RESETS') or 8)
    timeout = 180 + resets * 30
    l2_timeout = 120 + resets * 30

    def beside_guest(self, guest):
        for number in range(1, self.resets + 1):
            guest.wait_for('io', 'started', times=number, seconds=60)
            # into the writes that come after that
            time.sleep(0.4)
            guest.qmp.cmd('system_reset')
            guest.qmp.event('RESET')

    def check(self):
        super().check()
        self.expect_equal(len(self.l2.all('kernel')), self.resets + 1, 'boots')
        self.expect_equal(len(self.l2.all('verified')), 1, 'boots that have come to the end')

    def table(self):
        super().table()
        self.row('resets', self.resets)
