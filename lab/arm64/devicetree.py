# SPDX-License-Identifier: GPL-2.0-or-later
"""Guests without firmware, and what of a guest's commands comes to the host."""

import re

from qemu_lab.arm64 import IOMMUFD, NvmeTest
from qemu_lab.interpose import Field, Rules

#: where IOMMU_HWPT_INVALIDATE has its number of entries (struct iommu_hwpt_invalidate)
ENTRY_NUM = 24
#: SMMUV3_ACCEL_BATCH_MAX: QEMU does not wait for a CMD_SYNC beyond these
BATCH_MAX = 256


def on_pcie0(*hosts, smmu='accel=on', vfio=''):
    """
    L2's arguments for an accelerated SMMUv3 before pcie.0, with a root port for each device of L1
    in @hosts. @smmu, @vfio: properties of these devices.
    """
    args = [*IOMMUFD, '-device', f'arm-smmuv3,primary-bus=pcie.0,id=smmuv3.0,{smmu}']
    for number in range(1, len(hosts) + 1):
        args += ['-device', f'pcie-root-port,id=p{number},bus=pcie.0,chassis={number},io-reserve=0']
    for number, host in enumerate(hosts, 1):
        args += ['-device', f'vfio-pci,host={host},bus=p{number},iommufd=iommufd0'
                 + (f',{vfio}' if vfio else '')]
    return args


class TreeNvmeTest(NvmeTest):
    """Like NvmeTest, but the guest boots at once, and the SMMU is before pcie.0."""

    l2_firmware = False

    def l2_devices(self):
        return on_pcie0(*self.assign, smmu=self.smmu, vfio=self.vfio)

    def check_firmware(self):
        """The guest was booted as this class says."""
        self.expect_equal(self.l2['firmware'], 'device tree', "the guest's firmware")

    def check(self):
        super().check()
        self.check_firmware()


class DeviceTree(TreeNvmeTest):
    """the same on a device tree, without firmware

    The device tree describes the SMMU, the assigned device, and the window where the host's MSI
    doorbell is.
    """
    scenario = 'arm64/device-tree'
    expected_seconds = 20


class RilOff(TreeNvmeTest):
    """many invalidations in one host call (ril=off)

    A guest without range invalidation has a command for each page.
    """
    scenario = 'arm64/ril-off'
    expected_seconds = 20
    smmu = 'accel=on,ril=off'

    def flushes(self):
        """
        How many host calls the guest's commands may take: what a CMD_SYNC or a change of
        configuration completes is one, and so is a full batch.
        """
        return self.trace.commands('SMMU_CMD_SYNC') + self.trace.commands('SMMU_CMD_CFGI_STE*') + \
            self.calls.items('IOMMU_HWPT_INVALIDATE') // BATCH_MAX

    def check(self):
        super().check()
        syncs = self.trace.commands('SMMU_CMD_SYNC')
        tlbis = self.trace.commands('*_TLBI_*')
        self.expect(tlbis >= 5 * syncs, f'{tlbis} TLBI commands for {syncs} CMD_SYNCs: '
                    'less than five each')
        calls = self.calls['IOMMU_HWPT_INVALIDATE']
        items = self.calls.items('IOMMU_HWPT_INVALIDATE')
        self.expect(0 < calls <= self.flushes(),
                    f'{calls} host calls, where {self.flushes()} would do')
        self.expect(items >= tlbis, f'{items} commands came to the host, of {tlbis} TLBI')


class Passthrough(NvmeTest):
    """a passthrough guest

    Its STE says bypass, and there is nothing to invalidate (iommu.passthrough=1).
    """
    scenario = 'arm64/passthrough'
    expected_seconds = 30

    def l2_append(self):
        return [*super().l2_append(), 'iommu.passthrough=1']

    def check_set_up(self):
        self.expect_equal(self.l2['group_type'], 'identity', "the type of the device's group in L2")
        self.assertIn('smmu3', self.l2['iommu'], 'the device is behind an SMMUv3 in L2')
        self.expect_equal(self.trace.count('smmuv3_accel_install_ste'), 0, 'stage 1 tables in use')
        self.expect(self.trace.count('smmuv3_accel_attach_hwpt') >= 1,
                    "L1's QEMU attached no nested HWPT")

    def check(self):
        super().check()
        self.expect_equal(self.trace.commands('*_TLBI_NH_VA*'), 0, 'invalidations of addresses')
        # those that the driver makes when it sets the SMMU up
        calls = self.calls['IOMMU_HWPT_INVALIDATE']
        self.expect(calls <= 10, f'{calls} host calls: the data took some')


class HostErrors(TreeNvmeTest):
    """host calls that fail are errors of the guest's commands

    Some fail at the first of their entries, some at the third. The guest's driver sees CERROR_ILL
    each time, replaces the command, and goes on with those behind it. The kernel does the work all
    the same, so that no stale translation stays behind.
    """
    scenario = 'arm64/host-errors'
    expected_seconds = 25
    smmu = 'accel=on,ril=off'
    requests = 1000
    first, later, done = 5, 5, 2
    # A processor that waits for a CMD_SYNC does so with interrupts off: if it is the one that the
    # error interrupts, it waits in vain, with the error in CMDQ_CONS.
    l2_allows = (r'CMDQ error \(cons', 'unexpected global error reported',
                 r'CMD_SYNC timeout at \w+ \[hwprod \w+, hwcons 0x01')

    def interpose(self):
        # bit 2 is set: there are more than three entries. Bit 1 is not: it is not QEMU's second
        # call with the two that were done.
        several = Field(ENTRY_NUM, 4, 4, 4)
        not_two = Field(ENTRY_NUM, 4, 0, 2)
        return Rules() \
            .fail('IOMMU_HWPT_INVALIDATE', 'EIO', call=True, where=several, done=self.done,
                  every=30, times=self.later) \
            .fail('IOMMU_HWPT_INVALIDATE', 'EIO', call=True, where=not_two, every=100,
                  times=self.first)

    def check_no_errors(self):
        failing = self.first + self.later
        self.expect_equal((self.calls.hits(1), self.calls.hits(2)), (self.later, self.first),
                          'calls that have failed at the third, and at the first entry')
        self.expect_equal(self.l2['cmdq_errors'], str(failing),
                          "errors of the command queue that L2's driver has seen")
        self.expect_equal(self.trace.count('smmuv3_cmdq_consume_error'), failing,
                          'commands in error')

    def check(self):
        super().check()
        self.check_resumed()

    def failures(self):
        """(entries, done) of each call that has failed, and the entries of the two after it"""
        flushes = [[int(word) for word in re.findall(r'-?\d+', line)]
                   for line in self.trace.lines('smmuv3_accel_flush')]
        return [(entries, done, [later[0] for later in flushes[at + 1:at + 3]])
                for at, (entries, done, ret) in enumerate(flushes) if ret]

    def check_resumed(self):
        """
        What comes after a failure: those entries again that the kernel calls done, then what the
        guest has queued behind the one in error, which its driver has replaced by a CMD_SYNC.
        """
        self.resumed = 0
        for entries, done, after in self.failures():
            wanted = [done] * bool(done) + [entries - done - 1] * (entries > done + 1)
            self.expect(after[:len(wanted)] == wanted,
                        f'after an error at {done} of {entries} entries, calls have {after} '
                        f'entries, not {wanted}')
            self.resumed += done > 0 and after[:len(wanted)] == wanted
        self.expect_equal(self.resumed, self.later, 'batches resumed behind the third entry')

    def table(self):
        self.row_device()
        self.row_bytes()
        self.row('host calls', f'{self.calls["IOMMU_HWPT_INVALIDATE"]}, of which '
                 f'{self.calls.hits(2)} failed at once, {self.calls.hits(1)} after {self.done} '
                 'entries')
        self.row('seen in L2', f'{self.l2.get("cmdq_errors", "?")} errors of the command queue')
