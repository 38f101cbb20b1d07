# SPDX-License-Identifier: GPL-2.0-or-later
"""Assigned devices that come and go: what the scenarios of both architectures share."""

import os
import time

from .objects import event_files, objects, put_tool

SLOT_OFF = 2.5


def ask(guest, command, **arguments):
    """A QMP command about a slot, again while the guest is busy with that"""
    for _ in range(60):
        try:
            return guest.qmp.cmd(command, **arguments)
        except Exception as error:  # pylint: disable=broad-except
            if 'busy' not in str(error):
                raise
        time.sleep(0.5)
    raise AssertionError(f'{command} {arguments}: the guest is busy for 30 s')


def plug(guest, host):
    """A device of L1, into the root port p1"""
    ask(guest, 'device_add', driver='vfio-pci', id='dev0', host=host, bus='p1', iommufd='iommufd0')


def unplug(guest, name):
    """The device @name is gone, in QEMU as well, and its slot is free, when this returns."""
    ask(guest, 'device_del', id=name)
    while guest.qmp.event('DEVICE_DELETED', 60).get('data', {}).get('device') != name:
        pass
    # Linux waits for a second when it has switched a slot off, and does not see what comes before
    time.sleep(SLOT_OFF)


class HotplugCycles:
    """
    Mixed into a class with an assigned NVMe controller: L2 unplugs it, has it again or another
    with other data in its place, and reads it each time; L1's kernel is asked for QEMU's objects.
    """

    guest_test = 'nvme-hotplug'
    cycles = int(os.environ.get('LAB_CYCLES') or 3)
    timeout = 200 + cycles * 20
    l2_timeout = 100 + cycles * 20
    disk_bytes = 16 << 20
    assign = ('0000:00:03.0', '0000:00:04.0')
    #: the first device is there from the start
    cold = True

    @property
    def parameters(self):
        """For nvme-hotplug"""
        return {'cycles': self.cycles}

    def disk_of(self, host):
        """The file behind a device of L1"""
        return self.out / f'disk{self.assign.index(host)}.img'

    def prepare(self):
        """A disk with data of its own for each controller"""
        self.sums = {host: self.fill_disk(self.disk_of(host), self.disk_bytes, self.seed + number)
                     for number, host in enumerate(self.assign[:2])}

    def l0_devices(self):
        """The two controllers"""
        args = []
        for number, host in enumerate(self.assign[:2]):
            args += ['-drive', f'if=none,id=disk{number},format=raw,file={self.disk_of(host)}',
                     '-device', f'nvme,drive=disk{number},serial=lab{number},addr={number + 3}']
        return args

    def fill_root(self, root):
        """The program that asks L1's kernel for objects"""
        put_tool(self.arch, root)

    @property
    def order(self):
        """The device of each time: another one, the same, and so on"""
        return [self.assign[(number + 1) // 2 % 2] for number in range(self.cycles + 1)]

    def before_unplug(self, guest, number):
        """What else happens in a cycle"""

    def beside_guest(self, guest):
        """The cycles, and what L1's kernel has of QEMU each time"""
        self.there, self.gone = [], []
        if not self.cold:
            guest.wait_for('kernel')
            plug(guest, self.order[0])
        for number, host in enumerate(self.order[1:]):
            guest.wait_for('plugged', str(number))
            self.there.append(objects(guest))
            self.before_unplug(guest, number)
            unplug(guest, 'dev0')
            guest.wait_for('unplugged', str(number))
            self.gone.append((objects(guest), event_files(guest)))
            plug(guest, host)
        # L2 stays a while after that
        guest.wait_for('plugged', str(self.cycles))
        self.there.append(objects(guest))

    def check_reads(self):
        """L2 has read the right device each time."""
        self.expect_equal(self.l2.all('sum'), [self.sums[host] for host in self.order],
                          'what L2 has read, each time')

    def table(self):
        """How often, and how many objects there were"""
        self.row_device()
        good = sum(found == self.sums[host]
                   for found, host in zip(self.l2.all('sum'), self.order))
        self.row('plugged', f'{"once cold, " if self.cold else ""}'
                 f'{self.cycles + (not self.cold)} times hot; read right {good} times')
        self.row('host objects', f'{[sum(count.values()) for count in self.there]}, '
                 f'{[sum(count.values()) for count, _ in self.gone]} while it was gone')
