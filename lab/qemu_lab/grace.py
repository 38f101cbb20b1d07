# SPDX-License-Identifier: GPL-2.0-or-later
"""
L0 as a Grace host: its SMMU has a Tegra241 CMDQ-V, for L1 and for L1's guests.

What L0's SMMU consumes is counted, and which of its VCMDQs are allocated: this is what the hardware
has seen. VCMDQs 0 and 1 are VINTF 0's, which is L1's own; 2 and 3 are those of VINTF 1, L2's.
"""

import re
from dataclasses import dataclass

from .arm64 import L0_CPU
from .interpose import Calls

HOST = (0, 1)
GUEST = (2, 3)
#: trace events of L0's QEMU
L0_EVENTS = ('tegra241_cmdqv_consume', 'tegra241_cmdqv_alloc', 'tegra241_cmdqv_vintf')
L0_LINE = re.compile(r'(tegra241_cmdqv_\w+) ((?:\w+=\w+ ?)+)')
#: KVM's counters (arch/arm64/kvm/guest.c): every exit, and those for MMIO that QEMU or KVM emulates
KVM_STATS = ('exits', 'mmio_exit_user', 'mmio_exit_kernel')


@dataclass(frozen=True)
class Batch:
    """
    What a VCMDQ of L0 consumed after one write to its PROD.

    @where: in L0's log, in bytes; @commands: without the CMD_SYNC at the end
    """
    where: int
    vcmdq: int
    commands: int
    cerror: int


class Vcmdqs:
    """What L0's log says of its CMDQ-V, up to now"""

    def __init__(self, path):
        self.batches = []
        self.allocated = set()
        self.vintfs = set()
        self._cons = {}
        where = 0
        with open(path, 'rb') as log:
            for line in log:
                match = L0_LINE.search(line.decode(errors='replace'))
                if match:
                    numbers = {key: int(value, 0) for key, value in
                               (pair.split('=') for pair in match[2].split())}
                    getattr(self, '_' + match[1].rpartition('_')[2])(where, **numbers)
                where += len(line)

    def _consume(self, where, vcmdq, cons, cerror, **_):
        """The first batch of a queue may begin anywhere; it counts as a CMD_SYNC alone."""
        cons &= 0xfffff
        before = self._cons.get(vcmdq, cons)
        entries = cons - before
        if entries < 0:
            # the indices of a queue count to twice its entries, a power of two
            entries += 1 << before.bit_length()
        self.batches.append(Batch(where, vcmdq, max(entries - 1, 0), cerror))
        self._cons[vcmdq] = cons

    def _alloc(self, _where, vcmdq, allocated, **_):
        (self.allocated.add if allocated else self.allocated.discard)(vcmdq)
        self._cons.pop(vcmdq, None)

    def _vintf(self, _where, vintf, enabled, **_):
        (self.vintfs.add if enabled else self.vintfs.discard)(vintf)

    def of(self, vcmdqs, begin=0, end=None):
        """The batches of some VCMDQs, between two places in the log"""
        return [batch for batch in self.batches if batch.vcmdq in vcmdqs and batch.where >= begin
                and (end is None or batch.where < end)]

    def syncs(self, vcmdqs, *between):
        """How many batches, each of which ends with a CMD_SYNC"""
        return len(self.of(vcmdqs, *between))

    def commands(self, vcmdqs, *between):
        """How many commands other than these CMD_SYNCs"""
        return sum(batch.commands for batch in self.of(vcmdqs, *between))

    def errors(self, vcmdqs):
        """The error codes of the batches that ended in error"""
        return [batch.cerror for batch in self.of(vcmdqs) if batch.cerror]


@dataclass(frozen=True)
class Snapshot:
    """All counters at one moment"""
    kvm: dict
    calls: Calls
    where: int


class Phase:
    """What has happened between two snapshots"""

    def __init__(self, first, last, vcmdqs):
        self.kvm = {name: last.kvm[name] - first.kvm[name] for name in last.kvm}
        self.calls = last.calls - first.calls
        between = first.where, last.where
        self.syncs = vcmdqs.syncs(GUEST, *between)
        self.commands = vcmdqs.commands(GUEST, *between)
        self.by_vcmdq = {vcmdq: vcmdqs.syncs([vcmdq], *between) for vcmdq in GUEST}

    @property
    def host_calls(self):
        """Calls of QEMU to iommufd and VFIO"""
        return self.calls.total('IOMMU_*', 'VFIO_*')

    def __str__(self):
        kvm = ', '.join(f'{name} {self.kvm[name]}' for name in KVM_STATS)
        return f'{self.commands} commands, {self.syncs} CMD_SYNCs; KVM: {kvm}; ' \
               f'{self.host_calls} host calls'


class Grace:
    """For scenario classes: L1 has a CMDQ-V. Comes before the class with the devices."""

    #: the clock of L0: 'wall', or 'instructions' (QEMU's -icount)
    clock = 'wall'

    def l0_machine(self):
        cpu = list(L0_CPU)
        if self.clock == 'instructions':
            cpu[cpu.index('tcg,thread=multi')] = 'tcg,thread=single'
            cpu += ['-icount', 'shift=3']
        events = [word for event in L0_EVENTS for word in ('-trace', event)]
        return ['-M', 'virt,virtualization=on,gic-version=3',
                '-device', 'arm-smmuv3,primary-bus=pcie.0,stage=nested,cmdqv=on', *cpu, *events]

    def set_up_host(self, host):
        super().set_up_host(host)
        self.add_cmdqv(host)

    @staticmethod
    def add_cmdqv(host):
        """Whether L1's driver has the CMDQ-V"""
        host.results.add('cmdqv', host.run('grep -c tegra241-cmdqv /proc/interrupts || :').strip())

    _vcmdqs = None

    @property
    def vcmdqs(self):
        """L0's VCMDQs, up to now or to L0's end"""
        if self._vcmdqs is None or not self.host.in_order:
            self._vcmdqs = Vcmdqs(self.out / 'l0.log')
        return self._vcmdqs

    def snapshot(self, guest):
        """All counters; for a moment in which L2 waits."""
        return Snapshot(guest.vcpu_stats(*KVM_STATS), guest.host_calls(),
                        (self.out / 'l0.log').stat().st_size)

    def phase(self, guest, name):
        """What L2 does between its marks NAME and NAME-done: a Phase"""
        guest.wait_for('mark', name)
        first = self.snapshot(guest)
        guest.go_on()
        guest.wait_for('mark', f'{name}-done')
        last = self.snapshot(guest)
        guest.go_on()
        return Phase(first, last, Vcmdqs(self.out / 'l0.log'))

    def check_host(self):
        """L1 has the host's CMDQ-V, and uses it."""
        self.expect_equal(self.l1['cmdqv'], '1', "CMDQ-Vs of L1's driver")
        self.expect(self.vcmdqs.syncs(HOST) > 0, 'L1 has not used VCMDQs of its own')

    def check_released(self):
        """The host's kernel has taken everything back."""
        vcmdqs = self.vcmdqs
        self.expect_equal(sorted(vcmdqs.allocated - set(HOST)), [],
                          "L0's VCMDQs that are allocated at the end")
        self.expect_equal(sorted(vcmdqs.vintfs - {0}), [],
                          "L0's VINTFs that are enabled at the end")

    def row_queues(self):
        """What L0 has consumed"""
        vcmdqs = self.vcmdqs
        self.row("L1's queues", f'{vcmdqs.commands(HOST)} commands before '
                 f'{vcmdqs.syncs(HOST)} CMD_SYNCs')
        self.row("L2's queues", f'{vcmdqs.commands(GUEST)} commands before '
                 f'{vcmdqs.syncs(GUEST)} CMD_SYNCs')
