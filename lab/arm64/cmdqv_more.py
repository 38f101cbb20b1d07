# SPDX-License-Identifier: GPL-2.0-or-later
"""VCMDQs of the host in guests that reset, lose their devices, have two SMMUs, or are measured."""

import os
from collections import Counter

from arm64.cmdqv import CmdqvTest
from arm64.hotplug import Hotplug
from arm64.restarts import Reset
from arm64.several import TwoSmmus
from qemu_lab.arm64 import IOMMUFD
from qemu_lab.grace import GUEST, HOST, Grace
from qemu_lab.parts import firmware
from qemu_lab.starts import Starts, refusal


class CmdqvReset(Reset, CmdqvTest):
    """system_reset under I/O, with VCMDQs

    A reset storm with queues of the host in the guest: each reset takes them away in the middle of
    invalidations, and each boot gets them again. LAB_RESETS says how many; the storm itself is in
    arm64/reset.
    """
    scenario = 'arm64/cmdqv-reset'
    expected_seconds = 70
    guest_test = 'nvme-refill'
    guest_tools = ('dmaverify',)
    resets = int(os.environ.get('LAB_RESETS') or 4)
    timeout = 180 + resets * 40
    l2_timeout = 120 + resets * 40

    def check(self):
        super().check()
        self.check_host()
        queues = self.trace.count('tegra241_cmdqv_alloc_queue')
        freed = self.trace.count('tegra241_cmdqv_free_queue')
        self.expect(queues >= 2 * (self.resets + 1),
                    f'{queues} queues of the host for {self.resets + 1} boots')
        self.expect(freed >= 2 * self.resets, f'{freed} queues given back')
        self.expect(len(self.hw_queues_left()) <= 2, f'{self.hw_queues_left()} are left')
        self.expect_equal(self.calls.failed('IOMMU_HW_QUEUE_ALLOC'), 0, 'queues refused')
        self.expect_equal(self.trace.count('tegra241_cmdqv_host_error'), 0,
                          'host calls for queues that failed')
        vcmdqs = self.vcmdqs
        self.expect(vcmdqs.commands(GUEST) >= self.requests,
                    f"{vcmdqs.commands(GUEST)} commands in L2's queues")
        self.expect_equal(vcmdqs.errors(HOST + GUEST), [], "errors of L0's queues")
        self.check_released()

    def table(self):
        self.row_device()
        self.row('resets', self.resets)
        self.row('queues', f'{self.trace.count("tegra241_cmdqv_alloc_queue")} allocated, '
                 f'{self.trace.count("tegra241_cmdqv_free_queue")} freed')
        self.row_queues()


class CmdqvHotplug(Grace, Hotplug):
    """hot-unplug down to the last device, with VCMDQs

    The only device goes and comes while the guest has queues of the host: without a device there is
    no VINTF, so QEMU works on the queues, until the host has them back.
    """
    scenario = 'arm64/cmdqv-hotplug'
    smmu = 'accel=on,cmdqv=on'
    trace_events = (*Hotplug.trace_events, 'tegra241_cmdqv_*')
    #: two HW queues, the access by which each has its memory pinned, and the CMDQ-V's vEVENTQ
    cmdqv_objects = Counter(other=5)

    def check_objects(self):
        self.there = [count - self.cmdqv_objects for count in self.there]
        super().check_objects()

    def check(self):
        super().check()
        self.check_host()
        boots = self.cycles + 1
        self.expect_equal(self.trace.count('tegra241_cmdqv_alloc_queue'), 2 * boots,
                          'queues of the host')
        self.expect_equal(self.calls['IOMMU_HW_QUEUE_ALLOC'], 2 * boots, 'calls for queues')
        self.expect_equal(self.trace.count('tegra241_cmdqv_host_error'), 0,
                          'host calls for queues that failed')
        self.expect_equal(self.vcmdqs.errors(HOST + GUEST), [], "errors of L0's queues")
        self.expect(self.vcmdqs.syncs(GUEST) > 0, "L0 has consumed nothing of L2's queues")
        self.check_released()

    def table(self):
        super().table()
        self.row_queues()


class CmdqvTwo(Grace, TwoSmmus):
    """two SMMUs of the host, one with a CMDQ-V; ACPI

    Firmware on both levels: L1 and L2 find the CMDQ-V through ACPI. L2 has a device behind each
    SMMU of the host; cmdqv=auto makes its first SMMU one with a CMDQ-V, and the second one without.
    Before that, QEMU refuses what cmdqv=on can't be honoured for; a VINTF has 16 StreamIDs, so 16
    more devices make one too many.
    """
    scenario = 'arm64/cmdqv-two'
    expected_seconds = 70
    timeout = 240
    l2_timeout = 200
    l1_tools = ()
    disks = (1, 2)
    sids = 16
    more = tuple(f'0000:00:{slot:02x}.0' for slot in range(10, 10 + sids))
    hosts = ('0000:00:03.0', '0000:09:00.0')
    assign = hosts + more
    parameters = dict(TwoSmmus.parameters, devices=len(disks))
    trace_events = (*TwoSmmus.trace_events, 'tegra241_cmdqv_*')

    def l0_machine(self):
        return [*super().l0_machine(), '-bios', firmware(self.firmware[0])]

    def l0_devices(self):
        args = ['-device', 'pxb-pcie,id=pcie.1,bus_nr=8,bus=pcie.0,addr=8',
                '-device', 'arm-smmuv3,primary-bus=pcie.1,stage=nested',
                '-device', 'pcie-root-port,id=rp1,bus=pcie.1,chassis=1,io-reserve=0']
        for number, where in zip(self.disks, ('bus=pcie.0,addr=3', 'bus=rp1')):
            args += ['-drive', f'if=none,id=disk{number},format=raw,file={self.disk_of(number)}',
                     '-device', f'nvme,drive=disk{number},serial=lab{number},{where}']
        for host in self.more:
            args += ['-device', f'edu,bus=pcie.0,addr=0x{host[8:10]}']
        return args

    def set_up_host(self, host):
        self.add_cmdqv(host)
        ports = ('-object iommufd,id=fd0 -device pxb-pcie,id=pcie.1,bus_nr=8,bus=pcie.0 '
                 '-device arm-smmuv3,id=smmuv3.1,primary-bus=pcie.1,accel=on,cmdqv=on '
                 '-device pcie-root-port,id=p1,bus=pcie.1,chassis=1 '
                 '-device pcie-root-port,id=p2,bus=pcie.1,chassis=2')
        has, has_not = (f'-device vfio-pci,host={name},iommufd=fd0' for name in self.hosts)
        many = ' '.join(f'-device pcie-root-port,id=q{number},bus=pcie.1,chassis={number} '
                        f'-device vfio-pci,host={name},iommufd=fd0,bus=q{number}'
                        for number, name in enumerate(self.more, 10))
        self.starts = Starts(self)
        self.starts.judge([
            refusal('the SMMU without as the second',
                    "'smmuv3.1': 0000:09:00.0 is behind another host SMMU than the devices already "
                    'there', f'{ports} {has},bus=p1 {has_not},bus=p2'),
            refusal('the SMMU without as the first',
                    "'smmuv3.1': cmdqv is on, but the host SMMU of 0000:09:00.0 has no Tegra241 "
                    'CMDQ-V', f'{ports} {has_not},bus=p1 {has},bus=p2'),
            refusal('more devices than StreamIDs',
                    f"'smmuv3.1': cmdqv has StreamIDs for {self.sids} devices, {self.more[-1]} is "
                    'one too many', f'{ports} {has},bus=p1 {many}'),
        ])

    def l2_devices(self):
        args = [*IOMMUFD,
                '-device', 'pxb-pcie,id=pcie.1,bus_nr=8,bus=pcie.0',
                '-device', 'pxb-pcie,id=pcie.2,bus_nr=16,bus=pcie.0',
                '-device', 'arm-smmuv3,primary-bus=pcie.1,id=smmuv3.1,accel=on,identifier=7',
                '-device', 'arm-smmuv3,primary-bus=pcie.2,id=smmuv3.2,accel=on']
        for number, host in enumerate(self.hosts, 1):
            args += ['-device', f'pcie-root-port,id=p{number},bus=pcie.{number},chassis={number},'
                     'io-reserve=0',
                     '-device', f'vfio-pci,host={host},bus=p{number},iommufd=iommufd0']
        return args

    def check(self):
        self.check_set_up()
        self.check_data()
        self.check_no_errors()
        self.check_host()
        self.expect_equal(self.l2['cmdqv'], '1', "CMDQ-Vs of L2's driver, by ACPI")
        self.expect_equal(self.starts.total, 3, 'starts')
        self.expect_equal(self.trace.count('tegra241_cmdqv_create'), 1, "CMDQ-Vs of L1's QEMU")
        self.expect(self.trace.count('tegra241_cmdqv_alloc_queue') >= 2,
                    'the host has not got both queues')
        commands = self.vcmdqs.commands(GUEST)
        self.expect(commands >= self.requests, f"{commands} commands in L2's queues")
        calls = self.calls['IOMMU_HWPT_INVALIDATE']
        self.expect(calls >= self.requests, f'{calls} host calls for the SMMU without')
        self.check_released()

    def check_set_up(self):
        self.expect_equal(self.l2['smmus'], '2', 'SMMUs that the devices are behind')
        self.expect_equal(self.l2['group_types'], 'DMA', 'the types of their groups')
        self.expect_equal(self.calls['IOMMU_VIOMMU_ALLOC'], 2, 'vIOMMUs that were made')

    def check_data(self):
        self.expect_equal(self.l2['verified'], '2', 'devices verified in L2')
        for number in self.disks:
            problem = self.disk_problem(self.disk_of(number), self.seed, self.requests)
            self.expect(not problem, f'the file behind device {number}: {problem}')

    def table(self):
        self.row('devices', f'{len(self.disks)} NVMe behind {self.l2.get("smmus", "?")} SMMUs, '
                 f'{self.l2.get("verified", "?")} verified')
        self.row_queues()
        self.row('host calls', f'{self.calls["IOMMU_HWPT_INVALIDATE"]} for the SMMU without')
        self.row('refused', self.starts)


class CmdqvBench(CmdqvTest):
    """time a read, with VCMDQs, without, and without translation

    In one boot: through VCMDQs, with them bypassed, and with an identity domain. Under emulation
    only ratios of one run mean something: VCMDQs have to save a part of what invalidations cost.
    BENCH_CLOCK=instructions counts what L1's processors execute, in place of the real time.
    """
    scenario = 'arm64/cmdqv-bench'
    # a ratio of times is no test
    in_check = False
    expected_seconds = 60
    guest_test = 'cmdqv-bench'
    guest_tools = ()
    clock = os.environ.get('BENCH_CLOCK') or 'wall'
    reads = int(os.environ.get('LAB_READS') or 500)
    rounds = 4
    # tracing would slow down what has exits
    trace_events = ('smmuv3_accel_host_error', 'tegra241_cmdqv_alloc_queue',
                    'tegra241_cmdqv_host_error')

    @property
    def parameters(self):
        """For cmdqv-bench"""
        return {'reads': self.reads, 'rounds': self.rounds}

    def best(self, what):
        """Microseconds a read, in the best round: other load only adds to it"""
        return min(int(self.l2[f'us_{what}_{number}']) for number in range(1, self.rounds + 1))

    def check(self):
        self.check_cmdqv()
        self.expect('io_error' not in self.l2, f'L2: {self.l2.get("io_error")}')
        self.expect_equal(self.l2['group_type'], 'identity', 'the type of the group at last')
        self.expect_equal(self.trace.count('smmuv3_accel_host_error'), 0, 'host calls that failed')
        self.expect(self.best('passthrough') > 0, 'reads take no time')
        ratio = self.best('cmdqv') / self.best('accel')
        self.expect(ratio <= 0.9, f'VCMDQs take {ratio:.2f} of the time without')

    def table(self):
        self.row('clock', self.clock)
        self.row('128 KiB read', f'cmdqv=on {self.best("cmdqv")} us, without VCMDQs '
                 f'{self.best("accel")} us, passthrough {self.best("passthrough")} us')
        self.row('ratio', f'{self.best("cmdqv") / self.best("accel"):.2f}')
