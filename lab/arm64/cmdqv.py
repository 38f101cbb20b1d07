# SPDX-License-Identifier: GPL-2.0-or-later
"""A guest has command queues of the host: VCMDQs of a Tegra241 CMDQ-V."""

import re

from arm64.devicetree import TreeNvmeTest, on_pcie0
from qemu_lab.arm64 import NvmeTest, accelerated
from qemu_lab.grace import GUEST, HOST, Grace
from qemu_lab.interpose import Field, Rules
from qemu_lab.starts import Starts, refusal

#: struct iommu_ioas_map.iova, struct iommu_hw_queue_alloc.index
IOAS_MAP_IOVA = 32
HW_QUEUE_INDEX = 16
#: where the virt machine has RAM, and page 0 of the first CMDQ-V's VINTF
RAM = 0x40000000
VINTF_PAGE0 = 0x0c0b0000


class CmdqvTest(Grace, TreeNvmeTest):
    """An NVMe controller behind an accelerated SMMUv3 that has VCMDQs of the host."""

    guest_test = 'cmdqv-verify'
    guest_tools = ('dmaverify', 'unmap-loop')
    smmu = 'accel=on,cmdqv=on'
    timeout = 240
    requests = 1000
    trace_events = (*NvmeTest.trace_events, 'tegra241_cmdqv_*', 'iommufd_hw_queue_*',
                    'iommufd_backend_free_id')

    def l2_devices(self):
        if self.l2_firmware:
            return accelerated(*self.assign, smmu=self.smmu)
        return super().l2_devices()

    def check_firmware(self):
        self.expect_equal(self.l2['firmware'],
                          'UEFI and ACPI' if self.l2_firmware else 'device tree',
                          "the guest's firmware")

    def check_cmdqv(self):
        """L2 has VCMDQs, and they are the host's."""
        self.check_host()
        self.expect_equal(self.l2['cmdqv'], '1', "CMDQ-Vs of L2's driver")
        self.expect(self.calls['IOMMU_HW_QUEUE_ALLOC/TEGRA241_CMDQV'] >= 2,
                    'the host was not asked for both queues')
        self.expect_equal(self.calls.failed('IOMMU_HW_QUEUE_ALLOC'), 0, 'queues refused')
        self.expect(self.trace.count('tegra241_cmdqv_alloc_queue') >= 2,
                    'the host has not got both queues')
        self.expect(self.calls['mmap:iommufd'] >= 1, 'page 0 of the VINTF was not mapped')
        self.expect_equal(self.trace.count('tegra241_cmdqv_host_error'), 0,
                          'host calls for queues that failed')

    def hw_queues_left(self):
        """The queues that QEMU has not given back, by its own trace; their ids may be reused."""
        live = set()
        for name, text in self.trace.events:
            if not text.endswith('(0)'):
                continue
            if name == 'iommufd_hw_queue_alloc':
                live.add(int(re.search(r'hw_queue=(\d+)', text)[1]))
            elif name == 'iommufd_backend_free_id':
                live.discard(int(re.search(r' id=(\d+)', text)[1]))
        return live

    def check_all(self):
        """What every scenario of this class wants, apart from VCMDQs"""
        self.check_set_up()
        self.check_data()
        self.check_firmware()
        self.check_no_errors()


class CmdqvPhases(CmdqvTest):
    """Reads, then memory that is only mapped and unmapped, with all counters read around each"""

    #: vfio in L2 does not take a device with a region that a device tree maps directly
    l2_firmware = True
    steady_reads = 2000
    #: on each CPU; Linux chooses the LVCMDQ by the number of the CPU
    unmaps = 5000
    unmap_cpus = 2
    #: a phase ends with a report of L2, which takes about 70 accesses to UART and GIC
    mark_exits = 200
    #: those of a read, for the device's own registers
    exits_per_read = 0
    l2_timeout = 200

    @property
    def parameters(self):
        """For cmdqv-verify"""
        return dict(super().parameters, steady_reads=self.steady_reads, unmaps=self.unmaps,
                    unmap_cpus=self.unmap_cpus)

    def beside_guest(self, guest):
        self.reads_phase = self.phase(guest, 'reads')
        self.unmaps_phase = self.phase(guest, 'unmaps')

    def check_unmaps(self):
        """L2 has done what the phases are for."""
        self.expect_equal(self.l2['unmapped'], str(self.unmaps * self.unmap_cpus), 'pages unmapped')
        self.expect(self.l2.number('reads_unmaps') >= self.steady_reads,
                    'L2 has unmapped less than it has read')

    def row_phases(self):
        """What the phases cost"""
        if self.guest and 'end' in self.l2:
            self.row('reads', f'{self.l2.get("reads_unmaps", "?")} unmaps: {self.reads_phase}')
            self.row('unmaps', f'{self.l2.get("unmapped", "?")} unmaps: {self.unmaps_phase}')


class Cmdqv(CmdqvPhases):
    """command queues of a Tegra241 CMDQ-V, in the guest"""
    scenario = 'arm64/cmdqv'
    expected_seconds = 50

    def interpose(self):
        # Rules without effect that count: maps of the first page of RAM, and of page 0
        return Rules().delay('IOMMU_IOAS_MAP', 1, where=Field(IOAS_MAP_IOVA, 8, RAM)) \
                      .delay('IOMMU_IOAS_MAP', 1, where=Field(IOAS_MAP_IOVA, 8, VINTF_PAGE0))

    def beside_guest(self, guest):
        guest.wait_for('mark', 'reads')
        self.memory = guest.qmp.hmp('info mtree')
        super().beside_guest(guest)

    def check(self):
        self.check_all()
        self.check_cmdqv()
        self.check_unmaps()
        self.check_phases()
        self.expect(re.search(f'^ *0*{VINTF_PAGE0:x}-[^\n]*: tegra241-cmdqv-page0\\b', self.memory,
                              re.M), f"the VINTF's page 0 is not at {VINTF_PAGE0:#x}")
        self.expect(self.calls.hits(1) >= 1, 'RAM was not mapped for the host IOMMU')
        self.expect_equal(self.calls.met(2), 0, "maps of the VINTF's page 0 for the host IOMMU")
        self.expect(f' {VINTF_PAGE0:#x},' not in self.qemu_log(),
                    "QEMU speaks of the VINTF's page 0")
        self.expect_equal(self.vcmdqs.errors(HOST + GUEST), [], "errors of L0's queues")
        self.check_released()

    def check_phases(self):
        """Neither an exit nor a host call for an invalidation, by the counters of KVM and others"""
        unmaps = self.unmaps * self.unmap_cpus
        for what, phase, least in (('reads', self.reads_phase, self.l2.number('reads_unmaps')),
                                   ('unmaps', self.unmaps_phase, unmaps)):
            self.expect(phase.commands >= least and phase.syncs >= least,
                        f"{what}: L0 has consumed {phase.commands} commands and {phase.syncs} "
                        f"CMD_SYNCs from L2's queues, for {least} unmaps")
            self.expect_equal(phase.host_calls, 0, f'{what}: calls of iommufd and VFIO')
            mmio = phase.kvm['mmio_exit_user'] + phase.kvm['mmio_exit_kernel']
            reads = self.steady_reads if what == 'reads' else 0
            allowed = self.mark_exits + reads * self.exits_per_read
            self.expect(mmio <= allowed, f'{what}: {mmio} exits for MMIO, not {allowed}')
        # Other exits: the interrupts of reads, which take as many; and ticks, L2's and L1's, which
        # depend on how busy this machine is
        exits = self.unmaps_phase.kvm['exits']
        self.expect(exits <= unmaps // 2, f'{exits} exits for {unmaps} unmaps')
        for vcmdq, syncs in self.unmaps_phase.by_vcmdq.items():
            self.expect(syncs >= self.unmaps, f'VCMDQ {vcmdq}: {syncs} CMD_SYNCs')

    def table(self):
        self.row_device()
        self.row_bytes()
        self.row_queues()
        self.row_phases()


class Cmdqv64k(Cmdqv):
    """command queues of a Tegra241 CMDQ-V, with pages of 64 KiB in host and guest"""
    scenario = 'arm64/cmdqv-64k'
    l1_kernel = 'arm64-64k'
    l2_kernel = 'arm64-64k'
    #: the controller's BAR of 16 KiB is smaller than a page of the host, so that vfio does not map
    #: it, and both doorbells of a read trap
    exits_per_read = 2


class CmdqvBypass(CmdqvPhases):
    """the guest's driver bypasses its VCMDQs"""
    scenario = 'arm64/cmdqv-bypass'
    expected_seconds = 50
    steady_reads = 500
    unmaps = 500

    @property
    def parameters(self):
        return dict(super().parameters, bypass='Y')

    def check(self):
        self.check_all()
        self.check_cmdqv()
        self.check_unmaps()
        unmaps = self.unmaps * self.unmap_cpus
        for what, phase, least in (('reads', self.reads_phase, self.l2.number('reads_unmaps')),
                                   ('unmaps', self.unmaps_phase, unmaps)):
            self.expect_equal(phase.syncs, 0, f"{what}: CMD_SYNCs in L2's VCMDQs")
            self.expect(phase.calls['IOMMU_HWPT_INVALIDATE'] >= least,
                        f'{what}: {phase.calls["IOMMU_HWPT_INVALIDATE"]} host calls for '
                        f'{least} unmaps')
            # The counters that arm64/cmdqv relies upon do count
            for name in ('exits', 'mmio_exit_user'):
                self.expect(phase.kvm[name] >= least, f'{what}: {phase.kvm[name]} {name}')

    def table(self):
        self.row_device()
        self.row_bytes()
        self.row_phases()


class CmdqvFallback(CmdqvTest):
    """Verified DMA while L2's invalidations are host calls"""

    requests = 500

    def check_host_calls(self):
        """They are, and there are no more than CMD_SYNCs."""
        calls = self.calls['IOMMU_HWPT_INVALIDATE']
        syncs = self.trace.commands('SMMU_CMD_SYNC')
        self.expect(calls >= self.requests, f'{calls} host calls for {self.requests} requests')
        self.expect(calls <= syncs, f'{calls} host calls for {syncs} CMD_SYNCs')


class Cmdqv612(CmdqvFallback):
    """a CMDQ-V and Linux 6.12, under ACPI"""
    scenario = 'arm64/cmdqv-6.12'
    # a kernel of its own to build, for what is a known fault today; make matrix has it too
    in_check = False
    expected_seconds = 50
    l2_firmware = True
    l2_kernel = 'arm64-6.12'

    def check(self):
        """
        Linux 6.12 takes the registers from an address space descriptor only, and the DSDT has a
        Memory32Fixed one: the driver gives up, and the guest has no VCMDQs. Once the DSDT has the
        other, this class is one more variant of Cmdqv.
        """
        self.check_all()
        self.check_host()
        self.expect_equal(self.trace.count('tegra241_cmdqv_create'), 1, "CMDQ-Vs of L1's QEMU")
        self.expect('failed to get memory resource entry' in self.l2['cmdqv_probe'],
                    f"L2's driver says {self.l2['cmdqv_probe']!r} of the registers")
        self.expect_equal(self.l2['cmdqv'], '0', "CMDQ-Vs of L2's driver")
        self.expect_equal(self.vcmdqs.syncs(GUEST), 0, "CMD_SYNCs in L2's VCMDQs")
        self.check_host_calls()

    def table(self):
        self.row_device()
        self.row_bytes()
        self.row('CMDQ-V in L2', self.l2.get('cmdqv_probe', '?'))
        self.row('host calls', self.calls['IOMMU_HWPT_INVALIDATE'])


class CmdqvRefused(CmdqvFallback):
    """VCMDQs that the host's kernel refuses"""
    scenario = 'arm64/cmdqv-refused'
    expected_seconds = 60
    assign = ('0000:00:03.0', '0000:00:04.0')

    def prepare(self):
        super().prepare()
        self.second_disk = self.out / 'disk2.img'
        self.fill_disk(self.second_disk, self.disk_bytes, self.seed)

    def l0_devices(self):
        return super().l0_devices() + [
            '-drive', f'if=none,id=disk2,format=raw,file={self.second_disk}',
            '-device', 'nvme,drive=disk2,serial=lab2,addr=4']

    def test(self):
        self.prepare()
        self.boot()
        first, second = (self.guest_args(devices=on_pcie0(host, smmu=self.smmu))
                         for host in self.assign)
        every = Rules().fail('IOMMU_HW_QUEUE_ALLOC', 'EFAULT')
        last = Rules().fail('IOMMU_HW_QUEUE_ALLOC', 'EFAULT', where=Field(HW_QUEUE_INDEX, 4, 1))
        self.all_refused = self.new_guest('l2', first, every)
        self.all_refused.start().wait()
        self.began_second = (self.out / 'l0.log').stat().st_size
        self.one_refused = self.new_guest('second', second, last)
        self.one_refused.start().wait()
        self.finish()
        self.judge(self.all_refused, self.check_both)
        self.disk = self.second_disk
        self.judge(self.one_refused, self.check_one)

    def judge(self, guest, check):
        """Checks one of the guests."""
        self.look_at(guest)
        self.check_all()
        self.check_host()
        self.expect_equal(self.l2['cmdqv'], '1', f"{guest.name}: CMDQ-Vs of L2's driver")
        self.expect(self.calls.hits(1) >= 1, f'{guest.name}: no queue was refused')
        self.expect(self.trace.count('tegra241_cmdqv_host_error') >= 1,
                    f'{guest.name}: QEMU has not seen the refusals')
        self.check_host_calls()
        check()

    def look_at(self, guest):
        """self.l2, self.trace and self.calls are those of @guest from here on."""
        self.guest = guest
        self._trace = self._calls = None

    def check_both(self):
        """No queue is the host's."""
        self.expect_equal(self.trace.count('tegra241_cmdqv_alloc_queue'), 0, 'queues of the host')
        self.expect_equal(self.vcmdqs.syncs(GUEST, 0, self.began_second), 0,
                          "CMD_SYNCs in L2's VCMDQs")
        self.expect(self.trace.count('tegra241_cmdqv_consume') >= self.requests,
                    'QEMU has not consumed the queues')

    def check_one(self):
        """LVCMDQ 0 is the host's, LVCMDQ 1 is not: doorbells trap, and lead to the right one."""
        self.expect_equal(self.trace.count('tegra241_cmdqv_alloc_queue', 'lvcmdq=1 '), 0,
                          "LVCMDQ 1 is the host's")
        self.expect(self.trace.count('tegra241_cmdqv_alloc_queue', 'lvcmdq=0 ') >= 1,
                    "LVCMDQ 0 is not the host's")
        self.expect_equal(self.trace.count('tegra241_cmdqv_page0', 'mapped=1 .*allocated=2'), 0,
                          'maps of page 0 for the guest while both queues are allocated')
        self.expect(self.trace.count('tegra241_cmdqv_page0', 'mapped=0 .*allocated=2') >= 1,
                    'page 0 was not taken back when the second queue was allocated')
        self.expect(self.vcmdqs.syncs(GUEST[:1], self.began_second) >= 1,
                    'L0 has consumed nothing of LVCMDQ 0')
        self.expect_equal(self.vcmdqs.syncs(GUEST[1:], self.began_second), 0,
                          'CMD_SYNCs in the LVCMDQ that was refused')
        self.expect(self.trace.count('tegra241_cmdqv_consume', 'vcmdq=1 ') >= 1,
                    'QEMU has not consumed LVCMDQ 1')

    def check_host_calls(self):
        """A CMD_SYNC takes a host call at most; with one queue of two there are some."""
        calls = self.calls['IOMMU_HWPT_INVALIDATE']
        syncs = self.trace.commands('SMMU_CMD_SYNC')
        self.expect(0 < calls <= syncs, f'{calls} host calls for {syncs} CMD_SYNCs')

    def table(self):
        for what, guest in (('both refused', self.all_refused), ('one refused', self.one_refused)):
            self.look_at(guest)
            self.row(what, f'{self.l2.get("bytes_verified", 0)} bytes verified; QEMU consumed '
                     f'{self.trace.count("tegra241_cmdqv_consume")} times, '
                     f'{self.calls["IOMMU_HWPT_INVALIDATE"]} host calls')


class CmdqvNone(TreeNvmeTest):
    """cmdqv=auto and cmdqv=on on a host without a CMDQ-V"""
    scenario = 'arm64/cmdqv-none'
    expected_seconds = 30
    guest_test = 'cmdqv-verify'
    smmu = 'accel=on,cmdqv=auto'
    requests = 500
    trace_events = (*NvmeTest.trace_events, 'tegra241_cmdqv_create')

    def set_up_host(self, host):
        smmu = ('-object iommufd,id=fd0 -device pxb-pcie,id=pcie.1,bus_nr=8,bus=pcie.0 '
                '-device arm-smmuv3,id=smmuv3.1,primary-bus=pcie.1,accel=on,cmdqv=on')
        vfio = ('-device pcie-root-port,id=p1,bus=pcie.1,chassis=1 '
                '-device vfio-pci,host=0000:00:03.0,bus=p1,iommufd=fd0')
        self.starts = Starts(self)
        self.starts.judge([
            refusal('no CMDQ-V', "'smmuv3.1': cmdqv is on, but the host SMMU of 0000:00:03.0 has "
                    'no Tegra241 CMDQ-V: set cmdqv to off or auto', f'{smmu} {vfio}'),
            refusal('no device', "'smmuv3.1': cmdqv=on needs a device to take its parameters from",
                    f'{smmu},ats=off,ril=on,ssidsize=0,oas=44'),
        ])

    def check(self):
        super().check()
        self.expect_equal(self.l2['cmdqv'], '0', "CMDQ-Vs of L2's driver")
        self.expect_equal(self.trace.count('tegra241_cmdqv_create'), 0, "CMDQ-Vs of L1's QEMU")
        self.expect_equal(self.calls['IOMMU_HW_QUEUE_ALLOC'], 0, 'queues of the host')
        self.expect(self.calls['IOMMU_GET_HW_INFO/TEGRA241_CMDQV'] >= 1,
                    'QEMU has not asked for a CMDQ-V')
        self.expect_equal(self.calls['IOMMU_GET_HW_INFO/TEGRA241_CMDQV'],
                          self.calls.failed('IOMMU_GET_HW_INFO/TEGRA241_CMDQV'),
                          'calls that ask for a CMDQ-V, and those that fail')

    def table(self):
        self.row_device()
        self.row_bytes()
        self.row_commands()
        self.row('refused', self.starts)
